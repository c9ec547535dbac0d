"""Measure what tests exercise: rules, their conditions, and each operand on its own (MC/DC).

The reference interpreter evaluates every rule for every request of every test, and its evaluations are
recorded. An *operand* is a part of a condition, joined by `and`, `or`, `not` and `if`. A rule is covered when it
was satisfied by its conditions; an operand when it was true and when it was false; and it is *shown to
decide* when two evaluations differ in it and in the outcome, and in no other operand: what was not
evaluated, since an earlier operand settled the matter, counts as not different. (This is MC/DC as
RTCA DO-178C asks it, in the form that DO-248C calls masking with short-circuit operators.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from attrs import define, evolve, field, frozen

from policyengine.analysis.questions import conditions_in
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.model.types import BOOL
from policyengine.reference.evaluation import Env, evaluate
from policyengine.semantics.checked import (
    CheckedRule,
    CheckedSet,
    Definition,
    Typing,
    Value,
)
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children
from policyengine.testing.requests_of_tests import requests_of

Measure: TypeAlias = Literal["rules", "conditions", "mcdc"]

MEASURES: tuple[Measure, ...] = ("rules", "conditions", "mcdc")


@frozen
class OperandCoverage:
    """One operand: its span, and the titles of the tests in which it was true, and false.

    *decides*: whether it was shown to decide the outcome on its own.
    """

    span: Span
    text: str
    true_in: tuple[str, ...]
    false_in: tuple[str, ...]
    decides: bool


@frozen
class Covered:
    """The coverage of one rule or definition.

    *kind*: `permit`, `forbid`, `expose` or `define`; *satisfied_in* the titles of the tests in which
    a rule was satisfied by its conditions, *failed_in* those in which it was not.
    """

    name: str
    kind: str
    span: Span
    satisfied_in: tuple[str, ...]
    failed_in: tuple[str, ...]
    operands: tuple[OperandCoverage, ...]

    @property
    def is_rule(self) -> bool:
        """Whether it is a rule, and not a definition."""
        return self.kind != "define"

    def share(self, measure: Measure) -> tuple[int, int]:
        """Return how many are covered, of how many."""
        match measure:
            case "rules":
                return (bool(self.satisfied_in), 1) if self.is_rule else (0, 0)
            case "conditions":
                both = sum(bool(o.true_in and o.false_in) for o in self.operands)
                return both, len(self.operands)
            case "mcdc":
                return sum(o.decides for o in self.operands), len(self.operands)


@frozen
class Coverage:
    """The coverage of every rule that counts, and of every definition that they use."""

    items: tuple[Covered, ...]
    sources: Mapping[str, Source] = field(repr=False)

    def share(self, measure: Measure) -> tuple[int, int]:
        """Return how many are covered, of how many."""
        shares = [item.share(measure) for item in self.items]
        return sum(covered for covered, _ in shares), sum(of for _, of in shares)

    def percent(self, measure: Measure) -> float:
        """Return the covered part in percent; 100 where there is nothing to cover."""
        covered, of = self.share(measure)
        return 100 * covered / of if of else 100.0


def measure(
    checked: CheckedSet, *, limits: Limits | None = None, now: int | None = None
) -> Coverage:
    """Measure the coverage of a set by its tests; *now* is the time of those without `at`."""
    watched = _watched(checked)
    for asked in requests_of(checked, limits=limits, now=now):
        env = Env(asked.request, checked.schema)
        for rule in checked.rules_for(env.target):
            if not rule.advisory and rule.in_force(asked.request.now):
                watched[id(rule)].watch_rule(rule, env, asked.title, watched)
    items = [one.covered(checked.sources) for one in watched.values()]
    items.sort(key=lambda item: (item.span.file, item.span.start))
    return Coverage(tuple(items), checked.sources)


def _watched(checked: CheckedSet) -> dict[int, _Watched]:
    """Return the rules, by identity, and the definitions, by that of their bodies, to be measured."""
    found: dict[int, _Watched] = {}
    for rule in checked.rules:
        if not rule.advisory:
            typing = next(iter(rule.typings.values()))
            operands = [o for c in rule.conjuncts for o in operands_of(c.expr, typing)]
            found[id(rule)] = _Watched(rule.id, rule.effect, rule.node.name.span, operands)
            for definition in _definitions((c.expr for c in rule.conjuncts), typing):
                found.setdefault(
                    id(definition.body),
                    _Watched(
                        definition.name,
                        "define",
                        definition.body.span,
                        operands_of(definition.body, definition.typing),
                    ),
                )
    return found


def _definitions(exprs: Iterable[nodes.Expr], typing: Typing) -> Iterator[Definition]:
    for expr in exprs:
        binding = typing.binding_of(expr)
        if isinstance(binding, Definition):
            yield binding
            yield from _definitions([binding.body], binding.typing)
        if not isinstance(binding, Value):
            yield from _definitions(children(expr), typing)


def operands_of(expr: nodes.Expr, typing: Typing) -> list[nodes.Expr]:
    """Return the operands of *expr* under `and`, `or`, `not` and `if`, without constants."""
    return [
        part
        for part in conditions_in(expr)
        if not isinstance(part, nodes.And | nodes.Or | nodes.If)
        and not (isinstance(part, nodes.Not) and not part.infix)
        and typing.types.get(id(part)) == BOOL
        and not isinstance(typing.binding_of(part), Value)
    ]


_Vector: TypeAlias = tuple[bool | None, ...]


@define
class _Watched:
    """Records the evaluations of one rule or definition."""

    name: str
    kind: str
    span: Span
    operands: list[nodes.Expr]
    seen: dict[int, bool] = field(factory=dict)
    ways: dict[tuple[_Vector, object], dict[str, None]] = field(factory=dict)
    satisfied_in: dict[str, None] = field(factory=dict)
    failed_in: dict[str, None] = field(factory=dict)

    def watch_rule(
        self, rule: CheckedRule, env: Env, title: str, watched: Mapping[int, _Watched]
    ) -> None:
        """Evaluate the conditions of *rule* for the request of a test."""
        mine = {id(operand) for operand in self.operands}
        elsewhere = {
            id(operand): one
            for one in watched.values()
            if one.kind == "define"
            for operand in one.operands
        }

        def see(expr: nodes.Expr, value: object) -> None:
            key = id(expr)
            if key in mine:
                self.seen[key] = bool(value)
            if key in elsewhere:
                elsewhere[key].seen[key] = bool(value)
            if key in watched:
                watched[key].end(value, title)

        watching = evolve(env, trace=see)
        typing = rule.typings[env.target]
        holds = True
        try:
            for conjunct in rule.conjuncts:
                if bool(evaluate(conjunct.expr, typing, watching)) != conjunct.wanted:
                    holds = False
                    break
        except Exception:  # noqa: BLE001 - what comes of a rule that fails is none of coverage
            self.seen.clear()
            return
        self.end(holds, title)
        (self.satisfied_in if holds else self.failed_in)[title] = None

    def end(self, outcome: object, title: str) -> None:
        """Note one evaluation: the operands that were evaluated, and the result."""
        vector = tuple(self.seen.get(id(operand)) for operand in self.operands)
        self.ways.setdefault((vector, outcome), {})[title] = None
        self.seen.clear()

    def covered(self, sources: Mapping[str, Source]) -> Covered:
        """Return the coverage."""
        operands = []
        for i, operand in enumerate(self.operands):
            span = operand.span
            text = sources[span.file].on_one_line(span)
            true_in, false_in = (
                tuple(
                    dict.fromkeys(
                        title
                        for (vector, _), titles in self.ways.items()
                        if vector[i] is value
                        for title in titles
                    )
                )
                for value in (True, False)
            )
            operands.append(OperandCoverage(span, text, true_in, false_in, self._decides(i)))
        return Covered(
            self.name, self.kind, self.span, tuple(self.satisfied_in), tuple(self.failed_in),
            tuple(operands),
        )  # fmt: skip

    def _decides(self, i: int) -> bool:
        """Whether two evaluations differ in operand *i* and the outcome, and in no other operand."""
        true = [(vector, outcome) for vector, outcome in self.ways if vector[i] is True]
        false = [(vector, outcome) for vector, outcome in self.ways if vector[i] is False]
        return any(
            outcome != other_outcome and _agree(vector, other, but=i)
            for vector, outcome in true
            for other, other_outcome in false
        )


def _agree(one: _Vector, other: _Vector, *, but: int) -> bool:
    return all(
        a is b or a is None or b is None
        for i, (a, b) in enumerate(zip(one, other, strict=True))
        if i != but
    )
