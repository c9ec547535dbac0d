"""Name every construct of the language: the syntax tree, frozen, each node with its span.

The tree says what was written, not what it means; what later stages learn goes in tables beside
it. Two nodes are equal when they were written alike: spans do not count.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen

from policyengine.diagnostics.source import NOWHERE, Span


@frozen
class Node:
    """Anything that was written somewhere."""

    span: Span = field(kw_only=True, default=NOWHERE, eq=False, repr=False)


@frozen
class Ident(Node):
    """A name where it is declared or referred to; *package* when written `package.name`."""

    name: str
    package: str | None = None

    def __str__(self) -> str:
        return f"{self.package}.{self.name}" if self.package else self.name


# ---- expressions ------------------------------------------------------------------------


@frozen
class Literal(Node):
    """A written value in canonical form (see `model.values`).

    *kind* is `bool`, `int`, `decimal` (value: ten-thousandths), `string`, `datetime` (microseconds
    since 1970 UTC), `duration` (microseconds) or `ip` (`model.values.Ip`); *text* is how it was
    written, for the formatter.
    """

    kind: str
    value: object
    text: str = field(eq=False)


@frozen
class Name(Node):
    """A bare name.

    A root (`subject`, `action`, `resource`, `context`, `now`), a parameter or bound variable, a
    constant, an enumerator, or a package before a dot.
    """

    name: str


@frozen
class Attr(Node):
    """`object.name`"""

    object: Expr
    name: Ident


@frozen
class SetDisplay(Node):
    """`{a, b}`; `{}` has no items and may also stand for an empty record."""

    items: tuple[Expr, ...]


@frozen
class RecordField(Node):
    """`name: value` in a record."""

    name: Ident
    value: Expr


@frozen
class RecordDisplay(Node):
    """`{name: value, …}`, never empty (see `SetDisplay`)."""

    fields: tuple[RecordField, ...]


@frozen
class EntityRef(Node):
    """`App "acme"`: the entity of that type and id.

    In a test it may carry *attributes* (`App "a1" { … }`) and *parents* (`under Project "p"`,
    `under {…}`); None where nothing was written. In a rule it is only a name: neither is allowed.
    """

    type: Ident
    id: str
    attributes: RecordDisplay | SetDisplay | None = None
    parents: tuple[EntityRef, ...] | None = None


@frozen
class Update(Node):
    """`acme { tier: pro }`: the entity with some attributes changed; only in tests."""

    object: Expr
    changes: RecordDisplay | SetDisplay


@frozen
class Not(Node):
    """`not a`"""

    operand: Expr


@frozen
class Negate(Node):
    """`-a`"""

    operand: Expr


@frozen
class And(Node):
    """`a and b and …`: two operands or more."""

    operands: tuple[Expr, ...]


@frozen
class Or(Node):
    """`a or b or …`: two operands or more."""

    operands: tuple[Expr, ...]


@frozen
class If(Node):
    """`if condition then yes else no`"""

    condition: Expr
    yes: Expr
    no: Expr


@frozen
class Compare(Node):
    """`left op right`; *op* is one of `COMPARISONS`."""

    op: str
    left: Expr
    right: Expr


COMPARISONS = (
    "==", "!=", "<", "<=", ">", ">=", "in", "not in", "overlaps", "subset", "within", "touches",
)  # fmt: skip


@frozen
class Has(Node):
    """`object has name`"""

    object: Expr
    name: Ident


@frozen
class Like(Node):
    r"""`object like "glob*"`; in *pattern* `*` matches anything and `\*` a star."""

    object: Expr
    pattern: str


@frozen
class Arithmetic(Node):
    """`left op right`; *op* is `+`, `-` or `*`."""

    op: str
    left: Expr
    right: Expr


@frozen
class Call(Node):
    """`name(arguments)`: `size`, or a definition."""

    name: Ident
    arguments: tuple[Expr, ...]


@frozen
class Quantified(Node):
    """`every x in set: body` or `some x in set: body`; *kind* is `every` or `some`."""

    kind: str
    variable: Ident
    set: Expr
    body: Expr


Expr: TypeAlias = (
    Literal | Name | Attr | SetDisplay | RecordDisplay | EntityRef | Update | Not | Negate | And
    | Or | If | Compare | Has | Like | Arithmetic | Call | Quantified
)  # fmt: skip


@frozen
class Template(Node):
    """Text for a person, with `{expr}` in it.

    *parts* are literal strings (unescaped) and expressions, in order.
    """

    parts: tuple[str | Expr, ...]


# ---- types ------------------------------------------------------------------------------


@frozen
class NamedType(Node):
    """`string`, `Tier`, `User`, `other.Tier`"""

    name: Ident


@frozen
class SetOf(Node):
    """`set<T>`"""

    element: TypeExpr


@frozen
class AttributeDecl(Node):
    """`name?: private type (by who)` in an entity, a record, a `with` or a group's `having`.

    *by*: who can change it, None where nothing was written.
    """

    name: Ident
    type: TypeExpr
    optional: bool = False
    private: bool = False
    by: Ident | None = None


@frozen
class RecordOf(Node):
    """`{a: T, b?: U}` as a type."""

    attributes: tuple[AttributeDecl, ...]


TypeExpr: TypeAlias = NamedType | SetOf | RecordOf


# ---- vocabulary -------------------------------------------------------------------------


@frozen
class EnumDecl(Node):
    """`enum Name = a | "b.c"`"""

    name: Ident
    members: tuple[Ident, ...]


@frozen
class LevelsDecl(Node):
    """`levels Name = low < high`"""

    name: Ident
    members: tuple[Ident, ...]


@frozen
class Term(Node):
    """A taxonomy's term and the terms below it."""

    name: Ident
    below: tuple[Term, ...] = ()


@frozen
class TaxonomyDecl(Node):
    """`taxonomy Name { term { term } }`"""

    name: Ident
    terms: tuple[Term, ...]


@frozen
class EntityDecl(Node):
    """`entity Name in Parent { attributes }`"""

    name: Ident
    parents: tuple[Ident, ...]
    attributes: tuple[AttributeDecl, ...]


@frozen
class GroupDecl(Node):
    """`group name in groups by S on R with {context} having {constants' types}`

    *subjects* and *resources* are None where nothing was written.
    """

    name: Ident
    groups: tuple[Ident, ...] = ()
    subjects: tuple[Ident, ...] | None = None
    resources: tuple[Ident, ...] | None = None
    context: tuple[AttributeDecl, ...] = ()
    constants: tuple[AttributeDecl, ...] = ()


@frozen
class ActionDecl(Node):
    """`action a, b in groups by S on R with {context} having {constants' values}`"""

    names: tuple[Ident, ...]
    groups: tuple[Ident, ...] = ()
    subjects: tuple[Ident, ...] | None = None
    resources: tuple[Ident, ...] | None = None
    context: tuple[AttributeDecl, ...] = ()
    constants: tuple[RecordField, ...] = ()


@frozen
class Parameter(Node):
    """`name: type` of a definition or an obligation."""

    name: Ident
    type: TypeExpr


@frozen
class ObligationDecl(Node):
    """`obligation name(parameters)`"""

    name: Ident
    parameters: tuple[Parameter, ...]


@frozen
class GateDecl(Node):
    """`gate name "question"` or `field gate name "question"`"""

    name: Ident
    question: str
    is_field: bool = False


@frozen
class ConstDecl(Node):
    """`const name: type = value`"""

    name: Ident
    type: TypeExpr
    value: Expr


@frozen
class DefineDecl(Node):
    """`define name(parameters) = body`; the body sees its parameters, constants and `now`."""

    name: Ident
    parameters: tuple[Parameter, ...]
    body: Expr


# ---- rules ------------------------------------------------------------------------------


@frozen
class Target(Node):
    """What selects a rule: actions and groups (None: `any`), narrowed by types (None: not)."""

    actions: tuple[Ident, ...] | None
    subjects: tuple[Ident, ...] | None = None
    resources: tuple[Ident, ...] | None = None


@frozen
class When(Node):
    """`when condition`"""

    condition: Expr


@frozen
class Unless(Node):
    """`unless condition`"""

    condition: Expr


@frozen
class Because(Node):
    """`because "text"`: said when the rule is satisfied."""

    text: Template


@frozen
class Otherwise(Node):
    """`otherwise "text"`: said when the permit is not satisfied and its gate stays shut."""

    text: Template


@frozen
class Fields(Node):
    """`fields a, b`, or `fields all` (*names* is None)."""

    names: tuple[Ident, ...] | None


@frozen
class Oblige(Node):
    """`oblige name(arguments), …`"""

    calls: tuple[Call, ...]


@frozen
class Refer(Node):
    """`refer "team"`: a person should look at the deny."""

    text: Template


@frozen
class Cites(Node):
    """`cites "where the rule comes from"`"""

    text: str


@frozen
class From(Node):
    """`from 2023-03-29`: the rule exists from that moment on."""

    moment: Literal


@frozen
class Until(Node):
    """`until 2027-01-31`: the rule exists before that moment."""

    moment: Literal


@frozen
class Waivable(Node):
    """`waivable`: a waiver may stand in for the conditions."""


Clause: TypeAlias = (
    When | Unless | Because | Otherwise | Fields | Oblige | Refer | Cites | From | Until | Waivable
)


@frozen
class Rule(Node):
    """`advisory? effect name: target clauses`; *effect* is `permit`, `forbid` or `expose`."""

    effect: str
    name: Ident
    target: Target
    clauses: tuple[Clause, ...] = ()
    advisory: bool = False


@frozen
class GateBlock(Node):
    """`gate name { rules }`"""

    gate: Ident
    rules: tuple[Rule, ...]


# ---- exceptions, promises, examples -----------------------------------------------------


@frozen
class Ticket(Node):
    """`ticket "REV-1"` of a waiver."""

    text: str


@frozen
class ApprovedBy(Node):
    """`approved_by "policy review"` of a waiver."""

    text: str


WaiverClause: TypeAlias = Until | Ticket | ApprovedBy


@frozen
class WaiverDecl(Node):
    """`waiver name of gate.rule for App "id" clauses`; *gate* is None where none was named."""

    name: Ident
    gate: Ident | None
    rule: Ident
    subject: EntityRef
    clauses: tuple[WaiverClause, ...] = ()


@frozen
class InvariantDecl(Node):
    """`invariant name: never allow target unless condition`"""

    name: Ident
    target: Target
    clauses: tuple[When | Unless, ...] = ()


@frozen
class RuleRef(Node):
    """`gate.rule`, or `rule` alone where the set has no gates (*gate* is None)."""

    gate: Ident | None
    rule: Ident


@frozen
class Let(Node):
    """`let name = value` in a test."""

    name: Ident
    value: Expr


@frozen
class At(Node):
    """`at 2026-11-23`: the time of the expectations after it."""

    moment: Literal


@frozen
class ExpectRules(Node):
    """`because gate.rule, …`: these are among the determining rules."""

    rules: tuple[RuleRef, ...]


@frozen
class ExpectFields(Node):
    """`fields {a, b}`: exactly these are exposed."""

    names: tuple[Ident, ...]


@frozen
class ExpectObligations(Node):
    """`oblige name(arguments), …`: exactly these are owed."""

    calls: tuple[Call, ...]


@frozen
class ExpectReferrals(Node):
    """`refer "team"`: this is among the referrals."""

    text: str


@frozen
class ExpectReason(Node):
    """`reason "part"`: the reason contains this text."""

    text: str


@frozen
class ExpectCause(Node):
    """`cause not_permitted`"""

    cause: Ident


ExpectClause: TypeAlias = (
    ExpectRules | ExpectFields | ExpectObligations | ExpectReferrals | ExpectReason | ExpectCause
)


@frozen
class Asking(Node):
    """`asking {fields}`, of which there may be none."""

    names: tuple[Ident, ...]


@frozen
class Expect(Node):
    """`expect allow action by subject on resource with {context} asking {fields} clauses`"""

    allow: bool
    action: Ident
    subject: Expr
    resource: Expr
    context: RecordDisplay | SetDisplay | None = None
    asking: Asking | None = None
    clauses: tuple[ExpectClause, ...] = ()


TestItem: TypeAlias = Let | At | Expect


@frozen
class TestDecl(Node):
    """`test "title" { items }`"""

    __test__ = False  # not a test for pytest to collect

    title: str
    items: tuple[TestItem, ...]


# ---- files ------------------------------------------------------------------------------


@frozen
class Import(Node):
    """`import package`"""

    package: Ident


Declaration: TypeAlias = (
    EnumDecl | LevelsDecl | TaxonomyDecl | EntityDecl | GroupDecl | ActionDecl | ObligationDecl
    | GateDecl | ConstDecl | DefineDecl | GateBlock | Rule | WaiverDecl | InvariantDecl | TestDecl
)  # fmt: skip


@frozen
class PolicyFile(Node):
    """A whole file: its package, its imports and its declarations in order."""

    package: Ident
    imports: tuple[Import, ...]
    declarations: tuple[Declaration, ...]
