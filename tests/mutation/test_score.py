"""Mutation: what tests notice, what nothing can notice, and a test for what they did not."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from policyengine.mutation.fates import MutationRun, Tried
from policyengine.mutation.score import mutate
from policyengine.testing.runner import run_tests
from tests.strategies import seeds
from tests.strategies.laws import Case, hold
from tests.testing.conftest import Interpreted
from tests.testing.world import NOW, checked_set, test_of


def run_of(text: str, **options: object) -> MutationRun:
    return mutate(checked_set(text), now=NOW, **options)[0]


def fates(text: str) -> dict[str, str]:
    return {one.what: one.fate for one in run_of(text).tried}


def holds_after_pasting(text: str) -> MutationRun:
    """Paste a test for each survivor: all pass, and what they were for is noticed."""
    before = run_of(text)
    pasted = text + "\n".join(one.test for one in before.survivors)
    checked = checked_set(pasted)
    run = run_tests(checked, Interpreted(checked), now=NOW)
    assert run.count("passed") == len(run.results), [r.problems for r in run.results]
    after = run_of(pasted)
    left = {one.what for one in after.survivors}
    assert left <= {one.what for one in before.survivors if not one.test}
    return after


ADULT = "gate scope { permit adult: list when subject.age >= 18 and not subject.away fields all }\n"
ASKED = test_of("expect allow list by ann on item", "expect deny list by ann { age: 17 } on item")


def test_a_rule_that_no_test_asks_about_gets_its_tests_from_nothing():
    run = run_of(ADULT)
    assert run.score == 0
    assert all(one.test for one in run.survivors if one.kind in {"drop-rule", "move-bound"})
    assert holds_after_pasting(ADULT).score > 0.9


def test_what_tests_notice_and_what_they_do_not():
    run = run_of(ADULT + ASKED)
    by_what = {one.what: one for one in run.tried}
    assert by_what["the rule is left out"].by == "t"
    assert by_what["`subject.age >= 18` is left out"].fate == "noticed"
    survived = by_what["`not subject.away` is left out"]
    assert (survived.fate, survived.kind, survived.of) == (
        "survived",
        "drop-operand",
        "scope.adult",
    )
    assert "away: true" in survived.test
    assert "expect deny list" in survived.test
    assert by_what["`18` is moved up by one"].fate == "survived"
    assert run.count("survived") == len(run.survivors) == 3
    assert run.score == run.count("noticed") / (run.count("noticed") + 3)


def test_a_survivor_comes_with_a_test_that_notices_it():
    assert holds_after_pasting(ADULT + ASKED).score == 1.0


def test_a_survivor_is_looked_for_near_requests_that_came_out_otherwise():
    rule = """gate scope { permit p: list
        when subject.away and subject.tier == free and subject.status == closed and subject.age > 50
        fields all }
    """
    far = [f"expect deny list by ann {{ age: {age} }} on item" for age in range(10, 50)]
    near = "expect allow list by ann { away: true, tier: free, status: closed, age: 60 } on item"
    assert [one.what for one in run_of(rule + test_of(*far, near)).survivors if not one.test] == []


EXCEPTED = """
gate scope {
    permit r: list, edit when subject.age >= 18
    permit s: list when subject.away
    forbid f: any except list when subject.away
}
"""


def test_an_exception_is_noticed_by_a_test_of_what_it_leaves_out():
    what = "the exception `list` is left out"
    asked = test_of(
        "expect allow list by ann on item", "expect deny list by ann { age: 17 } on item"
    )
    (survived,) = (one for one in run_of(EXCEPTED + asked).tried if one.what == what)
    assert survived.fate == "survived"
    assert "away: true" in survived.test
    assert "expect allow list" in survived.test
    away = test_of("expect allow list by ann { away: true } on item", title="u")
    (noticed,) = (one for one in run_of(EXCEPTED + asked + away).tried if one.what == what)
    assert (noticed.fate, noticed.by) == ("noticed", "u")


def test_a_set_without_rules_has_nothing_to_notice():
    assert run_of("").score == 1.0


def test_a_mutant_that_answers_alike_is_nobodys_fault():
    text = (
        "gate scope { permit r: list when subject.tier >= basic and subject.tier != free\n"
        "    fields all }\n"
    )
    found = fates(text + test_of("expect allow list by ann on item"))
    assert found["`subject.tier != free` is left out"] == "equivalent"
    assert found["`subject.tier >= basic` is left out"] == "equivalent"


def test_a_mutant_that_a_stronger_rule_hides_is_alike():
    text = (
        "gate scope {\n"
        "    forbid away: list when subject.away\n"
        "    forbid away_and_old: list when subject.away and subject.age > 70\n"
        "    permit all_: list fields all\n"
        "}\n"
    )
    found = {(one.of, one.what): one.fate for one in run_of(text + ASKED_AWAY).tried}
    assert found["scope.away_and_old", "`70` is moved up by one"] == "equivalent"


ASKED_AWAY = test_of(
    "expect allow list by ann on item", "expect deny list by ann { away: true } on item"
)


def test_what_the_checker_refuses_is_not_counted():
    text = (
        "gate scope { permit r: list when subject has boss and subject.boss == resource.owner\n"
        "    fields all }\n"
    )
    run = run_of(text)
    refused = [one.what for one in run.tried if one.fate == "refused"]
    assert "`subject has boss` is left out" in refused
    assert run.count("refused") == len(refused)


def test_fields_and_obligations_are_told_apart_by_what_is_expected():
    text = "gate scope { permit r: list fields id, text oblige erase(1d) }\n" + test_of(
        "expect allow list by ann on item"
    )
    run = run_of(text)
    tests = {one.what: one.test for one in run.survivors}
    assert "fields {id, text}" in tests["the field `text` is left out"]
    assert "oblige erase(24h)" in tests["the obligation `erase` is left out"]
    assert holds_after_pasting(text).score == 1.0


def test_masks_are_told_apart_by_what_is_expected():
    text = "gate scope { permit r: list fields id, text as pseudonym }\n" + test_of(
        "expect allow list by ann on item"
    )
    tests = {one.what: one.test for one in run_of(text).survivors}
    assert "fields {id, text as pseudonym}" in tests["`text as pseudonym` becomes `text`"]
    assert holds_after_pasting(text).score == 1.0


def test_what_an_expose_says_of_a_missing_field_is_noticed():
    text = (
        "gate scope {\n"
        "    permit p: list fields id\n"
        '    expose e: list when subject.away otherwise "not away" fields text as pseudonym\n'
        "}\n"
    )
    asked = test_of(
        "expect allow list by ann { away: true } on item asking {text as pseudonym}\n"
        "        fields {id, text as pseudonym}",
        'expect deny list by ann { away: false } on item asking {text as pseudonym} reason "not away"',
        "expect allow list by ann { away: true } on item fields {id, text as pseudonym}",
    )
    assert {what for what, fate in fates(text + asked).items() if fate == "survived"} == set()


def test_what_no_test_could_expect_comes_without_one():
    """More is owed by the mutant, and nothing says that nothing is."""
    text = (
        "gate scope {\n"
        "    permit p: list fields id\n"
        "    expose e: list when subject.away fields id oblige erase(1d)\n"
        "}\n"
    )
    survivors = run_of(text + test_of("expect allow list by ann on item")).survivors
    negated = next(one for one in survivors if one.what == "`subject.away` is negated")
    assert "away: true" in negated.test
    assert "oblige erase(24h)" in negated.test
    (without,) = (one for one in survivors if not one.test)
    assert without.what == "the condition `subject.away` is left out"


def test_what_depends_on_no_time_says_none():
    assert not any("at 2" in one.test for one in run_of(ADULT + ASKED).survivors)
    ann = 'User "u" { age: 20, away: false }'
    test = f'test "t" {{ expect allow list by {ann} on Item "i" }}\n'
    dated = ADULT.replace("fields all", "fields all from 2026-01-01")
    assert all("at 2" in one.test for one in run_of(dated + test).survivors)


def test_constants_definitions_and_validity():
    text = (
        "const grown: int = 18\n"
        "define adult(user: User) = user.age >= grown\n"
        "gate scope { permit r: list when adult(subject) fields all until 2027-01-01 }\n"
    )
    whole = text + test_of("expect allow list by ann on item")
    survivors = {one.what for one in run_of(whole).survivors}
    assert "`18` is moved up by one" in survivors
    assert "`until` is left out" in survivors
    assert holds_after_pasting(whole).score == 1.0


def test_rows_of_tables():
    text = (
        "const most: Tier -> int = { free: 10, basic: 20, pro: 40 }\n"
        "gate scope { permit r: list when subject.age < most[subject.tier] fields all }\n"
    )
    whole = text + test_of("expect allow list by ann on item")
    assert "`40` is moved up by one" in {one.what for one in run_of(whole).survivors}
    assert holds_after_pasting(whole).score == 1.0


def test_contexts_that_have_names():
    text = "gate scope { permit r: read when context.purposes overlaps {health} fields all }\n"
    named = "let for_health = { purposes: {health} }\n"
    asked = test_of(
        "expect allow read by ann on item with for_health",
        "expect deny read by ann on item with for_health { purposes: {} }",
    )
    assert holds_after_pasting(text + named + asked).score == 1.0


def test_invariants_count_as_tests_do():
    text = (
        "gate scope { permit r: list when not subject.away fields all }\n"
        "invariant present: never allow list when subject.away\n"
    )
    asked = test_of(
        "expect allow list by ann on item", "expect deny list by ann { away: true } on item"
    )
    assert run_of(text + asked).score == 1.0


def test_expectations_of_words_fields_and_rules_notice():
    text = (
        "gate scope {\n"
        '    forbid f: list when subject.away because "{subject} is away"\n'
        "    permit p: list fields all\n"
        "}\n"
        + test_of(
            "expect allow list by ann on item fields {id, owner, readers, size, text, from_}",
            'expect deny list by ann { away: true } on item because scope.f reason "is away"',
        )
    )  # fmt: skip
    assert run_of(text).score == 1.0


# ---- what is remembered -----------------------------------------------------------------


def test_what_is_remembered_is_not_tried_again(monkeypatch):
    checked = checked_set(ADULT + ASKED)
    run, remembered = mutate(checked, now=NOW)
    monkeypatch.setattr("policyengine.mutation.trial.Trial.tested", None)
    again, kept = mutate(checked, now=NOW, remembered=remembered)
    assert (again.tried, kept) == (run.tried, remembered)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("age: 17", "age: 18"),  # a test
        ("subject.age >= 18", "subject.age >= 19"),  # the rule
        ("entity Team", "entity Team\nenum Colour = red"),  # the vocabulary
        ("gate scope {", "gate scope { forbid f: list when subject.age > 90"),  # a rule beside it
    ],
)
def test_a_change_of_what_matters_makes_it_forget(before, after):
    from tests.testing.world import WORDS

    text = ADULT + ASKED
    _, remembered = mutate(checked_set(text), now=NOW)
    changed = checked_set(text.replace(before, after), WORDS.replace(before, after))
    _, kept = mutate(changed, now=NOW)
    assert not kept.keys() & remembered.keys()


def test_changes_that_read_alike_are_told_apart():
    text = (
        "gate scope { permit r: list when subject.age > 3 and subject.away or subject.age > 3\n"
        "    fields all }\n"
    )
    run, remembered = mutate(checked_set(text), now=NOW)
    assert len(remembered) == len(run.tried)


def test_a_change_elsewhere_does_not():
    other = "gate scope { forbid other: edit when subject.age > 99 }\n"
    _, remembered = mutate(checked_set(ADULT + ASKED), now=NOW)
    run, kept = mutate(checked_set("# moved\n" + other + ADULT + ASKED), now=NOW)
    assert remembered.keys() < kept.keys()
    again, _ = mutate(
        checked_set("# moved\n" + other + ADULT + ASKED), now=NOW, remembered=remembered
    )
    assert again.tried == run.tried  # where they stand now


# ---- many at once -----------------------------------------------------------------------


def test_progress_is_told():
    told: list[tuple[int, int]] = []
    run = run_of(ADULT + ASKED, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (len(run.tried), len(run.tried))
    assert all(a[0] <= b[0] for a, b in pairwise(told))


def test_processes_find_what_one_finds(monkeypatch):
    monkeypatch.setattr("policyengine.mutation.processes.MANY", 2)
    assert run_of(ADULT + ASKED, jobs=2).tried == run_of(ADULT + ASKED).tried


# ---- any policy set ---------------------------------------------------------------------


def survivors_are_told_apart(case: Case) -> None:
    """Every test that a survivor comes with passes, and fails for the mutant."""
    from policyengine.mutation.write_tests import write_test

    asked = write_test("asked", [(case.request, _allowed(case), ())], case.loaded.checked)
    text = f"{case.world.text()}\n{asked}"
    if "package q" in text or any("invariant" in one for one in case.world.others):
        return
    checked = checked_set(text.partition("\n")[2], "")
    run = mutate(checked, now=NOW)[0]
    for one in run.survivors[:4]:
        if one.test:
            again = checked_set(text.partition("\n")[2] + "\n" + one.test, "")
            tested = run_tests(again, Interpreted(again), now=NOW)
            assert tested.count("passed") == len(tested.results), one.test
            same = [other for other in mutate(again, now=NOW)[0].tried if _same(one, other)]
            assert any(other.fate == "noticed" for other in same), (one.what, one.test)


def _allowed(case: Case) -> bool:
    return bool(case.loaded.program.decide(case.request).allowed)


def _same(one: Tried, other: Tried) -> bool:
    return (one.of, one.what) == (other.of, other.what)


@settings(max_examples=4)
@given(seeds.SEEDS)
def test_survivors_are_told_apart(seed):
    hold(survivors_are_told_apart, seed, requests=1)
