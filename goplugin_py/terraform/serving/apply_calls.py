"""The call that makes what is planned, and keeps what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.apply_check import result_problems
from goplugin_py.terraform.cty import CtyError, Value, unknown_paths, without_unknown
from goplugin_py.terraform.diagnostics import Diagnostic, error, misfit
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.serving.calls import Calls, call, private_bytes
from goplugin_py.terraform.serving.catalogue import Kind
from goplugin_py.terraform.serving.planning import without_write_only

__all__ = ["ApplyCalls"]


class ApplyCalls(Calls):
    """Answers the call that makes a change.

    Whatever happens, the answer has what exists: Terraform must not lose it.
    """

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The resource types."""
        return self.session.catalogue.resources

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
        instance = self.configured(kind, planned, config, request.planned_private)
        method = self._change(instance, prior, answer, kind)
        problems: list[CtyError] = []
        value = kind.layout.dump(instance, problems)
        told = [misfit(f"{method} set a wrong value", each) for each in problems]
        told += _unknown(value, f"{method} left a value unknown", kind)
        actual = self._keep(answer, instance, value, kind)
        told += _unplanned(planned, actual, f"{method} changed a planned value", kind)
        if told:
            raise DiagnosticError(told)

    def _change(self, instance: Any, prior: Value, answer: Any, kind: Kind) -> str:
        """Call the author's method, and return its name."""
        method = "create" if prior is None else "update"
        given = () if prior is None else (self.instance(kind, prior),)
        try:
            getattr(instance, method)(*given)
        except BaseException:
            if vars(instance).get("_is_saved"):
                problems: list[CtyError] = []  # of no interest next to what happened
                value = kind.layout.dump(instance, problems)
                self._keep(answer, instance, value, kind)
            raise
        return f"{kind.model.__name__}.{method}()"

    def _keep(self, answer: Any, instance: Any, value: Value, kind: Kind) -> Value:
        """Put into an answer what exists, as far as it is known, and return it."""
        actual = without_write_only(kind.layout, without_unknown(value))
        self.pack(answer.new_state, actual, kind)
        self.identify(answer.new_identity, actual, kind)
        answer.private = private_bytes(instance)
        return actual


def _unknown(value: Value, summary: str, kind: Kind) -> list[Diagnostic]:
    detail = (
        "It has to set all that is computed. What never changes once it is computed "
        "can be declared as stable=True."
    )
    paths = unknown_paths(value, kind.block.type)
    return [error(summary, detail, path) for path in paths]


def _unplanned(
    planned: Value, actual: Value, summary: str, kind: Kind
) -> list[Diagnostic]:
    problems = result_problems(kind.block, planned, actual)
    return [misfit(summary, each) for each in problems]
