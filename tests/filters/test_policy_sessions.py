"""Hold that a session does what a policy says of each row: tenants, folders, shares, fields and times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    String,
    column,
    create_engine,
    delete,
    exists,
    func,
    literal_column,
    select,
    table,
    update,
)  # fmt: skip
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

from policyengine import InvalidRequest, PolicyEngine, StaleSubject
from policyengine.filters import authorized_session
from policyengine.filters.authorized_session import AccessRefused, authorized
from policyengine.filters.governed_tables import GovernedTables, Verbs
from policyengine.filters.governing import SubjectRows
from policyengine.filters.mapped_tables import MappedTables
from policyengine.filters.mapping import (
    ClosureTable,
    EntityTable,
    SetTable,
    StoredColumn,
    map_tables,
)
from policyengine.filters.predicates import NotPushable
from policyengine.filters.sqlalchemy_types import Instant
from tests.filters.governed_world import DATABASES

POLICY = """
package documents
entity User { tenant: string, hr: bool }
entity Folder in Folder { tenant: string, editors: set<User> }
entity Document in Folder {
    tenant: string, owner: User, shared_with: set<User>, salary?: int, opens?: datetime, odd?: string,
}
action read, list, write, create, remove, strange by User on Document
action see by User on Folder

gate rows "what may be done" for read, list, write, create, remove, strange, see
field gate view "which fields may be seen" for read, list, see

gate rows {
    permit same_tenant: read, list
        when resource.tenant == subject.tenant
         and (not resource has opens or resource.opens <= now)
    permit own: write, create, remove when resource.owner == subject and resource.tenant == subject.tenant
    permit shared: write
        when subject in resource.shared_with and resource.tenant == subject.tenant
    permit editor: write
        when some f in ancestors(resource, Folder): subject in f.editors
    permit odd: strange when resource has odd and lower(resource.odd) == "x"
    permit same: see when resource.tenant == subject.tenant
}
gate view {
    permit most: read, list fields id, tenant, owner, shared_with, opens, odd
    permit folder: see fields all
    expose pay: read, list when subject.hr or resource.owner == subject fields salary
}
"""


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    hr: Mapped[bool]


class Folder(Base):
    __tablename__ = "folders"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("folders.id"))
    docs: Mapped[list[Document]] = relationship(back_populates="folder", order_by="Document.id")


class Editor(Base):
    __tablename__ = "editors"
    folder_id: Mapped[str] = mapped_column(ForeignKey("folders.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)


class Share(Base):
    __tablename__ = "shares"
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)


class Document(Base):
    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    owner_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    folder_id: Mapped[str | None] = mapped_column(ForeignKey("folders.id"))
    salary: Mapped[int | None] = mapped_column(deferred=True)
    opens: Mapped[datetime | None] = mapped_column(Instant)
    odd: Mapped[str | None]
    title: Mapped[str] = mapped_column(default="untitled")  # which the policy does not know
    owner: Mapped[User] = relationship()
    folder: Mapped[Folder | None] = relationship(back_populates="docs")
    shares: Mapped[list[Share]] = relationship(cascade="all, delete-orphan")


ENGINE = PolicyEngine.from_text(POLICY)
MAPPING = map_tables(
    ENGINE.schema,
    {
        "User": EntityTable("users", attributes={"tenant": "tenant", "hr": "hr"}, checked=True),
        "Folder": EntityTable(
            "folders",
            attributes={"tenant": "tenant", "editors": SetTable("editors", "folder_id", "user_id")},
            parents={"Folder": "parent_id"},
            checked=True,
        ),
        "Document": EntityTable(
            "documents",
            StoredColumn("id", kind="int"),
            {
                "tenant": "tenant", "owner": "owner_id", "salary": "salary", "opens": "opens", "odd": "odd",
                "shared_with": SetTable("shares", "document_id", "user_id"),
            },
            {"Folder": "folder_id"},
            checked=True,
        ),
    },
)  # fmt: skip
TABLES = MappedTables(
    MAPPING,
    {
        Document: Verbs(select="list", insert="create", update="write", delete="remove"),
        Folder: Verbs(select="see"),
        User: None,
    },
)
ANN = {"type": "User", "id": "ann", "properties": {"tenant": "a", "hr": False}}
SUE = {"type": "User", "id": "sue", "properties": {"tenant": "a", "hr": True}}


@pytest.fixture(params=DATABASES)
def database(request) -> Iterator[Any]:
    of_postgres = request.param == "postgresql"
    engine = request.getfixturevalue("postgresql") if of_postgres else create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(User(id=n, tenant="a", hr=n == "sue") for n in ("ann", "bob", "sue"))
        session.add_all([Folder(id="top", tenant="a"), Folder(id="other", tenant="b")])
        session.flush()
        session.add_all(
            [Folder(id="deep", tenant="a", parent_id="top"), Editor(folder_id="top", user_id="ann")]
        )
        rows = [
            (1, "a", "ann", None),
            (2, "a", "bob", None),
            (3, "b", "ann", None),
            (4, "a", "bob", "deep"),
        ]
        session.add_all(
            Document(id=n, tenant=t, owner_id=o, folder_id=f, salary=n) for n, t, o, f in rows
        )
        late = datetime.now(UTC) + timedelta(days=1)
        session.add(
            Document(id=5, tenant="a", owner_id="bob", opens=late, shares=[Share(user_id="ann")])
        )
        session.add(
            Document(
                id=6,
                tenant="a",
                owner_id="bob",
                opens=late - timedelta(days=2),
                shares=[Share(user_id="ann")],
            )
        )
        session.commit()
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


def session_of(database: Any, subject: Any = ANN, **options: Any) -> Session:
    return authorized(Session(database), ENGINE.bind(subject), TABLES, **options)


def stored(database: Any) -> list[tuple[Any, ...]]:
    of = Document.__table__.c
    with database.connect() as connection:
        found = connection.execute(select(of.id, of.tenant, of.owner_id, of.title))
        return sorted(map(tuple, found))


def refused(session: Session, change: Any, message: str | None = None) -> None:
    def make() -> None:
        change(session)
        session.commit()

    with pytest.raises(AccessRefused, match=message):
        make()
    session.rollback()


def test_rows_are_read_as_the_policy_says(database):
    with session_of(database) as session:
        assert [d.id for d in session.scalars(select(Document))] == [1, 2, 4, 6]
        assert session.get(Document, 3) is None
        assert [f.id for f in session.scalars(select(Folder).order_by(Folder.id))] == [
            "deep",
            "top",
        ]
        found = session.scalars(
            select(Folder).options(selectinload(Folder.docs)).order_by(Folder.id)
        )
        assert [[d.id for d in folder.docs] for folder in found] == [[4], []]
        assert session.scalar(select(func.count()).select_from(Document)) == 4
        assert session.get_one(Document, 2).owner.id == "bob"
        assert [s.document_id for s in session.scalars(select(Share))] == [6]


def test_rows_are_written_as_the_policy_says(database):
    with session_of(database) as session:
        held = session.scalars(select(Document)).all()
        for doc in held:
            if doc.id != 2:
                doc.title = "mine"
        session.commit()
        refused(
            session, lambda s: setattr(s.get_one(Document, 2), "title", "x"), "may not be changed"
        )
        refused(
            session,
            lambda s: setattr(s.get_one(Document, 1), "tenant", "b"),
            "may not be written so",
        )
        refused(session, lambda s: setattr(s.get_one(Document, 1), "owner_id", "bob"))
        refused(session, lambda s: s.delete(s.get_one(Document, 4)), "delete")
        refused(
            session,
            lambda s: s.add(Document(id=8, tenant="b", owner_id="ann")),
            "`create` is not allowed",
        )
        session.add(Document(id=9, tenant="a", owner_id="ann"))
        session.delete(session.get_one(Document, 1))
        session.commit()
        refused(session, lambda s: s.add(Document(id=12, tenant="a", owner_id="bob", shares=[])))
        refused(session, lambda s: setattr(s.get_one(Document, 4), "folder", None))
        refused(session, lambda s: s.delete(s.get_one(Share, (6, "ann"))))
        own = session.get_one(Document, 9)
        own.shares.append(Share(user_id="bob"))
        session.commit()
        refused(session, lambda s: s.add(Share(document_id=2, user_id="ann")))
        assert session.execute(update(Document).values(title="all")).rowcount == 3
        session.commit()
        refused(session, lambda s: s.execute(update(Document).values(tenant="b")))
        assert session.execute(delete(Share).where(Share.document_id == 9)).rowcount == 1
        assert session.execute(delete(Document)).rowcount == 1
        session.commit()
    assert stored(database) == [
        (2, "a", "bob", "untitled"), (3, "b", "ann", "untitled"), (4, "a", "bob", "all"), (5, "a", "bob", "untitled"),
        (6, "a", "bob", "all"),
    ]  # fmt: skip


def test_each_row_is_read_if_it_is_decided_so(database):
    for who in ("ann", "bob", "sue"):
        subject = {"type": "User", "id": who, "properties": {"tenant": "a", "hr": who == "sue"}}
        with Session(database) as plain:
            allowed = [
                doc.id
                for doc in plain.scalars(select(Document).order_by(Document.id))
                if ENGINE.decide(subject, "list", _entity(doc), {}).allowed
            ]
        with session_of(database, subject) as session:
            assert session.scalars(select(Document.id).order_by(Document.id)).all() == allowed


def _entity(doc: Document) -> dict[str, Any]:
    given = {
        "tenant": doc.tenant,
        "owner": {"type": "User", "id": doc.owner_id},
        "opens": doc.opens,
    }
    given["shared_with"] = [{"type": "User", "id": s.user_id} for s in doc.shares]
    return {
        "type": "Document",
        "id": str(doc.id),
        "properties": {k: v for k, v in given.items() if v is not None},
    }


# ---- fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda s: s.scalars(select(Document.salary)).all(),
        lambda s: s.scalars(select(Document.id).where(Document.salary > 1)).all(),
        lambda s: s.scalars(select(Document.id).order_by(Document.salary)).all(),
        lambda s: s.get_one(Document, 1).salary,
        lambda s: s.refresh(s.get_one(Document, 1), ["salary"]),
        lambda s: s.scalar(select(func.max(Document.__table__.c.salary))),
        lambda s: s.scalars(select(Document.__table__.alias().c.salary)).all(),
        lambda s: s.execute(update(Document).values(title="x").where(Document.salary == 1)),
        lambda s: s.execute(update(Document).values(title="x").returning(Document.salary)),
        lambda s: s.execute(update(Document).values(odd=Document.salary)),
        lambda s: s.scalars(delete(Document).returning(Document.salary)).all(),
    ],
)  # fmt: skip
def test_columns_that_a_field_gate_may_hide_are_not_read(database, read):
    with session_of(database) as session:
        refused(session, read, "`documents.salary` may be hidden")


NAMESAKE = table("documents", column("salary"))
OTHERWISE = select(Folder.id.label("salary")).subquery("documents")


@pytest.mark.parametrize(
    "read",
    [
        column("salary"),
        Column("salary", Integer),
        literal_column("*"),
        column("salary").label("title"),
        func.max(column("salary")),
        NAMESAKE.c.salary,
        OTHERWISE.c.salary,
        Document.__table__.alias("documents").c.salary,
        table("old", column("salary")).c.salary,
        Document.__table__.table_valued(),
        select(column("salary")).scalar_subquery(),
        select(column("salary")).select_from(Folder).limit(1).scalar_subquery(),
    ],
    ids=lambda read: type(read).__name__,
)
def test_columns_of_a_changed_table_are_not_read_by_other_names(database, read):
    with session_of(database) as session:
        for change in (
            update(Document).values(title="x").returning(read),
            update(Document).values(title=read),
            delete(Document).returning(read),
            delete(Document).where(column("salary") == 1),
        ):
            with pytest.raises(AccessRefused):
                session.execute(change, execution_options={"synchronize_session": False})
            session.rollback()
        asked = exists().where(Folder.id == Document.folder_id)
        count = select(func.count()).select_from(Folder).scalar_subquery()
        counted = update(Document).values(odd=count.cast(String)).where(asked)
        assert session.execute(counted.returning(Document.odd)).all() == [("2",)]


def test_fields_that_are_asked_for_are_read_of_rows_that_expose_them(database):
    with session_of(database, fields={Document: ["salary"]}) as session:
        assert session.execute(select(Document.id, Document.salary)).all() == [(1, 1)]
        assert session.get_one(Document, 1).salary == 1
    with session_of(database, SUE) as session:  # to whom it is not hidden
        assert session.scalars(select(Document.salary).order_by(Document.id)).all() == [
            1,
            2,
            4,
            None,
        ]


def test_fields_that_are_asked_for_hide_nothing_that_all_rows_show():
    most = "permit most: read, list fields id, tenant, owner, shared_with, opens, odd"
    views = """
        permit theirs: list when resource.owner == subject fields id, tenant, owner, shared_with, opens, odd
        permit shared: list when subject in resource.shared_with fields id, tenant, owner, shared_with, opens
        expose odd_pay: list when resource has odd fields salary
    """
    engine = PolicyEngine.from_text(POLICY.replace(most, views))
    rows = SubjectRows(
        engine.bind(ANN),
        map_tables(engine.schema, MAPPING.tables),
        {"Document": Verbs(select="list")},
        context={},
        entities=None,
        fields={"Document": ["salary"]},
    )
    assert rows.allowed("Document", "list").hidden == {"odd"}


def test_fields_of_what_is_not_governed_are_refused(database):
    with pytest.raises(ValueError, match="`User` is not governed"):
        session_of(database, fields={User: ["hr"]})


def test_what_is_hidden_is_written_as_the_rest_is(database):
    with session_of(database) as session:
        session.get_one(Document, 1).salary = 7
        session.commit()
        session.execute(update(Document).values(salary=8).where(Document.id == 4))
        session.commit()
    with Session(database) as plain:
        assert [plain.get_one(Document, n).salary for n in (1, 4)] == [7, 8]


# ---- what cannot be ---------------------------------------------------------------------


@pytest.mark.parametrize("subject", [ANN, {"type": "User", "id": "ann"}, None, ENGINE])
def test_a_subject_that_is_not_bound_is_refused_at_once(database: Any, subject: Any):
    session = Session(database)
    with pytest.raises(TypeError, match="a subject is bound"):
        authorized(session, subject, TABLES)
    assert type(session) is Session
    session.close()


def test_a_table_whose_class_is_not_named_is_not_read(database):
    tables = MappedTables(MAPPING, {Document: Verbs(select="list")})
    with authorized(Session(database), ENGINE.bind(ANN), tables) as session:
        assert len(session.scalars(select(Document)).all()) == 4
        for kind in (User, Folder, Editor):
            with pytest.raises(AccessRefused, match="no class is governed whose rows are in"):
                session.scalars(select(kind)).all()
        with pytest.raises(AccessRefused, match="no class is governed"):
            session.scalars(select(Document).join(Document.owner)).all()


def test_a_condition_that_cannot_be_said_is_refused_where_it_is_needed(database):
    tables = MappedTables(MAPPING, {Document: Verbs(select="strange"), Folder: Verbs(select="see")})
    with authorized(Session(database), ENGINE.bind(ANN), tables) as session:
        assert len(session.scalars(select(Folder)).all()) == 2
        with pytest.raises(NotPushable):
            session.scalars(select(Document)).all()
        assert len(session.scalars(select(Folder)).all()) == 2


@pytest.mark.parametrize(
    ("verbs", "message"),
    [
        ({Document: Verbs(select="reed")}, "no action `reed` on Document"),
        ({Folder: Verbs(select="read")}, "no action `read` on Folder"),
        ({Share: Verbs(select="read")}, "no table `shares`, of `Share`"),
    ],
)
def test_what_cannot_be_governed_is_refused(verbs, message):
    with pytest.raises(ValueError, match=message):
        MappedTables(MAPPING, verbs)


def mapped(**types: EntityTable) -> Any:
    return map_tables(ENGINE.schema, {**MAPPING.tables, **types})


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (EntityTable("documents", StoredColumn("id", kind="int")), "`documents` is the table of several types"),
        (EntityTable("folders", attributes={"editors": SetTable("shares", "user_id", "user_id")}), "rows of `shares` are parts of two classes"),
    ],
)  # fmt: skip
def test_what_a_mapping_says_twice_is_refused(folders, message):
    with pytest.raises(ValueError, match=message):
        MappedTables(mapped(Folder=folders), {Document: Verbs("list"), Folder: Verbs("see")})


def test_a_class_without_a_table_is_refused():
    class Plain(Base):
        __table__ = select(Document.__table__).subquery()
        __mapper_args__ = {"primary_key": [__table__.c.id]}  # noqa: RUF012 - as SQLAlchemy reads it

    try:
        with pytest.raises(ValueError, match="`Plain` is not mapped to a table"):
            GovernedTables({Plain: Verbs("list")})
    finally:
        Base.registry._dispose_cls(Plain)


def test_rows_of_closure_tables_are_parts_of_those_below(database):
    above = ClosureTable("editors", "folder_id", "user_id")  # a table with two columns
    tables = MappedTables(
        mapped(Folder=EntityTable("folders", attributes={"tenant": "tenant"}, parents={"Folder": above}, checked=True)),
        {Folder: Verbs("see"), Document: None, User: None},
    )  # fmt: skip
    with Session(database) as plain:
        plain.add(Editor(folder_id="other", user_id="bob"))
        plain.commit()
    with authorized(Session(database), ENGINE.bind(ANN), tables) as session:
        assert session.scalars(select(Editor.folder_id)).all() == ["top"]
        refused(
            session, lambda s: s.add(Editor(folder_id="top", user_id="bob")), "no action is named"
        )


def test_an_id_that_may_be_hidden_is_not_read(database):
    engine = PolicyEngine.from_text(POLICY.replace("fields id, tenant", "fields tenant"))
    mapping = map_tables(engine.schema, MAPPING.tables)
    tables = MappedTables(mapping, {Document: Verbs("list"), User: None})
    with authorized(Session(database), engine.bind(ANN), tables) as session:
        assert len(session.scalars(select(Document.tenant)).all()) == 4
        with pytest.raises(AccessRefused, match=r"`documents\.id` may be hidden"):
            session.scalars(select(Document)).all()
        assert session.scalars(select(Share.user_id)).all() == ["ann"]
        with pytest.raises(AccessRefused, match=r"`shares\.document_id` may be hidden"):
            session.scalars(select(Share.document_id)).all()


def test_no_more_rows_are_changed_at_once_than_can_be_asked(database, monkeypatch):
    monkeypatch.setattr(authorized_session, "_MOST_CHANGED", 1)
    with session_of(database) as session:
        assert (
            session.execute(update(Document).values(title="x").where(Document.id == 1)).rowcount
            == 1
        )
        refused(
            session, lambda s: s.execute(update(Document).values(title="x")), "more than 1 rows"
        )


def test_a_subject_that_does_not_fit_reads_nothing(database):
    with (
        session_of(database, {"type": "User", "id": "ann"}) as session,
        pytest.raises(InvalidRequest),
    ):
        session.scalars(select(Document)).all()


def test_a_subject_that_was_bound_too_long_ago_reads_nothing(database):
    bound = ENGINE.bind(ANN, max_age=timedelta(microseconds=1))
    with authorized(Session(database), bound, TABLES) as session, pytest.raises(StaleSubject):
        session.scalars(select(Document)).all()


def test_what_opens_with_time_is_read_when_it_has(database):
    with session_of(database) as session:
        assert session.get(Document, 5) is None
        with Session(database) as plain:
            plain.get_one(Document, 5).opens = datetime.now(UTC)
            plain.commit()
        assert session.get_one(Document, 5).id == 5


def test_tables_may_be_in_schemas():
    engine = create_engine("sqlite://").execution_options(schema_translate_map={None: "main"})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(User(id="ann", tenant="a", hr=False))
        session.flush()
        session.add_all(Document(id=n, tenant=t, owner_id="ann") for n, t in ((1, "a"), (2, "b")))
        session.commit()
    with session_of(engine) as session:
        assert [d.id for d in session.scalars(select(Document))] == [1]
        assert session.scalars(
            select(User.id).join(Document, Document.owner_id == User.id)
        ).all() == ["ann"]
        assert (
            session.execute(
                update(Document).values(title="x").where(Document.title != "y")
            ).rowcount
            == 1
        )
        session.commit()
        session.get_one(Document, 1).title = "z"
        session.commit()
        refused(session, lambda s: s.add(Document(tenant="b", owner_id="ann")))
        assert session.execute(delete(Document).where(Document.id > 0)).rowcount == 1
        session.commit()
    engine.dispose()
