"""Link a checked policy set to a program: a target is compiled when it is first asked about."""

from __future__ import annotations

from functools import cache, partial
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from policyengine.compiler.lower import for_target, lower_rule
from policyengine.compiler.lowered import Rule
from policyengine.compiler.outline import outline_rules
from policyengine.compiler.simplify import simplify_rule
from policyengine.compiler.target_compiler import TargetCompiler
from policyengine.model.types import TargetKey
from policyengine.runtime.compiled_target import CompiledTarget
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet, Variable


def link(checked: CheckedSet) -> Program:
    """Return the program of *checked*."""
    return Program(
        checked.digest,
        checked.schema,
        cache(checked.needs),
        lambda target: compile_target(checked, target),
    )


def compile_target(checked: CheckedSet, target: TargetKey) -> CompiledTarget:
    """Lower, simplify, generate and load the decision function of one target."""
    rules = partial(simplified, checked, target)
    outlined = cache(partial(outline_rules, checked, target))
    with gc_paused():
        return TargetCompiler(checked.digest, checked.schema, target, rules, outlined).compiled()


_MOST_SHARED: Final = 4_096
"""The number of rules of a set that are kept for further targets."""

_Shared: TypeAlias = dict[tuple[int, bool], Rule | None]
"""Rules by their typing and by whether they are for details; None for one that names its action."""

_shared: Final[WeakKeyDictionary[CheckedSet, _Shared]] = WeakKeyDictionary()
"""The rules that were simplified for some target and cover others. They go with their set."""


def simplified(
    checked: CheckedSet, target: TargetKey, *, for_details: bool = True
) -> tuple[Rule, ...]:
    """Return the rules of *target*, lowered and simplified; *for_details* as in `lower_rule`.

    A rule of several targets is lowered once for those in which all that it names has the same types.
    """
    shared = _shared.setdefault(checked, {})
    made = []
    for rule in checked.rules_for(target):
        key = id(rule.typings[target]), for_details
        found = shared.get(key)
        if found is not None:
            made.append(for_target(found, checked, rule, target))
            continue
        one = simplify_rule(lower_rule(checked, rule, target, for_details=for_details))
        if len(rule.typings) > 1 and key not in shared and len(shared) < _MOST_SHARED:
            names_action = Variable("action") in rule.typings[target].bindings.values()
            shared[key] = None if names_action else one
        made.append(one)
    return tuple(made)
