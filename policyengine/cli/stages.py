"""Convert the results of the compiler's stages to plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.lower import lower
from policyengine.compiler.lowered import Part, Rule, Text
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.types import TargetKey
from policyengine.model.values import text_of
from policyengine.pipeline import compile_set
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children

# ---- parse ------------------------------------------------------------------------------


def tree(value: object) -> Any:
    """Return a syntax tree: each node an object with its class as `node`."""
    match value:
        case nodes.Ident():
            return str(value)
        case nodes.Literal(kind, _, text):
            return {"node": "Literal", "kind": kind, "text": text}
        case None | bool() | int() | str():
            return value
        case tuple():
            return [tree(part) for part in value]
        case _:
            assert isinstance(value, nodes.Node)
            parts = {name: tree(part) for name, part in nodes.fields_of(value).items()}
            return {"node": type(value).__name__, **parts}


# ---- check ------------------------------------------------------------------------------


def checked_rules(checked: CheckedSet, target: TargetKey) -> dict[str, Any]:
    """Return the rules of *target* with the types of their conditions, and what they read."""
    return {rule.id: _checked_rule(checked, rule, target) for rule in checked.rules_for(target)}


def _checked_rule(checked: CheckedSet, rule: CheckedRule, target: TargetKey) -> dict[str, Any]:
    needs = rule.needs[target]
    return {
        "effect": rule.effect,
        "conditions": [
            {
                "text": checked.sources[conjunct.expr.span.file].on_one_line(conjunct.expr.span),
                "wanted": conjunct.wanted,
                "types": dict(_types(checked, conjunct.expr, rule, target)),
            }
            for conjunct in rule.conjuncts
        ],
        "reads": [
            path
            for root in ("subject", "resource", "context")
            for path in getattr(needs, root).paths(root)
        ],
    }


def _types(
    checked: CheckedSet, expr: nodes.Expr, rule: CheckedRule, target: TargetKey
) -> Iterator[tuple[str, str]]:
    """Yield every part of a condition, outermost first, with its type."""
    text = checked.sources[expr.span.file].on_one_line(expr.span)
    yield text, str(rule.typings[target].type_of(expr))
    for child in children(expr):
        yield from _types(checked, child, rule, target)


# ---- lower, simplify --------------------------------------------------------------------


def lowered_rules(checked: CheckedSet, target: TargetKey) -> dict[str, Any]:
    """Return the lowered rules of *target*, with expressions as `(operator operands)`."""
    return _rules(lower(checked, target))


def simplified_rules(checked: CheckedSet, target: TargetKey) -> dict[str, Any]:
    """Return the lowered rules after every simplification."""
    return _rules(map(simplify_rule, lower(checked, target)))


def _rules(rules: Iterable[Rule]) -> dict[str, Any]:
    return {rule.id: dict(_rule(rule)) for rule in rules}


def _rule(rule: Rule) -> Iterator[tuple[str, Any]]:
    yield "effect", rule.effect
    yield "conditions", [_shown(condition) for condition in rule.conditions]
    if rule.fields is not None:
        yield "fields", sorted(rule.fields)
    if rule.duties:
        yield (
            "obligations",
            [
                " ".join([f"({duty.name}", *(_shown(part) for _, part in duty.arguments)]) + ")"
                for duty in rule.duties
            ],
        )
    for name in ("because", "otherwise", "refer"):
        text: Text | None = getattr(rule, name)
        if text is not None:
            yield name, "".join(p if isinstance(p, str) else f"{{{_shown(p)}}}" for p in text.parts)


def _shown(node: object) -> str:
    """Return an expression in prefix form: `(>= subject.tier basic)`."""
    match node:
        case ir.Const(type_, value):
            return text_of(type_, value)
        case ir.Root(name) | ir.Local(name):
            return name
        case ir.Slot(object_, name):
            return f"{_shown(object_)}.{name}"
        case ir.Binary(op, left, right):
            return f"({op} {_shown(left)} {_shown(right)})"
        case ir.Above(taxonomy):
            return f"above-{taxonomy.name}"
        case Part(_, expr):
            return _shown(expr)
        case str():
            return node
        case tuple():
            return " ".join(map(_shown, node))
        case _:
            names = cast("Struct", node).__struct_fields__
            parts = (getattr(node, name) for name in names if name != "type")
            return f"({type(node).__name__.lower()} {' '.join(map(_shown, parts))})"


# ---- python -----------------------------------------------------------------------------


def python(checked: CheckedSet, target: TargetKey) -> str:
    """Return the source of the functions of *target*."""
    return compile_set(checked).source(target)
