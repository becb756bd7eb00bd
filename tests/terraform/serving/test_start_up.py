"""What a provider imports until its line, which Terraform waits for several times.

Modules are counted, as in tests/test_start_up.py: times depend on the machine.
"""

import functools
from typing import Any

from tests.peers import ROOT, run_python

EXAMPLE = ROOT / "examples" / "terraform_provider"
# What the example uses itself, and the stubs of the protocol.
FLOOR = "import json, pathlib, sys, tempfile, goplugin_py.terraform.tfplugin6"
REPORT = "print('\\n', *sorted(sys.modules), file=sys.__stdout__, flush=True)"
PROVIDER = f"""
import os, sys
from provider import NotesProvider
from goplugin_py import PluginServer
from goplugin_py.terraform.serving import serve_config
PluginServer(serve_config(NotesProvider())).start()
{REPORT}
os._exit(0)
"""

# Needed for the first call, or by hosts, or for the other protocol.
LATER = {
    "_decimal",
    "msgpack",
    "goplugin_py._pb.tfplugin5_pb2",
    "goplugin_py.client",
    "goplugin_py.terraform.cty",
    "goplugin_py.terraform.provider",
    "goplugin_py.terraform.schema",
    "goplugin_py.terraform.serving.debug",
    "goplugin_py.terraform.serving.servicer",
    "typing_extensions",
}

# Measured 73, and a tenth for a file that is split: there is no room for a dependency.
BUDGET = 80


@functools.cache
def modules() -> frozenset[str]:
    """Return the modules that a provider adds to what it can't do without."""
    path = f"{ROOT}:{EXAMPLE}"
    environ: Any = {"PYTHONPATH": path, "PLUGIN_PROTOCOL_VERSIONS": "5,6"}
    floor, _ = run_python(f"{FLOOR}\n{REPORT}", **environ)
    report, _ = run_python(PROVIDER, **environ)
    return frozenset(report.split()) - frozenset(floor.split())


def test_a_provider_leaves_for_the_first_call_what_that_needs() -> None:
    assert modules() & LATER == set()


def test_a_provider_imports_no_more_modules_than_its_budget() -> None:
    """Or else: import it where it is used, or argue for a larger budget."""
    assert len(modules()) <= BUDGET, sorted(modules())


def test_the_report_sees_the_server() -> None:
    """Without these in it, the budget would count something else."""
    assert {"goplugin_py.serving", "grpc._server", "provider"} <= modules()
