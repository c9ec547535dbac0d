"""List every rule of the linter, in the order of their codes."""

from __future__ import annotations

from typing import Final

from policyengine.lint.rule import LintRule
from policyengine.lint.rules import (
    bare_permit,
    confusable_name,
    constant_condition,
    duplicate_rule,
    empty_part,
    empty_validity,
    escaped_by_case,
    every_day_interval,
    expired_waiver,
    forbid_escaped_by_absence,
    guessable_secret,
    irrelevant_reason,
    laxer_limit,
    long_waiver,
    minutes_for_months,
    missing_citation,
    missing_reason,
    open_ended_domain,
    overlapping_versions,
    shadowed_rule,
    superfluous_permit,
    trivial_level_comparison,
    trivial_path_test,
    unreachable_action,
    unsatisfiable_rule,
    untested_rule,
    unused_attribute,
    unused_definition,
    unused_enumerator,
    unused_obligation,
    unused_term,
    version_gap,
    whole_record_comparison,
    within_for_touches,
)

_MODULES = (
    bare_permit,
    confusable_name,
    constant_condition,
    duplicate_rule,
    empty_part,
    empty_validity,
    escaped_by_case,
    every_day_interval,
    expired_waiver,
    forbid_escaped_by_absence,
    guessable_secret,
    irrelevant_reason,
    laxer_limit,
    long_waiver,
    minutes_for_months,
    missing_citation,
    missing_reason,
    open_ended_domain,
    overlapping_versions,
    shadowed_rule,
    superfluous_permit,
    trivial_level_comparison,
    trivial_path_test,
    unreachable_action,
    unsatisfiable_rule,
    untested_rule,
    unused_attribute,
    unused_definition,
    unused_enumerator,
    unused_obligation,
    unused_term,
    version_gap,
    whole_record_comparison,
    within_for_touches,
)

RULES: Final[tuple[LintRule, ...]] = tuple(
    sorted((module.RULE for module in _MODULES), key=lambda rule: rule.code.number)
)
