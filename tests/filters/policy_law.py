"""Put generated tables into PostgreSQL under policies, and hold what a role sees and changes there against decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from attrs import evolve

from policyengine import InvalidRequest
from policyengine.filters.governing import Verbs
from policyengine.filters.predicates import (
    TRUE,
    Ancestor,
    Exists,
    HasMore,
    IsWithin,
    NotPushable,
    walk,
)
from policyengine.filters.row_level_security import row_level_security
from tests.filters.databases import declared, in_form
from tests.filters.generated_filters import Case, Field, Table
from tests.filters.mapped_databases import fields_of
from tests.filters.mapped_worlds import Asked, Database
from tests.filters.subject_law import all_questions, decided, facts_of, predicate_of

_ROLE = "app"


@contextmanager
def under_policies(
    asked: Asked, made: Database, engine: sa.Engine, seed: int
) -> Iterator[tuple[sa.Connection, sa.Table]]:
    """Put *made* into PostgreSQL, and govern the resources by the action that is asked about, for all verbs."""
    kinds = fields_of(made)
    tables = [Table(n, (Field("key", "int"), *kinds[n].values())) for n in sorted(kinds)]
    rows = {n: [{"key": key, **row} for key, row in enumerate(made.tables[n])] for n in kinds}
    stored = declared(Case(tuple(tables), rows, TRUE, seed), "postgresql")
    governed = made.mapping.table_of(asked.resource_type).table
    table = stored[governed]
    action = asked.action
    verbs = {asked.resource_type: Verbs(action, action, action, action)}
    policies = row_level_security(
        asked.engine, made.mapping, verbs, stored, context=asked.context,
        entities=facts_of(asked, made),
    )  # fmt: skip
    with engine.connect() as connection:
        try:
            table.metadata.create_all(connection)
            for name, of in stored.items():
                if rows[name]:
                    connection.execute(sa.insert(of), in_form(of, rows[name]))
            for statement in policies.statements:
                connection.connection.driver_connection.execute(statement)
            connection.exec_driver_sql(f"CREATE ROLE {_ROLE}")
            connection.exec_driver_sql(f'GRANT ALL ON "{governed}" TO {_ROLE}')
            yield connection, table
        finally:
            connection.rollback()


@contextmanager
def as_subject(connection: sa.Connection, subject: str | None) -> Iterator[None]:
    """Let statements be those of the role of an application, for a subject; nothing of it stays."""
    with connection.begin_nested() as savepoint:
        if subject is not None:
            connection.execute(sa.func.set_config("policyengine.subject", subject, True).select())
        connection.exec_driver_sql(f"SET LOCAL ROLE {_ROLE}")
        yield
        savepoint.rollback()


def policies_agree(seed: int, engine: sa.Engine) -> Counter[str]:
    """Ask questions of sets; return how many rows of each sort."""
    counts = Counter[str]()
    for question, made in all_questions(seed):
        asked = evolve(question, now=datetime.now(UTC))
        try:
            with under_policies(asked, made, engine, seed) as (connection, table):
                counts["policies"] += 1
                counts.update(_asked(asked, made))
                counts += _reads_agree(asked, made, connection, table, seed)
        except NotPushable as problem:
            counts[f"not pushed: {problem.reason}"] += 1
        except InvalidRequest:
            counts["contexts that do not fit"] += 1
    return counts


def _asked(asked: Asked, made: Database) -> set[str]:
    """Return of what a policy asks besides the row."""
    stored = [parents for of in made.mapping.tables.values() for parents in of.parents.values()]
    parents = {of.table for of in stored if not isinstance(of, str)}
    found = set()
    for node in walk(predicate_of(asked, made)):
        match node:
            case Ancestor():
                found.add("of rows above one another")
            case Exists(table) | HasMore(table) if not isinstance(table, str):
                found.add("of sets in columns")
            case Exists(table) | HasMore(table):
                found.add("of parents in tables" if table in parents else "of other rows, and sets")
            case IsWithin():
                found.add("of addresses")
    return found


def _reads_agree(
    asked: Asked, made: Database, connection: sa.Connection, table: sa.Table, seed: int
) -> Counter[str]:
    counts = Counter[str]()
    seen = sa.select(table.c.key)
    for nobody in (None, "", f"{asked.subject_type}:", "x", f"{asked.subject_type}:nobody"):
        with as_subject(connection, nobody):
            assert connection.scalars(seen).all() == []
    rows = made.tables[made.mapping.table_of(asked.resource_type).table]
    for subject in made.tables[made.mapping.table_of(asked.subject_type).table]:
        question = evolve(asked, subject=subject)
        answers = [decided(question, made, row) for row in rows]
        wanted = {key for key, allowed in enumerate(answers) if allowed}
        with as_subject(connection, f"{asked.subject_type}:{subject['id']}"):
            found = set(connection.scalars(seen))
        assert found == wanted, (seed, question, found, wanted)
        with as_subject(connection, f"{asked.subject_type}:{subject['id']}"):
            deleted = connection.execute(sa.delete(table)).rowcount
        assert deleted == len(wanted), (seed, question, deleted, wanted)
        counts += _writes_agree(question, made, connection, table)
        counts["allowed"] += len(wanted)
        counts["denied or unfit"] += len(rows) - len(wanted)
    return counts


def _writes_agree(
    question: Asked, made: Database, connection: sa.Connection, table: sa.Table
) -> Counter[str]:
    """Hold for some rows whether they may be changed, or inserted."""
    counts, rng = Counter[str](), made.rng
    rows = made.tables[table.name]
    subject = f"{question.subject_type}:{question.subject['id']}"
    known = {(one["type"], one["id"]) for one in facts_of(question, made)}
    known.add((question.subject_type, str(question.subject["id"])))  # as it was before
    others = [
        at for at, row in enumerate(rows) if (question.resource_type, str(row["id"])) not in known
    ]
    for at in rng.sample(others, min(3, len(others))):
        values = {**rng.choice(rows), "id": rows[at]["id"]}
        for name in values:
            if name == f"in_{question.resource_type}" and rng.random() < 0.3:
                values[name] = values["id"]
        written = evolve(
            made, tables={**made.tables, table.name: [*rows[:at], values, *rows[at + 1 :]]}
        )
        allowed = decided(question, written, values)
        [stored] = in_form(table, [values])
        change = sa.update(table).where(table.c.key == at).values(stored)
        with as_subject(connection, subject):
            changed = _succeeds(connection, change)
        assert changed == bool(allowed and decided(question, made, rows[at])), (question, values)
        with connection.begin_nested() as savepoint:
            connection.execute(sa.delete(table).where(table.c.key == at))
            with as_subject(connection, subject):
                inserted = _succeeds(connection, sa.insert(table).values(key=at, **stored))
            savepoint.rollback()
        assert inserted == bool(allowed), (question, values)
        counts["written" if inserted else "not written"] += 1
    return counts


def _succeeds(connection: sa.Connection, change: Any) -> bool:
    """Whether a change is made of one row; a policy may refuse it."""
    try:
        with connection.begin_nested():
            return connection.execute(change).rowcount != 0
    except sa.exc.ProgrammingError as problem:
        if "violates row-level security" not in str(problem):
            raise
        return False
