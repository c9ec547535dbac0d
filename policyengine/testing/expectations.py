"""Compare the outcome of a request with what a test expects: one message for each difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import starmap
from typing import TypeAlias, assert_never

from policyengine.diagnostics.source import Span
from policyengine.model.masks import spelled
from policyengine.model.outcome import Obligation, Outcome
from policyengine.model.types import Schema
from policyengine.syntax import nodes
from policyengine.testing.request_builder import RequestBuilder

Unmet: TypeAlias = tuple[Span, str]
"""The span of an expectation, and a message that says what came instead."""


def unmet(
    expect: nodes.Expect, outcome: Outcome, reason: str, builder: RequestBuilder
) -> Iterator[Unmet]:
    """Yield each part of *expect* that *outcome* and its *reason* do not meet.

    Raises some exception where the arguments of an expected obligation have no value.
    """
    if expect.allow != outcome.allowed:
        expected, got = _verdict(allow=expect.allow), _verdict(allow=outcome.allowed)
        yield expect.span, f"expected {expected}, got {got} ({outcome.cause})"
    for clause in expect.clauses:
        message = _clause(clause, outcome, reason, builder)
        if message:
            yield clause.span, message


def _clause(
    clause: nodes.ExpectClause, outcome: Outcome, reason: str, builder: RequestBuilder
) -> str | None:
    """Return a message if a clause is not met."""
    match clause:
        case nodes.ExpectRules(refs):
            missing = [f"`{_named(ref)}`" for ref in refs if not _is_among(ref, outcome.rules)]
            if missing:
                return f"{', '.join(missing)} did not decide this; {_listed(outcome.rules)} did"
        case nodes.ExpectFields(fields):
            expected = {field.spelling for field in fields}
            if outcome.exposed is None:
                return "no field gate says what is exposed"
            shown = {*outcome.exposed, *starmap(spelled, outcome.masks)}
            if expected != shown:
                return f"expected {_set(expected)} to be exposed, got {_set(shown)}"
        case nodes.ExpectObligations(calls):
            wanted = {_obligation(call, builder) for call in calls}
            if wanted != set(outcome.obligations):
                owed = _listed(map(str, outcome.obligations))
                return f"expected {_listed(map(str, wanted))} to be owed, got {owed}"
        case nodes.ExpectReferrals(text):
            if text not in outcome.referrals:
                return f"expected a referral to `{text}`, got {_listed(outcome.referrals)}"
        case nodes.ExpectReason(text):
            if text not in reason:
                return f"`{text}` is no part of the reason"
        case nodes.ExpectCause(cause):
            if cause.name != outcome.cause:
                return f"expected the cause `{cause.name}`, got `{outcome.cause}`"
        case _:
            assert_never(clause)
    return None


def _obligation(call: nodes.Call, builder: RequestBuilder) -> Obligation:
    schema: Schema = builder.schema
    parameters = schema.obligations[call.name.name].parameters
    values = map(builder.value, call.arguments)
    return Obligation(
        call.name.name,
        tuple((p.name, p.type, v) for p, v in zip(parameters, values, strict=True)),
    )


def _named(ref: nodes.RuleRef) -> str:
    return f"{ref.gate.name}.{ref.rule.name}" if ref.gate else ref.rule.name


def _is_among(ref: nodes.RuleRef, ids: Iterable[str]) -> bool:
    """Whether the rule is among *ids*; without a gate it is the only one of its name in the set."""
    if ref.gate:
        return _named(ref) in ids
    return any(id_.partition(".")[2] == ref.rule.name for id_ in ids)


def _verdict(*, allow: bool) -> str:
    return "allow" if allow else "deny"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


def _set(names: Iterable[str]) -> str:
    return "`{" + ", ".join(sorted(names)) + "}`"
