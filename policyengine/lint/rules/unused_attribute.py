"""Find attributes that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.uses import words
from policyengine.model.masks import field_and_mask
from policyengine.syntax import nodes

_SEVERAL = Several(
    "{count} attributes are neither read nor exposed by a rule: {names}",
    "leave out those that no rule will need; what may be given may be relied on",
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each attribute of an entity or a context that no rule reads or exposes."""
    used = words(subject.files, tests=False)
    for rule in subject.checked.rules:
        shown = frozenset[str]().union(*(rule.fields or {}).values())
        used |= {name for name, _ in map(field_and_mask, shown)}
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.EntityDecl(attributes=parts):
                    yield from _unused(parts, used)
                case nodes.ActionDecl(context=parts) | nodes.GroupDecl(context=parts):
                    yield from _unused(parts, used)


def _unused(parts: tuple[nodes.AttributeDecl, ...], used: set[str]) -> Iterator[Diagnostic]:
    for part in parts:
        if part.name.name not in used and not part.private:
            yield warning(
                "PE409", part.name.span, f"no rule reads or exposes `{part.name}`",
                "leave it out; an attribute that may be given may be relied on", several=_SEVERAL,
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE409", "unused-attribute", "An attribute that no rule reads or exposes.",
        "Services fetch it, authors believe that it counts, and it does not. Private attributes are left alone: declaring one keeps it out of every text.",
        WORDS + "entity User { height?: int }\npermit p: any when subject.status == active and subject.tier > free and subject.uses touches {ads} and not resource.hidden and (not (subject has age) or subject.age > 16)\n",
        WORDS + "permit p: any when subject.status == active and subject.tier > free and subject.uses touches {ads} and not resource.hidden and (not (subject has age) or subject.age > 16)\n",
    ),
    find,
)  # fmt: skip
