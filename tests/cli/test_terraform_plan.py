"""The command line: `goplugin terraform plan`."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terraform import UPGRADED, Terraform, config, words
from tests.peers import ROOT, SCRIPT_WAIT


def test_a_plan_has_a_line_for_each_value(terraform: Terraform) -> None:
    assert terraform.plan(config("a", any={"deep": [0.1, None]})) == 0
    assert terraform.out.splitlines() == [
        "fake_thing will be created",
        "  + any.deep[0] = 0.1",
        "  + id          = (known after apply)",
        '  + name        = "a"',
        "  + size        = (known after apply)",
    ]
    assert terraform.err == ""
    assert not terraform.state.exists()


def test_a_plan_tells_machines_what_terraform_tells_them(terraform: Terraform) -> None:
    """Terraform: `jsonplan.Change`."""
    assert terraform.plan(config("a", size=2**70), "--json") == 0
    assert terraform.value == {
        "type": "fake_thing",
        "change": {
            "actions": ["create"],
            "before": None,
            "after": {
                "any": None,
                "name": "a",
                "password": None,
                "size": 2**70,
                "zone": None,
            },
            "after_unknown": {"id": True},
            "before_sensitive": False,
            "after_sensitive": {},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "head", "line"),
    [
        (
            [config("a", zone=UPGRADED, size=9)],
            "will be updated in place",
            "~ size = 7 -> 9",
        ),
        (
            [config("a", zone="z", size=7)],
            "will be replaced, because of zone",
            f'~ zone = "{UPGRADED}" -> "z"',
        ),
        ([config("a", zone=UPGRADED)], "needs no change", ""),
        (
            [config("a", zone=UPGRADED), "--replace"],
            "will be replaced",
            '~ id   = "1" -> (known after apply)',
        ),
        (["--destroy"], "will be destroyed", '- name = "a"'),
    ],
    ids=["update", "replacement", "nothing", "forced replacement", "destruction"],
)
def test_a_plan_starts_from_what_exists(
    terraform: Terraform, arguments: list[str], head: str, line: str
) -> None:
    """The fake upgrades the stored state, and says so in its zone."""
    assert terraform.apply(config("a")) == 0
    assert terraform.plan(*arguments) == 0
    first, *others = terraform.out.splitlines()
    assert first == f"fake_thing {head}"
    assert (f"  {line}" in others) if line else not others


def test_a_plan_to_destroy_tells_machines_so(terraform: Terraform) -> None:
    assert terraform.apply(config("a")) == 0
    terraform.plan("--destroy", "--json")
    assert terraform.value["change"]["actions"] == ["delete"]
    assert terraform.value["change"]["after"] is None


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_configuration_comes_from_elsewhere(
    terraform: Terraform, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(config("from afar"))
    monkeypatch.setattr(sys, "stdin", io.StringIO(config("from afar")))
    where = f"@{tmp_path}/config.json" if source == "file" else "-"
    assert terraform.plan(where) == 0
    assert '= "from afar"' in terraform.out


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["{"], 2, "not JSON: "),
        (["[]"], 2, "a configuration is an object in JSON, not '[]'"),
        (["@/nothing"], 2, "can't read '/nothing': "),
        (['{"nam": 1, "name": "a"}'], 2, "nam: Unsupported argument"),
        (['{"name": 1}'], 2, "name: Incorrect attribute value type"),
        ([config("refused")], 1, "name: Refused name\nIt is a fake."),
        ([config("misplanned")], 1, "zone: Provider produced an invalid plan"),
        (
            [config("a"), "--provider-config", '{"token": "wrong"}'],
            1,
            "token: Wrong token",
        ),
    ],
    ids=[
        *("no JSON", "no object", "no file", "unknown attribute", "wrong type"),
        *("refused by the provider", "bad plan", "provider's configuration"),
    ],
)
def test_what_is_wrong_is_explained(
    terraform: Terraform, arguments: list[str], status: int, complaint: str
) -> None:
    """2 is for what never reached the provider."""
    assert terraform.plan(*arguments) == status
    assert terraform.err.startswith(f"goplugin: {complaint}")
    assert terraform.out == ""


def test_a_resource_type_that_is_not_there_is_explained(terraform: Terraform) -> None:
    assert terraform("plan", "fake_thong", "{}") == 1
    assert "no resource 'fake_thong'; it has: fake_thing" in terraform.err


def test_a_warning_is_shown_beside_the_plan(terraform: Terraform) -> None:
    arguments = [config("a"), "--provider-config", '{"token": "old"}']
    assert terraform.plan(*arguments) == 0
    assert terraform.err == "warning: token: Old token\nIt is a fake.\n"
    assert terraform.out.startswith("fake_thing will be created")


def test_a_terminal_gets_colours() -> None:
    control, terminal = pty.openpty()
    try:
        subprocess.run(
            [
                *(sys.executable, "-m", "goplugin_py"),
                *words("plan", "fake_thing", config("a")),
            ],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            timeout=SCRIPT_WAIT,
            check=True,
        )
        shown = os.read(control, 1 << 16).decode()
    finally:
        os.close(control)
        os.close(terminal)
    assert "\x1b[1mfake_thing will be created" in shown
    assert '\x1b[32m  + name = "a"' in shown
