"""Put requests of the small world into a Parquet file, and decide them by SQL that is written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from bench.rules import Plain
from bench.worlds import apps

_MADE: Final = 20_000
"""The requests that differ; files with more rows have each again."""


def write_requests(path: Path, count: int) -> None:
    """Write a file with *count* requests, a column for each part."""
    made = pa.Table.from_pylist(
        [_row(request) for request in apps.make_requests(min(count, _MADE))]
    )
    pq.write_table(pa.concat_tables([made] * -(-count // _MADE)).slice(0, count), path)


def _row(request: Plain) -> dict[str, Any]:
    row: dict[str, Any] = {"action": request["action"]}
    for part in ("subject", "resource", "context"):
        for name, value in request[part].items():
            if name != "rank":  # which is no attribute
                row[f"{part}.{name}"] = sorted(value) if isinstance(value, frozenset) else value
    return row


_SCOPED: Final = "list_contains(\"subject.scopes\", '{}')"
_DERIVED: Final = "list_contains(\"context.derives\", '{}')"
_AGREED: Final = 'list_contains("context.agreed", "resource.owner")'
_AT_LEAST: Final = {
    "basic": "\"subject.tier\" IN ('basic', 'pro', 'enterprise')", "pro": "\"subject.tier\" IN ('pro', 'enterprise')",
    "enterprise": "\"subject.tier\" = 'enterprise'",
}  # fmt: skip
_OPEN: Final = 'NOT "resource.protected"'

_FORBIDS: Final = {
    "ethnicity": _DERIVED.format("ethnicity"),
    "health": _DERIVED.format("health"),
    "matching": f'"context.matches_elsewhere" AND NOT {_AGREED}',
    "opted_out": "action IN ('export', 'redistribute', 'match_people') AND \"resource.opted_out\"",
    "orientation": _DERIVED.format("orientation"),
    "other_use": 'NOT list_contains("subject.uses", "context.use")',
    "place_redistributed": "action = 'redistribute' AND \"resource.located\"",
    "politics": _DERIVED.format("politics"),
    "religion": _DERIVED.format("religion"),
    "review_due": f'{_AT_LEAST["enterprise"]} AND "subject.days_since_review" > 365',
    "surveillance": "\"context.use\" = 'surveillance'",
    "suspended": "\"subject.status\" = 'suspended'",
    "terminated": "\"subject.status\" = 'terminated'",
}  # fmt: skip

_PERMITS: Final = {
    "read_post": {
        "post": f"{_SCOPED.format('post.read')} AND {_OPEN}",
        "protected_post": f'{_SCOPED.format("post.read")} AND "resource.protected" AND {_AGREED}',
    },
    "search_recent": {"recent": f"{_AT_LEAST['basic']} AND {_SCOPED.format('post.read')}"},
    "search_all": {"archive": f"{_AT_LEAST['pro']} AND {_SCOPED.format('post.read')}"},
    "follow_stream": {
        "stream": f"{_AT_LEAST['pro']} AND {_SCOPED.format('post.read')} AND {_SCOPED.format('stream')}"
    },
    "read_message": {"messages": f"{_SCOPED.format('message.read')} AND {_AGREED}"},
    "send_message": {
        "sending": f"{_AT_LEAST['basic']} AND {_SCOPED.format('message.write')} AND {_AGREED}"
    },
    "read_profile": {
        "agreed_profile": f"{_SCOPED.format('user.read')} AND {_AGREED}",
        "profile": f"{_SCOPED.format('user.read')} AND {_OPEN}",
    },
    "read_place": {"place": f'{_AT_LEAST["pro"]} AND {_SCOPED.format("geo.read")} AND "resource.located"'},
    "write_post": {"writing": f"{_SCOPED.format('post.write')} AND {_AGREED}"},
    "export": {"exporting": f"{_AT_LEAST['enterprise']} AND \"context.use\" = 'research' AND {_OPEN}"},
    "redistribute": {
        "redistributing": f"{_AT_LEAST['pro']} AND \"resource.kind\" = 'post' AND {_OPEN}"
    },
    "match_people": {"people": f"{_AT_LEAST['enterprise']} AND {_SCOPED.format('user.read')} AND {_AGREED}"},
}  # fmt: skip


def _listed(rules: dict[str, str], *, all_of: bool = False) -> str:
    names = ", ".join(f"'access.{name}'" for name in rules)
    return f"[{names}]" if all_of else f"list_where([{names}], [{', '.join(rules.values())}])"


def _by_action(*, all_of: bool = False) -> str:
    cases = (
        f"WHEN '{action}' THEN {_listed(of, all_of=all_of)}" for action, of in _PERMITS.items()
    )
    return f"CASE action {' '.join(cases)} END"


BY_HAND: Final = f"""
    SELECT * EXCLUDE (forbids, permits),
        len(forbids) = 0 AND len(permits) > 0 AS allowed,
        CASE WHEN len(forbids) > 0 THEN 'forbidden' WHEN len(permits) > 0 THEN 'permitted' ELSE 'not_permitted' END AS cause,
        CASE WHEN len(forbids) > 0 THEN forbids WHEN len(permits) > 0 THEN permits ELSE {_by_action(all_of=True)} END AS rules,
        NULL::VARCHAR[] AS exposed, MAP {{}}::MAP(VARCHAR, VARCHAR) AS masks, NULL::TIMESTAMPTZ AS valid_until,
        NULL::VARCHAR AS problem
    FROM (SELECT *, {_listed(_FORBIDS)} AS forbids, {_by_action()} AS permits FROM 'FILE')
"""  # noqa: S608 - all of it is ours
"""The rows of the file FILE, with what they gain."""
