"""What an author has to say about a request: errors, warnings, and what is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from goplugin_py.terraform.cty import (
    DYNAMIC,
    CtyError,
    GetAttr,
    Index,
    List,
    Map,
    Object,
    Path,
    Set,
    Step,
    Type,
)
from goplugin_py.terraform.cty import Tuple as TupleType
from goplugin_py.terraform.diagnostics import Diagnostic, Severity, error, misfit
from goplugin_py.terraform.errors import DiagnosticError

__all__ = ["Gone", "ProviderError", "collected", "located", "path_of", "report", "warn"]

_log = logging.getLogger("goplugin.terraform.serving")
_told: ContextVar[list[Diagnostic]] = ContextVar("told")

PathLike = str | int | tuple[str | int, ...] | Path


class ProviderError(DiagnosticError):
    """Raise it to tell the user what is wrong.

    Args:
        summary: What is wrong, in a few words.
        detail: The explanation.
        path: The attribute that it is about: its name, or a tuple of names, keys and
            positions, as `("rules", 0, "port")`.
    """

    def __init__(self, summary: str, detail: str = "", *, path: PathLike = ()) -> None:
        super().__init__([error(summary, detail, path_of(path))])


class Gone(Exception):
    """Raise it where something does not exist any more."""


def warn(summary: str, detail: str = "", *, path: PathLike = ()) -> None:
    """Tell the user something that is no error; as `ProviderError`.

    Raises:
        RuntimeError: This is not within a call of Terraform's.
    """
    _add(Diagnostic(Severity.WARNING, summary, detail, path_of(path)))


def report(summary: str, detail: str = "", *, path: PathLike = ()) -> None:
    """Tell the user of an error, and go on, for there may be more.

    Raises:
        RuntimeError: This is not within a call of Terraform's.
    """
    _add(error(summary, detail, path_of(path)))


def _add(diagnostic: Diagnostic) -> None:
    told = _told.get(None)
    if told is None:
        raise RuntimeError("there is no call of Terraform's that could tell the user")
    told.append(diagnostic)


def path_of(path: PathLike) -> Path:
    """Return a path as authors write it: a name, or names, keys and positions."""
    steps = (path,) if isinstance(path, str | int) else path
    return Path(map(_step, steps))


def _step(step: str | int | Step) -> Step:
    if isinstance(step, str):
        return GetAttr(step)
    return Index(step) if isinstance(step, int) else step


@contextmanager
def collected(
    told: list[Diagnostic], what: str, kind: Type = DYNAMIC
) -> Iterator[None]:
    """Turn what happens inside into diagnostics, exceptions included.

    Args:
        told: Where to put them.
        what: What is happening, for exceptions that nobody expected.
        kind: What the paths lead into.
    """
    inside: list[Diagnostic] = []
    token = _told.set(inside)
    try:
        yield
    except DiagnosticError as exc:
        inside.extend(exc.diagnostics)
    except CtyError as exc:
        inside.append(misfit(f"Invalid value in {what}", exc))
    except Exception as exc:
        _log.exception("%s failed", what)
        inside.append(_bug(what, exc))
    finally:
        _told.reset(token)
    told.extend(_fitted(each, kind) for each in inside)


def _bug(what: str, exc: Exception) -> Diagnostic:
    detail = (
        f"{type(exc).__name__}: {exc}\n\nThis is a bug in the provider. "
        "Its log has the traceback: set TF_LOG=error to see it."
    )
    return error(f"{what} failed", detail)


def _fitted(diagnostic: Diagnostic, kind: Type) -> Diagnostic:
    path = located(diagnostic.path, kind)
    return Diagnostic(diagnostic.severity, diagnostic.summary, diagnostic.detail, path)


def located(path: Path, kind: Type) -> Path:
    """Return a path as Terraform addresses it, as far as it leads somewhere.

    The elements of maps have keys, where an author wrote a name; those of sets have
    no address.
    """
    return Path(_steps(path, kind))


def _steps(path: Path, kind: Type) -> Iterator[Step]:
    for step in path:
        key: Any = step.name if isinstance(step, GetAttr) else step.key
        match kind:
            case Object(attributes) if key in attributes:
                yield GetAttr(key)
                kind = attributes[key]
            case Map(element) | List(element):
                yield Index(key)
                kind = element
            case TupleType(elements) if key in range(len(elements)):
                yield Index(key)
                kind = elements[key]
            case Set() | Object() | TupleType():
                return
            case _:
                yield step
