"""Time of a step against the number of atoms, both logarithmic, with what was published beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from mdbench.plots.colours import INK, MUTED, PALETTE
from mdbench.plots.style import REFERENCE_MARKERS, Axis, Plot, Table, new_figure, shorten
from mdbench.scaling.fits import by_series
from mdbench.scaling.labels import labels
from mdbench.scaling.reference import published

if TYPE_CHECKING:
    from mdbench.scaling.fitted import Interval, Series, SeriesFit
    from mdbench.scaling.results import Measurement, Result

NAME = "scaling"
_WIDTH_IN = 6.4
_MARKERS = "osD^vPX"
_LINES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
_VARIANTS = ("native", "torchscript", "e3nn", "cueq", "compile", "symmetrix-xl")
_COLOURS = dict(zip(_VARIANTS, PALETTE, strict=False))
_OTHER = PALETTE[-1]
_TICK_DISTANCE = 0.06
"""Of the axis' width, between labelled sizes."""


def scaling_plot(result: Result) -> Plot | None:
    """The figure; None where nothing was timed."""
    rows = by_series(result)
    if not rows:
        return None
    looks = _looks(rows)
    faster = [s for s in (result.fits.speed_ups if result.fits else ()) if s.series in looks]
    figure = new_figure(_WIDTH_IN, 6.6 if faster else 4.6)
    heights = [3, 2] if faster else [1]
    grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    panels: list[Axis] = list(grid[:, 0])
    table = Table(("series", "atoms", "ms_per_step", "first_quartile_ms", "third_quartile_ms"))
    names = labels(result)
    fits = {f.series: f for f in (result.fits.series if result.fits else ())}
    for series, found in rows.items():
        _draw_times(panels[0], found, looks[series], names[series])
        _draw_fit(panels[0], fits.get(series), looks[series])
        columns = zip(*[(m.atoms, m.median_ms, *m.quartiles_ms) for m in found], strict=True)
        table.add((names[series],), *columns)
    _draw_published(panels[0], result.system.name)
    for series in dict.fromkeys(s.series for s in faster):
        points = [(s.atoms, s.ratio) for s in faster if s.series == series]
        _draw_speed_ups(panels[1], points, looks[series])
    sizes = {m.atoms or 1 for m in result.timed}
    sizes |= {n for p in published(result.system.name) for n in p.atoms if n > max(sizes)}
    _finish(panels, sorted(sizes), sorted({s.baseline for s in faster}))
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, columnspacing=2
    )
    return Plot(
        NAME,
        "Time of a step against the number of atoms",
        "Bars: first and third quartile of the timed runs; of speed-ups, the 95% interval. Lines "
        "above: the fits a + b N. Hollow: published, a larger model on other hardware.",
        f"Time of a step against the number of atoms for {', '.join(names[s] for s in rows)}.",
        figure,
        {"": table},
    )


def _looks(rows: dict[Series, list[Measurement]]) -> dict[Series, dict[str, Any]]:
    """Colour by variant, marker and dashes by settings."""
    settings = list(dict.fromkeys(tuple(s)[1:] for s in rows))
    return {
        s: {
            "color": _COLOURS.get(s.variant, _OTHER),
            "marker": _MARKERS[settings.index(tuple(s)[1:]) % len(_MARKERS)],
            "ls": _LINES[settings.index(tuple(s)[1:]) % len(_LINES)],
        }
        for s in rows
    }


def _draw_times(axis: Axis, rows: list[Measurement], look: dict[str, Any], name: str) -> None:
    """Medians with quartiles."""
    middle = np.array([m.median_ms for m in rows])
    low, high = np.array([m.quartiles_ms for m in rows]).T
    axis.errorbar(
        [m.atoms for m in rows],
        middle,
        yerr=[middle - low, high - middle],
        ms=4.5,
        elinewidth=1.0,
        capsize=2.5,
        label=shorten(name),
        zorder=3,
        **{**look, "ls": "none"},
    )


def _draw_fit(axis: Axis, fit: SeriesFit | None, look: dict[str, Any]) -> None:
    """The line a + b N between the sizes measured, curved on logarithmic axes."""
    if fit is None or fit.latency_ms is None or fit.us_per_atom is None:
        return
    x = np.geomspace(min(fit.sizes), max(fit.sizes), 100)
    y = fit.latency_ms.value + fit.us_per_atom.value * x / 1e3
    axis.plot(x, y, color=look["color"], ls=look["ls"], lw=1.1, zorder=2)


def _draw_published(axis: Axis, system: str) -> None:
    """What was published, in grey and hollow."""
    for i, one in enumerate(published(system)):
        axis.errorbar(
            one.atoms,
            one.ms,
            fmt=REFERENCE_MARKERS[i % len(REFERENCE_MARKERS)],
            color=MUTED,
            mfc="white",
            ms=4.5,
            label=shorten(one.name),
            zorder=1,
        )
        _draw_fit(axis, one.fit, {"color": MUTED, "ls": (0, (1, 2))})


def _draw_speed_ups(axis: Axis, points: list[tuple[int, Interval]], look: dict[str, Any]) -> None:
    """Ratios with their intervals."""
    y = np.array([r.value for _, r in points])
    low = np.array([r.value if r.low is None else r.low for _, r in points])
    high = np.array([r.value if r.high is None else r.high for _, r in points])
    bars = [np.maximum(y - low, 0), np.maximum(high - y, 0)]
    axis.errorbar([n for n, _ in points], y, yerr=bars, ms=4.5, elinewidth=1.0, capsize=2.5, **look)


def _finish(panels: list[Axis], sizes: list[int], baselines: list[str]) -> None:
    """Axes and their ticks: the sizes measured below, round numbers to the left."""
    for axis in panels:
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.grid(visible=True, which="major", lw=0.4, color=MUTED, alpha=0.3)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        _label_decades(axis)
    axis = panels[-1]
    axis.xaxis.set_major_locator(FixedLocator(_apart(sizes)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    axis.set_xlabel("Atoms")
    panels[0].set_ylabel("Time of a step (ms)")
    if len(panels) > 1:
        panels[1].axhline(1, color=INK, lw=0.7)
        over = baselines[0] if len(baselines) == 1 else "baseline"
        panels[1].set_ylabel(f"Speed-up over {over}")


def _apart(sizes: list[int]) -> list[int]:
    """Sizes whose labels do not touch, from the largest down."""
    least = (sizes[-1] / sizes[0]) ** _TICK_DISTANCE
    shown: list[int] = []
    for size in reversed(sizes):
        if not shown or shown[-1] / size >= least:
            shown.append(size)
    return shown


def _label_decades(axis: Axis) -> None:
    """Powers of ten; 1, 2 and 5 of each where few of them fit."""
    low, high = axis.get_ylim()
    few = np.log10(high / low) < 2  # noqa: PLR2004 - decades
    values = [m * 10.0**e for e in range(-9, 12) for m in ((1, 2, 5) if few else (1,))]
    axis.yaxis.set_major_locator(FixedLocator(values))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_ylim(low, high)
