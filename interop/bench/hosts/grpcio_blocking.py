"""grpcio without any library on top: the floor of what blocks."""

import sys
from time import perf_counter
from typing import Any

import grpc

from interop.bench.hosts.bare import UNLIMITED, started
from interop.echo_pb2 import Payload
from interop.echo_pb2_grpc import EchoStub


class Host:
    """What of `blocking.Commands` can be done without a library."""

    def __init__(self, target: str, channel: grpc.Channel) -> None:
        self._target = target
        self.stub: Any = EchoStub(channel)

    def dial(self) -> float:
        """Connect anew to the plugin's own socket, as there is no broker."""
        options = [*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)]
        start = perf_counter()
        with grpc.insecure_channel(self._target, options=options) as channel:
            EchoStub(channel).Unary(Payload())
            return perf_counter() - start


def main(link: str, *command: str) -> None:
    assert link == "plain"
    with (
        started(list(command)) as (pid, target),
        grpc.insecure_channel(target, options=UNLIMITED) as channel,
    ):
        host: Any = Host(target, channel)
        host.stub.Unary(Payload(data=b"x"))
        print("ready", pid, flush=True)
        from interop.bench.hosts.blocking import answer

        answer(host)


main(*sys.argv[1:])
