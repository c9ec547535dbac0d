"""Name the constructs of a file: what it declares, its rules, its tests, and the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from policyengine.model.masks import spelled
from policyengine.model.rules import Effect
from policyengine.syntax.expressions import (
    Attr,
    AttributeDecl,
    Call,
    EntityRef,
    Expr,
    Literal,
    Name,
    NamedType,
    RecordField,
    Template,
    TypeExpr,
)  # fmt: skip
from policyengine.syntax.node import Ident, Node

# ---- vocabulary -------------------------------------------------------------------------


class EnumDecl(Node, frozen=True):
    """`enum Name = a | "b.c"`"""

    name: Ident
    members: tuple[Ident, ...]


class LevelsDecl(Node, frozen=True):
    """`levels Name = low < high`"""

    name: Ident
    members: tuple[Ident, ...]


class Term(Node, frozen=True):
    """A taxonomy's term and the terms below it."""

    name: Ident
    below: tuple[Term, ...] = ()


class TaxonomyDecl(Node, frozen=True):
    """`taxonomy Name { term { term } }`"""

    name: Ident
    terms: tuple[Term, ...]


class EntityDecl(Node, frozen=True):
    """`entity Name in Parent { attributes }`"""

    name: Ident
    parents: tuple[Ident, ...]
    attributes: tuple[AttributeDecl, ...]


class GroupDecl(Node, frozen=True):
    """`group name in groups by S on R with {context} having {constants' types}`

    *subjects* and *resources* are None where nothing was written.
    """

    name: Ident
    groups: tuple[Ident, ...] = ()
    subjects: tuple[Ident, ...] | None = None
    resources: tuple[Ident, ...] | None = None
    context: tuple[AttributeDecl, ...] = ()
    constants: tuple[AttributeDecl, ...] = ()


class ActionDecl(Node, frozen=True):
    """`action a, b in groups by S on R with {context} having {constants' values}`"""

    names: tuple[Ident, ...]
    groups: tuple[Ident, ...] = ()
    subjects: tuple[Ident, ...] | None = None
    resources: tuple[Ident, ...] | None = None
    context: tuple[AttributeDecl, ...] = ()
    constants: tuple[RecordField, ...] = ()


class Parameter(Node, frozen=True):
    """`name: type` of a definition or an obligation."""

    name: Ident
    type: TypeExpr


class ObligationDecl(Node, frozen=True):
    """`obligation name(parameters)`"""

    name: Ident
    parameters: tuple[Parameter, ...]


class GateDecl(Node, frozen=True):
    """`gate name "question" for range` or `field gate name "question" for range`

    *range* is None where nothing was written: the gate applies to everything.
    """

    name: Ident
    question: str
    is_field: bool = False
    range: Target | None = None


class ConstDecl(Node, frozen=True):
    """`const name: type = value`; the rows of a table are a record, whose keys may be quoted."""

    name: Ident
    type: TypeExpr
    value: Expr


class DefineDecl(Node, frozen=True):
    """`define name(parameters) = body`; the body sees its parameters, constants and `now`."""

    name: Ident
    parameters: tuple[Parameter, ...]
    body: Expr


# ---- rules ------------------------------------------------------------------------------


class Target(Node, frozen=True):
    """The actions and groups (None: `any`) that are meant, narrowed by types (None: not).

    *exceptions*: the actions and groups that `any` leaves out.
    """

    actions: tuple[Ident, ...] | None
    subjects: tuple[Ident, ...] | None = None
    resources: tuple[Ident, ...] | None = None
    exceptions: tuple[Ident, ...] = ()


class When(Node, frozen=True):
    """`when condition`"""

    condition: Expr


class Unless(Node, frozen=True):
    """`unless condition`"""

    condition: Expr


class Because(Node, frozen=True):
    """`because "text"`: said when the rule is satisfied."""

    text: Template


class Otherwise(Node, frozen=True):
    """`otherwise "text"`: said when the permit is not satisfied and its gate stays shut.

    Of an expose: when the gate is open and lacks a field that was asked for and that it would have given.
    """

    text: Template


class Mask(Node, frozen=True):
    """`year`, `digits(1)`: how a field is shown in part; *name* is the whole text."""

    name: str


class ShownField(Node, frozen=True):
    """`born as year`, or `born` where the field itself is meant."""

    field: Ident
    mask: Mask | None = None

    @property
    def spelling(self) -> str:
        """The text of it, as requests and decisions have it."""
        return spelled(self.field.name, self.mask.name if self.mask else None)


class Fields(Node, frozen=True):
    """`fields a, b as year`, or `fields all` (*fields* is None)."""

    fields: tuple[ShownField, ...] | None


class Oblige(Node, frozen=True):
    """`oblige name(arguments), …`"""

    calls: tuple[Call, ...]


class Refer(Node, frozen=True):
    """`refer "team"`: a person should look at the deny."""

    text: Template


class Cites(Node, frozen=True):
    """`cites "where the rule comes from" against "what says otherwise, and does not count"`"""

    text: str
    against: str | None


class From(Node, frozen=True):
    """`from 2023-03-29`: the rule exists from that moment on."""

    moment: Literal


class Until(Node, frozen=True):
    """`until 2027-01-31`: the rule exists before that moment."""

    moment: Literal


class Waivable(Node, frozen=True):
    """`waivable`: a waiver may replace the conditions."""


Clause: TypeAlias = (
    When | Unless | Because | Otherwise | Fields | Oblige | Refer | Cites | From | Until | Waivable
)


class Rule(Node, frozen=True):
    """`advisory? effect name: target clauses`"""

    effect: Effect
    name: Ident
    target: Target
    clauses: tuple[Clause, ...] = ()
    advisory: bool = False


class GateBlock(Node, frozen=True):
    """`gate name { rules }`"""

    gate: Ident
    rules: tuple[Rule, ...]


# ---- exceptions, promises, examples -----------------------------------------------------


class Ticket(Node, frozen=True):
    """`ticket "REV-1"` of a waiver."""

    text: str


class ApprovedBy(Node, frozen=True):
    """`approved_by "policy review"` of a waiver."""

    text: str


class WaivedFor(Node, frozen=True):
    """`for App "acme"` of a waiver, or `for within Ward "icu"`."""

    entity: EntityRef
    within: bool = False


class WaivedOn(Node, frozen=True):
    """`on Folder "f"` of a waiver, or `on within Folder "f"`."""

    entity: EntityRef
    within: bool = False


WaiverClause: TypeAlias = WaivedFor | WaivedOn | Until | Ticket | ApprovedBy


class WaiverDecl(Node, frozen=True):
    """`waiver name of gate.rule clauses`; *gate* is None where none was named."""

    name: Ident
    gate: Ident | None
    rule: Ident
    clauses: tuple[WaiverClause, ...] = ()


class InvariantDecl(Node, frozen=True):
    """`invariant name: never allow target unless condition`, or `never expose fields of target`.

    *fields*: None where nothing is to be allowed.
    """

    name: Ident
    target: Target
    clauses: tuple[When | Unless, ...] = ()
    fields: tuple[ShownField, ...] | None = None


class RuleRef(Node, frozen=True):
    """`gate.rule`, or `rule` alone where the set has no gates (*gate* is None)."""

    gate: Ident | None
    rule: Ident


class Let(Node, frozen=True):
    """`let name = value` in a test."""

    name: Ident
    value: Expr


class At(Node, frozen=True):
    """`at 2026-11-23`: the time of the expectations after it."""

    moment: Literal


class ExpectRules(Node, frozen=True):
    """`because gate.rule, …`: these are among the determining rules."""

    rules: tuple[RuleRef, ...]


class ExpectFields(Node, frozen=True):
    """`fields {a, b as year}`: exactly these are shown, and so."""

    fields: tuple[ShownField, ...]


class ExpectObligations(Node, frozen=True):
    """`oblige name(arguments), …`: exactly these are owed."""

    calls: tuple[Call, ...]


class ExpectReferrals(Node, frozen=True):
    """`refer "team"`: this is among the referrals."""

    text: str


class ExpectReason(Node, frozen=True):
    """`reason "part"`: the reason contains this text."""

    text: str


class ExpectCause(Node, frozen=True):
    """`cause not_permitted`"""

    cause: Ident


ExpectClause: TypeAlias = (
    ExpectRules | ExpectFields | ExpectObligations | ExpectReferrals | ExpectReason | ExpectCause
)


class Asking(Node, frozen=True):
    """`asking {fields}`, of which there may be none."""

    fields: tuple[ShownField, ...]


class Expect(Node, frozen=True):
    """`expect allow action by subject on resource with {context} asking {fields} clauses`"""

    allow: bool
    action: Ident
    subject: Expr
    resource: Expr
    context: Expr | None = None
    asking: Asking | None = None
    clauses: tuple[ExpectClause, ...] = ()


class Row(Node, frozen=True):
    """`value, value: verdict clauses`, in the table of a `for`."""

    values: tuple[Name | Attr | Literal, ...]
    allow: bool
    clauses: tuple[ExpectClause, ...] = ()


class ExpectEach(Node, frozen=True):
    """`for variable in type: action by subject on resource with … asking … expect { rows }`"""

    variable: Ident
    type: NamedType
    action: Ident
    subject: Expr
    resource: Expr
    rows: tuple[Row, ...]
    context: Expr | None = None
    asking: Asking | None = None

    def expectations(self) -> Iterator[tuple[Name | Attr | Literal, Expect]]:
        """Give each value with its expectation, which has the span of the value."""
        for row in self.rows:
            for value in row.values:
                yield value, Expect(
                    row.allow, self.action, self.subject, self.resource, self.context,
                    self.asking, row.clauses, span=value.span,
                )  # fmt: skip


TestItem: TypeAlias = Let | At | Expect | ExpectEach


class TestDecl(Node, frozen=True):
    """`test "title" { items }`"""

    __test__ = False  # not a test for pytest to collect

    title: str
    items: tuple[TestItem, ...]


# ---- files ------------------------------------------------------------------------------


class Import(Node, frozen=True):
    """`import package`"""

    package: Ident


Declaration: TypeAlias = (
    EnumDecl | LevelsDecl | TaxonomyDecl | EntityDecl | GroupDecl | ActionDecl | ObligationDecl
    | GateDecl | ConstDecl | DefineDecl | GateBlock | Rule | WaiverDecl | InvariantDecl | Let
    | TestDecl
)  # fmt: skip


class PolicyFile(Node, frozen=True):
    """A whole file: its package, its imports and its declarations in order."""

    package: Ident
    imports: tuple[Import, ...]
    declarations: tuple[Declaration, ...]
