"""The file that a resource's state is kept in between commands.

Its fields are those of a resource in Terraform's state files.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from goplugin_py.cli.terraform_json import json_text
from goplugin_py.cli.terraform_provider import BadInput
from goplugin_py.errors import PluginError
from goplugin_py.terraform import State
from goplugin_py.terraform.cty import CtyError, Value, from_json, to_python
from goplugin_py.terraform.resource import Resource

__all__ = ["StateFile", "StateNotSaved"]


class StateNotSaved(PluginError):
    """A state could not be written; the text has all of it."""


class StateFile:
    """A file with the state of one resource; it is not there while nothing exists."""

    def __init__(self, path: str) -> None:
        # The file behind a link is what is to be replaced.
        self._path = Path(path).resolve()

    def __str__(self) -> str:
        return str(self._path)

    def load(self, resource: Resource) -> State | None:
        """Return the state, brought up to the provider's schema; None without one.

        Raises:
            BadInput: The file holds something else.
            DiagnosticError: The provider can't upgrade it.
        """
        stored = self._read()
        if stored is None:
            return None
        if stored.get("type") != resource.type_name:
            found = stored.get("type")
            raise BadInput(f"{self} has a {found!r}, not a {resource.type_name!r}")
        try:
            return _restored(stored, resource)
        except (KeyError, TypeError, ValueError, CtyError) as exc:
            raise self._damaged(repr(exc)) from exc

    def _read(self) -> dict[str, Any] | None:
        try:
            stored = json.loads(self._path.read_text("utf-8"), parse_float=Decimal)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise self._damaged(str(exc)) from exc
        if not isinstance(stored, dict):
            raise self._damaged("it is no object in JSON")
        return stored

    def _damaged(self, reason: str) -> BadInput:
        return BadInput(f"can't read the state in {self}: {reason}")

    def check_writable(self) -> None:
        """Find out before a change whether its result can be kept.

        Raises:
            BadInput: It can't.
        """
        if not os.access(self._path.parent, os.W_OK | os.X_OK):
            raise BadInput(f"can't write a state into {self._path.parent}")

    def save(self, state: State | None) -> None:
        """Keep a state in place of the last one; all of it, or nothing.

        Raises:
            StateNotSaved: The disk is full, say.
        """
        try:
            self._replace(None if state is None else _stored(state))
        except OSError as exc:
            left = "null" if state is None else _stored(state)
            problem = f"can't write {self}: {exc}; this is what exists, keep it:\n"
            raise StateNotSaved(problem + left) from exc

    def _replace(self, text: str | None) -> None:
        if text is None:
            self._path.unlink(missing_ok=True)
            return
        # Nobody else may read it: states hold secrets.
        descriptor, name = tempfile.mkstemp(prefix=".state", dir=self._path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def _stored(state: State) -> str:
    fields = {
        "type": state.type_name,
        "schema_version": state.schema_version,
        "attributes": json.loads(state.to_json(), parse_float=Decimal),
        "private": base64.b64encode(state.private).decode(),
        "identity": to_python(state.identity),
        "identity_schema_version": state.identity_schema_version,
        **({"status": "tainted"} if state.is_tainted else {}),
    }
    return json_text(fields, indent=2) + "\n"


def _restored(stored: dict[str, Any], resource: Resource) -> State:
    state = resource.upgrade(
        json_text(stored["attributes"]).encode(),
        stored["schema_version"],
        private=base64.b64decode(stored["private"], validate=True),
        identity=_identity(stored, resource),
    )
    return replace(state, is_tainted=stored.get("status") == "tainted")


def _identity(stored: dict[str, Any], resource: Resource) -> Value:
    """Return the identity; one of another version is found again by a refresh."""
    schema = resource.identity_schema
    if schema is None or stored["identity_schema_version"] != schema.version:
        return None
    return from_json(json_text(stored["identity"]), schema.type)
