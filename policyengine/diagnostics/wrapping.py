"""Fit lines into the width of a terminal: break them between words, and count cells as terminals do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

_Kind = TypeVar("_Kind")

_WORD = re.compile(r"\S+")
_WORD_OF_CODE = re.compile(r'#.*\S|(?:"(?:[^"\\]|\\.)*"|[^\s"#]|"|(?<=\S)#)+')
_UNIT = re.compile(
    r"""(?:`[^`]*`|(?<!\w)[A-Z]\w{0,40}\ "(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*"|(?<=\w)\([^()]{0,40}\)|\S)+""",
    re.VERBOSE,
)
"""Words that belong together: quoted code or text, an entity, the call of a function."""
_LABEL = re.compile(r"\s*\S+(?: \S+)*\s{2,}(?=\S)")

_FURTHER = 4
"""By how much a line goes on to the right of where it begins: what is below it is indented by two."""


def width_of(character: str) -> int:
    """Return the number of cells of a character."""
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cells(text: str) -> int:
    """Return the number of cells of a text on one line."""
    return len(text) if text.isascii() else sum(map(width_of, text))


def fitting_parts(
    line: str, width: int, *, code: bool = False
) -> tuple[list[tuple[int, int]], int]:
    """Return the ranges of a line that fit into *width*, and by how much those after the first are indented.

    A line is broken between words, and not within quotes, entities and calls that take less than half of a line. A
    word that is wider than all is left whole: a terminal goes on with it on its
    next line, and it can be copied. *code*: strings and comments are not broken, so that the text means the same.
    """
    if cells(line) <= width:
        return [(0, len(line))], 0
    places = [0, *accumulate(map(width_of, line))]
    indent = _indent(line, width, code=code)
    parts: list[tuple[int, int]] = []
    start, before, room = 0, 0, width
    for begin, end in _words(line, width, code=code):
        if before and places[end] - places[start] > room:
            parts.append((start, before))
            start, room = begin, width - indent
        before = end
    return [*parts, (start, before)], indent


def _words(line: str, width: int, *, code: bool) -> Iterator[tuple[int, int]]:
    """Give the ranges of a line within which it is not broken."""
    for found in (_WORD_OF_CODE if code else _UNIT).finditer(line):
        if code or cells(found[0]) <= width // 2:
            yield found.span()
        else:
            yield from (word.span() for word in _WORD.finditer(line, *found.span()))


def _indent(line: str, width: int, *, code: bool) -> int:
    """Return where a line goes on: below what follows its label, or a little further to the right."""
    label = _LABEL.match(line)
    if label and not code and cells(label[0]) <= width // 3:
        return cells(label[0])
    return min(len(line) - len(line.lstrip()) + _FURTHER, width // 2)


def fitted_pieces(
    pieces: Sequence[tuple[str, _Kind]], width: int | None, *, code: bool = False
) -> list[tuple[str, list[tuple[str, _Kind]]]]:
    """Return the lines that show one line of *pieces*: the blanks that each begins with, and its pieces."""
    line = "".join(text for text, _ in pieces)
    if width is None:
        return [("", list(pieces))]
    parts, indent = fitting_parts(line, width, code=code)
    rows: list[tuple[str, list[tuple[str, _Kind]]]] = []
    for start, stop in parts:
        row, at = [], 0
        for text, kind in pieces:
            piece = text[max(0, start - at) : max(0, stop - at)]
            row += [(piece, kind)] if piece else []
            at += len(text)
        rows.append((" " * indent if rows else "", row))
    return rows


def fitted(text: str, width: int) -> str:
    """Return a text whose lines fit into *width*."""
    rows: list[str] = []
    for line in text.split("\n"):
        for indent, pieces in fitted_pieces([(line, None)], width):
            rows.append(indent + "".join(piece for piece, _ in pieces))
    return "\n".join(rows)
