"""Who is timed: pairs of a host and a plugin, and how they are linked."""

from dataclasses import dataclass
from pathlib import Path

from interop.bench.environment import PYTHON
from interop.fixtures import binary

HERE = Path(__file__).parent
GO = "Go"
LINKS = {"plain": "plain", "mtls": "AutoMTLS", "mux": "AutoMTLS, multiplexed"}
FLAGS = {"plain": (), "mtls": ("-mtls",), "mux": ("-mtls", "-mux")}
NAMES = {
    "goplugin_blocking": "goplugin_py",
    "goplugin_aio": "goplugin_py.aio",
    "grpcio_blocking": "grpcio",
    "grpcio_aio": "grpcio.aio",
    "python_plugin": "python-plugin",
    "pyvider_rpcplugin": "pyvider-rpcplugin",
    GO: "go-plugin",
}
RAW = "grpcio, plain"
PLAIN = "goplugin_py, plain"
SECURE = "goplugin_py, AutoMTLS"
MULTIPLEXED = "goplugin_py, AutoMTLS, multiplexed"
AIO = "goplugin_py.aio, AutoMTLS"
PEER = "python-plugin, AutoMTLS"
JUDGED = {PLAIN, SECURE, PEER}
"""Whose starts the targets are about."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A host and a plugin, each `GO` or the name of a file in its folder."""

    host: str
    plugin: str
    link: str

    @property
    def name(self) -> str:
        """How it is called, after its side that is not Go's."""
        library = self.host if self.plugin == GO else self.plugin
        return f"{NAMES[library]}, {LINKS[self.link]}"

    @property
    def plugin_command(self) -> list[str]:
        """How to start the plugin."""
        if self.plugin == GO:
            return [str(binary("echo-plugin"))]
        return [str(PYTHON), str(HERE / "plugins" / f"{self.plugin}.py")]

    @property
    def command(self) -> list[str]:
        """How to start the host, which starts the plugin."""
        if self.host != GO:
            program = str(HERE / "hosts" / f"{self.host}.py")
            return [str(PYTHON), program, self.link, *self.plugin_command]
        flags = [*FLAGS[self.link], "-log-file=/dev/null", "-scenario=timings"]
        return [str(binary("echo-host")), *flags, "--", *self.plugin_command]


def _contenders(*libraries: str) -> list[tuple[str, str]]:
    """Return libraries with their links, from `NAME link link ...`."""
    return [
        (name, link) for name, *links in map(str.split, libraries) for link in links
    ]


HOSTS = tuple(
    Contender(library, GO, link)
    for library, link in _contenders(
        "grpcio_blocking plain",
        "grpcio_aio plain",
        "goplugin_blocking plain mtls mux",
        "goplugin_aio plain mtls mux",
        "python_plugin plain mtls",
        # Its AutoMTLS is grpcio's, which refuses a Go plugin's P-521 certificate.
        "pyvider_rpcplugin plain",
        f"{GO} plain mtls mux",
    )
)
PLUGINS = tuple(
    Contender(GO, library, link)
    for library, link in _contenders(
        "grpcio_blocking plain",
        "grpcio_aio plain",
        "goplugin_blocking plain mtls mux",
        "goplugin_aio plain mtls mux",
        "python_plugin plain mtls",
        "pyvider_rpcplugin plain mtls",
        f"{GO} plain mtls mux",
    )
)
