"""Find the policy set that a file belongs to; check and compile each set once in a run.

A set that the ini option `policyengine_sets` names contains the files in its folder, apart from those
of named sets inside it. Where no set is named, a set is the topmost folder with policy files, going up
from a file as long as each folder has some.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from attrs import define, field

from policyengine.concurrency import cached_property
from policyengine.diagnostics.diagnostic import Diagnostics
from policyengine.diagnostics.reading import read_regular
from policyengine.diagnostics.render import readable, render_all
from policyengine.engine import PolicyEngine
from policyengine.model.limits import Limits
from policyengine.pipeline import check_sources, compile_set, read_sources
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet, CheckedTest

_TEST = re.compile(rb'^\s*test\s*"', re.MULTILINE)


@define(slots=False)
class PolicySet:
    """One policy set; *checked* is None if it has an error. *reported*: its diagnostics were shown."""

    folder: Path
    checked: CheckedSet | None
    diagnostics: Diagnostics
    reported: bool = False

    @classmethod
    def at(cls, folder: Path) -> PolicySet:
        """Read and check the set in *folder*."""
        sources, found = read_sources([shown(folder)])
        return cls(folder, *check_sources(sources, found=found))

    @property
    def mistakes(self) -> str:
        """The diagnostics of the set, each with its place."""
        return render_all(self.diagnostics)

    @cached_property
    def program(self) -> Program:
        """The compiled program, of a set without errors."""
        assert self.checked is not None
        return compile_set(self.checked)

    @cached_property
    def engine(self) -> PolicyEngine:
        """The engine of the set, which has no errors."""
        checked = self.checked
        assert checked is not None
        return PolicyEngine(self.program, lambda: checked, limits=Limits())

    def tests_in(self, file: Path) -> dict[str, CheckedTest]:
        """Return the tests in *file*, in the order of the text, by the names of items."""
        assert self.checked is not None
        here = [test for test in self.checked.tests if Path(test.node.span.file) == shown(file)]
        here.sort(key=lambda test: test.node.span.start)
        return _named(here)


def _named(tests: Iterable[CheckedTest]) -> dict[str, CheckedTest]:
    """Name items after titles; pytest cuts ids at `::`, and names must be unique."""
    named: dict[str, CheckedTest] = {}
    for test in tests:
        title = readable(test.title).replace("::", ": :") or "(no title)"
        name, number = title, 1
        while name in named:
            number += 1
            name = f"{title} ({number})"
        named[name] = test
    return named


def shown(path: Path) -> Path:
    """Return *path* as a person would write it: from the working directory, if it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@define
class PolicySets:
    """The sets of a run of pytest. *folders* are those that the project names, *root* its root."""

    root: Path
    folders: tuple[Path, ...]
    known: dict[Path, PolicySet] = field(factory=dict)

    @classmethod
    def of(cls, config: pytest.Config) -> PolicySets:
        """Return the sets of a run; the same each time."""
        sets = config.stash.get(_SETS, None)
        if sets is None:
            named = tuple(
                Path(os.path.normpath(config.rootpath / name))
                for name in config.getini("policyengine_sets")
            )
            sets = config.stash[_SETS] = cls(config.rootpath, named)
        return sets

    def collects(self, file: Path) -> bool:
        """Whether *file* is collected where the command line does not name it: it has tests.

        Other files are skipped: some may be no policies of ours. Their mistakes are reported with the
        tests of their set.
        """
        if self.folders and not any(file.is_relative_to(folder) for folder in self.folders):
            return False
        try:
            return _TEST.search(read_regular(file, 4 * Limits().source_size)) is not None
        except OSError:
            return True  # reading the set reports why

    def with_file(self, file: Path) -> PolicySet:
        """Return the set that *file* belongs to."""
        around = [folder for folder in self.folders if file.is_relative_to(folder)]
        return self.at(max(around, key=lambda f: len(f.parts)) if around else self._topmost(file))

    def at(self, folder: Path) -> PolicySet:
        """Return the set in *folder*."""
        folder = Path(os.path.normpath(folder))
        if folder not in self.known:
            self.known[folder] = PolicySet.at(folder)
        return self.known[folder]

    def _topmost(self, file: Path) -> Path:
        folder = file.parent
        while folder not in (self.root, folder.parent) and any(folder.parent.glob("*.policy")):
            folder = folder.parent
        return folder


_SETS = pytest.StashKey[PolicySets]()
