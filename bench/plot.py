"""Draw the time of a decision against the number of rules: one picture for each world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, Final

from bench.contestants import BOUND, BY_HAND, DECIDE, LAMBDAS, REFERENCE

_COLOURS: Final = {DECIDE: "#c2410c", BOUND: "#f59e0b", BY_HAND: "#111827"}
_OTHERS: Final = "#6b7fa8"
_NAMES: Final = {
    DECIDE: "policyengine",
    BOUND: "policyengine, bound",
    LAMBDAS: "a lambda for each rule",
    REFERENCE: "reference",
}
_TITLES: Final = {
    "customers": "A rule for each customer",
    "mixed": "Rules of eight shapes",
    "ranges": "Rules with a range each",
    "taxonomies": "Rules about terms of a taxonomy",
    "ancestors": "Rules about folders thirty deep",
    "actions": "Ten rules for each of many actions",
    "scans": "Rules without any equality",
}
_APART: Final = 0.044
"""How far labels stand apart at least, as a share of the axis, which is logarithmic."""


def draw(rows: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Path]:
    """Draw a picture for each world of several sizes; gives the files."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("svg")
    settings: dict[str, Any] = {
        "font.family": "DejaVu Sans",
        "svg.hashsalt": "bench",
        "font.size": 10,
    }
    matplotlib.rcParams.update(settings)
    pyplot = import_module("matplotlib.pyplot")
    for world, title in _TITLES.items():
        lines = _lines([row for row in rows if row["world"] == world and not row["skipped"]])
        if max((len(points) for points in lines.values()), default=0) > 1:
            figure = _draw_one(pyplot, title, lines)
            file = folder / f"{world}.svg"
            figure.savefig(file, bbox_inches="tight", metadata={"Date": None})
            pyplot.close(figure)
            yield file


Points = list[tuple[int, float]]


def _lines(rows: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """Return the points of each contestant, by size."""
    lines: dict[str, Points] = {}
    for row in rows:
        lines.setdefault(row["contestant"], []).append((row["size"], row["microseconds"]))
    return {name: sorted(points) for name, points in lines.items()}


def _draw_one(pyplot: Any, title: str, lines: Mapping[str, Points]) -> Any:
    figure, axes = pyplot.subplots(figsize=(8.2, 5.4))
    axes.set_xscale("log")
    axes.set_yscale("log")
    for name, points in lines.items():
        ours = name in _COLOURS
        axes.plot(
            *zip(*points, strict=True),
            color=_COLOURS.get(name, _OTHERS),
            linewidth=2.2 if ours else 1.1,
            marker="o",
            markersize=4.5 if ours else 3,
            zorder=3 if ours else 2,
        )
    axes.set_title(f"{title}: time of one decision", loc="left", fontweight="bold", pad=14)
    axes.set_xlabel("rules")
    largest = max(points[-1][0] for points in lines.values())
    sizes = sorted({size for points in lines.values() for size, _ in points})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xlim(right=largest * 1.15)
    axes.minorticks_off()
    ticks = [(0.1, "0.1 µs"), (1, "1 µs"), (10, "10 µs"), (100, "100 µs"), (1e3, "1 ms"),
             (1e4, "10 ms"), (1e5, "100 ms"), (1e6, "1 s")]  # fmt: skip
    low, high = (
        10.0 ** edge(log10(at)) for edge, at in zip((floor, ceil), axes.get_ylim(), strict=True)
    )
    high = max(high, low * 100)  # two decades at least: what is alike is to look alike
    axes.set_ylim(low, high)
    shown = [(at, text) for at, text in ticks if low <= at <= high]
    axes.set_yticks(*zip(*shown, strict=True))
    _label(axes, lines)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
    return figure


def _label(axes: Any, lines: Mapping[str, Points]) -> None:
    """Write each name at the end of its line, moved up where it would cover the one below."""
    low, high = axes.get_ylim()
    apart = (high / low) ** _APART
    by_end: dict[int, list[tuple[float, str]]] = {}
    for name, points in lines.items():
        by_end.setdefault(points[-1][0], []).append((points[-1][1], name))
    for size, ends in by_end.items():
        below = 0.0
        for time, name in sorted(ends):
            at = max(time, below * apart)
            below = at
            axes.annotate(
                _NAMES.get(name, name),
                (size, at),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                color=_COLOURS.get(name, _OTHERS),
                fontweight="bold" if name in _COLOURS else "normal",
                annotation_clip=False,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
