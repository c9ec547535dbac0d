"""Turn expressions into documents: precedence decides about parentheses, length about lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from policyengine.syntax import nodes
from policyengine.syntax.grammar import reserved_words
from policyengine.syntax.layout import (
    NOTHING,
    SOFT,
    Align,
    Doc,
    Either,
    Fill,
    Group,
    Line,
    Nest,
    Slot,
    Word,
    mark_broken,
    render,
)  # fmt: skip
from policyengine.syntax.operators import operator_of

# The levels of precedence, weakest first; see the grammar.
_WHOLE, _OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _UNARY, _PRIMARY = range(9)

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u0600-\u06ff\u115f\u1160\u17b4\u17b5\u180e"
                      r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u034f]")  # fmt: skip


def expression(node: nodes.Expr) -> Doc:
    """Return the document of a whole expression."""
    match node:
        case nodes.Literal(kind, _, written):
            if kind in ("ip", "path", "schedule"):
                word, _, value = written.partition(" ")
                return (Word(word), " ", Word(value, written=True))
            return Word(written, written=kind == "string")
        case nodes.Name(name):
            return Word(name)
        case nodes.Attr(object_, name):
            return (_operand(object_, _PRIMARY), Word("."), Word(name.name))
        case nodes.SetDisplay() | nodes.RecordDisplay():
            return braces(node)
        case nodes.EntityRef():
            return entity(node)
        case nodes.Update(object_, changes):
            return (_operand(object_, _PRIMARY), " ", braces(changes, padded=True))
        case nodes.Not(operand):
            if _is_infix(node):
                return _comparison(operand, Word("not"), " ")
            return (Word("not"), " ", _operand(operand, _NOT))
        case nodes.Negate(operand):
            return (Word("-"), _operand(operand, _UNARY))
        case nodes.And(operands):
            return _junction("and", [_operand(o, _NOT) for o in operands])
        case nodes.Or(operands):
            return _junction("or", [_operand(o, _AND) for o in operands])
        case nodes.If():
            return _choice(node)
        case nodes.Compare() | nodes.Has() | nodes.Like():
            return _comparison(node)
        case nodes.Arithmetic(op, left, right):
            level = _level(node)
            sign = (Word(op), " ")
            return _infix(_operand(left, level), sign, right, _operand(right, level + 1))
        case nodes.LookUp(table, key):
            return (_operand(table, _PRIMARY), Word("["), expression(key), Word("]"))
        case nodes.Call(name, arguments):
            return (_qualified(name), _arguments(arguments))
        case nodes.Ancestors(object_, type_):
            inside = Fill([(expression(object_), Word(",")), _qualified(type_)])
            return Group(
                (Word("ancestors"), Word("("), Nest((NOTHING, inside)), NOTHING, Word(")"))
            )
        case nodes.Quantified(kind, variable, over, body):
            head = (
                Word(kind),
                " ",
                Word(variable.name),
                " ",
                Word("in"),
                " ",
                _operand(over, _SUM),
            )
            return Group((head, Word(":"), Nest((SOFT, _body(body)))))
        case _:
            assert_never(node)


def _level(node: nodes.Expr) -> int:
    match node:
        case nodes.If() | nodes.Quantified():
            return _WHOLE
        case nodes.Or():
            return _OR
        case nodes.And():
            return _AND
        case nodes.Not():
            return _COMPARISON if _is_infix(node) else _NOT
        case nodes.Compare() | nodes.Has() | nodes.Like():
            return _COMPARISON
        case nodes.Arithmetic("*"):
            return _PRODUCT
        case nodes.Arithmetic():
            return _SUM
        case nodes.Negate():
            return _UNARY
        case (
            nodes.Literal() | nodes.Name() | nodes.Attr() | nodes.SetDisplay() | nodes.RecordDisplay()
            | nodes.EntityRef() | nodes.Update() | nodes.LookUp() | nodes.Call() | nodes.Ancestors()
        ):  # fmt: skip
            return _PRIMARY
        case _:
            assert_never(node)


def _is_infix(node: nodes.Not) -> bool:
    """Whether `not` is written before an operator, and there is one that it may be written before."""
    row = operator_of(node.operand)
    return node.infix and row is not None and row.negatable


def _comparison(node: nodes.Expr, *negated: Doc) -> Doc:
    """Return a comparison, with what stands before its operator if it is *negated*."""
    match node:
        case nodes.Compare(op, left, right):
            words = (*negated, Word(op), " ")
            return _infix(_operand(left, _SUM), words, right, _operand(right, _SUM))
        case nodes.Has(object_, name):
            return (_operand(object_, _SUM), " ", *negated, Word("has"), " ", Word(name.name))
        case nodes.Like(object_, pattern, kind):
            glob = Word(quoted(pattern, escape_backslash=False), written=True)
            of_path = (Word("path"), " ") if kind == "path" else ()
            return (_operand(object_, _SUM), " ", *negated, Word("like"), " ", *of_path, glob)
        case _:
            raise AssertionError("only what is written between operands is negated there")


def _operand(node: nodes.Expr, level: int) -> Doc:
    """Return an operand, in parentheses if its precedence is below *level* or if they are written.

    Parentheses that are written around a single value go.
    """
    if _level(node) < level:
        return (Word("("), Align(expression(node)), Word(")"))
    return expression(node) if _level(node) == _PRIMARY else _as_written(node)


def _part(node: nodes.Expr) -> Doc:
    """Return an expression that ends where a word begins, in parentheses if they are written and help."""
    return _as_written(node) if _level(node) == _WHOLE else expression(node)


def _body(node: nodes.Expr) -> Doc:
    """Return the body of a quantifier, in parentheses if they are written and help."""
    return _as_written(node) if _level(node) < _NOT else expression(node)


def _as_written(node: nodes.Expr) -> Doc:
    around = (node.span.start, node.span.end)
    opener, closer = (Word("", sign=sign, around=around) for sign in "()")
    return (opener, Align(expression(node)), closer)


def _qualified(name: nodes.Ident) -> Doc:
    own = Word(name.name)
    return (Word(name.package), Word("."), own) if name.package else own


def _junction(op: str, operands: Sequence[Doc]) -> Doc:
    """Return operands below one another, if they are not on one line or the author began one between them."""
    first, *rest = (Align(operand) for operand in operands)
    words = [Word(op) for _ in rest]
    rows = [(SOFT, word, " ", operand) for word, operand in zip(words, rest, strict=True)]
    return Group((first, *rows), kept=(words[0], rest[0]))


def _infix(left: Doc, op: Doc, right: nodes.Expr, operand: Doc) -> Doc:
    if isinstance(right, nodes.SetDisplay | nodes.RecordDisplay):
        return (left, " ", op, operand)  # which breaks inside its braces
    return Group((left, Nest((SOFT, op, operand))))


def _choice(node: nodes.If) -> Doc:
    """Lay out `if`, with each `else if` that follows on a line that begins at the same column."""
    rows: list[Doc] = []
    word: Doc = Word("if")
    while True:
        yes = (Word("then"), " ", Align(_part(node.yes)))
        rows.append(Group((word, " ", Align(_part(node.condition)), Nest((SOFT, yes)))))
        if not isinstance(node.no, nodes.If):
            break
        word, node = (Word("else"), " ", Word("if")), node.no
    rows.append((Word("else"), " ", Align(expression(node.no))))
    return Group(Align((rows[0], *((SOFT, row) for row in rows[1:]))), kept=rows[1:2])


def _arguments(arguments: Sequence[nodes.Expr]) -> Doc:
    if not arguments:
        return (Word("("), Word(")"))
    items = Fill(comma_separated([expression(argument) for argument in arguments]))
    return Group((Word("("), Nest((NOTHING, items)), NOTHING, Word(")")))


def condition(word: str, node: nodes.Expr) -> Doc:
    """Return `when` or `unless` with its condition; if broken, operands are below one another."""
    if not isinstance(node, nodes.And | nodes.Or):
        return (Word(word), " ", expression(node))
    op, level = ("and", _NOT) if isinstance(node, nodes.And) else ("or", _AND)
    operands = [_operand(operand, level) for operand in node.operands]
    return (Word(word), " ", Align(_junction(op, operands), -len(op) - 1))


def value_after_sign(start: Doc, node: nodes.Expr) -> Doc:
    """Return `start value`; the value begins a new line if it must and has no braces."""
    match node:
        case nodes.SetDisplay() | nodes.RecordDisplay() | nodes.EntityRef() | nodes.Update():
            return (start, " ", expression(node))
        case _:
            return Group((start, Nest((SOFT, expression(node)))))


# ---- braces -----------------------------------------------------------------------------


def comma_separated(items: Sequence[Doc]) -> list[Doc]:
    """Put a comma after each item but the last."""
    return [*((item, Word(",")) for item in items[:-1]), *items[-1:]]


def block(items: Sequence[Doc], end: Doc = (), *, padded: bool = True) -> Doc:
    """Return `{ items }`, each item on a line of its own if they do not fit on one."""
    opener, edge = Word("{"), Line(" " if padded and items else "")
    parts: list[Doc] = []
    for i, item in enumerate(items):
        parts += [Line(blank=True), item] if i else [item]
    inside = Nest((edge, *parts, end, Slot())) if items else Nest(Slot())
    made = (opener, inside, edge, Word("}"))
    rows = [*items[:-1], (items[-1], end)] if items else []
    return Group(made, kept=items[:1], tables=[rows])


def braces(node: nodes.SetDisplay | nodes.RecordDisplay, *, padded: bool = False) -> Doc:
    """Return a set or a record, which fills its lines; each record of a set has its own."""
    trailing = Either(broken=Word(","))
    match node:
        case nodes.SetDisplay(items):
            docs = comma_separated([expression(item) for item in items])
            if docs and all(isinstance(i, nodes.Literal | nodes.Name | nodes.Attr) for i in items):
                return block([Fill(docs, rows=True, end=trailing)], trailing, padded=padded)
            return block(docs, trailing if docs else (), padded=padded)
        case nodes.RecordDisplay(fields):
            docs = [(Word(f.name.name), Word(":"), " ", expression(f.value)) for f in fields]
            docs = comma_separated(docs)
            return block([Fill(docs, rows=True, end=trailing)], trailing, padded=padded)
        case _:
            assert_never(node)


def entity(node: nodes.EntityRef) -> Doc:
    """Return `App "a1" under Project "p" { tier: pro }`."""
    parts: list[Doc] = [_qualified(node.type), " ", text(node.id)]
    if node.parents is not None:
        parents = [entity(parent) for parent in node.parents]
        under = parents[0] if len(parents) == 1 else block(comma_separated(parents), padded=False)
        parts += [" ", Word("under"), " ", under]
    if node.attributes is not None:
        parts += [" ", braces(node.attributes, padded=True)]
    return tuple(parts)


# ---- strings ----------------------------------------------------------------------------


def member(ident: nodes.Ident) -> Doc:
    """Return an enumerator, in quotes if it is no name."""
    plain = _PLAIN_NAME.fullmatch(ident.name) and ident.name not in reserved_words()
    return Word(ident.name if plain else quoted(ident.name), written=True)


def text(value: str | nodes.Template) -> Doc:
    """Return a string in quotes; expressions in it are on one line."""
    if isinstance(value, str):
        return Word(quoted(value), written=True)
    parts = (
        quoted(part)[1:-1].replace("{", "{{").replace("}", "}}") if isinstance(part, str)
        else "{" + on_one_line(part) + "}"
        for part in value.parts
    )  # fmt: skip
    return Word(f'"{"".join(parts)}"', written=True)


def on_one_line(node: nodes.Expr) -> str:
    """Return the text of an expression without line ends."""
    doc = expression(node)
    mark_broken(doc)
    return " ".join(render(doc).split())


def quoted(value: str, *, escape_backslash: bool = True) -> str:
    """Return the written form of a string; a glob has escapes of its own."""
    if escape_backslash:
        value = value.replace("\\", "\\\\")
    value = value.replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    escaped = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    return f'"{escaped}"'
