"""The programs of the broker's tests, in both directions."""

from collections.abc import Iterator
from contextlib import contextmanager

from interop.callback_plugin import HANDSHAKE
from interop.callback_sides import ASYNCIO, PYTHON, Link, Pair, linked, outcome
from interop.matrix.model import Combination

BIG = 1 << 20  # bytes


class Callback:
    """Each side has an Actor, which does what the test says."""

    def __init__(self, combination: Combination) -> None:
        self.peer = combination.peer
        python = PYTHON if combination.colour == "sync" else ASYNCIO
        version = self.peer.go_plugin.removeprefix("v")
        ours_is_host = self.peer.direction == "python-host"
        self._link = Link(
            host=python if ours_is_host else version,
            plugin=version if ours_is_host else python,
            mtls=combination.security == "auto-mtls",
            mux=combination.connection == "multiplexed",
        )

    @contextmanager
    def _linked(self) -> Iterator[Pair]:
        cookie = (HANDSHAKE.magic_cookie_key, HANDSHAKE.magic_cookie_value)
        assert (cookie, (HANDSHAKE.protocol_version,)) == (
            self.peer.cookie,
            self.peer.versions,
        )
        with linked(self._link) as pair:
            yield pair

    def start(self) -> None:
        with self._linked() as pair:
            assert pair.plugin.accept(7) == [7]

    def broker(self) -> None:
        with self._linked() as pair:
            for dialler, acceptor in pair.both_ways:
                ids = acceptor.accept(count=3)
                reply = dialler.dial(*ids, at_once=3, sums=4, blobs=1, size=BIG)
                assert outcome(reply) == (15, {})
