"""Terraform's types and values (go-cty's), and how they travel.

    kind = Object({"name": STRING, "size": NUMBER})
    data = encode({"name": "a", "size": Decimal("0.1")}, kind)    # msgpack
    value = decode(data, kind)

`values` says what a value is in Python. Needs the `msgpack` library, which comes with
the extra `goplugin_py[terraform]`.
"""

from goplugin_py.terraform.cty.conversion import from_python, to_python
from goplugin_py.terraform.cty.decoding import decode
from goplugin_py.terraform.cty.encoding import encode
from goplugin_py.terraform.cty.errors import CtyError
from goplugin_py.terraform.cty.paths import GetAttr, Index, Path, Step
from goplugin_py.terraform.cty.type_json import type_from_json, type_to_json
from goplugin_py.terraform.cty.types import (
    BOOL,
    DYNAMIC,
    NUMBER,
    STRING,
    List,
    Map,
    Object,
    Primitive,
    Set,
    Tuple,
    Type,
)
from goplugin_py.terraform.cty.value_json import from_json, to_json
from goplugin_py.terraform.cty.values import (
    UNKNOWN,
    Bound,
    SetValue,
    Typed,
    Unknown,
    Value,
)
from goplugin_py.terraform.cty.walking import (
    follow,
    is_wholly_known,
    transform,
    unknown_paths,
    without_refinements,
    without_unknown,
)

__all__ = [  # noqa: RUF022 - grouped
    # types
    "BOOL",
    "DYNAMIC",
    "NUMBER",
    "STRING",
    "List",
    "Map",
    "Object",
    "Primitive",
    "Set",
    "Tuple",
    "Type",
    # values
    "UNKNOWN",
    "Bound",
    "SetValue",
    "Typed",
    "Unknown",
    "Value",
    "from_python",
    "to_python",
    # paths
    "GetAttr",
    "Index",
    "Path",
    "Step",
    "follow",
    # the inside of values
    "is_wholly_known",
    "transform",
    "unknown_paths",
    "without_refinements",
    "without_unknown",
    # msgpack and JSON
    "decode",
    "encode",
    "from_json",
    "to_json",
    "type_from_json",
    "type_to_json",
    "CtyError",
]
