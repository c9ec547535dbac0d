"""Tables of expectations, and what all tests of a package share: what checks and what does not."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.lint.linter import lint
from policyengine.model.limits import Limits
from policyengine.pipeline import check_sources, compile_set
from policyengine.testing.requests_of_tests import requests_of
from policyengine.testing.runner import run_tests
from tests.testing.conftest import Interpreted

WORDS = """\
package p
levels Tier = free < basic < pro
enum Status = active | "on hold"
taxonomy Purpose { research { health } sales }
entity App { tier: Tier, status: Status, purpose: Purpose, beta: bool, age: int }
entity Doc
obligation erase(tier: Tier)
action read by App on Doc
permit p: read when subject.tier >= basic
"""
APP = 'App "a" { tier: tier }'
ASKED = f'read by {APP} on Doc "d"'


def found(text: str, **others: str) -> list[tuple[str, str, str]]:
    """Return the code of each mistake, what is underlined, and the message."""
    sources = {"p": WORDS + text, **others}
    _, diagnostics = check_sources({n: Source(n, t) for n, t in sources.items()}, Limits())
    return [
        (d.code, sources[d.span.file][d.span.start : d.span.end], d.message)
        for d in diagnostics.errors
    ]


def table(rows: str, head: str = f"tier in Tier: {ASKED}", before: str = "") -> str:
    return f'test "t" {{ {before} for {head} expect {{ {rows} }} }}'


@pytest.mark.parametrize(
    "text",
    [
        table("free: deny basic, pro: allow"),
        table("free: deny, Tier.basic, p.Tier.pro: allow"),
        table('free: deny because p basic: allow oblige erase(tier) pro: allow reason "x"'),
        table('active: deny "on hold": allow', 's in Status: read by App "a" { status: s } on Doc "d"'),
        table(
            "research, health, sales: deny",
            'x in p.Purpose: read by App "a" { purpose: x } on Doc "d"',
        ),
        table("true: deny false: allow", 'b in bool: read by App "a" { beta: b } on Doc "d"'),
        table("free, basic, pro: deny", before='let a = App "a" {}') + table("free, basic, pro: deny"),
        'let a = App "a" { tier: free }\ntest "t" { expect deny read by a on Doc "d" }',
        'let b = a { tier: pro }\nlet a = App "a" {}\ntest "t" { expect allow read by p.b on Doc "d" }',
    ],
)  # fmt: skip
def test_what_is_sound(text: str):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "code", "underlined", "message"),
    [
        (table("free: deny pro: allow"), "PE330", "Tier",
         "the table does not say what is expected of `basic`"),
        (table("pro: allow"), "PE330", "Tier",
         "the table does not say what is expected of `free` and `basic`"),
        (table("free, basic, pro: allow basic: deny"), "PE203", "basic", "`basic` is given twice"),
        (table("free, basic, pro, free: allow"), "PE203", "free", "`free` is given twice"),
        (table("free, basik, pro: allow"), "PE221", "basik", "`basik`"),
        (table("free, basic, pro, 3: allow"), "PE305", "3", "`Tier`"),
        (table("free, basic, pro, tier: allow"), "PE221", "tier", "`tier`"),
        (table("free, basic, x: allow", before="let x = Tier.pro"), "PE318", "x", "constant"),
        (table("1: allow", f"tier in int: {ASKED}".replace("tier: tier", "age: tier")), "PE305", "int", "a type with few values"),
        (table("free: allow", f"tier in Teer: {ASKED}"), "PE202", "Teer", "`Teer`"),
        (table("free, basic, pro: allow", before='let tier = App "a" {}'), "PE213", "tier",
         "something else"),
        (table("free, basic, pro: allow", f'tier in Tier: rad by {APP} on Doc "d"'),
         "PE205", "rad", "`rad`"),
        (table("free, basic, pro: allow fields {x}"), "PE314", "x", "`x`"),
        (table("free, basic, pro: allow because q"), "PE209", "q", "`q`"),
        # ---- fixtures
        ("let a = a", "PE224", "a", "`a` refers to itself"),
        ('let pro = App "a" { tier: pro }', "PE224", "pro", "`pro` refers to itself"),
        ("let a = b\nlet b = a", "PE224", "a", "fixtures refer to one another in a circle"),
        ("let a = 1\nlet a = 2", "PE203", "a", "`a` is given twice"),
        ('let a = 1\ntest "t" { let a = 2 }', "PE213", "a", "what all tests share"),
        ("let a = Tier.pro\n" + table("free, basic, pro: deny", f"a in Tier: {ASKED}".replace("tier: tier", "tier: a")), "PE213",
         "a", "what all tests share"),
        ('let a = App "a" { teir: pro }', "PE301", "teir", "`teir`"),
        ("let a = nothing", "PE201", "nothing", "`nothing`"),
        ('let pro = 1\ntest "t" { let x = App "a" { tier: pro } }', "PE204", "pro",
         "could mean two things"),
        ('let x = App "a" {}\npermit q: read when subject == x', "PE325", "x", "in a test only"),
        ('let x = App "a" {}\npermit q: read when subject == p.x', "PE201", "p.x", "`p.x`"),
    ],
)  # fmt: skip
def test_one_mistake_one_message(text: str, code: str, underlined: str, message: str):
    problems = found(text)
    assert [problem[:2] for problem in problems] == [(code, underlined)]
    assert message in problems[0][2]


def test_a_party_of_a_request_is_no_enumerator_of_the_same_name():
    party = 'let pro = App "a" { tier: free }\n'
    for asked in ("by pro", "by pro { tier: basic }"):
        assert found(f'{party}test "t" {{ expect deny read {asked} on Doc "d" }}') == []
    own = 'test "t" { let pro = App "a" { tier: free } expect deny read by pro on Doc "d" }'
    assert found(own) == []
    (problem,) = found('test "t" { expect deny read by pro on Doc "d" }')
    assert problem[:2] == ("PE305", "pro")


def test_other_packages_are_seen_if_they_are_imported():
    other = 'package q import p\ntest "t" { expect deny read by %s on Doc "d" }'
    shared = 'let a = App "a" { tier: free }'
    assert found(shared, q=other % "a") == []
    assert found(shared, q=other % "p.a") == []
    (problem,) = found(shared, q=(other % "a").replace("import p", ""))[:1]
    assert problem[0] == "PE205"  # nothing of the other package is seen
    twice = found(shared, q='package q import p\nlet a = App "b" {}\n')
    assert twice == []
    used = 'package q import p\nlet a = App "b" {}\ntest "t" { expect deny read by a on Doc "d" }'
    assert [problem[0] for problem in found(shared, q=used)] == ["PE204"]
    assert found(shared, q=used.replace("by a", "by q.a")) == []


def test_long_chains_are_bounded_and_not_recursed_into():
    def chain(length: int) -> str:
        return 'let a0 = App "a" {}\n' + "".join(
            f"let a{n} = a{n - 1} {{ age: {n} }}\n" for n in range(1, length)
        )

    assert found(chain(100)) == []
    assert [problem[0] for problem in found(chain(101))] == ["PE308"]
    assert [problem[0] for problem in found(chain(1_000))] == ["PE308"]


UNITS = """
package hospital
entity Unit in Unit { heads: set<Nurse> }
entity Nurse in Unit
entity Bed in Unit
action make by Nurse on Bed
permit head: make when some u in ancestors(resource, Unit): subject in u.heads
let house = Unit "house" { heads: {kim} }
let kim = Nurse "kim" under Unit "house"
let ward = Unit "ward" under Unit "house" { heads: {lee} }
let lee = Nurse "lee" under Unit "ward"
let bed = Bed "b" under Unit "ward"
"""


def test_an_entity_brings_along_the_fixtures_of_what_it_is_under():
    text = (
        UNITS
        + """
test "t" {
    expect allow make by lee on bed
    expect allow make by kim on bed
    expect allow make by kim on Bed "c" under {Unit "ward"}
    expect deny make by Nurse "mo" on bed
}
test "what a test describes goes before" {
    let closed = Unit "ward" { heads: {} }
    expect deny make by lee on bed
    expect deny make by kim on bed
}
"""
    )
    checked, diagnostics = check_sources({"a": Source("a", text)}, Limits())
    assert checked is not None, diagnostics
    assert [result.status for result in run_tests(checked, compile_set(checked)).results] == [
        "passed",
        "passed",
    ]
    assert len(list(requests_of(checked))) == 6
    assert "PE410" not in {d.code for d in lint(checked).items}


def test_another_package_describes_what_its_entities_are_under():
    other = """
package tests
import hospital
test "t" { expect allow hospital.make by hospital.lee on bed expect allow make by kim on bed }
"""
    sources = {"a": Source("a", UNITS), "b": Source("b", other)}
    checked, diagnostics = check_sources(sources, Limits())
    assert checked is not None, diagnostics
    assert [result.status for result in run_tests(checked, compile_set(checked)).results] == [
        "passed"
    ]


# ---- contexts ---------------------------------------------------------------------------

PLACES = """\
package p
enum Ward = icu | er
enum Room = icu | attic
entity User
entity Doc { owner: User }
action read by User on Doc with { ward: Ward, hour: int, who: User, note?: string }
action tidy by User on Doc with { ward: Room, hour: int }
action ask by User on Doc
permit p: read when context.ward == icu and context.hour > 8 and context.who == subject
permit q: tidy when context.ward == icu and context.hour > 8
permit r: ask
"""
OFFICE = 'let office = { ward: icu, hour: 9, who: User "ann" }\n'


def found_in_contexts(text: str) -> list[tuple[str, str]]:
    """Return the code of each mistake, and what is underlined."""
    _, diagnostics = check_sources({"p": Source("p", PLACES + text)}, Limits())
    return [(d.code, (PLACES + text)[d.span.start : d.span.end]) for d in diagnostics.errors]


def asked(*lines: str, before: str = OFFICE) -> str:
    return f'{before}test "t" {{\n' + "\n".join(lines) + "\n}"


@pytest.mark.parametrize(
    "text",
    [
        asked('expect allow read by User "ann" on Doc "d" with office'),
        asked('expect deny read by User "ann" on Doc "d" with office { ward: er, note: "n" }'),
        asked('expect deny read by User "bob" on Doc "d" with p.office'),
        asked('expect allow ask by User "ann" on Doc "d" with nothing', before="let nothing = {}\n"),
        asked(
            "let late = office { hour: 3 }", "let same = late",
            'expect deny read by User "ann" on Doc "d" with late',
            'expect allow read by User "ann" on Doc "d" with same { hour: 10 }',
        ),
        asked(
            'let ann = User "ann" {}', "let here = { ward: icu, hour: 9, who: ann }",
            'expect allow read by ann on Doc "d" { owner: ann } with here',
        ),
        asked(
            "let here = { ward: icu, hour: 9 }",
            'expect allow tidy by User "u" on Doc "d" with here',
            'expect allow read by User "u" on Doc "d" with here { who: User "u" }',
            'for w in Room: tidy by User "u" on Doc "d" with here { ward: w }'
            " expect { icu: allow attic: deny }",
            'for w in Ward: read by User "ann" on Doc "d" with office { ward: w }'
            " expect { icu: allow er: deny }",
        ),
        asked("let a = { hour: 9, ward: Ward.er }", 'expect deny read by User "u" on Doc "d" with a { who: User "u" }'),
        asked("let late = office { hour: 3 }"), OFFICE + "let late = office { hour: 3 }",
        "let b = a { hour: 3 }\nlet a = { ward: er, hour: 9 }\n"
        + asked('expect deny tidy by User "u" on Doc "d" with b { ward: attic }'),
    ],
)  # fmt: skip
def test_a_context_has_a_name(text: str):
    checked, diagnostics = check_sources({"p": Source("p", PLACES + text)}, Limits())
    assert diagnostics.errors == ()
    assert checked is not None
    for result in run_tests(checked, Interpreted(checked), now=0).results:
        assert (result.status, result.problems) == ("passed", ())


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (asked('expect deny read by User "u" on Doc "d" with User "u"'), [("PE349", 'User "u"')]),
        (asked('let ann = User "ann"', 'expect deny read by ann on Doc "d" with ann'), [("PE349", "ann")]),
        (asked('expect deny read by office on Doc "d" with office'), [("PE349", "office")]),
        (asked('expect deny read by User "u" on office { hour: 3 }'), [("PE349", "office { hour: 3 }")]),
        (asked("let a = {hour: 3}", 'expect deny read by a on Doc "d"'), [("PE349", "a")]),
        (asked('expect deny tidy by User "u" on Doc "d" with office'), [("PE301", "who")]),
        (asked('expect deny ask by User "u" on Doc "d" with office { hour: 3 }'),
         [("PE301", "ward"), ("PE301", "who"), ("PE301", "hour")]),
        (asked('expect deny read by User "u" on Doc "d" with office { ward: attic }'), [("PE304", "attic")]),
        (asked('expect deny read by User "u" on Doc "d" with office { hour: 1, hour: 2 }'), [("PE203", "hour")]),
        (asked('let one = { hour: 1, hour: 2 } expect deny read by User "u" on Doc "d" with one'), [("PE203", "hour")]),
        (asked('let one = office { hour: 1, hour: 2 } expect deny read by User "u" on Doc "d" with one'), [("PE203", "hour")]),
        ("let one = { hour: 1, hour: 2 }\n" + asked('expect deny read by User "u" on Doc "d" with one'), [("PE203", "hour")]),
        (asked('expect deny read by User "u" on Doc "d" with offce'), [("PE201", "offce")]),
        (asked('expect deny read by User "u" on Doc "d" with offce { hour: 1 }'), [("PE201", "offce")]),
        (asked('expect deny read by User "u" on Doc "d" with x.office'), [("PE201", "x")]),
        (asked('let a = { hour: "9", ward: er }', 'expect deny tidy by User "u" on Doc "d" with a { ward: icu }',
               'expect deny tidy by User "u" on Doc "d" with a { ward: icu }'), [("PE305", '"9"')]),
        (asked("let a = { ward: icu }"), []),
        ("let a = { ward: icu, hour: nope }", [("PE201", "nope")]),
        (asked("let a = { ward: icu }", 'let d = Doc "d" { owner: a }'), [("PE204", "icu")]),
        (asked('expect deny ask by User "u" on Doc "d" { owner: office }'), [("PE204", "icu")]),
        ("let a = a { hour: 3 }", [("PE224", "a")]),
        ("let a = b { hour: 3 }\nlet b = a", [("PE224", "a")]),
        (asked('expect deny read by User "u" on Doc "d" with {icu, er}'), [("PE305", "{icu, er}"), ("PE204", "icu")]),
        (asked('expect deny read by User "u" on Doc "d" with 5'), [("PE114", "")]),
        (asked('expect deny read by User "u" on Doc "d" with office with office'), [("PE122", "with office")]),
        ("permit x: read when context == office\n" + OFFICE, [("PE325", "office")]),
        (asked("let office = { hour: 3 }"), [("PE213", "office")]),
    ],
)  # fmt: skip
def test_what_is_no_context(text: str, mistakes: list[tuple[str, str]]):
    assert found_in_contexts(text) == mistakes


def test_a_context_has_values_of_every_kind():
    text = """
package p
entity User
action call by User on User with { address: ip, size: decimal, since: datetime, parts: set<ip> }
permit near: call
    when context.address within ip "10.0.0.0/8" and context.address in context.parts
     and context.size == 1.50 and context.since < now
let here = { address: ip "10.0.0.1", size: 1.5, since: 2026-01-01, parts: {ip "10.0.0.1"} }
test "t" { at 2026-11-23 expect allow call by User "a" on User "b" with here }
"""
    checked, diagnostics = check_sources({"p": Source("p", text)}, Limits())
    assert checked is not None, diagnostics
    (result,) = run_tests(checked, compile_set(checked)).results
    assert result.problems == ()


def test_a_long_context_is_not_in_thousands_of_places():
    keys = ", ".join(f"k{n}: {n}" for n in range(400))
    declared = ", ".join(f"k{n}: int" for n in range(400))
    words = f"package p\nentity U\naction a by U on U with {{ {declared} }}\npermit p: a\n"
    uses = '    expect deny a by U "u" on U "v" with whole\n' * 400
    lets = "".join(f"    let l{n} = whole {{ k0: {n} }}\n" for n in range(1_000))
    for lines in (uses, lets):
        text = f'{words}let whole = {{ {keys} }}\ntest "t" {{\n{lines}}}'
        _, diagnostics = check_sources({"p": Source("p", text)}, Limits())
        assert [d.code for d in diagnostics.errors] == ["PE308"]
