"""Hold what came of tests, as plain data that any report can be made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from policyengine.diagnostics.source import Source, Span

Status: TypeAlias = Literal["passed", "failed", "error"]
"""An error is a test that could not be run to its end: never a pass, and no failure of a rule."""


@frozen
class Problem:
    """One thing that was not as it should be.

    *kind*: `failed` where an expectation or a promise was not met, `error` where nothing could be
    said of it. *notes*: what helps to understand it, each with its label (`reason`, `rules`, …).
    *code*: `test`, or that of a mistake of ours.
    """

    kind: Literal["failed", "error"]
    span: Span
    message: str
    notes: tuple[tuple[str, str], ...] = ()
    code: str = "test"


@frozen
class Result:
    """What came of one test; *expectations* counts those that were evaluated."""

    title: str
    span: Span
    problems: tuple[Problem, ...]
    expectations: int
    seconds: float

    @property
    def status(self) -> Status:
        """What the worst of its problems makes of the test."""
        if any(problem.kind == "error" for problem in self.problems):
            return "error"
        return "failed" if self.problems else "passed"


@frozen
class Run:
    """What came of all tests that were run, in the order of the text."""

    results: tuple[Result, ...]
    sources: Mapping[str, Source] = field(repr=False)

    def count(self, status: Status) -> int:
        """Return how many tests ended in that way."""
        return sum(result.status == status for result in self.results)

    @property
    def seconds(self) -> float:
        """How long all of them took."""
        return sum(result.seconds for result in self.results)
