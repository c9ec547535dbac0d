"""Find the changes that would allow a request, for the auditor and for the other audiences.

Whether a change is enough may depend on something private, and so may which changes are the smallest.
The other audiences are therefore offered the changes that would allow the request if conditions that
read something private did not exist; the offers say that such conditions were left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import evolve
from msgspec.structs import replace

from policyengine.analysis.places import Place
from policyengine.analysis.remedies import Change, search
from policyengine.explain.evidence import OfferedChange, Offers
from policyengine.explain.tracing import written
from policyengine.model.outcome import Outcome
from policyengine.model.shown import escaped, shown_entity, shown_set
from policyengine.model.types import CHANGERS, Changer, Schema, TargetKey, is_private
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet, Definition, Typing, Value
from policyengine.semantics.demand import attribute_of, read_by
from policyengine.semantics.sentences import tells_private
from policyengine.semantics.visibility import PRIVATE
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions


def offered(
    checked: CheckedSet,
    request: ValidRequest,
    naming_others: Collection[str],
    deadline: float | None = None,
) -> Offers:
    """Return the changes that would allow *request*, as far as they are found before the *deadline*.

    *naming_others*: the paths of which another value would name what other requests have.
    """
    found = search(checked, request, deadline=deadline)
    changes = tuple(
        tuple([_offered(change, naming_others) for change in remedy.changes])
        for remedy in found.remedies
    )
    return Offers(changes, found.complete, not_tried=found.not_tried)


def offered_to_all(
    checked: CheckedSet,
    request: ValidRequest,
    outcome: Outcome,
    naming_others: Collection[str],
    deadline: float | None = None,
) -> Offers | None:
    """Return the changes that would allow *request* if conditions on something private did not exist.

    None if there are no such conditions.
    """
    target = Env(request, checked.schema).target
    covering = checked.rules_for(target)
    rules = [_public(rule, target, checked.schema) for rule in covering]
    if all(public is rule for public, rule in zip(rules, covering, strict=True)):
        return None
    if outcome.allowed:
        return Offers((), tried_all=True, depends_on_hidden=True)
    kept = tuple(
        public
        for public, rule in zip(rules, covering, strict=True)
        if public is rule or not _out_of_account(public, outcome)
    )
    reduced = _only(checked, target, kept)
    if not interpreter.decide(reduced, request).allowed:
        return evolve(offered(reduced, request, naming_others, deadline), depends_on_hidden=True)
    # The missing value is private. Other changes are found without the rules that lack only that.
    denying = [r for r in covering if r.id in outcome.rules]
    changers = {by for rule in denying for by in _changers(rule, target, checked.schema)}
    hidden = tuple((_hidden(by),) for by in CHANGERS if by in changers)
    env = Env(request, checked.schema)
    lacking = [r for r in kept if r not in covering and interpreter.judge(r, (), env).holds]
    left = _only(checked, target, tuple(r for r in kept if r not in lacking))
    others = offered(left, request, naming_others, deadline)
    return evolve(others, changes=(*others.changes, *hidden), depends_on_hidden=True)


def _only(checked: CheckedSet, target: TargetKey, rules: tuple[CheckedRule, ...]) -> CheckedSet:
    return evolve(checked, rules=rules, by_target={target: rules})


def _public(rule: CheckedRule, target: TargetKey, schema: Schema) -> CheckedRule:
    """Return *rule* without the conditions that reveal something private; itself if there are none."""
    typing = rule.typings[target]
    private = tells_private(rule.conjuncts, [typing], schema)
    kept = tuple(c for c, hidden in zip(rule.conjuncts, private, strict=True) if not hidden)
    if len(kept) == len(rule.conjuncts):
        return rule
    owed = [argument for call in rule.obligations for argument in call.arguments]
    needs, _ = read_by([*(c.expr for c in kept), *owed], typing)
    return replace(rule, conjuncts=kept, sentences=(), needs={target: needs})


def _out_of_account(public: CheckedRule, outcome: Outcome) -> bool:
    """Whether the rest of a forbid does not count: it does not deny, or no condition is left."""
    return public.effect == "forbid" and (public.id not in outcome.rules or not public.conjuncts)


def _changers(rule: CheckedRule, target: TargetKey, schema: Schema) -> Iterator[Changer]:
    """Give the parties that can change the private values that *rule* reads."""
    for conjunct in rule.conjuncts:
        yield from _changers_in(conjunct.expr, rule.typings[target], schema)


def _changers_in(expr: nodes.Expr, typing: Typing, schema: Schema) -> Iterator[Changer]:
    for node in walk_expressions([expr]):
        if isinstance(typing.binding_of(node), Value):
            continue  # a constant, such as `Tier.basic`, which reads nothing
        match node:
            case nodes.Attr(object_, name) | nodes.Has(object_, name):
                attribute = attribute_of(typing.type_of(object_), name.name, schema)
                if attribute is not None and is_private(attribute):
                    yield attribute.by
            case nodes.Call():
                called = typing.binding_of(node)
                if isinstance(called, Definition):
                    yield from _changers_in(called.body, called.typing, schema)


def _hidden(by: Changer) -> OfferedChange:
    return OfferedChange(by, PRIVATE, "", "", "", hidden=True, gives_away=False)


def _offered(change: Change, naming_others: Collection[str]) -> OfferedChange:
    place = change.place
    path = place.text.removesuffix(" in")
    names_others = any(
        f"{one}.".startswith(f"{path}.") or f"{path}.".startswith(f"{one}.")
        for one in naming_others
    )
    return OfferedChange(
        place.by,
        PRIVATE if place.private else place.words,
        place.text,
        _in_words(place, change.before),
        _in_words(place, change.after),
        place.hidden,
        change.gives_away or names_others,
    )


def _in_words(place: Place, value: object) -> str:
    if value is ABSENT:
        return "nothing"
    if place.kind in ("attribute", "now"):
        return written(place.type, value)
    assert isinstance(value, frozenset)
    return shown_set([escaped(o) if isinstance(o, str) else shown_entity(*o) for o in value])
