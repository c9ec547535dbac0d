"""Remember decisions that take long to make.

Every request is validated as its engine would, also one that was asked before: what does not fit is
refused, whatever is remembered. What a decision then depends on is known: what the rules for the
action and the types may read (`policyengine reads` prints it). Their canonical values make the key.
Most decisions take less time than making a key: `docs/embedding.md` says where it pays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn, overload

from msgspec import Struct, field

from policyengine.decide_each import Asked, Common, decide_each
from policyengine.decider import Decider
from policyengine.intake.raw import RawRequest, given_request
from policyengine.intake.store import EntityStore
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.gaps import Search
from policyengine.model.needs import Needs, RequestNeeds
from policyengine.model.records import Record
from policyengine.model.request import Request
from policyengine.model.settings import check_class
from policyengine.model.types import TargetKey
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import from_datetime, slot
from policyengine.runtime.bounded_cache import BoundedCache
from policyengine.runtime.compiled_target import CompiledTarget

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.entities import EntityLike

_FOREVER: Final = 1 << 62
_MOST: Final = 10_000
"""Characters and elements of a request; a decision keeps its request, so larger ones are not kept."""


class _Kept(Struct, frozen=True):
    """A decision, and the moments [since, until) at which it is what would be decided."""

    decision: Decision
    since: int
    until: int


class _Key(Struct, frozen=True, cache_hash=True):
    """The common parts of requests that are decided equally."""

    parts: tuple[object, ...]


class _Target(Struct, frozen=True, eq=False):
    """The data that the rules for one target read.

    *on_trial*: whether a rule is on trial: it may read more, at any moment.
    """

    needs: RequestNeeds
    compiled: CompiledTarget
    on_trial: bool
    _readers: dict[int, Callable[[Any], object]] = field(default_factory=dict)

    def key(self, request: ValidRequest) -> _Key:
        """Return what requests have in common that are decided equally while time does not count.

        A value is found at the place of its type, so nothing equals what is of another type.
        """
        entities = request.entities
        find = entities.__getitem__
        search = Search(find, lambda _, path: path, find, most=_FOREVER)
        search.request(request.subject, request.resource, request.context, self.needs)
        read = frozenset(
            [
                (key, number, self._values(needs, entities[key]))
                for (key, number), needs in search.seen.items()
            ]
        )
        context = self._values(self.needs.context, request.context)
        return _Key((self, request.fields, request.subject.id, request.resource.id, context, read))

    def _values(self, needs: Needs, owner: Entity | Record) -> object:
        """Return the values of one entity or record that are read."""
        read = self._readers.get(id(needs))
        if read is None:
            slots = [*map(slot, needs.attributes), *(["line"] if needs.line else [])]
            read = self._readers[id(needs)] = attrgetter(*slots) if slots else lambda _: None
        return read(owner)


class DecisionCache(Decider):
    """Decides like its engine, and remembers; threads may share one.

    *size*: of how many decisions at most; those that were not asked for the longest go first. An
    engine has one policy set for ever: a changed policy is a new engine, and wants a new cache.
    """

    def __init__(self, engine: PolicyEngine, size: int = 10_000) -> None:
        from policyengine.engine import PolicyEngine

        check_class("engine", engine, PolicyEngine, optional=False)
        if type(size) is not int or size < 1:
            raise ValueError(f"a cache has room for at least one decision, not for {size!r}")
        self._engine = engine
        self._kept: BoundedCache[_Key, _Kept] = BoundedCache(size)
        self._targets: dict[TargetKey, _Target] = {}

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a cache of decisions is neither copied nor pickled: make one where it is used,"
            " `DecisionCache(engine)`"
        )

    def __repr__(self) -> str:
        return f"<cache of {len(self):,} decisions of {self.digest[:12]}>"

    @property
    def digest(self) -> str:
        """The name of the policy set that decides."""
        return self._engine.digest

    @property
    def engine(self) -> PolicyEngine:
        """The engine that decides what is not remembered."""
        return self._engine

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def decide(self, request: Request, /) -> Decision: ...

    @overload
    def decide(
        self, subject: EntityLike, action: str, resource: EntityLike, context: Any = None, *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision: ...  # fmt: skip

    def decide(
        self, subject: Any, action: Any = None, resource: Any = None, context: Any = None, *,
        now: Any = None, fields: Any = None, entities: Any = None,
    ) -> Decision:  # fmt: skip
        """Decide like `PolicyEngine.decide`, or return what was decided about the same.

        The same are requests of which everything that the rules may read is the same. A decision
        that is remembered gives its reason as of the moment at which it was made. Where a rule is
        on trial (`advisory`), nothing is remembered, nor what a failed rule decided.

        Raises `InvalidRequest` like the engine, for what no rule reads as well.
        """
        raw = given_request(subject, action, resource, context, now, fields, entities)
        intake = self._engine._intake  # noqa: SLF001 - it is ours
        if not intake.is_recorded:
            return self._decide(raw)
        return intake.recorded(lambda: self._decide(raw), raw)

    def _decide(self, raw: RawRequest) -> Decision:
        intake = self._engine._intake  # noqa: SLF001 - it reads requests as its engine
        request = intake.request(raw)
        key_of = request.action, request.subject.type, request.resource.type
        target = self._targets.get(key_of) or self._find_target(key_of)
        key = target.key(request)
        kept = self._kept.get(key)
        if kept is not None and kept.since <= request.now < kept.until:
            given = kept.decision.given_again() if intake.is_recorded else kept.decision
            return given.ignoring(raw.ignored)
        compiled = target.compiled
        decision = compiled.answer(request)
        failed = decision._answer.make_details != compiled.make_details  # noqa: SLF001 - it is ours
        if not (target.on_trial or failed or _size(request) > _MOST):
            since, until = -_FOREVER, _FOREVER
            if compiled.timed:
                since, turns = request.now, decision.valid_until
                until = _FOREVER if turns is None else from_datetime(turns)
            self._kept[key] = _Kept(decision, since, until)
        return decision.ignoring(raw.ignored)

    def decide_each(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another."""
        most = self._engine._limits.entities  # noqa: SLF001 - it is ours
        rest = self._decide, self._engine.digest, Common(now, fields, entities, most=most)
        intake = self._engine._intake  # noqa: SLF001 - it is ours
        return intake.each_recorded(requests, lambda some: decide_each(some, {}, *rest))

    def clear(self) -> None:
        """Forget all decisions."""
        self._kept.clear()

    def _find_target(self, key: TargetKey) -> _Target:
        program = self._engine._program  # noqa: SLF001 - it is ours
        compiled = program.compiled(key)
        on_trial = any(rule.advisory for rule in compiled.explainer.rules)
        made = _Target(program.needs(key), compiled, on_trial)
        return self._targets.setdefault(key, made)  # another thread may have made it


def _size(value: object) -> int:
    """Return about how many characters and elements a value, or a whole request, is made of."""
    match value:
        case str():
            return 1 + len(value)
        case frozenset() | tuple():
            return 1 + sum(map(_size, value))
        case Entity(line=line):
            return _size(type(value).content_(value)) + len(line or ())
        case Record():
            return _size(type(value).content_(value))
        case ValidRequest(entities=entities, context=context):
            return _size(context) + sum(map(_size, entities.values()))
        case _:
            return 1
