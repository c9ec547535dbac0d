"""Bound the time that a report takes, and say what was left out."""

from __future__ import annotations

import time

from attrs import define, field


@define(eq=False)
class ReportBudget:
    """The CPU time that may be spent, in seconds. *lacking*: what was left out when it was."""

    seconds: float
    start: float = field(factory=time.process_time)
    lacking: dict[str, None] = field(factory=dict)

    def is_spent(self, what: str) -> bool:
        """Whether nothing may be spent any more; *what* is then noted as left out."""
        if time.process_time() - self.start < self.seconds:
            return False
        self.lacking[what] = None
        return True
