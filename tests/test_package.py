"""Hold what the package promises to those who install it."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import policyengine

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]


def test_every_public_name_can_be_had():
    for name in policyengine.__all__:
        assert getattr(policyengine, name) is not None
    assert set(policyengine.__all__) <= set(dir(policyengine))


def test_a_name_is_what_its_room_calls_so():
    assert policyengine.Decision is import_module("policyengine.model.decision").Decision


def test_a_name_that_there_is_not():
    with pytest.raises(AttributeError, match="no attribute 'Engine'"):
        _ = policyengine.Engine


def test_what_types_see_is_what_runs():
    """The imports under TYPE_CHECKING and the table of homes say the same."""
    tree = ast.parse((ROOT / "policyengine" / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module.removeprefix("policyengine.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("policyengine.")
        for alias in node.names
    }
    assert seen == {**policyengine._HOMES, "__version__": "version"}
    assert seen.keys() == set(policyengine.__all__)


OWN = {
    "Answered", "Evidence", "Line", "Listed", "Source", "Span", "StoreIndex", "Stored", "TargetGates",
    "TargetKey",
    "Answer", "Period",  # parts of a `Timeline`
    "DecidedTable",  # needs an extra: `policyengine.tables.ibis_tables`
}  # fmt: skip
"""What methods mention that integrators do not call."""


def test_what_a_signature_mentions_can_be_had():
    mentioned = set[str]()
    for name in policyengine.__all__:
        value = getattr(policyengine, name)
        for member, given in vars(value).items() if isinstance(value, type) else ():
            called = getattr(given, "fget", None) or getattr(given, "__func__", given)
            made = member == "__init__" and name not in ("PolicyEngine", "Explanation")
            if made or not member.startswith("_"):
                said = getattr(called, "__annotations__", {})
                texts = [text for text in said.values() if isinstance(text, str)]
                mentioned |= {w for text in texts for w in re.findall(r"\b[A-Z]\w+", text)}
    kinds = set[str]()
    for path in ROOT.glob("policyengine/**/*.py"):
        text = path.read_text(encoding="utf-8")
        kinds |= set(re.findall(r"^(?:class )?(\w+)(?=[:(]).*", text, re.MULTILINE))
    assert {"PolicyEngine", "AttributeSource", "Key"} <= mentioned & kinds
    assert (mentioned & kinds) - OWN - set(policyengine.__all__) == set()


def test_the_package_is_typed():
    assert (ROOT / "policyengine" / "py.typed").is_file()


def test_every_dependency_says_what_it_is_for():
    block = TEXT[TEXT.index("\ndependencies = [") : TEXT.index("[project.optional-dependencies]")]
    lines = re.findall(r'^  "(\w+)[^"]*",(.*)$', block, re.MULTILINE)
    names = ["attrs", "click", "lark", "msgspec", "rich", "tzdata"]
    assert [name for name, _ in lines] == names
    assert len(PROJECT["dependencies"]) == len(lines)
    assert all(comment.strip().startswith("# ") for _, comment in lines)


def test_the_names():
    assert PROJECT["name"] == "policyengine-dsl"
    assert PROJECT["scripts"] == {"policyengine": "policyengine.cli.main:main"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", policyengine.__version__)


def test_the_licence_is_the_one_that_is_named():
    assert PROJECT["license"] == "Apache-2.0"
    assert (
        "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()
    )
