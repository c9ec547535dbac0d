"""A key and a folder of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

POLICY = """
package p
levels Tier = free < basic < pro
entity App { tier: Tier, home: ip, name: string }
entity Doc { open: bool }
action read, write, idle by App on Doc with { n: int }
obligation keep(span: duration)
field gate scope "what may be seen"
gate scope {
    permit open: read when resource.open and subject.tier >= basic fields all oblige keep(24h)
    permit near: read, write when subject.home within ip "10.0.0.0/8" otherwise "{subject} is far"
    forbid big: read, write when context.n > 100000000000000000 - 1 because "too big: {context.n}"
}
"""


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the key lie in a folder of its own, which is not there yet."""
    path = tmp_path / "secret" / "key"
    monkeypatch.setenv("POLICYENGINE_CACHE_KEY", str(path))
    monkeypatch.delenv("POLICYENGINE_CACHE", raising=False)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "p.policy"
    path.write_text(POLICY)
    return path
