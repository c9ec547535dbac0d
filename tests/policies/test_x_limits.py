"""Holds the limits of policies/x to both of the platform's tables: the last request that a tier takes, and the next."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.worlds.platform import requests
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from tests.strategies.real_sets import loaded
from tests.whole import some

# The rate limits of 2024-12-20 to 2025-12-31, and those of pay-per-use in 2026-08.
with (Path(__file__).parent / "tiers_of_operations.csv").open(encoding="utf-8") as stream:
    ROWS = list(csv.DictReader(stream))

DAYS = {"free": "2025-12-31", "basic": "2025-12-31", "pro": "2025-12-31", "pay_per_use": "2026-08-22", "enterprise": "2025-12-31"}  # fmt: skip
COLUMNS = {
    "free_2025-12": "free", "basic_2025-12": "basic", "pro_2025-12": "pro",
    "ppu_2026-08_per_app": "pay_per_use", "ppu_2026-08_per_user": "pay_per_use",
}  # fmt: skip
COUNTS = {
    "second": "calls_by_second", "sec": "calls_by_second", "15min": "calls", "24h": "calls_by_day",
    "24hrs": "calls_by_day",
}  # fmt: skip
IN_ALL = {"calls": "calls_in_all", "calls_by_day": "calls_in_all_by_day"}
COUNTED = {*COUNTS.values(), *IN_ALL.values()}
NO_TOKEN_FOR_IT = {("deleteAllConnections", "user"), ("searchPostsAll", "user")}
"""Limits for a person, of operations that take no token of a person."""
FEWER = {("searchPostsRecent", "pro"): 60, ("searchPostsRecent", "pay_per_use"): 60}
"""Another text of the platform says 60: the smaller number counts."""


def _cells() -> list[tuple[str, str, str, str, int]]:
    """Return each number: of which operation and tier, for whom, by which count."""
    found: list[tuple[str, str, str, str, int]] = []
    for row in ROWS:
        for column, tier in COLUMNS.items():
            cell = row[column].replace(" requests / second ; PER ", "/second ")
            for part in re.split(" ; |, ", cell):
                if number := re.fullmatch(r"([\d,]+)/(\w+)(?: (\w+))?", part):
                    most, time, whose = number.groups()
                    whose = (whose or column.rpartition("_")[2]).lower()
                    most = int(most.replace(",", ""))
                    found.append((row["operationId"], tier, whose, COUNTS[time], most))
                else:
                    assert part in ("", "NOT AVAILABLE")
    return found


CELLS = _cells()
FOR_PERSONS = {operation for operation, _, whose, _, _ in CELLS if whose == "user"}


@pytest.fixture(scope="module")
def cases():
    engine = loaded("x").engine
    return {asked.dicts[1]: asked for asked in requests(engine, 200)}


def _reached(asked, tier: str, credential: str, counts: dict[str, int]) -> set[str]:
    """Return the gates that limits shut, by the reference interpreter."""
    set_ = loaded("x")
    subject, action, resource, context = asked.dicts
    subject = {**subject, "properties": {**subject["properties"], "tier": tier}}
    context = {**context, "credential": credential, **counts}
    request = set_.validator.validate_parts(
        subject=subject, action=action, resource=resource, context=context,
        now=datetime.fromisoformat(DAYS[tier]).replace(tzinfo=UTC), entities=asked.entities,
    )  # fmt: skip
    env = Env(request, set_.checked.schema)
    case = interpreter.judge_all(set_.checked, env)
    forbidding = {v.rule.name for v in interpreter.forbidding(case)} & {"too_fast"}
    return {g for g in interpreter.shut_gates(case) if g.startswith("calls")} | forbidding


def test_the_tables_are_whole():
    assert len(CELLS) == 489
    assert len({operation for operation, *_ in CELLS}) == 106


@pytest.mark.parametrize("operation", some(sorted({operation for operation, *_ in CELLS}), 5))
def test_the_last_request_is_allowed_and_the_next_is_not(cases, operation):
    asked = cases[operation]
    accepts: Any = loaded("x").checked.schema.actions[operation].constants["accepts"]
    persons = sorted(c for c in accepts if c.endswith("_user"))
    zeros = {name: 0 for name in COUNTED if name in asked.dicts[3]}
    for _, tier, whose, time, written in (cell for cell in CELLS if cell[0] == operation):
        if (operation, whose) in NO_TOKEN_FOR_IT:
            assert not persons
            continue
        most = FEWER.get((operation, tier), written)
        of_its_own = "app_only" in accepts and (operation in FOR_PERSONS or not persons)
        in_all = whose == "app" and not of_its_own
        count = IN_ALL[time] if in_all else time
        shut = "too_fast" if count == "calls_by_second" else count
        for credential in (
            sorted(accepts) if in_all else ["app_only"] if whose == "app" else persons
        ):
            last = _reached(asked, tier, credential, {**zeros, count: most - 1})
            over = _reached(asked, tier, credential, {**zeros, count: most})
            assert (last, over) == (set(), {shut}), (tier, whose, count, most)
            assert _reached(asked, "enterprise", credential, {**zeros, count: most}) == set()


def test_an_operation_that_is_in_no_table_has_no_limit(cases):
    of_tables = {operation for operation, *_ in CELLS}
    assert {name for name, asked in cases.items() if COUNTED & set(asked.dicts[3])} == of_tables


def test_a_number_that_is_not_there_is_none(cases):
    """What the rows of operations say, and no table, would be a limit that somebody made up."""
    actions = loaded("x").checked.schema.actions
    named = {
        name: sum(str(value).count(": ") - str(value).count(": {") for value in rows)
        for name, action in actions.items()
        if (rows := [v for key, v in action.constants.items() if "per_" in key])
    }
    of_tables = dict.fromkeys(named, 0)
    for operation, _, whose, _, _ in CELLS:
        of_tables[operation] += (operation, whose) not in NO_TOKEN_FOR_IT
    assert named == of_tables
