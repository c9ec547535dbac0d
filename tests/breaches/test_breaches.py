"""Some of the planted breaches are shown, and some promises proved: `make breaches` tries all."""

from __future__ import annotations

from collections import Counter

import pytest

from policyengine.analysis.budget import Budget
from policyengine.proving.proofs import prove
from tests.breaches.harness import BREACHES, PROMISES, SETS, read, shown
from tests.faults.harness import policies
from tests.whole import WHOLE, some

SOME = [read(set_)[0][0] for set_ in some(SETS, 3)]
HELD = [read(set_)[1][0] for set_ in some(SETS, 3)]


def test_there_are_enough():
    of = Counter(breach.of for breach in BREACHES)

    assert len(BREACHES) >= 30
    assert len(PROMISES) >= 30
    assert of["tenants"] + of["owners"] >= 10
    assert sum(of[kind] for kind in ("masks", "fields", "schedules", "paths", "ancestors")) >= 10
    assert {breach.set for breach in BREACHES} == set(SETS)


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.name)
def test_its_change_fits_the_policies(breach):
    breach.change.made_in(policies(breach.set)[breach.change.file].text)


@pytest.mark.parametrize("breach", SOME, ids=lambda breach: breach.name)
def test_a_breach_is_shown(breach):
    shown(breach)


@pytest.mark.parametrize("promise", HELD, ids=lambda promise: promise.name)
def test_a_promise_that_holds_is_proved(promise):
    proof, _, _ = promise.proof()

    assert (proof.answer, proof.test) == ("proved", None)
    assert proof.rests_on


@pytest.mark.skipif(not WHOLE, reason="`make whole` proves a promise of all actions of policies/x")
def test_a_promise_of_every_action_is_proved_by_one_gate():
    """In few ways to answer: what settles one action is a hint for all others, if it is no more than is needed."""
    (promise,) = (one for one in PROMISES if "13mo" in one.never)
    checked, name, titles = promise.checked()
    wanted = [one for one in checked.invariants if one.name == name]
    (proof,) = prove(checked, wanted, Budget(20_000), titles=titles)

    assert (proof.answer, proof.rests_on) == ("proved", ("gate enforcement",))
