"""Describe what a diagnostic code stands for."""

from __future__ import annotations

from attrs import frozen


@frozen
class Code:
    """One entry of the catalogue that `policyengine explain` and `docs/codes/` are made from.

    *slug* reads well after "allow"; *summary* is a sentence, *explanation* says why it matters;
    *example* gives the code and *instead* does not (policy text, for PE5xx a request as JSON).
    """

    number: str
    slug: str
    summary: str
    explanation: str
    example: str
    instead: str
