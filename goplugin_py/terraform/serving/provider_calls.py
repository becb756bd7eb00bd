"""The calls about the provider itself: what it offers, and how it is configured."""

from __future__ import annotations

import copy
import logging
from typing import Any

from goplugin_py.terraform.cty import CtyError, Index, Value
from goplugin_py.terraform.diagnostics import Diagnostic, Severity
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.serving.calls import Calls, Session
from goplugin_py.terraform.serving.diagnosing import collected
from goplugin_py.terraform.serving.planning import with_defaults
from goplugin_py.terraform.serving.problems import ProviderError
from goplugin_py.terraform.serving.provider import Provider
from goplugin_py.terraform.serving.schema_answer import SchemaWriter
from goplugin_py.terraform.serving.validating import invalid_values

__all__ = ["ProviderCalls"]

_log = logging.getLogger("goplugin.terraform.serving")


class ProviderCalls(Calls):
    """Answers the calls about the provider, and those of its functions."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._writer = SchemaWriter(session.protocol)

    # What it offers

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        """Tell everything that the provider offers."""
        answer = self.protocol.response("GetProviderSchema")
        told: list[Diagnostic] = []
        with collected(told, "The schema of the provider"):
            self._check_protocol()
            self._writer.fill(answer, self.session.catalogue.schema)
        self.tell(answer, told)
        return answer

    def _check_protocol(self) -> None:
        nested = self.session.catalogue.nested_attributes
        if self.protocol.version == 5 and nested:
            raise ProviderError(
                "Protocol 5 has no nested attributes",
                f"This provider has some ({', '.join(nested)}), and Terraform asked "
                "for protocol 5. Use Terraform 1.0 or newer, which speaks protocol 6; "
                "or, in the provider, use blocks in place of nested attributes.",
            )

    def GetMetadata(self, request: Any, context: Any) -> Any:
        """Tell the names of what the provider offers."""
        answer = self.protocol.response("GetMetadata")
        catalogue = self.session.catalogue
        told: list[Diagnostic] = []
        with collected(told, "The metadata of the provider"):
            self._writer.fill_capabilities(answer, catalogue.capabilities)
            for names, into in (
                (catalogue.resources, answer.resources),
                (catalogue.data_sources, answer.data_sources),
                (catalogue.ephemeral_resources, answer.ephemeral_resources),
            ):
                for name in names:
                    into.add(type_name=name)
            for name in catalogue.functions:
                answer.functions.add(name=name)
        self.tell(answer, told)
        return answer

    def GetResourceIdentitySchemas(self, request: Any, context: Any) -> Any:
        """Tell what identifies resources."""
        answer = self.protocol.response("GetResourceIdentitySchemas")
        told: list[Diagnostic] = []
        with collected(told, "The identities of resources"):
            for name, schema in self.session.catalogue.identities.items():
                answer.identity_schemas[name].CopyFrom(self._writer.identity(schema))
        self.tell(answer, told)
        return answer

    def GetFunctions(self, request: Any, context: Any) -> Any:
        """Tell the functions."""
        answer = self.protocol.response("GetFunctions")
        told: list[Diagnostic] = []
        with collected(told, "The functions of the provider"):
            for name, each in self.session.catalogue.functions.items():
                answer.functions[name].CopyFrom(self._writer.function(each.schema))
        self.tell(answer, told)
        return answer

    # Its configuration

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        """Check a configuration of the provider."""
        answer = self.protocol.response("ValidateProviderConfig")
        kind, told = self.session.catalogue.provider, list[Diagnostic]()
        with collected(told, f"Validating {kind.type_name}", kind.block.type):
            config = self._config(request)
            if problems := list(invalid_values(kind.layout, config)):
                raise DiagnosticError(problems)
            self._configured(config).validate()
        if self.protocol.version == 5:
            answer.prepared_config.CopyFrom(request.config)
        self.tell(answer, told)
        return answer

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        """Configure the provider."""
        answer = self.protocol.response("ConfigureProvider")
        kind, told = self.session.catalogue.provider, list[Diagnostic]()
        with collected(told, f"Configuring {kind.type_name}", kind.block.type):
            provider = self._configured(self._config(request))
            provider.terraform_version = request.terraform_version
            provider.configure()
            self.session.provider = provider
        self.tell(answer, told)
        return answer

    def _config(self, request: Any) -> Value:
        kind = self.session.catalogue.provider
        config = self.unpack(request.config, kind)
        return kind.block.empty if config is None else config

    def _configured(self, config: Any) -> Provider:
        """Return a copy of the author's instance with what is configured."""
        layout = self.session.catalogue.provider.layout
        provider = copy.copy(self.session.served)
        vars(provider).pop("_stopping", None)
        layout.load_into(provider, with_defaults(layout, config))
        return provider

    def StopProvider(self, request: Any, context: Any) -> Any:
        """Ask for all that goes on to be given up."""
        self.session.provider.stopping.set()
        return self.protocol.response("StopProvider")

    # Its functions

    def CallFunction(self, request: Any, context: Any) -> Any:
        """Call a function."""
        answer = self.protocol.response("CallFunction")
        told: list[Diagnostic] = []
        with collected(told, f"Function {request.name}"):
            self._call(request, answer)
        for each in told:
            if each.severity is Severity.ERROR:
                self._fail(answer.error, request.name, each)
                break
            _log.warning("%s", each)  # Terraform's functions have errors only
        return answer

    def _call(self, request: Any, answer: Any) -> None:
        functions = self.session.catalogue.functions
        if request.name not in functions:
            raise ProviderError("Unknown function", f"There is no {request.name}.")
        function = functions[request.name]
        shapes = function.shapes_of(len(request.arguments))
        values = [
            self._argument(index, each, shape.type)
            for index, (each, shape) in enumerate(
                zip(request.arguments, shapes, strict=True)
            )
        ]
        result = function.called(values)
        answer.result.CopyFrom(self.protocol.pack(result, function.schema.result))

    def _argument(self, index: int, message: Any, kind: Any) -> Any:
        try:
            return self.protocol.unpack(message, kind)
        except CtyError as exc:
            raise exc.below(Index(index)) from None

    def _fail(self, message: Any, name: str, told: Diagnostic) -> None:
        place = told.path[0] if told.path else None
        message.text = f"{told.summary}: {told.detail}" if told.detail else told.summary
        if isinstance(place, Index) and isinstance(place.key, int):
            message.function_argument = place.key
        elif place is not None:
            position = self.session.catalogue.functions[name].position(str(place)[1:])
            if position is not None:
                message.function_argument = position
