"""Measure tests: their coverage of the rules, and the mutants of rules that they notice."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from policyengine.cli.loading import the_cache
from policyengine.cli.mutation_report import mutation_json, place_json, show_mutation
from policyengine.cli.output import FailingInput, say, width, working

if TYPE_CHECKING:
    from policyengine.diagnostics.source import Source
    from policyengine.mutation.fates import MutationRun
    from policyengine.semantics.checked import CheckedSet
    from policyengine.testing.coverage import Coverage, Covered
    from policyengine.testing.coverage_text import Thresholds

MUTATION = "mutation"
"""The measure of `--mutate`, beside those of coverage."""

_PERCENT = re.compile(r".*\((.*)\)")


@frozen
class Wanted:
    """The measures that are wanted, and their thresholds in percent.

    *page*: the file for coverage as HTML. *jobs*: the number of processes that mutate. *fresh*:
    whether the results of earlier runs are ignored. *budget*: the seconds that mutation takes at most.
    """

    coverage: bool
    page: str | None
    mutation: bool
    coverage_least: Thresholds
    mutation_least: float
    jobs: int
    fresh: bool
    budget: float

    @classmethod
    def read(
        cls, *, coverage: bool, page: str | None, mutate: bool, fail_under: Sequence[str],
        jobs: int | None, fresh: bool, budget: float,
    ) -> Wanted:  # fmt: skip
        """Read the options; a threshold implies its measure. Raises `UsageError`."""
        from policyengine.testing.coverage_text import NAMES, read_threshold

        try:
            least: dict[Any, float] = dict(
                read_threshold(text, [*NAMES, MUTATION]) for text in fail_under
            )
        except ValueError as problem:
            raise click.UsageError(f"--fail-under: {problem}") from None
        mutation_least = least.pop(MUTATION, None)
        return cls(
            coverage or page is not None or bool(least),
            page,
            mutate or mutation_least is not None,
            least,
            mutation_least or 0.0,
            jobs or os.cpu_count() or 1,
            fresh,
            budget,
        )


@frozen
class Measures:
    """The measures of a set's tests; None where one was not wanted, or not possible."""

    sources: Mapping[str, Source] = field(repr=False)
    coverage: Coverage | None = None
    mutation: MutationRun | None = None
    short: tuple[str, ...] = ()

    def show(self, *, verbose: bool, everything: bool) -> None:
        """Write the measures for people; *everything*: all tests that are offered, too."""
        if self.coverage is not None:
            _show_coverage(self.coverage, verbose=verbose)
        if self.mutation is not None:
            show_mutation(self.mutation, everything=everything)
        for text in self.short:
            say(text, "bold red")

    def json(self) -> dict[str, Any]:
        """Return the measures for programs."""
        document: dict[str, Any] = {}
        if self.coverage is not None:
            document["coverage"] = _coverage_json(self.coverage)
        if self.mutation is not None:
            document["mutation"] = mutation_json(self.mutation)
        return {**document, "short": list(self.short)} if document or self.short else {}


def take_measures(
    checked: CheckedSet, paths: Sequence[str], wanted: Wanted, *, passed: bool, now: int
) -> Measures:
    """Measure the tests in *checked*, none of which is an error; *passed*: whether all of them passed.

    Only tests that pass can notice a mutant, so otherwise nothing is mutated.
    """
    coverage = mutation = None
    short: list[str] = []
    if wanted.coverage:
        from policyengine.testing.coverage import measure
        from policyengine.testing.coverage_text import short_of

        with working("measuring coverage"):
            coverage = measure(checked, now=now)
        short += short_of(coverage, wanted.coverage_least)
        if wanted.page is not None:
            _write_page(coverage, wanted.page)
    if wanted.mutation and passed:
        mutation = _mutated(checked, paths, wanted, now)
        if 100 * mutation.score < wanted.mutation_least:
            score, least = 100 * mutation.score, wanted.mutation_least
            short.append(f"mutation {score:.1f} % is less than {least:g} %")
    elif wanted.mutation:
        short.append(
            "no rule was changed to see whether tests notice: they must all pass first, as the "
            "rules are"
        )
    return Measures(checked.sources, coverage, mutation, tuple(short))


def _write_page(coverage: Coverage, name: str) -> None:
    from policyengine.testing.coverage_page import coverage_page

    try:
        page = coverage_page(coverage)
    except ImportError:
        raise FailingInput(
            "--coverage-html needs Jinja: install `policyengine-dsl[report]`"
        ) from None
    Path(name).write_text(page, encoding="utf-8")


def _mutated(checked: CheckedSet, paths: Sequence[str], wanted: Wanted, now: int) -> MutationRun:
    from policyengine.mutation.fate_memory import recall, remember
    from policyengine.mutation.score import mutate

    cache = the_cache()
    remembered = {} if wanted.fresh else recall(cache, paths)
    with working("changing the rules") as progress:
        run, remembered = mutate(
            checked, now=now, jobs=wanted.jobs, remembered=remembered, seconds=wanted.budget,
            progress=progress,
        )  # fmt: skip
    remember(cache, paths, remembered)
    return run


# ---- coverage ---------------------------------------------------------------------------


def _show_coverage(coverage: Coverage, *, verbose: bool) -> None:
    from policyengine.testing.coverage_text import NAMES, lacks

    rows = [("", *NAMES.values()), *_rows(coverage, verbose=verbose)]
    say("")
    for i, line in enumerate(_table(rows, width())):
        say(line, "bold" if i in (0, len(rows) - 1) else None)
    lines = list(lacks(coverage))
    if lines:
        say("")
    for line in lines:
        say(line)


def _table(rows: Sequence[Sequence[str]], room: int | None) -> Iterator[str]:
    """Give the lines of a table, whose numbers are cut to percentages and its names to their ends if it must be."""
    columns = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if room is not None and sum(columns) + 2 * len(columns) - 2 > room:
        rows = [(row[0], *(_PERCENT.sub(r"\1", cell) for cell in row[1:])) for row in rows]
        columns = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        columns[0] = min(columns[0], room - sum(columns[1:]) - 2 * len(columns) + 2)
    for name, *cells in rows:
        shown = name if len(name) <= columns[0] else "…" + name[1 - columns[0] :]
        padded = (f"{cell:>{column}}" for cell, column in zip(cells, columns[1:], strict=True))
        yield f"{shown:<{columns[0]}}  {'  '.join(padded)}"


def _rows(coverage: Coverage, *, verbose: bool) -> Iterator[tuple[str, ...]]:
    """Give a row for each file, and if *verbose* for each rule; then one for all."""
    by_file: dict[str, list[Covered]] = {}
    for item in coverage.items:
        by_file.setdefault(item.span.file, []).append(item)
    for name, items in by_file.items():
        yield (name, *_shares(items))
        if verbose:
            yield from ((f"  {item.name}", *_shares([item])) for item in items)
    yield ("all", *_shares(coverage.items))


def _shares(items: Sequence[Covered]) -> Iterator[str]:
    from policyengine.testing.coverage import MEASURES
    from policyengine.testing.coverage_text import share_text

    for what in MEASURES:
        shares = [item.share(what) for item in items]
        covered, of = sum(share[0] for share in shares), sum(share[1] for share in shares)
        yield share_text(covered, of) if of else "-"


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    from policyengine.testing.coverage import MEASURES

    shares = {what: coverage.share(what) for what in MEASURES}
    return {
        **{
            what: {"covered": covered, "of": of, "percent": round(coverage.percent(what), 2)}
            for what, (covered, of) in shares.items()
        },
        "items": [
            {
                "name": item.name,
                "kind": item.kind,
                **place_json(item.span, coverage.sources),
                "satisfied_in": list(item.satisfied_in),
                "failed_in": list(item.failed_in),
                "operands": [
                    {
                        "text": operand.text,
                        **place_json(operand.span, coverage.sources),
                        "true_in": list(operand.true_in),
                        "false_in": list(operand.false_in),
                        "decides": operand.decides,
                    }
                    for operand in item.operands
                ],
            }
            for item in coverage.items
        ],
    }
