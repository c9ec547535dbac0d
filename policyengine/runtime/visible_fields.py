"""Put together how fields are shown: as the rule of a gate does that shows most, and as the gate does that shows least."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policyengine.model.masks import Shown, detail, field_and_mask
from policyengine.runtime.compiled_rule import Rule


def shown_by(rules: Sequence[Rule], field_gates: Iterable[str] | None) -> Shown | None:
    """Return how the fields are shown that each of *field_gates* gives by satisfied *rules*.

    Of a gate counts the rule that shows most, and of the gates the one that shows least; nothing is shown
    if none applies. None where the set has no field gate.
    """
    if field_gates is None:
        return None
    gates = [_most_shown(rule for rule in rules if rule.gate == gate) for gate in field_gates]
    if not gates:
        return {}
    names = set(gates[0]).intersection(*gates[1:])
    return {name: min((gate[name] for gate in gates), key=detail) for name in names}


def _most_shown(rules: Iterable[Rule]) -> Shown:
    shown: dict[str, str | None] = {}
    for spelling in frozenset[str]().union(*(rule.fields or () for rule in rules)):
        name, mask = field_and_mask(spelling)
        shown[name] = max(mask, shown.get(name, mask), key=detail)
    return shown


def as_asked(shown: Shown, asked: Iterable[str]) -> Shown:
    """Return how fields are shown where some were asked for, all of which are given: in no more detail."""
    return {**shown, **dict(map(field_and_mask, asked))}


def exposed_of(shown: Shown | None) -> frozenset[str] | None:
    """Return the fields that are shown themselves; None without a field gate."""
    return None if shown is None else frozenset([n for n, mask in shown.items() if mask is None])


def masks_in(shown: Shown | None) -> tuple[tuple[str, str], ...]:
    """Return the fields that are shown in part, and how, sorted."""
    return tuple(sorted([(n, mask) for n, mask in (shown or {}).items() if mask is not None]))
