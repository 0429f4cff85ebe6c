"""The C++ core through its Python binding."""

import time

import numpy as np
import pytest
from ase.data import atomic_masses_iupac2016, chemical_symbols
from support import ROOT, carbon_crystal, triclinic

from mdbench import _core
from mdbench.core import GraphArrays, evaluate_arrays, evaluate_atoms
from mdbench.verify import difference_force_error, difference_stress_error


@pytest.fixture
def evaluator(models):
    return _core.load_evaluator(str(models["analytic.pt"]))


def test_info(models):
    info = _core.load_evaluator(str(models["two_heads.pt"]), head="r2scan").info
    assert info["atomic_numbers"] == [1, 6, 8]
    assert info["cutoff_ang"] == 4.0
    assert info["num_layers"] == 2
    assert info["heads"] == ["pbe", "r2scan"]
    assert info["head"] == "r2scan"
    assert info["precision"] == info["stored_precision"] == "double"
    assert info["device"] == "cpu"
    assert info["kernel"].startswith("torchscript 2.")


def test_edge_gradient_is_the_derivative(evaluator):
    """One edge vector at a time, against a four-point difference."""
    graph = GraphArrays.from_atoms(triclinic(), [1, 6, 8], 4.4)
    _, gradient = evaluate_arrays(evaluator, graph)
    rng = np.random.default_rng(1)
    for edge in rng.integers(len(graph.sender), size=8):
        for axis in range(3):
            slope = 0.0
            for k, weight in ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12)):
                moved = graph.edge_vector.copy()
                moved[edge, axis] += k * 1e-3
                changed = GraphArrays(graph.species, graph.first_edge, graph.sender, moved,
                                      graph.num_local)
                slope += weight * evaluate_arrays(evaluator, changed)[0].sum() / 1e-3
            assert slope == pytest.approx(gradient[edge, axis], abs=1e-9)


def test_energies_of_local_nodes_only(evaluator):
    """The energy that is differentiated leaves out the nodes past num_local."""
    graph = GraphArrays.from_atoms(carbon_crystal(1), [1, 6, 8], 4.4)
    whole, all_edges = evaluate_arrays(evaluator, graph)
    part = GraphArrays(graph.species, graph.first_edge, graph.sender, graph.edge_vector, 2)
    energy, edges = evaluate_arrays(evaluator, part)
    np.testing.assert_allclose(energy, whole[:2], rtol=1e-14)
    assert np.abs(edges - all_edges).max() > 1e-3


def test_single_precision_does_not_see_the_origin(models):
    """Absolute coordinates are never cast to single precision."""
    evaluator = _core.load_evaluator(str(models["bundled-single.pt"]))
    atoms = triclinic()
    near = evaluate_atoms(evaluator, atoms).forces
    atoms.positions += 2000.0
    far = evaluate_atoms(evaluator, atoms).forces
    np.testing.assert_allclose(far, near, atol=2e-5 * np.abs(near).max())


def images(atoms):
    """The atoms and all images within reach: their number, positions, kinds in the model, owners."""
    shells = [(a, b, c) for a in range(-4, 5) for b in range(-4, 5) for c in range(-4, 5)]
    shells.sort(key=lambda s: s != (0, 0, 0))
    positions = np.concatenate([atoms.positions + np.array(s) @ atoms.cell.array for s in shells])
    owner = np.tile(np.arange(len(atoms)), len(shells)).astype(np.int32)
    kinds = np.array([[1, 6, 8].index(z) for z in atoms.numbers], dtype=np.int32)
    return len(atoms), positions, kinds[owner], owner


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["mace", "pt"])
def test_atoms_and_positions_give_what_graphs_give(models, kind, threads):
    evaluator = _core.load_evaluator(str(models[f"two_heads.{kind}"]), precision="double",
                                     deterministic=False, workspace_mb=100, threads=threads)
    with pytest.raises(_core.CoreError, match="no atoms are set"):
        evaluator.evaluate_at(np.zeros((0, 3)))
    assert evaluator.peak_device_bytes == 0
    atoms = triclinic()
    graphs = _core.load_evaluator(str(models["two_heads.mace"]), precision="double")
    num_local, positions, kinds, owner = images(atoms)
    start = positions.copy()
    evaluator.set_atoms(num_local, start, kinds, owner, 0.6)
    start[:] = 0.0  # nothing of it is kept
    rng = np.random.default_rng(4)
    for per_node in (False, True):
        moved = rng.normal(scale=0.05, size=atoms.positions.shape)
        found = evaluator.evaluate_at(positions + moved[owner], per_node)
        shaken = atoms.copy()
        shaken.positions += moved
        expected = evaluate_atoms(graphs, shaken)
        np.testing.assert_array_equal(found["node_atom"], np.arange(num_local))
        assert found["site_energy"].sum() == pytest.approx(expected.energy, abs=1e-10)
        np.testing.assert_allclose(found["force"], expected.forces, atol=1e-10)
        np.testing.assert_allclose(found["virial"], expected.virial, atol=1e-10)
        graph = GraphArrays.from_atoms(shaken, [1, 6, 8], 4.0)
        np.testing.assert_array_equal(found["neighbors"], np.diff(graph.first_edge))
        assert (found["node_virial"] is not None) == per_node
    np.testing.assert_allclose(found["node_virial"].sum(axis=0), found["virial"].ravel(), atol=1e-10)
    with pytest.raises(_core.CoreError, match="positions of 3 atoms"):
        evaluator.evaluate_at(positions[:3])
    with pytest.raises(_core.CoreError, match="species 3 is not one of the model's 3"):
        evaluator.set_atoms(num_local, positions, kinds + 1, owner, 0.6)
    with pytest.raises(ValueError, match="one row an atom"):
        evaluator.set_atoms(num_local, positions, kinds, owner[:-1], 0.6)
    positions[2, 1] = np.inf
    with pytest.raises(_core.CoreError, match="not finite"):
        evaluator.set_atoms(num_local, positions, kinds, owner, 0.6)


def test_a_gpu_that_is_not_there(models):
    devices = _core.cuda_devices()
    with pytest.raises(_core.CoreError, match="device cpu"):
        _core.load_evaluator(str(models["bundled.mace"]), device=f"cuda:{devices}")
    with pytest.raises(_core.CoreError, match="is none of auto, cpu, cuda, cuda:N"):
        _core.load_evaluator(str(models["bundled.mace"]), device="gpu")
    if devices == 0:
        assert _core.load_evaluator(str(models["bundled.mace"])).info["device"] == "cpu"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"species": [9, 0]}, "species out of range"),
        ({"sender": [7]}, "sender out of range"),
        ({"first_edge": [0, 1]}, "nodes \\+ 1"),
        ({"first_edge": [0, 0, 5]}, "from 0 to the number"),
        ({"num_local": 3}, "num_local"),
    ],
)
def test_wrong_arrays_are_refused(evaluator, change, text):
    graph = {"species": [0, 1], "first_edge": [0, 1, 1], "sender": [1],
             "edge_vector": [[1.0, 0, 0]], "num_local": 2}
    with pytest.raises(ValueError, match=text):
        evaluate_arrays(evaluator, GraphArrays.from_lists({**graph, **change}))


def test_graph_builder_equals_ase(evaluator):
    """Explicit images in, the same edges out as ASE's neighbour list."""
    atoms = triclinic()
    cutoff, skin = 4.4, 0.6
    num_local, positions, kinds, owner = images(atoms)
    builder = _core.GraphBuilder(cutoff, 2)
    builder.rebuild(num_local, positions, kinds, owner, skin)
    graph = builder.update(positions)
    expected = GraphArrays.from_atoms(atoms, [1, 6, 8], cutoff)
    np.testing.assert_array_equal(graph["first_edge"], expected.first_edge)
    energy, _, _ = evaluator.evaluate(
        graph["species"], graph["first_edge"], graph["sender"], graph["edge_vector"], len(atoms))
    assert energy.sum() == pytest.approx(evaluate_atoms(evaluator, atoms).energy, abs=1e-11)


def test_positions_of_other_atoms_are_refused():
    builder = _core.GraphBuilder(4.0, 2)
    atoms = np.zeros((20, 3)) + 9.0 * np.arange(20)[:, None]
    builder.rebuild(20, atoms, np.zeros(20, np.int32), np.arange(20, dtype=np.int32), 0.5)
    with pytest.raises(_core.CoreError, match="20"):
        builder.update(atoms[:2])


def test_nodes_that_nobody_computes_are_refused(models):
    """Features of a later layer would come from the other rank that owns them."""
    graph = GraphArrays.from_atoms(triclinic(), [1, 6, 8], 4.0)
    native = _core.load_evaluator(str(models["two_heads.mace"]), head="pbe")
    arrays = (graph.species, graph.first_edge, graph.sender, graph.edge_vector)
    native.evaluate(*arrays, len(graph.species))
    few = len(graph.species) // 2
    edges = graph.first_edge[few]
    cut = np.minimum(graph.first_edge, edges)
    with pytest.raises(_core.CoreError, match="nodes of other ranks"):
        native.evaluate(graph.species, cut, graph.sender[:edges], graph.edge_vector[:edges], few)


def test_differences_catch_a_wrong_derivative(evaluator):
    """The finite-difference checks of `mdbench verify` fail when forces are 1% off."""
    atoms = triclinic()
    assert difference_force_error(evaluator, atoms, 1e-3) < 1e-8
    assert difference_stress_error(evaluator, atoms, 1e-3) < 1e-8

    class Wrong:
        info = evaluator.info

        @staticmethod
        def evaluate(*arguments):
            energy, gradient, seconds = evaluator.evaluate(*arguments)
            return energy, 1.01 * gradient, seconds

    assert difference_force_error(Wrong, atoms, 1e-3) > 1e-3
    assert difference_stress_error(Wrong, atoms, 1e-3) > 1e-6


def test_elements_table_is_that_of_ase():
    text = (ROOT / "plugin/evaluator/elements.hpp").read_text()
    for z in range(1, 119):
        mass = round(float(atomic_masses_iupac2016[z]), 4)
        assert f'{{"{chemical_symbols[z]}", {mass}}}' in text


def test_a_new_list_costs_no_evaluation(models):
    """A TorchScript model is warmed up once, not with each list."""
    evaluator = _core.load_evaluator(str(models["bundled.pt"]), threads=1)
    atoms = carbon_crystal(1)
    num_local, positions, kinds, owner = images(atoms)

    def seconds(call):
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    lists = [seconds(lambda: evaluator.set_atoms(num_local, positions, kinds, owner, 0.5))
             for _ in range(5)]
    steps = [seconds(lambda: evaluator.evaluate_at(positions)) for _ in range(5)]
    assert min(lists[1:]) < 0.2 * min(steps)
