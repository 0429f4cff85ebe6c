"""From RBMD to a specification and back, and the other way: nothing that acts gets lost."""

import math
import shutil
from dataclasses import replace

import classical
import numpy as np
import pytest
from rbmd_inputs import cases, changed, moving, put

from mdbench.engine import potentials_folder
from mdbench.molecules.data_file import read_molecules
from mdbench.rbmd.control import Block
from mdbench.rbmd.control_file import read_control
from mdbench.molecules.eam_file import read_funcfl
from mdbench.rbmd.export import export
from mdbench.rbmd.importer import import_case
from mdbench.run_folder import sha256_of
from mdbench.spec import RunSpec

ENGINES = ("rbmd-2.2", "rbmd-2.0")
COPPER = potentials_folder() / "Cu_u3.eam"
EXECUTION, NEIGHBOR = "execution", "hyper_parameters.neighbor"
CHARGES, EXTEND = "hyper_parameters.coulomb", "hyper_parameters.extend"

NPT = {f"{EXECUTION}.ensemble": "NPT"}
BERENDSEN = {f"{EXECUTION}.temp_ctrl_type": "BERENDSEN", f"{EXECUTION}.press_ctrl_type": "BERENDSEN"}
RBL = {f"{NEIGHBOR}.type": "RBL"}
EWALD = {f"{CHARGES}.type": "EWALD", f"{CHARGES}.kmax": [5, 6, 7]}
SCALED = {f"{EXTEND}.special_bonds": [0, 0, 1]}
VACF = {"interval": 2, "start_step": 0, "end_step": 400}

# name of the case, changes, dialects
THERE = [
    ("lj", {}, ENGINES),
    ("lj", NPT, ENGINES),
    ("lj", NPT | BERENDSEN, ENGINES[:1]),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "BERENDSEN"}, ENGINES),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "TEMP_RESCALE"}, ENGINES[:1]),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "RESCALE"}, ENGINES[1:]),
    ("lj", {f"{EXECUTION}.ensemble": "NVE"}, ENGINES[1:]),
    ("lj", RBL | {f"{EXECUTION}.timestep": 1 / 3, f"{EXECUTION}.temperature": [1 / 7, 1 / 7, 77.7]},
     ENGINES),
    ("ions", EWALD, ENGINES),
    ("ions", NPT | {f"{EXECUTION}.timestep": 0.0007, f"{EXECUTION}.pressure": [3.3, 3.3, .7, 17.3]},
     ENGINES),
    ("ions", NPT | BERENDSEN | {f"{NEIGHBOR}.skin": 0.7}, ENGINES[1:]),
    ("water", {}, ENGINES),
    ("water", EWALD | RBL | NPT, ENGINES),
    ("rigid water", {}, ENGINES),
    ("chains", SCALED, ENGINES),
    ("chains", {f"{CHARGES}.accuracy": 1e-6}, ENGINES[1:]),
    ("eam", {f"{NEIGHBOR}.cut_off": read_funcfl(COPPER).cutoff_ang}, ENGINES),
    ("lj", {"outputs.vacf_out": VACF, "outputs.msd_out": VACF | {"interval": 20}}, ENGINES),
]


def flat(block, prefix=""):
    found = {}
    for name in type(block).model_fields:
        value = getattr(block, name)
        if isinstance(value, Block):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[prefix + name] = value
    return found


def that_acts(control):
    """What decides on the dynamics and on when something is written."""
    keys = flat(control)
    idle = {"velocity_type", "velocity_seed", "energy_rbe_flag", "energy_rbl_flag", "accuracy",
            "file", "potential_file", "model_file", "start_step", "end_step", "group"}
    kind = keys["execution.ensemble"]
    if kind != "NPT":
        idle |= {"pressure", "press_ctrl_type"}
    if kind == "NVE":
        idle |= {"temperature", "temp_ctrl_type"}
    if keys["hyper_parameters.neighbor.type"] != "RBL":
        idle |= {"r_core", "neighbor_sample_num"}
    if keys.get("hyper_parameters.coulomb.type") == "EWALD":
        idle |= {"coulomb_sample_num"}
    else:  # vectors are drawn
        idle |= {"kmax"}
    if not keys.get("hyper_parameters.extend.fix_shake"):
        idle |= {"fix_shake"}
    if "BERENDSEN" not in keys.get("execution.press_ctrl_type", ""):
        keys["execution.pressure"] = keys.get("execution.pressure", ())[:3]
    return {k: v for k, v in keys.items() if k.rpartition(".")[2] not in idle}


def same(one, other):
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-15, abs_tol=0)
    return one == other


def assert_same_system(before, after):
    """Coordinates to 1e-12 of the box, everything else to the bit."""
    assert np.abs(after.unwrapped() - before.unwrapped()).max() < 1e-12
    for name in ("low", "high", "types", "charges", "molecules", "velocities"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), name)
    assert (after.masses, after.labels) == (before.masses, before.labels)
    assert after.pair_coefficients == before.pair_coefficients
    for name in {*before.terms, *after.terms}:
        np.testing.assert_array_equal(after.of(name).kinds, before.of(name).kinds)
        np.testing.assert_array_equal(after.of(name).atoms, before.of(name).atoms)
        if len(before.of(name).kinds):
            assert after.of(name).coefficients == before.of(name).coefficients


def in_dialect(data, engine):
    """With the keys that only one of the lines needs."""
    if engine == "rbmd-2.2":
        return data
    data = changed(data, {f"{EXECUTION}.integration_type": "vv"})
    if data["execution"]["temp_ctrl_type"] == "NOSE_HOOVER" and (
            data["execution"]["ensemble"] != "NVE"):
        data["execution"]["momentum_control"] = {"interval": 1000, "linear": [1, 1, 1]}
    if data["hyper_parameters"]["neighbor"]["type"] != "RBL":
        data["hyper_parameters"]["neighbor"]["type"] = "Verlet-List"
    return data


@pytest.mark.parametrize(("name", "changes", "engine"), [
    (name, changes, engine) for name, changes, engines in THERE for engine in engines])
def test_there_and_back(tmp_path, name, changes, engine):
    """RBMD's inputs, a specification, RBMD's inputs."""
    data, system = cases()[name]
    if engine == "rbmd-2.2" and "improper" in system.terms:
        system = replace(system, terms={n: t for n, t in system.terms.items() if n != "improper"})
        del data["hyper_parameters"]["force_field"]["improper_type"]
    path = put(tmp_path / "in", in_dialect(changed(data, changes), engine), moving(system))
    shutil.copy(COPPER, tmp_path / "in")
    made = import_case(path, tmp_path / "spec")
    (folder,) = export(made.spec, engine, tmp_path / "out")
    before = that_acts(read_control(path).control)
    after = that_acts(read_control(folder / "rbmd.json").control)
    assert {k for k in before if not same(before[k], after.get(k))} == set()
    assert {k: v for k, v in after.items() if k not in before} == {}
    units = made.spec.force_field.units
    assert_same_system(read_molecules(path.parent / "system.data", units),
                       read_molecules(folder / "rbmd.data", units))
    if name == "eam":
        assert (folder / "potential.eam").read_bytes() == COPPER.read_bytes()
    again = import_case(folder / "rbmd.json", tmp_path / "again").spec
    assert of_dynamics(again) == of_dynamics(made.spec)


def of_dynamics(spec):
    """All of a specification that RBMD can hold."""
    data = spec.model_dump()
    plan = spec.plan()
    data["plan"] = (plan.total, plan.thermo, plan.frames, plan.velocities)
    for section, keys in (
        ("system", ("file", "supercell")), ("model", ("file",)), ("output", None),
        ("force_field", ("potential_file", "accuracy")),
        ("analysis", ("diffusion", "viscosity", "profile", "sheet"))):
        for key in keys or list(data[section]):
            data[section].pop(key, None)
    for key in ("equilibration", "production", "segment", "velocities", "seed", "minimize"):
        data["run"].pop(key, None)
    if spec.rbmd.coulomb != "ewald":
        data["force_field"].pop("kmax", None)
    if not spec.force_field.has_charges:
        for key in ("coulomb", "coulomb_samples", "rbsog_level"):
            data["rbmd"].pop(key, None)
    if spec.rbmd.neighbor != "rbl":
        data["rbmd"].pop("core", None)
        data["rbmd"].pop("neighbor_samples", None)
    if spec.ensemble.kind != "npt":
        for key in ("pressure", "pdamp", "barostat", "bulk_modulus"):
            data["ensemble"].pop(key, None)
    if spec.ensemble.kind == "nve":
        data["ensemble"].pop("temperature")
    if spec.rbmd.coulomb == "ewald":
        data["rbmd"].pop("coulomb_samples", None)
    del data["name"]
    return data


WATER = {"kind": "cvff", "cutoff": "6 A", "alpha": "0.2 1/A2"}
BATH = {"temperature": 301.5, "tdamp": "83 fs"}
BARO = {"kind": "npt", "pressure": "1.7 bar", "pdamp": "910 fs", **BATH}
SPECS = {
    "lj": (classical.argon, {"kind": "lj", "cutoff": "8.5 A"}, {"ensemble": BATH}),
    "lj-metal": (lambda: classical.argon(units="metal"),
                 {"kind": "lj", "cutoff": "8.5 A", "units": "metal"},
                 {"ensemble": BARO, "rbmd": {"neighbor": "rbl", "core": "4.1 A"}}),
    "ions": (classical.salt, {"kind": "lj-coulomb", "cutoff": "6 A", "units": "metal",
                              "alpha": "0.19 1/A2", "kspace": "ewald", "kmax": [5, 6, 7]},
             {"ensemble": {**BARO, "barostat": "berendsen", "thermostat": "berendsen",
                           "bulk_modulus": "1.7 GPa"}, "rbmd": {"coulomb": "ewald"}}),
    "water": (classical.water, WATER, {
        "ensemble": {**BATH, "thermostat": "berendsen"},
        "rbmd": {"coulomb_samples": 77, "neighbor": "rbl", "core": "3.1 A",
                 "neighbor_samples": 33, "reports": ["rdf", "msd", "vacf"]},
        "analysis": {"rdf": ["O-O", "O-H"], "rdf_range": "5 A"},
        "output": {"velocities": "4 fs"}}),
    "rigid": (lambda: classical.water(angle_deg=classical.RIGID_ANGLE_DEG, r0=1.0),
              {**WATER, "shake": True}, {"ensemble": {**BATH, "thermostat": "rescale"}}),
    "copies": (lambda: classical.water(8, 6.3), WATER, {"ensemble": BATH}),
    "eam": (classical.copper, {"kind": "eam", "units": "metal", "potential_file": str(COPPER)},
            {"ensemble": BATH}),
}
ONLY_20 = {
    "chains": (lambda: classical.chains("opls", "cvff"),
               {**WATER, "special_bonds": [0, 0.25, 0.5], "dihedral": "opls", "improper": "cvff"},
               {"ensemble": BATH, "rbmd": {"skin": "0.7 A"}}),
    "nve": (classical.argon, {"kind": "lj", "cutoff": "8.5 A"}, {"ensemble": {"kind": "nve"}}),
    "rbsog": (classical.water, {"kind": "cvff", "cutoff": "6 A"},
              {"ensemble": BATH, "rbmd": {"coulomb": "rbsog", "rbsog_level": 3}}),
}
RUN = {"minimize": False, "timestep": "0.7 fs", "equilibration": "0 fs", "production": "140 fs"}


@pytest.mark.parametrize(("engine", "name"), [
    *((e, n) for e in ENGINES for n in SPECS), *((ENGINES[1], n) for n in ONLY_20)])
def test_back_and_there(tmp_path, engine, name):
    """A specification, RBMD's inputs, a specification."""
    system, field, more = (SPECS | ONLY_20)[name]
    given = moving(system(), 301.5)
    path = classical.write(tmp_path, given)
    copies = {"supercell": [2, 2, 2]} if name == "copies" else {}
    output = {"thermo": "7 fs", "frames": "14 fs"} | more.get("output", {})
    spec = RunSpec.model_validate({
        "system": {"file": str(path), **copies}, "force_field": field,
        "run": {**RUN, "velocities": "file"}, **more, "output": output})
    (folder,) = export(spec, engine, tmp_path / "out")
    made = import_case(folder / "rbmd.json", tmp_path / "spec")
    assert made.notes == () or spec.rbmd.neighbor == "rbl"
    before, after = of_dynamics(spec), of_dynamics(made.spec)
    differing = {f"{s}.{k}" for s in before if isinstance(before[s], dict) for k in before[s]
                 if not same(before[s][k], after[s].get(k))}
    assert differing == set()
    assert before["plan"] == after["plan"]
    assert made.spec.run.velocities == "file"
    units = spec.force_field.units
    expected = given.repeat((2, 2, 2)) if copies else given
    assert_same_system(expected, read_molecules(tmp_path / "spec/structure.data", units))


def test_models(tmp_path, models):
    """RBMD's MACE inputs, a specification, RBMD's inputs; and again."""
    atoms = replace(classical.water(64, 12.4171), atom_style="atomic", terms={},
                    pair_coefficients=(), masses=(15.999, 1.008))
    data, _ = cases()["lj"]
    data = in_dialect(changed(data, {
        "hyper_parameters.force_field": {"type": "MACE", "model_file": "water.model-lammps.pt"},
        f"{EXECUTION}.timestep": 0.5, f"{NEIGHBOR}.cut_off": 4.5}), "rbmd-2.0")
    path = put(tmp_path / "in", data, moving(atoms))
    shutil.copy(models["bundled.pt"], tmp_path / "in/water.model-lammps.pt")
    made = import_case(path, tmp_path / "spec")
    assert made.spec.model.precision == "double"
    (folder,) = export(made.spec, "rbmd-2.0", tmp_path / "out")
    assert sha256_of(folder / "model-lammps.pt") == sha256_of(models["bundled.pt"])
    before, after = (that_acts(read_control(p).control) for p in (path, folder / "rbmd.json"))
    assert {k for k in before if not same(before[k], after.get(k))} == set()
    assert {k: v for k, v in after.items() if k not in before} == {}
    start, end = (read_molecules(p, "real") for p in (
        path.parent / "system.data", folder / "rbmd.data"))
    away = end.positions - start.positions
    assert np.abs(away - start.lengths * np.round(away / start.lengths)).max() < 1e-12
    np.testing.assert_array_equal(end.types, start.types)
    np.testing.assert_allclose(end.velocities, start.velocities, rtol=1e-9)
    again = import_case(folder / "rbmd.json", tmp_path / "again").spec
    assert again.model.sha256 == made.spec.model.sha256
    assert of_dynamics(again) == of_dynamics(made.spec)
