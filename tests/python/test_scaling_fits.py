"""Fits of times against sizes: known laws come back, intervals hold what they claim."""

import numpy as np
import pytest
import synthetic_scaling as synthetic
from synthetic_scaling import SIZES, result, timed

from mdbench.scaling.fits import fit_series, line_fit, power_fit, with_fits
from mdbench.scaling.fitted import Series
from mdbench.scaling.reference import published
from mdbench.scaling.resample import Draws

SERIES = Series("x", "cpu", "single", 1, 1)


def holds(interval, truth):
    """Whether an interval holds the truth; an absent bound is no bound."""
    return ((interval.low is None or interval.low <= truth)
            and (interval.high is None or truth <= interval.high))


def coverage(law, truths, *, repeats=5, noise=0.01, misfit=0.0, sizes=SIZES, tries=300):
    """Part of repeated measurements whose intervals hold the truth, for each number."""
    rng = np.random.default_rng(7)
    hits = np.zeros(len(truths))
    for _ in range(tries):
        fit = fit_series(SERIES, [
            timed("x", n, law(n) * np.exp(misfit * rng.normal()), noise=noise, repeats=repeats,
                  rng=rng) for n in sizes])
        hits += [holds(getattr(fit, name), truth) for name, truth in truths.items()]
    return hits / tries


def test_exact_laws_come_back_exactly():
    atoms = np.array(SIZES, float)
    assert line_fit(atoms, 20 + 0.2 * atoms) == pytest.approx((20, 0.2))
    assert power_fit(atoms, 3 * atoms**0.7) == pytest.approx((3, 0.7))
    fit = fit_series(SERIES, [timed("x", n, 20 + 0.2 * n, noise=0) for n in SIZES])
    assert (fit.latency_ms.value, fit.us_per_atom.value) == pytest.approx((20, 200))
    assert fit.line_residual == pytest.approx(0, abs=1e-12)
    assert fit.power_residual > 0.05
    fit = fit_series(SERIES, [timed("x", n, 3 * n**0.7, noise=0) for n in SIZES])
    assert (fit.prefactor_ms.value, fit.exponent.value) == pytest.approx((3, 0.7))
    assert [s.slope.value for s in fit.local_slopes] == pytest.approx([0.7] * 4)
    assert fit.local_slopes[0].atoms == (128, 372)


def test_latency_is_never_below_zero():
    """The best line through t ~ N^1.2 has a negative start; the best allowed one goes through 0."""
    atoms = np.array(SIZES, float)
    ms = 0.01 * atoms**1.2
    a, b = line_fit(atoms, ms)
    assert a == 0
    trial = b * np.linspace(0.9, 1.1, 2001)
    squares = np.sum((trial[:, None] * atoms / ms - 1) ** 2, axis=1)
    assert trial[squares.argmin()] == pytest.approx(b, rel=1e-3)
    a, b = line_fit(atoms, 100 / np.log(atoms))  # falling: a constant
    assert b == 0 and 100 / np.log(3200) < a < 100 / np.log(128)


@pytest.mark.parametrize("case", [
    {"noise": 0.01}, {"noise": 0.03, "sizes": SIZES[:3]}, {"noise": 0.02, "sizes": SIZES[::4]},
    {"noise": 0.003, "misfit": 0.05}, {"noise": 0.03, "repeats": 1}, {"noise": 0.1},
], ids=["runs", "three sizes", "two sizes", "sizes", "one run each", "much noise"])
def test_intervals_hold_the_truth_in_95_percent_of_repeats(case):
    """Where the runs' scatter is all there is they are a little wide, never narrow."""
    line = coverage(lambda n: 20 + 0.2 * n, {"latency_ms": 20, "us_per_atom": 200}, **case)
    power = coverage(lambda n: 2 * n**0.7, {"exponent": 0.7, "prefactor_ms": 2}, **case)
    for part in (*line, *power):
        assert 0.91 <= part <= 1.0
    if case.get("misfit") or case.get("repeats") == 1:
        assert max(*line, *power) < 0.985


@pytest.mark.parametrize("repeats", [3, 5, 9])
def test_medians_and_ratios_have_intervals_of_95_percent(repeats):
    rng = np.random.default_rng(3)
    hits = np.zeros(2)
    for _ in range(500):
        a, b = (timed(v, 128, ms, noise=0.02, repeats=repeats, rng=rng)
                for v, ms in (("native", 2.0), ("e3nn", 50.0)))
        low, high = np.exp(np.quantile(Draws([a]).log_medians(a), [0.025, 0.975]))
        (speed_up,) = with_fits(result([a, b])).fits.speed_ups
        hits += [low <= 2.0 <= high, holds(speed_up.ratio, 25.0)]
    assert np.all(hits / 500 > 0.92)
    if repeats > 3:
        assert np.all(hits / 500 < 0.985)


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_scatter_between_processes_counts_where_runs_of_one_do_not_show_it(processes):
    """Runs that scatter by 0.2 % in processes that differ by 2 %."""
    rng = np.random.default_rng(9)
    hits, speed_ups = [], []
    for _ in range(150):
        rows = [
            timed("native" if ms < 9 else "e3nn", n, ms * n / 128, rng=rng, repeats=5 * processes,
                  factors=np.repeat(np.exp(0.02 * rng.normal(size=processes)), 5), noise=0.002,
                  processes=(5,) * processes)
            for n in SIZES for ms in (2.0, 50.0)]
        fits = with_fits(result(rows)).fits
        hits += [holds(f.exponent, 1) for f in fits.series]
        speed_ups += [holds(s.ratio, 25) for s in fits.speed_ups]
    assert 0.92 < np.mean(speed_ups) < 0.985
    assert 0.92 < np.mean(hits) <= 1


def test_published_table_recomputed():
    """Exponents 0.409 +- 0.49 and 0.657 +- 0.34, lines 586 + 0.627 N and 448 + 1.558 N."""
    fast, plain = published("graphene-water")
    seconds = 10  # ms a step times 10,000 steps
    for one, exponent, half, start, slope in ((fast, 0.409, 0.49, 586, 0.627),
                                              (plain, 0.657, 0.34, 448, 1.558)):
        fit = one.fit
        assert fit.exponent.value == pytest.approx(exponent, abs=5e-4)
        assert (fit.exponent.high - fit.exponent.low) / 2 == pytest.approx(half, rel=0.1)
        assert fit.latency_ms.value * seconds == pytest.approx(start, abs=0.5)
        assert fit.us_per_atom.value / 1e3 * seconds == pytest.approx(slope, abs=5e-4)
    assert [round(s.slope.value, 2) for s in fast.fit.local_slopes] == [0.11, 0.33, 0.82]
    assert [round(s.slope.value, 2) for s in plain.fit.local_slopes] == [0.40, 0.68, 0.89]
    rows = [timed(p.label, n, ms, noise=0.005) for p in (fast, plain)
            for n, ms in zip(p.atoms, p.ms, strict=True)]
    (found,) = with_fits(result(rows)).fits.crossovers
    assert (found.small, found.large) == ("without", "with fast kernels")
    assert 128 < found.atoms.low < found.atoms.value < found.atoms.high < 372


def test_crossover_is_found_where_two_lines_cross():
    laws = {"a": (10.0, 0.2), "b": (50.0, 0.1)}  # at 400 atoms
    (found,) = with_fits(result(synthetic.law(laws, noise=0.01))).fits.crossovers
    assert (found.small, found.large) == ("a", "b")
    assert found.atoms.value == pytest.approx(400, rel=0.05)  # straight between 372 and 1152
    assert found.atoms.low < found.atoms.value < found.atoms.high


def test_crossovers_that_are_none_or_open():
    (never,) = with_fits(result(synthetic.law({"a": (1, 0.1), "b": (2, 0.2)}))).fits.crossovers
    assert never.atoms is None and never.large == "a" and "all 5 sizes" in never.note
    rows = [timed("a", n, 1.0 * n, noise=0.05) for n in SIZES]
    rows += [timed("b", n, n * (1.1 if n < 3200 else 0.99), noise=0.05) for n in SIZES]
    (vague,) = with_fits(result(rows)).fits.crossovers
    assert vague.atoms is None or vague.atoms.high is None  # perhaps beyond the sizes measured
    wavy = [timed("a", n, 10.0, noise=0) for n in SIZES]
    wavy += [timed("b", n, ms, noise=0) for n, ms in zip(SIZES, (9, 11, 9, 11, 9), strict=True)]
    (twice,) = with_fits(result(wavy)).fits.crossovers
    assert "4 times" in twice.note and 2048 < twice.atoms.value < 3200
    assert (twice.atoms.low, twice.atoms.high) == (None, None)  # one run without scatter


def test_speed_ups_are_against_the_slow_python_engine_of_equal_settings():
    rows = [timed("native", 128, 2.0), timed("e3nn", 128, 40.0), timed("torchscript", 128, 20.0),
            timed("native", 128, 1.0, threads=2), timed("torchscript", 128, 12.0, threads=2),
            timed("cueq", 128, 1.0, device="cuda")]
    found = {(s.variant, s.threads): s for s in with_fits(result(rows)).fits.speed_ups}
    assert set(found) == {("native", 1), ("torchscript", 1), ("native", 2)}
    assert found["native", 1].baseline == "e3nn"
    assert found["native", 1].ratio.value == pytest.approx(20, rel=0.05)
    assert found["native", 2].baseline == "torchscript"


def test_fits_repeat_and_do_not_depend_on_other_variants():
    one = with_fits(synthetic.quick())
    assert one == with_fits(synthetic.quick())
    alone = with_fits(result([m for m in one.measurements if m.variant == "native"]))
    assert alone.fits.series[0] == one.fits.series[0]


def test_too_little_for_a_fit_is_said():
    fits = with_fits(result([timed("native", 128, 2.0)])).fits
    assert fits.series[0].latency_ms is None and "one size" in fits.series[0].note
    fits = with_fits(result([timed("native", n, 0.1 * n, repeats=1) for n in (128, 512)])).fits
    assert fits.series[0].exponent.value == pytest.approx(1, abs=0.05)
    assert fits.series[0].exponent.low is None and "two sizes" in fits.series[0].note
    assert with_fits(result([])).fits.series == ()
