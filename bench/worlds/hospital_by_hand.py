"""Decide policies/hospital as somebody would write it by hand, over plain Python objects, which are trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time
from ipaddress import ip_network
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from attrs import define

SIGN_INS: Final = {"password": 0, "second_factor": 1, "smart_card": 2}
CATEGORIES: Final = {
    "notes": "clinical", "medication": "clinical", "laboratory": "clinical", "genetic_tests": "laboratory",
    "imaging": "clinical", "transfusions": "clinical", "psychotherapy_notes": "mental_health",
    "correspondence": "administrative", "clinical": None, "mental_health": None,
    "reproductive_health": None, "addiction": None, "administrative": None,
}  # fmt: skip
PURPOSES: Final = {
    "treatment": "care", "emergency_care": "care", "discharge": "care",
    "quality_assurance": "operations", "teaching": "operations",
    "admission": "administration", "archiving": "administration",
    "notification": "legal_duty", "court_order": "legal_duty",
    "marketing": "commercial", "underwriting": "commercial", "employment_screening": "commercial",
    "care": None, "operations": None, "administration": None, "payment": None, "research": None,
    "legal_duty": None, "oversight": None, "commercial": None,
}  # fmt: skip


def _line(terms: Mapping[str, str | None], term: str | None) -> Iterator[str]:
    """Give a term, then those above it."""
    while term is not None:
        yield term
        term = terms[term]


def _above(terms: Mapping[str, str | None]) -> dict[str, frozenset[str]]:
    """Return each term with those above it."""
    return {term: frozenset(_line(terms, term)) for term in terms}


CATEGORY: Final = _above(CATEGORIES)
PURPOSE: Final = _above(PURPOSES)


def _table(by_term: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of every category: its own, or that of the nearest above."""
    return {
        term: next(by_term[at] for at in _line(CATEGORIES, term) if at in by_term)
        for term in CATEGORIES
    }


PROFESSIONS: Final = frozenset({"physician", "nurse", "therapist", "pharmacist"})
_HOUSE: Final = (ip_network("10.20.0.0/16"), ip_network("2001:db8:20::/48"))
_SIGN_IN: Final = {
    "view_entry": 0, "print_entry": 1, "write_entry": 1, "correct_entry": 1, "release_entry": 1,
    "find_patient": 0, "admit_patient": 0, "read_invoice": 0, "extract_entry": 1, "extract_patient": 1,
    "seal_entry": 2, "unseal_entry": 2, "destroy_entry": 2, "read_access_log": 1,
}  # fmt: skip
_SIGN_IN_FOR: Final = _table({
    "clinical": 0, "genetic_tests": 2, "mental_health": 1, "psychotherapy_notes": 2,
    "reproductive_health": 1, "addiction": 1, "administrative": 0,
})  # fmt: skip
_A_DAY: Final = {
    "physician": 60, "nurse": 60, "therapist": 30, "pharmacist": 200, "registrar": 20,
    "billing_clerk": 20, "archivist": 20, "researcher": 20, "privacy_officer": 20,
}  # fmt: skip
_PURPOSES_OF: Final = {
    "physician": {"care", "operations", "legal_duty"}, "nurse": {"care", "quality_assurance"},
    "therapist": {"care"}, "pharmacist": {"treatment"}, "registrar": {"admission", "emergency_care"},
    "billing_clerk": {"payment"}, "archivist": {"archiving"}, "researcher": {"research"},
    "privacy_officer": {"oversight", "legal_duty"},
}  # fmt: skip
_MAY_RECEIVE: Final = {
    "provider": {"clinical", "mental_health", "reproductive_health", "addiction", "administrative"},
    "insurer": {"administrative"}, "authority": {"clinical", "administrative"}, "employer": set[str](),
}  # fmt: skip
_KEPT: Final = _table({
    "clinical": 10, "transfusions": 30, "mental_health": 10, "reproductive_health": 10, "addiction": 10,
    "administrative": 6,
})  # fmt: skip
_CONFIDENTIAL_FROM: Final = _table({
    "clinical": 16, "mental_health": 14, "reproductive_health": 12, "addiction": 14, "administrative": 16,
})  # fmt: skip
_BERLIN: Final = ZoneInfo("Europe/Berlin")
_FRIDAY, _SATURDAY = 4, 5
_READING: Final = frozenset({"view_entry", "print_entry"})
_WRITING: Final = frozenset({"write_entry", "correct_entry"})
_KEEPING: Final = frozenset({"seal_entry", "unseal_entry", "destroy_entry"})


@define(eq=False)
class Unit:
    """A ward, a clinic or the house, with the one that it lies in."""

    id: str
    is_ward: bool
    heads: frozenset[str]
    legal_hold: bool
    parent: Unit | None


@define(eq=False)
class Staff:
    """Who works here."""

    id: str
    role: str
    person: str
    employed_from: datetime
    employed_until: datetime | None
    trained_at: datetime
    licensed_until: datetime | None
    suspended: bool
    unit: Unit


@define(eq=False)
class Person:
    """Who uses the portal."""

    id: str
    proven: bool


@define(eq=False)
class Patient:
    """Who is treated; *ward*: where, if they lie in one."""

    id: str
    person: str
    born: datetime
    team: frozenset[str]
    guardians: frozenset[str]
    representatives: tuple[tuple[str, datetime], ...]
    kin: frozenset[str]
    watched: bool
    withholds: frozenset[str]
    opens_to_guardians: frozenset[str]
    shares_with: frozenset[str]
    objects_to: frozenset[str]
    consented_to: frozenset[str]
    ward: Unit | None


@define(eq=False)
class Entry:
    """A part of a record."""

    id: str
    patient: Patient
    author: str
    category: str
    signed_at: datetime | None
    treatment_ended: datetime | None
    sealed: bool
    sealed_for: frozenset[str]
    held_back: bool
    unit: Unit


@define(eq=False)
class Invoice:
    """What a stay costs."""

    id: str
    patient: Patient


@define(eq=False)
class Recipient:
    """Who gets an entry."""

    id: str
    kind: str
    address: str


@define(eq=False)
class Study:
    """A study, of a programme."""

    id: str
    programme: str
    investigators: frozenset[str]
    categories: frozenset[str]
    approved_from: datetime
    approved_until: datetime
    includes_minors: bool
    cohort: int


Context: TypeAlias = Mapping[str, Any]
"""What the request says beside, as plain values."""


def _years_on(moment: datetime, years: int) -> datetime:
    """Return the same day of a later year; nobody here was born on 29 February."""
    return moment.replace(year=moment.year + years)


def _half_a_year_on(moment: datetime) -> datetime:
    """Return the same day six months later; all days here are before the 29th."""
    month = moment.month + 6
    return moment.replace(year=moment.year + (month > 12), month=(month - 1) % 12 + 1)


def _units(unit: Unit | None) -> Iterator[Unit]:
    while unit is not None:
        yield unit
        unit = unit.parent


def _touches(term: str, terms: frozenset[str], above: Mapping[str, frozenset[str]]) -> bool:
    return bool(above[term] & terms) or any(term in above[other] for other in terms)


def _is_over(entry: Entry, ended: datetime, now: datetime) -> bool:
    patient = entry.patient
    return _years_on(ended, _KEPT[entry.category]) <= now and _years_on(patient.born, 28) <= now


def _breaks_glass(staff: Staff, context: Context) -> bool:
    stated = context.get("emergency")
    return (
        stated is not None
        and staff.role in {"physician", "nurse"}
        and context["purpose"] == "emergency_care"
        and len(stated) >= 20
    )


def _is_open(now: datetime) -> bool:
    there = now.astimezone(_BERLIN)
    day, clock = there.weekday(), there.time()
    if day <= _FRIDAY:
        return time(7) <= clock < time(18)
    return day == _SATURDAY and time(8) <= clock < time(12)


def _on_the_ward(staff: Staff, patient: Patient) -> bool:
    return any(
        ward.is_ward and any(unit is ward for unit in _units(staff.unit))
        for ward in _units(patient.ward)
    )


def _may_care(staff: Staff, action: str, it: Entry, context: Context) -> bool:
    purpose = PURPOSE[context["purpose"]]
    if "care" in purpose:
        if staff.id in it.patient.team:
            return True
        if (
            action != "correct_entry"
            and staff.role in PROFESSIONS
            and _on_the_ward(staff, it.patient)
        ):
            return True
    if action not in _READING:
        return False
    if "operations" in purpose and any(staff.id in unit.heads for unit in _units(it.unit)):
        return True
    return _breaks_glass(staff, context)


def _care(staff: Staff, action: str, it: Entry, context: Context) -> bool:
    patient, broken = it.patient, _breaks_glass(staff, context)
    if not _may_care(staff, action, it, context) or (staff.person in patient.kin and not broken):
        return False
    if action in _WRITING:
        return action == "write_entry" or (it.signed_at is None and staff.id == it.author)
    if "psychotherapy_notes" in CATEGORY[it.category] and staff.id != it.author:
        return False
    if broken:
        return True
    if context["patients_today"] >= _A_DAY[staff.role]:
        return False
    if staff.id in patient.team:
        return True
    return not patient.watched and not _touches(it.category, patient.withholds, CATEGORY)


def _release(staff: Staff, it: Entry, context: Context) -> bool:
    recipient, category = context["recipient"], CATEGORY[it.category]
    if "psychotherapy_notes" in category and staff.id != it.author:
        return False
    if not category & _MAY_RECEIVE[recipient.kind]:
        return False
    if not recipient.address.lower().endswith("@mail.health.example"):
        return False
    if staff.id in it.patient.team and recipient.id in it.patient.shares_with:
        return True
    return (
        "legal_duty" in PURPOSE[context["purpose"]]
        and staff.role in {"physician", "privacy_officer"}
        and recipient.kind == "authority"
        and "basis" in context
    )


def _keep(staff: Staff, action: str, it: Entry, context: Context, now: datetime) -> bool:
    if staff.role not in {"archivist", "privacy_officer"}:
        return False
    if action == "seal_entry":
        return staff.role == "privacy_officer"
    if not any(a.id != staff.id and a.role == "privacy_officer" for a in context["approved_by"]):
        return False
    if action == "unseal_entry":
        return staff.role == "privacy_officer" and "order" in context
    if any(unit.legal_hold for unit in _units(it.unit)) or not _is_open(now):
        return False
    return it.treatment_ended is not None and _is_over(it, it.treatment_ended, now)


def _extract(staff: Staff, it: Entry | Patient, context: Context, now: datetime) -> bool:
    study: Study = context["study"]
    patient = it.patient if isinstance(it, Entry) else it
    if staff.id not in study.investigators or study.cohort < 10:
        return False
    if not study.approved_from <= now < study.approved_until:
        return False
    if isinstance(it, Entry) and not CATEGORY[it.category] & study.categories:
        return False
    if study.programme not in patient.consented_to:
        return False
    return study.includes_minors or _years_on(patient.born, 18) <= now


def _entry(staff: Staff, action: str, it: Entry, context: Context, now: datetime) -> bool:
    patient, ended = it.patient, it.treatment_ended
    if context["sign_in"] < _SIGN_IN_FOR[it.category] or staff.person == patient.person:
        return False
    if (
        action != "destroy_entry"
        and ended is not None
        and _is_over(it, _half_a_year_on(ended), now)
    ):
        return False
    if action in _KEEPING:
        if it.sealed and action == "seal_entry" and staff.id not in it.sealed_for:
            return False
        return _keep(staff, action, it, context, now)
    if it.sealed and staff.id not in it.sealed_for:
        return False
    purpose = context["purpose"]
    if (
        patient.objects_to
        and _touches(purpose, patient.objects_to, PURPOSE)
        and not PURPOSE[purpose] & {"care", "legal_duty"}
    ):
        return False
    match action:
        case "release_entry":
            return _release(staff, it, context)
        case "extract_entry":
            return _extract(staff, it, context, now)
    return _care(staff, action, it, context)


def _works(staff: Staff, action: str, context: Context, now: datetime) -> bool:
    if staff.suspended or staff.employed_from > now or _years_on(staff.trained_at, 1) <= now:
        return False
    if staff.employed_until is not None and now >= staff.employed_until:
        return False
    if (
        staff.role in PROFESSIONS
        and (action in _READING or action in _WRITING or action == "release_entry")
        and (staff.licensed_until is None or now >= staff.licensed_until)
    ):
        return False
    sign_in = context["sign_in"]
    if sign_in < _SIGN_IN[action]:
        return False
    if sign_in < SIGN_INS["smart_card"] and not any(context["address"] in n for n in _HOUSE):
        return False
    return bool(PURPOSE[context["purpose"]] & _PURPOSES_OF[staff.role])


def _staff(staff: Staff, action: str, it: Any, context: Context, now: datetime) -> bool:
    if not _works(staff, action, context, now):
        return False
    if isinstance(it, Entry):
        return _entry(staff, action, it, context, now)
    match action:
        case "find_patient" | "admit_patient":
            if staff.role not in {"registrar", "nurse"}:
                return False
            return context["purpose"] == "emergency_care" or _is_open(now)
        case "read_invoice":
            return staff.role == "billing_clerk" and _is_open(now)
        case "read_access_log":
            return staff.role == "privacy_officer"
    return _extract(staff, it, context, now)


def _portal(person: Person, it: Entry | Patient, now: datetime) -> bool:
    patient = it.patient if isinstance(it, Entry) else it
    who = person.id
    if not person.proven:
        return False
    guards = who in patient.guardians and _years_on(patient.born, 18) > now
    if not (
        guards
        or (who == patient.person and _years_on(patient.born, 14) <= now)
        or any(one == who and now < until for one, until in patient.representatives)
    ):
        return False
    if isinstance(it, Patient):
        return True
    if it.held_back or (it.sealed and who != patient.person):
        return False
    return not (
        guards
        and _years_on(patient.born, _CONFIDENTIAL_FROM[it.category]) <= now
        and not CATEGORY[it.category] & patient.opens_to_guardians
    )


def allows(subject: Any, action: str, resource: Any, context: Context, now: datetime) -> bool:
    """Return whether a request is allowed."""
    if isinstance(subject, Person):
        return _portal(subject, resource, now)
    return _staff(subject, action, resource, context, now)
