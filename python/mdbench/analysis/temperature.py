"""Densities and diffusion coefficients against temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincc

from mdbench.analysis.estimate import Estimate
from mdbench.errors import AnalysisError
from mdbench.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KJ_PER_MOL_PER_EV = 96.48533212

_MIN_DENSITIES = 3
_MIN_DIFFUSIONS = 4
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Line:
    """A weighted straight line, y = intercept + slope (x - centre)."""

    centre: float
    """Weighted mean of x, where value and slope are uncorrelated."""
    intercept: float
    intercept_error: float
    slope: float
    slope_error: float
    chi2: float
    freedom: int
    p_value: float
    """Probability of a larger chi2 if the line is true and the errors are right."""

    def at(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and their standard errors."""
        away = x - self.centre
        error = np.hypot(self.intercept_error, self.slope_error * away)
        return self.intercept + self.slope * away, error


@dataclass(frozen=True)
class DensityPoint:
    """The mean density of one run."""

    temperature_k: float
    density: Estimate
    ensemble: str | None


@dataclass(frozen=True)
class DensityFit:
    """Density against temperature, rho = density + slope (T - centre)."""

    line: Line
    slope: Estimate
    slope_95: tuple[float, float]
    density: Estimate
    """At ``line.centre``."""
    expansivity: Estimate
    """Thermal expansion coefficient -(d rho/dT)/rho at ``line.centre``."""
    expansivity_95: tuple[float, float]


@dataclass(frozen=True)
class ArrheniusResult:
    """Diffusion against temperature, D = prefactor exp(-activation/(kB T))."""

    line: Line
    """ln D against 1/(kB T)."""
    activation_ev: Estimate
    activation_ev_95: tuple[float, float]
    activation_kj_mol: Estimate
    prefactor: Estimate
    """In the unit of D; its error is that of its logarithm times its value."""
    prefactor_95: tuple[float, float]


def weighted_line(
    x: NDArray[np.float64], y: NDArray[np.float64], sigma: NDArray[np.float64]
) -> Line:
    """Straight line by least squares with known errors.

    Where chi2 per degree of freedom is above 1, errors grow by its root: either the errors of
    the points are too small or the line is not the whole truth, and both widen the interval.
    """
    weights = sigma**-2
    centre = float(weights @ x / weights.sum())
    moment = float(weights @ (x - centre) ** 2)
    intercept = float(weights @ y / weights.sum())
    slope = float(weights @ ((x - centre) * y)) / moment
    chi2 = float(weights @ (y - intercept - slope * (x - centre)) ** 2)
    freedom = len(x) - 2
    scale = math.sqrt(max(1.0, chi2 / freedom))
    return Line(
        centre=centre,
        intercept=intercept,
        intercept_error=scale / math.sqrt(weights.sum()),
        slope=slope,
        slope_error=scale / math.sqrt(moment),
        chi2=chi2,
        freedom=freedom,
        p_value=float(gammaincc(0.5 * freedom, 0.5 * chi2)),
    )


def density_against_temperature(points: Sequence[DensityPoint]) -> DensityFit:
    """Straight line through densities, and the thermal expansion coefficient.

    Args:
        points: Runs at constant pressure, at three temperatures or more.

    Raises:
        AnalysisError: for runs at constant volume, too few temperatures, or points without error.
    """
    fixed = sorted({str(p.ensemble).upper() for p in points if p.ensemble != "npt"})
    if fixed:
        raise AnalysisError(
            f"density against temperature needs NPT runs; some are {', '.join(fixed)}, where the "
            "density is what the cell was made with"
        )
    temperatures = np.array([p.temperature_k for p in points])
    _check_temperatures(temperatures, _MIN_DENSITIES, "density against temperature")
    values, errors = _values([p.density for p in points], "density")
    line = weighted_line(temperatures, values, errors)
    unit = points[0].density.unit
    method = "weighted line through densities"
    slope = Estimate(line.slope, line.slope_error, f"{unit}/K", method)
    expansivity = -line.slope / line.intercept
    relative = line.intercept_error / line.intercept
    error = math.hypot(line.slope_error / line.intercept, expansivity * relative)
    return DensityFit(
        line=line,
        slope=slope,
        slope_95=_interval(line.slope, line.slope_error),
        density=Estimate(line.intercept, line.intercept_error, unit, method),
        expansivity=Estimate(expansivity, error, "1/K", method),
        expansivity_95=_interval(expansivity, error),
    )


def arrhenius(temperatures_k: Sequence[float], diffusions: Sequence[Estimate]) -> ArrheniusResult:
    """Activation energy and prefactor of diffusion.

    A weighted line through ln D against 1/(kB T), with the errors D_error/D.

    Args:
        temperatures_k: Of the runs; several at one temperature are welcome.
        diffusions: One for each, in one unit.

    Raises:
        AnalysisError: for fewer than four temperatures, or D that is not above zero or without
            error.
    """
    temperatures = np.array(temperatures_k, dtype=np.float64)
    if len(temperatures) != len(diffusions):
        raise AnalysisError(
            f"{len(temperatures)} temperatures and {len(diffusions)} diffusion coefficients differ"
        )
    _check_temperatures(temperatures, _MIN_DIFFUSIONS, "an activation energy")
    values, errors = _values(diffusions, "diffusion coefficient")
    line = weighted_line(1.0 / (BOLTZMANN_EV_PER_K * temperatures), np.log(values), errors / values)
    method = "weighted line through ln D against 1/T"
    energy, energy_error = -line.slope, line.slope_error
    # ln D0 is the line at 1/T = 0; value and slope at the centre are uncorrelated.
    log_prefactor = line.intercept - line.slope * line.centre
    log_error = math.hypot(line.intercept_error, line.slope_error * line.centre)
    low, high = _interval(log_prefactor, log_error)
    prefactor = math.exp(log_prefactor)
    return ArrheniusResult(
        line=line,
        activation_ev=Estimate(energy, energy_error, "eV", method),
        activation_ev_95=_interval(energy, energy_error),
        activation_kj_mol=Estimate(
            energy * KJ_PER_MOL_PER_EV, energy_error * KJ_PER_MOL_PER_EV, "kJ/mol", method
        ),
        prefactor=Estimate(prefactor, prefactor * log_error, diffusions[0].unit, method),
        prefactor_95=(math.exp(low), math.exp(high)),
    )


def _interval(value: float, error: float) -> tuple[float, float]:
    """95 % interval of a normal variable."""
    return value - _NORMAL_95 * error, value + _NORMAL_95 * error


def _check_temperatures(temperatures: NDArray[np.float64], least: int, what: str) -> None:
    """Refuse too few, or impossible ones.

    Raises:
        AnalysisError: in these cases.
    """
    if not (np.isfinite(temperatures).all() and (temperatures > 0.0).all()):
        raise AnalysisError(f"{what} needs temperatures above 0 K")
    distinct = len(np.unique(temperatures))
    if distinct < least:
        raise AnalysisError(f"{what} needs {least} temperatures or more, not {distinct}")


def _values(
    estimates: Sequence[Estimate], what: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and errors, all above zero and in one unit.

    Raises:
        AnalysisError: when one is not.
    """
    units = sorted({e.unit for e in estimates})
    if len(units) > 1:
        raise AnalysisError(f"units of a {what} differ: {', '.join(units)}")
    for e in estimates:
        if not (math.isfinite(e.value) and e.value > 0.0):
            raise AnalysisError(f"a {what} of {e.value:g} {e.unit} is not above zero")
        if not (math.isfinite(e.error) and e.error > 0.0):
            raise AnalysisError(f"a {what} of {e.value:g} {e.unit} has no error")
    return np.array([e.value for e in estimates]), np.array([e.error for e in estimates])
