"""Semantic versions, and the constraints that pick among them. Pure.

A version is one of https://semver.org, all three numbers given. A constraint is one
or more terms with commas between them, and all of them must hold:

    constraint = term { "," term }
    term       = [ operator ] number [ "." number [ "." number ] ] [ "-" prerelease ]
    operator   = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~>" | "^"

Without an operator it is `=`. Numbers that are left out are zero. `~>` lets the last
number that is given grow, as in Terraform, and `^` all but the first that is not zero.
A pre-release is only picked by a term that names one of the same three numbers
(hashicorp/go-version: `prereleaseCheck`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from goplugin_py.errors import ConfigError

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_WORD = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_PRERELEASE = rf"(?:-(?P<prerelease>{_WORD}(?:\.{_WORD})*))?"
_BUILD = r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
_VERSION = re.compile(
    rf"(?P<numbers>{_NUMBER}\.{_NUMBER}\.{_NUMBER}){_PRERELEASE}{_BUILD}", re.ASCII
)
_TERM = re.compile(
    rf"(?P<operator>=|!=|>=|<=|~>|>|<|\^|)\s*"
    rf"(?P<numbers>{_NUMBER}(?:\.{_NUMBER}){{0,2}}){_PRERELEASE}",
    re.ASCII,
)
MAX_LENGTH = 256  # of either; no version that people have seen is longer


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A semantic version. What compares equal may differ in its build metadata."""

    numbers: tuple[int, int, int]
    prerelease: tuple[str, ...] = ()
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a version such as `1.4.0` or `2.0.0-rc.1`.

        Raises:
            ValueError: It is not one.
        """
        found = _VERSION.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if found is None:
            raise ValueError(
                f"{text!r:.99} is not a semantic version: it takes the form 1.2.3, "
                "or 1.2.3-rc.1"
            )
        major, minor, patch = map(int, found["numbers"].split("."))
        return cls((major, minor, patch), _words(found), found["build"] or "")

    @property
    def _precedence(self) -> tuple[object, ...]:
        words = (
            (not w.isdigit(), int(w) if w.isdigit() else w) for w in self.prerelease
        )
        # A release comes after its pre-releases, and numbers before words.
        return self.numbers, not self.prerelease, tuple(words)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._precedence == other._precedence

    def __lt__(self, other: Version) -> bool:
        return self._precedence < other._precedence

    def __hash__(self) -> int:
        return hash(self._precedence)

    def __str__(self) -> str:
        text = ".".join(map(str, self.numbers))
        if self.prerelease:
            text += "-" + ".".join(self.prerelease)
        return f"{text}+{self.build}" if self.build else text


@dataclass(frozen=True, slots=True)
class _Term:
    operator: str
    version: Version
    count: int
    """How many numbers were given."""

    @classmethod
    def parse(cls, text: str) -> _Term:
        found = _TERM.fullmatch(text.strip())
        if found is None:
            raise ConfigError(
                f"{text!r:.99} is not a version constraint: it takes the form "
                "'>=1.2, <2', '~>1.4' or '^1.4.2'"
            )
        given = [int(number) for number in found["numbers"].split(".")]
        major, minor, patch = (*given, 0, 0)[:3]
        version = Version((major, minor, patch), _words(found))
        return cls(found["operator"] or "=", version, len(given))

    def allows(self, version: Version) -> bool:
        if version.prerelease and not (
            self.version.prerelease and self.version.numbers == version.numbers
        ):
            return False
        return _OPERATORS[self.operator](version, self)


def _first_nonzero(term: _Term) -> int:
    """How many of the numbers there are up to the first that is not zero."""
    given = term.version.numbers[: term.count]
    nonzero = (place for place, number in enumerate(given, 1) if number)
    return next(nonzero, term.count)


def _words(found: re.Match[str]) -> tuple[str, ...]:
    return tuple(found["prerelease"].split(".")) if found["prerelease"] else ()


def _keeps(version: Version, term: _Term, count: int) -> bool:
    """Whether the first numbers are the same, and the rest may only have grown."""
    same = version.numbers[:count] == term.version.numbers[:count]
    return same and version >= term.version


_OPERATORS: dict[str, Callable[[Version, _Term], bool]] = {
    "=": lambda version, term: version == term.version,
    "!=": lambda version, term: version != term.version,
    ">": lambda version, term: version > term.version,
    ">=": lambda version, term: version >= term.version,
    "<": lambda version, term: version < term.version,
    "<=": lambda version, term: version <= term.version,
    "~>": lambda version, term: _keeps(version, term, term.count - 1),
    "^": lambda version, term: _keeps(version, term, _first_nonzero(term)),
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """Which versions will do; the module says how it is written."""

    text: str
    _terms: tuple[_Term, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a constraint; an empty one takes every release.

        Raises:
            ConfigError: It is not one.
        """
        if len(text) > MAX_LENGTH:
            raise ConfigError(
                f"a version constraint has at most {MAX_LENGTH} characters"
            )
        terms = text.split(",") if text.strip() else []
        return cls(text, tuple(map(_Term.parse, terms)))

    def allows(self, version: Version) -> bool:
        """Return whether a version will do."""
        if not self._terms:
            return not version.prerelease
        return all(term.allows(version) for term in self._terms)

    def __str__(self) -> str:
        return self.text
