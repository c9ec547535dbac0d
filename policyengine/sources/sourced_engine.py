"""Decide about entities that are kept elsewhere: fetch what the rules read of them, and nothing else.

A request names its subject and its resource. What rules read leads from them to others; all that are to be
known next are fetched together, and so on until nothing lacks. What the source does not give is not known,
and a request for which something lacks is refused: an entity that was deleted is not one without attributes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn

from policyengine.intake.object_reading import ObjectReading
from policyengine.intake.store import EntityStore
from policyengine.model.asked_request import Request
from policyengine.model.entities import Key
from policyengine.model.errors import InvalidRequest, Problem
from policyengine.model.request_messages import class_name, entity_name
from policyengine.sources.entity_source import EntitySource, close

if TYPE_CHECKING:
    from policyengine.engine import PolicyEngine
    from policyengine.model.decision import Decision

_REFERENCE: Final = 2
"""Names in what only says which entity is meant: `type` and `id`."""


class SourcedEngine:
    """Decides like *engine*, which has no store, about entities of *source*.

    *deadline*: the seconds that all fetches for a request may take; *most*: the entities that may be fetched for
    one. A source that fails, is slow, or gives what it was not asked for, refuses the request (`PE590`). One that is not
    asynchronous is not interrupted: what it gives too late is not used.
    """

    def __init__(
        self,
        engine: PolicyEngine,
        source: EntitySource,
        *,
        deadline: float = 1.0,
        most: int = 1_000,
    ) -> None:
        if engine._store is not None:  # noqa: SLF001 - it is part of the engine
            raise ValueError(
                "an engine with a store has its entities there: `engine.with_store(None)`"
            )
        self.engine = engine
        self.source = source
        self._deadline = deadline
        self._most = most

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a sourced engine is neither copied nor pickled: make one where its source is"
        )

    def decide(self, *parts: Any, **options: Any) -> Decision:
        """Decide like `PolicyEngine.decide`, of entities that are fetched. Raises `InvalidRequest` as that does."""
        return self.engine.decide(self.request(*parts, **options))

    async def decide_async(self, *parts: Any, **options: Any) -> Decision:
        """Decide like `decide`, with a source that may be asynchronous; it is cancelled at the deadline."""
        return self.engine.decide(await self.request_async(*parts, **options))

    def request(self, *parts: Any, **options: Any) -> Request:
        """Return the request with all that was fetched for it: to decide it, to explain it, or to keep it."""
        gathering = _Gathering(self.engine, parts, options)
        until = monotonic() + self._deadline
        for keys in gathering.rounds(self._most):
            fetched = _failing(lambda keys=keys: self.source.fetch(keys))
            if isinstance(fetched, Awaitable):
                close(fetched)
                raise TypeError("the source is asynchronous: `await …decide_async(…)`")
            given = _failing(lambda fetched=fetched: list(fetched))
            if monotonic() > until:
                raise _refused(f"the source did not answer within {self._deadline:g} s")
            gathering.take(keys, given)
        return gathering.request()

    async def request_async(self, *parts: Any, **options: Any) -> Request:
        """Return what `request` returns."""
        import asyncio  # who asks without needs none

        gathering = _Gathering(self.engine, parts, options)
        until = monotonic() + self._deadline
        for keys in gathering.rounds(self._most):
            try:
                fetched = self.source.fetch(keys)
                if isinstance(fetched, Awaitable):
                    fetched = await asyncio.wait_for(fetched, max(0.0, until - monotonic()))
                given = list(fetched)
            except TimeoutError:
                raise _refused(f"the source did not answer within {self._deadline:g} s") from None
            except Exception as problem:
                raise _refused(_said(problem)) from problem
            if monotonic() > until:
                raise _refused(f"the source did not answer within {self._deadline:g} s")
            gathering.take(keys, given)
        return gathering.request()


class _Gathering:
    """What is known of one request so far."""

    def __init__(
        self, engine: PolicyEngine, parts: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        asked = (
            parts[0]
            if len(parts) == 1 and isinstance(parts[0], Request)
            else Request(*parts, **options)
        )
        intake = engine._intake  # noqa: SLF001 - it is part of the engine
        self._asked = asked
        limits = intake.validator.limits
        self._objects = intake.fast.readers.objects
        self._reading = ObjectReading(self._objects.find, limits, engine.schema)
        if isinstance(asked.entities, EntityStore):
            raise TypeError("entities are in a store or in a source: give others as a list")
        self._given = [*islice(asked.entities or (), limits.entities + 1)]
        self._fetched: dict[Key, Any] = {}
        self._named = {
            part: key
            for part in ("subject", "resource")
            if (key := _only_named(getattr(asked, part))) is not None
        }
        action = engine.schema.actions.get(asked.action) if type(asked.action) is str else None
        types = self._objects.type_of(asked.subject), self._objects.type_of(asked.resource)
        self._fits = (
            action is not None and types[0] in action.subjects and types[1] in action.resources
        )
        if self._fits and action is not None:
            target: Any = (action.name, *types)
            needs = engine._program.needs(target)  # noqa: SLF001 - as above
            for one in self._given:
                self._reading.given(one)
            for part in ("subject", "resource"):
                key = self._named.get(part)
                where = self._reading.given(getattr(asked, part)) if key is None else key
                self._reading.read(where, getattr(needs, part))
            self._reading.context(asked.context, action.context, needs.context)
            self._reading.follow()

    def rounds(self, most: int) -> Iterator[list[Key]]:
        """Give the keys that are to be fetched next, until nothing is lacking, or nothing more is given."""
        tried = set[Key]()
        while self._fits:
            keys = [key for key in self._reading.unknown() if key not in tried]
            if not keys:
                return
            tried |= {*keys}
            if len(tried) > most:
                raise _refused(f"a request needs at most {most:,} entities of the source")
            yield keys
            self._reading.go_on()

    def take(self, keys: list[Key], given: list[Any]) -> None:
        """Take what the source gave for *keys*."""
        for one in given:
            key = self._key_of(one)
            if key not in keys:
                raise _refused("the source gave an entity that it was not asked for")
            if key in self._fetched:
                raise _refused("the source gave an entity twice")
            self._fetched[key] = one
            self._reading.given(one)

    def _key_of(self, one: Any) -> Key | None:
        mapped = self._objects.find(type(one))
        if mapped is not None:
            id_ = mapped.id_of(one)
            return (mapped.type.name, id_) if isinstance(id_, str) else None
        try:
            key = one.key_ if hasattr(type(one), "key_") else (one["type"], one["id"])
        except Exception:  # noqa: BLE001 - whatever comes of what a source gives
            return None
        return key if type(key) is tuple and all(type(part) is str for part in key) else None

    def request(self) -> Request:
        """Return the request with what was fetched; raises `InvalidRequest` if it is about what there is not."""
        asked, fetched, named = self._asked, self._fetched, self._named
        if not self._fits:  # which is refused as it is
            return asked
        for part, key in named.items():
            if key not in fetched:
                said = f"{entity_name(key)} is not in the source: give its `properties` if it is about to be made"
                raise InvalidRequest([Problem("PE529", part, said)])
        parts = {"subject": asked.subject, "resource": asked.resource}
        parts |= {part: fetched[key] for part, key in named.items()}
        rest = [one for key, one in fetched.items() if key not in named.values()]
        others = [*self._given, *rest]
        return Request(
            parts["subject"], asked.action, parts["resource"], asked.context, asked.now, asked.fields,
            others or asked.entities,
        )  # fmt: skip


def _only_named(part: Any) -> Key | None:
    """Return the key of a part that says no more than type and id."""
    if type(part) is not dict or len(part) != _REFERENCE:
        return None
    type_, id_ = part.get("type"), part.get("id")
    return (type_, id_) if type(type_) is type(id_) is str else None


def _failing(ask: Any) -> Any:
    try:
        return ask()
    except Exception as problem:
        raise _refused(_said(problem)) from problem


def _said(problem: Exception) -> str:
    return f"the source failed: that raised `{class_name(type(problem))}`"


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest([Problem("PE590", "entities", message)])
