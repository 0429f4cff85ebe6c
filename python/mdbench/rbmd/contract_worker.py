"""RBMD's call of a MACE model, made in a process of its own: TorchScript files are code.

RBMD's MACE branch loads a ``*-lammps.pt`` file and calls ``forward(tensors, mask, False)`` with the
eleven tensors of :func:`call_arrays`. Usage as :mod:`mdbench.mace_worker`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from mdbench.errors import Refused
from mdbench.mace_worker import serve
from mdbench.neighbours import find_pairs
from mdbench.rbmd.masses import elements_of_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

R2_TOLERANCE_ANG2 = 1e-4
"""RBMD leaves out pairs whose squared distance is this close to zero or to the cutoff's."""

ATTRIBUTES = ("r_max", "num_interactions", "atomic_numbers")


def edges(positions: Floats, lengths: Floats, cutoff_ang: float) -> tuple[Integers, Floats]:
    """RBMD's edges: every image of every atom within the cutoff, both ways.

    Args:
        positions: [atoms, 3] Angstrom.
        lengths: [3] Angstrom, of an orthogonal periodic box.
        cutoff_ang: Angstrom.

    Returns:
        Atoms i and j [2, edges] and whole boxes [edges, 3] that j is shifted by: the vector is
        ``positions[j] + shift * lengths - positions[i]``.
    """
    i, j, image = find_pairs(positions, np.diag(lengths), np.ones(3, dtype=bool), cutoff_ang)
    shift = image.astype(np.float64)
    vector = positions[j] + shift * lengths - positions[i]
    r2 = np.einsum("ea,ea->e", vector, vector)
    kept = (r2 > R2_TOLERANCE_ANG2) & (r2 < cutoff_ang**2 - R2_TOLERANCE_ANG2)
    return np.stack([i[kept], j[kept]]).astype(np.int64), shift[kept]


def call_arrays(
    positions: Floats, lengths: Floats, species: Integers, num_elements: int, cutoff_ang: float
) -> dict[str, NDArray[Any]]:
    """The eleven arrays that RBMD passes; ``energy``, ``forces`` and ``weight`` are fillers.

    Args:
        positions: [atoms, 3] Angstrom.
        lengths: [3] Angstrom, of an orthogonal periodic box.
        species: [atoms] the model's index of each atom's element.
        num_elements: That the model knows.
        cutoff_ang: The model's r_max.
    """
    count = len(positions)
    edge_index, unit_shifts = edges(positions, lengths, cutoff_ang)
    return {
        "batch": np.zeros(count, dtype=np.int64),
        "cell": np.diag(lengths),
        "edge_index": edge_index,
        "energy": np.zeros(1),
        "forces": np.zeros((count, 3)),
        "node_attrs": np.eye(num_elements)[species],
        "positions": positions,
        "ptr": np.array([0, count], dtype=np.int64),
        "shifts": unit_shifts * lengths,
        "unit_shifts": unit_shifts,
        "weight": np.ones(1),
    }


def load(path: str) -> Any:  # noqa: ANN401 - torch has no types here
    """Open a TorchScript file that RBMD can use.

    Raises:
        Refused: when it cannot.
    """
    try:
        import torch
    except ImportError:
        raise Refused("torch is not installed: pip install 'mdbench[torchscript]'") from None
    try:
        model = torch.jit.load(path, map_location="cpu")
    except Exception as problem:  # noqa: BLE001 - torch raises anything
        raise Refused(f"'{path}': torch cannot open it as TorchScript: {_line(problem)}") from None
    missing = [name for name in ATTRIBUTES if not hasattr(model, name)]
    if missing:
        raise Refused(
            f"'{path}' has no {missing[0]}, which RBMD reads: give a file that 'mdbench convert' "
            "wrote"
        )
    weights = [*model.parameters(), *model.buffers()]
    kinds = {str(t.dtype).removeprefix("torch.") for t in weights if t.is_floating_point()}
    if kinds - {"float64"}:
        raise Refused(
            f"'{path}' holds {min(kinds)} weights and RBMD passes float64: convert the model with "
            "'mdbench convert NAME.model -o NAME-lammps.pt --dtype float64'"
        )
    return model


def _line(problem: Exception) -> str:
    """The last line of an error: torch puts the stack first."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines or [type(problem).__name__])[-1].removeprefix("RuntimeError: ")


def _elements(model: Any, path: str) -> list[str]:  # noqa: ANN401
    numbers = [int(z) for z in model.atomic_numbers]
    wrong = [z for z in numbers if not 0 < z < len(chemical_symbols)]
    if wrong or not numbers:
        raise Refused(f"'{path}' has {wrong or 'nothing'} for atomic numbers: it is no MACE model")
    return [chemical_symbols[z] for z in numbers]


def _cutoff(model: Any, path: str) -> float:  # noqa: ANN401
    cutoff_ang = float(model.r_max)
    if not np.sqrt(R2_TOLERANCE_ANG2) < cutoff_ang < np.inf:
        raise Refused(f"'{path}' has r_max = {cutoff_ang}: it is no MACE model")
    return cutoff_ang


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Elements and cutoff of a model."""
    path = request["model"]
    model = load(path)
    return {"elements": _elements(model, path), "cutoff_ang": _cutoff(model, path)}


def evaluate(request: dict[str, Any]) -> dict[str, Any]:
    """RBMD's energy (eV), site energies (eV) and forces (eV/A) of one structure."""
    model = load(request["model"])
    import torch

    elements, cutoff_ang = _elements(model, request["model"]), _cutoff(model, request["model"])
    found = elements_of_types(request["masses_u"], request["elements"], elements)
    species_of_type = np.array([elements.index(t.element) for t in found])
    arrays = call_arrays(
        np.array(request["positions"]),
        np.array(request["lengths"]),
        species_of_type[request["types"]],
        len(elements),
        cutoff_ang,
    )
    tensors = {key: torch.from_numpy(np.ascontiguousarray(a)) for key, a in arrays.items()}
    count = len(arrays["positions"])
    try:
        out = model(tensors, torch.ones(count, dtype=torch.bool), False)  # noqa: FBT003 - as RBMD
    except Exception as problem:  # noqa: BLE001 - TorchScript raises anything
        raise Refused(f"'{request['model']}' fails in RBMD's call: {_line(problem)}") from None
    shapes = {"total_energy_local": (1,), "forces": (count, 3), "node_energy": (count,)}
    answer = {key: _output(out, key, shape, request["model"]) for key, shape in shapes.items()}
    return {
        **answer,
        "types": [asdict(t) for t in found],
        "num_edges": arrays["edge_index"].shape[1],
        "cutoff_ang": cutoff_ang,
        "num_interactions": int(model.num_interactions),
    }


def _output(out: Any, key: str, shape: Sequence[int], path: str) -> Any:  # noqa: ANN401
    """What the model answers under a key, as lists.

    Raises:
        Refused: when it is not there as RBMD reads it.
    """
    value = out.get(key) if isinstance(out, dict) else None
    if value is None or str(value.dtype) != "torch.float64" or tuple(value.shape) != tuple(shape):
        raise Refused(f"'{path}' does not answer RBMD's call with '{key}', float64 {list(shape)}")
    return value.detach().tolist()


if __name__ == "__main__":
    serve({"describe": describe, "evaluate": evaluate})
