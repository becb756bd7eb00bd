"""The handshake line, and how host and plugin settle on a version."""

import base64
import binascii
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self

from goplugin_py.errors import (
    CoreVersionMismatch,
    LocalProtocolError,
    MalformedHandshake,
    MultiplexUnsupported,
    NetRPCUnsupported,
    VersionMismatch,
)
from goplugin_py.wire.address import Address
from goplugin_py.wire.white_space import trim

CORE_PROTOCOL_VERSION = 1  # go-plugin: CoreProtocolVersion
MIN_FIELDS = 4  # go-plugin: Client.Start
# Older plugins print unrelated text in the sixth field; go-plugin takes it for a
# certificate only beyond this length (Client.Start).
MIN_CERTIFICATE_LENGTH = 51
# go-plugin reads stdout with a bufio.Scanner, whose lines end at this size
# (bufio.MaxScanTokenSize).
MAX_LINE_LENGTH = 64 * 1024

_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = range(-(1 << 63), 1 << 63)
_GO_BOOLEANS = {  # strconv.ParseBool
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


@dataclass(frozen=True, slots=True)
class Handshake:
    """The one line that a plugin prints on stdout once it listens.

    `CORE|APP|NETWORK|ADDRESS|PROTOCOL|CERTIFICATE[|MULTIPLEX]`, written by
    go-plugin's `Serve` and read by its `Client.Start`.
    """

    app_version: int
    """The application protocol version that the plugin chose."""

    address: Address
    """Where it listens."""

    protocol: str = "grpc"
    """`grpc` or `netrpc`; a line without this field means net/rpc."""

    certificate: bytes = b""
    """The plugin's one-time certificate as DER; empty without AutoMTLS."""

    multiplex: bool | None = None
    """The seventh field: None when it is absent or no boolean."""

    core_version: int = CORE_PROTOCOL_VERSION
    """The version of go-plugin's own protocol."""

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line the way go-plugin's host does (`Client.Start`).

        Raises:
            MalformedHandshake: The line is not a handshake.
            CoreVersionMismatch: It belongs to another core protocol version.
        """
        fields = trim(line).split("|")
        if len(fields) < MIN_FIELDS:
            raise MalformedHandshake(_not_a_handshake(line), line)
        core = _integer(fields[0], "core protocol version", line)
        if core != CORE_PROTOCOL_VERSION:
            raise CoreVersionMismatch(
                f"the plugin speaks core protocol version {core}, this host speaks "
                f"{CORE_PROTOCOL_VERSION}: rebuild it with a current go-plugin",
                line,
            )
        return cls(
            app_version=_integer(fields[1], "application protocol version", line),
            address=_address(fields[2], fields[3], line),
            protocol=fields[4] if len(fields) > 4 else "netrpc",
            certificate=_certificate(fields[5], line) if len(fields) > 5 else b"",
            multiplex=_GO_BOOLEANS.get(fields[6]) if len(fields) > 6 else None,
            core_version=core,
        )

    def format(self) -> str:
        """Return the line without its newline.

        There are six fields, and the seventh only when `multiplex` is set:
        go-plugin before 1.6 reads a seventh as part of the certificate.

        Raises:
            LocalProtocolError: The address can't be told in a line.
        """
        if not {"|", "\n"}.isdisjoint(self.address.text):
            raise LocalProtocolError(
                f"a handshake line has no room for the address {self.address.text!r}: "
                "choose a directory without | and newline in its name"
            )
        fields = [
            str(self.core_version),
            str(self.app_version),
            self.address.network,
            self.address.text,
            self.protocol,
            base64.b64encode(self.certificate).rstrip(b"=").decode(),
        ]
        if self.multiplex is not None:
            fields.append("true" if self.multiplex else "false")
        return "|".join(fields)

    def check(
        self, versions: Collection[int], line: str = "", *, multiplex: bool = False
    ) -> None:
        """Refuse what a gRPC host that offered `versions` can't use.

        Raises:
            VersionMismatch: The answered version was not offered.
            NetRPCUnsupported: The plugin speaks net/rpc for this version.
            MalformedHandshake: It speaks something unknown.
            MultiplexUnsupported: `multiplex` was asked for and not granted.
        """
        if self.app_version not in versions:
            raise VersionMismatch(self.app_version, versions, line)
        if self.protocol == "netrpc":
            raise NetRPCUnsupported(
                "the plugin speaks net/rpc for application protocol version "
                f"{self.app_version}, and only gRPC is supported: offer another "
                "version if the plugin has one that speaks gRPC",
                line,
            )
        if self.protocol != "grpc":
            raise MalformedHandshake(
                f"unsupported plugin protocol {self.protocol!r:.40}: only grpc is", line
            )
        if multiplex and not self.multiplex:
            raise MultiplexUnsupported(
                "the plugin does not offer broker multiplexing: set "
                "broker_multiplex=False, or build it with go-plugin 1.6 or newer",
                line,
            )


def atoi(text: str) -> int:
    """Read a number the way Go does (`strconv.Atoi`).

    Raises:
        ValueError: It is none, or does not fit into 64 bits.
    """
    if not _INTEGER.fullmatch(text) or int(text) not in _INT64:
        raise ValueError(f"not a number: {text!r:.40}")
    return int(text)


def parse_versions(text: str) -> tuple[list[int], list[str]]:
    """Read the host's list of versions (go-plugin: `protocolVersion`).

    Returns:
        The versions, and the items that are none.
    """
    versions: list[int] = []
    invalid: list[str] = []
    for item in text.split(",") if text else ():
        try:
            versions.append(atoi(item))
        except ValueError:
            invalid.append(item)
    return versions, invalid


def choose_version(own: Iterable[int], offered: Collection[int]) -> int:
    """Choose as a plugin: the highest version in common, else our lowest.

    Without a common version the plugin still serves, because only the host can
    explain the mismatch to its user (go-plugin: `protocolVersion`).
    """
    versions = sorted(own, reverse=True)
    return next((v for v in versions if v in offered), versions[-1])


def _not_a_handshake(line: str) -> str:
    printed = "an empty line" if not trim(line) else "text"
    return (
        f"the plugin printed {printed} where its handshake line was due: it printed "
        "something to stdout first, or it is no go-plugin plugin"
    )


def _integer(text: str, what: str, line: str) -> int:
    try:
        return atoi(text)
    except ValueError as exc:
        raise MalformedHandshake(f"the {what} is {exc}", line) from exc


def _address(network: str, text: str, line: str) -> Address:
    try:
        return Address(network, text)
    except ValueError as exc:
        raise MalformedHandshake(str(exc), line) from exc


def _certificate(text: str, line: str) -> bytes:
    if len(text.encode(errors="surrogateescape")) < MIN_CERTIFICATE_LENGTH:
        return b""
    if "=" in text:
        raise MalformedHandshake("the certificate field has base64 padding", line)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MalformedHandshake(f"the certificate is not base64: {exc}", line) from exc
