"""Hold the policy set that is in force, and put another in its place when its files change.

A set that does not load, or whose tests do not pass, changes nothing: the last good one stays. Another takes its
place with one assignment, after all that was compiled for the old one is compiled for it. So each decision is of
one set, and of one store; a `PolicyEngine` that somebody took from here decides as long as they keep it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeAlias, overload
from weakref import WeakSet, finalize, ref

from policyengine.concurrency import OwnLock, in_forked_child
from policyengine.decide_each import Common, parts_of
from policyengine.decider import Decider
from policyengine.engine import PolicyEngine
from policyengine.intake.foreign import first_of
from policyengine.intake.raw import asked_request, given_request
from policyengine.model.errors import InvalidRequest, NotReloaded, PolicyError
from policyengine.model.fulfilment import Handler
from policyengine.model.limits import Limits, Undeclared
from policyengine.model.request import Request
from policyengine.model.settings import (
    check_called,
    check_class,
    check_done,
    check_hook,
    check_paths,
    check_seconds,
    check_truth,
)
from policyengine.model.values import to_datetime
from policyengine.reloading.policy_files import PolicyFiles, State, warm_like
from policyengine.reloading.shadow import Shadow
from policyengine.runtime import clock

if TYPE_CHECKING:
    from policyengine.decide_each import Asked
    from policyengine.intake.recorded_intake import OnDecision
    from policyengine.intake.store import EntityStore
    from policyengine.model.decision import Decision
    from policyengine.model.entities import EntityLike, Key

MakeStore: TypeAlias = "Callable[[PolicyEngine], EntityStore]"
"""Makes the store for an engine, whose schema may be another than that of the engine before."""

_ATTEMPTS: Final = 3
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to load files that have not changed, at first and after many."""


class PolicyHolder(Decider):
    """Holds the engine of the policy files in *paths*; threads may share one.

    Takes what `PolicyEngine.load` takes. *store*: or a function that makes one for an engine, which is called
    again when the entity types are others. *tests*: whether a set takes over only if its own tests pass.
    *poll*: the seconds between two looks at the files by a thread; None if nobody looks, and `reload` is called.
    *quiet*: the seconds for which the files must not have changed before they are loaded by it. *shadow*: the paths
    of a candidate, which `decide` asks as well; *on_load* is called with each engine before it decides: to register
    classes (`PolicyEngine.register`); *on_difference* gets both decisions, where they differ, None for
    a request that was refused. *on_reload* is called with the holder after each set that took over, and each
    that did not. *on_decision* records the decisions of each engine, and not those of the candidate
    (`PolicyEngine.with_record`). *version*: a file with a whole number, which only goes up: a set that is
    another than the one in force takes over only if the number in the file is higher than that one's.

    Raises what `PolicyEngine.load` raises, and `NotReloaded`, if the first set cannot be put in force.
    """

    def __init__(
        self,
        *paths: str | os.PathLike[str],
        store: EntityStore | MakeStore | None = None,
        obligations: Mapping[str, Handler] | Collection[str] | None = None,
        limits: Limits | None = None,
        cache: bool | str | os.PathLike[str] = False,
        undeclared: Undeclared = "refuse",
        tests: bool = False,
        version: str | os.PathLike[str] | None = None,
        poll: float | None = None,
        quiet: float = 1.0,
        shadow: Iterable[str | os.PathLike[str]] = (),
        on_load: Callable[[PolicyEngine], object] | None = None,
        on_difference: Callable[[Decision | None, Decision | None], object] | None = None,
        on_reload: Callable[[PolicyHolder], object] | None = None,
        on_decision: OnDecision | None = None,
    ) -> None:
        if poll is not None:
            check_seconds("poll", poll)
        check_seconds("quiet", quiet, least=0)
        if not callable(store):
            from policyengine.intake.store import EntityStore

            check_class("store", store, EntityStore, "make one with `engine.store`")
        for hook, given_hook in [
            ("on_load", on_load), ("on_difference", on_difference), ("on_reload", on_reload),
        ]:  # fmt: skip
            check_called(hook, given_hook)
        check_hook("on_decision", on_decision)
        check_class("limits", limits, Limits)
        check_truth("tests", tests)
        check_paths([] if version is None else [version])
        limits = (limits or Limits()).taking(undeclared)
        given: dict[str, Any] = {"obligations": obligations, "limits": limits, "cache": cache}
        given["on_load"] = on_load
        self._files = PolicyFiles(paths, tests=tests, version=version, **given)
        self._reloading, self._swapping = OwnLock(), OwnLock()
        self._last_error: Exception | None = None
        self._on_reload, self._on_decision = on_reload, on_decision
        self._make_store = store if callable(store) else None
        self._changes = 0
        self._engine: PolicyEngine
        self._store: EntityStore | None
        self._loaded_at: datetime
        self._version: int | None
        engine = self._files.load()
        assert engine is not None
        self._put_in_force(engine, self._made_store(engine) if callable(store) else store)
        candidates = _paths(shadow)
        self._shadow = Shadow(on_difference) if candidates else None
        self._candidates = PolicyFiles(candidates, tests=False, **given)
        self._reload_shadow()
        self._seen: tuple[list[State], float] | None = None
        self._pauses: tuple[list[State], float] | None = None
        self._poll, self._quiet = poll, quiet
        self._stop = Event()
        if poll is not None:
            import policyengine.syntax.parser  # noqa: F401 - a child of a fork could not, while a thread does

            self._watch()
            _watching.add(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a holder is neither copied nor pickled: pickle its `engine`, or make one where it is used"
        )

    def __repr__(self) -> str:
        state = "" if self._last_error is None else ", another in the files that did not take over"
        return f"<holder of {self._engine!r}{state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what is in force ---------------------------------------------------------------

    @property
    def engine(self) -> PolicyEngine:
        """The engine that is in force now. Take it once for all that belongs together."""
        return self._engine

    @property
    def store(self) -> EntityStore | None:
        """The store of that engine."""
        return self._store

    @property
    def last_error(self) -> Exception | None:
        """The reason why the set that is in the files did not take over; None if it did."""
        return self._last_error

    @property
    def loaded_at(self) -> datetime:
        """The time at which the set that is in force took over."""
        return self._loaded_at

    @property
    def version(self) -> int | None:
        """The number with which that set took over; None if it has none."""
        return self._version

    @property
    def shadow(self) -> Shadow | None:
        """The candidate, and where it differs."""
        return self._shadow

    @property
    def digest(self) -> str:
        """The name of the policy set that is in force."""
        return self._engine.digest

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
        """Decide like `PolicyEngine.decide`, and ask the candidate, if there is one, the same."""
        engine, shadow = self._engine, self._shadow
        if shadow is None:
            return engine.decide(
                subject, action, resource, context, now=now, fields=fields, entities=entities
            )
        given = given_request(subject, action, resource, context, now, fields, entities)
        asked = _asked_twice(asked_request(given), engine._limits.entities)  # noqa: SLF001 - those of its own engine
        try:
            decided = engine.decide(asked)
        except InvalidRequest:
            shadow.compare(None, asked, engine)
            raise
        shadow.compare(decided, asked, engine)
        return decided

    def decide_each(
        self, requests: Iterable[Asked], *,
        now: datetime | str | None = None, fields: Collection[str] | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Iterator[Decision]:  # fmt: skip
        """Decide as `decide_many`, one request after another, by the same engine to the end."""
        engine, shadow = self._engine, self._shadow
        if shadow is None:
            return engine.decide_each(requests, now=now, fields=fields, entities=entities)
        common = Common(now, fields, entities, most=engine._limits.entities)  # noqa: SLF001 - as above
        return _decide_twice(requests, engine, shadow, common)

    # ---- reloading ----------------------------------------------------------------------

    def reload(self) -> bool:
        """Load the files if they changed; whether what they say is in force now, else see `last_error`.

        Of several threads, each waits for the one before. Raises nothing for what is in the files.
        """
        with self._reloading.lock:
            before, read = str(self._last_error), self._files.read
            problem, engine = None, self._engine
            try:
                loaded = self._files.load(engine, self._version)
                if loaded is not None:
                    warm_like(loaded, engine)
                    self._take_over(loaded)
            except Exception as found:  # noqa: BLE001 - whatever it is, what is in force stays
                problem = _without_frames(found)
                if not isinstance(found, PolicyError):
                    self._files.tried = None  # it may pass, with no change of the files
            self._last_error = problem
            self._reload_shadow()
            took_over = self._engine._program is not engine._program  # noqa: SLF001 - it is its own
            is_other = problem is not None and self._files.read != read  # and perhaps as bad
            is_news = took_over or is_other or str(problem) != before
        if problem is not None and is_news:
            _log("the policies were not reloaded: %s", problem)
        if is_news and self._on_reload is not None:
            check_done("on_reload", self._on_reload(self))
        return problem is None

    def _take_over(self, loaded: PolicyEngine) -> None:
        for _ in range(_ATTEMPTS):
            with self._swapping.lock:
                store, changes = self._store, self._changes
                if store is None or store.fits(loaded.schema):
                    self._put_in_force(loaded, store)
                    return
            if self._make_store is None:
                break
            made = self._made_store(loaded)
            with self._swapping.lock:
                if changes == self._changes:  # else it may lack what was changed meanwhile
                    self._put_in_force(loaded, made)
                    return
            self._files.tried = None
        raise NotReloaded(
            "the store was made for other entity types: give a function that makes one,"
            " `PolicyHolder(…, store=make)`"
            if self._make_store is None
            else "the store was changed each time while another was made for the new entity types"
        )

    def _made_store(self, engine: PolicyEngine) -> EntityStore:
        """Return the store that the function makes for an engine: without one, nobody would be known."""
        from policyengine.intake.store import EntityStore

        assert self._make_store is not None
        made = self._files.by_others("store", self._make_store, engine)
        check_class("store()", made, EntityStore, "make one with `engine.store`", optional=False)
        return made

    def _put_in_force(self, loaded: PolicyEngine, store: EntityStore | None) -> None:
        if store is not None and not store.fits(loaded.schema):
            raise NotReloaded("the store that was made is for other entity types")
        engine = loaded.with_store(store).with_record(self._on_decision)
        engine._intake  # noqa: B018, SLF001 - which opens its fast paths
        self._engine, self._store, self._loaded_at = engine, store, datetime.now(UTC)
        self._version = self._files.version

    def _reload_shadow(self) -> None:
        shadow = self._shadow
        if shadow is None:
            return
        try:
            loaded = self._candidates.load(shadow.engine)
            engine = shadow.engine if loaded is None else loaded
            with self._swapping.lock:  # else it may keep a store that is changed meanwhile
                if engine is not None:
                    fits = self._store is not None and self._store.fits(engine.schema)
                    shadow.engine = engine.with_store(self._store if fits else None)
            shadow.last_error = None
        except Exception as found:  # noqa: BLE001 - the candidate is in nobody's way
            shadow.last_error = _without_frames(found)
            if not isinstance(found, PolicyError):
                self._candidates.tried = None  # as above

    # ---- changing facts -----------------------------------------------------------------

    def change_store(
        self, put: Iterable[EntityLike] = (), remove: Iterable[EntityLike | Key] = ()
    ) -> None:
        """Change the store (`EntityStore.with_changes`): decisions that begin when this returns know it.

        No change is lost, whatever other threads change, or reload, at the same time. Raises `InvalidRequest`
        if the change is refused, and `ValueError` if there is no store.
        """
        with self._swapping.lock:
            if self._store is None:
                raise ValueError(
                    "there is no store to change: give one, `PolicyHolder(…, store=…)`"
                )
            self._use(self._store.with_changes(put, remove))

    def use_store(self, store: EntityStore) -> None:
        """Decide with another store from now on. Raises `ValueError` if it was made for other entity types."""
        from policyengine.intake.store import EntityStore

        check_class("store", store, EntityStore, "make one with `engine.store`", optional=False)
        with self._swapping.lock:
            if not store.fits(self._engine.schema):
                raise ValueError("the store was made for other entity types")
            self._use(store)

    def _use(self, store: EntityStore) -> None:
        self._changes += 1
        self._store, self._engine = store, self._engine.with_store(store)
        shadow = self._shadow
        if shadow is not None and shadow.engine is not None and store.fits(shadow.engine.schema):
            shadow.engine = shadow.engine.with_store(store)

    # ---- watching -----------------------------------------------------------------------

    def close(self) -> None:
        """Look at the files no more. The engine still decides, and `reload` loads."""
        self._stop.set()
        _watching.discard(self)

    def _watch(self) -> None:
        self._stop = Event()
        finalize(self, self._stop.set)
        run = Thread(
            target=_look_again, args=(ref(self), self._stop, self._poll), name="policyengine reload",
            daemon=True,
        )  # fmt: skip
        run.start()

    def _look(self) -> None:
        """Reload if the files are others than before, and have been as they are for long enough."""
        watched = [self._files] if self._shadow is None else [self._files, self._candidates]
        states = [files.state() for files in watched]
        if states == [files.tried for files in watched]:
            self._seen = None
        elif self._seen is None or self._seen[0] != states:
            self._seen = states, monotonic()
        elif monotonic() - self._seen[1] >= max(self._quiet, self._pause(states)):
            self._seen = None
            self.reload()
            unsettled = any(files.tried is None for files in watched)
            self._pauses = (states, self._pause(states) * 2 or _FIRST_PAUSE) if unsettled else None

    def _pause(self, states: list[State]) -> float:
        """Return the seconds before the same files are loaded again: more each time, while they stay as they are."""
        of, seconds = self._pauses or (None, 0.0)
        return min(seconds, _LONGEST_PAUSE) if of == states else 0.0


def _paths(given: Any) -> list[Any]:
    """Return the paths that are given, or the one, which may be none."""
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    return [*given] if several else [given]


def _decide_twice(
    requests: Iterable[Asked], engine: PolicyEngine, shadow: Shadow, common: Common
) -> Iterator[Decision]:
    """Give the decision of *engine* on each request, and have it compared."""
    for request in requests:
        parts = parts_of(request, common)
        if parts is None:
            yield from engine.decide_each([request])
            continue
        asked = _asked_twice(Request(*parts), engine._limits.entities)  # noqa: SLF001 - those of its own engine
        [decided] = engine.decide_many([asked])
        said = None if decided.problems else decided
        shadow.compare(said, asked, engine)
        yield decided


def _asked_twice(asked: Request, most: int) -> Request:
    """Return a request that two engines decide at one moment."""
    subject, action, resource, context, now, fields, entities = asked.parts
    if isinstance(entities, Iterator):  # which is read but once, and may never end
        entities = first_of(entities, most + 1)
    moment = to_datetime(clock.now()) if now is None else now
    return Request(subject, action, resource, context, moment, fields, entities)


def _look_again(of: ref[PolicyHolder], stop: Event, poll: float) -> None:
    """Look at the files of a holder as long as it is there."""
    while not stop.wait(poll):
        holder = of()
        if holder is None:
            return
        try:
            holder._look()  # noqa: SLF001 - its own thread
        except Exception as problem:  # noqa: BLE001 - of `on_reload`; the next change may be fine
            _log("watching policies: %r", problem)
        del holder


_watching: WeakSet[PolicyHolder] = WeakSet()


def _watch_again() -> None:
    for holder in list(_watching):
        # What a thread of the parent was about to put in force does not come along, nor does the thread.
        holder._files.tried = holder._candidates.tried = None  # noqa: SLF001 - it is ours
        holder._watch()  # noqa: SLF001 - as above


in_forked_child(_watch_again)


def _without_frames(problem: Exception) -> Exception:
    """Return a problem that keeps nothing alive of what was loaded in vain."""
    problem.__cause__ = problem.__context__ = None
    return problem.with_traceback(None)


def _log(message: str, problem: Exception) -> None:
    from logging import getLogger  # which most runs never need

    with suppress(Exception):  # of a handler, which must not end the thread that looks at the files
        getLogger("policyengine.holder").warning(message, problem)
