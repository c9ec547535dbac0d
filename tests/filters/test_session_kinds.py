"""Hold the promise of sessions for other models, and for sessions that a program has made its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import (
    Column,
    Delete,
    FetchedValue,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    create_engine,
    delete,
    event,
    insert,
    literal,
    quoted_name,
    select,
    union_all,
    update,
)  # fmt: skip
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    make_transient_to_detached,
    mapped_column,
    registry,
    relationship,
    sessionmaker,
)

from policyengine import PolicyEngine
from policyengine.filters.authorized_session import AccessRefused, authorize, authorized
from policyengine.filters.governed_tables import Condition, GovernedTables, PartOf, Verbs
from policyengine.filters.mapped_tables import MappedTables
from policyengine.filters.mapping import EntityTable, SetTable, StoredColumn, map_tables
from tests.filters.governed_world import (
    DOC,
    DOC_TAG,
    GOVERNED,
    Doc,
    Folder,
    Mine,
    Note,
    Tag,
    filled,
    stored,
)

ALL = Verbs("read", "create", "edit", "remove")


@pytest.fixture
def engine() -> Iterator[Any]:
    made = filled()
    yield made
    made.dispose()


# ---- conditions -------------------------------------------------------------------------


class Tagged:
    """Rules by which the caller does everything with documents that have the tag 2."""

    def condition(self, entity: type, action: str) -> Condition:
        tags = select(DOC_TAG.c.doc_id).where(DOC_TAG.c.doc_id == DOC.c.id, DOC_TAG.c.tag_id == 2)
        return Condition(tags.correlate(DOC).exists())

    def decide(self, instance: Any, action: str) -> None:
        return None


GOVERNED_ALONE = GovernedTables({Doc: ALL})


@pytest.mark.parametrize("governed", [GOVERNED, GOVERNED_ALONE])
@pytest.mark.parametrize("name", ["doc_tag", "DOC_TAG"])
@pytest.mark.parametrize("statement", [select(Doc), update(Doc).values(title="x"), delete(Doc)])
def test_no_common_table_takes_the_place_of_one_that_a_condition_reads(
    engine, governed, name, statement
):
    forged = [select(literal(n).label("doc_id"), literal(2).label("tag_id")) for n in (3, 4)]
    before = stored(engine)
    with authorize(Session(engine), Tagged(), governed) as session:
        forgery = union_all(*forged)
        harmless = select(Doc.id).add_cte(forgery.cte("x")), select(forgery.cte("x").alias(name))
        assert [session.scalars(one).all() for one in harmless] == [[5], [3, 4]]
        for common in (forgery.cte(name), forgery.cte(name).alias("x").alias("y")):
            with pytest.raises(AccessRefused, match="has the name of another table"):
                session.execute(statement.add_cte(common))
        session.rollback()
    assert stored(engine) == before


# ---- sessions ---------------------------------------------------------------------------


class Routing(Session):
    """A session that reads from one database, and writes to another."""

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **_: Any) -> Any:
        writes = self._flushing or isinstance(clause, Update | Delete)
        return self.info["main" if writes else "copy"]


def test_what_is_written_is_asked_where_it_is_written(tmp_path):
    main, copy = (filled(f"sqlite:///{tmp_path}/{name}.db") for name in ("main", "copy"))
    before = stored(main)
    with authorize(Routing(info={"main": main, "copy": copy}), Mine(), GOVERNED) as session:
        with pytest.raises(AccessRefused, match=r"may not be written so"):
            session.execute(update(Doc).values(owner="other"))
        assert stored(main) == before
        session.execute(update(Doc).values(title="x"))
        session.get_one(Note, 1).text = "x"
        session.commit()
    assert [row[3] for row in stored(main)["doc"]] == ["x", "x", "secret3", "secret4", "x"]
    binds = {Doc: main, Note: copy}
    with authorize(Session(binds=binds), Mine(), GOVERNED) as session:
        session.get_one(Note, 2).text = "x"
        with pytest.raises(AccessRefused, match="rows of `note` are written to another database"):
            session.commit()
    for one in (main, copy):
        one.dispose()


class Owned(Session):
    """A session with methods of its own, which do not call those of the class that it becomes."""

    def save(self) -> None:
        super().flush()

    def insert_all(self, rows: list[dict[str, Any]]) -> None:
        super().bulk_insert_mappings(Doc, rows)


def test_what_a_session_calls_of_its_class_is_checked(engine):
    with engine.connect() as connection:
        session = authorize(Owned(connection), Mine(), GOVERNED)
        with pytest.raises(AccessRefused, match="bulk methods"):
            session.insert_all([{"id": 9, "owner": "other", "title": "x"}])
    session = authorize(Owned(engine), Mine(), GOVERNED)
    session.add(Doc(id=9, owner="other"))
    with pytest.raises(AccessRefused, match="`create` is not allowed"):
        session.save()
    session.expunge_all()
    with pytest.raises(AccessRefused, match="was not run by the session"):
        session.get_transaction().connection(None).execute(select(DOC.c.id))
    session.close()


def test_listeners_of_a_flush_change_rows_by_statements(engine):
    def change(session: Session, *_: Any) -> None:
        session.execute(delete(Note))
        session.execute(update(Doc).values(folder_id=2))

    with authorize(Session(engine), Mine(), GOVERNED) as session:
        event.listen(session, "before_flush", change)
        session.get_one(Doc, 1).title = "x"
        session.commit()
    rows = stored(engine)
    assert [row[0] for row in rows["note"]] == [3]
    assert [(row[3], row[4]) for row in rows["doc"]] == [
        ("x", 2), ("secret2", 2), ("secret3", 1), ("secret4", 2), ("mine", 2),
    ]  # fmt: skip


def test_what_a_listener_kept_for_others_is_refused(engine):
    kept: dict[str, Any] = {}
    maker = sessionmaker(engine)

    def keep(state: Any) -> Any:
        key = str(state.statement)
        if key not in kept:
            kept[key] = state.invoke_statement().freeze()
        return kept[key]()

    event.listen(maker, "do_orm_execute", keep)
    titles, tags = select(Doc.title), select(Tag.id)
    with authorize(maker(), Mine(), GOVERNED) as session:
        assert len(session.scalars(titles).all()) == 3  # the first who asks
        assert session.scalars(tags).all() == session.scalars(tags).all() == [1, 2]
        for ask in (session.scalar, session.scalars, session.execute):
            with pytest.raises(AccessRefused, match="a listener that kept them") as refused:
                ask(titles)
            assert refused.value.waiver == "held objects"
    with authorize(maker(), Mine(), GOVERNED, waive=["held objects"]) as session:
        assert len(session.scalars(titles).all()) == 3


def test_errors_are_without_values_of_rows(engine):
    said: dict[type[DBAPIError], str] = {
        DataError: "a value does not fit what is computed with it",
        IntegrityError: 'invalid: "secret"',
    }

    def fail(_: Any) -> None:
        orig = Exception('invalid: "secret"\nDETAIL: Failing row contains (1, secret).')
        raise error("select 1", {"n": "private"}, orig)

    with authorize(Session(engine), Mine(), GOVERNED) as session:
        event.listen(session, "do_orm_execute", fail)
        for error, text in said.items():
            with pytest.raises(error) as refused:
                session.execute(select(1))
            lines = str(refused.value).splitlines()
            assert lines[0].endswith(f") {text}")
            assert "DETAIL" not in str(lines)
            assert "private" not in str(lines)


class Namesake(DeclarativeBase):
    pass


class Other(Namesake):
    __tablename__ = "doc"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="doc")
    owner: Mapped[str]
    title: Mapped[str] = mapped_column(default="new")


class Unquoted(Namesake):
    __table__ = Table(
        quoted_name("main.doc", quote=False),
        Namesake.metadata,
        *(c._copy() for c in Other.__table__.c),
    )


OTHER: Any = Other.__table__


def detached(kind: Any) -> Any:
    """Pretend that a session read the hidden document."""
    one = kind(id=3)
    make_transient_to_detached(one)
    return one


@pytest.mark.parametrize("kind", [Other, Unquoted])
@pytest.mark.parametrize(
    "write",
    [
        lambda s, kind: s.add(kind(id=9, owner="other")),
        lambda s, kind: s.add(one := detached(kind)) or setattr(one, "title", "x"),
        lambda s, kind: s.add(one := detached(kind)) or s.delete(one),
        lambda s, kind: s.execute(insert(kind).values(id=9, owner="other")),
        lambda s, kind: s.execute(insert(kind.__table__).values(id=9, owner="other")),
        lambda s, kind: s.execute(insert(kind), [{"id": 9, "owner": "other"}]),
        lambda s, kind: s.execute(update(kind), [{"id": 3, "title": "x"}]),
        lambda s, kind: s.execute(update(kind.__table__).values(title="x")),
        lambda s, kind: s.execute(delete(kind.__table__)),
        lambda s, kind: s.bulk_insert_mappings(kind, [{"id": 9, "owner": "other"}]),
        lambda s, kind: s.bulk_save_objects([detached(kind)]),
    ],
)
def test_nothing_is_written_by_another_description_of_a_table(engine, kind, write):
    before = stored(engine)
    with authorize(Session(engine), Mine(), GOVERNED) as session:
        with pytest.raises(AccessRefused) as refused:
            (write(session, kind), session.commit())
        assert refused.value.waiver == ("core" if kind is Other else "text")
        session.rollback()
    assert stored(engine) == before


def test_bulk_methods_write_what_is_not_governed(engine):
    with authorize(Session(engine), Mine(), GOVERNED) as session:
        session.bulk_insert_mappings(Folder, [{"id": 9, "name": "x"}])
        session.bulk_save_objects([Folder(id=10)])
        session.bulk_update_mappings(Folder, [{"id": 9, "name": "y"}])
        session.commit()
        for title in (select(DOC.c.title).limit(1).scalar_subquery(), DOC.c.title):
            with pytest.raises(DBAPIError):
                session.bulk_insert_mappings(Folder, [{"id": 11, "name": title}])
            session.rollback()
    assert stored(engine)["folder"][2:] == [(9, "y"), (10, "f")]


# ---- models -----------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    papers: Mapped[list[Paper]] = relationship()


class Paper(Base):
    __tablename__ = "paper"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owner: Mapped[str]
    title: Mapped[str] = mapped_column(default="new")
    secret: Mapped[str] = mapped_column(
        server_default="hidden", server_onupdate=FetchedValue(), deferred=True
    )
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    __mapper_args__ = {  # noqa: RUF012 - as SQLAlchemy reads it
        "polymorphic_on": "kind", "polymorphic_identity": "paper", "eager_defaults": True,
    }  # fmt: skip


class Letter(Paper):
    __mapper_args__ = {"polymorphic_identity": "letter"}  # noqa: RUF012 - as above


class Bill(Paper):
    __tablename__ = "bill"
    id: Mapped[int] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    payer: Mapped[str]
    __mapper_args__ = {"polymorphic_identity": "bill"}  # noqa: RUF012 - as above


PAPER: Any = Paper.__table__


@pytest.mark.parametrize("verbs", [{Paper: ALL, Bill: ALL}, {Bill: ALL}])
def test_a_class_whose_rows_are_in_several_tables_goes_with_the_class_above(verbs):
    with pytest.raises(ValueError, match="`Bill` has rows in several tables: govern the class"):
        GovernedTables(verbs)


def test_a_table_is_governed_by_one_class():
    with pytest.raises(ValueError, match="two classes of one table"):
        GovernedTables({Paper: ALL, Letter: Verbs("all")})
    mapping = map_tables(POLICY.schema, {"Paper": EntityTable("paper"), "User": EntityTable("who")})
    with pytest.raises(ValueError, match="`paper` is the table of two classes"):
        MappedTables(mapping, {Paper: Verbs("read"), Letter: None})


class Secretive(Mine):
    """Rules by which a column is hidden."""

    def condition(self, entity: type, action: str) -> Condition:
        return Condition(PAPER.c.owner == "me", hidden=frozenset({"secret"}))


def test_what_a_flush_fetches_of_any_object_is_not_kept():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as plain:
        plain.add_all([Shelf(id=1), Paper(id=1, owner="me"), Paper(id=2, owner="me")])
        plain.commit()
    made: list[Paper] = []

    def add(session: Session, *_: Any) -> None:
        if not made:
            made.append(Paper(id=9, owner="me"))
            session.add(made[0])

    with authorize(Session(engine), Secretive(), GovernedTables({Paper: ALL})) as session:
        event.listen(session, "before_flush", add)
        put, shelf = session.get_one(Paper, 1), session.get_one(Shelf, 1)
        shelf.papers.append(put)  # which changes no attribute of it before the flush
        changed = session.get_one(Paper, 2)
        changed.title, changed.secret = "x", "known"
        session.flush()
        assert [vars(one).get("secret") for one in (put, changed, *made)] == [None, "known", None]
        with pytest.raises(AccessRefused, match="may be hidden"):
            assert put.secret
    engine.dispose()


POLICY = PolicyEngine.from_text("""
package papers
entity User {}
entity Paper { owner: User, readers: set<User> }
action read, create by User on Paper
gate rows "who may read and create" for read, create
gate rows {
    permit own: read, create when resource.owner == subject
    permit given: read when subject in resource.readers
}
""")


def test_tables_of_the_mapping_are_governed_whoever_describes_them():
    mapping = map_tables(
        POLICY.schema,
        {
            "Paper": EntityTable("paper", "title", {"owner": "owner", "readers": SetTable("lists.reader", "paper", "who")}),
            "User": EntityTable("who"),
        },
    )  # fmt: skip
    governed = MappedTables(mapping, {Paper: Verbs("read")})
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with authorized(Session(engine), bound("me"), governed) as session:
        for name in ("who", "reader"):
            table = Table(name, MetaData(), Column("id", Integer))
            with pytest.raises(AccessRefused, match=f"`{name}` is another table"):
                session.execute(select(table))
    engine.dispose()


class Text(Base):
    __tablename__ = "text"
    id: Mapped[int] = mapped_column("number", key="no", primary_key=True)
    who: Mapped[str] = mapped_column("owner", key="who")
    kind: Mapped[str]
    slug: Mapped[str | None]
    readers: Mapped[list[Reader]] = relationship(cascade="all, delete-orphan")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "text"}  # noqa: RUF012 - as above


class Draft(Text):
    __tablename__ = "draft"
    id: Mapped[int] = mapped_column(ForeignKey("text.no"), primary_key=True)
    editor: Mapped[str] = mapped_column("owner", key="owner")
    __mapper_args__ = {"polymorphic_identity": "draft"}  # noqa: RUF012 - as above


class Reader(Base):
    __tablename__ = "text_reader"
    text: Mapped[int] = mapped_column("text_id", ForeignKey("text.no"), key="of", primary_key=True)
    who: Mapped[str] = mapped_column("user_id", primary_key=True)


TEXT: Any = Text.__table__
TEXTS = MappedTables(
    map_tables(
        POLICY.schema,
        {
            "Paper": EntityTable("text", StoredColumn("number", kind="int"), {"owner": "owner", "readers": SetTable("text_reader", "text_id", "user_id")}),
            "User": EntityTable("who"),
        },
    ),
    {Text: Verbs("read", "create", "create", "create")},
)  # fmt: skip


def bound(who: str) -> Any:
    return POLICY.bind({"type": "User", "id": who, "properties": {}})


def test_columns_are_those_of_the_database_whatever_the_model_calls_them():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with authorized(Session(engine), bound("me"), TEXTS) as session:
        session.add_all(
            [Text(id=1, who="me", readers=[Reader(who="you")]), Draft(who="me", editor="you")]
        )
        session.commit()
        own = session.get_one(Text, 1)
        own.readers.append(Reader(who="us"))
        session.commit()
        assert session.execute(delete(Reader).where(Reader.who == "you")).rowcount == 1
        session.commit()
        for wrong in (Draft(who="you", editor="me"), Reader(text=3, who="me")):
            session.add(wrong)
            with pytest.raises(AccessRefused):
                session.commit()
            session.rollback()
    with authorized(Session(engine), bound("us"), TEXTS) as session:
        assert session.scalars(select(Text.id)).all() == [1]
        assert len(session.scalars(select(Reader)).all()) == 1
        given = session.get_one(Text, 1)
        given.readers.pop()
        with pytest.raises(AccessRefused):
            session.commit()
    with authorized(Session(engine), bound("me"), TEXTS) as session:
        for text in session.scalars(select(Text)).all():
            text.readers.clear()
            session.flush()
            session.delete(text)
        session.commit()
        assert session.scalars(select(Reader)).all() == []
    engine.dispose()


def test_what_is_deleted_gives_no_right_to_what_has_its_name_now():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)

    class Slug(Mine):
        def condition(self, entity: type, action: str) -> Condition:
            return Condition(TEXT.c.who == "me")

        def decide(self, instance: Any, action: str) -> None:
            return None

    part = PartOf(Text, {"user_id": "slug"})
    governed = GovernedTables({Text: ALL}, {Reader.__table__: part})
    with Session(engine) as plain:
        plain.add_all([Text(id=1, who="me", slug="a"), Text(id=2, who="you", slug="b")])
        plain.commit()
    with authorize(Session(engine), Slug(), governed) as session:
        mine = session.get_one(Text, 1)
        with engine.begin() as connection:
            connection.execute(update(TEXT).values(slug="c").where(TEXT.c.no == 1))
            connection.execute(update(TEXT).values(slug="a").where(TEXT.c.no == 2))
        session.delete(mine)
        session.add(Reader(text=1, who="a"))
        with pytest.raises(AccessRefused, match="update"):
            session.commit()
    engine.dispose()


class Changing:
    """A bound subject who is another each time."""

    valid_until = datetime(2020, 1, 1, tzinfo=UTC)

    def __init__(self, *subjects: str) -> None:
        self.subjects = [*subjects]

    def partial(self, action: str, context: Any, **options: Any) -> Any:
        subject = self.subjects.pop(0) if len(self.subjects) > 1 else self.subjects[0]
        return bound(subject).partial(action, context, **options)


def test_an_object_is_decided_about_by_what_is_valid_when_it_is_written():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with authorized(Session(engine), Changing("you", "me"), TEXTS) as session:
        session.add(Text(id=1, who="me"))
        with pytest.raises(AccessRefused):
            session.commit()
        session.rollback()
        session.add(Text(id=1, who="me"))
        session.commit()
    engine.dispose()


SHUT = PolicyEngine.from_text("""
package papers
entity User {}
entity Paper { owner: User, readers: set<User> }
action read by User on Paper
gate rows "who may read" for read
field gate shown "what of it" for read
gate rows { permit own: read when resource.owner == subject }
gate shown {
    permit most: read fields id, owner
    expose who: read when resource.owner != subject fields readers
}
""")


@pytest.mark.parametrize("schema", [None, "main"])
def test_parts_that_may_be_hidden_are_not_read_in_whatever_schema(schema):
    metadata = MetaData()

    class Sheet:
        id: int

    sheets = Table(
        "sheet", metadata, Column("id", Integer, primary_key=True), Column("owner", String)
    )
    readers = Table(
        "sheet_reader", metadata, Column("of", Integer), Column("who", String), schema=schema
    )
    registry(metadata=metadata).map_imperatively(Sheet, sheets)
    held = SetTable(f"{schema}.sheet_reader" if schema else "sheet_reader", "of", "who")
    mapping = map_tables(
        SHUT.schema,
        {
            "Paper": EntityTable("sheet", StoredColumn("id", kind="int"), {"owner": "owner", "readers": held}),
            "User": EntityTable("who"),
        },
    )  # fmt: skip
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    me = SHUT.bind({"type": "User", "id": "me", "properties": {}})
    governed = MappedTables(mapping, {Sheet: Verbs("read")})
    with authorized(Session(engine), me, governed) as session:
        assert session.scalars(select(sheets.c.id)).all() == []
        with pytest.raises(AccessRefused, match="`sheet_reader` may be hidden"):
            session.execute(select(readers.c.who))
    engine.dispose()
