"""Times against sizes: t = a + b N, t = c N^alpha, local slopes, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mdbench.scaling.fitted import Fits, LocalSlope, Series, SeriesFit
from mdbench.scaling.ratios import crossovers, speed_ups
from mdbench.scaling.resample import CONFIDENCE, RESAMPLES, Draws, generator, interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.scaling.fitted import Interval
    from mdbench.scaling.results import Measurement, Result

    Floats = NDArray[np.float64]

_PARAMETERS = 2
_TWO_SIZES = 2
_METHOD = (
    "least squares of relative distances, a >= 0 and b >= 0; intervals from a bootstrap of the "
    "timed runs and processes of each size and, for both fits, of the sizes' distances from the "
    "fit (Student's t); slopes, speed-ups and crossovers: runs and processes only"
)
_ONE_SIGMA = (0.1587, 0.8413)
_MOST = 10.0
"""Resampled times stay within e^10 of what was measured."""


@dataclass(frozen=True)
class Points:
    """What is fitted: medians of a series, and what they might have been."""

    atoms: Floats
    log_ms: Floats
    drawn: Floats
    """[resamples, sizes] of ``log_ms``."""

    @property
    def noise(self) -> float:
        """Mean variance of ``log_ms`` by the scatter of the runs, tails left out."""
        low, high = np.quantile(self.drawn, _ONE_SIGMA, axis=0)
        return float(np.mean(np.square(high - low))) / 4


def line_fit(atoms: Floats, ms: Floats) -> tuple[Floats, Floats]:
    """Parameters a and b of t = a + b N, none below zero, with the sum of relative squares least.

    Args:
        atoms: [sizes].
        ms: [..., sizes].

    Returns:
        Two arrays [...].
    """
    weight = ms**-2.0
    w, wn, wnn = (np.sum(weight * atoms**p, axis=-1) for p in range(3))
    wt, wnt = (np.sum(weight * ms * atoms**p, axis=-1) for p in range(2))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (w * wnt - wn * wt) / (w * wnn - wn**2)
    # where one size outweighs the others by all digits, nothing is known of a slope
    slope = np.where(np.isfinite(slope), slope, 0.0)
    start = (wt - slope * wn) / w
    # with one of them below zero the best allowed pair has a zero there
    no_start, no_slope = start < 0, slope < 0
    return (
        np.where(no_start, 0.0, np.where(no_slope, wt / w, start)),
        np.where(no_slope, 0.0, np.where(no_start, wnt / wnn, slope)),
    )


def power_fit(atoms: Floats, ms: Floats) -> tuple[Floats, Floats]:
    """Parameters c and alpha of t = c N^alpha, logarithms fitted; shapes as in ``line_fit``."""
    x = np.log(atoms)
    centred = x - x.mean()
    log_ms = np.log(ms)
    alpha = log_ms @ centred / (centred @ centred)
    with np.errstate(over="ignore"):
        return np.exp(log_ms.mean(axis=-1) - alpha * x.mean()), alpha


def fit_series(series: Series, rows: list[Measurement], draws: Draws | None = None) -> SeriesFit:
    """Both fits of one series.

    Args:
        series: What the rows belong to.
        rows: Timed, by size, each size once.
        draws: Of the whole result; of these rows alone where left out.
    """
    draws = draws or Draws(rows)
    sizes = tuple(row.atoms or 0 for row in rows)
    found = SeriesFit(**series._asdict(), sizes=sizes)
    if len(rows) < _TWO_SIZES:
        return replace(found, note="one size: nothing to fit")
    drawn = np.stack([draws.log_medians(row) for row in rows], axis=1)
    points = Points(np.array(sizes, float), np.log([row.median_ms for row in rows]), drawn)
    latency, per_atom, from_line = _line(points, series)
    prefactor, exponent, from_power = _power(points, series)
    return replace(
        found,
        latency_ms=latency,
        us_per_atom=per_atom,
        exponent=exponent,
        prefactor_ms=prefactor,
        local_slopes=local_slopes(points),
        line_residual=from_line,
        power_residual=from_power,
        note=_note(points),
    )


def _line(points: Points, series: Series) -> tuple[Interval, Interval, float]:
    """The fit a + b N: ms, us an atom, largest relative distance."""
    a, b = line_fit(points.atoms, np.exp(points.log_ms))
    distance = np.exp(points.log_ms) / (a + b * points.atoms) - 1
    drawn_a, drawn_b = line_fit(points.atoms, np.exp(_scatter(points, distance, series)))
    return (
        interval(float(a), drawn_a),
        interval(1e3 * float(b), 1e3 * drawn_b),
        float(np.abs(distance).max()),
    )


def _power(points: Points, series: Series) -> tuple[Interval | None, Interval, float]:
    """The fit c N^alpha: ms, exponent, largest relative distance."""
    c, alpha = power_fit(points.atoms, np.exp(points.log_ms))
    centred = np.log(points.atoms) - np.log(points.atoms).mean()
    distance = points.log_ms - points.log_ms.mean() - alpha * centred
    drawn_c, drawn_alpha = power_fit(points.atoms, np.exp(_scatter(points, distance, series)))
    return (
        interval(float(c), drawn_c) if np.isfinite(c) else None,
        interval(float(alpha), drawn_alpha),
        float(np.abs(np.expm1(distance)).max()),
    )


def _scatter(points: Points, distance: Floats, series: Series) -> Floats:
    """[resamples, sizes] of ``log_ms``, moved by runs and by what the fit does not follow.

    The sizes' distances from the fit hold the noise of the runs, which is there already: what is
    left over is drawn, its own variance from the chi-square that so few sizes leave.
    """
    freedom = len(points.atoms) - _PARAMETERS
    if freedom == 0:
        return points.drawn
    rng = generator(series, "sizes")
    left = max(0.0, float(distance @ distance) / freedom - points.noise)
    scale = np.sqrt(left * freedom / rng.chisquare(freedom, (RESAMPLES, 1)))
    moved = points.drawn + scale * rng.standard_normal(points.drawn.shape)
    return np.clip(moved, points.log_ms - _MOST, points.log_ms + _MOST)


def local_slopes(points: Points) -> tuple[LocalSlope, ...]:
    """Slopes d ln t / d ln N between neighbours."""
    steps = np.diff(np.log(points.atoms))
    slopes = np.diff(points.log_ms) / steps
    drawn = np.diff(points.drawn, axis=1) / steps
    return tuple(
        LocalSlope(
            atoms=(int(points.atoms[i]), int(points.atoms[i + 1])),
            slope=interval(float(slopes[i]), drawn[:, i]),
        )
        for i in range(len(steps))
    )


def _note(points: Points) -> str:
    """What the intervals do not hold."""
    notes = []
    if len(points.atoms) == _TWO_SIZES:
        notes.append("two sizes: the fits go through both, so their intervals hold noise only")
    if np.any(np.ptp(points.drawn, axis=0) == 0):
        notes.append("sizes with one timed run, or equal ones, have no noise of their own")
    return "; ".join(notes)


def by_series(result: Result) -> dict[Series, list[Measurement]]:
    """Timed rows of each series, by size, in the order of the file."""
    found: dict[Series, list[Measurement]] = {}
    for row in result.timed:
        found.setdefault(row.series, []).append(row)
    return {s: sorted(rows, key=lambda row: row.atoms or 0) for s, rows in found.items()}


def with_fits(result: Result) -> Result:
    """The result with its fits made anew."""
    rows, draws = by_series(result), Draws(result.timed)
    fits = Fits(
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        method=_METHOD,
        series=tuple(fit_series(series, found, draws) for series, found in rows.items()),
        speed_ups=speed_ups(rows, draws),
        crossovers=crossovers(rows, draws),
    )
    return replace(result, fits=fits)
