"""Decide situations again with other values: what a setting changes, what a name of an enumeration leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any, Final

from attrs import define, field, frozen

from policyengine.analysis.places import (
    Changes,
    Place,
    changed,
    leads_on,
    places_of,
    read_keys_of,
    value_at,
)
from policyengine.model.decision import Decision
from policyengine.model.gaps import gives
from policyengine.model.masks import spelled
from policyengine.model.shown import shown_value
from policyengine.model.types import (
    BOOL,
    EntityRefType,
    Enumeration,
    EnumType,
    LevelsType,
    SetType,
    TargetKey,
    TaxonomyType,
    Type,
    holds_private,
)
from policyengine.model.valid_request import ValidRequest
from policyengine.model.values import ABSENT
from policyengine.reporting.report_budget import (
    ABOUT_ME,
    CONTROLS,
    CONTROLS_ELSEWHERE,
    FACTS,
    ReportBudget,
    about_names,
)
from policyengine.reporting.situations import Situation, Situations
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedSet

AS_IT_IS: Final = "as in the example"
_WORDS: Final = frozenset({AS_IT_IS, "not given", "none", "yes", "no"})
_MOST_OPTIONS: Final = 8
_FEW_ALONE: Final = 5
_MOST_SITUATIONS: Final = 3
_MOST_SWITCHED: Final = 8
_MOST_ANSWERS: Final = 128
_FEW_NAMES: Final = 12

Granted = tuple[bool, frozenset[str] | None, object, object]


def granted(decision: Decision) -> Granted:
    """Return what is compared to see whether an answer differs."""
    owed = decision.obligations if decision.allowed else ()
    return decision.allowed, decision.exposed, tuple(sorted(decision.masks.items())), owed


def shown_fields(decision: Decision) -> tuple[str, ...] | None:
    """Return the fields that are shown, as policies write them; None where no field gate asks."""
    if decision.exposed is None:
        return None
    masked = (spelled(name, mask) for name, mask in decision.masks.items())
    return tuple(sorted((*decision.exposed, *masked)))


def key_of(place: Place) -> str:
    """Return the name of what a place is a place of: `User.protected`, `context.viewer.blocked`."""
    return ".".join((place.owner[0] if place.owner else "context", *place.names))


@frozen(eq=False)
class Varied:
    """A situation, one of its values changed, and what is decided then."""

    situation: Situation
    place: Place
    before: object
    after: object
    decision: Decision


@frozen(eq=False)
class Switches:
    """A situation, the settings of one person in it, their options, and the decision for each choice."""

    situation: Situation
    role: str
    places: tuple[Place, ...]
    options: tuple[tuple[object, ...], ...]
    decisions: tuple[Decision, ...]


@define(eq=False)
class Variations:
    """The situations of a set, decided again with other values.

    *internal*: values of private attributes are changed, too.
    """

    checked: CheckedSet
    program: Program
    situations: Situations
    budget: ReportBudget
    internal: bool
    _values: dict[str, dict[object, None]] = field(init=False, factory=dict)
    _all_places: dict[int, tuple[Place, ...]] = field(init=False, factory=dict)
    _places: dict[int, tuple[Place, ...]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        for situation in self.situations.all():
            for place in self.places(situation):
                value = value_at(situation.request, place)
                self._values.setdefault(key_of(place), {})[value] = None

    def all_places(self, situation: Situation) -> tuple[Place, ...]:
        """Return the places of a situation that rules may read."""
        mark = id(situation)
        if mark not in self._all_places:
            self._all_places[mark] = places_of(self.checked, situation.request)
        return self._all_places[mark]

    def places(self, situation: Situation) -> tuple[Place, ...]:
        """Return the places whose values may be changed and shown."""
        mark = id(situation)
        if mark not in self._places:
            self._places[mark] = tuple(
                place
                for place in self.all_places(situation)
                if place.kind == "attribute"
                and (self.internal or not (place.private or holds_private(place.type)))
            )
        return self._places[mark]

    def chosen(self, target: TargetKey) -> list[Situation]:
        """Return the situations of a target that are varied: mostly allowed ones."""
        allowed = self.situations.of(target, allowed=True)[:_MOST_SITUATIONS]
        return [
            *allowed,
            *self.situations.of(target, allowed=False)[: _MOST_SITUATIONS - len(allowed)],
        ]

    # ---- one value ----------------------------------------------------------------------

    def differences_by_persons(self) -> Iterator[Varied]:
        """Give, for each setting of a person and target, a change of its value that changes the answer.

        For one that changes none of the situations that are tried for all, those of all other tests are tried: one
        in which a place is searched by a number may be decided as any other is. What makes a setting matter there is
        then put into requests for other actions.
        """
        matters: set[str] = set()
        telling: dict[str, Varied] = {}
        found: set[tuple[str, TargetKey]] = set()
        for target in self.budget.affordable(CONTROLS, self.situations.by_target):
            for varied in self._differences(self.chosen(target), set(), by_person=True):
                matters.add(key_of(varied.place))
                telling.setdefault(key_of(varied.place), varied)
                found.add((key_of(varied.place), target))
                yield varied
        plain = {".".join(key.split(".")[:2]) for key in matters}
        left = [t for t in self.situations.by_target if not self._read_of_persons(t) <= plain]
        for target in self.budget.affordable(CONTROLS_ELSEWHERE, left):
            others = (*self.situations.of(target), *self.situations.beyond.get(target, ()))
            for varied in self._differences(others, set(matters), by_person=True):
                telling.setdefault(key_of(varied.place), varied)
                found.add((key_of(varied.place), target))
                yield varied
        for target in self.budget.affordable(CONTROLS_ELSEWHERE, self.situations.by_target):
            read = self._read_of_persons(target)
            for key, one in telling.items():
                if (key, target) not in found and key in read and one.place.owner is not None:
                    yield from islice(self._differences_like(one, target), 1)

    def _differences_like(self, telling: Varied, target: TargetKey) -> Iterator[Varied]:
        """Give differences of a setting in requests for *target* that have a value of the context of a telling one."""
        key, given = key_of(telling.place), telling.situation.request
        values = {
            (place.names, place.type): value_at(given, place)
            for place in self.places(telling.situation)
            if place.owner is None
        }
        for situation in self.situations.of(target, allowed=True)[:1]:
            for place in self.places(situation):
                value = values.get((place.names, place.type), ABSENT)
                if place.owner is not None or value in (ABSENT, value_at(situation.request, place)):
                    continue
                decision = self.decide(situation.request, ((place, value),))
                if decision is None or not decision.allowed:
                    continue
                made = Situation(changed(situation.request, ((place, value),)), decision)
                self.situations.beyond.setdefault(target, []).append(made)
                for setting in self.places(made):
                    varied = self._difference(made, setting) if key_of(setting) == key else None
                    if varied is not None:
                        yield varied

    def _read_of_persons(self, target: TargetKey) -> set[str]:
        """Return the attributes of persons that rules for a target read."""
        schema = self.checked.schema
        context = schema.actions[target[0]].context
        holders = {"context": context.attributes}
        holders |= {name: entity.attributes for name, entity in schema.entities.items()}
        of_persons = {
            f"{owner}.{one.name}"
            for owner, attributes in holders.items()
            for one in attributes
            if one.by == "person"
        }
        read = read_keys_of(self.checked.needs(target), schema, target)
        return of_persons & {f"{owner}.{name}" for owner, name in read}

    def differences_by_others(self) -> Iterator[Varied]:
        """Give, for each other value and target, a change of it that changes the answer."""
        for target in self.budget.affordable(FACTS, self.situations.by_target):
            yield from self._differences(self.chosen(target), set(), by_person=False)

    def _differences(
        self, situations: Iterable[Situation], found: set[str], *, by_person: bool
    ) -> Iterator[Varied]:
        """Give a difference for each setting that is not *found* yet."""
        for situation in situations:
            for place in self.places(situation):
                if (place.by == "person") is by_person and key_of(place) not in found:
                    varied = self._difference(situation, place)
                    if varied is not None:
                        found.add(key_of(place))
                        yield varied

    def _difference(self, situation: Situation, place: Place) -> Varied | None:
        """Return the situation with another value of a place that changes the answer, if one is found."""
        before = granted(situation.decision)
        for value in self.options(situation, place):
            decision = self.decide(situation.request, ((place, value),))
            if decision is not None and granted(decision) != before:
                return Varied(situation, place, value_at(situation.request, place), value, decision)
        return None

    def options(self, situation: Situation, place: Place) -> list[object]:
        """Return other values for a place: all of few, those that other situations have, and their likes."""
        now = value_at(situation.request, place)
        others: list[Any] = [*_values_of(place.type)]
        match place.type:
            case SetType(EntityRefType(name)) if name == situation.request.subject.type:
                given = frozenset() if now is ABSENT else now
                others = [given ^ {situation.request.subject.id}, frozenset()]
            case SetType(element) if isinstance(element, EnumType | LevelsType | TaxonomyType):
                # One name alone has a reason that can be read; all of them are tried where none of a few matters.
                alone = [frozenset([one]) for one in _values_of(element)]
                others = [frozenset(), *alone[:_FEW_ALONE], element.values, *alone[_FEW_ALONE:]]
        seen = self._values.get(key_of(place), {})
        absent = [ABSENT] if place.optional else []
        made = [value for value in dict.fromkeys([*others, *seen]) if value is not ABSENT]
        return [v for v in (*made[:_MOST_OPTIONS], *absent) if v != now]

    def decide(self, request: ValidRequest, changes: Changes) -> Decision | None:
        """Return the decision on *request* with *changes*; None if it lacks something then."""
        try:
            made = changed(request, changes)
            self.budget.spend()
            target = made.action, made.subject.type, made.resource.type
            leading = any(leads_on(place.type, place.needs) for place, _ in changes)
            if leading and not gives(made, self.checked.needs(target)):
                return None
            return self.program.decide(made)
        except (LookupError, AttributeError):  # a value leads to an entity that the request lacks
            return None

    # ---- names --------------------------------------------------------------------------

    def with_names(self, type_: Enumeration) -> Iterator[tuple[str, Situation, Decision]]:
        """Give, for each name and each target that reads such names, an answer with that name alone."""
        for target in self.budget.affordable(about_names(type_.name), self.situations.by_target):
            found: dict[str, tuple[Situation, Decision]] = {}
            for situation in self.situations.of(target, allowed=True)[:_MOST_SITUATIONS]:
                places = [
                    p
                    for p in self.places(situation)
                    if _element(p.type) == type_ and value_at(situation.request, p) is not ABSENT
                ]
                for name in type_.members if places else ():
                    if name in found and found[name][1].allowed:
                        continue
                    value = type_.positions[name] if isinstance(type_, LevelsType) else name
                    changes = tuple(
                        (p, frozenset([value]) if isinstance(p.type, SetType) else value)
                        for p in places
                    )
                    self.budget.spend()
                    # No name leads to an entity that the request lacks.
                    found[name] = (
                        situation,
                        self.program.decide(changed(situation.request, changes)),
                    )
            yield from ((name, *answer) for name, answer in found.items())

    # ---- several settings of a person ---------------------------------------------------

    def switches(self) -> Iterator[Switches]:
        """Give, for each target and all settings that matter, the situation of which they change most."""
        for target in self.budget.affordable(ABOUT_ME, self.situations.by_target):
            best: dict[tuple[str, frozenset[str]], Switches] = {}
            for situation in self.situations.of(target, allowed=True)[:_MOST_SWITCHED]:
                for role, places in self._of_persons(situation).items():
                    mattering = [place for place in places if self._matters(situation, place)]
                    others = [place for place in places if place not in mattering]
                    made = self._switched(situation, role, [*mattering, *others])
                    mark = role, frozenset(map(key_of, mattering))
                    if made is not None and (
                        mark not in best or _variety(made) > _variety(best[mark])
                    ):
                        best[mark] = made
            for (role, keys), made in best.items():
                if not any(role == other and keys < more for other, more in best):
                    yield made

    def _matters(self, situation: Situation, place: Place) -> bool:
        """Whether another value of one setting changes the answer."""
        before = granted(situation.decision)
        decided = (
            self.decide(situation.request, ((place, value),))
            for value in self._switch_options(situation, place)
        )
        return any(one is not None and granted(one) != before for one in decided)

    def _of_persons(self, situation: Situation) -> Mapping[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for place in self.places(situation):
            if place.by == "person" and place.owner is not None and len(place.names) == 1:
                role = place.text.removesuffix(f".{place.names[0]}")
                found.setdefault(role, []).append(place)
        return found

    def _switched(
        self, situation: Situation, role: str, places: Iterable[Place]
    ) -> Switches | None:
        options: dict[Place, tuple[object, ...]] = {}
        choices = 1
        for place in places:
            values = self._switch_options(situation, place)
            if len(values) > 1 and choices * len(values) <= _MOST_ANSWERS:
                options[place] = values
                choices *= len(values)
        decisions = []
        for values in product(*options.values()):
            decision = self.decide(situation.request, tuple(zip(options, values, strict=True)))
            if decision is None:
                return None
            decisions.append(decision)
        if not options:
            return None
        return Switches(situation, role, tuple(options), tuple(options.values()), tuple(decisions))

    def _switch_options(self, situation: Situation, place: Place) -> tuple[object, ...]:
        """Return the values between which a reader may switch, the same for each request."""
        match place.type:
            case SetType(EntityRefType(name)) if name == situation.request.subject.type:
                return frozenset(), frozenset([situation.request.subject.id])
            case SetType(element) if isinstance(element, EnumType | LevelsType | TaxonomyType):
                names = [frozenset([one]) for one in _values_of(element)[:_FEW_NAMES]]
                return frozenset(), *names
        values = tuple(_values_of(place.type)[:_FEW_NAMES])
        return (*values, ABSENT) if place.optional and values else values


def option_text(place: Place, value: object) -> str:
    """Return how an option of a setting is called, whichever request it is of."""
    match place.type:
        case _ if value is ABSENT:
            return "not given"
        case SetType(EntityRefType(name)):
            return f"the {name} that asks" if value else "none"
        case _ if place.type == BOOL:
            return "yes" if value else "no"
    return written(place.type, value) if value != frozenset() else "none"


def told_apart(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of options, of which no two are the same: a name may be `not given`."""
    found: dict[str, None] = {}
    for text in texts:
        made = text
        while made in found:
            made = f'"{made}"'
        found[made] = None
    return tuple(found)


def written(type_: Type, value: object) -> str:
    """Return the text of a value, also of one that is absent; a name that is a word of ours is in quotes."""
    if value is ABSENT:
        return "not given"
    text = shown_value(type_, value)
    return name_text(text) if isinstance(type_, EnumType | LevelsType | TaxonomyType) else text


def name_text(name: str) -> str:
    """Return a name of an enumeration as an option is called; in quotes if it is a word of ours."""
    return f'"{name}"' if name in _WORDS or name.startswith(('"', "the ")) else name


def _variety(switches: Switches) -> int:
    return len({granted(decision) for decision in switches.decisions})


def _element(type_: Type) -> Type:
    return type_.element if isinstance(type_, SetType) else type_


def _values_of(type_: Type) -> list[object]:
    """Return all values of a type that has few."""
    if type_ == BOOL:
        return [False, True]
    if isinstance(type_, LevelsType):
        return [*range(len(type_.members))]
    if isinstance(type_, EnumType | TaxonomyType):
        return [*type_.members]
    return []
