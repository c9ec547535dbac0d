"""Load a policy set for an engine, from files or texts, and check that its obligations are fulfilled."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from policyengine.model.errors import InvalidPolicy, UnhandledObligation
from policyengine.model.settings import check_called, check_paths, check_texts, shown_type

if TYPE_CHECKING:
    from policyengine.cache.folder import Cache
    from policyengine.diagnostics.source import Source
    from policyengine.model.fulfilment import Handler
    from policyengine.model.limits import Limits
    from policyengine.runtime.program import Program
    from policyengine.semantics.checked import CheckedSet

Fulfilled: TypeAlias = "Mapping[str, Handler] | Collection[str] | None"
"""The obligations that an integrator fulfils: names, or with a handler each; None if that is not checked."""


class Origin(Struct, frozen=True, eq=False):
    """The sources of an engine: texts, and the *obligations* that were said to be fulfilled."""

    sources: Mapping[str, Source]
    obligations: frozenset[str] | None


class Loaded(Struct, frozen=True, eq=False):
    """A policy set that is in force: what an engine is made of."""

    program: Program
    checked: Callable[[], CheckedSet]
    handlers: Mapping[str, Handler] | None
    origin: Origin


def load_files(
    paths: Iterable[str | os.PathLike[str]],
    obligations: Fulfilled,
    limits: Limits,
    cache: bool | str | os.PathLike[str],  # noqa: FBT001 - as it was given
) -> Loaded:
    """Load the policy files in *paths*, as `PolicyEngine.load` does."""
    from policyengine.pipeline import read_sources  # loading from text is what needs Lark

    paths = tuple(paths)
    check_paths(paths)
    if not isinstance(cache, bool):
        check_paths([cache])
    sources, found = read_sources(paths, limits)
    folder = None if isinstance(cache, bool) else cache
    opened = None
    if cache is not False:
        from policyengine.cache.key import open_cache

        opened = open_cache(folder)
    return load_sources(sources, found, obligations, limits, opened)


def _check_handlers(obligations: Fulfilled) -> None:
    """Raise `TypeError` for what is neither names nor names with handlers."""
    if isinstance(obligations, str):
        raise TypeError("`obligations` are names, or with a function each, and not one text")
    if not (obligations is None or isinstance(obligations, Collection)):
        raise TypeError(
            f"`obligations` are names, or with a function each, and not {shown_type(obligations)}"
        )
    if isinstance(obligations, Mapping):
        for name, handler in obligations.items():
            check_called(f"obligations[{name!r}]", handler)


def load_texts(texts: Iterable[str], obligations: Fulfilled, limits: Limits) -> Loaded:
    """Load policy files from their texts."""
    from policyengine.diagnostics.diagnostic import error
    from policyengine.diagnostics.source import Source, Span

    texts = tuple(texts)
    check_texts(texts)
    names = [(f"text {number}", text) for number, text in enumerate(texts, 1)]
    found = []
    if not names:
        message = "nothing to load: give the text of a policy file"
        found.append(error("PE131", Span("text", 0, 0), message))
    sources = {name: Source(name, text) for name, text in names}
    return load_sources(sources, found, obligations, limits)


def load_sources(
    sources: Mapping[str, Any],
    found: Iterable[Any],
    obligations: Fulfilled,
    limits: Limits,
    cache: Cache | None = None,
) -> Loaded:
    """Load a set from its sources, of which diagnostics were *found* already.

    Raises `InvalidPolicy` and `UnhandledObligation`.
    """
    from policyengine.pipeline import LoadedSet, load_set

    _check_handlers(obligations)
    loaded = load_set(sources, limits, tuple(found), cache)
    if not isinstance(loaded, LoadedSet):
        from policyengine.diagnostics.render import render_all

        raise InvalidPolicy(loaded, render_all(loaded))
    if obligations is not None:
        unhandled = sorted(loaded.owed - set(obligations))
        if unhandled:
            raise UnhandledObligation(tuple(unhandled))
    handlers = obligations if isinstance(obligations, Mapping) else None
    origin = Origin(sources, None if obligations is None else frozenset(obligations))
    return Loaded(loaded.program, loaded.checked, handlers, origin)
