"""Ask what a decision about policies/hospital costs whose parts were built before, beside one by hand."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from bench.worlds import hospital_by_hand as by_hand
from bench.worlds.hospital import POLICIES, requests
from policyengine import PolicyEngine


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide about entries, patients and invoices, on wards, in offices and in the portal; the function by hand validates nothing."""
    engine = PolicyEngine.load(POLICIES)
    asks = requests(engine, scale.requests)
    decide = engine.decide
    built = [(*one.built, one.by_hand[-1]) for one in asks]
    hands = [one.by_hand for one in asks]
    for parts, plain in zip(built, hands, strict=True):
        for decision in (decide(*parts), decide(*parts)):
            if decision.allowed != by_hand.allows(*plain):
                raise DisagreementError(f"{parts} is decided otherwise by hand: {decision.reason}")

    def hand() -> None:
        for plain in hands:
            by_hand.allows(*plain)

    def ours() -> None:
        for subject, action, resource, context, now in built:
            decide(subject, action, resource, context, now).allowed

    ratio = side_by_side({"by hand": hand, "ours": ours}, len(asks), scale.rounds)["ours"].ratio
    yield Answer("policies/hospital, parts built before, over by hand", ratio, 2, 1.2)
