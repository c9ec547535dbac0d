"""Take objects of registered classes for entities: rows, models, dataclasses.

An object becomes what a dict would say of it, and goes the way of a dict from there. Only what the rules for the
action and the types read of it is asked for, each once, and what they follow to: `Search` in `model/gaps.py` goes
the same way. What cannot be read, or has no meaning here, becomes a `Refused` with the name of the thing, which
validation reports at its place. So a row that lost its session is a problem, never an absent value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice, product
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from msgspec.structs import replace

from policyengine.intake.foreign import FoundEntities, plain
from policyengine.intake.mapped_classes import (
    BUILT_IN,
    AttributeSource,
    Mapped,
    NoClass,
    Ref,
    elements,
    id_text,
    is_a_name,
    referred,
    scalar,
    texts,
)
from policyengine.intake.object_reading import ObjectReading, Said, action_name, said_of
from policyengine.intake.raw import RawRequest
from policyengine.model.entities import Entity
from policyengine.model.limits import Limits
from policyengine.model.needs import NOTHING, Needs, RequestNeeds, read_of_each
from policyengine.model.records import Record
from policyengine.model.request_messages import meant
from policyengine.model.settings import check_text
from policyengine.model.types import (
    STRING,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    Schema,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
)

if TYPE_CHECKING:
    from policyengine.compiler.row_reader_codegen import RowAttribute


class ByClasses(dict[tuple[type, type], Any]):
    """What reads the subject and the resource of requests, by their classes, as long as no class is registered."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # `Objects` has a set of them
    __eq__ = object.__eq__


class Objects:
    """The registered classes of one schema; *needs*: what the rules for a target read.

    *kept*: what is kept of how objects are read, which is emptied when a class is registered.
    """

    def __init__(
        self, schema: Schema, limits: Limits, needs: Callable[[TargetKey], RequestNeeds]
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._needs = needs
        self.by_class: dict[type, Mapped] = {}
        self._derived: WeakKeyDictionary[type, Mapped] = WeakKeyDictionary()
        self._by_type: dict[str, Needs] = {}
        self.kept: WeakSet[ByClasses] = WeakSet()
        self.registered = 0  # how often a class was

    def __bool__(self) -> bool:
        return bool(self.by_class)

    def register(
        self,
        class_: Any,
        type_: str,
        id_: AttributeSource,
        parents: AttributeSource,
        attributes: Mapping[str, AttributeSource],
    ) -> None:
        """Take objects of *class_* for entities of *type_*; raises as `PolicyEngine.register` does."""
        if (
            not isinstance(class_, type)
            or class_ in BUILT_IN
            or issubclass(class_, Entity | Record)
        ):
            raise TypeError(f"a class of your own is registered, not {class_!r}")
        check_text("type", type_)
        found = self._schema.entities.get(type_)
        if found is None:
            known = self._schema.entities
            raise ValueError(f"there is no entity type {type_!r}{meant(type_, known)}")
        unknown = sorted(attributes.keys() - found.by_name.keys())
        if unknown:
            help = meant(unknown[0], found.by_name)
            raise ValueError(f"`{type_}` has no attribute {unknown[0]!r}{help}")
        for name, source in {"id": id_, "parents": parents, **attributes}.items():
            if not (source is None or isinstance(source, str | Ref) or callable(source)):
                raise TypeError(
                    f"`{name}` is the name of an attribute, a `Ref`, a function or None"
                )
        if id_ is None:
            raise TypeError("`id` is what gives the id of an object")
        self._check_ref("parents", parents, found.parents)
        sources = {name: attributes.get(name, name) for name in found.by_name}
        for name, source in sources.items():
            self._check_ref(name, source, referred(found.by_name[name].type))
        self.by_class[class_] = Mapped(found, class_.__qualname__, id_, parents, sources)
        self._derived = WeakKeyDictionary()
        self.registered += 1
        for kept in list(self.kept):  # of other engines of the set and of bound subjects, too
            kept.clear()

    def _check_ref(self, name: str, source: AttributeSource, types: tuple[str, ...]) -> None:
        if not isinstance(source, Ref):
            return
        if not types:
            raise ValueError(f"`{name}` refers to no entity, so no `Ref` gives it")
        if source.type not in types and not (source.type is None and len(types) == 1):
            raise ValueError(
                f"the `Ref` of `{name}` has one of the types {', '.join(types)}: say which"
            )

    def find(self, class_: type) -> Mapped | None:
        """Return how objects of a class are read: as those of the first class that it derives from."""
        try:
            found = self.by_class.get(class_)
            if found is not None or class_ in BUILT_IN or issubclass(class_, Entity):
                return found
            found = self._derived.get(class_)
            if found is None:
                bases = (self.by_class.get(base) for base in class_.__mro__)
                found = next((mapped for mapped in bases if mapped is not None), None)
                if found is not None:
                    self._derived[class_] = found
        except Exception:  # noqa: BLE001 - of a class whose own class fails: it is none that is registered
            return None
        return found

    # ---- requests -----------------------------------------------------------------------

    def request(self, raw: RawRequest, target: TargetKey | None = None) -> RawRequest:
        """Return a request in which dicts stand for objects; *target*: if it is known."""
        if not self.by_class:
            return raw
        reading = ObjectReading(self.find, self._limits, self._schema)
        # Each is read once: what follows reads the action and the types from what this returns.
        action = plain(raw.action)
        subject, resource = reading.given(raw.subject), reading.given(raw.resource)
        if target is None:
            target = self.target(action, subject, resource)
        needs = RequestNeeds() if target is None else self._needs(target)
        others = raw.entities
        if isinstance(others, Iterable) and not isinstance(others, str | bytes | Mapping):
            others = [*map(reading.given, islice(others, self._limits.entities + 1))]
        context = raw.context
        if target is not None:
            type_ = self._schema.actions[target[0]].context
            context = reading.context(context, type_, needs.context)
        reading.read(subject, needs.subject)
        reading.read(resource, needs.resource)
        reading.follow()
        known = others if isinstance(others, list) else []
        found = reading.others((subject, resource, *known))
        if found or isinstance(others, list):
            said = [*map(said_of, known)]
            count = raw.entities.given if type(raw.entities) is FoundEntities else len(said)
            others = FoundEntities(said[:count], [*said[count:], *found])
        parts = said_of(subject), action, said_of(resource), context, raw.now, raw.fields, others
        return RawRequest(*parts, raw.store, raw.ignored)

    def target(self, action: object, subject: object, resource: object) -> TargetKey | None:
        """Return the target of a request by its parts in any form that validation takes; None if it has none."""
        name = action_name(action)
        found = None if name is None else self._schema.actions.get(name)
        types = self.type_of(subject), self.type_of(resource)
        if found is None or types[0] not in found.subjects or types[1] not in found.resources:
            return None
        return found.name, types[0], types[1]

    def type_of(self, part: object) -> str | None:
        """Return the name of the entity type of a part in any form, as far as it says one."""
        mapped = part.mapped if isinstance(part, Said) else self.find(type(part))
        if mapped is not None:
            return mapped.type.name
        part = plain(part)
        said = plain(part.get("type")) if type(part) is dict else None
        if isinstance(part, Entity):
            said = part.type
        return said if type(said) is str else None

    def row_reader(self, class_: type, needs: Needs, *, lined: bool) -> Callable[[Any], Any] | None:
        """Return what builds entities of objects of a class; None if rules follow from them to others.

        Where it raises, or gives None, `request` takes the object. *lined*: whether ancestors may be asked for.
        """
        from policyengine.compiler.row_reader_codegen import row_reader

        mapped = self.find(class_)
        if mapped is None or (needs.line and mapped.parents is not None):
            return None
        sources = {"id": replace(self._row_attribute(STRING, mapped.id), convert=id_text)}
        for name, inner in needs.attributes.items():
            attribute, source = mapped.type.by_name.get(name), mapped.attributes.get(name)
            if attribute is not None and source is not None:
                if referred(attribute.type) and (inner.elements or inner):
                    return None
                sources[name] = self._row_attribute(attribute.type, source)
        if not all(callable(one.source) or is_a_name(one.source) for one in sources.values()):
            return None
        return row_reader(mapped.type, self._limits, sources, lined=lined)

    def _row_attribute(self, type_: Type, source: AttributeSource) -> RowAttribute:
        from policyengine.compiler.row_reader_codegen import RowAttribute

        of = source.of if isinstance(source, Ref) else source
        assert of is not None
        match type_:
            case Primitive("string") | EnumType() | LevelsType() | TaxonomyType():
                return RowAttribute(of, str, scalar)
            case SetType(EnumType() | LevelsType() | TaxonomyType() | Primitive("string")):
                return RowAttribute(of, frozenset, texts)
            case EntityRefType() if isinstance(source, Ref):
                return RowAttribute(of, str, id_text, refers=True)
            case EntityRefType():
                return RowAttribute(of, dict, self._row_reference)
            case SetType(EntityRefType(name)) if isinstance(source, Ref):
                of_type = source.type or name

                def refer(raw: object) -> object:
                    return [{"type": of_type, "id": id_text(one)} for one in elements(raw)]

                return RowAttribute(of, NoClass, refer)
            case SetType(EntityRefType()):
                return RowAttribute(
                    of, NoClass, lambda raw: [*map(self._row_reference, elements(raw))]
                )
            case _:
                return RowAttribute(of)

    def _row_reference(self, raw: object) -> object:
        mapped = self.find(type(raw))
        return raw if mapped is None else {"type": mapped.type.name, "id": mapped.id_of(raw)}

    def subject(self, raw: object) -> tuple[object, list[object]]:
        """Return what any rule reads of a subject, and of what it leads to."""
        mapped = self.find(type(raw))
        reading = ObjectReading(self.find, self._limits, self._schema)
        root = reading.given(raw)
        if mapped is not None:
            reading.read(root, self._subject_needs(mapped.type.name))
            reading.follow_all(self._needs_of)
        return said_of(root), reading.others([root])

    def _subject_needs(self, type_: str) -> Needs:
        needs = NOTHING
        for action in self._schema.actions.values():
            for types in product(action.subjects, action.resources):
                if types[0] == type_:
                    needs |= self._needs((action.name, *types)).subject
        return needs

    def _needs_of(self, type_: EntityType) -> Needs:
        """Return what any rule reads of entities of a type, wherever it comes to one, and follows no further."""
        found = self._by_type.get(type_.name)
        if found is None:
            names, line = dict[str, Needs](), False
            for action in self._schema.actions.values():
                for types in product(action.subjects, action.resources):
                    target = action.name, *types
                    for owner, part in read_of_each(self._schema, target, self._needs(target)):
                        line = line or part.line  # of which one of that type may be an ancestor
                        if owner is type_:
                            names |= dict.fromkeys(part.attributes, NOTHING)
            found = self._by_type[type_.name] = Needs(names, line=line)
        return found

    def whole(self, raw: object) -> object:
        """Return all that an object says, with references in place of what it leads to."""
        mapped = self.find(type(raw))
        if mapped is None:
            return raw
        reading = ObjectReading(self.find, self._limits, self._schema)
        root = reading.given(raw)
        reading.read(root, Needs(dict.fromkeys(mapped.type.by_name, NOTHING)))
        if mapped.parents is not None:
            reading.read(root, Needs(line=True))
        reading.follow()
        return said_of(root)


def named_parts(read: RawRequest, given: RawRequest) -> tuple[object, object] | None:
    """Return type and id of subject and resource of *given*, which was *read*; None if no objects were."""
    return None if read is given else (_name(read.subject), _name(read.resource))


def _name(part: object) -> object:
    """Return type and id of a dict, and not the values that are beside them; other parts as they are."""
    return {"type": part.get("type"), "id": part.get("id")} if type(part) is dict else part
