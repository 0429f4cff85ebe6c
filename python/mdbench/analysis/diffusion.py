"""Self-diffusion coefficient from a mean squared displacement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import numpy as np

from mdbench.analysis.brownian import line_weights, msd_covariance
from mdbench.analysis.estimate import Estimate
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.analysis.lag_moments import LagMoments
    from mdbench.analysis.msd import MsdResult

DIFFUSION_UNIT = "1e-9 m2/s"
ANG2_PER_PS = 10.0  # in 1e-9 m2/s

_SLOPE_TOLERANCE = 0.05  # of the log-log slope about 1
_SIGMAS = 2.5  # that a slope may be off by chance: a score of lags are looked at
_KNOWN_SLOPE = 0.15  # lags whose slope has a larger error decide nothing
_FEWEST_RANGES = 3  # of slope 1 up to the end: fewer may be a crossing from 2 to 0, in a solid
_LEAVE_BEHIND = 2  # lags of the grid after motion that was not diffusive
_MODEL_ERROR = 0.02  # that an MSD may be off a line and still count as linear
_LONGEST_LAG = 0.2  # of the time
_LEAST_MOVE_ANG = 2.0  # the size of an atom: what moves less may still vibrate or turn on the spot
_MAX_BLOCKS, _MIN_BLOCKS = 16, 8
_BOLTZMANN = 1.380649e-23  # J/K, exact
_CUBIC_LATTICE = 2.837297  # the constant xi of Yeh & Hummer (2004)


@dataclass(frozen=True)
class Diffusion:
    """A self-diffusion coefficient and the line behind it."""

    diffusion: Estimate
    interval_95: tuple[float, float]
    dimensions: str
    fit_ps: tuple[float, float]
    """First and last lag of the fit."""
    loglog_slope: Estimate
    """Over the fit; 1 for diffusion."""
    collectivity: float
    """Number of atoms that move as one."""


@dataclass(frozen=True)
class _Lags:
    """The MSD on the grid of lags, with what Brownian motion says about its noise."""

    lags: NDArray[np.int64]
    msd: NDArray[np.float64]
    covariance: NDArray[np.float64]  # of one walker in one dimension with steps of unit variance
    walkers: NDArray[np.float64]  # [lags] independent ones times dimensions

    def slope(self, which: NDArray[np.int64]) -> tuple[float, float]:
        """Log-log slope over some lags, and its error; all weigh the same."""
        x = np.log(self.lags[which])
        weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
        c = weights / self.lags[which]
        variance = c @ self.covariance[np.ix_(which, which)] @ c / self.walkers[which].min()
        return float(weights @ np.log(self.msd[which])), math.sqrt(variance)

    def local_slopes(self, longest: float) -> list[tuple[int, float, float]]:
        """Over each range of lags from n to 2 n: its end as an index, the slope, its error."""
        found = []
        for start, n in enumerate(self.lags):
            end = int(np.searchsorted(self.lags, 2 * n, side="right")) - 1
            if self.lags[end] > longest or end == start:
                break
            found.append((end, *self.slope(np.arange(start, end + 1))))
        return found


def self_diffusion(msd: MsdResult, fit_ps: tuple[float, float] | None = None) -> Diffusion:
    """Self-diffusion coefficient from the slope of the MSD where it is linear.

    The fit begins where atoms have moved by 2 A (hydrogen that turns with its molecule seems to
    diffuse before) and the log-log slope from a lag to its double is, and from then on stays, at
    1 +- 0.05 within 2.5 of its errors, a little later where motion of another kind came before,
    and ends at a fifth of the time or where the slope is no longer known to 0.15; it holds over
    a threefold lag at least. There MSD = a + 2 d D t is fitted by generalised least squares; the
    free intercept a takes up vibration and caging. The covariance is that of Brownian motion, as
    in Bullerjahn, von Bulow & Hummer, J. Chem. Phys. 153, 024116 (2020), plus 2 % of the MSD on
    its diagonal: real motion is not Brownian at short lags, and without this the shortest ones,
    known best, decide alone (6 % too high for liquid argon, whose slope passes 1 on its way from
    ballistic motion to the cage).

    The error is the largest of three, each blind to something that another sees:

    - Brownian covariance, with as many walkers as move independently: the number of atoms over
      their collectivity (``LagMoments.collectivity``). Precise, but knows only Brownian noise.
    - The spread between atoms times the collectivity. Sees atoms that differ for long,
      and takes them for samples of one liquid: for atoms of two kinds it is too large.
    - The spread between blocks in time, where the run has eight or more of at least three times
      the first lag. Sees slow changes of all atoms together.

    Args:
        msd: From ``mean_squared_displacement``.
        fit_ps: First and last lag to fit, in place of the rule.

    Raises:
        AnalysisError: when the motion is not diffusive, with what it looks like instead.
    """
    moments, dims = msd.moments, len(msd.dimensions)
    values = msd.msd_ang2[moments.lags]
    if not (values > 0.0).all():
        raise AnalysisError(f"{msd.element} does not move: there is no diffusion")
    independent = dims * msd.num_atoms / moments.collectivity()
    covariance = msd_covariance(moments.lags, msd.frames)
    lags = _Lags(moments.lags, values, covariance, independent)
    window = _window(lags, msd) if fit_ps is None else _given_window(msd, fit_ps)
    slope, slope_error = lags.slope(window)
    if fit_ps is None and abs(slope - 1.0) > _SLOPE_TOLERANCE + _SIGMAS * slope_error:
        raise AnalysisError(_reason(msd, slope, slope_error))
    rate, error_of_rate, collectivity, cause = _line(msd, window, covariance)
    value, error = (ANG2_PER_PS * v / (2.0 * dims) for v in (rate, error_of_rate))
    if value < 2.0 * error:
        raise AnalysisError(
            f"diffusion of {msd.element} is not distinguishable from zero: {value:.3g} +- "
            f"{error:.2g} {DIFFUSION_UNIT}; run longer"
        )
    method = (
        f"generalised least squares line through the MSD relative to {msd.relative_to}; "
        f"error from {cause}"
    )
    fit = moments.lags[window].tolist()
    n_eff = 2.0 / dims * (value / error) ** 2
    return Diffusion(
        diffusion=Estimate(value, error, DIFFUSION_UNIT, method, n_eff),
        interval_95=(value - 1.96 * error, value + 1.96 * error),
        dimensions=msd.dimensions,
        fit_ps=(fit[0] * msd.interval_ps, fit[-1] * msd.interval_ps),
        loglog_slope=Estimate(slope, slope_error, "1", "line through log MSD", None),
        collectivity=collectivity,
    )


def yeh_hummer(
    diffusion: Diffusion,
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    *,
    temperature_k: float,
    viscosity_mpa_s: float,
) -> Estimate:
    """Diffusion coefficient of the infinite system, D + 2.837297 kB T / (6 pi eta L).

    Yeh & Hummer, J. Phys. Chem. B 108, 15873 (2004), for a liquid in a periodic cube of edge L.

    Args:
        diffusion: Of the bulk liquid, in three dimensions.
        cell: [3, 3] mean cell, Angstrom.
        pbc: [3] periodic directions.
        temperature_k: Of the run.
        viscosity_mpa_s: Shear viscosity of the model (not of nature) at this temperature.

    Raises:
        AnalysisError: for anything but a periodic cube.
    """
    edge = float(np.mean(np.diag(cell)))
    if not (np.all(pbc) and diffusion.dimensions == "xyz"):
        raise AnalysisError("the finite-size correction is for bulk liquids in three dimensions")
    if np.abs(cell - edge * np.eye(3)).max() > 1e-3 * edge:
        raise AnalysisError("the finite-size correction is for cubic cells")
    if not (viscosity_mpa_s > 0.0 and temperature_k > 0.0):
        raise AnalysisError("the finite-size correction needs a temperature and a viscosity")
    shear_pa_m_s = 6.0 * math.pi * viscosity_mpa_s * 1e-3 * edge * 1e-10
    shift = 1e9 * _CUBIC_LATTICE * _BOLTZMANN * temperature_k / shear_pa_m_s
    d = diffusion.diffusion
    return Estimate(
        d.value + shift, d.error, d.unit, f"{d.method}; Yeh-Hummer +{shift:.4g}", d.n_eff
    )


def _line(
    msd: MsdResult, window: NDArray[np.int64], covariance: NDArray[np.float64]
) -> tuple[float, float, float, str]:
    """Slope of the MSD, Angstrom^2/ps, its error, the collectivity and what the error is from."""
    moments, dims = msd.moments, len(msd.dimensions)
    n = moments.lags[window].astype(np.float64)
    # Few lags of the window are as well known as the first: its collectivity counts most.
    collectivity = float(moments.collectivity()[window] @ (1.0 / n) / (1.0 / n).sum())
    walkers = dims * msd.num_atoms / collectivity
    brownian = covariance[np.ix_(window, window)]
    weights = line_weights(n, brownian + np.diag((_MODEL_ERROR * n) ** 2 * walkers))
    rate = float(weights @ msd.msd_ang2[moments.lags[window]])
    everywhere = np.zeros(len(moments.lags))
    everywhere[window] = weights
    variances = {
        "Brownian covariance": rate**2 * float(weights @ brownian @ weights) / walkers,
        "spread between atoms": moments.spread(everywhere, collectivity),
        "spread between blocks in time": _between_blocks(moments, window, weights),
    }
    cause = max(variances, key=lambda name: variances[name])
    interval = msd.interval_ps
    return rate / interval, math.sqrt(variances[cause]) / interval, collectivity, cause


def _window(lags: _Lags, msd: MsdResult) -> NDArray[np.int64]:
    """Indices of the lags to fit.

    Raises:
        AnalysisError: when there is no diffusive range.
    """
    found = lags.local_slopes(_LONGEST_LAG * (msd.frames - 1))
    known = list(takewhile(lambda range_: range_[2] <= _KNOWN_SLOPE, found))
    if len(known) < _FEWEST_RANGES:
        raise AnalysisError(
            f"{msd.frames} frames of {msd.num_atoms} {msd.element} are too few for a diffusion "
            "coefficient: run longer"
        )
    off = [
        start
        for start, (_, slope, error) in enumerate(known)
        if abs(slope - 1.0) > _SLOPE_TOLERANCE + _SIGMAS * error
    ]
    start = off[-1] + 1 if off else 0
    if start > len(known) - _FEWEST_RANGES:
        raise AnalysisError(_reason(msd, *known[off[-1]][1:]))
    if start:  # a slope passes 1 on its way from ballistic motion to the cage: leave that behind
        start = min(start + _LEAVE_BEHIND, known[-1][0] - 2)
    apart = _LEAST_MOVE_ANG**2 * len(msd.dimensions) / 3
    far = int(np.searchsorted(lags.msd, apart))  # of a rising curve
    if far > len(known) - _FEWEST_RANGES:
        moved = math.sqrt(float(lags.msd[known[-1][0]]))
        raise AnalysisError(
            f"{msd.element} moves {moved:.2g} A within the lags that count; up to "
            f"{_LEAST_MOVE_ANG:g} A it may be vibration or the turning of molecules: run longer"
        )
    start = max(start, far)
    return np.arange(start, known[-1][0] + 1)


def _given_window(msd: MsdResult, fit_ps: tuple[float, float]) -> NDArray[np.int64]:
    """Indices of the lags in a window that the user gave."""
    lag_ps = msd.moments.lags * msd.interval_ps
    inside = (lag_ps > fit_ps[0] - 1e-9) & (lag_ps < fit_ps[1] + 1e-9)
    window = np.flatnonzero(inside)
    if len(window) < 3:  # noqa: PLR2004
        raise AnalysisError(
            f"the window {fit_ps[0]:g} to {fit_ps[1]:g} ps holds too few lags of a run whose MSD "
            f"reaches from {lag_ps[0]:g} to {lag_ps[-1]:g} ps"
        )
    return window


def _reason(msd: MsdResult, slope: float, error: float) -> str:
    """Why a slope is not that of diffusion."""
    longest = _LONGEST_LAG * (msd.frames - 1) * msd.interval_ps
    seen = f"the MSD of {msd.element} grows as t^{slope:.2f} (+-{error:.2g})"
    if slope < 0.3:  # noqa: PLR2004
        height = msd.msd_ang2[-1]
        return f"{seen}: it levels off at {height:.3g} A^2, as in a solid; there is no diffusion"
    if slope < 1.0:
        return f"{seen} towards lags of {longest:.3g} ps, slower than diffusion: run longer"
    return f"{seen} towards lags of {longest:.3g} ps, faster than diffusion (ballistic): run longer"


def _between_blocks(
    moments: LagMoments, window: NDArray[np.int64], weights: NDArray[np.float64]
) -> float:
    """Variance of the slope from its spread between blocks of origins; 0 for too few blocks."""
    first, last = int(moments.lags[window[0]]), int(moments.lags[window[-1]])
    origins = moments.frames - last
    blocks = min(_MAX_BLOCKS, origins // (3 * first))
    if blocks < _MIN_BLOCKS:
        return 0.0
    slopes = np.zeros(blocks)
    for k, weight in zip(window, weights, strict=True):
        edges = np.linspace(0, origins, blocks + 1) / moments.spacing(moments.lags[k])
        edges = np.ceil(edges).astype(int)
        q = moments.per_origin[k]
        slopes += weight * np.array([q[a:b].mean() for a, b in pairwise(edges)])
    # The MSD at short lags has more origins than those that all lags share.
    return float(slopes.var(ddof=1)) / blocks * origins / (moments.frames - first)
