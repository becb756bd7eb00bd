"""Plans: what a provider is going to do for a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from goplugin_py.terraform.connection import Progress
from goplugin_py.terraform.plan import (
    PROGRESS_INTERVAL,
    PlannedChange,
    Waiting,
)
from goplugin_py.terraform.state import State

__all__ = ["Applier", "Plan"]


class Applier(Protocol):
    """Does what is planned, once the user asks for it."""

    async def apply(
        self, plan: Plan, config: Mapping[str, object] | None, waiting: Waiting
    ) -> State | None:
        """See `Plan.apply`."""
        ...


@dataclass(frozen=True)
class Plan(PlannedChange):
    """A change that can be made; see `goplugin_py.terraform.Plan`.

    Attributes:
        applier: What `apply` is left to.
    """

    applier: Applier = field(repr=False, kw_only=True)

    @classmethod
    def of(cls, change: PlannedChange, applier: Applier) -> Self:
        """Return the plan to make a change."""
        return cls(*change.parts(), applier=applier)

    async def apply(
        self,
        config: Mapping[str, object] | None = None,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
        progress_interval: float = PROGRESS_INTERVAL,
    ) -> State | None:
        """Do what is planned, and return what exists then; None if it is destroyed.

        The provider plans once more, as under Terraform, and must plan the same.

        Cancelling it while something is being changed asks the provider to stop all
        that it does, and gives it a few seconds to tell how far it came. The
        `CancelledError` that comes of it has an `ApplyInterrupted` as its `__cause__`,
        whose `state` has to be kept.

        Args:
            config: The configuration with all that was unknown in the plan's.
            timeout: Seconds; None waits for as long as the provider lives.
            progress: Called on the loop every now and then with the seconds it took so
                far; may be a coroutine function.
            progress_interval: Seconds between two such calls.

        Raises:
            InvalidConfig: Something in the configuration is still unknown.
            InvalidAnswer: The provider does not plan the same again.
            ApplyFailed: It failed, or made something else; the error has what exists.
            ApplyInterrupted: The provider died meanwhile; the error has what is known.
        """
        waiting = Waiting(timeout, progress, progress_interval)
        return await self.applier.apply(self, config, waiting)
