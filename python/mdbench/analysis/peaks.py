"""First maximum and minimum of a noisy curve on even bins, to a fraction of a bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_PEAK_LEVEL = 0.6
"""Bins higher than this part of the maximum shape the parabola."""

_VALLEY_LEVEL = 0.05
"""Part of the depth of a minimum, from its floor, whose bins are averaged."""

_NOISE = 6.0
"""Standard errors that a peak rises above the lower of its sides: among hundreds of bins of mere
noise the highest and the lowest are five apart."""


@dataclass(frozen=True)
class PeakFinder:
    """Looks for maxima that stand out of noise."""

    x: Floats  # [bins] centres, evenly spaced
    smoothing_bins: float  # standard deviation of the Gaussian that only the search uses
    prominence: Floats  # [bins] least height of a peak over the lower of its sides

    @classmethod
    def over_noise(cls, x: Floats, smoothing_ang: float, error: Floats, least: float) -> PeakFinder:
        """Peaks higher than `least` and than six standard errors of the smoothed curve.

        Args:
            x: [bins] centres, Angstrom.
            smoothing_ang: Standard deviation of the smoothing.
            error: [bins] standard errors of the curve.
            least: In units of the curve.
        """
        width = smoothing_ang / float(x[1] - x[0])
        # variance of independent bins under a normalised Gaussian: 1 / (2 sqrt(pi) width)
        noise = np.nan_to_num(error) * min(1.0, (2.0 * np.sqrt(np.pi) * width) ** -0.5)
        return cls(x, width, np.maximum(least, _NOISE * gaussian_filter1d(noise, width)))

    def first_peak(self, y: Floats) -> float:
        """Position of the first maximum, NaN where there is none.

        Vertex of the parabola through the logarithms of the bins around the maximum, weighted by
        height as counts are: exact for a Gaussian peak.
        """
        tops, smooth = self._tops(y)
        if not len(tops):
            return np.nan
        around = _run(smooth >= _PEAK_LEVEL * smooth[tops[0]], tops[0])
        around = slice(min(around.start, tops[0] - 1), max(around.stop, tops[0] + 2))
        x, height = self.x[around], y[around]
        held = height > 0.0
        if not held.any():  # the smoothed peak of two counts lies between them
            return float(self.x[tops[0]])
        centre = float(height @ x / height.sum())
        if held.sum() < 3:  # noqa: PLR2004 - a parabola
            return centre
        fit = np.polyfit(x[held] - centre, np.log(height[held]), 2, w=np.sqrt(height[held]))
        vertex = -0.5 * fit[1] / fit[0] if fit[0] < 0.0 else np.inf
        return centre + vertex if abs(vertex) <= x[-1] - x[0] else centre

    def first_minimum(self, y: Floats) -> float:
        """Middle of the floor between the first two maxima, NaN without two."""
        tops, smooth = self._tops(y)
        if len(tops) < 2:  # noqa: PLR2004 - a minimum has two sides
            return np.nan
        between = smooth[tops[0] : tops[1] + 1]
        bottom = int(np.argmin(between))
        depth = min(between[0], between[-1]) - between[bottom]
        floor = _run(between <= between[bottom] + _VALLEY_LEVEL * depth, bottom)
        return float(self.x[tops[0] : tops[1] + 1][floor].mean())

    def _tops(self, y: Floats) -> tuple[NDArray[np.intp], Floats]:
        smooth = gaussian_filter1d(y, self.smoothing_bins)
        tops, found = find_peaks(smooth, prominence=0.0)
        return tops[found["prominences"] >= self.prominence[tops]], smooth


def _run(mask: NDArray[np.bool_], inside: int) -> slice:
    """The unbroken run of true values around an index that holds one."""
    outside = np.flatnonzero(~mask)
    after = np.searchsorted(outside, inside)
    start = outside[after - 1] + 1 if after > 0 else 0
    stop = outside[after] if after < len(outside) else len(mask)
    return slice(int(start), int(stop))
