"""Format policy files; their meaning and their comments stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import click
from attrs import frozen

from policyengine.cli.loading import paths_argument, read_file, read_policies
from policyengine.cli.output import (
    FINDINGS,
    FINE,
    FailingInput,
    format_option,
    say,
    say_json,
    show_diagnostic,
    working,
)
from policyengine.cli.writing import replace_files, show_diff
from policyengine.diagnostics.source import Source, of_size
from policyengine.model.limits import Limits
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.diagnostics.diagnostic import Diagnostic

_STDIN = "-"


@frozen
class _Formatted:
    """The result of formatting a file: a new text, no change, or the mistakes that prevent it."""

    source: Source
    text: str
    problems: tuple[Diagnostic, ...] = ()

    @property
    def state(self) -> Literal["unreadable", "changed", "unchanged"]:
        if self.problems:
            return "unreadable"
        return "changed" if self.text != self.source.text else "unchanged"

    @property
    def shown(self) -> Mapping[str, Source]:
        """The text as diagnostics show it: none if it was not read, or is too large."""
        return of_size(
            {self.source.name: self.source}, Limits().source_size if self.source.text else -1
        )


@click.command(short_help="Format policy files.")
@paths_argument
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Like --check, and show what would change.")
@format_option
def command(paths: tuple[str, ...], check: bool, diff: bool, format: str) -> int:
    """Format the policy files in PATH in place; `-` formats standard input to standard output.

    There is one style and nothing to set. What helps a reader stays as it is written: parentheses
    that group a part of an expression, clauses and operands on lines of their own, tables in
    columns, line ends. A file is written only if its syntax tree is the same after as before, and a
    file that does not parse is left alone.

    \b
    Examples:
      policyengine fmt policies
      policyengine fmt --check policies             for CI
      policyengine fmt --diff policies/x
      policyengine fmt - < draft.policy

    The exit code is 1 if a file does not parse, or if one would change under --check or --diff.
    """
    if _STDIN in paths and len(paths) > 1:
        raise click.UsageError("`-` cannot be given with other paths", click.get_current_context())
    dry = check or diff
    with working("formatting"):
        results = _format_all(paths)
    if not dry and paths != (_STDIN,):
        replace_files([(r.source, r.text) for r in results if r.state == "changed"])
    if format == "json":
        files = [{"file": result.source.name, "state": result.state} for result in results]
        say_json({"written": not dry and paths != (_STDIN,), "files": files})
    elif paths == (_STDIN,) and not dry:
        _pass_through(results[0])
    else:
        _show(results, dry=dry, diff=diff)
    found = any(r.state == "unreadable" or (dry and r.state == "changed") for r in results)
    return FINDINGS if found else FINE


def _format_all(paths: Sequence[str]) -> list[_Formatted]:
    if tuple(paths) == (_STDIN,):
        data = read_file(_STDIN, 4 * Limits().source_size)
        return [_format(_decoded(data, "standard input"))]
    sources, found = read_policies(paths)
    broken = [_Formatted(Source(d.span.file, ""), "", (d,)) for d in found]
    return broken + [_format(source) for source in sources.values()]


def _decoded(data: bytes, name: str) -> Source:
    from policyengine.diagnostics.diagnostic import Diagnostic
    from policyengine.syntax.decoding import decode

    source = decode(data, name)
    if isinstance(source, Diagnostic):
        raise FailingInput(source.message)
    return source


def _format(source: Source) -> _Formatted:
    """Format one file; the formatter itself verifies that the tree stays the same."""
    from policyengine.syntax.formatter import format_source

    formatted = format_source(source)
    if isinstance(formatted, str):
        return _Formatted(source, formatted)
    return _Formatted(source, source.text, formatted)


def _pass_through(result: _Formatted) -> None:
    if result.problems:
        for problem in result.problems:
            show_diagnostic(problem, result.shown, aside=True)
    else:
        click.echo(result.text.encode(), nl=False)  # bytes, so that line ends stay as they are


def _show(results: Sequence[_Formatted], *, dry: bool, diff: bool) -> None:
    for result in results:
        for problem in result.problems:
            show_diagnostic(problem, result.shown)
        if result.state != "changed":
            continue
        if diff:
            show_diff(result.source, result.text, "formatted")
        else:
            say(f"{'would format' if dry else 'formatted'} {result.source.name}")
    counts = {state: sum(r.state == state for r in results) for state in _WORDS}
    parts = [
        f"{plural(count, 'file')} {would if dry else done}"
        for state, (done, would) in _WORDS.items()
        if (count := counts[state])
    ]
    say(", ".join(parts), "red" if counts["unreadable"] else None)


_WORDS = {
    "changed": ("formatted", "would change"),
    "unchanged": ("unchanged", "formatted already"),
    "unreadable": ("not parsed", "not parsed"),
}
"""The message for each state, for files that are written and for those that are only checked."""
