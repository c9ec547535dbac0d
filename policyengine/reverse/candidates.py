"""Find entities of a store of which a condition may hold, by the index of the store.

A condition that asks for a value, for one of several, or for an ancestor, has the entities that are found
by it; a conjunction has those that all its operands have, a disjunction those of any. An attribute of an
entity that is referred to leads to the entities there, and from them to those that refer to them. What is
asked of some element of a set is looked up among all of them. What else is asked excludes nothing. So no
entity is left out of which the condition holds, and each is to be decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct

from policyengine.compiler import ir
from policyengine.compiler.simplify import TRUE, replaced
from policyengine.intake.store_index import ByValue, StoreIndex
from policyengine.model.records import Record


class Candidates(Struct, frozen=True, eq=False):
    """Finds entities that may be the part *unknown* of a request, which is of the type *type*.

    *others*: ids, by type, of entities of which more is known than the *index* has.
    """

    index: StoreIndex
    unknown: str
    type: str
    others: Mapping[str, Collection[str]]

    def of(self, condition: ir.Expr) -> AbstractSet[str] | None:
        """Return the ids of all entities of which *condition* may hold; None if the index does not say."""
        match condition:
            case ir.Const():
                return None if condition == TRUE else frozenset()
            case ir.And(operands):
                sets = [one for one in map(self.of, operands) if one is not None]
                return frozenset.intersection(*map(frozenset, sets)) if sets else None
            case ir.Or(operands):
                return self._any(map(self.of, operands))
            case ir.Choice(condition, yes, no):
                return self.of(ir.Or((ir.And((condition, yes)), no)))
            case ir.Let(_, _, body):
                return self.of(body)
            case ir.Quantified("some", local, ir.Slot() | ir.Operation("ancestors") as over, body):
                return self.of(replaced(body, {local: over}))  # what an element has, the set has
            case ir.Slot():
                return self._having(condition, (True,))
            case ir.Not(ir.Slot() as operand):
                return self._having(operand, (False,))
            case ir.Binary() | ir.Overlaps() | ir.AllIn():
                return self._compared(condition)
            case ir.Operation("lies_in", (line, ir.Data(str(outer)), ir.Const(_, id_))):
                return self._within(line, outer, (id_,))
            case ir.Operation("lies_in_one", (line, ir.Data(str(outer)), among)):
                ids = _constants(among)
                return None if ids is None else self._within(line, outer, ids)
            case ir.Operation(
                "entity_within" | "entities_within",
                (ir.Data(str(inner)), id_, ir.Data(str(outer)), among, _),
            ):
                ids = _constants(among)
                line = ir.Line(ir.Entity(inner, id_))
                return None if ids is None else self._within(line, outer, ids)
            case _:
                return None

    def _any(self, sets: Iterable[AbstractSet[str] | None]) -> AbstractSet[str] | None:
        found: set[str] = set()
        for one in sets:
            if one is None:
                return None
            found |= one
        return found

    def _compared(self, node: ir.Binary | ir.Overlaps | ir.AllIn) -> AbstractSet[str] | None:
        match node:
            case ir.Binary("==", ir.Const(_, value), place) | ir.Binary(
                "==", place, ir.Const(_, value)
            ):
                return self._having(place, (value,))
            case ir.Binary("in", ir.Const(_, value), place):
                return self._having(place, (value,))
            case ir.Binary("in", place, among) | ir.AllIn(place, among):
                values = _constants(among)
            case ir.Overlaps(left, right):
                values, place = _constants(right), left
                if values is None:
                    values, place = _constants(left), right
            case _:
                return None
        return None if values is None else self._having(place, values)

    def _having(self, place: ir.Expr, values: Collection[object]) -> AbstractSet[str] | None:
        """Return the entities that have one of *values* at *place*, or in a set there."""
        if any(isinstance(value, frozenset | Record) for value in values):
            return None
        match place:
            case ir.Slot():
                node, names = _path(place)
                type_ = self._type_of(node)
                if type_ is None:
                    return None
                return self._found(node, type_, self.index.by_value(type_, names), values)
            case ir.Id(node):
                return self._leading_to(node, [id_ for id_ in values if isinstance(id_, str)])
            case ir.Operation("ancestors", (line, ir.Data(str(outer)))):
                return self._within(line, outer, values)
            case _:
                return None

    def _within(
        self, line: ir.Expr, outer: str, ids: Collection[object]
    ) -> AbstractSet[str] | None:
        """Return the entities of which the entity of *line* is, or is within, an entity of *ids*."""
        if not isinstance(line, ir.Line) or (type_ := self._type_of(line.object)) is None:
            return None
        keys: list[object] = [(outer, id_) for id_ in ids]
        if self.others:  # which may say what ancestors there are
            keys.append(None)
        by_ancestor = self.index.by_ancestor(type_)
        return self._found(line.object, type_, by_ancestor, keys)

    def _found(
        self,
        node: ir.Expr,
        type_: str,
        index: ByValue,
        values: Iterable[object],
    ) -> AbstractSet[str] | None:
        """Return the candidates for which *node*, of the type *type_*, is in *index* at one of *values*."""
        found = {*self.others.get(type_, ())}
        for value in values:
            found.update(index.get(value, ()))
        return self._leading_to(node, found)

    def _leading_to(self, node: ir.Expr, ids: Collection[str]) -> AbstractSet[str] | None:
        """Return the candidates for which *node* is one of the entities with *ids*."""
        match node:
            case ir.Root(self.unknown):
                return frozenset(ids)
            case ir.Entity(_, id_):
                return self._having(id_, ids)
            case _:
                return None

    def _type_of(self, node: ir.Expr) -> str | None:
        match node:
            case ir.Root(self.unknown):
                return self.type
            case ir.Entity(type_, _):
                return type_
            case _:
                return None


def _path(place: ir.Slot) -> tuple[ir.Expr, tuple[str, ...]]:
    """Return the entity that *place* is of, and the names that lead from it there."""
    if isinstance(place.object, ir.Slot):
        node, names = _path(place.object)
        return node, (*names, place.name)
    return place.object, (place.name,)


def _constants(node: ir.Expr) -> Collection[object] | None:
    """Return the elements of a set that is known, None if it is not."""
    match node:
        case ir.Const(_, frozenset() as values):
            return values
        case ir.MakeSet(_, items):
            known = [item.value for item in items if isinstance(item, ir.Const)]
            return known if len(known) == len(items) else None
        case _:
            return None
