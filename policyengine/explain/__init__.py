"""Explain decisions: why, which rules came nearest, what would allow, each for an audience."""

from policyengine.explain.explainer import explain
from policyengine.explain.explanation import Explanation
from policyengine.model.outcome import AUDIENCES, Audience
from policyengine.reference.time_limit import limited

__all__ = ["AUDIENCES", "Audience", "Explanation", "explain", "limited"]
