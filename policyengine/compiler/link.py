"""Link a checked policy set to a program: a target is compiled when it is first asked about.

Generated modules run with empty `__builtins__` and see only the operations that the runtime exports
and the constants that they name. Their text is made when `linecache` asks for it, so that a
traceback and a debugger can show it.
"""

from __future__ import annotations

import ast
import linecache
import weakref
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final, TypeAlias

from policyengine.compiler import ir
from policyengine.compiler.binding import Tests, essence, generate_tests, settled, tests_of
from policyengine.compiler.decide import JUDGE
from policyengine.compiler.expressions import PARTS
from policyengine.compiler.generate import (
    Deciding,
    Telling,
    generate_deciding,
    generate_telling,
)
from policyengine.compiler.lower import Duty, Part, Rule, Text, lower
from policyengine.compiler.reach import Reach, reach
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.decision import Obligation
from policyengine.model.entity_classes import entity_class
from policyengine.model.records import record_class
from policyengine.model.values import text_of
from policyengine.runtime import rules as compiled
from policyengine.runtime.binding import Answers, Split
from policyengine.runtime.operations import EXPORTED
from policyengine.runtime.program import Compiled, Program
from policyengine.semantics.checked import CheckedSet, TargetKey

Loaded: TypeAlias = tuple[tuple[compiled.Rule, ...], compiled.Function | None]
"""What tells of the rules of a target, and the function that judges them all."""

_MOST_TESTS: Final = 200
"""Tests by which subjects are told apart; with more, no two would be alike."""


def link(checked: CheckedSet) -> Program:
    """Return the program of *checked*."""
    return Program(
        checked.digest,
        checked.schema,
        cache(checked.needs),
        lambda target: compile_target(checked, target),
    )


def compile_target(checked: CheckedSet, target: TargetKey) -> Compiled:
    """Lower, simplify, generate and load what decides about one target."""
    rules = simplified(checked, target)
    reached = reach(rules)
    file = f"policy:{checked.digest[-12:]}:{':'.join(target)}"
    linked = _compiled(
        checked,
        target,
        reached,
        generate_deciding(rules, _gates(checked), reached),
        load=lambda: _load_rules(checked, target, f"{file}:rules"),
        split=lambda whole: _split(checked, whole),
        file=file,
    )
    for name, number in ((file, 0), (f"{file}:rules", 1)):
        _show(linked, name, partial(_text, checked, target, number))
    return linked


def _compiled(
    checked: CheckedSet,
    target: TargetKey,
    reached: Reach,
    deciding: Deciding,
    *,
    load: Callable[[], Loaded],
    split: Callable[[Compiled], Split | None],
    file: str,
) -> Compiled:
    action, *types = target
    subject, resource = (entity_class(checked.schema.entities[name]) for name in types)
    return Compiled(
        digest=checked.digest,
        target=target,
        classes=(subject, resource, record_class(checked.schema.actions[action].context)),
        timed=reached.timed,
        looks_up=reached.looks_up,
        gates=tuple(_gates(checked).items()),
        giving=deciding.giving,
        module=_load(deciding, file),
        load=load,
        split=split,
        source=lambda: "\n\n\n".join(_texts(checked, target)),
    )


def _split(checked: CheckedSet, whole: Compiled) -> Split | None:
    """Return what tells subjects apart in what *whole* decides, if there is something to tell."""
    rules = simplified(checked, whole.target)
    tests = tests_of(rules)
    if not 0 < len(tests) <= _MOST_TESTS:
        return None
    asking = generate_tests(tests)
    functions = _load(asking, f"policy:{checked.digest[-12:]}:{':'.join(whole.target)}:tests")
    reached, gates = reach(rules), _gates(checked)
    made = weakref.WeakValueDictionary[object, Compiled]()

    def leave(answers: Answers) -> Compiled:
        known = {t: a for t, a in zip(tests, answers, strict=True) if a is not None}
        left = settled(rules, gates, known)
        key = essence(left)
        found = made.get(key)
        if found is None:
            found = made[key] = _compiled(
                checked,
                whole.target,
                reached,
                generate_deciding(left, gates, reached, PARTS[1:]),
                load=lambda: (whole.teller.rules, whole.teller.judge),
                split=lambda _: None,
                file=f"policy:{checked.digest[-12:]}:{':'.join(whole.target)}:bound",
            )
        return found

    return Split(whole, [functions[name] for name in asking.names], leave)


def _gates(checked: CheckedSet) -> dict[str, bool]:
    """Return of each gate, by name, whether it is a field gate."""
    return {name: gate.is_field for name, gate in sorted(checked.schema.gates.items())}


def simplified(checked: CheckedSet, target: TargetKey) -> tuple[Rule, ...]:
    """Return the rules of *target*, lowered and simplified."""
    return tuple(map(simplify_rule, lower(checked, target)))


# ---- loading ----------------------------------------------------------------------------


def _load(generated: Deciding | Telling | Tests, file: str) -> dict[str, Any]:
    """Run a generated module; return what it knows by name."""
    code = compile(generated.tree, file, "exec")
    namespace = {"__builtins__": {}, **EXPORTED, **generated.objects}
    exec(code, namespace)  # noqa: S102 - nodes of our own making
    return namespace


def _load_rules(checked: CheckedSet, target: TargetKey, file: str) -> Loaded:
    """Generate and load what tells of the rules of *target*."""
    rules = simplified(checked, target)
    telling = generate_telling(rules)
    functions = _load(telling, file)
    made = tuple(_rule(rule, telling, functions) for rule in rules)
    return made, functions[JUDGE] if telling.judges else None


def _text(checked: CheckedSet, target: TargetKey, number: int) -> str:
    return _texts(checked, target)[number]


def _texts(checked: CheckedSet, target: TargetKey) -> tuple[str, str]:
    """Return the text of both modules of *target*."""
    rules = simplified(checked, target)
    deciding = generate_deciding(rules, _gates(checked), reach(rules))
    trees = deciding.tree, generate_telling(rules).tree
    return ast.unparse(trees[0]), ast.unparse(trees[1])


def _show(linked: Compiled, file: str, text: Callable[[], str]) -> None:
    """Have tracebacks show the text of the functions, for as long as they are there."""
    linecache.cache[file] = (text,)
    weakref.finalize(linked, linecache.cache.pop, file, None)


# ---- rules ------------------------------------------------------------------------------


def _rule(
    rule: Rule, generated: Telling, functions: Mapping[str, compiled.Function]
) -> compiled.Rule:
    names = generated.rules[rule.id]

    def computed(part: Part) -> compiled.Function:
        match part.expr:
            case ir.Const(_, value):
                return lambda *_: value
            case _:
                return functions[generated.values[part.expr]]

    def shown(part: str | Part) -> str | compiled.Computed:
        match part:
            case Part(type_, ir.Const(_, value)):
                return text_of(type_, value)
            case Part(type_):
                return type_, computed(part)
            case _:
                return part

    def text(written: Text | None) -> compiled.Text | None:
        return None if written is None else tuple(map(shown, written.parts))

    def owed(duty: Duty) -> compiled.Duty:
        arguments = ((name, part.type, computed(part)) for name, part in duty.arguments)
        return compiled.Duty(duty.name, tuple(arguments))

    return compiled.Rule(
        id=rule.id,
        gate=rule.gate,
        effect=rule.effect,
        advisory=rule.advisory,
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        fails=functions[names.fails] if names.fails else None,
        turns=functions[names.turns] if names.turns else None,
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
        sentences=tuple(made for made in map(text, rule.sentences) if made is not None),
        waivers=rule.waivers,
        needs=rule.needs,
    )


def _moves(part: str | Part) -> bool:
    """Whether a value that is told or owed hangs on the time."""
    return isinstance(part, Part) and ir.mentions(part.expr, "now")
