"""What the thermodynamic output says over time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mdbench.plots.colours import FAINT, INK, MUTED
from mdbench.plots.rounding import with_unit
from mdbench.plots.series import (
    Curve,
    Floats,
    Json,
    Series,
    equilibration_ps,
    lookup,
    read_curve,
)
from mdbench.plots.style import WIDE_IN, Axis, Plot, Table, new_figure, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {
    "temperature": "Temperature (K)",
    "potential_energy_per_atom": "Energy − mean\n(meV/atom)",  # noqa: RUF001
    "pressure": "Pressure (bar)",
    "density": "Density (g/cm³)",
}
IN_TABLES = {"potential_energy_per_atom": "potential_energy_minus_mean_mev_per_atom"}
"""Names of quantities that are drawn in another form than the analysis holds them."""
WINDOWS = 25  # running means over this part of a trace
MOST_RAW = 3  # raw traces of more runs would hide one another


def thermo_plot(series: list[Series], ending: str) -> Plot | None:
    """Traces of temperature, potential energy, pressure and, where it changes, density."""
    traces = {name: _traces(series, name) for name in PANELS}
    shown = [name for name, found in traces.items() if found]
    if not shown:
        return None
    figure = new_figure(WIDE_IN, 0.55 + 1.35 * len(shown))
    axes = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    table = Table(("series", "run", "quantity", "time_ps", "value"))
    for axis, name in zip(axes, shown, strict=True):
        _panel(axis, name, traces[name])
        for one, run, curve in traces[name]:
            table.add((one.label, run.get("name", ""), IN_TABLES.get(name, name)), curve.x, curve.y)
    axes[-1].set_xlabel("Time (ps)")
    figure.align_ylabels(axes)
    shaded = _mark_equilibration(axes, traces[shown[0]])
    _mark_targets(axes[0], shown[0], series)
    if len(series) == 1:
        for axis, name in zip(axes, shown, strict=True):
            _write_mean(axis, name, series[0])
    else:
        _legend(figure, axes[0], series)
    seen = ", ".join(n.replace("_", " ") for n in shown)
    return Plot(
        f"thermo{ending}",
        "Thermodynamic output",
        f"Traces of {seen}: thin lines as written, heavy lines a running mean over 1/{WINDOWS} of "
        f"the run; dashed the target.{shaded}",
        f"Line plots of {seen} against time for {', '.join(s.short for s in series)}.",
        figure,
        {"": table},
    )


def _traces(series: list[Series], name: str) -> list[tuple[Series, Json, Curve]]:
    """The traces of a quantity; none where it is constant."""
    found = []
    for one in series:
        for run in one.runs:
            curve = read_curve(lookup(run, "thermo", "series"), "time_ps", name)
            if curve is None or (name == "density" and _is_constant(curve.y)):
                continue
            y = curve.y
            if name == "potential_energy_per_atom":
                y = 1e3 * (y - np.nanmean(y[curve.x >= equilibration_ps(run)] if len(y) else y))
            found.append((one, run, Curve(curve.x, y, curve.error)))
    return found


def _is_constant(y: Floats) -> bool:
    """Whether the volume was fixed."""
    return bool(np.nanmax(y) - np.nanmin(y) <= 1e-6 * abs(np.nanmean(y)))


def _panel(axis: Axis, name: str, traces: list[tuple[Series, Json, Curve]]) -> None:
    """Traces of one quantity."""
    for one, _, curve in traces:
        if len(traces) <= MOST_RAW:
            axis.plot(curve.x, curve.y, color=one.colour, alpha=0.35, lw=0.5)
        mean = running_mean(curve.y)
        thin = max(len(mean) // (400 if len(traces) <= MOST_RAW else 150), 1)
        axis.plot(curve.x[::thin], mean[::thin], color=one.colour, lw=1.4)
    axis.set_ylabel(PANELS[name])
    axis.margins(x=0)
    axis.locator_params(axis="y", nbins=4)


def running_mean(y: Floats) -> Floats:
    """Centred mean over a window that shrinks at the ends."""
    half = max(len(y) // (2 * WINDOWS), 1)
    known = np.isfinite(y)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, y, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    at = np.arange(len(y))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(y))
    count = counts[high] - counts[low]
    return np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan)


def _mark_equilibration(axes: Axis, traces: list[tuple[Series, Json, Curve]]) -> str:
    """Shade each run's equilibration; what the caption says of it."""
    ends = Counter(equilibration_ps(run) for _, run, _ in traces)
    start = min(curve.x[0] for _, _, curve in traces)
    for end, count in ends.items():
        for axis in axes if end > start else ():
            share = count / ends.total()
            axis.axvspan(start, end, color=FAINT, alpha=0.5 * share, lw=0, zorder=0)
    if max(ends) <= start:
        return ""
    rest = "of all averages" if len(ends) == 1 else "of averages, the fainter by the fewer runs"
    return f" Shaded: equilibration, left out {rest}."


def _mark_targets(axis: Axis, name: str, series: list[Series]) -> None:
    """Target temperatures."""
    if name != "temperature":
        return
    for target in sorted({s.temperature_k for s in series if s.temperature_k is not None}):
        axis.axhline(target, color=INK, lw=0.8, ls=(0, (5, 3)), zorder=3)


def _write_mean(axis: Axis, name: str, one: Series) -> None:
    """The mean of the production, above the panel."""
    mean = one.estimate("thermo", "quantities", name)
    if mean is None:
        return
    text = f"mean {with_unit(mean.value, mean.error, mean.unit)}"
    if name == "temperature" and one.temperature_k is not None:
        text += f", target {one.temperature_k:g} K"
    axis.set_title(text, loc="right", fontsize=7.5, color=MUTED, pad=3)


def _legend(figure: Figure, axis: Axis, series: list[Series]) -> None:
    """One legend for all panels, above them."""
    for one in series:
        axis.plot([], [], color=one.colour, label=shorten(one.short))
    columns = 2 if max(len(s.short) for s in series) > 20 else min(len(series), 5)  # noqa: PLR2004
    figure.legend(loc="outside upper center", ncols=columns)
