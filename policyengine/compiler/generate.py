"""Generate the functions of one target: `decide`, and for each rule what tells of it alone.

`fails_…` returns the number of the first condition that is false, `turns_…` notes the moments at
which one may turn, and `value_…` computes what stands in a text or an obligation. All take the
request; docstrings name a rule and its place.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from attrs import frozen

from policyengine.compiler import ir
from policyengine.compiler.decide import DECIDE, GIVEN, DecisionWriter
from policyengine.compiler.expressions import (
    TURNS,
    Emitter,
    Module,
    described,
    identifier,
    negated,
)
from policyengine.compiler.lower import Part, Rule, Text
from policyengine.compiler.simplify import TRUE


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
    module.take((DECIDE, GIVEN))
    for rule in rules:
        for expr in (*rule.conditions, *(part.expr for part in _parts(rule))):
            module.take(_bound(expr))
    writer = DecisionWriter([rule for rule in rules if not rule.advisory], gates)
    writer.write(module)
    functions = {rule.id: _rule_functions(module, rule) for rule in rules}
    values = _value_functions(module, rules)
    tree = ast.Module(list(module.functions), [])
    number_lines(tree)
    giving = tuple(rule.id for rule in writer.giving)
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


# ---- one rule ---------------------------------------------------------------------------


def _rule_functions(module: Module, rule: Rule) -> Functions:
    place = f"{rule.id} ({rule.place})"
    fails = turns = None
    if any(condition != TRUE for condition in rule.conditions):
        fails = module.fresh(identifier("fails", rule.id))
        says = f"Return the number of the first condition of {place} that is false."
        module.function(fails, says, _first_false(Emitter(module, place), rule, numbered=True))
    if any(ir.mentions(condition, "now") for condition in rule.conditions):
        turns = module.fresh(identifier("turns", rule.id))
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
                function = module.fresh(f"value_{described(part.expr)}")
                place = f"{rule.id} ({rule.place})"
                body = [ast.Return(Emitter(module, place).emit(part.expr))]
                module.function(
                    function, f"Compute what is told or owed, first by {place}.", [*body]
                )
                values[part.expr] = function
    return values


def _parts(rule: Rule) -> list[Part]:
    """Return what is computed for the texts and obligations of *rule*."""
    texts: list[Text | None] = [rule.because, rule.otherwise, rule.refer, *rule.sentences]
    told = [part for text in texts if text for part in text.parts if isinstance(part, Part)]
    return told + [part for duty in rule.duties for _, part in duty.arguments]
