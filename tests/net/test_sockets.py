"""Sockets, their directories and modes, and AutoMTLS contexts."""

import contextlib
import errno
import os
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from goplugin_py.errors import ConfigError
from goplugin_py.net import sockets
from goplugin_py.net.directories import private_directory, share
from goplugin_py.net.sockets import (
    address_of,
    client_context,
    listen_tcp,
    listen_unix,
    peer_pid,
    remove_abandoned,
    server_context,
)
from goplugin_py.wire.address import Address
from tests.peers import WAIT, identity_of


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory of the test's own, the system's for as long as it runs."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


# Listening on unix sockets


def test_a_unix_listener_takes_connections(directory: str) -> None:
    with listen_unix(directory) as listener:
        address = address_of(listener)
        assert address.network == "unix"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(address.text)
            accepted, _ = listener.accept()
            with accepted:
                assert peer_pid(accepted) == os.getpid()


def test_a_group_may_connect_to_a_shared_socket(directory: str) -> None:
    """go-plugin: setGroupWritable."""
    with listen_unix(directory, str(os.getgid())) as listener:
        path = address_of(listener).text
        assert mode_of(path) == 0o660
        assert os.stat(path).st_gid == os.getgid()


def test_a_group_is_known_by_name_too(directory: str) -> None:
    grp = pytest.importorskip("grp")
    group = grp.getgrgid(os.getgid())
    with listen_unix(directory, group.gr_name) as listener:
        assert os.stat(address_of(listener).text).st_gid == os.getgid()


@pytest.mark.parametrize("group", ["no-such-group", "-1", "²"])
def test_an_unknown_group_is_a_config_error_and_leaves_no_socket(
    directory: str, group: str
) -> None:
    with pytest.raises(ConfigError, match=f"there is no group '{group}'"):
        listen_unix(directory, group)
    assert os.listdir(directory) == []


def test_a_group_id_that_no_system_has_is_a_config_error(directory: str) -> None:
    with pytest.raises(ConfigError, match=f"can't give .* to group '{10**20}'"):
        listen_unix(directory, str(10**20))


def test_a_socket_that_can_not_be_handed_over_is_a_config_error(
    directory: str,
) -> None:
    with pytest.raises(ConfigError, match=r"can't give .*No such file"):
        share(f"{directory}/nothing", str(os.getgid()))


def test_a_missing_directory_is_the_systems_error() -> None:
    with pytest.raises(FileNotFoundError):
        listen_unix("/nonexistent")


# What others have left


def abandoned(directory: str) -> str:
    """Leave a socket behind, as a process that is killed does."""
    with listen_unix(directory) as listener:
        path: str = listener.getsockname()
    return path


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch, directory: str) -> str:
    monkeypatch.setenv("TMPDIR", directory)
    return private_directory()


def test_an_abandoned_private_directory_goes_with_its_sockets(private: str) -> None:
    """A Python plugin under TLS has two sockets in it, and tells of one."""
    abandoned(private)
    remove_abandoned(abandoned(private))
    assert not os.path.lexists(private)


@pytest.mark.parametrize("reason", ["a file", "a listener", "a mode", "a name"])
def test_a_directory_that_may_be_somebody_elses_stays(
    private: str, reason: str
) -> None:
    with contextlib.ExitStack() as stack:
        if reason == "a file":
            Path(private, "precious").touch()
        elif reason == "a listener":
            stack.enter_context(listen_unix(private))
        elif reason == "a mode":
            os.chmod(private, 0o750)
        else:
            private = os.path.join(os.path.dirname(private), "mine")
            os.mkdir(private, 0o700)
        path = abandoned(private)
        others = set(os.listdir(private)) - {os.path.basename(path)}
        remove_abandoned(path)
        assert set(os.listdir(private)) == others


def test_a_directory_is_not_left_by_a_link_to_it(private: str) -> None:
    """A peer says where its socket is, and may lie."""
    link = private + "-link"
    os.symlink(private, link)
    path = abandoned(private)
    remove_abandoned(os.path.join(link, os.path.basename(path)))
    assert os.path.isdir(private)


def test_a_link_to_an_abandoned_socket_is_left_alone(directory: str) -> None:
    """Somebody may put one in the place of a socket, to have another removed."""
    path = abandoned(directory)
    link = os.path.join(directory, "plugin-link")
    os.symlink(path, link)
    remove_abandoned(link)
    assert os.path.islink(link)
    assert os.path.lexists(path)


def test_a_link_is_not_listened_on(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or somebody who may write to a socket directory could choose the place."""
    link = os.path.join(directory, "plugin1")
    os.symlink(os.path.join(directory, "elsewhere"), link)
    monkeypatch.setattr(sockets, "socket_path", lambda directory: link)
    with pytest.raises(OSError, match="in use"):
        listen_unix(directory)
    assert os.listdir(directory) == ["plugin1"]


# Listening on TCP


def test_a_tcp_listener_takes_any_port_on_the_loopback_by_default() -> None:
    with listen_tcp(()) as listener:
        host, port = address_of(listener).host_port
        assert host == "127.0.0.1"
        with socket.create_connection((host, port), WAIT):
            pass


def test_a_tcp_listener_takes_the_first_free_port_of_a_range() -> None:
    """go-plugin: serverListener_tcp."""
    with listen_tcp(()) as taken:
        _, port = address_of(taken).host_port
        with listen_tcp((port, 0)) as listener:
            assert address_of(listener).host_port[1] != port


def test_a_range_without_a_free_port_is_a_config_error() -> None:
    with listen_tcp(()) as taken:
        _, port = address_of(taken).host_port
        with pytest.raises(ConfigError, match=f"no free TCP port .* {port} to {port}"):
            listen_tcp(range(port, port + 1))


def test_a_host_of_others_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"no free TCP port on 203\.0\.113\.1"):
        listen_tcp((), "203.0.113.1")


def test_an_ipv4_address_is_written_as_go_writes_it() -> None:
    with listen_tcp(()) as listener:
        assert address_of(listener) == Address.tcp(*listener.getsockname())


# Peers


def test_the_peer_of_a_tcp_connection_is_unknown() -> None:
    with (
        listen_tcp(()) as listener,
        socket.create_connection(listener.getsockname(), WAIT) as sock,
    ):
        assert peer_pid(sock) is None


# TLS contexts


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> dict[str, object]:
    """Shake hands over a socket pair; return what the client sees of the server."""
    near, far = socket.socketpair()
    for sock in (near, far):
        sock.settimeout(WAIT)

    def answer() -> None:
        server.wrap_socket(far, server_side=True).close()

    thread = threading.Thread(target=answer)
    thread.start()
    with client.wrap_socket(near, server_hostname="localhost") as sock:
        seen: dict[str, object] = {
            "version": sock.version(),
            "protocol": sock.selected_alpn_protocol(),
            "certificate": sock.getpeercert(binary_form=True),
        }
        assert sock.recv(1) == b""
    thread.join(WAIT)
    return seen


def test_contexts_of_two_identities_trust_each_other() -> None:
    """go-plugin: AutoMTLS; grpc-go refuses a peer without ALPN since 1.67."""
    host, plugin = identity_of("host"), identity_of("plugin")
    seen = shake_hands(
        client_context(host, plugin.certificate),
        server_context(plugin, host.certificate_pem),
    )
    assert seen == {
        "version": "TLSv1.3",
        "protocol": "h2",
        "certificate": plugin.certificate,
    }


def test_contexts_verify_and_refuse_what_is_older_than_tls_1_2() -> None:
    host, plugin = identity_of("host"), identity_of("plugin")
    client = client_context(host, plugin.certificate)
    assert client.check_hostname
    for context in (client, server_context(plugin, host.certificate)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_text_round_a_certificate_is_no_matter() -> None:
    """Go: x509.CertPool.AppendCertsFromPEM, in whatever language."""
    host, plugin = identity_of("host"), identity_of("plugin")
    surrounded = f"vor\u00fcber\udcff\n{host.certificate_pem}danach \u2026\n"
    context = server_context(plugin, surrounded)
    assert context.get_ca_certs(binary_form=True) == [host.certificate]


@pytest.mark.parametrize(
    "peer", [b"no certificate", "no certificate", "kein \u00c4", b""]
)
def test_what_is_no_certificate_is_refused(peer: bytes | str) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        client_context(identity_of("host"), peer)


def test_the_key_never_reaches_the_disk(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def watch(self: ssl.SSLContext, path: str, password: bytes | None = None) -> None:
        seen.append(os.readlink(path))
        assert list(temporary.iterdir()) == []
        load(self, path, password=password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watch)
    client_context(identity_of("host"), identity_of("plugin").certificate)
    assert len(seen) == 1
    assert seen[0].startswith("/memfd:")


def test_without_anonymous_memory_the_key_is_encrypted_and_the_file_short_lived(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What systems other than Linux do."""
    contents: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def watch(self: ssl.SSLContext, path: str, password: bytes) -> None:
        contents.append(Path(path).read_text())
        assert mode_of(path) == 0o600
        assert mode_of(os.path.dirname(path)) == 0o700
        load(self, path, password=password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watch)
    monkeypatch.delattr(os, "memfd_create")
    host, plugin = identity_of("host"), identity_of("plugin")
    seen = shake_hands(
        client_context(host, plugin.certificate),
        server_context(plugin, host.certificate),
    )
    assert seen["certificate"] == plugin.certificate
    assert len(contents) == 2
    assert all("BEGIN ENCRYPTED PRIVATE KEY" in text for text in contents)
    assert list(temporary.iterdir()) == []


def test_a_listener_is_closed_when_listening_fails(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, backlog: int) -> None:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    class Refusing(socket.socket):
        listen = refuse  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(OSError, match="buffer"):
        listen_unix(directory)
    assert os.listdir(directory) == []
