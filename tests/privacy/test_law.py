"""Holds on dense policies that requests which differ in private values alone are told alike.

Every permit and forbid is made of a few conditions, most of which read something private, so private
values decide what is looked at at all. What the random worlds of `tests/strategies` hardly meet is
met here all the time.
"""

from __future__ import annotations

import json
import os
from random import Random

from hypothesis import given, settings

from policyengine import PolicyEngine
from policyengine.reference import interpreter, reasons
from tests.strategies.loading import Loaded, load
from tests.strategies.seeds import SEEDS

HEAD = """\
package p
entity User {
    a: bool, n: int, t: datetime, word: string, name?: string
    s: private bool, p: private int, until: private datetime, code?: private string
    box: { shown: int, kept: private int }, boss: private User
}
entity Doc { owner: User, open: bool, tag: private string }
action read by User on Doc with { q: int, pin: private int }
define secret(one: User) = one.s
define fresh(one: User) = one.t < now
"""
PUBLIC = (
    "subject.a", "not subject.a", "subject.n > 1", "subject.n == context.q", "subject.t < now",
    "now < subject.t", 'subject.word == "x"', "subject has name", "resource.open",
    "resource.owner == subject", "subject.box.shown == 1", "fresh(subject)", "resource.owner.a",
    "subject.n in {1, 2}", 'subject.word like "x*"',
)  # fmt: skip
PRIVATE = (
    "subject.s", "not subject.s", "subject.p > 1", "subject.p == subject.n", "subject.until < now",
    "now < subject.until", "subject has code", "subject.box.kept == 1", "secret(subject)",
    "context.pin == 1", "resource.owner.s", "subject.boss.a", 'resource.tag == "x"',
    "(if subject.s then subject.a else subject.n > 1)", "(subject.s or subject.t < now)",
    "not (subject.s or not (subject has name))",
    "size({subject.p, subject.n}) == 1", "subject.boss == subject",
)  # fmt: skip
NEEDS_NAME = 'subject.name == "x"'


def policy(rng: Random) -> str:
    """Return a small policy; a guard may be hidden in a private condition."""
    rules = []
    for number in range(rng.randint(1, 4)):
        conditions = [rng.choice(PRIVATE if rng.random() < 0.5 else PUBLIC) for _ in range(3)]
        if "subject has name" in conditions or PRIVATE[-3] in conditions:
            conditions.append(NEEDS_NAME)
        effect = "permit" if number == 0 or rng.random() < 0.7 else "forbid"
        kind = "when " + " and ".join(
            conditions[: rng.randint(1, 4)] if NEEDS_NAME not in conditions else conditions
        )
        text = (
            ' otherwise "not {subject.word}"' if effect == "permit" and rng.random() < 0.2 else ""
        )
        rules.append(f"{effect} r{number}: read {kind}{text}")
    return HEAD + "\n".join(rules) + "\n"


def user(rng: Random, public: Random, id_: str) -> dict:
    """Return a user: what may be seen from *public*, what is private from *rng*."""
    days = ("2026-01-01", "2027-06-01", "2099-01-01")
    properties = {
        "a": public.random() < 0.5, "n": public.randint(0, 3), "t": public.choice(days),
        "word": public.choice("xyz"), "s": rng.random() < 0.5, "p": rng.randint(0, 3),
        "until": rng.choice(days), "box": {"shown": public.randint(0, 1), "kept": rng.randint(0, 1)},
        "boss": {"type": "User", "id": rng.choice(("u", "v"))},
    }  # fmt: skip
    if public.random() < 0.5:
        properties["name"] = public.choice("xyz")
    if rng.random() < 0.5:
        properties["code"] = rng.choice("xyz")
    return {"type": "User", "id": id_, "properties": properties}


def request(rng: Random, public: Random) -> dict:
    """Return a request of which the private values alone depend on *rng*."""
    subject, other = user(rng, public, "u"), user(rng, public, "v")
    owner = {"type": "User", "id": public.choice(("u", "v"))}
    doc = {"owner": owner, "open": public.random() < 0.5, "tag": rng.choice("xyz")}
    return {
        "subject": subject,
        "action": "read",
        "resource": {"type": "Doc", "id": "d", "properties": doc},
        "context": {"q": public.randint(0, 3), "pin": rng.randint(0, 2)},
        "entities": [other],
        "now": "2026-11-24T00:00:00Z",
    }


def texts(engine: PolicyEngine, loaded: Loaded, asked: dict) -> dict[str, object]:
    """Return all that is said of a request to others than an auditor."""
    decision = engine.decide(**asked)
    answer = json.loads(decision.to_bytes())
    del answer["context"]["valid_until"]
    explanation = engine.explain(**asked)
    said: dict[str, object] = {
        "reason": decision.reason,
        "reason for a user": decision.reason_for("user"),
        "valid until for a user": decision.valid_until_for("user"),
        "reference": reasons.reason(loaded.checked, loaded.request(**asked)),
        "JSON": answer,
        "decision": repr(decision),
        "explanation": repr(explanation),
    }
    own = ("id", "time", "latency_us")
    said["record"] = {name: part for name, part in decision.to_log().items() if name not in own}
    for audience in ("user", "developer"):
        said[f"to {audience}"] = explanation.to_json(audience)
        said[f"lines to {audience}"] = list(explanation.lines(audience))
    return said


EXAMPLES = int(os.environ.get("PRIVACY_EXAMPLES", "12"))


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_private_values_show_in_no_text(seed):
    rng = Random(seed)
    loaded = load({"p.policy": policy(rng)})
    seen: dict[str, tuple[dict, dict]] = {}
    public = rng.random()
    for _ in range(12):
        asked = request(rng, Random(public))
        outcome = repr(interpreter.decide(loaded.checked, loaded.request(**asked)))
        said = texts(loaded.engine, loaded, asked)
        first, before = seen.setdefault(outcome, (asked, said))
        for what, text in said.items():
            assert text == before[what], (
                what,
                loaded.checked.sources["p.policy"].text,
                first,
                asked,
            )
