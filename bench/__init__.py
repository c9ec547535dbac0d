"""Measure how long decisions take, beside what else could make them: `make bench`."""
