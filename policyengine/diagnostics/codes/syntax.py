"""List the codes of files, characters and syntax: PE1xx.

An example that begins with `$ ` is a command: what it shows is no text of a policy.
"""

from __future__ import annotations

from policyengine.diagnostics.codes.code import Code

_WORDS = """\
package docs
entity User { name: string, age: int, teams: set<string> }
entity Document { owner: User, title: string, tags: set<string>, public: bool }
action read by User on Document
"""

_PATHS = """\
package docs
entity User
entity File { path: path }
action open by User on File
"""

SYNTAX = (
    Code(
        "PE101", "unexpected-text", "Text that is not possible where it is.",
        "The message lists the possible texts if they are few. Common mistakes have codes of their "
        "own.",
        _WORDS + 'test "own" { expect read by User "u" on Document "d" }\n',
        _WORDS + 'test "own" { expect deny read by User "u" on Document "d" }\npermit own: read\n',
    ),
    Code(
        "PE102", "nested-too-deep", "Brackets or conditions that are nested too deep.",
        "The limit (100 unless the integrator sets another) keeps every later stage safe from texts "
        "that are made to exhaust it. Nobody can read text that is nested so deep.",
        "package docs\ndefine deep() = " + "(" * 101 + "true" + ")" * 101 + "\n",
        "package docs\ndefine flat() = true\n",
    ),
    Code(
        "PE103", "not-utf-8", "A file that is not UTF-8.",
        "Policies are text in UTF-8, with or without a byte-order mark. The message names the first "
        "byte that does not fit.",
        "$ iconv -t utf-16 docs.policy > wide.policy; policyengine check wide.policy",
        "$ iconv -f utf-16 -t utf-8 wide.policy > docs.policy; policyengine check docs.policy",
    ),
    Code(
        "PE104", "unsafe-character", "A character that hides something from readers.",
        "Characters that reverse the direction of text, that nobody sees or that steer a terminal "
        "let a reviewer read something else than the engine does. They are refused everywhere, in "
        "strings and comments, too. Where a string really needs one it is written as `\\u202e`.",
        'package docs\nconst note: string = "gnp\u202eexe"\n',
        'package docs\nconst note: string = "gnp\\u202eexe"\n',
    ),
    Code(
        "PE105", "not-ascii", "A character beyond ASCII outside strings and comments.",
        "Letters of other scripts imitate those of keywords and names: a Cyrillic `\u0435` looks like "
        "`e`. Strings and comments may contain any script.",
        'package docs\ngate acc\u0435ss "may they"\n',
        'package docs\ngate access "\u043c\u043e\u0433\u0443\u0442?"\n',
    ),
    Code(
        "PE106", "file-too-large", "A file with more characters than the limit.",
        "The limit (8,000,000 unless the integrator sets another) bounds the time and the memory "
        "that parsing takes.",
        "$ policyengine check everything.policy",
        "$ policyengine check folder-of-smaller-files",
    ),
    Code(
        "PE107", "unclosed-string", "A string that is not closed on its line.",
        "Strings never go on over the end of a line, so a forgotten quote does not swallow the "
        'rest of the file. `\\"` is a quote inside a string, `\\n` a line end.',
        _WORDS + 'permit own: read because "it is yours\n',
        _WORDS + 'permit own: read because "it is yours"\n',
    ),
    Code(
        "PE108", "unclosed-bracket", "A bracket that is not closed.",
        "The bracket that was opened is shown, and the place by which it should have been closed.",
        _WORDS + 'permit own: read\n    when (subject.age > 3\n    because "old enough"\n',
        _WORDS + 'permit own: read\n    when (subject.age > 3)\n    because "old enough"\n',
    ),
    Code(
        "PE109", "stray-bracket", "A closing bracket that closes nothing.",
        "Either it is one too many, or the bracket that it should close is missing before it.",
        _WORDS + "permit own: read when subject.age > 3)\n",
        _WORDS + "permit own: read when subject.age > 3\n",
    ),
    Code(
        "PE110", "foreign-notation", "An operator or a sign of another language.",
        "The language has one spelling for each thing: `and`, `or`, `not`, `==`, `!=`, `in`, "
        "`within`, `{a, b}`, `#` for comments. The help says which one was meant.",
        _WORDS + "permit own: read when resource.public && subject.age > 3\n",
        _WORDS + "permit own: read when resource.public and subject.age > 3\n",
    ),
    Code(
        "PE111", "chained-comparison", "A comparison of a comparison.",
        "In some languages `a < b < c` means that b is between, in others it compares a truth "
        "value with c. Here it is written out.",
        _WORDS + "permit own: read when 3 < subject.age < 99\n",
        _WORDS + "permit own: read when 3 < subject.age and subject.age < 99\n",
    ),
    Code(
        "PE112", "missing-sign", "A sign or a word that has to be there is missing.",
        "The help shows how the construct is written.",
        _WORDS + "permit own read\n",
        _WORDS + "permit own: read\n",
    ),
    Code(
        "PE113", "missing-operand", "An expression or an operator is missing.",
        "Two values side by side, or an operator with a value on one side only.",
        _WORDS + "permit own: read when subject.age >\n",
        _WORDS + "permit own: read when subject.age > 3\n",
    ),
    Code(
        "PE114", "missing-name", "A name, a type, a text or a date is missing.",
        "A keyword announced it and something else follows.",
        _WORDS + "permit : read\n",
        _WORDS + "permit own: read\n",
    ),
    Code(
        "PE115", "needs-parentheses", "A quantifier, an `if` or a `not` inside a stronger operator.",
        "`every`, `some` and `if` reach as far to the right as they can, and `not` binds less than "
        "a comparison. Inside a larger expression they are in parentheses, so that nobody has to "
        "know how far.",
        _WORDS + 'permit own: read when resource.public == some t in subject.teams: t == "a"\n',
        _WORDS + 'permit own: read when resource.public == (some t in subject.teams: t == "a")\n',
    ),
    Code(
        "PE116", "misplaced-frame", "A package or an import that is missing or comes too late.",
        "A file begins with `package NAME`, then come its imports, then its declarations.",
        "entity User\npackage docs\n",
        "package docs\nentity User\n",
    ),
    Code(
        "PE117", "unknown-keyword", "A word that begins no clause or declaration.",
        "Clauses, declarations and the steps of a test begin with reserved words. The help names "
        "the one that was probably meant.",
        _WORDS + 'permit own: read\n    becuase "it is yours"\n',
        _WORDS + 'permit own: read\n    because "it is yours"\n',
    ),
    Code(
        "PE118", "misplaced-word", "A clause or a declaration in the wrong place.",
        "Clauses are in rules, `expect` and `let` in tests, and a gate block holds rules only.",
        _WORDS + 'gate access "may they"\ngate access {\n    when subject.age > 3\n}\n',
        _WORDS + 'gate access "may they"\ngate access {\n    permit old: any when subject.age > 3\n}\n',
    ),
    Code(
        "PE119", "wrong-quotes", "Quotes that do not belong there, or a text without them.",
        "Texts are in quotes; names, numbers and dates do not.",
        _WORDS + 'permit "own": read\n',
        _WORDS + "permit own: read\n",
    ),
    Code(
        "PE120", "malformed-literal", "A number, a date, a duration or an address that is none.",
        "A date is written `2026-09-01`, a moment `2026-09-01T10:00:00Z`, a duration `1d12h` "
        '(`w`, `d`, `h`, `m`, `s`, `ms`, `us`), an address or network `ip "10.0.0.0/8"`. Numbers '
        "have at most 18 digits, no leading zeros and at most four decimal places.",
        _WORDS + "permit own: read from 2026-02-30\n",
        _WORDS + "permit own: read from 2026-02-28\n",
    ),
    Code(
        "PE121", "reserved-word", "A reserved word where a name is wanted.",
        "Reserved words may name attributes, and nothing else.",
        _WORDS + "permit when: read\n",
        _WORDS + "permit whenever: read\n",
    ),
    Code(
        "PE122", "part-given-twice", "A part that is written twice.",
        "Two lists of types, or two sets of attributes, would leave open which one counts.",
        "package docs\nentity User\nentity Document\naction read by User on Document by User\n",
        "package docs\nentity User\nentity Document\naction read by User on Document\npermit p: read\n",
    ),
    Code(
        "PE123", "unknown-escape", "A backslash in a string that escapes nothing.",
        'Escapes are `\\"`, `\\\\`, `\\n`, `\\t` and `\\u` with four hexadecimal digits.',
        _WORDS + 'permit own: read because "50\\% of it"\n',
        _WORDS + 'permit own: read because "50% of it"\n',
    ),
    Code(
        "PE124", "malformed-braces", "Braces in a text that do not fit together.",
        "In `because`, `otherwise` and `refer`, `{…}` shows the value of an expression, in which no "
        "string is possible; `{{` and `}}` are braces.",
        _WORDS + 'permit own: read because "a set { of things"\n',
        _WORDS + 'permit own: read because "a set {{ of things"\n',
    ),
    Code(
        "PE125", "incomplete-if", "An `if` without `then` or `else`.",
        "An `if` is an expression, so it has a value either way.",
        _WORDS + "permit own: read when if resource.public then subject.age > 3\n",
        _WORDS + "permit own: read when if resource.public then subject.age > 3 else false\n",
    ),
    Code(
        "PE126", "not-callable", "A call of something that cannot be called.",
        "Definitions, `size` and `lower` are called by their names; there are no methods.",
        _WORDS + "permit own: read when subject.teams.size() > 3\n",
        _WORDS + "permit own: read when size(subject.teams) > 3\n",
    ),
    Code(
        "PE130", "unreadable-file", "A file or folder that cannot be read.",
        "It does not exist, the user of the command may not read it, or it is something else: a pipe, "
        "a device or a socket, which might never end, or a link to a folder inside a folder, which might lead anywhere.",
        "$ policyengine check missing.policy",
        "$ policyengine check existing.policy",
    ),
    Code(
        "PE131", "no-policies", "No policies: a folder without policy files, or nothing at all.",
        "In folders, files whose names end in `.policy` are read, in the folders inside them, too.",
        "$ mkdir empty; policyengine check empty",
        "$ policyengine init new; policyengine check new",
    ),
    Code(
        "PE132", "too-many-files", "A policy set of more files than the limit.",
        "The limit (100,000 unless the integrator sets another) keeps a folder that was named by "
        "mistake from being read whole.",
        "$ policyengine check /",
        "$ policyengine check policies",
    ),
    Code(
        "PE135", "malformed-path", "A path, or a pattern of paths, that is not written as one.",
        "Every path has one spelling: `/` is the root, any other is `/` and a segment, as often as needed. So "
        "there is no `/` at the end, no `//`, no `.` or `..`, no segment that ends with a dot or a space, no "
        "control character, and none of `%`, `\\`, `?`, `#` and `;`, which servers read in different ways. A "
        "`*` is in patterns only: there it is any text inside one segment, and `**`, alone in its segment, any "
        "number of segments. A path has at most 4,096 characters and 256 segments.",
        _PATHS + 'permit own: open when resource.path within path "/public/../admin"\n',
        _PATHS + 'permit own: open when resource.path within path "/admin"\n',
    ),
    Code(
        "PE136", "misplaced-path", "A path that is written as if it were an entity, or an entity as a pattern.",
        'A path is `path "/public"`, without attributes or parents. A pattern is `like "a*"` of strings, and '
        '`like path "/a/*"` of paths.',
        _PATHS + 'permit own: open when resource.path like File "/users/*/profile"\n',
        _PATHS + 'permit own: open when resource.path like path "/users/*/profile"\n',
    ),
    Code(
        "PE137", "malformed-schedule", "A schedule that is not written as one.",
        "Intervals are separated by commas: days (`Mon` to `Sun`, several with spaces, or a range), then "
        "times of day (`HH:MM-HH:MM`). Without days it is every day; an end before the begin is on the "
        "next day. The time zone comes last, once.",
        _WORDS + 'const opening: schedule = schedule "Mon-Fri 9:00-25:00 Europe/Berlin"\n',
        _WORDS + 'const opening: schedule = schedule "Mon-Fri 09:00-17:00 Europe/Berlin"\n',
    ),
    Code(
        "PE141", "quoted-key", "The name of an attribute in quotes.",
        "Attributes are names. Only a row of a table may be quoted, since it is an enumerator, which may be "
        "no name.",
        _WORDS + 'const place: {city: string} = {"city": "Graz"}\n',
        _WORDS + 'const place: {city: string} = {city: "Graz"}\n',
    ),
    Code(
        "PE143", "misplaced-table", "A `->` that is not in the type of a constant.",
        "A table is a constant of the policy, and no value that a request, a parameter or an attribute "
        "could have.",
        _WORDS + "enum Plan = free | paid\ndefine most(limits: Plan -> int, plan: Plan) = limits[plan]\n",
        _WORDS + "enum Plan = free | paid\nconst limits: Plan -> int = { free: 10, paid: 100 }\n"
        "define most(plan: Plan) = limits[plan]\n",
    ),
    Code(
        "PE144", "malformed-note", "A note after a type that is none.",
        "It says who can change an attribute, or what an int of a context counts.",
        _WORDS + "action send by User with { sent: int (sum of Document by subject per day) } on Document\n",
        _WORDS + "action send by User with { sent: int (count of Document by subject per day) } on Document\n",
    ),
    Code(
        "PE145", "misplaced-exception", "An `except` that does not follow `any`, or what cannot be excepted.",
        "`any by User on Document except read, edit` is everything that `any` covers there but those actions and "
        "the members of those groups. `except` comes last, and lists actions and groups; conditions are those of "
        "the rule.",
        _WORDS + "action edit by User on Document\npermit p: any except edit on Document\n",
        _WORDS + "action edit by User on Document\npermit p: any on Document except edit\n",
    ),
    Code(
        "PE146", "malformed-range", "A range of a gate that does not begin with `for`, or has conditions.",
        "What follows `for` is written as what a rule covers: actions and groups or `any`, `by` and `on`. The rules "
        "of the gate are in a block of its own.",
        _WORDS + 'gate money "?" on Document\ngate money { permit p: any }\n',
        _WORDS + 'gate money "?" for any on Document\ngate money { permit p: any }\n',
    ),
    Code(
        "PE147", "foreign-list", "A list of actions, types or fields in the form of another language.",
        "Actions, types and fields are listed with commas, without brackets and without `and`. `any` stands for every "
        "action.",
        _WORDS + "permit own: read or print\naction print by User on Document\n",
        _WORDS + "permit own: read, print\naction print by User on Document\n",
    ),
    Code(
        "PE148", "foreign-type", "A type in the form of another language.",
        "There are `set<T>` and records `{name: T}`, and no lists or maps. A `?` after the name of an attribute says "
        "that it may be absent; a choice of values is declared as an `enum`. Attributes have no values of their own.",
        "package docs\nentity Shelf { books: list<string>, owner: string }\n",
        "package docs\nentity Shelf { books: set<string>, owner: string }\n",
    ),
    Code(
        "PE149", "foreign-clause", "A clause or the head of a rule in the form of another language.",
        "Clauses have no colons and no brackets, conditions are joined with `and`, and a text is one string. The "
        "effect of a rule is its first word but for `advisory`.",
        _WORDS + "permit own: read when: resource.public\n",
        _WORDS + "permit own: read when resource.public\n",
    ),
)  # fmt: skip
