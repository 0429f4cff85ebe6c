"""RBMD's inputs as specifications: what they say, what is refused, how LAMMPS runs them."""

import json
import math
import random
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from classical import argon, chains, copper, salt, water, write
from hostile import HOSTILE
from rbmd_inputs import REMOVE, as_people_write, cases, changed, moving, put
from support import BUNDLED_LAMMPS
from typer.testing import CliRunner

from mdbench.check import examine
from mdbench.classical_input import force_field_commands
from mdbench.cli import app
from mdbench.engine import open_lammps, potentials_folder
from mdbench.errors import MdbenchError, SettingError, SpecError
from mdbench.json_text import read_json_text
from mdbench.molecules.data_file import read_molecules
from mdbench.molecules.load import load_molecules
from mdbench.rbmd.control_file import read_control
from mdbench.rbmd.import_checks import refusals
from mdbench.rbmd.import_settings import settings
from mdbench.rbmd.importer import import_case
from mdbench.rbmd.lj_scale import LjScale, parse_scale
from mdbench.rbmd.mace import as_system
from mdbench.run_folder import sha256_of
from mdbench.spec_file import load_spec
from mdbench.subject import load_subject
from mdbench.systems import build

CASES = cases()
EXECUTION, HYPER = "execution", "hyper_parameters"
READ, FIELD = "init_configuration.read_data", "hyper_parameters.force_field"
NEIGHBOR, CHARGES = "hyper_parameters.neighbor", "hyper_parameters.coulomb"


def inputs(tmp_path, name, changes=(), system=None):
    data, usual = CASES[name]
    path = put(tmp_path / "in", changed(data, dict(changes)), moving(system or usual))
    if name == "eam":
        shutil.copy(potentials_folder() / "Cu_u3.eam", tmp_path / "in")
    return path


def imported(tmp_path, name, changes=(), system=None, **options):
    return import_case(inputs(tmp_path, name, changes, system), tmp_path / "out", **options)


def refusal(tmp_path, path, **options):
    """The lines of the error, without the folder; nothing is left behind."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MdbenchError) as caught:
        import_case(path, tmp_path / "out", **options)
    assert sorted(tmp_path.rglob("*")) == before
    lines = str(caught.value).replace(f"{tmp_path}/in/", "").split("\n")
    assert all(line.isprintable() and "pydantic" not in line for line in lines)
    return lines


def line_of(path, dotted):
    """Line of a key, or of the nearest above it."""
    return read_json_text(path).line(dotted)


# ---- what is said


def test_a_file_as_people_write_it(tmp_path):
    path = inputs(tmp_path, "water")
    data, _ = CASES["water"]
    path.write_bytes(as_people_write(data))
    made = import_case(path, tmp_path / "out")
    spec = made.spec
    field = spec.force_field
    assert (field.kind, field.units, field.cutoff_ang) == ("cvff", "real", 5.5)
    assert (field.alpha_per_ang2, field.kspace, field.kmax) == (0.21, "pppm", None)
    assert field.special_bonds == (0, 0, 0)
    assert not field.shake
    held = spec.ensemble
    assert (held.kind, held.temperature_k, held.tdamp_fs) == ("nvt", (298.0,), 50.0)
    assert (held.thermostat, held.pressure_bar) == ("nose-hoover", 1.0)
    run = spec.run
    assert (run.timestep_fs, run.equilibration_fs, run.minimize) == (0.5, 0.0, False)
    assert run.velocities == "file"
    plan = spec.plan()
    assert (plan.total, plan.thermo, plan.frames, plan.velocities) == (400, 10, 20, None)
    chosen = spec.rbmd
    assert (chosen.neighbor, chosen.core_ang, chosen.neighbor_samples) == ("verlet", 3.0, 50)
    assert (chosen.coulomb, chosen.coulomb_samples) == ("rbe", 120)
    assert made.notes == ()
    assert made.num_atoms == 192
    assert spec.name == "rbmd"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["run.toml", "structure.data"]
    assert load_spec(tmp_path / "out/run.toml").spec == spec


@pytest.mark.parametrize("name", CASES)
def test_the_structure_keeps_every_number(tmp_path, name):
    made = imported(tmp_path, name)
    units = made.spec.force_field.units
    before = read_molecules(tmp_path / "in/system.data", units)
    after = read_molecules(tmp_path / "out/structure.data", units)
    for key in ("low", "high", "types", "positions", "charges", "molecules", "images",
                "velocities"):
        assert np.array_equal(getattr(before, key), getattr(after, key)), key
    assert before.masses == after.masses
    assert before.pair_coefficients == after.pair_coefficients
    for term in before.terms:
        assert np.array_equal(before.of(term).atoms, after.of(term).atoms)
        assert np.array_equal(before.of(term).kinds, after.of(term).kinds)
        assert before.of(term).coefficients == after.of(term).coefficients
    loaded = load_molecules(made.spec.system, made.spec.force_field)
    assert loaded.elements == CASES[name][1].labels


@pytest.mark.parametrize(("name", "changes", "expected"), [
    ("lj", {f"{EXECUTION}.ensemble": "nve", f"{EXECUTION}.temp_ctrl_type": REMOVE},
     {"ensemble.kind": "nve", "ensemble.temperature_k": (85.0,)}),
    ("lj", {f"{EXECUTION}.ensemble": "NVE", f"{EXECUTION}.temperature": REMOVE},
     {"ensemble.kind": "nve", "ensemble.temperature_k": (298.0,)}),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "Temp_Rescale"}, {"ensemble.thermostat": "rescale"}),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "RESCALE"}, {"ensemble.thermostat": "rescale"}),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "langevin"}, {"ensemble.thermostat": "langevin"}),
    ("lj", {f"{EXECUTION}.temp_ctrl_type": "BERENDSEN"}, {"ensemble.thermostat": "berendsen"}),
    ("lj", {f"{EXECUTION}.ensemble": "NPT", f"{EXECUTION}.pressure": [2.5, 2.5, 700.0]},
     {"ensemble.kind": "npt", "ensemble.barostat": "nose-hoover", "ensemble.pdamp_fs": 700.0,
      "ensemble.pressure_bar": 2.5 * 1.01325, "ensemble.coupling": "iso"}),
    ("lj", {f"{EXECUTION}.ensemble": "NPT", f"{EXECUTION}.pressure": [2.5, 2.5, 700.0, 9000.0]},
     {"ensemble.barostat": "nose-hoover", "ensemble.bulk_modulus_bar": 22_000.0}),
    ("ions", {f"{EXECUTION}.ensemble": "NPT", f"{EXECUTION}.press_ctrl_type": "BERENDSEN"},
     {"ensemble.barostat": "berendsen", "ensemble.bulk_modulus_bar": 21000.0,
      "ensemble.pdamp_fs": 1000.0, "ensemble.pressure_bar": 1.0, "run.timestep_fs": 1.0,
      "ensemble.tdamp_fs": 100.0}),
    ("water", {f"{NEIGHBOR}.type": "RBL", f"{CHARGES}.type": "EWALD", f"{NEIGHBOR}.skin": 1.5},
     {"rbmd.neighbor": "rbl", "rbmd.skin_ang": 1.5, "rbmd.coulomb": "ewald",
      "force_field.kspace": "ewald", "force_field.kmax": (7, 7, 7)}),
    ("water", {f"{CHARGES}.type": "EWALD", f"{CHARGES}.kmax": [4, 5, 6],
               f"{CHARGES}.alpha": REMOVE, f"{CHARGES}.accuracy": 1e-6},
     {"force_field.kmax": (4, 5, 6), "force_field.accuracy": 1e-6,
      "force_field.alpha_per_ang2": None}),
    ("ions", {f"{CHARGES}.type": "rbsog", f"{CHARGES}.rbsog_level": 4, f"{CHARGES}.alpha": REMOVE},
     {"rbmd.coulomb": "rbsog", "rbmd.rbsog_level": 4}),
    ("water", {f"{HYPER}.extend": {"fix_shake": True, "special_bonds": [0, 0.5, 1]}},
     {"force_field.shake": True, "force_field.special_bonds": (0, 0.5, 1)}),
    ("chains", {f"{FIELD}.improper_type": "harmonic"},
     {"force_field.improper": "harmonic", "force_field.dihedral": "harmonic"}),
    ("lj", {f"{NEIGHBOR}.type": "VERLET-LIST"}, {"rbmd.neighbor": "verlet"}),
    ("lj", {f"{READ}.replicate": [2, 1, 3]}, {"system.supercell": (2, 1, 3)}),
    ("lj", {f"{READ}.replicate_dims": [2, 1, 3]}, {"system.supercell": (2, 1, 3)}),
    ("lj", {"outputs.vacf_out": {"interval": 2, "start_step": 0, "end_step": 400}},
     {"output.velocities_fs": 4.0, "rbmd.reports": ("vacf",)}),
    ("lj", {"outputs.msd_out": {"interval": 2, "start_step": 0, "end_step": 400}},
     {"output.velocities_fs": None, "rbmd.reports": ("msd",)}),
])
def test_settings(tmp_path, name, changes, expected):
    spec = imported(tmp_path, name, changes).spec
    for dotted, value in expected.items():
        section, key = dotted.split(".")
        assert getattr(getattr(spec, section), key) == value, dotted


def test_numbers_come_back(tmp_path):
    """Conversions there and back give the same number to the last digits."""
    rng = random.Random(3)
    for k in range(40):
        name = rng.choice(["lj", "ions"])
        temperature, pressure = rng.uniform(1, 2000), rng.uniform(-9, 900)
        steps, every = rng.randint(1, 3000), rng.randint(1, 50)
        values = [rng.uniform(1e-4, 5e-3) for _ in range(3)]
        if name == "lj":
            values = [v * 1000 for v in values]
        dt, damp, pdamp = values
        changes = {f"{EXECUTION}.timestep": dt, f"{EXECUTION}.num_steps": steps * every,
                   f"{EXECUTION}.temperature": [temperature, temperature, damp],
                   f"{EXECUTION}.pressure": [pressure, pressure, pdamp, 3.3],
                   f"{EXECUTION}.press_ctrl_type": "BERENDSEN",
                   f"{EXECUTION}.ensemble": "NPT", "outputs.trajectory_out.interval": every,
                   "outputs.thermo_out.interval": rng.randint(1, 99)}
        path = inputs(tmp_path / str(k), name, changes)
        spec = import_case(path, tmp_path / f"{k}/out").spec
        time_fs, bar = (1, 1.01325) if name == "lj" else (1000, 1)
        for value, expected in ((spec.run.timestep_fs / time_fs, dt),
                                (spec.ensemble.tdamp_fs / time_fs, damp),
                                (spec.ensemble.pdamp_fs / time_fs, pdamp),
                                (spec.ensemble.pressure_bar / bar, pressure),
                                (spec.ensemble.bulk_modulus_bar / bar, 3.3)):
            assert math.isclose(value, expected, rel_tol=1e-15), (value, expected)
        assert spec.ensemble.temperature_k == (temperature,)
        plan = spec.plan()
        assert (plan.total, plan.frames) == (steps * every, every)
        assert plan.thermo == changes["outputs.thermo_out.interval"]


@pytest.mark.parametrize(("steps", "every", "total", "frames", "note"), [
    (1000, 300, 1200, 300, "is no multiple of the 300 steps between frames: 1200 steps are run"),
    (70, 300, 70, 70, "is more than num_steps: a frame is written after 70 steps"),
    (2_000_000_000, 1, 2_000_000_000, 1, None),
    (1_999_999_999, 1, 1_999_999_999, 1, None),
    (1_234_567, None, 1_234_567, 9721, "a frame every 9721 steps"),
    (1_000_003, None, 1_000_100, 10_001, "1000100 steps are run"),
    (7, None, 7, 1, "its damping time is longer than the run, which 'mdbench run' refuses"),
    (1000, None, 1000, 10, "RBMD writes no trajectory; mdbench writes a frame every 10 steps"),
    (1000, False, 1000, 10, "RBMD writes no trajectory"),
])
def test_lengths(tmp_path, steps, every, total, frames, note):
    """As many steps as RBMD makes, exactly, unless frames do not fit."""
    outputs = {"interval": 7, "enabled": False} if every is False else {"interval": every}
    made = imported(tmp_path, "lj", {
        f"{EXECUTION}.num_steps": steps, f"{EXECUTION}.timestep": 0.7,
        "outputs.trajectory_out": outputs if every is not None else REMOVE})
    plan = made.spec.plan()
    assert plan.total == total
    assert plan.frames == frames
    assert note is None or any(note in text for text in made.notes)


def test_velocities(tmp_path):
    """Those of the file come first; else what the control file asks for."""
    _, system = CASES["lj"]
    seeded = {f"{READ}.velocity_seed": 77}
    for name, changes, velocities, seed in (
        ("gauss", seeded, "new", 77), ("zero", {f"{READ}.velocity_type": "ZERO"}, "file", 1),
        ("seed", {f"{READ}.velocity_seed": -4}, "new", 1)):
        data = changed(CASES["lj"][0], changes)
        made = import_case(put(tmp_path / f"in-{name}", data, system), tmp_path / name)
        assert (made.spec.run.velocities, made.spec.run.seed) == (velocities, (seed,))
        if name == "zero":
            found = read_molecules(tmp_path / "zero/structure.data", "real").velocities
            assert found.shape == (108, 3)
            assert not found.any()
        else:
            assert any("RBMD draws velocities at 298 K, mdbench at 85 K" in n for n in made.notes)
        assert any("1 is taken" in n for n in made.notes) == (name == "seed")
    path = put(tmp_path / "in", changed(CASES["lj"][0], {f"{READ}.velocity_type": REMOVE}), system)
    (line,) = refusal(tmp_path, path)
    assert "velocity_type: is missing, and the data file has no velocities: write GAUSS" in line


@pytest.mark.parametrize(("changes", "engine", "pairs"), [
    ({}, None, ["O-O", "O-H"]),  # VERLETLIST
    ({f"{EXECUTION}.integration_type": "vv"}, None, ["H-H"]),
    ({f"{NEIGHBOR}.type": "Verlet-List"}, None, ["H-H"]),
    ({f"{NEIGHBOR}.type": "RBL", f"{NEIGHBOR}.energy_rbl_flag": "yes"}, None, ["H-H"]),
    ({f"{READ}.replicate": [1, 1, 1]}, None, ["H-H"]),
    ({}, "rbmd-2.0", ["H-H"]),
    ({f"{EXECUTION}.integration_type": "vv"}, "rbmd-2.2", ["O-O", "O-H"]),
])
def test_types_of_rdfs_count_as_in_the_dialect(tmp_path, changes, engine, pairs):
    given = [[0, 0], [0, 1], [0, 0]] if pairs[0] == "O-O" else [[2, 2]]
    rdf = {"interval": 20, "radius": 5.5, "dr": 0.05, "statistics_rdf_steps": 1,
           "atoms_pair": given}
    made = imported(tmp_path, "water", {"outputs.rdf_out": rdf, **changes}, engine=engine)
    assert made.spec.analysis.rdf == tuple(pairs)
    assert made.spec.analysis.rdf_range_ang == 5.5
    assert made.spec.rbmd.reports == ("rdf",)
    assert not any("count from" in n for n in made.notes)


NEUTRAL = {f"{NEIGHBOR}.type": "RBL", f"{FIELD}.bond_type": "HARMONIC",
           f"{EXECUTION}.pressure": [1, 1, 500], f"{CHARGES}.kmax": [7, 7, 7]}
"""What both dialects read."""


@pytest.mark.parametrize(("given", "pairs", "note"), [
    ([[1, 1]], ["H-H"], "types are taken to count from 0, as in rbmd-2.2: else say so with --eng"),
    ([[0, 1]], ["O-H"], None),
    ([[1, 2]], ["O-H"], None),
])
def test_what_was_assumed_is_said(tmp_path, given, pairs, note):
    rdf = {"interval": 20, "radius": 5.5, "dr": 0.05, "atoms_pair": given}
    made = imported(tmp_path, "water", {"outputs.rdf_out": rdf, **NEUTRAL})
    assert made.spec.analysis.rdf == tuple(pairs)
    found = [n for n in made.notes if "count from" in n]
    assert len(found) == (note is not None)
    assert all(note in n for n in found)


def test_unknown_keys_are_noted(tmp_path):
    made = imported(tmp_path, "lj", {
        f"{EXECUTION}.speed": 9, "mystery": {}, "_comments": 1, f"{NEIGHBOR}._why": "x",
        f"{EXECUTION}.com_bias": 1, f"{NEIGHBOR}.order": 2})
    texts = [n.split(": ", 1)[1] for n in made.notes]
    about = "is not known to mdbench and has no effect"
    assert texts == [f"mystery: {about}", f"{NEIGHBOR}.order: {about}",
                     f"{EXECUTION}.speed: {about}"]
    lines = [int(n.split(":")[1]) for n in made.notes]
    path = tmp_path / "in/rbmd.json"
    assert lines == [line_of(path, t.split(":")[0]) for t in texts]


# ---- what is refused


@pytest.mark.parametrize(("name", "key", "value", "message"), [
    ("lj", f"{EXECUTION}.temperature", [90, 100, 100.0],
     "goes from 90 to 100, and mdbench has no ramps: write two equal numbers"),
    ("lj", f"{EXECUTION}.temperature", REMOVE, "is missing: NVT needs [start, end, damping time]"),
    ("lj", f"{EXECUTION}.temperature", [90, 90], "has too few values"),
    ("lj", f"{EXECUTION}.temperature", [90, 90, 0], "has the damping time 0: write one above 0"),
    ("lj", f"{EXECUTION}.temperature", [0, 0, 1], None),
    ("lj", f"{EXECUTION}.group", "water", 'mdbench moves all atoms: write "all"'),
    ("lj", f"{EXECUTION}.temp_ctrl_type", "ANDERSEN", "'ANDERSEN' is not known to mdbench: write "
     "one of BERENDSEN, NOSE_HOOVER, TEMP_RESCALE, RESCALE, LANGEVIN"),
    ("lj", f"{EXECUTION}.temp_ctrl_type", REMOVE, "is missing: write one of BERENDSEN"),
    ("lj", f"{EXECUTION}.integration_type", "bm", "'bm' is not known to mdbench"),
    ("lj", f"{EXECUTION}.num_steps", 2**31, "is more than 2147483647: make it smaller"),
    ("lj", f"{EXECUTION}.num_steps", 10**80, "is more than 2147483647: make it smaller"),
    ("lj", f"{EXECUTION}.num_steps", 0, "0 is not more than 0"),
    ("lj", f"{EXECUTION}.num_steps", "1000", "'1000' is not a number: write it without quotes"),
    ("lj", f"{EXECUTION}.num_steps", True, "True is not a number"),
    ("lj", f"{EXECUTION}.num_steps", 10.5, "10.5 is not a whole number"),
    ("lj", f"{EXECUTION}.timestep", -1, "-1 is not more than 0"),
    ("lj", f"{EXECUTION}.timestep", 50, "gives run.timestep: 50 fs is more than the 20 fs that"),
    ("lj", f"{EXECUTION}.ensemble", "NPH", "'NPH' is not one of 'NVE', 'NVT' or 'NPT'"),
    ("lj", f"{EXECUTION}.momentum_control", {"interval": 1, "angular": True},
     "mdbench takes away linear momentum only: write false"),
    ("lj", "init_configuration", {"inbuild": {"dims": [2, 2, 2]}}, "holds no structure: write a d"),
    ("lj", READ, 5, "5 is not an object: write { ... }"),
    ("lj", READ, REMOVE, "is missing"),
    ("lj", f"{READ}.unit", "LJ", "LJ: say what the units are with --lj-scale, for example --lj-s"),
    ("lj", f"{READ}.unit", "SI", "'SI' is not one of 'LJ', 'REAL' or 'METAL'"),
    ("lj", f"{READ}.file", "sub/no.data", "'sub/no.data' is no file in '"),
    ("lj", f"{READ}.file", "", "'' is no file in '"),
    ("lj", f"{READ}.file", "a\u202eb", "'a\\u202eb' holds characters that do not print"),
    ("lj", f"{READ}.file", "/dev/zero", "'/dev/zero' is no file in"),
    ("lj", f"{READ}.file", 5, "5 is not text: put it into quotes"),
    ("lj", f"{READ}.replicate", [1000, 1000, 1000], "makes more than 10,000,000 atoms, the most "),
    ("lj", f"{READ}.replicate", [10**9] * 3, "makes more than 10,000,000 atoms, the most "),
    ("lj", f"{READ}.replicate", [1, -1, -1], "[1, -1, -1]: numbers of copies are 1 or more"),
    ("lj", f"{FIELD}.type", "Tersoff", "'Tersoff' is not one of 'LJ/CUT', 'LJ/CUT/COUL/LONG', "),
    ("lj", f"{NEIGHBOR}.type", "CELL", "'CELL' is not one of 'RBL' or 'VERLETLIST'"),
    ("lj", f"{NEIGHBOR}.cut_off", 0, "0 is not more than 0"),
    ("lj", NEIGHBOR, {"type": "RBL", "cut_off": 8.0, "neighbor_sample_num": 5},
     "is missing: RBL needs the radius within which all neighbours count"),
    ("lj", NEIGHBOR, {"type": "RBL", "cut_off": 8.0, "r_core": 4.0},
     "is missing: RBL needs the number of neighbours drawn"),
    ("lj", NEIGHBOR, {"type": "RBL", "cut_off": 8.0, "r_core": 9.0, "neighbor_sample_num": 5},
     "is not less than cut_off: make it smaller"),
    ("water", CHARGES, REMOVE, "is missing: CVFF has charges"),
    ("water", f"{CHARGES}.alpha", REMOVE, "is missing: RBE needs alpha or accuracy"),
    ("water", f"{CHARGES}.coulomb_sample_num", REMOVE, "is missing: RBE needs the number of sam"),
    ("water", f"{CHARGES}.type", "PPPM", "'PPPM' is not one of 'RBE', 'EWALD' or 'RBSOG'"),
    ("water", f"{FIELD}.bond_type", REMOVE, "is missing, and the data file has bonds: give it"),
    ("water", f"{FIELD}.angle_type", "cosine", "'cosine' is not one of 'harmonic'"),
    ("water", f"{HYPER}.extend.special_bonds", [0, 0, 2], "gives force_field.special_bonds: 2"),
    ("water", f"{HYPER}.extend.fix_shake", 3, "3 is neither true nor false"),
    ("eam", f"{READ}.unit", "REAL", "is REAL, but EAM is in unit METAL: convert the data file"),
    ("eam", f"{FIELD}.potential_file", REMOVE, "is missing: name the DYNAMO funcfl file"),
    ("eam", f"{FIELD}.potential_file", "no.eam", "'no.eam' is no file in"),
    ("eam", f"{NEIGHBOR}.cut_off", 4.0, "is less than the 4.95 A of the potential, which LAMMPS"),
    ("lj", "outputs.thermo_out", REMOVE, "is missing"),
    ("lj", "outputs.thermo_out.interval", 0, "0 is no number of steps: write one from 1 to 21"),
    ("lj", "outputs.trajectory_out.interval", -5, "-5 is no number of steps"),
    ("water", "outputs.rdf_out", {"interval": 1, "radius": 5, "dr": 1, "atoms_pair": [[0, 2]]},
     "names type 2, but types count from 0 to 1, as in rbmd-2.2: mend it, or say --engine"),
])
def test_bad_values_are_refused(tmp_path, name, key, value, message):
    """One line: file, line, key, what is wrong and what to do."""
    path = inputs(tmp_path, name, {key: value})
    if message is None:
        assert refusal(tmp_path, path)[0].startswith("rbmd.json:")
        return
    (found,) = refusal(tmp_path, path)
    head, text = re.fullmatch(r"(rbmd\.json:\d+: [\w.]+): (.*)", found).groups()
    assert text.startswith(message), found
    number, dotted = head.removeprefix("rbmd.json:").split(": ")
    assert int(number) == line_of(path, dotted)
    assert dotted.startswith(key) or key.startswith(dotted.rpartition(".")[0])


def test_pressures_of_npt(tmp_path):
    for k, (changes, message) in enumerate((
        ({"pressure": REMOVE}, "is missing: NPT needs [start, end, damping time]"),
        ({"pressure": [1, 2, 100, 4]}, "goes from 1 to 2, and mdbench has no ramps"),
        ({"pressure": [1, 1]}, "has 2 values; the least is 3"),
        ({"press_ctrl_type": "MTK"}, "'MTK' is not known to mdbench: write one of BERENDSEN, NOS"),
        ({"temp_ctrl_type": "LANGEVIN"}, "gives ensemble.thermostat: "),
    )):
        data = changed(CASES["lj"][0], {f"{EXECUTION}.ensemble": "NPT", **{
            f"{EXECUTION}.{key}": value for key, value in changes.items()}})
        path = put(tmp_path / "in", data, CASES["lj"][1])
        (line,) = refusal(tmp_path, path)
        assert message in line, k
    made = imported(tmp_path, "lj", {
        f"{EXECUTION}.ensemble": "NPT", f"{EXECUTION}.press_ctrl_type": "BERENDSEN",
        f"{EXECUTION}.pressure": [1, 1, 1000]})
    assert any("no fourth number, the bulk modulus" in n for n in made.notes)


def test_all_problems_come_at_once(tmp_path):
    changes = {f"{EXECUTION}.{k}": v for k, v in (
        ("group", "x"), ("temp_ctrl_type", "x"), ("integration_type", "bm"),
        ("temperature", [1, 2, 3]))}
    lines = refusal(tmp_path, inputs(tmp_path, "lj", changes))
    assert len(lines) == 4
    numbers = [int(line.split(":")[1]) for line in lines]
    assert numbers == sorted(numbers)
    wrong = {f"{block}.{key}": "?" for block, keys in (
        (READ, ("unit", "atom_style", "velocity_type", "velocity_seed", "replicate")),
        (FIELD, ("type",)), (NEIGHBOR, ("type", "cut_off", "r_core", "neighbor_sample_num")),
        (EXECUTION, ("ensemble", "timestep", "num_steps"))) for key in keys}
    lines = refusal(tmp_path, inputs(tmp_path, "lj", wrong))
    assert len(lines) == 11
    assert lines[10] == "and 3 more"


def test_nothing_is_overwritten(tmp_path):
    path = inputs(tmp_path, "lj")
    (tmp_path / "out").mkdir()
    assert "exists already" in refusal(tmp_path, path)[0]
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("mine")
    assert "exists already" in refusal(tmp_path, path)[0]
    with pytest.raises(MdbenchError, match="no folder"):
        import_case(path, tmp_path / "out/deeper")
    made = import_case(path, tmp_path / "a/b/c")
    assert made.spec.system.file == tmp_path / "a/b/c/structure.data"
    with pytest.raises(SettingError, match="engine 'lammps' is not one of"):
        import_case(path, tmp_path / "d", engine="lammps")
    with pytest.raises(SpecError, match="No such file"):
        import_case(tmp_path / "no.json", tmp_path / "d")


@pytest.mark.parametrize(("name", "old", "new", "message"), [
    ("lj", "108 atoms", "1000000000000000000 atoms", "does not hold the 1000000000000000000 lines"),
    ("lj", "1 atom types", "1000000000000000000 atom types", "does not hold each of the 10000000"),
    ("water", "1 bond types", "1000000000000000000 bond types", "does not hold each of the 1000000"),
    ("water", "128 bonds", "999999999999 bonds", "does not hold the 999999999999 lines"),
    ("lj", "xlo xhi", "xlo", "gives no box"),
    ("lj", "Atoms # atomic", "Atoms # full", "of style full has 8 columns"),
    ("lj", "1 39.948", "1 -39.948", "holds what is no mass"),
    ("lj", "Pair Coeffs\n\n1 0.238 3.405", "", "has no section 'Pair Coeffs'"),
    ("water", "1 529.581 1.012", "1 529.581", "gives type 1 1 numbers instead of 2"),
])
def test_bad_data_files_are_refused(tmp_path, name, old, new, message):
    path = inputs(tmp_path, name)
    data = tmp_path / "in/system.data"
    text = data.read_text()
    assert old in text
    data.write_text(text.replace(old, new))
    start = time.process_time()
    (line,) = refusal(tmp_path, path)
    assert time.process_time() - start < 5
    assert message in line
    assert "system.data" in line


def test_masses_that_are_no_elements_get_a_name(tmp_path):
    system = replace(argon(3), masses=(217.5,), labels=("X",))
    made = imported(tmp_path, "lj", system=system)
    (note,) = made.notes
    assert re.search(r"atom type 1 of mass 217.5 is no element: it is called \w+$", note)
    loaded = load_molecules(made.spec.system, made.spec.force_field)
    assert loaded.system.masses == (217.5,)


# ---- files beside


def test_eam(tmp_path):
    made = imported(tmp_path, "eam")
    spec = made.spec
    assert (spec.force_field.kind, spec.force_field.units) == ("eam", "metal")
    assert spec.force_field.potential_file == tmp_path / "out/potential.eam"
    original = (potentials_folder() / "Cu_u3.eam").read_bytes()
    assert (tmp_path / "out/potential.eam").read_bytes() == original
    path = inputs(tmp_path / "two", "eam")
    text = (tmp_path / "two/in/Cu_u3.eam").read_text().replace(" 500 ", " 499 ", 1)
    (tmp_path / "two/in/Cu_u3.eam").write_text(text)
    assert "cut off or damaged" in refusal(tmp_path / "two", path)[0]


def mace_inputs(folder, model=BUNDLED_LAMMPS, system=None, changes=()):
    data, _ = CASES["lj"]
    data = changed(data, {f"{FIELD}": {"type": "MACE", "model_file": "x.model-lammps.pt"},
                          **dict(changes)})
    path = put(folder / "in", data, system or moving(replace(
        water(), atom_style="atomic", terms={}, pair_coefficients=())))
    shutil.copy(model, folder / "in/x.model-lammps.pt")
    return path


def test_mace(tmp_path):
    made = import_case(mace_inputs(tmp_path), tmp_path / "out")
    model = made.spec.model
    assert model.file == tmp_path / "out/model.pt"
    assert model.sha256 == sha256_of(BUNDLED_LAMMPS)
    assert not made.spec.is_classical
    assert any("a model file is code" in n for n in made.notes)
    before = read_molecules(tmp_path / "in/system.data", "real")
    after = read_molecules(tmp_path / "out/structure.data", "metal")
    assert np.array_equal(after.positions, before.positions)
    assert np.array_equal(after.velocities, before.velocities * 1000)
    assert after.labels == ("O", "H")
    atoms = build(made.spec.system)
    assert atoms.get_chemical_symbols() == ["O", "H", "H"] * 64
    assert np.abs(atoms.positions - before.positions).max() < 1e-12
    speed = atoms.get_velocities() * 98.22694743 / 1000  # A/fs, of ASE's units
    assert np.abs(speed - before.velocities).max() < 1e-9


def test_mace_at_rest(tmp_path):
    """What starts without velocities passes the checks of a run, and goes back to RBMD so."""
    system = replace(water(), atom_style="atomic", terms={}, pair_coefficients=())
    changes = {f"{READ}.velocity_type": "ZERO"}
    spec = import_case(mace_inputs(tmp_path, system=system, changes=changes), tmp_path / "out").spec
    assert spec.run.velocities == "file"
    subject = load_subject(spec)
    fields = [p.field for p in examine(spec, subject).errors]
    assert "run.velocities" not in fields
    assert not as_system(subject.atoms).velocities.any()
    subject.write(spec, tmp_path)
    assert not read_molecules(tmp_path / "structure.data", "metal").velocities.any()


@pytest.mark.parametrize(("changes", "masses", "message"), [
    ({f"{READ}.unit": "METAL"}, (15.999, 1.008), "is METAL, but MACE is in unit REAL: convert"),
    ({f"{FIELD}.model_file": "no.pt"}, (15.999, 1.008), "'no.pt' is no file in"),
    ({}, (15.999, 2.014), "the mass 2.014 of atom type 2 is that of no element of the model"),
    ({}, (14.007, 1.008), "the mass 14.007 of atom type 1 is that of no element of the model"),
])
def test_bad_inputs_of_mace_are_refused(tmp_path, changes, masses, message):
    system = replace(water(8, 8.0), atom_style="atomic", terms={}, pair_coefficients=(),
                     masses=masses)
    (line,) = refusal(tmp_path, mace_inputs(tmp_path, system=system, changes=changes))
    assert message in line


# ---- reduced units


def test_scales():
    argon_scale = parse_scale("Ar")
    assert parse_scale(" ar ") == argon_scale
    assert argon_scale.temperature_k == pytest.approx(119.8, rel=1e-14)
    # Rahman's unit of time is 2.156 ps; that of pressure 41.9 MPa
    assert argon_scale.time_fs == pytest.approx(2156, rel=1e-3)
    assert argon_scale.pressure_atm * 0.101325 == pytest.approx(41.9, rel=2e-3)
    scale = parse_scale("0.2381 kcal/mol,3.405 A,39.948 u")
    assert (scale.epsilon_kcal_mol, scale.sigma_ang, scale.mass_u) == (0.2381, 3.405, 39.948)
    assert parse_scale("119.8 K, 0.3405 nm, 39.948 g/mol").epsilon_kcal_mol == pytest.approx(
        argon_scale.epsilon_kcal_mol, rel=1e-15)
    assert parse_scale("1 kJ/mol,1 A,1 u").epsilon_kcal_mol == pytest.approx(1 / 4.184)
    for text, message in (("Xx", "write 'Ar', or energy"), ("1,2,3", "has no unit"),
                          ("1 eV,1 A", "write 'Ar'"), ("1 eV,1 A,0 u", "the mass 0 is not more"),
                          ("1 eV,1 s,1 u", "unit 's' is not one of"), ("", "write 'Ar'")):
        with pytest.raises(SettingError, match=re.escape(message)):
            parse_scale(text)


SCALE = LjScale(0.31, 2.7, 17.0)


def reduced(system):
    """A system whose numbers are near 1 in every unit."""
    factor = 3.0
    return replace(
        system, units="lj", low=system.low / factor, high=system.high / factor,
        positions=system.positions / factor, masses=(1.0,) * len(system.masses),
        charges=system.charges * 2.0, pair_coefficients=tuple(
            (0.5 + k, 0.9 + 0.1 * k) for k in range(len(system.masses))),
        labels=tuple("XX"[: len(system.masses)]) or system.labels,
        velocities=np.random.default_rng(1).normal(size=system.positions.shape),
        terms={name: replace(t, coefficients=tuple(
            (row[0] / 40, row[1] / factor) if name == "bond" else (row[0] / 40, *row[1:])
            for row in t.coefficients)) for name, t in system.terms.items()})


def point(commands, *, normalised=False):
    """Potential and kinetic energy, pressure and largest force of a system in LAMMPS."""
    lmp = open_lammps()
    try:
        lmp.commands_string(commands)
        lmp.commands_string("thermo_style custom pe ke press temp fmax\n"
                            f"thermo_modify norm {'yes' if normalised else 'no'}\nrun 0 post no")
        return np.array([lmp.get_thermo(k) for k in ("pe", "ke", "press", "temp", "fmax")])
    finally:
        lmp.close()


@pytest.mark.parametrize("name", ["lj", "ions", "water", "chains"])
def test_reduced_units_give_the_same_energies(tmp_path, name):
    """Single points in ``units lj`` of the original and in real units of what was made of it."""
    data, system = CASES[name]
    cutoff = 1.7
    system = reduced(replace(system, labels=("X",) * len(system.masses)))
    system = replace(system, labels=("X",) * len(system.masses))
    changes = {f"{READ}.unit": "LJ", f"{NEIGHBOR}.cut_off": cutoff, f"{NEIGHBOR}.r_core": 1.0,
               f"{EXECUTION}.timestep": 0.002, f"{EXECUTION}.temperature": [0.9, 0.9, 0.2],
               f"{EXECUTION}.ensemble": "NPT", f"{EXECUTION}.pressure": [1.5, 1.5, 2.0, 30.0],
               f"{EXECUTION}.press_ctrl_type": "BERENDSEN",
               "outputs.rdf_out": {"interval": 20, "radius": 1.5, "dr": 0.01}}
    if "coulomb" in data["hyper_parameters"]:
        changes[f"{CHARGES}.alpha"] = 2.0
        changes[f"{CHARGES}.type"] = "EWALD"
    path = put(tmp_path / "in", changed(data, changes), system)
    made = import_case(path, tmp_path / "out", scale=SCALE)
    spec = made.spec
    styles = [f"units lj\natom_style {system.atom_style}\natom_modify map yes"]
    charged = spec.force_field.has_charges
    styles.append(f"pair_style lj/cut{'/coul/long' if charged else ''} {cutoff}")
    styles += [f"{n}_style harmonic" for n in system.terms]
    if system.terms:
        styles.append("special_bonds lj/coul " + " ".join(
            map(str, changed(data, {})["hyper_parameters"]["extend"]["special_bonds"])))
    styles += [f"read_data {tmp_path / 'in/system.data'}",
               "pair_modify mix arithmetic shift no tail no table 0"]
    if charged:
        styles.append(f"kspace_style ewald 1e-5\nkspace_modify gewald {math.sqrt(2.0)!r} "
                      "kmax/ewald 7 7 7")
    before = point("\n".join(styles))
    loaded = load_molecules(spec.system, spec.force_field)
    write(tmp_path, loaded.system, "real.data")
    bare = replace(loaded.system, pair_coefficients=(), terms={
        n: replace(t, coefficients=()) for n, t in loaded.system.terms.items()})
    write(tmp_path, replace(bare, labels=loaded.elements), "real.data")
    after = point(f"units real\natom_style {spec.force_field.atom_style}\natom_modify map yes\n"
                  f"read_data {tmp_path / 'real.data'}\n"
                  + force_field_commands(spec.force_field, loaded.system)
                  + ("pair_modify table 0\n" if charged else ""))
    factors = [SCALE.epsilon_kcal_mol] * 2 + [
        SCALE.pressure_atm, SCALE.temperature_k, SCALE.epsilon_kcal_mol / SCALE.sigma_ang]
    assert after == pytest.approx(before * factors, rel=1e-10)
    held = spec.ensemble
    assert held.temperature_k[0] == pytest.approx(0.9 * SCALE.temperature_k)
    assert held.tdamp_fs == pytest.approx(0.2 * SCALE.time_fs)
    assert held.pdamp_fs == pytest.approx(2.0 * SCALE.time_fs)
    assert held.pressure_bar == pytest.approx(1.5 * SCALE.pressure_atm * 1.01325)
    assert held.bulk_modulus_bar == pytest.approx(30 * SCALE.pressure_atm * 1.01325)
    assert spec.run.timestep_fs == pytest.approx(0.002 * SCALE.time_fs)
    assert spec.rbmd.core_ang == pytest.approx(2.7)
    assert spec.analysis.rdf_range_ang == pytest.approx(1.5 * 2.7)


def test_masses_of_reduced_units(tmp_path):
    """rbmd-2.2 takes them for 1; what is not known is asked for."""
    data, system = CASES["ions"]
    system = replace(system, units="lj", masses=(1.0, 2.0), labels=("X", "X"))
    neutral = {f"{READ}.unit": "LJ", f"{NEIGHBOR}.type": "RBL", f"{EXECUTION}.timestep": 1e-3,
               f"{EXECUTION}.pressure": REMOVE, f"{CHARGES}.kmax": [5, 5, 5]}
    path = put(tmp_path / "in", changed(data, neutral), system)
    assert "say which with --engine" in refusal(tmp_path, path, scale=SCALE)[0]
    for engine, masses in (("rbmd-2.2", (17.0, 17.0)), ("rbmd-2.0", (17.0, 34.0))):
        made = import_case(path, tmp_path / engine, scale=SCALE, engine=engine)
        assert read_molecules(made.spec.system.file, "real").masses == masses
        assert any("takes all masses for 1" in n for n in made.notes) == (engine == "rbmd-2.2")
    with pytest.raises(SettingError, match="goes with unit LJ"):
        imported(tmp_path / "real", "lj", scale=SCALE)


# ---- the command


def run_cli(*words):
    done = CliRunner().invoke(app, [str(w) for w in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_command(tmp_path):
    path = inputs(tmp_path, "lj", {f"{EXECUTION}.odd": 1})
    done = run_cli("import", path, "-o", tmp_path / "a")
    assert done.stdout == (f"{tmp_path / 'a'}: 108 atoms; to run them in LAMMPS: "
                           f"mdbench run {tmp_path / 'a'}\n")
    assert done.stderr.startswith("mdbench: note: ")
    assert "execution.odd: is not known to mdbench" in done.stderr
    done = run_cli("import", path, "-o", tmp_path / "b", "--json", "--engine", "rbmd-2.0")
    about = json.loads(done.stdout)
    assert about["atoms"] == 108
    assert about["folder"] == str(tmp_path / "b")
    assert len(about["notes"]) == 1
    with pytest.raises(SettingError, match="goes with unit LJ"):
        run_cli("import", path, "-o", tmp_path / "c", "--lj-scale", "Ar")
    path = put(tmp_path / "lj", changed(CASES["lj"][0], {
        f"{READ}.unit": "LJ", f"{EXECUTION}.timestep": 0.005, f"{NEIGHBOR}.cut_off": 2.5,
        f"{NEIGHBOR}.r_core": 1.0, f"{EXECUTION}.temperature": [0.85, 0.85, 0.5]}),
        reduced(argon(3)))
    run_cli("import", path, "-o", tmp_path / "d", "--lj-scale", "Ar")
    spec = load_spec(tmp_path / "d/run.toml").spec
    assert spec.run.timestep_fs == pytest.approx(10.78, rel=1e-3)
    assert load_molecules(spec.system, spec.force_field).elements == ("Ar",)


@pytest.mark.parametrize("name", ["lj", "water", "rigid water", "eam"])
def test_imported_cases_run(tmp_path, name):
    """One command each; energies of the first step are those of the original in plain LAMMPS."""
    path = inputs(tmp_path, name, {f"{EXECUTION}.num_steps": 240})
    run_cli("import", path, "-o", tmp_path / "out")
    done = run_cli("run", tmp_path / "out", "-q")
    assert done.exit_code == 0, done.output
    spec = load_spec(tmp_path / "out/run.toml").spec
    log = min((tmp_path / "out/runs").rglob("*.log")).read_text()
    table = log.split("Step")[1].split("\n")
    names = table[0].split()
    energy = float(table[1].split()[1 + names.index("PotEng")])
    system = CASES[name][1]
    styles = [f"units {system.units}\natom_style {system.atom_style}\natom_modify map yes"]
    data, lines = CASES[name][0]["hyper_parameters"], []
    if name == "eam":
        styles.append("pair_style eam")
        lines = [f"pair_coeff * * {potentials_folder() / 'Cu_u3.eam'}"]
    elif "coulomb" in data:
        styles += ["pair_style lj/cut/coul/long 5.5",
                   "special_bonds lj/coul " + " ".join(map(str, data["extend"]["special_bonds"])),
                   *(f"{n}_style harmonic" for n in system.terms)]
        lines = ["kspace_style pppm 1e-5", f"kspace_modify gewald {math.sqrt(0.21)!r}"]
        lines += ["fix rigid all shake 1e-6 100 0 b 1 a 1"] if name == "rigid water" else []
    else:
        styles.append("pair_style lj/cut 5.5")
    expected = point("\n".join([*styles, f"read_data {path.parent / 'system.data'}", *lines,
                                "" if name == "eam" else "pair_modify mix arithmetic shift no"]))
    assert energy == pytest.approx(expected[0], rel=1e-6)
    assert spec.plan().total == 240


# ---- fuzz


def mutated(rng, text):
    """A text with pieces cut, doubled, swapped, or replaced."""
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(text) + 1)
        span = rng.choice([1, 1, 4, 40])
        piece = text[at:at + span]
        action = rng.randrange(6)
        if action == 0:
            text = text[:at] + text[at + span:]
        elif action == 1:
            text = text[:at] + piece * rng.choice([2, 9]) + text[at + span:]
        elif action == 2:
            text = text[:at] + rng.choice(HOSTILE)[:200] + text[at + span:]
        elif action == 3:
            text = text[:at] + rng.choice("{}[]\",:/*-+.0123456789eE \n\t#\x00\xff") + text[at:]
        elif action == 4:
            numbers = list(re.finditer(r"-?\d+(\.\d+)?", text))
            if numbers:
                found = rng.choice(numbers)
                new = rng.choice(["0", "-1", "1e308", "1e-308", "10000000000", "nan", "true",
                                  "1000000000000000000", "null", "[]", "\"x\"", "0.1", "2"])
                text = text[:found.start()] + new + text[found.end():]
        else:
            text = text[:at]
    return text


def test_mutated_control_files_raise_nothing_else(memory_path):
    rng = random.Random(11)
    texts = [json.dumps(data, indent=1) for data, _ in CASES.values()]
    texts.append(as_people_write(CASES["water"][0]).decode())
    path = memory_path / "rbmd.json"
    refused, start = 0, time.process_time()
    for _ in range(3000):
        path.write_text(mutated(rng, rng.choice(texts)), "utf-8", newline="")
        try:
            file = read_control(path)
            file.refuse(refusals(file.control))
            if file.control.init_configuration.read_data.unit != "LJ":
                settings(file.control, [])
        except MdbenchError as problem:
            refused += 1
            lines = str(problem).split("\n")
            assert len(lines) <= 11
            assert all(line.isprintable() for line in lines)
    assert refused > 1500
    assert time.process_time() - start < 60


def test_mutated_inputs_raise_nothing_else(tmp_path):
    """Whole imports of small systems, data files damaged too."""
    rng = random.Random(12)
    small = {"lj": argon(1), "ions": salt(), "water": water(2, 8.0), "chains": chains(),
             "eam": copper(1)}
    passed = 0
    (tmp_path / "in").mkdir()
    shutil.copy(potentials_folder() / "Cu_u3.eam", tmp_path / "in")
    for k in range(400):
        name = rng.choice(list(small))
        data, _ = CASES[name]
        path = put(tmp_path / "in", data, moving(small[name]))
        victim = tmp_path / "in/system.data" if k % 4 else path
        text = mutated(rng, victim.read_text())
        victim.write_text(text, "utf-8", newline="")
        try:
            import_case(path, tmp_path / "out")
        except MdbenchError as problem:
            assert str(problem).isprintable() or "\n" in str(problem)
            assert not (tmp_path / "out").exists()
        else:
            passed += 1
            load_spec(tmp_path / "out/run.toml")
            shutil.rmtree(tmp_path / "out")
    assert not list(tmp_path.glob(".mdbench*"))
    assert 20 < passed < 380


def test_unreadable_things(tmp_path):
    path = inputs(tmp_path, "lj")
    for made, message in ((Path("/dev/null"), "is not a file"), (tmp_path, "is a folder: name the"),
                          (Path("a\x00b"), "null"), (Path("b" * 300), "too long")):
        with pytest.raises(MdbenchError, match=message):
            import_case(made, tmp_path / "out")
    for target in ("a\x00b", "b" * 300):
        with pytest.raises(MdbenchError):
            import_case(path, tmp_path / target)
