"""Name the constructs of expressions, of the texts that hold some, and of types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from typing import Literal as OneOf

from policyengine.model.schedules import Schedule
from policyengine.model.values import Ip
from policyengine.syntax.node import Ident, Node


class Literal(Node, frozen=True):
    """A written value in canonical form (see `model.values`).

    *kind* is `bool`, `int`, `decimal` (value: ten-thousandths), `string`, `datetime` (microseconds
    since 1970 UTC), `duration` (microseconds), `months` (a number), `ip` (`model.values.Ip`), `path` (its
    text) or `schedule` (`model.schedules.Schedule`); *text* is the written form, for the formatter.
    """

    kind: str
    value: bool | int | str | Ip | Schedule
    text: str

    ASIDE = frozenset({"span", "text"})


class Name(Node, frozen=True):
    """A bare name.

    A root (`subject`, `action`, `resource`, `context`, `now`), a parameter or bound variable, a
    constant, an enumerator, or a package before a dot.
    """

    name: str


class Attr(Node, frozen=True):
    """`object.name`"""

    object: Expr
    name: Ident


class SetDisplay(Node, frozen=True):
    """`{a, b}`; `{}` has no items and may also be an empty record."""

    items: tuple[Expr, ...]


class RecordField(Node, frozen=True):
    """`name: value` in a record."""

    name: Ident
    value: Expr


class RecordDisplay(Node, frozen=True):
    """`{name: value, …}`, never empty (see `SetDisplay`)."""

    fields: tuple[RecordField, ...]


class EntityRef(Node, frozen=True):
    """`App "acme"`: the entity of that type and id.

    In a test it may carry *attributes* (`App "a1" { … }`) and *parents* (`under Project "p"`,
    `under {…}`); None where nothing was written. In a rule it is only a name: neither is allowed.
    """

    type: Ident
    id: str
    attributes: RecordDisplay | SetDisplay | None = None
    parents: tuple[EntityRef, ...] | None = None


class Update(Node, frozen=True):
    """`acme { tier: pro }`: the entity with some attributes changed; only in tests."""

    object: Expr
    changes: RecordDisplay | SetDisplay


class Not(Node, frozen=True):
    """`not a`; *infix* if it is written before the operator of *operand*, as in `x not in S`."""

    operand: Expr
    infix: bool = False

    ASIDE = frozenset({"span", "infix"})


class Negate(Node, frozen=True):
    """`-a`"""

    operand: Expr


class And(Node, frozen=True):
    """`a and b and …`: two operands or more."""

    operands: tuple[Expr, ...]


class Or(Node, frozen=True):
    """`a or b or …`: two operands or more."""

    operands: tuple[Expr, ...]


class If(Node, frozen=True):
    """`if condition then yes else no`"""

    condition: Expr
    yes: Expr
    no: Expr


Comparison: TypeAlias = OneOf[
    "==", "!=", "<", "<=", ">", ">=", "in", "overlaps", "subset", "within", "touches",
    "startswith", "endswith", "contains",
]  # fmt: skip
Sign: TypeAlias = OneOf["+", "-", "*"]
Quantifier: TypeAlias = OneOf["every", "some"]


class Compare(Node, frozen=True):
    """`left op right`; each *op* has a row in `operators.py`."""

    op: Comparison
    left: Expr
    right: Expr


class Has(Node, frozen=True):
    """`object has name`"""

    object: Expr
    name: Ident


class Like(Node, frozen=True):
    r"""`object like "glob*"`; in *pattern* `*` matches anything and `\*` a star.

    Of the *kind* `path` it is `object like path "/a/*"`: see `model.path_syntax`.
    """

    object: Expr
    pattern: str
    kind: OneOf["string", "path"] = "string"


class Arithmetic(Node, frozen=True):
    """`left op right`"""

    op: Sign
    left: Expr
    right: Expr


class LookUp(Node, frozen=True):
    """`table[key]`: the value that a row of a table has; the table may be a look-up itself."""

    table: Expr
    key: Expr


class Call(Node, frozen=True):
    """`name(arguments)`: `size`, `lower`, or a definition."""

    name: Ident
    arguments: tuple[Expr, ...]


class Ancestors(Node, frozen=True):
    """`ancestors(object, Type)`: the entities of a type within which an entity lies."""

    object: Expr
    type: Ident


class Quantified(Node, frozen=True):
    """`every x in set: body` or `some x in set: body`"""

    kind: Quantifier
    variable: Ident
    set: Expr
    body: Expr


Expr: TypeAlias = (
    Literal | Name | Attr | SetDisplay | RecordDisplay | EntityRef | Update | Not | Negate | And
    | Or | If | Compare | Has | Like | Arithmetic | LookUp | Call | Ancestors | Quantified
)  # fmt: skip


class Template(Node, frozen=True):
    """Text for a person, with `{expr}` in it.

    *parts* are literal strings (unescaped) and expressions, in order.
    """

    parts: tuple[str | Expr, ...]


# ---- types ------------------------------------------------------------------------------


class NamedType(Node, frozen=True):
    """`string`, `Tier`, `User`, `other.Tier`"""

    name: Ident


class SetOf(Node, frozen=True):
    """`set<T>`"""

    element: TypeExpr


class CountNote(Node, frozen=True):
    """`count of things by paths per window`: what an int counts before a request.

    *things* are an entity type, or actions and groups. *per* is a duration or a word, None for ever.
    """

    things: tuple[Ident, ...]
    by: tuple[Expr, ...]
    per: Literal | Ident | None = None


class AttributeDecl(Node, frozen=True):
    """`name?: private type (by who)` in an entity, a record, a `with` or a group's `having`.

    *by*: the party that can change it, None where nothing was written. *count*: what it counts, as a
    `with` may say in the same place.
    """

    name: Ident
    type: TypeExpr
    optional: bool = False
    private: bool = False
    by: Ident | None = None
    count: CountNote | None = None


class RecordOf(Node, frozen=True):
    """`{a: T, b?: U}` as a type."""

    attributes: tuple[AttributeDecl, ...]


class TableOf(Node, frozen=True):
    """`Tier -> int`: the type of a table, which only a constant has."""

    key: NamedType
    value: TypeExpr


TypeExpr: TypeAlias = NamedType | SetOf | RecordOf | TableOf


# ---- what is inside ---------------------------------------------------------------------


def children(node: Expr) -> tuple[Expr, ...]:
    """Return the expressions directly inside *node*."""
    return _CHILDREN[type(node)](node)


def walk_expressions(exprs: Iterable[Expr]) -> Iterator[Expr]:
    """Give *exprs* and the expressions inside them, each before those inside it."""
    stack = list(exprs)
    while stack:
        node = stack.pop()
        yield node
        stack += children(node)


# A table, since this is called for every node several times, and a `match` tries class after class.
_CHILDREN: Final[Mapping[type[Node], Callable[[Any], tuple[Expr, ...]]]] = {
    Literal: lambda _: (),
    Name: lambda _: (),
    EntityRef: lambda _: (),
    Attr: lambda node: (node.object,),
    Has: lambda node: (node.object,),
    Like: lambda node: (node.object,),
    Ancestors: lambda node: (node.object,),
    Update: lambda node: (node.object, node.changes),
    Not: lambda node: (node.operand,),
    Negate: lambda node: (node.operand,),
    SetDisplay: lambda node: node.items,
    RecordDisplay: lambda node: tuple(f.value for f in node.fields),
    And: lambda node: node.operands,
    Or: lambda node: node.operands,
    If: lambda node: (node.condition, node.yes, node.no),
    Compare: lambda node: (node.left, node.right),
    Arithmetic: lambda node: (node.left, node.right),
    LookUp: lambda node: (node.table, node.key),
    Call: lambda node: node.arguments,
    Quantified: lambda node: (node.set, node.body),
}


def interpolated(template: Template) -> Iterator[Expr]:
    """Give the expressions of a text."""
    for part in template.parts:
        if not isinstance(part, str):
            yield part


def type_named(node: Name | Attr) -> Ident | None:
    """Return the type that is named where an argument stands: `Folder`, `other.Folder`."""
    match node:
        case Name(name):
            return Ident(name, span=node.span)
        case Attr(Name(package), name):
            return Ident(name.name, package, span=node.span)
        case _:
            return None
