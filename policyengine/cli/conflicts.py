"""List the rules that choose between texts which disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from policyengine.cli.loading import cache_option, load_checked, paths_argument
from policyengine.cli.output import FINDINGS, FINE, format_option, say, say_json
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.semantics.checked import CheckedSet
    from policyengine.semantics.conflicting_texts import TextConflict


@click.command(
    short_help="List where the texts behind the rules disagree, and which of them counts."
)
@paths_argument
@cache_option
@format_option
def command(paths: tuple[str, ...], format: str) -> int:
    """List the rules of PATH that cite one text against another.

    For each: the text that counts, the text that says otherwise, what the rule makes of it, and the tests that
    expect the rule by name. The exit code is 1 if a choice has no such test.

    \b
    Examples:
      policyengine conflicts policies/x
      policyengine conflicts policies/x --format json
    """
    from policyengine.semantics.conflicting_texts import conflicts_of

    checked = load_checked(paths)
    found = conflicts_of(checked)
    if format == "json":
        say_json({"conflicts": [_as_json(one, checked) for one in found]})
    elif not found:
        say("no rule cites one text against another")
    else:
        for one in found:
            _show(one, checked)
        say(f"{plural(len(found), 'choice')} between texts")
    return FINE if all(one.tests for one in found) else FINDINGS


def _as_json(one: TextConflict, checked: CheckedSet) -> dict[str, Any]:
    return {
        "rule": one.rule.id,
        "place": _place(one, checked),
        "effect": one.rule.effect,
        "cites": one.rule.cites,
        "against": one.rule.against,
        "choice": _choice(one, checked),
        "tests": list(one.tests),
    }


def _show(one: TextConflict, checked: CheckedSet) -> None:
    say(one.rule.id, "bold")
    say(f"  in       {_place(one, checked)}")
    say(f"  counts   {one.rule.cites}")
    say(f"  against  {one.rule.against}")
    say(f"  choice   {_choice(one, checked)}")
    for label, title in zip(["test", *[""] * len(one.tests)], one.tests or ["none"], strict=False):
        say(f"  {label:7}  {title}", None if one.tests else "red")
    say("")


def _choice(one: TextConflict, checked: CheckedSet) -> str:
    """Return what the rule makes of its texts: its effect, and its own words for it."""
    rule = one.rule
    words = rule.because if rule.effect == "forbid" else rule.otherwise or rule.because
    if words is None:
        return f"{rule.effect}s"
    text = checked.sources[words.span.file].on_one_line(words.span)
    return f"{rule.effect}s{' unless' if words is rule.otherwise else ''}: {text[1:-1]}"


def _place(one: TextConflict, checked: CheckedSet) -> str:
    source = checked.sources[one.rule.node.span.file]
    return f"{source.name}:{source.position(one.rule.node.span.start)[0]}"
