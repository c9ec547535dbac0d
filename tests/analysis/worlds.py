"""Small vocabularies of every kind of type, all their requests, and conditions over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, combinations, product
from typing import Any

from attrs import frozen

from policyengine.concurrency import cached_property
from policyengine.diagnostics.diagnostic import Severity
from policyengine.diagnostics.source import Source
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.pipeline import check_sources

NOON = 1_798_718_400_000_000
"""2026-12-31T12:00:00Z."""


def ref(type_: str, id_: str) -> dict[str, str]:
    return {"type": type_, "id": id_}


def subsets(ones: Sequence[Any], most: int) -> list[list[Any]]:
    sizes = range(min(most, len(ones)) + 1)
    return [list(some) for some in chain.from_iterable(combinations(ones, n) for n in sizes)]


@frozen(slots=False)
class World:
    """A vocabulary, the values that its requests have in each place, and conditions.

    *make* puts one value for each place together to a request, as arguments of `validate_parts`.
    """

    name: str
    words: str
    values: Mapping[str, Sequence[Any]]
    make: Callable[..., dict[str, Any]]
    atoms: Sequence[str]
    fields: Sequence[str] = ()
    """Clauses of permits: those of a set with a field gate."""

    @cached_property
    def requests(self) -> list[ValidRequest]:
        """All requests, with all that any of the conditions reads."""
        rules = "".join(f"permit p{n}: any when {a}\n" for n, a in enumerate(self.atoms))
        checked = self.checked(f"gate access {{ {rules} }}\n" if self.fields else rules)
        validator = Validator(checked.schema, checked.needs, Limits())
        return [validator.validate_parts(**given, action="read") for given in self._given()]

    def _given(self) -> Iterator[dict[str, Any]]:
        for chosen in product(*self.values.values()):
            yield {"now": NOON, **self.make(**dict(zip(self.values, chosen, strict=True)))}

    def checked(self, rules: str):
        """Return the checked set of this vocabulary and *rules*, None if they would take too long."""
        checked, found = check_sources({"w.policy": Source("w.policy", self.words + rules)})
        codes = {d.code for d in found.items if d.severity is Severity.ERROR}
        assert codes <= {"PE308", "PE331"}, [d.message for d in found.items]
        return checked


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None."""
    return {name: value for name, value in values.items() if value is not None}


# ---- references, and records in sets ----------------------------------------------------

_POSTS = [{"ward": ref("Ward", w), "role": r} for w in ("w", "x") for r in ("nurse", "doctor")]


def _ward(posts, boss, ward, team, author):
    staff = {"posts": posts, "boss": boss and ref("Staff", boss)}
    note = {"ward": ref("Ward", ward), "team": team, "author": ref("Staff", author)}
    others = {"type": "Staff", "id": "ann", "properties": {"posts": _POSTS[:1]}}
    return {
        "subject": {"type": "Staff", "id": "s", "properties": given(staff)},
        "resource": {"type": "Note", "id": "n", "properties": note},
        "entities": [others],
    }


WARD = World(
    "ward",
    """\
package ward
enum Role = nurse | doctor
entity Ward
entity Staff { posts: set<{ward: Ward, role: Role}>, boss?: Staff }
entity Note { ward: Ward, team: set<Staff>, author: Staff }
action read, write by Staff on Note
define works(s: Staff, w: Ward) = some p in s.posts: p.ward == w
""",
    {
        "posts": subsets(_POSTS, 2),
        "boss": (None, "s", "ann"),
        "ward": ("w", "x"),
        "team": subsets([ref("Staff", "s"), ref("Staff", "ann")], 2),
        "author": ("s", "ann"),
    },
    _ward,
    (
        "works(subject, resource.ward)", "works(resource.author, resource.ward)",
        "(some p in subject.posts: p.role == nurse and p.ward == resource.ward)",
        "(every p in subject.posts: p.role == doctor)", "subject.posts == {}",
        '{ward: Ward "w", role: nurse} in subject.posts', "size(subject.posts) >= 2",
        "(some p in subject.posts: p in resource.author.posts)",
        "resource.author == subject", "resource.author != subject", "subject in resource.team",
        "subject not in resource.team", "resource.author in resource.team", "resource.team == {}",
        "(subject has boss and subject.boss == resource.author)", "not (subject has boss)",
        "(subject has boss and subject.boss in resource.team)",
        "(subject has boss and subject.boss != subject)", 'resource.ward == Ward "w"',
        "(subject has boss and works(subject.boss, resource.ward))",
        "(every s in resource.team: works(s, resource.ward))", 'resource.author.id == "ann"',
        "(some s in resource.team: s != subject)", '{Staff "ann"} subset resource.team',
    ),
)  # fmt: skip


# ---- optional records, tables and times -------------------------------------------------

_WHEN = ("2026-12-31T10:30:00Z", "2026-12-31T11:30:00Z", "2027-01-01T00:00:00Z")


def _glass(glass, owner, number, tier, until):
    user = given({"n": number, "tier": tier, "until": until})
    return {
        "subject": {"type": "User", "id": "u", "properties": user},
        "resource": {"type": "Doc", "id": "d", "properties": {"owner": ref("User", owner)}},
        "context": given({"glass": glass}),
        "entities": [{"type": "User", "id": "ann", "properties": {"n": 7, "tier": "pro"}}],
    }


GLASS = World(
    "glass",
    """\
package glass
levels Tier = free < basic < pro
entity User { n: int, tier: Tier, until?: datetime }
entity Doc { owner: User }
action read, write by User on Doc with { glass?: {why: string, since: datetime, by?: User} (by caller) }
const most: Tier -> int = { free: 2, basic: 5, pro: 9 }
const rights: Tier -> set<string> = { free: {}, basic: {"care"}, pro: {"care", "audit"} }
define fresh(since: datetime) = since <= now and now - since < 1h
""",
    {
        "glass": [
            None,
            *(
                given({"why": why, "since": since, "by": by and ref("User", by)})
                for why, since, by in product(("", "care"), _WHEN, (None, "u", "ann"))
            ),
        ],
        "owner": ("u", "ann"),
        "number": (2, 7),
        "tier": ("free", "basic", "pro"),
        "until": (None, _WHEN[0], _WHEN[2]),
    },
    _glass,
    (
        "context has glass", "not (context has glass)",
        '(context has glass and context.glass.why != "")',
        "(context has glass and fresh(context.glass.since))",
        "(context has glass and context.glass.why in rights[subject.tier])",
        "(context has glass and context.glass has by and context.glass.by != subject)",
        "(context has glass and context.glass has by and context.glass.by == resource.owner)",
        "(context has glass and context.glass has by and context.glass.by.n > 5)",
        "(context has glass and not (context.glass has by))",
        "subject.n < most[subject.tier]", "resource.owner.n < most[subject.tier]",
        "subject.n + resource.owner.n > 12", "3 * subject.n - 1 < 6", "subject.n == resource.owner.n",
        "resource.owner == subject", "resource.owner != subject", "subject.tier < resource.owner.tier",
        "(subject has until and now < subject.until)", "(subject has until and subject.until + 1d < now)",
        "(subject has until and subject.until + 1mo > now)",
    ),
)  # fmt: skip


# ---- ancestors --------------------------------------------------------------------------


def _folders(doc, inner, viewers, locked, top, team):
    red = {"type": "Team", "id": "red", "parents": []}
    described = [
        ("f", inner, {"viewers": viewers}),
        ("g", [], given({"viewers": top, "locked": locked})),
    ]
    return {
        "subject": {"type": "User", "id": "u", "parents": team},
        "resource": {"type": "Doc", "id": "d", "parents": doc},
        "entities": [
            red,
            *(
                {"type": "Folder", "id": id_, "parents": parents, "properties": properties}
                for id_, parents, properties in described
            ),
        ],
    }


FOLDERS = World(
    "folders",
    """\
package folders
entity Org
entity Team in Org
entity User in Team
entity Folder in Folder { viewers: set<User>, locked?: bool }
entity Doc in Folder
action read, write by User on Doc
""",
    {
        "doc": subsets([ref("Folder", "f"), ref("Folder", "g")], 2),
        "inner": ([], [ref("Folder", "g")]),
        "viewers": ([], [ref("User", "u")]),
        "locked": (None, False, True),
        "top": ([], [ref("User", "u")], [ref("User", "bob")]),
        "team": ([], [ref("Team", "red")]),
    },
    _folders,
    (
        "(some f in ancestors(resource, Folder): subject in f.viewers)",
        "(some f in ancestors(resource, Folder): f has locked and f.locked)",
        "(every f in ancestors(resource, Folder): f.viewers != {})",
        'resource within Folder "f"', 'resource within Folder "g"', 'resource not within Folder "g"',
        'subject within Team "red"', 'subject within Org "o"', 'subject not within {Team "red", Team "blue"}',
        '(some f in ancestors(resource, Folder): f != Folder "f" and subject not in f.viewers)',
        "size(ancestors(resource, Folder)) == 1", "ancestors(resource, Folder) == {}",
        'resource within {Folder "f", Folder "h"}',
    ),
)  # fmt: skip


# ---- texts, paths and addresses ---------------------------------------------------------


def _files(file, host, mail, home, nets):
    return {
        "subject": {"type": "User", "id": "u", "properties": {"mail": mail, "home": home}},
        "resource": {"type": "Server", "id": "s", "properties": {"nets": nets}},
        "context": {"file": file, "host": host},
    }


FILES = World(
    "files",
    """\
package files
entity User { mail: string, home: path }
entity Server { nets: set<ip> }
action read, write by User on Server with { file: path (by caller), host: ip (by caller) }
const inside: set<ip> = {ip "10.0.0.0/8", ip "192.168.1.7"}
""",
    {
        "file": ("/public", "/public/a", "/users/ann/notes", "/users/.git", "/"),
        "host": ("10.0.0.1", "192.168.1.7", "203.0.113.9"),
        "mail": ("ann@example.com", "Ann@Example.com", "", "bob@other.org"),
        "home": ("/public", "/users/ann"),
        "nets": ([], ["203.0.113.0/24"], ["10.0.0.0/16", "192.168.1.7"]),
    },
    _files,
    (
        'context.file within path "/public"', "context.file within subject.home",
        'context.file like path "/users/*/**"', 'context.file like path "/**/.*/**"',
        'context.file == path "/"', "context.file == subject.home", "context.file != subject.home",
        "context.host within inside", 'context.host within ip "10.0.0.0/8"',
        "context.host within resource.nets", "resource.nets == {}", 'context.host == ip "192.168.1.7"',
        'subject.mail endswith "@example.com"', 'lower(subject.mail) endswith "@example.com"',
        'subject.mail startswith "ann@"', 'subject.mail contains "@"', 'subject.mail != ""',
        'subject.mail like "bob@*.org"', "size(subject.mail) < 14", 'subject.home == path "/public"',
    ),
)  # fmt: skip

# ---- times, and numbers that rules compute with -----------------------------------------


def _times(now, born, kept, closed, first, second, wait):
    user = {"born": born, "kept": kept, "first": first}
    return {
        "now": now,
        "subject": {"type": "User", "id": "u", "properties": user},
        "resource": {"type": "Doc", "id": "d", "properties": {"closed": closed, "second": second}},
        "context": {"wait": wait},
    }


_HOLIDAY = {"from": "2026-12-31T00:00:00Z", "until": "2027-01-02T00:00:00Z"}

TIMES = World(
    "times",
    """\
package times
entity User { born: datetime, kept: months, first: int }
entity Doc { closed: set<{from: datetime, until: datetime}>, second: decimal }
action read, write by User on Doc with { wait: duration (by caller) }
const office: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"
define shut(doc: Doc) = some h in doc.closed: h.from <= now and now < h.until
""",
    {
        "now": (NOON, NOON + 5 * 3_600_000_000, NOON + 100 * 3_600_000_000),
        "born": ("2008-12-31T00:00:00Z", "2010-02-28T00:00:00Z"),
        "kept": ("1mo", "18y"),
        "closed": ([], [_HOLIDAY]),
        "first": (0, 3, 40),
        "second": ("0.5", "12.25"),
        "wait": ("1h", "48h"),
    },
    _times,
    (
        "now within office", "now not within office", "now + 30m within office", "shut(resource)",
        "not shut(resource)", "resource.closed == {}", "subject.born + 18y <= now",
        "subject.born + subject.kept > now", "now - subject.born > 5000d", "subject.kept < 1y",
        "subject.first * 2 + 1 > 6", "resource.second * subject.first >= 20.0", "resource.second > 1.0",
        "-subject.first < -10", "now + context.wait > 2027-01-01", "context.wait <= 24h",
        "subject.first in {3, 40}", "2027-01-04 < now",
    ),
)  # fmt: skip


# ---- fields that are asked for ----------------------------------------------------------


def _register(asked, vote, treats, consent):
    researcher = given({"vote": vote, "treats": treats})
    return {
        "fields": asked,
        "subject": {"type": "Researcher", "id": "ada", "properties": researcher},
        "resource": {"type": "Patient", "id": "p", "properties": {"consent": consent}},
    }


REGISTER = World(
    "register",
    """\
package register
entity Researcher { vote?: string, treats: set<Patient> }
entity Patient { born: datetime, name: string, consent: bool }
action read, write by Researcher on Patient
field gate access "which fields may be seen"
""",
    {
        "asked": (
            None, [], ["born"], ["born as year"], ["name"], ["id", "name"], ["born as year", "name"],
        ),
        "vote": (None, "", "2026/17"),
        "treats": ([], [ref("Patient", "p")]),
        "consent": (False, True),
    },
    _register,
    (
        "subject has vote", '(subject has vote and subject.vote != "")', "resource in subject.treats",
        "resource.consent", "not resource.consent", "subject.treats == {}", "not (subject has vote)",
    ),
    (" fields id, born as year", " fields name", " fields born, name, id", " fields id"),
)  # fmt: skip

# ---- texts that are compared with each other, in lower case and by their length -----------


def _texts(name, mail, title):
    return {
        "subject": {"type": "User", "id": "u", "properties": {"name": name, "mail": mail}},
        "resource": {"type": "Doc", "id": "d", "properties": {"title": title}},
    }


_SHORT = ("", "a", "A", "ab", "Ab", "aB", "b", "aab", "bab")

TEXTS = World(
    "texts",
    """\
package texts
entity User { name: string, mail: string }
entity Doc { title: string }
action read, write by User on Doc
""",
    {"name": _SHORT, "mail": _SHORT, "title": _SHORT},
    _texts,
    (
        'subject.name startswith "a"', 'subject.name endswith "b"', 'subject.name like "a*b"',
        'subject.name contains "ab"', 'lower(subject.name) startswith "a"', 'lower(subject.name) == "ab"',
        'lower(subject.name) in {"a", "aab"}', 'subject.name == "Ab"', "size(subject.name) == 2",
        "size(subject.name) < 3", "subject.name == resource.title", "subject.name == subject.mail",
        "lower(subject.name) == lower(resource.title)", "lower(subject.mail) == lower(resource.title)",
        "subject.mail == resource.title", 'resource.title startswith "b"', 'resource.title == "aB"',
        'lower(resource.title) endswith "b"', "size(resource.title) > 1", 'subject.mail like "*a*b"',
        "lower(subject.mail) == subject.mail", "size({subject.name, subject.mail}) == 1",
        "subject.name startswith resource.title", 'subject.mail not contains "b"',
    ),
)  # fmt: skip

WORLDS = (WARD, GLASS, FOLDERS, FILES, TIMES, REGISTER)
