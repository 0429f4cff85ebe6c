"""LAMMPS against mace-torch's own calculator."""

import numpy as np
import pytest
from support import STATES, STRUCTURES

from mdbench.engine import single_point
from mdbench.verify import python_points

NAMES = list(STRUCTURES)
CASES = [("bundled", None), ("medium", None), ("two_heads", "pbe"), ("two_heads", "r2scan"),
         ("gated", "spice"), ("charged", None), ("charged_single", None),
         ("charged_heads", "r2scan")]


@pytest.fixture(scope="module")
def reference(models):
    """Results of the Python model, one process a model and precision."""
    known = {}

    def look_up(name, head, dtype):
        key = (name, head, dtype)
        if key not in known:
            frames = [STRUCTURES[s]() for s in NAMES]
            points = python_points(models[name], frames, dtype=dtype, head=head,
                                   state=STATES.get(name))
            known[key] = dict(zip(NAMES, points, strict=True))
        return known[key]

    return look_up


KINDS = ["pt", "mace"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("structure", NAMES)
@pytest.mark.parametrize(("name", "head"), CASES)
def test_double_precision(models, reference, name, head, structure, kind):
    atoms = STRUCTURES[structure]()
    expected = reference(name, head, "float64")[structure]
    style = "precision double" + (f" head {head}" if head else "")
    found = single_point(atoms, models[f"{name}.{kind}"], style)
    assert abs(found.energy - expected.energy) / len(atoms) < 1e-9
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-8, rtol=0)
    if atoms.pbc.all():
        np.testing.assert_allclose(found.virial, expected.virial, atol=1e-8 * len(atoms), rtol=0)


@pytest.mark.parametrize(("kind", "precision"),
                         [("pt", "single"), ("mace", "single"), ("mace", "mixed")])
@pytest.mark.parametrize("structure", NAMES)
@pytest.mark.parametrize(("name", "head"), CASES[:3])
def test_single_precision(models, reference, name, head, structure, kind, precision):
    atoms = STRUCTURES[structure]()
    expected = reference(name, head, "float64")[structure]
    style = f"precision {precision}" + (f" head {head}" if head else "")
    found = single_point(atoms, models[f"{name}.{kind}"], style)
    assert abs(found.energy - expected.energy) / len(atoms) < 5e-4
    np.testing.assert_allclose(found.forces, expected.forces, atol=5e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_heads_differ(models, kind):
    atoms = STRUCTURES["bulk"]()
    energies = {h: single_point(atoms, models[f"two_heads.{kind}"], f"head {h}").energy
                for h in ("pbe", "r2scan")}
    assert abs(energies["pbe"] - energies["r2scan"]) > 1e-3


def test_file_precision_is_the_default(models):
    atoms = STRUCTURES["bulk"]()
    single = single_point(atoms, models["bundled-single.pt"])
    double = single_point(atoms, models["bundled-single.pt"], "precision double")
    again = single_point(atoms, models["bundled.pt"])
    assert double.energy == pytest.approx(again.energy, abs=1e-9)
    assert 0 < np.abs(single.forces - double.forces).max() < 5e-4
    native = {p: single_point(atoms, models["bundled.mace"], p and f"precision {p}").energy
              for p in ("", "single", "double")}
    assert native[""] == native["single"] != native["double"]


def test_native_single_precision_is_as_exact_as_that_of_mace(models, reference):
    """Relative error of the forces against double precision, at most twice mace-torch's own."""
    for name in ("bundled", "medium"):
        exact, found, python = [], [], []
        for structure in NAMES:
            atoms = STRUCTURES[structure]()
            exact.append(reference(name, None, "float64")[structure].forces)
            python.append(reference(name, None, "float32")[structure].forces)
            found.append(single_point(atoms, models[f"{name}.mace"], "precision single").forces)
        exact, found, python = (np.concatenate(f) for f in (exact, found, python))
        error = {k: np.linalg.norm(f - exact) for k, f in (("native", found), ("python", python))}
        print(name, {k: v / np.linalg.norm(exact) for k, v in error.items()})
        assert error["native"] < 2 * error["python"]
