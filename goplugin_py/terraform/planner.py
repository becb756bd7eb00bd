"""Making plans, and checking them as Terraform does."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from goplugin_py.terraform.answers import block_value, refuse
from goplugin_py.terraform.connection import settle
from goplugin_py.terraform.cty import CtyError, Path, Value, follow, is_wholly_known
from goplugin_py.terraform.diagnostics import error, read_path
from goplugin_py.terraform.errors import InvalidAnswer
from goplugin_py.terraform.plan import Action, Applier, Plan
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.proposed import proposed_new
from goplugin_py.terraform.resource_calls import ResourceCalls, refuse_deferral
from goplugin_py.terraform.state import State

__all__ = ["Planner"]

_log = logging.getLogger("goplugin.terraform")


class Planner:
    """Makes the plans of one resource type."""

    def __init__(self, calls: ResourceCalls, applier: Applier) -> None:
        self._calls = calls
        self._block = calls.block
        self._applier = applier

    def plan(
        self, config: Value, prior: State | None, *, must_replace: bool = False
    ) -> Plan:
        """Plan for a configuration that is valid."""
        # What was created only halfway is created anew.
        start = None if prior is None or prior.is_tainted else prior
        plan = self._ask(config, start, start.private if start else b"")
        action = self._action(plan, must_replace=must_replace)
        if action is Action.REPLACE:
            plan = self._planned_anew(plan)
        elif action is Action.CREATE and prior is not None:
            action = Action.REPLACE
        return replace(plan, action=action, prior=prior)

    def _planned_anew(self, plan: Plan) -> Plan:
        """Plan the creation of what takes the place of something else."""
        again = self._ask(plan.config, None, plan.private)
        return replace(
            again,
            requires_replace=plan.requires_replace,
            diagnostics=plan.diagnostics,
        )

    def _ask(self, config: Value, prior: State | None, private: bytes) -> Plan:
        before = prior.value if prior else None
        answer = self._calls.connection.call(
            "PlanResourceChange",
            type_name=self._calls.type_name,
            prior_state=self._calls.pack(before),
            proposed_new_state=self._calls.pack(
                proposed_new(self._block, before, config)
            ),
            config=self._calls.pack(config),
            prior_private=private,
            provider_meta=self._calls.meta(),
            client_capabilities=self._calls.protocol.capabilities(),
            prior_identity=self._calls.pack_identity(prior.identity if prior else None),
        )
        diagnostics = settle(answer.diagnostics)
        refuse_deferral(answer)
        planned = block_value(self._calls.protocol, answer.planned_state, self._block)
        self._check(plan_problems(self._block, before, config, planned), answer)
        return Plan(
            Action.UPDATE,
            prior,
            config,
            planned,
            answer.planned_private,
            self._calls.identity(answer.planned_identity),
            self._replacing(answer.requires_replace, before, planned),
            tuple(diagnostics),
            answer.legacy_type_system,
            applier=self._applier,
        )

    def _check(self, problems: Iterable[CtyError], answer: Any) -> None:
        """Refuse a plan, unless it is of the first SDK, which can't keep the rules."""
        if answer.legacy_type_system:
            for problem in problems:
                _log.warning("%s plans loosely: %s", self._calls.type_name, problem)
        else:
            refuse("Provider produced an invalid plan", problems)

    def _replacing(
        self, messages: Any, prior: Value, planned: Value
    ) -> tuple[Path, ...]:
        """Return which changes can't be updates: of those named, the ones that are."""
        if prior is None:
            return ()
        paths = map(read_path, messages)
        return tuple(path for path in paths if self._is_changed(path, prior, planned))

    def _is_changed(self, path: Path, prior: Value, planned: Value) -> bool:
        before, after = _followed(prior, path), _followed(planned, path)
        if isinstance(before, CtyError) and isinstance(after, CtyError):
            refuse("Provider requires to replace what is not there", [after])
        before = None if isinstance(before, CtyError) else before
        after = None if isinstance(after, CtyError) else after
        attribute = self._block.attribute_at(path)
        is_write_only = attribute is not None and attribute.is_write_only
        return is_write_only or before != after or not is_wholly_known(after)

    def _action(self, plan: Plan, *, must_replace: bool) -> Action:
        if plan.prior is None:
            return Action.CREATE
        attributes = map(self._block.attribute_at, plan.requires_replace)
        if must_replace or any(each and each.is_write_only for each in attributes):
            return Action.REPLACE
        if plan.planned == plan.prior.value and is_wholly_known(plan.planned):
            return Action.NO_OP
        return Action.REPLACE if plan.requires_replace else Action.UPDATE

    def plan_destroy(self, state: State) -> Plan:
        """Plan to destroy what exists; not every provider wants to be asked."""
        nothing = Plan(
            *(Action.DELETE, state, None, None, state.private, None, (), ()),
            applier=self._applier,
        )
        if not self._calls.provider.capabilities.plan_destroy:
            return nothing
        answer = self._calls.connection.call(
            "PlanResourceChange",
            type_name=self._calls.type_name,
            prior_state=self._calls.pack(state.value),
            proposed_new_state=self._calls.pack(None),
            config=self._calls.pack(None),
            prior_private=state.private,
            provider_meta=self._calls.meta(),
            client_capabilities=self._calls.protocol.capabilities(),
            prior_identity=self._calls.pack_identity(state.identity),
        )
        diagnostics = tuple(settle(answer.diagnostics))
        refuse_deferral(answer)
        planned = block_value(self._calls.protocol, answer.planned_state, self._block)
        if planned is not None:
            detail = "The provider planned something else than to destroy it."
            raise InvalidAnswer([error("Provider produced an invalid plan", detail)])
        return replace(nothing, private=answer.planned_private, diagnostics=diagnostics)


def _followed(value: Value, path: Path) -> Value:
    """Return what a path leads to, or the error that it leads nowhere."""
    try:
        return follow(value, path)
    except CtyError as exc:
        return exc
