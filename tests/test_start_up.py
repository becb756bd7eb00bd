"""What a hello host imports until it spawns, and a hello plugin until its line.

Start-up time is a feature; modules are counted, because times depend on the machine.
What `import grpc` and the generated stubs load is not ours to save.
"""

import functools
from typing import Any

import pytest

from tests.peers import ROOT, identity_of, run_python

STUBS = "import grpc, kv_pb2_grpc"
REPORT = "print('\\n', *sorted(sys.modules), file=sys.__stdout__, flush=True)"

# The audit event is the last one before the program runs.
HOST = f"""
import os, sys
from kv_pb2_grpc import KVStub
from goplugin_py import Client, ClientConfig, HandshakeConfig, Plugin

def hook(event, args):
    if event == "subprocess.Popen" and "hello-plugin" in str(args[:2]):
        {REPORT}
        os._exit(0)

config = ClientConfig(
    command=["/bin/sh", "-c", ": hello-plugin"],
    handshake=HandshakeConfig(1, "BASIC_PLUGIN", "hello"),
    plugins={{"kv": Plugin.from_stub(KVStub)}},
    auto_mtls=sys.argv[1] == "mtls",
)
sys.addaudithook(hook)
Client(config).start()
"""

PLUGIN = f"""
import os, sys
from kv_pb2_grpc import KVServicer, add_KVServicer_to_server
from goplugin_py import HandshakeConfig, Plugin, PluginServer, ServeConfig

kv = Plugin.from_servicer(add_KVServicer_to_server, KVServicer())
handshake = HandshakeConfig(1, "BASIC_PLUGIN", "hello")
server = PluginServer(ServeConfig(handshake=handshake, plugins={{"kv": kv}}))
server.start()
{REPORT}
os._exit(0)
"""

# What some hosts and plugins need, and a hello does not.
UNNEEDED = (
    "asyncio",
    "cryptography.hazmat.backends",
    "cryptography.x509",
    "email",
    "goplugin_py.aio",
    "goplugin_py.registry",
    "goplugin_py.supervisor",
    "goplugin_py.terraform",
    "goplugin_py.wire.yamux",
    "grpc_health.v1",
    "grpc_reflection.v1alpha",
    "http",
    "importlib.metadata",
    "multiprocessing",
    "shutil",
    "structlog",
    "tempfile",
    "unittest",
    "urllib",
    "uuid",
    "xml",
    "yaml",
)
HOSTS_ONLY = (
    "goplugin_py.client",
    "goplugin_py.config.client",
    "goplugin_py.launch",
    "goplugin_py.process.runner",
)
PLUGINS_ONLY = ("goplugin_py.config.serve", "goplugin_py.hosted", "goplugin_py.serving")

# Modules that we add to those of the stubs: measured 81, 102, 69 and 98. A tenth more
# leaves room for a file that is split, and none for a new dependency.
BUDGETS = {"host-plain": 90, "host-mtls": 113, "plugin-plain": 76, "plugin-mtls": 108}


@functools.cache
def modules(side: str) -> frozenset[str]:
    """Return the modules that a side adds to what the stubs load."""
    environ: Any = {"PYTHONPATH": f"{ROOT}:{ROOT / 'examples' / 'kv'}"}
    floor, _ = run_python(f"import sys\n{STUBS}\n{REPORT}", **environ)
    program, link = side.split("-")
    source = {"host": HOST, "plugin": PLUGIN}[program]
    if program == "plugin":
        environ |= {"BASIC_PLUGIN": "hello", "PLUGIN_PROTOCOL_VERSIONS": "1"}
    if side == "plugin-mtls":
        environ["PLUGIN_CLIENT_CERT"] = identity_of("host").certificate_pem
    report, _ = run_python(source, link, **environ)
    return frozenset(_last_line(report)) - frozenset(_last_line(floor))


def _last_line(report: str) -> list[str]:
    return report.strip().splitlines()[-1].split()


def among(found: frozenset[str], names: tuple[str, ...]) -> set[str]:
    """Return which of the names, or anything below them, were found."""
    return {
        each for each in found for name in names if f"{each}.".startswith(f"{name}.")
    }


@pytest.mark.parametrize("side", BUDGETS)
def test_a_hello_imports_nothing_that_it_does_not_need(side: str) -> None:
    others = PLUGINS_ONLY if side.startswith("host") else HOSTS_ONLY
    secure = () if side.endswith("mtls") else ("cryptography", "ssl", "secrets")
    assert among(modules(side), (*UNNEEDED, *others, *secure)) == set()


@pytest.mark.parametrize("side", BUDGETS)
def test_a_hello_imports_no_more_modules_than_its_budget(side: str) -> None:
    """Or else: import it where it is used, or argue for a larger budget."""
    found = modules(side)
    assert len(found) <= BUDGETS[side], sorted(found)


def test_the_report_sees_the_spawn_and_the_line() -> None:
    """Without these in it, the budgets would count something else."""
    assert "goplugin_py.process.local" in modules("host-plain")
    assert "goplugin_py.wire.certificates" in modules("host-mtls")
    assert "goplugin_py.serving" in modules("plugin-plain")
    assert among(modules("plugin-mtls"), ("cryptography",))
