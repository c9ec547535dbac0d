"""Decide requests by policies that people can read, each decision with its reason.

The public names are loaded when first used, so that `policyengine --version` and an import that
decides nothing cost next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from policyengine.version import __version__

if TYPE_CHECKING:
    from policyengine.bound import BoundAction, BoundSubject
    from policyengine.decide_each import Asked
    from policyengine.decider import Decider
    from policyengine.decision_cache import DecisionCache
    from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics
    from policyengine.engine import PolicyEngine
    from policyengine.explain import Explanation
    from policyengine.explain.periods import Timeline
    from policyengine.intake.batches import Evaluations
    from policyengine.intake.mapped_classes import AttributeSource, Ref
    from policyengine.intake.recorded_intake import OnDecision
    from policyengine.intake.store import EntityStore, UnknownEntities
    from policyengine.model.decision import Decision, Denied
    from policyengine.model.entities import Entity, EntityLike, Key
    from policyengine.model.errors import (
        InvalidPolicy,
        InvalidRequest,
        NotRecorded,
        NotReloaded,
        PolicyError,
        Problem,
        StaleSubject,
        UnhandledObligation,
    )
    from policyengine.model.fulfilment import Handler
    from policyengine.model.limits import Limits, Undeclared
    from policyengine.model.outcome import Advisory, Audience, Cause, Obligation, Outcome, RuleError
    from policyengine.model.records import Record
    from policyengine.model.request import Request
    from policyengine.model.types import Schema
    from policyengine.partial.residual import Residual
    from policyengine.record.decision_log import DecisionLog, LogMode, ToLog
    from policyengine.reloading.holder import MakeStore, PolicyHolder
    from policyengine.reloading.shadow import Shadow
    from policyengine.reverse.page import Page
    from policyengine.sources.entity_source import CachedSource, EntitySource, Fetched
    from policyengine.sources.sourced_engine import SourcedEngine

__all__ = [
    "Advisory",
    "Asked",
    "AttributeSource",
    "Audience",
    "BoundAction",
    "BoundSubject",
    "CachedSource",
    "Cause",
    "Decider",
    "Decision",
    "DecisionCache",
    "DecisionLog",
    "Denied",
    "Diagnostic",
    "Diagnostics",
    "Entity",
    "EntityLike",
    "EntitySource",
    "EntityStore",
    "Evaluations",
    "Explanation",
    "Fetched",
    "Handler",
    "InvalidPolicy",
    "InvalidRequest",
    "Key",
    "Limits",
    "LogMode",
    "MakeStore",
    "NotRecorded",
    "NotReloaded",
    "Obligation",
    "OnDecision",
    "Outcome",
    "Page",
    "PolicyEngine",
    "PolicyError",
    "PolicyHolder",
    "Problem",
    "Record",
    "Ref",
    "Request",
    "Residual",
    "RuleError",
    "Schema",
    "Shadow",
    "SourcedEngine",
    "StaleSubject",
    "Timeline",
    "ToLog",
    "Undeclared",
    "UnhandledObligation",
    "UnknownEntities",
    "__version__",
]

_HOMES = {
    "Advisory": "model.outcome",
    "Asked": "decide_each",
    "AttributeSource": "intake.mapped_classes",
    "Audience": "model.outcome",
    "BoundAction": "bound",
    "BoundSubject": "bound",
    "CachedSource": "sources.entity_source",
    "Cause": "model.outcome",
    "Decider": "decider",
    "Decision": "model.decision",
    "DecisionCache": "decision_cache",
    "DecisionLog": "record.decision_log",
    "Denied": "model.decision",
    "Diagnostic": "diagnostics.diagnostic",
    "Diagnostics": "diagnostics.diagnostic",
    "Entity": "model.entities",
    "EntityLike": "model.entities",
    "EntitySource": "sources.entity_source",
    "EntityStore": "intake.store",
    "Evaluations": "intake.batches",
    "Explanation": "explain",
    "Fetched": "sources.entity_source",
    "Handler": "model.fulfilment",
    "InvalidPolicy": "model.errors",
    "InvalidRequest": "model.errors",
    "Key": "model.entities",
    "Limits": "model.limits",
    "LogMode": "record.decision_log",
    "MakeStore": "reloading.holder",
    "NotRecorded": "model.errors",
    "NotReloaded": "model.errors",
    "Obligation": "model.outcome",
    "OnDecision": "intake.recorded_intake",
    "Outcome": "model.outcome",
    "Page": "reverse.page",
    "PolicyEngine": "engine",
    "PolicyError": "model.errors",
    "PolicyHolder": "reloading.holder",
    "Problem": "model.errors",
    "Record": "model.records",
    "Ref": "intake.mapped_classes",
    "Request": "model.request",
    "Residual": "partial.residual",
    "RuleError": "model.outcome",
    "Schema": "model.types",
    "Shadow": "reloading.shadow",
    "SourcedEngine": "sources.sourced_engine",
    "StaleSubject": "model.errors",
    "Timeline": "explain.periods",
    "ToLog": "record.decision_log",
    "Undeclared": "model.limits",
    "UnhandledObligation": "model.errors",
    "UnknownEntities": "intake.store",
}


def __getattr__(name: str) -> object:
    """Load a public name from the room that defines it (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(set(globals()) | set(__all__))
