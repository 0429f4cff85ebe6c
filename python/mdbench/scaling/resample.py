"""Bootstrap of timings: what the median of a row might have been in other runs."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from mdbench.scaling.fitted import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mdbench.scaling.fitted import Series
    from mdbench.scaling.results import Measurement

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000

_FEW_RUNS = 5
"""Below, the scatter is itself too uncertain for normal draws: Student's t instead."""

_MEDIAN = 1.35
"""Variance of the median of a few normal numbers over that of their mean."""


def generator(*names: object) -> np.random.Generator:
    """Random numbers that depend on what they are for only, so results repeat."""
    return np.random.default_rng([zlib.crc32(str(name).encode()) for name in names])


class Draws:
    """Resamples of rows of one result; what processes differ by is pooled over rows."""

    def __init__(self, rows: Iterable[Measurement], salt: str = "") -> None:
        """Take the timed rows of a result.

        Args:
            rows: All of them, since each says something about the noise of the others.
            salt: Makes the draws of two results independent.
        """
        self._salt = salt
        self._scatter: dict[Series | None, tuple[float, int]] = {}
        for row in rows:
            squares, freedom = _between(row)
            for key in (row.series, None):
                before = self._scatter.get(key, (0.0, 0))
                self._scatter[key] = (before[0] + squares, before[1] + freedom)

    def log_medians(self, row: Measurement) -> Floats:
        """[resamples] of ln(median time of a step); all equal where nothing is known of noise.

        The standard error of the median is the larger of two: by drawing the runs with
        replacement, and by the scatter between processes, which runs of one process do not show.
        """
        rng = generator(row.series, row.atoms, self._salt)
        median = math.log(row.median_ms)
        error, freedom = _error_of_runs(row, rng)
        between, pooled = self._error_of_processes(row)
        if between > error:
            error, freedom = between, pooled
        if freedom < _FEW_RUNS - 1 or error == between > 0:
            return np.asarray(median + error * rng.standard_t(max(freedom, 1), RESAMPLES))
        return np.asarray(median + error * rng.standard_normal(RESAMPLES))

    def _error_of_processes(self, row: Measurement) -> tuple[float, int]:
        """Standard error by the scatter between processes, and its degrees of freedom."""
        squares, freedom = self._scatter.get(row.series, (0.0, 0))
        if freedom < _FEW_RUNS - 1:  # of one series too few: those of all
            squares, freedom = self._scatter.get(None, (0.0, 0))
        if freedom == 0:
            return 0.0, 0
        count = max(len(row.processes), 1)
        least = 1.0 if count <= 2 else _MEDIAN  # noqa: PLR2004 - the median of two is their mean
        return math.sqrt(squares / freedom * least / count), freedom


def _between(row: Measurement) -> tuple[float, int]:
    """Sum of squares between the processes' ln(median), and its degrees of freedom."""
    if len(row.processes) <= 1:
        return 0.0, 0
    parts = np.split(np.log(row.ms_per_step), np.cumsum(row.processes)[:-1])
    medians = np.array([np.median(part) for part in parts])
    return float(np.sum((medians - medians.mean()) ** 2)), len(medians) - 1


def _error_of_runs(row: Measurement, rng: np.random.Generator) -> tuple[float, int]:
    """Standard error of ln(median) by resampling the runs, and degrees of freedom."""
    logs = np.log(row.ms_per_step)
    count = len(logs)
    if count == 1:
        return 0.0, 0
    drawn = np.median(logs[rng.integers(0, count, (RESAMPLES, count))], axis=1)
    # resamples of few runs vary too little by (runs - 1) / runs
    square = np.mean((drawn - np.median(logs)) ** 2) * count / (count - 1)
    return math.sqrt(square), count - 1


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
