"""Say what policies mean, slowly: the specification that everything faster is tested against.

A request is decided by judging every rule that covers it and is in force, then asking the gates;
`evaluation.py` has the value of each construct of the language. Nothing here is optimised, and
nothing is shared with the compiler; what is shown to people (`explain`, coverage) comes from here
too, by way of a `Trace` that sees every expression with its value.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen
from msgspec.structs import replace

from policyengine.model.entities import Entity
from policyengine.model.gaps import gives, misfits
from policyengine.model.masks import detail, field_and_mask, shows
from policyengine.model.outcome import Advisory, Cause, Obligation, Outcome, RuleError
from policyengine.model.rules import Effect, WaivedEntity
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import text_of
from policyengine.reference.evaluation import Env, Meaning, Trace, evaluate
from policyengine.reference.moving import Clock
from policyengine.reference.texts import rendered
from policyengine.semantics.checked import CheckedRule, CheckedSet, Conjunct, Typing, Waiver
from policyengine.syntax import nodes

FAILED = "failed while it was evaluated"
"""What is said of a rule that raised something."""


@frozen(eq=False)
class Verdict:
    """The result of judging one rule.

    *holds*: whether its own conditions did; *waivers*: those that stand in for them; *obligations*:
    what it owes. A rule that *failed* was not evaluated to the end. A forbid of which an obligation failed
    is *faulty*: it forbids all the same, and owes the others.
    """

    rule: CheckedRule
    holds: bool = False
    waivers: tuple[Waiver, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    failed: bool = False
    faulty: bool = False

    @property
    def satisfied(self) -> bool:
        """Whether the rule's effect counts; a failed forbid is counted apart."""
        return (self.holds or bool(self.waivers)) and not self.failed


@frozen(eq=False)
class JudgedRequest:
    """A request, and the verdict on every rule that counts for it, by gate, then name."""

    checked: CheckedSet
    env: Env
    verdicts: tuple[Verdict, ...]

    def of(self, effect: Effect, gate: str | None = None) -> tuple[Verdict, ...]:
        """Return the verdicts on the rules of that effect, of one gate or of all."""
        return tuple(
            v for v in self.verdicts if v.rule.effect == effect and gate in (None, v.rule.gate)
        )


# ---- deciding ---------------------------------------------------------------------------


def decide(checked: CheckedSet, request: ValidRequest, trace: Trace | None = None) -> Outcome:
    """Decide *request*: allowed when every gate that applies permits it and no rule forbids it."""
    return decided(judge_all(checked, Env(request, checked.schema, trace=trace)))


def decided(case: JudgedRequest) -> Outcome:
    """Return what the verdicts on a request amount to, with what advisory rules say."""
    checked, env = case.checked, case.env
    advisories = tuple(
        advice(checked, rule, env) for rule in candidates(checked, env, advisory=True)
    )
    return outcome(case, advisories)


def valid_until(
    checked: CheckedSet, request: ValidRequest, meaning: Meaning | None = None
) -> int | None:
    """Return the moment until which a later `now` changes only the wording, None if for ever.

    *meaning*: what gives the value of an expression, as in `Env`.
    """
    clock = Clock(request.now)
    env = Env(replace(request, now=clock.moving()), checked.schema, meaning=meaning)
    outcome(judge_all(checked, env), advisories=())
    return clock.end()


def broken_invariants(
    checked: CheckedSet, request: ValidRequest, outcome: Outcome, trace: Trace | None = None
) -> tuple[str, ...]:
    """Return the names of the invariants that allowing *request* breaks.

    One that cannot be evaluated counts as broken: give requests what `Invariant.needs` lists.
    """
    env = Env(request, checked.schema, trace=trace)

    def broken(conjuncts: tuple[Conjunct, ...], typing: Typing) -> bool:
        try:
            return first_false(conjuncts, typing, env) is None
        except Exception:  # noqa: BLE001 - errors never open anything
            return True

    return tuple(
        invariant.name
        for invariant in checked.invariants
        if outcome.allowed and env.target in invariant.typings
        if invariant.fields is None or any(is_shown(field, outcome) for field in invariant.fields)
        if broken(invariant.conjuncts, invariant.typings[env.target])
    )


def is_shown(field: str, outcome: Outcome) -> bool:
    """Whether *outcome* shows a field; one that is named with a mask, whether it shows more."""
    name, mask = field_and_mask(field)
    fields = dict(outcome.masks) | dict.fromkeys(outcome.exposed or ())
    return name in fields and (mask is None or detail(fields[name]) > detail(mask))


# ---- rules ------------------------------------------------------------------------------


def candidates(checked: CheckedSet, env: Env, *, advisory: bool) -> tuple[CheckedRule, ...]:
    """Return the rules that cover the request and are in force."""
    return tuple(
        rule
        for rule in checked.rules_for(env.target)
        if rule.advisory == advisory and rule.in_force(env.request.now)
    )


def judge_all(checked: CheckedSet, env: Env) -> JudgedRequest:
    """Judge every rule that counts."""
    rules = candidates(checked, env, advisory=False)
    return JudgedRequest(
        checked, env, tuple(judge(rule, waivers(checked, rule, env), env) for rule in rules)
    )


def waivers(checked: CheckedSet, rule: CheckedRule, env: Env) -> tuple[Waiver, ...]:
    """Return the waivers of *rule* that are in force for the request's subject and resource."""
    request = env.request
    return tuple(
        waiver
        for waiver in checked.waivers
        if waiver.rule == rule.id
        and is_meant(request.subject, waiver.subject)
        and is_meant(request.resource, waiver.resource)
        and request.now < waiver.until
    )


def is_meant(entity: Entity, waived: WaivedEntity | None) -> bool:
    """Whether a waiver means an entity: the one that it names, or one that lies within that."""
    if waived is None:
        return True
    if waived.within:
        return entity.line is not None and (waived.type, waived.id) in entity.line
    return (entity.type, entity.id) == (waived.type, waived.id)


def judge(rule: CheckedRule, waived_by: tuple[Waiver, ...], env: Env) -> Verdict:
    """Evaluate the conditions of *rule* and, if it is to count, its obligations."""
    typing = rule.typings[env.target]
    try:
        holds = first_false(rule.conjuncts, typing, env) is None
    except Exception:  # noqa: BLE001 - errors never open anything
        if not waived_by:
            return Verdict(rule, failed=True)
        holds = False
    if not holds and not waived_by:
        return Verdict(rule)
    owed: list[Obligation] = []
    faulty = False
    for call in rule.obligations:
        try:
            owed += in_order([obligation(call, typing, env)])
        except Exception:  # noqa: BLE001 - errors never open anything
            if rule.effect != "forbid":
                return Verdict(rule, failed=True)
            faulty = True
    return Verdict(rule, holds, waived_by, in_order(owed), faulty=faulty)


def first_false(conjuncts: tuple[Conjunct, ...], typing: Typing, env: Env) -> int | None:
    """Return the number of the first condition that has not its wanted value, None if all have."""
    for number, conjunct in enumerate(conjuncts):
        if bool(evaluate(conjunct.expr, typing, env)) != conjunct.wanted:
            return number
    return None


def obligation(call: nodes.Call, typing: Typing, env: Env) -> Obligation:
    """Return what is owed, with the values of its arguments."""
    parameters = env.schema.obligations[call.name.name].parameters
    return Obligation(
        call.name.name,
        tuple(
            (parameter.name, parameter.type, evaluate(argument, typing, env))
            for parameter, argument in zip(parameters, call.arguments, strict=True)
        ),
    )


def advice(checked: CheckedSet, rule: CheckedRule, env: Env) -> Advisory:
    """Return what a rule on trial would have done."""
    if not gives(env.request, rule.needs[env.target]):
        return Advisory(rule.id, rule.effect, "unknown")
    verdict = judge(rule, waivers(checked, rule, env), env)
    if verdict.failed:
        return Advisory(rule.id, rule.effect, "unknown")
    return Advisory(rule.id, rule.effect, "satisfied" if verdict.satisfied else "not_satisfied")


# ---- gates ------------------------------------------------------------------------------


def satisfied_permits(case: JudgedRequest, gate: str) -> tuple[Verdict, ...]:
    """Return the permits of *gate* that are satisfied, by their own conditions or waived."""
    return tuple(v for v in case.of("permit", gate) if v.satisfied)


def satisfied_exposes(case: JudgedRequest, gate: str) -> tuple[Verdict, ...]:
    """Return the exposes of *gate* that are satisfied."""
    return tuple(v for v in case.of("expose", gate) if v.satisfied)


def given_by(case: JudgedRequest, rules: Iterable[CheckedRule]) -> dict[str, str | None]:
    """Return the mask of each field that *rules* give, the one that shows most; None is the field itself."""
    resource = case.env.request.resource.type
    given = [
        field_and_mask(field) for rule in rules if rule.fields for field in rule.fields[resource]
    ]
    return dict(sorted(given, key=lambda field: detail(field[1])))  # the last one counts


def shown_by(case: JudgedRequest, gate: str) -> dict[str, str | None]:
    """Return how the satisfied permits and exposes of *gate* show fields together."""
    counting = satisfied_permits(case, gate) + satisfied_exposes(case, gate)
    return given_by(case, (v.rule for v in counting))


def missing_fields(case: JudgedRequest, gate: str) -> tuple[str, ...]:
    """Return the fields that were asked for and that *gate*, a field gate, does not expose."""
    asked = case.env.request.fields
    if asked is None or not case.checked.schema.gates[gate].is_field:
        return ()
    shown = shown_by(case, gate)
    return tuple(sorted(field for field in asked if not shows(shown, field)))


def withholding(case: JudgedRequest, gate: str) -> tuple[Verdict, ...]:
    """Return the exposes with an `otherwise` that would have given fields which an open *gate* lacks."""
    missing = missing_fields(case, gate) if satisfied_permits(case, gate) else ()
    return tuple(
        v
        for v in case.of("expose", gate)
        if v.rule.otherwise and not v.satisfied
        if any(shows(given_by(case, [v.rule]), field) for field in missing)
    )


def is_open(case: JudgedRequest, gate: str) -> bool:
    """Whether some permit of *gate* is satisfied, and every field asked for exposed."""
    return bool(satisfied_permits(case, gate)) and not missing_fields(case, gate)


def gates(case: JudgedRequest) -> tuple[str, ...]:
    """Return the names of the gates that apply, in order."""
    return case.checked.schema.gates_of(case.env.target).names


def shut_gates(case: JudgedRequest) -> tuple[str, ...]:
    """Return the names of the gates that were not opened, in order."""
    return tuple(gate for gate in gates(case) if not is_open(case, gate))


def shut_by_failure(case: JudgedRequest, gate: str) -> bool:
    """Whether a rule that failed might have opened *gate*."""
    might = case.of("permit", gate)
    if satisfied_permits(case, gate):  # only fields are missing
        might += case.of("expose", gate)
    return any(v.failed for v in might)


# ---- the outcome ------------------------------------------------------------------------


def cause(case: JudgedRequest) -> Cause:
    """Return why the request is allowed or denied, in one word."""
    if any(v.satisfied for v in case.of("forbid")):
        return "forbidden"
    if any(v.failed for v in case.of("forbid")):
        return "error"
    if any(shut_by_failure(case, gate) for gate in shut_gates(case)):
        return "error"
    return "not_permitted" if shut_gates(case) else "permitted"


def forbidding(case: JudgedRequest) -> tuple[Verdict, ...]:
    """Return the forbids that deny; one that failed does."""
    return tuple(v for v in case.of("forbid") if v.satisfied or v.failed)


def giving(case: JudgedRequest) -> tuple[Verdict, ...]:
    """Return the satisfied permits and exposes: what an allow gives comes from them."""
    return tuple(v for v in case.verdicts if v.rule.effect != "forbid" and v.satisfied)


def determining(case: JudgedRequest) -> tuple[Verdict, ...]:
    """Return the rules that the decision rests on."""
    if forbidding(case):
        return forbidding(case)
    if shut_gates(case):
        shut = [
            v
            for gate in shut_gates(case)
            for v in (*case.of("permit", gate), *withholding(case, gate))
        ]
        return tuple(v for v in case.verdicts if v in shut)
    return giving(case)


def shown(case: JudgedRequest) -> dict[str, str | None] | None:
    """Return how fields are shown; none on a deny, or if no field gate applies.

    A field is shown if every field gate that applies shows it, as the one does that shows least, and in no
    more detail than it was asked for. None in a set without any field gate.
    """
    if case.checked.schema.gates_of(case.env.target).fields is None:
        return None
    if cause(case) != "permitted":
        return {}
    return shown_by_all(case) | dict(map(field_and_mask, case.env.request.fields or ()))


def shown_by_all(case: JudgedRequest) -> dict[str, str | None]:
    """Return how fields are shown by all field gates that apply: as the one does that shows least; none if none applies."""
    by_gate = [
        shown_by(case, gate) for gate in case.checked.schema.gates_of(case.env.target).fields or ()
    ]
    return {
        name: min((gate[name] for gate in by_gate), key=detail)
        for name in set().union(*by_gate)
        if all(name in gate for gate in by_gate)
    }


def exposed(case: JudgedRequest) -> frozenset[str] | None:
    """Return the fields that are shown themselves; None in a set without any field gate."""
    fields = shown(case)
    return None if fields is None else frozenset(n for n, mask in fields.items() if mask is None)


def masks(case: JudgedRequest) -> tuple[tuple[str, str], ...]:
    """Return how each field is shown that is shown in part."""
    fields = shown(case) or {}
    return tuple(sorted((name, mask) for name, mask in fields.items() if mask is not None))


def obligations(case: JudgedRequest) -> tuple[Obligation, ...]:
    """Return what an allow owes, or a deny that satisfied forbids determine."""
    owing = giving(case) if cause(case) == "permitted" else case.of("forbid")
    return in_order(o for v in owing if v.satisfied for o in v.obligations)


def in_order(owed: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """Return obligations each once, by name and by the text of their arguments."""
    return tuple(
        sorted(
            dict.fromkeys(owed),
            key=lambda o: (o.name, [text_of(type_, value) for _, type_, value in o.arguments]),
        )
    )


def referrals(case: JudgedRequest) -> tuple[str, ...]:
    """Return who should look at a deny."""
    texts = {rendered(v.rule.refer, v.rule, case.env) for v in determining(case) if v.rule.refer}
    return tuple(sorted(texts))


def mattering_waivers(case: JudgedRequest) -> tuple[str, ...]:
    """Return the waivers without which a gate that has a satisfied permit would have none."""
    waived_only = [
        permits
        for gate in gates(case)
        if (permits := satisfied_permits(case, gate)) and not any(v.holds for v in permits)
    ]
    return tuple(sorted(w.name for permits in waived_only for v in permits for w in v.waivers))


def failures(case: JudgedRequest) -> tuple[RuleError, ...]:
    """Return the rules that failed, and what they read amiss."""
    request, target = case.env.request, case.env.target
    return tuple(
        RuleError(v.rule.id, misfits(request, v.rule.needs[target]), FAILED)
        for v in case.verdicts
        if v.failed or v.faulty
    )


def outcome(case: JudgedRequest, advisories: tuple[Advisory, ...]) -> Outcome:
    """Put the decision together."""
    allowed = cause(case) == "permitted"
    return Outcome(
        allowed=allowed,
        cause=cause(case),
        rules=tuple(v.rule.id for v in determining(case)),
        gates=tuple((gate, is_open(case, gate)) for gate in gates(case)),
        exposed=exposed(case),
        masks=masks(case),
        obligations=obligations(case),
        referrals=() if allowed else referrals(case),
        advisories=advisories,
        waivers=mattering_waivers(case),
        errors=failures(case),
    )
