"""Put together what the verdicts on rules amount to: the result, the reason, the answer as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.concurrency import cached_property
from policyengine.model.answer_json import filled, make_frame
from policyengine.model.masks import shows
from policyengine.model.outcome import Cause, Frame, Listed, Outcome, SharedResult
from policyengine.model.request_messages import MOST_LISTED_RULES
from policyengine.model.rules import Effect
from policyengine.model.types import TargetGates
from policyengine.runtime.compiled_rule import (
    Function,
    Key,
    OwedTogether,
    Rule,
    Verdict,
    sorted_obligations,
)
from policyengine.runtime.directory import Directory
from policyengine.runtime.prepared_texts import (
    Text,
    Words,
    is_constant,
    prepared,
    public,
    rendered,
    together,
)
from policyengine.runtime.visible_fields import as_asked, exposed_of, masks_in, shown_by

_MOST_FRAMES: Final = 8


class JudgedRequest(Struct, eq=False, dict=True):
    """The verdicts on the rules that count and are in force, and what they amount to together.

    *action*: what was asked for. *verdicts*: by gate, then name. *gates*: those that apply. *fields*: those that were
    asked for. *shared*: whether it is the same for other requests, but for what *owing_own* owe, the rules that owe
    something of a request's own. *directory*: of all rules. *now*: the moment, where rules were passed over of which
    it is known that they are not satisfied; else None. It is never changed.
    """

    action: str
    verdicts: tuple[Verdict, ...]
    gates: TargetGates
    directory: Directory
    fields: tuple[str, ...] | None = None
    shared: bool = False
    now: int | None = None
    owing_own: tuple[Rule, ...] = ()
    _frames: dict[object, _Kept] = field(default_factory=dict)

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
        if self.fields is None or gate not in (self.gates.fields or ()):
            return []
        counting = self.satisfied("permit", gate) + self.satisfied("expose", gate)
        shown = shown_by([verdict.rule for verdict in counting], (gate,)) or {}
        return sorted(asked for asked in self.fields if not shows(shown, asked))

    def withholding(self, gate: str) -> list[Verdict]:
        """Return the exposes that say why an open gate lacks fields that were asked for."""
        if not self.satisfied("permit", gate):
            return []
        missing = self.missing(gate)
        return [
            verdict
            for verdict in self.of("expose", gate)
            if verdict.rule.otherwise is not None and not verdict.satisfied
            if any(shows(shown_by([verdict.rule], (gate,)) or {}, asked) for asked in missing)
        ]

    @cached_property
    def shut(self) -> tuple[str, ...]:
        """The gates that were not opened."""
        return tuple(
            gate
            for gate in self.gates.names
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
    def owing(self) -> tuple[Verdict, ...]:
        """The rules whose obligations are owed: those that give an allow, or the satisfied forbids."""
        if self.cause == "permitted":
            return self.giving
        return tuple(v for v in self.forbidding if v.satisfied)

    @cached_property
    def determining(self) -> tuple[Verdict, ...]:
        """The rules that the decision rests on."""
        if self.forbidding:
            return self.forbidding
        if self.shut:
            return tuple(v for gate in self.shut for v in self._of_shut(gate))
        return self.giving

    def _of_shut(self, gate: str) -> list[Verdict]:
        """Return the rules because of which a gate is shut, by name."""
        permits, withholding = self.of("permit", gate), self.withholding(gate)
        return sorted(permits + withholding, key=lambda v: v.rule.id) if withholding else permits

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of the rules that the decision rests on, those that were passed over as well."""
        if self.now is None or self.forbidding or not self.shut:
            return tuple([verdict.rule.id for verdict in self.determining])
        gates = [self._ids_of_shut(gate, self.now) for gate in self.shut]
        return gates[0] if len(gates) == 1 else tuple([id_ for ids in gates for id_ in ids])

    def _ids_of_shut(self, gate: str, now: int) -> tuple[str, ...]:
        permits, withholding = self.directory.permits_at(gate, now), self.withholding(gate)
        return (
            tuple(sorted([*permits, *(v.rule.id for v in withholding)])) if withholding else permits
        )

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
    def changing(self) -> tuple[Function, ...]:
        """The functions that note when what is owed or referred to may be another."""
        owed = [verdict.rule.owes for verdict in self.owing]
        referred = [verdict.rule.refers for verdict in self.referring]
        return tuple([one for one in (*owed, *referred) if one is not None])

    @cached_property
    def refers_alike(self) -> bool:
        """Whether it is the same for all requests who should look at a deny."""
        return all(map(is_constant, self.referrals))

    @cached_property
    def failed(self) -> tuple[Rule, ...]:
        """The rules that failed, and those of which an obligation did."""
        return tuple(v.rule for v in self.verdicts if v.failed or v.faulty)

    @cached_property
    def outcome(self) -> Outcome:
        """The outcome of the verdicts, without what differs by the request: referrals, and what `owing_own` owe."""
        referrals = {rendered(t, ()) for t in self.referrals if self.refers_alike}
        allowed = self.cause == "permitted"
        shown = shown_by([v.rule for v in self.giving] if allowed else [], self.gates.fields)
        if shown is not None and allowed:
            shown = as_asked(shown, self.fields or ())
        return Outcome(
            allowed=allowed,
            cause=self.cause,
            rules=self.ids,
            gates=tuple((gate, gate not in self.shut) for gate in self.gates.names),
            exposed=exposed_of(shown),
            masks=masks_in(shown),
            obligations=sorted_obligations(o for v in self.owing for o in v.owed),
            referrals=tuple(sorted(referrals)),
            advisories=(),
            waivers=tuple(sorted(self._mattering_waivers())),
            errors=(),
        )

    @cached_property
    def owed_together(self) -> OwedTogether:
        """What is owed, some of it to be computed for each request."""
        duties = [duty for verdict in self.owing for duty in verdict.rule.duties]
        return OwedTogether.of((*self.outcome.obligations, *duties))

    def _mattering_waivers(self) -> Iterator[str]:
        """Give the waivers without which a gate that has a satisfied permit would have none."""
        for gate in self.gates.names:
            permits = self.satisfied("permit", gate)
            if not any(permit.holds for permit in permits):
                for permit in permits:
                    yield from permit.waivers

    # ---- wording ------------------------------------------------------------------------

    @cached_property
    def said(self) -> tuple[Said, ...]:
        """The parts of the reason: texts, rules of which a condition is described, and unmet keys."""
        if self.forbidding:
            return tuple(map(_said_by_forbid, self.forbidding))
        if self.shut:
            return tuple(said for gate in self.shut for said in self.said_of_shut(gate))
        first = (self.satisfied("permit", gate)[0].rule.because for gate in self.gates.names)
        return tuple(text for text in first if text is not None)

    def said_of_shut(self, gate: str) -> Iterator[Said]:
        """Give the parts of the reason that say why a gate is shut."""
        if self.satisfied("permit", gate):
            yield (f"`{gate}` does not expose {', '.join(self.missing(gate))}",)
            yield from map(_said_by_permit, self.withholding(gate))
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
    def said_to_all(self) -> tuple[Said, ...]:
        """The same parts as all may read them, not only an auditor."""
        return tuple(public(said) if isinstance(said, tuple) else said for said in self.said)

    @cached_property
    def reason(self) -> Words:
        """The reason, prepared: the texts of the rules that the decision rests on, each once, and not too many."""
        return _together(self.said)

    @cached_property
    def public_reason(self) -> Words:
        """The same, as all may read it."""
        return _together(self.said_to_all)

    def reason_for(self, roots: tuple[Any, ...]) -> str:
        """Return the reason for a request with these *roots*."""
        reason = self.reason
        return reason if isinstance(reason, str) else reason(*roots)

    def frame(self, answer: SharedResult) -> Frame:
        """Return the parts of *answer* as JSON that equal decisions share."""
        kept = self._kept(answer)
        if kept is not None:
            return kept.frame
        owes_alike = not self.owing_own
        made = make_frame(answer, self.outcome, self.listed, owes_alike=owes_alike)
        if len(self._frames) < _MOST_FRAMES:
            reason, whole = self.reason, None
            if owes_alike and isinstance(reason, str):
                whole = filled(made, reason, None)
            self._frames[self._key(answer)] = _Kept(answer, made, whole)
        return made

    def _kept(self, answer: SharedResult) -> _Kept | None:
        kept = self._frames.get(self._key(answer))
        return kept if kept is None or self.owing_own or kept.answer is answer else None

    def _key(self, answer: SharedResult) -> object:
        """Return by what the parts of *answer* are kept: by itself, unless it has obligations of its own."""
        if not self.owing_own:
            return id(answer)
        return answer.allowed, answer.cause, answer.exposed, answer.masks, answer.policy

    def written(self, answer: SharedResult, roots: tuple[Any, ...]) -> bytes | None:
        """Return the answer as JSON, if one like it was written before and no time bounds it."""
        kept = self._kept(answer)
        if kept is None or self.owing_own:
            return None
        return kept.whole or filled(kept.frame, self.reason_for(roots), None)


class _Kept(Struct, frozen=True, eq=False):
    """The parts of an answer as JSON that are kept; *whole*: all of it, where nothing is left open."""

    answer: SharedResult
    frame: Frame
    whole: bytes | None


class Nobody(Struct, frozen=True, eq=False):
    """That no rule is for a request, by these keys."""

    keys: tuple[Key, ...]

    @property
    def words(self) -> Words:
        """What says so, with the values of a request, and no others."""
        keys = self.keys

        def words(*roots: Any) -> str:
            return f"no rule here is for {' and '.join([key.requested(roots) for key in keys])}"

        return words


Said: TypeAlias = Text | Rule | Nobody
"""A part of a reason: a text, a rule of which a condition is described, or that no rule is for the request."""


def _together(parts: tuple[Said, ...]) -> Words:
    return together([prepared_said(said) for said in parts])


def prepared_said(said: Said, *, to_all: bool = False) -> Words:
    """Prepare a part of a reason, for an auditor or as all may read it."""
    if not isinstance(said, tuple):
        return said.words
    return prepared(public(said) if to_all else said)


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
    return _failed(verdict) if verdict.failed else said_by_forbid(verdict.rule)


def said_by_forbid(rule: Rule) -> Text:
    """Return what a forbid that is satisfied says."""
    return (f"`{rule.id}` forbids it",) if rule.because is None else rule.because
