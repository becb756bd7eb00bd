"""Who gets in to a plugin that a Python host has started, and how much of it.

What docs/security.md promises besides is tested where it is done.
"""

import socket
import ssl
from collections.abc import Iterator

import grpc
import pytest

from goplugin_py import Client
from goplugin_py.services.relayed import RelayedTransport, made
from interop.echo_pb2 import Payload
from interop.echo_plugin import COMMAND as PYTHON_PLUGIN
from interop.fixtures import binary
from interop.python_host import WAIT, code_of, echo, echo_config

pytestmark = pytest.mark.usefixtures("nothing_left")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
FRAME_HEADER = 9
SETTINGS = 4


@pytest.fixture(params=["go", "python"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    python = request.param == "python"
    command = PYTHON_PLUGIN if python else [str(binary("echo-plugin"))]
    with Client(echo_config(*command)) as client:
        yield client


def context_of(client: Client) -> ssl.SSLContext:
    """Return what a host shows its plugin, without a look at what that shows."""
    assert client._link is not None
    transport = client._link._transport
    assert isinstance(transport, RelayedTransport)
    assert transport._client_context is not None
    context = made(transport._client_context)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def answer(client: Client, context: ssl.SSLContext) -> bytes:
    """Connect to a plugin beside its host; return its first frame's header."""
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(WAIT)
        plain.connect(client.address.text)
        with context.wrap_socket(plain) as sock:
            try:
                sock.sendall(PREFACE)
                return sock.recv(FRAME_HEADER)
            except (ssl.SSLError, ConnectionError):
                return b""


def test_certificate_of_an_earlier_run_is_refused(client: Client) -> None:
    """Requirement: certificates serve one start; today's gets in the same way."""
    with Client(client._config) as earlier:
        replayed = context_of(earlier)
        assert answer(earlier, replayed)[3] == SETTINGS
    assert answer(client, replayed) == b""
    assert answer(client, context_of(client))[3] == SETTINGS
    client.ping()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_1_1_is_refused(client: Client) -> None:
    """go-plugin: `MinVersion: tls.VersionTLS12`; the right certificate is no help."""
    context = context_of(client)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL itself would not try
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError) as caught:
        answer(client, context)
    assert caught.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
    client.ping()


def test_answer_above_the_hosts_limit_ends_that_call_alone() -> None:
    """Messages have no limit by default, as in go-plugin; a host may set one."""
    limit = ("grpc.max_receive_message_length", 1024 * 1024)
    with echo(echo_config(channel_options=[limit])) as (client, stub):
        with pytest.raises(grpc.RpcError) as caught:
            stub.Unary(Payload(data=bytes(2 * 1024 * 1024)), timeout=WAIT)
        assert code_of(caught.value) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub.Unary(Payload(number=1), timeout=WAIT).number == 1
    assert client.exit_status == 0
