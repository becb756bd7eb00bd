"""From what happens in a call to the diagnostics of its answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
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
    Tuple,
    Type,
)
from goplugin_py.terraform.diagnostics import Diagnostic, Severity, error, misfit
from goplugin_py.terraform.errors import DiagnosticError
from goplugin_py.terraform.serving.problems import (
    PathLike,
    Problem,
    ProviderError,
    hearing,
)

__all__ = ["collected", "located"]

_log = logging.getLogger("goplugin.terraform.serving")


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
    heard: list[Problem] = []
    raised: list[Diagnostic] = []
    token = hearing.set(heard)
    try:
        yield
    except ProviderError as exc:
        heard.append(exc.problem)
    except DiagnosticError as exc:
        raised.extend(exc.diagnostics)
    except CtyError as exc:
        raised.append(misfit(f"Invalid value in {what}", exc))
    except (Exception, SystemExit) as exc:  # or nobody would answer the call
        _log.exception("%s failed", what)
        raised.append(_bug(what, exc))
    finally:
        hearing.reset(token)
    told.extend(_fitted(each, kind) for each in (*map(_diagnostic, heard), *raised))


def _diagnostic(problem: Problem) -> Diagnostic:
    severity = Severity.ERROR if problem.is_error else Severity.WARNING
    return Diagnostic(severity, problem.summary, problem.detail, _path(problem.path))


def _bug(what: str, exc: BaseException) -> Diagnostic:
    detail = (
        f"{type(exc).__name__}: {exc}\n\nThis is a bug in the provider. "
        "Its log has the traceback: set TF_LOG=error to see it."
    )
    return error(f"{what} failed", detail)


def _fitted(diagnostic: Diagnostic, kind: Type) -> Diagnostic:
    path = Path(_steps(diagnostic.path, kind))
    return Diagnostic(diagnostic.severity, diagnostic.summary, diagnostic.detail, path)


def located(path: PathLike, kind: Type) -> Path:
    """Return an author's path as Terraform addresses it, as far as it leads somewhere.

    The elements of maps have keys, where an author wrote a name; those of sets have
    no address.
    """
    return Path(_steps(_path(path), kind))


def _path(path: PathLike) -> Path:
    steps = path if isinstance(path, tuple) else (path,)
    return Path(GetAttr(s) if isinstance(s, str) else Index(s) for s in steps)


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
            case Tuple(elements) if key in range(len(elements)):
                yield Index(key)
                kind = elements[key]
            case Set() | Object() | Tuple():
                return
            case _:
                yield step
