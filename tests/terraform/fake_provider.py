"""A provider that breaks the rules when its configuration says so.

    fake_provider.py VERSION

The `name` of a `fake_thing` tells what happens to it; any other name is a good one.
The function `say` tells with 15 what has happened so far.
"""

import itertools
import os
import sys
import threading
from typing import Any

from goplugin_py import Plugin, ServeConfig, serve
from goplugin_py.terraform import HANDSHAKE, cty
from goplugin_py.terraform.cty import (
    NUMBER,
    STRING,
    UNKNOWN,
    List,
    Object,
    Type,
    Value,
)
from goplugin_py.terraform.protocol import Protocol

THING = Object(
    {
        "id": STRING,
        "name": STRING,
        "size": NUMBER,
        "zone": STRING,
        "password": STRING,
        "any": cty.DYNAMIC,
    }
)
IDENTITY = Object({"id": STRING})
NAMED = Object({"name": STRING})


class Fake:
    """Answers as an honest provider does, with exceptions."""

    def __init__(self, protocol: Protocol) -> None:
        self._messages: Any = protocol.messages
        self._protocol = protocol
        self._stopped = threading.Event()
        self._plans = itertools.count()
        self._happened: list[str] = []
        self._is_unstoppable = False

    def _answer(self, call: str, **fields: Any) -> Any:
        name = call if call == "GetProviderSchema" else self._protocol.rpc(call)
        return getattr(self._messages, name).Response(**fields)

    def _read(self, message: Any, kind: Type = THING) -> Any:
        return self._protocol.unpack(message, kind)

    def _pack(self, value: Value, kind: Type = THING) -> Any:
        return self._protocol.pack(value, kind)

    def _told(self, severity: int, summary: str, *names: str) -> Any:
        path = self._messages.AttributePath
        steps = [path.Step(attribute_name=name) for name in names]
        return self._messages.Diagnostic(
            severity=severity,
            summary=summary,
            detail="It is a fake.",
            attribute=path(steps=steps),
        )

    # What it has

    def schema(self, request: Any, context: Any) -> Any:
        m = self._messages
        thing = self._schema(
            3,
            m.Schema.Attribute(name="id", type=b'"string"', computed=True),
            m.Schema.Attribute(name="name", type=b'"string"', required=True),
            m.Schema.Attribute(
                name="size", type=b'"number"', optional=True, computed=True
            ),
            m.Schema.Attribute(name="zone", type=b'"string"', optional=True),
            m.Schema.Attribute(
                name="password", type=b'"string"', optional=True, write_only=True
            ),
            m.Schema.Attribute(name="any", type=b'"dynamic"', optional=True),
        )
        named = self._schema(
            0, m.Schema.Attribute(name="name", type=b'"string"', required=True)
        )
        number = m.Function.Parameter(name="number", type=b'"number"')
        words = m.Function.Parameter(
            name="words", type=b'"string"', allow_null_value=True
        )
        say = m.Function(parameters=[number], variadic_parameter=words)
        getattr(say, "return").type = b'["list","string"]'
        return m.GetProviderSchema.Response(
            provider=self._schema(
                0, m.Schema.Attribute(name="token", type=b'"string"', optional=True)
            ),
            provider_meta=named,
            resource_schemas={"fake_thing": thing},
            data_source_schemas={"fake_thing": thing},
            functions={"say": say},
            ephemeral_resource_schemas={"fake_secret": thing},
            list_resource_schemas={"fake_thing": named},
            action_schemas={"fake_do": m.ActionSchema(schema=named)},
            server_capabilities=m.ServerCapabilities(
                plan_destroy=True, move_resource_state=True
            ),
        )

    def _schema(self, version: int, *attributes: Any) -> Any:
        block = self._messages.Schema.Block(attributes=attributes)
        return self._messages.Schema(version=version, block=block)

    def GetResourceIdentitySchemas(self, request: Any, context: Any) -> Any:
        m = self._messages
        part = m.ResourceIdentitySchema.IdentityAttribute(
            name="id", type=b'"string"', required_for_import=True
        )
        thing = m.ResourceIdentitySchema(version=1, identity_attributes=[part])
        return m.GetResourceIdentitySchemas.Response(
            identity_schemas={"fake_thing": thing}
        )

    def configure(self, request: Any, context: Any) -> Any:
        kind = Object({"token": STRING})
        token = self._read(request.config, kind)["token"]
        self._is_unstoppable = token == "unstoppable"
        warned = [self._told(2, "Old token", "token")] if token == "old" else []
        wrong = [self._told(1, "Wrong token", "token")] if token == "wrong" else []
        return self._answer("ConfigureProvider", diagnostics=warned + wrong)

    def prepare(self, request: Any, context: Any) -> Any:
        return self._answer("ValidateProviderConfig")

    def valid(self, request: Any, context: Any) -> Any:
        name = self._read(request.config)["name"]
        told = [self._told(1, "Refused name", "name")] if name == "refused" else []
        return self._answer("ValidateResourceConfig", diagnostics=told)

    # Resources

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        proposed = self._read(request.proposed_new_state)
        answer = self._answer("PlanResourceChange", planned_private=b"planned")
        if proposed is None:
            prior = self._read(request.prior_state)
            kept = prior if prior["name"] == "stays planned" else None
            answer.planned_state.CopyFrom(self._pack(kept))
            return answer
        return self._planned(proposed, request, answer)

    def _planned(self, proposed: Any, request: Any, answer: Any) -> Any:
        name, prior = proposed["name"], self._read(request.prior_state)
        planned = proposed | {"password": None}
        if prior is None:
            planned["id"] = UNKNOWN
            planned["size"] = UNKNOWN if planned["size"] is None else planned["size"]
        match name:
            case "misplanned":
                planned["zone"] = "elsewhere"
            case "leaks":
                planned["password"] = "shown"
            case "deferred":
                answer.deferred.reason = 1
            case "fickle":
                planned["size"] = next(self._plans)
        if prior is not None:
            answer.requires_replace.add().steps.add(attribute_name="zone")
        if name == "replaces nothing":
            answer.requires_replace.add().steps.add(attribute_name="nothing")
        answer.planned_state.CopyFrom(self._pack(planned))
        if name == "other type":
            wrong = Object({"id": STRING})
            answer.planned_state.CopyFrom(self._pack({"id": "1"}, wrong))
        answer.legacy_type_system = name == "misplanned" and proposed["any"] is not None
        return answer

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        planned = self._read(request.planned_state)
        prior = self._read(request.prior_state)
        assert request.planned_private in {b"planned", b"kept"}
        answer = self._answer("ApplyResourceChange", private=b"kept")
        if planned is None:
            if prior["name"] in {"stays", "fails"}:
                answer.new_state.CopyFrom(self._pack(prior))
            if prior["name"] == "fails":
                answer.diagnostics.append(self._told(1, "Not destroyed"))
            return answer
        if planned["name"] == "deaf":
            assert self._end_of(context, "an apply").wait(60)
        return self._applied(planned, request, answer)

    def _applied(self, planned: Any, request: Any, answer: Any) -> Any:
        made = planned | {"id": "1"}
        made["size"] = 7 if planned["size"] == UNKNOWN else planned["size"]
        name = planned["name"]
        self._misbehave(name, answer)
        match name:
            case "changes":
                made["zone"] = "elsewhere"
            case "unknown":
                made["size"] = UNKNOWN
            case "vanishes":
                made = None
            case "half":
                answer.diagnostics.append(self._told(1, "Only half", "size"))
            case "fails":
                answer.diagnostics.append(self._told(1, "Nothing was made"))
                made = None
            case "warns":
                answer.diagnostics.append(self._told(2, "Careful", "name"))
        if self._read(request.config)["password"] == "checked":
            made["zone"] = planned["zone"]
        answer.new_state.CopyFrom(self._pack(made))
        identity = self._protocol.pack_identity({"id": "1"}, IDENTITY)
        answer.new_identity.CopyFrom(identity)
        return answer

    def _end_of(self, context: Any, what: str) -> threading.Event:
        """Note when the host hangs up; a stream's handler need not notice it."""
        ended = threading.Event()

        def end() -> None:
            self._happened.append(f"{what} was cancelled")
            ended.set()

        if not context.add_callback(end):
            end()
        return ended

    def _misbehave(self, name: str, answer: Any) -> None:
        match name:
            case "dies":
                os._exit(3)
            case "raises":
                raise RuntimeError("a bug")
            case "waits":
                assert self._stopped.wait(60)
                self._stopped.clear()
                answer.diagnostics.append(self._told(1, "Stopped"))

    def ReadResource(self, request: Any, context: Any) -> Any:
        state = self._read(request.current_state)
        answer = self._answer("ReadResource", private=request.private or b"read")
        if state["id"] != "gone":
            name = state["name"] or "imported"
            answer.new_state.CopyFrom(self._pack(state | {"name": name}))
        return answer

    def ImportResourceState(self, request: Any, context: Any) -> Any:
        answer = self._answer("ImportResourceState")
        found = request.id
        if request.HasField("identity"):
            found = self._read(request.identity.identity_data, IDENTITY)["id"]
        for _ in range({"none": 0, "two": 2}.get(found, 1)):
            state: Any = dict.fromkeys(THING.attributes) | {"id": found}
            answer.imported_resources.add(
                type_name="fake_thing",
                state=self._pack(None if found == "null" else state),
                private=b"imported",
            )
        return answer

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        state = cty.from_json(request.raw_state.json, THING)
        upgraded = state | {"zone": f"from version {request.version}"}
        return self._answer("UpgradeResourceState", upgraded_state=self._pack(upgraded))

    def MoveResourceState(self, request: Any, context: Any) -> Any:
        old = cty.from_json(request.source_state.json, NAMED)
        state = dict.fromkeys(THING.attributes) | old
        state["zone"] = f"from {request.source_type_name}"
        answer = self._answer("MoveResourceState", target_private=b"moved")
        answer.target_state.CopyFrom(self._pack(state))
        return answer

    # All else

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        config = self._read(request.config)
        assert self._read(request.provider_meta, NAMED) is None
        found = config | {"id": UNKNOWN if config["name"] == "unknown" else "1"}
        value = None if config["name"] == "null" else found
        return self._answer("ReadDataSource", state=self._pack(value))

    def CallFunction(self, request: Any, context: Any) -> Any:
        number, *words = request.arguments
        if self._read(number, NUMBER) == 13:
            failure = self._messages.FunctionError(text="no", function_argument=0)
            return self._answer("CallFunction", error=failure)
        if self._read(number, NUMBER) == 14:
            return self._answer("CallFunction", result=self._pack(1, NUMBER))
        said = [self._read(word, STRING) for word in words]
        if self._read(number, NUMBER) == 15:
            said = list(self._happened)
        return self._answer("CallFunction", result=self._pack(said, List(STRING)))

    def OpenEphemeralResource(self, request: Any, context: Any) -> Any:
        config = self._read(request.config)
        result = config | {"id": "0", "size": 1}
        if config["name"] == "changes":
            result["zone"] = "elsewhere"
        self._happened.append("a secret was opened")
        answer = self._answer(
            "OpenEphemeralResource", result=self._pack(result), private=b"1"
        )
        if config["name"] == "renewed":
            answer.renew_at.FromSeconds(1)
        return answer

    def RenewEphemeralResource(self, request: Any, context: Any) -> Any:
        self._stopped.set()
        return self._answer("RenewEphemeralResource", private=request.private + b"1")

    def CloseEphemeralResource(self, request: Any, context: Any) -> Any:
        self._happened.append("a secret was closed")
        count = request.private.decode()
        return self._answer(
            "CloseEphemeralResource",
            diagnostics=[self._told(2, f"Closed after {count}")],
        )

    def ListResource(self, request: Any, context: Any) -> Any:
        name = self._read(request.config, NAMED)["name"]
        ended = self._end_of(context, "a list") if name == "slow" else None
        for number in range(1000):
            event = self._messages.ListResource.Event(display_name=f"thing {number}")
            if name != "nobody":
                event.identity.CopyFrom(
                    self._protocol.pack_identity({"id": str(number)}, IDENTITY)
                )
            if request.include_resource_object:
                state = dict.fromkeys(THING.attributes) | {"id": str(number)}
                event.resource_object.CopyFrom(self._pack(state))
            if name == "fails" and number == 2:
                event.diagnostic.append(self._told(1, "Lost count"))
            yield event
            if ended:
                assert ended.wait(60)

    def PlanAction(self, request: Any, context: Any) -> Any:
        name = self._read(request.config, NAMED)["name"]
        told = [self._told(1, "Not today")] if name == "refused" else []
        return self._answer("PlanAction", diagnostics=told)

    def InvokeAction(self, request: Any, context: Any) -> Any:
        name = self._read(request.config, NAMED)["name"]
        event = self._messages.InvokeAction.Event
        ended = self._end_of(context, "an action") if name == "slow" else None
        for number in range(3):
            yield event(progress=event.Progress(message=f"step {number}"))
            if ended:
                assert ended.wait(60)
        if name == "ends early":
            return
        told = [self._told(1, "Did not work")] if name == "fails" else []
        yield event(completed=event.Completed(diagnostics=told))

    def stop(self, request: Any, context: Any) -> Any:
        if self._is_unstoppable:
            return self._answer("StopProvider", Error="Not now.")
        self._happened.append("a stop was asked for")
        self._stopped.set()
        return self._answer("StopProvider")


def servicer(protocol: Protocol) -> Any:
    """Give the fake's methods the names of a protocol."""
    fake = Fake(protocol)
    named = {
        "GetProviderSchema": fake.schema,
        "ConfigureProvider": fake.configure,
        "ValidateProviderConfig": fake.prepare,
        "ValidateResourceConfig": fake.valid,
        "StopProvider": fake.stop,
    }
    for name in vars(Fake):
        if name[:1].isupper():
            named[name] = getattr(fake, name)
    quiet = (
        "ValidateDataResourceConfig",
        "ValidateEphemeralResourceConfig",
        "ValidateListResourceConfig",
        "ValidateActionConfig",
    )
    messages: Any = protocol.messages
    for name in quiet:
        answer = getattr(messages, protocol.rpc(name)).Response()
        named[name] = constant(answer)
    methods = {protocol.rpc(name): staticmethod(each) for name, each in named.items()}
    return type("Servicer", (messages.ProviderServicer,), methods)()


def constant(answer: Any) -> Any:
    return lambda request, context: answer


def main() -> None:
    protocol = Protocol(int(sys.argv[1]))
    messages: Any = protocol.messages
    plugin = Plugin.from_servicer(
        messages.add_ProviderServicer_to_server, servicer(protocol)
    )
    serve(
        ServeConfig(
            handshake=HANDSHAKE,
            versioned_plugins={protocol.version: {"provider": plugin}},
        )
    )


if __name__ == "__main__":
    main()
