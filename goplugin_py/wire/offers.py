"""Offers of addresses under ids, by which the sides of a broker find each other."""

from typing import Generic, TypeVar

# How many a peer can make us keep.
MAX_OFFERS = 4096

_T = TypeVar("_T")


class Offers(Generic[_T]):
    """What the other side offers; each is taken once.

    go-plugin forgets an offer after five seconds. Here a call may wait longer than
    that for a worker before it dials, so offers stay; the oldest makes room when
    there are too many, and a newer one under the same id takes its place.
    """

    def __init__(self) -> None:
        self._offers: dict[int, _T] = {}

    def add(self, service_id: int, offer: _T) -> None:
        """Keep an offer."""
        self._offers.pop(service_id, None)  # a new one is the youngest
        self._offers[service_id] = offer
        if len(self._offers) > MAX_OFFERS:
            del self._offers[next(iter(self._offers))]

    def take(self, service_id: int) -> _T | None:
        """Take an offer, if there is one."""
        return self._offers.pop(service_id, None)
