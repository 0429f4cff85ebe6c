"""Per-atom virials by mace-torch. Usage: python atomic_virials.py MODEL FRAME OUT.npy"""

import sys

import numpy as np
import torch
from ase.io import read
from mace.calculators import MACECalculator

model, frame, out = sys.argv[1:]
atoms = read(frame)
calculator = MACECalculator(
    model_paths=model, device="cpu", default_dtype="float64", compute_atomic_stresses=True
)
atoms.calc = calculator
batch = calculator._atoms_to_batch(atoms)  # noqa: SLF001 - the calculator divides by the volume
batch = calculator._clone_batch(batch)  # noqa: SLF001
result = calculator.models[0](
    batch.to_dict(), compute_stress=True, compute_edge_forces=True, compute_atomic_stresses=True
)
np.save(out, result["atomic_virials"].detach().numpy())
assert torch.isfinite(result["atomic_virials"]).all()
