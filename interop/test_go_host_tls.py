"""Whom a plugin with AutoMTLS lets in: its host, and nobody else."""

import base64
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from goplugin_py import Address
from goplugin_py.wire.certificates import Identity, generate
from interop.by_hand import Started, started

WAIT = 5.0

# RFC 9113: the client's preface and an empty SETTINGS frame; the type of a frame.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
FRAME_HEADER = 9
SETTINGS = 4

TLS_VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
tls_versions = pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda v: v.name)


@pytest.fixture(scope="module")
def host() -> Identity:
    """Give the certificate that the host has told the plugin."""
    return generate(datetime.now(UTC))


@pytest.fixture(params=["unix", "tcp"])
def plugin(request: pytest.FixtureRequest, host: Identity) -> Iterator[Started]:
    """Start a plugin as a host with AutoMTLS does."""
    env = {"PLUGIN_CLIENT_CERT": host.certificate_pem, "ECHO_NETWORK": request.param}
    with started(env) as plugin:
        yield plugin


def certificate_of(plugin: Started) -> bytes:
    field = plugin.fields[5]
    assert "=" not in field  # Go's RawStdEncoding refuses padding
    return base64.b64decode(field + "=" * (-len(field) % 4), validate=True)


def client_context(
    plugin: Started, identity: Identity | None, version: ssl.TLSVersion, scratch: Path
) -> ssl.SSLContext:
    """Make a client that trusts the plugin and shows `identity`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    context.load_verify_locations(cadata=certificate_of(plugin))
    context.set_alpn_protocols(["h2"])
    if identity is not None:
        pem = scratch / "identity.pem"
        pem.write_text(identity.certificate_pem + identity.key_pem)
        context.load_cert_chain(pem)
    return context


def connect(address: Address) -> socket.socket:
    family = socket.AF_UNIX if address.network == "unix" else socket.AF_INET
    sock = socket.socket(family)
    sock.settimeout(WAIT)
    sock.connect(address.text if family == socket.AF_UNIX else address.host_port)
    return sock


def first_frame(sock: socket.socket) -> bytes:
    """Say hello in HTTP/2; return the answer's first header, or nothing if refused."""
    try:
        sock.sendall(PREFACE)
        return sock.recv(FRAME_HEADER)
    except (ssl.SSLError, ConnectionError):
        return b""


@tls_versions
def test_host_with_its_certificate_gets_in(
    plugin: Started, host: Identity, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """go-plugin: Serve with PLUGIN_CLIENT_CERT; grpc-go insists on ALPN."""
    context = client_context(plugin, host, version, tmp_path)
    with (
        connect(plugin.address) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        assert secure.getpeercert(binary_form=True) == certificate_of(plugin)
        assert first_frame(secure)[3] == SETTINGS


@tls_versions
@pytest.mark.parametrize("shown", ["none", "another"])
def test_client_with_no_or_another_certificate_is_refused(
    plugin: Started,
    host: Identity,
    version: ssl.TLSVersion,
    shown: str,
    tmp_path: Path,
) -> None:
    """go-plugin: RequireAndVerifyClientCert; and the host still gets in after it."""
    intruder = generate(datetime.now(UTC)) if shown == "another" else None
    context = client_context(plugin, intruder, version, tmp_path)
    with connect(plugin.address) as sock:
        try:
            secure = context.wrap_socket(sock, server_hostname="localhost")
        except (ssl.SSLError, ConnectionError):
            pass  # TLS 1.2 refuses within the handshake, 1.3 after it
        else:
            with secure:
                assert first_frame(secure) == b""
    test_host_with_its_certificate_gets_in(plugin, host, version, tmp_path)


def test_client_without_tls_is_refused(plugin: Started) -> None:
    """Nothing that looks like an answer of HTTP/2's comes back."""
    with connect(plugin.address) as sock:
        answer = first_frame(sock)
    assert len(answer) < FRAME_HEADER or answer[3] != SETTINGS


def test_certificate_is_like_go_plugins(plugin: Started) -> None:
    """go-plugin: generateCert: P-521, for localhost, self-signed, its own CA."""
    certificate = x509.load_der_x509_certificate(certificate_of(plugin))
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp521r1"
    assert certificate.subject == certificate.issuer
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]


def test_certificate_that_cannot_be_read_is_explained() -> None:
    """Better than go-plugin, which then serves where nobody can connect."""
    with started({"PLUGIN_CLIENT_CERT": "no certificate"}) as plugin:
        assert plugin.line == ""
        status, _, stderr = plugin.finish()
    assert status == 1
    assert "PLUGIN_CLIENT_CERT" in stderr
    assert "Traceback" not in stderr
