"""Find reasons that show values which the conditions do not read."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.paths import Path, path_of, paths_in
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each attribute in a reason that does not affect the decision."""
    rules = subject.checked.rules
    own = {rule.id: {path for c in rule.conjuncts for path in paths_in(c.expr)} for rule in rules}
    # A gate is shut because none of its permits holds.
    shutting: dict[str, set[Path]] = {}
    for rule in rules:
        if rule.effect == "permit":
            shutting.setdefault(rule.gate, set()).update(own[rule.id])
    for rule in rules:
        lacking = own[rule.id] if rule.effect == "expose" else shutting.get(rule.gate, set())
        for template, read in ((rule.because, own[rule.id]), (rule.otherwise, lacking)):
            for part in template.parts if template else ():
                path = None if isinstance(part, str) else path_of(part)
                if path is None or len(path) == 1 or path[0] == "action" or path[-1] == "id":
                    continue
                if not any(
                    path[: len(other)] == other or other[: len(path)] == path for other in read
                ):
                    yield warning(
                        "PE416", part.span,  # type: ignore[union-attr]  # not a text: it has a path
                        f"`{rule.id}` does not depend on `{'.'.join(path)}`",
                        "show what the conditions read",
                    )  # fmt: skip


RULE = LintRule(
    Code(
        "PE416", "irrelevant-reason", "A reason that shows an attribute which its conditions do not read.",
        "A reader will try to change what does not matter.",
        WORDS + 'permit p: any when subject.status == active because "on {subject.tier}"\n',
        WORDS + 'permit p: any when subject.status == active because "{subject} is {subject.status}"\n',
    ),
    find,
)  # fmt: skip
