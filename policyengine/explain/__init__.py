"""Explain decisions: why, which rules came nearest, what would allow, each for an audience."""

from policyengine.explain.explainer import explain
from policyengine.explain.explanation import Explanation
from policyengine.model.outcome import AUDIENCES, Audience
from policyengine.reference.time_limit import MOST_EXPLAINED, limited, limited_unless_set

__all__ = [
    "AUDIENCES", "MOST_EXPLAINED", "Audience", "Explanation", "explain", "limited", "limited_unless_set",
]  # fmt: skip
