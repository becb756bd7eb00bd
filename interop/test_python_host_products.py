"""Python hosts with Go plugins that were not made for these tests."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import msgpack
import pytest

from goplugin_py import (
    BrokerError,
    Client,
    ClientConfig,
    NetRPCUnsupported,
    Plugin,
    VersionMismatch,
)
from goplugin_py.terraform import HANDSHAKE as TERRAFORM
from goplugin_py.terraform import tfplugin5
from interop.example_protos import HANDSHAKE, KV, Counter, Streamer, add_helper
from interop.fixtures import binary
from interop.python_host import WAIT, code_of, echo_config, eventually

pytestmark = pytest.mark.usefixtures("nothing_left")

TLS = pytest.mark.parametrize("auto_mtls", [False, True], ids=["plain", "mtls"])

# The plugins keep their data in files of their working directory.
KV_SET = {"kv": Plugin.from_stub(KV)}


def example(name: str, plugins: object, cwd: Path, **changes: object) -> ClientConfig:
    return echo_config(
        str(binary(name)), handshake=HANDSHAKE, plugins=plugins, cwd=cwd, **changes
    )


# go-plugin's examples


@TLS
def test_kv_example_stores_in_its_working_directory(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: `examples/grpc`, its plugin unchanged; `ClientConfig.cwd`."""
    with Client(example("kv-plugin", KV_SET, tmp_path, auto_mtls=auto_mtls)) as client:
        store = client.dispense("kv")
        store.put("greeting", b"hello \xff")
        assert store.get("greeting") == b"hello \xff\n\nWritten from plugin-go-grpc"
        with pytest.raises(grpc.RpcError) as caught:
            store.get("nothing")
        assert code_of(caught.value) is grpc.StatusCode.UNKNOWN
        assert isinstance(caught.value, grpc.Call)
        assert "kv_nothing: no such file" in str(caught.value.details())
    assert (tmp_path / "kv_greeting").exists()


@TLS
def test_negotiated_example_speaks_grpc_for_version_3(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: `examples/negotiated`; it takes the highest version in common."""
    config = example(
        "negotiated-plugin",
        None,
        tmp_path,
        versioned_plugins={2: KV_SET, 3: KV_SET, 4: KV_SET},
        auto_mtls=auto_mtls,
    )
    with Client(config) as client:
        assert client.negotiated_version == 3
        store = client.dispense("kv")
        store.put("key", b"value")
        assert b"Written from plugin version 3" in store.get("key")
        assert b"Read by plugin version 3" in store.get("key")


@TLS
def test_negotiated_example_is_refused_for_version_2(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: the same binary speaks net/rpc for version 2; the error says so."""
    config = example(
        "negotiated-plugin",
        None,
        tmp_path,
        versioned_plugins={2: KV_SET},
        auto_mtls=auto_mtls,
    )
    with pytest.raises(NetRPCUnsupported, match="version 2, and only gRPC") as caught:
        Client(config).start()
    assert "offer another version" in str(caught.value)


@TLS
def test_negotiated_example_without_a_version_in_common_answers_its_lowest(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: `protocolVersion`; the host explains."""
    config = example(
        "negotiated-plugin",
        None,
        tmp_path,
        versioned_plugins={7: KV_SET},
        auto_mtls=auto_mtls,
    )
    with pytest.raises(VersionMismatch) as caught:
        Client(config).start()
    assert (caught.value.plugin, caught.value.host) == (2, (7,))


@TLS
def test_streaming_example_reads_what_was_written(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: `examples/streaming`; the plugin's file is the witness."""
    path = tmp_path / "data"
    config = example(
        "streaming-plugin",
        {"streamer": Plugin.from_stub(Streamer)},
        tmp_path,
        auto_mtls=auto_mtls,
    )
    chunks = [bytes([n]) * 10_000 for n in range(50)]
    with Client(config) as client:
        streamer = client.dispense("streamer")
        streamer.configure(str(path), 4096)
        streamer.write(chunks)
        assert path.read_bytes() == b"".join(chunks)
        assert b"".join(streamer.read()) == b"".join(chunks)


# The broker


@TLS
def test_bidirectional_example_calls_back_into_the_host(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: `examples/bidirectional`; the plugin dials inside its handler."""
    calls: list[tuple[int, int]] = []

    def add(a: int, b: int) -> int:
        calls.append((a, b))
        return a + b

    config = example(
        "counter-plugin",
        {"counter": Plugin.from_stub(Counter)},
        tmp_path,
        auto_mtls=auto_mtls,
    )
    with Client(config) as client:
        counter = client.dispense("counter")
        for amount in (1, 10, 100):
            service_id = client.broker.next_id()
            with client.broker.accept_and_serve(service_id, add_helper(add)):
                counter.put("total", amount, service_id)
        assert counter.get("total") == 111
    assert calls == [(0, 1), (1, 10), (11, 100)]


@TLS
def test_plugin_may_dial_before_the_host_serves(
    auto_mtls: bool, tmp_path: Path
) -> None:
    """go-plugin: `GRPCBroker.Dial` waits 5 s for the address."""
    config = example(
        "counter-plugin",
        {"counter": Plugin.from_stub(Counter)},
        tmp_path,
        auto_mtls=auto_mtls,
    )
    with Client(config) as client, ThreadPoolExecutor(1) as pool:
        counter = client.dispense("counter")
        service_id = client.broker.next_id()
        putting = pool.submit(counter.put, "total", 5, service_id)
        client.ping()
        assert not putting.done()
        with client.broker.accept_and_serve(service_id, add_helper(int.__add__)):
            putting.result(timeout=2 * WAIT)
        assert counter.get("total") == 5


def test_brokered_servers_end_with_their_client(tmp_path: Path) -> None:
    """Requirement: unserved accepts are reaped; a dead link says so."""
    config = example("counter-plugin", {"counter": Plugin.from_stub(Counter)}, tmp_path)
    with Client(config) as client:
        broker = client.broker
        for _ in range(3):
            broker.accept_and_serve(broker.next_id(), add_helper(int.__add__))
    with pytest.raises(BrokerError, match="closed"):
        broker.accept_and_serve(9, add_helper(int.__add__))
    with pytest.raises(BrokerError, match="closed"):
        broker.dial(9)


def test_kill_ends_a_dial_that_waits(tmp_path: Path) -> None:
    """Requirement: a dial that nobody can answer any more does not wait."""
    config = example("counter-plugin", {"counter": Plugin.from_stub(Counter)}, tmp_path)
    with Client(config) as client, ThreadPoolExecutor(1) as pool:
        dialling = pool.submit(client.broker.dial, 4711, timeout=60)
        client.kill()
        assert isinstance(dialling.exception(timeout=WAIT), BrokerError)


# Terraform


def provider_config(**changes: object) -> ClientConfig:
    return ClientConfig(
        command=[str(binary("terraform-provider-time"))],
        handshake=TERRAFORM,
        versioned_plugins={
            5: {"provider": Plugin.from_stub(tfplugin5.ProviderStub)},
            6: {"provider": Plugin.from_stub(tfplugin5.ProviderStub)},
        },
        start_timeout=20,
        **changes,  # type: ignore[arg-type]
    )


@TLS
def test_terraform_provider_shows_its_schema(auto_mtls: bool) -> None:
    """HashiCorp's time provider takes protocol 5 of the two; tfplugin5.GetSchema."""
    with Client(provider_config(auto_mtls=auto_mtls)) as client:
        assert client.negotiated_version == 5
        provider = client.dispense("provider")
        schema = provider.GetSchema(
            tfplugin5.GetProviderSchema.Request(), timeout=4 * WAIT
        )
    assert not schema.diagnostics
    assert sorted(schema.resource_schemas) == [
        "time_offset",
        "time_rotating",
        "time_sleep",
        "time_static",
    ]
    static = schema.resource_schemas["time_static"].block.attributes
    assert {"id", "rfc3339", "unix"} <= {attribute.name for attribute in static}
    assert {"duration_parse", "rfc3339_parse", "unix_timestamp_parse"} <= set(
        schema.functions
    )


@TLS
def test_terraform_provider_runs_a_function(auto_mtls: bool) -> None:
    """tfplugin5.CallFunction, values in Terraform's msgpack."""
    with Client(provider_config(auto_mtls=auto_mtls)) as client:
        provider = client.dispense("provider")
        argument = msgpack.packb("2026-08-01T12:30:00Z")
        answer = provider.CallFunction(
            tfplugin5.CallFunction.Request(
                name="rfc3339_parse",
                arguments=[tfplugin5.DynamicValue(msgpack=argument)],
            ),
            timeout=4 * WAIT,
        )
        assert not answer.HasField("error")
        result = msgpack.unpackb(answer.result.msgpack)
        assert (result["year"], result["month"], result["minute"]) == (2026, 8, 30)
        assert result["weekday_name"] == "Saturday"
        wrong = provider.CallFunction(
            tfplugin5.CallFunction.Request(
                name="rfc3339_parse",
                arguments=[tfplugin5.DynamicValue(msgpack=msgpack.packb("never"))],
            ),
            timeout=4 * WAIT,
        )
        assert '"never" is not a valid RFC3339 timestamp' in wrong.error.text


def test_terraform_provider_stops_when_asked(caplog: pytest.LogCaptureFixture) -> None:
    """tfplugin5.Stop, then go-plugin's Shutdown; its log arrives structured."""
    caplog.set_level(5, "goplugin")
    with Client(provider_config()) as client:
        assert (
            client.dispense("provider")
            .Stop(tfplugin5.Stop.Request(), timeout=WAIT)
            .Error
            == ""
        )
    assert client.exit_status == 0

    def addresses() -> list[str]:
        records = [r for r in caplog.records if r.getMessage() == "plugin address"]
        return [str(vars(record).get("address")) for record in records]

    assert eventually(lambda: bool(addresses()))
    assert re.fullmatch(r".*/plugin\d+", addresses()[0])
