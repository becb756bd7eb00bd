"""The rules of knocking, and two ends that knock at each other."""

import collections
import dataclasses

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from goplugin_py.wire.knocking import (
    KNOCK_TIMEOUT,
    MAX_PENDING,
    MAX_WITHDRAWN,
    Action,
    Dial,
    DialFailed,
    Knocking,
    OpenStream,
    SendAcknowledgement,
    SendKnock,
    SendRefusal,
)
from goplugin_py.wire.yamux import STREAM_OPEN_TIMEOUT

# Knocking


class End:
    """A `Knocking` with a clock."""

    def __init__(self) -> None:
        self.knocking = Knocking()
        self.now = 100.0

    def actions(self) -> list[Action]:
        return self.knocking.actions()

    def dial(self, service_id: int) -> Dial:
        return self.knocking.dial(service_id, self.now)

    def cancel(self, dial: Dial) -> None:
        self.knocking.cancel(dial, self.now)

    def accept(self, service_id: int) -> None:
        self.knocking.accept(service_id, self.now)

    def knocked(self, service_id: int) -> None:
        """The other side knocks."""
        self.knocking.receive(service_id, is_answer=False, error="", now=self.now)

    def answered(self, service_id: int, error: str = "") -> None:
        """The other side answers a knock."""
        self.knocking.receive(service_id, is_answer=True, error=error, now=self.now)

    def stream(self) -> int | None:
        return self.knocking.stream_arrived(self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.knocking.advance(self.now)

    @property
    def is_waiting(self) -> bool:
        return self.knocking.next_deadline() is not None


@pytest.fixture
def end() -> End:
    return End()


# The side that dials


def test_a_dial_knocks_and_opens_a_stream_when_it_is_answered(end: End) -> None:
    """go-plugin: GRPCBroker.knock, muxDial."""
    dial = end.dial(5)
    assert end.actions() == [SendKnock(5)]
    assert end.actions() == []
    end.answered(5)
    assert end.actions() == [OpenStream(dial)]
    assert not end.is_waiting


def test_one_dial_is_under_way_at_a_time(end: End) -> None:
    """go-plugin: GRPCBroker.dialMutex, held from the knock to the stream."""
    dials = [end.dial(service_id) for service_id in (5, 6, 5)]
    assert end.actions() == [SendKnock(5)]
    end.answered(5)
    assert end.actions() == [OpenStream(dials[0]), SendKnock(6)]
    end.answered(6)
    assert end.actions() == [OpenStream(dials[1]), SendKnock(5)]
    end.answered(5)
    assert end.actions() == [OpenStream(dials[2])]


def test_a_refusal_fails_the_dial_and_lets_the_next_knock(end: End) -> None:
    """go-plugin: `no listener for id`, from a host whose listener is not there yet."""
    refused, next_one = end.dial(5), end.dial(6)
    end.actions()
    end.answered(5, "no listener for id 5")
    assert end.actions() == [
        DialFailed(refused, "no listener for id 5"),
        SendKnock(6),
    ]
    end.answered(6)
    assert end.actions() == [OpenStream(next_one)]


def test_silence_fails_the_dial_after_a_time_and_lets_the_next_knock(end: End) -> None:
    """go-plugin: `timeout waiting for multiplexing knock handshake`."""
    silent, next_one = end.dial(5), end.dial(6)
    end.actions()
    assert end.knocking.next_deadline() == end.now + KNOCK_TIMEOUT
    end.pass_time(KNOCK_TIMEOUT - 0.001)
    assert end.actions() == []
    end.pass_time(0.001)
    assert end.actions() == [DialFailed(silent, None), SendKnock(6)]
    assert end.knocking.next_deadline() == end.now + KNOCK_TIMEOUT
    end.pass_time(KNOCK_TIMEOUT)
    assert end.actions() == [DialFailed(next_one, None)]
    assert not end.is_waiting


def test_each_dial_has_the_whole_time_for_its_own_knock(end: End) -> None:
    end.dial(5)
    end.pass_time(4.0)
    second = end.dial(6)
    end.pass_time(1.0)
    end.actions()
    end.pass_time(KNOCK_TIMEOUT - 0.001)
    end.answered(6)
    assert end.actions() == [OpenStream(second)]


def test_an_answer_counts_until_time_was_advanced(end: End) -> None:
    """The answer may lie in the socket when the timer is due."""
    dial = end.dial(5)
    end.now += KNOCK_TIMEOUT
    end.answered(5)
    end.pass_time(0.0)
    assert end.actions() == [SendKnock(5), OpenStream(dial)]


def test_a_late_answer_uses_up_the_stream_that_is_held_for_it(end: End) -> None:
    """Else the next stream would go to the id that was given up."""
    end.dial(5)
    end.pass_time(KNOCK_TIMEOUT)
    end.actions()
    end.answered(5)
    assert end.actions() == [OpenStream(None)]


def test_a_late_answer_does_not_disturb_the_dial_under_way(end: End) -> None:
    end.dial(5)
    second = end.dial(6)
    end.pass_time(KNOCK_TIMEOUT)
    end.actions()
    end.answered(5)
    assert end.actions() == [OpenStream(None)]
    end.answered(6)
    assert end.actions() == [OpenStream(second)]


def test_a_late_refusal_is_nothing(end: End) -> None:
    end.dial(5)
    end.pass_time(KNOCK_TIMEOUT)
    end.actions()
    end.answered(5, "no listener for id 5")
    assert end.actions() == []


def test_an_id_can_be_dialled_again_after_a_knock_that_was_never_answered(
    end: End,
) -> None:
    """go-plugin: the knock of an id that nobody accepts is lost without a word."""
    for _ in range(3):
        end.dial(5)
        end.pass_time(KNOCK_TIMEOUT)
    end.actions()
    again = end.dial(5)
    end.answered(5)
    assert end.actions() == [SendKnock(5), OpenStream(again)]


def test_the_late_answer_to_an_earlier_knock_serves_a_later_dial(end: End) -> None:
    """Whichever knock it answers, the next stream is the id's; the other one is late.

    go-plugin: GRPCBroker.getClientStream, where an answer waits for the next knock.
    """
    end.dial(5)
    end.pass_time(KNOCK_TIMEOUT)
    again = end.dial(5)
    end.actions()
    end.answered(5)
    assert end.actions() == [OpenStream(again)]
    end.answered(5)
    assert end.actions() == [OpenStream(None)]


def test_a_queued_dial_that_is_cancelled_never_knocks(end: End) -> None:
    first, second, third = (end.dial(service_id) for service_id in (5, 6, 7))
    end.actions()
    end.cancel(second)
    assert end.actions() == []
    end.answered(5)
    assert end.actions() == [OpenStream(first), SendKnock(7)]
    end.answered(7)
    assert end.actions() == [OpenStream(third)]


def test_cancelling_the_dial_under_way_lets_the_next_knock(end: End) -> None:
    first, second = end.dial(5), end.dial(6)
    end.actions()
    end.pass_time(1.0)
    end.cancel(first)
    assert end.actions() == [SendKnock(6)]
    assert end.knocking.next_deadline() == end.now + KNOCK_TIMEOUT
    end.answered(5)
    assert end.actions() == [OpenStream(None)]
    end.answered(6)
    assert end.actions() == [OpenStream(second)]


def test_cancelling_what_is_over_is_harmless(end: End) -> None:
    opened, failed, cancelled = (end.dial(service_id) for service_id in (5, 6, 7))
    last = end.dial(8)
    end.answered(5)
    end.pass_time(KNOCK_TIMEOUT)
    end.cancel(cancelled)
    end.actions()
    for dial in (opened, failed, cancelled):
        end.cancel(dial)
    assert end.actions() == []
    end.answered(8)
    assert end.actions() == [OpenStream(last)]


def test_a_peer_that_answers_what_was_not_asked_gets_one_stream_for_each(
    end: End,
) -> None:
    """It holds them for somebody; and what it sends, its own windows bound."""
    dial = end.dial(5)
    end.actions()
    for service_id in range(100, 200):
        end.answered(service_id)
    assert end.actions() == [OpenStream(None)] * 100
    end.answered(5)
    assert end.actions() == [OpenStream(dial)]


# The side that accepts


def test_a_knock_for_what_is_accepted_is_answered_and_gets_the_next_stream(
    end: End,
) -> None:
    """go-plugin: GRPCBroker.listenForKnocks."""
    end.accept(5)
    assert end.actions() == []  # nothing is sent at this time
    end.knocked(5)
    assert end.actions() == [SendAcknowledgement(5)]
    assert end.stream() == 5
    assert end.stream() is None
    assert not end.is_waiting


def test_a_knock_that_comes_first_is_answered_when_the_id_is_accepted(
    end: End,
) -> None:
    """go-plugin: GRPCBroker.getServerStream, which keeps one knock of each id."""
    end.knocked(5)
    end.pass_time(KNOCK_TIMEOUT - 0.001)
    assert end.actions() == []
    end.accept(5)
    assert end.actions() == [SendAcknowledgement(5)]
    assert end.stream() == 5


def test_a_knock_that_nobody_wants_is_forgotten_after_a_time(end: End) -> None:
    """Whoever knocked has given up by then."""
    end.knocked(5)
    assert not end.is_waiting
    end.pass_time(KNOCK_TIMEOUT)
    end.accept(5)
    assert end.actions() == []
    end.knocked(5)
    assert end.actions() == [SendAcknowledgement(5)]


def test_knocking_again_renews_a_knock_and_makes_no_second_one(end: End) -> None:
    end.knocked(5)
    end.pass_time(4.0)
    end.knocked(5)
    end.pass_time(4.0)
    end.accept(5)
    assert end.actions() == [SendAcknowledgement(5)]
    assert end.stream() == 5
    assert end.actions() == []


def test_one_accept_serves_many_dials(end: End) -> None:
    """go-plugin: every reconnect knocks again."""
    end.accept(5)
    for _ in range(3):
        end.pass_time(60.0)
        end.knocked(5)
        assert end.actions() == [SendAcknowledgement(5)]
        assert end.stream() == 5


def test_ids_knocked_together_get_their_streams_one_after_the_other(end: End) -> None:
    """Go's host answers both at once, and then they could be swapped."""
    end.accept(5)
    end.accept(6)
    end.knocked(6)
    end.knocked(5)
    assert end.actions() == [SendAcknowledgement(6)]
    assert end.stream() == 6
    assert end.actions() == [SendAcknowledgement(5)]
    assert end.stream() == 5
    assert end.actions() == []


def test_a_knock_that_nobody_wants_yet_holds_up_no_other(end: End) -> None:
    end.accept(6)
    end.knocked(5)
    end.knocked(6)
    assert end.actions() == [SendAcknowledgement(6)]
    end.accept(5)
    assert end.actions() == []  # 6 waits for its stream
    assert end.stream() == 6
    assert end.actions() == [SendAcknowledgement(5)]


def test_a_stream_that_nobody_knocked_for_belongs_to_nobody(end: End) -> None:
    """The main connection's stream, on a plugin."""
    end.accept(5)
    assert end.stream() is None
    end.knocked(6)
    assert end.stream() is None
    assert end.actions() == []


def test_a_withdrawn_id_is_refused_until_it_is_accepted_again(end: End) -> None:
    """go-plugin: GRPCBroker.knock, `failed to knock`; Go itself would keep silent."""
    end.accept(5)
    end.knocking.withdraw(5)
    end.knocking.withdraw(5)
    assert end.actions() == []
    for _ in range(2):
        end.knocked(5)
        assert end.actions() == [SendRefusal(5)]
    end.accept(5)
    assert end.actions() == []
    end.knocked(5)
    assert end.actions() == [SendAcknowledgement(5)]


def test_withdrawing_what_was_never_accepted_refuses_nothing(end: End) -> None:
    """Whoever knocks for it may be early."""
    end.knocking.withdraw(5)
    end.knocked(5)
    assert end.actions() == []
    end.accept(5)
    assert end.actions() == [SendAcknowledgement(5)]


def test_a_knock_that_waits_for_its_turn_is_refused_with_its_id(end: End) -> None:
    end.accept(5)
    end.accept(6)
    end.knocked(5)
    end.knocked(6)
    end.actions()
    end.knocking.withdraw(6)
    assert end.actions() == [SendRefusal(6)]
    assert end.stream() == 5
    assert end.actions() == []


def test_ids_that_were_withdrawn_long_ago_are_forgotten(end: End) -> None:
    for service_id in range(1, MAX_WITHDRAWN + 2):
        end.accept(service_id)
        end.knocking.withdraw(service_id)
    end.knocked(1)
    assert end.actions() == []
    end.knocked(2)
    assert end.actions() == [SendRefusal(2)]
    assert len(end.knocking._withdrawn) == MAX_WITHDRAWN


def test_withdrawing_an_id_does_not_give_its_stream_to_another(end: End) -> None:
    end.accept(5)
    end.accept(6)
    end.knocked(5)
    end.knocked(6)
    end.actions()
    end.knocking.withdraw(5)
    assert end.stream() == 5
    assert end.actions() == [SendAcknowledgement(6)]


def test_who_knocks_and_opens_no_stream_loses_the_turn(end: End) -> None:
    end.accept(5)
    end.accept(6)
    end.knocked(5)
    end.actions()
    end.pass_time(1.0)
    end.knocked(6)
    assert end.knocking.next_deadline() == end.now + KNOCK_TIMEOUT - 1.0
    end.pass_time(KNOCK_TIMEOUT - 1.001)
    assert end.actions() == []
    end.pass_time(0.001)
    assert end.actions() == [SendAcknowledgement(6)]
    assert end.stream() == 6


def test_a_stream_that_comes_late_is_still_its_ids(end: End) -> None:
    """go-plugin: GRPCServerMuxer.knockCh, which keeps the id until a stream comes."""
    end.accept(5)
    end.knocked(5)
    end.actions()
    end.pass_time(STREAM_OPEN_TIMEOUT - 0.001)
    assert end.stream() == 5
    assert end.stream() is None
    assert not end.is_waiting


def test_a_stream_that_no_session_would_wait_for_belongs_to_nobody(end: End) -> None:
    """yamux: Config.StreamOpenTimeout. Unlike Go's, it may be the main connection's."""
    end.accept(5)
    end.knocked(5)
    due = end.now + STREAM_OPEN_TIMEOUT
    end.pass_time(KNOCK_TIMEOUT)
    assert end.knocking.next_deadline() == due
    end.pass_time(STREAM_OPEN_TIMEOUT - KNOCK_TIMEOUT)
    assert not end.is_waiting
    assert end.stream() is None


def test_a_clock_that_jumps_does_all_at_once(end: End) -> None:
    end.accept(5)
    end.knocked(5)
    end.pass_time(STREAM_OPEN_TIMEOUT)
    assert not end.is_waiting


def test_a_stream_that_comes_together_with_the_timer_is_its_ids(end: End) -> None:
    end.accept(5)
    end.accept(6)
    end.knocked(5)
    end.now += KNOCK_TIMEOUT - 1.0
    end.knocked(6)
    end.now += 1.0
    assert end.stream() == 5
    end.pass_time(0.0)
    assert end.stream() == 6


def test_a_knock_does_not_wait_for_a_stream_that_is_late(end: End) -> None:
    end.accept(5)
    end.accept(6)
    end.knocked(5)
    end.pass_time(KNOCK_TIMEOUT)
    end.actions()
    end.knocked(6)
    assert end.actions() == [SendAcknowledgement(6)]
    assert end.stream() == 6
    assert end.stream() is None


def test_both_directions_are_independent(end: End) -> None:
    """Host 1 and plugin 1 are different ids."""
    end.accept(1)
    dial = end.dial(1)
    end.knocked(1)
    assert end.actions() == [SendKnock(1), SendAcknowledgement(1)]
    end.answered(1)
    assert end.actions() == [OpenStream(dial)]
    assert end.stream() == 1


def test_the_earlier_deadline_is_the_next_one(end: End) -> None:
    assert end.knocking.next_deadline() is None
    end.accept(1)
    end.knocked(1)
    due = end.now + KNOCK_TIMEOUT
    end.now += 1.0
    end.dial(2)
    assert end.knocking.next_deadline() == due
    assert end.stream() == 1
    assert end.knocking.next_deadline() == due + 1.0


# Floods


def test_a_flood_of_knocks_takes_bounded_memory(end: End) -> None:
    for service_id in range(2 * MAX_PENDING):
        end.knocked(service_id)
    assert len(end.knocking._knocks) == MAX_PENDING
    assert end.actions() == []


@pytest.mark.parametrize("pause", [0.0, KNOCK_TIMEOUT])
def test_a_flood_of_knocks_keeps_out_no_later_one(end: End, pause: float) -> None:
    end.accept(0)
    for service_id in range(1, 2 * MAX_PENDING):
        end.knocked(service_id)
    end.pass_time(pause)
    end.knocked(0)
    assert end.actions() == [SendAcknowledgement(0)]


def test_a_flood_while_a_stream_is_awaited_keeps_that_turn(end: End) -> None:
    end.accept(0)
    end.accept(1)
    end.knocked(0)
    for service_id in range(2, 2 * MAX_PENDING):
        end.knocked(service_id)
    end.knocked(1)
    assert end.actions() == [SendAcknowledgement(0)]
    assert end.stream() == 0
    assert end.actions() == [SendAcknowledgement(1)]


# Two ends

# What a wire takes at most. An answer and its stream must come within KNOCK_TIMEOUT.
MAX_DELAY = 2.0


@dataclasses.dataclass
class Wire:
    """What one end has sent and the other has not received, oldest first."""

    messages: collections.deque[tuple[float, int, bool, str]] = dataclasses.field(
        default_factory=collections.deque
    )
    streams: collections.deque[tuple[float, int | None]] = dataclasses.field(
        default_factory=collections.deque
    )


class Party:
    """One end, which does what its `Knocking` says."""

    def __init__(self) -> None:
        self.knocking = Knocking()
        self.wire = Wire()
        self.dials: dict[Dial, float] = {}  # those that are not over, and their start
        self.failures: list[Dial] = []
        self.reached: list[int] = []

    def act(self, now: float) -> None:
        for action in self.knocking.actions():
            match action:
                case SendKnock(service_id):
                    self.wire.messages.append((now, service_id, False, ""))
                case SendAcknowledgement(service_id):
                    self.wire.messages.append((now, service_id, True, ""))
                case SendRefusal(service_id):
                    self.wire.messages.append((now, service_id, True, "refused"))
                case OpenStream(None):
                    self.wire.streams.append((now, None))
                case OpenStream(dial):
                    assert dial is not None
                    del self.dials[dial]
                    self.wire.streams.append((now, dial.service_id))
                case DialFailed(dial, reason):
                    begun = self.dials.pop(dial)
                    assert reason == "refused" or begun + KNOCK_TIMEOUT <= now
                    self.failures.append(dial)

    def receive_message(self, sender: "Party", now: float) -> None:
        _, service_id, is_answer, error = sender.wire.messages.popleft()
        self.knocking.receive(service_id, is_answer=is_answer, error=error, now=now)
        self.act(now)

    def receive_stream(self, sender: "Party", now: float) -> None:
        _, service_id = sender.wire.streams.popleft()
        owner = self.knocking.stream_arrived(now)
        if service_id is not None:  # one that is reset may go anywhere
            assert owner == service_id
            self.reached.append(service_id)
        self.act(now)


parties = st.sampled_from([0, 1])
ids = st.integers(1, 4)


class TwoParties(RuleBasedStateMachine):
    """Anything two users may do, over wires that take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.parties = (Party(), Party())

    def other(self, party: Party) -> Party:
        first, second = self.parties
        return second if party is first else first

    @rule(index=parties, service_id=ids)
    def dial(self, index: int, service_id: int) -> None:
        party = self.parties[index]
        party.dials[party.knocking.dial(service_id, self.now)] = self.now
        party.act(self.now)

    @rule(index=parties, which=st.integers(0, 5))
    def cancel(self, index: int, which: int) -> None:
        party = self.parties[index]
        if party.dials:
            dial = list(party.dials)[which % len(party.dials)]
            del party.dials[dial]
            party.knocking.cancel(dial, self.now)
            party.act(self.now)

    @rule(index=parties, service_id=ids)
    def accept(self, index: int, service_id: int) -> None:
        party = self.parties[index]
        party.knocking.accept(service_id, self.now)
        party.act(self.now)

    @rule(index=parties, service_id=ids)
    def withdraw(self, index: int, service_id: int) -> None:
        party = self.parties[index]
        party.knocking.withdraw(service_id)
        party.act(self.now)

    @rule(index=parties)
    def deliver_message(self, index: int) -> None:
        receiver = self.parties[index]
        sender = self.other(receiver)
        if sender.wire.messages:
            receiver.receive_message(sender, self.now)

    @rule(index=parties)
    def deliver_stream(self, index: int) -> None:
        receiver = self.parties[index]
        sender = self.other(receiver)
        if sender.wire.streams:
            receiver.receive_stream(sender, self.now)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.5, KNOCK_TIMEOUT]))
    def wait(self, seconds: float) -> None:
        """Let time pass to each moment at which something is due."""
        end = self.now + seconds
        while True:
            self.now = min([end, *self.due()])
            self.deliver_what_is_due()
            for party in self.parties:
                party.knocking.advance(self.now)
                party.act(self.now)
            if self.now == end:
                break

    def due(self) -> list[float]:
        moments = [party.knocking.next_deadline() for party in self.parties]
        sent = [
            queue[0][0] + MAX_DELAY
            for party in self.parties
            for queue in (party.wire.messages, party.wire.streams)
            if queue
        ]
        return [*sent, *(moment for moment in moments if moment is not None)]

    def deliver_what_is_due(self) -> None:
        for sender in self.parties:
            receiver, wire = self.other(sender), sender.wire
            while wire.streams and wire.streams[0][0] + MAX_DELAY <= self.now:
                receiver.receive_stream(sender, self.now)
            while wire.messages and wire.messages[0][0] + MAX_DELAY <= self.now:
                receiver.receive_message(sender, self.now)

    @invariant()
    def somebody_waits_only_for_what_has_a_deadline(self) -> None:
        for party in self.parties:
            deadline = party.knocking.next_deadline()
            latest = self.now + (KNOCK_TIMEOUT if party.dials else STREAM_OPEN_TIMEOUT)
            assert deadline is None or self.now <= deadline <= latest
            assert deadline is not None or not party.dials

    def teardown(self) -> None:
        """Time alone ends all that is under way, and then every id can be reached."""
        for _ in range(1 + max(len(party.dials) for party in self.parties)):
            self.wait(KNOCK_TIMEOUT)
        self.wait(KNOCK_TIMEOUT)
        for party in self.parties:
            assert not party.dials
            assert party.knocking.next_deadline() is None
            assert not party.wire.messages
            assert not party.wire.streams
            party.failures.clear()
        self.check_that_all_can_be_reached()

    def check_that_all_can_be_reached(self) -> None:
        for index, party in enumerate(self.parties):
            other = self.other(party)
            other.reached.clear()
            for service_id in range(1, 5):
                self.accept(1 - index, service_id)
                self.dial(index, service_id)
            for _ in range(4):
                self.wait(KNOCK_TIMEOUT)
            assert other.reached == [1, 2, 3, 4]
            assert not party.failures


TestTwoParties = TwoParties.TestCase
TestTwoParties.settings = settings(max_examples=200, stateful_step_count=40)
