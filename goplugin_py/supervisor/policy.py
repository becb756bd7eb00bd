"""When a plugin that has failed is started again. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

from goplugin_py.errors import (
    ChecksumMismatch,
    ConfigError,
    HandshakeError,
    TLSRefused,
)

# What a plugin would say again, however often it is started.
_LASTING = (ChecksumMismatch, HandshakeError, TLSRefused)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Exponential back-off, with a limit.

    A plugin has failed when it ended unasked, did not start, or did not answer its
    health checks. Failures are counted in a row.
    """

    initial_delay: float = 0.5
    """Seconds from the first failure to the next start."""

    factor: float = 2.0
    """By how much each further delay is longer."""

    max_delay: float = 30.0
    """Seconds that no delay exceeds."""

    jitter: float = 0.2
    """The part of a delay that chance may take away, so that plugins which failed
    together do not start together; 0 to 1."""

    limit: int = 5
    """How many times in a row a plugin is started again; 0 means never."""

    stable_after: float = 60.0
    """Seconds after which a failure counts as the first one again."""

    def __post_init__(self) -> None:
        if self.initial_delay < 0 or self.max_delay < 0 or self.stable_after < 0:
            raise ConfigError("delays and stable_after must not be negative")
        if self.factor < 1 or not 0 <= self.jitter <= 1 or self.limit < 0:
            raise ConfigError("factor is 1 or more, jitter 0 to 1, limit 0 or more")

    def count(self, before: int, uptime: float) -> int:
        """Return the failures in a row, with another one.

        Args:
            before: How many there were.
            uptime: Seconds that the process ran; 0 if it did not start.
        """
        is_stable = uptime > 0 and uptime >= self.stable_after
        return 1 if is_stable else before + 1

    def delay(self, failures: int, chance: float) -> float | None:
        """Return the seconds to the next start; None when there is to be none.

        Args:
            failures: How many there were in a row, 1 or more.
            chance: From 0 up to 1, evenly spread.
        """
        if failures > self.limit:
            return None
        try:
            longest = self.initial_delay * self.factor ** (failures - 1)
        except OverflowError:
            longest = self.max_delay
        return min(longest, self.max_delay) * (1 - self.jitter * chance)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """How a plugin that runs is asked whether it still answers."""

    interval: float = 30.0
    """Seconds from one check to the next."""

    timeout: float = 5.0
    """Seconds that an answer may take."""

    failures: int = 2
    """How many checks in a row must fail before the plugin is ended by force."""

    def __post_init__(self) -> None:
        if self.interval <= 0 or self.timeout <= 0 or self.failures < 1:
            raise ConfigError("interval and timeout are above 0, failures 1 or more")


def is_lasting(error: Exception) -> bool:
    """Whether a plugin that failed so would fail so again at once."""
    return isinstance(error, _LASTING)
