"""Name what a rule is lowered to: a small typed tree with one meaning per node.

Every name is resolved, every definition inlined, and what depends on a type is decided: entities
are ids, a `within` over terms is a lookup in a table. Trees are frozen and compare by value, so
equal parts of different rules can be recognised and computed once.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from policyengine.model.types import RecordType, TaxonomyType, Type


@frozen
class Const:
    """A known value in canonical form. Equal constants of different types are told apart."""

    type: Type
    value: object


@frozen
class Root:
    """`subject` or `resource` (entities), `context` (a record), or `now` (microseconds)."""

    name: str


@frozen
class Local:
    """A quantifier's variable; *name* is unique in the rule."""

    name: str


@frozen
class Id:
    """The id of the entity *object*."""

    object: Expr


@frozen
class Entity:
    """The entity of type *type* whose id is the value of *id*, looked up in the request."""

    type: str
    id: Expr


@frozen
class Line:
    """The keys of the entity *object* and of all its ancestors."""

    object: Expr


@frozen
class Above:
    """The table of a taxonomy: of each term, itself and all terms that it lies below."""

    taxonomy: TaxonomyType


@frozen
class Slot:
    """The attribute *name* of an entity or record; ABSENT possible if *optional*."""

    object: Expr
    name: str
    optional: bool = False


@frozen
class Present:
    """Whether a slot is not ABSENT."""

    slot: Slot


@frozen
class Not:
    """`not operand`"""

    operand: Expr


@frozen
class And:
    """All operands, left to right, short-circuit."""

    operands: tuple[Expr, ...]


@frozen
class Or:
    """Some operand, left to right, short-circuit."""

    operands: tuple[Expr, ...]


@frozen
class Choice:
    """`yes if condition else no`"""

    condition: Expr
    yes: Expr
    no: Expr


@frozen
class Binary:
    """A Python operator on canonical values.

    *op*: `==` `!=` `<` `<=` `>` `>=` `in` `not in` `+` `-` `*`; `<=` also of sets. *timed* marks a
    comparison of ordered numbers, whose turning point the validity of a decision may hang on.
    """

    op: str
    left: Expr
    right: Expr
    timed: bool = False


@frozen
class Operation:
    """A call of one of `runtime.operations.EXPORTED`."""

    name: str
    arguments: tuple[Expr, ...]


@frozen
class MakeSet:
    """A set of computed elements."""

    items: tuple[Expr, ...]


@frozen
class MakeRecord:
    """A record of computed parts, in the order of the type's attributes."""

    type: RecordType
    parts: tuple[Expr, ...]


@frozen
class Quantified:
    """`every` or `some` element of *over*, as the variable *local*, satisfies *body*."""

    kind: str
    local: str
    over: Expr
    body: Expr


Expr: TypeAlias = (
    Const | Root | Local | Id | Line | Entity | Above | Slot | Present | Not | And | Or | Choice | Binary
    | Operation | MakeSet | MakeRecord | Quantified
)  # fmt: skip
