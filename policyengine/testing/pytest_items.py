"""Run the `test` blocks of a policy file as items of pytest, each against its whole policy set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from policyengine.diagnostics.diagnostic import error
from policyengine.diagnostics.render import readable, render
from policyengine.semantics.checked import CheckedTest
from policyengine.testing.pytest_sets import PolicySet, PolicySets
from policyengine.testing.results import Run
from policyengine.testing.runner import run_tests


class PolicyFile(pytest.File):
    """A policy file with its tests."""

    def collect(self) -> Iterable[PolicyTest]:
        """Give the tests. A set that does not check is one error, at the first of its files."""
        policies = PolicySets.of(self.config).with_file(self.path)
        if policies.checked is None:
            if not policies.reported:
                policies.reported = True
                raise self.CollectError(policies.mistakes)
            return
        for name, test in policies.tests_in(self.path).items():
            yield PolicyTest.from_parent(self, name=name, policies=policies, test=test)


class PolicyTest(pytest.Item):
    """One `test` block.

    It runs in the setup, where an exception is an error to pytest: a test that cannot be run to its end.
    An expectation that is not met then fails the call.
    """

    def __init__(self, *, policies: PolicySet, test: CheckedTest, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._policies = policies
        self._test = test
        self._run: Run | None = None

    def setup(self) -> None:
        """Run the test; raise an error if it has no result."""
        assert self._policies.checked is not None
        alone = evolve(self._policies.checked, tests=(self._test,))
        self._run = run_tests(alone, self._policies.program)
        if self._run.count("error"):
            pytest.fail(_report_text(self._run), pytrace=False)

    def runtest(self) -> None:
        """Fail if an expectation of the test was not met."""
        assert self._run is not None
        if self._run.count("failed"):
            pytest.fail(_report_text(self._run), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location of the test; pytest counts lines from 0."""
        assert self._policies.checked is not None
        span = self._test.node.span
        line, _ = self._policies.checked.sources[span.file].position(span.start)
        return self.path, line - 1, self.name


def _report_text(run: Run) -> str:
    """Return the problems of a run, each with its place in the policy and its notes."""
    return "\n\n".join(_blocks(run))


def _blocks(run: Run) -> Iterator[str]:
    for result in run.results:
        for problem in result.problems:
            shown = render(error(problem.code, problem.span, problem.message), run.sources)
            notes = (f"   = {label}: {readable(text)}" for label, text in problem.notes)
            yield "\n".join([shown, *notes])
