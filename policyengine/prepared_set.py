"""Keep what is made of a policy set when it is first needed, and depends on no store.

Engines of one set that differ in their stores share it (`PolicyEngine.with_store`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from policyengine.concurrency import cached_property

if TYPE_CHECKING:
    from policyengine.intake.readers import Readers
    from policyengine.model.limits import Limits
    from policyengine.partial.decide_partially import PartialRules
    from policyengine.runtime.program import Program
    from policyengine.semantics.checked import CheckedSet


class PreparedSet:
    """What was made of *program*, and of the set that *checked* gives, under *limits*."""

    def __init__(self, program: Program, checked: Callable[[], CheckedSet], limits: Limits) -> None:
        self._program = program
        self._checked = checked
        self._limits = limits

    @cached_property
    def readers(self) -> Readers:
        """The readers of requests."""
        from policyengine.intake.readers import Readers

        return Readers(self._program, self._limits)

    @cached_property
    def partial_rules(self) -> PartialRules:
        """The rules for requests of which only a part is known."""
        from policyengine.partial.decide_partially import PartialRules

        return PartialRules(self._checked())
