"""D3 against s-dftd3: energies, forces and stresses at equal cutoffs."""

import collections

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from d3_oracle import BOHR_ANG, LAST_OF_2010, METHODS, STRUCTURES, deviations, molecules, oracle

from mdbench import D3Calculator
from mdbench.d3 import HEAVIEST, D3Engine, _core, d3_words
from mdbench.engine import boxed, load_structure, open_lammps

LIMITS = {"energy, meV/atom": 1e-4, "forces, meV/A": 1e-3, "stress, GPa": 1e-5}
FAR, FAR_CN = 95 * BOHR_ANG, 40 * BOHR_ANG
OPEN = (np.zeros((3, 3)), np.zeros(3, dtype=bool))


@pytest.fixture(scope="module", autouse=True)
def largest():
    """Prints the largest deviations at the end."""
    found = collections.defaultdict(float)
    yield found
    for what, value in sorted(found.items()):
        print(f"{value:.1e}  {what}")


def compare(largest, atoms, what, **settings):
    method, functional = settings.pop("method", "bj"), settings.pop("functional", "pbe")
    calculator = D3Calculator(method, functional, switch=0, **settings)
    expected = oracle(atoms, method, functional, **settings)
    found = deviations(atoms, calculator, expected)
    for (name, limit), value in zip(LIMITS.items(), found, strict=True):
        key = f"{name} ({what})"
        largest[key] = max(largest[key], value)
        assert value < limit, name


@pytest.mark.parametrize("cutoff", [12.0, 15.0])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_usual_cutoffs(largest, structure, method, cutoff):
    compare(largest, STRUCTURES[structure](), "12 and 15 A", method=method, cutoff=cutoff, cn=12.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("structure", ["slab128open", "licl", "one_atom", "two_atoms", "molecules"])
def test_50_bohr(largest, structure, method):
    cutoff = 50 * BOHR_ANG
    compare(largest, STRUCTURES[structure](), "50 Bohr", method=method, cutoff=cutoff, cn=FAR_CN)


@pytest.mark.parametrize("method", ["bj", "zero"])
@pytest.mark.parametrize("structure", [s for s in STRUCTURES if s != "slab128"])
def test_95_bohr(largest, structure, method):
    compare(largest, STRUCTURES[structure](), "95 Bohr", method=method, cutoff=FAR, cn=FAR_CN)


@pytest.mark.parametrize("functional", ["r2scan", "b97-d", "B2PLYP"])
def test_functionals_of_other_forms(largest, functional):
    """B2PLYP scales C6 as well."""
    compare(largest, molecules(), "functionals", functional=functional, cutoff=FAR, cn=FAR_CN)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("structure", "atm"), [("slab128", 5.5), ("licl", 7.0), ("alloy", 7.0),
                                                ("one_atom", 12.0), ("two_atoms", 12.0),
                                                ("molecules", 12.0)])
def test_three_body_term(largest, structure, atm, method):
    compare(largest, STRUCTURES[structure](), "ATM", method=method, cutoff=15.0, cn=12.0, atm=atm)


def test_three_body_term_counts():
    """Else the test above would pass without it."""
    for make in STRUCTURES.values():
        with_it, without = (D3Calculator(switch=0, atm=a).get_property("energy", make())
                            for a in (6.0, 0.0))
        assert with_it > without


def pairs_of_elements():
    for z in range(1, LAST_OF_2010 + 1):
        for y in range(1, z + 1):
            yield np.array([z, y], dtype=np.int32)


@pytest.mark.parametrize(("distance", "method"), [(1.4, "zero"), (2.4, "bj"), (4.0, "zerom")])
def test_every_pair_of_elements(largest, distance, method):
    """Near one another they have a neighbour each, far from one another none."""
    engine = D3Engine(d3_words(method, "pbe", {"switch": 0.0}))
    positions = np.array([[0.0, 0, 0], [0, distance * 0.6, distance * 0.8]])
    worst = 0.0
    for numbers in pairs_of_elements():
        found = engine.evaluate(numbers, positions, *OPEN).energy
        expected, _, _ = oracle(Atoms(numbers, positions), method, cutoff=15.0, cn=12.0,
                                forces=False)
        worst = max(worst, abs(found - expected) / 2)
        assert found < 0
        assert abs(found - expected) / 2 < 1e-7, numbers
    key = "energy, meV/atom (pairs of elements)"
    largest[key] = max(largest[key], 1000 * worst)


def test_crowds_of_every_element(largest):
    """Clusters in which atoms have many neighbours: every reference system weighs somewhere."""
    rng = np.random.default_rng(7)
    elements = np.repeat(np.arange(1, LAST_OF_2010 + 1), 10)
    for numbers in rng.permutation(elements).reshape(-1, 10):
        compare(largest, crowd(numbers, rng), "clusters", cutoff=15.0, cn=12.0)


def crowd(numbers, rng):
    grid = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1).T[rng.permutation(27)]
    places = grid[:len(numbers)] * 2.0
    return Atoms(numbers, places + rng.normal(scale=0.2, size=places.shape))


@pytest.mark.parametrize("method", ["bj", "zero"])
def test_francium_to_plutonium_against_lammps(largest, method):
    """Data of 2010, which LAMMPS has too: hard cutoffs, its own constants."""
    rng = np.random.default_rng(3)
    for _ in range(4):
        numbers = rng.permutation([*range(LAST_OF_2010 + 1, HEAVIEST + 1), 1, 6, 8, 26])
        atoms = crowd(numbers, rng)
        lmp = open_lammps()
        system = boxed(atoms)
        load_structure(lmp, system)
        damping = {"bj": "bj", "zero": "original"}[method]
        lmp.commands_string(
            "neigh_modify one 20000 page 400000\n"
            f"pair_style dispersion/d3 {damping} pbe 25 20\n"
            f"pair_coeff * * {' '.join(system.species)}\nrun 0 post no")
        expected = lmp.get_thermo("pe")
        lmp.close()
        calculator = D3Calculator(method, cutoff=25, cn=20, switch=0)
        error = 1000 * abs(calculator.get_property("energy", atoms) - expected) / len(atoms)
        key = "energy, meV/atom (Fr to Pu, LAMMPS)"
        largest[key] = max(largest[key], error)
        assert error < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_functional_has_the_published_parameters(largest, method):
    atoms = molecule("CH3CONH2")
    atoms += Atoms("NaBr", [[4, 0, 0], [4, 2.5, 0]])
    functionals = _core.d3_functionals(method)
    assert {"PBE", "B3LYP", "B97-D", "PBE0", "BLYP"} <= set(functionals)
    for functional in functionals:
        compare(largest, atoms, "functionals", method=method, functional=functional,
                cutoff=FAR, cn=FAR_CN)
