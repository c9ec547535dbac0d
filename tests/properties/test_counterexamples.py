"""Every counterexample that the laws have found, cut down and kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.strategies import laws
from tests.strategies.loading import load

ENTITIES = "package p entity User in User { age: int, tags: set<string>, tier: Tier } levels Tier = a < b\n"

USER = {"type": "User", "id": "u", "properties": {"age": 1, "tags": ["x"], "tier": "a"},
        "parents": []}  # fmt: skip
REQUEST: dict[str, Any] = {
    "subject": USER,
    "action": "act",
    "resource": USER,
    "context": {"who": {"type": "User", "id": "v"}, "those": []},
    "now": "2026-01-01",
    "entities": [{**USER, "id": "v"}],
}

CONSTANTS = """
group all_of_it having { home?: ip, part?: { inner?: User, other: string }, limit: int }
action act in all_of_it by User on User having { limit: 1 }
"""

FOUND = {
    "a text that is written and empty is a text": """
        action act by User on User
        permit a: any when subject.age > 5 otherwise ""
        permit b: any when subject.age > 5 refer ""
        advisory forbid c: any because ""
    """,
    "an empty because of a forbid": """
        action act by User on User
        forbid a: any because "" refer ""
    """,
    "an absent constant is folded under its guard": CONSTANTS
    + """
        permit a: any when action has home and action.home within {action.home, ip "0.0.0.0/0"}
        permit b: any when not (action has home) or action.home == ip "10.0.0.1"
    """,
    "an attribute of an absent constant is lowered under its guard": CONSTANTS
    + """
        permit a: any when action has part and action.part has inner
        permit b: any when action has part when action.part.other like "x*"
    """,
    "a later gate that failed makes the deny an error": """
        action act by User on User
        gate one "whether one"
        gate two "whether two"
        gate one { permit a: any when subject.tier == b }
        gate two { permit b: any when subject.age > 0 and subject.tags overlaps {"x"} }
    """,
    "a forbid that failed beside one that is satisfied": """
        action act by User on User
        permit a: any
        forbid b: any when subject.age > 5
        forbid c: any when subject.tags == {"x"}
    """,
    "a referral that shows the time is another one at once": """
        action act by User on User
        permit a: any when subject.age > 5 refer "since {now}"
    """,
    "an obligation whose argument cannot be told from others fails": """
        obligation tell(tags: set<string>)
        action act by User on User
        permit a: any oblige tell(subject.tags)
    """,
    "a rule on trial that reads something unfit is unknown": """
        entity Team { lead: User }
        action act by User on User
        permit a: any
        advisory forbid b: any when subject.tier == b or subject.tags overlaps {"x"}
    """,
    "a rule on trial needs what it might have read": """
        action act by User on User with { who?: User }
        permit a: any
        advisory forbid b: any
            when context has who when if action.name like "a*" then true else context.who.age > 5
    """,
    "a waived permit owes something else at every moment": """
        obligation due(moment: datetime)
        action act by User on User
        permit a: any when subject.age > 5 waivable oblige due(now + 1d)
        waiver w of a for User "u" until 2030-01-01 ticket "T" approved_by "B"
    """,
    "an absent constant is what something must lie within": CONSTANTS
    + """
        permit a: any when action has part when subject within {subject} or action has home
            unless resource.age == 1 and action.part.other in {"x"}
    """,
    "nothing is looked up to lie within nothing": """
        group all_of_it having { those: set<User> }
        action act in all_of_it by User on User with { who?: User } having { those: {} }
        permit a: any when context has who and context.who within action.those
        permit b: any when subject within action.those
    """,
    "nothing is looked at to lie within what is unfit": """
        action act by User on User with { who?: User, those?: set<User> }
        permit a: any
            when context has those when context has who when context.those within context.who
    """,
    "names of variables are not names of the generated module": """
        action act by User on User
        permit a: any when (some constant_ in subject.tags: constant_ in {"x", "y"})
            and (every shared_ in subject.tags: shared_ in subject.tags and shared_ != "z")
            and (every entities in subject.tags: entities like "x")
            and (every any_ in {1, 2}: any_ in {1, 2})
            and subject.tags overlaps {"x"} and resource.tags overlaps {"x"}
        permit b: any when subject.tags overlaps {"x"} and (some above_ in subject.tags: above_ == "x")
        permit c: any when (some len in subject.tags: size({len}) == 1)
            and (some frozenset in subject.tags: {frozenset} == {"x"})
            and (some turns in {1}: turns == 1 and now > 2020-01-01)
            and (some constant in subject.tags: constant in {"x", "y"} and {constant} subset {"x", "y"})
    """,
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND.keys())
@pytest.mark.parametrize(
    "law",
    [
        laws.reference_is_sound,
        laws.compiled_agrees,
        laws.failures_agree_and_open_nothing,
        laws.reference_holds_until,
        laws.compiled_holds_until,
    ],
)
def test_the_law_holds_now(law, text):
    loaded = load({"p.policy": ENTITIES + text})
    context = {name: value for name, value in REQUEST["context"].items() if f" {name}?" in text}
    given = {**REQUEST, "context": context}
    case = laws.Case(None, loaded, given, loaded.request(**given), seed=1)
    law(case)
