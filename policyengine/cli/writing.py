"""Put new texts in the place of policy files, and show what would change."""

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
    """Put texts in the place of files, each whole or not at all, with the permissions it had.

    Raises `FailingInput`, and writes nothing, if one of them is not any more what was read.
    """
    from policyengine.syntax.decoding import decode

    for before, _ in changes:
        if decode(Path(before.name).read_bytes(), before.name) != before:
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
    """Write what would change; *how* says after what: `formatted`."""
    name = before.name
    old, new = before.text.splitlines(), text.splitlines()
    for line in unified_diff(old, new, name, f"{name} ({how})", lineterm=""):
        say(line, _DIFF_STYLES.get(line[:1]))
