"""Hold that the services on the pages of the frameworks are typed, and that an adapter loads its own framework alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("fastapi", "flask", "litestar")
_FILE = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_services_of_the_pages_are_typed_without_any(tmp_path: Path):
    """One run of mypy, which takes seconds, is for all."""
    files = []
    for page in PAGES:
        code = dict(_FILE.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")))["service.py"]
        assert "Any" not in code
        file = tmp_path / f"{page}_service.py"
        file.write_text(code, encoding="utf-8")
        files.append(str(file))
    options = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    shown, mistakes, _ = api.run([*options, *files])
    assert (mistakes, shown.partition(":")[0]) == ("", "Success")


FRAMEWORKS = {
    "fastapi": "fastapi",
    "starlette": "fastapi",
    "flask": "flask",
    "litestar": "litestar",
}


@pytest.mark.parametrize("adapter", FRAMEWORKS)
def test_an_adapter_says_what_to_install(adapter: str):
    hidden = {"fastapi", "starlette", "flask", "litestar"}
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))\n"
        f"import policyengine.adapters.enforcement\nimport policyengine.adapters.{adapter}"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"install `policyengine-dsl[{FRAMEWORKS[adapter]}]`" in run.stderr.splitlines()[-1]
