"""Every operator of the language, by example: one permit for each, and which of them are satisfied."""

from __future__ import annotations

import pytest

from policyengine.reference.interpreter import decide
from policyengine.syntax.expressions import walk_expressions
from policyengine.syntax.operators import OPERATORS, operator_of
from tests.strategies.loading import load

VOCABULARY = """
package p
levels Tier = free < basic < pro < top
enum Status = active | "on.hold"
taxonomy Purpose { research { academic { health } market } ads support }
entity Folder in Folder
entity User in Folder {
    age: int, tier: Tier, status: Status, purposes: set<Purpose>, purpose: Purpose, boss?: User
    score: decimal, name: string, home: ip, joined: datetime, waits: duration, admin: bool
    at: {lat: decimal, long?: decimal}, friends: set<User>, none: set<int>, lambda: int
    notes: set<{a: int, b?: string}>
}
group every_one having { needs: set<string>, limit?: int }
action read in every_one by User on User with { user: User, note?: string } having { needs: {"x"} }
const few: set<int> = {1, 2, 3}
define older(u: User, than: int) = u.age > than
define since(d: duration) = now - d
"""

TRUE = r"""
subject.age == 30
subject.age != 31
subject.age < 31
subject.age <= 30
subject.age > 29 and subject.age >= 30
subject.tier >= basic and subject.tier < top
Tier.free < subject.tier
subject.tier == pro
subject.status == "on.hold"
subject.status != active
not subject.status == active
subject.admin
not not subject.admin
subject.admin or resource.admin
resource.admin or subject.admin
subject.admin == true and resource.admin == false
if resource.admin then subject.age == 0 else subject.age == 30
(if subject.admin then 1 else 2) == 1
subject.age in {30, 40}
subject.age not in few
2 in few
subject in {subject}
{1, 2} overlaps few
not ({} overlaps subject.purposes)
{} subset subject.none
{1, 3} subset few
not ({1, 4} subset few)
2026-01-31 + 1mo == 2026-02-28
2024-01-31T10:00:00.000001Z + 1mo == 2024-02-29T10:00:00.000001Z
2026-03-31 - 1mo == 2026-02-28
2026-02-28 + 1mo == 2026-03-28
2024-02-29 + 18y == 2042-02-28
2042-02-28 < 2024-02-29 + 18y + 1us
2024-02-29 + 4y == 2028-02-29
2024-02-29 - 100y == 1924-02-29
2000-02-29 + 100y == 2100-02-28
2026-01-31 + 1mo + 1d == 2026-03-01
2026-01-31 + 1d + 1mo == 2026-03-01
2026-01-30 + 1mo + 1d != 2026-01-30 + 1d + 1mo - 1d
2026-01-30T23:00:00Z + 1mo > 2026-01-31T01:00:00Z + 1mo
2026-01-31 + 1mo - 1mo == 2026-01-28
2026-05-31 + -6mo == 2025-11-30
2026-01-01 - -6mo == 2026-07-01
9999-12-31 + 1mo > 9999-12-31
0001-01-01 - 10000y < 0001-01-01
(9999-12-31 + 10000y) - 10000y == 9999-12-31
(0001-01-01 - 10000y) + 10000y == 0001-01-01
18y == 216mo and 1y6mo == 18mo and 6mo < 1y and -6mo < 0mo
6mo in {1y, 6mo}
2026-06-01T07:00:00Z within schedule "Mon 09:00-17:00 Europe/Berlin"
2026-06-01T06:59:59.999999Z not within schedule "Mon 09:00-17:00 Europe/Berlin"
2026-06-01T14:59:59.999999Z within schedule "Mon 09:00-17:00 Europe/Berlin"
2026-06-01T15:00:00Z not within schedule "Mon 09:00-17:00 Europe/Berlin"
2026-01-05T08:00:00Z within schedule "Mon 09:00-17:00 Europe/Berlin"
2026-06-01T22:30:00Z within schedule "Tue 00:00-01:00 Europe/Berlin"
2026-06-02T03:00:00Z within schedule "Mon 22:00-06:00 UTC"
2026-06-02T22:00:00Z not within schedule "Mon 22:00-06:00 UTC"
2026-06-01T03:00:00Z within schedule "Sun 22:00-06:00 UTC"
2026-06-07T23:59:59.999999Z within schedule "Sun 22:00-06:00 UTC"
2026-06-06 within schedule "Sat-Mon 00:00-24:00 UTC" and 2026-06-08 within schedule "Sat-Mon 00:00-24:00 UTC"
2026-06-09 not within schedule "Sat-Mon 00:00-24:00 UTC"
2026-03-29T00:59:59Z not within schedule "02:00-03:00 Europe/Berlin"
2026-03-29T01:00:00Z not within schedule "02:00-03:00 Europe/Berlin"
2026-10-25T00:30:00Z within schedule "02:15-02:45 Europe/Berlin"
2026-10-25T01:30:00Z within schedule "02:15-02:45 Europe/Berlin"
2026-10-25T01:00:00Z not within schedule "02:15-02:45 Europe/Berlin"
0001-01-01 within schedule "00:00-24:00 Asia/Tokyo" and 9999-12-31T23:59:59Z within schedule "00:00-24:00 Asia/Tokyo"
0001-01-01 within schedule "Sun 16:00-24:00 America/Los_Angeles"
9999-12-31T23:59:59.999999Z within schedule "Sat 13:00-14:00 Pacific/Kiritimati"
9999-12-31 + 1d + 1y within schedule "Mon 00:00-24:00 UTC"
few subset {3, 2, 1, 0}
{1, 1, 2, 3} == few
subject.none == {}
size(subject.none) == 0 and size(few) == 3
subject.purpose within research
health within health
not (research within health)
subject.purpose within {ads, academic}
subject.purposes within research
subject.purposes within {academic, market}
not (subject.purposes within academic)
not (resource.purposes within research)
subject.purpose touches {research}
research touches {health}
not (market touches {health})
subject.purposes touches {health}
not (resource.purposes touches {research})
subject within Folder "top"
subject within Folder "f1"
subject within subject
not (resource within Folder "top")
subject within {Folder "nowhere", Folder "top"}
not (subject.friends within Folder "top")
resource.friends within {resource, subject}
ancestors(subject, Folder) == {Folder "f1", Folder "top"}
subject in ancestors(subject, User) and size(ancestors(subject, User)) == 1
not (ancestors(resource, Folder) overlaps ancestors(subject, Folder))
every f in ancestors(resource, Folder): false
path "/a/b" within path "/a" and path "/a" within path "/a" and path "/" within path "/"
not (path "/ab" within path "/a") and not (path "/" within path "/a")
path "/a" within path "/" and path "/a" within {path "/b", path "/a"} and not (path "/a" within {})
{path "/a/b", path "/a"} within path "/a" and not ({path "/a", path "/b"} within path "/a")
path "/a" == path "/a" and path "/a" != path "/A" and path "/a" in {path "/", path "/a"}
lower(path "/A/É") == path "/a/É" and lower(path "/Ab") within path "/ab"
path "/users/u/profile" like path "/users/*/profile" and path "/users/profile" like path "/users/**/profile"
not (path "/users/a/b/profile" like path "/users/*/profile") and path "/" like path "/**"
path "/a/b.png" like path "/**/*.png" and path "/a/.git/x" not like path "/*" and path "/.git" like path "/*"
subject.home within ip "10.0.0.0/8"
subject.home within {ip "::/0", ip "10.1.2.3"}
not (subject.home within ip "11.0.0.0/8")
ip "10.0.0.0/8" within ip "0.0.0.0/0"
not (ip "0.0.0.0/0" within ip "10.0.0.0/8")
not (ip "10.0.0.1" within ip "::/0")
ip "::ffff:10.1.2.3" == subject.home
every f in subject.friends: f.age < 50
(every n in subject.none: n > 5) and not (some n in subject.none: n < 5)
some f in subject.friends: f == resource
some note in subject.notes: note has b and note.b == "x"
not (every note in subject.notes: note has b)
some x in {1, 2}: (every y in few: y > x or y < 3)
subject has boss and subject.boss.name == "Ann"
not (resource has boss)
not (context has note)
subject.at has long and subject.at.long == 2.5
subject.at == {lat: 1.5, long: 2.5}
subject.at != {lat: 1.5}
{a: 1, b: "x"} in subject.notes
{a: 2} in subject.notes
{lat: subject.score, long: 2.5} == subject.at and {lat: subject.score} != subject.at
subject.name startswith "B" and "Bob" startswith subject.name and subject.name startswith ""
subject.name not startswith "b" and subject.name not startswith "Bobb" and "" not startswith "B"
subject.name endswith "ob" and subject.name endswith "Bob" and subject.name endswith "" and "" endswith ""
subject.name not endswith "Bo" and subject.name not endswith "BBob" and "" not endswith "B"
subject.name contains "o" and "xBoby" contains subject.name and subject.name contains "" and "" contains ""
subject.name not contains "bb" and "" not contains "o" and not (subject.name contains "ob ")
"a\u0301" startswith "a" and "\u00e1" not startswith "a"
context.user.name contains "*" and subject.name not contains "*"
lower(subject.name) == "bob" and lower("") == "" and lower("\u00c4\u0130AZ[@") == "\u00c4\u0130az[@"
lower(resource.name) startswith "a" and lower(lower(subject.name)) endswith "bob"
size(subject.name) == 3 and size("") == 0 and size("\u00e4\u20ac") == 2 and size("a\u0301") == 2
subject not has boss or subject.boss.name == "Ann"
if resource not has boss then true else resource.boss.name == "x"
resource not has boss
not (subject not has boss)
not subject not has boss
subject.name not like "C*b" and not (subject.name not like "B*")
health not within market and not (health not within research)
resource.purposes not within research and subject.purposes not within academic
subject.friends not within Folder "top" and subject not within Folder "nowhere"
subject.home not within ip "11.0.0.0/8"
market not touches {health} and resource.purposes not touches {research}
{} not overlaps subject.purposes and {1, 4} not subset few
subject.name like "B*"
not (subject.name like "C*b")
not (subject.name like "B*z*b")
subject.name like "*b"
subject.name like "*"
subject.name like "B*o*b"
subject.name like "Bob"
not (subject.name like "bob")
not (subject.name like "Bo")
not (subject.name like "Bob*b")
not (subject.name like "")
resource.name like "A*n"
not (resource.name like "A*nn*n")
context.user.name like "a\*b"
not (subject.name like "a\*b")
context.user.name like "*\**"
"a\\b" like "a\\b"
subject.age + 1 == 31
subject.age - 1 == 29
subject.age * 2 == 60
-subject.age == 0 - 30
2 * subject.score == 3.0
subject.score * 2 == 3.0
subject.score + 0.25 == 1.75
subject.score - 2.0 < 0.0
-subject.score == 0.0 - 1.5
subject.score > 1.4999
subject.joined + 1d == 2026-01-02
subject.joined - 1us < subject.joined
now - subject.joined == 364d
2 * subject.waits == 48h
subject.waits * 2 == 2d
-subject.waits == 0s - 24h
subject.waits - 1h == 23h
now == 2026-12-31 and now > 2026-12-30T23:59:59.999999Z
action.name == "read"
action.needs == {"x"}
not (action has limit)
older(subject, 29) and not older(subject, 30)
since(1d) == 2026-12-30
subject.id == "u1" and resource.id != subject.id
context.user == User "u3"
context.user.age == 40
subject.lambda == 1
"""

REQUEST = {
    "subject": {
        "type": "User",
        "id": "u1",
        "parents": [{"type": "Folder", "id": "f1"}],
        "properties": {
            "age": 30, "tier": "pro", "status": "on.hold", "purposes": ["health", "market"],
            "purpose": "academic", "boss": {"type": "User", "id": "u4"}, "score": "1.5",
            "name": "Bob", "home": "10.1.2.3", "joined": "2026-01-01", "waits": "24h",
            "admin": True, "at": {"lat": "1.5", "long": "2.5"}, "none": [], "lambda": 1,
            "friends": [{"type": "User", "id": "u2"}, {"type": "User", "id": "u3"}],
            "notes": [{"a": 1, "b": "x"}, {"a": 2}],
        },
    },
    "action": "read",
    "resource": {
        "type": "User",
        "id": "u2",
        "parents": [],
        "properties": {
            "age": 20, "tier": "free", "status": "active", "purposes": [], "purpose": "ads",
            "score": "0", "name": "Ann", "home": "::1", "joined": "2026-01-01", "waits": "0s",
            "admin": False, "at": {"lat": "0"}, "none": [], "lambda": 1, "notes": [],
            "friends": [{"type": "User", "id": "u1"}],
        },
    },
    "context": {"user": {"type": "User", "id": "u3"}},
    "now": "2026-12-31",
    "entities": [
        {"type": "Folder", "id": "f1", "parents": [{"type": "Folder", "id": "top"}]},
        {"type": "Folder", "id": "top", "parents": []},
        {
            "type": "User",
            "id": "u3",
            "parents": [],
            "properties": {"age": 40, "name": "a*b"},
        },
        {"type": "User", "id": "u4", "properties": {"name": "Ann"}},
    ],
}  # fmt: skip


CASES = TRUE.strip().splitlines()


@pytest.fixture(scope="module")
def satisfied():
    rules = [f"permit yes{i}: any when {text}" for i, text in enumerate(CASES)]
    rules += [f"permit no{i}: any unless {text}" for i, text in enumerate(CASES)]
    loaded = load({"p": VOCABULARY + "\n".join(rules)})
    outcome = decide(loaded.checked, loaded.request(**REQUEST))
    assert outcome.errors == ()
    return outcome.rules


@pytest.mark.parametrize(("number", "text"), list(enumerate(CASES)))
def test_holds(satisfied, number, text):
    assert f"access.yes{number}" in satisfied
    assert f"access.no{number}" not in satisfied


def test_there_is_an_example_of_each_operator():
    loaded = load(
        {"p": VOCABULARY + "\n".join(f"permit p{i}: any when {t}" for i, t in enumerate(CASES))}
    )
    conditions = (c.expr for rule in loaded.checked.rules for c in rule.conjuncts)
    rows = map(operator_of, walk_expressions(conditions))
    assert {(row.node, row.word) for row in rows if row} == set(OPERATORS)
