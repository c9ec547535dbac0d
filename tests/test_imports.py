"""Hold the rules of modules: their imports, their names and their size."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from tests.whole import some

PACKAGE = Path(__file__).resolve().parent.parent / "policyengine"

STAGES = {"diagnostics", "model", "syntax", "semantics"}
MAY_IMPORT = {
    "concurrency": set(),
    "diagnostics": set(),
    "model": {"diagnostics"},
    "runtime": {"diagnostics", "model"},
    "syntax": {"diagnostics", "model"},
    "semantics": {"diagnostics", "model", "syntax"},
    "compiler": STAGES | {"runtime"},
    "intake": {"model", "runtime", "compiler"},
    "reference": STAGES,
    "analysis": STAGES | {"reference", "intake"},
    "explain": STAGES | {"reference", "analysis", "intake"},
    "partial": STAGES | {"runtime", "compiler", "intake"},
    "tables": {"diagnostics", "model", "semantics", "intake", "filters", "version"},
    "filters": {"model", "semantics", "runtime", "compiler", "partial", "reverse"},
    "verifying": {"model", "compiler", "partial", "filters"},
    "reverse": {"model", "runtime", "compiler", "intake", "partial"},
    "cache": STAGES | {"runtime", "compiler", "version"},
    "lint": STAGES | {"reference", "analysis", "testing", "intake"},
    "pipeline": STAGES | {"compiler", "runtime", "cache"},
    "prepared_set": {"model", "runtime", "semantics", "intake", "partial"},
    "loaded_set": {"diagnostics", "model", "runtime", "semantics", "cache", "pipeline"},
    "engine": STAGES - {"syntax"}
    | {
        "prepared_set",
        "decider",
        "runtime",
        "loaded_set",
        "explain",
        "partial",
        "reverse",
        "intake",
        "decide_each",
        "bound",
        "tables",
    },
    "decide_each": {"model", "runtime", "intake"},
    "decider": {"model", "intake", "decide_each"},
    "bound": {
        "model",
        "runtime",
        "intake",
        "explain",
        "decide_each",
        "engine",
        "partial",
        "reverse",
    },
    "decision_cache": {"model", "runtime", "intake", "decide_each", "decider", "engine"},
    "type_stubs": {"model"},
    "adapters": {"model", "engine", "bound", "decision_cache", "reloading", "explain", "filters"},
    "sources": {"model", "runtime", "intake", "engine", "decide_each", "decider", "reloading"},
    "record": {"diagnostics", "model", "runtime", "intake", "engine", "version"},
    "reloading": {
        "diagnostics",
        "model",
        "runtime",
        "syntax",
        "intake",
        "pipeline",
        "engine",
        "decider",
        "testing",
        "decide_each",
    },
    "testing": STAGES
    | {"runtime", "reference", "analysis", "intake", "pipeline", "engine", "cache"},
    "mutation": STAGES
    | {"runtime", "reference", "analysis", "intake", "pipeline", "testing", "cache", "version"},
    "proving": STAGES | {"reference", "analysis", "pipeline", "mutation", "cache", "version"},
    "reporting": STAGES | {"runtime", "intake", "reference", "analysis", "testing"},
    "cli": STAGES
    | {"compiler", "runtime", "intake", "analysis", "pipeline", "engine", "explain", "partial"}
    | {"testing", "mutation", "proving", "lint", "cache", "reverse", "tables", "filters"}
    | {"verifying", "reporting", "record", "type_stubs", "version"},
    "version": set(),
    "__main__": {"cli"},
    "__init__": {
        "diagnostics",
        "model",
        "intake",
        "decide_each",
        "decider",
        "engine",
        "bound",
        "decision_cache",
    }
    | {"explain", "partial", "record", "reloading", "sources", "reverse", "version"},
}

ONLY_IN = {
    "lark": {"syntax"}, "click": {"cli"}, "rich": {"cli"},
    "fastapi": {"adapters"}, "starlette": {"adapters"}, "flask": {"adapters"}, "litestar": {"adapters"},
    "fastmcp": {"adapters"}, "mcp": {"adapters"}, "mcp_types": {"adapters"}, "anyio": {"adapters"},
    "opentelemetry": {"record"},
    "pytest": {"testing"}, "pyarrow": {"tables"}, "ibis": {"tables", "filters"},
    "django": {"filters", "adapters"}, "sqlalchemy": {"filters", "verifying", "sources"}, "jinja2": {"testing", "reporting", "cli"},
}  # fmt: skip


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path) -> tuple[tuple[str, int], ...]:
    """Return every module that *file* imports, wherever in it, with the line."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree(file)):
        match node:
            case ast.Import(names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module="policyengine", names=names):
                yield from ((f"policyengine.{alias.name}", node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), level=level):
                assert level == 0, f"{file}:{node.lineno}: imports name their package"
                yield module, node.lineno


def room(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


def breaches(file: Path, home: str) -> Iterator[str]:
    """Yield every import in *file* that its room may not have."""
    for module, line in imports(file):
        top, _, inner = module.partition(".")
        if top == "policyengine":
            other = inner.split(".")[0]
            # `from policyengine import __version__` and the like name no room.
            if other not in {home, "concurrency"} and other in MAY_IMPORT.keys() - MAY_IMPORT[home]:
                yield f"{file}:{line}: {home} may not import {other}"
        elif home not in ONLY_IN.get(top, {home}):
            yield f"{file}:{line}: {home} may not import {top}"


def test_a_room_imports_only_what_it_may():
    found = (breaches(file, room(file.relative_to(PACKAGE).parts)) for file in FILES)
    assert list(chain.from_iterable(found)) == []


def test_every_room_has_its_rule():
    assert {room(file.relative_to(PACKAGE).parts) for file in FILES} <= set(MAY_IMPORT)


def test_only_the_plugin_knows_pytest():
    knows = {file.name for file in FILES if any(name == "pytest" for name, _ in imports(file))}
    assert {name for name in knows if not name.startswith("pytest_")} == set()


def test_the_plugin_loads_nothing_before_it_is_needed():
    loaded = modules_after("import policyengine.testing.pytest_plugin")
    assert not {"lark", "attrs", "policyengine.engine", "policyengine.diagnostics"} & loaded


def test_a_breach_is_found(tmp_path: Path):
    file = tmp_path / "stray.py"
    file.write_text(
        "from policyengine.runtime.program import Program\n"
        "def f():\n    import lark.exceptions\n    from policyengine import compiler\n"
    )
    found = [breach.partition("stray.py:")[2] for breach in breaches(file, "reference")]
    assert sorted(found) == [
        "1: reference may not import runtime",
        "3: reference may not import lark",
        "4: reference may not import compiler",
    ]


CIRCLES = {
    frozenset({"engine", "bound"}): (
        "what is made by an engine refers to it, and the engine makes it"
    ),
    frozenset({"runtime.compiled_target", "runtime.specialization"}): (
        "a compiled target can be specialized for a subject, and the result is one as well"
    ),
}
"""Modules that import each other, if only for types or when a function runs, and why they may."""


def import_graph() -> dict[str, set[str]]:
    """Return the modules that each module of ours imports, for types and in functions included."""
    names = {".".join(f.relative_to(PACKAGE).with_suffix("").parts): f for f in FILES}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, file in names.items():
        if name == "__init__":
            continue  # the package names everything for type checkers, and is imported by all
        for node in ast.walk(tree(file)):
            match node:
                case ast.Import(aliases):
                    found = [alias.name for alias in aliases]
                case ast.ImportFrom(module=str(module), names=aliases):
                    found = [module, *(f"{module}.{alias.name}" for alias in aliases)]
                case _:
                    continue
            inner = {other.removeprefix("policyengine.") for other in found}
            graph[name] |= inner & names.keys() - {name}
    return graph


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the sets of modules that all import each other, directly or through others."""
    reach = {name: set(direct) for name, direct in graph.items()}
    for middle in graph:
        for name in graph:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    return {
        frozenset(other for other in reach if other in reach[name] and name in reach[other])
        for name in graph
        if name in reach[name]
    }


def test_modules_import_in_no_circle_but_those_that_are_named():
    assert circles(import_graph()) == set(CIRCLES)


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}
    assert circles(graph) == {frozenset("abc")}


SIZE = 600
SIZE_OF_ADAPTER = 200


def test_no_two_modules_have_the_same_name():
    names = Counter(file.stem for file in FILES if file.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []


def test_a_file_is_short():
    lengths = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {file: length for file, length in lengths.items() if length > SIZE} == {}


@pytest.mark.parametrize("name", ["django", "fastapi", "flask", "litestar", "mcp", "starlette"])
def test_an_adapter_is_shorter_still(name: str):
    text = (PACKAGE / "adapters" / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < SIZE_OF_ADAPTER


ROOT = PACKAGE.parent
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
PAGES = [
    ARCHITECTURE, ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")),
]  # fmt: skip


def missing_modules(text: str) -> list[str]:
    """Return the modules that *text* names in backquotes, as `syntax/node.py`, and that are not there."""
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    return [name for name in named if not any((at / name).is_file() for at in (PACKAGE, ROOT))]


def test_a_module_that_is_named_exists():
    missing = {file: missing_modules(file.read_text(encoding="utf-8")) for file in [*FILES, *PAGES]}
    assert {file: names for file, names in missing.items() if names} == {}


def test_the_architecture_shows_who_may_import_whom():
    section = ARCHITECTURE.read_text(encoding="utf-8").partition("## Who may import whom")[2]
    table = section.split("```")[1].replace(",\n", ",").replace("FRONT", ", ".join(STAGES))
    shown = {}
    for line in table.strip().splitlines():
        home, _, others = line.partition(" ")
        shown[home] = {other.strip() for other in others.split(",")} - {"-"}
    assert shown == {home: may for home, may in MAY_IMPORT.items() if not home.startswith("__")}


def modules_after(code: str, **environment: str) -> set[str]:
    """Return the names of the modules that are loaded once *code* has run."""
    run = subprocess.run(
        [sys.executable, "-c", code + "\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True, env={**os.environ, **environment},
    )  # fmt: skip
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing():
    assert not {"lark", "rich", "attrs", "click"} & modules_after("import policyengine")


def test_the_face_for_integrators_loads_no_parser():
    loaded = modules_after("from policyengine import PolicyEngine, Limits, EntityStore")
    assert "policyengine.engine" in loaded
    assert not {"lark", "rich", "click", "policyengine.compiler", "policyengine.syntax"} & loaded


SETS = {
    "workspace": "5-support-sees-pseudonyms",
    "hospital": "8-a-study-sees-the-year-of-birth",
    "x": "1-research-search-is-allowed",
}
"""The shipped sets, each with a request that is allowed."""

LOADS = """
from policyengine import PolicyEngine
engine = PolicyEngine.load({set!r}, cache={cache!r})
"""
DECIDES = """
with open({request!r}, "rb") as file:
    answer = engine.decide_json(file.read(), accept_now=True)
assert b'"decision":true' in answer, answer
assert b'"reason":""' not in answer, answer
"""


@pytest.fixture(scope="module", params=some([*SETS], 3))
def kept(request, tmp_path_factory) -> tuple[str, str, dict[str, str]]:
    """Code that loads a set from a cache where it and what it decides with are kept, code that decides, and the environment that finds the key."""
    folder = tmp_path_factory.mktemp("kept")
    policies = PACKAGE.parent / "policies" / request.param
    loads = LOADS.format(set=str(policies), cache=str(folder / "cache"))
    file = policies / "requests" / f"{SETS[request.param]}.json"
    decides = DECIDES.format(request=str(file))
    key = {"POLICYENGINE_CACHE_KEY": str(folder / "key")}
    assert "lark" in modules_after(loads + decides, **key)
    return loads, loads + decides, key


def test_a_set_that_was_kept_is_loaded_without_what_requests_need(kept):
    loads, _, key = kept
    loaded = modules_after(loads, **key) - modules_after("", **key)  # coverage loads some
    assert {"policyengine.engine", "policyengine.cache.program_cache"} <= loaded
    rooms = {name.rpartition(".")[0] for name in loaded}
    assert not {"policyengine.compiler", "policyengine.reference", "policyengine.explain"} & rooms
    assert not {
        "policyengine.intake.intake", "policyengine.model.values", "policyengine.runtime.compiled_target",
        "attrs", "json", "logging", "pathlib",
    } & loaded  # fmt: skip


def test_a_set_that_was_kept_is_decided_by_without_a_parser(kept):
    _, decides, key = kept
    loaded = modules_after(decides, **key) - modules_after("", **key)
    assert {"policyengine.intake.intake", "policyengine.compiler.target_compiler"} <= loaded
    assert not {
        "policyengine.semantics.checked", "policyengine.syntax.nodes", "policyengine.compiler.lower",
        "attrs", "lark", "logging", "policyengine.explain",
    } & loaded  # fmt: skip


def test_the_version_is_told_without_a_parser_and_without_rich():
    code = "from policyengine.cli.main import run\nassert run(['--version']) == 0"
    assert not {"lark", "rich", "attrs"} & modules_after(code)
