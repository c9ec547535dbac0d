"""Write to the terminal: colour only where it is wanted, nothing that could steer the terminal.

Rich is imported when the first text is written, so that `--version` and `--help` do without it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any
from unicodedata import category

import click

if TYPE_CHECKING:
    from rich.console import Console

    from policyengine.diagnostics.diagnostic import Diagnostic, Diagnostics
    from policyengine.diagnostics.source import Source

FINE, FINDINGS, MISUSE = 0, 1, 2
"""The exit codes."""

_PATIENCE = 1.0
"""Seconds of work after which it is said that there is work."""


class FailingInput(Exception):  # noqa: N818 - it is named after what happened
    """Input that cannot be read or used; its text is the one line that is printed."""


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
    _write(False, text, style, end)


def say_aside(text: str, style: str | None = None) -> None:
    """Write *text* to standard error, on a terminal in the rich style *style*."""
    _write(True, text, style, "\n")


def say_json(document: object) -> None:
    """Write *document* to standard output as one line of JSON."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def show_diagnostics(diagnostics: Diagnostics, *, aside: bool = False) -> None:
    """Write every diagnostic with its text and a caret, on standard output or error."""
    for diagnostic in diagnostics.items:
        show_diagnostic(diagnostic, diagnostics.sources, aside=aside)
        (say_aside if aside else say)("")


def show_diagnostic(
    diagnostic: Diagnostic, sources: Mapping[str, Source], *, aside: bool = False
) -> None:
    """Write one diagnostic."""
    from policyengine.diagnostics.render import render

    (say_aside if aside else say)(render(diagnostic, sources))


def styled(*, error: bool = False) -> bool:
    """Whether colour is wanted on standard output (or on standard error)."""
    return _console(error).color_system is not None


def visible(text: str) -> str:
    """Show the characters that steer a terminal or turn the direction of text as escapes.

    Reasons and diagnostics quote what strangers wrote.
    """
    return "".join(c if c in "\n\t" or category(c) not in _STEERING else _escape(c) for c in text)


_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on the terminal that *what* is being done, if it takes longer than a second."""
    if not sys.stderr.isatty():
        yield
        return
    status = _console(True).status(what)
    timer = Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # a start that was under way is over before the stop
        status.stop()


def _write(error: bool, text: str, style: str | None, end: str) -> None:
    if styled(error=error) and style is not None:
        from rich.text import Text

        _console(error).print(Text(visible(text), style), end=end, soft_wrap=True)
    else:
        click.echo(visible(text) + end, err=error, nl=False)


def _console(error: bool) -> Console:
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(stderr=error, color_system=None if plain else "auto", highlight=False)
