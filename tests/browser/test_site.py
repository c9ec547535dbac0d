"""The site of a report in Debian's chromium: `make test-browser`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from random import Random

import pytest

from policyengine.cli.main import run
from policyengine.engine import PolicyEngine

WIDTHS = (360, 768, 1440)
KINDS = ("actions", "gates", "entities", "settings", "names", "obligations")
TOP = (
    "index.html",
    "me.html",
    "what-if.html",
    "restricted.html",
    "dates.html",
    "texts.html",
    "changes.html",
)
SERIOUS = ("serious", "critical")
SETS = ("x", "hospital", "workspace")
COMBINATIONS = 2_000


@pytest.fixture(scope="module")
def browser():
    if not os.environ.get("TEST_BROWSER"):
        pytest.skip("`make test-browser` runs a browser")
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is not installed: `make chromium`")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=SETS)
def site(request, browser, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / request.param
    # Rules of the hospital read private values, without which examples cannot be decided again.
    internal = ["--internal"] if request.param == "hospital" else []
    options = ["--out", str(folder), "--since", "2025-01-01", *internal]
    assert run(["report", f"policies/{request.param}", *options]) == 0
    return folder


@pytest.fixture
def opened(browser):
    """Return a function that opens a page, and fail if one says anything on the console or asks for anything else."""
    contexts, said = [], []

    def open_(page: Path, part: str = "", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda problem: said.append(str(problem)))
        tab.on("request", lambda r: r.url.startswith("file:") or said.append(r.url))
        tab.goto(page.as_uri() + part)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert said == []


def pages(site: Path) -> list[Path]:
    """Return the pages of each kind: the largest."""
    of_kinds = (sorted((site / kind).glob("*.html"), key=size)[-1:] for kind in KINDS)
    top = (site / name for name in TOP if (site / name).is_file())  # few sets choose between texts
    return [*top, *(page for found in of_kinds for page in found)]


def size(page: Path) -> int:
    return page.stat().st_size


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit(site, opened, width, scheme):
    for page in pages(site):
        tab = opened(page, viewport={"width": width, "height": 900}, color_scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(site, opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    for page in pages(site):
        tab = opened(page, color_scheme=scheme, bypass_csp=True)  # which lets axe in
        for details in tab.locator("details").all()[:20]:
            details.evaluate("node => { node.open = true }")
        found = Axe().run(tab).response["violations"]
        assert [one["id"] for one in found if one["impact"] in SERIOUS] == [], page


def test_pages_are_searched(site, opened):
    tab = opened(site / "index.html")
    links = tab.locator("[data-words] > a")
    count = links.count()
    wanted = links.first.text_content()
    tab.get_by_role("searchbox").fill(wanted.upper())
    seen = [link for link in links.all() if link.is_visible()]
    assert 0 < len(seen) < count
    assert "found" in tab.get_by_role("status").text_content()
    seen[0].click()
    assert tab.get_by_role("heading", level=1).text_content() == wanted
    tab.go_back()
    tab.get_by_role("searchbox").fill("no such page")
    assert tab.get_by_role("status").text_content() == "0 found"


def test_a_link_to_an_example_opens_it(site, opened):
    action = max((site / "actions").glob("*.html"), key=size)
    name = action.read_text(encoding="utf-8").partition('<div id="e')[2].partition('"')[0]
    tab = opened(action, f"#e{name}")
    assert tab.locator(f"#e{name}").is_visible()


def test_the_keyboard_suffices(site, opened):
    tab = opened(site / "me.html")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#main"
    if tab.locator("select").count():
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.tagName") == "SELECT"
        before = tab.evaluate("document.activeElement.value")
        tab.keyboard.press("ArrowDown")
        assert tab.evaluate("document.activeElement.value") != before


def test_all_is_there_without_javascript(site, opened):
    tab = opened(site / "index.html", java_script_enabled=False)
    assert tab.locator("[data-words] > a").first.is_visible()
    assert not tab.get_by_role("searchbox").is_visible()
    tab = opened(site / "me.html", java_script_enabled=False)
    answers = tab.locator("[data-answer]").all()
    assert all(answer.text_content() for answer in answers)


# ---- what switches answer ---------------------------------------------------------------


def switched(request: dict, role: str, settings: dict[str, str]) -> dict:
    """Return a request in which the person at *role* has other settings."""
    made = json.loads(json.dumps(request))
    root, *names = role.split(".")
    entities = [made["subject"], made["resource"], *made["entities"]]
    at = made["context"] if root == "context" else made[root]
    for part in names:
        name, _, one = part.partition('["')  # one of several: `participants["ann"]`
        value = at[name] if at is made["context"] else at["properties"][name]
        value = next(e for e in value if e["id"] == one[:-2]) if one else value
        at = next(e for e in entities if (e["type"], e["id"]) == (value["type"], value["id"]))
    asks = {"type": made["subject"]["type"], "id": made["subject"]["id"]}
    for key, text in settings.items():
        name = key.partition(".")[2]
        match text:
            case "not given":
                at["properties"].pop(name, None)
            case "yes" | "no":
                at["properties"][name] = text == "yes"
            case "none":
                at["properties"][name] = []
            case _ if text.startswith("{"):
                at["properties"][name] = [text.strip("{}")]
            case _ if text.startswith("the "):
                at["properties"][name] = [asks]
            case _:
                at["properties"][name] = text
    return made


def test_switches_answer_as_is_decided(site, opened):
    report = json.loads((site / "report.json").read_text(encoding="utf-8"))
    engine = PolicyEngine.load(f"policies/{site.name}")
    tab = opened(site / "me.html")
    rng, left = Random(7), COMBINATIONS if report["rows"] else 0
    while left > 0:
        chosen = {}
        for select in tab.locator("select").all():
            options = select.locator("option").all_text_contents()
            chosen[select.get_attribute("name")] = text = rng.choice(options)
            select.select_option(text)
        answers = tab.locator("[data-answer]").all_text_contents()
        order = tab.locator("[data-row]").evaluate_all("found => found.map(n => +n.dataset.row)")
        for number, answer in zip(order, answers, strict=True):
            row = report["rows"][number]
            own = {key: chosen[key] for key, _ in row["settings"]}
            if any(own[key] not in texts for key, texts in row["settings"]):
                assert answer == "not decided for these settings"
                continue
            request = switched(report["examples"][row["example"]]["request"], row["role"], own)
            decided = json.loads(engine.decide_json(json.dumps(request), accept_now=True))
            context = decided["context"]
            shown = ", ".join(
                sorted([*(context["exposed"] or ()), *(f"{n} as {m}" for n, m in context["masks"].items())])
            )  # fmt: skip
            expected = (
                f"allowed; shows {shown}" if decided["decision"] and shown
                else "allowed" if decided["decision"]
                else f"denied: {context['reason']}"
            )  # fmt: skip
            assert answer == expected, (request, own)
            left -= 1


def test_choices_are_answered_as_the_report_says(site, opened):
    report = json.loads((site / "report.json").read_text(encoding="utf-8"))
    tab, rng = opened(site / "what-if.html"), Random(3)
    for _ in range(20):
        chosen = {}
        for select in tab.locator("select").all():
            options = select.locator("option").all_text_contents()
            name = select.get_attribute("name")
            chosen[name] = rng.choice([options[0], rng.choice(options)])
            select.select_option(chosen[name])
        allowed = []
        for table in report["tables"]:
            open_gates, forbidden = set(), False
            for part in (report["parts"][number] for number in table["parts"]):
                index = 0
                for key, texts in (report["factors"][number] for number in part["factors"]):
                    index = index * len(texts) + texts.index(chosen[key])
                if part["counts"][index] == "1":
                    forbidden |= part["effect"] == "forbid"
                    open_gates |= {part["gate"]} if part["effect"] == "permit" else set()
            if not forbidden and open_gates >= set(table["gates"]):
                allowed.append(table["action"])
        assert tab.locator("#allowed a").all_text_contents() == allowed
        assert tab.locator("#denied a").count() == len(report["tables"]) - len(allowed)
