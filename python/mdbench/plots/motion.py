"""How atoms move: mean squared displacements, velocity autocorrelation, vibrational spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdbench.plots.colours import INK, MUTED, element_colour
from mdbench.plots.references import Reference, select
from mdbench.plots.rounding import pretty_unit, rounded
from mdbench.plots.series import Curve, Series, array, lookup
from mdbench.plots.style import (
    WIDE_IN,
    Axis,
    Plot,
    Table,
    draw,
    draw_reference,
    log_ticks,
    new_figure,
    shorten,
)

DRAWN_POINTS = 80
FITTED_WIDTH = 3.2
ROUNDING = 1e-6  # of lags in files
LARGEST_CM1 = 4500.0
NEGLIGIBLE = 2e-3  # of a spectrum's largest value: the axis ends where no more comes


def _rows(series: list[Series], section: str, read: Any) -> list[list[tuple[Series, str, Curve]]]:  # noqa: ANN401
    """Curves of each row of panels: of one series all elements in a row, else a row an element."""
    keys = dict.fromkeys(k for s in series for k in s.keys(section))
    by_key = [[(s, k, c) for s in series if (c := read(s, k)) is not None] for k in keys]
    by_key = [row for row in by_key if row]
    if len(series) == 1 and by_key:
        return [[entry for row in by_key for entry in row]]
    return by_key


def _colour(one: Series, key: str, index: int, series: list[Series]) -> str:
    """By element where one series is drawn, else by series."""
    return element_colour(key, index) if len(series) == 1 else one.colour


def _read_msd(one: Series, element: str) -> Curve | None:
    """MSD of an element, beyond lag zero."""
    curve = one.curve(("msd", element), "lag_ps", "msd_ang2", "msd_error")
    if curve is None:
        return None
    keep = (curve.x > 0) & (curve.y > 0)
    if keep.sum() < 2:  # noqa: PLR2004 - no line
        return None
    return Curve(curve.x[keep], curve.y[keep], curve.error[keep])


def msd_plot(series: list[Series], ending: str, references: list[Reference]) -> Plot | None:
    """MSD on logarithmic axes, with the fit's window and slope 1, and on linear axes."""
    rows = _rows(series, "msd", _read_msd)
    if not rows:
        return None
    figure = new_figure(WIDE_IN, 3.0 * len(rows) + 0.15)
    axes = np.atleast_2d(figure.subplots(len(rows), 2, width_ratios=[1, 1]))
    table = Table(("series", "element", "lag_ps", "msd_ang2", "msd_error"))
    for (left, right), row in zip(axes, rows, strict=True):
        _msd_row(left, right, row, series)
        for key in dict.fromkeys(k for _, k, _ in row):
            for i, found in enumerate(select(references, "msd", key, row[0][0].temperature_k)):
                for axis in (left, right):
                    draw_reference(axis, found, i)
        _finish_msd(left, right, row)
        if len(series) > 1:
            left.set_title(row[0][1])
        for one, key, curve in row:
            table.add((one.label, key), curve.x, curve.y, curve.error)
    for axis in axes[-1]:
        axis.set_xlabel("Lag (ps)")
    caption = (
        "On logarithmic and on linear axes. Bands: one standard error. "
        "Heavy: lags of the fit, of several seeds those that all fits share; grey dashed: slope 1."
    )
    unit = _unit_of(rows)
    if unit:
        caption += f" D in {unit}."
    alt = "Mean squared displacement against lag time: " + "; ".join(
        _msd_label(s, k, series).replace("\n", ", ") for row in rows for s, k, _ in row
    )
    title = "Mean squared displacement"
    return Plot(f"msd{ending}", title, caption, f"{alt}.", figure, {"": table})


def _unit_of(rows: list[list[tuple[Series, str, Curve]]]) -> str:
    """Unit of the diffusion coefficients."""
    found = (s.estimate("msd", k, "diffusion") for row in rows for s, k, _ in row)
    return next((pretty_unit(e.unit) for e in found if e is not None), "")


def _msd_label(one: Series, element: str, series: list[Series]) -> str:
    """Name and diffusion coefficient."""
    name = element if len(series) == 1 else shorten(one.short)
    found = one.estimate("msd", element, "diffusion")
    ways = [way for s in series for way in s.directions("msd", element)]
    if len(set(ways)) > 1:  # the axis does not tell
        name += f" {' '.join(one.directions('msd', element)) or 'in all directions'}"
    if found is None:
        return f"{name}: no D"
    return f"{name}: D = {rounded(found.value, found.error)}"


def _msd_row(left: Axis, right: Axis, row: Any, series: list[Series]) -> None:  # noqa: ANN401
    """Curves and windows of a row."""
    left.set_xscale("log")
    left.set_yscale("log")
    for i, (one, key, whole) in enumerate(row):
        colour, curve = _colour(one, key, i, series), _thin(whole)
        bottom = np.maximum(curve.y - curve.error, 0.05 * curve.y)
        left.plot(curve.x, curve.y, color=colour, label=_msd_label(one, key, series))
        left.fill_between(curve.x, bottom, curve.y + curve.error, color=colour, alpha=0.22, lw=0)
        draw(right, curve, colour)
        fitted = _thin(_fitted(one, key, whole))
        for axis in (left, right):
            axis.plot(fitted.x, fitted.y, color=colour, lw=FITTED_WIDTH, solid_capstyle="butt")


def _thin(curve: Curve) -> Curve:
    """Points enough for both kinds of axes."""
    count = len(curve.x)
    few = np.linspace(0, count - 1, min(count, DRAWN_POINTS))
    few = np.concatenate([few, np.geomspace(1, max(count, 1), min(count, DRAWN_POINTS)) - 1])
    at = np.unique(few.astype(np.int64))
    return Curve(curve.x[at], curve.y[at], curve.error[at])


def _fitted(one: Series, element: str, curve: Curve) -> Curve:
    """The part of a curve that the fits of all runs take; no points where there is none."""
    found = [array(lookup(section, "fit_ps")) for section in one.sections("msd", element)]
    windows = [w for w in found if w is not None and len(w) == 2]  # noqa: PLR2004
    keep = np.full(len(curve.x), bool(windows))
    for low, high in windows:
        keep &= (curve.x >= (1 - ROUNDING) * low) & (curve.x <= (1 + ROUNDING) * high)
    return Curve(curve.x[keep], curve.y[keep], curve.error[keep])


def _finish_msd(left: Axis, right: Axis, row: Any) -> None:  # noqa: ANN401
    """Limits, guide and labels."""
    x0 = min(c.x[0] for _, _, c in row)
    x1 = max(c.x[-1] for _, _, c in row)
    y0, y1 = min(np.nanmin(c.y) for _, _, c in row), max(np.nanmax(c.y) for _, _, c in row)
    left.set_xlim(x0, x1)
    left.set_ylim(0.6 * y0, y1 * (y1 / y0) ** (0.12 + 0.07 * len(row)))
    start = max(x0, x1 / 7)
    highest, curve = max(((c.y[-1], c) for _, _, c in row), key=lambda found: found[0])
    if np.interp(start, curve.x, curve.y) < highest / 3:  # where something moves
        _guide(left, start, x1, highest)
    log_ticks(left.xaxis)
    log_ticks(left.yaxis)
    right.set_xlim(0, x1)
    right.set_ylim(0, 1.04 * max(np.nanmax(c.y + np.nan_to_num(c.error)) for _, _, c in row))
    for name in ("x", "y"):
        right.locator_params(axis=name, nbins=6, steps=[1, 2, 5, 10])
    ways = dict.fromkeys(way for s, k, _ in row for way in s.directions("msd", k))
    where = "".join(ways) if len(ways) == 1 else ""
    for axis in (left, right):
        axis.set_ylabel(f"MSD {where} (Å²)".replace("  ", " "))
    left.legend(loc="upper left")


def _guide(left: Axis, start: float, end: float, highest: float) -> None:
    """A line of slope 1 above the curves."""
    guide = np.array([start, end])
    left.plot(guide, 2 * highest * guide / end, color=MUTED, lw=1, ls="--", zorder=1)
    left.annotate(
        "slope 1",
        (np.sqrt(start * end), 2 * highest * np.sqrt(start / end)),
        (-3, 3),
        textcoords="offset points",
        ha="right",
        fontsize=7.5,
        color=MUTED,
    )


def _read_vacf(one: Series, key: str) -> Curve | None:
    """Normalised velocity autocorrelation."""
    return one.curve(("vacf", key), "lag_ps", "vacf")


def _read_spectrum(one: Series, key: str) -> Curve | None:
    """Vibrational spectrum."""
    return one.curve(("vacf", key), "frequency_cm1", "spectrum")


def vacf_plot(series: list[Series], ending: str) -> Plot | None:
    """Velocity autocorrelation and its spectrum."""
    kinds = (
        ("vacf", _read_vacf, ("lag_ps", "vacf")),
        ("spectrum", _read_spectrum, ("frequency_cm1", "spectrum")),
    )
    rows = {name: _rows(series, "vacf", read) for name, read, _ in kinds}
    count = max(len(found) for found in rows.values())
    if count == 0:
        return None
    figure = new_figure(WIDE_IN, 2.5 * count + 0.3)
    axes = np.atleast_2d(figure.subplots(count, 2, width_ratios=[1, 1.6]))
    tables = {}
    for column, (name, _, columns) in enumerate(kinds):
        tables[name] = Table(("series", "element", *columns))
        for axis, row in zip(axes[:, column], rows[name], strict=False):
            for i, (one, key, curve) in enumerate(row):
                label = key if len(series) == 1 else shorten(one.short)
                colour = _colour(one, key, i, series)
                axis.plot(curve.x, curve.y, color=colour, lw=1.1, label=label)
                tables[name].add((one.label, key), curve.x, curve.y)
            if len(series) > 1:
                axis.set_title(row[0][1])
        for axis in axes[len(rows[name]) :, column]:
            axis.set_visible(False)
    _finish_vacf(axes, rows)
    keys = ", ".join(
        dict.fromkeys(k for found in rows.values() for row in found for _, k, _ in row)
    )
    return Plot(
        f"vacf{ending}",
        "Velocity autocorrelation and vibrational spectrum",
        "Left: autocorrelation of the velocities. Right: its cosine transform, the vibrational "
        "density of states.",
        f"Velocity autocorrelation and vibrational spectrum of {keys}.",
        figure,
        {k: t for k, t in tables.items() if t.rows},
    )


def _finish_vacf(axes: Axis, rows: Any) -> None:  # noqa: ANN401
    """Limits and labels."""
    for axis, row in zip(axes[:, 0], rows["vacf"], strict=False):
        axis.axhline(0, color=MUTED, lw=0.6, zorder=0)
        axis.set_xlim(0, _settled(row))
        axis.set_ylabel("VACF")
    for axis, row in zip(axes[:, 1], rows["spectrum"], strict=False):
        end = 0.0
        for _, _, curve in row:
            seen = curve.x[np.nan_to_num(np.abs(curve.y)) > NEGLIGIBLE * np.nanmax(np.abs(curve.y))]
            end = max(end, float(seen.max()) if len(seen) else float(curve.x[-1]))
        axis.set_xlim(0, min(1.05 * end, LARGEST_CM1))
        axis.set_ylabel("Spectrum (arb. units)")
        axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
        axis.axhline(0, color=INK, lw=0.5, zorder=0)
    side = 1 if rows["spectrum"] else 0
    axes[0, side].legend(loc="upper right")
    axes[-1, 0].set_xlabel("Lag (ps)")
    axes[-1, 1].set_xlabel("Wavenumber (cm⁻¹)")


def _settled(row: list[tuple[Series, str, Curve]]) -> float:
    """Lag from which on no autocorrelation is above 2% of its start."""
    ends = []
    for _, _, curve in row:
        large = curve.x[np.nan_to_num(np.abs(curve.y)) > 0.02 * abs(curve.y[0])]
        ends.append(1.3 * float(large.max()) if len(large) else float(curve.x[-1]))
    return min(max(ends), max(float(c.x[-1]) for _, _, c in row))
