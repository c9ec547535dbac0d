"""Hold policy text and point into it: sources, spans, and the line and column of an offset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from msgspec import Struct

from policyengine.concurrency import cached_property


class Source(Struct, frozen=True, dict=True):
    """A named piece of policy text.

    *name* is what diagnostics print (a path as the user gave it); *text* is decoded, without a
    byte-order mark. Line ends are left as they are, so that offsets fit the file.
    """

    name: str
    text: str

    def __repr__(self) -> str:
        return f"Source({self.name!r})"  # the text may be long

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the text, in hexadecimal digits."""
        from hashlib import sha256  # deciding needs none

        return sha256(self.text.encode()).hexdigest()

    @property
    def line_end(self) -> str:
        """How lines of the text end: as its first one does."""
        return "\r\n" if self.text[: self.text.find("\n") + 1].endswith("\r\n") else "\n"

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column (in code points) of *offset*."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of the 1-based line *number*, without its line end."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] if number < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def at(self, span: Span) -> str:
        """Return the text of *span*."""
        return self.text[span.start : span.end]

    def on_one_line(self, span: Span) -> str:
        """Return the text of *span* with its line ends and repeated blanks as single blanks."""
        return " ".join(self.at(span).split())


def of_size(sources: Mapping[str, Source], most: int) -> dict[str, Source]:
    """Return the texts that have at most *most* code points; to find places in others takes too long."""
    return {name: source for name, source in sources.items() if len(source.text) <= most}


class Span:
    """A half-open range of code points [start, end) of the source called *file*. Never changed.

    There is one for each node of each tree, so it is a hand-written class, which is made in half the
    time. `syntax/tree_codec.py` writes it to a cache without the file.
    """

    __slots__ = ("end", "file", "start")
    __match_args__ = ("file", "start", "end")

    def __init__(self, file: str, start: int, end: int) -> None:
        self.file = file
        self.start = start
        self.end = end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Span):
            return NotImplemented
        return (self.file, self.start, self.end) == (other.file, other.start, other.end)

    def __hash__(self) -> int:
        return hash((self.file, self.start, self.end))

    def __reduce__(self) -> tuple[type[Span], tuple[str, int, int]]:
        return Span, (self.file, self.start, self.end)

    def __repr__(self) -> str:
        return f"Span(file={self.file!r}, start={self.start!r}, end={self.end!r})"

    def to(self, other: Span) -> Span:
        """Return the span from the start of this one to the end of *other*."""
        return Span(self.file, self.start, other.end)


NOWHERE = Span("", 0, 0)
