"""What a provider, or a check of this library, has to say about a request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from goplugin_py.terraform.cty import CtyError, GetAttr, Index, Path, Step

__all__ = ["Diagnostic", "Severity", "read_diagnostics", "read_path"]


ROOT = Path()


class Severity(Enum):
    """How bad it is."""

    ERROR = 1
    WARNING = 2


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem.

    Attributes:
        severity: Whether it is an error or a warning.
        summary: What is wrong, in a few words.
        detail: The explanation; may be empty.
        path: The attribute that it is about; empty if it is about none in particular.
    """

    severity: Severity
    summary: str
    detail: str = ""
    path: Path = ROOT

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        detail = f"\n{self.detail.strip()}" if self.detail else ""
        return f"{place}{self.summary}{detail}"


def error(summary: str, detail: str, path: Path = ROOT) -> Diagnostic:
    """Return an error of this library's own."""
    return Diagnostic(Severity.ERROR, summary, detail, path)


def misfit(summary: str, exc: CtyError, below: Iterable[Step] = ()) -> Diagnostic:
    """Return what is wrong with a value as a diagnostic."""
    path = Path((*below, *exc.path))
    return error(summary, f"{exc.problem[:1].upper()}{exc.problem[1:]}.", path)


def read_diagnostics(messages: Iterable[Any]) -> list[Diagnostic]:
    """Return a provider's diagnostics; one of no known severity is an error."""
    return [
        Diagnostic(
            Severity.WARNING if message.severity == 2 else Severity.ERROR,
            message.summary,
            message.detail,
            read_path(message.attribute),
        )
        for message in messages
    ]


def read_path(message: Any) -> Path:
    """Return the path in an `AttributePath`, up to a step that is none."""
    return Path(_steps(message))


def _steps(message: Any) -> Iterator[Step]:
    for step in message.steps:
        match step.WhichOneof("selector"):
            case "attribute_name":
                yield GetAttr(step.attribute_name)
            case "element_key_string":
                yield Index(step.element_key_string)
            case "element_key_int":
                yield Index(step.element_key_int)
            case _:
                return
