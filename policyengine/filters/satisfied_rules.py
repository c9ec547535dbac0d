"""Say of rows that are requests which rules they satisfy, as predicates of their columns.

Requests of one target that satisfy the same rules, and of which the same keys hold, have the same decision where time
plays no part (`runtime.details.Explainer`), so that it is enough to decide one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Final

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.generate import are_many
from policyengine.compiler.link import simplified
from policyengine.compiler.lowered import Part, Rule
from policyengine.filters.fitting import Fitting
from policyengine.filters.lowering import Lowering
from policyengine.filters.mapping import (
    EntityTable,
    SetInColumn,
    Stored,
    StoredColumn,
    TableMapping,
)
from policyengine.filters.predicates import (
    CONTEXT,
    ROWS,
    SUBJECT,
    Column,
    Compare,
    Kind,
    NotPushable,
    Predicate,
    SetColumn,
    both,
    either,
    negated,
)
from policyengine.filters.row_paths import Owner, RowPaths, Unsayable
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import (
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.known_parts import KnownParts
from policyengine.semantics.checked import CheckedSet

PARTS: Final[Mapping[str, str]] = {"subject": SUBJECT, "resource": ROWS, "context": CONTEXT}
"""The alias of each part of a request, whose columns are called as attributes are."""

_UNKNOWN: Final = frozenset((part,) for part in PARTS)

_UNBOUNDED: Final = 2**62
"""A length of texts with which it is asked of each whether it is within the limit of requests."""

_KINDS: Final[Mapping[str, Kind]] = {
    "string": "text", "int": "int", "decimal": "decimal", "bool": "bool", "datetime": "instant",
}  # fmt: skip


class SatisfiedRules(Struct, frozen=True):
    """What tells apart the decisions on rows that are requests of one target, with all parts in one row.

    *fits*: of rows that are surely requests, where sets are, and the columns at the paths *absent* are NULL. *sets*:
    the column of each set, whether it may be NULL, and the elements that it may have, if these are names.
    *bits*: which rules are satisfied, and which keys hold.
    """

    fits: Predicate
    absent: frozenset[str]
    sets: tuple[tuple[SetColumn, bool, tuple[str, ...] | None], ...]
    bits: tuple[Predicate, ...]


def satisfied_rules(
    checked: CheckedSet, target: TargetKey, limits: Limits, paths: Collection[str]
) -> SatisfiedRules:
    """Return what tells apart requests of *target*, whose parts are in the columns *paths*: `resource.owner`.

    Raises `NotPushable` or `IncompleteMapping` where no predicates do.
    """
    rules = [rule for rule in simplified(checked, target) if not rule.advisory]
    if are_many(rules) or any(map(_is_timed, rules)):
        raise NotPushable("all rules", (), "a table", "they are many, or time plays a part")
    try:
        return _Telling(checked, target, limits, paths).of(rules)
    except Unsayable as problem:
        raise NotPushable(problem.clause, (), "a table", str(problem)) from None


class _Telling:
    """Makes the predicates of requests of one target."""

    def __init__(
        self, checked: CheckedSet, target: TargetKey, limits: Limits, given: Collection[str]
    ) -> None:
        schema, (action, subject, resource) = checked.schema, target
        entities = schema.entities[subject], schema.entities[resource]
        types: dict[str, EntityType | RecordType] = dict(zip(PARTS, entities, strict=False))
        types["context"] = schema.actions[action].context
        stored = {part: dict(_stored_in(type_, part, given)) for part, type_ in types.items()}
        id_ = StoredColumn("id", "text", longest=_UNBOUNDED)
        tables = {type_.name: EntityTable("", id_) for type_ in entities}
        self._paths = RowPaths(TableMapping(schema, tables), target, limits.ancestors)
        self._owners = {
            part: Owner(
                PARTS[part],
                type_,
                stored[part],
                part,
                Column(PARTS[part], "id", "text") if isinstance(type_, EntityType) else None,
            )
            for part, type_ in types.items()
        }
        self._paths.parts.update({owner.alias: owner for owner in self._owners.values()})
        self._fitting = Fitting(self._paths, limits, split=False)
        self._lowering = Lowering(
            self._paths, ExpressionTypes(schema, target), Evaluator(KnownParts(unknown=_UNKNOWN))
        )
        self._given = given

    def of(self, rules: Sequence[Rule]) -> SatisfiedRules:
        """Return what tells apart requests by *rules*."""
        keys = dict.fromkeys(rule.conditions[key.number] for rule in rules for key in rule.keys)
        conditions = [*(ir.conjunction(rule.conditions) for rule in rules), *keys]
        bits = tuple(map(self._lowering.condition, conditions))
        needs = reduce(or_, (rule.needs for rule in rules), RequestNeeds())
        known = {"subject.id", "resource.id", "subject.type", "resource.type", "action", "now"}
        known |= {f"{part}.{name}" for part, of in self._owners.items() for name in of.parts}
        fits = [
            self._fits(part, owner, getattr(needs, part)) for part, owner in self._owners.items()
        ]
        _, subject, resource = self._paths.target
        if subject == resource:  # what is said of one entity twice may differ
            ids = (Column(alias, "id", "text") for alias in (SUBJECT, ROWS))
            fits.append(Compare("!=", *ids))
        sets = tuple(self._sets(needs))
        return SatisfiedRules(both(fits), frozenset(self._given) - known, sets, bits)

    def _fits(self, part: str, owner: Owner, needs: Needs) -> Predicate:
        """Return the predicate that a part of a request has what is read of it, and nothing that does not fit."""
        if part == "context":  # all of it must be there that is not optional
            return self._fitting.parts(
                owner, Needs(dict.fromkeys(owner.type.by_name, NOTHING)) | needs
            )
        others = [name for name in owner.parts if name not in needs.attributes]
        return both(
            [
                self._fitting.row(owner, needs),
                *(
                    either(
                        [
                            negated(self._paths.has(owner, name)),
                            self._fitting.parts(owner, Needs({name: NOTHING})),
                        ]
                    )
                    for name in others
                ),
            ]
        )

    def _sets(
        self, needs: RequestNeeds
    ) -> Iterator[tuple[SetColumn, bool, tuple[str, ...] | None]]:
        for part, owner in self._owners.items():
            read = getattr(needs, part).attributes
            for name, stored in owner.parts.items():
                if isinstance(stored, SetInColumn):
                    assert stored.kind is not None
                    column = SetColumn(owner.alias, name, stored.kind, json=False)
                    may_lack = owner.type.by_name[name].optional or (
                        part != "context" and name not in read
                    )
                    yield column, may_lack, None if stored.names is None else tuple(stored.names)


def _is_timed(rule: Rule) -> bool:
    """Whether what a rule does, or until when, may depend on the time."""
    texts = [] if rule.refer is None else rule.refer.parts
    parts = [part for _, part in (pair for duty in rule.duties for pair in duty.arguments)]
    parts += [part for part in texts if isinstance(part, Part)]
    read = (*rule.conditions, *(part.expr for part in parts))
    return bool(rule.waivers or rule.is_dated) or any(ir.mentions(one, "now") for one in read)


def _stored_in(
    type_: EntityType | RecordType, part: str, given: Collection[str]
) -> Iterator[tuple[str, Stored]]:
    """Give the columns of the attributes that are given, or need not be, in forms in which tables have them."""
    for attribute in type_.attributes:
        stored = _stored(attribute.name, attribute.type)
        if stored is not None and (attribute.optional or f"{part}.{attribute.name}" in given):
            yield attribute.name, stored


def _stored(name: str, type_: Type) -> StoredColumn | SetInColumn | None:
    match type_:
        case EnumType() | LevelsType() | TaxonomyType():
            return StoredColumn(name, "text", {member: member for member in type_.members})
        case EntityRefType():
            return StoredColumn(name, "text", longest=_UNBOUNDED)
        case Primitive(of) if of in _KINDS:
            return StoredColumn(name, _KINDS[of], longest=_UNBOUNDED)
        case SetType(element):
            of_one = _stored(name, element)
            if isinstance(of_one, StoredColumn) and of_one.kind == "text":
                return SetInColumn(name, kind="text", names=of_one.names, checked=True)
    return None
