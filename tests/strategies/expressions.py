"""Write well-typed expressions: every operator, on whatever may be read, under the right guards.

A `Path` is something that can be read, with the paths that must be known to be present first. The
writer keeps to what the checker can know: an operand that cannot say its own type (a bare
enumerator, `{}`) stands only where the other side says it, what is optional only under a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import eq
from random import Random

from attrs import define, evolve, field, frozen

from policyengine.model.types import (
    BOOL,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    IP,
    MONTHS,
    PATH,
    SCHEDULE,
    STRING,
    Attribute,
    EntityRefType,
    LevelsType,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)
from tests.strategies.vocabulary import PATH_PATTERNS, PATTERNS, Vocabulary, literal, quoted

Guards = frozenset[str]
NO_GUARDS: Guards = frozenset()


VARIABLES = ("x", "constant", "shared", "above", "record", "lambda", "len", "turn", "entities")
"""Names of quantifiers' variables: some may be confused with those of generated code."""


@frozen
class Path:
    """Something that can be read, as it is written.

    *guards*: what must be present first; *owner* and *name* where it is an optional attribute;
    *private*: whether reading it reads something private; *constant*: whether it comes from the
    policy: what it refers to is only named there, so nothing of that can be read.
    """

    text: str
    type: Type
    guards: Guards = NO_GUARDS
    owner: str = ""
    name: str = ""
    private: bool = False
    constant: bool = False


@frozen
class Defined:
    """A definition that may be called."""

    name: str
    parameters: tuple[Type, ...]
    result: Type
    private: bool


def paths_from(root: str, type_: Type, made: Vocabulary, depth: int = 3) -> Iterator[Path]:
    """Give *root* and what can be read through it."""
    yield from _below(Path(root, type_), made, depth)


def record_paths(root: Path, made: Vocabulary) -> Iterator[Path]:
    """Give what can be read of a context, or of the constants of an action."""
    assert isinstance(root.type, RecordType)
    yield evolve(root, private=_holds_private(root.type))
    for attribute in root.type.attributes:
        yield from _below(_step(root, attribute), made, 2)


def context_paths(context: Mapping[str, Attribute], made: Vocabulary) -> Iterator[Path]:
    """Give what can be read of a context."""
    yield from record_paths(Path("context", _record(context)), made)


def constant_paths(constants: Mapping[str, Attribute], made: Vocabulary) -> Iterator[Path]:
    """Give what can be read of the constants of an action."""
    yield from record_paths(Path("action", _record(constants), constant=True), made)


def row_paths(keys: Iterable[Path], made: Vocabulary) -> Iterator[Path]:
    """Give what can be read of tables, by keys that can be read."""
    by_type: dict[Type, list[Path]] = {}
    for key in keys:
        by_type.setdefault(key.type, []).append(key)
    for name, (table, _) in made.tables.items():
        found = [Path(name, table, constant=True)]
        while found and isinstance(last := found[0].type, TableType):
            found = [
                Path(
                    f"{path.text}[{key.text}]", last.value, path.guards | key.guards,
                    private=path.private or key.private, constant=True,
                )
                for path in found
                for key in by_type.get(last.key, ())[:2]
            ]  # fmt: skip
        for path in found:
            yield from _below(path, made, 2)


def _record(attributes: Mapping[str, Attribute]) -> RecordType:
    return RecordType(tuple(sorted(attributes.values(), key=lambda a: a.name)))


def _below(path: Path, made: Vocabulary, depth: int) -> Iterator[Path]:
    holds_private = isinstance(path.type, RecordType) and _holds_private(path.type)
    yield evolve(path, private=path.private or holds_private)
    if depth == 0:
        return
    match path.type:
        case EntityRefType(name):
            yield Path(f"{path.text}.id", STRING, path.guards, private=path.private)
            if path.constant:
                return
            for above in sorted(made.ancestors(name) | {name}):
                ancestors = f"ancestors({path.text}, {above})"
                set_ = SetType(EntityRefType(above))
                yield Path(ancestors, set_, path.guards, private=path.private)
            attributes: Sequence[Attribute] = made.entities[name].attributes
        case RecordType(attributes):
            pass
        case _:
            return
    for attribute in attributes:
        yield from _below(_step(path, attribute), made, depth - 1)


def _step(path: Path, attribute: Attribute) -> Path:
    text = f"{path.text}.{attribute.name}"
    guards = path.guards | {text} if attribute.optional else path.guards
    return Path(
        text, attribute.type, guards, path.text, attribute.name if attribute.optional else "",
        path.private or attribute.private or _holds_private(attribute.type), path.constant,
    )  # fmt: skip


def _holds_private(type_: Type) -> bool:
    match type_:
        case RecordType(attributes):
            return any(a.private or _holds_private(a.type) for a in attributes)
        case SetType(element):
            return _holds_private(element)
        case _:
            return False


@define
class Writer:
    """Writes expressions over *paths*.

    *shown*: for a text or an obligation, so nothing private; *in_text*: inside `{…}` of a text, so
    no string either. *loops*: how many quantifiers stand around the place.
    """

    rng: Random
    made: Vocabulary
    paths: list[Path]
    defined: list[Defined] = field(factory=list)
    shown: bool = False
    in_text: bool = False
    loops: int = 0
    in_call: bool = False
    moving: tuple[str, ...] = ()
    """Parameters for which an argument may read `now`."""
    used_private: bool = False

    # ---- what may be read ---------------------------------------------------------------

    def readable(self, guards: Guards, wanted: Callable[[Type], bool]) -> list[Path]:
        """Return the paths of a wanted type that may be read under *guards*."""
        return [
            path
            for path in self.paths
            if path.guards <= guards and wanted(path.type) and not (self.shown and path.private)
        ]

    def read(self, guards: Guards, wanted: Callable[[Type], bool]) -> str | None:
        """Return one of those, or None if there is none."""
        found = self.readable(guards, wanted)
        if not found:
            return None
        path = self.rng.choice(found)
        self.used_private |= path.private
        return path.text

    def optional(self, guards: Guards) -> list[Path]:
        """Return the optional attributes that may be asked for with `has`."""
        return [
            path
            for path in self.paths
            if path.name
            and path.guards - {path.text} <= guards
            and not (self.shown and path.private)
        ]

    # ---- conditions ---------------------------------------------------------------------

    def condition(self, depth: int, guards: Guards = NO_GUARDS) -> str:
        """Write a bool."""
        simple: list[Callable[[int, Guards], str | None]] = [
            self._flag, self._equal, self._equal, self._ordered, self._ordered, self._member,
            self._sets, self._within, self._touches, self._has, self._like, self._texts, self._timed,
            self._call,
        ]  # fmt: skip
        nested: list[Callable[[int, Guards], str | None]] = [
            self._not, self._scheduled, self._and, self._or, self._if, self._guarded, self._guarded,
            self._quantified, self._quantified,
        ]  # fmt: skip
        if self.in_text:
            simple, nested = [self._flag, self._ordered, self._has, self._timed], []
        for _ in range(12):
            choices = simple + nested if depth > 0 else simple
            text = self.rng.choice(choices)(depth, guards)
            if text is not None:
                return text
        return self.rng.choice(("true", "false"))

    def _flag(self, depth: int, guards: Guards) -> str | None:
        return self.read(guards, lambda t: t == BOOL)

    def _equal(self, depth: int, guards: Guards) -> str | None:
        found = self.readable(
            guards, lambda t: t != SCHEDULE and (not self.loops or not isinstance(t, SetType))
        )
        if not found:
            return None
        left = self.rng.choice(found)
        self.used_private |= left.private
        right = self.value(left.type, depth - 1, guards)
        pair = [left.text, right]
        if self.rng.random() < 0.2:
            pair.reverse()
        return f"({pair[0]} {self.rng.choice(('==', '==', '!='))} {pair[1]})"

    def _ordered(self, depth: int, guards: Guards) -> str | None:
        type_ = self.rng.choice((INT, DECIMAL, DATETIME, DURATION, MONTHS, *self._levels()))
        left = self.value(type_, depth - 1, guards, wanted=False)
        right = self.value(type_, depth - 1, guards, wanted=False)
        return f"({left} {self.rng.choice(('<', '<=', '>', '>='))} {right})"

    def _levels(self) -> list[Type]:
        return [t for t in self.made.enumerations if isinstance(t, LevelsType)]

    def _timed(self, depth: int, guards: Guards) -> str | None:
        op = self.rng.choice(("<", "<=", ">", ">=", "==", "!="))
        if self.rng.random() < 0.5:
            moment = self.value(DATETIME, 0, guards, wanted=False)
            span = self.value(DURATION, 0, guards, wanted=False)
            if self.rng.random() < 0.5:
                return f"((now - {moment}) {op} {span})"
            return f"({span} {op} ({moment} - now))"
        return f"(now {op} {self.value(DATETIME, depth - 1, guards, wanted=False)})"

    def _scheduled(self, depth: int, guards: Guards) -> str | None:
        schedule = self.value(SCHEDULE, depth - 1, guards)
        if self.in_text or self.rng.random() < 0.3:
            return f"({self.unmoved(DATETIME, guards)} within {schedule})"
        left = self.rng.choice(
            ("now", f"(now {self.rng.choice('+-')} {self.unmoved(DURATION, guards)})")
        )
        return f"({left} within {schedule})"

    def unmoved(self, type_: Type, guards: Guards) -> str:
        """Write a value that does not read `now`, also when arguments are put in."""
        found = [
            path
            for path in self.readable(guards, lambda t: t == type_)
            if not path.text.startswith(self.moving)
        ]
        if not found or self.rng.random() < 0.3:
            return self._parenthesised(literal(self.rng, type_, self.made))
        path = self.rng.choice(found)
        self.used_private |= path.private
        if type_ == DATETIME and self.rng.random() < 0.3:
            return f"({path.text} {self.rng.choice('+-')} {self.unmoved(DURATION, guards)})"
        return path.text

    def _member(self, depth: int, guards: Guards) -> str | None:
        left = self.read(
            guards, lambda t: t != SCHEDULE and (not isinstance(t, SetType) or not self.loops)
        )
        if left is None:
            return None
        type_ = next(p.type for p in self.paths if p.text == left)
        return f"({left} {self._maybe_not()}in {self.set_of(type_, depth, guards)})"

    def _maybe_not(self) -> str:
        """Write `not` before an operator, or nothing."""
        return self.rng.choice(("", "not "))

    def _sets(self, depth: int, guards: Guards) -> str | None:
        left = self.read(guards, _is_set)
        if left is None or self.loops:
            return None
        type_ = next(p.type for p in self.paths if p.text == left)
        assert isinstance(type_, SetType)
        right = self.set_of(type_.element, depth, guards)
        op = self._maybe_not() + self.rng.choice(("overlaps", "subset"))
        if self.rng.random() < 0.3:
            return f"({right} {op} {left})"
        return f"({left} {op} {right})"

    def set_of(self, element: Type, depth: int, guards: Guards) -> str:
        """Write a set where its type is known."""
        found = self.read(guards, lambda t: t == SetType(element))
        if found is not None and self.rng.random() < 0.5:
            return found
        items = [
            self.value(element, depth - 1, guards) for _ in range(self.rng.choice((0, 1, 2, 2, 3)))
        ]
        return "{" + ", ".join(dict.fromkeys(items)) + "}"

    def _within(self, depth: int, guards: Guards) -> str | None:
        found = [
            path
            for path in self.readable(guards, _lies_within)
            if not (path.constant and isinstance(_element(path.type), EntityRefType))
        ]
        if not found:
            return None
        path = self.rng.choice(found)
        self.used_private |= path.private
        left, type_ = path.text, path.type
        element = _element(type_)
        outer: Type = element
        if isinstance(element, EntityRefType):
            above = sorted(self.made.ancestors(element.name) | {element.name})
            outer = EntityRefType(self.rng.choice(above))
        if self.rng.random() < 0.5 and not (self.loops and isinstance(type_, SetType)):
            right = self.set_of(outer, 0, guards)
            if right == "{}" and not isinstance(element, TaxonomyType):
                right = "{" + self.value(outer, 0, guards, wanted=False) + "}"
        else:
            right = self.value(outer, 0, guards, wanted=isinstance(element, TaxonomyType))
        return f"({left} {self._maybe_not()}within {right})"

    def _touches(self, depth: int, guards: Guards) -> str | None:
        left = self.read(guards, lambda t: isinstance(_element(t), TaxonomyType))
        if left is None:
            return None
        type_ = next(p.type for p in self.paths if p.text == left)
        if self.loops and isinstance(type_, SetType):
            return None
        element = _element(type_)
        return f"({left} {self._maybe_not()}touches {self.set_of(element, 0, guards)})"

    def _has(self, depth: int, guards: Guards) -> str | None:
        found = self.optional(guards)
        if not found:
            return None
        path = self.rng.choice(found)
        self.used_private |= path.private
        return f"({path.owner} {self._maybe_not()}has {path.name})"

    def _like(self, depth: int, guards: Guards) -> str | None:
        if self.in_text:
            return None
        kind = self.rng.choice((STRING, PATH))
        left = self.read(guards, lambda t: t == kind)
        if left is None:
            return None
        pattern = _pattern(self.rng)
        if kind == PATH:
            pattern = f"path {quoted(self.rng.choice(PATH_PATTERNS))}"
        return f"({left} {self._maybe_not()}like {pattern})"

    def _texts(self, depth: int, guards: Guards) -> str | None:
        if self.in_text:
            return None
        left = self.read(guards, lambda t: t == STRING)
        if left is None:
            return None
        right = self.value(STRING, depth - 1, guards, wanted=False)
        if self.rng.random() < 0.3:  # with a constant that has a capital it would be refused
            left = f"lower({left})"
            right = right.lower() if right.startswith('"') else f"lower({right})"
        pair = [left, right]
        if self.rng.random() < 0.3:
            pair.reverse()
        op = self.rng.choice(("startswith", "endswith", "contains", "=="))
        return f"({pair[0]} {self._maybe_not() if op != '==' else ''}{op} {pair[1]})"

    def _call(self, depth: int, guards: Guards) -> str | None:
        return self.call(BOOL, depth, guards)

    def _not(self, depth: int, guards: Guards) -> str | None:
        return f"(not {self.condition(depth - 1, guards)})"

    def _and(self, depth: int, guards: Guards) -> str | None:
        parts = [self.condition(depth - 1, guards) for _ in range(self.rng.choice((2, 2, 3)))]
        return f"({' and '.join(parts)})"

    def _or(self, depth: int, guards: Guards) -> str | None:
        parts = [self.condition(depth - 1, guards) for _ in range(self.rng.choice((2, 2, 3)))]
        return f"({' or '.join(parts)})"

    def _if(self, depth: int, guards: Guards) -> str | None:
        parts = [self.condition(depth - 1, guards) for _ in range(3)]
        return f"(if {parts[0]} then {parts[1]} else {parts[2]})"

    def _guarded(self, depth: int, guards: Guards) -> str | None:
        """Write a condition on something optional, in one of the ways that guard it."""
        found = self.optional(guards)
        if not found:
            return None
        path = self.rng.choice(found)
        self.used_private |= path.private
        asked, known = f"{path.owner} has {path.name}", guards | {path.text}
        then = self.about(path, depth - 1, known)
        other = self.condition(0, guards)
        return self.rng.choice(
            (
                f"({asked} and {then})",
                f"(not {asked} or {then})",
                f"({path.owner} not has {path.name} or {then})",
                f"(if {asked} then {then} else {other})",
                f"(if not ({asked}) then {other} else {then})",
                f"(if {path.owner} not has {path.name} then {other} else {then})",
                f"(not (not {asked} or {other}) and {then})",
                f"(({asked} and {other}) and {then})",
            )
        )

    def about(self, path: Path, depth: int, guards: Guards) -> str:
        """Write a condition that reads *path*."""
        if path.type == BOOL:
            return path.text
        if isinstance(path.type, SetType):
            return f"(size({path.text}) > {self.value(INT, 0, guards)})"
        return (
            f"({path.text} {self.rng.choice(('==', '!='))} {self.value(path.type, depth, guards)})"
        )

    def _quantified(self, depth: int, guards: Guards) -> str | None:
        over = self.readable(guards, _is_set)
        if not over or self.loops:
            return None
        path = self.rng.choice(over)
        self.used_private |= path.private
        assert isinstance(path.type, SetType)
        name, before = self.rng.choice(VARIABLES), self.paths
        root = Path(name, path.type.element, private=path.private, constant=path.constant)
        inner = list(_below(root, self.made, 2))
        self.paths = self.rng.sample(before, min(len(before), 12)) + inner * 3
        self.loops += 1
        body = self.condition(depth - 1, guards)
        self.loops -= 1
        self.paths = before
        return f"({self.rng.choice(('every', 'some'))} {name} in {path.text}: {body})"

    # ---- values -------------------------------------------------------------------------

    def value(self, type_: Type, depth: int, guards: Guards, *, wanted: bool = True) -> str:
        """Write a value of *type_*; *wanted*: the place says so itself."""
        rng = self.rng
        if type_ == BOOL and depth > 0 and rng.random() < 0.5:
            return self.condition(depth - 1, guards)
        if rng.random() < 0.5:
            found = self.read(guards, lambda t: t == type_)
            if found is not None:
                return found
        if depth > 0 and rng.random() < 0.4:
            computed = self._computed(type_, depth, guards)
            if computed is not None:
                return computed
        if rng.random() < 0.15:
            named = [n for n, (t, _) in self.made.constants.items() if t == type_]
            if named:
                return rng.choice(named)
        if rng.random() < 0.2:
            row = self._row(type_, guards)
            if row is not None:
                return row
        if rng.random() < 0.15:
            called = self.call(type_, depth, guards)
            if called is not None:
                return called
        if depth > 0 and rng.random() < 0.15:
            branches = [self.value(type_, depth - 1, guards, wanted=wanted) for _ in range(2)]
            return f"(if {self.condition(0, guards)} then {branches[0]} else {branches[1]})"
        return self._written(type_, guards, wanted=wanted)

    def _row(self, type_: Type, guards: Guards) -> str | None:
        """Write a look-up in a table of values of *type_*, or return None if there is none."""
        found: list[tuple[str, list[Type]]] = []
        for name, (table, _) in self.made.tables.items():
            keys: list[Type] = []
            last: Type = table
            while isinstance(last, TableType):
                keys.append(last.key)
                last = last.value
            if last == type_:
                found.append((name, keys))
        if not found:
            return None
        name, keys = self.rng.choice(found)
        parts: list[str] = [name]
        for key in keys:
            part = self.read(guards, partial(eq, key))
            if part is None or (not self.in_text and self.rng.random() < 0.3):
                if self.in_text:
                    return None
                part = self.value(key, 0, guards)
            parts.append(f"[{part}]")
        return "".join(parts)

    def _written(self, type_: Type, guards: Guards, *, wanted: bool) -> str:
        for _ in range(8):
            text = self._parenthesised(literal(self.rng, type_, self.made, wanted=wanted))
            if not self.in_text or '"' not in text:
                return text
        found = self.read(guards, lambda t: t == type_)
        return found if found is not None else "now"

    def _parenthesised(self, text: str) -> str:
        return f"({text})" if text.startswith("-") else text

    def _computed(self, type_: Type, depth: int, guards: Guards) -> str | None:
        def of(part: Type) -> str:
            return self.value(part, depth - 1, guards, wanted=False)

        rng = self.rng
        if type_ == PATH:
            path = self.read(guards, lambda t: t == PATH)
            return path and f"lower({path})"
        if type_ == DATETIME:
            return rng.choice(
                (
                    "now",
                    f"({of(DATETIME)} {rng.choice('+-')} {of(DURATION)})",
                    f"({self.unmoved(DATETIME, guards)} {rng.choice('+-')} {of(MONTHS)})",
                )
            )
        if type_ == MONTHS:
            return f"(-{of(MONTHS)})"
        if type_ == DURATION:
            return rng.choice(
                (
                    f"({of(DATETIME)} - {of(DATETIME)})",
                    f"({of(DURATION)} {rng.choice('+-')} {of(DURATION)})",
                    f"({of(INT)} * {of(DURATION)})",
                    f"(-{of(DURATION)})",
                )
            )
        if type_ == STRING and not self.in_text:
            text = self.read(guards, lambda t: t == STRING)
            return text and f"lower({text})"
        if type_ == INT:
            sized = self.read(guards, lambda t: t == STRING or _is_set(t))
            if sized is not None and rng.random() < 0.5:
                return f"size({sized})"
            return f"({of(INT)} {rng.choice('+-*')} {of(INT)})"
        if type_ == DECIMAL:
            return rng.choice(
                (
                    f"({of(DECIMAL)} {rng.choice('+-')} {of(DECIMAL)})",
                    f"({of(INT)} * {of(DECIMAL)})",
                    f"(-{of(DECIMAL)})",
                )
            )
        return None

    def call(self, result: Type, depth: int, guards: Guards) -> str | None:
        """Write a call of a definition with that result, or return None if there is none."""
        found = [
            d
            for d in self.defined
            if d.result == result and not (self.shown and d.private) and not self.loops
        ]
        if not found or self.in_text or self.in_call:  # calls in calls soon cost too much
            return None
        chosen = self.rng.choice(found)
        self.used_private |= chosen.private
        self.in_call = True
        arguments = [self._argument(p, guards) for p in chosen.parameters]
        self.in_call = False
        if any(argument is None for argument in arguments):
            return None
        return f"{chosen.name}({', '.join(map(str, arguments))})"

    def _argument(self, parameter: Type, guards: Guards) -> str | None:
        """Write an argument; if it refers to entities, one of the request's, or None."""
        if not _refers(parameter):
            return self.value(parameter, 0, guards)
        found = [p for p in self.readable(guards, lambda t: t == parameter) if not p.constant]
        if not found:
            return None
        path = self.rng.choice(found)
        self.used_private |= path.private
        return path.text

    def text(self, guards: Guards) -> str:
        """Write a text for a person, in quotes, with values in it."""
        before = self.shown, self.in_text
        self.shown = self.in_text = True
        parts = [self.rng.choice(("because ", "", "{{x}} ", "é "))]
        for _ in range(self.rng.randint(0, 2)):
            found = self.readable(guards, lambda _: True)
            if found and self.rng.random() < 0.8:
                parts.append(f"{{{self.rng.choice(found).text}}}")
            else:
                kind = self.rng.choice((INT, DURATION, DECIMAL, DATETIME))
                parts.append(f"{{{self.value(kind, 1, guards, wanted=False)}}}")
            parts.append(self.rng.choice((" and ", ", ", "")))
        self.shown, self.in_text = before
        return f'"{"".join(parts)}"'


def _pattern(rng: Random) -> str:
    pattern = rng.choice(PATTERNS)
    return quoted(pattern).replace("\\\\*", "\\*") if rng.random() < 0.5 else quoted(pattern)


def _is_set(type_: Type) -> bool:
    return isinstance(type_, SetType)


def _element(type_: Type) -> Type:
    return type_.element if isinstance(type_, SetType) else type_


def _refers(type_: Type) -> bool:
    match type_:
        case EntityRefType():
            return True
        case SetType(element):
            return _refers(element)
        case RecordType(attributes):
            return any(_refers(a.type) for a in attributes)
        case _:
            return False


def _lies_within(type_: Type) -> bool:
    element = _element(type_)
    return element in (IP, PATH) or isinstance(element, TaxonomyType | EntityRefType)


def common(paths: Iterable[Iterable[Path]]) -> list[Path]:
    """Return the paths that mean the same in every environment."""
    each = [{path.text: path for path in some} for some in paths]
    return [
        path
        for text, path in each[0].items()
        if all(others.get(text) == path for others in each[1:])
    ]
