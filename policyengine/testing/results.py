"""Hold the results of tests as plain data, from which any report can be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from policyengine.diagnostics.source import Source, Span

Status: TypeAlias = Literal["passed", "failed", "error"]
"""The status of a test. An error could not be run to its end: no pass, and no failure of a rule."""


@frozen
class Problem:
    """A problem of one test.

    *kind*: `failed` where an expectation or an invariant was not met, `error` where there is no
    outcome. *notes* help to understand it, each with its label (`reason`, `rules`, …). *code*:
    `test`, or the code of a bug of ours.
    """

    kind: Literal["failed", "error"]
    span: Span
    message: str
    notes: tuple[tuple[str, str], ...] = ()
    code: str = "test"


@frozen
class Result:
    """The result of one test; *expectations* counts those that were evaluated."""

    title: str
    span: Span
    problems: tuple[Problem, ...]
    expectations: int
    seconds: float

    @property
    def status(self) -> Status:
        """The status of the test, by the worst of its problems."""
        if any(problem.kind == "error" for problem in self.problems):
            return "error"
        return "failed" if self.problems else "passed"


@frozen
class Run:
    """The results of all tests that were run, in the order of the text."""

    results: tuple[Result, ...]
    sources: Mapping[str, Source] = field(repr=False)

    def count(self, status: Status) -> int:
        """Return how many tests have *status*."""
        return sum(result.status == status for result in self.results)

    @property
    def seconds(self) -> float:
        """The time that all tests took."""
        return sum(result.seconds for result in self.results)
