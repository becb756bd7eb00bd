"""The one-time certificates of AutoMTLS."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

BACKDATED = timedelta(seconds=30)  # go-plugin: generateCert
LIFETIME = timedelta(hours=262980)  # go-plugin: generateCert, thirty years
ORGANIZATION = "HashiCorp"  # go-plugin: generateCert
HOST_NAME = "localhost"  # the name that go-plugin's peers verify
_SERIAL_BITS = 128


@dataclass(frozen=True, slots=True)
class Identity:
    """A self-signed certificate with its private key, both DER."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Leave the key out: objects end up in logs."""
        return f"Identity(certificate={len(self.certificate)} bytes)"

    @property
    def certificate_pem(self) -> str:
        """The certificate as PEM: what `PLUGIN_CLIENT_CERT` carries."""
        return to_pem(self.certificate, "CERTIFICATE")

    @property
    def key_pem(self) -> str:
        """The private key as unencrypted PEM; it must not reach a disk."""
        return to_pem(self.key, "EC PRIVATE KEY")


def generate(now: datetime) -> Identity:
    """Make the certificate that go-plugin's `generateCert` makes.

    ECDSA on P-521 signed with SHA-512, for `localhost`, both for clients and for
    servers, and its own authority: the peer trusts exactly this certificate.

    Args:
        now: The present as an aware datetime.
    """
    # Imported here because a plain link never needs it and it is slow to import.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP521R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, HOST_NAME),
        ]
    )
    usage = x509.KeyUsage(
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
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(_SERIAL_BITS) or 1)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(HOST_NAME)]), critical=False
        )
        .sign(key, hashes.SHA512())
    )
    return Identity(
        certificate=certificate.public_bytes(serialization.Encoding.DER),
        key=key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )


def to_pem(data: bytes, label: str) -> str:
    """Wrap DER as PEM, ending in a newline."""
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
