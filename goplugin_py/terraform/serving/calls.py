"""What the calls of all kinds share: requests in, answers and diagnostics out."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from goplugin_py.terraform.cty import GetAttr, Value, is_wholly_known
from goplugin_py.terraform.diagnostics import Diagnostic
from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.serving.catalogue import Catalogue, Kind
from goplugin_py.terraform.serving.diagnosing import collected
from goplugin_py.terraform.serving.problems import ProviderError
from goplugin_py.terraform.serving.provider import Provider

__all__ = ["Calls", "Session", "call", "private_bytes"]


class Session:
    """One served provider, as configured last.

    Attributes:
        protocol: What it speaks.
        catalogue: What it offers.
        served: The author's instance.
        provider: The instance that resources see.
    """

    def __init__(self, served: Provider, protocol: Protocol) -> None:
        self.protocol = protocol
        self.catalogue = Catalogue(served)
        self.served = served
        self.provider = served


class Calls:
    """The calls of one kind, with the names of protocol 6."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.protocol = session.protocol
        self.messages: Any = session.protocol.messages

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What `type_name` of a request is looked up in."""
        raise NotImplementedError

    def kind(self, type_name: str) -> Kind:
        """Return what a request is about.

        Raises:
            ProviderError: The provider has none of the name.
        """
        try:
            return self.kinds[type_name]
        except KeyError:
            text = f"The provider has no {type_name}."
            raise ProviderError("Unknown type", text) from None

    def unpack(self, message: Any, kind: Kind) -> Value:
        """Return the value of a block in a request; null if it is not there."""
        return self.protocol.unpack_block(message, kind.block)

    def pack(self, field: Any, value: Value, kind: Kind) -> None:
        """Put the value of a block into a field of an answer."""
        field.CopyFrom(self.protocol.pack_block(value, kind.block))

    def instance(self, kind: Kind, value: Value, private: bytes = b"") -> Any:
        """Return an object of the author's class."""
        instance = kind.layout.load(value)
        self.prepare(instance, private)
        return instance

    def configured(
        self, kind: Kind, value: Value, config: Value, private: bytes = b""
    ) -> Any:
        """Return an object of the author's class that knows its configuration."""
        instance = self.instance(kind, value, private)
        vars(instance)["_config"] = self.instance(kind, config, private)
        return instance

    def identify(self, field: Any, value: Value, kind: Kind) -> None:
        """Put the identity of a resource into a field, if it has one yet."""
        if kind.identity is None or value is None:
            return
        identity = {name: value[name] for name in kind.identity.attributes}
        if None not in identity.values() and is_wholly_known(identity):
            packed = self.protocol.pack_identity(identity, kind.identity.type)
            field.CopyFrom(packed)

    def prepare(self, instance: Any, private: bytes) -> None:
        """Give an object what the author's methods find besides its attributes."""
        vars(instance)["_provider"] = self.session.provider
        vars(instance)["_private"] = json.loads(private) if private else {}

    def tell(self, answer: Any, told: Iterable[Diagnostic]) -> None:
        """Put diagnostics into an answer."""
        answer.diagnostics.extend(map(self._diagnostic, told))

    def _diagnostic(self, diagnostic: Diagnostic) -> Any:
        return self.messages.Diagnostic(
            severity=diagnostic.severity.value,
            summary=diagnostic.summary,
            detail=diagnostic.detail,
            attribute=self.path(diagnostic.path) if diagnostic.path else None,
        )

    def path(self, path: Iterable[Any]) -> Any:
        """Return the message of a path."""
        step = self.messages.AttributePath.Step
        steps = []
        for each in path:
            if isinstance(each, GetAttr):
                steps.append(step(attribute_name=each.name))
            elif isinstance(each.key, str):
                steps.append(step(element_key_string=each.key))
            else:
                steps.append(step(element_key_int=each.key))
        return self.messages.AttributePath(steps=steps)


def private_bytes(instance: Any) -> bytes:
    """Return what an object keeps for itself; nothing if that is nothing."""
    private = vars(instance).get("_private")
    return json.dumps(private).encode() if private else b""


_Method = TypeVar("_Method", bound=Callable[..., None])


def call(
    doing: str, *, named_in: str = "type_name"
) -> Callable[[_Method], Callable[[Any, Any, Any], Any]]:
    """Make a method that fills an answer about one type the method of a servicer.

    The method gets the request, the answer and the kind that the request is about.
    What it raises and reports becomes diagnostics.

    Args:
        doing: What the call does, as a word: "Reading".
        named_in: The field of the request that has the name of the type.
    """

    def make(method: _Method) -> Callable[[Any, Any, Any], Any]:
        @functools.wraps(method)
        def answered(self: Calls, request: Any, _context: Any) -> Any:
            answer = self.protocol.response(method.__name__)
            told: list[Diagnostic] = []
            kind = None
            with collected(told, doing):
                kind = self.kind(getattr(request, named_in))
                what, into = f"{doing} {kind.type_name}", kind.block.type
            if kind is not None and not told:
                with collected(told, what, into):
                    method(self, request, answer, kind)
            self.tell(answer, told)
            return answer

        return answered

    return make
