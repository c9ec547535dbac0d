"""A small vocabulary by hand, and requests that fit it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from policyengine.intake import build
from policyengine.intake.validation import Validator
from policyengine.model.entities import Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds
from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    STRING,
    ActionType,
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    GateType,
    LevelsType,
    RecordType,
    Schema,
    SetType,
    TaxonomyType,
)
from policyengine.model.valid_request import ValidRequest

TIER = LevelsType("Tier", "x", ("free", "basic", "pro"))
STATUS = EnumType("Status", "x", ("active", "closed", "tweet.read"))
PURPOSE = TaxonomyType("Purpose", "x", (("research", None), ("health", "research"), ("ads", None)))
PLACE = RecordType((Attribute("lat", DECIMAL), Attribute("long", DECIMAL, optional=True)))
USER = EntityRefType("User")

PROJECT_TYPE = EntityType("Project", ("Project",), ())
TEAM_TYPE = EntityType("Team", (), ())
USER_TYPE = EntityType(
    "User",
    (),
    (
        Attribute("protected", BOOL),
        Attribute("apps", SetType(EntityRefType("App"))),
        Attribute("doctor", USER, optional=True, private=True),
    ),
)
APP_TYPE = EntityType(
    "App",
    ("Project", "Team"),
    (
        Attribute("tier", TIER),
        Attribute("status", STATUS),
        Attribute("purposes", SetType(PURPOSE)),
        Attribute("contact", STRING, optional=True, private=True),
        Attribute("rank", TIER, optional=True, private=True),
        Attribute("count", INT, optional=True),
        Attribute("class", STRING, optional=True),
    ),
)
POST_TYPE = EntityType(
    "Post",
    (),
    (
        Attribute("author", USER),
        Attribute("readers", SetType(USER)),
        Attribute("created_at", DATETIME),
        Attribute("geo", PLACE, optional=True),
        Attribute("price", DECIMAL, optional=True),
        Attribute("wait", DURATION, optional=True),
        Attribute("address", IP, optional=True),
        Attribute("text", STRING, optional=True),
        Attribute("secret", RecordType((Attribute("code", STRING),)), optional=True, private=True),
    ),
)
CONTEXT = RecordType(
    (
        Attribute("purposes", SetType(PURPOSE)),
        Attribute("user", USER, optional=True),
        Attribute("places", SetType(PLACE), optional=True),
    )
)
NO_CONTEXT = RecordType(())
NAME_ONLY = RecordType((Attribute("name", STRING),))


def action(
    name: str, subject: str = "App", resource: str = "Post", context: RecordType = NO_CONTEXT
) -> ActionType:
    return ActionType(name, frozenset({"api"}), (subject,), (resource,), context, NAME_ONLY, {})


SCHEMA = Schema(
    {t.name: t for t in (PROJECT_TYPE, TEAM_TYPE, USER_TYPE, APP_TYPE, POST_TYPE)},
    {
        a.name: a
        for a in (
            action("search", context=CONTEXT),
            action("read"),
            action("adopt", "App", "App"),
            action("open", "App", "Project"),
        )
    },
    {"scope": GateType("scope", "?", is_field=True, package="x")},
    {},
)
LIMITS = Limits()

NEEDS = {
    "search": RequestNeeds(
        Needs({"tier": NOTHING, "contact": NOTHING}),
        Needs({"author": Needs({"protected": NOTHING})}),
        Needs({"purposes": NOTHING}),
    ),
    "read": RequestNeeds(Needs({"tier": NOTHING, "status": NOTHING})),
    "adopt": RequestNeeds(Needs({"tier": NOTHING}), Needs({"tier": NOTHING})),
    "open": RequestNeeds(Needs(line=True)),
}


def needs(target: tuple[str, str, str]) -> RequestNeeds:
    return NEEDS[target[0]]


APP: dict[str, Any] = {
    "type": "App",
    "id": "a1",
    "properties": {"tier": "pro", "status": "active", "purposes": ["health"]},
}
AUTHOR: dict[str, Any] = {"type": "User", "id": "u1", "properties": {"protected": False}}
POST: dict[str, Any] = {
    "type": "Post",
    "id": "p1",
    "properties": {"author": {"type": "User", "id": "u1"}, "created_at": "2026-09-01"},
}
SEARCH: dict[str, Any] = {
    "subject": APP,
    "action": "search",
    "resource": POST,
    "context": {"purposes": ["health"]},
    "entities": [AUTHOR],
    "now": 0,
}


def ask(
    needs: Callable[..., RequestNeeds] = needs, limits: Limits = LIMITS, **parts: Any
) -> ValidRequest:
    """Validate `SEARCH` with some parts changed."""
    return Validator(SCHEMA, needs, limits).validate_parts(**(SEARCH | parts))


def problems_of(judge: Callable[..., object], *args: Any, **parts: Any) -> list[tuple[str, str]]:
    """Return code and path of every problem; that there is none is a failure."""
    with pytest.raises(InvalidRequest) as refusal:
        judge(*args, **parts)
    for problem in refusal.value.problems:
        assert len(problem.message) < 400
        assert problem.message.isprintable()
        assert str(problem) in str(refusal.value)
    return [(p.code, p.path) for p in refusal.value.problems]


def changed(entity: dict[str, Any], **properties: object) -> dict[str, Any]:
    """Return *entity* with some properties changed, or left out where they are `...`."""
    merged = {**entity.get("properties", {}), **properties}
    return {**entity, "properties": {k: v for k, v in merged.items() if v is not ...}}


def build_entity(
    schema: Schema, limits: Limits, type_: Any, id_: Any, properties: Any, parents: Any = None
) -> Entity:
    """Build an entity of parts, as `PolicyEngine.entity` does."""
    raw = {"type": type_, "id": id_, "properties": properties}
    return build.build_entity(
        schema, limits, raw | ({} if parents is None else {"parents": parents})
    )
