"""Answer a request with each combination of a few values: the names that the subject has, and settings of persons.

What a service may see "on this tier, for this purpose, of a person with these settings" is one of these answers. A
*factor* is all places of an enumeration that is among the subject's attributes (what is approved and what is declared
have one purpose), or one setting of a person. Its first option is what the request has.

A request is allowed if every gate is opened and no rule forbids, so each gate is judged by itself, for the factors that
its rules read; field gates together, since they say together what is shown. The page puts the parts together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from attrs import frozen
from msgspec.structs import replace

from policyengine.analysis.places import Changes, Place, changed, read_keys_of, value_at
from policyengine.model.masks import spelled
from policyengine.model.request import Request
from policyengine.model.types import (
    BOOL,
    EntityRefType,
    EnumType,
    LevelsType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import ABSENT
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest
from policyengine.reporting.report_data import PartAnswer
from policyengine.reporting.situations import Situation
from policyengine.reporting.variations import Variations, option_text
from policyengine.semantics.checked import CheckedRule, CheckedSet

MOST_ANSWERS: Final = 2_000
"""The number of combinations for which one gate is judged."""

_AS_IT_IS: Final = "as in the example"


@frozen
class Factor:
    """What is changed in a table: its *key*, and its options: what each is called, and the changes for it."""

    key: str
    options: tuple[tuple[str, Changes], ...]


@frozen(eq=False)
class TablePart:
    """The answers of some gates for each combination of the options of *factors*, the last changing fastest."""

    factors: tuple[Factor, ...]
    answers: tuple[PartAnswer, ...]


@frozen(eq=False)
class AnswerTable:
    """The answers to a situation, gate by gate.

    *left_out*: keys of factors that would have made too many combinations.
    """

    situation: Situation
    parts: tuple[TablePart, ...]
    left_out: tuple[str, ...]


def answer_tables(variations: Variations) -> Iterator[AnswerTable]:
    """Give a table for the first allowed situation of each target."""
    for target in variations.situations.by_target:
        if variations.budget.is_spent("what if"):
            return
        for situation in variations.situations.of(target, allowed=True)[:1]:
            table = _table(variations, situation)
            if table is not None:
                yield table


def _table(variations: Variations, situation: Situation) -> AnswerTable | None:
    checked, target = variations.checked, situation.target
    request = replace(situation.request, fields=None)
    factors = list(_factors(variations, situation))
    alone = (changes for factor in factors for _, changes in factor.options)
    if any(variations.decide(request, changes) is None for changes in alone):
        return None  # a value leads to something that the request lacks
    gates = checked.schema.gates_of(target)
    showing = tuple(gate for gate in gates.names if gate in (gates.fields or ()))
    groups = [(gate,) for gate in gates.names if gate not in showing]
    left_out: dict[str, None] = {}
    parts = []
    for group in [*groups, showing] if showing else groups:
        rules = [r for r in checked.rules_for(target) if r.gate in group and not r.advisory]
        keys = frozenset[tuple[str, str]]().union(
            *(read_keys_of(rule.needs[target], checked.schema, target) for rule in rules)
        )
        read = [f for f in factors if any(p.read_key in keys for _, c in f.options for p, _ in c)]
        while _size(read) > MOST_ANSWERS:
            largest = max(read, key=lambda one: len(one.options))
            read.remove(largest)
            left_out[largest.key] = None
        answers = _judged(checked, request, group, rules, read, shows=group == showing)
        parts.append(TablePart(*_without_idle(read, answers)))
    return AnswerTable(situation, tuple(parts), tuple(left_out))


def _judged(
    checked: CheckedSet,
    request: Request,
    gates: Sequence[str],
    rules: Sequence[CheckedRule],
    factors: Sequence[Factor],
    *,
    shows: bool,
) -> list[PartAnswer]:
    """Judge *rules*, those of some *gates*, for each combination."""
    known: dict[PartAnswer, PartAnswer] = {}
    found = []
    for options in product(*(factor.options for factor in factors)):
        made = changed(request, tuple(change for _, some in options for change in some))
        env = Env(made, checked.schema)
        counting = [rule for rule in rules if rule.in_force(made.now)]
        verdicts = (
            interpreter.judge(rule, interpreter.waivers(checked, rule, env), env)
            for rule in counting
        )
        case = JudgedRequest(checked, env, tuple(verdicts))
        fields = interpreter.shown_by_all(case).items() if shows else ()
        answer = PartAnswer(
            tuple(gate for gate in gates if not interpreter.is_open(case, gate)),
            tuple(verdict.rule.id for verdict in interpreter.forbidding(case)),
            tuple(sorted(name if mask is None else spelled(name, mask) for name, mask in fields)),
        )
        found.append(known.setdefault(answer, answer))
    return found


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
        values = type_.values if not isinstance(type_, LevelsType) else range(len(type_.members))
        named = [
            (
                name,
                tuple(
                    (p, frozenset([value]) if isinstance(p.type, SetType) else value)
                    for p in having
                ),
            )
            for name in type_.members
            for value in values
            if value == (type_.positions[name] if isinstance(type_, LevelsType) else name)
        ]
        yield Factor(type_.name, ((_AS_IT_IS, ()), *named))
    for place in places:
        options = _options(place, request.subject.type, request.subject.id)
        if place.by == "person" and len(place.names) == 1 and options:
            made = ((option_text(place, value), ((place, value),)) for value in options)
            yield Factor(place.text, ((_AS_IT_IS, ()), *made))


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
    factors: Sequence[Factor], answers: Sequence[PartAnswer]
) -> tuple[tuple[Factor, ...], tuple[PartAnswer, ...]]:
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
