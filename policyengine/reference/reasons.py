"""Say what a decision rests on: the texts of its rules, or what no permit was satisfied by.

Nothing is shared with `runtime/judged_request.py`, which is tested against it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from policyengine.model.request_messages import MOST_LISTED_RULES, joined
from policyengine.model.shown import in_words, shown_value
from policyengine.model.valid_request import ValidRequest
from policyengine.reference.evaluation import Env, Trace, evaluate, inside
from policyengine.reference.interpreter import (
    JudgedRequest,
    Verdict,
    determining,
    forbidding,
    gates,
    judge_all,
    missing_fields,
    satisfied_permits,
    shut_gates,
    withholding,
)
from policyengine.reference.texts import rendered, rendered_sentence
from policyengine.semantics.checked import (
    CheckedRule,
    CheckedSet,
    Sentence,
    SentenceText,
    Typing,
)
from policyengine.semantics.keys import Key, compared, comparisons, contested, keys_of

NOT_SHOWN = "a condition that is not shown does not hold"
"""What is said of a permit of which only conditions that read something private are false."""


def reason(checked: CheckedSet, request: ValidRequest, trace: Trace | None = None) -> str:
    """Return why *request* is decided as it is, for a person; never raises."""
    return reason_of(judge_all(checked, Env(request, checked.schema, trace=trace)))


def reason_of(case: JudgedRequest) -> str:
    """Return the texts of the rules that the decision rests on, each once, and not too many."""
    if forbidding(case):
        parts = [said_by_forbid(v, case.env) for v in forbidding(case)]
    elif shut_gates(case):
        parts = [part for gate in shut_gates(case) for part in said_of_shut(case, gate)]
    else:
        first = [satisfied_permits(case, gate)[0].rule for gate in gates(case)]
        parts = [rendered(rule.because, rule, case.env) for rule in first if rule.because]
    return joined(parts, len(parts)) or "every gate permits it"


def said_by_forbid(verdict: Verdict, env: Env) -> str:
    """Return what a determining forbid says."""
    rule = verdict.rule
    if verdict.failed:
        return f"`{rule.id}` failed"
    return rendered(rule.because, rule, env) if rule.because else f"`{rule.id}` forbids it"


def said_of_shut(case: JudgedRequest, gate: str) -> Iterator[str]:
    """Give the reasons why *gate* was not opened."""
    if satisfied_permits(case, gate):
        yield f"`{gate}` does not expose {', '.join(missing_fields(case, gate))}"
        for verdict in withholding(case, gate):
            yield said_by_permit(verdict, (), case.env)
    elif not case.of("permit", gate):
        yield f"no rule of `{gate}` permits `{case.env.request.action}`"
    else:
        yield from said_by_permits(case, gate)


def said_by_permits(case: JudgedRequest, gate: str) -> Iterator[str]:
    """Give why permits are not satisfied: first of those that are for the request, then of others.

    Of those that are for other requests by a value that is contested, nothing is said if some are for
    this one, else that none is.
    """
    env, permits = case.env, case.of("permit", gate)
    paths = contested_paths(case, gate)
    keys = {v.rule.id: keys_of(v.rule, env.target, env.schema) for v in permits}
    lacking = {
        v.rule.id: [key for key in keys[v.rule.id] if not key_holds(key, v.rule, env)]
        for v in permits
    }
    strangers = [v for v in permits if any(key.path in paths for key in lacking[v.rule.id])]
    mine = [
        v
        for v in permits
        if v not in strangers and any(key.path in paths for key in keys[v.rule.id])
    ]
    untold = [v for v in strangers if not v.failed and not v.rule.otherwise]
    concerned = [v for v in permits if not lacking[v.rule.id]]
    for verdict in concerned:
        yield said_by_permit(verdict, paths, env)
    if untold and not mine:
        yield for_nobody(case, gate, paths)
    for verdict in permits:
        if verdict not in concerned and verdict not in untold:
            yield said_by_permit(verdict, paths, env)


def said_by_permit(verdict: Verdict, paths: Collection[str], env: Env) -> str:
    """Return why a permit is not satisfied: its `otherwise`, or its first false condition."""
    rule = verdict.rule
    if verdict.failed:
        return f"`{rule.id}` failed"
    if rule.otherwise:
        return rendered(rule.otherwise, rule, env)
    sentence = first_sentence(rule, paths, env)
    return NOT_SHOWN if sentence is None else rendered_sentence(sentence, rule, env)


def first_sentence(rule: CheckedRule, paths: Collection[str], env: Env) -> SentenceText | None:
    """Return what says that a condition is false: the first of those that have a sentence.

    The others are not asked, so what is private plays no part in which one it is. *paths*: what
    permits of the gate compare with different constants, which are not told.
    """
    typing = rule.typings[env.target]
    for conjunct, sentences in zip(rule.conjuncts, rule.sentences, strict=True):
        if sentences:
            try:
                if bool(evaluate(conjunct.expr, typing, env)) == conjunct.wanted:
                    continue
                sentence = next(s for s in sentences if passes(s, typing, env))
            except Exception:  # noqa: BLE001 - a text is never worth failing for
                return None
            told = all(path not in paths for path, _ in comparisons(conjunct.expr, typing))
            return sentence.text if told else sentence.quiet
    return None


def passes(sentence: Sentence, typing: Typing, env: Env) -> bool:
    """Whether all tests of a sentence have their values."""
    return all(
        bool(evaluate(test.expr, *inside(test.calls, typing, env))) is value
        for test, value in sentence.tests
    )


# ---- whom rules are for -----------------------------------------------------------------


def contested_paths(case: JudgedRequest, gate: str) -> frozenset[str]:
    """Return what permits of *gate* compare with constants of which each is for other requests."""
    target = case.env.target
    return contested(compared(rule, target) for rule in permits_of(case, gate))


def permits_of(case: JudgedRequest, gate: str) -> list[CheckedRule]:
    """Return the permits of *gate* for the target, whether in force or not."""
    return [
        rule
        for rule in case.checked.rules_for(case.env.target)
        if (rule.gate, rule.effect, rule.advisory) == (gate, "permit", False)
    ]


def key_holds(key: Key, rule: CheckedRule, env: Env) -> bool:
    """Whether the request has one of the values that a key asks for."""
    try:
        return evaluate(key.expr, rule.typings[env.target], env) in key.constants
    except Exception:  # noqa: BLE001 - it is not there
        return False


def concerns(rule: CheckedRule, env: Env) -> bool:
    """Whether the request has all values that *rule* asks for."""
    return all(key_holds(key, rule, env) for key in keys_of(rule, env.target, env.schema))


def for_nobody(case: JudgedRequest, gate: str, paths: Collection[str]) -> str:
    """Say that no permit of *gate* is for the request, with its values and no others."""
    env = case.env
    keys: dict[str, tuple[Key, CheckedRule]] = {}
    for rule in permits_of(case, gate):
        for key in keys_of(rule, env.target, env.schema):
            if key.path in paths:
                keys.setdefault(key.path, (key, rule))
    values = [requested(key, rule, env) for _, (key, rule) in sorted(keys.items())]
    return f"no rule here is for {' and '.join(values)}"


def requested(key: Key, rule: CheckedRule, env: Env) -> str:
    """Return what a request has where a key looks, as `tenant t7`."""
    if not key.shown:
        return f"this {in_words(key.name)}"
    typing = rule.typings[env.target]
    try:
        text = shown_value(typing.type_of(key.expr), evaluate(key.expr, typing, env))
    except Exception:  # noqa: BLE001 - it is not there
        return f"no {in_words(key.name)}"
    return text if key.path == key.name else f"{in_words(key.name)} {text}"


def listed(checked: CheckedSet, request: ValidRequest) -> tuple[tuple[str, ...], int]:
    """Return the determining rules that an answer lists, and how many there are besides.

    Of more than `MOST_LISTED_RULES`, only some whose constants the request has.
    """
    case = judge_all(checked, Env(request, checked.schema))
    rules = [v.rule for v in determining(case)]
    if len(rules) <= MOST_LISTED_RULES:
        return tuple(rule.id for rule in rules), 0
    concerned = [rule.id for rule in rules if concerns(rule, case.env)][:MOST_LISTED_RULES]
    return tuple(concerned), len(rules) - len(concerned)
