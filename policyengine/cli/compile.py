"""Print the result of a stage of the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.asking import utf8
from policyengine.cli.completing import actions
from policyengine.cli.loading import cache_option, load_checked, paths_argument, read_policies
from policyengine.cli.output import (
    FINE,
    FailingInput,
    format_option,
    say,
    say_json,
    show_diagnostic,
)
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.model.types import TargetKey
    from policyengine.semantics.checked import CheckedSet

_STAGES = ("parse", "check", "lower", "simplify", "python")


@click.command(short_help="Print what a stage of the compiler makes of policies.")
@paths_argument
@cache_option
@click.option(
    "--stop-after",
    "stage",
    type=click.Choice(_STAGES),
    default="python",
    show_default=True,
    help="The last stage to run; what it returned is printed.",
)
@click.option(
    "--action",
    metavar="NAME",
    type=utf8,
    shell_complete=actions,
    help="Only for this action (from `check` on).",
)
@format_option
def command(paths: tuple[str, ...], stage: str, action: str | None, format: str) -> int:
    """Print the result of a stage of the compiler for the policy set in PATH.

    \b
      parse     the syntax tree
      check     each rule with the types of its conditions, and the parts of a request that it may read
      lower     the rules of each target, without names and sugar
      simplify  the same, after every simplification
      python    the code that decides, as it is executed

    A target is an action with the types of its subject and resource.

    \b
    Examples:
      policyengine compile policies/x --action search_all
      policyengine compile policies/x --stop-after check --action search_all
      policyengine compile docs.policy --stop-after parse
    """
    from policyengine.cli import stages

    if stage == "parse":
        document = _trees(paths)
    else:
        checked = load_checked(paths)
        after = {
            "check": stages.checked_rules,
            "lower": stages.lowered_rules,
            "simplify": stages.simplified_rules,
            "python": stages.python,
        }
        document = {
            " ".join((target[0], "by", target[1], "on", target[2])): after[stage](checked, target)
            for target in targets(checked, action)
        }
    if format == "json":
        say_json(document)
    elif stage == "python":
        for name, text in document.items():
            say(f"# {name}\n\n{text}\n", code=True)
    else:
        for line in _lines(document):
            say(line, code=True)
    return FINE


def _trees(paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the tree of each file; one that does not parse has none."""
    from policyengine.cli.stages import tree
    from policyengine.pipeline import parse_sources

    sources, found = read_policies(paths)
    files, mistakes = parse_sources(sources)
    problems = [*found, *mistakes]
    if problems:
        for problem in problems:
            show_diagnostic(problem, sources, aside=True)
        raise FailingInput(f"there is no tree: {plural(len(problems), 'mistake')}")
    return {file.span.file: tree(file) for file in files}


def targets(checked: CheckedSet, action: str | None) -> list[TargetKey]:
    """Return the targets of one action, or of all."""
    from policyengine.diagnostics.spell import did_you_mean

    known = checked.schema.actions
    if action is not None and action not in known:
        help = did_you_mean(action, known)
        raise FailingInput(f"there is no action `{action}`" + (f"; {help}" if help else ""))
    return [
        (name, subject, resource)
        for name, declared in sorted(known.items())
        if action in (None, name)
        for subject in declared.subjects
        for resource in declared.resources
    ]


def _lines(document: dict[str, Any] | list[Any], indent: str = "") -> Iterator[str]:
    """Yield a document as indented text: a line for each member."""
    if isinstance(document, dict):
        members = [(f"{key}:", part) for key, part in document.items() if key != "node"]
    else:
        members = [("-", part) for part in document]
    for label, part in members:
        name = f" {part['node']}" if isinstance(part, dict) and "node" in part else ""
        if isinstance(part, dict | list) and part:
            yield f"{indent}{label}{name}"
            yield from _lines(part, indent + "  ")
        elif part or part in (0, False):
            yield f"{indent}{label} {str(part).lower() if isinstance(part, bool) else part}"
