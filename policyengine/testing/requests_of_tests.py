"""Give the requests that the tests of a policy set ask, each with its expectation."""

from __future__ import annotations

import time
from collections.abc import Iterator

from attrs import evolve, frozen

from policyengine.intake.validation import Validator
from policyengine.model.decision import Outcome
from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request import Request
from policyengine.reference.interpreter import JudgedRequest, broken_invariants, reason_of
from policyengine.semantics.checked import CheckedSet, CheckedTest
from policyengine.syntax import nodes
from policyengine.testing.expectations import unmet
from policyengine.testing.request_builder import Writer


@frozen(eq=False)
class Asked:
    """One expectation of a test, the request that it makes, and what it was made with.

    *of*: which row of a table it is (`tier = pro`), if it is one.
    """

    test: CheckedTest
    expect: nodes.Expect
    request: Request
    writer: Writer
    of: str = ""

    @property
    def title(self) -> str:
        """The title of the test, with the row."""
        return f"{self.test.title} ({self.of})" if self.of else self.test.title

    def meets(self, checked: CheckedSet, case: JudgedRequest, outcome: Outcome) -> bool:
        """Whether *outcome*, which came of *case*, is as expected and keeps every promise."""
        says = any(isinstance(clause, nodes.ExpectReason) for clause in self.expect.clauses)
        reason = reason_of(case) if says else ""
        try:
            if any(True for _ in unmet(self.expect, outcome, reason, self.writer)):
                return False
        except Exception:  # noqa: BLE001 - an expected value that cannot be had: the test is an error
            return False
        return not (outcome.allowed and broken_invariants(checked, self.request, outcome))


def requests_of(
    checked: CheckedSet, *, limits: Limits | None = None, now: int | None = None
) -> Iterator[Asked]:
    """Give every request that fits, in the order of the tests; running them reports the others.

    *now* (microseconds) is the time of expectations before the first `at`.
    """
    validator = Validator(checked.schema, checked.needs, limits or Limits())
    for test in checked.tests:
        writer = Writer(checked.schema, test.typing, time.time_ns() // 1000 if now is None else now)
        for item in test.node.items:
            try:
                match item:
                    case nodes.At(nodes.Literal(value=int(moment))):
                        writer.now = moment
                    case nodes.Let(name, value):
                        writer.names[name.name] = writer.value(value)
                    case nodes.Expect() | nodes.ExpectEach():
                        for expect, of in writer.each(item):
                            request = _request(validator, writer, expect)
                            if request is not None:
                                yield Asked(test, expect, request, _copy(writer), of)
            except _UNREADABLE:
                continue


_UNREADABLE = (LookupError, TypeError, NameError, AttributeError, RecursionError)
"""What comes of an expression that reads what was not written: an error when the test is run."""


def _request(validator: Validator, writer: Writer, expect: nodes.Expect) -> Request | None:
    try:
        return validator.validate(**writer.request(expect))
    except (InvalidRequest, *_UNREADABLE):
        return None


def _copy(writer: Writer) -> Writer:
    return evolve(writer, names=dict(writer.names), known=dict(writer.known))
