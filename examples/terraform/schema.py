"""Print what a Terraform provider offers, and call one of its functions.

    python examples/terraform/schema.py PROVIDER [FUNCTION STRING...]

The provider is any unmodified binary, protocol 5 or 6. It is started with mutual TLS,
as Terraform starts it; the terraform program itself is not needed.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack

from goplugin_py import Client, ClientConfig, Plugin
from goplugin_py.terraform import HANDSHAKE, tfplugin5, tfplugin6


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Look into a Terraform provider.")
    parser.add_argument("provider", help="the provider's executable")
    parser.add_argument("call", nargs="*", help="a function and its string arguments")
    options = parser.parse_args(arguments)
    config = ClientConfig(
        command=[options.provider],
        handshake=HANDSHAKE,
        versioned_plugins={
            5: {"provider": Plugin.from_stub(tfplugin5.ProviderStub)},
            6: {"provider": Plugin.from_stub(tfplugin6.ProviderStub)},
        },
    )
    with Client(config) as client:
        provider = client.dispense("provider")
        print(f"protocol {client.negotiated_version}, mutual TLS on")
        for line in describe(fetch_schema(provider, client.negotiated_version)):
            print(line)
        if options.call:
            name, *words = options.call
            print(f"{name}({', '.join(map(repr, words))}) =")
            result = call(provider, client.negotiated_version, name, words)
            print(json.dumps(result, indent=2))


def fetch_schema(provider: Any, version: int) -> Any:
    """Return the schemas of everything in the provider."""
    if version == 5:
        return provider.GetSchema(tfplugin5.GetProviderSchema.Request())
    return provider.GetProviderSchema(tfplugin6.GetProviderSchema.Request())


def describe(schema: Any) -> Iterator[str]:
    """Yield a line for each resource, data source and function."""
    for kind, schemas in (
        ("resource", schema.resource_schemas),
        ("data source", schema.data_source_schemas),
    ):
        for name, found in sorted(schemas.items()):
            attributes = ", ".join(a.name for a in found.block.attributes)
            yield f"  {kind} {name}: {attributes}"
    for name, function in sorted(schema.functions.items()):
        parameters = ", ".join(p.name for p in function.parameters)
        yield f"  function {name}({parameters}): {function.summary}"


def call(provider: Any, version: int, name: str, words: Sequence[str]) -> Any:
    """Call a function with strings; values travel as msgpack."""
    protocol: Any = tfplugin5 if version == 5 else tfplugin6
    request = protocol.CallFunction.Request(
        name=name,
        arguments=[
            protocol.DynamicValue(msgpack=msgpack.packb(word)) for word in words
        ],
    )
    response = provider.CallFunction(request)
    if response.error.text:
        sys.exit(f"{name} refused: {response.error.text}")
    return msgpack.unpackb(response.result.msgpack)


if __name__ == "__main__":
    main()
