"""The debug mode of Grafana's plugin SDK: the plugin that a host starts serves nothing.

It prints the address of a server that runs by itself, such as in a debugger, in a line
of five fields, and every ten seconds the address again.
"""

import contextlib
import dataclasses
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grafana_pb2 as pb
import pytest
from query import CONTEXT, config

from goplugin_py import Address, Client, ClientConfig, TLSRefused, probe
from interop.fixtures import binary
from interop.python_host import WAIT
from tests.peers import until

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("nothing_left")]

# Of a server of 40 MB, on a busy machine.
START_TIMEOUT = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Debugged:
    """A data source that runs by itself."""

    program: Path
    """What a host starts; it finds the server by files beside it."""

    address: Address
    process: subprocess.Popen[str]

    @property
    def config(self) -> ClientConfig:
        """Configure a host. The locator does not know Shutdown, so kills are forced."""
        return dataclasses.replace(config(str(self.program)), kill_timeout=0.1)


@pytest.fixture
def debugged(short_tmp: Path, nothing_left: object) -> Iterator[Debugged]:
    """Run the data source as `-standalone` does, until the test's end."""
    # The SDK kills all programs whose command line has this name.
    program = short_tmp / f"gpx_{short_tmp.name}"
    shutil.copy(binary("grafana-datasource"), program)
    manifest = {"id": CONTEXT.pluginId, "executable": program.name}
    (short_tmp / "plugin.json").write_text(json.dumps(manifest))
    with standalone(program) as server:
        yield server
    program.unlink()
    (short_tmp / "plugin.json").unlink()


@contextlib.contextmanager
def standalone(program: Path) -> Iterator[Debugged]:
    with subprocess.Popen(
        [program, "-standalone"],
        cwd=program.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Debugged(program, listening(program.parent), process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(START_TIMEOUT) == 0
        finally:
            process.kill()


def listening(directory: Path) -> Address:
    """Wait until the server has written its address and takes connections."""
    file = directory / "standalone.txt"
    until(lambda: file.exists() and file.read_text(), START_TIMEOUT)
    address = Address("tcp", file.read_text())

    def answers() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(address.host_port, WAIT).close()
            return True
        return False

    until(answers, START_TIMEOUT)
    return address


def counting(client: Client) -> bool:
    """Whether the data source answers."""
    request = pb.CheckHealthRequest(pluginContext=CONTEXT)
    answer = client.dispense("diagnostics").CheckHealth(request, timeout=WAIT)
    return bool(answer.message == "counting")


def test_the_line_ends_after_five_fields_and_its_address_has_no_host(
    debugged: Debugged,
) -> None:
    """SDK: `standalone.RunDummyPluginLocator`; Go takes an empty host for this one."""
    handshake = probe([str(debugged.program)])
    assert handshake.address == debugged.address
    assert handshake.address.text.startswith(":")
    assert handshake.certificate == b""


def test_hosts_come_and_go_while_the_server_stays(debugged: Debugged) -> None:
    """SDK: `backend.GracefulStandaloneServe`, which has no controller and no health."""
    for _ in range(2):
        with Client(debugged.config) as client:
            assert client.pid != debugged.process.pid
            assert counting(client)
            client.ping()
        assert client.exit_status in (-signal.SIGTERM, -signal.SIGKILL)
        assert debugged.process.poll() is None


def test_a_host_that_wants_tls_refuses_it(debugged: Debugged) -> None:
    """The line has no certificate: the server is anybody's."""
    secured = dataclasses.replace(debugged.config, auto_mtls=True)
    with pytest.raises(TLSRefused, match="auto_mtls=False"):
        Client(secured).start()


def test_what_is_printed_after_the_line_is_no_matter(debugged: Debugged) -> None:
    """SDK: the locator prints for ever; here at once, and without a pause."""
    line = f"1|2|tcp|{debugged.address.text}|grpc"
    talking = ["/bin/sh", "-c", f"echo '{line}'; exec yes 'using address'"]
    with Client(dataclasses.replace(debugged.config, command=talking)) as client:
        for _ in range(20):
            assert counting(client)
