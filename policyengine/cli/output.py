"""Write to the terminal: colour only where it is wanted, and no characters that control it.

Rich is imported when the first text is written, so that `--version` and `--help` do without it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import wrap
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics
    from policyengine.diagnostics.render import Part
    from policyengine.diagnostics.source import Source

FINE, FINDINGS, MISUSE = 0, 1, 2
"""The exit codes."""

_NARROWEST = 40
"""The columns that a terminal is taken to have at least."""

_PATIENCE = 1.0
"""The seconds after which work in progress is shown."""


class FailingInput(Exception):  # noqa: N818 - it is named after what happened
    """Input cannot be read or used; the text is the one line that is printed."""


def format_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--format text|json`, its parameter `format`."""
    return click.option(
        "--format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Write for people, or for programs.",
    )(command)


def say(text: str, style: str | None = None, *, end: str = "\n") -> None:
    """Write *text* to standard output, on a terminal in the rich style *style*."""
    if style is not None and styled():
        from rich.text import Text

        _console().print(Text(visible(text), style), end=end, soft_wrap=True)
    else:
        click.echo(visible(text) + end, nl=False)


def say_folded(text: str, style: str | None = None, *, hanging: int = 4) -> None:
    """Write *text* as `say` does, on a terminal in lines that fit, broken between words.

    The lines after the first are indented by *hanging* more.
    """
    say("\n".join(folded(text, hanging)), style)


def folded(text: str, hanging: int) -> list[str]:
    """Return *text* in lines that fit the terminal; in one where output goes elsewhere."""
    if not sys.stdout.isatty():
        return [text]
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    content = text.lstrip(" ")
    margin = " " * min(len(text) - len(content), width - _NARROWEST // 2)
    rest = " " * min(len(margin) + hanging, width - _NARROWEST // 2)
    lines = wrap(
        content, width, initial_indent=margin, subsequent_indent=rest, break_on_hyphens=False
    )
    return lines or [""]


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
    click.echo(render(diagnostic, sources, dressed), err=aside, color=dressed is not None)


def _dressed(text: str, part: Part) -> str:
    """Return *text* with the terminal's codes for its kind."""
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(_DRESSES[part]).render(text, color_system=ColorSystem.STANDARD)


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
