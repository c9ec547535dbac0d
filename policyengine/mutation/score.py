"""Measure tests by the mutants that they notice: change rules slightly and see whether a test fails.

The reference interpreter decides. The verdicts on rules that a mutant does not change are known from
the unchanged set, so only the changed rule is judged again, for the requests that it covers. For a
mutant that no test notices, a request is searched that the mutant decides otherwise: first near the
requests of the tests, with a value or two changed; then by a proof that there is none (`analysis/`).
No file is written meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice, starmap, zip_longest
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Literal, TypeAlias

from attrs import define, evolve, field, frozen
from msgspec.structs import replace

from policyengine.analysis.places import read_keys_of
from policyengine.analysis.questions import equivalent
from policyengine.analysis.what_if import Granted
from policyengine.concurrency import cached_property
from policyengine.diagnostics.source import Source, Span
from policyengine.model.limits import Limits
from policyengine.model.masks import spelled
from policyengine.model.request import Request
from policyengine.model.types import TargetKey
from policyengine.mutation.check_written_tests import VerifiedTestWriter
from policyengine.mutation.mutants import Mutant, mutants_of
from policyengine.mutation.nearby_search import NearbySearch, counted
from policyengine.mutation.witness_requests import witness_request
from policyengine.mutation.write_tests import owed_clause
from policyengine.pipeline import check_sources
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.semantics.checker import Rechecker, check
from policyengine.syntax import nodes
from policyengine.testing.requests_of_tests import ExpectedRequest, requests_of

Fate: TypeAlias = Literal["noticed", "refused", "equivalent", "survived"]
"""A test fails; the checker refuses it; it decides every request as the original; or none of these."""

_MOST_BASES = 24
"""The number of requests of tests around which a distinguishing request is searched."""

_BUDGET = 20_000
"""The number of requests that are decided for that."""

_TIME = re.compile(r"\b(?:now|from|until)\b")
"""The words without which no answer depends on the time."""

_MANY = 200
"""The number of mutants from which on several processes are faster."""


@frozen
class Tried:
    """The fate of one mutant.

    *by*: the title of the test that noticed it. *test*: for a survivor, a test that would notice it;
    empty if no request was found that the mutant decides otherwise.
    """

    of: str
    kind: str
    what: str
    span: Span
    fate: Fate
    by: str = ""
    test: str = ""


@frozen
class MutationRun:
    """The fates of all mutants."""

    tried: tuple[Tried, ...]
    sources: Mapping[str, Source] = field(repr=False)

    def count(self, fate: Fate) -> int:
        """Return how many mutants have *fate*."""
        return sum(one.fate == fate for one in self.tried)

    @property
    def survivors(self) -> tuple[Tried, ...]:
        """The mutants that no test noticed, though some test could."""
        return tuple(one for one in self.tried if one.fate == "survived")

    @property
    def score(self) -> float:
        """The share of mutants that tests notice, among those that can be noticed; 1 if there are none."""
        noticed, survived = self.count("noticed"), self.count("survived")
        return noticed / (noticed + survived) if noticed + survived else 1.0


Progress: TypeAlias = Callable[[int, int], None]
"""A callback that takes how many mutants are done, of how many."""


def mutate(
    checked: CheckedSet,
    *,
    limits: Limits | None = None,
    now: int,
    jobs: int = 1,
    remembered: Mapping[str, Tried] | None = None,
    progress: Progress = lambda _done, _all: None,
) -> tuple[MutationRun, dict[str, Tried]]:
    """Try every mutant of a set whose tests pass; return their fates, and what to remember.

    *now* (microseconds): the time of expectations before the first `at`. *remembered*: what an
    earlier run returned; a mutant is tried again only if something that its fate may depend on has
    changed since. *jobs*: the number of processes that share the work.
    """
    limits, remembered = limits or Limits(), remembered or {}
    trial = Trial(checked, limits, now)
    marks = [trial.mark(mutant) for mutant in trial.mutants]
    fates = {i: remembered[mark] for i, mark in enumerate(marks) if mark in remembered}
    fates = {i: _of(trial.mutants[i], tried) for i, tried in fates.items()}
    open_ = [i for i in range(len(marks)) if i not in fates]
    for i, tried in _each(trial, open_, jobs):
        fates[i] = tried
        progress(len(fates), len(marks))
    run = MutationRun(tuple(fates[i] for i in range(len(marks))), checked.sources)
    return run, {mark: fates[i] for i, mark in enumerate(marks)}


def _of(mutant: Mutant, tried: Tried) -> Tried:
    """Return a remembered fate, for a mutant whose place in the text may have changed."""
    return Tried(mutant.of, mutant.kind, mutant.what, mutant.span, tried.fate, tried.by, tried.test)


def _each(trial: Trial, numbers: Sequence[int], jobs: int) -> Iterator[tuple[int, Tried]]:
    if jobs < 2 or len(numbers) < _MANY:  # noqa: PLR2004 - more than one
        for i in numbers:
            yield i, trial.of(trial.mutants[i])
        return
    texts = {name: source.text for name, source in trial.checked.sources.items()}
    titles = frozenset(test.node.span for test in trial.checked.tests)
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    pool = ProcessPoolExecutor(
        jobs, context, _begin, (texts, titles, trial.limits, trial.now, theirs)
    )
    try:
        with _deaf():
            found = pool.map(_one, numbers, chunksize=8)
        yield from zip(numbers, found, strict=True)
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Delay interrupts; processes that are started meanwhile ignore them.

    An interrupt from a terminal goes to all processes of a run. The worker processes end with the one
    that started them, however it ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # systems without it interrupt one process only
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_process: list[Trial] = []
"""The trial of a worker process, made by `_begin`."""


def _begin(
    texts: Mapping[str, str], tests: frozenset[Span], limits: Limits, now: int, parent: Connection
) -> None:
    Thread(target=_end_with, args=[parent], daemon=True).start()
    sources = {name: Source(name, text) for name, text in texts.items()}
    checked, _ = check_sources(sources, limits)
    assert checked is not None
    asked = tuple(test for test in checked.tests if test.node.span in tests)
    _process[:] = [Trial(evolve(checked, tests=asked), limits, now)]


def _end_with(parent: Connection) -> None:
    parent.poll(None)  # nothing is ever sent: reading ends when the parent does
    os._exit(1)


def _one(number: int) -> Tried:
    (trial,) = _process
    return trial.of(trial.mutants[number])


@define(slots=False)
class Trial:
    """The tests of a set, and the verdicts of the unchanged rules on their requests."""

    checked: CheckedSet
    limits: Limits
    now: int

    @cached_property
    def mutants(self) -> tuple[Mutant, ...]:
        """All mutants, in a fixed order."""
        return tuple(mutants_of(self.checked))

    @cached_property
    def asked(self) -> tuple[tuple[ExpectedRequest, JudgedRequest], ...]:
        """The requests of the tests, and the verdicts of the unchanged rules on them."""
        found = requests_of(self.checked, limits=self.limits, now=self.now)
        schema = self.checked.schema
        return tuple(
            (one, interpreter.judge_all(self.checked, Env(one.request, schema))) for one in found
        )

    @cached_property
    def _rules(self) -> Mapping[str, CheckedRule]:
        return {rule.id: rule for rule in self.checked.rules}

    @cached_property
    def _rechecker(self) -> Rechecker:
        return Rechecker(self.checked, self.limits)

    # ---- one mutant ---------------------------------------------------------------------

    def of(self, mutant: Mutant) -> Tried:
        """Return the fate of *mutant*."""
        changed = self._changed(mutant)
        tried = Tried(mutant.of, mutant.kind, mutant.what, mutant.span, "refused")
        if changed is None:
            return tried
        by = self._noticed(mutant, changed)
        if by is not None:
            return evolve(tried, fate="noticed", by=by)
        found = self._distinguishing_test(mutant, changed)
        if found is None and self._is_equivalent(mutant, changed):
            return evolve(tried, fate="equivalent")
        return evolve(tried, fate="survived", test=found or "")

    def _is_equivalent(self, mutant: Mutant, changed: CheckedSet) -> bool:
        """Whether the changed rules are known to decide every request as the original ones do."""
        after = {rule.id: rule for rule in changed.rules}
        if not mutant.rules <= after.keys():
            return False
        pairs = [(self._rules[id_], after[id_]) for id_ in sorted(mutant.rules)]
        return all(
            _same_beside_conditions(*pair)
            and (
                equivalent(self.checked, *pair)
                or equivalent(self.checked, *pair, self._deciding_instead(pair[0]))
            )
            for pair in pairs
        )

    def _deciding_instead(
        self, rule: CheckedRule
    ) -> Callable[[TargetKey], tuple[CheckedRule, ...]]:
        """Return rules that decide on their own where they hold, and that read some of the same values."""

        @cache
        def rules(target: TargetKey) -> tuple[CheckedRule, ...]:
            reads = read_keys_of(rule.needs[target], self.checked.schema, target)
            return tuple(
                other
                for other in self.checked.rules_for(target)
                if other is not rule
                and not other.advisory
                and other.outlasts(rule)
                and _leaves_idle(other, rule)
                and not reads.isdisjoint(
                    read_keys_of(other.needs[target], self.checked.schema, target)
                )
            )

        return rules

    def _changed(self, mutant: Mutant) -> CheckedSet | None:
        """Return the set with the mutant, None if it does not check."""
        if mutant.before is not None:
            return self._with_declaration(mutant.before, mutant.declaration)
        rule = self._rules[mutant.of]
        made: CheckedRule | None = None
        if mutant.rule is not None:
            made = self._rechecker.recheck(rule, mutant.rule)
            if made is None:
                return None
        covered = {} if made is None else made.typings
        by_target = {
            target: tuple(
                sorted(
                    (
                        *(one for one in self.checked.rules_for(target) if one is not rule),
                        *([made] if made is not None and target in covered else []),
                    ),
                    key=lambda one: (one.gate, one.name),
                )
            )
            for target in rule.typings.keys() | covered.keys()
        }
        rules = tuple(filter(None, (made if one is rule else one for one in self.checked.rules)))
        return evolve(self.checked, rules=rules, by_target={**self.checked.by_target, **by_target})

    def _with_declaration(
        self, before: nodes.Declaration, declaration: nodes.Declaration | None
    ) -> CheckedSet | None:
        files = [
            replace(
                file,
                declarations=tuple(
                    declaration if one is before and declaration else one
                    for one in file.declarations
                ),
            )
            for file in self.checked.files
        ]
        changed, _ = check(files, self.checked.sources, self.limits)
        return changed

    def _noticed(self, mutant: Mutant, changed: CheckedSet) -> str | None:
        """Return the title of the first test that fails with the changed rules."""
        for asked, before in self.asked:
            if not self._concerns(mutant, before.env.target):
                continue
            env = Env(asked.request, changed.schema)
            case = _rejudge(mutant.rules, changed, before, env)
            if not any(_differ(case, before, id_) for id_ in mutant.rules):
                continue
            if not asked.meets(changed, case, interpreter.outcome(case, advisories=())):
                return asked.title
        return None

    def _concerns(self, mutant: Mutant, target: TargetKey) -> bool:
        if mutant.actions:
            return target[0] in mutant.actions
        return any(target in self._rules[id_].typings for id_ in mutant.rules)

    # ---- how a survivor differs from the original ---------------------------------------

    def _distinguishing_test(self, mutant: Mutant, changed: CheckedSet) -> str | None:
        """Return a test that the original passes and the mutant does not."""
        searches = [
            NearbySearch(self.checked, changed, base, mutant.rules) for base in self._bases(mutant)
        ]
        for ways in (NearbySearch.alone, NearbySearch.together):
            budget = _BUDGET
            for search in searches:
                for changes in islice(ways(search), _BUDGET // 8):
                    budget -= 1
                    answers = search.differ(changes)
                    clauses = None if answers is None else _clauses(*answers)
                    if clauses is None:
                        continue
                    text = self._as_test(mutant, changed, search.near.changed(changes), clauses)
                    if text is not None:
                        return text
                if budget < 0:
                    break
        return None

    def _as_test(
        self, mutant: Mutant, changed: CheckedSet, request: Request, clauses: Iterable[str]
    ) -> str | None:
        """Return a test that expects the original's answer, if the mutant does not pass it."""
        outcome = interpreter.decide(self.checked, request)
        because: list[str] = []
        if not outcome.allowed and outcome.rules:
            because = [f"because {mutant.of if mutant.of in outcome.rules else outcome.rules[0]}"]
        title = f"{mutant.of}: noticed if {mutant.what}".replace("`", "")
        expectation = request, outcome.allowed, (*clauses, *because)
        rule = self._rules[min(mutant.rules)]
        text = self._test_writer.test(title, [expectation], rule, timed=False)
        if text is None:
            return None
        (asked,) = self._test_writer.asked(text, rule)
        case = interpreter.judge_all(changed, Env(asked.request, changed.schema))
        return None if asked.meets(changed, case, interpreter.outcome(case, ())) else text

    @cached_property
    def _test_writer(self) -> VerifiedTestWriter:
        return VerifiedTestWriter(self.checked, self.limits, self.now)

    def _bases(self, mutant: Mutant) -> Iterable[Request]:
        """Return requests of tests that the changed rules cover, as different as possible.

        One for each combination of first failures of the rules, then another of each; other targets
        come first. Where no test covers the rules, witnesses are used.
        """
        ways: dict[object, list[Request]] = {}
        again: dict[object, list[Request]] = {}
        seen: set[tuple[object, TargetKey]] = set()
        for asked, case in self.asked:
            target = case.env.target
            if self._concerns(mutant, target):
                way = self._first_failures(mutant, case)
                known = (way, target) in seen
                seen.add((way, target))
                (again if known else ways).setdefault(way, []).append(asked.request)
        if not ways:
            made = (self._witness_request(id_) for id_ in sorted(mutant.rules))
            return [request for request in made if request is not None][:_MOST_BASES]
        rounds = zip_longest(*([*new, *again.get(way, ())] for way, new in ways.items()))
        return islice((one for some in rounds for one in some if one is not None), _MOST_BASES)

    def _witness_request(self, id_: str) -> Request | None:
        if id_ not in self._witnesses:
            rule = self._rules[id_]
            self._witnesses[id_] = witness_request(self.checked, rule, self.limits, self.now)
        return self._witnesses[id_]

    @cached_property
    def _witnesses(self) -> dict[str, Request | None]:
        return {}

    def _first_failures(self, mutant: Mutant, case: JudgedRequest) -> object:
        """Return the condition of each changed rule that failed first, None if all held."""
        rules = (v.rule for v in case.verdicts if v.rule.id in mutant.rules and not v.failed)
        env = case.env
        return tuple(
            interpreter.first_false(rule.conjuncts, rule.typings[env.target], env) for rule in rules
        )

    # ---- what is remembered -------------------------------------------------------------

    def mark(self, mutant: Mutant) -> str:
        """Return a key for a mutant and all that its fate may depend on."""
        inside = mutant.before or self._rules[mutant.of].node
        name = f"{mutant.of}: {mutant.what} at {mutant.span.start - inside.span.start}"
        around = "".join(self._context_digest(self._rules[id_]) for id_ in sorted(mutant.rules))
        if mutant.actions:  # of which any rule and test may speak
            timed = any(_TIME.search(source.text) for source in self.checked.sources.values())
            around += f"{self.checked.digest}{self.now if timed else ''}"
        return hashlib.sha256(f"{name}\n{around}".encode()).hexdigest()

    def _context_digest(self, rule: CheckedRule) -> str:
        """Return a digest of the vocabulary, the rules and the tests that may affect a rule's mutants."""
        if rule.id not in self._context_digests:
            actions = {target[0] for target in rule.typings}
            texts = [self._words]
            texts += [
                f"{other.id} {self._text(other.node)}"
                for other in self.checked.rules
                if not rule.typings.keys().isdisjoint(other.typings)
            ]
            timed = any(_TIME.search(text) for text in texts)
            for test in self.checked.tests:
                expected = (nodes.Expect, nodes.ExpectEach)
                asks = {i.action.name for i in test.node.items if isinstance(i, expected)}
                if asks & actions:
                    texts.append(self._text(test.node))
                    first = next(i for i in test.node.items if not isinstance(i, nodes.Let))
                    if timed and not isinstance(first, nodes.At):
                        texts.append(f"at {self.now}")
            self._context_digests[rule.id] = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        return self._context_digests[rule.id]

    @cached_property
    def _context_digests(self) -> dict[str, str]:
        return {}

    @cached_property
    def _words(self) -> str:
        apart = nodes.GateBlock | nodes.Rule | nodes.TestDecl
        return "\0".join(
            self._text(declaration)
            for file in self.checked.files
            for declaration in file.declarations
            if not isinstance(declaration, apart)
        )

    def _text(self, node: nodes.Node) -> str:
        return self.checked.sources[node.span.file].at(node.span)


def _rejudge(
    rules: frozenset[str], changed: CheckedSet, before: JudgedRequest, env: Env
) -> JudgedRequest:
    """Judge only *rules*, and reuse the verdicts on the others."""
    known = {v.rule.id: v for v in before.verdicts if v.rule.id not in rules}
    verdicts = tuple(
        known.get(rule.id) or interpreter.judge(rule, interpreter.waivers(changed, rule, env), env)
        for rule in interpreter.candidates(changed, env, advisory=False)
    )
    return JudgedRequest(changed, env, verdicts)


def _same_beside_conditions(one: CheckedRule, other: CheckedRule) -> bool:
    def rest(rule: CheckedRule) -> object:
        dates = rule.valid_from, rule.valid_until
        covered = frozenset(rule.typings)
        return covered, rule.effect, rule.fields, rule.obligations, dates, rule.waivable

    return rest(one) == rest(other)


def _leaves_idle(one: CheckedRule, other: CheckedRule) -> bool:
    """Whether nothing depends on *other* where *one* holds; what a forbid owes does."""
    if one.effect == "forbid":
        return other.effect != "forbid" or not other.obligations
    return _gives_as_much(one, other)


def _gives_as_much(one: CheckedRule, other: CheckedRule) -> bool:
    """Whether *one* grants all that *other*, a permit, does."""
    if (one.effect, one.gate) != ("permit", other.gate) or other.effect != "permit":
        return False
    return (other.fields is None or one.fields == other.fields) and (
        not other.obligations or one.obligations == other.obligations
    )


def _differ(case: JudgedRequest, before: JudgedRequest, rule_id: str) -> bool:
    """Whether the verdict on a rule differs, or its text may."""
    pair = [next((v for v in one.verdicts if v.rule.id == rule_id), None) for one in (case, before)]
    if any(v is not None and not v.satisfied and _says_why_not(v.rule) for v in pair):
        return True
    return counted(pair[0]) != counted(pair[1])


def _says_why_not(rule: CheckedRule) -> bool:
    """Whether a reason may describe that *rule* is not satisfied."""
    return rule.effect == "permit" or (rule.effect == "expose" and rule.otherwise is not None)


def _clauses(answer: Granted, other: Granted) -> list[str] | None:
    """Return the clauses that a test needs, beside the verdict, to tell *answer* from *other*.

    None if no test can: no clause says that no obligation is owed.
    """
    if answer.allowed != other.allowed:
        return []
    clauses: list[str] = []
    if (answer.exposed, answer.masks) != (
        other.exposed,
        other.masks,
    ) and answer.exposed is not None:
        shown = sorted([*answer.exposed, *starmap(spelled, answer.masks)])
        clauses.append(f"fields {{{', '.join(shown)}}}")
    if answer.obligations != other.obligations and answer.obligations:
        clauses.append(owed_clause(answer.obligations))
    return clauses or None
