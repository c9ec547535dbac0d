"""Ask what a decision costs about objects of registered classes, beside the same as dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from bench.questions.answer import Answer, DisagreementError, Scale
from bench.timing import side_by_side
from bench.worlds import apps
from policyengine import PolicyEngine


def ask(scale: Scale) -> Iterator[Answer]:
    """Decide in the small world about rows that have all attributes."""
    engine = PolicyEngine.load(apps.POLICY)
    forms = apps.in_all_forms(engine, apps.make_requests(scale.requests))
    dicts = [form.dicts for form in forms]
    types = {part["type"] for form in dicts for part in (form[0], form[2])}
    classes = {type_: type(type_, (SimpleNamespace,), {}) for type_ in types}
    objects = [
        (_row(classes, subject), action, _row(classes, resource), context)
        for subject, action, resource, context in dicts
    ]
    rows = PolicyEngine.load(apps.POLICY)
    for type_, class_ in classes.items():
        rows.register(class_, type_)
    for one, other in zip(dicts, objects, strict=True):
        if engine.decide(*one).rules != rows.decide(*other).rules:
            raise DisagreementError(f"{one} is decided otherwise as objects")
    contestants = {"dicts": _deciding(engine, dicts), "objects": _deciding(rows, objects)}
    ratio = side_by_side(contestants, len(dicts), scale.rounds)["objects"].ratio
    yield Answer("decide about objects over dicts", ratio, 1.2, 1)


def _row(classes: dict[str, type], given: dict[str, Any]) -> object:
    class_ = classes[given["type"]]
    return class_(id=given["id"], **given.get("properties", {}))


def _deciding(engine: PolicyEngine, asked: Sequence[Any]) -> Callable[[], None]:
    def run() -> None:
        for subject, action, resource, context in asked:
            engine.decide(subject, action, resource, context).allowed

    return run
