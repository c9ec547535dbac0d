"""Name the files of a site: one for each thing that has a page, told apart on every file system."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from policyengine.reporting.report_data import Report

_LONGEST = 80


@frozen
class PageFiles:
    """The paths of pages by kind and name, with `/`."""

    paths: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, report: Report) -> PageFiles:
        """Return the files of a report."""
        kinds = (
            ("actions", [one.name for one in report.actions]),
            ("gates", [one.name for one in report.gates]),
            ("entities", [one.name for one in report.entities]),
            ("settings", [one.key for one in report.settings]),
            ("names", [one.name for one in report.names]),
            ("obligations", [one.name for one in report.obligations]),
        )
        paths: dict[tuple[str, str], str] = {}
        for kind, names in kinds:
            taken: set[str] = set()
            for name in names:
                stem = made = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:_LONGEST].lstrip(".") or "page"
                number = 2
                while made.lower() in taken:  # some file systems take `Read` for `read`
                    made, number = f"{stem}-{number}", number + 1
                taken.add(made.lower())
                paths[kind, name] = f"{kind}/{made}.html"
        return cls(paths)

    def path(self, kind: str, name: str) -> str:
        """Return the path of a page from the top of the site."""
        return self.paths[kind, name]
