"""Tests of providers without Terraform.

A provider under test is served on a socket, in the test's own process, and driven by
the host kit, which holds its answers to all of Terraform's rules:

    def test_notes(tmp_path):
        config = {"folder": str(tmp_path)}
        with provider_under_test(NotesProvider(), config) as notes:
            check_life_cycle(
                notes.resource("notes_note"),
                {"title": "a", "text": "b"},
                update={"title": "a", "text": "c"},
                import_by="id",
            )
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from goplugin_py import Client, PluginServer, ServeTestConfig
from goplugin_py.terraform import provider as host
from goplugin_py.terraform.plan import Action, Plan
from goplugin_py.terraform.resource import Resource
from goplugin_py.terraform.serving.plugin import serve_config
from goplugin_py.terraform.serving.provider import Provider
from goplugin_py.terraform.state import State

__all__ = ["check_life_cycle", "provider_under_test"]

Config = Mapping[str, object]


@contextmanager
def provider_under_test(
    provider: Provider, config: Config | None = None, *, version: int = 6
) -> Iterator[host.Provider]:
    """Serve a provider, and yield it as a host sees it.

    Args:
        provider: An instance of the author's class. Its code runs in this process, so
            that a test can look into it and replace parts of it.
        config: The provider's configuration; None leaves it to the test.
        version: Of the protocol, 5 or 6.

    Raises:
        DiagnosticError: The provider refuses the configuration, or its own schema.
    """
    served = serve_config(provider, versions=[version], test=ServeTestConfig())
    with PluginServer(served) as server:
        options = {"reattach": server.reattach_config}
        with host.Provider(Client(host.client_config(None, options))) as attached:
            if config is not None:
                attached.configure(config)
            yield attached


def check_life_cycle(
    resource: Resource,
    config: Config,
    *,
    update: Config | None = None,
    import_by: str | None = None,
    import_ignores: Collection[str] = (),
) -> State:
    """Create a resource, change it, import it, and destroy it.

    After each change it must read the same, and there must be nothing left to plan.

    Args:
        resource: Its type, of a provider that is configured.
        config: What to create.
        update: What to change that to.
        import_by: The attribute that is the id to import it by; without it there is no
            import.
        import_ignores: Attributes that an import can't find out.

    Returns:
        The state before the end.

    Raises:
        AssertionError: The provider does something that makes users wonder.
        DiagnosticError: It fails, or breaks one of Terraform's rules.
    """
    state = _applied(resource.plan(config), Action.CREATE)
    _check_settled(resource, config, state)
    if update is not None:
        plan = resource.plan(update, state)
        state = _applied(plan, Action.UPDATE, Action.REPLACE)
        _check_settled(resource, update, state)
    if import_by is not None:
        _check_import(resource, state, import_by, import_ignores)
    resource.destroy(state)
    if resource.read(state) is not None:
        raise AssertionError(f"{resource.type_name} can be read after its end")
    return state


def _applied(plan: Plan, *actions: Action) -> State:
    if plan.action not in actions:
        wanted = " or ".join(each.value for each in actions)
        raise AssertionError(f"planned was {plan.action.value} instead of {wanted}")
    state = plan.apply()
    assert state is not None  # a host refuses the answer otherwise
    return state


def _check_settled(resource: Resource, config: Config, state: State) -> None:
    found = resource.read(state)
    if found is None:
        raise AssertionError(f"{resource.type_name} can't be read once it exists")
    _check_same("what was applied", state, "what is read", found)
    plan = resource.plan(config, found)
    if plan.action is not Action.NO_OP:
        differing = _differences(found.value, plan.planned or {})
        raise AssertionError(
            f"the second plan is not empty but {plan.action.value}: {differing}"
        )


def _check_import(
    resource: Resource, state: State, attribute: str, ignores: Collection[str]
) -> None:
    found = resource.import_state(str(state[attribute]))
    _check_same("the state", state, "what is imported", found, ignores)


def _check_same(
    what: str, state: State, other: str, found: State, ignores: Collection[str] = ()
) -> None:
    if told := _differences(state.value, found.value, ignores):
        raise AssertionError(f"{what} is not {other}: {told}")


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], ignores: Collection[str] = ()
) -> str:
    """Return the attributes that differ, with both values."""
    return ", ".join(
        f"{name} is {before.get(name)!r}, then {after.get(name)!r}"
        for name in before.keys() | after.keys()
        if name not in ignores and before.get(name) != after.get(name)
    )
