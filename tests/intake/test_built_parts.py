"""What parts that were built before carry along is put together for each request, and nothing is taken on trust."""

from __future__ import annotations

import copy
import pickle
import random
from contextlib import suppress

import pytest

from policyengine import InvalidRequest, Limits, PolicyEngine
from policyengine.intake.raw import raw_request
from policyengine.model.sealed import altered
from tests.calls import calls

POLICY = """package built
entity Org { open: bool }
entity Folder in Folder { shown: bool, org: Org }
entity User { org: Org, known: bool }
entity Doc in Folder { org: Org, title: string, owner?: User }
action read by User on Doc
gate opening "who may read"
gate opening {
    permit above: read
        when some f in ancestors(resource, Folder): f.shown
    permit own: read
        when subject.org.open and resource.org == subject.org
    permit known: read
        when subject.known and resource has owner and resource.owner.known
}
"""


@pytest.fixture
def engine() -> PolicyEngine:
    return PolicyEngine.from_text(POLICY)


def _parts(engine, *, other=None, shown=True, below=False):
    org = engine.entity("Org", "o", open=False)
    top = engine.entity(
        "Folder", "top", org=org, parents=[], **({"shown": shown} if shown is not None else {})
    )
    inner = engine.entity("Folder", "below", org=org, shown=below, parents=[top])
    doc = engine.entity("Doc", "d", org=org, title="t", parents=[inner])
    return engine.entity("User", "u", org=other or org, known=True), "read", doc


def _twice(engine, *parts):
    """Decide in full, and then by the fast path."""
    found = []
    for _ in range(3):
        try:
            found.append(engine.decide(*parts).allowed)
        except InvalidRequest as error:
            found.append([(one.code, one.path) for one in error.problems])
    assert found[0] == found[1] == found[2]
    return found[0]


def _open(engine) -> None:
    engine.decide(*_parts(engine))
    engine.decide(*_parts(engine))


def test_ancestors_that_are_carried_decide(engine):
    assert _twice(engine, *_parts(engine)) is True
    assert _twice(engine, *_parts(engine, shown=False)) is False


def test_an_ancestor_that_lacks_what_rules_read_is_a_problem(engine):
    _open(engine)
    assert [code for code, _ in _twice(engine, *_parts(engine, shown=None))] == ["PE507"]


def test_an_entity_that_two_parts_carry_otherwise_is_a_problem(engine):
    _open(engine)
    other = engine.entity("Org", "o", open=True)
    assert [code for code, _ in _twice(engine, *_parts(engine, other=other))] == ["PE510"]


def test_an_equal_entity_that_two_parts_carry_is_the_same(engine):
    _open(engine)
    assert _twice(engine, *_parts(engine, other=engine.entity("Org", "o", open=False))) is True


def test_a_part_that_another_carries_otherwise_is_a_problem(engine):
    org = engine.entity("Org", "o", open=False)
    users = [engine.entity("User", "u", org=org, known=known) for known in (True, True, False)]
    doc = engine.entity("Doc", "d", org=org, title="t", owner=users[0], parents=[])
    _open(engine)
    assert [_twice(engine, user, "read", doc) for user in users[:2]] == [True, True]
    assert [code for code, _ in _twice(engine, users[2], "read", doc)] == ["PE510"]


def test_what_another_set_built_of_other_types_is_validated(engine):
    _open(engine)
    numbers = POLICY.replace("shown: bool", "shown: int").replace("f.shown", "f.shown == 7")
    user, action, doc = _parts(PolicyEngine.from_text(numbers), shown=7, below=7)
    assert type(doc) is type(engine.entity("Doc", "d"))  # what they carry differs
    found = _twice(engine, user, action, doc)
    assert {code for code, _ in found} == {"PE505"}


def test_a_part_that_lacks_what_no_rule_reads_is_decided_in_as_few_steps(engine):
    _open(engine)
    user, action, doc = _parts(engine)
    org, folders = next(iter(doc.carried_)), [one for one in doc.carried_ if one.id == "below"]
    untitled = engine.entity("Doc", "d", org=org, parents=folders)
    assert not untitled.complete_
    assert _twice(engine, user, action, untitled) is _twice(engine, user, action, doc) is True
    counts = [
        calls(lambda doc=doc: engine.decide(user, action, doc).allowed) for doc in (doc, untitled)
    ]
    assert counts[0] == counts[1]
    homeless = engine.entity("Doc", "d", title="t", parents=folders)
    assert [code for code, _ in _twice(engine, user, action, homeless)] == ["PE507"]


OF_TEAMS = """package teams
entity Team { open: bool }
entity App in Team { teams: set<Team> }
entity Doc { team: Team }
action read by App on Doc
permit open: read
    when resource.team.open and resource.team in subject.teams
"""


def test_a_part_that_leaves_parents_out_is_decided_in_as_few_steps_as_one_that_has_none():
    engine = PolicyEngine.from_text(OF_TEAMS)
    team = engine.entity("Team", "t", open=True)
    doc = engine.entity("Doc", "d", team=team)
    apps = [engine.entity("App", "a", teams=[team], **parents) for parents in ({"parents": []}, {})]
    assert [_twice(engine, app, "read", doc) for app in apps] == [True, True]
    counts = [calls(lambda app=app: engine.decide(app, "read", doc).allowed) for app in apps]
    assert counts[0] == counts[1]


def _steps(engine, *parts):
    return calls(lambda: engine.decide(*parts).allowed)


def test_parts_that_come_again_take_as_few_steps_however_much_they_carry():
    engine = PolicyEngine.from_text(OF_TEAMS)
    counts = []
    for many in (1, 5, 20):
        teams = [engine.entity("Team", f"t{number}", open=True) for number in range(many)]
        app, doc = engine.entity("App", "a", teams=teams), engine.entity("Doc", "d", team=teams[0])
        first = _steps(engine, app, "read", doc)
        assert _twice(engine, app, "read", doc) is True
        counts.append(_steps(engine, app, "read", doc))
        assert counts[-1] < first
    assert counts[0] == counts[1] == counts[2]


def test_what_only_the_other_part_carries_is_known():
    engine = PolicyEngine.from_text(OF_TEAMS)
    teams = [engine.entity("Team", id_, open=id_ == "t") for id_ in ("t", "closed")]
    app = engine.entity("App", "a", teams=teams)
    docs = [engine.entity("Doc", "d", team={"type": "Team", "id": one.id}) for one in teams]
    assert [_twice(engine, app, "read", doc) for doc in docs] == [True, False]
    stranger = engine.entity("Doc", "d", team={"type": "Team", "id": "stranger"})
    assert [code for code, _ in _twice(engine, app, "read", stranger)] == ["PE508"]


WITH_CONTEXT = OF_TEAMS.replace("on Doc\n", "on Doc with { via: Team }\n").replace(
    "resource.team.open", "resource.team.open and context.via.open"
)


def test_a_context_carries_as_well():
    engine = PolicyEngine.from_text(WITH_CONTEXT)
    team, other = (engine.entity("Team", id_, open=True) for id_ in ("t", "other"))
    closed = engine.entity("Team", "t", open=False)
    app, doc = engine.entity("App", "a", teams=[team]), engine.entity("Doc", "d", team=team)
    for via, expected in ((team, True), (other, True), (closed, ["PE510"])):
        found = _twice(engine, app, "read", doc, engine.context("read", {"via": via}))
        assert (found if found is True else [code for code, _ in found]) == expected


def test_subject_and_resource_may_be_one_entity_that_is_described_once():
    engine = PolicyEngine.from_text("""package people
entity Team { open: bool }
entity User { team: Team, known: bool }
action greet by User on User
permit open: greet
    when subject.team.open and resource.known
""")
    team = engine.entity("Team", "t", open=True)
    one, same, other = (
        engine.entity("User", "u", team=team, known=known) for known in (True, True, False)
    )
    assert [_twice(engine, one, "greet", user) for user in (one, same)] == [True, True]
    assert [code for code, _ in _twice(engine, one, "greet", other)] == ["PE510"]


def test_a_changed_copy_is_looked_at_again(engine):
    _open(engine)
    user, action, doc = _parts(engine)
    assert _twice(engine, user, action, doc) is True
    assert user.passed_
    assert doc.passed_
    changed = altered(user, v_org="elsewhere")
    assert not changed.passed_
    assert [code for code, _ in _twice(engine, changed, action, doc)] == ["PE508"]


def test_few_checks_are_noted_at_a_part(monkeypatch):
    monkeypatch.setattr("policyengine.intake.part_checks._MOST_NOTED", 2)
    engines = [PolicyEngine.from_text(OF_TEAMS) for _ in range(5)]
    team = engines[0].entity("Team", "t", open=True)
    app, doc = engines[0].entity("App", "a", teams=[team]), engines[0].entity("Doc", "d", team=team)
    for engine in engines:
        assert _twice(engine, app, "read", doc) is True
        assert 1 <= len(app.passed_) <= 2


@pytest.mark.parametrize("many", [1, 5, 20])
def test_as_many_entities_as_there_are_may_be_carried_but_none_otherwise(many):
    engine = PolicyEngine.from_text(OF_TEAMS)
    teams = [engine.entity("Team", f"t{number}", open=True) for number in range(many)]
    app = engine.entity("App", "a", teams=teams)
    docs = [
        engine.entity("Doc", "d", team=team)
        for team in (teams[0], engine.entity("Team", "other", open=True))
    ]
    assert [_twice(engine, app, "read", doc) for doc in docs] == [True, False]
    closed = engine.entity("Doc", "d", team=engine.entity("Team", "t0", open=False))
    assert [code for code, _ in _twice(engine, app, "read", closed)] == ["PE510"]


def test_the_limit_of_each_engine_counts_for_what_parts_carry(engine):
    few = PolicyEngine.from_text(POLICY, limits=Limits(ancestors=1))
    _open(engine)
    org = few.entity("Org", "o", open=False)
    few.decide(few.entity("User", "u", org=org, known=True), "read", _flat(few, org))
    for _ in range(2):
        assert _twice(engine, *_parts(engine)) is True
        parts = _parts(engine)
        assert _twice(engine, *parts) is True
        assert "PE514" in dict(_twice(few, *parts))


def _flat(engine, org):
    return engine.entity("Doc", "d", org=org, title="t", parents=[])


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_carry_the_same(engine, again):
    _open(engine)
    user, action, doc = _parts(engine)
    assert _twice(engine, again(user), action, again(doc)) is True
    user, action, doc = _parts(engine, shown=None)
    assert [code for code, _ in _twice(engine, again(user), action, again(doc))] == ["PE507"]


CARRIED = """package carried
entity App { label?: string, key: string }
entity User { app: App, hidden: private App }
entity Doc in Doc { title: string }
action read by User on Doc
permit mine: read
    when subject.app.key == "k" or subject.hidden.key == "k"
    when every d in ancestors(resource, Doc): d.title != ""
"""


def _problems(ask):
    with pytest.raises(InvalidRequest) as refused:
        ask()
    return [(one.code, one.path) for one in refused.value.problems]


def test_what_a_carried_entity_lacks_is_said_of_the_reference_to_it():
    """Not of the part that carries it, and of the same place whether that was built or not."""
    engine = PolicyEngine.from_text(CARRIED)
    other = PolicyEngine.from_text("package other\nentity App\nentity Doc in Doc")
    app = other.entity("App", "a")
    user = {"type": "User", "id": "u", "properties": {"app": app, "hidden": app}}
    above = other.entity("Doc", "above", parents=[])
    doc = {"type": "Doc", "id": "d", "properties": {"title": "t"}, "parents": [above]}
    subject = engine.entity("User", "u", app=app, hidden=app)
    resource = engine.entity("Doc", "d", title="t", parents=[above])
    expected = [
        ("PE507", "subject.properties.app.properties.key"),
        ("PE507", "subject.properties.hidden.properties.key"),
        ("PE507", 'resource.parents[Doc "above"].properties.title'),
    ]
    assert _problems(lambda: engine.decide(user, "read", doc)) == expected
    assert _problems(lambda: engine.decide(subject, "read", resource)) == expected
    assert _problems(lambda: engine.bind(user).decide("read", doc)) == expected
    assert _problems(lambda: engine.bind(subject).decide("read", resource)) == expected


def test_the_target_of_a_private_reference_is_named_in_no_problem():
    engine = PolicyEngine.from_text(CARRIED)
    shown, secret = engine.entity("App", "a", key="k"), engine.entity("App", "Wilhelmina", key="k")
    user = {"type": "User", "id": "u", "properties": {"app": shown, "hidden": secret}}
    doc = engine.entity("Doc", "d", title="t", parents=[])
    more = [engine.entity("App", "Wilhelmina", key="other")]
    for subject in (user, engine.entity("User", "u", app=shown, hidden=secret)):
        with pytest.raises(InvalidRequest) as refused:
            engine.decide(subject, "read", doc, entities=more)
        assert [one.code for one in refused.value.problems] == ["PE510"]
        assert "Wilhelmina" not in str(refused.value)


def test_a_context_of_entities_that_contradict_one_another_is_refused_when_it_is_built():
    engine = PolicyEngine.from_text("""package folders
entity Folder in Folder
entity Doc in Folder
action move by Folder on Folder with { what: Doc, to: Folder }
permit free: move
    when not context.what within Folder "top"
""")
    top, folder = ({"type": "Folder", "id": id_, "parents": []} for id_ in ("top", "f"))
    doc = {"type": "Doc", "id": "d", "parents": [{"type": "Folder", "id": "f"}]}
    what = engine.store([folder, doc]).by_key["Doc", "d"]  # there, the folder lies in nothing
    above = engine.entity("Folder", "top", parents=[])
    to = engine.entity("Folder", "f", parents=[above])
    with pytest.raises(InvalidRequest) as refused:
        engine.context("move", {"what": what, "to": to})
    assert [problem.code for problem in refused.value.problems] == ["PE510"]
    with pytest.raises(InvalidRequest):
        engine.decide(top, "move", top, {"what": what, "to": to})


OF_PARENTS = """package parents
entity Folder in Folder { shown: bool, next?: Folder }
entity Team in Team { lead?: User }
entity User in Team, Folder { known: bool, folder?: Folder, friend?: User }
entity Doc in Folder { owner: User }
action open, enter by User, Folder on Folder, Doc with { via?: Folder }
permit known: open by User when subject.known
permit shown: open by Folder when subject.shown and context has via and context.via.shown
permit owned: open by User on Doc when resource.owner.known
permit inside: enter on Folder when subject within resource
permit below: enter by Folder when resource within subject
permit next: enter by Folder on Folder when resource has next and resource.next within subject
"""


def _within(engine, chance, made, type_, id_, above):
    """Build an entity; its parents are left out, none, or named, as entities or by type and id."""
    how = chance.choice(["out", "none", "named", "entities", "both"])
    folders = [one for one in made if one.type in above]
    some = chance.sample(folders, min(len(folders), chance.randint(1, 2)))
    named = [{"type": chance.choice(above), "id": f"f{chance.randint(0, 3)}"}]
    parents = {"none": [], "named": named, "entities": some, "both": [*some, *named]}
    rest = {} if how == "out" else {"parents": parents[how]}
    others = [one for one in made if one.type == "User"]
    match type_:
        case "User":
            if made and chance.random() < 0.5:
                rest["folder"] = chance.choice([one for one in made if one.type == "Folder"])
            if others and chance.random() < 0.5:
                rest["friend"] = chance.choice(others)
            return engine.entity("User", id_, known=chance.random() < 0.5, **rest)
        case "Folder":
            return engine.entity("Folder", id_, shown=chance.random() < 0.5, **rest)
        case _:
            return engine.entity(type_, id_, owner=chance.choice(others), **rest)


def _outcome(decide, *parts):
    try:
        decision = decide(*parts)
    except InvalidRequest as refusal:
        return [str(problem) for problem in refusal.problems]
    return decision.allowed, decision.rules


def _in_full(engine, *parts):
    request = raw_request(*parts, None, None, None)
    return engine._program.decide(engine._intake.validator.validate(request, None))


def _some_parts(engine, chance):
    """Build folders, users and documents that refer to one another."""
    made: list = []
    while len(made) < 8:
        types = ["Folder"] if len(made) < 4 else ["User", "Folder"]
        types += ["Doc"] if any(one.type == "User" for one in made) else []
        type_ = chance.choice(types)
        above = ["Team", "Folder"] if type_ == "User" else ["Folder"]
        with suppress(InvalidRequest):  # it contradicts what it refers to
            id_ = f"{type_[0].lower()}{chance.randint(0, 3)}"
            made.append(_within(engine, chance, made, type_, id_, above))
    return made


@pytest.mark.parametrize("seed", range(40))
def test_however_parents_are_given_a_fast_path_answers_as_full_validation(seed):
    chance = random.Random(seed)
    engine = PolicyEngine.from_text(OF_PARENTS)
    made = _some_parts(engine, chance)
    folders = [one for one in made if one.type == "Folder"]
    for _ in range(100):
        subject = chance.choice([one for one in made if one.type != "Doc"])
        resource = chance.choice([one for one in made if one.type != "User"])
        action = chance.choice(["open", "enter"])
        via = {"via": chance.choice(folders)} if chance.random() < 0.4 else {}
        parts = action, resource, engine.context(action, **via)
        expected = _outcome(_in_full, engine, subject, *parts)
        assert _outcome(engine.decide, subject, *parts) == expected
        if subject.type == "User":
            bound = engine.bind(subject)
            for _ in range(2):
                assert _outcome(bound.decide, *parts) == expected


def test_parents_that_no_rule_reads_take_few_steps_however_they_are_given():
    engine = PolicyEngine.from_text(OF_PARENTS)
    folder = engine.entity("Folder", "f", shown=True, parents=[])
    named = {"type": "Folder", "id": "f"}
    users = [
        engine.entity("User", "u", known=True, **parents)
        for parents in ({}, {"parents": []}, {"parents": [folder]}, {"parents": [named]})
    ]
    other = {"type": "Folder", "id": "g"}
    doc = engine.entity("Doc", "d", owner=engine.entity("User", "o", known=True, parents=[other]))
    dict_ = {"type": "User", "id": "u", "properties": {"known": True}, "parents": [named]}
    for subject in (*users, dict_):
        assert _twice(engine, subject, "open", doc) is True
        assert _steps(engine, subject, "open", doc) < 60
    plain = engine.entity("Doc", "d", owner={"type": "User", "id": "u"}, parents=[other])
    for subject in users:
        assert _twice(engine, subject, "open", plain) is True
        assert _steps(engine, subject, "open", plain) < 40


def test_what_is_its_own_parent_is_refused_wherever_it_is_given():
    engine = PolicyEngine.from_text(OF_PARENTS)
    itself = {"type": "Folder", "id": "f"}
    circle = {**itself, "properties": {"shown": True}, "parents": [itself]}
    doc = engine.entity("Doc", "d", owner=engine.entity("User", "o", known=True))
    for context in ({}, {"via": engine.entity("Folder", "v", shown=True)}):
        engine.decide({**circle, "parents": []}, "open", doc, context)
        assert _twice(engine, circle, "open", doc, context) == [("PE524", "subject.parents")]
    for build in (engine.entity, lambda *given, **more: engine.store([circle])):
        with pytest.raises(InvalidRequest, match="PE524"):
            build("Folder", "f", shown=True, parents=[itself])


def test_a_bound_subject_is_the_one_that_parts_carry():
    engine = PolicyEngine.from_text(OF_PARENTS)
    folder = engine.entity("Folder", "f", shown=True, parents=[])
    friend = engine.entity("User", "v", known=True)
    for parts in ({"parents": [folder]}, {"friend": friend}, {"folder": folder, "parents": []}):
        user = engine.entity("User", "u", known=True, **parts)
        doc = engine.entity("Doc", "d", owner=user, parents=[])
        bound = engine.bind(user)
        assert bound.subject is user
        for _ in range(3):
            assert bound.decide("open", doc).allowed
            assert engine.decide(user, "open", doc).allowed
        assert _steps(bound, "open", doc) <= _steps(engine, user, "open", doc)
