"""Check rules and invariants: targets, clauses, and conditions in every typing of theirs.

A rule is checked once for each *different* set of types that its roots may have; the targets it
covers share the resulting typings. A problem that only some of them have is reported for an
action that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from attrs import define, field

from policyengine.diagnostics.diagnostic import Diagnostic, Severity
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.masks import ID
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import (
    DATETIME,
    EntityRefType,
    EntityType,
    GateType,
    TargetKey,
    Type,
)
from policyengine.semantics import field_messages, messages, target_messages
from policyengine.semantics.checked import (
    CheckedRule,
    Conjunct,
    Invariant,
    Typing,
)
from policyengine.semantics.clauses import WORDS, Clauses, conjuncts_of, report_repeated
from policyengine.semantics.cost import NO_COST, Cost, most_of, together
from policyengine.semantics.definitions import Definitions
from policyengine.semantics.demand import private_reads
from policyengine.semantics.guards import NO_GUARDS, Guards, present_if
from policyengine.semantics.likeness import Likeness, Sound, form_of
from policyengine.semantics.names import OBLIGATION, Scope
from policyengine.semantics.sentences import Sentences
from policyengine.semantics.shown_fields import check_shown
from policyengine.semantics.targets import TargetFinder
from policyengine.semantics.typing import ExpressionChecker
from policyengine.semantics.vocabulary import DEFAULT_GATE, Vocabulary
from policyengine.syntax import nodes
from policyengine.syntax.expressions import interpolated, walk_expressions

_ROOTS = ("subject", "resource", "context", "action")

Check: TypeAlias = Callable[[ExpressionChecker], None]


@define
class RuleChecker:
    """Checks rules and invariants: everything that has a target."""

    vocabulary: Vocabulary
    definitions: Definitions
    sources: Mapping[str, Source]
    problems: list[Diagnostic]
    rules: dict[str, CheckedRule] = field(factory=dict)
    written: dict[str, nodes.Rule] = field(factory=dict)
    """Every rule by id, also those with errors."""
    homeless: set[str] = field(factory=set)
    """The names of rules in blocks whose gate is reported: they have no id, and who names one makes no mistake."""
    likeness: Likeness = field(factory=Likeness)
    costs: dict[str, Cost] = field(factory=dict)
    """What each rule takes, with its texts and obligations."""
    covered: int = 0
    """How much has been checked, as `Limits.coverage` counts it."""

    def targets(
        self, target: nodes.Target, scope: Scope, gate: GateType | None = None
    ) -> list[TargetKey]:
        """Return the targets that *target* covers, of a rule in *gate* or of an invariant."""
        return TargetFinder(self.vocabulary, scope, self.problems, gate).covered(target)

    # ---- typings ------------------------------------------------------------------------

    def typings(
        self, name: nodes.Ident, targets: Sequence[TargetKey], scope: Scope,
        exprs: Sequence[nodes.Expr], check: Check, *, prevents: bool = True,
    ) -> dict[TargetKey, Typing] | None:  # fmt: skip
        """Run *check* of *exprs* once for each different environment.

        *prevents*: whether something would not be prevented any more if less were covered.

        None after reporting problems, for example that this is more than a set may have.
        """
        mentioned, size = _measured(exprs)
        users: dict[tuple[Type | None, ...], TargetKey] = {}
        of_target: dict[TargetKey, tuple[Type | None, ...]] = {}
        for target in targets:
            roots = self._roots(target)
            key = tuple(roots[root] if root in mentioned else None for root in _ROOTS)
            of_target[target] = key
            users.setdefault(key, target)
        if self._covers_too_much(name, len(targets) + size * len(users)):
            return None
        made: dict[tuple[Type | None, ...], ExpressionChecker] = {}
        for key, target in users.items():
            variables = {**self._roots(target), "now": DATETIME}
            made[key] = ExpressionChecker(self.vocabulary, scope, self.definitions, variables)
            check(made[key])
        if self._report(made, users, prevents=prevents) or not all(
            checker.sound for checker in made.values()
        ):
            return None
        typings = {key: Typing(c.types, c.bindings) for key, c in made.items()}
        return {target: typings[key] for target, key in of_target.items()}

    def _covers_too_much(self, name: nodes.Ident, size: int) -> bool:
        """Whether what is to be checked is over its bound; report where it comes to be."""
        before, most = self.covered, self.definitions.limits.coverage
        self.covered += size
        if before <= most < self.covered:
            self.problems.append(target_messages.covers_too_much(name, self.covered, most))
        return self.covered > most

    def _roots(self, target: TargetKey) -> dict[str, Type]:
        action = self.vocabulary.actions[target[0]]
        return {
            "subject": EntityRefType(target[1]),
            "resource": EntityRefType(target[2]),
            "context": action.context,
            "action": action.constant_types,
        }

    def _report(
        self,
        made: Mapping[tuple[Type | None, ...], ExpressionChecker],
        users: Mapping[tuple[Type | None, ...], TargetKey],
        *,
        prevents: bool,
    ) -> bool:
        """Report problems of all environments as they are, the rest for the first that has them."""
        by_place = [{(p.code, p.span): p for p in c.problems} for c in made.values()]
        common = set(by_place[0]).intersection(*by_place) if by_place else set()
        seen: set[object] = set()
        for key, problems in zip(made, by_place, strict=True):
            for place, problem in problems.items():
                if place in seen:
                    continue
                seen.add(place)
                common_to_all = place in common
                if common_to_all:
                    self.problems.append(problem)
                    continue
                wrong = [users[k] for k, p in zip(made, by_place, strict=True) if place in p]
                narrower = _narrower(wrong, [t for t in users.values() if t not in wrong])
                found = messages.ill_typed_for(problem, users[key][0], narrower, prevents=prevents)
                self.problems.append(found)
        return any(by_place)

    # ---- rules --------------------------------------------------------------------------

    def add_rule(self, rule: nodes.Rule, gate: str, scope: Scope) -> None:
        """Check *rule* of *gate* and enter it if it is sound."""
        rule_id = f"{gate}.{rule.name.name}"
        if rule_id in self.written:
            self.problems.append(messages.given_twice(rule.name, self.written[rule_id].name))
            return
        self.written[rule_id] = rule
        covered = self.covered
        if self._covers_too_much(rule.name, 0):
            return
        form, exprs = form_of(rule)
        form = gate, scope.package, *scope.visible, *form
        sound = self.likeness.find(form, exprs)
        if sound is not None:
            if not self._covers_too_much(rule.name, sound.covered):
                alike = sound.typings_of(exprs)
                self._enter(rule, gate, alike, sound.fields, sound.needs, sound.cost, sound)
            return
        before = len(self.problems)
        self._check_clauses(rule, gate)
        targets = self.targets(rule.target, scope, self.vocabulary.gates[gate])
        conjuncts = tuple(conjuncts_of(rule.clauses))
        parts = Clauses(rule)
        obligations = self._known_obligations(parts.obligations, scope)
        conditions = [c.expr for c in conjuncts]
        texts = [t for t in (parts.because, parts.otherwise, parts.refer) if t]
        shown = [e for t in texts for e in interpolated(t)]
        owed = [argument for call in obligations for argument in call.arguments]
        everything = [*conditions, *shown, *owed]
        fields = self._fields(parts.fields, targets)
        read: dict[int, RequestNeeds] = {}  # by the identity of the bindings
        costs: list[Cost] = []

        def check(checker: ExpressionChecker) -> None:
            guards = _check_conjuncts(checker, conjuncts)
            if parts.waivable:
                guards = NO_GUARDS  # a waiver replaces the conditions
            self._check_texts(checker, parts, guards, refers=rule.effect == "forbid")
            for call in obligations:
                self._check_obligation(checker, call, guards)
            read[id(checker.bindings)] = checker.needs_of(everything)
            costs.append(self._cost(checker, [*conditions, *owed], shown))

        typings = self.typings(
            rule.name, targets, scope, everything, check, prevents=rule.effect == "forbid"
        )
        if typings is None or any(p.severity is Severity.ERROR for p in self.problems[before:]):
            return
        cost = most_of(costs)
        problem = self.definitions.over_bound(cost, rule.name.span)
        if problem:
            self.problems.append(problem)
            return
        by_target = {target: read[id(typing.bindings)] for target, typing in typings.items()}
        if len(self.problems) == before:
            covered = self.covered - covered
            sound = self.likeness.note(form, exprs, typings, fields, by_target, cost, covered)
        self._enter(rule, gate, typings, fields, by_target, cost, sound)

    def begin_again(self, sources: Mapping[str, Source], limits: Limits) -> None:
        """Forget all rules, to check those of a set with the same declarations."""
        self.problems.clear()  # the vocabulary and the definitions report there, too
        self.rules, self.written, self.costs, self.covered = {}, {}, {}, 0
        self.homeless = set()
        self.sources = sources
        self.definitions.limits = limits

    def take_over(
        self, rules: Mapping[str, CheckedRule], costs: Mapping[str, Cost], covered: int
    ) -> None:
        """Enter rules that were found without a finding, and what is counted of them."""
        self.rules.update(rules)
        self.written.update((id_, rule.node) for id_, rule in rules.items())
        self.costs.update(costs)
        self.covered += covered

    def _enter(
        self,
        rule: nodes.Rule,
        gate: str,
        typings: Mapping[TargetKey, Typing],
        fields: Mapping[str, frozenset[str]] | None,
        needs: Mapping[TargetKey, RequestNeeds],
        cost: Cost,
        like: Sound | None,
    ) -> None:
        """Enter a rule that is sound."""
        conjuncts, parts = tuple(conjuncts_of(rule.clauses)), Clauses(rule)
        distinct = tuple({id(typing): typing for typing in typings.values()}.values())
        speaks = rule.effect == "permit" and parts.otherwise is None
        rule_id = f"{gate}.{rule.name.name}"
        self.costs[rule_id] = cost
        self.rules[rule_id] = CheckedRule(
            id=rule_id,
            gate=gate,
            name=rule.name.name,
            effect=rule.effect,
            advisory=rule.advisory,
            waivable=parts.waivable,
            valid_from=parts.valid_from,
            valid_until=parts.valid_until,
            conjuncts=conjuncts,
            because=parts.because,
            otherwise=parts.otherwise,
            refer=parts.refer,
            cites=parts.cites,
            against=parts.against,
            fields=fields,
            obligations=tuple(parts.obligations),
            sentences=Sentences(conjuncts, distinct, self.vocabulary.schema) if speaks else (),
            node=rule,
            typings=typings,
            needs=needs,
            like=like,
        )

    def _check_clauses(self, rule: nodes.Rule, gate: str) -> None:
        is_field = gate in self.vocabulary.gates and self.vocabulary.gates[gate].is_field
        report_repeated(rule.clauses, self.problems)
        if rule.effect == "expose" and not is_field:
            help = f'declare it as `field gate {gate} "…"`'
            where = f"in `{gate}`, which is no field gate"
            self.problems.append(messages.clause_misplaced(rule.name.span, "expose", where, help))
        for clause in rule.clauses:
            word = WORDS.get(type(clause), "")
            match clause:
                case nodes.Fields() if not is_field and rule.effect == "expose":
                    continue  # which has been reported
                case nodes.Fields() if not is_field:
                    where = f"in `{gate}`, which is no field gate"
                case nodes.Fields() if rule.effect == "forbid":
                    where = "on a forbid, which gives nothing"
                case nodes.Otherwise() if rule.effect == "forbid":
                    where = "on a forbid"
                case nodes.Waivable() if rule.effect != "permit":
                    where = f"on {'an expose' if rule.effect == 'expose' else 'a forbid'}"
                case _:
                    continue
            help = ""
            if isinstance(clause, nodes.Otherwise) and rule.effect == "forbid":
                help = "a forbid says `because`"
            elif isinstance(clause, nodes.Fields) and not is_field:
                fields = [g.name for g in self.vocabulary.gates.values() if g.is_field]
                help = 'declare a gate for them: `field gate view "which fields may be seen"`'
                if gate != DEFAULT_GATE:
                    help = f'declare it as `field gate {gate} "…"`, or another gate for them'
                if fields:
                    help = f"a rule of {messages.listed(f'gate {name}' for name in fields)} gives fields"
            elif isinstance(clause, nodes.Waivable | nodes.Fields):
                help = "leave it out"
            self.problems.append(messages.clause_misplaced(clause.span, word, where, help))

    def _fields(
        self, clause: nodes.Fields | None, targets: Sequence[TargetKey]
    ) -> dict[str, frozenset[str]] | None:
        """Return how each resource type shows fields, as they are spelled; report what is wrong with them."""
        if clause is None:
            return None
        resources = self._resources(targets)
        if clause.fields is None:
            return {
                resource.name: frozenset(a.name for a in resource.attributes if not a.private)
                | {ID}
                for resource in resources
            }
        check_shown(clause.fields, resources, self.problems)
        spelled = frozenset(shown.spelling for shown in clause.fields)
        return {resource.name: spelled for resource in resources}

    def _resources(self, targets: Sequence[TargetKey]) -> list[EntityType]:
        """Return the types of the resources of *targets*, each once."""
        names = dict.fromkeys(target[2] for target in targets)
        return [self.vocabulary.entities[name] for name in names]

    def _known_obligations(
        self, calls: Iterable[nodes.Call], scope: Scope
    ) -> tuple[nodes.Call, ...]:
        known = []
        for call in calls:
            symbol = scope.find(OBLIGATION, call.name, "obligation", self.problems)
            if symbol is None:
                continue
            wanted = self.vocabulary.obligations[symbol.name.name].parameters
            if len(wanted) != len(call.arguments):
                self.problems.append(messages.argument_count(call, [p.name for p in wanted]))
                continue
            known.append(call)
        return tuple(known)

    def _check_obligation(
        self, checker: ExpressionChecker, call: nodes.Call, guards: Guards
    ) -> None:
        parameters = self.vocabulary.obligations[call.name.name].parameters
        for argument, parameter in zip(call.arguments, parameters, strict=True):
            checker.expect(argument, parameter.type, guards)
        self._check_private(checker, call.arguments, "an obligation")

    def _check_texts(
        self, checker: ExpressionChecker, parts: Clauses, guards: Guards, *, refers: bool
    ) -> None:
        """Check the texts; *refers*: whether the rule refers when it is satisfied, as a forbid does."""
        satisfied = not parts.waivable
        self._check_text(checker, parts.because, guards, "a reason", satisfied=satisfied)
        self._check_text(checker, parts.otherwise, NO_GUARDS, "a reason", satisfied=False)
        guards = guards if refers else NO_GUARDS
        self._check_text(checker, parts.refer, guards, "a referral", satisfied=refers)

    def _check_text(
        self,
        checker: ExpressionChecker,
        text: nodes.Template | None,
        guards: Guards,
        where: str,
        *,
        satisfied: bool = True,
    ) -> None:
        """Check what a text shows; *satisfied*: whether it is said only where the conditions hold."""
        shown = tuple(interpolated(text)) if text else ()
        for expr in shown:
            before = len(checker.problems)
            checker.infer(expr, guards)
            checker.problems[before:] = [
                messages.unguarded_text(p, satisfied=satisfied) if p.code == "PE302" else p
                for p in checker.problems[before:]
            ]
        self._check_private(checker, shown, where)

    def _check_private(
        self, checker: ExpressionChecker, exprs: Sequence[nodes.Expr], where: str
    ) -> None:
        if not checker.sound:  # asks of all types: once for all of a text
            return  # types are missing
        typing = Typing(checker.types, checker.bindings)
        for expr in exprs:
            for place in private_reads(expr, typing, self.vocabulary.schema):
                written = self.sources[place.span.file].at(place.span)
                checker.problems.append(messages.private_shown(place.span, written, where))

    # ---- what it costs ------------------------------------------------------------------

    def _cost(
        self,
        checker: ExpressionChecker,
        exprs: Sequence[nodes.Expr],
        shown: Sequence[nodes.Expr] = (),
    ) -> Cost:
        """Return what *exprs* and *shown*, those of texts, take together.

        Report each that alone is over its bound.
        """
        if not checker.sound:
            return NO_COST
        costs, typing = self.definitions.costs, Typing(checker.types, checker.bindings)
        found = [(costs.of(expr, typing), expr) for expr in exprs]
        found += [(costs.of_shown(expr, typing), expr) for expr in shown]
        for cost, expr in found:
            problem = self.definitions.over_bound(cost, expr.span)
            if problem:
                checker.problems.append(problem)
        return together(cost for cost, _ in found)

    def bound_targets(self, by_target: Mapping[TargetKey, Sequence[CheckedRule]]) -> None:
        """Report the first target whose rules together are over a bound."""
        limits = self.definitions.limits
        for target, rules in by_target.items():
            costs = [self.costs[rule.id] for rule in rules]
            sizes, steps = [cost.size for cost in costs], [cost.steps for cost in costs]
            for shares, most, what, limit in (
                (sizes, limits.target_size, "parts, definitions included", "target_size"),
                (steps, limits.target_cost, "steps", "target_cost"),
            ):
                if sum(shares) > most:
                    dearest = rules[shares.index(max(shares))].node.name
                    problem = messages.too_costly_together(
                        dearest, target, sum(shares), most, what, limit
                    )
                    self.problems.append(problem)
                    return

    # ---- invariants, and rules that are named -------------------------------------------

    def rule_id(self, gate: nodes.Ident | None, rule: nodes.Ident) -> str | None:
        """Return the id of the rule that is meant; report one that does not exist.

        Without a gate that is the rule of that name, if there is only one.
        """
        gates = self.vocabulary.gates
        if gate and gate.name not in gates:
            self.problems.append(messages.unknown("gate", gate, gates))
            return None
        among = [gate.name] if gate else sorted(gates)
        found = [id_ for name in among if (id_ := f"{name}.{rule.name}") in self.written]
        if len(found) == 1:
            return found[0]
        if found:
            self.problems.append(messages.rule_of_several_gates(rule, found))
        elif rule.name not in self.homeless:
            known = (i.partition(".")[2] for i in self.written if i.partition(".")[0] in among)
            self.problems.append(messages.unknown("rule", rule, known))
        return None

    def invariant(self, declaration: nodes.InvariantDecl, scope: Scope) -> Invariant | None:
        """Check an invariant like a rule's conditions."""
        targets = self.targets(declaration.target, scope)
        before, fields = len(self.problems), declaration.fields
        if fields is not None:
            check_shown(fields, self._resources(targets), self.problems)
            if not self.vocabulary.schema.has_field_gate:
                self.problems.append(field_messages.never_exposed_in_vain(declaration.name.span))
        conjuncts = tuple(conjuncts_of(declaration.clauses))
        exprs = [c.expr for c in conjuncts]
        read: dict[int, RequestNeeds] = {}

        def check(checker: ExpressionChecker) -> None:
            _check_conjuncts(checker, conjuncts)
            read[id(checker.bindings)] = checker.needs_of(exprs)
            self._cost(checker, exprs)

        typings = self.typings(declaration.name, targets, scope, exprs, check)
        if typings is None or len(self.problems) > before:
            return None
        needs: dict[TargetKey, RequestNeeds] = {
            target: read[id(typing.bindings)] for target, typing in typings.items()
        }
        spelled = None if fields is None else tuple(shown.spelling for shown in fields)
        return Invariant(declaration.name.name, conjuncts, spelled, typings, needs, declaration)


def _narrower(wrong: Sequence[TargetKey], right: Sequence[TargetKey]) -> str:
    """Return how a rule covers the types in *right* and none that are *wrong*; empty if types do not say it."""
    for part, word in ((1, "by"), (2, "on")):
        types = {target[part] for target in right}
        if types and types.isdisjoint(target[part] for target in wrong):
            return f"{word} {', '.join(sorted(types))}"
    return ""


def _check_conjuncts(checker: ExpressionChecker, conjuncts: Sequence[Conjunct]) -> Guards:
    """Check the conditions in written order; return the guards that they give together."""
    guards = NO_GUARDS
    for conjunct in conjuncts:
        checker.condition(conjunct.expr, guards)
        guards |= present_if(conjunct.expr, checker.variables, holds=conjunct.wanted)
    return guards


def _measured(exprs: Iterable[nodes.Expr]) -> tuple[frozenset[str], int]:
    """Return the names that *exprs* mention, and of how many parts they are."""
    parts = list(walk_expressions(exprs))
    return frozenset(node.name for node in parts if isinstance(node, nodes.Name)), len(parts)
