"""`goplugin terraform apply`: create, change or destroy a resource."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from goplugin_py.cli.output import show_line
from goplugin_py.cli.terraform_json import json_text
from goplugin_py.cli.terraform_plan import change_of, make_plan, show_plan
from goplugin_py.cli.terraform_provider import complain, with_provider
from goplugin_py.cli.terraform_state import StateFile
from goplugin_py.errors import PluginError
from goplugin_py.terraform import ApplyFailed, ApplyInterrupted, Plan, Provider, State
from goplugin_py.terraform.resource import Resource

INTERRUPTED = 130


def run(options: argparse.Namespace) -> int:
    """Start the provider, make the change and keep what came of it."""
    return with_provider(options, partial(_apply, options), is_configured=True)


def _apply(options: argparse.Namespace, provider: Provider) -> int:
    resource = provider.resource(options.type_name)
    file = StateFile(options.state)
    file.check_writable()
    plan = make_plan(options, resource, file)
    if not options.json:
        show_plan(resource, plan)
    if plan is None:
        file.save(None)
        return _done(options, resource, None, None)
    with _stopped_by_ctrl_c(provider) as asked:
        if not options.json:
            show_line("applying", "dim")
        try:
            state = plan.apply(progress=_tell)
        except (ApplyFailed, ApplyInterrupted) as exc:
            file.save(exc.state)
            complain(f"{exc}\n\nWhat exists, as far as is known, is in {file}.")
            return INTERRUPTED if asked.is_set() else 1
        except KeyboardInterrupt:
            complain(f"gave up; what came of it is unknown, and {file} is as before")
            raise
    file.save(state)
    return _done(options, resource, plan, state)


def _done(
    options: argparse.Namespace,
    resource: Resource,
    plan: Plan | None,
    state: State | None,
) -> int:
    if options.json:
        change = change_of(resource, plan) or {"type": resource.type_name}
        left = None if state is None else state.to_python()
        print(json_text({**change, "state": left}))
    elif plan is not None:
        print("done" if state is None else f"done: the state is in {options.state}")
    return 0


def _tell(seconds: float) -> None:
    print(f"still at it after {seconds:.0f} s", file=sys.stderr)


@contextmanager
def _stopped_by_ctrl_c(provider: Provider) -> Iterator[threading.Event]:
    """Let the first Ctrl-C ask the provider to stop: its answer has what exists.

    The second one ends the wait for that.
    """
    asked = threading.Event()

    def ask(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        asked.set()
        complain("asked the provider to stop; Ctrl-C again does not wait for it")
        # The handler runs within the call that waits for the apply.
        threading.Thread(target=_stop, args=(provider,), daemon=True).start()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(provider: Provider) -> None:
    try:
        provider.stop()
    except PluginError as exc:
        complain(f"the provider does not stop: {exc}")
