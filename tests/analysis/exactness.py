"""Compare what lint, explain and prove claim of all requests with each request of small vocabularies.

`python -m tests.analysis.exactness --requests 10000` goes on until that many denied requests were
explained, of a vocabulary without references and of others of every kind of type, and prints how many
claims were compared; `make exact` is short for it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from random import Random
from unittest.mock import patch

from attrs import frozen

from policyengine.analysis import questions
from policyengine.analysis.budget import Budget
from policyengine.analysis.constants import walk_conditions
from policyengine.analysis.places import changed
from policyengine.analysis.questions import conditions_in
from policyengine.analysis.remedies import remedies
from policyengine.analysis.search import holds
from policyengine.lint.linter import EVERYTHING, examine, lint
from policyengine.lint.rules.trivial_level_comparison import is_trivial
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes
from policyengine.syntax.node import walk
from tests.analysis.near_requests import hold_near
from tests.analysis.small_invariants import hold_in_world, hold_invariants
from tests.analysis.small_world import (
    ACTIONS,
    ATOMS,
    ROUGH,
    checked_of,
    some_condition,
    validated_requests,
)
from tests.analysis.worlds import TEXTS, WORLDS

PLACES = (
    "subject.tier", "subject.status", "subject.uses", "subject.age", "resource.hidden", "resource.tag",
)  # fmt: skip

_LAXER = EVERYTHING.narrowed(["laxer-limit"], ())
_BACKTICKED = re.compile(r"`(\w+)`(?:, |$)")

FINDINGS = ("PE401", "PE402", "PE403", "PE404", "PE405", "PE406", "PE423")
"""The findings that are about all requests."""


# ---- what would allow -------------------------------------------------------------------


def some_rules(rng: Random, atoms: Sequence[str] = ATOMS) -> str:
    target = rng.choice(("any", "any", "any except write"))
    text = f"permit p: {target} when {some_condition(rng, atoms=atoms)}\n"
    if rng.random() < 0.5:
        text += f"permit q: any when {some_condition(rng, atoms=atoms)}\n"
    if rng.random() < 0.6:
        text += f'forbid f: any when {some_condition(rng, atoms=atoms)} because "f"\n'
    if rng.random() < 0.3:
        range_ = rng.choice(ACTIONS)
        other = f"permit o: any when {some_condition(rng, 1, atoms)}"
        text = f'gate g "?"\ngate h "?" for {range_}\ngate g {{ {text} }}\ngate h {{ {other} }}\n'
    return text


def features(request: ValidRequest) -> tuple[object, ...]:
    subject = request.subject
    return (
        subject.v_tier, subject.v_status, subject.v_uses, subject.v_age, request.resource.v_hidden,
        request.resource.v_tag,
    )  # fmt: skip


def differing(one: tuple[object, ...], other: tuple[object, ...]) -> frozenset[str]:
    return frozenset(p for p, a, b in zip(PLACES, one, other, strict=True) if a != b)


def hold_remedies(
    requests: Sequence[ValidRequest], seed: int, most: int = 8, *, rough: bool = False
) -> Counter[str]:
    """Explain some denied requests: the places offered are just those at which some value allows.

    Alone or, where no place alone does, two together; returns how many requests had which. *rough*:
    whether the rules may do what cannot be tried out; what is offered must allow all the same.
    """
    rng = Random(seed)
    text = some_rules(rng, ATOMS + ROUGH * rough)
    checked = checked_of(text)
    allowed = {features(r) for r in requests if interpreter.decide(checked, r).allowed}
    denied = [r for r in requests if features(r) not in allowed]
    seen: Counter[str] = Counter()
    for request in rng.sample(denied, min(most, len(denied))):
        here = features(request)
        sets = {differing(here, other) for other in allowed}
        alone = {one for one in sets if len(one) == 1}
        pairs = {one for one in sets if len(one) == 2}
        offered = remedies(checked, request)
        for remedy in offered:
            after = changed(request, tuple((c.place, c.after) for c in remedy.changes))
            assert interpreter.decide(checked, after).allowed, text
            assert all(c.before != c.after for c in remedy.changes)
        places = {frozenset(c.place.text for c in remedy.changes) for remedy in offered}
        assert rough or places == (alone or pairs), (text, here)
        seen["one" if alone else "two" if pairs else "none"] += 1
        seen["changes"] += len(offered)
    return seen


# ---- findings ---------------------------------------------------------------------------


def some_set(rng: Random, atoms: Sequence[str] = ATOMS) -> str:
    """Return a few rules that are likely to get in one another's way."""
    shared = [some_condition(rng, 1, atoms), "subject has age and subject.age < 18"]
    text = ""
    for name in "pqrs"[: rng.choice((1, 2, 3, 3, 4))]:
        effect = rng.choice(("permit", "permit", "forbid"))
        target = rng.choice(("any", "any", "any", *ACTIONS, "any except read", "any except write"))
        condition = rng.choice((*shared, *shared, some_condition(rng, 2, atoms)))
        if rng.random() < 0.4:
            more = rng.choice((*shared, some_condition(rng, 1, atoms)))
            condition += f" {rng.choice(('and', 'or'))} {more}"
        if rng.random() < 0.2:
            condition += f' and action.name == "{rng.choice(ACTIONS)}"'
        because = ' because "x"' if effect == "forbid" else ""
        text += f"{effect} {name}: {target} when {condition}{because}\n"
    return text


def _asked(rule: CheckedRule) -> list[nodes.Has]:
    return [node for node, _ in walk_conditions(rule) if isinstance(node, nodes.Has)]


def _reads_age(rule: CheckedRule) -> bool:
    """Whether a rule reads the one optional attribute, besides asking for it."""
    read = (node for node, _ in walk_conditions(rule) if isinstance(node, nodes.Attr))
    return any(node.name.name == "age" for node in read)


@frozen(eq=False)
class _Enumerated:
    """What rules say of each action and request, by asking for all."""

    checked: CheckedSet
    held: dict[str, frozenset[tuple[str, int]]]
    taken: dict[int, set[object]]
    needed: dict[tuple[str, int], bool]
    """For each rule that holds somewhere, and each `has` in it: whether it holds only where that is true."""

    @classmethod
    def of(cls, checked: CheckedSet, requests: dict[str, Sequence[ValidRequest]]) -> _Enumerated:
        made = cls(checked, {}, {}, {})
        for rule in checked.rules:
            held = set()
            asked = _asked(rule)
            for action, _, _ in rule.typings:
                for number, request in enumerate(requests[action]):
                    seen: dict[int, set[object]] = {}

                    def trace(expr: nodes.Expr, value: object, seen=seen) -> None:
                        seen.setdefault(id(expr), set()).add(value)

                    if holds(rule, Env(request, checked.schema, trace=trace)):
                        held.add((action, number))
                        for node in asked:
                            is_so = True in seen.get(id(node), ())
                            mark = rule.id, id(node)
                            made.needed[mark] = made.needed.get(mark, True) and is_so
                    for mark, values in seen.items():
                        made.taken.setdefault(mark, set()).update(values)
            made.held[rule.id] = frozenset(held)
        return made

    def expected(self) -> set[tuple[str, object]]:
        """Return the findings there must be: codes with what they are about."""
        rules, held = self.checked.rules, self.held
        found: set[tuple[str, object]] = {("PE401", r.id) for r in rules if not held[r.id]}
        forbidden = frozenset().union(*(held[r.id] for r in rules if r.effect == "forbid"))
        for rule in rules:
            if not held[rule.id]:
                continue
            found |= {("PE402", expr.span.start) for expr in self._constant(rule)}
            if rule.effect == "permit" and held[rule.id] <= forbidden:
                found.add(("PE403", rule.id))
            if rule.effect == "forbid" and _reads_age(rule):
                needed = (node for node in _asked(rule) if self.needed.get((rule.id, id(node))))
                found |= {("PE423", node.span.start) for node in needed}
        found |= {("PE406", action) for action in ACTIONS if self._is_shut(action)}
        return found | self._told_by_another()

    def is_so(self, code: str, about: object) -> bool:
        """Whether one finding agrees with every request."""
        held, rules = self.held, self.checked.rules
        others = {rule.id: rule for rule in rules if rule.id != about}
        match code:
            case "PE401":
                return not held[str(about)]
            case "PE402":
                operands = (o for r in rules for c in r.conjuncts for o in conditions_in(c.expr))
                there = [o for o in operands if o.span.start == about]
                return any(len(self.taken.get(id(operand), ())) < 2 for operand in there)
            case "PE403" | "PE404":
                effect = "forbid" if code == "PE403" else "permit"
                covering = (held[id_] for id_, rule in others.items() if rule.effect == effect)
                return held[str(about)] <= frozenset().union(*covering)
            case "PE405":
                return any(held[id_] == held[str(about)] for id_ in others)
            case "PE406":
                return not any(
                    action == about
                    for rule in rules
                    if rule.effect == "permit"
                    for action, _ in held[rule.id]
                )
            case "PE423":
                asked = ((rule.id, node) for rule in rules for node in _asked(rule))
                there = [(id_, id(node)) for id_, node in asked if node.span.start == about]
                return any(self.needed.get(mark, True) for mark in there)
        raise AssertionError(code)

    def _constant(self, rule: CheckedRule) -> list[nodes.Expr]:
        found, inside = [], set()
        typing = next(iter(rule.typings.values()))
        for conjunct in rule.conjuncts:
            for operand in conditions_in(conjunct.expr):
                if id(operand) in inside or len(self.taken.get(id(operand), ())) != 1:
                    continue
                inside |= {id(part) for part in walk(operand)}
                if not is_trivial(operand, typing):
                    found.append(operand)
        return found

    def _is_shut(self, action: str) -> bool:
        permits = [
            rule
            for rule in self.checked.rules
            if rule.effect == "permit" and action in {target[0] for target in rule.typings}
        ]
        if any(action == of for rule in permits for of, _ in self.held[rule.id]):
            return False
        return any(self.held[r.id] for r in permits)  # without a permit, the checker says so

    def _told_by_another(self) -> set[tuple[str, object]]:
        """Return duplicates, and what is superfluous of the rest, from the last on."""
        found: set[tuple[str, object]] = set()
        kept: list[CheckedRule] = []
        for rule in self.checked.rules:
            same = any(
                (rule.effect, rule.typings.keys()) == (other.effect, other.typings.keys())
                and self.held[rule.id] == self.held[other.id]
                and (self.held[rule.id] or rule.conjuncts == other.conjuncts)
                for other in kept
            )
            if same:
                found.add(("PE405", rule.id))
            else:
                kept.append(rule)
        stricter = self._stricter()
        left = [rule for rule in kept if rule.effect == "permit" and rule.id not in stricter]
        for rule in reversed(tuple(left)):
            others = [self.held[other.id] for other in left if other is not rule]
            if self.held[rule.id] and self.held[rule.id] <= frozenset().union(*others):
                found.add(("PE404", rule.id))
                left.remove(rule)
        return found

    def _stricter(self) -> set[str]:
        """Return the permits with a stricter limit, each of which some other must cover."""
        limits = {d.span for d in lint(self.checked, _LAXER).items}
        found = {
            rule.id
            for rule in self.checked.rules
            if any(node.span in limits for c in rule.conjuncts for node in walk(c.expr))
        }
        for id_ in found:
            assert any(
                self.held[id_] <= self.held[other.id]
                for other in self.checked.rules
                if other.id != id_ and other.effect == "permit"
            )
        return found


def hold_findings(
    requests: dict[str, Sequence[ValidRequest]], seed: int, *, rough: bool = False
) -> Counter[str]:
    """Hold the findings about all requests to what asking for each of them says, both ways.

    *rough*: whether the rules may do what cannot be tried out; then those that are made must be so.
    """
    text = some_set(Random(seed), ATOMS + ROUGH * rough)
    checked = checked_of(text)
    names = {rule.node.name.span: rule.id for rule in checked.rules}
    actions = {
        name.span: name.name
        for file in checked.files
        for declaration in file.declarations
        if isinstance(declaration, nodes.ActionDecl)
        for name in declaration.names
    }
    enumerated = _Enumerated.of(checked, requests)
    codes: Counter[str] = Counter()
    expected = set() if rough else enumerated.expected()
    for few in (questions._FEW, 0):  # with few rules, and as if they were many
        with patch.object(questions, "_FEW", few):
            linted = examine(checked, now=0, budget=Budget())
        assert not linted.gave_up
        found = {
            (d.code, about)
            for d in linted.found.items
            if d.code in FINDINGS
            for about in (
                (": " in d.message and _BACKTICKED.findall(d.message.rpartition(": ")[2]))
                or [names.get(d.span) or actions.get(d.span) or d.span.start]
            )
        }
        codes.update(code for code, _ in found)
        if rough:
            untrue = {one for one in found if not enumerated.is_so(*one)}
            assert not untrue, (text, untrue)
        else:
            assert found == expected, (text, found - expected, expected - found)
    return codes


def main() -> int:
    """Compare until enough requests were explained; as many policy sets are linted on the way."""
    parser = argparse.ArgumentParser(prog="python -m tests.analysis.exactness", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="denied requests to explain")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    requests = {action: validated_requests(action) for action in ACTIONS}
    explained: Counter[str] = Counter()
    found: Counter[str] = Counter()
    invariants: Counter[str] = Counter()
    seed = options.seed
    while explained["one"] + explained["two"] + explained["none"] < options.requests:
        try:
            world = WORLDS[seed % len(WORLDS)]
            near = hold_near(world, seed)
            explained += Counter({sort: near[sort] for sort in ("one", "two", "none", "changes")})
            explained += hold_remedies(requests[ACTIONS[0]], seed)
            found += hold_findings(requests, seed)
            hold_remedies(requests[ACTIONS[0]], seed, rough=True)
            hold_findings(requests, seed, rough=True)
            invariants += hold_invariants(requests, seed)
            invariants += hold_invariants(requests, seed, rough=True)
            invariants += hold_in_world(TEXTS, seed)
            if not world.fields:
                invariants += hold_in_world(world, seed)
        except AssertionError as problem:
            sys.stdout.write(f"seed {seed}: {problem}\n")
            return 1
        seed += 1
    sys.stdout.write(
        f"{seed - options.seed:,} policy sets: what would allow compared for "
        f"{options.requests:,} denied requests ({dict(explained)}), findings {dict(found)}, "
        f"invariants {dict(invariants)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
