"""Holds the fields that policies/x shows to the platform's own table of them, for each who may look."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policyengine import PolicyEngine
from tests.strategies.real_sets import loaded

NOW = datetime(2026, 11, 23, tzinfo=UTC)

# The fields and expansions of OpenAPI 2.167 of 2026-08-22, with who may see them and how that is known.
with (Path(__file__).parent / "fields.csv").open(encoding="utf-8", newline="") as stream:
    ROWS = list(csv.DictReader(stream))

FIELDS: dict[str, dict[str, str]] = defaultdict(dict)
for row in ROWS:
    if row["kind"] == "field":
        FIELDS[row["object"]][row["name"]] = row["visibility"]

SHOWN_BY = {
    "Analytics": ("getPostsAnalytics", "Analytics"),
    "Broadcast": ("getBroadcast", "Broadcast"),
    "BroadcastChatMessage": ("getBroadcastChat", "BroadcastMessage"),
    "ChatConversation": ("getChatConversation", "ChatConversation"),
    "ChatMessageEvent": ("getChatConversationEvents", "ChatEvent"),
    "Community": ("getCommunitiesById", "Community"),
    "ComplianceJob": ("getComplianceJobs", "ComplianceJob"),
    "Connection": ("getConnectionHistory", "Connection"),
    "DmEvent": ("getDirectMessagesEventsById", "DirectMessage"),
    "List": ("getListsById", "List"),
    "Media": ("getMediaByMediaKey", "Media"),
    "MediaAnalytics": ("getMediaAnalytics", "Analytics"),
    "News": ("getNews", "News"),
    "Note": ("searchCommunityNotesWritten", "Note"),
    "PersonalizedTrend": ("getTrendsPersonalizedTrends", "PersonalTrend"),
    "Place": ("includePlace", "Place"),
    "Poll": ("includePoll", "Poll"),
    "Post": ("getPostsById", "Post"),
    "PublicKey": ("getUsersPublicKey", "PublicKey"),
    "RulesCount": ("getRuleCounts", "RulesCount"),
    "Space": ("getSpacesById", "Space"),
    "Topic": ("includeTopic", "Topic"),
    "Trend": ("getTrendsByWoeid", "Trend"),
    "Usage": ("getUsage", "Usage"),
    "User": ("getUsersById", "User"),
    "WebhookConfig": ("getWebhooks", "WebhookConfig"),
}
"""An operation that shows each object, and what the object is called in the policies."""

VIEWS = ("app", "stranger", "owner", "writer", "another app")
EVERYBODY = {"app", "stranger", "owner", "writer"}
SEEN_BY = {
    "public": EVERYBODY,
    "public_geo": EVERYBODY,  # the author shares it
    "control_state": EVERYBODY,
    "compliance": EVERYBODY,
    "author_only": {"owner"},
    "analytics_owner": {"owner"},
    "owner_context": {"owner"},
    "private_message": {"owner"},
    "user_pii": {"owner"},
    "viewer_relation": {"stranger", "owner", "writer"},
    "programme": {"writer"},
    "developer_account": {"app"},
}
SEEN_OTHERWISE = {
    # Keys of encrypted chat are there for whoever writes to their owner.
    "PublicKey": {"stranger", "owner", "writer"},
    # The table calls the fields of notes public; the one operation that shows them shows one's own.
    "Note": set(),
}


@pytest.fixture(scope="module")
def engine():
    return loaded("x").engine


def _person(id_: str, **more: object) -> dict[str, object]:
    properties = {
        "protected": False, "authorized_apps": [{"type": "App", "id": "lens"}],
        "shares_location": True, "writes_notes": id_ == "writer", "state": "active",
        "messages_from": "everybody", "blocks_messages_of": [], "tagged_by": "everybody",
        "discoverable_by_email": True, "discoverable_by_phone": True, **more,
    }  # fmt: skip
    return {"type": "User", "id": id_, "properties": properties}


def _shown(engine: PolicyEngine, name: str, view: str, **author: object) -> set[str]:
    """Return the fields of an object of the person "owner" and the app "lens" that *view* is shown."""
    operation, entity = SHOWN_BY[name]
    action = engine.schema.actions[operation]
    owner = {"type": "User", "id": "owner"}
    properties = {
        "author": owner, "owner": owner, "participants": [owner], "private": False,
        "app": {"type": "App", "id": "lens"}, "conversation_owner": owner, "withheld_in": [],
        "created_at": "2026-11-20", "downloadable": True, "recorded": True,
    }  # fmt: skip
    known = {attribute.name for attribute in engine.schema.entities[entity].attributes}
    people = [_person(id_, **author) for id_ in ("owner", "stranger", "writer")]
    alone = view in ("app", "another app")
    resource = {
        "type": entity, "id": "owner",
        "properties": {key: value for key, value in properties.items() if key in known},
    }  # fmt: skip
    if entity == "User":
        resource = people.pop(0)
    context = {
        "credential": "app_only" if alone else "oauth2_user",
        "scopes": sorted({*action.constants["scopes"], *([] if alone else ["users.email"])}),
        "permission": "direct_messages",
        **({} if alone else {"user": {"type": "User", "id": view}}),
        "purposes": ["research"], "practices": [], "consents": [], "derives": [],
        "aggregate": False, "matching": "no_matching", "reasonably_expected": False,
        "posts_read": 0, "calls": 0, "calls_by_day": 0, "calls_in_all": 0, "calls_in_all_by_day": 0,
    }  # fmt: skip
    taken = {attribute.name for attribute in action.context.attributes}
    decision = engine.decide(
        {
            "type": "App", "id": "other" if view == "another app" else "lens",
            "properties": {
                "tier": "enterprise", "status": "active", "approved_purposes": ["research"],
                "reviewed_at": "2026-09-01", "approvals": [], "marks": [],
                "serves_government": False,
            },
        },
        operation, resource, {key: value for key, value in context.items() if key in taken},
        now=NOW, entities=people,
    )  # fmt: skip
    assert decision.cause != "invalid_request", decision.reason
    return set(decision.exposed) if decision.allowed else set()


def test_the_table_is_whole():
    assert sum(map(len, FIELDS.values())) == 262
    assert sum(row["kind"] == "expansion" for row in ROWS) == 29
    assert set(FIELDS) == set(SHOWN_BY)
    assert {kind for fields in FIELDS.values() for kind in fields.values()} == set(SEEN_BY)


WITHOUT_EFFECT = {"shares_with_partners", "trains_grok", "personalised", "display_settings"}
"""The settings of a person that change nothing of what apps are given, which reports say."""


@pytest.mark.parametrize("name", sorted(SHOWN_BY))
def test_an_object_has_the_fields_of_the_table_and_no_other_is_made_up(name):
    checked = loaded("x").checked
    entity = SHOWN_BY[name][1]
    attributes = {attribute.name for attribute in checked.schema.entities[entity].attributes}
    of_the_table = {
        field
        for other, (_, called) in SHOWN_BY.items()
        if called == entity
        for field in FIELDS[other]
    }
    assert of_the_table <= attributes | {"id"}
    made_up = attributes - of_the_table - {"id"}
    needed = {a.name for a in checked.schema.entities[entity].attributes if not a.optional}
    assert made_up <= needed | WITHOUT_EFFECT, "what is no field of an answer is what rules ask for"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", sorted(SHOWN_BY))
def test_each_sees_the_fields_that_are_theirs_to_see(engine, name, view):
    operation, _ = SHOWN_BY[name]
    accepts = engine.schema.actions[operation].constants["accepts"]
    by_token = "app_only" if view in ("app", "another app") else "oauth2_user"
    of_the_app = "developer_account" in FIELDS[name].values()
    expected = {
        field
        for field, kind in FIELDS[name].items()
        if by_token in accepts
        and (view if of_the_app else view.removeprefix("another "))
        in SEEN_OTHERWISE.get(name, SEEN_BY[kind])
    }

    assert _shown(engine, name, view) & set(FIELDS[name]) == expected


def test_where_the_author_shares_no_place_there_is_none(engine):
    assert "geo" in _shown(engine, "Post", "stranger")
    assert "geo" not in _shown(engine, "Post", "stranger", shares_location=False)
    assert _shown(engine, "Place", "stranger", shares_location=False) == set()
    assert "location" in _shown(engine, "User", "stranger", shares_location=False)
