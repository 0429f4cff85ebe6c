"""Bootstrap of timings: what the median of a row might have been in other runs."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from mdbench.scaling.fitted import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.scaling.results import Measurement

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000

_FEW_RUNS = 5
"""Below, the scatter is itself too uncertain for normal draws: Student's t instead."""


def generator(*names: object) -> np.random.Generator:
    """Random numbers that depend on what they are for only, so results repeat."""
    return np.random.default_rng([zlib.crc32(str(name).encode()) for name in names])


def log_medians(row: Measurement, salt: str = "") -> Floats:
    """[resamples] of ln(median time of a step); all equal where one run alone was timed.

    The standard error of the median comes from drawing the runs with replacement.

    Args:
        row: A timed row.
        salt: Makes the draws of two files independent.
    """
    logs = np.log(np.array(row.ms_per_step))
    count = len(logs)
    median = math.log(row.median_ms)
    if count == 1:
        return np.full(RESAMPLES, median)
    rng = generator(row.series, row.atoms, salt)
    drawn = np.median(logs[rng.integers(0, count, (RESAMPLES, count))], axis=1)
    # resamples of few runs vary too little by (runs - 1) / runs
    error = np.sqrt(np.mean((drawn - median) ** 2) * count / (count - 1))
    if count < _FEW_RUNS:
        return np.asarray(median + error * rng.standard_t(count - 1, RESAMPLES))
    return np.asarray(median + error * rng.standard_normal(RESAMPLES))


def interval(value: float, drawn: Floats) -> Interval:
    """A value with the range of its resamples; without bounds where all resamples are equal.

    Args:
        value: From what was measured.
        drawn: [resamples] of it; an infinite or undefined bound becomes none.
    """
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or np.all(drawn == drawn[0]):
        return Interval(value, None, None)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="nearest")
    # the bounds of a skewed sample need not enclose it
    return Interval(value, _finite(min(low, value)), _finite(max(high, value)))


def _finite(bound: float) -> float | None:
    return float(bound) if math.isfinite(bound) else None
