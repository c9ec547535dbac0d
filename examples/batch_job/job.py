"""A job that asks, of each access of a day, whether the policies allowed it then; the others are for the auditor.

`python examples/batch_job/job.py accesses.parquet audit.csv`. The file has the columns `id`, `moment`, `who`, `role`,
`left_at`, `chart`, `ward`, `sealed` and `worked_on`, the ward on which that person worked. It returns 1 if there is
anything to look at.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

# -- decisions
from policyengine import PolicyEngine
from policyengine.tables.table_job import TableJob

REQUESTS = """
    COPY (SELECT id, moment AS now, who AS "subject.id", role AS "subject.role", left_at AS "subject.left_at",
        chart AS "resource.id", ward AS "resource.ward", sealed AS "resource.sealed",
        worked_on AS "context.ward"
    FROM read_parquet($accesses)) TO $requests
"""

AUDIT = """
    COPY (SELECT id, now AS moment, "subject.id" AS who, "resource.id" AS chart, cause, rules, NULL AS problem
    FROM read_parquet($decided) WHERE NOT allowed
    UNION ALL
    SELECT id, now, "subject.id", "resource.id", 'invalid_request', [], problem FROM read_parquet($bad)
    ORDER BY id) TO $found
"""


def audit(accesses: Path, found: Path) -> bool:
    """Write the accesses that were not allowed, or about which nothing can be decided; whether there are any."""
    requests, decided, bad = (
        found.with_suffix(f".{of}.parquet") for of in ("asked", "decided", "bad")
    )
    files = {"accesses": str(accesses), "requests": str(requests)}
    duckdb.execute(REQUESTS, files)
    engine = PolicyEngine.load(Path(__file__).parent)
    counts = TableJob.of(requests, decided, bad=bad, keep=["id"]).run(engine)
    duckdb.execute(AUDIT, {"decided": str(decided), "bad": str(bad), "found": str(found)})
    print(f"{counts.rows:,} accesses: {counts.denied:,} not allowed, {counts.bad:,} unclear")
    return counts.allowed < counts.rows


# -- the application

if __name__ == "__main__":
    sys.exit(audit(Path(sys.argv[1]), Path(sys.argv[2])))
