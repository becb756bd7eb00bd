"""Where a plugin listens: the network and address fields of the protocol."""

import re
from dataclasses import dataclass
from typing import Self

NETWORKS = ("unix", "tcp")  # go-plugin: Client.Start, netAddrDialer
PORTS = range(1, 65536)
# Linux: sockaddr_un.sun_path, less its NUL. Other systems allow less.
MAX_PATH = 107

_PORT = re.compile(r"\+?0{,4000}[0-9]{1,5}")  # Go: net.parsePort
# A path that stands for itself in a URI, as nearly all do.
_PLAIN_PATH = re.compile(r"/?[\w.~-]+(/[\w.~-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """A network (`unix` or `tcp`) and its text: a socket path, or `host:port`.

    The same two strings appear in the handshake line (fields 3 and 4), in the
    broker's ConnInfo and in reattach configurations.
    """

    network: str
    text: str

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"network {self.network!r:.40} is neither unix nor tcp")
        if not self.text or "\0" in self.text:
            raise ValueError(f"not a usable {self.network} address: {self.text!r:.120}")
        if self.network == "tcp":
            _split(self.text)
        elif len(self.text.encode(errors="surrogateescape")) > MAX_PATH:
            raise ValueError(f"too long for the path of a socket: {self.text!r:.120}")

    @classmethod
    def unix(cls, path: str) -> Self:
        """Return the address of a unix socket."""
        return cls("unix", path)

    @classmethod
    def tcp(cls, host: str, port: int) -> Self:
        """Return the address of a TCP endpoint; an IPv6 host gets its brackets."""
        return cls("tcp", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    @property
    def host_port(self) -> tuple[str, int]:
        """The host, without brackets, and the port of a `tcp` address."""
        return _split(self.text)

    @property
    def target(self) -> str:
        """The address as a target that grpcio dials."""
        if self.network == "unix" and _PLAIN_PATH.fullmatch(self.text):
            return f"unix:{self.text}"
        # Imported here because they are slow to import, and few addresses need them.
        from ipaddress import ip_address
        from urllib.parse import quote

        if self.network == "unix":
            # gRPC percent-decodes the path of a unix: URI, and would take what
            # follows two slashes for a host.
            scheme = "unix://" if self.text.startswith("//") else "unix:"
            return scheme + quote(self.text, errors="surrogateescape")
        host, port = self.host_port
        try:
            version = ip_address(host).version
        except ValueError:
            return f"dns:///{quote(host, errors='surrogateescape')}:{port}"
        # A literal address needs no resolver and so meets no proxy settings.
        if version == 4:
            return f"ipv4:{host}:{port}"
        return f"ipv6:[{quote(host, safe=':')}]:{port}"

    def __str__(self) -> str:
        return f"{self.network}:{self.text}"


def _split(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"missing port in tcp address {text!r:.120}")
    if not _PORT.fullmatch(port) or int(port) not in PORTS:
        raise ValueError(f"bad port in tcp address {text!r:.120}")
    bracketed = host.startswith("[") and host.endswith("]", 1)
    name = host[1:-1] if bracketed else host
    if (":" in name and not bracketed) or not {"[", "]"}.isdisjoint(name):
        raise ValueError(f"an IPv6 host needs brackets in tcp address {text!r:.120}")
    # Go's net.Dial takes an empty host for the local system.
    return name or "127.0.0.1", int(port)
