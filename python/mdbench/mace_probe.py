"""Structures on which a converted file is compared with its model. Part of the worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ase import Atoms

from mdbench.core import GraphArrays


def probe_structure(numbers: list[int]) -> Any:  # noqa: ANN401
    """A small sheared, rattled crystal of the model's first elements."""
    kinds = [numbers[i % len(numbers)] for i in range(12)]
    cell = np.array([[5.2, 0.0, 0.0], [0.9, 5.0, 0.0], [-0.7, 1.1, 7.9]])
    grid = np.stack(np.meshgrid([0, 0.5], [0, 0.5], [0, 1 / 3, 2 / 3]), axis=-1).reshape(-1, 3)
    shake = np.random.default_rng(7).normal(scale=0.1, size=(12, 3))
    return Atoms(kinds, grid @ cell + shake, cell=cell, pbc=True)


def close_structure(numbers: list[int]) -> Any:  # noqa: ANN401
    """Six atoms of the model's first elements in a clash, where any pair repulsion acts."""
    kinds = [numbers[i % len(numbers)] for i in range(6)]
    corners = 0.4 * np.concatenate([np.eye(3), -np.eye(3)])  # nearest 0.57 Angstrom apart
    return Atoms(kinds, corners + np.random.default_rng(8).normal(scale=0.02, size=(6, 3)))


def probe_values(model: Any, atoms: Any, head: int) -> dict[str, Any]:  # noqa: ANN401
    """Graph, energy and edge gradients of a structure by the Python model."""
    numbers = [int(z) for z in model.atomic_numbers]
    arrays = GraphArrays.from_atoms(atoms, numbers, float(model.r_max))
    dtype = next(model.parameters()).dtype
    nodes, edges = len(arrays.species), len(arrays.sender)
    shifts = torch.tensor(-arrays.edge_vector, dtype=dtype, requires_grad=True)
    species = torch.tensor(arrays.species, dtype=torch.long)
    one_hot = torch.nn.functional.one_hot(species, len(numbers))
    out = model(
        {
            "positions": torch.zeros(nodes, 3, dtype=dtype),
            "node_attrs": one_hot.to(dtype),
            "cell": torch.zeros(3, 3, dtype=dtype),
            "edge_index": torch.tensor(np.stack([arrays.sender, arrays.receiver]).astype(np.int64)),
            "shifts": shifts,
            "unit_shifts": torch.zeros(edges, 3, dtype=dtype),
            "batch": torch.zeros(nodes, dtype=torch.long),
            "ptr": torch.tensor([0, nodes]),
            "head": torch.tensor([head]),
        },
        compute_force=False,
    )
    energy = out["node_energy"].double().sum()
    (gradient,) = torch.autograd.grad([energy], [shifts])
    return {
        "species": arrays.species.tolist(),
        "first_edge": arrays.first_edge.tolist(),
        "sender": arrays.sender.tolist(),
        "edge_vector": arrays.edge_vector.tolist(),
        "num_local": arrays.num_local,
        "energy": float(energy),
        "node_energy": out["node_energy"].tolist(),
        "edge_gradient": (-gradient.double().numpy()).tolist(),
    }


def head_probes(model: Any, elements: list[int], head: int) -> list[dict[str, Any]]:  # noqa: ANN401
    """What a converted file is compared with."""
    structures = (probe_structure(elements), close_structure(elements))
    return [probe_values(model, atoms, head) for atoms in structures]
