"""Read seeded faults, and plant them in the shipped policy sets.

A fault is a folder with a `fault.toml`:

* *slip* says what an author did wrong, in a sentence;
* *set* is the folder of policies/ in which it is planted; without it, `x`;
* *finds* names what must find it: a code of the checker or a lint rule (`PE403`), `tests` (some test of
  the set fails) or `mutation` (a small change of *rule* survives: a test is missing);
* *says* is what must be said, all of it: messages with their file; titles of failing tests, of which
  there must be at least these; or changes of *rule* that survive.

Its changes each replace *old*, which must stand just once in *file*, by *new*, or leave out the test
with the title *without*. They are made in memory, on the policies as they are today.
"""

from __future__ import annotations

import re
import tomllib
from copy import copy
from functools import cache
from pathlib import Path

from attrs import frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.pipeline import read_sources
from policyengine.semantics.checked import CheckedSet
from policyengine.semantics.incremental import IncrementalChecker
from policyengine.syntax.nodes import PolicyFile
from policyengine.syntax.parser import parse

FAULTS = Path(__file__).parent
POLICIES = Path(__file__).parents[2] / "policies"


class Rotten(Exception):  # noqa: N818 - it is named after what happened
    """A fault that does not fit the policies any more: plant it elsewhere."""


@frozen
class Change:
    """One replacement in one file."""

    file: str
    old: str = ""
    new: str = ""
    without: str = ""

    def made_in(self, text: str) -> str:
        """Return *text* with the change. Raises `Rotten`."""
        if self.without:
            start = re.escape(f'test "{self.without}" {{\n')
            found = re.findall(rf"^{start}.*?^}}\n", text, re.MULTILINE | re.DOTALL)
            old = found[0] if len(found) == 1 else ""
        else:
            old = self.old
        if not old or text.count(old) != 1:
            raise Rotten(f"{self.file}: {self.without or self.old!r} must stand there once")
        return text.replace(old, self.new)


@frozen
class Fault:
    """One seeded fault."""

    name: str
    slip: str
    finds: str
    says: tuple[str, ...]
    changes: tuple[Change, ...]
    rule: str = ""
    set: str = "x"

    @classmethod
    def read(cls, folder: Path) -> Fault:
        """Read the fault in *folder*."""
        document = tomllib.loads((folder / "fault.toml").read_text(encoding="utf-8"))
        changes = tuple(Change(**change) for change in document.pop("change"))
        return cls(folder.name, says=tuple(document.pop("says")), changes=changes, **document)


def faults() -> list[Fault]:
    """Return all seeded faults."""
    return [Fault.read(file.parent) for file in sorted(FAULTS.glob("*/fault.toml"))]


def planted(fault: Fault) -> tuple[CheckedSet | None, list[Diagnostic]]:
    """Return the policies with *fault* in them, and what the checker says."""
    texts = {name: source.text for name, source in policies(fault.set).items()}
    for change in fault.changes:
        texts[change.file] = change.made_in(texts[change.file])
    sources = {name: Source(name, text) for name, text in texts.items()}
    files, found = [], []
    for source in sources.values():
        file, problems = parsed(source)
        found += problems
        if file is not None:
            files.append(file)
    return copy(sound(fault.set)).check(files, sources) if not found else (None, found)


@cache
def sound(of: str) -> IncrementalChecker:
    """Return a checker that has checked a shipped set: of one with a fault, it checks what differs."""
    checker, sources = IncrementalChecker(Limits()), policies(of)
    trees = [file for file, _ in map(parsed, sources.values()) if file is not None]
    _, found = checker.check(trees, sources)
    assert found == []
    return checker


@cache
def policies(of: str) -> dict[str, Source]:
    """Return the policies of a shipped set, named from their folder."""
    folder = POLICIES / of
    sources, found = read_sources([folder])
    assert found == []
    names = {name: Path(name).relative_to(folder).as_posix() for name in sources}
    return {names[name]: Source(names[name], source.text) for name, source in sources.items()}


@cache
def parsed(source: Source) -> tuple[PolicyFile | None, list[Diagnostic]]:
    """Parse a file; most are the same in all faults, and trees are never written on."""
    file, problems = parse(source, Limits())
    return file, list(problems)
