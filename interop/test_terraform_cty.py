"""Terraform's values against go-cty itself, which answers in `go-fixtures/cty`."""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goplugin_py.terraform import cty
from goplugin_py.terraform.cty import STRING, CtyError, Type
from interop.fixtures import binary
from tests.terraform.cty.test_vectors import vectors
from tests.terraform.strategies import NAMES, typed_values, types

STOP_TIMEOUT = 5.0
# Python takes most of the time, to make up values.
EXAMPLES = 40

Answer = dict[str, Any]


class GoCty:
    """A running go-cty, which answers a line of JSON with lines of JSON."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def read(self, data: bytes, kind: Type) -> Answer:
        """Let it read msgpack, and write what it read."""
        return self._ask(do="msgpack", type=description(kind), data=data.hex())

    def read_json(self, text: str, kind: Type) -> Answer:
        """Let it read JSON, and write what it read."""
        return self._ask(do="json", type=description(kind), data=text)

    def read_type(self, text: str) -> Answer:
        """Let it read a type, and write it."""
        return self._ask(do="type", data=text)

    def make_up(self, seed: int, count: int) -> list[Answer]:
        """Let it make up types and values."""
        first = self._ask(do="random", seed=seed, count=count)
        return [first, *(self._next() for _ in range(count - 1))]

    def _ask(self, **request: object) -> Answer:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return self._next()

    def _next(self) -> Answer:
        assert self._process.stdout is not None
        answer: Answer = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def go() -> Iterator[GoCty]:
    with subprocess.Popen(
        [binary("cty")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield GoCty(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(STOP_TIMEOUT) == 0


def description(kind: Type) -> Any:
    return json.loads(cty.type_to_json(kind))


def has_free_order(data: bytes, kind: Type) -> bool:
    """Tell whether there may be a set in it whose order is go-cty's own.

    That is how it orders objects, and unknown elements.
    """
    return b'["set",' in cty.type_to_json(kind) + data


@cache
def made_by_go(go: GoCty, seed: int) -> list[tuple[Type, Answer]]:
    made = go.make_up(seed, 1000)
    return [(cty.type_from_json(json.dumps(one["type"])), one) for one in made]


@pytest.mark.parametrize("seed", range(4))
def test_what_go_writes_is_written_again_byte_by_byte(go: GoCty, seed: int) -> None:
    """go-cty: `msgpack.Marshal`, `json.Marshal` and `json.MarshalType`."""
    for kind, one in made_by_go(go, seed):
        data = bytes.fromhex(one["msgpack"])
        value = cty.decode(data, kind)
        assert description(kind) == one["type"]
        if not has_free_order(data, kind):
            assert cty.encode(value, kind) == data
            if one["json"]:
                assert cty.to_json(value, kind).decode() == one["json"]
        assert bool(one["json"]) == can_be_json(value, kind)


def can_be_json(value: object, kind: Type) -> bool:
    try:
        return bool(cty.to_json(value, kind))
    except CtyError:
        return False


@pytest.mark.parametrize("seed", range(4))
def test_go_reads_what_was_read_from_it(go: GoCty, seed: int) -> None:
    """go-cty: `msgpack.Unmarshal` and `json.Unmarshal`."""
    for kind, one in made_by_go(go, seed):
        value = cty.decode(bytes.fromhex(one["msgpack"]), kind)
        data = cty.encode(value, kind)
        answer = go.read(data, kind)
        if has_free_order(data, kind):
            assert cty.decode(bytes.fromhex(answer["msgpack"]), kind) == value
        else:
            assert answer == one
        if one["json"]:
            again = cty.from_json(one["json"], kind)
            answer = go.read_json(cty.to_json(again, kind).decode(), kind)
            assert cty.from_json(answer["json"], kind) == again


@settings(max_examples=EXAMPLES)
@given(typed_values())
def test_go_reads_random_values_and_writes_the_same(
    go: GoCty, pair: tuple[Type, Any]
) -> None:
    """go-cty: `msgpack.Unmarshal`, then `msgpack.Marshal`."""
    kind, value = pair
    data = cty.encode(value, kind)
    answer = go.read(data, kind)
    assert answer["error"] == ""
    again = bytes.fromhex(answer["msgpack"])
    if has_free_order(data, kind):
        assert cty.decode(again, kind) == cty.decode(data, kind)
    else:
        assert again == data


@settings(max_examples=EXAMPLES)
@given(typed_values(known=True))
def test_go_reads_random_values_from_json(go: GoCty, pair: tuple[Type, Any]) -> None:
    """go-cty: `json.Unmarshal`."""
    kind, value = pair
    text = cty.to_json(value, kind).decode()
    answer = go.read_json(text, kind)
    assert answer["error"] == ""
    assert cty.from_json(answer["json"], kind) == cty.from_json(text, kind)


@given(types(), st.lists(NAMES, max_size=3, unique=True))
def test_go_reads_types_and_writes_the_same(
    go: GoCty, kind: Type, names: list[str]
) -> None:
    """go-cty: `json.UnmarshalType`, optional attributes too."""
    attributes = dict.fromkeys(names, kind) | {"always": STRING}
    kind = cty.Object(attributes, optional=names)
    answer = go.read_type(cty.type_to_json(kind).decode())
    assert answer["error"] == ""
    assert cty.type_from_json(json.dumps(answer["type"])) == kind
    assert answer["type"] == description(kind)


@settings(max_examples=EXAMPLES)
@given(typed_values(), st.data())
def test_go_agrees_on_damaged_bytes_that_are_a_value(
    go: GoCty, pair: tuple[Type, Any], data: st.DataObject
) -> None:
    """What is accepted here means the same to a provider."""
    kind, value = pair
    damaged = bytearray(cty.encode(value, kind))
    where = data.draw(st.integers(0, len(damaged) - 1))
    damaged[where] = data.draw(st.integers(0, 255))
    try:
        read = cty.decode(bytes(damaged), kind)
    except CtyError:
        return
    answer = go.read(bytes(damaged), kind)
    if not answer["error"]:
        assert cty.decode(bytes.fromhex(answer["msgpack"]), kind) == read


@pytest.mark.parametrize("case", vectors("cty_encode.json"))
def test_go_confirms_what_it_wrote(go: GoCty, case: dict[str, Any]) -> None:
    """tests/vectors/README.md; msgpack has no -0, and JSON has."""
    kind = cty.type_from_json(json.dumps(case["type"]))
    answer = go.read(bytes.fromhex(case["msgpack"]), kind)
    assert answer["msgpack"] == case["msgpack"]
    if case["name"] != "neg zero":
        assert answer["json"] == (case["json"] or "")


@pytest.mark.parametrize("case", vectors("cty_decode.json"))
def test_go_confirms_what_it_read(go: GoCty, case: dict[str, Any]) -> None:
    """tests/vectors/README.md."""
    kind = cty.type_from_json(json.dumps(case["type"]))
    answer = go.read(bytes.fromhex(case["msgpack"]), kind)
    assert answer["msgpack"] == (case["encoded"] or "")
    if case["error"] is not None:
        assert case["error"] in answer["error"]
