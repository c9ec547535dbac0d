"""Find what rules depend on beyond the subject, the resource and the context themselves."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.lowered import Part, Rule, Text
from policyengine.model.needs import RequestNeeds


class Dependencies(Struct, frozen=True):
    """What rules hang on beyond the parts of a request.

    *timed*: on the time; *looks_up*: on what entities lie within; *follows*: on other entities.
    """

    timed: bool
    looks_up: bool
    follows: bool

    @property
    def is_far(self) -> bool:
        """Whether entities must be put together before a request can be decided."""
        return self.looks_up or self.follows


def dependencies_of(rules: Iterable[Rule]) -> Dependencies:
    """Return what *rules* hang on, or what is told of them does."""
    timed = looks_up = follows = False
    for rule in rules:
        timed = timed or rule.is_dated or bool(rule.waivers)
        follows = follows or (rule.advisory and _may_follow(rule.needs))
        for expr in expressions(rule):
            for part in ir.walk(expr):
                match part:
                    case ir.Root("now"):
                        timed = True
                    case ir.Line() | ir.Root("entities"):
                        looks_up = True
                    case ir.Entity():
                        follows = True
    return Dependencies(timed, looks_up, follows)


def _may_follow(needs: RequestNeeds) -> bool:
    """Whether a rule on trial, which is unknown without what it needs, may need other entities.

    It may even if no condition follows any: what is the same for all requests was left out of them.
    """
    roots = needs.subject, needs.resource, needs.context
    return any(part for root in roots for part in root.attributes.values())


def expressions(rule: Rule) -> list[ir.Expr]:
    """Return everything that is evaluated of *rule*."""
    return [*rule.conditions, *(part.expr for part in parts_of(rule))]


def parts_of(rule: Rule) -> list[Part]:
    """Return what is computed for the texts and obligations of *rule*."""
    texts: list[Text | None] = [rule.because, rule.otherwise, rule.refer]
    for sentence in rule.sentences:
        texts += [sentence.text, sentence.quiet] if sentence else []
    told = [part for text in texts if text for part in text.parts if isinstance(part, Part)]
    told += [key.part for key in rule.keys]
    return told + [part for duty in rule.duties for _, part in duty.arguments]
