"""Write a condition in the policy language.

Parsed and checked again, for the target that it is of, the text means the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.simplify import replaced, simplify
from policyengine.diagnostics.source import Source
from policyengine.model.types import (
    BOOL,
    DATETIME,
    STRING,
    EntityRefType,
    EnumType,
    LevelsType,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.semantics.capitals import has_capital
from policyengine.syntax import nodes
from policyengine.syntax.expression_layout import on_one_line, quoted
from policyengine.syntax.parser import parse
from policyengine.syntax.written_values import written

_WITHIN: Final = frozenset(
    ["ip_within", "ips_within", "paths_within", "terms_within", "within_schedule"]
)


_WHOLE: Final = (ir.Const, ir.MakeSet, ir.MakeRecord, ir.Entry, ir.Rows)
_CALLS: Final = frozenset(["len", "lower", "ancestors"])
_JUNCTIONS: Final = (ir.And, ir.Or, ir.Choice, ir.Quantified, ir.Let)


class ConditionWriter(Struct, frozen=True, eq=False):
    """Writes conditions; *tables*: the names of constants that are tables, by their rows."""

    types: ExpressionTypes
    tables: Mapping[ir.Rows, str]
    _variables: dict[str, str] = field(default_factory=dict)

    def formatted(self, node: ir.Expr) -> str:
        """Return the text of an expression, as the formatter writes it.

        One with a string that no policy may contain, of a request, is not parsed, and as it is.
        """
        text = self.text(with_types(simplify(_without_capitals(node))))
        parsed, _ = parse(Source("", f"package p\ndefine d() = {text}\n"))
        if parsed is None:
            return text
        [declaration] = parsed.declarations
        assert isinstance(declaration, nodes.DefineDecl)
        return on_one_line(declaration.body)

    def text(self, node: ir.Expr) -> str:
        """Return the text of *node*; the formatter is for its layout."""
        match node:
            case ir.Const(type_, value):
                return written(type_, value)
            case ir.Root(name):
                return name
            case ir.Local(name):
                return self._variables[name]
            case ir.Rows():
                return self.tables[node]
            case ir.Id(object_) | ir.Line(object_):
                return self._entity(object_)
            case ir.Slot(object_, name):
                return f"{self._entity(object_)}.{name}"
            case ir.Present(ir.Slot(object_, name)):
                return f"{self._entity(object_)} has {name}"
            case ir.Not(operand):
                return f"not {self._part(operand)}"
            case ir.And(operands):
                return " and ".join(map(self._operand, operands)) or "true"
            case ir.Or(operands):
                return " or ".join(map(self._operand, operands)) or "false"
            case ir.Choice(condition, yes, no):
                return f"if {self._part(condition)} then {self._part(yes)} else {self._part(no)}"
            case ir.Let(names, values, body):
                return self.text(replaced(body, dict(zip(names, values, strict=True))))
            case ir.Quantified():
                return self._quantified(node)
            case ir.MakeSet(_, items):
                return self._braces(items)
            case ir.MakeRecord(type_, parts):
                given = zip(type_.attributes, parts, strict=True)
                texts = (f"{a.name}: {self.text(p)}" for a, p in given if p != ir.Absent())
                return f"{{{', '.join(texts)}}}"
            case ir.Entry(ir.Rows() | ir.Entry() as table, term):
                return f"{self.text(table)}[{self.text(term)}]"
            case ir.Binary() | ir.Overlaps() | ir.AllIn():
                return self._comparison(node)
            case ir.Operation():
                return self._operation(node)
            case _:
                raise AssertionError(f"no part of a condition: {node}")

    def _quantified(self, node: ir.Quantified) -> str:
        self.types.enter(node)
        over = self._part(node.over)
        written_as = node.local.rpartition("_")[0]  # its name in the policy, and its depth
        taken = written_as in self._variables.values()
        self._variables[node.local] = name = node.local if taken else written_as
        body = self.text(node.body)
        del self._variables[node.local]
        return f"{node.kind} {name} in {over}: {body}"

    def _comparison(self, node: ir.Binary | ir.Overlaps | ir.AllIn) -> str:
        match node:
            case ir.Binary(
                "in" | "not in" as op,
                right,
                ir.Entry(ir.Above(), left) | ir.Operation("prefixes", (left,)),
            ):
                return self._infix(left, "within" if op == "in" else "not within", right)
            case ir.Binary("<=", left, right) if isinstance(self.types.type_of(left), SetType):
                return self._infix(left, "subset", right)
            case ir.Binary("-", ir.Const(type_, 0), right) if type_ != DATETIME:
                return f"-{self._part(right)}"
            case ir.Binary(op, left, right):
                return self._infix(left, op, right)
            case ir.Overlaps(ir.Entry(ir.Above(), left), right):
                return self._infix(left, "within", right)
            case ir.Overlaps(ir.Operation("prefixes", (left,)), right):
                return self._infix(left, "within", right)
            case ir.Overlaps(left, right):
                return self._infix(left, "overlaps", right)
            case ir.AllIn(left, right):
                return self._infix(left, "within", right)

    def _operation(self, node: ir.Operation) -> str:
        arguments: Any = node.arguments
        match node.name, arguments:
            case "like", (text, ir.Data(pieces)):
                glob = "*".join(re.sub(r"[\\*]", r"\\\g<0>", piece) for piece in pieces)
                return f"{self._string(text)} like {quoted(glob, escape_backslash=False)}"
            case "path_like", (path, ir.Data(segments)):
                pattern = quoted(f"/{'/'.join(segments)}")
                return f"{self._part(path)} like path {pattern}"
            case "startswith" | "endswith" | "contains" as op, (left, right):
                return f"{self._string(left)} {op} {self._string(right)}"
            case "touches" as op, (left, right, *_):
                [left, *_] = left.items if isinstance(left, ir.MakeSet) else [left]
                return self._infix(left, op, right)
            case "len", (of,):
                is_set = isinstance(self.types.type_of(of), SetType)
                return f"size({self.text(of) if is_set else self._string(of)})"
            case "lower", (of,):
                return f"lower({self._string(of)})"
            case "add_months", (moment, months):
                return f"{self._part(moment)} + {self._part(months)}"
            case "ancestors", (line, ir.Data(type_)):
                return f"ancestors({self.text(line)}, {type_})"
            case "lies_in" | "lies_in_one", (line, _, around):
                return self._infix(line, "within", around)
            case "entity_within" | "entities_within", (_, left, _, around, _):
                return self._infix(left, "within", around)
            case name, (left, around, *_) if name in _WITHIN:
                return self._infix(left, "within", around)
            case _:
                raise AssertionError(f"no part of a condition: {node}")

    def _entity(self, node: ir.Expr) -> str:
        return self._part(node.id if isinstance(node, ir.Entity) else node)

    def _infix(self, left: ir.Expr, op: str, right: ir.Expr) -> str:
        match right:
            case ir.MakeSet(_, (only,)) if op == "within":  # `a within b`, which is lowered so
                right = only
        types = self.types.type_of(left), self.types.type_of(right)
        if op != "within" and _are_strings(*types):
            return f"{self._string(left)} {op} {self._string(right)}"
        return f"{self._part(left)} {op} {self._part(right)}"

    def _string(self, node: ir.Expr) -> str:
        """Return the text of a string, or of the id of an entity."""
        match node, self.types.type_of(node):
            case ir.Const(EntityRefType(), value), _:
                return quoted(str(value))
            case ir.MakeSet(_, items), _:
                return f"{{{', '.join(map(self._string, items))}}}"
            case _, EntityRefType():
                return f"{self._part(node)}.id"
            case _:
                return self._part(node)

    def _part(self, node: ir.Expr) -> str:
        """Return the text of an operand, in parentheses unless it is a path, a value or a call."""
        text = self.text(node)
        whole = ir.is_plain(node) or isinstance(node, _WHOLE)
        call = isinstance(node, ir.Operation) and node.name in _CALLS
        return text if whole or call else f"({text})"

    def _operand(self, node: ir.Expr) -> str:
        """Return the text of an operand of `and` or `or`; comparisons need no parentheses."""
        text = self.text(node)
        return f"({text})" if isinstance(node, _JUNCTIONS) else text

    def _braces(self, items: Iterable[ir.Expr]) -> str:
        return f"{{{', '.join(map(self.text, items))}}}"


def _without_capitals(node: ir.Expr) -> ir.Expr:
    """Return *node* without constants that `lower(…)` never equals: the language has none beside it."""
    node = ir.rebuilt(node, _without_capitals)
    match node:
        case ir.Binary(
            "==" | "!=" as op, ir.Operation("lower"), ir.Const(_, str(text))
        ) | ir.Binary("==" | "!=" as op, ir.Const(_, str(text)), ir.Operation("lower")) if (
            has_capital(text)
        ):
            return ir.Const(BOOL, op == "!=")
        case ir.Operation(
            "startswith" | "endswith" | "contains", (ir.Operation("lower"), ir.Const(_, str(text)))
        ) if has_capital(text):
            return ir.Const(BOOL, False)
        case ir.Binary("in" | "not in" | "<=", left, ir.Const(of, frozenset() as texts)) if (
            _is_lowered(left)
        ):
            return replace(node, right=ir.Const(of, _small(texts)))
        case ir.Overlaps(left, ir.Const(of, frozenset() as texts)) if _is_lowered(left):
            return replace(node, right=ir.Const(of, _small(texts)))
        case ir.Binary("in" | "not in", ir.Operation("lower"), ir.MakeSet(of, items)):
            said = [str(one.value) if isinstance(one, ir.Const) else "" for one in items]
            kept = [one for one, text in zip(items, said, strict=True) if not has_capital(text)]
            return replace(node, right=ir.MakeSet(of, tuple(kept)))
        case _:
            return node


def _is_lowered(node: ir.Expr) -> bool:
    """Whether *node* is a string that `lower` gives, or a set of such strings."""
    match node:
        case ir.Operation("lower"):
            return True
        case ir.MakeSet(_, items):
            return all(map(_is_lowered, items))
        case _:
            return False


def _small(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(text for text in texts if not has_capital(text))


def with_types(node: ir.Expr) -> ir.Expr:
    """Return *node* so that one type is wanted wherever its text has a name.

    In `(if a then low else high) == high`, names may be of several types, or strings. That is written as what is left
    of it if *a* holds, and what is left if not. What `some x in {low, high}` asks is written for each of them.
    """
    node = ir.rebuilt(node, with_types)
    match node:
        case ir.Quantified(kind, variable, ir.Const(SetType(of), frozenset() as names), body):
            if not _has_names(of):
                return node
            each = [ir.Const(of, name) for name in sorted(names, key=partial(written, of))]
            asking = tuple([with_types(simplify(replaced(body, {variable: one}))) for one in each])
            return simplify(ir.Or(asking) if kind == "some" else ir.And(asking))
        case ir.Quantified(_, _, over, _):
            asked: tuple[ir.Expr, ...] = (over,)
        case ir.Binary() | ir.Overlaps() | ir.AllIn() | ir.Operation():
            tables = ir.Data | ir.Above | ir.Below
            asked = tuple([part for part in ir.children(node) if not isinstance(part, tables)])
        case _:
            return node
    choice = next((found for part in asked for found in _choices(part)), None)
    if choice is None or not all(map(_is_of_names, asked)):
        return node

    def taking(branch: ir.Expr) -> ir.Expr:
        return with_types(simplify(_put(node, choice, branch)))

    return simplify(ir.Choice(choice.condition, taking(choice.yes), taking(choice.no)))


def _put(node: ir.Expr, choice: ir.Choice, branch: ir.Expr) -> ir.Expr:
    return branch if node == choice else ir.rebuilt(node, lambda part: _put(part, choice, branch))


def _choices(node: ir.Expr) -> Iterator[ir.Choice]:
    """Give the choices of which *node* takes its value."""
    match node:
        case ir.Choice():
            yield node
        case ir.MakeSet() | ir.MakeRecord() | ir.Entry(ir.Above() | ir.Below(), _):
            for part in ir.children(node):
                yield from _choices(part)
        case _:
            return


def _is_of_names(node: ir.Expr) -> bool:
    """Whether nothing but names of enums, levels or taxonomies says of which type *node* is."""
    match node:
        case ir.Const(type_, _):
            return _has_names(type_)
        case ir.Choice(_, yes, no):
            return _is_of_names(yes) and _is_of_names(no)
        case ir.MakeSet(_, items):
            return all(map(_is_of_names, items))
        case ir.MakeRecord(_, parts):
            return any(map(_is_of_names, parts))
        case ir.Entry(ir.Above() | ir.Below(), term):
            return _is_of_names(term)
        case _:
            return False


def _has_names(type_: Type) -> bool:
    match type_:
        case EnumType() | LevelsType() | TaxonomyType():
            return True
        case SetType(element):
            return _has_names(element)
        case RecordType(attributes):
            return any(_has_names(attribute.type) for attribute in attributes)
        case _:
            return False


def _are_strings(*types: Type) -> bool:
    """Whether strings are compared, of which ids are some, or the ids of entities of two types."""
    elements = {type_.element if isinstance(type_, SetType) else type_ for type_ in types}
    return STRING in elements or (
        len(elements) > 1 and any(isinstance(e, EntityRefType) for e in elements)
    )
