"""Link a checked policy set to a program: a target is compiled when it is first asked about."""

from __future__ import annotations

from functools import cache, partial

from policyengine.compiler.lower import lower
from policyengine.compiler.lowered import Rule
from policyengine.compiler.outline import outline_rules
from policyengine.compiler.simplify import simplify_rule
from policyengine.compiler.target_compiler import TargetCompiler
from policyengine.model.types import TargetKey
from policyengine.runtime.compiled_target import Compiled
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet


def link(checked: CheckedSet) -> Program:
    """Return the program of *checked*."""
    return Program(
        checked.digest,
        checked.schema,
        cache(checked.needs),
        lambda target: compile_target(checked, target),
    )


def compile_target(checked: CheckedSet, target: TargetKey) -> Compiled:
    """Lower, simplify, generate and load the decision function of one target."""
    rules = partial(simplified, checked, target)
    outlined = cache(partial(outline_rules, checked, target))
    with gc_paused():
        return TargetCompiler(checked.digest, checked.schema, target, rules, outlined).compiled()


def simplified(
    checked: CheckedSet, target: TargetKey, *, for_details: bool = True
) -> tuple[Rule, ...]:
    """Return the rules of *target*, lowered and simplified; *for_details* as in `lower`."""
    return tuple(map(simplify_rule, lower(checked, target, for_details=for_details)))
