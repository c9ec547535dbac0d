"""Run generated modules, and have tracebacks show their text.

A generated module runs with empty `__builtins__` and sees only the operations that are exported to
it and the constants that it names. Its text is made when `linecache` asks for it.
"""

from __future__ import annotations

import ast
import linecache
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

from policyengine.model.entities import Entity, entity_class
from policyengine.model.records import Record, record_class
from policyengine.model.types import Schema, TargetKey
from policyengine.runtime.operations import EXPORTED


def run(tree: ast.Module, objects: Mapping[str, object], file: str) -> dict[str, Any]:
    """Run a generated module, which names *objects*; return what it knows by name."""
    namespace = {"__builtins__": {}, **EXPORTED, **objects}
    exec(compile(tree, file, "exec"), namespace)  # noqa: S102 - nodes of our own making
    return namespace


def classes_of(
    schema: Schema, target: TargetKey
) -> tuple[type[Entity], type[Entity], type[Record]]:
    """Return the classes of the subject, the resource and the context of requests for *target*."""
    action, subject, resource = target
    return (
        entity_class(schema.entities[subject]),
        entity_class(schema.entities[resource]),
        record_class(schema.actions[action].context),
    )


def file_name(digest: str, target: TargetKey) -> str:
    """Return what the module that decides about *target* is called; others begin so."""
    return f"policy:{digest[-12:]}:{':'.join(target)}"


_shown: Final[WeakValueDictionary[str, object]] = WeakValueDictionary()
"""The owners of the generated files that `linecache` knows."""


def show_all(owner: object, file: str, texts: Callable[[], tuple[str, str, str]]) -> None:
    """Have tracebacks show the *texts* of the functions for decisions, details and reasons, as long as *owner* lives."""
    show(owner, file, lambda: texts()[0])
    show(owner, f"{file}:rules", lambda: texts()[1])
    show(owner, f"{file}:grounds", lambda: texts()[2])


def show(owner: object, file: str, text: Callable[[], str]) -> None:
    """Have tracebacks show the *text* of the functions of a file, as long as *owner* lives."""
    _shown[file] = owner
    linecache.cache[file] = (text,)
    weakref.finalize(owner, _forget, file).atexit = False


def _forget(file: str) -> None:
    if file not in _shown:  # else another set in force has the same
        linecache.cache.pop(file, None)
