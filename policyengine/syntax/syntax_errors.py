"""Convert Lark's exceptions to diagnostics, and find where to resume after a mistake.

`parse_state.py` reads the state of the parser from the exception, and `mistakes.py` recognises common
mistakes. Lark stops at the first one; `resume_point` finds the next line on which a declaration or a
rule begins.
"""

from __future__ import annotations

import re

from lark.exceptions import UnexpectedInput

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source, Span
from policyengine.syntax.mistakes import recognise
from policyengine.syntax.parse_state import ParseState

_DECLARES = (
    r"levels|enum|taxonomy|entity|group|action|obligation|(?:field[ \t]+)?gate|const|define|waiver"
    r"|invariant|test|(?:advisory[ \t]+)?(?:permit|forbid|expose)"
)
BEGINS = re.compile(
    # At the beginning of a line before anything; indented only before a name or a title, since
    # there the word may name an attribute.
    rf'^(?:(?:{_DECLARES}|let)(?![A-Za-z0-9_]|[ \t]*[?:.,)])|[ \t]+(?:{_DECLARES})[ \t]+["A-Za-z_])',
    re.MULTILINE,
)
"""Where a declaration or a rule begins."""


def syntax_diagnostic(source: Source, problem: UnexpectedInput) -> Diagnostic:
    """Return the diagnostic for the mistake at which Lark's parser stopped."""
    return recognise(ParseState.of(source, problem))


def resume_point(source: Source, span: Span) -> int | None:
    """Return the offset at which to resume parsing after a mistake at *span*; None if there is none.

    That is the next line on which a declaration or a rule begins: after the line of *span*, or that
    line itself if *span* is empty or at its beginning (the text there came too early).
    """
    line = source.text.rfind("\n", 0, span.start) + 1
    found = BEGINS.search(source.text, line)
    if found and found.start() == line and source.text[line : span.start].strip():
        found = BEGINS.search(source.text, found.end())
    return found.start() if found else None
