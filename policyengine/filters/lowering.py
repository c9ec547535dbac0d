"""Lower a condition on a resource that is not known to a predicate of its row.

Each atom becomes a predicate that is false where it cannot be asked, so that every node is two-valued. What
a condition says of known parts was decided before, but for private values and the time, which are put in
here. A row in a table of the policy, or terms above a term, that a column selects are written out: one case
for each name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import prod
from typing import Final

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.simplify import replaced
from policyengine.filters.column_values import (
    cell_in_ranges,
    counted,
    demand_addresses,
    differs,
    equals,
    is_true,
    lengths,
    like_path,
    parts_of,
    stored_form,
    values_of,
    whole,
    within_path,
)
from policyengine.filters.predicates import (
    Compare,
    Comparison,
    Constant,
    HasMore,
    IsPresent,
    IsWithin,
    Matches,
    Parameter,
    Predicate,
    Term,
    both,
    either,
    negated,
    one_of,
)
from policyengine.filters.ranges import Ranges, comparing, mirrored, months_before, shifted
from policyengine.filters.row_paths import NOW, Cell, Owner, RowPaths, Unsayable, later
from policyengine.model.types import (
    BOOL,
    ORDERED,
    EntityRefType,
    EntityType,
    Enumeration,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TaxonomyType,
    Type,
)
from policyengine.model.values import Ip
from policyengine.partial.evaluator import Evaluator
from policyengine.partial.expression_types import ExpressionTypes

_MOST_CASES: Final = 300_000
"""The parts of a condition that are lowered, and the cases of names that are tried, in all: a second's work."""


class Lowering(Struct):
    """Lowers conditions; *moves*: whether the time was asked for, so that the predicate is of one moment."""

    paths: RowPaths
    types: ExpressionTypes
    evaluator: Evaluator
    moves: bool = False
    cases: int = 0

    def condition(self, node: ir.Expr) -> Predicate:
        """Return the predicate that *node* is true; raises `Unsayable`, `IncompleteMapping`."""
        self._count(1)
        match node:
            case ir.Const(_, bool(value)):
                return Constant(value)
            case ir.And(operands):
                return both(map(self.condition, operands))
            case ir.Or(operands):
                return either(map(self.condition, operands))
            case ir.Not(operand):
                return negated(self.condition(operand))
            case ir.Choice(condition, yes, no):
                asked = self.condition(condition)
                first = both([asked, self.condition(yes)])
                return either([first, both([negated(asked), self.condition(no)])])
            case ir.Let(names, values, body):
                return self.condition(replaced(body, dict(zip(names, values, strict=True))))
            case _:
                return self._atom(node)

    def _count(self, cases: int) -> None:
        self.cases += cases
        if self.cases > _MOST_CASES:
            raise Unsayable("it has too many cases to be written out")

    def _atom(self, node: ir.Expr) -> Predicate:
        made = self._with_known(node)
        if made != node:
            return self.condition(made)
        split = _to_split(node)
        match split:
            case None:
                pass
            case ir.Choice(condition, yes, no):
                cases = (_replace(node, split, yes), _replace(node, split, no))
                return self.condition(ir.Choice(condition, *cases))
            case _:
                return self._by_names(node, split)
        match node:
            case ir.Present(ir.Slot() as slot):
                return self.paths.present(slot)
            case ir.Quantified(kind, local, over, body):
                wanted = kind == "some"

                def holds(element: ir.Expr) -> Predicate:
                    found = self.condition(replaced(body, {local: element}))
                    return found if wanted else negated(found)

                some = self._some(over, holds)
                return some if wanted else negated(some)
            case ir.Binary() | ir.Overlaps() | ir.AllIn():
                return self._comparison(node)
            case ir.Operation(name, arguments):
                return self._operation(name, arguments)
            case _:
                return self.paths.cell(node, is_true)

    def _with_known(self, node: ir.Expr) -> ir.Expr:
        """Put what is known in its place: the time, and values that are private."""
        roots = {part.name for part in ir.walk(node) if isinstance(part, ir.Root)}
        known = self.evaluator.known
        given = {"entities"}
        given |= {
            name
            for name in ("subject", "resource", "context", "now")
            if getattr(known, name) is not None
        }
        if "now" in roots & given:
            self.moves = True
        if roots.isdisjoint(given):
            return node
        made = self.evaluator.evaluate(node)
        match node:
            case ir.Present(slot) if made == node and isinstance(
                self.evaluator.evaluate(slot), ir.Const
            ):
                return ir.Const(BOOL, True)  # a reference, to what nothing else asks for
            case _ if made == node and "context" in roots & given:  # it may be compared as a whole
                root, context = ir.Root("context"), known.context
                whole = ir.Const(self.types.type_of(root), context)
                made = self.evaluator.evaluate(_replace(node, root, whole))
        if made == node and not isinstance(node, ir.Quantified):
            left = roots & given - {"entities"}
            if left:
                raise Unsayable(f"not all of the {min(left)} is known: give what it refers to")
        return made

    # ---- cases --------------------------------------------------------------------------

    def _by_names(self, node: ir.Expr, key: ir.Expr) -> Predicate:
        """Return the condition with each name in the place of *key*, where the key has that name."""
        type_ = self._type(key)
        if not isinstance(type_, EnumType | LevelsType | TaxonomyType):
            raise Unsayable("it is looked up by what is no name")
        # All that are looked up: what is left of one case is at once asked for each name of the next.
        self._count(prod(len(self._names_of(one)) for one in {key, *_looked_up(node)}))
        cases: dict[ir.Expr, set[object]] = {}
        for name in values_of(type_):
            made = self.evaluator.evaluate(_replace(node, key, ir.Const(type_, name)))
            cases.setdefault(made, set()).add(name)
        return either(
            both([self._among(key, type_, names), self.condition(case)])
            for case, names in cases.items()
            if case != ir.Const(BOOL, False)
        )

    def _names_of(self, key: ir.Expr) -> Sequence[str]:
        type_ = self._type(key)
        return type_.members if isinstance(type_, EnumType | LevelsType | TaxonomyType) else ()

    def _among(self, node: ir.Expr, type_: Type, values: Iterable[object]) -> Predicate:
        """Return the predicate that a column has one of *values*."""

        def among(cell: Cell) -> Predicate:
            stored = [
                s for value in values if (s := stored_form(cell.stored, type_, value)) is not None
            ]
            return one_of(cell.column, stored)

        return self.paths.cell(node, among)

    # ---- comparisons --------------------------------------------------------------------

    def _comparison(self, node: ir.Binary | ir.Overlaps | ir.AllIn) -> Predicate:
        match node:
            case ir.Overlaps(ir.Const() as left, right) if not isinstance(right, ir.Const):
                return self._comparison(ir.Overlaps(right, left))
            case ir.Overlaps(ir.Operation("prefixes") as above, around):
                return self._some(around, lambda one: self._member(one, above))
            case ir.Overlaps(left, right):
                return self._some(left, lambda one: self._member(one, right))
            case ir.AllIn(left, right):
                return both([self._some(left, _true), self._subset(left, right)])
            case ir.Binary("in", one, others):
                return self._member(one, others)
            case ir.Binary("not in", one, others):
                return negated(self._member(one, others))
        op, left, right = node.op, node.left, node.right
        type_, other = self._type(left), self._type(right)
        if isinstance(type_, SetType):
            subset = self._subset(left, right)
            if op == "<=":
                return subset
            equal = both([subset, self._subset(right, left)])
            return equal if op == "==" else negated(equal)
        if type_ == BOOL:
            first, second = self.condition(left), self.condition(right)
            same = either([both([first, second]), both([negated(first), negated(second)])])
            return same if op == "==" else negated(same)
        if isinstance(left, ir.Const):
            mirrored_op = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
            return self._compare(mirrored_op, right, left, other)
        return self._compare(op, left, right, type_)

    def _compare(self, op: str, left: ir.Expr, right: ir.Expr, type_: Type) -> Predicate:
        """Compare two values of which the first is not known."""
        if isinstance(type_, RecordType):
            raise Unsayable("records are compared part by part")
        if isinstance(right, ir.Const):
            if type_ in ORDERED:
                return self._in_ranges(left, comparing(op, whole(right.value)))
            if isinstance(type_, LevelsType):
                levels = range(len(type_.members))
                wanted = [level for level in levels if _holds(op, level, whole(right.value))]
                return self._among(left, type_, wanted)
            equal = self._among(left, type_, [right.value])
            return equal if op == "==" else self.paths.cell(left, differs(type_, right.value))
        for_time = self._with_time(op, left, right)
        if for_time is not None:
            return for_time
        return self.paths.cell(
            left, lambda one: self.paths.cell(right, lambda two: self._columns(op, one, two))
        )

    def _with_time(self, op: str, left: ir.Expr, right: ir.Expr) -> Predicate | None:
        """Compare a moment with the time, which is not known; what is added to either is known."""
        (first, months, by), (second, more, further) = _sum(left), _sum(right)
        if _NOW not in (first, second):
            return None
        before, after = (by - further, 0) if first == _NOW else (0, further - by)

        def compared(one: Cell, two: Cell) -> Predicate:
            columns = later(one.column, months, before), later(two.column, more, after)
            return Compare(_comparison(op), *columns)

        return self.paths.cell(
            first, lambda one: self.paths.cell(second, lambda two: compared(one, two))
        )

    def _columns(self, op: str, one: Cell, two: Cell) -> Predicate:
        """Compare two columns."""
        if isinstance(one.type, EnumType | LevelsType | TaxonomyType):
            return self._names(op, one, two, one.type)
        if one.type == Primitive("ip"):
            demand_addresses(one.stored)
        if one.column.kind != two.column.kind:
            raise Unsayable("the two columns are of different kinds")
        return Compare(_comparison(op), one.column, two.column)

    def _names(self, op: str, one: Cell, two: Cell, type_: Enumeration) -> Predicate:
        """Compare two columns of names, which may be stored in different forms and orders."""
        by_position = isinstance(type_, LevelsType) and one.stored.names == type_.positions
        if one.stored.names == two.stored.names and (by_position or op in ("==", "!=")):
            return Compare(_comparison(op), one.column, two.column)
        cases = []
        for value in values_of(type_):
            here = stored_form(one.stored, type_, value)
            among = (other for other in values_of(type_) if _holds(op, value, other))
            others = [
                s for other in among if (s := stored_form(two.stored, type_, other)) is not None
            ]
            cases.append(both([equals(one.column, here), one_of(two.column, others)]))
        return either(cases)

    def _in_ranges(self, node: ir.Expr, ranges: Ranges) -> Predicate:
        """Return the predicate that a number is in *ranges*."""
        match node:
            case ir.Binary("+", ir.Const(_, int(by)), inner) | ir.Binary(
                "+", inner, ir.Const(_, int(by))
            ):
                return self._in_ranges(inner, shifted(ranges, -by))
            case ir.Binary("-", inner, ir.Const(_, int(by))):
                return self._in_ranges(inner, shifted(ranges, by))
            case ir.Binary("-", ir.Const(_, int(of)), inner):
                return self._in_ranges(inner, shifted(mirrored(ranges), of))
            case ir.Operation("add_months", (inner, ir.Const(_, int(months)))):
                return self._in_ranges(inner, months_before(ranges, months))
            case ir.Operation("len", (of,)):
                return self._size(of, ranges)
            case ir.Binary("-", one, other) if _NOW in (one, other):
                return self._from_now(node, ranges)
            case ir.Slot() | ir.Local() | ir.Root("now"):
                return self.paths.cell(node, lambda cell: cell_in_ranges(cell, ranges))
            case _:
                raise Unsayable("in a database such a sum may be too large, or be rounded")

    def _from_now(self, difference: ir.Binary, ranges: Ranges) -> Predicate:
        """Return the predicate that the time between a moment and the present is in *ranges*."""
        ahead = difference.right == _NOW
        moment = difference.left if ahead else difference.right
        cases: list[Predicate] = []
        for start, end in ranges if ahead else mirrored(ranges):
            ends = [] if start is None else [self._moment(">=", moment, start)]
            ends += [] if end is None else [self._moment("<", moment, end)]
            cases.append(both(ends or [self.paths.cell(moment, lambda one: IsPresent(one.column))]))
        return either(cases)

    def _moment(self, op: Comparison, moment: ir.Expr, shift: int) -> Predicate:
        return self.paths.cell(moment, lambda one: Compare(op, one.column, later(NOW, (), shift)))

    def _size(self, node: ir.Expr, ranges: Ranges) -> Predicate:
        """Return the predicate that the size of a set or of a text is in *ranges*."""
        if isinstance(self._type(node), SetType):
            if not isinstance(node, ir.Slot):
                raise Unsayable("no database counts that")
            return self.paths.owner(
                node.object, lambda owner: counted(self._counting(owner, node.name), ranges)
            )
        return self.paths.cell(node, lambda cell: counted(lengths(cell.column), ranges))

    def _counting(self, owner: Owner, name: str) -> Callable[[int], Predicate]:
        def more_than(most: int) -> Predicate:
            found = self.paths.elements(owner, name)
            if not isinstance(found.element, Cell):
                raise Unsayable("no database counts records")
            return HasMore(found.table, found.alias, found.on, found.element.column, most)

        return more_than

    # ---- sets ---------------------------------------------------------------------------

    def _some(self, over: ir.Expr, body: Callable[[ir.Expr], Predicate]) -> Predicate:
        """Return the predicate that some element of *over* satisfies *body*."""
        match over:
            case ir.Const(SetType(element), frozenset() as values):
                ordered = sorted(values, key=repr)
                return either(body(ir.Const(element, value)) for value in ordered)
            case ir.MakeSet(_, items):
                return either(map(body, items))
            case ir.Slot():
                return self.paths.some_element(over, lambda local, _: body(local))
            case ir.Operation("ancestors", (ir.Line(of), ir.Data(str(type_)))):
                return self._on_line(of, type_, body)
            case ir.Operation("prefixes", _):
                raise Unsayable("no database cuts paths at their segments")
            case ir.Choice(condition, yes, no):
                first, some = self.condition(condition), self._some(yes, body)
                other = both([negated(first), self._some(no, body)])
                return either([both([first, some]), other])
            case _:
                raise Unsayable("this is no set of a resource")

    def _member(self, one: ir.Expr, others: ir.Expr) -> Predicate:
        """Return the predicate that *one* is in the set *others*."""
        match one, others:
            case ir.Const(), ir.Const(_, frozenset() as known):
                return Constant(one.value in known)
            case _, ir.Const(SetType(element), frozenset() as known):
                if not isinstance(element, RecordType) and element not in ORDERED:
                    return self._among(one, element, known)
            case ir.Const(_, str(path)), ir.Operation("prefixes", (of,)):
                return self.paths.cell(of, lambda cell: within_path(cell.column, path))
        return self._some(others, lambda element: self._equal(one, element))

    def _equal(self, one: ir.Expr, other: ir.Expr) -> Predicate:
        if isinstance(one, ir.Const) and isinstance(other, ir.Const):
            return Constant(one.value == other.value)
        return self.condition(ir.Binary("==", one, other, numeric=self._type(one) in ORDERED))

    def _subset(self, left: ir.Expr, right: ir.Expr) -> Predicate:
        return negated(self._some(left, lambda one: negated(self._member(one, right))))

    def _every(self, over: ir.Expr, body: Callable[[ir.Expr], Predicate]) -> Predicate:
        """Return the predicate that a set has elements, and all satisfy *body*."""
        all_do = negated(self._some(over, lambda one: negated(body(one))))
        return both([self._some(over, _true), all_do])

    # ---- operations ---------------------------------------------------------------------

    def _operation(self, name: str, arguments: tuple[ir.Expr, ...]) -> Predicate:
        match name, arguments:
            case "like", (text, ir.Data(pieces)) if isinstance(pieces, tuple):
                return self._matches(text, pieces)
            case "startswith", (text, ir.Const(_, str(start))):
                return self._matches(text, (start, ""))
            case "endswith", (text, ir.Const(_, str(end))):
                return self._matches(text, ("", end))
            case "contains", (text, ir.Const(_, str(part))):
                return self._matches(text, ("", part, ""))
            case "startswith" | "endswith" | "contains", (ir.Const(_, str(text)), part):
                return self._among(part, self._type(part), parts_of(text, name))
            case "startswith" | "endswith" | "contains", _:
                raise Unsayable("a pattern is known, so that no row writes one")
            case "lies_in", (ir.Line(of), ir.Data(str(type_)), among):
                return self._on_line(of, type_, lambda one: self._equal(one, among))
            case "lies_in_one", (ir.Line(of), ir.Data(str(type_)), among):
                return self._on_line(of, type_, lambda one: self._member(one, among))
            case "entity_within", (ir.Data(str(inner)), one, ir.Data(str(type_)), among, _):
                return self._lies_within(inner, one, type_, among)
            case "entities_within", (ir.Data(str(inner)), those, ir.Data(str(type_)), among, _):
                return self._every(those, lambda one: self._lies_within(inner, one, type_, among))
            case "terms_within", (terms, around, above):
                return self._every(terms, lambda one: self._near(one, around, above))
            case "touches", (terms, around, above, below):
                return self._some(
                    terms,
                    lambda one: either(
                        [self._near(one, around, above), self._near(one, around, below)]
                    ),
                )
            case "paths_within", (those, around):
                return self._every(
                    those,
                    lambda one: self.condition(
                        ir.Overlaps(around, ir.Operation("prefixes", (one,)))
                    ),
                )
            case "ip_within", (one, around):
                return self._in_networks(one, around)
            case "ips_within", (those, around):
                return self._every(those, lambda one: self._in_networks(one, around))
            case "path_like", (path, ir.Data(pattern)) if isinstance(pattern, tuple):
                return self.paths.cell(path, lambda cell: like_path(cell.column, pattern))
            case "within_schedule", _:
                raise Unsayable("no database knows schedules and time zones as policies do")
            case _:
                raise Unsayable(f"no database computes `{name}`")

    def _in_networks(self, one: ir.Expr, around: ir.Expr) -> Predicate:
        """Return the predicate that an address or network is within one of those *around*."""
        return self._some(
            around,
            lambda network: self._address(
                one, lambda inner: self._address(network, partial(_is_within, inner))
            ),
        )

    def _address(self, node: ir.Expr, then: Callable[[Term], Predicate]) -> Predicate:
        if isinstance(node, ir.Const):
            assert isinstance(node.value, Ip)
            return then(Parameter(node.value, "ip"))

        def asked(cell: Cell) -> Predicate:
            demand_addresses(cell.stored)
            return then(cell.column)

        return self.paths.cell(node, asked)

    def _near(self, term: ir.Expr, around: ir.Expr, table: ir.Expr) -> Predicate:
        assert isinstance(table, ir.Above | ir.Below)
        return self.condition(self.evaluator.evaluate(ir.Overlaps(ir.Entry(table, term), around)))

    def _lies_within(self, inner: str, one: ir.Expr, type_: str, among: ir.Expr) -> Predicate:
        return self._on_line(ir.Entity(inner, one), type_, lambda above: self._member(above, among))

    def _on_line(self, of: ir.Expr, type_: str, body: Callable[[ir.Expr], Predicate]) -> Predicate:
        """Return the predicate that an entity or one above it, of that type, satisfies *body*."""

        def asked(row: Owner) -> Predicate:
            return body(self.paths.variable(row))

        return self.paths.entity(of, lambda row: self.paths.on_line(row, type_, asked))

    def _matches(self, text: ir.Expr, pieces: tuple[str, ...]) -> Predicate:
        def matches(cell: Cell) -> Predicate:
            if cell.column.kind != "text":
                raise Unsayable("the ids of such rows are numbers")
            if len(pieces) == 1:
                return one_of(cell.column, pieces)
            return Matches(cell.column, pieces) if any(pieces) else IsPresent(cell.column)

        return self.paths.cell(text, matches)

    # ---- types --------------------------------------------------------------------------

    def _type(self, node: ir.Expr) -> Type:
        for part in ir.walk(node):
            if isinstance(part, ir.Local):
                self.types.variables[part.name] = _type_of(self.paths.bound[part.name])
        return self.types.type_of(node)


def _is_within(inner: Term, outer: Term) -> Predicate:
    match inner, outer:
        case Parameter(Ip() as one), Parameter(Ip() as other):
            return Constant(one.within(other))
        case _:
            return IsWithin(inner, outer)


def _type_of(value: Cell | Owner) -> Type:
    return EntityRefType(value.type.name) if isinstance(value.type, EntityType) else value.type


def _to_split(node: ir.Expr) -> ir.Expr | None:
    """Return a part of an atom that is written out: a choice, or what looks something up in a table.

    Of those in one another, the inner one. What is in a quantifier is looked at there.
    """
    if isinstance(node, ir.Quantified):
        return _to_split(node.over)
    for part in ir.children(node):
        found = _to_split(part)
        if found is not None:
            return found
    match node:
        case ir.Choice():
            return node
        case ir.Entry(_, term) if not isinstance(term, ir.Const):
            return term
        case _:
            return None


_NOW: Final = ir.Root("now")


def _sum(node: ir.Expr) -> tuple[ir.Expr, tuple[int, ...], int]:
    """Return of what *node* is the sum with known months, and then with a known number, and both."""
    match node:
        case ir.Operation("add_months", (inner, ir.Const(_, int(by)))):
            found, months, more = _sum(inner)
            return (node, (), 0) if more else (found, (*months, by), 0)
        case ir.Binary("+", ir.Const(_, int(by)), inner) | ir.Binary(
            "+", inner, ir.Const(_, int(by))
        ):
            pass
        case ir.Binary("-", inner, ir.Const(_, int(less))):
            by = -less
        case _:
            return node, (), 0
    found, months, more = _sum(inner)
    return found, months, by + more


def _looked_up(node: ir.Expr) -> set[ir.Expr]:
    """Return what is looked up in tables, and not known."""
    entries = (part for part in ir.walk(node) if isinstance(part, ir.Entry))
    return {entry.term for entry in entries if not isinstance(entry.term, ir.Const)}


def _replace(node: ir.Expr, part: ir.Expr, by: ir.Expr) -> ir.Expr:
    if node == part:
        return by
    return ir.rebuilt(node, lambda inner: _replace(inner, part, by))


def _comparison(op: str) -> Comparison:
    assert op in ("==", "!=", "<", "<=", ">", ">=")
    return op  # type: ignore[return-value]  # as was just seen


def _holds(op: str, one: object, other: object) -> bool:
    match op:
        case "==":
            return one == other
        case "!=":
            return one != other
        case "<":
            return whole(one) < whole(other)
        case "<=":
            return whole(one) <= whole(other)
        case ">":
            return whole(one) > whole(other)
        case _:
            return whole(one) >= whole(other)


def _true(_: ir.Expr) -> Predicate:
    return Constant(True)
