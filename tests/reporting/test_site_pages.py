"""The words of pages, and their order."""

from __future__ import annotations

import pytest

from policyengine.reporting.markdown_report import markdown_report
from policyengine.reporting.site_pages import setting_words, site_pages, type_words, worded
from tests.reporting.test_report import report_of

RULES = """
package p
enum Practice = sells | scrapes | trains | profiles | spies | frames
entity App
entity Post
action read, drop, dropAllAtOnce by App on Post with { practices: set<Practice>, count?: int }
gate use "whether it may" for read, dropAllAtOnce
gate end "whether it ends" for drop
gate use {
    permit few: read, dropAllAtOnce when not (context has count) or context.count < 3 otherwise "{action.name} is for few"
    permit none: read when size(context.practices) == 0
    forbid bad: read when context.practices overlaps {sells, scrapes, trains} because "not so"
    forbid worse: read when context.practices overlaps {profiles, spies}
}
gate end { forbid ended: drop when context has count }
test "few" {
    expect allow read by App "a" on Post "p" with { practices: {} }
    expect deny read by App "a" on Post "p" with { practices: {sells} } because bad
    expect allow dropAllAtOnce by App "a" on Post "p" with { practices: {} }
    expect deny dropAllAtOnce by App "a" on Post "p" with { practices: {}, count: 5 }
}
"""


@pytest.fixture(scope="module")
def report():
    return report_of(text=RULES)


@pytest.fixture(scope="module")
def pages(report):
    return dict(site_pages(report))


def test_what_permits_is_apart_from_what_forbids(pages):
    page = pages["actions/read.html"]
    in_order = (
        "Permitted</span> where one of these rules counts:</p>",
        "use.<wbr>few</a>; where it does not count: “[what is asked] is for few”",
        "use.<wbr>none</a>",
        "Forbidden</span> where one of these rules counts:</p>",
        "use.<wbr>bad</a>: “not so”",
        "use.<wbr>worse</a>",
    )  # fmt: skip
    places = [page.index(text) for text in in_order]
    assert places == sorted(places)
    assert "No rule permits it." not in page


def test_a_question_that_nothing_answers_yes_says_so(pages):
    page = pages["actions/drop.html"]
    assert "No rule permits it." in page
    assert "Forbidden</span> where this rule counts:" in page


def test_a_page_begins_with_what_is_on_it(pages):
    page = pages["actions/read.html"]
    for part in ("q-use", "changes", "examples"):
        assert page.index(f'href="#{part}"') < page.index(f'id="{part}"')
    assert 'href="#fields"' not in page
    assert pages["restricted.html"].index('href="#q-end"') < pages["restricted.html"].index(
        'id="q-end"'
    )


def test_a_value_is_changed_to_one_name_where_one_suffices(report):
    (found,) = (one for one in report.settings if one.key == "context.practices")
    (difference,) = found.differences
    assert (difference.before, difference.after) == ("{}", "{sells}")
    assert difference.reason == "not so"


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("bool", "true or false"),
        ("set<string>", "set of text"),
        ("set<Purpose>", "set of Purpose"),
        ("set<{int: int, until?: datetime}>", "set of {int: whole number, until?: moment}"),
        ("Tier", "Tier"),
    ],
)
def test_types_are_in_words(type_, words):
    assert type_words(type_) == words


def test_the_name_of_an_action_is_what_is_asked():
    assert (
        worded("{action.name} by {subject} on {resource.kind}")
        == "[what is asked] by [who asks] on [kind]"
    )


def test_names_may_be_broken_behind_a_dot_or_before_a_capital(pages):
    page = pages["settings/context.count.html"]
    assert '/dropAllAtOnce.html">drop<wbr>All<wbr>At<wbr>Once</a></th>' in page
    assert ">use.<wbr>bad</h2>" in pages["gates/use.html"]


def test_the_page_of_a_value_is_headed_by_words_and_found_by_its_name(pages):
    page = pages["settings/context.practices.html"]
    assert "<h1>Practices</h1>" in page
    assert "<code>context.practices</code>" in page
    assert (
        'context.practices"><a href="settings/context.practices.html">Practices</a>'
        in pages["index.html"]
    )
    assert '/settings/context.practices.html">Practices</a>' in pages["actions/read.html"]
    assert setting_words("context.viewer.approved_follower") == "Viewer: approved follower"
    assert setting_words("DirectMessage.sent_by") == "DirectMessage: sent by"


TRIAL = """
package trial
enum Kind = good | bad
entity User { kind: Kind, age: int, name: string }
action read by User on User with { count: int }
permit good: read
    when subject.kind == good and subject.age > 3 and context.count < 5
    because "{10 - context.count} of {subject.age * 2} are left to {subject}"
forbid named: read when subject.name == "x"
advisory forbid old: read when subject.kind == good because "old"
test "t" {
    expect allow read by User "u" { kind: good, age: 4, name: "y" } on User "v" with { count: 1 }
}
"""


@pytest.fixture(scope="module")
def trial():
    return dict(site_pages(report_of(text=TRIAL)))


def test_a_rule_on_trial_is_not_said_to_forbid(trial):
    said = trial["restricted.html"]
    assert "1 rule forbids, whatever else permits; 1 is on trial, and changes nothing." in said
    assert "On trial, it changes nothing: it would forbid: “old”." in said
    assert "It would forbid in <a" in said
    page = trial["actions/read.html"]
    assert page.count("Forbidden</span> where this rule counts:") == 1
    assert "On trial: nothing changes</span> where this rule counts:" in page


def test_a_rule_on_trial_is_apart_in_markdown():
    said = markdown_report(report_of(text=TRIAL))
    assert "- forbids: access.named" in said
    assert "- forbids on trial: access.old" in said


def test_a_page_names_what_rules_read_and_no_change_was_found_of(trial):
    page = trial["actions/read.html"]
    at = page.index("Rules read these as well;")
    assert "another: User: age, User: name, Count.</p>" in page[at:]
    assert "User: kind" in page[:at]


def test_values_within_an_expression_are_words(trial):
    assert "“[10 - count] of [age * 2] are left to [who asks]”" in trial["actions/read.html"]


def test_examples_are_numbered_from_one(report, pages):
    text = markdown_report(report)
    said = " ".join((*pages.values(), text))
    assert "xample 1" in said
    assert "xample 0" not in said
    assert "\n1. " in text
    assert "\n0. " not in text


def test_pages_of_names_have_no_words_of_the_language(report, pages):
    page = pages["names/Practice.html"]
    assert "6 names, read in" in page
    assert "(enum)" not in page
    assert "6 names" in pages["index.html"]
