import numpy as np
import pytest
from support import Stopwatch, processor_s

from mdbench.analysis.density import density_profile
from mdbench.errors import AnalysisError
from mdbench.frames import ArrayFrames, Frame

AREA = 12.0 * 15.0
CARBONS = 60


def trajectory(z, heights, *, sheet_z=0.0, seed=0, hydrogens=0, tilt=0.0):
    """Oxygens at distances z [frames, atoms] from a rippled, drifting sheet of carbon."""
    rng = np.random.default_rng(seed)
    frames, oxygens = z.shape
    atoms = CARBONS + oxygens + hydrogens
    numbers = np.repeat([6, 8, 1], [CARBONS, oxygens, hydrogens])
    x = rng.uniform(-30, 30, (frames, atoms, 3))
    sheet_z = np.broadcast_to(sheet_z, frames)[:, None]
    ripple = 0.3 * rng.normal(size=(frames, CARBONS))
    x[:, :CARBONS, 2] = sheet_z + ripple - ripple.mean(axis=1, keepdims=True)
    x[:, CARBONS:CARBONS + oxygens, 2] = sheet_z + z
    cells = np.tile(np.diag([12.0, 15.0, 1.0]), (frames, 1, 1))
    cells[:, 2, 2], cells[:, 2, 0] = heights, tilt
    x += rng.integers(-2, 3, (frames, atoms, 1)) * cells[:, None, 2]  # any image will do
    masses = np.array([12.011, 15.999, 1.008])[np.repeat([0, 1, 2], [CARBONS, oxygens, hydrogens])]
    return ArrayFrames(numbers, masses, np.ones(3, bool), np.arange(frames) * 0.1, x, cells)


def layers(rng, frames, centre=3.2, width=0.25, atoms=60):
    """A Gaussian layer on either side and as many atoms spread evenly beyond 5 A."""
    side = rng.choice([-1, 1], (frames, atoms))
    return side * np.where(np.arange(atoms) < atoms // 2, rng.normal(centre, width, (frames, atoms)),
                           rng.uniform(5, 10, (frames, atoms)))


def test_uniform_gas_has_its_density_and_no_layer():
    rng = np.random.default_rng(1)
    heights = rng.uniform(19, 21, 400)  # as under a barostat
    z = rng.uniform(-0.5, 0.5, (400, 50)) * heights[:, None]
    sheet_z = np.cumsum(rng.normal(0, 1, 400))
    profile = density_profile(trajectory(z, heights, sheet_z=sheet_z, hydrogens=100), "O", "C")
    expected = 50 * 1000 / AREA * (1 / heights).mean()
    off = (profile.number_per_nm3 - expected) / profile.number_error
    assert 0.8 < off.std() < 1.25 and abs(off.mean()) < 0.3
    assert profile.number_per_nm3.mean() == pytest.approx(expected, rel=0.01)
    assert profile.peak_ang is None
    assert profile.mass_of == "H2O" and profile.frames == 400
    assert profile.mass_gcm3.mean() == pytest.approx(expected * 18.015 * 1.66054e-3, rel=0.01)


@pytest.mark.parametrize("tilt", [0.0, 5.0])
def test_layers_beside_a_sheet_that_drifts_through_the_boundary(tilt):
    rng = np.random.default_rng(2)
    z = layers(rng, 500)
    profile = density_profile(
        trajectory(z, 22.0, sheet_z=np.linspace(-30, 45, 500), tilt=tilt), "O", "C")
    peak = profile.peak_ang
    assert abs(peak.value - 3.2) < 0.02 and abs(peak.value - 3.2) < 3.5 * peak.error < 0.05
    # height of the Gaussian: 15 atoms a side
    top = 15 * 1000 / AREA / (0.25 * np.sqrt(2 * np.pi))
    assert profile.folded.number_per_nm3.max() == pytest.approx(top, rel=0.05)
    assert profile.closest_ang.value == pytest.approx(np.abs(z).min(), abs=1e-9)
    number = profile.number_per_nm3.sum() * profile.bin_ang * AREA / 1000
    assert number == pytest.approx(60, rel=1e-9)
    assert profile.mass_of == "O"


def test_error_of_the_peak_covers_the_truth():
    peaks = [density_profile(trajectory(layers(np.random.default_rng(i), 40, width=0.35), 22.0),
                             "O", "C", bin_ang=0.2).peak_ang for i in range(60)]
    covered = np.mean([abs(p.value - 3.2) < p.error for p in peaks])
    assert 0.5 < covered < 0.85
    assert np.std([p.value for p in peaks]) == pytest.approx(
        np.mean([p.error for p in peaks]), rel=0.35)


def test_slow_layers_get_larger_errors():
    rng = np.random.default_rng(3)
    free = layers(rng, 640)
    slow = np.repeat(free[:20], 32, axis=0)  # the same twenty configurations
    fast, stuck = (density_profile(trajectory(z, 22.0), "O", "C").peak_ang for z in (free, slow))
    assert stuck.error > 3 * fast.error and stuck.n_eff < 45 < fast.n_eff


@pytest.mark.parametrize("frames", [6, 80])
def test_an_error_of_few_samples_says_so(frames):
    z = layers(np.random.default_rng(9), frames, width=0.35)
    peak = density_profile(trajectory(z, 22.0), "O", "C", bin_ang=0.2).peak_ang
    few = f"only {peak.n_eff:.1f} independent samples, so the error itself is uncertain"
    assert (peak.n_eff < 10) == (frames == 6) == (few in peak.method)


def test_a_short_run_shows_its_profile_without_errors():
    """Water leaves a layer once in the run: two samples tell the profile, not how well."""
    rng = np.random.default_rng(9)
    z = np.repeat(layers(rng, 2), 40, axis=0) + 0.01 * rng.normal(size=(80, 60))
    short = density_profile(trajectory(z, 22.0), "O", "C")
    assert short.number_per_nm3.sum() * short.bin_ang * AREA / 1000 == pytest.approx(60, rel=1e-9)
    for error in (short.number_error, short.mass_error, short.folded.number_error):
        assert len(error) and np.isnan(error).all()
    assert short.peak_ang is None and "four are needed; run longer" in short.note
    assert not density_profile(trajectory(layers(rng, 80), 22.0), "O", "C").note


def test_production_starts_where_told():
    rng = np.random.default_rng(4)
    z = np.concatenate([layers(rng, 100, centre=4.0), layers(rng, 100)])
    profile = density_profile(trajectory(z, 22.0), "O", "C", start_ps=10.0)
    assert profile.frames == 100 and abs(profile.peak_ang.value - 3.2) < 0.03


def test_refusals():
    z = layers(np.random.default_rng(5), 8)
    good = trajectory(z, 22.0)
    with pytest.raises(AnalysisError, match="no H"):
        density_profile(good, "H", "C")
    with pytest.raises(AnalysisError, match="no N; analysis.sheet names the element of the sheet"):
        density_profile(good, "O", "N")
    with pytest.raises(AnalysisError, match="itself"):
        density_profile(good, "C", "C")
    with pytest.raises(AnalysisError, match="2 frames"):
        density_profile(good, "O", "C", start_ps=0.55)
    with pytest.raises(AnalysisError, match="not one flat sheet"):
        density_profile(good, "C", "O")
    open_z = ArrayFrames(good.numbers, good.masses, np.array([True, True, False]), good.times_ps,
                         good.positions, good.cells)
    with pytest.raises(AnalysisError, match="periodic"):
        density_profile(open_z, "O", "C")


@pytest.mark.parametrize("carbons", [1, 4, CARBONS])
def test_a_sheet_lies_all_over_the_plane(carbons):
    """A single atom is flat, and a ribbon is; water is beside them, too."""
    good = trajectory(layers(np.random.default_rng(6), 20), 22.0)
    good.positions[:, :CARBONS, 0] %= 4.0 if carbons == CARBONS else 12.0
    kept = np.r_[:carbons, CARBONS:len(good.numbers)]
    few = ArrayFrames(good.numbers[kept], good.masses[kept], good.pbc, good.times_ps,
                      good.positions[:, kept], good.cells)
    with pytest.raises(AnalysisError, match=f"the {carbons} atoms of the sheet leave much"):
        density_profile(few, "O", "C")


class Generated:
    """Frames made on the fly, so that reading costs nothing."""

    pbc = np.ones(3, bool)

    def __init__(self, frames):
        self.numbers = np.repeat([6, 8, 1], [0, 1000, 2000])
        self.numbers[::30] = 6
        self.masses = np.ones(3000)
        self.times_ps = np.arange(frames) * 0.1
        rng = np.random.default_rng(0)
        self.kept = [rng.uniform(0, 31, (3000, 3)).astype(np.float32) for _ in range(10)]
        for x in self.kept:
            x[self.numbers == 6, 2] = 0.5

    def frames(self, first=0, last=None, stride=1):
        for i in range(len(self.times_ps))[first:last:stride]:
            yield Frame(i, self.kept[i % 10], np.eye(3) * 31.0)


@pytest.mark.alone
def test_ten_thousand_frames_take_seconds():
    source = Generated(2000)
    with Stopwatch(processor_s) as profile:
        density_profile(source, "O", "C")
    assert profile.seconds / 2000 < 0.5e-3
