"""The broker between every two of Python and Go, in both directions.

Each scenario runs plain and with AutoMTLS, with sockets of their own for what is
brokered and multiplexed.
"""

from collections.abc import Iterator

import pytest

from interop.callback_plugin import BUSY
from interop.callback_sides import ASYNCIO, GO, PYTHON, Link, Pair, linked, outcome

pytestmark = pytest.mark.usefixtures("nothing_left")

PEERS = [
    *((PYTHON, GO), (GO, PYTHON), (PYTHON, PYTHON)),
    *((ASYNCIO, GO), (GO, ASYNCIO)),
]
LINKS = [
    Link(host, plugin, mtls, mux)
    for host, plugin in PEERS
    for mtls in (False, True)
    for mux in (False, True)
]


@pytest.fixture(params=LINKS, ids=str)
def link(request: pytest.FixtureRequest) -> Link:
    """Give each way to connect."""
    link: Link = request.param
    return link


@pytest.fixture
def pair(link: Link, nothing_left: object) -> Iterator[Pair]:
    """Give a host and a plugin that are connected in each way."""
    with linked(link) as pair:
        yield pair


def test_one_side_dials_what_the_other_accepts_within_a_call(pair: Pair) -> None:
    """go-plugin: AcceptAndServe and Dial, in the handlers of calls under way."""
    for dialler, acceptor in pair.both_ways:
        ids = acceptor.accept(count=3)
        assert ids == [1, 2, 3]
        reply = dialler.dial(*ids, sums=2)
        assert outcome(reply) == (6, {})


def test_a_dial_may_come_before_the_accept(pair: Pair) -> None:
    """go-plugin: `GRPCBroker.Dial` and `knock` wait 5 s for the other side."""
    for dialler, acceptor in pair.both_ways:
        dialling = pair.begin(dialler.dial, 7)
        # The other direction works meanwhile.
        acceptor.dial(*dialler.accept(11))
        assert not dialling.done()
        acceptor.accept(7)
        reply = dialling.result(timeout=BUSY)
        assert outcome(reply) == (1, {})


def test_an_id_that_both_sides_agreed_on_needs_no_message(link: Link) -> None:
    """SPIRE: the host accepts id 1 when it dispenses, the plugin knows."""
    with linked(link, accepted=(1,)) as pair:
        reply = pair.plugin.dial(1, sums=5)
        assert outcome(reply) == (5, {})
        pair.host.stop(1)


def test_both_directions_have_their_own_ids(pair: Pair) -> None:
    """go-plugin: each side counts by itself, from 1."""
    assert pair.host.accept(count=2) == pair.plugin.accept(count=2) == [1, 2]
    replies = [pair.host.dial(1, 2), pair.plugin.dial(1, 2)]
    assert [reply.good for reply in replies] == [2, 2]


def test_200_ids_are_dialled_one_after_the_other(pair: Pair) -> None:
    """TFLint: a fresh id for each call; here all stay served until the end."""
    for rounds, (dialler, acceptor) in zip((4, 1), pair.both_ways, strict=True):
        for _ in range(rounds):
            reply = dialler.dial(*acceptor.accept(count=50))
            assert outcome(reply) == (50, {})


def test_50_ids_are_dialled_at_once(pair: Pair) -> None:
    """go-plugin: knocks queue for `dialMutex`; sockets need no turn."""
    for dialler, acceptor in pair.both_ways:
        reply = dialler.dial(*acceptor.accept(count=50), at_once=50, sums=4)
        assert outcome(reply) == (200, {})


@pytest.mark.parametrize(
    "link", [link for link in LINKS if link.mtls == link.mux], ids=str
)
def test_200_ids_are_dialled_at_once(link: Link) -> None:
    """Each side has hundreds of servers and of dials under way."""
    with linked(link) as pair:
        for dialler, acceptor in pair.both_ways:
            reply = dialler.dial(*acceptor.accept(count=200), at_once=200)
            assert outcome(reply) == (200, {})


def test_both_sides_dial_20_ids_at_once(pair: Pair) -> None:
    """Both directions knock in the same session, and no stream goes astray."""
    of_host, of_plugin = pair.host.accept(count=20), pair.plugin.accept(count=20)
    dialling = pair.begin(pair.plugin.dial, *of_host, at_once=20, sums=4)
    ours = pair.host.dial(*of_plugin, at_once=20, sums=4)
    theirs = dialling.result(timeout=BUSY)
    assert outcome(ours) == (80, {})
    assert outcome(theirs) == (80, {})


def test_big_bodies_and_small_calls_share_200_streams(pair: Pair) -> None:
    """Each body of 4 MiB comes back as it was, and all calls are under way at once."""
    for dialler, acceptor in pair.both_ways:
        ids = acceptor.accept(count=4)
        reply = dialler.dial(*ids, at_once=4, sums=49, blobs=2, size=4 << 20)
        assert outcome(reply) == (4 * 51, {})


def test_several_calls_dial_at_the_same_time(pair: Pair) -> None:
    """The broker is safe from any thread: six calls with five dials each."""
    for dialler, acceptor in pair.both_ways:
        ids = acceptor.accept(count=30)
        parts = [ids[start : start + 5] for start in range(0, 30, 5)]
        calls = [pair.begin(dialler.dial, *part, at_once=5, sums=2) for part in parts]
        assert [call.result(timeout=BUSY).good for call in calls] == [10] * 6


def test_stopping_a_server_ends_the_calls_in_it(pair: Pair) -> None:
    """Who dialled learns of it at once, and the link goes on."""
    for dialler, acceptor in pair.both_ways:
        ids = acceptor.accept(count=1)
        waiting = pair.begin(dialler.dial, *ids, wait=True)
        acceptor.stop(*ids, when_waited_for=True)
        reply = waiting.result(timeout=BUSY)
        assert list(reply.errors) == ids
        assert dialler.dial(*acceptor.accept(count=1)).good == 1
