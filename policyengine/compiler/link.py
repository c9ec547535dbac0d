"""Link a checked policy set to a program: a target is compiled when it is first asked about.

Generated modules run with empty `__builtins__` and see only the operations that the runtime exports
and the constants that they name. Their text is made when `linecache` asks for it, so that a
traceback and a debugger can show it.
"""

from __future__ import annotations

import ast
import linecache
import weakref
from collections.abc import Mapping
from functools import cache

from policyengine.compiler import ir
from policyengine.compiler.decide import DECIDE
from policyengine.compiler.generate import Generated, generate
from policyengine.compiler.lower import Duty, Part, Rule, Text, lower
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.decision import Obligation
from policyengine.model.values import text_of
from policyengine.runtime import rules as compiled
from policyengine.runtime.operations import EXPORTED
from policyengine.runtime.program import Compiled, Program
from policyengine.semantics.checked import CheckedSet, TargetKey


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
    rules, gates, generated = _generated(checked, target)
    file = f"policy:{checked.digest[-12:]}:{':'.join(target)}"
    functions = _load(generated, file)
    made = {rule.id: _rule(rule, generated, functions) for rule in rules}
    linked = Compiled(
        digest=checked.digest,
        decide=functions[DECIDE],
        rules=tuple(made.values()),
        gates=tuple(gates.items()),
        giving=tuple(made[id_] for id_ in generated.giving),
        source=lambda: ast.unparse(_generated(checked, target)[2].tree),
    )
    _show(linked, file)
    return linked


def _generated(
    checked: CheckedSet, target: TargetKey
) -> tuple[tuple[Rule, ...], dict[str, bool], Generated]:
    """Return the rules of *target*, the gates, and what is generated for them."""
    rules = tuple(map(simplify_rule, lower(checked, target)))
    gates = {name: gate.is_field for name, gate in sorted(checked.schema.gates.items())}
    return rules, gates, generate(rules, gates)


# ---- loading ----------------------------------------------------------------------------


def _load(generated: Generated, file: str) -> Mapping[str, compiled.Function]:
    """Run the generated module; return its functions by name."""
    code = compile(generated.tree, file, "exec")
    namespace = {"__builtins__": {}, **EXPORTED, **generated.objects}
    exec(code, namespace)  # noqa: S102 - nodes of our own making
    return namespace


def _show(linked: Compiled, file: str) -> None:
    """Have tracebacks show the text of the functions, for as long as they are there."""
    shown = weakref.ref(linked)

    def text() -> str:
        found = shown()
        return "" if found is None else found.source()

    linecache.cache[file] = (text,)
    weakref.finalize(linked, linecache.cache.pop, file, None)


# ---- rules ------------------------------------------------------------------------------


def _rule(
    rule: Rule, generated: Generated, functions: Mapping[str, compiled.Function]
) -> compiled.Rule:
    names = generated.rules[rule.id]

    def computed(part: Part) -> compiled.Function:
        match part.expr:
            case ir.Const(_, value):
                return lambda _: value
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
            if _is_known(duty)
        ),
        duties=tuple(owed(duty) for duty in rule.duties if not _is_known(duty)),
        moves=any(_moves(part) for duty in rule.duties for _, part in duty.arguments),
        because=text(rule.because),
        otherwise=text(rule.otherwise),
        refer=text(rule.refer),
        refer_moves=rule.refer is not None and any(map(_moves, rule.refer.parts)),
        sentences=tuple(made for made in map(text, rule.sentences) if made is not None),
        waivers=rule.waivers,
        needs=rule.needs,
    )


def _is_known(duty: Duty) -> bool:
    """Whether every argument is a constant."""
    return all(isinstance(part.expr, ir.Const) for _, part in duty.arguments)


def _moves(part: str | Part) -> bool:
    """Whether a value that is told or owed hangs on the time."""
    return isinstance(part, Part) and ir.mentions(part.expr, "now")
