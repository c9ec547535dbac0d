"""Patterns of paths are said of columns as the reference matches them."""

from __future__ import annotations

from itertools import product

import duckdb
import pytest
import sqlalchemy as sa
from hypothesis import given

from policyengine import PolicyEngine
from policyengine.filters.column_values import like_path
from policyengine.filters.mapping import EntityTable, StoredColumn, map_tables
from policyengine.filters.predicates import ROWS, Column, NotPushable, negated
from policyengine.filters.row_filter import make_filter
from policyengine.filters.row_paths import Unsayable
from policyengine.filters.sql_text import sql_text
from policyengine.filters.stored_columns import Dialect
from policyengine.model.path_syntax import segments_of
from policyengine.reference.evaluation import is_like_path
from tests.filters.interpreter import holds
from tests.model.test_path_syntax import PATHS, PATTERNS

COLUMN = Column(ROWS, "file", "text")
SEGMENTS = ("a", "b", "ab", ".a", "a.b", "A", "á", "_", "a b")
FILES = [
    "/",
    *(f"/{'/'.join(some)}" for size in (1, 2, 3) for some in product(SEGMENTS, repeat=size)),
    *(f"/{'/'.join(some)}" for some in product(("a", "b"), repeat=5)),
]
SAID = (
    "/*", "/a/*", "/*/b", "/*/*", "/*/*/*", "/a*", "/*b", "/*.*", "/a*b/*", "/**/a", "/a/**/b", "/**/.*/**", "/**/*.b", "/**/*",
    "/*/**/*", "/a/**/b/**/b", "/**/a/**", "/a/*/**", "/a*/**/*b", "/**/*/b", "/a/**/*", "/_/**/_", "/*/*/*/*/*",
)  # fmt: skip


@given(PATHS, PATTERNS)
def test_a_pattern_is_said_as_the_reference_matches_it(path, pattern):
    if not segments_of(pattern):
        return
    try:
        said = like_path(COLUMN, segments_of(pattern))
    except Unsayable:
        assert "**" in pattern
        return
    assert holds(said, {"file": path}, {}) == is_like_path(path, pattern), pattern


@pytest.mark.parametrize("pattern", SAID)
def test_a_pattern_is_said_of_many_paths(pattern):
    said = like_path(COLUMN, segments_of(pattern))
    found = [file for file in FILES if holds(said, {"file": file}, {})]
    assert found == [file for file in FILES if is_like_path(file, pattern)]
    assert found


def test_databases_find_the_paths_of_a_pattern(dialects):
    for dialect, run in dialects:
        rows = sa.Table("files", sa.MetaData(), sa.Column("file", sa.Text))
        for pattern in SAID:
            said = like_path(COLUMN, segments_of(pattern))
            expected = {file for file in FILES if is_like_path(file, pattern)}
            for predicate, wanted in ((said, expected), (negated(said), {*FILES} - expected)):
                text = sql_text(predicate, rows, {}, dialect).text
                found = {file for (file,) in run(f"SELECT file FROM files WHERE {text}")}
                assert found == wanted, (dialect, pattern)


@pytest.fixture
def dialects(request):
    """What runs a statement in each database, of which each has the paths in a table."""
    engine = sa.create_engine("sqlite://")
    with duckdb.connect() as of_duckdb, engine.connect() as of_sqlite:
        of_duckdb.execute("CREATE TABLE files (file VARCHAR)")
        of_duckdb.execute("INSERT INTO files SELECT unnest(?)", [FILES])
        fill(of_sqlite)
        made: list[tuple[Dialect, object]] = [
            ("duckdb", lambda text: of_duckdb.execute(text).fetchall()),
            ("sqlite", lambda text: of_sqlite.exec_driver_sql(text).all()),
        ]
        yield made


def fill(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TEMPORARY TABLE files (file TEXT)")
    connection.execute(sa.text("INSERT INTO files VALUES (:f)"), [{"f": file} for file in FILES])


def test_postgresql_finds_the_paths_of_a_pattern(postgresql):
    with postgresql.connect() as connection:
        fill(connection)

        def run(text: str) -> object:
            return connection.exec_driver_sql(text.replace("%", "%%")).all()

        test_databases_find_the_paths_of_a_pattern([("postgresql", run)])


# ---- of a policy ------------------------------------------------------------------------

ENGINE = PolicyEngine.from_text("""
package files
entity User { home: path }
entity File { at: path }
action read, peek, list, find by User on File with { among: set<path> }
permit p1: read when resource.at like path "/users/*/public/*" and resource.at not like path "/**/.*/**"
permit p2: peek when resource.at like path "/**/a*b/**/c"
permit p3: list when resource.at within context.among
permit p4: find when resource.at within subject.home
""")
MAPPING = map_tables(
    ENGINE.schema,
    {"File": EntityTable("files", "file", {"at": StoredColumn("file", checked=True)})},
)


def selected(action: str, *files: str, split: bool = False) -> list[str]:
    ann = {"type": "User", "id": "ann", "properties": {"home": "/users/ann"}}
    left = ENGINE.partial(
        action=action, subject=ann, context={"among": ["/users", "/b"]}, resource_type="File"
    )
    made = make_filter(left, MAPPING, split=split)
    assert (made.remaining is None) == (not split)
    return [file for file in files if holds(made.predicate, {"file": file}, {})]


def test_rules_about_paths_are_pushed():
    files = ("/users/a/public/x", "/users/a/public", "/users/a/public/.x", "/users/a/b/public/x")
    assert selected("read", *files) == ["/users/a/public/x"]
    assert selected("list", "/users", "/users/x", "/usersx", "/b/c", "/a", "/") == [
        "/users",
        "/users/x",
        "/b/c",
    ]
    assert selected("find", "/users/ann", "/users/ann/x", "/users/annx") == [
        "/users/ann",
        "/users/ann/x",
    ]


def test_a_pattern_that_no_predicate_says_is_named():
    with pytest.raises(NotPushable, match="stars are said at the ends") as refused:
        selected("peek", "/a")
    assert refused.value.rules == ("access.p2",)
    assert selected("peek", "/a", split=True) == ["/a"]
    with pytest.raises(Unsayable, match=r"more than 4 `\*\*`"):
        like_path(COLUMN, segments_of("/**/a/**/b/**/c/**/d/**"))
