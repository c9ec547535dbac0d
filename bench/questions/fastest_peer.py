"""Ask how much longer the fastest of other engines takes for the small world."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contestants import BOUND, DECIDE, PEERS
from bench.growth import DISAGREES, race
from bench.questions.answer import Answer, DisagreementError, Scale

_BARS = {DECIDE: ("decide", 17, 20), BOUND: ("bound.decide", 25, 40)}


def ask(scale: Scale) -> Iterator[Answer]:
    """Race those that are installed, each beside the function by hand; no answer if none is."""
    found = {}
    for row in race("apps", (27,), (*_BARS, *PEERS), scale.requests, scale.rounds):
        if row.skipped == DISAGREES:
            raise DisagreementError(f"{row.contestant} {row.skipped}")
        if not row.skipped:
            found[row.contestant] = row.ratio
    peers = [name for name in PEERS if name in found]
    if peers:
        fastest = min(peers, key=found.__getitem__)
        for ours, (name, bar, aim) in _BARS.items():
            question = f"the fastest peer ({fastest}) over {name}"
            yield Answer(question, found[fastest] / found[ours], bar, aim, least=True)
