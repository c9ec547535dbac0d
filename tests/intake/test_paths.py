"""A path that is not written as one is refused wherever a request may have one, and never put right."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given

from policyengine import InvalidRequest, PolicyEngine
from policyengine.intake.raw import RawRequest
from policyengine.model.path_syntax import is_path
from policyengine.model.request_messages import described
from policyengine.model.types import PATH
from tests.strategies.paths import ANY_TEXT, RIGHT, WRONG

ENGINE = PolicyEngine.from_text(
    """
package p
entity User { home: path, roots: set<path>, at?: { file: path, secret?: private path } }
entity Doc { place: path }
action read by User on Doc with { asked: path, among?: set<path> }
permit any_path: read
    when (subject.home within subject.roots or size(subject.roots) >= 0)
     and (context.asked like path "/**" or resource.place == context.asked)
    because "{subject.home} {subject.roots} {context.asked}"
"""
)
ENGINE._intake.fast.open(("read", "User", "Doc"))
READER = {"type": "User", "id": "u", "properties": {"home": "/h", "roots": ["/r"]}}
DOC = {"type": "Doc", "id": "d", "properties": {"place": "/p"}}


def fast_path_takes(given: dict[str, Any]) -> bool:
    rest = dict.fromkeys(("now", "fields", "entities", "store"))
    return ENGINE._intake.fast.read(RawRequest(**given, **rest)) is not None


def parts(**changes: Any) -> dict[str, Any]:
    """Return a request with values in some of its places."""
    home, roots = changes.get("home", "/h"), changes.get("roots", ["/r"])
    properties: dict[str, Any] = {"home": home, "roots": roots}
    if "file" in changes:
        properties["at"] = {"file": changes["file"]}
    if "secret" in changes:
        properties["at"] = {"file": "/f", "secret": changes["secret"]}
    context = {"asked": changes.get("asked", "/a")}
    if "among" in changes:
        context["among"] = changes["among"]
    return {
        "subject": {"type": "User", "id": "u", "properties": properties},
        "action": "read",
        "resource": {"type": "Doc", "id": "d", "properties": {"place": changes.get("place", "/p")}},
        "context": context,
    }


PLACES = {
    "subject.properties.home": lambda text: {"home": text},
    "subject.properties.roots[1]": lambda text: {"roots": ["/r", text]},
    "subject.properties.at.file": lambda text: {"file": text},
    "resource.properties.place": lambda text: {"place": text},
    "context.asked": lambda text: {"asked": text},
    "context.among[0]": lambda text: {"among": [text]},
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_path_is_a_problem_at_its_place(place, text):
    given = parts(**PLACES[place](text))
    assert not fast_path_takes(given)
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.decide(**given)
    assert [(p.code, p.path) for p in caught.value.problems] == [("PE530", place)]


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_json_stores_and_parts_that_are_built_refuse_it_as_well(text):
    given = parts(asked=text)
    document = {**given, "action": {"name": "read"}}
    answer = json.loads(ENGINE.decide_json(json.dumps(document)))
    assert answer["decision"] is False
    assert '"PE530"' in json.dumps(answer)
    for build in (
        lambda: ENGINE.entity("User", "u", home=text, roots=[]),
        lambda: ENGINE.context("read", asked=text),
        lambda: ENGINE.store([{**DOC, "properties": {"place": text}}]),
        lambda: ENGINE.bind(parts(home=text)["subject"]),
        lambda: ENGINE.decide(READER, "read", DOC, given["context"]),
        lambda: ENGINE.explain(READER, "read", DOC, given["context"]),
    ):
        with pytest.raises(InvalidRequest) as caught:
            build()
        assert {p.code for p in caught.value.problems} == {"PE530"}


@pytest.mark.parametrize("text", RIGHT, ids=lambda text: text[:20])
def test_a_right_path_is_taken_as_it_is(text):
    given = parts(home=text, roots=[text], file=text, place=text, asked=text, among=[text])
    assert fast_path_takes(given)
    decision = ENGINE.decide(**given)
    assert decision.allowed
    assert ENGINE.entity("Doc", "d", place=text)["place"] == text


@given(ANY_TEXT)
def test_what_is_taken_is_a_path(text):
    try:
        ENGINE.decide(**parts(asked=text))
    except InvalidRequest:
        assert not is_path(text)
    else:
        assert is_path(text)


@pytest.mark.parametrize(
    "value", [PurePosixPath("/a//../b"), b"/a", 1, None, ["/a"], {"path": "/a"}]
)
def test_what_is_no_text_is_no_path(value):
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.decide(**parts(asked=value))
    assert [p.code for p in caught.value.problems] == ["PE505"]


def test_a_class_of_texts_counts_as_what_it_holds():
    class Lies(str):
        __slots__ = ()

        def startswith(self, *_: object) -> bool:
            return True

    with pytest.raises(InvalidRequest):
        ENGINE.decide(**parts(asked=Lies("a/../b")))
    assert ENGINE.decide(**parts(asked=Lies("/a"))).allowed


def test_of_a_private_path_nothing_is_said():
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.decide(**parts(secret="/secret/../plans"))
    (problem,) = caught.value.problems
    assert problem.message == f"expected {described(PATH)}"


def test_two_paths_that_differ_in_case_are_two():
    ENGINE.decide(**parts(roots=["/a", "/A"]))
    with pytest.raises(InvalidRequest) as caught:
        ENGINE.decide(**parts(roots=["/a", "/a"]))
    assert [p.code for p in caught.value.problems] == ["PE511"]
