"""What a look at an executable tells about a start that failed."""

import errno
import os
import platform
import struct
from pathlib import Path

import pytest

from goplugin_py.process.diagnosis import diagnose

EXEC_FAILED = OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC))
THIS_MACHINE = {"x86_64": 62, "aarch64": 183}


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """An x86_64 Linux system, wherever the tests run."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "plugin"
    path.touch(0o755)
    return path


def notes_on(program: Path, content: bytes, failure: OSError | None = None) -> str:
    program.write_bytes(content)
    return "\n".join(diagnose(str(program), failure)).replace(str(program), "plugin")


def elf(
    machine: int = 62, *, order: str = "<", loader: str = "", bits: int = 2
) -> bytes:
    """A program's header, and a PT_INTERP segment if a loader is named."""
    start = 64 + 56
    head = b"\x7fELF" + bytes([bits, 1 if order == "<" else 2]) + bytes(10)
    head += struct.pack(order + "HHIQQQIHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1)
    head = head.ljust(64, b"\0")
    name = loader.encode() + b"\0"
    kind = 3 if loader else 1
    head += struct.pack(
        order + "IIQQQQQQ", kind, 4, start, 0, 0, len(name), len(name), 1
    )
    return head + name


def test_a_missing_file_is_missing() -> None:
    assert diagnose("/nonexistent") == ["/nonexistent: No such file or directory"]


def test_a_directory_is_one(tmp_path: Path) -> None:
    assert diagnose(str(tmp_path)) == [f"{tmp_path} is a directory"]


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """It might never have a writer."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert diagnose(str(path)) == [f"{path} is no regular file"]


def test_a_file_that_is_not_executable_says_its_mode_and_what_to_do(
    program: Path,
) -> None:
    """go-plugin: additionalNotesAboutCommand."""
    program.chmod(0o644)
    assert notes_on(program, b"#!/bin/sh\n") == (
        "plugin is not executable (mode -rw-r--r--): chmod +x it"
    )


def test_a_file_that_can_not_be_read_says_so(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", refuse)
    assert diagnose(str(program)) == [f"{program} can't be read: Permission denied"]


def test_nothing_is_said_about_a_program_that_looks_right(program: Path) -> None:
    loader = "/proc/self/exe"  # something that exists
    assert notes_on(program, elf(loader=loader), EXEC_FAILED) == ""
    assert notes_on(program, elf(), EXEC_FAILED) == ""
    assert notes_on(program, b"#!/bin/sh\nexit", EXEC_FAILED) == ""


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (183, "aarch64"),
        (40, "arm"),
        (3, "i386"),
        (243, "riscv64"),
        (7, "ELF machine 7"),
    ],
)
def test_a_program_for_another_machine_names_both(
    program: Path, machine: int, name: str
) -> None:
    assert notes_on(program, elf(machine)) == (
        f"plugin is built for {name}, this machine is x86_64"
    )


def test_a_program_of_the_other_byte_order_is_understood(program: Path) -> None:
    assert "ELF machine 21" in notes_on(program, elf(21, order=">"))


@pytest.mark.parametrize("alias", ["amd64", "AMD64", "x86_64"])
def test_a_machine_has_several_names(
    program: Path, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: alias)
    assert notes_on(program, elf()) == ""


def test_a_missing_loader_is_named(program: Path) -> None:
    """The system calls it a missing file, as for a musl program on glibc."""
    assert notes_on(program, elf(loader="/lib/ld-nowhere.so.1"), EXEC_FAILED) == (
        "plugin needs the loader /lib/ld-nowhere.so.1, which is missing on this system"
    )


def test_a_truncated_program_is_one(program: Path) -> None:
    assert notes_on(program, elf()[:40]) == "plugin is a truncated program"


def test_a_program_whose_segments_lie_elsewhere_is_no_error(program: Path) -> None:
    content = bytearray(elf(loader="/lib/ld-nowhere.so.1"))
    struct.pack_into("<Q", content, 32, 1 << 40)
    assert notes_on(program, bytes(content)) == ""
    struct.pack_into("<QQIHHH", content, 32, 64, 0, 0, 64, 0, 0xFFFF)
    assert notes_on(program, bytes(content)) == ""


def test_a_32_bit_program_has_no_note_on_its_loader(program: Path) -> None:
    assert "loader" not in notes_on(program, elf(3, bits=1, loader="/nowhere"))


MACHO = b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C) + bytes(24)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (MACHO, "plugin is a macOS program"),
        (b"\xca\xfe\xba\xbe" + bytes(28), "plugin is a macOS program"),
        (b"MZ" + bytes(30), "plugin is a Windows program"),
        (b"", "plugin is empty"),
        (
            b"#!/nonexistent/python -u\n",
            "plugin needs the interpreter /nonexistent/python, which is missing",
        ),
        (
            b"#!/bin/sh\r\nexit\r\n",
            "plugin has Windows line ends, which hide its interpreter",
        ),
        (
            b"import sys\n",
            "plugin is neither a program nor a script that begins with #!",
        ),
    ],
)
def test_a_file_of_the_wrong_kind_is_recognised(
    program: Path, content: bytes, note: str
) -> None:
    assert notes_on(program, content, EXEC_FAILED) == note


def test_a_file_of_unknown_kind_that_started_needs_no_note(program: Path) -> None:
    """A kernel may know more formats than we do (binfmt_misc)."""
    assert notes_on(program, b"\0asm") == ""


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (elf(), "plugin is a Linux program"),
        (MACHO, ""),
        (MACHO.replace(b"\x0c\0\0\x01", b"\x07\0\0\x01"), "plugin is built for x86_64"),
        (MACHO[:4], ""),
    ],
)
def test_a_mac_has_its_own_notes(
    program: Path, content: bytes, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert notes_on(program, content).startswith(note)
    assert bool(notes_on(program, content)) == bool(note)


@pytest.mark.parametrize("content", [b"#!", b"#!\n", b"#!   \n"])
def test_a_script_that_names_no_interpreter_is_no_error(
    program: Path, content: bytes
) -> None:
    assert notes_on(program, content) == ""
