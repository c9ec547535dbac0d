"""List the codes of data that does not fit the schema: PE5xx.

An example is a request for the policy set `WORDS` as JSON or, where it begins with `[`, a store of
entities; that of PE528 and of PE560 on is Python. `SMALL` are the limits under which the examples of sizes are too
large.
"""

from __future__ import annotations

from typing import Final

from policyengine.diagnostics.codes.code import Code

WORDS: Final = """\
package library
levels Rank = guest < member < librarian
entity Shelf in Shelf
entity Reader { rank: Rank, fines: decimal, card?: private string, friends: set<Reader> }
entity Book in Shelf { title: string, loans: int, tags: set<string>, due?: datetime, owner?: Reader, file?: path }
group visit
action read, borrow in visit by Reader on Book with { from?: ip }
permit members: any when subject.rank >= member
permit good_books: borrow when resource within Shelf "open"
permit of_friends: read when resource has owner and resource.owner.rank >= member
"""

SMALL: Final = {"set_size": 3, "document_depth": 8}

_READER = '{"type": "Reader", "id": "r1", "properties": {"rank": "member"}}'
_BOOK = '{"type": "Book", "id": "b1"}'


def _request(
    *,
    subject: str = _READER,
    action: str = '{"name": "read"}',
    resource: str = _BOOK,
    more: str = "",
) -> str:
    return f'{{"subject": {subject},\n "action": {action},\n "resource": {resource}{more}}}\n'


_RIGHT = _request()

_IN_SHELF = (
    '{"type": "Book", "id": "b1", "parents": [{"type": "Shelf", "id": "open"}]}',
    ',\n "entities": [{"type": "Shelf", "id": "open", "parents": []}]',
)


def _reader(properties: str) -> str:
    given = f', "properties": {{"rank": "member", {properties}}}'
    return f'{{"type": "Reader", "id": "r1"{given}}}'


def _book(properties: str) -> str:
    return f'{{"type": "Book", "id": "b1", "properties": {{{properties}}}}}'


DATA = (
    Code(
        "PE501", "unknown-action", "An action that is not declared, or a group of actions.",
        "What nobody declared, no rule permits; a group is a word for rules and not a thing to do.",
        _request(action='{"name": "visit"}'),
        _RIGHT,
    ),
    Code(
        "PE502", "misplaced-entity", "An entity of a type that is not possible there.",
        "An action says who does it and on what, and an attribute of which type its entity is.",
        _request(subject=_BOOK),
        _RIGHT,
    ),
    Code(
        "PE503", "unknown-entity-type", "An entity of a type that is not declared.",
        "Nothing is known of it that a rule could ask for.",
        _request(resource='{"type": "Boook", "id": "b1"}'),
        _RIGHT,
    ),
    Code(
        "PE504", "unknown-property", "An attribute that the type does not have.",
        "A misspelt attribute would be missing where a rule reads it, and its absence may count.",
        _request(resource=_book('"titel": "Emma"')),
        _request(resource=_book('"title": "Emma"')),
    ),
    Code(
        "PE505", "wrong-value", "A value of another type than the one declared.",
        "Nothing is converted: `1` is not `true`, one string is not a set of strings, there is no "
        "null. What is optional is left out.",
        _request(resource=_book('"tags": "novel"')),
        _request(resource=_book('"tags": ["novel"]')),
    ),
    Code(
        "PE506", "unknown-value", "A name that an enumeration, levels or taxonomy does not have.",
        "The vocabulary is closed. The name of a taxonomy is none of its terms.",
        _request(subject='{"type": "Reader", "id": "r1", "properties": {"rank": "membre"}}'),
        _RIGHT,
    ),
    Code(
        "PE507", "missing-value", "An attribute that rules for the action read, and that is not given.",
        "What no rule reads may be left out. What one may read must be there: a decision never "
        "depends on what was forgotten.",
        _request(subject='{"type": "Reader", "id": "r1"}'),
        _RIGHT,
    ),
    Code(
        "PE508", "missing-entity", "An entity that rules read, and that is only referred to.",
        "A reference is a type and an id. The entity itself is brought along in `entities`, or "
        "known from a store.",
        _request(resource=_book('"owner": {"type": "Reader", "id": "r2"}')),
        _request(
            resource=_book('"owner": {"type": "Reader", "id": "r2"}'),
            more=',\n "entities": [{"type": "Reader", "id": "r2", "properties": {"rank": "guest"}}]',
        ),
    ),
    Code(
        "PE509", "missing-ancestor", "Ancestors that a rule asks for, and that are not known.",
        "Where `within` or `ancestors` may look at an entity, it and all its ancestors are given, each with its "
        "`parents`; an empty list says that there are none.",
        _request(action='{"name": "borrow"}'),
        _request(action='{"name": "borrow"}', resource=_IN_SHELF[0], more=_IN_SHELF[1]),
    ),
    Code(
        "PE510", "contradicting-entities", "One entity that is given twice, with unequal content.",
        "Which of the two is true is not for the engine to guess.",
        _request(
            more=',\n "entities": [{"type": "Reader", "id": "r1", "properties": {"rank": "guest"}}]'
        ),
        _request(more=f',\n "entities": [{_READER}]'),
    ),
    Code(
        "PE511", "repeated-element", "An element that is in a set twice.",
        "A set has each element once; a list that has one twice was meant to be something else.",
        _request(resource=_book('"tags": ["novel", "novel"]')),
        _request(resource=_book('"tags": ["novel", "classic"]')),
    ),
    Code(
        "PE512", "overlong-number", "A number, date or duration that is out of range.",
        "Ints and decimals have at most 18 digits, durations as many microseconds, and years are "
        "those from 1 to 9999. So no computation can grow without bound.",
        _request(resource=_book('"loans": 1234567890123456789')),
        _request(resource=_book('"loans": 123456789012345678')),
    ),
    Code(
        "PE513", "malformed-value", "A decimal, date, duration or address that is not written as one.",
        "In JSON these are strings: `1.50`, `2026-09-01T10:00:00Z`, `1d12h`, `10.0.0.0/8`. A time "
        "needs an offset from UTC; a date alone is its midnight in UTC.",
        _request(resource=_book('"due": "2026-09-01T10:00"')),
        _request(resource=_book('"due": "2026-09-01T10:00:00+02:00"')),
    ),
    Code(
        "PE514", "too-large", "A set, a string, a number of ancestors, a document or a request over its limit.",
        "The sender of a request must not be able to make it costly. The limits are the "
        "integrator's to set (`Limits`).",
        _request(resource=_book('"tags": ["a", "b", "c", "d"]')),
        _request(resource=_book('"tags": ["a", "b", "c"]')),
    ),
    Code(
        "PE515", "broken-text", "Text that cannot be written in UTF-8.",
        "Half of a surrogate pair is no character, and two texts that differ only in such would "
        "look the same in every log.",
        _request(resource=_book('"title": "\\ud83d"')),
        _request(resource=_book('"title": "\\ud83d\\ude00"')),
    ),
    Code(
        "PE516", "no-json", "A document that is not JSON.",
        "Comments, trailing commas and single quotes are none.",
        _request(resource='{"type": "Book", "id": "b1",}'),
        _RIGHT,
    ),
    Code(
        "PE517", "too-deep", "A document that nests too deep.",
        "No vocabulary needs it, and reading it could exhaust the stack.",
        _request(resource=_book(f'"tags": {"[" * 9}{"]" * 9}')),
        _request(resource=_book('"tags": []')),
    ),
    Code(
        "PE518", "repeated-name", "A name that is in one object twice.",
        "Programs disagree on which of the two counts, and one that checked the other would be "
        "deceived.",
        _request(resource='{"type": "Book", "id": "b1", "id": "b2"}'),
        _RIGHT,
    ),
    Code(
        "PE519", "inexact-number", "A number with a fraction or an exponent, or one that is none.",
        "Such numbers are rounded on the way. A decimal is a string with up to four digits after "
        "the point.",
        _request(subject=_reader('"fines": 1.50')),
        _request(subject=_reader('"fines": "1.50"')),
    ),
    Code(
        "PE520", "unknown-key", "A name in the envelope of a request that means nothing there.",
        "A subject or resource has `type`, `id`, `properties` and `parents`; an action has `name`; "
        "a reference has `type` and `id`. Unknown names at the top are ignored, and listed.",
        _request(resource='{"type": "Book", "id": "b1", "props": {}}'),
        _request(resource='{"type": "Book", "id": "b1", "properties": {}}'),
    ),
    Code(
        "PE521", "missing-key", "A part that every request or entity has.",
        "A request has a subject, an action and a resource; an entity has a type and an id.",
        _request(resource='{"type": "Book"}'),
        _RIGHT,
    ),
    Code(
        "PE522", "unasked-time", "A time in a request, where the integrator does not accept one.",
        "A caller who chooses the time could revive a permit or a waiver that has run out.",
        _request(more=',\n "now": "2020-01-01"'),
        _RIGHT,
    ),
    Code(
        "PE523", "misplaced-parent", "A parent of a type that is no parent type of the entity.",
        "The vocabulary declares the types of parents: `entity Book in Shelf`.",
        _request(
            resource='{"type": "Book", "id": "b1", "parents": [{"type": "Reader", "id": "r1"}]}'
        ),
        _request(resource=_IN_SHELF[0], more=_IN_SHELF[1]),
    ),
    Code(
        "PE524", "circular-parents", "An entity that is its own ancestor.",
        "Every entity in a circle would be within every other.",
        _request(
            more=',\n "entities": [{"type": "Shelf", "id": "a", '
            '"parents": [{"type": "Shelf", "id": "a"}]}]'
        ),
        _request(more=',\n "entities": [{"type": "Shelf", "id": "a", "parents": []}]'),
    ),
    Code(
        "PE525", "dangling-parent", "A parent that is not in the store.",
        "The ancestors of all entities are worked out when a store is made, so they must be there.",
        '[{"type": "Book", "id": "b1", "parents": [{"type": "Shelf", "id": "open"}]}]\n',
        '[{"type": "Book", "id": "b1", "parents": [{"type": "Shelf", "id": "open"}]},\n'
        ' {"type": "Shelf", "id": "open", "parents": []}]\n',
    ),
    Code(
        "PE526", "unknown-requested-field", "A field that is asked for and that the resource lacks.",
        "Fields are the attributes of the resource, and `id`.",
        _request(more=',\n "fields": ["titel"]'),
        _RIGHT,
    ),
    Code(
        "PE527", "useless-fields", "Fields that are asked for where no field gate applies.",
        "Which fields may be seen is decided by the field gates that apply to the action and its types; "
        "where there is none, asking would suggest a protection that is not there.",
        _request(more=',\n "fields": ["title"]'),
        _RIGHT,
    ),
    Code(
        "PE528", "foreign-store", "A store that was made for other entity types.",
        "Its entities were checked against another vocabulary. Make the store again for the engine "
        "that it is given to.",
        "store = old_engine.store(entities)\nnew_engine.decide(subject, action, resource, entities=store)\n",
        "store = new_engine.store(entities)\nnew_engine.decide(subject, action, resource, entities=store)\n",
    ),
    Code(
        "PE529", "unknown-entity", "An entity that the store does not know, and the request does not describe.",
        "Of an entity that was deleted nothing is known, so a rule that forbids it something could be "
        "escaped. Give the `properties` of one that is about to be made, even if there are none "
        '(`{}`). A store that was made with `unknown="bare"` lets requests name entities that it does '
        "not know; then they have no attributes. Ancestors for which a rule asks by `ancestors` must be known "
        "to every store.",
        "store = engine.store([])\nengine.decide({'type': 'Reader', 'id': 'gone'}, action, resource, entities=store)\n",
        "store = engine.store([reader])\nengine.decide({'type': 'Reader', 'id': 'there'}, action, resource, entities=store)\n",
    ),
    Code(
        "PE530", "malformed-path", "A path that is not written as one.",
        "Every path has one spelling, so what another program may read differently is refused and not put "
        "right: a path that does not begin with `/`, or ends with it, `//`, `.` and `..`, `%`, `\\`, `?`, `#`, "
        "`;`, `*`, control characters, and segments that end with a dot or a space. It has at most 4,096 "
        "characters and 256 segments. Decode it, cut the query off, and bring it into its normal form before "
        "asking, in the same way as the server that will open it.",
        _request(resource=_book('"file": "/novels/../drafts"')),
        _request(resource=_book('"file": "/drafts"')),
    ),
    Code(
        "PE531", "misplaced-batch", "A batch of requests where one request is decided.",
        "What is at the top of a batch are defaults for its requests, and no request of its own: it would be decided, and "
        "none of the requests. A batch is decided by `engine.evaluations`.",
        _request(more=',\n "evaluations": [{"action": {"name": "borrow"}}]'),
        _RIGHT,
    ),
    Code(
        "PE532", "given-twice", "A value in the properties of the action and in the context.",
        "The properties of an action are parts of the context; which of the two counts would be a guess.",
        _request(
            action='{"name": "read", "properties": {"from": "10.0.0.1"}}',
            more=',\n "context": {"from": "10.0.0.2"}',
        ),
        _request(action='{"name": "read", "properties": {"from": "10.0.0.1"}}'),
    ),
    Code(
        "PE533", "near-undeclared", "An undeclared member with a name like that of something that is not given.",
        "It would be ignored, and what was meant by it would count as absent, for which a rule may be silent. So it "
        "is with names at the top of a request that are like `context` or `entities`, and with all members where "
        'undeclared ones are dropped (`undeclared="drop"`). Names are alike that are equal but for case, separators '
        "and a prefix `is` or `has`, or but for two letters.",
        _request(more=',\n "contexts": {"from": "10.0.0.1"}'),
        _request(more=',\n "context": {"from": "10.0.0.1"}'),
    ),
    Code(
        "PE535", "unknown-requested-mask", "A field that is asked for with a mask that its type does not take.",
        "A datetime is shown as `present`, `year`, `month` or `day`, a decimal as `present` or `digits(0)` to "
        "`digits(3)`, a string or a reference as `present` or `pseudonym`, anything else as `present`. It is "
        "written as in a policy, with one space on each side of `as`.",
        _request(more=',\n "fields": ["title as year"]'),
        _RIGHT,
    ),
    Code(
        "PE560", "malformed-page-token", "A token of a page that no page has.",
        "A token is given back as it came with a page. Without one, the question is answered from the beginning.",
        'engine.resources(user, "read", token="next")\n',
        'engine.resources(user, "read", token=page.token)\n',
    ),
    Code(
        "PE561", "foreign-page-token", "A token of a page that answered another question, or a damaged one.",
        "An answer goes on with the same subject or resource, the same action, types and fields, and the same policies. "
        "After a change of these, begin at the beginning.",
        'page = engine.resources(ann, "read")\nengine.resources(bob, "read", token=page.token)\n',
        'page = engine.resources(ann, "read")\nengine.resources(ann, "read", token=page.token)\n',
    ),
    Code(
        "PE570", "unmapped-type", "A mapping to tables of an entity type that there is not.",
        "Types are named as the policies declare them, without their package.",
        'map_tables(schema, {"Boook": EntityTable("books")})\n',
        'map_tables(schema, {"Book": EntityTable("books")})\n',
    ),
    Code(
        "PE571", "unmapped-attribute", "A mapping of an attribute that there is not, or of a record without some of its parts.",
        "What no filter needs may be left out of a mapping, but a record is mapped with all its parts.",
        'map_tables(schema, {"Book": EntityTable("books", attributes={"titel": "title"})})\n',
        'map_tables(schema, {"Book": EntityTable("books", attributes={"title": "title"})})\n',
    ),
    Code(
        "PE572", "unfit-column", "A mapping of an attribute to what cannot hold its values.",
        "A value is in a column, a set in a table with a row for each element (`SetTable`) or in a column that is "
        "said to hold one (`SetInColumn`), a record in several columns, or in one that is said to hold it (`RecordInColumn`). "
        "A reference is stored as the id that it refers to: as a text or as a number.",
        'map_tables(schema, {"Book": EntityTable("books", attributes={"tags": "tags"})})\n',
        'map_tables(schema, {"Book": EntityTable("books", attributes={"tags": SetTable("tags", "book", "tag")})})\n',
    ),
    Code(
        "PE573", "unfit-names", "A mapping that does not say how each name of an enumeration or of levels is stored.",
        "Each name is stored in one form, and no two in the same: else two values would be one in the database.",
        'map_tables(schema, {"Reader": EntityTable("readers", attributes={"rank": StoredColumn("rank", names={"guest": 0})})})\n',
        'map_tables(schema, {"Reader": EntityTable("readers", attributes={"rank": StoredColumn("rank", names={"guest": 0, "member": 1, "librarian": 5})})})\n',
    ),
    Code(
        "PE574", "unfit-parents", "A mapping of parents of a type that an entity cannot lie in, or not as parents are stored.",
        "Parents are in a column, if there is one at most, in a table of parents (`ParentTable`), or all ancestors in a "
        "table (`ClosureTable`).",
        'map_tables(schema, {"Book": EntityTable("books", parents={"Reader": "reader_id"})})\n',
        'map_tables(schema, {"Book": EntityTable("books", parents={"Shelf": "shelf_id"})})\n',
    ),
    Code(
        "PE575", "incomplete-mapping", "A filter needs what its mapping leaves out.",
        "Rules for the action may read it of a row, so that no row is decided without it.",
        'make_filter(left, map_tables(schema, {"Book": EntityTable("books")}))\n',
        'make_filter(left, map_tables(schema, {"Book": EntityTable("books", attributes={"owner": "owner_id"})}))\n',
    ),
    Code(
        "PE590", "failed-source", "A source of entities that failed, was too slow, or gave what it was not asked for.",
        "What the source does not say is not known, so the request is refused. A source gives those of the entities "
        "that it is asked for and that there are, each once and with its `properties`, within the deadline of the `SourcedEngine`; what "
        "it raised is the cause of the `InvalidRequest`.",
        "class Facts:\n    def fetch(self, keys):\n        return [anything]\n",
        "class Facts:\n    def fetch(self, keys):\n        return [facts[key] for key in keys if key in facts]\n",
    ),
)  # fmt: skip
