"""Call the stages in order, from files to decisions. Read this first.

    read → parse → check → link → (validate → decide)

Every stage takes a value and returns a value plus diagnostics; nothing is raised for a mistake in
a policy. Linking makes the decision function of a target when it is first needed: lower, simplify
and generate are called from there (see `compiler/link.py`).

A stage is imported when it is called: a set that is found in the cache needs none of them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from policyengine.diagnostics.diagnostic import MOST_SHOWN, Diagnostic, Diagnostics, Severity
from policyengine.diagnostics.source import Source, of_size
from policyengine.diagnostics.spell import shared_budget
from policyengine.model.limits import Limits
from policyengine.runtime.gc_pause import gc_paused
from policyengine.syntax.files import read

if TYPE_CHECKING:
    from policyengine.cache.folder import Cache
    from policyengine.runtime.program import Program
    from policyengine.semantics.checked import CheckedSet
    from policyengine.syntax.nodes import PolicyFile
    from policyengine.syntax.parallel import Progress

_DEFAULT = Limits()


def _ignored(done: int, of: int) -> None:
    """Ignore the progress."""


def read_sources(
    paths: Iterable[str | os.PathLike[str]], limits: Limits = _DEFAULT
) -> tuple[dict[str, Source], list[Diagnostic]]:
    """Read policy files; of a folder, every `*.policy` file below it that is not hidden.

    A path that is missing, cannot be read, holds no policies or is not UTF-8 is a diagnostic.
    """
    return read(paths, limits)


def parse_sources(
    sources: Mapping[str, Source],
    limits: Limits = _DEFAULT,
    cache: Cache | None = None,
    progress: Progress = _ignored,
) -> tuple[list[PolicyFile], list[Diagnostic]]:
    """Parse every source; the files without mistakes, and the mistakes of the others.

    Files that are in *cache* are not parsed again. *progress* takes how many are parsed, of how many.
    """
    files: list[PolicyFile] = []
    problems: list[Diagnostic] = []
    if cache is not None:
        from policyengine.cache.tree_cache import find_tree, keep_tree

        kept = (find_tree(cache, source, limits) for source in sources.values())
        files = [file for file in kept if file is not None]
    known = {file.span.file for file in files}
    new = [source for source in sources.values() if source.name not in known]
    if not new:
        return files, problems
    from policyengine.syntax.parallel import parse_all

    for source, (file, found) in zip(new, parse_all(new, limits, progress), strict=True):
        problems += found
        if len(problems) >= MOST_SHOWN:  # to say what is wrong takes long, and nobody is shown
            break
        if file is not None:
            files.append(file)
            if cache is not None:
                keep_tree(cache, source, limits, file)
    return files, problems


def check_sources(
    sources: Mapping[str, Source],
    limits: Limits = _DEFAULT,
    found: Sequence[Diagnostic] = (),
    cache: Cache | None = None,
    progress: Progress = _ignored,
) -> tuple[CheckedSet | None, Diagnostics]:
    """Parse and check *sources* as one policy set; None if anything in it is an error.

    *found*: diagnostics of reading the sources. *cache* and *progress* as in `parse_sources`. Types are
    checked only if no declaration has a mistake of syntax, since names would be unknown; rules and tests
    that have one are left out.
    """
    from policyengine.semantics.checker import check

    with gc_paused(), shared_budget():
        files, problems = parse_sources(sources, limits, cache, progress)
        return _checked(
            files, problems, found, sources, limits, lambda files: check(files, sources, limits)
        )


class EditedSet:
    """Checks versions of one policy set, as an editor does: fast where little differs from the one before.

    Only files whose text differs are parsed; `semantics/incremental.py` says what is checked again. The
    results are those of `check_sources`. It is not for several threads at once.
    """

    def __init__(self, limits: Limits = _DEFAULT) -> None:
        from policyengine.semantics.incremental import IncrementalChecker

        self._limits = limits
        self._checker = IncrementalChecker(limits)
        self._trees: dict[tuple[str, str], PolicyFile] = {}

    def check(
        self, sources: Mapping[str, Source], found: Sequence[Diagnostic] = ()
    ) -> tuple[CheckedSet | None, Diagnostics]:
        """Check the set as it is now; *found* as in `check_sources`."""
        with gc_paused(), shared_budget():
            known = {name: self._trees.get((name, s.text)) for name, s in sources.items()}
            new = {name: sources[name] for name, tree in known.items() if tree is None}
            parsed, problems = parse_sources(new, self._limits)
            files = [*(tree for tree in known.values() if tree is not None), *parsed]
            self._trees = {(f.span.file, sources[f.span.file].text): f for f in files}
            return _checked(
                files, problems, found, sources, self._limits,
                lambda files: self._checker.check(files, sources),
            )  # fmt: skip


Check: TypeAlias = "Callable[[Sequence[PolicyFile]], tuple[CheckedSet | None, list[Diagnostic]]]"


def _checked(
    files: Sequence[PolicyFile],
    problems: Sequence[Diagnostic],
    found: Sequence[Diagnostic],
    sources: Mapping[str, Source],
    limits: Limits,
    check: Check,
) -> tuple[CheckedSet | None, Diagnostics]:
    """Check *files* if they are all of *sources*, else what is intact of them."""
    checked, problems = None, [*problems, *found]
    shown = of_size(sources, limits.source_size)
    if not problems and files:
        checked, problems = check(files)
    elif problems and not found and len(shown) == len(sources):
        problems += _of_intact_parts(files, problems, sources, limits, check)
    return checked, Diagnostics.of(problems, shown)


def _of_intact_parts(
    files: Sequence[PolicyFile],
    problems: Sequence[Diagnostic],
    sources: Mapping[str, Source],
    limits: Limits,
    check: Check,
) -> list[Diagnostic]:
    """Return the errors of names and types, if nothing but rules and tests has mistakes of syntax."""
    from policyengine.syntax.intact_parts import parse_intact

    if len(problems) >= MOST_SHOWN:  # some may not have been found
        return []
    intact = list(files)
    for name in dict.fromkeys(problem.span.file for problem in problems):
        own = [problem for problem in problems if problem.span.file == name]
        file = parse_intact(sources[name], own, limits)
        if file is None:
            return []
        intact.append(file)
    _, others = check(intact)
    about_rules = "PE209"  # the rule that is named may be one with a mistake
    return [p for p in others if p.severity is Severity.ERROR and p.code != about_rules]


def check_paths(
    paths: Iterable[str | os.PathLike[str]], limits: Limits = _DEFAULT
) -> tuple[CheckedSet | None, Diagnostics]:
    """Read, parse and check the policy set in *paths*."""
    sources, found = read_sources(paths, limits)
    return check_sources(sources, limits, found)


def compile_set(checked: CheckedSet) -> Program:
    """Link a checked set to a program that decides requests."""
    from policyengine.compiler.link import link  # a mere check needs no compiler

    return link(checked)


class LoadedSet(Struct, frozen=True, eq=False):
    """A policy set in force.

    *owed*: the names of the obligations that it may owe; *checked* makes the checked set when it is
    asked for, and once.
    """

    program: Program
    owed: frozenset[str]
    checked: Callable[[], CheckedSet]


def load_set(
    sources: Mapping[str, Source],
    limits: Limits = _DEFAULT,
    found: Sequence[Diagnostic] = (),
    cache: Cache | None = None,
    progress: Progress = _ignored,
) -> LoadedSet | Diagnostics:
    """Load *sources* as one policy set; the diagnostics, if anything in it is an error.

    With a *cache*, a set that is kept there is not checked again, and one that is not is compiled as a
    whole and kept. *progress* as in `parse_sources`.
    """
    if cache is None or found:
        return _linked(*check_sources(sources, limits, found, cache, progress))
    from policyengine.cache import program_cache

    name = program_cache.name_of(sources.values(), limits)

    @functools.cache
    def check_again() -> CheckedSet:
        checked, _ = check_sources(sources, limits, cache=cache)
        assert checked is not None, "it was without an error when it was kept"
        return checked

    kept = program_cache.find(cache, name, check_again)
    if kept is not None:
        return LoadedSet(*kept, check_again)
    checked, diagnostics = check_sources(sources, limits, (), cache, progress)
    if checked is not None and program_cache.keep(cache, name, checked):
        kept = program_cache.find(cache, name, lambda: checked)
        if kept is not None:  # targets that were compiled to be kept are not compiled again
            return LoadedSet(*kept, lambda: checked)
    return _linked(checked, diagnostics)


def _linked(checked: CheckedSet | None, diagnostics: Diagnostics) -> LoadedSet | Diagnostics:
    if checked is None:
        return diagnostics
    return LoadedSet(compile_set(checked), checked.owed, lambda: checked)
