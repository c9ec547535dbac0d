"""Prepare texts about decisions: what depends on rules alone is done once, and kept with them.

A prepared text is a function of the roots of a request. What fails in one is asked for again part by part, since a
text is never worth failing for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from policyengine.model.request_messages import MOST_REASONS, SHORT, joined

Value: TypeAlias = Callable[..., Any]
"""What computes a value from the roots of a request (`Request.roots`)."""

Computed: TypeAlias = tuple[Callable[[Any], str], Value, str | None]
"""A value that is computed when it is shown: what shows it, what computes it, and the words that all but an auditor
read in its place, None if all may see it."""

Text: TypeAlias = tuple[str | Computed, ...]
"""A text for a person: literal parts, and values."""

Sentence: TypeAlias = tuple[Value | None, Text | None]
"""A text about a condition that is false, if it may be said, and what tests whether it is the right one."""

Words: TypeAlias = str | Callable[..., str]
"""A prepared text; a `str` if it is the same for all requests."""

NOT_SHOWN: Final = "a condition that is not shown does not hold"
"""What is said of a permit of which only conditions without a sentence are false."""

NOTHING_SAID: Final = "every gate permits it"
"""The reason of an allow of which no rule says anything."""


def rendered(text: Text, roots: tuple[Any, ...]) -> str:
    """Return a text with the values that it has for the roots of a request.

    `?` stands for one that cannot be shown. A text without values needs no roots.
    """
    said = ""
    for part in text:
        if isinstance(part, str):
            said += part
            continue
        try:
            said += part[0](part[1](*roots))
        except Exception:  # noqa: BLE001 - a text is never worth failing for
            said += "?"
    return said


def public(text: Text) -> Text:
    """Return a text as all may read it: with words in the place of values that are an auditor's alone."""
    return tuple([p if isinstance(p, str) or p[2] is None else p[2] for p in text])


def is_constant(text: Text) -> bool:
    """Whether a text has no values in it."""
    return all(isinstance(part, str) for part in text)


def prepared(text: Text) -> Words:
    """Prepare what `rendered` returns."""
    before, parts = "", list[tuple[Callable[[Any], str], Value, str]]()
    for part in text:
        if not isinstance(part, str):
            parts.append((part[0], part[1], ""))
        elif parts:
            parts[-1] = (*parts[-1][:2], parts[-1][2] + part)
        else:
            before += part
    if not parts:
        return before
    if len(parts) == 1:
        return _with_one(text, before, *parts[0])

    def words(subject: Any, resource: Any, context: Any, now: Any, entities: Any) -> str:
        said = before
        try:
            for show, value, after in parts:
                said += show(value(subject, resource, context, now, entities)) + after
        except Exception:  # noqa: BLE001 - a text is never worth failing for
            return rendered(text, (subject, resource, context, now, entities))
        return said

    return words


def _with_one(
    text: Text, before: str, show: Callable[[Any], str], value: Value, after: str
) -> Words:
    """Prepare a text with one value, as most have."""

    def words(subject: Any, resource: Any, context: Any, now: Any, entities: Any) -> str:
        try:
            return before + show(value(subject, resource, context, now, entities)) + after
        except Exception:  # noqa: BLE001 - a text is never worth failing for
            return rendered(text, (subject, resource, context, now, entities))

    return words


def prepared_sentence(blames: Value | None, sentences: Iterable[Sequence[Sentence]]) -> Words:
    """Prepare what describes a false condition: the first of which *blames* gives the number.

    *sentences*: those about each condition, of which the first is said whose test holds.
    """
    if blames is None:
        return NOT_SHOWN
    about = [_first_that_fits(said) for said in sentences]

    def words(subject: Any, resource: Any, context: Any, now: Any, entities: Any) -> str:
        try:
            number = blames(subject, resource, context, now, entities)
            if number is None:
                return NOT_SHOWN
            found = about[number]
        except Exception:  # noqa: BLE001 - a text is never worth failing for
            return NOT_SHOWN
        return found if isinstance(found, str) else found(subject, resource, context, now, entities)

    return words


def texts_by_condition(
    sentences: Iterable[Sequence[Sentence]], otherwise: Words
) -> tuple[Words, ...]:
    """Prepare what describes each condition if it is the first that is false; *otherwise* if it has no sentence."""
    return tuple([_first_that_fits(said) if said else otherwise for said in sentences])


def _first_that_fits(said: Sequence[Sentence]) -> Words:
    """Prepare the first of the sentences about one condition whose test holds."""
    about = [(t, NOT_SHOWN if text is None else prepared(text)) for t, text in said]
    if len(about) == 1 and about[0][0] is None:
        return about[0][1]

    def words(subject: Any, resource: Any, context: Any, now: Any, entities: Any) -> str:
        found: Words = NOT_SHOWN
        try:
            for test, text in about:
                if test is None or test(subject, resource, context, now, entities):
                    found = text
                    break
        except Exception:  # noqa: BLE001 - a text is never worth failing for
            return NOT_SHOWN
        return _said(found, (subject, resource, context, now, entities))

    return words


def together(parts: Sequence[Words]) -> Words:
    """Prepare the reason that prepared texts make, each once, and not too many."""
    constant = [part for part in parts if isinstance(part, str)]
    if len(constant) == len(parts):
        return joined(constant, len(parts)) or NOTHING_SAID
    return partial(joined_texts, parts)


def joined_texts(
    parts: Sequence[Words], subject: Any, resource: Any, context: Any, now: Any, entities: Any
) -> str:
    """Return the reason that prepared texts make, as `together` does."""
    if len(parts) <= MOST_REASONS:
        texts: dict[str, None] = {}
        for part in parts:
            if isinstance(part, str):
                texts[part] = None
            else:
                texts[part(subject, resource, context, now, entities)] = None
        text = "; ".join(texts)
        if 0 < len(text) < SHORT:
            return text
    each = map(_saying((subject, resource, context, now, entities)), parts)
    return joined(each, len(parts)) or NOTHING_SAID  # no more are asked for than are said


def _saying(roots: tuple[Any, ...]) -> Callable[[Words], str]:
    return lambda part: _said(part, roots)


def _said(part: Words, roots: tuple[Any, ...]) -> str:
    return part if isinstance(part, str) else part(*roots)
