"""Make worlds in which people share: what is asked about are types and ids, the rest lies in a store.

Documents lie in nested folders, repositories belong to organizations, task lists have readers and editors;
people are in teams, and teams in teams. The same rules stand beside as policies of Cedar. Who shares
with whom is drawn among those near by, forty at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

from attrs import define, frozen

_HERE = Path(__file__).parent
_SEED = 20_261_130
_NEAR, _FEWEST = 40, 4
"""How many candidates a draw has: for each of *size*, or where there are fewer of a kind, at least."""
_TEAM = 10
"""People for each team."""
_FAN = 3
"""Teams in each team, and folders in each folder."""

Key: TypeAlias = tuple[str, str]
"""Type and id."""

Asked: TypeAlias = tuple[str, str, str, str]
"""Who, the action, and the type and id of what it is about."""


@frozen
class Thing:
    """An entity. *properties*: constants, a `Key` for a reference, a tuple of them for a set."""

    key: Key
    properties: Mapping[str, Any]
    parents: tuple[Key, ...]

    def to_dict(self, reference: Callable[[Key], Any]) -> dict[str, Any]:
        """Return it with what *reference* makes of each reference."""

        def put(value: Any) -> Any:
            if isinstance(value, tuple):
                return reference(value) if _is_key(value) else [reference(key) for key in value]
            return value

        return {name: put(value) for name, value in self.properties.items()}


def _is_key(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and isinstance(value[0], str)


@define(slots=False)
class SharingWorld:
    """A policy set in two languages, what lies in the store, and requests about it."""

    name: str
    things: list[Thing]
    requests: list[Asked]
    decide: Callable[[SharingWorld, Asked], bool]

    @property
    def policy(self) -> str:
        """The rules."""
        return (_HERE / f"{self.name}.policy").read_text(encoding="utf-8")

    @property
    def cedar(self) -> str:
        """The same in Cedar."""
        return (_HERE / f"{self.name}.cedar").read_text(encoding="utf-8")

    @cached_property
    def by_key(self) -> Mapping[Key, Mapping[str, Any]]:
        """The properties of each entity."""
        return {thing.key: thing.properties for thing in self.things}

    @cached_property
    def above(self) -> Mapping[Key, frozenset[Key]]:
        """Each entity with all that it lies in, itself included; parents come before their children."""
        found: dict[Key, frozenset[Key]] = {}
        for thing in self.things:
            found[thing.key] = frozenset({thing.key}).union(*(found[p] for p in thing.parents))
        return found

    def by_hand(self, asked: Asked) -> bool:
        """Decide a request."""
        return self.decide(self, asked)

    def entities(self) -> list[dict[str, Any]]:
        """Return all entities as dicts for a store."""
        return [
            {
                **reference(thing.key),
                "properties": thing.to_dict(reference),
                "parents": [reference(parent) for parent in thing.parents],
            }
            for thing in self.things
        ]


def reference(key: Key) -> dict[str, Any]:
    """Return a reference as a dict."""
    return {"type": key[0], "id": key[1]}


class _Draw:
    """Draws entities, parents before their children."""

    def __init__(self, size: int) -> None:
        self.rng = Random(_SEED)
        self.size = size
        self.things: list[Thing] = []

    def add(self, type_: str, number: int | str, parents: Iterable[Key], **properties: Any) -> None:
        """Add an entity."""
        self.things.append(Thing((type_, f"{type_.lower()}{number}"), properties, tuple(parents)))

    def near(self, type_: str, number: int, of: int) -> Key:
        """Return one of *of* entities, of those that are near to *number* of `size`."""
        candidates = max(_FEWEST, _NEAR * of // self.size)
        around = number * of // self.size + self.rng.randrange(candidates)
        return type_, f"{type_.lower()}{around % of}"

    def tree(self, type_: str, count: int, fan: int) -> None:
        """Add *count* entities, each in the one before it in a tree where each has *fan* below it."""
        for number in range(count):
            parents = [(type_, f"{type_.lower()}{(number - 1) // fan}")] if number else []
            self.add(type_, number, parents)

    def people(self, more: Callable[[int], tuple[tuple[Key, ...], Mapping[str, Any]]]) -> None:
        """Add the people; *more*: further teams and properties of each."""
        teams = self.teams
        for number in range(self.size):
            further, properties = more(number)
            own = (self.near("Team", number, teams), self.near("Team", number, teams))
            self.add("User", number, dict.fromkeys((*own, *further)), **properties)

    @property
    def teams(self) -> int:
        """How many teams there are."""
        return max(2, self.size // _TEAM)

    def ask(self, actions: Mapping[str, tuple[str, ...]], count: int) -> list[Asked]:
        """Return requests: each about something near to who asks; *actions*: of each type."""
        by_type: dict[str, int] = {}
        for thing in self.things:
            by_type[thing.key[0]] = by_type.get(thing.key[0], 0) + 1
        asked = []
        for _ in range(count):
            type_ = self.rng.choice(sorted(actions))
            number = self.rng.randrange(self.size)
            about = self.near(type_, number, by_type[type_])
            asked.append((f"user{number}", self.rng.choice(actions[type_]), *about))
        return asked


# ---- documents --------------------------------------------------------------------------


def _documents(size: int, count: int) -> SharingWorld:
    draw = _Draw(size)
    draw.tree("Team", draw.teams, _FAN)
    draw.tree("Folder", size, _FAN)
    draw.people(lambda number: ((), {
        "may_read": _folders(draw, number, 8),
        "may_edit": _folders(draw, number, 4),
    }))  # fmt: skip
    for number in range(size):
        draw.add(
            "Document", number, [draw.near("Folder", number, size)],
            owner=draw.near("User", number, size), team=draw.near("Team", number, draw.teams),
            public=draw.rng.random() < 0.2,
        )  # fmt: skip
    requests = draw.ask({"Document": ("read", "comment", "edit", "share")}, count)
    return SharingWorld("documents", draw.things, requests, _document)


def _folders(draw: _Draw, number: int, most: int) -> tuple[Key, ...]:
    """Return at most *most* folders, up to two above those that are near."""
    found = set()
    for _ in range(draw.rng.randint(1, most)):
        folder = (number + draw.rng.randrange(_NEAR)) % draw.size
        for _ in range(draw.rng.randint(0, 2)):
            folder = max(0, folder - 1) // _FAN
        found.add(("Folder", f"folder{folder}"))
    return tuple(sorted(found))


def _document(world: SharingWorld, asked: Asked) -> bool:
    who, action, type_, id_ = asked
    user = ("User", who)
    document = world.by_key[type_, id_]
    if document["owner"] == user:
        return True
    if action == "share":
        return False
    if action == "read" and document["public"]:
        return True
    person, above = world.by_key[user], world.above[type_, id_]
    if not above.isdisjoint(person["may_edit"]):
        return True
    if action == "edit":
        return False
    return not above.isdisjoint(person["may_read"]) or document["team"] in world.above[user]


# ---- repositories -----------------------------------------------------------------------

_ROLES = ("readers", "triagers", "writers", "maintainers", "admins")


def _repositories(size: int, count: int) -> SharingWorld:
    draw = _Draw(size)
    draw.tree("Team", draw.teams, _FAN)
    organizations = max(1, size // 20)
    draw.people(lambda _: ((), {}))
    for number in range(organizations):
        draw.add("Organization", number, (), owners=draw.near("Team", number * 20, draw.teams))
    for number in range(size):
        roles = {role: draw.near("Team", number, draw.teams) for role in _ROLES}
        of = draw.near("Organization", number, organizations)
        draw.add("Repository", number, (), organization=of, **roles)
    for number in range(size):
        draw.add(
            "Issue", number, (), repository=draw.near("Repository", number, size),
            reporter=draw.near("User", number, size),
        )  # fmt: skip
    actions = {
        "Repository": ("pull", "fork", "push", "add_reader", "add_writer"),
        "Issue": ("close_issue", "edit_issue", "assign_issue"),
    }
    return SharingWorld("repositories", draw.things, draw.ask(actions, count), _repository)


_MAY_REPOSITORY = {
    "pull": ("readers", "admins"), "fork": ("readers", "admins"), "push": ("writers", "admins"),
    "add_reader": ("maintainers", "admins"), "add_writer": ("admins",),
    "close_issue": ("writers", "triagers", "maintainers"),
    "edit_issue": ("writers", "maintainers"), "assign_issue": ("triagers", "maintainers"),
}  # fmt: skip


def _repository(world: SharingWorld, asked: Asked) -> bool:
    who, action, type_, id_ = asked
    user, about = ("User", who), world.by_key[type_, id_]
    teams = world.above[user]
    repository = world.by_key[about["repository"]] if type_ == "Issue" else about
    if any(repository[role] in teams for role in _MAY_REPOSITORY[action]):
        return True
    if type_ == "Repository":
        return world.by_key[about["organization"]]["owners"] in teams
    return action != "assign_issue" and about["reporter"] == user and repository["readers"] in teams


# ---- task lists -------------------------------------------------------------------------


def _tasks(size: int, count: int) -> SharingWorld:
    draw = _Draw(size)
    draw.tree("Team", draw.teams, _FAN)
    special = {name: ("Team", name) for name in ("admins", "interns")}
    draw.things += [Thing(key, {}, ()) for key in special.values()]
    draw.people(lambda _: (
        tuple(key for key in special.values() if draw.rng.random() < 0.05), {},
    ))  # fmt: skip
    for number in range(size):
        draw.add(
            "TaskList", number, (), owner=draw.near("User", number, size),
            readers=draw.near("Team", number, draw.teams),
            editors=draw.near("Team", number, draw.teams), open_tasks=draw.rng.randint(0, 2),
        )  # fmt: skip
    actions = ("see_list", "add_task", "change_task", "remove_task", "change_shares", "remove_list")
    return SharingWorld("tasks", draw.things, draw.ask({"TaskList": actions}, count), _task)


def _task(world: SharingWorld, asked: Asked) -> bool:
    who, action, type_, id_ = asked
    user, tasks = ("User", who), world.by_key[type_, id_]
    teams = world.above[user]
    if action in ("add_task", "change_shares") and ("Team", "interns") in teams:
        return False
    if action == "remove_list" and tasks["open_tasks"] > 0:
        return False
    if tasks["owner"] == user:
        return True
    if action == "see_list":
        return bool(teams & {tasks["readers"], tasks["editors"], ("Team", "admins")})
    return action in ("add_task", "change_task", "remove_task") and tasks["editors"] in teams


# ---- all --------------------------------------------------------------------------------

_MADE: Final = {"documents": _documents, "repositories": _repositories, "tasks": _tasks}

NAMES: Final = tuple(_MADE)


def make(name: str, size: int, requests: int) -> SharingWorld:
    """Return the world *name* with *size* people and as many of each thing."""
    return _MADE[name](size, requests)
