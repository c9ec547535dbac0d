"""Show coverage as a page of HTML: the policies, each operand coloured by what tests made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Literal

from attrs import evolve, frozen

from policyengine.diagnostics.source import Source
from policyengine.testing.coverage import MEASURES, Coverage, Covered, OperandCoverage
from policyengine.testing.coverage_text import NAMES, lacking, was

Colour = Literal["full", "part", "none"]


@frozen
class _Mark:
    """The mark of a coloured part: its colour, and a title that names tests."""

    start: int
    end: int
    colour: Colour
    title: str
    kind: str
    tests: tuple[tuple[str, tuple[str, ...]], ...]


@frozen
class _Part:
    """Text of one line; *first*: whether a mark begins here, which may go over several lines."""

    text: str
    mark: _Mark | None = None
    first: bool = True


def coverage_page(coverage: Coverage) -> str:
    """Return the page; it needs the extra `report` (`ImportError` without)."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = (files("policyengine.testing") / "coverage.html.jinja").read_text(encoding="utf-8")
    page: str = environment.from_string(text).render(
        names=[NAMES[measure] for measure in MEASURES],
        totals=[coverage.share(measure) for measure in MEASURES],
        files=list(_files(coverage)),
    )
    return page


def _files(coverage: Coverage) -> Iterator[dict[str, object]]:
    for name in dict.fromkeys(item.span.file for item in coverage.items):
        here = evolve(coverage, items=tuple(i for i in coverage.items if i.span.file == name))
        source = coverage.sources[name]
        marks = sorted((m for item in here.items for m in _marks(item)), key=lambda m: m.start)
        yield {
            "name": name,
            "shares": [here.share(measure) for measure in MEASURES],
            "lacks": [
                (source.position(start)[0], text)
                for item in here.items
                for start, text in lacking(item)
            ],
            "lines": _lines(source, marks),
        }


def _marks(item: Covered) -> Iterator[_Mark]:
    if item.is_rule:
        colour: Colour = "full" if item.satisfied_in else "none"
        tests = (("satisfied", item.satisfied_in), ("not satisfied", item.failed_in))
        yield _Mark(item.span.start, item.span.end, colour, item.name, item.kind, tests)
    for operand in item.operands:
        tests = (("true", operand.true_in), ("false", operand.false_in))
        span, title = operand.span, _title(operand)
        yield _Mark(span.start, span.end, _colour(operand), title, f"in {item.name}", tests)


def _colour(operand: OperandCoverage) -> Colour:
    if operand.decides:
        return "full"
    return "part" if operand.true_in and operand.false_in else "none"


def _title(operand: OperandCoverage) -> str:
    return "was shown to decide on its own" if operand.decides else was(operand)


def _lines(source: Source, marks: Iterable[_Mark]) -> Sequence[Sequence[_Part]]:
    """Cut a text into lines of parts; a mark over several lines is one on each."""
    lines: list[list[_Part]] = [[]]

    def add(text: str, mark: _Mark | None) -> None:
        for i, piece in enumerate(text.split("\n")):
            if i:
                lines.append([])
            marked = piece.lstrip() if mark else piece
            if marked != piece:
                lines[-1].append(_Part(piece[: len(piece) - len(marked)]))
            if marked:
                lines[-1].append(_Part(marked, mark, first=not i))

    at = 0
    for mark in marks:
        if mark.start >= at:
            add(source.text[at : mark.start], None)
            add(source.text[mark.start : mark.end], mark)
            at = mark.end
    add(source.text[at:].rstrip("\n"), None)
    return lines
