"""Report the coverage of rules by the policy tests of a run of pytest, set by set.

The tests that ran are known from the reports of the items, which xdist sends to the main process. It
measures once, at the end, with those tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from attrs import define, evolve, field, frozen

from policyengine.testing.coverage import Coverage, Measure, measure
from policyengine.testing.coverage_page import coverage_page
from policyengine.testing.coverage_text import (
    NAMES,
    Thresholds,
    lacks,
    read_threshold,
    share_text,
    short_of,
)
from policyengine.testing.pytest_sets import PolicySet, PolicySets, shown

_MOST_LINES = 20
"""The number of operands not shown to decide that are listed for one set."""


@frozen
class _Measured:
    """The coverage of a set, and each threshold that it does not reach, in words."""

    name: str
    coverage: Coverage
    lacking: tuple[str, ...]


@define
class CoverageReport:
    """A plugin of pytest for one run: notes the tests that ran, measures and shows their coverage."""

    config: pytest.Config
    pages: Path | None
    thresholds: Thresholds
    ran: dict[Path, set[str]] = field(factory=dict)
    measured: tuple[_Measured, ...] = ()

    @classmethod
    def of(cls, config: pytest.Config) -> CoverageReport:
        """Make the report that the options of a run ask for. Raises `pytest.UsageError`."""
        pages = config.option.policy_coverage_html
        if pages is not None and find_spec("jinja2") is None:
            raise pytest.UsageError(
                "--policy-coverage-html needs Jinja: install `policyengine-dsl[report]`"
            )
        thresholds = dict(map(_threshold, config.option.policy_coverage_fail_under))
        return cls(config, None if pages is None else Path(pages), thresholds)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a policy test ran to its end."""
        file, _, name = report.location
        if report.when == "call" and file.endswith(".policy"):
            path = Path(os.path.normpath(self.config.rootpath / file))
            self.ran.setdefault(path, set()).add(name)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Measure the coverage; the run fails where it is below a threshold."""
        by_set: dict[Path, dict[Path, set[str]]] = {}
        sets = PolicySets.of(self.config)
        for file, names in self.ran.items():
            by_set.setdefault(sets.with_file(file).folder, {})[file] = names
        self.measured = tuple(self._measure(sets.at(path), by_set[path]) for path in sorted(by_set))
        if self.pages is not None:
            for one in self.measured:
                self.pages.mkdir(parents=True, exist_ok=True)
                page = self.pages / f"{one.name.replace(os.sep, '-')}.html"
                page.write_text(coverage_page(one.coverage), encoding="utf-8")
        short = any(one.lacking for one in self.measured) or not self.measured
        if self.thresholds and short and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _measure(self, policies: PolicySet, ran: Mapping[Path, set[str]]) -> _Measured:
        assert policies.checked is not None
        tests = tuple(
            test
            for file, names in ran.items()
            for name, test in policies.tests_in(file).items()
            if name in names
        )
        coverage = measure(evolve(policies.checked, tests=tests))
        lacking = short_of(coverage, self.thresholds)
        return _Measured(str(shown(policies.folder)), coverage, lacking)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the coverage."""
        terminalreporter.section("policy coverage")
        if not self.measured:
            terminalreporter.line("no policy test ran, so nothing was measured")
        for one in self.measured:
            for line in _lines(one):
                terminalreporter.line(line)
            for text in one.lacking:
                terminalreporter.line(f"  {text}", red=True)


def _threshold(text: str) -> tuple[Measure, float]:
    try:
        return read_threshold(text, NAMES)
    except ValueError as problem:
        raise pytest.UsageError(f"--policy-coverage-fail-under: {problem}") from None


def _lines(one: _Measured) -> Iterator[str]:
    """Give the shares of a set, then what is not covered."""
    shares = (f"{name} {share_text(*one.coverage.share(what))}" for what, name in NAMES.items())
    yield f"{one.name}: {', '.join(shares)}"
    lines = list(lacks(one.coverage))
    yield from (f"  {line}" for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"  and {len(lines) - _MOST_LINES} more"
