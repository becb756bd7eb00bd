"""What a look at an executable says about why it would not start."""

import os
import platform
import stat
import struct
from collections.abc import Iterator

_ELF_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_MACHO_CPUS = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
_PE_MAGIC = b"MZ"
_MACHO_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_PT_INTERP = 3
_HEAD_SIZE = 4096
_ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "armv7l": "arm", "i686": "i386"}


def diagnose(path: str, failure: OSError | None = None) -> list[str]:
    """Return notes about the file at `path`, one sentence each.

    Says what go-plugin's `additionalNotesAboutCommand` says, and names a missing
    interpreter or loader, which the system reports as a missing file.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as exc:
        return [f"{path}: {exc.strerror}"]
    if stat.S_ISDIR(mode):
        return [f"{path} is a directory"]
    if not stat.S_ISREG(mode):
        return [f"{path} is no regular file"]  # a pipe would be waited for
    notes = [*_permission(path, mode)]
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_SIZE)
    except OSError as exc:
        return [*notes, f"{path} can't be read: {exc.strerror}"]
    return [*notes, *_format(path, head, failure)]


def _permission(path: str, mode: int) -> Iterator[str]:
    if not os.access(path, os.X_OK):
        yield (f"{path} is not executable (mode {stat.filemode(mode)}): chmod +x it")


def _format(path: str, head: bytes, failure: OSError | None) -> Iterator[str]:
    if head.startswith(b"\x7fELF"):
        yield from _elf(path, head)
    elif head.startswith(_MACHO_MAGICS):
        yield from _macho(path, head)
    elif head.startswith(_PE_MAGIC):
        if os.name != "nt":
            yield f"{path} is a Windows program"
    elif head.startswith(b"#!"):
        yield from _script(path, head)
    elif not head:
        yield f"{path} is empty"
    elif failure is not None:
        yield f"{path} is neither a program nor a script that begins with #!"


def _elf(path: str, head: bytes) -> Iterator[str]:
    if platform.system() != "Linux":
        yield f"{path} is a Linux program"
        return
    if len(head) < 64:
        yield f"{path} is a truncated program"
        return
    order = "<" if head[5] == 1 else ">"
    (machine,) = struct.unpack_from(order + "H", head, 18)
    yield from _machine(path, _ELF_MACHINES.get(machine, f"ELF machine {machine}"))
    if head[4] == 2:
        loader = _elf_loader(head, order)
        if loader and not os.path.exists(loader):
            yield f"{path} needs the loader {loader}, which is missing on this system"


def _elf_loader(head: bytes, order: str) -> str:
    """Return the path in a 64-bit program's PT_INTERP segment, if it has one."""
    (offset,) = struct.unpack_from(order + "Q", head, 32)
    size, count = struct.unpack_from(order + "HH", head, 54)
    for start in range(offset, offset + size * count, size or 1):
        if start + 56 > len(head):
            break
        kind, _, where, _, _, length = struct.unpack_from(order + "IIQQQQ", head, start)
        if kind == _PT_INTERP:
            return os.fsdecode(head[where : where + length].rstrip(b"\0"))
    return ""


def _macho(path: str, head: bytes) -> Iterator[str]:
    if platform.system() != "Darwin":
        yield f"{path} is a macOS program"
    elif head.startswith(_MACHO_MAGICS[0]) and len(head) >= 8:
        (cpu,) = struct.unpack_from("<I", head, 4)
        yield from _machine(path, _MACHO_CPUS.get(cpu, f"Mach-O CPU {cpu}"))


def _machine(path: str, machine: str) -> Iterator[str]:
    ours = platform.machine().lower()
    if machine != _ALIASES.get(ours, ours):
        yield f"{path} is built for {machine}, this machine is {ours}"


def _script(path: str, head: bytes) -> Iterator[str]:
    line = head[2:].split(b"\n", 1)[0]
    words = os.fsdecode(line).split()
    if line.endswith(b"\r"):
        yield f"{path} has Windows line ends, which hide its interpreter"
    elif words and not os.path.exists(words[0]):
        yield f"{path} needs the interpreter {words[0]}, which is missing"
