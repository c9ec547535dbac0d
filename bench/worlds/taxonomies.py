"""Make a world of a taxonomy and rules about its terms, and a walk up the tree by hand."""

from __future__ import annotations

from random import Random
from typing import Any

from bench.rules import Check, Parts, Plain, Rule, World, build_plain, in_files
from policyengine import PolicyEngine

_SEED = 20_261_128
_ACTIONS = ("read", "search", "export", "write")
_RULES_OF_A_TERM = 10
_CHILDREN = 4


def make(size: int, count: int) -> World:
    """Return the world of *size* rules over a tenth as many terms, with *count* requests."""
    rng = Random(_SEED)
    terms = max(10, size // _RULES_OF_A_TERM)
    plans = max(2, size // 20)
    approved: set[tuple[str, str, int]] = set()
    rules = []
    for number in range(size):
        action, plan, term = (
            rng.choice(_ACTIONS),
            f"plan{rng.randrange(plans)}",
            rng.randrange(terms),
        )
        approved.add((action, plan, term))
        tests = Check("==", "subject.plan", plan), Check("has", "context.line", f"t{term}")
        rules.append(Rule(f"r{number}", True, (action,), tests))

    def by_hand(request: Plain) -> bool:
        action, plan = request["action"], request["subject"]["plan"]
        term = request["context"]["number"]
        while term is not None:
            if (action, plan, term) in approved:
                return True
            term = _above(term)
        return False

    return World(
        policies=in_files(_vocabulary(terms), rules, {"context.line": "context.purpose within {}"}),
        rules=tuple(rules),
        requests=[_request(rng, terms, plans, rules, number) for number in range(count)],
        by_hand=by_hand,
        build=build,
    )


def _above(term: int) -> int | None:
    """Return the term above, None of the first: terms are numbered level by level."""
    return (term - 1) // _CHILDREN if term else None


def _line(term: int) -> frozenset[str]:
    above = _above(term)
    return frozenset({f"t{term}"}) | (frozenset() if above is None else _line(above))


def _vocabulary(terms: int) -> str:
    def tree(term: int) -> str:
        first = term * _CHILDREN + 1
        below = [tree(t) for t in range(first, min(first + _CHILDREN, terms))]
        return f"t{term} {{ {' '.join(below)} }}" if below else f"t{term}"

    return f"""package taxonomies
taxonomy Purpose {{ {tree(0)} }}
entity App {{ plan: string }}
entity Item {{ kind: string }}
action {", ".join(_ACTIONS)} by App on Item with {{ purpose: Purpose }}"""


def _request(rng: Random, terms: int, plans: int, rules: list[Rule], number: int) -> Plain:
    """Return a request: every other one about a term that a rule is about, or one below it."""
    action, plan, term = rng.choice(_ACTIONS), f"plan{rng.randrange(plans)}", rng.randrange(terms)
    if number % 2:
        rule = rng.choice(rules)
        action, plan, term = rule.actions[0], rule.tests[0].value, int(rule.tests[1].value[1:])
        while rng.random() < 0.7 and term * _CHILDREN + 1 < terms:
            term = min(term * _CHILDREN + rng.randint(1, _CHILDREN), terms - 1)
    context: dict[str, Any] = {"purpose": f"t{term}", "number": term, "line": _line(term)}
    return {
        "subject": {"id": f"app{rng.randrange(10_000)}", "plan": plan},
        "action": action,
        "resource": {"id": f"item{number}", "kind": "post"},
        "context": context,
    }


def build(engine: PolicyEngine, request: Plain) -> Parts:
    """Return the request of parts that were built before; the taxonomy knows what lies where."""
    purpose = {"purpose": request["context"]["purpose"]}
    return build_plain(engine, {**request, "context": purpose}, "App", "Item")
