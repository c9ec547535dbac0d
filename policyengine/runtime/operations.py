"""Do what generated code cannot say in a line of Python. `EXPORTED` is all that it may name.

Every operation is total on canonical values of its types, and takes time in proportion to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from policyengine.model.values import Ip

Line: TypeAlias = frozenset[tuple[str, str]]


def overlaps(one: AbstractSet[Any], other: AbstractSet[Any]) -> bool:
    """Whether two sets have an element in common."""
    return not one.isdisjoint(other)


def like(text: str, pieces: tuple[str, ...]) -> bool:
    """Whether *text* is the *pieces* of a glob with anything between them; in linear time."""
    first, *rest = pieces
    if not rest:
        return text == first
    last = rest.pop()
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in rest:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def terms_below(terms: AbstractSet[str], covered: AbstractSet[str]) -> bool:
    """Whether there are *terms*, and all are *covered*."""
    return bool(terms) and terms <= covered


def term_within(term: str, around: AbstractSet[str], above: Mapping[str, AbstractSet[str]]) -> bool:
    """Whether *term* is one of *around*, or lies below one."""
    return not above[term].isdisjoint(around)


def terms_within(
    terms: AbstractSet[str], around: AbstractSet[str], above: Mapping[str, AbstractSet[str]]
) -> bool:
    """Whether there are *terms*, and each lies within one of *around*."""
    return bool(terms) and all(not above[term].isdisjoint(around) for term in terms)


def touches(
    terms: AbstractSet[str], others: AbstractSet[str], above: Mapping[str, AbstractSet[str]]
) -> bool:
    """Whether one of *terms* lies within one of *others*, or has one below it."""
    return any(not above[term].isdisjoint(others) for term in terms) or any(
        not above[other].isdisjoint(terms) for other in others
    )


def entity_within(line: Line, type_: str, ids: Iterable[str]) -> bool:
    """Whether one of the entities *ids* of that type is on *line*."""
    return any((type_, id_) in line for id_ in ids)


def entities_within(
    inner: str,
    those: AbstractSet[str],
    outer: str,
    ids: AbstractSet[str],
    entities: Mapping[tuple[str, str], Any],
) -> bool:
    """Whether there are *those*, and each lies within one of the entities *ids*."""
    return bool(those) and all(
        entity_within(entities[inner, one].line, outer, ids) for one in those
    )


def ip_within(one: Ip, around: Iterable[Ip]) -> bool:
    """Whether an address or network lies within one of *around*."""
    return any(
        one.version == other.version and other.first <= one.first and one.last <= other.last
        for other in around
    )


def ips_within(those: AbstractSet[Ip], around: AbstractSet[Ip]) -> bool:
    """Whether there are *those*, and each lies within one of *around*."""
    return bool(those) and all(ip_within(one, around) for one in those)


def turn(now: int, left: int, right: int, slope: int | None, turns: list[int]) -> None:
    """Note when a comparison of *left* with *right* may turn, *slope* being that of left - right.

    A slope of None is an unknown one: the comparison may turn at once.
    """
    if slope == 0:
        return
    difference = left - right
    if slope is None or difference == 0:
        turns.append(now + 1)
        return
    ahead = -difference if slope > 0 else difference
    if ahead > 0:
        turns.append(now + max(1, -(-ahead // abs(slope))))


FORBIDDEN, NOT_PERMITTED = "forbidden", "not_permitted"
"""What `decide` answers on a deny."""

EXPORTED: Mapping[str, Any] = {
    "FORBIDDEN": FORBIDDEN,
    "NOT_PERMITTED": NOT_PERMITTED,
} | {
    operation.__name__: operation
    for operation in (
        overlaps, like, terms_below, term_within, terms_within, touches, entity_within,
        entities_within, ip_within, ips_within, turn, frozenset, len, any, all,
    )
}  # fmt: skip
