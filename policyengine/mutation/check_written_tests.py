"""Write tests and verify them: each is parsed, checked and judged as if it had been pasted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define

from policyengine.concurrency import cached_property
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.valid_request import ValidRequest
from policyengine.mutation.write_tests import Expectation, can_be_written, write_test
from policyengine.reference import interpreter, reasons
from policyengine.reference.evaluation import Env
from policyengine.semantics.checked import CheckedRule, CheckedSet, Invariant
from policyengine.semantics.checker import TestChecker
from policyengine.syntax import nodes
from policyengine.syntax.formatter import format_file
from policyengine.syntax.parser import parse
from policyengine.testing.requests_of_tests import ExpectedRequest, requests_of

_PACKAGE = "package p\n\n"


@define(slots=False)
class VerifiedTestWriter:
    """Writes verified tests to be pasted into a set. *now*: the time of those without `at`."""

    checked: CheckedSet
    limits: Limits
    now: int

    def test(
        self,
        title: str,
        expectations: Iterable[Expectation],
        rule: CheckedRule | Invariant,
        *,
        timed: bool,
    ) -> str | None:
        """Return a test beside *rule*; None if none was found that expresses these expectations.

        Some requests cannot be written with the fixtures that tests share, or in a test at all.
        *timed*: whether it says `at` even where that is the time of the run.
        """
        expectations = list(expectations)
        if not all(can_be_written(request) for request, _, _ in expectations):
            return None
        for beside in (rule, None):
            now = None if timed else self.now
            text = write_test(title, expectations, self.checked, beside=beside, now=now)
            asked = [self._judged(one.request) for one in self.asked(text, rule)]
            if asked == [self._judged(request) for request, _, _ in expectations]:
                return text
        return None

    def asked(self, text: str, rule: CheckedRule | Invariant) -> Iterator[ExpectedRequest]:
        """Give the requests of a test beside *rule*; none if it does not check."""
        return self.asked_in(self.node_of(text), rule)

    def asked_in(
        self, node: nodes.TestDecl, rule: CheckedRule | Invariant
    ) -> Iterator[ExpectedRequest]:
        """Give the requests of a test beside *rule*; none if it does not check."""
        test = self._checker.check(node, rule)
        tests = [] if test is None else [test]
        return requests_of(self.checked, tests=tests, limits=self.limits, now=self.now)

    def node_of(self, text: str) -> nodes.TestDecl:
        """Return a test that was written as *text*."""
        file, _ = parse(Source("test", f"{_PACKAGE}{text}"), self.limits)
        assert file is not None
        (declaration,) = file.declarations
        assert isinstance(declaration, nodes.TestDecl)
        return declaration

    @staticmethod
    def text_of(node: nodes.TestDecl) -> str:
        """Return the text of a test."""
        package = nodes.Ident("p", span=node.span)
        file = nodes.PolicyFile(package, (), (node,), span=node.span)
        return format_file(file).removeprefix(_PACKAGE)

    @cached_property
    def _checker(self) -> TestChecker:
        return TestChecker(self.checked, self.limits)

    def _judged(self, request: ValidRequest) -> object:
        """Return the verdicts on a request and the reason, to compare them with those of another."""
        case = interpreter.judge_all(self.checked, Env(request, self.checked.schema))
        verdicts = [(v.rule.id, v.holds, v.waivers, v.obligations, v.failed) for v in case.verdicts]
        parties = request.subject.key_, request.action, request.resource.key_
        return parties, request.now, request.fields, verdicts, reasons.reason_of(case)
