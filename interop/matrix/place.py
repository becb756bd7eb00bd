"""Values in a YAML file that know where they are, for errors that say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml


class MatrixError(ValueError):
    """The file can not be used; the text says where it is wrong, and what may be."""


class Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            line = node.start_mark.line + 1
            raise MatrixError(f"line {line}: twice there: {listed(twice)}")
        return cast(dict[Any, Any], super().construct_mapping(node, deep))


@dataclass(frozen=True, slots=True)
class Place:
    """A value in the file, and where it is."""

    path: str
    value: Any

    def fail(self, problem: str) -> MatrixError:
        """Make the error for this place."""
        return MatrixError(f"{self.path}: {problem}")

    def __getitem__(self, key: str) -> Place:
        return Place(f"{self.path}.{key}".removeprefix("."), self.value[key])

    def get(self, key: str, default: Any) -> Place:
        """Return what is there, or a default."""
        return self[key] if key in self.value else Place(f"{self.path}.{key}", default)

    def mapping(
        self, required: Collection[str] = (), optional: Collection[str] | None = None
    ) -> Mapping[str, Any]:
        """Require a mapping, with these keys; any, if `optional` is None."""
        if not isinstance(self.value, dict):
            raise self.fail(f"{self.value!r} is no mapping")
        if missing := set(required) - self.value.keys():
            raise self.fail(f"{listed(missing)} is missing")
        if optional is not None:
            allowed = {*required, *optional}
            if unknown := self.value.keys() - allowed:
                raise self.fail(
                    f"{listed(map(str, unknown))} is unknown; allowed: "
                    f"{listed(allowed)}"
                )
        return self.value

    def items(self) -> Iterator[Place]:
        """Require a list that is not empty; give what is in it."""
        if not isinstance(self.value, list) or not self.value:
            raise self.fail(f"{self.value!r} is no list with something in it")
        for number, value in enumerate(self.value):
            yield Place(f"{self.path}[{number}]", value)

    def text(self) -> str:
        """Require a text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fail(f"{self.value!r} is no text")
        return self.value.strip()

    def sentence(self) -> str:
        """Require a text with a full stop."""
        text = self.text()
        if not text.endswith("."):
            raise self.fail(f"{text!r} is no sentence: it lacks the full stop")
        return text

    def one_of(self, allowed: Collection[str]) -> str:
        """Require one of several texts."""
        if self.value not in allowed:
            raise self.fail(f"{self.value!r} is not allowed; one of {listed(allowed)}")
        return cast(str, self.value)


def listed(words: Iterable[str]) -> str:
    """Join words in an order that is always the same."""
    return ", ".join(sorted(words))
