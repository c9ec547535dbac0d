"""Find the targets that rules, invariants and gates cover, and enter the gates with their ranges.

In a gate that was declared with `for`, `any`, actions and groups mean those of their targets to which the
gate applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, groupby

from attrs import evolve, frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import GateType, TargetKey
from policyengine.semantics import messages, target_messages
from policyengine.semantics.names import ACTION, GATE, TYPE, Scope, Symbol
from policyengine.semantics.vocabulary import DEFAULT_GATE, Vocabulary
from policyengine.syntax import nodes


@frozen
class TargetFinder:
    """Finds what is covered by what is written in *scope*: by a rule of *gate*, if there is one."""

    vocabulary: Vocabulary
    scope: Scope
    problems: list[Diagnostic]
    gate: GateType | None = None

    def covered(self, target: nodes.Target) -> list[TargetKey]:
        """Return the targets that *target* covers, in order; report one that covers nothing."""
        before = len(self.problems)
        actions = None if target.actions is None else self._members(target.actions)
        exceptions = self._members(target.exceptions)
        if exceptions is None or (actions is None and target.actions is not None):
            return []
        if actions is not None:
            for ident, members in zip(target.actions or (), actions, strict=True):
                self._check_range(ident, members)
        named = sorted(set(self.vocabulary.actions if actions is None else chain(*actions)))
        subjects = self._entity_names(target.subjects)
        resources = self._entity_names(target.resources)
        covered = [key for name in named for key in self._fitting(name, subjects, resources)]
        left = self._without(target.exceptions, exceptions, covered)
        if not left and len(self.problems) == before and not self._incomplete(named):
            why = "none is done by or on these types"
            if not named:
                why = "no action is in it"
            elif covered:
                why = "the exceptions leave none"
            elif self.gate is not None and evolve(self, problems=[], gate=None).covered(target):
                why = f"gate `{self.gate.name}` does not apply to these types"
            self.problems.append(target_messages.covers_nothing(target, why))
        return left

    def _fitting(
        self, name: str, subjects: frozenset[str] | None, resources: frozenset[str] | None
    ) -> list[TargetKey]:
        """Return the targets of an action with these types to which the gate applies."""
        action, gate = self.vocabulary.actions.get(name), self.gate
        if action is None:
            return []
        if gate is not None and gate.range is not None and subjects is resources is None:
            return sorted(gate.range.get(name, ()))
        return [
            key
            for subject in action.subjects
            if subjects is None or subject in subjects
            for resource in action.resources
            if resources is None or resource in resources
            for key in [(name, subject, resource)]
            if gate is None or gate.applies_to(key)
        ]

    def _members(self, idents: Iterable[nodes.Ident]) -> list[tuple[str, ...]] | None:
        """Return the actions that each of *idents* means; None after reporting one that is unknown."""
        symbols = [self._action(ident) for ident in idents]
        known = [self.vocabulary.members[symbol.name.name] for symbol in symbols if symbol]
        return known if len(known) == len(symbols) else None

    def _action(self, ident: nodes.Ident) -> Symbol | None:
        """Return the action or group that is meant; an entity type may be written for `any on` it."""
        types = [] if ident.package else self.scope.candidates(TYPE, ident.name)
        is_entity = any(isinstance(symbol.declaration, nodes.EntityDecl) for symbol in types)
        if is_entity and not self.scope.candidates(ACTION, ident.name):
            self.problems.append(target_messages.type_for_action(ident))
            return None
        return self.scope.find(ACTION, ident, "action or group", self.problems)

    def _check_range(self, ident: nodes.Ident, members: Iterable[str]) -> None:
        """Report actions to which the gate does not apply, whatever the types."""
        gate = self.gate
        if gate is None or gate.range is None:
            return
        outside = [
            name for name in members if name not in gate.range and not self._incomplete([name])
        ]
        if outside:
            inside = sorted(gate.range)
            self.problems.append(target_messages.out_of_range(ident, gate.name, outside, inside))

    def _without(
        self,
        idents: Sequence[nodes.Ident],
        exceptions: Sequence[Sequence[str]],
        covered: list[TargetKey],
    ) -> list[TargetKey]:
        """Return *covered* without the exceptions; report one that takes nothing away from the others."""
        by_action = {name: list(keys) for name, keys in groupby(covered, key=lambda key: key[0])}
        taken: set[TargetKey] = set()
        widest_first = sorted(
            zip(idents, exceptions, strict=True), key=lambda pair: len(pair[1]), reverse=True
        )
        for ident, members in widest_first:
            own = {key for name in members for key in by_action.get(name, ())}
            if own <= taken and not self._incomplete(members):
                self.problems.append(target_messages.idle_exception(ident, taken_anyway=bool(own)))
            taken |= own
        return [key for key in covered if key not in taken]

    def _incomplete(self, actions: Iterable[str]) -> bool:
        """Whether some action has an error, so that more might be covered than is known."""
        known = self.vocabulary.actions
        return any(
            name not in known or not known[name].subjects or not known[name].resources
            for name in actions
        )

    def _entity_names(self, idents: Sequence[nodes.Ident] | None) -> frozenset[str] | None:
        if idents is None:
            return None
        names = (self.vocabulary.entity_name(ident, self.scope) for ident in idents)
        return frozenset(name for name in names if name)


def add_gates(vocabulary: Vocabulary, most: int) -> None:
    """Enter every gate, or the single gate `access` where none is declared.

    *most*: how many targets the ranges of all gates may have together. A range with an error counts as
    everything, so that nothing is reported twice.
    """
    gates, home, count = vocabulary.gates, dict[str, Symbol](), 0
    for symbol in vocabulary.names.all(GATE):
        declaration = symbol.declaration
        assert isinstance(declaration, nodes.GateDecl)
        first = home.setdefault(symbol.package, symbol)
        if first.scope is not symbol.scope:
            vocabulary.problems.append(messages.gates_in_two_files(symbol.name, first.name))
        range_ = None
        if declaration.range is not None and count <= most:
            finder = TargetFinder(vocabulary, symbol.scope, vocabulary.problems)
            covered = finder.covered(declaration.range)
            count += len(covered)
            if count > most:
                vocabulary.problems.append(
                    target_messages.covers_too_much(symbol.name, count, most)
                )
            by_action = groupby(covered, key=lambda key: key[0])
            range_ = {name: frozenset(keys) for name, keys in by_action} or None
        gates[symbol.name.name] = GateType(
            symbol.name.name, declaration.question, declaration.is_field, symbol.package, range_
        )
    if not gates:
        question = "whether the action is allowed"
        gates[DEFAULT_GATE] = GateType(DEFAULT_GATE, question, False, "")
    _check_actions(vocabulary)


def _check_actions(vocabulary: Vocabulary) -> None:
    """Report each action, with its types, to which no gate applies."""
    ranges = [gate.range for gate in vocabulary.gates.values() if gate.range is not None]
    if len(ranges) < len(vocabulary.gates):
        return
    reached = {key for range_ in ranges for keys in range_.values() for key in keys}
    for symbol in vocabulary.names.all(ACTION):
        action = vocabulary.actions.get(symbol.name.name)
        targets = [] if action is None else action.targets
        open_ = [key for key in targets if key not in reached]
        if open_:
            everywhere = len(open_) == len(targets)
            problem = target_messages.no_gate(symbol.name, open_[0], everywhere=everywhere)
            vocabulary.problems.append(problem)
