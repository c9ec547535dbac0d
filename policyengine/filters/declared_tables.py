"""Declare where a database keeps entities: the forms of tables and columns in a mapping (`mapping.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from policyengine.filters.predicates import ELEMENT, Kind, Scalar


class StoredColumn(Struct, frozen=True):
    """A column that holds a value: a string, a number, a name, the id of an entity.

    *kind*: where a type may be stored in several. Names of enumerations and taxonomies are text, levels are
    positions from 0 (`int`), or their names (`text`); ids are text or `int`; durations are microseconds,
    months a number. *names*: how each name is stored, if in another form. *longest*: the code points that a
    text has at most, if the database sees to that; what is not said of an id is taken to be within the limit
    of requests. *checked*: whether the database sees to it that no value
    is one that a request could not give: by its type, NOT NULL, a check, a foreign key. Filters do not ask
    then; of texts that are paths or addresses, none asks.
    """

    name: str
    kind: Kind | None = None
    names: Mapping[str, Scalar] | None = None
    longest: int | None = None
    checked: bool = False


class SetTable(Struct, frozen=True):
    """A table with a row for each element of a set.

    *owner*: the column with the id of the entity that has the set. *element*: the column with the element,
    or the columns of a record. *checked*: whether the database sees to it that no set has too many elements,
    and that they are checked as well.
    """

    table: str
    owner: str
    element: Stored
    checked: bool = False


class RecordInColumn(Struct, frozen=True):
    """A column that holds a record: an object of JSON, absent if it is NULL or a null of JSON.

    *parts*: at which keys parts are, where that is not their name, and how they are stored, as of columns. Values are
    texts, whole numbers or truth values; sets are arrays (`SetInColumn`), and records objects (`RecordInColumn`).
    *checked*: whether the database sees to it that no record is one that a request could not give.
    """

    name: str
    parts: Mapping[str, Stored] = {}
    checked: bool = False


class SetInColumn(Struct, frozen=True):
    """A column that holds a set: an array of PostgreSQL or DuckDB or, with *json*, an array of JSON.

    *kind*, *names*, *longest*: of the elements, as of `StoredColumn`; *parts*: of elements that are records, as of
    `RecordInColumn`. Elements in JSON are texts, whole numbers, truth values or records.
    *checked*: whether the database sees to it that no set is one that a request could not give.
    """

    name: str
    json: bool = False
    kind: Kind | None = None
    names: Mapping[str, Scalar] | None = None
    longest: int | None = None
    checked: bool = False
    parts: Mapping[str, Stored] = {}

    @property
    def element(self) -> StoredColumn | RecordInColumn:
        """The column of the elements, as if they were rows."""
        if self.kind == "json":
            return RecordInColumn(ELEMENT, self.parts, self.checked)
        return StoredColumn(ELEMENT, self.kind, self.names, self.longest, self.checked)


Stored: TypeAlias = (
    "str | StoredColumn | SetTable | SetInColumn | RecordInColumn | Mapping[str, Stored]"
)
"""Where an attribute is: a column (by its name, or in full), a table of elements, a column with a set or a record, or the
parts of a record.

A record is absent if all its columns are NULL.
"""


class ParentTable(Struct, frozen=True):
    """A table with a row for each parent: the ids of the *child* and of the *parent*."""

    table: str
    child: str
    parent: str


class ClosureTable(Struct, frozen=True):
    """A table with a row for each ancestor, near or far: the ids of the entity *below* and of that *above*.

    It may have rows of entities that are above themselves.
    """

    table: str
    below: str
    above: str


StoredParents: TypeAlias = str | ParentTable | ClosureTable
"""Where the parents of one type are: a column with the id of the only one, or a table."""


class EntityTable(Struct, frozen=True):
    """The table of an entity type: its column *id*, and where attributes and parents are.

    *parents*: by the type of the parent. *checked*: whether the database sees to all of it, as if each
    column and set said so; and that no entity is among its own ancestors, or has too many.
    """

    table: str
    id: str | StoredColumn = "id"
    attributes: Mapping[str, Stored] = {}
    parents: Mapping[str, StoredParents] = {}
    checked: bool = False
