"""Take what is known of a request in any form, and say what is left to decide."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from reprlib import repr as repr_of_any
from typing import TYPE_CHECKING, Any, Final

from policyengine.compiler import ir
from policyengine.compiler.link import simplified
from policyengine.compiler.lowered import Rule
from policyengine.intake.foreign import FoundEntities, as_list, plain
from policyengine.intake.raw import RawRequest
from policyengine.intake.store import EntityStore
from policyengine.intake.validation import GivenParts, Validator
from policyengine.model.entities import Entity
from policyengine.model.records import Record
from policyengine.model.request_messages import meant, shown
from policyengine.model.shown import escaped
from policyengine.model.types import ActionType, LevelsType, Schema, TableType, TargetKey
from policyengine.model.values import ABSENT, slot, to_datetime
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.known_parts import KnownParts, Path, shape_of
from policyengine.partial.prepared_rules import PreparedRules
from policyengine.partial.residual import Residual, residual
from policyengine.partial.templates import MOST_TEMPLATES, Templates
from policyengine.runtime.bounded_cache import BoundedCache
from policyengine.semantics.checked import CheckedSet, Definition, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expression_layout import on_one_line
from policyengine.syntax.expressions import walk_expressions
from policyengine.syntax.written_values import written

if TYPE_CHECKING:
    from policyengine.model.decision import Decision


_MOST_PREPARED: Final = 512
"""Of so many targets and shapes the rules are kept prepared."""


class PartialRules:
    """The rules of a policy set, which are prepared for what of a request is known when it is first known.

    *templates*: what was left, for requests that differ in strings alone.
    """

    def __init__(self, checked: CheckedSet) -> None:
        self._checked = checked
        self._lowered: dict[TargetKey, tuple[tuple[Rule, ...], dict[ir.Rows, str]]] = {}
        self._prepared = BoundedCache[Hashable, PreparedRules](_MOST_PREPARED)
        self.templates = Templates(MOST_TEMPLATES)

    def of(self, target: TargetKey, known: KnownParts) -> tuple[PreparedRules, dict[ir.Rows, str]]:
        """Return the rules of *target* and the names of the tables in them."""
        lowered = self._lowered.get(target)
        if lowered is None:
            rules = simplified(self._checked, target, for_details=False)
            lowered = self._lowered[target] = rules, tables_of(self._checked, target)
        key = target, known.given, known.unknown
        prepared = self._prepared.get(key)
        if prepared is None:
            types = ExpressionTypes(self._checked.schema, target)
            prepared = self._prepared[key] = PreparedRules(lowered[0], types, shape_of(known))
        return prepared, lowered[1]


class PartialDecider:
    """Says for an engine what is left to decide; *decide*: as the engine decides a whole request."""

    def __init__(
        self,
        schema: Schema,
        rules: PartialRules,
        validator: Validator,
        store: EntityStore | None,
        decide: Callable[[RawRequest], Decision],
    ) -> None:
        self._schema = schema
        self._rules = rules
        self._validator = validator
        self._store = store
        self._decide = decide

    def left_of(
        self, raw: RawRequest, types: tuple[str | None, str | None], unknowns: Iterable[str] = ()
    ) -> Residual:
        """Return what is left to decide of *raw*, of which parts are None, or unknown by the paths *unknowns*.

        *types*: of subject and resource, where they are not given. Raises `InvalidRequest` for what does not
        fit, `ValueError` where it is not clear which target is meant, or no path is meant, `TypeError` for paths
        that are no strings.
        """
        schema = self._schema
        subject, resource = (
            self._validator.type_of(part) if said is None else plain(said)
            for part, said in zip((raw.subject, raw.resource), types, strict=True)
        )
        target = _target(schema, raw, (subject, resource))
        if isinstance(unknowns, str) or not isinstance(unknowns, Iterable):
            raise TypeError(f"`unknowns` is a list of paths, not {repr_of_any(unknowns)}")
        paths = frozenset(_path(text, schema, target) for text in unknowns)
        given = self._validator.given_parts(raw, target, self._store)
        known = KnownParts(given.subject, given.resource, given.context, given.entities, paths)
        rules, tables = self._rules.of(target, known)
        limits, fields = self._validator.limits, given.fields
        rest = _rest_of(raw, target[0], given)
        whole = partial(_whole, self._decide, limits.entities, rest)
        return residual(
            schema,
            target,
            rules,
            tables,
            known,
            fields,
            given.now,
            whole,
            self._rules.templates,
            limits,
        )


def _rest_of(raw: RawRequest, action: str, given: GivenParts) -> RawRequest:
    """Return the parts of *raw* as they were read, for *action*, to be decided with the rest.

    What was given may have changed since, or be read but once; what is left to decide is of what was read.
    """
    now = raw.now
    if now is not None and type(now) is not str:
        now = to_datetime(given.now)  # a time zone may say another moment when it is asked again
    parts = given.subject, action, given.resource, given.context, now, given.fields, given.beside
    return RawRequest(*parts, raw.store, raw.ignored)


def _whole(
    decide: Callable[[RawRequest], Decision],
    most: int,
    known: RawRequest,
    subject: Any,
    resource: Any,
    context: Any,
    now: Any,
    entities: Any,
) -> Decision:
    """Decide a request of which a part is *known* together with the rest, which has at most *most* other entities.

    A store among the rest takes the place of the one that is known, others are added.
    """
    together, carried = _context(known.context, context)
    others, store = known.entities, known.store
    if issubclass(type(entities), EntityStore):  # what it says it is may be another thing
        store = entities
    elif entities is not None or carried:
        added = [] if entities is None else as_list(entities, most)
        if isinstance(added, list):  # what is none is reported
            before = FoundEntities((), ()) if others is None else others
            given, found = before[: before.given], before[before.given :]
            others = FoundEntities([*given, *added], [*found, *carried])
        else:
            others = added
    raw = RawRequest(
        known.subject if subject is None else subject,
        known.action,
        known.resource if resource is None else resource,
        together,
        known.now if now is None else now,
        known.fields,
        others,
        store,
        known.ignored,
    )
    return decide(raw)


def _context(known: Record | None, given: Any) -> tuple[Any, list[Entity]]:
    """Return a context that is *known* together with the rest of it, and entities that they carried along."""
    if known is None or given is None:
        return (given if known is None else known), []
    carried = [*known.carried_]
    if isinstance(given, Record):
        carried += given.carried_
        given = _as_dict(given)
    given = plain(given)
    if type(given) is not dict:  # which is reported
        return given, []
    return {**_as_dict(known), **given}, carried


def _as_dict(context: Record) -> dict[str, Any]:
    """Return what was given of a context by name."""
    names = (attribute.name for attribute in context.record_type.attributes)
    return {n: context[n] for n in names if getattr(context, slot(n)) is not ABSENT}


def _target(schema: Schema, raw: RawRequest, types: tuple[object, object]) -> TargetKey:
    """Return the target that is asked about."""
    name = plain(raw.action)
    action = schema.actions.get(name) if isinstance(name, str) else None
    if action is None:
        if not isinstance(name, str):
            raise ValueError(f"an action is a name, not {repr_of_any(name)}")
        raise ValueError(f"there is no action `{shown(name)}`{meant(name, schema.actions)}")
    subject = _type(types[0], "subject", action, action.subjects)
    resource = _type(types[1], "resource", action, action.resources)
    return action.name, subject, resource


def _type(said: object, name: str, action: ActionType, allowed: tuple[str, ...]) -> str:
    """Return the type of a part, as it is said, or the only one that it may have."""
    if said is None and len(allowed) == 1:
        return allowed[0]
    if not isinstance(said, str) or said not in allowed:
        listed = ", ".join(allowed)
        raise ValueError(f"the {name} of {action.name!r} has one of the types {listed}: say which")
    return said


def _path(text: str, schema: Schema, target: TargetKey) -> Path:
    """Return the path that *text* is: `context`, `resource.author`, `context.device.os`."""
    text = plain(text)
    if not isinstance(text, str):
        raise TypeError(f"a path of what is unknown is a string, not {repr_of_any(text)}")
    root, *names = text.split(".")
    action, subject, resource = target
    roots: dict[str, Any] = {
        "subject": schema.entities[subject],
        "resource": schema.entities[resource],
        "context": schema.actions[action].context,
    }
    holder = roots.get(root)
    for name in names:
        attribute = None if holder is None else getattr(holder, "by_name", {}).get(name)
        holder = None if attribute is None else attribute.type
    if holder is None:
        owners = [one for one, of in roots.items() if text in getattr(of, "by_name", {})]
        meant = "; did you mean " + " or ".join(f"`{one}.{text}`" for one in owners) + "?"
        raise ValueError(
            f"there is no `{escaped(text)}` in a request for `{action}`{meant if owners else ''}"
        )
    return (root, *names)


def tables_of(checked: CheckedSet, target: TargetKey) -> dict[ir.Rows, str]:
    """Return the names of the tables that rules of *target* look something up in."""
    found: dict[ir.Rows, str] = {}
    waiting: list[tuple[nodes.Expr, Typing]] = []
    for rule in checked.rules_for(target):
        waiting += [(conjunct.expr, rule.typings[target]) for conjunct in rule.conjuncts]
        waiting += [(a, rule.typings[target]) for call in rule.obligations for a in call.arguments]
    done: set[int] = set()
    while waiting:
        expr, typing = waiting.pop()
        if id(expr) in done:
            continue
        done.add(id(expr))
        for node in walk_expressions([expr]):
            match typing.binding_of(node):
                case Value(TableType() as type_, tuple() as rows):
                    found |= _with_rows(type_, rows, on_one_line(node))
                case Definition() as called:
                    waiting.append((called.body, called.typing))
    return found


def _with_rows(type_: TableType, rows: tuple[object, ...], name: str) -> dict[ir.Rows, str]:
    """Return the names of a table, and of the tables that its rows are."""
    named = {ir.Rows(type_, rows): name}
    if isinstance(type_.value, TableType):
        keys = range(len(rows)) if isinstance(type_.key, LevelsType) else type_.key.members
        for key in keys:
            row = type_.row(rows, key)
            assert isinstance(row, tuple)
            named |= _with_rows(type_.value, row, f"{name}[{written(type_.key, key)}]")
    return named
