"""List the codes of types and soundness: PE3xx."""

from __future__ import annotations

from policyengine.diagnostics.codes.code import Code

_WORDS = """\
package docs
levels Clearance = public < internal < secret
enum Status = draft | published
entity Folder
entity User { clearance: Clearance, teams: set<string>, email?: private string, age: int }
entity Document in Folder { status: Status, owner: User, price: decimal, editor?: User }
entity Image { owner: User }
action read, edit by User on Document
"""

_NAMES = ", ".join(f"E{n}" for n in range(46))
_MANY_TYPES = "package docs\n" + "".join(f"entity E{n} {{ n: int }}\n" for n in range(46))
_EVERY_TYPE = f"action read by {_NAMES} on {_NAMES}\n"

TYPES = (
    Code(
        "PE301", "unknown-attribute", "An attribute that the type does not have.",
        "Reading it could never succeed.",
        _WORDS + "permit p: any when subject.clearence >= internal\n",
        _WORDS + "permit p: any when subject.clearance >= internal\n",
    ),
    Code(
        "PE302", "unguarded-attribute", "An optional attribute that is read where it may be absent.",
        "A rule that could fail does not load. Ask with `has` first: what is known flows left to "
        "right through `and`, `if` and the clauses into `because`, `fields` and `oblige`; not into "
        "`otherwise`, through a definition or out of a quantifier.",
        _WORDS + "permit p: any when resource.editor == subject\n",
        _WORDS + "permit p: any when resource has editor and resource.editor == subject\n",
    ),
    Code(
        "PE303", "impossible-comparison", "A comparison of things that can never be equal.",
        "It would always be false, which is never what was meant.",
        _WORDS + "permit p: any when resource.price == 5\n",
        _WORDS + "permit p: any when resource.price == 5.0\n",
    ),
    Code(
        "PE304", "foreign-enumerator", "An enumerator of another type than the one wanted.",
        "Each enumeration has its own names; that two have the same names means nothing.",
        _WORDS + "permit p: any when resource.status == secret\n",
        _WORDS + "permit p: any when resource.status == published\n",
    ),
    Code(
        "PE305", "wrong-type", "A value of another type than the one wanted.",
        "There is no implicit conversion, and only a bool is true or false.",
        _WORDS + "permit p: any when subject.teams\n",
        _WORDS + "permit p: any when size(subject.teams) > 0\n",
    ),
    Code(
        "PE306", "wrong-operands", "An operator that does not apply to its operands.",
        "Every operation is total on the types it takes, so it takes no others.",
        _WORDS + "permit p: any when subject.age + subject.clearance > 3\n",
        _WORDS + "permit p: any when subject.age + 1 > 3\n",
    ),
    Code(
        "PE307", "shown-private-value", "A private value that would flow into a text or obligation.",
        "What is marked `private` never leaves the engine: not through a reason, a record, a "
        "definition or a branch that depends on it.",
        _WORDS + 'permit p: any when subject has email because "{subject.email} may read"\n',
        _WORDS + 'permit p: any when subject has email because "{subject} may read"\n',
    ),
    Code(
        "PE308", "costly-expression", "An expression or a rule over its bound.",
        "Every decision takes a bounded time: what a rule takes, with its texts and obligations, is "
        "worked out when it is checked, with definitions inlined and every set at its limit. "
        "`Limits(expression_size=…, expression_cost=…)` allows more.",
        _WORDS + "permit p: any when some a in subject.teams: some b in subject.teams: "
        "some c in subject.teams: a == b and b == c\n",
        _WORDS + "permit p: any when some a in subject.teams: some b in subject.teams: a != b\n",
    ),
    Code(
        "PE309", "uncovered-action", "A rule that is wrong for one of the actions it covers.",
        "`any` and groups cover many actions. A rule is never passed over for one of them; it is "
        "narrowed instead.",
        _WORDS + "action view by User on Image\n"
        "permit p: any when resource.owner == subject\npermit q: any when resource.status == draft\n",
        _WORDS + "action view by User on Image\n"
        "permit p: any when resource.owner == subject\n"
        "permit q: read, edit when resource.status == draft\n",
    ),
    Code(
        "PE310", "empty-target", "A rule that covers no action.",
        "It would never apply.",
        _WORDS + "permit p: any\nforbid q: read on Image\n",
        _WORDS + "permit p: any\nforbid q: read on Document\n",
    ),
    Code(
        "PE311", "unpermitted-action", "An action that some gate can never permit.",
        "A gate without a permit for an action always denies it. This is a warning, since a policy "
        "may be written in steps.",
        _WORDS + "permit p: read\n",
        _WORDS + "permit p: read, edit\n",
    ),
    Code(
        "PE312", "incomplete-waiver", "A waiver without a date, a ticket, an approver, or any word on what it is for.",
        "An exception ends, and somebody answers for it.",
        _WORDS + 'permit p: any waivable\nwaiver w of p for User "u" ticket "T" approved_by "x"\n',
        _WORDS + 'permit p: any waivable\nwaiver w of p for User "u" until 2027-01-31 ticket "T" '
        'approved_by "x"\n',
    ),
    Code(
        "PE313", "improper-waiver", "A waiver of a rule that is not waivable, or for a stranger to it.",
        "The author of a rule decides whether there may be exceptions. A waiver never touches a "
        "forbid, and is for a subject and on a resource that the rule may see, or that may lie in the entity named.",
        _WORDS + 'permit p: any\nwaiver w of p for User "u" until 2027-01-31 ticket "T" '
        'approved_by "x"\n',
        _WORDS + 'permit p: any waivable\nwaiver w of p for User "u" until 2027-01-31 ticket "T" '
        'approved_by "x"\n',
    ),
    Code(
        "PE314", "unknown-field", "A field that the resource does not have.",
        "Fields are attributes of the resource, and `id`.",
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields statuss }\n',
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields status }\n',
    ),
    Code(
        "PE315", "misplaced-clause", "A clause or an effect that has no meaning there.",
        "Only field gates have `fields` and `expose`; a forbid gives nothing, so it has no fields; only a permit "
        "can be waived; a forbid says `because`, and never `otherwise`.",
        _WORDS + "permit p: any fields all\n",
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields all }\n',
    ),
    Code(
        "PE316", "repeated-clause", "A clause that is written twice and is allowed once.",
        "Conditions and obligations add up; texts, dates and fields do not.",
        _WORDS + 'permit p: any because "a" because "b"\n',
        _WORDS + 'permit p: any because "a and b"\n',
    ),
    Code(
        "PE317", "untyped-braces", "`{}` where nothing says what it holds.",
        "The empty set takes its type from what it is compared with.",
        _WORDS + "permit p: any when size({}) == 0\n",
        _WORDS + "permit p: any when subject.teams == {}\n",
    ),
    Code(
        "PE318", "computed-constant", "A constant that is computed.",
        "Constants are written out, so that a reader sees their value.",
        "package docs\nconst limit: int = 2 + 3\n",
        "package docs\nconst limit: int = 5\n",
    ),
    Code(
        "PE319", "missing-part", "A record or an action without something that it must give.",
        "Only what is marked `?` may be left out.",
        "package docs\nentity User\ngroup api by User on User having { needs: set<string> }\n"
        "action read in api\npermit p: any\n",
        "package docs\nentity User\ngroup api by User on User having { needs: set<string> }\n"
        'action read in api having { needs: {"read"} }\npermit p: any\n',
    ),
    Code(
        "PE320", "undeclared-constant", "A `having` constant that no group of the action declares.",
        "The group says which constants its actions give, and of which type.",
        "package docs\nentity User\naction read by User on User having { cost: 3 }\npermit p: any\n",
        "package docs\nentity User\ngroup api having { cost: int }\n"
        "action read in api by User on User having { cost: 3 }\npermit p: any\n",
    ),
    Code(
        "PE321", "untyped-action", "An action of which nothing says who does it, or on what.",
        "The types of subject and resource decide what a rule may read.",
        "package docs\nentity User\naction read by User\n",
        "package docs\nentity User\naction read by User on User\n",
    ),
    Code(
        "PE322", "conflicting-types", "An action whose types do not fit those of its groups.",
        "A rule for the group covers all its members, so they keep to its types.",
        "package docs\nentity User\nentity App\ngroup api by App on User\n"
        "action read in api by User\npermit p: any\n",
        "package docs\nentity User\nentity App\ngroup api by App, User on User\n"
        "action read in api by User\npermit p: any\n",
    ),
    Code(
        "PE323", "conflicting-context", "An attribute of the context that is declared in two ways.",
        "An action has the context of all its groups; one name has one type there.",
        "package docs\nentity User\ngroup a by User on User with { n: int }\n"
        "group b with { n: string }\naction read in a, b\npermit p: any\n",
        "package docs\nentity User\ngroup a by User on User with { n: int }\n"
        "group b with { m: string }\naction read in a, b\npermit p: any\n",
    ),
    Code(
        "PE324", "wrong-arguments", "A call with too few or too many arguments.",
        "Parameters have no defaults.",
        _WORDS + "define old(u: User) = u.age > 60\npermit p: any when old(subject, 3)\n",
        _WORDS + "define old(u: User) = u.age > 60\npermit p: any when old(subject)\n",
    ),
    Code(
        "PE325", "entity-in-rule", "An entity that is written out or changed outside a test.",
        'A rule reads what the request gives. An entity may be named: `Folder "public"`.',
        _WORDS + 'permit p: any when resource within Folder "public" {}\n',
        _WORDS + 'permit p: any when resource within Folder "public"\n',
    ),
    Code(
        "PE327", "unknown-entity", "An attribute of an entity that is only named.",
        "The engine knows the entities that belong to the request, and no others.",
        _WORDS + 'permit p: any when User "root".age > 3\n',
        _WORDS + 'permit p: any when subject == User "root"\n',
    ),
    Code(
        "PE328", "unknown-cause", "A cause that no decision has.",
        "A decision is `permitted`, `not_permitted`, `forbidden`, `error` or `invalid_request`.",
        _WORDS + "permit p: read\n"
        'test "t" { expect deny edit by User "u" on Document "d" cause unpermitted }\n',
        _WORDS + "permit p: read\n"
        'test "t" { expect deny edit by User "u" on Document "d" cause not_permitted }\n',
    ),
    Code(
        "PE329", "useless-asking", "Fields asked for where no field gate applies.",
        "Which fields may be seen is decided by the field gates that apply to the action and its types.",
        _WORDS + "permit p: any\n"
        'test "t" { expect allow read by User "u" on Document "d" asking {status} }\n',
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields status }\n'
        'test "t" { expect allow read by User "u" on Document "d" asking {status} }\n',
    ),
    Code(
        "PE330", "incomplete-table", "A table of expectations that leaves out a value.",
        "The author of a new enumerator is to decide what it may do, and not find out later.",
        _WORDS + "permit p: any when subject.clearance >= internal\n"
        'test "t" {\n    for level in Clearance: read by User "u" { clearance: level } on Document "d"\n'
        "        expect { public: deny  secret: allow }\n}\n",
        _WORDS + "permit p: any when subject.clearance >= internal\n"
        'test "t" {\n    for level in Clearance: read by User "u" { clearance: level } on Document "d"\n'
        "        expect { public: deny  internal, secret: allow }\n}\n",
    ),
    Code(
        "PE331", "costly-target", "Rules for one target that together are over its bound.",
        "A request is decided by all rules that cover its target. What they take together is worked "
        "out as for one rule; the longer a policy set is, the more is allowed. "
        "`Limits(target_size=…, target_cost=…)` allows more.",
        _WORDS + "".join(
            f"permit p{n}: read when size(subject.teams) > {n} and (some a in subject.teams: "
            f"some b in subject.teams: a != b)\n" for n in range(6)
        ),
        _WORDS + "".join(
            f"permit p{n}: read when size(subject.teams) > {n}\n" for n in range(6)
        ),
    ),
    Code(
        "PE332", "excessive-coverage", "Rules that cover too much.",
        "A rule is checked for each combination of types that it meets, and covers each of its "
        "targets. The parts of all rules are counted so, and bounded in proportion to the text: a "
        "short text must not buy hours of work. `Limits(coverage=…)` allows more.",
        _MANY_TYPES + _EVERY_TYPE + "".join(
            f"permit p{n}: read when subject.n + resource.n > {n}\n" for n in range(5)
        ),
        _MANY_TYPES + _EVERY_TYPE + "".join(
            f"permit p{n}: read by E{n} when subject.n + resource.n > {n}\n" for n in range(5)
        ),
    ),
    Code(
        "PE333", "too-many-targets", "An action with which a policy set has too many targets.",
        "A target is an action with the types of its subject and resource: an action by ten types on "
        "ten others has a hundred. The longer a policy set is, the more it may have. "
        "`Limits(targets=…)` allows more.",
        _MANY_TYPES + _EVERY_TYPE + _EVERY_TYPE.replace("read", "edit, show, send, list"),
        _MANY_TYPES + _EVERY_TYPE + "action edit, show, send, list by E0 on E1\n",
    ),
    Code(
        "PE334", "capital-beside-lower", "A constant with a capital that is compared with `lower(…)`.",
        "`lower` gives a string without capitals, so the comparison would never hold, or always.",
        _WORDS + 'permit p: read when lower(subject.id) endswith "@Example.com"\n',
        _WORDS + 'permit p: read when lower(subject.id) endswith "@example.com"\n',
    ),
    Code(
        "PE340", "misplaced-schedule", "A schedule where only values of requests may be.",
        "A schedule is a constant of the policy: no attribute, no argument of an obligation, and no part "
        "of a set or a record. It may be a `const` or a parameter of a `define`.",
        _WORDS + "entity Office { opening: schedule }\npermit p: any\n",
        _WORDS + 'const opening: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"\n'
        "permit p: any when now within opening\n",
    ),
    Code(
        "PE341", "unsteady-time", "A time before a schedule that does not go with the clock.",
        "A decision says until when it holds. That is known of `now`, of `now` and a duration that does "
        "not read `now`, and of what does not read `now` at all; definitions are looked into.",
        _WORDS + 'permit p: any when (if now > 2027-01-01 then now else 2026-06-01) within schedule '
        '"09:00-17:00 UTC"\n',
        _WORDS + 'permit p: any when now > 2027-01-01 and now within schedule "09:00-17:00 UTC"\n',
    ),
    Code(
        "PE342", "months-on-now", "Months that are added to the time, or taken from it.",
        "Months have different lengths, so it cannot be said when `now - 6mo` passes a moment. Add them to "
        "the other side: `x + 6mo > now` turns at one known moment. The two differ at the ends of months, "
        "where the day is cut. Definitions are looked into, and conditions count.",
        _WORDS + "entity Contract { signed: datetime }\naction see by User on Contract\n"
        "permit p: see when now - 6mo < resource.signed\n",
        _WORDS + "entity Contract { signed: datetime }\naction see by User on Contract\n"
        "permit p: see when resource.signed + 6mo > now\n",
    ),
    Code(
        "PE345", "unusable-key", "A table over a type that has no list of names.",
        "A table has a row for each name of an enum, levels or a taxonomy, so that a look-up cannot fail.",
        _WORDS + "const rooms: int -> int = { one: 1 }\n",
        _WORDS + "const rooms: Clearance -> int = { public: 1, internal: 10, secret: 100 }\n",
    ),
    Code(
        "PE346", "missing-row", "A table without a row for each name.",
        "A look-up cannot fail: who adds a name decides which row it has. A term of a taxonomy without a row has that of "
        "its parent.",
        _WORDS + "const rooms: Clearance -> int = { public: 1, internal: 10 }\n",
        _WORDS + "const rooms: Clearance -> int = { public: 1, internal: 10, secret: 100 }\n",
    ),
    Code(
        "PE347", "table-as-value", "A table where a value is wanted.",
        "Tables are not compared, passed or shown; what one of their rows has is.",
        _WORDS + "const rooms: Clearance -> int = { public: 1, internal: 10, secret: 100 }\npermit p: any when subject.age > rooms\n",
        _WORDS + "const rooms: Clearance -> int = { public: 1, internal: 10, secret: 100 }\npermit p: any when subject.age > rooms[subject.clearance]\n",
    ),
    Code(
        "PE348", "no-table", "Brackets after something that is no table.",
        "Sets and strings have no positions: ask whether something `in` a set.",
        _WORDS + 'permit p: any when subject.teams["red"]\n',
        _WORDS + 'permit p: any when "red" in subject.teams\n',
    ),
    Code(
        "PE349", "misplaced-context", "Something else where a test gives a context, or a context in the place of something else.",
        "After `with` there is a record, written out or named by a `let`; `by` and `on` are followed by entities.",
        _WORDS + "permit p: any\n"
        'test "t" { expect allow read by User "u" on Document "d" with User "u" }\n',
        _WORDS + "permit p: any\nlet nothing = {}\n"
        'test "t" { expect allow read by User "u" on Document "d" with nothing }\n',
    ),
    Code(
        "PE350", "outside-range", "An action in a gate that does not apply to it.",
        "A gate that was declared with `for` is asked for nothing else. A group counts for those of its types to "
        "which the gate applies, but each of its actions must have some. A forbid on everything is in a gate "
        "without `for`.",
        _WORDS + 'gate all_of_it "?"\ngate changes "?" for edit\ngate all_of_it { permit p: any }\n'
        "gate changes { permit q: edit forbid r: read when subject.age < 18 }\n",
        _WORDS + 'gate all_of_it "?"\ngate changes "?" for edit\n'
        "gate all_of_it { permit p: any forbid r: read when subject.age < 18 }\ngate changes { permit q: edit }\n",
    ),
    Code(
        "PE351", "idle-exception", "An exception that takes nothing away.",
        "What it names is not covered anyway, or another exception takes it away. A reader would think that it "
        "has an effect.",
        _WORDS + "action draw by User on Image\npermit p: any on Document except draw\npermit q: draw\n",
        _WORDS + "action draw by User on Image\npermit p: any on Document\npermit q: draw\n",
    ),
    Code(
        "PE352", "ungated-action", "An action, with its types, to which no gate applies.",
        "Nothing would be asked before it is allowed. Prefer `for any on Document` to a list of actions, so that "
        "an action that is added later is covered.",
        _WORDS + 'gate changes "?" for edit\ngate changes { permit p: edit }\n',
        _WORDS + 'gate changes "?" for any on Document\ngate changes { permit p: any }\n',
    ),
    Code(
        "PE355", "unknown-mask", "A mask that the type of the field does not take.",
        "A datetime is shown as `present`, `year`, `month` or `day`, a decimal as `present` or `digits(0)` to "
        "`digits(3)`, a string or a reference as `present` or `pseudonym`, anything else as `present`. A record "
        "takes a mask that all its parts take.",
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields id as year }\n',
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields id as pseudonym }\n',
    ),
    Code(
        "PE356", "repeated-field", "A field that stands twice in one list.",
        "A rule shows a field in one way. Where another shows it in another way, the one counts that shows more.",
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields id, id as present }\n',
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields id }\n',
    ),
    Code(
        "PE357", "useless-never-expose", "An invariant about fields in a set without a field gate.",
        "Where no gate is asked which fields may be seen, every allow shows all of them.",
        _WORDS + "permit p: any\ninvariant i: never expose status of any\n",
        _WORDS + 'field gate view "?"\ngate view { permit p: any fields id }\n'
        "invariant i: never expose status of any\n",
    ),
    Code(
        "PE358", "broken-invariant", "An invariant that some request breaks.",
        "The request is allowed, by all gates and against no forbid, or shows a field, and the invariant says never. "
        "`policyengine prove` writes it as a test, which fails until the rules are mended. Either they allow too much, "
        "or the invariant promises too much. It keeps no set from loading: deciding proves nothing.",
        _WORDS + "permit p: read\ninvariant i: never allow read when subject.age < 18\n",
        _WORDS + 'permit p: read\nforbid f: read when subject.age < 18 because "too young"\n'
        "invariant i: never allow read when subject.age < 18\n",
    ),
    Code(
        "PE361", "malformed-ancestors", "A call of `ancestors` without an entity and a type.",
        "`ancestors(resource, Folder)` is the set of the folders within which the resource lies: the type "
        "says which of its ancestors are meant.",
        _WORDS + "permit p: any when size(ancestors(resource)) > 0\n",
        _WORDS + "permit p: any when size(ancestors(resource, Folder)) > 0\n",
    ),
)  # fmt: skip
