"""Generate the functions of one target: `decide`, and for each rule what tells of it alone.

`decide` returns `FORBIDDEN` at the first forbid that is satisfied, `NOT_PERMITTED` at the first
gate that is shut, else the satisfied rules that give something, a bit each. What takes least is
tried first, for nothing that is left out could change the answer. `fails_…` returns the number of the first condition that is
false, `turns_…` notes the moments at which one may turn, and `value_…` computes what stands in a
text or an obligation. All take the request; docstrings name a rule and its place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field, frozen

from policyengine.compiler import ir
from policyengine.compiler.expressions import (
    TURNS,
    Emitter,
    Module,
    Shares,
    assign,
    attribute,
    compare,
    conjunction,
    counted,
    described,
    disjunction,
    name,
    negated,
)
from policyengine.compiler.lower import Part, Rule, Text
from policyengine.compiler.simplify import TRUE

DECIDE: Final = "decide"
_OWN = (DECIDE, "given")
"""Names of the generated code itself."""


@frozen(eq=False)
class Functions:
    """What the functions of one rule are called; None where there is none."""

    fails: str | None
    turns: str | None


@frozen(eq=False)
class Generated:
    """A module: its tree, the objects that it names, and what the functions of rules are called.

    *values*: what the functions are called that compute what texts and obligations need. *giving*:
    the ids of the rules that give something, in the order of their bits.
    """

    tree: ast.Module
    objects: Mapping[str, object]
    rules: Mapping[str, Functions]
    values: Mapping[ir.Expr, str]
    giving: tuple[str, ...]


def generate(rules: Sequence[Rule], gates: Mapping[str, bool]) -> Generated:
    """Generate the module of one target; *gates* says of each gate whether it is a field gate."""
    module = Module()
    module.take(_OWN)
    for rule in rules:
        for expr in (*rule.conditions, *(part.expr for part in _parts(rule))):
            module.take(_bound(expr))
    decision = _Decision([rule for rule in rules if not rule.advisory], gates)
    decision.generate(module)
    functions = {rule.id: _rule_functions(module, rule) for rule in rules}
    values = _value_functions(module, rules)
    tree = ast.Module(list(module.functions), [])
    number_lines(tree)
    giving = tuple(rule.id for rule in decision.giving)
    return Generated(tree, module.objects, functions, values, giving)


def number_lines(tree: ast.Module) -> None:
    """Give every node the line on which `ast.unparse` prints it."""
    line = 1
    for function in tree.body:
        line = _number(function, line) + 1  # an empty line stands between two


def _number(statement: ast.stmt, line: int) -> int:
    """Give *statement* that line, and what is inside those after it; return the next one."""
    inside: list[ast.stmt] = []
    part: ast.AST = statement
    match statement:
        case ast.FunctionDef(args=arguments, body=body):
            part, inside = arguments, body
        case ast.If(test=test, body=body):
            part, inside = test, body
    for node in (statement, *ast.walk(part)):
        if isinstance(node, ast.stmt | ast.expr | ast.arg):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = 0
    line += 1
    for inner in inside:
        line = _number(inner, line)
    return line


def _bound(node: ir.Expr) -> list[str]:
    """Return the names of the variables that are bound in *node*."""
    names: list[str] = []
    for part in ir.walk(node):
        match part:
            case ir.Let(bound):
                names += bound
            case ir.Quantified(_, local):
                names.append(local)
    return names


def _identifier(prefix: str, rule: Rule) -> str:
    return f"{prefix}_{re.sub('[^A-Za-z0-9_]', '_', rule.id)}"


# ---- one rule ---------------------------------------------------------------------------


def _rule_functions(module: Module, rule: Rule) -> Functions:
    place = f"{rule.id} ({rule.place})"
    fails = turns = None
    if any(condition != TRUE for condition in rule.conditions):
        fails = module.fresh(_identifier("fails", rule))
        says = f"Return the number of the first condition of {place} that is false."
        module.function(fails, says, _first_false(Emitter(module, place), rule, numbered=True))
    if any(ir.mentions(condition, "now") for condition in rule.conditions):
        turns = module.fresh(_identifier("turns", rule))
        says = f"Note when a condition of {place} may turn."
        body = _first_false(Emitter(module, place, traced=True), rule, numbered=False)
        module.function(turns, says, body, (TURNS,))
    return Functions(fails, turns)


def _first_false(emitter: Emitter, rule: Rule, *, numbered: bool) -> list[ast.stmt]:
    body: list[ast.stmt] = []
    for number, condition in enumerate(rule.conditions):
        if condition != TRUE:
            answer = ast.Return(ast.Constant(number if numbered else None))
            body.append(ast.If(negated(emitter.emit(condition)), [answer], []))
    return [*body, ast.Return(ast.Constant(None))]


def _value_functions(module: Module, rules: Sequence[Rule]) -> dict[ir.Expr, str]:
    """Add a function for each value that some rule tells or owes and that is no constant."""
    values: dict[ir.Expr, str] = {}
    for rule in rules:
        for part in _parts(rule):
            if part.expr not in values and not isinstance(part.expr, ir.Const):
                identifier = module.fresh(f"value_{described(part.expr)}")
                place = f"{rule.id} ({rule.place})"
                body = [ast.Return(Emitter(module, place).emit(part.expr))]
                module.function(
                    identifier, f"Compute what is told or owed, first by {place}.", [*body]
                )
                values[part.expr] = identifier
    return values


def _parts(rule: Rule) -> list[Part]:
    """Return what is computed for the texts and obligations of *rule*."""
    texts: list[Text | None] = [rule.because, rule.otherwise, rule.refer, *rule.sentences]
    told = [part for text in texts if text for part in text.parts if isinstance(part, Part)]
    return told + [part for duty in rule.duties for _, part in duty.arguments]


# ---- the decision -----------------------------------------------------------------------


@define(eq=False)
class _Decision:
    """Writes `decide`."""

    rules: Sequence[Rule]
    gates: Mapping[str, bool]
    giving: list[Rule] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        for gate in sorted(self.gates):
            if self._gives(gate):
                self.giving += self._of("permit", gate) + self._of("expose", gate)

    def generate(self, module: Module) -> None:
        """Add the function: in a first run, to see what is shared, to a module of no account."""
        shares = Shares(counted(c for rule in self.rules for c in rule.conditions))
        self._body(Emitter(Module(), DECIDE, shares, careful=False))
        bits = "".join(f" + {self._bit(rule)} for {rule.id}" for rule in self.giving)
        says = f"Return FORBIDDEN, NOT_PERMITTED, or on an allow 0{bits}."
        module.function(
            DECIDE, says, self._body(Emitter(module, DECIDE, shares.again(), careful=False))
        )

    def _of(self, effect: str, gate: str | None = None) -> list[Rule]:
        return [r for r in self.rules if r.effect == effect and gate in (None, r.gate)]

    def _gives(self, gate: str) -> bool:
        """Whether it matters which rules of *gate* are satisfied, beyond that it is open."""
        rules = self._of("permit", gate) + self._of("expose", gate)
        return self.gates[gate] or any(rule.duties for rule in rules)

    def _body(self, emitter: Emitter) -> list[ast.stmt]:
        body: list[ast.stmt] = []
        for forbid in sorted(self._of("forbid"), key=_work):
            test = self._satisfied(forbid, emitter)
            body.append(ast.If(test, [ast.Return(name("FORBIDDEN"))], []))
        body.append(assign("given", ast.Constant(0)))
        for gate in sorted(self.gates, key=self._gate_work):
            if self._gives(gate):
                body += self._collect(gate, emitter)
                bits = sum(self._bit(permit) for permit in self._of("permit", gate))
                opened: ast.expr = ast.BinOp(name("given"), ast.BitAnd(), ast.Constant(bits))
            else:
                opened = self._any(sorted(self._of("permit", gate), key=_work), emitter)
            body.append(ast.If(negated(opened), [ast.Return(name("NOT_PERMITTED"))], []))
        return [*body, ast.Return(name("given"))]

    def _gate_work(self, gate: str) -> tuple[bool, int, str]:
        """Return what to sort gates by: those that give nothing, and take least, come first."""
        return self._gives(gate), sum(_work(rule)[0] for rule in self._of("permit", gate)), gate

    def _bit(self, rule: Rule) -> int:
        return 1 << next(i for i, other in enumerate(self.giving) if other is rule)

    def _collect(self, gate: str, emitter: Emitter) -> list[ast.stmt]:
        """Add the bits of the satisfied rules of *gate* to `given`."""
        body: list[ast.stmt] = []
        for rule in self._of("permit", gate) + self._of("expose", gate):
            given = ast.Name("given", ast.Store())
            add = ast.AugAssign(given, ast.BitOr(), ast.Constant(self._bit(rule)))
            test = self._satisfied(rule, emitter)
            always = isinstance(test, ast.Constant) and test.value is True
            body.append(add if always else ast.If(test, [add], []))
        return body

    def _any(self, permits: Sequence[Rule], emitter: Emitter) -> ast.expr:
        tests = [self._satisfied(permit, emitter) for permit in permits[:1]]
        with emitter.uncertain():
            tests += [self._satisfied(permit, emitter) for permit in permits[1:]]
        return disjunction(tests)

    def _satisfied(self, rule: Rule, emitter: Emitter) -> ast.expr:
        """Return whether *rule* is in force and satisfied, by its conditions or by a waiver."""
        conditions = [condition for condition in rule.conditions if condition != TRUE]
        tests = _dates(rule)
        if not (tests or rule.waivers):
            return conjunction(emitter.in_order(conditions))
        with emitter.uncertain():
            held = emitter.in_order(conditions)
        if rule.waivers and held:
            held = [disjunction([_waived(rule, emitter.module), conjunction(held)])]
        return conjunction(tests + held)


def _waived(rule: Rule, module: Module) -> ast.expr:
    """Return the test whether a waiver stands in for the conditions of *rule*."""
    until: dict[str, int] = {}
    for _, subject, moment in rule.waivers:
        until[subject] = max(moment, until.get(subject, moment))
    latest = attribute(module.named(_identifier("waived", rule), rule.id, until), "get")
    found = ast.Call(latest, [attribute(name("subject"), "id"), name("now")], [])
    return compare(name("now"), ast.Lt(), found)


def _dates(rule: Rule) -> list[ast.expr]:
    """Return the test whether *rule* is in force, if it is not always."""
    bounds: list[ast.expr] = [name("now")]
    if rule.valid_from is not None:
        bounds.insert(0, ast.Constant(rule.valid_from))
    if rule.valid_until is not None:
        bounds.append(ast.Constant(rule.valid_until))
    operators: list[ast.cmpop] = [ast.Lt() for _ in bounds[1:]]
    if rule.valid_from is not None:
        operators[0] = ast.LtE()
    return [ast.Compare(bounds[0], operators, bounds[1:])] if operators else []


def _work(rule: Rule) -> tuple[int, str]:
    """Return what to sort rules by, so that what takes least comes first."""
    return sum(1 for condition in rule.conditions for _ in ir.walk(condition)), rule.id
