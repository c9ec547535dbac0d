"""Hold that no problem names what only a private value leads to, wherever it was found."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from policyengine import InvalidRequest, PolicyEngine, SourcedEngine
from policyengine.intake.foreign import FoundEntities

ENGINE = PolicyEngine.from_text("""package clinic
entity Ward in Ward
entity Staff in Ward { chief: private Staff, mate?: Staff, active: bool }
entity Chart
action read by Staff on Chart
permit active: read when subject.chief.active
permit ward: read when subject.chief within Ward "w"
permit mates: read when subject has mate and subject.mate.active
""")
CHART = {"type": "Chart", "id": "c", "properties": {}}


def staff(id_: str, **more: Any) -> dict[str, Any]:
    return {"type": "Staff", "id": id_, "properties": {"chief": staff_("z"), "active": True}, "parents": []} | more  # fmt: skip


def staff_(id_: str) -> dict[str, Any]:
    return {"type": "Staff", "id": id_}


def ward(id_: str, *parents: str) -> dict[str, Any]:
    above = [{"type": "Ward", "id": one} for one in parents]
    return {"type": "Ward", "id": id_, "properties": {}, "parents": above}


ANN = staff("ann", properties={"chief": staff_("SECRET"), "active": True})
IN = [{"type": "Ward", "id": "SECRET"}]
WRONG: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "no parents": [{name: part for name, part in staff("SECRET").items() if name != "parents"}],
    "no such parent": [staff("SECRET", parents=IN)],
    "a circle": [staff("SECRET", parents=IN), ward("SECRET", "SECRET2"), ward("SECRET2", "SECRET")],
    "too many": [staff("SECRET", parents=IN), ward("SECRET", "SECRET0"), *(ward(f"SECRET{n}", f"SECRET{n + 1}") for n in range(1010))],
    "no value": [staff("SECRET", properties={"active": "SECRET"})],
    "no such attribute": [staff("SECRET", properties={"SECRET": 1})],
    "no such key": [staff("SECRET", SECRET=1)],
}  # fmt: skip


class Facts:
    def __init__(self, *known: Any) -> None:
        self.known = known

    def fetch(self, keys: list[Any]) -> list[Any]:
        return [one for one in self.known if (one["type"], one["id"]) in keys]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_a_source_gives_for_a_private_reference_is_in_no_problem(wrong: str):
    for facts, asked in ((Facts(*WRONG[wrong]), ANN), (Facts(ANN, *WRONG[wrong]), staff_("ann"))):
        with pytest.raises(InvalidRequest) as refused:
            SourcedEngine(ENGINE, facts, most=2_000, deadline=60).decide(asked, "read", CHART)
        assert "SECRET" not in str(refused.value)


class Person:
    def __init__(self, key: str, **values: Any) -> None:
        self.id = key
        vars(self).update(values)


class People(Facts):
    def fetch(self, keys: list[Any]) -> list[Any]:
        return [one for one in self.known if ("Staff", one.id) in keys]


SET = """package clinic
entity Staff { chief: private Staff, mate?: Staff, active: bool }
entity Chart
action read by Staff on Chart
permit active: read when subject.chief.active
permit mates: read when subject has mate and subject.mate.active
permit chiefs: read when subject has mate and subject.mate.chief.active
"""


@pytest.mark.parametrize("sourced", [False, True])
def test_an_object_that_a_private_attribute_leads_to_is_in_no_problem(sourced: bool):
    engine = PolicyEngine.from_text(SET)
    engine.register(Person, "Staff")
    chief = Person("SECRET", active="SECRET", chief=None)
    ann = Person("ann", chief=chief, mate=None, active=True)
    decider: Any = SourcedEngine(engine, People(ann)) if sourced else engine
    with pytest.raises(InvalidRequest) as refused:
        decider.decide(staff_("ann") if sourced else ann, "read", CHART)
    assert "SECRET" not in str(refused.value)


def test_what_everybody_may_know_is_named():
    engine = PolicyEngine.from_text(SET)
    engine.register(Person, "Staff")
    chief = Person("chief", active=True)
    mate = Person("bob", active=True, chief=chief)
    ann = Person("ann", chief=chief, mate=mate, active=True)
    with pytest.raises(InvalidRequest, match='`Staff "bob"` is not in the source'):
        SourcedEngine(engine, People(ann, chief)).decide(staff_("ann"), "read", CHART)


def test_found_entities_are_a_list_that_can_be_copied():
    found = FoundEntities([1], iter([2, 3]))
    for one in (found, copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert type(one) is FoundEntities
        assert (one, one.given) == ([1, 2, 3], 1)
