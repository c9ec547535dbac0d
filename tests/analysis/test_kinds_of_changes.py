"""Changes of references, records, sets and ancestors that would allow a request are found."""

from __future__ import annotations

import pytest

from tests.analysis.kinds_of_changes import DOC, USER, Cases
from tests.analysis.worlds import ref

CASES = Cases()

CASES.add(
    "posts",
    """package p
enum Role = nurse | doctor
entity Ward
entity Staff { posts: set<{ward: Ward, role: Role}> }
entity Note { ward: Ward }
action view by Staff on Note
define is_nurse(s: Staff, w: Ward) = some p in s.posts: p.role == nurse and p.ward == w
permit nurse: view when is_nurse(subject, resource.ward)
""",
    ['{role: nurse, ward: Ward "w"}'],
    subject={
        "type": "Staff",
        "id": "s",
        "properties": {"posts": [{"ward": ref("Ward", "w"), "role": "doctor"}]},
    },
    action="view",
    resource={"type": "Note", "id": "n", "properties": {"ward": ref("Ward", "w")}},
)

CASES.add(
    "glass",
    """package p
entity User
entity Note { n: int }
action read by User on Note with { glass?: {why: string} }
permit a: read when resource.n > 5
permit b: read when context has glass and context.glass.why != ""
""",
    ["context.glass", "resource.n = 6"],
    action="read",
    resource={"type": "Note", "id": "n", "properties": {"n": 1}},
)

CASES.add(
    "owner",
    """package p
entity User
entity Doc { owner: User }
action edit by User on Doc
permit own: edit when resource.owner == subject
""",
    ['resource.owner = User "u"'],
    resource=DOC | {"properties": {"owner": ref("User", "ann")}},
)

CASES.add(
    "not_owner",
    """package p
entity User
entity Doc { owner: User }
action edit by User on Doc
permit other: edit when resource.owner != subject
""",
    ["resource.owner = User"],
    resource=DOC | {"properties": {"owner": ref("User", "u")}},
)

CASES.add(
    "team",
    """package p
entity User
entity Doc { team: set<User>, banned: set<User> }
action edit by User on Doc
permit t: edit when subject in resource.team
""",
    ["resource.team"],
    resource=DOC | {"properties": {"team": [ref("User", f"a{i}") for i in range(9)], "banned": []}},
)

CASES.add(
    "nested",
    """package p
entity Org
entity Folder in Folder, Org
entity User
entity Doc in Folder
action edit by User on Doc
permit t: edit when resource within Org "o"
""",
    ['Folder "f" in = {Org "o"}'],
    resource={"type": "Doc", "id": "d", "parents": [ref("Folder", "f")]},
    entities=[{"type": "Folder", "id": "f", "parents": []}],
)

CASES.add(
    "viewers",
    """package p
entity User
entity Folder in Folder { viewers: set<User> }
entity Doc in Folder
action edit by User on Doc
permit t: edit when some f in ancestors(resource, Folder): subject in f.viewers
""",
    ['["f"].viewers = {User "u"}', "resource in"],
    resource={"type": "Doc", "id": "d", "parents": [ref("Folder", "f")]},
    entities=[
        {"type": "Folder", "id": "f", "parents": [], "properties": {"viewers": []}},
        {"type": "Folder", "id": "g", "parents": [], "properties": {"viewers": [ref("User", "u")]}},
    ],
)

CASES.add(
    "every",
    """package p
entity User
entity Doc { tags: set<{k: string, v: int}> }
action edit by User on Doc
permit t: edit when (every t in resource.tags: t.v < 5) and (some t in resource.tags: t.k == "ok")
""",
    ["resource.tags"],
    resource=DOC
    | {"properties": {"tags": [{"k": "ok", "v": 9}, {"k": "a", "v": 1}, {"k": "b", "v": 7}]}},
)

CASES.add(
    "member_record",
    """package p
entity User
entity Doc { tags: set<{key: string, value: string}> }
action edit by User on Doc
permit t: edit when {key: "stage", value: "prod"} in resource.tags
""",
    ["resource.tags"],
    resource=DOC | {"properties": {"tags": []}},
)

CASES.add(
    "holiday",
    """package p
entity User
entity Doc { closed: set<{from: datetime, until: datetime}> }
action edit by User on Doc
forbid t: edit when some h in resource.closed: h.from <= now and now < h.until because "closed"
permit a: edit
""",
    ["resource.closed", "now = 2027-02-01"],
    resource=DOC
    | {
        "properties": {
            "closed": [{"from": "2027-01-01T00:00:00Z", "until": "2027-02-01T00:00:00Z"}]
        }
    },
)

CASES.add(
    "setsubset",
    """package p
entity User { scopes: set<string> }
entity Doc
action edit by User on Doc
permit t: edit when {"a","b","c","d"} subset subject.scopes and "z" not in subject.scopes
""",
    ["subject.scopes"],
    subject=USER | {"properties": {"scopes": ["z", "q"]}},
)

CASES.add(
    "size",
    """package p
entity User
entity Doc { approvers: set<User> }
action edit by User on Doc
permit t: edit when size(resource.approvers) >= 2
""",
    ["resource.approvers"],
    resource=DOC | {"properties": {"approvers": []}},
)

CASES.add(
    "size5",
    """package p
entity User
entity Doc { approvers: set<User> }
action edit by User on Doc
permit t: edit when size(resource.approvers) >= 5
""",
    ["resource.approvers"],
    resource=DOC | {"properties": {"approvers": []}},
)

CASES.add(
    "nestedoptional",
    """package p
entity User
entity Doc
action edit by User on Doc with { a?: { b?: { c: int, d?: string } } }
permit t: edit when context has a and context.a has b and context.a.b.c > 3 and context.a.b has d
""",
    ["context.a"],
)

CASES.add(
    "nestedoptional2",
    """package p
entity User
entity Doc
action edit by User on Doc with { a?: { b?: { c: int, d?: string } } }
permit t: edit when context has a and context.a has b and context.a.b.c > 3 and context.a.b has d
""",
    ["context.a.b"],
    context={"a": {}},
)

CASES.add(
    "glassfull",
    """package p
entity User
entity Doc { owner: User }
action edit by User on Doc with { glass?: { why: string, at: datetime, by: User } }
permit t: edit when context has glass and context.glass.why != "" and now - context.glass.at < 1h and context.glass.at <= now and context.glass.by != subject
""",
    ["context.glass"],
    resource=DOC | {"properties": {"owner": ref("User", "ann")}},
)

CASES.add(
    "wholerec",
    """package p
entity User { home: {city: string, zip: string} }
entity Doc
action edit by User on Doc
permit t: edit when subject.home == {city: "x", zip: "1"}
""",
    ['subject.home.zip = "1"'],
    subject=USER | {"properties": {"home": {"city": "x", "zip": "2"}}},
)

CASES.add(
    "refattr",
    """package p
entity Org
entity User { org: Org, boss?: User }
entity Doc { owner: User }
action edit by User on Doc
permit t: edit when resource.owner.org == subject.org
permit b: edit when subject has boss and subject.boss == resource.owner
""",
    ["resource.owner.org", "subject.org", 'resource.owner = User "u"', "subject.boss"],
    subject=USER | {"properties": {"org": ref("Org", "a")}},
    resource=DOC | {"properties": {"owner": ref("User", "ann")}},
    entities=[{"type": "User", "id": "ann", "properties": {"org": ref("Org", "b")}}],
)

CASES.add(
    "waiver",
    """package p
entity Ward
entity Nurse in Ward { ok: bool }
entity Chart
action edit by Nurse on Chart
permit t: edit when subject.ok waivable
waiver w of t for within Ward "icu" until 2040-01-01 ticket "x" approved_by "y"
""",
    ['subject in = {Ward "icu"}'],
    subject={"type": "Nurse", "id": "n", "properties": {"ok": False}, "parents": []},
    resource={"type": "Chart", "id": "d"},
)

CASES.add(
    "diamond",
    """package p
entity Folder in Folder
entity User
entity Doc in Folder
action edit by User on Doc
forbid x: edit when resource within Folder "bad" because "x"
permit t: edit
""",
    ["resource in = {}"],
    resource={"type": "Doc", "id": "d", "parents": [ref("Folder", "a"), ref("Folder", "b")]},
    entities=[
        {"type": "Folder", "id": "a", "parents": [ref("Folder", "bad")]},
        {"type": "Folder", "id": "b", "parents": [ref("Folder", "bad")]},
        {"type": "Folder", "id": "bad", "parents": []},
    ],
)

CASES.add(
    "refinset",
    """package p
entity Ward { open: bool }
entity Staff { posts: set<{ward: Ward, n: int}> }
entity Note
action view by Staff on Note
permit t: view when some p in subject.posts: p.ward.open and p.n > 3
""",
    ['Ward "w".open = true'],
    subject={
        "type": "Staff",
        "id": "s",
        "properties": {"posts": [{"ward": ref("Ward", "w"), "n": 4}]},
    },
    action="view",
    resource={"type": "Note", "id": "n"},
    entities=[{"type": "Ward", "id": "w", "properties": {"open": False}}],
)

CASES.add(
    "bigset",
    """package p
entity Ward
enum Role = a | b | c | d | e | f | g
entity Staff { posts: set<{ward: Ward, role: Role, since: datetime}> }
entity Note { ward: Ward }
action view by Staff on Note
permit t: view when some p in subject.posts: p.role in {c, d} and p.ward == resource.ward and p.since + 6mo <= now
""",
    ["subject.posts"],
    subject={
        "type": "Staff",
        "id": "s",
        "properties": {
            "posts": [
                {"ward": ref("Ward", f"w{i}"), "role": "a", "since": "2026-01-01T00:00:00Z"}
                for i in range(8)
            ]
        },
    },
    action="view",
    resource={"type": "Note", "id": "n", "properties": {"ward": ref("Ward", "zz")}},
)

CASES.add(
    "pair_ref",
    """package p
entity User { active: bool }
entity Doc { owner: User }
action edit by User on Doc
permit own: edit when resource.owner == subject and resource.owner.active
""",
    ['resource.owner = User "u" and resource.owner.active = true'],
    subject=USER | {"properties": {"active": False}},
    resource=DOC | {"properties": {"owner": ref("User", "ann")}},
    entities=[{"type": "User", "id": "ann", "properties": {"active": True}}],
)

CASES.add(
    "more_is_read_of_it",  # of the posts of the subject the ward as well, once the subject is its own boss
    """package p
enum Role = nurse | doctor
entity Ward
entity Staff { posts: set<{ward: Ward, role: Role}>, boss?: Staff }
entity Note { ward: Ward }
action view by Staff on Note
permit t: view when every p in subject.posts: p.role == doctor
    when subject has boss when some p in subject.boss.posts: p.ward == resource.ward
""",
    ['subject.boss = Staff "s" and subject.posts'],
    subject={
        "type": "Staff",
        "id": "s",
        "properties": {"posts": [{"ward": ref("Ward", "w"), "role": "nurse"}]},
    },
    action="view",
    resource={"type": "Note", "id": "n", "properties": {"ward": ref("Ward", "x")}},
)

CASES.add(
    "told_apart_then",  # two elements of the set, once the other change has told them apart
    """package p
entity Ward
entity Staff { wards: set<Ward> }
entity Note { ward: Ward }
action view by Staff on Note
permit t: view when resource.ward == Ward "a" and resource.ward in subject.wards and Ward "b" in subject.wards
    unless resource.ward == Ward "c" or resource.ward == Ward "d"
""",
    ['resource.ward = Ward "a" and subject.wards'],
    subject={"type": "Staff", "id": "s", "properties": {"wards": [ref("Ward", "v")]}},
    action="view",
    resource={"type": "Note", "id": "n", "properties": {"ward": ref("Ward", "u")}},
)


@pytest.mark.parametrize("name", CASES)
def test_the_change_is_found(name):
    CASES.hold(name)
