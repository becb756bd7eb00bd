"""Plans: what a provider is going to do for a resource."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Protocol

from goplugin_py import ConfigError
from goplugin_py.callables import check_callable, is_async
from goplugin_py.terraform.connection import Progress
from goplugin_py.terraform.cty import Path, Value
from goplugin_py.terraform.diagnostics import Diagnostic
from goplugin_py.terraform.state import State

__all__ = ["Action", "Applier", "Plan", "PlannedChange", "Waiting"]

# As Terraform tells that it is still busy.
PROGRESS_INTERVAL = 10.0


class Action(Enum):
    """What a plan comes to."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NO_OP = "no-op"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How to wait for the end of an apply."""

    timeout: float | None = None
    progress: Progress | None = None
    interval: float = PROGRESS_INTERVAL

    def __post_init__(self) -> None:
        if self.progress is not None:
            check_callable(self.progress, "progress")


@dataclass(frozen=True)
class PlannedChange(Mapping[str, Any]):
    """What is going to be done for a resource.

    It is a mapping of the attributes' planned values; what only the provider will know
    is `Unknown`. Empty if the resource is going to be destroyed.

    Attributes:
        action: What it comes to.
        prior: What exists before; None if nothing does.
        config: What is wanted; None if nothing is.
        planned: What will exist; None if nothing will.
        private: What the provider keeps with the plan.
        identity: What will identify the resource, where the provider has that.
        requires_replace: The changed attributes that can't be updated.
        diagnostics: The provider's warnings.
        is_legacy: The provider is of the first SDK, which can't keep all rules.
    """

    action: Action
    prior: State | None
    config: Value
    planned: Value
    private: bytes
    identity: Value
    requires_replace: tuple[Path, ...]
    diagnostics: tuple[Diagnostic, ...]
    is_legacy: bool = False

    def parts(self) -> tuple[Any, ...]:
        """Return all of the above, to make another kind of plan of."""
        return tuple(getattr(self, each.name) for each in fields(PlannedChange))

    def __getitem__(self, name: str) -> Value:
        return (self.planned or {})[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.planned or {})

    def __len__(self) -> int:
        return len(self.planned or {})


class Applier(Protocol):
    """Does what is planned, once the user asks for it."""

    def apply(
        self, plan: "Plan", config: Mapping[str, object] | None, waiting: Waiting
    ) -> State | None:
        """See `Plan.apply`."""
        ...


@dataclass(frozen=True)
class Plan(PlannedChange):
    """A change that can be made.

    Attributes:
        applier: What `apply` is left to.
    """

    applier: Applier = field(repr=False, kw_only=True)

    def apply(
        self,
        config: Mapping[str, object] | None = None,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
        progress_interval: float = PROGRESS_INTERVAL,
    ) -> State | None:
        """Do what is planned, and return what exists then; None if it is destroyed.

        The provider plans once more, as under Terraform, and must plan the same.

        Args:
            config: The configuration with all that was unknown in the plan's.
            timeout: Seconds; None waits for as long as the provider lives.
            progress: Called every now and then with the seconds it took so far.
            progress_interval: Seconds between two such calls.

        Raises:
            InvalidConfig: Something in the configuration is still unknown.
            InvalidAnswer: The provider does not plan the same again.
            ApplyFailed: It failed, or made something else; the error has what exists.
            ApplyInterrupted: The provider died meanwhile; the error has what is known.
        """
        if is_async(progress):
            raise ConfigError(
                "progress must be a plain function here, not a coroutine function: "
                "those are for goplugin_py.terraform.aio"
            )
        return self.applier.apply(
            self, config, Waiting(timeout, progress, progress_interval)
        )
