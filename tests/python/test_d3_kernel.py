"""D3 by itself: derivatives, symmetries, and a list that is never too old."""

import numpy as np
import pytest
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from d3_oracle import METHODS, STRUCTURES, alloy, licl, molecules, one_atom, two_atoms

from mdbench import D3Calculator
from mdbench.d3 import D3Engine, d3_words
from mdbench.errors import StructureError

SHORT = {"cutoff": 7.0, "switch": 2.5, "cn": 6.0, "atm": 5.5}
OPEN = (np.zeros((3, 3)), np.zeros(3, dtype=bool))


def energy(atoms, method="bj", **settings):
    return D3Calculator(method, **settings).get_property("energy", atoms)


def small():
    """Eight atoms, no two of them alike."""
    atoms = one_atom() * (2, 2, 2)
    atoms.symbols = ["Li", "Cl", "O", "H", "C", "Xe", "Fe", "N"]
    atoms.positions += np.random.default_rng(2).normal(scale=0.2, size=(8, 3))
    return atoms


# --- derivatives ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [small, two_atoms, molecules])
def test_forces_are_derivatives(make, method):
    """With everything that fades: pairs, coordination numbers, triples."""
    atoms = make()[:12]
    atoms.calc = D3Calculator(method, **SHORT)
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_forces(), numerical, atol=2e-8)
    assert np.abs(atoms.get_forces()).max() > 1e-3
    np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [small, one_atom])
def test_stress_is_a_derivative(make, method):
    atoms = make()
    atoms.calc = D3Calculator(method, **SHORT)
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), numerical, atol=1e-9)
    assert np.abs(atoms.get_stress()).max() > 1e-4


def pulled_apart(method, count, settings):
    """Energy and force as two or three atoms are pulled apart, every 0.001 A."""
    engine = D3Engine(d3_words(method, "pbe", settings))
    numbers = np.full(count, 55, dtype=np.int32)
    found = []
    for r in np.arange(3.0, 6.2, 1e-3):
        positions = np.array([[0.0, 0, 0], [r, 0, 0], [0.4 * r, 0.8 * r, 0]])[:count]
        result = engine.evaluate(numbers, positions, *OPEN)
        found.append([result.energy, result.forces[1, 0]])
    return np.array(found).T


def roughness(force):
    """Largest change of the force's slope in a step, by the largest slope: 1 where it jumps."""
    slope = np.diff(force)
    return np.abs(np.diff(slope)).max() / np.abs(slope).max()


FADING = {"cutoff": {"cutoff": 6.0, "switch": 2.0, "cn": 6.0},
          "cn": {"cutoff": 6.0, "switch": 1.5, "cn": 4.0},
          "atm": {"cutoff": 6.0, "switch": 2.0, "cn": 6.0, "atm": 5.0}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("which", FADING)
def test_energy_and_forces_fade_out_smoothly(method, which):
    count = 3 if which == "atm" else 2
    energies, force = pulled_apart(method, count, FADING[which])
    assert roughness(force) < 0.05
    assert roughness(pulled_apart(method, count, {**FADING[which], "switch": 0.0})[1]) > 0.5
    if count == 2:
        np.testing.assert_array_equal(energies[-100:], 0)
        derivative = -(energies[2:] - energies[:-2]) / 2e-3
        np.testing.assert_allclose(force[1:-1], derivative, atol=1e-4 * np.abs(force).max())


# --- symmetries ---


@pytest.mark.parametrize("structure", STRUCTURES)
def test_skin_changes_no_result(structure):
    atoms = STRUCTURES[structure]()
    names = ["energy", "forces", "virials", "energies"]
    first = None
    for skin in (0.0, 0.3, 2.0, 5.0):
        calculator = D3Calculator(skin=skin, atm=5.0)
        found = [calculator.get_property(name, atoms) for name in names]
        first = first or found
        for a, b in zip(first, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("structure", ["slab128", "licl", "one_atom", "two_atoms"])
def test_places_of_images_do_not_matter(structure):
    """Atoms outside the cell, translated, wrapped, permuted; another basis of the same lattice."""
    atoms = STRUCTURES[structure]()
    settings = {"atm": 5.0}
    expected = energy(atoms, **settings)
    rng = np.random.default_rng(8)
    turned = atoms.copy()
    turned.positions += (rng.integers(-7, 8, size=(len(atoms), 3)) * atoms.pbc) @ atoms.cell.array
    moved = atoms.copy()
    moved.positions += rng.normal(size=3) * 10
    wrapped = turned.copy()
    wrapped.wrap()
    permuted = atoms[rng.permutation(len(atoms))]
    for other in (turned, moved, wrapped, permuted):
        assert energy(other, **settings) == pytest.approx(expected, rel=1e-11)
    if atoms.pbc.all():
        skewed = atoms.copy()
        skewed.set_cell(np.array([[1, 0, 0], [1, 1, 0], [-2, 1, 1]]) @ atoms.cell.array)
        assert energy(skewed, **settings) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("make", [small, one_atom, two_atoms, licl])
def test_a_supercell_has_the_energy_of_its_cells(make):
    atoms = make()
    copies = np.where(atoms.pbc, [2, 2, 3], 1)
    many = atoms * copies
    settings = {"cutoff": 9.0, "cn": 8.0, "atm": 6.0}
    assert energy(many, **settings) / copies.prod() == pytest.approx(energy(atoms, **settings),
                                                                     rel=1e-11)


def test_results_turn_with_the_structure():
    atoms, calculator = small(), D3Calculator(atm=6.0)
    forces, virials = (calculator.get_property(n, atoms) for n in ("forces", "virials"))
    q, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    atoms.set_cell(atoms.cell.array @ q.T, scale_atoms=False)
    atoms.positions = atoms.positions @ q.T
    np.testing.assert_allclose(calculator.get_property("forces", atoms), forces @ q.T, atol=1e-12)
    np.testing.assert_allclose(
        calculator.get_property("virials", atoms), q @ virials @ q.T, atol=1e-12)


def test_threads_change_nothing():
    for make in (STRUCTURES["slab128"], small):
        for name in ("energy", "forces", "stress", "virials"):
            a, b = (D3Calculator(threads=n, atm=5.0).get_property(name, make()) for n in (1, 3))
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


# --- the list ---

CRYSTAL = licl()
CUTOFF, SKIN = 9.0, 1.0


class Watched:
    """An engine, and how often its list was made in each evaluation."""

    def __init__(self, **settings):
        words = d3_words("bj", "pbe", {"cutoff": CUTOFF, "cn": 7.0, "skin": SKIN, **settings})
        self.engine = D3Engine(words, threads=1)
        self.atoms = CRYSTAL.copy()

    def builds(self):
        before = self.engine.statistics
        a = self.atoms
        self.engine.evaluate(a.numbers, a.positions, a.cell.array, a.pbc)
        after = self.engine.statistics
        assert after["evaluations"] == before["evaluations"] + 1
        return after["builds"] - before["builds"]

    @property
    def dangerous(self):
        return self.engine.statistics["dangerous_builds"]


def test_list_is_made_when_two_atoms_have_moved_by_the_skin():
    """Apart from the drift of all."""
    watched = Watched()
    assert watched.builds() == 1
    assert watched.builds() == 0
    home, rng = watched.atoms.positions.copy(), np.random.default_rng(1)
    for first, second, expected in ((0.49, 0.49, 0), (0.9, 0.08, 0), (0.51, 0.51, 1), (0, 0, 1),
                                    (0.9, 0.12, 1)):
        moved = np.zeros((64, 3))
        moved[[3, 40], 1] = first, -second
        watched.atoms.positions[:] = home + moved - moved.mean(axis=0) + rng.normal()
        assert watched.builds() == expected
    assert watched.dangerous == 0


@pytest.mark.parametrize("shear", [False, True])
def test_list_is_made_after_a_strain(shear):
    watched = Watched()
    watched.builds()
    cell = watched.atoms.cell.array
    for factor, expected in ((0.99, 0), (1.01, 1)):
        strain = np.zeros((3, 3))
        strain[0, 1 if shear else 0] = factor * SKIN / (CUTOFF + SKIN)
        watched.atoms.set_cell(cell @ (np.eye(3) + strain), scale_atoms=True)
        assert watched.builds() == expected


def test_wrapping_needs_no_list():
    watched = Watched()
    watched.builds()
    rng = np.random.default_rng(3)
    for _ in range(10):
        watched.atoms.positions += [0.3, -2.0, 1.1]
        watched.atoms.positions += rng.integers(-2, 3, size=(64, 3)) @ watched.atoms.cell.array
        watched.atoms.wrap()
        assert watched.builds() == 0


def test_every_delay_and_check():
    """As neigh_modify; the list is tested where they allow it."""
    for settings, expected in (({"check": False}, [1, 1, 1, 1, 1, 1, 1]),
                               ({"check": False, "every": 3}, [1, 0, 0, 1, 0, 0, 1]),
                               ({"check": False, "delay": 4}, [1, 0, 0, 0, 1, 0, 0, 0, 1]),
                               ({"check": False, "every": 2, "delay": 3}, [1, 0, 0, 0, 1, 0, 0]),
                               ({"every": 3}, [1, 0, 0, 0, 0, 0])):
        watched = Watched(**settings)
        assert [watched.builds() for _ in expected] == expected, settings
        assert watched.dangerous == 0


@pytest.mark.parametrize(("settings", "step", "dangerous"), [
    ({"delay": 5}, 2, 1), ({"delay": 5}, 5, 0), ({"every": 4}, 2, 1), ({"every": 4}, 4, 0),
    ({"every": 4, "check": False}, 3, 1), ({"delay": 5}, 6, 0)])
def test_a_list_that_does_not_hold_is_made_anew_whatever_was_set(settings, step, dangerous):
    watched = Watched(**settings)
    for _ in range(step):
        watched.builds()
    watched.atoms.positions[7] += 1.2
    assert watched.builds() == 1
    assert watched.dangerous == dangerous


def test_other_atoms_need_a_list():
    watched = Watched()
    watched.builds()
    watched.atoms.symbols[3] = "Na"
    assert watched.builds() == 1
    watched.atoms += watched.atoms[:1]
    watched.atoms.positions[-1] += 0.9
    assert watched.builds() == 1
    del watched.atoms[4]
    assert watched.builds() == 1
    watched.atoms.pbc[2] = False
    assert watched.builds() == 1
    assert watched.builds() == 0
    watched.engine.reset_statistics()
    assert watched.engine.statistics["evaluations"] == 0
    assert watched.builds() == 0


def test_a_failure_leaves_no_list_behind():
    watched = Watched()
    watched.builds()
    good = watched.atoms.copy()
    for spoil, says in (
            (lambda a: a.positions.__setitem__((2, 1), np.nan), "not finite"),
            (lambda a: a.positions.__setitem__(2, a.positions[3]), "same place|atop|0 A"),
            (lambda a: a.numbers.__setitem__(2, 95), "hydrogen to plutonium"),
            (lambda a: a.cell.__setitem__(1, 0), "vector 2")):
        watched.atoms = good.copy()
        spoil(watched.atoms)
        with pytest.raises(StructureError, match=says) as caught:
            watched.builds()
        assert "\n" not in str(caught.value)
    watched.atoms = good
    fresh = Watched()
    a, b = (w.engine.evaluate(good.numbers, good.positions, good.cell.array, good.pbc)
            for w in (watched, fresh))
    assert a.energy == pytest.approx(b.energy, rel=1e-12)
    np.testing.assert_allclose(a.forces, b.forces, atol=1e-13)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [licl, small, one_atom, molecules, alloy])
def test_an_old_list_is_never_used(make, seed):
    """Walks with small and large moves, strains and wraps: as if every step began anew."""
    rng = np.random.default_rng(seed)
    atoms = make()
    settings = {"cutoff": 6.5, "cn": 5.5, "switch": 0.5, "atm": 5.0 * (seed % 2)}
    kept = D3Calculator(**settings, skin=rng.choice([0.2, 1.0, 2.0]), every=int(rng.integers(1, 9)),
                        delay=int(rng.integers(0, 9)), check=bool(seed % 3))
    for _ in range(60):
        scale = rng.choice([0.01, 0.03, 0.2])
        atoms.positions += rng.normal(scale=scale, size=atoms.positions.shape)
        if rng.random() < 0.1:
            atoms.positions[rng.integers(len(atoms))] += rng.normal(scale=3, size=3)
        if rng.random() < 0.2 and atoms.pbc.all():
            strain = np.eye(3) + rng.normal(scale=rng.choice([0.002, 0.02]), size=(3, 3))
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=bool(rng.random() < 0.8))
        if rng.random() < 0.2:
            atoms.wrap()
        if rng.random() < 0.05:
            atoms.numbers = rng.permutation(atoms.numbers)
        fresh = D3Calculator(**settings, skin=0.0)
        for name in ("energy", "forces", "virials"):
            a, b = (c.get_property(name, atoms) for c in (kept, fresh))
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    assert kept.statistics["evaluations"] == 60
    assert kept.statistics["builds"] <= 60


def test_after_a_structure_that_was_refused_the_next_is_as_good_as_first():
    """Also an empty one, for which no list would have to be made."""
    numbers, good = np.array([6, 6, 6]), np.array([[0.0, 0, 0], [2.0, 0, 0], [0, 2.5, 0]])
    words, cell = d3_words("bj", "pbe", {}), (9.0 * np.eye(3), np.ones(3, dtype=bool))
    fresh = D3Engine(words, threads=1).evaluate(numbers, good, *cell)
    for bad in (good * [0.0, 1.0, 1.0], good + [[0, 0, 0], [9e9, 0, 0], [0, 0, 0]]):
        engine = D3Engine(words, threads=1)
        with pytest.raises(StructureError):
            engine.evaluate(numbers, bad, *cell)
        assert engine.evaluate(numbers[:0], good[:0], *OPEN).energy == 0
        with pytest.raises(StructureError):
            engine.evaluate(numbers, bad, *cell)
        found = engine.evaluate(numbers, good, *cell)
        assert found.energy == fresh.energy
        np.testing.assert_array_equal(found.forces, fresh.forces)
