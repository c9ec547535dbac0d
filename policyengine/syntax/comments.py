"""Attach the comments and blank lines of the source to the words of a document.

The words of a formatted file are those of its source in the same order, apart from commas, brackets
and empty blocks that formatting adds or leaves out. So both are walked side by side, and each comment
is attached to the word before it if it is on the same line, else to the word after it (or to the end
of the block that closes there). Nothing here depends on the tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import Factory, define

from policyengine.syntax.layout import APART, Comment, Slot, Word

_STRING = r'"(?:[^"\\\r\n]|\\[^\r\n])*"'
_BETWEEN = re.compile(r"[ \t\r\n\f]+|#[^\n]*")
_STRING_OR_COMMENT = re.compile(_STRING + r"|#[^\n]*")
_WRITTEN = re.compile(_STRING + r"|[A-Za-z_][A-Za-z0-9_]*")
_LEFT_OUT = re.compile(r"[,(){}]|(?:with|having)(?![A-Za-z0-9_])")
_TOKEN = re.compile(_STRING + r'|#[^\n]*|[()]|[^()"#\s]+|"')
_WIDE = re.compile(r"  |\t")
_ADDED = (",", "(", ")")


class MisalignedError(Exception):
    """The words of the document are not those of the source: a bug of the formatter."""


def comments_of(text: str) -> list[str]:
    """List the comments of a text, without blanks at their ends."""
    return [comment for _, comment in comments_at(text)]


def comments_at(text: str) -> list[tuple[int, str]]:
    """List the comments of a text, each with its offset."""
    found = ((match.start(), match[0]) for match in _STRING_OR_COMMENT.finditer(text))
    return [(at, comment.rstrip()) for at, comment in found if comment.startswith("#")]


@define
class _Reader:
    """A position in the source, and the comments before it that are not attached to a word yet."""

    text: str
    at: int = 0
    pending: list[Comment] = Factory(list)
    last: Word | None = None
    """The last word on the current line, beside which a comment may be."""
    newlines: int = 0
    """Line ends since the last word, comment or sign."""
    blanks: str = ""
    """The blanks since then."""

    def skip(self) -> None:
        """Go to the next word or sign, over blanks and comments."""
        self.blanks = ""
        while found := _BETWEEN.match(self.text, self.at):
            self.at = found.end()
            if not found[0].startswith("#"):
                self.newlines += found[0].count("\n")
                self.blanks = found[0]
                continue
            comment = found[0].rstrip()
            if self.newlines == 0 and self.last and not self.last.beside and not self.pending:
                self.last.beside = comment
                self.last.beside_column = self.column(found.start())
                self.last.beside_wide = len(self.blanks.expandtabs()) > len(APART)
            else:
                self.pending.append(Comment(comment, self.newlines > 1))
            self.newlines = 0

    def take(self, word: Word) -> bool:
        """Go past *word*; False if the source does not have it."""
        while True:
            self.skip()
            end = self._end_of(word)
            if end is not None:
                word.blank_before = self.newlines > 1
                word.begins_line = self.newlines > 0
                word.column = self.column(self.at)
                word.wide_before = _WIDE.search(self.blanks) is not None
                self.at, self.newlines = end, 0
                return True
            if word.text in _ADDED:
                return False
            self._leave_out(word.text)

    def column(self, at: int) -> int:
        """Return the column of a place in the source."""
        return at - self.text.rfind("\n", 0, at)

    def finish(self) -> None:
        """Go to the end of the source."""
        self.skip()
        while self.at < len(self.text):
            self._leave_out("the end")
            self.skip()

    def _leave_out(self, wanted: str) -> None:
        found = _LEFT_OUT.match(self.text, self.at)
        if not found:
            there = self.text[self.at : self.at + 20]
            raise MisalignedError(f"{wanted!r} is not at {self.at}, where {there!r} is")
        self.at, self.newlines = found.end(), 0

    def _end_of(self, word: Word) -> int | None:
        if word.written:
            found = _WRITTEN.match(self.text, self.at)
            if found:
                word.text = found[0]
            return found.end() if found else None
        if not self.text.startswith(word.text, self.at):
            return None
        end = self.at + len(word.text)
        cut = word.text[-1].isalnum() and re.match(r"[A-Za-z0-9_]", self.text[end : end + 1])
        return None if cut else end


def give_comments(leaves: Sequence[Word | Slot], text: str) -> None:
    """Fill in the comments and blank lines around each word, and the comments of each slot.

    Parentheses that may be there are if the source has them.
    """
    reader = _Reader(text)
    in_parentheses = parenthesized(text)
    slot: Slot | None = None
    for leaf in leaves:
        if isinstance(leaf, Slot):
            slot = leaf
            continue
        if leaf.around is not None:
            if leaf.around not in in_parentheses:
                continue
            leaf.text = leaf.sign
        if not reader.take(leaf):
            continue
        if slot is not None and leaf.text == "}":
            slot.comments, reader.pending = reader.pending, []
        elif leaf.text != ",":
            leaf.leading, reader.pending = reader.pending, []
        slot = None
        if leaf.text != ",":
            reader.last = leaf
    reader.finish()
    if slot is not None:
        slot.comments = reader.pending


def parenthesized(text: str) -> set[tuple[int, int]]:
    """Return where the text between two parentheses begins and ends, for each pair of them."""
    between: set[tuple[int, int]] = set()
    opened: list[int] = []
    end = 0
    for found in _TOKEN.finditer(text):
        if found[0].startswith("#"):
            continue
        if opened and opened[-1] < 0:
            opened[-1] = found.start()
        if found[0] == "(":
            opened.append(-1)
        elif found[0] == ")" and opened:
            between.add((opened.pop(), end))
        end = found.end()
    return between
