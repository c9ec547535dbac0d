"""Find permits that ask for every ancestor where there may be none."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.model.types import EntityRefType
from policyengine.semantics.checked import Definition, Typing
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `every` in a permit that holds where there are no ancestors of the type.

    Where the rule asks something else of the same ancestors, it is taken to know that there are some.
    """
    for rule in subject.checked.rules:
        if rule.effect == "forbid":
            continue
        typing = next(iter(rule.typings.values()))
        parts = list(walk_expressions(c.expr for c in rule.conjuncts))
        asked = [node for node in parts if isinstance(node, nodes.Ancestors)]
        every = [
            node.set
            for node in parts
            if isinstance(node, nodes.Quantified) and node.kind == "every"
        ]
        for conjunct in rule.conjuncts:
            for node in _holding(conjunct.expr, typing, wanted=conjunct.wanted):
                if asked.count(node) <= every.count(node):
                    yield warning(
                        "PE445", node.span,
                        f"`{rule.id}` holds where there is no `{node.type}` to ask: `every` over none is true",
                        "ask `size(…) > 0` of them as well, or `some`",
                    )  # fmt: skip


def _holding(expr: nodes.Expr, typing: Typing, *, wanted: bool) -> Iterator[nodes.Ancestors]:
    """Give the ancestors, of which there may be none, over which an `every` helps *expr* to be as wanted."""
    match expr:
        case nodes.Not(operand):
            yield from _holding(operand, typing, wanted=not wanted)
        case nodes.And(operands) | nodes.Or(operands):
            for operand in operands:
                yield from _holding(operand, typing, wanted=wanted)
        case nodes.If(_, yes, no):
            yield from _holding(yes, typing, wanted=wanted)
            yield from _holding(no, typing, wanted=wanted)
        case nodes.Call():
            called = typing.binding_of(expr)
            if isinstance(called, Definition):
                yield from _holding(called.body, called.typing, wanted=wanted)
        case nodes.Quantified(kind, _, over, body):
            if isinstance(over, nodes.Ancestors) and kind == "every" and wanted:
                one, other = typing.type_of(over.object), over.type.name
                if isinstance(one, EntityRefType) and one.name != other:  # else it is among them
                    yield over
            yield from _holding(body, typing, wanted=wanted)


_WORDS = """\
package docs
entity User
entity Folder in Folder { viewers: set<User> }
entity Document in Folder
action read by User on Document
"""

RULE = LintRule(
    Code(
        "PE445", "every-over-no-ancestors", "A permit that asks for every ancestor where there may be none.",
        "`every` over none is true, so a permit that asks it of the folders around a document permits all that is in no folder.",
        _WORDS + "permit p: read when every f in ancestors(resource, Folder): subject in f.viewers\n",
        _WORDS + "permit p: read when some f in ancestors(resource, Folder): subject in f.viewers\n",
    ),
    find,
)  # fmt: skip
