"""Find the rules that a request may concern by the values that it has, and look at no others.

A rule that asks for constants is filed under them. Of those that are not found under the values of a
request it is known, without asking them, that they are not satisfied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, product
from math import prod
from operator import itemgetter
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from policyengine.concurrency import cached_property
from policyengine.model.rules import RuleHead
from policyengine.runtime.compiled_rule import Key, Rule

Places: TypeAlias = dict[tuple[str, ...], dict[tuple[object, ...], list[int]]]
"""The numbers of rules by the paths at which they ask for values, and by those values."""

_Paths: TypeAlias = tuple[str, ...]
_NumbersByValues: TypeAlias = Mapping[tuple[object, ...], list[int]]
_Picked: TypeAlias = Callable[[Sequence[object]], tuple[object, ...]]

_MOST_PLACES: Final = 64
"""Places under which one rule is filed."""


class Outline(Struct, eq=False, dict=True):
    """What is known of the rules of a target by their numbers, though none of them is made.

    *heads*: of every rule. *always*: the numbers of those that are looked at for every request, *filed*: of
    the others; neither has advisory rules. *keyed*: for each path, a rule that asks for what is there;
    *contested*: for each gate and each path by which its permits are for different requests, one of these.
    *says_why*: whether a permit says why it is satisfied. *waivable*: those that have waivers. *turning*:
    whether a condition of some rule may turn as time goes by, *moving*: whether what a rule owes or says may.
    *times_hidden*: whether some moment of these is an auditor's alone.
    """

    heads: Sequence[RuleHead]
    always: Sequence[int]
    filed: Places
    keyed: Mapping[str, int]
    contested: Mapping[str, Mapping[str, int]]
    says_why: bool
    waivable: Sequence[int]
    turning: bool
    moving: bool
    times_hidden: bool

    @classmethod
    def of(cls, rules: Sequence[Rule], *, turning: bool = False) -> Outline:
        """Return the outline of rules that are made; *turning*: whether a condition may turn, though no rule says it."""
        counting = [(number, rule) for number, rule in enumerate(rules) if not rule.advisory]
        always: list[int] = []
        filed: Places = {}
        keyed: dict[str, int] = {}
        contested: dict[str, dict[str, int]] = {}
        for number, rule in counting:
            file_rule(number, {key.path: key.constants for key in rule.filed}, always, filed)
            for key in rule.keys:
                keyed.setdefault(key.path, number)
                if key.contested and rule.effect == "permit":
                    contested.setdefault(rule.gate, {}).setdefault(key.path, number)
        return cls(
            heads=rules,
            always=always,
            filed=filed,
            keyed=keyed,
            contested=contested,
            says_why=any(rule.effect == "permit" and rule.because for _, rule in counting),
            waivable=[number for number, rule in counting if rule.waivers],
            turning=turning or any(rule.turns is not None for _, rule in counting),
            moving=any(rule.owes or rule.refers for _, rule in counting),
            times_hidden=any(rule.times_hidden for rule in rules),
        )

    @cached_property
    def counting(self) -> Sequence[int]:
        """The numbers of the rules that are not advisory."""
        return [number for number, head in enumerate(self.heads) if not head.advisory]

    @cached_property
    def on_trial(self) -> Sequence[int]:
        """The numbers of the rules that are advisory."""
        return [number for number, head in enumerate(self.heads) if head.advisory]

    @cached_property
    def bounds(self) -> tuple[int, ...]:
        """The moments at which rules begin or end that are not advisory."""
        dated = [head for head in self.heads if head.is_dated and not head.advisory]
        bounds = (b for head in dated for b in (head.valid_from, head.valid_until))
        return tuple([bound for bound in bounds if bound is not None])

    @cached_property
    def timeless(self) -> bool:
        """Whether no change of the time changes anything."""
        return not (self.bounds or self.waivable or self.turning or self.moving)


def file_rule(
    number: int, asked: Mapping[str, frozenset[object]], always: list[int], filed: Places
) -> None:
    """File a rule that plays a part only where the request has one of some constants at each path."""
    if not asked or prod(map(len, asked.values())) > _MOST_PLACES:
        always.append(number)
        return
    places = filed.setdefault(tuple(asked), {})
    for values in product(*asked.values()):
        places.setdefault(values, []).append(number)


class Rules(Struct, eq=False, weakref=True):
    """The rules of a target, made when they are first looked at; *make* makes those of some numbers."""

    outline: Outline
    make: Callable[[Sequence[int]], Sequence[Rule]]
    _made: dict[int, Rule] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Sequence[Rule], *, turning: bool = False) -> Rules:
        """Return rules that are made; *turning* as in `Outline.of`."""
        return cls(
            Outline.of(rules, turning=turning),
            lambda numbers: [rules[number] for number in numbers],
        )

    def at(self, numbers: Iterable[int]) -> list[Rule]:
        """Return the rules of these numbers."""
        numbers, made = list(numbers), self._made
        new = [number for number in dict.fromkeys(numbers) if number not in made]
        if new:  # two threads may both make a rule; one of them is kept
            for number, rule in zip(new, self.make(new), strict=True):
                made.setdefault(number, rule)
        return [made[number] for number in numbers]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.at(range(len(self.outline.heads))))


class Place(Struct, eq=False):
    """Where rules are filed by values at paths that all ask for: *numbers* of those that ask for no more, and of those always looked at.

    *inner*: the others, by all that they ask for. *kept*: what is kept for requests of this place, by what
    distinguishes them.
    """

    numbers: tuple[int, ...]
    inner: tuple[tuple[_Picked, _NumbersByValues], ...]
    kept: dict[tuple[int, ...], Any] = field(default_factory=dict)


class _Filed(Struct, frozen=True, eq=False):
    """How rules are filed: *keys* of all paths, what reads the values at the *common* ones, and the *numbers* of rules by these.

    *inner*: by the same, those that ask for more, by all their paths; *picking*: what picks the values at these.
    """

    keys: Sequence[Key]
    common: Callable[[tuple[Any, ...]], tuple[object, ...]]
    numbers: _NumbersByValues
    inner: Mapping[tuple[object, ...], Mapping[_Paths, _NumbersByValues]]
    picking: Mapping[_Paths, _Picked]


class Directory(Struct, eq=False, dict=True):
    """The rules of a target that are not advisory, by what they ask for."""

    rules: Rules
    _places: dict[tuple[object, ...], Place] = field(default_factory=dict)

    @cached_property
    def paths(self) -> Mapping[str, Key]:
        """What rules ask for, each with some key that reads it."""
        keyed = self.rules.outline.keyed
        rules = self.rules.at(keyed.values())
        return {path: _key_at(path, rule) for path, rule in zip(keyed, rules, strict=True)}

    def values(self, roots: tuple[Any, ...]) -> dict[str, object]:
        """Return what a request with these *roots* has at each path."""
        return {path: key.value(roots) for path, key in self.paths.items()}

    def found(self, values: Mapping[str, object]) -> list[int]:
        """Return the numbers of the rules that may play a part in a request with those values, in order."""
        outline = self.rules.outline
        numbers = [*outline.always]
        for paths, places in outline.filed.items():
            numbers += places.get(tuple([values[path] for path in paths]), ())
        return sorted(numbers)

    def concerned(self, roots: tuple[Any, ...]) -> tuple[Place, tuple[int, ...]]:
        """Return the place where the rules for a request with these *roots* are filed, and their numbers besides, in some order.

        No more is read of the request than that takes.
        """
        filed = self._filed
        common = filed.common(roots)
        place = self._places.get(common)
        if place is None:
            place = self._place(common)
        if not place.inner:
            return place, ()
        values = values_of(filed.keys, roots)
        numbers: list[int] = []
        for picked, places in place.inner:
            numbers += places.get(picked(values), ())
        return place, tuple(numbers)

    def _place(self, common: tuple[object, ...]) -> Place:
        """Return the place of rules that are filed by the values at common paths, and keep it, unless there are none."""
        filed = self._filed
        numbers, inner = filed.numbers.get(common), filed.inner.get(common)
        if numbers is None and inner is None:
            return self._nowhere
        always = self.rules.outline.always
        found = () if inner is None else tuple(inner.items())
        picked = tuple([(filed.picking[paths], places) for paths, places in found])
        place = Place((*always, *(numbers or ())), picked)
        return self._places.setdefault(common, place)

    def found_by(self, values: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
        """Return, by the ids of the rules that are found by those values, at which paths these are."""
        outline = self.rules.outline
        return {
            outline.heads[number].id: paths
            for paths, places in outline.filed.items()
            for number in places.get(tuple([values[path] for path in paths]), ())
        }

    @cached_property
    def _nowhere(self) -> Place:
        return Place(tuple(self.rules.outline.always), ())

    @cached_property
    def _filed(self) -> _Filed:
        filed = self.rules.outline.filed
        at = {path: number for number, path in enumerate(dict.fromkeys(chain(*filed)))}
        common = tuple([path for path in at if all(path in paths for paths in filed)])
        inner: dict[tuple[object, ...], dict[_Paths, dict[tuple[object, ...], list[int]]]] = {}
        for paths, places in filed.items():
            if paths != common:
                outer = _picking([paths.index(path) for path in common])
                for values, numbers in places.items():
                    of_common = inner.setdefault(outer(values), {})
                    of_common.setdefault(paths, {})[values] = numbers
        return _Filed(
            keys=[self.paths[path] for path in at],
            common=_reading([self.paths[path] for path in common]),
            numbers=filed.get(common, {}),
            inner=inner,
            picking={paths: _picking([at[path] for path in paths]) for paths in filed},
        )

    @cached_property
    def _permits(self) -> Mapping[str, tuple[RuleHead, ...]]:
        """The heads of the permits of each gate."""
        grouped: dict[str, list[RuleHead]] = {}
        for head in self.rules.outline.heads:
            if head.effect == "permit" and not head.advisory:
                grouped.setdefault(head.gate, []).append(head)
        return {gate: tuple(heads) for gate, heads in grouped.items()}

    @cached_property
    def _permit_ids(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the permits of each gate, where all are always in force."""
        return {
            gate: tuple([head.id for head in heads])
            for gate, heads in self._permits.items()
            if not any(head.is_dated for head in heads)
        }

    def permits_at(self, gate: str, now: int) -> tuple[str, ...]:
        """Return the ids of the permits of *gate* that are in force."""
        found = self._permit_ids.get(gate)
        if found is None:
            found = tuple([h.id for h in self._permits.get(gate, ()) if h.in_force(now)])
        return found

    @cached_property
    def contested(self) -> Mapping[str, Sequence[Key]]:
        """Of each gate, the keys by which its permits are for different requests, a path each."""
        return {
            gate: [
                _key_at(path, *self.rules.at([number])) for path, number in sorted(found.items())
            ]
            for gate, found in self.rules.outline.contested.items()
        }


def values_of(keys: Iterable[Key], roots: tuple[Any, ...]) -> list[object]:
    """Return what a request with these *roots* has for each of *keys*."""
    subject, resource, context, now, entities = roots
    try:
        return [key.read(subject, resource, context, now, entities) for key in keys]
    except Exception:  # noqa: BLE001 - then each is looked at by itself
        return [key.value(roots) for key in keys]


def _reading(keys: Sequence[Key]) -> Callable[[tuple[Any, ...]], tuple[object, ...]]:
    """Return what does as `values_of`; of one key, as rules mostly have in common, in less time."""
    if len(keys) != 1:
        return lambda roots: tuple(values_of(keys, roots))
    key, read = keys[0], keys[0].read

    def value(roots: tuple[Any, ...]) -> tuple[object, ...]:
        subject, resource, context, now, entities = roots
        try:
            return (read(subject, resource, context, now, entities),)
        except Exception:  # noqa: BLE001 - then it is found out whether it is absent
            return (key.value(roots),)

    return value


def _picking(places: Sequence[int]) -> _Picked:
    if len(places) > 1:
        return itemgetter(*places)
    if not places:
        return lambda _: ()
    only = places[0]
    return lambda values: (values[only],)


def _key_at(path: str, rule: Rule) -> Key:
    return next(key for key in rule.keys if key.path == path)


def missed(rule: Rule, values: Mapping[str, object]) -> frozenset[str]:
    """Return the paths at which the request has none of the values that *rule* asks for."""
    if not rule.keys:
        return frozenset()
    return frozenset([key.path for key in rule.keys if not _has(key, values[key.path])])


def _has(key: Key, value: object) -> bool:
    try:
        return value in key.constants
    except Exception:  # noqa: BLE001 - what cannot be compared is a bug, and is none of them
        return False
