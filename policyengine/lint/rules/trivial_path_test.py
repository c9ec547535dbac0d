"""Find tests of paths that every path passes."""

from __future__ import annotations

from collections.abc import Iterator

from policyengine.analysis.constants import walk_conditions
from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.model.types import PATH, SetType
from policyengine.semantics.checked import Typing, Value
from policyengine.syntax import nodes


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each test of a path that is always true."""
    for rule in subject.checked.rules:
        for node, types in walk_conditions(rule):
            if is_trivial(node, types):
                yield warning(
                    "PE435", node.span, "this is always true: every path is within the root",
                    "leave it out, or name the part of the tree that is meant",
                )  # fmt: skip


def is_trivial(node: nodes.Node, typing: Typing) -> bool:
    """Whether *node* asks of a path what is so of all."""
    match node:
        case nodes.Compare("within", left, right) if typing.types.get(id(left)) == PATH:
            match typing.binding_of(right):
                case Value(SetType(), frozenset() as paths):
                    return "/" in paths
                case binding:
                    return binding == Value(PATH, "/")
        case nodes.Like(_, pattern, "path"):
            return set(pattern.split("/")) == {"", "**"}
    return False


_WORDS = (
    WORDS
    + """\
action open by App on Post with { file: path }
permit reading: read when subject.status == active
"""
)

RULE = LintRule(
    Code(
        "PE435", "trivial-path-test", "A test of a path that every path passes.",
        "Everything is within `/`, and any number of segments is every path. What was meant is a part of the tree, or nothing: then a rule is easier to read without it.",
        _WORDS + 'permit p: open when context.file within path "/" and subject.status == active\n',
        _WORDS + 'permit p: open when context.file within path "/apps" and subject.status == active\n',
    ),
    find,
)  # fmt: skip
