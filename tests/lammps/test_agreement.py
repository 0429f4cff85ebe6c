"""LAMMPS against mace-torch's own calculator."""

import numpy as np
import pytest
from support import STRUCTURES

from mdbench.engine import single_point
from mdbench.verify import python_points

NAMES = list(STRUCTURES)
CASES = [("bundled", None), ("medium", None), ("two_heads", "pbe"), ("two_heads", "r2scan")]


@pytest.fixture(scope="module")
def reference(models):
    """Results of the Python model, one process a model and precision."""
    known = {}

    def look_up(name, head, dtype):
        key = (name, head, dtype)
        if key not in known:
            frames = [STRUCTURES[s]() for s in NAMES]
            points = python_points(models[name], frames, dtype=dtype, head=head)
            known[key] = dict(zip(NAMES, points, strict=True))
        return known[key]

    return look_up


@pytest.mark.parametrize("structure", NAMES)
@pytest.mark.parametrize(("name", "head"), CASES)
def test_double_precision(models, reference, name, head, structure):
    atoms = STRUCTURES[structure]()
    expected = reference(name, head, "float64")[structure]
    style = "precision double" + (f" head {head}" if head else "")
    found = single_point(atoms, models[f"{name}.pt"], style)
    assert abs(found.energy - expected.energy) / len(atoms) < 1e-9
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-8, rtol=0)
    if atoms.pbc.all():
        np.testing.assert_allclose(found.virial, expected.virial, atol=1e-8 * len(atoms), rtol=0)


@pytest.mark.parametrize("structure", NAMES)
@pytest.mark.parametrize(("name", "head"), CASES[:3])
def test_single_precision(models, reference, name, head, structure):
    atoms = STRUCTURES[structure]()
    expected = reference(name, head, "float64")[structure]
    style = "precision single" + (f" head {head}" if head else "")
    found = single_point(atoms, models[f"{name}.pt"], style)
    assert abs(found.energy - expected.energy) / len(atoms) < 5e-4
    np.testing.assert_allclose(found.forces, expected.forces, atol=5e-4, rtol=0)


def test_heads_differ(models):
    atoms = STRUCTURES["bulk"]()
    energies = {h: single_point(atoms, models["two_heads.pt"], f"head {h}").energy
                for h in ("pbe", "r2scan")}
    assert abs(energies["pbe"] - energies["r2scan"]) > 1e-3


def test_file_precision_is_the_default(models):
    atoms = STRUCTURES["bulk"]()
    single = single_point(atoms, models["bundled-single.pt"])
    double = single_point(atoms, models["bundled-single.pt"], "precision double")
    again = single_point(atoms, models["bundled.pt"])
    assert double.energy == pytest.approx(again.energy, abs=1e-9)
    assert 0 < np.abs(single.forces - double.forces).max() < 5e-4
