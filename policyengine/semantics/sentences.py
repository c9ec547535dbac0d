"""Say why a condition is false, where the author has not said it.

The sentence is a template over nodes of the condition itself. It shows values of the subject and
of the context; of other entities (the resource, the people it belongs to) it names the attribute
and not the value. A condition that depends on something private has no sentence: even that it is
false would say something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policyengine.diagnostics.source import Source
from policyengine.model.types import RecordType, Schema
from policyengine.semantics.checked import Conjunct, Sentence, Typing, Value
from policyengine.semantics.demand import private_reads
from policyengine.semantics.guards import NO_GUARDS, path_of, present_if
from policyengine.syntax import nodes
from policyengine.syntax.expressions import children, walk_expressions
from policyengine.syntax.operators import operator_of

_ROOTS = frozenset({"subject", "resource", "context"})


def sentences(
    conjuncts: Iterable[Conjunct], source: Source, typings: Iterable[Typing], schema: Schema
) -> tuple[Sentence | None, ...]:
    """Return the text that says why a condition is false, for each; None if it must not be said.

    It must not if the condition reads something private, or if only such a condition before it sees
    to it that what it reads is there.
    """
    conjuncts, typings = tuple(conjuncts), tuple(typings)
    return tuple(
        None if private else _sentence(conjunct, source, typings, schema)
        for conjunct, private in zip(
            conjuncts, tells_private(conjuncts, typings, schema), strict=True
        )
    )


def tells_private(
    conjuncts: Iterable[Conjunct], typings: Iterable[Typing], schema: Schema
) -> Iterator[bool]:
    """Give, for each condition, whether what comes of it may tell something private."""
    typings = tuple(typings)
    known, hidden = NO_GUARDS, NO_GUARDS
    for conjunct in conjuncts:
        expr = conjunct.expr
        present = present_if(expr, _ROOTS, holds=conjunct.wanted)
        lost = hidden - known
        relies = lost and {path_of(part, _ROOTS) for part in walk_expressions([expr])} & lost
        private = (True for typing in typings for _ in private_reads(expr, typing, schema))
        if relies or any(private):
            hidden |= present
            yield True
        else:
            known |= present
            yield False


def _sentence(
    conjunct: Conjunct, source: Source, typings: tuple[Typing, ...], schema: Schema
) -> Sentence:
    node, wanted = conjunct.expr, conjunct.wanted
    written, holds = node, wanted
    while isinstance(node, nodes.Not):
        if not node.infix:
            written, holds = node.operand, not wanted
        node, wanted = node.operand, not wanted

    def shown(expr: nodes.Expr) -> bool:
        return all(may_be_shown(expr, typing, schema) for typing in typings)

    def constant(expr: nodes.Expr) -> bool:
        return all(_constant(expr, typing) for typing in typings)

    def text(expr: nodes.Expr) -> str:
        return source.on_one_line(expr.span)

    def template(parts: Iterable[str | nodes.Expr]) -> nodes.Template:
        return nodes.Template(tuple(_joined(parts)), span=node.span)

    def quiet(expr: nodes.Expr) -> nodes.Template | None:
        if any(constant(part) for part in walk_expressions([expr])):
            return None
        if not shown(expr):
            return template([f"{text(expr)} is not what a rule here is for"])
        return template([f"{text(expr)} is ", expr, ", which is not what a rule here is for"])

    row = operator_of(node)
    must = "" if row is None else row.must if wanted else row.must_not
    match node:
        case nodes.Compare(_, left, right):
            parts: list[str | nodes.Expr] = [text(left)]
            if shown(left):
                parts += [" is ", left, "; it"]
            parts.append(f" {must} ")
            if constant(right):
                parts.append(right)
            elif shown(right):
                parts += [text(right), ", which is ", right]
            else:
                parts.append(text(right))
            other = quiet(right if constant(left) else left)
            return Sentence(template(parts), other if constant(left) or constant(right) else None)
        case nodes.Has(object_, name):
            return Sentence(template([f"{text(object_)}.{name.name} {must}"]))
        case nodes.Name() | nodes.Attr():
            state = "must be true" if wanted else "must be false"
            return Sentence(template([f"{text(node)} {state}"]))
        case _:
            must = "must hold" if holds else "must not hold"
            without = quiet(node.object) if isinstance(node, nodes.Like) else None
            return Sentence(template([f"`{text(written)}` {must}"]), without)


def _joined(parts: Iterable[str | nodes.Expr]) -> Iterable[str | nodes.Expr]:
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
        else:
            if text:
                yield text
            yield part
            text = ""
    if text:
        yield text


def _constant(node: nodes.Expr, typing: Typing) -> bool:
    return isinstance(typing.binding_of(node), Value)


def may_be_shown(node: nodes.Expr, typing: Typing, schema: Schema) -> bool:
    """Whether every part of *node* is a constant or belongs to the subject or the context alone."""
    if _constant(node, typing):
        return True
    if any(True for _ in private_reads(node, typing, schema)):
        return False
    match node:
        case nodes.Name(name):
            return name in ("subject", "context", "action", "now")
        case nodes.Attr(nodes.Name(name)):
            return name in ("subject", "context", "action")
        case nodes.Attr(object_):
            is_record = isinstance(typing.type_of(object_), RecordType)
            return is_record and may_be_shown(object_, typing, schema)
        case (
            nodes.Arithmetic() | nodes.Negate() | nodes.LookUp() | nodes.Ancestors()
            | nodes.Call(nodes.Ident("size" | "lower", None))
        ):  # fmt: skip
            return all(may_be_shown(child, typing, schema) for child in children(node))
        case _:
            return False
