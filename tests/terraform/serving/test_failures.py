"""What goes wrong in an author's code, and what Terraform is told."""

import logging
from typing import Any, Literal

import pytest

from goplugin_py.terraform import ApplyFailed, DiagnosticError, FunctionFailed, State
from goplugin_py.terraform.resource import Resource as HostResource
from goplugin_py.terraform.serving import (
    UNKNOWN,
    DataSource,
    EphemeralResource,
    Nested,
    Nesting,
    Provider,
    ProviderError,
    attribute,
    block,
    warn,
)
from goplugin_py.terraform.serving.testing import provider_under_test
from tests.terraform.serving.served import Thing, served, served_resource


class Part(Nested):
    name: str
    sizes: dict[str, int] | None


class Breaking(Thing):
    id: str = attribute(computed=True, stable=True)
    how: str = ""
    size: int | None
    note: str = attribute(computed=True, stable=True)
    parts: list[Part] = block()
    some: list[Part] = block(nesting=Nesting.SET)

    def create(self) -> None:
        self.id, self.note = "made", ""
        self._break()

    def update(self, prior: "Breaking") -> None:
        self.note = "updated"
        self._break()

    def _break(self) -> None:
        match self.how:
            case "refuses":
                raise ProviderError("No", "Not today.", path="size")
            case "refuses inside":
                raise ProviderError("No", path=("parts", 0, "sizes", "big"))
            case "refuses in a set":
                raise ProviderError("No", path=("some", 0, "name"))
            case "exits":
                raise SystemExit(1)
            case "has a bug":
                raise ZeroDivisionError("a bug")
            case "half":
                self.save()
                raise ProviderError("Only half")
            case "changes":
                self.size = 99
            case "forgets":
                self.note = UNKNOWN

    def read(self) -> None:
        if self.how == "unreadable":
            raise OSError("cable cut")
        if self.how == "unknown":
            self.note = UNKNOWN

    def delete(self) -> None:
        if self.how == "stays":
            raise ProviderError("It stays", path="how")


@pytest.fixture
def breaking() -> Any:
    with served_resource(Breaking) as resource:
        yield resource


def made(breaking: HostResource, **config: object) -> State:
    state = breaking.plan(config).apply()
    assert state is not None
    return state


PARTS = [{"name": "p", "sizes": {"big": 1}}]
REFUSALS = {
    "with an attribute": ("refuses", "size", r"^size: No\nNot today\."),
    "deep inside": ("refuses inside", 'parts[0].sizes["big"]', "No"),
    "in a set, whose elements have no address": ("refuses in a set", "some", "No"),
}


@pytest.mark.parametrize(("how", "path", "text"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_a_diagnostic_with_its_path(
    how: str, path: str, text: str, breaking: HostResource
) -> None:
    with pytest.raises(ApplyFailed, match=text) as caught:
        made(breaking, how=how, parts=PARTS, some=PARTS)
    assert str(caught.value.path) == path
    assert caught.value.state is None


def test_an_unexpected_exception_is_short_for_users_and_whole_in_the_log(
    breaking: HostResource, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.ERROR, "goplugin.terraform.serving"),
        pytest.raises(ApplyFailed) as caught,
    ):
        made(breaking, how="has a bug")
    assert caught.value.summary == "Applying test_breaking failed"
    assert caught.value.detail.startswith("ZeroDivisionError: a bug\n")
    assert "Traceback" not in str(caught.value)
    [record] = [r for r in caplog.records if r.name == "goplugin.terraform.serving"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_an_exit_is_an_error_and_not_an_end(breaking: HostResource) -> None:
    """Nobody would answer the call otherwise."""
    with pytest.raises(ApplyFailed, match="SystemExit: 1"):
        made(breaking, how="exits")
    assert made(breaking)["id"] == "made"


def test_what_was_saved_survives_a_failed_creation(breaking: HostResource) -> None:
    """Terraform: a partial state of a creation is kept as tainted."""
    with pytest.raises(ApplyFailed, match="Only half") as caught:
        made(breaking, how="half", size=3)
    state = caught.value.state
    assert state is not None
    assert (state["id"], state["size"], state.is_tainted) == ("made", 3, True)


def test_a_failed_update_keeps_what_was_there_or_what_was_saved(
    breaking: HostResource,
) -> None:
    before = made(breaking, size=1)
    for how, size in (("refuses", 1), ("half", 2)):
        with pytest.raises(ApplyFailed) as caught:
            breaking.plan({"how": how, "size": 2}, before).apply()
        assert caught.value.state is not None
        assert caught.value.state["size"] == size


WRONG_ANSWERS = {
    "a planned value": ("changes", "size", "changed a planned value"),
    "an unknown value": ("forgets", "note", "left a value unknown"),
}


@pytest.mark.parametrize(
    ("how", "path", "text"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS
)
def test_a_wrong_answer_is_told_by_the_provider_and_kept(
    how: str, path: str, text: str, breaking: HostResource
) -> None:
    with pytest.raises(ApplyFailed, match=rf"Breaking\.create\(\) {text}") as caught:
        made(breaking, how=how, size=1)
    assert str(caught.value.path) == path
    assert caught.value.state is not None
    assert caught.value.state["id"] == "made"


def test_what_can_not_be_destroyed_is_still_there(breaking: HostResource) -> None:
    state = made(breaking, how="stays")
    with pytest.raises(ApplyFailed, match="It stays") as caught:
        breaking.destroy(state)
    assert caught.value.state is not None
    assert caught.value.state.value == state.value


def test_what_can_not_be_read_is_told(breaking: HostResource) -> None:
    with pytest.raises(DiagnosticError, match="OSError: cable cut"):
        breaking.read(made(breaking, how="unreadable"))
    with pytest.raises(DiagnosticError, match=r"note: Breaking\.read\(\) left a value"):
        breaking.read(made(breaking, how="unknown"))


def even(value: int) -> None:
    if value % 2:
        raise ValueError("it must be even")


def short(parts: list[Any]) -> None:
    if len(parts) > 1:
        raise ValueError("one is enough")


class Valid(Thing):
    class Inner(Nested):
        size: int | None = attribute(validators=[even])

    size: int | None = attribute(validators=[even])
    inner: list[Inner] | None = attribute(validators=[short])
    by_name: dict[str, Inner] | None
    some: list[Inner] = block(nesting=Nesting.SET)

    def validate(self) -> None:
        if self.size == 6:
            raise ProviderError("Not six", path="size")


INVALID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an attribute": ({"size": 1}, ["size: It must be even"]),
    "a fraction": ({"size": 0.5}, ["size: A whole number is required"]),
    "in a list": ({"inner": [{"size": 1}]}, ["inner[0].size: It must be even"]),
    "in a map": (
        {"by_name": {"a": {"size": 1}}},
        ['by_name["a"].size: It must be even'],
    ),
    "in a set": ({"some": [{"size": 1}]}, ["some: It must be even"]),
    "a whole": ({"inner": [{}, {}]}, ["inner: One is enough"]),
    "several": (
        {"size": 1, "inner": [{"size": 3}]},
        ["inner[0].size: It must be even", "size: It must be even"],
    ),
    "all together": ({"size": 6}, ["size: "]),
}


@pytest.mark.parametrize(("config", "told"), INVALID.values(), ids=INVALID)
def test_an_invalid_configuration_is_told_by_attribute(
    config: dict[str, Any], told: list[str]
) -> None:
    with served_resource(Valid) as valid, pytest.raises(DiagnosticError) as caught:
        valid.validate(config)
    found = [f"{each.path}: {each.detail}" for each in caught.value.diagnostics]
    assert len(found) == len(told)
    assert all(map(str.startswith, found, told)), found


def test_validators_wait_for_what_is_unknown() -> None:
    unknown = {"size": UNKNOWN, "inner": UNKNOWN, "some": UNKNOWN}
    with served_resource(Valid) as valid:
        valid.validate(unknown)
        valid.validate({"inner": [UNKNOWN]})


def test_a_host_without_write_only_attributes_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """terraform-plugin-framework: `WriteOnly Attribute Not Allowed`."""

    class Secret(Thing):
        key: str | None = attribute(write_only=True)

    from goplugin_py.terraform.protocol import Protocol

    monkeypatch.setattr(
        Protocol, "capabilities", lambda self: self.messages.ClientCapabilities()
    )
    with served_resource(Secret) as secret:
        secret.validate({})
        with pytest.raises(DiagnosticError, match=r"^key: Write-only .* not supp"):
            secret.validate({"key": "k"})


class Fickle(DataSource):
    name: str
    size: int = attribute(computed=True)

    def read(self) -> None:
        if self.name == "changes":
            self.name, self.size = "other", 1
        if self.name == "forgets":
            self.size = UNKNOWN


class Leak(EphemeralResource):
    name: str

    def open(self) -> None:
        self.private["name"] = self.name
        self.name = "other"

    def close(self) -> None:
        CLOSED.append(self.private["name"])


CLOSED: list[str] = []


def test_data_sources_and_ephemeral_resources_keep_what_is_configured() -> None:
    with served(Fickle, Leak) as provider:
        source = provider.data_source("test_fickle")
        for name, text in (("changes", "changed what"), ("forgets", "left a value")):
            with pytest.raises(DiagnosticError, match=rf"Fickle\.read\(\) {text}"):
                source.read({"name": name})
        with pytest.raises(DiagnosticError, match=r"Leak\.open\(\) changed what"):
            provider.ephemeral_resource("test_leak").open({"name": "mine"})
    assert CLOSED == ["mine"]


def test_functions_fail_with_the_argument_to_blame() -> None:
    def divide(one: int, *others: int) -> int:
        warn("Careful")
        if 0 in others:
            raise ProviderError("Can't divide", "By nothing.", path="others")
        return one // others[0] if others else "nothing"  # type: ignore[return-value]

    def pick(size: Literal["s", "l"]) -> str:
        return size

    with served(divide, pick) as provider:
        with pytest.raises(FunctionFailed, match="It must be one of 's', 'l'") as told:
            provider.function("pick")("m")
        assert told.value.argument == 0
        call = provider.function("divide")
        assert call(6, 3) == 2
        for arguments, position, text in (
            ((1, 0), 1, r"Can't divide: By nothing\."),
            ((1.5,), 0, "whole number is required"),
            ((1,), None, "divide returned something else than it says"),
        ):
            with pytest.raises(FunctionFailed, match=text) as caught:
                call(*arguments)
            assert caught.value.argument == position


def test_a_provider_refuses_its_configuration() -> None:
    class TestProvider(Provider):
        region: str | None
        size: int = attribute(default=2, validators=[even])

        def validate(self) -> None:
            if self.region == "mars":
                raise ProviderError("Too far", path="region")

        def configure(self) -> None:
            if self.region == "sea":
                raise ProviderError("Too wet", path="region")

    with provider_under_test(TestProvider()) as provider:
        for config, text in (
            ({"region": "mars"}, "^region: Too far"),
            ({"region": "sea"}, "^region: Too wet"),
            ({"size": 1}, "^size: .*\nIt must be even"),
        ):
            with pytest.raises(DiagnosticError, match=text):
                provider.configure(config)
        provider.configure({})
