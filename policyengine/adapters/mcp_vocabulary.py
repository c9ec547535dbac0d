"""Make the vocabulary of a policy set from a manifest of MCP tools, which whoever wrote the server wrote: nothing in it is trusted.

A tool is an action, and what its schema says of its arguments is the context. Names that policies cannot have
are written so that no two become one, and nothing of a manifest is text of the vocabulary but names. What
cannot be said in policies is left out, and listed in a comment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_MOST_TOOLS: Final = 1_000
_MOST_PROPERTIES: Final = 100
_MOST_IN_ALL: Final = 20_000
_MOST_NAMES: Final = 200
_LONGEST: Final = 128
_DEEPEST: Final = 4
_PRIMITIVES: Final = {"boolean": "bool", "integer": "int", "string": "string"}
_FORMATS: Final = {
    "date-time": "datetime", "path": "path", "file-path": "path", "directory-path": "path",
}  # fmt: skip
"""The types of texts of a format: those of times, and what pydantic writes for paths."""


def action_of(tool: str) -> str:
    """Return the name that the action of a tool has in policies, which no other tool has."""
    return "call_" + _written(tool)


def attribute_of(argument: str) -> str:
    """Return the name that an argument has in policies, which no other has."""
    written = _written(argument)
    return f"_x{ord(written[0]):x}_{written[1:]}" if written[:1].isdigit() else written


def _written(name: str) -> str:
    """Return *name* with a code for each character that names of policies lack; itself if there is none."""
    if name.isascii() and name.isidentifier() and "_x" not in name:
        return name
    return re.sub(r"[^A-Za-z0-9_]|_(?=x)", lambda found: f"_x{ord(found[0]):x}_", name)


def vocabulary(tools: Iterable[Any], *, package: str = "tools") -> str:
    """Return the vocabulary for *tools*: dicts of a manifest, or tools of FastMCP; rules about them are yours.

    Raises `ValueError` for a manifest that is too large, or in which a tool has no name, or one that another has.
    """
    writer = _Writer()
    actions: dict[str, list[str]] = {}
    for tool in tools:
        if len(actions) == _MOST_TOOLS:
            raise ValueError(f"a manifest has at most {_MOST_TOOLS:,} tools")
        name, schema = _parts_of(tool)
        action = action_of(_checked(name, "a tool"))
        if action in actions:
            raise ValueError(f"there are two tools of the name {json.dumps(name)}")
        actions[action] = list(writer.action(action, schema))
    lines = [
        f"package {package}",
        "",
        "entity Caller",
        "entity Server",
        "",
        "group tools by Caller on Server",
    ]
    rest = [line for action in actions.values() for line in action]
    rest += ["action read_resource by Caller on Server with { uri: string (by caller) }"]
    rest += ["action get_prompt by Caller on Server with { name: string (by caller) }"]
    return "\n".join([*lines, *writer.enums, *rest]) + "\n"


def _parts_of(tool: Any) -> tuple[Any, Any]:
    if isinstance(tool, Mapping):
        return tool.get("name"), tool.get("inputSchema", tool.get("input_schema"))
    return tool.name, getattr(tool, "parameters", None) or getattr(tool, "input_schema", None)


def _checked(name: Any, what: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST:
        raise ValueError(f"the name of {what} is a text of 1 to {_LONGEST} characters")
    return name


class _Writer:
    def __init__(self) -> None:
        self.enums: list[str] = []
        self._count = 0
        self._taken = {"Caller", "Server"}

    def action(self, name: str, schema: Any) -> Iterator[str]:
        lacking: list[str] = []
        definitions = schema.get("$defs", {}) if isinstance(schema, Mapping) else {}
        schemas = _Schemas(definitions if isinstance(definitions, Mapping) else {})
        wish = "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Name"
        record = self._record(schema, schemas, wish, lacking, 0)
        if lacking:
            yield f"# {name}: policies do not see {', '.join(lacking)}"
        yield f"action {name} in tools" + (f" with {record}" if record else "")

    def _record(
        self, schema: Any, schemas: _Schemas, wish: str, lacking: list[str], depth: int
    ) -> str:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        if not isinstance(properties, Mapping) or not properties:
            return ""
        if len(properties) > _MOST_PROPERTIES:
            raise ValueError(f"a schema has at most {_MOST_PROPERTIES} properties")
        required = found if isinstance(found := schema.get("required"), list) else []
        parts: dict[str, str] = {}
        self._count += len(properties)
        if self._count > _MOST_IN_ALL:
            raise ValueError(f"the schemas of a manifest have at most {_MOST_IN_ALL:,} properties")
        for name, written_schema in properties.items():
            written = attribute_of(_checked(name, "an argument"))
            its, may_be_null = schemas.resolved(written_schema)
            type_ = self._type(its, schemas, f"{wish}{written[:1].upper()}{written[1:]}", depth)
            if type_ is None:
                lacking.append(written)
                continue
            has_default = isinstance(its, Mapping) and its.get("default") is not None
            optional = may_be_null or not (name in required or has_default)
            by = "" if depth else " (by caller)"
            parts[written] = f"{written}{'?' * optional}: {type_}{by}"
        return "{ " + ", ".join(parts.values()) + " }" if parts else ""

    def _type(self, schema: Any, schemas: _Schemas, wish: str, depth: int) -> str | None:
        if not isinstance(schema, Mapping) or depth > _DEEPEST:
            return None
        kind, names = schema.get("type"), schema.get("enum")
        if names is not None:
            return self._enum(names, wish)
        if kind == "array":
            items, may_be_null = schemas.resolved(schema.get("items"))
            inner = None if may_be_null else self._type(items, schemas, wish, depth + 1)
            return None if inner is None or inner.startswith("set<") else f"set<{inner}>"
        if kind == "object":
            lacking: list[str] = []
            made = self._record(schema, schemas, wish, lacking, depth + 1)
            return None if lacking or not made else made
        format_ = schema.get("format")
        if kind == "string" and isinstance(format_, str) and format_ in _FORMATS:
            return _FORMATS[format_]
        return _PRIMITIVES.get(kind) if isinstance(kind, str) else None

    def _enum(self, names: Any, wish: str) -> str | None:
        if (
            not isinstance(names, list)
            or not 0 < len(names) <= _MOST_NAMES
            or len({*map(str, names)}) < len(names)
        ):
            return None
        if not all(
            isinstance(one, str) and 0 < len(one) <= _LONGEST and one.isprintable() for one in names
        ):
            return None
        while wish in self._taken:
            wish += "_"
        self._taken.add(wish)
        self.enums.append(
            f"enum {wish} = " + " | ".join(json.dumps(one, ensure_ascii=False) for one in names)
        )
        return wish


class _Schemas:
    """The definitions of a schema, to which others refer."""

    def __init__(self, definitions: Mapping[Any, Any]) -> None:
        self._definitions = definitions

    def resolved(self, schema: Any) -> tuple[Any, bool]:
        """Return a schema without references and without null, and whether it has null."""
        may_be_null = False
        for _ in range(_DEEPEST):
            if not isinstance(schema, Mapping):
                break
            reference, choices = schema.get("$ref"), schema.get("anyOf")
            if isinstance(reference, str):
                found = self._definitions.get(reference.removeprefix("#/$defs/"))
                schema = (
                    {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
                    if isinstance(found, Mapping)
                    else None
                )
            elif isinstance(choices, list):
                others = [one for one in choices if one != {"type": "null"}]
                may_be_null |= len(others) < len(choices)
                rest = {k: v for k, v in schema.items() if k != "anyOf"}
                schema = (
                    {**rest, **others[0]}
                    if len(others) == 1 and isinstance(others[0], Mapping)
                    else None
                )
            else:
                break
        return schema, may_be_null
