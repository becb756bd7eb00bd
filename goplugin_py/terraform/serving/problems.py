"""What authors say about a request: errors, warnings, and what is gone.

Authors import this at once, so it must not import anything of values and schemas.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from goplugin_py import PluginError

__all__ = ["Gone", "PathLike", "Problem", "ProviderError", "hearing", "report", "warn"]

PathLike = str | int | tuple[str | int, ...]

# The problems of the call that is being answered.
hearing: ContextVar[list[Problem]] = ContextVar("hearing")


@dataclass(frozen=True)
class Problem:
    """One thing that an author tells; the fields are those of `ProviderError`."""

    summary: str
    detail: str
    path: PathLike
    is_error: bool = True


class ProviderError(PluginError):
    """Raise it to tell the user what is wrong.

    Args:
        summary: What is wrong, in a few words.
        detail: The explanation.
        path: The attribute that it is about: its name, or a tuple of names, keys and
            positions, as `("rules", 0, "port")`.
    """

    def __init__(self, summary: str, detail: str = "", *, path: PathLike = ()) -> None:
        super().__init__(summary, detail)
        self.problem = Problem(summary, detail, path)

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.problem.summary, self.problem.detail)))


class Gone(Exception):
    """Raise it where something does not exist any more."""


def warn(summary: str, detail: str = "", *, path: PathLike = ()) -> None:
    """Tell the user something that is no error; as `ProviderError`.

    Raises:
        RuntimeError: This is not within a call of Terraform's.
    """
    _tell(Problem(summary, detail, path, is_error=False))


def report(summary: str, detail: str = "", *, path: PathLike = ()) -> None:
    """Tell the user of an error, and go on, for there may be more.

    Raises:
        RuntimeError: This is not within a call of Terraform's.
    """
    _tell(Problem(summary, detail, path))


def _tell(problem: Problem) -> None:
    told = hearing.get(None)
    if told is None:
        raise RuntimeError("there is no call of Terraform's that could tell the user")
    told.append(problem)
