"""A script that starts a provider where it lies, with the interpreter it was made by.

Terraform hashes a package's folder again before each start. So a launcher imports
nothing from its own folder, where bytecode would appear: it is run with `-P`, and names
the folder of the sources. It does not look at its own path either, which is below
`.terraform` once it was installed.
"""

from __future__ import annotations

import shlex
import sys

from goplugin_py.terraform.packaging.address import ProviderAddress
from goplugin_py.terraform.packaging.entry import Entry

__all__ = ["launcher"]

# Linux before 5.1 took no more of a first line.
_MAX_FIRST_LINE = 127


def launcher(entry: Entry, address: ProviderAddress) -> bytes:
    """Return the script; the same for the same entry, address and interpreter."""
    parts = [_start(sys.executable), f"# The Terraform provider {address}.\n"]
    if entry.source is not None:
        parts.append(f"import sys\n\nsys.path.insert(0, {str(entry.source)!r})\n\n")
    parts.append(entry.statements(address))
    return "".join(parts).encode()


def _start(interpreter: str) -> str:
    """Return the first line, or what does its work if that can't name the interpreter.

    Then it is a shell that starts the interpreter, and Python reads the same lines as a
    text that it ignores.
    """
    line = f"#!{interpreter} -P\n"
    if len(line) <= _MAX_FIRST_LINE and not any(map(str.isspace, interpreter)):
        return line
    return f"#!/bin/sh\n'''exec' {shlex.quote(interpreter)} -P \"$0\" \"$@\"\n' '''\n"
