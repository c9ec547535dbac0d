"""Holds that of rules which are for other requests nothing is said that only they know."""

from __future__ import annotations

import json
from random import Random
from unittest import mock

import pytest
from hypothesis import given, settings

from policyengine import PolicyEngine
from policyengine.compiler import generate
from policyengine.explain.explainer import reasons_of
from policyengine.model.values import moment_text
from policyengine.reference import interpreter, reasons
from policyengine.reference.evaluation import Env
from tests.strategies.loading import load
from tests.strategies.seeds import SEEDS
from tests.whole import share

HEAD = """\
package p
enum Dept = sales | legal
entity User { tenant: string, dept: Dept, level: int, staff?: string, key: private string, groups: set<string> }
entity Doc { tenant: string, size: int, made: datetime }
action read by User on Doc with { net: ip, q: int }
define same(one: string, other: string) = one == other
define belongs(one: User, tenant: string) = one.tenant == tenant
field gate access "may they?"
gate other "and that?"
"""
KEYS = (
    'subject.tenant == "t{n}"', 'subject.tenant == "t{n}"', 'subject.tenant in {{"t{n}", "t{m}"}}',
    'not (subject.tenant != "t{n}")', 'resource.tenant == "t{n}"', 'subject == User "u{n}"',
    "context.q == {n}", "subject.dept == sales", 'subject.key == "k{n}"',
    'subject has staff and subject.staff == "s{n}"', '"u{n}" == subject.id',
)  # fmt: skip
MORE = (
    "subject.level > {n}", "resource.size > subject.level", 'context.net within ip "10.{n}.0.0/16"',
    'subject.tenant like "t{n}*"', '"g{n}" in subject.groups', "now - resource.made < {n}d",
    'subject.key != "k{n}"', '(subject.tenant == "t{n}" or subject.level > 3)',
    'same(subject.tenant, "t{n}")', 'not belongs(subject, "t{n}")',
    'subject.groups overlaps {{"g{n}", "g{m}"}}', 'subject.tenant != "t{n}"',
)  # fmt: skip
TEXTS = (
    ("permit", ' otherwise "not {subject.tenant}"'), ("permit", ' refer "team{n}"'),
    ("permit", " from 2026-01-01 until 2026-12-01"), ("permit", " waivable"),
    ("permit", " fields id"), ("permit", " fields all"),
)  # fmt: skip


def rules(rng: Random, gate: str) -> str:
    """Return the rules of a gate: of a few shapes, each for some tenant."""
    shapes = [
        (
            rng.choice(("permit", "permit", "permit", "permit", "forbid", "expose")),
            rng.sample(KEYS, rng.choice((0, 1, 1, 1, 2))) + rng.sample(MORE, rng.randint(0, 2)),
            rng.choice(TEXTS) if rng.random() < 0.3 else ("", ""),
        )
        for _ in range(rng.randint(1, 3))
    ]
    made = []
    for number in range(rng.choice((1, 3, 8, 30))):
        effect, conditions, (only, text) = rng.choice(shapes)
        if gate != "access" and (effect == "expose" or "fields" in text):
            effect, text = "permit", ""
        if effect != only:
            text = " fields id" if effect == "expose" else ""
        if rng.random() < 0.3:
            conditions = rng.sample(conditions, len(conditions))
        n, m = rng.randint(0, 4), rng.randint(0, 4)
        written = " ".join(f"when {c}" for c in conditions).format(n=n, m=m)
        made.append(
            f"    {effect} r{number:02}: read {written}{text.format(n=n, subject=None) if '{n}' in text else text}"
        )
    return f"gate {gate} {{\n" + "\n".join(made) + "\n}\n"


def request(rng: Random) -> dict:
    properties = {
        "tenant": f"t{rng.randint(0, 5)}", "dept": rng.choice(("sales", "legal")),
        "level": rng.randint(0, 4), "key": f"k{rng.randint(0, 4)}",
        "groups": [f"g{n}" for n in rng.sample(range(5), rng.randint(0, 2))],
    }  # fmt: skip
    if rng.random() < 0.5:
        properties["staff"] = f"s{rng.randint(0, 5)}"
    doc = {"tenant": f"t{rng.randint(0, 5)}", "size": rng.randint(0, 4), "made": "2026-11-20"}
    asked = {
        "subject": {"type": "User", "id": f"u{rng.randint(0, 5)}", "properties": properties},
        "action": "read",
        "resource": {"type": "Doc", "id": "d", "properties": doc},
        "context": {"net": f"10.{rng.randint(0, 4)}.0.1", "q": rng.randint(0, 5)},
        "now": "2026-11-24T00:00:00Z",
    }
    if rng.random() < 0.2:
        asked["fields"] = ["id"]
    return asked


@pytest.mark.parametrize("judged", [200, -1], ids=["by bits", "one by one"])
def test_compiled_and_reference_say_the_same(judged):
    @settings(max_examples=max(share(25, 2), settings().max_examples))
    @given(SEEDS)
    def agree(seed):
        rng = Random(seed)
        with mock.patch.object(generate, "_MOST_JUDGED", judged):
            loaded = load({"p.policy": HEAD + rules(rng, "access") + rules(rng, "other")})
            for _ in range(12):
                asked = loaded.request(**request(rng))
                decision = loaded.program.decide(asked)
                assert decision.reason == reasons.reason(loaded.checked, asked)
                expected = reasons_of(
                    interpreter.judge_all(loaded.checked, Env(asked, loaded.checked.schema))
                )
                fresh = loaded.program.decide(asked)  # of which nothing else was asked
                assert (fresh.reason_for("auditor"), fresh.reason_for("user")) == expected
                context = json.loads(loaded.program.decide(asked).to_bytes())["context"]
                assert (tuple(context["rules"]), context["more_rules"]) == reasons.listed(
                    loaded.checked, asked
                )
                outcome = interpreter.decide(loaded.checked, asked)
                assert (decision.rules, decision.cause) == (outcome.rules, outcome.cause)
                until = interpreter.valid_until(loaded.checked, asked)
                assert context["valid_until"] == (None if until is None else moment_text(until))

    agree()


TENANTS = """\
package t
enum Dept = sales | legal
entity User { tenant: string, level: int, dept: Dept }
entity Doc { tenant: string }
action read, edit by User on Doc
""" + "".join(
    f'permit t{n}: read when subject.tenant == "tenant{n}" and subject.level > {n % 3 + 2}\n'
    f'permit d{n}: edit when subject.level > {n % 3 + 2} and resource.tenant == "tenant{n}"\n'
    for n in range(300)
)


def decide(tenant: str, level: int, action: str = "read"):
    engine = PolicyEngine.from_text(TENANTS)
    user = {
        "type": "User",
        "id": "u",
        "properties": {"tenant": tenant, "level": level, "dept": "sales"},
    }
    doc = {"type": "Doc", "id": "d", "properties": {"tenant": tenant}}
    return engine.decide(user, action, doc), engine.explain(user, action, doc)


def test_a_tenant_is_told_of_its_own_rules_and_of_no_others():
    decision, explanation = decide("tenant7", 1)
    assert decision.reason == "your level is 1; it must be above 3"
    context = json.loads(decision.to_bytes())["context"]
    assert context["rules"] == ["access.t7"]
    assert context["more_rules"] == 299
    assert len(decision.rules) == 300
    assert "tenant0" not in "".join(explanation.lines("user"))


def test_a_tenant_without_rules_is_told_that():
    decision, explanation = decide("other", 9)
    assert decision.reason == "no rule here is for tenant other"
    context = json.loads(decision.to_bytes())["context"]
    assert (context["rules"], context["more_rules"]) == ([], 300)
    assert "tenant0" in "".join(explanation.lines("auditor"))
    assert decide("other", 9, "edit")[0].reason == "no rule here is for this tenant"
    assert decide("tenant8", 1, "edit")[0].reason == "your level is 1; it must be above 4"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        # one permit alone, and all permits with the same constant, may name it
        (('subject.s == "a"',), "your s is x; it must be a"),
        (('subject.s == "a"', 'subject.s == "a" and subject.n > 1'), "your s is x; it must be a"),
        (('subject.s == "a"', 'subject.s == "b"'), "no rule here is for s x"),
        (("subject.n == 1", "subject.n in {2, 3}"), "no rule here is for n 9"),
        (('subject == User "a"', 'User "b" == subject'), 'no rule here is for User "u"'),
        (('subject.id == "a"', 'subject.id == "b"'), "no rule here is for id u"),
        (("subject.e == one", "subject.e == two"), "your e is three; it must be one; your e is three; it must be two"),
        (('subject.a == ip "10.0.0.1"', 'subject.a == ip "10.0.0.2"'), "no rule here is for a 10.9.9.9"),
        (
            ('subject.a within ip "10.1.0.0/16"', 'subject.a within ip "10.2.0.0/16"'),
            "your a is 10.9.9.9, which is not what a rule here is for",
        ),
        (
            ('subject.s like "a*"', 'subject.s like "b*"'),
            "your s is x, which is not what a rule here is for",
        ),
        (
            ('subject within User "a"', 'subject within User "b"'),
            "you are not what a rule here is for",
        ),
        (
            ('"a" in resource.w', '"b" in resource.w'),
            "the w of the user are not what a rule here is for",
        ),
        (
            ('"a" in subject.w', '"b" in subject.w'),
            "your w are {z}, which is not what a rule here is for",
        ),
        (
            ('subject.s == "a"', 'subject.n == 1 and subject.s == "b"'),
            "no rule here is for s x",
        ),
        (
            ('subject.s == "a" and subject.n == 1', 'subject.s == "b" and subject.n == 2'),
            "no rule here is for n 9 and s x",
        ),
        (
            ('(subject.s == "a" or subject.n == 1)', 'subject.s == "b"', 'subject.s == "x" and subject.n < 1'),
            "a condition that is not shown does not hold; your n is 9; it must be below 1",
        ),
        (("subject has o and subject.o == 1", "subject has o and subject.o == 2"), "no rule here is for no o"),
        (("subject.n > 10", "subject.n > 20"), "your n is 9; it must be above 10; your n is 9; it must be above 20"),
    ],
)  # fmt: skip
def test_constants_that_are_for_others_are_not_named(rules, said):
    text = (
        "package p\nenum E = one | two | three\n"
        "entity User in User { s: string, n: int, e: E, a: ip, w: set<string>, o?: int }\n"
        "action read by User on User\n"
    ) + "".join(f"permit r{n}: read when {rule}\n" for n, rule in enumerate(rules))
    properties = {"s": "x", "n": 9, "e": "three", "a": "10.9.9.9", "w": ["z"]}
    user = {"type": "User", "id": "u", "properties": properties, "parents": []}
    decision = PolicyEngine.from_text(text).decide(user, "read", user)
    assert decision.reason == said


def test_rules_that_are_for_the_request_come_first():
    engine = PolicyEngine.from_text(
        "package p\nentity User { s: string }\naction read by User on User\n"
        + "".join(
            f'permit a{n}: read when subject.s == "s{n}" otherwise "not s{n}"\n' for n in range(15)
        )
        + 'permit z: read when subject.s == "x" and subject.id == "v" otherwise "not you"\n'
        + 'permit zz: read unless subject.s == "x" otherwise "nor you"\n'
    )
    user = {"type": "User", "id": "u", "properties": {"s": "x"}}
    reason = engine.decide(user, "read", user).reason
    assert reason.startswith("nor you; not s0; not s1; not s10;")
    user["id"] = "v"
    assert engine.decide(user, "read", user).allowed


@pytest.mark.parametrize(
    "condition",
    ['same(subject.tenant, "{t}")', 'same("{t}", subject.tenant)', 'belongs(subject, "{t}")',
     'not same(subject.tenant, "no") and same(subject.tenant, "{t}")',
     '(subject.tenant == "{t}") == true', '(some one in {{"{t}", "x"}}: one == subject.tenant)',
     'size({{subject.tenant, "{t}"}}) == 1', '"{t}" in {{subject.tenant, subject.id}}',
     'subject.tenant in {{subject.id, "{t}"}}', '(some one in subject.tags: one like "{t}*")',
     'subject.tenant == (if size(subject.tags) > 3 then "{t}" else "x")',
     '{{subject.tenant}} overlaps {{"{t}"}}', '(every one in subject.tags: one == "{t}")'],
)  # fmt: skip
def test_constants_inside_conditions_of_any_kind_are_not_told(condition):
    rules = "".join(
        f"permit p{n}: read when {condition.format(t=f'foreign{n}')}\n" for n in range(30)
    )
    engine = PolicyEngine.from_text(
        "package p\nentity User { tenant: string, tags: set<string> }\nentity Doc\naction read by User on Doc\n"
        "define same(one: string, other: string) = one == other\n"
        f"define belongs(one: User, tenant: string) = one.tenant == tenant\n{rules}"
    )
    user = {"type": "User", "id": "u", "properties": {"tenant": "mine", "tags": ["x"]}}
    decision = engine.decide(user, "read", {"type": "Doc", "id": "d"})
    assert not decision.allowed
    assert "foreign" not in decision.reason
    assert "foreign" not in decision.to_bytes().decode()
    assert_names_no_others(engine.explain(decision.request))


@pytest.mark.parametrize(
    ("define", "call"),
    [
        ('of{n}(one: User) = one.tenant == "foreign{n}"', "of{n}(subject)"),
        ('of{n}(one: User) = one.level > 3 or one.tenant == "foreign{n}"', "of{n}(subject)"),
        ('of{n}(one: User) = one.level < 3 and one.tenant == "foreign{n}"', "of{n}(subject)"),
        ('of{n}(one: string) = lower(one) in {{"foreign{n}", "x"}}', "of{n}(subject.tenant)"),
        ('of{n}(one: string) = one like "foreign{n}*"', "of{n}(lower(subject.tenant))"),
        ('of{n}(one: User) = if one.level > 3 then false else one.tenant == "foreign{n}"', "of{n}(subject)"),
        ('of{n}(one: User) = some t in one.tags: t == "foreign{n}"', "of{n}(subject)"),
        ('of{n}(one: User) = same(one.tenant, "foreign{n}")', "of{n}(subject)"),
        ("of{n}(t: string, one: User) = size({{t, one.tenant}}) == 1", 'of{n}("foreign{n}", subject)'),
        ("of{n}(t: string, one: User) = t in one.tags", 'of{n}("foreign{n}", subject)'),
        ('of{n}(one: User) = same(one.tenant, "foreign{n}")', 'subject.tenant == "mine" and of{n}(subject)'),
    ],
)  # fmt: skip
def test_constants_inside_definitions_are_not_told(define, call):
    text = (
        "package p\nentity User { tenant: string, tags: set<string>, level: int }\nentity Doc\n"
        "action read by User on Doc\ndefine same(one: string, other: string) = one == other\n"
    )
    for n in range(3):
        text += f"define {define.format(n=n)}\npermit p{n}: read when {call.format(n=n)}\n"
    user = {"type": "User", "id": "u", "properties": {"tenant": "mine", "tags": ["x"], "level": 1}}
    engine = PolicyEngine.from_text(text)
    decision = engine.decide(user, "read", {"type": "Doc", "id": "d"})
    assert not decision.allowed
    assert "foreign" not in decision.reason
    explanation = engine.explain(user, "read", {"type": "Doc", "id": "d"})
    assert explanation.to_json("auditor")["reason"] == decision.reason
    assert_names_no_others(explanation)


def assert_names_no_others(explanation):
    for audience in ("user", "developer"):
        assert "foreign" not in json.dumps(explanation.to_json(audience))
        assert "foreign" not in "".join(explanation.lines(audience))
    assert "foreign" in "".join(explanation.lines("auditor"))


@pytest.mark.parametrize(
    "condition",
    ['subject within Team "foreign{n}"', 'subject.team == Team "foreign{n}"', 'subject.team.name == "foreign{n}"',
     'subject.place.town == "foreign{n}"', 'context.net within ip "10.{n}.0.0/16"'],
)  # fmt: skip
def test_what_would_allow_names_nothing_that_others_have(condition):
    rules = "".join(f"permit p{n}: read when {condition.format(n=n)}\n" for n in range(1, 4))
    engine = PolicyEngine.from_text(
        "package p\nentity Team { name: string }\nentity Doc\n"
        "entity User in Team { team: Team, place: { town: string } }\n"
        f"action read by User on Doc with {{ net: ip }}\n{rules}"
    )
    teams = [
        {"type": "Team", "id": f"foreign{n}", "properties": {"name": f"foreign{n}"}}
        for n in range(1, 4)
    ]
    mine = {"type": "Team", "id": "mine", "properties": {"name": "mine"}}
    user = {
        "type": "User",
        "id": "u",
        "properties": {"team": {"type": "Team", "id": "mine"}, "place": {"town": "mine"}},
        "parents": [{"type": "Team", "id": "mine"}],
    }
    asked = user, "read", {"type": "Doc", "id": "d"}, {"net": "192.0.2.1"}
    explanation = engine.explain(*asked, entities=[mine, *teams])
    assert explanation.to_json("auditor")["would_allow"]
    for audience in ("user", "developer"):
        shown = json.dumps(explanation.to_json(audience)) + "".join(explanation.lines(audience))
        assert "foreign" not in shown
        assert "10." not in shown


def test_a_developer_sees_the_rules_that_are_for_the_request():
    _, explanation = decide("tenant7", 1)
    shown = explanation.to_json("developer")
    (gate,) = shown["gates"]
    assert [rule["rule"] for rule in gate["rules"]] == shown["rules"] == ["access.t7"]
    assert gate["more_rules"] == shown["more_rules"] == 299
    assert [one["text"] for one in gate["rules"][0]["conditions"]] == [
        'subject.tenant == "tenant7"',
        "subject.level > 3",
    ]
    assert "  and 299 rules for other requests" in [*explanation.lines("developer")]
    assert len(explanation.to_json("auditor")["gates"][0]["rules"]) == 300


@pytest.mark.parametrize("count", [3, 30])
def test_which_rules_a_developer_sees_depends_on_no_other_entity(count):
    rules = "".join(
        f'permit p{n}: read when resource.tenant == "foreign{n}" and subject.level > 3\n'
        for n in range(count)
    )
    engine = PolicyEngine.from_text(
        "package p\nentity User { level: int }\nentity Doc { tenant: string }\n"
        f"action read by User on Doc\n{rules}"
    )
    user = {"type": "User", "id": "u", "properties": {"level": 1}}
    shown = set()
    for tenant in ("foreign1", "foreign2", "mine"):
        doc = {"type": "Doc", "id": "d", "properties": {"tenant": tenant}}
        explained = engine.explain(user, "read", doc, now="2026-11-24T00:00:00Z")
        document = explained.to_json("developer")
        lines = [*explained.lines("developer")]
        of_rules = {name: document[name] for name in ("rules", "more_rules", "gates")}
        shown.add((json.dumps(of_rules), *lines[lines.index("", 2) :]))
    assert len(shown) == 1
