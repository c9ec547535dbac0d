"""Check a policy set again after an edit: only what the edit may have changed.

The results for the rules and the tests of each file are kept, with the declarations that all of them use, of the
last set in which nothing had a finding. Of a set whose files differ from these in rules and tests alone, and in
nothing before another declaration, only the files that differ are checked; waivers, invariants and what
depends on all rules are checked each time. Any other set is checked as a whole. The results are those of
`checker.check`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import define, evolve, field, frozen

from policyengine.diagnostics.diagnostic import Diagnostic
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.semantics.checked import CheckedSet
from policyengine.semantics.checker import Checking, FileResults, check_rules, in_order
from policyengine.semantics.vocabulary import DEFAULT_GATE
from policyengine.syntax import nodes

_RULES_AND_TESTS = (nodes.GateBlock, nodes.Rule, nodes.TestDecl)


@frozen(eq=False)
class _Sound:
    """A set without a finding: its files, and what was found in each."""

    checking: Checking
    files: Mapping[str, nodes.PolicyFile]
    sources: Mapping[str, Source]
    results: Mapping[str, FileResults]


@define(eq=False)
class IncrementalChecker:
    """Checks versions of one policy set, one after the other."""

    limits: Limits
    _sound: _Sound | None = field(init=False, default=None)

    def check(
        self, files: Sequence[nodes.PolicyFile], sources: Mapping[str, Source]
    ) -> tuple[CheckedSet | None, list[Diagnostic]]:
        """Check *files*; those that are the same objects as before are not checked again."""
        files = in_order(files)
        return self._again(files, sources) or self._anew(files, sources)

    def _anew(
        self, files: Sequence[nodes.PolicyFile], sources: Mapping[str, Source]
    ) -> tuple[CheckedSet | None, list[Diagnostic]]:
        checking = Checking.of(files, sources, self.limits)
        checked, problems, results = check_rules(checking, files, sources, {})
        self._sound = None
        if results and _is_within(checking, self.limits):
            self._sound = _Sound(checking, _by_name(files), sources, results)
        return checked, problems

    def _again(
        self, files: Sequence[nodes.PolicyFile], sources: Mapping[str, Source]
    ) -> tuple[CheckedSet | None, list[Diagnostic]] | None:
        """Check what differs from the set that is kept; None if that is not enough."""
        before = self._sound
        if before is None or _by_name(files).keys() != before.files.keys():
            return None
        edited = {f.span.file: f for f in files if f is not before.files[f.span.file]}
        for name, file in edited.items():
            if _shared(file, sources[name]) != _shared(before.files[name], before.sources[name]):
                return None
        known = {name: found for name, found in before.results.items() if name not in edited}
        taken = {id_ for found in known.values() for id_ in found.rules}
        names = before.checking.names
        scopes = [evolve(s, file=edited.get(s.file.span.file, s.file)) for s in names.scopes]
        checking = evolve(before.checking, names=evolve(names, scopes=scopes))
        if not taken.isdisjoint(id_ for file in edited.values() for id_ in _ids(file)):
            return None  # which of two rules of one name is reported depends on their order
        checking.rules.begin_again(sources, self._limits_of(sources))
        checking.fixtures.begin_again()
        rules = {id_ for found in before.results.values() for id_ in found.rules}
        checked, problems, results = check_rules(checking, files, sources, known, rules)
        if max(checking.rules.covered, checking.fixtures.parts) > self.limits.coverage:
            return None  # limits depend on the size of all files
        if results:
            self._sound = _Sound(checking, _by_name(files), sources, results)
        return checked, problems

    def _limits_of(self, sources: Mapping[str, Source]) -> Limits:
        return self.limits.for_set(sum(len(source.text) for source in sources.values()))


def _by_name(files: Sequence[nodes.PolicyFile]) -> dict[str, nodes.PolicyFile]:
    return {file.span.file: file for file in files}


def _shared(file: nodes.PolicyFile, source: Source) -> object:
    """Return what a file has beside rules and tests: as text with its place, so that spans stay right."""
    spans = [d.span for d in file.declarations if not isinstance(d, _RULES_AND_TESTS)]
    return file.package, file.imports, [(span, source.at(span)) for span in spans]


def _ids(file: nodes.PolicyFile) -> Iterator[str]:
    """Give the ids of the rules of a file."""
    for declaration in file.declarations:
        match declaration:
            case nodes.Rule(name=name):
                yield f"{DEFAULT_GATE}.{name}"
            case nodes.GateBlock(gate, rules):
                yield from (f"{gate.name}.{rule.name}" for rule in rules)


def _is_within(checking: Checking, limits: Limits) -> bool:
    """Whether the declarations are within the bounds of a short set, which are the least."""
    vocabulary = checking.rules.vocabulary
    targets = sum(len(a.subjects) * len(a.resources) for a in vocabulary.actions.values())
    return targets <= limits.targets and targets * len(vocabulary.gates) <= limits.coverage
