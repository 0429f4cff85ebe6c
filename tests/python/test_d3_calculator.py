"""D3Calculator in the ways ASE uses it."""

import copy
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.mixing import SumCalculator
from ase.md.verlet import VelocityVerlet
from d3_oracle import licl, molecules, one_atom
from support import carbon_crystal

from mdbench import D3Calculator, MACECalculator
from mdbench.errors import SettingError, StructureError


def test_settings_and_their_defaults():
    calculator = D3Calculator()
    assert calculator.settings == {
        "method": "bj", "functional": "pbe", "cutoff": "15", "switch": "2", "cn": "12",
        "skin": "2", "atm": "0", "every": "1", "delay": "0", "check": "yes"}
    assert calculator.todict() == calculator.settings
    chosen = D3Calculator("zero", "B97-D", cutoff=12.5, switch=np.float32(1.5), cn=np.int64(10),
                          skin=1, every=2, delay=4, check=False, atm=8, threads=1).settings
    assert chosen == {
        "method": "zero", "functional": "b97d", "cutoff": "12.5", "switch": "1.5", "cn": "10",
        "skin": "1", "atm": "8", "every": "2", "delay": "4", "check": "no"}


def test_parameters_of_ones_own():
    own = {"s8": 0.7875, "a1": 0.4289, "a2": 4.4407}
    a, b = (c.get_property("energy", licl())
            for c in (D3Calculator("bj", "custom", parameters=own), D3Calculator("bj", "pbe")))
    assert a == b
    with pytest.raises(SettingError, match="needs 'a1'"):
        D3Calculator("bj", "custom", parameters={"s8": 1})
    with pytest.raises(SettingError, match="goes with the functional 'custom'"):
        D3Calculator("bj", "pbe", parameters=own)
    with pytest.raises(SettingError, match="'rs6' is no parameter of the method 'bj'"):
        D3Calculator("bj", "custom", parameters={**own, "rs6": 1})


@pytest.mark.parametrize(("arguments", "says"), [
    ({"method": "bjj"}, "'bjj' is not a method: did you mean 'bj'?"),
    ({"functional": "pbee"}, "'pbee' is not known: did you mean 'PBE'?"),
    ({"method": "zerom", "functional": "r2scan"}, "it has for bj"),
    ({"cutoff": 1.0}, "cutoff 1.0 is out of bounds: it takes 2 to 200"),
    ({"cutoff": np.nan}, "'nan' is not a number"),
    ({"cutoff": 10.0}, "cn 12 is more than cutoff 10"),
    ({"switch": 12}, "switch 12 is not less than cn 12"),
    ({"skin": -0.1}, "skin -0.1 is out of bounds"),
    ({"every": 0}, "every 0 is out of bounds"),
    ({"every": 1.5}, "'1.5' is not a whole number"),
    ({"check": "maybe"}, "it takes yes or no"),
    ({"atm": 1}, "atm 1 is out of bounds: it takes 0"),
    ({"threads": -1}, "threads = -1"),
])
def test_wrong_arguments(arguments, says):
    with pytest.raises(SettingError) as caught:
        D3Calculator(**arguments)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words_that_are_none_are_refused():
    with pytest.raises(TypeError):
        D3Calculator(cut=12)


def test_properties_fit_together():
    atoms = licl()
    atoms.calc = D3Calculator(atm=6.0)
    energies, virials = atoms.get_potential_energies(), atoms.calc.get_property("virials", atoms)
    assert atoms.get_potential_energy() == pytest.approx(energies.sum(), rel=1e-14)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(virials, virials.transpose(0, 2, 1))
    stress = -virials.sum(axis=0) / atoms.get_volume()
    np.testing.assert_allclose(atoms.get_stress(voigt=False), stress, atol=1e-15)
    np.testing.assert_allclose(atoms.get_stresses().sum(axis=0), atoms.get_stress(), atol=1e-15)
    atoms.set_initial_charges([0.1] * len(atoms))
    atoms.get_forces()
    assert atoms.calc.statistics["evaluations"] == 1
    assert set(atoms.get_properties(["energy", "stress"])) >= {"energies", "forces", "free_energy"}


def test_stress_without_a_volume():
    molecule = molecules()
    molecule.calc = D3Calculator()
    for ask in (molecule.get_stress, molecule.get_stresses):
        with pytest.raises(PropertyNotImplementedError, match="without periodic directions"):
            ask()
    assert np.isfinite(molecule.get_forces()).all()


def test_structures_that_are_refused():
    calculator = D3Calculator()
    good = licl()
    expected = calculator.get_property("energy", good)
    for atoms, says in ((Atoms(), "no atoms"), (Atoms("X"), "hydrogen to plutonium"),
                        (Atoms("Am"), "hydrogen to plutonium"),
                        (Atoms("H", [[np.inf, 0, 0]]), "not finite"),
                        (Atoms("H", pbc=True), "vector is zero"),
                        (Atoms("H", cell=[[1, 0, 0], [1, 0, 0], [0, 0, 1]], pbc=True), "no volume")):
        for _ in range(2):
            with pytest.raises(StructureError, match=says):
                calculator.get_property("energy", atoms)
    assert calculator.get_property("energy", good) == pytest.approx(expected, rel=1e-13)


def test_alone_there_is_nothing():
    atoms = Atoms("C", calculator=D3Calculator())
    assert atoms.get_potential_energy() == 0
    np.testing.assert_array_equal(atoms.get_forces(), [[0, 0, 0]])


def test_added_to_a_model(models):
    """ASE's sum, in the ways in which it is used."""
    atoms = carbon_crystal()
    mace, d3 = MACECalculator(models["analytic.pt"]), D3Calculator(cutoff=9, cn=8, atm=6)
    atoms.calc = SumCalculator([mace, d3])
    for name in ("energy", "forces", "stress", "energies", "stresses"):
        together = atoms.calc.get_property(name, atoms)
        parts = [c.get_property(name, atoms) for c in (mace, d3)]
        np.testing.assert_allclose(together, parts[0] + parts[1], atol=1e-13)
        assert np.abs(parts[1]).max() > 1e-5
    few = atoms[:6]
    few.calc = atoms.calc
    np.testing.assert_allclose(few.get_forces(), calculate_numerical_forces(few, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(few.get_stress(), calculate_numerical_stress(few, eps=1e-4), atol=1e-6)
    molecule = molecules()[12:14]
    molecule.symbols = "CO"
    molecule.calc = atoms.calc
    assert np.isfinite(molecule.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError):
        molecule.get_stress()


def test_energy_is_conserved():
    """In Verlet's method the energy swings with the square of the time step, also over builds."""
    swings = []
    for timestep_fs in (4.0, 2.0):
        atoms = licl()
        atoms.calc = D3Calculator("zero", cutoff=8, cn=7, skin=0.2)
        width = np.sqrt(100 * units.kB * atoms.get_masses())[:, None]
        atoms.set_momenta(width * np.random.default_rng(1).normal(size=(len(atoms), 3)))
        energies = []
        dynamics = VelocityVerlet(atoms, timestep_fs * units.fs)
        dynamics.attach(lambda a=atoms, e=energies: e.append(a.get_total_energy()))
        dynamics.run(round(400 / timestep_fs))
        swings.append(np.ptp(energies))
        assert atoms.calc.statistics["builds"] > 5
    assert swings[0] / swings[1] == pytest.approx(4, abs=1)


def test_processes_and_copies():
    atoms = licl()
    atoms.calc = D3Calculator("zero", "b3lyp", skin=1.5, threads=1)
    energy = atoms.get_potential_energy()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(Atoms.get_potential_energy, atoms).result() == pytest.approx(energy)
    for twin in (copy.deepcopy(atoms.calc), pickle.loads(pickle.dumps(atoms.calc))):
        assert twin.settings == atoms.calc.settings
        assert twin.results["energy"] == energy
        assert twin.statistics["evaluations"] == 0
        assert twin.get_property("stresses", atoms).shape == (len(atoms), 6)
        twin.get_property("energy", molecules())
        assert atoms.calc.results["energy"] == energy


def test_threads_share_a_calculator():
    calculator = D3Calculator(skin=0.5)
    structures = [licl(), molecules(), one_atom()]
    expected = [(s.get_chemical_formula(), calculator.get_property("forces", s)) for s in structures]
    failures = []

    def work(atoms, forces):
        try:
            for _ in range(40):
                np.testing.assert_allclose(calculator.get_property("forces", atoms), forces,
                                           atol=1e-12)
        except BaseException as problem:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(s, f))
               for s, (_, f) in zip(structures, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


FORK = """
import os, sys
from ase.build import bulk
from mdbench import D3Calculator
from mdbench.errors import EvaluationError
atoms = bulk("C", "fcc", a=3.6)
atoms.calc = D3Calculator(threads=int(sys.argv[1]))
before = atoms.get_potential_energy()
atoms.set_cell(atoms.cell.array * 1.1, scale_atoms=True)
child = os.fork()
if child == 0:
    try:
        print("energy", atoms.get_potential_energy() - before, flush=True)
    except EvaluationError as problem:
        print(problem, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(sorted({"torch", "mace"} & set(sys.modules)))
"""


@pytest.mark.parametrize(("threads", "text"), [(1, "energy "), (2, "made before a fork")])
def test_after_a_fork(threads, text):
    done = subprocess.run([sys.executable, "-c", FORK, str(threads)], capture_output=True, text=True,
                          timeout=60, check=True)
    assert text in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1] == "[]"
