"""Make the reason of a deny from the few rules, of many, that the request concerns.

Each rule is asked once, for the number of its first false condition. That says whether the rule is satisfied, and it
is by that number that what is said of it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.runtime.compiled_rule import Function, Key, Rule
from policyengine.runtime.directory import values_of
from policyengine.runtime.judged_request import JudgedRequest, Said, prepared_said, said_by_forbid
from policyengine.runtime.prepared_texts import Words, joined_texts

_MOST_PLANS: Final = 64

_Forbid: TypeAlias = tuple[Function, Words]

_Part: TypeAlias = tuple[int | None, tuple[Words, ...]]
"""A part of a reason: the words by the number of the first false condition of a permit, and which that is; or one text."""

_Gate: TypeAlias = tuple[slice, tuple[_Part, ...]]
"""Which permits open a gate, and what is said if none does."""

_Plan: TypeAlias = tuple[_Gate, ...]


class ConcernedRules(Struct, frozen=True, eq=False):
    """The rules in force that some requests concern, and what distinguishes such requests.

    *tests* find the first false condition of each that may be false, *permits* of the permits by gate, and *forbids* of
    the forbids, with what is said of each, first to an auditor and then to all. *keys*: which may hold or not; of the others
    it is known that they hold. *plain*: whether nothing else distinguishes requests, as waivers and obligations
    of a request's own do.
    """

    tests: tuple[Function, ...]
    keys: tuple[Key, ...]
    plain: bool
    forbids: tuple[tuple[_Forbid, ...], tuple[_Forbid, ...]]
    permits: tuple[Function, ...]
    _constants: tuple[frozenset[object], ...]
    _rules: tuple[Rule, ...]  # the permits
    _plans: dict[tuple[bool, ...], tuple[_Plan, _Plan]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, rules: Iterable[Rule], found_by: Mapping[str, Collection[str]], gates: Collection[str]
    ) -> ConcernedRules:
        """Return *rules*, each of which was found by the values at some paths, by its id; *gates*: those that apply."""
        rules = tuple(rules)
        keys = {
            (key.path, key.constants): key
            for rule in rules
            for key in rule.keys
            if not _is_known(key, rule, found_by.get(rule.id, ()))
        }
        forbids = [rule for rule in rules if rule.effect == "forbid"]
        permits = [r for gate in gates for r in rules if (r.effect, r.gate) == ("permit", gate)]
        return cls(
            tests=tuple([rule.fails for rule in rules if rule.fails is not None]),
            keys=tuple(keys.values()),
            plain=not any(rule.waivers or rule.duties for rule in rules),
            forbids=(_denying(forbids, to_all=False), _denying(forbids, to_all=True)),
            permits=tuple(map(_test, permits)),
            _constants=tuple([key.constants for key in keys.values()]),
            _rules=tuple(permits),
        )

    def has(self, roots: tuple[Any, ...]) -> tuple[bool, ...]:
        """Return which of the keys hold."""
        if not self.keys:
            return ()
        values = values_of(self.keys, roots)
        return tuple([v in c for v, c in zip(values, self._constants, strict=True)])

    def reason_of_deny(
        self, roots: tuple[Any, ...], judged: Callable[[], JudgedRequest], *, public: bool
    ) -> str | None:
        """Return the reason of a deny; None if no rule denies.

        *judged* gives the request if no permit is satisfied. Fails where a rule does.
        """
        subject, resource, context, now, entities = roots
        said = [
            words
            for fails, words in self.forbids[public]
            if fails(subject, resource, context, now, entities) is None
        ]
        if not said:
            false = [f(subject, resource, context, now, entities) for f in self.permits]
            for permits, parts in self._plan(self.has(roots), judged)[public]:
                if None not in false[permits]:
                    said += [texts[0 if n is None else false[n]] for n, texts in parts]
        return joined_texts(said, subject, resource, context, now, entities) if said else None

    def _plan(
        self, has: tuple[bool, ...], judged: Callable[[], JudgedRequest]
    ) -> tuple[_Plan, _Plan]:
        plans = self._plans.get(has)
        if plans is None:
            case = judged()
            plans = self._planned(case, to_all=False), self._planned(case, to_all=True)
            if len(self._plans) < _MOST_PLANS:
                self._plans[has] = plans
        return plans

    def _planned(self, case: JudgedRequest, *, to_all: bool) -> _Plan:
        made: list[_Gate] = []
        first = 0
        for gate in case.gates.names:
            last = first + sum(rule.gate == gate for rule in self._rules)
            said = tuple([self._part(one, to_all=to_all) for one in case.said_of_shut(gate)])
            made.append((slice(first, last), said))
            first = last
        return tuple(made)

    def _part(self, said: Said, *, to_all: bool) -> _Part:
        if isinstance(said, Rule):
            return self._rules.index(said), said.texts
        return None, (prepared_said(said, to_all=to_all),)


def _is_known(key: Key, rule: Rule, found_by: Collection[str]) -> bool:
    """Whether *key* holds wherever *rule* is found by the values at these paths."""
    return key.path in found_by and sum(other.path == key.path for other in rule.keys) == 1


def _denying(rules: Iterable[Rule], *, to_all: bool) -> tuple[_Forbid, ...]:
    return tuple([(_test(r), prepared_said(said_by_forbid(r), to_all=to_all)) for r in rules])


def _test(rule: Rule) -> Function:
    return rule.fails or _never_false


def _never_false(*_: object) -> None:
    """Find nothing false of a rule without conditions that may be."""
