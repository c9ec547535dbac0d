"""Describe coverage in text: how much, what is not covered, which thresholds are not reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

from policyengine.testing.coverage import Coverage, Covered, Measure, OperandCoverage

NAMES: Mapping[Measure, str] = {"rules": "rules", "conditions": "conditions", "mcdc": "MC/DC"}
"""The names of the measures."""

Thresholds: TypeAlias = Mapping[Measure, float]
"""The least coverage that is accepted, in percent."""

M = TypeVar("M", bound=str)


def read_threshold(text: str, measures: Iterable[M]) -> tuple[M, float]:
    """Read `rules=100`. Raises `ValueError` with the values that are accepted."""
    name, _, percent = text.partition("=")
    measures = tuple(measures)
    for known in measures:
        if name == known:
            try:
                least = float(percent)
            except ValueError:
                break
            if 0 <= least <= 100:  # noqa: PLR2004 - hundredths
                return known, least
    names = ", ".join(measures)
    raise ValueError(f"`{text}` is no MEASURE=PERCENT from 0 to 100; measures are {names}")


def share_text(covered: int, of: int) -> str:
    """Return `3/4 (75.0 %)`."""
    return f"{covered}/{of} ({100 * covered / of if of else 100:.1f} %)"


def short_of(coverage: Coverage, thresholds: Thresholds) -> tuple[str, ...]:
    """Return each threshold that is not reached, in words."""
    return tuple(
        f"{NAMES[what]} {coverage.percent(what):.1f} % is less than {least:g} %"
        for what, least in thresholds.items()
        if coverage.percent(what) < least
    )


def lacks(coverage: Coverage) -> Iterator[str]:
    """Give the rules that were not satisfied, and the operands not shown to decide, with places."""
    for item in coverage.items:
        for start, text in lacking(item):
            line, _ = coverage.sources[item.span.file].position(start)
            yield f"{item.span.file}:{line}: {text}"


def lacking(item: Covered) -> Iterator[tuple[int, str]]:
    """Give what is not covered of one rule or definition, each with its offset in the file."""
    if item.is_rule and not item.satisfied_in:
        yield item.span.start, f"`{item.name}` was never satisfied"
    for operand in item.operands:
        if not operand.decides:
            yield operand.span.start, f"`{operand.text}` {was(operand)}"


def was(operand: OperandCoverage) -> str:
    """Return the values that an operand had in tests that did not show it to decide."""
    match bool(operand.true_in), bool(operand.false_in):
        case True, True:
            return "was never what decided alone"
        case True, False:
            return "was never false"
        case False, True:
            return "was never true"
    return "was never asked"
