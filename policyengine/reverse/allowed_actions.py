"""Ask which actions a subject may do on a resource: each that there is for their types is decided about."""

from __future__ import annotations

from contextlib import suppress

from policyengine.intake.fast_path import time_of
from policyengine.intake.intake import Intake
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore
from policyengine.model.errors import InvalidRequest
from policyengine.model.types import Schema
from policyengine.model.values import to_datetime
from policyengine.reverse.page import Page
from policyengine.runtime import clock


def allowed_actions(
    raw: RawRequest, *, schema: Schema, intake: Intake, store: EntityStore | None
) -> Page[str]:
    """Return the actions of *raw*, which lacks one, that are allowed; raises as `PolicyEngine.actions` does."""
    intake.validator.keep_others(raw)
    subject, resource = intake.validator.types(raw, store)
    with suppress(Exception):  # what is no time is reported for each
        # One moment for all that is asked: a time zone may say another one when it is asked again.
        raw.now = to_datetime(clock.now() if raw.now is None else time_of(raw.now))
    allowed: list[str] = []
    refusals: dict[str, InvalidRequest] = {}
    fitting = False
    for name, action in schema.actions.items():
        if subject in action.subjects and resource in action.resources:
            raw.action = name
            try:
                if intake.decide(raw).allowed:
                    allowed.append(name)
                fitting = True
            except InvalidRequest as refusal:
                refusals[name] = refusal
    if refusals and not fitting:
        raise next(iter(refusals.values()))
    return Page(tuple(allowed), tuple(refusals), None)
