"""Collect the names that a policy set uses, apart from where it declares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policyengine.analysis.paths import path_of
from policyengine.model.types import EnumType, SetType, TaxonomyType, Type
from policyengine.semantics.checked import CheckedSet, Definition, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children, walk_expressions
from policyengine.syntax.node import walk
from policyengine.syntax.operators import operator_of


def words(files: Iterable[nodes.PolicyFile], *, tests: bool = True) -> set[str]:
    """Return every name that an expression, a rule, or (unless *tests* is false) a test uses.

    A name that is used anywhere counts for all declarations of it, so that no use is ever missed.
    """
    found: set[str] = set()
    for file in files:
        for declaration in file.declarations:
            if tests or not isinstance(declaration, nodes.TestDecl | nodes.Let):
                found.update(_used(declaration))
    return found


def _used(declaration: nodes.Declaration) -> Iterator[str]:
    match declaration:
        case nodes.ConstDecl(_, _, value) | nodes.DefineDecl(_, _, value) | nodes.Let(_, value):
            used: object = value
        case nodes.GateDecl(range=nodes.Target() as range_):
            used = range_
        case nodes.ActionDecl(context=context, constants=constants):
            used = (constants, tuple(part.count for part in context))
        case nodes.GroupDecl(context=context):
            used = tuple(part.count for part in context)
        case nodes.GateBlock(rules=rules):
            used = tuple((rule.target, rule.clauses) for rule in rules)
        case nodes.Rule(target=target, clauses=clauses):
            used = (target, clauses)
        case nodes.InvariantDecl(target=target, clauses=clauses):
            used = (target, clauses)
        case nodes.TestDecl(items=items):
            used = items
        case _:
            return
    for node in walk(used):
        match node:
            case nodes.Name(name):
                yield name
            case nodes.Ident(name):
                yield name
            case nodes.Literal("string", str() as text):
                yield text  # an enumerator that is no name is written in quotes


def mentioned_types(checked: CheckedSet) -> set[str]:
    """Return the names of the enumerations and taxonomies of which rules mention members.

    Values that actions give by `having` are mentioned where a rule reads them: scopes that are needed.
    Where rules compare values of the request with each other, or by an operator that the analysis does
    not understand, every member counts, so those types are not returned.
    """
    mentioned: set[str] = set()
    compared: set[str] = set()
    for rule in checked.rules:
        typing = next(iter(rule.typings.values()))
        for conjunct in rule.conjuncts:
            for node in walk_expressions([conjunct.expr]):
                binding = typing.binding_of(node)
                if isinstance(binding, Value):
                    mentioned |= _names(binding.type)
                row = operator_of(node)
                if row is not None and not row.understood:
                    sides = map(typing.type_of, children(node))
                    compared = compared.union(*map(_names, sides))
                elif isinstance(node, nodes.LookUp):
                    compared |= _names(typing.type_of(node.key))
                elif isinstance(node, nodes.Compare):
                    names = _names(typing.type_of(node.left))
                    if _is_written(node.left, typing) or _is_written(node.right, typing):
                        mentioned |= names
                    else:
                        compared |= names
    return mentioned - compared


def _is_written(expr: nodes.Expr, typing: Typing) -> bool:
    """Whether each value that *expr* may have is written in the policy or given by an action."""
    path, binding = path_of(expr), typing.binding_of(expr)
    if isinstance(binding, Value) or (path is not None and path[0] == "action"):
        return True
    if isinstance(binding, Definition):
        return _is_written(binding.body, binding.typing)
    match expr:
        case nodes.LookUp():
            return True
        case nodes.If(_, yes, no):
            return _is_written(yes, typing) and _is_written(no, typing)
    return False


def _names(type_: Type) -> set[str]:
    match type_:
        case EnumType(name=name) | TaxonomyType(name=name):
            return {name}
        case SetType(element):
            return _names(element)
    return set()
