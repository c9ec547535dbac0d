"""Show coverage as a page of HTML: the policies, each operand coloured by what tests made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Literal

from attrs import frozen

from policyengine.diagnostics.source import Source
from policyengine.testing.coverage import MEASURES, Coverage, Covered, OperandCoverage

Colour = Literal["full", "part", "none"]


@frozen
class _Mark:
    """What is said of a coloured part: how it is coloured, and in which tests it was what."""

    start: int
    end: int
    colour: Colour
    title: str
    tests: tuple[tuple[str, tuple[str, ...]], ...]


@frozen
class _Part:
    text: str
    mark: _Mark | None = None


def coverage_page(coverage: Coverage) -> str:
    """Return the page; it needs the extra `report` (`ImportError` without)."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = (files("policyengine.testing") / "coverage.html.jinja").read_text(encoding="utf-8")
    totals = []
    for measure in MEASURES:
        covered, of = coverage.share(measure)
        name = {"mcdc": "MC/DC"}.get(measure, measure)
        percent = coverage.percent(measure)
        totals.append({"name": name, "covered": covered, "of": of, "percent": percent})
    page: str = environment.from_string(text).render(totals=totals, files=list(_files(coverage)))
    return page


def _files(coverage: Coverage) -> Iterator[dict[str, object]]:
    for name in dict.fromkeys(item.span.file for item in coverage.items):
        marks = [m for item in coverage.items if item.span.file == name for m in _marks(item)]
        marks.sort(key=lambda mark: mark.start)
        yield {"name": name, "lines": _lines(coverage.sources[name], marks)}


def _marks(item: Covered) -> Iterator[_Mark]:
    if item.is_rule:
        colour: Colour = "full" if item.satisfied_in else "none"
        tests = (("satisfied", item.satisfied_in), ("not satisfied", item.failed_in))
        yield _Mark(item.span.start, item.span.end, colour, item.name, tests)
    for operand in item.operands:
        tests = (("true", operand.true_in), ("false", operand.false_in))
        yield _Mark(operand.span.start, operand.span.end, _colour(operand), _title(operand), tests)


def _colour(operand: OperandCoverage) -> Colour:
    if operand.decides:
        return "full"
    return "part" if operand.true_in and operand.false_in else "none"


def _title(operand: OperandCoverage) -> str:
    return {
        "full": "shown to decide on its own",
        "part": "true and false, and never what decided alone",
        "none": "not both true and false",
    }[_colour(operand)]


def _lines(source: Source, marks: Iterable[_Mark]) -> list[list[_Part]]:
    """Cut a text into lines of parts; a mark over several lines is one on each."""
    lines: list[list[_Part]] = [[]]

    def add(text: str, mark: _Mark | None) -> None:
        for i, piece in enumerate(text.split("\n")):
            if i:
                lines.append([])
            if piece:
                stripped = piece.lstrip() if mark else piece
                if stripped != piece:
                    lines[-1].append(_Part(piece[: len(piece) - len(stripped)]))
                lines[-1].append(_Part(stripped, mark))

    at = 0
    for mark in marks:
        if mark.start >= at:
            add(source.text[at : mark.start], None)
            add(source.text[mark.start : mark.end], mark)
            at = mark.end
    add(source.text[at:].rstrip("\n"), None)
    return lines
