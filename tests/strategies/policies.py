"""Make whole policy sets as text: a vocabulary, definitions, gates, rules, waivers, invariants.

A `World` keeps the pieces apart, so that a test can add a rule, change their order or spread them
over files, and a counterexample can be cut down piece by piece.
"""

from __future__ import annotations

from random import Random
from typing import TypeAlias

from attrs import define, evolve, field

from policyengine.model.masks import masks_of, spelled
from policyengine.model.types import BOOL, SCHEDULE, STRING, Attribute, EntityRefType, Type
from tests.strategies.expressions import (
    NO_GUARDS,
    Defined,
    Guards,
    Path,
    Writer,
    common,
    constant_paths,
    context_paths,
    paths_from,
    row_paths,
)
from tests.strategies.vocabulary import (
    IDS,
    MOMENTS,
    Vocabulary,
    make_vocabulary,
    quoted,
    some_type,
    type_text,
    vocabulary_texts,
)

DEFAULT_GATE = "access"

Target: TypeAlias = tuple[str, str, str]
"""An action with the types of its subject and resource."""


@define
class RuleText:
    """A rule as text: what it begins with, and its clauses."""

    gate: str
    name: str
    head: str
    clauses: list[str] = field(factory=list)
    effect: str = "permit"
    targets: tuple[tuple[str, str, str], ...] = ()

    @property
    def waivable(self) -> bool:
        """Whether a waiver may stand in for it."""
        return "waivable" in self.clauses

    def __str__(self) -> str:
        return "\n        ".join([f"    {self.head}", *self.clauses])


@define
class World:
    """A policy set in pieces. *gates*: whether each is a field gate; empty for `access` alone."""

    made: Vocabulary
    vocabulary: list[str]
    gates: dict[str, bool]
    rules: list[RuleText]
    others: list[str] = field(factory=list)
    """Waivers and invariants."""
    defined: list[Defined] = field(factory=list)
    spread: int = 0
    """Which file a rule goes to: 0 for one file only, else a seed."""
    ranges: dict[str, tuple[str, list[Target]]] = field(factory=dict)
    """What gates apply to, as text and as targets; others apply to everything."""

    def range_of(self, gate: str) -> list[Target]:
        """Return the targets to which a gate applies."""
        return self.ranges[gate][1] if gate in self.ranges else all_targets(self)

    def asks_fields(self, target: Target) -> bool:
        """Whether some field gate applies to a target."""
        return any(is_field and target in self.range_of(g) for g, is_field in self.gates.items())

    def sources(self) -> dict[str, str]:
        """Return the files of the set by name."""
        gates = [
            f"{'field ' * is_field}gate {name} {quoted('whether ' + name)}"
            + (f" for {self.ranges[name][0]}" if name in self.ranges else "")
            for name, is_field in self.gates.items()
        ]
        if not self.spread:
            main = ["package p", *self.vocabulary, *gates]
            return {"p.policy": "\n".join([*main, *self._blocks(self.rules), *self.others, ""])}
        rng = Random(self.spread)
        circular = rng.random() < 0.5
        away = [
            text
            for text in self.vocabulary
            if not text.startswith(("enum", "levels", "taxonomy")) and rng.random() < 0.4 * circular
        ]
        main = ["package p"] + ["import q"] * circular
        main += [text for text in self.vocabulary if text not in away] + gates
        here: list[RuleText] = []
        there: list[RuleText] = []
        elsewhere: list[RuleText] = []
        for rule in self.rules:
            if rule.effect == "forbid" and rng.random() < 0.5:
                elsewhere.append(rule)
            else:
                rng.choice((here, there)).append(rule)
        return {
            "p.policy": "\n".join([*main, *self._blocks(here), ""]),
            "rules.policy": "\n".join(
                ["package p", *["import q"] * circular, *self.others, *self._blocks(there), ""]
            ),
            "q.policy": "\n".join(["package q import p", *away, *self._blocks(elsewhere), ""]),
        }

    def _blocks(self, rules: list[RuleText]) -> list[str]:
        if not self.gates:
            return [str(rule) for rule in rules]
        blocks: list[str] = []
        for rule in rules:
            opening = f"gate {rule.gate} {{"
            if blocks and blocks[-1].startswith(opening + "\n"):
                blocks[-1] = blocks[-1].removesuffix("}") + f"{rule}\n}}"
            else:
                blocks.append(f"{opening}\n{rule}\n}}")
        return blocks

    def text(self) -> str:
        """Return all files one after the other, to be read by a person."""
        return "\n".join(f"# ---- {name}\n{text}" for name, text in self.sources().items())

    def with_rule(self, rule: RuleText) -> World:
        """Return the set with one rule more."""
        return evolve(self, rules=[*self.rules, rule])

    def shuffled(self, rng: Random) -> World:
        """Return the set with everything in another order, over other files."""
        return evolve(
            self,
            vocabulary=rng.sample(self.vocabulary, len(self.vocabulary)),
            rules=rng.sample(self.rules, len(self.rules)),
            others=rng.sample(self.others, len(self.others)),
            gates=dict(rng.sample(list(self.gates.items()), len(self.gates))),
            spread=rng.choice((0, 1, 2, 3)),
        )


# ---- making one -------------------------------------------------------------------------


def make_world(rng: Random, size: int = 2) -> World:
    """Make a policy set; *size* is 1 for a tiny one and 3 for a rich one."""
    made = make_vocabulary(rng, size)
    world = World(
        made, vocabulary_texts(made), {}, [], spread=rng.choice((0, 0, rng.randint(1, 9)))
    )
    for number in range(rng.randint(0, size)):
        _define(rng, world, number)
    if rng.random() < 0.75:
        names = rng.sample(("standing", "use", "scope", "zone"), rng.randint(1, size))
        world.gates = {name: rng.random() < 0.4 for name in names}
        _ranges(rng, world)
    for gate in world.gates or (DEFAULT_GATE,):
        for _ in range(rng.randint(1, size)):
            world.rules.append(make_rule(rng, world, gate, "permit"))
        if rng.random() < 0.65:  # else next to nothing would ever be allowed
            world.rules.append(_easy_permit(rng, world, gate))
        for _ in range(rng.choice((0, 0, 1, size - 1))):
            world.rules.append(make_rule(rng, world, gate, "forbid"))
        if world.gates.get(gate):
            for _ in range(rng.randint(0, size)):
                world.rules.append(make_rule(rng, world, gate, "expose"))
    for rule in world.rules:
        if rule.waivable:
            for _ in range(rng.randint(0, 3)):
                world.others.append(_waiver(rng, world, rule, len(world.others)))
    for number in range(rng.randint(0, 2)):
        world.others.append(_invariant(rng, world, number))
    return world


def _ranges(rng: Random, world: World) -> None:
    """Let some gates apply to less, but some gate to everything that may be requested."""
    for gate in world.gates:
        if rng.random() < 0.4:
            world.ranges[gate] = some_target(rng, world)
    reached = {target for gate in world.gates for target in world.range_of(gate)}
    if len(reached) < len(all_targets(world)):
        del world.ranges[rng.choice(list(world.ranges))]


def _define(rng: Random, world: World, number: int) -> None:
    types = [
        SCHEDULE if rng.random() < 0.1 else some_type(rng, world.made)
        for _ in range(rng.randint(0, 2))
    ]
    parameters = [(f"a{number}_{i}", type_) for i, type_ in enumerate(types)]
    paths = [p for name, type_ in parameters for p in paths_from(name, type_, world.made, 2)]
    writer = Writer(rng, world.made, paths, list(world.defined))
    writer.moving = tuple(
        name for name, type_ in parameters if not isinstance(type_, EntityRefType)
    )
    result = BOOL if rng.random() < 0.7 else some_type(rng, world.made, 1)
    body = (
        writer.condition(2) if result == BOOL else writer.value(result, 1, NO_GUARDS, wanted=False)
    )
    if result != BOOL and not _says_its_type(body):
        return
    name = f"d{number}"
    written = ", ".join(f"{n}: {type_text(t)}" for n, t in parameters)
    world.vocabulary.append(f"define {name}({written}) = {body}")
    world.defined.append(Defined(name, tuple(types), result, writer.used_private))


def _says_its_type(body: str) -> bool:
    """Whether nothing in *body* takes its type from elsewhere: records and sets may."""
    return "{" not in body


def targets_of(
    world: World, actions: list[str], by: tuple[str, ...] | None, on: tuple[str, ...] | None
) -> list[Target]:
    """Return the (action, subject type, resource type) that a target covers."""
    return [
        (action, subject, resource)
        for action in actions
        for subject in world.made.subjects(action)
        if by is None or subject in by
        for resource in world.made.resources(action)
        if on is None or resource in on
    ]


def all_targets(world: World) -> list[Target]:
    """Return everything that may be requested."""
    return targets_of(world, list(world.made.actions), None, None)


def environment(world: World, targets: list[Target]) -> list[Path]:
    """Return what may be read in a rule that covers *targets*."""
    made = world.made
    paths = common(
        [
            *paths_from("subject", EntityRefType(subject), made),
            *paths_from("resource", EntityRefType(resource), made),
            *context_paths(made.context(action), made),
            *constant_paths(
                {"name": Attribute("name", STRING), **made.action_constants(action)}, made
            ),
        ]
        for action, subject, resource in targets
    )
    return [*paths, *row_paths(paths, made)]


def some_target(
    rng: Random, world: World, within: list[Target] | None = None
) -> tuple[str, list[Target]]:
    """Return a target as text, and what it covers of *within*: never nothing."""
    made = world.made
    within = all_targets(world) if within is None else within
    inside = {action for action, _, _ in within}
    known = [n for n in (*made.groups, *made.actions) if {*made.members(n)} <= inside]
    known = [n for n in known if made.members(n)]
    for _ in range(10):
        is_any = rng.random() < 0.35 or not known
        if is_any:
            text, actions = "any", list(made.actions)
        else:
            names = rng.sample(known, min(len(known), rng.choice((1, 1, 2))))
            text = ", ".join(names)
            actions = [a for a in made.actions if any(a in made.members(n) for n in names)]
        by = on = None
        if rng.random() < 0.3:
            by = tuple(rng.sample(list(made.entities), 1))
            text += f" by {', '.join(by)}"
        if rng.random() < 0.3:
            on = tuple(rng.sample(list(made.entities), 1))
            text += f" on {', '.join(on)}"
        targets = [t for t in targets_of(world, actions, by, on) if t in within]
        if is_any and rng.random() < 0.5:
            name = rng.choice([*made.groups, *made.actions])
            left = [t for t in targets if t[0] not in made.members(name)]
            if 0 < len(left) < len(targets):
                text, targets = f"{text} except {name}", left
        if targets:
            return text, targets
    return "any", within


def make_rule(
    rng: Random, world: World, gate: str, effect: str, *, advisory: bool | None = None
) -> RuleText:
    """Make a rule for *gate*, under a name that is not taken."""
    text, targets = some_target(rng, world, world.range_of(gate))
    rule = _begin(rng, world, gate, effect, text, targets, advisory=advisory)
    writer = Writer(rng, world.made, environment(world, targets), world.defined)
    rule.clauses, guards = _conditions(rng, writer)
    if effect == "permit" and rng.random() < 0.35:
        rule.clauses.append("waivable")
        guards = NO_GUARDS
    if rng.random() < 0.6:
        rule.clauses.append(f"because {writer.text(guards)}")
    if effect != "forbid" and rng.random() < 0.5:
        rule.clauses.append(f"otherwise {writer.text(NO_GUARDS)}")
    if rng.random() < 0.3:
        known = guards if effect == "forbid" else NO_GUARDS
        rule.clauses.append(f"refer {writer.text(known)}")
    if rng.random() < 0.2:
        rule.clauses.append(rng.choice(['cites "somewhere"', 'cites "one" against "another"']))
    if rng.random() < 0.35:
        rule.clauses.append(f"oblige {_owed(rng, writer, guards)}")
    if effect != "forbid" and world.gates.get(gate) and rng.random() < 0.8:
        rule.clauses.append(f"fields {_fields(rng, world, targets)}")
    rule.clauses += _validity(rng, 0.2)
    return rule


def _easy_permit(rng: Random, world: World, gate: str) -> RuleText:
    targets = world.range_of(gate)
    rule = _begin(rng, world, gate, "permit", "any", targets, advisory=False)
    if rng.random() < 0.5:
        writer = Writer(rng, world.made, environment(world, targets), world.defined)
        rule.clauses.append(f"when {writer.condition(0)}")
    if rng.random() < 0.3:
        rule.clauses.append('because "it is easy"')
    if world.gates.get(gate):
        rule.clauses.append(f"fields {_fields(rng, world, targets)}")
    return rule


def _begin(
    rng: Random, world: World, gate: str, effect: str, text: str,
    targets: list[Target], *, advisory: bool | None,
) -> RuleText:  # fmt: skip
    if advisory is None:
        advisory = rng.random() < 0.1
    taken = {rule.name for rule in world.rules if rule.gate == gate}
    name = next(n for i in range(1000) if (n := f"{rng.choice('abc')}_{i}") not in taken)
    head = f"{'advisory ' * advisory}{effect} {name}: {text}"
    return RuleText(gate, name, head, effect=effect, targets=tuple(targets))


def _conditions(rng: Random, writer: Writer) -> tuple[list[str], Guards]:
    """Write `when` and `unless` clauses, and say what they guard."""
    clauses: list[str] = []
    guards = NO_GUARDS
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        conjuncts = []
        is_when = rng.random() < 0.75
        for _ in range(rng.choice((1, 1, 2))):
            optional = writer.optional(guards)
            if optional and rng.random() < 0.35:
                path = rng.choice(optional)
                asked = f"{path.owner} has {path.name}"
                conjuncts.append(asked if is_when else f"not {asked}")
                guards |= {path.text}
                if rng.random() < 0.6:
                    about = writer.about(path, 1, guards)
                    conjuncts.append(about if is_when else f"not {about}")
            else:
                conjuncts.append(writer.condition(rng.choice((0, 1, 2)), guards))
        clauses.append(
            f"when {' and '.join(conjuncts)}" if is_when else f"unless {' or '.join(conjuncts)}"
        )
    return clauses, guards


def _owed(rng: Random, writer: Writer, guards: Guards) -> str:
    calls = []
    writer.shown = True
    for name in rng.sample(list(writer.made.obligations), 1):
        parameters = writer.made.obligations[name]
        arguments = ", ".join(writer.value(p.type, 1, guards) for p in parameters)
        calls.append(f"{name}({arguments})")
    writer.shown = False
    return ", ".join(calls)


def _fields(rng: Random, world: World, targets: list[Target]) -> str:
    each = [{a.name for a in world.made.entities[t[2]].attributes} for t in targets]
    known = sorted(set.intersection(*each) & {n for n in set.union(*each) if n not in RESERVED})
    if rng.random() < 0.3:
        return "all"
    return some_fields(
        rng, world, targets, rng.sample(["id", *known], rng.randint(1, 1 + len(known)))
    )


def some_fields(
    rng: Random, world: World, targets: list[tuple[str, str, str]], names: list[str]
) -> str:
    """Write fields that all resources of *targets* have, some with a mask that all of them take."""
    shown = []
    for name in names:
        taken = [masks_of(_type_of(world, resource, name)) for _, _, resource in targets]
        masks = [mask for mask in taken[0] if all(mask in other for other in taken)]
        shown.append(spelled(name, rng.choice(masks) if rng.random() < 0.4 else None))
    return ", ".join(shown)


def _type_of(world: World, resource: str, name: str) -> Type:
    types = {a.name: a.type for a in world.made.entities[resource].attributes}
    return types.get(name, EntityRefType(resource))


RESERVED = frozenset({"when"})


def _validity(rng: Random, chance: float) -> list[str]:
    clauses = []
    if rng.random() < chance:
        clauses.append(f"from {rng.choice(MOMENTS)}")
    if rng.random() < chance:
        clauses.append(f"until {rng.choice(MOMENTS)}")
    return clauses


def _waiver(rng: Random, world: World, rule: RuleText, number: int) -> str:
    of = f"{rule.gate}.{rule.name}" if world.gates else rule.name
    _, *types = rng.choice(rule.targets)
    parts = []
    for word, type_ in zip(("for", "on"), types, strict=True):
        if rng.random() < 0.4:
            around = rng.choice(sorted(world.made.ancestors(type_) | {type_}))
            parts.append(f"{word} within {around} {quoted(rng.choice(IDS))}")
        elif rng.random() < 0.6:
            parts.append(f"{word} {type_} {quoted(rng.choice(IDS))}")
    if not parts:
        parts.append(f"for {types[0]} {quoted(rng.choice(IDS))}")
    return (
        f"waiver w{number} of {of} {' '.join(parts)} until {rng.choice(MOMENTS)}"
        f' ticket "T-{number}" approved_by "somebody"'
    )


def _invariant(rng: Random, world: World, number: int) -> str:
    text, targets = some_target(rng, world)
    writer = Writer(rng, world.made, environment(world, targets), world.defined)
    clauses, _ = _conditions(rng, writer)
    never = "allow"
    if any(world.gates.values()) and rng.random() < 0.4:
        never = f"expose {some_fields(rng, world, targets, ['id'])} of"
    return f"invariant i{number}: never {never} {text} {' '.join(clauses)}"
