"""The native evaluator against mace-torch and the NumPy reading, over a grid of architectures."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python.test_native_file import GRID
from support import ROOT, STRUCTURES

from mdbench import _core, core
from mdbench.core import GraphArrays
from mdbench.structure import water_box
from models.native_reference import Evaluation, NativeModel

LIMIT = {"double": 1e-9, "single": 2e-6, "mixed": 2e-6}


def load(path, precision="double", head="", threads=1):
    return _core.load_evaluator(str(path), device="cpu", precision=precision, head=head,
                                threads=threads)


def available():
    """Instruction sets that this processor has."""
    return ["avx512", "avx2", "baseline"] if "avx512f" in cpu_flags() else ["avx2", "baseline"]


def cpu_flags():
    with open("/proc/cpuinfo") as file:
        return file.read()


@pytest.mark.parametrize("kind", ["", "-some"])
@pytest.mark.parametrize("name", GRID)
def test_architectures_agree_with_mace(native_models, name, kind):
    """Energies and edge gradients of every head, of an ordinary and of a clashing structure."""
    answer = json.loads((native_models / f"{name}{kind}.json").read_text())
    for precision, threads in (("double", 1), ("double", 3), ("single", 1), ("mixed", 2)):
        for head, probes in answer["probes"].items():
            evaluator = load(native_models / f"{name}{kind}.mace", precision, head, threads)
            for probe in probes:
                energy, gradient = core.evaluate_arrays(evaluator, GraphArrays.from_lists(probe))
                for found, expected in ((energy, probe["node_energy"]),
                                        (gradient, probe["edge_gradient"])):
                    scale = max(1.0, np.abs(expected).max())
                    np.testing.assert_allclose(found, expected, rtol=0,
                                               atol=LIMIT[precision] * scale)


@pytest.mark.parametrize("isa", available())
def test_instruction_sets_agree(native_models, models, monkeypatch, isa):
    monkeypatch.setenv("MDBENCH_ISA", isa)
    for path, head in ((models["medium.mace"], ""), (models["bundled.mace"], ""),
                       (native_models / "density_residual.mace", "b"),
                       (models["gated.mace"], "omat")):
        file = NativeModel(path)
        numbers = file.metadata["elements"]
        atoms = STRUCTURES["triclinic"]()
        graph = GraphArrays.from_atoms(atoms, numbers, file.metadata["cutoff_ang"])
        expected = Evaluation(file, graph, head or "Default").stages
        for precision, limit in LIMIT.items():
            evaluator = load(path, precision, head, 2)
            assert evaluator.info["kernel"] == f"native {isa}"
            energy, gradient = core.evaluate_arrays(evaluator, graph)
            scale = max(1.0, np.abs(expected.edge_gradient).max())
            np.testing.assert_allclose(energy, expected.energy, rtol=10 * limit)
            np.testing.assert_allclose(gradient, expected.edge_gradient, atol=10 * limit * scale)


def test_unknown_instruction_set_is_refused(models, monkeypatch):
    monkeypatch.setenv("MDBENCH_ISA", "mmx")
    with pytest.raises(_core.CoreError, match="MDBENCH_ISA is 'mmx': this processor and build have"):
        load(models["bundled.mace"])


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["mixed", "plain", "density", "soft", "beyond_reach", "gated"]),
       seed=st.integers(0, 2**31), count=st.integers(1, 9), pbc=st.booleans(),
       edge=st.floats(2.0, 9.0))
def test_random_structures_agree_with_the_reference(native_models, name, seed, count, pbc, edge):
    """Any density, from clashes to atoms out of reach; periodic cells smaller than the cutoff."""
    rng = np.random.default_rng(seed)
    file = NativeModel(native_models / f"{name}.mace")
    head = file.metadata["heads"][-1]
    numbers = file.metadata["elements"]
    cell = edge * (np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3)))
    atoms = Atoms(rng.choice(numbers, count), rng.uniform(size=(count, 3)) @ cell, cell=cell, pbc=pbc)
    graph = GraphArrays.from_atoms(atoms, numbers, file.metadata["cutoff_ang"])
    lengths = np.linalg.norm(graph.edge_vector, axis=1)
    if len(lengths) and lengths.min() < 0.05:
        return  # coincident atoms have no energy
    expected = Evaluation(file, graph, head).stages
    evaluator = load(native_models / f"{name}.mace", head=head)
    energy, gradient = core.evaluate_arrays(evaluator, graph)
    scale = max(1.0, np.abs(expected.edge_gradient).max(initial=0.0), np.abs(expected.energy).max())
    np.testing.assert_allclose(energy, expected.energy, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(gradient, expected.edge_gradient, rtol=0, atol=1e-9 * scale)


def test_elements_may_turn_up_later(models):
    """Tables are made for the elements in use, and again when another comes."""
    late = load(models["medium.mace"])
    frames = [STRUCTURES[name]() for name in ("one_atom", "molecule", "slab")]
    for atoms in frames:
        found = core.evaluate_atoms(late, atoms)
        fresh = core.evaluate_atoms(load(models["medium.mace"]), atoms)
        assert found.energy == pytest.approx(fresh.energy, rel=1e-14)
        np.testing.assert_allclose(found.forces, fresh.forces, atol=1e-12)


@pytest.mark.parametrize("precision", ["double", "single", "mixed"])
def test_threads_change_only_rounding_and_runs_repeat(models, precision):
    atoms = water_box(40, 11.0)
    results = {n: [core.evaluate_atoms(load(models["bundled.mace"], precision, threads=n), atoms)
                   for _ in range(2)] for n in (1, 2, 5)}
    for first, second in results.values():
        assert first.forces.tobytes() == second.forces.tobytes()
        assert first.energy == second.energy
        limit = 1e-12 if precision == "double" else 1e-5
        np.testing.assert_allclose(first.forces, results[1][0].forces, atol=limit)


def run_python(program, *arguments):
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)],
                          capture_output=True, text=True, check=False, cwd=ROOT,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_neither_torch_nor_its_libraries_are_loaded(models):
    program = """
import sys
class Blocked:
    def find_spec(self, name, *unused):
        if name.split(".")[0] in ("torch", "mace", "e3nn"):
            raise ImportError(name + " is not there")
sys.meta_path.insert(0, Blocked())
from ase.build import molecule
from mdbench import MACECalculator
from mdbench.engine import single_point
water = molecule("H2O")
water.calc = MACECalculator(sys.argv[1])
print(water.get_potential_energy(), single_point(water, sys.argv[1]).energy)
assert "torch" not in sys.modules
assert "libtorch" not in open("/proc/self/maps").read()
"""
    first, second = map(float, run_python(program, models["bundled.mace"]).split())
    assert first == pytest.approx(second, abs=1e-5)


MEMORY = """
import sys
import numpy as np
from mdbench import _core
from mdbench.core import GraphArrays
from mdbench.structure import water_box
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
evaluator = _core.load_evaluator(sys.argv[1], device="cpu", precision="single")
copies, evaluations = int(sys.argv[2]), int(sys.argv[3])
atoms = water_box(int(sys.argv[4]), float(sys.argv[5])).repeat(copies)
graph = GraphArrays.from_atoms(atoms, evaluator.info["atomic_numbers"], evaluator.info["cutoff_ang"])
evaluator.prepare(np.unique(graph.species))
before = resident()
def evaluate():
    evaluator.evaluate(graph.species, graph.first_edge, graph.sender, graph.edge_vector, len(atoms))
evaluate()
evaluate()
after = resident()
for _ in range(evaluations):
    evaluate()
print((after - before) / len(atoms), resident() - after)
"""


def test_memory_of_the_large_model(models):
    """kB an atom at 10,000 atoms of water, energies and gradients included."""
    program = MEMORY.replace("evaluate()\nevaluate()\n", "evaluate()\n")
    per_atom, _ = map(float, run_python(program, models["medium.mace"], 4, 0, 52, 11.6).split())
    print(f"{per_atom / 1000:.1f} kB an atom")
    assert per_atom < 40e3


def test_no_leak_over_a_thousand_evaluations(models):
    _, growth = map(float, run_python(MEMORY, models["bundled.mace"], 1, 1000, 8, 6.3).split())
    assert growth < 300e3
