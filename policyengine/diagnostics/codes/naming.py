"""List the codes of names: PE2xx."""

from __future__ import annotations

from policyengine.diagnostics.codes.code import Code

_WORDS = """\
package docs
levels Clearance = public < internal < secret
enum Status = draft | published
entity Folder
entity User { clearance: Clearance, teams: set<string> }
entity Document in Folder { status: Status, owner: User, minimum: Clearance }
action read, edit by User on Document
"""

NAMES = (
    Code(
        "PE201", "unknown-name", "A name that nothing here declares.",
        "A bare name is the subject, action, resource or context, a parameter or variable around "
        "it, a constant, or an enumerator of the type that is wanted.",
        _WORDS + "permit own: any when resource.owner == subjct\n",
        _WORDS + "permit own: any when resource.owner == subject\n",
    ),
    Code(
        "PE202", "unknown-type", "A type that nothing here declares.",
        "Types are the built-in ones and those declared with `enum`, `levels`, `taxonomy` and "
        "`entity` in this package or an imported one.",
        "package docs\nentity User { age: integer }\n",
        "package docs\nentity User { age: int }\n",
    ),
    Code(
        "PE203", "duplicate-name", "A name that is given twice.",
        "Two declarations of one name would leave open which one a rule means. Entities, actions, "
        "groups, gates and obligations are named in requests and answers, so their names are "
        "unique over the whole policy set.",
        _WORDS + "permit own: read when resource.owner == subject\npermit own: edit\n",
        _WORDS + "permit own: read when resource.owner == subject\npermit own_edit: edit\n",
    ),
    Code(
        "PE204", "ambiguous-name", "A bare name that could mean two things.",
        "The engine never chooses silently: the name is qualified, or one of the things renamed.",
        _WORDS + "const draft: Status = published\npermit drafts: read when resource.status == draft\n",
        _WORDS + "const draft: Status = Status.published\n"
        "permit drafts: read when resource.status == Status.draft\n",
    ),
    Code(
        "PE205", "unknown-action", "An action or a group that nothing here declares.",
        "A rule that covered an action that does not exist would never apply, and nobody would "
        "notice.",
        _WORDS + "permit own: raed when resource.owner == subject\n",
        _WORDS + "permit own: read when resource.owner == subject\n",
    ),
    Code(
        "PE206", "unknown-gate", "A gate that nothing here declares.",
        "Gates are the questions that must all be answered yes; they are declared with `gate`.",
        _WORDS + 'gate scope "what"\ngate scoop { permit p: any }\n',
        _WORDS + 'gate scope "what"\ngate scope { permit p: any }\n',
    ),
    Code(
        "PE207", "unknown-package", "A package that is not in the policy set, or not imported.",
        "A file sees the names of its own package and of those that it imports.",
        "package docs\nimport vocabulry\n",
        "package docs\n",
    ),
    Code(
        "PE209", "unknown-rule", "A rule that nothing declares.",
        "Waivers and tests name rules as `gate.rule`; in a set without gates as `rule`.",
        _WORDS + 'permit own: any waivable\nwaiver w of owned for User "u" until 2027-01-31 '
        'ticket "T-1" approved_by "legal"\n',
        _WORDS + 'permit own: any waivable\nwaiver w of own for User "u" until 2027-01-31 '
        'ticket "T-1" approved_by "legal"\n',
    ),
    Code(
        "PE210", "unknown-obligation", "An obligation that nothing here declares.",
        "A caller who is allowed must be able to fulfil the obligations, so each of them is declared.",
        _WORDS + "obligation log_it()\npermit own: any oblige logit()\n",
        _WORDS + "obligation log_it()\npermit own: any oblige log_it()\n",
    ),
    Code(
        "PE211", "unknown-definition", "A call of something that is not defined.",
        "A call names a definition (`define`) or what is built in: `size` and `lower`.",
        _WORDS + "permit p: any when length(subject.teams) > 0\n",
        _WORDS + "permit p: any when size(subject.teams) > 0\n",
    ),
    Code(
        "PE212", "requested-group", "A group where an action is wanted.",
        "Groups gather actions for rules; a request names an action.",
        "package docs\nentity User\ngroup every_one by User on User\naction read in every_one\npermit p: every_one\n"
        'test "t" { expect allow every_one by User "u" on User "v" }\n',
        "package docs\nentity User\ngroup every_one by User on User\naction read in every_one\npermit p: every_one\n"
        'test "t" { expect allow read by User "u" on User "v" }\n',
    ),
    Code(
        "PE213", "shadowed-name", "A variable or parameter whose name already means something.",
        "A reader of the rule would have to know which of the two is meant.",
        _WORDS + 'permit p: any when some subject in subject.teams: subject == "a"\n',
        _WORDS + 'permit p: any when some team in subject.teams: team == "a"\n',
    ),
    Code(
        "PE214", "scattered-gates", "Gates of one package that are declared in two files.",
        "All gates must be answered yes, so what they are is read in one place.",
        'package docs\ngate one "?"\n---\npackage docs\ngate two "?"\n',
        'package docs\ngate one "?"\ngate two "?"\n',
    ),
    Code(
        "PE215", "foreign-gate", "A permit or expose in a gate that another package declares.",
        "Only the package that asks the question may answer it with yes. Any package may forbid.",
        _WORDS + 'gate scope "?"\n---\npackage other\nimport docs\ngate scope { permit p: any }\n',
        _WORDS + 'gate scope "?"\ngate scope { permit p: any }\n---\npackage other\nimport docs\n'
        "gate scope { forbid drafts: any when resource.status == draft }\n",
    ),
    Code(
        "PE216", "rule-without-gate", "A rule outside every gate in a set that has gates.",
        "A permit answers the question of its gate; without gates there is only the one, `access`.",
        _WORDS + 'gate scope "?"\npermit p: any\n',
        _WORDS + 'gate scope "?"\ngate scope { permit p: any }\n',
    ),
    Code(
        "PE217", "circular-groups", "Groups that contain one another.",
        "A group gives what it has to its members; in a circle nothing has a beginning.",
        "package docs\ngroup a in b\ngroup b in a\n",
        "package docs\ngroup a in b\ngroup b\n",
    ),
    Code(
        "PE218", "recursive-definition", "A definition that calls itself.",
        "Every decision ends, and its cost is known beforehand; recursion would promise neither.",
        "package docs\ndefine f(n: int) = f(n)\n",
        "package docs\ndefine f(n: int) = n + 1\n",
    ),
    Code(
        "PE219", "circular-constant", "Constants that refer to one another.",
        "A constant is a value written out, directly or through another constant.",
        "package docs\nconst a: int = b\nconst b: int = a\n",
        "package docs\nconst a: int = b\nconst b: int = 1\n",
    ),
    Code(
        "PE221", "unknown-member", "A name that an enumeration, levels or taxonomy does not have.",
        "The vocabulary is closed: a value outside it could never occur, and a rule that asks for "
        "it would never apply. A taxonomy's own name is no term of it.",
        _WORDS + "permit p: any when resource.status == publishd\n",
        _WORDS + "permit p: any when resource.status == published\n",
    ),
    Code(
        "PE222", "unknown-changer", "Somebody else who can change an attribute.",
        "Changes that would allow a request are shown to the party that can make them: the caller, the platform, "
        "the person whose setting it is, or nobody where it is a fact.",
        "package docs\nentity User { shares_location: bool (by persn) }\n",
        "package docs\nentity User { shares_location: bool (by person) }\n",
    ),
    Code(
        "PE223", "misplaced-changer", "A part of a record or a constant that somebody can change.",
        "Who can change a record can change its parts, and constants change with the policy only.",
        "package docs\nentity User { place: { city: string (by person) } }\n",
        "package docs\nentity User { place: { city: string } (by person) }\n",
    ),
    Code(
        "PE224", "circular-fixture", "What tests share refers to itself.",
        "A `let` outside tests is a value written out, directly or through others.",
        _WORDS + "permit p: any\nlet a = b\nlet b = a\n",
        _WORDS + 'permit p: any\nlet a = b { status: draft }\nlet b = Document "d"\n',
    ),
    Code(
        "PE225", "redefined-function", "A definition of something that is built in.",
        "A call of `size`, `lower` or `ancestors` always means the function of the language, so the definition "
        "would be passed over.",
        'package docs\ndefine lower(code: string) = code == "low"\n',
        'package docs\ndefine is_low(code: string) = code == "low"\n',
    ),
    Code(
        "PE228", "unknown-time-zone", "A time zone that does not exist.",
        "Zones have the names of the IANA database, with their case. They come from the package `tzdata`, "
        "on every machine the same, and never from the system.",
        _WORDS + 'permit p: any when now within schedule "09:00-17:00 europe/berlin"\n',
        _WORDS + 'permit p: any when now within schedule "09:00-17:00 Europe/Berlin"\n',
    ),
    Code(
        "PE229", "misplaced-count", "A count that is no attribute of a context.",
        "What is counted depends on the request, so only its context can give it.",
        "package docs\nentity User { reads: int (count of User by subject per day) }\n",
        _WORDS + "action send by User on Document with { reads: int (count of Document by subject per day) }\n",
    ),
    Code(
        "PE230", "uncountable", "A count that is no int, or may be absent.",
        "A limit on a count that may be left out would be escaped by leaving it out.",
        _WORDS + "action send by User on Document with { sent?: int (count of send by subject per day) }\n",
        _WORDS + "action send by User on Document with { sent: int (count of send by subject per day) }\n",
    ),
    Code(
        "PE231", "unusable-count", "A count by something, or over a time, for which there is no number.",
        "It is counted by `subject`, `resource`, `action.name`, attributes that they always have or such of the "
        "context, over a duration just past, or the `day`, `month` or `year` of the calendar in UTC.",
        _WORDS + "action send by User on Document with { sent: int (count of send by subject per week) }\n",
        _WORDS + "action send by User on Document with { sent: int (count of send by subject per 7d) }\n",
    ),
    Code(
        "PE232", "self-import", "A package that imports itself.",
        "A file sees all names of its own package. Packages may import one another, also in a circle.",
        "package docs\nimport docs\nentity User\n",
        "package docs\nentity User\n",
    ),
)  # fmt: skip
