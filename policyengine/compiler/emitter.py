"""Turn `ir` into Python expressions, as `ast` nodes and never as text.

Three things are done on the way. An expression that a function needs again is *shared*: where it is
computed first it is kept in a variable, and used wherever that has certainly been computed, so that
nothing is computed that the written order would not. A *traced* expression notes when a comparison
with the time comes out otherwise. And what is nested deeply becomes a function of its own, so that
no policy is too deep for Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, assert_never

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.loops import Level, loop_function
from policyengine.compiler.provenance import (
    FROM,
    Variable,
    all_known,
    known_in,
    part_of,
    with_known_by_part,
)
from policyengine.compiler.python_nodes import (
    assign,
    attribute,
    call,
    compare,
    conjunction,
    disjunction,
    name,
    negated,
)
from policyengine.compiler.shares import Shares
from policyengine.compiler.slope import slope
from policyengine.compiler.turn_codegen import COMPARISONS, TURNS, kept, watched
from policyengine.model.records import record_class, slot
from policyengine.model.types import LevelsType, TableType, Type
from policyengine.runtime.operations import ANSWERING, EXPORTED

PARTS: Final = ("subject", "resource", "context")
ROOTS: Final = (*PARTS, "now", "entities")
"""What of a request expressions read: what every generated function takes, in that order."""

ROW: Final = "row"
"""The parameter that has the constants of one rule of many of the same shape."""

_RESERVED: Final = (*ROOTS, *FROM.values(), *EXPORTED, *ANSWERING, TURNS, "take")
_DEEPEST: Final = 14
"""Levels of `ir` in one Python expression; each may take several levels of Python."""

_MOST_LOOPS: Final = 8
"""Loops in one another in one function: Python takes 20."""

_ARITHMETIC: Final[Mapping[ir.Sign, type[ast.operator]]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult,
}  # fmt: skip


def by_key(type_: Type, value: Any) -> Any:
    """Return a table, and the tables in it, so that `table[key]` is the row of a key."""
    if not isinstance(type_, TableType):
        return value
    rows = tuple([by_key(type_.value, row) for row in value])
    return (
        rows
        if isinstance(type_.key, LevelsType)
        else dict(zip(type_.key.members, rows, strict=True))
    )


def identifier(prefix: str, rule_id: str) -> str:
    """Return a name for what belongs to a rule."""
    return f"{prefix}_{re.sub('[^A-Za-z0-9_]', '_', rule_id)}"


def _key(keys: Sequence[ast.expr]) -> ast.expr:
    """Return the key of a table: the only one of *keys*, or all of them."""
    return keys[0] if len(keys) == 1 else ast.Tuple(list(keys), ast.Load())


# ---- modules ----------------------------------------------------------------------------


class Module(Struct, eq=False):
    """A module in the making: its functions, tuples of them, and the objects that they name."""

    functions: list[ast.FunctionDef] = field(default_factory=list)
    tuples: list[ast.stmt] = field(default_factory=list)
    objects: dict[str, object] = field(default_factory=dict)
    parts: dict[ir.Expr, str | None] = field(default_factory=dict)  # `part_of`
    _names: dict[tuple[object, object], str] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RESERVED, 2))

    def fresh(self, wanted: str) -> str:
        """Return *wanted*, or a name like it if that is taken, and take it."""
        found, number = wanted, self._next.get(wanted, 2)  # from there on one may be free
        while found in self._next:
            found, number = f"{wanted}_{number}", number + 1
        self._next.update({found: 2, wanted: number})
        return found

    def take(self, names: Iterable[str]) -> None:
        """Keep *names* for variables."""
        self._next.update(dict.fromkeys(names, 2))

    def named(self, prefix: str, key: object, value: object) -> ast.Name:
        """Return the name of an object that is handed to the module; one for each *key*."""
        found = self._names.get((prefix, key))
        if found is None:
            found = self._names[prefix, key] = self.fresh(prefix)
            self.objects[found] = value
        return name(found)

    def tuple(self, prefix: str, functions: Sequence[str]) -> ast.Name:
        """Return the name of a tuple of functions of the module."""
        found = self.fresh(prefix)
        self.tuples.append(assign(found, ast.Tuple(list(map(name, functions)), ast.Load())))
        return name(found)

    def constant(self, type_: Type, value: object) -> ast.expr:
        """Return an expression for a known value of that type."""
        if isinstance(value, bool | int | str):
            return ast.Constant(value)
        return self.named("constant", (type_, value), value)

    def function(
        self,
        identifier: str,
        says: str,
        body: Sequence[ast.stmt],
        more: Sequence[str] = (),
        *,
        before: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        """Add a function with a docstring; the roots that come last, and *optional*, have defaults."""
        arguments = [ast.arg(argument) for argument in (*before, *ROOTS, *more, *optional)]
        defaults: list[ast.expr] = [] if more else [ast.Constant(0), ast.Constant(None)]
        defaults += [ast.Constant(None) for _ in optional]
        self.functions.append(
            ast.FunctionDef(
                identifier,
                ast.arguments([], arguments, None, [], [], None, defaults),
                [ast.Expr(ast.Constant(says)), *body],
                [],
            )
        )


# ---- expressions ------------------------------------------------------------------------


class Emitter(Struct, eq=False):
    """Turns expressions into Python for one function.

    *place*: what the function belongs to, for docstrings. *shares*: None where nothing is shared. *traced*: whether
    comparisons note when they turn. *careful*: whether reading what is absent fails at once, though no checked rule
    does that. *unsure*: whether what no request lacks may be absent as well. *scope*: the variables by their names
    in `ir`. *by_part*: where entities may be known for each part of the request, and not together, the types of the
    parts.
    """

    module: Module
    place: str
    shares: Shares | None = None
    traced: bool = False
    careful: bool = True
    unsure: bool = False
    by_part: Mapping[str, str] | None = None
    scope: dict[str, Variable] = field(default_factory=dict)
    _depth: int = 0
    _nowhere: int = 0

    def emit(self, node: ir.Expr) -> ast.expr:
        """Return the Python expression of *node*."""
        found = self.shares and self.shares.find(node)
        if found:
            return name(found)
        if self._depth == _DEEPEST and ir.children(node):
            return self._as_function(node)
        self._depth += 1
        made = self._emit(node)
        if self.traced and not isinstance(node, ir.Binary):
            made = self._watched(node, made)
        self._depth -= 1
        if self.shares is not None and not self._nowhere:
            identifier = self.shares.keep(node, self.module.fresh)
            if identifier:
                return ast.NamedExpr(ast.Name(identifier, ast.Store()), made)
        return made

    def returning(self, node: ir.Expr) -> list[ast.stmt]:
        """Return the body of a function of its own that returns the value of *node*."""
        body: list[ast.stmt] = [ast.Return(self.emit(node))]
        return body if self.by_part is None else with_known_by_part(body)

    def noted(self, node: ir.Expr) -> ast.expr:
        """Return the expression of a value, which notes as well when that is another one."""
        match node:
            case ir.Choice(condition, yes, no):
                return ast.IfExp(self.emit(condition), self.noted(yes), self.noted(no))
        made = self.emit(node)
        return made if self._slope(node) == 0 else disjunction([kept(), made])

    def _emit(self, node: ir.Expr) -> ast.expr:
        emit = self.emit
        match node:
            case ir.Const(type_, value):
                return self.module.constant(type_, value)
            case ir.Data(value):
                if isinstance(value, str):
                    return ast.Constant(value)
                return ast.Tuple([ast.Constant(piece) for piece in value], ast.Load())
            case ir.Absent():
                return name("ABSENT")
            case ir.Root(identifier):
                return name(identifier)
            case ir.Local(identifier):
                variable = self.scope[identifier]
                if variable.keyed:
                    return ast.Subscript(name(variable.name), ast.Constant(1), ast.Load())
                return call(variable.name) if variable.lazy else name(variable.name)
            case ir.Let(names, values, body):
                return self._let(names, values, body)
            case ir.Id(object_):
                return attribute(emit(object_), "id")
            case ir.Line(object_):
                return attribute(emit(object_), "line")
            case ir.Entity():
                return self._entity(node)
            case ir.Above(taxonomy):
                return self.module.named("above", taxonomy, taxonomy.above)
            case ir.Below(taxonomy):
                return self.module.named("below", taxonomy, taxonomy.below)
            case ir.Rows(type_, values):
                return self.module.named("rows", node, by_key(type_, values))
            case ir.Entry(table, term):
                return ast.Subscript(emit(table), emit(term), ast.Load())
            case ir.Lookup(table, keys):
                return self._lookup(table, list(map(emit, keys)))
            case ir.Dispatch():
                return self._dispatch(node)
            case ir.Found():
                return self._found(node)
            case ir.Slot(object_, slot_name, optional):
                read = attribute(emit(object_), slot(slot_name))
                return call("present", read) if self.unsure or (optional and self.careful) else read
            case ir.Present(asked):
                assert isinstance(asked, ir.Slot), "whether anything else is present is known"
                read = attribute(emit(asked.object), slot(asked.name))
                return compare(read, ast.IsNot(), name("ABSENT"))
            case ir.Not(operand):
                return negated(emit(operand))
            case ir.And(operands):
                return ast.BoolOp(ast.And(), self.in_order(operands))
            case ir.Or(operands):
                return ast.BoolOp(ast.Or(), self.in_order(operands))
            case ir.Choice(condition, yes, no):
                test, *branches = emit(condition), self.perhaps(yes), self.perhaps(no)
                return ast.IfExp(test, *branches)
            case ir.Binary("in", ir.Const(_, str(above)), ir.Operation("prefixes", (path,))):
                # One comparison of beginnings takes less time than a set of all that is above a path.
                whole = ast.BinOp(emit(path), ast.Add(), ast.Constant("/"))
                below = ast.Constant(f"{above.rstrip('/')}/")
                return ast.Call(attribute(whole, "startswith"), [below], [])
            case ir.Binary():
                return self._binary(node)
            case ir.Overlaps(left, right):
                return negated(ast.Call(attribute(emit(left), "isdisjoint"), [emit(right)], []))
            case ir.AllIn(left, right):
                return ast.Compare(name("EMPTY"), [ast.Lt(), ast.LtE()], [emit(left), emit(right)])
            case ir.Between(value, ends):
                after = call("bisect_right", emit(ends), emit(value))
                return ast.BinOp(after, ast.BitAnd(), ast.Constant(1))
            case ir.Operation():
                return self._operation(node)
            case ir.MakeSet(_, items):
                return call("frozenset", ast.Tuple(list(map(emit, items)), ast.Load()))
            case ir.MakeRecord(type_, parts):
                made = self.module.named("record", type_, record_class(type_))
                return ast.Call(made, list(map(emit, parts)), [])
            case ir.Quantified() if self.traced:
                return self._generated(node)
            case ir.Quantified():
                return self._looped(node)
            case _:
                assert_never(node)

    def _operation(self, node: ir.Operation) -> ast.expr:
        emit = self.emit
        match node:
            case ir.Operation("lies_in", (line, type_, id_)):
                return compare(
                    ast.Tuple([emit(type_), emit(id_)], ast.Load()), ast.In(), emit(line)
                )
            case ir.Operation("contains", (text, part)):
                return compare(emit(part), ast.In(), emit(text))
            case ir.Operation("startswith" | "endswith" as method, (text, part)):
                return ast.Call(attribute(emit(text), method), [emit(part)], [])
            case ir.Operation("path_like", (path, ir.Data(("**", str(end))))) if (
                end.rfind("*") == 0 < len(end) - 1
            ):
                return ast.Call(attribute(emit(path), "endswith"), [ast.Constant(end[1:])], [])
            case ir.Operation("path_like", (path, ir.Data(("**", str(segment), "**")))) if (
                0 < segment.find("*") == len(segment) - 1
            ):
                return compare(ast.Constant(f"/{segment[:-1]}"), ast.In(), emit(path))
            case ir.Operation("within_schedule", (moment, schedule)) if (
                self.traced and self._slope(moment) == 1
            ):
                noting = emit(moment), emit(schedule), name("now"), name(TURNS)
                return call("watch_schedule", *noting)
            case ir.Operation(name_, (ir.Data(str(inner)), ids, *among, ir.Root("entities"))):
                leads = part_of(ids, self.scope, self.module.parts)
                found = known_in(inner, leads, self.by_part) or all_known()
                return call(name_, ast.Constant(inner), *map(emit, (ids, *among)), found)
            case ir.Operation(identifier, arguments):
                return call(identifier, *map(emit, arguments))

    def _entity(self, node: ir.Entity) -> ast.expr:
        """Look up an entity: in what is known of the part that leads to it, or it is that part."""
        type_, id_ = node.type, node.id
        variable = self.scope[id_.name] if isinstance(id_, ir.Local) else None
        part = part_of(id_, self.scope, self.module.parts)
        known = known_in(type_, part, self.by_part)
        may_be_part = known is None and part is not None
        asked = again = self.emit(id_)
        if may_be_part and not (ir.is_path(id_) or isinstance(id_, ir.Local)):
            kept = self.module.fresh("id")
            asked, again = ast.NamedExpr(ast.Name(kept, ast.Store()), asked), name(kept)
        key: ast.expr = ast.Tuple([ast.Constant(type_), again], ast.Load())
        if variable and variable.keyed:
            key = name(variable.name)
        if not may_be_part:
            return ast.Subscript(known or all_known(), key, ast.Load())
        assert part is not None
        is_part = compare(asked, ast.Eq(), attribute(name(part), "id"))
        return ast.IfExp(is_part, name(part), ast.Subscript(name(FROM[part]), key, ast.Load()))

    def _lookup(self, table: ir.Table, keys: list[ast.expr]) -> ast.expr:
        if not keys:
            return self.module.named("table", table, table.entries.get((), table.default))
        if table.default is False:  # it has nothing but its keys
            known = self.module.named("table", table, frozenset(table.entries))
            return compare(_key(keys), ast.In(), known)
        default = self.module.named("nothing", table.default, table.default)
        return self._get(table, keys, default)

    def _get(self, table: ir.Table, keys: Sequence[ast.expr], *default: ast.expr) -> ast.expr:
        """Return the call that gets an entry of *table*, or else None or the *default*."""
        get = attribute(self.module.named("table", table, table.entries), "get")
        return ast.Call(get, [_key(keys), *default], [])

    def _dispatch(self, node: ir.Dispatch) -> ast.expr:
        found = self._lookup(node.table, list(map(self.emit, node.keys)))
        tests: list[str] = []
        for like, test in zip(node.like, node.tests, strict=True):
            place = f"a rule like {like}"
            tests.append(self.module.fresh(identifier("holds_like", like)))
            inner = self._inner(place, {ROW: Variable(ROW)})
            body = inner.returning(test)
            says = f"Return whether the conditions of {place} hold, with the constants of its row."
            self.module.function(tests[-1], says, body, before=(ROW,))
        ask = "marks_of" if node.gathers else "some_holds"
        return call(ask, found, self.module.tuple("tests", tests), *map(name, ROOTS))

    def _found(self, node: ir.Found) -> ast.expr:
        entry = self._get(node.table, list(map(self.emit, node.keys)))
        outside, variable = self.scope, self._variable(ROW, 0, node)
        row = ast.NamedExpr(ast.Name(variable.name, ast.Store()), entry)
        self.scope = {**outside, ROW: variable}
        test = self.perhaps(node.test)
        self.scope = outside
        return conjunction([compare(row, ast.IsNot(), ast.Constant(None)), test])

    def _bounded(
        self, node: ir.Binary, op: ast.cmpop, table: ir.Table, keys: list[ast.expr]
    ) -> ast.expr:
        """Emit a comparison with a bound that may not be there: quicker than with one at infinity."""
        entry = self._get(table, keys)
        variable = self.module.fresh("bound")
        found = ast.NamedExpr(ast.Name(variable, ast.Store()), entry)
        within = compare(self.perhaps(node.left), op, name(variable))
        return conjunction([compare(found, ast.IsNot(), ast.Constant(None)), within])

    @contextmanager
    def uncertain(self) -> Iterator[None]:
        """Emit what may not be computed at all: what it keeps is not there afterwards."""
        before = dict(self.shares.available) if self.shares else {}
        yield
        if self.shares:
            self.shares.available = before

    def perhaps(self, node: ir.Expr) -> ast.expr:
        """Emit what may not be computed at all."""
        with self.uncertain():
            return self.emit(node)

    def in_order(self, operands: Sequence[ir.Expr]) -> list[ast.expr]:
        """Emit operands of which all but the first may not be computed at all."""
        made = [self.emit(operand) for operand in operands[:1]]
        with self.uncertain():
            return made + [self.emit(operand) for operand in operands[1:]]

    def _variable(
        self, wanted: str, grows: int | None, holds: ir.Expr, *, lazy: bool = False
    ) -> Variable:
        """Return a variable that no other in scope is called like, and that has *holds*, or an element of it."""
        taken = {variable.name for variable in self.scope.values()}
        identifier = self.module.fresh(wanted) if wanted in taken else wanted
        part = part_of(holds, self.scope, self.module.parts)
        return Variable(identifier, grows, lazy, part=part)

    @contextmanager
    def _fixed(self) -> Iterator[None]:
        """Emit what has a scope of its own in Python, out of which nothing can be kept."""
        self._nowhere += 1
        with self.uncertain():
            yield
        self._nowhere -= 1

    def _let(self, names: Sequence[str], values: Sequence[ir.Expr], body: ir.Expr) -> ast.expr:
        """Compute what is certainly asked for at once, and the rest when it is."""
        outside = self.scope
        asked = ir.certain(body)
        made: list[ast.expr] = []
        for identifier, value in zip(names, values, strict=True):
            lazy = identifier not in asked
            if lazy:
                with self._fixed():
                    nothing = ast.arguments([], [], None, [], [], None, [])
                    computed: ast.expr = call("once", ast.Lambda(nothing, self.emit(value)))
            else:
                computed = self.emit(value)
            variable = self._variable(identifier, self._slope(value), value, lazy=lazy)
            self.scope = {**self.scope, identifier: variable}
            made.append(ast.NamedExpr(ast.Name(variable.name, ast.Store()), computed))
        made.append(self.emit(body))
        self.scope = outside
        last = ast.Constant(len(made) - 1)
        return ast.Subscript(ast.Tuple(made, ast.Load()), last, ast.Load())

    def _looped(self, node: ir.Quantified) -> ast.expr:
        """Call a function of loops: quantifiers of one kind in one another are one."""
        outside, levels = self.scope, list[Level]()
        body: ir.Expr = node
        with self._fixed():
            while (
                isinstance(body, ir.Quantified)
                and body.kind == node.kind
                and len(levels) < _MOST_LOOPS
            ):
                variable = self._variable(body.local, 0, body.over)
                level, keyed = self._level(body.over, variable.name)
                levels.append(level)
                self.scope = {**self.scope, body.local: replace(variable, keyed=keyed)}
                body = body.body
            each = self.emit(self._quick_first(body))
        self.scope = outside
        kept = (kept for _, kept in self.shares.available.values()) if self.shares else ()
        known = dict.fromkeys(
            (*ROOTS, *FROM.values(), *(v.name for v in outside.values()), *sorted(kept))
        )
        identifier = self.module.fresh(f"{node.kind}_element")
        function, parameters = loop_function(identifier, node.kind, levels, each, known)
        self.module.functions.append(function)
        return call(identifier, *map(name, parameters))

    def _level(self, over: ir.Expr, variable: str) -> tuple[Level, bool]:
        """Return the loop over a set, and whether its variable has the keys of entities."""
        bound = ast.Name(variable, ast.Store())
        match over:
            case ir.Operation("ancestors", (line, ir.Data(str(type_)))):  # no set is made of them
                of = ast.Subscript(name(variable), ast.Constant(0), ast.Load())
                is_one = compare(of, ast.Eq(), ast.Constant(type_))
                return Level(bound, self.emit(line), [is_one]), True
            case _:
                return Level(bound, self.emit(over)), False

    def _quick_first(self, node: ir.Expr) -> ir.Expr:
        """Return a condition that asks first what takes next to no time, and needs nothing else to hold before."""
        if not isinstance(node, ir.And) or self.unsure:
            return node
        return ir.And(tuple(sorted(node.operands, key=lambda one: not self._is_quick(one))))

    def _is_quick(self, node: ir.Expr) -> bool:
        match node:
            case ir.Binary(_, left, right):
                return self._is_quick(left) and self._is_quick(right)
            case ir.Slot(ir.Root() | ir.Local() as object_, _, optional=False):
                return self._is_quick(object_)
            case ir.Local(identifier):
                return not self.scope[identifier].lazy
            case _:
                return isinstance(node, ir.Const | ir.Root)

    def _generated(self, node: ir.Quantified) -> ast.expr:
        """Ask a generator: what notes when it turns is no function of its own."""
        with self._fixed():  # Python has no assignment in what a loop goes over
            elements = self.emit(node.over)
        outside = self.scope
        # What `over` depends on was watched as a whole, so an element does not move.
        variable = self._variable(node.local, 0, node.over)
        self.scope = {**outside, node.local: variable}
        with self._fixed():
            each = self.emit(node.body)
        self.scope = outside
        bound = ast.Name(variable.name, ast.Store())
        before: list[ast.expr] = []
        if any(isinstance(part, ast.NamedExpr) for part in ast.walk(elements)):
            before = [ast.NamedExpr(bound, elements)]
            elements = name(variable.name)
        loop = ast.comprehension(bound, elements, [], 0)
        made = call({"every": "all", "some": "any"}[node.kind], ast.GeneratorExp(each, [loop]))
        if not before:
            return made
        return ast.Subscript(ast.Tuple([*before, made], ast.Load()), ast.Constant(1), ast.Load())

    def _as_function(self, node: ir.Expr) -> ast.expr:
        """Emit *node* as a call of a function of its own."""
        scope = {identifier: self.scope[identifier] for identifier in sorted(ir.free(node))}
        more = [variable.name for variable in scope.values()]
        if self.traced:
            more.append(TURNS)
        identifier = self.module.fresh("part")
        inner = self._inner(self.place, scope, traced=self.traced)
        body = inner.returning(node)
        self.module.function(identifier, f"Compute a part of {self.place}.", body, more)
        return call(identifier, *map(name, (*ROOTS, *more)))

    def _inner(self, place: str, scope: dict[str, Variable], *, traced: bool = False) -> Emitter:
        """Return what emits a function of its own, which shares nothing."""
        careful, unsure, by_part = self.careful, self.unsure, self.by_part
        return Emitter(
            self.module, place, traced=traced, careful=careful, unsure=unsure, by_part=by_part, scope=scope
        )  # fmt: skip

    # ---- watching the time --------------------------------------------------------------

    def _binary(self, node: ir.Binary) -> ast.expr:
        match node.op:
            case "+" | "-" | "*" as sign:
                left, right = self.emit(node.left), self.emit(node.right)
                return ast.BinOp(left, _ARITHMETIC[sign](), right)
            case relation:
                return self._compared(node, COMPARISONS[relation]())

    def _compared(self, node: ir.Binary, op: ast.cmpop) -> ast.expr:
        match node.right:
            case ir.Lookup(table, [_, *_] as keys) if table.is_bound and not self._nowhere:
                return self._bounded(node, op, table, list(map(self.emit, keys)))
        left, right = self.emit(node.left), self.emit(node.right)
        if not self.traced or not (moving := self._moving(node)):
            return compare(left, op, right)
        if not node.numeric:
            return disjunction([kept(), compare(left, op, right)])
        fresh = None if self._nowhere else self.module.fresh
        return watched(node, left, right, moving[0], fresh)

    def _slope(self, node: ir.Expr) -> int | None:
        return slope(node, {identifier: v.slope for identifier, v in self.scope.items()})

    def _moving(self, node: ir.Binary) -> tuple[int | None] | None:
        """Return by how much the left side outgrows the right one; None if it does not."""
        one, other = self._slope(node.left), self._slope(node.right)
        if one is None or other is None:
            return (None,)
        return (one - other,) if one != other else None

    def _watched(self, node: ir.Expr, made: ast.expr) -> ast.expr:
        """Return *made*, noting first that it depends on a value which moves with the time."""
        parts: tuple[ir.Expr, ...]
        match node:
            case ir.Operation("within_schedule", (moment, schedule)) if self._slope(moment) == 1:
                parts = (schedule,)
            case ir.Operation(_, parts):
                pass
            case ir.Overlaps(left, right) | ir.AllIn(left, right):
                parts = (left, right)
            case ir.Quantified(_, _, over, _):
                parts = (over,)
            case _:
                return made
        if all(self._slope(part) == 0 for part in parts):
            return made
        return disjunction([kept(), made])
