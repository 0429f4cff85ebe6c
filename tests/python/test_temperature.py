"""Lines through densities and diffusion coefficients: exact cases, coverage, refusals."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from mdbench.analysis.estimate import Estimate
from mdbench.analysis.temperature import (
    BOLTZMANN_EV_PER_K,
    DensityPoint,
    arrhenius,
    density_against_temperature,
    weighted_line,
)
from mdbench.errors import AnalysisError

TEMPERATURES = np.array([280.0, 298.0, 320.0, 350.0, 380.0])
REPEATS = 400


def densities(values, errors, ensemble="npt", temperatures=TEMPERATURES):
    return [DensityPoint(t, Estimate(v, e, "g/cm3", "mean"), ensemble)
            for t, v, e in zip(temperatures, values, errors, strict=True)]


def coefficients(values, errors):
    return [Estimate(v, e, "1e-9 m2/s", "line") for v, e in zip(values, errors, strict=True)]


def test_exact_densities():
    found = density_against_temperature(
        densities(1.2 - 5e-4 * TEMPERATURES, [0.001, 0.002, 0.001, 0.003, 0.001]))
    assert found.slope.value == pytest.approx(-5e-4)
    assert found.slope.unit == "g/cm3/K"
    assert found.density.value == pytest.approx(1.2 - 5e-4 * found.line.centre)
    assert found.expansivity.value == pytest.approx(5e-4 / found.density.value)
    assert found.line.chi2 == pytest.approx(0.0, abs=1e-20)
    assert found.line.p_value == pytest.approx(1.0)


def test_errors_of_the_line_are_those_of_the_matrix():
    rng = np.random.default_rng(1)
    errors = np.array([0.001, 0.002, 0.001, 0.003, 0.001])
    values = 1.2 - 5e-4 * TEMPERATURES + errors * rng.standard_normal(5)
    found = density_against_temperature(densities(values, errors)).line
    design = np.c_[np.ones(5), TEMPERATURES - found.centre] / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    solution = np.linalg.lstsq(design, values / errors)[0]
    scale = max(1.0, found.chi2 / 3)
    assert [found.intercept, found.slope] == pytest.approx(list(solution))
    assert found.intercept_error**2 == pytest.approx(covariance[0, 0] * scale)
    assert found.slope_error**2 == pytest.approx(covariance[1, 1] * scale)
    assert covariance[0, 1] == pytest.approx(0.0, abs=1e-12)
    assert found.p_value == pytest.approx(chi2.sf(found.chi2, 3))


def test_density_errors_cover_the_truth():
    rng = np.random.default_rng(2)
    errors = np.array([0.001, 0.002, 0.001, 0.003, 0.001])
    off = []
    for _ in range(REPEATS):
        values = 1.2 - 5e-4 * TEMPERATURES + errors * rng.standard_normal(5)
        found = density_against_temperature(densities(values, errors))
        truth = 1.2 - 5e-4 * found.line.centre
        off.append([(found.slope.value + 5e-4) / found.slope.error,
                    (found.density.value - truth) / found.density.error,
                    (found.expansivity.value - 5e-4 / truth) / found.expansivity.error])
    off = np.abs(off)
    assert (off < 1).mean(0) == pytest.approx(0.72, abs=0.07)
    assert (off < 1.96).mean(0) == pytest.approx(0.96, abs=0.03)


def test_scatter_beyond_the_errors_widens_them():
    bent = 1.2 - 5e-4 * TEMPERATURES + 0.01 * np.array([-1, 1, 0, 1, -1])
    found = density_against_temperature(densities(bent, np.full(5, 0.001)))
    assert found.line.chi2 > 100
    assert found.line.p_value < 1e-6
    plain = 0.001 / math.sqrt(np.sum((TEMPERATURES - TEMPERATURES.mean()) ** 2))
    assert found.slope.error == pytest.approx(plain * math.sqrt(found.line.chi2 / 3))
    low, high = found.slope_95
    assert high - low == pytest.approx(2 * 1.96 * found.slope.error, rel=1e-4)


def diffusions(energy_ev, prefactor, temperatures=TEMPERATURES):
    return prefactor * np.exp(-energy_ev / (BOLTZMANN_EV_PER_K * np.asarray(temperatures)))


def test_exact_arrhenius():
    values = diffusions(0.17, 1500.0)
    found = arrhenius(list(TEMPERATURES), coefficients(values, 0.05 * values))
    assert found.activation_ev.value == pytest.approx(0.17)
    assert found.activation_kj_mol.value == pytest.approx(16.4025, abs=1e-3)
    assert found.activation_kj_mol.error == pytest.approx(96.4853 * found.activation_ev.error)
    assert found.prefactor.value == pytest.approx(1500.0)
    assert found.prefactor.unit == "1e-9 m2/s"
    low, high = found.prefactor_95
    assert low * high == pytest.approx(1500.0**2)


def test_arrhenius_errors_cover_the_truth():
    rng = np.random.default_rng(3)
    temperatures = np.repeat(TEMPERATURES, 2)  # two seeds each
    true = diffusions(0.17, 1500.0, temperatures)
    errors = true * np.linspace(0.02, 0.08, 10)
    energy, log_prefactor = [], []
    for _ in range(REPEATS):
        values = true + errors * rng.standard_normal(10)
        found = arrhenius(temperatures, coefficients(values, errors))
        energy.append((found.activation_ev.value - 0.17) / found.activation_ev.error)
        low, high = found.prefactor_95
        log_prefactor.append(low < 1500.0 < high)
    assert np.mean(np.abs(energy) < 1) == pytest.approx(0.72, abs=0.07)
    assert np.mean(log_prefactor) == pytest.approx(0.96, abs=0.03)
    assert abs(np.mean(energy)) < 0.2


def test_precise_points_count_more():
    values = diffusions(0.17, 1500.0)
    values[2] *= 2.0
    errors = 0.01 * values
    errors[2] = 0.9 * values[2]
    found = arrhenius(TEMPERATURES, coefficients(values, errors))
    assert found.activation_ev.value == pytest.approx(0.17, abs=0.001)


@pytest.mark.parametrize(("temperatures", "values", "errors", "reason"), [
    ([280, 300, 320], [1, 2, 3], [0.1] * 3, "needs 4 temperatures or more, not 3"),
    ([280, 300, 300, 320], [1, 2, 2, 3], [0.1] * 4, "needs 4 temperatures or more, not 3"),
    ([280, 300, 320, 340], [1, 2, -0.1, 3], [0.1] * 4, "-0.1 1e-9 m2/s is not above zero"),
    ([280, 300, 320, 340], [1, 2, math.nan, 3], [0.1] * 4, "not above zero"),
    ([280, 300, 320, 340], [1, 2, 3, 4], [0.1, 0.1, 0.0, 0.1], "has no error"),
    ([0, 300, 320, 340], [1, 2, 3, 4], [0.1] * 4, "above 0 K"),
    ([280, 300, 320, 340, 360], [1, 2, 3, 4], [0.1] * 4, "5 temperatures and 4"),
])
def test_arrhenius_refusals(temperatures, values, errors, reason):
    with pytest.raises(AnalysisError, match=reason):
        arrhenius(temperatures, coefficients(values, errors))


def test_density_refusals():
    good = densities([1.0] * 5, [0.01] * 5)
    with pytest.raises(AnalysisError, match="needs NPT runs; some are NVT"):
        density_against_temperature([*good[:4], *densities([1.0], [0.01], "nvt", [400.0])])
    with pytest.raises(AnalysisError, match="needs 3 temperatures or more, not 2"):
        density_against_temperature(good[:2])
    other = DensityPoint(400.0, Estimate(998.0, 1.0, "kg/m3", "mean"), "npt")
    with pytest.raises(AnalysisError, match="units of a density differ"):
        density_against_temperature([*good, other])


def test_a_line_and_the_errors_of_its_points():
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    error = np.full(5, 0.2)
    line = weighted_line(x, 3 - 2 * x, error)
    value, sigma = line.at(np.zeros(1))
    assert (line.slope, value[0]) == pytest.approx((-2.0, 3.0))
    assert line.slope_error == pytest.approx(0.2 / math.sqrt(10))
    # error of the intercept: sigma sqrt(1/n + mean_x^2 / sum (x - mean_x)^2)
    assert sigma[0] == pytest.approx(0.2 * math.sqrt(1 / 5 + 9 / 10))
    scattered = weighted_line(x, 3 - 2 * x + np.array([1, -1, 1, -1, 1]), error)
    assert scattered.slope_error > 3 * line.slope_error
