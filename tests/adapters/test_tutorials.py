"""Hold that the services on the pages of the frameworks are typed, and that an adapter loads its own framework alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

from tests.adapters import tutorials
from tests.whole import WHOLE

KEPT = Path(__file__).parents[2] / ".mypy_cache" / "tutorials"
"""Of a first run, which takes seconds; frameworks seldom change."""


@pytest.mark.skipif(
    not WHOLE, reason="`make whole` has mypy read the frameworks, which takes it long"
)
def test_the_programs_of_the_pages_are_typed_without_any(tmp_path: Path):
    """One run of mypy is for all: of those that are modules of one name, the first alone."""
    tutorials.write(tmp_path)
    files = {page: sorted((tmp_path / page).glob("*.py")) for page in tutorials.PAGES}
    for page, name in (("flask", "flask_service.py"), ("litestar", "litestar_service.py")):
        (service,) = (file for file in files[page] if file.name == "service.py")
        files[page] = [service.rename(tmp_path / name)]
    found = [str(file) for group in files.values() for file in group]
    assert len(found) == 7
    assert not any("Any" in Path(file).read_text(encoding="utf-8") for file in found)
    options = ["--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={KEPT}"]
    shown, mistakes, _ = api.run([*options, *found])
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
