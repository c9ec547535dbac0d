"""Choose the residual for a subject: what is left to decide once its tests have results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

from policyengine.model.entities import Entity
from policyengine.runtime.bounded_cache import BoundedCache
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.compiled_target import CompiledTarget

SubjectProfile: TypeAlias = tuple[bool | None, ...]
"""The results of the tests for a subject; None for a test that failed, which is evaluated again each time."""

_LEAST: Final = 32
"""A function of fewer rules counts as one of so many."""

_MOST_RULES: Final = 256 * _LEAST
"""Rules in all residuals of one target that are kept, and that are made for any subjects."""

_WORTH: Final = 4
"""Rules in residuals that are made after that, for each subject; others use the whole."""

_NEVER: Final = -(1 << 62)
_FOREVER: Final = 1 << 62
_SOON: Final = 1_000_000
"""Microseconds; a residual that is valid for less is not worth making."""


class Residual(Struct, frozen=True, eq=False):
    """What is left to decide, and how many *rules* that takes."""

    compiled: CompiledTarget
    rules: int


def _size(residual: Residual) -> int:
    """Return what a function counts for: what it takes to make and to keep it."""
    return min(max(residual.rules, _LEAST), _MOST_RULES)


class Specializer(Struct, eq=False):
    """The tests of one target, and the residuals of its rules by their results.

    *whole*: the compiled rules, for any subject. *tests*: the generated functions; *timed*: whether one of
    them reads the time. *specialize* makes a residual; `_made` counts their rules.
    """

    whole: CompiledTarget
    tests: Sequence[Function]
    timed: bool
    specialize: Callable[[SubjectProfile], Residual]
    _residuals: BoundedCache[SubjectProfile, Residual] = field(
        default_factory=lambda: BoundedCache(_MOST_RULES, _size)
    )
    _asked: int = 0
    _made: int = 0

    def for_subject(self, subject: Entity, now: int) -> tuple[CompiledTarget, int, int]:
        """Return the compiled rules for *subject*, and the moments from and before which they hold.

        A result at one moment is not known to hold before it.
        """
        turns: list[int] = []
        profile = tuple([self._result(test, subject, now, turns) for test in self.tests])
        since = now if self.timed else _NEVER
        until = min((moment for moment in turns if moment > now), default=_FOREVER)
        if until < now + _SOON:
            return self.whole, _NEVER, _FOREVER
        self._asked += 1  # with several threads, this is not exact
        residual = self._residuals.get(profile)
        if residual is None:
            if self._made >= max(_MOST_RULES, self._asked * _WORTH):
                # Subjects have too many combinations of results.
                return self.whole, _NEVER, _FOREVER
            residual = self._residuals[profile] = self.specialize(profile)
            self._made += _size(residual)
        return residual.compiled, since, until

    @staticmethod
    def _result(test: Function, subject: Entity, now: int, turns: list[int]) -> bool | None:
        try:
            return bool(test(subject, None, None, now, None, turns))
        except Exception:  # noqa: BLE001 - it fails again in its rule, if that is reached
            return None
