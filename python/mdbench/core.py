"""The C++ core on NumPy arrays and ASE structures: graphs in, energies and gradients out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from mdbench.errors import StructureError
from mdbench.neighbours import Edges, NeighbourList

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from mdbench._core import Evaluator


DEFAULT_STATE = {"charge": 0, "spin": 1}
"""Of all atoms together, for models that take them: in e, and 2S + 1, as in mace-torch."""


@dataclass(frozen=True)
class GraphArrays:
    """A neighbourhood graph, as ``plugin/evaluator/graph.hpp`` describes it."""

    species: NDArray[np.int32]  # [nodes]
    first_edge: NDArray[np.int64]  # [nodes + 1]
    sender: NDArray[np.int32]  # [edges]
    edge_vector: NDArray[np.float64]  # [edges, 3] Angstrom
    num_local: int

    @classmethod
    def from_lists(cls, lists: dict[str, Any]) -> GraphArrays:
        """Build from plain lists of the same names."""
        return cls(
            np.array(lists["species"], dtype=np.int32),
            np.array(lists["first_edge"], dtype=np.int64),
            np.array(lists["sender"], dtype=np.int32),
            np.array(lists["edge_vector"], dtype=np.float64).reshape(-1, 3),
            lists["num_local"],
        )

    @classmethod
    def from_edges(cls, species: NDArray[np.int32], edges: Edges) -> GraphArrays:
        """A graph whose nodes are all local."""
        return cls(species, edges.first_edge, edges.sender, edges.vector, len(species))

    @classmethod
    def from_atoms(cls, atoms: Atoms, atomic_numbers: list[int], cutoff_ang: float) -> GraphArrays:
        """The graph of an ASE structure, periodic as the structure is.

        Raises:
            StructureError: for elements that the model lacks, and what has no neighbour list.
        """
        species = species_of(atoms.numbers, atomic_numbers)
        edges = NeighbourList(cutoff_ang).update(atoms.positions, atoms.cell.array, atoms.pbc)
        return cls.from_edges(species, edges)

    @property
    def receiver(self) -> NDArray[np.int64]:
        """[edges] node that receives."""
        return np.repeat(np.arange(len(self.species)), np.diff(self.first_edge))

    def sum_over_received(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums [..., nodes] of values [..., edges] over the edges that each node receives."""
        sums = np.zeros((*values.shape[:-1], len(self.species)))
        rows = np.flatnonzero(np.diff(self.first_edge))  # reduceat has no empty sums
        if len(rows):
            sums[..., rows] = np.add.reduceat(values, self.first_edge[rows], axis=-1)
        return sums

    def sum_over_sent(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums [rows, nodes] of values [rows, edges] over the edges that each node sends."""
        nodes = len(self.species)
        return np.array([np.bincount(self.sender, row, minlength=nodes) for row in values])


def species_of(numbers: NDArray[np.int64], atomic_numbers: list[int]) -> NDArray[np.int32]:
    """The model's index of each atom's element.

    Raises:
        StructureError: naming the elements that the model lacks.
    """
    known = np.full(len(chemical_symbols), -1, dtype=np.int32)
    known[atomic_numbers] = np.arange(len(atomic_numbers))
    species: NDArray[np.int32] = known[numbers]
    if species.min(initial=0) < 0:
        missing = ", ".join(chemical_symbols[z] for z in np.unique(numbers[species < 0]))
        has = ", ".join(chemical_symbols[z] for z in sorted(atomic_numbers))
        raise StructureError(f"the structure holds {missing}; the model knows only {has}")
    return species


@dataclass(frozen=True)
class PointResult:
    """One structure evaluated: eV, eV/A, and the virial -dE/dstrain in eV (3 x 3)."""

    energy: float
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]


def evaluate_arrays(
    evaluator: Evaluator, arrays: GraphArrays
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Site energies [num_local] (eV) and edge gradients [edges, 3] (eV/A)."""
    energy, gradient, _ = evaluator.evaluate(
        arrays.species, arrays.first_edge, arrays.sender, arrays.edge_vector, arrays.num_local
    )
    return energy, gradient


def forces_of(graph: GraphArrays, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Forces [nodes, 3] (eV/A) from edge gradients [edges, 3]."""
    rows = np.ascontiguousarray(gradient.T)
    return np.ascontiguousarray((graph.sum_over_received(rows) - graph.sum_over_sent(rows)).T)


def virial_of(graph: GraphArrays, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Virial -dE/dstrain [3, 3] (eV) from edge gradients [edges, 3]."""
    return -graph.edge_vector.T @ gradient


def atomic_virials_of(graph: GraphArrays, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric virials [nodes, 3, 3] (eV) from edge gradients [edges, 3].

    Half of an edge's virial goes to each of its ends, as in mace-torch.
    """
    first, second = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
    r, g = np.ascontiguousarray(graph.edge_vector.T), np.ascontiguousarray(gradient.T)
    halves = -0.25 * (r[first] * g[second] + r[second] * g[first])
    virials = np.empty((len(graph.species), 3, 3))
    virials[:, first, second] = (graph.sum_over_received(halves) + graph.sum_over_sent(halves)).T
    virials[:, second, first] = virials[:, first, second]
    return virials


def evaluate_atoms(evaluator: Evaluator, atoms: Atoms) -> PointResult:
    """Energy, forces and virial of an ASE structure.

    Raises:
        StructureError: for elements that the model lacks, and what has no neighbour list.
    """
    info = evaluator.info
    graph = GraphArrays.from_atoms(atoms, info["atomic_numbers"], info["cutoff_ang"])
    energy, gradient = evaluate_arrays(evaluator, graph)
    return PointResult(float(energy.sum()), forces_of(graph, gradient), virial_of(graph, gradient))
