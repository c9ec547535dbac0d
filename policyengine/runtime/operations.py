"""Do what generated code cannot say in a line of Python. `EXPORTED` is all that it may name.

Every operation is total on canonical values of its types, and takes time in proportion to them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

from policyengine.model.path_syntax import segments_of
from policyengine.model.valid_request import together
from policyengine.model.values import ABSENT, Ip
from policyengine.runtime.calendar_operations import add_months, watch_schedule, within_schedule

Key: TypeAlias = tuple[str, str]
"""(type, id) of an entity."""

Table: TypeAlias = Mapping[str, AbstractSet[str]]
"""Of each term of a taxonomy, the terms above it or below it, itself included."""


def like(text: str, pieces: tuple[str, ...]) -> bool:
    """Whether *text* is the *pieces* of a glob with anything between them; in linear time."""
    first, *rest = pieces
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in middle:  # taking each as early as it comes leaves most for the rest
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(last) >= at and text.endswith(last)


def lower(text: str) -> str:
    """Return *text* with `a` to `z` in place of `A` to `Z`, and nothing else changed."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


_LOWER: Final = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def path_like(path: str, pattern: tuple[str, ...]) -> bool:
    """Whether *path* is a pattern of these segments: `*` is any text in one, `**` any number of them.

    Takes no longer than each of its segments beside each of the pattern's.
    """
    segments = segments_of(path)
    if "**" not in pattern:
        return _are_like(segments, pattern)
    first, *middle, last = _runs(pattern)
    at, end = len(first), len(segments) - len(last)
    if at > end or not (_are_like(segments[:at], first) and _are_like(segments[end:], last)):
        return False
    for run in middle:  # taking each as early as it comes leaves most for the rest
        while not _are_like(segments[at : min(at + len(run), end)], run):
            at += 1
            if at + len(run) > end:
                return False
        at += len(run)
    return True


def _runs(pattern: Sequence[str]) -> list[list[str]]:
    """Cut *pattern* at each `**`."""
    runs: list[list[str]] = [[]]
    for part in pattern:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(part)
    return runs


def _are_like(segments: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether these segments are these parts of a pattern, one by one."""
    if len(segments) != len(parts):
        return False
    for segment, part in zip(segments, parts, strict=True):
        if not (part == segment or ("*" in part and like(segment, tuple(part.split("*"))))):
            return False
    return True


def present(value: Any) -> Any:
    """Return an optional attribute that a guard has found present; raise if it did not."""
    if value is ABSENT:
        raise LookupError
    return value


class Once:
    """A value that is computed when it is first asked for, and then kept."""

    __slots__ = ("_compute", "_value")

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute: Callable[[], Any] | None = compute

    def __call__(self) -> Any:
        if self._compute is not None:
            self._value = self._compute()
            self._compute = None
        return self._value


def step(value: int, steps: tuple[Sequence[float], Sequence[float]]) -> float:
    """Return the bound that holds at *value*: the ends of ranges, in order, and bounds between."""
    ends, bounds = steps
    return bounds[bisect_right(ends, value)]


def some_holds(
    found: Iterable[tuple[Any, ...]],
    tests: Sequence[Callable[..., Any]],
    subject: Any,
    resource: Any,
    context: Any,
    now: int,
    entities: Mapping[Key, Any] | None,
) -> bool:
    """Whether one of the rules *found* holds: each the number of its test, and what that takes."""
    for row in found:  # noqa: SIM110 - twice as quick as `any`
        if tests[row[0]](row, subject, resource, context, now, entities):
            return True
    return False


def marks_of(
    found: Iterable[tuple[Any, ...]],
    tests: Sequence[Callable[..., Any]],
    subject: Any,
    resource: Any,
    context: Any,
    now: int,
    entities: Mapping[Key, Any] | None,
) -> int:
    """Return the marks of the rules *found* that hold: as for `some_holds`, with a mark before the rest."""
    marks = 0
    for row in found:
        if tests[row[0]](row, subject, resource, context, now, entities):
            marks |= row[1]
    return marks


# ---- within, touches --------------------------------------------------------------------


def terms_within(terms: AbstractSet[str], around: AbstractSet[str], above: Table) -> bool:
    """Whether there are *terms*, and each lies within one of *around*."""
    for term in terms:
        if above[term].isdisjoint(around):
            return False
    return bool(terms)


def touches(terms: AbstractSet[str], others: AbstractSet[str], above: Table, below: Table) -> bool:
    """Whether one of *terms* lies within one of *others*, or has one below it."""
    for term in terms:
        if not (above[term].isdisjoint(others) and below[term].isdisjoint(others)):
            return True
    return False


def ancestors(line: AbstractSet[Key], type_: str) -> frozenset[str]:
    """Return the ids of the entities of that type that are on *line*."""
    return frozenset([id_ for of, id_ in line if of == type_])


def lies_in_one(line: AbstractSet[Key], type_: str, ids: Iterable[str]) -> bool:
    """Whether one of the entities *ids* of that type is on *line*."""
    for id_ in ids:  # noqa: SIM110 - twice as quick as `any` with a generator
        if (type_, id_) in line:
            return True
    return False


def entity_within(
    inner: str, one: str, outer: str, ids: Iterable[str], entities: Mapping[Key, Any]
) -> bool:
    """Whether *one* of type *inner* lies within one of the entities *ids* of type *outer*."""
    return any((outer, id_) in entities[inner, one].line for id_ in ids)


def entities_within(
    inner: str,
    those: AbstractSet[str],
    outer: str,
    ids: AbstractSet[str],
    entities: Mapping[Key, Any],
) -> bool:
    """Whether there are *those*, and each lies within one of the entities *ids*."""
    for one in those:
        if not entity_within(inner, one, outer, ids, entities):
            return False
    return bool(those)


def ip_within(one: Ip, around: Iterable[Ip]) -> bool:
    """Whether an address or network lies within one of *around*."""
    version, first, last = one
    for of, low, high in around:  # noqa: SIM110 - as above
        if of == version and low <= first and last <= high:
            return True
    return False


def ips_within(those: AbstractSet[Ip], around: AbstractSet[Ip]) -> bool:
    """Whether there are *those*, and each lies within one of *around*."""
    for one in those:
        if not ip_within(one, around):
            return False
    return bool(those)


def prefixes(path: str) -> frozenset[str]:
    """Return the paths that *path* is within: itself, and all above it."""
    found = ["/", path]
    end = path.rfind("/")
    while end > 0:
        found.append(path[:end])
        end = path.rfind("/", 0, end)
    return frozenset(found)


def paths_within(those: AbstractSet[str], around: AbstractSet[str]) -> bool:
    """Whether there are *those*, and each is within one of *around*."""
    for one in those:
        if around.isdisjoint(prefixes(one)):
            return False
    return bool(those)


# ---- watching the time ------------------------------------------------------------------


def watch(left: int, right: int, slope: int | None, op: str, now: int, turns: list[int]) -> int:
    """Return `left - right`, noting in *turns* the moment when `left op right` changes.

    *slope*: by how much it grows each microsecond; None if that is not known, so that it may
    change at once.
    """
    distance = left - right
    if slope is None:
        turns.append(now + 1)
        return distance
    rising, fast = (distance, slope) if slope > 0 else (-distance, -slope)
    if op in ("==", "!="):
        if rising == 0:
            turns.append(now + 1)
        elif rising < 0 and rising % fast == 0:
            turns.append(now - rising // fast)
    else:
        over = int((op in ("<=", ">")) == (slope > 0))  # equality is on one side or the other
        if rising < over:
            turns.append(now - (rising - over) // fast)
    return distance


def kept(now: int, turns: list[int]) -> bool:
    """Note that a value which moves with the time is not compared: it is another one at once."""
    turns.append(now + 1)
    return False


EMPTY: Final[frozenset[Any]] = frozenset()

ANSWERING: Final = (
    "Decision", "forbidden", "not_permitted", "permitted", "answers", "allow",
    "Subject", "Resource", "Context", "type", "tuple", "clock",
)  # fmt: skip
"""What else `decide` may name: what it answers with and asks first (`runtime.compiled_target`)."""

EXPORTED: Final[Mapping[str, Any]] = {
    "ABSENT": ABSENT,
    "EMPTY": EMPTY,
    "once": Once,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
} | {
    operation.__name__: operation
    for operation in (
        present, together, like, lower, path_like, prefixes, paths_within, bisect_right, step, some_holds, marks_of, terms_within, touches, lies_in_one, ancestors, entity_within, entities_within,
        ip_within, ips_within, watch, kept, frozenset, len, any, all,
        within_schedule, watch_schedule, add_months,
    )
}  # fmt: skip
