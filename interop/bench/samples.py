"""What was measured: a value for each figure, contender and round, and their ratios."""

import statistics
from dataclasses import dataclass, field

# Quartiles that lie further apart than this part of the median leave a ratio open.
NOISY = 0.25


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the quartiles around it."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Summarise; one value is its own quartiles."""
        low, middle, high = statistics.quantiles(
            values if len(values) > 1 else values * 2, n=4, method="inclusive"
        )
        return cls(low, middle, high)

    def scaled(self, factor: float) -> "Spread":
        """Return the same in another unit."""
        return Spread(self.low * factor, self.middle * factor, self.high * factor)

    @property
    def is_noisy(self) -> bool:
        """Whether the quartiles are too far apart for the median to say much."""
        return self.high - self.low > NOISY * self.middle

    def __str__(self) -> str:
        mark = " ~" if self.is_noisy else ""
        return f"{self.middle:.2f} ({self.low:.2f}–{self.high:.2f}){mark}"


@dataclass(slots=True)
class Samples:
    """The values of one part of the benchmark, by (figure, contender), then round."""

    values: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    refusals: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why there are no values."""

    def add(self, figure: str, contender: str, turn: int, value: float) -> None:
        """Keep a value."""
        self.values.setdefault((figure, contender), {})[turn] = value

    def refuse(self, figure: str, contender: str, reason: str) -> None:
        """Keep why a figure can't be had."""
        self.refusals[figure, contender] = reason

    def spread(self, figure: str, contender: str) -> Spread | None:
        """Summarise the values, if there are any."""
        values = self.values.get((figure, contender))
        return Spread.of(list(values.values())) if values else None

    def ratio(
        self, figure: str, contender: str, other: str, *, of: str = ""
    ) -> Spread | None:
        """Summarise the ratios to another contender, taken round by round.

        Args:
            figure: What is compared.
            contender: Whose value is divided.
            other: By whose.
            of: By another figure of that; default the same.
        """
        ours = self.values.get((figure, contender), {})
        theirs = self.values.get((of or figure, other), {})
        ratios = [ours[turn] / theirs[turn] for turn in ours if theirs.get(turn)]
        return Spread.of(ratios) if ratios else None
