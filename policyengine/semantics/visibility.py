"""Find the expressions that reveal something which only an auditor may see.

These are expressions that read a `private` attribute, or an attribute of an entity other than the
subject: a person's settings, the owner of a document. The id of an entity that the caller named is
no secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policyengine.model.types import EntityRefType, Schema, SetType, TargetKey
from policyengine.semantics.checked import CheckedRule, Definition, Typing, Value, Variable
from policyengine.semantics.demand import private_reads
from policyengine.semantics.phrases import View
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children
from policyengine.syntax.operators import of_comparison

_SUBJECT = frozenset({"subject"})


def is_hidden(
    expr: nodes.Expr, typing: Typing, schema: Schema, own: frozenset[str] = _SUBJECT
) -> bool:
    """Whether the value of *expr* reveals something private, or about another entity than those in *own*."""
    return any(True for _ in private_reads(expr, typing, schema)) or _beyond(expr, typing, own)


PRIVATE: Final = "a private value"
"""What everything private is called."""


def hidden_kinds(expr: nodes.Expr, typing: Typing, schema: Schema) -> Iterator[str]:
    """Name the kinds of the values that *expr* reads and that are for the auditor alone, each once.

    There are some exactly if it is hidden.
    """
    if is_hidden(expr, typing, schema):
        found = list(_kinds(expr, View((typing,), schema), _SUBJECT))
        yield from dict.fromkeys(found or ["another value"])


def _kinds(node: nodes.Expr, view: View, own: frozenset[str]) -> Iterator[str]:
    (typing,) = view.typings
    if view.value_of(node) is not None or not is_hidden(node, typing, view.schema, own):
        return
    called = view.called(node)
    match node:
        case nodes.Attr() | nodes.Has() if any(private_reads(node, typing, view.schema)):
            yield PRIVATE
        case nodes.Attr(object_, name) | nodes.Has(object_, name):
            constant = view.has_constant(node)
            type_ = view.type_of(node) if isinstance(node, nodes.Attr) else None
            of = view.phrase(object_)
            kind = of.of(name.name) if type_ is None else of.with_type(name.name, type_)
            yield "another value" if constant else kind.text
        case nodes.Call(_, arguments) if called is not None:
            for argument in arguments:
                yield from _kinds(argument, view, own)
            if called.reads_private:
                yield PRIVATE
            else:
                given = zip(called.parameters, arguments, strict=True)
                inner = frozenset(name for name, given_ in given if _is_one_of(given_, own))
                yield from _kinds(called.body, view.inside(node, called), inner)
        case nodes.Name():
            yield PRIVATE
        case nodes.Quantified(_, _, over, body):
            yield from _kinds(over, view, own)
            yield from _kinds(body, view.within(node), own)
        case _:
            line = node.left if isinstance(node, nodes.Compare) else None
            line = node.object if isinstance(node, nodes.Ancestors) else line
            inside = [kind for child in children(node) for kind in _kinds(child, view, own)]
            yield from inside
            if line is not None and not inside:
                yield view.phrase(line).ancestors().text


def in_place_of_hidden(template: nodes.Template, typing: Typing, schema: Schema) -> dict[int, str]:
    """Return the words for the values of a text that are an auditor's alone, by their numbers in it."""
    found: dict[int, str] = {}
    before = ""
    for number, part in enumerate(template.parts):
        if isinstance(part, str):
            before += part
        elif is_hidden(part, typing, schema):
            words = View((typing,), schema).phrase(part).text
            # The text may have written the article already.
            found[number] = (
                words.removeprefix("the ") if f" {before}".endswith((" the ", " The ")) else words
            )
            before += found[number]
        else:
            before += "…"  # a value is no article
    return found


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


def _is_one_of(node: nodes.Expr, own: frozenset[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in own


def _beyond(node: nodes.Expr, typing: Typing, own: frozenset[str]) -> bool:
    """Whether attributes or ancestors are read of an entity that is none of those in *own*."""
    binding = typing.binding_of(node)
    if isinstance(binding, Value):
        return False

    def is_own(expr: nodes.Expr) -> bool:
        return _is_one_of(expr, own)

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
        case nodes.Ancestors():  # whose elements may be entities that nobody named, those of the subject too
            return True
        case nodes.Call(_, arguments) if isinstance(binding, Definition):
            given = zip(binding.parameters, arguments, strict=True)
            inner = frozenset(name for name, argument in given if is_own(argument))
            if _beyond(binding.body, binding.typing, inner):
                return True
    return any(_beyond(child, typing, own) for child in children(node))
