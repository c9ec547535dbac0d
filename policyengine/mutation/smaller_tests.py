"""Leave out of a test what it can do without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from msgspec.structs import replace

from policyengine.mutation.mutants import substituted
from policyengine.syntax import nodes
from policyengine.syntax.node import walk

MOST_TRIED = 400
"""The number of shorter tests that are tried for one."""


def minimal(test: nodes.TestDecl, serves: Callable[[nodes.TestDecl], bool]) -> nodes.TestDecl:
    """Return *test* without the parts that it can leave out and still *serves*; each is tried alone.

    After one that can be left out the next is tried, and those before it again when all were.
    """
    at, found = 0, False
    for _ in range(MOST_TRIED):
        shorter = next(islice(shorter_tests(test), at, None), None)
        if shorter is None:
            if not found:
                break
            at, found = 0, False
        elif serves(candidate := shorter()):
            test, found = candidate, True
        else:
            at += 1
    return test


def shorter_tests(test: nodes.TestDecl) -> Iterator[Callable[[], nodes.TestDecl]]:
    """Give what makes the tests with one part less: a `let`, a changed version of an entity, an attribute, an element."""
    for item in test.items:
        if isinstance(item, nodes.Let):
            rest = tuple(other for other in test.items if other is not item)
            yield partial(replace, test, items=rest)
    for item in test.items:
        if isinstance(item, nodes.Expect) and item.context is not None:
            yield partial(substituted, test, item, replace(item, context=None))
    for node in walk(test):
        for less in _less(node):
            yield partial(substituted, test, node, less)


def _less(node: nodes.Node) -> Iterator[nodes.Expr]:
    match node:
        case nodes.Update(object_, nodes.RecordDisplay(fields) as changes):
            yield object_
            if len(fields) > 1:
                for less in _without_one(changes):
                    yield replace(node, changes=less)
        case nodes.EntityRef(attributes=attributes, parents=parents):
            if attributes is not None and not _is_full(attributes) and not parents:
                yield replace(node, attributes=None)
            if isinstance(attributes, nodes.RecordDisplay):
                for less in _without_one(attributes):
                    yield replace(node, attributes=less)
            for parent in parents or ():
                rest = tuple(other for other in parents or () if other is not parent)
                yield replace(node, parents=rest or None)
        case nodes.SetDisplay(items):
            for item in items:
                yield replace(node, items=tuple(other for other in items if other is not item))
        case nodes.RecordDisplay(fields) if len(fields) > 1:
            yield from _without_one(node)


def _without_one(record: nodes.RecordDisplay) -> Iterator[nodes.RecordDisplay | nodes.SetDisplay]:
    for field in record.fields:
        rest = tuple(other for other in record.fields if other is not field)
        if rest:
            yield replace(record, fields=rest)
        else:
            yield nodes.SetDisplay((), span=record.span)


def _is_full(attributes: nodes.RecordDisplay | nodes.SetDisplay) -> bool:
    return isinstance(attributes, nodes.RecordDisplay)
