"""Hold that what a database says of its own accord to an authorized session stays hidden."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import FetchedValue, create_engine, func, select, true
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from policyengine.filters.authorized_session import AccessRefused, authorize
from policyengine.filters.governed_tables import Condition, GovernedTables, Verbs
from tests.filters.governed_world import DOC, GOVERNED, Doc, Mine, filled


class Base(DeclarativeBase):
    pass


class Pay(Base):
    __tablename__ = "pay"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(server_default="n")
    salary: Mapped[int] = mapped_column(server_default="7", server_onupdate=FetchedValue())
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - as SQLAlchemy reads it


class AllButSalaries(Mine):
    def condition(self, entity: type, action: str) -> Condition:
        return Condition(true(), hidden=frozenset({"salary"}))

    def decide(self, instance: Any, action: str) -> bool:
        return True


def test_what_a_flush_fetches_and_may_be_hidden_is_not_kept():
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    governed = GovernedTables({Pay: Verbs("read", "create", "edit")})
    with authorize(Session(database), AllButSalaries(), governed) as session:
        pay = Pay(id=1)
        session.add(pay)
        session.flush()
        assert "name" in vars(pay)
        assert "salary" not in vars(pay)
        pay.name = "x"
        session.flush()
        assert "salary" not in vars(pay)
        with pytest.raises(AccessRefused, match="may be hidden"):
            assert pay.salary
    database.dispose()


class Secret(Mine):
    def condition(self, entity: type, action: str) -> Condition:
        return Condition(DOC.c.title != "hunter2")

    def decide(self, instance: Any, action: str) -> bool:
        return True


@pytest.mark.parametrize(
    "fails",
    [
        lambda s: s.scalars(select(func.nope(Doc.id))),
        lambda s: s.query(func.nope(Doc.id)).all(),
        lambda s: (setattr(s.get_one(Doc, 1), "owner", None), s.flush()),
    ],
)
def test_errors_of_the_database_show_no_values_of_conditions(fails):
    database = filled()
    with authorize(Session(database), Secret(), GOVERNED) as session:
        with pytest.raises(StatementError) as problem:
            fails(session)
        assert "hunter2" not in str(problem.value)
        assert "parameters hidden" in str(problem.value)
    database.dispose()
