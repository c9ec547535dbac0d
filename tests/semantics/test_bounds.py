"""Hold the bounds of rules, of targets and of sets: what is counted, and what raises each."""

from __future__ import annotations

import pytest

from policyengine import Limits
from policyengine.diagnostics.diagnostic import Diagnostics
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from tests.calls import called
from tests.strategies.costly import FAMILIES, READ, doubling

DOUBLING = READ + "obligation o(x: int)\n" + doubling(9, "x + x", "d_(x) + d_(x)")


def found(text: str, limits: Limits | None = None) -> Diagnostics:
    return check_sources({"a.policy": Source("a.policy", text)}, limits or Limits())[1]


@pytest.mark.parametrize(
    "clauses",
    [
        "when d9(subject.n) > 1 when d9(resource.n) > 1 when d9(3) > 1",
        'when subject.f because "{d9(subject.n)} {d9(resource.n)} {d9(3)}"',
        'otherwise "{d9(subject.n)} {d9(resource.n)} {d9(3)}"',
        'refer "{d9(subject.n)} {d9(resource.n)} {d9(3)}"',
        "oblige o(d9(subject.n)), o(d9(resource.n)), o(d9(3))",
        'when d9(subject.n) > 1 because "{d9(resource.n)}" oblige o(d9(3))',
    ],
)
def test_a_rule_is_bounded_with_all_that_it_says(clauses: str):
    text = DOUBLING + f"permit p: read {clauses}\n"
    (problem,) = found(text).errors
    assert problem.code == "PE308"
    assert "parts, definitions included, and at most 10,000 are allowed" in problem.message
    assert "`Limits(expression_size=…)`" in problem.help
    assert found(text, Limits(expression_size=30_000, target_size=30_000)).errors == ()


def test_a_string_at_its_limit_counts_a_step_for_each_thousand_code_points():
    rule = READ + "permit p: read when lower(subject.s) startswith resource.s\n"
    limits = Limits(string_size=1_000_000, expression_cost=3_000)
    (problem,) = found(rule, limits).errors
    assert problem.code == "PE308"
    assert "may take 3,0" in problem.message
    assert found(rule, Limits(string_size=100_000, expression_cost=3_000)).errors == ()
    constant = READ + 'permit p: read when subject.s startswith "abc"\n'
    assert found(constant, limits).errors == ()


def test_what_a_text_shows_is_bounded():
    (problem,) = found(READ + 'permit p: read because "' + "{subject.t}" * 600 + '"\n').errors
    assert problem.code == "PE308"
    assert "steps, and at most 10,000,000 are allowed" in problem.message
    assert found(READ + 'permit p: read because "' + "{subject.t}" * 100 + '"\n').errors == ()


def test_what_a_text_shows_is_checked_in_proportion_to_its_length():
    """Whether all types are known takes a look at each: it is not asked for each part of a text."""

    def asked(parts: int) -> int:
        declared = ", ".join(f"p{i}: int" for i in range(parts))
        owed = ", ".join(["subject.n"] * parts)
        rule = f'permit p: read because "{"{subject.n} " * parts}" oblige note({owed})'
        text = f"{READ}obligation note({declared})\n{rule}\n"
        assert found(text).errors == ()
        return called(lambda: found(text)).count("sound")

    assert asked(40) == asked(2)


def test_an_invariant_is_bounded_like_a_rule():
    wide = "d9(subject.n) + d9(resource.n) + d9(3) + d9(4) > 1"
    (problem,) = found(f"{DOUBLING}invariant i: never allow any unless {wide}\n").errors
    assert problem.code == "PE308"


@pytest.mark.parametrize(
    ("family", "level", "code", "limit"),
    [
        ("doubled sums", 7, "PE331", "target_size"),
        ("nested quantifiers", 1, "PE331", "target_cost"),
        ("actions", 12, "PE332", "coverage"),
        ("targets", 6, "PE333", "targets"),
    ],
)
def test_a_set_is_bounded_as_a_whole_and_says_what_raises_it(
    family: str, level: int, code: str, limit: str
):
    (problem,) = found(FAMILIES[family](10_000, level)).errors
    assert problem.code == code
    assert f"`Limits({limit}=…)`" in problem.help
    assert f"{getattr(Limits(), limit):,}" in problem.message


def test_the_action_is_named_that_has_too_many_targets():
    types = ", ".join(f"U{n}" for n in range(60))
    text = "package t\n" + "".join(f"entity U{n}\n" for n in range(60))
    text += f"action few by U0 on U1\naction a0, a1, a2 by {types} on {types}\npermit p: few\n"
    (problem,) = found(text).errors
    assert (problem.code, text[problem.span.start : problem.span.end]) == ("PE333", "a2")
    assert "10,801 targets" in problem.message
    assert found(text, Limits(targets=10_801)).errors == ()


def test_a_longer_set_may_have_more():
    rules = "".join(f"permit p{n}: read when d5(subject.n) > {n}\n" for n in range(200))
    text = DOUBLING + rules
    assert [problem.code for problem in found(text).errors] == ["PE331"]
    assert found(text + "# a comment\n" * 5_000).errors == ()


def test_a_thousand_ordinary_rules_are_far_from_every_bound():
    rules = "".join(
        f'permit p{n}: read when subject.n == {n} and subject.t overlaps {{"a", "b{n}"}} and '
        f'not resource.f because "{{subject}} is of {n}"\n'
        for n in range(1_000)
    )
    tenth = {name: getattr(Limits(), name) // 10 for name in ("targets", "target_size", "coverage")}
    assert found(READ + rules, Limits(**tenth, target_cost=2_000_000)).errors == ()


def test_large_counts_types_and_circles_are_cut_short():
    sets = "".join(f"some a{n} in subject.q: " for n in range(20))
    (problem,) = found(f"{READ}permit p: read when {sets}a1 == 1\n").errors
    assert "may take more than 1,000,000,000,000 steps" in problem.message
    records = READ + doubling(9, "{a: x, b: x}", "{a: d_(x), b: d_(x)}")
    (problem,) = found(records + "permit p: read when d9(subject.n)\n").errors
    assert len(problem.message) < 300
    circle = "".join(f"define c{n}(x: int) = c{(n + 1) % 90}(x)\n" for n in range(90))
    (problem,) = found(f"{READ}{circle}permit p: read\n").errors
    assert "… (70 more) → `c0`" in problem.message


FOLDERS = """package p
entity Team
entity User in Team { folders: set<Folder> }
entity Folder in Folder { grants: set<{to: Team, right: int}> }
action read by User on Folder
define granted(user: User, folders: set<Folder>) =
    some f in folders: some g in f.grants: user within g.to and g.right > 1
"""


def test_a_definition_costs_what_it_is_called_with():
    """There are fewer folders above one than a set may have."""
    above = "permit a: read when granted(subject, ancestors(resource, Folder))"
    listed = "permit b: read when granted(subject, {resource})"
    assert found(FOLDERS + above).errors == ()
    assert found(FOLDERS + listed).errors == ()
    (problem,) = found(FOLDERS + "permit c: read when granted(subject, subject.folders)").errors
    assert problem.code == "PE308"
    assert problem.span.start == len(FOLDERS) + len("permit c: read when ")


def test_a_definition_passes_sizes_on():
    through = "define any_of(u: User, them: set<Folder>) = granted(u, them)\n"
    above = "permit a: read when any_of(subject, ancestors(resource, Folder))"
    assert found(FOLDERS + through + above).errors == ()
    large = "permit a: read when any_of(subject, subject.folders)"
    (problem,) = found(FOLDERS + through + large).errors
    assert problem.code == "PE308"


def test_calls_with_many_sizes_are_not_told_apart():
    sets = [", ".join(["resource"] * size) for size in range(1, 80)]
    rules = "\n".join(
        f"permit r{n}: read when granted(subject, {{{written}}})" for n, written in enumerate(sets)
    )
    errors = found(FOLDERS + rules, Limits(target_cost=10**9)).errors
    assert {problem.code for problem in errors} == {"PE308"}
    assert len(errors) < len(sets) / 2
