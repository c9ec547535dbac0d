"""Make policy sets and programs for the tests of the runner."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import frozen
from msgspec.structs import replace

from policyengine.diagnostics.source import Source
from policyengine.model.decision import Decision
from policyengine.model.masks import MaskedField
from policyengine.model.needs import RequestNeeds
from policyengine.model.outcome import Outcome, SharedResult
from policyengine.model.types import STRING, TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter, reasons
from policyengine.semantics.checked import CheckedSet
from policyengine.testing.results import Run
from policyengine.testing.runner import run_tests

WORDS = """\
package docs
levels Clearance = public < internal < secret
entity Team
entity User in Team { clearance: Clearance, boss?: User, suspended: bool }
entity Doc { owner: User, clearance: Clearance, readers: set<User>, place?: {x: int, y?: int} }
action read by User on Doc with { purpose?: string }
action edit by User on Doc
obligation erase(after: duration)
field gate scope "what may be seen"
gate scope {
    permit own: any when resource.owner == subject because "it is their own" fields all
    permit staff: read when subject within Team "staff" fields id
        oblige erase(1d) otherwise "{subject} is not of the staff"
    expose named: read when subject in resource.readers fields clearance
    forbid suspended: any when subject.suspended because "{subject} is suspended" refer "people"
}
invariant no_secrets: never allow edit unless subject.clearance >= resource.clearance
"""


def checked_set(text: str) -> CheckedSet:
    checked, diagnostics = check_sources({"docs.policy": Source("docs.policy", text)})
    assert checked is not None, [d.message for d in diagnostics.items]
    return checked


@frozen
class Told:
    """An account of a decision that somebody made up."""

    outcome_: Outcome
    reason_: str

    def outcome(self) -> Outcome:
        return self.outcome_

    def reason(self) -> str:
        return self.reason_

    def valid_until(self, *, allowed: bool) -> int | None:
        return None


@frozen
class Interpreted:
    """Stands for a compiled program: decides as the reference does, or otherwise."""

    checked: CheckedSet
    lie: Callable[[Outcome], Outcome] = lambda outcome: outcome
    reworded: str = ""

    def needs(self, target: TargetKey) -> RequestNeeds:
        return self.checked.needs(target)

    def decide(self, request: ValidRequest) -> Decision:
        outcome = self.lie(interpreter.decide(self.checked, request))
        reason = self.reworded or reasons.reason(self.checked, request)
        masks = tuple(MaskedField(name, mask, STRING) for name, mask in outcome.masks)
        parts = outcome.allowed, outcome.cause, outcome.exposed, masks, outcome.obligations
        made = SharedResult(*parts, "digest", lambda *_: Told(outcome, reason))
        return Decision(outcome.allowed, made)


@pytest.fixture
def run() -> Callable[..., Run]:
    def run(tests: str, words: str = WORDS, *, pattern: str = "", **program: object) -> Run:
        checked = checked_set(words + tests)
        made = Interpreted(checked, **program)
        return run_tests(checked, made, pattern=pattern, now=0)

    return run


@pytest.fixture
def denying() -> Callable[[Outcome], Outcome]:
    return lambda outcome: replace(outcome, allowed=not outcome.allowed)
