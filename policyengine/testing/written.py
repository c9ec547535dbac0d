"""Write a request as a test, ready to be pasted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from attrs import define, field

from policyengine.diagnostics.source import Source
from policyengine.model.decision import Obligation
from policyengine.model.entity_classes import Entity, Key
from policyengine.model.request import Request
from policyengine.model.types import (
    DATETIME,
    Attribute,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, entity_text, slot, text_of
from policyengine.syntax.formatter import format_source


def test_text(title: str, request: Request, *, allow: bool, clauses: Iterable[str]) -> str:
    """Return a `test` block that asks *request*; *clauses*: what more is expected of the answer."""
    return _block(title, [(request, allow, tuple(clauses))])


def tests_text(title: str, expectations: Iterable[tuple[Request, bool, tuple[str, ...]]]) -> str:
    """Return one `test` block with several expectations."""
    return _block(title, list(expectations))


test_text.__test__ = tests_text.__test__ = False  # type: ignore[attr-defined]  # no tests of pytest


def _block(title: str, expectations: list[tuple[Request, bool, tuple[str, ...]]]) -> str:
    lines: list[str] = []
    writing = _Writing()
    for request, allow, clauses in expectations:
        lines += writing.expectation(request, allow=allow, clauses=clauses)
    body = "\n".join(lines)
    text = f"package p\n\ntest {json.dumps(title, ensure_ascii=False)} {{\n{body}\n}}\n"
    formatted = format_source(Source("test", text))
    assert isinstance(formatted, str), (text, formatted)
    return formatted.partition("\n\n")[2]


def owed_clause(owed: Iterable[Obligation]) -> str:
    """Return the clause that expects exactly these obligations."""
    calls = (
        f"{o.name}({', '.join(literal(type_, value) for _, type_, value in o.arguments)})"
        for o in owed
    )
    return f"oblige {', '.join(calls)}"


def literal(type_: Type, value: object) -> str:
    """Return how a test writes a canonical value."""
    return _Writing().value(type_, value)


@define
class _Writing:
    """Writes the entities of requests once each, and the same ones under the same names."""

    names: dict[str, str] = field(factory=dict)
    now: int | None = None
    lines: list[str] = field(factory=list)
    bound: dict[Key, str] = field(factory=dict)

    def expectation(
        self, request: Request, *, allow: bool, clauses: Iterable[str]
    ) -> Iterator[str]:
        self.lines, self.bound = [], {}
        subject = self._party(request, request.subject)
        resource = self._party(request, request.resource)
        context = request.context
        self._referred(request, request.context, context.record_type.attributes, set())
        given = ", ".join(self._parts(context, context.record_type.attributes))
        yield from self.lines
        if request.now != self.now:
            self.now = request.now
            yield f"at {text_of(DATETIME, request.now)}"
        yield f"expect {'allow' if allow else 'deny'} {request.action} by {subject} on {resource}"
        if given:
            yield f"with {{ {given} }}"
        if request.fields is not None:
            yield f"asking {{{', '.join(request.fields)}}}"
        yield from clauses

    def _party(self, request: Request, entity: Entity) -> str:
        self._entity(request, entity.key_, set())
        return self.bound.get(entity.key_) or entity_text(*entity.key_)

    def _entity(self, request: Request, key: Key, around: set[Key]) -> None:
        """Bind a name to an entity of which something is known, after those that it refers to."""
        if key in self.bound or key in around or key not in request.entities:
            return
        entity = request.entities[key]
        attributes = entity.entity_type.attributes
        self._referred(request, entity, attributes, {*around, key})
        if entity.parents_:
            for parent in sorted(entity.parents_):
                self._entity(request, parent, {*around, key})
        parts = list(self._parts(entity, attributes))
        if not parts and not entity.parents_:
            return
        under = ", ".join(entity_text(*parent) for parent in sorted(entity.parents_ or ()))
        body = entity_text(*key) + (f" under {{{under}}}" if under else "")
        body += f" {{ {', '.join(parts)} }}"
        if body not in self.names:
            self.names[body] = self._name(key)
            self.lines.append(f"let {self.names[body]} = {body}")
        self.bound[key] = self.names[body]

    def _name(self, key: Key) -> str:
        """Return a name that is taken by no other entity: what its id makes, if that is one."""
        made = "".join(c if c.isascii() and c.isalnum() else "_" for c in key[1]).strip("_").lower()
        if not made or not made[0].isalpha() or made in _WORDS:
            made = f"{key[0].lower()}_{made}".strip("_")
        taken, number, name = set(self.names.values()), 2, made
        while name in taken:
            name, number = f"{made}_{number}", number + 1
        return name

    def _referred(
        self, request: Request, holder: object, attributes: Iterable[Attribute], around: set[Key]
    ) -> None:
        for attribute in attributes:
            value = getattr(holder, slot(attribute.name))
            if value is not ABSENT:
                self._inside(request, attribute.type, value, around)

    def _inside(self, request: Request, type_: Type, value: object, around: set[Key]) -> None:
        match type_:
            case EntityRefType(name):
                self._entity(request, (name, str(value)), around)
            case SetType(element):
                assert isinstance(value, frozenset)
                for one in sorted(value, key=str):
                    self._inside(request, element, one, around)
            case RecordType(attributes):
                self._referred(request, value, attributes, around)

    def _parts(self, holder: object, attributes: Iterable[Attribute]) -> Iterator[str]:
        for attribute in attributes:
            value = getattr(holder, slot(attribute.name))
            if value is not ABSENT:
                yield f"{attribute.name}: {self.value(attribute.type, value)}"

    def value(self, type_: Type, value: object) -> str:
        """Return how a value is written."""
        match type_:
            case EntityRefType(name):
                key = (name, str(value))
                return self.bound.get(key) or entity_text(*key)
            case SetType(element):
                assert isinstance(value, frozenset)
                return "{" + ", ".join(sorted(self.value(element, one) for one in value)) + "}"
            case RecordType(attributes):
                return "{" + ", ".join(self._parts(value, attributes)) + "}"
            case EnumType() | TaxonomyType() | LevelsType():
                text = text_of(type_, value)
                return text if text.isidentifier() else f'"{text}"'
            case Primitive("string"):
                escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
                escaped = "".join(_ESCAPES.get(c, c) for c in escaped)
                return f'"{escaped}"'
            case Primitive("ip"):
                return f'ip "{value}"'
            case _:
                return text_of(type_, value)


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_WORDS = frozenset(
    {
        "subject", "resource", "context", "action", "now", "true", "false", "not", "if", "then",
        "else", "every", "some", "in", "has", "like", "under", "ip", "and", "or", "let", "at",
        "expect", "test", "within", "touches", "overlaps", "subset", "allow", "deny", "by", "on",
        "with", "asking",
    }
)  # fmt: skip
