"""Decide ahead what hangs on the subject alone, and leave the rest to one function.

A *test* is a part of a condition that reads nothing but the subject and perhaps the time. Of one
subject all tests of a target are asked once. Subjects that answer alike share one function, in
which the answers stand for the tests, and what they settle is gone. A test that fails stays where
it is; and so does a forbid with something before the answer, which must fail as it always would.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.emitter import TURNS, Emitter, Module
from policyengine.compiler.generate import bound_in, tree_of
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import FALSE, TRUE, simplify
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
    to which it adds the moments at which its answer may turn.
    """

    tree: ast.Module
    objects: Mapping[str, object]
    names: tuple[str, ...]


def generate_tests(tests: Sequence[ir.Expr]) -> Tests:
    """Generate the functions of *tests*."""
    module = Module()
    names: list[str] = []
    for test in tests:
        module.take(bound_in(test))
        name = module.fresh("test")
        emitter = Emitter(module, "a test", traced=ir.mentions(test, "now"))
        says = "Answer a test of a subject."
        module.function(name, says, [ast.Return(emitter.emit(test))], (TURNS,))
        names.append(name)
    return Tests(tree_of(module), module.objects, tuple(names))


def settled(
    rules: Sequence[Rule], gates: Iterable[str], answers: Mapping[ir.Expr, bool]
) -> tuple[Rule, ...]:
    """Return what is left of *rules*, those on trial aside, for subjects with those answers.

    Where they settle that it is denied, by a forbid or since one of *gates* stays shut, nothing is
    left: a deny tells its cause when it is asked for.
    """
    values = {test: ir.Const(BOOL, answer) for test, answer in answers.items()}
    refuted = {test for test, answer in answers.items() if not answer}

    def known(node: ir.Expr) -> ir.Expr:
        found = values.get(node)
        return ir.rebuilt(node, known) if found is None else found

    def with_answers(condition: ir.Expr) -> ir.Expr:
        changed = known(condition)
        return condition if changed is condition else simplify(changed)

    left: list[Rule] = []
    for rule in rules:
        # Mostly an answer refutes most rules: these are seen without looking into them.
        if rule.advisory or _is_never(rule, refuted):
            continue
        settled = replace(rule, conditions=tuple(map(with_answers, rule.conditions)))
        if not _is_never(settled, {FALSE}):
            left.append(settled)
    opening = {rule.gate for rule in left if rule.effect == "permit"}
    forbidden = any(rule.effect == "forbid" and _always(rule) for rule in left)
    return () if forbidden or not opening.issuperset(gates) else tuple(left)


def _is_never(rule: Rule, false: set[ir.Expr]) -> bool:
    """Whether *rule* is never satisfied where what is in *false* is; a forbid must not fail before."""
    conditions = rule.conditions[:1] if rule.effect == "forbid" else rule.conditions
    return not (rule.waivers or false.isdisjoint(conditions))


def _always(rule: Rule) -> bool:
    return not rule.is_dated and all(condition == TRUE for condition in rule.conditions)


def essence(rules: Iterable[Rule]) -> object:
    """Return what tells *rules* from others that decide otherwise, or give something else."""
    return tuple(
        (
            rule.gate, rule.effect, rule.valid_from, rule.valid_until,
            tuple(c for c in rule.conditions if c != TRUE), rule.fields, rule.duties, rule.waivers,
        )
        for rule in rules
    )  # fmt: skip
