"""Checksums of Go plugins, and what is executed after the check."""

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import (
    ChecksumMismatch,
    Client,
    ClientConfig,
    HandshakeConfig,
    Plugin,
    SecureConfig,
    cleanup_clients,
)
from interop.echo_pb2 import Payload
from interop.fixtures import binary
from interop.python_host import WAIT, children, echo, echo_config, eventually

pytestmark = pytest.mark.usefixtures("nothing_left")


def secured(path: Path, name: str = "sha256") -> SecureConfig:
    return SecureConfig(hashlib.new(name, path.read_bytes()).digest(), name)


def open_files(client: Client) -> Counter[str]:
    """Return what the plugin has open, without the numbers of sockets and pipes."""
    found: Counter[str] = Counter()
    for each in Path(f"/proc/{client.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[os.readlink(each).split(":")[0]] += 1
    return found


@pytest.mark.parametrize("name", ["sha256", "sha512", "md5"])
def test_a_go_plugin_with_the_right_checksum_serves(name: str) -> None:
    """Requirement: any hash; Steampipe's plugins come with MD5 sums."""
    path = binary("echo-plugin")
    config = echo_config(str(path), secure=secured(path, name))
    for _ in range(2):  # go-plugin's SecureConfig is good for one client only
        with echo(config) as (_, stub):
            assert stub.Unary(Payload(number=7), timeout=WAIT).number == 7


def test_go_plugins_example_starts_by_its_checksum() -> None:
    path = binary("kv-plugin")
    config = ClientConfig(
        command=[str(path)],
        handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
        plugins={"kv_grpc": Plugin()},
        secure=secured(path),
    )
    with Client(config) as client:
        client.ping(WAIT)


def test_a_go_plugin_with_another_checksum_is_not_started() -> None:
    before = children()
    client = Client(
        echo_config(
            str(binary("echo-plugin")),
            secure=secured(binary("kv-plugin")),
            managed=True,
        )
    )
    with pytest.raises(ChecksumMismatch, match="echo-plugin is not the expected one"):
        client.start()
    assert children() <= before
    cleanup_clients()


def test_a_go_plugin_has_no_more_open_than_without_a_check() -> None:
    path = binary("echo-plugin")
    with Client(echo_config(str(path), auto_mtls=False)) as client:
        expected = open_files(client)
    config = echo_config(str(path), auto_mtls=False, secure=secured(path))
    with Client(config) as client:
        assert eventually(lambda: open_files(client) <= expected)
        assert os.readlink(f"/proc/{client.pid}/exe") == "/memfd:echo-plugin (deleted)"


@pytest.mark.parametrize("is_in_place", [True, False], ids=["overwrite", "replace"])
def test_a_swap_after_the_check_is_not_executed(
    is_in_place: bool, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requirement: the verified bytes are the executed ones (go-plugin warns)."""
    path = short_tmp / "plugin"
    shutil.copy(binary("echo-plugin"), path)
    config = echo_config(str(path), secure=secured(path))
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> Any:
        if is_in_place:
            path.write_bytes(b"#!/bin/false\n")
        else:
            shutil.copy("/bin/false", short_tmp / "evil")
            (short_tmp / "evil").rename(path)
        return popen(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    with echo(config) as (_, stub):
        assert stub.Unary(Payload(number=7), timeout=WAIT).number == 7
    assert path.read_bytes() != binary("echo-plugin").read_bytes()
    path.unlink()


def test_managed_go_plugins_end_together() -> None:
    """go-plugin: CleanupClients."""
    clients = [Client(echo_config(managed=True)) for _ in range(3)]
    for client in clients:
        client.start()
    cleanup_clients()
    assert [client.exit_status for client in clients] == [0, 0, 0]
