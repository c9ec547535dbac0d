"""Compile a target: make its decision function, and the functions for details, from its lowered rules.

The rules are asked for when they are needed. They come from a checked set, or from a cache.
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.decision_codegen import GROUNDS, JUDGE
from policyengine.compiler.dependencies import Dependencies, dependencies_of
from policyengine.compiler.emitter import PARTS
from policyengine.compiler.generate import (
    TURNING,
    DecisionModule,
    can_fail,
    generate_conditions,
    generate_decision,
    generate_grounds,
    generate_rule_functions,
)
from policyengine.compiler.load_rules import (
    NamedFunctions,
    RuleFunctions,
    RuleMaker,
    compiled_rule,
    contested_by_gate,
)
from policyengine.compiler.lowered import Rule
from policyengine.compiler.specialize import decision_key, generate_tests, residual_rules, tests_of
from policyengine.model.types import Schema, TargetGates, TargetKey
from policyengine.runtime.compiled_rule import Function, Judges
from policyengine.runtime.compiled_target import CompiledTarget
from policyengine.runtime.directory import Rules
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.generated import classes_of, file_name, run, show, show_all
from policyengine.runtime.specialization import Residual, Specializer, SubjectProfile

if TYPE_CHECKING:
    from policyengine.compiler.outline import Outlined

Loaded: TypeAlias = tuple[Rules, Judges | None]
"""The rules of a target with the functions for details, and the functions that judge them all."""

_MOST_TESTS: Final = 200
"""Tests of subjects; with more of them, no two subjects would share a residual."""


class TargetCompiler(Struct, frozen=True, eq=False):
    """The parts of which a target is compiled: its *rules*, lowered and simplified, whenever they are asked for.

    *digest* and *schema*: of the set. With *for_details=False*, what only details need may be left out (`lower`).
    *outlined* gives an outline of many rules, made once, by which those that a request does not concern need not
    be made.
    """

    digest: str
    schema: Schema
    target: TargetKey
    rules: Callable[..., tuple[Rule, ...]]
    outlined: Callable[[], Outlined | None] = lambda: None

    @property
    def file(self) -> str:
        """The file name of modules that are made of these rules."""
        return file_name(self.digest, self.target)

    @property
    def gates(self) -> TargetGates:
        """The gates that apply."""
        return self.schema.gates_of(self.target)

    def compiled(self) -> CompiledTarget:
        """Generate and load the decision function."""
        made = decision_module(self.target, self.rules(for_details=False), self.gates)
        self.outlined()  # a small part of the work, so that the first reason need not wait for it
        linked = self._compiled(
            *made, load=self.load, make_specializer=self.specializer, file=self.file
        )
        show_all(linked, self.file, self.texts)
        return linked

    def _compiled(
        self,
        made: DecisionModule,
        reached: Dependencies,
        *,
        load: Callable[[], Loaded],
        make_specializer: Callable[[CompiledTarget], Specializer | None],
        file: str,
    ) -> CompiledTarget:
        return CompiledTarget(
            digest=self.digest,
            target=self.target,
            classes=classes_of(self.schema, self.target),
            timed=reached.timed,
            follows=reached.follows,
            lined=reached.lined,
            owing=reached.owing,
            gates=self.gates,
            giving=made.giving,
            module=run(made.tree, made.objects, file),
            load=load,
            make_specializer=make_specializer,
            source=self.text,
        )

    def load(self) -> Loaded:
        """Generate and load the functions for details: of many rules, when they are needed."""
        outlined = self.outlined()
        if outlined is not None:
            maker = RuleMaker(outlined.lowered, outlined.contested, f"{self.file}:some")
            return Rules(outlined.outline, maker.make), None
        with gc_paused():
            rules = self.rules()
            generated = generate_rule_functions(rules)
            functions = run(generated.tree, generated.objects, f"{self.file}:rules")
            paths = contested_by_gate(rules)
            named = NamedFunctions(functions, generated)
            of = partial(named.with_late, make=self._conditions) if generated.judges else named.of
            made = [compiled_rule(rule, of(rule), named.value, paths) for rule in rules]
        if not generated.judges:
            return Rules.of(made), None
        # A bound method would say what it is bound to, the schema, wherever a decision is shown with all its parts.
        turning = functions.get(TURNING)
        judges = Judges(functions[JUDGE], lambda: self._grounds(), turning)  # noqa: PLW0108 - as above
        return Rules.of(made, turning=turning is not None), judges

    def _conditions(self, rule: Rule) -> RuleFunctions:
        """Generate and load the functions that find what is false of one rule."""
        with gc_paused():
            generated, file = generate_conditions(rule), f"{self.file}:{rule.id}"
            named = NamedFunctions(run(generated.tree, generated.objects, file), generated)
            found = named.of(rule)
        show(found, file, lambda: _conditions_text(rule))
        return found

    def _grounds(self) -> tuple[Function, Function]:
        with gc_paused():
            made = generate_grounds(self.rules(), self.gates.names)
            functions = run(made.tree, made.objects, f"{self.file}:grounds")
        of_deny, of_allow = (functions[name] for name in GROUNDS)
        return of_deny, of_allow

    def specializer(self, whole: CompiledTarget) -> Specializer | None:
        """Return what specializes *whole* for subjects; None if no rule depends on a subject alone."""
        rules = self.rules(for_details=False)
        if not can_specialize(rules):
            return None
        tests = tests_of(rules)
        asking = generate_tests(tests)
        functions = run(asking.tree, asking.objects, f"{self.file}:tests")
        reached = dependencies_of(rules)
        made = weakref.WeakValueDictionary[object, CompiledTarget]()

        def specialize(profile: SubjectProfile) -> Residual:
            known = {
                test: found for test, found in zip(tests, profile, strict=True) if found is not None
            }
            left = residual_rules(rules, self.gates.names, known)
            key = decision_key(left)
            found = made.get(key)
            if found is None:
                found = made[key] = self._compiled(
                    generate_decision(self.target, left, self.gates, reached, PARTS[1:]),
                    reached,
                    load=lambda: (whole.explainer.rules, whole.explainer.judges),
                    make_specializer=lambda _: None,
                    file=f"{self.file}:bound",
                )
            return Residual(found, len(left))

        timed = any(ir.mentions(test, "now") for test in tests)
        return Specializer(whole, [functions[name] for name in asking.names], timed, specialize)

    def text(self) -> str:
        """Return the text of everything that is generated."""
        deciding, details, grounds = self.texts()
        conditions = []
        if grounds:
            conditions = [_conditions_text(rule) for rule in self.rules() if can_fail(rule)]
        return "\n\n\n".join(filter(None, [deciding, details, *conditions, grounds]))

    def texts(self) -> tuple[str, str, str]:
        """Return the text of the decision function, of the functions for details, and of those for reasons."""
        rules = self.rules()
        made, _ = decision_module(self.target, rules, self.gates)
        details = generate_rule_functions(rules)
        grounds = ""
        if details.judges:
            grounds = ast.unparse(generate_grounds(rules, self.gates.names).tree)
        return ast.unparse(made.tree), ast.unparse(details.tree), grounds


def _conditions_text(rule: Rule) -> str:
    return ast.unparse(generate_conditions(rule).tree)


def decision_module(
    target: TargetKey, rules: tuple[Rule, ...], gates: TargetGates
) -> tuple[DecisionModule, Dependencies]:
    """Return the module that decides about *target* by *rules* of *gates*, and what they depend on."""
    reached = dependencies_of(rules)
    return generate_decision(target, rules, gates, reached), reached


def can_specialize(rules: tuple[Rule, ...]) -> bool:
    """Whether rules have tests of subjects, and not too many."""
    return 0 < len(tests_of(rules)) <= _MOST_TESTS
