import freud
import numpy as np
import pytest
from support import Stopwatch, processor_s

from mdbench import _core
from mdbench.analysis.ideal_pairs import IdealPairs, expected_pairs
from mdbench.analysis.pair_counts import PairTally
from mdbench.analysis.rdf import radial_distribution
from mdbench.errors import AnalysisError
from mdbench.frames import ArrayFrames, Frame
from mdbench.spec_system import Alloy
from mdbench.structure import water_molecule
from mdbench.systems import build

CUBE = np.diag([14.0, 14.0, 14.0])
TRICLINIC = np.array([[14.0, 0, 0], [5.0, 13.0, 0], [-4.0, 3.0, 15.0]])


def source(positions, cell, numbers, pbc=(True, True, True)):
    numbers = np.asarray(numbers)
    return ArrayFrames(numbers, numbers * 2.0, np.array(pbc), np.arange(len(positions)) * 0.1,
                       positions, np.asarray(cell, dtype=float))


def gas(cell, frames=200, atoms=60, seed=0):
    """Independent atoms, evenly spread over the cell and its images."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 2, (frames, atoms, 3)) @ cell


def pairs_of(result, low=1.5):
    """Deviation from one in standard errors, where every bin has counts."""
    far = result.r_ang > low
    return (result.g[far] - 1) / result.g_error[far]


@pytest.mark.parametrize("cell", [CUBE, TRICLINIC], ids=["cube", "triclinic"])
def test_ideal_gas_of_two_elements_is_one(cell):
    numbers = np.repeat([1, 8], [20, 40])
    found = radial_distribution(source(gas(cell, 500), cell, numbers), r_max_ang=6.0, bin_ang=0.1)
    assert list(found) == ["H-H", "O-H", "O-O"]
    for name, result in found.items():
        off = pairs_of(result)
        assert 0.75 < off.std() < 1.3 and abs(off.mean()) < 0.5, name
        assert result.normalisation == "bulk" and result.first_peak_ang is None
        assert result.first_minimum_ang is None and result.coordination_number is None
    density = 20 / abs(np.linalg.det(cell))
    sphere = 4 / 3 * np.pi * (found["O-H"].r_ang + 0.05) ** 3
    assert found["O-H"].coordination[-1] == pytest.approx(density * sphere[-1], rel=0.01)


def test_two_atoms_alone_are_an_ideal_gas():
    # N / V instead of (N - 1) / V would give one half
    result = radial_distribution(source(gas(CUBE, 20_000, 2), CUBE, [8, 8]), r_max_ang=6.0,
                                 bin_ang=0.5)["O-O"]
    assert result.g[result.r_ang > 3].mean() == pytest.approx(1.0, abs=0.02)


def test_cells_that_change_count_each_by_its_own_volume():
    rng = np.random.default_rng(3)
    cells = CUBE * rng.choice([0.9, 1.3], 400)[:, None, None]
    x = np.einsum("fai,fij->faj", rng.uniform(size=(400, 50, 3)), cells)
    result = radial_distribution(source(x, cells, [8] * 50), r_max_ang=6.0, bin_ang=0.1)["O-O"]
    off = pairs_of(result)
    assert 0.7 < off.std() < 1.3 and abs(off.mean()) < 0.5


@pytest.mark.parametrize(("basis", "spacing", "neighbours", "nearest"), [
    ([[0, 0, 0]], 3.01, 6, 3.01),
    ([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], 4.03, 12, 4.03 / np.sqrt(2)),
], ids=["simple cubic", "fcc"])
def test_crystals_have_their_shells(basis, spacing, neighbours, nearest):
    corners = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 1, 3)
    x = ((corners + np.array(basis)).reshape(-1, 3) + 0.01) * spacing
    result = radial_distribution(source(np.stack([x] * 4), np.eye(3) * 4 * spacing, [18] * len(x)),
                                 r_max_ang=5.5)["Ar-Ar"]
    assert result.first_peak_ang.value == pytest.approx(nearest, abs=0.011)
    assert result.coordination_number.value == pytest.approx(neighbours, abs=1e-12)
    assert result.coordination_number.error == 0.0
    second = nearest * np.sqrt(2)
    assert result.first_minimum_ang.value == pytest.approx((nearest + second) / 2, abs=0.05)
    assert set(np.flatnonzero(result.g * (result.r_ang < second + 0.1))) == {
        int(nearest / 0.02), int(second / 0.02)}


def liquid(cell, atoms=216, frames=6, seed=0, jitter=0.3):
    """Jittered lattice points on a grid of 1/256 A, which single precision holds exactly."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(6) / 6] * 3), axis=-1).reshape(-1, 3)[:atoms]
    x = grid @ cell + rng.normal(0, jitter, (frames, atoms, 3))
    return np.round(x * 256) / 256


@pytest.mark.parametrize("names", [("O", "O"), ("O", "H"), ("H", "O")])
@pytest.mark.parametrize("cell", [CUBE, TRICLINIC], ids=["cube", "triclinic"])
def test_agrees_with_freud(cell, names):
    x = liquid(cell)
    x -= np.floor(x @ np.linalg.inv(cell) + 0.5) @ cell  # exact, unlike freud's own wrapping
    numbers = np.where(np.arange(216) % 3 == 0, 8, 1)
    ours = radial_distribution(source(x, cell, numbers), [names], r_max_ang=5.1,
                               bin_ang=0.03)["-".join(names)]
    a, b = (numbers == {"O": 8, "H": 1}[n] for n in names)
    like = names[0] == names[1]
    rdf = freud.density.RDF(len(ours.g), ours.r_max_ang,
                            normalization_mode="finite_size" if like else "exact")
    box = freud.box.Box.from_matrix(cell.T)
    for i, frame in enumerate(x):
        points = frame[b]
        rdf.compute((box, points), None if like else frame[a], reset=i == 0)
    close = slice(0, -1)  # the end of freud's last bin is in single precision
    counts = np.diff(ours.coordination, prepend=0.0) * a.sum() * len(x)
    assert np.abs(counts - rdf.bin_counts)[close].max() < 1e-6 < 100 < counts.max()
    # freud takes differences of cubes in single precision
    assert ours.g[close] == pytest.approx(rdf.rdf[close], rel=2e-5, abs=1e-12)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False,) * 3])
def test_counts_of_the_kernel_are_those_of_all_pairs(pbc):
    rng = np.random.default_rng(5)
    x = rng.uniform(np.where(pbc, -2, 0), np.where(pbc, 3, 1), (80, 3)) @ TRICLINIC
    kind = rng.integers(0, 3, 80).astype(np.int32)
    molecule = rng.integers(0, 30, 80).astype(np.int32)
    r_max, bins = 11.7, 23  # nearly the height of the cell: several images count
    reach = [range(-5, 6) if p else (0,) for p in pbc]
    expected = np.zeros((3, 3, bins), dtype=int)
    inside = np.where(pbc, (x @ np.linalg.inv(TRICLINIC)) % 1, x @ np.linalg.inv(TRICLINIC))
    for shift in np.stack(np.meshgrid(*reach), axis=-1).reshape(-1, 3):
        vector = (inside[None] - inside[:, None] + shift) @ TRICLINIC
        row = np.floor(np.linalg.norm(vector, axis=-1) * bins / r_max).astype(int)
        held = (row < bins) & (molecule[:, None] != molecule)
        a, b = np.nonzero(held)
        np.add.at(expected, (kind[a], kind[b], row[held]), 1)
    found = _core.count_pairs(x, kind, molecule, TRICLINIC, list(pbc), r_max, bins)
    assert np.array_equal(found.reshape(3, 3, bins), expected) and expected.sum() > 500


def slab_gas(frames=600, atoms=80, drift=0.0, seed=0):
    """Independent atoms of two elements in a layer 8 A thick in a cell 40 A high."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (frames, atoms, 3)) * [20.0, 18.0, 8.0]
    x[:, : atoms // 2, 2] *= 0.5  # the first element fills half of it
    return x + np.linspace(0, drift, frames)[:, None, None] * [0, 0, 1.0]


@pytest.mark.parametrize("drift", [0.0, 60.0])
@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False)])
def test_independent_atoms_in_a_slab_are_one(drift, pbc):
    x = slab_gas(drift=drift)
    numbers = np.repeat([8, 1], 40)
    found = radial_distribution(source(x, np.diag([20.0, 18.0, 40.0]), numbers, pbc),
                                r_max_ang=8.0, bin_ang=0.2)
    naive = 20 * 18 * 40 / (20 * 18 * 8)
    for name, result in found.items():
        off = pairs_of(result)
        assert result.normalisation == "slab" and "along cell vector c" in result.notes[0]
        assert np.abs(result.g[result.r_ang > 1.5] - 1).max() < 0.12, name
        assert abs(result.g[result.r_ang > 1.5].mean() - 1) < 0.012 < naive - 1
        assert 0.6 < off.std() < 1.5, name


def test_an_atom_is_no_pair_with_itself_in_a_slab():
    heights = np.zeros((1, 3, 1, 400), dtype=int)
    heights[:, :, :, [10, 50]] = 1  # two atoms 2 A apart in height, in a cell of 20 A
    tally = PairTally(np.zeros((1, 1, 1, 4), dtype=int), heights, np.ones(1), np.ones((1, 3)),
                      np.ones(1), np.full(3, 20.0))
    ideal = IdealPairs("slab", 2, np.ones(1), "")
    expected = expected_pairs(tally, ideal, (0, 0), np.arange(5.0), 2)
    assert expected == pytest.approx([0, 0, 2 * np.pi * 5, 2 * np.pi * 7])


def test_a_single_frozen_atom_makes_no_slab():
    x = gas(CUBE, 200)
    x[:, -1] = [3.0, 4.0, 5.0]
    found = radial_distribution(source(x, CUBE, [8] * 59 + [6]), [("C", "O")], bin_ang=0.1)
    assert found["C-O"].normalisation == "bulk"
    assert found["C-O"].g[30:].mean() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("seed", [1, 5, 7, 8, 9])
def test_a_frozen_alloy_is_no_slab(seed):
    """Its elements sit at random on the sites: g(r) is that of all pairs over the volume."""
    atoms = build(Alloy(builder="hea", arrangement_seed=seed))
    rng = np.random.default_rng(seed)
    x = atoms.positions + rng.normal(scale=0.1, size=(20, len(atoms), 3))
    found = radial_distribution(source(x, atoms.cell.array, atoms.numbers), r_max_ang=6.0)
    assert {result.normalisation for result in found.values()} == {"bulk"}
    assert all("one cell vector" not in note for r in found.values() for note in r.notes)


def test_a_thin_layer_of_few_atoms_is_a_slab():
    """Of one element among others that are everywhere: what the bound for frozen ones must see."""
    x = gas(CUBE, 200, 160)
    x[:, 120:, 2] = 0.3 * (x[:, 120:, 2] % 14.0)
    found = radial_distribution(source(x, CUBE, [8] * 120 + [11] * 40), [("Na", "O")])
    assert found["Na-O"].normalisation == "slab"


def test_a_sheet_is_normalised_in_two_dimensions():
    rng = np.random.default_rng(6)
    x = rng.uniform(0, 1, (400, 60, 3)) * [20.0, 18.0, 0.0]
    result = radial_distribution(source(x, np.diag([20.0, 18.0, 30.0]), [6] * 60), r_max_ang=8.0,
                                 bin_ang=0.1)["C-C"]
    assert result.g[result.r_ang > 1].mean() == pytest.approx(1.0, abs=0.01)


def test_water_without_its_own_pairs():
    rng = np.random.default_rng(7)
    one = water_molecule(rng)
    places = rng.uniform(0, 14, (40, 20, 1, 3))
    x = (places + one).reshape(40, 60, 3)
    numbers = np.tile([8, 1, 1], 20)
    every = radial_distribution(source(x, CUBE, numbers), r_max_ang=6.0, bin_ang=0.1)
    bond = every["O-H"]
    assert bond.coordination[10] == pytest.approx(2.0, abs=0.3)
    assert bond.first_peak_ang.value == pytest.approx(
        np.linalg.norm(one[1] - one[0]), abs=0.06)
    x[0, :, :] = (14 / 3 * np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 1, 3)[:20]
                  + one).reshape(60, 3)  # bonds are found in this frame
    apart = radial_distribution(source(x, CUBE, numbers), [("O", "H"), ("H", "H")], r_max_ang=6.0,
                                bin_ang=0.1, exclude_bonded=True)
    for result in apart.values():
        assert result.g[2 < result.r_ang].mean() == pytest.approx(1.0, abs=0.05)
    assert apart["O-H"].coordination[10] < 0.1


def test_coordination_depends_on_the_direction_and_errors_on_correlation():
    x = liquid(CUBE, frames=64)
    numbers = np.where(np.arange(216) % 3 == 0, 8, 1)
    free = radial_distribution(source(x, CUBE, numbers), [("O", "H"), ("H", "O")], r_max_ang=6.0)
    assert np.allclose(free["O-H"].g, free["H-O"].g)
    assert free["O-H"].coordination == pytest.approx(2 * free["H-O"].coordination)
    slow = np.repeat(x[:16], 8, axis=0)
    stuck = radial_distribution(source(slow, CUBE, numbers), r_max_ang=6.0)["O-H"]
    assert stuck.g_error.mean() > 1.5 * free["O-H"].g_error.mean()


def test_error_of_the_coordination_number_covers_the_truth():
    def result(seed):  # few independent frames look correlated once in forty times
        return radial_distribution(source(liquid(CUBE, frames=24, seed=seed, jitter=0.2),
                                          CUBE, [8] * 216), r_max_ang=6.0)["O-O"]

    found = [n for r in map(result, range(40)) if (n := r.coordination_number)]
    assert len(found) >= 38
    values, errors = np.array([(n.value, n.error) for n in found]).T
    assert values.std() == pytest.approx(errors.mean(), rel=0.5)


def test_distances_end_at_half_the_cell():
    result = radial_distribution(source(gas(TRICLINIC, 8), TRICLINIC, [8] * 60), r_max_ang=50.0)
    heights = 1 / np.linalg.norm(np.linalg.inv(TRICLINIC), axis=0)
    assert 0 <= heights.min() / 2 - result["O-O"].r_max_ang < 0.02
    assert "half of the cell" in result["O-O"].notes[0]


def test_refusals():
    x = gas(CUBE, 8)
    good = source(x, CUBE, [8] * 59 + [6])
    for pairs, reason in (([("O", "N")], "no N"), ([("C", "C")], "no such pair")):
        with pytest.raises(AnalysisError, match=reason):
            radial_distribution(good, pairs)
    assert "C-C" not in radial_distribution(good)
    with pytest.raises(AnalysisError, match="3 frames"):
        radial_distribution(good, start_ps=0.45)
    with pytest.raises(AnalysisError, match="2 A"):
        radial_distribution(source(x, CUBE / 4, [8] * 60))
    with pytest.raises(AnalysisError, match="cluster or a wire"):
        radial_distribution(source(gas(CUBE, 50) % 14.0, CUBE * 3, [8] * 60))
    with pytest.raises(AnalysisError, match="cluster or a wire"):
        radial_distribution(source(x, CUBE, [8] * 60, (False, False, True)))
    x[5, 3, 1] = np.nan
    with pytest.raises(AnalysisError, match="not finite"):
        radial_distribution(source(x, CUBE, [8] * 60))


def test_one_pair_that_is_too_slow_does_not_take_the_others_along():
    """Carbon atoms that leave one another once in the run: their g(r) has two samples, no more."""
    x = gas(CUBE, 400, 60)
    x[:, :10] = x[0, :10]
    x[200:, :10] = x[200, 20:30]
    slow = source(x, CUBE, [6] * 10 + [8] * 50)
    found = radial_distribution(slow, r_max_ang=6.0)
    few, enough = found["C-C"], found["O-O"]
    assert few.g.max() > 0 and np.isfinite(few.g).all() and np.isnan(few.g_error).all()
    assert few.first_peak_ang is few.first_minimum_ang is few.coordination_number is None
    assert [note for note in few.notes if "run longer" in note and "no errors" in note]
    assert np.isfinite(enough.g_error).all() and not [n for n in enough.notes if "no errors" in n]


@pytest.mark.parametrize("frames", [6, 40])
def test_errors_of_few_samples_say_so(frames):
    x = source(liquid(CUBE, frames=frames), CUBE, [8] * 216)
    peak = radial_distribution(x, r_max_ang=6.0)["O-O"].first_peak_ang
    few = f"only {peak.n_eff:.1f} independent samples, so the error itself"
    assert (peak.n_eff < 10) == (frames == 6) == (few in peak.method)


def test_absent_pairs_do_not_take_the_others_along():
    x = source(gas(CUBE, 50, 61), CUBE, [6] + [8] * 60)
    asked = [("O", "O"), ("Si", "O"), ("C", "C"), ("O", "Xx")]
    for pair, reason in zip(asked[1:], ("no Si", "no such pair", "no Xx"), strict=True):
        with pytest.raises(AnalysisError, match=f"g.r. of {'-'.join(pair)}: there is {reason}"):
            radial_distribution(x, [pair], r_max_ang=6.0)
    refused = {}
    assert list(radial_distribution(x, asked, r_max_ang=6.0, refused=refused)) == ["O-O"]
    assert list(refused) == ["Si-O", "C-C", "O-Xx"]
    assert radial_distribution(x, asked[1:], r_max_ang=6.0, refused={}) == {}


class Generated:
    """Water-like numbers of atoms, made on the fly, so that reading costs nothing."""

    pbc = np.ones(3, bool)
    numbers = np.repeat([6, 8, 1], [300, 900, 1800])
    masses = np.ones(3000)

    def __init__(self, frames):
        self.times_ps = np.arange(frames) * 0.1
        rng = np.random.default_rng(0)
        self.kept = [rng.uniform(0, 31.07, (3000, 3)).astype(np.float32) for _ in range(10)]

    def frames(self, first=0, last=None, stride=1):
        for i in range(len(self.times_ps))[first:last:stride]:
            yield Frame(i, self.kept[i % 10], np.eye(3) * 31.07)


@pytest.mark.alone
def test_ten_thousand_frames_take_minutes(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with Stopwatch(processor_s) as pairs:
        radial_distribution(Generated(500), r_max_ang=8.0)
    assert pairs.seconds / 500 < 36e-3  # 10,000 frames in three minutes on two processors
