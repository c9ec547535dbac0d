"""Find the targets that rules, invariants and gates cover, and enter the gates with their ranges.

In a gate that was declared with `for`, `any`, actions and groups mean those of their targets to which the
gate applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.types import GateType, TargetKey
from policyengine.semantics import messages
from policyengine.semantics.names import ACTION, GATE, Scope, Symbol
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
        named = sorted(set(self.vocabulary.actions if actions is None else sum(actions, ())))
        subjects = self._entity_names(target.subjects)
        resources = self._entity_names(target.resources)
        fitting = [
            key
            for name in named
            if name in self.vocabulary.actions
            for key in self.vocabulary.actions[name].targets
            if (subjects is None or key[1] in subjects)
            and (resources is None or key[2] in resources)
        ]
        applying = [key for key in fitting if self.gate is None or self.gate.applies_to(key)]
        left = self._without(target.exceptions, exceptions, applying)
        if not left and len(self.problems) == before and not self._incomplete(named):
            why = "none is done by or on these types"
            if not named:
                why = "no action is in it"
            elif applying:
                why = "the exceptions leave none"
            elif fitting and self.gate is not None:
                why = f"gate `{self.gate.name}` does not apply to these types"
            self.problems.append(messages.covers_nothing(target, why))
        return left

    def _members(self, idents: Iterable[nodes.Ident]) -> list[tuple[str, ...]] | None:
        """Return the actions that each of *idents* means; None after reporting one that is unknown."""
        symbols = [
            self.scope.find(ACTION, ident, "action or group", self.problems) for ident in idents
        ]
        known = [self.vocabulary.members[symbol.name.name] for symbol in symbols if symbol]
        return known if len(known) == len(symbols) else None

    def _check_range(self, ident: nodes.Ident, members: Iterable[str]) -> None:
        """Report actions to which the gate does not apply, whatever the types."""
        gate, actions = self.gate, self.vocabulary.actions
        if gate is None or gate.range is None:
            return
        outside = [
            name
            for name in members
            if not self._incomplete([name]) and not any(map(gate.applies_to, actions[name].targets))
        ]
        if outside:
            inside = sorted({action for action, _, _ in gate.range})
            self.problems.append(messages.out_of_range(ident, gate.name, outside, inside))

    def _without(
        self,
        idents: Sequence[nodes.Ident],
        exceptions: Sequence[Iterable[str]],
        covered: list[TargetKey],
    ) -> list[TargetKey]:
        """Return *covered* without the exceptions; report one that takes nothing away."""
        taken = [{key for key in covered if key[0] in members} for members in exceptions]
        for i, (ident, own) in enumerate(zip(idents, taken, strict=True)):
            others = taken[:i] + [other for other in taken[i + 1 :] if other != own]
            is_idle = any(own <= other for other in [set[TargetKey](), *others])
            if is_idle and not self._incomplete(exceptions[i]):
                self.problems.append(messages.idle_exception(ident, taken_anyway=bool(own)))
        return [key for key in covered if not any(key in own for own in taken)]

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


def add_gates(vocabulary: Vocabulary) -> None:
    """Enter every gate, or the single gate `access` where none is declared.

    A range with an error counts as everything, so that nothing is reported twice.
    """
    gates, home = vocabulary.gates, dict[str, Symbol]()
    for symbol in vocabulary.names.all(GATE):
        declaration = symbol.declaration
        assert isinstance(declaration, nodes.GateDecl)
        first = home.setdefault(symbol.package, symbol)
        if first.scope is not symbol.scope:
            vocabulary.problems.append(messages.gates_in_two_files(symbol.name, first.name))
        range_ = None
        if declaration.range is not None:
            finder = TargetFinder(vocabulary, symbol.scope, vocabulary.problems)
            range_ = frozenset(finder.covered(declaration.range)) or None
        gates[symbol.name.name] = GateType(
            symbol.name.name, declaration.question, declaration.is_field, symbol.package, range_
        )
    if not gates:
        question = "whether the action is allowed"
        gates[DEFAULT_GATE] = GateType(DEFAULT_GATE, question, False, "")
    _check_actions(vocabulary)


def _check_actions(vocabulary: Vocabulary) -> None:
    """Report each action, with its types, to which no gate applies."""
    gates = vocabulary.gates.values()
    if any(gate.range is None for gate in gates):
        return
    for symbol in vocabulary.names.all(ACTION):
        action = vocabulary.actions.get(symbol.name.name)
        targets = () if action is None else action.targets
        open_ = [key for key in targets if not any(gate.applies_to(key) for gate in gates)]
        if open_:
            everywhere = len(open_) == len(targets)
            vocabulary.problems.append(
                messages.no_gate(symbol.name, open_[0], everywhere=everywhere)
            )
