"""Write a report as one document in Markdown; whatever policies and requests say is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sized

from policyengine.model.shown import plural
from policyengine.reporting.report_data import Action, Report, Rule
from policyengine.reporting.site_pages import WHO

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
_TICKS = re.compile("`+")
_EFFECTS = {"permit": "permits", "forbid": "forbids", "expose": "shows"}


def markdown_report(report: Report) -> str:
    """Return the report in Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Who may do what: {_text(report.title)}"
    yield ""
    yield f"Made from {plural(len(report.rules), 'rule')} on {report.made_at}; policy set {_code(report.policy)}."
    if report.lacking:
        yield (
            f"\nIncomplete: a report asks so many questions and no more, this one {report.questions}; they were "
            "used up before this was worked out. What is not said may be so all the same.\n"
        )
        for left in report.lacking:
            yield f"- {_text(left.what)}, for {plural(len(left.actions), 'action')}: {_listed(left.actions)}"
    rules = {rule.id: rule for rule in report.rules}
    yield from _heading("Questions")
    for gate in report.gates:
        yield f"\n### {_text(gate.name)}\n\n{_text(gate.question)}; asked for {plural(len(gate.actions), 'action')}."
        for id_ in gate.rules:
            yield from _rule(rules[id_])
    yield from _heading("What settings and facts change")
    for setting in report.settings:
        yield f"\n### {_text(setting.key)}\n"
        yield (
            f"Set by {WHO[setting.by]}. With another value answered differently: {len(setting.actions)} of "
            f"{plural(len(setting.read_by), 'action')} whose rules read it{', and ' * bool(setting.untried)}{_not_tried(setting.untried)}:\n"
        )
        for one in setting.differences:
            shown = [f"without {name}" for name in one.no_longer_shown]
            shown += [f"with {name}" for name in one.newly_shown]
            then = "allowed" if one.allowed else f"denied: {one.reason}"
            more = f" ({', '.join(shown)})" if shown else ""
            yield (
                f"- {_text(one.action)}: {_text(one.before)} → {_text(one.after)}: {_text(then)}"
                f"{_text(more)}; example {one.example + 1}"
            )
    if report.changes is not None:
        yield from _heading("What has changed")
        yield f"Compared with {_text(report.changes.title)}.\n"
        for change in report.changes.rules:
            day = f" on {change.moment}" if change.moment else ""
            yield f"- {_text(f'{change.rule} {change.what}{day}')}"
        for answer in report.changes.answers:
            before, now = (
                "allowed" if allowed else "denied"
                for allowed in (answer.allowed, report.examples[answer.example].allowed)
            )
            yield f"- {_text(report.examples[answer.example].action)}: {before} → {now}; example {answer.example + 1}"
    yield from _heading("Actions")
    for action in report.actions:
        yield from _action(action, rules)
    yield from _heading("Names")
    for names in report.names:
        not_tried = _not_tried(names.untried)
        yield f"\n### {_text(names.name)}\n"
        if not_tried:
            yield f"Incomplete: {not_tried}.\n"
        for use in names.names:
            allowed, denied = (
                sum(len(answers.actions) for answers in use.answers if answers.allowed is wanted)
                for wanted in (True, False)
            )
            yield f"- {_text(use.name)}: {plural(allowed, 'action')} allowed, {denied} denied"
    yield from _heading("Obligations")
    for duty in report.obligations:
        yield f"- {_text(duty.name)}: {_listed(duty.rules)}"
    yield from _heading("Examples")
    for example in report.examples:
        verdict = "allowed" if example.allowed else "denied"
        test = f" Test: {example.test}." if example.test else ""
        yield f"{example.number + 1}. {_text(f'{example.action}, {example.moment}: {verdict}. {example.reason}.{test}')}"


def _heading(text: str) -> Iterator[str]:
    yield f"\n## {text}\n"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"\n#### {_text(rule.id)}\n"
    yield _block(rule.text)
    facts = [f"It {_EFFECTS[rule.effect]}" + (" on trial" if rule.advisory else "")]
    facts += [f"source: {rule.cites}"] if rule.cites else []
    facts += [f"against: {rule.against}"] if rule.against else []
    facts += [f"in {rule.place}"]
    facts += [f"since {rule.since}"] if rule.since else []
    facts += [f"until {rule.until}"] if rule.until else []
    facts += [f"waived until {until}{' ' * bool(more)}{more}" for until, more in rule.waivers]
    facts += [f"counts in example {rule.applies_in + 1}"] if rule.applies_in is not None else []
    facts += [f"lacks in example {rule.fails_in + 1}"] if rule.fails_in is not None else []
    yield _text("; ".join(facts)) + "."


def _action(action: Action, rules: dict[str, Rule]) -> Iterator[str]:
    by, on = " or ".join(action.subjects), " or ".join(action.resources)
    yield f"\n### {_text(action.name)}\n\nBy {_text(by)} on {_text(on)}.\n"
    for effect, verb in _EFFECTS.items():
        ids = [id_ for id_ in action.rules if rules[id_].effect == effect]
        for on_trial, more in ((False, ""), (True, " on trial")):
            if of_kind := [id_ for id_ in ids if rules[id_].advisory is on_trial]:
                yield f"- {verb}{more}: {_listed(of_kind)}"
    if action.fields:
        yield f"- may show: {_listed(field.name for field in action.fields)}"


def _not_tried(actions: Sized) -> str:
    return f"{plural(len(actions), 'action')} not tried" if actions else ""


def _listed(names: Iterable[str]) -> str:
    return _text(", ".join(names)) or "none"


def _text(text: str) -> str:
    """Return *text* in one line, with nothing that Markdown or HTML takes for a sign."""
    return (
        _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\&", "&amp;")
    )


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`"


def _block(text: str) -> str:
    """Return *text* as a block of code, whatever it contains."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"
