"""The ASE calculator: against mace-torch's, against differences, and in the ways ASE uses it."""

import copy
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.md.verlet import VelocityVerlet
from ase.optimize import FIRE
from support import BUNDLED_LAMMPS, STRUCTURES, carbon_crystal, rattled, triclinic

from mdbench import MACECalculator
from mdbench.errors import EvaluationError, ModelError, SettingError, StructureError
from mdbench.model import call_worker, convert
from mdbench.structure import GRAPHENE_LATTICE_ANG, graphene

CASES = [("bundled", None, "pt"), ("two_heads", "r2scan", "pt"), ("two_heads", "r2scan", "mace")]


@pytest.fixture(scope="module")
def native(models, tmp_path_factory):
    """A native file with two heads."""
    file = tmp_path_factory.mktemp("native") / "two_heads.mace"
    convert(models["two_heads"], file, head="pbe")
    return file


@pytest.fixture
def analytic(models):
    """A calculator whose evaluation takes a millisecond."""
    return MACECalculator(models["analytic.pt"])


def counted(calculator, monkeypatch):
    """A list that grows by one with every evaluation of the model."""
    calls, evaluate = [], calculator._evaluate
    monkeypatch.setattr(calculator, "_evaluate", lambda atoms: (calls.append(1), evaluate(atoms)))
    return calls


@pytest.fixture(scope="module")
def reference(models, tmp_path_factory):
    """Every property of every structure by mace-torch, one process a model."""
    known = {}

    def look_up(model, head):
        if (model, head) not in known:
            file = tmp_path_factory.mktemp("reference") / "frames.traj"
            write(file, [make() for make in STRUCTURES.values()])
            request = {"model": str(models[model]), "structure": str(file), "dtype": "float64",
                       "head": head, "per_atom": True}
            frames = call_worker("reference", request)["frames"]
            known[model, head] = dict(zip(STRUCTURES, frames, strict=True))
        return known[model, head]

    return look_up


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(("model", "head", "suffix"), CASES)
def test_properties_are_those_of_mace_torch(request, models, reference, model, head, suffix,
                                            structure):
    expected = reference(model, head)[structure]
    atoms = STRUCTURES[structure]()
    file = models[f"{model}.pt"] if suffix == "pt" else request.getfixturevalue("native")
    atoms.calc = MACECalculator(file, precision="double", head=head)
    near = {"atol": 1e-8, "rtol": 0}
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], abs=1e-9 * len(atoms))
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_potential_energies(), expected["energies"], **near)
    np.testing.assert_allclose(atoms.get_forces(), expected["forces"], **near)
    virials = atoms.calc.get_property("virials", atoms)
    np.testing.assert_allclose(virials, expected["virials"], **near)
    if atoms.pbc.all():  # mace-torch divides by the volume of a cell that it stretches
        virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
        np.testing.assert_allclose(virial, expected["virial"], atol=1e-8 * len(atoms), rtol=0)
        np.testing.assert_allclose(atoms.get_stresses(), expected["stresses"], **near)
    if atoms.pbc.any():
        np.testing.assert_allclose(atoms.get_stresses().sum(axis=0), atoms.get_stress(), **near)


def test_forces_and_stress_are_derivatives(models):
    atoms = triclinic()
    atoms.calc = MACECalculator(models["two_heads.pt"])
    forces = calculate_numerical_forces(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-6)
    stress = calculate_numerical_stress(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_stress(), stress, atol=1e-7)


def test_stress_of_a_slab_refers_to_its_cell(models):
    atoms = STRUCTURES["slab"]()
    atoms.calc = MACECalculator(models["two_heads.pt"])
    stress = calculate_numerical_stress(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_stress(), stress, atol=1e-7)


def test_skin_changes_no_result(models):
    """200 steps of a random walk that also wraps, strains and changes elements."""
    rng = np.random.default_rng(3)
    atoms = carbon_crystal()
    kept, fresh = (MACECalculator(models["analytic.pt"], skin=s) for s in (0.5, 0.0))
    for step in range(200):
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        if step == 60:
            atoms.wrap()
        if step == 90:
            atoms.set_cell(atoms.cell.array * [1.01, 1, 0.99], scale_atoms=True)
        if step == 120:
            atoms.numbers = atoms.numbers[::-1]
        a, b = (c.get_property("energy", atoms) for c in (kept, fresh))
        assert a == pytest.approx(b, rel=1e-12)
        for name in ("forces", "stress"):
            a, b = (c.get_property(name, atoms) for c in (kept, fresh))
            np.testing.assert_allclose(a, b, atol=1e-12 * max(1.0, np.abs(b).max()), rtol=0)
    assert 4 < kept.neighbours.num_builds < 60
    assert fresh.neighbours.num_builds == 200


def test_one_evaluation_serves_all_properties(analytic, monkeypatch):
    calls = counted(analytic, monkeypatch)
    atoms = carbon_crystal(1)
    atoms.calc = analytic
    for _ in range(2):
        atoms.get_potential_energy()
        atoms.get_forces()
        atoms.get_stresses()
        atoms.get_stress()
    assert len(calls) == 1
    atoms.set_initial_charges([0.1] * len(atoms))
    atoms.get_forces()
    assert len(calls) == 1
    atoms.numbers = atoms.numbers[::-1]
    atoms.get_forces()
    assert len(calls) == 2
    assert set(atoms.get_properties(["energy", "forces", "stress"])) >= {"energies", "free_energy"}


def test_edges_may_be_lacking(analytic):
    """One atom alone; then a gas in which some atoms are alone."""
    alone = Atoms("C", calculator=analytic)
    assert np.isfinite(alone.get_potential_energy())
    np.testing.assert_array_equal(alone.get_forces(), [[0, 0, 0]])
    gas = Atoms("COCHO", [[0, 0, 0], [9, 0, 0], [18, 0, 0], [19.2, 0, 0], [40, 0, 0]])
    gas.calc = analytic
    forces = gas.get_forces()
    np.testing.assert_array_equal(forces[[0, 1, 4]], 0)
    assert forces[2, 0] == -forces[3, 0] != 0


def test_energy_is_conserved(models):
    """In Verlet's method the energy swings with the square of the time step."""
    swings = []
    for timestep_fs in (1.0, 0.5):
        atoms = carbon_crystal()
        atoms.calc = MACECalculator(models["analytic.pt"])
        width = np.sqrt(300 * units.kB * atoms.get_masses())[:, None]
        atoms.set_momenta(width * np.random.default_rng(1).normal(size=(len(atoms), 3)))
        energies = []
        dynamics = VelocityVerlet(atoms, timestep_fs * units.fs)
        dynamics.attach(lambda a=atoms, e=energies: e.append(a.get_total_energy()))
        dynamics.run(round(150 / timestep_fs))
        swings.append(np.ptp(energies))
    assert swings[1] < 3e-3
    assert swings[0] / swings[1] == pytest.approx(4, abs=0.6)


def test_relaxation_with_a_cell_filter_finds_the_lattice():
    """A stretched sheet goes back to the lattice constant of the model's training data."""
    sheet = graphene(1, 1)
    sheet.pbc = [True, True, False]
    sheet.set_cell(sheet.cell.array * [1.02, 0.99, 1], scale_atoms=True)
    sheet.calc = MACECalculator(BUNDLED_LAMMPS, precision="double")
    optimizer = FIRE(FrechetCellFilter(sheet, mask=[1, 1, 0, 0, 0, 1]), logfile=None)
    assert optimizer.run(fmax=0.005, steps=150)
    np.testing.assert_allclose(
        sheet.cell.lengths()[:2], GRAPHENE_LATTICE_ANG * np.array([1, 3**0.5]), rtol=3e-3)


def test_processes_and_copies(models):
    """Through spawn, a process that imports neither torch nor mace; deepcopy; pickled results."""
    atoms = rattled(STRUCTURES["bulk"]())
    atoms.calc = MACECalculator(models["two_heads.pt"], head="r2scan", precision="single", skin=0.7)
    energy = atoms.get_potential_energy()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(Atoms.get_potential_energy, atoms).result()
        modules = pool.submit(eval, "[*__import__('sys').modules]").result()
    assert there == pytest.approx(energy, abs=1e-6)
    assert not {"torch", "mace", "e3nn", "vesin"} & set(modules)

    twin = copy.deepcopy(atoms.calc)
    assert twin.todict() == atoms.calc.todict()
    assert (twin.skin, twin.info["head"], twin.info["precision"]) == (0.7, "r2scan", "single")
    assert twin.results["energy"] == energy
    twin.get_property("energy", triclinic())
    assert atoms.calc.results["energy"] == energy
    assert twin.get_property("energy", atoms) == pytest.approx(energy, abs=1e-6)
    assert twin.get_property("stresses", atoms).shape == (len(atoms), 6)


def test_a_pickle_knows_its_model(models, tmp_path):
    file = tmp_path / "model.pt"
    shutil.copy(models["two_heads.pt"], file)
    pickled = pickle.dumps(MACECalculator(file))
    pickle.loads(pickled)
    shutil.copy(models["analytic.pt"], file)
    with pytest.raises(ModelError, match="has changed since this calculator was made"):
        pickle.loads(pickled)
    file.unlink()
    with pytest.raises(ModelError, match=r"model\.pt"):
        pickle.loads(pickled)


def test_two_threads_share_a_calculator(analytic):
    crystals = [carbon_crystal(seed=s) for s in (1, 2)]
    expected = []
    for atoms in crystals:
        atoms.calc = analytic
        expected.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stresses()))
    failures = []

    def work(atoms, energy, forces, stresses):
        try:
            for _ in range(25):
                assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-12)
                np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-12)
                np.testing.assert_allclose(atoms.get_stresses(), stresses, atol=1e-12)
                assert atoms.get_properties(["energy"])["energy"] == pytest.approx(energy)
        except BaseException as problem:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(a, *e))
               for a, e in zip(crystals, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


FORK = """
import os, sys
from ase.build import bulk
from mdbench import MACECalculator
from mdbench.errors import EvaluationError
atoms = bulk("C", "fcc", a=3.6)
atoms.calc = MACECalculator(sys.argv[1], threads=int(sys.argv[2]))
before = atoms.get_potential_energy()
atoms.rattle()
child = os.fork()
if child == 0:
    try:
        print("energy", atoms.get_potential_energy() - before, flush=True)
        atoms.symbols[0] = "O"  # new to the evaluator: tables are made
        atoms.get_potential_energy()
    except EvaluationError as problem:
        print(problem, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(sorted({"torch", "mace", "e3nn"} & set(sys.modules)))
print("libtorch" in open("/proc/self/maps").read())
"""

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "mace", "e3nn"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize("suffix", ["pt", "mace"])
@pytest.mark.parametrize(("threads", "text"), [(1, "energy "), (2, "made before a fork")])
def test_after_a_fork_in_a_process_without_torch(models, native, suffix, threads, text):
    """Python's torch is blocked; the library is there for TorchScript files alone."""
    file = models["analytic.pt"] if suffix == "pt" else native
    command = [sys.executable, "-c", BLOCKER + FORK, str(file), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert text in lines[0]
    assert lines[1:] == ["[]", str(suffix == "pt")]


def test_stress_without_a_volume(analytic):
    molecule = STRUCTURES["molecule"]()
    molecule.calc = analytic
    for ask in (molecule.get_stress, molecule.get_stresses):
        with pytest.raises(PropertyNotImplementedError, match="without periodic directions"):
            ask()
    assert np.isfinite(molecule.get_potential_energy())
    flat = STRUCTURES["slab"]()
    flat.calc = analytic
    energy = flat.get_potential_energy()
    flat.cell[2] = 0
    with pytest.raises(StructureError, match="zero volume"):
        flat.get_stress()
    assert flat.get_potential_energy() == pytest.approx(energy, rel=1e-12)
    with pytest.raises(PropertyNotImplementedError):
        flat.get_dipole_moment()


def test_structures_that_are_refused(analytic):
    atoms = triclinic()
    atoms.calc = analytic
    energy = atoms.get_potential_energy()
    good = atoms.copy()
    atoms.positions[1, 2] = np.nan
    for _ in range(2):  # asked again, it must not give what was there before
        with pytest.raises(StructureError, match="not finite"):
            atoms.get_forces()
    atoms.positions[:] = good.positions
    atoms.symbols[0] = "Si"
    with pytest.raises(StructureError, match="holds Si; the model knows only H, C, O"):
        atoms.get_potential_energy()
    assert analytic.get_property("energy", good) == pytest.approx(energy, rel=1e-12)
    with pytest.raises(StructureError, match="no atoms"):
        analytic.get_property("energy", Atoms())


def test_a_model_that_fails(models):
    atoms = STRUCTURES["molecule"]()
    atoms.calc = MACECalculator(models["two_heads.pt"])
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(EvaluationError, match=r"not finite.* 0\.000 A"):
        atoms.get_forces()


@pytest.mark.parametrize(
    ("error", "text", "changes"),
    [
        (ModelError, "no-such", {"model": "no-such.pt"}),
        (ModelError, "no head 'x': it has pbe, r2scan", {"head": "x"}),
        (ModelError, "device 'tpu'", {"device": "tpu"}),
        (ModelError, "mixed needs the native evaluator", {"precision": "mixed"}),
        (SettingError, "precision 'half' is none of model, single, double, mixed", {"precision": "half"}),
        (SettingError, "skin = -1", {"skin": -1}),
        (SettingError, "skin = nan", {"skin": np.nan}),
        (SettingError, "threads = -2", {"threads": -2}),
    ],
)
def test_wrong_arguments(models, error, text, changes):
    with pytest.raises(error, match=text) as caught:
        MACECalculator(**{"model": models["two_heads.pt"], **changes})
    assert "\n" not in str(caught.value)


def test_names_of_precisions(models):
    for name, stored in (("float32", "single"), ("single", "single"), ("float64", "double")):
        calculator = MACECalculator(str(models["two_heads.pt"]), precision=name)
        assert calculator.info["precision"] == calculator.todict()["precision"] == stored
