"""Says, mistake by mistake, what the checker finds: code, underlined text, help.

Each case adds a line or two to one vocabulary; `None` for the code means that it is sound.
"""

from __future__ import annotations

import pytest

from policyengine.diagnostics.diagnostic import Diagnostics, Severity
from policyengine.diagnostics.source import Source
from policyengine.model.limits import Limits
from policyengine.pipeline import check_sources

VOCABULARY = """\
package t
levels Tier = free < basic < pro
enum Status = active | closed | "x.y"
taxonomy Purpose { research { academic } ads }
entity Org
entity Team in Org
entity App in Team {
    tier: Tier, status: Status, uses: set<Purpose>, use: Purpose, count: int, price: decimal,
    contact?: private string, note?: string, owner: User, tags: set<string>, address: ip,
    place?: {lat: decimal, street?: string}, secret: {code: private int, hint: string}
    seen: datetime, wait: duration
}
entity User { friends: set<User>, name: string, salary: private int, deputy?: User }
group api by App on User with { why: set<Purpose> } having { cost: int, since?: datetime }
action look in api with { depth?: int } having { cost: 1 }
action call in api having { cost: 2, since: 2024-01-01 }
action meet by User on User
obligation tell(who: User, text: string)
gate open "whether it is open"
field gate view "what may be seen"
const limit: int = 12
const team: Team = Team "a"
define near(u: User) = u.name == "ann"
define pay(u: User) = u.salary
gate open { permit always: any }
gate view { permit basics: any fields name }
"""


def _open(rule: str) -> str:
    return f"gate open {{ {rule} }}"


def _when(condition: str) -> str:
    return _open(f"permit p: look when {condition}")


def _waiver(parts: str) -> str:
    rule = _open("permit p: look waivable")
    return f'{rule}\nwaiver w of open.p {parts} until 2027-01-01 ticket "x" approved_by "y"'


CASES = [
    # ---- names
    ("PE206", 'gate opened { permit p: look } test "t" { expect deny look by App "a" on User "u" because p }',
     "opened", "did you mean `open`?"),
    ("PE206", 'gate opened { permit p: look } test "t" { expect deny look by App "a" on User "u" because open.p }',
     "opened", "did you mean `open`?"),
    ("PE202", ('action nod by Usr on User gate open { permit p: nod waivable } gate view { permit q: nod }\n'
     'waiver w of open.p for App "a" until 2027-01-01 ticket "x" approved_by "y"'), "Usr", "did you mean `User`?"),
    ("PE201", _when("subjct.count > 1"), "subjct", "did you mean `subject`?"),
    ("PE201", _when("limits > 1"), "limits", "limit"),
    ("PE201", _when("subject.count == null"), "null", "`subject.count` is never absent: leave the comparison out"),
    ("PE201", _when("principal.count > 1"), "principal", "write `subject`"),
    ("PE201", "let a = App { count: 1 }", "App", 'one entity is written `App "id"`'),
    ("PE202", "entity E { on: date }", "date", "write `datetime`"),
    ("PE202", "entity E { on: float }", "float", "write `decimal`"),
    ("PE211", "const most: Tier -> int = { free: 1, basic: 2, pro: 3 }\n" + _when("most(subject.tier) > 1"), "most",
     "write `most[subject.tier]`"),
    ("PE202", "entity Box { lid: strnig }", "strnig", ""),
    ("PE202", "entity Box in Tem", "Tem", "did you mean `Team`?"),
    ("PE203", "enum Tier = a", "Tier", ""),
    ("PE203", "levels Size = s < m < s", "s", ""),
    ("PE203", "taxonomy T2 { a { b } b }", "b", ""),
    ("PE203", "entity Box { lid: int, lid: int }", "lid", ""),
    ("PE203", "action look by App on User", "look", ""),
    ("PE203", _open("permit always: any"), "always", ""),
    ("PE203", _when('subject.secret == {code: 1, code: 2, hint: "h"}'), "code", ""),
    ("PE204", _when("subject.tier == basic") + "\nconst basic: Tier = Tier.basic", "basic",
     "write `Tier.basic` or `t.basic`"),
    ("PE205", _open("permit p: lok"), "lok", "did you mean `look`?"),
    ("PE205", "action x in apis by App on User", "apis", "did you mean `api`?"),
    ("PE206", "gate opne { permit p: any }", "opne", "did you mean `open`?"),
    ("PE201", "const n: int = other.limit", "other", ""),
    ("PE210", _open('permit p: look oblige tel(resource, "x")'), "tel", "did you mean `tell`?"),
    ("PE211", _when("nearby(resource)"), "nearby", "did you mean `near`?"),
    ("PE211", _when("limit(resource)"), "limit", ""),
    ("PE211", _when("count(subject.tags) > 1"), "count", "write `size(subject.tags)`"),
    ("PE211", _when('starts_with(resource.name, "a")'), "starts_with", 'write `resource.name startswith "a"`'),
    ("PE126", _when('resource.startsWith("a")'), "resource.startsWith", 'write `resource startswith "a"`'),
    ("PE126", _when("subject.isEmpty()"), "subject.isEmpty", "write `size(subject) == 0`"),
    ("PE212", 'test "t" { expect allow api by App "a" on User "u" }', "api", ""),
    ("PE213", _when('some limit in subject.tags: limit == "x"'), "limit", ""),
    ("PE213", "define f(limit: int) = limit > 1", "limit", ""),
    ("PE213", "define f(now: datetime) = now", "now", ""),
    ("PE213", 'test "t" { let a = App "a" let a = App "b" }', "a", ""),
    ("PE213", "entity Box { id: string }", "id", ""),
    ("PE213", "group g2 having { name: string }", "name", ""),
    ("PE216", "permit p: any", "p", "put it into `gate open { … }`"),
    ("PE217", "group g1 in g2\ngroup g2 in g1", "g1", ""),
    ("PE218", "define f(n: int) = g(n)\ndefine g(n: int) = f(n)", "f", ""),
    ("PE219", "const a: int = a", "a", ""),
    ("PE221", _when("subject.status == activ"), "activ", "did you mean `active`?"),
    ("PE221", _when("subject.tier >= Tier.gold"), "gold", ""),
    ("PE221", _when('subject.status == "x.z"'), '"x.z"', '`"x.y"`'),
    ("PE221", _when("subject.use within Purpose"), "Purpose",
     "the name of a taxonomy is no term of it"),
    ("PE222", "entity Z { a: int (by persn) }", "persn", "did you mean `person`?"),
    ("PE223", "entity Z { a: { b: int (by person) } }", "person", ""),
    ("PE223", "group g2 having { n: int (by caller) }", "caller", ""),
    # ---- attributes and guards
    ("PE301", _when("subject.teir == basic"), "teir", "did you mean `tier`?"),
    ("PE301", _when("context.whyy overlaps {ads}"), "whyy", "did you mean `why`?"),
    ("PE301", _when("action.price > 1"), "price", ""),
    ("PE301", _when("subject has nothing"), "nothing", ""),
    ("PE305", _when("Tier.free.x == 1"), "Tier.free",
     ""),
    ("PE302", _when('subject.note == "x"'), "subject.note", "ask first: `subject has note and …`"),
    ("PE302", _when('subject has note or subject.note == "x"'), "subject.note", ""),
    ("PE302", _when('not (subject has note) and subject.note == "x"'), "subject.note", ""),
    ("PE302", _when('subject has place and subject.place.street == "x"'), "subject.place.street",
     ""),
    ("PE302", _when("context.depth > 1"), "context.depth", ""),
    ("PE302", _when("action.since < now"), "action.since", ""),
    ("PE302", _when("some u in resource.friends: u has deputy") + _open(
        'permit q: meet when resource.deputy.name == "x"'), "resource.deputy", ""),
    ("PE302", _open('permit p: look when subject has note otherwise "{subject.note}"'),
     "subject.note", ""),
    ("PE302", _open('permit p: look when subject has note waivable because "{subject.note}"'),
     "subject.note", ""),
    ("PE302", _when("some f in resource.friends: f.deputy == resource"), "f.deputy", ""),
    ("PE302", "define f(u: User) = u.deputy == u", "u.deputy", ""),
    (None, _when('subject has note and subject.note == "x"'), "", ""),
    (None, _when('not (subject has note) or subject.note == "x"'), "", ""),
    (None, _when('not (not (subject has note)) and subject.note == "x"'), "", ""),
    (None, _when('if subject has note then subject.note == "x" else true'), "", ""),
    (None, _open('permit p: look when subject has note because "{subject.note}"'), "", ""),
    (None, _open('permit p: look unless not (subject has note) because "{subject.note}"'), "", ""),
    (None, _open('forbid p: look unless not (subject has note) refer "{subject.note}"'), "", ""),
    (None, _when("subject has place and subject.place has street"
                 ' and subject.place.street like "a*"'), "", ""),
    (None, _when("some f in resource.friends: f has deputy and f.deputy == resource"), "", ""),
    # ---- types
    ("PE303", _when("subject.count == 1.5"), "subject.count == 1.5", "an `int` has no fraction"),
    ("PE303", _when('subject.count == "1"'), 'subject.count == "1"', ""),
    ("PE303", _when("subject == resource"), "subject == resource", ""),
    ("PE303", _when("subject.count in subject.tags"), "subject.count in subject.tags", ""),
    ("PE303", _when("context.why overlaps subject.tags"), "context.why overlaps subject.tags", ""),
    ("PE303", _when('subject within User "u"'), 'subject within User "u"', ""),
    ("PE303", _when("(if true then 1 else 1.5) == 1"), "if true then 1 else 1.5", ""),
    ("PE304", _when("subject.tier == active"), "active", ""),
    ("PE305", _when("subject.count"), "subject.count", "compare it with something"),
    ("PE305", _when("not subject.tags"), "subject.tags", ""),
    ("PE305", _when("subject.tags.size > 1"), "subject.tags", "write `size(subject.tags)`"),
    ("PE305", _when("subject.count.x == 1"), "subject.count", ""),
    ("PE305", _when('subject.count like "1*"'), "subject.count", ""),
    ("PE305", _when("size(subject.count) > 1"), "subject.count", ""),
    ("PE305", _when("near(subject)"), "subject", ""),
    ("PE305", _when("some x in subject.count: true"), "subject.count", ""),
    ("PE305", "const big: int = 1.5", "1.5", ""),
    ("PE305", 'test "t" { expect allow look by User "u" on User "u" }', 'User "u"', ""),
    ("PE305", 'test "t" { let n = 1 expect allow look by n { tier: pro } on User "u" }', "n", ""),
    ("PE306", _when("subject.status < closed"), "subject.status < closed", ""),
    ("PE306", _when("subject.seen + subject.seen > now"), "subject.seen + subject.seen", ""),
    ("PE306", _when("subject.price * subject.price > 1.0"), "subject.price * subject.price", ""),
    ("PE306", _when("-subject.tier == basic"), "-subject.tier", ""),
    ("PE306", _when("subject.count in limit"), "subject.count in limit", ""),
    ("PE306", _when("subject.count overlaps subject.tags"), "subject.count overlaps subject.tags",
     ""),
    ("PE306", _when("subject.count within limit"), "subject.count within limit", ""),
    ("PE306", _when("context.why touches ads"), "context.why touches ads", ""),
    ("PE303", "taxonomy Other { o }\nconst others: set<Other> = {o}\n" + _when("subject.use touches others"),
     "subject.use touches others", ""),
    ("PE303", "taxonomy Other { o }\nconst others: set<Other> = {o}\n" + _when("subject.use within others"),
     "subject.use within others", ""),
    ("PE301", _when("subject.usage touches {ads}"), "usage", ""),
    ("PE301", _when('"x" in subject.tgas'), "tgas", ""),
    (None, _when("subject.seen - now < subject.wait * 2 and -subject.price < 2 * 1.5"), "", ""),
    (None, _when('subject.status == "x.y" and "x.y" == subject.status'), "", ""),
    (None, _when("basic <= subject.tier and subject.tier != Tier.pro"), "", ""),
    (None, _when("{ads} overlaps context.why and {} subset context.why"), "", ""),
    (None, _when("subject.use within {research, ads} and context.why within research"), "", ""),
    (None, _when("context.why touches {academic} and subject.use touches context.why"), "", ""),
    (None, _when('subject within team and subject within Org "o"'), "", ""),
    (None, _when('subject.address within ip "10.0.0.0/8"'), "", ""),
    (None, _when("subject.owner in resource.friends and near(subject.owner)"), "", ""),
    (None, _when('subject.secret == {code: 1, hint: "x"}'), "", ""),
    (None, _when('action.cost < limit and action.name == "look"'), "", ""),
    # ---- private
    ("PE307", _open('permit p: look when subject has contact because "{subject.contact}"'),
     "subject.contact", ""),
    ("PE307", _open('permit p: look because "{pay(resource)}"'), "pay(resource)", ""),
    ("PE307", _open('permit p: look because "{if resource.salary > 3 then 1 else 2}"'),
     "resource.salary", ""),
    ("PE307", _open('permit p: look because "{subject.secret}"'), "subject.secret", ""),
    ("PE307", _open('permit p: look because "{ {a: resource.salary} }"'), "resource.salary", ""),
    ("PE307", _open('permit p: look because "{subject has contact}"'), "subject has contact", ""),
    ("PE307", _open('permit p: look refer "{subject.secret.code}"'), "subject.secret.code", ""),
    ("PE307", _open('permit p: look oblige tell(resource, if pay(resource) > 1 then "a" else "b")'),
     "pay(resource)", ""),
    (None, _open('permit p: look because "{subject.secret.hint} {resource}"'), "", ""),
    (None, _open("permit p: look when resource.salary > 3"), "", ""),
    # ---- cost
    ("PE308", _when("some a in subject.tags: some b in subject.tags: some c in subject.tags: a == c"),
     "some a", ""),
    ("PE308", "define f0(n: int) = n * n\n" + "\n".join(
        f"define f{i}(n: int) = f{i - 1}(n) * f{i - 1}(n)" for i in range(1, 8)), "f",
     ""),
    # ---- targets
    ("PE309", _open("permit p: any when subject.tier >= basic"), "tier", ""),
    ("PE310", _open("permit p: look by User"), "look by User", ""),
    ("PE310", "group empty by App on User\n" + _open("permit p: empty"), "empty", ""),
    # ---- waivers
    ("PE312", _open("permit p: look waivable") + '\nwaiver w of open.p for App "a" ticket "x" '
     'approved_by "y"', "w", "add `until 2027-01-31`"),
    ("PE313", 'waiver w of open.always for App "a" until 2027-01-01 ticket "x" approved_by "y"',
     "always", "mark the rule `waivable` if it may be"),
    ("PE313", _open("forbid p: look") + '\nwaiver w of open.p for App "a" until 2027-01-01 '
     'ticket "x" approved_by "y"', "p", ""),
    ("PE313", _open("permit p: look waivable") + '\nwaiver w of open.p for Org "a" '
     'until 2027-01-01 ticket "x" approved_by "y"', 'Org "a"', ""),
    ("PE313", _waiver('for User "a"'), 'User "a"', ""),
    ("PE313", _waiver('for within User "a"'), 'User "a"', ""),
    ("PE313", _waiver('on App "a"'), 'App "a"', ""),
    ("PE313", _waiver('for App "a" on within Team "a"'), 'Team "a"', ""),
    ("PE313", _waiver('for Team "a"'), 'Team "a"', ""),
    ("PE312", _waiver(""), "w", "for App"),
    ("PE316", _waiver('for App "a" for App "b"'), 'for App "b"', ""),
    ("PE316", _waiver('on User "a" on within User "a"'), 'on within User "a"', ""),
    ("PE202", _waiver('for Ap "a"'), "Ap", "did you mean `App`?"),
    ("PE202", _waiver('on within Usr "a"'), "Usr", "did you mean `User`?"),
    (None, _waiver('for within Org "a"'), "", ""),
    (None, _waiver('for within Team "a" on User "b"'), "", ""),
    (None, _waiver('for within App "a"'), "", ""),
    (None, _waiver('on User "b"'), "", ""),
    ("PE209", 'waiver w of open.alway for App "a" until 2027-01-01 ticket "x" approved_by "y"',
     "alway", "did you mean `always`?"),
    ("PE206", 'waiver w of opne.always for App "a" until 2027-01-01 ticket "x" approved_by "y"',
     "opne", "did you mean `open`?"),
    # ---- clauses
    ("PE314", "gate view { permit p: look fields nam }", "nam", "did you mean `name`?"),
    ("PE315", _open("permit p: look fields name"), "fields name", ""),
    ("PE315", _open("expose p: look"), "p", ""),
    ("PE315", "gate view { forbid p: look fields name }", "fields name", ""),
    (None, _open('forbid p: look oblige tell(resource, "x")'), "", ""),
    ("PE315", _open('forbid p: look otherwise "x"'), 'otherwise "x"', "a forbid says `because`"),
    ("PE315", _open("forbid p: look waivable"), "waivable", ""),
    ("PE315", "gate view { expose p: look waivable }", "waivable", ""),
    ("PE316", _open('permit p: look cites "a" cites "b"'), 'cites "b"', ""),
    ("PE317", _when("size({}) > 1"), "{}", ""),
    ("PE318", "const n: int = limit + 1", "limit + 1", ""),
    ("PE319", _when("subject.secret == {code: 1}"), "{code: 1}", "add `hint: …`"),
    ("PE319", "action x in api", "x", "add `cost: …`"),
    ("PE320", "action x in api having { cost: 1, prize: 2 }", "prize", ""),
    ("PE321", "action x by App", "x", "add `on …` here or to one of its groups"),
    ("PE322", "action x in api by User having { cost: 1 }", "x", ""),
    ("PE323", "action x in api with { why: int } having { cost: 1 }", "why", ""),
    ("PE324", _when("near(resource, resource)"), "near(resource, resource)", ""),
    ("PE324", _open("permit p: look oblige tell(resource)"), "tell(resource)", ""),
    ("PE324", _when("size() > 1"), "size()", ""),
    ("PE325", _when('resource == User "u" { name: "x" }'), 'User "u" { name: "x" }', ""),
    ("PE327", _when('User "u".name == "x"'), "name", ""),
    ("PE328", 'test "t" { expect deny look by App "a" on User "u" cause bad }', "bad", ""),
    # ---- tests
    ("PE301", 'test "t" { let a = App "a" { teir: pro } }', "teir", "did you mean `tier`?"),
    ("PE301", 'test "t" { expect allow look by App "a" on User "u" with { wy: {ads} } }', "wy", ""),
    ("PE303", 'test "t" { let a = App "a" under Org "o" }', 'Org "o"', ""),
    ("PE209", 'test "t" { expect deny look by App "a" on User "u" because open.nothing }',
     "nothing", ""),
    ("PE314", 'test "t" { expect allow look by App "a" on User "u" fields {nam} }', "nam", ""),
    ("PE314", 'test "t" { expect allow look by App "a" on User "u" asking {nam} }', "nam", ""),
    ("PE305", 'test "t" { expect deny look by App "a" on User "u" with {ads} }', "{ads}", ""),
    ("PE202", 'test "t" { expect deny look by App "a" on Usr "u" asking {name} }', "Usr", ""),
    ("PE210", 'test "t" { expect deny look by App "a" on User "u" oblige tel(1) }', "tel", ""),
    ("PE324", 'test "t" { expect deny look by App "a" on User "u" oblige tell(User "u") }',
     "tell", ""),
    (None, ('test "t" { let a = App "a" under {Team "t"} { tier: pro }\n'
     'expect allow look by a { tier: free } on User "u" with { why: {ads} } asking {name}\n'
     'fields {name} oblige tell(User "u", "x") refer "x" reason "y" cause permitted }'), "", ""),
    # ---- texts
    ("PE225", "define lower(a: string) = a", "lower", "choose another name"),
    ("PE225", "define size(a: string) = 1", "size", "choose another name"),
    ("PE225", "define ancestors(u: User) = u.friends", "ancestors", "choose another name"),
    ("PE305", _when("size(subject.count) > 1"), "subject.count", ""),
    ("PE305", _when("resource.name.length > 3"), "resource.name", "write `size(resource.name)`"),
    ("PE305", _when("subject.tags.count > 3"), "subject.tags", "write `size(subject.tags)`"),
    ("PE305", _when("subject.tags.first > 3"), "subject.tags", "ask `some x in subject.tags: condition`"),
    ("PE306", _when("lower(subject.tags) == {}"), "lower(subject.tags)", "it takes a string"),
    ("PE306", _when('subject.status startswith "a"'), 'subject.status startswith "a"',
     "it takes two strings"),
    ("PE306", _when('subject.tags contains "a"'), 'subject.tags contains "a"', 'write `"a" in subject.tags`'),
    ("PE306", _when('schedule "Mon 09:00-17:00 UTC" contains now'), 'schedule "Mon 09:00-17:00 UTC" contains now',
     'write `now within schedule "Mon 09:00-17:00 UTC"`'),
    ("PE305", _when('schedule "Mon 09:00-17:00 UTC" has now'), 'schedule "Mon 09:00-17:00 UTC"', "write `now within "),
    ("PE119", 'waiver w of open.p for App "a" until 2027-01-01 ticket LIB-7', "LIB", 'write `"LIB-7"`'),
    ("PE306", _when("subject.tags not contains subject.tags"),
     "subject.tags not contains subject.tags", "`subject.tags subset subject.tags`"),
    ("PE306", _when("resource.name endswith subject.tags"), "resource.name endswith subject.tags",
     "some part in subject.tags: resource.name endswith part"),
    ("PE306", _when('"a" not in resource.name'), '"a" not in resource.name', '`resource.name contains "a"`'),
    ("PE306", _when('subject in Team "staff"'), 'subject in Team "staff"', 'write `subject within Team "staff"`'),
    ("PE306", 'test "t" { let t = Team "t" {}\nlet a = App "a" in t }', 'App "a" in t', 'write `App "a" under Team "its id"`'),
    ("PE306", _when('subject.address in ip "10.0.0.0/8"'), 'subject.address in ip "10.0.0.0/8"',
     'write `subject.address within ip "10.0.0.0/8"`'),
    ("PE306", _when("subject.use in research"), "subject.use in research", "write `subject.use within research`"),
    ("PE306", _when('subject.address within "10.0.0.0/8"'), 'subject.address within "10.0.0.0/8"', '`ip "10.0.0.0/8"`'),
    ("PE306", _when('now within "Mon-Fri 09:00-17:00 Europe/Berlin"'), 'now within "Mon-Fri 09:00-17:00 Europe/Berlin"',
     "a schedule is written `schedule"),
    ("PE306", _when('resource.name startswith "a" + "b"'), '"a" + "b"', "texts are not joined"),
    ("PE324", _when('lower(resource.name, "a") == "a"'), 'lower(resource.name, "a")', ""),
    ("PE324", _when('lower() == "a"'), "lower()", ""),
    ("PE334", _when('lower(resource.name) == "Ann"'), '"Ann"', 'write `"ann"`'),
    ("PE334", _when('"Ann" != lower(resource.name)'), '"Ann"', 'write `"ann"`'),
    ("PE334", _when('lower(resource.name) in {"ann", "\u00c4B"}'), '"\u00c4B"', 'write `"\u00c4b"`'),
    ("PE334", _when('lower(resource.name) not endswith "N"'), '"N"', 'write `"n"`'),
    ("PE334", _when('lower(resource.name) like "A*"'), 'lower(resource.name) like "A*"', 'write `"a*"`'),
    ("PE334", _when('low(resource.name) startswith "A"') + "\ndefine low(a: string) = lower(a)",
     '"A"', 'write `"a"`'),
    ("PE334", _when('(if subject.count > 1 then lower(resource.name) else "a") == "A"'), '"A"', ""),
    ("PE334", _when('lower(resource.name) == (if subject.count > 1 then "a" else "A")'), '"A"', ""),
    ("PE334", _when('"A" in {lower(resource.name), "b"}'), '"A"', 'write `"a"`'),
    (None, _when('"A" in {lower(resource.name), "A"} or resource.name in {lower(resource.name), "A"}'), "", ""),
    (None, _when('(if subject.count > 1 then lower(resource.name) else resource.name) == "A"'), "", ""),
    (None, _when('lower("A") == lower(resource.name) and lower("ABC") == "abc"'), "", ""),
    (None, _when('"aB" startswith lower(resource.name) or "aB" contains lower(resource.name)'), "", ""),
    (None, _when('subject not has note or subject.note startswith "A"'), "", ""),
    (None, _when("if subject not has note then true else subject.note contains resource.name"), "", ""),
    (None, _when('not subject not has note and subject.note not like "a*"'), "", ""),
    ("PE302", _when('subject not has note and subject.note startswith "a"'), "subject.note", ""),
    ("PE307", _open('permit p: look when subject has contact because "{size(subject.contact)}"'),
     "subject.contact", ""),
    ("PE307", _open('permit p: look when subject has contact because "{lower(subject.contact)}"'),
     "subject.contact", ""),
]  # fmt: skip


def _check(text: str, limits: Limits | None = None) -> Diagnostics:
    _, found = check_sources({"t.policy": Source("t.policy", text)}, limits or Limits())
    return found


@pytest.mark.parametrize(("code", "text", "underlined", "help"), CASES)
def test_one_mistake_one_message(code: str | None, text: str, underlined: str, help: str) -> None:
    source = VOCABULARY + text + "\n"
    errors = _check(source).errors

    assert {e.code for e in errors} == ({code} if code else set()), errors
    if code:
        assert len(errors) == 1, errors
        span = errors[0].span
        assert underlined in source[span.start : span.end] or underlined == ""
        assert source[span.start : span.end].startswith(underlined)
        assert help in errors[0].help


def test_the_vocabulary_itself_is_sound() -> None:
    assert _check(VOCABULARY).items == ()


def test_all_mistakes_are_found_in_one_run() -> None:
    lines = [text for code, text, *_ in CASES if code and code.startswith("PE30")][:20]
    renamed = [line.replace("permit p:", f"permit p{n}:") for n, line in enumerate(lines)]

    found = {e.code for e in _check(VOCABULARY + "\n".join(renamed)).errors}

    assert {"PE301", "PE302", "PE303"} <= found


def test_at_most_a_hundred_are_shown() -> None:
    rules = "\n".join(_open(f"permit q{n}: look when nothing{n}") for n in range(150))

    found = _check(VOCABULARY + rules)

    assert (len(found.items), found.left_out) == (100, 50)


def test_an_action_that_a_gate_never_permits_is_a_warning() -> None:
    found = _check(VOCABULARY.replace("permit always: any", "permit always: look, call"))

    assert [(d.code, d.severity) for d in found.items] == [("PE311", Severity.WARNING)]
    assert "`open`" in found.items[0].message


def test_larger_sets_make_expressions_dearer() -> None:
    text = VOCABULARY + _when("some a in subject.tags: some b in subject.tags: a == b")

    assert _check(text).errors == ()
    assert [e.code for e in _check(text, Limits(set_size=5_000)).errors] == ["PE308"]


def test_numbers_are_bounded_through_records_and_calls():
    power = "define p(r: {a: int}) = r.a * r.a * r.a * r.a * r.a * r.a * r.a * r.a\n"
    long = " * ".join(["subject.count"] * 40)

    assert _check(VOCABULARY + power + _when("p({a: subject.count}) > 1")).errors == ()
    codes = [e.code for e in _check(VOCABULARY + power + _when(f"p({{a: {long}}}) > 1")).errors]
    assert codes == ["PE308"]
    calls = "define b(x: bool) = x == x\n" + _when("b(" * 20 + "subject.count > 1" + ")" * 20)
    assert _check(VOCABULARY + calls).errors == ()


def test_packages_see_what_they_import() -> None:
    other = "package o\nimport t\ngate open { forbid closed: look when subject.status == closed }\n"
    blind = other.replace("import t\n", "")
    opener = other.replace("forbid", "permit")

    def errors(*texts: str) -> list[str]:
        sources = {f"{n}.policy": Source(f"{n}.policy", text) for n, text in enumerate(texts)}
        return [f"{e.code} {e.help}" for e in check_sources(sources)[1].errors]

    assert errors(VOCABULARY, other) == []
    assert errors(VOCABULARY, blind) == ["PE206 `import t` brings it in"]
    assert errors(VOCABULARY, opener) == ["PE215 any package may forbid in it"]
    assert errors(VOCABULARY, "package o\nimport t\nconst n: int = t.limit") == []
    assert errors(VOCABULARY, "package o\nimport t\nconst n: Tier = t.Tier.pro") == []
    assert errors(VOCABULARY, "package o\nimport u") == ["PE207 "]
    assert errors("package a\nimport b", "package b\nimport a") == []


def test_a_long_chain_of_definitions_is_bounded_not_recursed_into() -> None:
    chain = "define f0(n: int) = n\n" + "".join(
        f"define f{n}(n: int) = f{n - 1}(n)\n" for n in range(1, 3_000)
    )

    assert {e.code for e in _check(VOCABULARY + chain).errors} == {"PE308"}


@pytest.mark.parametrize("display", ["{context.s}", "{}", "{context.s, {}}"])
def test_a_set_may_be_an_element(display):
    text = "package p\nentity U\nentity D\naction read by U on D with { s: set<datetime> }\n"
    checked, found = check_sources(
        {"p.policy": Source("p.policy", f"{text}permit p: read when context.s in {display}\n")}
    )

    assert checked is not None, found.items
