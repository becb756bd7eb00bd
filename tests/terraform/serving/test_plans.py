"""What is planned, and what authors may do about it."""

from typing import Any

import pytest

from goplugin_py.terraform import Action, DiagnosticError, ProviderWarning, State
from goplugin_py.terraform.resource import Resource as HostResource
from goplugin_py.terraform.serving import (
    UNKNOWN,
    Nested,
    Nesting,
    ProviderError,
    attribute,
    block,
    report,
    warn,
)
from tests.terraform.serving.served import Thing, served_resource


class Rule(Nested):
    port: int = attribute(requires_replace=True)
    id: str = attribute(computed=True, stable=True)
    note: str = "none"
    secret: str | None = attribute(write_only=True)


class Tag(Nested):
    name: str
    kind: str = "plain"


class Host(Thing):
    id: str = attribute(computed=True, stable=True)
    name: str
    at: str = attribute(computed=True)
    size: int = 1
    zone: str | None = attribute(computed=True)
    key: str | None = attribute(write_only=True)
    rules: list[Rule] = block()
    main: Rule | None
    by_name: dict[str, Rule] | None
    tags: list[Tag] | None = attribute(nesting=Nesting.SET)

    def create(self) -> None:
        self.id = "1"
        self._decide()

    def update(self, prior: "Host") -> None:
        self._decide()

    def _decide(self) -> None:
        self.at = "now"
        self.zone = "z" if self.zone is UNKNOWN else self.zone
        rules = [*self.rules, *(self.by_name or {}).values()]
        for rule in [*rules, *([self.main] if self.main else [])]:
            rule.id = "r" if rule.id is UNKNOWN else rule.id


def made(host: HostResource, **config: object) -> State:
    state = host.plan({"name": "a", **config}).apply()
    assert state is not None
    return state


RULES: dict[str, Any] = {
    "rules": [{"port": 1}, {"port": 2, "note": "n"}],
    "main": {"port": 3},
    "by_name": {"a": {"port": 4}},
    "tags": [{"name": "a"}, {"name": "b", "kind": "k"}],
}


def test_a_creation_has_defaults_and_unknown_values() -> None:
    with served_resource(Host) as host:
        plan = host.plan({"name": "a", "key": "k", **RULES})
        plain = {"id": UNKNOWN, "note": "none", "secret": None}
        assert plan.planned == {
            "id": UNKNOWN,
            "name": "a",
            "at": UNKNOWN,
            "size": 1,
            "zone": UNKNOWN,
            "key": None,
            "rules": [plain | {"port": 1}, plain | {"port": 2, "note": "n"}],
            "main": plain | {"port": 3},
            "by_name": {"a": plain | {"port": 4}},
            "tags": plan.planned["tags"],
        }
        assert list(plan.planned["tags"]) == [
            {"kind": "k", "name": "b"},
            {"kind": "plain", "name": "a"},
        ]
        state = plan.apply()
        assert state is not None
        assert (
            host.plan({"name": "a", "key": "k", **RULES}, state).action is Action.NO_OP
        )


def test_an_update_keeps_what_is_stable_and_opens_the_rest() -> None:
    with served_resource(Host) as host:
        state = made(host, zone="here", **RULES)
        plan = host.plan({"name": "b", "zone": "here", **RULES}, state)
        assert (plan["id"], plan["at"], plan["zone"]) == ("1", UNKNOWN, "here")
        assert [rule["id"] for rule in plan["rules"]] == ["r", "r"]
        longer = RULES | {"rules": [*RULES["rules"], {"port": 9}]}
        plan = host.plan({"name": "a", "zone": "here", **longer}, state)
        assert [rule["id"] for rule in plan["rules"]] == ["r", "r", UNKNOWN]


REPLACED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "in a block": (
        {"rules": [{"port": 1}, {"port": 9, "note": "n"}]},
        ["rules[1].port"],
    ),
    "in an object": ({"main": {"port": 9}}, ["main.port"]),
    "in a map": ({"by_name": {"a": {"port": 9}}}, ['by_name["a"].port']),
    "not what is removed": ({"main": None, "by_name": {}}, []),
    "not what is next to it": ({"rules": [{"port": 1, "note": "new"}]}, []),
}


@pytest.mark.parametrize(("change", "paths"), REPLACED.values(), ids=REPLACED)
def test_what_requires_a_replacement_is_named(
    change: dict[str, Any], paths: list[str]
) -> None:
    with served_resource(Host) as host:
        plan = host.plan({"name": "a", **RULES, **change}, made(host, **RULES))
    assert [str(path) for path in plan.requires_replace] == paths
    assert plan.action is (Action.REPLACE if paths else Action.UPDATE)


def test_a_set_is_replaced_as_a_whole() -> None:
    class Slot(Nested):
        at: int = attribute(requires_replace=True)

    class Rack(Thing):
        slots: list[Slot] = block(nesting=Nesting.SET)

        def update(self, prior: "Rack") -> None: ...

    with served_resource(Rack) as rack:
        state = rack.plan({"slots": [{"at": 1}]}).apply()
        plan = rack.plan({"slots": [{"at": 2}]}, state)
    assert [str(path) for path in plan.requires_replace] == ["slots"]


def test_without_update_each_change_replaces() -> None:
    class Fixed(Thing):
        id: str = attribute(computed=True)
        name: str
        note: str | None

        def create(self) -> None:
            self.id = "1"

    with served_resource(Fixed) as fixed:
        state = fixed.plan({"name": "a"}).apply()
        plan = fixed.plan({"name": "a", "note": "n"}, state)
        assert [str(path) for path in plan.requires_replace] == ["note"]
        assert fixed.plan({"name": "a"}, state).action is Action.NO_OP


class Hooked(Host):
    def plan(self, prior: Host | None) -> None:
        if self.name == "decided":
            self.zone = "decided"
        if self.name == "breaks":
            self.size = 99
        if self.name == "moves" and prior is not None and prior.name != "moves":
            self.require_replace("name")
        if self.name == "leaks":
            self.key = self.config.key
        if self.name == "refused":
            report("Not that name", path="name")
            warn("Think again")
            raise ProviderError("Nor that size", "It is 1.", path="size")
        if self.name == "warned":
            warn("Careful", "It is old.", path="name")

    def plan_destroy(self) -> None:
        if self.name == "kept":
            raise ProviderError("It must stay", path="name")


def test_a_hook_decides_on_what_is_computed() -> None:
    with served_resource(Hooked) as host:
        assert host.plan({"name": "decided"})["zone"] == "decided"
        plan = host.plan({"name": "moves"}, made(host))
        assert [str(path) for path in plan.requires_replace] == ["name"]
        assert host.plan({"name": "leaks", "key": "k"})["key"] is None


def test_a_hook_that_breaks_the_rules_is_told_before_terraform_sees_it() -> None:
    with (
        served_resource(Hooked) as host,
        pytest.raises(DiagnosticError, match=r"Hooked\.plan\(\) made an inv") as caught,
    ):
        host.plan({"name": "breaks", "size": 1})
    assert str(caught.value.path) == "size"


def test_a_hook_refuses_and_warns() -> None:
    with served_resource(Hooked) as host:
        with pytest.raises(DiagnosticError) as caught:
            host.plan({"name": "refused"})
        told = [(str(d.path), d.summary, d.detail) for d in caught.value.diagnostics]
        assert told == [
            ("name", "Not that name", ""),
            ("", "Think again", ""),
            ("size", "Nor that size", "It is 1."),
        ]
        with pytest.warns(ProviderWarning, match=r"^name: Careful\nIt is old\."):
            host.plan({"name": "warned"})


def test_the_end_of_a_resource_can_be_refused() -> None:
    with served_resource(Hooked) as host:
        state = made(host, name="kept")
        with pytest.raises(DiagnosticError, match="It must stay"):
            host.plan_destroy(state)
        host.destroy(made(host))


def test_nothing_is_told_outside_of_a_call() -> None:
    with pytest.raises(RuntimeError, match="no call of Terraform's"):
        warn("Nobody hears")
