"""Radial distribution functions, a panel a pair."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.plots.colours import MUTED
from mdbench.plots.references import Reference, select
from mdbench.plots.rounding import rounded
from mdbench.plots.series import Curve, Series, subtract
from mdbench.plots.style import (
    NARROW_IN,
    WIDE_IN,
    Axis,
    Plot,
    Table,
    draw,
    draw_difference,
    draw_reference,
    new_figure,
    shorten,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure

Drawn = list[tuple[Series, Curve]]
MOST_COLUMNS = 3
MOST_COORDINATIONS = 3
ONSET = 5e-3  # of the largest value
HIGHEST_SHELL = 2.0  # coordination axes end at this many times the first shell


def rdf_plot(series: list[Series], ending: str, references: list[Reference]) -> Plot | None:
    """RDF of each pair with its running coordination number."""
    pairs = dict.fromkeys(k for s in series for k in s.keys("rdf"))
    found = {pair: drawn for pair in pairs if (drawn := _curves(series, pair))}
    if not found:
        return None
    differences = {pair: _differences(drawn) for pair, drawn in found.items()}
    compared = any(differences.values())
    columns = min(len(found), MOST_COLUMNS if len(found) != 4 else 2)  # noqa: PLR2004 - 2 x 2
    rows = math.ceil(len(found) / columns)
    figure = new_figure(
        NARROW_IN if columns == 1 else WIDE_IN,
        (3.1 if columns < MOST_COLUMNS else 2.5) * rows + 1.05 * rows * compared + 0.35,
    )
    grid = figure.add_gridspec(
        rows * (1 + compared), columns, height_ratios=([3, 1.1] if compared else [1]) * rows
    )
    for i, (pair, drawn) in enumerate(found.items()):
        row, column = divmod(i, columns)
        cell = (row * (1 + compared), column)
        axis = figure.add_subplot(grid[cell])
        beside = select(references, "rdf", pair, drawn[0][0].temperature_k)
        _pair_panel(axis, pair, drawn, beside)
        axis.set_ylabel("g(r)" if column == 0 else "")
        if compared:
            axis.tick_params(labelbottom=False)
            axis = figure.add_subplot(grid[cell[0] + 1, column], sharex=axis)
            for one, difference in differences[pair]:
                draw_difference(axis, difference, one.colour)
            axis.set_ylabel("Difference" if column == 0 else "")
        axis.set_xlabel("r (Å)")
    if len(series) > 1 or references:
        _legend(figure, series, references)
    return _describe(figure, ending, found, compared)


def _curves(series: Iterable[Series], pair: str) -> Drawn:
    """The RDFs of a pair."""
    read = ((s, s.curve(("rdf", pair), "r_ang", "g", "g_error")) for s in series)
    return [(s, c) for s, c in read if c is not None]


def _differences(drawn: Drawn) -> Drawn:
    """Other campaigns minus the first."""
    (first, curve), *others = drawn
    read = ((s, subtract(curve, c)) for s, c in others if s.campaign != first.campaign)
    return [(s, d) for s, d in read if d is not None]


def _describe(figure: Figure, ending: str, found: dict[str, Drawn], compared: bool) -> Plot:  # noqa: FBT001
    """Words and data of the figure."""
    table = Table(("series", "pair", "r_ang", "g", "g_error", "coordination"))
    for pair, drawn in found.items():
        for one, curve in drawn:
            running = one.curve(("rdf", pair), "r_ang", "coordination")
            same = running is not None and len(running.y) == len(curve.x)
            count = running.y if running is not None and same else np.full(len(curve.x), np.nan)
            table.add((one.label, pair), curve.x, curve.y, curve.error, count)
    kinds = {
        str(kind)
        for pair, drawn in found.items()
        for s, _ in drawn
        for kind in s.sections("rdf", pair, "normalisation")
    }
    caption = (
        "Bands: one standard error. Dashed, right: running "
        "coordination number. Triangles: first peaks."
    )
    if kinds == {"slab"}:
        caption += " Normalised by the ideal reference of the slab's density profile."
    if compared:
        caption += (
            f" Below: difference from {next(iter(found.values()))[0][0].short}, errors combined."
        )
    alt = f"Radial distribution functions of {', '.join(found)}."
    for pair, drawn in found.items():
        for one, _ in drawn:
            peak = one.estimate("rdf", pair, "first_peak_ang")
            if peak is not None:
                alt += f" First peak of {pair}, {one.short}: {rounded(peak.value, peak.error)} Å."
    return Plot(f"rdf{ending}", "Radial distribution functions", caption, alt, figure, {"": table})


def _pair_panel(axis: Axis, pair: str, drawn: Drawn, references: list[Reference]) -> None:
    """One pair: RDFs, coordination numbers, first peaks, references."""
    top = max(float(np.nanmax(c.y)) for _, c in drawn)
    axis.axhline(1, color=MUTED, lw=0.6, zorder=0)
    for one, curve in drawn:
        draw(axis, curve, one.colour)
        peak = one.estimate("rdf", pair, "first_peak_ang")
        if peak is not None:
            axis.plot([peak.value], [0], "^", color=one.colour, ms=4.5, clip_on=False, zorder=5)
        if peak is not None and len(drawn) == 1:
            text = f"peak {rounded(peak.value, peak.error).compact} Å"
            axis.set_title(text, loc="right", fontsize=7.5, color=MUTED)
    for i, reference in enumerate(references):
        draw_reference(axis, reference, i)
        top = max(top, float(np.nanmax(reference.curve.y)))
    axis.set_title(pair)
    axis.set_xlim(min(_onset(c) for _, c in drawn), max(c.x[-1] for _, c in drawn))
    axis.set_ylim(0, 1.15 * top if top > 0 else 1)
    axis.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
    if len(drawn) <= MOST_COORDINATIONS:
        _coordination(axis, pair, drawn)


def _onset(curve: Curve) -> float:
    """Where an axis may begin: at a half Angstrom before the first pairs."""
    there = np.flatnonzero(np.nan_to_num(curve.y) > ONSET * np.nanmax(curve.y))
    first = float(curve.x[there[0]]) if len(there) else 0.0
    return max(math.floor(2 * (first - 0.4)) / 2, 0.0)


def _coordination(axis: Axis, pair: str, drawn: Drawn) -> None:
    """Running coordination numbers on the right; the axis ends a little above the first shell."""
    found = [
        (s, c)
        for s, _ in drawn
        if (c := s.curve(("rdf", pair), "r_ang", "coordination")) is not None
    ]
    if not found:
        return
    right = axis.twinx()
    right.spines["right"].set_visible(True)
    shells = [e.value for s, _ in found if (e := s.estimate("rdf", pair, "coordination_number"))]
    highest = max(float(np.nanmax(c.y)) for _, c in found)
    end = min(highest, HIGHEST_SHELL * max(shells)) if shells else highest
    for one, curve in found:
        right.plot(curve.x, curve.y, color=one.colour, lw=0.9, ls=(0, (4, 2)), alpha=0.8)
    right.set_ylim(0, end if end > 0 else 1)
    right.locator_params(axis="y", nbins=5)
    right.tick_params(labelsize=7.5)
    right.set_ylabel("n(r)", color=MUTED, labelpad=5, fontsize=7.5)


def _legend(figure: Figure, series: list[Series], references: list[Reference]) -> None:
    """One legend for all panels: each series and each reference once."""
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    drawn = {
        shorten(r.label): handles[shorten(r.label)]
        for r in references
        if shorten(r.label) in handles
    }
    lines = {}
    if len(series) > 1 or drawn:
        for one in series:
            (lines[shorten(one.short)],) = figure.axes[0].plot([], [], color=one.colour)
    handles = {**lines, **drawn}
    if handles:
        columns = 2 if max(map(len, handles)) > 20 else min(len(handles), 5)  # noqa: PLR2004
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns)
