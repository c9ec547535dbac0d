"""Find the types of lowered expressions."""

from __future__ import annotations

from msgspec import Struct, field

from policyengine.compiler import ir
from policyengine.compiler.simplify import type_of_result
from policyengine.model.types import (
    BOOL,
    DATETIME,
    INT,
    PATH,
    STRING,
    EntityRefType,
    EntityType,
    RecordType,
    Schema,
    SetType,
    TableType,
    TargetKey,
    Type,
)


class ExpressionTypes(Struct, eq=False):
    """The types of expressions of one target; *variables*: of the variables of quantifiers around them."""

    schema: Schema
    target: TargetKey
    variables: dict[str, Type] = field(default_factory=dict)

    def type_of(self, node: ir.Expr) -> Type:
        """Return the type of the value of *node*."""
        match node:
            case ir.Const(type_, _) | ir.MakeSet(type_, _) | ir.MakeRecord(type_, _):
                return type_
            case ir.Root("now"):
                return DATETIME
            case ir.Root("context"):
                return self.schema.actions[self.target[0]].context
            case ir.Local(name):
                return self.variables[name]
            case ir.Id(object_):
                return EntityRefType(self.entity_type_of(object_).name)
            case ir.Slot(object_, name):
                return self._owner(object_).by_name[name].type
            case ir.Entry(ir.Above(taxonomy) | ir.Below(taxonomy), _):
                return SetType(taxonomy)
            case ir.Rows(type_):
                return type_
            case ir.Entry(table, _):
                of = self.type_of(table)
                assert isinstance(of, TableType)
                return of.value
            case ir.Choice(_, yes, _):
                return self.type_of(yes)
            case ir.Let(_, _, body):
                return self.type_of(body)
            case ir.Binary("+" | "-" | "*" as op, left, right):
                return type_of_result(op, self.type_of(left), self.type_of(right))
            case ir.Operation("len", _):
                return INT
            case ir.Operation("lower", _):
                return STRING
            case ir.Operation("add_months", _):
                return DATETIME
            case ir.Operation("prefixes", _):
                return SetType(PATH)
            case ir.Operation("ancestors", (_, ir.Data(str(name)))):
                return SetType(EntityRefType(name))
            case _:
                return BOOL

    def entity_type_of(self, node: ir.Expr) -> EntityType:
        """Return the type of the entity that *node* stands for."""
        match node:
            case ir.Root("subject"):
                return self.schema.entities[self.target[1]]
            case ir.Root("resource"):
                return self.schema.entities[self.target[2]]
            case ir.Entity(name, _):
                return self.schema.entities[name]
            case _:
                raise AssertionError(f"no entity: {node}")

    def _owner(self, node: ir.Expr) -> EntityType | RecordType:
        match node:
            case ir.Root("subject" | "resource") | ir.Entity():
                return self.entity_type_of(node)
            case _:
                found = self.type_of(node)
                assert isinstance(found, RecordType)
                return found

    def enter(self, node: ir.Quantified) -> None:
        """Note the type of the variable of a quantifier, before what is in it is asked about."""
        over = self.type_of(node.over)
        assert isinstance(over, SetType)
        self.variables[node.local] = over.element
