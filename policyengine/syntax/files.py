"""Find policy files, and read them.

With `os`: each load reads files, and loading `pathlib` takes as long as reading a hundred of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

from policyengine.diagnostics.diagnostic import Diagnostic, error
from policyengine.diagnostics.reading import read_regular, reason
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.syntax.decoding import decode

_LINK = "it is a link to a folder: give that folder beside this one"


def read(
    paths: Iterable[str | os.PathLike[str]], limits: Limits
) -> tuple[dict[str, Source], list[Diagnostic]]:
    """Read the policy files in *paths*, and say what is wrong with some."""
    sources: dict[str, Source] = {}
    problems: list[Diagnostic] = []
    given = [os.fspath(path) for path in paths]
    plain = [_plain(path) for path in given if path]  # an empty one is a setting that was forgotten
    if not given or len(plain) < len(given):
        message = "nothing to load: give a file or a folder"
        empty = "an empty path names neither; this folder is `.`" if given else ""
        problems.append(error("PE131", _at(os.curdir), message, empty))
    for path in plain:
        unread: list[OSError] = []
        files = policy_files(path, unread.append) if os.path.isdir(path) else [path]
        problems += [_unread(str(problem.filename), problem, limits) for problem in unread]
        if not files and not unread:
            help = "policy files have names that end in `.policy`"
            problems.append(error("PE131", _at(path), f"there is no policy file in `{path}`", help))
        for file in files:
            if len(sources) >= limits.sources:
                message = f"a policy set has at most {limits.sources} files"
                return sources, [*problems, error("PE132", _at(path), message)]
            try:
                data = read_regular(file, 4 * limits.source_size)  # a code point has four bytes
            except OSError as problem:
                problems.append(_unread(file, problem, limits))
                continue
            source = decode(data, file)
            if isinstance(source, Diagnostic):
                problems.append(source)
            else:
                sources[source.name] = source
    return sources, problems


def _unread(file: str, problem: OSError, limits: Limits) -> Diagnostic:
    if problem.errno == errno.EFBIG:
        message = f"this file has more than {limits.source_size:,} characters"
        return error("PE106", _at(file), message, "spread it over several files")
    return error("PE130", _at(file), f"`{file}` cannot be read: {reason(problem)}")


def policy_files(
    folder: str | os.PathLike[str], unread: Callable[[OSError], None] | None = None
) -> list[str]:
    """Return the policy files below *folder*, but for those in `.venv`, `.git` and their like.

    *unread* is called for each folder that cannot be read, or that a link leads to: forbids may be in it.
    """
    found: list[str] = []
    for where, folders, names in os.walk(folder, onerror=unread):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            inside = os.path.join(where, name)
            if unread is not None and os.path.islink(inside):  # it may lead in circles, or anywhere
                unread(OSError(errno.ELOOP, _LINK, _plain(inside)))
        policies = [n for n in names if n.endswith(".policy") and not n.startswith(".")]
        found += [_plain(os.path.join(where, name)) for name in policies]
    return sorted(found, key=lambda file: file.split(os.sep))


def _plain(path: str | os.PathLike[str]) -> str:
    """Return *path* as diagnostics show it: `a.policy`, not `./a.policy`."""
    return os.fspath(path).removeprefix(os.curdir + os.sep) or os.curdir


def _at(path: str) -> Span:
    return Span(path, 0, 0)
