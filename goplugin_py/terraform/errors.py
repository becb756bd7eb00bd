"""What goes wrong with providers, beside the errors of any plugin.

PluginError
├── DiagnosticError
│   ├── InvalidConfig (ValueError)
│   ├── InvalidAnswer
│   ├── ApplyFailed
│   └── FunctionFailed
├── ConnectionLost
│   └── ApplyInterrupted
├── NotSupported
├── UnknownName (LookupError)
└── ProviderNotFound (LookupError)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from goplugin_py.errors import ConnectionLost, PluginError
from goplugin_py.terraform.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from goplugin_py.terraform.cty import Path
    from goplugin_py.terraform.state import State

__all__ = [
    "ApplyFailed",
    "ApplyInterrupted",
    "DiagnosticError",
    "FunctionFailed",
    "InvalidAnswer",
    "InvalidConfig",
    "NotSupported",
    "ProviderNotFound",
    "ProviderWarning",
    "UnknownName",
]


class DiagnosticError(PluginError):
    """A provider refused a request; its text has all that the provider said.

    Attributes:
        diagnostics: Everything, warnings too; the fields below are of the first error.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: Sequence[Diagnostic] = tuple(diagnostics)
        super().__init__(self.diagnostics)

    @property
    def _first(self) -> Diagnostic:
        return next(d for d in self.diagnostics if d.severity is Severity.ERROR)

    @property
    def severity(self) -> Severity:
        """How bad it is: an error."""
        return self._first.severity

    @property
    def summary(self) -> str:
        """What is wrong, in a few words."""
        return self._first.summary

    @property
    def detail(self) -> str:
        """The explanation."""
        return self._first.detail

    @property
    def path(self) -> Path:
        """The attribute that it is about; empty if it is about none in particular."""
        return self._first.path

    def __str__(self) -> str:
        errors = (d for d in self.diagnostics if d.severity is Severity.ERROR)
        return "\n\n".join(map(str, errors))


class InvalidConfig(DiagnosticError, ValueError):
    """A configuration that does not fit the schema; the provider was not asked."""


class InvalidAnswer(DiagnosticError):
    """A provider's answer broke the rules: a bug in the provider, nothing was kept."""


class ApplyFailed(DiagnosticError):
    """A change was not applied, or not as planned.

    Attributes:
        state: What exists now as far as is known, and must be kept: the next plan
            starts from it. None if nothing exists.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], state: State | None) -> None:
        super().__init__(diagnostics)
        self.state = state


class FunctionFailed(DiagnosticError):
    """A provider's function refused its arguments.

    Attributes:
        argument: The position of the one that it refused; None if it names none.
    """

    def __init__(
        self, diagnostics: Iterable[Diagnostic], argument: int | None = None
    ) -> None:
        super().__init__(diagnostics)
        self.argument = argument


class ApplyInterrupted(ConnectionLost):
    """A provider died while it applied a change: nobody knows how far it came.

    Attributes:
        state: The last known state: the one before the change. None if there was none.
        private: The provider's private data of the plan that was being applied.
    """

    def __init__(
        self, lost: ConnectionLost, state: State | None, private: bytes
    ) -> None:
        super().__init__(
            f"{lost}; the change may have happened in part: keep the state, and look "
            "for what the provider left behind",
            lost.status,
        )
        self.state = state
        self.private = private


class NotSupported(PluginError):
    """A provider does not know a call; an older one, or of another kind."""


class UnknownName(PluginError, LookupError):
    """A provider has no resource, data source, function... of a name."""


class ProviderNotFound(PluginError, LookupError):
    """No provider of a name is in any of the usual places.

    Attributes:
        places: Where it was looked for.
    """

    def __init__(self, name: str, places: Sequence[str]) -> None:
        self.places = tuple(places)
        looked = "".join(f"\n  {place}" for place in self.places)
        super().__init__(
            f"there is no provider {name!r}; pass the path of its executable, or put "
            f"it into one of the places that were searched:{looked}"
        )


class ProviderWarning(UserWarning):
    """A provider's warning, as Python's warnings show it.

    Attributes:
        diagnostic: All that it said.
    """

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic
