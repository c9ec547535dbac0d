"""Link a checked policy set to a program: each target is compiled when it is first asked about.

Generated modules run with empty `__builtins__` and see only the operations that the runtime exports
and the constants that they name. Their text is entered in `linecache`, so that a traceback and a
debugger show it.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping

from policyengine.compiler.generate import Generated, Names, generate, giving_rules
from policyengine.compiler.lower import Part, Rule, Text, lower
from policyengine.compiler.simplify import simplify_rule
from policyengine.model.needs import RequestNeeds
from policyengine.runtime import program
from policyengine.runtime.operations import EXPORTED
from policyengine.runtime.program import Compiled, Program
from policyengine.semantics.checked import CheckedSet, TargetKey


def link(checked: CheckedSet) -> Program:
    """Return the program of *checked*."""
    needs: dict[TargetKey, RequestNeeds] = {}

    def needs_of(target: TargetKey) -> RequestNeeds:
        found = needs.get(target)
        if found is None:
            found = needs[target] = checked.needs(target)
        return found

    return Program(
        checked.digest, checked.schema, needs_of, lambda target: compile_target(checked, target)
    )


def compile_target(checked: CheckedSet, target: TargetKey) -> Compiled:
    """Lower, simplify, generate and run the module of one target."""
    rules = tuple(map(simplify_rule, lower(checked, target)))
    gates = tuple((name, gate.is_field) for name, gate in sorted(checked.schema.gates.items()))
    generated = generate(rules, gates, _waived(checked, target))
    text = ast.unparse(generated.tree)
    functions = _run(generated, text, checked.digest, target)
    made = {
        rule.id: _rule(checked, rule, target, generated.rules[rule.id], functions) for rule in rules
    }
    return Compiled(
        checked.digest,
        functions["decide"],
        tuple(made.values()),
        gates,
        tuple(made[rule.id] for rule in giving_rules(rules, gates)),
        text,
    )


def _waived(checked: CheckedSet, target: TargetKey) -> dict[str, dict[str, int]]:
    waived: dict[str, dict[str, int]] = {}
    for waiver in checked.waivers:
        if waiver.subject_type == target[1]:
            until = waived.setdefault(waiver.rule, {})
            until[waiver.subject_id] = max(waiver.until, until.get(waiver.subject_id, waiver.until))
    return waived


def _run(
    generated: Generated, text: str, digest: str, target: TargetKey
) -> Mapping[str, program.Function]:
    """Run the generated module; return its functions by name."""
    file = f"<policy {digest[-12:]} {' '.join(target)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    _number_lines(generated.tree, text)
    namespace = {"__builtins__": {}, **EXPORTED, **generated.module.constants}
    exec(compile(generated.tree, file, "exec"), namespace)  # noqa: S102 - nodes of our own making
    return namespace


def _number_lines(tree: ast.Module, text: str) -> None:
    """Give each statement the line that it has in *text*, which is what the tree looks like."""
    try:
        shown = ast.parse(text)
    except (SyntaxError, RecursionError, MemoryError):  # nested deeper than Python reads
        return
    for made, seen in zip(tree.body, shown.body, strict=True):
        assert isinstance(made, ast.FunctionDef)
        assert isinstance(seen, ast.FunctionDef)
        made.lineno, made.end_lineno = seen.lineno, seen.end_lineno
        for statement, other in zip(made.body, seen.body, strict=True):
            for node in ast.walk(statement):
                if isinstance(node, ast.stmt | ast.expr | ast.comprehension):
                    node.lineno = node.end_lineno = other.lineno  # type: ignore[union-attr]


def _rule(
    checked: CheckedSet,
    rule: Rule,
    target: TargetKey,
    names: Names,
    functions: Mapping[str, program.Function],
) -> program.Rule:
    def computed(part: Part) -> program.Function:
        return functions[names.parts[part]]

    def text(written: Text | None) -> program.Text | None:
        if written is None:
            return None
        return tuple(
            part if isinstance(part, str) else (part.type, computed(part)) for part in written.parts
        )

    return program.Rule(
        id=rule.id,
        gate=rule.gate,
        effect=rule.effect,
        advisory=rule.advisory,
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        fails=functions[names.fails],
        turns=functions[names.turns] if names.turns else None,
        fields=rule.fields,
        duties=tuple(
            (duty.name, tuple((name, part.type, computed(part)) for name, part in duty.arguments))
            for duty in rule.duties
        ),
        because=text(rule.because),
        otherwise=text(rule.otherwise),
        refer=text(rule.refer),
        sentences=tuple(made for made in map(text, rule.sentences) if made is not None),
        waivers=tuple(
            (waiver.name, waiver.subject_id, waiver.until)
            for waiver in checked.waivers
            if waiver.rule == rule.id and waiver.subject_type == target[1]
        ),
        needs=rule.source.needs[target],
    )
