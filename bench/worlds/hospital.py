"""Make requests of policies/hospital, always the same ones, as plain objects and as parts that the engine built."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any, Final

from attrs import define, field, frozen

from bench.worlds import hospital_by_hand as plain
from policyengine import PolicyEngine

POLICIES: Final = Path(__file__).resolve().parents[2] / "policies" / "hospital"
_SEED = 20_261_128
_DENIED = 0.15
_NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)
_ROLES = (*["physician"] * 4, *["nurse"] * 4, "therapist", "pharmacist")
_OFFICES = ("registrar", "billing_clerk", "archivist", "researcher", "privacy_officer")
_STORED = (*["notes"] * 4, *(one for one in plain.CATEGORIES if one != "notes"))
_PURPOSE_OF = {
    "registrar": "admission", "billing_clerk": "payment", "archivist": "archiving",
    "researcher": "research", "privacy_officer": "oversight",
}  # fmt: skip
_DONE_BY = {
    "registrar": ("find_patient", "admit_patient"), "billing_clerk": ("read_invoice",),
    "archivist": ("destroy_entry",), "researcher": ("extract_entry", "extract_patient"),
    "privacy_officer": ("seal_entry", "unseal_entry", "read_access_log", "release_entry"),
}  # fmt: skip


@frozen
class Ask:
    """One request: what the hand-written function takes, and what the engine takes."""

    by_hand: tuple[Any, str, Any, Mapping[str, Any], datetime]
    built: tuple[Any, str, Any, Any]


def _refs(type_: str, ids: Any) -> list[dict[str, str]]:
    return [{"type": type_, "id": one} for one in sorted(ids)]


def _given(**parts: Any) -> dict[str, Any]:
    """Return the parts that there are."""
    return {name: part for name, part in parts.items() if part is not None}


@define
class _World:
    """Units, staff, patients and what was written about them, plain and built."""

    engine: PolicyEngine
    rng: Random
    built: dict[int, Any] = field(factory=dict)
    wards: list[plain.Unit] = field(factory=list)
    clinical: list[plain.Staff] = field(factory=list)
    offices: list[plain.Staff] = field(factory=list)

    def furnish(self) -> None:
        """Make the units, and who works in them."""
        rng = self.rng
        house = self.unit("house", None, frozenset(), held=False)
        for c in range(3):
            clinic = self.unit(f"c{c}", house, frozenset({f"w{c}0-s0"}), held=c == 2)
            for w in range(3):
                head = frozenset({f"w{c}{w}-s1"})
                ward = self.unit(f"w{c}{w}", clinic, head, is_ward=True, held=False)
                self.wards.append(ward)
                self.clinical += [
                    self.staff(f"{ward.id}-s{n}", rng.choice(_ROLES), ward) for n in range(8)
                ]
        self.offices += [self.staff(f"o{n}", _OFFICES[n % 5], house) for n in range(15)]

    def unit(
        self, id_: str, parent: plain.Unit | None, heads: frozenset[str], *, is_ward: bool = False,
        held: bool,
    ) -> plain.Unit:  # fmt: skip
        unit = plain.Unit(id_, is_ward, heads, held, parent)
        self.built[id(unit)] = self.engine.entity(
            "Unit", id_, is_ward=is_ward, heads=_refs("Staff", heads), legal_hold=held,
            parents=[self.built[id(parent)]] if parent else [],
        )  # fmt: skip
        return unit

    def staff(self, id_: str, role: str, unit: plain.Unit) -> plain.Staff:
        rng = self.rng
        staff = plain.Staff(
            id_, role, f"p-{id_}", datetime(2020, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC) if rng.random() < 0.02 else None,
            datetime(2026, rng.randint(1, 10), 1, tzinfo=UTC),
            datetime(2028, 1, 1, tzinfo=UTC) if role in plain.PROFESSIONS else None,
            rng.random() < 0.02, unit,
        )  # fmt: skip
        self.built[id(staff)] = self.engine.entity(
            "Staff", id_, role=role, person={"type": "Person", "id": staff.person},
            employed_from=staff.employed_from, trained_at=staff.trained_at, suspended=staff.suspended,
            parents=[self.built[id(unit)]],
            **_given(employed_until=staff.employed_until, licensed_until=staff.licensed_until),
        )  # fmt: skip
        return staff

    def person(self, id_: str) -> plain.Person:
        person = plain.Person(id_, self.rng.random() < 0.95)
        self.built[id(person)] = self.engine.entity("Person", id_, proven=person.proven)
        return person

    def patient(self, number: int, ward: plain.Unit) -> plain.Patient:
        rng = self.rng
        child = rng.random() < 0.3
        team = rng.sample([one.id for one in self.clinical if one.unit is ward], 2)
        patient = plain.Patient(
            f"p{number}", f"p-p{number}",
            datetime(rng.randint(2009, 2016) if child else rng.randint(1940, 1997), 5, 7, tzinfo=UTC),
            frozenset(team), frozenset({f"g{number}"} if child else ()),
            ((f"r{number}", _NOW + timedelta(days=rng.choice((-1, 40)))),) if rng.random() < 0.2 else (),
            frozenset({f"p-{rng.choice(self.clinical).id}"} if rng.random() < 0.3 else ()),
            rng.random() < 0.05, frozenset({"mental_health"} if rng.random() < 0.1 else ()),
            frozenset({"clinical"} if rng.random() < 0.2 else ()), frozenset({"practice", "insurer"}),
            frozenset({"research"} if rng.random() < 0.1 else ()),
            frozenset({"broad"} if rng.random() < 0.8 else ()), ward if rng.random() < 0.8 else None,
        )  # fmt: skip
        self.built[id(patient)] = self.engine.entity(
            "Patient", patient.id, person={"type": "Person", "id": patient.person}, born=patient.born,
            team=_refs("Staff", patient.team), guardians=_refs("Person", patient.guardians),
            representatives=[
                {"person": {"type": "Person", "id": one}, "until": until}
                for one, until in patient.representatives
            ],
            kin=_refs("Person", patient.kin), watched=patient.watched,
            withholds=sorted(patient.withholds), opens_to_guardians=sorted(patient.opens_to_guardians),
            shares_with=_refs("Recipient", patient.shares_with), objects_to=sorted(patient.objects_to),
            consented_to=_refs("Programme", patient.consented_to),
            parents=[self.built[id(ward)]] if patient.ward else [],
        )  # fmt: skip
        return patient

    def entry(self, number: int, patient: plain.Patient, ward: plain.Unit) -> plain.Entry:
        rng = self.rng
        ended = rng.choice(
            (None,) * 3 + (datetime(2016, 11, 9, tzinfo=UTC), datetime(2024, 1, 5, tzinfo=UTC))
        )
        entry = plain.Entry(
            f"e{number}", patient, rng.choice(sorted(patient.team)), rng.choice(_STORED),
            _NOW - timedelta(days=3) if rng.random() < 0.3 else None, ended, rng.random() < 0.05,
            frozenset(), rng.random() < 0.05, ward,
        )  # fmt: skip
        self.built[id(entry)] = self.engine.entity(
            "Entry", entry.id, patient=self.built[id(patient)],
            author={"type": "Staff", "id": entry.author}, category=entry.category, sealed=entry.sealed,
            sealed_for=[], parents=[self.built[id(ward)]],
            **_given(
                signed_at=entry.signed_at, treatment_ended=ended,
                held_back="serious_harm" if entry.held_back else None,
            ),
        )  # fmt: skip
        return entry

    def invoice(self, number: int, patient: plain.Patient) -> plain.Invoice:
        invoice = plain.Invoice(f"i{number}", patient)
        self.built[id(invoice)] = self.engine.entity(
            "Invoice", invoice.id, patient={"type": "Patient", "id": patient.id}, disputed=False
        )
        return invoice

    def recipient(self, kind: str) -> plain.Recipient:
        address = self.rng.choice(("Box@Mail.Health.example",) * 9 + ("box@mail.example",))
        names = {"provider": "practice"}
        recipient = plain.Recipient(names.get(kind, kind), kind, address)
        self.built[id(recipient)] = self.engine.entity(
            "Recipient", recipient.id, kind=kind, address=address
        )
        return recipient

    def study(self, number: int) -> plain.Study:
        rng = self.rng
        researchers = [one.id for one in self.offices if one.role == "researcher"]
        study = plain.Study(
            f"t{number}", "broad", frozenset(researchers), frozenset({"clinical"}),
            datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC), rng.random() < 0.7,
            rng.choice((9, 40, 90)),
        )  # fmt: skip
        self.built[id(study)] = self.engine.entity(
            "Study", study.id, investigators=_refs("Staff", researchers),
            categories=sorted(study.categories), approved_from=study.approved_from,
            approved_until=study.approved_until, includes_minors=study.includes_minors, size="trial",
            cohort=study.cohort, parents=[self.engine.entity("Programme", "broad", parents=[])],
        )  # fmt: skip
        return study


def requests(engine: PolicyEngine, count: int) -> list[Ask]:
    """Return *count* requests of wards, offices and the portal; most are allowed."""
    rng = Random(_SEED)
    world = _World(engine, rng)
    world.furnish()
    asked: list[Ask] = []
    number = 0
    while len(asked) < count:  # as in practice, most are allowed
        ask = _ask(world, number)
        if plain.allows(*ask.by_hand) or rng.random() < _DENIED:
            asked.append(ask)
        number += 1
    return asked


def _ask(world: _World, number: int) -> Ask:
    rng = world.rng
    ward = rng.choice(world.wards)
    patient = world.patient(number, ward)
    entry = world.entry(number, patient, ward)
    context: dict[str, Any] = {}
    given: dict[str, Any] = {}
    subject: Any
    resource: Any = entry
    draw = rng.random()
    if draw < 0.2:
        subject = world.person(rng.choice((patient.person, f"g{number}", f"r{number}")))
        action = rng.choice(("read_own", "copy_own", "see_who_looked", "decide_consent"))
        if action in {"see_who_looked", "decide_consent"}:
            resource = patient
    elif draw < 0.75:
        near = [one for one in world.clinical if one.unit is ward]
        subject = rng.choice(near if rng.random() < 0.9 else world.clinical)
        action = rng.choice(
            ("view_entry",) * 5 + ("print_entry", "write_entry", "correct_entry", "release_entry")
        )
        _on_a_ward(world, action, context, given)
    else:
        subject = rng.choice(world.offices)
        action = rng.choice(_DONE_BY[subject.role])
        context["purpose"] = given["purpose"] = _PURPOSE_OF[subject.role]
        resource = _in_an_office(world, action, entry, number, context, given)
    now = _NOW + timedelta(hours=rng.choice((0, 1, 2, 3, 4, 5, 14)))
    if not isinstance(subject, plain.Person):
        sign_in = rng.choice(("smart_card",) * 3 + ("second_factor", "password"))
        address = rng.choice(("10.20.1.7",) * 9 + ("192.0.2.1",))
        context |= {"sign_in": plain.SIGN_INS[sign_in], "address": ip_address(address)}
        given |= {"sign_in": sign_in, "address": address}
    return Ask(
        (subject, action, resource, context, now),
        (
            world.built[id(subject)],
            action,
            world.built[id(resource)],
            world.engine.context(action, given),
        ),
    )


def _on_a_ward(world: _World, action: str, context: dict[str, Any], given: dict[str, Any]) -> None:
    """Add what is said beside on a ward."""
    rng = world.rng
    context["purpose"] = rng.choice(("treatment",) * 5 + ("emergency_care", "quality_assurance"))
    given["purpose"] = context["purpose"]
    if action == "release_entry":
        recipient = world.recipient(rng.choice(("provider", "provider", "insurer")))
        context["recipient"], given["recipient"] = recipient, world.built[id(recipient)]
        return
    if action in {"view_entry", "print_entry"}:
        context["patients_today"] = given["patients_today"] = rng.choice((3, 12, 25, 60))
    if context["purpose"] == "emergency_care":
        context["emergency"] = rng.choice(("unconscious, allergies unknown",) * 4 + ("in a hurry",))
        given["emergency"] = {"reason": context["emergency"]}


def _in_an_office(
    world: _World, action: str, entry: plain.Entry, number: int, context: dict[str, Any],
    given: dict[str, Any],
) -> Any:  # fmt: skip
    """Add what is said beside in an office; return the resource."""
    rng = world.rng
    match action:
        case "read_invoice":
            return world.invoice(number, entry.patient)
        case "find_patient" | "admit_patient" | "read_access_log":
            return entry.patient
        case "extract_entry" | "extract_patient":
            study = world.study(number)
            context["study"], given["study"] = study, world.built[id(study)]
            return entry if action == "extract_entry" else entry.patient
        case "release_entry":
            recipient = world.recipient("authority")
            context |= {"recipient": recipient, "basis": "2 O 17/26", "purpose": "court_order"}
            given |= {**context, "recipient": world.built[id(recipient)]}
            return entry
    signed = rng.sample([one for one in world.offices if one.role == "privacy_officer"], 2)
    context["approved_by"], given["approved_by"] = signed, [world.built[id(one)] for one in signed]
    if rng.random() < 0.8:
        context["order"] = given["order"] = "2 O 17/26"
    return entry
