"""Tables of expectations and fixtures, run: each row is an expectation of its own."""

from __future__ import annotations

from policyengine.mutation.score import mutate
from policyengine.testing.coverage import measure
from policyengine.testing.junit import junit_xml
from policyengine.testing.requests_of_tests import requests_of
from policyengine.testing.runner import run_tests
from tests.testing.conftest import Interpreted
from tests.testing.world import ANN, NOW, checked_set

RULES = """\
gate scope { permit r: list when subject.tier >= basic and not subject.away fields id oblige erase(1d) }
"""


def run(text: str):
    checked = checked_set(RULES + text)
    return run_tests(checked, Interpreted(checked), now=NOW)


def table(rows: str, request: str = "list by ann { tier: tier } on item") -> str:
    return f'test "t" {{\n{ANN}for tier in Tier: {request} expect {{\n{rows}\n}}\n}}\n'


def test_each_row_is_an_expectation():
    (result,) = run(table("free: deny because scope.r\nbasic, pro: allow fields {id}")).results
    assert (result.status, result.expectations) == ("passed", 3)


def test_a_row_that_fails_says_its_value_and_points_at_it():
    found = run(table("free, basic: deny\npro: allow fields {text}"))
    (result,) = found.results
    first, second = result.problems
    assert first.message == "tier = basic: expected deny, got allow (permitted)"
    source = found.sources["shop.policy"].text
    assert source[first.span.start : first.span.end] == "basic"
    assert second.message.startswith("tier = pro: expected `{text}` to be exposed")
    assert b"tier = basic: expected deny, got allow (permitted)" in junit_xml(found)


def test_a_row_that_cannot_be_asked_is_an_error():
    (result,) = run(
        table("free, basic, pro: deny", 'list by User "u" { tier: tier } on item')
    ).results
    assert (result.status, len(result.problems)) == ("error", 3)
    assert result.problems[1].message.startswith("tier = basic: the request does not fit")


def test_the_variable_may_stand_in_the_context_and_in_what_is_expected():
    text = (
        'test "t" {\n' + ANN + "    for p in Purpose: read by ann on item with { purposes: {p} }\n"
        "        expect { research, health, sales: deny cause not_permitted }\n"
        "    for away in bool: list by ann { away: away } on item\n"
        "        expect { true: deny  false: allow oblige erase(1d) }\n"
        "    expect allow list by ann on item\n}\n"
    )
    (result,) = run(text).results
    assert (result.status, result.expectations) == ("passed", 6)


def test_coverage_and_mutation_see_every_row():
    checked = checked_set(RULES + table("free: deny\nbasic, pro: allow"))
    assert [asked.title for asked in requests_of(checked, now=NOW)] == [
        "t (tier = free)", "t (tier = basic)", "t (tier = pro)",
    ]  # fmt: skip
    (item,) = measure(checked, now=NOW).items
    tier, _ = item.operands
    assert (tier.true_in, tier.false_in) == (
        ("t (tier = basic)", "t (tier = pro)"),
        ("t (tier = free)",),
    )
    by_what = {one.what: one for one in mutate(checked, now=NOW)[0].tried}
    assert by_what["`basic` becomes `pro`"].by == "t (tier = basic)"
    assert by_what["`basic` becomes `free`"].by == "t (tier = free)"


FIXTURES = """\
let boss = User "boss" { tier: basic, away: false }
let ann = User "ann" { tier: pro, away: false, boss: boss }
let gone = ann { away: true }
let item = Item "i" {}
"""


def test_fixtures_are_made_anew_in_each_test():
    text = FIXTURES + (
        'test "a" { expect allow list by ann on item expect deny list by gone on item }\n'
        'test "b" { let other = ann { tier: free } expect deny list by other on item\n'
        "    expect allow list by shop.boss on shop.item expect allow list by ann { tier: basic } on item }\n"
    )
    found = run(text)
    assert [result.problems for result in found.results] == [(), ()]
    assert len(list(requests_of(checked_set(RULES + text), now=NOW))) == 5


def test_a_fixture_that_reads_what_is_not_written_makes_the_test_an_error():
    text = "let age = boss.age\n" + FIXTURES
    asked = 'test "t" { expect deny list by ann { age: age } on item }\n'
    found = run(text + asked)
    assert [result.status for result in found.results] == ["error"]
    assert list(requests_of(checked_set(RULES + text + asked), now=NOW)) == []


def test_what_is_remembered_of_mutants_hangs_on_tables_and_fixtures():
    text = FIXTURES + (
        'test "t" { for tier in Tier: list by ann { tier: tier } on item\n'
        "    expect { free: deny  basic, pro: allow } }\n"
    )
    _, before = mutate(checked_set(RULES + text), now=NOW)
    for change in (
        ("basic, pro: allow", "basic, pro: allow fields {id}"),
        ("boss: boss", "boss: boss, age: 3"),
    ):
        _, after = mutate(checked_set(RULES + text.replace(*change)), now=NOW)
        assert not before.keys() & after.keys()
