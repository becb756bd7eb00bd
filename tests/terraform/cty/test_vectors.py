"""Values as go-cty writes and reads them; tests/vectors/README.md says how recorded."""

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.terraform.cty import (
    BOOL,
    NUMBER,
    STRING,
    UNKNOWN,
    Bound,
    CtyError,
    List,
    Object,
    SetValue,
    Tuple,
    Typed,
    Unknown,
    decode,
    encode,
    from_json,
    to_json,
    type_from_json,
)

VECTORS = Path(__file__).resolve().parent.parent.parent / "vectors"

# What the names of `cty_encode.json` mean in Python; `int 5` needs no entry.
VALUES: dict[str, Any] = {
    "true": True,
    "null str": None,
    "str hi": "hi",
    "empty": "",
    "str nfd": "e\u0301",
    "str31": "0123456789" * 3 + "0",
    "str32": "0123456789" * 3 + "01",
    "uint 2^63": 2**63,
    "uint max": 2**64 - 1,
    "1.5": 1.5,
    "float 0.1": 0.1,
    "neg zero": -0.0,
    "2^100": 2**100,
    "1e308 float": 1e308,
    "+inf": math.inf,
    "-inf": -math.inf,
    "list empty": [],
    "list": ["a", "b"],
    "set": SetValue(["b", "a", "a"]),
    "setnum": SetValue([100, 9, 10]),
    "set unk": SetValue([None, UNKNOWN, "a"]),
    "map": {"b": True, "a": False},
    "obj": {"name": "x", "n": None, "id": UNKNOWN},
    "emptyobj": {},
    "tuple": ["a", 1],
    "dyn str": Typed(STRING, "a"),
    "dyn num": Typed(NUMBER, 1),
    "dyn null dyn": None,
    "dyn null str": Typed(STRING, None),
    "dyn unk": UNKNOWN,
    "dyn unk str": Typed(STRING, UNKNOWN),
    "dyn obj": Typed(Object({"a": BOOL}), {"a": True}),
    "dyn tuple": Typed(Tuple([STRING, NUMBER]), ["a", 1]),
    "obj dyn attr": {"v": Typed(List(NUMBER), [1])},
    "list of dyn": [Typed(STRING, "a")],
    "unk": UNKNOWN,
    "unk notnull": Unknown(is_not_null=True),
    "unk prefix": Unknown(is_not_null=True, prefix="ami-"),
    "unk prefix only": Unknown(prefix="ami-"),
    "unk num range": Unknown(is_not_null=True, lower=Bound(1), upper=Bound(10)),
    "unk num lower excl": Unknown(lower=Bound(0, is_inclusive=False)),
    "unk num lower frac": Unknown(lower=Bound(Decimal("0.1"))),
    "unk list len": Unknown(is_not_null=True, min_length=1, max_length=3),
    "unk bool notnull": Unknown(is_not_null=True),
    "unk obj notnull": Unknown(is_not_null=True),
    "unk dyn str notnull": Typed(STRING, Unknown(is_not_null=True)),
}

# A host has to refuse these anyway: the objects and tuples are not of the type.
REFUSED_HERE = {"obj empty map for non-empty type", "tuple empty"}


def vectors(name: str) -> list[Any]:
    cases = json.loads((VECTORS / name).read_text())
    return [pytest.param(case, id=case["name"]) for case in cases]


def value_of(name: str) -> Any:
    if name in VALUES:
        return VALUES[name]
    kind, number = name.split()
    return int(number) if kind == "int" else Decimal(number)


@pytest.mark.parametrize("case", vectors("cty_encode.json"))
def test_a_value_is_written_as_go_writes_it(case: dict[str, Any]) -> None:
    """go-cty: `msgpack.Marshal` and `json.Marshal`."""
    kind = type_from_json(json.dumps(case["type"]))
    value = value_of(case["name"])
    assert encode(value, kind).hex() == case["msgpack"]
    if case["json_error"] is None:
        assert to_json(value, kind).decode() == case["json"]
    else:
        with pytest.raises(CtyError, match=r"not known|infinity"):
            to_json(value, kind)


@pytest.mark.parametrize("case", vectors("cty_encode.json"))
def test_what_go_writes_is_read_and_written_again(case: dict[str, Any]) -> None:
    """go-cty: `msgpack.Unmarshal` and `json.Unmarshal`."""
    kind = type_from_json(json.dumps(case["type"]))
    value = decode(bytes.fromhex(case["msgpack"]), kind)
    assert encode(value, kind).hex() == case["msgpack"]
    if case["json"] is not None:
        again = from_json(case["json"], kind)
        assert to_json(again, kind) == to_json(from_json(case["json"], kind), kind)
        # A float of one tenth is not a tenth, and JSON has no floats.
        assert again == value or case["name"] == "float 0.1"


@pytest.mark.parametrize("case", vectors("cty_decode.json"))
def test_bytes_are_read_as_go_reads_them(case: dict[str, Any]) -> None:
    """go-cty: `msgpack.Unmarshal`, with the leniency that peers may count on."""
    kind = type_from_json(json.dumps(case["type"]))
    data = bytes.fromhex(case["msgpack"])
    if case["value"] is None or case["name"] in REFUSED_HERE:
        with pytest.raises(CtyError):
            decode(data, kind)
    else:
        assert encode(decode(data, kind), kind).hex() == case["encoded"]


def test_the_exceptions_name_vectors_that_exist() -> None:
    encoded = {case.id for case in vectors("cty_encode.json")}
    assert VALUES.keys() <= encoded
    assert {case.id for case in vectors("cty_decode.json")} >= REFUSED_HERE
