"""Assert decisions in tests written in Python, with an explanation where they are not as expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from policyengine.diagnostics.spell import did_you_mean
from policyengine.engine import PolicyEngine
from policyengine.model.decision import Decision


@frozen
class Assertions:
    """Asserts what an engine decides."""

    engine: PolicyEngine

    def allowed(self, *request: Any, **more: Any) -> Decision:
        """Assert that a request is allowed; takes what `PolicyEngine.decide` takes."""
        __tracebackhide__ = True
        decision = self.engine.decide(*request, **more)
        if not decision.allowed:
            raise AssertionError(self._explained("expected allow", request, more))
        return decision

    def denied(self, *request: Any, because: str | Iterable[str] = (), **more: Any) -> Decision:
        """Assert that a request is denied, and that the rules in *because* determined it.

        Raises `ValueError` for a rule that does not exist.
        """
        __tracebackhide__ = True
        wanted = [because] if isinstance(because, str) else list(because)
        self._know(wanted)
        decision = self.engine.decide(*request, **more)
        if decision.allowed or any(id_ not in decision.rules for id_ in wanted):
            why = f" because of {', '.join(wanted)}" if wanted else ""
            raise AssertionError(self._explained(f"expected deny{why}", request, more))
        return decision

    def _know(self, ids: Iterable[str]) -> None:
        __tracebackhide__ = True
        known = self.engine.rules
        for id_ in ids:
            if id_ not in known:
                help = did_you_mean(id_, known)
                raise ValueError(f"there is no rule `{id_}`" + (f"; {help}" if help else ""))

    def _explained(self, expected: str, request: tuple[Any, ...], more: dict[str, Any]) -> str:
        try:
            explanation = self.engine.explain(*request, **more)
        except TimeoutError:  # its sets are large: the reason is there at once
            return f"{expected}, got: {self.engine.decide(*request, **more).reason}"
        return "\n".join([f"{expected}, got:", "", *explanation.lines("auditor")])
