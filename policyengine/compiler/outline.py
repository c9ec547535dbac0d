"""Outline the rules of a target: what must be known of them all to find the few that a request concerns.

Rules that differ only in constants have everything else in common, so one of them is lowered and the
others are only asked for their constants. Each is lowered when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.generate import are_many
from policyengine.compiler.load_rules import filed_by
from policyengine.compiler.lower import lower_rule
from policyengine.compiler.lowered import Part, Rule
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.types import TargetKey
from policyengine.runtime.directory import Outline, Places, file_rule
from policyengine.semantics.checked import CheckedRule, CheckedSet, Conjunct
from policyengine.semantics.keys import compared, constants_of
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions


class Outlined(Struct, frozen=True, eq=False):
    """The outline of rules, what is contested among them, by gate, and what lowers each."""

    outline: Outline
    contested: Mapping[str, frozenset[str]]
    lowered: Callable[[int], Rule]


class _Likeness(Struct, frozen=True, eq=False):
    """The common parts of rules that differ only in constants.

    *number*: that of the first; *keys*: the number of the condition, and the path; those *until* whose
    number may be told without asking what depends on the time; *compared*: paths as of `keys.compared`.
    *turns* and *moves* hold also where constants let simplifying leave out what depends on the time.
    """

    number: int
    rule: Rule
    until: int
    compared: frozenset[str]
    turns: bool
    moves: bool

    @classmethod
    def of(
        cls, checked: CheckedSet, number: int, rule: CheckedRule, target: TargetKey
    ) -> _Likeness:
        lowered = lower_rule(checked, rule, target)
        timed = [ir.mentions(condition, "now") for condition in lowered.conditions]
        parts = [part for duty in lowered.duties for _, part in duty.arguments]
        if lowered.refer is not None:
            parts += [part for part in lowered.refer.parts if isinstance(part, Part)]
        return cls(
            number=number,
            rule=lowered,
            until=timed.index(True) if True in timed else len(timed),
            compared=frozenset(path for path, _ in lowered.compared),
            turns=any(timed),
            moves=any(ir.mentions(part.expr, "now") for part in parts),
        )

    def filed(self, contested: frozenset[str]) -> _Filed:
        """Return by which conditions it can be told that such a rule plays no part."""
        rule = self.rule
        if (rule.effect == "permit" and rule.refer is not None) or rule.otherwise is not None:
            return _Filed({}, 0)
        keys = {
            key.number: key.path
            for key in rule.keys
            if key.number <= self.until and (rule.effect != "permit" or key.path in contested)
        }
        numbers, unseen = filed_by(rule, keys)
        return _Filed({keys[number]: number for number in numbers}, unseen)


class _Filed(Struct, frozen=True):
    """The numbers of the conditions that rules which are alike are filed by, and their paths.

    *unseen* as `filed_by` finds it. What fails is an error, and no rule may then be passed over; so of the
    rules that have those conditions in common, one is always looked at.
    """

    keys: Mapping[str, int]
    unseen: int


def _literals(conjuncts: Sequence[Conjunct]) -> tuple[object, ...]:
    """Return what may differ in conditions that are alike."""
    found: list[object] = []
    for node in walk_expressions([conjunct.expr for conjunct in conjuncts]):
        match node:
            case nodes.Literal(value=value) | nodes.EntityRef(id=value) | nodes.Like(pattern=value):
                found.append(value)
    return tuple(found)


def _deciding_literals(conjuncts: Sequence[Conjunct]) -> tuple[object, ...]:
    """Return the constants by which some of such conditions may fail for one rule and not for another.

    Whether one condition fails that compares a value with a constant is a matter of the value.
    """
    match [conjunct.expr for conjunct in conjuncts]:
        case [nodes.Like(object_)] if _is_read(object_):
            return ()
        case [nodes.Compare(_, one, nodes.Literal() | nodes.EntityRef())] if _is_read(one):
            return ()
        case _:
            return _literals(conjuncts)


def _is_read(node: nodes.Expr) -> bool:
    """Whether a value is read as it is in the request."""
    while isinstance(node, nodes.Attr):
        node = node.object
    return isinstance(node, nodes.Name)


def outline_rules(checked: CheckedSet, target: TargetKey) -> Outlined | None:
    """Return the outline of the rules of *target*; None if they are few, which are made together."""
    rules = checked.rules_for(target)
    if not are_many(rules):
        return None
    found: dict[object, _Likeness] = {}
    like: list[_Likeness] = []
    first: dict[tuple[str, str], frozenset[object]] = {}
    contested: dict[str, set[str]] = {rule.gate: set() for rule in rules}
    for number, rule in enumerate(rules):
        key = number if rule.like is None else rule.like
        likeness = found.get(key)
        if likeness is None:
            likeness = found[key] = _Likeness.of(checked, number, rule, target)
        like.append(likeness)
        known = contested[rule.gate]
        if rule.effect == "permit" and not rule.advisory and not likeness.compared <= known:
            for path, constants in compared(rule, target).items():
                if first.setdefault((rule.gate, path), constants) != constants:
                    known.add(path)
    paths = {gate: frozenset(known) for gate, known in contested.items()}
    waived = {waiver.rule for waiver in checked.waivers if target in waiver.targets}
    counting = [one for one in found.values() if not one.rule.advisory]
    always, filed = _filed(rules, like, target, paths, waived)
    return Outlined(
        Outline(
            heads=rules,
            always=always,
            filed=filed,
            keyed=_first([(key.path, one.number) for one in counting for key in one.rule.keys]),
            contested={
                gate: _first(
                    [
                        (key.path, one.number)
                        for one in counting
                        if (one.rule.gate, one.rule.effect) == (gate, "permit")
                        for key in one.rule.keys
                        if key.path in known
                    ]
                )
                for gate, known in paths.items()
            },
            says_why=any(one.rule.effect == "permit" and one.rule.because for one in counting),
            waivable=[n for n, r in enumerate(rules) if r.id in waived and not r.advisory],
            turning=any(one.turns for one in counting),
            moving=any(one.moves for one in counting),
            times_hidden=any(one.rule.times_hidden for one in found.values()),
        ),
        paths,
        lambda number: simplify_rule(lower_rule(checked, rules[number], target)),
    )


def _first(found: Sequence[tuple[str, int]]) -> dict[str, int]:
    return dict(reversed(found))


def _filed(
    rules: Sequence[CheckedRule],
    like: Sequence[_Likeness],
    target: TargetKey,
    contested: Mapping[str, frozenset[str]],
    waived: set[str],
) -> tuple[list[int], Places]:
    """Return the numbers of the rules that are always looked at, and of the others by their constants."""
    always: list[int] = []
    filed: Places = {}
    by = {one.number: one.filed(contested[one.rule.gate]) for one in like}
    seen: set[tuple[object, ...]] = set()
    for number, (rule, one) in enumerate(zip(rules, like, strict=True)):
        if rule.advisory:
            continue
        asked: dict[str, frozenset[object]] = {}
        found = by[one.number]
        common = one.number, *_deciding_literals(rule.conjuncts[: found.unseen])
        if found.unseen and common not in seen:
            if not (rule.is_dated or rule.id in waived):  # which may not show that it fails
                seen.add(common)
        elif rule.id not in waived and not (rule.is_dated and rule.effect == "permit"):
            typing, conjuncts = rule.typings[target], rule.conjuncts
            asked = {p: constants_of(conjuncts[n], typing) for p, n in found.keys.items()}
        file_rule(number, asked, always, filed)
    return always, filed
