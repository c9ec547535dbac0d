"""Find durations of minutes that may be meant as months: `6m` is six minutes, `6mo` six months."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.model.schedules import DAY
from policyengine.model.types import DATETIME, MONTHS
from policyengine.semantics.checked import Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

_MINUTES = re.compile(r"([1-9]\d?)m")


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each number of minutes beside a datetime that is counted in days or months."""
    spans = list(_spans(subject))
    long = {name for name, span, typing in spans if _is_long(span, typing)} | _dates(subject)
    constants = {
        declaration.name.name: declaration.value
        for file in subject.files
        for declaration in file.declarations
        if isinstance(declaration, nodes.ConstDecl)
    }
    for name, span, _ in spans:
        match constants.get(span.name, span) if isinstance(span, nodes.Name) else span:
            case nodes.Literal("duration", _, text) as literal if (
                _MINUTES.fullmatch(text) and name in long
            ):
                yield warning(
                    "PE437", literal.span,
                    f"`{text}` are minutes, and `{name}` is a matter of days or months elsewhere",
                    f"months are written `{text}o`, minutes that are meant `{int(text[:-1]) * 60}s`",
                )  # fmt: skip


def _spans(subject: Subject) -> Iterator[tuple[str, nodes.Expr, Typing]]:
    """Give each attribute, by name, with what is added to it, taken from it, or compared with its age."""
    for rule in subject.checked.rules:
        for node, types in walk_conditions(rule):
            match node:
                case nodes.Arithmetic("+" | "-", nodes.Attr(_, name) as left, right) if (
                    types.type_of(left) == DATETIME
                ):
                    yield name.name, right, types
                case nodes.Compare(
                    _, nodes.Arithmetic("-", nodes.Name("now"), nodes.Attr(_, name)), right
                ):
                    yield name.name, right, types


def _is_long(span: nodes.Expr, typing: Typing) -> bool:
    """Whether months are added, or at least a day."""
    if typing.type_of(span) == MONTHS:
        return True
    match typing.binding_of(span):
        case Value(_, int(value)):
            return value >= DAY
    return False


def _dates(subject: Subject) -> set[str]:
    """Return the attributes of which tests give dates, and never a time of day."""
    written: dict[str, bool] = {}
    for file in subject.files:
        for declaration in file.declarations:
            if isinstance(declaration, nodes.TestDecl | nodes.Let):
                for node in walk(declaration):
                    match node:
                        case nodes.RecordField(name, nodes.Literal("datetime", _, text)):
                            date = "T" not in text
                            written[name.name] = written.get(name.name, True) and date
    return {name for name, dates in written.items() if dates}


_WORDS = """\
package docs
entity Person { born: datetime }
action vote, drive by Person on Person
permit drive: drive when subject.born + 18y <= now
"""

RULE = LintRule(
    Code(
        "PE437", "minutes-for-months", "Minutes where months may be meant.",
        "`6m` are six minutes, as everywhere in durations; six months are `6mo`. It is found where the same "
        "attribute is counted in days or months in another place, or is a date in all tests.",
        _WORDS + "permit vote: vote when subject.born + 18m <= now\n",
        _WORDS + "permit vote: vote when subject.born + 18mo <= now\n",
    ),
    find,
)  # fmt: skip
