"""Generate Python from `ir`, as `ast` nodes and never as text: author text can only be a constant.

For a target one module is made. `decide` answers, and computes nothing that is not needed for that;
`fails_…` tells of one rule which condition is the first that is false, `part_…` computes what stands
in a text or an obligation, and `turns_…` notes the moments at which a comparison with `now` may turn.
Everything but simple constants is handed to the module by name.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, field, frozen

from policyengine.compiler import ir
from policyengine.compiler.lower import Part, Rule
from policyengine.compiler.simplify import children
from policyengine.model.records import record_class, slot
from policyengine.model.types import BOOL, TaxonomyType, Type
from policyengine.model.values import ABSENT, Absent

ARGUMENTS = ("subject", "resource", "context", "now", "entities")
"""What every generated function takes, in this order."""

_COMPARISONS: Mapping[str, type[ast.cmpop]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE,
    "in": ast.In, "not in": ast.NotIn,
}  # fmt: skip
_ARITHMETIC: Mapping[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}


@define
class Module:
    """A generated module: its tree, and the objects that it names."""

    body: list[ast.stmt] = field(factory=list)
    constants: dict[str, object] = field(factory=dict)
    _names: dict[tuple[Type, object], str] = field(factory=dict)

    def function(self, name: str, extra: Sequence[str], says: str, body: list[ast.stmt]) -> None:
        """Add a function of `ARGUMENTS` and *extra*, with a docstring."""
        arguments = [ast.arg(argument) for argument in (*ARGUMENTS, *extra)]
        self.body.append(
            ast.FunctionDef(
                name,
                ast.arguments([], arguments, None, [], [], None, []),
                [ast.Expr(ast.Constant(says)), *body],
                [],
            )
        )

    def constant(self, type_: Type, value: object) -> ast.expr:
        """Return an expression for a known value of that type."""
        if value is ABSENT:
            return self.named("ABSENT", ABSENT)
        if isinstance(value, bool | int | str):
            return ast.Constant(value)
        name = self._names.setdefault((type_, value), f"constant_{len(self._names) + 1}")
        return self.named(name, value)

    def table(self, taxonomy: TaxonomyType) -> ast.expr:
        """Return an expression for what lies above each term."""
        name = self._names.setdefault((taxonomy, None), f"above_{len(self._names) + 1}")
        return self.named(name, taxonomy.above)

    def named(self, name: str, value: object) -> ast.Name:
        """Return the name of an object that is handed to the module."""
        self.constants[name] = value
        return _name(name)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


@define
class Emitter:
    """Turns expressions into Python; *shared* are those that have a local variable already.

    With *traced*, a comparison that hangs on `now` first notes when it may turn.
    """

    module: Module
    traced: bool = False
    shared: dict[ir.Expr, str] = field(factory=dict)

    def emit(self, node: ir.Expr) -> ast.expr:
        """Return the Python expression of *node*."""
        if node in self.shared:
            return _name(self.shared[node])
        made = self._emit(node)
        if self.traced:
            made = self._watched(node, made)
        return made

    def _emit(self, node: ir.Expr) -> ast.expr:
        match node:
            case ir.Const(type_, value):
                return self.module.constant(type_, value)
            case ir.Root(name) | ir.Local(name):
                return _name(name)
            case ir.Id(object_):
                return ast.Attribute(self.emit(object_), "id", ast.Load())
            case ir.Line(object_):
                return ast.Attribute(self.emit(object_), "line", ast.Load())
            case ir.Entity(type_, id_):
                key = ast.Tuple([ast.Constant(type_), self.emit(id_)], ast.Load())
                return ast.Subscript(_name("entities"), key, ast.Load())
            case ir.Above(taxonomy):
                return self.module.table(taxonomy)
            case ir.Slot(object_, name):
                return ast.Attribute(self.emit(object_), slot(name), ast.Load())
            case ir.Present(read):
                absent = self.module.constant(BOOL, ABSENT)
                return ast.Compare(self._emit(read), [ast.IsNot()], [absent])
            case ir.Not(operand):
                return ast.UnaryOp(ast.Not(), self.emit(operand))
            case ir.And(operands):
                return ast.BoolOp(ast.And(), [self.emit(o) for o in operands])
            case ir.Or(operands):
                return ast.BoolOp(ast.Or(), [self.emit(o) for o in operands])
            case ir.Choice(condition, yes, no):
                return ast.IfExp(self.emit(condition), self.emit(yes), self.emit(no))
            case ir.Binary(op, left, right):
                if op in _COMPARISONS:
                    return ast.Compare(self.emit(left), [_COMPARISONS[op]()], [self.emit(right)])
                return ast.BinOp(self.emit(left), _ARITHMETIC[op](), self.emit(right))
            case ir.Operation(name, arguments):
                return _call(name, *(self.emit(a) for a in arguments))
            case ir.MakeSet(items):
                return _call("frozenset", ast.Tuple([self.emit(i) for i in items], ast.Load()))
            case ir.MakeRecord(type_, parts):
                make = self.module.named(
                    f"record_{len(self.module.constants)}", record_class(type_)
                )
                return ast.Call(make, [self.emit(p) for p in parts], [])
            case ir.Quantified(kind, local, over, body):
                loop = ast.comprehension(ast.Name(local, ast.Store()), self.emit(over), [], 0)
                each = ast.GeneratorExp(self.emit(body), [loop])
                return _call("all" if kind == "every" else "any", each)

    # ---- watching `now` -----------------------------------------------------------------

    def _watched(self, node: ir.Expr, made: ast.expr) -> ast.expr:
        """Return *made*, noting first when it may turn if it compares what moves with `now`."""
        match node:
            case ir.Binary(left=left, right=right, timed=True):
                one, other = slope(left), slope(right)
                moving = None if one is None or other is None else one - other
                if moving == 0:
                    return made
                sides = self.emit(left), self.emit(right)
                note: ast.expr = _call(
                    "turn", _name("now"), *sides, ast.Constant(moving), _name("turns")
                )
            case ir.Binary(op, left, right) if op in _COMPARISONS:
                if slope(left) == 0 == slope(right):
                    return made
                note = _at_once()
            case ir.Operation(_, arguments) if any(slope(a) != 0 for a in arguments):
                note = _at_once()
            case ir.Quantified(over=over) if slope(over) != 0:
                note = _at_once()
            case _:
                return made
        return ast.BoolOp(ast.Or(), [note, made])


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_name(name), list(arguments), [])


def _at_once() -> ast.expr:
    return _call(
        "turn", _name("now"), ast.Constant(0), ast.Constant(0), ast.Constant(None), _name("turns")
    )


def slope(node: ir.Expr) -> int | None:
    """Return by how much the value of *node* grows with each microsecond; None if not linear.

    A condition has slope 0: what it hangs on is watched where it is compared.
    """
    match node:
        case ir.Root("now"):
            return 1
        case ir.Binary("+" | "-" as op, left, right):
            one, other = slope(left), slope(right)
            if one is None or other is None:
                return None
            return one + other if op == "+" else one - other
        case ir.Binary("*", left, right):
            one, other = slope(left), slope(right)
            if one == 0 == other:
                return 0
            match left, right:
                case ir.Const(value=int() as factor), _:
                    return None if other is None else factor * other
                case _, ir.Const(value=int() as factor):
                    return None if one is None else factor * one
            return None
        case ir.Choice(_, yes, no):
            one, other = slope(yes), slope(no)
            return one if one == other else None
        case ir.MakeSet(parts) | ir.MakeRecord(_, parts):
            return 0 if all(slope(part) == 0 for part in parts) else None
        case ir.Slot(object_):
            return 0 if slope(object_) == 0 else None
        case _:
            return 0


# ---- modules ----------------------------------------------------------------------------


@frozen
class Names:
    """What the functions of one rule are called; None where there is none."""

    fails: str
    turns: str | None
    parts: Mapping[Part, str]


@frozen
class Generated:
    """A module, and the names of the functions in it."""

    module: Module
    rules: Mapping[str, Names]
    tree: ast.Module


def generate(
    rules: Sequence[Rule],
    gates: Sequence[tuple[str, bool]],
    waived: Mapping[str, Mapping[str, int]],
) -> Generated:
    """Generate the module of one target.

    *gates*: name and whether it is a field gate, sorted. *waived*: of each rule that has waivers,
    until when it is waived, by the subject's id.
    """
    module = Module()
    counting = [rule for rule in rules if not rule.advisory]
    _Decide(module, counting, gates, waived).add()
    names = {rule.id: _rule_functions(module, rule) for rule in rules}
    tree = ast.fix_missing_locations(ast.Module(module.body, []))
    return Generated(module, names, tree)


def _identifier(prefix: str, rule: Rule) -> str:
    return f"{prefix}_{re.sub(r'[^A-Za-z0-9]+', '__', rule.id)}"


def _rule_functions(module: Module, rule: Rule) -> Names:
    emitter = Emitter(module)
    body: list[ast.stmt] = []
    for number, condition in enumerate(rule.conditions):
        test = ast.UnaryOp(ast.Not(), emitter.emit(condition))
        body.append(ast.If(test, [ast.Return(ast.Constant(number))], []))
    fails = _identifier("fails", rule)
    says = f"Tell which condition of {rule.id} ({rule.place}) is the first that is false."
    module.function(fails, (), says, [*body, ast.Return(ast.Constant(None))])
    parts: dict[Part, str] = {}
    for part in _parts(rule):
        if part not in parts:
            parts[part] = _identifier(f"part_{len(parts) + 1}", rule)
            says = f"Compute what stands in a text or an obligation of {rule.id} ({rule.place})."
            module.function(parts[part], (), says, [ast.Return(emitter.emit(part.expr))])
    return Names(fails, _turns_function(module, rule), parts)


def _parts(rule: Rule) -> Iterator[Part]:
    for text in (rule.because, rule.otherwise, rule.refer, *rule.sentences):
        for part in text.parts if text else ():
            if not isinstance(part, str):
                yield part
    for duty in rule.duties:
        for _, part in duty.arguments:
            yield part


def _turns_function(module: Module, rule: Rule) -> str | None:
    """Add the function that notes the turns of *rule*, if it hangs on `now`.

    What it owes or refers to with a value that hangs on `now` is another thing at once, whether or
    not its conditions hold: a permit that is waived owes, and one that is not satisfied refers.
    """
    given = [part.expr for duty in rule.duties for _, part in duty.arguments]
    given += [p.expr for p in (rule.refer.parts if rule.refer else ()) if isinstance(p, Part)]
    if not any(_mentions_now(expr) for expr in (*rule.conditions, *given)):
        return None
    emitter = Emitter(module, traced=True)
    body: list[ast.stmt] = []
    if any(_mentions_now(expr) for expr in given):
        body.append(ast.Expr(_at_once()))
    for condition in rule.conditions:
        test = ast.UnaryOp(ast.Not(), emitter.emit(condition))
        body.append(ast.If(test, [ast.Return(ast.Constant(None))], []))
    name = _identifier("turns", rule)
    says = f"Note when {rule.id} ({rule.place}) may turn."
    module.function(name, ("turns",), says, [*body, ast.Return(ast.Constant(None))])
    return name


def _mentions_now(node: ir.Expr) -> bool:
    return node == ir.Root("now") or any(map(_mentions_now, children(node)))


def giving_rules(rules: Sequence[Rule], gates: Sequence[tuple[str, bool]]) -> list[Rule]:
    """Return the rules that have a bit in what `decide` gives, in the order of the bits."""
    return [
        rule
        for gate, is_field in gates
        if is_field or _gives(rules, gate)
        for effect in ("permit", "expose")
        for rule in rules
        if (rule.gate, rule.effect, rule.advisory) == (gate, effect, False)
    ]


def _gives(rules: Sequence[Rule], gate: str) -> bool:
    """Whether which permits of *gate* are satisfied matters beyond opening it."""
    return any(rule.duties for rule in rules if rule.gate == gate and not rule.advisory)


@define
class _Decide:
    """Writes `decide`: forbids, then gates, each test as soon and as seldom as possible."""

    module: Module
    rules: Sequence[Rule]
    gates: Sequence[tuple[str, bool]]
    waived: Mapping[str, Mapping[str, int]]
    emitter: Emitter = field(init=False)
    body: list[ast.stmt] = field(factory=list)
    counts: Counter[ir.Expr] = field(factory=Counter)

    def add(self) -> None:
        """Add the function to the module."""
        self.emitter = Emitter(self.module)
        for rule in self.rules:
            for condition in rule.conditions:
                self._count(condition)
        for rule in sorted(self._of("forbid"), key=_work):
            self._share(rule.conditions)
            self._if(self._satisfied(rule), "FORBIDDEN")
        plain = [
            gate for gate, is_field in self.gates if not is_field and not _gives(self.rules, gate)
        ]
        for gate in sorted(plain, key=self._gate_work):
            permits = sorted(self._of("permit", gate), key=_work)
            self._share([c for p in permits[:1] for c in p.conditions])
            opened = _any([self._satisfied(permit) for permit in permits])
            self._if(ast.UnaryOp(ast.Not(), opened), "NOT_PERMITTED")
        giving = giving_rules(self.rules, self.gates)
        self.body.append(ast.Assign([ast.Name("given", ast.Store())], ast.Constant(0)))
        bit = 1
        for gate, _ in self.gates:
            if gate in plain:
                continue
            opening = 0
            for rule in giving:
                if rule.gate != gate:
                    continue
                if rule.effect == "permit":
                    opening |= bit
                add = ast.AugAssign(ast.Name("given", ast.Store()), ast.BitOr(), ast.Constant(bit))
                self._share(rule.conditions)
                self.body.append(ast.If(self._satisfied(rule), [add], []))
                bit <<= 1
            opened = ast.BinOp(_name("given"), ast.BitAnd(), ast.Constant(opening))
            self._if(ast.UnaryOp(ast.Not(), opened), "NOT_PERMITTED")
        arguments = [_name(a) for a in (*ARGUMENTS, "fields", "given")]
        self.body.append(ast.Return(ast.Call(_name("give"), list(arguments), [])))
        self.module.function(
            "decide", ("fields", "give"), "Decide, as briefly as possible.", self.body
        )

    def _gate_work(self, gate: str) -> tuple[int, str]:
        return sum(_work(permit)[0] for permit in self._of("permit", gate)), gate

    def _of(self, effect: str, gate: str | None = None) -> list[Rule]:
        return [r for r in self.rules if r.effect == effect and gate in (None, r.gate)]

    def _satisfied(self, rule: Rule) -> ast.expr:
        """Return whether *rule* is in force and satisfied, waived or not."""
        conditions = [self.emitter.emit(condition) for condition in rule.conditions]
        test = _all(conditions)
        if rule.id in self.waived:
            until = self.module.named(_identifier("waived", rule), dict(self.waived[rule.id]))
            found = ast.Call(
                ast.Attribute(until, "get", ast.Load()),
                [ast.Attribute(_name("subject"), "id", ast.Load()), _name("now")],
                [],
            )
            waived = ast.Compare(_name("now"), [ast.Lt()], [found])
            test = _any([waived, test])
        dates: list[ast.expr] = []
        if rule.valid_from is not None:
            dates.append(ast.Compare(ast.Constant(rule.valid_from), [ast.LtE()], [_name("now")]))
        if rule.valid_until is not None:
            dates.append(ast.Compare(_name("now"), [ast.Lt()], [ast.Constant(rule.valid_until)]))
        return _all([*dates, test])

    def _if(self, test: ast.expr, answer: str) -> None:
        self.body.append(ast.If(test, [ast.Return(_name(answer))], []))

    # ---- sharing ------------------------------------------------------------------------

    def _count(self, node: ir.Expr) -> None:
        if _worth_sharing(node):
            self.counts[node] += 1
            if self.counts[node] > 1:
                return  # its parts are shared with it
        for child in children(node):
            self._count(child)

    def _share(self, conditions: Iterable[ir.Expr]) -> None:
        """Compute what is needed here and again later, before the test that needs it first."""
        stack = list(conditions)
        while stack:
            node = stack.pop()
            if node in self.emitter.shared:
                continue
            if self.counts[node] > 1:
                name = f"shared_{len(self.emitter.shared) + 1}"
                self.body.append(ast.Assign([ast.Name(name, ast.Store())], self.emitter.emit(node)))
                self.emitter.shared[node] = name
            else:
                stack += children(node)


def _all(tests: list[ast.expr]) -> ast.expr:
    if len(tests) < 2:  # noqa: PLR2004 - an `and` has two operands
        return tests[0] if tests else ast.Constant(True)
    return ast.BoolOp(ast.And(), tests)


def _any(tests: list[ast.expr]) -> ast.expr:
    if len(tests) < 2:  # noqa: PLR2004
        return tests[0] if tests else ast.Constant(False)
    return ast.BoolOp(ast.Or(), tests)


def _work(rule: Rule) -> tuple[int, str]:
    return sum(map(_size, rule.conditions)), rule.id


def _size(node: ir.Expr) -> int:
    return 1 + sum(map(_size, children(node)))


def _worth_sharing(node: ir.Expr) -> bool:
    """Whether *node* is more than a load, and may be computed before anybody asks for it."""
    return isinstance(
        node, ir.Entity | ir.Binary | ir.Operation | ir.Quantified | ir.And | ir.Or
    ) and _is_total(node)


def _is_total(node: ir.Expr) -> bool:
    """Whether evaluating *node* needs no guard: nothing optional, nothing bound outside."""
    match node:
        case ir.Local() | ir.Slot(optional=True) | ir.Const(value=Absent.ABSENT):
            return False
    if isinstance(node, ir.Present):
        return all(map(_is_total, children(node.slot)))
    return all(map(_is_total, children(node)))
