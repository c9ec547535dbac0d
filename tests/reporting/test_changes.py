"""What a report says has changed: rules, and answers that an earlier version or day gave otherwise."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.model.values import parse_datetime
from policyengine.pipeline import load_set
from policyengine.reporting.changes import Earlier, rules_of_day
from policyengine.reporting.make_report import make_report
from policyengine.reporting.markdown_report import markdown_report
from policyengine.reporting.site_pages import site_pages

NOW = parse_datetime("2027-01-01")
WORDS = """
package p
entity User { old: bool, hidden: private int }
entity Book { owner: User (by nobody) }
action read, lend by User on Book
"""
RULES = """
permit readers: read when subject.old cites "One" against "Two <b>"
permit lenders: lend until 2026-01-01
permit owners: lend when resource.owner == subject from 2026-01-01
forbid secret: any when subject.hidden > 7 because "not now" from 2026-06-01
"""
TESTS = """
test "they read" {
    let ann = User "ann" { old: true, hidden: 8 }
    let book = Book "b" { owner: User "bob" }
    at 2025-06-01
    expect allow read by ann on book because readers
    expect allow lend by ann on book
    at 2026-03-01
    expect allow read by ann on book
    expect deny lend by ann on book because owners
    at 2026-09-01
    expect deny read by ann on book because secret
}
"""


def checked(text):
    made = load_set({"p.policy": Source("p.policy", text)})
    return made.checked(), made.program


def report(earlier, text=WORDS + RULES + TESTS):
    return make_report(*checked(text), title="p", now=NOW, earlier=earlier)


def answers(made):
    return {
        (made.examples[one.example].action, made.examples[one.example].moment[:7]): (
            one.allowed,
            made.examples[one.example].allowed,
        )
        for one in made.changes.answers
    }


def test_since_a_day_rules_begin_and_end_and_answers_differ():
    then = rules_of_day(checked(WORDS + RULES + TESTS)[0], parse_datetime("2026-01-01") - 1)
    made = report(then)
    assert [(one.rule, one.what, one.moment[:10]) for one in made.changes.rules] == [
        ("access.lenders", "ends", "2026-01-01"),
        ("access.owners", "begins", "2026-01-01"),
        ("access.secret", "begins", "2026-06-01"),
    ]
    assert answers(made) == {("lend", "2026-03"): (True, False), ("read", "2026-09"): (True, False)}
    later = report(rules_of_day(checked(WORDS + RULES + TESTS)[0], parse_datetime("2026-06-01")))
    assert (later.changes.rules, later.changes.answers) == ((), ())


def test_against_another_version_also_what_private_values_decide_is_compared():
    old = RULES.replace("subject.old", "not subject.old").replace("> 7", "> 8")
    old = old.replace("permit owners", "permit holders")
    made = report(Earlier("last year", checked(WORDS + old)[0]))
    assert [(one.rule, one.what) for one in made.changes.rules] == [
        ("access.holders", "is gone"),
        ("access.owners", "is new"),
        ("access.readers", "differs"),
        ("access.secret", "differs"),
    ]
    assert answers(made)["read", "2025-06"] == (False, True)
    assert made.changes.unfit == 0
    pages = dict(site_pages(made))
    assert "What differs from last year: 4 rules" in pages["changes.html"]
    assert "8" not in "".join(one.reason for one in made.changes.answers)
    assert "is gone" in markdown_report(made)
    assert "Two &lt;b&gt;" in pages["texts.html"]


def test_a_request_that_does_not_fit_the_other_version_is_counted():
    words = WORDS.replace("lend by", "borrow by")
    rules = "permit readers: read when subject.old"
    made = report(Earlier("other words", checked(words + rules)[0]))
    assert made.changes.unfit == sum(one.action == "lend" for one in made.examples)


def test_without_a_comparison_and_without_a_choice_there_are_no_pages():
    plain = WORDS + RULES.replace(' against "Two <b>"', "") + TESTS
    made = report(None, plain)
    assert made.changes is None
    assert {"changes.html", "texts.html"}.isdisjoint(dict(site_pages(made)))


@pytest.mark.parametrize("day", ["2020-01-01", "2027-01-01"])
def test_days_before_and_after_all(day):
    made = report(rules_of_day(checked(WORDS + RULES + TESTS)[0], parse_datetime(day)))
    assert all(one.moment for one in made.changes.rules)
