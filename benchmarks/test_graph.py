"""Graphs in this process, timed: python -m pytest benchmarks/test_graph.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_vs_peers import jittered, structure

from mdbench import _core
from mdbench.core import GraphArrays
from mdbench.neighbours import NeighbourList

CUTOFFS_ANG = [4.5, 6.0]


@pytest.fixture(params=CUTOFFS_ANG, ids=lambda c: f"{c} A")
def cutoff_ang(request: pytest.FixtureRequest) -> float:
    """Of the bundled model and of MACE-MP-0."""
    return float(request.param)


def with_images(cutoff_ang: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The interface's atoms and their images within reach: positions, species, owners."""
    atoms = structure()
    lengths = atoms.cell.lengths()
    cells = [np.arange(-n, n + 1) for n in np.ceil(cutoff_ang / lengths).astype(int)]
    shifts = np.stack(np.meshgrid(*cells, indexing="ij"), -1).reshape(-1, 3)
    shifts = shifts[np.lexsort((np.abs(shifts).sum(axis=1),))]  # the atoms themselves first
    positions = (atoms.positions + (shifts @ atoms.cell.array)[:, None]).reshape(-1, 3)
    count = len(shifts)
    inside = np.all((positions > -cutoff_ang) & (positions < lengths + cutoff_ang), axis=1)
    inside[: len(atoms)] = True
    species = np.tile(np.unique(atoms.numbers, return_inverse=True)[1], count)
    owner = np.tile(np.arange(len(atoms)), count)
    return positions[inside], species[inside].astype(np.int32), owner[inside].astype(np.int32)


def test_candidates(benchmark: Any, cutoff_ang: float) -> None:  # noqa: ANN401
    """What LAMMPS's neighbour build costs the pair style."""
    positions, species, owner = with_images(cutoff_ang + 1.0)
    builder = _core.GraphBuilder(cutoff_ang, 2)
    benchmark(builder.rebuild, len(structure()), positions, species, owner, 1.0)


def test_edges(benchmark: Any, cutoff_ang: float) -> None:  # noqa: ANN401
    """What every step costs it."""
    positions, species, owner = with_images(cutoff_ang + 1.0)
    builder = _core.GraphBuilder(cutoff_ang, 2)
    builder.rebuild(len(structure()), positions, species, owner, 1.0)
    benchmark(builder.update, positions)


def test_neighbour_list(benchmark: Any, cutoff_ang: float) -> None:  # noqa: ANN401
    """A step of the calculator for ASE with a list that is kept."""
    atoms, neighbours = structure(), NeighbourList(cutoff_ang, 0.5)
    moved = jittered(atoms.positions, 0)
    neighbours.update(atoms.positions, atoms.cell.array, atoms.pbc)
    benchmark(neighbours.update, moved, atoms.cell.array, atoms.pbc)


def test_from_atoms(benchmark: Any, cutoff_ang: float) -> None:  # noqa: ANN401
    """All edges anew, by the neighbour library."""
    benchmark(GraphArrays.from_atoms, structure(), [1, 6, 8], cutoff_ang)
