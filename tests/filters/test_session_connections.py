"""A session is guarded on whatever connection it runs: one that is given to it, by class, or for a statement."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sqlalchemy")
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from policyengine.filters.authorized_session import AccessRefused, authorize
from tests.filters.governed_world import DOC, GOVERNED, Doc, Mine, Note, filled, stored

WAYS = ("of the session", "of a class", "of a base class", "of one statement")


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_is_given_is_guarded(way):
    engine = filled("sqlite://")
    before = stored(engine)
    with engine.connect() as connection:
        more: dict[str, Any] = {"bind_arguments": {"mapper": Doc}}
        match way:
            case "of the session":
                session = Session(connection)
            case "of a class":
                session = Session(binds={Doc: connection, Note: connection})
            case "of a base class":
                session = Session(binds={Doc.__bases__[0]: connection})
            case _:
                session = Session(engine)
                more["bind_arguments"]["bind"] = connection
        authorize(session, Mine(), GOVERNED)
        assert {doc.owner for doc in session.scalars(select(Doc), **more)} == {"me"}
        assert {*session.scalars(select(DOC.c.owner), **more)} == {"me"}
        changed = update(DOC).values(title="x")
        refused = ((text("SELECT title FROM doc"), "text"), (changed, "core"))
        for statement, waiver in refused:
            with pytest.raises(AccessRefused) as problem:
                session.execute(statement, **more)
            assert problem.value.waiver == waiver
        with pytest.raises(AccessRefused, match="not checked"):
            session.connection(bind_arguments={"mapper": Doc})
        transaction: Any = session.get_transaction()
        for of, *_ in {*transaction._connections.values()}:
            if of is not session.bind:
                with pytest.raises(AccessRefused, match="was not run by the session"):
                    of.execute(select(DOC.c.title))
        session.add(Doc(id=99, owner="other", title="x"))
        with pytest.raises(AccessRefused):
            session.flush()
        session.close()
    assert stored(engine) == before
    engine.dispose()
