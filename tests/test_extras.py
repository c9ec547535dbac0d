"""What is missing is named by the extra that has it, as pyproject.toml calls the distribution."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = {
    "sqlalchemy": "sqlalchemy", "django": "django", "tables": "ibis", "fastapi": "fastapi", "flask": "flask",
    "litestar": "litestar", "mcp": "fastmcp", "otel": "opentelemetry",
}  # fmt: skip
"""The package of an extra that modules import when they are imported."""
NAMED = re.compile(r"policyengine(?:\.[a-z_]+)+")
CODE = """
import importlib, sys
sys.modules[sys.argv[1]] = None
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except ImportError as lacking:
        print(name, lacking)
"""


def documented(package: str) -> list[str]:
    """Return the modules that the documents import, and that import *package* themselves."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    found = {name for page in pages for name in NAMED.findall(page.read_text(encoding="utf-8"))}
    of = re.compile(rf"^\s*(?:from|import) {package}\b", re.MULTILINE)
    sources = {name: (ROOT / name.replace(".", "/")).with_suffix(".py") for name in sorted(found)}
    return [n for n, at in sources.items() if at.exists() and of.search(at.read_text("utf-8"))]


@pytest.mark.parametrize("extra", sorted(PACKAGES))
def test_a_documented_module_names_the_extra_that_it_lacks(extra):
    assert extra in PROJECT["optional-dependencies"]
    modules = documented(PACKAGES[extra])
    assert modules
    run = subprocess.run(
        [sys.executable, "-c", CODE, PACKAGES[extra], *modules],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    said = run.stdout.splitlines()
    wanted = f"install `{PROJECT['name']}[{extra}]`"
    assert [line for line in said if wanted not in line] == []
    assert len(said) == len(modules)


def test_every_extra_that_is_named_is_one():
    named = re.compile(re.escape(PROJECT["name"]) + r"\[(\w+)\]")
    texts = (page.read_text(encoding="utf-8") for page in (ROOT / "policyengine").rglob("*.py"))
    extras = {extra for text in texts for extra in named.findall(text)}
    assert extras
    assert extras <= PROJECT["optional-dependencies"].keys()
    assert not [
        page
        for page in (ROOT / "policyengine").rglob("*.py")
        if "`pip install" in page.read_text(encoding="utf-8")
    ]
