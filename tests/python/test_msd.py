"""Mean squared displacement and diffusion: analytic cases, slow references, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from trajectories_in_memory import frames_of, random_walk, relaxing

from mdbench.analysis import trajectories
from mdbench.analysis.brownian import msd_covariance
from mdbench.analysis.diffusion import self_diffusion, yeh_hummer
from mdbench.analysis.msd import MsdOptions, mean_squared_displacement
from mdbench.errors import AnalysisError

STAY = MsdOptions(remove_drift=False)
D_WALK = 5.0  # of random_walk with frames 1 ps apart, 1e-9 m2/s


def direct_msd(positions, columns=(0, 1, 2)):
    """The definition, a lag at a time."""
    x = np.asarray(positions, dtype=float)[:, :, list(columns)]
    lags = range(1, len(x) // 2 + 1)
    return np.array([0.0, *(((x[n:] - x[:-n]) ** 2).sum(2).mean() for n in lags)])


def without_drift(positions, masses):
    return positions - np.einsum("tac,a->tc", positions, masses / masses.sum())[:, None]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("dimensions", ["xyz", "xy", "z"])
def test_fft_is_the_direct_sum(dimensions, dtype):
    rng = np.random.default_rng(1)
    positions = random_walk(rng, 301, 23) + rng.uniform(0, 50, (23, 3))
    positions = (positions + 0.3 * np.arange(301)[:, None, None]).astype(dtype)
    numbers, masses = np.where(np.arange(23) % 3, 1, 8), rng.uniform(1, 20, 23)
    source = frames_of(positions, numbers=numbers, masses=masses)
    found = mean_squared_displacement(source, "H", MsdOptions(dimensions=dimensions))
    columns = ["xyz".index(c) for c in dimensions]
    moving = without_drift(positions.astype(float), masses)[:, numbers == 1]
    np.testing.assert_allclose(found.msd_ang2, direct_msd(moving, columns), rtol=1e-10)
    assert found.lag_ps[-1] == 150.0
    assert found.num_atoms == 15


def test_start_is_respected():
    positions = random_walk(np.random.default_rng(2), 120, 5)
    found = mean_squared_displacement(
        frames_of(positions, interval_ps=0.5), "O", replace(STAY, start_ps=10.0))
    assert found.frames == 100
    np.testing.assert_allclose(found.msd_ang2, direct_msd(positions[20:]), rtol=1e-10)


def with_a_slab(movers, fixed=4):
    """Walkers behind atoms that stay where they are."""
    slab = np.broadcast_to(np.arange(3.0 * fixed).reshape(fixed, 3), (len(movers), fixed, 3))
    return np.concatenate([slab, movers], axis=1)


def test_fixed_atoms_are_what_others_move_against():
    """And no part of the mean; nothing is subtracted, which the fixed ones would take part in."""
    movers = random_walk(np.random.default_rng(9), 200, 6) + 0.05 * np.arange(200)[:, None, None]
    numbers = np.array([8, 8, 6, 6, 8, 8, 8, 8, 8, 8])
    source = frames_of(with_a_slab(movers), numbers=numbers)
    found = mean_squared_displacement(source, "O")
    np.testing.assert_allclose(found.msd_ang2, direct_msd(movers), rtol=1e-10)
    assert (found.num_atoms, found.note) == (6, "2 of 8 atoms, which do not move, are left out")
    with pytest.raises(AnalysisError, match="the atoms of C do not move"):
        mean_squared_displacement(source, "C")


def test_atoms_that_rest_now_and_then_are_not_fixed():
    """As on a lattice: those that never hop count, and the centre of mass is subtracted."""
    rng = np.random.default_rng(10)
    hops = 2.5 * np.cumsum(rng.integers(-1, 2, (200, 40, 3)) * (rng.random((200, 40, 1)) < 0.01), axis=0)
    source = frames_of(with_a_slab(hops), numbers=8)
    found = mean_squared_displacement(source, "O")
    assert (found.num_atoms, found.note) == (44, "")
    everything = without_drift(with_a_slab(hops), source.masses)
    np.testing.assert_allclose(found.msd_ang2, direct_msd(everything), rtol=1e-9)


class Counted:
    """A source that counts how often it is read."""

    def __init__(self, source):
        self._source, self.readings = source, 0

    def __getattr__(self, name):
        return getattr(self._source, name)

    def frames(self, *args):
        self.readings += 1
        return self._source.frames(*args)


class Truncated(Counted):
    """A source that ends early."""

    def frames(self, first=0, last=None, stride=1):
        return self._source.frames(first, 90, stride)


def test_chunks_give_the_same():
    source = frames_of(random_walk(np.random.default_rng(3), 400, 30), pbc=(0, 0, 0))
    whole = mean_squared_displacement(source, "O")
    counted = Counted(source)
    limit = 4 * 24 * 400 * 4 // 3  # four atoms at a time
    parts = mean_squared_displacement(counted, "O", MsdOptions(memory_limit=limit))
    assert counted.readings == 8 + 1  # the beginning, for atoms that are fixed
    assert parts.note == ""
    for name in ("msd_ang2", "msd_error_ang2"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-10)
    np.testing.assert_allclose(parts.moments.per_particle, whole.moments.per_particle)
    assert self_diffusion(parts).diffusion.error == pytest.approx(
        self_diffusion(whole).diffusion.error)


def test_frames_are_left_out_when_memory_is_short():
    positions = random_walk(np.random.default_rng(4), 401, 48)
    limit = 2 * 24 * 401 * 4 // 3 + 4000  # two atoms: 24 readings, twice as many as allowed
    found = mean_squared_displacement(
        frames_of(positions), "O", replace(STAY, memory_limit=limit))
    assert found.note.startswith("1 frame in 2 is used")
    assert found.lag_ps[1] == 2.0
    np.testing.assert_allclose(found.msd_ang2, direct_msd(positions[::2]), rtol=1e-10)
    with pytest.raises(AnalysisError, match="raise the limit"):
        mean_squared_displacement(frames_of(positions), "O", MsdOptions(memory_limit=1000))


def test_mdanalysis_agrees():
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.msd import EinsteinMSD

    positions = random_walk(np.random.default_rng(5), 150, 12).astype(np.float32)
    universe = mda.Universe.empty(12, trajectory=True)
    universe.load_new(positions)
    theirs = EinsteinMSD(universe, select="all", msd_type="xyz", fft=False).run()
    found = mean_squared_displacement(frames_of(positions), "O", STAY)
    np.testing.assert_allclose(
        found.msd_ang2, theirs.results.timeseries[:len(found.msd_ang2)], rtol=1e-5)


def test_random_walk_within_one_percent():
    source = frames_of(random_walk(np.random.default_rng(6), 20_000, 100), interval_ps=0.1)
    found = self_diffusion(mean_squared_displacement(source, "O", STAY))
    assert found.diffusion.value == pytest.approx(10 * D_WALK, rel=0.01)
    assert found.diffusion.error < 0.005 * found.diffusion.value
    assert found.diffusion.unit == "1e-9 m2/s"
    assert found.loglog_slope.value == pytest.approx(1.0, abs=0.05)
    assert found.fit_ps[0] == pytest.approx(0.2)  # MSD 3, 6, ... A^2: the first lag beyond 2 A
    assert found.fit_ps[1] <= 0.2 * 2000


def plain(rng):
    return random_walk(rng, 2000, 100), 1.0


def drifting(rng):
    """All atoms carried along by more than they move themselves."""
    carried = np.cumsum(0.5 + rng.standard_normal((1000, 1, 3)), axis=0)
    # Drift removal takes the centre of mass's share of each particle's motion away.
    return random_walk(rng, 1000, 60) + carried, 1 - 1 / 60


def molecules(rng):
    """Three atoms move as one."""
    return random_walk(rng, 1500, 60, group=3), 1.0


def mobile_and_lazy(rng):
    """Each atom keeps a mobility that is drawn for it: 1 or 1/4."""
    return random_walk(rng, 1000, 80) * rng.choice([1.0, 0.5], (1, 80, 1)), 0.625


def bursts(rng):
    """The mobility of all atoms switches between 1/2 and 3/2 every five frames."""
    mobility = np.repeat(rng.choice([0.5, 1.5], 200), 5)
    steps = rng.standard_normal((1000, 60, 3))
    return np.cumsum(np.sqrt(mobility)[:, None, None] * steps, axis=0), 1.0


def persistent(rng):
    """Ballistic for four frames, as velocities relax: only later is the slope that of diffusion."""
    velocities = relaxing(rng, 2000, 40, 0.25)
    keep = np.exp(-0.25)
    return np.cumsum(velocities, axis=0), (1 + keep) / (1 - keep)


def caged(rng):
    """Rattling of relaxation time five frames on top of slow diffusion."""
    rattling = 0.3 * relaxing(rng, 2000, 30, 0.2)
    return rattling + 0.2 * random_walk(rng, 2000, 30), 0.04


@pytest.mark.parametrize(
    "case", [plain, drifting, molecules, mobile_and_lazy, bursts, persistent, caged],
    ids=lambda c: c.__name__)
def test_errors_cover_the_truth(case):
    """One sigma covers 68 +- 10 % of 100 repeats, two 95 +- 5 %; and there is no bias.

    The error is the largest of three estimates: over 400 repeats it covers 73 % for motion that is
    more than a random walk. Two points more are for that and for the noise of 100 repeats, 4.5.
    """
    off = []
    for seed in range(100):
        positions, mobility = case(np.random.default_rng(seed))
        options = MsdOptions(remove_drift=case is drifting)
        d = self_diffusion(mean_squared_displacement(frames_of(positions), "O", options))
        off.append((d.diffusion.value - D_WALK * mobility) / d.diffusion.error)
        low, high = d.interval_95
        assert low < d.diffusion.value < high
    off = np.array(off)
    assert np.mean(np.abs(off) < 1) == pytest.approx(
        0.68, abs=0.10 if case in (plain, drifting) else 0.12)
    assert np.mean(np.abs(off) < 2) >= 0.9
    assert abs(off.mean()) < 0.35


def test_atoms_that_hardly_move_are_refused():
    walk = 0.02 * random_walk(np.random.default_rng(4), 4000, 100)
    with pytest.raises(AnalysisError, match="up to 2 A"):
        self_diffusion(mean_squared_displacement(frames_of(walk), "O", STAY))


def test_number_of_atoms_that_move_as_one_is_found():
    positions = random_walk(np.random.default_rng(8), 5000, 120, group=4)
    found = self_diffusion(mean_squared_displacement(frames_of(positions), "O", STAY))
    assert found.collectivity == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("atoms", [1, 4, 40])
def test_msd_errors_are_those_of_repeats(atoms):
    """Against the scatter of 60 independent runs, at a short, a middle and the longest lag."""
    runs = [mean_squared_displacement(
        frames_of(random_walk(np.random.default_rng(seed), 1000, atoms)), "O", STAY)
        for seed in range(60)]
    for lag in (2, 30, 200):
        scatter = np.std([r.msd_ang2[lag] for r in runs])
        claimed = np.sqrt(np.mean([r.msd_error_ang2[lag] ** 2 for r in runs]))
        assert claimed == pytest.approx(scatter, rel=0.35)
    assert runs[0].msd_error_ang2[0] == 0.0


def test_brownian_covariance_is_its_definition():
    lags, frames = np.array([1, 2, 5, 9]), 20
    expected = np.zeros((4, 4))
    for i, n in enumerate(lags):
        for j, m in enumerate(lags):
            for s in range(frames - n):
                for t in range(frames - m):
                    overlap = len(set(range(s, s + n)) & set(range(t, t + m)))
                    expected[i, j] += 2 * overlap**2 / ((frames - n) * (frames - m))
    np.testing.assert_allclose(msd_covariance(lags, frames), expected, rtol=1e-12)


def test_harmonic_crystal_levels_off_at_its_plateau():
    """Independent oscillators with <x^2> = kT/k in each direction: MSD = 6 kT/k, and no D."""
    source = frames_of(0.1 * relaxing(np.random.default_rng(9), 4000, 60, 0.2))
    found = mean_squared_displacement(source, "O", STAY)
    expected = 6 * 0.01 * (1 - np.exp(-0.2 * np.arange(2001)))
    np.testing.assert_allclose(found.msd_ang2, expected, rtol=0.02)
    assert found.msd_ang2[100] == pytest.approx(0.06, abs=4 * found.msd_error_ang2[100])
    with pytest.raises(AnalysisError, match="levels off at 0.06.* A.2, as in a solid"):
        self_diffusion(found)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_no_length_of_run_makes_a_solid_diffuse(spread):
    """From ballistic motion to the plateau the slope passes 1, for a moment."""
    rng = np.random.default_rng(21)
    omega = 1.0 + spread * rng.uniform(-1, 1, (80, 3))
    phase, t = rng.uniform(0, 2 * np.pi, (80, 3)), np.arange(400)[:, None, None]
    for periods in np.geomspace(0.5, 50.0, 40):
        positions = np.cos(2 * np.pi * periods / 400 * omega * t + phase)
        with pytest.raises(AnalysisError):
            self_diffusion(mean_squared_displacement(frames_of(positions), "O", STAY))


def test_ballistic_motion():
    velocities = np.random.default_rng(10).standard_normal((50, 3))
    positions = np.arange(500)[:, None, None] * 0.01 * velocities
    found = mean_squared_displacement(frames_of(positions, interval_ps=0.01), "O", STAY)
    expected = (velocities**2).sum(1).mean() * found.lag_ps**2
    np.testing.assert_allclose(found.msd_ang2, expected, rtol=1e-9, atol=1e-12)
    with pytest.raises(AnalysisError, match=r"t\^2\.00.*ballistic"):
        self_diffusion(found)


def test_subdiffusion_is_refused():
    """A fractional walk, MSD ~ t^0.7, by its spectrum."""
    rng = np.random.default_rng(11)
    frequency = np.fft.rfftfreq(16384)[1:, None]
    shape = (8192, 150)
    noise = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * frequency**-0.85
    x = np.fft.irfft(np.concatenate([np.zeros((1, 150)), noise]), axis=0)[:4000]
    found = mean_squared_displacement(frames_of(x.reshape(4000, 50, 3)), "O", STAY)
    with pytest.raises(AnalysisError, match=r"t\^0\.[67].*slower than diffusion: run longer"):
        self_diffusion(found)
    forced = self_diffusion(found, fit_ps=(20.0, 400.0))
    assert forced.fit_ps[0] >= 20.0
    assert forced.fit_ps[1] <= 400.0
    with pytest.raises(AnalysisError, match="too few lags"):
        self_diffusion(found, fit_ps=(0.1, 0.2))


def test_slab_moves_sideways():
    """A liquid between walls: z stays within them, x and y diffuse."""
    rng = np.random.default_rng(12)
    positions = random_walk(rng, 4000, 60)
    positions[:, :, 2] = relaxing(rng, 4000, 60, 0.1)[:, :, 2]
    source = frames_of(positions, pbc=(1, 1, 0))
    for dimensions in ("xy", "auto"):
        options = replace(STAY, dimensions=dimensions)
        found = self_diffusion(mean_squared_displacement(source, "O", options))
        assert found.dimensions == "xy"
        assert found.diffusion.value == pytest.approx(D_WALK, abs=3 * found.diffusion.error)
        assert found.diffusion.error < 0.03 * D_WALK
    with pytest.raises(AnalysisError, match="levels off"):
        self_diffusion(mean_squared_displacement(source, "O", replace(STAY, dimensions="z")))


def test_drift_of_all_atoms_is_weighed_by_mass():
    rng = np.random.default_rng(13)
    masses = np.r_[np.full(20, 12.0), np.full(20, 1.0)]
    positions = random_walk(rng, 300, 40)
    positions -= np.einsum("tac,a->tc", positions, masses / masses.sum())[:, None]
    pushed = positions + np.linspace(0, 500, 300)[:, None, None]
    numbers = np.r_[np.full(20, 6), np.full(20, 1)]
    still, moved = (
        mean_squared_displacement(frames_of(p, numbers=numbers, masses=masses), "H", options)
        for p, options in ((positions, STAY), (pushed, MsdOptions())))
    np.testing.assert_allclose(moved.msd_ang2, still.msd_ang2, rtol=1e-9)


def test_what_cannot_be_used_is_refused():
    rng = np.random.default_rng(14)
    source = frames_of(random_walk(rng, 100, 4))
    gap = replace(source, times_ps=np.r_[np.arange(50), np.arange(51, 101)].astype(float))
    broken = source.positions.copy()
    broken[60, 2, 1] = np.nan
    for bad, element, options, reason in (
            (source, "C", STAY, "no atoms of element 'C'"),
            (source, "Xx", STAY, "no atoms of element 'Xx'"),
            (source, "O", MsdOptions(start_ps=95.0), "5 frames from 95 ps on are too few"),
            (source, "O", MsdOptions(dimensions="yx"), "none of"),
            (gap, "O", STAY, "frames 49 and 50 are 2 ps apart"),
            (frames_of(broken), "O", STAY, "not finite"),
            (frames_of(broken, numbers=[8, 8, 1, 8]), "O", MsdOptions(), "not finite"),
            (Truncated(source), "O", STAY, "ended after 90 of 100")):
        with pytest.raises(AnalysisError, match=reason):
            mean_squared_displacement(bad, element, options)
    after_gap = mean_squared_displacement(gap, "O", MsdOptions(start_ps=50.0))
    assert after_gap.frames == 50
    for positions, options, reason in (
            (np.zeros((100, 4, 3)), STAY, "the atoms of O do not move"),
            (random_walk(rng, 100, 1), MsdOptions(), "O does not move"),  # but as a whole
            (random_walk(rng, 12, 4), STAY, "too few for a diffusion")):
        with pytest.raises(AnalysisError, match=reason):
            self_diffusion(mean_squared_displacement(frames_of(positions), "O", options))


def test_wrapped_positions_are_refused():
    walk = 0.1 * random_walk(np.random.default_rng(15), 2000, 50)
    with pytest.raises(AnalysisError, match="positions are wrapped"):
        mean_squared_displacement(frames_of(walk % 10.0, edge=10.0), "O")
    mean_squared_displacement(frames_of(walk, edge=10.0), "O")
    # Free paths through a small cell between rare frames are no wrapping.
    mean_squared_displacement(frames_of(30 * walk, edge=10.0), "O")


def test_yeh_hummer():
    source = frames_of(random_walk(np.random.default_rng(16), 1000, 50))
    found = self_diffusion(mean_squared_displacement(source, "O"))
    cube, everywhere = np.eye(3) * 20.0, np.array([True] * 3)
    water = {"temperature_k": 298.15, "viscosity_mpa_s": 0.89}
    corrected = yeh_hummer(found, cube, everywhere, **water)
    # 2.837297 * 4.11643e-21 J / (6 pi * 0.89e-3 Pa s * 2e-9 m) = 3.4810e-10 m2/s
    assert corrected.value - found.diffusion.value == pytest.approx(0.34810, rel=1e-4)
    assert corrected.error == found.diffusion.error
    slab = replace(found, dimensions="xy")
    for d, cell, pbc, fluid, reason in (
            (found, np.diag([20.0, 20.0, 21.0]), everywhere, water, "cubic"),
            (found, cube + 0.1 * np.eye(3, k=-1), everywhere, water, "cubic"),
            (found, cube, np.array([True, True, False]), water, "bulk"),
            (slab, cube, everywhere, water, "bulk"),
            (found, cube, everywhere, {**water, "viscosity_mpa_s": 0.0}, "viscosity")):
        with pytest.raises(AnalysisError, match=reason):
            yeh_hummer(d, cell, pbc, **fluid)


def test_passes_stay_at_a_dozen():
    source = frames_of(np.zeros((1000, 500, 3)))
    series = trajectories.AtomSeries(
        source, np.arange(500), trajectories.equal_spacing(source, 0.0), memory_limit=800_000)
    fewer = series.within_limits()
    assert len(list(fewer)) <= trajectories.MAX_PASSES
    assert fewer.sampling.stride > 1
