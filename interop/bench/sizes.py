"""How much is measured: all of it, or just enough to see that everything answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Counts per round, and how many rounds there are."""

    rounds: int
    unary: int
    flight: int
    small: int
    """Messages of 100 bytes in a stream."""
    large: int
    """Messages of 1 MiB in a stream."""
    echoes: int
    """Of 4 MiB."""
    dials: int
    every_start: bool
    """Or only those that the targets are about."""
    fleets: int
    """How often a fleet of plugins is started."""
    fleet: tuple[int, int, int]
    """How many plugins one host has: first, then, at last."""
    streams: int
    """Idle streams of one multiplexed session."""
    schemas: int
    """Calls for a schema of 5 MB."""
    values: int
    """Times that a value of 1 MB is encoded, and decoded."""
    plans: int
    """Plans of a Terraform resource."""


FULL = Sizes(
    rounds=15,
    unary=300,
    flight=1280,
    small=3000,
    large=32,
    echoes=8,
    dials=5,
    every_start=True,
    fleets=5,
    fleet=(1, 10, 50),
    streams=1000,
    schemas=3,
    values=5,
    plans=20,
)
QUICK = Sizes(
    rounds=1,
    unary=10,
    flight=64,
    small=10,
    large=2,
    echoes=1,
    dials=1,
    every_start=False,
    fleets=1,
    fleet=(1, 2, 3),
    streams=10,
    schemas=1,
    values=1,
    plans=2,
)
