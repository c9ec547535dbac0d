"""Write the types of a policy set as Python, for type checkers to see its attributes, actions and contexts.

What is written is a module: dicts for entities, references and contexts (`TypedDict`), literals for the
names of enumerations, levels and taxonomies, and a `Protocol` with an overload for each action, which a `PolicyEngine`
is taken for. It imports under names that nothing of a policy gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from keyword import iskeyword
from typing import Final, assert_never

from policyengine.model.entities import Entity
from policyengine.model.types import (
    Attribute,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    Schema,
    SetType,
    TableType,
    TaxonomyType,
    Type,
    table_given,
)

_PRIMITIVES: Final = {
    "bool": "bool", "int": "int", "string": "str", "months": "str", "path": "str",
    "decimal": "_decimal.Decimal | str", "datetime": "_datetime.datetime | str",
    "duration": "_datetime.timedelta | str",
    "ip": "_ip.IPv4Address | _ip.IPv6Address | _ip.IPv4Network | _ip.IPv6Network | str",
}  # fmt: skip

_READ: Final = {
    "bool": "bool", "int": "int", "string": "str", "months": "str", "path": "str",
    "decimal": "_decimal.Decimal", "datetime": "_datetime.datetime", "duration": "_datetime.timedelta",
    "ip": "_ip.IPv4Address | _ip.IPv6Address | _ip.IPv4Network | _ip.IPv6Network",
}  # fmt: skip
"""What is read of a built entity, as `model.values.to_python` gives it."""

_BUILTINS: Final = ("bool", "int", "str", "object", "frozenset", "list", "property")
"""The names of Python's that are written."""

_SLOTS: Final = (
    "id",
    "line",
    "parents_",
    "carried_",
    "complete_",
    "plain_",
    "described_",
    "passed_",
)
"""What a class of entities has beside its attributes and what `Entity` says."""

_HEAD: Final = '''"""Types of a policy set, written by `policyengine stubs`: write them again when it changes."""

from __future__ import annotations

'''

_IMPORTS: Final = {
    "collections.abc": "_abc", "datetime": "_datetime", "decimal": "_decimal", "ipaddress": "_ip", "typing": "_t",
    "policyengine": "_p",
}  # fmt: skip

_MORE: Final = (
    "now: _datetime.datetime | str | None = None",
    "fields: _abc.Collection[str] | None = None",
    "entities: _p.EntityStore | _abc.Iterable[object] | None = None",
)


def type_stubs(schema: Schema) -> str:
    """Return the module for a policy set with *schema*."""
    body = "\n".join(_Writer(schema).lines())
    used = [
        f"import {module} as {name}\n" for module, name in _IMPORTS.items() if f"{name}." in body
    ]
    used.insert(-1, "\n")
    return f"{_HEAD}{''.join(used)}\n{body}\n"


class _Writer:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._taken = {"Action", "Engine", "typed", *_BUILTINS}
        self._taken |= {*_IMPORTS.values()}
        self._names: dict[tuple[str, str], str] = {}
        self._before: list[str] = []

    def _name(self, kind: str, of: str, wish: str) -> str:
        """Return the name of a class, which no other has."""
        found = self._names.get((kind, of))
        if found is None:
            found = re.sub(r"\W", "_", wish)
            while found in self._taken or iskeyword(found) or not found.isidentifier():
                found += "_"
            self._taken.add(found)
            self._names[kind, of] = found
        return found

    def lines(self) -> Iterator[str]:
        schema = self._schema
        for name in schema.entities:
            self._name("entity", name, name)
        yield _alias("Action", f"_t.Literal{_listed(schema.actions)}" if schema.actions else "str")
        for name in schema.entities:
            yield _dict(self._ref(name), [("type", f"_t.Literal[{name!r}]"), ("id", "str")])
        for name, type_ in schema.entities.items():
            made = self._dict_of(
                "properties", name, f"{name}Properties", type_.attributes, all_optional=True
            )
            above = " | ".join(map(self._ref, type_.parents))
            parts = [
                ("type", f"_t.Literal[{name!r}]"), ("id", "str"), ("properties", f"_t.NotRequired[{made}]"),
                *([("parents", f"_t.NotRequired[_abc.Sequence[{above} | _p.Entity]]")] if above else []),
            ]  # fmt: skip
            yield from self._flush()
            yield _dict(self._name("entity", name, name), parts)
        contexts = {}
        for name, action in schema.actions.items():
            wish = (
                "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", name)) + "Context"
            )
            contexts[name] = self._dict_of("context", name, wish, action.context.attributes)
            yield from self._flush()
        yield from self._built()
        yield from self._engine(contexts)

    def _flush(self) -> list[str]:
        found, self._before = self._before, []
        return found

    def _ref(self, name: str) -> str:
        return self._name("ref", name, f"{name}Ref")

    def _dict_of(
        self,
        kind: str,
        of: str,
        wish: str,
        attributes: Iterable[Attribute],
        *,
        all_optional: bool = False,
        read: bool = False,
    ) -> str:
        """Write the class of dicts with these attributes, as they are given or *read*, and return its name."""
        made = self._name(kind, of, wish)
        parts = []
        for attribute in attributes:
            type_ = self._type(
                attribute.type, f"{made}{attribute.name[:1].upper()}{attribute.name[1:]}", read=read
            )
            optional = all_optional or attribute.optional
            parts.append((attribute.name, f"_t.NotRequired[{type_}]" if optional else type_))
        self._before.append(_dict(made, parts))
        return made

    def _type(self, type_: Type, wish: str, *, read: bool = False) -> str:
        match type_:
            case Primitive(name):
                return (_READ if read else _PRIMITIVES)[name]
            case EnumType() | LevelsType() | TaxonomyType():
                key = "names", f"{type_.package}.{type_.name}"
                if key not in self._names:
                    made = _alias(
                        self._name(*key, type_.name), f"_t.Literal{_listed(type_.positions)}"
                    )
                    self._before.append(f"\n{made.rstrip()}")
                return self._names[key]
            case EntityRefType(name):
                return self._ref(name) if read else f"{self._ref(name)} | _p.Entity"
            case SetType(element) if read:
                made = (
                    "list"
                    if isinstance(element, RecordType | EntityRefType | SetType)
                    else "frozenset"
                )
                return f"{made}[{self._type(element, wish, read=True)}]"
            case SetType(RecordType() | SetType() as element):
                return f"_abc.Sequence[{self._type(element, wish)}]"
            case SetType(element):
                inner = self._type(element, wish)
                return f"_abc.Sequence[{inner}] | _abc.Set[{inner}]"
            case RecordType(attributes):
                kind = "read record" if read else "record"
                return self._dict_of(kind, wish, wish, attributes, read=read)
            case TableType():
                raise table_given(type_)
            case _:
                assert_never(type_)

    def _built(self) -> Iterator[str]:
        """Write the classes of built entities, which are one at run time."""
        types = {}
        for name, type_ in self._schema.entities.items():
            made = self._name("built", name, f"Built{name}")
            types[name] = {
                a.name: self._type(a.type, f"{made}{a.name[:1].upper()}{a.name[1:]}", read=True)
                for a in type_.attributes
            }
        yield from self._flush()
        if not types:
            return
        yield "\nif _t.TYPE_CHECKING:"
        for name, attributes in types.items():
            yield f"\n    class {self._name('built', name, '')}(_p.Entity, frozen=True):"
            for attribute, written in attributes.items():
                if self._is_read_by_name(attribute):
                    yield "        @property"
                    yield f"        def {attribute}(self) -> {written}: raise AttributeError\n"
            asked = {f"_t.Literal[{a!r}]": type_ for a, type_ in attributes.items()} | {
                "str": "object"
            }
            for key, written in asked.items() if attributes else ():
                yield "        @_t.overload"
                yield f"        def __getitem__(self, name: {key}) -> {written}: ..."
            yield "        def __getitem__(self, name: str) -> object: raise KeyError\n"
        yield "else:"
        yield "".join(f"    {self._name('built', name, '')} = _p.Entity\n" for name in types)

    def _is_read_by_name(self, attribute: str) -> bool:
        """Tell whether an attribute of a built entity is one of Python, and hides no name that is written after it."""
        is_name = attribute.isidentifier() and not iskeyword(attribute)
        hidden = {*self._taken, *_SLOTS, *Entity.__annotations__}
        return is_name and not hasattr(Entity, attribute) and attribute not in hidden

    def _engine(self, contexts: dict[str, str]) -> Iterator[str]:
        yield "\nclass Engine(_t.Protocol):"
        yield '    """A `PolicyEngine` of this policy set, as type checkers see it."""\n'
        for method in ("decide", "require"):
            yield from _overloaded(
                method,
                [
                    [
                        f"subject: {self._one_of(action.subjects)}", f"action: _t.Literal[{name!r}]",
                        f"resource: {self._one_of(action.resources)}",
                        f"context: {contexts[name]} | None = None"
                        if all(a.optional for a in action.context.attributes)
                        else f"context: {contexts[name]}",
                        "*", *_MORE,
                    ]
                    for name, action in self._schema.actions.items()
                ],
                ["_p.Decision"] * len(self._schema.actions),
            )  # fmt: skip
        yield from _overloaded(
            "entity",
            [
                [
                    f"type: _t.Literal[{name!r}]", "id: str",
                    f"properties: {self._name('properties', name, '')} | None = None", "/", "*",
                    "parents: _abc.Iterable[object] | None = None",
                    *self._keywords(name, type_),
                ]
                for name, type_ in self._schema.entities.items()
            ],
            [self._name("built", name, "") for name in self._schema.entities],
        )  # fmt: skip
        yield "\nif _t.TYPE_CHECKING:"
        yield "    def typed(engine: _p.PolicyEngine) -> Engine: raise TypeError"
        yield "else:"
        yield "    def typed(engine):"
        yield '        """Return the engine, which must be of this policy set."""'
        yield "        return engine"

    def _keywords(self, name: str, type_: EntityType) -> list[str]:
        """Return the attributes as keywords; one that is called like a parameter is given in the dict."""
        if not type_.attributes or "parents" in type_.by_name:
            return []
        return [f"**attributes: _t.Unpack[{self._name('properties', name, '')}]"]

    def _one_of(self, types: Sequence[str]) -> str:
        return " | ".join([*(self._name("entity", name, name) for name in types), "_p.Entity"])


def _overloaded(
    name: str, signatures: Sequence[Sequence[str]], returns: Sequence[str]
) -> Iterator[str]:
    for parameters, returned in zip(signatures, returns, strict=True):
        if len(signatures) > 1:
            yield "    @_t.overload"
        yield f"    def {name}(self, {', '.join(parameters)}) -> {returned}: ...\n"


def _alias(name: str, value: str) -> str:
    return f"{name}: _t.TypeAlias = {value}\n"


def _dict(name: str, parts: Sequence[tuple[str, str]]) -> str:
    """Return a class of dicts: as a call where a key is no name of Python's, or one that a class would change."""
    if all(
        key.isidentifier() and not iskeyword(key) and not key.startswith("__") for key, _ in parts
    ):
        body = "".join(f"    {key}: {value}\n" for key, value in parts) or "    pass\n"
        return f"\nclass {name}(_t.TypedDict):\n{body}"
    inside = "".join(f"    {key!r}: {value!r},\n" for key, value in parts)
    return f"\n{name} = _t.TypedDict({name!r}, {{\n{inside}}})\n"


def _listed(names: Iterable[str]) -> str:
    return "[" + ", ".join(map(repr, names)) + "]"
