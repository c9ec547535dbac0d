"""Hold that what `make documents` runs is complete, and that it notices what is not so; run the README here as well."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest

from bench.questions import NAMES as QUESTIONS
from policyengine.cli.main import cli
from tests.documents import (
    NOT_RUN,
    ROOT,
    SMALLER,
    Step,
    command_to_run,
    documents,
    is_shown,
    run,
    steps,
)
from tests.whole import some

ENVIRONMENT = Path(sys.prefix)
UNREAD = ("tests", "policyengine")
"""Folders that the commands run here do not read: the engine is that of the environment."""
ALL = [
    step for name in documents() for step in steps(name, (ROOT / name).read_text(encoding="utf-8"))
]
PAGES = (
    "README.md", "docs/tables.md", "docs/filters.md", "docs/sqlalchemy.md", "docs/lint.md", "docs/django.md",
    "docs/django-views.md", "docs/mcp.md", "docs/fastapi.md", "docs/flask.md", "docs/litestar.md",
)  # fmt: skip
COMMANDS = [step.command for step in ALL if step.command]


def wrong(page: str, document: str = "docs/page.md") -> list[str]:
    return run(document, page, ENVIRONMENT, without=UNREAD)


@pytest.mark.parametrize("name", some(PAGES, len(PAGES)))
def test_it_is_as_the_document_says(name: str):
    """Without the lines of `make`, which run this, and of `pip`, the laws and the benchmark: `make documents` runs them."""
    page = (ROOT / name).read_text(encoding="utf-8")
    skip = "make |python -m tests|python -m bench|pip "
    assert run(name, page, ENVIRONMENT, skip=skip, without=UNREAD) == []


def test_the_questions_of_the_benchmark_that_documents_name_are_asked():
    """`tests/bench` asks each of them."""
    named = {
        name
        for command in COMMANDS
        if command.startswith("python -m bench questions")
        for name in re.findall(r"--only (\w+)", command)
    }
    assert "adapters" in named
    assert named <= set(QUESTIONS)


def test_documents_of_all_kinds_are_run():
    assert {step.document for step in ALL} >= {
        "README.md", "CONTRIBUTING.md", "docs/lint.md", "docs/testing.md", "docs/pytest.md", "docs/embedding.md",
        "docs/performance.md", "docs/codes/README.md", "policies/x/README.md", "bench/README.md",
    }  # fmt: skip
    assert len(COMMANDS) > 80


def test_blocks_of_commands_are_marked_as_such():
    for name in documents():
        page = (ROOT / name).read_text(encoding="utf-8")
        for language, text in re.findall(r"^```(\w*).*\n((?:.*\n)*?)```$", page, re.MULTILINE):
            if re.search(r"^(\$ )?(policyengine|make|pip|pytest|python) ", text, re.MULTILINE):
                assert language in ("sh", "console"), (name, text)


@pytest.mark.parametrize("command", [c for c in NOT_RUN if c != "make documents"])
def test_what_is_not_run_is_still_in_a_document(command: str):
    assert command in COMMANDS


@pytest.mark.parametrize("pattern", SMALLER)
def test_what_is_run_smaller_is_still_in_a_document(pattern: str):
    assert any(re.fullmatch(pattern, command) for command in COMMANDS)


def test_the_options_that_documents_name_exist():
    """Those of the engine; `bench`, pytest and servers have others."""
    known = {"--help", "--version"}
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        each = (command, *getattr(command, "commands", {}).values())
        known |= {option for one in each for parameter in one.params for option in parameter.opts}
    for name in documents():
        if not name.startswith(("bench", "docs/performance", "docs/pytest", "docs/decisions")):
            page = (ROOT / name).read_text(encoding="utf-8")
            page = re.sub(r"(python -m (bench|tests)|flask --app|litestar --app)[^`\n]*", "", page)
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) <= known, name


def test_a_reader_does_what_the_page_says():
    page = """\
Make a set with `policyengine init shop`, add `shop/more.policy`:

```policy shop/more.policy
package documents
```

```console
$ cd shop
$ policyengine check .
3 files, 3 rules, 2 tests: no mistakes
$ policyengine test .
…
```

```sh
policyengine fmt --check .   # formatted
```
"""
    assert [step.path or step.command for step in steps("page.md", page)] == [
        "policyengine init shop", "shop/more.policy", "cd shop", "policyengine check .", "policyengine test .",
        "policyengine fmt --check .",
    ]  # fmt: skip
    assert wrong(page) == []


def test_it_bites():
    pages = {
        "`policyengine check nowhere`": "exit code 2",
        "`policyengine chek --help`": "there is no command `chek`",
        "```sh\npolicyengine check --nonsense\n```\n": "there is no option `--nonsense`",
        "```console\n$ policyengine --version\npolicyengine 0.0.0\n```\n": "-policyengine 0.0.0",
        "```console\n$ policyengine check --nonsense\n…\n```\n": "exit code 2",
        "`policyengine init a` and\nthen `policyengine test\nb`": "docs/page.md:18: policyengine test b",
    }
    problems = wrong("\n".join(pages))
    for said, problem in zip(pages.values(), problems, strict=True):
        assert said.lower() in problem.lower()


def test_what_reads_nothing_of_a_session_runs_once_for_all_documents():
    page = "`policyengine check --help` and\n`policyengine init shop` and `python -m tests.nowhere --count 1`"
    known: set[str] = set()
    (problem,) = run("docs/page.md", page, Path(sys.prefix), known=known)
    assert "tests.nowhere" in problem
    assert known == {"policyengine check --help"}
    known.add("python -m tests.nowhere --count 1")
    assert run("docs/page.md", page, Path(sys.prefix), known=known) == []


def test_a_reader_of_the_readme_has_no_command_before_it_is_said_how_to_get_it():
    (problem,) = wrong("`policyengine init shop`", "README.md")
    assert "not found" in problem
    assert wrong("`. .venv/bin/activate` and `policyengine init shop`", "README.md") == []


def test_what_is_printed_is_compared():
    assert is_shown("a\n…\nd", "a\nb\nc\nd\n")
    assert is_shown("a\n…\nd", "a\nd\n")
    assert is_shown("2 passed (0.03 s)", "2 passed (1.25 s)\n")
    assert not is_shown("a", "a\nb\n")
    assert not is_shown("a\n…", "b\n")
    assert not is_shown("needs …", "needs more\n")


def test_names_of_commands_and_what_takes_long_are_run_otherwise():
    assert command_to_run("policyengine lint") == "policyengine lint --help"
    assert command_to_run("make bench") is None
    assert command_to_run("policyengine lint shop") == "policyengine lint shop"
    assert list(steps("page.md", "`policyengine test PATH` and `policyengine` and `pip`")) == []
    assert Step("a", 1, "x").exact
