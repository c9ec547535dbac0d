"""Holds the tiers of policies/x to the platform's tables: what each grants, and when there is such a tier."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policyengine import PolicyEngine
from tests.strategies.real_sets import loaded


def _read(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# The rate limits of 2025-12-31 and of pay-per-use in 2026-08, and what is marked as Enterprise's.
OPERATIONS = _read("tiers_of_operations.csv")
# The tiers since 2018, of documentation, changelog and announcements.
TIERS = _read("tiers.csv")

TAKEN_AWAY = {"followUser", "unfollowUser", "likePost", "unlikePost"}
"""In the tables, and by the changelog no more: they have the day on which they left."""
BY_ITS_OWN_PAGE = {"streamPostsSample"}
"""In no table; its page sends to Enterprise."""
OPEN_TO_ALL = {"getOpenApiSpec"}

LIVES = {
    ("v1.1 2018-20", "Standard"): ("standard", None, None),
    ("v1.1 2018-20", "Premium sandbox 30-day"): ("premium_sandbox", None, None),
    ("v1.1 2018-20", "Premium sandbox full-archive"): ("premium_sandbox", None, None),
    ("v1.1 2018-20", "Premium paid search"): ("premium", None, None),
    ("v1.1 2018-20", "Enterprise"): ("enterprise", None, None),  # grants nothing of v2
    ("v2 2020-21", "Standard track / Basic level"): ("standard_track", "2020-08-12", "2021-11-15"),
    ("v2 2020-23", "Academic Research"): ("academic_research", "2021-01-26", "2023-04-28"),
    ("v2 2021-23", "Essential"): ("essential", "2021-11-15", "2023-04-28"),
    ("v2 2021-23", "Elevated"): ("elevated", "2021-11-15", "2023-04-28"),
    ("v2 2021-23", "Enterprise"): ("enterprise", "2022-01-01", "2024-01-01"),
    ("v2 2023-26", "Free (launch)"): ("free", "2023-03-29", "2024-10-01"),
    ("v2 2023-26", "Free (Oct 2024)"): ("free", "2024-10-01", "2025-01-01"),
    ("v2 2023-26", "Free (2025)"): ("free", "2025-01-01", "2026-02-06"),
    ("v2 2023-26", "Basic (launch)"): ("basic", "2023-03-29", "2024-10-01"),
    ("v2 2023-26", "Basic (repriced)"): ("basic", "2024-10-01", "2026-07-01"),
    ("v2 2023-26", "Pro"): ("pro", "2024-01-01", "2026-12-31"),
    ("v2 2023-26", "Enterprise"): ("enterprise", "2023-03-29", "2026-02-06"),
    ("v2 2026", "Pay-per-use"): ("pay_per_use", "2026-02-06", "2026-12-31"),
    ("v2 2026", "Enterprise"): ("enterprise", "2026-02-06", "2026-12-31"),
}
"""What each tier is called in the policies, and between which days it is there for operations of v2."""


@pytest.fixture(scope="module")
def engine():
    return loaded("x").engine


def test_the_tables_are_whole():
    assert len(OPERATIONS) == 178
    assert sum(bool(row["free_2025-12"]) for row in OPERATIONS) == 78
    assert [(row["regime"], row["tier"]) for row in TIERS] == list(LIVES)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row["operationId"])
def test_an_operation_comes_with_the_tiers_of_the_tables(engine, row):
    name = row["operationId"]
    tiers = engine.schema.actions[name].constants["tiers"]
    is_enterprise = bool(row["enterprise_only_2026"]) and name not in TAKEN_AWAY
    expected = {"enterprise"}
    for tier in ("free", "basic", "pro"):
        if row[f"{tier}_2025-12"] not in ("", "NOT AVAILABLE"):
            expected.add(tier)
    if not is_enterprise and name not in BY_ITS_OWN_PAGE:
        expected.add("pay_per_use")
    if name in OPEN_TO_ALL:
        expected |= {"free", "basic", "pro"}

    assert tiers == expected


@pytest.mark.parametrize("row", TIERS, ids=lambda row: f"{row['regime']} {row['tier']}")
def test_a_tier_is_there_in_its_years(engine, row):
    tier, begins, ends = LIVES[row["regime"], row["tier"]]
    if begins is None:
        for year in range(2018, 2021):
            assert _withdrawn(engine, tier, datetime(year, 6, 1, tzinfo=UTC)) != set()
        return
    first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (begins, ends))
    middle = first + (last - first) / 2
    assert _withdrawn(engine, tier, first) == set()
    assert _withdrawn(engine, tier, middle) == set()
    assert _withdrawn(engine, tier, last - timedelta(seconds=1)) == set()


@pytest.mark.parametrize(
    ("tier", "day", "why"),
    [
        (tier, day, why)
        for tier, first, last in (
            ("standard_track", "2020-08-12", "2021-11-15"),
            ("academic_research", "2021-01-26", "2023-04-28"),
            ("essential", "2021-11-15", "2023-04-28"),
            ("elevated", "2021-11-15", "2023-04-28"),
            ("free", "2023-03-29", "2026-02-06"),
            ("basic", "2023-03-29", "2026-07-01"),
            ("enterprise", "2022-01-01", None),
            ("pro", "2024-01-01", None),
            ("pay_per_use", "2026-02-06", None),
        )
        for day, why in ((first, "not begun"), (last, "over"))
        if day is not None
    ],
)
def test_a_tier_is_not_there_before_or_after(engine, tier, day, why):
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    if why == "not begun":
        moment -= timedelta(seconds=1)
    assert _withdrawn(engine, tier, moment) == {why}


def _withdrawn(engine: PolicyEngine, tier: str, now: datetime) -> set[str]:
    """Return what is said of why there is no such tier at that time."""
    decision = engine.decide(
        {
            "type": "App", "id": "lens",
            "properties": {
                "tier": tier, "status": "active", "approved_purposes": [], "approvals": [],
                "reviewed_at": now - timedelta(days=1), "marks": ["accredited_researcher"],
                "serves_government": False,
            },
        },
        "getOpenApiSpec", {"type": "Platform", "id": "x", "properties": {}},
        {"credential": "anonymous", "scopes": [], "permission": "read"}, now=now,
    )  # fmt: skip
    assert decision.cause != "invalid_request", decision.reason
    said = {
        "of v1.1": "v1.1",
        "not begun": "of what was before nothing is known",
        "over": "ended on",
    }
    return {rule for rule, text in said.items() if text in decision.reason}
