"""Ask how much longer the fastest of other engines takes for the small world."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contestants import DECIDE, PEERS
from bench.growth import DISAGREES, race
from bench.questions.answer import Answer, DisagreementError, Scale


def ask(scale: Scale) -> Iterator[Answer]:
    """Race those that are installed, each beside the function by hand; no answer if none is."""
    ours, peers = None, {}
    for row in race("apps", (27,), (DECIDE, *PEERS), scale.requests, scale.rounds):
        if row.skipped == DISAGREES:
            raise DisagreementError(f"{row.contestant} {row.skipped}")
        if row.contestant == DECIDE:
            ours = row.ratio
        elif row.contestant in PEERS and not row.skipped:
            peers[row.contestant] = row.ratio
    if ours and peers:
        fastest = min(peers, key=peers.__getitem__)
        question = f"the fastest peer ({fastest}) over decide"
        yield Answer(question, peers[fastest] / ours, 20, 40, least=True)
