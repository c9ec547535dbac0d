"""Say what is left to decide of a request of which a part is known.

The rules are first evaluated with the time unknown. Then what depends on nothing but the time is decided
for one moment, and until when that holds is noted; a comparison of the time with something unknown stays,
and holds whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from policyengine.compiler import ir
from policyengine.compiler.lowered import Rule
from policyengine.compiler.simplify import FALSE, TRUE
from policyengine.compiler.specialize import generate_tests
from policyengine.concurrency import cached_property
from policyengine.model.limits import Limits
from policyengine.model.masks import field_and_mask, shows, spelled
from policyengine.model.types import Schema, TargetKey
from policyengine.model.values import moment_text, to_datetime
from policyengine.partial.condition_text import ConditionWriter
from policyengine.partial.expression_types import ExpressionTypes
from policyengine.partial.junctions import Facts, where
from policyengine.partial.known_parts import KnownParts
from policyengine.partial.left_to_decide import Left, LeftToDecide, Owed, left_to_decide
from policyengine.partial.prepared_rules import Asked, PreparedRules
from policyengine.partial.templates import Settled, Templates, template_of
from policyengine.runtime.generated import run

if TYPE_CHECKING:
    from policyengine.intake.store import EntityStore
    from policyengine.model.decision import Decision
    from policyengine.model.entities import EntityLike

_LIMITS: Final = Limits()


class Basis(Struct, frozen=True, eq=False):
    """What a residual is of: the *known* parts, with the time, the *rules* that count, and what is *left* of some.

    *limits*: of requests.
    """

    known: KnownParts
    rules: tuple[Rule, ...]
    left: tuple[Left, ...]
    limits: Limits


class Residual(Struct, frozen=True, eq=False, dict=True):
    """What is left to decide about a target, once parts of a request are known.

    *condition*: under which the rest is allowed (nodes of `compiler.ir`). *exposed*: of each field that may
    be shown itself, the condition under which it is, where the request is allowed; None without a field gate.
    *masks*: the same of each field by mask. *obligations*: what is owed, and when. *until*: the moment
    (microseconds) until which all this holds, None for ever; what a condition says of `now` holds at any time.
    """

    target: TargetKey
    condition: ir.Expr
    exposed: Mapping[str, ir.Expr] | None
    masks: Mapping[tuple[str, str], ir.Expr]
    obligations: tuple[Owed, ...]
    until: int | None
    writer: ConditionWriter
    whole: Callable[..., Decision]
    basis: Basis

    def __reduce__(self) -> NoReturn:
        raise TypeError("a residual is not pickled, since it is of an engine: ask the engine again")

    if not TYPE_CHECKING:  # so that mypy reports `if residual:` (`truthy-bool`)

        def __bool__(self) -> bool:
            raise TypeError(
                "a residual is neither true nor false: ask `residual.always` or `residual.never`"
            )

    def __repr__(self) -> str:
        return f"<Residual {self.text}>"

    @property
    def always(self) -> bool:
        """Whether the request is allowed, whatever the rest is."""
        return self.condition == TRUE

    @property
    def never(self) -> bool:
        """Whether it is denied, whatever the rest is."""
        return self.condition == FALSE

    @property
    def valid_until(self) -> datetime | None:
        """The moment until which this holds, None for ever."""
        return None if self.until is None else to_datetime(self.until)

    def decide(
        self,
        *,
        subject: EntityLike | None = None,
        resource: EntityLike | None = None,
        context: Mapping[str, Any] | None = None,
        now: datetime | str | None = None,
        entities: EntityStore | Iterable[EntityLike] | None = None,
    ) -> Decision:
        """Decide with the rest of the request, as `PolicyEngine.decide` decides the whole.

        What is known is as it was when the residual was asked. A context is added to what was given of it, others to
        those that were given, and a store takes the place of the one that was given; the time is that for which the
        residual was asked, if it was one, unless there is another. Raises `InvalidRequest` as
        `PolicyEngine.decide` does.
        """
        return self.whole(subject, resource, context, now, entities)

    def to_dict(self) -> dict[str, Any]:
        """Return all this as JSON values, conditions as texts."""
        text = self.writer.formatted
        owed = [
            {
                "id": owed.duty.name,
                "arguments": {n: text(part.expr) for n, part in owed.duty.arguments},
                "after": "allow" if owed.allowed else "deny",
                "condition": text(owed.condition),
            }
            for owed in self.obligations
        ]
        exposed = None if self.exposed is None else {n: text(c) for n, c in self.exposed.items()}
        until = self.valid_until
        return {
            "decision": True if self.always else False if self.never else None,
            "condition": self.text,
            "reads": list(self.reads),
            "exposed": exposed,
            "masks": {spelled(*shown): text(c) for shown, c in sorted(self.masks.items())},
            "obligations": owed,
            "valid_until": None if until is None else moment_text(self.until or 0),
        }

    @cached_property
    def text(self) -> str:
        """The condition in the policy language."""
        return self.writer.formatted(self.condition)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The paths that the condition needs, sorted."""
        found = {self.writer.text(part) for part in _read(self.condition)}
        return tuple(sorted(found))


def residual(
    schema: Schema,
    target: TargetKey,
    rules: PreparedRules,
    tables: Mapping[ir.Rows, str],
    known: KnownParts,
    fields: Sequence[str] | None,
    now: int,
    whole: Callable[..., Decision],
    templates: Templates,
    limits: Limits = _LIMITS,
) -> Residual:
    """Return what is left of the decision by *rules*, of *target*, at *now*.

    *known*: as *rules* were prepared for. *fields*: those that are asked for. *tables* as in `ConditionWriter`.
    *whole* decides with the rest (`Residual.decide`). *templates*: those that are kept.
    """
    asked = rules.ask(known, now)
    seen = rules.seen(asked)
    key = rules, seen, fields
    template = None if seen is None else templates.get(key)
    if template is not None:
        settled = template.filled(asked.strings.all())
    else:
        moving = frozenset(asked.timed)
        settled = _settled(left_to_decide(rules, asked, fields), asked, now)
        made = None if seen is None else template_of(settled, asked.strings)
        if made is not None and moving.issuperset(settled.timed):
            templates[key] = made
    left = settled.left
    turns = (turn for atom in settled.timed for turn in asked.timed[atom][1] if turn > now)
    masks = {field_and_mask(spelling): shown for spelling, shown in (left.shown or {}).items()}
    return Residual(
        target,
        left.condition,
        None if left.shown is None else {name: c for (name, mask), c in masks.items() if not mask},
        {(name, mask): c for (name, mask), c in masks.items() if mask},
        left.owed,
        min(turns, default=None),
        ConditionWriter(ExpressionTypes(schema, target), tables),
        whole,
        Basis(replace(known, now=now), rules.rules, left.rules, limits),
    )


def _settled(left: LeftToDecide, asked: Asked, now: int) -> Settled:
    """Return what is left at *now*, and the conditions of the time on which that depends."""
    conditions = [left.condition, *(left.shown or {}).values(), *(o.condition for o in left.owed)]
    timed = dict.fromkeys(atom for one in conditions for atom in _timed(one, asked.timed))
    _find_out(timed, asked, now)
    at_now = Facts({one: TRUE if asked.timed[one][0] else FALSE for one in timed}).within
    condition = at_now(left.condition)
    allowed = where(condition).within
    shown = (
        {} if condition == FALSE else {s: allowed(at_now(c)) for s, c in (left.shown or {}).items()}
    )
    owed = [
        Owed(o.duty, allowed(made) if o.allowed else made, o.allowed)
        for o in left.owed
        if (made := at_now(o.condition)) != FALSE and (condition != FALSE or not o.allowed)
    ]
    return Settled(
        LeftToDecide(
            condition,
            None if left.shown is None else dict(_shown(shown)),
            tuple(owed),
            left.rules,
        ),
        tuple(timed),
    )


def _shown(conditions: Mapping[str, ir.Expr]) -> Iterator[tuple[str, ir.Expr]]:
    """Give the spellings that may be shown: no mask where more is shown under the same condition."""
    for spelling, condition in conditions.items():
        _, mask = field_and_mask(spelling)
        more = (
            other
            for other, same in conditions.items()
            if mask is not None and same == condition and other != spelling
        )
        if condition != FALSE and not any(shows(dict([field_and_mask(o)]), spelling) for o in more):
            yield spelling, condition


def _timed(condition: ir.Expr, known: Collection[ir.Expr]) -> Iterator[ir.Expr]:
    """Give the conditions in *condition* that depend on nothing but the time; some are *known* to do so."""
    if isinstance(condition, ir.And | ir.Or):
        for operand in condition.operands:
            yield from _timed(operand, known)
    elif condition in known:
        yield condition
    else:
        roots = {part.name for part in ir.walk(condition) if isinstance(part, ir.Root)}
        if roots == {"now"} and not ir.free(condition):
            yield condition


def _find_out(timed: Iterable[ir.Expr], asked: Asked, now: int) -> None:
    """Find out of the conditions *timed* which hold at *now*."""
    others = [condition for condition in timed if condition not in asked.timed]
    if others:
        made = generate_tests(others)
        functions: Mapping[str, Any] = run(made.tree, made.objects, "<residual>")
        for condition, name in zip(others, made.names, strict=True):
            turns: list[int] = []
            holds = functions[name](None, None, None, now, None, turns)
            asked.timed[condition] = bool(holds), turns


def _read(condition: ir.Expr) -> Iterator[ir.Expr]:
    """Give what is read of a request: the longest paths, and the parts of which the ancestors are asked."""
    stack = [condition]
    while stack:
        node = stack.pop()
        match node:
            case ir.Slot() | ir.Id() if _from_root(node):
                yield node
            case ir.Line(object_) if _from_root(object_):
                yield ir.Id(object_) if isinstance(object_, ir.Root) else object_.id  # type: ignore[union-attr]  # an entity
            case ir.Root("now"):
                yield node
            case _:
                stack += ir.children(node)


def _from_root(node: ir.Expr) -> bool:
    while not isinstance(node, ir.Root):
        match node:
            case ir.Slot(inner) | ir.Id(inner) | ir.Entity(_, inner):
                node = inner
            case _:
                return False
    return True
