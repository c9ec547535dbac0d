"""Say of each invariant whether it is proved, broken or not settled, with a test that shows a breach."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import frozen
from msgspec.structs import replace

from policyengine.analysis.budget import Budget
from policyengine.analysis.invariant_search import TIME_IS_UP, Answer, Finding, examine
from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics, error
from policyengine.model.limits import Limits
from policyengine.model.masks import field_and_mask, spelled
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.mutation.check_written_tests import VerifiedTestWriter
from policyengine.reference import interpreter
from policyengine.semantics.checked import CheckedSet, Invariant

_DAY = 86_400_000_000


@frozen
class Proof:
    """What is known of an invariant, for people and programs.

    *name*: its own or, where it has none, its text.
    *rests_on*: the rules and gates without which it would be broken; *request*: what is done in the one
    that breaks it, and *test* shows it, None if no test can express it. *tried*: the number of requests
    that were decided; *why* it is not settled.
    """

    name: str
    answer: Answer
    rests_on: tuple[str, ...] = ()
    request: str = ""
    test: str | None = None
    tried: int = 0
    why: str = ""

    @property
    def over(self) -> bool:
        """Whether it is not settled for want of time."""
        return self.why.startswith(TIME_IS_UP)


def prove(
    checked: CheckedSet,
    invariants: Iterable[Invariant],
    budget: Budget,
    known: Mapping[str, Proof] = MappingProxyType({}),
    titles: Mapping[str, str] = MappingProxyType({}),
) -> list[Proof]:
    """Return what is known of each of *invariants*.

    *known*: what is remembered of some, by name; *titles*: of those that have no name of their own.
    """
    wanted = list(invariants)
    now = time.time_ns() // 1000 // _DAY * _DAY
    asked = [invariant for invariant in wanted if invariant.name not in known]
    writer = VerifiedTestWriter(checked, Limits(), now)
    found = {
        finding.invariant.name: _proof(
            finding, writer, titles.get(finding.invariant.name, finding.invariant.name)
        )
        for finding in examine(checked, asked, budget, now)
    }
    return [known.get(one.name) or found[one.name] for one in wanted]


def with_broken(
    diagnostics: Diagnostics, checked: CheckedSet, proofs: Iterable[Proof]
) -> Diagnostics:
    """Return *diagnostics* with an error for each invariant that is broken."""
    named = {invariant.name: invariant for invariant in checked.invariants}
    found = [broken(proof, named[proof.name]) for proof in proofs if proof.answer == "broken"]
    return (
        Diagnostics.of((*diagnostics.items, *found), diagnostics.sources) if found else diagnostics
    )


def broken(proof: Proof, invariant: Invariant) -> Diagnostic:
    """Return the diagnostic of an invariant that is broken."""
    does = "shows what it says is never shown" if invariant.fields else "allows it"
    message = f"the invariant `{proof.name}` is broken: the set {does} ({proof.request})"
    if proof.test is None:
        help = "make the rules keep it, or say in the invariant when it does not hold"
    else:
        help = f"`policyengine prove PATH --invariant {proof.name}` writes the request as a test"
    return error("PE358", invariant.node.name.span, message, help)


def _proof(finding: Finding, writer: VerifiedTestWriter, name: str) -> Proof:
    if finding.request is None:
        why = finding.why
        if finding.answer == "not settled" and finding.target is not None:
            why = f"{why} ({_target(finding.target)})"
        return Proof(name, finding.answer, finding.rests_on, tried=finding.tried, why=why)
    request = finding.request
    done = _target((request.action, request.subject.type, request.resource.type))
    test = _test(writer, finding.invariant, request, f"{name} holds")
    return Proof(name, "broken", request=done, test=test, tried=finding.tried)


def _target(target: TargetKey) -> str:
    action, subject, resource = target
    return f"{action} by {subject} on {resource}"


def _test(
    writer: VerifiedTestWriter, invariant: Invariant, request: ValidRequest, title: str
) -> str | None:
    """Return a test that expects what the invariant says, and fails until the set keeps it."""
    for asking in _asking(writer.checked, invariant, request):
        expected = (asking, False, ())
        text = writer.test(title, [expected], invariant, timed=True)
        if text is not None:
            return text
    return None


def _asking(
    checked: CheckedSet, invariant: Invariant, request: ValidRequest
) -> Iterable[ValidRequest]:
    """Give the request; of an invariant about fields, the one that asks for a field that is shown."""
    if invariant.fields is None:
        return [request]
    outcome = interpreter.decide(checked, request)
    shown = {**dict.fromkeys(outcome.exposed or ()), **dict(outcome.masks)}
    names = [
        field_and_mask(field)[0]
        for field in invariant.fields
        if interpreter.is_shown(field, outcome)
    ]
    return [replace(request, fields=(spelled(name, shown[name]),)) for name in names]
