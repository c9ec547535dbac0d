"""Obligations of several rules: each once, in one order, whether constants tell the order before or not."""

from __future__ import annotations

import pytest

from policyengine import PolicyEngine

SOURCE = """\
package p
entity User {{ n: int, s: string }}
entity Doc {{ n: int, s: string }}
action read by User on Doc
obligation left(what: string, count: int)
obligation note(what: string)
gate first "the first question"
gate second "the second question"
gate first {{ permit a: read oblige {first} }}
gate second {{ permit b: read oblige {second} }}
"""


@pytest.mark.parametrize(
    ("first", "second", "owed"),
    [
        ('left("b", subject.n)', 'left("a", resource.n)', [("left", "a", 2), ("left", "b", 1)]),
        ('note(subject.s), note("x")', "note(resource.s)", [("note", "d"), ("note", "u"), ("note", "x")]),
        ('note(subject.s), left("z", subject.n)', 'note("z")', [("left", "z", 1), ("note", "u"), ("note", "z")]),
        ("left(subject.s, subject.n)", "left(subject.s, subject.n)", [("left", "u", 1)]),
        ("left(subject.s, 9)", "left(resource.s, subject.n)", [("left", "d", 1), ("left", "u", 9)]),
        ('left("a", subject.n)', 'left("a", resource.n)', [("left", "a", 1), ("left", "a", 2)]),
        ('left("a", resource.n)', 'left("a", subject.n), left("a", 0)',
         [("left", "a", 0), ("left", "a", 1), ("left", "a", 2)]),
    ],
)  # fmt: skip
def test_what_is_owed_is_in_one_order(
    first: str, second: str, owed: list[tuple[object, ...]]
) -> None:
    engine = PolicyEngine.from_text(SOURCE.format(first=first, second=second))
    user = engine.entity("User", "u", {"n": 1, "s": "u"})
    doc = engine.entity("Doc", "d", {"n": 2, "s": "d"})
    for decision in (engine.decide(user, "read", doc), engine.bind(user).decide("read", doc)):
        found = [(one.name, *one.parameters.values()) for one in decision.obligations]
        assert found == owed
        assert list(decision._worked_out().details.outcome().obligations) == list(
            decision.obligations
        )
