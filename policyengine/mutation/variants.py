"""Make the policy set that a mutant is: the original with one declaration changed.

Only the rules that change are checked again; all others, and the tests, are those of the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define, evolve, frozen
from msgspec.structs import replace

from policyengine.concurrency import cached_property
from policyengine.model.limits import Limits
from policyengine.model.types import TargetKey
from policyengine.mutation.mutants import Mutant
from policyengine.reference import interpreter
from policyengine.reference.evaluation import Env
from policyengine.reference.interpreter import JudgedRequest, Verdict
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.semantics.checker import Rechecker, check
from policyengine.syntax import nodes


@frozen(eq=False)
class Variant:
    """A mutant with the set that it makes. *before*, *after*: the changed rules by id, as far as they are there."""

    mutant: Mutant
    checked: CheckedSet
    before: Mapping[str, CheckedRule]
    after: Mapping[str, CheckedRule]

    def concerns(self, target: TargetKey) -> bool:
        """Whether the change may matter for requests of *target*."""
        if self.mutant.actions:
            return target[0] in self.mutant.actions
        return any(target in rule.typings for rule in self.before.values())

    def judged(self, case: JudgedRequest) -> dict[str, Verdict]:
        """Return the verdicts on the changed rules, for the request of *case*."""
        env = Env(case.env.request, self.checked.schema)
        return {
            rule.id: interpreter.judge(rule, interpreter.waivers(self.checked, rule, env), env)
            for rule in self.after.values()
            if env.target in rule.typings and rule.in_force(env.request.now)
        }

    def rejudged(self, case: JudgedRequest, verdicts: Mapping[str, Verdict]) -> JudgedRequest:
        """Return *case* with other *verdicts* on the changed rules."""
        env = Env(case.env.request, self.checked.schema)
        known = {v.rule.id: v for v in case.verdicts} | dict(verdicts)
        rules = interpreter.candidates(self.checked, env, advisory=False)
        return JudgedRequest(self.checked, env, tuple(known[rule.id] for rule in rules))


def counted(verdict: Verdict | None) -> object:
    """Return the parts of a verdict on which a decision may depend."""
    if verdict is None or not (verdict.satisfied or verdict.failed):
        return None
    rule = verdict.rule
    return verdict.failed, verdict.obligations, rule.effect, rule.fields


@define(slots=False)
class VariantMaker:
    """Makes the variants of one set."""

    checked: CheckedSet
    limits: Limits

    def of(self, mutant: Mutant) -> Variant | None:
        """Return the set with *mutant*, None if it does not check."""
        before = {id_: self.rules[id_] for id_ in mutant.rules}
        if mutant.before is not None:
            changed = self._with_declaration(mutant, mutant.before)
        elif mutant.rule is None:
            changed = self._with_rules(self.checked, before, {})
        else:
            made = self._rechecker.recheck(before[mutant.of], mutant.rule)
            changed = (
                None if made is None else self._with_rules(self.checked, before, {mutant.of: made})
            )
        if changed is None:
            return None
        after = {rule.id: rule for rule in changed.rules if rule.id in before}
        return Variant(mutant, changed, before, after)

    @cached_property
    def rules(self) -> Mapping[str, CheckedRule]:
        """The rules of the original by id."""
        return {rule.id: rule for rule in self.checked.rules}

    @cached_property
    def _rechecker(self) -> Rechecker:
        return Rechecker(self.checked, self.limits)

    def _with_rules(
        self, base: CheckedSet, before: Mapping[str, CheckedRule], after: Mapping[str, CheckedRule]
    ) -> CheckedSet:
        """Return *base* with the rules *after* in the place of those *before*, in the order of rules."""
        rules = [rule for rule in self.checked.rules if rule.id not in before] + [*after.values()]
        targets = {t for rule in (*before.values(), *after.values()) for t in rule.typings}
        by_target = {
            target: _in_order(
                [rule for rule in self.checked.rules_for(target) if rule.id not in before]
                + [rule for rule in after.values() if target in rule.typings]
            )
            for target in targets
        }
        return evolve(
            base, rules=_in_order(rules), by_target={**self.checked.by_target, **by_target}
        )

    def _with_declaration(self, mutant: Mutant, before: nodes.Declaration) -> CheckedSet | None:
        """Check the declarations, the rules that use the changed one, and those that waivers name."""
        kept = mutant.rules | {waiver.rule for waiver in self.checked.waivers}
        asked = {id(rule.node) for rule in self.checked.rules if rule.id in kept}
        files = [
            replace(
                file,
                declarations=tuple(
                    (mutant.declaration or one) if one is before else _only(one, asked)
                    for one in file.declarations
                    if not isinstance(one, nodes.TestDecl)
                    and (not isinstance(one, nodes.Rule) or id(one) in asked)
                ),
            )
            for file in self.checked.files
        ]
        changed, _ = check(files, self.checked.sources, self.limits)
        if changed is None:
            return None
        rules = {id_: self.rules[id_] for id_ in mutant.rules}
        after = {rule.id: rule for rule in changed.rules if rule.id in rules}
        return self._with_rules(changed, rules, after)


def _only(declaration: nodes.Declaration, rules: set[int]) -> nodes.Declaration:
    """Return a block with those of its rules that are among *rules*, by identity."""
    if not isinstance(declaration, nodes.GateBlock):
        return declaration
    return replace(declaration, rules=tuple(r for r in declaration.rules if id(r) in rules))


def _in_order(rules: Iterable[CheckedRule]) -> tuple[CheckedRule, ...]:
    return tuple(sorted(rules, key=lambda rule: (rule.gate, rule.name)))
