"""Find values that callers declare themselves, by whose untruth something would be allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Several, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.semantics.checked import CheckedRule
from policyengine.semantics.doubtful_values import doubtful
from policyengine.syntax import nodes

_HELP = "write who can change it: `(by platform)` if your service finds it out, `(by person)` or `(by nobody)`; `(by caller)` if callers may choose it"

_SEVERAL = Several("an untrue value of {names} would allow what the rules keep back", _HELP)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each attribute of a context that may be declared untruly."""
    schema = subject.checked.schema
    found: dict[tuple[str, str], CheckedRule] = {}
    for action in schema.actions.values():
        for target in action.targets:
            for name, rule in doubtful(subject.checked, target).items():
                for of in (action.name, *action.groups):
                    found.setdefault((of, name), rule)
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.ActionDecl(names, context=parts):
                    yield from _unstated(names, parts, found)
                case nodes.GroupDecl(group, context=parts):
                    yield from _unstated((group,), parts, found)


def _unstated(
    of: tuple[nodes.Ident, ...],
    parts: tuple[nodes.AttributeDecl, ...],
    found: Mapping[tuple[str, str], CheckedRule],
) -> Iterator[Diagnostic]:
    for part in parts:
        rules = [rule for one in of if (rule := found.get((one.name, part.name.name))) is not None]
        if rules and part.by is None:
            rule = rules[0]
            does = "forbids" if rule.effect == "forbid" else "permits"
            yield warning(
                "PE476", part.name.span,
                f"callers declare `{part.name}` themselves, and what `{rule.id}` {does} depends on it: an untrue value would do",
                _HELP, several=_SEVERAL,
            )  # fmt: skip


RULE = LintRule(
    Code(
        "PE476", "unstated-changer", "A value that callers declare themselves, and that rules trust.",
        "A forbid reads it, or a permit depends on it and it is a bool or a purpose, or a record with one, so who declares it untruly is allowed more. Where `(by …)` says who can change it, that is decided and not forgotten; `explain` then knows whom to send for it. Until then it offers no change of the value to anybody.",
        WORDS + 'entity Report\naction publish by App on Report with { agreed: bool }\npermit p: publish when context.agreed otherwise "nobody has agreed"\n',
        WORDS + 'entity Report\naction publish by App on Report with { agreed: bool (by person) }\npermit p: publish when context.agreed otherwise "nobody has agreed"\n',
    ),
    find,
)  # fmt: skip
