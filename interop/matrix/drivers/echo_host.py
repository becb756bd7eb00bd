"""A Go host that runs its scenarios with the Echo plugin in Python."""

import contextlib
from functools import cached_property

from interop import echo_plugin, echo_plugin_aio
from interop.go_host import Outcome, Report, run
from interop.matrix.drivers.certificate import certificate
from interop.matrix.model import Combination

SCENARIOS = {
    "start": ["ping", "health"],
    "unary": ["unary"],
    "stream": ["server-stream", "client-stream", "bidi"],
    "error": ["fail"],
    "stdio": ["print"],
    "log": ["log"],
}
COMMANDS = {"sync": echo_plugin.COMMAND, "asyncio": echo_plugin_aio.COMMAND}


class EchoHost:
    """One run of the host has all behaviours."""

    def __init__(self, combination: Combination) -> None:
        self.combination = combination
        self.peer = combination.peer

    @cached_property
    def _report(self) -> Report:
        flags, env = [], {"ECHO_NETWORK": self.combination.transport}
        with contextlib.ExitStack() as stack:
            if self.combination.security == "auto-mtls":
                flags.append("-mtls")
            if self.combination.security == "manual-tls":
                pem = str(stack.enter_context(certificate()))
                flags.append(f"-tls-ca={pem}")
                env["ECHO_TLS"] = pem
            if self.combination.connection == "multiplexed":
                flags.append("-mux")
            return run(
                *(name for names in SCENARIOS.values() for name in names),
                flags=flags,
                env=env,
                command=COMMANDS[self.combination.colour],
                host=self.peer.fixtures[0],
            )

    def _outcome(self, scenario: str) -> Outcome:
        assert "start" not in self._report.outcomes, self._report["start"].error
        outcome = self._report[scenario]
        assert outcome.ok, outcome.error
        return outcome

    def _require(self, behaviour: str) -> None:
        for scenario in SCENARIOS[behaviour]:
            self._outcome(scenario)

    def start(self) -> None:
        self._require("start")
        seen = self._outcome("kill").detail
        assert seen["network"] == self.combination.transport
        assert seen["negotiated_version"] == max(self.peer.versions)
        assert seen["protocol"] == "grpc"

    def unary(self) -> None:
        self._require("unary")

    def stream(self) -> None:
        self._require("stream")

    def error(self) -> None:
        self._require("error")

    def stdio(self) -> None:
        self._require("stdio")

    def log(self) -> None:
        self._require("log")
        assert not self._report.stray_lines

    def kill(self) -> None:
        detail = self._outcome("kill").detail
        assert detail["exited"]
        assert not detail["forced"]
        self._report.assert_healthy()
