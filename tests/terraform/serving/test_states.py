"""States of other versions and types, imports, identities and private data."""

import json
from typing import Any

import pytest

from goplugin_py.terraform import Action, DiagnosticError, State
from goplugin_py.terraform.serving import (
    Gone,
    MovedState,
    Nested,
    attribute,
    block,
)
from tests.terraform.serving.served import Thing, served, served_resource


class Part(Nested):
    name: str
    size: int | None


class Kept(Thing):
    schema_version = 2
    identity = ("id", "zone")

    id: str = attribute(computed=True, stable=True)
    zone: str = attribute(requires_replace=True)
    from_: str | None
    reads: int = attribute(computed=True, stable=True)
    key: str | None = attribute(write_only=True)
    parts: list[Part] = block()

    def create(self) -> None:
        self.id, self.reads = "1", 0
        self.private["secret"] = {"of": self.config.key}

    def read(self) -> None:
        if self.id == "nobody":
            raise Gone
        self.zone = self.zone or "found"
        reads: int = self.private.get("reads", 0)
        self.private["reads"] = self.reads = reads + 1

    def update(self, prior: "Kept") -> None:
        self.private["was"] = prior.from_

    def import_state(self, id: str) -> None:  # noqa: A002
        self.id = id

    @classmethod
    def upgrade_state(cls, attributes: dict[str, Any], version: int) -> dict[str, Any]:
        attributes["from"] = f"version {version}"
        attributes["parts"] = [{"name": name} for name in attributes.pop("names", ())]
        return attributes

    @classmethod
    def move_state(cls, source: MovedState) -> dict[str, Any] | None:
        if source.type_name != "other_thing":
            return None
        origin = f"{source.provider} {source.version} {source.private!r}"
        return {"id": source.attributes["name"], "zone": "z", "from": origin}


def made(resource: Any, **config: object) -> State:
    state: State | None = resource.plan({"zone": "z", **config}).apply()
    assert state is not None
    return state


def test_private_data_stay_with_the_state() -> None:
    with served_resource(Kept) as kept:
        state = made(kept, key="k", **{"from": "a"})
        assert json.loads(state.private) == {"secret": {"of": "k"}}
        assert state["key"] is None
        for count in (1, 2):
            found = kept.read(state)
            assert found is not None
            state = found
            assert state["reads"] == count
        updated = kept.plan({"zone": "z", "from": "b"}, state).apply()
        assert updated is not None
        told = {"secret": {"of": "k"}, "reads": 2, "was": "a"}
        assert json.loads(updated.private) == told


def test_an_identity_is_some_of_the_attributes() -> None:
    with served(Kept, Thing) as provider:
        schema = provider.schema.identities
        assert set(schema) == {"test_kept"}
        parts = schema["test_kept"].attributes.values()
        assert all(each.is_required_for_import for each in parts)
        kept = provider.resource("test_kept")
        state = made(kept)
        assert state.identity == {"id": "1", "zone": "z"}
        plan = kept.plan({"zone": "z", "from": "b"}, state)
        assert plan.identity == state.identity


def test_a_resource_is_imported_by_its_id_or_identity() -> None:
    with served_resource(Kept) as kept:
        by_id = kept.import_state("7")
        assert (by_id["id"], by_id["zone"], by_id["parts"]) == ("7", "found", [])
        found = kept.import_state(identity={"id": "8", "zone": "y"})
        assert found.identity == {"id": "8", "zone": "y"}
        with pytest.raises(DiagnosticError, match="non-existent"):
            kept.import_state("nobody")


def test_without_a_way_to_import_that_is_said() -> None:
    with (
        served_resource(Thing) as thing,
        pytest.raises(DiagnosticError, match="can't be imported by an id"),
    ):
        thing.import_state("1")


def test_a_state_of_an_older_version_is_upgraded() -> None:
    with served_resource(Kept) as kept:
        stored = {"id": "1", "zone": "z", "reads": 3, "names": ["a", "b"]}
        state = kept.upgrade(stored, 1)
    assert state.to_python() == {
        "id": "1",
        "zone": "z",
        "from": "version 1",
        "reads": 3,
        "key": None,
        "parts": [{"name": "a", "size": None}, {"name": "b", "size": None}],
    }


def test_a_state_of_this_version_is_taken_as_it_is() -> None:
    """Terraform asks each time; it stores null for blocks in some old states."""
    with served_resource(Kept) as kept:
        state = made(kept, parts=[{"name": "a", "size": 2**70}])
        again = kept.upgrade(
            state.to_json(), 2, private=state.private, identity=state.identity
        )
        assert again == state
        assert kept.upgrade({"id": "1", "parts": None}, 2)["parts"] == []
        config = {"zone": "z", "parts": [{"name": "a", "size": 2**70}]}
        assert kept.plan(config, again).action is Action.NO_OP


def test_a_state_that_no_code_upgrades_is_refused() -> None:
    class Newer(Thing):
        schema_version = 1

    with served_resource(Newer) as newer:
        with pytest.raises(DiagnosticError, match="has version 0, and this provider k"):
            newer.upgrade({}, 0)
        connection: Any = newer._calls.connection
        flat = {"id": "1"}
        answer = connection.call(
            "UpgradeResourceState",
            type_name="test_newer",
            version=0,
            raw_state=newer._calls.protocol.raw_state(flat),
        )
    assert "before Terraform 0.12" in answer.diagnostics[0].detail


def test_a_wrong_upgrade_is_told_by_its_attribute() -> None:
    class Upgraded(Thing):
        schema_version = 1
        size: int | None

        @classmethod
        def upgrade_state(
            cls, attributes: dict[str, Any], version: int
        ) -> dict[str, Any]:
            return {"size": "x"} if version == 0 else {}

    with (
        served_resource(Upgraded) as upgraded,
        pytest.raises(DiagnosticError, match=r"^size: Invalid value in Upgrading"),
    ):
        upgraded.upgrade({}, 0)


def test_a_state_of_another_type_becomes_one_of_this() -> None:
    with served(Kept, Thing) as provider:
        assert provider.schema.capabilities.move_resource_state
        kept = provider.resource("test_kept")
        source: dict[str, Any] = {"provider": "example.com/a/b", "version": 3}
        moved = kept.move(
            {"name": "n"}, type_name="other_thing", private=b"p", **source
        )
        assert (moved["id"], moved["from"]) == ("n", "example.com/a/b 3 b'p'")
        assert moved.identity == {"id": "n", "zone": "z"}
        for resource in (kept, provider.resource("test_thing")):
            with pytest.raises(DiagnosticError, match="can't become a"):
                resource.move({}, type_name="strange", **source)


def test_identities_of_this_version_are_taken_and_others_refused() -> None:
    with served(Kept) as provider:
        calls: Any = provider.resource("test_kept")._calls

        def upgraded(version: int) -> Any:
            return calls.connection.call(
                "UpgradeResourceIdentity",
                type_name="test_kept",
                version=version,
                raw_identity=calls.protocol.raw_state(b'{"id":"1","zone":"z"}'),
            )

        kind = provider.schema.identities["test_kept"].type
        packed = upgraded(0).upgraded_identity.identity_data
        assert calls.protocol.unpack(packed, kind) == {"id": "1", "zone": "z"}
        assert "version 9" in upgraded(9).diagnostics[0].detail
