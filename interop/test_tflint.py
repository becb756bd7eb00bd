"""A real product in both directions: TFLint 0.64.0, with brokered connections.

`lint.py` takes the place of TFLint and drives its bundled ruleset, `ruleset.py` runs
under TFLint. Both are examples; they run as a user would run them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from goplugin_py import Client, ClientConfig
from interop.fixtures import binary

EXAMPLE = Path(__file__).parent.parent / "examples" / "tflint"
TIMEOUT = 60  # seconds; a run takes half a one, more on a busy machine

MAIN = """\
// A comment in C's style.
variable "names" {
  type = list(string)
}

locals {
  empty = var.names == []
  first = var.names.0
  sizes = { "small" = 1, "large" = 2, "small" = 3 }
}

resource "aws_s3_bucket" "log_bucket" {
  bucket = "# ${local.first}" /* größer, TODO */
  tags   = local.sizes # FIXME: tidy
}
"""
FOUND_BY_GO = [
    "main.tf:1:1: Warning - Comments should begin with # (terraform_comment_syntax)",
    (
        "main.tf:7:11: Warning - Comparing a collection with an empty list is invalid. "
        "To detect an empty collection, check its length. "
        "(terraform_empty_list_equality)"
    ),
    (
        "main.tf:8:20: Warning - List items should be accessed using square brackets "
        "(terraform_deprecated_index)"
    ),
    (
        'main.tf:9:39: Warning - Duplicate key: "small", first defined at '
        "main.tf:9,13-20 (terraform_map_duplicate_keys)"
    ),
]
FOUND_BY_PYTHON = [
    (
        'main.tf:12:26: Notice - "log_bucket" repeats "bucket" from its type '
        "(house_repeated_type)"
    ),
    "main.tf:13:42: Warning - TODO in a comment (house_unfinished)",
    "main.tf:14:26: Warning - FIXME in a comment (house_unfinished)",
]
WITHOUT_TERRAFORM = 'plugin "terraform" {\n  enabled = false\n}\n'


class Module:
    """A Terraform module in a directory of its own, and programs run there."""

    def __init__(self, path: Path, env: dict[str, str]) -> None:
        self.path = path
        self._env = env
        self.write("main.tf", MAIN)

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def read(self, name: str = "main.tf") -> str:
        return (self.path / name).read_text()

    def configure(self, house: str = "", more: str = WITHOUT_TERRAFORM) -> None:
        """Switch the Python ruleset on."""
        text = f'plugin "house" {{\n  enabled = true\n  {house}\n}}\n{more}'
        self.write(".tflint.hcl", text)

    def run(self, *command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.path,
            env={**self._env, **env},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def tflint(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run(binary("tflint"), "--format=compact", *options, **env)

    def lint(self, *options: str) -> subprocess.CompletedProcess[str]:
        script = EXAMPLE / "lint.py"
        return self.run(sys.executable, script, *options, binary("tflint"), "main.tf")


@pytest.fixture
def module(tmp_path: Path, short_tmp: Path) -> Iterator[Module]:
    """Give a module; fail if a program leaves a file in the temporary directory."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    launcher = plugins / "tflint-ruleset-house"
    launcher.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' '{EXAMPLE / 'ruleset.py'}'\n"
    )
    launcher.chmod(0o755)
    # Without what the user has set up for TFLint.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TFLINT_")}
    env = inherited | {
        "HOME": str(tmp_path),
        "TFLINT_PLUGIN_DIR": str(plugins),
        "TMPDIR": str(short_tmp),
    }
    path = tmp_path / "module"
    path.mkdir()
    yield Module(path, env)
    assert list(short_tmp.iterdir()) == []


def issues(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of issues, by line and column."""
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line.startswith("main.tf:")]
    assert done.returncode == (2 if lines else 0)
    return sorted(lines, key=lambda line: [int(n) for n in line.split(":")[1:3]])


# A Python host and TFLint's bundled ruleset


@pytest.mark.parametrize("link", [(), ("--plain",)], ids=["mtls", "plain"])
def test_go_ruleset_checks_files_for_a_python_host(
    module: Module, link: tuple[str, ...]
) -> None:
    """tflint-plugin-sdk: host2plugin.GRPCServer.Check dials what the host serves."""
    done = module.lint(*link)
    assert issues(done) == FOUND_BY_GO
    assert done.stdout.startswith(
        "ruleset terraform 0.15.0-bundled, SDK 0.25.0\n"
        "for TFLint >= 0.46\n"
        "20 rules, options: preset\n"
    )


def test_python_host_has_the_issues_that_tflint_has(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tflint: CLI.inspectModule, with the same rules."""
    monkeypatch.syspath_prepend(EXAMPLE)
    from lint import RULES

    assert issues(module.tflint(*(f"--only={rule}" for rule in RULES))) == FOUND_BY_GO


def test_python_host_writes_the_corrections_that_tflint_writes(module: Module) -> None:
    """tflint-plugin-sdk: plugin2host.GRPCClient.ApplyChanges."""
    rule = "--only=terraform_deprecated_index"
    assert issues(module.lint("--fix", rule)) == FOUND_BY_GO[2:3]
    corrected = module.read()
    assert corrected == MAIN.replace("names.0", "names[0]")
    assert issues(module.lint(rule)) == []

    module.write("main.tf", MAIN)
    module.tflint("--fix", rule)
    assert module.read() == corrected


def test_an_error_of_a_callback_comes_back_to_the_python_host(module: Module) -> None:
    """tflint-plugin-sdk: host2plugin.GRPCServer.Check, where a rule fails."""
    done = module.lint("--only=terraform_required_version")
    assert done.returncode == 1
    assert 'failed to check "terraform_required_version" rule' in done.stderr
    assert "Unimplemented" in done.stderr


# TFLint and a Python ruleset


def test_tflint_lists_the_python_ruleset(module: Module) -> None:
    """tflint: CLI.printVersion, getPluginVersions."""
    module.configure()
    assert "+ ruleset.house (0.1.0)" in module.tflint("--version").stdout


def test_tflint_shows_what_the_python_ruleset_finds(module: Module) -> None:
    """tflint: CLI.inspectModule; the ruleset dials the host inside Check."""
    module.configure()
    assert issues(module.tflint()) == FOUND_BY_PYTHON


def test_issues_of_the_python_ruleset_have_a_range(module: Module) -> None:
    """tflint: Runner.EmitIssue, jsonFormat."""
    module.configure()
    done = module.run(binary("tflint"), "--format=json", "--only=house_repeated_type")
    (issue,) = json.loads(done.stdout)["issues"]
    assert issue["rule"]["severity"] == "info"
    assert issue["range"] == {
        "filename": "main.tf",
        "start": {"line": 12, "column": 26},
        "end": {"line": 12, "column": 38},
    }


def test_both_rulesets_run_in_one_tflint(module: Module) -> None:
    """tflint: plugin.Discovery starts one process for each."""
    more = """
      plugin "terraform" {
        enabled = true
        preset  = "all"
      }
    """
    module.configure(more=more)
    found = issues(module.tflint())
    assert set(found) > {*FOUND_BY_GO, *FOUND_BY_PYTHON}


def test_tflint_configures_the_python_ruleset(module: Module) -> None:
    """tflint: launchPlugins, ApplyGlobalConfig and ApplyConfig."""
    module.configure('words = ["größer"]')
    assert issues(module.tflint()) == [
        FOUND_BY_PYTHON[0],
        "main.tf:13:34: Warning - größer in a comment (house_unfinished)",
    ]
    module.configure(more=f"{WITHOUT_TERRAFORM}config {{ disabled_by_default = true }}")
    assert issues(module.tflint()) == []
    assert issues(module.tflint("--only=house_unfinished")) == FOUND_BY_PYTHON[1:]
    off = 'rule "house_unfinished" { enabled = false }'
    module.configure(more=WITHOUT_TERRAFORM + off)
    assert issues(module.tflint()) == FOUND_BY_PYTHON[:1]


@pytest.mark.parametrize(
    ("house", "error"),
    [
        ("words = 3", 'words must be a list such as ["TODO"], not 3'),
        ("word = 3", 'Did you mean "words"?'),
    ],
    ids=["ruleset", "schema"],
)
def test_tflint_shows_what_is_wrong_with_the_configuration(
    module: Module, house: str, error: str
) -> None:
    """tflint: launchPlugins; the ruleset's status, and the ruleset's schema."""
    module.configure(house)
    done = module.tflint()
    assert done.returncode == 1
    assert error in done.stdout + done.stderr


def test_every_module_is_checked_at_once_and_logged(module: Module) -> None:
    """tflint: CLI.inspectModule checks all child modules in parallel."""
    module.configure()
    names = [f"child{number}" for number in range(30)]
    for name in names:
        module.write(f"{name}/main.tf", f"# TODO: fill {name}\n")
    calls = (f'module "{name}" {{\n  source = "./{name}"\n}}\n' for name in names)
    module.write("main.tf", "".join(calls))
    done = module.tflint("--only=house_unfinished", TFLINT_LOG="debug")
    # Issues of child modules are shown only where the root module passed the value.
    assert done.returncode == 0
    assert done.stderr.count("starting host-side gRPC server") == 31
    logged = [line for line in done.stderr.splitlines() if "TODO in a comment" in line]
    assert len(logged) == 30
    assert all("[DEBUG]" in line and "@module=house" in line for line in logged)


# The protocol itself


def test_our_proto_has_what_the_go_ruleset_reflects(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tflint-plugin-sdk: plugin/internal/proto, as served by gRPC reflection."""
    monkeypatch.syspath_prepend(EXAMPLE)
    import tflint_pb2
    from handshake import HANDSHAKE

    config = ClientConfig(
        command=[str(binary("tflint")), "--act-as-bundled-plugin"],
        handshake=HANDSHAKE,
        plugins={},
    )
    with Client(config) as client:
        database: Any = ProtoReflectionDescriptorDatabase(client.channel)
        theirs = DescriptorPool(database).FindServiceByName("proto.RuleSet").file
        assert facts(tflint_pb2.DESCRIPTOR) == facts(theirs)


def facts(file: FileDescriptor) -> FileDescriptorProto:
    """Describe a file without its name, options and order."""
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    proto.ClearField("name")
    proto.ClearField("options")
    for group in (proto.service, proto.message_type, proto.enum_type):
        group.sort(key=lambda described: described.name)
    for message in proto.message_type:
        put_in_order(message)
    return proto


def put_in_order(message: DescriptorProto) -> None:
    message.field.sort(key=lambda field: field.number)
    for field in message.field:
        field.ClearField("json_name")
    for group in (message.nested_type, message.enum_type):
        group.sort(key=lambda described: described.name)
    for nested in message.nested_type:
        put_in_order(nested)
