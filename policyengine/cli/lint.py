"""Lint a policy set: find rules that are well-formed and still wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from attrs import Factory, evolve, frozen

from policyengine.cli.asking import now_option
from policyengine.cli.completing import lint_rules
from policyengine.cli.left_open import budget_option, left_open
from policyengine.cli.loading import cache_option, paths_argument, read_policies, the_cache
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    FailingInput,
    say,
    say_json,
    say_parts,
    show_diagnostics,
    working,
)
from policyengine.cli.several_sets import each_option, run_on_sets
from policyengine.cli.writing import replace_files, show_diff
from policyengine.model.shown import plural
from policyengine.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from policyengine.diagnostics.diagnostic import Diagnostics
    from policyengine.diagnostics.source import Source
    from policyengine.lint.configuration import Configuration
    from policyengine.semantics.checked import CheckedSet


@frozen
class _Linted:
    """The result of a run: findings, or errors; the files that fixes changed, and the number of fixes.

    *notes*: what was left open; *not_settled*: the same by lint rule.
    """

    found: Diagnostics
    changed: tuple[tuple[Source, str], ...] = ()
    fixes: int = 0
    notes: tuple[str, ...] = ()
    not_settled: Mapping[str, int] = Factory(dict)


def _list_rules(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from policyengine.lint.linter import LINT_CODES

    widest = max(len(code.slug) for code in LINT_CODES.values())
    for code in LINT_CODES.values():
        say(f"{code.number}  {code.slug:{widest}}  {code.summary}")
    context.exit()


@click.command(short_help="Find what is well-formed and still wrong.")
@paths_argument
@cache_option
@each_option
@click.option(
    "--select",
    multiple=True,
    metavar="RULE",
    shell_complete=lint_rules,
    help="Only this rule; may be repeated.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULE",
    shell_complete=lint_rules,
    help="Not this rule; may be repeated.",
)
@click.option(
    "--rules",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_rules,
    help="List the rules, and stop.",
)
@click.option("--fix", is_flag=True, help="Make all fixes that are safe.")
@budget_option
@now_option("Find waivers that have run out by that moment. Without it: the present.")
@click.option("--diff", is_flag=True, help="Write nothing; show what --fix would change.")
@click.option(
    "--format",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="Write for people, for programs, for code scanning, or as GitHub annotations.",
)
def command(
    paths: tuple[str, ...],
    each: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fix: bool,
    budget: float,
    now: str | None,
    diff: bool,
    format: Literal["text", "json", "sarif", "github"],
) -> int:
    """Find rules in PATH that are well-formed and still wrong, by what they mean.

    Rules that nothing can satisfy, that another rule makes void, that no test exercises; names that
    nothing uses; waivers that have run out. A set with errors gets those, and no findings.

    Rules are enabled in `[tool.policyengine.lint]` of the nearest `pyproject.toml`: `select`, `ignore`
    and a table `per-file-ignores`. A finding on one line of a policy is answered by
    `# lint: ignore[rule] why`.

    --fix removes text on which no decision depends: definitions without use, rules written twice,
    waivers that have run out, idle ignores. Other findings are reported as without it.

    \b
    Examples:
      policyengine lint policies/x
      policyengine lint policies/x --select shadowed-rule
      policyengine lint --each policies                       every folder there is a set
      policyengine lint policies/x --diff
      policyengine lint policies/x --now 2027-06-30           what will have run out
      policyengine lint policies/x --format sarif > lint.sarif
      policyengine explain PE403                              what a rule means

    What asks about all requests shares the time of --budget. A finding is true however much is left open.

    The exit code is 1 if there is a finding that was not fixed.
    """
    if diff and (fix or format != "text"):
        raise click.UsageError("`--diff` writes nothing but text", click.get_current_context())

    def act(paths: tuple[str, ...]) -> int:
        configuration = _configuration(paths[0], select, ignore)
        return _lint_set(paths, configuration, budget, now, format, fix=fix, diff=diff)

    return run_on_sets(paths, act, each=each, text=format in {"text", "github"})


def _lint_set(
    paths: tuple[str, ...],
    configuration: Configuration,
    budget: float,
    now: str | None,
    format: Literal["text", "json", "sarif", "github"],
    *,
    fix: bool,
    diff: bool,
) -> int:
    """Lint one set, and show or write what was found."""
    sources, problems = read_policies(paths)
    with working("linting the policies"):
        linted = _lint(sources, problems, configuration, paths, budget, now, fixing=fix or diff)
    if diff:
        for before, text in linted.changed:
            show_diff(before, text, "fixed")
        _sum_up(len(sources), linted, "would be fixed")
        return FINDINGS if linted.fixes or linted.found.items else FINE
    replace_files(linted.changed)
    _report(linted, format)
    if format == "text":
        _sum_up(len(sources), linted, "fixed")
    return FINDINGS if linted.found.items else FINE


def _lint(
    sources: Mapping[str, Source],
    problems: list[Any],
    configuration: Configuration,
    paths: Sequence[str],
    seconds: float,
    now: str | None,
    *,
    fixing: bool,
) -> _Linted:
    from policyengine.analysis.budget import Budget
    from policyengine.lint.fixing import BrokenFixError
    from policyengine.lint.linter import examine
    from policyengine.model.values import parse_datetime
    from policyengine.pipeline import check_sources
    from policyengine.proving.proof_memory import recall

    checked, diagnostics = check_sources(sources, found=problems, cache=the_cache())
    if checked is None:
        return _Linted(diagnostics)
    budget, asked, too_many = Budget.lasting(seconds), 0, 0
    moment = None if now is None else parse_datetime(now)
    known = recall(the_cache(), paths, checked, seconds)
    proved = [name for name, proof in known.items() if proof.answer == "proved"]
    not_settled: Mapping[str, int] = {}

    def find(checked: CheckedSet) -> Diagnostics:
        nonlocal asked, not_settled, too_many
        linted = examine(checked, configuration, now=moment, budget=budget, proved=proved)
        asked, not_settled, too_many = linted.asked, linted.not_settled, linted.too_many
        return linted.found

    try:
        linted = _fixed(checked, find) if fixing else _Linted(find(checked))
    except BrokenFixError:
        raise FailingInput(
            "nothing was written: the fixes would break the policies, which is a bug of policyengine"
        ) from None
    if not not_settled:
        return linted
    rules = ", ".join(f"{slug} {count:,}" for slug, count in not_settled.items())
    note = f"{left_open(sum(not_settled.values()), asked, seconds, too_many)} ({rules})"
    return evolve(linted, notes=(note,), not_settled=not_settled)


def _fixed(checked: CheckedSet, find: Callable[[CheckedSet], Diagnostics]) -> _Linted:
    from policyengine.lint.fixing import apply_fixes
    from policyengine.pipeline import check_sources

    fixed = apply_fixes(checked, find, lambda sources: check_sources(sources)[0])
    changed = tuple(
        (source, fixed.sources[name].text)
        for name, source in checked.sources.items()
        if fixed.sources[name].text != source.text
    )
    return _Linted(fixed.left, changed, fixed.count)


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


def _report(linted: _Linted, format: Literal["text", "json", "sarif", "github"]) -> None:
    from policyengine.diagnostics.codes import CODES
    from policyengine.diagnostics.export import diagnostics_json
    from policyengine.lint.linter import LINT_CODES
    from policyengine.lint.reports import github_lines, sarif

    codes = {**CODES, **LINT_CODES}
    match format:
        case "json":
            say_json(
                {
                    **diagnostics_json(linted.found, codes),
                    "fixed": linted.fixes,
                    "gave_up": bool(linted.not_settled),
                    "not_settled": dict(linted.not_settled),
                }
            )
        case "sarif":
            say_json(sarif(linted.found, codes, __version__, linted.notes))
        case "github":
            for line in github_lines(linted.found, linted.notes):
                click.echo(line)
        case "text":
            show_diagnostics(linted.found)


def _sum_up(files: int, linted: _Linted, verb: str) -> None:
    from policyengine.diagnostics.render import summary

    found = linted.found
    for note in linted.notes:
        say(note, "yellow")
    start = f"{plural(files, 'file')}: "
    if linted.fixes:
        start += f"{plural(linted.fixes, 'finding')} {verb}, "
    if found.errors:
        left = (summary(found), "bold red")
    elif found.items:
        fixable = sum(diagnostic.fix is not None for diagnostic in found.items)
        able = f", of which `--fix` can fix {fixable}" if fixable else ""
        left = (plural(len(found.items) + found.left_out, "finding") + able, "yellow")
    else:
        left = ("no findings", "green")
    say_parts((start, None), left)
