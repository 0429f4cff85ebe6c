"""Errors of averages over correlated samples: equilibration, autocorrelation, bootstrap of blocks.

Formulas of Chodera, Swope, Pitera, Seok and Dill, JCTC 3, 26 (2007) and Chodera, JCTC 12, 1799
(2016), as pymbar.timeseries applies them; pymbar itself takes seconds to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from scipy import fft

from mdbench.analysis.estimate import Estimate
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Sample = TypeVar("Sample", bound=np.generic)

_SHORTEST_WINDOW = 3
"""Lags that are summed even where the autocorrelation is below zero (pymbar's mintime)."""

_ORIGINS = 60
"""Origins tried in search of the end of equilibration, half of them spaced evenly."""

_FEWEST_SAMPLES = 4.0
"""Independent samples that a mean needs: a mere trend comes out as three or four."""

_FEW_SAMPLES = 10.0
_FINE_BLOCKS = 128
_FEWEST_BLOCKS = 4
_RESAMPLES = 200
_MOST_UNDEFINED = 0.1
"""Part of the resamples that may be without the quantity, a peak for instance."""


def statistical_inefficiency(values: Floats) -> float:
    """Samples that count as one independent sample: g = 1 + 2 tau, with tau in samples.

    The autocorrelation is summed up to its first zero (JCTC 3, 26, section 2.4).

    Args:
        values: [samples] of a stationary series; a constant one has g = 1.
    """
    count = len(values)
    deviation = values - values.mean()
    variance = np.mean(deviation**2)
    # a mean of equal numbers may differ from them by rounding
    if variance <= (1e-14 * np.abs(values).max(initial=0.0)) ** 2:
        return 1.0
    size = fft.next_fast_len(2 * count - 1, real=True)
    correlation = fft.irfft(np.abs(fft.rfft(deviation, size)) ** 2, size)[:count]
    lag = np.arange(1, count)
    correlation = correlation[1:] / ((count - lag) * variance)
    below = np.flatnonzero((correlation <= 0.0) & (lag > _SHORTEST_WINDOW))
    end = below[0] if len(below) else count - 1
    return max(1.0, 1.0 + 2.0 * float(correlation[:end] @ (1.0 - lag[:end] / count)))


def detect_equilibration(values: Floats) -> tuple[int, float, float]:
    """The origin that leaves the most independent samples (JCTC 12, 1799, equation 10).

    Of long series some 60 origins are tried, at even distances and at growing ones.

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
    best = (0, 1.0, 0.0)
    for origin in origins:
        if count - origin <= best[2]:  # fewer samples are left than were already independent
            break
        inefficiency = statistical_inefficiency(values[origin:])
        independent = (count - origin) / inefficiency
        if independent > best[2]:
            best = (int(origin), inefficiency, independent)
    return best


def mean_with_error(values: Floats, unit: str, what: str = "mean") -> Estimate:
    """Mean of a stationary series with the error that its autocorrelation leaves.

    Args:
        values: [samples], without equilibration.
        unit: Unit of the samples.
        what: Name of the quantity, for the message.

    Raises:
        AnalysisError: where there are fewer than four independent samples, or infinite ones.
    """
    if not np.isfinite(values).all():
        raise AnalysisError(f"{what}: the series has values that are not finite numbers")
    inefficiency = statistical_inefficiency(values) if len(values) else 1.0
    independent = len(values) / inefficiency
    if independent < _FEWEST_SAMPLES:
        raise AnalysisError(
            f"{what}: {len(values)} samples hold {_at_least(independent)} independent ones, four "
            "are needed; run longer"
        )
    # the variance about an estimated mean is short of one independent sample
    error = np.sqrt(values.var() / (independent - 1.0)) if np.ptp(values) else 0.0
    method = f"mean, statistical inefficiency {inefficiency:.3g} samples{caveat(independent)}"
    return Estimate(float(values.mean()), float(error), unit, method, float(independent))


def _at_least(independent: float) -> str:
    """Rounded down: 3.98 are not the four that are needed."""
    return f"{np.floor(10.0 * independent) / 10.0:.1f}"


def caveat(independent: float) -> str:
    """What the method of an estimate says where its independent samples are few; empty for many."""
    if independent >= _FEW_SAMPLES:
        return ""
    return f"; only {independent:.1f} independent samples, so the error itself is uncertain"


def slope_with_error(times: Floats, values: Floats, unit: str, what: str = "slope") -> Estimate:
    """Slope of the straight line through a series whose residuals are correlated.

    Least squares; the variance of the slope for independent residuals is multiplied by their
    statistical inefficiency.

    Args:
        times: [samples] increasing, at even distances.
        values: [samples].
        unit: Unit of the slope.
        what: Name of the quantity, for the message.

    Raises:
        AnalysisError: where the residuals are fewer than five independent ones.
    """
    if not np.isfinite(values).all():
        raise AnalysisError(f"{what}: the series has values that are not finite numbers")
    centred = times - times.mean() if len(times) else times
    spread = float(centred @ centred)
    slope = float(centred @ values) / spread if spread else 0.0
    residual = values - values.mean() - slope * centred if len(values) else values
    independent = len(values) / (statistical_inefficiency(residual) if len(values) else 1.0)
    if independent < _FEWEST_SAMPLES + 1.0 or not spread:
        raise AnalysisError(
            f"{what}: {len(values)} samples hold {_at_least(independent)} independent ones, five "
            "are needed; run longer"
        )
    # sum of squares per independent sample less the two parameters, over the spread of times
    error = np.sqrt(residual @ residual / (independent - 2.0) / spread)
    method = f"least squares, residuals' autocorrelation{caveat(independent)}"
    return Estimate(slope, float(error), unit, method, float(independent))


def block_of_frame(frames: int) -> NDArray[np.intp]:
    """Which of at most 128 consecutive blocks of equal length each frame belongs to.

    Raises:
        AnalysisError: for fewer frames than blocks that an error needs.
    """
    if frames < _FEWEST_BLOCKS:
        raise AnalysisError(f"{frames} frames in production; {_FEWEST_BLOCKS} are needed at least")
    blocks = min(frames, _FINE_BLOCKS)
    return np.arange(frames) * blocks // frames


def merge_correlated(samples: NDArray[Sample], watched: Floats) -> tuple[NDArray[Sample], float]:
    """Sums neighbouring blocks until they are longer than their correlation.

    Args:
        samples: [blocks, ...] sums over a block each.
        watched: [blocks] the quantity whose correlation counts.

    Returns:
        [fewer blocks, ...] and the number of them that are independent.

    Raises:
        AnalysisError: where fewer than four blocks are independent.
    """
    inefficiency = statistical_inefficiency(watched)
    independent = len(watched) / inefficiency
    if independent < _FEWEST_SAMPLES:
        raise AnalysisError(
            f"the production run holds {_at_least(independent)} independent samples, four are "
            "needed; run longer"
        )
    # g of a short uncorrelated series comes out between 1 and 1.5
    length = int(np.ceil(2.0 * inefficiency)) if inefficiency > 1.5 else 1  # noqa: PLR2004
    kept = max(len(samples) // length, _FEWEST_BLOCKS)
    starts = np.linspace(0, len(samples), kept + 1).astype(int)[:-1]
    return np.add.reduceat(samples, starts, axis=0), independent


def block_bootstrap(
    samples: NDArray[Sample],
    statistic: Callable[[Floats], Floats | float],
    seed: int = 0,
) -> Floats:
    """Standard error of a statistic of independent blocks, by drawing blocks with replacement.

    Args:
        samples: [blocks, ...] sums over a block each.
        statistic: From the sum over as many drawn blocks, [...], to a number or an array; NaN
            where a resample has none.
        seed: Of the draws.

    Returns:
        An array of the statistic's shape; NaN where more than a tenth of the resamples had none.
    """
    blocks = len(samples)
    draws = np.random.default_rng(seed).integers(0, blocks, (_RESAMPLES, blocks))
    times = np.array([np.bincount(draw, minlength=blocks) for draw in draws], dtype=float)
    totals = (times @ samples.reshape(blocks, -1)).reshape(_RESAMPLES, *samples.shape[1:])
    drawn = np.array([statistic(total) for total in totals], dtype=float)
    missing = np.isnan(drawn)
    found = np.where(missing, 0.0, drawn)
    count = np.maximum((~missing).sum(axis=0), 2)
    mean = found.sum(axis=0) / count
    squares = np.where(missing, 0.0, (drawn - mean) ** 2).sum(axis=0)
    # resamples of few blocks vary too little by (blocks - 1) / blocks
    error = np.sqrt(squares / (count - 1) * blocks / (blocks - 1))
    return np.where(missing.mean(axis=0) > _MOST_UNDEFINED, np.nan, error)


def error_of_minimum(values: Floats) -> float:
    """Standard error of the least of independent values, by the bootstrap.

    Each value's chance of being the least that is drawn has a closed form: nothing is drawn.

    Args:
        values: [blocks] the least of each.
    """
    rising, blocks = np.sort(values), len(values)
    # chance that none of the k least is among as many draws as blocks
    none_of = (1.0 - np.arange(blocks + 1) / blocks) ** blocks
    chance = -np.diff(none_of)
    squares = chance @ (rising - chance @ rising) ** 2
    return float(np.sqrt(squares * blocks / (blocks - 1)))
