"""Compile a target: make its decision function, and the functions for details, from its lowered rules.

The rules are asked for when they are needed. They come from a checked set, or from a cache.
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.decision_codegen import JUDGE
from policyengine.compiler.dependencies import Dependencies, dependencies_of
from policyengine.compiler.emitter import PARTS
from policyengine.compiler.generate import (
    DecisionModule,
    RuleModule,
    generate_decision,
    generate_rule_functions,
)
from policyengine.compiler.lowered import Duty, Key, Part, Rule, Sentence, Text
from policyengine.compiler.specialize import decision_key, generate_tests, residual_rules, tests_of
from policyengine.model.decision import Obligation
from policyengine.model.shown import shown_value
from policyengine.model.types import Schema, TargetKey
from policyengine.runtime import compiled_rule as compiled
from policyengine.runtime.compiled_target import Compiled
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.generated import classes_of, file_name, run, show
from policyengine.runtime.specialization import Residual, Specializer, SubjectProfile

Loaded: TypeAlias = tuple[tuple[compiled.Rule, ...], compiled.Function | None]
"""The rules of a target with the functions for details, and the function that judges them all."""

_MOST_TESTS: Final = 200
"""Tests of subjects; with more of them, no two subjects would share a residual."""


class TargetCompiler(Struct, frozen=True, eq=False):
    """What a target is made of: its *rules*, lowered and simplified, whenever they are asked for.

    *digest* and *schema*: of the set. With *for_details=False*, what only details need may be left out (`lower`).
    """

    digest: str
    schema: Schema
    target: TargetKey
    rules: Callable[..., tuple[Rule, ...]]

    @property
    def file(self) -> str:
        """What modules that are made of these rules are called."""
        return file_name(self.digest, self.target)

    def compiled(self) -> Compiled:
        """Generate and load the decision function."""
        made = decision_module(self.rules(for_details=False), self.schema)
        linked = self._compiled(
            *made, load=self.load, make_specializer=self.specializer, file=self.file
        )
        show(linked, self.file, self.texts)
        return linked

    def _compiled(
        self,
        made: DecisionModule,
        reached: Dependencies,
        *,
        load: Callable[[], Loaded],
        make_specializer: Callable[[Compiled], Specializer | None],
        file: str,
    ) -> Compiled:
        return Compiled(
            digest=self.digest,
            target=self.target,
            classes=classes_of(self.schema, self.target),
            timed=reached.timed,
            follows=reached.follows,
            gates=tuple(self.schema.field_gates.items()),
            giving=made.giving,
            module=run(made.tree, made.objects, file),
            load=load,
            make_specializer=make_specializer,
            source=self.text,
        )

    def load(self) -> Loaded:
        """Generate and load the functions for details."""
        with gc_paused():
            rules = self.rules()
            generated = generate_rule_functions(rules)
            functions = run(generated.tree, generated.objects, f"{self.file}:rules")
            paths = contested_by_gate(rules)
            made = tuple(_rule(rule, generated, functions, paths[rule.gate]) for rule in rules)
        return made, functions[JUDGE] if generated.judges else None

    def specializer(self, whole: Compiled) -> Specializer | None:
        """Return what specializes *whole* for subjects; None if no rule depends on a subject alone."""
        rules = self.rules(for_details=False)
        if not can_specialize(rules):
            return None
        tests = tests_of(rules)
        asking = generate_tests(tests)
        functions = run(asking.tree, asking.objects, f"{self.file}:tests")
        reached, gates = dependencies_of(rules), self.schema.field_gates
        made = weakref.WeakValueDictionary[object, Compiled]()

        def specialize(profile: SubjectProfile) -> Residual:
            known = {
                test: found for test, found in zip(tests, profile, strict=True) if found is not None
            }
            left = residual_rules(rules, gates, known)
            key = decision_key(left)
            found = made.get(key)
            if found is None:
                found = made[key] = self._compiled(
                    generate_decision(left, gates, reached, PARTS[1:]),
                    reached,
                    load=lambda: (whole.explainer.rules, whole.explainer.judge),
                    make_specializer=lambda _: None,
                    file=f"{self.file}:bound",
                )
            return Residual(found, len(left))

        timed = any(ir.mentions(test, "now") for test in tests)
        return Specializer(whole, [functions[name] for name in asking.names], timed, specialize)

    def text(self) -> str:
        """Return the text of everything that is generated."""
        return "\n\n\n".join(self.texts())

    def texts(self) -> tuple[str, str]:
        """Return the text of the decision function, and of the functions for details."""
        rules = self.rules()
        made, _ = decision_module(rules, self.schema)
        return ast.unparse(made.tree), ast.unparse(generate_rule_functions(rules).tree)


def decision_module(rules: tuple[Rule, ...], schema: Schema) -> tuple[DecisionModule, Dependencies]:
    """Return the module that decides by *rules*, and what they depend on."""
    reached = dependencies_of(rules)
    return generate_decision(rules, schema.field_gates, reached), reached


def can_specialize(rules: tuple[Rule, ...]) -> bool:
    """Whether rules have tests of subjects, and not too many."""
    return 0 < len(tests_of(rules)) <= _MOST_TESTS


# ---- rules ------------------------------------------------------------------------------


def contested_by_gate(rules: Sequence[Rule]) -> dict[str, frozenset[str]]:
    """Return, of each gate, the paths that some of its permits compare with other constants."""
    first: dict[tuple[str, str], frozenset[object]] = {}
    found: dict[str, set[str]] = {rule.gate: set() for rule in rules}
    for rule in rules:
        if rule.effect == "permit" and not rule.advisory:
            for path, constants in rule.compared:
                if first.setdefault((rule.gate, path), constants) != constants:
                    found[rule.gate].add(path)
    return {gate: frozenset(paths) for gate, paths in found.items()}


def _rule(
    rule: Rule,
    generated: RuleModule,
    functions: Mapping[str, compiled.Function],
    paths: frozenset[str],
) -> compiled.Rule:
    """Make a rule; *paths*: what permits of its gate compare with different constants."""
    names = generated.rules[rule.id]

    def function(name: str | None) -> compiled.Function | None:
        if name is None or names.row is None:
            return None if name is None else functions[name]
        return partial(functions[name], names.row)

    def computed(part: Part) -> compiled.Function:
        match part.expr:
            case ir.Const(_, value):
                return lambda *_: value
            case _:
                return functions[generated.values[part.expr]]

    def shown(part: str | Part) -> str | compiled.Computed:
        match part:
            case Part(type_, ir.Const(_, value)):
                return shown_value(type_, value)
            case Part(type_):
                return type_, computed(part)
            case _:
                return part

    def text(written: Text | None) -> compiled.Text | None:
        return None if written is None else tuple(map(shown, written.parts))

    def owed(duty: Duty) -> compiled.Duty:
        arguments = ((name, part.type, computed(part)) for name, part in duty.arguments)
        return compiled.Duty(duty.name, tuple(arguments))

    def said(sentence: Sentence | None) -> compiled.Text | None:
        if sentence is None:
            return None
        return text(sentence.text if paths.isdisjoint(sentence.paths) else sentence.quiet)

    keys = tuple(
        compiled.Key(
            key.path, key.name, key.part.type, computed(key.part), key.constants, key.shown,
            key.path in paths,
        )
        for key in rule.keys
    )  # fmt: skip
    return compiled.Rule(
        id=rule.id,
        gate=rule.gate,
        effect=rule.effect,
        advisory=rule.advisory,
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        fails=function(names.fails),
        blames=function(names.blames),
        turns=function(names.turns),
        fields=rule.fields,
        owed=tuple(
            Obligation(
                duty.name,
                tuple(
                    (n, p.type, p.expr.value)
                    for n, p in duty.arguments
                    if isinstance(p.expr, ir.Const)
                ),
            )
            for duty in rule.duties
            if duty.is_known
        ),
        duties=tuple(owed(duty) for duty in rule.duties if not duty.is_known),
        moves=any(_moves(part) for duty in rule.duties for _, part in duty.arguments),
        because=text(rule.because),
        otherwise=text(rule.otherwise),
        refer=text(rule.refer),
        refer_moves=rule.refer is not None and any(map(_moves, rule.refer.parts)),
        sentences=tuple(map(said, rule.sentences)),
        keys=keys,
        filed=tuple(
            key for key, found in zip(keys, rule.keys, strict=True) if _files(rule, key, found)
        ),
        waivers=rule.waivers,
        needs=rule.needs,
    )


def _files(rule: Rule, key: compiled.Key, found: Key) -> bool:
    """Whether a rule of which this key does not hold plays no part, but that it is not satisfied."""
    plain = rule.otherwise is None and rule.refer is None and not rule.is_dated
    if rule.waivers or (rule.effect == "permit" and not (key.contested and plain)):
        return False
    return not any(ir.mentions(condition, "now") for condition in rule.conditions[: found.number])


def _moves(part: str | Part) -> bool:
    """Whether a value that is shown or owed depends on the time."""
    return isinstance(part, Part) and ir.mentions(part.expr, "now")
