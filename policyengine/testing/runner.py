"""Run tests: build each request, decide it twice, and compare the outcome with the expectation.

Every request is decided by the compiled program and by the reference interpreter. Expectations are
compared with the interpreter's outcome, and a program that decides otherwise is a bug of ours
(PE902). Every request that is allowed is also checked against the invariants, whatever the test is
about. A request that does not fit makes the test an error: it has no outcome.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from attrs import define, evolve

from policyengine.diagnostics.source import Span
from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import gives
from policyengine.model.limits import Limits
from policyengine.model.outcome import Outcome
from policyengine.model.shown import shown_entity
from policyengine.model.valid_request import ValidRequest
from policyengine.reference import interpreter, reasons
from policyengine.reference.evaluation import Env
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet, CheckedTest
from policyengine.syntax import nodes
from policyengine.testing.expectations import unmet
from policyengine.testing.request_builder import RequestBuilder
from policyengine.testing.results import Problem, Result, Run


def run_tests(
    checked: CheckedSet,
    program: Program,
    *,
    pattern: str = "",
    limits: Limits | None = None,
    now: int | None = None,
) -> Run:
    """Run the tests whose title contains *pattern*, in the order of the text.

    *now* (microseconds) is the time of expectations before the first `at`; the present by default.
    """
    validator = Validator(checked.schema, program.needs, limits or Limits())
    runner = _Runner(checked, program, validator, time.time_ns() // 1000 if now is None else now)
    wanted = pattern.casefold()
    chosen = [test for test in checked.tests if wanted in test.title.casefold()]
    chosen.sort(key=lambda test: (test.node.span.file, test.node.span.start))
    return Run(tuple(map(runner.run, chosen)), checked.sources)


@define
class _Runner:
    checked: CheckedSet
    program: Program
    validator: Validator
    now: int

    def run(self, test: CheckedTest) -> Result:
        """Run one test to its end, even if some parts fail."""
        start = time.perf_counter()
        builder = RequestBuilder(self.checked.schema, test.typing, self.now, test.entities)
        problems: list[Problem] = []
        expectations = 0
        for item in test.node.items:
            match item:
                case nodes.At(moment):
                    assert isinstance(moment.value, int)
                    builder.now = moment.value
                case nodes.Let(name, value):
                    try:
                        builder.names[name.name] = builder.value(value)
                    except Exception as problem:  # noqa: BLE001 - reported, whatever it is
                        problems.append(_unreadable(item.span, problem))
                case nodes.Expect() | nodes.ExpectEach():
                    for expect, of in builder.each(item):
                        found = self._expect(expect, builder)
                        problems += (_about(of, problem) for problem in found)
                        expectations += 1
                case _:
                    assert_never(item)
        seconds = time.perf_counter() - start
        return Result(test.title, test.node.span, tuple(problems), expectations, seconds)

    def _expect(self, expect: nodes.Expect, builder: RequestBuilder) -> Iterator[Problem]:
        parts: dict[str, Any] = {}
        try:
            parts = builder.request(expect)
            request = self.validator.validate_parts(**parts)
        except InvalidRequest as refusal:
            entities = parts.get("entities") or ()
            notes = tuple(("problem", _in_a_test(str(p), entities)) for p in refusal.problems)
            message = "the request does not fit the policy set"
            yield Problem("error", expect.span, message, notes)
            return
        except Exception as problem:  # noqa: BLE001 - reported, whatever it is
            yield _unreadable(expect.span, problem)
            return
        case = interpreter.judge_all(self.checked, Env(request, self.checked.schema))
        outcome, reason = interpreter.decided(case), reasons.reason_of(case)
        yield from self._disagreement(expect, request, outcome, reason)
        yield from self._broken_invariants(expect, request, outcome, reason)
        try:
            for span, message in unmet(expect, outcome, reason, builder):
                yield Problem("failed", span, message, _notes(outcome, reason))
        except Exception as problem:  # noqa: BLE001 - reported, whatever it is
            yield _unreadable(expect.span, problem)

    def _disagreement(
        self, expect: nodes.Expect, request: ValidRequest, outcome: Outcome, reason: str
    ) -> Iterator[Problem]:
        decision = self.program.decide(request)
        if (decision.outcome, decision.reason) != (outcome, reason):
            message = "the compiled program and the reference interpreter disagree"
            notes = (
                ("compiled", f"{decision.outcome}, {decision.reason!r}"),
                ("reference", f"{outcome}, {reason!r}"),
            )
            yield Problem("error", expect.span, message, notes, "PE902")

    def _broken_invariants(
        self, expect: nodes.Expect, request: ValidRequest, outcome: Outcome, reason: str
    ) -> Iterator[Problem]:
        if not outcome.allowed:
            return
        target = (request.action, request.subject.type, request.resource.type)
        lacking = {
            invariant.name
            for invariant in self.checked.invariants
            if target in invariant.needs and not gives(request, invariant.needs[target])
        }
        for name in lacking:
            message = f"the request does not give what the invariant `{name}` reads"
            yield Problem("error", expect.span, message)
        promised = {invariant.name: invariant.fields for invariant in self.checked.invariants}
        for name in interpreter.broken_invariants(self.checked, request, outcome):
            if name not in lacking:
                done = f"shows {', '.join(fields)}" if (fields := promised[name]) else "is allowed"
                message = f"this {done}, and the invariant `{name}` says never"
                yield Problem("failed", expect.span, message, _notes(outcome, reason))


_ADVICE: Final = (
    ("give its parents (an empty list if there are none)", "write `NAME {}`, or `NAME under … {}` if it is in something"),
    ("give it in `entities` or in a store", "write it out: `NAME { name: value }`"),
)  # fmt: skip
"""What a service is advised about an entity, and what a test says in its place."""


def _in_a_test(problem: str, entities: Sequence[Mapping[str, Any]]) -> str:
    """Return a problem of a request in the words of a test, which has no JSON."""
    for place in re.findall(r"^entities\[(\d+)\]", problem):
        entity = entities[int(place)]
        named = shown_entity(entity["type"], entity["id"])
        problem = problem.replace(f"entities[{place}]", named, 1)
    path, colon, message = problem.partition(": ")
    about = re.search(r'`(\w+ "[^`]*")`', message)
    for given, written in _ADVICE:
        if about is not None:
            message = message.replace(given, written.replace("NAME", about[1]))
    return f"{path.replace('.properties', '')}{colon}{message}"


def _about(of: str, problem: Problem) -> Problem:
    """Name the row of a table that a problem is of."""
    return evolve(problem, message=f"{of}: {problem.message}") if of else problem


def _unreadable(span: Span, problem: Exception) -> Problem:
    """Report an expression that has no value, since it reads what the test does not give."""
    message = "this reads something that the test does not say"
    return Problem("error", span, message, (("cause", f"{type(problem).__name__}: {problem}"),))


def _notes(outcome: Outcome, reason: str) -> tuple[tuple[str, str], ...]:
    """Return notes that help to see why an expectation was not met."""
    rules = ", ".join(outcome.rules)
    return (("reason", reason), ("rules", rules)) if rules else (("reason", reason),)
