"""Write a report into a folder, all or nothing.

The files are written into a folder beside it, which then takes its place; an interruption leaves the old report. A
folder with files of others is never touched: a report lists its own files in `files.txt`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from policyengine.diagnostics.reading import read_regular

_LIST = "files.txt"
_FIRST = "A report of policyengine. It is replaced as a whole; its files are:"


class OtherFilesError(Exception):
    """The folder holds what is no part of a report; the text says what."""


def check_folder(folder: Path) -> None:
    """Raise `OtherFilesError` unless *folder* is absent, empty or a report, or `OSError` if it cannot be read."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OtherFilesError(f"`{folder}` is no folder")
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    }
    if not present:
        return
    listed: set[str] = set()
    if _LIST in present:
        lines = read_regular(folder / _LIST).decode(errors="replace").splitlines()
        listed = {_LIST, *lines[1:]} if lines[:1] == [_FIRST] else set()
    others = sorted(present - listed)
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise OtherFilesError(f"`{folder}` holds what is no report: `{others[0]}`{more}")


def write_site(folder: Path, pages: Iterable[tuple[str, str | bytes]]) -> tuple[int, int]:
    """Write *pages* (path and content) as *folder*, in place of a report there; return their number and bytes.

    Raises `OtherFilesError` as `check_folder`.
    """
    folder = Path(os.path.realpath(folder))
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        names, size = [], 0
        for name, content in pages:
            data = content.encode() if isinstance(content, str) else content
            path = made / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            names.append(name)
            size += len(data)
        (made / _LIST).write_text("\n".join((_FIRST, *sorted(names))) + "\n", encoding="utf-8")
        made.chmod(0o777 & ~_umask())
        check_folder(folder)
        _put_in_place(made, folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return len(names), size


def _put_in_place(made: Path, folder: Path) -> None:
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_name(f"{made.name}.old")
    folder.rename(old)
    try:
        made.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
