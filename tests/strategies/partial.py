"""State the law of partial evaluation: what is left of a decision decides the rest as the whole decides it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from policyengine.compiler import ir
from policyengine.compiler.link import simplified
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.compiler.specialize import generate_tests
from policyengine.model.request import Request
from policyengine.model.types import TargetKey
from policyengine.partial.decide_partially import tables_of
from policyengine.partial.known_parts import KnownParts, Path
from policyengine.partial.residual import Residual, residual
from policyengine.proving.asked_invariants import check_asked
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from policyengine.runtime.generated import run
from policyengine.semantics.checked import CheckedSet
from tests.strategies.laws import Case


def what_is_left_decides(case: Case) -> int:
    """Make parts of a request unknown, and ask what is left about them; return how often that is decided."""
    checked, request, rng = case.loaded.checked, case.request, Random(case.seed)
    expected = interpreter.decide(checked, request)
    decided = 0
    for known in partly_known(request, rng):
        left = left_of(checked, request, known)
        assert is_true(left.condition, request) == expected.allowed, (known, left.condition)
        decided += left.always or left.never
        owed = [o for o in left.obligations if o.allowed == expected.allowed]
        names = {o.duty.name for o in owed if is_true(o.condition, request)}
        assert {o.name for o in expected.obligations} <= names, (known, left.obligations)
        if expected.allowed:
            assert names == {o.name for o in expected.obligations}
            if left.exposed is not None:
                exposed = {n for n, c in left.exposed.items() if is_true(c, request)}
                assert exposed == expected.exposed, (known, left.exposed)
                for name, mask in expected.masks:
                    assert is_true(left.masks[name, mask], request)
    return decided


def the_text_means_the_same(case: Case) -> int:
    """Write what is left as an invariant, which must mean the same; return how often that was done."""
    checked, request, rng = case.loaded.checked, case.request, Random(case.seed)
    action, subject, resource = target_of(request)
    known = rng.choice(list(partly_known(request, rng)))
    left = left_of(checked, request, known)
    if left.always or left.never:
        return 0
    asked = f"{action} by {subject} on {resource} when {left.text}"
    made = check_asked(checked, [("--never-allow", asked)])
    assert isinstance(made, tuple), (left.text, made)
    again, [name] = made
    [invariant] = [one for one in again.invariants if one.name == name]
    typing, env = invariant.typings[target_of(request)], Env(request, again.schema)
    holds = first_false(invariant.conjuncts, typing, env) is None
    assert holds == is_true(left.condition, request), left.text
    return 1


def target_of(request: Request) -> TargetKey:
    """Return the target of *request*."""
    return request.action, request.subject.type, request.resource.type


def left_of(checked: CheckedSet, request: Request, known: KnownParts) -> Residual:
    """Return what is left of the decision on *request* if only *known* is known."""
    target = target_of(request)
    rules = simplified(checked, target, for_details=False)
    tables = tables_of(checked, target)
    return residual(
        checked.schema, target, rules, tables, known, request.fields, request.now, _not_asked
    )


def _not_asked(*_: object) -> Any:
    raise AssertionError


def partly_known(request: Request, rng: Random) -> Iterator[KnownParts]:
    """Give parts of *request* that may be known, the others not."""
    entities = request.entities if rng.random() < 0.5 else {}
    yield KnownParts(request.subject, None, request.context, None, entities)
    yield KnownParts(request.subject, None, None, None, entities)
    yield KnownParts(None, request.resource, request.context, None, entities)
    yield KnownParts(request.subject, request.resource, None, None, entities)
    yield KnownParts(request.subject, request.resource, request.context, None, request.entities)
    paths = [*_paths(request)]
    for _ in range(2):
        unknown = frozenset(rng.sample(paths, min(len(paths), rng.randint(1, 3))))
        yield KnownParts(
            request.subject, request.resource, request.context, None, entities, unknown
        )


def _paths(request: Request) -> Iterator[Path]:
    for root, type_ in (
        ("subject", request.subject.entity_type),
        ("resource", request.resource.entity_type),
        ("context", request.context.record_type),
    ):
        yield from ((root, attribute.name) for attribute in type_.attributes)


def is_true(condition: ir.Expr, request: Request) -> bool:
    """Whether *condition* holds for the whole of *request*, as the compiler evaluates it."""
    if condition in (TRUE, FALSE):
        return condition == TRUE
    made = generate_tests((condition,))
    functions: Mapping[str, Any] = run(made.tree, made.objects, "<left>")
    return bool(functions[made.names[0]](*request.roots, []))
