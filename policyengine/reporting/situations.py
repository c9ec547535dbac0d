"""Find requests that show what a policy set decides: those of its tests, and others made of their parts.

An action for which no test has an allowed request gets one by and on what other tests ask for, with values of their
contexts; if none of these is allowed, one in which a value or two are changed so that it is (`analysis/remedies.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from attrs import define, field, frozen
from msgspec.structs import replace

from policyengine.analysis.places import changed
from policyengine.analysis.remedies import search
from policyengine.intake.validation import Validator
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity
from policyengine.model.errors import InvalidRequest
from policyengine.model.gaps import gives
from policyengine.model.limits import Limits
from policyengine.model.records import record_class
from policyengine.model.types import RecordType, TargetKey, Type
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT, slot
from policyengine.reporting.report_budget import EXAMPLES, TESTS, ReportBudget
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet
from policyengine.testing.requests_of_tests import ExpectedRequest, requests_of

_UNNAMED = "not named here"
_MOST_OF_ONE_TARGET = 24
_MOST_DONORS = 60
_MOST_RESOURCES = 4
_MOST_REMEDIED = 3
_MOST_JUDGED = 20_000


@frozen(eq=False)
class Situation:
    """A request with its decision. *test*: the title of the test that asks it; empty if it was made of others."""

    request: ValidRequest
    decision: Decision
    test: str = ""

    @property
    def target(self) -> TargetKey:
        """The action and the types of who does it and on what."""
        return target_of(self.request)


def target_of(request: ValidRequest) -> TargetKey:
    """Return the target of a request."""
    return request.action, request.subject.type, request.resource.type


@define(eq=False)
class Situations:
    """The situations of a set by target, those of tests first.

    *beyond*: those of further tests, which are decided as one of *by_target* is, or are too many. *tests*:
    the titles of the tests whose decisions rest on each rule.
    """

    by_target: dict[TargetKey, list[Situation]] = field(factory=dict)
    beyond: dict[TargetKey, list[Situation]] = field(factory=dict)
    tests: dict[str, dict[str, None]] = field(factory=dict)

    def of(self, target: TargetKey, *, allowed: bool | None = None) -> list[Situation]:
        """Return the situations of a target, or those that are allowed, or denied."""
        found = self.by_target.get(target, [])
        return [s for s in found if allowed is None or s.decision.allowed is allowed]

    def all(self) -> Iterator[Situation]:
        """Give all situations."""
        for found in self.by_target.values():
            yield from found


def find_situations(
    checked: CheckedSet, program: Program, budget: ReportBudget, now: int, *, internal: bool
) -> Situations:
    """Return situations for every target; without *internal*, entities that waivers name have other names."""
    found = Situations({target: [] for target in sorted(checked.by_target)})
    hidden = frozenset() if internal else _waived_ids(checked)
    seen: dict[TargetKey, set[object]] = {}
    allowed: list[ValidRequest] = []
    for asked in requests_of(checked, now=now):
        request = asked.request
        if budget.is_spent:
            budget.leave_out(TESTS, [request.action])
            continue
        if not hidden.isdisjoint(id_ for _, id_ in request.entities):
            renamed = _with_other_names(checked, asked, hidden)
            if renamed is None:
                continue
            request = renamed
        budget.spend()
        decision = program.decide(request)
        for rule in decision.rules:
            found.tests.setdefault(rule, {})[asked.test.title] = None
        if decision.allowed:
            allowed.append(request)
        kept, keys = found.by_target[target_of(request)], seen.setdefault(target_of(request), set())
        key = decision.allowed, decision.rules, decision.exposed, tuple(decision.masks.items())
        if key in keys or len(kept) >= _MOST_OF_ONE_TARGET:
            kept = found.beyond.setdefault(target_of(request), [])
        keys.add(key)
        kept.append(Situation(request, decision, asked.title))
    donors = _Donors(checked, program, budget, allowed[::-1])
    without = [target for target in found.by_target if not found.of(target, allowed=True)]
    for target in budget.affordable(EXAMPLES, without):
        found.by_target[target] += donors.situations(target)
    return found


def _waived_ids(checked: CheckedSet) -> frozenset[str]:
    parties = (party for waiver in checked.waivers for party in (waiver.subject, waiver.resource))
    return frozenset(party.id for party in parties if party is not None)


def _with_other_names(
    checked: CheckedSet, asked: ExpectedRequest, hidden: Iterable[str]
) -> ValidRequest | None:
    """Return the request of a test in which entities with the ids *hidden* have other ids, if it fits then."""
    names = {id_: f"{_UNNAMED} {number}" for number, id_ in enumerate(sorted(hidden), 1)}

    def renamed(value: Any) -> Any:
        match value:
            case {"type": str(type_), "id": str(id_), **rest} if id_ in names:
                return renamed(rest) | {"type": type_, "id": names[id_]}
            case dict():
                return {name: renamed(part) for name, part in value.items()}
            case list():
                return [renamed(part) for part in value]
            case _:
                return value

    validator = Validator(checked.schema, checked.needs, Limits())
    try:
        return validator.validate_parts(**renamed(asked.builder.request(asked.expect)))
    except InvalidRequest:
        return None


@define(eq=False)
class _Donors:
    """The allowed requests of tests, from whose parts requests for other actions are made."""

    checked: CheckedSet
    program: Program
    budget: ReportBudget
    allowed: list[ValidRequest]
    entities: dict[str, dict[object, Entity]] = field(init=False, factory=dict)
    values: dict[tuple[str, Type], object] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        for request in self.allowed:
            for key, entity in sorted(request.entities.items()):
                self.entities.setdefault(entity.type, {}).setdefault(key, entity)
            for part in self.checked.schema.actions[request.action].context.attributes:
                value = getattr(request.context, slot(part.name))
                if value is not ABSENT:
                    self.values.setdefault((part.name, part.type), value)

    def situations(self, target: TargetKey) -> list[Situation]:
        """Return one that is allowed if one is found, else one that is denied, if any request fits."""
        denied: list[Situation] = []
        for request in islice(self._requests(target), _MOST_DONORS * _MOST_RESOURCES):
            self.budget.spend()
            decision = self.program.decide(request)
            if decision.allowed:
                return [Situation(request, decision)]
            denied.append(Situation(request, decision))
        denied.sort(key=lambda s: sum(not opened for opened in s.decision.gates.values()))
        for one in denied[:_MOST_REMEDIED]:
            found = search(self.checked, one.request, budget=_MOST_JUDGED)
            self.budget.spend(found.judged)
            for remedy in found.remedies:
                changes = tuple((change.place, change.after) for change in remedy.changes)
                request = changed(one.request, changes)
                decision = self.program.decide(request)
                if decision.allowed:
                    return [Situation(request, decision), one]
        return denied[:1]

    def _requests(self, target: TargetKey) -> Iterator[ValidRequest]:
        action, subject, resource = target
        needs = self.checked.needs(target)
        context = self.checked.schema.actions[action].context
        near = sorted(
            self.allowed, key=lambda r: (r.resource.type != resource, r.subject.type != subject)
        )
        for donor in near[:_MOST_DONORS]:
            values = self._context(context, donor)
            if values is None:
                continue
            for one in self._parties(donor.subject, subject):
                for other in self._parties(donor.resource, resource):
                    made = replace(
                        donor, action=action, subject=one, resource=other, fields=None,
                        context=record_class(context)(*values),
                        entities={**donor.entities, one.key_: one, other.key_: other},
                    )  # fmt: skip
                    if gives(made, needs):
                        yield made

    def _parties(self, given: Entity, type_: str) -> Iterable[Entity]:
        if given.type == type_:
            return [given]
        return islice(self.entities.get(type_, {}).values(), _MOST_RESOURCES)

    def _context(self, context: RecordType, donor: ValidRequest) -> list[object] | None:
        """Return the values of a context, of the donor where it has them; None if one is not known."""
        given = self.checked.schema.actions[donor.action].context.by_name
        values = []
        for part in context.attributes:
            own = given.get(part.name)
            value: object = ABSENT
            if own is not None and own.type == part.type:
                value = getattr(donor.context, slot(part.name))
            if value is ABSENT and not part.optional:
                value = self.values.get((part.name, part.type), ABSENT)
                if value is ABSENT:
                    return None
            values.append(value)
        return values
