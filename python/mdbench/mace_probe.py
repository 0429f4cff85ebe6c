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


def _inputs(model: Any, arrays: GraphArrays, head: int) -> dict[str, Any]:  # noqa: ANN401
    """What mace-torch's models take: a graph whose positions are all in its shifts."""
    like = next(model.parameters())
    nodes, edges = len(arrays.species), len(arrays.sender)
    ends = np.stack([arrays.sender, arrays.receiver]).astype(np.int64)
    kinds = torch.as_tensor(arrays.species.astype(np.int64), device=like.device)
    return {
        "positions": like.new_zeros(nodes, 3),
        "node_attrs": torch.nn.functional.one_hot(kinds, len(model.atomic_numbers)).to(like),
        "cell": like.new_zeros(3, 3),
        "edge_index": torch.as_tensor(ends, device=like.device),
        "shifts": like.new_tensor(-arrays.edge_vector),
        "unit_shifts": like.new_zeros(edges, 3),
        "batch": torch.zeros(nodes, dtype=torch.long, device=like.device),
        "ptr": torch.tensor([0, nodes], device=like.device),
        "head": torch.tensor([head], device=like.device),
    }


def _graph(model: Any, atoms: Atoms) -> GraphArrays:  # noqa: ANN401
    return GraphArrays.from_atoms(atoms, [int(z) for z in model.atomic_numbers], float(model.r_max))


def probe_energy(model: Any, head: int, features: dict[str, Any]) -> float:  # noqa: ANN401
    """Total energy (eV) of the probe structure, given what a model embeds besides elements."""
    graph = _graph(model, probe_structure([int(z) for z in model.atomic_numbers]))
    out = model({**_inputs(model, graph, head), **features}, compute_force=False)
    return float(out["energy"])


def probe_values(model: Any, atoms: Any, head: int) -> dict[str, Any]:  # noqa: ANN401
    """Graph, energy and edge gradients of a structure by the Python model."""
    arrays = _graph(model, atoms)
    inputs = _inputs(model, arrays, head)
    shifts = inputs["shifts"].requires_grad_()
    out = model(inputs, compute_force=False)
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
