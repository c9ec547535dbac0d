"""Ask how long it takes to check policies/x again after an edit of one file, as an editor does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.worlds.platform import POLICIES
from policyengine.diagnostics.source import Source
from policyengine.pipeline import EditedSet, check_sources, read_sources


def ask(scale: Scale) -> Iterator[Answer]:
    """Edit each file once, at its end, and check; the slowest counts."""
    sources, _ = read_sources([str(POLICIES)])
    edited = EditedSet()
    edited.check(sources)
    taken = []
    for name, source in islice(sources.items(), scale.loaded):
        changed = {**sources, name: Source(name, f"{source.text}# edited\n")}
        start = time.process_time()
        checked, _ = edited.check(changed)
        taken.append((time.process_time() - start) * 1_000)
        expected, _ = check_sources(changed)
        if checked is None or expected is None or checked.digest != expected.digest:
            raise DisagreementError(f"{name} is checked otherwise as a whole")
        edited.check(sources)
    question = "check of policies/x after an edit of one file, the slowest: milliseconds"
    yield Answer(question, max(taken), 100, 50, unit="ms")
