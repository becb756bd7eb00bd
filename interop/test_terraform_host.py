"""The host kit with HashiCorp's time provider, unchanged (protocol 5)."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goplugin_py.terraform import (
    UNKNOWN,
    Action,
    DiagnosticError,
    FunctionFailed,
    InvalidConfig,
    Provider,
)
from interop.fixtures import binary

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def time(nothing_left: object) -> Iterator[Provider]:
    with Provider.launch(binary("terraform-provider-time")) as provider:
        provider.configure({})
        yield provider


def test_a_resource_goes_through_its_life(time: Provider) -> None:
    """terraform-provider-time: `time_sleep`, which waits when it is created."""
    assert time.protocol_version == 5
    sleep = time.resource("time_sleep")
    plan = sleep.plan({"create_duration": "1ms"})
    assert plan.action is Action.CREATE
    assert plan["create_duration"] == "1ms"
    assert plan["id"] == UNKNOWN
    state = plan.apply()
    assert state is not None
    assert state["create_duration"] == "1ms"
    assert state["id"].endswith("Z")

    assert sleep.read(state) == state
    assert sleep.plan({"create_duration": "1ms"}, state).action is Action.NO_OP
    update = sleep.plan({"create_duration": "2ms"}, state)
    assert update.action is Action.UPDATE
    state = update.apply()
    assert state is not None
    replacement = sleep.plan({"create_duration": "2ms", "triggers": {"a": "b"}}, state)
    assert replacement.action is Action.REPLACE
    assert [str(path) for path in replacement.requires_replace] == ["triggers"]
    state = replacement.apply()
    assert state is not None
    assert state["triggers"] == {"a": "b"}
    sleep.destroy(state)


def test_a_resource_is_imported_and_upgraded(time: Provider) -> None:
    """terraform-provider-time: `time_static` is its id."""
    static = time.resource("time_static")
    state = static.import_state("2020-02-12T06:36:13Z")
    assert (state["year"], state["unix"]) == (2020, 1581489373)
    again = static.upgrade(state.to_json(), state.schema_version)
    assert again == state
    with pytest.raises(DiagnosticError, match="Import time static error"):
        static.import_state("never")


def test_a_function_is_called_without_a_configuration(nothing_left: object) -> None:
    """terraform-provider-time: `rfc3339_parse` and `duration_parse`."""
    with Provider.launch(binary("terraform-provider-time")) as time:
        parsed = time.function("rfc3339_parse")("2026-01-02T03:04:05Z")
        assert (parsed["year"], parsed["weekday_name"]) == (2026, "Friday")
        assert time.function("duration_parse")("90m")["hours"] == 1.5
        with pytest.raises(FunctionFailed, match="not a valid RFC3339") as caught:
            time.function("rfc3339_parse")("never")
        assert caught.value.argument == 0


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"create_duration": 1}, "create_duration"),
        ({"duration": "1s"}, "duration"),
        ({"triggers": {"a": 1}}, 'triggers["a"]'),
        ({"id": "x"}, "id"),
    ],
)
def test_a_bad_configuration_is_told_by_the_host(
    time: Provider, config: dict[str, object], place: str
) -> None:
    with pytest.raises(InvalidConfig) as caught:
        time.resource("time_sleep").plan(config)
    assert str(caught.value.path) == place


def test_what_only_the_provider_knows_is_told_by_it(time: Provider) -> None:
    """terraform-plugin-framework: a validator's diagnostic has the attribute's path."""
    with pytest.raises(DiagnosticError) as caught:
        time.resource("time_sleep").plan({"create_duration": "never"})
    assert not isinstance(caught.value, InvalidConfig)
    assert str(caught.value.path) == "create_duration"
    assert caught.value.summary == "Invalid Attribute Value Match"


def test_the_documentation_shows_what_works(
    nothing_left: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/terraform.md: the first program, which finds the provider by its name."""
    text = (ROOT / "docs" / "terraform.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    (tmp_path / "terraform-provider-time").symlink_to(binary("terraform-provider-time"))
    monkeypatch.setenv("PATH", str(tmp_path))
    names: dict[str, Any] = {"Provider": Provider}
    exec(found[1].replace("1s", "1ms"), names)
    assert names["state"]["create_duration"] == "1ms"
    assert names["parsed"]["month_name"] == "January"


def test_the_example_goes_through_a_resources_life(nothing_left: object) -> None:
    """examples/terraform_host/host.py."""
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "examples" / "terraform_host" / "host.py",
            binary("terraform-provider-time"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "create: Unknown()"
    assert done.stdout.splitlines()[2:] == [
        "replace because of triggers",
        "a Friday in January",
    ]
