"""The calls that check and plan what a configuration makes of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.cty import CtyError, Path, Value
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.serving.calls import Calls, call, private_bytes
from goplugin_py.terraform.serving.catalogue import Kind, overrides
from goplugin_py.terraform.serving.diagnosing import located
from goplugin_py.terraform.serving.planning import (
    changed_paths,
    completed,
    replacing_paths,
    without_write_only,
)
from goplugin_py.terraform.serving.validating import invalid_values
from goplugin_py.terraform.write_only import write_only_problems

__all__ = ["PlanCalls"]


class PlanCalls(Calls):
    """Answers the calls that come before a change."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The resource types."""
        return self.session.catalogue.resources

    @call("Validating")
    def ValidateResourceConfig(self, request: Any, answer: Any, kind: Kind) -> None:
        """Check a configuration."""
        config = self.unpack(request.config, kind)
        problems = list(invalid_values(kind.layout, config))
        if not request.client_capabilities.write_only_attributes_allowed:
            problems += map(_unsupported, write_only_problems(kind.block, config))
        if problems:
            raise DiagnosticError(problems)
        self.configured(kind, config, config).validate()

    @call("Planning")
    def PlanResourceChange(self, request: Any, answer: Any, kind: Kind) -> None:
        """Plan what a configuration makes of what exists."""
        answer.planned_private = request.prior_private
        prior = self.unpack(request.prior_state, kind)
        config = self.unpack(request.config, kind)
        if config is None:
            self.instance(kind, prior, request.prior_private).plan_destroy()
            self.pack(answer.planned_state, None, kind)
            return
        proposed = self.unpack(request.proposed_new_state, kind)
        planned = completed(kind.layout, prior, proposed, config)
        instance = self.configured(kind, planned, config, request.prior_private)
        instance.plan(None if prior is None else self.instance(kind, prior))
        planned = _planned(instance, (prior, config), kind)
        self.pack(answer.planned_state, planned, kind)
        answer.planned_private = private_bytes(instance)
        self.identify(answer.planned_identity, planned, kind)
        if prior is not None:
            paths = _replacing(kind, instance, (prior, planned, config))
            answer.requires_replace.extend(map(self.path, paths))


def _unsupported(problem: CtyError) -> Diagnostic:
    detail = "Write-only attributes need Terraform 1.11 or newer, or OpenTofu 1.11."
    return error("Write-only attribute not supported", detail, problem.path)


def _planned(instance: Any, given: tuple[Value, Value], kind: Kind) -> Value:
    """Return what is planned once the author's hook had its say.

    Raises:
        DiagnosticError: It is not what the configuration allows.
    """
    prior, config = given
    planned = without_write_only(kind.layout, kind.layout.dump(instance))
    summary = f"{kind.model.__name__}.plan() made an invalid plan"
    problems = plan_problems(kind.block, prior, config, planned)
    if told := [misfit(summary, each) for each in problems]:
        raise DiagnosticError(told)
    return planned


def _replacing(
    kind: Kind, instance: Any, values: tuple[Value, Value, Value]
) -> list[Path]:
    """Return what makes a plan a replacement."""
    prior, planned, config = values
    paths = list(replacing_paths(kind.layout, prior, planned, config))
    if not overrides(kind.model, "update"):
        paths += changed_paths(kind.layout, prior, planned)
    named = vars(instance).get("_replacing", ())
    paths += (located(each, kind.block.type) for each in named)
    return list(dict.fromkeys(paths))
