"""The C++ core on NumPy arrays and ASE structures: graphs in, energies and gradients out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.neighborlist import neighbor_list

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from mdbench._core import Evaluator


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
    def from_atoms(cls, atoms: Atoms, atomic_numbers: list[int], cutoff_ang: float) -> GraphArrays:
        """The graph of an ASE structure, periodic as the structure is."""
        receiver, sender, vector = neighbor_list("ijD", atoms, cutoff_ang)
        order = np.argsort(receiver, kind="stable")
        counts = np.bincount(receiver, minlength=len(atoms))
        index = {z: k for k, z in enumerate(atomic_numbers)}
        return cls(
            np.array([index[z] for z in atoms.numbers], dtype=np.int32),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            sender[order].astype(np.int32),
            np.ascontiguousarray(vector[order]),
            len(atoms),
        )

    @property
    def receiver(self) -> NDArray[np.int64]:
        """[edges] node that receives."""
        return np.repeat(np.arange(len(self.species)), np.diff(self.first_edge))


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


def evaluate_atoms(evaluator: Evaluator, atoms: Atoms) -> PointResult:
    """Energy, forces and virial of an ASE structure."""
    info = evaluator.info
    arrays = GraphArrays.from_atoms(atoms, info["atomic_numbers"], info["cutoff_ang"])
    energy, gradient = evaluate_arrays(evaluator, arrays)
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, arrays.receiver, gradient)
    np.add.at(forces, arrays.sender, -gradient)
    return PointResult(float(energy.sum()), forces, -arrays.edge_vector.T @ gradient)
