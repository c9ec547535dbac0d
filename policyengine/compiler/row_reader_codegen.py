"""Generate the readers of objects of registered classes, which build entities of what rules read of them.

They do what `intake.objects` does attribute by attribute, for the values that most objects have, and check them as the
readers of dicts do. Where one raises, or gives None, the object is taken there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from policyengine.compiler.code_templates import Body, expression, filled
from policyengine.compiler.python_nodes import assign, name
from policyengine.compiler.reader_codegen import Reader, Writer
from policyengine.model.entities import arguments, entity_class
from policyengine.model.limits import Limits
from policyengine.model.types import EntityType, RecordType

_CONVERTED: Final = """
if type(value) is not plain: value = convert(value)
"""


class RowAttribute(Struct, frozen=True):
    """What gives an attribute of objects: the name of their own, or a function of them.

    *convert* is called with a value that is not exactly of the class *plain*; None if no value is converted. *refers*:
    whether that gives the id of an entity.
    """

    source: str | Callable[[Any], object]
    plain: type = str
    convert: Callable[[Any], object] | None = None
    refers: bool = False


def row_reader(
    type_: EntityType,
    limits: Limits,
    sources: Mapping[str, RowAttribute],
    *,
    lined: bool,
) -> Reader:
    """Return the reader of objects that say what an entity of *type_* is.

    *sources*: of what is read, by the names of the attributes; the id is at `id`, which no attribute is called.
    """
    writer = Writer(limits)
    body = _from_row(writer, "row", "id_", sources["id"]) + writer.string("id_")
    found: list[ast.expr] = []
    complete = True
    for attribute in type_.attributes:
        source = sources.get(attribute.name)
        complete = complete and (source is not None or attribute.optional)
        if source is None:
            found.append(name("ABSENT"))
            continue
        value = writer.fresh("value")
        found.append(name(value))
        read = _from_row(writer, "row", value, source)
        if source.refers:
            reading = writer.string(value)
        else:
            reading = writer.canonical(attribute.type, value)
            if isinstance(attribute.type, RecordType):
                reading += filled("if not value.complete_: return None", value=value)
        if attribute.optional:
            get, *converting = read
            absent = filled("value = ABSENT", value=value)
            body += [
                get,
                ast.If(expression("value is None", value=value), absent, [*converting, *reading]),
            ]
        else:
            body += [*read, *reading]
    line = "frozenset([(type_name, id_)])" if lined and not type_.parents else "None"
    parents = ast.Constant(None) if type_.parents else name("EMPTY")
    known = ast.Constant(complete)
    rest = [
        expression(line, type_name=ast.Constant(type_.name)),
        parents,
        name("NONE"),
        known,
        known,
        ast.Constant(True),
    ]
    given = arguments(type_, name("id_"), found, *rest)
    made = ast.Call(writer.named("made", entity_class(type_)), [*given], [])
    return writer.finish([*body, ast.Return(made)], ("row",))


def _from_row(writer: Writer, row: str, value: str, source: RowAttribute) -> Body:
    """Assign to *value* what *source* gives of an object: one statement, and then those that convert it."""
    if isinstance(source.source, str):
        get: ast.expr = ast.Attribute(name(row), source.source, ast.Load())
    else:
        get = ast.Call(writer.named("source", source.source), [name(row)], [])
    body: Body = [assign(value, get)]
    if source.convert is not None:
        plain, convert = (
            writer.named("plain", source.plain),
            writer.named("convert", source.convert),
        )
        body += filled(_CONVERTED, value=value, plain=plain, convert=convert)
    return body
