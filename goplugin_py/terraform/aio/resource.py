"""Managed resources: planned, read, imported, and brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from goplugin_py.terraform import resource
from goplugin_py.terraform.aio.applier import PlanApplier
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.aio.plan import Plan
from goplugin_py.terraform.cty import Value
from goplugin_py.terraform.schema import IdentitySchema, Schema
from goplugin_py.terraform.state import State

__all__ = ["Resource"]

T = TypeVar("T")


class Resource:
    """A resource type of a provider; see `goplugin_py.terraform.resource.Resource`.

    Attributes:
        type_name: Its name, such as `time_sleep`.
        schema: The form of its configuration and state.
        identity_schema: The form of its identity; None if it has none.
    """

    def __init__(self, type_name: str, operations: Operations) -> None:
        self.type_name = type_name
        self.schema: Schema = operations.schema.resources[type_name]
        self.identity_schema: IdentitySchema | None = operations.schema.identities.get(
            type_name
        )
        self._operations = operations
        self._applier = PlanApplier(type_name, operations)

    async def _run(self, name: str, work: Callable[[resource.Resource], T]) -> T:
        schema = self._operations.schema
        return await self._operations.run(
            f"{name}-{self.type_name}",
            lambda connection: work(
                resource.Resource(self.type_name, connection, schema)
            ),
        )

    async def validate(self, config: Mapping[str, object]) -> None:
        """Check a configuration, which may have unknown values.

        Raises:
            InvalidConfig: It does not fit the schema; the provider was not asked.
            DiagnosticError: The provider refuses it.
        """
        await self._run("validate", lambda each: each.validate(config))

    async def plan(
        self,
        config: Mapping[str, object],
        prior: State | None = None,
        *,
        replace: bool = False,
    ) -> Plan:
        """Plan what to do for a configuration, and check it as Terraform does.

        Args:
            config: What is wanted; what is left out is null, or empty if it is a
                block. Values may be `UNKNOWN`, until the plan is applied.
            prior: What exists; None if nothing does.
            replace: Replace it even where it could be updated.

        Raises:
            InvalidConfig: The configuration does not fit the schema.
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The provider's plan breaks the rules.
        """
        change = await self._run(
            "plan", lambda each: each.plan(config, prior, replace=replace)
        )
        return Plan.of(change, self._applier)

    async def plan_destroy(self, state: State) -> Plan:
        """Plan to destroy what exists.

        Raises:
            DiagnosticError: The provider refuses it.
            InvalidAnswer: The provider plans something else.
        """
        change = await self._run("plan", lambda each: each.plan_destroy(state))
        return Plan.of(change, self._applier)

    async def destroy(self, state: State) -> None:
        """Destroy what exists; cancelling it is as with `Plan.apply`.

        Raises:
            ApplyFailed: It was not destroyed; the error has what is left.
            ApplyInterrupted: The provider died meanwhile.
        """
        plan = await self.plan_destroy(state)
        await plan.apply()

    async def read(self, state: State) -> State | None:
        """Return what exists now; None if it is gone.

        Raises:
            DiagnosticError: The provider can't tell.
            InvalidAnswer: Its answer breaks the rules.
        """
        return await self._run("read", lambda each: each.read(state))

    async def import_state(
        self,
        id: str | None = None,  # noqa: A002 - as everywhere in Terraform
        *,
        identity: Mapping[str, object] | None = None,
    ) -> State:
        """Find a resource that exists, by its id or its identity.

        Raises:
            DiagnosticError: There is none, or the provider can't import the type.
            InvalidAnswer: The provider's answer breaks the rules.
        """
        return await self._run(
            "import", lambda each: each.import_state(id, identity=identity)
        )

    async def upgrade(
        self,
        attributes: bytes | Mapping[str, object],
        version: int,
        *,
        private: bytes = b"",
        identity: Value = None,
    ) -> State:
        """Bring a state that was stored up to the provider's present schema.

        Args:
            attributes: As in a state file: JSON, or what JSON holds.
            version: The schema's version that they were stored with.
            private: What was stored with them.
            identity: What was stored with them, up to date.

        Raises:
            InvalidConfig: The state is of a newer provider.
            DiagnosticError: The provider can't upgrade it.
            InvalidAnswer: Its answer breaks the rules.
        """
        return await self._run(
            "upgrade",
            lambda each: each.upgrade(
                attributes, version, private=private, identity=identity
            ),
        )

    async def move(
        self,
        attributes: bytes | Mapping[str, object],
        *,
        provider: str,
        type_name: str,
        version: int = 0,
        private: bytes = b"",
    ) -> State:
        """Turn a state of another resource type into one of this type.

        Args:
            attributes: As in a state file: JSON, or what JSON holds.
            provider: The address of the provider that they are from.
            type_name: The resource type that they are of.
            version: The version of the schema that they were stored with.
            private: What was stored with them.

        Raises:
            DiagnosticError: The provider can't move it.
            InvalidAnswer: Its answer breaks the rules.
        """
        return await self._run(
            "move",
            lambda each: each.move(
                attributes,
                provider=provider,
                type_name=type_name,
                version=version,
                private=private,
            ),
        )

    async def generate_config(self, state: State) -> dict[str, Value]:
        """Return a configuration that describes what exists.

        Raises:
            NotSupported: The provider can't; its capabilities tell.
            DiagnosticError: It failed.
        """
        return await self._run("generate", lambda each: each.generate_config(state))
