"""The calls about what exists: reading, importing, and states of other versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from goplugin_py.terraform.cty import Value, from_json, unknown_paths
from goplugin_py.terraform.diagnostics import error
from goplugin_py.terraform.dynamic_blocks import from_wire
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.legacy import with_blocks
from goplugin_py.terraform.serving.calls import Calls, call, private_bytes
from goplugin_py.terraform.serving.catalogue import Kind, overrides
from goplugin_py.terraform.serving.planning import without_write_only
from goplugin_py.terraform.serving.problems import Gone, ProviderError
from goplugin_py.terraform.serving.resource import MovedState

__all__ = ["StateCalls"]


class StateCalls(Calls):
    """Answers the calls about the states of resources."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The resource types."""
        return self.session.catalogue.resources

    @call("Reading")
    def ReadResource(self, request: Any, answer: Any, kind: Kind) -> None:
        """Tell what exists now."""
        answer.private = request.private
        state = self.unpack(request.current_state, kind)
        instance = self.instance(kind, state, request.private)
        try:
            instance.read()
        except Gone:
            self.pack(answer.new_state, None, kind)
            return
        value = self._known(instance, kind, "read")
        self.pack(answer.new_state, value, kind)
        answer.private = private_bytes(instance)
        self.identify(answer.new_identity, value, kind)

    def _known(self, instance: Any, kind: Kind, method: str) -> Value:
        value = without_write_only(kind.layout, kind.layout.dump(instance))
        summary = f"{kind.model.__name__}.{method}() left a value unknown"
        paths = unknown_paths(value, kind.block.type)
        if told := [
            error(summary, "All must be known by now.", path) for path in paths
        ]:
            raise DiagnosticError(told)
        return value

    @call("Importing")
    def ImportResourceState(self, request: Any, answer: Any, kind: Kind) -> None:
        """Find a resource by its id or identity."""
        instance = self.instance(kind, kind.block.empty)
        if request.HasField("identity") and kind.identity is not None:
            self._set_identity(instance, request.identity, kind)
        elif overrides(kind.model, "import_state"):
            instance.import_state(request.id)
        else:
            raise ProviderError(
                "Resource import not supported",
                f"{kind.type_name} can't be imported by an id.",
            )
        value = self._known(instance, kind, "import_state")
        imported = answer.imported_resources.add(type_name=kind.type_name)
        self.pack(imported.state, value, kind)
        imported.private = private_bytes(instance)
        self.identify(imported.identity, value, kind)

    def _set_identity(self, instance: Any, message: Any, kind: Kind) -> None:
        assert kind.identity is not None
        identity = self.protocol.unpack(message.identity_data, kind.identity.type)
        for name, value in identity.items():
            field = kind.layout.fields[name]
            setattr(instance, field.python_name, field.shape.loaded(value))

    @call("Upgrading the state of")
    def UpgradeResourceState(self, request: Any, answer: Any, kind: Kind) -> None:
        """Bring a stored state up to the present schema."""
        raw, version = request.raw_state, request.version
        if not raw.json:
            raise ProviderError(
                "State of a very old Terraform",
                "It is from before Terraform 0.12, which this provider can't read.",
            )
        if version == kind.schema.version:
            value = from_json(raw.json, kind.block.type)
            value = from_wire(value, kind.block)
        elif overrides(kind.model, "upgrade_state"):
            attributes = kind.model.upgrade_state(_attributes(raw.json), version)
            value = kind.layout.dump(attributes)
        else:
            raise ProviderError(
                "State of another version",
                f"A state of {kind.type_name} has version {version}, and this provider "
                f"knows version {kind.schema.version} only.",
            )
        self._pack_stored(answer.upgraded_state, value, kind)

    def _pack_stored(self, field: Any, value: Value, kind: Kind) -> None:
        value = without_write_only(kind.layout, with_blocks(kind.block, value))
        self.pack(field, value, kind)

    @call("Moving a state to", named_in="target_type_name")
    def MoveResourceState(self, request: Any, answer: Any, kind: Kind) -> None:
        """Make a state of another type one of this provider's."""
        moved = self._moved(request, kind)
        if moved is None:
            raise ProviderError(
                "Move not supported",
                f"A {request.source_type_name} can't become a {kind.type_name}.",
            )
        value = kind.layout.dump(moved)
        self._pack_stored(answer.target_state, value, kind)
        self.identify(answer.target_identity, value, kind)

    def _moved(self, request: Any, kind: Kind) -> Mapping[str, Any] | None:
        if not overrides(kind.model, "move_state"):
            return None
        source = MovedState(
            request.source_provider_address,
            request.source_type_name,
            request.source_schema_version,
            _attributes(request.source_state.json),
            request.source_private,
        )
        moved: Mapping[str, Any] | None = kind.model.move_state(source)
        return moved

    @call("Upgrading the identity of")
    def UpgradeResourceIdentity(self, request: Any, answer: Any, kind: Kind) -> None:
        """Bring a stored identity up to the present form."""
        if kind.identity is None or request.version != kind.identity.version:
            raise ProviderError(
                "Identity of another version",
                f"An identity of {kind.type_name} has version {request.version}, which "
                "this provider does not know.",
            )
        value = from_json(request.raw_identity.json, kind.identity.type)
        packed = self.protocol.pack_identity(value, kind.identity.type)
        answer.upgraded_identity.CopyFrom(packed)


def _attributes(data: bytes) -> dict[str, Any]:
    attributes: dict[str, Any] = json.loads(data, parse_float=Decimal)
    return attributes
