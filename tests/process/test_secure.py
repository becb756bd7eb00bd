"""Checksums: the bytes that were checked are the ones that run."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goplugin_py import (
    Address,
    ChecksumMismatch,
    Client,
    ClientClosed,
    ClientConfig,
    ConfigError,
    LaunchError,
    ReattachConfig,
    SecureConfig,
)
from goplugin_py.net import directories
from goplugin_py.process import secure as secure_module
from goplugin_py.process.local import LocalRunner
from tests.echo import COMMAND, HANDSHAKE, client_config
from tests.peers import WAIT

ANY = SecureConfig(bytes(32))


def checksum(path: Path, name: str = "sha256") -> SecureConfig:
    return SecureConfig(hashlib.new(name, path.read_bytes()).digest(), name)


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def program(path: Path, name: str) -> Path:
    """Copy one of the system's programs."""
    found = shutil.which(name)
    assert found is not None
    shutil.copy(found, path)
    return path


def output_of(*command: str | Path, secure: SecureConfig, **options: Any) -> str:
    """Run to the end; return stdout."""
    runner = LocalRunner(
        [str(word) for word in command],
        options.pop("env", dict(os.environ)),
        secure=secure,
        **options,
    )
    runner.start()
    with open(os.dup(runner.stdout)) as stdout:
        text = stdout.read()
    assert runner.reap() == 0
    runner.close()
    return text


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture(params=["memory", "file"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of copy; the second is the one of other systems."""
    if request.param == "file":
        monkeypatch.delattr(os, "memfd_create")
    kind: str = request.param
    return kind


@pytest.fixture
def temporary(directory: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies would be left, and for the tests' own files another place."""
    monkeypatch.setenv("TMPDIR", directory)
    return Path(directory)


def before_exec(monkeypatch: pytest.MonkeyPatch, hook: Callable[[Any], None]) -> None:
    """Call the hook, with what is about to be executed, between check and start."""
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> Any:
        if "executable" in options:
            hook(options)
        return popen(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start)


# Configuration


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((b"",), "checksum must not be empty"),  # go-plugin: ErrSecureConfigNoChecksum
        (("ab" * 32,), "checksum must be bytes: pass a text through bytes.fromhex"),
        ((bytes(31),), "a sha256 checksum has 32 bytes, not 31"),
        ((bytes(32), "md5"), "a md5 checksum has 16 bytes, not 32"),
        ((bytes(32), "sha257"), "hashlib has no hash 'sha257' here"),
        ((bytes(32), None), "hashlib has no hash None here"),
        ((bytes(32), "shake_128"), "shake_128 has no fixed length"),
    ],
)
def test_a_checksum_that_can_not_fit_is_refused(
    arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SecureConfig(*arguments)


def test_a_checksum_never_changes_and_compares_by_value() -> None:
    assert SecureConfig(bytes(32)) == ANY
    assert ANY.hash == "sha256"
    with pytest.raises(dataclasses.FrozenInstanceError):
        ANY.checksum = bytes(32)  # type: ignore[misc]


def test_a_plugin_that_runs_already_can_not_be_checked() -> None:
    """go-plugin: ErrSecureConfigAndReattach."""
    reattach = ReattachConfig("grpc", 1, Address("unix", "/plugin"), 1)
    with pytest.raises(ConfigError, match="secure is not possible with reattach"):
        ClientConfig(handshake=HANDSHAKE, plugins={}, reattach=reattach, secure=ANY)


# Checks


@pytest.mark.parametrize("name", ["sha256", "md5", "sha1", "sha512", "blake2b"])
def test_any_hash_will_do(name: str, kind: str, tmp_path: Path) -> None:
    path = script(tmp_path / "plugin", "#!/bin/sh\necho hello $1")
    assert output_of(path, "you", secure=checksum(path, name)) == "hello you\n"


def test_another_file_is_not_started(
    kind: str, tmp_path: Path, temporary: Path
) -> None:
    """go-plugin: ErrChecksumsDoNotMatch."""
    mark = tmp_path / "mark"
    path = script(tmp_path / "plugin", f"#!/bin/sh\ntouch {mark}")
    before = descriptors()
    runner = LocalRunner([str(path)], dict(os.environ), secure=ANY)
    with pytest.raises(ChecksumMismatch) as caught:
        runner.start()
    text = str(caught.value)
    assert f"the sha256 checksum of {path} is not the expected one" in text
    assert f"expected: {'00' * 32}\n" in text
    assert f"found: {hashlib.sha256(path.read_bytes()).hexdigest()}" in text
    assert f"{path} has {path.stat().st_size} bytes and was changed at " in text
    assert not mark.exists()
    assert runner.pid is None
    assert descriptors() <= before
    assert list(temporary.iterdir()) == []


def test_the_error_of_a_client_says_what_was_to_be_run(tmp_path: Path) -> None:
    path = script(tmp_path / "plugin", "#!/bin/sh\n")
    client = Client(client_config(str(path), "-v", secure=ANY))
    with pytest.raises(ChecksumMismatch) as caught:
        client.start()
    assert caught.value.command == (str(path), "-v")
    assert f"command: '{path}' '-v'" in str(caught.value)
    assert len(caught.value.notes) == 1


def test_a_file_of_many_chunks_is_hashed_and_run_as_a_whole(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure_module, "_CHUNK_SIZE", 1000)
    path = program(tmp_path / "cat", "cat")
    secure = checksum(path)
    assert output_of(path, "/dev/null", secure=secure) == ""
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ChecksumMismatch):
        output_of(path, secure=secure)


@pytest.mark.parametrize("is_in_place", [True, False], ids=["overwrite", "replace"])
@pytest.mark.parametrize("is_script", [True, False], ids=["script", "program"])
def test_a_swap_after_the_check_is_not_executed(
    kind: str,
    is_in_place: bool,
    is_script: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "plugin"
    if is_script:
        script(path, "#!/bin/sh\necho right")
    else:
        program(path, "echo")
    evil = script(tmp_path / "evil", "#!/bin/sh\necho wrong")

    def swap(options: Any) -> None:
        if is_in_place:
            with path.open("r+b") as file:
                file.write(evil.read_bytes())
                file.truncate()
        else:
            evil.rename(path)

    secure = checksum(path)
    before_exec(monkeypatch, swap)
    assert output_of(path, "right", secure=secure) == "right\n"
    assert "wrong" in path.read_text()


def test_the_copy_in_memory_can_not_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overwrite(options: Any) -> None:
        for size in (None, 0, 1 << 20):
            with (
                pytest.raises(PermissionError),
                open(options["executable"], "r+b", buffering=0) as file,
            ):
                file.write(b"#") if size is None else file.truncate(size)

    path = program(tmp_path / "echo", "echo")
    before_exec(monkeypatch, overwrite)
    assert output_of(path, "right", secure=checksum(path)) == "right\n"


def test_the_copy_in_a_file_is_private_and_gone_in_the_end(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    seen = []

    def look(options: Any) -> None:
        copy = Path(options["executable"])
        seen.append((copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777))
        assert copy.parent.parent == temporary

    path = script(tmp_path / "plugin", "#!/bin/sh\necho $0")
    before_exec(monkeypatch, look)
    assert output_of(path, secure=checksum(path)).endswith("/plugin\n")
    assert seen == [(0o500, 0o700)]
    assert list(temporary.iterdir()) == []


# What the plugin gets


def test_a_program_inherits_no_descriptor_and_keeps_its_name(tmp_path: Path) -> None:
    listing = program(tmp_path / "list", "ls")
    secure = checksum(listing)
    # 0 to 2, and the one that ls lists with.
    found = output_of(listing, "/proc/self/fd", secure=secure, stdin=subprocess.DEVNULL)
    assert found.split() == ["0", "1", "2", "3"]
    reader = program(tmp_path / "read", "cat")
    words = output_of(reader, "/proc/self/cmdline", secure=checksum(reader))
    assert words.split("\0") == [str(reader), "/proc/self/cmdline", ""]


def test_a_script_inherits_one_descriptor_to_be_read_from(tmp_path: Path) -> None:
    path = script(tmp_path / "plugin", "#!/bin/sh\necho $0; readlink $0")
    name, target = output_of(path, secure=checksum(path)).split("\n")[:2]
    assert name.startswith("/proc/self/fd/")
    assert target == "/memfd:plugin (deleted)"


def test_where_the_host_may_not_be_looked_into_a_program_inherits_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux forbids it after setuid() and for programs with capabilities."""

    def refuse(options: Any) -> None:
        if not options["pass_fds"]:
            raise PermissionError(errno.EACCES, "Permission denied")

    before_exec(monkeypatch, refuse)
    path = program(tmp_path / "echo", "echo")
    assert output_of(path, "right", secure=checksum(path)) == "right\n"


# Which file


def test_a_program_is_looked_up_where_its_start_would_be(
    kind: str, tmp_path: Path
) -> None:
    """In the PATH of the plugin, past what is not executable."""
    places = [tmp_path / each for each in ("none", "data", "folder", "right", "late")]
    for place in places[1:]:
        place.mkdir()
    (places[1] / "plugin").write_text("no program")
    (places[2] / "plugin").mkdir()
    path = script(places[3] / "plugin", "#!/bin/sh\necho right")
    script(places[4] / "plugin", "#!/bin/sh\necho late")
    env = {"PATH": ":".join(map(str, places))}
    assert output_of("plugin", secure=checksum(path), env=env) == "right\n"


def test_a_relative_path_is_relative_to_the_plugins_directory(
    kind: str, tmp_path: Path
) -> None:
    path = script(tmp_path / "plugin", "#!/bin/sh\npwd")
    for command, env in (("./plugin", {}), ("plugin", {"PATH": "."})):
        found = output_of(command, secure=checksum(path), cwd=str(tmp_path), env=env)
        assert found == f"{tmp_path}\n"


def test_a_program_that_is_not_there_is_told_as_without_a_checksum(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o755)
    data = tmp_path / "data"
    data.write_text("no program")
    before = descriptors()
    for command, reason in (
        ("no-such-plugin", "No such file or directory"),
        (str(tmp_path / "none"), "No such file or directory"),
        (str(data / "below"), "Not a directory"),
        (str(tmp_path), "Permission denied"),
        (str(data), "Permission denied"),
        (str(pipe), "Permission denied"),
    ):
        for secure in (ANY, None):
            client = Client(client_config(command, secure=secure))
            with pytest.raises(LaunchError, match=f"can't run '{command}': {reason}"):
                client.start()
    assert descriptors() <= before


# Faults


def test_nothing_is_left_when_the_right_program_can_not_run(
    kind: str, tmp_path: Path, temporary: Path
) -> None:
    path = script(tmp_path / "plugin", "no program")
    before = descriptors()
    client = Client(client_config(str(path), secure=checksum(path)))
    with pytest.raises(LaunchError, match="Exec format error"):
        client.start()
    assert descriptors() <= before
    assert list(temporary.iterdir()) == []


def test_nothing_is_left_when_there_is_no_room_for_the_copy(
    kind: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = script(tmp_path / "plugin", "#!/bin/sh\n")
    monkeypatch.setattr(secure_module, "_write_all", fail)
    before = descriptors()
    client = Client(client_config(str(path), secure=checksum(path)))
    with pytest.raises(LaunchError, match="No space left on device"):
        client.start()
    assert descriptors() <= before
    assert list(temporary.iterdir()) == []


def test_nothing_is_left_when_the_copy_can_not_be_made(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    path = script(tmp_path / "plugin", "#!/bin/sh\n")
    client = Client(client_config(str(path), secure=checksum(path)))
    monkeypatch.setattr(os, "memfd_create", fail)
    with pytest.raises(LaunchError, match="Too many open files"):
        client.start()
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setenv("TMPDIR", str(temporary / "missing"))
    monkeypatch.setattr(directories, "_FALLBACK", str(temporary / "missing"))
    with pytest.raises(ConfigError, match="No such file or directory"):
        client.start()


@pytest.mark.parametrize(
    ("code", "is_in_memory"),
    [(errno.EINVAL, True), (errno.EACCES, False), (errno.ENOSYS, False)],
    ids=["before Linux 6.3", "vm.memfd_noexec=2", "seccomp"],
)
def test_systems_differ_in_what_they_let_be_executed(
    code: int, is_in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = os.memfd_create

    def refuse(name: str, flags: int) -> int:
        if flags & secure_module._MFD_EXEC or not is_in_memory:
            raise OSError(code, os.strerror(code))
        return create(name, flags)

    monkeypatch.setattr(os, "memfd_create", refuse)
    path = script(tmp_path / "plugin", "#!/bin/sh\necho $0")
    found = output_of(path, secure=checksum(path))
    assert found.startswith("/proc/self/fd/") == is_in_memory


def test_a_kill_ends_a_check_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a huge file, say, or one on a slow disk."""
    monkeypatch.setattr(secure_module, "_CHUNK_SIZE", 1)
    path = script(tmp_path / "plugin", "#!/bin/sh\n" + "#" * 1000)
    client = Client(client_config(str(path), secure=checksum(path)))
    is_checking, is_killed = threading.Event(), threading.Event()
    written = []

    def write(fd: int, data: bytes) -> None:
        written.append(data)
        is_checking.set()
        assert is_killed.wait(WAIT)

    monkeypatch.setattr(secure_module, "_write_all", write)
    failures = []

    def start() -> None:
        try:
            client.start()
        except ClientClosed as exc:
            failures.append(exc)

    abort = client._launch.abort

    def note_abort() -> None:
        abort()
        is_killed.set()

    monkeypatch.setattr(client._launch, "abort", note_abort)
    thread = threading.Thread(target=start)
    thread.start()
    assert is_checking.wait(WAIT)
    client.kill()
    thread.join(WAIT)
    assert len(failures) == 1
    assert len(written) == 1


# Plugins


@pytest.mark.parametrize("auto_mtls", [True, False])
def test_a_plugin_that_is_a_script_serves(
    kind: str, auto_mtls: bool, tmp_path: Path
) -> None:
    command = " ".join(COMMAND)
    path = script(tmp_path / "plugin", f"#!/bin/sh\nexec {command}\n")
    config = client_config(str(path), auto_mtls=auto_mtls, secure=checksum(path))
    for _ in range(2):
        with Client(config) as client:
            assert client.dispense("echo")(b"hello") == b"hello"
        assert client.exit_status == 0
