"""Say what an answer is, and how much is measured to find it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from attrs import asdict, field, frozen


@frozen
class Scale:
    """How much to measure. *sizes*: of the worlds that grow, in rules; *loaded*: the largest to load."""

    requests: int = 2_000
    batch: int = 100_000
    sizes: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    loaded: int = 100_000
    rounds: int = 15


QUICK = Scale(batch=2_000, sizes=(10, 100, 1_000), loaded=1_000)


@frozen
class Answer:
    """A figure, what it must not pass, and what it is to come to; *least*: it must reach them.

    *unit*: of the figure; most are ratios and have none.
    """

    question: str
    ratio: float
    bar: float
    aim: float
    least: bool = field(default=False, kw_only=True)
    unit: str = field(default="", kw_only=True)

    @property
    def is_met(self) -> bool:
        """Whether the bar is reached."""
        return self.ratio >= self.bar if self.least else self.ratio <= self.bar

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a results file."""
        return {**asdict(self), "is_met": self.is_met}


class DisagreementError(Exception):
    """Two contestants answered a request differently, so that timing them means nothing."""


Ask: TypeAlias = Callable[[Scale], Iterable[Answer]]
