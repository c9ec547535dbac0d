"""Decisions on record: a log of lines that are chained by hashes, and what is asked of it."""
