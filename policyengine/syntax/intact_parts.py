"""Parse what is left of a file when the rules and tests with mistakes are taken out.

One mistake of syntax should not hide those of names and types in other rules. Where nothing but rules, tests,
waivers and invariants has mistakes, no name is missing without them, and the rest can be checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.syntax import nodes
from policyengine.syntax.parser import parse
from policyengine.syntax.syntax_errors import BEGINS, resume_point

_NAMELESS = re.compile(
    r"\s*(?:(?:advisory|permit|forbid|expose|test|waiver|invariant)\b|gate\s+\w+\s*\{)"
)
_LIKE_A_RULE = re.compile(r"\w+[ \t]+\w+[ \t]*:(?![^=\n]*=(?!=))")
"""A rule whose first word is none; a constant has a value."""
_QUOTED_OR_BRACE = re.compile(r'"(?:[^"\\\r\n]|\\[^\r\n])*"?|#[^\n]*|[{}]')
_BLANKED = re.compile(r"[^\r\n]")


def parse_intact(
    source: Source, problems: Iterable[Diagnostic], limits: Limits
) -> nodes.PolicyFile | None:
    """Return the tree of *source* without the rules and tests in which the *problems* are.

    None if something else has a mistake, on which names may depend. Every node has its place in *source*.
    """
    text = source.text
    begins = [found.start() for found in BEGINS.finditer(text)]
    for problem in problems:
        begin = max((at for at in begins if at <= problem.span.start), default=None)
        if problem.code == "PE117" and _LIKE_A_RULE.match(text, problem.span.start):
            begin = problem.span.start
        elif begin is None or not _NAMELESS.match(text, begin):
            return None
        end = resume_point(source, problem.span) or len(text)
        text = text[:begin] + _emptied(text[begin:end]) + text[end:]
    file, left = parse(Source(source.name, text), limits)
    return None if left else file


def _emptied(text: str) -> str:
    """Return *text* as blanks, but for braces that close a block which was opened before it."""
    kept, depth = set[int](), 0
    for found in _QUOTED_OR_BRACE.finditer(text):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}" and depth:
            depth -= 1
        elif found[0] == "}":
            kept.add(found.start())
    blank = _BLANKED.sub(" ", text)
    return "".join("}" if i in kept else character for i, character in enumerate(blank))
