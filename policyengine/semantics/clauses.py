"""Sort the clauses of rules, waivers and invariants: by kind, and conditions one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.semantics import messages
from policyengine.semantics.checked import Conjunct
from policyengine.syntax import nodes

_ONCE = (
    nodes.Because, nodes.Otherwise, nodes.Fields, nodes.Refer, nodes.Cites, nodes.From,
    nodes.Until, nodes.Waivable, nodes.Ticket, nodes.ApprovedBy, nodes.WaivedFor, nodes.WaivedOn,
)  # fmt: skip
WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Because: "because", nodes.Otherwise: "otherwise", nodes.Fields: "fields",
    nodes.Refer: "refer", nodes.Cites: "cites", nodes.From: "from", nodes.Until: "until",
    nodes.Waivable: "waivable", nodes.Oblige: "oblige", nodes.Ticket: "ticket",
    nodes.ApprovedBy: "approved_by", nodes.WaivedFor: "for", nodes.WaivedOn: "on",
}  # fmt: skip
"""The word with which each clause begins."""


class Clauses:
    """The clauses of a rule by kind; the first where one was written twice."""

    def __init__(self, rule: nodes.Rule) -> None:
        self.because: nodes.Template | None = None
        self.otherwise: nodes.Template | None = None
        self.refer: nodes.Template | None = None
        self.fields: nodes.Fields | None = None
        self.cites = ""
        self.against = ""
        self.valid_from: int | None = None
        self.valid_until: int | None = None
        self.waivable = False
        self.obligations: list[nodes.Call] = []
        for clause in reversed(rule.clauses):
            match clause:
                case nodes.Because(text):
                    self.because = text
                case nodes.Otherwise(text):
                    self.otherwise = text
                case nodes.Refer(text):
                    self.refer = text
                case nodes.Cites(where, against):
                    self.cites, self.against = where, against or ""
                case nodes.Fields():
                    self.fields = clause
                case nodes.From(nodes.Literal(value=int(moment))):
                    self.valid_from = moment
                case nodes.Until(nodes.Literal(value=int(moment))):
                    self.valid_until = moment
                case nodes.Waivable():
                    self.waivable = True
                case nodes.Oblige(calls):
                    self.obligations[:0] = calls


def conjuncts_of(clauses: Iterable[nodes.Node]) -> Iterator[Conjunct]:
    """Give the conditions of `when` and `unless`, conjunctions taken apart, in written order."""
    for clause in clauses:
        match clause:
            case nodes.When(nodes.And(operands)):
                for operand in operands:
                    yield Conjunct(operand, True)
            case nodes.When(condition):
                yield Conjunct(condition, True)
            case nodes.Unless(nodes.Or(operands)):
                for operand in operands:
                    yield Conjunct(operand, False)
            case nodes.Unless(condition):
                yield Conjunct(condition, False)


def report_repeated(clauses: Iterable[nodes.Node], problems: list[Diagnostic]) -> None:
    """Report each clause that is written twice and allowed once."""
    first: dict[type[nodes.Node], nodes.Node] = {}
    for clause in clauses:
        if isinstance(clause, _ONCE) and first.setdefault(type(clause), clause) is not clause:
            word = WORDS[type(clause)]
            problems.append(messages.clause_twice(clause.span, word, first[type(clause)].span))
