"""Render a diagnostic for a person: the message, the place, the line itself, and what to do.

The result is plain text. For colours, the caller gives a *style*: a function that adds codes to a
piece of text by its kind. Source lines are shown cell by cell, as a terminal counts them: tabs are
widened, wide characters take two cells, characters that are invisible or control a terminal are
replaced, and a long line is cut around the place. Where the width of the terminal is known, messages are
broken between words, and source lines are cut to fit.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Literal, TypeAlias

from attrs import frozen

from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics, Label, Severity
from policyengine.diagnostics.source import Source, Span
from policyengine.diagnostics.wrapping import cells, fitted_pieces, width_of

Part: TypeAlias = Literal[
    "error", "warning", "message", "place", "gutter", "mark", "also", "help", "source"
]
"""The kind of a piece of text: *mark* underlines the problem, *also* other places."""

Style: TypeAlias = Callable[[str, Part], str]

WIDTH = 100
"""The number of cells of a source line that are shown, and of a line with its help, where nothing else is known."""

_NARROWEST = 20
_BAR = " | "

_TAB = 4
_LEAD = 20
"""The least number of cells of a cut line that are shown before the place."""

_AROUND = 1_000
"""The code points before and after a place that are looked at, of a line that may be the whole file."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")


def _plain(text: str, _: Part) -> str:
    return text


def render(
    diagnostic: Diagnostic,
    sources: Mapping[str, Source],
    style: Style | None = None,
    width: int | None = None,
) -> str:
    """Return the lines that show *diagnostic*, without a line end at their end.

    A place in a file that is not among *sources* is named, but its line is not shown. *width*: the cells of a line.
    """
    severity: Part = "error" if diagnostic.severity is Severity.ERROR else "warning"
    help = readable(diagnostic.help)
    primary, *also = diagnostic.labels
    page = _Page(sources, style or _plain, _gutter_width(diagnostic, sources), width)
    rows = page.text(
        (f"{severity}[{diagnostic.code}]", severity),
        (": ", None),
        (readable(diagnostic.message), "message"),
    )
    in_file = [label for label in also if label.span.file == primary.span.file]
    rows += page.place(primary.span, "-->")
    shown, help_shown = page.lines(primary, in_file, help)
    rows += shown
    if help and not help_shown:
        rows += page.text((" " * (page.gutter_width + 1), None), (f"= help: {help}", "help"))
    for label in also:
        if label.span.file != primary.span.file:
            rows += page.place(label.span, ":::")
            rows += page.lines(None, [label], "")[0]
    return "\n".join(row.rstrip() for row in rows)


def render_all(diagnostics: Diagnostics, style: Style | None = None) -> str:
    """Return all diagnostics, with blank lines between them, and their number."""
    blocks = [render(d, diagnostics.sources, style) for d in diagnostics.items]
    return "\n\n".join([*blocks, summary(diagnostics)])


def summary(diagnostics: Diagnostics) -> str:
    """Return the numbers of errors and warnings: `2 errors, 1 warning`."""
    errors = len(diagnostics.errors)
    warnings = len(diagnostics.items) - errors
    counts = [_count(errors, "error")] if errors or not warnings else []
    counts += [_count(warnings, "warning")] if warnings else []
    counts += [f"{diagnostics.left_out} more not shown"] if diagnostics.left_out else []
    return ", ".join(counts)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def readable(text: str) -> str:
    """Replace characters that are invisible, reorder text or control a terminal."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if unicodedata.category(character) in _UNSEEN and character not in _JOINERS:
        return "\ufffd"
    return character


# ---- lines ------------------------------------------------------------------------------


@frozen
class _View:
    """The part of a source line that is shown, as a terminal counts it."""

    text: str
    offset: int
    """Where in its source the part begins that `first` counts from."""
    first: int
    """The first code point that is shown."""
    columns: tuple[int, ...]
    """The columns at which the code points that are shown begin, and that at which the last ends."""

    @classmethod
    def of(cls, source: Source, number: int, span: Span, width: int) -> _View:
        """Show line *number*, cut to *width* cells around *span* if it is long."""
        at = source.position(span.start)[1] - 1
        line = source.line(number)
        begin = max(0, min(at, len(line)) - _AROUND)
        pieces, ends, column = [], [0], 0
        for character in line[begin : at + _AROUND]:
            piece = " " * (_TAB - column % _TAB) if character == "\t" else _visible(character)
            column += len(piece) if character == "\t" else width_of(piece)
            pieces.append(piece)
            ends.append(column)
        first, last = _window(ends, min(at, len(line)) - begin, width)
        cut = "…" if begin + first else ""
        more = "…" if begin + last < len(line) else ""
        shown = tuple(end - ends[first] + len(cut) for end in ends[first : last + 1])
        return cls(cut + "".join(pieces[first:last]) + more, span.start - at + begin, first, shown)

    def columns_of(self, span: Span) -> tuple[int, int]:
        """Return the columns that *span* takes on this line; at least one."""
        start, end = self._column(span.start), self._column(span.end)
        return start, max(end, start + 1)

    def _column(self, offset: int) -> int:
        return self.columns[min(max(0, offset - self.offset - self.first), len(self.columns) - 1)]


def _window(ends: list[int], at: int, width: int) -> tuple[int, int]:
    """Return the range of code points to show of a line, which includes *at*."""
    if ends[-1] <= width:
        return 0, len(ends) - 1
    room = width - 2  # for the marks of what is cut
    first = 0
    if ends[at] > room - min(_LEAD, room // 2):
        first = bisect_left(ends, ends[at] - min(_LEAD, room // 2))
    last = bisect_right(ends, ends[first] + room) - 1
    return first, last


def _gutter_width(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> int:
    numbers = [
        sources[label.span.file].position(label.span.start)[0]
        for label in diagnostic.labels if label.span.file in sources
    ]  # fmt: skip
    return max(3, len(str(max(numbers, default=1))) + 1)


@frozen
class _Page:
    """Shows places of the sources, all with the same gutter."""

    sources: Mapping[str, Source]
    style: Style
    gutter_width: int
    width: int | None

    @property
    def room(self) -> int:
        """The cells of a source line that are shown."""
        if self.width is None:
            return WIDTH
        return max(self.width - self.gutter_width - len(_BAR), _NARROWEST)

    def text(self, *pieces: tuple[str, Part | None], beside: int = 0) -> list[str]:
        """Return the lines of a text; pieces of no kind are not dressed. *beside*: cells that are taken already."""
        width = None if self.width is None else max(self.width - beside, _NARROWEST)
        return [
            indent + "".join(self.style(piece, part) if part else piece for piece, part in row)
            for indent, row in fitted_pieces(pieces, width)
        ]

    def gutter(self, number: int | None = None) -> str:
        text = "" if number is None else str(number)
        return self.style(f"{text:>{self.gutter_width}}{_BAR}", "gutter")

    def place(self, span: Span, arrow: str) -> list[str]:
        """Return ` --> file:line:column`; nothing for a place in no file."""
        if not span.file:
            return []
        where = readable(span.file)
        source = self.sources.get(span.file)
        if source is not None:
            line, column = source.position(span.start)
            where += f":{line}:{column}"
        return [self.style(f" {arrow} ", "gutter") + self.style(where, "place")]

    def lines(self, primary: Label | None, also: list[Label], help: str) -> tuple[list[str], bool]:
        """Return the source lines of labels of one file, with their underlines.

        Also whether the help is among them: it is if there is room after the underline.
        """
        labels = [primary, *also] if primary else also
        source = self.sources.get(labels[0].span.file)
        if source is None:
            return [], False
        rows: list[str] = []
        help_shown = False
        before = 0
        for number, group in groupby(
            sorted(labels, key=_start), lambda label: _line(source, label)
        ):
            if 0 < before < number - 1:
                rows.append(self.style(" " * self.gutter_width + "...", "gutter"))
            before = number
            on_line = sorted(group, key=lambda label: label is not primary)
            view = _View.of(source, number, on_line[0].span, self.room)
            rows.append(self.gutter(number) + self.style(view.text, "source"))
            for label in on_line:
                note = readable(label.text)
                end = view.columns_of(label.span)[1]
                if label is primary and help and end + cells(f" help: {help}") < self.room:
                    note, help_shown = f"help: {help}", True
                rows += self._underline(view, label, note, is_primary=label is primary)
        return rows, help_shown

    def _underline(self, view: _View, label: Label, note: str, *, is_primary: bool) -> list[str]:
        """Return the underline of a place, with its note beside it if there is room, else below."""
        start, end = view.columns_of(label.span)
        mark: Part = "mark" if is_primary else "also"
        said: Part = "help" if is_primary else "also"
        row = self.gutter() + " " * start + self.style("^-"[not is_primary] * (end - start), mark)
        if not note:
            return [row]
        if self.width is None or end + cells(f" {note}") <= self.room:
            return [f"{row} {self.style(note, said)}"]
        before = " " * max(0, min(start, self.room - cells(note)))
        below = self.text((before, None), (note, said), beside=self.gutter_width + len(_BAR))
        return [row, *(self.gutter() + line for line in below)]


def _start(label: Label) -> int:
    return label.span.start


def _line(source: Source, label: Label) -> int:
    return source.position(label.span.start)[0]
