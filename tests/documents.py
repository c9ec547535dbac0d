"""Run every command line of the documents as it is written, and compare what they show with what is printed.

`make documents` runs all in the checkout's environment; `python -m tests.documents README.md` one. A document is
one session in a fresh copy of the checkout, from top to bottom: blocks of `console` (what is printed is compared;
a line `…` stands for any) and of `sh`, and commands between backquotes in its text. A block with a path after its
language is a file that the reader writes. A session begins where README.md ends: in the checkout, with the
environment active; that of README.md begins without.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from threading import Timer

from attrs import frozen

ROOT = Path(__file__).resolve().parents[1]
FROM_NOTHING = ("README.md",)
FOLDERS = (
    "",
    "docs",
    "docs/coming-from",
    "docs/codes",
    "docs/decisions",
    "policies/*",
    "bench",
    "examples",
)

NOT_RUN: Mapping[str, str] = {
    "make test": "`.ci/run` has run it",
    "make whole": "`.ci/run` has run it",
    "make check": "`.ci/run` has run it",
    "make breaches": "`.ci/run` has run it",
    "make documents": "it is this",
    "make pyright": "it downloads pyright, and Node.js if there is none",
    "make coverage": "it takes minutes, and is `make test` with more columns",
    "make exact": "it takes minutes",
    "make exact-filters": "it takes hours; its command is run with few rows",
    "make test-databases": "`.ci/run` has run it",
    "python spark_shop.py 2> spark.log": "it needs what `[spark]` installs, and a Java: `make test-databases` runs it",
    "make statements": "it takes minutes",
    "make test-browser": "`.ci/run` has run it",
    "make exact-partial": "it takes minutes",
    "make bench": "it takes minutes; its commands are run with small sizes",
    "make bench-peers": "it takes hours",
    "make golden": "it writes what `make test` has compared",
    "pip install -e '.[bench]'": "peers are large, and change the environment of all other documents",
    "python -m bench plot": "it needs what `[bench]` installs",
    "pytest bench --benchmark-autosave": "it needs what `[bench]` installs",
    "pytest bench --benchmark-compare": "it needs what `[bench]` installs",
    "policyengine diff": "it is said to be on its way",
}
"""Commands that are not run, with the reason."""

SMALLER: Mapping[str, str] = {
    r"(policyengine test policies/.*) --mutate": r"\1",  # which `make check` does
    r"python -m bench questions": "python -m bench questions --quick --only decide_built",
    r"(python -m bench questions.*?)(?: --quick)?": r"\1 --quick",
    r"python -m bench growth .*--sizes.*": r"\g<0>",
    r"python -m bench growth .*": r"\g<0> --sizes 10 --contestant 'policyengine, decide'",
    r"python -m bench growth": (
        "python -m bench growth --world scans --sizes 10 --contestant 'policyengine, decide'"
    ),
    r"(python -m bench (?:parts|reading|spread))": r"\1 --rounds 1",
    r"python -m bench memory": "python -m bench memory --reloads 3 --rules 10",
    r"python -m bench\.compare": "python -m bench.compare --help",
    r"python -m tests\.filters\.filter_law": "python -m tests.filters.filter_law --sets 5",
    r"python -m tests\.filters\.shipped_filters": "python -m tests.filters.shipped_filters --requests 2 --of 20",
    r"(python -m tests\.filters\.exact_filters) --rows 1000000.*": r"\1 --rows 1000 --only SQLite",
    r"(python -m bench\.filters \w+) --rows 1000000\d? .*": r"\1 --rows 1000 --rounds 1",
    r"python -m tests\.reloads.*": "python -m tests.reloads --count 10",
    r"python -m tests\.kills.*": "python -m tests.kills --count 10",
    r"python -m tests\.revocations.*": "python -m tests.revocations --count 100",
    r"python -m tests\.turns": "python -m tests.turns --requests 10",
    r"pytest -n auto": "pytest -n auto policies/x/tests",
    r"python -m bench|policyengine(?: [a-z]+)?": r"\g<0> --help",  # a command is named, and no more
}
"""Patterns of commands that are run with a smaller size, or for their help alone; the first that fits counts."""

_ALONE = re.compile(r"python -m (?:bench|tests)\b|make |policyengine .*--help$")
"""Commands that read nothing of what a session has written: all documents need each once."""

_MOST_SECONDS = 600
_FENCE = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"(?:policyengine|make|python -[mX]|pip|pytest|git|cd) \S|\. \S+/activate")
_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b(?!=)|\bA\b|…")
_CHANGES = re.compile(r"\b\d+\.\d+ ?s\b")


@frozen
class Step:
    """A thing that a reader of *document* does at *line*: run *command*, or write *text* to the file *path*.

    *shown*: what is printed, None where the document does not say. *exact*: it must succeed.
    """

    document: str
    line: int
    command: str = ""
    shown: str | None = None
    exact: bool = True
    path: str = ""
    text: str = ""


def documents() -> list[str]:
    """List the documents of the repository."""
    return [
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sorted(ROOT.glob(f"{folder}/*.md" if folder else "*.md"))
        if path.name != "CHANGELOG.md"
    ]


def steps(document: str, page: str) -> Iterator[Step]:
    """Give the steps of a page in order."""
    at = 0
    for fence in _FENCE.finditer(page):
        yield from _inline(document, page, at, fence.start())
        at = fence.end()
        language, path, text = fence.groups()
        line = page.count("\n", 0, fence.start()) + 2
        if language == "console":
            yield from _console(document, line, text)
        elif language == "sh":
            for number, command in enumerate(text.splitlines()):
                if command.strip() and not command.startswith("#"):
                    yield Step(document, line + number, command.partition("  #")[0].strip())
        elif "/" in path or "." in path:
            yield Step(document, line, path=path, text=text)
    yield from _inline(document, page, at, len(page))


def _inline(document: str, page: str, start: int, end: int) -> Iterator[Step]:
    for found in _INLINE.finditer(page, start, end):
        command = " ".join(found[1].split())
        if _COMMAND.match(command) and not _PLACEHOLDER.search(command):
            yield Step(document, page.count("\n", 0, found.start()) + 1, command)


def _console(document: str, line: int, text: str) -> Iterator[Step]:
    for number, part in enumerate(re.split(r"^\$ ", text, flags=re.MULTILINE)):
        if number:
            command, _, shown = part.partition("\n")
            yield Step(document, line, command, shown, exact=False)
        line += part.count("\n")


def command_to_run(command: str) -> str | None:
    """Return the command that is run for one that a document shows; None for one that is not run."""
    if command in NOT_RUN:
        return None
    for pattern, smaller in SMALLER.items():
        if found := re.fullmatch(pattern, command):
            return found.expand(smaller)
    return command


def is_shown(shown: str, printed: str) -> bool:
    """Whether what was printed is what a document shows."""
    lines = (
        r"(?:.*\n)*?" if line == "…" else re.escape(_CHANGES.sub("0 s", line.rstrip())) + r"\n"
        for line in shown.splitlines()
    )
    tidy = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    return re.fullmatch("".join(lines), _CHANGES.sub("0 s", tidy)) is not None


class Session:
    """A shell in which commands are run one after the other."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        script, self._script = os.pipe()
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", f"/dev/fd/{script}"], pass_fds=[script], cwd=folder,
            env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        os.close(script)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, and return its exit code and what it printed."""
        os.write(self._script, f"{command}\nprintf '\\n\\001%s\\n' $?\n".encode())
        timer = Timer(_MOST_SECONDS, os.killpg, (self._shell.pid, signal.SIGKILL))
        timer.start()
        lines: list[str] = []
        try:
            assert self._shell.stdout is not None
            for line in self._shell.stdout:
                if line.startswith("\1"):
                    return int(line[1:]), "".join(lines).removesuffix("\n")
                lines.append(line)
        finally:
            timer.cancel()
        return 1, "".join(lines) + "(the shell ended)\n"

    def close(self) -> None:
        """End the shell."""
        os.close(self._script)
        assert self._shell.stdout is not None
        self._shell.stdout.close()
        self._shell.wait()


def run(
    document: str, page: str, environment: Path, *, skip: str = "", without: Sequence[str] = (),
    known: set[str] | None = None,
) -> list[str]:  # fmt: skip
    """Run the steps of a page in a copy of the checkout; return what is not as the page says.

    *environment*: the virtual environment. *skip*: a pattern of commands to leave out. *without*: folders
    that are left out of the copy, where no command that is run reads them. *known*: commands that succeeded
    in other documents and need not run again; those of this one are added.
    """
    known = set() if known is None else known
    todo = list(steps(document, page))
    wrong: list[str] = []
    if not todo:
        return wrong
    with tempfile.TemporaryDirectory() as place:
        folder = _copy(Path(place) / "checkout", environment, without)
        session = Session(folder, _variables(Path(place), folder, document))
        try:
            for step in todo:
                where = f"{step.document}:{step.line}"
                if step.path:
                    file = folder / step.path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(step.text, encoding="utf-8")
                    continue
                command = command_to_run(step.command)
                if command is None or (skip and re.match(skip, command)):
                    continue
                once = step.shown is None and _ALONE.match(command)
                if once and command in known:
                    continue
                code, printed = session.run(command)
                if step.shown is not None and not is_shown(step.shown, printed):
                    lines = step.shown.splitlines(), printed.splitlines()
                    wrong.append(
                        "\n".join([f"{where}: {command}", *unified_diff(*lines, lineterm="")])
                    )
                elif code > 1 or (step.exact and code):
                    wrong.append(f"{where}: {command}\nexit code {code}\n{printed}")
                elif once:
                    known.add(command)
        finally:
            session.close()
    return wrong


def _copy(folder: Path, environment: Path, without: Sequence[str]) -> Path:
    """Copy the files of the checkout that git knows, times included, with a link to the environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", ".", *(f":!{name}" for name in without)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target)
    (folder / ".venv").symlink_to(environment.resolve())
    return folder


def _variables(place: Path, folder: Path, document: str) -> dict[str, str]:
    kept = ("PYTHONPATH", "LANG", "PYTHON", "SSL_CERT_FILE", "PIP_INDEX_URL")
    path = os.environ["PATH"]
    if document not in FROM_NOTHING:
        path = f"{folder}/.venv/bin:{path}"
    home = {"HOME": str(place), "PATH": path, "POLICYENGINE_CACHE": str(place / "cache")}
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **home}


def main() -> None:
    """Run the documents that are named, or all."""
    parser = argparse.ArgumentParser(description="Run the command lines of the documents.")
    parser.add_argument("documents", nargs="*", default=documents())
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv")
    parser.add_argument("--skip", default="", help="A pattern of commands to leave out.")
    wanted = parser.parse_args()
    problems, known = list[str](), set[str]()
    for document in wanted.documents:
        page = (ROOT / document).read_text(encoding="utf-8")
        count = sum(1 for step in steps(document, page) if step.command)
        if not count:
            continue
        print(f"{document}: {count} commands", flush=True)
        for problem in run(document, page, wanted.environment, skip=wanted.skip, known=known):
            problems.append(problem)
            print(problem, flush=True)
    if problems:  # Once more, since the first time may be far above.
        sys.exit("\n".join([f"{len(problems)} are not as the documents say", *problems]))


if __name__ == "__main__":
    main()
