"""The certificates of AutoMTLS, next to those that go-plugin makes."""

import json
import ssl
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from goplugin_py.wire.address import Address
from goplugin_py.wire.certificates import Identity, generate, to_pem
from goplugin_py.wire.handshake import Handshake

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "certificates.json"
GO_CERTIFICATES: list[dict[str, Any]] = json.loads(VECTORS.read_text())
NOW = datetime(2024, 2, 29, 12, 0, 0, 999_999, tzinfo=UTC)

# As Go and RFC 5280 name the bits, in their order.
KEY_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "contentCommitment",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


@pytest.fixture(scope="module")
def identity() -> Identity:
    return generate(NOW)


@pytest.fixture(scope="module")
def certificate(identity: Identity) -> x509.Certificate:
    return x509.load_der_x509_certificate(identity.certificate)


def facts_of(certificate: x509.Certificate) -> dict[str, Any]:
    """Return the facts that the vectors list (README.md there)."""
    extensions = certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(certificate.signature_hash_algorithm, hashes.HashAlgorithm)
    certificate.verify_directly_issued_by(certificate)
    kinds = {type(extension.value) for extension in extensions}
    return {
        "version": certificate.version.value + 1,
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "dns_names": names.get_values_for_type(x509.DNSName),
        "ip_addresses": len(names.get_values_for_type(x509.IPAddress)),
        "signature_algorithm": "ECDSA-"
        + certificate.signature_hash_algorithm.name.upper(),
        "curve": {"secp521r1": "P-521"}[key.curve.name],
        "key_usage": [go for name, go in KEY_USAGES.items() if getattr(usage, name)],
        "extended_key_usage": [purpose._name for purpose in purposes],
        "basic_constraints_valid": True,
        "is_ca": constraints.ca,
        "has_path_length": constraints.path_length is not None,
        "has_subject_key_id": x509.SubjectKeyIdentifier in kinds,
        "has_authority_key_id": x509.AuthorityKeyIdentifier in kinds,
        "critical_extensions": [e.oid.dotted_string for e in extensions if e.critical],
        "other_extensions": [e.oid.dotted_string for e in extensions if not e.critical],
        "serial_fits_bits": 128 if certificate.serial_number < 1 << 128 else 0,
        "validity_seconds": int(
            (
                certificate.not_valid_after_utc - certificate.not_valid_before_utc
            ).total_seconds()
        ),
        "self_signed": True,  # verified above
    }


# The certificate (go-plugin: generateCert)


def test_key_and_signature(certificate: x509.Certificate, identity: Identity) -> None:
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(public.curve, ec.SECP521R1)
    oid = certificate.signature_algorithm_oid
    assert oid == x509.SignatureAlgorithmOID.ECDSA_WITH_SHA512
    certificate.verify_directly_issued_by(certificate)
    private = serialization.load_der_private_key(identity.key, None)
    assert private.public_key() == public


def test_subject_and_issuer_are_go_plugins_placeholders(
    certificate: x509.Certificate,
) -> None:
    assert certificate.subject == certificate.issuer
    assert [(a.oid, a.value) for a in certificate.subject] == [
        (x509.NameOID.ORGANIZATION_NAME, "HashiCorp"),
        (x509.NameOID.COMMON_NAME, "localhost"),
    ]


def test_the_only_name_is_localhost(certificate: x509.Certificate) -> None:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert list(names.value) == [x509.DNSName("localhost")]
    assert not names.critical


def test_key_usage_is_critical(certificate: x509.Certificate) -> None:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value == x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_agreement=True,
        key_cert_sign=True,
        content_commitment=False,
        data_encipherment=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def test_serves_clients_and_servers(certificate: x509.Certificate) -> None:
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(purposes.value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
    ]
    assert not purposes.critical


def test_is_its_own_authority(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=None)
    identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert not identifier.critical
    assert identifier.value.digest
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


@pytest.mark.parametrize(
    "now", [NOW, NOW.astimezone(timezone(timedelta(hours=-5, minutes=-30)))]
)
def test_is_valid_from_half_a_minute_ago_for_thirty_years(now: datetime) -> None:
    certificate = x509.load_der_x509_certificate(generate(now).certificate)
    whole = NOW.replace(microsecond=0)
    assert certificate.not_valid_before_utc == whole - timedelta(seconds=30)
    assert certificate.not_valid_after_utc == whole + timedelta(hours=262_980)


def test_every_certificate_is_another() -> None:
    first, second = generate(NOW), generate(NOW)
    assert first.key != second.key
    serials = set()
    for identity in (first, second):
        certificate = x509.load_der_x509_certificate(identity.certificate)
        assert 0 < certificate.serial_number < 1 << 128
        serials.add(certificate.serial_number)
    assert len(serials) == 2


# Recorded from go-plugin


@pytest.mark.parametrize("vector", GO_CERTIFICATES)
def test_has_the_facts_of_a_recorded_go_certificate(
    vector: dict[str, Any], certificate: x509.Certificate
) -> None:
    """go-plugin: generateCert."""
    go = x509.load_pem_x509_certificate(vector["pem"].encode())
    assert facts_of(go) == vector["facts"]
    assert facts_of(certificate) == vector["facts"]


@pytest.mark.parametrize("vector", GO_CERTIFICATES)
def test_writes_the_pem_that_go_writes(vector: dict[str, Any]) -> None:
    """Go: pem.Encode, whose output pem.Decode takes."""
    der = ssl.PEM_cert_to_DER_cert(vector["pem"])
    assert to_pem(der, "CERTIFICATE") == vector["pem"]


@pytest.mark.parametrize("vector", GO_CERTIFICATES)
def test_openssl_trusts_a_recorded_go_certificate(vector: dict[str, Any]) -> None:
    """go-plugin: Client.loadServerCert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=vector["pem"])
    (trusted,) = context.get_ca_certs()
    assert ("DNS", "localhost") in trusted["subjectAltName"]


# Its forms


def test_fits_the_sixth_field(identity: Identity) -> None:
    """go-plugin: Serve; 790 to 800 characters like Go's own."""
    address = Address.unix("/tmp/plugin1")
    line = Handshake(1, address, certificate=identity.certificate).format()
    assert 788 <= len(line.split("|")[5]) <= 800
    assert Handshake.parse(line).certificate == identity.certificate


def test_pem_is_as_cryptography_writes_it(
    identity: Identity, certificate: x509.Certificate
) -> None:
    key = serialization.load_der_private_key(identity.key, None)
    pem = serialization.Encoding.PEM
    assert identity.certificate_pem == certificate.public_bytes(pem).decode()
    assert identity.key_pem == (
        key.private_bytes(
            pem,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
    )
    assert identity.key_pem.startswith("-----BEGIN EC PRIVATE KEY-----\n")


@given(st.binary())
def test_pem_reads_back(data: bytes) -> None:
    """RFC 7468: lines of 64 characters, the last one shorter."""
    pem = to_pem(data, "CERTIFICATE")
    first, *lines, last, end = pem.split("\n")
    assert first == "-----BEGIN CERTIFICATE-----"
    assert (last, end) == ("-----END CERTIFICATE-----", "")
    assert all(len(line) == 64 for line in lines[:-1])
    assert all(0 < len(line) <= 64 for line in lines[-1:])
    assert ssl.PEM_cert_to_DER_cert(pem) == data


def test_a_repr_hides_the_key(identity: Identity) -> None:
    """Objects end up in logs and tracebacks."""
    for text in (repr(identity), str(identity), f"{identity}", repr([identity])):
        assert text.strip("[]") == (
            f"Identity(certificate={len(identity.certificate)} bytes)"
        )
