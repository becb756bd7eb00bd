"""Links with certificates of the user's own, instead of AutoMTLS."""

import datetime
import ssl
from pathlib import Path

import pytest

from goplugin_py import TLSRefused
from goplugin_py.wire.certificates import generate
from interop import go_host
from interop.echo_pb2 import Payload
from interop.fixtures import binary
from interop.python_host import WAIT, echo, echo_config

# The current go-plugin, and older ones.
VERSIONS = ("", "-1.4.3", "-1.6.3")


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A certificate for `localhost` and its key, as an administrator would have."""
    identity = generate(datetime.datetime.now(datetime.UTC))
    path = tmp_path / "plugin.pem"
    path.write_text(identity.certificate_pem + identity.key_pem)
    return path


def trusting(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pem)
    context.set_alpn_protocols(["h2"])
    return context


@pytest.mark.parametrize("plugin", [f"echo-plugin{each}" for each in VERSIONS])
def test_host_verifies_a_go_plugin_with_a_tls_provider(plugin: str, pem: Path) -> None:
    """go-plugin: ServeConfig.TLSProvider, which sends no certificate field."""
    env = {"ECHO_TLS": str(pem)}
    config = echo_config(str(binary(plugin)), env=env, tls=trusting(pem))
    assert not config.auto_mtls
    with echo(config) as (client, stub):
        assert stub.Unary(Payload(data=b"over TLS"), timeout=WAIT).data == b"over TLS"
        client.ping()
    assert client.exit_status == 0


def test_host_refuses_a_go_plugin_with_an_unknown_certificate(
    pem: Path, tmp_path: Path
) -> None:
    """The verification is the context's, and its failure is typed."""
    stranger = tmp_path / "stranger.pem"
    identity = generate(datetime.datetime.now(datetime.UTC))
    stranger.write_text(identity.certificate_pem)
    config = echo_config(env={"ECHO_TLS": str(pem)}, tls=trusting(stranger))
    with pytest.raises(TLSRefused, match="certificate verify failed"), echo(config):
        pass


def test_host_with_auto_mtls_points_at_the_manual_way(pem: Path) -> None:
    """go-plugin: a TLSProvider wins over PLUGIN_CLIENT_CERT and sends no field."""
    config = echo_config(env={"ECHO_TLS": str(pem)})
    with (
        pytest.raises(TLSRefused, match="tls if it brings a certificate"),
        echo(config),
    ):
        pass


@pytest.mark.parametrize("host", [f"echo-host{each}" for each in VERSIONS])
def test_go_host_verifies_a_python_plugin_with_a_certificate_of_its_own(
    host: str, pem: Path
) -> None:
    """go-plugin: ClientConfig.TLSConfig."""
    flags, env = ("-tls-ca", str(pem)), {"ECHO_TLS": str(pem)}
    go_host.run("unary", "bidi", flags=flags, env=env, host=host).assert_healthy()
