"""Remember what is known of invariants from one run to the next, in the user's cache.

A proof counts as long as the words of the set, the invariant and the rules that it rests on are the same:
whatever else is changed cannot break it. Of an invariant that is broken or not settled it is remembered
for the same set only. An entry is data, in JSON, validated and bounded; one that does not fit counts as absent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

import msgspec

from policyengine.analysis.invariant_search import SHOWN_FIELDS, Answer
from policyengine.cache.folder import Cache
from policyengine.cache.tool_entries import TOOLS_VERSION, entry_name
from policyengine.proving.proofs import Proof
from policyengine.semantics.checked import CheckedSet
from policyengine.syntax import nodes

_MOST_BYTES = 4_000_000
_Text = Annotated[str, msgspec.Meta(max_length=100_000)]


class _Known(msgspec.Struct, forbid_unknown_fields=True):
    """What is known; *marks*: the digests of what it depends on, by name."""

    answer: Answer
    marks: Annotated[dict[str, _Text], msgspec.Meta(max_length=10_000)]
    request: _Text = ""
    test: _Text | None = None
    tried: int = 0
    why: _Text = ""
    seconds: float = 0.0


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    invariants: Annotated[dict[_Text, _Known], msgspec.Meta(max_length=10_000)]


_decode: Final = msgspec.json.Decoder(_Entry).decode


def recall(
    cache: Cache | None,
    paths: Iterable[str | os.PathLike[str]],
    checked: CheckedSet,
    seconds: float,
) -> dict[str, Proof]:
    """Return what is known of invariants of the set in *paths*.

    What was not settled in fewer *seconds* than there are now is asked again.
    """
    entry = cache.find(entry_name(paths, "promises")) if cache else None
    if entry is None or len(entry.about) > _MOST_BYTES:
        return {}
    try:
        found = _decode(entry.about)
    except msgspec.DecodeError:
        return {}
    if found.version != TOOLS_VERSION:
        return {}
    marks = dict(_marks(checked))
    return {
        name: Proof(
            name, one.answer, tuple(sorted(one.marks.keys() - _ALWAYS - {_invariant(name)})), one.request,
            one.test, one.tried, one.why,
        )
        for name, one in found.invariants.items()
        if all(marks.get(part) == mark for part, mark in one.marks.items())
        if one.answer in ("proved", "broken") or one.seconds >= seconds
    }  # fmt: skip


def remember(
    cache: Cache | None,
    paths: Iterable[str | os.PathLike[str]],
    checked: CheckedSet,
    proofs: Iterable[Proof],
    seconds: float,
) -> None:
    """Keep what is known of the invariants of the set in *paths*, if there is a cache."""
    if not cache:
        return
    marks = dict(_marks(checked))
    known = {}
    for one in proofs:
        parts = [_WORDS, _invariant(one.name), *one.rests_on] if one.answer == "proved" else [_SET]
        on = {part: marks[part] for part in parts}
        known[one.name] = _Known(one.answer, on, one.request, one.test, one.tried, one.why, seconds)
    cache.write(entry_name(paths, "promises"), msgspec.json.encode(_Entry(TOOLS_VERSION, known)))


_WORDS, _SET = "the words", "the set"
_ALWAYS = {_WORDS, _SET}


def _invariant(name: str) -> str:
    return f"invariant {name}"


def _marks(checked: CheckedSet) -> Iterator[tuple[str, str]]:
    """Give a digest of each thing on which proofs may rest, by its name."""
    words: list[str] = []
    for file in checked.files:
        source = checked.sources[file.span.file]
        words += [
            f"package {file.package.name}",
            *(f"import {i.package.name}" for i in file.imports),
        ]
        for declaration in file.declarations:
            match declaration:
                case nodes.InvariantDecl(name):
                    text = source.at(declaration.span)
                    yield _invariant(name.name), _digest([file.span.file, text])
                case nodes.Rule() | nodes.GateBlock() | nodes.WaiverDecl():
                    pass  # rules one by one, below
                case nodes.TestDecl() | nodes.Let():
                    pass  # nothing rests on tests
                case _:
                    words.append(source.at(declaration.span))
    yield _WORDS, _digest(words)
    yield _SET, checked.digest
    gates: dict[str, list[str]] = {}
    showing: list[str] = []
    for rule in checked.rules:
        where = rule.node.span
        text = f"{where.file} {checked.sources[where.file].at(where)}"
        yield rule.id, _digest([rule.gate, text])
        if rule.effect == "permit" and not rule.advisory:
            gates.setdefault(f"gate {rule.gate}", []).append(text)
        if rule.fields is not None:
            showing.append(f"{rule.gate} {text}")
    waived = [checked.sources[one.span.file].at(one.span) for one in checked.waivers]
    for gate in checked.schema.gates:
        yield f"gate {gate}", _digest([*gates.get(f"gate {gate}", ()), *waived])
    yield SHOWN_FIELDS, _digest([*showing, *waived])


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogateescape")).hexdigest()
