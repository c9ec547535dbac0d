"""Generate the functions of one target: those that decide, and those that describe each rule.

`decide` makes the decision. What it rests on is asked for less often, so the other functions are a
module of their own, made when the first is asked: `judge` returns a bit for each rule that holds, `turning` notes
the moments at which a condition of some rule may turn, `owes_…` and `refers_…` those at which what is owed or
referred to does, and `value_…` computes what is part of a text or an obligation. So are the two that return
bits of what a reason depends on, and `fails_…` of each rule, the number of the first condition that is false.
All take the roots of a request; docstrings name a rule and its place. Of many rules, those that differ only
in constants share one function, which takes the constants as well.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.decision_codegen import (
    DECIDE,
    GIVEN,
    GROUNDS,
    JUDGE,
    DecisionWriter,
    write_grounds,
    write_judge,
)
from policyengine.compiler.dependencies import (
    Dependencies,
    expressions,
    owed_parts,
    parts_of,
    referred_parts,
)
from policyengine.compiler.emitter import (
    PARTS,
    ROW,
    Emitter,
    Module,
    identifier,
)
from policyengine.compiler.lowered import Part, Rule
from policyengine.compiler.provenance import Variable
from policyengine.compiler.python_nodes import compare, conjunction, name, negated, put_on_line
from policyengine.compiler.shapes import LEAST, Shape, Values, join_constants, split_constants
from policyengine.compiler.shares import Shares, counted, described
from policyengine.compiler.simplify import TRUE, fold_conditions
from policyengine.compiler.turn_codegen import TURNS
from policyengine.model.rules import RuleHead
from policyengine.model.types import TargetGates, TargetKey

TURNING: Final = "turning"
"""The function that notes when a condition of some rule may turn; of many rules, each has one of its own."""

_MOST_JUDGED: Final = 200
"""Rules that one function judges, a bit each; more are judged one by one."""


class Functions(Struct, frozen=True, eq=False):
    """The names of the functions of one rule; None where there is none.

    *blames*: what is `fails` of the conditions that have a sentence. *row*: the constants of the
    rule, where it shares its functions with others of the same shape.
    """

    fails: str | None
    blames: str | None
    turns: str | None
    owes: str | None = None
    refers: str | None = None
    row: Values | None = None


class DecisionModule(Struct, frozen=True, eq=False):
    """The module with `decide`: its tree, and the objects that it names.

    *giving*: the ids of the rules that give something, in the order of their bits.
    """

    tree: ast.Module
    objects: Mapping[str, object]
    giving: tuple[str, ...]


class GroundsModule(Struct, frozen=True, eq=False):
    """The module that finds what reasons depend on: its tree, and the objects that it names."""

    tree: ast.Module
    objects: dict[str, object]


class RuleModule(Struct, frozen=True, eq=False):
    """The module that judges and describes each rule: its tree, and the objects that it names.

    *rules*: what the functions of rules are called; *values*: what the functions are called that
    compute what texts and obligations need; *judges*: whether there is a `judge`.
    """

    tree: ast.Module
    objects: Mapping[str, object]
    rules: Mapping[str, Functions]
    values: Mapping[ir.Expr, str]
    judges: bool


def generate_decision(
    target: TargetKey,
    rules: Sequence[Rule],
    gates: TargetGates,
    reached: Dependencies,
    asked: Sequence[str] = PARTS,
) -> DecisionModule:
    """Generate the decision function of *target*; *gates*: those that apply.

    *reached*: what the rules depend on, as far as details need it; *asked*: the parts of a plain
    request that must be looked at.
    """
    module = _module(rules)
    counting = [rule for rule in rules if not rule.advisory]
    writer = DecisionWriter(target, counting, gates, reached, asked)
    writer.write(module)
    giving = tuple(rule.id for rule in writer.giving)
    return DecisionModule(tree_of(module), module.objects, giving)


def are_many(rules: Iterable[RuleHead]) -> bool:
    """Whether *rules* are so many that no function judges them all."""
    return sum(not rule.advisory for rule in rules) > _MOST_JUDGED


def generate_rule_functions(rules: Sequence[Rule]) -> RuleModule:
    """Generate the functions that describe each rule; of rules that are not many, one that judges them all.

    Then the functions that find what is false are left out (`generate_conditions`).
    """
    return _rule_module(rules, judges=not are_many(rules), least=LEAST)


def generate_conditions(rule: Rule) -> RuleModule:
    """Generate the functions that find what is false of one rule, which has conditions that may be."""
    module = _module([rule])
    functions = {rule.id: _condition_functions(module, rule)}
    return RuleModule(tree_of(module), module.objects, functions, {}, judges=False)


def generate_grounds(rules: Sequence[Rule], gates: Sequence[str]) -> GroundsModule:
    """Generate the functions that find what reasons depend on; *gates*: those that apply."""
    module = _module(rules)
    write_grounds([rule for rule in rules if not rule.advisory], gates, module)
    return GroundsModule(tree_of(module), module.objects)


def generate_some_functions(rules: Sequence[Rule]) -> RuleModule:
    """Generate functions of some rules of many: what one of a shape has, all of it may share."""
    return _rule_module(rules, judges=False, least=1)


def _rule_module(rules: Sequence[Rule], *, judges: bool, least: int) -> RuleModule:
    module = _module(rules)
    if judges:
        write_judge([rule for rule in rules if not rule.advisory], module)
        _write_turning([rule for rule in rules if not rule.advisory], module)
        functions = {rule.id: _owing_functions(module, rule) for rule in rules}
    else:
        functions = _shared_functions(module, rules, least)
        functions |= {r.id: _rule_functions(module, r) for r in rules if r.id not in functions}
    values = _value_functions(module, rules)
    return RuleModule(tree_of(module), module.objects, functions, values, judges)


def _module(rules: Sequence[Rule]) -> Module:
    module = Module()
    module.take((DECIDE, JUDGE, *GROUNDS, TURNING, GIVEN, ROW))
    for rule in rules:
        for expr in expressions(rule):
            module.take(bound_in(expr))
    return module


def tree_of(module: Module) -> ast.Module:
    """Return the tree of a module that is complete."""
    tree = ast.Module([*module.functions, *module.tuples], [])
    number_lines(tree)
    return tree


def number_lines(tree: ast.Module) -> None:
    """Give every node the line on which `ast.unparse` prints it."""
    line = 1
    for statement in tree.body:
        if line > 1 and isinstance(statement, ast.FunctionDef):
            line += 1  # an empty line is between two
        line = _number(statement, line)


def _number(statement: ast.stmt, line: int) -> int:
    """Give *statement* that line, and what is inside those after it; return the next one."""
    inside: list[ast.stmt] = []
    parts: list[ast.AST] = [statement]
    match statement:
        case ast.FunctionDef(args=arguments, body=body):
            parts, inside = [arguments], body
        case ast.If(test=test, body=body):
            parts, inside = [test], body
        case ast.For(target=target, iter=elements, body=body):
            parts, inside = [target, elements], body
    put_on_line(line, parts)
    statement.lineno = statement.end_lineno = line
    statement.col_offset = statement.end_col_offset = 0
    line += 1
    for inner in inside:
        line = _number(inner, line)
    return line


def bound_in(node: ir.Expr) -> list[str]:
    """Return the names of the variables that are bound in *node*."""
    names: list[str] = []
    for part in ir.walk(node):
        match part:
            case ir.Let(bound):
                names += bound
            case ir.Quantified(_, local):
                names.append(local)
    return names


# ---- one rule ---------------------------------------------------------------------------


SharedShape: TypeAlias = tuple[Shape, tuple[int, ...]]
"""The shape of rules that may share functions, and which of their conditions have a sentence."""


def shared_shape(rule: Rule) -> tuple[SharedShape, Values] | None:
    """Return the shape of a rule and its constants, if it may share functions with others."""
    if not can_fail(rule) or _turns(rule) or _moving(owed_parts(rule) + referred_parts(rule)):
        return None
    shape, row = split_constants(rule.conditions)
    return (shape, rule.said), row


def _shared_functions(module: Module, rules: Sequence[Rule], least: int) -> dict[str, Functions]:
    """Add a function for each shape that *least* rules have, and return what those have of it."""
    shapes: dict[SharedShape, list[tuple[Rule, Values]]] = {}
    for rule in rules:
        found = shared_shape(rule)
        if found is not None:
            shapes.setdefault(found[0], []).append((rule, found[1]))
    shared: dict[str, Functions] = {}
    for (shape, _), group in shapes.items():
        if len(group) >= least:
            first = group[0][0]
            like = f"{first.id} ({first.place})"
            place = (
                f"one of {len(group):,} rules like {like}" if least > 1 else f"a rule like {like}"
            )
            conditions = join_constants(shape, ir.Local(ROW))
            for_row = replace(first, conditions=tuple(conditions))
            fails = _failing(module, "fails_like", for_row, place, row=(ROW,))
            blames = _blaming(module, "blames_like", for_row, place, fails, row=(ROW,))
            shared |= {rule.id: Functions(fails, blames, None, row=row) for rule, row in group}
    return shared


def _failing(
    module: Module,
    prefix: str,
    rule: Rule,
    place: str,
    said: Collection[int] | None = None,
    row: tuple[str, ...] = (),
) -> str:
    """Add a function that returns the number of the first false condition, if it is in *said*."""
    function = module.fresh(identifier(prefix, rule.id))
    which = "condition" if said is None else "condition with a sentence"
    says = f"Return the number of the first {which} of {place} that is false."
    emitter = Emitter(module, place, scope={one: Variable(one) for one in row})
    body = _first_false(emitter, rule.conditions, said)
    module.function(function, says, body, before=row)
    return function


def _blaming(
    module: Module, prefix: str, rule: Rule, place: str, fails: str, row: tuple[str, ...] = ()
) -> str | None:
    """Add what is `fails` of the conditions that have a sentence; it is the same if all have."""
    if len(rule.said) == len(rule.conditions):
        return fails
    return _failing(module, prefix, rule, place, rule.said, row) if rule.said else None


def can_fail(rule: Rule) -> bool:
    """Whether a condition may be false."""
    return any(condition != TRUE for condition in rule.conditions)


def _turns(rule: Rule) -> bool:
    """Whether the answer of a condition may turn as time goes by."""
    return any(ir.mentions(condition, "now") for condition in fold_conditions(rule.conditions))


def _rule_functions(module: Module, rule: Rule) -> Functions:
    found = _condition_functions(module, rule) if can_fail(rule) else Functions(None, None, None)
    turns = _turning_function(module, rule)
    return replace(
        _owing_functions(module, rule), fails=found.fails, blames=found.blames, turns=turns
    )


def _condition_functions(module: Module, rule: Rule) -> Functions:
    """Add the functions that find what is false."""
    place = f"{rule.id} ({rule.place})"
    fails = _failing(module, "fails", rule, place)
    return Functions(fails, _blaming(module, "blames", rule, place, fails), None)


def _turning_function(module: Module, rule: Rule) -> str | None:
    """Add the function that notes when a condition may turn, if one may."""
    if not _turns(rule):
        return None
    function = module.fresh(identifier("turns", rule.id))
    place = f"{rule.id} ({rule.place})"
    emitter = Emitter(module, place, traced=True)
    asked = [emitter.emit(condition) for condition in rule.conditions if condition != TRUE]
    says = f"Note when a condition of {place} may turn."
    module.function(function, says, [ast.Expr(conjunction(asked))], (TURNS,))
    return function


def _write_turning(rules: Sequence[Rule], module: Module) -> None:
    """Add `turning`, which notes when a condition may turn of those of *rules* that are in force."""
    moving = [rule for rule in rules if _turns(rule)]
    if not moving:
        return
    shares = Shares(counted(condition for rule in moving for condition in rule.conditions))
    for into, shared in ((Module(), shares), (module, shares.again())):  # see `Shares`
        emitter = Emitter(into, TURNING, shared, traced=True)
        body = [_noting_turns(emitter, rule) for rule in moving]
    module.function(TURNING, "Note when a condition may turn.", body, (TURNS,))


def _noting_turns(emitter: Emitter, rule: Rule) -> ast.stmt:
    """Return what asks the conditions of a rule in force, up to the first that is false, and notes when one turns."""
    ends = ((ast.GtE(), rule.valid_from), (ast.Lt(), rule.valid_until))
    asked = [compare(name("now"), op, ast.Constant(end)) for op, end in ends if end is not None]
    conditions = fold_conditions(rule.conditions)
    if not asked:
        return ast.Expr(conjunction(emitter.in_order(conditions)))
    with emitter.uncertain():
        return ast.Expr(conjunction([*asked, *emitter.in_order(conditions)]))


def _owing_functions(module: Module, rule: Rule) -> Functions:
    """Add the functions that note when what is owed or referred to may change."""
    owes = _changing(module, "owes", rule, owed_parts(rule))
    refers = _changing(module, "refers", rule, referred_parts(rule))
    return Functions(None, None, None, owes, refers)


def _moving(parts: Sequence[Part]) -> list[ir.Expr]:
    return [part.expr for part in parts if ir.mentions(part.expr, "now")]


def _changing(module: Module, prefix: str, rule: Rule, parts: Sequence[Part]) -> str | None:
    """Add a function that notes when one of *parts* is another value, if the time can make it one."""
    moving = _moving(parts)
    if not moving:
        return None
    function = module.fresh(identifier(prefix, rule.id))
    emitter = Emitter(module, f"{rule.id} ({rule.place})", traced=True)
    body: list[ast.stmt] = [ast.Expr(emitter.noted(expr)) for expr in moving]
    says = f"Note when what {rule.id} ({rule.place}) {prefix} may change."
    module.function(function, says, body, (TURNS,))
    return function


def _first_false(
    emitter: Emitter, conditions: Sequence[ir.Expr], said: Collection[int] | None
) -> list[ast.stmt]:
    body: list[ast.stmt] = []
    for number, condition in enumerate(conditions):
        if condition != TRUE and (said is None or number in said):
            answer = ast.Return(ast.Constant(number))
            body.append(ast.If(negated(emitter.emit(condition)), [answer], []))
    return [*body, ast.Return(ast.Constant(None))]


def _value_functions(module: Module, rules: Sequence[Rule]) -> dict[ir.Expr, str]:
    """Add a function for each value that some rule shows or owes and that is no constant."""
    values: dict[ir.Expr, str] = {}
    for rule in rules:
        for part in parts_of(rule):
            if part.expr not in values and not isinstance(part.expr, ir.Const):
                function = module.fresh(f"value_{described(part.expr)}")
                place = f"{rule.id} ({rule.place})"
                body = [ast.Return(Emitter(module, place).emit(part.expr))]
                module.function(
                    function, f"Compute what is shown or owed, first by {place}.", [*body]
                )
                values[part.expr] = function
    return values
