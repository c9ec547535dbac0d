"""Suggested tests: they stand at the boundaries of each rule, and pass when they are pasted."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given, settings

from policyengine.diagnostics.source import Source
from policyengine.mutation.score import mutate
from policyengine.mutation.suggest import suggest
from policyengine.pipeline import check_sources, compile_set
from policyengine.syntax.formatter import format_source
from policyengine.testing.runner import run_tests
from tests.strategies import seeds
from tests.strategies.laws import Case, hold
from tests.strategies.real_sets import loaded
from tests.testing.conftest import Interpreted
from tests.testing.world import NOW, WORDS, checked_set, test_of
from tests.whole import WHOLE, share


def suggested(text: str) -> dict[str, str]:
    return {one.rule: one.text for one in suggest(checked_set(text), now=NOW) if one.text}


def passes(text: str) -> None:
    """Paste what is suggested for a set into it: every test passes, and nothing is suggested again."""
    more = text + "\n".join(suggested(text).values())
    checked = checked_set(more)
    run = run_tests(checked, Interpreted(checked), now=NOW)
    assert run.results
    assert run.count("passed") == len(run.results), [r.problems for r in run.results]


ADULT = "gate scope { permit adult: list when subject.age >= 18 fields all }\n"


def test_the_last_value_inside_and_the_first_outside():
    text = ADULT + test_of("expect allow list by ann on item")
    (test,) = suggested(text).values()
    assert test.startswith('test "boundaries of scope.adult" {\n')
    assert "age: 18" in test
    assert "age: 17" in test
    assert test.count("expect allow") == test.count("expect deny") == 1
    assert test.count("because scope.adult") == 2
    passes(text)


def test_where_no_test_asks_a_request_is_made_up():
    (test,) = suggested(ADULT).values()
    assert test.count("expect allow") >= 1
    assert test.count("expect deny") == 1
    passes(ADULT)


BY_NAME = """\
package p
entity User { active: bool }
entity Doc { n: int }
action edit, read, wipe by User on Doc
permit active: edit, read when subject.active
forbid root: edit when subject == User "root" because "not by root"
forbid bots: read when subject.id in {"bot", "guest"} because "not by bots"
permit admin: wipe when subject == User "admin"
forbid master: edit when resource == Doc "master" and resource.n > 3 because "the master"
test "t" { expect allow edit by User "u" { active: true } on Doc "d" { n: 1 } }
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("root", {("deny", 'User "root"'), ("allow", 'User "u"')}),
        ("bots", {("deny", 'User "bot"'), ("allow", 'User "bot-2"')}),
        ("admin", {("allow", 'User "admin"'), ("deny", 'User "u"')}),
        ("master", {("deny", 'Doc "master"'), ("allow", 'Doc "master"'), ("allow", 'Doc "master-2"')}),
    ],
)  # fmt: skip
def test_a_rule_about_one_entity_is_shown_with_another(rule, expected):
    checked, _ = check_sources({"p.policy": Source("p.policy", BY_NAME)})
    assert checked is not None
    (text,) = [one.text for one in suggest(checked, now=NOW) if one.rule == f"access.{rule}"]
    lets = dict(re.findall(r'let (\w+) = (\w+ "[^"]+")', text))
    asked = re.findall(r"expect (\w+) \w+ by (\w+)(?: \{[^}]*\})? on (\w+)", text)
    part = 2 if rule == "master" else 1
    assert {(one[0], lets[one[part]]) for one in asked} == expected


def test_what_tests_ask_already_is_not_suggested():
    text = ADULT + test_of(
        "expect allow list by ann { age: 18 } on item",
        "expect deny list by ann { age: 17 } on item",
    )
    assert suggested(text) == {}


def test_the_empty_set_one_and_all():
    text = (
        "gate scope { permit p: read when context.purposes within subject.purposes fields all }\n"
        + test_of("expect allow read by ann on item with { purposes: {health} }")
    )
    (test,) = suggested(text).values()
    for written in ("{}", "{sales}", "{health, research, sales}"):
        assert f"with {{ purposes: {written} }}" in test
        assert f"purposes: {written}" in test.replace("with { purposes", "")
    passes(text)


def test_levels_truths_terms_records_and_what_may_be_absent():
    text = (
        "gate scope {\n"
        "    permit p: read when subject.tier > free and not subject.away\n"
        "        and subject.status == active and subject has boss\n"
        "        and resource has size and resource.size.w < 10\n"
        "        and subject.rate <= 2.5\n"
        "        and subject in resource.readers\n"
        "        unless context has note fields id from 2026-01-15 until 2027-01-01\n"
        '    forbid f: list when subject within Team "banned"\n'
        "}\n"
    )  # fmt: skip
    found = suggested(text)
    assert set(found) == {"scope.p"}  # nothing permits `list`, so that the forbid decides nothing
    p = found["scope.p"]
    for part in (
        "tier: free",
        "tier: basic",
        "w: 9",
        "w: 10",
        "rate: 2.5",
        "rate: 2.5001",
        'note: "',
    ):
        assert part in p, (part, p)
    for part in ("away: true", "at 2026-12-31T23:59:59.999999Z", "at 2027-01-01\n"):
        assert part in p, (part, p)
    passes(text)


OWNED = """package p
entity Org
entity User in Org { org: Org }
entity Doc { owner: User }
action edit by User on Doc
permit own: edit when resource.owner == subject and resource.owner.org == subject.org
test "t" { let u = User "u" { org: Org "o" } expect allow edit by u on Doc "d" { owner: u } }
"""


def test_another_entity_is_described_where_rules_read_what_is_referred_to():
    checked, _ = check_sources({"p.policy": Source("p.policy", OWNED)})
    assert checked is not None
    (own,) = suggest(checked, now=NOW)
    assert own.why == ""
    assert "expect deny edit" in own.text
    assert 'User "u-2"' in own.text
    checked, _ = check_sources({"p.policy": Source("p.policy", OWNED + own.text)})
    assert checked is not None
    run = run_tests(checked, Interpreted(checked), now=NOW)
    assert run.count("passed") == len(run.results) > 1


def test_rules_on_trial_and_rules_that_never_hold_have_none():
    assert suggested("gate scope { advisory permit a: list when subject.away fields all }") == {}
    never = "gate scope { permit a: list when subject.age > 9 and subject.age < 3 fields all }"
    assert suggested(never) == {}


def test_where_it_cannot_be_known_what_to_ask_nothing_is_suggested():
    sets = (
        "gate scope { permit r: read when {subject.purposes} == {context.purposes} fields all }\n"
    )
    assert suggested(sets) == {}


def test_what_lies_between_is_described():
    """A user lies in a region by way of a team."""
    words = WORDS.replace("entity Team\n", "entity Region\nentity Team in Region\n")
    rule = 'gate scope { permit r: list when subject within Region "north" fields all }\n'
    (found,) = suggest(checked_set(rule, words), now=NOW)
    assert 'Team "team-of-the-subject" under Region "north"' in found.text
    checked = checked_set(rule, words + found.text)
    run = run_tests(checked, Interpreted(checked), now=NOW)
    assert [result.status for result in run.results] == ["passed"]
    team = rule.replace("Region", "Team")
    (found,) = suggest(checked_set(team, words), now=NOW)
    assert 'under Team "north"' in found.text


def test_numbers_too_large_to_be_given_are_not_asked():
    text = "gate scope { permit r: list when subject.age < 999999999999999999 fields all }\n"
    (test,) = suggested(text).values()
    assert "1000000000000000000" not in test
    passes(text)


def test_suggestions_notice_mutants():
    text = ADULT + test_of("expect allow list by ann on item")
    before, _ = mutate(checked_set(text), now=NOW)
    after, _ = mutate(checked_set(text + "\n".join(suggested(text).values())), now=NOW)
    assert before.score < after.score == 1.0


def what_is_suggested_passes(case: Case) -> None:
    found = [one for one in suggest(case.loaded.checked, now=NOW) if one.text]
    sources = case.world.sources()
    name = next(iter(sources))
    texts = {**sources, name: "\n".join([sources[name], *(one.text for one in found)])}
    checked, problems = check_sources({n: Source(n, t) for n, t in texts.items()})
    assert checked is not None, [p.message for p in problems.items]
    run = run_tests(checked, Interpreted(checked), now=NOW)
    broken = [
        p
        for result in run.results
        for p in result.problems
        if "invariant" not in p.message  # a promise that the rules do not keep
    ]
    assert not broken, (broken, texts[name])


@pytest.mark.skipif(
    not WHOLE, reason="`make whole` and `make killers` try rules of the shipped sets"
)
@pytest.mark.parametrize("name", ["hospital", "workspace", "x"])
def test_what_is_suggested_for_a_shipped_set_passes(name):
    checked = loaded(name).checked
    sources = checked.sources
    files = {rule.id: rule.node.span.file for rule in checked.rules}
    pasted, count = {file: source.text for file, source in sources.items()}, 0
    for one in islice(suggest(checked, now=NOW), 3):  # of all rules: `make killers`
        if one.text:
            pasted[files[one.rule]] += f"\n{one.text}"
            count += 1
    assert count
    texts = {file: Source(file, text) for file, text in pasted.items()}
    changed = [file for file, text in pasted.items() if text != sources[file].text]
    assert [file for file in changed if format_source(texts[file]) != pasted[file]] == []
    more, problems = check_sources(texts)
    assert more is not None, [p.message for p in problems.items]
    run = run_tests(more, compile_set(more), pattern="boundaries of", now=NOW)
    assert len(run.results) == count
    assert [result for result in run.results if result.status != "passed"] == []


@settings(max_examples=share(6, 2))
@given(seeds.SEEDS)
def test_what_is_suggested_passes(seed):
    hold(what_is_suggested_passes, seed, requests=1)


def test_of_an_action_that_no_test_asks_for_it_is_asked_by_and_on_what_tests_know():
    text = (
        "package p\nentity User { age: int, name: string }\nentity Book { title: string, rare: bool }\n"
        "action list, lend by User on Book\naction buy by User on Book with { price: int }\n"
        "permit adult: list when subject.age >= 18\npermit lend: lend when not resource.rare\n"
        "permit buy: buy when context.price < 10 and subject.age >= 21\n"
        'let ann = User "ann" { age: 30, name: "Ann" }\nlet book = Book "b" { title: "Emma", rare: false }\n'
        'test "t" { expect allow list by ann on book }\n'
    )
    checked = checked_set(text, words="")
    tests = {one.rule: one.text for one in suggest(checked, now=NOW)}
    assert "expect allow lend by ann on book because access.lend" in tests["access.lend"]
    assert "on book with { price: 10 } because access.buy" in " ".join(tests["access.buy"].split())
    assert "the_subject" not in "".join(tests.values())
    more = checked_set(text + "\n".join(tests.values()), words="")
    run = run_tests(more, Interpreted(more), now=NOW)
    assert run.count("passed") == len(run.results) == 4, [r.problems for r in run.results]
    _, tried = mutate(checked, now=NOW)
    offered = [one.test for one in tried.values() if one.test]
    assert any("lend by ann" in test for test in offered)
    assert "the_subject" not in "".join(offered)
