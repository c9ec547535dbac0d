"""Work out the details of a decision: what determined it, why, and how long it holds.

Nothing here is needed to decide, so it is worked out when it is read, from the request's
immutable values: every rule that counts is judged, and then the gates are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.concurrency import cached_property
from policyengine.model.decision import (
    Advisory,
    Cause,
    Frame,
    Listed,
    Outcome,
    RuleError,
    SharedResult,
    filled,
    make_frame,
)
from policyengine.model.entities import Entity
from policyengine.model.gaps import gives, misfits
from policyengine.model.records import Record
from policyengine.model.request import Request
from policyengine.model.request_messages import MOST_LISTED_RULES, joined
from policyengine.model.rules import Effect
from policyengine.runtime.compiled_rule import (
    FAILED,
    NOT_SHOWN,
    Function,
    Key,
    Rule,
    Text,
    Verdict,
    exposed_by,
    is_constant,
    rendered,
    sorted_obligations,
)
from policyengine.runtime.directory import Directory, Rules, missed

_MOST_CASES: Final = 4_096
_MOST_FRAMES: Final = 8


class JudgedRequest(Struct, eq=False, dict=True):
    """The verdicts on the rules that count and are in force, and what they amount to together.

    *action*: what was asked for. *verdicts*: by gate, then name; *gates*: of every gate, by name,
    whether it is a field gate; *fields*: those that were asked for. *shared*: whether it is kept for
    other requests. *directory*: of all rules; *now*, where some were passed over, of which it is known
    that they are not satisfied; else None. It is never changed.
    """

    action: str
    verdicts: tuple[Verdict, ...]
    gates: tuple[tuple[str, bool], ...]
    directory: Directory
    fields: tuple[str, ...] | None = None
    shared: bool = False
    now: int | None = None
    _frames: dict[int, _Kept] = field(default_factory=dict)

    @cached_property
    def forbids(self) -> tuple[Verdict, ...]:
        """The verdicts on the forbids."""
        return tuple(verdict for verdict in self.verdicts if verdict.rule.effect == "forbid")

    @cached_property
    def others(self) -> tuple[Verdict, ...]:
        """The verdicts on the permits and exposes."""
        return tuple(verdict for verdict in self.verdicts if verdict.rule.effect != "forbid")

    @cached_property
    def _by_gate(self) -> dict[tuple[str, str], list[Verdict]]:
        grouped: dict[tuple[str, str], list[Verdict]] = {}
        for verdict in self.others:
            grouped.setdefault((verdict.rule.effect, verdict.rule.gate), []).append(verdict)
        return grouped

    def of(self, effect: Effect, gate: str) -> list[Verdict]:
        """Return the verdicts on the permits or exposes of a gate."""
        return self._by_gate.get((effect, gate), [])

    def satisfied(self, effect: Effect, gate: str) -> list[Verdict]:
        """Return the satisfied permits or exposes of a gate."""
        return [verdict for verdict in self.of(effect, gate) if verdict.satisfied]

    def missing(self, gate: str) -> list[str]:
        """Return the fields that were asked for and that the gate, if of fields, lacks."""
        if self.fields is None or (gate, True) not in self.gates:
            return []
        counting = self.satisfied("permit", gate) + self.satisfied("expose", gate)
        exposed = exposed_by([verdict.rule for verdict in counting], (gate,))
        return sorted(set(self.fields).difference(exposed or ()))

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
    def ids(self) -> tuple[str, ...]:
        """The ids of the rules that the decision rests on, those that were passed over as well."""
        if self.now is None or self.forbidding or not self.shut:
            return tuple([verdict.rule.id for verdict in self.determining])
        gates = [self.directory.permits_at(gate, self.now) for gate in self.shut]
        return gates[0] if len(gates) == 1 else tuple([id_ for ids in gates for id_ in ids])

    @cached_property
    def listed(self) -> Listed:
        """The ids that are named in JSON, and how many there are besides."""
        if len(self.ids) <= MOST_LISTED_RULES:
            return self.ids, 0
        concerned = [v.rule.id for v in self.determining if not v.misses][:MOST_LISTED_RULES]
        return tuple(concerned), len(self.ids) - len(concerned)

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

    @cached_property
    def referring(self) -> tuple[Verdict, ...]:
        """The rules of a deny that may refer it to a team."""
        return () if self.cause == "permitted" else self.determining

    @cached_property
    def referrals(self) -> tuple[Text, ...]:
        """The texts that say who should look at a deny."""
        return tuple(v.rule.refer for v in self.referring if v.rule.refer is not None)

    @cached_property
    def refers_alike(self) -> bool:
        """Whether it is the same for all requests who should look at a deny."""
        return all(map(is_constant, self.referrals))

    @cached_property
    def failed(self) -> tuple[Rule, ...]:
        """The rules that failed."""
        return tuple(verdict.rule for verdict in self.verdicts if verdict.failed)

    @cached_property
    def outcome(self) -> Outcome:
        """What the verdicts amount to, without what differs by the request."""
        referrals = {rendered(t, None) for t in self.referrals if self.refers_alike}
        allowed = self.cause == "permitted"
        field_gates = [gate for gate, is_field in self.gates if is_field]
        counting = [verdict.rule for verdict in self.giving] if allowed else []
        return Outcome(
            allowed=allowed,
            cause=self.cause,
            rules=self.ids,
            gates=tuple((gate, gate not in self.shut) for gate, _ in self.gates),
            exposed=exposed_by(counting, field_gates),
            obligations=sorted_obligations(o for v in self.giving for o in v.owed if allowed),
            referrals=tuple(sorted(referrals)),
            advisories=(),
            waivers=tuple(sorted(self._mattering_waivers())),
            errors=(),
        )

    def _mattering_waivers(self) -> Iterator[str]:
        """Give the waivers without which a gate that has a satisfied permit would have none."""
        for gate, _ in self.gates:
            permits = self.satisfied("permit", gate)
            if not any(permit.holds for permit in permits):
                for permit in permits:
                    yield from permit.waivers

    # ---- wording ------------------------------------------------------------------------

    @cached_property
    def said(self) -> tuple[Said, ...]:
        """What the reason is made of: texts, rules of which a condition is described, and unmet keys."""
        if self.forbidding:
            return tuple(map(_said_by_forbid, self.forbidding))
        if self.shut:
            return tuple(said for gate in self.shut for said in self._said_of_shut(gate))
        first = (self.satisfied("permit", gate)[0].rule.because for gate, _ in self.gates)
        return tuple(text for text in first if text is not None)

    def _said_of_shut(self, gate: str) -> Iterator[Said]:
        if self.satisfied("permit", gate):
            yield (f"`{gate}` does not expose {', '.join(self.missing(gate))}",)
            return
        permits = self.of("permit", gate)
        contested = self.directory.contested.get(gate, ())
        paths = frozenset([key.path for key in contested])
        yield from (_said_by_permit(v) for v in permits if not v.misses)
        strangers = self._passes_over(gate) or any(_not_described(v, paths) for v in permits)
        if strangers and not any(_is_for(v, paths) for v in permits):
            yield Nobody(tuple(contested))
        elif not permits and not strangers:
            yield (f"no rule of `{gate}` permits `{self.action}`",)
        yield from (
            _said_by_permit(v) for v in permits if v.misses and not _not_described(v, paths)
        )

    def _passes_over(self, gate: str) -> bool:
        """Whether some permits of *gate* were passed over."""
        in_force = () if self.now is None else self.directory.permits_at(gate, self.now)
        return len(in_force) > len(self.of("permit", gate))

    @cached_property
    def reason(self) -> str | None:
        """The reason, if it is the same for all requests."""
        texts = [s for s in self.said if isinstance(s, tuple) and is_constant(s)]
        return self.reason_for(None) if len(texts) == len(self.said) else None

    def reason_for(self, request: Request | None) -> str:
        """Return the texts of the rules that the decision rests on, each once, and not too many."""
        parts = (_worded(said, request) for said in self.said)
        return joined(parts, len(self.said)) or "every gate permits it"

    def frame(self, answer: SharedResult) -> Frame:
        """Return the parts of *answer* as JSON that equal decisions share."""
        kept = self._frames.get(id(answer))
        if kept is not None and kept.answer is answer:
            return kept.frame
        made = make_frame(answer, self.outcome, self.listed)
        if len(self._frames) < _MOST_FRAMES:
            whole = None if self.reason is None else filled(made, self.reason, None)
            self._frames[id(answer)] = _Kept(answer, made, whole)
        return made

    def written(self, answer: SharedResult, request: Callable[[], Request]) -> bytes | None:
        """Return the answer as JSON, if one like it was written before and no time bounds it."""
        kept = self._frames.get(id(answer))
        if kept is None or kept.answer is not answer:
            return None
        return kept.whole or filled(kept.frame, self.reason_for(request()), None)


class _Kept(Struct, frozen=True, eq=False):
    """What is kept of an answer as JSON; *whole*: all of it, where nothing is left open."""

    answer: SharedResult
    frame: Frame
    whole: bytes | None


class Nobody(Struct, frozen=True, eq=False):
    """That no rule is for a request, by these keys."""

    keys: tuple[Key, ...]

    def worded(self, request: Request) -> str:
        """Return it with the values of the request, and no others."""
        values = [key.requested(request) for key in self.keys]
        return f"no rule here is for {' and '.join(values)}"


Said: TypeAlias = Text | Rule | Nobody
"""A part of a reason: a text, a rule of which a condition is described, or that no rule is for the request."""


def _worded(said: Said, request: Request | None) -> str:
    if isinstance(said, tuple):
        return rendered(said, request)
    assert request is not None
    return said.worded(request) if isinstance(said, Nobody) else _first_sentence(said, request)


def _said_by_permit(verdict: Verdict) -> Said:
    if verdict.failed:
        return _failed(verdict)
    return verdict.rule if verdict.rule.otherwise is None else verdict.rule.otherwise


def _not_described(verdict: Verdict, paths: frozenset[str]) -> bool:
    """Whether nothing is said of a permit, since it is for other requests by one of *paths*."""
    described = verdict.failed or verdict.rule.otherwise is not None
    return not described and not verdict.misses.isdisjoint(paths)


def _is_for(verdict: Verdict, paths: frozenset[str]) -> bool:
    """Whether a permit is for this request and not for others, by *paths*."""
    return verdict.misses.isdisjoint(paths) and any(key.path in paths for key in verdict.rule.keys)


def _failed(verdict: Verdict) -> Text:
    return (f"`{verdict.rule.id}` failed",)


def _said_by_forbid(verdict: Verdict) -> Text:
    if verdict.failed:
        return _failed(verdict)
    because = verdict.rule.because
    return (f"`{verdict.rule.id}` forbids it",) if because is None else because


def _first_sentence(rule: Rule, request: Request | None) -> str:
    """Describe the first false condition of a permit that may be shown."""
    assert request is not None
    sentence = rule.first_sentence(request)
    return NOT_SHOWN if sentence is None else rendered(sentence, request)


# ---- details ----------------------------------------------------------------------------


class Explainer(Struct, eq=False, dict=True):
    """Works out the details of decisions about one target.

    *action*: that of the target. *rules*: every rule of it, by gate, then name; of many, only those are made
    that some request concerns. *gates* as in `JudgedRequest`. *judge* is a generated function that returns a bit for each rule that is not on trial
    and whose conditions hold, in the order of the rules, then for each key that does; None where they are
    too many. Equal verdicts have the same result, so it is kept.
    """

    action: str
    rules: Rules
    gates: tuple[tuple[str, bool], ...]
    judge: Function | None
    _cases: dict[object, JudgedRequest] = field(default_factory=dict)

    def details(self, request: Request) -> Details:
        """Return the details of the decision on *request*."""
        return Details(self, request)

    def case(self, request: Request) -> JudgedRequest:
        """Return the request as it is judged."""
        if self.judge is None:
            return self._judged(request)
        try:
            bits = self.judge(*request.roots)
        except Exception:  # noqa: BLE001 - then each rule is looked at by itself
            return self._judged(request)
        if request.fields is not None:
            return self._of_bits(bits, request)
        key: object = bits
        if self._dated or self.waivable:
            in_force = tuple([rule.in_force(request.now) for rule in self._dated])
            waived = tuple([rule.waived_by(request) for rule in self.waivable])
            key = bits, in_force, waived
        case = self._cases.get(key)
        if case is None:
            case = self._of_bits(bits, request)
            if case.shared and len(self._cases) < _MOST_CASES:
                self._cases[key] = case
        return case

    def _judged(self, request: Request) -> JudgedRequest:
        """Judge the rules that may play a part one by one; all, should one of them fail."""
        values = self.directory.values(request)
        numbers = counting = self.rules.outline.counting
        if self.judge is None:
            with suppress(Exception):  # values that cannot be looked up are a bug, and fail below
                numbers = self.directory.found(values)
        passed_over = len(numbers) < len(counting)
        verdicts = self._verdicts(self.rules.at(numbers), request, values)
        if passed_over and any(verdict.failed for verdict in verdicts):
            passed_over, verdicts = False, self._verdicts(self._counting, request, values)
        return JudgedRequest(
            self.action,
            verdicts,
            self.gates,
            self.directory,
            request.fields,
            now=request.now if passed_over else None,
        )

    def _verdicts(
        self, rules: Iterable[Rule], request: Request, values: Mapping[str, object]
    ) -> tuple[Verdict, ...]:
        verdicts = []
        for rule in rules:
            if rule.in_force(request.now):
                verdict = rule.judge(request)
                verdict.misses = missed(rule, values)
                verdicts.append(verdict)
        return tuple(verdicts)

    def _of_bits(self, bits: int, request: Request) -> JudgedRequest:
        """Return the case of rules whose conditions hold or not, a bit each; what owes is judged."""
        values = self.directory.values(request)
        verdicts: list[Verdict] = []
        shared = request.fields is None
        for bit, rule in enumerate(self._counting):
            if not rule.in_force(request.now):
                continue
            holds, waivers = bool(bits >> bit & 1), rule.waived_by(request)
            if not (holds or waivers):
                verdicts.append(Verdict(rule, misses=missed(rule, values)))
            elif rule.duties:  # what is owed is this request's own
                verdict = rule.judge(request)
                verdict.misses = missed(rule, values)
                verdicts.append(verdict)
                shared = False
            else:
                misses = missed(rule, values)
                verdicts.append(Verdict(rule, holds, waivers, rule.owed, misses=misses))
        return JudgedRequest(
            self.action, tuple(verdicts), self.gates, self.directory, request.fields, shared=shared
        )

    def written(
        self, answer: SharedResult, subject: Entity, resource: Entity, context: Record, now: int
    ) -> bytes | None:
        """Return *answer* as JSON, if it was written before for a request with the same verdicts."""
        if self.judge is None or not self.is_plain:
            return None
        try:
            case = self._cases.get(self.judge(subject, resource, context, now))
        except Exception:  # noqa: BLE001 - then each rule is looked at by itself
            return None
        if case is None:
            return None
        return case.written(answer, lambda: self.request(subject, resource, context, now))

    def request(self, subject: Entity, resource: Entity, context: Record, now: int) -> Request:
        """Return a request of parts alone: nothing is followed to other entities."""
        entities = {subject.key_: subject, resource.key_: resource}
        return Request(subject, self.action, resource, context, now, None, entities)

    @cached_property
    def is_plain(self) -> bool:
        """Whether the details depend on nothing but the results of the rules' conditions."""
        return self.timeless and not self.on_trial

    @cached_property
    def directory(self) -> Directory:
        """The rules that are not advisory, by what they ask for."""
        return Directory(self.rules)

    @cached_property
    def _counting(self) -> tuple[Rule, ...]:
        """The rules that are not advisory."""
        return tuple(self.rules.at(self.rules.outline.counting))

    @cached_property
    def _dated(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self._counting if rule.is_dated)

    @cached_property
    def on_trial(self) -> tuple[Rule, ...]:
        """The rules that are advisory."""
        return tuple(self.rules.at(self.rules.outline.on_trial))

    @cached_property
    def turning(self) -> tuple[tuple[Rule, Function], ...]:
        """The rules that a change of the time may change, beyond their dates, each with the function that notes when."""
        return _turning(self._counting)

    @property
    def timeless(self) -> bool:
        """Whether no change of the time changes anything."""
        return self.rules.outline.timeless

    @cached_property
    def waivable(self) -> tuple[Rule, ...]:
        """The rules that some waiver is for."""
        return tuple(self.rules.at(self.rules.outline.waivable))


def _turning(rules: Iterable[Rule]) -> tuple[tuple[Rule, Function], ...]:
    return tuple([(rule, rule.turns) for rule in rules if rule.turns is not None])


class Details(Struct, eq=False):
    """The details of one decision. Implements `model.decision.Details`."""

    explainer: Explainer
    request: Request
    _case: JudgedRequest | None = None  # two threads may both make it; they make the same

    @property
    def case(self) -> JudgedRequest:
        """The request as it is judged."""
        if self._case is None:
            self._case = self.explainer.case(self.request)
        return self._case

    def outcome(self) -> Outcome:
        """Return everything but the wording."""
        case = self.case
        outcome = case.outcome
        changes: dict[str, Any] = {}
        if not case.refers_alike:
            texts = {rendered(text, self.request) for text in case.referrals}
            changes["referrals"] = tuple(sorted(texts))
        if self.explainer.on_trial:
            now = self.request.now
            on_trial = (rule for rule in self.explainer.on_trial if rule.in_force(now))
            changes["advisories"] = tuple(map(self._advice, on_trial))
        if case.failed:
            changes["errors"] = tuple(
                RuleError(rule.id, misfits(self.request, rule.needs), FAILED)
                for rule in case.failed
            )
        return replace(outcome, **changes) if changes else outcome

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

    def listed(self) -> Listed:
        """Return the determining rules that are named in JSON, and how many there are besides."""
        return self.case.listed

    # ---- time ---------------------------------------------------------------------------

    def valid_until(self) -> int | None:
        """Return the first moment at which anything but the wording may change."""
        now, explainer = self.request.now, self.explainer
        if explainer.timeless:
            return None
        turns = [*explainer.rules.outline.bounds]
        subject = self.request.subject.id
        for rule in explainer.waivable:
            turns += [until for _, id_, until in rule.waivers if id_ == subject]
        if explainer.judge is None:
            turning = _turning(verdict.rule for verdict in self.case.verdicts)
        else:
            turning = explainer.turning
        for rule, note_turns in turning:
            if rule.in_force(now):
                try:
                    note_turns(*self.request.roots, turns)
                except Exception:  # noqa: BLE001 - it failed, and may do otherwise in a moment
                    turns.append(now + 1)
        if explainer.rules.outline.moving:
            case = self.case
            moving = case.giving if case.cause == "permitted" else ()
            if any(v.rule.moves for v in moving) or any(v.rule.refer_moves for v in case.referring):
                turns.append(now + 1)
        return min((moment for moment in turns if moment > now), default=None)

    # ---- wording ------------------------------------------------------------------------

    def reason(self) -> str:
        """Return the reason, for a person."""
        case = self.case
        return case.reason_for(self.request) if case.reason is None else case.reason

    def frame(self, answer: SharedResult) -> Frame | None:
        """Return the parts of *answer* as JSON that equal decisions share, if there are any."""
        case = self.case
        if not case.shared or not case.refers_alike or self.explainer.on_trial:
            return None
        return case.frame(answer)
