"""Holds policies/x to the platform's facts: its operations, and the fields of their answers."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.strategies.real_sets import loaded

X = Path(__file__).parents[2] / "policies" / "x"

# X's OpenAPI document 2.167 of 2026-08-22; tiers of the tables of 2025-12-31 and 2026-08.
with (Path(__file__).parent / "operations.csv").open(encoding="utf-8", newline="") as stream:
    OPERATIONS = list(csv.DictReader(stream))

NO_OPERATIONS = {"includePlace", "includePoll", "includeTopic", "shareIdentifiers", "sharePosts"}
"""What comes with answers, and what apps do with them: asked of the policies, and no operation of the API."""

TAGS = {
    "Users": 42, "Stream": 18, "Chat": 16, "Posts": 14, "Broadcasts": 13, "Media": 11,
    "Direct Messages": 9, "Lists": 9, "Webhooks": 8, "Spaces": 6, "Account Activity": 5,
    "Activity": 5, "Community Notes": 5, "Connections": 4, "Compliance": 3, "Articles": 2,
    "Communities": 2, "News": 2, "Trends": 2, "General": 1, "Usage": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def checked():
    return loaded("x").checked


def test_the_facts_are_those_of_the_document():
    assert len(OPERATIONS) == 178
    assert Counter(row["tag"] for row in OPERATIONS) == TAGS
    assert Counter(row["method"] for row in OPERATIONS) == {
        "GET": 100, "POST": 49, "DELETE": 24, "PUT": 5,
    }  # fmt: skip


def test_every_operation_is_there_and_no_other(checked):
    assert set(checked.schema.actions) == {row["operation"] for row in OPERATIONS} | NO_OPERATIONS


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row["operation"])
def test_an_operation_takes_what_the_document_says(checked, row):
    constants = checked.schema.actions[row["operation"]].constants

    assert constants["scopes"] == frozenset(row["scopes"].split())
    assert constants["accepts"] == frozenset(row["credentials"].split())
    assert constants["tiers"] == frozenset(row["tiers"].split())


def test_needed_facts_are_few(checked):
    """A service need not send the fields of a Post, only what rules read."""
    needs = checked.needs(("searchPostsAll", "App", "Post"))

    assert set(needs.resource.attributes) == {"author", "created_at", "withheld_in"}
