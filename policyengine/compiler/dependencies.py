"""Find what rules depend on beyond the attributes of the subject, the resource and the context."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.lowered import Part, Rule, Text
from policyengine.model.needs import RequestNeeds


class Dependencies(Struct, frozen=True):
    """The data that rules depend on beyond the attributes of the parts of a request.

    *timed*: on the time; *follows*: on other entities, so that these must be put together before a
    request can be decided; *lined*: on the ancestors of any entity; *lines*: the parts (`subject`,
    `resource`) whose ancestors are read; *owing*: whether a forbid may owe something.
    """

    timed: bool
    follows: bool
    lined: bool
    lines: tuple[str, ...]
    owing: bool


def dependencies_of(rules: Iterable[Rule]) -> Dependencies:
    """Return what *rules* depend on, and what describes them does."""
    timed = follows = lined = owing = False
    lines: set[str] = set()
    for rule in rules:
        timed = timed or rule.is_dated or bool(rule.waivers)
        owing = owing or (rule.effect == "forbid" and not rule.advisory and bool(rule.duties))
        follows = follows or (rule.advisory and _may_follow(rule.needs))
        # The ancestors of a type are counted, and looked at, where all entities are known.
        follows = follows or any(needs.asks_above() for needs in rule.needs.parts)
        lined = lined or any(needs.asks_line() for needs in rule.needs.parts)
        if not rule.advisory:  # also where the condition that asks was simplified away
            lines |= {"subject"} if rule.needs.subject.line else set()
            lines |= {"resource"} if rule.needs.resource.line else set()
        for expr in expressions(rule):
            for part in ir.walk(expr):
                match part:
                    case ir.Root("now"):
                        timed = True
                    case ir.Line(ir.Root()) if not rule.advisory:
                        pass  # among what it needs
                    case ir.Line() | ir.Entity() | ir.Root("entities"):
                        follows = True
    return Dependencies(timed, follows, lined, tuple(sorted(lines)), owing)


def _may_follow(needs: RequestNeeds) -> bool:
    """Whether a rule on trial, which is unknown without what it needs, may need other entities.

    It may even if no condition follows any: what is the same for all requests was left out of them.
    """
    return any(root.line or any(root.attributes.values()) for root in needs.parts)


def expressions(rule: Rule) -> list[ir.Expr]:
    """Return everything that is evaluated of *rule*."""
    return [*rule.conditions, *(part.expr for part in parts_of(rule))]


def parts_of(rule: Rule) -> list[Part]:
    """Return what is computed for the texts and obligations of *rule*."""
    texts: list[Text | None] = [rule.because, rule.otherwise, rule.refer]
    sentences = [sentence for about in rule.sentences for sentence in about]
    for sentence in sentences:
        texts += [sentence.text, sentence.quiet]
    shown = [part for text in texts if text for part in text.parts if isinstance(part, Part)]
    shown += [key.part for key in rule.keys]
    shown += [sentence.test for sentence in sentences if sentence.test]
    return shown + owed_parts(rule)


def owed_parts(rule: Rule) -> list[Part]:
    """Return what is computed for the obligations of *rule*."""
    return [part for duty in rule.duties for _, part in duty.arguments]


def referred_parts(rule: Rule) -> list[Part]:
    """Return what is computed for where *rule* refers to."""
    parts = () if rule.refer is None else rule.refer.parts
    return [part for part in parts if isinstance(part, Part)]
