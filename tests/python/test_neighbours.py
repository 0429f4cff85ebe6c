"""Neighbour lists against ASE's, and the rules of the skin."""

import resource

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import complete_cell
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st
from support import STRUCTURES

from mdbench.errors import StructureError
from mdbench.neighbours import NeighbourList

SKIN = 0.5


def table(receiver, sender, vector):
    """Edges as rows in an order of their own."""
    rows = np.c_[receiver, sender, np.round(vector, 7) + 0.0]
    return rows[np.lexsort(rows.T[::-1])]


def assert_edges_are_those_of_ase(edges, atoms, cutoff):
    receiver, sender, vector = neighbor_list("ijD", atoms, cutoff)
    assert edges.first_edge[0] == 0
    assert edges.first_edge[-1] == len(edges.sender)
    mine = np.repeat(np.arange(len(atoms)), np.diff(edges.first_edge))
    found, expected = table(mine, edges.sender, edges.vector), table(receiver, sender, vector)
    np.testing.assert_array_equal(found[:, :2], expected[:, :2])
    np.testing.assert_allclose(found[:, 2:], expected[:, 2:], atol=2e-7)


def update(neighbours, atoms):
    return neighbours.update(atoms.positions, atoms.cell.array, atoms.pbc)


@st.composite
def structures(draw):
    """Up to eight atoms in and around a small cell: sheared, left-handed, partly open."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.uniform(1.0, 6.0, 3)
    cell = np.diag(lengths) + draw(st.sampled_from([0.0, 0.3, 0.6])) * rng.uniform(
        -lengths.min(), lengths.min(), (3, 3))
    if abs(np.linalg.det(cell)) < 0.1 * lengths.prod():
        cell = np.diag(lengths)
    if draw(st.booleans()):
        cell = cell[[1, 0, 2]]
    pbc = np.array(draw(st.tuples(*[st.booleans()] * 3)))
    if draw(st.booleans()):
        cell[~pbc] = 0.0
    positions = rng.uniform(-1.5, 2.5, (draw(st.integers(1, 8)), 3)) @ complete_cell(cell)
    return Atoms(f"C{len(positions)}", positions, cell=cell, pbc=pbc)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(structures(), st.floats(1.0, 4.5), st.sampled_from([0.0, 0.4]))
def test_random_small_cells(atoms, cutoff, skin):
    assert_edges_are_those_of_ase(update(NeighbourList(cutoff, skin), atoms), atoms, cutoff)


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_of_the_other_tests(name):
    atoms = STRUCTURES[name]()
    assert_edges_are_those_of_ase(update(NeighbourList(4.5, SKIN), atoms), atoms, 4.5)


def test_open_directions_ask_nothing_of_the_cell():
    """Far fragments, no cell, a cell elsewhere: the same two pairs."""
    positions = np.array([[0, 0, 0], [1.0, 0, 0], [5e4, 0, 0], [5e4, 1.0, 0]])
    for cell in (np.zeros((3, 3)), np.eye(3), 1e-3 * np.eye(3), np.diag([1e6, 0, 0])):
        edges = NeighbourList(2.0).update(positions, cell, np.zeros(3, dtype=bool))
        np.testing.assert_array_equal(edges.sender, [1, 0, 3, 2])


@pytest.mark.parametrize("noise", [0.0, 1e-17, 1e-12, 1e-9, 1e-8, 1e-3])
@pytest.mark.parametrize("pbc", [(False, False, False), (True, True, False), (True, False, False)])
def test_flat_structures_with_noise(noise, pbc):
    """A box as thin as the noise left the search without any pair, and it said nothing."""
    sheet = Atoms("C4", np.array([[0, 0, 0], [1.4, 0, 0], [0, 1.4, 0], [1.5, 1.5, 0]]),
                  cell=[4, 4, 0], pbc=pbc)
    sheet.positions[:, 2] += noise * np.array([0.0, 1.0, -1.0, 0.5])
    edges = update(NeighbourList(1.8), sheet)
    np.testing.assert_array_equal(np.diff(edges.first_edge), [2, 2, 2, 2])
    sheet.rotate(37.0, (1, 2, 3), rotate_cell=True)
    turned = update(NeighbourList(1.8), sheet)
    np.testing.assert_array_equal(*(np.sort(e.sender.reshape(4, 2)) for e in (turned, edges)))


@pytest.mark.parametrize("pbc", [(False, False, False), (True, True, False), (False, True, False)])
@pytest.mark.parametrize("apart", [7.3e3, 2e4, 1e7])
def test_fragments_that_flew_apart(apart, pbc):
    """The space between them is not searched: it took gigabytes, or was refused by matscipy."""
    pair = np.array([[0.3, 0.2, 0.1], [1.3, 0.4, 0.2]])
    positions = np.concatenate([pair, pair + [0.0, 0.0, 1.1], pair + apart, pair - 0.7 * apart])
    atoms = Atoms("C8", positions, cell=[9.0, 8.0, 7.0], pbc=pbc)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = update(NeighbourList(2.0), atoms)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    assert_edges_are_those_of_ase(found, atoms, 2.0)


def test_a_search_that_finds_no_memory_is_refused(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Failed to allocate seed array.")

    monkeypatch.setattr("mdbench.neighbours.neighbour_list", fail)
    with pytest.raises(StructureError, match=r"neighbours cannot be searched \(Failed to allocate"):
        update(NeighbourList(2.0), STRUCTURES["bulk"]())


def test_walk_with_a_skin():
    """The kept list gives the edges of a fresh one at every step."""
    rng = np.random.default_rng(5)
    atoms = STRUCTURES["triclinic"]()
    neighbours = NeighbourList(4.5, SKIN)
    for _ in range(60):
        atoms.positions += rng.normal(scale=0.05, size=(len(atoms), 3))
        assert_edges_are_those_of_ase(update(neighbours, atoms), atoms, 4.5)
    assert 3 < neighbours.num_builds < 40


def test_when_the_list_is_built_again():
    atoms = STRUCTURES["bulk"]()
    neighbours = NeighbourList(4.5, SKIN)

    def builds():
        before = neighbours.num_builds
        update(neighbours, atoms)
        return neighbours.num_builds - before

    assert builds() == 1
    assert builds() == 0
    atoms.positions[3] += [0.49 * SKIN, 0, 0]
    assert builds() == 0
    atoms.positions[3] += [0.02 * SKIN, 0, 0]
    assert builds() == 1
    atoms.set_cell(1.0001 * atoms.cell.array)
    assert builds() == 1
    atoms.pbc = [True, True, False]
    assert builds() == 1
    atoms.pop()
    assert builds() == 1
    atoms.positions[0] += atoms.cell[0]  # another image: the same edges by other shifts
    assert builds() == 1


def test_refusals():
    def refuse(text, positions, cell, pbc):
        with pytest.raises(StructureError, match=text):
            NeighbourList(3.0).update(np.array(positions), np.array(cell, dtype=float), np.array(pbc))

    cubic, periodic = 4 * np.eye(3), [True] * 3
    refuse("not finite", [[0.0, np.nan, 0.0]], cubic, periodic)
    refuse("not finite", [[0.0, 0.0, 0.0]], np.full((3, 3), np.inf), periodic)
    refuse("along cell vector 3", [[0.0, 0.0, 0.0]], np.diag([4, 4, 0]), periodic)
    refuse("no volume", [[0.0, 0.0, 0.0]], [[4, 0, 0], [0, 4, 0], [4, 4, 0]], periodic)
    refuse("no volume", [[0.0, 0.0, 0.0]], [[4, 0, 0], [8, 0, 0], [0, 0, 4]], [True, True, False])


def test_a_list_kept_through_a_refusal():
    """A NaN between two steps leaves the list as it was."""
    atoms = STRUCTURES["bulk"]()
    neighbours = NeighbourList(4.5, SKIN)
    update(neighbours, atoms)
    with pytest.raises(StructureError):
        neighbours.update(np.full_like(atoms.positions, np.nan), atoms.cell.array, atoms.pbc)
    assert_edges_are_those_of_ase(update(neighbours, atoms), atoms, 4.5)
