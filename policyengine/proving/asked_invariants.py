"""Check an invariant that is asked on the command line, and is not written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policyengine.diagnostics.diagnostic import Diagnostics
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.semantics.checked import CheckedSet

WORDS = {"--never-allow": "never allow", "--never-expose": "never expose"}
"""What each option stands for."""


class SeveralDeclarationsError(Exception):
    """What is asked is more than an invariant."""


def check_asked(
    checked: CheckedSet, asked: Sequence[tuple[str, str]]
) -> tuple[CheckedSet, dict[str, str]] | Diagnostics:
    """Return the set with the invariants *asked*, each an option and its text, and their texts by name.

    Each is checked as if it was in a file of its own that imports every package; what is wrong with one
    is returned instead. Raise `SeveralDeclarationsError` where more is declared.
    """
    packages = sorted({file.package.name for file in checked.files})
    taken = {invariant.name for invariant in checked.invariants} | set(packages)
    own = packages[0] if len(packages) == 1 else _free("asked", taken)
    imports = [] if len(packages) == 1 else [f"import {name}" for name in packages]
    sources: dict[str, Source] = dict(checked.sources)
    texts: dict[str, str] = {}
    for option, text in asked:
        name = _free("asked", taken)
        taken.add(name)
        head = "\n".join([f"package {own}", *imports])
        texts[name] = f"{WORDS[option]} {' '.join(text.split())}"
        file = _free(option, sources)
        sources[file] = Source(file, f"{head}\ninvariant {name}: {WORDS[option]} {text}\n")
    found, diagnostics = check_sources(sources)
    if found is None:
        return diagnostics
    added = (file for file in found.files if file.span.file not in checked.sources)
    if any(len(file.declarations) > 1 for file in added):
        raise SeveralDeclarationsError
    return found, texts


def _free(name: str, taken: Mapping[str, object] | set[str]) -> str:
    """Return *name*, or that with a number if it is taken."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
