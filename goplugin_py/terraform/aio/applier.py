"""Doing what is planned, so that no state is lost when that is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from goplugin_py import ConnectionLost
from goplugin_py.aio.threads import in_thread
from goplugin_py.terraform import applier, plan
from goplugin_py.terraform.aio.operation import ApplyOperation
from goplugin_py.terraform.aio.operations import Operations
from goplugin_py.terraform.aio.plan import Plan
from goplugin_py.terraform.aio.progress import LoopProgress
from goplugin_py.terraform.errors import ApplyFailed, ApplyInterrupted
from goplugin_py.terraform.plan import Waiting
from goplugin_py.terraform.resource_calls import ResourceCalls
from goplugin_py.terraform.state import State

__all__ = ["PlanApplier"]


class PlanApplier:
    """Applies the plans of one resource type."""

    def __init__(self, type_name: str, operations: Operations) -> None:
        self._type_name = type_name
        self._operations = operations

    async def apply(
        self, plan: Plan, config: Mapping[str, object] | None, waiting: Waiting
    ) -> State | None:
        """Apply a plan; see `Plan.apply`."""
        self._operations.check()
        operation = ApplyOperation(self._operations.connection)
        apply = _Apply(self._blocking(plan, operation), config)
        progress = waiting.progress and LoopProgress(waiting.progress)

        def abort() -> None:
            if progress is not None:
                progress.cancel()
            operation.cancel()

        try:
            return await in_thread(
                lambda: apply(replace(waiting, progress=progress)),
                f"apply-{self._type_name}",
                abort=abort,
            )
        except asyncio.CancelledError as exc:
            raise exc from apply.interruption()
        finally:
            if progress is not None:
                await progress.close()

    def _blocking(self, change: Plan, operation: ApplyOperation) -> plan.Plan:
        calls = ResourceCalls(self._type_name, operation, self._operations.schema)
        return plan.Plan(*change.parts(), applier=applier.PlanApplier(calls))


class _Apply:
    """Applies a plan on a thread, and keeps what came of it."""

    def __init__(self, plan: plan.Plan, config: Mapping[str, object] | None) -> None:
        self._plan = plan
        self._config = config
        self._state = plan.prior
        self._error: ApplyFailed | ApplyInterrupted | None = None

    def __call__(self, waiting: Waiting) -> State | None:
        try:
            self._state = self._plan.applier.apply(self._plan, self._config, waiting)
        except (ApplyFailed, ApplyInterrupted) as exc:
            self._state, self._error = exc.state, exc
            raise
        return self._state

    def interruption(self) -> ApplyInterrupted:
        """Return what to tell those who were cancelled, and need the state."""
        if isinstance(self._error, ApplyInterrupted):
            return self._error
        lost = ConnectionLost("the apply was cancelled")
        interrupted = ApplyInterrupted(lost, self._state, self._plan.private)
        interrupted.__cause__ = self._error
        return interrupted
