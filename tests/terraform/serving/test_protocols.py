"""What is said in each of the two protocols, beyond what they share."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from goplugin_py.terraform import DiagnosticError, NotSupported
from goplugin_py.terraform import provider as host
from goplugin_py.terraform.serving import (
    Nested,
    Provider,
    attribute,
    block,
    serve_config,
)
from goplugin_py.terraform.serving.testing import provider_under_test
from tests.terraform.serving.served import Thing, provider_of, served

# Nothing takes this long, unless the test fails.
LONG = 30.0


class Part(Nested):
    name: str


class Flat(Thing):
    text: str | None
    parts: list[Part] = block()


class Deep(Thing):
    part: Part | None


class Deeper(Thing):
    deep: list[Deep] = block()


@pytest.fixture(params=[5, 6], ids=["protocol 5", "protocol 6"])
def provider(request: pytest.FixtureRequest) -> Iterator[host.Provider]:
    with served(Flat, version=request.param) as provider:
        yield provider


def call(provider: host.Provider, rpc: str, /, **fields: Any) -> Any:
    connection: Any = provider._connection
    return connection.call(rpc, **fields)


def test_both_protocols_are_offered_unless_one_is_asked_for() -> None:
    assert set(serve_config(provider_of()).plugin_sets) == {5, 6}
    assert set(serve_config(provider_of(), versions=[5]).plugin_sets) == {5}


def test_nested_attributes_are_refused_in_protocol_5_by_name() -> None:
    """tfplugin5: `Schema.Attribute` has no `nested_type`."""

    class Holder(Nested):
        part: Part | None

    class Block(Thing):
        holder: list[Holder] = block()

    with (
        pytest.raises(DiagnosticError, match="no nested attributes") as caught,
        served(Flat, Deep, Block, version=5) as provider,
    ):
        provider.resource("test_flat")
    assert "(test_deep.part, test_block.holder.part)" in caught.value.detail
    with served(Flat, Deep, Block, version=6) as provider:
        assert len(provider.schema.resources) == 3


def test_the_names_of_all_are_told_without_schemas(provider: host.Provider) -> None:
    answer = call(provider, "GetMetadata")
    assert [each.type_name for each in answer.resources] == ["test_flat"]
    assert answer.server_capabilities.get_provider_schema_optional
    assert answer.server_capabilities.plan_destroy
    assert not answer.server_capabilities.move_resource_state


@pytest.mark.parametrize("rpc", ["GenerateResourceConfig", "ValidateActionConfig"])
def test_what_is_not_there_is_unimplemented(rpc: str, provider: host.Provider) -> None:
    """Terraform tolerates the status where it can do without."""
    with pytest.raises(NotSupported):
        call(provider, rpc)


def test_a_type_that_is_not_there_is_a_diagnostic(provider: host.Provider) -> None:
    answer = call(provider, "ReadResource", type_name="test_nobody")
    assert answer.diagnostics[0].detail == "The provider has no test_nobody."
    answer = call(provider, "CallFunction", name="nothing")
    assert answer.error.text == "Unknown function: There is no nothing."


def test_functions_are_told_alone_too(provider: host.Provider) -> None:
    """OpenTofu: GetFunctions after the provider was configured."""
    assert dict(call(provider, "GetFunctions").functions) == {}


def test_a_value_of_megabytes_goes_both_ways(provider: host.Provider) -> None:
    """gRPC's own limit is 4 MiB."""
    text = "x" * (5 << 20)
    state = provider.resource("test_flat").plan({"text": text}).apply()
    assert state is not None
    assert state["text"] == text


def test_stop_reaches_what_waits_and_is_forgotten_with_the_next_run() -> None:
    """Terraform: Ctrl-C in an apply; with a debugged provider the process stays."""
    entered = threading.Event()

    class Slow(Thing):
        id: str = attribute(computed=True)

        def create(self) -> None:
            entered.set()
            self.id = str(self.provider.stopping.wait(LONG))

    with served(Slow) as provider:
        slow = provider.resource("test_slow")
        plan = slow.plan({})
        found: list[Any] = []
        thread = threading.Thread(
            target=lambda: found.append(plan.apply()), daemon=True
        )
        thread.start()
        assert entered.wait(LONG)
        provider.stop()
        thread.join(LONG)
        assert not thread.is_alive()
        assert found[0]["id"] == "True"


def test_a_new_configuration_is_a_new_provider() -> None:
    """Terraform may configure a provider that stays, as one under a debugger does."""
    seen: list[Any] = []

    class Watching(Thing):
        def create(self) -> None:
            seen.append((self.provider.region, self.provider.terraform_version))

    class TestProvider(Provider):
        region: str = "here"
        resources = (Watching,)

    served = TestProvider()
    with provider_under_test(served) as provider:
        watching = provider.resource("test_watching")
        for config in ({}, {"region": "there"}):
            provider.configure(config)
            provider.stop()
            watching.plan({}).apply()
    assert [region for region, _ in seen] == ["here", "there"]
    assert seen[0][1][0].isdigit()
    assert "region" not in vars(served)
