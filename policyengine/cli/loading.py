"""Read and check the PATHs of a command, or report in one line why that cannot be done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.output import FailingInput, failing, show_diagnostics, working
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.cache.folder import Cache
    from policyengine.diagnostics.diagnostic import Diagnostics
    from policyengine.diagnostics.source import Source
    from policyengine.engine import PolicyEngine
    from policyengine.pipeline import LoadedSet
    from policyengine.semantics.checked import CheckedSet

_UNREADABLE = frozenset({"PE130", "PE131", "PE132"})
"""Codes of problems with a path, not with the text in it."""

_STDIN = "-"

MOST_OF_ENTITIES = 500_000_000
"""The bytes of entities that a command reads, some millions of entities: more are a mistake, or fill the memory."""
_NO_CACHE = "policyengine.no_cache"


def paths_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument `PATH…`, its parameter `paths`."""
    return click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())(
        command
    )


def cache_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--no-cache`, which `the_cache` reads."""

    def note(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta[_NO_CACHE] = value

    return click.option(
        "--no-cache",
        is_flag=True,
        expose_value=False,
        callback=note,
        help="Compile again, and keep nothing.",
    )(command)


def the_cache() -> Cache | None:
    """Return the cache that the command may use."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(_NO_CACHE):
        return None
    from policyengine.cache.key import open_cache

    return open_cache()


def read_policies(paths: Iterable[str]) -> tuple[dict[str, Source], list[Any]]:
    """Return the sources in *paths*, of which `-` is standard input, and diagnostics for files that are no text.

    Raises `FailingInput` if a path is missing, unreadable or without policies.
    """
    from policyengine.diagnostics.source import Source
    from policyengine.model.limits import Limits
    from policyengine.pipeline import read_sources
    from policyengine.syntax.decoding import decode

    paths = list(paths)
    files = [path for path in paths if path != _STDIN]
    sources, found = read_sources(files) if files else ({}, [])
    if len(files) < len(paths):
        given = decode(read_file(_STDIN, 4 * Limits().source_size), "standard input")
        if isinstance(given, Source):
            sources[given.name] = given
        else:
            found.append(given)
    for problem in found:
        if problem.code in _UNREADABLE:
            raise FailingInput(problem.message)
    return sources, found


def load_checked(paths: Iterable[str]) -> CheckedSet:
    """Return the checked policy set in *paths*.

    Raises `FailingInput` if it has an error, after showing every diagnostic on standard error.
    """
    from policyengine.pipeline import check_sources

    sources, found = read_policies(paths)
    with working("reading the policies") as progress:
        checked, diagnostics = check_sources(
            sources, found=found, cache=the_cache(), progress=progress
        )
    if checked is None:
        raise _useless(diagnostics)
    return checked


def load_program(paths: Iterable[str]) -> LoadedSet:
    """Return the compiled policy set in *paths*; raises `FailingInput` as `load_checked`."""
    from policyengine.pipeline import LoadedSet, load_set

    sources, found = read_policies(paths)
    with working("reading the policies") as progress:
        loaded = load_set(sources, found=found, cache=the_cache(), progress=progress)
    if not isinstance(loaded, LoadedSet):
        raise _useless(loaded)
    return loaded


def load_engine(
    paths: Iterable[str], entities: str | None = None, given: bytes | None = None
) -> PolicyEngine:
    """Return the engine of the policy set in *paths*, with a store of the *entities* in a file.

    *given*: what `read_entities` returned of them, since standard input is read but once.
    """
    from policyengine.engine import PolicyEngine
    from policyengine.intake.store import EntityStore
    from policyengine.model.errors import InvalidRequest
    from policyengine.model.limits import Limits

    loaded = load_program(paths)
    program, store = loaded.program, None
    if entities is not None:
        try:
            given = read_entities(entities) if given is None else given
            store = EntityStore.from_json(program.schema, given, Limits())
        except InvalidRequest as problem:
            raise failing(f"`{entities}`:", problem.problems) from None
    return PolicyEngine(program, loaded.checked, limits=Limits(), store=store)


def _useless(diagnostics: Diagnostics) -> FailingInput:
    """Show the diagnostics of a set on standard error; return the exception to raise."""
    show_diagnostics(diagnostics, aside=True)
    count = plural(len(diagnostics.errors), "error")
    return FailingInput(f"the policy set has {count}, so it cannot be used")


def read_entities(name: str) -> bytes:
    """Return what is in a file of entities, or in standard input; raises `FailingInput` if that is too much."""
    data = read_file(name, MOST_OF_ENTITIES)
    if len(data) > MOST_OF_ENTITIES:
        raise FailingInput(f"`{name}`: it has more than {MOST_OF_ENTITIES:,} bytes")
    return data


def read_file(name: str, most: int) -> bytes:
    """Return the content of a file, or of standard input where *name* is `-`.

    Of what has more than *most* bytes: no more than it takes to see that, or raises `OSError`.
    """
    if name == _STDIN:
        return _standard_input(most + 1)
    from policyengine.diagnostics.reading import read_regular

    return read_regular(name, most)


def _standard_input(most: int) -> bytes:
    """Read at most so many bytes: piece by piece, since Python takes the memory of all that it is asked for."""
    pieces: list[bytes] = []
    while most and (piece := sys.stdin.buffer.read(min(most, _PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


_PIECE = 1 << 20
