"""Report which changes of rules the tests notice, and the tests that would notice the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from policyengine.cli.output import say, say_parts
from policyengine.model.shown import plural

if TYPE_CHECKING:
    from policyengine.diagnostics.source import Source, Span
    from policyengine.mutation.fates import MutationRun, Tried

_MOST_TESTS = 10
_MOST_OF_A_TEST = 3
_MOST_RULES = 10


def show_mutation(run: MutationRun, *, everything: bool) -> None:
    """Write the result for people: the tests that kill most, or *everything*, then the survivors by rule."""
    classes = by_test(run.survivors)
    offered = [one_class for one_class in classes if one_class[0].test]
    unsettled = [one_class for one_class in classes if not one_class[0].test]
    for found, noun in ((offered, "test"), (unsettled, "reason")):
        shown = found if everything else found[:_MOST_TESTS]
        for one_class in shown:
            say("")
            _show_class(one_class, run.sources, everything=everything)
        if len(shown) < len(found):
            rest = found[len(shown) :]
            say("")
            changes = plural(sum(map(len, rest)), "change")
            say(f"{plural(len(rest), f'more {noun}')} for {changes}: `--all` shows them")
    _show_by_rule(run, everything=everything)
    _show_score(run)


def _show_class(
    one_class: Sequence[Tried], sources: Mapping[str, Source], *, everything: bool
) -> None:
    shown = one_class if everything else one_class[:_MOST_OF_A_TEST]
    for one in shown:
        line, _ = sources[one.span.file].position(one.span.start)
        what = f" {one.span.file}:{line}  {one.of}: {one.what} ({one.kind})"
        say_parts(("survived" if one.test else "not settled", "bold yellow"), (what, None))
    if len(shown) < len(one_class):
        say(f"and {plural(len(one_class) - len(shown), 'more change')}")
    if one_class[0].test:
        say(one_class[0].test.rstrip(), code=True)
    else:
        say(one_class[0].why)


def _show_by_rule(run: MutationRun, *, everything: bool) -> None:
    """Write how many changes of each rule survived, of those that may be noticed."""
    survived = Counter(one.of for one in run.survivors)
    if len(survived) < 2:  # noqa: PLR2004 - one needs no table
        return
    noticed = Counter(one.of for one in run.tried if one.fate == "noticed")
    most = sorted(survived, key=lambda of: (-survived[of], of))
    shown = most if everything else most[:_MOST_RULES]
    say("")
    say("not noticed, by rule", "bold")
    for of in shown:
        say(f"{survived[of]:>4} of {survived[of] + noticed[of]:<4} {of}")
    if len(shown) < len(most):
        say(f"and of {plural(len(most) - len(shown), 'more rule')}")


def _show_score(run: MutationRun) -> None:
    noticed, survived = run.count("noticed"), run.count("survived")
    say("")
    counts = (
        f": tests notice {noticed} of {plural(noticed + survived, 'change')}; of {len(run.tried)} tried, the "
        f"checker refuses {run.count('refused')} and {run.count('equivalent')} change no answer"
    )
    score = f"mutation {100 * run.score:.1f} %"
    say_parts((score, "green" if not survived else "bold yellow"), (counts, None))
    late = sum(one.late for one in run.tried)
    if late:
        say(
            f"{late} of {plural(len(run.tried), 'change')} not settled in {run.seconds:g} s: "
            "`--budget` gives more time"
        )


def by_test(survivors: Iterable[Tried]) -> list[Sequence[Tried]]:
    """Return the survivors that one test would notice together, and those that have none for one reason.

    Tests that notice most come first, of equal ones those that expect a deny: what they notice opens something.
    """
    classes: dict[tuple[str, str], list[Tried]] = {}
    for one in survivors:
        classes.setdefault((one.test, one.why), []).append(one)
    return sorted(
        classes.values(),
        key=lambda one_class: (-len(one_class), "expect deny" not in one_class[0].test),
    )


def mutation_json(run: MutationRun) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "percent": round(100 * run.score, 2),
        **{fate: run.count(fate) for fate in ("noticed", "survived", "refused", "equivalent")},
        "untried": run.count("untried"),
        "survivors": [_survivor_json(one, run.sources) for one in run.survivors],
    }


def _survivor_json(one: Tried, sources: Mapping[str, Source]) -> dict[str, Any]:
    place = place_json(one.span, sources)
    reason = {"test": one.test, "why": one.why}
    return {"of": one.of, "kind": one.kind, "what": one.what, **place, **reason}


def place_json(span: Span, sources: Mapping[str, Source]) -> dict[str, Any]:
    """Return the place of a span: file, line and column."""
    line, column = sources[span.file].position(span.start)
    return {"file": span.file, "line": line, "column": column}
