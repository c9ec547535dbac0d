"""Render a report as the pages of a static site: everything is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from attrs import asdict, define, field

from policyengine.model.shown import in_words, plural
from policyengine.reporting.page_files import PageFiles
from policyengine.reporting.report_budget import (
    ABOUT_ME,
    COMPARED,
    CONTROLS,
    CONTROLS_ELSEWHERE,
    EXAMPLES,
    FACTS,
    TESTS,
    WHAT_IF,
    about_names,
)
from policyengine.reporting.report_data import (
    Action,
    Difference,
    LeftOut,
    NamesPage,
    Report,
    Row,
    Rule,
    Setting,
)

MOST_RULES: Final = 500
"""The number of rules on one page."""

_MIDNIGHT: Final = "T00:00:00Z"
_ELEMENT: Final = re.compile(r'\[".*?"\](?=\.|$)')
"""One of several, as a path names it: `participants["ann"]`."""


_VALUE: Final = re.compile(r"\{([^{}]+)\}")
_READ: Final = re.compile(r"(?<![\w\"])([^\W\d]\w*(?:\.\w+)*)(?:\([^()]*\)|\[[^\[\]]*\])*")
"""A path, a call of a definition, or a look-up in a table."""

_TYPE: Final = re.compile(r"[a-z]+\b(?!\??:)")
"""A type of the language, but not the name of a part of a record."""

_TYPES: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "int": "whole number",
    "decimal": "number",
    "string": "text",
    "datetime": "moment",
    "duration": "span of time",
    "months": "span of the calendar",
    "ip": "network address",
}

_AMONG_EACH_OTHER: Final[Mapping[str, str]] = {
    "levels": ", in an order",
    "taxonomy": ", some within others",
}
_BREAK: Final = re.compile(r"(?<=[._])|(?<=[a-z])(?=[A-Z])")

_PARTIES: Mapping[str, str] = {
    "subject": "who asks",
    "resource": "what it is about",
    "action.name": "what is asked",
}

WHO: Mapping[str, str] = {
    "caller": "the caller",
    "person": "the person concerned",
    "platform": "the platform",
    "nobody": "nobody: it is a fact",
}
"""The parties that can change a value."""


def site_pages(report: Report) -> Iterator[tuple[str, str]]:
    """Give the path and the text of each page; needs the extra `report` (`ImportError` without)."""
    return _Site(report).pages()


@define(eq=False)
class _Site:
    report: Report
    files: PageFiles = field(init=False)
    _environment: Any = field(init=False)
    _style: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        report = self.report
        self.files = PageFiles.of(report)
        self._style = _template("style.css")
        self._environment = Environment(
            loader=PackageLoader("policyengine.reporting"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["as_json"] = _as_json
        self._environment.filters["breakable"] = _breakable
        self._environment.filters["day"] = day_or_moment
        self._environment.filters["worded"] = worded
        self._environment.filters["setting_words"] = setting_words
        self._environment.filters["type_words"] = type_words
        self._environment.filters["plural"] = plural
        self._environment.filters["counted_names"] = counted_names
        self._environment.filters["capitalize_first"] = capitalized
        self._environment.globals.update(
            report=report,
            most=MOST_RULES,
            style=_markup(self._style),
            style_hash=_hash_of(self._style),
            link_to=self.files.path,
            rules={rule.id: rule for rule in report.rules},
            gates={gate.name: gate for gate in report.gates},
            examples=report.examples,
            who=WHO,
            report_has_fields=any(gate.is_field for gate in report.gates),
            top_pages=list(self._top_pages()),
        )

    def pages(self) -> Iterator[tuple[str, str]]:
        report = self.report
        yield self._top(
            "index.html", "index", "Who may do what", "search.js", sections=self._sections(),
            incomplete=report.lacking,
        )  # fmt: skip
        yield self._top(
            "me.html", "me", "What about me?", "switches.js", **self._about_me(),
            incomplete=self._left_out(TESTS, EXAMPLES, ABOUT_ME),
        )  # fmt: skip
        yield self._top(
            "what-if.html", "what_if", "What if?", "what_if.js", **self._what_if(),
            incomplete=self._left_out(TESTS, EXAMPLES, WHAT_IF),
        )  # fmt: skip
        yield self._top(
            "restricted.html", "restricted", "What is forbidden", **self._forbidden(),
            incomplete=self._left_out(TESTS, EXAMPLES),
        )  # fmt: skip
        yield self._top("dates.html", "dates", "Dates", dated=list(self._dates()))
        if self._chosen:
            yield self._top(
                "texts.html", "texts", "Where texts disagree", chosen=self._chosen,
                incomplete=self._left_out(TESTS, EXAMPLES),
            )  # fmt: skip
        if report.changes is not None:
            yield self._top(
                "changes.html", "changes", "What has changed",
                incomplete=self._left_out(TESTS, EXAMPLES, COMPARED),
            )  # fmt: skip
        changes = self._changes()
        examples: dict[str, list[object]] = defaultdict(list)
        for example in report.examples:
            examples[example.action].append(example)
        gate_of = {rule.id: rule.gate for rule in report.rules}
        for action in report.actions:
            rules_of: dict[str, list[str]] = {gate: [] for gate in action.gates}
            for id_ in action.rules:
                rules_of.setdefault(gate_of[id_], []).append(id_)
            yield self._page(
                "actions", "action", action.name, action, "Action", rules_of=rules_of,
                changes=changes[action.name], unchanged=self._unchanged(action, changes[action.name]), own_examples=examples[action.name],
                incomplete=self._left_out(
                    TESTS, EXAMPLES, CONTROLS, CONTROLS_ELSEWHERE, FACTS, of=[action.name]
                ),
            )  # fmt: skip
        for gate in report.gates:
            yield self._page(
                "gates", "gate", gate.name, gate, "Question",
                incomplete=self._left_out(TESTS, EXAMPLES, of=gate.actions),
            )  # fmt: skip
        for entity in report.entities:
            reading = {action for one in entity.attributes for action in one.read_by}
            yield self._page(
                "entities", "entity", entity.name, entity, "Entity",
                incomplete=self._left_out(FACTS, of=reading),
            )  # fmt: skip
        for setting in report.settings:
            kind = "Control" if setting.by == "person" else "Fact"
            tried = {*setting.actions, *setting.untried}
            yield self._page(
                "settings", "setting", setting.key, setting, kind, heading=setting_words(setting.key), groups=list(_groups(setting)),
                unchanged=[name for name in setting.read_by if name not in tried],
                incomplete=self._untried("what other values of it change", setting.untried),
            )  # fmt: skip
        for names in report.names:
            yield self._page(
                "names", "names", names.name, names, "Names",
                incomplete=self._untried(about_names(names.name), names.untried),
            )  # fmt: skip
        for duty in report.obligations:
            yield self._page(
                "obligations", "obligation", duty.name, duty, "Obligation",
                incomplete=self._left_out(TESTS, EXAMPLES, of=duty.actions),
            )  # fmt: skip

    def _left_out(self, *kinds: str, of: Collection[str] | None = None) -> list[LeftOut]:
        """Return what a page lacks, of some kinds, for all actions or for some."""
        return [
            LeftOut(left.what, actions)
            for left in self.report.lacking
            if left.what in kinds
            if (actions := tuple(a for a in left.actions if of is None or a in of))
        ]

    def _untried(self, what: str, actions: tuple[str, ...]) -> list[LeftOut]:
        return [*self._left_out(TESTS, EXAMPLES), *([LeftOut(what, actions)] if actions else [])]

    @property
    def _chosen(self) -> list[Rule]:
        """The rules that follow one text against another."""
        return [rule for rule in self.report.rules if rule.against]

    def _top_pages(self) -> Iterator[tuple[str, str]]:
        yield "index.html", "All pages"
        yield "me.html", "What about me?"
        yield "what-if.html", "What if?"
        yield "restricted.html", "What is forbidden"
        yield "dates.html", "Dates"
        if self._chosen:
            yield "texts.html", "Where texts disagree"
        if self.report.changes is not None:
            yield "changes.html", "What has changed"

    # ---- pages --------------------------------------------------------------------------

    def _top(
        self, path: str, template: str, heading: str, script: str | None = None, **parts: Any
    ) -> tuple[str, str]:
        return path, self._rendered(path, template, heading, "", script, **parts)

    def _page(
        self,
        kind: str,
        template: str,
        name: str,
        one: object,
        said: str,
        heading: str | None = None,
        **parts: Any,
    ) -> tuple[str, str]:
        path = self.files.path(kind, name)
        return path, self._rendered(path, template, heading or name, said, None, one=one, **parts)

    def _rendered(
        self, path: str, template: str, heading: str, kind: str, script: str | None, **parts: Any
    ) -> str:
        text = None if script is None else _template(script)
        page: str = self._environment.get_template(f"{template}.html.jinja").render(
            path=path, root="../" * path.count("/"), heading=heading, kind=kind,
            script=None if text is None else _markup(text),
            script_hash=None if text is None else _hash_of(text),
            **{"incomplete": (), **parts},
        )  # fmt: skip
        return page

    def _unchanged(
        self, action: Action, changes: Collection[tuple[str, str, Difference]]
    ) -> list[str]:
        """Return the keys of what rules for an action read, and which no change of it was found that matters."""
        read = {f"context.{part.name}" for part in action.context if action.name in part.read_by}
        read |= {
            f"{entity.name}.{one.name}"
            for entity in self.report.entities
            for one in entity.attributes
            if action.name in one.read_by
        }
        return sorted(read - {".".join(key.split(".")[:2]) for key, _, _ in changes})

    def _sections(self) -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
        report, path = self.report, self.files.path
        of_persons = [one for one in report.settings if one.by == "person"]
        others = [one for one in report.settings if one.by != "person"]
        yield "Questions", [(g.name, path("gates", g.name), g.question, "") for g in report.gates]
        for title, settings in (("Controls of persons", of_persons), ("Facts that matter", others)):
            yield (
                title,
                [
                    (
                        setting_words(s.key),
                        path("settings", s.key),
                        f"changes {len(s.actions)} of {plural(len(s.read_by), 'action')}{_but_for(s)}"
                        if s.read_by
                        else "changes nothing",
                        s.key,
                    )
                    for s in settings
                ],
            )
        yield (
            "Names",
            [(n.name, path("names", n.name), counted_names(n), "") for n in report.names],
        )
        yield "Actions", [(a.name, path("actions", a.name), "", "") for a in report.actions]
        yield (
            "Entities and their fields",
            [
                (e.name, path("entities", e.name), ", ".join(a.name for a in e.attributes[:4]), "")
                for e in report.entities
            ],
        )
        yield (
            "Obligations",
            [(o.name, path("obligations", o.name), "", "") for o in report.obligations],
        )

    def _about_me(self) -> dict[str, Any]:
        groups: dict[str, list[tuple[int, Row]]] = defaultdict(list)
        for number, row in enumerate(self.report.rows):
            groups[self._role(row)].append((number, row))
        rows = [
            {
                "settings": row.settings,
                "answers": row.answers,
                "outcomes": [
                    {"allowed": o.allowed, "shown": o.shown, "reason": o.reason}
                    for o in row.outcomes
                ],
            }
            for row in self.report.rows
        ]
        return {"groups": sorted(groups.items()), "rows": rows, "as_whom": _as_whom}

    def _what_if(self) -> dict[str, Any]:
        report = self.report
        tables = [
            {
                "action": table.action,
                "types": report.examples[table.example].types,
                "href": f"{self.files.path('actions', table.action)}#e{table.example}",
                "left": table.left_out,
                "gates": table.gates,
                "fieldGates": table.field_gates,
                "parts": table.parts,
            }
            for table in report.tables
        ]
        having = {table.action for table in report.tables}
        return {
            "tables": {
                "labels": {key: setting_words(key) for key, _ in report.factors},
                "factors": report.factors,
                "parts": [asdict(part) for part in report.parts],
                "tables": tables,
            },
            "without": [action.name for action in report.actions if action.name not in having],
        }

    def _role(self, row: Row) -> str:
        """Return the words for the place of a person in a request: "the author of the Post"."""
        root, *names = _ELEMENT.sub("[]", row.role).split(".")
        example = self.report.examples[row.example]
        party = example.request.get(root)
        whole = {"subject": "the one who asks", "context": "the request"}.get(root)
        if whole is None:
            whole = f"the {party['type']}" if isinstance(party, dict) and "type" in party else root
        for name in names:
            one = "one of " if name.endswith("[]") else ""
            whole = f"{one}the {in_words(name.removesuffix('[]'))} of {whole}"
        return whole

    def _forbidden(self) -> dict[str, Any]:
        forbidding = [rule for rule in self.report.rules if rule.effect == "forbid"]
        by_gate: dict[str, list[str]] = defaultdict(list)
        for rule in forbidding:
            by_gate[rule.gate].append(rule.id)
        on_trial = sum(rule.advisory for rule in forbidding)
        return {"forbidding": forbidding, "on_trial": on_trial, "by_gate": list(by_gate.items())}

    def _dates(self) -> Iterator[tuple[str, str, str]]:
        found = []
        for rule in self.report.rules:
            if rule.since:
                found.append((rule.since, rule.id, "comes into force"))
            if rule.until:
                found.append((rule.until, rule.id, "is no longer in force"))
            found += [
                (until, rule.id, f"is no longer waived {more}") for until, more in rule.waivers
            ]
        yield from sorted(found)

    def _changes(self) -> Mapping[str, list[tuple[str, str, Difference]]]:
        found: dict[str, list[tuple[str, str, Difference]]] = defaultdict(list)
        for setting in sorted(self.report.settings, key=lambda one: one.by != "person"):
            for difference in setting.differences:
                found[difference.action].append((setting.key, WHO[setting.by], difference))
        return found


def _but_for(setting: Setting) -> str:
    return f", {len(setting.untried)} not tried" if setting.untried else ""


def _as_whom(row: Row) -> str:
    """Return which of several persons a row is about, where the request has several in its place."""
    one = _ELEMENT.search(row.role)
    return "" if one is None else f", as {one[0][1:-1]}"


def setting_words(key: str) -> str:
    """Return the words for a value: "Author of the resource: protected", "User: writes notes", "Tier"."""
    return capitalized(_label(key))


def _label(key: str) -> str:
    root, *names = key.split(".")
    if not names:
        return in_words(root)
    *above, last = map(in_words, names)
    if root != "context":
        above.insert(0, root)
    return f"{' of the '.join(reversed(above))}: {last}" if above else last


def _groups(setting: Setting) -> Iterator[tuple[str, list[Difference]]]:
    """Give the differences that a setting makes, by what they are."""
    was_allowed: dict[str, list[Difference]] = defaultdict(list)
    for one in setting.differences:
        differs = one.no_longer_shown or one.newly_shown or one.owed_differs
        title = (
            "Allowed, with another answer" if differs
            else "Allowed only then" if one.allowed
            else "No longer allowed"
        )  # fmt: skip
        was_allowed[title].append(one)
    yield from was_allowed.items()


def day_or_moment(moment: str) -> str:
    """Return the text of a moment; of midnight, the day."""
    return moment.removesuffix(_MIDNIGHT)


def worded(text: str) -> str:
    """Return the text of a rule with words in the place of values: `{subject.tier}` is "[tier]"."""

    def words(found: re.Match[str]) -> str:
        return f"[{_READ.sub(part, found[1])}]"

    def part(found: re.Match[str]) -> str:
        return _PARTIES.get(found[0]) or in_words(found[1].rpartition(".")[2])

    return _VALUE.sub(words, text)


def type_words(type_: str) -> str:
    """Return the text of a type in words: `set<string>` is "set of text"."""
    text = type_.replace("set<", "set of ").replace(">", "")
    return _TYPE.sub(lambda found: _TYPES.get(found[0], found[0]), text)


def counted_names(page: NamesPage) -> str:
    """Return how many names an enumeration has, and how they are to each other."""
    return f"{plural(len(page.names), 'name')}{_AMONG_EACH_OTHER.get(page.kind, '')}"


def capitalized(text: str) -> str:
    """Return a text that begins a sentence."""
    return text[:1].upper() + text[1:]


def _as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False)


def _template(name: str) -> str:
    return (files("policyengine.reporting") / "templates" / name).read_text(encoding="utf-8")


def _breakable(name: str) -> Any:
    """Return a name that is broken, if it must be, behind a dot or an underline, or before a capital."""
    from markupsafe import Markup, escape

    return Markup(_BREAK.sub("<wbr>", str(escape(name))))  # noqa: S704 - it is escaped


def _markup(text: str) -> Any:
    """Return a text of ours that is no data, to be written as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - a style or a script of this folder


def _hash_of(text: str) -> str:
    """Return the hash by which a policy of content names a style or a script."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
