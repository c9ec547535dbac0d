"""Keep the compiled form of a policy set, so that loading it again is reading.

The entry of a set has its schema in the header, and in its pieces the simplified rules of each target,
from which everything else is made when it is needed. A target of many rules has a piece of its own, and
another with its generated decision function and tables, since generating them takes long. So a load
reads the header, and the first request for a target one piece; neither needs the parser or the checker.

A piece that cannot be read any more when it is needed is compiled from the sources, which are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from policyengine.cache.codec import KnownTypes, UnknownTypeError, decode, encode
from policyengine.cache.folder import Cache, Entry
from policyengine.cache.versions import versions
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import Schema
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.program import Program, TargetKey

if TYPE_CHECKING:
    from policyengine.compiler.lowered import Rule
    from policyengine.compiler.target_compiler import TargetCompiler
    from policyengine.runtime.compiled_target import Compiled
    from policyengine.semantics.checked import CheckedSet

_Place: TypeAlias = tuple[int, int | None]
"""The pieces with the rules of a target, and with the module that decides, if it is kept."""

MANY: Final = 100
"""The number of rules of a target for which the generated module is kept."""

_TOGETHER: Final = 1_000
"""The number of rules, of several targets, that are kept in one piece."""

_NO_LONGER: Final = "a part of it cannot be read any more, and is compiled again"


KeptSet: TypeAlias = tuple[Program, frozenset[str]]
"""A set's program, and the names of the obligations that its rules may owe."""


def name_of(sources: Iterable[Source], limits: Limits) -> str:
    """Return the name of the entry for a set, by the contents and the names of its files."""
    files = sorted((source.name, source.hash) for source in sources)
    key = msgspec.msgpack.encode((versions(), limits, files))
    return f"{sha256(key).hexdigest()}.set"


# ---- writing ----------------------------------------------------------------------------


def keep(cache: Cache, name: str, checked: CheckedSet) -> bool:
    """Lower the rules of every target and write them; return whether that could be done."""
    try:
        about, pieces = _taken_apart(checked)
    except UnknownTypeError as kind:  # a bug of ours, which costs no more than time
        cache.warn(f"nothing is known of `{kind}`")
        return False
    return cache.write(name, about, pieces)


def _taken_apart(checked: CheckedSet) -> tuple[bytes, list[bytes]]:
    """Return the header of a set, and its pieces."""
    from policyengine.compiler.link import Lowering
    from policyengine.compiler.target_compiler import deciding

    lowering = Lowering(checked)
    pieces: list[bytes] = []
    places: dict[TargetKey, _Place] = {}
    together: dict[TargetKey, tuple[Rule, ...]] = {}

    def write() -> None:
        places.update(dict.fromkeys(together, (len(pieces), None)))
        pieces.append(encode(together, _compiler_types()))
        together.clear()

    for target in sorted(checked.by_target):
        rules = lowering.rules(target)
        if len(rules) < MANY:
            together[target] = rules
            if sum(map(len, together.values())) >= _TOGETHER:
                write()
            continue
        made, reached = deciding(rules, checked.schema)
        places[target] = len(pieces), len(pieces) + 1
        module = made.tree, dict(made.objects), made.giving, (reached.timed, reached.looks_up)
        pieces += encode({target: rules}, _compiler_types()), encode(module)
    if together:
        write()
    needs = {target: checked.needs(target) for target in places}
    about = checked.digest, checked.schema, checked.owed, places, needs
    return encode(about), pieces


@cache
def _compiler_types() -> KnownTypes:
    """Return the types of which lowered rules consist."""
    from typing import get_args

    from policyengine.compiler import ir, lowered

    types_ = lowered.Rule, lowered.Text, lowered.Part, lowered.Duty
    return {f"rule {class_.__name__}": class_ for class_ in (*get_args(ir.Expr), ir.Table, *types_)}


# ---- reading ----------------------------------------------------------------------------


def find(cache: Cache, name: str, check: Callable[[], CheckedSet]) -> KeptSet | None:
    """Return the set that was kept under *name*, if it was.

    *check* makes the checked set of its sources, for pieces that cannot be read any more.
    """
    entry = cache.find(name)
    if entry is None:
        return None
    try:
        digest, schema, owed, places, needs = decode(entry.about)
    except Exception:  # noqa: BLE001 - we wrote it, and cannot read it: a bug of ours costs time only
        cache.warn(f"`{name}` is not as it should be")
        return None
    kept = _Kept(cache, entry, digest, schema, places, check)
    nothing = RequestNeeds()
    return Program(digest, schema, lambda target: needs.get(target, nothing), kept.compiled), owed


class _Kept(Struct, eq=False):
    """Makes the targets of a kept set, each when it is first needed."""

    cache: Cache
    entry: Entry
    digest: str
    schema: Schema
    places: dict[TargetKey, _Place]
    check: Callable[[], CheckedSet]
    _last: tuple[int, dict[TargetKey, tuple[Rule, ...]]] = (-1, {})

    def compiled(self, target: TargetKey) -> Compiled:
        """Return the compiled rules of *target*."""
        _, module = self.places.get(target, (None, None))
        if module is not None:
            try:
                with gc_paused():
                    return self._load(target, *decode(self.entry.piece(module)))
            except Exception:  # noqa: BLE001 - whatever became of the entry, the rules are there
                self.cache.warn(_NO_LONGER)
        return self._origin(target).compiled()

    def _load(
        self,
        target: TargetKey,
        tree: Any,
        objects: dict[str, object],
        giving: tuple[str, ...],
        reach: tuple[bool, bool],
    ) -> Compiled:
        """Load what was generated for *target*; *reach*: whether it is timed and looks anything up."""
        from policyengine.runtime.compiled_target import Compiled  # with the first request
        from policyengine.runtime.generated import classes_of, file_name, run, show

        timed, looks_up = reach
        file = file_name(self.digest, target)
        linked = Compiled(
            digest=self.digest,
            target=target,
            classes=classes_of(self.schema, target),
            timed=timed,
            looks_up=looks_up,
            gates=tuple(self.schema.field_gates.items()),
            giving=giving,
            module=run(tree, objects, file),
            load=lambda: self._origin(target).load(),
            split=lambda whole: self._origin(target).split(whole),
            source=lambda: self._origin(target).text(),
        )
        show(linked, file, lambda: self._origin(target).texts())
        return linked

    def _origin(self, target: TargetKey) -> TargetCompiler:
        from policyengine.compiler.target_compiler import (
            TargetCompiler,  # most of the work needs no compiler
        )

        return TargetCompiler(self.digest, self.schema, target, lambda **_: self._rules(target))

    def _rules(self, target: TargetKey) -> tuple[Rule, ...]:
        """Return the simplified rules of *target*."""
        if target not in self.places:
            return ()
        number, _ = self.places[target]
        last, found = self._last
        if number == last:
            return found[target]
        try:
            with gc_paused():
                found = decode(self.entry.piece(number), _compiler_types())
                rules: tuple[Rule, ...] = found[target]
        except Exception:  # noqa: BLE001 - whatever became of the entry, the sources are there
            from policyengine.compiler.link import simplified

            self.cache.warn(_NO_LONGER)
            return simplified(self.check(), target)
        self._last = number, found
        return rules
