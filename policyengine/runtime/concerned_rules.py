"""Make the reason of a deny from the few rules, of many, that the request concerns.

Each rule is asked once, for what is said of its first false condition, or for the number of that, by which
what is said of it is found. Either says whether the rule is satisfied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.model.request_messages import MOST_REASONS
from policyengine.runtime.compiled_rule import Function, Key, Rule, Saying
from policyengine.runtime.directory import values_of
from policyengine.runtime.judged_request import JudgedRequest, Said, prepared_said, said_by_forbid
from policyengine.runtime.prepared_texts import Words, joined_texts

_MOST_PLANS: Final = 64

Roots: TypeAlias = tuple[Any, ...]
"""The roots of a request (`Request.roots`)."""

_Forbid: TypeAlias = tuple[Function, Words]

_Part: TypeAlias = tuple[int | None, tuple[Words, ...]]
"""A part of a reason: the words by the number of the first false condition of a permit, and which that is; or one text."""

_Gate: TypeAlias = tuple[slice, tuple[_Part, ...]]
"""Which permits open a gate, and what is said if none does."""

_Plan: TypeAlias = tuple[_Gate, ...]


class ConcernedRules(Struct, frozen=True, eq=False):
    """The rules in force that some requests concern, and what distinguishes such requests.

    *tests* find the first false condition of each that may be false, and *forbids* of the forbids, with what
    is said of each, first to an auditor and then to all. *sayings*: of the permits by gate, what says it at
    once, unless they are so many that not all is said; else its number. *keys*: which may hold or not; of the
    others it is known that they hold. *plain*: whether nothing else distinguishes requests, as waivers and
    obligations of a request's own do.
    """

    tests: tuple[Function, ...]
    keys: tuple[Key, ...]
    plain: bool
    forbids: tuple[tuple[_Forbid, ...], tuple[_Forbid, ...]]
    sayings: tuple[Saying, ...]
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
            sayings=tuple(map(_saying if len(permits) <= MOST_REASONS else _asking, permits)),
            _constants=tuple([key.constants for key in keys.values()]),
            _rules=tuple(permits),
        )

    def has(self, roots: Roots) -> tuple[bool, ...]:
        """Return which of the keys hold."""
        if not self.keys:
            return ()
        values = values_of(self.keys, roots)
        return tuple([v in c for v, c in zip(values, self._constants, strict=True)])

    def reason_of_deny(
        self, roots: Roots, judge: Callable[[Roots], JudgedRequest], *, public: bool
    ) -> str | None:
        """Return the reason of a deny; None if no rule denies.

        *judge* gives a request of which no rule is satisfied. Fails where a rule does.
        """
        subject, resource, context, now, entities = roots
        said: list[Words] = []
        for fails, words in self.forbids[public]:
            if fails(subject, resource, context, now, entities) is None:
                said.append(words)
        if not said:
            has = self.has(roots) if self.keys else ()
            plan = self._plans.get(has) or self._plan(has, judge(roots))
            false: list[Any] = []
            for says, row in self.sayings:
                false.append(says(row, subject, resource, context, now, entities))
            for permits, parts in plan[public]:
                if None in false[permits]:
                    continue
                for number, texts in parts:
                    if number is None:
                        said.append(texts[0])
                    else:
                        found = false[number]
                        said.append(found if type(found) is str else texts[found])
        return joined_texts(said, subject, resource, context, now, entities) if said else None

    def _plan(self, has: tuple[bool, ...], case: JudgedRequest) -> tuple[_Plan, _Plan]:
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


def _saying(rule: Rule) -> Saying:
    return rule.says or _asking(rule)


def _asking(rule: Rule) -> Saying:
    return _number, (_test(rule),)


def _number(row: tuple[Function], *roots: Any) -> int | None:
    """Return the number of the first false condition of a rule of which no function says more."""
    number: int | None = row[0](*roots)
    return number


def _test(rule: Rule) -> Function:
    return rule.fails or _never_false


def _never_false(*_: object) -> None:
    """Find nothing false of a rule without conditions that may be."""
