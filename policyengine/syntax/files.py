"""Find policy files, and read them.

With `os`: each load reads files, and loading `pathlib` takes as long as reading a hundred of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.syntax.decoding import decode


def read(
    paths: Iterable[str | os.PathLike[str]], limits: Limits
) -> tuple[dict[str, Source], list[Diagnostic]]:
    """Read the policy files in *paths*, and say what is wrong with some."""
    sources: dict[str, Source] = {}
    problems: list[Diagnostic] = []
    for path in map(_plain, paths):
        files = policy_files(path) if os.path.isdir(path) else [path]
        if not files:
            help = "policy files have names that end in `.policy`"
            problems.append(error("PE131", _at(path), f"there is no policy file in `{path}`", help))
        for file in files:
            if len(sources) >= limits.sources:
                message = f"a policy set has at most {limits.sources} files"
                return sources, [*problems, error("PE132", _at(path), message)]
            try:
                with open(file, "rb") as stream:
                    data = stream.read(4 * limits.source_size + 1)  # a code point has four bytes
            except OSError as problem:
                reason = (problem.strerror or str(problem)).lower()
                message = f"`{file}` cannot be read: {reason}"
                problems.append(error("PE130", _at(file), message))
                continue
            source = decode(data, file)
            if isinstance(source, Diagnostic):
                problems.append(source)
            else:
                sources[source.name] = source
    return sources, problems


def policy_files(folder: str | os.PathLike[str]) -> list[str]:
    """Return the policy files below *folder*, but for those in `.venv`, `.git` and their like."""
    found: list[str] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        policies = [n for n in names if n.endswith(".policy") and not n.startswith(".")]
        found += [_plain(os.path.join(where, name)) for name in policies]
    return sorted(found, key=lambda file: file.split(os.sep))


def _plain(path: str | os.PathLike[str]) -> str:
    """Return *path* as diagnostics show it: `a.policy`, not `./a.policy`."""
    return os.fspath(path).removeprefix(os.curdir + os.sep) or os.curdir


def _at(path: str) -> Span:
    return Span(path, 0, 0)
