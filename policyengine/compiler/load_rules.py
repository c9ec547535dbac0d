"""Make rules of their functions: all of a target at once, or each when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.dependencies import parts_of
from policyengine.compiler.generate import (
    RuleModule,
    SharedShape,
    can_fail,
    generate_some_functions,
    shared_shape,
)
from policyengine.compiler.lowered import Duty, Key, Part, Rule, Sentence, Text
from policyengine.compiler.sentence_codegen import (
    SayingShape,
    generate_sayings,
    saying_shape,
    text_said,
)
from policyengine.model.outcome import Obligation
from policyengine.model.shown import shower, shown_value
from policyengine.model.values import text_of
from policyengine.runtime import compiled_rule as compiled
from policyengine.runtime import prepared_texts
from policyengine.runtime.gc_pause import gc_paused
from policyengine.runtime.generated import run


class RuleFunctions(Struct, frozen=True, eq=False, weakref=True):
    """The functions of one rule, as in `runtime.compiled_rule.Rule`."""

    fails: compiled.Function | None
    blames: compiled.Function | None
    turns: compiled.Function | None
    owes: compiled.Function | None = None
    refers: compiled.Function | None = None

    def with_row(self, row: tuple[object, ...]) -> RuleFunctions:
        """Return functions that rules of one shape share, for the rule with these constants."""
        fails, blames = (f and partial(f, row) for f in (self.fails, self.blames))
        return RuleFunctions(fails, blames, self.turns)


class NamedFunctions(Struct, frozen=True, eq=False):
    """The *functions* of a module that was generated, by what they are for."""

    functions: Mapping[str, compiled.Function]
    generated: RuleModule

    def of(self, rule: Rule) -> RuleFunctions:
        """Return the functions of *rule*."""
        names, shared = self.generated.rules[rule.id], self.shared(rule)
        return shared if names.row is None else shared.with_row(names.row)

    def with_late(self, rule: Rule, make: Callable[[Rule], RuleFunctions]) -> RuleFunctions:
        """Return the functions of *rule*, of which those that find what is false are made when they are needed."""
        moving = self.of(rule)
        if not can_fail(rule):
            return moving
        made = cache(partial(make, rule))
        fails = compiled.Late(lambda: made().fails)
        blames: compiled.Function | None = fails
        if len(rule.said) < len(rule.conditions):
            blames = compiled.Late(lambda: made().blames) if rule.said else None
        return replace(moving, fails=fails, blames=blames)

    def shared(self, rule: Rule) -> RuleFunctions:
        """Return the functions of *rule*; those that it shares with others take its constants first."""
        names = self.generated.rules[rule.id]
        called = (names.fails, names.blames, names.turns, names.owes, names.refers)
        return RuleFunctions(*(None if one is None else self.functions[one] for one in called))

    def value(self, expr: ir.Expr) -> compiled.Function:
        """Return what computes a value that is shown or owed."""
        return self.functions[self.generated.values[expr]]


class RuleMaker(Struct, frozen=True, eq=False):
    """Makes rules by their numbers; what rules of one shape share is generated with the first of them.

    *lowered* and *contested* as in `Outlined`; *file*: what modules are called.
    """

    lowered: Callable[[int], Rule]
    contested: Mapping[str, frozenset[str]]
    file: str
    _shapes: dict[SharedShape, RuleFunctions] = field(default_factory=dict)
    _values: dict[ir.Expr, compiled.Function] = field(default_factory=dict)
    _sayings: dict[SayingShape, compiled.Function] = field(default_factory=dict)

    def make(self, numbers: Sequence[int]) -> list[compiled.Rule]:
        """Return the rules of these numbers."""
        with gc_paused():
            rules = [self.lowered(number) for number in numbers]
            shapes = [shared_shape(rule) for rule in rules]
            new = {
                rule.id: rule
                for rule, found in zip(rules, shapes, strict=True)
                if found is None or found[0] not in self._shapes or self._has_new_value(rule)
            }
            generated = generate_some_functions(list(new.values()))
            named = NamedFunctions(run(generated.tree, generated.objects, self.file), generated)
            self._values.update({expr: named.value(expr) for expr in generated.values})
            made = []
            for rule, found, says in zip(rules, shapes, self._says(rules), strict=True):
                if found is None:
                    functions = named.of(rule)
                else:
                    shape, row = found
                    shared = self._shapes.get(shape) or named.shared(rule)
                    functions = self._shapes.setdefault(shape, shared).with_row(row)
                value = self._values.__getitem__
                made.append(compiled_rule(rule, functions, value, self.contested, says))
        return made

    def _says(self, rules: Sequence[Rule]) -> list[compiled.Saying | None]:
        """Return what says what is false of each of *rules*, if it is a permit that can be asked so."""
        shapes = [
            saying_shape(rule, self.contested[rule.gate]) if rule.effect == "permit" else None
            for rule in rules
        ]
        found = {shape[0]: rule for rule, shape in zip(rules, shapes, strict=True) if shape}
        new = {shape: rule for shape, rule in found.items() if shape not in self._sayings}
        if new:
            made = generate_sayings(new)
            functions = run(made.tree, made.objects, f"{self.file}:says")
            for shape, name in made.names.items():
                self._sayings.setdefault(shape, functions[name])
        return [None if one is None else (self._sayings[one[0]], one[1]) for one in shapes]

    def _has_new_value(self, rule: Rule) -> bool:
        parts = (part.expr for part in parts_of(rule))
        return any(e not in self._values for e in parts if not isinstance(e, ir.Const))


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


def compiled_rule(
    rule: Rule,
    functions: RuleFunctions,
    value: Callable[[ir.Expr], compiled.Function],
    contested: Mapping[str, frozenset[str]],
    says: compiled.Saying | None = None,
) -> compiled.Rule:
    """Return a rule of its *functions*.

    *value* gives what computes something that is shown or owed; *contested*: what permits of each gate
    compare with different constants; *says*: as in `runtime.compiled_rule.Rule`.
    """
    made = _Parts(value, contested[rule.gate])
    keys = tuple(map(made.key, rule.keys))
    return compiled.Rule(
        id=rule.id,
        gate=rule.gate,
        effect=rule.effect,
        advisory=rule.advisory,
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        fails=functions.fails,
        blames=functions.blames,
        says=says,
        turns=functions.turns,
        fields=rule.fields,
        owed=tuple(_known_obligation(duty) for duty in rule.duties if duty.is_known),
        duties=tuple(made.duty(duty) for duty in rule.duties if not duty.is_known),
        owes=functions.owes,
        because=made.text(rule.because),
        otherwise=made.text(rule.otherwise),
        refer=made.text(rule.refer),
        refers=functions.refers,
        sentences=tuple(tuple(map(made.sentence, about)) for about in rule.sentences),
        keys=keys,
        filed=_filed(rule, keys),
        waivers=rule.waivers,
        needs=rule.needs,
        times_hidden=rule.times_hidden,
    )


class _Parts(Struct, frozen=True, eq=False):
    """Makes the parts of one rule: *value* computes what is shown or owed; permits of its gate contest *paths*."""

    value: Callable[[ir.Expr], compiled.Function]
    paths: frozenset[str]

    def computed(self, part: Part) -> compiled.Function:
        """Return what computes *part*."""
        match part.expr:
            case ir.Const(_, known):
                return lambda *_: known
            case _:
                return self.value(part.expr)

    def shown(self, part: str | Part) -> str | prepared_texts.Computed:
        """Return a part of a text: itself, if it is known."""
        match part:
            case Part(type_, ir.Const(_, known), None):
                return shown_value(type_, known)
            case Part(type_, _, words):
                return shower(type_), self.computed(part), words
            case _:
                return part

    def text(self, written: Text | None) -> prepared_texts.Text | None:
        """Return a text of the rule."""
        return None if written is None else tuple(map(self.shown, written.parts))

    def duty(self, duty: Duty) -> compiled.Duty:
        """Return what is owed, with the texts of those arguments that are known before the first which is not."""
        arguments = ((name, part.type, self.computed(part)) for name, part in duty.arguments)
        known = []
        for _, part in duty.arguments:
            if not isinstance(part.expr, ir.Const):
                break
            known.append(text_of(part.type, part.expr.value))
        return compiled.Duty(duty.name, tuple(arguments), tuple(known))

    def sentence(self, sentence: Sentence) -> prepared_texts.Sentence:
        """Return what is said of a condition, without the constants that other permits ask for."""
        test = None if sentence.test is None else self.computed(sentence.test)
        return test, self.text(text_said(sentence, self.paths))

    def key(self, key: Key) -> compiled.Key:
        """Return what the rule compares with constants."""
        return compiled.Key(
            key.path, key.name, key.part.type, self.computed(key.part), key.constants, key.shown,
            key.path in self.paths,
        )  # fmt: skip


def _known_obligation(duty: Duty) -> Obligation:
    arguments = [
        (n, p.type, p.expr.value) for n, p in duty.arguments if isinstance(p.expr, ir.Const)
    ]
    return Obligation(duty.name, tuple(arguments))


def _filed(rule: Rule, keys: Sequence[compiled.Key]) -> tuple[compiled.Key, ...]:
    found = {
        low.number: key for low, key in zip(rule.keys, keys, strict=True) if _files(rule, key, low)
    }
    return tuple([found[number] for number in filed_by(rule, found)[0]])


def filed_by(rule: Rule, numbers: Collection[int]) -> tuple[list[int], int]:
    """Return by which of some keys a rule is filed, and how many conditions before may fail without being seen.

    *numbers*: those of the keys, in order. That one of them fails is seen when values are looked up, and a rule
    is passed over only where nothing fails before the key of which the request has another value.
    """
    first = min(numbers, default=0)
    seen = [
        number in numbers
        or isinstance(condition, ir.Const)
        or (isinstance(condition, ir.Present) and ir.is_path(condition.slot))
        for number, condition in enumerate(rule.conditions)
    ]
    return [n for n in numbers if all(seen[first:n])], 0 if all(seen[:first]) else first


def _files(rule: Rule, key: compiled.Key, found: Key) -> bool:
    """Whether a rule of which this key does not hold plays no part, but that it is not satisfied."""
    if rule.waivers or rule.otherwise is not None:
        return False
    plain = rule.refer is None and not rule.is_dated
    if rule.effect == "permit" and not (key.contested and plain):
        return False
    return not any(ir.mentions(condition, "now") for condition in rule.conditions[: found.number])
