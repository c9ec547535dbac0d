"""Explain decisions: why, which rules came nearest, what would allow, each for an audience."""

from policyengine.explain.evidence import AUDIENCES, Audience
from policyengine.explain.explainer import explain
from policyengine.explain.explanation import Explanation

__all__ = ["AUDIENCES", "Audience", "Explanation", "explain"]
