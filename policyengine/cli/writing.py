"""Replace the texts of policy files, and show the changes."""

from __future__ import annotations

import shutil
import tempfile
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from policyengine.cli.output import FailingInput, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from policyengine.diagnostics.source import Source


def replace_files(changes: Sequence[tuple[Source, str]]) -> None:
    """Replace the texts of files, each whole or not at all, with the same permissions.

    Raises `FailingInput`, and writes nothing, if one of them has changed since it was read.
    """
    from policyengine.diagnostics.reading import read_regular
    from policyengine.syntax.decoding import decode

    for before, _ in changes:
        if decode(read_regular(before.name), before.name) != before:
            raise FailingInput(f"`{before.name}` has changed meanwhile, so nothing was written")
    for before, text in changes:
        _write(Path(before.name), text)


def _write(path: Path, text: str) -> None:
    target = path.resolve()  # a link stays a link
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=target.parent, prefix=".policy-", delete=False
    ) as file:
        file.write(text)
    try:
        shutil.copymode(target, file.name)
        Path(file.name).replace(target)
    except OSError:
        Path(file.name).unlink()
        raise


_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show_diff(before: Source, text: str, how: str) -> None:
    """Write the changes; *how* describes the new text: `formatted`."""
    name = before.name
    old, new = before.text.splitlines(), text.splitlines()
    for line in unified_diff(old, new, name, f"{name} ({how})", lineterm=""):
        say(line, _DIFF_STYLES.get(line[:1]))
