"""Terraform providers in Python.

    class Note(Resource):
        id: str = attribute(computed=True, stable=True)
        text: str

        def create(self) -> None:
            self.id = write(self.text)

        def delete(self) -> None:
            remove(self.id)

    class NotesProvider(Provider):
        resources = (Note,)

    serve(NotesProvider())

Served in the protocols 5 and 6, to Terraform and OpenTofu. Values need the `msgpack`
library, which comes with the extra `goplugin_py[terraform]`.
"""

from goplugin_py.lazy import lazy

# What `typing` calls so; importing that costs more than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from goplugin_py.terraform.schema import Nesting
    from goplugin_py.terraform.serving.data_source import DataSource
    from goplugin_py.terraform.serving.ephemeral_resource import EphemeralResource
    from goplugin_py.terraform.serving.fields import attribute, block
    from goplugin_py.terraform.serving.function_spec import function
    from goplugin_py.terraform.serving.model import Nested
    from goplugin_py.terraform.serving.plugin import serve, serve_config
    from goplugin_py.terraform.serving.problems import (
        Gone,
        ProviderError,
        report,
        warn,
    )
    from goplugin_py.terraform.serving.provider import Provider
    from goplugin_py.terraform.serving.resource import MovedState, Resource

    # An attribute may be it whatever its annotation says.
    UNKNOWN: Any

__all__ = [  # noqa: RUF022 - grouped
    # what a provider offers
    "Provider",
    "Resource",
    "DataSource",
    "EphemeralResource",
    "function",
    # attributes and blocks
    "attribute",
    "block",
    "Nested",
    "Nesting",
    "UNKNOWN",
    # what authors tell
    "Gone",
    "MovedState",
    "ProviderError",
    "report",
    "warn",
    # serving
    "serve",
    "serve_config",
]

_HOMES = {
    "DataSource": "data_source",
    "EphemeralResource": "ephemeral_resource",
    "Gone": "problems",
    "MovedState": "resource",
    "Nested": "model",
    "Nesting": ".schema",
    "Provider": "provider",
    "ProviderError": "problems",
    "Resource": "resource",
    "UNKNOWN": ".cty",
    "attribute": "fields",
    "block": "fields",
    "function": "function_spec",
    "report": "problems",
    "serve": "plugin",
    "serve_config": "plugin",
    "warn": "problems",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
