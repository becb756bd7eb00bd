"""The errors of values and types, with the place where they are."""

from goplugin_py.errors import PluginError
from goplugin_py.terraform.cty.paths import Path, Step

__all__ = ["CtyError"]


class CtyError(PluginError, ValueError):
    """A value that does not fit its type, or bytes that are no value.

    Attributes:
        problem: What is wrong, without the place.
        path: Where in the value.
    """

    def __init__(self, problem: str, path: Path | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path or Path()

    def below(self, step: Step) -> "CtyError":
        """Return the same error seen from one step further out."""
        return CtyError(self.problem, Path((step, *self.path)))

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem
