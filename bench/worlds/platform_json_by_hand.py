"""Read requests about policies/x from JSON by hand, for the function that is written by hand.

Nothing is validated, and what no rule reads is left where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bench.worlds.platform_asked import (
    Addressed,
    App,
    Approval,
    Asked,
    Context,
    Operation,
    Resource,
    User,
    Viewer,
)


def read(document: Mapping[str, Any], operations: Mapping[str, Operation]) -> Asked:
    """Return the request in *document*, which is trusted."""
    subject, about = document["subject"], document["resource"]
    people = {entity["id"]: _user(entity) for entity in document["entities"]}
    if about["type"] == "User":
        people[about["id"]] = _user(about)
    app, said = subject["properties"], document["context"]
    return (
        App(
            subject["id"],
            app["tier"],
            app["status"],
            frozenset(app["approved_purposes"]),
            datetime.fromisoformat(app["reviewed_at"]),
            tuple([_approval(given) for given in app["approvals"]]),
            frozenset(app["marks"]),
            app["serves_government"],
            app.get("public_utility", False),
        ),
        operations[document["action"]["name"]],
        _resource(about, people),
        _context(said, people),
        datetime.fromisoformat(document["now"]),
    )


def _approval(given: Mapping[str, Any]) -> Approval:
    since, until = (datetime.fromisoformat(given[name]) for name in ("since", "until"))
    return Approval(given["what"], since, until)


def _user(entity: Mapping[str, Any]) -> User:
    given = entity["properties"]
    return User(
        entity["id"],
        given["protected"],
        frozenset([app["id"] for app in given["authorized_apps"]]),
        given["shares_location"],
        given["writes_notes"],
        given["state"],
        given["messages_from"],
        frozenset([user["id"] for user in given["blocks_messages_of"]]),
        given["tagged_by"],
        given["discoverable_by_email"],
        given["discoverable_by_phone"],
    )


def _resource(entity: Mapping[str, Any], people: Mapping[str, User]) -> Resource:
    type_, id_, given = entity["type"], entity["id"], entity.get("properties", {})
    match type_:
        case "Post":
            return Resource(
                type_,
                id_,
                author=people[given["author"]["id"]],
                withheld_in=frozenset(given["withheld_in"]),
                conversation_owner=given["conversation_owner"]["id"],
            )
        case "Media":
            author = people[given["author"]["id"]]
            return Resource(type_, id_, author=author, may_be_kept=given["downloadable"])
        case "User":
            return Resource(type_, id_, owner=id_, user=people[id_])
        case "ComplianceJob" | "Connection" | "Usage" | "RulesCount" | "WebhookConfig":
            return Resource(type_, id_, app=given["app"]["id"])
        case "Place" | "Poll":
            return Resource(type_, id_, author=people[given["author"]["id"]])
        case "Platform" | "News" | "Community" | "Trend" | "Topic":
            return Resource(type_, id_)
        case "DirectMessage" | "ChatConversation" | "ChatEvent":
            return Resource(
                type_,
                id_,
                participants=tuple([people[user["id"]] for user in given["participants"]]),
            )
        case _:
            private = given.get("private", False)
            kept = given.get("recorded", True)
            return Resource(
                type_, id_, owner=given["owner"]["id"], private=private, may_be_kept=kept
            )


def _context(said: Mapping[str, Any], people: Mapping[str, User]) -> Context:
    user, viewer, about = said.get("user"), said.get("viewer"), said.get("about")
    account = said.get("account", {"id": ""})["id"]
    return Context(
        said["credential"],
        frozenset(said["scopes"]),
        said["permission"],
        None if user is None else people[user["id"]],
        frozenset(said.get("purposes", ())),
        frozenset(said.get("derives", ())),
        said.get("aggregate", False),
        said.get("matching", "no_matching"),
        said.get("reasonably_expected", False),
        None if viewer is None else Viewer(viewer["approved_follower"], viewer["blocked"]),
        account,
        said.get("member", False),
        said.get("person_asked", False),
        frozenset(said.get("practices", ())),
        frozenset(said.get("consents", ())),
        said.get("started_by", ""),
        Addressed(**said["addressee"]) if "addressee" in said else None,
        frozenset([user["id"] for user in said.get("welcome", ())]),
        tuple([people[user["id"]] for user in said.get("tags", ())]),
        said.get("country", ""),
        said.get("kind", ""),
        said.get("event", ""),
        None if about is None else people[about["id"]],
        said.get("posts_read", 0),
        said.get("calls", 0),
        said.get("calls_by_day", 0),
        said.get("calls_in_all", 0),
        said.get("calls_in_all_by_day", 0),
        said.get("calls_by_second", 0),
        said.get("posts_written", 0),
        said.get("subscriptions", 0),
    )
