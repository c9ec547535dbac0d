"""Objects of registered classes: what their values mean, what is refused by name, and that no more is read."""

from __future__ import annotations

import enum
import gc
import uuid
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, make_dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
)

from policyengine import DecisionCache, InvalidRequest, PolicyEngine, Ref, Request
from policyengine.intake import mapped_classes

POLICY = """
package objects
enum Kind = plain | odd
entity Team in Team
entity User in Team {
    kind: Kind, level: int, boss?: User, scopes: set<string>, home?: { city: string, zip?: string }
    active: bool, name: private string, friends: set<User>
}
entity Document { owner: User, title: string }
action by_kind, by_level, by_boss, by_scope, by_home, by_team, by_name, by_friend, by_active by User on Document
    with { with_whom?: User }
permit kind: by_kind when subject.kind == Kind.plain
permit level: by_level when subject.level > 3
permit boss: by_boss when resource.owner has boss and resource.owner.boss.level > 3
permit scope: by_scope when "write" in subject.scopes
permit home: by_home when subject has home and subject.home.city == "Ur"
permit team: by_team when subject within Team "staff"
permit name: by_name when subject.name == "ann"
permit friend: by_friend when resource.owner in subject.friends and context has with_whom and context.with_whom.level > 3
permit active: by_active when subject.active
"""


class Kind(enum.Enum):
    PLAIN = "plain"
    ODD = "odd"


class Level(enum.IntEnum):
    HIGH = 5


class User:
    """A row of a user, which fails where nothing was given: nobody asks for more than rules read."""

    def __init__(self, pk: Any = 1, **values: Any) -> None:
        self.pk = pk
        self.__dict__ |= values


@dataclass
class Document:
    id: int
    owner: Any
    title: Any = None


@dataclass
class Team:
    slug: str
    above: list[Any] = field(default_factory=list)


@pytest.fixture
def engine() -> PolicyEngine:
    made = PolicyEngine.from_text(POLICY)
    made.register(User, "User", id="pk", parents="teams")
    made.register(Document, "Document")
    made.register(Team, "Team", id="slug", parents="above")
    return made


def allowed(
    engine: PolicyEngine, action: str, subject: Any, owner: Any = None, context: Any = None
) -> bool:
    """Whether a request is allowed, asked twice: the first may open a quicker way for the second."""
    document = Document(7, owner if owner is not None else subject)
    first, second = (engine.decide(subject, action, document, context).allowed for _ in range(2))
    assert first == second
    return first


def problems(engine: PolicyEngine, action: str, subject: Any, owner: Any = None) -> str:
    texts = []
    for _ in range(2):
        with pytest.raises(InvalidRequest) as refused:
            engine.decide(subject, action, Document(7, owner or subject))
        texts.append(str(refused.value))
    assert texts[0] == texts[1]
    return texts[0]


# ---- in whatever form an action is said --------------------------------------------------


class Named(str):
    __slots__ = ()


class Verb(enum.StrEnum):
    READ = "read"


ACTIONS: dict[str, Any] = {
    "text": "read",
    "derived text": Named("read"),
    "enum": Verb.READ,
    "dict": {"name": "read"},
    "dict of an enum": {"name": Verb.READ},
    "mapping": MappingProxyType({"name": "read"}),
}
ASKED: dict[str, Any] = {
    "decide": lambda engine, *parts: engine.decide(*parts).allowed,
    "with others": lambda engine, *parts: engine.decide(*parts, entities=[]).allowed,
    "many": lambda engine, *parts: engine.decide_many([parts])[0].allowed,
    "request": lambda engine, *parts: engine.decide(Request(*parts)).allowed,
    "explain": lambda engine, *parts: engine.explain(*parts).outcome.allowed,
    "cache": lambda engine, *parts: DecisionCache(engine).decide(*parts).allowed,
    "bound": lambda engine, who, *parts: engine.bind(who).decide(*parts).allowed,
    "recorded": lambda engine, *parts: engine.with_record(lambda _: None).decide(*parts).allowed,
}


@pytest.mark.parametrize("way", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_what_rules_read_of_objects_is_read_in_whatever_form_an_action_is_said(action, way):
    """Else what is optional would be absent, and nothing forbidden."""

    @dataclass
    class Person:
        id: str
        banned: bool | None = None

    @dataclass
    class Page:
        id: str
        locked: bool | None = None

    engine = PolicyEngine.from_text("""
        package open
        entity User { banned?: bool }
        entity Page { locked?: bool }
        action read by User on Page with { by?: User }
        permit anyone: read
        forbid banned: read when subject has banned and subject.banned
        forbid locked: read when resource has locked and resource.locked
        forbid others: read when context has by and context.by has banned and context.by.banned
    """)
    engine.register(Person, "User")
    engine.register(Page, "Page")
    ann, eve, page = Person("ann"), Person("eve", banned=True), Page("p")
    assert way(engine, ann, action, page, {"by": ann})
    assert not way(engine, eve, action, page, {"by": ann})
    assert not way(engine, ann, action, Page("q", locked=True), {"by": ann})
    assert not way(engine, ann, action, page, {"by": eve})


# ---- what values mean -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "values", "expected"),
    [
        ("by_kind", {"kind": Kind.PLAIN}, True),
        ("by_kind", {"kind": Kind.ODD}, False),
        ("by_kind", {"kind": "plain"}, True),
        ("by_level", {"level": Level.HIGH}, True),
        ("by_level", {"level": 3}, False),
        ("by_scope", {"scopes": ["read", "write"]}, True),
        ("by_scope", {"scopes": {"write": 1}.keys()}, True),
        ("by_scope", {"scopes": {"read": "write"}.values()}, True),
        ("by_scope", {"scopes": frozenset(["read"])}, False),
        ("by_scope", {"scopes": ()}, False),
        ("by_scope", {"scopes": {Kind.ODD, "write"}}, True),
        ("by_home", {"home": None}, False),
        ("by_home", {"home": {"city": "Ur"}}, True),
        ("by_home", {"home": make_dataclass("Home", ["city", "zip"])("Ur", None)}, True),
        ("by_home", {"home": NamedTuple("Home", [("city", str), ("zip", str)])("Ur", "1")}, True),
        ("by_home", {"home": attrs.make_class("Home", ["city", "zip"])("Rome", None)}, False),
        ("by_home", {"home": msgspec.defstruct("Home", ["city", "zip"])("Ur", None)}, True),
        ("by_team", {"teams": None}, False),
        ("by_team", {"teams": Team("staff")}, True),
        ("by_team", {"teams": [Team("night", [Team("staff")])]}, True),
        ("by_team", {"teams": (Team("night"),)}, False),
        ("by_boss", {"boss": None}, False),
        ("by_boss", {"boss": User(2, level=4)}, True),
        ("by_boss", {"boss": User(2, level=Level.HIGH)}, True),
        ("by_active", {"active": True}, True),
    ],
)  # fmt: skip
def test_a_value_means_what_the_page_says(engine, action, values, expected):
    assert allowed(engine, action, User(**values)) is expected


@pytest.mark.parametrize("pk", [1, "1", uuid.UUID(int=1), Level.HIGH, 10**30])
def test_ids_are_texts_of_what_they_are(engine, pk):
    text = str(5) if pk is Level.HIGH else str(pk)
    assert engine.entity_of(Team(pk)).id == text
    ids = {"type": "User", "id": text}
    friend = {"type": "Document", "id": "d", "properties": {"owner": ids}}
    user = User(9, friends=[User(pk)])
    whom = {"with_whom": User(3, level=4)}
    assert engine.decide(user, "by_friend", friend, whom).allowed
    assert engine.decide(user, "by_friend", Document(1, User(pk)), whom).allowed


def test_an_id_of_a_derived_class_is_what_it_holds(engine):
    same = {"__str__": lambda _: "7", "__repr__": lambda _: "7"}
    for base, held in ((uuid.UUID, str(uuid.UUID(int=1))), (int, "1")):
        says = type("Says", (base,), same)
        assert engine.entity_of(Team(says(held))).id == held


def test_a_class_that_is_registered_late_is_read_so_by_all_that_decide():
    engine = PolicyEngine.from_text("""
        package late
        entity User { banned?: bool }
        entity Doc { open: bool }
        action read by User on Doc
        permit opened: read when resource.open
        forbid banned: read when subject has banned and subject.banned
    """)

    class Row(SimpleNamespace):
        pass

    class Page(SimpleNamespace):
        pass

    engine.register(SimpleNamespace, "User", banned=None)
    engine.register(Page, "Doc")
    sibling, bound = engine.with_store(None), engine.bind(SimpleNamespace(id="v"))
    page, late = Page(id="d", open=True, shut=False), Row(id="u", banned=True)
    asking: list[Callable[[], Any]] = [
        *(lambda one=one: one.decide(late, "read", page) for one in (engine, sibling)),
        *(lambda one=one: one.decide_many([(late, "read", page, None)])[0] for one in (engine, sibling)),
        lambda: bound.decide("read", page),
        lambda: engine.bind(SimpleNamespace(id="v"), "read").decide(page),
    ]  # fmt: skip
    for _ in range(3):
        assert all(ask().allowed for ask in asking)
    engine.register(Row, "User")
    assert [ask().allowed for ask in asking * 2] == [False, False, False, False, True, True] * 2
    engine.register(Page, "Doc", open="shut")
    assert not any(ask().allowed for ask in asking * 2)


def test_values_of_numpy_are_what_they_hold(engine):
    numpy = pytest.importorskip("numpy")
    assert allowed(engine, "by_level", User(numpy.int64(1), level=numpy.int32(4)))
    assert allowed(engine, "by_active", User(active=numpy.bool_(True)))
    assert allowed(engine, "by_scope", User(scopes=numpy.array(["write", "read"])))
    assert "PE505" in problems(engine, "by_level", User(level=numpy.float64(4)))


@pytest.mark.parametrize("make", [
    lambda: make_dataclass("Row", ["id", "level"])(1, 4),
    lambda: make_dataclass("Row", ["id", "level"], slots=True)(1, 4),
    lambda: attrs.make_class("Row", ["id", "level"])(1, 4),
    lambda: NamedTuple("Row", [("id", int), ("level", int)])(1, 4),
    lambda: msgspec.defstruct("Row", ["id", "level"])(1, 4),
    lambda: type("Row", (SimpleNamespace,), {})(id=1, level=4),
])  # fmt: skip
def test_any_class_is_registered(make):
    row, engine = make(), PolicyEngine.from_text(POLICY)
    engine.register(Document, "Document")
    engine.register(type(row), "User")
    assert allowed(engine, "by_level", row)


def test_sources_may_be_names_references_functions_and_nothing():
    engine = PolicyEngine.from_text(POLICY)
    engine.register(
        SimpleNamespace, "User", id=lambda row: f"{row.a}:{row.b}", level="rank", boss=Ref("boss_id"),
        friends=Ref(lambda row: (one for one in row.ids)), scopes=lambda row: (s for s in row.grants), home=None,
        parents=Ref("team_id"),
    )  # fmt: skip
    engine.register(Document, "Document", owner=Ref("owner"))
    row = SimpleNamespace(
        a=1, b=2, rank=4, boss_id=None, ids=[7], grants=["write"], team_id="staff"
    )
    plan = Document(1, "1:2")
    staff = {"type": "Team", "id": "staff", "parents": []}
    for _ in range(2):
        assert engine.decide(row, "by_level", plan).allowed
        assert engine.decide(row, "by_scope", plan).allowed
        assert not engine.decide(row, "by_home", plan).allowed
        assert engine.decide(row, "by_team", plan, entities=[staff]).allowed
        whom = SimpleNamespace(a=9, b=9, rank=4)
        assert not engine.decide(row, "by_friend", plan, {"with_whom": whom}).allowed
        assert engine.decide(row, "by_friend", Document(1, 7), {"with_whom": whom}).allowed
    boss = {"type": "User", "id": "8", "properties": {"level": 9}}
    row.boss_id = 8
    assert engine.decide(row, "by_boss", plan, entities=[row, boss]).allowed


def test_a_derived_class_is_read_as_what_it_derives_from(engine):
    admin = type("Admin", (User,), {})
    assert allowed(engine, "by_level", admin(level=4))
    engine.register(admin, "User", id="pk", level=lambda _: 0)
    assert not allowed(engine, "by_level", admin(level=4))


def test_every_entry_point_takes_objects(engine):
    ann = User("ann", level=4, kind=Kind.PLAIN)
    plan = Document(7, ann)
    assert [d.allowed for d in engine.decide_many([(ann, "by_level", plan, None)] * 2)] == [
        True
    ] * 2
    assert engine.explain(ann, "by_level", plan).outcome.allowed
    assert engine.partial(action="by_level", subject=ann, resource=plan, context={}).always
    assert engine.partial(action="by_level", subject=ann, resource_type="Document").always
    assert "by_level" in engine.actions(ann, plan).items
    whole = User("bob", level=4, kind="odd", boss=ann, scopes=[], home=None, active=True, name="bob",
                 friends=[], teams=[Team("staff")])  # fmt: skip
    assert engine.bind(whole).decide("by_team", plan).allowed
    staff = {"type": "Team", "id": "staff", "parents": []}
    other = User("ann", level=1, kind="odd", boss=None, scopes=[], home=None, active=True, name="a",
                 friends=[], teams=[])  # fmt: skip
    store = engine.store([staff, whole, other])
    assert store["User", "bob"].line == {("User", "bob"), ("Team", "staff")}
    assert store.with_changes([engine.entity_of(other)])["User", "ann"].level == 1


# ---- what is refused --------------------------------------------------------------------


class Lazy(User):
    @property
    def level(self) -> int:
        raise RuntimeError("the secret of the row")


@pytest.mark.parametrize(
    ("action", "user", "said"),
    [
        ("by_level", User(), "subject.properties.level: `level` of `User` cannot be read: that raised `AttributeError`"),
        ("by_level", Lazy(), "subject.properties.level: `level` of `User` cannot be read: that raised `RuntimeError`"),
        ("by_level", User(level=None), "subject.properties.level: expected an int, got null"),
        ("by_level", User(level="4"), "subject.properties.level: expected an int"),
        ("by_level", User(level=True), "subject.properties.level: expected an int"),
        ("by_level", User(level=lambda: 4), "subject.properties.level: expected an int"),
        ("by_level", User(None, level=4), "subject.id: the id is None"),
        ("by_level", User(1.5, level=4), "subject.id: expected a string, got a float"),
        ("by_level", User(True, level=4), "subject.id: expected a string, got `true`"),
        ("by_kind", User(kind=Level.HIGH), "subject.properties.kind: expected a name of `Kind`"),
        ("by_kind", User(kind="PLAIN"), "subject.properties.kind: `Kind` has no name `PLAIN`"),
        ("by_scope", User(scopes=iter(["write"])), "subject.properties.scopes: a `list_iterator` can be iterated but once"),
        ("by_scope", User(scopes=(s for s in ["write"])), "subject.properties.scopes: a `generator` can be iterated but once"),
        ("by_friend", User(friends=iter([User(7)])), "subject.properties.friends: a `list_iterator` can be iterated but once"),
        ("by_scope", User(scopes="write"), "subject.properties.scopes: expected a set, got a `str`"),
        ("by_scope", User(scopes=None), "subject.properties.scopes: expected a set, got a `NoneType`"),
        ("by_scope", User(scopes=["write", "write"]), "subject.properties.scopes[1]: the same element is at [0]"),
        ("by_home", User(home=object()), "subject.properties.home"),
        ("by_team", User(teams=["staff"]), "subject.parents[0]"),
        ("by_team", User(teams=iter([Team("staff")])), "subject.parents: a `list_iterator` can be iterated but once"),
        ("by_team", User(), "subject.parents: `teams` of `User` cannot be read: that raised `AttributeError`"),
        ("by_boss", User(boss=7), ".properties.boss: expected an entity: `Ref` says that this is the id of one"),
        ("by_boss", User(boss=Document(1, 2)), ".properties.boss.type: the type is `User` here"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_by_name(engine, action, user, said):
    text = problems(engine, action, user, User("x") if action != "by_boss" else user)
    assert said in text
    assert "secret" not in text
    whole = User("whole", level=4, kind="odd", boss=None, scopes=[], home=None, active=True, name="a",
                 friends=[], teams=[])  # fmt: skip
    assert not engine.decide(whole, action, Document(7, whole)).errors  # which opens the quick way
    assert (
        problems(engine, action, user, User("x", boss=None) if action != "by_boss" else user)
        == text
    )


class Silent(dict[str, Any]):
    """Says that it is empty, whatever it holds."""

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def keys(self) -> Any:
        return {}.keys()

    def items(self) -> Any:
        return {}.items()


@pytest.mark.parametrize("given", [{"banned": True}, Silent(banned=True)])
def test_a_record_is_what_it_holds(given):
    """As in a dict: what a derived class says of itself hides nothing from a rule that forbids."""
    engine = PolicyEngine.from_text("""
        package silent
        entity User { profile: { banned?: bool } }
        action meet by User on User
        permit anyone: meet
        forbid banned: meet when subject.profile has banned and subject.profile.banned
    """)
    eve = SimpleNamespace(id="eve", profile=given)
    said = {"type": "User", "id": "eve", "properties": {"profile": given}}
    engine.register(SimpleNamespace, "User")
    for who in (eve, said):
        assert not engine.decide(who, "meet", said).allowed
        assert not engine.bind(who).decide("meet", said).allowed


def test_what_is_private_is_in_no_problem(engine):
    assert "hush" not in problems(engine, "by_name", User(name=["hush"]))


def test_an_object_of_no_registered_class_is_refused(engine):
    said = problems(engine, "by_level", SimpleNamespace(pk=1))
    assert "subject: expected an entity or an object of a registered class, got" in said
    assert "expected an entity, got the string `pk`" in problems(engine, "by_level", "pk")
    with pytest.raises(TypeError, match="register"):
        engine.entity_of(SimpleNamespace())


class Lying(type):
    def __hash__(cls) -> int:
        raise RuntimeError

    def __eq__(cls, other: object) -> bool:
        return True


class Odd:
    @property
    def type(self) -> str:
        raise RuntimeError("the secret of the row")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None


@pytest.mark.parametrize(
    "part", [Odd(), Lying("Liar", (), {})(), Odd, type("D", (dict,), {"get": 1})()]
)
def test_objects_that_fail_whatever_they_are_asked_are_refused(engine, part):
    for subject, document in ((part, Document(1, User(2))), (User(1, level=4), part)):
        with pytest.raises(InvalidRequest) as refused:
            engine.decide(subject, "by_level", document)
        assert "secret" not in str(refused.value)
    for values in (
        {"level": part},
        {"teams": [part]},
        {"teams": part},
        {"boss": part},
        {"scopes": [part]},
    ):
        for action in ("by_level", "by_team", "by_boss", "by_scope"):
            user = User(1, **{"level": 4, "teams": [], "boss": None, "scopes": ["write"], **values})
            read = {
                "by_level": "level",
                "by_team": "teams",
                "by_boss": "boss",
                "by_scope": "scopes",
            }
            if read[action] in values:
                assert "secret" not in problems(engine, action, user)


def test_an_id_of_very_many_digits_is_refused(engine):
    assert "subject.id" in problems(engine, "by_level", User(10**9_000, level=4))
    engine = PolicyEngine.from_text(POLICY)
    engine.register(User, "User", id="pk", parents=Ref("team"))
    engine.register(Document, "Document")
    assert "subject.parents" in problems(engine, "by_team", User(1, team=10**9_000))


def test_two_objects_of_one_entity_that_differ_contradict(engine):
    ann, same = User("ann", level=4, boss=None), User("ann", level=9, boss=None)
    boss = User("ann", boss=User("ann", level=9), level=4)
    assert "PE510" in problems(engine, "by_boss", User("x"), boss)
    assert not allowed(engine, "by_boss", ann, same)


@pytest.mark.parametrize(
    ("arguments", "given", "error", "text"),
    [
        ((dict, "User"), {}, TypeError, "a class of your own"),
        ((User(), "User"), {}, TypeError, "a class of your own"),
        ((User, "Usr"), {}, ValueError, "no entity type 'Usr'"),
        ((User, "User"), {"levle": "level"}, ValueError, "`User` has no attribute 'levle'"),
        ((User, "User"), {"level": 5}, TypeError, "`level` is the name of an attribute"),
        ((User, "User"), {"level": Ref("x")}, ValueError, "`level` refers to no entity"),
        ((User, "User"), {"boss": Ref("x", "Team")}, ValueError, "one of the types User"),
        ((User, "User"), {"id": None}, TypeError, "`id` is what gives the id"),
        ((Document, "Document"), {"parents": Ref("x")}, ValueError, "`parents` refers to no entity"),
    ],
)  # fmt: skip
def test_registering_what_there_is_not_is_refused(arguments, given, error, text):
    with pytest.raises(error, match=text):
        PolicyEngine.from_text(POLICY).register(*arguments, **given)


def test_a_chain_without_an_end_is_not_followed():
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Document, "Document")
    engine.register(User, "User", id="pk", parents=lambda _: [Team("x")])
    engine.register(Team, "Team", id=lambda one: str(id(one)), parents=lambda one: [Team("x")])
    with pytest.raises(InvalidRequest):
        engine.decide(User(1), "by_team", Document(1, User(2)))


def test_classes_go_with_the_engine_and_those_that_derive_before():
    engine = PolicyEngine.from_text(POLICY)
    engine.register(User, "User", id="pk")
    made = type("Derived", (User,), {})
    row = type("Row", (), {"id": 1, "level": 4})
    engine.register(row, "User")
    engine.register(Document, "Document")
    assert engine.decide(row(), "by_level", Document(1, row())).allowed
    refs = [weakref.ref(made), weakref.ref(row)]
    del made
    gc.collect()
    assert refs[0]() is None
    del engine, row
    gc.collect()
    assert refs[1]() is None
    assert mapped_classes.BUILT_IN


# ---- rows of SQLAlchemy -----------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int]
    name: Mapped[str] = mapped_column(default="ann", deferred=True)
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    boss: Mapped[Person | None] = relationship(remote_side="Person.id")


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    owner: Mapped[Person] = relationship()


@pytest.fixture
def rows():
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    with Session(database) as session:
        session.add_all(
            [Person(id=1, level=5), Person(id=2, level=1, boss_id=1), Page(id=7, owner_id=2)]
        )
        session.commit()
    with Session(database) as session:
        yield session


def test_rows_are_read_no_further_than_rules_read(rows):
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Person, "User")
    engine.register(Page, "Document")
    by_id = PolicyEngine.from_text(POLICY)
    by_id.register(Person, "User", boss=Ref("boss_id"))
    by_id.register(Page, "Document", owner=Ref("owner_id"))
    person, page = rows.get(Person, 1), rows.get(Page, 7)
    for _ in range(2):
        assert by_id.decide(person, "by_level", page).allowed
        assert "name" not in person.__dict__
        assert "owner" not in page.__dict__
        assert engine.decide(person, "by_level", page).allowed
        assert "owner" not in page.__dict__
    assert engine.decide(person, "by_boss", page).allowed
    assert engine.decide(person, "by_name", page).allowed
    assert not engine.decide(page.owner, "by_level", page).allowed


def test_a_row_that_lost_its_session_is_a_problem_that_names_it(rows):
    engine = PolicyEngine.from_text(POLICY)
    engine.register(Person, "User")
    engine.register(Page, "Document")
    person, page = rows.get(Person, 1), rows.get(Page, 7)
    rows.expunge_all()
    assert engine.decide(person, "by_level", page).allowed
    for action, said in (
        ("by_name", "subject.properties.name"),
        ("by_boss", "resource.properties.owner"),
    ):
        with pytest.raises(InvalidRequest, match=said) as refused:
            engine.decide(person, action, page)
        assert "DetachedInstanceError" in str(refused.value)
