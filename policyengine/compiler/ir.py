"""Name what expressions are lowered to: a small typed tree with one meaning per node.

Every name is resolved, every definition inlined, and what depends on a type is decided: entities
are ids, a `within` over terms is a look at a table. Trees are frozen and compare by value, and
local variables are named after their depth, so equal parts of different rules are equal trees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from policyengine.model.types import BOOL, RecordType, SetType, TableType, TaxonomyType, Type


class Const(Struct, frozen=True, cache_hash=True):
    """A known value in canonical form. Constants of different types are never equal."""

    type: Type
    value: object


class Data(Struct, frozen=True, cache_hash=True):
    """A plain string or strings for an operation: the name of a type, the pieces of a glob."""

    value: str | tuple[str, ...]


class Absent(Struct, frozen=True, cache_hash=True):
    """An optional constant that was left out; evaluated only behind a guard that is false."""


class Root(Struct, frozen=True, cache_hash=True):
    """`subject` or `resource` (entities), `context` (a record), `now`, or `entities` by key."""

    name: str


class Local(Struct, frozen=True, cache_hash=True):
    """A variable of a `Let` or a `Quantified`; two whose scopes overlap have different names."""

    name: str


class Let(Struct, frozen=True, cache_hash=True):
    """The value of *body*, where the variables *names* have the *values*.

    A value is computed when the body first asks for it, if ever, and once.
    """

    names: tuple[str, ...]
    values: tuple[Expr, ...]
    body: Expr


class Id(Struct, frozen=True, cache_hash=True):
    """The id of the entity *object*."""

    object: Expr


class Line(Struct, frozen=True, cache_hash=True):
    """The keys of the entity *object* and of all its ancestors."""

    object: Expr


class Entity(Struct, frozen=True, cache_hash=True):
    """The entity of type *type* whose id is the value of *id*, looked up in the request."""

    type: str
    id: Expr


class Above(Struct, frozen=True, cache_hash=True):
    """The table of a taxonomy: of each term, itself and all terms that it is below."""

    taxonomy: TaxonomyType


class Below(Struct, frozen=True, cache_hash=True):
    """The table of a taxonomy: of each term, itself and all terms that lie below it."""

    taxonomy: TaxonomyType


class Rows(Struct, frozen=True, cache_hash=True):
    """The table of a policy that is the value of *type*."""

    type: TableType
    values: tuple[object, ...]


class Entry(Struct, frozen=True, cache_hash=True):
    """The entry of *table* for *term*: terms of a taxonomy, a row, or the constant of that number in one."""

    table: Above | Below | Rows | Local | Entry
    term: Expr


class Table(Struct, frozen=True, eq=False):
    """The constants of rules of one shape: by key (a value, or several as a tuple), and for any other.

    Where that is False, every entry is True.
    """

    entries: Mapping[object, object]
    default: object

    @property
    def is_bound(self) -> bool:
        """Whether it has a bound for each key, and one that nothing keeps for any other."""
        return isinstance(self.default, float)


class Lookup(Struct, frozen=True, cache_hash=True):
    """The entry of *table* for the values of *keys*. Without keys it has one entry, that of `()`."""

    table: Table
    keys: tuple[Expr, ...]


class Dispatch(Struct, frozen=True, cache_hash=True):
    """Whether one of the rules holds that *table* has of the values of *keys*.

    Of each, the table has a row: the number of one of *tests*, and the constants that it takes. The test
    asks for the row as a variable of that name. If it *gathers*, a row has a mark before the constants, and
    the value is all marks of the rules that hold. *like*: of each test, the id of a rule that it is for.
    Tests are functions of their own, and no parts of the expression.
    """

    table: Table
    keys: tuple[Expr, ...]
    tests: tuple[Expr, ...]
    like: tuple[str, ...]
    gathers: bool = False


class Found(Struct, frozen=True, cache_hash=True):
    """Whether the one rule holds that *table* has of the values of *keys*, None if it has none.

    The table has what the *test* of all rules takes, which asks for it as the variable `row`. The test is
    no part of the expression.
    """

    table: Table
    keys: tuple[Expr, ...]
    test: Expr


class Between(Struct, frozen=True, cache_hash=True):
    """Whether *value* is in one of the ranges [from, until) whose *ends* these are, in order."""

    value: Expr
    ends: Expr


class Slot(Struct, frozen=True, cache_hash=True):
    """The attribute *name* of an entity or a record; ABSENT is possible if *optional*."""

    object: Expr
    name: str
    optional: bool = False


class Present(Struct, frozen=True, cache_hash=True):
    """Whether a slot holds something."""

    slot: Expr


class Not(Struct, frozen=True, cache_hash=True):
    """`not operand`"""

    operand: Expr


class And(Struct, frozen=True, cache_hash=True):
    """All operands, left to right, short-circuit."""

    operands: tuple[Expr, ...]


class Or(Struct, frozen=True, cache_hash=True):
    """Some operand, left to right, short-circuit."""

    operands: tuple[Expr, ...]


class Choice(Struct, frozen=True, cache_hash=True):
    """`yes if condition else no`"""

    condition: Expr
    yes: Expr
    no: Expr


Relation: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
Sign: TypeAlias = Literal["+", "-", "*"]


class Binary(Struct, frozen=True, cache_hash=True):
    """A Python operator on canonical values; `<=` also of sets.

    *numeric* marks comparisons of two numbers that `now` may be among: as a clock moves on, they may
    turn.
    """

    op: Relation | Sign
    left: Expr
    right: Expr
    numeric: bool = False


class Overlaps(Struct, frozen=True, cache_hash=True):
    """Whether two sets have an element in common."""

    left: Expr
    right: Expr


class AllIn(Struct, frozen=True, cache_hash=True):
    """Whether the set *left* has elements, and each is in the set *right*."""

    left: Expr
    right: Expr


class Operation(Struct, frozen=True, cache_hash=True):
    """A call of one of `runtime.operations.EXPORTED`."""

    name: str
    arguments: tuple[Expr, ...]


class MakeSet(Struct, frozen=True, cache_hash=True):
    """A set of computed elements."""

    type: SetType
    items: tuple[Expr, ...]


class MakeRecord(Struct, frozen=True, cache_hash=True):
    """A record of computed parts, in the order of the type's attributes."""

    type: RecordType
    parts: tuple[Expr, ...]


Quantifier: TypeAlias = Literal["every", "some"]


class Quantified(Struct, frozen=True, cache_hash=True):
    """`every` or `some` element of *over*, as the variable *local*, satisfies *body*."""

    kind: Quantifier
    local: str
    over: Expr
    body: Expr


Expr: TypeAlias = (
    Const | Data | Absent | Root | Local | Let | Id | Line | Entity | Above | Below | Rows | Entry | Lookup
    | Dispatch | Found | Between | Slot | Present | Not | And | Or | Choice | Binary | Overlaps | AllIn | Operation | MakeSet
    | MakeRecord | Quantified
)  # fmt: skip


def children(node: Expr) -> tuple[Expr, ...]:
    """Return the parts of *node*, in the order in which they are evaluated."""
    return _CHILDREN[type(node)](node)


# A table, since this is called for every node several times, and a `match` tries class after class.
_CHILDREN: Final[Mapping[type[Struct], Callable[[Any], tuple[Expr, ...]]]] = {
    Const: lambda _: (),
    Data: lambda _: (),
    Absent: lambda _: (),
    Root: lambda _: (),
    Local: lambda _: (),
    Above: lambda _: (),
    Below: lambda _: (),
    Rows: lambda _: (),
    Id: lambda node: (node.object,),
    Line: lambda node: (node.object,),
    Slot: lambda node: (node.object,),
    Present: lambda node: (node.slot,),
    Not: lambda node: (node.operand,),
    Entity: lambda node: (node.id,),
    Entry: lambda node: (node.table, node.term),
    Lookup: lambda node: node.keys,
    Dispatch: lambda node: node.keys,
    Found: lambda node: node.keys,
    And: lambda node: node.operands,
    Or: lambda node: node.operands,
    MakeSet: lambda node: node.items,
    Operation: lambda node: node.arguments,
    MakeRecord: lambda node: node.parts,
    Let: lambda node: (*node.values, node.body),
    Choice: lambda node: (node.condition, node.yes, node.no),
    Binary: lambda node: (node.left, node.right),
    Overlaps: lambda node: (node.left, node.right),
    AllIn: lambda node: (node.left, node.right),
    Between: lambda node: (node.value, node.ends),
    Quantified: lambda node: (node.over, node.body),
}


def rebuilt(node: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return *node* with every part changed; *node* itself if that changes none."""
    parts = children(node)
    changed = tuple([change(part) for part in parts])
    if all(map(is_, parts, changed)):
        return node
    match node:
        case Id() | Line() | Slot():
            return replace(node, object=changed[0])
        case Present():
            return Present(*changed)
        case Not():
            return Not(*changed)
        case Entity():
            return replace(node, id=changed[0])
        case Entry():
            return Entry(*changed)  # type: ignore[arg-type]  # a table is left as it is
        case Lookup() | Dispatch() | Found():
            return replace(node, keys=changed)
        case Between():
            return Between(*changed)
        case And() | Or():
            return replace(node, operands=changed)
        case MakeSet():
            return replace(node, items=changed)
        case Operation():
            return replace(node, arguments=changed)
        case MakeRecord():
            return replace(node, parts=changed)
        case Let():
            return replace(node, values=changed[:-1], body=changed[-1])
        case Choice():
            return Choice(*changed)
        case Binary() | Overlaps() | AllIn():
            return replace(node, left=changed[0], right=changed[1])
        case Quantified():
            return replace(node, over=changed[0], body=changed[1])
        case _:
            raise AssertionError("what has no parts does not change")


def known(type_: Type, value: Any) -> Const | Rows:
    """Return the expression of a known value of that type."""
    return Rows(type_, value) if isinstance(type_, TableType) else Const(type_, value)


def conjunction(conditions: Sequence[Expr]) -> Expr:
    """Return the expression that all *conditions* hold."""
    if len(conditions) == 1:
        return conditions[0]
    return And(tuple(conditions)) if conditions else Const(BOOL, True)


def is_plain(node: Expr) -> bool:
    """Whether *node* is a constant or a path, so that it may stand in several places."""
    match node:
        case Const() | Root() | Local():
            return True
        case Id(inner) | Slot(inner) | Entity(_, inner):
            return is_plain(inner)
        case _:
            return False


def is_path(node: Expr) -> bool:
    """Whether *node* is a root of a request, or is reached from one by attributes alone."""
    while isinstance(node, Id | Slot):
        node = node.object
    return isinstance(node, Root)


def walk(node: Expr) -> Iterator[Expr]:
    """Give *node* and every part of it."""
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        stack += _CHILDREN[type(part)](part)


def free(node: Expr) -> frozenset[str]:
    """Return the names of the variables that *node* takes from outside."""
    while isinstance(node, Slot | Id | Line | Entity):  # as paths are, which are long
        node = node.id if isinstance(node, Entity) else node.object
    return _free(node, [])


def closed(node: Expr) -> list[Expr]:
    """Return *node* and its parts, without those that take variables from outside."""
    found: list[Expr] = []
    _free(node, found)
    return found


def _free(node: Expr, closed: list[Expr]) -> frozenset[str]:
    parts = [_free(part, closed) for part in children(node)]
    match node:
        case Local(name):
            names = frozenset({name})
        case Let(locals_, _, _):
            names = parts[-1].difference(locals_).union(*parts[:-1])
        case Quantified(_, local, _, _):
            names = parts[0] | (parts[1] - {local})
        case _:
            names = frozenset[str]().union(*parts)
    if not names:
        closed.append(node)
    return names


def certain(node: Expr) -> frozenset[str]:
    """Return the names of the variables from outside that *node* asks for whatever happens."""
    match node:
        case Local(name):
            return frozenset({name})
        case Let(names, values, body):
            asked = certain(body)
            bound = zip(names, values, strict=True)
            inner = (certain(value) for name, value in bound if name in asked)
            return asked.difference(names).union(*inner)
        case And(operands) | Or(operands):
            return certain(operands[0])
        case Choice(condition, yes, no):
            return certain(condition) | (certain(yes) & certain(no))
        case Quantified(_, _, over, _):
            return certain(over)
        case _:
            return frozenset[str]().union(*map(certain, children(node)))


def mentions(node: Expr, root: str) -> bool:
    """Whether *node* reads the root of that name."""
    return any(type(part) is Root and part.name == root for part in walk(node))
