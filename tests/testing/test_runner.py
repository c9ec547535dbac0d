"""Run tests that pass, that fail in each way, and that cannot be run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from policyengine.testing.results import Result, Run
from tests.testing.conftest import WORDS

PEOPLE = """
    let ann = User "ann" { clearance: secret, suspended: false }
    let bob = User "bob" under Team "staff" { clearance: public, suspended: false }
    let plan = Doc "plan" { owner: ann, clearance: internal, readers: {} }
"""


def block(*items: str, title: str = "t") -> str:
    return f'test "{title}" {{ {PEOPLE} ' + "\n".join(items) + " }"


def only(run: Run) -> Result:
    (result,) = run.results
    return result


def messages(run: Run) -> list[str]:
    return [problem.message for problem in only(run).problems]


def underlined(run: Run) -> list[str]:
    source = run.sources["docs.policy"]
    return [source.text[p.span.start : p.span.end] for p in only(run).problems]


@pytest.mark.parametrize(
    "expectation",
    [
        "expect allow edit by ann on plan",
        "expect allow edit by ann on plan because scope.own",
        "expect allow edit by ann on plan cause permitted",
        'expect allow edit by ann on plan reason "their own"',
        "expect allow edit by ann on plan fields {id, owner, clearance, readers, place}",
        "expect allow read by bob on plan fields {id} oblige erase(24h)",
        "expect allow read by bob on plan { readers: {bob} } fields {id, clearance}",
        "expect allow read by bob on plan asking {id}",
        'expect deny read by bob on plan asking {owner} reason "does not expose owner"',
        "expect deny edit by bob on plan cause not_permitted",
        'expect deny edit by ann { suspended: true } on plan refer "people" cause forbidden',
        'expect allow read by bob on plan with { purpose: "a" }',
        "expect allow read by bob on plan with {}",
        'expect allow read by User "ann" {clearance: secret, suspended: false} on plan',
    ],
)
def test_what_is_so_passes(run: Callable[..., Run], expectation: str):
    result = only(run(block(expectation)))
    assert result.problems == ()
    assert (result.status, result.expectations) == ("passed", 1)


@pytest.mark.parametrize(
    ("expectation", "message", "place"),
    [
        ("expect deny edit by ann on plan", "expected deny, got allow (permitted)", None),
        ("expect allow edit by bob on plan", "expected allow, got deny (not_permitted)", None),
        (
            "expect deny edit by ann {suspended: true} on plan because scope.own",
            "`scope.own` did not decide this; `scope.suspended` did",
            "because scope.own",
        ),
        (
            "expect allow read by bob on plan fields {id, owner}",
            "expected `{id, owner}` to be exposed, got `{id}`",
            "fields {id, owner}",
        ),
        (
            "expect allow read by bob on plan oblige erase(2h)",
            "expected `erase(2h)` to be owed, got `erase(24h)`",
            "oblige erase(2h)",
        ),
        (
            'expect deny edit by bob on plan refer "people"',
            "expected a referral to `people`, got none",
            'refer "people"',
        ),
        (
            'expect deny edit by bob on plan reason "suspended"',
            "`suspended` is no part of the reason",
            'reason "suspended"',
        ),
        (
            "expect deny edit by bob on plan cause forbidden",
            "expected the cause `forbidden`, got `not_permitted`",
            "cause forbidden",
        ),
    ],
)
def test_what_is_not_so_fails(
    run: Callable[..., Run], expectation: str, message: str, place: str | None
):
    done = run(block(expectation))
    assert messages(done) == [message]
    assert only(done).status == "failed"
    assert underlined(done) == [place or expectation]
    assert dict(only(done).problems[0].notes)["reason"]


def test_every_part_that_is_not_so_is_told(run: Callable[..., Run]):
    done = run(block('expect allow edit by bob on plan cause permitted refer "people"'))
    assert len(messages(done)) == 3


def test_a_set_without_a_field_gate_exposes_nothing_in_particular(run: Callable[..., Run]):
    words = "package docs\nentity User\nentity Doc { text: string }\naction read by User on Doc\n"
    words += "permit anybody: read\n"
    test = 'test "t" { expect allow read by User "u" on Doc "d" fields {text} because anybody }'
    assert messages(run(test, words)) == ["no field gate says what is exposed"]


def test_a_broken_invariant_fails_the_test_whatever_it_is_about(run: Callable[..., Run]):
    done = run(block("expect allow edit by ann { clearance: public } on plan"))
    assert messages(done) == ["this is allowed, and the invariant `no_secrets` says never"]
    assert only(done).status == "failed"


def test_a_request_that_lacks_what_an_invariant_reads_is_an_error(run: Callable[..., Run]):
    test = """test "t" {
        let ann = User "ann" { suspended: false }
        expect allow edit by ann on Doc "d" { owner: ann, readers: {} }
    }"""
    done = run(test)
    assert messages(done) == ["the request does not give what the invariant `no_secrets` reads"]
    assert only(done).status == "error"


def test_a_request_that_does_not_fit_is_an_error_and_says_where(run: Callable[..., Run]):
    done = run(block('expect deny edit by User "x" on plan cause invalid_request'))
    assert messages(done) == ["the request does not fit the policy set"]
    assert only(done).status == "error"
    assert "suspended" in only(done).problems[0].notes[0][1]


def test_an_entity_written_in_two_ways_is_an_error(run: Callable[..., Run]):
    other = 'let other = User "ann" { clearance: public, suspended: true }'
    done = run(block(other, "expect deny edit by other on plan { readers: {ann} }"))
    assert only(done).status == "error"


def test_an_entity_that_is_changed_is_changed_all_over(run: Callable[..., Run]):
    """The owner of the plan is `ann` as she was written; the request has her suspended."""
    changed = "ann { suspended: true } on plan"
    once = "let off = ann { suspended: true }"
    twice = "off { clearance: public } on plan { readers: {ann, off} }"
    done = run(block(f"expect deny edit by {changed}", once, f"expect deny edit by {twice}"))
    assert only(done).problems == ()


def test_a_let_that_reads_what_was_not_written_is_an_error(run: Callable[..., Run]):
    done = run(block('let d = Doc "d" { owner: ann }', "let c = d.clearance"))
    assert only(done).status == "error"


@pytest.mark.parametrize(
    "expectation",
    [
        "expect deny edit by ann on plan { clearance: vague.clearance }",
        "expect allow read by bob on plan oblige erase(nobody.patience)",
    ],
)
def test_an_expectation_that_reads_what_was_not_written_is_an_error(
    run: Callable[..., Run], expectation: str
):
    words = WORDS.replace("entity Team", "entity Team { patience: duration }")
    lets = ('let vague = Doc "d" { owner: ann }', 'let nobody = Team "t" {}')
    done = run(block(*lets, expectation), words)
    assert messages(done) == ["this reads something that the test does not say"]
    assert only(done).status == "error"


def test_an_entity_that_is_only_named_may_get_attributes(run: Callable[..., Run]):
    items = ('let d = Doc "d"', "expect allow edit by ann on d { owner: ann, clearance: public }")
    assert only(run(block(*items))).problems == ()


def test_attributes_of_written_entities_can_be_read(run: Callable[..., Run]):
    items = (
        """let same = Doc "d" { owner: ann, clearance: ann.clearance, readers: plan.readers,
                               place: {x: size(plan.readers)} }""",
        "expect allow edit by ann on same",
        'let boss = User "eve" { clearance: secret, suspended: false, boss: ann }',
        "expect allow edit by ann on same { owner: if boss has boss then boss.boss else boss }",
    )
    assert only(run(block(*items))).problems == ()


def test_ancestors_are_known_by_their_own_literals(run: Callable[..., Run]):
    words = WORDS.replace("entity Team\n", "entity Firm\nentity Team in Firm\n").replace(
        'within Team "staff"', 'within Firm "f"'
    )
    items = ('let staff = Team "staff" under Firm "f"', "expect allow read by bob on plan")
    assert only(run(block(*items), words)).problems == ()
    assert only(run(block(items[1]), words)).status == "failed"


def test_the_time_is_that_of_the_last_at(run: Callable[..., Run]):
    words = WORDS.replace("permit own: any", "permit own: any from 2024-01-01 until 2025-01-01")
    items = (
        "expect deny edit by ann on plan",
        "at 2024-06-01",
        "expect allow edit by ann on plan",
        "at 2025-01-01",
        "expect deny edit by ann on plan",
    )
    assert only(run(block(*items), words)).problems == ()


def test_a_program_that_answers_otherwise_is_a_mistake_of_ours(run: Callable[..., Run], denying):
    done = run(block("expect allow edit by ann on plan"), lie=denying)
    assert [problem.code for problem in only(done).problems] == ["PE902"]
    assert only(done).status == "error"


def test_a_program_that_words_it_otherwise_is_a_mistake_of_ours(run: Callable[..., Run]):
    done = run(block("expect allow edit by ann on plan"), reworded="because")
    assert [problem.code for problem in only(done).problems] == ["PE902"]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rules", ()), ("gates", (("scope", False),)), ("exposed", frozenset()),
        ("masks", (("id", "present"),)),
        ("referrals", ("x",)), ("waivers", ("x",)), ("cause", "error"), ("obligations", ("x",)),
    ],
)  # fmt: skip
def test_no_part_of_an_outcome_escapes_the_comparison(
    run: Callable[..., Run], part: str, value: object
):
    def lie(outcome):
        return replace(outcome, **{part: value})

    assert only(run(block("expect allow edit by ann on plan"), lie=lie)).status == "error"


def test_tests_run_in_the_order_of_the_text_and_by_title(run: Callable[..., Run]):
    texts = (block("expect deny edit by ann on plan", title=t) for t in ("Beta", "alpha", "beta 2"))
    text = "\n".join(texts)
    assert [r.title for r in run(text).results] == ["Beta", "alpha", "beta 2"]
    done = run(text, pattern="BETA")
    assert [r.title for r in done.results] == ["Beta", "beta 2"]
    assert (done.count("failed"), done.count("passed"), done.count("error")) == (2, 0, 0)
