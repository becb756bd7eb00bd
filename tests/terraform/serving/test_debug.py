"""Providers that are started by hand, for hosts that reattach."""

import signal
import sys
from pathlib import Path

import pytest

from goplugin_py import Client, ClientConfig, Plugin, ReattachConfig
from goplugin_py.terraform import HANDSHAKE, Provider
from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.serving.debug import debug_version
from tests.peers import SCRIPT_WAIT
from tests.terraform.serving.debugging import debugged

ADDRESS = "example.com/acme/fake"

SOURCE = f"""\
import sys
from goplugin_py import Plugin, ServeConfig
from goplugin_py.terraform import HANDSHAKE
from goplugin_py.terraform.protocol import Protocol
from goplugin_py.terraform.serving.debug import debug_version, serve_debug
from tests.terraform.fake_provider import servicer

def plugin(version):
    protocol = Protocol(version)
    add = protocol.messages.add_ProviderServicer_to_server
    return {{"provider": Plugin.from_servicer(add, servicer(protocol))}}

plugins = {{version: plugin(version) for version in (5, 6)}}
config = ServeConfig(handshake=HANDSHAKE, versioned_plugins=plugins)
version = debug_version(sys.argv[1:], (5, 6), {ADDRESS!r})
serve_debug(config, {ADDRESS!r}, version)
print("ended")
"""
SCRIPT = (sys.executable, "-c", SOURCE)


def attached(reattach: ReattachConfig) -> Provider:
    version = reattach.protocol_version
    stub = Protocol(version).messages.ProviderStub
    return Provider(
        Client(
            ClientConfig(
                reattach=reattach,
                handshake=HANDSHAKE,
                versioned_plugins={version: {"provider": Plugin.from_stub(stub)}},
            )
        )
    )


@pytest.mark.parametrize(
    ("arguments", "version"),
    [(["-debug"], 6), (["-debug", "-protocol=5"], 5)],
    ids=["the highest protocol", "protocol 5"],
)
def test_a_host_reattaches_by_what_is_printed(
    arguments: list[str], version: int
) -> None:
    with debugged(*SCRIPT, *arguments) as provider:
        assert provider.address == ADDRESS
        assert provider.reattach.test
        assert provider.reattach.pid == provider.process.pid
        for _ in range(2):  # a host that leaves does not end it
            with attached(provider.reattach) as host:
                assert host.protocol_version == version
                assert "fake_thing" in host.schema.resources
        assert provider.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_socket_behind(number: signal.Signals) -> None:
    with debugged(*SCRIPT, "-debug") as provider:
        socket = Path(provider.reattach.address.text)
        assert socket.exists()
        provider.process.send_signal(number)
        said, _ = provider.process.communicate(timeout=SCRIPT_WAIT)
        assert provider.process.returncode == 0
        assert said.endswith("ended\n")
        assert not socket.exists()


@pytest.mark.parametrize("word", ["-debug", "--debug"])
def test_debugging_is_asked_for_as_with_go(word: str) -> None:
    assert debug_version([word], (5, 6), ADDRESS) == 6
    assert debug_version([word, "-protocol", "5"], (5, 6), ADDRESS) == 5
    assert debug_version(["mine", "-m", "--mine=1"], (5, 6), ADDRESS) is None


@pytest.mark.parametrize(
    ("argument", "address", "told"),
    [
        ("-protocol=7", ADDRESS, "invalid choice: 7"),
        ("-debug", "", 'serve(..., address="example.com/acme/shelf")'),
    ],
    ids=["no such protocol", "no address"],
)
def test_arguments_that_make_no_sense_are_refused(
    argument: str, address: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        debug_version(["-debug", argument], (5, 6), address)
    assert told in capsys.readouterr().err
