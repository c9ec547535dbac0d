"""Find comparisons of whole records that may lack a part."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import RecordType, SetType, Type
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each comparison whose value depends on a part that may be absent."""
    for rule in subject.checked.rules:
        for node, types in walk_conditions(rule):
            if isinstance(node, nodes.Compare) and _may_lack(types.type_of(node.left)):
                yield warning(
                    "PE427", node.span, "leaving out an optional part of the record changes this",
                    "compare the parts that matter, each with `has` before it",
                )  # fmt: skip


def _may_lack(type_: Type) -> bool:
    match type_:
        case RecordType(attributes):
            return any(part.optional or _may_lack(part.type) for part in attributes)
        case SetType(element):
            return _may_lack(element)
    return False


RULE = LintRule(
    Code(
        "PE427", "whole-record-comparison", "A comparison of whole records of which a part is optional.",
        "A caller who leaves the part out changes the answer, and no `has` shows that anybody thought of it.",
        WORDS + "entity Shop { place: { city: string, street?: string } }\naction visit by App on Shop with { at: { city: string, street?: string } }\npermit p: visit when context.at == resource.place\npermit q: read when subject.status == active\n",
        WORDS + "entity Shop { place: { city: string, street?: string } }\naction visit by App on Shop with { at: { city: string, street?: string } }\npermit p: visit when context.at.city == resource.place.city\npermit q: read when subject.status == active\n",
    ),
    find,
)  # fmt: skip
