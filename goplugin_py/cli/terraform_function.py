"""`goplugin terraform function`: call a function of a provider."""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from functools import partial
from typing import Any

from goplugin_py.cli.terraform_json import json_text
from goplugin_py.cli.terraform_provider import BadInput, with_provider
from goplugin_py.terraform import Provider
from goplugin_py.terraform.cty import STRING
from goplugin_py.terraform.schema import Function


def run(options: argparse.Namespace) -> int:
    """Start the provider, call the function and print the result."""
    return with_provider(options, partial(_call, options), is_configured=False)


def _call(options: argparse.Namespace, provider: Provider) -> int:
    function = provider.function(options.name)
    values = [
        _value(function.schema, index, text)
        for index, text in enumerate(options.values)
    ]
    print(json_text(function(*values), indent=None if options.json else 2))
    return 0


def _value(schema: Function, index: int, text: str) -> Any:
    """Return an argument; one too many is told by the function itself."""
    known = dict(enumerate(schema.parameters))
    parameter = known.get(index, schema.variadic)
    if parameter is None or parameter.type == STRING:
        return text
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as exc:
        kind = parameter.type
        raise BadInput(f"{parameter.name} is {kind}, in JSON; {exc}") from exc
