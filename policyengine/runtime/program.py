"""Decide requests with compiled rules.

A decision takes one call of the generated `decide`, which stops as soon as the answer is known.
Everything else of a decision (all determining rules, texts, how long it holds) is worked out when
somebody reads it, rule by rule, from the request's immutable values. The same careful way is taken
at once if generated code raises anything: then an errored forbid denies, and no errored permit opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any, TypeAlias

from attrs import define, field, frozen
from cachetools import LRUCache

from policyengine.model.decision import (
    Advisory,
    Cause,
    Decision,
    Obligation,
    Outcome,
    RuleError,
)
from policyengine.model.needs import RequestNeeds
from policyengine.model.request import Request, gives, misfits
from policyengine.model.types import Schema, Type
from policyengine.model.values import text_of
from policyengine.runtime.operations import FORBIDDEN, NOT_PERMITTED

TargetKey: TypeAlias = tuple[str, str, str]
"""(action, subject type, resource type)."""

Function: TypeAlias = Callable[..., Any]
"""A generated function of subject, resource, context, now and entities."""

Text: TypeAlias = tuple[str | tuple[Type, Function], ...]
"""A text for a person: literal parts, and values with their types."""

FAILED = "failed while it was evaluated"


@frozen(eq=False)
class Rule:
    """A compiled rule of one target.

    *fails* gives the number of the first condition that is false, None if all are true; *turns*
    notes the moments at which one may turn. *waivers*: (name, subject's id, until).
    """

    id: str
    gate: str
    effect: str
    advisory: bool
    valid_from: int | None
    valid_until: int | None
    fails: Function
    turns: Function | None
    fields: frozenset[str] | None
    duties: tuple[tuple[str, tuple[tuple[str, Type, Function], ...]], ...]
    because: Text | None
    otherwise: Text | None
    refer: Text | None
    sentences: tuple[Text, ...]
    waivers: tuple[tuple[str, str, int], ...]
    needs: RequestNeeds

    def in_force(self, now: int) -> bool:
        """Whether the rule exists at *now*."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now < self.valid_until
        )


@frozen(eq=False)
class _Verdict:
    """What came of one rule; *first_false* is the number of the condition that failed."""

    rule: Rule
    first_false: int | None = None
    waivers: tuple[str, ...] = ()
    owed: tuple[Obligation, ...] = ()
    failed: bool = False

    @property
    def holds(self) -> bool:
        return self.first_false is None and not self.failed

    @property
    def satisfied(self) -> bool:
        return (self.first_false is None or bool(self.waivers)) and not self.failed


@frozen(eq=False)
class _Given:
    """What an allow gives: the exposed fields, and what is owed."""

    exposed: frozenset[str] | None
    obligations: tuple[Obligation, ...]


@define(eq=False)
class Compiled:
    """The rules of one target, compiled. *gates*: name and whether it is a field gate, sorted."""

    digest: str
    decide: Function
    rules: tuple[Rule, ...]
    gates: tuple[tuple[str, bool], ...]
    giving: tuple[Rule, ...]
    source: str
    _has_fields: bool = field(init=False)
    _given: dict[int, _Given] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._has_fields = any(is_field for _, is_field in self.gates)

    def answer(self, request: Request) -> Decision:
        """Decide *request*."""
        account = _Account(self, request)
        try:
            result = self.decide(
                request.subject, request.resource, request.context, request.now,
                request.entities, request.fields, self._give,
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - a bug of ours, and errors never open anything
            outcome = account.outcome()
            return Decision(
                outcome.allowed, outcome.cause, outcome.exposed, outcome.obligations,
                self.digest, account,
            )  # fmt: skip
        if isinstance(result, _Given):
            return Decision(
                True, "permitted", result.exposed, result.obligations, self.digest, account
            )
        cause: Cause = "forbidden" if result is FORBIDDEN else "not_permitted"
        return Decision(False, cause, self._nothing(), (), self.digest, account)

    def _nothing(self) -> frozenset[str] | None:
        return frozenset() if self._has_fields else None

    def _give(
        self, subject: Any, resource: Any, context: Any, now: int, entities: Any,
        fields: tuple[str, ...] | None, given: int,
    ) -> object:  # fmt: skip
        """Return what the satisfied rules, a bit of *given* each, give together."""
        made = self._given.get(given)
        counting = [rule for bit, rule in enumerate(self.giving) if given >> bit & 1]
        if made is None:
            made = _Given(self._exposed(counting), ())
            if len(self._given) < _MOST_KEPT:
                self._given[given] = made
        if fields is not None and made.exposed is not None and not made.exposed.issuperset(fields):
            return NOT_PERMITTED
        if any(rule.duties for rule in counting):
            arguments = subject, resource, context, now, entities
            owed = (o for rule in counting for o in _owed(rule, arguments))
            return _Given(made.exposed, _sorted(owed))
        return made

    def _exposed(self, counting: Iterable[Rule]) -> frozenset[str] | None:
        if not self._has_fields:
            return None
        unions = (
            frozenset().union(*(r.fields for r in counting if r.gate == gate and r.fields))
            for gate, is_field in self.gates
            if is_field
        )
        return frozenset.intersection(*unions)


_MOST_KEPT = 4_096


def _owed(rule: Rule, arguments: tuple[Any, ...]) -> tuple[Obligation, ...]:
    return tuple(
        Obligation(name, tuple((n, type_, compute(*arguments)) for n, type_, compute in parts))
        for name, parts in rule.duties
    )


def _sorted(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    return tuple(
        sorted(
            dict.fromkeys(obligations),
            key=lambda o: (o.name, [text_of(type_, value) for _, type_, value in o.arguments]),
        )
    )


@define(eq=False)
class _Account:
    """Works out what was not needed to decide. Implements `model.decision.Account`."""

    compiled: Compiled
    request: Request
    _verdicts: tuple[_Verdict, ...] | None = None

    @property
    def _arguments(self) -> tuple[Any, ...]:
        request = self.request
        return request.subject, request.resource, request.context, request.now, request.entities

    # ---- judging ------------------------------------------------------------------------

    def _judged(self) -> tuple[_Verdict, ...]:
        if self._verdicts is None:
            self._verdicts = tuple(map(self._judge, self._candidates(advisory=False)))
        return self._verdicts

    def _candidates(self, *, advisory: bool) -> Iterator[Rule]:
        now = self.request.now
        return (r for r in self.compiled.rules if r.advisory == advisory and r.in_force(now))

    def _judge(self, rule: Rule) -> _Verdict:
        waivers = self._waivers(rule)
        first_false: int | None = None
        try:
            first_false = rule.fails(*self._arguments)
        except Exception:  # noqa: BLE001
            if not waivers:
                return _Verdict(rule, failed=True)
            first_false = 0
        if first_false is not None and not waivers:
            return _Verdict(rule, first_false)
        try:
            owed = _sorted(_owed(rule, self._arguments))  # what cannot be sorted has failed
        except Exception:  # noqa: BLE001
            return _Verdict(rule, failed=True)
        return _Verdict(rule, first_false, waivers, owed)

    def _waivers(self, rule: Rule) -> tuple[str, ...]:
        subject, now = self.request.subject.id, self.request.now
        return tuple(name for name, id_, until in rule.waivers if id_ == subject and now < until)

    def _advice(self, rule: Rule) -> Advisory:
        if not gives(self.request, rule.needs):
            return Advisory(rule.id, rule.effect, "unknown")
        verdict = self._judge(rule)
        if verdict.failed:
            return Advisory(rule.id, rule.effect, "unknown")
        return Advisory(rule.id, rule.effect, "satisfied" if verdict.satisfied else "not_satisfied")

    def _of(self, effect: str, gate: str | None = None) -> list[_Verdict]:
        return [
            v for v in self._judged() if v.rule.effect == effect and gate in (None, v.rule.gate)
        ]

    # ---- gates --------------------------------------------------------------------------

    def _missing(self, gate: str, is_field: bool) -> list[str]:  # noqa: FBT001
        """Return the fields that were asked for and that the gate does not expose."""
        if self.request.fields is None or not is_field:
            return []
        exposing = self._of("permit", gate) + self._of("expose", gate)
        exposed = frozenset().union(
            *(v.rule.fields for v in exposing if v.satisfied and v.rule.fields)
        )
        return sorted(set(self.request.fields) - exposed)

    def _has_permit(self, gate: str) -> bool:
        return any(v.satisfied for v in self._of("permit", gate))

    def _shut(self) -> list[str]:
        return [
            gate
            for gate, is_field in self.compiled.gates
            if not self._has_permit(gate) or self._missing(gate, is_field)
        ]

    def _failed_in(self, gate: str) -> bool:
        """Whether a rule that failed might have opened the gate."""
        might = self._of("permit", gate)
        if self._has_permit(gate):
            might += self._of("expose", gate)
        return any(v.failed for v in might)

    # ---- the account --------------------------------------------------------------------

    def _cause(self, shut: list[str]) -> Cause:
        forbids = self._of("forbid")
        if any(v.satisfied for v in forbids):
            return "forbidden"
        if any(v.failed for v in forbids) or any(map(self._failed_in, shut)):
            return "error"
        return "not_permitted" if shut else "permitted"

    def _determining(self, shut: list[str]) -> list[_Verdict]:
        forbidding = [v for v in self._of("forbid") if v.satisfied or v.failed]
        if forbidding:
            return forbidding
        if shut:
            return [v for gate in shut for v in self._of("permit", gate)]
        return [v for v in self._judged() if v.rule.effect != "forbid" and v.satisfied]

    def outcome(self) -> Outcome:
        """Return everything but the wording."""
        shut = self._shut()
        cause = self._cause(shut)
        allowed = cause == "permitted"
        determining = self._determining(shut)
        giving = [v for v in self._judged() if v.rule.effect != "forbid" and v.satisfied]
        exposed = self.compiled._nothing()  # noqa: SLF001 - one thing in two classes
        if allowed:
            exposed = self.compiled._exposed([v.rule for v in giving])  # noqa: SLF001
        return Outcome(
            allowed=allowed,
            cause=cause,
            rules=tuple(v.rule.id for v in determining),
            gates=tuple((gate, gate not in shut) for gate, _ in self.compiled.gates),
            exposed=exposed,
            obligations=_sorted(o for v in giving for o in v.owed) if allowed else (),
            referrals=() if allowed else self._referrals(determining),
            advisories=tuple(map(self._advice, self._candidates(advisory=True))),
            waivers=tuple(sorted(self._mattering_waivers())),
            errors=tuple(
                RuleError(v.rule.id, misfits(self.request, v.rule.needs), FAILED)
                for v in self._judged()
                if v.failed
            ),
        )

    def _referrals(self, determining: Iterable[_Verdict]) -> tuple[str, ...]:
        return tuple(
            sorted({self._text(v.rule.refer) for v in determining if v.rule.refer is not None})
        )

    def _mattering_waivers(self) -> Iterator[str]:
        for gate, _ in self.compiled.gates:
            satisfied = [v for v in self._of("permit", gate) if v.satisfied]
            if satisfied and not any(v.holds for v in satisfied):
                for verdict in satisfied:
                    yield from verdict.waivers

    def valid_until(self) -> int | None:
        """Return the moment until which only the wording may change."""
        now = self.request.now
        turns: list[int] = []
        for rule in self.compiled.rules:
            if rule.advisory:
                continue
            turns += (m for m in (rule.valid_from, rule.valid_until) if m is not None and m > now)
            subject = self.request.subject.id
            turns += (until for _, id_, until in rule.waivers if id_ == subject and until > now)
            if rule.turns is not None and rule.in_force(now):
                try:
                    rule.turns(*self._arguments, turns)
                except Exception:  # noqa: BLE001 - the rule failed, and may do otherwise later
                    turns.append(now + 1)
        return min(turns, default=None)

    # ---- wording ------------------------------------------------------------------------

    def _text(self, text: Text) -> str:
        said = ""
        for part in text:
            if isinstance(part, str):
                said += part
                continue
            type_, compute = part
            try:
                said += text_of(type_, compute(*self._arguments))
            except Exception:  # noqa: BLE001 - a text is never worth failing for
                said += "?"
        return said

    def reason(self) -> str:
        """Return the text for a person."""
        forbidding = [v for v in self._of("forbid") if v.satisfied or v.failed]
        shut = self._shut()
        if forbidding:
            parts = list(map(self._said_by_forbid, forbidding))
        elif shut:
            parts = [said for gate in shut for said in self._said_of_shut(gate)]
        else:
            parts = list(self._said_on_allow())
        return "; ".join(dict.fromkeys(parts)) or "every gate permits it"

    def _said_by_forbid(self, verdict: _Verdict) -> str:
        rule = verdict.rule
        if verdict.failed:
            return f"`{rule.id}` failed"
        return self._text(rule.because) if rule.because is not None else f"`{rule.id}` forbids it"

    def _said_of_shut(self, gate: str) -> Iterator[str]:
        if self._has_permit(gate):
            yield f"`{gate}` does not expose {', '.join(self._missing(gate, True))}"
            return
        permits = self._of("permit", gate)
        if not permits:
            yield f"no rule of `{gate}` permits `{self.request.action}`"
        for verdict in permits:
            rule = verdict.rule
            if verdict.failed:
                yield f"`{rule.id}` failed"
            elif rule.otherwise is not None:
                yield self._text(rule.otherwise)
            elif verdict.first_false is not None:
                yield self._text(rule.sentences[verdict.first_false])

    def _said_on_allow(self) -> Iterator[str]:
        for gate, _ in self.compiled.gates:
            first = next(v for v in self._of("permit", gate) if v.satisfied)
            if first.rule.because is not None:
                yield self._text(first.rule.because)


Compile: TypeAlias = Callable[[TargetKey], Compiled]

_shared: LRUCache[tuple[str, TargetKey], Compiled] = LRUCache(maxsize=4_096)
_lock = Lock()


@define(eq=False)
class Program:
    """A linked policy set; immutable but for what it keeps.

    Decision functions are made when they are first needed. They are kept under the digest of the
    set and the target, so that a set that is loaded again finds them made.
    """

    digest: str
    schema: Schema
    needs: Callable[[TargetKey], RequestNeeds]
    _compile: Compile
    _made: dict[TargetKey, Compiled] = field(factory=dict, init=False)

    def decide(self, request: Request) -> Decision:
        """Decide a valid request."""
        target = request.action, request.subject.type, request.resource.type
        compiled = self._made.get(target)  # reading a dict needs no lock
        return (compiled or self.compiled(target)).answer(request)

    def compiled(self, target: TargetKey) -> Compiled:
        """Return the rules of *target*, compiled."""
        key = self.digest, target
        with _lock:
            made = _shared.get(key)
        if made is None:
            made = self._compile(target)  # outside the lock: two threads may, and do the same
            with _lock:
                made = _shared.setdefault(key, made)
        self._made[target] = made
        return made

    def source(self, target: TargetKey) -> str:
        """Return the Python text of the functions of *target*."""
        return self.compiled(target).source
