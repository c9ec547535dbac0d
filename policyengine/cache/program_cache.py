"""Keep the compiled form of a policy set, so that loading it again is reading.

The entry of a set has its schema and what requests must give: all that a load reads, and all that the
first load writes. The compiled form of a target is kept when it is made, in entries of its own: of many
rules the generated decision function and its tables, since generating them takes long; and the
simplified rules, from which everything else is made when it is needed. A load reads one entry, and the
first request for a target one or two; neither needs the parser or the checker.

What is not kept, or cannot be read any more, is compiled from the sources, and then kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from policyengine.cache.codec import KnownTypes, UnknownTypeError, decode, encode
from policyengine.cache.folder import Cache
from policyengine.cache.versions import versions
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import Schema, TargetKey
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.program import Program

if TYPE_CHECKING:
    from policyengine.compiler.lowered import Rule
    from policyengine.compiler.target_compiler import TargetCompiler
    from policyengine.runtime.compiled_target import CompiledTarget
    from policyengine.semantics.checked import CheckedSet

MANY: Final = 100
"""The number of rules of a target for which the generated module is kept."""

_Module: TypeAlias = tuple[Any, dict[str, object], tuple[str, ...], tuple[bool, bool, bool, bool]]
"""What decides: the tree, what it names, the rules that give something, whether it is timed, and looks up."""

KeptSet: TypeAlias = tuple[Program, frozenset[str]]
"""A set's program, and the names of the obligations that its rules may owe."""


def name_of(sources: Iterable[Source], limits: Limits) -> str:
    """Return the name of the entry for a set, by the contents and the names of its files."""
    files = sorted((source.name, source.hash) for source in sources)
    key = msgspec.msgpack.encode((versions(), limits, files))
    return f"{sha256(key).hexdigest()}.set"


# ---- writing ----------------------------------------------------------------------------


def keep(cache: Cache, name: str, checked: CheckedSet) -> bool:
    """Write the entry of a set; return whether that could be done."""
    needs = {target: checked.needs(target) for target in checked.by_target}
    about = _encoded(cache, (checked.digest, checked.schema, checked.owed, needs))
    written = about is not None and cache.write(name, about)
    if written:
        cache.tidy()
    return written


def _encoded(cache: Cache, value: object, kinds: KnownTypes | None = None) -> bytes | None:
    try:
        return encode(value, kinds)
    except UnknownTypeError as kind:  # a bug of ours, which costs no more than time
        cache.warn(f"nothing is known of `{kind}`")
        return None


@cache
def _compiler_types() -> KnownTypes:
    """Return the types of which lowered rules consist."""
    from typing import get_args

    from policyengine.compiler import ir, lowered
    from policyengine.model.rules import RuleWaiver, WaivedEntity

    types_: tuple[type, ...] = (
        lowered.Rule,
        lowered.Text,
        lowered.Part,
        lowered.Duty,
        lowered.Sentence,
        lowered.Key,
    )
    types_ += RuleWaiver, WaivedEntity
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
        digest, schema, owed, needs = decode(entry.about)
    except Exception:  # noqa: BLE001 - we wrote it, and cannot read it: a bug of ours costs time only
        cache.warn(f"`{name}` is not as it should be")
        return None
    kept = _Kept(cache, name, digest, schema, frozenset(needs), check)
    nothing = RequestNeeds()
    return Program(digest, schema, lambda target: needs.get(target, nothing), kept.compiled), owed


class _Kept(Struct, eq=False):
    """Makes the targets of a kept set, each when it is first asked about; *targets*: those with rules."""

    cache: Cache
    name: str
    digest: str
    schema: Schema
    targets: frozenset[TargetKey]
    check: Callable[[], CheckedSet]
    _last: tuple[TargetKey, tuple[Rule, ...]] | None = None

    def compiled(self, target: TargetKey) -> CompiledTarget:
        """Return the compiled rules of *target*."""
        with gc_paused():
            module: _Module | None = self._find("module", target)
            if module is not None:
                return self._load(target, *module)
            rules = self._rules(target, for_details=False)
            if len(rules) < MANY:
                return self._origin(target).compiled()
            from policyengine.compiler.target_compiler import decision_module

            made, reached = decision_module(target, rules, self.schema.gates_of(target))
            reach = reached.timed, reached.follows, reached.lined, reached.owing
            module = made.tree, dict(made.objects), made.giving, reach
            self._keep("module", target, module)
            return self._load(target, *module)

    def _load(
        self,
        target: TargetKey,
        tree: Any,
        objects: dict[str, object],
        giving: tuple[str, ...],
        reach: tuple[bool, bool, bool, bool],
    ) -> CompiledTarget:
        """Load what was generated for *target*; *reach*: whether it is timed, follows, is lined and owing (`CompiledTarget`)."""
        from policyengine.runtime.compiled_target import CompiledTarget  # with the first request
        from policyengine.runtime.generated import classes_of, file_name, run, show_all

        timed, follows, lined, owing = reach
        file = file_name(self.digest, target)
        linked = CompiledTarget(
            digest=self.digest,
            target=target,
            classes=classes_of(self.schema, target),
            timed=timed,
            follows=follows,
            lined=lined,
            owing=owing,
            gates=self.schema.gates_of(target),
            giving=giving,
            module=run(tree, objects, file),
            load=lambda: self._origin(target).load(),
            make_specializer=lambda whole: self._origin(target).specializer(whole),
            source=lambda: self._origin(target).text(),
        )
        show_all(linked, file, lambda: self._origin(target).texts())
        return linked

    def _origin(self, target: TargetKey) -> TargetCompiler:
        from policyengine.compiler.target_compiler import (
            TargetCompiler,  # most of the work needs no compiler
        )

        rules = partial(self._rules, target)
        return TargetCompiler(self.digest, self.schema, target, rules)

    def _rules(self, target: TargetKey, *, for_details: bool = True) -> tuple[Rule, ...]:
        """Return the simplified rules of *target*; *for_details* as in `lower`."""
        if target not in self.targets:
            return ()
        if self._last is not None and self._last[0] == target:
            return self._last[1]
        kinds = _compiler_types()
        found: tuple[Rule, ...] | None = self._find("rules", target, kinds)
        if found is None:
            from policyengine.compiler.link import simplified

            checked = self.check()
            if not for_details and len(checked.rules_for(target)) >= MANY:
                return simplified(checked, target, for_details=False)  # what comes of them is kept
            found = simplified(checked, target)
            self._keep("rules", target, found, kinds)
        self._last = target, found
        return found

    # ---- entries of targets -------------------------------------------------------------

    def _part(self, what: str, target: TargetKey) -> str:
        key = msgspec.msgpack.encode((self.name, what, target))
        return f"{sha256(key).hexdigest()}.{what}"

    def _find(self, what: str, target: TargetKey, kinds: KnownTypes | None = None) -> Any:
        entry = self.cache.find(self._part(what, target))
        if entry is None:
            return None
        try:
            return decode(entry.piece(0), kinds)
        except Exception:  # noqa: BLE001 - whatever became of the entry, the sources are there
            self.cache.warn("a part of it cannot be read any more, and is compiled again")
            return None

    def _keep(
        self, what: str, target: TargetKey, value: object, kinds: KnownTypes | None = None
    ) -> None:
        data = _encoded(self.cache, value, kinds)
        if data is not None:
            self.cache.write(self._part(what, target), b"", (data,))
