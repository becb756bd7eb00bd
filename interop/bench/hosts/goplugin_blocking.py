"""This library's blocking host."""

import sys
from collections.abc import Iterable
from typing import Any

from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin
from interop.echo_pb2 import Payload
from interop.echo_pb2_grpc import EchoStub

ECHO = HandshakeConfig(1, "ECHO_PLUGIN", "5f0c1a5e")
LINKS: dict[str, dict[str, Any]] = {
    "plain": {"auto_mtls": False},
    "mtls": {},
    "mux": {"broker_multiplex": True},
}


def client_of(link: str, command: list[str]) -> Client:
    config = ClientConfig(
        command=command,
        handshake=ECHO,
        plugins={"echo": Plugin.from_stub(EchoStub)},
        **LINKS[link],
    )
    return Client(config)


class Host:
    """What `blocking.Commands` needs."""

    def __init__(self, link: str, command: list[str], client: Client) -> None:
        self._link = link
        self._command = command
        self._client = client
        self._more: list[Client] = []
        self._dialler: Any = None
        self.stub = client.dispense("echo")

    def dial(self) -> float:
        if self._dialler is None:
            from interop.bench.hosts.dialling import Dialler

            self._dialler = Dialler(LINKS[self._link])
        seconds: float = self._dialler.dial()
        return seconds

    def more(self, count: int) -> None:
        for _ in range(count):
            self._more.append(client_of(self._link, self._command))
            self._more[-1].start()

    def together(self, count: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._more += [client_of(self._link, self._command) for _ in range(count)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Client.start, self._more[-count:]))

    def stubs(self) -> Iterable[Any]:
        return [each.dispense("echo") for each in [self._client, *self._more]]

    def fewer(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(self._more) or 1) as pool:
            list(pool.map(Client.kill, self._more))
        self._more.clear()

    def close(self) -> None:
        self.fewer()
        if self._dialler is not None:
            self._dialler.close()


def main(link: str, *command: str) -> None:
    with client_of(link, list(command)) as client:
        host = Host(link, list(command), client)
        host.stub.Unary(Payload(data=b"x"))
        print("ready", client.pid, flush=True)
        from interop.bench.hosts.blocking import answer

        try:
            answer(host)
        finally:
            host.close()


main(*sys.argv[1:])
