"""Collect the requests in the tests of a policy set, each with its expectation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator

from attrs import evolve, frozen

from policyengine.intake.validation import Validator
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.outcome import Outcome
from policyengine.model.valid_request import ValidRequest
from policyengine.reference.interpreter import JudgedRequest, broken_invariants
from policyengine.reference.reasons import reason_of
from policyengine.semantics.checked import CheckedSet, CheckedTest
from policyengine.syntax import nodes
from policyengine.testing.expectations import unmet
from policyengine.testing.request_builder import RequestBuilder


@frozen(eq=False)
class ExpectedRequest:
    """One expectation of a test, its request, and the builder of that request.

    *of*: which row of a table it is (`tier = pro`), if it is one.
    """

    test: CheckedTest
    expect: nodes.Expect
    request: ValidRequest
    builder: RequestBuilder
    of: str = ""

    @property
    def title(self) -> str:
        """The title of the test, with the row."""
        return f"{self.test.title} ({self.of})" if self.of else self.test.title

    @property
    def text(self) -> str:
        """The request in JSON: of two that are the same it is the same, however they were written."""
        return json.dumps(self.builder.request(self.expect), sort_keys=True, default=str)

    def meets(self, checked: CheckedSet, case: JudgedRequest, outcome: Outcome) -> bool:
        """Whether *outcome*, the result of *case*, is as expected and breaks no invariant."""
        says = any(isinstance(clause, nodes.ExpectReason) for clause in self.expect.clauses)
        reason = reason_of(case) if says else ""
        try:
            if any(True for _ in unmet(self.expect, outcome, reason, self.builder)):
                return False
        except Exception:  # noqa: BLE001 - an expected value that cannot be computed: the test is an error
            return False
        return not (outcome.allowed and broken_invariants(checked, self.request, outcome))


def requests_of(
    checked: CheckedSet, *, tests: Iterable[CheckedTest] | None = None, limits: Limits | None = None,
    now: int | None = None,
) -> Iterator[ExpectedRequest]:  # fmt: skip
    """Give every request that fits, in the order of the *tests*, if not those of the set; running them reports the others.

    *now* (microseconds) is the time of expectations before the first `at`.
    """
    validator = Validator(checked.schema, checked.needs, limits or Limits())
    for test in checked.tests if tests is None else tests:
        builder = RequestBuilder(
            checked.schema,
            test.typing,
            time.time_ns() // 1000 if now is None else now,
            test.entities,
        )
        for item in test.node.items:
            try:
                match item:
                    case nodes.At(nodes.Literal(value=int(moment))):
                        builder.now = moment
                    case nodes.Let(name, value):
                        builder.names[name.name] = builder.value(value)
                    case nodes.Expect() | nodes.ExpectEach():
                        for expect, of in builder.each(item):
                            request = _request(validator, builder, expect)
                            if request is not None:
                                yield ExpectedRequest(test, expect, request, _copy(builder), of)
            except _UNREADABLE:
                continue


_UNREADABLE = (LookupError, TypeError, NameError, AttributeError, RecursionError)
"""Exceptions of expressions that read what the test does not give: an error when it is run."""


def _request(
    validator: Validator, builder: RequestBuilder, expect: nodes.Expect
) -> ValidRequest | None:
    try:
        return validator.validate_parts(**builder.request(expect))
    except (InvalidRequest, *_UNREADABLE):
        return None


def _copy(builder: RequestBuilder) -> RequestBuilder:
    return evolve(builder, names=dict(builder.names), known=dict(builder.known))
