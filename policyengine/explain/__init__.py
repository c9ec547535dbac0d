"""Explain decisions: why, what came nearest, what would allow, each to whom it may be told."""

from policyengine.explain.explainer import explain
from policyengine.explain.explanation import AUDIENCES, Audience, Explanation

__all__ = ["AUDIENCES", "Audience", "Explanation", "explain"]
