"""Hold a linked policy set, whose targets are compiled when they are first asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, field

from policyengine.model.needs import RequestNeeds
from policyengine.model.types import Schema, TargetKey

if TYPE_CHECKING:
    from policyengine.model.decision import Decision
    from policyengine.model.valid_request import ValidRequest
    from policyengine.runtime.compiled_target import CompiledTarget


class Program(Struct, eq=False, weakref=True):
    """A linked policy set. Deciding changes nothing but what is kept to be quicker the next time.

    Decision functions are made when they are first needed, and kept as long as the program: a set that
    is loaded again meanwhile shares them. *needs*: what a request must give.
    """

    digest: str
    schema: Schema
    needs: Callable[[TargetKey], RequestNeeds]
    _compile: Callable[[TargetKey], CompiledTarget]
    _used: dict[TargetKey, CompiledTarget] = field(default_factory=dict)

    def decide(self, request: ValidRequest) -> Decision:
        """Decide a request that was validated."""
        target = request.action, request.subject.type, request.resource.type
        return self.compiled(target).answer(request)

    def compiled(self, target: TargetKey) -> CompiledTarget:
        """Return the compiled rules of *target*."""
        found = self._used.get(target)
        if found is None:
            from policyengine.runtime.compiled_target import (
                compiled_once,  # loading a set decides nothing
            )

            made = compiled_once(self.digest, target, self._compile)
            made.needs = self.needs(target)
            found = self._used.setdefault(target, made)  # another thread may have made it
        return found

    def source(self, target: TargetKey) -> str:
        """Return the Python text of the functions of *target*."""
        return self.compiled(target).source()
