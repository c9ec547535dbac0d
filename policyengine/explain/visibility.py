"""Find the expressions that reveal something which only an auditor may see.

These are expressions that read a `private` attribute, or an attribute of an entity other than the
subject: a person's settings, the owner of a document. The id of an entity that the caller named is
no secret.
"""

from __future__ import annotations

from policyengine.model.types import EntityRefType, Schema, SetType, TargetKey
from policyengine.semantics.checked import CheckedRule, Definition, Typing, Value, Variable
from policyengine.semantics.demand import private_reads
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children
from policyengine.syntax.operators import of_comparison

_SUBJECT = frozenset({"subject"})


def is_hidden(expr: nodes.Expr, typing: Typing, schema: Schema) -> bool:
    """Whether the value of *expr* reveals something private, or about another entity than the subject."""
    return any(True for _ in private_reads(expr, typing, schema)) or _beyond(expr, typing, _SUBJECT)


def times_hidden(rule: CheckedRule, target: TargetKey, schema: Schema) -> bool:
    """Whether the moments at which *rule* changes its value may reveal something hidden.

    They do if something hidden is compared with `now`, or decides whether anything is.
    """
    typing, hidden = rule.typings[target], False
    for expr in (*(conjunct.expr for conjunct in rule.conjuncts), *rule.obligations):
        hidden = hidden or is_hidden(expr, typing, schema)
        if hidden and _reads_now(expr, typing):
            return True
    return False


def _reads_now(node: nodes.Expr, typing: Typing) -> bool:
    match typing.binding_of(node):
        case Variable("now"):
            return True
        case Definition() as called if _reads_now(called.body, called.typing):
            return True
    return any(_reads_now(child, typing) for child in children(node))


def _beyond(node: nodes.Expr, typing: Typing, own: frozenset[str]) -> bool:
    """Whether attributes or ancestors are read of an entity that is none of those in *own*."""
    binding = typing.binding_of(node)
    if isinstance(binding, Value):
        return False

    def is_own(expr: nodes.Expr) -> bool:
        bound = typing.binding_of(expr)
        return isinstance(bound, Variable) and bound.name in own

    match node:
        case nodes.Attr(object_, name) | nodes.Has(object_, name):
            is_entity = isinstance(typing.type_of(object_), EntityRefType)
            if is_entity and name.name != "id" and not is_own(object_):
                return True
        case nodes.Compare(_, left, _) if of_comparison(node).ancestors:
            type_ = typing.type_of(left)
            element = type_.element if isinstance(type_, SetType) else type_
            if isinstance(element, EntityRefType) and not is_own(left):
                return True
        case nodes.Ancestors(object_) if not is_own(object_):
            return True
        case nodes.Call(_, arguments) if isinstance(binding, Definition):
            given = zip(binding.parameters, arguments, strict=True)
            inner = frozenset(name for name, argument in given if is_own(argument))
            if _beyond(binding.body, binding.typing, inner):
                return True
    return any(_beyond(child, typing, own) for child in children(node))
