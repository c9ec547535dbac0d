"""Give the value of each construct of the language, one case each.

Values are canonical (`model.values`): what one means shows only in its type, which the checker
noted. Nothing is partial: on a request that fits, no checked expression raises anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import accumulate
from operator import or_
from typing import Any, TypeAlias, assert_never

from attrs import evolve, field, frozen

from policyengine.model.entities import Entity
from policyengine.model.records import record_class
from policyengine.model.types import (
    IP,
    MONTHS,
    PATH,
    SCHEDULE,
    EntityRefType,
    RecordType,
    Schema,
    SetType,
    TableType,
    TargetKey,
    TaxonomyType,
    Type,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from policyengine.reference import calendar
from policyengine.reference.moving import Moving
from policyengine.reference.time_limit import in_time
from policyengine.semantics.checked import Definition, Lower, Size, Typing, Value
from policyengine.syntax import nodes

Trace: TypeAlias = Callable[[nodes.Expr, object], None]
"""Called with each expression that is evaluated, and its value."""

Meaning: TypeAlias = "Callable[[nodes.Expr, Typing, Env], Any]"
"""Gives the value of an expression."""


@frozen(eq=False)
class Env:
    """The environment of an expression: the request, the schema, and the names in scope.

    *variables* has what gives the value of each parameter and each variable of a quantifier;
    *hides* says which expressions may not be shown in texts. *meaning*: what gives the value of an
    expression that is no constant; the analysis has one that knows values which are not chosen yet.
    """

    request: ValidRequest
    schema: Schema
    variables: Mapping[str, Callable[[], object]] = field(factory=dict)
    trace: Trace | None = None
    hides: Callable[[nodes.Expr, Typing], bool] = lambda _expr, _typing: False
    meaning: Meaning | None = None

    @property
    def target(self) -> TargetKey:
        """The action and the types of who does it and on what."""
        return self.request.action, self.request.subject.type, self.request.resource.type


def evaluate(expr: nodes.Expr, typing: Typing, env: Env) -> Any:
    """Return the canonical value of *expr*."""
    binding = typing.binding_of(expr)
    meaning = env.meaning or meaning_of
    value = binding.value if isinstance(binding, Value) else meaning(expr, typing, env)
    if env.trace is not None:
        env.trace(expr, value)
    return value


def meaning_of(expr: nodes.Expr, typing: Typing, env: Env) -> Any:
    """Return the value of an expression that is no constant."""

    def of(part: nodes.Expr) -> Any:
        return evaluate(part, typing, env)

    match expr:
        case nodes.Name(name):
            return variable(name, env)
        case nodes.Attr(object_, name):
            value = attribute(of(object_), typing.type_of(object_), name.name, env)
            if value is ABSENT:
                raise LookupError(name.name)
            return value
        case nodes.Has(object_, name):
            return attribute(of(object_), typing.type_of(object_), name.name, env) is not ABSENT
        case nodes.Not(operand):
            return not of(operand)
        case nodes.And(operands):
            return all(of(operand) for operand in operands)
        case nodes.Or(operands):
            return any(of(operand) for operand in operands)
        case nodes.If(condition, yes, no):
            return of(yes) if of(condition) else of(no)
        case nodes.Compare(op, left, right):
            types = typing.type_of(left), typing.type_of(right)
            return compare(op, of(left), of(right), *types, env)
        case nodes.Like(object_, pattern, "string"):
            return is_like(of(object_), pattern)
        case nodes.Like(object_, pattern):
            return is_like_path(of(object_), pattern)
        case nodes.Negate(operand):
            return -of(operand)
        case nodes.Arithmetic(op, left, right) if typing.type_of(right) == MONTHS:
            return calendar.add_months(of(left), of(right) if op == "+" else -of(right))
        case nodes.Arithmetic(op, left, right):
            return compute(op, of(left), of(right))
        case nodes.SetDisplay(items):
            return frozenset([of(item) for item in items])
        case nodes.RecordDisplay(fields):
            made = typing.type_of(expr)
            assert isinstance(made, RecordType)
            given = {f.name.name: of(f.value) for f in fields}
            return record_class(made)(*(given.get(a.name, ABSENT) for a in made.attributes))
        case nodes.LookUp(table, key):
            type_ = typing.type_of(table)
            assert isinstance(type_, TableType)
            return type_.row(of(table), of(key))
        case nodes.Call(_, arguments):
            return call(typing.binding_of(expr), [cache(partial(of, a)) for a in arguments], env)
        case nodes.Ancestors():
            return frozenset(ancestors(expr, typing, env))
        case nodes.Quantified(kind, bound, over, body):
            # Of ancestors in the order of the line: it decides what is reported where reading one fails.
            among = ancestors(over, typing, env) if isinstance(over, nodes.Ancestors) else of(over)
            inner = (with_variable(env, bound.name, element) for element in in_time(among))
            holds = (evaluate(body, typing, scope) for scope in inner)
            return quantify(kind, holds)
        case nodes.Literal() | nodes.EntityRef() | nodes.Update():
            raise TypeError("a literal is a constant, and an entity is written out in tests only")
        case _:
            assert_never(expr)


def inside(calls: Iterable[nodes.Call], typing: Typing, env: Env) -> tuple[Typing, Env]:
    """Return what is around the body of a definition: of the last of *calls*, each in the one before."""
    for one in calls:
        called = typing.binding_of(one)
        assert isinstance(called, Definition)
        arguments = [cache(partial(evaluate, a, typing, env)) for a in one.arguments]
        env = evolve(env, variables=dict(zip(called.parameters, arguments, strict=True)))
        typing = called.typing
    return typing, env


def with_variable(env: Env, name: str, value: object) -> Env:
    """Return what is around the body of a quantifier, for one element."""
    variables = {**env.variables, name: lambda: value}
    # Not by `evolve`, which takes longer than most conditions do.
    return Env(env.request, env.schema, variables, env.trace, env.hides, env.meaning)


def variable(name: str, env: Env) -> object:
    """Return what a name stands for; an entity as a value is its id."""
    if name in env.variables:
        return env.variables[name]()
    match name:
        case "subject":
            return env.request.subject.id
        case "resource":
            return env.request.resource.id
        case "context":
            return env.request.context
        case "now":
            return env.request.now
        case "action":
            action = env.schema.actions[env.request.action]
            values = {"name": action.name, **action.constants}
            made = action.constant_types
            return record_class(made)(*(values.get(a.name, ABSENT) for a in made.attributes))
        case _:
            raise NameError(name)


def attribute(value: Any, type_: Type, name: str, env: Env) -> object:
    """Return an attribute of a record, or of the entity whose id *value* is; it may be absent."""
    if not isinstance(type_, EntityRefType):
        return getattr(value, slot(name))
    if name == "id":
        return value
    return getattr(entity(type_.name, value, env), slot(name))


def entity(type_: str, id_: str, env: Env) -> Entity:
    """Return an entity that the request refers to."""
    return env.request.entities[type_, id_]


def line_of(type_: str, id_: str, env: Env) -> frozenset[tuple[str, str]]:
    """Return an entity and all its ancestors."""
    line = entity(type_, id_, env).line
    if line is None:
        raise LookupError(f"the ancestors of {type_} {id_}")
    return line


def ancestors(expr: nodes.Ancestors, typing: Typing, env: Env) -> list[str]:
    """Return the ids of the entities of the type asked for within which one lies, itself among them."""
    one, made = typing.type_of(expr.object), typing.type_of(expr)
    assert isinstance(one, EntityRefType)
    assert isinstance(made, SetType)
    assert isinstance(made.element, EntityRefType)
    line = line_of(one.name, evaluate(expr.object, typing, env), env)
    return [id_ for type_, id_ in line if type_ == made.element.name]


def call(called: object, arguments: list[Callable[[], Any]], env: Env) -> object:
    """Return what a built-in function gives; or a definition's body with arguments in place of parameters."""
    match called:
        case Size():
            (sized,) = arguments
            return len(sized())
        case Lower():
            (text,) = arguments
            return lower(text())
        case Definition():
            scope = dict(zip(called.parameters, arguments, strict=True))
            return evaluate(called.body, called.typing, evolve(env, variables=scope))
        case _:
            raise TypeError(called)


def quantify(kind: nodes.Quantifier, holds: Iterable[bool]) -> bool:
    """Return whether a condition that *holds* of these elements does so of every one, or of some."""
    match kind:
        case "every":
            return all(holds)
        case "some":
            return any(holds)
        case _:
            assert_never(kind)


def compute(op: nodes.Sign, left: Any, right: Any) -> object:
    """Return a sum, a difference or a product; canonical values are whole numbers."""
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            assert_never(op)


def compare(
    op: nodes.Comparison, left: Any, right: Any, left_type: Type, right_type: Type, env: Env
) -> bool:
    """Return whether *left* is in that relation to *right*."""
    match op:
        case "==":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "in":
            return left in right
        case "overlaps":
            return bool(left & right)
        case "subset":
            return bool(left <= right)
        case "within" if right_type == SCHEDULE:
            if isinstance(left, Moving):
                left.turns(calendar.next_turn(int(left), right))
            return calendar.is_within(int(left), right)
        case "within":
            around = right if isinstance(right_type, SetType) else frozenset([right])
            inner, outer = _element(left_type), _element(right_type)
            members = left if isinstance(left_type, SetType) else [left]
            return bool(members) and all(lies_within(m, around, inner, outer, env) for m in members)
        case "startswith":
            return bool(left[: len(right)] == right)
        case "endswith":
            return bool(left[max(0, len(left) - len(right)) :] == right)
        case "contains":
            return right in left
        case "touches":
            taxonomy = _element(left_type)
            assert isinstance(taxonomy, TaxonomyType)
            members = left if isinstance(left_type, SetType) else [left]
            return any((taxonomy.above[a] | taxonomy.below[a]) & right for a in members)
        case _:
            assert_never(op)


def lies_within(one: Any, around: Iterable[Any], inner: Type, outer: Type, env: Env) -> bool:
    """Whether *one* is, or lies below, one of those *around*."""
    if isinstance(inner, TaxonomyType):
        above = inner.above[one]
        return any(other in above for other in around)
    if isinstance(inner, EntityRefType) and isinstance(outer, EntityRefType):
        return any((outer.name, other) in line_of(inner.name, one, env) for other in around)
    if inner == PATH:
        segments = _segments(one)
        return any(segments[: len(above)] == above for above in map(_segments, around))
    assert inner == IP
    return any(
        one.version == other.version and other.first <= one.first and one.last <= other.last
        for other in around
    )


def lower(text: str) -> str:
    """Return *text* with `a` to `z` in place of `A` to `Z`, and nothing else changed."""
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in text)


def is_like(text: str, pattern: str) -> bool:
    """Whether *text* is *pattern*, a glob."""
    return is_made_of(text, pieces_of(pattern))


def is_made_of(text: str, pieces: Sequence[str]) -> bool:
    """Whether *text* is the *pieces* with any text between them."""
    first, *rest = pieces
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in middle:  # taking each as early as it comes leaves most for the rest
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(last) >= at and text.endswith(last)


def pieces_of(pattern: str) -> list[str]:
    r"""Cut a glob at its stars; `\*` is a star of the text and `\\` a backslash."""
    pieces, characters = [""], iter(pattern)
    for character in characters:
        if character == "*":
            pieces.append("")
        else:
            pieces[-1] += next(characters, "\\") if character == "\\" else character
    return pieces


def is_like_path(path: str, pattern: str) -> bool:
    """Whether *path* is *pattern*: `*` is any text in a segment, `**` any number of segments."""
    segments = _segments(path)
    fits = [True, *(False for _ in segments)]  # whether so many segments are the pattern up to here
    for part in _segments(pattern):
        if part == "**":
            fits = list(accumulate(fits, or_))
        else:
            pairs = zip(fits, segments, strict=False)
            fits = [False, *(before and is_like(segment, part) for before, segment in pairs)]
    return fits[-1]


def _segments(path: str) -> list[str]:
    return [] if path == "/" else path.split("/")[1:]


def _element(type_: Type) -> Type:
    return type_.element if isinstance(type_, SetType) else type_
