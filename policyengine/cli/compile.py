"""Print what a stage of the compiler returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs
import click

from policyengine.cli.loading import load_checked, paths_argument, plural, read_policies
from policyengine.cli.output import (
    FINE,
    FailingInput,
    format_option,
    say,
    say_json,
    show_diagnostic,
)

if TYPE_CHECKING:
    from policyengine.semantics.checked import CheckedRule, CheckedSet, TargetKey

STAGES = ("parse", "check", "lower", "simplify", "python")


@click.command(short_help="Print what a stage of the compiler makes of policies.")
@paths_argument
@click.option(
    "--stop-after",
    "stage",
    type=click.Choice(STAGES),
    default="python",
    show_default=True,
    help="The last stage to run; what it returned is printed.",
)
@click.option("--action", metavar="NAME", help="Only for this action (from `check` on).")
@format_option
def command(paths: tuple[str, ...], stage: str, action: str | None, format: str) -> int:
    """Print what the compiler makes of the policy set in PATH.

    \b
      parse     the syntax tree
      check     each rule with the types of its conditions, and what it may read of a request
      lower     the rules of each target, without names and sugar
      simplify  the same, after every simplification
      python    the code that decides, as it is run

    A target is an action with the types of its subject and resource.

    \b
    Examples:
      policyengine compile policies/x --action search_all
      policyengine compile policies/x --stop-after check --action search_all
      policyengine compile docs.policy --stop-after parse
    """
    if stage == "parse":
        document: Any = _trees(paths)
    else:
        checked = load_checked(paths)
        targets = _targets(checked, action)
        document = _checked_rules(checked, targets)
    if format == "json":
        say_json(document)
    else:
        for line in _lines(document):
            say(line)
    return FINE


# ---- parse ------------------------------------------------------------------------------


def _trees(paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the tree of each file; a file that does not parse is misuse here."""
    from policyengine.syntax.parser import parse

    sources, found = read_policies(paths)
    trees = {}
    problems = list(found)
    for source in sources.values():
        file, mistakes = parse(source)
        problems += mistakes
        trees[source.name] = _plain(file)
    if problems:
        for problem in problems:
            show_diagnostic(problem, sources, aside=True)
        raise FailingInput(f"there is no tree: {plural(len(problems), 'mistake')}")
    return trees


def _plain(value: object) -> Any:
    """Return a value as JSON has it: what is made with attrs becomes an object with its class."""
    from policyengine.syntax.nodes import Ident, Literal

    match value:
        case Ident():
            return str(value)
        case Literal(kind, _, text):
            return {"node": "Literal", "kind": kind, "text": text}
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _plain(part) for key, part in value.items()}
        case tuple() | list():
            return [_plain(part) for part in value]
        case set() | frozenset():
            return sorted(map(str, value))
        case _ if attrs.has(type(value)):
            parts = {
                part.name: _plain(getattr(value, part.name))
                for part in attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
                if part.repr and part.name != "span"
            }
            return {"node": type(value).__name__, **parts}
        case _:
            return str(value)


# ---- check ------------------------------------------------------------------------------


def _targets(checked: CheckedSet, action: str | None) -> list[TargetKey]:
    """Return the targets of one action, or of all."""
    from policyengine.diagnostics.spell import did_you_mean

    known = checked.schema.actions
    if action is not None and action not in known:
        help = did_you_mean(action, known)
        raise FailingInput(f"there is no action `{action}`" + (f"; {help}" if help else ""))
    return [
        (name, subject, resource)
        for name, declared in sorted(known.items())
        if action in (None, name)
        for subject in declared.subjects
        for resource in declared.resources
    ]


def _target_text(target: TargetKey) -> str:
    action, subject, resource = target
    return f"{action} by {subject} on {resource}"


def _checked_rules(checked: CheckedSet, targets: list[TargetKey]) -> dict[str, Any]:
    return {
        _target_text(target): {
            rule.id: _checked_rule(checked, rule, target) for rule in checked.rules_for(target)
        }
        for target in targets
    }


def _checked_rule(checked: CheckedSet, rule: CheckedRule, target: TargetKey) -> dict[str, Any]:
    needs = rule.needs[target]
    return {
        "effect": rule.effect,
        "conditions": [
            {
                "text": _text(checked, conjunct.expr),
                "wanted": conjunct.wanted,
                "types": dict(_types(checked, conjunct.expr, rule, target)),
            }
            for conjunct in rule.conjuncts
        ],
        "reads": [
            path
            for root in ("subject", "resource", "context")
            for path in _paths(root, getattr(needs, root))
        ],
    }


def _types(
    checked: CheckedSet, expr: Any, rule: CheckedRule, target: TargetKey
) -> Iterator[tuple[str, str]]:
    """Yield every part of a condition, outermost first, with its type."""
    from policyengine.semantics.flow import children

    yield _text(checked, expr), str(rule.typings[target].type_of(expr))
    for child in children(expr):
        yield from _types(checked, child, rule, target)


def _text(checked: CheckedSet, node: Any) -> str:
    source = checked.sources[node.span.file].text
    return " ".join(source[node.span.start : node.span.end].split())


def _paths(root: str, needs: Any) -> Iterator[str]:
    """Yield every path below *root* that may be read."""
    if needs.line:
        yield f"{root} and its ancestors"
    for name, part in needs.attributes.items():
        yield f"{root}.{name}"
        yield from _paths(f"{root}.{name}", part)
    if needs.elements is not None:
        yield from _paths(f"{root}[]", needs.elements)


# ---- text -------------------------------------------------------------------------------


def _lines(document: Any, indent: str = "") -> Iterator[str]:
    """Yield a document as indented text: a line for each member."""
    match document:
        case dict():
            members = [(f"{key}:", part) for key, part in document.items() if key != "node"]
        case list():
            members = [("-", part) for part in document]
        case _:
            yield f"{indent}{document}"
            return
    for label, part in members:
        name = f" {part['node']}" if isinstance(part, dict) and "node" in part else ""
        if isinstance(part, dict | list) and part:
            yield f"{indent}{label}{name}"
            yield from _lines(part, indent + "  ")
        elif part or part in (0, False):
            yield f"{indent}{label} {str(part).lower() if isinstance(part, bool) else part}"
