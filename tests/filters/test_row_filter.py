"""Filters: the rows that `decide` allows, and no others; what cannot be said is named."""

from __future__ import annotations

import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from policyengine import InvalidRequest, PolicyEngine
from policyengine.filters.mapping import (
    EntityTable,
    IncompleteMapping,
    InvalidMapping,
    SetTable,
    StoredColumn,
    map_tables,
)
from policyengine.filters.predicates import (
    FALSE,
    Column,
    Matches,
    NotPushable,
    OneOf,
    Predicate,
)
from policyengine.filters.ranges import comparing, months_before
from policyengine.filters.row_filter import Filter, make_filter
from policyengine.model.limits import Limits
from policyengine.runtime.calendar_operations import add_months
from tests.filters import shipped_filters
from tests.filters.filter_law import filters_agree
from tests.filters.interpreter import holds
from tests.strategies.real_sets import SETS, loaded
from tests.strategies.seeds import SEEDS
from tests.whole import share, some

SET = """
package shop
enum Status = draft | open | closed
levels Plan = free < pro < top
taxonomy Topic { health { mental } money }
const kept: Topic -> months = { health: 1mo, mental: 1y, money: 6mo }
entity Org { plan: Plan, active: bool }
entity User { org: Org, plan: Plan, email: private string }
entity Folder in Folder { watchers: set<User>, hold: bool }
entity Doc in Folder {
    org: Org, owner: User, status: Status, plan: Plan, topic: Topic, note?: string, size: int
    closed_at?: datetime, tags: set<string>, home: path, shares: set<{ with: User, edit: bool }>
}
action read by User on Doc with { day: int }
permit a: read when RULE
"""
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
ANN = {"type": "User", "id": "ann", "properties": {
    "org": {"type": "Org", "id": "acme"}, "plan": "pro", "email": "ann@acme.example",
}}  # fmt: skip
ACME = {"type": "Org", "id": "acme", "properties": {"plan": "top", "active": True}}

DOCUMENT = {"type": "Doc", "id": "1"}

TABLES = {
    "Org": EntityTable("org", attributes={"plan": "plan", "active": "active"}),
    "User": EntityTable("person", attributes={"org": "org_id", "plan": "plan"}),
    "Folder": EntityTable(
        "folder",
        attributes={"watchers": SetTable("watching", "folder_id", "user_id"), "hold": "hold"},
        parents={"Folder": "up"},
    ),
    "Doc": EntityTable(
        "doc",
        id=StoredColumn("nr", kind="int"),
        attributes={
            "org": "org_id", "owner": "owner_id", "plan": StoredColumn("plan", kind="text"),
            "status": StoredColumn("status", names={"draft": 0, "open": 1, "closed": 2}), "topic": "topic",
            "note": "note", "size": "size", "closed_at": "closed_at", "tags": SetTable("tag", "doc", "name"),
            "home": StoredColumn("home", checked=True),
            "shares": SetTable("share", "doc", {"with": "who", "edit": "may_edit"}),
        },
        parents={"Folder": "folder_id"},
    ),
}  # fmt: skip
ROWS: dict[str, list[dict[str, Any]]] = {
    "org": [{"id": "acme", "plan": 2, "active": True}, {"id": "beta", "plan": 0, "active": False}],
    "person": [
        {"id": "ann", "org_id": "acme", "plan": 1}, {"id": "bob", "org_id": "beta", "plan": 0},
    ],
    "folder": [
        {"id": "top", "up": None, "hold": False}, {"id": "in", "up": "top", "hold": True},
        {"id": "round", "up": "round", "hold": False},
    ],
    "watching": [{"folder_id": "top", "user_id": "ann"}],
    "tag": [{"doc": 1, "name": "a"}, {"doc": 1, "name": "b"}, {"doc": 2, "name": None}],
    "share": [
        {"doc": 1, "who": "ann", "may_edit": True}, {"doc": 3, "who": "ann", "may_edit": False},
    ],
}  # fmt: skip
FIRST = {
    "nr": 1, "org_id": "acme", "owner_id": "ann", "status": 1, "plan": "free", "topic": "mental",
    "note": None, "size": 5, "closed_at": datetime(2025, 9, 30, 13, tzinfo=UTC), "folder_id": "in", "home": "/a/b",
}  # fmt: skip
ROWS["doc"] = [
    FIRST,
    FIRST | {"nr": 2, "org_id": "beta", "owner_id": "bob", "plan": "top", "folder_id": "round",
             "note": "A%", "home": "/ab"},
    FIRST | {"nr": 3, "status": 7, "folder_id": None, "owner_id": "gone", "size": None, "topic": "money",
             "closed_at": datetime(2025, 9, 30, 11, tzinfo=UTC)},
]  # fmt: skip


def engine_of(rule: str) -> PolicyEngine:
    return PolicyEngine.from_text(SET.replace("RULE", rule))


def filter_of(engine: PolicyEngine, *, split: bool = False, **tables: EntityTable) -> Filter:
    left = engine.partial(
        action="read",
        subject=ANN,
        context={"day": 3},
        entities=[ACME],
        now=NOW,
        resource_type="Doc",
    )
    return make_filter(left, map_tables(engine.schema, {**TABLES, **tables}), split=split)


CASES: dict[str, str | None] = {
    "resource.status == open": "12/3",  # a status that there is not does not fit
    "resource.status != closed": "12/3",
    "resource.plan <= subject.plan": "13/",
    "resource.plan > free": "2/",
    "resource.org == subject.org": "13/",
    "resource.org.active": "13/",
    "not resource.org.active": "2/",
    "resource.owner.org.plan == free": "2/3",  # an owner that is not there
    "resource.owner == subject": "1/",
    'resource.owner.id startswith "a"': "1/",
    "resource.size > context.day": "12/3",  # NULL of what is required
    "resource.size + 2 - 10 < 0 - 2": "12/3",
    "resource.size * 2 < 3": None,
    "resource has note": "2/",
    'resource has note and resource.note like "A%*"': "2/",
    'resource has note and resource.note endswith "%"': "2/",
    'resource has note and lower(resource.note) == "a%"': None,
    'resource has note and "bA%" endswith resource.note': "2/",
    'resource.id == "1"': "1/",
    'resource.id != "01"': "123/",
    'resource.id startswith "1"': None,
    "resource.topic within health": "12/",
    "resource has closed_at and resource.closed_at + kept[resource.topic] <= now": "3/",
    "resource has closed_at and resource.closed_at + 6mo <= now": "3/",
    "resource has closed_at and now - resource.closed_at < 181d": "12/",
    'resource has closed_at and now within schedule "Mon-Fri 08:00-18:00 UTC"': "123/",
    'resource within Folder "top"': "1/2",  # a cycle
    "some f in ancestors(resource, Folder): subject in f.watchers": "1/2",
    "every f in ancestors(resource, Folder): not f.hold": "3/2",
    '"a" in resource.tags': "1/2",  # a set with NULL
    'resource.tags subset {"a", "b"}': "13/2",
    "size(resource.tags) > 1": "1/2",
    "size(resource.tags) == 0": "3/2",
    "some s in resource.shares: s.with == subject and s.edit": "1/",
    "every s in resource.shares: s.edit": "12/",
    'resource.home within path "/a"': "13/",
    'resource.home like path "/*/b"': "13/",
    'resource.home like path "/*/b/**"': None,
    'subject.email contains "acme" and resource.org == subject.org': "13/",
    "subject.email == resource.id": "/",
}  # fmt: skip


@pytest.mark.parametrize(("rule", "found"), CASES.items())
def test_the_rows_that_are_allowed(rule: str, found: str | None):
    engine = engine_of(rule)
    if found is None:
        with pytest.raises(NotPushable) as refusal:
            filter_of(engine)
        assert refusal.value.clause in rule
        assert refusal.value.rules == ("access.a",)
        assert filter_of(engine, split=True).remaining is not None
        return
    made = filter_of(engine)

    def numbers(predicate: Predicate) -> str:
        return "".join(str(row["nr"]) for row in ROWS["doc"] if holds(predicate, row, ROWS))

    assert f"{numbers(made.predicate)}/{numbers(made.rows_that_do_not_fit)}" == found


DEEP = [
    {"id": str(depth), "up": str(depth - 1) if depth else None, "hold": False} for depth in range(4)
]
TOO_MUCH = {
    "set_size": ("size(resource.tags) >= 0", {"tag": [{"doc": 1, "name": name} for name in "aabbc"]}, 3),
    "string_size": (
        "not resource has note or resource.note != subject.id", {"doc": [FIRST | {"note": "a" * 20}]}, 20,
    ),
    "ancestors": (
        'resource within Folder "0"', {"folder": DEEP, "doc": [FIRST | {"folder_id": "3"}]}, 4,
    ),
    "ancestors_of_type": (
        "some f in ancestors(resource, Folder): f.hold",
        {"folder": DEEP, "doc": [FIRST | {"folder_id": "2"}]}, 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("limit", "asked"), TOO_MUCH.items())
def test_rows_beyond_a_limit_do_not_fit(limit: str, asked: tuple[str, dict[str, Any], int]):
    rule, rows, size = asked
    for most in (size - 1, size):
        engine = PolicyEngine.from_text(SET.replace("RULE", rule), limits=Limits(**{limit: most}))
        left = engine.partial(action="read", subject=ANN, context={}, now=NOW, resource_type="Doc")
        fits = make_filter(left, map_tables(engine.schema, TABLES)).fits
        tables = {**ROWS, **rows}
        assert holds(fits, tables["doc"][0], tables) == (most == size)


def test_what_the_clock_decides_is_of_one_moment():
    timed = filter_of(engine_of("resource has closed_at and resource.closed_at < now"))
    assert timed.valid_until == NOW + timedelta(microseconds=1)
    assert filter_of(engine_of("resource.org.active")).valid_until is None


def test_a_filter_needs_a_subject_that_fits():
    engine = engine_of("subject.org.active and resource.org.active")
    mapping = map_tables(engine.schema, TABLES)
    with pytest.raises(InvalidRequest, match=r"subject\.properties\.org"):
        make_filter(engine.partial(action="read", subject=ANN, context={"day": 3}), mapping)
    known = {"subject": ANN, "context": {"day": 3}}
    for parts, said in [
        ({"context": {"day": 3}}, "`subject` is not given"),
        ({"subject": ANN}, "`context` is not given"),
        ({**known, "unknowns": ["context.day"]}, "`context.day` is unknown"),
        ({**known, "resource": DOCUMENT}, "`resource` is given"),
    ]:
        with pytest.raises(ValueError, match=f"a whole subject and a whole context.*: {said}"):
            make_filter(engine.partial(action="read", **parts), mapping)
    text = SET.replace("entity User {", "entity User in Folder {")
    within = PolicyEngine.from_text(text.replace("RULE", 'subject within Folder "f"'))
    with pytest.raises(InvalidRequest, match="PE509") as refusal:
        make_filter(within.partial(action="read", **known), mapping)
    assert "its ancestors must be given in `entities` or in a store" in str(refusal.value)
    never = engine_of("subject.plan == top and resource.org.active")
    assert filter_of(never).predicate == FALSE


def test_cases_are_written_out_as_long_as_there_are_few():
    names = [f"n{number}" for number in range(300)]
    text = f"""
    package many
    enum Name = {" | ".join(names)}
    const size: Name -> int = {{ {", ".join(f"{name}: {at}" for at, name in enumerate(names))} }}
    entity Thing {{ a: Name, b: Name, c: Name }}
    action read by Thing on Thing
    permit few: read when size[resource.a] + size[subject.a] > 400
    permit many: read when size[resource.a] + size[resource.b] < size[resource.c]
    """
    engine = PolicyEngine.from_text(text)
    mapping = map_tables(
        engine.schema, {"Thing": EntityTable("t", attributes={"a": "a", "b": "b", "c": "c"})}
    )
    thing = {"type": "Thing", "id": "t", "properties": {"a": "n200"}}
    left = engine.partial(action="read", subject=thing, context={})
    with pytest.raises(NotPushable, match="too many cases") as refusal:
        make_filter(left, mapping)
    assert refusal.value.rules == ("access.many",)


def test_what_is_private_is_in_no_text():
    rule = "resource has note and subject.email == resource.note"
    made = filter_of(engine_of(rule))
    own = Column("rows", "note", "text")
    nodes = made.predicate, OneOf(own, ("acme.example",)), Matches(own, ("acme.example", ""))
    for one in (made, *nodes):
        assert "acme.example" not in repr(one) + pretty_repr(one)
    with pytest.raises(NotPushable) as refusal:
        filter_of(engine_of("resource has note and lower(resource.note) == subject.email"))
    assert "acme.example" not in str(refusal.value)
    again = pickle.loads(pickle.dumps(refusal.value))
    assert (str(again), again.rules) == (str(refusal.value), refusal.value.rules)


def test_what_a_mapping_lacks_is_named_when_it_is_needed():
    engine = engine_of("resource.org.plan == top")
    lacking = EntityTable("org", attributes={"active": "active"})
    with pytest.raises(IncompleteMapping, match=r"`Org\.plan`"):
        filter_of(engine, Org=lacking)
    assert filter_of(engine_of("resource.org.active"), Org=lacking).remaining is None
    with pytest.raises(IncompleteMapping, match="`Folder in Folder`"):
        filter_of(engine_of('resource within Folder "a"'), Folder=EntityTable("folder"))


DOC = TABLES["Doc"].attributes
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such type": ({"Bok": EntityTable("b")}, "Bok: there is no such entity type [PE570]"),
    "no table": ({"Org": "org"}, "Org: an entity type has an `EntityTable` [PE572]"),
    "no attributes": (
        {"Org": EntityTable("org", attributes=None)}, "Org: this is no Mapping: None [PE572]",  # type: ignore[arg-type]  # as it is wrong
    ),
    "a column that is none": (
        {"Org": EntityTable("org", id=StoredColumn("id", names=["id"]))},  # type: ignore[arg-type]  # as it is wrong
        "Org.id: this is no Mapping | None: ['id'] [PE572]",
    ),
    "no such attribute": (
        {"Org": EntityTable("org", attributes={"plam": "p"})},
        "Org.plam: there is no such attribute; did you mean `plan`? [PE571]",
    ),
    "a set in a column": ({"tags": "tags"}, "Doc.tags: a set has a `SetTable` or a `SetInColumn` [PE572]"),
    "a column as a set": (
        {"note": SetTable("n", "o", "e")}, "Doc.note: a string is in a column [PE572]",
    ),
    "a record in a column": (
        {"shares": SetTable("share", "doc", "who")}, "Doc.shares: a record has parts, or a `RecordInColumn` [PE572]",
    ),
    "a part that is not there": (
        {"shares": SetTable("share", "doc", {"with": "who"})}, "Doc.shares.edit: it is not there [PE571]",
    ),
    "a wrong kind": (
        {"size": StoredColumn("size", kind="text")}, "Doc.size: a int is stored as `int`, not as 'text' [PE572]",
    ),
    "a name that is missing": (
        {"status": StoredColumn("s", names={"draft": 0, "open": 1})}, "Doc.status: 'closed' is missing [PE573]",
    ),
    "a name that there is not": (
        {"status": StoredColumn("s", names={"draft": 0, "open": 1, "closed": 2, "shut": 3})},
        "Doc.status: there is no name 'shut' [PE573]",
    ),
    "two names in one form": (
        {"status": StoredColumn("s", names={"draft": 0, "open": 1, "closed": 1})},
        "Doc.status: two names are stored in the same form [PE573]",
    ),
    "names of two kinds": (
        {"status": StoredColumn("s", names={"draft": 0, "open": "1", "closed": 2})},
        "Doc.status: names are stored as texts or as ints [PE573]",
    ),
    "names of what has none": (
        {"note": StoredColumn("n", names={"a": 1})}, "Doc.note: a string has no names [PE573]",
    ),
    "a reference of another kind than the id": (
        {"owner": StoredColumn("o", kind="int")}, "Doc.owner: a User is stored as `text`, not as 'int' [PE572]",
    ),
    "no name": ({"note": ""}, "Doc.note: a name of a table or a column is a text [PE572]"),
    "a name that no column has": ({"note": "a\0b"}, r"Doc.note: no table or column is called 'a\x00b' [PE572]"),
    "half a surrogate pair": (
        {"Org": EntityTable("\ud800")}, r"Org: no table or column is called '\ud800' [PE572]",
    ),
    "less than no text": (
        {"note": StoredColumn("n", longest=-1)}, "Doc.note: no text has -1 code points at most [PE572]",
    ),
    "a name of more than 64 bits": (
        {"status": StoredColumn("s", names={"draft": 0, "open": 1, "closed": 2**63})},
        f"Doc.status: no column holds {2**63}: an int of 64 bits, or a text in UTF-8 [PE573]",
    ),
    "a name that is no text": (
        {"status": StoredColumn("s", names={"draft": "d", "open": "o", "closed": "\udfff"})},
        r"Doc.status: no column holds '\udfff': an int of 64 bits, or a text in UTF-8 [PE573]",
    ),
    "a column of two kinds": (
        {"note": "size", "size": "size"}, "doc.size: the column is of two kinds: int, text [PE572]",
    ),
    "types of one table with ids of two kinds": (
        {"Org": EntityTable("one"), "Folder": EntityTable("one", StoredColumn("id", kind="int"))},
        "one.id: the column is of two kinds: int, text [PE572]",
    ),
    "parents that there are not": (
        {"Org": EntityTable("org", parents={"Doc": "d"})}, "Org in Doc: a Org has no such parents [PE574]",
    ),
    "ids that are no texts": (
        {"Org": EntityTable("org", id=StoredColumn("id", kind="bool"))}, "Org.id: ids are `text` or `int` [PE572]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tables", "said"), WRONG.values(), ids=WRONG)
def test_a_mapping_that_does_not_fit_is_refused(tables: dict[str, Any], said: str):
    if any(name[0].islower() for name in tables):
        tables = {"User": TABLES["User"], "Doc": EntityTable("doc", attributes=tables)}
    with pytest.raises(InvalidMapping) as refusal:
        map_tables(engine_of("true").schema, tables)
    assert str(refusal.value) == said


@given(
    st.integers(-(10**15), 10**15),
    st.integers(-50, 50) | st.integers(-5000, 5000),
    st.integers(-40, 40),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
)
def test_months_are_gone_back(moment: int, months: int, days: int, op: str):
    day = 86_400_000_000
    limit = add_months(moment, months) + days * day // 10
    ranges = months_before(comparing(op, limit), months)
    for near in (
        moment,
        *(limit_ + by for pair in ranges for limit_ in pair if limit_ for by in (-1, 0, 1)),
    ):
        later = add_months(near, months)
        wanted = {"<": later < limit, "<=": later <= limit, ">": later > limit, ">=": later >= limit,
                  "==": later == limit, "!=": later != limit}[op]  # fmt: skip
        found = any((s is None or s <= near) and (e is None or near < e) for s, e in ranges)
        assert found == wanted


@pytest.mark.parametrize("name", some(SETS, 3))
def test_the_rules_of_the_shipped_sets_are_pushed(name: str):
    left, reasons = shipped_filters.pushed_rules(name, 300)
    rules = {rule.id for rule in loaded(name).checked.rules}
    assert len(left) > 0.7 * len(rules)
    assert len(reasons) <= 0.1 * len(rules)


@pytest.mark.parametrize("name", SETS)
def test_filters_of_the_shipped_sets_give_the_rows_that_are_allowed(name: str):
    counts = Counter[str]()
    for seed in range(share(6, 2)):
        counts += shipped_filters.filters_agree(name, seed)
    assert min(counts["allowed"], counts["denied"], counts["filters"]) >= share(6, 2)


@given(SEEDS)
def test_filters_give_the_rows_that_are_allowed(seed: int):
    filters_agree(seed)
