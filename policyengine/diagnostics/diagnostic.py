"""Describe one problem as data: its code, message and place, and what to do about it.

Nothing here prints; `render.py` and `export.py` do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from msgspec import Struct

from policyengine.diagnostics.source import Source, Span


class Severity(Enum):
    """The severity of a problem: an error keeps a policy set from loading, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Label(Struct, frozen=True):
    """A place in the text and, for a secondary place, its relation to the problem."""

    span: Span
    text: str = ""


class Edit(Struct, frozen=True):
    """The replacement of the text at a place."""

    span: Span
    text: str


class Fix(Struct, frozen=True):
    """Edits that fix a problem and change no decision; *what* they do, as advice: `leave it out`."""

    what: str
    edits: tuple[Edit, ...]


class Several(Struct, frozen=True):
    """The report of several diagnostics with one cause, in place of them.

    In its *message*, `{count}` is their number, and `{names}` lists the text at the place of each.
    """

    message: str
    help: str


class Diagnostic(Struct, frozen=True):
    """One problem of a policy.

    *message* says in one sentence what is wrong (lower case, no full stop, the author's words in
    backticks); *help* says what to do, and is empty unless it is right. The first label is where
    the problem is, the others are places that explain it. *fix*: its safe fix, if there is one.
    *several*: how it is reported with others that have the same.
    """

    code: str
    message: str
    labels: tuple[Label, ...]
    help: str = ""
    severity: Severity = Severity.ERROR
    fix: Fix | None = None
    several: Several | None = None

    @property
    def span(self) -> Span:
        """The place of the problem."""
        return self.labels[0].span


def error(code: str, span: Span, message: str, help: str = "", *also: Label) -> Diagnostic:
    """Make an error at *span*."""
    return Diagnostic(code, message, (Label(span), *also), help)


def warning(
    code: str,
    span: Span,
    message: str,
    help: str = "",
    *also: Label,
    fix: Fix | None = None,
    several: Several | None = None,
) -> Diagnostic:
    """Make a warning at *span*."""
    return Diagnostic(code, message, (Label(span), *also), help, Severity.WARNING, fix, several)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return *text* with *edits* applied, none of which overlap."""
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


MOST_SHOWN = 100
"""The number of diagnostics that one run reports; more would help nobody."""

_MOST_NAMES = 12
"""The number of names that one report lists."""


class Diagnostics(Struct, frozen=True):
    """The diagnostics of a run, at most `MOST_SHOWN`, in the order of the text, and the texts."""

    items: tuple[Diagnostic, ...]
    sources: Mapping[str, Source]
    left_out: int = 0

    @classmethod
    def of(cls, items: Iterable[Diagnostic], sources: Mapping[str, Source]) -> Diagnostics:
        """Report those of one cause together, sort by place, drop repeats, and keep the first `MOST_SHOWN`.

        Errors come before warnings.
        """
        told = _together(items, sources)
        unique = {(d.code, d.span.file, d.span.start, d.span.end, d.message): d for d in told}
        by_weight = sorted(
            unique.values(),
            key=lambda d: (d.severity is not Severity.ERROR, d.span.file, d.span.start, d.code),
        )
        shown = sorted(by_weight[:MOST_SHOWN], key=lambda d: (d.span.file, d.span.start, d.code))
        return cls(tuple(shown), sources, len(by_weight) - len(shown))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that keep the policy set from loading."""
        return tuple(d for d in self.items if d.severity is Severity.ERROR)


def _together(items: Iterable[Diagnostic], sources: Mapping[str, Source]) -> Iterator[Diagnostic]:
    """Give *items*, those with one cause as one diagnostic, at the first of their places."""
    causes: dict[tuple[str, Several], dict[Span, Diagnostic]] = {}
    for item in items:
        if item.several is None:
            yield item
        else:
            causes.setdefault((item.code, item.several), {})[item.span] = item
    for (_, cause), found in causes.items():
        spans = sorted(found, key=lambda span: (span.file, span.start))
        first = found[spans[0]]
        if len(spans) == 1:
            yield first
            continue
        names = [f"`{sources[span.file].text[span.start : span.end]}`" for span in spans]
        more = len(names) - _MOST_NAMES
        if more > 1:
            names[_MOST_NAMES:] = [f"and {more} more"]
        message = cause.message.replace("{count}", str(len(spans)))
        message = message.replace("{names}", ", ".join(names))
        yield Diagnostic(first.code, message, first.labels, cause.help, first.severity)
