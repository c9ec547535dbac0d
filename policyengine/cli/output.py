"""Write to the terminal: colour only where it is wanted, and no characters that control it.

Rich is imported when the first text is written, so that `--version` and `--help` do without it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics
    from policyengine.diagnostics.render import Part
    from policyengine.diagnostics.source import Source
    from policyengine.model.errors import InvalidRequest

FINE, FINDINGS, MISUSE, NOT_SETTLED = 0, 1, 2, 3
"""The exit codes."""

ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals by which something else than the keyboard ends a command."""

_NARROWEST, _USUAL = 40, 80
"""The columns of a terminal: the fewest that lines are fitted into, and those of one that does not say."""

_TAB = 4

_PATIENCE = 1.0
"""The seconds after which work in progress is shown."""


TONES: Mapping[str, str | None] = {
    "plain": None,
    "title": "bold",
    "allow": "bold green",
    "deny": "bold red",
    "good": "green",
    "bad": "red",
}
"""The style of each tone of an explanation (`explain/audiences.py`)."""


class FailingInput(Exception):  # noqa: N818 - it is named after what happened
    """Input cannot be read or used; the text is the one line that is printed, further ones a list below it."""


def failing(said: str, problems: Sequence[object]) -> FailingInput:
    """Return what to raise for problems: one is said in the same line, several in a line each."""
    each = [str(problem) for problem in problems]
    return FailingInput(f"{said} {each[0]}") if len(each) == 1 else FailingInput(said, *each)


def not_fitting(refusal: InvalidRequest) -> FailingInput:
    """Return what to raise for a request that does not fit."""
    return failing("the request does not fit the policies:", refusal.problems)


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--format text|json`, its parameter `format`."""
    return click.option(
        "--format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Write for people, or for programs.",
    )(command)


def say(text: str, style: str | None = None, *, code: bool = False) -> None:
    """Write *text* to standard output, on a terminal in the rich style *style*.

    Lines are fitted into the terminal. *code*: text of a language, which is fitted on a terminal alone, whatever
    COLUMNS is: it may be written to a file.
    """
    say_parts((text, style), code=code)


def say_parts(*parts: tuple[str, str | None], code: bool = False) -> None:
    """Write a text of *parts*, each with its style."""
    from policyengine.diagnostics.wrapping import fitted_pieces

    dressed = styled()
    room = None if code and not sys.stdout.isatty() else width()
    pieces = [
        (visible(text if room is None else text.expandtabs(_TAB)), style) for text, style in parts
    ]
    rows = [
        indent + "".join(_styled(text, style) if dressed and style else text for text, style in row)
        for line in _lines(pieces)
        for indent, row in fitted_pieces(line, room, code=code)
    ]
    click.echo("\n".join(rows), color=dressed)


def _lines(parts: Iterable[tuple[str, str | None]]) -> Iterator[list[tuple[str, str | None]]]:
    """Give the lines of a text of parts."""
    line: list[tuple[str, str | None]] = []
    for text, style in parts:
        first, *others = text.split("\n")
        line.append((first, style))
        for other in others:
            yield line
            line = [(other, style)]
    yield line


def width(*, error: bool = False) -> int | None:
    """Return the columns that lines are fitted into, None where nothing says how many there are.

    Those are COLUMNS, or the columns of the terminal; lines that go elsewhere are left whole.
    """
    wanted = os.environ.get("COLUMNS", "")
    if re.fullmatch("[1-9][0-9]{0,4}", wanted):
        return max(int(wanted), _NARROWEST)
    stream = sys.stderr if error else sys.stdout
    if not stream.isatty():
        return None
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(columns or _USUAL, _NARROWEST)


def complain(first: str, *more: str) -> None:
    """Write what is wrong with the input to standard error: a line, and a list of others."""
    from policyengine.diagnostics.wrapping import fitted

    room = width(error=True)
    for line in (f"policyengine: {first}", *(f"  {line}" for line in more)):
        click.echo(visible(line) if room is None else fitted(visible(line), room), err=True)


def say_json(document: object) -> None:
    """Write *document* to standard output as one line of JSON."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def show_diagnostics(diagnostics: Diagnostics, *, aside: bool = False) -> None:
    """Write every diagnostic with its text and a caret, on standard output or error."""
    for diagnostic in diagnostics.items:
        show_diagnostic(diagnostic, diagnostics.sources, aside=aside)
        click.echo(err=aside)


def show_diagnostic(
    diagnostic: Diagnostic, sources: Mapping[str, Source], *, aside: bool = False
) -> None:
    """Write one diagnostic."""
    from policyengine.diagnostics.render import render

    dressed = _dressed if styled(error=aside) else None
    text = render(diagnostic, sources, dressed, width(error=aside))
    click.echo(text, err=aside, color=dressed is not None)


def _dressed(text: str, part: Part) -> str:
    """Return *text* with the terminal's codes for its kind."""
    return _styled(text, _DRESSES[part])


def _styled(text: str, style: str) -> str:
    """Return *text* with the terminal's codes for a rich style."""
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


_DRESSES: Mapping[Part, str] = {
    "error": "bold red",
    "warning": "bold yellow",
    "message": "bold",
    "place": "none",
    "gutter": "blue",
    "mark": "bold red",
    "also": "blue",
    "help": "cyan",
    "source": "none",
}


def styled(*, error: bool = False) -> bool:
    """Whether colour is wanted on standard output (or on standard error)."""
    return _console(error=error).color_system is not None


def visible(text: str) -> str:
    """Replace characters that control a terminal: reasons and names quote text of strangers."""
    from policyengine.diagnostics.render import readable

    return "".join(c if c in "\n\t" else readable(c) for c in text)


@contextmanager
def working(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on the terminal that *what* is in progress, if it takes longer than a second.

    Gives a function that takes how many parts are done, of how many.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    status = _console(error=True).status(what)
    timer = Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done, of: status.update(f"{what}: {done} of {of}")
    finally:
        timer.cancel()
        timer.join()  # a start in progress ends before the stop
        status.stop()


def _console(*, error: bool = False) -> Console:
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(stderr=error, color_system=None if plain else "auto", highlight=False)
