"""The rules of knocking, by which two sides of a session agree whose a stream is.

Pure; time comes in as an argument. Both sides open streams in one session, and a
stream does not say whom it is for. So the side that dials knocks first, with an id;
the side that accepts notes that the next stream belongs to that id and acknowledges;
then the stream is opened (go-plugin: `GRPCBroker.knock`, `listenForKnocks`). Only one
dial of a side is under way at a time, from its knock to its stream.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass

from goplugin_py.wire.yamux import STREAM_OPEN_TIMEOUT

KNOCK_TIMEOUT = 5.0  # go-plugin: GRPCBroker.knock
# How many early knocks a peer can make us keep.
MAX_PENDING = 4096
# How many ids that were withdrawn are remembered: their last diallers soon give up.
MAX_WITHDRAWN = 4096


class Dial:
    """One wish for a stream; compared by identity."""

    __slots__ = ("service_id",)

    def __init__(self, service_id: int) -> None:
        self.service_id = service_id


@dataclass(frozen=True, slots=True)
class SendKnock:
    """Send a knock for this id."""

    service_id: int


@dataclass(frozen=True, slots=True)
class SendAcknowledgement:
    """Send an acknowledgement for this id, and give it the next stream."""

    service_id: int


@dataclass(frozen=True, slots=True)
class SendRefusal:
    """Answer a knock for this id with an error: it is not accepted any more."""

    service_id: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open a stream for a dial; for None, open one and reset it.

    The latter is for an acknowledgement that nobody waits for any more: the other
    side holds the next stream for its id, and would give it somebody else's.
    """

    dial: Dial | None


@dataclass(frozen=True, slots=True)
class DialFailed:
    """A dial has come to nothing.

    Attributes:
        reason: The other side's words; None for silence.
    """

    dial: Dial
    reason: str | None


Action = SendKnock | SendAcknowledgement | SendRefusal | OpenStream | DialFailed


class Knocking:
    """The two sides of knocking, for one end of a session.

    Every method may leave actions; the caller must carry them out, in order.
    """

    def __init__(self) -> None:
        self._actions: list[Action] = []
        # As the side that dials. The first dial is under way if it has a deadline.
        self._dials: collections.deque[Dial] = collections.deque()
        self._answer_due: float | None = None
        # As the side that accepts.
        self._accepting: set[int] = set()
        self._withdrawn: dict[int, None] = {}
        self._knocks: dict[int, float] = {}
        # Whose the next stream is, until when, and whether others may have it now.
        self._owner: int | None = None
        self._stream_due = 0.0
        self._is_overdue = False

    def actions(self) -> list[Action]:
        """Return and forget what is to be done."""
        actions, self._actions = self._actions, []
        return actions

    # The side that dials

    def dial(self, service_id: int, now: float) -> Dial:
        """Ask for a stream to what the other side accepts under an id."""
        dial = Dial(service_id)
        self._dials.append(dial)
        self._next_dial(now)
        return dial

    def cancel(self, dial: Dial, now: float) -> None:
        """Give a dial up; harmless when it is over."""
        if dial not in self._dials:
            return
        if self._answer_due is not None and self._dials[0] is dial:
            self._finish(now)
        else:
            self._dials.remove(dial)

    def _next_dial(self, now: float) -> None:
        if self._dials and self._answer_due is None:
            self._answer_due = now + KNOCK_TIMEOUT
            self._actions.append(SendKnock(self._dials[0].service_id))

    def _finish(self, now: float) -> None:
        """End the dial under way."""
        self._dials.popleft()
        self._answer_due = None
        self._next_dial(now)

    def _answered(self, service_id: int, error: str, now: float) -> None:
        # An answer to an earlier knock is as good: it is the id that gets the stream.
        # The earlier one may never be answered, so it must not be waited for.
        if self._answer_due is not None and self._dials[0].service_id == service_id:
            dial = self._dials[0]
            self._actions.append(DialFailed(dial, error) if error else OpenStream(dial))
            self._finish(now)
        elif not error:
            self._actions.append(OpenStream(None))

    # The side that accepts

    def accept(self, service_id: int, now: float) -> None:
        """Answer knocks for an id from now on; one may have come already."""
        self._accepting.add(service_id)
        self._withdrawn.pop(service_id, None)
        self._next_owner(now)

    def withdraw(self, service_id: int) -> None:
        """Refuse knocks for an id from now on.

        Go lets them wait for an answer, and with them all other dials of that side.
        """
        if service_id not in self._accepting:
            return
        self._accepting.remove(service_id)
        self._withdrawn[service_id] = None
        if len(self._withdrawn) > MAX_WITHDRAWN:
            del self._withdrawn[next(iter(self._withdrawn))]
        if self._knocks.pop(service_id, None) is not None:
            self._actions.append(SendRefusal(service_id))

    def stream_arrived(self, now: float) -> int | None:
        """Return whose the new stream is; None if nobody knocked for it."""
        owner, self._owner = self._owner, None
        self._next_owner(now)
        return owner

    def _knocked(self, service_id: int, now: float) -> None:
        if service_id in self._withdrawn:
            self._actions.append(SendRefusal(service_id))
            return
        self._knocks.pop(service_id, None)  # a new one is the youngest
        self._knocks[service_id] = now + KNOCK_TIMEOUT
        if len(self._knocks) > MAX_PENDING:
            del self._knocks[next(iter(self._knocks))]
        if service_id in self._accepting:  # spares the search in a flood of others
            self._next_owner(now)

    def _next_owner(self, now: float) -> None:
        if self._owner is not None and not self._is_overdue:
            return
        for service_id, expires in list(self._knocks.items()):
            if expires <= now:
                del self._knocks[service_id]
            elif service_id in self._accepting:
                del self._knocks[service_id]
                self._hold(service_id, now)
                return

    def _hold(self, service_id: int, now: float) -> None:
        """Keep the next stream for an id."""
        self._owner = service_id
        self._is_overdue = False
        self._stream_due = now + KNOCK_TIMEOUT
        self._actions.append(SendAcknowledgement(service_id))

    def _grow_late(self, now: float) -> None:
        """Note that the stream has not come when it should have.

        It may still come. Go waits without end (go-plugin: `GRPCServerMuxer.knockCh`);
        here other knocks may have their turn, and a session whose streams take longer
        than yamux allows is dead.
        """
        if self._is_overdue:
            self._owner = None
        else:
            self._is_overdue = True
            self._stream_due += STREAM_OPEN_TIMEOUT - KNOCK_TIMEOUT
        self._next_owner(now)

    # Both

    def receive(
        self, service_id: int, *, is_answer: bool, error: str, now: float
    ) -> None:
        """Take a message from the other side.

        Args:
            service_id: Its id.
            is_answer: Whether it answers a knock of ours.
            error: The refusal in an answer; empty for none.
            now: The time.
        """
        if is_answer:
            self._answered(service_id, error, now)
        else:
            self._knocked(service_id, now)

    def next_deadline(self) -> float | None:
        """Return when `advance` is due; None while nothing is waited for."""
        stream_due = self._stream_due if self._owner is not None else None
        due = [at for at in (self._answer_due, stream_due) if at is not None]
        return min(due, default=None)

    def advance(self, now: float) -> None:
        """Let time pass."""
        if self._answer_due is not None and self._answer_due <= now:
            self._actions.append(DialFailed(self._dials[0], None))
            self._finish(now)
        while self._owner is not None and self._stream_due <= now:
            self._grow_late(now)
