"""Work out the details of a decision: what determined it, why, and how long it holds.

Nothing here is needed to decide, so it is worked out when it is read, from the request's
immutable values: every rule that counts is judged, and then the gates are asked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.concurrency import cached_property
from policyengine.model.entities import Entity
from policyengine.model.gaps import gives, misfits
from policyengine.model.outcome import Advisory, Frame, Listed, Outcome, RuleError, SharedResult
from policyengine.model.records import Record
from policyengine.model.rules import RuleWaiver
from policyengine.model.types import TargetGates
from policyengine.model.valid_request import ValidRequest
from policyengine.runtime.compiled_rule import (
    FAILED,
    Function,
    Judges,
    Rule,
    Verdict,
    sorted_obligations,
)
from policyengine.runtime.concerned_rules import ConcernedRules
from policyengine.runtime.directory import Directory, Rules, missed
from policyengine.runtime.judged_request import JudgedRequest
from policyengine.runtime.prepared_texts import NOTHING_SAID, Words, rendered

_MOST_CASES: Final = 4_096

Known: TypeAlias = Mapping[tuple[str, str], Entity] | None
"""The entities that are known for a request; None where nothing is followed to others."""

_Reasons: TypeAlias = dict[int | tuple[int, int], tuple[Words, Words]]
"""Reasons, prepared, by what they depend on: for an auditor, and as all may read them."""


class Explainer(Struct, eq=False, dict=True):
    """Works out the details of decisions about one target.

    *action*: that of the target. *rules*: every rule of it, by gate, then name; of many, only those are made
    that some request concerns. *gates* as in `JudgedRequest`. *judges*: None where rules are too many.
    Equal verdicts have the same result, so it is kept.
    """

    action: str
    rules: Rules
    gates: TargetGates
    judges: Judges | None
    _reasons: tuple[_Reasons, _Reasons] = field(default_factory=lambda: ({}, {}))
    _cases: dict[object, JudgedRequest] = field(default_factory=dict)
    _concerned: list[ConcernedRules] = field(default_factory=list)

    def details(self, request: ValidRequest) -> Details:
        """Return the details of the decision on *request*."""
        return Details(self, request)

    def reason(
        self, subject: Entity, resource: Entity, context: Record, now: int, entities: Known,
        *, allowed: bool, public: bool,
    ) -> str | None:  # fmt: skip
        """Return the reason of a decision, of no more than it depends on; None if every rule must be judged."""
        if allowed and not self.rules.outline.says_why:
            return NOTHING_SAID
        judges, bounds = self.judges, self.bounds
        words: Words
        if judges is None:
            roots = subject, resource, context, now, entities
            if not allowed:
                return self._reason_of_deny(roots, public=public)
            case = self._of_some(roots)
            if case is None:
                return None
            words = case.public_reason if public else case.reason
        else:
            try:
                bits = judges.grounds[allowed](subject, resource, context, now, entities)
            except Exception:  # noqa: BLE001 - then each rule is looked at by itself
                return None
            key = (bits, bisect_right(bounds, now)) if bounds else bits
            reasons = self._reasons[allowed]
            found = reasons.get(key)
            if found is None:
                request = self.request(subject, resource, context, now, entities)
                case = self.case(request)
                found = case.reason, case.public_reason
                if len(reasons) < _MOST_CASES and not case.failed:
                    reasons[key] = found
            words = found[public]
        return words if isinstance(words, str) else words(subject, resource, context, now, entities)

    def case(self, request: ValidRequest) -> JudgedRequest:
        """Return the request as it is judged; of one that is shared, what is owed for it alone is left out."""
        if self.judges is None:
            some = self._of_some(request.roots) if request.fields is None else None
            return some or self._judged(request)
        try:
            bits = self.judges.judge(
                request.subject, request.resource, request.context, request.now, request.entities
            )
        except Exception:  # noqa: BLE001 - then each rule is looked at by itself
            return self._judged(request)
        if request.fields is not None:
            return self._of_bits(bits, request)
        key: int | tuple[int, ...] = bits
        if self.bounds or self.waivers:
            now = request.now
            key = bits, bisect_right(self.bounds, now)
            for number, waiver in enumerate(self.waivers):
                if now < waiver.until and waiver.is_for(request.subject, request.resource):
                    key += (number,)
        case = self._cases.get(key)
        if case is None:
            case = self._of_bits(bits, request, shared=True)
            if len(self._cases) < _MOST_CASES:
                self._cases[key] = case
        return case if _can_owe(case.owing_own, request) else self._of_bits(bits, request)

    def _concerning(self, roots: tuple[Any, ...]) -> ConcernedRules:
        """Return the rules that may play a part, of many. What is a bug may fail."""
        now = roots[3]
        begun = bisect_right(self.bounds, now) if self.bounds else 0
        place, others = self.directory.concerned(roots)
        key = (begun, *others) if others else (begun,)
        found: ConcernedRules | None = place.kept.get(key)
        if found is None:
            numbers = sorted([*place.numbers, *others])
            rules = [rule for rule in self.rules.at(numbers) if rule.in_force(now)]
            found_by = self.directory.found_by(self.directory.values(roots))
            found = ConcernedRules.of(rules, found_by, self.gates.names)
            if len(self._concerned) < _MOST_CASES:
                self._concerned.append(found)
                place.kept[key] = found
        return found

    def _reason_of_deny(self, roots: tuple[Any, ...], *, public: bool) -> str | None:
        """Return the reason of a deny by some rules of many; None if every rule must be judged."""
        try:
            found = self._concerning(roots)
            if not found.plain:
                return None
            return found.reason_of_deny(roots, self._unsatisfied, public=public)
        except Exception:  # noqa: BLE001 - then each rule is looked at by itself
            return None

    def _unsatisfied(self, roots: tuple[Any, ...]) -> JudgedRequest:
        """Return a request with these *roots* as it is judged if no rule is satisfied that it concerns."""
        values, now = self.directory.values(roots), roots[3]
        numbers = self.directory.found(values)
        verdicts = [
            Verdict(rule, misses=missed(rule, values))
            for rule in self.rules.at(numbers)
            if rule.in_force(now)
        ]
        passed_over = now if len(numbers) < len(self.rules.outline.counting) else None
        return JudgedRequest(
            self.action, tuple(verdicts), self.gates, self.directory, now=passed_over
        )

    def _of_some(self, roots: tuple[Any, ...]) -> JudgedRequest | None:
        """Return the case of the rules that may play a part, of many; None if it cannot be kept for others."""
        try:
            found = self._concerning(roots)
            if not found.plain:
                return None
            holds = [test(*roots) is None for test in found.tests]
            has = found.has(roots)
        except Exception:  # noqa: BLE001 - then each rule is looked at by itself
            return None
        key = (found, *holds, *has)
        case = self._cases.get(key)
        if case is None:
            case = self._judged(self.request(*roots))
            if not case.failed:
                case = replace(case, shared=True)
                if len(self._cases) < _MOST_CASES > len(self._concerned):
                    self._cases[key] = case
        return case

    def _judged(self, request: ValidRequest) -> JudgedRequest:
        """Judge the rules that may play a part one by one; all, should one of them fail."""
        values = self.directory.values(request.roots)
        numbers = counting = self.rules.outline.counting
        if self.judges is None:
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
        self, rules: Iterable[Rule], request: ValidRequest, values: Mapping[str, object]
    ) -> tuple[Verdict, ...]:
        verdicts = []
        for rule in rules:
            if rule.in_force(request.now):
                verdict = rule.judge(request)
                verdict.misses = missed(rule, values)
                verdicts.append(verdict)
        return tuple(verdicts)

    def _of_bits(self, bits: int, request: ValidRequest, *, shared: bool = False) -> JudgedRequest:
        """Return the case of rules whose conditions hold or not, a bit each; what owes is judged, if not *shared*."""
        values = self.directory.values(request.roots)
        verdicts: list[Verdict] = []
        owing_own: list[Rule] = []
        for bit, rule in enumerate(self._counting):
            if not rule.in_force(request.now):
                continue
            holds, waivers = bool(bits >> bit & 1), rule.waived_by(request)
            counts = holds or bool(waivers)
            if counts and rule.duties:  # what is owed is this request's own
                owing_own.append(rule)
            if counts and rule.duties and not shared:
                verdict = rule.judge(request)
            else:
                verdict = Verdict(rule, holds, waivers, rule.owed if counts else ())
            # A rule that holds misses nothing, and of a forbid that does not, nothing is said.
            if not holds and (waivers or rule.effect != "forbid"):
                verdict.misses = missed(rule, values)
            verdicts.append(verdict)
        return JudgedRequest(
            self.action,
            tuple(verdicts),
            self.gates,
            self.directory,
            request.fields,
            shared=shared,
            owing_own=tuple(owing_own) if shared else (),
        )

    def until(
        self, roots: tuple[Any, ...], case: Callable[[], JudgedRequest], *, allowed: bool, public: bool
    ) -> int | None:  # fmt: skip
        """Return the first moment at which anything but the wording of a decision may change.

        None as well if it is to be *public* and may reveal something that is an auditor's alone. *case* gives the
        request as it is judged, which few rules need.
        """
        outline = self.rules.outline
        if outline.timeless or (public and outline.times_hidden):
            return None
        subject, resource, context, now, entities = roots
        turns: list[int] = []
        if self.bounds:
            following = bisect_right(self.bounds, now)
            turns += self.bounds[following : following + 1]
        for waiver in self.waivers:
            if now < waiver.until and waiver.is_for(subject, resource):
                turns.append(waiver.until)
        for note_turns in self._noting(case, allowed=allowed):
            try:
                note_turns(subject, resource, context, now, entities, turns)
            except Exception:  # noqa: BLE001 - it failed, and may do otherwise in a moment
                turns.append(now + 1)  # no moment is sooner, so nobody need ask on
        return min([moment for moment in turns if moment > now], default=None)

    def _noting(self, case: Callable[[], JudgedRequest], *, allowed: bool) -> Iterable[Function]:
        """Return what notes the moments at which something may turn."""
        judges, moving = self.judges, self.moving[allowed]
        if judges is None:
            judged = case()
            noting = [v.rule.turns for v in judged.verdicts if v.rule.turns is not None]
            return [*noting, *judged.changing] if moving else noting
        turning = () if judges.turning is None else (judges.turning,)
        return (*turning, *case().changing) if moving else turning

    def written(
        self, answer: SharedResult, subject: Entity, resource: Entity, context: Record, now: int
    ) -> bytes | None:
        """Return *answer* as JSON, if it was written before for a request with the same verdicts."""
        if self.judges is None or not self.is_plain:
            return None
        try:
            case = self._cases.get(self.judges.judge(subject, resource, context, now))
        except Exception:  # noqa: BLE001 - then each rule is looked at by itself
            return None
        if case is None:
            return None
        return case.written(answer, (subject, resource, context, now, None))

    def request(
        self, subject: Entity, resource: Entity, context: Record, now: int, entities: Known = None
    ) -> ValidRequest:
        """Return a request of these parts."""
        if entities is None:
            entities = {subject.key_: subject, resource.key_: resource}
        return ValidRequest(subject, self.action, resource, context, now, None, entities)

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
    def bounds(self) -> tuple[int, ...]:
        """The moments at which a rule begins or ends to be in force, in order."""
        return tuple(sorted(self.rules.outline.bounds))

    @cached_property
    def waivers(self) -> tuple[RuleWaiver, ...]:
        """The waivers that may be for a request."""
        return tuple([waiver for rule in self.waivable for waiver in rule.waivers])

    @cached_property
    def on_trial(self) -> tuple[Rule, ...]:
        """The rules that are advisory."""
        return tuple(self.rules.at(self.rules.outline.on_trial))

    @cached_property
    def moving(self) -> tuple[bool, bool]:
        """Whether what a deny owes or says may be another as time goes by, and what an allow owes."""
        if self.judges is None:
            return self.rules.outline.moving, self.rules.outline.moving
        owing = {rule.effect == "forbid" for rule in self._counting if rule.owes}
        return True in owing or any(rule.refers for rule in self._counting), False in owing

    @property
    def timeless(self) -> bool:
        """Whether no change of the time changes anything."""
        return self.rules.outline.timeless

    @cached_property
    def waivable(self) -> tuple[Rule, ...]:
        """The rules that some waiver is for."""
        return tuple(self.rules.at(self.rules.outline.waivable))


def _can_owe(rules: Iterable[Rule], request: ValidRequest) -> bool:
    """Whether all that *rules* owe can be computed and compared; if not, they fail."""
    try:
        for rule in rules:
            computed = [duty.owed(request.roots) for duty in rule.duties]
            sorted_obligations((*rule.owed, *computed))  # which fails for what has no hash
    except Exception:  # noqa: BLE001 - errors never open anything
        return False
    return True


class Details(Struct, eq=False):
    """The details of one decision. Implements `model.decision.Details`."""

    explainer: Explainer
    request: ValidRequest
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
        if case.owing_own:
            changes["obligations"] = case.owed_together.owed(self.request.roots)
        if not case.refers_alike:
            texts = {rendered(text, self.request.roots) for text in case.referrals}
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

    def valid_until(self, *, allowed: bool) -> int | None:
        """Return the first moment at which anything but the wording may change."""
        return self._until(allowed=allowed, public=False)

    def public_until(self, *, allowed: bool) -> int | None:
        """Return that moment, unless it may reveal something that is an auditor's alone."""
        return self._until(allowed=allowed, public=True)

    def _until(self, *, allowed: bool, public: bool) -> int | None:
        return self.explainer.until(
            self.request.roots, lambda: self.case, allowed=allowed, public=public
        )

    # ---- wording ------------------------------------------------------------------------

    def reason(self) -> str:
        """Return the reason, for a person."""
        return self._said(self.case.reason)

    def public_reason(self) -> str:
        """Return the reason that all may read, not only an auditor."""
        return self._said(self.case.public_reason)

    def _said(self, words: Words) -> str:
        if isinstance(words, str):
            return words
        asked = self.request
        return words(asked.subject, asked.resource, asked.context, asked.now, asked.entities)

    def frame(self, answer: SharedResult) -> Frame | None:
        """Return the parts of *answer* as JSON that equal decisions share, if there are any."""
        case = self.case
        if not case.shared or not case.refers_alike or self.explainer.on_trial:
            return None
        return case.frame(answer)
