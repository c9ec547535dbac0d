"""Specialize rules for subjects: evaluate what depends on the subject alone, and leave a residual.

A *test* is a part of a condition that reads nothing but the subject and perhaps the time. All tests of
a target are evaluated once for a subject. Subjects with the same results share one residual: the rules
with results in place of tests, simplified. A test that fails stays as it is; so does a forbid with a
condition before the test, since that must still be able to fail.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.emitter import Emitter, Module
from policyengine.compiler.generate import bound_in, tree_of
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import FALSE, TRUE, simplify
from policyengine.compiler.turn_codegen import TURNS
from policyengine.model.types import BOOL

_FROM_SUBJECT: Final = {"subject", "now"}


def tests_of(rules: Sequence[Rule]) -> tuple[ir.Expr, ...]:
    """Return the tests of *rules*, those on trial aside, each once."""
    counting = (rule for rule in rules if not rule.advisory)
    found = (test for rule in counting for c in rule.conditions for test in _tests(c))
    return tuple(dict.fromkeys(found))


def _tests(condition: ir.Expr) -> Iterator[ir.Expr]:
    """Give the largest parts of a condition that are tests."""
    if isinstance(condition, ir.Const):
        return
    if _is_test(condition):
        yield condition
        return
    match condition:
        case ir.And(operands) | ir.Or(operands):
            for operand in operands:
                yield from _tests(operand)
        case ir.Not(operand):
            yield from _tests(operand)
        case ir.Choice(asked, _, _):
            yield from _tests(asked)


def _is_test(node: ir.Expr) -> bool:
    roots = {part.name for part in ir.walk(node) if isinstance(part, ir.Root)}
    looks_up = any(isinstance(part, ir.Entity) for part in ir.walk(node))
    return roots <= _FROM_SUBJECT and "subject" in roots and not looks_up and not ir.free(node)


class Tests(Struct, frozen=True, eq=False):
    """A module with a function for each test: its tree, what it names, what they are called.

    A function takes the roots of a request, of which it reads the subject and the time, and a list
    to which it adds the moments at which its result may change.
    """

    tree: ast.Module
    objects: Mapping[str, object]
    names: tuple[str, ...]


def generate_tests(tests: Sequence[ir.Expr], *, unsure: bool = False) -> Tests:
    """Generate the functions of *tests*; *unsure* as in `Emitter`."""
    module = Module()
    names: list[str] = []
    for test in tests:
        module.take(bound_in(test))
        name = module.fresh("test")
        emitter = Emitter(module, "a test", traced=ir.mentions(test, "now"), unsure=unsure)
        says = "Evaluate a test."
        module.function(name, says, [ast.Return(emitter.emit(test))], (TURNS,))
        names.append(name)
    return Tests(tree_of(module), module.objects, tuple(names))


def residual_rules(
    rules: Sequence[Rule], gates: Iterable[str], results: Mapping[ir.Expr, bool]
) -> tuple[Rule, ...]:
    """Return what is left of *rules*, those on trial aside, for subjects with those results of tests.

    Where these suffice for a deny, by a forbid or since one of *gates* stays shut, nothing is left: the
    cause of a deny is worked out when it is read.
    """
    values = {test: ir.Const(BOOL, result) for test, result in results.items()}
    refuted = {test for test, result in results.items() if not result}

    def known(node: ir.Expr) -> ir.Expr:
        found = values.get(node)
        return ir.rebuilt(node, known) if found is None else found

    def with_results(condition: ir.Expr) -> ir.Expr:
        changed = known(condition)
        return condition if changed is condition else simplify(changed)

    left: list[Rule] = []
    for rule in rules:
        # Mostly a result refutes most rules: these are left out without looking into them.
        if rule.advisory or _is_never(rule, refuted):
            continue
        simplified = replace(rule, conditions=tuple(map(with_results, rule.conditions)))
        if not _is_never(simplified, {FALSE}):
            left.append(simplified)
    opening = {rule.gate for rule in left if rule.effect == "permit"}
    forbidden = any(rule.effect == "forbid" and _always(rule) for rule in left)
    return () if forbidden or not opening.issuperset(gates) else tuple(left)


def _is_never(rule: Rule, false: set[ir.Expr]) -> bool:
    """Whether *rule* is never satisfied where what is in *false* is; a forbid must not fail before."""
    conditions = rule.conditions[:1] if rule.effect == "forbid" else rule.conditions
    return not (rule.waivers or false.isdisjoint(conditions))


def _always(rule: Rule) -> bool:
    return not rule.is_dated and all(condition == TRUE for condition in rule.conditions)


def decision_key(rules: Iterable[Rule]) -> object:
    """Return a key of *rules*; rules with the same key decide equally, and give the same."""
    return tuple(
        (
            rule.gate, rule.effect, rule.valid_from, rule.valid_until,
            tuple(c for c in rule.conditions if c != TRUE), rule.fields, rule.duties, rule.waivers,
        )
        for rule in rules
    )  # fmt: skip
