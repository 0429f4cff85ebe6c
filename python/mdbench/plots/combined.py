"""What several temperatures say together: density and diffusion against temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mdbench.analysis.temperature import weighted_line
from mdbench.plots.colours import INK, PALETTE, element_colour
from mdbench.plots.rounding import with_unit
from mdbench.plots.series import Curve, Floats, Json, directions, lookup, read_curve, read_estimate
from mdbench.plots.style import NARROW_IN, REFERENCE_MARKERS, Axis, Plot, Table, new_figure, shorten

if TYPE_CHECKING:
    from mdbench.plots.references import Reference

MARKERS = "oDs^vPX"
_FEWEST_POINTS = 3  # two fit every line


def combined_plots(analyses: list[tuple[str, Json]], references: list[Reference]) -> list[Plot]:
    """Figures of the sections ``combined`` of campaigns, with their labels."""
    found = [density_plot(analyses, references), arrhenius_plot(analyses, references)]
    return [plot for plot in found if plot is not None]


def density_plot(analyses: list[tuple[str, Json]], references: list[Reference]) -> Plot | None:
    """Density against temperature."""
    figure = new_figure(NARROW_IN, 3.4)
    axis = figure.subplots()
    table = Table(("series", "temperature_k", "density_gcm3", "density_error"))
    labels, is_fitted = [], False
    for i, (label, analysis) in enumerate(analyses):
        section = lookup(analysis, "combined", "density_temperature")
        curve = read_curve(section, "temperature_k", "density_gcm3", "density_error")
        if curve is None:
            continue
        labels.append(label)
        text = _entry(shorten(label), "slope", lookup(section, "slope"))
        _points(axis, curve, PALETTE[i % len(PALETTE)], (MARKERS[i % len(MARKERS)], text))
        is_fitted |= _draw_fit(axis, curve, PALETTE[i % len(PALETTE)], lambda x: x, lambda y: y)
        table.add((label,), curve.x, curve.y, curve.error)
    if not labels:
        return None
    for i, found in enumerate(r for r in references if r.quantity == "density_temperature"):
        _draw_reference(axis, found.curve, found.label, i)
    axis.set_xlabel("Temperature (K)")
    axis.set_ylabel("Density (g/cm³)")
    axis.margins(x=0.06)
    _room_above(axis, 0.13 * len(axis.get_legend_handles_labels()[1]) + 0.1)
    axis.legend(loc="upper right")
    return Plot(
        "density_temperature",
        "Density against temperature",
        f"Bars: one standard error.{FIT if is_fitted else ''}",
        f"Density against temperature of {', '.join(labels)}.",
        figure,
        {"": table},
    )


FIT = (
    " Lines: weighted straight-line fits with one-sigma bands, widened where the points scatter "
    "more than their errors say."
)


def arrhenius_plot(analyses: list[tuple[str, Json]], references: list[Reference]) -> Plot | None:
    """Diffusion coefficients on a logarithmic axis against the inverse temperature."""
    figure = new_figure(NARROW_IN, 3.8)
    axis = figure.subplots()
    axis.set_yscale("log")
    table = Table(("series", "element", "temperature_k", "diffusion_1e-9m2s", "diffusion_error"))
    names: list[str] = []
    elements: list[str] = []
    is_fitted = False
    for i, (label, analysis) in enumerate(analyses):
        section = lookup(analysis, "combined", "arrhenius")
        for element in section if isinstance(section, dict) else ():
            curve = _positive(
                read_curve(section[element], "temperature_k", "diffusion", "diffusion_error")
            )
            if curve is None:
                continue
            elements += [element] if element not in elements else []
            j = elements.index(element)
            alone = len(analyses) == 1
            colour = element_colour(element, j) if alone else PALETTE[i % len(PALETTE)]
            kind = f"{element} {directions(section[element])}".strip()
            names.append(kind if alone else f"{kind}, {label}")
            corrected = ", corrected" if lookup(section[element], "is_corrected") else ""
            text = _entry(
                f"{shorten(names[-1])}{corrected}",
                "Eₐ",
                lookup(section[element], "activation_energy"),
            )
            _points(axis, _inverse(curve), colour, (MARKERS[j % len(MARKERS)], text))
            is_fitted |= _draw_fit(axis, _inverse(curve), colour, np.log, np.exp)
            table.add((label, element), curve.x, curve.y, curve.error)
    if not names:
        return None
    for i, found in enumerate(r for r in references if r.quantity == "arrhenius"):
        if (beside := _positive(found.curve)) is not None:
            _draw_reference(axis, _inverse(beside), f"{found.key}, {found.label}", i)
    _finish_arrhenius(axis)
    return Plot(
        "arrhenius",
        "Arrhenius plot of the diffusion",
        "Diffusion coefficients, logarithmic; corrected: for the cell's size (Yeh-Hummer). "
        f"Bars: one standard error.{FIT if is_fitted else ''}",
        f"Arrhenius plot of the diffusion coefficients of {'; '.join(names)}.",
        figure,
        {"": table},
    )


def _entry(name: str, symbol: str, raw: object) -> str:
    """A legend entry with the number that the fit gave."""
    found = read_estimate(raw)
    if found is None:
        return name
    return f"{name}: {symbol} = {with_unit(found.value, found.error, found.unit)}"


def _positive(curve: Curve | None) -> Curve | None:
    """What a logarithmic axis can show."""
    if curve is None:
        return None
    keep = (curve.x > 0) & (curve.y > 0)
    return Curve(curve.x[keep], curve.y[keep], curve.error[keep]) if keep.any() else None


def _inverse(curve: Curve) -> Curve:
    """Against 1000/T."""
    return Curve(1e3 / curve.x, curve.y, curve.error)


def _bars(curve: Curve) -> Floats | None:
    """Error bars, if there are errors."""
    return curve.error if np.isfinite(curve.error).any() else None


def _points(axis: Axis, curve: Curve, colour: str, entry: tuple[str, str]) -> None:
    """Points with error bars; the entry is marker and label."""
    axis.errorbar(
        curve.x,
        curve.y,
        yerr=_bars(curve),
        fmt=entry[0],
        ms=4.5,
        color=colour,
        elinewidth=0.9,
        capsize=2,
        label=entry[1],
        zorder=3,
    )


def _draw_fit(axis: Axis, curve: Curve, colour: str, to_line: Any, from_line: Any) -> bool:  # noqa: ANN401
    """The straight line through the points, in the axis where it is straight, if there is one."""
    y = to_line(curve.y)
    error = curve.error if y is curve.y else curve.error / curve.y
    known = np.isfinite(y) & np.isfinite(error) & (error > 0)
    if len(np.unique(curve.x[known])) < _FEWEST_POINTS:
        return False
    line = weighted_line(curve.x[known], y[known], error[known])
    x = np.linspace(curve.x.min(), curve.x.max(), 100)
    value, sigma = line.at(x)
    axis.plot(x, from_line(value), color=colour, lw=1.1)
    low, high = from_line(value - sigma), from_line(value + sigma)
    axis.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    return True


def _draw_reference(axis: Axis, curve: Curve, label: str, index: int) -> None:
    """Points from elsewhere."""
    axis.errorbar(
        curve.x,
        curve.y,
        yerr=_bars(curve),
        fmt=REFERENCE_MARKERS[index % len(REFERENCE_MARKERS)],
        ms=4.5,
        mfc="white",
        color=INK,
        elinewidth=0.8,
        label=shorten(label),
        zorder=2,
    )


def _room_above(axis: Axis, part: float) -> None:
    """Free this part of an axis' height for its legend."""
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + part * (high - low))


def _finish_arrhenius(axis: Axis) -> None:
    """Ticks, temperatures above, labels."""
    low, high = axis.get_ylim()
    entries = len(axis.get_legend_handles_labels()[1])
    axis.set_ylim(low, high * (high / low) ** (0.1 + 0.1 * entries))
    wide = np.log10(high / low) > 2  # noqa: PLR2004 - decades: then these alone are labelled
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("1000 / T (K⁻¹)")
    axis.set_ylabel("D (10⁻⁹ m²/s)")
    above = axis.secondary_xaxis("top", functions=(_turn, _turn))
    above.set_xlabel("T (K)")
    above.spines["top"].set_visible(True)
    axis.legend(loc="upper right")


def _turn(x: Any) -> Floats:  # noqa: ANN401 - numbers and arrays
    """1000/x, also where axes ask for zero."""
    values = np.asarray(x, dtype=np.float64)
    return np.asarray(1e3 / np.where(values == 0, np.nan, values), dtype=np.float64)
