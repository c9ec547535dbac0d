"""Decide a table of requests, for `decide --table`."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from policyengine.cli.output import FailingInput, say, say_json, working
from policyengine.cli.writing import keep_inputs
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine


def decide_table(
    engine: PolicyEngine,
    paths: tuple[str, ...],
    table: str,
    out: str,
    bad: str | None,
    keep: tuple[str, ...],
    entities: str | None,
    given: bytes | None,
    now: str | None,
    format: str,
) -> bool:
    """Decide the requests in the file *table*, and say how many went which way; whether all are allowed."""
    if find_spec("pyarrow") is None:
        raise FailingInput("--table needs Arrow: install `policyengine-dsl[tables]`")
    from policyengine.tables.request_columns import UnfitTable
    from policyengine.tables.table_job import TableJob

    try:
        inputs = {"--entities": sha256(given or b"").hexdigest()}
        job = TableJob.of(table, Path(out), bad=bad, now=now, keep=keep, inputs=inputs)
        read = {"PATH": paths, "`--table`": (table,), "`--entities`": (entities,)}
        keep_inputs({"`--out`": str(job.out), "`--bad`": str(job.bad)}, read)
        with working("deciding rows") as progress:
            counts = job.run(engine, progress)
    except UnfitTable as problem:
        raise FailingInput(str(problem)) from None
    except BrokenProcessPool:
        said = "a process that decided rows was killed: the same command goes on where it was"
        raise FailingInput(said) from None
    if format == "json":
        say_json(
            {
                "rows": counts.rows,
                "allowed": counts.allowed,
                "denied": counts.denied,
                "bad": counts.bad,
            }
        )
    else:
        say(
            f"{plural(counts.rows, 'row')}: {counts.allowed:,} allowed, {counts.denied:,} denied, "
            f"{counts.bad:,} bad" + (f" (see {job.bad})" if counts.bad else "")
        )
    return counts.allowed == counts.rows
