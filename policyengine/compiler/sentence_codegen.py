"""Generate the functions that say what is false of a rule: one for all rules that ask and say the same but for constants.

Such a function takes a row: the constants of one rule, then the literal parts of its sentences. So a reason asks a rule
and words what is false of it in one call, and what it must visit of each rule is a tuple.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.emitter import ROW, Emitter, Module, identifier
from policyengine.compiler.generate import bound_in, number_lines
from policyengine.compiler.lowered import Part, Rule, Sentence, Text
from policyengine.compiler.provenance import Variable
from policyengine.compiler.python_nodes import name, negated
from policyengine.compiler.shapes import Shape, has_no_constant, join_constants, split_constants
from policyengine.compiler.simplify import TRUE
from policyengine.model.shown import shower, shown_value
from policyengine.model.types import Type
from policyengine.runtime.prepared_texts import NOT_SHOWN

_Value: TypeAlias = tuple[Type, ir.Expr]
_Said: TypeAlias = tuple[ir.Expr | None, tuple[_Value | None, ...]]
"""A sentence: its test, and its parts; None where the row has what is said."""


class SayingShape(Struct, frozen=True, cache_hash=True):
    """What rules have in common that share a function: what they ask, and the sentences about each condition."""

    asked: Shape
    said: tuple[tuple[_Said, ...], ...]


class SayingModule(Struct, frozen=True, eq=False):
    """The module of such functions: its tree, the objects that it names, and what the functions are called."""

    tree: ast.Module
    objects: Mapping[str, object]
    names: Mapping[SayingShape, str]


def text_said(sentence: Sentence, contested: frozenset[str]) -> Text | None:
    """Return a sentence as it is said: without the constants that other permits of the gate ask for, by *contested* paths."""
    return sentence.text if contested.isdisjoint(sentence.paths) else sentence.quiet


def saying_shape(
    rule: Rule, contested: frozenset[str]
) -> tuple[SayingShape, tuple[Any, ...]] | None:
    """Return the shape of *rule* and its row; None if it has a text of its own, a condition no sentence, or one computes with constants."""
    if rule.otherwise is not None:
        return None
    asked, row = split_constants(rule.conditions)
    said: list[tuple[_Said, ...]] = []
    texts: list[str] = []
    for condition, sentences in zip(rule.conditions, rule.sentences, strict=True):
        about: list[_Said] = []
        if condition != TRUE:
            for sentence in sentences:
                parts = _parts(text_said(sentence, contested), texts)
                about.append((None if sentence.test is None else sentence.test.expr, parts))
            if not about:
                return None
        said.append(tuple(about))
    computed = [expr for about in said for test, parts in about for expr in _computed(test, parts)]
    if not all(map(has_no_constant, computed)):
        return None
    return SayingShape(asked, tuple(said)), (*row, *texts)


def _computed(test: ir.Expr | None, parts: Sequence[_Value | None]) -> list[ir.Expr]:
    return [*([] if test is None else [test]), *(part[1] for part in parts if part is not None)]


def _parts(text: Text | None, texts: list[str]) -> tuple[_Value | None, ...]:
    """Return the parts of a sentence, of which the literal ones are added to *texts*."""
    if text is None:
        texts.append(NOT_SHOWN)
        return (None,)
    parts: list[_Value | None] = []
    for part in text.parts:
        match part:
            case Part(type_, ir.Const(_, known), None):
                said = shown_value(type_, known)
            case Part(type_, expr):
                parts.append((type_, expr))
                continue
            case said:
                pass
        if parts and parts[-1] is None:
            texts[-1] += said
        else:
            texts.append(said)
            parts.append(None)
    return tuple(parts)


def generate_sayings(rules: Mapping[SayingShape, Rule]) -> SayingModule:
    """Generate a function for each shape, of which *rules* has a rule."""
    module = Module()
    module.take((ROW,))
    for shape in rules:
        for expr in _expressions(shape):
            module.take(bound_in(expr))
    names = {shape: _saying(module, shape, rule) for shape, rule in rules.items()}
    tree = ast.Module([*module.functions, *module.tuples], [])
    number_lines(tree)
    return SayingModule(tree, module.objects, names)


def _expressions(shape: SayingShape) -> list[ir.Expr]:
    asked = list(join_constants(shape.asked, ir.Local(ROW)))
    return asked + [expr for about in shape.said for one in about for expr in _computed(*one)]


def _saying(module: Module, shape: SayingShape, rule: Rule) -> str:
    function, place = module.fresh(identifier("says_like", rule.id)), f"{rule.id} ({rule.place})"
    emitter = Emitter(module, place, scope={ROW: Variable(ROW)})
    texts = _Texts(emitter, len(shape.asked))
    body: list[ast.stmt] = []
    for condition, about in zip(
        join_constants(shape.asked, ir.Local(ROW)), shape.said, strict=True
    ):
        if not about:
            continue
        said: list[ast.stmt] = []
        for test, parts in about:
            answer = ast.Return(texts.text(parts))
            said.append(answer if test is None else ast.If(emitter.emit(test), [answer], []))
        if about[-1][0] is not None:
            said.append(ast.Return(ast.Constant(NOT_SHOWN)))
        body.append(ast.If(negated(emitter.emit(condition)), said, []))
    says = f"Return what is said of the first condition of a rule like {place} that is false, None if none is."
    module.function(function, says, [*body, ast.Return(ast.Constant(None))], before=(ROW,))
    return function


class _Texts(Struct):
    """Emits texts: *next* is the place in the row of the next literal part."""

    emitter: Emitter
    next: int

    def text(self, parts: Sequence[_Value | None]) -> ast.expr:
        """Return the expression of a text with these *parts*."""
        values = [self._literal() if part is None else self._shown(*part) for part in parts]
        if values == [] or (len(values) == 1 and parts[0] is None):
            return values[0] if values else ast.Constant("")
        return ast.JoinedStr([ast.FormattedValue(value, -1, None) for value in values])

    def _literal(self) -> ast.expr:
        self.next += 1
        return ast.Subscript(name(ROW), ast.Constant(self.next - 1), ast.Load())

    def _shown(self, type_: Type, expr: ir.Expr) -> ast.expr:
        show = self.emitter.module.named("show", type_, shower(type_))
        return ast.Call(show, [self.emitter.emit(expr)], [])
