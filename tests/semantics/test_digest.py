"""The digest of a policy set, and what else it depends on."""

from __future__ import annotations

from policyengine.diagnostics.source import Source
from policyengine.model import zones
from policyengine.semantics import digest


def test_the_version_of_the_time_zones_is_part_of_it(monkeypatch):
    sources = [Source("p", "package p\n")]
    before = digest.digest(sources)
    assert zones.VERSION in digest.LANGUAGE_VERSION
    changed = digest.LANGUAGE_VERSION.replace(zones.VERSION, f"{zones.VERSION}.post1")
    monkeypatch.setattr(digest, "LANGUAGE_VERSION", changed)
    assert digest.digest(sources) != before
