"""Complete what only the policies, or the catalogue of codes, know: the names of actions, invariants and rules.

A shell asks while somebody types, so nothing here fails or writes: what cannot be read completes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from policyengine.syntax import nodes


def lint_rules(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete the name of a lint rule."""
    from policyengine.lint.linter import LINT_CODES

    return [
        CompletionItem(code.slug, help=code.summary)
        for code in LINT_CODES.values()
        if code.slug.startswith(begun)
    ]


def codes_or_paths(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete a code or its name, and let the shell complete a path as well."""
    from policyengine.diagnostics.codes import CODES
    from policyengine.lint.linter import LINT_CODES

    found = [
        CompletionItem(name, help=code.summary)
        for code in {**CODES, **LINT_CODES}.values()
        for name in (code.number, code.slug)
        if begun and name.startswith(begun)
    ]
    return [*found, CompletionItem(begun, type="file")]


def measures(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """Complete the measure of a threshold; the percentage is the user's."""
    from policyengine.cli.measures import MUTATION
    from policyengine.testing.coverage_text import NAMES

    return [f"{name}=" for name in (*NAMES, MUTATION) if name.startswith(begun)]


def actions(context: click.Context, _: click.Parameter, begun: str) -> Iterable[str]:
    """Complete the name of an action of the policies that the command line names."""
    from policyengine.syntax import nodes

    names = {
        name.name
        for declaration in _declarations(context)
        if isinstance(declaration, nodes.ActionDecl)
        for name in declaration.names
    }
    return sorted(name for name in names if name.startswith(begun))


def invariants(context: click.Context, _: click.Parameter, begun: str) -> Iterable[str]:
    """Complete the name of an invariant of the policies that the command line names."""
    from policyengine.syntax import nodes

    names = {d.name.name for d in _declarations(context) if isinstance(d, nodes.InvariantDecl)}
    return sorted(name for name in names if name.startswith(begun))


def _declarations(context: click.Context) -> list[nodes.Declaration]:
    from policyengine.pipeline import parse_sources, read_sources

    # An option that lacks its value keeps click from naming the arguments.
    paths = context.params.get("paths") or context.args
    sources, _ = read_sources(path for path in paths if not path.startswith("-"))
    files, _ = parse_sources(sources)
    return [declaration for file in files for declaration in file.declarations]
