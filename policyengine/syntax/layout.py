"""Lay out words on lines: where a line may end, what belongs together, and where comments go.

A document says where lines could be broken; `render` decides. It follows Wadler and Prettier: a
`Group` is printed on one line if it fits, else all of its own `Line`s become line ends; groups inside
it decide for themselves. A `Fill` breaks only where a line is full.

Comments are attached to words. One that was beside a word is held back until the line ends, and makes
the line end before the next word; one that was on its own line is printed on its own line before its
word. A comment between two words of a group therefore breaks the group (`mark_broken`), while one
before its first or after its last word does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from attrs import Factory, define, field, frozen

WIDTH = 100
INDENT = 4


@frozen
class Comment:
    """A comment with its `#`, and whether a blank line was before it."""

    text: str
    blank_before: bool


@define(eq=False)
class Word:
    """Text that is never broken, with the comments and blank lines around it.

    *written* marks text that takes the source's form: a string, a name that may be quoted.
    """

    text: str
    written: bool = False
    leading: list[Comment] = Factory(list)
    beside: str = ""
    blank_before: bool = False
    broken_after: bool = False

    @property
    def is_tail(self) -> bool:
        """Whether a comment beside the previous word may be printed after this one."""
        return self.text in (",", ")") and not self.leading


@define(eq=False)
class Slot:
    """The place at the end of a block for comments that precede no word in it."""

    comments: list[Comment] = Factory(list)


@frozen
class Line:
    """A place where a line may end; *flat* is printed there if it does not.

    *hard*: it always ends. *blank*: a blank line that the author left is kept. *airy*: a blank line
    always follows.
    """

    flat: str = " "
    hard: bool = False
    blank: bool = False
    airy: bool = False


@define(eq=False)
class Group:
    """A part that is on one line if it fits; *opener* keeps it broken where the author broke it."""

    content: Doc
    broken: bool = False
    opener: Word | None = None


@frozen(eq=False)
class Nest:
    """Lines inside begin *by* columns further to the right."""

    content: Doc
    by: int = INDENT


@frozen(eq=False)
class Align:
    """Lines inside begin where it begins, shifted by *offset*."""

    content: Doc
    offset: int = 0


def _groups(docs: Sequence[Doc]) -> tuple[Group, ...]:
    return tuple(doc if isinstance(doc, Group) else Group(doc) for doc in docs)


@frozen(eq=False)
class Fill:
    """Items with blanks between them, as many on a line as fit."""

    items: Sequence[Group] = field(converter=_groups)


@frozen(eq=False)
class Either:
    """A part for a broken group, and another for a flat one."""

    broken: Doc = ()
    flat: Doc = ()


Doc: TypeAlias = Word | Slot | Line | Group | Nest | Align | Fill | Either | str | tuple["Doc", ...]
"""A string is only ever a blank; what is visible is a `Word`."""

SPACED = Line(hard=True, blank=True)
AIRY = Line(hard=True, blank=True, airy=True)
SOFT = Line()
NOTHING = Line("")


def leaves(doc: Doc) -> Iterator[Word | Slot]:
    """Yield words and slots in the order in which they are printed; both sides of an `Either`."""
    match doc:
        case Word() | Slot():
            yield doc
        case tuple():
            for part in doc:
                yield from leaves(part)
        case Fill(items):
            for item in items:
                yield from leaves(item)
        case Group(content) | Nest(content) | Align(content):
            yield from leaves(content)
        case Either(broken, flat):
            yield from leaves(broken)
            yield from leaves(flat)


# ---- which groups comments break --------------------------------------------------------


@frozen
class _Shape:
    """The words and comments of a document, and whether a line end is certain inside it."""

    words: bool = False
    first: bool = False
    """A comment is before the first word."""
    last: bool = False
    """A comment is after the last word."""
    inside: bool = False
    """A comment is between two words."""
    breaks: bool = False

    def then(self, other: _Shape) -> _Shape:
        """Return the shape of this document followed by *other*."""
        between = self.words and other.words and (self.last or other.first)
        return _Shape(
            self.words or other.words,
            self.first or (not self.words and other.first),
            other.last or (not other.words and self.last),
            self.inside or other.inside or between,
            self.breaks or other.breaks or between,
        )


_COMMENT = _Shape(first=True, last=True)


def mark_broken(doc: Doc) -> None:
    """Mark each group that cannot be on one line, and those around it."""
    _shape(doc)


def _shape(doc: Doc) -> _Shape:
    match doc:
        case Word():
            shape = _Shape(words=not doc.is_tail, first=bool(doc.leading), last=bool(doc.beside))
            if doc.is_tail and doc.beside:
                return _COMMENT
            return shape
        case Slot(comments):
            return _COMMENT if comments else _Shape()
        case Line(hard=hard):
            return _Shape(breaks=hard)
        case tuple() | Fill():
            shape = _Shape()
            for part in doc if isinstance(doc, tuple) else doc.items:
                shape = shape.then(_shape(part))
            return shape
        case Group(content, broken, opener):
            shape = _shape(content)
            broken = broken or shape.breaks or shape.inside
            doc.broken = broken or bool(opener and opener.broken_after)
            return _Shape(shape.words, shape.first, shape.last, shape.inside, doc.broken)
        case Nest(content) | Align(content):
            return _shape(content)
        case Either() | str():
            return _Shape()


# ---- printing ---------------------------------------------------------------------------


@frozen(eq=False)
class _More:
    """The items of a `Fill` from *start* on, each after a blank or a line end."""

    items: Sequence[Group]
    start: int


_Command: TypeAlias = tuple[int, bool, Doc | _More]
"""A column to indent to, whether the part is flat, and the part to print."""


@define
class _Page:
    """The lines so far, and the comments that wait for the end of the current one."""

    lines: list[str] = Factory(list)
    line: str = ""
    fresh: bool = True
    """The current line is empty but for its indentation."""
    beside: list[str] = Factory(list)
    keeps_blank: bool = True
    airy: bool = False

    def end_line(self, indent: int) -> None:
        if self.beside:
            self.line = "  ".join([self.line.rstrip(), *self.beside])
            self.beside = []
        if not self.fresh or self.line.strip():
            self.lines.append(self.line.rstrip())
        self.line, self.fresh = " " * indent, True

    def leave_blank(self, *, wanted: bool) -> None:
        """Begin a part; leave a blank line before it if the place allows and it has one."""
        if self.fresh and self.lines and (self.airy or (wanted and self.keeps_blank)):
            self.lines.append("")
        self.airy = False

    def comment(self, comment: Comment, indent: int) -> None:
        """Print a comment on a line of its own."""
        if not self.fresh or self.beside:
            self.end_line(indent)
        self.leave_blank(wanted=comment.blank_before)
        indent = len(self.line)
        self.line += comment.text
        self.fresh = False
        self.end_line(indent)

    def word(self, word: Word, indent: int) -> None:
        forced = self.beside and (word.beside or not word.is_tail)
        if forced or (word.leading and not self.fresh):
            started = len(self.line) - len(self.line.lstrip(" "))
            if indent <= started and word.text not in "{)>":
                indent += INDENT  # text after a comment is indented further
        if forced:
            self.end_line(indent)
        for comment in word.leading:
            self.comment(comment, indent)
        self.leave_blank(wanted=word.blank_before)
        self.line += word.text
        self.fresh = self.keeps_blank = False
        if word.beside:
            self.beside.append(word.beside)


def render(doc: Doc) -> str:
    """Print a document; it ends with a line end."""
    page = _Page()
    stack: list[_Command] = [(0, False, doc)]
    while stack:
        indent, flat, item = stack.pop()
        match item:
            case Word():
                page.word(item, indent)
            case str():
                page.line += item
            case tuple():
                stack += [(indent, flat, part) for part in reversed(item)]
            case Nest(content, by):
                stack.append((indent + by, flat, content))
            case Align(content, offset):
                column = indent if page.fresh else max(0, len(page.line) + offset)
                stack.append((column, flat, content))
            case Either(broken, on_line):
                stack.append((indent, flat, on_line if flat else broken))
            case Line():
                if flat and not item.hard:
                    page.line += item.flat
                else:
                    page.end_line(indent)
                    page.keeps_blank, page.airy = item.blank, item.airy
            case Group(content, broken):
                flat = flat or (
                    not broken and _fits((0, True, content), stack, WIDTH - len(page.line))
                )
                stack.append((indent, flat, content))
            case Fill(items):
                stack.append((indent, flat, _More(items, 1)))
                stack.append((indent, flat, items[0]))
            case _More(items, start):
                if start < len(items):
                    _print_more(indent, item, stack, page, flat=flat)
            case Slot(comments):
                page.keeps_blank = page.line.rstrip()[-1:] != "{"
                for comment in comments:
                    page.comment(comment, indent)
                    page.keeps_blank = True
    page.end_line(0)
    return "\n".join(page.lines) + "\n"


def _print_more(
    indent: int, more: _More, stack: list[_Command], page: _Page, *, flat: bool
) -> None:
    """Print the next item of a `Fill`.

    It is on this line if it fits, or if it cannot be on one line anyway and can begin here.
    """
    item = more.items[more.start]
    behind = stack.copy() if more.start + 1 == len(more.items) else []
    stack.append((indent, flat, _More(more.items, more.start + 1)))
    stack.append((indent, flat, item))
    if flat:
        page.line += " "
        return
    here = WIDTH - len(page.line)
    fits = not item.broken and _fits((0, True, (" ", item)), behind, here)
    if not fits and (item.broken or not _fits((0, True, item), behind, WIDTH - indent)):
        fits = _fits((0, False, (" ", item)), [], here)
    if fits and not page.beside:
        page.line += " "
    else:
        page.end_line(indent)


def _fits(first: _Command, behind: Sequence[_Command], room: int) -> bool:
    """Whether *first* and the commands *behind* it fit into *room*, up to the next line end."""
    left = len(behind)
    todo = [first]
    words = commented = False
    while room >= 0:
        if not todo:
            if left == 0:
                return True
            left -= 1
            todo.append(behind[left])
        _, flat, item = todo.pop()
        match item:
            case Word():
                if (item.leading and words) or (commented and not item.is_tail):
                    return True
                room -= len(item.text)
                words = True
                commented = commented or bool(item.beside)
            case str():
                room -= len(item)
            case tuple():
                todo += [(0, flat, part) for part in reversed(item)]
            case Nest(content) | Align(content):
                todo.append((0, flat, content))
            case Group(content, broken):
                todo.append((0, flat and not broken, content))
            case Either(broken_doc, flat_doc):
                todo.append((0, flat, flat_doc if flat else broken_doc))
            case Fill(items):
                todo.append((0, flat, _More(items, 1)))
                todo.append((0, flat, items[0]))
            case _More(items, start):
                if start < len(items):
                    if not flat:
                        return True
                    todo.append((0, flat, _More(items, start + 1)))
                    todo.append((0, flat, (" ", items[start])))
            case Line():
                if item.hard or not flat:
                    return True
                room -= len(item.flat)
            case Slot(comments):
                if comments:
                    return True
    return False
