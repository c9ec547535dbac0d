"""Choose the values that are tried at a place: those that rules and the request mention, and their neighbours.

Where the values that are chosen may not represent all, *guessed* is set: what was tried proves nothing then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations, islice, product
from math import prod
from typing import Any, Final

from attrs import Factory, define, evolve, field, frozen

from policyengine.analysis.candidate_texts import AskedOfPaths, AskedOfTexts
from policyengine.analysis.constants import MentionedConstants, is_id, numbers
from policyengine.analysis.places import Place, read_keys_of, value_at
from policyengine.model.needs import NOTHING, Needs
from policyengine.model.records import Record, record_class
from policyengine.model.types import (
    BOOL,
    DATETIME,
    INT,
    IP,
    ORDERED,
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
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, Ip, slot
from policyengine.semantics.checked import (
    CheckedRule,
    CheckedSet,
    Definition,
    Lower,
    Size,
    Typing,
    Value,
)
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children
from policyengine.syntax.operators import operator_of

FEW: Final = 5
"""The number of elements of which every subset is tried."""

MOST_RECORDS: Final = 64
"""The number of records that are made of the values of their parts."""

_MANY: Final = 20
"""The number of elements up to which sets are made that are as large as rules want."""

_MOST_OF_PART: Final = 40
"""The number of values of a part of a record that are tried."""

_MOST_ENTITIES: Final = 200
"""The number of entities of a request whose values are tried elsewhere."""

MOST_NAMES: Final = 60
"""The number of names of an enumeration that are tried."""


@frozen
class RuleConstants:
    """The constants that rules mention, what more they ask, and the ids of the rules."""

    mentions: MentionedConstants
    asked: FurtherQuestions
    rules: frozenset[str]

    @classmethod
    def of(cls, rules: Sequence[CheckedRule], target: TargetKey) -> RuleConstants:
        """Collect from *rules* as they are for *target*."""
        mentions = MentionedConstants.of(rules, target)
        asked = FurtherQuestions.of(rules, target, mentions)
        return cls(mentions, asked, frozenset(rule.id for rule in rules))


@define
class CandidateValues:
    """The values that rules and the request mention, by type.

    *guessed*: whether values were chosen since it was set to False that may not represent all.
    """

    schema: Schema
    mentions: MentionedConstants
    asked: FurtherQuestions
    known: Mapping[str, list[str]]
    sets: Mapping[Type, list[frozenset[Any]]]
    now: int
    guessed: bool = False
    answers: Callable[[Record], object] | None = None
    """What rules answer about a record at the place that values are chosen for, if that is known."""
    _made: dict[Type, tuple[list[str], bool]] = Factory(dict)

    @classmethod
    def of(
        cls, checked: CheckedSet, request: ValidRequest, constants: RuleConstants,
        places: Iterable[Place], *, all_known: bool,
    ) -> CandidateValues:  # fmt: skip
        target = (request.action, request.subject.type, request.resource.type)
        values = {type_: set(found) for type_, found in constants.mentions.values.items()}
        tables = set(constants.mentions.tables)
        mentions = evolve(constants.mentions, values=values, tables=tables)
        action = checked.schema.actions[request.action]
        given = [
            (part.type, action.constants[part.name])
            for part in action.constant_types.attributes
            if part.name in action.constants
        ]
        given += [(p.type, value_at(request, p)) for p in places if p.kind == "attribute"]
        if all_known:
            given += _values_elsewhere(checked, request, target)
        sets: dict[Type, list[frozenset[Any]]] = {}
        for type_, value in given:
            if isinstance(value, frozenset):
                sets.setdefault(type_, []).append(value)
            mentions.add(type_, value)
        mentions.add(DATETIME, request.now)
        for waiver in checked.waivers:
            for waived in (
                (waiver.subject, waiver.resource) if waiver.rule in constants.rules else ()
            ):
                if waived is not None and waived.within:
                    mentions.add(EntityRefType(waived.type), waived.id)
        for party in (request.subject, request.resource):
            mentions.add(EntityRefType(party.type), party.id)
        known: dict[str, list[str]] = {}
        for name, id_ in request.entities:
            if id_ in mentions.values.get(EntityRefType(name), ()) or all_known:
                known.setdefault(name, []).append(id_)
                if mentions.ids:
                    mentions.add(STRING, id_)
        return cls(checked.schema, mentions, constants.asked, known, sets, request.now)

    def mentioned(self, type_: Type) -> list[Any]:
        """Return the values of a type that are mentioned, in a fixed order."""
        return sorted(self.mentions.values.get(type_, ()), key=str)

    def values(self, type_: Type, near: object, needs: Needs = NOTHING) -> list[Any]:
        """Return values of a type, the likeliest first; *needs*: the parts of them that rules read."""
        self.guessed |= type_ in self.asked.doubted
        match type_:
            case LevelsType(members=members):
                at = near if isinstance(near, int) else 0
                return sorted(range(len(members)), key=lambda level: (abs(level - at), level))
            case EnumType() | TaxonomyType():
                said = self.mentions.values.get(type_, set())
                self.guessed |= len(type_.members) > MOST_NAMES
                names = sorted(type_.members, key=lambda member: member not in said)
                return names[:MOST_NAMES]
            case EntityRefType(name):
                return self.entities(name, described=bool(needs))
            case SetType(element):
                return self._sets(type_, element, near, needs.elements or NOTHING)
            case RecordType():
                return list(self._records(type_, needs))
            case TableType():
                return []
            case _ if type_ == BOOL:
                return [False, True]
            case _ if type_ == STRING:
                return self._texts()
            case _ if type_ == PATH:
                return self._paths()
            case _ if type_ == IP:
                return list(self._addresses())
            case Primitive():
                return self._nearest(numbers(self.mentions, type_, ()), type_, near)

    def plain_numbers(self, type_: Primitive, near: object) -> list[int]:
        """Return the numbers that are mentioned, and their neighbours, without those that are computed of them."""
        mentions = evolve(self.mentions, beyond=set())
        return self._nearest(numbers(mentions, type_, ()), type_, near)

    def _nearest(self, found: Iterable[int], type_: Type, near: object) -> list[int]:
        at = near if isinstance(near, int) else self.start(type_)
        return sorted(found, key=lambda number: (number != self.now, abs(number - at)))

    def entities(self, name: str, *, described: bool) -> list[str]:
        """Return ids of entities of a type: those that are known, and, unless they must be *described*, others.

        Those are the ones that rules mention, and one that nothing does.
        """
        if described:
            return sorted(self.known.get(name, ()))
        texts = [one for one in self._texts() if one] if self.mentions.ids else []
        ids = list(dict.fromkeys([*self.named(name), *texts]))
        new = (f"{name.lower()}-{number}" for number in range(1, len(ids) + 2))
        return [*ids, next(one for one in new if one not in ids)]

    def named(self, name: str) -> list[str]:
        """Return ids of entities of a type: those that are known or mentioned."""
        mentioned = self.mentioned(EntityRefType(name))
        return list(dict.fromkeys([*sorted(self.known.get(name, ())), *mentioned]))

    def start(self, type_: Type) -> int:
        """Return a number to begin with where there is none."""
        return self.now if type_ == DATETIME else 0

    def _texts(self) -> list[str]:
        matching_none, *matching = self.mentions.unmentioned()
        others = chain(*(islice(texts, 1) for texts in (*matching, matching_none)))
        mentioned = self.mentioned(STRING)
        found = [*mentioned, *others]
        if self.asked.texts:
            parts = mentioned if self.asked.affixes else []
            affixes = [way for text in parts[:FEW] for way in ((text, ""), ("", text))]
            counted = self.mentions.values.get(INT, ()) if self.asked.text_sizes else ()
            sizes = {n + more for n in counted for more in (0, 1) if isinstance(n, int) and n >= 0}
            patterns = [*sorted(self.mentions.patterns), *affixes]
            asked = AskedOfTexts(mentioned, patterns, sorted(sizes), self.mentions.lowered)
            found += self._every(STRING, asked.texts)
        return list(dict.fromkeys(found))

    def _paths(self) -> list[str]:
        asked = AskedOfPaths(
            [str(path) for path in self.mentioned(PATH)],
            sorted(self.mentions.path_patterns),
            self.mentions.new_segment,
        )
        return list(dict.fromkeys([*self.mentions.paths(), *self._every(PATH, asked.paths)]))

    def _every(self, type_: Type, make: Callable[[], tuple[list[str], bool]]) -> list[str]:
        """Return what is made once of each kind of a type, and note whether there is one of every kind."""
        if type_ not in self._made:
            self._made[type_] = make()
        made, every = self._made[type_]
        self.guessed |= not every
        return made

    def _addresses(self) -> Iterator[Ip]:
        """Give the addresses at the edges of those that are mentioned; a network is no address."""
        mentioned = [ip for ip in self.mentioned(IP) if isinstance(ip, Ip)]
        inner = [(ip, at) for ip in mentioned for at in (ip.first + 1, ip.first, ip.last)]
        outer = [(ip, at) for ip in mentioned for at in (ip.last + 1, ip.first - 1)]
        inner = [(ip, min(at, ip.last)) for ip, at in inner]
        for ip, at in dict.fromkeys(
            [*inner, *outer, *([] if mentioned else [(_SOME, _SOME.first)])]
        ):
            if 0 <= at < 2 ** (32 if ip.version == 4 else 128):  # noqa: PLR2004 - the address widths
                yield Ip(ip.version, at, at)

    def _records(self, type_: RecordType, needs: Needs) -> Iterator[Record]:
        """Give records of every value of the parts that are read, and of one of each other part."""
        parts: list[list[Any]] = []
        for part in type_.attributes:
            read = part.name in needs.attributes
            inner = needs.attributes.get(part.name, NOTHING)
            found = [ABSENT] if part.optional and not read else self.values(part.type, None, inner)
            if part.optional and read:
                found = [*found, ABSENT]
            self.guessed |= len(found) > _MOST_OF_PART
            parts.append(found[:_MOST_OF_PART] if read else found[:1])
        if prod(map(len, parts)) > MOST_RECORDS:
            self.guessed = True
            parts = self._different_first(type_, parts)
        while prod(map(len, parts)) > MOST_RECORDS:
            max(parts, key=len).pop()
        yield from (record_class(type_)(*values) for values in product(*parts))

    def _different_first(self, type_: RecordType, parts: list[list[Any]]) -> list[list[Any]]:
        """Return the values of each part, first one of each kind that rules tell apart."""
        if self.answers is None or not all(parts):
            return parts
        first = [values[0] for values in parts]
        found: list[list[Any]] = []
        for number, values in enumerate(parts):
            kinds: dict[object, Any] = {}
            for value in values:
                record = record_class(type_)(*first[:number], value, *first[number + 1 :])
                kinds.setdefault(self.answers(record), value)
            found.append(list(dict.fromkeys([*kinds.values(), *values])))
        return found

    def _variants(self, type_: RecordType, record: Any, needs: Needs) -> Iterator[Record]:
        """Give *record* with one of the parts that are read changed."""
        parts = [getattr(record, slot(part.name)) for part in type_.attributes]
        for number, part in enumerate(type_.attributes):
            if part.name in needs.attributes:
                found = self.values(part.type, parts[number], needs.attributes[part.name])
                for value in [*found, *([ABSENT] if part.optional else [])]:
                    yield record_class(type_)(*parts[:number], value, *parts[number + 1 :])

    def elements(self, type_: SetType, near: object, needs: Needs) -> list[Any]:
        """Return what may be in sets of a type: what is in some, and other elements, without those of *near*."""
        element, now = type_.element, _set_of(near)
        found: list[Any] = []
        if isinstance(element, RecordType):
            found += (v for one in _ordered(now) for v in self._variants(element, one, needs))
        found += self.values(element, None, needs)
        found += (one for other in self.sets.get(type_, ()) for one in _ordered(other))
        if self.sizes(type_) and not needs:
            found += self._more(element)
        return [one for one in dict.fromkeys(found) if one not in now]

    def _sets(
        self, type_: SetType, element: Type, near: object, needs: Needs
    ) -> list[frozenset[Any]]:
        """Return sets near to one: all if there are few elements, else those that differ little."""
        now = _set_of(near)
        if isinstance(element, SetType):
            self.guessed = True
            return [frozenset(), *self.sets.get(type_, ())]
        ones = self.elements(type_, near, needs)
        self.guessed |= self.sizes(type_)
        if len(ones) + len(now) <= FEW:
            return by_nearness(subsets([*_ordered(now), *ones]), now)
        self.guessed = True
        less = subsets(_ordered(now)) if len(now) <= FEW else [frozenset(), now]
        less += [now - {one} for one in _ordered(now)]
        found = [*less, *(now | {one} for one in ones), *(frozenset({one}) for one in ones)]
        others = self.sets.get(type_, [])
        for other in others:
            found += [now & other, now - other, now | other, other]
            found += [(now | other) - another for another in others]
        found += [(now - {gone}) | {one} for gone in _ordered(now)[:FEW] for one in ones]
        if self.mentions.sized:
            found += [now | frozenset(ones[:number]) for number in range(2, len(ones) + 1)]
        return by_nearness(found, now)

    def sizes(self, type_: SetType) -> bool:
        """Whether rules may ask how many elements a set has, of a type that has many."""
        named = isinstance(type_.element, EnumType | TaxonomyType | LevelsType)
        return self.mentions.sized and not named

    @property
    def _most_counted(self) -> int:
        numbers_ = self.mentions.values.get(INT, ())
        return max((n for n in numbers_ if isinstance(n, int) and n <= _MANY), default=0)

    def counted(self, type_: SetType) -> int:
        """Return how many elements of a set may matter that rules do not tell apart, at most a few."""
        return min(self._most_counted + 1, FEW) if self.sizes(type_) else 0

    def _more(self, element: Type) -> list[Any]:
        """Return further elements, as many as rules may count."""
        counted = [
            n for n in self.mentions.values.get(INT, ()) if isinstance(n, int) and n <= _MANY
        ]
        many = range(2, max(counted, default=0) + 3)
        match element:
            case EntityRefType(name):
                return [f"{name.lower()}-{number}" for number in many]
            case Primitive("string"):
                return [f"text {number}" for number in many]
            case Primitive("int" | "decimal" | "duration"):
                return [10_000 * number for number in many]
        return []


def _values_elsewhere(
    checked: CheckedSet, request: ValidRequest, target: TargetKey
) -> Iterator[tuple[Type, object]]:
    """Give the values of entities that rules may read once another entity is referred to."""
    read = read_keys_of(checked.needs(target), checked.schema, target)
    for (name, _), entity in islice(request.entities.items(), _MOST_ENTITIES):
        for part in entity.entity_type.attributes:
            if (name, part.name) in read:
                yield part.type, getattr(entity, slot(part.name))


_SOME: Final = Ip(4, 0xCB007101, 0xCB007101)
"""203.0.113.1, an address for documentation."""


def _set_of(value: object) -> frozenset[Any]:
    return value if isinstance(value, frozenset) else frozenset()


def _ordered(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=str)


def by_nearness(found: Iterable[frozenset[Any]], now: frozenset[Any]) -> list[frozenset[Any]]:
    """Return sets each once, those first that differ least from *now*."""
    return sorted(dict.fromkeys(found), key=lambda one: len(one ^ now))


def subsets(elements: Sequence[Any]) -> list[frozenset[Any]]:
    """Return all sets of some of *elements*."""
    return [frozenset(some) for n in range(len(elements) + 1) for some in combinations(elements, n)]


# ---- what is not known to be represented ------------------------------------------------


@define
class FurtherQuestions:
    """What rules ask beside whether values are those that they mention.

    *doubted*: the types of which more matters. *texts*: whether texts are compared in several ways;
    *text_sizes*: their sizes, *affixes*: with what other texts begin or end with. *anything*: whether
    they may ask anything, by what the analysis does not understand.
    """

    doubted: set[Type] = field(factory=set)
    texts: bool = False
    text_sizes: bool = False
    affixes: bool = False
    anything: bool = False
    _seen: set[int] = field(factory=set)

    @classmethod
    def of(
        cls, rules: Iterable[CheckedRule], target: TargetKey, mentions: MentionedConstants
    ) -> FurtherQuestions:
        """Collect from *rules*."""
        made = cls(texts=len(mentions.patterns) > 1)
        if mentions.loose[PATH]:
            made.doubted.add(PATH)
        for rule in rules:
            for conjunct in rule.conjuncts:
                made._take(conjunct.expr, rule.typings[target])
        made.texts |= made.text_sizes or made.affixes
        return made

    def _take(self, expr: nodes.Expr, typing: Typing) -> None:
        stack = [expr]
        while stack:
            node = stack.pop()
            if not isinstance(typing.binding_of(node), Value):
                inner = children(node)
                stack += inner
                types = [typing.types[id(part)] for part in inner if id(part) in typing.types]
                self._ask(node, types, typing)

    def _ask(self, node: nodes.Expr, types: list[Type], typing: Typing) -> None:
        row = operator_of(node)
        binding = typing.binding_of(node)
        if not isinstance(binding, Lower):
            self.anything |= row is not None and not row.understood
        match node, binding:
            case ((nodes.Arithmetic() | nodes.Negate()), _):
                self.doubted.update(t for t in (*types, typing.type_of(node)) if t in ORDERED)
            case nodes.Compare("startswith" | "endswith" | "contains", _, right), _:
                if not isinstance(typing.binding_of(right), Value):
                    self.doubted.add(STRING)
                    self.affixes = True
            case nodes.Compare("within", nodes.LookUp()), _ if PATH in types:
                self.doubted.add(PATH)
            case nodes.Compare("within", _, right), _ if IP in map(_element, types):
                if not isinstance(typing.binding_of(right), Value):
                    self.doubted.add(IP)
            case nodes.Like(nodes.Attr(object_)), _ if is_id(node.object, typing):
                self.doubted.add(typing.type_of(object_))
            case nodes.Call(), Lower():
                self.texts = True
                self.doubted.update(type_ for type_ in types if type_ != STRING)
            case nodes.Call(), Size():
                self.text_sizes |= STRING in types
            case nodes.Call(), Definition() as called:
                if id(called) not in self._seen:
                    self._seen.add(id(called))
                    self._take(called.body, called.typing)
            case nodes.Call(), _:
                self.anything = True


def _element(type_: Type) -> Type:
    return type_.element if isinstance(type_, SetType) else type_
