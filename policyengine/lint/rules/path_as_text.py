"""Find strings that are compared as if they were paths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.placed_conditions import Asked, asked_in
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.syntax import nodes

_PATH = re.compile(r"/[\w.~*-]+(/.*)?")
_INNER = re.compile(r"(?:/[\w.~-]+)+/")
_FOLDER = re.compile(r"(/[^/*]+)+")


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each comparison of a string with the beginning of a path."""
    for rule in subject.checked.rules:
        for asked in asked_in(rule):
            through = asked.wanted is (rule.effect != "forbid")
            inner = _inner_folder(asked) if through else ""
            if inner:
                yield warning(
                    "PE461", asked.placed.expr.span,
                    f"`{rule.id}` lets `{inner}/../x` through: a string is not a path",
                    f'declare it as a `path`, and write `like path "/**{inner}/**"`',
                )  # fmt: skip
            found = _folder(asked)
            if found:
                escape = f"{found}/../x" if through else f"/{found}/x"
                does = "lets" if through else "does not stop"
                yield warning(
                    "PE461", asked.placed.expr.span,
                    f"`{rule.id}` {does} `{escape}`{' through' if through else ''}: a string is not a path",
                    f'declare it as a `path`, and write `within path "{found}"`',
                )  # fmt: skip


def _folder(asked: Asked) -> str:
    """Return the folder with which a string that the policy does not give is compared."""
    match asked.placed.expr:
        case nodes.Compare("startswith", left, right):
            text, begin = asked.placed.at(left), asked.placed.at(right).constant
        case nodes.Like(object_, pattern, "string"):
            text, begin = asked.placed.at(object_), pattern if "*" in pattern else ""
        case _:
            return ""
    if text.is_written or not isinstance(begin, str) or not _PATH.fullmatch(begin):
        return ""
    folder = _FOLDER.match(begin)
    return folder[0] if folder else ""


def _inner_folder(asked: Asked) -> str:
    """Return the folder that a string must have somewhere within, which the policy does not give."""
    match asked.placed.expr:
        case nodes.Compare("contains", left, right):
            text, part = asked.placed.at(left), asked.placed.at(right).constant
        case nodes.Like(object_, pattern, "string") if pattern[:2] == "*/" and pattern[-2:] == "/*":
            text, part = asked.placed.at(object_), pattern[1:-1]
        case _:
            return ""
    if text.is_written or not isinstance(part, str) or not _INNER.fullmatch(part):
        return ""
    return part.removesuffix("/")


RULE = LintRule(
    Code(
        "PE461", "path-as-text", "A string that is compared as if it were a path.",
        "As a string `/public/../admin` begins with `/public/`, and `//admin/users` does not begin with `/admin/`. Values of the type `path` have one spelling, and `within` asks by whole segments.",
        WORDS + 'entity File { name: string }\naction open by App on File\npermit o: open when resource.name like "/public/*"\npermit q: read when subject.status == active\n',
        WORDS + 'entity File { name: path }\naction open by App on File\npermit o: open when resource.name within path "/public"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
