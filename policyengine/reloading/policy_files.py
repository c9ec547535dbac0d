"""Load a policy set from files again when they changed, and only if they held still meanwhile."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from msgspec import Struct

from policyengine.diagnostics.reading import read_regular, reason
from policyengine.engine import PolicyEngine
from policyengine.model.errors import InvalidPolicy, NotReloaded
from policyengine.model.fulfilment import Handler
from policyengine.model.limits import Limits
from policyengine.model.settings import check_done, check_paths

if TYPE_CHECKING:
    from policyengine.diagnostics.diagnostic import Diagnostic

T = TypeVar("T")

State: TypeAlias = tuple[object, ...]
"""What the system says of each file; if it is the same, so are the files."""

_ATTEMPTS: Final = 3
_RECENT: Final = 2_000_000_000
"""Nanoseconds: a file that is younger may be changed again without its time changing."""
_MOST_TOLD: Final = 5
_LONGEST_VERSION: Final = 100
"""Bytes of the file of a version, line ends included."""


class PolicyFiles:
    """A policy set in files, which may change. Takes what `PolicyEngine.load` takes.

    *tests*: whether a set is refused unless its own tests pass, of which there must be some. *on_load* is called
    with each engine that was loaded. *version*: a file with a number, which another set must raise.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        obligations: Mapping[str, Handler] | Collection[str] | None,
        limits: Limits | None,
        cache: bool | str | os.PathLike[str],
        tests: bool,
        on_load: Callable[[PolicyEngine], object] | None = None,
        version: str | os.PathLike[str] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        check_paths(self._paths)
        self._version_file = version
        self._limits = limits or Limits()
        self._given: dict[str, Any] = {
            "obligations": obligations,
            "limits": self._limits,
            "cache": cache,
        }
        self._tests = tests
        self._on_load = on_load
        self.tried: State | None = None
        """The state of the files when they were loaded last, with whatever result; None if they may be others by now."""
        self.read: State | None = None
        """The same, whether or not they may be others."""
        self.version: int | None = None
        """The number of the set that was loaded last."""
        self._least = 0
        """The highest number that was beside the texts of the set in force; it may have come before those of the next."""

    def state(self) -> State:
        """Return what the system says of the files now."""
        from policyengine.syntax.files import policy_files

        found: list[object] = []
        for path in self._paths:
            found.append(_leading_to(path))
            unread: list[OSError] = []  # what is in such a folder may forbid
            is_folder = Path(path).is_dir()
            files = policy_files(path, unread.append) if is_folder else [os.fspath(path)]
            found += map(_FileState.of, files)
            found += sorted(str(problem.filename) for problem in unread)
        if self._version_file is not None:
            found.append(_FileState.of(os.fspath(self._version_file)))
        return tuple(found)

    def load(
        self, in_force: PolicyEngine | None = None, above: int | None = None
    ) -> PolicyEngine | None:
        """Load the set as it is now; None if that is the set of the engine that is *in_force*, whose number is *above*.

        Raises what `PolicyEngine.load` raises, and `NotReloaded`.
        """
        for _ in range(_ATTEMPTS):
            before = self.read = self.state()
            self.tried = None if _is_recent(before) else before
            engine = self._loaded(in_force)
            version = self._beside() if engine is None else self._version()
            if self.state() == before:
                break
        else:
            raise NotReloaded(
                "the files changed while they were read: write them elsewhere, and switch a link"
            )
        if engine is None:
            self._least = max(version or 0, self._least)
            return None
        if version is not None and above is not None:
            self._check_version(version, above)
        if self._tests:
            _run_tests(engine, self._limits)
        if self._on_load is not None:
            self.by_others("on_load", self._on_load, engine)
        self.version = version
        return engine

    def by_others(self, name: str, do: Callable[[PolicyEngine], T], engine: PolicyEngine) -> T:
        """Return what a function of others makes of an engine; if it raises, it may pass with no change of the files."""
        tried, self.tried = self.tried, None
        done = do(engine)
        check_done(name, done)
        self.tried = tried
        return done

    def _loaded(self, in_force: PolicyEngine | None) -> PolicyEngine | None:
        """Return the engine of the files; None if they have the texts of the one that is *in_force*."""
        try:
            if in_force is not None and self._texts() == _texts_of(in_force):
                return None
            return PolicyEngine.load(*self._paths, **self._given)
        except InvalidPolicy as problem:
            if _is_unread(problem.diagnostics):
                self.tried = None
            raise

    def _check_version(self, version: int, above: int) -> None:
        """Raise `NotReloaded` unless another set may take over with a number."""
        if version <= above:
            raise NotReloaded(
                f"the set in the files has the version {version}, and {above} is in force: another set needs a higher one"
            )
        if version < self._least:
            raise NotReloaded(
                f"the set in the files has the version {version}, and the set in force had {self._least} as well:"
                " another set needs a higher one"
            )

    def _beside(self) -> int | None:
        """Return the number that is beside the texts, if there is one."""
        with suppress(NotReloaded):
            return self._version()
        return None

    def _version(self) -> int | None:
        """Return the number that is in the file for it; None if there is to be none."""
        file = self._version_file
        if file is None:
            return None
        try:
            text = read_regular(file, _LONGEST_VERSION)
        except OSError as problem:
            if problem.errno != errno.ENOENT:  # of which the state says that it comes
                self.tried = None
            raise NotReloaded(f"the version in `{file}`: {reason(problem)}") from None
        if re.fullmatch(rb"[0-9]{1,18}\s*", text) is None:
            raise NotReloaded(
                f"the version in `{file}` must be a whole number of at most 18 digits"
            )
        return int(text)

    def _texts(self) -> dict[str, str] | None:
        """Return the texts of the files, None if something is wrong with some.

        Raises `InvalidPolicy` if some cannot be read: as that is tried again and again, the others are not even parsed.
        """
        from policyengine.diagnostics.diagnostic import Diagnostics
        from policyengine.diagnostics.render import render_all
        from policyengine.pipeline import read_sources

        sources, problems = read_sources(self._paths, self._limits)
        if _is_unread(problems):
            found = Diagnostics.of(problems, sources)
            raise InvalidPolicy(found, render_all(found))
        return None if problems else {name: source.text for name, source in sources.items()}


def _leading_to(path: str | os.PathLike[str]) -> str:
    """Return the path to which one leads, also by links; itself if it is not the name of any."""
    try:
        return os.path.realpath(path)
    except ValueError:  # a null character in it, which loading reports
        return os.fspath(path)


class _FileState(Struct, frozen=True):
    """What the system says of a file: times in nanoseconds. Not even a name is left of one that is gone."""

    name: str
    changed: int
    altered: int
    size: int
    place: tuple[int, int]

    @classmethod
    def of(cls, file: str) -> _FileState | None:
        try:
            stat = Path(file).stat()
        except (OSError, ValueError):
            return None
        place = stat.st_dev, stat.st_ino
        return cls(file, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, place)


def _is_recent(state: State) -> bool:
    now = time.time_ns()
    times = [max(one.changed, one.altered) for one in state if isinstance(one, _FileState)]
    return any(now - _RECENT < changed <= now for changed in times)


def _is_unread(problems: Iterable[Diagnostic]) -> bool:
    """Whether there is a file that could not be read, as where too many are open: it may be read, with no change, later."""
    files = [one.span.file for one in problems if one.code == "PE130"]
    return any(map(os.path.lexists, files))


def _texts_of(engine: PolicyEngine) -> dict[str, str]:
    origin = engine._origin  # noqa: SLF001 - what it was loaded from
    assert origin is not None
    return {name: source.text for name, source in origin.sources.items()}


def _run_tests(engine: PolicyEngine, limits: Limits) -> None:
    from policyengine.testing.runner import run_tests

    checked, program = engine._checked(), engine._program  # noqa: SLF001 - which a runner takes
    results = run_tests(checked, program, limits=limits).results
    if not results:
        raise NotReloaded("the set has no tests, and it was to be put in force if they pass")
    wrong = [
        f"{result.span.file}, test “{result.title}”: {problem.message}"
        for result in results
        for problem in result.problems
    ]
    if wrong:
        more = [f"and {len(wrong) - _MOST_TOLD} more"] if len(wrong) > _MOST_TOLD else []
        raise NotReloaded(
            "\n".join(["the tests of the set do not pass:", *wrong[:_MOST_TOLD], *more])
        )


def warm_like(new: PolicyEngine, old: PolicyEngine) -> None:
    """Compile for an engine what was compiled for another, as far as it has the same actions and types."""
    program = new._program  # noqa: SLF001 - which engines have for this
    for target, compiled in list(old._program._used.items()):  # noqa: SLF001 - as above
        if new.schema.has(target):
            made = program.compiled(target)
            if "explainer" in compiled.__dict__:
                made.warm_reasons()
    new._prepared.readers.open_like(old._prepared.readers)  # noqa: SLF001 - as above
