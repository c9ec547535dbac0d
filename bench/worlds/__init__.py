"""Make the worlds that can have any number of rules, by name."""

from __future__ import annotations

from importlib import import_module

from bench.rules import World

GROWING = ("customers", "mixed", "ranges", "taxonomies", "ancestors", "actions", "scans")
"""Worlds of any size."""

NAMES = ("apps", *GROWING)


def make(name: str, size: int, requests: int) -> World:
    """Make the world *name* of *size* rules (`apps` has 27, always) and so many *requests* of it."""
    made: World = import_module(f"bench.worlds.{name}").make(size, requests)
    return made
