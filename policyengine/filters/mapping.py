"""Say where a database keeps entities: which table, which columns, in which form.

A mapping is declared once, of names, and checked against a schema when it is made. What it leaves out is
named when a filter needs it (`IncompleteMapping`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import UnionType
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from policyengine.filters.declared_tables import (
    ClosureTable,
    EntityTable,
    ParentTable,
    RecordInColumn,
    SetInColumn,
    SetTable,
    Stored,
    StoredColumn,
    StoredParents,
)
from policyengine.filters.predicates import Kind, Scalar
from policyengine.model.errors import PolicyError, Problem
from policyengine.model.request_messages import meant
from policyengine.model.types import (
    DATETIME,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TaxonomyType,
    Type,
)

__all__ = [
    "ClosureTable",
    "EntityTable",
    "IncompleteMapping",
    "InvalidMapping",
    "ParentTable",
    "RecordInColumn",
    "SetInColumn",
    "SetTable",
    "Stored",
    "StoredColumn",
    "StoredParents",
    "TableMapping",
    "columns_of",
    "is_utf8",
    "kinds_in",
    "map_tables",
    "part_of",
]

# ---- what is wrong ----------------------------------------------------------------------


class InvalidMapping(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A mapping does not fit the schema; *problems* says all of it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class IncompleteMapping(PolicyError):  # noqa: N818 - the public name says what is the matter
    """A mapping lacks what a filter needs, at *path*: `Document.owner`."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"a filter needs `{path}`, and the mapping does not say where it is [PE575]"
        )


# ---- the mapping ------------------------------------------------------------------------


class TableMapping(Struct, frozen=True):
    """Where a database keeps the entities of a schema, checked and complete in itself.

    Made by `map_tables`: columns are given in full, with their kinds.
    """

    schema: Schema
    tables: Mapping[str, EntityTable]

    def table_of(self, type_: str) -> EntityTable:
        """Return the table of an entity type; raises `IncompleteMapping`."""
        if type_ not in self.tables:
            raise IncompleteMapping(type_)
        return self.tables[type_]

    def id_of(self, type_: str) -> StoredColumn:
        """Return the column of the ids of an entity type; raises `IncompleteMapping`."""
        made = self.table_of(type_).id
        assert isinstance(made, StoredColumn)
        return made

    def parents_of(self, type_: str, parent: str) -> StoredParents:
        """Return where the parents of a type are; raises `IncompleteMapping`."""
        found = self.table_of(type_).parents.get(parent)
        if found is None:
            raise IncompleteMapping(f"{type_} in {parent}")
        return found


def part_of(
    parts: Mapping[str, Stored], name: str, owner: str
) -> StoredColumn | SetTable | SetInColumn | RecordInColumn | Mapping[str, Stored]:
    """Return where the part *name* of an entity or a record, *owner*, is; raises `IncompleteMapping`."""
    if name not in parts:
        raise IncompleteMapping(f"{owner}.{name}")
    made = parts[name]
    assert not isinstance(made, str)
    return made


def columns_of(stored: Stored) -> Iterator[StoredColumn | SetInColumn | RecordInColumn]:
    """Give the columns of a value or of the parts of a record; sets in tables have none."""
    match stored:
        case StoredColumn() | SetInColumn() | RecordInColumn():
            yield stored
        case Mapping():
            for part in stored.values():
                yield from columns_of(part)


def kinds_in(mapping: TableMapping) -> Iterator[tuple[str, str, Kind]]:
    """Give the tables, the names and the kinds of all columns of *mapping*; ids of types that it lacks are text."""

    def id_kind(type_: str) -> Kind:
        return mapping.id_of(type_).kind or "text" if type_ in mapping.tables else "text"

    def stored_in(table: str, stored: Stored, owner: Kind) -> Iterator[tuple[str, str, Kind]]:
        match stored:
            case StoredColumn(name, kind) if kind is not None:
                yield table, name, kind
            case SetInColumn(name, _, kind) if kind is not None:
                yield table, name, kind
            case RecordInColumn(name):
                yield table, name, "json"
            case SetTable(inner, column, element):
                yield inner, column, owner
                yield from stored_in(inner, element, owner)
            case Mapping():
                for part in stored.values():
                    yield from stored_in(table, part, owner)

    for type_, of in mapping.tables.items():
        own = id_kind(type_)
        yield of.table, mapping.id_of(type_).name, own
        for stored in of.attributes.values():
            yield from stored_in(of.table, stored, own)
        for parent, above in of.parents.items():
            match above:
                case str(name):
                    yield of.table, name, id_kind(parent)
                case ParentTable(table, one, other) | ClosureTable(table, one, other):
                    yield table, one, own
                    yield table, other, id_kind(parent)


def map_tables(schema: Schema, tables: Mapping[str, EntityTable]) -> TableMapping:
    """Return the mapping of *tables*, by entity type; raises `InvalidMapping` with every problem."""
    check = _Check(schema, tables, [])
    if not check.is_of("", tables, Mapping):
        raise InvalidMapping(tuple(check.problems))
    made = {name: check.table(name, table) for name, table in tables.items()}
    if check.problems:
        raise InvalidMapping(tuple(check.problems))
    mapping = TableMapping(
        schema, {name: table for name, table in made.items() if table is not None}
    )
    known = {
        name: replace(of, parents={n: p for n, p in of.parents.items() if n in mapping.tables})
        for name, of in mapping.tables.items()
    }
    kinds: dict[tuple[str, str], set[Kind]] = {}
    for table, column, kind in kinds_in(TableMapping(schema, known)):
        kinds.setdefault((table, column), set()).add(kind)
    problems = tuple(
        Problem(
            "PE572", f"{table}.{column}", f"the column is of two kinds: {', '.join(sorted(of))}"
        )
        for (table, column), of in kinds.items()
        if len(of) > 1
    )
    if problems:
        raise InvalidMapping(problems)
    return mapping


_KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "bool": ("bool",), "int": ("int",), "decimal": ("decimal",), "string": ("text",),
    "datetime": ("instant",), "duration": ("int",), "months": ("int",), "path": ("text",),
    "ip": ("text", "ip"),
}  # fmt: skip

_CLASSES: Final[Mapping[type, Kind]] = {str: "text", int: "int", bool: "bool", Decimal: "decimal"}


class _Check(Struct):
    """Checks what was declared, and puts columns in full in the place of their names."""

    schema: Schema
    tables: Mapping[str, EntityTable]
    problems: list[Problem]

    def table(self, name: str, declared: EntityTable) -> EntityTable | None:
        """Return the table of an entity type as it was declared, in full."""
        type_ = self.schema.entities.get(name)
        if type_ is None:
            self._report("PE570", name, "there is no such entity type")
            return None
        if type(declared) is not EntityTable:
            self._report("PE572", name, "an entity type has an `EntityTable`")
            return None
        self._name(name, declared.table)
        fields = (
            (declared.attributes, Mapping),
            (declared.parents, Mapping),
            (declared.checked, bool),
        )
        if not all(self.is_of(name, value, of) for value, of in fields):
            return None
        made = EntityTable(
            declared.table,
            self._id(name, declared),
            self._parts(name, type_, declared.attributes),
            dict(self._parents(type_, declared.parents)),
            declared.checked,
        )
        if not made.checked:
            return made
        attributes = {part: _checked(stored) for part, stored in made.attributes.items()}
        return replace(made, id=_checked(made.id), attributes=attributes)

    def _id(self, type_: str, declared: EntityTable) -> StoredColumn:
        given = declared.id
        column = StoredColumn(given) if isinstance(given, str) else given
        if not self._is_column(f"{type_}.id", column):
            return StoredColumn("id", kind="text")
        kind = column.kind or "text"
        self._name(f"{type_}.id", column.name)
        if kind not in ("text", "int"):
            self._report("PE572", f"{type_}.id", "ids are `text` or `int`")
        return replace(column, kind=kind)

    def _parts(
        self, path: str, owner: EntityType | RecordType, declared: Mapping[str, Stored]
    ) -> dict[str, Stored]:
        made: dict[str, Stored] = {}
        for name, stored in declared.items():
            attribute = owner.by_name.get(name)
            if attribute is None:
                help = meant(name, owner.by_name)
                self._report("PE571", f"{path}.{name}", f"there is no such attribute{help}")
                continue
            found = self._stored(f"{path}.{name}", attribute.type, stored)
            if found is not None:
                made[name] = found
        return made

    def _stored(self, path: str, type_: Type, stored: Stored) -> Stored | None:
        match type_, stored:
            case SetType(element), SetTable(table, owner, of, checked):
                self._name(path, table, owner)
                if not self.is_of(path, checked, bool):
                    return None
                if _holds_sets(element):
                    self._report("PE572", path, "what is in a set of sets has no table of its own")
                    return None
                made = self._stored(path, element, of)
                if made is None:
                    return None
                return SetTable(table, owner, _checked(made) if checked else made, checked)
            case SetType(element), SetInColumn():
                return self._set_in_column(path, element, stored)
            case RecordType(), RecordInColumn(name, parts, checked):
                self._name(path, name)
                if not (self.is_of(path, parts, Mapping) and self.is_of(path, checked, bool)):
                    return None
                of = RecordInColumn(name, self._keys(path, type_, parts), checked)
                return _checked(of) if checked else of
            case RecordType(attributes), Mapping():
                for attribute in attributes:
                    if attribute.name not in stored:
                        self._report("PE571", f"{path}.{attribute.name}", "it is not there")
                return self._parts(path, type_, stored)
            case RecordType() | SetType(), _:
                kind = (
                    "set has a `SetTable` or a `SetInColumn`"
                    if isinstance(type_, SetType)
                    else "record has parts, or a `RecordInColumn`"
                )
                self._report("PE572", path, f"a {kind}")
                return None
            case _, str():
                return self._column(path, type_, StoredColumn(stored))
            case _, StoredColumn():
                return self._column(path, type_, stored)
            case _:
                self._report("PE572", path, f"a {type_} is in a column")
                return None

    def _keys(
        self, path: str, type_: RecordType, declared: Mapping[str, Stored]
    ) -> dict[str, Stored]:
        """Return where the parts of a record in JSON are: those that are not declared have the keys of their names."""
        made: dict[str, Stored] = {}
        for part in type_.attributes:
            match part.type, declared.get(part.name, part.name):
                case SetType(element), str(key):
                    if element not in (Primitive("decimal"), DATETIME):  # which JSON has not
                        made[part.name] = SetInColumn(key, json=True)
                case RecordType(), str(key):
                    made[part.name] = RecordInColumn(key)
                case _, (SetTable() | SetInColumn(json=False) | Mapping()) as other:
                    said = f"no JSON holds `{type(other).__name__}`"
                    self._report("PE572", f"{path}.{part.name}", said)
                case _, stored:
                    made[part.name] = stored
        others = {name: of for name, of in declared.items() if name not in type_.by_name}
        return self._parts(path, type_, made | others)

    def _set_in_column(self, path: str, element: Type, of: SetInColumn) -> SetInColumn | None:
        self._name(path, of.name)
        if not (self.is_of(path, of.json, bool) and self.is_of(path, of.parts, Mapping)):
            return None
        if isinstance(element, RecordType) and of.json:
            if (of.kind, of.names, of.longest) != (None, None, None):
                self._report("PE572", path, "records have `parts`, each with what is said of it")
                return None
            made_parts = self._keys(path, element, of.parts)
            record = replace(of, kind="json", parts=made_parts)
            return _checked(record) if of.checked else record
        if isinstance(element, RecordType | SetType) or of.parts:
            self._report(
                "PE572",
                path,
                "the elements of a set in a column are no sets, and records in JSON only",
            )
            return None
        one = of.element
        assert isinstance(one, StoredColumn)
        made = self._column(path, element, one)
        if made is None:
            return None
        if of.json and made.kind not in ("text", "int", "bool"):
            self._report("PE572", path, f"JSON has no values of the kind {made.kind!r}")
            return None
        return replace(of, kind=made.kind, names=made.names)

    def _column(self, path: str, type_: Type, column: StoredColumn) -> StoredColumn | None:
        if not self._is_column(path, column):
            return None
        kinds, names = self._kinds(type_), column.names
        if isinstance(type_, EnumType | LevelsType | TaxonomyType):
            if names is not None:
                return self._named(path, type_, column)
            positions = isinstance(type_, LevelsType) and (column.kind or kinds[0]) == "int"
            of_name: dict[str, Scalar] = {name: name for name in type_.members}
            column = replace(column, names=type_.positions if positions else of_name)
        elif names is not None:
            self._report("PE573", path, f"a {type_} has no names")
            return None
        if column.kind is not None and column.kind not in kinds:
            listed = " or ".join(f"`{kind}`" for kind in kinds)
            self._report("PE572", path, f"a {type_} is stored as {listed}, not as {column.kind!r}")
            return None
        return replace(column, kind=column.kind or kinds[0])

    def _named(
        self, path: str, type_: EnumType | LevelsType | TaxonomyType, column: StoredColumn
    ) -> StoredColumn | None:
        """Check how names are stored: each in one form, and no two in the same."""
        names = column.names or {}
        missing = [name for name in type_.members if name not in names]
        unknown = [name for name in names if name not in type_.positions]
        kinds = {_CLASSES.get(type(value)) for value in names.values()}
        said = None
        if missing or unknown:
            said = "".join(f"; {name!r} is missing" for name in missing)
            said += "".join(f"; there is no name {name!r}" for name in unknown)
        elif len(kinds) != 1 or not kinds <= {"text", "int"}:
            said = "; names are stored as texts or as ints"
        elif len(set(names.values())) < len(names):
            said = "; two names are stored in the same form"
        elif wrong := [value for value in names.values() if not _can_be_stored(value)]:
            said = f"; no column holds {wrong[0]!r}: an int of 64 bits, or a text in UTF-8"
        elif column.kind not in (None, *kinds):
            said = f"; they are not of the kind {column.kind!r}"
        if said is not None:
            self._report("PE573", path, said.removeprefix("; "))
            return None
        return replace(column, kind=kinds.pop())

    def _kinds(self, type_: Type) -> tuple[Kind, ...]:
        match type_:
            case Primitive(name):
                return _KINDS[name]
            case LevelsType():
                return ("int", "text")
            case EntityRefType(name) if isinstance(self.tables.get(name), EntityTable):
                id_ = self.tables[name].id
                kind = id_.kind if isinstance(id_, StoredColumn) else None
                return (kind or "text",)
            case EntityRefType():
                return ("text", "int")
            case _:
                return ("text",)

    def _parents(
        self, type_: EntityType, declared: Mapping[str, object]
    ) -> Iterator[tuple[str, StoredParents]]:
        for name, stored in declared.items():
            path = f"{type_.name} in {name}"
            if name not in type_.parents:
                self._report("PE574", path, f"a {type_.name} has no such parents")
                continue
            match stored:
                case str():
                    self._name(path, stored)
                case ParentTable(table, one, other) | ClosureTable(table, one, other):
                    self._name(path, table, one, other)
                case _:
                    said = "parents are in a column, a `ParentTable` or a `ClosureTable`"
                    self._report("PE574", path, said)
                    continue
            yield name, stored

    def _is_column(self, path: str, column: object) -> bool:
        """Whether a column is declared as one: with a name, and each of the rest of its type."""
        if not self.is_of(path, column, StoredColumn):
            return False
        assert isinstance(column, StoredColumn)
        fields = (
            (column.names, Mapping | None),
            (column.longest, int | None),
            (column.checked, bool),
        )
        self._name(path, column.name)
        if not all(self.is_of(path, value, of) for value, of in fields):
            return False
        if column.longest is not None and (column.longest is True or column.longest < 0):
            self._report("PE572", path, f"no text has {column.longest} code points at most")
            return False
        return True

    def is_of(self, path: str, value: object, class_: type | UnionType) -> bool:
        """Whether what was declared is of a class; if not, that is a problem."""
        if isinstance(value, class_):
            return True
        name = getattr(class_, "__name__", str(class_)).removeprefix("collections.abc.")
        self._report("PE572", path, f"this is no {name}: {value!r}")
        return False

    def _name(self, path: str, *names: object) -> None:
        for name in names:
            if type(name) is not str or not name:
                self._report("PE572", path, "a name of a table or a column is a text")
            elif "\0" in name or not is_utf8(name):
                self._report("PE572", path, f"no table or column is called {name!r}")

    def _report(self, code: str, path: str, message: str) -> None:
        self.problems.append(Problem(code, path, message))


def _can_be_stored(value: Scalar) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return not isinstance(value, str) or is_utf8(value)


def is_utf8(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which no database stores."""
    return not any("\ud800" <= point <= "\udfff" for point in text)


def _checked(stored: Any) -> Any:
    """Return the same, all of which the database sees to."""
    match stored:
        case StoredColumn():
            return replace(stored, checked=True)
        case SetInColumn() | RecordInColumn():
            parts = {name: _checked(part) for name, part in stored.parts.items()}
            return replace(stored, parts=parts, checked=True)
        case SetTable():
            return replace(stored, element=_checked(stored.element), checked=True)
        case _:
            return {name: _checked(part) for name, part in stored.items()}


def _holds_sets(type_: Type) -> bool:
    match type_:
        case SetType():
            return True
        case RecordType(attributes):
            return any(_holds_sets(attribute.type) for attribute in attributes)
        case _:
            return False
