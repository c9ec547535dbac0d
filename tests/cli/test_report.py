"""Make a site about a policy set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_a_site_is_made(run, shop: Path):
    done = run("report", shop, "--out", "site", "--now", "2027-01-01")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("site/index.html: ")
    report = json.loads(Path("site/report.json").read_text(encoding="utf-8"))
    assert (report["title"], report["made_at"], report["lacking"]) == (
        "shop",
        "2027-01-01T00:00:00Z",
        [],
    )
    assert Path("site/report.md").read_text(encoding="utf-8").startswith("# Who may do what: shop")
    assert run("report", shop, "--out", "site", "--title", "Shop").code == 0
    assert "· Shop</title>" in Path("site/me.html").read_text(encoding="utf-8")


def test_what_was_left_out_is_said(run, shop: Path):
    done = run("report", shop, "--out", "site", "--budget", "1")
    assert done.code == 0
    assert "the report is incomplete: its 1 questions were used up" in done.err


def test_a_folder_of_others_is_refused(fails, shop: Path):
    assert fails("report", shop, "--out", shop).startswith("`shop` holds what is no report")


def test_it_is_compared_with_a_day_or_another_version(run, fails, shop: Path):
    assert run("report", shop, "--out", "site", "--since", "2020-01-01").code == 0
    assert "What differs from 2020-01-01" in Path("site/changes.html").read_text(encoding="utf-8")
    assert run("report", shop, "--out", "site", "--against", shop).code == 0
    assert "No rule differs" in Path("site/changes.html").read_text(encoding="utf-8")
    both = fails("report", shop, "--out", "site", "--against", shop, "--since", "2020-01-01")
    assert "two comparisons" in both
    assert "--since" in fails("report", shop, "--out", "site", "--since", "soon")


def test_it_needs_jinja(fails, shop: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert "install `policyengine-dsl[report]`" in fails("report", shop, "--out", "site")


def test_the_same_set_has_the_same_report_in_every_process(tmp_path: Path):
    (tmp_path / "p.policy").write_text("""package p
entity User { friendly: bool }
entity Talk { members: set<User> }
action read by User on Talk
permit friends: read when every m in resource.members: m.friendly

test "a talk" {
    let kind = User "a" { friendly: true }
    let dear = User "b" { friendly: true }
    let warm = User "c" { friendly: true }
    expect allow read by User "u" { friendly: true } on Talk "t" { members: {kind, dear, warm} }
}
""")
    made = set()
    for seed in range(4):
        out = tmp_path / f"site{seed}"
        command = [sys.executable, "-m", "policyengine", "report", str(tmp_path / "p.policy")]
        subprocess.run(
            [*command, "--out", str(out), "--now", "2027-01-01"],
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, check=True, capture_output=True,
        )  # fmt: skip
        made.add((out / "report.json").read_bytes())
    assert len(made) == 1
