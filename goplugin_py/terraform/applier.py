"""Doing what is planned, and checking what came of it as Terraform does."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from goplugin_py import ConnectionLost
from goplugin_py.terraform.answers import block_value, refuse, unknown_problems
from goplugin_py.terraform.apply_check import result_problems
from goplugin_py.terraform.configuration import configured
from goplugin_py.terraform.connection import settle
from goplugin_py.terraform.cty import Value, unknown_paths, without_unknown
from goplugin_py.terraform.diagnostics import (
    Diagnostic,
    Severity,
    error,
    misfit,
    read_diagnostics,
)
from goplugin_py.terraform.errors import (
    ApplyFailed,
    ApplyInterrupted,
    DiagnosticError,
    InvalidAnswer,
    InvalidConfig,
    ProviderWarning,
)
from goplugin_py.terraform.plan import Action, Plan, Waiting
from goplugin_py.terraform.planner import Planner
from goplugin_py.terraform.resource_calls import ResourceCalls
from goplugin_py.terraform.state import State

__all__ = ["PlanApplier"]

_log = logging.getLogger("goplugin.terraform")


class PlanApplier:
    """Applies the plans of one resource type."""

    def __init__(self, calls: ResourceCalls) -> None:
        self._calls = calls
        self._block = calls.block
        self.planner = Planner(calls, self)

    def apply(
        self, plan: Plan, config: Mapping[str, object] | None, waiting: Waiting
    ) -> State | None:
        """Apply a plan; see `Plan.apply`."""
        if plan.action is Action.NO_OP:
            return plan.prior
        if plan.action is Action.DELETE:
            return self._apply(plan, plan.prior, waiting)
        if config is not None:
            value = configured(self._block, config)
            self._calls.validate(value)
        else:
            value = plan.config
        self._check_known(value)
        if plan.action is Action.REPLACE:
            return self._replace(plan, value, waiting)
        final = self._planned_again(plan, value, plan.prior)
        if final.action is Action.NO_OP:
            return final.prior
        return self._apply(final, final.prior, waiting)

    def _check_known(self, config: Value) -> None:
        problems = [
            error("Unknown value", "It must be known when the plan is applied.", path)
            for path in unknown_paths(config, self._block.type)
        ]
        if problems:
            raise InvalidConfig(problems)

    def _replace(self, plan: Plan, config: Value, waiting: Waiting) -> State | None:
        nothing = Plan(
            *(Action.DELETE, plan.prior, None, None, plan.private, None, (), ()),
            applier=self,
        )
        self._apply(nothing, plan.prior, waiting)
        created = replace(plan, action=Action.CREATE, prior=None)
        # What was there is gone by now, so whatever happens has to say so.
        try:
            final = self._planned_again(created, config, None)
        except ConnectionLost as exc:
            raise ApplyInterrupted(exc, None, plan.private) from exc
        except DiagnosticError as exc:
            raise ApplyFailed(exc.diagnostics, None) from exc
        return self._apply(final, None, waiting)

    def _planned_again(self, plan: Plan, config: Value, prior: State | None) -> Plan:
        """Plan with all that is known now, and compare it with the plan.

        Raises:
            InvalidAnswer: They differ in more than what was unknown.
        """
        final = self.planner.plan(config, prior)
        allowed = {plan.action}
        if plan.action is Action.UPDATE:
            allowed.add(Action.NO_OP)
        if final.action not in allowed:
            detail = f"It was to {plan.action.value}, now it is {final.action.value}."
            raise InvalidAnswer([error("Provider changed its plan", detail)])
        if not final.is_legacy:
            problems = result_problems(self._block, plan.planned, final.planned)
            refuse("Provider changed its plan", problems)
        return final

    def _apply(self, plan: Plan, prior: State | None, waiting: Waiting) -> State | None:
        before = prior.value if prior else None
        try:
            answer = self._calls.connection.call(
                "ApplyResourceChange",
                timeout=waiting.timeout,
                progress=waiting.progress,
                interval=waiting.interval,
                type_name=self._calls.type_name,
                prior_state=self._calls.pack(before),
                planned_state=self._calls.pack(plan.planned),
                config=self._calls.pack(plan.config),
                planned_private=plan.private,
                provider_meta=self._calls.meta(),
                planned_identity=self._calls.pack_identity(plan.identity),
            )
        except ConnectionLost as exc:
            raise ApplyInterrupted(exc, prior, plan.private) from exc
        except DiagnosticError as exc:
            raise ApplyFailed(exc.diagnostics, prior) from exc
        return self._applied(plan, prior, answer)

    def _applied(self, plan: Plan, prior: State | None, answer: Any) -> State | None:
        try:
            value = block_value(self._calls.protocol, answer.new_state, self._block)
            identity = self._calls.identity(answer.new_identity)
        except InvalidAnswer as exc:
            told = [*read_diagnostics(answer.diagnostics), *exc.diagnostics]
            raise ApplyFailed(told, prior) from exc
        diagnostics = read_diagnostics(answer.diagnostics)
        diagnostics += unknown_problems(value, self._block.type)
        if (schema := self._calls.identity_schema) is not None:
            diagnostics += unknown_problems(identity, schema.type)
        value = without_unknown(value)
        if not _has_errors(diagnostics):
            diagnostics += self._inconsistencies(plan, value, answer)
        if not _has_errors(diagnostics):
            state = self._calls.state(value, answer.private, identity)
            self._warn(answer, state)
            return state
        identity = without_unknown(identity)
        is_tainted = plan.action is Action.CREATE or bool(prior and prior.is_tainted)
        left = self._calls.state(value, answer.private, identity, is_tainted=is_tainted)
        # An error without a state tells nothing new about what exists.
        raise ApplyFailed(diagnostics, left or prior)

    def _warn(self, answer: Any, state: State | None) -> None:
        """Show warnings; the state must not be lost where they count as errors."""
        try:
            settle(answer.diagnostics)
        except ProviderWarning as exc:
            detail = exc.diagnostic.detail
            told = error(exc.diagnostic.summary, detail, exc.diagnostic.path)
            raise ApplyFailed([told], state) from exc

    def _inconsistencies(
        self, plan: Plan, value: Value, answer: Any
    ) -> list[Diagnostic]:
        problems = list(result_problems(self._block, plan.planned, value))
        summary = "Provider produced an inconsistent result after apply"
        if not answer.legacy_type_system:
            return [misfit(summary, each) for each in problems]
        for problem in problems:
            _log.warning("%s applies loosely: %s", self._calls.type_name, problem)
        if (plan.planned is None) != (value is None):
            return [misfit(summary, each) for each in problems]
        return []


def _has_errors(diagnostics: list[Diagnostic]) -> bool:
    return any(each.severity is Severity.ERROR for each in diagnostics)
