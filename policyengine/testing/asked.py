"""Give the requests that the tests of a policy set ask, each with its expectation."""

from __future__ import annotations

import time
from collections.abc import Iterator

from attrs import frozen

from policyengine.model.errors import InvalidRequest
from policyengine.model.limits import Limits
from policyengine.model.request import Request, Validator
from policyengine.semantics.checked import CheckedSet, CheckedTest
from policyengine.syntax import nodes
from policyengine.testing.requests import Writer


@frozen
class Asked:
    """One expectation of a test, and the request that it makes."""

    test: CheckedTest
    expect: nodes.Expect
    request: Request


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
                    case nodes.Expect():
                        request = validator.validate(**writer.request(item))
                        yield Asked(test, item, request)
            except (InvalidRequest, LookupError, TypeError, NameError):
                continue  # an expectation that reads what was not written: an error when it is run
