"""Colours of all figures; without matplotlib, which only drawing needs."""

from __future__ import annotations

import numpy as np

INK, MUTED, FAINT = "#1f2328", "#6b7280", "#d4d8de"
# Okabe and Ito, Color Universal Design (2008): told apart with every kind of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
ELEMENTS = {
    "all": INK,
    "C": "#555555",
    "H": "#56B4E9",
    "O": "#D55E00",
    "N": "#0072B2",
    "Li": "#CC79A7",
    "Na": "#CC79A7",
    "Cl": "#009E73",
    "F": "#009E73",
    "K": "#E69F00",
    "S": "#E69F00",
}
# Of matplotlib's map plasma, cold to hot, as far as it is dark enough for white paper.
HEAT = (
    "#1b068d",
    "#4903a0",
    "#7201a8",
    "#9613a1",
    "#b6308b",
    "#d04d73",
    "#e56a5d",
    "#f58b47",
    "#fdae32",
)


def temperature_colours(count: int) -> list[str]:
    """Cold to hot, even in steps."""
    anchors = np.array([[int(h[i : i + 2], 16) for i in (1, 3, 5)] for h in HEAT])
    at = np.linspace(0, len(HEAT) - 1, count)
    channels = [np.interp(at, np.arange(len(HEAT)), anchors[:, i]) for i in range(3)]
    return ["#" + "".join(f"{round(v):02x}" for v in rgb) for rgb in zip(*channels, strict=True)]


def element_colour(element: str, index: int) -> str:
    """The colour of an element, the same in all figures."""
    return ELEMENTS.get(element, PALETTE[index % len(PALETTE)])
