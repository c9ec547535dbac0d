"""Turn what is wrong with a text into diagnostics, and find where to go on after a mistake.

Of Lark's exceptions `situation.py` reads what
stood there and what could have, `mistakes.py` knows the usual mistakes by example. Lark stops at the
first one; `resume_point` finds the next line on which a declaration or a rule begins.
"""

from __future__ import annotations

import re

from lark.exceptions import UnexpectedInput

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source, Span
from policyengine.syntax.mistakes import recognise
from policyengine.syntax.parse_state import Situation

_DECLARES = (
    r"levels|enum|taxonomy|entity|group|action|obligation|(?:field[ \t]+)?gate|const|define|waiver"
    r"|invariant|test|(?:advisory[ \t]+)?(?:permit|forbid|expose)"
)
_BEGINS = re.compile(
    # At the beginning of a line whatever follows; further in only before a name or a title, since
    # there the word may name an attribute.
    rf'^(?:(?:{_DECLARES}|let)(?![A-Za-z0-9_]|[ \t]*[?:.,)])|[ \t]+(?:{_DECLARES})[ \t]+["A-Za-z_])',
    re.MULTILINE,
)


def syntax_diagnostic(source: Source, problem: UnexpectedInput) -> Diagnostic:
    """Say what is wrong where Lark's parser stopped."""
    return recognise(Situation.of(source, problem))


def resume_point(source: Source, span: Span) -> int | None:
    """Return where to go on parsing after a mistake at *span*; None if nothing more begins.

    That is the next line on which a declaration or a rule begins: after the line of *span*, or that
    line itself if *span* is empty or lies at its beginning (what stands there came too early).
    """
    line = source.text.rfind("\n", 0, span.start) + 1
    found = _BEGINS.search(source.text, line)
    if found and found.start() == line and source.text[line : span.start].strip():
        found = _BEGINS.search(source.text, found.end())
    return found.start() if found else None
