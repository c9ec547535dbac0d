"""Replace the texts of policy files, show the changes, and keep what a command reads from what it writes."""

from __future__ import annotations

import os
import shutil
import tempfile
from codecs import BOM_UTF8
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from policyengine.cli.output import FailingInput, say, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from policyengine.diagnostics.source import Source


def keep_inputs(
    written: Mapping[str, str | None], read: Mapping[str, Iterable[str | None]]
) -> None:
    """Raise `FailingInput` if a command would write a file that it reads, or one twice, by whatever name.

    Both are given by the option or argument that names them; a folder that is read is its policy files.
    """
    from policyengine.syntax.files import policy_files

    taken: dict[object, str] = {}
    for option, names in read.items() if any(written.values()) else ():
        for name in filter(None, names):
            files = policy_files(name) if Path(name).is_dir() else [name]
            taken.update((_identity(file), option) for file in files)
    for option, file in written.items():
        if file is None:
            continue
        other = taken.setdefault(_identity(file), option)
        if other != option:
            raise FailingInput(f"{option} and {other} are one file: `{visible(file)}`")


def _identity(name: str) -> object:
    """Return what two names of one file have in common: also links to it, and of what is not there yet."""
    try:
        status = Path(name).stat()
    except OSError:
        return os.path.realpath(name)
    return status.st_dev, status.st_ino


def replace_files(changes: Sequence[tuple[Source, str]]) -> None:
    """Replace the texts of files, each whole or not at all, with the same permissions and byte-order marks.

    Raises `FailingInput`, and writes nothing, if one of them has changed since it was read.
    """
    from policyengine.diagnostics.reading import read_regular
    from policyengine.syntax.decoding import decode

    marks = []
    for before, _ in changes:
        data = read_regular(before.name)
        if decode(data, before.name) != before:
            raise FailingInput(f"`{before.name}` has changed meanwhile, so nothing was written")
        marks.append(BOM_UTF8 if data.startswith(BOM_UTF8) else b"")
    for mark, (before, text) in zip(marks, changes, strict=True):
        _write(Path(before.name), mark + text.encode())


def _write(path: Path, data: bytes) -> None:
    target = Path(os.path.realpath(path))  # a link stays a link
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".policy-")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        shutil.copymode(target, beside)
        beside.replace(target)
    except BaseException:  # also what interrupts
        beside.unlink(missing_ok=True)
        raise


_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show_diff(before: Source, text: str, how: str) -> None:
    """Write the changes; *how* describes the new text: `formatted`."""
    name = before.name
    old, new = before.text.splitlines(), text.splitlines()
    for line in unified_diff(old, new, name, f"{name} ({how})", lineterm=""):
        say(line, _DIFF_STYLES.get(line[:1]), code=True)
