"""Decide tables of requests; needs the extra `tables`."""

from __future__ import annotations

from types import ModuleType


def with_ibis() -> ModuleType:
    """Return the module for tables of Ibis; `ImportError` says what to install."""
    try:
        from policyengine.tables import ibis_tables
    except ModuleNotFoundError as lacking:
        if (lacking.name or "").partition(".")[0] not in {"ibis", "pyarrow"}:
            raise
        raise ImportError("tables need Ibis: install `policyengine-dsl[tables]`") from None
    return ibis_tables
