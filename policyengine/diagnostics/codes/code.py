"""Describe the entry of a diagnostic code in the catalogue."""

from __future__ import annotations

from attrs import frozen


@frozen
class Code:
    """One entry of the catalogue, from which `policyengine explain` and `docs/codes/` are made.

    *slug* reads well after "allow"; *summary* is a sentence, *explanation* says why it matters;
    *example* gives the code and *instead* does not (policy text, for PE5xx a request as JSON).
    """

    number: str
    slug: str
    summary: str
    explanation: str
    example: str
    instead: str
