"""State the law of partial evaluation: what is left of a decision decides the rest as the whole decides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any

from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.specialize import generate_tests
from policyengine.model.errors import InvalidRequest
from policyengine.model.masks import detail
from policyengine.model.outcome import Obligation, Outcome
from policyengine.model.types import Attribute, RecordType, TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import moment_text
from policyengine.partial.decide_partially import PartialRules
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.known_parts import KnownParts, Path, shape_of
from policyengine.partial.prepared_rules import PreparedRules
from policyengine.partial.residual import Residual, residual
from policyengine.partial.templates import Templates
from policyengine.proving.asked_invariants import check_asked
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import first_false
from policyengine.runtime.generated import run
from policyengine.semantics.checked import CheckedSet
from tests.strategies.laws import Case
from tests.strategies.requests import Json


def what_is_left_decides(case: Case) -> int:
    """Make parts of a request unknown, and ask what is left about them; return how often that is decided."""
    checked, request, rng = case.loaded.checked, case.request, Random(case.seed)
    expected = interpreter.decide(checked, request)
    decided = 0
    for known in partly_known(request, rng):
        left = left_of(checked, request, known, first=rng.random() < 0.2)
        holds_of(left, request, expected, known)
        decided += left.always or left.never
    return decided


def what_is_kept_serves_others(case: Case) -> int:
    """Ask the same about requests with other ids in the place of those of *case*; return about how many.

    `left_of` compares what is kept of one request, and filled for another, with what is left of that alone.
    """
    rng, ids = Random(case.seed), sorted(_ids_in(case.given))
    asked = 0
    for number in range(3):
        others = [*rng.sample(ids, len(ids))] if number else ids
        if number % 2:
            others[:1] = ["somebody else"]
        given = _renamed(case.given, dict(zip(ids, others, strict=True)))
        try:
            request = case.loaded.request(**given)
        except InvalidRequest:
            continue
        asked += 1
        for known in partly_known(request, Random(case.seed)):
            left_of(case.loaded.checked, request, known)
    return asked


def what_is_left_holds_until(case: Case) -> int:
    """Ask the same for the last moment for which what is left holds; return how often there is one."""
    ends = 0
    for known in partly_known(case.request, Random(case.seed)):
        left = left_of(case.loaded.checked, case.request, known)
        if left.until is not None:
            last = replace(case.request, now=left.until - 1)
            then = left_of(case.loaded.checked, last, known)
            assert _without_order(then) == _without_order(left), (left, then)
            ends += 1
    return ends


def _ids_in(given: Json) -> set[str]:
    match given:
        case {"type": str(), "id": str(id_), **rest}:
            return {id_} | _ids_in(list(rest.values()))
        case dict():
            return _ids_in(list(given.values()))
        case list():
            return set().union(*map(_ids_in, given))
        case _:
            return set()


def _renamed(given: Json, names: Mapping[str, str]) -> Json:
    match given:
        case dict():
            return {k: v if k == "type" else _renamed(v, names) for k, v in given.items()}
        case list():
            return [_renamed(item, names) for item in given]
        case str():
            return names.get(given, given)
        case _:
            return given


def holds_of(left: Residual, request: ValidRequest, expected: Outcome, known: object) -> None:
    """Raise `AssertionError` unless *left* says of the whole request what was decided."""
    assert is_true(left.condition, request) == expected.allowed, (known, left.condition)
    due = [o for o in left.obligations if o.allowed == expected.allowed]
    conditions = [o.condition for o in due]
    if expected.allowed:  # for others, the conditions of fields say nothing
        conditions += [*(left.exposed or {}).values(), *left.masks.values()]
    said = values(conditions, request)
    if expected.allowed and left.exposed is not None:
        exposed = {name for name, condition in left.exposed.items() if said[condition]}
        assert exposed == expected.exposed, (known, left.exposed)
        masks: dict[str, str] = {}
        for (name, mask), condition in left.masks.items():
            if said[condition] and name not in exposed:
                masks[name] = max(mask, masks.get(name, mask), key=detail)
        assert tuple(sorted(masks.items())) == expected.masks, (known, left.masks)
    due = [o for o in due if said[o.condition]]
    given = values([part.expr for o in due for _, part in o.duty.arguments], request)
    owed = {
        Obligation(
            o.duty.name, tuple((n, part.type, given[part.expr]) for n, part in o.duty.arguments)
        )
        for o in due
    }
    assert owed >= set(expected.obligations), (known, left.obligations)
    if expected.cause in ("permitted", "forbidden"):
        assert owed == set(expected.obligations), (known, left.obligations)


def the_rest_is_decided(case: Case) -> int:
    """Ask an engine about some parts of a request, and give it the others; return whether some were given."""
    engine, given, rng = case.loaded.engine, case.given, Random(case.seed)
    expected = interpreter.decide(case.loaded.checked, case.request)
    parts = {name: given[name] for name in ("subject", "resource", "context")}
    known = {name: part for name, part in parts.items() if rng.random() < 0.6}
    rest = {name: part for name, part in parts.items() if name not in known}
    entities, now = given["entities"], moment_text(given["now"])
    sooner = rng.random() < 0.5
    left = engine.partial(
        action=given["action"],
        subject_type=case.request.subject.type,
        resource_type=case.request.resource.type,
        unknowns=[".".join(path) for path in _some_paths(case.request, rng)],
        fields=given.get("fields"),
        entities=entities if sooner else None,
        now=now,
        **known,
    )
    holds_of(left, case.request, expected, sorted(known))
    decision = left.decide(**rest, entities=None if sooner else entities)
    assert decision.outcome == replace(expected, advisories=decision.advisories)
    return len(rest) < len(parts)


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


def target_of(request: ValidRequest) -> TargetKey:
    """Return the target of *request*."""
    return request.action, request.subject.type, request.resource.type


def left_of(
    checked: CheckedSet, request: ValidRequest, known: KnownParts, *, first: bool = False
) -> Residual:
    """Return what is left of the decision on *request* if only *known* is known.

    What is kept of others is compared with what is evaluated for this. *first*: as for the first question,
    before tests are generated, which may leave more.
    """
    target = target_of(request)
    rules = partial_rules(checked)
    prepared, tables = rules.of(target, known)

    def asked(of: PreparedRules, templates: Templates) -> Residual:
        return residual(
            checked.schema,
            target,
            of,
            tables,
            known,
            request.fields,
            request.now,
            _not_asked,
            templates,
        )

    if first:
        types = ExpressionTypes(checked.schema, target)
        return asked(PreparedRules(prepared.rules, types, shape_of(known)), rules.templates)
    for _ in range(2):  # the first makes tests
        left = asked(prepared, rules.templates)
    alone = asked(prepared, Templates(1))
    assert _without_order(left) == _without_order(alone), (left, alone)
    return left


def _without_order(left: Residual) -> object:
    """Return what *left* says, whatever the order of operands is."""

    def sets(node: ir.Expr) -> object:
        if isinstance(node, ir.And | ir.Or):
            return type(node), frozenset(map(sets, node.operands))
        return node

    shown = [*(left.exposed or {}).items(), *left.masks.items()]
    owed = [(one.duty, one.allowed, sets(one.condition)) for one in left.obligations]
    return sets(left.condition), [(name, sets(c)) for name, c in shown], owed


@lru_cache(maxsize=4)
def partial_rules(checked: CheckedSet) -> PartialRules:
    """Return the rules of a set as `PolicyEngine.partial` has them."""
    return PartialRules(checked)


def _not_asked(*_: object) -> Any:
    raise AssertionError


def partly_known(request: ValidRequest, rng: Random) -> Iterator[KnownParts]:
    """Give parts of *request* that may be known, the others not."""
    entities = request.entities if rng.random() < 0.5 else {}
    yield KnownParts(request.subject, None, request.context, entities)
    yield KnownParts(request.subject, None, None, entities)
    yield KnownParts(None, request.resource, request.context, entities)
    yield KnownParts(request.subject, request.resource, None, entities)
    yield KnownParts(request.subject, request.resource, request.context, request.entities)
    for _ in range(2):
        unknown = frozenset(_some_paths(request, rng))
        yield KnownParts(request.subject, request.resource, request.context, entities, unknown)


def _some_paths(request: ValidRequest, rng: Random) -> Iterator[Path]:
    """Give some paths of *request*, of attributes, of parts of records, or of a whole part."""
    paths = [*_paths(request)]
    yield from rng.sample(paths, min(len(paths), rng.randint(0, 3)))


def _paths(request: ValidRequest) -> Iterator[Path]:
    for root, type_ in (
        ("subject", request.subject.entity_type),
        ("resource", request.resource.entity_type),
        ("context", request.context.record_type),
    ):
        yield (root,)
        yield from _paths_in((root,), type_.attributes)


def _paths_in(before: Path, attributes: Iterable[Attribute]) -> Iterator[Path]:
    for attribute in attributes:
        yield (path := (*before, attribute.name))
        if isinstance(attribute.type, RecordType):
            yield from _paths_in(path, attribute.type.attributes)


def is_true(condition: ir.Expr, request: ValidRequest) -> bool:
    """Whether *condition* holds for the whole of *request*, as the compiler evaluates it."""
    return bool(values([condition], request)[condition])


def values(nodes: Iterable[ir.Expr], request: ValidRequest) -> dict[ir.Expr, Any]:
    """Return the values of *nodes* for the whole of *request*, as the compiler evaluates them."""
    known = {node: node.value for node in nodes if isinstance(node, ir.Const)}
    others = [node for node in dict.fromkeys(nodes) if node not in known]
    made = generate_tests(others)
    functions: Mapping[str, Any] = run(made.tree, made.objects, "<left>") if others else {}
    found = (functions[name](*request.roots, []) for name in made.names)
    return known | dict(zip(others, found, strict=True))
