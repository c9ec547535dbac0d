"""Check what is written out: sets, records, and in tests entities with what belongs to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.model.records import record_class
from policyengine.model.types import (
    PRIMITIVES,
    SCHEDULE,
    Attribute,
    EntityRefType,
    RecordType,
    SetType,
    Type,
)
from policyengine.model.values import ABSENT
from policyengine.semantics import messages, time_messages
from policyengine.semantics.checked import Value
from policyengine.semantics.guards import NO_GUARDS, Guards
from policyengine.semantics.inference import Inference
from policyengine.semantics.vocabulary import UNKNOWN, record
from policyengine.syntax import nodes


def check_set(
    checker: Inference, node: nodes.SetDisplay, guards: Guards, wanted: Type | None
) -> Type:
    """Return the type of a set that is written out, and note its value if it is constant."""
    if not node.items and isinstance(wanted, RecordType):
        return check_record(checker, node, (), guards, wanted)
    if not node.items:
        if not isinstance(wanted, SetType):
            if wanted is not UNKNOWN:
                checker.problems.append(messages.no_type(node.span))
            return UNKNOWN
        return checker.bind(node, Value(wanted, frozenset()))
    element = wanted.element if isinstance(wanted, SetType) else None
    for item in sorted(node.items, key=checker.is_indefinite):
        if element is None or element is UNKNOWN:
            element = checker.infer(item, guards)
        else:
            checker.expect(item, element, guards)
    assert element is not None
    if element == SCHEDULE:
        checker.problems.append(time_messages.misplaced_schedule(node.span))
        return UNKNOWN
    known = [checker.bindings.get(id(item)) for item in node.items]
    constant = [binding.value for binding in known if isinstance(binding, Value)]
    if len(constant) == len(node.items) and element is not UNKNOWN:
        checker.bindings[id(node)] = checker.vocabulary.constant_set(element, constant)
    return SetType(element)


def check_record(
    checker: Inference,
    node: nodes.RecordDisplay | nodes.SetDisplay,
    fields: Sequence[nodes.RecordField],
    guards: Guards,
    wanted: Type | None,
) -> Type:
    """Return the type of a record with *fields*, and note its value if it is constant."""
    checker.problems += repeats(fields)
    if not isinstance(wanted, RecordType):
        made = record(
            Attribute(f.name.name, checker.infer(f.value, guards))
            for f in {f.name.name: f for f in fields}.values()
        )
        if any(attribute.type == SCHEDULE for attribute in made.attributes):
            checker.problems.append(time_messages.misplaced_schedule(node.span))
            return UNKNOWN
    else:
        made = wanted
        check_fields(checker, fields, wanted.by_name, "this record", guards)
        given = {f.name.name for f in fields}
        for attribute in wanted.attributes:
            if not attribute.optional and attribute.name not in given:
                checker.problems.append(
                    messages.lacks_attribute(node.span, "this record", attribute.name)
                )
    known = {f.name.name: checker.bindings.get(id(f.value)) for f in fields}
    constant = {name: b.value for name, b in known.items() if isinstance(b, Value)}
    required = {a.name for a in made.attributes if not a.optional}
    if len(constant) == len(known) and required <= set(constant) <= set(made.by_name):
        values = (constant.get(a.name, ABSENT) for a in made.attributes)
        checker.bindings[id(node)] = Value(made, record_class(made)(*values))
    return made


def fields_of(expr: nodes.Expr) -> tuple[nodes.RecordField, ...]:
    """Return the fields that are written in a record, or in a change of one."""
    match expr:
        case nodes.RecordDisplay(fields) | nodes.Update(_, nodes.RecordDisplay(fields)):
            return fields
    return ()


_ABOVE = re.compile(r"parents?|ancestors?", re.IGNORECASE)


def repeats(fields: Sequence[nodes.RecordField]) -> list[Diagnostic]:
    """Return a report of each name that is given twice."""
    first: dict[str, nodes.Ident] = {}
    return [
        messages.given_twice(f.name, first[f.name.name])
        for f in fields
        if first.setdefault(f.name.name, f.name) is not f.name
    ]


def check_fields(
    checker: Inference,
    fields: Sequence[nodes.RecordField],
    known: Mapping[str, Attribute],
    owner: str,
    guards: Guards = NO_GUARDS,
    *,
    of_entity: bool = False,
) -> None:
    """Check that each field is one of *known* and has its type."""
    for f in fields:
        attribute = known.get(f.name.name)
        if attribute is None:
            above = of_entity and _ABOVE.fullmatch(f.name.name)
            help = 'parents are written before the braces: `under Type "id"`' if above else None
            problem = messages.no_attribute(owner, f.name, known, help)
            checker.problems.append(problem)
        else:
            checker.expect(f.value, attribute.type, guards)


def check_entity(checker: Inference, node: nodes.EntityRef) -> Type:
    """Return the type of an entity; in tests, check what belongs to it."""
    value = PRIMITIVES.get(node.type.name) if node.type.package is None else None
    if value is not None:
        checker.problems.append(messages.no_entity(node, value))
        return UNKNOWN
    name = checker.vocabulary.entity_name(node.type, checker.scope)
    if checker.shared is None:
        if node.attributes is not None or node.parents is not None:
            help = 'in a rule an entity is only named: `App "a1"`'
            what = "what belongs to an entity"
            checker.problems.append(messages.only_in_tests(node.span, what, help))
    elif name is not None:
        _contents(checker, name, node.attributes)
        for parent in node.parents or ():
            lies_in = checker.vocabulary.entity_name(parent.type, checker.scope)
            around = checker.vocabulary.entities[name].parents
            if lies_in and lies_in not in around:
                help = f"declare it: `entity {name} in {lies_in}`"
                if around:
                    help = f"its parents are of type {messages.listed(sorted(around))}"
                checker.problems.append(messages.never_within(parent.span, name, lies_in, help))
    if name is None:
        return UNKNOWN
    if node.attributes is None and node.parents is None:
        return checker.bind(node, Value(EntityRefType(name), node.id))
    return EntityRefType(name)


def _contents(
    checker: Inference, entity: str, written: nodes.RecordDisplay | nodes.SetDisplay | None
) -> None:
    """Check what a test says of an entity; what no rule reads may be left out."""
    match written:
        case nodes.RecordDisplay(fields):
            checker.problems += repeats(fields)
            known = checker.vocabulary.entities[entity].by_name
            check_fields(checker, fields, known, f"`{entity}`", of_entity=True)
        case nodes.SetDisplay(items) if items:
            checker.problems.append(
                messages.wrong_type(
                    written.span, "`name: value`", checker.infer(written, NO_GUARDS)
                )
            )


def check_update(checker: Inference, node: nodes.Update, wanted: Type | None) -> Type:
    """Return the type of an entity with changes, which only tests have."""
    found = checker.infer(node.object, NO_GUARDS, wanted)
    if checker.shared is None:
        help = "a rule reads what the request gives"
        checker.problems.append(messages.only_in_tests(node.span, "a changed entity", help))
    elif isinstance(found, EntityRefType):
        _contents(checker, found.name, node.changes)
        return found
    elif found is not UNKNOWN:
        checker.problems.append(messages.wrong_type(node.object.span, "an entity", found))
    return UNKNOWN
