"""Leave out findings that an author has answered: `# lint: ignore[slug, …] reason`.

Such a comment is about its line or, if it is alone on its line, about the next line that is no
comment. It must give its reason and name rules that exist; one that leaves nothing out is itself a
finding, since it would hide the next mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from attrs import Factory, define

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, Edit, Fix, warning
from policyengine.diagnostics.source import Source, Span
from policyengine.diagnostics.spell import did_you_mean
from policyengine.lint.removal import leave_out_comment
from policyengine.syntax.comments import comments_at

_LISTED = re.compile(r"\[[^\]]*\]")
_IGNORE = re.compile(r"#\s*lint:\s*ignore(?:\[([^\]]*)\])?(.*)")

_RULE = "package docs\nentity App { on: bool }\nentity Post\naction read by App on Post\n"

CODES: Final = (
    Code(
        "PE428", "unused-ignore", "An ignore that ignores nothing.",
        "What it was written for is gone; it would hide the next mistake there.",
        _RULE + "# lint: ignore[bare-permit] everybody may\npermit p: any when subject.on\n",
        _RULE + "# lint: ignore[bare-permit] everybody may\npermit p: any\n",
    ),
    Code(
        "PE429", "ignore-without-reason", "An ignore that does not say why, or of what.",
        "A reader cannot tell whether it still holds.",
        _RULE + "# lint: ignore[bare-permit]\npermit p: any\n",
        _RULE + "# lint: ignore[bare-permit] everybody may\npermit p: any\n",
    ),
    Code(
        "PE430", "unknown-lint-rule", "An ignore of a lint rule that does not exist.",
        "It ignores nothing.",
        _RULE + "# lint: ignore[bare-pemit] everybody may\npermit p: any\n",
        _RULE + "# lint: ignore[bare-permit] everybody may\npermit p: any\n",
    ),
)  # fmt: skip


@define
class Ignore:
    """One comment: findings of *slugs* on *line* are left out; *used*: the slugs that had some."""

    span: Span
    line: int
    slugs: tuple[str, ...]
    reason: str
    used: set[str] = Factory(set)


def ignores_in(source: Source) -> Iterator[Ignore]:
    """Give the ignore comments of a file."""
    for at, comment in comments_at(source.text):
        found = _IGNORE.match(comment)
        if not found:
            continue
        line, column = source.position(at)
        if not source.line(line)[: column - 1].strip():  # it is alone on its line
            line = _next_line(source, line)
        named = tuple(slug.strip() for slug in (found[1] or "").split(",") if slug.strip())
        span = Span(source.name, at, at + len(comment))
        yield Ignore(span, line, named, found[2].strip())


def _next_line(source: Source, line: int) -> int:
    last, _ = source.position(len(source.text))
    while line < last:
        line += 1
        if source.line(line).strip() and not source.line(line).lstrip().startswith("#"):
            break
    return line


def without_ignored(
    findings: Iterable[Diagnostic],
    sources: Mapping[str, Source],
    codes: Mapping[str, Code],
    left_open: AbstractSet[str] = frozenset(),
) -> Iterator[Diagnostic]:
    """Give the findings that are not ignored, and those about the ignores themselves.

    *left_open*: rules that may have more to find, so that no ignore of them is idle.
    """
    ignores = [ignore for source in sources.values() for ignore in ignores_in(source)]
    by_line: dict[tuple[str, int], list[Ignore]] = {}
    for ignore in ignores:
        by_line.setdefault((ignore.span.file, ignore.line), []).append(ignore)
    for finding in findings:
        line, _ = sources[finding.span.file].position(finding.span.start)
        slug = codes[finding.code].slug
        here = by_line.get((finding.span.file, line), ())
        heeded = [ignore for ignore in here if slug in ignore.slugs]
        for ignore in heeded:
            ignore.used.add(slug)
        if not heeded:
            yield finding
    slugs = {code.slug for code in codes.values()}
    for ignore in ignores:
        ignore.used |= left_open
        yield from _about(ignore, sources[ignore.span.file], slugs)


def _about(ignore: Ignore, source: Source, known: AbstractSet[str]) -> Iterator[Diagnostic]:
    """Give the findings about an ignore itself."""
    unknown = [slug for slug in ignore.slugs if slug not in known]
    for slug in unknown:
        help = did_you_mean(slug, known)
        yield warning("PE430", ignore.span, f"there is no lint rule `{slug}`", help)
    if not ignore.slugs or not ignore.reason:
        help = "write `# lint: ignore[rule] why it is right here`"
        yield warning("PE429", ignore.span, "this does not say why, or of what", help)
        return
    idle = [slug for slug in ignore.slugs if slug not in ignore.used and slug in known]
    if not idle:
        return
    if len(idle) == len(ignore.slugs):
        fix = leave_out_comment(source, ignore.span)
        yield warning("PE428", ignore.span, "this ignores nothing", "leave it out", fix=fix)
        return
    listed = ", ".join(slug for slug in ignore.slugs if slug not in idle)
    named = _LISTED.search(source.text, ignore.span.start)
    assert named
    place = Span(source.name, *named.span())
    for slug in idle:
        message = f"there is no `{slug}` here to ignore"
        fix = Fix("take it off the list", (Edit(place, f"[{listed}]"),))
        yield warning("PE428", ignore.span, message, "take it off the list", fix=fix)
