"""Write a request as a test, ready to be pasted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import define, field, frozen

from policyengine.diagnostics.source import Source
from policyengine.model.entities import Key
from policyengine.model.outcome import Obligation
from policyengine.model.types import (
    DATETIME,
    Attribute,
    EntityRefType,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, entity_text, slot, text_of
from policyengine.semantics.checked import CheckedRule, CheckedSet, Fixture, Invariant, Typing
from policyengine.syntax import nodes
from policyengine.syntax.expression_layout import quoted
from policyengine.syntax.formatter import format_source
from policyengine.syntax.grammar import reserved_words
from policyengine.syntax.node import walk
from policyengine.syntax.written_values import written
from policyengine.testing.request_builder import EntityLiteral, RequestBuilder

Expectation: TypeAlias = tuple[ValidRequest, bool, tuple[str, ...]]
"""A request, whether it is allowed, and the clauses of the expectation."""


def write_test(
    title: str,
    expectations: Iterable[Expectation],
    checked: CheckedSet,
    *,
    beside: CheckedRule | Invariant | None = None,
    now: int | None = None,
) -> str:
    """Return a `test` block to be pasted into a file of the set.

    *beside*: a rule in whose package the test will be, so that it may use the fixtures there. *now*: the
    time of the run; a test whose requests all have it is written without `at`.
    """
    lines: list[str] = []
    expectations = list(expectations)
    text_of_test = _TestText(reserved_words() | _ROOTS | frozenset(_words(checked.files)))
    if beside is not None:
        (file,) = (f for f in checked.files if f.span.file == beside.node.span.file)
        packages = {file.package.name, *(one.package.name for one in file.imports)}
        text_of_test.share([f for f in checked.fixtures if f.package in packages], checked)
    if all(request.now == now for request, _, _ in expectations):
        text_of_test.now = now
    for request, allow, clauses in expectations:
        lines += text_of_test.expectation(request, allow=allow, clauses=clauses)
    body = " ".join(lines)
    text = f"package p\n\ntest {quoted(title)} {{\n{body}\n}}\n"
    formatted = format_source(Source("test", text))
    assert isinstance(formatted, str), (text, formatted)
    return formatted.partition("\n\n")[2]


def can_be_written(request: ValidRequest) -> bool:
    """Whether a test can express *request*: the parents of all entities are of declared types."""
    return all(
        parent[0] in entity.entity_type.parents
        for entity in request.entities.values()
        for parent in entity.parents_ or ()
    )


def _words(files: Iterable[nodes.PolicyFile]) -> Iterator[str]:
    """Give the names of values, which no entity may have: it would be ambiguous."""
    for file in files:
        for declaration in file.declarations:
            match declaration:
                case nodes.ConstDecl(name) | nodes.Let(name):
                    yield name.name
                case nodes.EnumDecl(_, members) | nodes.LevelsDecl(_, members):
                    yield from (member.name for member in members)
                case nodes.TaxonomyDecl(_, terms):
                    yield from (n.name.name for n in walk(terms) if isinstance(n, nodes.Term))


def owed_clause(owed: Iterable[Obligation]) -> str:
    """Return the clause that expects exactly these obligations."""
    calls = (
        f"{o.name}({', '.join(literal(type_, value) for _, type_, value in o.arguments)})"
        for o in owed
    )
    return f"oblige {', '.join(calls)}"


def literal(type_: Type, value: object) -> str:
    """Return how a test writes a canonical value."""
    return _TestText(frozenset()).value(type_, value)


@frozen
class _Version:
    """An entity as a `let` describes it: its parents, and the text of each of its attributes."""

    name: str
    key: Key
    parents: frozenset[Key] | None
    parts: Mapping[str, str]

    def changes(self, parts: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str] | None:
        """Return the changes that give it *parts*, None if an attribute would have to be removed.

        *named*: the parts in another form, which names entities that the request already has.
        """
        if not parts.keys() >= self.parts.keys():
            return None
        return {
            name: text
            for name, text in parts.items()
            if self.parts.get(name) not in (text, named[name])
        }


_Bound: TypeAlias = tuple[_Version, Mapping[str, str]]
"""A version, and the attributes that differ from it."""


@define
class _TestText:
    """Writes the entities of requests once each, and as changes of these: `ann { tier: free }`.

    *taken*: names that none of them may have. *shared*: the names of fixtures, by the identity of their
    values. *latest*: the version of each entity that the lines so far wrote last: it counts where the
    entity is only a parent.

    For the current request, *bound* has the version of each entity and its changes; *said* the entities
    whose changes are written, which count wherever the entity is; *stated* those that are written, so
    that later ones may be named only; *naming*: whether that short form is wanted; *above*: the parents.
    """

    taken: frozenset[str]
    versions: list[_Version] = field(factory=list)
    now: int | None = None
    lines: list[str] = field(factory=list)
    bound: dict[Key, _Bound] = field(factory=dict)
    said: set[Key] = field(factory=set)
    stated: set[Key] = field(factory=set)
    above: set[Key] = field(factory=set)
    naming: bool = False
    latest: dict[Key, _Bound] = field(factory=dict)
    shared: dict[int, str] = field(factory=dict)

    def share(self, visible: Sequence[Fixture], checked: CheckedSet) -> None:
        """Make the entities among the *visible* fixtures versions that may be used."""
        builder = RequestBuilder(checked.schema, Typing({}, {}), 0)
        times = Counter(fixture.name for fixture in visible)
        found = []
        for fixture in visible:
            try:
                value = builder.fixture(fixture)
            except Exception:  # noqa: BLE001, S112 - tests that use it are errors
                continue
            if isinstance(value, EntityLiteral) and times[fixture.name] == 1:
                self.shared[id(value)] = fixture.name
                found.append((fixture.name, value))
        described = Counter(value.key for _, value in found)
        for name, value in found:
            attributes = checked.schema.entities[value.type].by_name
            parts = {
                part: self.value(attributes[part].type, given)
                for part, given in (value.properties or {}).items()
            }
            version = _Version(name, value.key, frozenset(value.parents), parts)
            self.versions.append(version)
            if described[value.key] == 1:  # an entity under it brings it along
                self.latest[value.key] = version, {}

    def expectation(
        self, request: ValidRequest, *, allow: bool, clauses: Iterable[str]
    ) -> Iterator[str]:
        self.lines, self.bound = [], {}
        self.said, self.stated, self.above = set(), set(), set()
        subject, resource = (
            self._party(request, party.key_) for party in (request.subject, request.resource)
        )
        context = request.context
        self._referred(request, context, context.record_type.attributes, set())
        given = _listed(self._parts(context, context.record_type.attributes))
        for key in sorted(self.above):
            self._as_parent(key)
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

    def _party(self, request: ValidRequest, key: Key) -> str:
        self._entity(request, key, set())
        return self._reference(key)

    def _reference(self, key: Key) -> str:
        """Return the text of an entity: with its changes the first time."""
        if key not in self.bound or (self.naming and key in self.stated):
            return entity_text(*key)
        if self.naming:
            return _UNSTATED
        self.stated.add(key)
        version, changes = self.bound[key]
        if not changes or key in self.said:
            return version.name
        self.said.add(key)
        self.latest[key] = version, changes
        return f"{version.name} {{ {_listed(changes)} }}"

    def _entity(self, request: ValidRequest, key: Key, around: set[Key]) -> None:
        """Bind a described entity, after those that it refers to."""
        if key in self.bound or key in around or key not in request.entities:
            return
        entity = request.entities[key]
        attributes = entity.entity_type.attributes
        self._referred(request, entity, attributes, {*around, key})
        for parent in sorted(entity.parents_ or ()):
            self._entity(request, parent, {*around, key})
            self.above.add(parent)
        self.naming = True
        named = self._parts(entity, attributes)
        self.naming = False
        parts = self._parts(entity, attributes)
        if not parts and entity.parents_ is None:
            return  # only its id is known
        same = [one for one in self.versions if (one.key, one.parents) == (key, entity.parents_)]
        found = [
            (one, changes) for one in same if (changes := one.changes(parts, named)) is not None
        ]
        self.bound[key] = (
            min(found, key=lambda one: (len(one[1]), one != self.latest.get(key)))
            if found
            else (self._let(key, entity.parents_, parts), {})
        )

    def _as_parent(self, key: Key) -> None:
        """Write a parent once more if another version of it was written last.

        A child names its parent by id only, so the last version counts.
        """
        if key in self.bound and self.latest.get(key) != self.bound[key]:
            version, changes = self.bound[key]
            self.bound[key] = self._let(key, version.parents, {**version.parts, **changes}), {}

    def _let(self, key: Key, parents: frozenset[Key] | None, parts: Mapping[str, str]) -> _Version:
        version = _Version(self._name(key), key, parents, parts)
        under = ", ".join(entity_text(*parent) for parent in sorted(parents or ()))
        body = entity_text(*key) + (f" under {{{under}}}" if under else "")
        self.lines.append(f"let {version.name} = {body} {{ {_listed(parts)} }}")
        self.versions.append(version)
        self.latest[key] = version, {}
        return version

    def _name(self, key: Key) -> str:
        """Return a name that no other entity has, derived from its id if that gives a name."""
        made = "".join(c if c.isascii() and c.isalnum() else "_" for c in key[1]).strip("_").lower()
        if not made or not made[0].isalpha() or made in self.taken:
            made = f"{key[0].lower()}_{made}".strip("_")
        taken = self.taken.union(version.name for version in self.versions)
        number, name = 2, made
        while name in taken:
            name, number = f"{made}_{number}", number + 1
        return name

    def _referred(
        self,
        request: ValidRequest,
        holder: object,
        attributes: Iterable[Attribute],
        around: set[Key],
    ) -> None:
        for attribute in attributes:
            value = getattr(holder, slot(attribute.name))
            if value is not ABSENT:
                self._inside(request, attribute.type, value, around)

    def _inside(self, request: ValidRequest, type_: Type, value: object, around: set[Key]) -> None:
        match type_:
            case EntityRefType(name):
                self._entity(request, (name, str(value)), around)
            case SetType(element):
                assert isinstance(value, frozenset)
                for one in sorted(value, key=str):
                    self._inside(request, element, one, around)
            case RecordType(attributes):
                self._referred(request, value, attributes, around)

    def _parts(self, holder: object, attributes: Iterable[Attribute]) -> dict[str, str]:
        """Return the text of each attribute that is present."""
        given = ((a, getattr(holder, slot(a.name))) for a in attributes)
        return {a.name: self.value(a.type, value) for a, value in given if value is not ABSENT}

    def value(self, type_: Type, value: object) -> str:
        """Return how a value is written."""
        match type_:
            case EntityRefType() if isinstance(value, EntityLiteral):  # of a fixture
                return self.shared.get(id(value), _NO_NAME)
            case EntityRefType(name):
                return self._reference((name, str(value)))
            case SetType(element):
                assert isinstance(value, frozenset)
                return "{" + ", ".join(sorted(self.value(element, one) for one in value)) + "}"
            case RecordType(attributes):
                return "{" + _listed(self._parts(value, attributes)) + "}"
            case _:
                return written(type_, value)


def _listed(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {text}" for name, text in parts.items())


_NO_NAME = ""
"""The text of an entity that is described inside a fixture: no reference of a request is this."""

_UNSTATED = "?"
"""The short form of an entity that the request does not have so far: no part of a version is this."""

_ROOTS = frozenset({"subject", "resource", "context", "action", "now"})
