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

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from attrs import Factory, define, field, frozen

WIDTH = 100
INDENT = 4
APART = "  "
"""The blanks before a comment beside words."""

_WIDEST_ROW = WIDTH - 4 * INDENT
"""The most columns of a row of a table whose cells are aligned."""

_OPENING, _CLOSING = ("{", "(", "["), ("}", ")", "]")


@frozen
class Comment:
    """A comment with its `#`, and whether a blank line was before it."""

    text: str
    blank_before: bool


@define(eq=False)
class Word:
    """Text that is never broken, with the comments and blank lines around it.

    *written* marks text that takes the source's form: a string, a name that may be quoted. *sign* is a
    parenthesis that is there if the source has it there, *around* what is between these places; until
    then the text is empty.
    """

    text: str
    written: bool = False
    sign: str = ""
    around: tuple[int, int] | None = None
    leading: list[Comment] = Factory(list)
    beside: str = ""
    blank_before: bool = False
    begins_line: bool = False
    begins_cell: bool = False
    """It is one that is aligned with others, in rows that were written in columns."""
    wide_before: bool = False
    """More than one blank is before it in the source."""
    column: int = 0
    """Its column in the source."""
    pad: int = 0
    """Blanks before it that align it with words of other lines."""
    beside_wide: bool = False
    beside_column: int = 0
    beside_pad: int = 0
    """The same of the comment beside it."""

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
    """A part that is on one line if it fits.

    It stays broken if the author began a line with one of the parts *kept*. The rows of its
    *tables* are aligned if it is broken and they were written in columns.
    """

    content: Doc
    broken: bool = False
    kept: Sequence[Doc] = ()
    tables: Sequence[Sequence[Doc]] = ()


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


@define(eq=False)
class Fill:
    """Items with blanks between them, as many on a line as fit.

    *rows*: those that need several lines begin a line, and so does what follows them; and if the author
    began a line with each item, each stays on its own. *end* is printed after them, by what they are in.
    """

    items: Sequence[Group] = field(converter=_groups)
    rows: bool = False
    end: Doc = ()
    broken: bool = False


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


def first_word(doc: Doc) -> Word | None:
    """Return the first word of a document that is printed."""
    return next((leaf for leaf in leaves(doc) if isinstance(leaf, Word) and leaf.text), None)


def _begins_line(doc: Doc) -> bool:
    word = first_word(doc)
    return word is not None and word.begins_line


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
        case Word(""):
            return _Shape()
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
            if isinstance(doc, Fill) and doc.rows:
                doc.broken = all(_begins_line(item) for item in doc.items)
                align([*doc.items[:-1], (doc.items[-1], doc.end)] if doc.broken else ())
            return shape
        case Group(content, broken, kept, tables):
            shape = _shape(content)
            broken = broken or shape.breaks or shape.inside
            doc.broken = broken or any(_begins_line(part) for part in kept)
            for rows in tables if doc.broken else ():
                align(rows)
            return _Shape(shape.words, shape.first, shape.last, shape.inside, doc.broken)
        case Nest(content) | Align(content):
            return _shape(content)
        case Either() | str():
            return _Shape()


# ---- columns ----------------------------------------------------------------------------


_Cells: TypeAlias = list[tuple[Word, int]]
"""The first word of each cell of a row with the place where it begins; then the word that has the comment at its
end, or the last one, and where the row ends."""


def align(rows: Iterable[Doc]) -> None:
    """Align the cells of rows that were written in columns; a blank line or a row of several lines ends a table."""
    table: list[_Cells] = []
    for row in rows:
        cells = _cells(row)
        if not cells or _is_apart(row):
            _align_table(table)
            table = []
        table += [cells] if cells else []
    _align_table(table)


def _is_apart(row: Doc) -> bool:
    word = first_word(row)
    return word is not None and (word.leading[0] if word.leading else word).blank_before


def _align_table(table: Sequence[_Cells]) -> None:
    """Align cells where two were written below one another, and one with more than a blank before it."""
    shifts = [0] * len(table)
    padded: list[Word] = []
    for k in range(1, max(map(len, table), default=0) - 1):
        column = [(row, *cells[k]) for row, cells in enumerate(table) if k < len(cells) - 1]
        places = {word.column for _, word, _ in column}
        if len(places) == len(column) or not any(word.wide_before for _, word, _ in column):
            continue
        target = max(at + shifts[row] for row, _, at in column)
        for row, word, at in column:
            word.pad = target - at - shifts[row]
            shifts[row] += word.pad
            padded.append(word)
    if any(cells[-1][1] + more > _WIDEST_ROW for cells, more in zip(table, shifts, strict=True)):
        for word in padded:
            word.pad = 0
        shifts = [0] * len(table)
    _align_comments(
        [(cells[-1][0], cells[-1][1] + more) for cells, more in zip(table, shifts, strict=True)]
    )


def _align_comments(ends: Iterable[tuple[Word, int]]) -> None:
    """Align the comments at the ends of rows, if they were aligned."""
    commented = [(word, end) for word, end in ends if word.beside]
    places = {word.beside_column for word, _ in commented}
    if len(places) < len(commented) and any(word.beside_wide for word, _ in commented):
        for word, end in commented:
            word.beside_pad = max(end for _, end in commented) - end


def _cells(row: Doc) -> _Cells:
    """Return the cells of a row, none if it is not on one line.

    A cell begins after a colon, after a comma in the braces of the row, and with a word that is marked so.
    """
    found: list[tuple[Word, int]] = []
    at = depth = 0
    last = commented = None
    for part in _on_one_line(row, broken=True):
        if isinstance(part, Word):
            if (commented and not part.is_tail) or (last and part.leading):
                return []
            if last is None or (part.begins_cell or (depth, last.text) in ((0, ":"), (1, ","))):
                found.append((part, at))
            depth += (part.text in _OPENING) - (part.text in _CLOSING)
            last = part
            commented = part if part.beside else commented
            at += len(part.text)
        elif part is None:
            return []
        else:
            at += len(part)
    if last is None or at > _WIDEST_ROW:
        return []
    return [*found, (commented or last, at)]


def _on_one_line(doc: Doc, *, broken: bool = False) -> Iterator[Word | str | None]:
    """Yield the words and blanks of a document on one line, and None for what needs several.

    *broken*: the group around it is.
    """
    match doc:
        case Word():
            if doc.text:
                yield doc
        case str():
            yield doc
        case tuple():
            for part in doc:
                yield from _on_one_line(part, broken=broken)
        case Line(flat, hard):
            yield None if hard else flat
        case Group(content, never):
            if never:
                yield None
            yield from _on_one_line(content)
        case Nest(content) | Align(content):
            yield from _on_one_line(content, broken=broken)
        case Fill(items):
            for number, item in enumerate(items):
                if number:
                    yield " "
                yield from _on_one_line(item)
        case Either(below, beside):
            yield from _on_one_line(below if broken else beside)
        case Slot(comments):
            if comments:
                yield None


# ---- printing ---------------------------------------------------------------------------


@frozen(eq=False)
class _More:
    """The items of a `Fill` from *start* on, each after a blank or a line end."""

    fill: Fill
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
            self.line = APART.join([self.line.rstrip(), *self.beside])
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
        self.line += " " * word.pad + word.text
        self.fresh = self.keeps_blank = False
        if word.beside:
            self.beside.append(" " * word.beside_pad + word.beside)


def render(doc: Doc) -> str:
    """Print a document; it ends with a line end."""
    page = _Page()
    stack: list[_Command] = [(0, False, doc)]
    while stack:
        indent, flat, item = stack.pop()
        match item:
            case Word(""):
                pass
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
                stack.append((indent, flat, _More(item, 1)))
                stack.append((indent, flat, items[0]))
            case _More(fill, start):
                if start < len(fill.items):
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
    items = more.fill.items
    item = items[more.start]
    behind = stack.copy() if more.start + 1 == len(items) else []
    stack.append((indent, flat, _More(more.fill, more.start + 1)))
    stack.append((indent, flat, item))
    if flat:
        page.line += " "
        return
    here, line = WIDTH - len(page.line), WIDTH - indent
    fits = not item.broken and _fits((0, True, (" ", item)), behind, here)
    if more.fill.rows:
        before, word = items[more.start - 1], first_word(item)
        apart = more.fill.broken or before.broken or not _fits((0, True, before), [], line)
        fits = fits and not apart and not (word and (word.blank_before or word.leading))
    elif not fits and (item.broken or not _fits((0, True, item), behind, line)):
        fits = _fits((0, False, (" ", item)), [], here)
    if fits and not page.beside:
        page.line += " "
    else:
        page.end_line(indent)
        page.keeps_blank = more.fill.rows


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
            case Word(""):
                pass
            case Word():
                if (item.leading and words) or (commented and not item.is_tail):
                    return True
                room -= item.pad + len(item.text)
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
                todo.append((0, flat, _More(item, 1)))
                todo.append((0, flat, items[0]))
            case _More(fill, start):
                if start < len(fill.items):
                    if not flat:
                        return True
                    todo.append((0, flat, _More(fill, start + 1)))
                    todo.append((0, flat, (" ", fill.items[start])))
            case Line():
                if item.hard or not flat:
                    return True
                room -= len(item.flat)
            case Slot(comments):
                if comments:
                    return True
    return False
