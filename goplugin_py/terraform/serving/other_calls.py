"""The calls about data sources and ephemeral resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goplugin_py.terraform.cty import Value, unknown_paths
from goplugin_py.terraform.diagnostics import error, misfit
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.plan_check import plan_problems
from goplugin_py.terraform.serving.calls import Calls, call, private_bytes
from goplugin_py.terraform.serving.catalogue import Kind
from goplugin_py.terraform.serving.planning import with_defaults
from goplugin_py.terraform.serving.validating import invalid_values

__all__ = ["DataSourceCalls", "EphemeralCalls"]


class _ConfigCalls(Calls):
    """What is computed from a configuration at once."""

    def _validate(self, request: Any, kind: Kind) -> None:
        config = self.unpack(request.config, kind)
        if problems := list(invalid_values(kind.layout, config)):
            raise DiagnosticError(problems)
        self.instance(kind, config).validate()

    def _configured(self, request: Any, kind: Kind) -> tuple[Value, Any]:
        config = with_defaults(kind.layout, self.unpack(request.config, kind))
        return config, self.instance(kind, config)

    def _result(self, instance: Any, config: Value, kind: Kind, method: str) -> Value:
        value = kind.layout.dump(instance)
        name = f"{kind.model.__name__}.{method}()"
        problems = plan_problems(kind.block, None, config, value)
        told = [misfit(f"{name} changed what is configured", each) for each in problems]
        told += [
            error(f"{name} left a value unknown", "All must be known by now.", path)
            for path in unknown_paths(value, kind.block.type)
        ]
        if told:
            raise DiagnosticError(told)
        return value


class DataSourceCalls(_ConfigCalls):
    """Answers the calls about data sources."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The data sources."""
        return self.session.catalogue.data_sources

    @call("Validating")
    def ValidateDataResourceConfig(self, request: Any, answer: Any, kind: Kind) -> None:
        """Check a configuration."""
        self._validate(request, kind)

    @call("Reading")
    def ReadDataSource(self, request: Any, answer: Any, kind: Kind) -> None:
        """Read what is configured."""
        config, instance = self._configured(request, kind)
        instance.read()
        self.pack(answer.state, self._result(instance, config, kind, "read"), kind)


class EphemeralCalls(_ConfigCalls):
    """Answers the calls about ephemeral resources."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The ephemeral resources."""
        return self.session.catalogue.ephemeral_resources

    @call("Validating")
    def ValidateEphemeralResourceConfig(
        self, request: Any, answer: Any, kind: Kind
    ) -> None:
        """Check a configuration."""
        self._validate(request, kind)

    @call("Opening")
    def OpenEphemeralResource(self, request: Any, answer: Any, kind: Kind) -> None:
        """Open what is configured."""
        config, instance = self._configured(request, kind)
        instance.open()
        try:
            value = self._result(instance, config, kind, "open")
        except DiagnosticError:
            instance.close()  # Terraform won't, of what failed to open
            raise
        self.pack(answer.result, value, kind)
        self._lasts(answer, instance)

    def _lasts(self, answer: Any, instance: Any) -> None:
        answer.private = private_bytes(instance)
        moment = vars(instance).get("_renew_at")
        if moment is not None:
            answer.renew_at.FromDatetime(moment)

    @call("Renewing")
    def RenewEphemeralResource(self, request: Any, answer: Any, kind: Kind) -> None:
        """Make it last longer."""
        instance = self._opened(request, kind)
        instance.renew()
        self._lasts(answer, instance)

    @call("Closing")
    def CloseEphemeralResource(self, request: Any, answer: Any, kind: Kind) -> None:
        """End it."""
        self._opened(request, kind).close()

    def _opened(self, request: Any, kind: Kind) -> Any:
        instance = kind.model.__new__(kind.model)
        self.prepare(instance, request.private)
        return instance
