"""Find the constants that rules compare with values of a request: the keys of the requests they are for.

Where the permits of a gate compare one value with several constants, each is for other requests: for
another tenant, another customer. A reason describes the rules that are for its request, and does not
even name the keys of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from attrs import frozen

from policyengine.model.types import (
    BOOL,
    EntityRefType,
    Primitive,
    Schema,
    SetType,
    TargetKey,
    Type,
    in_rows,
)
from policyengine.semantics.checked import CheckedRule, Conjunct, Definition, Typing, Value
from policyengine.semantics.phrases import View
from policyengine.semantics.sentences import tells_private
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children, walk_expressions
from policyengine.syntax.operators import of_comparison

_SAME = {True: ("==", "in"), False: ("!=",)}


@frozen
class Key:
    """A condition that tests whether the value at a path is one of some constants.

    *number*: that of the condition. *name*: the name of the value, *expr* the node that reads it.
    *shown*: whether it may be shown.
    """

    number: int
    path: str
    name: str
    expr: nodes.Expr
    constants: frozenset[object]
    shown: bool


def keys_of(rule: CheckedRule, target: TargetKey, schema: Schema) -> tuple[Key, ...]:
    """Return the conditions of *rule* that test for constants and depend on nothing private."""
    typing = rule.typings[target]
    private = tells_private(rule.conjuncts, [typing], schema)
    found: list[Key] = []
    for number, (conjunct, hidden) in enumerate(zip(rule.conjuncts, private, strict=True)):
        test = None if hidden else _membership(conjunct, typing)
        path = None if test is None else _path(test[0], typing)
        if test is not None and path is not None:
            expr, constants = test
            shown = View((typing,), schema).may_be_shown(expr)
            found.append(Key(number, path, path.rpartition(".")[2], expr, constants, shown))
    return tuple(found)


def constants_of(conjunct: Conjunct, typing: Typing) -> frozenset[object]:
    """Return the constants of a condition that is a key: `Key.constants`."""
    test = _membership(conjunct, typing)
    assert test is not None
    return test[1]


def _membership(conjunct: Conjunct, typing: Typing) -> tuple[nodes.Expr, frozenset[object]] | None:
    """Return which value a condition tests for being one of which constants, if that is what it does."""
    node, wanted = conjunct.expr, conjunct.wanted
    while isinstance(node, nodes.Not):
        node, wanted = node.operand, not wanted
    match node:
        case nodes.Compare(op, left, right) if op in _SAME[wanted]:
            known, expr = typing.binding_of(right), left
            if op in ("==", "!=") and isinstance(typing.binding_of(left), Value):
                known, expr = typing.binding_of(left), right
            if isinstance(known, Value) and (among := _constants(known, among=op == "in")):
                return expr, among
    return None


def compared(rule: CheckedRule, target: TargetKey) -> dict[str, frozenset[object]]:
    """Return the constants of an open type that *rule* compares values with, by their paths."""
    typing = rule.typings[target]
    found: dict[str, frozenset[object]] = {}
    for conjunct in rule.conjuncts:
        for path, constants in comparisons(conjunct.expr, typing):
            found[path] = found.get(path, frozenset()) | constants
    return found


def comparisons(expr: nodes.Expr, typing: Typing) -> Iterator[tuple[str, frozenset[object]]]:
    """Give the values that *expr* compares with constants of an open type, with the constants.

    So do the definitions that it calls. `<` and the like are left out: they test on which side of a constant
    a value is, and do not say which values there may be.
    """
    yield from _comparisons(expr, typing, {})


_Given: TypeAlias = Mapping[str, tuple[tuple[str, ...], frozenset[object]]]
"""The paths and the constants in the argument for each parameter of a definition."""


def _comparisons(
    expr: nodes.Expr, typing: Typing, given: _Given
) -> Iterator[tuple[str, frozenset[object]]]:
    for node in walk_expressions([expr]):
        if isinstance(node, nodes.Compare) and of_comparison(node).types == "ordered":
            continue
        if isinstance(node, nodes.Compare | nodes.Like | nodes.Call | nodes.Quantified):
            constants = _constants_in(node, typing, given)
            for path in _paths_in(node, typing, given) if constants else ():
                yield path, constants
        called = typing.binding_of(node)
        if isinstance(node, nodes.Call) and isinstance(called, Definition):
            inner = {
                name: (
                    tuple(_paths_in(argument, typing, given)),
                    _constants_in(argument, typing, given),
                )
                for name, argument in zip(called.parameters, node.arguments, strict=True)
            }
            yield from _comparisons(called.body, called.typing, inner)


def _constants_in(node: nodes.Expr, typing: Typing, given: _Given) -> frozenset[object]:
    """Return the constants of an open type, and patterns, that are somewhere in an expression."""
    found: frozenset[object] = frozenset()
    for part in walk_expressions([node]):
        if isinstance(part, nodes.Name) and part.name in given:
            found |= given[part.name][1]
        known = typing.binding_of(part)
        if isinstance(known, Value):
            for type_, value in in_rows(known.type, known.value):
                if _is_open(type_):
                    found |= _constants(Value(type_, value), among=isinstance(type_, SetType))
        elif isinstance(part, nodes.Like):
            found |= {("like", part.pattern)}
    return found


def _paths_in(node: nodes.Expr, typing: Typing, given: _Given) -> Iterator[str]:
    """Give the paths of all values that are read in an expression."""
    paths = _paths(node, typing, given)
    if paths:
        yield from paths
    else:
        for child in children(node):
            yield from _paths_in(child, typing, given)


def contested(rules: Iterable[dict[str, frozenset[object]]]) -> frozenset[str]:
    """Return the paths that some of *rules* compare with other constants than others do."""
    first: dict[str, frozenset[object]] = {}
    return frozenset(
        path
        for rule in rules
        for path, constants in rule.items()
        if first.setdefault(path, constants) != constants
    )


def _path(node: nodes.Expr, typing: Typing) -> str | None:
    return next(iter(_paths(node, typing, {})), None)


def _paths(node: nodes.Expr, typing: Typing, given: _Given) -> list[str]:
    """Return the path of a value; of something of a parameter there are as many as in its argument."""
    names: list[str] = []
    while isinstance(node, nodes.Attr):
        if isinstance(typing.binding_of(node), Value):
            return []
        names.append(node.name.name)
        node = node.object
    if not isinstance(node, nodes.Name):
        return []
    roots = [node.name] if node.name in ("subject", "resource", "context") else []
    roots = [*given[node.name][0]] if node.name in given else roots
    return [".".join((root, *reversed(names))) for root in roots]


def _constants(known: Value, *, among: bool) -> frozenset[object]:
    if among and isinstance(known.value, frozenset):
        return known.value
    return frozenset({known.value})


def _is_open(type_: Type) -> bool:
    """Whether a type has values that the vocabulary does not list."""
    while isinstance(type_, SetType):
        type_ = type_.element
    return isinstance(type_, EntityRefType) or (isinstance(type_, Primitive) and type_ != BOOL)
