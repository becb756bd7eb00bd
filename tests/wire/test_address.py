"""Addresses: what a host can dial, and the target that grpcio makes of it."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from typing import TypeAlias

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goplugin_py.wire.address import NETWORKS, PORTS, Address

CONNECT_TIMEOUT = 5.0

Method: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"

networks = st.sampled_from(NETWORKS)
# Whatever the wire can deliver: bytes that may not be UTF-8.
wire_text = st.binary().map(lambda data: data.decode(errors="surrogateescape"))


@pytest.fixture
def directory() -> Iterator[str]:
    """A directory whose name leaves room for a socket's (pytest's may not)."""
    path = tempfile.mkdtemp(prefix="gp-", dir="/tmp")
    yield path
    shutil.rmtree(path)


# tcp


@pytest.mark.parametrize(
    ("text", "host_port", "target"),
    [
        ("127.0.0.1:1234", ("127.0.0.1", 1234), "ipv4:127.0.0.1:1234"),
        ("127.0.0.1:00080", ("127.0.0.1", 80), "ipv4:127.0.0.1:80"),
        ("127.0.0.1:+0000080", ("127.0.0.1", 80), "ipv4:127.0.0.1:80"),
        ("[127.0.0.1]:80", ("127.0.0.1", 80), "ipv4:127.0.0.1:80"),
        ("[::1]:1234", ("::1", 1234), "ipv6:[::1]:1234"),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1), "ipv6:[fe80::1%25eth0]:1"),
        ("localhost:65535", ("localhost", 65535), "dns:///localhost:65535"),
        ("1:1", ("1", 1), "dns:///1:1"),
        ("256.0.0.1:1", ("256.0.0.1", 1), "dns:///256.0.0.1:1"),
        ("a/b?c:1", ("a/b?c", 1), "dns:///a/b%3Fc:1"),
        (":1234", ("127.0.0.1", 1234), "ipv4:127.0.0.1:1234"),
        ("[]:1234", ("127.0.0.1", 1234), "ipv4:127.0.0.1:1234"),
    ],
)
def test_tcp_is_host_and_port(
    text: str, host_port: tuple[str, int], target: str
) -> None:
    """Go: net.SplitHostPort; an empty host is the local system (net.Dial)."""
    address = Address("tcp", text)
    assert address.text == text
    assert address.host_port == host_port
    assert address.target == target


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a usable"),
        ("127.0.0.1", "missing port"),
        ("nohostport", "missing port"),
        ("127.0.0.1:", "bad port"),
        ("127.0.0.1:http", "bad port"),
        ("127.0.0.1:0", "bad port"),
        ("127.0.0.1:65536", "bad port"),
        ("127.0.0.1:-1", "bad port"),
        ("127.0.0.1: 1", "bad port"),
        ("127.0.0.1:\u0661", "bad port"),
        ("127.0.0.1:" + "9" * 5000, "bad port"),
        ("[::1]", "bad port"),
        ("::1:1234", "brackets"),
        ("[::1:1234", "brackets"),
        ("::1]:1234", "brackets"),
        ("[:1234", "brackets"),
        ("[[::1]]:1234", "brackets"),
        ("a]b:1234", "brackets"),
        ("127.0.0.1\0:1234", "not a usable"),
    ],
)
def test_tcp_that_nobody_can_dial_is_refused(text: str, why: str) -> None:
    """Go: net.SplitHostPort, and ports that no peer can listen at."""
    with pytest.raises(ValueError, match=why) as caught:
        Address("tcp", text)
    assert len(str(caught.value)) < 200


@given(st.ip_addresses(), st.integers(PORTS.start, PORTS.stop - 1))
def test_tcp_from_parts_gives_the_parts(ip: object, port: int) -> None:
    address = Address.tcp(str(ip), port)
    assert address.host_port == (str(ip), port)
    assert Address("tcp", address.text) == address


# unix


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/tmp/plugin123", "unix:/tmp/plugin123"),
        ("plugin123", "unix:plugin123"),
        ("//tmp/plugin123", "unix:////tmp/plugin123"),
        ("/tmp/with blank", "unix:/tmp/with%20blank"),
        ("/tmp/50%25", "unix:/tmp/50%2525"),
        ("/tmp/a?b#c", "unix:/tmp/a%3Fb%23c"),
        ("/tmp/pl\u00fcgin", "unix:/tmp/pl%C3%BCgin"),
        ("/tmp/\udcff", "unix:/tmp/%FF"),
    ],
)
def test_unix_targets_are_escaped(path: str, target: str) -> None:
    """The unix scheme of gRPC's naming document: a URI, percent-decoded."""
    assert Address.unix(path).target == target


@pytest.mark.parametrize("path", ["", "\0abstract", "/tmp/a\0b"])
def test_unix_paths_that_no_socket_has_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a usable unix address"):
        Address.unix(path)


def test_unix_paths_that_are_too_long_for_a_socket_are_refused() -> None:
    """Linux: unix(7), `sun_path` has 108 bytes with its NUL."""
    Address.unix("/" + "ü" * 53)
    with pytest.raises(ValueError, match="too long") as caught:
        Address.unix("/" + "ü" * 54)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "name",
    [b"plugin123", b"with blank", b"50%25", b"a?b#c|d", b"a:b", b"p\xff", b"p\xc3\xbc"],
)
@pytest.mark.parametrize("slashes", [b"", b"/"])
def test_grpcio_dials_the_socket_that_was_meant(
    directory: str, name: bytes, slashes: bytes
) -> None:
    path = slashes + os.fsencode(directory) + b"/" + name
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(CONNECT_TIMEOUT)
        address = Address.unix(os.fsdecode(path))
        with grpc.insecure_channel(address.target) as channel:
            method: Method = channel.unary_unary("/test.Test/Test")
            call = method.future(b"")
            accepted, _ = listener.accept()
            call.cancel()
            accepted.close()


# Both


@pytest.mark.parametrize(
    "network", ["", "tcp4", "TCP", "Unix", " unix", "udp", "npipe"]
)
def test_other_networks_are_refused(network: str) -> None:
    """go-plugin: Client.Start, unknown address type."""
    with pytest.raises(ValueError, match="neither unix nor tcp"):
        Address(network, "127.0.0.1:1234")


@given(networks | wire_text, wire_text)
@example("tcp", "9" * 5000)
@example("tcp", "[:1")
def test_any_text_is_an_address_with_a_target_or_a_value_error(
    network: str, text: str
) -> None:
    try:
        address = Address(network, text)
    except ValueError:
        return
    assert (address.network, address.text) == (network, text)
    assert address.target.isascii()
    assert str(address) == f"{network}:{text}"
