"""Errors of averages over correlated samples: means, slopes, bootstrap of blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mdbench.analysis.autocorrelation import cautious_inefficiency
from mdbench.analysis.estimate import Estimate
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Sample = TypeVar("Sample", bound=np.generic)

_FEWEST_SAMPLES = 4.0
"""Independent samples that a mean needs: a mere trend comes out as three or four."""

_FEW_SAMPLES = 10.0
_FINE_BLOCKS = 128
_FEWEST_BLOCKS = 4
_RESAMPLES = 200
_MOST_UNDEFINED = 0.1
"""Part of the resamples that may be without the quantity, a peak for instance."""


def mean_with_error(values: Floats, unit: str, what: str = "mean") -> Estimate:
    """Mean of a stationary series with the error that its autocorrelation leaves.

    Of Ornstein-Uhlenbeck series the deviations over the errors have the root mean square 0.98 to
    1.01 at 25 to 1000 independent samples, 1.1 at 10 and 1.3 at 6; of 3 half are refused, and the
    others have a caveat. A slow part of small amplitude escapes.

    Args:
        values: [samples], without equilibration.
        unit: Unit of the samples.
        what: Name of the quantity, for the message.

    Raises:
        AnalysisError: where there are fewer than four independent samples, or infinite ones.
    """
    if not np.isfinite(values).all():
        raise AnalysisError(f"{what}: the series has values that are not finite numbers")
    inefficiency = cautious_inefficiency(values) if len(values) else 1.0
    independent = len(values) / inefficiency
    if independent < _FEWEST_SAMPLES:
        raise AnalysisError(
            f"{what}: {len(values)} samples hold {_at_least(independent)} independent ones, four "
            "are needed; run longer"
        )
    error = np.sqrt(values.var() / _freedom(independent, inefficiency)) if np.ptp(values) else 0.0
    method = f"mean, statistical inefficiency {inefficiency:.3g} samples{caveat(independent)}"
    return Estimate(float(values.mean()), float(error), unit, method, float(independent))


def _freedom(independent: float, inefficiency: float, fitted: int = 1) -> float:
    """Independent samples by which an error divides.

    What is fitted takes one each. Student's t of n - 1 degrees of freedom has the variance
    (n - 1)/(n - 3), so two more where samples are correlated and their number is a guess.
    """
    return independent - fitted - 2.0 * (1.0 - 1.0 / inefficiency)


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
    inefficiency = cautious_inefficiency(residual, fitted=2) if len(values) else 1.0
    independent = len(values) / inefficiency
    if independent < _FEWEST_SAMPLES + 1.0 or not spread:
        raise AnalysisError(
            f"{what}: {len(values)} samples hold {_at_least(independent)} independent ones, five "
            "are needed; run longer"
        )
    # sum of squares per independent sample, over the spread of times
    error = np.sqrt(residual @ residual / _freedom(independent, inefficiency, 2) / spread)
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


def too_few(independent: float) -> str:
    """What a curve says that goes without errors for want of samples; empty for enough."""
    if independent >= _FEWEST_SAMPLES:
        return ""
    return (
        f"no errors, nor what is read from it: the production run holds {_at_least(independent)} "
        "independent samples, four are needed; run longer"
    )


def merge_correlated(samples: Floats, watched: Floats) -> tuple[Floats, float]:
    """Sums neighbouring blocks until they are longer than their correlation.

    What still correlates neighbours, and that few blocks tell their spread badly, is made up for:
    the sums' deviations from their mean are widened, so errors of blocks need no further factor.

    Args:
        samples: [blocks, ...] sums over a block each.
        watched: [blocks] the quantity whose correlation counts.

    Returns:
        [fewer blocks, ...] of the same total, no blocks where fewer than four are independent; and
        the number of samples that are independent.
    """
    inefficiency = cautious_inefficiency(watched)
    independent = len(watched) / inefficiency
    if independent < _FEWEST_SAMPLES:
        return samples[:0], independent
    # g of a short uncorrelated series comes out between 1 and 1.5
    length = int(np.ceil(2.0 * inefficiency)) if inefficiency > 1.5 else 1  # noqa: PLR2004
    kept = max(len(samples) // length, _FEWEST_BLOCKS)
    starts = np.linspace(0, len(samples), kept + 1).astype(int)
    size = np.diff(starts)
    merged = np.add.reduceat(samples, starts[:-1], axis=0)
    mean = np.multiply.outer(size / len(samples), samples.sum(axis=0))
    return mean + _widening(inefficiency, len(samples) / kept, kept) * (merged - mean), independent


def _widening(inefficiency: float, length: float, blocks: int) -> float:
    """What the scatter of blocks is short of the error of their mean, as a factor.

    Means over L samples whose autocorrelation is phi^lag, with phi = (g - 1)/(g + 1), have the
    variance g/L (1 - (g - 1/g)/(2 L) (1 - phi^L)) (Allen and Tildesley, Computer Simulation of
    Liquids, section 8.4); Student's t of n - 1 degrees of freedom has (n - 1)/(n - 3).
    """
    phi = (inefficiency - 1.0) / (inefficiency + 1.0)
    cut = (inefficiency - 1.0 / inefficiency) / (2.0 * length) * (1.0 - phi**length)
    return math.sqrt((blocks - 1.0) / (blocks - 3.0) / (1.0 - cut))


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
        An array of the statistic's shape; NaN where more than a tenth of the resamples had none,
        and where there are no blocks.
    """
    blocks = len(samples)
    if not blocks:
        return np.full_like(statistic(np.ones(samples.shape[1:])), np.nan, dtype=float)
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
