"""Hold what `filter` and `verify-filter` write, and what they say of bad input."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from policyengine.cli.main import run

MAPPING = """
from policyengine.filters.mapping import EntityTable, SetTable

MAPPING = {
    "User": EntityTable("users", attributes={n: n for n in ("clearance", "suspended")}),
    "Document": EntityTable(
        "documents",
        id="name",
        attributes={
            "owner": "owner_id",
            "clearance": "clearance",
            "shared_with": SetTable("shares", "document", "user_id"),
        },
    ),
}
WRONG = {"Document": EntityTable("documents", attributes={"title": "title"})}
NONE = 1
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run(["init", "shop"]) == 0
    Path("stored_shop.py").write_text(MAPPING)
    database = sqlite3.connect("shop.db")
    database.executescript("""
        create table users (id text, clearance bigint, suspended boolean);
        create table documents (name text, owner_id text, clearance bigint);
        create table shares (document text, user_id text);
        insert into users values ('ann', 2, 0), ('bob', 0, 0), ('eve', 1, 1);
        insert into documents values ('plan', 'ann', 1), ('memo', 'bob', 0), ('list', 'eve', 0);
        insert into documents values ('lost', null, 0);
        insert into shares values ('plan', 'bob'), ('list', 'bob');
    """)
    database.close()
    return tmp_path


ASKED = ["filter", "shop", "--request", "shop/request.json", "--mapping", "stored_shop:MAPPING"]
VERIFY = ["verify-filter", "shop", "--mapping", "stored_shop:MAPPING", "--database"]


def test_the_sql_selects_what_decide_allows(shop: Path, capsys):
    capsys.readouterr()
    assert run([*ASKED, "--dialect", "sqlite"]) == 0
    statement = capsys.readouterr().out
    assert run([*ASKED, "--dialect", "sqlite", "--unfit"]) == 0
    unfit = capsys.readouterr().out
    database = sqlite3.connect("shop.db")
    assert [name for name, *_ in database.execute(statement)] == ["memo", "list"]
    assert [name for name, *_ in database.execute(unfit)] == ["lost"]
    assert run([*ASKED, "--dialect", "sqlite", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    apart = f"SELECT name FROM {document['table']} WHERE {document['where']}"
    assert [*database.execute(apart, document["values"])] == [("memo",), ("list",)]
    database.close()


def test_a_subject_may_be_named(shop: Path, capsys):
    people = [
        {"type": "User", "id": "ann", "properties": {"clearance": "secret", "suspended": True}}
    ]
    Path("people.json").write_text(json.dumps(people))
    capsys.readouterr()
    command = [
        "filter",
        "shop",
        "--subject",
        "User:ann",
        "--action",
        "edit",
        "--dialect",
        "postgres",
    ]
    command += ["--mapping", "stored_shop:MAPPING"]
    assert run([*command, "--entities", "people.json"]) == 0
    assert "WHERE 1 = 0;" in capsys.readouterr().out.replace("(1 = 0)", "1 = 0")
    assert run(command) == 2
    assert "subject.properties.suspended: it must be given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([*ASKED[:4], "--dialect", "sqlite"], "`Document.shared_with`.*give `--mapping`"),
        ([*ASKED[:5], "stored_shop", "--dialect", "sqlite"], "is no `module:name`"),
        ([*ASKED[:5], "stored_shop:NONE", "--dialect", "sqlite"], "is no mapping"),
        ([*ASKED[:5], "stored_shop:WRONG", "--dialect", "sqlite"], "does not fit the policies"),
        ([*ASKED[:5], "no_such_module:A", "--dialect", "sqlite"], "cannot be imported"),
        ([*ASKED[:5], "leaving:A", "--dialect", "sqlite"], "cannot be imported: SystemExit: 0"),
        ([*ASKED, "--subject", "User:ann", "--dialect", "sqlite"], "give `--request`, or"),
        ([*ASKED[:2], "--dialect", "sqlite", "--subject", "User:\udcff"], "'--subject'.* not UTF-8"),
        ([*VERIFY, "sqlite:///none.db"], "there is no file `none.db`"),
        ([*VERIFY, "nothing"], "is no URL, as `sqlite:///FILE`"),
        ([*VERIFY, "none:///a"], "Can't load plugin"),
        ([*VERIFY, "sqlite:///stored_shop.py"], "file is not a database"),
        ([*VERIFY, "sqlite:///shop.db", "--tables", "stored_shop:MAPPING"], "there is no table"),
    ],
)  # fmt: skip
def test_bad_input_is_named_in_a_line(shop: Path, capsys, command, said):
    Path("leaving.py").write_text("raise SystemExit(0)")
    capsys.readouterr()
    assert run(command) == 2
    found = capsys.readouterr()
    assert re.search(said, " ".join(found.err.split())), found.err
    assert found.out == ""
    assert not Path("none.db").exists()


def test_filters_are_compared_on_rows_of_a_database(shop: Path, capsys):
    capsys.readouterr()
    assert run([*VERIFY, "sqlite:///shop.db", "--rows", "50"]) == 0
    assert capsys.readouterr().out.startswith("agree")
    assert run([*VERIFY, "sqlite:///shop.db", "--rows", "50", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["rows"] == document["allowed"] + document["denied"] + document["unfit"] >= 50
    assert document["differences"] == []


@pytest.mark.parametrize("format", ["text", "json"])
def test_private_values_of_rows_that_differ_are_not_shown(shop: Path, capsys, monkeypatch, format):
    from msgspec.structs import replace

    from policyengine.verifying import verify_filters

    set_ = Path("shop/documents.policy")
    text = set_.read_text()
    for name in ("clearance: Clearance, suspended", "clearance: Clearance, shared_with"):
        assert name in text
        text = text.replace(name, name.replace("Clearance", "private Clearance"))
    set_.write_text(re.sub(r"\{\w+\.clearance\}", "a clearance", text))
    real = verify_filters.make_filter
    monkeypatch.setattr(
        verify_filters, "make_filter",
        lambda *given: replace(made := real(*given), predicate=made.fits),
    )  # fmt: skip
    capsys.readouterr()
    command = [*VERIFY, "sqlite:///shop.db", "--rows", "50", "--format", format]
    assert run(command) == 1
    said = capsys.readouterr().out
    assert not {"public", "internal", "secret"} & set(re.findall(r"\w+", said))
    assert format == "text" or "(private)" in said


def test_a_row_that_differs_is_shown(shop: Path, capsys, monkeypatch):
    from msgspec.structs import replace

    from policyengine.verifying import verify_filters

    real = verify_filters.make_filter
    monkeypatch.setattr(
        verify_filters, "make_filter",
        lambda *given: replace(made := real(*given), predicate=made.fits),
    )  # fmt: skip
    capsys.readouterr()
    assert run([*VERIFY, "sqlite:///shop.db", "--rows", "50"]) == 1
    said = capsys.readouterr().out
    assert "differs" in said
    assert "selects the row" in said
    assert "deny (" in said
    assert run([*VERIFY, "sqlite:///shop.db", "--rows", "50", "--format", "json"]) == 1
    (one, *_) = json.loads(capsys.readouterr().out)["differences"]
    assert set(one) == {"request", "filter", "decision", "condition"}


@pytest.mark.parametrize("stored", ["0.0", "'0'", "x'30'", "9"])
def test_names_are_of_the_kind_in_which_they_are_stored(shop: Path, capsys, stored: str):
    database = sqlite3.connect("shop.db")
    database.executescript(f"""
        drop table documents;
        create table documents (name text, owner_id text, clearance);
        insert into documents values ('odd', 'ann', {stored}), ('memo', 'bob', 0);
    """)
    capsys.readouterr()
    assert run([*ASKED, "--dialect", "sqlite"]) == 0
    rows = database.execute(capsys.readouterr().out)
    assert [name for name, *_ in rows] == ["memo"]
    database.close()
    assert run([*VERIFY, "sqlite:///shop.db", "--rows", "50"]) == 0


def test_texts_that_are_not_utf8_are_named_and_not_compared(shop: Path, capsys):
    database = sqlite3.connect("shop.db")
    database.execute("insert into documents values ('odd', cast(x'6dff' as text), 0)")
    database.execute("insert into documents values (cast(x'ff' as text), 'ann', 0)")
    database.commit()
    database.close()
    capsys.readouterr()
    assert run([*VERIFY, "sqlite:///shop.db", "--rows", "50"]) == 0
    said = capsys.readouterr().out
    assert "not UTF-8, so not compared: Document odd: owner\n" in said
    assert "agree" in said


GATED = """
package staff
entity User { email: private string }
entity Person { name: string, mail: string, pay: int, born: datetime }
action see by User on Person
gate a "a"
field gate shown "shown"
gate a { permit all_: see }
gate shown {
    permit public: see fields FIELDS
    permit own: see when subject.email == resource.mail fields pay
}
"""
SEE = ["filter", "staff.policy", "--request", "see.json", "--dialect", "sqlite"]


@pytest.mark.parametrize(
    ("fields", "columns"), [("name, mail", "mail, name"), ("id", "id"), ("born as year", None)]
)
def test_what_a_field_gate_may_hide_is_not_selected(tmp_path, monkeypatch, capsys, fields, columns):
    monkeypatch.chdir(tmp_path)
    Path("staff.policy").write_text(GATED.replace("FIELDS", fields))
    user = {"type": "User", "id": "ann", "properties": {"email": "a@b.c"}}
    Path("see.json").write_text(json.dumps(
        {"subject": user, "action": {"name": "see"}, "resource": {"type": "Person", "id": "x"}}
    ))  # fmt: skip
    code = run(SEE)
    said = capsys.readouterr()
    if columns is None:
        assert (code, "every column" in said.err) == (2, True)
    else:
        assert said.out.startswith(f'SELECT {columns} FROM "Person" WHERE ')
        assert "`subject.email`, which is private" in said.err
    assert run([*SEE, "--unfit"]) == 2
    assert run([*SEE, "--all-columns"]) == 0
    assert capsys.readouterr().out.startswith("SELECT * FROM")


FACTS = """
package staff
entity User
entity Person { name: string }
action see by User on Person with { purpose: string }
action count by User on Person
gate a "a"
field gate shown "shown" for see
gate a { permit all_: any from 2026-01-01 until 2100-01-01 }
gate shown { permit public: see when context.purpose == "care" or resource.name == "x" fields name }
"""
ASK_FACTS = ["filter", "staff.policy", "--subject", "User:ann", "--dialect", "sqlite", "--action"]


def test_a_context_goes_with_a_subject(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("staff.policy").write_text(FACTS)
    assert run([*ASK_FACTS, "see", "--context", '{"purpose": "care"}']) == 0
    written = capsys.readouterr().out
    assert written.startswith('-- until 2100-01-01T00:00:00Z\nSELECT name FROM "Person" WHERE ')
    assert "'x'" not in written
    assert run([*ASK_FACTS, "see", "--context", '{"purpose": "sale"}']) == 0
    assert "'x'" in capsys.readouterr().out
    assert run([*ASK_FACTS, "see"]) == 2  # what is missing is said, and not that columns are hidden
    assert "context.purpose: it must be given" in capsys.readouterr().err


def test_an_action_without_a_field_gate_is_said_to_have_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("staff.policy").write_text(FACTS)
    assert run([*ASK_FACTS, "count"]) == 2
    assert "no field gate applies to `count`, so it shows no field" in capsys.readouterr().err
    assert run([*ASK_FACTS, "count", "--all-columns"]) == 0


VERBS = """
from policyengine.filters.governing import Verbs

VERBS = {"Document": Verbs(select="read", update="edit")}
WRONG = {"Document": Verbs(select="open")}
"""
POLICIES = ["filter", "shop", "--mapping", "stored_shop:MAPPING", "--dialect", "postgres"]


def test_row_level_security_is_written_as_one_transaction(shop: Path, capsys):
    Path("shop_verbs.py").write_text(VERBS)
    capsys.readouterr()
    assert run([*POLICIES, "--row-level-security", "shop_verbs:VERBS"]) == 0
    written = capsys.readouterr()
    assert written.out.startswith("BEGIN;\nDO $$")
    assert written.out.endswith(";\nCOMMIT;\n")
    assert "FORCE ROW LEVEL SECURITY;" in written.out
    assert (
        'CREATE POLICY "policyengine_update_User" ON documents FOR UPDATE\nUSING (' in written.out
    )
    assert "DELETE" not in written.out
    assert written.err == ""


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["shop_verbs:WRONG"], 2, "no action `open` on Document"),
        (["stored_shop:MAPPING"], 2, "no dict of `Verbs`"),
        (["shop_verbs:VERBS", "--context", "5"], 2, "a context is a mapping of facts"),
        (["shop_verbs:VERBS", "--context", '{"a": 1}'], 2, "no action has 'a' in its context"),
        (["shop_verbs:VERBS", "--subject", "User:ann"], 2, "for every subject"),
        (["shop_verbs:VERBS", "--dialect", "sqlite"], 2, "goes with `--dialect postgres`"),
    ],
)
def test_row_level_security_that_cannot_be_made_is_named(shop: Path, capsys, options, code, said):
    Path("shop_verbs.py").write_text(VERBS)
    assert run([*POLICIES, "--row-level-security", *options]) == code
    assert said in capsys.readouterr().err


STAFF = """
package staff
entity User { }
entity Person { name: string, owner: User, site: ip }
action see by User on Person
gate a "a"
field gate shown "shown"
gate a { permit own: see when CLAUSE }
gate shown { permit public: see fields name }
"""
STAFF_MAPPING = """
from policyengine.filters.governing import Verbs
from policyengine.filters.mapping import EntityTable

MAPPING = {
    "User": EntityTable("users"),
    "Person": EntityTable("people", attributes={n: n for n in ("name", "owner", "site")}),
}
LACKING = {"User": MAPPING["User"], "Person": EntityTable("people", attributes={"name": "name"})}
VERBS = {"Person": Verbs(select="see")}
"""
STAFF_POLICIES = ["filter", "staff.policy", "--dialect", "postgres", "--row-level-security"]


@pytest.fixture
def staff(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("stored_staff.py").write_text(STAFF_MAPPING)
    return tmp_path


def test_policies_say_what_they_do_not_hide(staff: Path, capsys):
    Path("staff.policy").write_text(STAFF.replace("CLAUSE", "resource.owner == subject"))
    asked = [*STAFF_POLICIES, "stored_staff:VERBS", "--mapping", "stored_staff:MAPPING"]
    assert run(asked) == 0
    as_text = capsys.readouterr()
    assert "field gates may hide id, owner, site of Person: grant SELECT" in as_text.err
    assert run([*asked, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["hidden"] == {"Person": ["id", "owner", "site"]}
    assert as_text.out == "".join(
        f"{one};\n" for one in ("BEGIN", *document["statements"], "COMMIT")
    )


def test_policies_that_a_database_cannot_say_exactly_are_named(staff: Path, capsys):
    inside = 'resource.site within ip "10.0.0.0/8"'
    Path("staff.policy").write_text(STAFF.replace("CLAUSE", inside))
    lacking = [*STAFF_POLICIES, "stored_staff:VERBS", "--mapping", "stored_staff:LACKING"]
    assert run(lacking) == 2
    assert "give `--mapping`, or more in it" in capsys.readouterr().err
    asked = [*STAFF_POLICIES, "stored_staff:VERBS", "--mapping", "stored_staff:MAPPING"]
    assert run(asked) == 1
    assert "cannot say `Person.site` of a.own: no filter checks" in capsys.readouterr().err
    assert run([*asked, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["clause"], document["rules"]) == ("Person.site", ["a.own"])
