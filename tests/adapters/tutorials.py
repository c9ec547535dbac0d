"""Write the services on the pages of the frameworks to files, for type checkers: `python -m tests.adapters.tutorials FOLDER`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("fastapi", "flask", "litestar", "mcp")
WITH_STUBS = ("django-views",)
"""Pages for the types of frameworks that have none themselves, with which `make pyright` reads them."""

_FILE = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs(page: str) -> dict[str, str]:
    """Return the programs on a page, by the names of their files."""
    return dict(_FILE.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")))


def write(folder: Path) -> None:
    """Write the programs of all pages, each page to a folder of its own."""
    for page in (*PAGES, *WITH_STUBS):
        (folder / page).mkdir(parents=True, exist_ok=True)
        for name, code in programs(page).items():
            (folder / page / name).write_text(code, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
