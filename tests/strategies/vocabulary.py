"""Make a vocabulary: types, entities, groups and actions, and the values that fill them.

Everything is drawn from a `random.Random`, so that one seed gives one vocabulary. The pools of
values are small on purpose: what is compared is then often equal, and what is timed is often due.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from attrs import define, field
from msgspec.structs import replace

from policyengine.model.types import (
    BOOL,
    CHANGERS,
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
    Count,
    EntityRefType,
    EntityType,
    EnumType,
    LevelsType,
    Primitive,
    RecordType,
    SetType,
    TableType,
    TaxonomyType,
    Type,
)

MOMENTS = (
    "2023-03-29", "2024-02-29T12:00:00Z", "2025-01-01", "2025-01-01T00:00:00.000001Z",
    "2025-06-15T10:30:00Z", "2026-12-31T23:59:59.999999Z", "2025-01-31T01:00:00Z",
    "2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z", "2024-11-03T06:00:00Z",
)  # fmt: skip
DURATIONS = ("0s", "1us", "1h", "24h", "90m", "30d", "1w2d", "365d")
MONTHS_WRITTEN = ("0mo", "1mo", "6mo", "1y", "1y1mo", "18y", "400y")
SCHEDULES = (
    "Mon-Fri 09:00-17:00, Sat 10:00-14:00 Europe/Berlin", "Sat-Mon 22:00-06:00 America/New_York",
    "02:15-02:45 Europe/Berlin", "Sun 01:30-02:30, Sun 05:00-24:00 Australia/Lord_Howe",
    "Wed 00:00-00:01 UTC", "00:00-24:00 Asia/Kathmandu", "Mon Thu 23:59-00:01 Pacific/Apia",
)  # fmt: skip
IPS = (
    "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168.0.1", "0.0.0.0/0", "2001:db8::/32",
    "2001:db8::1", "::ffff:10.1.2.4",
)  # fmt: skip
STRINGS = ("", "a", "ab", "a*b", "tweet.read", "é{}", 'say "x"', "back\\slash")
PATTERNS = ("*", "a*", "*b", "a*b", "a\\*b", "*.read", "", "*e*r*")
PATHS = (
    "/", "/a", "/a/b", "/a/b/c", "/ab", "/A", "/a/.x", "/é {}/a", '/say "x"/b', "/x/profile",
)  # fmt: skip
PATH_PATTERNS = (
    "/", "/a", "/*", "/**", "/a/**", "/a/*", "/*/b", "/**/b", "/a*", "/*b*", "/**/*/c", "/**/b/**",
    "/*/**/*", "/**/.*", '/*"*/**',
)  # fmt: skip
DECIMALS = ("0", "0.5", "1", "1.5", "2.0001", "99999.9999")
IDS = ("x1", "x2", 'odd "id"', "x4")
ATTRIBUTES = (
    "alpha", "beta", "gamma", "delta", "lambda", "class", "when", "kind", "size", "owner", "label",
    "self", "v_alpha", "line",
)  # fmt: skip
"""Names of attributes: some are reserved in Python, some here, some are names of our own slots."""


@define
class Group:
    """A group as written; *subjects* and *resources* are None where nothing is."""

    name: str
    groups: tuple[str, ...] = ()
    subjects: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    context: tuple[Attribute, ...] = ()
    constants: tuple[Attribute, ...] = ()


@define
class Action:
    """An action as written, with the texts of its constants by name."""

    name: str
    groups: tuple[str, ...] = ()
    subjects: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    context: tuple[Attribute, ...] = ()
    constants: dict[str, str] = field(factory=dict)


@define
class Vocabulary:
    """What the rules of one policy set may speak of."""

    enumerations: list[EnumType | LevelsType | TaxonomyType] = field(factory=list)
    entities: dict[str, EntityType] = field(factory=dict)
    groups: dict[str, Group] = field(factory=dict)
    actions: dict[str, Action] = field(factory=dict)
    constants: dict[str, tuple[Type, str]] = field(factory=dict)
    tables: dict[str, tuple[TableType, str]] = field(factory=dict)
    obligations: dict[str, tuple[Attribute, ...]] = field(factory=dict)

    def line(self, name: str) -> list[Group | Action]:
        """Return a group or action and everything that it lies in."""
        found: list[Group | Action] = []
        waiting = [name]
        while waiting:
            one = waiting.pop(0)
            declared = self.actions.get(one) or self.groups[one]
            if declared not in found:
                found.append(declared)
                waiting += declared.groups
        return found

    def members(self, name: str) -> list[str]:
        """Return the actions that a group, or an action as a group, covers."""
        return [a for a in self.actions if any(d.name == name for d in self.line(a))]

    def subjects(self, action: str) -> tuple[str, ...]:
        """Return the types of who may do *action*."""
        return self._narrowest([d.subjects for d in self.line(action)])

    def resources(self, action: str) -> tuple[str, ...]:
        """Return the types of what *action* is done on."""
        return self._narrowest([d.resources for d in self.line(action)])

    def _narrowest(self, stated: Sequence[tuple[str, ...] | None]) -> tuple[str, ...]:
        if stated[0] is not None:
            return stated[0]
        return min((types for types in stated if types is not None), key=len)

    def context(self, action: str) -> dict[str, Attribute]:
        """Return the context of *action*, that of its groups included."""
        return {a.name: a for declared in self.line(action) for a in declared.context}

    def action_constants(self, action: str) -> dict[str, Attribute]:
        """Return the types of the constants of *action*."""
        groups = (d for d in self.line(action) if isinstance(d, Group))
        return {a.name: a for group in groups for a in group.constants}

    def ancestors(self, entity: str) -> set[str]:
        """Return the entity types that an entity of that type may lie in, near or far."""
        found: set[str] = set()
        waiting = list(self.entities[entity].parents)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.entities[name].parents
        return found


# ---- making one -------------------------------------------------------------------------


def make_vocabulary(rng: Random, size: int) -> Vocabulary:
    """Make a vocabulary; *size* is 1 for a tiny one and 3 for a rich one."""
    made = Vocabulary()
    _enumerations(rng, made, size)
    names = ["User", "App", "Doc", "Team"][: max(2, rng.randint(1, size + 1))]
    for name in names:
        parents = tuple(rng.sample(names, rng.choice((0, 0, 1, 1, 2))))
        made.entities[name] = EntityType(name, parents, ())
    for name in names:
        attributes = tuple(
            replace(attribute, by=rng.choice(CHANGERS))
            for attribute in _attributes(rng, made, rng.randint(1, 2 + size), private=0.15)
        )
        made.entities[name] = EntityType(name, made.entities[name].parents, attributes)
    for number in range(rng.randint(0, size)):
        type_ = some_type(rng, made)
        made.constants[f"k{number}"] = (type_, literal(rng, type_, made, constant=True))
    for number in range(rng.randint(0, 1)):
        made.constants[f"open{number}"] = SCHEDULE, literal(rng, SCHEDULE, made)
    for number in range(rng.randint(0, size)):
        table = some_table(rng, made)
        made.tables[f"rows{number}"] = (table, rows_text(rng, table, made))
    for number in range(rng.randint(1, 2)):
        made.obligations[f"owe{number}"] = tuple(
            Attribute(f"p{i}", some_type(rng, made, depth=1)) for i in range(rng.randint(0, 2))
        )
    _actions(rng, made, names, size)
    return made


def _enumerations(rng: Random, made: Vocabulary, size: int) -> None:
    made.enumerations = [
        EnumType("Colour", "p", ("red", "green", "blue")),
        EnumType("Scope", "p", ("tweet.read", "dm.read", "red")),
        LevelsType("Tier", "p", ("free", "basic", "pro", "top")),
        TaxonomyType(
            "Purpose", "p",
            (("research", None), ("academic", "research"), ("health", "academic"),
             ("market", "research"), ("ads", None), ("support", None)),
        ),
        LevelsType("Risk", "p", ("low", "basic", "high")),
    ]  # fmt: skip
    rng.shuffle(made.enumerations)
    del made.enumerations[1 + size :]


def _attributes(
    rng: Random, made: Vocabulary, count: int, optional: float = 0.35, private: float = 0.0,
    depth: int = 2,
) -> tuple[Attribute, ...]:  # fmt: skip
    return tuple(
        Attribute(
            name, some_type(rng, made, depth), rng.random() < optional, rng.random() < private
        )
        for name in rng.sample(ATTRIBUTES, count)
    )


def _actions(rng: Random, made: Vocabulary, names: Sequence[str], size: int) -> None:
    # One name has one type everywhere: two groups of an action may both declare it.
    context = _attributes(rng, made, 2 + size, optional=0.3, private=0.1)
    context = tuple(
        replace(a, count=some_count(rng, names)) if a.type == INT and not a.optional else a
        for a in context
    )
    constants = _attributes(rng, made, 2, optional=0.3, depth=1)
    constants = tuple(a for a in constants if a.name != "name")
    for number in range(rng.randint(1, size)):
        group = Group(f"g{number}")
        if number and rng.random() < 0.5:
            group.groups = (f"g{number - 1}",)
        group.context = tuple(rng.sample(context, rng.randint(0, 2)))
        if number == 0 and rng.random() < 0.6:
            group.subjects, group.resources = tuple(names), tuple(names)
        if rng.random() < 0.6:
            group.constants = constants
        made.groups[group.name] = group
    for number in range(rng.randint(1, size + 1)):
        action = Action(f"act{number}")
        if number and rng.random() < 0.2:  # an action that stands as a group
            action.groups = (f"act{number - 1}",)
        else:
            groups = list(made.groups)
            action.groups = tuple(rng.sample(groups, rng.randint(0, min(2, len(groups)))))
        made.actions[action.name] = action
        line = made.line(action.name)
        if all(d.subjects is None for d in line):
            action.subjects = tuple(rng.sample(names, rng.randint(1, min(2, len(names)))))
        if all(d.resources is None for d in line):
            action.resources = tuple(rng.sample(names, rng.randint(1, min(2, len(names)))))
        action.context = tuple(rng.sample(context, rng.randint(0, 2)))
        for attribute in made.action_constants(action.name).values():
            given = any(isinstance(d, Action) and attribute.name in d.constants for d in line)
            if rng.random() < (0.3 if attribute.optional or given else 1.0):
                action.constants[attribute.name] = literal(rng, attribute.type, made, constant=True)


def some_count(rng: Random, names: Sequence[str]) -> Count:
    """Return what an int of a context may count."""
    by = ("subject", "resource.id", "action.name")
    return Count(
        (rng.choice(names),), True, tuple(rng.sample(by, rng.randint(1, 3))),
        rng.choice(("", "day", "month", "year", "15m")),
    )  # fmt: skip


def some_record(rng: Random, made: Vocabulary) -> RecordType:
    """Return a record type of one or two attributes."""
    names = sorted(rng.sample(ATTRIBUTES, rng.randint(1, 2)))
    return RecordType(
        tuple(
            Attribute(name, some_type(rng, made, 0), optional=rng.random() < 0.3) for name in names
        )
    )


def some_type(rng: Random, made: Vocabulary, depth: int = 2) -> Type:
    """Return a type, not too costly to compare: no sets of sets."""
    scalars: list[Type] = [BOOL, INT, DECIMAL, STRING, DATETIME, DURATION, MONTHS, IP, PATH]
    scalars += made.enumerations
    named: list[Type] = [EntityRefType(name) for name in made.entities]
    kind = rng.random()
    if depth > 0 and kind < 0.25:
        element = some_record(rng, made) if rng.random() < 0.1 else some_type(rng, made, 0)
        return SetType(element)
    if depth > 0 and kind < 0.37:
        return some_record(rng, made)
    if named and kind < 0.6:
        return rng.choice(named)
    return rng.choice(scalars)


def some_table(rng: Random, made: Vocabulary) -> TableType:
    """Return a type of tables, some of which have tables in their rows."""
    key = rng.choice(made.enumerations)
    nested = rng.random() < 0.3
    return TableType(key, some_table(rng, made) if nested else some_type(rng, made, 1))


# ---- as text ----------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Return *text* as a string of the language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def rows_text(rng: Random, type_: TableType, made: Vocabulary) -> str:
    """Write out a table; some terms have the row of their parent."""
    parents = dict(type_.key.parents) if isinstance(type_.key, TaxonomyType) else {}
    rows: list[str] = []
    for name in rng.sample(type_.key.members, len(type_.key.members)):
        if parents.get(name) is None or rng.random() < 0.5:
            inner = type_.value
            row = (
                rows_text(rng, inner, made) if isinstance(inner, TableType)
                else literal(rng, inner, made, constant=True)
            )  # fmt: skip
            rows.append(f"{quoted(name) if rng.random() < 0.2 else _member(name)}: {row}")
    return "{" + ", ".join(rows) + "}"


def type_text(type_: Type) -> str:
    """Return how *type_* is written."""
    match type_:
        case SetType(element):
            return f"set<{type_text(element)}>"
        case RecordType(attributes):
            return attributes_text(attributes)
        case _:
            return str(type_)


def attributes_text(attributes: Iterable[Attribute]) -> str:
    """Return attributes in braces, as in `entity`, `with` and records."""
    parts = (
        f"{a.name}{'?' * a.optional}: {'private ' * a.private}{type_text(a.type)}"
        + (f" ({a.count})" if a.count else f" (by {a.by})" * (a.by != "platform"))
        for a in attributes
    )
    return "{ " + ", ".join(parts) + " }"


def literal(
    rng: Random, type_: Type, made: Vocabulary, *, wanted: bool = True, constant: bool = False
) -> str:
    """Write out a value of *type_*.

    *wanted*: the place says which type it wants, so that bare enumerators, `{}` and records may
    stand there. *constant*: all through, so without a sign inside a set or record.
    """
    match type_:
        case Primitive():
            return _primitive(rng, type_, signed=not constant)
        case EnumType() | LevelsType() | TaxonomyType():
            members = [m for m in type_.members if wanted or m.isidentifier()]
            member = rng.choice(members)
            if not member.isidentifier():
                return quoted(member)
            return member if wanted and rng.random() < 0.6 else f"{type_.name}.{member}"
        case EntityRefType(name):
            return f"{name} {quoted(rng.choice(IDS))}"
        case SetType(element):
            count = rng.choice((0, 1, 1, 2, 2, 3)) if wanted else rng.randint(1, 2)
            items = [
                literal(rng, element, made, wanted=wanted, constant=constant) for _ in range(count)
            ]
            return "{" + ", ".join(dict.fromkeys(items)) + "}"
        case RecordType(attributes):
            given = [a for a in attributes if not a.optional or rng.random() < 0.5]
            parts = (f"{a.name}: {literal(rng, a.type, made, constant=constant)}" for a in given)
            return "{" + ", ".join(parts) + "}"


def _primitive(rng: Random, type_: Primitive, *, signed: bool) -> str:
    sign = "-" if signed and rng.random() < 0.15 else ""
    match type_.name:
        case "bool":
            return rng.choice(("true", "false"))
        case "int":
            return sign + rng.choice(("0", "1", "2", "3", "100", "999999999999999999"))
        case "decimal":
            number = rng.choice(DECIMALS)
            return sign + (number if "." in number else f"{number}.0")
        case "string":
            return quoted(rng.choice(STRINGS))
        case "datetime":
            return rng.choice(MOMENTS)
        case "duration":
            return sign + rng.choice(DURATIONS)
        case "months":
            return sign + rng.choice(MONTHS_WRITTEN)
        case "schedule":
            return f"schedule {quoted(rng.choice(SCHEDULES))}"
        case "path":
            return f"path {quoted(rng.choice(PATHS))}"
        case _:
            return f"ip {quoted(rng.choice(IPS))}"


def vocabulary_texts(made: Vocabulary) -> list[str]:
    """Return the declarations, one text each."""
    return [
        *(_enumeration_text(type_) for type_ in made.enumerations),
        *(_entity_text(entity) for entity in made.entities.values()),
        *(
            f"const {name}: {type_text(type_)} = {text}"
            for name, (type_, text) in (made.constants | made.tables).items()
        ),
        *(
            f"obligation {name}({', '.join(f'{p.name}: {type_text(p.type)}' for p in parameters)})"
            for name, parameters in made.obligations.items()
        ),
        *(_group_text(group) for group in made.groups.values()),
        *(_action_text(action) for action in made.actions.values()),
    ]


def _member(name: str) -> str:
    return name if name.isidentifier() else quoted(name)


def _enumeration_text(type_: EnumType | LevelsType | TaxonomyType) -> str:
    match type_:
        case EnumType(name, _, members):
            return f"enum {name} = {' | '.join(map(_member, members))}"
        case LevelsType(name, _, members):
            return f"levels {name} = {' < '.join(map(_member, members))}"
        case TaxonomyType(name):
            return f"taxonomy {name} {_terms_text(type_, None)}"


def _terms_text(type_: TaxonomyType, above: str | None) -> str:
    parts = []
    for term, parent in type_.parents:
        if parent == above:
            below = _terms_text(type_, term)
            parts.append(term if below == "{  }" else f"{term} {below}")
    return "{ " + " ".join(parts) + " }"


def _entity_text(entity: EntityType) -> str:
    parents = f" in {', '.join(entity.parents)}" if entity.parents else ""
    return f"entity {entity.name}{parents} {attributes_text(entity.attributes)}"


def _group_text(group: Group) -> str:
    return f"group {group.name}{_parts_text(group)}" + (
        f" having {attributes_text(group.constants)}" if group.constants else ""
    )


def _action_text(action: Action) -> str:
    constants = ", ".join(f"{name}: {text}" for name, text in action.constants.items())
    return f"action {action.name}{_parts_text(action)}" + (
        f" having {{ {constants} }}" if constants else ""
    )


def _parts_text(declared: Group | Action) -> str:
    text = f" in {', '.join(declared.groups)}" if declared.groups else ""
    if declared.subjects is not None:
        text += f" by {', '.join(declared.subjects)}"
    if declared.resources is not None:
        text += f" on {', '.join(declared.resources)}"
    if declared.context:
        text += f" with {attributes_text(declared.context)}"
    return text
