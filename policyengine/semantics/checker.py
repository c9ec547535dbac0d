"""Check a policy set: names, vocabulary, definitions, rules, exceptions, examples, in that order.

Each step reports its mistakes and continues with the rest, so that one run shows every mistake once.
A part that was reported has the type `unknown`, about which nothing more is reported. Without an error
there is a `CheckedSet`, which is sound: evaluating it on a request that fits cannot fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from attrs import Factory, evolve, frozen
from msgspec.structs import replace

from policyengine.diagnostics.diagnostic import Diagnostic, Severity
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.model.needs import RequestNeeds
from policyengine.model.types import TargetKey
from policyengine.semantics import messages, target_messages
from policyengine.semantics.checked import CheckedRule, CheckedSet, CheckedTest, Invariant, Waiver
from policyengine.semantics.cost import Cost, Costs
from policyengine.semantics.definitions import Definitions
from policyengine.semantics.digest import digest
from policyengine.semantics.fixtures import Fixtures, FixtureUses
from policyengine.semantics.names import ACTION, GATE, INVARIANT, WAIVER, Names, Scope, collect
from policyengine.semantics.rule_checks import RuleChecker
from policyengine.semantics.targets import add_gates
from policyengine.semantics.test_blocks import ExampleChecker
from policyengine.semantics.vocabulary import DEFAULT_GATE, Vocabulary
from policyengine.semantics.waivers import check_waiver
from policyengine.syntax import nodes


@frozen(eq=False)
class FileResults:
    """The results for the rules and the tests of one file, in a set of which no part has a finding.

    *covered* and *fixtures* are what they add to what is counted for the whole set.
    """

    rules: Mapping[str, CheckedRule]
    costs: Mapping[str, Cost]
    covered: int
    tests: tuple[CheckedTest, ...] = ()
    fixtures: FixtureUses = Factory(FixtureUses)


@frozen(eq=False)
class Checking:
    """The declarations that rules and tests use, and what collects the results of these."""

    names: Names
    rules: RuleChecker
    fixtures: Fixtures

    @classmethod
    def of(
        cls, files: Sequence[nodes.PolicyFile], sources: Mapping[str, Source], limits: Limits
    ) -> Checking:
        """Check the declarations of *files*, which are in order."""
        names, rules = _words(files, sources, limits)
        fixtures = Fixtures(rules.vocabulary, names, rules.definitions, rules.problems)
        return cls(names, rules, fixtures)


def check(
    files: Sequence[nodes.PolicyFile], sources: Mapping[str, Source], limits: Limits
) -> tuple[CheckedSet | None, list[Diagnostic]]:
    """Check *files* as one policy set; *sources* has the text of each by name."""
    files = in_order(files)
    checked, problems, _ = check_rules(Checking.of(files, sources, limits), files, sources, {})
    return checked, problems


def in_order(files: Iterable[nodes.PolicyFile]) -> list[nodes.PolicyFile]:
    """Return files in the order in which they are checked."""
    return sorted(files, key=lambda file: file.span.file)


def check_rules(
    checking: Checking,
    files: Sequence[nodes.PolicyFile],
    sources: Mapping[str, Source],
    known: Mapping[str, FileResults],
    known_rules: AbstractSet[str] = frozenset(),
) -> tuple[CheckedSet | None, list[Diagnostic], Mapping[str, FileResults]]:
    """Check the rules and tests of *files*, and what depends on all of them.

    Results that are *known* are taken over, those of tests if there are just the *known_rules*, which
    tests may name. The last value has the results for each file, none if anything has a finding.
    """
    names, rules, fixtures = checking.names, checking.rules, checking.fixtures
    vocabulary, problems = rules.vocabulary, rules.problems
    results: dict[str, FileResults] = {}
    for scope in names.scopes:
        name, before, covered = scope.file.span.file, len(rules.rules), rules.covered
        if name in known:
            rules.take_over(known[name].rules, known[name].costs, known[name].covered)
        else:
            _add_rules(scope, rules)
        own = dict(islice(rules.rules.items(), before, None))
        costs = {id_: rules.costs[id_] for id_ in own}
        results[name] = FileResults(own, costs, rules.covered - covered)
    waivers = tuple(_waivers(names, rules))
    invariants = tuple(_invariants(names, rules))
    fixtures.check_all()
    examples = ExampleChecker(vocabulary, rules, fixtures, problems)
    tests: list[CheckedTest] = []
    for scope in names.scopes:
        name = scope.file.span.file
        if name in known and known_rules == rules.written.keys():
            found, uses = known[name].tests, known[name].fixtures
            fixtures.count(uses)
        else:
            found, uses = _tests(scope, examples)
        tests += found
        results[name] = evolve(results[name], tests=found, fixtures=uses)
    fixtures.report_unused()
    checked = tuple(
        sorted(
            (with_waivers(rule, waivers) for rule in rules.rules.values()),
            key=lambda rule: (rule.gate, rule.name),
        )
    )
    by_target: dict[TargetKey, list[CheckedRule]] = {}
    for rule in checked:
        for target in rule.typings:
            by_target.setdefault(target, []).append(rule)
    rules.bound_targets(by_target)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None, _one_for_each_import(problems), {}
    warnings = _never_permitted(names, vocabulary, rules.rules.values())
    made = CheckedSet(
        vocabulary.schema,
        checked,
        tuple(sorted(waivers, key=lambda waiver: waiver.name)),
        invariants,
        tuple(tests),
        digest(sources.values()),
        sources,
        tuple(files),
        {target: tuple(covering) for target, covering in by_target.items()},
        fixtures.all(),
    )
    return made, [*problems, *warnings], {} if problems else results


def _one_for_each_import(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return *problems* without all but the first, in each file, that one import would solve."""
    first: dict[tuple[str, str], Diagnostic] = {}
    for problem in sorted(problems, key=lambda p: (p.span.file, p.span.start)):
        if messages.is_solved_by_import(problem):
            first.setdefault((problem.span.file, problem.help), problem)
    kept = {id(problem) for problem in first.values()}
    return [p for p in problems if id(p) in kept or not messages.is_solved_by_import(p)]


def _words(
    files: Sequence[nodes.PolicyFile], sources: Mapping[str, Source], limits: Limits
) -> tuple[Names, RuleChecker]:
    """Check the declarations and the rules."""
    names = collect(files)
    problems = names.problems
    limits = limits.for_set(sum(len(source.text) for source in sources.values()))
    vocabulary = Vocabulary(names, problems)
    vocabulary.add_entities()
    definitions = Definitions(vocabulary, names, limits, Costs(limits), problems)
    vocabulary.add_actions(definitions.read_constant, limits.targets)
    vocabulary.add_obligations()
    add_gates(vocabulary, limits.coverage)
    definitions.check_all()
    return names, RuleChecker(vocabulary, definitions, sources, problems)


def with_waivers(rule: CheckedRule, waivers: Iterable[Waiver]) -> CheckedRule:
    """Return *rule*, which needs what its waivers do for all that it covers."""
    needs = RequestNeeds()
    for waiver in waivers:
        if waiver.rule == rule.id:
            needs |= waiver.needs
    if not any(needs.parts):
        return rule
    return replace(rule, needs={target: needs | own for target, own in rule.needs.items()})


class Rechecker:
    """Checks a rule as if it was in the place of another, in a set without errors."""

    def __init__(self, checked: CheckedSet, limits: Limits) -> None:
        names, self._rules = _words(checked.files, checked.sources, limits)
        self._waivers = checked.waivers
        self._scopes = {scope.file.span.file: scope for scope in names.scopes}

    def recheck(self, rule: CheckedRule, node: nodes.Rule) -> CheckedRule | None:
        """Return *node* checked in the place of *rule*, None if it has an error there."""
        rules = evolve(self._rules, problems=[], rules={}, written={}, homeless=set())
        rules.add_rule(node, rule.gate, self._scopes[node.span.file])
        found = rules.rules.get(rule.id)
        return found and with_waivers(found, self._waivers)


class TestChecker:
    """Checks tests as if they were beside one of the rules of a set without errors."""

    __test__ = False

    def __init__(self, checked: CheckedSet, limits: Limits) -> None:
        names, rules = _words(checked.files, checked.sources, limits)
        for scope in names.scopes:
            _add_rules(scope, rules)
        fixtures = Fixtures(rules.vocabulary, names, rules.definitions, rules.problems)
        fixtures.check_all()
        self._examples = ExampleChecker(rules.vocabulary, rules, fixtures, rules.problems)
        self._scopes = {scope.file.span.file: scope for scope in names.scopes}

    def check(self, test: nodes.TestDecl, rule: CheckedRule | Invariant) -> CheckedTest | None:
        """Return *test* checked in the file of *rule*, None if it has an error there."""
        return self._examples.test(test, self._scopes[rule.node.span.file])


def _add_rules(scope: Scope, rules: RuleChecker) -> None:
    for declaration in scope.file.declarations:
        match declaration:
            case nodes.Rule():
                _add_rule(declaration, None, scope, rules)
            case nodes.GateBlock(gate, inside):
                symbol = None
                if _is_for_others(gate, inside, scope, rules):
                    rules.homeless.update(rule.name.name for rule in inside)
                    continue
                known = rules.vocabulary.gates.get(DEFAULT_GATE)
                if gate.name != DEFAULT_GATE or known is None or known.package:
                    symbol = scope.find(GATE, gate, "gate", rules.problems)
                    if symbol is None:
                        rules.homeless.update(rule.name.name for rule in inside)
                        continue
                for rule in inside:
                    _add_rule(rule, symbol.name.name if symbol else DEFAULT_GATE, scope, rules)


def _is_for_others(
    gate: nodes.Ident, inside: Sequence[nodes.Rule], scope: Scope, rules: RuleChecker
) -> bool:
    """Report permits and exposes in a gate of a package that is not imported: an import is no help.

    Return whether there are no other rules.
    """
    owner = next(scope.names.named(GATE, gate.name), None)
    if owner is None or gate.package is not None or owner.package in scope.visible:
        return False
    opening = [rule for rule in inside if rule.effect != "forbid"]
    for rule in opening:
        rules.problems.append(messages.foreign_gate(rule, gate.name, owner.package))
    return bool(opening) and len(opening) == len(inside)


def _add_rule(rule: nodes.Rule, gate: str | None, scope: Scope, rules: RuleChecker) -> None:
    gates = rules.vocabulary.gates
    if gate is None:
        if DEFAULT_GATE not in gates or gates[DEFAULT_GATE].package:
            fitting = _fitting(rule, rules)
            own = [gate for gate in fitting if _may_stand_in(gate, rule, scope, rules)]
            rules.problems.append(messages.rule_without_gate(rule, own))
            gate = next(
                (one for one in fitting if f"{one}.{rule.name.name}" not in rules.written), None
            )
            if gate is not None:
                rules.add_rule(rule, gate, scope)  # for what else is wrong with it
            return
        gate = DEFAULT_GATE
    if not _may_stand_in(gate, rule, scope, rules):
        rules.problems.append(messages.foreign_gate(rule, gate, gates[gate].package))
    rules.add_rule(rule, gate, scope)


def _may_stand_in(gate: str, rule: nodes.Rule, scope: Scope, rules: RuleChecker) -> bool:
    owner = rules.vocabulary.gates[gate].package
    return rule.effect == "forbid" or not owner or owner == scope.package


def _fitting(rule: nodes.Rule, rules: RuleChecker) -> list[str]:
    """Return the gates in which *rule* may be meant to stand: those that apply to what it names."""
    members, named = rules.vocabulary.members, rule.target.actions
    shows = rule.effect == "expose" or any(isinstance(c, nodes.Fields) for c in rule.clauses)
    actions = {name for ident in named or () for name in members.get(ident.name, ())}
    fitting = [
        gate
        for _, gate in sorted(rules.vocabulary.gates.items())
        if (gate.is_field or not shows) and (not actions or any(map(gate.is_asked_for, actions)))
    ]
    plain = [gate.name for gate in fitting if gate.is_field == shows]
    return plain or [gate.name for gate in fitting]


def _waivers(names: Names, rules: RuleChecker) -> Iterable[Waiver]:
    for symbol in names.all(WAIVER):
        assert isinstance(symbol.declaration, nodes.WaiverDecl)
        waiver = check_waiver(symbol.declaration, symbol.scope, rules)
        if waiver:
            yield waiver


def _invariants(names: Names, rules: RuleChecker) -> Iterable[Invariant]:
    for symbol in names.all(INVARIANT):
        assert isinstance(symbol.declaration, nodes.InvariantDecl)
        invariant = rules.invariant(symbol.declaration, symbol.scope)
        if invariant:
            yield invariant


def _tests(scope: Scope, examples: ExampleChecker) -> tuple[tuple[CheckedTest, ...], FixtureUses]:
    """Check the tests of a file; return also which fixtures they use."""
    found = []
    with examples.fixtures.counted() as uses:
        for declaration in scope.file.declarations:
            if isinstance(declaration, nodes.TestDecl):
                test = examples.test(declaration, scope)
                if test:
                    found.append(test)
        used = uses()
    return tuple(found), used


def _never_permitted(
    names: Names, vocabulary: Vocabulary, rules: Iterable[CheckedRule]
) -> Iterable[Diagnostic]:
    """Warn of each action that some gate, which applies to it, can never permit."""
    permitted: dict[str, set[str]] = {gate: set() for gate in vocabulary.gates}
    for rule in rules:
        if rule.effect == "permit" and not rule.advisory:
            permitted[rule.gate].update(target[0] for target in rule.typings)
    for symbol in names.all(ACTION):
        action = vocabulary.actions.get(symbol.name.name)
        if action is not None:
            shut = [
                gate
                for gate, open_to in sorted(permitted.items())
                if action.name not in open_to and vocabulary.gates[gate].is_asked_for(action.name)
            ]
            if shut:
                declared = bool(vocabulary.gates[shut[0]].package)
                yield target_messages.never_permitted(symbol.name, shut, declared=declared)
