"""The programs of `examples/`: they run, their policies are good, and what they say about decisions is little."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import duckdb
import pytest
from starlette.testclient import TestClient

from policyengine import PolicyEngine
from policyengine.cli.main import run
from policyengine.type_stubs import type_stubs

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*/*.py"))
WRITTEN = "policy_types.py"  # by `policyengine stubs`
MOST_LINES = 40

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Import a program, given as `folder/module`, and forget it afterwards."""
    before = set(sys.modules)

    def loaded(name: str) -> ModuleType:
        folder, _, module = name.partition("/")
        monkeypatch.syspath_prepend(EXAMPLES / folder)
        return import_module(module)

    yield loaded
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(EXAMPLES)):
            policies = getattr(sys.modules.pop(name), "policies", None)
            if policies is not None:
                policies.close()


# ---- how much is about decisions ---------------------------------------------------------


def code_lines(text: str) -> dict[int, set[str]]:
    """Return the names in each line of code; comments, docstrings and blank lines are none."""
    found: dict[int, set[str]] = {}
    nothing = {
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.COMMENT,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            for line in range(token.start[0], token.end[0] + 1):
                found.setdefault(line, set())
            if token.type == tokenize.NAME:
                found[token.start[0]].add(token.string)
    for node in ast.walk(ast.parse(text)):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node):
            for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1):
                found.pop(line)
    return found


def defined_in(text: str, lines: set[int]) -> set[str]:
    """Return the names that a module defines or imports in *lines*."""
    names: set[str] = set()
    for node in ast.parse(text).body:
        if node.lineno in lines:
            match node:
                case ast.Import(names=them) | ast.ImportFrom(names=them):
                    names |= {alias.asname or alias.name.partition(".")[0] for alias in them}
                case (
                    ast.FunctionDef(name=name)
                    | ast.AsyncFunctionDef(name=name)
                    | ast.ClassDef(name=name)
                ):
                    names.add(name)
                case _:
                    names |= {
                        each.id for each in ast.walk(node)
                        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
                    }  # fmt: skip
    return names


def about_decisions(text: str) -> tuple[set[int], set[int]]:
    """Return the lines of code that are about decisions, and of all others those that name something of these.

    Those after `# -- decisions` are, until `# -- the application`.
    """
    inside, marked = False, set()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# -- "):
            assert line in ("# -- decisions", "# -- the application")
            inside = line == "# -- decisions"
        elif inside:
            marked.add(number)
    code = code_lines(text)
    ours = marked & code.keys()
    names = defined_in(text, ours)
    return ours, {line for line in code.keys() - ours if code[line] & names}


@pytest.mark.parametrize(
    "program", [p for p in PROGRAMS if p.name != WRITTEN], ids=lambda p: p.parent.name
)
def test_little_code_is_about_decisions(program: Path):
    text = program.read_text(encoding="utf-8")
    ours, uses = about_decisions(text)
    assert 5 < len(ours | uses) <= MOST_LINES
    outside = "".join(
        line for n, line in enumerate(text.splitlines(keepends=True), 1) if n not in ours
    )
    assert "import policyengine" not in outside
    assert "from policy" not in outside
    assert f"| `{program.parent.name}/` |" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_the_lines_about_decisions_are_counted_by_what_they_are():
    text = '"""Doc."""\nimport os\n# -- decisions\nfrom policyengine import A\n\nx = """\n\n"""  # a comment\n# -- the application\nos.y\nprint(x)\n'
    assert about_decisions(text) == ({4, 6, 7, 8}, {11})


def test_no_program_says_any():
    """mypy and pyright (`make pyright`) look for what is said by nobody."""
    for program in PROGRAMS:
        assert not re.search(
            r"\bAny\b|type: ignore|\bcast\b|pyright:", program.read_text(encoding="utf-8")
        ), program


@pytest.mark.parametrize("folder", sorted({program.parent.name for program in PROGRAMS}))
def test_the_policies_are_good(folder: str):
    path = str(EXAMPLES / folder)
    for command in (["check", "--strict"], ["lint"], ["test"], ["fmt", "--check"]):
        assert run([*command, path]) == 0


# ---- that they run -----------------------------------------------------------------------


def test_a_decision_point(load: Load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PDP_KEY", "secret")
    client = TestClient(
        load("authzen_server/server").app, headers={"Authorization": "Bearer secret"}
    )
    one, many = "/access/v1/evaluation", "/access/v1/evaluations"
    asked = {
        "subject": {"type": "Clerk", "id": "ann", "properties": {"standing": True}},
        "action": {"name": "view"},
        "resource": {"type": "File", "id": "f-9", "properties": {"sealed": False}},
    }
    answer = client.post(one, json=asked, headers={"X-Request-ID": "r-1"})
    assert (answer.status_code, answer.json()["decision"], answer.headers["x-request-id"]) == (
        200,
        True,
        "r-1",
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    other_case = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(one, content=json.dumps(asked), headers=other_case).json()["decision"]
    for path, sent in [(one, {}), (one, {"Authorization": ""}), ("/nothing", {})]:
        answer = client.post(path, content="{", headers={**sent, "X-Request-ID": "r-2"})
        assert answer.status_code in (400, 401, 404)
        assert answer.headers["x-request-id"] == "r-2"
    sealed = {**asked, "resource": {"type": "File", "id": "f-9", "properties": {"sealed": True}}}
    assert [
        client.post(one, json=sealed).status_code,
        client.post(one, json=sealed).json()["decision"],
    ] == [200, False]
    batch = {**asked, "evaluations": [{}, sealed, {"action": {"name": "shred"}}]}
    answer = client.post(many, json=batch)
    assert [each["decision"] for each in answer.json()["evaluations"]] == [True, False, False]
    assert client.post(many, json=asked).json()["decision"] is True
    for path, body in [
        (one, "{"),
        (one, "[]"),
        (one, '{"action": {}}'),
        (many, '{"evaluations": 3}'),
        (one, "x" * 1_000_001),
    ]:
        wrong = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (wrong.status_code, '"decision":true' in wrong.text) == (400, False)
    assert client.post(one, json=batch).status_code == 400
    assert client.post(one, content="{}", headers={"Content-Type": "text/plain"}).status_code == 400
    for key in ("", "secret", "Bearer secreT", "Bearer é"):
        assert (
            client.post(one, json=asked, headers={"Authorization": key.encode()}).status_code == 401
        )
    assert client.get(one).status_code == 405
    served = client.get(
        "/.well-known/authzen-configuration", headers={"Host": "evil.example"}
    ).json()
    assert served["access_evaluations_endpoint"] == "https://pdp.example.org/access/v1/evaluations"


def test_a_service_with_rows(load: Load):
    client = TestClient(load("web_service/service").app)

    def asked(who: str, method: str = "GET", path: str = "/notes/1") -> tuple[int, object]:
        answer = client.request(method, path, headers={"X-User": who})
        return answer.status_code, answer.json()

    assert asked("ann") == (200, {"id": 1, "text": "plan"})
    assert asked("ann", "PUT", "/notes/1?text=mine")[0] == 403
    assert asked("bob") == (200, {"id": 1, "owner": "bob", "text": "plan", "mood": "good"})
    assert asked("bob", "PUT", "/notes/1?text=new")[0] == 200
    assert asked("ann") == (200, {"id": 1, "text": "new"})
    status, problem = asked("eve")
    assert (status, problem["detail"]) == (403, 'User "eve" has left')
    assert asked("zoe")[0] == 401
    assert asked("ann", path="/notes/2")[0] == 404


def test_a_list_of_rows(load: Load):
    client = TestClient(load("list_endpoint/listing").app)

    def page(who: str, **query: int) -> tuple[list[int], int]:
        found = client.get("/notes", params=query, headers={"X-User": who}).json()
        return [number for number, _ in found["notes"]], found["total"]

    assert page("ann", limit=4) == ([2, 3, 5, 6], 6)
    assert page("ann", limit=4, after=6) == ([8, 9], 6)
    assert page("bob") == ([*range(1, 11)], 10)
    assert page("eve") == ([], 0)
    assert client.get("/notes", headers={"X-User": "zoe"}).status_code == 401


def test_a_job_on_a_file(load: Load, tmp_path: Path):
    accesses, found = tmp_path / "accesses.parquet", tmp_path / "audit.csv"
    rows = [
        (1, "2026-01-31 10:00:00Z", "ann", "nurse", "2026-02-01 00:00:00Z", "icu", True),
        (2, "2026-02-01 10:00:00Z", "ann", "nurse", "2026-02-01 00:00:00Z", "icu", True),
        (3, "2026-02-01 10:00:00Z", "bob", "billing", None, "er", False),
        (4, "2026-02-01 10:00:00Z", "bob", "billing", None, "er", True),
        (5, "2026-02-01 10:00:00Z", "eve", "chief", None, "icu", True),
    ]
    with duckdb.connect() as database:
        database.execute("""
            CREATE TABLE accesses (id INT, moment TIMESTAMPTZ, who TEXT, role TEXT, left_at TIMESTAMPTZ,
                worked_on TEXT, sealed BOOL, chart TEXT DEFAULT 'c-1', ward TEXT DEFAULT 'icu')
        """)
        columns = "id, moment, who, role, left_at, worked_on, sealed"
        database.executemany(f"INSERT INTO accesses ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.execute("COPY accesses TO $file", {"file": str(accesses)})
        assert load("batch_job/job").audit(accesses, found) is True
        listed = database.execute(
            "SELECT id, cause FROM read_csv($file)", {"file": str(found)}
        ).fetchall()
    assert listed == [(2, "forbidden"), (4, "not_permitted"), (5, "invalid_request")]


def test_a_client_with_types(load: Load, capsys: pytest.CaptureFixture[str]):
    types = EXAMPLES / "typed_client" / WRITTEN
    assert types.read_text(encoding="utf-8") == type_stubs(PolicyEngine.load(types.parent).schema)
    main = load("typed_client/client").main
    main("ann", "q3", "audit")
    main("eve", "q3", "planning")
    assert capsys.readouterr().out.splitlines() == [
        'read: yes, Report "q3" is their own', 'share: yes, Report "q3" is their own',
        'read: no, User "eve" has left', 'share: no, User "eve" has left',
    ]  # fmt: skip
