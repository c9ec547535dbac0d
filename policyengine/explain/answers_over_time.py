"""Find the moments at which the answer to one request changes, however many days lie between.

The reference interpreter decides with a time that moves (`reference/moving.py`): what it is compared with notes
when the comparison turns, and the earliest of these moments is the next at which to decide. So there are as many
decisions as dates, deadlines and ages that the rules compare the time with. A schedule turns every day: whether the
time is within one is a condition, and each way of answering these conditions is decided about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen
from msgspec import Struct
from msgspec.structs import replace

from policyengine.explain.periods import (
    Answer,
    Case,
    Change,
    Period,
    ScheduleCondition,
    Timeline,
    moment_of,
)
from policyengine.model.outcome import Obligation, Outcome
from policyengine.model.types import SCHEDULE
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import from_datetime, parse_datetime, to_datetime
from policyengine.reference import interpreter, reasons
from policyengine.reference.evaluation import Env, evaluate, meaning_of
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.reference.moving import Clock, Moving
from policyengine.reference.time_limit import limited
from policyengine.semantics.checked import CheckedRule, CheckedSet, Typing
from policyengine.syntax import nodes

MOST_SCHEDULES: Final = 5
"""The number of conditions on schedules that are told apart."""

MOST_MOMENTS: Final = 10_000
"""The number of moments at which the request is decided."""

MOST_LOOKED_AT: Final = 1_500_000
"""The number of elements of sets that rules look at, at all moments together: some seconds."""

_LAST: Final = 253_402_300_800_000_000
"""The end of the year 9999, after which no moment is looked for."""

Truths: TypeAlias = Mapping[ScheduleCondition, bool]


def timeline_of(
    checked: CheckedSet, request: ValidRequest, until: datetime | str | None = None
) -> Timeline:
    """Return the answers to *request* from its time on, *until* a moment.

    Raises `ValueError` if *until* is no moment after it, if a rule asks for a set with the time in it, and if there are
    too many moments, conditions on schedules, or elements that rules look at, to decide about all.
    """
    end = None
    if until is not None:
        end = parse_datetime(until) if isinstance(until, str) else from_datetime(until)
        if end <= request.now:
            raise ValueError("a timeline ends after it begins")
    conditions: tuple[ScheduleCondition, ...] = ()
    while True:
        try:
            with limited(None, steps=MOST_LOOKED_AT):
                stops = list(_stops(checked, request, conditions, end))
        except TimeoutError as problem:
            raise ValueError(str(problem)) from None
        except _NewCondition as found:
            conditions = tuple(sorted((*conditions, found.condition)))
            if len(conditions) > MOST_SCHEDULES:
                raise ValueError(
                    f"the answer depends on more than {MOST_SCHEDULES} conditions on schedules"
                ) from None
            continue
        periods = tuple(_periods(checked, conditions, stops))
        return Timeline(periods, None if end is None else to_datetime(end), checked.digest)


class _NewCondition(Exception):  # noqa: N818 - it interrupts an evaluation that has to begin again
    """A condition on a schedule that was not chosen yet."""

    def __init__(self, condition: ScheduleCondition) -> None:
        self.condition = condition


@define(eq=False)
class _Meaning:
    """The meaning of expressions where the conditions on schedules are chosen.

    *lacking*: the first that is not chosen. *unsteady*: whether the time was made a member of a set, of which it is
    not known when a comparison with it turns.
    """

    truths: Truths
    clock: Clock
    lacking: ScheduleCondition | None = None
    unsteady: bool = False

    def __call__(self, expr: nodes.Expr, typing: Typing, env: Env) -> Any:
        match expr:
            case nodes.Compare("within", left, right) if typing.type_of(right) == SCHEDULE:
                moment, schedule = evaluate(left, typing, env), evaluate(right, typing, env)
                if isinstance(moment, Moving):
                    return self._chosen(
                        ScheduleCondition.of(schedule, int(moment) - self.clock.now)
                    )
            case nodes.Compare("in", left, right):
                moment, members = evaluate(left, typing, env), evaluate(right, typing, env)
                if isinstance(moment, Moving):
                    return any(moment == member for member in members)
            case _:
                pass
        self.clock.keeps = False  # as what is owed may have, which is kept as well
        value = meaning_of(expr, typing, env)
        self.unsteady |= self.clock.keeps
        return value

    def _chosen(self, condition: ScheduleCondition) -> bool:
        if condition not in self.truths and self.lacking is None:
            self.lacking = condition
        return self.truths.get(condition, False)


@frozen(eq=False)
class _Decided:
    """The decision at one moment, with the conditions on schedules chosen: the *answer* and all verdicts.

    *key*: what is compared to see whether the answer changes.
    """

    case: JudgedRequest
    answer: Answer
    key: object
    verdicts: Mapping[str, Verdict] = field(repr=False)


@frozen(eq=False)
class _Stop:
    """A moment at which the request was decided, with each choice of conditions in turn."""

    now: int
    decided: tuple[_Decided, ...]


# ---- deciding at one moment after the other ---------------------------------------------


def _stops(
    checked: CheckedSet,
    request: ValidRequest,
    conditions: Sequence[ScheduleCondition],
    until: int | None,
) -> Iterator[_Stop]:
    now: int | None = request.now
    end = _LAST if until is None else min(until, _LAST)
    for _ in range(MOST_MOMENTS):
        if now is None or now >= end:
            return
        turns: list[int] = []
        decided = []
        for chosen in product((True, False), repeat=len(conditions)):
            truths = dict(zip(conditions, chosen, strict=True))
            decided.append(_decide(checked, request, now, truths, turns))
        yield _Stop(now, tuple(decided))
        now = min(turns, default=None)
    raise ValueError(f"there are more than {MOST_MOMENTS:,} moments at which the answer may change")


def _decide(
    checked: CheckedSet, request: ValidRequest, now: int, truths: Truths, turns: list[int]
) -> _Decided:
    """Decide at *now*; add to *turns* the later moments at which a comparison turns."""
    clock = Clock(now)
    meaning = _Meaning(truths, clock)
    moving = replace(request, now=clock.moving())
    case = interpreter.judge_all(checked, Env(moving, checked.schema, meaning=meaning))
    outcome = interpreter.outcome(case, advisories=())
    turns += clock.turns
    if meaning.lacking is not None:
        raise _NewCondition(meaning.lacking)
    if meaning.unsteady:
        raise ValueError(
            "a rule compares a set with the time in it, so it is not known when the answer changes"
        )
    answer = _answer(outcome, reasons.reason_of(case))
    owed = tuple(_relative(one, now) for one in outcome.obligations)
    key = (
        answer.allowed,
        answer.cause,
        answer.rules,
        answer.shut,
        answer.exposed,
        answer.masks,
        owed,
    )
    return _Decided(case, answer, key, {v.rule.id: v for v in case.verdicts})


def _answer(outcome: Outcome, reason: str) -> Answer:
    shut = tuple(gate for gate, opened in outcome.gates if not opened)
    denied_by_gate = outcome.cause == "not_permitted"
    exposed = outcome.exposed
    return Answer(
        outcome.allowed,
        outcome.cause,
        reason,
        () if denied_by_gate else outcome.rules,
        shut if denied_by_gate else (),
        None if exposed is None else tuple(sorted(exposed)),
        outcome.masks,
        tuple(
            Obligation(owed.name, tuple((n, t, _still(value)) for n, t, value in owed.arguments))
            for owed in outcome.obligations
        ),
        outcome.referrals,
    )


def _still(value: Any) -> Any:
    """Return a value in which nothing moves."""
    match value:
        case Moving():
            return int(value)
        case Struct():
            return type(value)(*(_still(getattr(value, n)) for n in value.__struct_fields__))
        case _:
            return value


def _relative(owed: Obligation, now: int) -> object:
    """Return an obligation as it is compared: of what moves, how."""

    def part(value: Any) -> object:
        match value:
            case Moving():
                return value.slope, int(value) - value.slope * now
            case Struct():
                return tuple(part(getattr(value, n)) for n in value.__struct_fields__)
            case _:
                return value

    return owed.name, tuple((name, part(value)) for name, _, value in owed.arguments)


# ---- from moments to periods ------------------------------------------------------------


def _periods(
    checked: CheckedSet, conditions: Sequence[ScheduleCondition], stops: Sequence[_Stop]
) -> Iterator[Period]:
    before: _Stop | None = None
    for stop in stops:
        if before is None or _keys(before) != _keys(stop):
            changes = () if before is None else tuple(_changes(checked, before, stop))
            cases = tuple(_cases(conditions, stop.decided, ()))
            yield Period(*moment_of(stop.now), changes, cases)
        before = stop


def _keys(stop: _Stop) -> list[object]:
    return [one.key for one in stop.decided]


def _cases(
    conditions: Sequence[ScheduleCondition],
    decided: Sequence[_Decided],
    chosen: tuple[tuple[ScheduleCondition, bool], ...],
) -> Iterator[Case]:
    """Give the cases that differ, with the conditions that make the difference."""
    if not conditions:
        yield Case(chosen, decided[0].answer)
        return
    first, *others = conditions
    half = len(decided) // 2
    yes, no = decided[:half], decided[half:]
    if [one.key for one in yes] == [one.key for one in no]:
        yield from _cases(others, yes, chosen)
        return
    yield from _cases(others, yes, (*chosen, (first, True)))
    yield from _cases(others, no, (*chosen, (first, False)))


def _changes(checked: CheckedSet, before: _Stop, after: _Stop) -> Iterable[Change]:
    """Return what became of the rules that count in one of two neighbouring moments alone, each once."""
    found: dict[Change, None] = {}
    for old, new in zip(before.decided, after.decided, strict=True):
        if old.key == new.key:
            continue
        for rule in checked.rules_for(new.case.env.target):
            change = _change(checked, rule, old, new)
            if change is not None:
                found[change] = None
    return found


def _change(checked: CheckedSet, rule: CheckedRule, old: _Decided, new: _Decided) -> Change | None:
    was, is_ = old.verdicts.get(rule.id), new.verdicts.get(rule.id)
    counted, counts = was is not None and was.satisfied, is_ is not None and is_.satisfied
    if counted == counts:
        if was is not None and is_ is not None and counts and _owed(was, old) != _owed(is_, new):
            return Change(rule.id, "owes something else")
        return None
    if was is None:
        return Change(rule.id, "comes into force")
    if is_ is None:
        return Change(rule.id, "is no longer in force")
    ended = [w.name for w in was.waivers if w not in is_.waivers]
    if ended and not is_.satisfied:
        return Change(rule.id, f"is no longer waived by {', '.join(ended)}")
    source = checked.sources[rule.node.span.file]
    failing = old if counts else new
    number = interpreter.first_false(
        rule.conjuncts, rule.typings[failing.case.env.target], failing.case.env
    )
    if number is None:  # it failed, or fails
        return Change(rule.id, "counts" if counts else "counts no longer")
    conjunct = rule.conjuncts[number]
    text = source.on_one_line(conjunct.expr.span)
    written = text if conjunct.wanted else f"unless {text}"
    if rule.effect == "forbid":
        return Change(rule.id, "applies" if counts else "no longer applies", written)
    return Change(rule.id, "is satisfied" if counts else "is no longer satisfied", written)


def _owed(verdict: Verdict, decided: _Decided) -> object:
    return [_relative(one, int(decided.case.env.request.now)) for one in verdict.obligations]
