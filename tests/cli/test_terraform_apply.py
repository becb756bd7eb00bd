"""The command line: `goplugin terraform apply`, and the state that it keeps."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terraform import UPGRADED, Terraform, config, words
from tests.peers import ROOT, SCRIPT_WAIT


def test_a_thing_is_made_and_kept(terraform: Terraform) -> None:
    assert terraform.apply(config("a", any=[0.1, 2**70])) == 0
    assert terraform.out.splitlines()[-1] == f"done: the state is in {terraform.state}"
    assert terraform.stored == {
        "type": "fake_thing",
        "schema_version": 3,
        "attributes": {
            "any": {"value": [0.1, 2**70], "type": ["tuple", ["number", "number"]]},
            "id": "1",
            "name": "a",
            "password": None,
            "size": 7,
            "zone": None,
        },
        "private": "a2VwdA==",
        "identity": {"id": "1"},
        "identity_schema_version": 1,
    }


def test_a_thing_is_changed_and_destroyed(terraform: Terraform) -> None:
    """Each command is a new process; between them there is but the file."""
    terraform.apply(config("a"))
    assert terraform.apply(config("a", zone=UPGRADED, size=9), "--json") == 0
    assert terraform.value["change"]["actions"] == ["update"]
    assert terraform.value["state"]["size"] == 9
    assert terraform.stored["attributes"]["size"] == 9
    assert terraform.apply("--destroy") == 0
    assert terraform.out.splitlines()[-1] == "done"
    assert not terraform.state.exists()
    assert terraform.apply("--destroy") == 0
    assert "nothing to destroy" in terraform.out


@pytest.mark.parametrize(
    ("name", "complaint", "size"),
    [("half", "size: Only half", 7), ("unknown", "size: Provider returned", None)],
)
def test_what_was_made_halfway_is_kept(
    terraform: Terraform, name: str, complaint: str, size: object
) -> None:
    """And replaced by the next apply, as it is tainted."""
    assert terraform.apply(config(name)) == 1
    assert terraform.err.startswith(f"goplugin: {complaint}")
    assert str(terraform.state) in terraform.err
    assert terraform.stored["status"] == "tainted"
    assert terraform.stored["attributes"]["size"] == size
    terraform.plan(config("a"))
    head = terraform.out.splitlines()[0]
    assert head == "fake_thing will be replaced, because its creation failed"


def test_a_provider_that_dies_leaves_the_last_known_state(terraform: Terraform) -> None:
    terraform.apply(config("a"))
    terraform.state.write_text(terraform.state.read_text().replace('"a"', '"dies"'))
    before = terraform.stored["attributes"]
    assert terraform.apply(config("dies", zone=UPGRADED, size=9)) == 1
    assert "the change may have happened in part" in terraform.err
    assert terraform.stored["attributes"] == before | {"zone": UPGRADED}


def test_what_is_gone_after_half_a_replacement_is_not_kept(
    terraform: Terraform,
) -> None:
    """The old thing was destroyed, and the provider died while it made the new one."""
    terraform.apply(config("a"))
    assert terraform.apply(config("dies", zone="z")) == 1
    assert not terraform.state.exists()


def test_a_thing_that_was_not_destroyed_stays(terraform: Terraform) -> None:
    terraform.apply(config("stays"))
    assert terraform.apply("--destroy") == 1
    assert terraform.stored["attributes"]["name"] == "stays"


def test_a_state_is_the_users_alone_and_replaced_whole(terraform: Terraform) -> None:
    """Through a link, too; and no temporary file stays behind."""
    terraform.state.write_text("old")
    link = terraform.state.with_name("link.json")
    terraform.state.unlink()
    link.symlink_to(terraform.state)
    arguments = ["fake_thing", config("a"), "--state", str(link)]
    assert terraform("apply", *arguments) == 0
    assert link.is_symlink()
    assert stat.S_IMODE(terraform.state.stat().st_mode) == 0o600
    assert sorted(terraform.state.parent.iterdir()) == [link, terraform.state]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "can't read the state in "),
        ("[]", "can't read the state in "),
        ('{"type": "fake_thing"}', "can't read the state in "),
        ('{"type": "time_sleep"}', "has a 'time_sleep', not a 'fake_thing'"),
    ],
    ids=["no JSON", "no object", "without fields", "of another type"],
)
def test_another_file_is_no_state_and_stays(
    terraform: Terraform, text: str, complaint: str
) -> None:
    terraform.state.write_text(text)
    assert terraform.apply(config("a")) == 2
    assert complaint in terraform.err
    assert terraform.state.read_text() == text


def test_a_place_that_takes_no_file_is_found_out_before(
    terraform: Terraform, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere" / "state.json")
    assert terraform("apply", "fake_thing", config("a"), "--state", nowhere) == 2
    assert f"can't write a state into {tmp_path / 'nowhere'}" in terraform.err
    assert terraform.out == ""


def test_a_state_that_cannot_be_written_is_shown(
    terraform: Terraform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been hours of work: a full disk must not lose it."""

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    assert terraform.apply(config("a")) == 1
    assert "disk full; this is what exists, keep it:" in terraform.err
    assert '"id": "1"' in terraform.err
    assert list(terraform.state.parent.iterdir()) == []


def test_ctrl_c_stops_the_provider_and_keeps_what_it_has_done(
    terraform: Terraform,
) -> None:
    """The fake's apply waits until it is asked to stop."""
    arguments = ["fake_thing", config("waits"), "--state", str(terraform.state)]
    with subprocess.Popen(
        [sys.executable, "-m", "goplugin_py", *words("apply", *arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert "applying\n" in iter(process.stdout.readline, "")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=SCRIPT_WAIT)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "asked the provider to stop" in errors
    assert "Stopped" in errors
    assert terraform.stored["status"] == "tainted"


def test_a_state_file_must_be_named(
    terraform: Terraform, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        terraform("apply", "fake_thing", config("a"))
    assert caught.value.code == 2
    assert "--state" in capsys.readouterr().err
