"""Holds that no encoder and no text of ours writes a private value of an entity or a context."""

from __future__ import annotations

import copy
import dataclasses
import json
import pprint
import traceback
from collections.abc import Callable, Iterator
from io import StringIO

import attrs
import msgspec
import pytest
from rich.console import Console
from rich.pretty import pretty_repr

from policyengine import PolicyEngine
from policyengine.model.sealed import altered

ENGINE = PolicyEngine.from_text("""\
package p
enum Sort = one | secretsort
levels Level = low < secretlevel
entity User {
    level: int
    word: private string, number: private int, part: private decimal, day: private datetime
    span: private duration, net: private ip, sort: private Sort, rank: private Level
    other: private User, words: private set<string>, record: private { inner: string }
    open: { kept: private string, list: set<{ deep: private string }> }
    maybe?: private string
}
entity Doc
action read by User on Doc with { pin: private string, box: { key: private string } }
permit a: read when subject.level > 3 and subject.word != context.pin
permit b: read when subject.open.kept == subject.record.inner and context.box.key == subject.word
permit c: read when subject.number == 1 and subject.part == 1.0 and subject.day < now and subject.span > 1d
permit d: read when subject.net within ip "10.0.0.0/8" and subject.sort == one and subject.rank == low
permit e: read when subject.other == subject and size(subject.words) > 2 and size(subject.open.list) > 3
permit f: read when subject has maybe
""")
SECRETS = (
    "SECRET", "7654321", "2031-03", "2031, 3", "10.76", "secretsort", "secretlevel", "1932681600",
)  # fmt: skip


def parts():
    other = ENGINE.entity("User", "SECRETid", USER)
    subject = ENGINE.entity("User", "u", {**USER, "other": other})
    return subject, ENGINE.entity("Doc", "d"), ENGINE.context("read", CONTEXT)


USER = {
    "level": 5,
    "word": "SECRETword",
    "number": 7654321,
    "part": "7654321.5",
    "day": "2031-03-31",
    "span": "7654321s",
    "net": "10.76.54.32",
    "sort": "secretsort",
    "rank": "secretlevel",
    "other": {"type": "User", "id": "SECRETid"},
    "words": ["SECRETone", "SECRETtwo"],
    "record": {"inner": "SECRETinner"},
    "open": {"kept": "SECRETkept", "list": [{"deep": "SECRETdeep"}]},
    "maybe": "SECRETmaybe",
}
CONTEXT = {"pin": "SECRETpin", "box": {"key": "SECRETkey"}}


def objects() -> Iterator[object]:
    subject, doc, context = parts()
    yield subject
    yield context
    yield subject.v_open
    yield context.v_box
    yield ENGINE.decide(subject, "read", doc, context)
    read = ENGINE.decide(subject, "read", doc, context)
    yield read.reason and read
    yield read.outcome
    yield ENGINE.decide({"type": "User", "id": "u", "properties": USER}, "read", doc, CONTEXT)
    yield ENGINE.store([ENGINE.entity("User", "u", USER), doc])
    yield ENGINE.explain(subject, "read", doc, context)
    yield ENGINE.bind(subject)


def into_a_buffer(value: object) -> bytearray:
    buffer = bytearray()
    msgspec.json.Encoder(enc_hook=repr).encode_into(value, buffer)
    return buffer


HOOKS = (None, str, repr, lambda _: None, lambda _: {}, lambda _: [])
WRITERS: tuple[Callable[[object], object], ...] = (
    repr,
    str,
    format,
    ascii,
    pprint.pformat,
    pretty_repr,
    lambda value: json.dumps(value, default=str),
    lambda value: json.dumps(value, default=repr),
    lambda value: json.dumps(value, default=vars),
    lambda value: json.dumps(value, default=dict),
    lambda value: json.dumps(value, default=list),
    lambda value: f"{value}{value!r}{[value]}{ {'key': value} }",
    lambda value: "%s %r" % (value, value),  # noqa: UP031 - a log formats so
    into_a_buffer,
    msgspec.structs.asdict,
    msgspec.structs.astuple,
    msgspec.structs.replace,
    lambda value: msgspec.convert(value, dict, from_attributes=True),
    dataclasses.asdict,
    attrs.asdict,
    vars,
    dict,
    list,
    *(lambda value, hook=hook: msgspec.json.encode(value, enc_hook=hook) for hook in HOOKS),
    *(lambda value, hook=hook: msgspec.json.encode([value], enc_hook=hook) for hook in HOOKS),
    *(lambda value, hook=hook: msgspec.msgpack.encode(value, enc_hook=hook) for hook in HOOKS),
    *(lambda value, hook=hook: msgspec.to_builtins(value, enc_hook=hook) for hook in HOOKS),
    lambda value: msgspec.to_builtins(value, builtin_types=(object,), str_keys=True),
)


def written(writer: Callable[[object], object], value: object) -> str:
    try:
        return repr(writer(value))
    except Exception as refusal:  # noqa: BLE001 - to refuse is fine; what it says is looked at
        return "".join(traceback.format_exception_only(refusal)) + repr(refusal)


@pytest.mark.parametrize("value", list(objects()), ids=lambda value: type(value).__name__)
def test_no_private_value_is_written(value):
    for number, writer in enumerate(WRITERS):
        text = written(writer, value)
        leaked = [secret for secret in SECRETS if secret in text]
        assert not leaked, (number, leaked, text)


def test_what_holds_nothing_private_may_be_encoded():
    """It bites: so would the others be, were they not sealed."""
    doc = ENGINE.entity("Doc", "d")
    assert b'"id":"d"' in msgspec.json.encode(doc)


def test_rich_shows_what_repr_does():
    console = Console(width=500, file=StringIO())
    console.print(parts()[0])
    said = console.file.getvalue()
    assert "level: 5" in said
    assert "word: …" in said


def test_what_is_sealed_is_read_compared_and_copied():
    subject, *_ = parts()
    assert subject == parts()[0]
    assert subject.word == subject["word"] == "SECRETword"
    assert copy.copy(subject) is copy.deepcopy(subject) is subject
    other = altered(subject, v_word="changed")
    assert (other.word, other.level) == ("changed", 5)
    assert other != subject
    with pytest.raises(AttributeError, match="never_encoded_"):
        msgspec.structs.asdict(subject)
