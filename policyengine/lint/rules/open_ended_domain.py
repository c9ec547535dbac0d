"""Find permits for a domain that other domains satisfy, too."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policyengine.diagnostics.codes.code import Code
from policyengine.diagnostics.diagnostic import Diagnostic, warning
from policyengine.lint.rule import LintRule, Subject
from policyengine.lint.rules.words import WORDS
from policyengine.lint.text_comparisons import TextComparison, text_comparisons
from policyengine.syntax import nodes

_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_ORIGIN = re.compile(r"[A-Za-z]+://(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")


def find(subject: Subject) -> Iterator[Diagnostic]:
    """Give a finding for each end of a domain, or beginning of an address, that is open to others."""
    for rule in subject.checked.rules:
        if rule.effect == "forbid":
            continue
        for found in text_comparisons(rule):
            other, help = _other(found) if found.wanted else ("", "")
            if other:
                message = f"`{rule.id}` lets `{other}` through, too"
                yield warning("PE434", found.node.span, message, help)


def _other(found: TextComparison) -> tuple[str, str]:
    """Return another text that is let through, and what to write; nothing if what is written is meant."""
    match found.node, found.part.constant if found.part else None:
        case nodes.Compare("endswith"), str(domain) if _DOMAIN.fullmatch(domain):
            end = f'endswith ".{domain}"'
        case nodes.Like(_, pattern), _ if pattern[:1] == "*" and _DOMAIN.fullmatch(pattern[1:]):
            domain = pattern[1:]
            end = f'like "*.{domain}"'
        case nodes.Compare("startswith"), str(origin) if _ORIGIN.fullmatch(origin):
            return f"{origin}.evil.example", f'write `startswith "{origin}/"`'
        case _:
            return "", ""
    return f"evil{domain}", f"write `{end}` for what is below it, or `@` before the name"


RULE = LintRule(
    Code(
        "PE434", "open-ended-domain", "A permit for a domain that other domains satisfy, too.",
        '`endswith "example.com"` holds for `evilexample.com`, which anybody may register, and `startswith "https://example.com"` for `https://example.com.evil.example`. The sign before or after the name makes it end there.',
        WORDS + 'entity Person { email: string }\naction open by Person on Post\npermit o: open when subject.email endswith "example.com"\npermit q: read when subject.status == active\n',
        WORDS + 'entity Person { email: string }\naction open by Person on Post\npermit o: open when subject.email endswith "@example.com"\npermit q: read when subject.status == active\n',
    ),
    find,
)  # fmt: skip
