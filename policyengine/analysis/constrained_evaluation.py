"""Evaluate expressions on a constrained request: by the reference interpreter, but for unknown values.

Here is what operators mean of values that are not chosen; of all others, the reference says it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, assert_never, cast

from policyengine.analysis.constants import PIECES
from policyengine.analysis.constrained_request import ConstrainedRequest
from policyengine.analysis.unknowns import (
    ListedSet,
    Predicate,
    UnknownRecord,
    UnknownSet,
    UnknownText,
    is_unknown,
    key_of,
)
from policyengine.model.schedules import Schedule
from policyengine.model.types import (
    DATETIME,
    MONTHS,
    SCHEDULE,
    STRING,
    EntityRefType,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from policyengine.reference import calendar
from policyengine.reference.evaluation import (
    Env,
    compare,
    evaluate,
    is_like_path,
    is_made_of,
    lies_within,
    lower,
    meaning_of,
    pieces_of,
    with_variable,
)
from policyengine.semantics.checked import Definition, Lower, Size, Typing
from policyengine.syntax import nodes

_DAY = 86_400_000_000


def env_of(state: ConstrainedRequest) -> Env:
    """Return the environment in which rules are evaluated on a constrained request."""
    return Env(cast("ValidRequest", state), state.schema, meaning=partial(_meaning, state))


def _meaning(state: ConstrainedRequest, expr: nodes.Expr, typing: Typing, env: Env) -> Any:
    def of(part: nodes.Expr) -> Any:
        return evaluate(part, typing, env)

    match expr:
        case nodes.Compare(op, left, right):
            types = typing.type_of(left), typing.type_of(right)
            return _compared(state, op, of(left), of(right), *types, env)
        case nodes.Like(object_, pattern, "string"):
            return _made_of(state, of(object_), tuple(pieces_of(pattern)))
        case nodes.Like(object_, pattern):
            return state.ask(
                ("path", pattern), [of(object_)], lambda path: is_like_path(path, pattern)
            )
        case nodes.Attr(object_, nodes.Ident("id")) if isinstance(
            type_ := typing.type_of(object_), EntityRefType
        ):
            id_ = of(object_)
            if id_ in state.constants.get(type_.name, ()):
                return id_
            return UnknownText(("id", type_.name, id_), STRING)
        case nodes.Arithmetic(op, left, right) if typing.type_of(right) == MONTHS:
            months = of(right)
            return _later(state, of(left), months if op == "+" else -months)
        case nodes.SetDisplay(items):
            found = tuple(of(item) for item in items)
            return ListedSet(found) if any(map(is_unknown, found)) else frozenset(found)
        case nodes.Ancestors(object_):
            made, one = typing.type_of(expr), typing.type_of(object_)
            assert isinstance(made, SetType)
            assert isinstance(made.element, EntityRefType)
            assert isinstance(one, EntityRefType)
            return state.ancestors((one.name, of(object_)), made.element.name)
        case nodes.Quantified(kind, bound, over, body):

            def holds(element: object) -> bool:
                return bool(evaluate(body, typing, with_variable(env, bound.name, element)))

            if kind == "some":
                return _some(state, of(over), holds)
            return not _some(state, of(over), lambda element: not holds(element))
        case nodes.Call(_, (argument,)) if isinstance(typing.binding_of(expr), Size):
            return _size(state, of(argument), typing.type_of(argument))
        case nodes.Call(_, (argument,)) if isinstance(typing.binding_of(expr), Lower):
            text = of(argument)
            if isinstance(text, UnknownText):
                return UnknownText(text.place, text.type, ("lower", *text.made))
            return lower(text)
        case nodes.Call(name, arguments) if not isinstance(typing.binding_of(expr), Definition):
            given = [of(argument) for argument in arguments]
            # Of a function it is known that it gives the same of the same.
            if any(map(is_unknown, given)):
                return state.value(typing.type_of(expr), ("call", name.name, *map(key_of, given)))
    return meaning_of(expr, typing, env)


# ---- numbers and texts ------------------------------------------------------------------


def _later(state: ConstrainedRequest, moment: Any, months: Any) -> Any:
    """Return a moment so many months later: a number of its own, some days above the moment."""
    if isinstance(moment, int) and isinstance(months, int):
        return calendar.add_months(moment, months)
    place = "months later", key_of(moment), key_of(months)
    later = state.number(place, DATETIME)
    if place not in state.moments:
        state.moments[place] = moment, months
        if isinstance(months, int) and len(moment.parts) == 1:
            ((base, times),) = moment.parts.items()
            least, most = _days(months)
            if times == 1:
                state.relate(
                    place, base, moment.constant + least * _DAY, moment.constant + most * _DAY
                )
    return later


def _days(months: int) -> tuple[int, int]:
    """Return between how many days so many months are, wherever they begin."""
    years, rest = divmod(abs(months), 12)
    least, most = 365 * years + 28 * rest - 3, 366 * years + 31 * rest + 3
    return (least, most) if months >= 0 else (-most, -least)


def _made_of(state: ConstrainedRequest, text: Any, pieces: tuple[str, ...]) -> bool:
    if len(pieces) == 1:
        return state.same_text(text, pieces[0])
    return state.ask(("like", pieces), [text], lambda one: is_made_of(one, pieces))


def _size(state: ConstrainedRequest, sized: Any, type_: Type) -> Any:
    match sized:
        case UnknownSet():
            return state.size(sized)
        case UnknownText():
            return state.length(sized)
        case ListedSet(items):  # each counts that no earlier one is equal to
            return sum(
                not any(_equal(state, one, other, _of(type_)) for other in items[:number])
                for number, one in enumerate(items)
            )
    return len(sized)


# ---- comparisons ------------------------------------------------------------------------


def _compared(
    state: ConstrainedRequest, op: nodes.Comparison, left: Any, right: Any, left_type: Type,
    right_type: Type, env: Env,
) -> bool:  # fmt: skip
    if op == "==":
        return _equal(state, left, right, left_type)
    if op == "!=":
        return not _equal(state, left, right, left_type)
    if not (is_unknown(left) or is_unknown(right) or _looks_up(left_type, right_type)):
        return compare(op, left, right, left_type, right_type, env)
    match op:
        case "in":
            return _contains(state, right, left, left_type)
        case "overlaps":
            return _some(state, left, lambda one: _contains(state, right, one, _of(left_type)))
        case "subset":
            return _is_subset(state, left, right, _of(left_type))
        case "within":
            return _within(state, left, right, left_type, right_type, env)
        case "touches":
            return _some_of(
                state, left, lambda one: compare(op, one, right, _of(left_type), right_type, env)
            ) if isinstance(right, frozenset) else _some_of(
                state, left, lambda one: _some(state, right, lambda other: compare(
                    op, one, frozenset([other]), _of(left_type), right_type, env))
            )  # fmt: skip
        case "startswith" | "endswith" | "contains" if isinstance(right, str):
            return _made_of(state, left, PIECES[op](right))
        case "startswith" | "endswith" | "contains":
            if key_of(left) == key_of(right):
                return True
            return state.ask(
                op, [left, right], lambda a, b: compare(op, a, b, left_type, right_type, env)
            )
        case "<" | "<=" | ">" | ">=":  # of numbers, which know how they are ordered
            return compare(op, left, right, left_type, right_type, env)
        case _:
            assert_never(op)


def _looks_up(left_type: Type, right_type: Type) -> bool:
    """Whether a comparison asks the request for more than the two values."""
    return isinstance(_of(left_type), EntityRefType) and isinstance(_of(right_type), EntityRefType)


def _of(type_: Type) -> Type:
    return type_.element if isinstance(type_, SetType) else type_


def _equal(state: ConstrainedRequest, left: Any, right: Any, type_: Type) -> bool:
    match type_:
        case SetType(element):
            return _is_subset(state, left, right, element) and _is_subset(
                state, right, left, element
            )
        case RecordType(attributes) if isinstance(left, UnknownRecord) and left.place == key_of(
            right
        ):
            return True
        case RecordType(attributes):
            return all(
                _equal_parts(state, getattr(left, name), getattr(right, name), part.type)
                for part in attributes
                for name in [slot(part.name)]
            )
        case _ if isinstance(left, UnknownText) or isinstance(right, UnknownText):
            return state.same_text(left, right)
    return bool(left == right)


def _equal_parts(state: ConstrainedRequest, left: Any, right: Any, type_: Type) -> bool:
    if left is ABSENT or right is ABSENT:
        return left is right
    return _equal(state, left, right, type_)


def _within(
    state: ConstrainedRequest, left: Any, right: Any, left_type: Type, right_type: Type, env: Env
) -> bool:
    if right_type == SCHEDULE:
        assert isinstance(right, Schedule)
        if isinstance(left, int):
            return calendar.is_within(left, right)
        place = "within", left.key, right
        state.scheduled[place] = left, right
        return state.whether(*place)
    inner, outer = _of(left_type), _of(right_type)

    def lies(one: Any) -> bool:
        around = right if isinstance(right_type, SetType) else frozenset([right])
        return _some(
            state, around, lambda other: _lies_within(state, one, other, inner, outer, env)
        )

    if not isinstance(left_type, SetType):
        return lies(left)
    return _some(state, left, _always) and not _some(state, left, lambda one: not lies(one))


def _lies_within(
    state: ConstrainedRequest, one: Any, other: Any, inner: Type, outer: Type, env: Env
) -> bool:
    if isinstance(one, UnknownText) or isinstance(other, UnknownText):
        return state.within(one, other, lambda a, b: lies_within(a, [b], inner, outer, env))
    return lies_within(one, [other], inner, outer, env)


# ---- sets -------------------------------------------------------------------------------


def _always(_: object) -> bool:
    return True


def _some(state: ConstrainedRequest, among: Any, holds: Predicate) -> bool:
    """Whether something holds of some element."""
    match among:
        case UnknownSet() if holds is _always:
            return not state.size(among) <= 0
        case UnknownSet():
            return state.some(among, holds)
        case ListedSet(items):
            return any(map(holds, items))
    return any(map(holds, sorted(among, key=str)))


def _some_of(state: ConstrainedRequest, one: Any, holds: Predicate) -> bool:
    """Whether something holds of a value, or of some element of it if it is a set."""
    if isinstance(one, UnknownSet | ListedSet | frozenset):
        return _some(state, one, holds)
    return holds(one)


def _contains(state: ConstrainedRequest, among: Any, one: Any, type_: Type) -> bool:
    match among:
        case UnknownSet():
            return state.contains(among, one)
        case ListedSet(items):
            return any(_equal(state, one, item, type_) for item in items)
    if is_unknown(one):
        return any(_equal(state, one, item, type_) for item in sorted(among, key=str))
    return one in among


def _is_subset(state: ConstrainedRequest, one: Any, other: Any, type_: Type) -> bool:
    if isinstance(one, UnknownSet) and other == frozenset():
        return not _some(state, one, _always)
    if isinstance(one, UnknownSet) and one is other:
        return True
    return not _some(state, one, lambda element: not _contains(state, other, element, type_))
