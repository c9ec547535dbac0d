"""Offer an explanation to integrators, which shows an audience no more than it may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from policyengine.explain import audiences
from policyengine.explain.audiences import Line
from policyengine.explain.evidence import Evidence
from policyengine.model.immutable import Immutable
from policyengine.model.notebook_html import lines_html
from policyengine.model.outcome import Audience, Outcome, known_audience

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.model.decision import Decision


class Explanation(Immutable):
    """Why a request is decided as it is, and what would allow it; shown to one audience at a time."""

    __slots__ = ("_evidence",)

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    if not TYPE_CHECKING:  # so that mypy reports `if explanation:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError(
                "an explanation is neither true nor false: ask `explanation.outcome.allowed`"
            )

    @property
    def outcome(self) -> Outcome:
        """The decision without its wording."""
        return self._evidence.outcome

    def __repr__(self) -> str:
        outcome = self.outcome
        return f"<explanation of {'an allow' if outcome.allowed else 'a deny'} ({outcome.cause})>"

    def _repr_html_(self) -> str:
        """Show the explanation in a notebook, as the user may see it: notebooks are passed on."""
        lines = ((line.text, line.tone) for line in self.toned_lines("user"))
        return lines_html(lines, allowed=self.outcome.allowed)

    def to_json(self, audience: Audience) -> dict[str, Any]:
        """Return what *audience* (`user`, `developer` or `auditor`) may see, as JSON values."""
        return audiences.to_json(self._evidence, known_audience(audience))

    def access_request(
        self, decision: Decision, *, expires_at: datetime, endpoint: str | None = None,
        template: str | None = None, binding_token: str | None = None,
    ) -> dict[str, Any] | None:  # fmt: skip
        """Return what to add to the `context` of AuthZEN's answer so that access may be requested; None if it may not.

        It may be after a deny that the platform or the person concerned can turn into an allow, by what the user is
        told of that. *decision*: the one that is explained. *expires_at*: until when a request is taken; no longer
        than the deny lasts. *endpoint*, *template* and *binding_token* are the service's. Raises `ValueError` for
        another decision, a time without a zone, and an endpoint without `https`.
        """
        from policyengine.explain.access_request import access_request

        return access_request(
            self._evidence, decision, expires_at=expires_at, endpoint=endpoint, template=template,
            binding_token=binding_token,
        )  # fmt: skip

    def lines(self, audience: Audience) -> Iterator[str]:
        """Give what *audience* may see as text, line by line."""
        return (line.text for line in self.toned_lines(audience))

    def toned_lines(self, audience: Audience) -> Iterator[Line]:
        """Give the same lines, each with what it means: for a terminal."""
        return audiences.lines(self._evidence, known_audience(audience))
