"""The broker with older versions of go-plugin, on either side.

1.4.3 is in Terraform 1.5, and knows no multiplexing; 1.6.3 does.
"""

from collections.abc import Iterator

import pytest

from goplugin_py import Client, MultiplexUnsupported
from interop.callback_plugin import BUSY
from interop.callback_sides import (
    PYTHON,
    Link,
    Pair,
    linked,
    outcome,
    python_config,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

OLDEST, OLDER = "1.4.3", "1.6.3"
BROKEN = Link(PYTHON, OLDEST, mtls=True)
LINKS = [
    link
    for version in (OLDEST, OLDER)
    for mtls in (False, True)
    for mux in ((False, True) if version == OLDER else (False,))
    for link in (
        Link(PYTHON, version, mtls, mux),
        Link(version, PYTHON, mtls, mux),
    )
    if link != BROKEN
]


@pytest.fixture(params=LINKS, ids=str)
def pair(request: pytest.FixtureRequest, nothing_left: object) -> Iterator[Pair]:
    """Give a host and a plugin that are connected in each way."""
    with linked(request.param) as pair:
        yield pair


def test_older_versions_dial_and_accept_in_both_directions(pair: Pair) -> None:
    """go-plugin 1.4.3 and 1.6.3: AcceptAndServe, Dial; with AutoMTLS too.

    A 1.4.3 host with AutoMTLS takes a 7th field of the handshake line for part of the
    certificate, so this also shows that there is none.
    """
    for dialler, acceptor in pair.both_ways:
        reply = dialler.dial(*acceptor.accept(count=20), at_once=5, sums=4)
        assert outcome(reply) == (80, {})


def test_older_versions_carry_big_bodies_beside_small_calls(pair: Pair) -> None:
    """As with the current version, on 100 streams."""
    for dialler, acceptor in pair.both_ways:
        ids = acceptor.accept(count=2)
        reply = dialler.dial(*ids, at_once=2, sums=49, blobs=1, size=4 << 20)
        assert outcome(reply) == (100, {})


def test_older_versions_wait_for_an_accept(pair: Pair) -> None:
    """go-plugin: `GRPCBroker.Dial` waits 5 s in all versions."""
    for dialler, acceptor in pair.both_ways:
        dialling = pair.begin(dialler.dial, 7)
        acceptor.accept(7)
        assert outcome(dialling.result(timeout=BUSY)) == (1, {})


def test_an_older_version_understands_that_an_id_was_stopped() -> None:
    """go-plugin 1.6.3: `failed to knock for id`, which only a refusal provokes."""
    with linked(Link(OLDER, PYTHON, mux=True)) as pair:
        pair.plugin.accept(7)
        pair.plugin.stop(7)
        assert "no listener for id 7" in pair.host.dial(7).errors[7]


def test_a_plugin_of_1_4_3_with_mtls_can_be_dialled_but_not_dial() -> None:
    """go-plugin before 1.4.4: the plugin's dials lack `ServerName` and `RootCAs`.

    No host can help it: Go's fail in the same way.
    """
    with linked(BROKEN) as pair:
        assert pair.host.dial(*pair.plugin.accept(count=2)).good == 2
        ids = pair.host.accept(count=1)
        errors = pair.plugin.dial(*ids).errors
        assert "certificate is valid for localhost, not unused" in errors[ids[0]]
        assert pair.host.dial(*pair.plugin.accept(count=1)).good == 1


def test_a_plugin_of_1_4_3_with_mtls_can_not_dial_a_go_host_either() -> None:
    """The same with Go on both sides: the divergence is go-plugin's own."""
    with linked(Link(OLDEST, OLDEST, mtls=True)) as pair:
        ids = pair.host.accept(count=1)
        errors = pair.plugin.dial(*ids).errors
        assert "certificate is valid for localhost, not unused" in errors[ids[0]]


@pytest.mark.parametrize("mtls", [False, True], ids=["plain", "mtls"])
def test_a_plugin_without_multiplexing_is_refused(mtls: bool) -> None:
    """go-plugin 1.4.3 prints no 7th field; 1.8.0: ErrGRPCBrokerMuxNotSupported."""
    config = python_config(Link(PYTHON, OLDEST, mtls, mux=True))
    client = Client(config)
    with pytest.raises(MultiplexUnsupported):
        client.start()
