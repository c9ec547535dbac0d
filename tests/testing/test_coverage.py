"""Coverage: which tests a rule was satisfied in, and whether each operand decided on its own."""

from __future__ import annotations

from unittest import mock

import pytest
from attrs import evolve

from policyengine.testing.coverage import Coverage, Covered, measure
from tests.testing.world import NOW, checked_set, test_of

BOTH = "gate scope { permit both: list when subject.away and subject.age > 18 fields all }\n"


def covered(text: str) -> Coverage:
    return measure(checked_set(text), now=NOW)


def only(text: str) -> Covered:
    (item,) = covered(text).items
    return item


def expecting(*changes: str) -> str:
    """Return tests, each of which asks with some of Ann's attributes changed."""
    return "".join(
        test_of(f"expect deny list by ann {{ {change} }} on item", title=f"t{i}")
        for i, change in enumerate(changes)
    )


def decides(item: Covered) -> list[bool]:
    return [operand.decides for operand in item.operands]


def test_what_no_test_asks_is_not_covered():
    item = only(BOTH)
    assert (item.name, item.kind, item.satisfied_in, item.failed_in) == (
        "scope.both", "permit", (), (),
    )  # fmt: skip
    assert [o.text for o in item.operands] == ["subject.away", "subject.age > 18"]
    assert not any(o.true_in or o.false_in or o.decides for o in item.operands)


def test_tests_are_named_by_their_titles():
    item = only(BOTH + expecting("away: true", "away: false", "away: true, age: 10"))
    assert (item.satisfied_in, item.failed_in) == (("t0",), ("t1", "t2"))
    away, adult = item.operands
    assert (away.true_in, away.false_in) == (("t0", "t2"), ("t1",))
    assert (adult.true_in, adult.false_in) == (("t0",), ("t2",))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (("away: true", "away: false"), [True, False]),
        (("away: true", "away: true, age: 9"), [False, True]),
        (("away: true", "away: false", "away: true, age: 9"), [True, True]),
        (("away: false", "away: true, age: 9"), [False, False]),  # both deny
    ],
)
def test_an_operand_decides_where_nothing_else_differs(changes, expected):
    assert decides(only(BOTH + expecting(*changes))) == expected


def test_what_was_not_evaluated_counts_as_not_different():
    either = (
        "gate scope { permit either: list\n"
        "    when subject.away or subject.age > 18 and subject.tier == pro fields all }\n"
    )
    # `away` true settles it; the second is false by the age alone.
    item = only(either + expecting("away: true", "age: 9"))
    assert decides(item) == [True, False, False]
    item = only(either + expecting("away: true", "age: 9", "age: 30", "tier: free"))
    assert decides(item) == [True, True, True]


def test_two_that_differ_together_show_nothing():
    rule = "gate scope { permit r: list when (subject.tier == pro) == subject.away fields all }\n"
    assert len(only(rule).operands) == 1  # `==` between truths is one operand
    rule = "gate scope { permit r: list when subject.away or subject.age > 18 fields all }\n"
    item = only(rule + expecting("away: true, age: 9", "away: false, age: 30", "age: 9"))
    assert decides(item) == [True, True]
    item = only(rule + expecting("away: true", "age: 9"))
    assert decides(item) == [True, False]


def test_unless_and_several_clauses_are_one_condition():
    rule = (
        "gate scope { permit r: list when subject.age > 18 unless subject.away\n"
        "    unless subject.tier == free fields all }\n"
    )
    item = only(rule + expecting("age: 30", "age: 9", "away: true", "tier: free"))
    assert decides(item) == [True, True, True]
    assert item.satisfied_in == ("t0",)


def test_not_and_if_are_taken_apart():
    rule = (
        "gate scope { permit r: list\n"
        "    when if subject.away then subject.age > 18 else not subject.tier == free fields all }\n"
    )
    item = only(rule + expecting("away: true", "age: 9, away: true", "tier: free", "tier: pro"))
    assert [o.text for o in item.operands] == [
        "subject.away", "subject.age > 18", "subject.tier == free",
    ]  # fmt: skip
    assert decides(item) == [True, True, True]


def test_a_negated_operator_is_one_operand_as_it_is_written():
    rule = "gate scope { permit r: list when subject.age > 18 and subject.status not in {closed} fields all }\n"
    item = only(rule + expecting("age: 9", "age: 30", "status: closed"))
    assert [o.text for o in item.operands] == [
        "subject.age > 18", "subject.status not in {closed}",
    ]  # fmt: skip
    assert [(o.true_in, o.false_in) for o in item.operands] == [
        (("t1", "t2"), ("t0",)), (("t1",), ("t2",)),
    ]  # fmt: skip
    assert decides(item) == [True, True]


DEFINED = """\
const adult: int = 18
define grown(user: User) = user.age > adult and not user.away
gate scope {
    permit a: list when grown(subject) fields all
    forbid b: list when not grown(subject) and subject.tier == free
    advisory permit trial: list when subject.tier == basic fields all
}
"""


def test_definitions_are_measured_once_wherever_they_are_used():
    items = covered(DEFINED + expecting("age: 30", "age: 9", "away: true"))
    assert [(item.name, item.kind) for item in items.items] == [
        ("grown", "define"), ("scope.a", "permit"), ("scope.b", "forbid"),
    ]  # fmt: skip
    grown, a, b = items.items
    assert not grown.is_rule
    assert decides(grown) == [True, True]
    assert decides(a) == [True]
    assert decides(b) == [False, False]
    assert items.share("rules") == (1, 2)
    assert items.share("conditions") == (4, 5)
    assert items.share("mcdc") == (3, 5)
    assert items.percent("mcdc") == 60.0


def test_nothing_to_cover_is_covered():
    assert covered("").percent("rules") == 100.0


def test_rules_out_of_force_are_not_exercised():
    rule = "gate scope { permit r: list when subject.away until 2020-01-01 fields all }\n"
    assert only(rule + expecting("away: true")).satisfied_in == ()


def test_requests_that_do_not_fit_do_not_count():
    test = 'test "t" { expect deny list by User "u" on Item "i" }\n'
    assert only(BOTH + test).failed_in == ()


def test_a_rule_that_fails_is_not_exercised():
    broken = mock.Mock(side_effect=ZeroDivisionError)
    with mock.patch("policyengine.testing.coverage.evaluate", broken):
        item = only(BOTH + expecting("away: true"))
    assert broken.called
    assert (item.satisfied_in, item.failed_in) == ((), ())


def test_only_some_tests_count_if_asked():
    checked = checked_set(BOTH + expecting("away: true", "away: false"))
    (item,) = measure(evolve(checked, tests=checked.tests[1:]), now=NOW).items
    assert (item.satisfied_in, item.failed_in) == ((), ("t1",))
