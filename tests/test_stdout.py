"""Keeping stdout clean for the handshake line."""

from goplugin_py.stdout import real_stdout
from tests.peers import run_python

GUARD = """
import ctypes, os, subprocess, sys
sys.stdout.write("before,")
from goplugin_py import guard_stdout
guard_stdout()
guard_stdout()
print("python")
os.write(1, b"raw\\n")
ctypes.CDLL(None).puts(b"libc")
ctypes.CDLL(None).fflush(None)
subprocess.run(["echo", "child"], check=True)
from goplugin_py.stdout import real_stdout
sys.stdout.flush()
os.write(real_stdout(), b"line\\n")
"""


def test_what_imports_print_goes_to_stderr_whoever_prints_it() -> None:
    stdout, stderr = run_python(GUARD)
    assert stdout == "before,line\n"
    assert sorted(stderr.split()) == ["child", "libc", "python", "raw"]


def test_a_program_without_a_stdout_object_can_be_guarded() -> None:
    source = """
import sys
sys.stdout = None
from goplugin_py import guard_stdout
guard_stdout()
"""
    assert run_python(source) == ("", "")


def test_without_a_guard_the_real_stdout_is_descriptor_1() -> None:
    assert real_stdout() == 1


def test_the_real_stdout_is_not_inherited() -> None:
    """A child that kept it would keep the host waiting for its end."""
    source = """
import os
from goplugin_py.stdout import guard_stdout, real_stdout
guard_stdout()
assert real_stdout() > 2 and not os.get_inheritable(real_stdout())
"""
    run_python(source)
