"""Give commands the option `--budget`, and say what was left open when it was spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from policyengine.model.shown import plural

SECONDS = 10.0
"""The time that a command takes for questions about all requests, if it is given no other."""


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


def left_open(
    count: int, asked: int, seconds: float, too_many: int = 0, of: str = "question"
) -> str:
    """Return the sentence that says how many questions were not settled; *too_many*: those that no time settles."""
    left = f"{count:,} of {plural(asked, of)} not settled"
    late = count - too_many
    if not too_many:
        return f"{left} in {seconds:g} s: `--budget` gives more time"
    if not late:
        return f"{left}: there are too many cases to try"
    return f"{left}: {late:,} in {seconds:g} s (`--budget` gives more time), {too_many:,} with too many cases to try"
