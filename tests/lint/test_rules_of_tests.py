"""Holds the lint rules on tests and fixtures to what they must find, and to what they must leave alone."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.lint.configuration import Configuration
from policyengine.lint.fixing import apply_fixes
from policyengine.lint.linter import lint
from policyengine.pipeline import check_sources

NOW = 1_795_000_000_000_000

WORDS = """\
package docs
enum Kind = draft | final | old
entity Team
entity User in Team { until: datetime, on: bool }
entity Folder in Folder { held: bool }
entity Doc in Folder { kind: Kind, owner: User, born: datetime }
action read, write, keep, send, wait, look, help by User on Doc with { why: string, many: set<Kind> }
const kept: Kind -> months = { draft: 1mo, final: 1y, old: 10y }
const open: schedule = schedule "Mon-Fri 09:00-17:00 UTC"
define is_over(d: Doc) = d.born + kept[d.kind] <= now
permit reading: read when subject.on
permit trial: write when now < subject.until
permit keeping: keep when is_over(resource)
permit office: send when now within open
permit waiting: wait when subject.on until 2027-06-01
permit looking: look when subject.on waivable
permit helping: help when subject.on and not (some f in ancestors(resource, Folder): f.held)
waiver aid of looking for User "w" until 2027-03-01 ticket "T" approved_by "us"
"""

USER = 'User "u" { on: true, until: 2027-01-01 }'
DOC = 'Doc "d" { kind: draft, born: 2026-11-01, owner: User "u" }'


def found(text: str, *select: str) -> list[tuple[str, str]]:
    source = Source("a.policy", WORDS + text)
    checked, problems = check_sources({"a.policy": source})
    assert checked is not None, [d.message for d in problems.items]
    items = lint(checked, Configuration(frozenset(select)), now=NOW).items
    return [(source.text[d.span.start : d.span.end], d.message) for d in items]


@pytest.mark.parametrize(
    ("expect", "turns"),
    [
        (f"allow write by {USER} on {DOC}", "2027-01-01T00:00:00Z"),
        (f"deny keep by {USER} on {DOC}", "2026-12-01T00:00:00Z"),
        (f"allow send by {USER} on {DOC}", "2026-11-18T17:00:00Z"),
        (f"allow wait by {USER} on {DOC}", "2027-06-01T00:00:00Z"),
        (f'allow look by User "w" {{ on: false }} on {DOC}', "2027-03-01T00:00:00Z"),
        (
            'for kind in Kind: keep by User "u" on Doc "d" { kind: kind, born: 2026-11-01 } expect { draft, final, old: deny }',
            "2026-12-01T00:00:00Z",
        ),
        # of which the outcome is the same for ever
        (f"allow read by {USER} on {DOC}", ""),
        (f'deny wait by User "u" {{ on: false }} on {DOC}', ""),
        (f'deny write by User "u" {{ until: 2020-01-01 }} on {DOC}', ""),
        (f'allow keep by {USER} on Doc "d" {{ kind: draft, born: 2020-01-01 }}', ""),
    ],
)
def test_a_test_without_a_time_whose_outcome_turns(expect, turns):
    expect = expect if expect.startswith("for") else f"expect {expect}"
    said = f"this test has no `at`, and what it expects changes on {turns}"
    text = f'test "t" {{\n    {expect}\n}}\n'
    assert found(text, "undated-test") == ([('"t"', said)] if turns else [])
    dated = text.replace("{\n", "{\n    at 2026-11-18T06:26:40Z\n", 1)
    assert found(dated, "undated-test") == []
    late = text.replace("\n}", "\n    at 2026-11-18T06:26:40Z\n}")
    assert bool(found(late, "undated-test")) is bool(turns)


def test_what_is_offered_is_a_moment_at_which_the_test_passes():
    def offered(expect):
        source = Source("a.policy", WORDS + f'test "t" {{ expect {expect} }}')
        checked, _ = check_sources({"a.policy": source})
        (item,) = lint(checked, Configuration(frozenset({"undated-test"})), now=NOW).items
        return item.help

    assert offered(f"allow write by {USER} on {DOC}") == "begin the test with `at 2026-11-18`"
    early = USER.replace("2027-01-01", "2026-11-18T03:00:00Z")
    assert found(f'test "t" {{ expect deny write by {early} on {DOC} }}', "undated-test") == []
    born = DOC.replace("2026-11-01", "2026-10-18T06:00:00Z")  # over since the morning
    assert found(f'test "t" {{ expect allow keep by {USER} on {born} }}', "undated-test") == []


def test_several_tests_without_a_time_are_one_finding():
    one = f"{{ expect allow write by {USER} on {DOC} }}\n"
    ((place, said),) = found(f'test "a" {one} test "b" {one}', "undated-test")
    assert place == '"a"'
    assert said == '2 tests have no `at`, and what they expect changes with the time: `"a"`, `"b"`'


@pytest.mark.parametrize(
    ("items", "idle"),
    [
        ("", True),
        ("at 2026-01-01", True),
        ('let ann = User "a"', True),
        (f"expect allow read by {USER} on {DOC}", False),
        (
            f'for kind in Kind: read by {USER} on Doc "d" {{ kind: kind }} expect {{ draft, final, old: allow }}',
            False,
        ),
    ],
)
def test_a_test_that_expects_nothing(items, idle):
    said = [('"t \\"q\\""', "this test expects nothing")]
    assert found(f'test "t \\"q\\"" {{ {items} }}\n', "idle-test") == (said if idle else [])


SET_UP = f"""test "t" {{
    let ann = {USER}
    let doc = {DOC}
    let asked = {{ why: "x", many: {{draft, old}} }}
    expect allow read by ann on doc with asked
    expect deny read by ann {{ on: false }} on doc with asked because access.reading
"""


@pytest.mark.parametrize(
    ("again", "is_repeated"),
    [
        ("expect allow read by ann on doc with asked", True),
        ('expect allow read by ann on doc with { many: {old, draft}, why: "x" }', True),
        (f'expect allow read by {USER} on doc with asked {{ why: "x" }}', True),
        ("expect deny read by ann { on: false } on doc with asked", True),
        ("expect deny read by ann { on: false } on doc with asked because access.reading", True),
        # which says more, or asks something else
        ("expect allow read by ann on doc with asked because access.reading", False),
        ('expect allow read by ann on doc with asked { why: "y" }', False),
        ("expect allow read by ann on doc { kind: old } with asked", False),
        ("expect allow read by ann on doc with asked asking fields id", None),
        ("at 2026-01-01 expect allow read by ann on doc with asked", False),
        ("expect allow helping by ann on doc with asked", None),
        # a table has a row for each value, that of another expectation as well
        (
            "for kind in Kind: read by ann on doc { kind: kind } with asked expect { draft, final, old: allow }",
            False,
        ),
        (
            "for kind in Kind: read by ann on doc with asked expect { draft: allow final: allow old: allow }",
            True,
        ),
    ],
)
def test_an_expectation_that_is_said_twice(again, is_repeated):
    if is_repeated is None:
        return
    said = found(SET_UP + f"    {again}\n}}\n", "repeated-expectation")
    assert bool(said) is is_repeated
    assert {message for _, message in said} <= {"this is expected already, of the same request"}


def test_what_other_tests_expect_is_not_repeated():
    one = f"{{ expect allow read by {USER} on {DOC} }}\n"
    assert found(f'test "a" {one} test "b" {one}', "repeated-expectation") == []


def test_a_title_that_is_given_twice():
    one = f"{{ expect allow read by {USER} on {DOC} }}\n"
    assert found(f'test "a" {one} test "b" {one}', "repeated-title") == []
    said = [('"a  b"', "another test has this title")]
    assert found(f'test "a b" {one} test "a  b" {one}', "repeated-title") == said
    assert len(found(f'test "a" {one} test "a" {one} test "a" {one}', "repeated-title")) == 2


@pytest.mark.parametrize(
    ("items", "unused"),
    [
        ("let ann = @U expect allow read by ann on @D", []),
        ("let ann = @U let bob = ann { on: false } expect deny read by bob on @D", []),
        (
            "let ann = @U let bob = ann { on: false } expect allow read by ann on @D",
            ["bob"],
        ),
        ('let ann = @U let bob = User "b" { on: false } expect allow read by ann on @D', ["bob"]),
        ('let with_it = { why: "x" } expect allow read by @U on @D with with_it', []),
        ('let with_it = { why: "x" } expect allow read by @U on @D with { why: "x" }', ["with_it"]),
        ("let kinds = {draft} expect allow read by @U on @D with { many: {draft} }", ["kinds"]),
        ("let kinds = {draft} expect allow read by @U on @D with { many: kinds }", []),
        # it describes what another one is under
        (
            'let top = Folder "f" { held: true } expect deny help by @U on Doc "d" under Folder "f" { kind: draft }',
            [],
        ),
        (
            'let top = Folder "g" { held: true } expect deny read by User "u" { on: false } on Doc "d" under Folder "f" { kind: draft }',
            ["top"],
        ),
        # each by the next, all without use
        ('let one = User "b" {} let two = one { on: true } expect allow read by @U on @D', ["two"]),
        ("expect allow read by @U on @D let late = @U", ["late"]),
    ],
)
def test_a_fixture_of_a_test_without_use(items, unused):
    items = items.replace("@U", USER).replace("@D", DOC)
    said = [(name, f"nothing in this test uses `{name}`") for name in unused]
    assert found(f'test "t" {{ {items} }}', "unused-fixture") == said


def test_a_moment_behind_the_expectation_that_it_is_for():
    items = f"expect allow read by {USER} on {DOC} at 2026-01-01"
    said = [("at 2026-01-01", "nothing is expected at this moment")]
    assert found(f'test "t" {{ {items} }}', "unused-fixture") == said
    both = f"at 2026-01-01 at 2026-01-02 expect allow read by {USER} on {DOC}"
    assert found(f'test "t" {{ {both} }}', "unused-fixture") == said
    dated = f"at 2026-01-01 let u = {USER} expect allow read by u on {DOC}"
    assert found(f'test "t" {{ {dated} }}', "unused-fixture") == []


def test_fixtures_without_use_are_left_out_one_by_one():
    before = (
        WORDS
        + f"""test "t" {{
    let one = User "b" {{}}
    let two = one {{ on: true }}
    expect allow read by {USER} on {DOC}
}}
"""
    )
    checked, _ = check_sources({"a.policy": Source("a.policy", before)})
    only = Configuration(frozenset({"unused-fixture"}))
    done = apply_fixes(checked, lambda c: lint(c, only, now=NOW), lambda s: check_sources(s)[0])
    lines = before.splitlines(keepends=True)
    assert done.count == 2
    assert done.sources["a.policy"].text == "".join(line for line in lines if "let " not in line)


@pytest.mark.parametrize(
    ("shared", "used", "idle"),
    [
        (f"let ann = {USER}", "by ann { on: true } on @D", ["on: true"]),
        (f"let ann = {USER}", "by ann { on: true, until: 2027-01-02 } on @D", ["on: true"]),
        (f"let ann = {USER}", "by ann { on: false } on @D", []),
        (
            f"let ann = {USER} let ben = ann {{ on: false }}",
            "by ben { on: false } on @D",
            ["on: false"],
        ),
        (f"let ann = {USER} let ben = ann {{ on: false }}", "by ben { on: true } on @D", []),
        (f"let ann = {USER} let ben = ann {{ on: true }}", "by ben on @D", ["on: true"]),
        (
            'let asked = { why: "x", many: {old, final} }',
            'by @U on @D with asked { why: "x" }',
            ['why: "x"'],
        ),
        (
            'let asked = { why: "x", many: {old, final} }',
            "by @U on @D with asked { many: {final, old} }",
            ["many: {final, old}"],
        ),
        ('let asked = { why: "x" }', 'by @U on @D with asked { why: "y" }', []),
        (
            f'let ann = {USER} let doc = Doc "d" {{ kind: old, owner: ann }}',
            "by ann on doc { owner: ann }",
            ["owner: ann"],
        ),
        (
            f'let ann = {USER} let doc = Doc "d" {{ kind: old, owner: ann }}',
            "by ann on doc { owner: ann { on: true } }",
            ["on: true"],
        ),
    ],
)
def test_a_change_that_changes_nothing(shared, used, idle):
    used = used.replace("@U", USER).replace("@D", DOC)
    test = f'test "t" {{ {{}} expect allow read {used} }}'
    outside = f"{shared}\n{test.replace('{} ', '')}\n"
    inside = test.replace("{}", shared) + "\n"
    places = [(place, f"`{place.partition(':')[0]}` is so already") for place in idle]
    assert found(outside, "idle-override") == places
    assert found(inside, "idle-override") == places


@pytest.mark.parametrize(
    ("invariant", "expect", "is_reached"),
    [
        ("never allow read unless subject.on", 'deny read by User "u" { on: false } on @D', True),
        ("never allow read unless subject.on", "allow read by @U on @D", False),
        (
            "never allow any unless subject.on",
            'deny write by User "u" { on: false, until: 2020-01-01 } on @D',
            True,
        ),
        ("never allow write unless subject.on", 'deny read by User "u" { on: false } on @D', False),
        (
            "never allow read when resource.kind == old unless subject.on",
            'deny read by User "u" { on: false } on @D',
            False,
        ),
        (
            "never allow read when resource.kind == draft unless subject.on",
            'deny read by User "u" { on: false } on @D',
            True,
        ),
    ],
)
def test_an_invariant_that_no_test_reaches(invariant, expect, is_reached):
    expect = expect.replace("@U", USER).replace("@D", DOC)
    text = f"invariant promise: {invariant}\n"
    said = [("promise", "no test asks for what `promise` forbids, so none would break it")]
    assert found(text + f'test "t" {{ expect {expect} }}\n', "unreached-invariant") == (
        [] if is_reached else said
    )
    assert found(text, "unreached-invariant") == []  # in a set without tests


FOR_PRECEDENCE = """\
package docs
enum Kind = draft | final | old
entity User { a: bool, b: bool, kind: Kind, n?: int }
action read by User on User
"""


@pytest.mark.parametrize(
    ("condition", "misleads"),
    [
        ("subject.a or subject.b and resource.a", "subject.b and resource.a"),
        ("subject.a and subject.b or resource.a", "subject.a and subject.b"),
        (
            "subject.kind == old or subject.kind == final and resource.a",
            "subject.kind == final and resource.a",
        ),
        ("resource.b and (subject.a or subject.b and resource.a)", "subject.b and resource.a"),
        ("subject.a or subject.b\n     and resource.a", "subject.b\n     and resource.a"),
        ("subject.a\n  or subject.b\n and resource.a", "subject.b\n and resource.a"),
        ("not subject.kind == old or subject.kind == final", "not subject.kind == old"),
        ("not subject.kind == old and subject.kind == final", "not subject.kind == old"),
        ("not subject.a or subject.b", "not subject.a"),
        ("subject has n and subject.n > 2 or subject.a", "subject has n and subject.n > 2"),
        # parentheses or lines show it
        ("subject.a or (subject.b and resource.a)", ""),
        ("(subject.a or subject.b) and resource.a", ""),
        ("(subject.a and subject.b) or resource.a", ""),
        ("subject.a\n  or subject.b and resource.a", ""),
        ("subject.a\n  or subject.b\n     and resource.a", ""),
        ("subject.a and subject.b\n  or resource.a", ""),
        ("(not subject.kind == old) or subject.kind == final", ""),
        ("not (subject.kind == old) and subject.kind == final", ""),
        ("not (subject.a or subject.b)", ""),
        # nobody reads it in another way
        ("subject.a or subject has n and subject.n > 2", ""),
        ("not subject.a and subject.b", ""),
        ("not subject.a and resource.kind == old", ""),
        ("not subject.a or resource.a", ""),
        ("subject.a and subject.b and resource.a", ""),
        ("subject.kind != old and subject.kind != final", ""),
    ],
)
def test_precedence_that_misleads(condition, misleads):
    source = FOR_PRECEDENCE + f"permit p: read\n  when {condition}\n"
    checked, problems = check_sources({"a.policy": Source("a.policy", source)})
    assert checked is not None, [d.message for d in problems.items]
    only = Configuration(frozenset({"misleading-precedence"}))
    items = lint(checked, only, now=NOW).items
    assert [source[d.span.start : d.span.end] for d in items] == ([misleads] if misleads else [])
    defined = (
        FOR_PRECEDENCE
        + f"define d(subject: User, resource: User) = {condition}\npermit p: read when d(subject, resource)\n"
    )
    checked, problems = check_sources({"a.policy": Source("a.policy", defined)})
    if checked is not None:
        assert len(lint(checked, only, now=NOW).items) == bool(misleads)
    promised = (
        FOR_PRECEDENCE + f"permit p: read\ninvariant i: never allow read\n  when {condition}\n"
    )
    checked, _ = check_sources({"a.policy": Source("a.policy", promised)})
    assert checked is not None
    assert len(lint(checked, only, now=NOW).items) == bool(misleads)
