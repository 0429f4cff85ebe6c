"""Autocorrelation of a series: how many samples count as one, where equilibration ends.

Formulas of Chodera, Swope, Pitera, Seok and Dill, JCTC 3, 26 (2007) and Chodera, JCTC 12, 1799
(2016), as pymbar.timeseries applies them; pymbar itself takes seconds to import.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SHORTEST_WINDOW = 3
"""Lags that are summed even where the autocorrelation is below zero (pymbar's mintime)."""

_MOST_LOST = 0.75
"""Part of the autocovariances' sum that may be lost to what was fitted."""

_ORIGINS = 60
"""Origins tried in search of the end of equilibration, half of them spaced evenly."""

_CHANCE = 4.0
"""Relative error, times the root of their number, of independent samples: the best of origins
leaves by chance up to so much more of them than the whole stationary series has."""

_FAR_OFF = 3.5
"""Standard deviations."""


def statistical_inefficiency(values: Floats) -> float:
    """Samples that count as one independent sample: g = 1 + 2 tau, with tau in samples.

    The autocorrelation is summed up to its first zero (JCTC 3, 26, section 2.4). Of series of few
    correlation times it comes out too small: errors take ``cautious_inefficiency``.

    Args:
        values: [samples] of a stationary series; a constant one has g = 1.
    """
    correlation = _autocorrelation(values)
    window = _first_zero(correlation)
    lag = np.arange(1, window + 1)
    return max(1.0, 1.0 + 2.0 * float(correlation[1 : window + 1] @ (1.0 - lag / len(values))))


def cautious_inefficiency(values: Floats, fitted: int = 1) -> float:
    """Statistical inefficiency for errors, right also for series of few correlation times.

    Autocovariances about a mean of N samples fall short by g/N variances each, so their first zero
    comes too early and their sum up to lag W lacks (2 W + 1)/N of itself (Wolff, Comput. Phys.
    Commun. 156, 143 (2004), equation 49; here with the weights 1 - t/N). Both are put right. As the
    sum has the relative variance 2 (2 W + 1)/N, the correlated part gets half of that on top.

    Args:
        values: [samples] of a stationary series, or residuals; a constant one has g = 1.
        fitted: Parameters of the residuals, each of which takes as much away as a mean.
    """
    correlation = _autocorrelation(values)
    if not correlation[1:].any():
        return 1.0
    count = len(correlation)
    lag = np.arange(count)
    summed = 2.0 * np.cumsum(correlation * (1.0 - lag / count)) - 1.0
    noise = (2.0 * lag + 1.0 - lag * (lag + 1.0) / count) / count
    longest = max(int(np.searchsorted(fitted * noise, _MOST_LOST)) - 1, 0)
    window, total = 0, 0.0
    for _ in range(2):
        window = min(_first_zero(correlation + fitted * total / count), longest)
        # only of the correlated part: of independent samples, little is left but noise
        total = 1.0 + max(summed[window] - 1.0, 0.0) / (1.0 - fitted * noise[window])
    inefficiency = max(1.0, total / (1.0 + fitted * total / count))
    return float(inefficiency + (inefficiency - 1.0) * noise[window])


def _autocorrelation(values: Floats) -> Floats:
    """[samples] by lag, 1 at lag 0; 0 at the others for a constant series."""
    count = len(values)
    deviation = values - values.mean()
    variance = np.mean(deviation**2)
    # a mean of equal numbers may differ from them by rounding
    if variance <= (1e-14 * np.abs(values).max(initial=0.0)) ** 2:
        return np.asarray(np.eye(1, count)[0])
    size = fft.next_fast_len(2 * count - 1, real=True)
    correlation = fft.irfft(np.abs(fft.rfft(deviation, size)) ** 2, size)[:count]
    return np.asarray(correlation / ((count - np.arange(count)) * variance))


def _first_zero(correlation: Floats) -> int:
    """The last lag before the autocorrelation is zero or less, beyond the shortest window."""
    below = np.flatnonzero(correlation[_SHORTEST_WINDOW + 1 :] <= 0.0)
    return int(below[0]) + _SHORTEST_WINDOW if len(below) else len(correlation) - 1


def detect_equilibration(values: Floats) -> tuple[int, float, float]:
    """The origin that leaves the most independent samples (JCTC 12, 1799, equation 10).

    Of long series some 60 origins are tried, at even distances and at growing ones. The best of so
    many may be so by chance, most where few samples are independent: one that does not leave
    clearly more of them than the whole series has is only taken where the series begins far off.

    Returns:
        First sample of the stationary part, its statistical inefficiency and its number of
        independent samples.
    """
    count = len(values)
    if np.ptp(values) == 0.0:
        return 0, 1.0, float(count)
    last = max(count - 1 - _SHORTEST_WINDOW, 0)  # shorter tails say nothing about correlation
    even = np.linspace(0, last, _ORIGINS // 2)
    growing = np.geomspace(1, last + 1, _ORIGINS // 2) - 1
    origins = np.unique(np.concatenate([even, growing]).astype(int))
    if last < _ORIGINS:
        origins = np.arange(last + 1)
    best = whole = (0, 1.0, 0.0)
    for origin in origins:
        if count - origin <= best[2]:  # fewer samples are left than were already independent
            break
        inefficiency = statistical_inefficiency(values[origin:])
        independent = (count - origin) / inefficiency
        if independent > best[2]:
            best = (int(origin), inefficiency, independent)
        if origin == 0:
            whole = best
    clearly = 1.0 + _CHANCE / math.sqrt(best[2])
    is_clear = best[2] > clearly * whole[2] or _begins_far_off(values, best[0])
    return best if is_clear else whole


def _begins_far_off(values: Floats, origin: int) -> bool:
    """Whether the first tenth of what an origin leaves out is nothing that the rest does."""
    rest = values[origin:]
    beginning = float(np.mean(values[: max(1, origin // 10)]))
    away = abs(beginning - float(rest.mean())) > _FAR_OFF * float(rest.std())
    return away and 0 < origin < len(rest)  # what remains of a longer one may only be quiet
