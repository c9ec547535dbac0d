"""Find the values that a caller only declares, and by whose untruth something would be allowed.

Who may change an attribute of a context may be written beside it. Where it is not, callers choose the value: an
amount, a target. Of a value that a forbid reads, and of a bool or a purpose on which a permit depends, also as a
part of a record, that is doubtful: a request with another value would be allowed, and may be untrue.
"""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.model.needs import NOTHING, Needs
from policyengine.model.types import BOOL, RecordType, SetType, TargetKey, TaxonomyType, Type
from policyengine.semantics.checked import CheckedRule, CheckedSet
from policyengine.semantics.demand import read_by


def doubtful(checked: CheckedSet, target: TargetKey) -> Mapping[str, CheckedRule]:
    """Return the attributes of the context that may be declared untruly, each with a rule that depends on it.

    It is a forbid, if one does.
    """
    unsaid = {
        part.name: part
        for part in checked.schema.actions[target[0]].context.attributes
        if part.by == "caller" and not part.stated
    }
    found: dict[str, CheckedRule] = {}
    for rule in sorted(checked.rules_for(target), key=lambda rule: rule.effect != "forbid"):
        if rule.advisory or unsaid.keys().isdisjoint(rule.needs[target].context.attributes):
            continue
        needs, _ = read_by([conjunct.expr for conjunct in rule.conjuncts], rule.typings[target])
        for name, read in needs.context.attributes.items():
            if name in unsaid and (rule.effect == "forbid" or _has_claim(unsaid[name].type, read)):
                found.setdefault(name, rule)
    return found


def _has_claim(type_: Type, read: Needs) -> bool:
    """Whether what is read of a value says that something is so, or what for: a bool, a purpose, several purposes."""
    match type_:
        case SetType(element):
            return _has_claim(element, read.elements or NOTHING)
        case RecordType(by_name=parts):
            return any(_has_claim(parts[name].type, part) for name, part in read.attributes.items())
    return type_ == BOOL or isinstance(type_, TaxonomyType)
