"""Answer a request with each combination of a few values: the names that the subject has, and settings of persons.

What a service may see "on this tier, for this purpose, of a person with these settings" is one of these answers. A
*factor* is all places of an enumeration that is among the subject's attributes (what is approved and what is declared
have one purpose), or one setting of a person. Its first option is what the request has.

A request is allowed if a permit opens every gate and no rule forbids, so each rule is judged by itself, for the factors
that it reads. The page puts the parts together again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, TypeAlias

from attrs import frozen
from msgspec.structs import replace

from policyengine.analysis.places import (
    Changes,
    Place,
    ReadKey,
    changed,
    read_keys_of,
    value_at,
)
from policyengine.concurrency import cached_property
from policyengine.diagnostics.source import Span
from policyengine.model.types import (
    BOOL,
    EntityRefType,
    EnumType,
    LevelsType,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reporting.report_budget import WHAT_IF
from policyengine.reporting.situations import Situation
from policyengine.reporting.variations import AS_IT_IS, Variations, name_text, option_text
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes

MOST_ANSWERS: Final = 4_000
"""The number of combinations for which one rule is judged."""

_WORD: Final = re.compile(r"\w+")


_Known: TypeAlias = dict[object, tuple[frozenset[str], tuple[bool, ...]]]
"""The verdicts on rules, and the keys of the factors that matter, by all that was read."""


@frozen(slots=False)
class Factor:
    """What is changed in a table: its *key*, and its options: what each is called, and the changes for it."""

    key: str
    options: tuple[tuple[str, Changes], ...]

    @cached_property
    def read_keys(self) -> frozenset[ReadKey]:
        """What a rule reads for which the options may differ."""
        return frozenset(place.read_key for _, changes in self.options for place, _ in changes)


@frozen(eq=False)
class TablePart:
    """Whether a rule counts for each combination of the options of *factors*, the last changing fastest."""

    rule: CheckedRule
    factors: tuple[Factor, ...]
    counts: tuple[bool, ...]


@frozen(eq=False)
class AnswerTable:
    """The answers to a situation, rule by rule.

    *left_out*: keys of factors that would have made too many combinations; they are in no part.
    """

    situation: Situation
    parts: tuple[TablePart, ...]
    left_out: tuple[str, ...]


def answer_tables(variations: Variations) -> Iterator[AnswerTable]:
    """Give a table for the first allowed situation of each target."""
    known: _Known = {}
    words = _words(variations.checked)
    for target in variations.budget.affordable(WHAT_IF, variations.situations.by_target):
        for situation in variations.situations.of(target, allowed=True)[:1]:
            table = _table(variations, situation, words, known)
            if table is not None:
                yield table


def _table(
    variations: Variations,
    situation: Situation,
    words: Mapping[str, frozenset[str]],
    known: _Known,
) -> AnswerTable | None:
    checked, target = variations.checked, situation.target
    request = replace(situation.request, fields=None)
    factors = list(_factors(variations, situation))
    alone = (changes for factor in factors for _, changes in factor.options)
    if any(variations.decide(request, changes) is None for changes in alone):
        return None  # a value leads to something that the request lacks
    rules = [rule for rule in checked.rules_for(target) if not rule.advisory]
    left_out: list[str] = []
    while too_many := [
        read
        for rule in rules
        if _size(read := _read_by(checked, rule, target, factors)) > MOST_ANSWERS
    ]:
        largest = max(too_many[0], key=lambda one: len(one.options))
        factors.remove(largest)
        left_out.append(largest.key)
    parts, places = [], variations.all_places(situation)
    made: dict[tuple[str, ...], list[ValidRequest]] = {}
    for rule in rules:
        read = _read_by(checked, rule, target, factors)
        keys = tuple(factor.key for factor in read)
        mark = _all_that_it_reads(checked, rule, words[rule.id], request, places), keys
        if mark not in known:
            if keys not in made:
                made[keys] = list(_changed(request, read))
            counts = [_counts(checked, rule, one) for one in made[keys]]
            variations.budget.spend(len(counts))
            kept, left = _without_idle(read, counts)
            known[mark] = frozenset(factor.key for factor in kept), left
        mattering, answers = known[mark]
        factors_of = tuple(factor for factor in read if factor.key in mattering)
        parts.append(TablePart(rule, factors_of, answers))
    return AnswerTable(situation, tuple(parts), tuple(left_out))


def _read_by(
    checked: CheckedSet, rule: CheckedRule, target: TargetKey, factors: Sequence[Factor]
) -> list[Factor]:
    """Return the factors that *rule* reads."""
    keys = read_keys_of(rule.needs[target], checked.schema, target)
    return [factor for factor in factors if not factor.read_keys.isdisjoint(keys)]


def _all_that_it_reads(
    checked: CheckedSet,
    rule: CheckedRule,
    words: Collection[str],
    request: ValidRequest,
    places: Iterable[Place],
) -> object:
    """Return all in *request* on which the verdict on *rule* may depend: two that are the same have the same verdicts.

    *words*: those of the rule; without `resource` among them it reads none. *places*: those of the request.
    """
    target = request.action, request.subject.type, request.resource.type
    keys = read_keys_of(rule.needs[target], checked.schema, target)
    waived = any(waiver.rule == rule.id for waiver in checked.waivers)
    parties = [request.subject]
    if waived or "resource" in words or rule.needs[target].resource:
        parties.append(request.resource)
    return (
        rule.id,
        request.now,
        target[1:] if len(parties) > 1 else target[1],
        request.action if "action" in words else "",
        tuple((party.key_, party.line) for party in parties),
        tuple(
            (place.text, value_at(request, place))
            for place in places
            if place.read_key in keys or place.kind == "parents"
        ),
    )


def _words(checked: CheckedSet) -> dict[str, frozenset[str]]:
    """Return the words of each rule, and of the definitions that it may call."""

    def words_at(span: Span) -> frozenset[str]:
        return frozenset(_WORD.findall(checked.sources[span.file].at(span)))

    defined: dict[str, frozenset[str]] = {}
    for file in checked.files:
        for one in file.declarations:
            if isinstance(one, nodes.DefineDecl):
                defined[one.name.name] = defined.get(one.name.name, frozenset()) | words_at(
                    one.span
                )
    found = {}
    for rule in checked.rules:
        words = words_at(rule.node.span)
        while called := [name for name in defined if name in words and not defined[name] <= words]:
            words = words.union(*(defined[name] for name in called))
        found[rule.id] = words
    return found


def _changed(request: ValidRequest, factors: Sequence[Factor]) -> Iterator[ValidRequest]:
    for options in product(*(factor.options for factor in factors)):
        yield changed(request, tuple(change for _, some in options for change in some))


def _counts(checked: CheckedSet, rule: CheckedRule, request: ValidRequest) -> bool:
    """Whether *rule* permits, exposes or forbids; a forbid does if it fails."""
    if not rule.in_force(request.now):
        return False
    env = Env(request, checked.schema)
    verdict = interpreter.judge(rule, interpreter.waivers(checked, rule, env), env)
    return verdict.satisfied or (verdict.failed and rule.effect == "forbid")


def _size(factors: Sequence[Factor]) -> int:
    size = 1
    for factor in factors:
        size *= len(factor.options)
    return size


def _factors(variations: Variations, situation: Situation) -> Iterator[Factor]:
    places = variations.places(situation)
    request = situation.request
    own = [
        element
        for place in places
        if place.owner == request.subject.key_ and place.by != "person"
        if isinstance(element := _element(place.type), EnumType | LevelsType | TaxonomyType)
    ]
    for type_ in dict.fromkeys(own):
        having = [
            p
            for p in places
            if _element(p.type) == type_ and p.by != "person" and value_at(request, p) is not ABSENT
        ]
        named = []
        for name in type_.members:
            value = type_.positions[name] if isinstance(type_, LevelsType) else name
            one = (
                (p, frozenset([value]) if isinstance(p.type, SetType) else value) for p in having
            )
            named.append((name_text(name), tuple(one)))
        yield Factor(type_.name, ((AS_IT_IS, ()), *named))
    for place in places:
        options = _options(place, request.subject.type, request.subject.id)
        if place.by == "person" and len(place.names) == 1 and options:
            made = ((option_text(place, value), ((place, value),)) for value in options)
            yield Factor(place.text, ((AS_IT_IS, ()), *made))


def _options(place: Place, type_: str, id_: str) -> tuple[object, ...]:
    match place.type:
        case SetType(EntityRefType(name)) if name == type_:
            return frozenset(), frozenset([id_])
        case _ if place.type == BOOL:
            return False, True
        case _:
            return ()


def _element(type_: Type) -> Type:
    return type_.element if isinstance(type_, SetType) else type_


def _without_idle(
    factors: Sequence[Factor], answers: Sequence[bool]
) -> tuple[tuple[Factor, ...], tuple[bool, ...]]:
    """Return the factors that make a difference, and the answers for these alone."""
    kept, left = list(factors), list(answers)
    for number in reversed(range(len(factors))):
        after = _size(kept[number + 1 :])
        count = len(kept[number].options)
        blocks = [left[i : i + after * count] for i in range(0, len(left), after * count)]
        if all(
            block[:after] == block[n * after : (n + 1) * after]
            for block in blocks
            for n in range(count)
        ):
            del kept[number]
            left = [answer for block in blocks for answer in block[:after]]
    return tuple(kept), tuple(left)
