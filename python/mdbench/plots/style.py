"""One look for all figures, and what every figure needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullFormatter

from mdbench.plots.colours import INK, MUTED
from mdbench.plots.rounding import superscript

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mdbench.plots.references import Reference
    from mdbench.plots.series import Curve

WIDE_IN, NARROW_IN = 7.2, 5.2
DPI = 150
REFERENCE_MARKERS = "osD^v"
MOST_POINTS = 60
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure everywhere
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # labels are the user's: a dollar sign is a dollar sign
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.labelspacing": 0.35,
    "lines.linewidth": 1.3,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "mdbench",
}


Axis = Any  # matplotlib.axes.Axes, whose stubs refuse much that is right


@dataclass(frozen=True)
class Table:
    """Data of a figure, written as CSV."""

    header: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, names: Sequence[object], *columns: Iterable[float]) -> None:
        """Add one curve: names that are the same in each row, then its columns."""
        self.rows.extend((*names, *row) for row in zip(*(list(c) for c in columns), strict=True))


@dataclass(frozen=True)
class Plot:
    """A figure and all that goes with it."""

    name: str  # of its files
    title: str
    caption: str
    alt: str
    figure: Figure
    tables: dict[str, Table]


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that arranges itself; pyplot's list of figures is never touched."""
    engine = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05, wspace=0.04, hspace=0.04)
    return Figure(figsize=(width_in, height_in), dpi=DPI, layout=engine)


def save(figure: Figure, stem: Path) -> None:
    """Write a figure as PNG and as SVG."""
    if engine := figure.get_layout_engine():
        # once for both files; savefig would draw for it, and again for each of them
        engine.execute(figure)
        figure.set_layout_engine(None)
    figure.savefig(stem.with_name(stem.name + ".png"))
    figure.savefig(stem.with_name(stem.name + ".svg"), metadata={"Date": None})


def draw(axis: Axis, curve: Curve, colour: str, **line: Any) -> None:  # noqa: ANN401
    """A line and the band of one standard error around it."""
    axis.plot(curve.x, curve.y, color=colour, **line)
    if np.isfinite(curve.error).any():
        axis.fill_between(
            curve.x, curve.y - curve.error, curve.y + curve.error, color=colour, alpha=0.22, lw=0
        )


def draw_difference(axis: Axis, curve: Curve, colour: str) -> None:
    """A difference with the band of its error, about zero."""
    axis.axhline(0, color=MUTED, lw=0.7)
    draw(axis, curve, colour, lw=1.1)


def draw_reference(axis: Axis, reference: Reference, index: int) -> None:
    """Data from elsewhere: points, or a dashed line where the points would merge."""
    curve, label = reference.curve, shorten(reference.label)
    if len(curve.x) > MOST_POINTS:
        dashes = (0, (4 - index % 3, 1.5 + index % 3))
        axis.plot(curve.x, curve.y, color=INK, lw=1.0, ls=dashes, label=label, zorder=4)
        return
    axis.errorbar(
        curve.x,
        curve.y,
        yerr=curve.error if np.isfinite(curve.error).any() else None,
        fmt=REFERENCE_MARKERS[index % len(REFERENCE_MARKERS)],
        ms=3.5,
        mfc="white",
        mec=INK,
        mew=0.8,
        ecolor=INK,
        elinewidth=0.6,
        label=label,
        zorder=4,
    )


def log_ticks(axis: Axis) -> None:
    """Powers of ten without mathematical markup, which labels do not go through."""
    axis.set_major_formatter(FuncFormatter(lambda x, _: power_of_ten(x)))
    axis.set_minor_formatter(NullFormatter())


def power_of_ten(x: float) -> str:
    """``0.1``, ``1``, ``10``, ``100``, ``10³``."""
    exponent = round(np.log10(x)) if x > 0 else 0
    if x <= 0 or abs(np.log10(x) - exponent) > 1e-6:  # noqa: PLR2004 - no power of ten
        return ""
    return f"{x:g}" if -2 <= exponent <= 2 else f"10{superscript(exponent)}"  # noqa: PLR2004


def shorten(text: str, length: int = 42) -> str:
    """A label that fits into a legend."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"
