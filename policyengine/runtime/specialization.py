"""Choose the function that is left for one subject, once what depends on it alone is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

from policyengine.model.entities import Entity
from policyengine.runtime.bounded_cache import BoundedCache
from policyengine.runtime.compiled_rule import Function
from policyengine.runtime.compiled_target import Compiled

SubjectProfile: TypeAlias = tuple[bool | None, ...]
"""What a subject answers to each test; None where a test failed, and is asked again each time."""

_LEAST: Final = 32
"""A function of fewer rules counts as one of so many."""

_MOST_LEFT: Final = 256 * _LEAST
"""Rules in all functions of one target that are kept, and that are made whoever asks."""

_WORTH: Final = 4
"""Rules in functions that are made after that, for each subject that asks; others use the whole."""

_NEVER: Final = -(1 << 62)
_FOREVER: Final = 1 << 62
_SOON: Final = 1_000_000
"""Microseconds; an answer that may turn sooner is not worth keeping."""


class Left(Struct, frozen=True, eq=False):
    """What is left to decide, by so many *rules*."""

    compiled: Compiled
    rules: int


def _size(left: Left) -> int:
    """Return what a function counts for: what it takes to make and to keep it."""
    return min(max(left.rules, _LEAST), _MOST_LEFT)


class Split(Struct, eq=False):
    """The tests of one target, and what is left of its rules by the answers.

    *whole*: what decides about any subject. *tests*: the generated functions; *timed*: whether one of
    them reads the time. *leave* makes what is left; of how many rules, `_made` counts.
    """

    whole: Compiled
    tests: Sequence[Function]
    timed: bool
    leave: Callable[[SubjectProfile], Left]
    _left: BoundedCache[SubjectProfile, Left] = field(
        default_factory=lambda: BoundedCache(_MOST_LEFT, _size)
    )
    _asked: int = 0
    _made: int = 0

    def for_subject(self, subject: Entity, now: int) -> tuple[Compiled, int, int]:
        """Return what decides about *subject*, from which moment, and before which.

        What was answered at one moment is not known to hold before it.
        """
        turns: list[int] = []
        answers = tuple([self._answer(test, subject, now, turns) for test in self.tests])
        since = now if self.timed else _NEVER
        until = min((moment for moment in turns if moment > now), default=_FOREVER)
        if until < now + _SOON:
            return self.whole, _NEVER, _FOREVER
        self._asked += 1  # with threads that meet here, it counts about
        left = self._left.get(answers)
        if left is None:
            if self._made >= max(_MOST_LEFT, self._asked * _WORTH):
                return self.whole, _NEVER, _FOREVER  # they answer in too many ways
            left = self._left[answers] = self.leave(answers)
            self._made += _size(left)
        return left.compiled, since, until

    @staticmethod
    def _answer(test: Function, subject: Entity, now: int, turns: list[int]) -> bool | None:
        try:
            return bool(test(subject, None, None, now, None, turns))
        except Exception:  # noqa: BLE001 - it fails again where it stands, if it is reached
            return None
