"""Coverage as a page: the whole text, in colours, with what each operand was in which tests."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from policyengine.testing.coverage import measure
from policyengine.testing.coverage_page import coverage_page
from tests.testing.world import NOW, WORDS, checked_set, test_of

RULES = """\
gate scope {
    permit both: list
        when subject.away and (subject.age > 18
            or subject.age
                < 3)
        fields all
    forbid never_asked: edit when subject.tier == pro # <b>not bold</b>
}
"""


class Read(HTMLParser):
    """Reads the text of the policies, and the class and the tip of each part that is marked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.code, self.marks, self.lists = "", [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in ("meta", "br", "link"):
            self.inside.append(f"{tag} {found.get('class', '')}".strip())
        if "l" in (found.get("class") or "").split():
            self.code += "\n"
        if "op" in (found.get("class") or "").split():
            self.marks.append([found["class"].split()[1], "", ""])

    def handle_endtag(self, tag):
        assert self.inside.pop().split()[0] == tag

    def handle_data(self, data):
        if any(one.endswith("tip") for one in self.inside):
            self.marks[-1][2] += data
        elif any(one.startswith("pre") for one in self.inside):
            self.code += data
            if any("op" in one.split() for one in self.inside):
                self.marks[-1][1] += data


def page(text: str) -> str:
    return coverage_page(measure(checked_set(text), now=NOW))


def test_the_whole_text_stands_on_it():
    read = Read(page(RULES))
    assert read.code.strip("\n") == (WORDS + RULES).strip("\n")


def test_each_part_says_what_tests_made_of_it():
    asked = test_of("expect allow list by ann { away: true } on item", title="<i>it</i>")
    asked += test_of("expect deny list by ann on item", title="not away")
    marks = {
        text: (colour, " ".join(tip.split()))
        for colour, text, tip in Read(page(RULES + asked)).marks
    }
    assert marks["both"][0] == "full"
    assert marks["never_asked"][0] == "none"
    colour, tip = marks["subject.away"]
    assert colour == "full"
    assert "<i>it</i>" in tip
    assert "not away" in tip
    assert marks["subject.age > 18"][0] == "none"
    assert "in no test" in marks["subject.tier == pro"][1]
    assert "<b>not bold</b>" not in page(RULES)


def test_an_operand_over_several_lines_is_marked_on_each():
    texts = [text for _, text, _ in Read(page(RULES)).marks]
    assert texts.index("subject.age") + 1 == texts.index("< 3")


def test_many_tests_are_not_all_listed():
    asked = "".join(
        test_of("expect deny list by ann on item", title=f"test {i}") for i in range(20)
    )
    assert re.search(r"and \d+ more", page(RULES + asked))


def test_totals():
    found = page(RULES)
    assert "MC/DC" in found
    assert "0.0 %" in found
