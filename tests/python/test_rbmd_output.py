"""Outputs of RBMD: the same results as from what LAMMPS writes, and one line for what is wrong."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from rbmd_writer import ENERGY_HEAD, control, energy_rows, read_frames, trajectory_2_0, trajectory_2_2
from support import run_lmp

from mdbench.analysis.msd import MsdOptions, mean_squared_displacement
from mdbench.analysis.rdf import radial_distribution
from mdbench.analysis.vacf import VacfOptions, velocity_autocorrelation
from mdbench.collect import analysis_of, analyze_folder
from mdbench.errors import MdbenchError, OutputError
from mdbench.output.rbmd_run import open_rbmd_run
from mdbench.output.run_data import list_exports, open_run
from mdbench.spec import Analysis
from mdbench.structure import water_box

EV = 4184 / 96485.33212  # of kcal/mol

ARGON = """units real
atom_style charge
lattice fcc 5.7
region r block 0 3 0 3 0 3
create_box 1 r
create_atoms 1 box
mass 1 39.948
velocity all create 180 4
pair_style lj/cut 8
pair_coeff 1 1 0.238 3.405
timestep 4
fix 1 all nve
write_data rbmd.data
"""
WATER = """units real
atom_style full
bond_style harmonic
angle_style harmonic
pair_style lj/cut/coul/long 6
kspace_style ewald 1e-4
special_bonds lj/coul 0 0 0
read_data water.data
pair_coeff 1 1 0.1554253 3.165492
pair_coeff 2 2 0 1
bond_coeff 1 529.581 1.012
angle_coeff 1 37.95 113.24
minimize 0 0 60 60
reset_timestep 0
velocity all create 300 4
timestep 0.5
fix 1 all nve
write_data rbmd.data
"""
RUN = """thermo_style custom step temp press pe ke etotal evdwl ecoul elong ebond eangle vol density
thermo_modify format float %.10g
thermo {0}
dump w all custom {0} wrapped.dump id type x y z
dump u all custom {0} exact.dump id type q x y z xu yu zu vx vy vz
dump_modify u format float %.12g
run {1}
"""


def water_data(folder):
    atoms = water_box(64, 12.43)
    lines = ["water", "", f"{len(atoms)} atoms", "128 bonds", "64 angles", "2 atom types", "1 bond types",
             "1 angle types", "", *(f"0 12.43 {d}lo {d}hi" for d in "xyz"), "", "Masses", "",
             "1 15.999 # O", "2 1.008 # H", "", "Atoms # full", ""]
    kinds = [1 if s == "O" else 2 for s in atoms.symbols]
    for i, (kind, (x, y, z)) in enumerate(zip(kinds, atoms.positions, strict=True)):
        lines.append(f"{i + 1} {i // 3 + 1} {kind} {-0.82 if kind == 1 else 0.41} {x:.8f} {y:.8f} {z:.8f} 0 0 0")
    assert kinds[:3] == [1, 2, 2]
    firsts = range(1, 193, 3)
    lines += ["", "Bonds", "", *(f"{2 * k + i} 1 {o} {o + i}" for k, o in enumerate(firsts) for i in (1, 2))]
    lines += ["", "Angles", "", *(f"{k} 1 {o + 1} {o} {o + 2}" for k, o in enumerate(firsts, 1))]
    (folder / "water.data").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module", params=["argon", "water"])
def simulated(request, tmp_path_factory):
    """A run of LAMMPS, and its frames."""
    folder = tmp_path_factory.mktemp(request.param)
    water_data(folder)
    script = {"argon": ARGON + RUN.format(2, 400), "water": WATER + RUN.format(4, 1200)}[request.param]
    code, text = run_lmp("log log.lammps\n" + script, folder)
    assert code == 0, text
    return request.param, folder, read_frames(folder / "wrapped.dump"), read_frames(folder / "exact.dump")


def rbmd_folder(simulated, folder, trajectory, **changes):
    kind, source, *_ = simulated
    shutil.copy(source / "rbmd.data", folder)
    interval, timestep = {"argon": (2, 4.0), "water": (4, 0.5)}[kind]
    style = "charge" if kind == "argon" else "full"
    (folder / "run.json").write_text(control(
        execution__timestep=timestep, execution__num_steps={"argon": 400, "water": 1200}[kind], outputs__trajectory_out__interval=interval,
        init_configuration__read_data__atom_style=style,
        **{} if kind == "water" else {"hyper_parameters__force_field__type": "LJ/CUT"}, **changes))
    (folder / "rbmd.trj").write_text(trajectory)
    return folder


def lammps_run(simulated, name, folder):
    """The LAMMPS side of a comparison: one of its dumps alone, as the log names both."""
    for file in ("log.lammps", name, "rbmd.data", "water.data"):
        shutil.copy(simulated[1] / file, folder)
    return open_run(folder)


def results(run, start_ps):
    """RDFs, MSDs, VACFs."""
    trajectory = run.trajectory
    rdf = radial_distribution(trajectory, r_max_ang=6, start_ps=start_ps, exclude_bonded=True, refused={})
    found = {f"g {n}": r.g for n, r in rdf.items()}
    for element in ("Ar",) if 18 in trajectory.numbers else ("O", "H"):
        msd = mean_squared_displacement(trajectory.toroidal(), element, MsdOptions(start_ps=start_ps))
        found |= {f"msd {element}": msd.msd_ang2, f"lag {element}": msd.lag_ps}
        if run.velocities is not None:
            vacf = velocity_autocorrelation(run.velocities, element, VacfOptions(start_ps=start_ps))
            found |= {f"vacf {element}": vacf.vacf, f"T {element}": np.array([vacf.temperature_k])}
    return found


def test_structure_and_motion_are_those_of_the_dump(simulated, tmp_path):
    """RBMD 2.2 writes what a dump of x y z holds, without step 0; 2.0 what a precise dump does."""
    _, _, wrapped, exact = simulated
    found = []
    for name, frames, write in (("wrapped.dump", wrapped, trajectory_2_2),
                                ("exact.dump", exact, trajectory_2_0)):
        ours, theirs = tmp_path / f"rbmd-{name}", tmp_path / f"lammps-{name}"
        ours.mkdir(), theirs.mkdir()
        run = open_run(rbmd_folder(simulated, ours, write(frames)))
        reference = lammps_run(simulated, name, theirs)
        skip = 1 if write is trajectory_2_2 else 0
        assert run.trajectory.times_ps == pytest.approx(reference.trajectory.times_ps[skip:], rel=1e-12)
        assert len(run.trajectory.times_ps) >= 80 and (run.velocities is None) == bool(skip)
        start_ps = float(reference.trajectory.times_ps[1])
        here, there = results(run, start_ps), results(reference, start_ps)
        assert here.keys() == there.keys() and len(here) >= 3 and any("g " in key for key in here)
        assert np.any(here[next(n for n in here if "msd" in n)] > 1e-3)
        for key, values in there.items():
            np.testing.assert_allclose(here[key], values, rtol=1e-6, atol=1e-6, err_msg=key)
        found.append(here)
    for key in found[0]:  # the two differ by their digits
        if "g " not in key:  # a pair at the edge of a bin changes sides
            np.testing.assert_allclose(found[0][key], found[1][key], rtol=2e-3, atol=1e-4, err_msg=key)


def test_energies_are_those_of_lammps(simulated, tmp_path):
    """RBMD's by atom, bond and angle, as it would have written them, give LAMMPS's own."""
    kind, source, wrapped, _ = simulated
    log = open_run(source).thermo
    atoms, of = len(wrapped[0][2]["id"]), log.columns
    bonds, angles = (1, 1) if kind == "argon" else (128, 64)
    rows = [(step, of["E_vdwl"][i] / EV / atoms, of["E_coul"][i] / EV / atoms, of["E_long"][i] / EV / atoms,
             of["KinEng"][i] / EV / atoms, of["E_bond"][i] / EV / bonds, of["E_angle"][i] / EV / angles)
            for i, step in enumerate(log.steps)]
    folder = rbmd_folder(simulated, tmp_path, trajectory_2_2(wrapped))
    (folder / "energy.rbmd").write_text(energy_rows(rows))
    (folder / "temperature.rbmd").write_text("Step Temperature Pressure\n" + "".join(
        f"{s} {t:.6g} {p / 1.01325:.6g}\n" for s, t, p in zip(log.steps, of["Temp"], of["Press"], strict=True)))
    run = open_run(folder)
    assert run.thermo.steps.tolist() == log.steps.tolist()
    assert run.thermo.times_ps == pytest.approx(log.times_ps)
    for name in ("PotEng", "KinEng", "TotEng", "Temp", "Press", "Volume", "Density"):
        scale = max(np.abs(of[n]).max() for n in (("PotEng", "KinEng") if name == "TotEng" else (name,)))
        parts = 60 if kind == "water" and name in ("PotEng", "TotEng") else 1  # terms cancel
        np.testing.assert_allclose(run.thermo.columns[name], of[name], atol=6e-6 * scale * parts, err_msg=name)
    assert any("by bond" in n for n in run.notes) == (kind == "water")
    assert not any("ends at" in n or "goes on" in n for n in run.notes)


def test_temperature_from_velocities(simulated, tmp_path):
    log = open_run(simulated[1]).thermo
    run = open_run(rbmd_folder(simulated, tmp_path, trajectory_2_0(simulated[3])))
    assert run.thermo.steps.tolist() == log.steps.tolist()
    for name in ("Temp", "KinEng", "Density", "Volume"):
        np.testing.assert_allclose(run.thermo.columns[name], log.columns[name], rtol=2e-6, err_msg=name)
    assert "PotEng" not in run.thermo.columns


def test_rigid_water_has_fewer_degrees_of_freedom(tmp_path):
    water_data(tmp_path)
    script = (WATER + "velocity all create 250 7\nfix s all shake 1e-8 200 0 b 1 a 1\n" + RUN.format(5, 20))
    code, text = run_lmp("log log.lammps\n" + script, tmp_path)
    assert code == 0, text
    log = open_run(tmp_path).thermo
    exact = read_frames(tmp_path / "exact.dump")
    folder = tmp_path / "rbmd"
    folder.mkdir()
    rbmd_folder(("water", tmp_path), folder, trajectory_2_0(exact), hyper_parameters__extend__fix_shake=True)
    run = open_run(folder)
    np.testing.assert_allclose(run.thermo.columns["Temp"], log.columns["Temp"], rtol=2e-6)
    (folder / "run.json").write_text(control(execution__timestep=0.5))
    flexible = open_run(folder).thermo.columns["Temp"]
    np.testing.assert_allclose(flexible * (3 * 192 - 3) / (3 * 192 - 3 - 3 * 64), log.columns["Temp"], rtol=2e-6)


# Small runs made by hand

DATA = """four atoms
4 atoms
2 bonds
1 angles
3 dihedrals
2 atom types
0 10 xlo xhi
0 10 ylo yhi
0 10 zlo zhi

Masses

1 15.999
2 1.008

Atoms # full

1 1 1 -0.8 1 1 1 0 0 0
2 1 2 0.4 2 1 1 0 0 0
3 1 2 0.4 1 2 1 0 0 0
4 2 1 0.0 5 5 9.5 0 0 0

Bonds

1 1 1 2
2 1 1 3

Angles

1 1 2 1 3
"""
ATOMS = "1 1 {0} 1 1\n2 2 2 1 1\n3 2 1 2 1\n4 1 5 5 {1}\n"


def frame(step, x=1.0, z=9.5, edge=10, names="id type x y z"):
    return (f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n0 {edge}\n0 {edge}\n"
            f"0 {edge}\nITEM: ATOMS {names}\n" + ATOMS.format(x, z))


@pytest.fixture
def small(tmp_path):
    folder = tmp_path / "oil"
    folder.mkdir()
    (folder / "rbmd.json").write_text(control(execution__num_steps=40))
    (folder / "rbmd.data").write_text(DATA)
    (folder / "rbmd.trj").write_text("".join(frame(10 * i, 1 + 0.1 * i, (9.5 + 0.2 * i) % 10) for i in range(1, 5)))
    (folder / "energy.rbmd").write_text(
        ENERGY_HEAD + "\n" + "".join(f"{s} 7 1 2 4 nan {3 + s} 99 99 0 7 10 100 1000 5\n" for s in range(0, 41, 10)))
    (folder / "temperature.rbmd").write_text(
        "Step Temperature Pressure\n" + "".join(f"{s} {300 + s} 2\n" for s in range(0, 41, 10)))
    return folder


def test_arithmetic_of_the_energies(small):
    run = open_run(small)
    kinetic = (3 + run.thermo.steps) * 4
    potential = 7 * 4 + 2 * 10 + 1 * 100 + 3 * 1000  # atoms, bonds, angles, dihedrals
    assert run.thermo.columns["KinEng"] == pytest.approx(kinetic * EV)
    assert run.thermo.columns["PotEng"] == pytest.approx(np.full(5, potential * EV))
    assert run.thermo.columns["TotEng"] == pytest.approx((potential + kinetic) * EV)
    assert run.thermo.columns["Press"] == pytest.approx(2 * 1.01325)
    assert run.thermo.columns["Volume"] == pytest.approx(1000)
    assert run.thermo.columns["Density"] == pytest.approx((2 * 15.999 + 2 * 1.008) * 1.66053907e-3)
    assert run.thermo.times_ps == pytest.approx([0, 0.005, 0.01, 0.015, 0.02])  # not the wall time 7
    (small / "rbmd.json").write_text(control(hyper_parameters__force_field__type="EAM",
                                             init_configuration__read_data__unit="METAL",
                                             execution__timestep=0.002))
    run = open_run(small)
    assert run.thermo.columns["PotEng"] == pytest.approx(4 * 99) and run.thermo.times_ps[1] == 0.02
    assert run.thermo.columns["Press"] == pytest.approx(2)


def test_what_a_run_is(small):
    run = open_run(small)
    assert (run.name, run.ensemble, run.temperature_k) == ("oil", "nvt", 300)
    assert run.trajectory.numbers.tolist() == [8, 1, 1, 8] and run.trajectory.pbc.all()
    assert run.trajectory.masses.tolist() == [15.999, 1.008, 1.008, 15.999]
    assert run.trajectory.times_ps.tolist() == pytest.approx([0.005, 0.01, 0.015, 0.02])
    last = list(run.trajectory.frames())[-1].positions
    assert last[3] == pytest.approx([5, 5, 10.3]) and last[0] == pytest.approx([1.4, 1, 1])  # unwrapped
    assert run.provenance["engine"] == "RBMD" and run.provenance["timestep_fs"] == 0.5
    assert open_run(small / "rbmd.json").name == "oil"
    (small / "rbmd.json").rename(small / "bench.json")
    assert open_run(small).name == "bench"
    (small / "bench.json").write_text(control(execution__temperature=[300, 350, 10], execution__ensemble="NPH"))
    run = open_run(small)
    assert run.temperature_k is None and run.ensemble is None


def test_unwrapped_positions_and_units_of_velocities(small):
    names = "id type q x y z xu yu zu vx vy vz"
    row = "{i} {t} 0 1 1 1 {x} 1 1 0.001 0 -0.002"
    text = "".join(
        f"ITEM: TIMESTEP\n{s}\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS pp pp pp\n0 10\n0 10\n0 10\n"
        f"ITEM: ATOMS {names}\n" + "".join(row.format(i=i, t=1 + i % 2, x=i + 7 * s) + "\n" for i in (4, 2, 3, 1))
        for s in (0, 10))
    (small / "rbmd.trj").write_text(text)
    run = open_run(small)
    assert list(run.trajectory.frames())[1].positions[:, 0].tolist() == [71, 72, 73, 74]
    assert next(iter(run.velocities.frames())).positions[0].tolist() == [1, 0, -2]  # A/ps
    assert run.trajectory.steps.tolist() == [0, 10]
    (small / "rbmd.json").write_text(control(init_configuration__read_data__unit="METAL"))
    assert next(iter(open_run(small).velocities.frames())).positions[0].tolist() == [0.001, 0, -0.002]


def test_files_that_are_not_used_are_named(small):
    for name in ("rdf.rbmd", "msd.rbmd", "vacf.rbmd", "rdf_1_2.txt", "msd.txt", "vacf.txt"):
        (small / name).write_text("whatever")
    notes = open_run(small).notes
    for start in ("'rdf.rbmd' is not used: its bins reach from r to 1.01 r", "'msd.rbmd' is not used: it has one",
                  "'vacf.rbmd' is not used: it has one", "'rdf_1_2.txt' is not used", "'msd.txt' is not used",
                  "'vacf.txt' is not used"):
        assert sum(n.startswith(start) for n in notes) == 1, start


def test_runs_that_stopped(small):
    (small / "rbmd.json").write_text(control(execution__num_steps=1000))
    assert any("ends at step 40 of 1000" in n for n in open_run(small).notes)
    (small / "rbmd.json").write_text(control(execution__num_steps=45))  # the last multiple is 40
    assert not any("ends at" in n for n in open_run(small).notes)
    (small / "rbmd.json").write_text(control(execution__num_steps=20))
    assert any("goes on to step 40, beyond" in n for n in open_run(small).notes)
    text = (small / "rbmd.trj").read_text()
    (small / "rbmd.trj").write_text(text[:-20])
    run = open_run(small)
    assert len(run.trajectory.times_ps) == 3 and any("was cut" in n for n in run.notes)
    energy = (small / "energy.rbmd").read_text()
    (small / "energy.rbmd").write_text(energy[:-3])
    run = open_run(small)
    assert run.thermo.steps.tolist() == [0, 10, 20, 30]
    assert any("last line of 'energy.rbmd' was cut" in n for n in run.notes)
    (small / "energy.rbmd").write_text(energy.replace("30 7 1 2 4 nan 33", "30 7 1 2 4 nan -nan"))
    run = open_run(small)
    assert run.thermo.steps.tolist() == [0, 10, 20]
    assert any("'energy.rbmd', line 5" in n and "from step 30 on" in n for n in run.notes)


def test_without_a_trajectory(small):
    (small / "rbmd.trj").unlink()
    run = open_run(small)
    assert run.trajectory is None and len(run.thermo) == 5 and "Temp" in run.thermo.columns
    assert any("rbmd.trj' is missing: was outputs.trajectory_out left out or off?" in n for n in run.notes)
    (small / "rbmd.trj").write_text("")
    assert any("is empty: RBMD stopped before its first frame" in n for n in open_run(small).notes)
    (small / "energy.rbmd").unlink()
    (small / "temperature.rbmd").write_text("Step Temperature\n")
    with pytest.raises(OutputError, match="holds no outputs of RBMD .*not run, or stopped before the first"):
        open_run(small)


def test_the_last_row_off_the_interval_is_left_out(small):
    with (small / "energy.rbmd").open("a") as file:
        file.write("45 7 1 2 4 0 3 99 99 0 7 10 100 1000 5\n")
    with (small / "temperature.rbmd").open("a") as file:
        file.write("45 300 2\n")
    assert open_run(small).thermo.steps.tolist() == [0, 10, 20, 30, 40]


def test_a_cell_that_changes(small):
    (small / "rbmd.json").write_text(control(execution__ensemble="NPT", execution__num_steps=50))
    (small / "rbmd.trj").write_text("".join(frame(10 * i, edge=10 + i) for i in range(1, 6)))
    run = open_run(small)
    assert run.thermo.steps.tolist() == [10, 20, 30, 40]
    assert run.thermo.columns["Volume"] == pytest.approx([11**3, 12**3, 13**3, 14**3])
    assert "PotEng" in run.thermo.columns and run.ensemble == "npt"
    (small / "rbmd.trj").write_text("".join(frame(7 * i, edge=10 + i) for i in range(1, 6)))
    run = open_run(small)
    assert len(run.thermo) == 5 and "Density" not in run.thermo.columns
    assert any(n.startswith("no Volume, Density: only frames tell") for n in run.notes)
    for name in ("energy.rbmd", "temperature.rbmd"):
        (small / name).unlink()
    assert open_run(small).thermo.columns["Density"][0] == pytest.approx(34.014 * 1.66053907 / 11**3)


def test_energies_of_the_mace_branch(small):
    for name in ("energy.rbmd", "temperature.rbmd"):
        (small / name).unlink()
    (small / "thermo.txt").write_text("step mace_energy\n" + "".join(f"{s} {-23.0605 * (s + 1)}\n" for s in range(0, 41, 10)))
    run = open_run(small)
    assert run.thermo.columns["PotEng"] == pytest.approx([-1, -11, -21, -31, -41], rel=1e-12)


def test_replicated_cells(small):
    (small / "rbmd.json").write_text(control(init_configuration__read_data__replicate=[2, 1, 1], execution__num_steps=40))
    head, _, body = frame(10).partition("x y z\n")
    text = head.replace("ATOMS\n4", "ATOMS\n8") + "x y z\n" + body + "".join(
        f"{i + 4} {line.split()[1]} 3 3 3\n" for i, line in enumerate(body.splitlines(), 1))
    (small / "rbmd.trj").write_text(text)
    run = open_run(small)
    assert len(run.trajectory.numbers) == 8
    assert run.thermo.columns["PotEng"] == pytest.approx(2 * (7 * 4 + 20 + 100 + 3000) * EV)


def test_hints(small, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    (small / "rbmd.trj").rename(moved / "t.trj")
    (small / "rbmd.data").rename(moved / "d.data")
    with pytest.raises(OutputError, match="rbmd.data', the data file of '.*rbmd.json', does not exist: give structure"):
        open_run(small)
    run = open_run(small, trajectory=moved / "t.trj", structure=moved / "d.data", timestep_fs=2.0,
                   elements=["S", "H"])
    assert run.trajectory.times_ps[0] == pytest.approx(0.02) == run.thermo.times_ps[1]
    assert run.trajectory.numbers.tolist() == [16, 1, 1, 16]
    with pytest.raises(OutputError, match="atom type 2 has no element"):
        open_run(small, trajectory=moved / "t.trj", structure=moved / "d.data", elements=["S"])


EXPORT = {
    "schema": 1, "kind": "mdbench export", "name": "oil study", "dialect": "rbmd-2.2",
    "variant": {"name": "300K-seed7", "temperature_k": 300.0, "seed": 7}, "plan": {"equilibration": 20},
    "spec": {"analysis": Analysis(rdf=["O-O"], rdf_range="4 A").model_dump(mode="json")}, "elements": ["N", "H"],
    "timestep_fs": 0.5}


def test_the_specification_that_was_exported(small):
    (small / "export.json").write_text(json.dumps(EXPORT))
    run = open_run(small)
    assert run.name == "300K-seed7" and run.equilibration_ps == 0.01 and run.provenance["seed"] == 7
    assert run.trajectory.numbers.tolist() == [7, 1, 1, 7] and run.provenance["versions"] == {"RBMD": "2.2"}
    found = analyze_folder(small)
    assert found["name"] == "oil study in RBMD" and found["runs"][0]["seed"] == 7
    for change, why in (({"schema": 2}, "is not of schema 1"), ({"kind": "x"}, "is not of schema 1"),
                        ({"plan": None}, "is damaged: TypeError"), ({"variant": {}}, "is damaged: KeyError 'name'"),
                        ({"elements": "CH"}, "is damaged")):
        (small / "export.json").write_text(json.dumps({**EXPORT, **change}))
        with pytest.raises(OutputError, match=f"export.json' {why}"):
            open_run(small)
    (small / "export.json").write_text(json.dumps({**EXPORT, "spec": {"analysis": {"rdf": ["O+O"]}}}))
    with pytest.raises(OutputError, match="export.json is damaged: analysis.rdf"):
        analyze_folder(small)


def test_several_exported_runs(small, tmp_path):
    (small / "export.json").write_text(json.dumps(EXPORT))
    other = tmp_path / "warm"
    shutil.copytree(small, other)
    (other / "export.json").write_text(json.dumps({**EXPORT, "variant": {"name": "warm", "seed": 1}}))
    (other / "rbmd.json").write_text(control(execution__temperature=[320, 320, 10]))
    assert list_exports(tmp_path) == [small, other]
    found = analyze_folder(tmp_path)
    assert [r["temperature_k"] for r in found["runs"]] == [300, 320] and found["name"] == "oil study in RBMD"


def test_an_analysis_is_made_anew_when_outputs_are_newer(small):
    first = analysis_of(small)
    assert first["runs"][0]["name"] == "oil" and analysis_of(small) == first
    for name in ("rbmd.trj", "energy.rbmd", "rbmd.json"):
        written = small / "analysis/analysis.json"
        marked = json.loads(written.read_text()) | {"marked": True}
        written.write_text(json.dumps(marked))
        assert analysis_of(small)["marked"]
        os.utime(small / name, (time.time() + 10, time.time() + 10))
        assert "marked" not in analysis_of(small)
        os.utime(small / name, (1, 1))


def test_the_verbs(small, tmp_path):
    mdbench = [sys.executable, "-m", "mdbench"]
    for words in (["analyze", str(small)], ["analyze", str(small / "rbmd.json"), "--timestep", "1 fs"],
                  ["report", str(small), "-o", str(tmp_path / "page")]):
        done = subprocess.run([*mdbench, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    page = (tmp_path / "page/report.html").read_text()
    assert "RBMD 2.2" in page and "arXiv:2407.09315" in page and "add energies by bond" in page
    assert "lammps.org" not in page and "Batatia" not in page and "Thompson" not in page
    (small / "rbmd.trj").write_text("broken")
    done = subprocess.run([*mdbench, "analyze", str(small)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "rbmd.trj' is no XTC" in done.stderr and done.stderr.count("\n") == 1


def test_what_is_no_run_of_rbmd(tmp_path):
    (tmp_path / "config.json").write_text('{"name": 1}')
    with pytest.raises(OutputError, match="holds no LAMMPS log .* and no run of RBMD"):
        open_run(tmp_path)
    with pytest.raises(OutputError, match="config.json:1: init_configuration.read_data.unit: is missing"):
        open_run(tmp_path / "config.json")
    code, text = run_lmp("log log.lammps\n" + ARGON + RUN.format(2, 8), tmp_path)
    assert code == 0, text
    (tmp_path / "rbmd.json").write_text(control())  # exported beside, but LAMMPS ran
    assert open_run(tmp_path).provenance["units"] == "real" and "engine" not in open_run(tmp_path).provenance


@pytest.mark.parametrize(("changes", "why"), [
    ({"init_configuration__read_data__unit": "LJ"}, r":6: init_configuration.read_data.unit: LJ is not read"),
    ({"init_configuration__read_data__unit": None}, r"read_data.unit: is missing"),
    ({"init_configuration__read_data__file": 3}, r":5: init_configuration.read_data.file: is no text"),
    ({"init_configuration__read_data__replicate": [2, 1]}, "replicate: is no list of three"),
    ({"init_configuration__read_data__replicate": [2, 1, 0]}, "replicate.2: 0 is less than 1"),
    ({"init_configuration__read_data": None, "init_configuration__inbuild": {}}, "inbuild has no structure"),
    ({"execution__timestep": "0.5"}, "execution.timestep: is no number"),
    ({"execution__timestep": 0}, "execution.timestep: 0 is no timestep"),
    ({"execution__timestep": -1}, "execution.timestep: -1 is less than 0"),
    ({"execution__timestep": None}, "execution.timestep: is missing: write it, or give"),
    ({"execution__num_steps": 1.5}, "execution.num_steps: 1.5 is no number of steps"),
    ({"execution__num_steps": True}, "execution.num_steps: is no number"),
    ({"execution__temperature": ["hot"]}, "execution.temperature: is no number"),
    ({"execution__ensemble": 3}, "execution.ensemble: is no text"),
    ({"hyper_parameters__extend__fix_shake": 1}, "fix_shake: is neither true nor false"),
    ({"hyper_parameters__extend": []}, "hyper_parameters.extend: is no object"),
    ({"outputs__trajectory_out": 5}, "outputs.trajectory_out: is no object"),
    ({"outputs__trajectory_out__interval": "x"}, "trajectory_out.interval: is no number")])
def test_control_files_that_cannot_be_read(small, changes, why):
    (small / "rbmd.json").write_text(control(**changes))
    with pytest.raises(OutputError, match=why) as caught:
        open_run(small)
    assert re.match(r".*rbmd.json:\d+: ", str(caught.value)) and "\n" not in str(caught.value)


def test_damage(small):
    def broken(name, change, why):
        whole = (small / name).read_text()
        (small / name).write_text(change(whole))
        with pytest.raises(OutputError, match=why) as caught:
            open_run(small)
        assert "\n" not in str(caught.value)
        (small / name).write_text(whole)

    broken("rbmd.json", lambda t: t.replace('"execution"', "execution"), r"rbmd.json:\d+: not valid JSON")
    broken("energy.rbmd", lambda t: t.replace("10 7 1", "10 7 x"), "energy.rbmd', line 3: 'x' is no number")
    broken("temperature.rbmd", lambda t: t.replace("310", ""), "temperature.rbmd', line 3: 3 columns")
    broken("rbmd.trj", lambda t: t.replace("2 2 2 1 1", "2 2 2 1", 1), "rbmd.trj': frame 0 .* is damaged")
    broken("rbmd.trj", lambda t: "what", "rbmd.trj' is no XTC")
    broken("rbmd.data", lambda t: t.replace("4 2 1 0.0", "3 2 1 0.0"), "an atom occurs twice")
    broken("rbmd.data", lambda t: t.replace("4 2 1 0.0 5 5 9.5 0 0 0\n", ""), "holds 4 atoms and the data file 3")
    broken("rbmd.data", lambda t: t.replace("1.008", "1.5"), "atom type 2 has no element")
    shutil.copy(small / "rbmd.json", small / "other.json")
    with pytest.raises(OutputError, match=r"holds 2 control files of RBMD \(other.json, rbmd.json\): give the one"):
        open_run(small)
    assert len(open_run(small / "rbmd.json").thermo) == 5
    (small / "other.json").unlink(), (small / "rbmd.json").unlink()
    with pytest.raises(OutputError, match="holds no control file of RBMD"):
        open_run(small)
    with pytest.raises(OutputError, match="holds no control file of RBMD"):
        open_rbmd_run(small)


def test_fuzz(small, memory_path):
    small = shutil.copytree(small, memory_path / "oil")
    (small / "export.json").write_text(json.dumps(EXPORT))
    velocities = trajectory_2_0([(0, ["0 10"] * 3, {n: ["1", "2", "2", "1"] if n == "type" else list("1234")
                                                    for n in "id type q x y z xu yu zu vx vy vz".split()})])
    names = ["rbmd.json", "rbmd.data", "rbmd.trj", "energy.rbmd", "temperature.rbmd", "export.json"]
    whole = {n: (small / n).read_bytes() for n in names}
    rng, refused, cases = random.Random(11), 0, 2000
    for i in range(cases):
        name = names[i % len(names)]
        raw = bytearray(velocities.encode() if name == "rbmd.trj" and i % 4 == 0 else whole[name])
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(raw) + 1)
            match rng.randrange(5):
                case 0: del raw[at:at + rng.randint(1, 12)]
                case 1: raw[at:at] = rng.choice([b"\n", b" ", b"-", b"nan", b"1e308", b"{", b'"', b"\0", b"9" * 30, b"ITEM:"])
                case 2: raw[at:at + 1] = bytes([rng.randrange(256)])
                case 3: raw[at:at] = raw[rng.randrange(len(raw) + 1):][:40]
                case 4: del raw[at + rng.randrange(400):]
            raw = raw or bytearray(b"\n")
        (small / name).write_bytes(raw)
        start = time.process_time()
        try:
            run = open_run(small)
            for source in (run.trajectory, run.velocities):
                for _ in source.frames() if source is not None else ():
                    pass
        except MdbenchError as problem:
            refused += 1
            assert "\n" not in str(problem), problem
        assert time.process_time() - start < 2
        (small / name).write_bytes(whole[name])
    assert 0.2 * cases < refused < 0.9 * cases
