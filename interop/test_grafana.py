"""Grafana's plugin SDK 0.296.3: a data source in Go under a Python host.

The SDK gives each gRPC service a plugin name of its own. Grafana takes no TLS; what the
SDK's go-plugin can do beyond that is tried as well.
"""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import grafana_pb2 as pb
import grpc
import pytest
from query import CONTEXT, RANGE, config

from goplugin_py import Client, ClientConfig, ConnectionLost, UnknownPlugin
from goplugin_py.supervisor import RestartPolicy, State, Supervisor
from interop.fixtures import ROOT, binary
from interop.python_host import WAIT, code_of
from tests.peers import until

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("nothing_left")]

EXAMPLE = ROOT / "examples" / "grafana" / "query.py"
ANSWERS = """\
OK: counting
query: [[0, 3, 6, 9]]
resource: aa bb cc
stream: {"number":0}
stream: {"number":3}
stream: {"number":6}
"""
MIB = 1 << 20
# Megabytes there and back, beside other tests.
BIG_TIMEOUT = 30.0
# go-plugin's switches, of which Grafana sets none.
LINKS = {
    "plain": {"auto_mtls": False},
    "mtls": {"auto_mtls": True},
    "mtls-mux": {"auto_mtls": True, "broker_multiplex": True},
}


def linked(**changes: bool) -> ClientConfig:
    """Configure a host of the data source."""
    own = config(str(binary("grafana-datasource")))
    return dataclasses.replace(own, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=LINKS.values(), ids=list(LINKS))
def client(request: pytest.FixtureRequest, nothing_left: object) -> Iterator[Client]:
    """Give a data source on each kind of link."""
    with Client(linked(**request.param)) as client:
        yield client


def context(settings: bytes) -> pb.PluginContext:
    """Return a context with a data source of other settings."""
    changed = pb.PluginContext()
    changed.CopyFrom(CONTEXT)
    changed.dataSourceInstanceSettings.jsonData = settings
    changed.dataSourceInstanceSettings.id = 7  # the SDK keeps an instance for each
    return changed


def health(client: Client, about: pb.PluginContext) -> pb.CheckHealthResponse:
    request = pb.CheckHealthRequest(pluginContext=about)
    answer: pb.CheckHealthResponse = client.dispense("diagnostics").CheckHealth(
        request, timeout=WAIT
    )
    return answer


def metric(client: Client, name: str) -> float:
    """Return the sum of what the plugin has collected under a name."""
    collected = client.dispense("diagnostics").CollectMetrics(
        pb.CollectMetricsRequest(pluginContext=CONTEXT), timeout=WAIT
    )
    lines = collected.metrics.prometheus.decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)
    )


def resource(
    client: Client, path: str, *, url: str = "", body: bytes = b""
) -> list[pb.CallResourceResponse]:
    """Call a resource; return all parts of the answer."""
    request = pb.CallResourceRequest(
        pluginContext=CONTEXT, path=path, url=url or path, method="POST", body=body
    )
    return list(client.dispense("resource").CallResource(request, timeout=BIG_TIMEOUT))


def queries(**by_name: object) -> Sequence[pb.DataQuery]:
    return [
        pb.DataQuery(refId=name, timeRange=RANGE, json=json.dumps(query).encode())
        for name, query in by_name.items()
    ]


# Services


def test_each_service_is_a_plugin_name_under_one_version(client: Client) -> None:
    """SDK: `grpcplugin.Serve`; what the data source lacks is UNIMPLEMENTED."""
    assert client.negotiated_version == 2
    for name in ("diagnostics", "resource", "data", "stream"):
        assert client.dispense(name) is not None
    with pytest.raises(UnknownPlugin, match="'admission'"):
        client.dispense("admission")
    client.ping()


def test_health_depends_on_the_data_sources_settings(client: Client) -> None:
    """SDK: `DiagnosticsServer.CheckHealth`, whose error is an answer, not a status."""
    good = health(client, CONTEXT)
    assert good.status == pb.CheckHealthResponse.OK
    assert json.loads(good.jsonDetails) == {"step": 3, "name": "by threes"}
    bad = health(client, context(b'{"step": 0}'))
    assert bad.status == pb.CheckHealthResponse.ERROR
    assert bad.message == "a step of 0 counts nothing"


def test_settings_that_are_no_json_are_an_answer_too(client: Client) -> None:
    """SDK: `automanagement.Manager.CheckHealth` tells why there is no instance."""
    answer = health(client, context(b"step=3"))
    assert answer.status == pb.CheckHealthResponse.ERROR
    assert "the settings are no JSON" in answer.message


def test_a_bad_query_does_not_spoil_the_good_one(client: Client) -> None:
    """SDK: `DataServer.QueryData`, with an answer and a status for each query."""
    request = pb.QueryDataRequest(
        pluginContext=CONTEXT,
        queries=queries(A={"count": 4}, B={"fail": "no such number"}),
        format=pb.DataFrameFormat.JSON,
    )
    answers = client.dispense("data").QueryData(request, timeout=WAIT).responses
    [frame] = answers["A"].frames
    assert json.loads(frame)["data"]["values"] == [[0, 3, 6, 9]]
    assert (answers["B"].status, answers["B"].error) == (400, "no such number")


def test_frames_come_as_arrow_unless_json_is_asked_for(client: Client) -> None:
    """SDK: `DataFrameFormat`; Arrow files begin with their name."""
    request = pb.QueryDataRequest(
        pluginContext=CONTEXT, queries=queries(A={"count": 4})
    )
    answers = client.dispense("data").QueryData(request, timeout=WAIT).responses
    assert answers["A"].frames[0].startswith(b"ARROW1")


def test_chunks_of_a_frame_come_in_order(client: Client) -> None:
    """SDK: `DataServer.QueryChunkedData`; the first chunk alone has the schema."""
    request = pb.QueryChunkedDataRequest(
        pluginContext=CONTEXT,
        queries=queries(A={"count": 5}),
        format=pb.DataFrameFormat.JSON,
    )
    chunks = client.dispense("data").QueryChunkedData(request, timeout=WAIT)
    frames = [json.loads(chunk.frame) for chunk in chunks]
    assert [frame["data"]["values"] for frame in frames] == [
        [[0]],
        [[3]],
        [[6]],
        [[9]],
        [[12]],
    ]
    assert ["schema" in frame for frame in frames] == [True, *[False] * 4]


def test_a_resource_answers_in_parts(client: Client) -> None:
    """SDK: `ResourceServer.CallResource`, HTTP's answer as a stream."""
    [whole] = resource(client, "echo", body=b"\0body\xff")
    assert (whole.code, whole.body) == (200, b"\0body\xff")
    assert list(whole.headers["X-Method"].values) == ["POST"]
    parts = resource(client, "parts", url="parts?count=26&size=1000")
    assert [part.code for part in parts] == [200, *[0] * 25]
    assert b"".join(part.body for part in parts)[::1000] == bytes(range(97, 123))
    [missing] = resource(client, "nowhere")
    assert (missing.code, missing.body) == (404, b"no resource nowhere")


def test_a_stream_runs_until_the_host_cancels_it(client: Client) -> None:
    """SDK: `StreamServer.RunStream`; the plugin notices, and the link lives on."""
    stream = client.dispense("stream")
    request = pb.RunStreamRequest(pluginContext=CONTEXT, path="numbers")
    packets = stream.RunStream(request, timeout=BIG_TIMEOUT)
    numbers = [json.loads(next(packets).data)["number"] for _ in range(5)]
    assert numbers == [0, 3, 6, 9, 12]
    assert metric(client, "counter_streams_running") == 1
    packets.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        for _ in packets:
            pass
    assert code_of(caught.value) is grpc.StatusCode.CANCELLED
    until(lambda: metric(client, "counter_streams_cancelled_total") == 1)
    assert metric(client, "counter_streams_running") == 0


def test_the_plugin_says_who_may_subscribe_and_publish(client: Client) -> None:
    """SDK: `StreamServer.SubscribeStream` and `PublishStream`."""
    stream = client.dispense("stream")

    def subscribe(path: str) -> pb.SubscribeStreamResponse:
        request = pb.SubscribeStreamRequest(pluginContext=CONTEXT, path=path)
        answer: pb.SubscribeStreamResponse = stream.SubscribeStream(
            request, timeout=WAIT
        )
        return answer

    assert json.loads(subscribe("numbers").data) == {"step": 3}
    assert subscribe("letters").status == pb.SubscribeStreamResponse.NOT_FOUND
    request = pb.PublishStreamRequest(pluginContext=CONTEXT, path="numbers")
    answer = stream.PublishStream(request, timeout=WAIT)
    assert answer.status == pb.PublishStreamResponse.PERMISSION_DENIED


def test_metrics_count_the_calls_of_the_host(client: Client) -> None:
    """SDK: `DiagnosticsServer.CollectMetrics`; grpc-middleware counts them."""
    handled = 'grpc_server_handled_total{grpc_code="OK",grpc_method="CheckHealth"'
    before = metric(client, handled)
    health(client, CONTEXT)
    assert metric(client, handled) == before + 1


# Sizes


def test_messages_of_the_plugin_may_be_longer_than_grpcios_limit(
    client: Client,
) -> None:
    """go-plugin: `dialGRPCConn`; 4 MiB is grpcio's default, 16 MiB the SDK's own."""
    [part] = resource(client, "parts", url=f"parts?count=1&size={20 * MIB}")
    assert len(part.body) == 20 * MIB


def test_messages_of_the_host_end_at_the_plugins_limit(client: Client) -> None:
    """SDK: `defaultServerMaxReceiveMessageSize`, 16 MiB; and the link lives on."""
    [answer] = resource(client, "echo", body=bytes(15 * MIB))
    assert len(answer.body) == 15 * MIB
    with pytest.raises(grpc.RpcError, match="larger than max") as caught:
        resource(client, "echo", body=bytes(16 * MIB))
    assert code_of(caught.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert health(client, CONTEXT).status == pb.CheckHealthResponse.OK


# Life


def test_the_plugins_log_arrives_with_its_pairs(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """SDK: `backend.Logger` is an hclog on stderr."""
    caplog.set_level("INFO", "goplugin")
    health(client, context(b'{"step": 5}'))
    until(lambda: "configured" in caplog.messages)
    [record] = [r for r in caplog.records if r.getMessage() == "configured"]
    assert record.__dict__["step"] == 5


def test_a_data_source_that_crashed_is_started_again() -> None:
    """Requirement: stubs stay usable; the new process counts from zero."""
    policy = RestartPolicy(initial_delay=0.01, jitter=0.0)
    with Supervisor(restart=policy) as supervisor:
        supervised = supervisor.add("datasource", linked())
        supervised.start()
        call = supervised.dispense("resource").CallResource
        with pytest.raises(ConnectionLost) as lost:
            list(call(pb.CallResourceRequest(pluginContext=CONTEXT, path="crash")))
        assert lost.value.status == 3
        assert supervised.wait_for(
            lambda now: (now.generation, now.state) == (2, State.RUNNING), WAIT
        )
        [answer] = call(pb.CallResourceRequest(pluginContext=CONTEXT, path="echo"))
        assert answer.code == 200


def test_a_data_source_ends_when_it_is_asked_to(client: Client) -> None:
    """go-plugin: `Client.Kill`; a stream that runs does not hold it up."""
    request = pb.RunStreamRequest(pluginContext=CONTEXT, path="numbers")
    packets = client.dispense("stream").RunStream(request, timeout=BIG_TIMEOUT)
    next(packets)
    client.kill()
    assert client.exit_status == 0


def test_the_example_asks_for_something_of_everything() -> None:
    """As a user would run it."""
    done = subprocess.run(
        [sys.executable, EXAMPLE, binary("grafana-datasource")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", ANSWERS)
