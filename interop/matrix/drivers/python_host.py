"""A Python host of a Go plugin, for one combination."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from goplugin_py import ClientConfig, HandshakeConfig, Plugin
from interop.fixtures import binary
from interop.matrix.drivers.certificate import certificate, trusting
from interop.matrix.drivers.session import Session, session
from interop.matrix.model import Combination
from interop.python_host import eventually

# A plugin may be one of many that start and end on a busy machine.
START_TIMEOUT = 30.0
KILL_TIMEOUT = 10.0


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def wait_for(self, message: str) -> logging.LogRecord:
        """Return the first record with this message, once it has come."""

        def found() -> list[logging.LogRecord]:
            return [each for each in self.records if each.getMessage() == message]

        heard = [each.getMessage() for each in self.records]
        assert eventually(lambda: bool(found())), heard
        return found()[0]


@contextlib.contextmanager
def recorded() -> Iterator[tuple[logging.Logger, Records]]:
    """Give a logger for a plugin, and what it is sent."""
    logger, records = logging.getLogger("matrix"), Records()
    logger.setLevel(1)
    logger.addHandler(records)
    try:
        yield logger, records
    finally:
        logger.removeHandler(records)


class PythonHost:
    """Starts the plugin anew for each behaviour; those are the same for any plugin."""

    plugins: ClassVar[Mapping[str, type]] = {}
    """The stub class of each plugin."""

    def __init__(self, combination: Combination) -> None:
        self.combination = combination
        self.peer = combination.peer

    @property
    def fixture(self) -> str:
        """The program to start."""
        return self.peer.fixtures[0]

    @contextlib.contextmanager
    def session(self, **changes: Any) -> Iterator[Session]:
        """Start the plugin as the combination says."""
        changes.setdefault("command", [str(binary(self.fixture))])
        with contextlib.ExitStack() as stack:
            if self.combination.security == "manual-tls":
                pem = stack.enter_context(certificate())
                changes |= {"env": {"ECHO_TLS": str(pem)}, "tls": trusting(pem)}
            elif self.combination.security == "plain":
                changes["auto_mtls"] = False
            config = self._config(changes)
            yield stack.enter_context(session(config, self.combination.colour))

    def _config(self, changes: dict[str, Any]) -> ClientConfig:
        """Offer all versions of the plugin, and one that it does not have."""
        assert self.peer.cookie is not None
        versions = [*self.peer.versions, max(self.peer.versions) + 1]
        if "versioned_plugins" not in changes:
            plugins = {n: Plugin.from_stub(stub) for n, stub in self.plugins.items()}
            changes["versioned_plugins"] = dict.fromkeys(versions, plugins)
        return ClientConfig(
            handshake=HandshakeConfig(versions[0], *self.peer.cookie),
            broker_multiplex=self.combination.connection == "multiplexed",
            start_timeout=START_TIMEOUT,
            kill_timeout=KILL_TIMEOUT,
            **changes,
        )

    def start(self) -> None:
        with self.session() as session:
            client = session.client
            assert client.negotiated_version == max(self.peer.versions)
            assert client.address.network == self.combination.transport
            session.do(client.ping)
            assert not client.exited

    def log(self) -> None:
        """go-plugin: `Serve` logs its address as a record."""
        with recorded() as (logger, records), self.session(logger=logger):
            record = records.wait_for("plugin address")
        assert record.levelno == logging.DEBUG
        assert vars(record)["network"] == self.combination.transport

    def kill(self) -> None:
        with recorded() as (logger, records):
            with self.session(logger=logger) as session:
                session.do(session.client.kill)
            assert session.client.exited
            assert session.client.exit_status == 0
        assert not [each for each in records.records if "gracefully" in each.msg]
