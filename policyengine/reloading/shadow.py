"""Decide with a candidate beside the policy set that is in force, and count where they differ."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from policyengine.concurrency import OwnLock
from policyengine.model.errors import InvalidRequest
from policyengine.model.settings import check_done

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.decision import Decision
    from policyengine.model.request import Request

_REFUSED: Final = "refused"


class Shadow:
    """A candidate that decides the same requests as the set in force. `PolicyHolder.shadow` is one.

    What it says is never what is answered, and it raises nothing.
    """

    def __init__(
        self, on_difference: Callable[[Decision | None, Decision | None], object] | None
    ) -> None:
        self.engine: PolicyEngine | None = None
        self.last_error: Exception | None = None
        self._on_difference = on_difference
        self._counting = OwnLock()
        self._compared = 0
        self._differences: Counter[tuple[str, str]] = Counter()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a shadow is of the process that compares: read its `differences`")

    def __repr__(self) -> str:
        return f"<candidate {self.engine!r}, compared {self._compared:,} times>"

    @property
    def compared(self) -> int:
        """The requests that both were asked."""
        return self._compared

    @property
    def differences(self) -> Mapping[tuple[str, str], int]:
        """The requests that they decided differently, by action and by what became of what: `"allow → deny"`.

        `"allow"` is for one that both allow, of other fields, masks or obligations; `"refused"` for a request that
        does not fit.
        """
        with self._counting.lock:
            return dict(self._differences)

    def clear(self) -> None:
        """Begin to count again."""
        with self._counting.lock:
            self._compared = 0
            self._differences.clear()

    def compare(self, decided: Decision | None, asked: Request, in_force: PolicyEngine) -> None:
        """Ask the candidate what was *asked*, and count; *decided*: by the engine *in_force*, None if it refused that.

        If the store was changed meanwhile, nothing is compared: the facts that are decided about are others.
        """
        try:
            engine = self.engine
            if engine is not None and engine._store in (None, in_force._store):  # noqa: SLF001 - which it was given
                self._compare(decided, asked, engine)
        except Exception as problem:  # noqa: BLE001 - it must not be in the way of what is in force
            self.last_error = problem.with_traceback(None)

    def _compare(
        self,
        decided: Decision | None,
        asked: Request,
        engine: PolicyEngine,
    ) -> None:
        other: Decision | None = None
        with contextlib.suppress(InvalidRequest):
            other = engine.decide(asked)
        before, after = _said(decided), _said(other)
        with self._counting.lock:
            self._compared += 1
            if before != after:
                # Of a request that is refused, not even the action need be one.
                action = asked.action
                known = isinstance(action, str) and action in engine.schema.actions
                change = f"{before[0]} → {after[0]}" if before[0] != after[0] else before[0]
                self._differences[str(action) if known else "", change] += 1
        if before != after and self._on_difference is not None:
            check_done("on_difference", self._on_difference(decided, other))


def _said(decision: Decision | None) -> tuple[Any, ...]:
    """Return what a service acts on."""
    if decision is None:
        return (_REFUSED,)
    owed = tuple(map(str, decision.obligations))
    verdict = "allow" if decision.allowed else "deny"
    return verdict, decision.exposed, tuple(sorted(decision.masks.items())), owed
