"""Lint a policy set: what is well-formed and still wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from policyengine import __version__
from policyengine.cli.loading import paths_argument, plural, read_policies
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    FailingInput,
    say,
    say_json,
    show_diagnostics,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from policyengine.diagnostics.codes.code import Code
    from policyengine.diagnostics.diagnostic import Diagnostics
    from policyengine.lint.configuration import Configuration


@click.command(short_help="Find what is well-formed and still wrong.")
@paths_argument
@click.option("--select", multiple=True, metavar="RULE", help="Only this rule; may be repeated.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Not this rule; may be repeated.")
@click.option(
    "--format",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="Write for people, for programs, for code scanning, or as GitHub annotations.",
)
def command(
    paths: tuple[str, ...], select: tuple[str, ...], ignore: tuple[str, ...], format: str
) -> int:
    """Find rules in PATH that are well-formed and still wrong, by what they mean.

    Rules that nothing can satisfy, that another rule makes void, that no test exercises; names that
    nothing uses; waivers that have run out. A set with errors gets those, and no findings.

    Which rules count is said in `[tool.policyengine.lint]` of the nearest `pyproject.toml`: `select`,
    `ignore` and a table `per-file-ignores`. One line of a policy is answered by
    `# lint: ignore[rule] why`.

    \b
    Examples:
      policyengine lint policies/x
      policyengine lint policies/x --select shadowed-rule
      policyengine lint policies/x --format sarif > lint.sarif
      policyengine explain PE403                              what a rule means

    The exit code is 1 if there is a finding.
    """
    from policyengine.diagnostics.codes import CODES
    from policyengine.lint.linter import LINT_CODES, lint
    from policyengine.pipeline import check_sources

    configuration = _configuration(paths[0], select, ignore)
    sources, found = read_policies(paths)
    with working("linting the policies"):
        checked, diagnostics = check_sources(sources, found=found)
        if checked is not None:
            diagnostics = lint(checked, configuration)
    _report(diagnostics, format, {**CODES, **LINT_CODES})
    if format == "text":
        _sum_up(len(sources), diagnostics)
    return FINDINGS if diagnostics.items else FINE


def _configuration(path: str, select: tuple[str, ...], ignore: tuple[str, ...]) -> Configuration:
    from policyengine.lint.configuration import (
        ConfigurationError,
        check_slugs,
        find_pyproject,
        read_configuration,
    )
    from policyengine.lint.linter import EVERYTHING, SLUGS

    try:
        pyproject = find_pyproject(Path(path))
        configuration = read_configuration(pyproject, SLUGS) if pyproject else EVERYTHING
        return configuration.narrowed(check_slugs(select, SLUGS), check_slugs(ignore, SLUGS))
    except ConfigurationError as problem:
        raise FailingInput(str(problem)) from None


def _report(diagnostics: Diagnostics, format: str, codes: Mapping[str, Code]) -> None:
    from policyengine.diagnostics.export import diagnostics_json
    from policyengine.lint.reports import github_lines, sarif

    match format:
        case "json":
            say_json(diagnostics_json(diagnostics, codes))
        case "sarif":
            say_json(sarif(diagnostics, codes, __version__))
        case "github":
            for line in github_lines(diagnostics):
                say(line)
        case _:
            show_diagnostics(diagnostics)


def _sum_up(files: int, diagnostics: Diagnostics) -> None:
    from policyengine.diagnostics.render import summary

    say(f"{plural(files, 'file')}: ", end="")
    if diagnostics.errors:
        say(summary(diagnostics), "bold red")
    elif diagnostics.items:
        say(plural(len(diagnostics.items) + diagnostics.left_out, "finding"), "yellow")
    else:
        say("no findings", "green")
