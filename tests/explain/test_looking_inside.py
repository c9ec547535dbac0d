"""Holds that an explanation shows what a call read, folded, and no less than the expression in its place."""

from __future__ import annotations

from typing import Any

import pytest

from policyengine import PolicyEngine
from policyengine.explain import limited
from policyengine.testing.assertions import Assertions

WORLD = """\
package p
enum Role = nurse | doctor
entity Ward in Ward { open: bool }
entity Staff { posts: set<{ward: Ward, role: Role}>, name: string, level: int }
entity Note { ward: Ward, seen: set<int> }
action view by Staff on Note with { glass?: {why: string} }
obligation log(who: Staff)
define is_nurse(s: Staff, w: Ward) = some p in s.posts: p.role == nurse and p.ward == w
define senior(s: Staff) = s.level > 5 or s.name like "d*"
define trusted(s: Staff, w: Ward) = senior(s) and is_nurse(s, w)
define twice(n: int) = n * 2
"""


def conditions(rule: str, audience: str = "auditor", **context: Any) -> list[dict[str, Any]]:
    engine = PolicyEngine.from_text(f"{WORLD}permit x: view {rule}")
    ward = {"type": "Ward", "id": "w", "properties": {"open": True}, "parents": []}
    post = {"ward": {"type": "Ward", "id": "w"}, "role": "doctor"}
    staff = {"name": "ann", "level": 3, "posts": [post]}
    note = {"ward": {"type": "Ward", "id": "w"}, "seen": [1, 2]}
    explanation = engine.explain(
        {"type": "Staff", "id": "s", "properties": staff},
        "view",
        {"type": "Note", "id": "n", "properties": note},
        context,
        entities=[ward],
    )
    (gate,) = explanation.to_json(audience)["gates"]  # type: ignore[arg-type]
    found: list[dict[str, Any]] = gate["rules"][0]["conditions"]
    return found


def all_values(part: dict[str, Any]) -> set[str]:
    """Return the values that were read, however deep."""
    inner = [all_values(one) for one in part["inside"]]
    failing = [set(operand["values"].values()) for operand in part["failing"]]
    return set(part["values"].values()).union(*inner, *failing)


@pytest.mark.parametrize(
    ("call", "written_out"),
    [
        (
            "is_nurse(subject, resource.ward)",
            "(some p in subject.posts: p.role == nurse and p.ward == resource.ward)",
        ),
        ("senior(subject)", '(subject.level > 5 or subject.name like "d*")'),
        (
            "trusted(subject, resource.ward)",
            """(subject.level > 5 or subject.name like "d*") and
            (some p in subject.posts: p.role == nurse and p.ward == resource.ward)""",
        ),
        ("twice(subject.level) > 20", "subject.level * 2 > 20"),
    ],
)
def test_a_call_shows_no_less_than_its_body_in_its_place(call, written_out):
    called, plain = (conditions(f"when {condition}") for condition in (call, written_out))
    shown = set().union(*map(all_values, called))
    assert set().union(*map(all_values, plain)) <= shown


def test_definitions_and_elements_are_folded_under_the_call():
    (condition,) = conditions(
        "when trusted(subject, resource.ward) or is_nurse(subject, resource.ward)"
    )
    trusted, nurse = condition["inside"]
    assert trusted["text"] == "trusted: senior(s) and is_nurse(s, w)"
    (senior,) = trusted["inside"]  # the other operand was not evaluated
    assert senior["values"] == {"s.level": "3", "s.name": '"ann"'}
    assert [one["text"] for one in senior["failing"]] == ["s.level > 5", 's.name like "d*"']
    assert nurse["values"] == {"s.posts": '{{role: doctor, ward: Ward "w"}}'}
    (element,) = nurse["inside"]
    assert element["text"] == 'p = {role: doctor, ward: Ward "w"}'
    assert element["value"] == "false"
    assert element["values"] == {"p.role": "doctor"}
    assert [one["text"] for one in element["failing"]] == ["p.role == nurse"]


@pytest.mark.parametrize(
    ("quantifier", "elements"),
    [
        ("some n in resource.seen: n > 5", ["n = 1", "n = 2"]),
        ("some n in resource.seen: n > 1", ["n = 2"]),
        ("every n in resource.seen: n > 1", ["n = 1"]),
        ("every n in resource.seen: n > 0", ["n = 1", "n = 2"]),
        ("some n in resource.seen: every m in resource.seen: m > n", ["n = 1", "n = 2"]),
        ("some w in ancestors(resource.ward, Ward): not w.open", ['w = Ward "w"']),
    ],
)
def test_of_a_quantifier_the_elements_that_decided_are_shown(quantifier, elements):
    (condition,) = conditions(f"when {quantifier}")
    assert [one["text"] for one in condition["inside"]] == elements


def test_what_was_asked_for_is_shown_and_not_all_around_it():
    absent, unread = conditions('when context has glass and context.glass.why != ""')
    assert absent["values"] == {"context.glass": "nothing"}
    assert (unread["holds"], unread["values"]) == (None, {})
    (given, _) = conditions(
        'when context has glass and context.glass.why != ""', glass={"why": "x"}
    )
    assert given["values"] == {"context.glass": '{why: "x"}'}


def test_others_are_named_the_kinds_of_what_is_not_theirs():
    engine = PolicyEngine.from_text(
        "package p\nentity User { name: string, pin: private string }\n"
        "entity Post { author: User, hidden: bool (by person), tags: set<string>, tier: int }\n"
        "entity Box in Box\n"
        "action read by User on Post with { box: Box }\n"
        "define quiet(p: Post) = p.author.name == p.author.id\n"
        'permit a: read when subject.pin == "1"\n'
        'permit b: read when not resource.hidden and quiet(resource) and subject.name == "x"\n'
        'permit c: read when (every t in resource.tags: t != "x") and context.box within Box "b"\n'
    )
    user = {"type": "User", "id": "u", "properties": {"name": "x", "pin": "SECRET"}}
    author = {"type": "User", "id": "SECRET", "properties": {"name": "SECRET2", "pin": "SECRET"}}
    post = {"author": {"type": "User", "id": "SECRET"}, "hidden": True, "tags": ["x"], "tier": 1}
    explanation = engine.explain(
        user,
        "read",
        {"type": "Post", "id": "p", "properties": post},
        {"box": {"type": "Box", "id": "x"}},
        entities=[author, {"type": "Box", "id": "x", "parents": []}],
    )
    for audience in ("user", "developer"):
        told = "\n".join(explanation.lines(audience))  # type: ignore[arg-type]
        assert "SECRET" not in told
        assert "…" not in told
        assert "not shown to you" not in told
    kinds = {
        rule["rule"]: rule["hidden_kinds"]
        for rule in explanation.to_json("developer")["gates"][0]["rules"]
    }
    assert kinds == {
        "access.a": ["a private value"],
        "access.b": ['whether "hidden" is true of the post', "the name of the author of the post", "the id of the author of the post"],
        "access.c": ["the tags of the post", "what the box of the request lies within"],
    }  # fmt: skip


MARKS = """\
package p
entity User { role: string }
entity Doc
action read by User on Doc
forbid outside: read unless subject.role == "doctor" because "doctors only"
permit any_doc: read unless subject.role == "guest"
"""


@pytest.mark.parametrize(
    ("role", "forbid", "permit"),
    [
        ("doctor", ("does not apply", "good", "✓", "good"), ("satisfied", "good", "✗", "good")),
        ("guest", ("applies", "bad", "✗", "bad"), ("not satisfied", "plain", "✓", "bad")),
    ],
)
def test_a_mark_says_whether_what_is_written_holds(role, forbid, permit):
    engine = PolicyEngine.from_text(MARKS)
    user = {"type": "User", "id": "u", "properties": {"role": role}}
    lines = list(engine.explain(user, "read", {"type": "Doc", "id": "d"}).toned_lines("auditor"))
    for effect, (state, tone, mark, of_condition) in (("forbid", forbid), ("permit", permit)):
        at = next(n for n, line in enumerate(lines) if line.text.startswith(f"  {effect}"))
        assert f": {state}" in lines[at].text
        assert (lines[at].tone, lines[at + 1].tone) == (tone, of_condition)
        assert lines[at + 1].text.startswith(f"      {mark} unless subject.role == ")
        assert lines[at + 2].text == f'          subject.role = "{role}"'


def test_what_lies_above_the_person_who_asks_is_named_in_the_second_person():
    engine = PolicyEngine.from_text(
        "package p\nentity Desk\nentity User in Desk { busy: bool }\nentity Post { desk: Desk }\n"
        "action read by User on Post\npermit a: read when subject within resource.desk\n"
        "permit b: read when some d in ancestors(subject, Desk): d == resource.desk\n"
    )
    user = {"type": "User", "id": "u", "parents": [], "properties": {"busy": False}}
    post = {"type": "Post", "id": "p", "properties": {"desk": {"type": "Desk", "id": "d"}}}
    told = "\n".join(engine.explain(user, "read", post).lines("developer"))
    assert "what you lie within" in told
    assert "lies within" not in told


@pytest.mark.parametrize(
    "rule",
    ["some a in subject.groups: some b in resource.groups: a == b", "shares(subject, resource)"],
    ids=["written out", "called"],
)
def test_an_explanation_goes_over_sets_a_few_times(rule: str):
    """Each of its parts needs what a condition says; the search for what would allow has a limit of its own."""
    engine = PolicyEngine.from_text(f"""
package groups
entity User {{ groups: set<string> }}
entity File {{ groups: set<string> }}
action read by User on File
define shares(u: User, f: File) = some a in u.groups: some b in f.groups: a == b
permit shared: read when {rule}
""")
    mine, its = ([f"{name}{n}" for n in range(40)] for name in "ab")
    with limited(
        None, steps=3_600
    ):  # each pair of elements twice, and those of the first ten elements again
        explanation = engine.explain(
            {"type": "User", "id": "u", "properties": {"groups": mine}}, "read",
            {"type": "File", "id": "f", "properties": {"groups": its}},
        )  # fmt: skip
    assert not explanation.outcome.allowed


MANY = PolicyEngine.from_text("""
package many
entity User { groups: set<int> }
entity File { groups: set<int> }
action read by User on File
permit shared: read when some a in subject.groups: some b in resource.groups: a == b
""")
LARGE: dict[str, Any] = {
    "subject": {"type": "User", "id": "u", "properties": {"groups": [*range(30)]}},
    "action": "read",
    "resource": {"type": "File", "id": "f", "properties": {"groups": [*range(100, 130)]}},
}


def test_an_explanation_ends_where_rules_look_at_too_many_elements(monkeypatch):
    monkeypatch.setattr("policyengine.explain.MOST_EXPLAINED", 500)
    for seconds in (0.0, 10.0):
        with pytest.raises(TimeoutError, match="takes too long"):
            MANY.explain(**LARGE, seconds=seconds)
    subject = LARGE["subject"]
    with pytest.raises(TimeoutError):
        MANY.bind(subject).explain("read", LARGE["resource"])
    assert not MANY.explain(**LARGE, seconds=None).outcome.allowed
    monkeypatch.undo()
    assert not MANY.explain(**LARGE, seconds=0.0).outcome.allowed


def test_a_failing_assertion_has_the_reason_where_an_explanation_takes_too_long(monkeypatch):
    monkeypatch.setattr("policyengine.explain.MOST_EXPLAINED", 500)
    with pytest.raises(AssertionError, match="expected allow, got: "):
        Assertions(MANY).allowed(*LARGE.values())
