"""Density of a liquid over the sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdbench.plots.colours import INK, MUTED
from mdbench.plots.references import Reference, select
from mdbench.plots.rounding import rounded
from mdbench.plots.series import Curve, Series, array, lookup, subtract
from mdbench.plots.style import (
    NARROW_IN,
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
    from matplotlib.figure import Figure

    from mdbench.analysis.estimate import Estimate

SECTION = "density_profile"


def profile_plot(series: list[Series], ending: str, references: list[Reference]) -> Plot | None:
    """Number density of an element against its distance from the sheet."""
    curves = [
        (s, c)
        for s in series
        if (c := s.curve((SECTION,), "z_ang", "number_per_nm3", "number_error")) is not None
    ]
    if not curves:
        return None
    element, sheet = (_name(curves[0][0], "element", "O"), _name(curves[0][0], "sheet", "sheet"))
    first = curves[0]
    others = [
        (s, d)
        for s, c in curves[1:]
        if s.campaign != first[0].campaign and (d := subtract(first[1], c)) is not None
    ]
    figure = new_figure(NARROW_IN, 4.5 if others else 3.3)
    ratios = [3, 1.15] if others else [1]
    axes = np.atleast_1d(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))
    _main_panel(axes[0], curves, element)
    for i, found in enumerate(select(references, SECTION, "", first[0].temperature_k)):
        draw_reference(axes[0], found, i)
    for one, difference in others:
        draw_difference(axes[1], difference, one.colour)
    if others:
        axes[1].set_ylabel("Difference\n(nm⁻³)")
    axes[-1].set_xlabel(f"Distance of {element} from the {sheet} sheet (Å)")
    if axes[0].get_legend_handles_labels()[1]:
        axes[0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return _describe(figure, ending, curves, bool(others))


def _describe(figure: Figure, ending: str, curves: Any, compared: bool) -> Plot:  # noqa: ANN401, FBT001
    """Words and data of the figure."""
    element = _name(curves[0][0], "element", "O")
    table = Table(
        ("series", "z_ang", "number_per_nm3", "number_error", "mass_gcm3"),
    )
    peaks = []
    for one, curve in curves:
        scale = _mass_scale(one) or float("nan")
        table.add((one.label,), curve.x, curve.y, curve.error, scale * curve.y)
        peak = one.estimate(SECTION, "peak_ang")
        if peak is not None:
            peaks.append(f"{one.short} {rounded(peak.value, peak.error)} Å")
    caption = (
        "Distances are from the sheet. Bands: one standard error. Dashed: the first peak, "
        "the interfacial distance; dotted: the closest approach."
    )
    mass_of = _name(curves[0][0], "mass_of", "")
    if _mass_scale(curves[0][0]) is not None:
        caption += f" Right: the same as mass density{f' of {mass_of}' if mass_of else ''}."
    if compared:
        caption += f" Below: difference from {curves[0][0].short}, errors combined."
    alt = f"Density profile of {element} against distance from the sheet."
    if peaks:
        alt += f" Interfacial distance: {'; '.join(peaks)}."
    title = f"Density profile of {element}"
    return Plot(f"density_profile{ending}", title, caption, alt, figure, {"": table})


def _name(one: Series, key: str, default: str) -> str:
    """A word of the profile's section."""
    found = [s for s in one.sections(SECTION, key) if isinstance(s, str)]
    return shorten(found[0], 24) if found else default


def _mass_scale(one: Series) -> float | None:
    """g/cm3 for one atom in nm3."""
    for section in one.sections(SECTION):
        numbers, masses = array(lookup(section, "number_per_nm3")), array(section.get("mass_gcm3"))
        if numbers is None or masses is None or len(numbers) != len(masses):
            continue
        there = np.isfinite(masses) & (numbers > 0)
        if there.any():
            return float(np.median(masses[there] / numbers[there]))
    return None


def _main_panel(axis: Axis, curves: list[tuple[Series, Curve]], element: str) -> None:
    """Profiles, peaks and the axis of mass density."""
    alone = len(curves) == 1
    for i, (one, curve) in enumerate(curves):
        peak = one.estimate(SECTION, "peak_ang")
        label = shorten(one.short)
        if peak is not None and not alone:
            label += f": peak {rounded(peak.value, peak.error).compact} Å"
        draw(axis, curve, one.colour, label="_" if alone else label, zorder=3 - 0.01 * i)
        if alone:
            _mark(axis, peak, "interfacial distance", {"color": INK, "ls": "--"})
            closest = one.estimate(SECTION, "closest_ang")
            _mark(axis, closest, "closest approach", {"color": MUTED, "ls": ":"})
        elif peak is not None:
            axis.axvline(peak.value, color=one.colour, lw=0.8, ls="--")
    low = min(curve.x.min() for _, curve in curves)
    if low < -0.5:  # noqa: PLR2004 - Angstrom: both sides of the sheet
        axis.axvline(0, color=MUTED, lw=2.5, alpha=0.5)
    top = max(np.nanmax(curve.y) for _, curve in curves)
    axis.set_ylim(0, 1.12 * top if top > 0 else 1)
    axis.set_xlim(min(low, 0), max(curve.x.max() for _, curve in curves))
    axis.set_ylabel(f"{element} density (nm⁻³)")
    scale = _mass_scale(curves[0][0])
    if scale:
        right = axis.secondary_yaxis(
            "right", functions=(lambda y, k=scale: k * y, lambda y, k=scale: y / k)
        )
        right.set_ylabel("Mass density (g/cm³)")
        right.spines["right"].set_visible(True)


def _mark(axis: Axis, found: Estimate | None, name: str, line: dict[str, str]) -> None:
    """A distance as an upright line, its number in the legend."""
    if found is not None:
        text = f"{name} {rounded(found.value, found.error)} Å"
        axis.axvline(found.value, lw=0.9, label=text, **line)
