"""Print what a Terraform provider offers, and call one of its functions.

    python examples/terraform_host/schema.py PROVIDER [FUNCTION STRING...]

The provider is any unmodified binary, protocol 5 or 6. It is started with mutual TLS,
as Terraform starts it; the terraform program itself is not needed.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from goplugin_py.terraform import DiagnosticError, Provider
from goplugin_py.terraform.schema import ProviderSchema


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Look into a Terraform provider.")
    parser.add_argument("provider", help="the provider's executable")
    parser.add_argument("call", nargs="*", help="a function and its string arguments")
    options = parser.parse_args(arguments)
    with Provider.launch(options.provider) as provider:
        print(f"protocol {provider.protocol_version}, mutual TLS on")
        for line in describe(provider.schema):
            print(line)
        if options.call:
            name, *words = options.call
            print(f"{name}({', '.join(map(repr, words))}) =")
            try:
                result = provider.function(name)(*words)
            except DiagnosticError as exc:
                sys.exit(f"{name} refused: {exc}")
            print(json.dumps(result, indent=2))


def describe(schema: ProviderSchema) -> Iterator[str]:
    """Yield a line for each resource, data source and function."""
    for kind, schemas in (
        ("resource", schema.resources),
        ("data source", schema.data_sources),
    ):
        for name, found in schemas.items():
            yield f"  {kind} {name}: {', '.join(found.block.attributes)}"
    for name, function in schema.functions.items():
        parameters = ", ".join(each.name for each in function.parameters)
        yield f"  function {name}({parameters}): {function.summary}"


if __name__ == "__main__":
    main()
