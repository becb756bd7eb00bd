"""The environment variables through which a host speaks to a plugin."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from goplugin_py.errors import ConfigError
from goplugin_py.wire.address import PORTS
from goplugin_py.wire.handshake import atoi, parse_versions

MIN_PORT = "PLUGIN_MIN_PORT"
MAX_PORT = "PLUGIN_MAX_PORT"
PROTOCOL_VERSIONS = "PLUGIN_PROTOCOL_VERSIONS"
MULTIPLEX_GRPC = "PLUGIN_MULTIPLEX_GRPC"  # go-plugin: envMultiplexGRPC
CLIENT_CERT = "PLUGIN_CLIENT_CERT"
OUTLIVE_HOST = "PLUGIN_OUTLIVE_HOST"  # ours; others ignore it
UNIX_SOCKET_DIR = "PLUGIN_UNIX_SOCKET_DIR"  # go-plugin: EnvUnixSocketDir
UNIX_SOCKET_GROUP = "PLUGIN_UNIX_SOCKET_GROUP"  # go-plugin: EnvUnixSocketGroup

VOCABULARY = frozenset(
    {
        MIN_PORT,
        MAX_PORT,
        PROTOCOL_VERSIONS,
        MULTIPLEX_GRPC,
        CLIENT_CERT,
        OUTLIVE_HOST,
        UNIX_SOCKET_DIR,
        UNIX_SOCKET_GROUP,
    }
)

_GO_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # strconv.ParseBool


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEnviron:
    """What a host tells a plugin besides the cookie (go-plugin: `Client.Start`)."""

    versions: tuple[int, ...] = ()
    """The application protocol versions that the host offers."""

    invalid_versions: tuple[str, ...] = ()
    """Items of that list that are no numbers; a plugin reports and skips them."""

    min_port: str = ""
    """The first port for a TCP listener, as it was sent."""

    max_port: str = ""
    """The last one."""

    client_certificate: str = ""
    """The host's one-time certificate as PEM; empty without AutoMTLS."""

    asked_for_multiplex: bool = False
    """Whether the seventh handshake field is due: the variable is not empty."""

    multiplex: bool = False
    """Whether the broker multiplexes; false when the variable is no Go `true`."""

    socket_dir: str = ""
    """Where unix sockets are to be made; empty means a place of our choice."""

    socket_group: str = ""
    """A group name or id that may connect to the sockets; empty means none."""

    outlive_host: bool = False
    """Whether the host means to leave the plugin to another one."""

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables as a plugin."""
        versions, invalid = parse_versions(environ.get(PROTOCOL_VERSIONS, ""))
        multiplex = environ.get(MULTIPLEX_GRPC, "")
        return cls(
            versions=tuple(versions),
            invalid_versions=tuple(invalid),
            min_port=environ.get(MIN_PORT, ""),
            max_port=environ.get(MAX_PORT, ""),
            client_certificate=environ.get(CLIENT_CERT, ""),
            asked_for_multiplex=multiplex != "",
            multiplex=multiplex in _GO_TRUE,
            socket_dir=environ.get(UNIX_SOCKET_DIR, ""),
            socket_group=environ.get(UNIX_SOCKET_GROUP, ""),
            outlive_host=environ.get(OUTLIVE_HOST, "") in _GO_TRUE,
        )

    @property
    def ports(self) -> range:
        """Where a TCP listener may bind; empty means any port.

        A plugin that listens on a unix socket must not read this: a bad range is
        no matter then (go-plugin: `serverListener_tcp`).

        Raises:
            ConfigError: The range can't be used.
        """
        sent = f"{MIN_PORT}={self.min_port!r}, {MAX_PORT}={self.max_port!r}"
        try:
            first, last = atoi(self.min_port or "0"), atoi(self.max_port or "0")
        except ValueError:
            raise ConfigError(f"{sent}: not numbers") from None
        if not 0 <= first <= last < PORTS.stop:
            raise ConfigError(f"{sent}: not a range of ports")
        return range(first, last + 1) if last else range(0)


def host_variables(
    *,
    cookie: tuple[str, str],
    versions: Iterable[int],
    min_port: int,
    max_port: int,
    client_certificate: str = "",
    multiplex: bool = False,
    socket_dir: str = "",
    socket_group: str = "",
    outlive_host: bool = False,
) -> dict[str, str]:
    """Return the variables that a host sets for a plugin.

    A variable whose value would be empty is left out, as go-plugin leaves it.
    """
    key, value = cookie
    optional = {
        CLIENT_CERT: client_certificate,
        MULTIPLEX_GRPC: "true" if multiplex else "",
        UNIX_SOCKET_DIR: socket_dir,
        UNIX_SOCKET_GROUP: socket_group,
        OUTLIVE_HOST: "true" if outlive_host else "",
    }
    return {
        key: value,
        MIN_PORT: str(min_port),
        MAX_PORT: str(max_port),
        PROTOCOL_VERSIONS: ",".join(map(str, sorted(versions))),
        **{name: text for name, text in optional.items() if text},
    }


def inherited_environ(
    environ: Mapping[str, str], inherit: bool | Collection[str]
) -> Mapping[str, str]:
    """Return the part of a host's environment that a plugin inherits.

    Args:
        environ: The host's.
        inherit: All of it, nothing, or what has these names.
    """
    if isinstance(inherit, bool):
        return environ if inherit else {}
    return {name: environ[name] for name in inherit if name in environ}


def child_environ(
    inherited: Mapping[str, str],
    explicit: Mapping[str, str],
    ours: Mapping[str, str],
) -> dict[str, str]:
    """Merge a plugin's environment: ours over explicit over inherited.

    Variables of the protocol are dropped unless they are ours. Inherited ones were
    meant for this very process, also where they come as `{**os.environ}` in the
    explicit ones, and a plugin that got them from its grandparent would speak TLS
    or yamux to a host that does not.
    """
    theirs = {**inherited, **explicit}
    return {**{k: v for k, v in theirs.items() if k not in VOCABULARY}, **ours}
