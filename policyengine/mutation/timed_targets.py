"""Know for which targets the time may matter."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from policyengine.analysis.constants import walk_conditions, walk_typed
from policyengine.model.types import TargetKey
from policyengine.semantics.checked import CheckedSet
from policyengine.syntax import nodes


@define
class TimedTargets:
    """The targets of a set for which a test may turn out differently at another time."""

    checked: CheckedSet
    _known: dict[TargetKey, bool] = field(factory=dict)

    def __contains__(self, target: TargetKey) -> bool:
        if target not in self._known:
            self._known[target] = any(self._timed(target))
        return self._known[target]

    def _timed(self, target: TargetKey) -> Iterator[bool]:
        """Give whether each thing that a test of *target* depends on reads the time: rules, waivers, invariants."""
        waived = {waiver.rule for waiver in self.checked.waivers}
        for rule in self.checked.rules_for(target):
            yield rule.is_dated or rule.id in waived
            yield any(_is_now(node) for node, _ in walk_conditions(rule))
            for call in rule.obligations:
                yield any(_is_now(node) for node, _ in walk_typed(call, rule.typings[target]))
        for invariant in self.checked.invariants:
            if target in invariant.typings:
                for conjunct in invariant.conjuncts:
                    inside = walk_typed(conjunct.expr, invariant.typings[target])
                    yield any(_is_now(node) for node, _ in inside)


def _is_now(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "now"
