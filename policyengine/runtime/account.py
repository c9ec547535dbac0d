"""Tell the rest of a decision: what determined it, why, and for how long it holds.

Nothing here is needed to decide, so it is worked out when somebody reads it, from the request's
immutable values: every rule that counts is judged, and then the gates are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from attrs import define, frozen

from policyengine.model.decision import Advisory, Cause, Outcome, RuleError
from policyengine.model.request import Request, gives, misfits
from policyengine.runtime.rules import (
    FAILED,
    Rule,
    Verdict,
    exposed_by,
    rendered,
    sorted_obligations,
)


@frozen(eq=False)
class Case:
    """A request, and the verdicts on the rules that count for it, made when they are asked for.

    *rules*: those that are in force, by gate, then name; *gates*: of every gate, by name, whether
    it is a field gate.
    """

    request: Request
    gates: tuple[tuple[str, bool], ...]
    rules: tuple[Rule, ...]

    @cached_property
    def forbids(self) -> tuple[Verdict, ...]:
        """The verdicts on the forbids."""
        return tuple(r.judge(self.request) for r in self.rules if r.effect == "forbid")

    @cached_property
    def others(self) -> tuple[Verdict, ...]:
        """The verdicts on the permits and exposes."""
        return tuple(r.judge(self.request) for r in self.rules if r.effect != "forbid")

    @cached_property
    def _by_gate(self) -> dict[tuple[str, str], list[Verdict]]:
        grouped: dict[tuple[str, str], list[Verdict]] = {}
        for verdict in self.others:
            grouped.setdefault((verdict.rule.effect, verdict.rule.gate), []).append(verdict)
        return grouped

    def of(self, effect: str, gate: str) -> list[Verdict]:
        """Return the verdicts on the permits or exposes of a gate."""
        return self._by_gate.get((effect, gate), [])

    def satisfied(self, effect: str, gate: str) -> list[Verdict]:
        """Return the satisfied permits or exposes of a gate."""
        return [verdict for verdict in self.of(effect, gate) if verdict.satisfied]

    def missing(self, gate: str) -> list[str]:
        """Return the fields that were asked for and that the gate, if of fields, lacks."""
        if self.request.fields is None or (gate, True) not in self.gates:
            return []
        counting = self.satisfied("permit", gate) + self.satisfied("expose", gate)
        exposed = exposed_by([verdict.rule for verdict in counting], (gate,))
        return sorted(set(self.request.fields).difference(exposed or ()))

    @cached_property
    def shut(self) -> tuple[str, ...]:
        """The gates that were not opened."""
        return tuple(
            gate
            for gate, _ in self.gates
            if not self.satisfied("permit", gate) or self.missing(gate)
        )

    @cached_property
    def forbidding(self) -> tuple[Verdict, ...]:
        """The forbids that deny; one that failed does."""
        return tuple(v for v in self.forbids if v.satisfied or v.failed)

    @cached_property
    def giving(self) -> tuple[Verdict, ...]:
        """The satisfied permits and exposes: what an allow gives comes from them."""
        return tuple(v for v in self.others if v.satisfied)

    @cached_property
    def determining(self) -> tuple[Verdict, ...]:
        """The rules that the decision rests on."""
        if self.forbidding:
            return self.forbidding
        if self.shut:
            return tuple(v for gate in self.shut for v in self.of("permit", gate))
        return self.giving

    @cached_property
    def cause(self) -> Cause:
        """Why the request is allowed or denied, in one word."""
        if any(verdict.satisfied for verdict in self.forbidding):
            return "forbidden"
        if self.forbidding or any(map(self._shut_by_failure, self.shut)):
            return "error"
        return "not_permitted" if self.shut else "permitted"

    def _shut_by_failure(self, gate: str) -> bool:
        """Whether a rule that failed might have opened the gate."""
        might = self.of("permit", gate)
        if self.satisfied("permit", gate):  # only fields are missing
            might = might + self.of("expose", gate)
        return any(verdict.failed for verdict in might)

    def mattering_waivers(self) -> Iterator[str]:
        """Give the waivers without which a gate that has a satisfied permit would have none."""
        for gate, _ in self.gates:
            permits = self.satisfied("permit", gate)
            if not any(permit.holds for permit in permits):
                for permit in permits:
                    yield from permit.waivers


def _place(verdict: Verdict) -> tuple[str, str]:
    gate, _, name = verdict.rule.id.partition(".")
    return gate, name


# ---- the account ------------------------------------------------------------------------


@define(eq=False)
class Account:
    """Tells of one decision. Implements `model.decision.Account`.

    *rules*: every rule of the target, by gate, then name; *gates* as in `Case`.
    """

    rules: tuple[Rule, ...]
    gates: tuple[tuple[str, bool], ...]
    request: Request
    _case: Case | None = None  # two threads may both make it; they make the same

    @property
    def case(self) -> Case:
        """The request as it is judged."""
        if self._case is None:
            self._case = Case(self.request, self.gates, tuple(self._in_force(advisory=False)))
        return self._case

    def _in_force(self, *, advisory: bool) -> Iterator[Rule]:
        now = self.request.now
        return (r for r in self.rules if r.advisory == advisory and r.in_force(now))

    def outcome(self) -> Outcome:
        """Return everything but the wording."""
        case, request = self.case, self.request
        allowed = case.cause == "permitted"
        field_gates = [gate for gate, is_field in self.gates if is_field]
        counting = [verdict.rule for verdict in case.giving] if allowed else []
        referring = () if allowed else case.determining
        texts = {rendered(v.rule.refer, request) for v in referring if v.rule.refer is not None}
        return Outcome(
            allowed=allowed,
            cause=case.cause,
            rules=tuple(verdict.rule.id for verdict in case.determining),
            gates=tuple((gate, gate not in case.shut) for gate, _ in self.gates),
            exposed=exposed_by(counting, field_gates),
            obligations=sorted_obligations(o for v in case.giving for o in v.owed if allowed),
            referrals=tuple(sorted(texts)),
            advisories=tuple(map(self._advice, self._in_force(advisory=True))),
            waivers=tuple(sorted(case.mattering_waivers())),
            errors=tuple(
                RuleError(v.rule.id, misfits(request, v.rule.needs), FAILED)
                for v in sorted(case.forbids + case.others, key=_place)
                if v.failed
            ),
        )

    def _advice(self, rule: Rule) -> Advisory:
        """Return what a rule on trial would have done."""
        if not gives(self.request, rule.needs):
            return Advisory(rule.id, rule.effect, "unknown")
        verdict = rule.judge(self.request)
        if verdict.failed:
            return Advisory(rule.id, rule.effect, "unknown")
        if verdict.satisfied:
            return Advisory(rule.id, rule.effect, "satisfied")
        return Advisory(rule.id, rule.effect, "not_satisfied")

    # ---- time ---------------------------------------------------------------------------

    def valid_until(self) -> int | None:
        """Return the first moment at which anything but the wording may change."""
        case, now = self.case, self.request.now
        turns: list[int] = []
        for rule in self.rules:
            if not rule.advisory:
                bounds = (rule.valid_from, rule.valid_until)
                turns += [moment for moment in bounds if moment is not None]
                subject = self.request.subject.id
                turns += [until for _, id_, until in rule.waivers if id_ == subject]
        for rule in case.rules:
            if rule.turns is not None:
                try:
                    rule.turns(self.request, turns)
                except Exception:  # noqa: BLE001 - it failed, and may do otherwise in a moment
                    turns.append(now + 1)
        moving = case.giving if case.cause == "permitted" else ()
        referring = () if case.cause == "permitted" else case.determining
        if any(v.rule.moves for v in moving) or any(v.rule.refer_moves for v in referring):
            turns.append(now + 1)
        return min((moment for moment in turns if moment > now), default=None)

    # ---- wording ------------------------------------------------------------------------

    def reason(self) -> str:
        """Return the texts of the rules that the decision rests on, each once."""
        case = self.case
        if case.forbidding:
            parts = [self._said_by_forbid(verdict) for verdict in case.forbidding]
        elif case.shut:
            parts = [said for gate in case.shut for said in self._said_of_shut(gate)]
        else:
            parts = list(self._said_on_allow())
        return "; ".join(dict.fromkeys(parts)) or "every gate permits it"

    def _said_by_forbid(self, verdict: Verdict) -> str:
        rule = verdict.rule
        if verdict.failed:
            return f"`{rule.id}` failed"
        if rule.because is None:
            return f"`{rule.id}` forbids it"
        return rendered(rule.because, self.request)

    def _said_of_shut(self, gate: str) -> Iterator[str]:
        if self.case.satisfied("permit", gate):
            yield f"`{gate}` does not expose {', '.join(self.case.missing(gate))}"
            return
        permits = self.case.of("permit", gate)
        if not permits:
            yield f"no rule of `{gate}` permits `{self.request.action}`"
        for verdict in permits:
            rule = verdict.rule
            if verdict.failed:
                yield f"`{rule.id}` failed"
            elif rule.otherwise is not None:
                yield rendered(rule.otherwise, self.request)
            else:
                assert verdict.first_false is not None
                yield rendered(rule.sentences[verdict.first_false], self.request)

    def _said_on_allow(self) -> Iterator[str]:
        for gate, _ in self.gates:
            rule = self.case.satisfied("permit", gate)[0].rule
            if rule.because is not None:
                yield rendered(rule.because, self.request)
