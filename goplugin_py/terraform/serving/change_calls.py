"""The calls that plan and apply changes of resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.apply_check import result_problems
from goplugin_py.terraform.cty import (
    CtyError,
    Path,
    Value,
    unknown_paths,
    without_unknown,
)
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.serving.calls import Calls, call, private_bytes
from goplugin_py.terraform.serving.catalogue import Kind, overrides
from goplugin_py.terraform.serving.diagnosing import located
from goplugin_py.terraform.serving.identities import identity_of
from goplugin_py.terraform.serving.planning import (
    changed_paths,
    completed,
    replacing_paths,
    without_write_only,
)
from goplugin_py.terraform.serving.validating import invalid_values
from goplugin_py.terraform.write_only import write_only_problems

__all__ = ["ChangeCalls"]


class ChangeCalls(Calls):
    """Answers the calls that plan and apply changes."""

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
        self._instance(kind, config, config).validate()

    def _instance(
        self, kind: Kind, value: Value, config: Value, private: bytes = b""
    ) -> Any:
        instance = self.instance(kind, value, private)
        vars(instance)["_config"] = self.instance(kind, config, private)
        return instance

    # Plan

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
        instance = self._instance(kind, planned, config, request.prior_private)
        before = None if prior is None else self.instance(kind, prior)
        instance.plan(before)
        planned = without_write_only(kind.layout, kind.layout.dump(instance))
        _refuse(
            f"{kind.model.__name__}.plan() made an invalid plan",
            plan_problems(kind.block, prior, config, planned),
        )
        self.pack(answer.planned_state, planned, kind)
        answer.planned_private = private_bytes(instance)
        self._plan_identity(answer, planned, kind)
        if prior is not None:
            for path in _replacing(kind, instance, (prior, planned, config)):
                answer.requires_replace.append(self.path(path))

    def _plan_identity(self, answer: Any, planned: Value, kind: Kind) -> None:
        identity = identity_of(kind, planned)
        if identity is not None and kind.identity is not None:
            packed = self.protocol.pack_identity(identity, kind.identity.type)
            answer.planned_identity.CopyFrom(packed)

    # Apply

    @call("Applying")
    def ApplyResourceChange(self, request: Any, answer: Any, kind: Kind) -> None:
        """Make what is planned."""
        answer.private = request.planned_private
        answer.new_state.CopyFrom(request.prior_state)  # until something is done
        prior = self.unpack(request.prior_state, kind)
        planned = self.unpack(request.planned_state, kind)
        if planned is None:
            self.instance(kind, prior, request.planned_private).delete()
            self.pack(answer.new_state, None, kind)
            return
        config = self.unpack(request.config, kind)
        instance = self._instance(kind, planned, config, request.planned_private)
        try:
            if prior is None:
                instance.create()
            else:
                instance.update(self.instance(kind, prior))
        except Exception:
            if vars(instance).get("_is_saved"):
                self._keep(answer, instance, kind)
            raise
        told = self._keep(answer, instance, kind)
        told += self._unplanned(answer, planned, kind)
        if told:
            raise DiagnosticError(told)

    def _keep(self, answer: Any, instance: Any, kind: Kind) -> list[Diagnostic]:
        """Put into an answer what exists, as far as it fits, and tell what does not."""
        problems: list[CtyError] = []
        value = kind.layout.dump(instance, problems)
        method = f"{kind.model.__name__}.create() or update()"
        told = [misfit(f"{method} set a wrong value", each) for each in problems]
        detail = (
            "It has to set all that is computed; declare what never changes as "
            "stable=True."
        )
        told += [
            error(f"{method} left a value unknown", detail, path)
            for path in unknown_paths(value, kind.block.type)
        ]
        value = without_write_only(kind.layout, without_unknown(value))
        self.pack(answer.new_state, value, kind)
        answer.private = private_bytes(instance)
        identity = identity_of(kind, value)
        if identity is not None and kind.identity is not None:
            packed = self.protocol.pack_identity(identity, kind.identity.type)
            answer.new_identity.CopyFrom(packed)
        return told

    def _unplanned(self, answer: Any, planned: Value, kind: Kind) -> list[Diagnostic]:
        actual = self.unpack(answer.new_state, kind)
        summary = f"{kind.model.__name__}.create() or update() changed a planned value"
        problems = result_problems(kind.block, planned, actual)
        return [misfit(summary, each) for each in problems]


def _unsupported(problem: CtyError) -> Diagnostic:
    detail = "Write-only attributes need Terraform 1.11 or newer, or OpenTofu 1.11."
    return error("Write-only attribute not supported", detail, problem.path)


def _refuse(summary: str, problems: Any) -> None:
    if told := [misfit(summary, each) for each in problems]:
        raise DiagnosticError(told)


def _replacing(
    kind: Kind, instance: Any, values: tuple[Value, Value, Value]
) -> list[Path]:
    """Return what makes a plan a replacement."""
    prior, planned, config = values
    paths = list(replacing_paths(kind.layout, prior, planned, config))
    if not overrides(kind.model, "update"):
        paths += changed_paths(kind.layout, prior, planned)
    paths += (
        located(named, kind.block.type)
        for named in vars(instance).get("_replacing", ())
    )
    return list(dict.fromkeys(paths))
