"""Choose the values that are tried at a place: those that rules and the request mention, and their neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations, islice
from typing import Any

from attrs import frozen

from policyengine.analysis.constants import MentionedConstants, numbers
from policyengine.analysis.places import Place, value_at
from policyengine.model.records import Record, record_class
from policyengine.model.request import Request
from policyengine.model.types import (
    BOOL,
    DATETIME,
    PATH,
    STRING,
    EntityRefType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT, Ip
from policyengine.semantics.checked import CheckedRule, CheckedSet

_FEW = 5
"""The number of elements of which every subset is tried."""


@frozen
class CandidateValues:
    """The values that rules and the request mention, by type."""

    schema: Schema
    mentions: MentionedConstants
    known: Mapping[str, list[str]]
    sets: Mapping[Type, list[frozenset[Any]]]
    now: int

    @classmethod
    def of(
        cls, checked: CheckedSet, request: Request, rules: Sequence[CheckedRule],
        places: Iterable[Place], *, all_known: bool,
    ) -> CandidateValues:  # fmt: skip
        target = (request.action, request.subject.type, request.resource.type)
        mentions = MentionedConstants.of(rules, target)
        action = checked.schema.actions[request.action]
        given = [
            (part.type, action.constants[part.name])
            for part in action.constant_types.attributes
            if part.name in action.constants
        ]
        given += [(p.type, value_at(request, p)) for p in places if p.kind == "attribute"]
        given = [(type_, value) for type_, value in given if value is not ABSENT]
        sets: dict[Type, list[frozenset[Any]]] = {}
        for type_, value in given:
            if isinstance(value, frozenset):
                sets.setdefault(type_, []).append(value)
            if not isinstance(value, Record):
                mentions.add(type_, value)
        mentions.add(DATETIME, request.now)
        ids = {rule.id for rule in rules}
        for waiver in checked.waivers:
            for waived in (waiver.subject, waiver.resource) if waiver.rule in ids else ():
                if waived is not None and waived.within:
                    mentions.add(EntityRefType(waived.type), waived.id)
        for party in (request.subject, request.resource):
            mentions.add(EntityRefType(party.type), party.id)
        known: dict[str, list[str]] = {}
        for name, id_ in request.entities:
            if id_ in mentions.values.get(EntityRefType(name), ()) or all_known:
                known.setdefault(name, []).append(id_)
        return cls(checked.schema, mentions, known, sets, request.now)

    def mentioned(self, type_: Type) -> list[Any]:
        """Return the values of a type that are mentioned, in a fixed order."""
        return sorted(self.mentions.values.get(type_, ()), key=str)

    def values(self, type_: Type, near: object) -> list[Any]:
        """Return values of a type, the likeliest first."""
        match type_:
            case LevelsType(members=members):
                at = near if isinstance(near, int) else 0
                return sorted(range(len(members)), key=lambda level: (abs(level - at), level))
            case EnumType() | TaxonomyType():
                said = self.mentions.values.get(type_, set())
                return sorted(type_.members, key=lambda member: member not in said)
            case EntityRefType(name):
                known = sorted(self.known.get(name, ()))
                return [*known, *(one for one in self.mentioned(type_) if one not in known)]
            case SetType(element):
                return self._sets(type_, element, near)
            case RecordType(attributes):
                parts = [
                    ABSENT if a.optional else next(iter(self.values(a.type, None)), ABSENT)
                    for a in attributes
                ]
                lacking = any(
                    part is ABSENT and not a.optional
                    for a, part in zip(attributes, parts, strict=True)
                )
                return [] if lacking else [record_class(type_)(*parts)]
            case TableType():
                return []
            case _ if type_ == BOOL:
                return [False, True]
            case _ if type_ == STRING:
                matching_none, *matching = self.mentions.unmentioned()
                others = chain(*(islice(texts, 1) for texts in (*matching, matching_none)))
                mentioned = self.mentioned(type_)
                capitals = [text.upper() for text in mentioned if self.mentions.lowered]
                return list(dict.fromkeys([*mentioned, *others, *capitals]))
            case _ if type_ == PATH:
                return self.mentions.paths()
            case Primitive("ip"):
                return [ip for ip in self.mentioned(type_) if isinstance(ip, Ip)]
            case Primitive():
                found = numbers(self.mentions, type_, ())
                at = near if isinstance(near, int) else self.now if type_ == DATETIME else 0
                return sorted(found, key=lambda number: (number != self.now, abs(number - at)))

    def _sets(self, type_: Type, element: Type, near: object) -> list[frozenset[Any]]:
        """Return sets near to one: all if there are few, else those that differ little."""
        now = near if isinstance(near, frozenset) else frozenset()
        if isinstance(element, RecordType | SetType):
            return [frozenset(), *self.sets.get(type_, ())]
        ones = self.values(element, None)
        others = self.sets.get(type_, [])
        if len(ones) <= _FEW and isinstance(element, EnumType | TaxonomyType | LevelsType):
            found = _subsets(ones)
        else:
            found = _subsets(sorted(now, key=str)) if len(now) <= _FEW else [frozenset()]
            found += [now - {one} for one in now]
            found += [now & other for other in others] + [now - other for other in others]
            found += [now | other for other in others] + others
            found += [now | {one} for one in ones] + [frozenset({one}) for one in ones]
        return sorted(
            dict.fromkeys(found), key=lambda found: (len(found ^ now), sorted(map(str, found)))
        )


def _subsets(elements: Iterable[Any]) -> list[frozenset[Any]]:
    pool = list(elements)
    return [frozenset(some) for n in range(len(pool) + 1) for some in combinations(pool, n)]
