"""The fates of mutants: what a run of all mutants returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from policyengine.diagnostics.source import Source, Span

Fate: TypeAlias = Literal["noticed", "refused", "equivalent", "survived", "untried"]
"""A test fails; the checker refuses it; it is proved to decide every request as the original; none of
these; or the budget was spent before it was tried."""


@frozen
class Tried:
    """The fate of one mutant.

    *by*: the title of the test that noticed it. Of a survivor, *test* is a test that would notice it; if it
    is empty, it is not settled whether some request is decided otherwise, and *why* says what was tried.
    *late*: whether more would have been tried in a larger budget.
    """

    of: str
    kind: str
    what: str
    span: Span
    fate: Fate
    by: str = ""
    test: str = ""
    why: str = ""
    late: bool = False


@frozen
class MutationRun:
    """The fates of all mutants. *seconds*: the budget of the run."""

    tried: tuple[Tried, ...]
    sources: Mapping[str, Source] = field(repr=False)
    seconds: float | None = None

    def count(self, fate: Fate) -> int:
        """Return how many mutants have *fate*."""
        return sum(one.fate == fate for one in self.tried)

    @property
    def survivors(self) -> tuple[Tried, ...]:
        """The mutants that no test noticed and that are not proved to be equivalent."""
        return tuple(one for one in self.tried if one.fate == "survived")

    @property
    def score(self) -> float:
        """The share of mutants that tests notice, among those that may be noticed; 1 if there are none."""
        noticed, survived = self.count("noticed"), self.count("survived")
        return noticed / (noticed + survived) if noticed + survived else 1.0
