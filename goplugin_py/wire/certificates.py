"""The one-time certificates of AutoMTLS."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

BACKDATED = timedelta(seconds=30)  # go-plugin: generateCert
LIFETIME = timedelta(hours=262980)  # go-plugin: generateCert, thirty years
ORGANIZATION = "HashiCorp"  # go-plugin: generateCert
HOST_NAME = "localhost"  # the name that go-plugin's peers verify
_SERIAL_SIZE = 16
_FIELD_SIZE = 66  # bytes of a number of P-521


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
    # Imported here because a plain link never needs it. What the package has for
    # certificates and for the formats of keys takes longer to import than all else that
    # a start has to wait for.
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP521R1())
    numbers = key.private_numbers()
    point = _point(numbers.public_numbers.x, numbers.public_numbers.y)
    to_be_signed = _to_be_signed(now, point)
    signature = key.sign(to_be_signed, _ecdsa_with_sha512())
    return Identity(
        certificate=_sequence(to_be_signed, _SIGNED_WITH, _bits(signature)),
        key=_private_key(numbers.private_value, point),
    )


def _ecdsa_with_sha512() -> ECDSA:
    """Return `ECDSA(SHA512())` without its constructor, which imports all ciphers."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA512

    class ECDSAWithSHA512(ec.ECDSA):
        algorithm = SHA512()
        deterministic_signing = False

        def __init__(self) -> None:
            """Leave out the question whether OpenSSL knows RFC 6979."""

    return ECDSAWithSHA512()


def _point(x: int, y: int) -> bytes:
    """Return SEC 1's uncompressed form."""
    return b"\x04" + x.to_bytes(_FIELD_SIZE) + y.to_bytes(_FIELD_SIZE)


def _private_key(value: int, point: bytes) -> bytes:
    """Return RFC 5915's ECPrivateKey."""
    return _sequence(
        _integer(1),
        _der(0x04, value.to_bytes(_FIELD_SIZE)),
        _der(0xA0, _oid(_OID_CURVE)),
        _der(0xA1, _bits(point)),
    )


def _to_be_signed(now: datetime, point: bytes) -> bytes:
    """Return RFC 5280's TBSCertificate."""
    import hashlib  # as above

    # go-plugin takes a random number; a new key's hash is one, too.
    serial = int.from_bytes(hashlib.sha256(point).digest()[:_SERIAL_SIZE])
    name = _sequence(
        _attribute(_OID_ORGANIZATION, ORGANIZATION), _attribute(_OID_NAME, HOST_NAME)
    )
    extensions = _sequence(
        _extension(_OID_KEY_USAGE, _bits(_KEY_USAGES, unused=2), is_critical=True),
        _extension(_OID_PURPOSES, _sequence(*map(_oid, _PURPOSES))),
        _extension(_OID_CONSTRAINTS, _sequence(_TRUE), is_critical=True),
        _extension(_OID_KEY_ID, _der(0x04, hashlib.sha1(point).digest())),  # noqa: S324
        _extension(_OID_HOST_NAMES, _sequence(_der(0x82, HOST_NAME.encode()))),
    )
    return _sequence(
        _der(0xA0, _integer(2)),  # X.509 version 3
        _integer(serial),
        _SIGNED_WITH,
        name,
        _sequence(_time(now - BACKDATED), _time(now + LIFETIME)),
        name,
        _sequence(_EC_PUBLIC_KEY, _bits(point)),
        _der(0xA3, extensions),
    )


# ASN.1 in DER, as much of it as the certificate needs


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size) + content


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, *parts)


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def _bits(data: bytes, unused: int = 0) -> bytes:
    return _der(0x03, bytes((unused,)), data)


def _oid(encoded: str) -> bytes:
    return _der(0x06, bytes.fromhex(encoded))


def _time(moment: datetime) -> bytes:
    text = f"{moment.astimezone(UTC):%Y%m%d%H%M%SZ}"
    # RFC 5280: with two digits of the year until 2049.
    if moment.year < 2050:
        return _der(0x17, text[2:].encode())
    return _der(0x18, text.encode())


def _attribute(oid: str, value: str) -> bytes:
    """Return a part of a name: the set of one type and its PrintableString."""
    return _der(0x31, _sequence(_oid(oid), _der(0x13, value.encode())))


def _extension(oid: str, value: bytes, *, is_critical: bool = False) -> bytes:
    critical = _TRUE if is_critical else b""
    return _sequence(_oid(oid), critical, _der(0x04, value))


_TRUE = _der(0x01, b"\xff")
_KEY_USAGES = bytes((0b1010_1100,))  # signature, key encipherment, agreement, cert sign
_OID_CURVE = "2b 81 04 00 23"  # 1.3.132.0.35, P-521
# 1.2.840.10045.2.1
_EC_PUBLIC_KEY = _sequence(_oid("2a 86 48 ce 3d 02 01"), _oid(_OID_CURVE))
_OID_ORGANIZATION = "55 04 0a"  # 2.5.4.10
_OID_NAME = "55 04 03"  # 2.5.4.3, common name
_OID_KEY_ID = "55 1d 0e"  # 2.5.29.14, subject key identifier
_OID_KEY_USAGE = "55 1d 0f"  # 2.5.29.15
_OID_HOST_NAMES = "55 1d 11"  # 2.5.29.17, subject alternative name
_OID_CONSTRAINTS = "55 1d 13"  # 2.5.29.19, basic constraints
_OID_PURPOSES = "55 1d 25"  # 2.5.29.37, extended key usage
_PURPOSES = (
    "2b 06 01 05 05 07 03 02",  # 1.3.6.1.5.5.7.3.2, client authentication
    "2b 06 01 05 05 07 03 01",  # 1.3.6.1.5.5.7.3.1, server authentication
)
_SIGNED_WITH = _sequence(_oid("2a 86 48 ce 3d 04 03 04"))  # ecdsa-with-SHA512


def to_pem(data: bytes, label: str) -> str:
    """Wrap DER as PEM, ending in a newline."""
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
