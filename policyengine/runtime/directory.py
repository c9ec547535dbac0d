"""Find the rules that a request may concern by the values that it has, and look at no others.

A rule that asks for constants is filed under them. Of those that are not found under the values of a
request it is known, without asking them, that they are not satisfied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.concurrency import cached_property
from policyengine.model.request import Request
from policyengine.runtime.compiled_rule import Key, Rule

Places: TypeAlias = dict[tuple[str, ...], dict[tuple[object, ...], list[int]]]
"""The numbers of rules by the paths at which they ask for values, and by those values."""

_MOST_PLACES: Final = 64
"""Places under which one rule is filed."""


class Directory(Struct, eq=False, dict=True):
    """The rules of a target that are not advisory, by what they ask for."""

    rules: tuple[Rule, ...]

    @cached_property
    def paths(self) -> Mapping[str, Key]:
        """What rules ask for, each with some key that reads it."""
        return {key.path: key for rule in reversed(self.rules) for key in rule.keys}

    def values(self, request: Request) -> dict[str, object]:
        """Return what the request has at each path."""
        return {path: key.value(request) for path, key in self.paths.items()}

    @cached_property
    def _places(self) -> tuple[list[int], Places]:
        """The numbers of rules that are always looked at, and of the others by paths and values."""
        always: list[int] = []
        filed: Places = {}
        for number, rule in enumerate(self.rules):
            keys = {key.path: key for key in rule.filed}
            if not keys or prod(len(key.constants) for key in keys.values()) > _MOST_PLACES:
                always.append(number)
                continue
            places = filed.setdefault(tuple(keys), {})
            for values in product(*(key.constants for key in keys.values())):
                places.setdefault(values, []).append(number)
        return always, filed

    def found(self, values: Mapping[str, object]) -> list[Rule]:
        """Return the rules that may play a part in a request with those values, in order."""
        always, filed = self._places
        numbers = [*always]
        for paths, places in filed.items():
            numbers += places.get(tuple([values[path] for path in paths]), ())
        return [self.rules[number] for number in sorted(numbers)]

    @cached_property
    def permits(self) -> Mapping[str, tuple[Rule, ...]]:
        """The permits of each gate."""
        grouped: dict[str, list[Rule]] = {}
        for rule in self.rules:
            if rule.effect == "permit":
                grouped.setdefault(rule.gate, []).append(rule)
        return {gate: tuple(rules) for gate, rules in grouped.items()}

    @cached_property
    def _permit_ids(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of the permits of each gate, where all are always in force."""
        return {
            gate: tuple([rule.id for rule in rules])
            for gate, rules in self.permits.items()
            if not any(rule.is_dated for rule in rules)
        }

    def permits_at(self, gate: str, now: int) -> tuple[str, ...]:
        """Return the ids of the permits of *gate* that are in force."""
        found = self._permit_ids.get(gate)
        if found is None:
            found = tuple([r.id for r in self.permits.get(gate, ()) if r.in_force(now)])
        return found

    @cached_property
    def contested(self) -> Mapping[str, Sequence[Key]]:
        """Of each gate, the keys by which its permits are for different requests, a path each."""
        return {gate: _contested(permits) for gate, permits in self.permits.items()}


def _contested(permits: Iterable[Rule]) -> Sequence[Key]:
    first: dict[str, Key] = {}
    for rule in permits:
        for key in rule.keys:
            if key.contested:
                first.setdefault(key.path, key)
    return [key for _, key in sorted(first.items())]


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
