"""What can be sent to another process, and what can't."""

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from goplugin_py import Client
from tests.echo import client_config


class Stub:
    """As protoc generates it."""

    def __init__(self, channel: Any) -> None:
        self.Echo = channel.unary_unary("/echo.Echo/Echo")


TIED: dict[str, Callable[[Client], object]] = {
    "client": lambda client: client,
    "channel": lambda client: client.channel,
    "stub": lambda client: Stub(client.channel),
    "method": lambda client: Stub(client.channel).Echo,
}


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(client_config(auto_mtls=False)) as client:
        yield client


@pytest.mark.parametrize("what", TIED.values(), ids=TIED)
@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_what_is_tied_to_its_process_says_so(
    client: Client, what: Callable[[Client], object], how: Callable[[object], object]
) -> None:
    """Requirement: the error names what to do."""
    advice = (
        r"tied to this process\. (Send the ClientConfig|To use a plugin elsewhere,)"
    )
    with pytest.raises(TypeError, match=advice):
        how(what(client))


def test_a_configuration_starts_a_plugin_where_it_arrives() -> None:
    """Requirement: it is what workers get."""
    sent = pickle.dumps(client_config(auto_mtls=False))
    with Client(pickle.loads(sent)) as client:
        client.ping()
