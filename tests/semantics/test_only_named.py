"""An entity that a policy only names has an id and nothing else: no request is asked for more."""

from __future__ import annotations

import pytest

from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources

VOCABULARY = """
package p
entity Group in Group
entity User in Group { age: int, boss: User }
group all_of_it having { by: User, some_record: {users: set<User>}, inside: Group }
action act in all_of_it by User on User
    having { by: User "a", some_record: {users: {User "z"}}, inside: Group "g" }
const chief: User = User "k"
const chiefs: set<User> = {User "k", User "l"}
define old(user: User) = user.age > 3
define deep(user: User) = old(user.boss)
"""


def codes(text):
    _, found = check_sources({"p": Source("p", VOCABULARY + text)})
    return [(d.code, d.span.start - len(VOCABULARY)) for d in found.errors]


@pytest.mark.parametrize(
    ("condition", "at"),
    [
        ('old(User "x")', 'User "x"'),
        ("old(chief)", "chief"),
        ("deep(chief)", "chief"),
        ("chief.age > 3", "chief"),
        ("chief.boss == subject", "chief"),
        ("action.by.age > 3", "action.by"),
        ("old(action.by)", "action.by"),
        ("(some u in chiefs: u.age > 3)", "chiefs"),
        ("(some u in action.some_record.users: old(u))", "action.some_record.users"),
        ('(if subject.age > 1 then User "k" else subject).age > 3', 'User "k"'),
        ("{u: chief}.u.age > 1", "{u"),
        ('action.inside within Group "x"', "action.inside"),
        ('{subject, User "x"} within Group "g"', 'User "x"'),
    ],
)
def test_more_than_the_id_is_refused(condition, at):
    text = f"permit a: any when {condition}"
    where = text.index(at) if at != "{u" else text.index("{u")
    assert codes(text) == [("PE327", where)]


def test_in_a_definition_it_is_refused_once():
    text = "define bad(n: int) = chief.age > n permit a: any when bad(3) or bad(4)"
    assert codes(text) == [("PE327", text.index("chief"))]


@pytest.mark.parametrize(
    "condition",
    [
        "action.by == subject",
        'chief.id == "k"',
        'action.by.id == "a" and size(chiefs) == 2',
        "subject in chiefs and subject in action.some_record.users",
        "action.some_record == action.some_record",
        'subject within Group "g" and subject within action.inside',
        "(some u in chiefs: u == subject)",
        "old(subject) and deep(subject.boss)",
    ],
)
def test_the_id_is_known(condition):
    assert codes(f"permit a: any when {condition}") == []
