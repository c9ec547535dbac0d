"""Make all safe fixes, round after round: removing one thing may leave another without use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from attrs import frozen

from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics, Edit, Fix, edited
from policyengine.diagnostics.source import Source
from policyengine.semantics.checked import CheckedSet

_MOST_ROUNDS = 50
_BLANK_LINES = re.compile(r"(?:\r?\n){3,}")


class BrokenFixError(Exception):
    """A policy set has errors after its fixes: a bug of ours."""


@frozen
class FixedSet:
    """A policy set after its fixes: the texts, the remaining findings, and the number of fixes."""

    sources: Mapping[str, Source]
    left: Diagnostics
    count: int


def apply_fixes(
    checked: CheckedSet,
    find: Callable[[CheckedSet], Diagnostics],
    check: Callable[[Mapping[str, Source]], CheckedSet | None],
) -> FixedSet:
    """Make the fixes of the findings of *find*, and of what it finds afterwards, until none is left.

    *check* checks the changed policy set; `BrokenFixError` is raised if it returns None, for errors.
    """
    found, count = find(checked), 0
    for _ in range(_MOST_ROUNDS):
        fixes = _apart(found.items)
        if not fixes:
            break
        edits = [edit for fix in fixes for edit in fix.edits]
        sources = {name: _with(source, edits) for name, source in checked.sources.items()}
        again = check(sources)
        if again is None:
            raise BrokenFixError
        checked, count = again, count + len(fixes)
        found = find(checked)
    return FixedSet(checked.sources, found, count)


def _with(source: Source, edits: Iterable[Edit]) -> Source:
    own = (
        Edit(edit.span, edit.text.replace("\n", source.line_end))
        for edit in edits
        if edit.span.file == source.name
    )
    text = edited(source.text, own)
    if not _BLANK_LINES.search(source.text):
        text = _BLANK_LINES.sub(source.line_end * 2, text)  # which two edits together would leave
    return Source(source.name, text)


def _apart(found: Iterable[Diagnostic]) -> list[Fix]:
    """Return the fixes that can be made together: none of them overlaps an earlier one."""
    chosen: list[Fix] = []
    taken: list[Edit] = []
    for diagnostic in found:
        fix = diagnostic.fix
        if fix and not any(_meet(edit, other) for edit in fix.edits for other in taken):
            chosen.append(fix)
            taken += fix.edits
    return chosen


def _meet(one: Edit, other: Edit) -> bool:
    a, b = one.span, other.span
    return a.file == b.file and a.start < b.end and b.start < a.end
