"""Collect the constants that rules mention: the values at which their results may change.

A condition can tell two numbers apart only if a constant is between them, and two names only if it
mentions one. So the constants of the rules, their neighbours, and one value that no rule mentions
represent all values. That is exact while values are compared with constants only. Where a rule does
more (arithmetic, numbers compared with each other, several patterns), its types are noted in
*beyond*, and a search that tried everything then proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain, count, filterfalse
from typing import Final, TypeAlias, assert_never

from attrs import Factory, define

from policyengine.analysis.text_automaton import LETTERS
from policyengine.model.path_syntax import MOST_SEGMENTS, is_path, segments_of
from policyengine.model.schedules import Schedule
from policyengine.model.types import (
    DATETIME,
    DURATION,
    IP,
    MONTHS,
    ORDERED,
    PATH,
    SCHEDULE,
    STRING,
    EntityRefType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TableType,
    TargetKey,
    Type,
)
from policyengine.model.values import ABSENT, can_be_given, slot
from policyengine.reference.calendar import add_months, next_turn
from policyengine.reference.evaluation import is_made_of, pieces_of
from policyengine.semantics.checked import CheckedRule, Definition, Lower, Size, Typing, Value
from policyengine.syntax import nodes
from policyengine.syntax.expressions import walk_expressions
from policyengine.syntax.node import walk
from policyengine.syntax.operators import operator_of

Pieces: TypeAlias = tuple[str, ...]
"""A pattern cut at its stars."""

_LONG = 1_000
"""Characters of a text from which on new ones are made of letters: a path has 4,096."""

PIECES: Final[Mapping[str, Callable[[str], Pieces]]] = {
    "startswith": lambda part: (part, ""),
    "endswith": lambda part: ("", part),
    "contains": lambda part: ("", part, ""),
}


@define
class MentionedConstants:
    """The constants by type, the patterns, and the types for which constants are not enough."""

    values: dict[Type, set[object]] = Factory(dict)
    patterns: set[Pieces] = Factory(set)
    path_patterns: set[str] = Factory(set)
    path_trees: bool = False
    """Whether rules test what a path is within."""
    new_segment: str = "other"
    """A segment of paths that is in no constant, and has nothing of a pattern in it."""
    beyond: set[Type] = Factory(set)
    loose: Counter[Type] = Factory(Counter)
    """The number of comparisons between two values of the request, by type."""
    sized: bool = False
    """Whether the size of a set matters, so that elements that no rule mentions do."""
    lowered: bool = False
    """Whether strings are lowered, so that those mentioned may be written with capitals."""
    ids: bool = False
    """Whether an `id` is read as a text, so that the texts mentioned are ids to try."""
    scheduled: int = 0
    """How often `now` is before a schedule."""
    timed: int = 0
    """How often the time is read, dates of rules included."""
    tables: set[int] = Factory(set)
    """The tables of which all is noted, by their identity: they may be long, and many rules look up in one."""
    climbs: bool = False
    """Whether rules ask for the ancestors of an entity, of which there may be any number."""
    unsure: bool = False
    """Whether rules do something that cannot be tried: compare whole records, or ids with texts, or
    apply an operator that the analysis does not understand."""

    @classmethod
    def of(cls, rules: Iterable[CheckedRule], target: TargetKey) -> MentionedConstants:
        """Collect from the conditions and obligations of *rules* as they are for *target*."""
        made = cls()
        for rule in rules:
            typing = rule.typings[target]
            for moment in (rule.valid_from, rule.valid_until):
                if moment is not None:
                    made.timed += 1
                    made.add(DATETIME, moment)
            made.take([c.expr for c in rule.conjuncts], typing, set())
            owed = [argument for call in rule.obligations for argument in call.arguments]
            made.take(owed, typing, set())
        if len(made.path_patterns) + made.path_trees > 1:
            made.beyond.add(PATH)
        made._choose_segment()
        made._take_schedules()
        return made

    def add(self, type_: Type, value: object) -> None:
        """Note a constant, and each element or part of it."""
        match type_, value:
            case _ if value is ABSENT:
                pass  # an optional part that a record of the policy lacks
            case SetType(element), frozenset():
                for one in value:
                    self.add(element, one)
            case TableType(), tuple() if id(value) in self.tables:
                pass
            case TableType(key), tuple():
                self.tables.add(id(value))
                for name in range(len(key.members)) if isinstance(key, LevelsType) else key.members:
                    self.add(key, name)
                for row in value:
                    self.add(type_.value, row)
            case RecordType(attributes), _:
                for part in attributes:
                    self.add(part.type, getattr(value, slot(part.name)))
            case _:
                self.values.setdefault(type_, set()).add(value)

    def _take_schedules(self) -> None:
        """Note moments within each schedule and beyond it.

        They represent all if there is one, and nothing else reads the time.
        """
        schedules = [s for s in self.values.get(SCHEDULE, ()) if isinstance(s, Schedule)]
        for schedule in schedules:
            turn = next_turn(_A_DAY, schedule)
            for moment in (_A_DAY, turn, next_turn(turn, schedule)):
                self.add(DATETIME, moment)
        self.unsure |= len(schedules) > 1 or (self.scheduled not in (0, self.timed))

    def unmentioned(self) -> list[Iterator[str]]:
        """Give texts that no rule mentions: those that match no pattern, then those that match each."""
        mentioned = self.values.get(STRING, set())
        each = (_matching_none(self.patterns), *map(_matching, sorted(self.patterns)))
        return [filterfalse(mentioned.__contains__, texts) for texts in each]

    def paths(self) -> list[str]:
        """Return paths that represent all: each that is mentioned, one just below it, and one unlike all.

        For a pattern, there are one that matches and one that has more segments.
        """
        known = sorted(str(path) for path in self.values.get(PATH, ()))
        new = self.new_segment
        made = [f"/{new}", *known, *(f"{path.rstrip('/')}/{new}" for path in known), "/"]
        for pattern in sorted(self.path_patterns):
            deep = min(len(segments_of(pattern)) + 1, MOST_SEGMENTS)
            made += [pattern.replace("**", "*").replace("*", new), f"/{new}" * deep]
        return [path for path in dict.fromkeys(made) if is_path(path)]

    def _add_above(self, binding: object) -> None:
        """Note all paths that a constant path is within, if *binding* is one, or a set of some."""
        match binding:
            case Value(_, str() as path):
                parts = segments_of(path)
                for above in range(len(parts)):
                    self.add(PATH, f"/{'/'.join(parts[:above])}")
            case Value(_, frozenset() as paths):
                for path in paths:
                    self._add_above(Value(PATH, path))

    def _choose_segment(self) -> None:
        """Choose the segment that paths to try are made of."""
        known = [*map(str, self.values.get(PATH, ())), *self.path_patterns]
        words = chain(("other", "else"), LETTERS)
        new = _unlike(known, "".join(self.path_patterns), words)
        if new is None:
            self.beyond.add(PATH)
        else:
            self.new_segment = new

    def take(self, exprs: Iterable[nodes.Expr], typing: Typing, seen: set[int]) -> None:
        """Collect from expressions, and from the definitions that they use."""
        for node in walk_expressions(exprs):
            binding = typing.binding_of(node)
            match binding:
                case Value(type_, value):
                    self.add(type_, value)
                case Definition() if id(binding) not in seen:
                    seen.add(id(binding))
                    self.take([binding.body], binding.typing, seen)
            self._beyond(node, typing)

    def _compared(self, text: nodes.Expr, pieces: Pieces, typing: Typing) -> None:
        """Note that a text is compared with a pattern; without a star that is a constant."""
        self.unsure |= is_id(text, typing)
        if len(pieces) == 1:
            self.add(STRING, pieces[0])
            return
        self.patterns.add(pieces)
        if len(self.patterns) > 1:
            self.beyond.add(STRING)

    def _beyond(self, node: nodes.Expr, typing: Typing) -> None:
        row = operator_of(node)
        self.unsure |= row is not None and not row.understood
        match node:
            case nodes.Like(_, pattern, "path"):
                self.path_patterns.add(pattern)
            case nodes.Like(object_, pattern):
                self._compared(object_, tuple(pieces_of(pattern)), typing)
            case nodes.Compare("startswith" | "endswith" | "contains" as op, left, right):
                match typing.binding_of(right):
                    case Value(_, str(part)):
                        self._compared(left, PIECES[op](part), typing)
                    case _:
                        self.unsure = True
            case nodes.Arithmetic() | nodes.Negate():
                self.beyond.update(ORDERED)
            case nodes.Ancestors():
                self.climbs = True
            case nodes.Attr():
                self.ids |= is_id(node, typing)
            case nodes.SetDisplay(items):  # a symbolic set or record hashes by identity
                self.unsure |= any(
                    isinstance(typing.types.get(id(item)), SetType | RecordType)
                    and not isinstance(typing.binding_of(item), Value)
                    for item in items
                )
            case nodes.Call(_, arguments):
                match typing.binding_of(node):
                    case Lower():
                        self.lowered = True
                    case Size():
                        self.sized = True
                        self.unsure |= typing.type_of(arguments[0]) == STRING
                    case Definition() | Value():
                        pass  # what it does is inside
                    case _:
                        self.unsure = True
            case nodes.Name("now"):
                self.timed += 1
            case nodes.Compare(_, left, right) if typing.type_of(right) == SCHEDULE:
                match left, typing.binding_of(right):
                    case nodes.Name("now"), Value():
                        self.scheduled += 1
                    case _:
                        self.unsure = True
            case nodes.Compare():
                self._values_compared(node, typing)
            case (
                nodes.Literal() | nodes.Name() | nodes.EntityRef() | nodes.Update() | nodes.RecordDisplay()
                | nodes.Not() | nodes.And() | nodes.Or() | nodes.If() | nodes.Has() | nodes.Quantified()
                | nodes.LookUp()
            ):  # fmt: skip
                pass  # every outcome of these is tried, by the values inside
            case _:
                assert_never(node)

    def _values_compared(self, node: nodes.Compare, typing: Typing) -> None:
        """Note the types for which a comparison needs more than its constants."""
        left, right = node.left, node.right
        sides = [typing.type_of(left), typing.type_of(right)]
        computed = [
            typing.type_of(side) for side in (left, right) if not _is_mentioned(side, typing)
        ]
        if len(computed) == len(sides):
            self.unsure |= any(is_id(side, typing) for side in (left, right))
            self.beyond.update(side for side in sides if side in (*ORDERED, PATH))
            self.loose.update({s.element if isinstance(s, SetType) else s for s in sides})
        if node.op == "within" and PATH in sides:
            self.path_trees = True
            self._add_above(typing.binding_of(left))
            if isinstance(left, nodes.LookUp):
                self.beyond.add(PATH)
        if IP in sides or SetType(IP) in sides:
            self.beyond.add(IP)
        sets = [side for side in computed if isinstance(side, SetType)]
        self.beyond.update(one.element for one in sets if endless(one.element))
        self.unsure |= any(has_record(side) for side in sides)


def _matching(pieces: Pieces) -> Iterator[str]:
    """Give texts that match a pattern, without end, and what is between its pieces is in none of them."""
    between = _another_letter("".join(pieces), first="x")
    return ((between * n).join(pieces) for n in count(1))


def _matching_none(patterns: Collection[Pieces]) -> Iterator[str]:
    """Give texts that match none of *patterns*, without end; none if a pattern matches every text."""
    if not all(map(any, patterns)):
        return
    other = _another_letter("".join(piece for pieces in patterns for piece in pieces), first="a")
    for n in count(1):
        text = f"text {n}"
        yield other * n if any(is_made_of(text, pieces) for pieces in patterns) else text


def _is_mentioned(node: nodes.Expr, typing: Typing) -> bool:
    """Whether *node* is a constant, or one of a table's."""
    return isinstance(node, nodes.LookUp) or isinstance(typing.binding_of(node), Value)


def _unlike(known: Iterable[str], patterns: str, words: Iterable[str]) -> str | None:
    """Return one of *words* that is in no *known* text and has no character of *patterns* in it.

    A word takes more room in a path than a letter, so it is none for paths at their limit.
    """
    texts = "\n".join(known)
    long = max(map(len, texts.split("\n"))) > _LONG
    for word in words:
        if word not in texts and not set(word) & set(patterns) and not (long and len(word) > 1):
            return word
    return None


def _another_letter(text: str, first: str) -> str:
    """Return a character that is not in *text*: *first*, or one after it."""
    return next(letter for letter in map(chr, count(ord(first))) if letter not in text)


def endless(type_: Type) -> bool:
    """Whether a type has infinitely many values, references apart."""
    return isinstance(type_, RecordType | SetType) or (
        isinstance(type_, Primitive) and type_.name != "bool"
    )


def has_record(type_: Type) -> bool:
    """Whether values of the type are records or hold some."""
    return isinstance(type_, RecordType) or (
        isinstance(type_, SetType) and has_record(type_.element)
    )


def is_id(expr: nodes.Expr, typing: Typing) -> bool:
    """Whether an expression reads the id of an entity as a text."""
    match expr:
        case nodes.Attr(object_, nodes.Ident("id")):
            return isinstance(typing.types.get(id(object_)), EntityRefType)
    return False


def walk_typed(node: nodes.Node, typing: Typing) -> Iterator[tuple[nodes.Node, Typing]]:
    """Give *node* and all nodes below it, and those of the definitions that are called."""
    for inner in walk(node):
        yield inner, typing
        binding = typing.binding_of(inner)
        if isinstance(binding, Definition):
            yield from walk_typed(binding.body, binding.typing)


def walk_conditions(rule: CheckedRule) -> Iterator[tuple[nodes.Node, Typing]]:
    """Give all nodes of the conditions of *rule*, for one of its typings."""
    typing = next(iter(rule.typings.values()))
    for conjunct in rule.conjuncts:
        yield from walk_typed(conjunct.expr, typing)


def numbers(
    mentions: MentionedConstants, type_: Primitive | LevelsType, used: Iterable[int]
) -> list[int]:
    """Return numbers of *type_* that any of the comparisons can tell apart."""
    about = {v for v in mentions.values.get(type_, ()) if isinstance(v, int)} | set(used)
    if type_ in mentions.beyond:
        spans = {v for v in mentions.values.get(DURATION, ()) if isinstance(v, int)}
        if type_ in (DATETIME, DURATION):
            about |= {v + sign * span for v in about for span in spans for sign in (1, -1)}
        if type_ == DATETIME:
            months = {v for v in mentions.values.get(MONTHS, ()) if isinstance(v, int)}
            about |= {add_months(v, sign * m) for v in about for m in months for sign in (1, -1)}
        about.add(0 if type_ != DATETIME else _A_DAY)
    if not about:
        return [_A_DAY if type_ == DATETIME else 0]
    near = {v + step for v in about for step in (-1, 0, 1)}
    return sorted(v for v in near if can_be_given(type_, v))


_A_DAY = 1_767_225_600_000_000
"""2026-01-01: the value of moments that are compared with no constant."""
