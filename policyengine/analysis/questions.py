"""Answer what linters and authors ask of rules: can it hold, does another one cover it.

Every answer is about all requests, for every target that the rules cover. False where nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from policyengine.analysis.mentions import walk
from policyengine.analysis.search import Space, UnknownError, holds, never
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet, TargetKey
from policyengine.syntax import nodes


def never_holds(checked: CheckedSet, rule: CheckedRule) -> bool:
    """Whether the conditions of *rule* hold for no request."""
    return never(checked, rule.typings, lambda _: (rule,), lambda env: holds(rule, env))


def covered(checked: CheckedSet, rule: CheckedRule, others: Iterable[CheckedRule]) -> bool:
    """Whether, wherever *rule* holds, one of *others* does, which must be in force as long."""
    lasting = [other for other in others if outlasts(other, rule)]

    def uncovered(env: Env) -> bool:
        there = [other for other in lasting if env.target in other.typings]
        return holds(rule, env) and not any(holds(other, env) for other in there)

    def of(target: tuple[str, str, str]) -> tuple[CheckedRule, ...]:
        return (rule, *(other for other in lasting if target in other.typings))

    if any(len(of(target)) == 1 for target in rule.typings):
        return False
    return never(checked, rule.typings, of, uncovered)


def outlasts(one: CheckedRule, other: CheckedRule) -> bool:
    """Whether *one* is in force whenever *other* is."""
    begins = one.valid_from is None or (
        other.valid_from is not None and one.valid_from <= other.valid_from
    )
    ends = one.valid_until is None or (
        other.valid_until is not None and one.valid_until >= other.valid_until
    )
    return begins and ends


def constant_operands(checked: CheckedSet, rule: CheckedRule) -> list[tuple[nodes.Expr, bool]]:
    """Return the conditions and operands of *rule* that have one value, whenever it comes to them.

    Of nested ones only the outermost.
    """
    operands = [part for c in rule.conjuncts for part in conditions_in(c.expr)]
    taken: dict[int, set[bool]] = {id(operand): set() for operand in operands}

    def trace(expr: nodes.Expr, value: object) -> None:
        if id(expr) in taken:
            taken[id(expr)].add(bool(value))

    for target in rule.typings:
        try:
            for _ in Space(checked, target, (rule,)).worlds(
                lambda env: holds(rule, env) or True, trace
            ):
                if all(len(values) == 2 for values in taken.values()):  # noqa: PLR2004 - a bool
                    return []
        except UnknownError:
            return []
    found: list[tuple[nodes.Expr, bool]] = []
    inside: set[int] = set()
    for operand in operands:
        values = taken[id(operand)]
        if len(values) == 1 and id(operand) not in inside:
            found.append((operand, next(iter(values))))
            inside |= {id(part) for part in walk(operand)}
    return found


def conditions_in(expr: nodes.Expr) -> Iterable[nodes.Expr]:
    """Give *expr* and what it is made of by `and`, `or`, `not` and `if`, outermost first."""
    yield expr
    match expr:
        case nodes.And(operands) | nodes.Or(operands):
            for operand in operands:
                yield from conditions_in(operand)
        case nodes.Not(operand):
            yield from conditions_in(operand)
        case nodes.If(condition, yes, no):
            for part in (condition, yes, no):
                yield from conditions_in(part)


def needed(checked: CheckedSet, rule: CheckedRule, present: nodes.Has) -> bool:
    """Whether *rule* holds only where *present* was asked and answered yes."""
    for target in rule.typings:
        seen: list[bool] = []

        def trace(expr: nodes.Expr, value: object, seen: list[bool] = seen) -> None:
            if expr is present:
                seen.append(bool(value))

        def without(env: Env, seen: list[bool] = seen) -> bool:
            seen.clear()
            return holds(rule, env) and True not in seen

        try:
            if any(True for _ in Space(checked, target, (rule,)).worlds(without, trace)):
                return False
        except UnknownError:
            return False
    return True


def alike(
    checked: CheckedSet,
    one: CheckedRule,
    other: CheckedRule,
    masks: Callable[[TargetKey], tuple[CheckedRule, ...]] = lambda _: (),
) -> bool:
    """Whether two rules with the same targets are known to hold for the same requests.

    Requests for which one of *masks* holds do not count: it decides, whatever the two say.
    """

    def differ(env: Env) -> bool:
        if holds(one, env) == holds(other, env):
            return False
        return not any(holds(mask, env) for mask in masks(env.target))

    return never(checked, one.typings, lambda t: (one, other, *masks(t)), differ)
