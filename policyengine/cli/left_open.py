"""Give commands the option `--budget`, and say what was left open when it was spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from policyengine.cli.loading import plural

SECONDS = 10.0
"""The time that a command takes for questions about all requests, if it is not told otherwise."""


def budget_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--budget SECONDS`, its parameter `budget`."""
    return click.option(
        "--budget",
        type=click.FloatRange(min=0),
        default=SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="The time for questions about all requests; what is not settled then is said.",
    )(command)


def left_open(count: int, asked: int, seconds: float) -> str:
    """Return the sentence that says how many questions were not settled."""
    return f"{count:,} of {plural(asked, 'question')} not settled in {seconds:g} s: `--budget` gives more time"
