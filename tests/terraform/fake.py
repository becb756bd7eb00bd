"""The provider of fake_provider.py, and what it makes."""

import sys
from pathlib import Path

from goplugin_py.terraform import Provider, State
from goplugin_py.terraform.resource import Resource
from tests.peers import ROOT

FAKE = Path(__file__).with_name("fake_provider.py")


def launch(version: int = 6) -> Provider:
    return Provider.launch(
        sys.executable, str(FAKE), str(version), env={"PYTHONPATH": str(ROOT)}
    )


def made(thing: Resource, name: str = "a", **config: object) -> State:
    """Create a thing."""
    state = thing.plan({"name": name, **config}).apply()
    assert state is not None
    return state
