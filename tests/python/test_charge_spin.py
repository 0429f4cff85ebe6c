"""Models that take the charge and the spin of all atoms together."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support import BIN, BUNDLED, ROOT, STATES, STRUCTURES, output_of

from mdbench.calculator import MACECalculator
from mdbench.check.potential import problems_of_model
from mdbench.core import evaluate_atoms
from mdbench.errors import ModelError, Refused, StructureError
from mdbench.mace_state import fix_state, other_inputs
from mdbench.model import convert, inspect, load_evaluator, metadata
from mdbench.spec import RunSpec
from mdbench.subject import MaceModel
from mdbench.systems import build
from mdbench.verify import python_points, verify


def specification(**sections):
    return RunSpec.model_validate({"system": {"builder": "water", "num_water": 8}, **sections})


# Energies and forces of every model as it is and with its state in the weights, as mace computes.
FOLDED = """
import sys, torch
from mace import data
from mace.tools import torch_geometric
from mdbench.mace_state import fix_state
from support import STATES, STRUCTURES

def outputs(model, state):
    dtype = next(model.parameters()).dtype
    torch.set_default_dtype(dtype)
    properties = {f"total_{name}": value for name, value in state.items()}
    atoms = STRUCTURES["bulk"]()
    found = []
    for head in model.heads:
        config = data.Configuration(atoms.numbers, atoms.positions, {}, {}, cell=atoms.cell.array,
                                    pbc=(True,) * 3, head=head)
        config.properties = properties
        table = data.utils.AtomicNumberTable([int(z) for z in model.atomic_numbers])
        graph = data.AtomicData.from_config(config, z_table=table, cutoff=float(model.r_max),
                                            heads=model.heads)
        loader = torch_geometric.dataloader.DataLoader([graph], batch_size=1)
        out = model(next(iter(loader)).to_dict())
        found += [out["energy"].detach(), out["forces"].detach().flatten()]
    return torch.cat(found)

for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    model = torch.load(path, weights_only=False)
    before, other = outputs(model, STATES[name]), outputs(model, {"charge": 5, "spin": 1})
    kind = next(model.parameters()).dtype
    held = fix_state(model, STATES[name], path)
    after = outputs(model, held)
    size = before.abs().max()
    print(name, float((after - before).abs().max() / size), float((other - before).abs().max()),
          next(model.parameters()).dtype == kind, hasattr(model, "embedding_readout"))
"""


def test_weights_with_the_state_give_what_the_model_gives(models):
    files = [str(part) for name in STATES for part in (name, models[name])]
    rows = output_of(sys.executable, "-W", "ignore", "-c", FOLDED, *files,
                     cwd=ROOT / "tests").split("\n")
    found = {row.split()[0]: row.split()[1:] for row in rows if row.startswith("charged")}
    assert set(found) == set(STATES)
    for name, (difference, other, *rest) in found.items():
        assert float(difference) < (2e-6 if name == "charged_single" else 1e-13), name
        assert float(other) > 1e-2, name
        assert rest == ["True", "False"]


def test_file_names_its_state_and_default_is_that_of_mace(models, tmp_path):
    for name, state in STATES.items():
        for form in ("pt", "mace"):
            assert metadata(models[f"{name}.{form}"])["state"] == state
    assert "state" not in metadata(models["two_heads.mace"])
    atoms, file = STRUCTURES["bulk"](), tmp_path / "a.mace"
    said = output_of(BIN / "mdbench", "convert", models["charged"], "-o", file, "--spin", 3)
    assert "head Default, charge 0, spin 3, sha256" in said
    (expected,) = python_points(models["charged"], [atoms], dtype="float64", state={"spin": 3})
    found = evaluate_atoms(load_evaluator(file, precision="double"), atoms)
    assert found.energy == pytest.approx(expected.energy, abs=1e-8)
    charged = load_evaluator(models["charged.mace"], precision="double")
    assert abs(evaluate_atoms(charged, atoms).energy - found.energy) > 1e-2


def test_verify_takes_them_and_a_structures_own_notes_do_not_count(models, tmp_path):
    atoms = STRUCTURES["bulk"]()
    atoms.info |= {"charge": 3, "spin": 4}
    atoms.write(tmp_path / "noted.xyz", format="extxyz")
    words = ("--charge", -1, "--spin", 2, "--json", "-s", tmp_path / "noted.xyz")
    checks = json.loads(output_of(BIN / "mdbench", "verify", models["charged"], *words))
    assert len(checks) == 8
    assert all(check["passed"] for check in checks)
    with pytest.raises(ModelError, match="leave charge and spin out, it has them"):
        verify(models["charged"], lammps_file=models["charged.mace"], state={"charge": 1})


def test_run_converts_for_those_of_the_specification(models, tmp_path):
    spec = specification(model={"file": str(models["charged"]), "charge": -1, "spin": 2})
    manifest = MaceModel(models["charged"]).write(spec, STRUCTURES["bulk"](), tmp_path)
    assert manifest["state"] == STATES["charged"] == metadata(tmp_path / "model.mace")["state"]


def test_check_compares_those_of_the_specification_with_a_converted_file(models):
    path, water = models["charged.mace"], STRUCTURES["bulk"]()  # 10 electrons a molecule

    def problems(path=path, atoms=water, **model):
        spec = specification(model={"file": str(path), **model})
        return [(p.level, p.field, p.text) for p in problems_of_model(spec, path, atoms)]

    assert problems() == problems(charge=-1, spin=2) == []
    ((level, field, text),) = problems(charge=0)
    assert (level, field) == ("error", "model.charge")
    assert text == "the file is for charge -1: leave it out, or give the *.model file"
    ((level, field, text),) = problems(models["two_heads.mace"], head="pbe", spin=1)
    assert (level, field) == ("error", "model.spin")
    assert text.startswith("the file takes no spin")
    ((level, field, text),) = problems(atoms=water[:-1])  # without an H
    assert (level, field) == ("warning", "model.spin")


def test_notes_of_a_structure_are_compared(models, tmp_path):
    """Those of its file in a check, its info in the calculator."""
    path, water = models["charged.mace"], STRUCTURES["bulk"]()
    calculator = MACECalculator(path)
    assert calculator.state == STATES["charged"]
    for charge, says in ((-1, []), (1, ["the model is for charge -1; the structure notes 1"])):
        water.info |= {"charge": charge, "spin": 2}
        water.write(tmp_path / "water.xyz", format="extxyz")
        system = {"file": str(tmp_path / "water.xyz")}
        spec = specification(system=system, model={"file": str(path)})
        assert [p.text for p in problems_of_model(spec, path, build(spec.system))] == says
        if says:
            with pytest.raises(StructureError, match="info says charge 1, and .* is for -1"):
                calculator.get_potential_energy(water)
        else:
            assert np.isfinite(calculator.get_potential_energy(water))
    bundled = BUNDLED.with_suffix(".mace")  # which knows no charge
    spec = specification(system=system, model={"file": str(bundled)})
    assert [p.text for p in problems_of_model(spec, bundled, build(spec.system))] == [
        "the model knows no charge: that of the structure, 1, is lost"]
    # before its conversion a file does not say what it takes
    path = models["charged"]
    sha256 = inspect(path).sha256
    for given, says in (
        ({}, ["the model is converted for charge 0 if it takes one; the structure notes 1"]),
        ({"charge": 1}, ["the model is converted for spin 1 if it takes one; the structure notes 2"]),
        ({"charge": -1}, ["the model is for charge -1; the structure notes 1"]),
        ({"charge": 1, "spin": 2}, []),
    ):
        spec = specification(system=system, model={"file": str(path), "sha256": sha256, **given})
        assert [p.text for p in problems_of_model(spec, path, build(spec.system))] == says
    path = models["charged.mace"]
    spec = specification(system={**system, "supercell": [2, 1, 1]}, model={"file": str(path)})
    # a note on one of two cells says nothing of both
    assert problems_of_model(spec, path, build(spec.system)) == []


def test_a_model_that_takes_none_refuses_them(tmp_path):
    with pytest.raises(ModelError, match="'.*graphene-water.model' takes no charge: leave it out"):
        convert(BUNDLED, tmp_path / "a.mace", state={"charge": 1})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("state", "text"), [
    ({"spin": 1}, "'a.model' takes no spin: leave it out"),
    ({"charge": -101}, "'a.model' has no charge -101: it has -100 to 100"),
    ({"charge": 101}, "'a.model' has no charge 101: it has -100 to 100"),
])
def test_what_a_model_does_not_take_is_refused(state, text):
    classes = {"type": "categorical", "per": "graph", "num_classes": 201, "offset": 100}
    model = SimpleNamespace(joint_embedding=None, embedding_specs={"total_charge": classes})
    with pytest.raises(Refused, match=text):
        fix_state(model, state, "a.model")


def test_other_inputs_are_refused_by_name():
    specs = {"total_spin": {"per": "graph"}, "elec_temp": {"per": "graph"},
             "total_charge": {"per": "node"}}
    model = SimpleNamespace(joint_embedding=None, embedding_specs=specs)
    assert other_inputs(model) == ["elec_temp", "total_charge"]
    assert other_inputs(SimpleNamespace()) == []


def test_embedding_of_an_unknown_kind_is_refused():
    model = torch.nn.Module()
    model.node_embedding = torch.nn.Module()
    model.node_embedding.linear = torch.nn.Linear(2, 4)
    model.joint_embedding = torch.nn.Identity()
    model.joint_embedding.forward = lambda _batch, _features: torch.zeros(1, 4).double()
    model.embedding_specs = {"total_charge": {"type": "continuous", "per": "graph"}}
    model.atomic_numbers = [1, 8]
    with pytest.raises(Refused, match="an embedding that is not mace-torch's own"):
        fix_state(model, {}, "odd.model")


ENGINE = """
import json, sys
from pathlib import Path
from support import STATES, STRUCTURES
from mdbench.ase_evaluator import Frame
from mdbench.errors import ModelError
from mdbench.python_models import open_model

atoms = STRUCTURES["bulk"]()
frame = Frame(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
path = Path(sys.argv[1])
model = open_model(path, precision="double", device="cpu", state=STATES["charged"])
found = model.evaluate(frame, virial=True)
try:
    open_model(path, state={"charge": 1000})
except ModelError as problem:
    print(json.dumps([found.energy, found.forces.tolist(), str(problem)]))
"""


def test_python_engine_takes_them(models):
    answer = output_of(sys.executable, "-W", "ignore", "-c", ENGINE, str(models["charged"]),
                       cwd=ROOT / "tests")
    energy, forces, problem = json.loads(answer.strip().split("\n")[-1])
    native = load_evaluator(models["charged.mace"], precision="double")
    expected = evaluate_atoms(native, STRUCTURES["bulk"]())
    assert energy == pytest.approx(expected.energy, abs=1e-8)
    np.testing.assert_allclose(forces, expected.forces, atol=1e-7)
    assert "has no charge 1000" in problem


ELSEWHERE = """
import sys, torch
from mdbench.errors import Refused
from mdbench.mace_state import fix_state

model = torch.load(sys.argv[1], weights_only=False)
forward = model.forward

def changed(data, **options):
    out = forward(data, **options)
    return {**out, "energy": out["energy"] + 1e-6 * data.get("total_charge", 0)}

model.forward = changed
try:
    fix_state(model, {"charge": 3}, "later.model")
except Refused as reason:
    print(reason)
"""


def test_a_model_that_uses_them_elsewhere_too_is_refused(models):
    said = output_of(sys.executable, "-W", "ignore", "-c", ELSEWHERE, models["charged"])
    assert "'later.model' uses its charge and spin in another way" in said
    assert "changes by 3.0e-06 eV" in said
