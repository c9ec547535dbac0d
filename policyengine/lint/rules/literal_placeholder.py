"""Find strings that look as if a value were put into them, and that are taken as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.diagnostics.source import Span
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import DECIMAL, INT
from policyengine.semantics.checked import Typing
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_ROOT = r"(?:subject|resource|context|action|now)\b"
_PLACEHOLDER = re.compile(
    rf"[$#%]\{{[^{{}}]*\}}|\{{\s*{_ROOT}[^{{}}]*\}}|\${_ROOT}(?:\.\w+)*|\\\({_ROOT}[^()]*\)"
)
_IN_STRING = (
    "no value is put into a string: compare values by `==`, `startswith`, `endswith` or `contains`"
)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each placeholder in a string of a rule, and each that a text shows as it is written.

    What tests ask with may be any string.
    """
    for file in subject.files:
        for declaration in file.declarations:
            if not isinstance(declaration, nodes.TestDecl | nodes.Let):
                for node in walk(declaration):
                    match node:
                        case nodes.Literal("string" | "path", str() as text) | nodes.Like(_, text):
                            if found := _PLACEHOLDER.search(text):
                                yield _taken_as_it_is(node.span, found[0], _IN_STRING)
    for rule in subject.checked.rules:
        for typing in list(rule.typings.values())[:1]:
            for template in (rule.because, rule.otherwise):
                if template is not None:
                    yield from _shown(template, typing)


def _shown(template: nodes.Template, typing: Typing) -> Iterator[Diagnostic]:
    for part, after in zip(template.parts, (*template.parts[1:], ""), strict=True):
        if not isinstance(part, str):
            continue
        if found := _PLACEHOLDER.search(part):
            inner = found[0].lstrip("$#%\\").strip("{}() ")
            yield _taken_as_it_is(template.span, found[0], f"write `{{{inner}}}`")
        elif (
            part.endswith("$")
            and not isinstance(after, str)
            and typing.types.get(id(after)) not in (INT, DECIMAL)  # an amount of money
        ):
            help = "leave it out: `{…}` alone shows a value"
            yield _taken_as_it_is(template.span, "$", help)


def _taken_as_it_is(span: Span, written: str, help: str) -> Diagnostic:
    return warning("PE464", span, f"`{written}` is taken as it is written", help)


RULE = LintRule(
    Code(
        "PE464", "literal-placeholder", "A string that looks as if a value were put into it.",
        'Values are put only into what people read (`because`, `otherwise`), each in braces: `"{subject.name}"`. In a condition, `"${subject.id}"` and `"{subject.id}"` are these characters and no id, so a permit that compares with them is hardly ever satisfied and a forbid hardly ever applies. In what people read, the `$` of `${…}` is shown.',
        WORDS + 'entity File { path: string }\naction open by App on File with { home: string }\npermit o: open when context.home != "" and resource.path startswith "${context.home}"\npermit q: read when subject.status == active\n',
        WORDS + 'entity File { path: string }\naction open by App on File with { home: string }\npermit o: open when context.home != "" and resource.path startswith context.home\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
