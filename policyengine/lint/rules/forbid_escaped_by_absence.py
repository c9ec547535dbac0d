"""Find forbids that a request escapes by leaving out an optional attribute."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from policyengine.analysis.paths import Path
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.diagnostics.source import Source
from policyengine.lint.placed_conditions import Asked, Placed, asked_in
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import BOOL, EntityRefType, Schema
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `has` without which a forbid never holds, and on whose value it depends."""
    for rule in subject.checked.rules:
        if rule.effect != "forbid" or subject.ask.never_holds(rule):
            continue
        asked = list(asked_in(rule))
        for one in asked:
            node, found = one.placed.expr, one.placed
            if isinstance(node, nodes.Has) and _is_a_guard(found, asked, subject):
                if not subject.ask.needed(rule, node):
                    continue
                source = subject.checked.sources[node.span.file]
                yield warning(
                    "PE423", node.span,
                    f"`{rule.id}` forbids nothing where `{node.name}` is absent",
                    f"if that is right, ignore this and say why; else {_instead(node, source)}",
                )  # fmt: skip


def _instead(node: nodes.Has, source: Source) -> str:
    """Return what to write so that absence forbids as well, in place of what the author wrote."""
    object_ = source.at(node.object.span)
    there, absent = f"{object_} has {node.name}", f"{object_} not has {node.name}"
    negated = _NOT_HAS.search(source.text, node.object.span.end, node.span.end)
    joined = _JOINED.match(source.text, node.span.end)
    if negated and joined and joined[1] == "or":  # `unless x not has a or …`
        return f"write `({there} and …)` in place of `{absent} or …`"
    if not negated and joined and joined[1] == "and":
        return f"write `({absent} or …)` in place of `{there} and …`"
    return f"forbid it as well where `{absent}`"


_NOT_HAS = re.compile(r"\bnot\s+has\b")
_JOINED = re.compile(r"\s*(and|or)\b")


def _is_a_guard(has: Placed, asked: Iterable[Asked], subject: Subject) -> bool:
    """Whether `has` guards a condition on the value.

    Otherwise presence is what is forbidden. So it is where a reference that is stored must be another than
    something: if it is absent, it refers to nobody else.
    """
    assert isinstance(has.expr, nodes.Has)
    before = has.at(has.expr.object).path
    if before is None:
        return True
    path = (*before, has.expr.name.name)
    return any(
        _reads(one.placed, path) and not _is_another(one, path, subject.checked.schema)
        for one in asked
    )


def _reads(placed: Placed, path: Path) -> bool:
    """Whether an expression is a condition at *path*, or has an operand there."""
    match placed.expr:
        case nodes.Attr() | nodes.Name() as expr:  # it is an operand, unless it is a condition
            return placed.typing.type_of(expr) == BOOL and _is_below(placed.path, path)
        case nodes.Has():
            return False
        case expr:
            return any(_is_below(placed.at(child).path, path) for child in children(expr))


def _is_below(path: Path | None, other: Path) -> bool:
    return path is not None and path[: len(other)] == other


def _is_another(asked: Asked, path: Path, schema: Schema) -> bool:
    """Whether an expression asks that the reference at *path*, which no request declares, is another one."""
    match asked.placed.expr:
        case nodes.Compare("==" | "!=" as op, left, right):
            for side in (asked.placed.at(left), asked.placed.at(right)):
                refers = isinstance(side.typing.type_of(side.expr), EntityRefType)
                if refers and _is_below(side.path, path):
                    return ((op == "!=") is asked.wanted) and not side.is_declared(schema)
    return False


RULE = LintRule(
    Code(
        "PE423", "forbid-escaped-by-absence", "A forbid that the absence of an optional attribute escapes.",
        "A request that leaves the attribute out is not forbidden anything. Where absence should not help, forbid it as well; where it is meant, say so with `# lint: ignore[forbid-escaped-by-absence]` and why. A forbid that only asks whether the attribute is there is left alone: presence is what it forbids.",
        WORDS + 'permit p: any when subject.status == active\nforbid young: any when subject has age and subject.age < 16 because "under 16"\n',
        WORDS + 'permit p: any when subject.status == active\nforbid young: any when subject not has age or subject.age < 16 because "not known to be 16"\n',
    ),
    find,
)  # fmt: skip
