"""Plant breaches of promises in the shipped policy sets, and ask for promises that hold.

A set has a file. A *breach* changes one rule (*old*, which must stand once in *file*, by *new*), so that an
*invariant* of the set is broken, or one that is asked (*never*); *of* is its kind. A *promise* is asked of
the set as it is.

`python -m tests.breaches.harness` plants all and asks for all; `make breaches` is short for it.
"""

from __future__ import annotations

import os
import sys
import time
import tomllib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from attrs import evolve, frozen

from policyengine.analysis.budget import Budget
from policyengine.analysis.invariant_search import Answer
from policyengine.diagnostics.diagnostic import Diagnostics
from policyengine.diagnostics.source import Source
from policyengine.pipeline import check_sources
from policyengine.proving.asked_invariants import check_asked
from policyengine.proving.proofs import Proof, prove
from policyengine.semantics.checked import CheckedSet
from tests.faults.harness import Change, policies

FOLDER = Path(__file__).parent
SETS = ("hospital", "workspace", "x")
SECONDS = 10.0
"""The time in which each answer must be there."""

MOST_OPEN = 3
"""How many promises that hold need not be proved."""


@frozen
class Asked:
    """A promise, of the set as it is or with a change: it is there by name, or it is asked."""

    set: str
    number: int
    never: str = ""
    invariant: str = ""
    what: str = ""
    of: str = ""
    change: Change | None = None

    @property
    def name(self) -> str:
        """What it is called where it fails."""
        return f"{self.set}: {self.what or self.never}"

    def checked(self) -> tuple[CheckedSet, str, dict[str, str]]:
        """Return the set, the name of the invariant in it, and its text if it has no name."""
        sources = dict(policies(self.set))
        if self.change is not None:
            name = self.change.file
            sources[name] = Source(name, self.change.made_in(sources[name].text))
        checked, found = check_sources(sources)
        assert checked is not None, [problem.message for problem in found.items]
        if self.invariant:
            return checked, self.invariant, {}
        option, _, text = self.never.partition(" ")
        asked = check_asked(checked, [(f"--never-{option}", text)])
        assert not isinstance(asked, Diagnostics), [problem.message for problem in asked.items]
        (name,) = asked[1]
        return asked[0], name, asked[1]

    def proof(self) -> tuple[Proof, CheckedSet, float]:
        """Return what is known of the promise, in which set, and the seconds that it took."""
        checked, name, titles = self.checked()
        wanted = [one for one in checked.invariants if one.name == name]
        start = time.monotonic()
        (proof,) = prove(checked, wanted, Budget.lasting(SECONDS), titles=titles)
        return proof, checked, time.monotonic() - start


@cache
def read(set_: str) -> tuple[tuple[Asked, ...], tuple[Asked, ...]]:
    """Return the breaches and the promises of a set."""
    document = tomllib.loads((FOLDER / f"{set_}.toml").read_text(encoding="utf-8"))
    breaches = []
    for number, one in enumerate(document["breach"]):
        change = Change(one.pop("file"), one.pop("old"), one.pop("new"))
        breaches.append(Asked(set_, number, change=change, **one))
    promises = [Asked(set_, number, **one) for number, one in enumerate(document["promise"])]
    return tuple(breaches), tuple(promises)


BREACHES = tuple(one for set_ in SETS for one in read(set_)[0])
PROMISES = tuple(one for set_ in SETS for one in read(set_)[1])


def shown(breach: Asked) -> float:
    """Return the seconds after which a breach is found: its test fails with the change, and not without.

    Where rules read more without it, the test lacks that, which is an error.
    """
    proof, checked, seconds = breach.proof()
    assert proof.answer == "broken", f"{breach.name}: {proof.answer}, {proof.why}"
    assert proof.test is not None, breach.name
    assert _status(checked, proof.test) == "failed", f"{breach.name}: {proof.test}"
    whole, _, _ = evolve(breach, change=None).checked()
    assert _status(whole, proof.test) != "failed", f"{breach.name}: {proof.test}"
    return seconds


def _status(checked: CheckedSet, test: str) -> str:
    from policyengine.pipeline import compile_set
    from policyengine.testing.runner import run_tests

    packages = sorted({file.package.name for file in checked.files})
    own = packages[0] if len(packages) == 1 else "pasted"
    imports = "" if len(packages) == 1 else "".join(f"import {name}\n" for name in packages)
    text = f"package {own}\n{imports}\n{test}"
    pasted, found = check_sources({**checked.sources, "pasted": Source("pasted", text)})
    assert pasted is not None, [problem.message for problem in found.items]
    alone = tuple(one for one in pasted.tests if one.node.span.file == "pasted")
    (result,) = run_tests(evolve(pasted, tests=alone), compile_set(pasted)).results
    return result.status


def _found(breach: Asked) -> tuple[float, str]:
    """Return the seconds after which a breach is found, and what is wrong with that."""
    try:
        return shown(breach), ""
    except AssertionError as problem:
        return 0.0, str(problem)


def _answered(promise: Asked) -> tuple[float, Proof]:
    proof, _, seconds = promise.proof()
    return seconds, proof


def main() -> int:
    """Plant all breaches and ask for all promises, on all cores; say how long each took."""
    wrong = 0
    answers: Counter[Answer] = Counter()
    slowest = 0.0
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found, answered = pool.map(_found, BREACHES), pool.map(_answered, PROMISES)
        for seconds, problem in found:
            slowest = max(slowest, seconds)
            if problem:
                wrong += 1
                sys.stdout.write(f"not shown: {problem}\n")
        for promise, (seconds, proof) in zip(PROMISES, answered, strict=True):
            answers[proof.answer] += 1
            slowest = max(slowest, seconds)
            if proof.answer != "proved":
                sys.stdout.write(f"{proof.answer}: {promise.name}: {proof.why}{proof.test or ''}\n")
    kinds = Counter(breach.of for breach in BREACHES)
    sys.stdout.write(
        f"{len(BREACHES) - wrong} of {len(BREACHES)} breaches shown {dict(kinds)}; "
        f"{len(PROMISES)} promises: {dict(answers)}; the slowest took {slowest:.1f} s\n"
    )
    return int(bool(wrong) or bool(answers["broken"]) or answers["not settled"] > MOST_OPEN)


if __name__ == "__main__":
    sys.exit(main())
