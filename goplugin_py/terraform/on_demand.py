"""Mappings whose values are read when somebody asks for them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

__all__ = ["OnDemand"]

T = TypeVar("T")


class OnDemand(Mapping[str, T]):
    """The messages of a map as what they say, by name, in the order of names.

    Big providers have more than a thousand schemas, and a program uses a few of them:
    to read all takes a hundred times as long as to receive them.
    """

    def __init__(
        self, read: Callable[[str, Any], T], messages: Mapping[str, Any]
    ) -> None:
        """Prepare; `read` is given a name and its message, once."""
        self._read = read
        self._messages = messages
        self._names = dict.fromkeys(sorted(messages))
        self._known: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._known:
            if name not in self._names:  # for which protobuf would make a message
                raise KeyError(name)
            self._known[name] = self._read(name, self._messages[name])
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"OnDemand({list(self)})"

    def __reduce__(self) -> Any:
        return dict, (dict(self),)
