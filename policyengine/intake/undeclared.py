"""Drop members of requests that no policy declares, unless a rule could have been meant by one.

What is misspelt would count as absent, and a rule that asks for it would be silent. So a member is dropped only if
nothing that the rules read, that may be absent and is, has a name like it: one that is equal but for case,
separators and a prefix `is` or `has`, or but for two letters. So has what an object holds that is dropped. A
synonym cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

from policyengine.intake.foreign import plain
from policyengine.model.needs import RequestNeeds, read_of_each
from policyengine.model.request_messages import Path, path_text
from policyengine.model.types import EntityType, RecordType, Schema, TargetKey

Owner: TypeAlias = EntityType | RecordType
Reads: TypeAlias = Mapping[Owner, Collection[str]]
"""The names of the attributes that rules read, by what has them."""

_PREFIXES: Final = ("is", "has")
_EDITS: Final = 2
_LAST: Final = re.compile("[./:#]([^./:#]+)$")
"""The last part of a name that says where it belongs: `profile.blocked`, `https://claims.example/blocked`."""
_LONGEST: Final = 200
"""The most characters of a name that is compared; of a longer one, anything may be meant."""
_ANYTHING: Final = "x" * (_LONGEST + 1)
_MOST_INSIDE: Final = 100
"""Names in an object that is dropped which are compared."""
_MOST_LISTED: Final = 100
_MOST_PAIRS: Final = 5_000
"""Pairs of names that are compared for one request; of further ones, anything may be meant."""


class Undeclared(Struct):
    """The undeclared members of one request, or of what is built; *reads* says what rules read, all if it is None.

    *dropped*: the places of those that were dropped, the first of them.
    """

    reads: Callable[[], Reads] | None = None
    dropped: list[Path] = field(default_factory=list)
    _found: dict[tuple[str, str], bool] = field(default_factory=dict)
    outer: tuple[Owner, Mapping[object, object]] | None = None
    """What has the record that is read, and what is given of it."""
    _absent: tuple[Owner, Mapping[object, object], list[tuple[str, str]]] | None = None
    _above: tuple[object, list[str]] | None = None

    def enter(
        self, owner: Owner, given: Mapping[object, object]
    ) -> tuple[Owner, Mapping[object, object]] | None:
        """Note what is read next in what *owner* has; return what was noted before."""
        before, self.outer = self.outer, (owner, given)
        return before

    def lacking_above(self) -> Sequence[str]:
        """Return what rules read of what has the record that is read, that may be absent and is: `suspended` inside `profile`."""
        if self.outer is None:
            return ()
        if self._above is None or self._above[0] is not self.outer:
            owner, given = self.outer
            reads = None if self.reads is None else self.reads()
            names = [a.name for a in owner.attributes if a.optional and a.name not in given]
            self._above = self.outer, _read_of(names, owner, reads)
        return self._above[1]

    def meant(
        self, name: str, value: object, owner: Owner, given: Mapping[object, object], others: Sequence[str],
    ) -> str | None:  # fmt: skip
        """Return what may be meant by *name*, or by a name in its *value*.

        That is an attribute of *owner* that is not *given*, or one of *others*.
        """
        absent = self._absent_of(owner, given)
        for said in (*_names_for(name, owner), *_names_in(value)) if absent or others else ():
            for compared, meant in (*absent, *((one, one) for one in others)):
                if self._near(said, compared):
                    return meant
        return None

    def _absent_of(self, owner: Owner, given: Mapping[object, object]) -> list[tuple[str, str]]:
        """Return what rules read of *owner* that is not *given* and may be absent, each by a name that it may be given by.

        That is also a part of a record, that is absent or given without it: `blocked` beside `profile`, where it
        belongs, and `profile_blocked`.
        """
        if self._absent is None or not (self._absent[0] is owner and self._absent[1] is given):
            reads = None if self.reads is None else self.reads()
            found = []
            for one in owner.attributes:
                is_given = one.name in given
                if one.optional and not is_given:
                    found += [(name, name) for name in _read_of([one.name], owner, reads)]
                if isinstance(one.type, RecordType):
                    parts = _parts_not_in(given[one.name] if is_given else None, one.type)
                    for part in _read_of(parts, one.type, reads):
                        meant = f"{one.name}.{part}"
                        found += [(part, meant), (one.name + part, meant)]
            self._absent = owner, given, found
        return self._absent[2]

    def drop(self, path: Path) -> None:
        """Note a member that is dropped."""
        if len(self.dropped) < _MOST_LISTED:
            self.dropped.append(path)

    def names(self) -> tuple[str, ...]:
        """Return the places of what was dropped, each once."""
        return tuple(dict.fromkeys(map(path_text, self.dropped)))

    def log(self) -> None:
        """Say in the log what was dropped of what was built, which no decision lists."""
        if self.dropped:
            from logging import getLogger  # which most runs never need

            getLogger("policyengine.undeclared").info("ignored: %s", ", ".join(self.names()))

    def _near(self, name: str, other: str) -> bool:
        found = self._found.get((name, other))
        if found is None:
            if len(self._found) == _MOST_PAIRS:
                return True
            found = self._found[name, other] = are_near(name, other)
        return found


def _read_of(names: Iterable[str], owner: Owner, reads: Reads | None) -> list[str]:
    """Return those of *names* that rules read of *owner*."""
    read = owner.by_name if reads is None else reads.get(owner, ())
    return [name for name in names if name in read]


def _parts_not_in(given: object, type_: RecordType) -> list[str]:
    """Return the parts of a record that may be absent and are: all, if the record is; none, if it is no object."""
    if given is None:
        return [*type_.by_name]
    held = plain(given)
    if type(held) is not dict:
        return []
    return [one.name for one in type_.attributes if one.optional and one.name not in held]


def _names_for(name: str, owner: Owner) -> tuple[str, ...]:
    """Return a name, and what it says beside the name of the type that it belongs to: `user_suspended` of a User."""
    if isinstance(owner, EntityType) and len(name) > len(owner.name):
        front, rest = name[: len(owner.name)], name[len(owner.name) :]
        if front.casefold() == owner.name.casefold():
            return name, rest
    return (name,)


def _names_in(value: object) -> list[str]:
    """Return the names in an object, or in objects of a list: the first, and one by which anything may be meant if there are more."""
    if isinstance(value, list | tuple):
        if len(value) > _MOST_INSIDE:
            return [_ANYTHING] if any(isinstance(plain(one), dict) for one in value) else []
        names = [name for one in value for name in _names_in_object(plain(one))]
    else:
        names = _names_in_object(value)
    return names if len(names) <= _MOST_INSIDE else [*names[:_MOST_INSIDE], _ANYTHING]


def _names_in_object(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, dict) else []


def are_near(one: str, other: str) -> bool:
    """Whether one of two names may be a slip for the other."""
    if len(one) > _LONGEST:
        return True
    return any(_within_edits(a, b, _EDITS) for a in _spellings(one) for b in _spellings(other))


def _spellings(name: str) -> Iterator[str]:
    """Give a name without case and separators, without a prefix, and as one of many."""
    if not name.isascii():
        from unicodedata import normalize  # which most names do not need

        name = normalize("NFKC", name)
    folded = "".join(filter(str.isalnum, name.casefold()))
    yield folded
    if (last := _LAST.search(name)) is not None:
        yield from _spellings(last[1])
    yield from (folded.removeprefix(one) for one in _PREFIXES if folded.startswith(one))
    if folded.endswith("ies"):
        yield folded.removesuffix("ies") + "y"  # three letters away


def _within_edits(one: str, other: str, most: int) -> bool:
    """Whether at most so many letters put in, left out or replaced make the same of two words."""
    if abs(len(one) - len(other)) > most:
        return False
    same = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    one, other = one[same:], other[same:]
    if not one or not other:
        return True  # as many as one is longer by
    return most > 0 and (
        _within_edits(one[1:], other[1:], most - 1)
        or _within_edits(one[1:], other, most - 1)
        or _within_edits(one, other[1:], most - 1)
    )


def read_of(schema: Schema, target: TargetKey, needs: RequestNeeds) -> Reads:
    """Return the attributes that the rules for *target*, which need *needs*, read of anything of a type."""
    found: dict[Owner, set[str]] = {}
    for type_, part in read_of_each(schema, target, needs):
        found.setdefault(type_, set()).update(part.attributes)
    return found
