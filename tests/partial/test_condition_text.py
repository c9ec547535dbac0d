"""What is left of a condition, of which nothing is known, is written in the language as it was."""

from __future__ import annotations

import pytest

from policyengine import PolicyEngine
from policyengine.syntax.operators import OPERATORS

SET = """
package sets
taxonomy Use { research { academic } ads }
levels Tier = low < high
entity Org in Org
entity User {
    use: Use, uses: set<Use>, nets: set<ip>, homes: set<path>, orgs: set<Org>, words: set<string>, flag: bool, tier: Tier,
    since: datetime, age: int, home?: { city: string, zip?: string }
}
action read by User on User with { use: Use, from: ip, at: path, org: Org, word: string }
permit a: read when RULE
"""

AS_IT_WAS = [
    "context.use within resource.uses",
    "resource.uses within subject.uses",
    "resource.use within context.use",
    "resource.use not within context.use",
    'context.word like "a*b"',
    r'context.word like "a\\*b*"',
    'context.word endswith "x"',
    'context.word contains "x"',
    'lower(context.word) == "a"',
    "size(resource.words) > 3",
    "size(resource.id) > 3",
    'every w in resource.words: w startswith "a"',
    "some o in resource.orgs: o.id == context.word",
    "some w in resource.words: some v in subject.words: w == v",
    'if subject.flag then resource.flag else context.word == "a"',
    'resource.words == {"a"}',
    '{context.word, "b"} subset resource.words',
    'resource.nets within {ip "10.0.0.0/8", ip "11.0.0.0/8"}',
    "context.at within resource.homes",
    'context.at within path "/a"',
    'context.at not within path "/a"',
    "resource.homes within subject.homes",
    "context.org within resource.orgs",
    "resource.orgs overlaps subject.orgs",
    '{context.org, Org "a"} overlaps resource.orgs',
    "resource has home and resource.home has zip and resource.home.zip == context.word",
    "resource.age + subject.age * 2 > -resource.age",
    "resource.since + 30d < subject.since",
    "resource.since + 1mo < subject.since",
    "resource.since == 2026-01-01",
    "1970-01-01 - resource.since > 0s",
    "resource.tier >= subject.tier",
    'context.org == Org "a"',
    "context.org.id == context.word",
    'context.word in {"a", "b", context.org.id}',
]

OTHERWISE = {
    "context.use not touches resource.uses": "not context.use touches resource.uses",
    'context.from within ip "10.0.0.0/8"': 'context.from within {ip "10.0.0.0/8"}',
    'resource.orgs within Org "a"': 'resource.orgs within {Org "a"}',
    "resource.uses touches {research, ads}": "resource.uses overlaps {academic, ads, research}",
    'context.at like path "/a/*"': 'context.at within path "/a" and context.at like path "/a/*"',
}


@pytest.mark.parametrize(
    ("condition", "text"), [*zip(AS_IT_WAS, AS_IT_WAS, strict=True), *OTHERWISE.items()]
)
def test_what_is_left_is_a_condition_of_the_language(condition: str, text: str):
    left = PolicyEngine.from_text(SET.replace("RULE", condition)).partial(action="read")
    assert left.text == text
    again = PolicyEngine.from_text(SET.replace("RULE", text)).partial(action="read")
    assert again.text == text


LARGE = {
    "10_000_000_000 * subject.age > resource.age": "resource.age < 100 * 100000000000000000",
    "-10_000_000_000 * subject.age - 1 in {resource.age}": "-101 * 100000000000000000 + 99999999999999999 in {resource.age}",
    "subject.age * (subject.age * subject.age) > resource.age": "resource.age < 10000000000 * 100000000000000000",
    "subject.age * (subject.age * (subject.age * subject.age)) > resource.age":
        "resource.age < 100 * 100000000000000000 * 100000000000000000",
    "90_000_000_000_000.0001 * subject.age > resource.price": "resource.price < 9000000000 * 10000000000000.0 + 100000.0",
    "9000w * subject.age > resource.since - now": "resource.since - now < 54432000 * 1157407d9h46m40s",
    "subject.since + 300010d > resource.since": "resource.since < 9999-12-31T23:59:59.999999Z + 5d1us",
    "resource.age in {subject.age * 10_000_000_000, 1}": "resource.age in {100 * 100000000000000000, 1}",
}  # fmt: skip


@pytest.mark.parametrize(("condition", "text"), LARGE.items())
def test_what_no_policy_may_write_is_written_as_it_is_computed(condition: str, text: str):
    declared = SET.replace("age: int", "age: int, price: decimal")
    engine = PolicyEngine.from_text(declared.replace("RULE", condition))
    age = 1_000_000_000
    subject = {"type": "User", "id": "u", "properties": {"age": age, "since": "9178-08-13"}}
    left = engine.partial(action="read", subject=subject)
    assert left.text == text
    again = PolicyEngine.from_text(declared.replace("RULE", left.text))
    assert again.partial(action="read").text == left.text


CAPITALS = {
    "lower(context.word) == subject.name or resource.flag": "resource.flag",
    "subject.name != lower(context.word) and resource.flag": "resource.flag",
    "lower(context.word) in subject.words": 'lower(context.word) in {"a"}',
    "lower(context.word) not in subject.words": 'lower(context.word) not in {"a"}',
    "lower(context.word) in {subject.name, resource.name}": "lower(context.word) in {resource.name}",
    "lower(context.word) contains subject.name or resource.flag": "resource.flag",
    "lower(context.at) == subject.at or resource.flag": "resource.flag",
    "subject.name startswith context.word": '"Kx" startswith context.word',
    "subject.name startswith lower(context.word)": '"Kx" startswith lower(context.word)',
    "{lower(context.word)} subset subject.words": '{lower(context.word)} subset {"a"}',
    "{lower(context.word)} overlaps subject.words": '{lower(context.word)} overlaps {"a"}',
    "subject.words overlaps {lower(context.word)}": '{lower(context.word)} overlaps {"a"}',
    "{lower(context.word), resource.name} subset subject.words": '{lower(context.word), resource.name} subset {"A", "a"}',
}


@pytest.mark.parametrize(("condition", "text"), CAPITALS.items())
def test_no_constant_beside_lower_has_a_capital(condition: str, text: str):
    declared = SET.replace("age: int", "age: int, name: string, at: path")
    known = {"name": "Kx", "words": ["A", "a"], "at": "/A"}
    engine = PolicyEngine.from_text(declared.replace("RULE", condition))
    subject = {"type": "User", "id": "u", "properties": known}
    assert engine.partial(action="read", subject=subject).text == text
    PolicyEngine.from_text(declared.replace("RULE", text))


WITHIN = {
    "{subject, context.who} within context.org": 'context.org in {Org "a"} and {context.who} within context.org',
    '{context.who, subject} not within Org "b"': "true",
    '{subject, context.who} within Org "a"': '{context.who} within {Org "a"}',
}


@pytest.mark.parametrize(("condition", "text"), WITHIN.items())
def test_what_a_known_entity_is_within_is_not_asked_of_its_name(condition: str, text: str):
    declared = SET.replace("entity User", "entity User in Org").replace(
        "word: string }", "word: string, who: User }"
    )
    engine = PolicyEngine.from_text(declared.replace("RULE", condition))
    org = {"type": "Org", "id": "a", "parents": []}
    subject = {"type": "User", "id": "u", "parents": [{"type": "Org", "id": "a"}]}
    left = engine.partial(action="read", subject=subject, entities=[org])
    assert left.text == text
    PolicyEngine.from_text(declared.replace("RULE", text))


@pytest.mark.parametrize(
    "word", sorted(row.word for row in OPERATORS.values() if row.compares and row.word.isalpha())
)
def test_every_comparison_is_written(word: str):
    assert any(f" {word} " in condition for condition in (*AS_IT_WAS, *OTHERWISE))


NAMES = """
package names
enum Scope = red | "read.all" | "write.all"
levels Tier = low < high
levels Risk = low < middle < high
taxonomy Use { research { academic market } ads }
entity User { flag: bool, other: bool, scope: Scope, tier: Tier }
action read by User on User with { scope: Scope, scopes: set<Scope>, risk: Risk, use: Use }
permit a: read when RULE
"""
OF_NAMES = {
    "(if subject.flag then Risk.low else Risk.middle) <= context.risk": "subject.flag",
    "(if subject.flag then context.risk else Risk.middle) != Risk.low": "not subject.flag",
    "(if subject.flag then red else context.scope) == context.scope": "not subject.flag",
    "(if subject.flag then red else context.scope) in {context.scope}": "not subject.flag",
    "(if subject.flag then {red} else context.scopes) overlaps context.scopes": "not subject.flag",
    "(if subject.flag then {red} else {context.scope}) subset context.scopes": "not subject.flag",
    "size(if subject.flag then {red} else context.scopes) > 1": "(if subject.flag then 1 else 2) > 1",
    "some s in context.scopes: s == resource.scope or s == subject.scope": "resource.scope != red or subject.scope != red",
    "every s in context.scopes: s != resource.scope": "resource.scope == red",
    "(if subject.flag then research else context.use) within context.use": "not subject.flag",
    "some s in (if subject.flag then {red} else context.scopes): s == resource.scope":
        'if subject.flag then red == resource.scope else "read.all" == resource.scope or "write.all" == resource.scope',
    "some t in (if subject.flag then {Tier.low} else {Tier.high}): t <= resource.tier":
        "if subject.flag then low <= resource.tier else high <= resource.tier",
    "(if subject.flag then red else context.scope) == (if subject.other then red else context.scope)":
        "if subject.flag then subject.other else not subject.other",
    "(if subject.flag then red else context.scope) == resource.scope":
        '(if subject.flag then red else "read.all") == resource.scope',
}  # fmt: skip


@pytest.mark.parametrize(("condition", "text"), OF_NAMES.items())
def test_names_are_written_where_one_type_is_wanted(condition: str, text: str):
    context = {
        "scope": "read.all", "scopes": ["read.all", "write.all"], "risk": "low", "use": "market",
    }  # fmt: skip
    engine = PolicyEngine.from_text(NAMES.replace("RULE", condition))
    left = engine.partial(action="read", context=context)
    assert left.text == text
    again = PolicyEngine.from_text(NAMES.replace("RULE", text))
    for flag in (True, False):
        for other in (True, False):
            for scope in ("red", "read.all"):
                properties = {"flag": flag, "other": other, "scope": scope, "tier": "low"}
                user = {"type": "User", "id": "u", "properties": properties}
                decisions = [one.decide(user, "read", user, context) for one in (engine, again)]
                assert decisions[0].allowed == decisions[1].allowed
