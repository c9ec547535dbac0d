"""Find the versions of one rule: rules of a gate whose names differ in a number at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from policyengine.semantics.checked import CheckedRule, CheckedSet

_NUMBERED = re.compile(r"(.+?)_?v?\d+")


def versions(checked: CheckedSet) -> Iterator[tuple[CheckedRule, CheckedRule]]:
    """Give each version that has a beginning or an end, with the next version."""
    of_one: dict[tuple[str, str, str], list[CheckedRule]] = {}
    for rule in checked.rules:
        numbered = _NUMBERED.fullmatch(rule.name)
        if numbered and rule.is_dated:
            of_one.setdefault((rule.gate, rule.effect, numbered[1]), []).append(rule)
    for rules in of_one.values():
        rules.sort(key=lambda rule: (rule.valid_from is not None, rule.valid_from or 0))
        yield from pairwise(rules)
