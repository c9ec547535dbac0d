"""Holds that what `reads` prints is what a request needs, no less and no more.

A request with just what is printed is decided as the full one; without any part of it that is not marked as
optional it does not fit.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from policyengine import InvalidRequest, PolicyEngine
from policyengine.cli.reads import _plan
from policyengine.diagnostics.source import Source
from policyengine.model.types import EntityRefType, RecordType, Schema, SetType, Type
from policyengine.pipeline import check_sources
from policyengine.semantics.checked import CheckedSet
from tests.strategies.real_sets import SETS, loaded
from tests.whole import some

POLICIES = Path(__file__).parents[2] / "policies"
STEP = re.compile(r"\.(\w+)(\??)|\[\]")


@define
class Tree:
    """The printed paths that begin in one place."""

    line: bool = False
    parts: dict[str, tuple[bool, Tree]] = field(factory=dict)
    elements: Tree | None = None
    above: dict[str, Tree] = field(factory=lambda: defaultdict(Tree))


def located(roots: dict[str, Tree], text: str) -> Tree:
    """Return the tree of a printed path."""
    if text.startswith("ancestors("):
        depth, end = 0, 0
        while text[end] != ")" or depth > 1:
            depth += (text[end] == "(") - (text[end] == ")")
            end += 1
        inner, _, type_ = text[len("ancestors(") : end].rpartition(", ")
        tree, rest = located(roots, inner).above[type_], text[end + 1 + len("[]") :]
    else:
        root = re.match(r"\w+", text)[0]  # type: ignore[index]
        tree, rest = roots[root], text[len(root) :]
    while rest:
        step = STEP.match(rest)
        assert step, text
        if step[1]:
            tree = tree.parts.setdefault(step[1], (bool(step[2]), Tree()))[1]
        else:
            tree.elements = tree = tree.elements or Tree()
        rest = rest[step.end() :]
    return tree


def trees(plan: dict[str, Any]) -> dict[str, Tree]:
    roots = {root: Tree() for root in ("subject", "resource", "context")}
    for root in roots:
        for path in plan[root]:
            tree = located(roots, path.removesuffix(" and its ancestors"))
            tree.line = tree.line or path.endswith(" and its ancestors")
    return roots


@define
class Reduction:
    """Marks what a request needs: keys of JSON objects, by the identity of the object."""

    schema: Schema
    request: dict[str, Any]
    known: dict[tuple[str, str], dict[str, Any]] = field(init=False)
    needed: dict[tuple[int, str], bool] = field(factory=dict)
    holders: set[int] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        described: list[dict[str, Any]] = [self.request["subject"], self.request["resource"]]
        self.known = {}
        for entity in [*self.request.get("entities", ()), *described]:
            self.known[entity["type"], entity["id"]] = entity
            entity.setdefault("properties", {})

    def mark(self, roots: dict[str, Tree]) -> None:
        self.request.setdefault("context", {})
        for name in ("subject", "resource"):
            self.value(roots[name], EntityRefType(self.request[name]["type"]), self.request[name])
        context = self.schema.actions[self.request["action"]["name"]].context
        self.value(roots["context"], context, self.request["context"])

    def value(self, tree: Tree, type_: Type, value: Any) -> None:
        match type_:
            case EntityRefType(name):
                entity = self.known.get((name, value["id"]))
                if entity is None:
                    assert tree == Tree()
                    return
                if tree != Tree():
                    self.holders.add(id(entity))
                if tree.line:
                    self.line(entity)
                self.parts(tree, self.schema.entities[name].by_name, entity["properties"])
                for above, part in tree.above.items():
                    for key in self.line(entity):
                        if key[0] == above:
                            self.value(part, EntityRefType(above), {"id": key[1]})
            case RecordType():
                self.parts(tree, type_.by_name, value)
            case SetType(element):
                for one in value:
                    self.value(tree.elements or Tree(), element, one)

    def line(self, entity: dict[str, Any]) -> set[tuple[str, str]]:
        """Mark an entity and its ancestors as needed with their parents."""
        self.needed[id(entity), "parents"] = False
        found = {(entity["type"], entity["id"])}
        for parent in entity.get("parents", ()):
            found |= self.line(self.known[parent["type"], parent["id"]])
        return found

    def parts(self, tree: Tree, types: Any, holder: dict[str, Any]) -> None:
        self.holders.add(id(holder))
        for name, (optional, part) in tree.parts.items():
            if name in holder:
                self.needed[id(holder), name] = optional
                self.value(part, types[name].type, holder[name])

    def reduced(self, *without: tuple[int, str]) -> dict[str, Any]:
        """Return a copy with what was marked, but for what is left out."""

        def copy(value: Any) -> Any:
            match value:
                case list():
                    return [copy(one) for one in value]
                case {"type": str() as type_, "id": str() as id_} if id(value) not in self.holders:
                    return {"type": type_, "id": id_}
                case dict():
                    kept = (k for k in value if (id(value), k) in self.needed)
                    return {k: copy(value[k]) for k in kept if (id(value), k) not in without}
                case _:
                    return value

        def entity(given: dict[str, Any]) -> dict[str, Any]:
            made = {
                "type": given["type"],
                "id": given["id"],
                "properties": copy(given["properties"]),
            }
            mark = id(given), "parents"
            if mark in self.needed and mark not in without:
                made["parents"] = given.get("parents", [])
            return made

        request = {**self.request, "context": copy(self.request["context"])}
        main = self.request["subject"], self.request["resource"]
        request["subject"], request["resource"] = map(entity, main)
        request["entities"] = [
            made
            for given in self.known.values()
            if not any(given is one for one in main)
            and ("parents" in (made := entity(given)) or id(given) in self.holders)
        ]
        return request


def decided(engine: PolicyEngine, request: dict[str, Any]) -> dict[str, Any] | None:
    try:
        decision = engine.decide(**{**request, "action": request["action"]["name"]})
    except InvalidRequest:
        return None
    answer: dict[str, Any] = json.loads(decision.to_bytes())
    return answer


def hold(checked: CheckedSet, engine: PolicyEngine, request: dict[str, Any]) -> int:
    """Hold the law of a request; return how many parts it needs."""
    full = decided(engine, request)
    target = request["action"]["name"], request["subject"]["type"], request["resource"]["type"]
    if full is None:
        return 0
    plan = _plan(checked, target)
    reduction = Reduction(checked.schema, request)
    reduction.mark(trees(plan))
    made = reduction.reduced()
    if not plan["time"]:
        made.pop("now", None)
        full["context"].pop("valid_until"), full.pop("now", None)
    answer = decided(engine, made)
    assert answer is not None, (plan, made)
    if not plan["time"]:
        answer["context"].pop("valid_until")
    assert answer == full
    for mark, optional in reduction.needed.items():
        assert optional or decided(engine, reduction.reduced(mark)) is None, mark
    return len(reduction.needed)


@pytest.mark.parametrize(
    "file",
    [file for name in some(SETS, 3) for file in sorted(POLICIES.glob(f"{name}/requests/*.json"))],
    ids=lambda file: f"{file.parents[1].name} {file.stem}",
)
def test_requests_of_the_shipped_sets(file: Path):
    made = loaded(file.parents[1].name)
    hold(made.checked, made.engine, json.loads(file.read_text()))


WORLD = """\
package p
levels Tier = free < pro
entity Ward { beds: int }
entity Folder in Folder { locked: bool, owner: User, hint?: string }
entity Patient { ward?: Ward, box?: {size: int, note?: string, other: string}, bare: int }
entity User in Folder { name: string, boss?: User, tier: Tier, wards: set<Ward>, spare: int }
entity Note in Folder {
    patient?: Patient, seen: set<Patient>, posts: set<{ward: Ward, role: string, spare: int}>, w?: int, title: string,
    owner: User, at: datetime, tags: set<string>, box: {a: int, b: int}
}
action read by User on Note with { glass?: {why: string, spare?: int}, team: set<User>, n: int }
const limits: Tier -> int = { free: 1, pro: 2 }
define on_ward(p: Patient, name: string) = p has ward and p.ward.beds > 1 and name != ""
define beds(w: Ward) = w.beds * 2
"""

CONDITIONS = [
    'resource has patient and resource.patient has ward and resource.patient.ward == Ward "w"',
    "resource has patient and on_ward(resource.patient, subject.name)",
    "resource has w and resource.w > 3", "resource has w", "resource has patient",
    "some p in resource.seen: p has box and p.box.size > 0", "some p in resource.seen: p has box",
    'some p in resource.posts: p.role == "x"', "some p in resource.posts: beds(p.ward) > 1",
    "some f in ancestors(resource, Folder): f.locked and f.owner.name == subject.name",
    "some f in ancestors(subject, Folder): f has hint", "size(ancestors(resource, Folder)) > 0",
    'resource within Folder "top"', 'context.team within Folder "top"', "subject in context.team",
    'context has glass and context.glass.why != ""', "context has glass", "context.n > limits[subject.tier]",
    "subject has boss and subject.boss has boss and subject.boss.boss.spare > 3",
    "resource.box == {a: 1, b: 2}", "resource.box.a > 0", "{a: 1, b: context.n} == resource.box",
    "resource.owner == subject", "resource.owner in context.team", "now > resource.at + 1d",
    "every w in subject.wards: w.beds > 0", "(if resource has w then resource.w else context.n) > 3",
    "lower(resource.title) == subject.name", '"x" in resource.tags', "size(resource.posts) > 0", "true",
    "resource.owner.tier >= subject.tier", '{role: subject.name, spare: 1, ward: Ward "w"} in resource.posts',
]  # fmt: skip


def entity(type_: str, id_: str, parents: tuple[str, ...] | None = None, **parts: Any) -> dict:
    made: dict[str, Any] = {"type": type_, "id": id_, "properties": parts}
    if parents is not None:
        made["parents"] = [{"type": "Folder", "id": parent} for parent in parents]
    return made


def ref(type_: str, id_: str) -> dict[str, str]:
    return {"type": type_, "id": id_}


def request(*, present: bool) -> dict[str, Any]:
    """Return a request with all that may be read, its optional parts if *present*."""
    maybe = {"boss": ref("User", "bob")} if present else {}
    user: dict[str, Any] = {"tier": "pro", "wards": [ref("Ward", "w")], "spare": 4}
    box = {"box": {"size": 1, "other": "o", "note": "n"}} if present else {}
    ward = {"ward": ref("Ward", "w")} if present else {}
    patient = {"patient": ref("Patient", "eve"), "w": 4} if present else {}
    post = {"ward": ref("Ward", "w"), "role": "x", "spare": 1}
    note = {
        "seen": [ref("Patient", "eve")], "posts": [post], "title": "ann", "owner": ref("User", "bob"),
        "at": "2026-01-01", "tags": ["x"], "box": {"a": 1, "b": 2},
    }  # fmt: skip
    context: dict[str, Any] = {"team": [ref("User", "ann"), ref("User", "bob")], "n": 2}
    glass = {"glass": {"why": "x", "spare": 1}} if present else {}
    hint = {"hint": "h"} if present else {}
    top = ref("User", "bob")
    return {
        "subject": entity("User", "ann", ("f",), name="ann", **maybe, **user),
        "action": {"name": "read"},
        "resource": entity("Note", "n", ("f",), **note, **patient),
        "context": {**context, **glass},
        "now": "2026-11-29",
        "entities": [
            entity("User", "bob", ("top",), name="bob", **({"boss": ref("User", "ann")} if present else {}), **user),
            entity("Folder", "f", ("top",), locked=True, owner=top, **hint),
            entity("Folder", "top", (), locked=False, owner=top, **hint),
            entity("Ward", "w", beds=3),
            entity("Patient", "eve", bare=1, **ward, **box),
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("number", "condition"), list(enumerate(CONDITIONS)))
def test_every_form_of_reading(number: int, condition: str):
    effect = ("permit", "forbid")[number % 2]
    text = f"{WORLD}permit any_note: read\n{effect} p: read when {condition}\n"
    checked, found = check_sources({"p": Source("p", text)})
    assert checked is not None, found.items
    engine = PolicyEngine.from_text(text)
    for present in (True, False):
        assert decided(engine, request(present=present)) is not None
        needed = hold(checked, engine, request(present=present))
        assert not present or (needed > 0) is (condition != "true")
