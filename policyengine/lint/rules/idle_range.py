"""Find gates that are declared `for any`."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each gate that is declared with `for any`."""
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.GateDecl(name, range=nodes.Target(None, None, None, ()) as range_):
                    yield warning(
                        "PE441", range_.span, f"gate `{name}` is asked for everything without `for`",
                        "leave `for any` out",
                    )  # fmt: skip


RULE = LintRule(
    Code(
        "PE441", "idle-range", "A gate whose range is everything.",
        "A gate without `for` is asked for every action, also for those that are added later. A reader would look for "
        "the actions to which this one does not apply.",
        WORDS + 'gate g "may they" for any\ngate g { permit p: read }\n',
        WORDS + 'gate g "may they"\ngate g { permit p: read }\n',
    ),
    find,
)  # fmt: skip
