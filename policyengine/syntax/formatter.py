"""Lay out a policy file as a careful author would.

The tree is converted to a document (`layout.py`), by one function for each kind of node. The words of
the document then take comments, blank lines and the written forms of strings from the source
(`comments.py`), and printing decides where lines end. The author's order is kept everywhere, and so is
what helps a reader and no rule can know (`docs/decisions/0015`): parentheses that group a part of an
expression, a line that begins with the second part of a construct, columns, and how lines end.

`format_source` parses its own result and returns it only if the tree is the same as before and no
comment was lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import assert_never

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.syntax import nodes
from policyengine.syntax.comments import MisalignedError, comments_of, give_comments
from policyengine.syntax.expression_layout import (
    block,
    braces,
    comma_separated,
    condition,
    entity,
    expression,
    member,
    text,
    value_after_sign,
)  # fmt: skip
from policyengine.syntax.grammar import reserved_words
from policyengine.syntax.layout import (
    AIRY,
    SOFT,
    SPACED,
    Doc,
    Either,
    Fill,
    Group,
    Line,
    Nest,
    Slot,
    Word,
    first_word,
    leaves,
    mark_broken,
    render,
)  # fmt: skip
from policyengine.syntax.parser import parse

_DEFAULT = Limits()
_TEXT_CLAUSES = (nodes.Because, nodes.Otherwise, nodes.Refer, nodes.Cites)


def format_source(source: Source, limits: Limits = _DEFAULT) -> str | tuple[Diagnostic, ...]:
    """Return the text of a file in canonical layout, or diagnostics if there is none.

    These are the mistakes in the file; or, if formatting would have changed the tree or lost a
    comment, a report of this bug of ours.
    """
    file, problems = parse(source, limits)
    if file is None:
        return problems
    try:
        formatted = format_file(file, source)
    except MisalignedError as problem:
        return (_refused(source, str(problem)),)
    formatted = formatted.replace("\n", source.line_end)
    again, _ = parse(Source(source.name, formatted), limits)
    if again != file:
        return (_refused(source, "the tree would change"),)
    if comments_of(formatted) != comments_of(source.text):
        return (_refused(source, "a comment would change"),)
    return formatted


def _refused(source: Source, reason: str) -> Diagnostic:
    message = f"the formatter failed on this file, which stays as it is: {reason}"
    return error("PE901", Span(source.name, 0, 0), message, "this is a bug of policyengine")


def format_file(file: nodes.PolicyFile, source: Source | None = None) -> str:
    """Return the text of *file* in canonical layout.

    *source*: the text that it was parsed from, which gives comments, blank lines and the written forms of
    strings. Without it there are none of the first two, and strings are written in their simplest form.
    """
    doc = _file(file)
    if source is not None:
        give_comments(list(leaves(doc)), source.text)
    mark_broken(doc)
    return render(doc)


def _file(file: nodes.PolicyFile) -> Doc:
    head: list[Doc] = [(Word("package"), " ", _name(file.package))]
    for imported in file.imports:
        head += [SPACED, (Word("import"), " ", _name(imported.package))]
    body: list[Doc] = [AIRY] if file.declarations else []
    rows: list[Doc] = []
    for before, declaration in zip((None, *file.declarations), file.declarations, strict=False):
        if before is not None:
            apart = _stands_apart(before) or _stands_apart(declaration)
            body.append(AIRY if apart else SPACED)
        rows.append(_declaration(declaration))
        body.append(rows[-1])
    return Group((*head, *body, SPACED, Slot()), tables=_by_kind(file.declarations, rows))


def _by_kind(parts: Sequence[nodes.Node], docs: Sequence[Doc]) -> list[list[Doc]]:
    """Part rows where one of another kind follows: those of a kind may be written in columns."""
    pairs = groupby(zip(parts, docs, strict=True), key=lambda pair: type(pair[0]))
    return [[doc for _, doc in group] for _, group in pairs]


def _stands_apart(node: nodes.Declaration) -> bool:
    """Whether a blank line goes before and after a declaration."""
    match node:
        case nodes.GateBlock(rules=inside) | nodes.TestDecl(items=inside):
            return bool(inside)
    return False


def _declaration(node: nodes.Declaration) -> Doc:
    match node:
        case nodes.LevelsDecl(name, members):
            return _choices("levels", name, "<", members)
        case nodes.EnumDecl(name, members):
            return _choices("enum", name, "|", members)
        case nodes.TaxonomyDecl(name, terms):
            return (Word("taxonomy"), " ", _name(name), " ", _terms(terms))
        case nodes.EntityDecl(name, parents, attributes):
            head = _names(parents, "in") if parents else []
            start: Doc = (Word("entity"), " ", _name(name))
            body: Doc = (" ", _attributes(attributes)) if attributes else ()
            return Group((Nest(Fill([start, *head])), body))
        case nodes.GroupDecl() | nodes.ActionDecl():
            return _action(node)
        case nodes.ObligationDecl(name, parameters):
            return (Word("obligation"), " ", _name(name), _parameters(parameters))
        case nodes.GateDecl(name, question, is_field, range_):
            kind: Doc = (Word("field"), " ", Word("gate")) if is_field else Word("gate")
            asked: Doc = (kind, " ", _name(name), " ", _cell(text(question)))
            if range_ is None:
                return asked
            return _with_clauses(asked, [(Word("for"), " ", _target(range_))])
        case nodes.ConstDecl(name, type_, value):
            start = (
                Word("const"),
                " ",
                _name(name),
                Word(":"),
                " ",
                _type(type_),
                " ",
                Word("=", begins_cell=True),
            )
            if isinstance(type_, nodes.TableOf):
                return (start, " ", _constant(type_, value))
            return value_after_sign(start, value)
        case nodes.DefineDecl(name, parameters, value):
            start = (
                Word("define"),
                " ",
                _name(name),
                _parameters(parameters),
                " ",
                Word("=", begins_cell=True),
            )
            return value_after_sign(start, value)
        case nodes.GateBlock(gate, rules):
            return (Word("gate"), " ", _name(gate), " ", _long_block([_rule(r) for r in rules]))
        case nodes.Rule():
            return _rule(node)
        case nodes.WaiverDecl():
            return _waiver(node)
        case nodes.InvariantDecl(name, target, clauses, fields):
            what: Doc = Word("allow")
            if fields is not None:
                what = (Nest(Fill(_fields(fields, "expose"))), " ", Word("of"))
            promise = (Word("never"), " ", what, " ", _target(target))
            body = _with_clauses(promise, [_clause(clause) for clause in clauses])
            return _with_clauses((Word("invariant"), " ", _name(name), Word(":")), [body])
        case nodes.Let():
            return _test_item(node)
        case nodes.TestDecl(title, items):
            return (
                Word("test"),
                " ",
                text(title),
                " ",
                _test_items(items),
            )
        case _:
            assert_never(node)


# ---- names, types, attributes -----------------------------------------------------------


def _name(ident: nodes.Ident) -> Doc:
    if ident.package is None:
        return Word(ident.name)
    return (Word(ident.package), Word("."), Word(ident.name))


def _names(idents: Sequence[nodes.Ident], word: str = "") -> list[Doc]:
    """Return the items of a `Fill`: `word a,`, `b,`, `c`."""
    return _begun(comma_separated([_name(ident) for ident in idents]), word)


def _fields(fields: Sequence[nodes.ShownField], word: str = "") -> list[Doc]:
    """Return the items of a `Fill`: `word a,`, `b as year`."""
    return _begun(comma_separated([_field(field) for field in fields]), word)


def _field(shown: nodes.ShownField) -> Doc:
    if shown.mask is None:
        return _name(shown.field)
    mask = tuple(Word(part) for part in re.findall(r"\w+|[()]", shown.mask.name))
    return (_name(shown.field), " ", Word("as"), " ", mask)


def _begun(items: list[Doc], word: str) -> list[Doc]:
    return [(Word(word), " ", items[0]), *items[1:]] if word else items


def _choices(word: str, name: nodes.Ident, sign: str, members: Sequence[nodes.Ident]) -> Doc:
    start: Doc = (Word(word), " ", _name(name), " ", Word("="), " ", member(members[0]))
    return Nest(Fill([start, *((Word(sign), " ", member(m)) for m in members[1:])]))


def _type(node: nodes.TypeExpr) -> Doc:
    match node:
        case nodes.NamedType(name):
            return _name(name)
        case nodes.SetOf(element):
            return (Word("set"), Word("<"), _type(element), Word(">"))
        case nodes.RecordOf(attributes):
            return _attributes(attributes, padded=False)
        case nodes.TableOf(key, value):
            return (_type(key), " ", Word("->"), " ", _type(value))
        case _:
            assert_never(node)


def _constant(type_: nodes.TypeExpr, value: nodes.Expr) -> Doc:
    """Return the value of a constant; keys of a table are quoted where they must be."""
    if not (isinstance(type_, nodes.TableOf) and isinstance(value, nodes.RecordDisplay)):
        return expression(value)
    rows = [
        (member(row.name), Word(":"), " ", _constant(type_.value, row.value))
        for row in value.fields
    ]
    return block(comma_separated(rows), Either(broken=Word(",")))


def _attributes(attributes: Sequence[nodes.AttributeDecl], *, padded: bool = True) -> Doc:
    # A reserved word would go on the type before it: where one needs a comma, all have one.
    needed = any(attribute.name.name in reserved_words() for attribute in attributes[1:])
    comma: Doc = Word(",") if needed else Either(flat=Word(","))
    last = len(attributes) - 1
    items = [(_attribute(one), comma if i < last else ()) for i, one in enumerate(attributes)]
    return block(items, padded=padded)


def _attribute(node: nodes.AttributeDecl) -> Doc:
    return (
        _name(node.name), Word("?") if node.optional else (), Word(":"), " ",
        (Word("private"), " ") if node.private else (), _type(node.type),
        (" ", Word("(", begins_cell=True), Word("by"), " ", _name(node.by), Word(")")) if node.by else (),
        (" ", Word("(", begins_cell=True), _count(node.count), Word(")")) if node.count else (),
    )  # fmt: skip


def _count(node: nodes.CountNote) -> Doc:
    parts: list[Doc] = [
        Word("count"),
        *_names(node.things, "of"),
        (Word("by"), " ", expression(node.by[0])),
    ]
    parts += [(Word("and"), " ", expression(path)) for path in node.by[1:]]
    match node.per:
        case nodes.Literal(text=written) | nodes.Ident(written):
            parts.append((Word("per"), " ", Word(written)))
    return Nest(Fill(parts))


def _parameters(parameters: Sequence[nodes.Parameter]) -> Doc:
    items = [(_name(p.name), Word(":"), " ", _type(p.type)) for p in parameters]
    return Group((Word("("), Nest((Line(""), Fill(comma_separated(items)))), Line(""), Word(")"))) \
        if items else (Word("("), Word(")"))  # fmt: skip


def _terms(terms: Sequence[nodes.Term]) -> Doc:
    items: list[Doc] = [
        (_name(term.name), (" ", _terms(term.below)) if term.below else ()) for term in terms
    ]
    return block(items)


# ---- actions, rules ---------------------------------------------------------------------


def _start(part: Sequence[nodes.Node]) -> int:
    return part[0].span.start


def _action(node: nodes.ActionDecl | nodes.GroupDecl) -> Doc:
    """Lay out the head as a `Fill`, `with` and `having` on lines of their own if it is long."""
    parts: list[tuple[int, list[Doc], bool]] = []
    for word, idents in (("in", node.groups), ("by", node.subjects), ("on", node.resources)):
        if idents:
            parts.append((_start(idents), _names(idents, word), False))
    if node.context:
        doc: Doc = (Word("with"), " ", _attributes(node.context))
        parts.append((_start(node.context), [doc], True))
    if node.constants:
        match node:
            case nodes.GroupDecl(constants=types):
                constants = _attributes(types)
            case nodes.ActionDecl(constants=values):
                constants = braces(nodes.RecordDisplay(values), padded=True)
        parts.append((_start(node.constants), [(Word("having"), " ", constants)], True))
    if isinstance(node, nodes.ActionDecl):
        names = _names(node.names, "action")
    else:
        names = [(Word("group"), " ", _name(node.name))]
    return _with_parts(names, parts)


def _with_parts(head: list[Doc], parts: list[tuple[int, list[Doc], bool]]) -> Doc:
    """Lay out parts in written order: those of the head filled, the others on their own lines."""
    rows: list[tuple[bool, list[Doc]]] = [(False, head)]
    for _, items, is_own in sorted(parts, key=lambda part: part[0]):
        if is_own or rows[-1][0]:
            rows.append((is_own, list(items)))
        else:
            rows[-1][1].extend([_cell(items[0]), *items[1:]])
    first, *rest = (Fill(items) for _, items in rows)
    return _with_clauses(Nest(first), rest)


def _cell(doc: Doc) -> Doc:
    """Return a part that is aligned with those of other lines that were written in columns."""
    if word := first_word(doc):
        word.begins_cell = True
    return doc


def _with_clauses(head: Doc, clauses: Sequence[Doc], *, broken: bool = False) -> Group:
    """Return a head with its clauses, each on a line of its own if the author began one with the first."""
    rows = Nest(tuple((SOFT, _cell(clause)) for clause in clauses))
    return Group((head, rows), broken=broken, kept=clauses[:1])


def _long_block(items: Sequence[Doc]) -> Group:
    """Lay out a block that has each item on a line of its own."""
    made = block(items)
    assert isinstance(made, Group)
    made.broken = bool(items)
    return made


def _target(target: nodes.Target) -> Doc:
    parts = [
        (_start(idents), _names(idents, word))
        for word, idents in (("by", target.subjects), ("on", target.resources)) if idents
    ]  # fmt: skip
    items = _names(target.actions) if target.actions else [Word("any")]
    for _, names in sorted(parts, key=lambda part: part[0]):
        items += names
    if target.exceptions:
        items += _names(target.exceptions, "except")
    return Nest(Fill(items), 8)


def _rule(rule: nodes.Rule) -> Doc:
    """Lay out a rule on one line if it is short, was so and has no text; else each clause on its own."""
    head: Doc = (
        (Word("advisory"), " ") if rule.advisory else (),
        Word(rule.effect), " ", _name(rule.name), Word(":"), " ", _target(rule.target),
    )  # fmt: skip
    has_text = any(isinstance(clause, _TEXT_CLAUSES) for clause in rule.clauses)
    return _with_clauses(head, [_clause(clause) for clause in rule.clauses], broken=has_text)


def _clause(node: nodes.Clause | nodes.WaiverClause) -> Doc:
    match node:
        case nodes.When(expr):
            return condition("when", expr)
        case nodes.Unless(expr):
            return condition("unless", expr)
        case nodes.Because(template):
            return (Word("because"), " ", text(template))
        case nodes.Otherwise(template):
            return (Word("otherwise"), " ", text(template))
        case nodes.Refer(template):
            return (Word("refer"), " ", text(template))
        case nodes.Cites(words, against):
            counts = (Word("cites"), " ", text(words))
            return (
                counts
                if against is None
                else Nest(Fill([counts, (Word("against"), " ", text(against))]))
            )
        case nodes.Fields(None):
            return (Word("fields"), " ", Word("all"))
        case nodes.Fields(fields):
            return Nest(Fill(_fields(fields or (), "fields")))
        case nodes.Oblige(calls):
            return _calls(calls)
        case nodes.From(moment):
            return (Word("from"), " ", Word(moment.text))
        case nodes.Until(moment):
            return (Word("until"), " ", Word(moment.text))
        case nodes.Waivable():
            return Word("waivable")
        case nodes.WaivedFor(who, within):
            return (Word("for"), " ", (Word("within"), " ") if within else (), entity(who))
        case nodes.WaivedOn(what, within):
            return (Word("on"), " ", (Word("within"), " ") if within else (), entity(what))
        case nodes.Ticket(words):
            return (Word("ticket"), " ", text(words))
        case nodes.ApprovedBy(words):
            return (Word("approved_by"), " ", text(words))
        case _:
            assert_never(node)


def _calls(calls: Sequence[nodes.Call]) -> Doc:
    items = comma_separated([expression(call) for call in calls])
    return Nest(Fill([(Word("oblige"), " ", items[0]), *items[1:]]))


# ---- exceptions, examples ---------------------------------------------------------------


def _rule_ref(gate: nodes.Ident | None, rule: nodes.Ident) -> Doc:
    return (_name(gate), Word("."), _name(rule)) if gate else _name(rule)


def _waiver(node: nodes.WaiverDecl) -> Doc:
    head = (Word("waiver"), " ", _name(node.name), " ", Word("of"), " ")
    clauses = [_clause(clause) for clause in node.clauses]
    return _with_clauses((head, _rule_ref(node.gate, node.rule)), clauses)


def _test_items(items: Sequence[nodes.TestItem]) -> Group:
    docs = [_test_item(item) for item in items]
    made = _long_block(docs)
    made.tables = _by_kind(items, docs)
    return made


def _test_item(node: nodes.TestItem) -> Doc:
    match node:
        case nodes.Let(name, value):
            start = (Word("let"), " ", _name(name), " ", Word("=", begins_cell=True))
            if isinstance(value, nodes.RecordDisplay):  # as after `with`
                return (start, " ", braces(value, padded=True))
            return value_after_sign(start, value)
        case nodes.At(moment):
            return (Word("at"), " ", Word(moment.text))
        case nodes.Expect():
            return _expect(node)
        case nodes.ExpectEach():
            return _expect_each(node)
        case _:
            assert_never(node)


def _expect(node: nodes.Expect) -> Doc:
    start = (Word("expect"), " ", _verdict(node.allow), " ")
    parts = [(clause.span.start, _expectation(clause)) for clause in node.clauses]
    return _asked(node, start, parts)


def _expect_each(node: nodes.ExpectEach) -> Doc:
    over = (Word("in"), " ", _type(node.type), Word(":"), " ")
    start = (Word("for"), " ", _name(node.variable), " ", over)
    table = (Word("expect"), " ", _long_block([_row(row) for row in node.rows]))
    return _asked(node, start, [(node.rows[0].span.start, table)])


def _row(row: nodes.Row) -> Doc:
    values = Fill(comma_separated([expression(value) for value in row.values]))
    clauses = [_expectation(clause) for clause in row.clauses]
    return _with_clauses((Nest(values), Word(":"), " ", _verdict(row.allow)), clauses)


def _verdict(allow: bool) -> Doc:  # noqa: FBT001 - it is what is written
    return Word("allow" if allow else "deny")


def _asked(node: nodes.Expect | nodes.ExpectEach, start: Doc, parts: list[tuple[int, Doc]]) -> Doc:
    """Lay out a request after *start*, and its *parts* in written order."""
    head: list[Doc] = [
        (start, _cell(_name(node.action))),
        _cell((Word("by"), " ", expression(node.subject))),
        _cell((Word("on"), " ", expression(node.resource))),
    ]
    if node.context is not None:
        given = node.context
        if isinstance(given, nodes.SetDisplay | nodes.RecordDisplay):
            context = (Word("with"), " ", braces(given, padded=True))
        else:
            context = (Word("with"), " ", expression(given))
        parts.append((node.context.span.start, context))
    if node.asking is not None:
        asking = (Word("asking"), " ", _field_set(node.asking.fields))
        parts.append((node.asking.span.start, asking))
    rows = [part for _, part in sorted(parts, key=lambda part: part[0])]
    return _with_clauses(Nest(Fill(head)), rows)


def _field_set(fields: Sequence[nodes.ShownField]) -> Doc:
    if not fields:
        return block([])
    return block([Fill(_fields(fields))], padded=False)


def _expectation(node: nodes.ExpectClause) -> Doc:
    match node:
        case nodes.ExpectRules(rules):
            items = comma_separated([_rule_ref(rule.gate, rule.rule) for rule in rules])
            return Nest(Fill([(Word("because"), " ", items[0]), *items[1:]]))
        case nodes.ExpectFields(fields):
            return (Word("fields"), " ", _field_set(fields))
        case nodes.ExpectObligations(calls):
            return _calls(calls)
        case nodes.ExpectReferrals(words):
            return (Word("refer"), " ", text(words))
        case nodes.ExpectReason(words):
            return (Word("reason"), " ", text(words))
        case nodes.ExpectCause(cause):
            return (Word("cause"), " ", _name(cause))
        case _:
            assert_never(node)
