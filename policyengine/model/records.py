"""Make the classes whose instances are records: slotted, immutable, equal by value."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs

from policyengine.model.types import RecordType


def slot(name: str) -> str:
    """Return the Python attribute that holds the attribute *name*.

    Attributes may be called anything, `class` and `__init__` too; a prefix keeps them apart.
    """
    return f"v_{name}"


@lru_cache(maxsize=4096)
def record_class(type_: RecordType) -> type[Any]:
    """Return the class of the records of *type_*; its arguments are in the type's order."""
    names = [slot(attribute.name) for attribute in type_.attributes]
    return attrs.make_class("Record", names, slots=True, frozen=True, repr=False)
