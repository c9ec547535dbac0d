"""Write the pages of `docs/codes/` from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from policyengine.diagnostics.codes.code import Code

_GROUPS = {
    "1": "Syntax", "2": "Names", "3": "Types and soundness", "4": "Lint",
    "5": "Requests", "9": "Bugs of ours",
}  # fmt: skip


def page(code: Code) -> str:
    """Return the Markdown page of one code."""
    fence = "json" if code.example.lstrip().startswith("{") else "policy"
    return (
        f"# {code.number} {code.slug}\n\n{code.summary}\n\n{code.explanation}\n\n"
        f"## This gives it\n\n{_block(fence, code.example)}\n\n"
        f"## Write instead\n\n{_block(fence, code.instead)}\n"
    )


def index(codes: Iterable[Code]) -> str:
    """Return the Markdown page that lists all codes."""
    text, group = (
        "# Diagnostic codes\n\n`policyengine explain PE301` prints one of these pages.\n",
        "",
    )
    for code in codes:
        if code.number[2] != group:
            group = code.number[2]
            text += f"\n## {_GROUPS[group]}\n\n| code | name | |\n|---|---|---|\n"
        summary = code.summary.replace("|", "\\|")
        text += f"| [{code.number}]({code.number}.md) | {code.slug} | {summary} |\n"
    return text


def _block(fence: str, text: str) -> str:
    # A fence that is longer than any inside: an example may be about backquotes.
    return f"````{fence}\n{text.rstrip()}\n````"
