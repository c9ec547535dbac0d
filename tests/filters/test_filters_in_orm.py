"""A condition holds wherever SQLAlchemy's ORM puts it: aliases, joined and eager loads, subqueries, updates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.exc import CompileError

from policyengine.filters.predicates import (
    ROWS,
    TRUE,
    Ancestor,
    Column,
    Compare,
    Exists,
    IsOfKind,
    Matches,
    Not,
    NotPushable,
    OneOf,
    Parameter,
    Predicate,
    negated,
)
from policyengine.filters.sqlalchemy_printing import condition
from policyengine.filters.sqlalchemy_types import Instant
from tests.filters.interpreter import holds


class Base(orm.DeclarativeBase):
    pass


class Tag(Base):
    __tablename__ = "tag"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    doc: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("doc.id"))
    name: orm.Mapped[str]


class Doc(Base):
    __tablename__ = "doc"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    parent: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey("doc.id"))
    name: orm.Mapped[str] = orm.mapped_column("title")
    up: orm.Mapped[Doc | None] = orm.relationship(
        remote_side=[id],  # noqa: A003 - the column
        back_populates="down",
    )
    down: orm.Mapped[list[Doc]] = orm.relationship(back_populates="up")


DOCS = [{"id": key, "parent": key // 2 or None, "title": f"d{key}"} for key in range(1, 10)]
TAGS = [{"id": key, "doc": key, "name": "xy"[key % 2]} for key in range(1, 10)]

ID, PARENT, TITLE = (
    Column(ROWS, name, kind) for name, kind in (("id", "int"), ("parent", "int"), ("title", "text"))
)


def of(alias: str, column: Column) -> Column:
    return Column(alias, column.name, column.kind)


def above(where: Predicate) -> Ancestor:
    return Ancestor("doc", "d", ID, of("d", ID), of("d", PARENT), where)


PREDICATES = [
    Exists("tag", "t", ((Column("t", "doc", "int"), ID),), Compare("==", Column("t", "name", "text"), Parameter("x", "text"))),
    Exists("doc", "d", ((of("d", PARENT), ID),), Not(Compare("==", of("d", TITLE), Parameter("d5", "text")))),
    above(Compare("==", of("d", TITLE), Parameter("d2", "text"))),
    above(Not(Compare("<", of("d", ID), ID))),
    above(Exists("doc", "e", ((of("e", PARENT), of("d", ID)),), Compare("<", of("e", ID), ID))),
    OneOf(TITLE, ("d1", "d4", "d9")),
]  # fmt: skip


@pytest.fixture
def session() -> Iterator[orm.Session]:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as made:
        made.execute(sa.insert(Doc.__table__), DOCS)
        made.execute(sa.insert(Tag), TAGS)
        yield made
    engine.dispose()


@pytest.mark.parametrize("predicate", [*PREDICATES, *map(negated, PREDICATES), TRUE])
def test_a_condition_holds_in_every_place(session, predicate):
    tables = {"doc": DOCS, "tag": TAGS}
    visible = {row["id"] for row in DOCS if holds(predicate, row, tables)}
    pairs = {(key, key // 2) for key in range(2, 10) if {key, key // 2} <= visible}
    made = condition(predicate, Doc, Base.metadata, "sqlite")
    other = orm.aliased(Doc)
    everywhere = orm.with_loader_criteria(Doc, made, include_aliases=True)

    def ids(statement) -> list[int]:
        return sorted(session.scalars(statement))

    expected = sorted(visible)
    for _ in range(2):  # the second time from SQLAlchemy's cache
        assert ids(sa.select(Doc.id).where(made)) == expected
        assert ids(sa.select(other.id).options(everywhere)) == expected
        joined = sa.select(Doc.id, other.id).join(other, Doc.up.of_type(other)).options(everywhere)
        assert {*map(tuple, session.execute(joined))} == pairs
    assert ids(sa.select(Doc.id).where(made, Doc.id > 3)) == [key for key in expected if key > 3]
    assert ids(sa.select(Doc.id).where(made, Doc.id > 5)) == [key for key in expected if key > 5]
    of_alias = condition(predicate, other, {"doc": Doc, "tag": Tag}, "sqlite")
    assert ids(sa.select(other.id).where(of_alias)) == expected
    assert (
        ids(sa.union(sa.select(Doc.id).where(made), sa.select(other.id).where(of_alias)))
        == expected
    )
    assert ids(sa.select(sa.select(Doc.id).where(made).subquery())) == expected
    assert session.scalar(sa.select(sa.func.count()).where(made)) == len(visible)
    for load in (orm.joinedload, orm.selectinload, orm.lazyload):
        session.expunge_all()
        loads = sa.select(Doc).options(load(Doc.up), load(Doc.down), everywhere)
        docs = session.scalars(loads).unique().all()
        assert {(doc.id, doc.up.id) for doc in docs if doc.up} == pairs
        assert {(down.id, doc.id) for doc in docs for down in doc.down} == pairs
    assert session.execute(sa.update(Doc).where(made).values(name="z")).rowcount == len(visible)
    session.rollback()
    session.execute(sa.insert(Doc.__table__), DOCS)
    session.execute(sa.insert(Tag), TAGS)
    assert session.execute(sa.delete(Doc).where(made)).rowcount == len(visible)


def test_a_condition_is_for_one_dialect_and_within_a_statement(session):
    made = condition(PREDICATES[0], Doc, Base.metadata, "sqlite")
    assert "EXISTS" in str(sa.select(Doc).where(made))
    with pytest.raises(CompileError, match="for SQLite, not for postgresql"):
        sa.select(Doc).where(made).compile(
            dialect=sa.create_engine("postgresql+psycopg://").dialect
        )
    with pytest.raises(CompileError, match="within the statement"):
        made.compile(dialect=session.get_bind().dialect)
    with pytest.raises(ValueError, match=r"made for postgres, .*; did you mean `postgresql`"):
        condition(TRUE, Doc, Base.metadata, "postgres")
    with pytest.raises(ValueError, match="no filters are made for mysql, but for sqlite"):
        condition(TRUE, Doc, Base.metadata, "mysql")


class Loud(sa.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value.upper()


class Quiet(sa.TypeDecorator[str]):
    impl = sa.String
    cache_ok = True


class Read(Quiet):
    def process_result_value(self, value, dialect):
        return value.upper()


class Bound(Quiet):
    def bind_expression(self, bindvalue):
        return sa.func.lower(bindvalue)


class Selected(sa.String):
    def column_expression(self, colexpr):
        return sa.func.upper(colexpr)


class Hundredths(sa.Integer):
    def bind_processor(self, dialect):
        return lambda value: value * 100


class Padded(Quiet):
    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(sa.CHAR(3))


class Later(Instant):
    def process_result_value(self, value, dialect):
        return value


class Wrapped(sa.TypeDecorator[str]):
    impl = Selected
    cache_ok = True


class Folded(sa.JSON):
    def result_processor(self, dialect, coltype):
        return str.lower


def test_what_is_not_stored_exactly_is_refused():
    def refused(type_: sa.types.TypeEngine, kind: str, dialect: str = "sqlite") -> str:
        table = sa.Table("t", sa.MetaData(), sa.Column("c", type_))
        try:
            condition(IsOfKind(Column(ROWS, "c", kind)), table, {}, dialect)
        except NotPushable as problem:
            return f"{problem.clause}: {problem.reason}"
        return ""

    assert "t.c: SQLite stores it as a floating-point" in refused(sa.Numeric(18, 4), "decimal")
    assert "Float" in refused(sa.Float(), "decimal", "postgresql")
    assert "no time zone" in refused(sa.DateTime(), "instant")
    assert "adds spaces" in refused(sa.CHAR(3), "text", "postgresql")
    changing = [
        (Loud(), "text"), (Read(), "text"), (Bound(), "text"), (Selected(), "text"), (Padded(), "text"), (Wrapped(), "text"),
        (Hundredths(), "int"), (Later(), "instant"), (sa.String().with_variant(Loud(), "sqlite"), "text"), (Folded(), "json"),
    ]  # fmt: skip
    for one in changing:
        assert "on the way to the database, or from it" in refused(*one)
    varied = sa.DateTime(timezone=True).with_variant(sa.DateTime(), "postgresql")
    assert refused(varied, "instant") == ""
    assert "no time zone" in refused(varied, "instant", "postgresql")
    assert "CHAR" in refused(sa.String().with_variant(sa.CHAR(3), "duckdb"), "text", "duckdb")
    assert "does not hold the kind int" in refused(sa.Text(), "int")
    assert "does not hold the kind text" in refused(sa.JSON(), "text")
    allowed = [
        (Quiet(), "text"), (sa.CHAR(3), "text"), (sa.Enum("a", "b"), "text"), (sa.SmallInteger(), "int"),
        (sa.Boolean(), "bool"), (sa.DateTime(timezone=True), "instant"),
    ]  # fmt: skip
    assert [refused(*one) for one in allowed] == [""] * len(allowed)
    assert refused(sa.Numeric(), "decimal", "postgresql") == ""


def test_what_is_not_there_or_too_long_is_named():
    text = Column(ROWS, "title", "text")
    with pytest.raises(LookupError, match="no column `owner`"):
        condition(IsOfKind(Column(ROWS, "owner", "text")), Doc, Base.metadata, "sqlite")
    with pytest.raises(LookupError, match="no table `user`"):
        condition(Exists("user", "u", (), TRUE), Doc, Base.metadata, "sqlite")
    inner = IsOfKind(Column("d", "owner", "text"))
    with pytest.raises(LookupError, match="no column owner in the table of d"):
        condition(Exists("doc", "d", (), inner), Doc, Base.metadata, "sqlite")
    with pytest.raises(NotPushable, match="more than 5 wildcards"):
        condition(Matches(text, ("a",) * 7), Doc, Base.metadata, "sqlite")


def test_a_list_may_have_more_values_than_a_statement_has_parameters(session):
    session.execute(sa.insert(Doc.__table__), {"id": 99, "parent": None, "title": "d\0"})
    others = (f"'\\é{number}" for number in range(300_000))
    for names in (("d1", "d\0", "D2"), ("d1", "D2")):
        made = condition(OneOf(TITLE, (*names, *others)), Doc, {}, "sqlite")
        found = session.scalars(sa.select(Doc.name).where(made)).all()
        assert sorted(found) == sorted({*names} - {"D2"})


def test_a_missing_sqlalchemy_is_named():
    for module in (
        "sqlalchemy_printing",
        "sql_text",
        "sqlalchemy_types",
        "authorized_session",
        "mapped_tables",
    ):
        code = f"import sys; sys.modules['sqlalchemy'] = None; import policyengine.filters.{module}"
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert run.stderr.endswith("install `policyengine-dsl[sqlalchemy]`\n"), module
