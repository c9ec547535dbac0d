"""Hold that each row of a table is decided as `decide` decides it, and that none is lost."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from policyengine import InvalidRequest, PolicyEngine
from policyengine.tables import table_job
from policyengine.tables.ibis_tables import decide_table
from policyengine.tables.request_columns import RequestColumns, UnfitTable
from policyengine.tables.table_job import Counts, TableJob
from tests.tables.table_law import tables_agree

SET = """
package shop
levels Clearance = public < internal < secret
entity User { clearance: Clearance, suspended: bool, until?: datetime }
entity Bot { suspended: bool }
entity Document { owner: User, title?: string, size: int, shared_with: set<User> }
action read by User, Bot on Document with { purposes: set<string> }
action edit by User on Document
permit own: any by User when resource.owner == subject
permit shared: read by User when subject in resource.shared_with and "show" in context.purposes
permit now: edit when subject has until and now < subject.until
forbid suspended: any when subject.suspended
"""
NOW = "2026-11-29T00:00:00Z"
TEXTS = ["ann", "Ann", "a\0b", "é", "e\u0301", "%", "'", "🙂", ""]


def world() -> pa.Table:
    """Rows of requests, every other of which has something nasty."""
    rows: list[dict[str, Any]] = []
    for number in range(120):

        def one(usual: Any, *nasty: Any, every: int) -> Any:
            turn, rest = divmod(number, every)  # noqa: B023 - it is called at once
            return nasty[turn % len(nasty)] if rest == every - 1 else usual

        text = TEXTS[number % len(TEXTS)]
        owners = [text, "ann", "Ann"]
        rows.append({
            "note": text,
            "subject.type": one("User", None, "Bot", "Nobody", every=7),
            "subject.id": one(text, None, every=29),
            "action": one(["read", "edit"][number % 2], None, "fly", every=17),
            "subject.clearance": one("public", "secret", "none", None, every=11),
            "subject.suspended": one(False, True, None, every=13),
            "subject.until": [None, datetime(2026, 11, 28 + number % 3, tzinfo=UTC)][number % 2],
            "resource.id": "d",
            "resource.owner": one(owners[number % 3], None, every=31),
            "resource.title": [None, text][number % 2],
            "resource.size": one(number, 2**63 - 1, -(2**63), None, every=19),
            "resource.shared_with": one([text][: number % 2], ["ann", "ann"], [None], None, every=23),
            "context.purposes": one(None if number % 2 else ["show"], ["show"], None, every=9),
            "now": one(None, "2026-11-29T12:00:00Z", "yesterday", every=15),
        })  # fmt: skip
    return pa.Table.from_pylist(rows)


def by_hand(row: dict[str, Any], now: str | None) -> dict[str, Any]:
    """The request of a row, written otherwise than in the package."""

    def user(id_):
        return {"type": "User", "id": id_} if isinstance(id_, str) else id_

    given: dict[str, dict[str, Any]] = {"subject": {}, "resource": {}, "context": {}}
    for name, value in row.items():
        part, dot, inner = name.partition(".")
        if dot and value is not None:
            given[part][inner] = value
    resource, subject = given["resource"], given["subject"]
    if "owner" in resource:
        resource["owner"] = user(resource["owner"])
    if "shared_with" in resource:
        resource["shared_with"] = [user(id_) for id_ in resource["shared_with"]]
    type_ = subject.pop("type", "User" if row["action"] == "edit" else None)
    ids = {"subject": subject.pop("id", None), "resource": resource.pop("id")}
    return {
        "subject": {
            **({"type": type_} if type_ else {}),
            **({"id": ids["subject"]} if ids["subject"] is not None else {}),
            "properties": subject,
        },
        "action": row["action"],
        "resource": {"type": "Document", "id": ids["resource"], "properties": resource},
        "context": given["context"],
        "now": now or row["now"],
    }


@pytest.fixture
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(SET)


def job(path: Path, table: pa.Table | None = None, **options: Any) -> TableJob:
    if table is not None:
        pq.write_table(table, path / "in.parquet", row_group_size=25)
    files = path / "in.parquet", path / "out.parquet", path / "bad.parquet"
    usual = {"now": NOW, "inputs": {}, "batch": 7, "kept": frozenset({"note"})}
    return TableJob(*files, **usual | options)


@pytest.mark.parametrize("now", [NOW, None])
def test_each_row_is_decided_as_decide_does(tmp_path: Path, engine: PolicyEngine, now):
    table = world()
    if now is None:
        own = pa.compute.fill_null(table["now"], NOW)
        table = table.set_column(table.column_names.index("now"), "now", own)
    wanted, problems = [], []
    for row in table.to_pylist():
        try:
            decision = engine.decide(**by_hand(row, now))
        except InvalidRequest as refusal:
            problems.append({**row, "problem": "; ".join(map(str, refusal.problems))})
            continue
        answer: Any = decision.to_json()["context"]
        wanted.append({
            **row, "allowed": decision.allowed, "cause": decision.cause, "rules": answer["rules"],
            "exposed": answer["exposed"], "masks": [*answer["masks"].items()],
            "valid_until": decision.valid_until,
        })  # fmt: skip
    counts = job(tmp_path, table, now=now).run(engine)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == wanted
    assert pq.read_table(tmp_path / "bad.parquet").to_pylist() == problems
    assert counts.rows == 120
    assert counts.bad == len(problems)
    assert min(counts.allowed, counts.denied, counts.bad) > 10
    assert not job(tmp_path).parts.exists()


def test_a_run_that_was_interrupted_goes_on(tmp_path: Path, engine: PolicyEngine, monkeypatch):
    whole = tmp_path / "whole"
    whole.mkdir()
    counts = job(whole, world()).run(engine)

    def interrupt(done: int, of: int):
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job(tmp_path, world()).run(engine, interrupt)
    assert not (tmp_path / "out.parquet").exists()
    decided = []
    monkeypatch.setattr(
        table_job, "decide_rows",
        lambda *given: decided.append(given[2].num_rows) or decide(*given),
    )  # fmt: skip
    shown = []
    assert job(tmp_path).run(engine, lambda done, of: shown.append((done, of))) == counts
    assert 0 < sum(decided) < 120
    assert shown[0][0] > 20
    assert shown[-1] == (120, 120)
    for name in ("out.parquet", "bad.parquet"):
        assert pq.read_table(tmp_path / name) == pq.read_table(whole / name)


decide = table_job.decide_rows


def test_parts_of_another_run_are_refused(tmp_path: Path, engine: PolicyEngine):
    def interrupt(done: int, of: int):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job(tmp_path, world()).run(engine, interrupt)
    other = PolicyEngine.from_text(SET.replace('"show"', '"other"'))
    with pytest.raises(UnfitTable, match="a run with another policy"):
        job(tmp_path).run(other)
    with pytest.raises(UnfitTable, match="a run with another batch"):
        job(tmp_path, batch=8).run(engine)
    with pytest.raises(UnfitTable, match="a run with another now"):
        job(tmp_path, now="2026-11-30T00:00:00Z").run(engine)
    with pytest.raises(UnfitTable, match="a run with another table"):
        job(tmp_path, world().slice(1)).run(engine)
    (job(tmp_path).parts / "run.json").unlink()
    with pytest.raises(UnfitTable, match="parts of an unknown run: remove it"):
        job(tmp_path).run(engine)


def test_a_folder_of_others_is_no_folder_of_parts(tmp_path: Path):
    parts = job(tmp_path, world()).parts
    parts.mkdir()
    (parts / "shop.policy").write_text(SET)
    with pytest.raises(UnfitTable, match=r"holds what is no part of a run: `shop\.policy`"):
        job(tmp_path).run(PolicyEngine.from_text(SET))
    assert (parts / "shop.policy").read_text() == SET


def test_a_table_that_was_written_anew_is_another_one(tmp_path: Path, engine: PolicyEngine):
    def interrupt(done: int, of: int):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job(tmp_path, world()).run(engine, interrupt)
    before = (tmp_path / "in.parquet").stat()
    (tmp_path / "in.parquet").write_bytes((tmp_path / "in.parquet").read_bytes())
    os.utime(tmp_path / "in.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(UnfitTable, match="a run with another table"):
        job(tmp_path).run(engine)


def test_a_table_without_rows_has_all_columns(tmp_path: Path, engine: PolicyEngine):
    assert job(tmp_path, world().slice(0, 0)).run(engine) == Counts()
    names = pq.read_schema(tmp_path / "out.parquet").names
    assert names[-6:] == ["allowed", "cause", "rules", "exposed", "masks", "valid_until"]
    assert pq.read_schema(tmp_path / "bad.parquet").names[-1] == "problem"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "has no columns: `action`, `subject.id`, `resource.id` are needed"),
        ({"action": ["a"], "subject.id": ["a"]}, "has no column: `resource.id` is needed"),
        (
            {"subject.clearence": ["a"]},
            "`subject.clearence` is no part .*did you mean `subject.clear",
        ),
        ({"allowed": [True]}, "has a column `allowed`, which is what it is to gain"),
        ({"context": [{"purposes": ["a"]}]}, "column `context` is no part of any request"),
        (
            {"Context.purposes": [["a"]]},
            "`Context.purposes` is no .* did you mean `context.purposes`",
        ),
        (
            {"contxt.purposes": [["a"]]},
            "`contxt.purposes` is no .* did you mean `context.purposes`",
        ),
        ({"purposes": [["a"]]}, "`purposes` is no part of any request"),
        ({" now": ["x"]}, "is no part of any request"),
        ({"notes": ["x"]}, "`notes` is no part of any request: if it is only kept, name"),
        ({"now": [1_700_000_000]}, "the column `now` has no times, and no texts"),
        ({"now": [datetime(2026, 1, 1)]}, "times in the column `now` have no zone"),  # noqa: DTZ001
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path: Path, engine: PolicyEngine, columns, said):
    if columns and "action" not in columns:
        columns = {"action": ["read"], "subject.id": ["a"], "resource.id": ["d"], **columns}
    with pytest.raises(UnfitTable, match=said):
        job(tmp_path, pa.table(columns), kept=frozenset()).run(engine)
    assert not job(tmp_path).parts.exists()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("note", "has no column `note` to keep"),
        ("now", "`now` is a part of requests, and not only"),
    ],
)
def test_what_is_kept_is_a_column_that_is_no_part(engine: PolicyEngine, kept, said):
    with pytest.raises(UnfitTable, match=said):
        RequestColumns(engine.schema, world().drop_columns("note").schema, {kept})


@pytest.mark.parametrize(
    "wrap",
    [
        pa.large_list,
        lambda type_: pa.dictionary(pa.int8(), type_),
        lambda type_: pa.map_(type_, type_),
    ],
)
def test_times_that_python_would_cut_short_are_refused(tmp_path: Path, engine: PolicyEngine, wrap):
    names = ["action", "subject.id", "resource.id", "subject.until"]
    types = [*[pa.string()] * 3, wrap(pa.timestamp("ns", "UTC"))]
    schema = pa.schema(zip(names, types, strict=True))
    with pytest.raises(UnfitTable, match=r"`subject\.until` are in nanoseconds"):
        RequestColumns(engine.schema, schema)


def test_parts_that_are_damaged_are_named(tmp_path: Path, engine: PolicyEngine):
    def interrupt(done: int, of: int):
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job(tmp_path, world()).run(engine, interrupt)
    part = min(job(tmp_path).parts.glob("0*.parquet"))
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(UnfitTable, match=f"`{part}` is damaged: remove it"):
        job(tmp_path).run(engine)
    part.unlink()
    (job(tmp_path).parts / "run.json").write_text("[")
    with pytest.raises(UnfitTable, match="remove it to begin again"):
        job(tmp_path).run(engine)


def test_entities_in_structs_lack_what_is_null(engine: PolicyEngine):
    from policyengine.tables.decide_rows import decide_rows

    entity = {"type": "User", "id": "eve", "properties": {"suspended": True, "until": None}}
    batch = pa.RecordBatch.from_pylist([{
        "action": "edit", "subject.id": "eve", "resource.id": "d", "resource.owner": "ann",
        "subject.suspended": True, "entities": [entity], "resource.size": 1,
    }])  # fmt: skip
    (row,) = decide_rows(
        engine, RequestColumns(engine.schema, batch.schema), batch, NOW
    ).to_pylist()
    assert (row["allowed"], "there is no null" in (row["problem"] or "")) == (False, False)


def test_a_table_that_is_a_pipe_is_refused_at_once(tmp_path: Path, engine: PolicyEngine):
    made = job(tmp_path, world())
    made.table.unlink()
    os.mkfifo(made.table)
    with pytest.raises(OSError, match="not a regular file"):
        made.run(engine)
    with pytest.raises(OSError, match="not a regular file"):
        TableJob.of(made.table, made.out)


@pytest.mark.parametrize("note", ["", "[" * 100_000, "7", "[1]", '{"began": 1}'])
def test_a_note_of_something_else_is_not_gone_on_with(
    tmp_path: Path, engine: PolicyEngine, note: str
):
    made = job(tmp_path, world())
    made.parts.mkdir()
    (made.parts / "run.json").write_text(note)
    with pytest.raises(UnfitTable, match=re.escape(str(made.parts))):
        made.run(engine)


def test_files_that_are_cut_short_are_named(tmp_path: Path, engine: PolicyEngine):
    made = job(tmp_path, world())
    data = made.table.read_bytes()
    for size in (0, 3, len(data) // 2, len(data) - 1):
        made.table.write_bytes(data[:size])
        with pytest.raises(UnfitTable, match="is no Parquet file, or cut short"):
            made.run(engine)
    broken = bytearray(data)
    broken[4:400] = b"\xff" * 396
    made.table.write_bytes(broken)
    with pytest.raises(UnfitTable, match="cannot be read to its end"):
        made.run(engine)
    assert not made.out.exists()


def test_what_cannot_be_read_is_bad_and_its_neighbours_are_decided(
    tmp_path: Path, engine: PolicyEngine
):
    buffers = pa.array([b"ann", b"\xff\xfe", b"ann"]).buffers()
    ids = pa.Array.from_buffers(pa.string(), 3, buffers)
    moments = pa.array([10**18, 10**18, 10**18 + 1], pa.timestamp("ns", "UTC"))
    size = len(ids)
    table = pa.table({
        "action": ["edit"] * size, "subject.id": ids, "resource.id": ["d"] * size,
        "subject.clearance": ["public"] * size, "subject.suspended": [False] * size,
        "subject.until": moments, "resource.owner": ["ann"] * size, "resource.size": [1] * size,
        "resource.shared_with": pa.array([[]] * size, pa.list_(pa.string())),
    })  # fmt: skip
    counts = job(tmp_path, table, kept=frozenset()).run(engine)
    assert counts == Counts(allowed=1, bad=2)
    bad = pq.read_table(tmp_path / "bad.parquet")
    assert "this is not UTF-8" in bad["problem"][0].as_py()
    assert "this value cannot be read" in bad["problem"][1].as_py()


def test_several_processes_decide_the_same(tmp_path: Path, engine: PolicyEngine):
    alone = tmp_path / "alone"
    alone.mkdir()
    assert job(tmp_path, world(), processes=2).run(engine) == job(alone, world()).run(engine)
    for name in ("out.parquet", "bad.parquet"):
        assert pq.read_table(tmp_path / name) == pq.read_table(alone / name)


def test_the_command_says_how_many_went_which_way(tmp_path: Path, capsys):
    from policyengine.cli.main import run

    (tmp_path / "shop.policy").write_text(SET)
    job(tmp_path, world())
    command = [
        "decide",
        str(tmp_path / "shop.policy"),
        "--table",
        str(tmp_path / "in.parquet"),
        "--now",
        NOW,
    ]
    assert run([*command, "--out", str(tmp_path / "o.parquet")]) == 2
    assert "`note` is no part of any request" in capsys.readouterr().err
    command += ["--keep", "note"]
    assert run([*command, "--out", str(tmp_path / "o.parquet"), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rows"] == said["allowed"] + said["denied"] + said["bad"] == 120
    assert pq.read_table(tmp_path / "o.bad.parquet").num_rows == said["bad"]
    assert run([*command, "--out", str(tmp_path / "o.parquet"), "--exit-code"]) == 1
    assert run(command) == 2
    assert run([*command, "--out", str(tmp_path / "in.parquet")]) == 2
    assert "`--out` and `--table` are one file" in capsys.readouterr().err
    (tmp_path / "e.json").write_text("[]")
    command += ["--entities", str(tmp_path / "e.json")]
    assert run([*command, "--out", str(tmp_path / "e.json")]) == 2
    assert "`--out` and `--entities` are one file" in capsys.readouterr().err
    assert (tmp_path / "e.json").read_text() == "[]"
    assert run([*command, "--out", str(tmp_path / "shop.policy")]) == 2
    assert "`--out` and PATH are one file" in capsys.readouterr().err
    (tmp_path / "e.bad.json").write_text("[]")
    command[-1] = str(tmp_path / "e.bad.json")
    assert run([*command, "--out", str(tmp_path / "e.json")]) == 2
    assert "`--bad` and `--entities` are one file" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")  # of Ibis with the newest pandas and DuckDB
@pytest.mark.parametrize("backend", ["duckdb", "polars"])
def test_an_ibis_table_is_decided_as_a_file_is(tmp_path: Path, engine: PolicyEngine, backend):
    import ibis

    table = world()
    counts = job(tmp_path, table).run(engine)
    asked = getattr(ibis, backend).connect().read_parquet(tmp_path / "in.parquet")
    mapping = {
        name: name for name in table.column_names if "." in name or name in {"action", "now"}
    }
    found = engine.decide_table(asked, mapping, now=NOW)
    assert found.counts == counts
    rows = found.table.to_pyarrow().to_pylist()
    assert len(rows) == counts.rows
    assert [row for row in rows if row["problem"]] == [
        {
            **row,
            "allowed": False,
            "cause": "invalid_request",
            "rules": [],
            "exposed": [],
            "masks": [],
        }
        | {"valid_until": None}
        for row in pq.read_table(tmp_path / "bad.parquet").to_pylist()
    ]
    fits = [{k: v for k, v in row.items() if k != "problem"} for row in rows if not row["problem"]]
    assert fits == pq.read_table(tmp_path / "out.parquet").to_pylist()


@pytest.mark.filterwarnings("default")  # as above
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.filterwarnings("default")  # as above
def test_rows_that_a_database_tells_apart_are_decided_as_each_is(seed):
    tables_agree(seed)


@pytest.mark.filterwarnings("default")  # as above
def test_only_what_differs_for_the_rules_is_decided_here(engine: PolicyEngine, tmp_path):
    import ibis

    row = {"action": "read", "subject.type": "User", "subject.suspended": False}
    row |= {"resource.owner": "ann", "resource.size": 1, "resource.shared_with": ["bob"]}
    ids = ["ann", "Ann", "bob", "bob", "eve"] * 20
    made = [
        {**row, "subject.id": id_, "resource.id": f"d{number}", "context.purposes": ["show"]}
        for number, id_ in enumerate(ids)
    ]
    made[7] |= {"resource.size": None, "subject.suspended": None}
    connection = ibis.duckdb.connect()
    found = engine.decide_table(connection.create_table("requests", pa.Table.from_pylist(made)))
    assert found.pushed == 99
    assert found.counts == Counts(59, 40, 1)
    rows = found.table.to_pyarrow().to_pylist()
    assert [row["resource.id"] for row in rows] == [row["resource.id"] for row in made]
    assert [row["allowed"] for row in rows[:6]] == [True, False, True, True, False, True]
    assert rows[2]["rules"] == ["access.shared"]
    found.to_parquet(tmp_path / "decided.parquet")
    assert pq.read_table(tmp_path / "decided.parquet").to_pylist() == rows


@pytest.mark.filterwarnings("default")  # as above
def test_a_condition_that_is_too_long_for_the_database_is_decided_here():
    import ibis

    pairs = " or ".join(f"(subject.n == {n} and resource.n == {n})" for n in range(700))
    rules = f"package p entity U {{ n: int }} action go by U on U permit one: go when {pairs}"
    rows = {"subject.id": ["a", "b"], "subject.n": [1, 2], "resource.id": ["x", "y"]}
    table = ibis.polars.connect().create_table("t", pa.table({**rows, "resource.n": [1, 7]}))
    found = PolicyEngine.from_text(rules).decide_table(table)
    assert (found.counts, found.pushed) == (Counts(1, 1, 0), 0)


@pytest.mark.filterwarnings("default")  # as above
def test_a_database_that_goes_away_is_named(engine: PolicyEngine):
    import ibis

    connection, asked = ibis.duckdb.connect(), []

    def once(text: str) -> str:
        asked.append(text)
        if len(asked) == 1:
            raise ConnectionError("the server has gone away")
        return text

    connection.con.create_function("once", once, ["VARCHAR"], "VARCHAR", side_effects=True)
    connection.create_table("logins", pa.table({"subject.id": ["ann"], "resource.id": ["d1"]}))
    connection.con.execute("""CREATE VIEW requests AS SELECT once("subject.id") AS "subject.id",
        'read' AS action, 'User' AS "subject.type", false AS "subject.suspended",
        "resource.id", 'ann' AS "resource.owner", 1 AS "resource.size",
        ['bob'] AS "resource.shared_with", ['show'] AS "context.purposes" FROM logins""")
    with pytest.raises(Exception, match="the server has gone away"):
        engine.decide_table(connection.table("requests"))
    assert engine.decide_table(connection.table("requests")).pushed == 1


@pytest.mark.filterwarnings("default")  # as above
@pytest.mark.parametrize("most", [1, 8, 12])
def test_a_set_with_an_element_twice_or_null_is_not_told_apart(engine: PolicyEngine, most):
    import ibis

    texts = list("abcdefghijkl")[:most]
    sets = [texts, [], [*texts, texts[0]], [*texts, texts[-1]], [*texts, None], [None, *texts]]
    row = {"action": "read", "subject.type": "User", "subject.suspended": False, "subject.id": "a"}
    row |= {"resource.owner": "ann", "resource.size": 1, "context.purposes": ["show"]}
    made = [
        row | {"resource.id": f"d{number}", "resource.shared_with": shared}
        for number, shared in enumerate(sets)
    ]
    table = ibis.duckdb.connect().create_table("requests", pa.Table.from_pylist(made))
    found = engine.decide_table(table)
    assert (found.pushed, found.counts) == (2, Counts(1, 1, 4))


@pytest.mark.filterwarnings("default")  # as above
def test_polars_tells_apart_rows_without_sets():
    import ibis

    engine = PolicyEngine.from_text(
        "package p entity U { old: bool } action go, stay by U on U permit one: go when subject.old"
    )
    rows = {"action": ["go", "stay", "go"], "subject.id": ["a", "b", "c"], "resource.id": ["d"] * 3}
    rows |= {"subject.old": [True, True, None]}
    found = engine.decide_table(ibis.polars.connect().create_table("t", pa.table(rows)))
    assert (found.pushed, found.counts) == (2, Counts(1, 1, 1))


@pytest.mark.filterwarnings("default")  # as above
def test_texts_of_sets_that_have_a_collation_differ_in_case(engine: PolicyEngine):
    import duckdb
    import ibis

    database = duckdb.connect()
    database.execute("""
        CREATE TABLE people (name VARCHAR COLLATE nocase); INSERT INTO people VALUES ('Ann');
        CREATE TABLE requests AS SELECT 'read' AS action, 'User' AS "subject.type", FALSE AS "subject.suspended", 'ann' AS
        "subject.id", 'd' AS "resource.id", 'bob' AS "resource.owner", list(name) AS "resource.shared_with", ['show'] AS
        "context.purposes" FROM people
    """)
    found = engine.decide_table(ibis.duckdb.from_connection(database).table("requests"))
    assert (found.pushed, found.counts) == (1, Counts(denied=1))


@pytest.mark.filterwarnings("default")  # as above
@pytest.mark.parametrize(
    "collation", ["", " COLLATE nocase", " COLLATE noaccent.nocase", "default"]
)
def test_no_collation_makes_one_text_of_two(engine: PolicyEngine, collation):
    import duckdb
    import ibis

    database = duckdb.connect()
    if collation == "default":
        database.execute("SET default_collation = 'nocase'")
        collation = ""
    database.execute(f"""
        CREATE TABLE requests (action VARCHAR{collation}, "subject.type" VARCHAR{collation}, "subject.suspended" BOOLEAN,
        "subject.id" VARCHAR{collation}, "resource.id" VARCHAR, "resource.owner" VARCHAR{collation}, "resource.size" INTEGER,
        "resource.shared_with" VARCHAR[], "context.purposes" VARCHAR[])
    """)
    rows = [
        (action, type_, False, id_, f"{action}{type_}{id_}{owner}", owner, 1, shared, ["show"])
        for action in ("read", "READ", "edit")
        for type_ in ("User", "user", "Bot", None)
        for id_ in ("ann", "Ann")
        for owner in ("ANN", "ann", "bob")
        for shared in (["Ann"], ["ANN", "bob"])
        if type_ is not None or action == "edit"
    ]
    database.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    asked = ibis.duckdb.from_connection(database).table("requests")
    found, each = engine.decide_table(asked, now=NOW), decide_table(engine, asked, None, NOW, None)
    assert found.table.to_pyarrow().to_pylist() == each.table.to_pyarrow().to_pylist()
    assert found.counts.allowed > 0
    assert found.pushed > 0


@pytest.mark.filterwarnings("default")  # as above
@pytest.mark.parametrize(
    "of", ["DECIMAL(38, 0)", "DECIMAL(38, 4)", "DECIMAL(38, 5)", "DECIMAL(9, 1)"]
)
@pytest.mark.parametrize("collated", ["subject.id", "resource.owner", None])
def test_columns_that_differ_in_collation_or_digits_are_compared_or_decided_here(of, collated):
    import duckdb
    import ibis

    engine = PolicyEngine.from_text("""
        package p entity User { most: decimal } entity Doc { owner: User } action go by User on Doc
        permit own: go when resource.owner == subject and subject.most > 1.5
    """)
    database = duckdb.connect()
    types = {
        "subject.id": "VARCHAR",
        "resource.id": "VARCHAR",
        "resource.owner": "VARCHAR",
        "subject.most": of,
    }
    if collated:
        types[collated] += " COLLATE nocase"
    columns = ", ".join(f'"{name}" {type_}' for name, type_ in types.items())
    database.execute(f"CREATE TABLE requests ({columns})")
    rows = [
        (id_, f"{id_}{owner}{most}", owner, most)
        for id_ in ("ann", "Ann")
        for owner in ("ann", "ANN")
        for most in (1, 2)
    ]
    database.executemany("INSERT INTO requests VALUES (?, ?, ?, ?)", rows)
    asked = ibis.duckdb.from_connection(database).table("requests")
    found, each = engine.decide_table(asked), decide_table(engine, asked, None, NOW, None)
    assert found.rows is not None
    assert each.rows is not None
    assert found.rows.to_pylist() == each.rows.to_pylist()
    assert (found.counts.allowed, found.counts.denied) == (1, 7)


@pytest.mark.filterwarnings("default")  # as above
@pytest.mark.parametrize("now", ["yesterday", None])
def test_a_row_whose_moment_is_none_is_no_request(now):
    import ibis

    engine = PolicyEngine.from_text("package p entity U {} action go by U on U permit one: any")
    asked = pa.table({"subject.id": ["a", "b"], "resource.id": ["c", "d"], "now": [None, now]})
    table = ibis.duckdb.connect().create_table(
        "t", asked.cast(pa.schema([(n, "string") for n in asked.column_names]))
    )
    found = engine.decide_table(table)
    assert found.counts.bad == (now is not None)
    assert engine.decide_table(table.limit(0)).counts == Counts()


def test_a_database_that_is_not_read_exactly_is_refused(engine: PolicyEngine):
    import ibis

    connection = ibis.sqlite.connect()
    connection.raw_sql('CREATE TABLE requests ("subject.id" TEXT)').close()
    with pytest.raises(UnfitTable, match="must be in DuckDB or Polars"):
        engine.decide_table(connection.table("requests"))
    connection.disconnect()


def test_a_mapping_to_a_column_that_is_not_there_is_named(engine: PolicyEngine):
    import ibis

    with pytest.raises(UnfitTable, match="no column `login`, which the mapping names"):
        engine.decide_table(ibis.memtable(pa.table({"a": [1]})), {"subject.id": "login"})
    with pytest.raises(UnfitTable, match="`allowed`, which is what it is to gain"):
        engine.decide_table(ibis.memtable(pa.table({"allowed": [1]})))
    with pytest.raises(UnfitTable, match="has no columns"):
        engine.decide_table(ibis.memtable(world()), {})


@pytest.mark.filterwarnings("default")  # as above
def test_columns_that_differ_only_in_case_are_refused(engine: PolicyEngine):
    import ibis

    table = ibis.polars.connect().create_table("t", pa.table({"a": [1], "A": [2]}))
    with pytest.raises(UnfitTable, match="column `a` is there in upper and lower case"):
        engine.decide_table(table)


@pytest.mark.parametrize(("part", "name"), [("subject", "type"), ("resource", "parents")])
def test_an_attribute_that_is_called_as_a_part_of_entities_is_refused(part, name):
    declared = {"subject": "entity User { type: string }\nentity Box { size: int }"}
    declared["resource"] = "entity User { size: int }\nentity Box { parents: string }"
    engine = PolicyEngine.from_text(
        f"package p\n{declared[part]}\naction open by User on Box\npermit each: open"
    )
    names = ["subject.id", "resource.id", f"{part}.{name}"]
    with pytest.raises(UnfitTable, match=rf"`{part}\.{name}` has two meanings"):
        RequestColumns(engine.schema, pa.schema([(name, pa.string()) for name in names]))


def test_entities_in_json_stay_private_in_the_problem(tmp_path: Path, engine: PolicyEngine):
    """A column of JSON texts is not read as entities, and what is in it may be private."""
    entity = json.dumps([{"type": "User", "id": "ann", "properties": {"clearance": "secret"}}])
    table = world().slice(0, 1).append_column("entities", [[entity]])
    assert job(tmp_path, table).run(engine).bad == 1
    (row,) = pq.read_table(tmp_path / "bad.parquet").to_pylist()
    assert "secret" not in row["problem"]


REGISTER = """
package register
entity User
entity Patient { born: datetime, doctor: User, weight: decimal, notes?: string, ward?: string }
action study, treat by User on Patient
gate use "whether it may be done at all"
gate use { permit each: study, treat when resource.doctor != subject }
field gate view "which fields may be seen"
gate view {
    permit study: study fields id as pseudonym, born as year, weight as digits(0), notes as present
    permit treat: treat fields id, born, doctor as pseudonym, notes
}
"""


@pytest.mark.filterwarnings("default")  # of Ibis with the newest pandas and DuckDB
@pytest.mark.parametrize("backend", ["duckdb", "polars"])
def test_what_is_left_of_a_row_is_what_its_decision_shows(tmp_path: Path, backend):
    import ibis

    key = b"keep me secret, and keep me"
    engine = PolicyEngine.from_text(REGISTER)
    rows = [{
        "ticket": number,
        "action": ["study", "treat", "fly"][number % 3],
        "subject.id": ["ada", "bob"][number % 2],
        "resource.id": f"p{number}",
        "resource.born": None if number % 5 == 4 else datetime(1980, 5, number + 1, tzinfo=UTC),
        "resource.doctor": "bob",
        "resource.weight": Decimal("71.25"),
        "resource.notes": [None, "…"][number // 2 % 2],
        "resource.ward": "w",
        "resource.parents": [],
    } for number in range(24)]  # fmt: skip
    schema = pa.schema([
        ("ticket", pa.int64()), ("action", pa.string()), ("subject.id", pa.string()),
        ("resource.id", pa.string()), ("resource.born", pa.timestamp("us", "UTC")),
        ("resource.doctor", pa.string()), ("resource.weight", pa.decimal128(10, 2)),
        ("resource.notes", pa.string()), ("resource.ward", pa.string()),
        ("resource.parents", pa.list_(pa.struct({"type": pa.string(), "id": pa.string()}))),
    ])  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "in.parquet")
    asked = getattr(ibis, backend).connect().read_parquet(tmp_path / "in.parquet")
    mapping = {name: name for name in schema.names if name != "ticket"}
    found = engine.redact_table(asked, mapping, now=NOW, keep=["ticket"], key=key)
    left = found.table.to_pyarrow().to_pylist()
    assert min(found.counts.allowed, found.counts.denied, found.counts.bad) > 3
    for row, shown in zip(rows, left, strict=True):
        document = {name: row[f"resource.{name}"] for name in ("id", "born", "doctor", "weight")}
        document |= {name: row[f"resource.{name}"] for name in ("notes", "ward")}
        given = {k: v for k, v in document.items() if v is not None}
        properties = {k: v for k, v in given.items() if k not in ("id", "doctor")}
        try:
            decision = engine.decide(
                {"type": "User", "id": row["subject.id"]}, row["action"],
                {"type": "Patient", "id": row["resource.id"], "parents": [],
                 "properties": {**properties, "doctor": {"type": "User", "id": "bob"}}}, now=NOW,
            )  # fmt: skip
            wanted = decision.redact(given, key)
            masks = dict(decision.masks)
        except InvalidRequest:
            wanted, masks = {}, {}
        spelled = {f"{n} as {masks[n]}" if n in masks else n: v for n, v in wanted.items()}
        of_resource = {
            name.removeprefix("resource."): value
            for name, value in shown.items()
            if name.startswith("resource.") and value is not None
        }
        assert of_resource == spelled
        assert shown["ticket"] == row["ticket"]
    assert {row["problem"] for row in left} == {None, "action [PE501]"}
    with pytest.raises(TypeError, match="need a key"):
        engine.redact_table(asked, mapping)
    with pytest.raises(ValueError, match="at least 16 bytes"):
        engine.redact_table(asked, mapping, key=b"short")
    for name in ("resource.ward", "wards"):
        with pytest.raises(UnfitTable, match=f"column `{name}` is not only kept"):
            engine.redact_table(asked, mapping, keep=[name], key=key)


def test_columns_of_any_type_are_kept(tmp_path: Path, engine: PolicyEngine):
    kept = {
        "view": pa.array(["a"] * 120, pa.string_view()),
        "nulls": pa.array([[{"a": 1, "b": None}]] * 120),
    }
    table = world()
    for name, column in kept.items():
        table = table.append_column(name, column)
    counts = job(tmp_path, table, kept=frozenset({"note", *kept})).run(engine)
    for name, size in (("out", counts.rows - counts.bad), ("bad", counts.bad)):
        found = pq.read_table(tmp_path / f"{name}.parquet")
        assert found["view"].to_pylist() == ["a"] * size
        assert found["nulls"].to_pylist() == [[{"a": 1, "b": None}]] * size


def test_a_folder_is_refused_before_anything_is_decided(tmp_path: Path, engine: PolicyEngine):
    (tmp_path / "out.parquet").mkdir()
    with pytest.raises(IsADirectoryError):
        job(tmp_path, world()).run(engine)
    assert not job(tmp_path).parts.exists()


def test_a_run_notes_the_entities_that_standard_input_had(tmp_path: Path, monkeypatch):
    """What was decided with others is no part of it."""
    from policyengine.cli.main import run

    noted = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TableJob, "run", lambda self, *_: noted.append(self.inputs) or 1 / 0)
    Path("shop.policy").write_text(SET)
    job(tmp_path, world())
    for entities in (b"[]", b"[ ]"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(entities)))
        command = ["decide", "shop.policy", "--table", "in.parquet", "--keep", "note"]
        with pytest.raises(ZeroDivisionError):
            run([*command, "--out", "o.parquet", "--entities", "-"])
    assert noted[0] != noted[1]
