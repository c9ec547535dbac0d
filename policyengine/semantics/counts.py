"""Check the notes on what ints of a context count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import (
    DURATION,
    INT,
    Attribute,
    Count,
    EntityRefType,
    EntityType,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.values import text_of
from policyengine.semantics import messages, table_messages
from policyengine.semantics.names import ACTION, TYPE, Scope
from policyengine.syntax import nodes

WINDOWS = ("day", "month", "year")
"""The windows of the calendar, in UTC."""


def count_of(
    note: nodes.CountNote, declared: nodes.AttributeDecl, type_: Type, scope: Scope,
    problems: list[Diagnostic],
) -> Count:  # fmt: skip
    """Return what an attribute of a context counts, after reporting what is wrong with the note."""
    if declared.optional or type_ != INT:
        problems.append(table_messages.uncountable(declared, type_))
    first: dict[str, nodes.Expr] = {}
    for path in note.by:
        written = messages.written(path)
        root, _, rest = written.partition(".")
        if root not in ("subject", "resource", "context") and (root, rest) != ("action", "name"):
            problems.append(table_messages.not_counted_by(path.span, f"`{written}`"))
        elif first.setdefault(written, path) is not path:
            idents = (nodes.Ident(written, span=p.span) for p in (path, first[written]))
            problems.append(messages.given_twice(*idents))
    per = ""
    match note.per:
        case nodes.Ident(word):
            per = word
            if word not in WINDOWS:
                problems.append(table_messages.no_window(note.per.span, word, WINDOWS))
        case nodes.Literal(value=value):
            per = text_of(DURATION, value)
            if value == 0:
                problems.append(table_messages.no_window(note.per.span, per, ()))
    things, delivered = _things(note.things, scope, problems)
    return Count(things, delivered, tuple(first), per)


def _things(
    written: Sequence[nodes.Ident], scope: Scope, problems: list[Diagnostic]
) -> tuple[tuple[str, ...], bool]:
    """Return the names of what is counted, and whether that are entities."""
    entity = scope.find(TYPE, written[0], "entity type", [])
    if len(written) > 1 or not entity or not isinstance(entity.declaration, nodes.EntityDecl):
        found = [scope.find(ACTION, ident, "action or group", problems) for ident in written]
        return tuple(symbol.name.name for symbol in found if symbol), False
    action = scope.find(ACTION, written[0], "action", [])
    if action:
        problems.append(table_messages.counted_twice(written[0]))
    return (entity.name.name,), True


def check_paths(
    note: nodes.CountNote,
    roots: Mapping[str, Sequence[str]],
    context: Sequence[Attribute],
    entities: Mapping[str, EntityType],
    problems: list[Diagnostic],
) -> None:
    """Report each part by which nothing can be counted; *roots*: the types of the subject and the resource.

    Of the *context* an attribute may be absent: requests without it are counted together.
    """
    given = RecordType(tuple(replace(attribute, optional=False) for attribute in context))
    for path in note.by:
        root, *names = messages.written(path).split(".")
        types = [given] if root == "context" else map(EntityRefType, roots.get(root, ()))
        for type_ in types:
            problem = _misread(path, names, type_, entities)
            if problem and problem not in problems:
                problems.append(problem)


def _misread(
    path: nodes.Expr, names: Sequence[str], type_: Type, entities: Mapping[str, EntityType]
) -> Diagnostic | None:
    """Return what is wrong with counting by the attribute that *names* lead to, from *type_* on."""
    for at, name in enumerate(names):
        known = entities[type_.name].by_name if isinstance(type_, EntityRefType) else {}
        if isinstance(type_, RecordType):
            known = type_.by_name
        if isinstance(type_, EntityRefType) and name == "id":
            return (
                None if at + 1 == len(names) else table_messages.not_counted_by(path.span, "a text")
            )
        if name not in known:
            ident = nodes.Ident(name, span=path.span)
            return messages.no_attribute(f"`{type_}`", ident, known)
        if known[name].optional:
            return table_messages.not_counted_by(path.span, f"`{name}`, which may be absent,")
        type_ = known[name].type
    if isinstance(type_, SetType | RecordType):
        return table_messages.not_counted_by(path.span, messages.a(type_))
    return None
