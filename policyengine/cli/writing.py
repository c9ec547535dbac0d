"""Replace the texts of policy files, and show the changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from codecs import BOM_UTF8
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from policyengine.cli.output import FailingInput, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.diagnostics.source import Source


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
