"""Name the fate of a mutant by all that it may depend on, so that it can be remembered."""

from __future__ import annotations

import hashlib
import re

from attrs import define, field

from policyengine.concurrency import cached_property
from policyengine.mutation.mutants import Mutant
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.syntax import nodes

_TIME = re.compile(r"\b(?:now|from|until)\b")
"""The words without which no answer depends on the time."""


@define(slots=False)
class FateKeys:
    """The keys of the mutants of one set. *now*: the time of tests without `at`."""

    checked: CheckedSet
    now: int
    _digests: dict[str, str] = field(factory=dict)

    def of(self, mutant: Mutant) -> str:
        """Return a key for a mutant and all that its fate may depend on."""
        inside = mutant.before or self._rules[mutant.of].node
        name = f"{mutant.of}: {mutant.what} at {mutant.span.start - inside.span.start}"
        around = "".join(self._context_digest(self._rules[id_]) for id_ in sorted(mutant.rules))
        if mutant.actions:  # of which any rule and test may speak
            timed = any(_TIME.search(source.text) for source in self.checked.sources.values())
            around += f"{self.checked.digest}{self.now if timed else ''}"
        return hashlib.sha256(f"{name}\n{around}".encode()).hexdigest()

    @cached_property
    def _rules(self) -> dict[str, CheckedRule]:
        return {rule.id: rule for rule in self.checked.rules}

    def _context_digest(self, rule: CheckedRule) -> str:
        """Return a digest of the vocabulary, the rules and the tests that may affect a rule's mutants."""
        if rule.id not in self._digests:
            actions = {target[0] for target in rule.typings}
            texts = [self._words]
            texts += [
                f"{other.id} {self._text(other.node)}"
                for other in self.checked.rules
                if not rule.typings.keys().isdisjoint(other.typings)
            ]
            timed = any(_TIME.search(text) for text in texts)
            for test in self.checked.tests:
                expected = (nodes.Expect, nodes.ExpectEach)
                asks = {i.action.name for i in test.node.items if isinstance(i, expected)}
                if asks & actions:
                    texts.append(self._text(test.node))
                    first = next(i for i in test.node.items if not isinstance(i, nodes.Let))
                    if timed and not isinstance(first, nodes.At):
                        texts.append(f"at {self.now}")
            self._digests[rule.id] = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        return self._digests[rule.id]

    @cached_property
    def _words(self) -> str:
        apart = nodes.GateBlock | nodes.Rule | nodes.TestDecl
        return "\0".join(
            self._text(declaration)
            for file in self.checked.files
            for declaration in file.declarations
            if not isinstance(declaration, apart)
        )

    def _text(self, node: nodes.Node) -> str:
        return self.checked.sources[node.span.file].at(node.span)
