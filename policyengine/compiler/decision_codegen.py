"""Write the functions that decide about a target.

`decide` denies at the first forbid that is satisfied and at the first gate that is shut, else it allows,
with what the satisfied rules give, a bit each. Any order will do, since the cause of a deny is worked out
when it is read; so rules that deny often for little work come first. What is left out cannot open
anything: a forbid that fails denies, and a permit that fails is not satisfied anyway. Rules that ask
whether one value is among those they know become one question, and permits that cannot hold are left out.
`judge` evaluates every rule, for the details of decisions; two shorter functions, only what reasons depend on.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, count
from typing import Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.dependencies import Dependencies, owed_parts
from policyengine.compiler.dispatch import dispatched
from policyengine.compiler.emitter import PARTS, Emitter, Module
from policyengine.compiler.facts import Facts
from policyengine.compiler.index import indexed
from policyengine.compiler.lowered import Rule
from policyengine.compiler.provenance import with_known_by_part
from policyengine.compiler.python_nodes import (
    assign,
    attribute,
    call,
    compare,
    conjunction,
    disjunction,
    name,
    negated,
)
from policyengine.compiler.shapes import LEAST
from policyengine.compiler.shares import Shares, counted
from policyengine.compiler.simplify import FALSE, TRUE, fold_conditions, joined, question
from policyengine.model.rules import Effect, WaivedEntity
from policyengine.model.types import DATETIME, EntityRefType, TargetGates, TargetKey

DECIDE: Final = "decide"
TAKE: Final = "take"
"""The parameter of `decide` that decides requests which must be read or put together first."""
JUDGE: Final = "judge"
GROUNDS: Final = ("grounds_of_deny", "grounds_of_allow")
_DOCSTRINGS: Final = {
    JUDGE: "Return a bit for each rule whose conditions hold, in their order, then for each key that does.",
    GROUNDS[0]: "Return bits of what the reason of a deny depends on.",
    GROUNDS[1]: "Return bits of what the reason of an allow depends on.",
}
_NOW: Final = ir.Root("now")
GIVEN: Final = "given"
"""The variable that collects the bits."""

_WORK: Final[Mapping[type[ir.Expr], int]] = {
    ir.Entity: 3, ir.Lookup: 3, ir.Overlaps: 5, ir.AllIn: 5, ir.Operation: 10, ir.Found: 10, ir.Dispatch: 20, ir.Quantified: 40,
}  # fmt: skip
"""How long parts of a condition take, about, where the reading of an attribute takes 1."""

_FEWEST_TOGETHER: Final = 3
"""Fewer questions about one value are asked one by one."""

_MOST_DOCUMENTED: Final = 16
"""Bits of which the docstring says which rule they are for."""

_AS_OFTEN: Final = 4
"""How many times as often a gate is shut as a forbid is satisfied, about."""


class _Alternatives(Struct, eq=False):
    """Rules of which it matters only whether some one is satisfied, combined; *first* is one."""

    first: Rule
    rules: list[Rule]

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> _Alternatives:
        """Combine *rules*."""
        return cls(rules[0], _combined(rules))


class DecisionWriter(Struct, eq=False):
    """Writes the function for *target*, of the *rules* that count and the *gates* that apply.

    *reached*: what decisions depend on beyond the parts of a request; *asked*: the parts whose classes
    are checked if they were not validated before. *giving*: the rules that have a bit, in the order of the
    bits; those that give the same have one between them.
    """

    target: TargetKey
    rules: Sequence[Rule]
    gates: TargetGates
    reached: Dependencies
    asked: Sequence[str] = PARTS
    giving: list[Rule] = field(default_factory=list)
    _forbids: list[Rule] = field(default_factory=list)
    _permits: dict[str, list[_Alternatives]] = field(default_factory=dict)
    _exposes: dict[str, list[_Alternatives]] = field(default_factory=dict)
    _looking_up: dict[str, list[Rule]] = field(default_factory=dict)
    _bits: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules = [replace(rule, conditions=_all_conditions(rule)) for rule in self.rules]
        self._forbids = _combined(self._of("forbid"))
        for gate in self.gates.names:
            permits, exposes = self._of("permit", gate), self._of("expose", gate)
            if self._gives(gate):
                self._split(gate, _by_what_they_give(permits), _by_what_they_give(exposes))
            else:
                self._permits[gate] = [_Alternatives.of(permits)] if permits else []

    def _split(
        self, gate: str, permits: Sequence[list[Rule]], exposes: Sequence[list[Rule]]
    ) -> None:
        """Give those that give the same a bit, and look up which hold where that is worth it."""
        groups = [*permits, *exposes]
        for group in groups:
            self._bits[group[0].id] = 1 << len(self.giving)
            self.giving.append(group[0])
        rules = [rule for group in groups for rule in group]
        if len(groups) >= LEAST:
            marks = {rule.id: self._bits[group[0].id] for group in groups for rule in group}
            self._looking_up[gate], rules = dispatched(rules, marks)
        left = {rule.id for rule in rules}

        def classes(given: Iterable[list[Rule]]) -> list[_Alternatives]:
            return [_Alternatives(g[0], _combined(r for r in g if r.id in left)) for g in given]

        self._permits[gate], self._exposes[gate] = classes(permits), classes(exposes)

    def write(self, module: Module) -> None:
        """Add the function: in a first run, to see what is shared, to a module of no account."""
        classes = [*self._permits.values(), *self._exposes.values()]
        tested = self._forbids + [r for gate in classes for c in gate for r in c.rules]
        tested += [rule for rules in self._looking_up.values() for rule in rules]
        shares = Shares(counted(c for rule in tested for c in rule.conditions))
        _, subject, resource = self.target
        types = {"subject": subject, "resource": resource}
        by_part = types if self.reached.follows else None
        self._body(Emitter(Module(), DECIDE, shares, careful=False, by_part=by_part))
        giving = self.giving[:_MOST_DOCUMENTED]
        bits = ", ".join(f"{self._bits[rule.id]} for {rule.id}" for rule in giving)
        bits += " and so on" if len(self.giving) > _MOST_DOCUMENTED else ""
        says = "Return the decision" + (f"; an allow gives {bits}." if bits else ".")
        body = self._body(Emitter(module, DECIDE, shares.again(), careful=False, by_part=by_part))
        module.function(
            DECIDE,
            says,
            self._checks() + (with_known_by_part(body) if by_part else body),
            optional=(TAKE,),
        )

    def _of(self, effect: Effect, gate: str | None = None) -> list[Rule]:
        """Return the rules of that effect that may be satisfied; a forbid may at least fail."""
        return [
            rule
            for rule in self.rules
            if rule.effect == effect and gate in (None, rule.gate)
            if effect == "forbid" or FALSE not in rule.conditions
        ]

    def _gives(self, gate: str) -> bool:
        """Whether it matters which rules of *gate* are satisfied, beyond that it is open."""
        rules = self._of("permit", gate) + self._of("expose", gate)
        return gate in (self.gates.fields or ()) or any(rule.duties for rule in rules)

    def _body(self, emitter: Emitter) -> list[ast.stmt]:
        """Return the statements; what denies comes in the order of what it takes."""
        denials: list[tuple[str, list[ast.expr]]] = []
        denying, facts = self._denying(), Facts()
        for step in denying:
            is_gate = not isinstance(step, Rule)
            asked = self._opens(step) if isinstance(step, str) else ir.And(tuple(step.conditions))
            left = facts.left_of(asked)
            test = _emitted(left, emitter)
            facts.assume(left, holds=is_gate)
            test = negated(test) if is_gate else test
            cause = "not_permitted" if is_gate else "forbidden"
            if _is(test, True):
                return [*self._denials(denials), self._answer(False, name(cause))]
            if not _is(test, False):
                if not denials or denials[-1][0] != cause:
                    denials.append((cause, []))
                denials[-1][1].append(test)
        body = self._denials(denials)
        sure, collected = 0, list[ast.stmt]()
        for gate in sorted(set(self.gates.names).difference(denying), key=self._gate_work):
            bits = sum(self._bits[c.first.id] for c in self._permits[gate])
            certain, steps = self._collect(gate, emitter, facts)
            sure, collected = sure | certain, [*collected, *steps]
            if not certain & bits:
                opened = ast.BinOp(name(GIVEN), ast.BitAnd(), ast.Constant(bits))
                collected.append(
                    ast.If(negated(opened), [self._answer(False, name("not_permitted"))], [])
                )
        if self.giving:
            body += [assign(GIVEN, ast.Constant(sure)), *collected]
        owing = sum(
            self._bits[rule.id]
            for rule in self.giving
            if any(not duty.is_known for duty in rule.duties)
        )
        if owing:
            owes = ast.BinOp(name(GIVEN), ast.BitAnd(), ast.Constant(owing))
            computed = ast.Return(call("allow", name(GIVEN), *self._kept()))
            body.append(ast.If(owes, [computed], []))
        if self.giving:
            answer: ast.expr = ast.Subscript(name("answers"), name(GIVEN), ast.Load())
        else:
            answer = name("permitted")
        return [*body, self._answer(True, answer)]

    def _denials(self, denials: Iterable[tuple[str, Sequence[ast.expr]]]) -> list[ast.stmt]:
        """Return the statements that deny where a test holds; tests in a row with one cause have one: less code is quicker."""
        return [
            ast.If(disjunction(tests), [self._answer(False, name(cause))], [])
            for cause, tests in denials
        ]

    def _denying(self) -> list[Rule | str]:
        """Return the forbids, and the gates of which it matters only whether they open."""
        gates = [
            gate for gate in self.gates.names if not self._gives(gate) or not self._permits[gate]
        ]
        steps: list[Rule | str] = [*gates, *self._forbids]
        return sorted(
            steps,
            key=lambda step: (
                _work(step) if isinstance(step, Rule) else self._gate_work(step) / _AS_OFTEN
            ),
        )

    def _answer(self, allowed: bool, answer: ast.expr) -> ast.stmt:  # noqa: FBT001 - as `Decision`
        """Return the statement that returns a decision; it computes no details."""
        return ast.Return(call("Decision", ast.Constant(allowed), answer, *self._kept()))

    def _kept(self) -> list[ast.expr]:
        """Return what a decision keeps of the request, for its details."""
        parts: list[ast.expr] = list(map(name, PARTS))
        if self.reached.follows:
            return [*parts, ast.Tuple([name("now"), name("entities")], ast.Load())]
        # None is said, since what is left out takes longer to be filled in.
        return [*parts, name("now") if self.reached.timed else ast.Constant(None)]

    def _checks(self) -> list[ast.stmt]:
        """Return the check of a request whose entities were not put together.

        Built parts that have all that rules read are decided at once; where rules follow to other
        entities, and for any other parts, `take` decides. Time is now, if not given. The subject is
        not among the parts that are *asked* if it is known to fit.
        """
        take = ast.Return(call(TAKE, *map(name, (*PARTS, "now"))))
        steps: list[ast.stmt] = [take]
        if not self.reached.follows:
            classes = dict(zip(PARTS, ("Subject", "Resource", "Context"), strict=True))
            fits = [compare(call("type", name(p)), ast.Is(), name(classes[p])) for p in self.asked]
            fits += [attribute(name(part), "plain_") for part in self.asked]
            fits += [
                compare(attribute(name(part), "line"), ast.IsNot(), ast.Constant(None))
                for part in self.reached.lines
                if part in self.asked
            ]
            steps = [ast.If(negated(conjunction(fits)), [take], [])]
            if self.reached.timed:
                steps.append(assign("now", disjunction([name("now"), call("clock")])))
        return [ast.If(compare(name("entities"), ast.Is(), ast.Constant(None)), steps, [])]

    def _gate_work(self, gate: str) -> int:
        return sum(_work(rule) for c in self._permits[gate] for rule in c.rules)

    def _collect(self, gate: str, emitter: Emitter, facts: Facts) -> tuple[int, list[ast.stmt]]:
        """Return the bits of the rules of *gate* that are surely satisfied, and what adds those of others to `given`."""
        sure, body = 0, list[ast.stmt]()

        def add(test: ast.expr, bits: ast.expr) -> None:
            given = ast.AugAssign(ast.Name(GIVEN, ast.Store()), ast.BitOr(), bits)
            if not _is(test, False):
                body.append(given if _is(test, True) else ast.If(test, [given], []))

        for rule in self._looking_up.get(gate, ()):
            *guards, bits = emitter.in_order(rule.conditions)
            add(conjunction(guards), bits)
        for group in self._permits[gate] + self._exposes[gate]:
            bit = self._bits[group.first.id]
            left = facts.left_of(_some(group.rules))
            if left == TRUE:
                sure |= bit
            else:
                add(_emitted(left, emitter), ast.Constant(bit))
        return sure, body

    def _opens(self, gate: str) -> ir.Expr:
        """Return what must hold for *gate* to open."""
        return _some([rule for group in self._permits[gate] for rule in group.rules])


def _some(rules: Iterable[Rule]) -> ir.Expr:
    """Return the expression that one of *rules* is satisfied."""
    return ir.Or(tuple(ir.conjunction(tuple(rule.conditions)) for rule in rules))


def _emitted(node: ir.Expr, emitter: Emitter) -> ast.expr:
    """Emit rules together as if one by one: what is nested deeply becomes a function of its own (`Emitter`)."""
    match node:
        case ir.And(operands):
            return conjunction(emitter.in_order(operands))
        case ir.Or(operands):
            tests = [_emitted(operand, emitter) for operand in operands[:1]]
            with emitter.uncertain():
                tests += [_emitted(operand, emitter) for operand in operands[1:]]
            return disjunction(tests)
        case _:
            return emitter.emit(node)


def _all_conditions(rule: Rule) -> tuple[ir.Expr, ...]:
    """Return what must hold for *rule* to be satisfied: its dates, and its conditions or a waiver."""
    conditions = tuple(_conjuncts(rule.conditions))
    if rule.waivers and conditions:
        conditions = (ir.Or((_waived(rule), ir.conjunction(conditions))),)
    dates: list[ir.Expr] = []
    if rule.valid_from is not None:
        dates.append(ir.Binary("<=", ir.Const(DATETIME, rule.valid_from), _NOW, numeric=True))
    if rule.valid_until is not None:
        dates.append(ir.Binary("<", _NOW, ir.Const(DATETIME, rule.valid_until), numeric=True))
    return fold_conditions((*dates, *conditions))


def _conjuncts(conditions: Iterable[ir.Expr]) -> Iterator[ir.Expr]:
    """Give conditions, the parts of conjunctions one by one, that all hold if and only if those given do."""
    for condition in conditions:
        if isinstance(condition, ir.And):
            yield from _conjuncts(condition.operands)
        elif condition != TRUE:
            yield condition


def _waived(rule: Rule) -> ir.Expr:
    """Return the test whether a waiver stands in for the conditions of *rule*."""
    latest: dict[tuple[str, ...], dict[object, int]] = {}
    tests: list[ir.Expr] = []
    for waiver in rule.waivers:
        parts = (("subject", waiver.subject), ("resource", waiver.resource))
        named = [(part, waived) for part, waived in parts if waived is not None]
        if any(waived.within for _, waived in named):
            before = ir.Binary("<", _NOW, ir.Const(DATETIME, waiver.until), numeric=True)
            tests.append(ir.And((before, *(_is_meant(*one) for one in named))))
        else:
            ids = tuple(waived.id for _, waived in named)
            until = latest.setdefault(tuple(part for part, _ in named), {})
            key = ids if len(ids) > 1 else ids[0]
            until[key] = max(waiver.until, until.get(key, waiver.until))
    for parts_, until in latest.items():
        asked = tuple(ir.Id(ir.Root(part)) for part in parts_)
        found = ir.Lookup(ir.Table(until, default=-math.inf), asked)
        tests.insert(0, ir.Binary("<", _NOW, found, numeric=True))
    return tests[0] if len(tests) == 1 else ir.Or(tuple(tests))


def _is_meant(part: str, waived: WaivedEntity) -> ir.Expr:
    """Return the test whether a waiver means the subject or the resource."""
    root, id_ = ir.Root(part), ir.Const(EntityRefType(waived.type), waived.id)
    if waived.within:
        return ir.Operation("lies_in", (ir.Line(root), ir.Data(waived.type), id_))
    return ir.Binary("==", ir.Id(root), id_)


def _by_what_they_give(rules: Iterable[Rule]) -> list[list[Rule]]:
    """Return the rules that give the same together."""
    classes: dict[object, list[Rule]] = {}
    for rule in rules:
        classes.setdefault((rule.fields, rule.duties), []).append(rule)
    return list(classes.values())


def _is(test: ast.expr, value: bool) -> bool:  # noqa: FBT001 - compared with a constant
    return isinstance(test, ast.Constant) and test.value is value


def write_judge(rules: Sequence[Rule], module: Module) -> None:
    """Add `judge`, which returns a bit for each of *rules* whose conditions hold.

    After those it has one for each condition that is a key of some rule.
    """
    keys = dict.fromkeys(rule.conditions[key.number] for rule in rules for key in rule.keys)
    asked = [*(rule.conditions for rule in rules), *((condition,) for condition in keys)]
    _add_function(module, JUDGE, asked, partial(_bits_body, asked))


def write_grounds(rules: Sequence[Rule], gates: Sequence[str], module: Module) -> None:
    """Add what returns, as bits, all that the reason of a deny depends on but for values, and the same for an allow.

    Of a deny it is which forbids are satisfied; if none is, which of *gates* are shut, and which keys of their permits
    hold. Of an allow it is which permits are satisfied of gates whose permits say something.
    """
    forbids = [_all_conditions(rule) for rule in rules if rule.effect == "forbid"]
    opening: dict[str, list[tuple[Sequence[ir.Expr], list[ir.Expr]]]] = {}
    keys: dict[str, list[ir.Expr]] = {}
    explaining: list[Sequence[ir.Expr]] = []
    for gate in gates:
        permits = [rule for rule in rules if (rule.effect, rule.gate) == ("permit", gate)]
        keys[gate] = [rule.conditions[key.number] for rule in permits for key in rule.keys]
        owed = [[part.expr for part in owed_parts(rule)] for rule in permits]
        opening[gate] = list(zip(map(_all_conditions, permits), owed, strict=True))
        if any(rule.because for rule in permits):  # the last is the first if no other is
            explaining += [conditions for conditions, _ in opening[gate][:-1]]

    def of_deny(emitter: Emitter) -> list[ast.stmt]:
        body, bit = _bits_body(forbids, emitter)[:-1], count(len(forbids))
        if forbids:
            body.append(ast.If(name(GIVEN), [ast.Return(name(GIVEN))], []))
        for gate in gates:
            tests = [_opened_by(*permit, emitter) for permit in opening[gate]]
            shut = _adding(negated(disjunction(tests)), next(bit))
            with emitter.uncertain():
                held = [_adding(emitter.emit(key), next(bit)) for key in dict.fromkeys(keys[gate])]
            inside = shut[0].body if shut and isinstance(shut[0], ast.If) else shut
            inside += chain(*held)
            body += shut
        return [*body, ast.Return(name(GIVEN))]

    asked = [*forbids, *(conditions for opens in opening.values() for conditions, _ in opens)]
    _add_function(module, GROUNDS[0], [*asked, *keys.values()], of_deny)
    _add_function(module, GROUNDS[1], explaining, partial(_bits_body, explaining))


def _opened_by(
    conditions: Sequence[ir.Expr], owed: Sequence[ir.Expr], emitter: Emitter
) -> ast.expr:
    """Return the test whether a permit with these conditions holds; it fails if what is *owed* does."""
    with emitter.uncertain():
        tests = emitter.in_order(conditions)
        if not all(isinstance(expr, ir.Const) for expr in owed):
            # What is owed must be computed, and have a hash.
            values = ast.Tuple(list(map(emitter.emit, owed)), ast.Load())
            tests.append(compare(call("frozenset", values), ast.IsNot(), ast.Constant(None)))
    return conjunction(tests)


def _add_function(
    module: Module,
    function: str,
    asked: Iterable[Iterable[ir.Expr]],
    write: Callable[[Emitter], list[ast.stmt]],
) -> None:
    """Add a function of what is *asked*: it is written twice, first to see what is shared."""
    shares = Shares(counted(c for conditions in asked for c in conditions))
    write(Emitter(Module(), function, shares, careful=False))
    body = write(Emitter(module, function, shares.again(), careful=False))
    module.function(function, _DOCSTRINGS[function], body)


def _bits_body(asked: Sequence[Sequence[ir.Expr]], emitter: Emitter) -> list[ast.stmt]:
    """Return the statements that add a bit for each of *asked* of which all conditions hold, and return the bits."""
    body = [assign(GIVEN, ast.Constant(0))]
    for group in _by_first_question(list(enumerate(map(fold_conditions, asked)))):
        inside: list[ast.stmt] = []
        if len(group) == 1:
            [(bit, conditions)] = group
            body += _adding(conjunction(emitter.in_order(conditions)), bit)
            continue
        [any_] = joined([conditions[0] for _, conditions in group])
        test = emitter.emit(any_)
        with emitter.uncertain():
            for bit, conditions in group:
                inside += _adding(conjunction(emitter.in_order(conditions)), bit)
        body.append(ast.If(test, inside, []))
    return [*body, ast.Return(name(GIVEN))]


_Numbered: TypeAlias = tuple[int, tuple[ir.Expr, ...]]
"""Conditions that are to hold together, and the number of their bit."""


def _by_first_question(asked: Sequence[_Numbered]) -> Iterable[list[_Numbered]]:
    """Return *asked*, those together that begin with a question about one value, if they are several.

    Most requests have none of the values that they ask for, which is one question.
    """
    keys: list[object] = []
    for bit, conditions in asked:
        about = question(conditions[0]) if conditions else None
        keys.append(about[:2] if about else bit)
    often = Counter(keys)
    groups: dict[object, list[_Numbered]] = {}
    for key, one in zip(keys, asked, strict=True):
        groups.setdefault(key if often[key] >= _FEWEST_TOGETHER else one[0], []).append(one)
    return groups.values()


def _adding(test: ast.expr, bit: int) -> list[ast.stmt]:
    """Return what adds a bit if *test* holds."""
    add = ast.AugAssign(ast.Name(GIVEN, ast.Store()), ast.BitOr(), ast.Constant(1 << bit))
    return [] if _is(test, False) else [add] if _is(test, True) else [ast.If(test, [add], [])]


def _combined(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules of which some one is satisfied if and only if one of *rules* is, least first."""
    made: list[Rule] = []
    others: list[Rule] = []  # of one condition, and nothing else counts
    for rule in indexed(rules):
        (made if len(rule.conditions) != 1 else others).append(rule)
    conditions = joined([rule.conditions[0] for rule in others])
    made += [replace(others[0], conditions=(condition,)) for condition in conditions]
    return sorted(made, key=_work)


def _work(rule: Rule) -> int:
    """Return about how long it takes to see whether *rule* is satisfied."""
    parts = (part for condition in rule.conditions for part in ir.walk(condition))
    return sum(_WORK.get(type(part), 1) for part in parts)
