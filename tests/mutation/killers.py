"""Paste every test that is offered for the shipped sets, and for random rules, and see what it does.

`python -m tests.mutation.killers` (`make killers`) leaves out all tests of a set but each n-th, so that there
is much to offer. Each test that is offered for a change must pass on the rules as they are, now, a day and a
year later, and fail for each of the changes that it is offered for; each suggested test must pass. A change
for which there is no test must be proved equivalent, or said to be not settled. `--share 0.1` tries a tenth
of the changes and of the rules, the same ones for the same `--seed`; `--seconds 20` ends each search for
tests then (after ten minutes, if it is left out).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TypeAlias

from attrs import evolve

from policyengine.analysis.budget import Budget
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.mutation.fate_keys import FateKeys
from policyengine.mutation.fates import Tried
from policyengine.mutation.mutants import mutants_of
from policyengine.mutation.score import mutate
from policyengine.mutation.suggest import suggest
from policyengine.mutation.trial import Trial
from policyengine.pipeline import check_sources, compile_set, read_sources
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedSet
from policyengine.testing.requests_of_tests import requests_of
from policyengine.testing.runner import run_tests
from tests.testing.world import NOW

DAY = 86_400_000_000
LATER = (NOW, NOW + DAY, NOW + 365 * DAY)
SETS = Path(__file__).parents[2] / "policies"

Sample: TypeAlias = Callable[[], bool]
"""Says of one change or rule after another whether it is tried."""


def all_of_them() -> bool:
    """Try each."""
    return True


def checked_of(texts: Mapping[str, str]) -> CheckedSet:
    """Check a set that has no mistakes."""
    checked, problems = check_sources({name: Source(name, text) for name, text in texts.items()})
    assert checked is not None, [problem.message for problem in problems.items]
    return checked


def thinned(texts: Mapping[str, str], every: int) -> dict[str, str]:
    """Return a set without its tests but each *every*-th."""
    thin = dict(texts)
    tests = checked_of(texts).tests
    for number, test in reversed(list(enumerate(tests))):
        if number % every:
            span = test.node.span
            text = thin[span.file]
            thin[span.file] = text[: span.start] + text[span.end :]
    return thin


def left_out(checked: CheckedSet, sample: Sample, now: int) -> dict[str, Tried]:
    """Return the changes that are not in *sample*, as if they were known to make no difference."""
    keys = FateKeys(checked, now)
    return {
        keys.of(m): Tried(m.of, m.kind, m.what, m.span, "equivalent")
        for m in mutants_of(checked)
        if not sample()
    }


def hold_offers(
    texts: Mapping[str, str],
    *,
    jobs: int = 1,
    now: int = NOW,
    sample: Sample = all_of_them,
    seconds: float | None = None,
) -> tuple[int, int, int]:
    """Paste what is offered for the changes of a set; return how many tests, changes, and changes not settled."""
    checked = checked_of(texts)
    known = left_out(checked, sample, now)
    run, _ = mutate(checked, now=now, jobs=jobs, remembered=known, seconds=seconds)
    by_test: dict[str, list[int]] = {}
    for number, one in enumerate(run.tried):
        assert one.fate != "survived" or one.test or one.why, one
        if one.test:
            by_test.setdefault(one.test, []).append(number)
    trial = Trial(checked, Limits(), now, Budget())
    pasted, titles = dict(texts), {}
    for count, (test, numbers) in enumerate(by_test.items()):
        title = f"offered {count}"
        head, _, body = test.partition(" {\n")
        assert head.startswith('test "')
        name = trial.variants.rules[min(trial.mutants[numbers[0]].rules)].node.span.file
        pasted[name] += f'\ntest "{title}" {{\n{body}'
        titles[title] = numbers
    again = checked_of(pasted)
    for moment in LATER:
        tested = run_tests(again, compile_set(again), pattern="offered ", now=moment)
        assert len(tested.results) == len(titles)
        failing = [r for r in tested.results if r.status != "passed"]
        assert not failing, (
            moment,
            [(r.title, r.problems, by_title(by_test, r.title)) for r in failing[:3]],
        )
    variants = {n: trial.variants.of(trial.mutants[n]) for ns in titles.values() for n in ns}
    for moment in LATER:
        asked = list(requests_of(again, now=moment))
        for number, variant in variants.items():
            assert variant is not None
            titled = next(title for title, numbers in titles.items() if number in numbers)
            (one,) = (a for a in asked if a.title == titled)
            env = Env(one.request, variant.checked.schema)
            case = interpreter.judge_all(variant.checked, env)
            assert not one.meets(variant.checked, case, interpreter.outcome(case, ())), (
                run.tried[number], by_title(by_test, titled),
            )  # fmt: skip
    left = sum(bool(one.why) or one.fate == "untried" for one in run.tried)
    return len(titles), len(variants), left


def by_title(by_test: Mapping[str, list[int]], title: str) -> str:
    """Return the test that was pasted with *title*."""
    return list(by_test)[int(title.split()[1])]


def hold_suggestions(
    texts: Mapping[str, str], *, sample: Sample = all_of_them, seconds: float | None = None
) -> int:
    """Paste what is suggested for a set; return how many tests."""
    checked = checked_of(texts)
    rules = {rule.id: rule for rule in checked.rules}
    pasted, count = dict(texts), 0
    asked = evolve(checked, rules=tuple(rule for rule in checked.rules if sample()))
    for one in suggest(asked, now=NOW, budget=Budget.lasting(seconds)):
        assert bool(one.text) != bool(one.why), one
        if one.text:
            count += 1
            pasted[rules[one.rule].node.span.file] += f"\n{one.text}"
    again = checked_of(pasted)
    for moment in LATER:
        tested = run_tests(again, compile_set(again), pattern="boundaries of ", now=moment)
        assert len(tested.results) == count
        failing = [(r.title, r.problems) for r in tested.results if r.status != "passed"]
        assert not failing, (moment, failing[:3])
    return count


def shipped() -> Iterator[tuple[str, dict[str, str]]]:
    """Give the shipped sets."""
    for folder in sorted(path for path in SETS.iterdir() if path.is_dir()):
        sources, _ = read_sources([folder])
        yield folder.name, {name: source.text for name, source in sources.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=4, help="keep each n-th test")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="try a share of the changes")
    parser.add_argument(
        "--seconds", type=float, default=600, help="how long tests are looked for each time"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*", help="the sets; all")
    given = parser.parse_args()
    rng = Random(given.seed)

    def sample() -> bool:
        return rng.random() < given.share

    for name, texts in shipped():
        if given.names and name not in given.names:
            continue
        for every in (1, given.every):
            thin = thinned(texts, every)
            tests, changes, left = hold_offers(
                thin, jobs=given.jobs, sample=sample, seconds=given.seconds
            )
            print(
                f"{name}, each {every}. test: {tests} tests notice {changes} changes, {left} not settled",
                flush=True,
            )
        suggested = hold_suggestions(texts, sample=sample, seconds=given.seconds)
        print(f"{name}: {suggested} suggested tests pass", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
