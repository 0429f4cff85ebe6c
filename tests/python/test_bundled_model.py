"""What the bundled model's card says, bound to the files it speaks of."""

import json
import lzma

import numpy as np
from ase.io import read
from support import BUNDLED, BUNDLED_LAMMPS, ROOT

from mdbench.core import evaluate_atoms
from mdbench.model import inspect, load_evaluator
from models.native_reference import NativeModel

RESULT = json.loads((ROOT / "benchmarks/results/graphene_water_model.json").read_text())
CARD = (BUNDLED.parent / "README.md").read_text()


def test_dynamics_agree_with_the_reference_force_field():
    model, reference = RESULT["model"], RESULT["reference"]
    assert RESULT["model_sha256"] == inspect(BUNDLED.with_suffix(".mace")).sha256
    assert RESULT["steps"] >= 200000
    assert abs(model["oo_first_peak_ang"] - reference["oo_first_peak_ang"]) < 0.05
    assert abs(model["contact_ang"] - reference["contact_ang"]) < 0.1
    # a hole at the sheet would not show in the peaks
    assert abs(model["closest_oxygen_ang"] - reference["closest_oxygen_ang"]) < 0.3
    assert model["temperature_max_k"] < 450


def test_native_file_is_the_conversion_of_the_model(models):
    committed, fresh = (NativeModel(p) for p in (BUNDLED.with_suffix(".mace"), models["bundled.mace"]))
    assert committed.checksum_holds
    assert committed.metadata["source_sha256"] == inspect(BUNDLED).sha256
    assert committed.tensors.keys() == fresh.tensors.keys()
    for name, values in committed.tensors.items():
        np.testing.assert_allclose(values, fresh.tensors[name], rtol=1e-12, atol=1e-14)


def test_errors_on_the_test_set_are_those_of_the_card(tmp_path):
    path = tmp_path / "test.xyz"
    path.write_bytes(lzma.decompress((BUNDLED.parent / "test.xyz.xz").read_bytes()))
    evaluator = load_evaluator(BUNDLED_LAMMPS)
    squares = {}
    for atoms in read(path, ":"):
        found = evaluate_atoms(evaluator, atoms)
        stress = -found.virial[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] / atoms.get_volume()
        errors = (
            (found.energy - atoms.info["REF_energy"]) / len(atoms),
            found.forces - atoms.arrays["REF_forces"],
            stress - atoms.info["REF_stress"],
        )
        squares.setdefault(atoms.info["config_type"], []).append([(e**2).ravel() for e in errors])
    for kind, frames in squares.items():
        row = next(line for line in CARD.splitlines() if line.startswith(f"| {kind} |")).split("|")
        rms = [1000 * np.sqrt(np.concatenate(of_all).mean()) for of_all in zip(*frames)]
        card = [float(row[column]) for column in (2, 3, 5)]
        assert np.all(np.abs(np.subtract(rms, card)) < (0.1, 0.1, 0.01)), kind
    assert len(squares) == 14
