"""Report what of the rules the policy tests of a run of pytest exercised, set by set.

What ran is known from the reports of the items, which xdist sends to the process that reports; it
measures once, at the end, with the tests that ran.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias, get_args

import pytest
from attrs import define, evolve, field, frozen

from policyengine.testing.coverage import MEASURES, Coverage, Measure, OperandCoverage, measure
from policyengine.testing.coverage_page import coverage_page
from policyengine.testing.pytest_sets import PolicySet, PolicySets, shown

_MOST_LINES = 20
"""How many operands that were not shown to decide are listed of one set."""

Thresholds: TypeAlias = Mapping[Measure, float]
"""The least that is to be covered, in hundredths."""


@frozen
class _Measured:
    """What was measured of a set, and each threshold that it does not reach, in words."""

    name: str
    coverage: Coverage
    lacking: tuple[str, ...]


@define
class CoverageReport:
    """A plugin of pytest for one run: notes what ran, measures it, shows it."""

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
                "--policy-coverage-html needs Jinja: `pip install 'policyengine-dsl[report]'`"
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
        """Measure; the run fails where less is covered than should be."""
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
        lacking = tuple(
            f"{_called(what)} {coverage.percent(what):.1f} % is less than {least:g} %"
            for what, least in self.thresholds.items()
            if coverage.percent(what) < least
        )
        return _Measured(str(shown(policies.folder)), coverage, lacking)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it."""
        terminalreporter.section("policy coverage")
        if not self.measured:
            terminalreporter.line("no policy test ran, so nothing was measured")
        for one in self.measured:
            for line in _lines(one):
                terminalreporter.line(line)
            for text in one.lacking:
                terminalreporter.line(f"  {text}", red=True)


def _threshold(text: str) -> tuple[Measure, float]:
    name, _, percent = text.partition("=")
    for known in get_args(Measure):
        if name == known:
            try:
                return known, float(percent)
            except ValueError:
                break
    measures = ", ".join(MEASURES)
    raise pytest.UsageError(
        f"--policy-coverage-fail-under: `{text}` is no MEASURE=PERCENT; measures are {measures}"
    )


def _called(what: Measure) -> str:
    return {"rules": "rules", "conditions": "conditions", "mcdc": "MC/DC"}[what]


def _lines(one: _Measured) -> Iterator[str]:
    """Give the shares of a set, then what was not satisfied and what was not shown to decide."""
    shares = []
    for what in MEASURES:
        covered, of = one.coverage.share(what)
        shares.append(f"{_called(what)} {covered}/{of} ({one.coverage.percent(what):.1f} %)")
    yield f"{one.name}: {', '.join(shares)}"
    lines = list(_lacks(one.coverage))
    yield from (f"  {line}" for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"  and {len(lines) - _MOST_LINES} more"


def _lacks(coverage: Coverage) -> Iterator[str]:
    for item in coverage.items:
        source = coverage.sources[item.span.file]
        if item.is_rule and not item.satisfied_in:
            line, _ = source.position(item.span.start)
            yield f"{item.span.file}:{line}: `{item.name}` was never satisfied"
        for operand in item.operands:
            if not operand.decides:
                line, _ = source.position(operand.span.start)
                yield f"{item.span.file}:{line}: `{operand.text}` {_was(operand)}"


def _was(operand: OperandCoverage) -> str:
    match bool(operand.true_in), bool(operand.false_in):
        case True, True:
            return "was never what decided alone"
        case True, False:
            return "was never false"
        case False, True:
            return "was never true"
    return "was never asked"
