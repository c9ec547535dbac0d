"""Tests that are offered pass when they are pasted, at any time, notice what they are for, and say no more."""

from __future__ import annotations

import pytest

from policyengine.analysis.budget import Budget
from policyengine.model.limits import Limits
from policyengine.mutation.fates import MutationRun
from policyengine.mutation.mutants import mutants_of
from policyengine.mutation.score import mutate
from policyengine.mutation.smaller_tests import shorter_tests
from policyengine.mutation.suggest import suggest
from policyengine.mutation.trial import Trial
from tests.mutation.killers import checked_of, hold_offers, hold_suggestions
from tests.testing.world import NOW, WORDS, test_of

OWNERS = """\
package p
entity Org
entity Folder in Folder
entity User { org: Org, posts: set<{org: Org, role: string}>, member: set<Org>, until: datetime, active: bool }
entity Doc in Folder { owner: User, org: Org, team: set<User>, born: datetime, name: string }
action edit by User on Doc with { from_ip: ip, glass?: {why: string} }
obligation log(who: User)
"""

RULES = [
    "permit own: edit when resource.owner == subject",
    "permit own: edit when subject.active and resource.owner == subject",
    "permit team: edit when subject in resource.team",
    "permit org: edit when subject.org == resource.org",
    "permit member: edit when resource.org in subject.member",
    'permit post: edit when some p in subject.posts: p.role == "nurse" and p.org == resource.org',
    'permit below: edit when resource within Folder "top"',
    'permit above: edit when some f in ancestors(resource, Folder): f == Folder "top"',
    'permit hours: edit when now within schedule "Mon-Fri 09:00-17:00 Europe/Berlin"',
    "permit live: edit when now < subject.until and resource.owner == subject",
    'permit net: edit when context.from_ip within ip "10.20.0.0/16"',
    'permit glass: edit when context has glass and context.glass.why != ""',
    "permit owing: edit when subject.active oblige log(subject)",
    'forbid away: edit unless subject.active because "away"\npermit all_: edit',
    "permit dated: edit when subject.active from 2026-01-01 until 2027-01-01",
    """permit waived: edit when subject.active waivable
waiver w of waived for User "u" until 2026-09-01 ticket "T-1" approved_by "x"
""",
]
# What one small change of each rule is, tests are to notice: no test is there, so all have to be offered.


def run_of(rules: str) -> MutationRun:
    return mutate(checked_of({"p.policy": OWNERS + rules + "\n"}), now=NOW)[0]


@pytest.mark.parametrize("rules", RULES)
def test_each_change_is_noticed_by_a_test_that_is_offered_or_changes_nothing(rules):
    tests, changes, left = hold_offers({"p.policy": OWNERS + rules + "\n"})
    assert 0 < tests <= changes
    assert left == 0, [(one.what, one.why) for one in run_of(rules).tried if one.why]


@pytest.mark.parametrize("rules", RULES)
def test_what_is_suggested_passes_at_any_time(rules):
    assert hold_suggestions({"p.policy": OWNERS + rules + "\n"}) > 0


def test_callers_have_addresses_and_no_networks():
    tests = [one.test for one in run_of(RULES[10]).survivors]
    assert all("from_ip: ip " in test for test in tests)
    assert not any("/16" in test.partition("{")[2] for test in tests)  # their titles say it


@pytest.mark.parametrize("rules", RULES)
def test_no_part_of_a_test_can_be_left_out(rules):
    checked = checked_of({"p.policy": OWNERS + rules + "\n"})
    trial = Trial(checked, Limits(), NOW, Budget())
    run = run_of(rules)
    for test in {one.test for one in run.tried if one.test}:
        variants = [
            trial.variants.of(mutant)
            for mutant, one in zip(mutants_of(checked), run.tried, strict=True)
            if one.test == test
        ]
        rule = variants[0].before[min(variants[0].before)]
        offer = trial.maker.again(test, rule)
        for shorter in shorter_tests(offer.node):
            made = trial.maker.read(shorter(), rule)
            assert made is None or not all(made.notices(variant) for variant in variants), made.text


SHARED = """\
package p
entity Dep
entity Ward in Dep
entity Staff { posts: set<{ward: Ward, role: string}>, active: bool }
entity Patient { ward: Ward, team: set<Staff> }
entity Note { patient: Patient }
action view by Staff on Note
permit team: view when subject in resource.patient.team and subject.active
permit nurse: view when some p in subject.posts: p.role == "nurse" and p.ward == resource.patient.ward
let icu = Ward "icu" under Dep "surgery" {}
let ann = Staff "ann" { posts: {{ward: Ward "icu", role: "doctor"}}, active: true }
let eve = Patient "eve" { ward: icu, team: {Staff "ann"} }
let note = Note "n" { patient: eve }
test "t" { expect allow view by ann on note }
"""


def test_what_fixtures_say_is_not_said_again():
    run, _ = mutate(checked_of({"p.policy": SHARED}), now=NOW)
    tests = {one.test for one in run.survivors}
    assert len(tests) == 2
    assert not any("let " in test for test in tests)
    # One is about a part of a post.
    assert sum("posts: {{" in test for test in tests) == 1


def test_each_part_of_what_is_asked_of_elements_is_missed():
    """A role in another ward, or another role in the ward, is what such a rule must tell apart."""
    run, _ = mutate(checked_of({"p.policy": SHARED}), now=NOW)
    left_out = {one.what for one in run.survivors if one.kind == "drop-operand"}
    assert left_out >= {
        '`p.role == "nurse"` is left out', "`p.ward == resource.patient.ward` is left out",
    }  # fmt: skip


def test_boundaries_have_both_sides_which_the_rule_decides():
    text = (
        "gate scope {\n"
        "    permit p: list when subject.age >= 18 fields all\n"
        '    forbid f: list when subject.age < 21 because "young"\n'
        "}\n"
    )  # fmt: skip
    found = {
        one.rule: one
        for one in suggest(
            checked_of({"p.policy": WORDS + text + test_of("expect allow list by ann on item")}),
            now=NOW,
        )
    }
    assert "age: 20" in found["scope.f"].text
    assert "age: 21" in found["scope.f"].text
    assert not found["scope.p"].text  # the forbid denies on both sides of 18
    assert found["scope.p"].why
