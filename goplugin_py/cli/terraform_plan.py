"""`goplugin terraform plan`: what would be done for a resource."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from goplugin_py.cli.output import show_line
from goplugin_py.cli.terraform_change import resource_change
from goplugin_py.cli.terraform_diff import changed_lines, headline
from goplugin_py.cli.terraform_json import json_text
from goplugin_py.cli.terraform_provider import read_config, with_provider
from goplugin_py.cli.terraform_state import StateFile
from goplugin_py.terraform import Action, Plan, Provider, State
from goplugin_py.terraform.resource import Resource

__all__ = ["change_of", "make_plan", "run", "show_plan"]

_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def run(options: argparse.Namespace) -> int:
    """Start the provider and show what it plans."""
    return with_provider(options, partial(_plan, options), is_configured=True)


def _plan(options: argparse.Namespace, provider: Provider) -> int:
    resource = provider.resource(options.type_name)
    file = StateFile(options.state) if options.state else None
    plan = make_plan(options, resource, file)
    if options.json:
        print(json_text(change_of(resource, plan)))
    else:
        show_plan(resource, plan)
    return 0


def change_of(resource: Resource, plan: Plan | None) -> dict[str, Any] | None:
    """Return a plan for machines."""
    # A plan to destroy has no attributes, which makes it an empty mapping.
    if plan is None:
        return None
    return resource_change(resource.type_name, plan, resource.schema.block)


def make_plan(
    options: argparse.Namespace, resource: Resource, file: StateFile | None
) -> Plan | None:
    """Return the plan for what the options say; None if there is nothing to destroy.

    Raises:
        BadInput: The options or the state make no sense.
        PluginError: The provider refuses.
    """
    config = None if options.destroy else read_config(options.config)
    prior = file.load(resource) if file else None
    if prior is not None and not options.no_refresh:
        prior = resource.read(prior)
    if config is not None:
        return resource.plan(config, prior, replace=options.replace)
    return _destruction(resource, prior)


def _destruction(resource: Resource, prior: State | None) -> Plan | None:
    return None if prior is None else resource.plan_destroy(prior)


def show_plan(resource: Resource, plan: Plan | None) -> None:
    """Print a plan for people."""
    if plan is None:
        print(f"{resource.type_name}: nothing exists, so there is nothing to destroy")
        return
    show_line(headline(resource.type_name, plan), "bold")
    if plan.action is Action.NO_OP:
        return
    lines = changed_lines(plan, resource.schema.block)
    width = max((len(str(line.path)) for line in lines), default=0)
    for line in lines:
        name = str(line.path).ljust(width)
        show_line(f"  {line.sign} {name} = {line.text}", _STYLES[line.sign])
