"""Find conditions of which a reader may believe that other parts belong together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise

from attrs import frozen

from policyengine.analysis.paths import path_of
from policyengine.concurrency import cached_property
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.diagnostics.source import Source, Span
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes
from policyengine.syntax.comments import parenthesized
from policyengine.syntax.node import walk

_MOST_SHOWN = 60
"""The length of a condition that is shown in a help."""

_DECLARATIONS = (nodes.GateBlock, nodes.Rule, nodes.DefineDecl, nodes.InvariantDecl)


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each `and` beside `or`, and each `not` before them, that is easily misread."""
    for file in subject.files:
        text = _Text(subject.checked.sources[file.span.file])
        for declaration in file.declarations:
            if isinstance(declaration, _DECLARATIONS):
                for node in walk(declaration):
                    match node:
                        case nodes.Or(operands):
                            yield from _mixed(operands, text)
                            yield from _negated(operands, text, "or")
                        case nodes.And(operands):
                            yield from _negated(operands, text, "and")


@frozen(slots=False)
class _Text:
    """The text of a file, and where parentheses are in it."""

    source: Source

    @property
    def _text(self) -> str:
        return self.source.text

    def shown(self, span: Span) -> str:
        """Return a piece of the text for a help, empty if it is too long for one."""
        piece = " ".join(self._text[span.start : span.end].split())
        return piece if len(piece) <= _MOST_SHOWN else ""

    def is_in_parentheses(self, node: nodes.Expr) -> bool:
        """Whether an expression is written in parentheses of its own."""
        return (node.span.start, node.span.end) in self._parenthesized

    @cached_property
    def _parenthesized(self) -> Collection[tuple[int, int]]:
        return parenthesized(self._text)

    def is_below(self, one: nodes.Expr, other: nodes.Expr) -> bool:
        """Whether *other* is on a line below the end of *one*."""
        return "\n" in self._text[one.span.end : other.span.start]

    def column(self, at: int) -> int:
        """Return the column of an offset."""
        return at - self._text.rfind("\n", 0, at)

    def indentation(self, node: nodes.Expr) -> int:
        """Return the column of the first word on the line of an expression."""
        start = self._text.rfind("\n", 0, node.span.start) + 1
        line = self._text[start : node.span.start + 1]
        return len(line) - len(line.lstrip()) + 1


def _mixed(operands: tuple[nodes.Expr, ...], text: _Text) -> Iterator[Diagnostic]:
    """Find `a or b and c` where neither parentheses nor lines show what belongs together."""
    for at, operand in enumerate(operands):
        if not isinstance(operand, nodes.And) or text.is_in_parentheses(operand):
            continue
        before, after = operands[max(at - 1, 0) : at], operands[at + 1 : at + 2]
        if _guards(operand):
            before = ()  # `or` cannot be meant to come first: the guard would be lost
        around = pairwise((*before, operand, *after))
        apart = all(text.is_below(one, other) for one, other in around)
        if not apart or _hangs_out(operand, text):
            together = text.shown(operand.span)
            yield warning(
                "PE463", operand.span, "`and` binds before `or`, and nothing shows it here",
                f"write `({together})`, or parentheses around what is meant" if together
                else "write parentheses around what belongs together",
            )  # fmt: skip


def _guards(operand: nodes.And) -> bool:
    """Whether the first part of a conjunction asks for an attribute that a later one reads."""
    match operand.operands:
        case (nodes.Has(object_, name), *rest):
            guarded = nodes.Attr(object_, name)
            return any(part == guarded for other in rest for part in walk(other))
    return False


def _hangs_out(operand: nodes.And, text: _Text) -> bool:
    """Whether a line of the conjunction begins to the left of it, as if it were about all before it."""
    column = text.column(operand.span.start)
    return any(
        text.is_below(before, part) and text.indentation(part) < column
        for before, part in pairwise(operand.operands)
    )


def _negated(operands: tuple[nodes.Expr, ...], text: _Text, word: str) -> Iterator[Diagnostic]:
    """Find `not a or b` where both ask of one thing, so that both seem to be negated."""
    for one, other in pairwise(operands):
        match one:
            case nodes.Not(inner, infix=False) if not (
                text.is_in_parentheses(one) or text.is_in_parentheses(inner)
            ):
                if not _ask_of_one_thing(inner, other, word):
                    continue
                alone = text.shown(one.span)
                both = text.shown(Span(one.span.file, inner.span.start, other.span.end))
                yield warning(
                    "PE463", one.span, f"`not` binds before `{word}`, and nothing shows it here",
                    f"write `({alone})`, or `not ({both})` if both are meant" if alone and both
                    else "write parentheses around what belongs together",
                )  # fmt: skip


def _ask_of_one_thing(one: nodes.Expr, other: nodes.Expr, word: str) -> bool:
    """Whether two conditions compare one value, or are two marks of one thing of which one is enough."""
    match one, other:
        case nodes.Compare(_, left, _), nodes.Compare(_, again, _):
            return left == again
        case nodes.Attr(object_), nodes.Attr(again):
            return word == "or" and path_of(object_) is not None and object_ == again
    return False


RULE = LintRule(
    Code(
        "PE463", "misleading-precedence", "A condition whose missing parentheses mislead.",
        "`a or b and c` is `a or (b and c)`, and `not a or b` is `(not a) or b`. A reader who takes it for the other one sees a rule that is not there. Parentheses show what is meant; so do lines, if each begins with `or`.",
        WORDS + "permit p: any when subject.status == active or subject.tier == pro and not resource.hidden\n",
        WORDS + "permit p: any when (subject.status == active or subject.tier == pro) and not resource.hidden\n",
    ),
    find,
)  # fmt: skip
