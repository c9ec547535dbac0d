"""Call the stages in order, from files to decisions. Read this first.

    read → parse → check → link → (validate → decide)

Every stage takes a value and returns a value plus diagnostics; nothing is raised for a mistake in
a policy. Linking makes the decision function of a target when it is first needed: lower, simplify
and generate are called from there (see `compiler/link.py`).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics, error
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.semantics.checked import CheckedSet
from policyengine.semantics.checker import check
from policyengine.syntax.nodes import PolicyFile
from policyengine.syntax.parser import parse
from policyengine.syntax.syntax_errors import decode

if TYPE_CHECKING:
    from policyengine.runtime.program import Program

_DEFAULT = Limits()


def read_sources(
    paths: Iterable[str | os.PathLike[str]], limits: Limits = _DEFAULT
) -> tuple[dict[str, Source], list[Diagnostic]]:
    """Read policy files; of a folder, every `*.policy` file below it.

    A path that is missing, cannot be read, holds no policies or is not UTF-8 is a diagnostic.
    """
    sources: dict[str, Source] = {}
    problems: list[Diagnostic] = []
    for path in map(Path, paths):
        files = sorted(path.rglob("*.policy")) if path.is_dir() else [path]
        files = [file for file in files if not file.is_dir()]
        if not files:
            help = "policy files have names that end in `.policy`"
            problems.append(error("PE131", _at(path), f"there is no policy file in `{path}`", help))
        for file in files:
            if len(sources) >= limits.sources:
                message = f"a policy set has at most {limits.sources} files"
                return sources, [*problems, error("PE132", _at(path), message)]
            try:
                with file.open("rb") as stream:
                    data = stream.read(4 * limits.source_size + 1)  # a code point has four bytes
            except OSError as problem:
                reason = (problem.strerror or str(problem)).lower()
                message = f"`{file}` cannot be read: {reason}"
                problems.append(error("PE130", _at(file), message))
                continue
            source = decode(data, str(file))
            if isinstance(source, Diagnostic):
                problems.append(source)
            else:
                sources[source.name] = source
    return sources, problems


def _at(path: Path) -> Span:
    return Span(str(path), 0, 0)


def parse_sources(
    sources: Mapping[str, Source], limits: Limits = _DEFAULT
) -> tuple[list[PolicyFile], list[Diagnostic]]:
    """Parse every source; the files without mistakes, and the mistakes of the others."""
    files: list[PolicyFile] = []
    problems: list[Diagnostic] = []
    for source in sources.values():
        file, found = parse(source, limits)
        problems += found
        if file is not None:
            files.append(file)
    return files, problems


def check_sources(
    sources: Mapping[str, Source], limits: Limits = _DEFAULT, found: Sequence[Diagnostic] = ()
) -> tuple[CheckedSet | None, Diagnostics]:
    """Parse and check *sources* as one policy set; None if anything in it is an error.

    *found*: diagnostics of reading the sources. Types are checked only where everything parses: a
    file that does not would make names of the others unknown.
    """
    with uncollected():
        files, problems = parse_sources(sources, limits)
        problems += found
        checked = None
        if not problems and files:
            checked, problems = check(files, sources, limits)
    return checked, Diagnostics.of(problems, sources)


@contextmanager
def uncollected() -> Iterator[None]:
    """Let garbage wait: trees are large and hold none, and looking for it takes half of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def check_paths(
    paths: Iterable[str | os.PathLike[str]], limits: Limits = _DEFAULT
) -> tuple[CheckedSet | None, Diagnostics]:
    """Read, parse and check the policy set in *paths*."""
    sources, found = read_sources(paths, limits)
    return check_sources(sources, limits, found)


def compile_set(checked: CheckedSet) -> Program:
    """Link a checked set to a program that decides requests."""
    from policyengine.compiler.link import link  # who only checks needs no compiler

    return link(checked)
