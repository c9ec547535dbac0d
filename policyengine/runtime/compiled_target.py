"""Decide requests with compiled rules.

A decision takes one call of the generated `decide`, which makes it. Equal denies share one result; an
allow has what the satisfied rules give together, which is kept for the next time. All other details are
worked out by an `Explainer` when they are read; its functions are generated then, too. If generated code
raises anything, the details decide: a forbid that failed denies, and a permit that failed opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from msgspec import Struct, field
from msgspec.structs import replace

from policyengine.concurrency import cached_property
from policyengine.model.decision import Decision
from policyengine.model.entities import Entity, Key
from policyengine.model.gaps import Search
from policyengine.model.masks import MaskedField, Shown, field_type, shows
from policyengine.model.needs import RequestNeeds
from policyengine.model.outcome import Cause, SharedResult, Written, not_written
from policyengine.model.records import Record
from policyengine.model.request import Request
from policyengine.model.types import TargetGates, TargetKey
from policyengine.model.valid_request import Apart, Entities, ValidRequest, together
from policyengine.model.values import to_datetime
from policyengine.runtime import clock
from policyengine.runtime.compiled_rule import (
    Function,
    Judges,
    OwedTogether,
    Rule,
    sorted_obligations,
)
from policyengine.runtime.visible_fields import as_asked, exposed_of, masks_in, shown_by

if TYPE_CHECKING:
    from policyengine.runtime.details import Details, Explainer
    from policyengine.runtime.directory import Rules
    from policyengine.runtime.judged_request import JudgedRequest
    from policyengine.runtime.specialization import Specializer

Rest: TypeAlias = (
    tuple[int, Mapping[Key, Entity], tuple[str, ...]]
    | tuple[int, Mapping[Key, Entity] | Apart]
    | int
    | None
)
"""What a decision keeps beside its parts, as far as it counts: now, entities, the fields asked for."""

_MOST_ANSWERS: Final = 4_096


Kept = TypeVar("Kept")


class ByRules(dict[int, Kept]):
    """What allows share, by the bits of the satisfied rules; made when first needed."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], Kept]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, given: int) -> Kept:
        made = self._make(given)
        if len(self) < _MOST_ANSWERS:
            self[given] = made
        return made


class CompiledTarget(Struct, eq=False, dict=True, weakref=True):
    """The compiled rules of one target.

    *timed*: whether time plays any part. *follows*: whether some rule follows to other entities. *lined*: whether
    one reads ancestors. *owing*: whether a forbid may owe something. *gates*: those that apply. *giving*: ids of the
    rules that `decide` reports on an allow, a bit each. *classes*: of the subject, the resource and the context.
    *module*: the generated functions by name; it is given what they ask and answer with. *load* makes the rules, and
    the functions that judge them all; *make_specializer* what specializes it for subjects, None where that is of no
    use; *source* the text of what was generated. *needs*: what the rules may read.
    """

    digest: str
    target: TargetKey
    timed: bool
    follows: bool
    lined: bool
    owing: bool
    gates: TargetGates
    giving: tuple[str, ...]
    classes: tuple[type[Entity], type[Entity], type[Record]]
    module: dict[str, Any]
    load: Callable[[], tuple[Rules, Judges | None]]
    make_specializer: Callable[[CompiledTarget], Specializer | None]
    source: Callable[[], str]
    needs: RequestNeeds = field(default_factory=RequestNeeds)

    def __post_init__(self) -> None:
        subject, resource, context = self.classes
        self.module |= {
            "Subject": subject,
            "Resource": resource,
            "Context": context,
            "type": type,
            "tuple": tuple,
            "clock": clock.now,
            "Decision": Decision,
            "forbidden": self._denied("forbidden"),
            "not_permitted": self._denied("not_permitted"),
            "permitted": self.answers[0],
            "answers": self.answers,
            "allow": self.allow,
        }

    def __repr__(self) -> str:
        return f"CompiledTarget({self.target!r})"  # the module may hold tables of any size

    # ---- deciding -----------------------------------------------------------------------

    @cached_property
    def decide(self) -> Function:
        """The generated function that decides."""
        made: Function = self.module["decide"]
        return made

    @cached_property
    def answers(self) -> ByRules[SharedResult]:
        """The results of allows that were given before."""
        return ByRules(self._permitted)

    def answer(self, request: ValidRequest) -> Decision:
        """Decide *request*."""
        try:
            decision: Decision = self.decide(*request.roots)
        except Exception:  # noqa: BLE001 - a bug of ours, and errors open nothing
            details = self.explainer.details(request)
            outcome = details.outcome()
            masks = self._with_types(outcome.masks)
            parts = outcome.allowed, outcome.cause, outcome.exposed, masks, outcome.obligations
            result = SharedResult(
                *parts,
                self.digest,
                lambda *_: details,
                make_request=lambda *_: self._asked(request),
                what_is_read=self._what_is_read,
            )
            return Decision(outcome.allowed, result)
        asked = request.fields
        if asked is None:
            return decision
        if decision.allowed and not (
            decision.exposed is None or decision.exposed.issuperset(asked)
        ):
            answer = self._answer_for(asked, decision)
            decision = replace(decision, allowed=answer.allowed, _answer=answer)
        return replace(decision, _rest=(request.now, request.entities, asked))

    def _answer_for(self, asked: tuple[str, ...], decision: Decision) -> SharedResult:
        """Return the result of an allow that does not expose all fields that were *asked* for."""
        shown: Shown = {**dict.fromkeys(decision.exposed or ()), **decision.masks}
        if not all(shows(shown, spelling) for spelling in asked):
            return self._denied("not_permitted")
        shown = as_asked(shown, asked)
        masks = self._with_types(masks_in(shown))
        return replace(decision._answer, exposed=exposed_of(shown), masks=masks)  # noqa: SLF001 - it is ours

    def allow(self, given: int, *parts: Any) -> Decision:
        """Return an allow of which something that is owed must be computed."""
        answer, owed_together = self._owing[given]
        owed = owed_together.owed(self._request(*parts).roots)
        return Decision(True, replace(answer, obligations=owed), *parts)

    @cached_property
    def _owing(self) -> ByRules[tuple[SharedResult, OwedTogether]]:
        """The results of allows of which something is to be computed, and what."""
        return ByRules(self._to_compute)

    def _to_compute(self, given: int) -> tuple[SharedResult, OwedTogether]:
        answer = self.answers[given]
        duties = (duty for rule in self._rules(given) for duty in rule.duties)
        return answer, OwedTogether.of((*(answer.obligations or ()), *duties))

    def _denied(self, cause: Cause) -> SharedResult:
        owed = None if self.owing else ()
        exposed = exposed_of(shown_by((), self.gates.fields))
        return SharedResult(False, cause, exposed, (), owed, *self._own)

    def _permitted(self, given: int) -> SharedResult:
        """Work out what the rules whose bits are set in *given* give together."""
        rules = self._rules(given)
        owed = sorted_obligations(obligation for rule in rules for obligation in rule.owed)
        shown = shown_by(rules, self.gates.fields)
        masks = self._with_types(masks_in(shown))
        return SharedResult(True, "permitted", exposed_of(shown), masks, owed, *self._own)

    def _with_types(self, masks: Iterable[tuple[str, str]]) -> tuple[MaskedField, ...]:
        entity = self.classes[1].entity_type
        fields = [(name, mask, field_type(entity, name)) for name, mask in masks]
        return tuple([MaskedField(name, mask, t) for name, mask, t in fields if t is not None])

    @property
    def _own(self) -> tuple[Any, ...]:
        """The parts that are the same in all results."""
        # What follows to other entities is written of no other: it depends on them.
        written: Written = not_written if self.follows else self.written
        made = self.make_details, written, self.make_request
        return self.digest, *made, (), self._what_is_read, self.reason, self.until

    def _what_is_read(self) -> RequestNeeds:
        return self.needs  # which are not known yet when the first results are made

    def _rules(self, given: int) -> list[Rule]:
        if not given:
            return []
        ids = [id_ for bit, id_ in enumerate(self.giving) if given >> bit & 1]
        return self.explainer.rules.at([self._numbers[id_] for id_ in ids])

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        """The numbers of the rules, by their ids."""
        return {head.id: number for number, head in enumerate(self.explainer.rules.outline.heads)}

    # ---- details ------------------------------------------------------------------------

    @cached_property
    def explainer(self) -> Explainer:
        """Works out the details of decisions."""
        # A deny whose details nobody reads does not load this.
        from policyengine.runtime.details import Explainer

        rules, judges = self.load()  # two threads may both do so; what they make is equal
        return Explainer(self.target[0], rules, self.gates, judges)

    def warm_reasons(self) -> None:
        """Generate the functions that make reasons, which the first reason would wait for."""
        if self.explainer.judges is not None:
            self.explainer.judges.grounds  # noqa: B018 - which makes them
            for rule in self.explainer.rules:
                rule.words  # noqa: B018 - which makes what it says

    @cached_property
    def specializer(self) -> Specializer | None:
        """The specializer of this target for subjects, so that less is left to decide about each."""
        return self.make_specializer(self)

    def make_details(
        self, subject: Entity, resource: Entity, context: Record, rest: Rest = None
    ) -> Details:
        """Return the details of a decision on a request of these parts."""
        return self.explainer.details(self._request(subject, resource, context, rest))

    def reason(
        self, subject: Entity, resource: Entity, context: Record, rest: Rest, *, allowed: bool, public: bool
    ) -> str | None:  # fmt: skip
        """Return the reason of a decision that `decide` made; None if its details must say it."""
        if isinstance(rest, tuple) and len(rest) > len(("now", "entities")):  # fields
            return None
        now, entities = _at(subject, resource, rest)
        return self.explainer.reason(
            subject, resource, context, now, entities, allowed=allowed, public=public
        )

    def until(
        self, subject: Entity, resource: Entity, context: Record, rest: Rest, *, allowed: bool, public: bool
    ) -> int | None:  # fmt: skip
        """Return until when a decision holds that `decide` made, as all may know it if *public*."""
        if not self.timed:  # then no rule is needed to say so
            return None
        explainer = self.explainer

        def case() -> JudgedRequest:
            return explainer.case(self._request(subject, resource, context, rest))

        roots = subject, resource, context, *_at(subject, resource, rest)
        return explainer.until(roots, case, allowed=allowed, public=public)

    def make_request(
        self, subject: Entity, resource: Entity, context: Record, rest: Rest = None
    ) -> Request:
        """Return the request of a decision, as it can be asked again."""
        return self._asked(self._request(subject, resource, context, rest))

    def _request(
        self, subject: Entity, resource: Entity, context: Record, rest: Rest = None
    ) -> ValidRequest:
        now, entities, *fields = rest if isinstance(rest, tuple) else (rest or 0, None)
        if entities is None:  # nothing is followed to other entities
            entities = {subject.key_: subject, resource.key_: resource}
        known = together(entities, subject, resource)
        asked = fields[0] if fields else None
        return ValidRequest(subject, self.target[0], resource, context, now, asked, known)

    def _asked(self, request: ValidRequest) -> Request:
        """Return *request* with the other entities that were given with it, and those that rules may read."""
        subject, resource, entities = request.subject, request.resource, request.entities

        def find(key: Key) -> Entity | None:
            return entities[key] if key in given else _looked_up(entities, key)

        given = entities if type(entities) in (dict, Entities) else {}  # no store, which has many
        read = Search(find, lambda _, path: path, find)
        read.request(subject, resource, request.context, self.needs)
        others = dict.fromkeys([*given, *(key for key, _ in read.seen)])
        found = [entities[k] for k in others if k not in {subject.key_, resource.key_}]
        moment = to_datetime(request.now) if self.timed and request.now else None
        fields = None if request.fields is None else list(request.fields)
        parts = subject, request.action, resource, request.context
        return Request(*parts, moment, fields, found or None)

    def written(
        self, answer: SharedResult, subject: Entity, resource: Entity, context: Record, rest: Rest
    ) -> bytes | None:
        """Return the answer as JSON, if it was written before for a request with the same verdicts."""
        if isinstance(rest, tuple):  # it follows to other entities, or was asked for fields
            return None
        return self.explainer.written(answer, subject, resource, context, rest or 0)


def _at(subject: Entity, resource: Entity, rest: Rest) -> tuple[int, Mapping[Key, Entity] | None]:
    """Return the moment of a decision, and the entities that are known; None where nothing is followed to others."""
    if isinstance(rest, tuple):
        return rest[0], together(rest[1], subject, resource)
    return rest or 0, None


def _looked_up(entities: Mapping[Key, Entity], key: Key) -> Entity | None:
    try:
        return entities[key]  # which may look into a store, as `get` does not
    except KeyError:
        return None


_kept: Final[WeakValueDictionary[tuple[str, TargetKey], CompiledTarget]] = WeakValueDictionary()
"""What the sets that are in force have compiled. It goes with the last of them that uses it."""


def compiled_once(
    digest: str, target: TargetKey, make: Callable[[TargetKey], CompiledTarget]
) -> CompiledTarget:
    """Return the compiled rules of *target* of the set of that digest, made by *make* if need be."""
    found = _kept.get((digest, target))
    if found is None:  # two threads may meet here, and two sets then have their own
        found = _kept[digest, target] = make(target)
    return found
