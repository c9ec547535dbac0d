"""Link a checked policy set to a program: a target is compiled when it is first asked about."""

from __future__ import annotations

from functools import cache, partial
from typing import Final

from policyengine.compiler.lower import lower, lower_rule
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import simplify_rule
from policyengine.compiler.target_compiler import TargetCompiler
from policyengine.runtime.compiled_target import Compiled
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedRule, CheckedSet, TargetKey, Variable

_ACTION: Final = Variable("action")


def link(checked: CheckedSet) -> Program:
    """Return the program of *checked*."""
    return Program(
        checked.digest,
        checked.schema,
        cache(checked.needs),
        lambda target: compile_target(checked, target),
    )


def compile_target(checked: CheckedSet, target: TargetKey) -> Compiled:
    """Lower, simplify, generate and load what decides about one target."""
    rules = partial(simplified, checked, target)
    with gc_paused():
        return TargetCompiler(checked.digest, checked.schema, target, rules).compiled()


def simplified(checked: CheckedSet, target: TargetKey, *, told: bool = True) -> tuple[Rule, ...]:
    """Return the rules of *target*, lowered and simplified; *told* as in `lower`."""
    return tuple(map(simplify_rule, lower(checked, target, told=told)))


class Lowering:
    """Lowers and simplifies the rules of many targets, what they have in common once."""

    def __init__(self, checked: CheckedSet) -> None:
        self._checked = checked
        self._made: dict[object, Rule] = {}

    def rules(self, target: TargetKey) -> tuple[Rule, ...]:
        """Return the rules of *target*, lowered and simplified."""
        found: list[Rule] = []
        for rule in self._checked.rules_for(target):
            key = rule.id, id(rule.typings[target]), self._beside_types(rule, target)
            made = self._made.get(key)
            if made is None:
                made = self._made[key] = simplify_rule(lower_rule(self._checked, rule, target))
            found.append(made)
        return tuple(found)

    @staticmethod
    def _beside_types(rule: CheckedRule, target: TargetKey) -> tuple[object, ...]:
        """Return what of the target itself, not only of its types, a lowered rule hangs on."""
        action, subject, resource = target
        return (
            action if _ACTION in rule.typings[target].bindings.values() else None,
            subject if rule.waivable else None,
            None if rule.fields is None else rule.fields[resource],
        )
