"""Bound the time and the work that questions about a policy set may take.

A tool makes one budget, in seconds, and gives each question a part of it: a number of steps. What is found
within a budget is true whatever the clock says; what is not found in time is not settled, and the tool says how
many questions are not. So two runs may differ in what they leave open, and in nothing else.
"""

from __future__ import annotations

from time import monotonic

from attrs import define


class UndecidedError(Exception):
    """A question has no known answer: not everything that matters could be tried."""


class OutOfBudgetError(UndecidedError):
    """The time or the steps of a budget are used up: nothing is known of what was not tried."""


@define(eq=False)
class Budget:
    """The number of steps that may still be taken, and the moment at which time is up.

    *steps* and *deadline* (of `time.monotonic`) are None where there is no bound. *whole*: the budget of
    which this one is a part, which spends what its parts spend.
    """

    steps: int | None = None
    deadline: float | None = None
    whole: Budget | None = None

    @classmethod
    def lasting(cls, seconds: float | None) -> Budget:
        """Return a budget of so many seconds from now; None: without a bound."""
        return cls(deadline=None if seconds is None else monotonic() + seconds)

    def part(self, steps: int | None = None, share: float = 1) -> Budget:
        """Return a part of this budget: so many steps, in a *share* of the time that is left."""
        seconds = self.seconds_left
        return Budget(steps, None if seconds is None else monotonic() + seconds * share, self)

    @property
    def seconds_left(self) -> float | None:
        """The seconds that are left, None where there is no bound."""
        whole = None if self.whole is None else self.whole.seconds_left
        if self.deadline is None:
            return whole
        own = max(0.0, self.deadline - monotonic())
        return own if whole is None else min(own, whole)

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        if self.steps is not None and self.steps < 0:
            return True
        if self.deadline is not None and monotonic() >= self.deadline:
            return True
        return self.whole is not None and self.whole.is_spent

    def spend(self, steps: int = 1) -> None:
        """Take steps off the budget; raise `OutOfBudgetError` if nothing is left.

        Where there is a deadline, this looks at the clock: call it about once for a request that is tried.
        """
        if self.whole is not None:
            self.whole.spend(steps)
        if self.steps is not None:
            self.steps -= steps
            if self.steps < 0:
                raise OutOfBudgetError
        if self.deadline is not None and monotonic() >= self.deadline:
            raise OutOfBudgetError
