"""Read the lint configuration: `[tool.policyengine.lint]` of a `pyproject.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

from attrs import evolve, frozen

from policyengine.diagnostics.reading import read_regular
from policyengine.diagnostics.spell import did_you_mean

_TABLE = "[tool.policyengine.lint]"
_PER_FILE = "per-file-ignores"

_LARGEST = 1_000_000
"""Bytes of a configuration: nobody writes more, and TOML is read slowly."""


class ConfigurationError(ValueError):
    """A configuration cannot be used; the text says why, in one line."""


@frozen
class Configuration:
    """The rules that are enabled, by slug: those of *select* without those of *ignore*.

    *per_file*: patterns of file names, with the rules that are disabled there.
    """

    select: frozenset[str]
    ignore: frozenset[str] = frozenset()
    per_file: Mapping[str, frozenset[str]] = {}

    def counts(self, slug: str, file: str) -> bool:
        """Whether a rule is enabled in *file*."""
        if slug not in self.select or slug in self.ignore:
            return False
        return not any(
            slug in slugs and (fnmatch(file, pattern) or fnmatch(file, f"*/{pattern}"))
            for pattern, slugs in self.per_file.items()
        )

    def narrowed(self, select: Iterable[str], ignore: Iterable[str]) -> Configuration:
        """Return the configuration with the options of a command line over it."""
        chosen = frozenset(select)
        return evolve(
            self, select=chosen or self.select, ignore=(self.ignore - chosen) | frozenset(ignore)
        )


def find_pyproject(path: Path) -> Path | None:
    """Return the `pyproject.toml` in the folder of *path*, or in the nearest one above it."""
    path = Path(os.path.realpath(path))  # which a loop of links does not fail
    for folder in (path, *path.parents):
        if (folder / "pyproject.toml").is_file():
            return folder / "pyproject.toml"
    return None


def read_configuration(path: Path, slugs: Iterable[str]) -> Configuration:
    """Read the lint table of a file; without one all rules are enabled. Raises `ConfigurationError`."""
    known = frozenset(slugs)
    try:
        document = tomllib.loads(read_regular(path, _LARGEST).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"`{path}` is no TOML: {problem}") from None
    except RecursionError:
        raise ConfigurationError(f"`{path}` is nested too deeply") from None
    table: object = document
    for key in ("tool", "policyengine", "lint"):
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"`{path}`: {_TABLE} is no table")
    for key in table:
        if key not in ("select", "ignore", _PER_FILE):
            help = did_you_mean(key, ("select", "ignore", _PER_FILE))
            raise ConfigurationError(f"`{path}`: {_TABLE} has no `{key}`; {help}".rstrip("; "))
    per_file = table.get(_PER_FILE, {})
    if not isinstance(per_file, dict):
        raise ConfigurationError(f"`{path}`: `{_PER_FILE}` is no table of patterns")
    if table.get("select") == []:
        raise ConfigurationError(f"`{path}`: `select` names no rule, so nothing would be found")
    return Configuration(
        _slugs(path, table.get("select", sorted(known)), known),
        _slugs(path, table.get("ignore", []), known),
        {pattern: _slugs(path, named, known) for pattern, named in per_file.items()},
    )


def _slugs(path: Path, named: object, known: frozenset[str]) -> frozenset[str]:
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise ConfigurationError(f"`{path}`: rules are given as a list of their names")
    return check_slugs(named, known, f"`{path}`: ")


def check_slugs(named: Iterable[str], known: frozenset[str], where: str = "") -> frozenset[str]:
    """Return the names of rules; raise `ConfigurationError` for one that is not *known*."""
    for slug in named:
        if slug not in known:
            help = did_you_mean(slug, known) or "`policyengine lint --rules` lists them"
            raise ConfigurationError(f"{where}there is no lint rule `{slug}`; {help}")
    return frozenset(named)
