"""Generate the readers of whole requests, as fast as hand-written ones.

The reader of a target takes the parts of a request in any form (built entities, dicts, names of
entities in a store), returns what `intake.validation` would make of them, and sees that everything is
known that rules read. Dicts it gives to the readers of entity types and of contexts (`reader_codegen`).

Of parts that were built, a check of each (`part_check`) finds once whether it brings along all that rules read from it;
then it is only seen that no two of them describe one entity.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations
from typing import Any, Final, TypeAlias

from policyengine.compiler.code_templates import Body, expression, filled
from policyengine.compiler.python_nodes import conjunction
from policyengine.compiler.reader_codegen import Reader, Writer
from policyengine.model.entities import entity_class, repeats
from policyengine.model.limits import Limits
from policyengine.model.needs import Needs, RequestNeeds
from policyengine.model.records import record_class
from policyengine.model.types import (
    EntityType,
    RecordType,
    Schema,
    TargetKey,
)

Check: TypeAlias = tuple[int, Callable[[Any], bool], AbstractSet[str]]
"""The number of the check of a part, which is in `passed_` of those that passed it, what checks another part, and the names of
the types of which those that passed may carry entities along."""

_PARTS: Final = ("subject", "resource", "context")


def part_check(
    schema: Schema, type_: EntityType | RecordType, needs: Needs, limits: Limits
) -> Callable[..., Any]:
    """Return the function that reports whether a built part has all that rules read, of the part, the `known` entities and None."""
    writer = Writer(limits)
    body = writer.sufficient("part", type_, needs)
    if isinstance(type_, EntityType):
        if type_.parents:
            body += filled(f"if not ({_COMPARED}): return None")
        body += writer.follow_entity(schema, "part", type_, needs)
    else:
        body += writer.follow(schema, "part", type_, needs)
    body.append(ast.Return(ast.Constant(True)))
    return writer.finish(body, ("part", "known", "store"))


def request_reader(
    schema: Schema,
    target: TargetKey,
    needs: RequestNeeds,
    limits: Limits,
    readers: Sequence[Reader],
    checks: Sequence[Check],
    gather: Callable[..., Any],
    gather_given: Callable[..., Any],
    together: Callable[..., Any],
    *,
    apart: bool,
    follows: bool,
    lined: bool,
    timed: bool,
) -> Callable[..., Any]:
    """Return the reader of requests for *target*, of which *readers* read subject, resource and context.

    It takes these, the time (0 for now), others and the entities of a store, and returns what *finish*, its last
    parameter, makes of subject, resource, context, time and the entities that are known by key. These *gather* puts
    together, and *together* of parts that were built, unless each passes its check. *apart*: whether subject and
    resource can neither be one entity nor one an ancestor of the other. *follows*: whether rules follow to other
    entities; if not, the known ones may be left out. *lined*: whether ancestors of any entity are read. *timed*:
    whether the time plays any part; if not, 0 is returned for now.
    """
    action, *names = target
    context = schema.actions[action].context
    subject, resource = (schema.entities[one] for one in names)
    writer = Writer(limits)
    body: Body = []
    both = [("subject", subject, needs.subject), ("resource", resource, needs.resource)]
    enough: list[ast.expr] = []
    for (part, type_, needed), read in zip(both, readers[:2], strict=True):
        body += filled(
            _PART, part=part, stored=f"stored_{part}", type_name=ast.Constant(type_.name),
            read=writer.named("read", read), Class=writer.named("class", entity_class(type_)),
            lined=ast.Constant(lined), repeats=writer.named("repeats", repeats),
        )  # fmt: skip
        body += writer.sufficient(part, type_, needed)
        enough += writer.enough(part, type_, needed)
    parts: dict[str, ast.expr | str] = {
        "Subject": writer.named("class", entity_class(subject)),
        "Resource": writer.named("class", entity_class(resource)),
        "Context": writer.named("class", record_class(context)),
        "read": writer.named("read", readers[2]), "gather": writer.named("gather", gather),
        "gather_given": writer.named("gather", gather_given), "lined": ast.Constant(lined),
        "together": writer.named("together", together),
        "subject_type": ast.Constant(subject.name), "resource_type": ast.Constant(resource.name),
    }  # fmt: skip
    body += filled(_CONTEXT, **parts)
    body += writer.sufficient("context", context, needs.context)
    enough += writer.enough("context", context, needs.context)
    alone = " and ".join(_alone(part, type_) for part, type_, _ in both)
    known = _BOTH if follows else "NOTHING"
    body += filled(
        _KNOWN.replace("ALONE", alone if apart else "False").replace("KNOWN", known), **parts
    )
    parts["ENOUGH"] = conjunction(enough)
    every: list[tuple[str, EntityType | RecordType, Needs]] = [
        *both,
        ("context", context, needs.context),
    ]
    passed: list[ast.expr] = []
    for (part, kind, needed), (number, check, types) in zip(every, checks, strict=True):
        if types:
            passed += [
                expression(
                    "number in part.passed_ or check(part)",
                    part=part, number=ast.Constant(number), check=writer.named("check", check),
                )
            ]  # fmt: skip
        else:
            passed += [
                *writer.enough(part, kind, needed),
                expression("not part.carried_", part=part),
            ]
    parts["PASSED"] = conjunction(passed)
    parts["MOMENT"] = _moment(timed=timed)
    decided = _decided(target, checks)
    whole = filled(_BUILT.replace("        DECIDED\n", decided), **parts)
    body = [*whole, ast.If(expression("known is None"), body, [])]
    body = _without_context(writer, readers[2]) + body
    for part, type_, needed in both:
        body += writer.follow_entity(schema, part, type_, needed)
    body += writer.follow(schema, "context", context, needs.context)
    body += filled("return finish(subject, resource, context, MOMENT, known)", **parts)
    return writer.finish(body, (*_PARTS, "now", "others", "store", "finish"))


def stored_reader(
    schema: Schema,
    target: TargetKey,
    needs: RequestNeeds,
    limits: Limits,
    read_context: Reader,
    *,
    timed: bool,
) -> Callable[..., Any]:
    """Return the reader of requests for *target* of which the subject is one of a store's, as of a bound one.

    It takes subject, resource, context and time, the entities of the store, and *finish* as other readers do;
    what gives anything but the type and the id of a resource in the store goes to *take*, its last parameter.
    """
    action, *names = target
    subject, resource = (schema.entities[one] for one in names)
    context = schema.actions[action].context
    writer = Writer(limits)
    body = _without_context(writer, read_context)
    body += filled(
        _CONTEXT + _FOUND_IN_STORE, Resource=writer.named("class", entity_class(resource)),
        Context=writer.named("class", record_class(context)), read=writer.named("read", read_context),
    )  # fmt: skip
    parts = (("subject", subject, needs.subject), ("found", resource, needs.resource))
    for part, type_, needed in parts:
        body += writer.sufficient(part, type_, needed)
        body += writer.follow_entity(schema, part, type_, needed)
    body += writer.sufficient("context", context, needs.context)
    body += writer.follow(schema, "context", context, needs.context)
    finished = "return finish(subject, found, context, MOMENT, known)"
    body += filled(finished, MOMENT=_moment(timed=timed))
    return writer.finish(body, (*_PARTS, "now", "known", "finish", "take"))


def _without_context(writer: Writer, read: Reader) -> Body:
    """Return the statements that take the context which is not given, if nothing must be: it is always the same."""
    nothing = read({})
    if nothing is None or not nothing.complete_:
        return []
    kept = writer.named("nothing", nothing)
    return filled("if context is None: context = nothing", nothing=kept)


def _moment(*, timed: bool) -> ast.expr:
    """Return the moment of a request: 0 is now, which is asked for where time plays a part."""
    return expression("now or clock()" if timed else "now")


_CONTEXT: Final = """
if type(context) is not Context:
    context = read(NOTHING if context is None else context)
    if type(context) is not Context: return None
"""
_FOUND_IN_STORE: Final = """
found = None
if type(resource) is dict and len(resource) == 2:
    kind, id_ = resource["type"], resource["id"]
    if type(kind) is str and type(id_) is str: found = known.get((kind, id_))
if type(found) is not Resource or context.carried_: return take(subject, resource, context, now)
"""
_BUILT: Final = """
known = None
if (
    others is None and store is None and type(subject) is Subject and type(resource) is Resource
    and type(context) is Context
):
    if PASSED:
        DECIDED
    elif ENOUGH:
        known = together(subject, resource, context)
"""
"""Parts that were built and lack nothing that rules read, which are most."""
_KNOWN: Final = """
if others is None and not context.carried_:
    if store is None:
        if ALONE: known = KNOWN
    elif stored_subject is subject and stored_resource is resource:
        known = store
elif store is None:
    known = gather_given(subject, resource, context, others, lined)
if known is None:
    known = gather(subject, resource, context, others, store)
    subject = known[subject_type, subject.id]
    resource = known[resource_type, resource.id]
"""
_BOTH: Final = "{(subject_type, subject.id): subject, (resource_type, resource.id): resource}"
_PART: Final = """
stored = None
if store is not None:
    if type(part) is not dict:
        stored = store.get((type_name, part.id))
    else:
        kind, id_ = part["type"], part["id"]
        if type(kind) is not str or type(id_) is not str: return None
        stored = store.get((kind, id_))
if type(part) is dict and (stored is None or len(part) != 2):
    part = read(part, lined)
if stored is not None and stored is not part:
    if type(part) is not dict and not repeats(part, stored): return None
    if type(part) is dict or not part.carried_: part = stored
if type(part) is not Class: return None
"""


def _decided(target: TargetKey, checks: Sequence[Check]) -> str:
    """Return the statements that decide about parts that passed their *checks*, unless two of them describe one entity.

    What they carry along is handed on as it is, for each part (`Apart`).
    """
    carried = {part: types for part, (_, _, types) in zip(_PARTS, checks, strict=True)}
    carriers = [part for part, types in carried.items() if types]
    lines = [
        f"of_{part} = NOBODY if {part}.carried_ is NONE else {part}.carried_" for part in carriers
    ]
    tests: dict[bool, list[str]] = {False: [], True: []}  # by whether they ask of the context
    for one, other in combinations(carriers, 2):
        tests[other == "context"].append(_AGREE.format(f"of_{one}", f"of_{other}"))
    _, *types = target
    for part, type_ in zip(_PARTS[:2], types, strict=True):
        for other in carriers:
            if other != part and type_ in carried[other]:
                found = f"of_{other}.by_key.get(({part}_type, {part}.id), {part})"
                tests[other == "context"].append(f"{found} is {part}")
    if types[0] == types[1]:
        tests[False].append("(subject.id != resource.id or subject is resource)")
    agree = tests[False]
    if tests[True]:  # mostly it carries nothing
        agree.append(f"(of_context is NOBODY or {' and '.join(tests[True])})")
    apart = [f"of_{part}.by_key" if part in carriers else "NOTHING" for part in _PARTS]
    decided = f"return finish(subject, resource, context, MOMENT, ({', '.join(apart)}))"
    lines.append(f"if {' and '.join(agree)}: {decided}" if agree else decided)
    return "".join(f"        {line}\n" for line in lines)


_AGREE: Final = """(
    {0} is NOBODY or {1} is NOBODY
    or {0}.leaf is {1}.leaf and {0}.others.isdisjoint({1}.others) or {0}.agrees({1})
)"""
"""Whether two that are carried describe no entity by two objects."""


def _alone(part: str, type_: EntityType) -> str:
    """Return the test whether *part* says nothing of other entities that must be compared.

    Of its parents nothing else is known, so all that may be wrong with them is that it is one of them.
    """
    test = f"not {part}.carried_"
    if type_.name in type_.parents:
        test += f" and ({part}.line is not None or not {part}.parents_ or ({type_.name!r}, {part}.id) not in {part}.parents_)"
    return test


_COMPARED: Final = "not part.parents_ or part.line is not None and part.carried_"
"""Whether the ancestors of a part were compared, if it says any."""
