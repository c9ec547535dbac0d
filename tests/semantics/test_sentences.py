"""Holds that what is said of a false condition is a sentence that an end user can read, whatever its form."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from policyengine import PolicyEngine
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions
from policyengine.syntax.operators import OPERATORS

WORLD = """\
package p
levels Tier = free < basic < pro
enum Kind = plain | "odd.one"
taxonomy Purpose { care { treatment } research }
entity Team in Team { open: bool }
entity User in Team {
    name: string, level: int, tier: Tier, kind: Kind, groups: set<string>, purposes: set<Purpose>,
    trained_at: datetime, leave: duration, share: decimal, staff: bool, home: path, address: ip,
    boss?: User, phone?: string, posts: set<{team: Team, role: string}>, box: {size: int, is_open: bool},
    born: datetime, wait: months
}
entity BigDocument in Team {
    owner: User, title: string, level: int, tier: Tier, readers: set<User>, ends: datetime, is_public: bool, home: path,
    purposes: set<Purpose>, tags: set<string>, box: {size: int, is_open: bool}
}
group using having { at_least: int }
action read in using by User on BigDocument
    with { purpose: Purpose, why: string, glass?: {reason: string}, friend: User, sure: bool }
    having { at_least: 1 }
const limits: Tier -> int = { free: 1, basic: 2, pro: 3 }
const allowed: Tier -> bool = { free: false, basic: true, pro: true }
const both: Tier -> Tier -> int = { free: { free: 1, basic: 1, pro: 1 }, basic: { free: 1, basic: 1, pro: 1 }, pro: { free: 1, basic: 1, pro: 1 } }
define senior(u: User) = u.level > 5 and u.tier >= basic
define either(u: User) = u.level > 5 or u.tier == pro
define age(moment: datetime) = now - moment
define owns(u: User, d: BigDocument) = d.owner == u
define spare(u: User, n: int) = u.level - n
define head(u: User) = if u.staff then u.level > 9 else u.tier == pro
define nested(u: User, d: BigDocument) = senior(u) and not owns(u, d)
"""

FORMS = [
    # comparisons: what may be shown on the left, on the right, on both sides, on none
    ("subject.level == 7", "your level is 3; it must be 7"),
    ("7 == subject.level", "your level is 3; it must be 7"),
    ("subject.level != 3", "your level is 3; it must not be 3"),
    ("subject.level < 3", "your level is 3; it must be below 3"),
    ("5 < subject.level", "your level is 3; it must be above 5"),
    ("subject.level <= 2", "your level is 3; it must be at most 2"),
    ("subject.level > 3", "your level is 3; it must be above 3"),
    ("subject.level >= 4", "your level is 3; it must be at least 4"),
    ("subject.tier >= resource.tier", "your tier is free; it must be at least the tier of the big document"),
    ("resource.tier <= subject.tier", "the tier of the big document must be at most your tier (free)"),
    ("resource.owner == subject", "the owner of the big document must be you"),
    ("subject == resource.owner", "you must be the owner of the big document"),
    ("subject in resource.readers", "you must be one of the readers of the big document"),
    ("resource.level == 9", "the level of the big document must be 9"),
    ("resource.owner.level == 9", "the level of the owner of the big document must be 9"),
    ("resource.owner in {subject, context.friend}", "the owner of the big document must be one of you and the friend of the request"),
    ('subject.name in {"x", "y"}', "your name is ann; it must be one of {x, y}"),
    ('subject.name not in {"ann"}', "your name is ann; it must not be one of {ann}"),
    ('"z" in subject.groups', "z must be one of your groups ({a})"),
    ('subject.groups overlaps {"z"}', "your groups are {a}; they must have something in common with {z}"),
    ('subject.groups not overlaps {"a"}', "your groups are {a}; they must have nothing in common with {a}"),
    ('subject.groups subset {"z"}', "your groups are {a}; they must all be among {z}"),
    ('subject.groups not subset {"a"}', "your groups are {a}; they must not all be among {a}"),
    ("context.purpose within research", "the purpose of the request is care; it must lie within research"),
    ("context.purpose not within care", "the purpose of the request is care; it must not lie within care"),
    ("context.purpose touches {research}", "the purpose of the request is care; it must have to do with {research}"),
    ("context.purpose not touches {care}", "the purpose of the request is care; it must have nothing to do with {care}"),
    ('subject within Team "staff"', 'you must belong to Team "staff"'),
    ('resource within Team "staff"', 'the big document must belong to Team "staff"'),
    ('subject not within Team "t"', 'you must not belong to Team "t"'),
    ('subject.address within ip "10.0.0.0/8"', "your address is 1.2.3.4; it must lie within 10.0.0.0/8"),
    ('subject.home within path "/a"', "your home is /b/c; it must lie within /a"),
    ('now within schedule "Mon 09:00-10:00 UTC"', "the present time is 2026-11-29; it must lie within Mon 09:00-10:00 UTC"),
    ('subject.name startswith "x"', "your name is ann; it must start with x"),
    ('subject.name endswith "x"', "your name is ann; it must end with x"),
    ('subject.name contains "x"', "your name is ann; it must contain x"),
    ('subject.name not contains "n"', "your name is ann; it must not contain n"),
    ('subject.name like "x*"', 'your name is ann; it must match "x*"'),
    ('subject.name not like "a*"', 'your name is ann; it must not match "a*"'),
    ('subject.name like "x\\n`\\"*"', 'your name is ann; it must match "x\\n`\\"*"'),
    ('subject.home like path "/a/*"', 'your home is /b/c; it must match "/a/*"'),
    ('resource.title like "x*"', 'the title of the big document must match "x*"'),
    # times
    ("subject.trained_at > 2026-06-01", 'your "trained at" is 2026-01-01; it must be after 2026-06-01'),
    ("now < subject.trained_at", 'your "trained at" is 2026-01-01; it must be after the present time (2026-11-29)'),
    ("not (now >= subject.trained_at)", 'your "trained at" is 2026-01-01; it must be after the present time (2026-11-29)'),
    ("now <= resource.ends", "the ends of the big document must not be before the present time (2026-11-29)"),
    ("now - subject.trained_at < 30d", 'the time since your "trained at" is 332d; it must be below 30d'),
    ("age(resource.ends) < 1d", "the age of the ends of the big document must be below 24h"),
    ("subject.born + 18y <= now", "your born plus 18y is 2038-01-01; it must not be after the present time (2026-11-29)"),
    ("subject.wait > 6mo", "your wait is 1mo; it must be above 6mo"),
    # bools, and what says the same
    ("subject.staff", '"staff" must be true of you'),
    ("not subject.box.is_open", '"is open" must not be true of your box'),
    ("resource.is_public", '"is public" must be true of the big document'),
    ("subject.staff == true", '"staff" must be true of you'),
    ("true != resource.box.is_open", '"is open" must not be true of the box of the big document'),
    ("subject.staff != (subject.level > 9)", "your staff is false; it must not be what a condition says"),
    ("context.sure", '"sure" must be true of the request'),
    ("false", "no request fits this rule"),
    ("allowed[subject.tier]", "the allowed for your tier must be true"),
    # presence
    ("subject has phone", "your phone is missing"),
    ("subject not has boss", "your boss must not be given"),
    ("context has glass", "the glass of the request is missing"),
    ("resource.owner has boss", "the boss of the owner of the big document is missing"),
    ('subject has phone and subject.phone == "1"', "your phone is missing"),
    # presence beside other conditions, of which one must hold, or all for an element
    ("subject has phone or context has glass", "your phone must be given, or the glass of the request must be given"),
    ("not (subject not has phone and subject.level == 3)", "your phone must be given, or your level must not be 3"),
    ("if context.sure then subject has boss else subject has phone", "your phone is missing"),
    ("some r in resource.readers: r has boss and r.level > 9",
     "one of the readers of the big document must fit this: its boss must be given and its level must be above 9"),
    ("every r in resource.readers: r has boss or r.level > 9",
     "each of the readers of the big document must fit this: its boss must be given, or its level must be above 9"),
    # values made of others
    ("subject.level + 1 > 9", "your level plus 1 is 4; it must be above 9"),
    ("subject.level * 2 - resource.level > 90", "your level times 2 minus the level of the big document must be above 90"),
    ("-subject.level > 0", "minus your level is -3; it must be above 0"),
    ("size(subject.groups) > 4", "the number of your groups is 1; it must be above 4"),
    ("size(resource.title) > 99", "the length of the title of the big document must be above 99"),
    ('lower(subject.name) == "x"', "your name in lower case is ann; it must be x"),
    ("limits[subject.tier] > 2", "the limits for your tier is 1; it must be above 2"),
    ("both[subject.tier][resource.tier] > 2", "the both for your tier and the tier of the big document must be above 2"),
    ('Team "t9" in ancestors(subject, Team)', 'Team "t9" must be one of the teams that hold you'),
    ("size(ancestors(resource, Team)) > 9", "the number of the teams that hold the big document must be above 9"),
    ("(if subject.staff then 1 else 2) > 3", "1 or 2 must be above 3"),
    ('{role: "x", team: Team "t"} in subject.posts', '{role: x, team: Team "t"} must be one of your posts ({{role: nurse, team: Team "t"}})'),
    ('{role: subject.name, team: Team "t"} in subject.posts', 'the role your name and the team Team "t" must be one of your posts ({{role: nurse, team: Team "t"}})'),
    ('{subject.name, resource.title} subset {"x"}', "your name and the title of the big document must all be among {x}"),
    ("action.at_least > 9", "the at least of this action is 1; it must be above 9"),
    ("spare(subject, 1) > 9", "your spare is 2; it must be above 9"),
    # several conditions: the first that is false
    ("subject.level == 3 and subject.tier == pro", "your tier is free; it must be pro"),
    ("not (subject.level == 3 or subject.tier == pro)", "your level is 3; it must not be 3"),
    ("subject.level == 9 or subject.tier == pro", "your level must be 9, or your tier must be pro"),
    ("not (subject.level == 3 and subject.tier == free)", "your level must not be 3, or your tier must not be free"),
    ("subject.level == 9 or subject.tier == pro and subject.staff", 'your level must be 9, or your tier must be pro and "staff" must be true of you'),
    ("if subject.level == 3 then subject.staff else subject.tier == pro", '"staff" must be true of you'),
    ("subject.staff or (if subject.level == 3 then subject.staff else subject.tier == pro)",
     '"staff" must be true of you, or "staff" must be true of you or your tier must be pro, as the case may be'),
    # quantifiers
    ('every g in subject.groups: g startswith "x"', "each of your groups must fit this: it must start with x"),
    ('not (every g in subject.groups: g == "a")', "not each of your groups may fit this: it must be a"),
    ("some r in resource.readers: r.level > 9", "one of the readers of the big document must fit this: its level must be above 9"),
    ("not (some r in resource.readers: r != subject)", "none of the readers of the big document may fit this: it must not be you"),
    ('some p in subject.posts: p.role == "x" and p.team within Team "t"',
     'one of your posts must fit this: its role must be x and its team must belong to Team "t"'),
    ("some t in ancestors(resource, Team): t.open and (some r in resource.readers: r == subject)",
     'one of the teams that hold the big document must fit this: "open" must be true of it and one of the readers of the big document must fit this: the other one must be you'),
    # definitions: the operand that is false
    ("senior(subject)", "your level is 3; it must be above 5"),
    ("not either(subject) and senior(subject)", "your level is 3; it must be above 5"),
    ("senior(resource.owner)", "the level of the owner of the big document must be above 5"),
    ("either(subject)", "your level must be above 5, or your tier must be pro"),
    ("owns(subject, resource)", "the owner of the big document must be you"),
    ("head(subject)", "your tier is free; it must be pro"),
    ("subject.level == 3 and nested(subject, resource)", "your level is 3; it must be above 5"),
    ("some r in resource.readers: senior(r)",
     "one of the readers of the big document must fit this: its level must be above 5 and its tier must be at least basic"),
]  # fmt: skip

ENTITIES = [
    {"type": "Team", "id": "t", "properties": {"open": True}, "parents": []},
]


def user(id_: str, **properties: object) -> dict:
    own = {
        "name": id_, "level": 3, "tier": "free", "kind": "plain", "groups": ["a"], "purposes": ["care"],
        "trained_at": "2026-01-01", "leave": "1d", "share": "1.5", "staff": False, "home": "/b/c",
        "address": "1.2.3.4", "posts": [{"team": {"type": "Team", "id": "t"}, "role": "nurse"}],
        "box": {"size": 1, "is_open": True}, "born": "2020-01-01", "wait": "1mo",
    }  # fmt: skip
    parents = [{"type": "Team", "id": "t"}]
    return {"type": "User", "id": id_, "properties": {**own, **properties}, "parents": parents}


DOCUMENT = {
    "type": "BigDocument", "id": "d", "parents": [{"type": "Team", "id": "t"}],
    "properties": {
        "owner": {"type": "User", "id": "bob"}, "title": "text", "level": 3, "tier": "pro", "home": "/x",
        "readers": [{"type": "User", "id": "bob"}], "ends": "2026-06-01", "is_public": False,
        "purposes": ["care"], "tags": ["x"], "box": {"size": 1, "is_open": True},
    },
}  # fmt: skip
CONTEXT = {
    "purpose": "care", "why": "so", "friend": {"type": "User", "id": "eve"}, "sure": False,
}  # fmt: skip


@pytest.mark.parametrize(("condition", "said"), FORMS)
def test_what_is_said_of_a_false_condition(condition, said):
    engine = PolicyEngine.from_text(f"{WORLD}permit x: read when {condition}\n")
    parts = user("ann", boss={"type": "User", "id": "bob"}), "read", DOCUMENT, CONTEXT
    others = [user("bob"), user("eve"), *ENTITIES]
    decision = engine.decide(*parts, now="2026-11-29", entities=others)
    assert decision.reason == said
    explanation = engine.explain(*parts, now="2026-11-29", entities=others)
    for audience in ("user", "developer", "auditor"):
        assert explanation.to_json(audience)["reason"] == said  # type: ignore[arg-type]


WRITTEN = re.compile(r'"(?:[^"\\]|\\.)*"|\d[\d.:/-]*[\w.:-]*|\{[^{}]*\}|\{\{.*\}\}')
"""Values in a sentence."""

CODE = re.compile(r"[`=<>!+*|&\[\]_]|\w\.\w|\bthen\b|\bsize\(|\b(and|or) not\b")
"""What nobody but a programmer can read."""


@pytest.mark.parametrize(("condition", "said"), FORMS)
def test_no_sentence_is_code(condition, said):
    assert not CODE.search(WRITTEN.sub("…", said))


def test_all_forms_are_there():
    rules = "".join(f"permit x{n}: read when {form}\n" for n, (form, _) in enumerate(FORMS))
    checked, found = check_sources({"p": Source("p", WORLD + rules)})
    assert checked is not None, found.items
    written = [
        node
        for rule in checked.rules
        for node in walk_expressions(conjunct.expr for conjunct in rule.conjuncts)
    ]
    found_types = {type(node) for node in written}
    elsewhere = {nodes.Update}  # which stands in tests alone
    assert set(get_args(nodes.Expr)) - elsewhere <= found_types
    for row in OPERATORS.values():
        of_it = [node for node in written if type(node) is row.node]
        words = {getattr(node, "op", getattr(node, "kind", row.word)) for node in of_it}
        assert of_it, row
        assert row.word in words or row.node in (nodes.Like, nodes.Call), row
