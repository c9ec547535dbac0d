"""Ask what the engine promises: one file for each question, which says what must be reached.

Each has `ask(scale)`, which gives answers, each a figure of one run beside its bar and its aim. All who
answer requests are compared before any is timed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from bench.questions.answer import Answer, Ask, DisagreementError, Scale

__all__ = ["NAMES", "Answer", "Ask", "DisagreementError", "Scale", "find"]

NAMES: Final = (
    "decide_built",
    "decide_bound",
    "decide_dicts",
    "decide_json",
    "decide_objects",
    "fastest_peer",
    "building",
    "platform_typed",
    "platform_dicts",
    "platform_json",
    "platform_reason",
    "require",
    "adapters",
    "guards",
    "hospital_typed",
    "workspace_typed",
    "partial",
    "sharing_peer",
    "sharing_bound",
    "sharing_store",
    "store_changes",
    "searching",
    "decide_many",
    "decide_each",
    "deciding_tables",
    "customers",
    "mixed",
    "beside",
    "latency",
    "warm_load",
    "cold_compile",
    "first_load",
    "starting",
    "threads",
    "tenants_decide",
    "tenants_deny",
    "tenants_first_reason",
    "lint",
    "mutate",
    "explain",
    "recheck",
)


def find(name: str) -> Ask:
    """Return the question *name*."""
    asked: Ask = import_module(f"bench.questions.{name}").ask
    return asked
