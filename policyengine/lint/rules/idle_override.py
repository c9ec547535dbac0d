"""Find changes of fixtures to values that they have already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Label, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_DEEPEST = 50
"""How many fixtures may be changes of one another before nothing is said."""

_Fields: TypeAlias = Mapping[str, nodes.Expr]


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each part of `fixture { … }` that is so in the fixture."""
    shared = _shared(subject)
    for file in subject.files:
        for declaration in file.declarations:
            lets = dict(shared)
            match declaration:
                case nodes.Let():
                    yield from _idle(declaration.value, lets)
                case nodes.TestDecl(items=items):
                    for item in items:
                        yield from _idle(item, lets)
                        match item:
                            case nodes.Let(name, value):
                                lets[name.name] = value
                            case nodes.ExpectEach(variable):
                                lets.pop(variable.name, None)


def _shared(subject: Subject) -> dict[str, nodes.Expr]:
    """Return the values of the fixtures outside tests, but those whose name stands for several."""
    found: dict[str, list[nodes.Expr]] = {}
    for file in subject.files:
        for declaration in file.declarations:
            if isinstance(declaration, nodes.Let):
                found.setdefault(declaration.name.name, []).append(declaration.value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _idle(node: nodes.Node, lets: Mapping[str, nodes.Expr]) -> Iterator[Diagnostic]:
    for update in walk(node):
        if isinstance(update, nodes.Update):
            before = _fields_of(update.object, lets)
            for part in _fields(update.changes):
                value = before.get(part.name.name)
                if value is not None and _bare(value) == _bare(part.value):
                    yield warning(
                        "PE460", part.span, f"`{part.name}` is so already", "leave it out, or say what differs",
                        Label(value.span, "here"),
                    )  # fmt: skip


def _fields_of(expr: nodes.Expr, lets: Mapping[str, nodes.Expr], depth: int = 0) -> _Fields:
    """Return what is written of an entity or a record, by name."""
    match expr:
        case nodes.Name(name) if name in lets and depth < _DEEPEST:
            return _fields_of(lets[name], lets, depth + 1)
        case nodes.EntityRef(attributes=nodes.RecordDisplay() as record) | (
            nodes.RecordDisplay() as record
        ):
            return {part.name.name: part.value for part in record.fields}
        case nodes.Update(object_, changes) if depth < _DEEPEST:
            changed = {part.name.name: part.value for part in _fields(changes)}
            return {**_fields_of(object_, lets, depth + 1), **changed}
    return {}


def _fields(record: nodes.Expr) -> tuple[nodes.RecordField, ...]:
    return record.fields if isinstance(record, nodes.RecordDisplay) else ()


def _bare(expr: nodes.Expr) -> object:
    """Return what is compared: the order of a set does not matter."""
    return frozenset(expr.items) if isinstance(expr, nodes.SetDisplay) else expr


RULE = LintRule(
    Code(
        "PE460", "idle-override", "A change of a fixture to the value that it has.",
        "A reader believes that it makes the difference, and it makes none.",
        WORDS + 'permit p: any when subject.status == active\ntest "reading" { let app = App "a" { status: active } expect allow read by app { status: active } on Post "p" }\n',
        WORDS + 'permit p: any when subject.status == active\ntest "reading" { let app = App "a" { status: active } expect deny read by app { status: held } on Post "p" }\n',
    ),
    find,
)  # fmt: skip
