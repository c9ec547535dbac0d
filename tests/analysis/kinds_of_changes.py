"""Hold that changes which would allow a request are found, each described by a policy and a request."""

from __future__ import annotations

from typing import Any

from policyengine.diagnostics.source import Source
from policyengine.explain import explain
from policyengine.intake.validation import Validator
from policyengine.model.limits import Limits
from policyengine.pipeline import check_sources

NOW = 1_800_000_000_000_000
"""2027-01-15T08:00:00Z, a Friday."""

HOUR = 3_600_000_000

USER = {"type": "User", "id": "u"}
DOC = {"type": "Doc", "id": "d"}


class Cases(dict[str, tuple[str, list[str], dict[str, Any]]]):
    """Cases by name: rules, the changes that must be offered, and the request that the rules deny."""

    def add(self, name: str, text: str, wanted: list[str], **request: Any) -> None:
        """Add a case; what is not said of the request is plain."""
        plain = {"subject": USER, "action": "edit", "resource": DOC, "now": NOW}
        self[name] = text, wanted, plain | request

    def hold(self, name: str) -> None:
        """Hold that all changes that are wanted are offered."""
        text, wanted, given = self[name]
        checked, found = check_sources({"c.policy": Source("c.policy", text)})
        assert checked is not None, [d.message for d in found.items]
        request = Validator(checked.schema, checked.needs, Limits()).validate_parts(**given)
        offers = explain(checked, request).to_json("auditor")["would_allow"]
        texts = [" and ".join(f"{c['what']} = {c['to']}" for c in offer) for offer in offers]
        assert [one for one in wanted if not any(one in text for text in texts)] == [], texts
