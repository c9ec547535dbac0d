"""Decide about entities that are kept elsewhere: fetch what the rules read of them, and nothing else.

A request names its subject and its resource. What rules read leads from them to others; all that are to be
known next are fetched together, and so on until nothing lacks. What the source does not give is not known,
and a request for which something lacks is refused: an entity that was deleted is not one without attributes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from policyengine.decide_each import Common, decide_one, parts_of, without_parts
from policyengine.decider import Decider
from policyengine.intake.foreign import FoundEntities, as_list, plain
from policyengine.intake.object_reading import ObjectReading, key_of, only_named, said_of
from policyengine.intake.raw import RawRequest, asked_request, given_request, raw_request
from policyengine.intake.store import EntityStore
from policyengine.model.entities import Key
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.request import Request
from policyengine.model.request_messages import class_name, entity_name
from policyengine.model.settings import check_class, check_count, check_seconds
from policyengine.sources.entity_source import (
    CachedSource,
    EntitySource,
    OneVersion,
    check_source,
    close,
    copied,
)

if TYPE_CHECKING:
    from asyncio import Future
    from datetime import datetime

    from policyengine.decide_each import Asked
    from policyengine.engine import PolicyEngine
    from policyengine.intake.intake import Intake
    from policyengine.intake.mapped_classes import Mapped
    from policyengine.model.decision import Decision
    from policyengine.model.entities import EntityLike
    from policyengine.reloading.holder import PolicyHolder

T = TypeVar("T")

_NAMED: Final = {"type", "id"}
"""What an entity gives of which nothing else is said."""


class SourcedEngine(Decider):
    """Decides like *engine*, which has no store, about entities of *source*; of a `PolicyHolder` it is the engine that is in force.

    *deadline*: the seconds that all fetches for a request may take; *most*: the entities that may be fetched for
    one. A source that fails, is slow, or gives what it was not asked for, refuses the request (`PE590`). One
    that is not asynchronous is not interrupted: what it gives too late is not used.
    """

    def __init__(
        self,
        engine: PolicyEngine | PolicyHolder,
        source: EntitySource,
        *,
        deadline: float = 1.0,
        most: int = 1_000,
    ) -> None:
        from policyengine.engine import PolicyEngine

        if not isinstance(engine, PolicyEngine) and hasattr(engine, "reload"):
            from policyengine.reloading.holder import PolicyHolder  # which others do not need

            check_class("engine", engine, PolicyHolder)
        else:
            check_class("engine", engine, PolicyEngine, optional=False)
        check_source(source)
        check_seconds("deadline", deadline)
        check_count("most", most)
        self._of = engine
        self.source = source
        self._deadline = deadline
        self._most = most
        self._in_force()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a sourced engine is neither copied nor pickled: make one where its source is"
        )

    def __repr__(self) -> str:
        return f"<{self.engine!r} with entities of {self.source!r}>"

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
        """Decide like `PolicyEngine.decide`, of entities that are fetched. Raises `InvalidRequest` as that does."""
        parts = subject, action, resource, context
        options = {"now": now, "fields": fields, "entities": entities}
        engine = self._in_force()
        with _refusals(engine, parts, options):
            request = self._request(engine, parts, options)
        return engine.decide(request)

    @property
    def engine(self) -> PolicyEngine:
        """The engine that decides now."""
        of: Any = self._of
        engine: PolicyEngine = getattr(of, "engine", of)
        return engine

    def _in_force(self) -> PolicyEngine:
        """Return the engine that decides a request which begins now, to its end."""
        engine = self.engine
        if engine._store is not None:  # noqa: SLF001 - it is part of the engine
            raise ValueError(
                "an engine with a store has its entities there: `engine.with_store(None)`"
            )
        return engine

    @property
    def digest(self) -> str:
        """The name of the policy set's content."""
        return self.engine.digest

    def decide_each(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another, by the same engine to the end."""
        engine = self._in_force()
        common = Common(now, fields, entities, most=engine._limits.entities)  # noqa: SLF001 - it is part of the engine
        intake = engine._intake  # noqa: SLF001 - it is part of the engine
        return intake.each_recorded(requests, lambda some: self._decide_each(engine, some, common))

    def _decide_each(
        self, engine: PolicyEngine, requests: Iterable[Asked], common: Common
    ) -> Iterator[Decision]:
        intake = engine._intake  # noqa: SLF001 - it is part of the engine

        def decide(raw: RawRequest) -> Decision:
            request = self._request(engine, (asked_request(raw),), {})
            return intake.decide(raw_request(*request.parts))

        for request in requests:
            parts = parts_of(request, common)
            if parts is None:
                yield without_parts("(subject, action, resource, context)", engine.digest)
            else:
                yield decide_one(parts, decide, engine.digest)

    async def decide_async(self, *parts: Any, **options: Any) -> Decision:
        """Decide like `decide`, with a source that may be asynchronous; it is cancelled at the deadline."""
        engine = self._in_force()
        intake = engine._intake  # noqa: SLF001 - it is part of the engine
        try:
            request = await self._request_async(engine, parts, options)
        except InvalidRequest as refusal:
            asked = raw_request(*_asked(*parts, **options).parts)
            await _apart(intake, intake.record_refusal, refusal, asked)
            raise
        return await _apart(intake, engine.decide, request)

    def request(self, *parts: Any, **options: Any) -> Request:
        """Return the request with all that was fetched for it: to decide it, to explain it, or to keep it."""
        return self._request(self._in_force(), parts, options)

    def _request(
        self, engine: PolicyEngine, parts: tuple[Any, ...], options: dict[str, Any]
    ) -> Request:
        asked, until = _asked(*parts, **options), monotonic() + self._deadline
        for gathering in self._attempts(engine, asked, until):
            for keys in gathering.rounds(self._most):
                fetched = _failing(gathering.fetch, [*keys])
                if isinstance(fetched, Awaitable):
                    close(fetched)
                    raise TypeError("the source is asynchronous: `await …decide_async(…)`")
                given = _failing(gathering.first, fetched, len(keys) + 1)
                self._check_time(until)
                gathering.take(keys, given)
        return gathering.request()

    async def request_async(self, *parts: Any, **options: Any) -> Request:
        """Return what `request` returns."""
        return await self._request_async(self._in_force(), parts, options)

    async def _request_async(
        self, engine: PolicyEngine, parts: tuple[Any, ...], options: dict[str, Any]
    ) -> Request:
        import asyncio  # which services without it do not need

        asked, until = _asked(*parts, **options), monotonic() + self._deadline
        for gathering in self._attempts(engine, asked, until):
            for keys in gathering.rounds(self._most):
                fetched = _failing(gathering.fetch, [*keys])
                if isinstance(fetched, Awaitable):
                    task = asyncio.ensure_future(fetched)
                    try:
                        await asyncio.wait({task}, timeout=max(0.0, until - monotonic()))
                    finally:  # also when the request is cancelled
                        in_time = task.done()
                        if not in_time:
                            await self._end(task)
                    if not in_time:
                        raise self._late()
                    fetched = _failing(_result, task)
                given = _failing(gathering.first, fetched, len(keys) + 1)
                self._check_time(until)
                gathering.take(keys, given)
        return gathering.request()

    async def _end(self, task: Future[Any]) -> None:
        """Cancel what fetches, and wait until it has ended, at most as long as it had: it may not heed that."""
        import asyncio  # as above

        task.cancel()
        await asyncio.wait({task}, timeout=self._deadline)
        task.add_done_callback(lambda one: one.cancelled() or one.exception())  # nobody asks for it

    def _attempts(self, engine: PolicyEngine, asked: Request, until: float) -> Iterator[_Gathering]:
        """Give what gathers the request, and again if what it was gathered from has changed meanwhile."""
        if isinstance(asked.entities, EntityStore):
            raise TypeError("entities are in a store or in a source: give others as a list")
        limits = engine._intake.validator.limits  # noqa: SLF001 - it is part of the engine
        # They may be read but once.
        others = as_list(() if asked.entities is None else asked.entities, limits.entities)
        while True:
            one = OneVersion(self.source) if isinstance(self.source, CachedSource) else None
            yield _Gathering(engine, asked, others, (one or self.source).fetch)
            if one is None or _failing(one.holds):
                return
            self._check_time(until)

    def _check_time(self, until: float) -> None:
        if monotonic() > until:
            raise self._late()

    def _late(self) -> InvalidRequest:
        return _refused(f"the source did not answer within {self._deadline:g} s")


class _Gathering:
    """What is known of one request so far."""

    def __init__(
        self, engine: PolicyEngine, asked: Request, others: Any, fetch: Callable[[list[Key]], Any]
    ) -> None:
        intake = engine._intake  # noqa: SLF001 - it is part of the engine
        self._asked, self._others, self.fetch, self._schema = asked, others, fetch, engine.schema
        limits = intake.validator.limits
        self._objects = intake.fast.readers.objects
        self._reading = ObjectReading(self._objects.find, limits, engine.schema, sourced=True)
        self._action = plain(asked.action)
        self._parts = {
            name: plain(part) if self._objects.find(type(part)) is None else part
            for name, part in (("subject", asked.subject), ("resource", asked.resource))
        }
        self._fetched: dict[Key, Any] = {}
        self._tried: set[Key] = set()
        self._context = asked.context
        target = self._objects.target(self._action, *self._parts.values())
        self._fits = target is not None
        if target is not None:
            needs, given = engine._program.needs(target), self._reading.given  # noqa: SLF001 - as above
            if isinstance(others, list):
                self._others = [*map(given, others)]
            for name, part in self._parts.items():
                where = self._parts[name] = given(part)
                self._reading.read(only_named(part) or where, getattr(needs, name))
            context = engine.schema.actions[target[0]].context
            self._context = self._reading.context(asked.context, context, needs.context)
            self._reading.follow()

    def rounds(self, most: int) -> Iterator[list[Key]]:
        """Give the keys that are to be fetched next, until nothing is lacking, or nothing more is given."""
        tried = self._tried
        while self._fits:
            keys = [key for key in self._reading.unknown() if key not in tried]
            if not keys:
                return
            tried |= {*keys}
            if len(tried) > most:
                raise _refused(f"a request needs at most {most:,} entities of the source")
            yield keys
            self._reading.go_on()

    def first(self, fetched: Iterable[Any], most: int) -> list[Any]:
        """Return the first of what the source gives, objects and values that it does not change any more."""
        find = self._objects.find
        return [copied(one) if find(type(one)) is None else one for one in islice(fetched, most)]

    def take(self, keys: list[Key], given: list[Any]) -> None:
        """Take what the source gave for *keys*."""
        for one in given:
            mapped = self._objects.find(type(one))
            key = key_of(one) if mapped is None else _key_of_object(mapped, one)
            if key not in keys:
                raise _refused("the source gave an entity that it was not asked for")
            if key in self._fetched:
                raise _refused("the source gave an entity twice")
            if only_named(one) and self._may_be_more(key[0]):
                raise _refused("the source gave an entity without its `properties`")
            self._fetched[key] = self._reading.given(one, fetched=True)

    def request(self) -> Request:
        """Return the request with what was fetched; raises `InvalidRequest` if it is about what there is not."""
        asked, others, rest = self._asked, self._others, dict(self._fetched)
        parts = dict[str, Any](self._parts)
        named = {name: key for name, part in parts.items() if (key := only_named(part))}
        if not self._fits:  # which is refused as it is
            named.clear()
        tried = [("entities", key) for key in sorted(self._reading.named & self._tried)]
        for place, key in (*named.items(), *tried):
            if not self._reading.knows(key):
                said = f"{entity_name(key)} is not in the source: give its `properties` if it is about to be made"
                raise InvalidRequest([Problem("PE529", place, said)])
        if not all(map(self._reading.knows, self._reading.referred & self._tried)):
            # By which of its values is not known: it may be private.
            said = "something in the source refers to an entity that is not in the source"
            raise InvalidRequest([Problem("PE529", "entities", said)])
        if isinstance(others, list) and self._fits:
            others = [one for one in others if self._is_kept(one)]
            for name, key in named.items():
                if key in self._fetched:
                    if not (type(parts[name]) is dict and parts[name].keys() == _NAMED):
                        others.append(parts[name])  # whose parents may contradict what was fetched
                    parts[name] = rest.pop(key, self._fetched[key])
            # Objects were read: those who read them again might find something else.
            led_to = self._reading.others((*parts.values(), *others, *rest.values()))
            found = [*map(said_of, rest.values()), *led_to]
            others = FoundEntities([*map(said_of, others)], found) or None
        return Request(
            said_of(parts["subject"]), self._action, said_of(parts["resource"]), self._context,
            asked.now, asked.fields, others,
        )  # fmt: skip

    def _may_be_more(self, type_: str) -> bool:
        """Return whether an entity that is only named may have attributes, which would count as absent."""
        known = self._schema.entities.get(type_)
        return known is not None and any(one.optional for one in known.attributes)

    def _is_kept(self, one: object) -> bool:
        """Return whether what was given is for the request: what is only named is, if anything describes it."""
        key = only_named(one)
        return key is None or self._reading.knows(key) or key[0] not in self._schema.entities


@contextmanager
def _refusals(
    engine: PolicyEngine, parts: tuple[Any, ...], options: dict[str, Any]
) -> Iterator[None]:
    """Have a request that is refused before the engine sees it recorded."""
    try:
        yield
    except InvalidRequest as refusal:
        intake = engine._intake  # noqa: SLF001 - it is part of the engine
        intake.record_refusal(refusal, raw_request(*_asked(*parts, **options).parts))
        raise


def _asked(
    subject: Any,
    action: Any = None,
    resource: Any = None,
    context: Any = None,
    *,
    now: Any = None,
    fields: Any = None,
    entities: Any = None,
) -> Request:
    """Return the request of what `PolicyEngine.decide` takes; raises `TypeError` for anything else."""
    parts = subject, action, resource, context, now, fields, entities
    return asked_request(given_request(*parts))


async def _apart(intake: Intake, do: Callable[..., T], *given: Any) -> T:
    """Return what *do* returns, which is done in a thread if it waits for a record."""
    if not intake.waits:
        return do(*given)
    import asyncio  # who asks without needs none

    return await asyncio.to_thread(do, *given)


def _key_of_object(mapped: Mapped, one: object) -> Key | None:
    """Return the key of an object; None if it has no id, of which nothing is asked what it equals."""
    id_ = plain(mapped.id_of(one))
    return (mapped.type.name, id_) if type(id_) is str else None


def _result(task: Future[T]) -> T:
    if task.cancelled():  # by itself
        raise RuntimeError("what fetches was cancelled")
    return task.result()


def _failing(ask: Callable[..., T], *given: Any) -> T:
    try:
        return ask(*given)
    except Exception as problem:
        raise _refused(_said(problem)) from problem


def _said(problem: Exception) -> str:
    return f"the source failed: that raised `{class_name(type(problem))}`"


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest([Problem("PE590", "entities", message)])
