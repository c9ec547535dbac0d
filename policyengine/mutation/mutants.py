"""Make the mutants of a policy set: each has one small change, as a slip of an author would make.

A mutant is a rule, or a constant or definition that rules use, with one thing changed. Changes keep
types, so most mutants check; those that do not would have been noticed by the checker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, assert_never, cast

from attrs import field, frozen
from msgspec.structs import replace

from policyengine.analysis.questions import conditions_in
from policyengine.diagnostics.source import Source, Span
from policyengine.model.masks import next_mask
from policyengine.model.path_syntax import segments_of
from policyengine.model.rules import Effect
from policyengine.model.schedules import Schedule
from policyengine.model.types import (
    ORDERED,
    EnumType,
    LevelsType,
    Schema,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)
from policyengine.mutation.schedule_changes import schedule_changes
from policyengine.semantics.checked import (
    CheckedRule,
    CheckedSet,
    Definition,
    Lower,
    Typing,
    Value,
)
from policyengine.syntax import nodes
from policyengine.syntax.expression_layout import quoted
from policyengine.syntax.node import walk

N = TypeVar("N", bound=nodes.Node)

_STRICTER: Mapping[nodes.Comparison, nodes.Comparison] = {
    "<=": "<",
    "<": "<=",
    ">=": ">",
    ">": ">=",
}
_OTHER_PART: Mapping[nodes.Comparison, nodes.Comparison] = {
    "startswith": "contains",
    "endswith": "contains",
    "contains": "startswith",
}
_SWAPPED: Mapping[Effect, Effect] = {"permit": "forbid", "forbid": "permit"}

_STARS: Mapping[str, str] = {"*": "**", "**": "*"}

_OF_BOTH = (
    nodes.When, nodes.Unless, nodes.Because, nodes.Refer, nodes.Cites, nodes.From, nodes.Until,
)  # fmt: skip
"""The clauses that a permit and a forbid may both have."""

_SECOND, _DAY = 1_000_000, 86_400_000_000
_SPANS = (_DAY, 3_600_000_000, 60_000_000, _SECOND, 1_000, 1)
"""A day, an hour, and so on, in microseconds."""


@frozen(eq=False)
class Mutant:
    """One changed rule, or one changed declaration that rules use.

    *of*: the id of the rule, or the name of the constant or definition; *what*: the change in words,
    at *span*. *rules*: the ids of the rules that it concerns. *rule*: the replacement of the rule *of*,
    None if it is left out. *declaration*: the replacement of *before*, a constant or a definition. *actions*:
    those that the replacement covers as well, if it covers more; nothing changes for others.
    """

    of: str
    kind: str
    what: str
    span: Span
    rules: frozenset[str]
    rule: nodes.Rule | None = None
    before: nodes.Declaration | None = None
    declaration: nodes.Declaration | None = None
    actions: frozenset[str] = frozenset()


def mutants_of(checked: CheckedSet) -> Iterator[Mutant]:
    """Give every mutant of a set, rule by rule, then those of constants and definitions.

    Rules on trial decide nothing, so nothing is changed in them.
    """
    for rule in checked.rules:
        if not rule.advisory:
            yield from _of_rule(rule, checked.sources)
            yield from _of_exceptions(rule, checked.schema)
    yield from _of_words(checked)


# ---- of a rule --------------------------------------------------------------------------


def _of_rule(rule: CheckedRule, sources: Mapping[str, Source]) -> Iterator[Mutant]:
    def mutant(kind: str, what: str, at: Span, changed: nodes.Rule | None = None) -> Mutant:
        return Mutant(rule.id, kind, what, at, frozenset({rule.id}), changed)

    node, at = rule.node, rule.node.name.span
    yield mutant("drop-rule", "the rule is left out", at)
    if rule.effect in _SWAPPED:
        other = _SWAPPED[rule.effect]
        what = f"`{rule.effect}` becomes `{other}`"
        kept = tuple(clause for clause in node.clauses if isinstance(clause, _OF_BOTH))
        yield mutant("swap-effect", what, at, replace(node, effect=other, clauses=kept))
    for clause in node.clauses:
        rest = tuple(other for other in node.clauses if other is not clause)
        match clause:
            case nodes.From() | nodes.Until():
                word = type(clause).__name__.lower()
                less = replace(node, clauses=rest)
                yield mutant(f"drop-{word}", f"`{word}` is left out", clause.span, less)
            case nodes.When(condition) | nodes.Unless(condition):
                less = replace(node, clauses=rest)
                if not isinstance(condition, nodes.And | nodes.Or):
                    what = f"the condition `{shortened(condition, sources)}` is left out"
                    yield mutant("drop-condition", what, clause.span, less)
                typing = next(iter(rule.typings.values()))
                for kind, what, where, old, new in _changes(condition, typing, sources):
                    yield mutant(kind, what, where, substituted(node, old, new))
            case nodes.Fields(fields) if fields:
                for shown in fields:
                    fewer = tuple(other for other in fields if other is not shown)
                    changed = substituted(node, clause, replace(clause, fields=fewer))
                    what = f"the field `{shown.spelling}` is left out"
                    if fewer:
                        yield mutant("narrow-fields", what, shown.span, changed)
                    for what, more in _more_telling(shown):
                        yield mutant("widen-mask", what, shown.span, substituted(node, shown, more))
                changed = substituted(node, clause, replace(clause, fields=None))
                what = "`fields` becomes `fields all`"
                yield mutant("widen-fields", what, clause.span, changed)
            case nodes.Oblige(calls):
                for call in calls:
                    kept_calls = tuple(other for other in calls if other is not call)
                    new_clauses = [replace(clause, calls=kept_calls)] if kept_calls else []
                    i = node.clauses.index(clause)
                    changed = replace(
                        node, clauses=(*node.clauses[:i], *new_clauses, *node.clauses[i + 1 :])
                    )
                    what = f"the obligation `{call.name}` is left out"
                    yield mutant("drop-obligation", what, call.span, changed)


def _more_telling(shown: nodes.ShownField) -> Iterator[tuple[str, nodes.ShownField]]:
    """Give what shows more of a field that is masked: the next mask of its chain, and the field itself."""
    if shown.mask is None:
        return
    following = next_mask(shown.mask.name)
    if following is not None:
        what = f"`{shown.spelling}` becomes `{shown.field} as {following}`"
        yield what, replace(shown, mask=replace(shown.mask, name=following))
    yield f"`{shown.spelling}` becomes `{shown.field}`", replace(shown, mask=None)


def _of_exceptions(rule: CheckedRule, schema: Schema) -> Iterator[Mutant]:
    """Leave out each exception of `any except a, b`."""
    target = rule.node.target
    for name in target.exceptions:
        kept = tuple(other for other in target.exceptions if other is not name)
        changed = replace(rule.node, target=replace(target, exceptions=kept))
        actions = frozenset(
            action.name
            for action in schema.actions.values()
            if name.name in {action.name, *action.groups}
        )
        yield Mutant(
            rule.id, "drop-exception", f"the exception `{name}` is left out", name.span,
            frozenset({rule.id}), changed, actions=actions,
        )  # fmt: skip


# ---- of constants and definitions -------------------------------------------------------


def _of_words(checked: CheckedSet) -> Iterator[Mutant]:
    """Change constants and definitions that some rule uses."""
    uses = _Uses.of(checked)
    for file in checked.files:
        for declaration in file.declarations:
            if not isinstance(declaration, nodes.ConstDecl | nodes.DefineDecl):
                continue
            name = file.package.name, declaration.name.name
            if name not in uses.typings:
                continue
            typing = uses.typings[name]
            if isinstance(declaration, nodes.ConstDecl):
                changes = _values(declaration.value, typing, checked.sources)
            else:
                changes = _changes(declaration.body, typing, checked.sources)
            for kind, what, where, old, new in changes:
                yield Mutant(
                    declaration.name.name, kind, what, where, frozenset(uses.rules[name]),
                    before=declaration, declaration=substituted(declaration, old, new),
                )  # fmt: skip


@frozen
class _Uses:
    """The constants and definitions that rules use, with the typings of their nodes and those rules."""

    constants: Mapping[tuple[str, str], nodes.ConstDecl]
    typings: dict[tuple[str, str], Typing] = field(factory=dict)
    rules: dict[tuple[str, str], set[str]] = field(factory=dict)

    @classmethod
    def of(cls, checked: CheckedSet) -> _Uses:
        uses = cls(
            {
                (file.package.name, d.name.name): d
                for file in checked.files
                for d in file.declarations
                if isinstance(d, nodes.ConstDecl)
            }
        )
        for rule in checked.rules:
            if not rule.advisory:
                typing = next(iter(rule.typings.values()))
                for part in (*(c.expr for c in rule.conjuncts), *rule.obligations):
                    uses.follow(part, typing, rule.id)
        return uses

    def follow(self, node: nodes.Node, typing: Typing, rule: str) -> None:
        """Note what *node* uses, for *rule*."""
        for part in walk(node):
            binding = typing.binding_of(part)
            if isinstance(binding, Definition):
                self.typings[binding.package, binding.name] = binding.typing
                self.rules.setdefault((binding.package, binding.name), set()).add(rule)
                self.follow(binding.body, binding.typing, rule)
            elif isinstance(binding, Value) and isinstance(part, nodes.Name | nodes.Attr):
                name = part.name if isinstance(part, nodes.Name) else part.name.name
                for key, declaration in self.constants.items():
                    if key[1] == name:
                        self.typings.setdefault(key, _constant(declaration, binding.type))
                        self.rules.setdefault(key, set()).add(rule)


def _constant(declaration: nodes.ConstDecl, type_: Type) -> Typing:
    """Return the types of the nodes of a constant: those of the items of a set and the rows of a table, too."""
    types: dict[int, Type] = {}
    bindings: dict[int, Any] = {}
    stack: list[tuple[nodes.Expr, Type]] = [(declaration.value, type_)]
    while stack:
        node, type_ = stack.pop()
        types[id(node)], bindings[id(node)] = type_, Value(type_, None)
        match node, type_:
            case nodes.SetDisplay(items), SetType(element):
                stack += [(item, element) for item in items]
            case nodes.RecordDisplay(rows), TableType(_, value):
                stack += [(row.value, value) for row in rows]
            case nodes.Negate(operand), _:
                stack.append((operand, type_))
    return Typing(types, bindings)


# ---- of an expression -------------------------------------------------------------------

Change = tuple[str, str, Span, nodes.Node, nodes.Node]
"""(kind, in words, span, the node that is replaced, its replacement)."""


def _changes(
    condition: nodes.Expr, typing: Typing, sources: Mapping[str, Source]
) -> Iterator[Change]:
    """Give the changes of a condition."""

    def text(node: nodes.Node) -> str:
        return shortened(node, sources)

    for part in _with_inner(condition):
        match part:
            case nodes.And(operands) | nodes.Or(operands):
                for operand in operands:
                    rest = tuple(other for other in operands if other is not operand)
                    less = rest[0] if len(rest) == 1 else replace(part, operands=rest)
                    what = f"`{text(operand)}` is left out"
                    yield "drop-operand", what, operand.span, part, less
            case nodes.Not(operand, infix=True):
                yield "negate", f"`{text(part)}` is negated", part.span, part, operand
            case nodes.Not(operand):
                yield (
                    "negate",
                    f"`not` before `{text(operand)}` is left out",
                    part.span,
                    part,
                    operand,
                )
            case nodes.If(_, yes, no) if yes != no:
                swapped = replace(part, yes=no, no=yes)
                yield "negate", "`then` and `else` change places", part.span, part, swapped
            case _ if typing.types.get(id(part)) is not None and _is_condition(part):
                what = f"`{text(part)}` is negated"
                yield "negate", what, part.span, part, nodes.Not(part, span=part.span)
    yield from _values(condition, typing, sources)


def _with_inner(condition: nodes.Expr) -> Iterator[nodes.Expr]:
    """Give a condition and its operands, also those of what is asked of each element of a set."""
    for part in conditions_in(condition):
        yield part
        if isinstance(part, nodes.Quantified):
            yield from _with_inner(part.body)


def _is_condition(node: nodes.Expr) -> bool:
    match node:
        case (
            nodes.Compare() | nodes.Has() | nodes.Like() | nodes.Attr() | nodes.Call()
            | nodes.Quantified() | nodes.LookUp()
        ):  # fmt: skip
            return True
        case (
            nodes.Literal() | nodes.Name() | nodes.SetDisplay() | nodes.RecordDisplay() | nodes.EntityRef()
            | nodes.Update() | nodes.Not() | nodes.Negate() | nodes.And() | nodes.Or() | nodes.If()
            | nodes.Arithmetic() | nodes.Ancestors()
        ):  # fmt: skip
            return False
        case _:
            assert_never(node)


def _values(expr: nodes.Expr, typing: Typing, sources: Mapping[str, Source]) -> Iterator[Change]:
    """Give the changes of the constants and the comparisons in an expression."""
    for node in walk(expr):
        if id(node) not in typing.types:
            continue
        type_ = typing.types[id(node)]
        binding = typing.binding_of(node)
        match node:
            case nodes.Compare(op, left, right) if op in _STRICTER:
                if typing.type_of(left) in ORDERED and typing.type_of(right) in ORDERED:
                    what = f"`{op}` becomes `{_STRICTER[op]}`"
                    yield "move-bound", what, node.span, node, replace(node, op=_STRICTER[op])
            case nodes.Compare(op) if op in _OTHER_PART:
                what = f"`{op}` becomes `{_OTHER_PART[op]}`"
                yield "other-part", what, node.span, node, replace(node, op=_OTHER_PART[op])
            case nodes.Call(_, (text,)) if isinstance(binding, Lower):
                yield "drop-lower", "`lower` is left out", node.span, node, text
            case nodes.SetDisplay(items) if isinstance(type_, SetType):
                yield from _sets(node, items, type_.element, sources)
            case nodes.RecordDisplay(rows) if isinstance(type_, TableType):
                yield from _rows(node, rows, type_)
            case nodes.Literal(kind, value, text) if type_ in ORDERED and isinstance(value, int):
                for moved in (value - _unit(kind, value, text), value + _unit(kind, value, text)):
                    what = f"`{text}` is moved {'down' if moved < value else 'up'} by one"
                    made = nodes.Literal(kind, moved, text, span=node.span)
                    yield "move-bound", what, node.span, node, made
            case nodes.Literal("schedule", Schedule() as schedule):
                for kind, what, hours in schedule_changes(schedule):
                    text = f'schedule "{hours}"'
                    slip = nodes.Literal("schedule", hours, text, span=node.span)
                    yield kind, what, node.span, node, slip
            case nodes.Name() | nodes.Attr() if isinstance(binding, Value):
                yield from _names(node, type_)
            case nodes.Literal("path", str(path)) if path != "/":
                above = path.rpartition("/")[0] or "/"
                what = f"`{path}` becomes `{above}`"
                made = nodes.Literal("path", above, f"path {quoted(above)}", span=node.span)
                yield "parent-path", what, node.span, node, made
            case nodes.Like(_, pattern, "path"):
                segments = segments_of(pattern)
                for at, segment in enumerate(segments):
                    if segment in _STARS:
                        changed = [*segments[:at], _STARS[segment], *segments[at + 1 :]]
                        other = replace(node, pattern=f"/{'/'.join(changed)}")
                        what = f"`{segment}` becomes `{_STARS[segment]}` in the pattern"
                        yield "other-star", what, node.span, node, other


def _sets(
    node: nodes.SetDisplay,
    items: tuple[nodes.Expr, ...],
    element: Type,
    sources: Mapping[str, Source],
) -> Iterator[Change]:
    for item in items:
        rest = tuple(other for other in items if other is not item)
        what = f"`{shortened(item, sources)}` is left out of the set"
        yield "narrow-set", what, item.span, node, replace(node, items=rest)
    if isinstance(element, EnumType | TaxonomyType | LevelsType):
        written = {_named(item) for item in items}
        lacking = [name for name in element.members if name not in written]
        if lacking:
            more = _member(lacking[0], node.span)
            what = f"`{lacking[0]}` is added to the set"
            yield "widen-set", what, node.span, node, replace(node, items=(*items, more))


def _rows(
    node: nodes.RecordDisplay, rows: tuple[nodes.RecordField, ...], type_: TableType
) -> Iterator[Change]:
    """Leave out rows that terms would have from their parents, and turn rows of bools round."""
    parents = dict(type_.key.parents) if isinstance(type_.key, TaxonomyType) else {}
    for row in rows:
        if parents.get(row.name.name) is not None:
            rest = tuple(other for other in rows if other is not row)
            what = f"the row of `{row.name}` is left out"
            yield "drop-row", what, row.span, node, replace(node, fields=rest)
        if isinstance(row.value, nodes.Literal) and row.value.kind == "bool":
            other = not row.value.value
            turned = nodes.Literal("bool", other, str(other).lower(), span=row.value.span)
            what = f"the row of `{row.name}` is turned round"
            yield "negate", what, row.span, row, replace(row, value=turned)


def _names(node: nodes.Name | nodes.Attr, type_: Type) -> Iterator[Change]:
    """Move a level by one, and a taxonomy term up or down."""
    name = _named(node)
    match type_:
        case LevelsType(members=members) if name in members:
            at = members.index(name)
            for other in (at - 1, at + 1):
                if 0 <= other < len(members):
                    what = f"`{name}` becomes `{members[other]}`"
                    yield "move-level", what, node.span, node, _renamed(node, members[other])
        case TaxonomyType() if name in type_.members:
            above = dict(type_.parents)[name]
            if above:
                yield (
                    "widen-term",
                    f"`{name}` becomes `{above}`",
                    node.span,
                    node,
                    _renamed(node, above),
                )
            below = [term for term, parent in type_.parents if parent == name]
            if below:
                what = f"`{name}` becomes `{below[0]}`"
                yield "narrow-term", what, node.span, node, _renamed(node, below[0])


def _named(node: nodes.Expr) -> str:
    match node:
        case nodes.Name(name) | nodes.Attr(_, nodes.Ident(name)):
            return name
        case nodes.Literal("string", str(text)):
            return text
    return ""


def _renamed(node: nodes.Name | nodes.Attr, name: str) -> nodes.Expr:
    if isinstance(node, nodes.Attr):
        return replace(node, name=replace(node.name, name=name))
    return _member(name, node.span)


def _member(name: str, span: Span) -> nodes.Expr:
    """Return the text of a member: its name, or quoted where that is no name."""
    if name.isidentifier():
        return nodes.Name(name, span=span)
    return nodes.Literal("string", name, f'"{name}"', span=span)


def _unit(kind: str, value: int, text: str) -> int:
    """Return the step by which a bound is moved: one of the last digit or unit that was written."""
    if kind == "datetime":
        return _DAY if "T" not in text else _SECOND
    if kind == "duration":
        return next(span for span in _SPANS if value % span == 0)
    if kind == "months":
        return 12 if text.endswith("y") else 1
    if kind == "decimal":
        return int(10 ** (4 - len(text.partition(".")[2])))
    return 1


def shortened(node: nodes.Node, sources: Mapping[str, Source], most: int = 60) -> str:
    """Return the source text of a node, on one line and shortened."""
    text = sources[node.span.file].on_one_line(node.span)
    if len(text) <= most:
        return text
    end = text.rfind(" ", 0, most)  # no name is cut
    if end < 0:
        end = text.find(" ", most)
    return text if end < 0 else f"{text[:end]} …"


def substituted(node: N, old: nodes.Node, new: nodes.Node) -> N:
    """Return *node* with *new* in the place of *old*."""
    made = _with(node, old, new)
    return cast("N", made)


def _with(value: Any, old: nodes.Node, new: nodes.Node) -> Any:
    if value is old:
        return new
    match value:
        case tuple():
            parts = tuple(_with(part, old, new) for part in value)
            return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
        case nodes.Node():
            changed = {
                name: made
                for name, part in nodes.fields_of(value).items()
                if (made := _with(part, old, new)) is not part
            }
            return replace(value, **changed) if changed else value
    return value
