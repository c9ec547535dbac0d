"""Make the report on a policy set: describe its parts, and decide requests that show what is said of them.

Whatever a page says of a decision was decided while it was made: `situations.py` finds requests,
`variations.py` changes values of them. What was not reached before the questions were used up is named in the
report: the controls of persons come first, then what else changes answers.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from textwrap import dedent
from typing import Any

from attrs import define, evolve, field

from policyengine.analysis.places import read_keys_of, value_at
from policyengine.concurrency import cached_property
from policyengine.diagnostics.render import readable
from policyengine.model.decision import Decision
from policyengine.model.masks import detail, field_and_mask
from policyengine.model.shown import shown_entity
from policyengine.model.types import (
    Attribute as DeclaredAttribute,
)
from policyengine.model.types import (
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
from policyengine.model.values import ABSENT, moment_text, slot, to_json
from policyengine.reporting.answer_tables import TablePart, answer_tables
from policyengine.reporting.changes import Earlier, earlier_answer, rule_changes
from policyengine.reporting.report_budget import (
    COMPARED,
    CONTROLS,
    CONTROLS_ELSEWHERE,
    FACTS,
    QUESTIONS,
    ReportBudget,
    about_names,
)
from policyengine.reporting.report_data import (
    Action,
    AnswerChange,
    Attribute,
    Changes,
    Difference,
    EntityPage,
    Example,
    Gate,
    LeftOut,
    NameAnswers,
    NamesPage,
    NameUse,
    Obligation,
    Part,
    Report,
    Row,
    RowOutcome,
    Rule,
    Setting,
    ShownField,
    Table,
)
from policyengine.reporting.situations import Situation, Situations, find_situations
from policyengine.reporting.variations import (
    Variations,
    Varied,
    granted,
    key_of,
    option_text,
    shown_fields,
    told_apart,
    written,
)
from policyengine.runtime.program import Program
from policyengine.semantics.checked import CheckedRule, CheckedSet, Waiver
from policyengine.syntax import nodes

_MOST_SHOWN_IN_AN_ACTION = 4
_HIDDEN = "…"
_IN_PARENTHESES = re.compile(r'("(?:[^"\\]|\\.)*")|(?<=\() | (?=\))')
"""A text, or a space that only the end of a line has put within parentheses."""


def make_report(
    checked: CheckedSet,
    program: Program,
    *,
    title: str,
    now: int,
    budget: int = QUESTIONS,
    internal: bool = False,
    earlier: Earlier | None = None,
) -> Report:
    """Return the report on a set, with *now* (microseconds) as the time of tests that give none.

    *budget*: the number of questions after which no further one is asked. *internal*: whether values of
    private attributes are shown, and who has waivers. *earlier*: what the set is compared with.
    """
    spent, now = ReportBudget(budget), now - now % 1_000_000
    situations = find_situations(checked, program, spent, now, internal=internal)
    variations = Variations(checked, program, situations, spent, internal)
    return _Maker(checked, situations, variations, internal).report(title, now, spent, earlier)


@define(eq=False, slots=False)
class _Maker:
    checked: CheckedSet
    situations: Situations
    variations: Variations
    internal: bool
    _examples: list[Example] = field(init=False, factory=list)
    _numbers: dict[int, int] = field(init=False, factory=dict)
    _factors: dict[tuple[str, tuple[str, ...]], int] = field(init=False, factory=dict)
    _parts: dict[Part, int] = field(init=False, factory=dict)
    _read_by: dict[str, list[str]] = field(init=False, factory=dict)

    def report(self, title: str, now: int, budget: ReportBudget, earlier: Earlier | None) -> Report:
        self._read_by = self._readers()
        changes = None if earlier is None else self._changes(earlier, now, budget)
        by_persons = list(self.variations.differences_by_persons())
        rows = tuple(self._rows())
        tables = tuple(self._tables())
        settings = self._settings([*by_persons, *self.variations.differences_by_others()])
        names = tuple(self._names())
        with_page = {setting.key for setting in settings}
        actions = tuple(self._action(name, with_page) for name in sorted(self._action_targets()))
        rules = tuple(map(self._rule, self.checked.rules))
        return Report(
            title=title,
            policy=self.checked.digest,
            made_at=moment_text(now),
            internal=self.internal,
            questions=budget.most,
            lacking=tuple(LeftOut(what, tuple(of)) for what, of in budget.lacking.items()),
            actions=actions,
            gates=tuple(self._gates()),
            rules=rules,
            entities=tuple(self._entities(with_page)),
            settings=settings,
            names=names,
            obligations=tuple(self._obligations()),
            rows=rows,
            factors=tuple(self._factors),
            parts=tuple(self._parts),
            tables=tables,
            examples=tuple(self._examples),
            changes=changes,
        )

    def _changes(self, earlier: Earlier, now: int, budget: ReportBudget) -> Changes:
        """Return what differs from *earlier*: rules, and the answers to the requests of the report."""
        answers, unfit, open_ = [], 0, evolve(self, internal=True)
        for situation in self.situations.all():
            if budget.is_spent:
                budget.leave_out(COMPARED, [situation.request.action])
                continue
            request, decision = situation.request, situation.decision
            if earlier.since is not None and request.now < earlier.since:
                continue
            budget.spend()
            before = earlier_answer(earlier, request, open_._document(request))  # noqa: SLF001 - the same, without what is left out
            if before is None:
                unfit += 1
            elif before[0] != granted(decision):
                answers.append(AnswerChange(self._example(situation), before[0][0], before[1]))
        rules = tuple(rule_changes(earlier, self.checked, now))
        return Changes(earlier.title, rules, tuple(answers), unfit)

    def _action_targets(self) -> Mapping[str, list[TargetKey]]:
        found: dict[str, list[TargetKey]] = defaultdict(list)
        for action in self.checked.schema.actions.values():
            if action.targets:
                found[action.name] = action.targets
        return found

    def _readers(self) -> dict[str, list[str]]:
        """Return the actions whose rules read each attribute, by `User.protected`."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for target in sorted(self.checked.by_target):
            for owner, name in read_keys_of(
                self.checked.needs(target), self.checked.schema, target
            ):
                found[f"{owner}.{name}"][target[0]] = None
        return {key: list(actions) for key, actions in found.items()}

    # ---- examples -----------------------------------------------------------------------

    def _example(self, situation: Situation) -> int:
        """Return the number of the example for a situation."""
        mark = id(situation)
        if mark not in self._numbers:
            number = self._numbers[mark] = len(self._examples)
            request, decision = situation.request, situation.decision
            facts = tuple(self._facts(situation))
            self._examples.append(
                Example(
                    number=number,
                    action=request.action,
                    types=self._types(request),
                    test=situation.test,
                    moment=moment_text(request.now),
                    request=self._document(request),
                    whole=not any(value == _HIDDEN for _, value in facts),
                    facts=facts,
                    allowed=decision.allowed,
                    cause=decision.cause,
                    reason=decision.reason,
                    rules=decision.listed()[0],
                    shown=shown_fields(decision) if decision.allowed else (),
                    owed=tuple(map(str, decision.obligations)),
                )
            )
        return self._numbers[mark]

    def _types(self, request: ValidRequest) -> str:
        several = len(self.checked.schema.actions[request.action].targets) > 1
        return f"by {request.subject.type} on {request.resource.type}" if several else ""

    def _facts(self, situation: Situation) -> Iterator[tuple[str, str]]:
        request = situation.request
        yield "subject", shown_entity(*request.subject.key_)
        yield "resource", shown_entity(*request.resource.key_)
        for place in self.variations.all_places(situation):
            if place.kind == "attribute":
                hidden = not self.internal and (place.private or holds_private(place.type))
                text = _HIDDEN if hidden else written(place.type, value_at(request, place))
                yield place.text, text
            elif place.kind == "parents" and place.owner is not None:
                keys = sorted(value_at(request, place) or ())
                yield place.text, ", ".join(shown_entity(*key) for key in keys) or "nothing"

    def _document(self, request: ValidRequest) -> dict[str, Any]:
        """Return a request as `policyengine decide` takes it, without what is private."""
        parties = {request.subject.key_, request.resource.key_}
        keys = sorted(request.entities.keys() - parties)  # sets have no order
        document = {
            "subject": self._entity_json(request.subject),
            "action": {"name": request.action},
            "resource": self._entity_json(request.resource),
            "context": self._record_json(
                self.checked.schema.actions[request.action].context.attributes, request.context
            ),
            "now": moment_text(request.now),
            "entities": [self._entity_json(request.entities[key]) for key in keys],
        }
        if request.fields is not None:
            document["fields"] = list(request.fields)
        return document

    def _entity_json(self, entity: Any) -> dict[str, Any]:
        properties = self._record_json(entity.entity_type.attributes, entity)
        document = {"type": entity.type, "id": entity.id, "properties": properties}
        if entity.parents_ is not None:
            document["parents"] = [
                {"type": type_, "id": id_} for type_, id_ in sorted(entity.parents_)
            ]
        return document

    def _record_json(
        self, attributes: Iterable[DeclaredAttribute], owner: object
    ) -> dict[str, Any]:
        return {
            one.name: to_json(one.type, value)
            for one in attributes
            if (value := getattr(owner, slot(one.name))) is not ABSENT
            and (self.internal or not (one.private or holds_private(one.type)))
        }

    # ---- rules, gates, actions ----------------------------------------------------------

    def _rule(self, rule: CheckedRule) -> Rule:
        source = self.checked.sources[rule.node.span.file]
        applies, fails = self._shown_by(rule)
        resources: dict[str, None] = {}
        for fields in (rule.fields or {}).values():
            resources.update(dict.fromkeys(sorted(fields)))
        return Rule(
            id=rule.id,
            gate=rule.gate,
            effect=rule.effect,
            advisory=rule.advisory,
            text=_dedented(source.at(rule.node.span), source.position(rule.node.span.start)[1]),
            place=f"{readable(source.name)}:{source.position(rule.node.span.start)[0]}",
            says=self._template(rule.because),
            otherwise=self._template(rule.otherwise),
            cites=rule.cites,
            against=rule.against,
            refer=self._template(rule.refer),
            since="" if rule.valid_from is None else moment_text(rule.valid_from),
            until="" if rule.valid_until is None else moment_text(rule.valid_until),
            actions=tuple(dict.fromkeys(target[0] for target in sorted(rule.typings))),
            fields=tuple(resources),
            owes=tuple(_closed_up(source.on_one_line(call.span)) for call in rule.obligations),
            tests=tuple(self.situations.tests.get(rule.id, ())),
            waivers=tuple(
                self._waiver(waiver) for waiver in self.checked.waivers if waiver.rule == rule.id
            ),
            applies_in=applies,
            fails_in=fails,
        )

    def _template(self, template: nodes.Template | None) -> str:
        if template is None:
            return ""
        text = self.checked.sources[template.span.file].on_one_line(template.span)
        return text.removeprefix('"').removesuffix('"')

    def _waiver(self, waiver: Waiver) -> tuple[str, str]:
        until = moment_text(waiver.until)
        if not self.internal:
            return until, ""
        parties = (
            f"{word} {'within ' * party.within}{shown_entity(party.type, party.id)}"
            for word, party in (("for", waiver.subject), ("on", waiver.resource))
            if party is not None
        )
        by = f"ticket {waiver.ticket}, approved by {waiver.approved_by}"
        return until, f"{' '.join(parties)}, {by}, by the waiver {waiver.name}"

    @cached_property
    def _showing(self) -> tuple[Mapping[str, Situation], Mapping[str, Situation]]:
        """The situations in which each rule gives or forbids, and in which its failing denies, by the rule's id."""
        applies: dict[str, Situation] = {}
        fails: dict[str, Situation] = {}
        for situation in self.situations.all():
            found = fails if situation.decision.cause == "not_permitted" else applies
            for id_ in situation.decision.rules:
                found.setdefault(id_, situation)
            for advisory in situation.decision.advisories:
                if advisory.outcome == "satisfied":
                    applies.setdefault(advisory.rule, situation)
        return applies, fails

    def _shown_by(self, rule: CheckedRule) -> tuple[int | None, int | None]:
        """Return the examples in which a rule gives or forbids, and in which its failing denies."""
        shown = [found.get(rule.id) for found in self._showing]
        applies, fails = (None if one is None else self._example(one) for one in shown)
        return applies, fails

    def _gates(self) -> Iterator[Gate]:
        for gate in self.checked.schema.gates.values():
            targets = [t for t in sorted(self.checked.by_target) if gate.applies_to(t)]
            rules = sorted(
                (rule for rule in self.checked.rules if rule.gate == gate.name),
                key=lambda rule: (rule.node.span.file, rule.node.span.start),
            )
            yield Gate(
                gate.name,
                gate.question,
                gate.is_field,
                tuple(dict.fromkeys(target[0] for target in targets)),
                tuple(rule.id for rule in rules),
            )

    def _action(self, name: str, with_page: set[str]) -> Action:
        schema, action = self.checked.schema, self.checked.schema.actions[name]
        constants = action.constant_types.by_name
        rules: dict[str, None] = {}
        examples: dict[int, None] = {}
        gates: dict[str, None] = {}
        for target in action.targets:
            rules.update(dict.fromkeys(rule.id for rule in self.checked.rules_for(target)))
            gates.update(dict.fromkeys(schema.gates_of(target).names))
            situations = self.situations.of(target)
            chosen = [s for s in situations if s.decision.allowed][:_MOST_SHOWN_IN_AN_ACTION]
            chosen += [s for s in situations if not s.decision.allowed][:_MOST_SHOWN_IN_AN_ACTION]
            examples.update(dict.fromkeys(map(self._example, chosen)))
        return Action(
            name=name,
            subjects=action.subjects,
            resources=action.resources,
            groups=tuple(sorted(action.groups)),
            constants=tuple(
                (key, written(constants[key].type, value))
                for key, value in sorted(action.constants.items())
            ),
            context=tuple(
                evolve(part, read_by=tuple({name} & {*part.read_by}), shown_by=())
                for one in action.context.attributes
                for part in [self._attribute("context", one, with_page)]
            ),
            gates=tuple(gates),
            rules=tuple(rules),
            fields=tuple(self._shown_fields(action.targets)),
            examples=tuple(examples),
        )

    def _shown_fields(self, targets: Iterable[TargetKey]) -> Iterator[ShownField]:
        for target in targets:
            rules: dict[str, list[str]] = defaultdict(list)
            for rule in self.checked.rules_for(target):
                for spelling in (rule.fields or {}).get(target[2], ()):
                    rules[spelling].append(rule.id)
            for spelling, ids in sorted(rules.items()):
                shown = [
                    s
                    for s in self.situations.of(target, allowed=True)
                    if spelling in (shown_fields(s.decision) or ())
                ]
                example = self._example(shown[0]) if shown else None
                yield ShownField(spelling, target[2], tuple(ids), example)

    # ---- entities, settings, names ------------------------------------------------------

    def _attribute(self, owner: str, one: DeclaredAttribute, with_page: set[str]) -> Attribute:
        key = f"{owner}.{one.name}"
        shown = [
            rule.id
            for rule in self.checked.rules
            if any(field_and_mask(s)[0] == one.name for s in (rule.fields or {}).get(owner, ()))
        ]
        return Attribute(
            one.name, str(one.type), one.optional, one.private, one.by,
            key if key in with_page else "", tuple(self._read_by.get(key, ())), tuple(shown),
        )  # fmt: skip

    def _entities(self, with_page: set[str]) -> Iterator[EntityPage]:
        for entity in self.checked.schema.entities.values():
            attributes = (self._attribute(entity.name, one, with_page) for one in entity.attributes)
            yield EntityPage(entity.name, entity.parents, tuple(attributes))

    def _settings(self, differences: Iterable[Varied]) -> tuple[Setting, ...]:
        found: dict[str, tuple[Varied, list[Difference]]] = {}
        for varied in differences:
            _, of_key = found.setdefault(key_of(varied.place), (varied, []))
            of_key.append(self._difference(varied))
        settings = [
            self._setting(key, str(varied.place.type), varied.place.by, of_key)
            for key, (varied, of_key) in found.items()
        ]
        # A control that changes nothing is listed as well: that is what is said of it.
        settings += [
            self._setting(f"{entity.name}.{one.name}", str(one.type), "person", ())
            for entity in self.checked.schema.entities.values()
            for one in entity.attributes
            if one.by == "person" and f"{entity.name}.{one.name}" not in found
        ]
        return tuple(sorted(settings, key=lambda setting: setting.key))

    def _setting(self, key: str, type_: str, by: str, found: Collection[Difference]) -> Setting:
        owner, _, name = key.partition(".")
        read_by = tuple(self._read_by.get(".".join(key.split(".")[:2]), ()))
        left = set(self._left_out(CONTROLS if by == "person" else FACTS))
        left.update(self._left_out(CONTROLS_ELSEWHERE) if by == "person" and not found else ())
        left.difference_update(one.action for one in found)
        untried = tuple(action for action in read_by if action in left)
        return Setting(key, owner, name, type_, by, read_by, untried, tuple(found))

    def _left_out(self, what: str) -> Collection[str]:
        """Return the actions for which something was left out."""
        return self.variations.budget.lacking.get(what, {})

    def _difference(self, varied: Varied) -> Difference:
        type_, old, new = varied.place.type, varied.situation.decision, varied.decision
        before, after = (set(shown_fields(one) or ()) for one in (old, new))
        both = old.allowed and new.allowed
        return Difference(
            action=varied.situation.request.action,
            example=self._example(varied.situation),
            before=written(type_, varied.before),
            after=written(type_, varied.after),
            allowed=new.allowed,
            reason=new.reason,
            rules=_telling(new),
            no_longer_shown=tuple(sorted(before - after)) if both else (),
            newly_shown=tuple(sorted(after - before)) if both else (),
            owed_differs=both and old.obligations != new.obligations,
        )

    def _names(self) -> Iterator[NamesPage]:
        places: dict[Enumeration, dict[str, None]] = {}
        for situation in self.situations.all():
            for place in self.variations.places(situation):
                type_ = place.type.element if isinstance(place.type, SetType) else place.type
                if isinstance(type_, EnumType | LevelsType | TaxonomyType):
                    places.setdefault(type_, {})[key_of(place)] = None
        for type_ in sorted(places, key=lambda one: one.name):
            answers: dict[str, dict[tuple[str, ...], tuple[str, list[tuple[str, int]]]]] = {}
            for name, situation, decision in self.variations.with_names(type_):
                one = situation.request.action, self._example(situation)
                of_name, rules = answers.setdefault(name, {}), _telling(decision)
                if rules not in of_name:
                    of_name[rules] = "" if decision.allowed else decision.reason, []
                of_name[rules][1].append(one)
            above = dict(type_.parents) if isinstance(type_, TaxonomyType) else {}
            uses = (
                NameUse(n, above.get(n) or "", tuple(_answers(answers.get(n, {}))))
                for n in type_.members
            )
            untried = tuple(self._left_out(about_names(type_.name)))
            yield NamesPage(
                type_.name, _kind(type_), tuple(sorted(places[type_])), untried, tuple(uses)
            )

    def _obligations(self) -> Iterator[Obligation]:
        for duty in self.checked.schema.obligations.values():
            owing = [
                rule
                for rule in self.checked.rules
                if any(call.name.name == duty.name for call in rule.obligations)
            ]
            example = next(
                (
                    self._example(situation)
                    for situation in self.situations.all()
                    if any(owed.name == duty.name for owed in situation.decision.obligations)
                ),
                None,
            )
            actions = dict.fromkeys(t[0] for rule in owing for t in sorted(rule.typings))
            yield Obligation(
                duty.name,
                tuple((one.name, str(one.type)) for one in duty.parameters),
                tuple(rule.id for rule in owing),
                tuple(actions),
                example,
            )

    def _rows(self) -> Iterator[Row]:
        for one in self.variations.switches():
            outcomes: dict[RowOutcome, int] = {}
            answers = []
            for decision in one.decisions:
                shown = shown_fields(decision) if decision.allowed else ()
                outcome = RowOutcome(decision.allowed, shown, decision.reason)
                answers.append(outcomes.setdefault(outcome, len(outcomes)))
            settings = tuple(
                (key_of(place), told_apart(option_text(place, value) for value in options))
                for place, options in zip(one.places, one.options, strict=True)
            )
            request = one.situation.request
            number = self._example(one.situation)
            yield Row(request.action, number, one.role, settings, tuple(answers), tuple(outcomes))

    def _tables(self) -> Iterator[Table]:
        for one in answer_tables(self.variations):
            target = one.situation.target
            gates = self.checked.schema.gates_of(target)
            yield Table(
                target[0],
                self._example(one.situation),
                gates.names,
                tuple(sorted(gates.fields or ())),
                tuple(self._part(part, target[2]) for part in one.parts),
                one.left_out,
            )

    def _part(self, part: TablePart, resource: str) -> int:
        fields = map(field_and_mask, sorted((part.rule.fields or {}).get(resource, ())))
        factors = (
            (factor.key, told_apart(text for text, _ in factor.options)) for factor in part.factors
        )
        made = Part(
            part.rule.id,
            part.rule.gate,
            part.rule.effect,
            tuple(self._factors.setdefault(one, len(self._factors)) for one in factors),
            "".join("01"[counts] for counts in part.counts),
            tuple((name, mask or "", detail(mask)) for name, mask in fields),
        )
        return self._parts.setdefault(made, len(self._parts))


def _answers(
    by_rules: Mapping[tuple[str, ...], tuple[str, list[tuple[str, int]]]],
) -> Iterator[NameAnswers]:
    """Give the answers with a name, by the rules that deny."""
    for rules, (reason, actions) in sorted(
        by_rules.items(), key=lambda one: (one[1][0] != "", -len(one[1][1]))
    ):
        yield NameAnswers(not reason, rules, reason, tuple(actions))


def _telling(decision: Decision) -> tuple[str, ...]:
    """Return the rules that are named for a decision: none for an allow, of many some."""
    return () if decision.allowed else decision.listed()[0]


def _kind(type_: Type) -> str:
    return {LevelsType: "levels", TaxonomyType: "taxonomy"}.get(type(type_), "enum")


def _closed_up(text: str) -> str:
    """Return a call that was written on several lines without the spaces within its parentheses."""
    return _IN_PARENTHESES.sub(lambda found: found[1] or "", text)


def _dedented(text: str, column: int) -> str:
    """Return the text of a rule that begins in a *column* (from 1), as if it began a line."""
    return dedent(" " * (column - 1) + text)
