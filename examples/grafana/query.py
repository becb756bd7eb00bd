"""Query a Grafana data source, with Python in Grafana's place.

    python examples/grafana/query.py PLUGIN

PLUGIN is the program of a data source on Grafana's plugin SDK; the queries are for the
one in go-fixtures/grafana-datasource, which counts. In the SDK's debug mode PLUGIN only
tells where the data source runs, and is used in the same way.
"""

import itertools
import json
import sys

import grafana_pb2 as pb
import grpc
from grafana_pb2_grpc import DataStub, DiagnosticsStub, ResourceStub, StreamStub

from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin

# Grafana knows one version, and the name of each gRPC service as a plugin's.
VERSION = 2
HANDSHAKE = HandshakeConfig(VERSION, "grafana_plugin_type", "datasource")
SERVICES = {
    "diagnostics": Plugin.from_stub(DiagnosticsStub),
    "resource": Plugin.from_stub(ResourceStub),
    "data": Plugin.from_stub(DataStub),
    "stream": Plugin.from_stub(StreamStub),
}

# Comes with every call: the SDK keeps an instance of the data source for each.
CONTEXT = pb.PluginContext(
    orgId=1,
    pluginId="goplugin-counter-datasource",
    dataSourceInstanceSettings=pb.DataSourceInstanceSettings(
        name="by threes", uid="threes", jsonData=json.dumps({"step": 3}).encode()
    ),
)
# No query goes without one, even where it does not matter.
RANGE = pb.TimeRange(fromEpochMS=0, toEpochMS=1)


def config(*command: str) -> ClientConfig:
    """Configure a host as Grafana is: it takes no TLS."""
    return ClientConfig(
        command=command,
        handshake=HANDSHAKE,
        versioned_plugins={VERSION: SERVICES},
        auto_mtls=False,
    )


def main(*command: str) -> None:
    with Client(config(*command)) as client:
        diagnostics = client.dispense("diagnostics")
        health = diagnostics.CheckHealth(pb.CheckHealthRequest(pluginContext=CONTEXT))
        print(f"{pb.CheckHealthResponse.HealthStatus.Name(health.status)}:", end=" ")
        print(health.message)

        query = pb.DataQuery(refId="A", timeRange=RANGE, json=b'{"count": 4}')
        answers = client.dispense("data").QueryData(
            pb.QueryDataRequest(
                pluginContext=CONTEXT, queries=[query], format=pb.DataFrameFormat.JSON
            )
        )
        for frame in answers.responses["A"].frames:
            print("query:", json.loads(frame)["data"]["values"])

        parts = client.dispense("resource").CallResource(
            pb.CallResourceRequest(
                pluginContext=CONTEXT, path="parts", url="parts?count=3&size=2"
            )
        )
        print("resource:", b" ".join(part.body for part in parts).decode())

        numbers = client.dispense("stream").RunStream(
            pb.RunStreamRequest(pluginContext=CONTEXT, path="numbers")
        )
        for packet in itertools.islice(numbers, 3):
            print("stream:", packet.data.decode())
        numbers.cancel()  # or it would go on


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except grpc.RpcError as exc:
        sys.exit(f"the data source failed: {exc.details()}")
