"""Find gates whose range lists every action on some types."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import TargetKey
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each gate that lists just what `any on Type` covers."""
    schema = subject.checked.schema
    for file in subject.files:
        for declaration in file.declarations:
            match declaration:
                case nodes.GateDecl(name, range=nodes.Target((_, _, *_), None) as range_):
                    by_action = schema.gates[name.name].range or {}
                    targets = frozenset[TargetKey]().union(*by_action.values())
                    on = sorted({resource for _, _, resource in targets})
                    every = (t for a in schema.actions.values() for t in a.targets if t[2] in on)
                    if targets == set(every):
                        yield warning(
                            "PE442", range_.span, f"gate `{name}` lists every action on {' and '.join(on)}",
                            f"write `for any on {', '.join(on)}`: an action that is added later is then covered",
                        )  # fmt: skip


RULE = LintRule(
    Code(
        "PE442", "listed-range", "A gate that lists every action on some type.",
        "An action that somebody adds tomorrow would not be asked about by this gate.",
        WORDS + 'entity Bill\naction pay, send by App on Bill\ngate g "may they"\ngate money "is it paid" for pay, send\n'
        "gate g { permit p: read permit q: pay, send }\ngate money { permit r: pay, send }\n",
        WORDS + 'entity Bill\naction pay, send by App on Bill\ngate g "may they"\ngate money "is it paid" for any on Bill\n'
        "gate g { permit p: read permit q: pay, send }\ngate money { permit r: pay, send }\n",
    ),
    find,
)  # fmt: skip
