"""Ask how long the first reason of an action takes where there are many tenants."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bench.questions.answer import Answer, Scale
from bench.questions.tenants import many


def ask(scale: Scale) -> Iterator[Answer]:
    """Read the first reason of each action, after decisions about it."""
    made = many(scale)
    question = f"first reason of an action, tenants with {made.rules:,} rules: milliseconds"
    yield Answer(question, median(made.first_reasons) * 1_000, 50, 10, unit="ms")
