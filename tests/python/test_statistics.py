import numpy as np
import pytest
from pymbar import timeseries
from scipy.signal import lfilter
from support import Stopwatch, processor_s

from mdbench.analysis import statistics
from mdbench.analysis.statistics import (
    block_bootstrap,
    block_of_frame,
    detect_equilibration,
    error_of_minimum,
    mean_with_error,
    merge_correlated,
    slope_with_error,
    statistical_inefficiency,
)
from mdbench.errors import AnalysisError


def ar1(rng, shape, phi):
    """Unit-variance series with autocorrelation phi**lag, hence g = (1 + phi) / (1 - phi)."""
    noise = rng.normal(size=shape)
    noise[..., 1:] *= np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.5])
def test_inefficiency_is_pymbars(phi):
    for seed in range(5):
        x = ar1(np.random.default_rng(seed), 700, phi) + 3.0
        assert statistical_inefficiency(x) == pytest.approx(
            timeseries.statistical_inefficiency(x), rel=1e-10)


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_inefficiency_of_a_known_process(phi):
    x = ar1(np.random.default_rng(1), 400_000, phi)
    assert statistical_inefficiency(x) == pytest.approx((1 + phi) / (1 - phi), rel=0.05)


def test_equilibration_is_pymbars_on_short_series():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = ar1(rng, 55, 0.5) + 8 * np.exp(-np.arange(55) / 5)
        t0, g, n_eff = detect_equilibration(x)
        theirs = timeseries.detect_equilibration(x, fast=False)
        assert t0 == theirs[0] and g == pytest.approx(theirs[1], rel=1e-9)
        assert n_eff == pytest.approx((55 - t0) / g)


def test_equilibration_of_a_relaxing_series():
    n, tau = 20_000, 400
    x = ar1(np.random.default_rng(3), n, 0.9) + 20 * np.exp(-np.arange(n) / tau)
    t0, g, n_eff = detect_equilibration(x)
    assert 2 * tau < t0 < 8 * tau  # the trend is below the noise after tau ln 20 = 3 tau
    assert g == pytest.approx(19, rel=0.3) and n_eff == pytest.approx((n - t0) / g)
    nearly = timeseries.detect_equilibration(x, fast=False, nskip=n // 40)
    assert n_eff > 0.97 * nearly[2]
    assert detect_equilibration(x[8 * tau:])[0] < n // 10


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_constant_series(value):
    x = np.full(1000, value)
    assert detect_equilibration(x) == (0, 1.0, 1000.0)
    assert statistical_inefficiency(x) == 1.0
    mean = mean_with_error(x, "K")
    assert mean.value == pytest.approx(value) and mean.error == 0.0


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_error_bars_cover_the_truth(phi):
    series = ar1(np.random.default_rng(7), (200, 2000), phi)
    means = [mean_with_error(x, "K") for x in series]
    covered = np.mean([abs(m.value) < m.error for m in means])
    assert 0.58 < covered < 0.78
    exact = np.sqrt((1 + phi) / (1 - phi) / 2000)
    assert np.mean([m.error for m in means]) == pytest.approx(exact, rel=0.05)


def test_too_few_samples():
    for x in ([], [1.0], [1.0, 2.0, 1.0], np.linspace(0, 1, 50)):
        with pytest.raises(AnalysisError, match="independent"):
            mean_with_error(np.array(x), "K")
    with pytest.raises(AnalysisError, match="pressure.*not finite"):
        mean_with_error(np.array([1.0, np.nan, 2.0]), "bar", "pressure")
    assert "uncertain" in mean_with_error(np.array([1.0, 2.0, 1.0, 3.0, 1.0]), "K").method
    assert "uncertain" not in mean_with_error(np.random.default_rng(0).normal(size=99), "K").method


def test_few_independent_samples_have_the_unbiased_error():
    x = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert mean_with_error(x, "K").error == pytest.approx(x.std(ddof=1) / 6**0.5)


def test_slopes_cover_the_truth():
    t = np.arange(2000) * 0.5
    fits = [slope_with_error(t, x + 0.01 * t, "K/ps")
            for x in ar1(np.random.default_rng(5), (200, 2000), 0.8)]
    assert 0.58 < np.mean([abs(f.value - 0.01) < f.error for f in fits]) < 0.78
    with pytest.raises(AnalysisError, match="drift"):
        slope_with_error(t[:2], t[:2], "K/ps", "drift")


def test_bootstrap_of_a_mean_and_of_a_missing_statistic():
    x = np.random.default_rng(2).normal(size=(60, 3))
    error = block_bootstrap(x, lambda s: s / 60, seed=1)
    assert error == pytest.approx(x.std(axis=0, ddof=1) / np.sqrt(60), rel=0.2)
    assert np.array_equal(error, block_bootstrap(x, lambda s: s / 60, seed=1))
    two = block_bootstrap(np.array([[0.0], [1.0]]), lambda s: s / 2)
    assert two[0] == pytest.approx(0.5, rel=0.2)  # std / sqrt(2), not reduced by resampling
    often = block_bootstrap(x, lambda s: np.nan if s[0] > x[:, 0].sum() else 1.0)
    assert np.isnan(often)


def test_bootstrap_of_a_ratio_draws_whole_blocks():
    size = np.arange(1.0, 41.0)
    even = np.stack([2.0 * size, size], axis=1)[:, :, None]
    assert block_bootstrap(even, lambda s: s[0] / s[1]) == pytest.approx([0.0], abs=1e-12)


def test_error_of_a_minimum_is_that_of_drawn_resamples():
    rng = np.random.default_rng(9)
    x = rng.exponential(size=30)
    drawn = x[rng.integers(0, 30, (200_000, 30))].min(axis=1)
    assert error_of_minimum(x) == pytest.approx(drawn.std() * np.sqrt(30 / 29), rel=0.01)
    assert error_of_minimum(np.full(5, 3.0)) == 0.0


def test_blocks_grow_with_correlation():
    assert np.bincount(block_of_frame(1000)).tolist() == pytest.approx([7.8] * 128, abs=0.9)
    assert block_of_frame(5).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(AnalysisError, match="3 frames"):
        block_of_frame(3)
    rng = np.random.default_rng(4)
    free, slow = rng.normal(size=128), ar1(rng, 128, 0.7)
    assert len(merge_correlated(free, free)[0]) == 128
    merged, independent = merge_correlated(slow, slow)
    assert 4 <= len(merged) < 40 and merged.sum() == pytest.approx(slow.sum())
    assert independent < 60
    with pytest.raises(AnalysisError, match="run longer"):
        merge_correlated(slow, np.linspace(0, 1, 128))


def test_block_errors_of_correlated_series_cover_the_truth():
    def one(x):
        blocks, _ = merge_correlated(x, x)
        return block_bootstrap(blocks, lambda s: s / len(x))

    series = ar1(np.random.default_rng(8), (200, 128), 0.5)
    assert 0.55 < np.mean([abs(x.mean()) < one(x) for x in series]) < 0.78


@pytest.mark.alone
def test_a_million_samples_take_seconds():
    x = ar1(np.random.default_rng(6), 1_000_000, 0.99)
    x += 5 * np.exp(-np.arange(len(x)) / 50_000)
    with Stopwatch(processor_s) as detection:
        t0, g, _ = detect_equilibration(x)
    assert detection.seconds < 20
    assert 50_000 < t0 < 400_000 and g == pytest.approx(199, rel=0.2)


def test_too_few_samples_are_not_rounded_up_to_enough(monkeypatch):
    """Of 3.97 independent samples the message said that 4.0 are not the four that are needed."""
    monkeypatch.setattr(statistics, "statistical_inefficiency", lambda v: len(v) / 3.97)
    with pytest.raises(AnalysisError, match=r"hold 3\.9 independent ones, four are needed"):
        statistics.mean_with_error(np.arange(50.0), "K", "temperature")
