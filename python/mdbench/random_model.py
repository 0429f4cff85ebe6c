"""MACE models of well-known shapes with random weights: part of the worker.

A step's time depends on the shape alone. The readout is scaled down so that forces are small: atoms
then fly on nearly straight, where random forces would tear a structure apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

# e3nn loads only after mace has relaxed torch.load
from mace import modules
from mace.modules.models import o3

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

HIDDEN = {"small": "128x0e", "medium": "128x0e+128x1o"}
"""Of the shapes of MACE-MP-0b3: both r_max 6 A, max_ell 3, correlation 3, two layers."""

_SEED = 5
_FORCE_EV_ANG = 0.05


def make(shape: str, elements: list[int], atoms: Atoms, path: Path) -> None:
    """Write a model in double precision.

    Args:
        shape: A key of ``HIDDEN``.
        elements: Atomic numbers that it knows.
        atoms: Structure in which its forces become small.
        path: File to write.
    """
    torch.set_default_dtype(torch.float64)
    model = _model(shape, sorted(elements))
    rms = _rms_force(model, atoms)
    with torch.no_grad():
        model.scale_shift.scale *= _FORCE_EV_ANG / rms
    torch.save(model, path)


def _model(shape: str, elements: list[int]) -> Any:  # noqa: ANN401 - mace has no types
    torch.manual_seed(_SEED)
    energies = -np.random.default_rng(_SEED).uniform(1, 9, size=(1, len(elements)))
    return modules.ScaleShiftMACE(
        r_max=6.0,
        num_bessel=10,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls_first=modules.RealAgnosticDensityInteractionBlock,
        interaction_cls=modules.RealAgnosticDensityResidualInteractionBlock,
        num_interactions=2,
        num_elements=len(elements),
        hidden_irreps=o3.Irreps(HIDDEN[shape]),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=energies,
        avg_num_neighbors=61.0,
        atomic_numbers=elements,
        correlation=3,
        gate=torch.nn.functional.silu,
        radial_type="bessel",
        distance_transform="Agnesi",
        pair_repulsion=True,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
        heads=["Default"],
    )


def _rms_force(model: Any, atoms: Atoms) -> float:  # noqa: ANN401
    from mdbench.ase_evaluator import Frame  # noqa: PLC0415 - only here
    from mdbench.python_models import TorchMace  # noqa: PLC0415

    evaluator = TorchMace(model, "e3nn", "cpu", None, 0.0)
    frame = Frame(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    forces = evaluator.evaluate(frame, virial=False).forces
    for parameter in model.parameters():
        parameter.requires_grad = True
    return float(np.sqrt(np.square(forces).mean()))
