"""Hold what is remembered of invariants, and until when."""

from __future__ import annotations

import pytest

from policyengine.analysis.budget import Budget
from policyengine.cache.folder import Cache
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.proving.proof_memory import recall, remember
from policyengine.proving.proofs import prove

WORDS = """\
package p
entity Org
entity User { org: Org, banned: bool }
entity Doc { owner: User, org: Org }
action read by User on Doc
"""
RULES = """\
permit own: read when resource.owner == subject and resource.org == subject.org
forbid banned: read when subject.banned because "no"
"""
INVARIANTS = """\
invariant apart: never allow read unless subject.org == resource.org
invariant banned: never allow read when subject.banned
invariant owners: never allow read when resource.org == subject.org
"""


def checked(text):
    found, problems = check_sources({"p.policy": Source("p.policy", text)})
    assert found is not None, problems.items
    return found


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "cache"), b"k" * 32)


def proved(cache, text, seconds=10.0):
    one = checked(text)
    known = recall(cache, ["p.policy"], one, seconds)
    remember(
        cache, ["p.policy"], one, prove(one, one.invariants, Budget.lasting(None), known), seconds
    )
    return {name: (proof.answer, proof.rests_on) for name, proof in known.items()}


def test_a_proof_counts_while_what_it_rests_on_is_the_same(cache):
    assert proved(cache, WORDS + RULES + INVARIANTS) == {}
    all_ = {
        "apart": ("proved", ("gate access",)),
        "banned": ("proved", ("access.banned",)),
        "owners": ("broken", ()),
    }
    assert proved(cache, WORDS + RULES + INVARIANTS) == all_

    more = RULES + 'forbid night: read when now > 2026-01-01 because "late"\n'
    assert proved(cache, WORDS + more + INVARIANTS) == {
        name: all_[name] for name in ("apart", "banned")
    }
    opened = more + "permit another: read when subject.banned\n"
    assert proved(cache, WORDS + opened + INVARIANTS) == {"banned": all_["banned"]}


@pytest.mark.parametrize(
    "other",
    [
        WORDS.replace("banned: bool", "banned: bool, age: int") + RULES + INVARIANTS,
        WORDS + RULES.replace("when subject.banned", "when not subject.banned") + INVARIANTS,
        WORDS + RULES + INVARIANTS.replace("when subject.banned", "when not subject.banned"),
    ],
)
def test_it_does_not_when_that_is_changed(cache, other):
    proved(cache, WORDS + RULES + INVARIANTS)

    assert "banned" not in proved(cache, other)


def test_what_was_not_settled_is_asked_again_with_more_time(cache):
    one = checked(WORDS + RULES + INVARIANTS)
    remember(cache, ["p.policy"], one, prove(one, one.invariants, Budget.lasting(0)), 0)

    assert [p.answer for p in recall(cache, ["p.policy"], one, 0).values()] == ["not settled"] * 3
    assert recall(cache, ["p.policy"], one, 1) == {}


def test_a_damaged_entry_counts_as_absent(cache):
    one = checked(WORDS + RULES + INVARIANTS)
    proofs = prove(one, one.invariants, Budget.lasting(None))
    remember(cache, ["p.policy"], one, proofs, 1)
    assert recall(cache, ["p.policy"], one, 1)

    assert recall(cache, ["other"], one, 1) == {}
    assert recall(None, ["p.policy"], one, 1) == {}
    remember(None, ["p.policy"], one, proofs, 1)
