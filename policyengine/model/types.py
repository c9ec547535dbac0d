"""Name the types that values may have, and the vocabulary that a policy set declares.

The checker infers these types, requests are validated against them, and values are shown by them.
Types are immutable and compare by what they are; enumerations, levels and taxonomies also by the
name and package that declared them. They are structs of msgspec, since they are compared all the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from policyengine.concurrency import cached_property

TargetKey: TypeAlias = tuple[str, str, str]
"""(action, subject type, resource type): the key of a decision function."""


class Primitive(Struct, frozen=True):
    """A type with no parts."""

    name: str

    def __str__(self) -> str:
        return self.name


BOOL = Primitive("bool")
INT = Primitive("int")
DECIMAL = Primitive("decimal")
STRING = Primitive("string")
DATETIME = Primitive("datetime")
DURATION = Primitive("duration")
MONTHS = Primitive("months")
IP = Primitive("ip")
SCHEDULE = Primitive("schedule")
PATH = Primitive("path")

PRIMITIVES: Mapping[str, Primitive] = {
    t.name: t for t in (BOOL, INT, DECIMAL, STRING, DATETIME, DURATION, MONTHS, IP, SCHEDULE, PATH)
}

ORDERED: Final = (INT, DECIMAL, DATETIME, DURATION, MONTHS)
"""The types whose values are whole numbers, ordered as these are."""


class EnumType(Struct, frozen=True, dict=True, cache_hash=True):
    """A closed list of names; a value is one of *members*, a `str`."""

    name: str
    package: str
    members: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The position of each name."""
        return {name: position for position, name in enumerate(self.members)}

    @cached_property
    def values(self) -> frozenset[object]:
        """All values."""
        return frozenset(self.members)


class LevelsType(Struct, frozen=True, dict=True, cache_hash=True):
    """A total order; a value is the position of its name in *members*, an `int`, lowest 0."""

    name: str
    package: str
    members: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The position of each name, which is its value."""
        return {name: position for position, name in enumerate(self.members)}

    @cached_property
    def values(self) -> frozenset[object]:
        """All values."""
        return frozenset(range(len(self.members)))


class TaxonomyType(Struct, frozen=True, dict=True, cache_hash=True):
    """A tree of terms; a value is the name of one, a `str`.

    *parents* pairs each term, in written order, with the term above it (None at the top).
    """

    name: str
    package: str
    parents: tuple[tuple[str, str | None], ...]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def members(self) -> tuple[str, ...]:
        """All terms, in written order."""
        return tuple(term for term, _ in self.parents)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The position of each term."""
        return {term: position for position, (term, _) in enumerate(self.parents)}

    @cached_property
    def values(self) -> frozenset[object]:
        """All values."""
        return frozenset(self.members)

    @cached_property
    def above(self) -> Mapping[str, frozenset[str]]:
        """The ancestors of each term, itself included."""
        above: dict[str, frozenset[str]] = {}
        for term, parent in self.parents:
            above[term] = frozenset({term}) | (above[parent] if parent else frozenset())
        return above

    @cached_property
    def below(self) -> Mapping[str, frozenset[str]]:
        """The descendants of each term, itself included."""
        below: dict[str, set[str]] = {term: set() for term in self.members}
        for term, line in self.above.items():
            for over in line:
                below[over].add(term)
        return {term: frozenset(terms) for term, terms in below.items()}


class EntityRefType(Struct, frozen=True):
    """A reference to an entity of the type called *name*; a value is its id, a `str`."""

    name: str

    def __str__(self) -> str:
        return self.name


class SetType(Struct, frozen=True):
    """A set; a value is a `frozenset` of the element type's values."""

    element: Type

    def __str__(self) -> str:
        return f"set<{self.element}>"


Changer: TypeAlias = Literal["caller", "platform", "person", "nobody"]
"""Who can change an attribute: the caller of the service, the platform that runs it, the person
whose settings it is among, or nobody, since it is a fact."""

CHANGERS: Final[tuple[Changer, ...]] = ("caller", "platform", "person", "nobody")


class Count(Struct, frozen=True):
    """The meaning of a number that counts, before a request, *things* for each value of *by*, in a window.

    The things are entities that were *delivered*, or actions and groups that were requested. *per*: a
    duration, `day`, `month` or `year`; nothing if they are counted for ever.
    """

    things: tuple[str, ...]
    delivered: bool
    by: tuple[str, ...]
    per: str

    def __str__(self) -> str:
        per = f" per {self.per}" if self.per else ""
        return f"count of {', '.join(self.things)} by {' and '.join(self.by)}{per}"


class Attribute(Struct, frozen=True):
    """A named part of a record, an entity or a context; *by*: the party that can change it, and whether that is *stated*.

    A part of a record can be changed by the party that can change the record. *count*: what it counts,
    which is said of ints of a context.
    """

    name: str
    type: Type
    optional: bool = False
    private: bool = False
    by: Changer = "platform"
    count: Count | None = None
    stated: bool = False


class RecordType(Struct, frozen=True, dict=True, cache_hash=True):
    """Named parts; a value is an instance of the class that `model.records` makes for the type."""

    attributes: tuple[Attribute, ...]

    def __str__(self) -> str:
        parts = (f"{a.name}{'?' * a.optional}: {a.type}" for a in self.attributes)
        return "{" + ", ".join(parts) + "}"

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """The attributes by name."""
        return {a.name: a for a in self.attributes}


Enumeration: TypeAlias = EnumType | LevelsType | TaxonomyType
"""A type whose values are declared names."""


class TableType(Struct, frozen=True):
    """A table, which only a constant of a policy is: a value for each name of *key*.

    It is a tuple of the values, in the order of the members of *key*.
    """

    key: Enumeration
    value: Type

    def __str__(self) -> str:
        return f"{self.key} -> {self.value}"

    def row(self, rows: Any, name: object) -> Any:
        """Return what *rows*, a table of this type, have for a value of *key*."""
        return rows[name if isinstance(self.key, LevelsType) else self.key.positions[str(name)]]


Type: TypeAlias = Primitive | Enumeration | EntityRefType | SetType | RecordType | TableType


def table_given(type_: TableType) -> TypeError:
    """Return what is raised if a request seems to give a table, which only constants of a policy are."""
    return TypeError(f"a table is no value of a request: {type_}")


def in_rows(type_: Type, value: Any) -> Iterator[tuple[Type, object]]:
    """Give the values that a table may give, with their type; of anything else, itself."""
    if isinstance(type_, TableType):
        for row in value:
            yield from in_rows(type_.value, row)
    else:
        yield type_, value


def is_private(attribute: Attribute) -> bool:
    """Whether the attribute is private, or some part of its values is."""
    return attribute.private or holds_private(attribute.type)


def holds_private(type_: Type) -> bool:
    """Whether some part of a value of the type is private."""
    match type_:
        case RecordType(attributes):
            return any(map(is_private, attributes))
        case SetType(element):
            return holds_private(element)
        case _:
            return False


class EntityType(Struct, frozen=True, dict=True, cache_hash=True):
    """A declared entity type. *parents*: the names of the types that its parents may have."""

    name: str
    parents: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """The attributes by name (without `id`, which every entity has)."""
        return {a.name: a for a in self.attributes}


class ActionType(Struct, frozen=True):
    """An action: its groups, and the types of its subjects, resources and context.

    *groups*: every group and action that it is in, near or far, itself excluded. *subjects*,
    *resources*: names of entity types. *context*: what a request must bring along. *constants*:
    the `having` values in canonical form by name; *constant_types* their types (an optional
    constant that was left out has a type and no value).
    """

    name: str
    groups: frozenset[str]
    subjects: tuple[str, ...]
    resources: tuple[str, ...]
    context: RecordType
    constant_types: RecordType
    constants: Mapping[str, object]

    @property
    def targets(self) -> list[TargetKey]:
        """The targets of the action: each with a type of subject and a type of resource."""
        return [(self.name, one, other) for one in self.subjects for other in self.resources]


class GateType(Struct, frozen=True):
    """One question that must be answered yes.

    *range*: the targets to which the gate applies, by action; None if it was declared without `for` and applies
    to all.
    """

    name: str
    question: str
    is_field: bool
    package: str
    range: Mapping[str, frozenset[TargetKey]] | None = None

    def applies_to(self, target: TargetKey) -> bool:
        """Whether a request for *target* is allowed only if this gate permits it."""
        return self.range is None or target in self.range.get(target[0], ())

    def is_asked_for(self, action: str) -> bool:
        """Whether the gate applies to the action with some types."""
        return self.range is None or action in self.range


class TargetGates(Struct, frozen=True):
    """The gates that apply to a target.

    *names*: in order. *fields*: which of them are field gates; None if the set has none at all, so that what may
    be seen is not decided.
    """

    names: tuple[str, ...]
    fields: frozenset[str] | None


class ObligationType(Struct, frozen=True):
    """An obligation of the caller after an allow."""

    name: str
    parameters: tuple[Attribute, ...]


class Schema(Struct, frozen=True):
    """Everything that requests are validated against, by name.

    Names of entities, actions, gates and obligations go over the wire, so they are unique over
    the whole set, whatever package declares them.
    """

    entities: Mapping[str, EntityType]
    actions: Mapping[str, ActionType]
    gates: Mapping[str, GateType]
    obligations: Mapping[str, ObligationType]

    @property
    def has_field_gate(self) -> bool:
        """Whether the set decides which fields may be seen."""
        return any(gate.is_field for gate in self.gates.values())

    def has(self, target: TargetKey) -> bool:
        """Whether there is such an action of such types."""
        name, subject, resource = target
        action = self.actions.get(name)
        return action is not None and subject in action.subjects and resource in action.resources

    def gates_of(self, target: TargetKey) -> TargetGates:
        """Return the gates that apply to *target*.

        If none does, which the checker refuses, all are returned, and nothing is allowed.
        """
        gates = [gate for _, gate in sorted(self.gates.items())]
        applying = [gate for gate in gates if gate.applies_to(target)] or gates
        fields = frozenset(gate.name for gate in applying if gate.is_field)
        names = tuple(gate.name for gate in applying)
        return TargetGates(names, fields if self.has_field_gate else None)
