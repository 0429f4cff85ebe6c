"""Runs on disk: a plain LAMMPS input, run folders of mdbench, hints and what is missing."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from support import BIN, ROOT, run_lmp

from mdbench.collect import analyze_folder
from mdbench.errors import OutputError
from mdbench.output.run_data import list_runs, open_run, open_runs
from mdbench.output.run_parts import atom_table, element_of_mass


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The repository's own input, 40 steps."""
    folder = tmp_path_factory.mktemp("plain")
    done = subprocess.run(
        [str(BIN / "lmp"), "-in", "inputs/graphene_water.in", "-var", "steps", "40",
         "-var", "out", str(folder / "gw"), "-screen", "none"],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0
    return folder


def test_the_example_input(plain, monkeypatch, tmp_path):
    for place in (ROOT, tmp_path):  # the data file that was read is found, or only that written
        monkeypatch.chdir(place)
        run = open_run(plain)
        assert (run.name, run.ensemble, run.temperature_k) == ("gw", "nvt", 298.0)
        assert run.thermo.steps.tolist() == [0, 20, 40]
        assert run.thermo.times_ps.tolist() == pytest.approx([0, 0.01, 0.02])
        assert run.trajectory.times_ps.tolist() == pytest.approx([0, 0.01, 0.02])
        assert np.bincount(run.trajectory.numbers)[[1, 6, 8]].tolist() == [200, 72, 100]
        assert sorted(set(run.trajectory.masses.round(3))) == [1.008, 12.011, 15.999]
        assert run.trajectory.pbc.all() and run.velocities is None and run.equilibration_ps == 0
        first = next(iter(run.trajectory.frames()))
        assert np.ptp(first.positions, axis=0) == pytest.approx([14.9, 12.9, 17.4], abs=0.5)
        assert np.diag(first.cell) == pytest.approx([14.952, 12.948812, 19.243367], abs=1e-4)
        assert run.provenance["timestep_fs"] == 0.5 and run.provenance["ns_per_day"] > 0


def test_hints(plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log.lammps"
    text = "".join(line for line in (plain / "gw.log").read_text().splitlines(keepends=True)
                   if not line.startswith(("read_data", "write_data", "dump ", "pair_coeff"))
                   and "12.0110" not in line)
    log.write_text(text)
    with pytest.raises(OutputError, match="does not hold the types.*give structure"):
        open_run(tmp_path, trajectory=plain / "gw.xtc")
    run = open_run(tmp_path)
    assert run.trajectory is None and "no trajectory" in run.notes[0]
    hints = {"trajectory": plain / "gw.xtc", "structure": plain / "gw.data"}
    assert open_run(tmp_path, **hints).trajectory.numbers[0] == 6  # by its mass
    assert open_run(tmp_path, **hints, elements=["Si", "O", "H"]).trajectory.numbers[0] == 14
    found = open_run(tmp_path, **hints, timestep_fs=2.0)
    assert found.trajectory.times_ps[-1] == found.thermo.times_ps[-1] == pytest.approx(0.08)
    for folder, more in ((tmp_path, hints), (plain, {})):
        with pytest.raises(OutputError, match=r"type 2 has the mass of O \(15.99\d* u\), and H is said"):
            open_run(folder, **more, elements=["C", "H", "O"])
    with pytest.raises(OutputError, match="atom type 3 has no element .*give elements"):
        open_run(tmp_path, **hints, elements=["C", "O"])
    with pytest.raises(OutputError, match="is no timestep"):
        open_run(tmp_path, timestep_fs=-1)
    (tmp_path / "other.log").write_text(text)
    assert open_run(tmp_path).folder == tmp_path  # log.lammps before others
    log.rename(tmp_path / "third.log")
    with pytest.raises(OutputError, match="holds 2 logs"):
        open_run(tmp_path)
    with pytest.raises(OutputError, match="does not exist"):
        open_run(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match="holds no LAMMPS log"):
        open_run(tmp_path / "empty")


def test_elements_of_masses():
    for mass, symbol in ((12.0, "C"), (1.0, "H"), (15.9994, "O"), (58.693, "Ni"), (58.933, "Co")):
        assert element_of_mass(mass) == symbol
    assert element_of_mass(13.5) is None and element_of_mass(float("nan")) is None


REAL = """log log.lammps
units real
atom_style charge
region r block 0 14 0 14 0 14
create_box 2 r
create_atoms 1 random 20 1 NULL overlap 2.0 maxtry 1000
create_atoms 2 random 10 2 NULL overlap 2.0 maxtry 1000
mass 1 39.948
mass 2 20.18
pair_style lj/cut 5
pair_coeff * * 0.2 2.5
velocity all create 300 4
timestep 2.0
fix 1 all nve
dump a all custom 10 frame.*.dump id type x y z ix iy iz
dump v all custom 5 v.dump id vx vy vz
dump_modify v sort id
dump m all custom 10 metal.dump id type xu yu zu
thermo 10
run 50
velocity all scale 300
write_data end.data
"""


def test_real_units_a_file_a_frame_and_velocities(tmp_path):
    code, text = run_lmp(REAL, tmp_path)
    assert code == 0, text
    (tmp_path / "metal.dump").unlink()
    run = open_run(tmp_path)
    assert run.trajectory.times_ps.tolist() == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1])
    assert np.bincount(run.trajectory.numbers)[[10, 18]].tolist() == [10, 20]
    assert run.ensemble == "nve" and run.velocities.times_ps[1] == pytest.approx(0.01)
    for time, temperature in zip(run.thermo.times_ps, run.thermo.columns["Temp"], strict=True):
        at = int(np.argmin(abs(run.velocities.times_ps - time)))
        velocities = next(iter(run.velocities.frames(at))).positions  # A/ps
        twice_kinetic = (run.trajectory.masses[:, None] * velocities**2).sum() * 1.03642697e-4  # eV
        assert twice_kinetic / (3 * 29 * 8.617333e-5) == pytest.approx(temperature, rel=1e-4)


@pytest.fixture
def campaign(tmp_path):
    """A campaign with a run of two segments and one unfinished, as the driver writes them."""
    run = tmp_path / "runs/300K-seed1"
    (run / "segments").mkdir(parents=True)
    head = ("units metal\nboundary p p f\nregion r block 0 12 0 12 0 12\ncreate_box 2 r\n"
            "create_atoms 1 random 20 1 NULL overlap 2.0 maxtry 1000\n"
            "create_atoms 2 random 10 2 NULL overlap 2.0 maxtry 1000\nmass 1 39.948\nmass 2 20.18\n")
    more = ("pair_style lj/cut 5\npair_coeff * * 0.01 2.5\ntimestep 0.002\nfix 1 all nvt temp 300 300 .1\n"
            "fix w all wall/reflect zlo EDGE zhi EDGE\nthermo 5\n"
            "dump f all xtc 10 segments/{0:09d}.xtc\ndump_modify f unwrap yes precision 10000\n"
            "dump v all custom 5 segments/{0:09d}.velocities id vx vy vz\ndump_modify v sort id\n"
            "run 20\nwrite_restart {1}.restart\n")
    (run / "run.in").write_text(head)
    code, text = run_lmp(f"log segments/000000000.log\n{head}write_data structure.data\n"
                         "velocity all create 300 4\n" + more.format(0, 20), run)
    for first in (20, 40):
        if code == 0:
            code, text = run_lmp(f"log segments/{first:09d}.log\nread_restart {first}.restart\n"
                                 + more.format(first, first + 20), run)
    assert code == 0, text
    manifest = {
        "schema": 1, "kind": "mdbench run", "name": "x", "timestep_fs": 2.0, "elements": ["Ar", "Ne"],
        "variant": {"name": "300K-seed1", "temperature_k": 300.0, "seed": 1}, "num_atoms": 30,
        "spec": {"ensemble": {"kind": "nvt"}, "analysis": {}}, "plan": {"equilibration": 10}, "format": "xtc",
        "model": {"file": "m"}, "versions": {}, "hardware": {}, "command": [], "started": "now"}
    state = {"schema": 1, "status": "stopped", "segments": [
        {"first": first, "last": first + 20, "wall_s": 1.0, "files": {
            kind: {"bytes": (run / f"segments/{first:09d}.{kind}").stat().st_size}
            for kind in ("log", "xtc", "velocities")}} for first in (0, 20)]}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "state.json").write_text(json.dumps(state))
    return tmp_path


def test_run_folders(campaign):
    (folder,) = list_runs(campaign)
    assert list_runs(folder) == [folder]
    run = open_run(folder)
    assert (run.name, run.ensemble, run.temperature_k) == ("300K-seed1", "nvt", 300.0)
    assert run.thermo.steps.tolist() == list(range(0, 41, 5))
    assert run.trajectory.times_ps.tolist() == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])
    assert len(run.velocities.times_ps) == 9 and run.equilibration_ps == 0.02
    assert np.bincount(run.trajectory.numbers)[[10, 18]].tolist() == [10, 20]
    assert run.trajectory.pbc.tolist() == [True, True, False]
    assert run.provenance["simulated_ps"] == 0.08 and run.provenance["seed"] == 1
    frames = [f.positions.copy() for f in run.trajectory.frames()]
    assert np.abs(np.diff(frames, axis=0)).max() < 2  # no jumps at the segments' border
    with pytest.raises(OutputError, match="needs no hints"):
        open_run(folder, timestep_fs=1.0)


def test_a_campaign_that_has_begun_in_part(campaign):
    """Results are looked at while later runs wait."""
    (folder,) = list_runs(campaign)
    for name, state in (("320K-seed1", None), ("340K-seed1", {"schema": 1, "status": "running", "segments": []})):
        other = campaign / "runs" / name
        (other / "segments").mkdir(parents=True)
        shutil.copy(folder / "manifest.json", other)
        if state:
            (other / "state.json").write_text(json.dumps(state))
    runs, waiting = open_runs(campaign)
    assert [r.name for r in runs] == ["300K-seed1"] and waiting == ["320K-seed1", "340K-seed1"]
    found = analyze_folder(campaign)
    assert found["notes"] == ["2 of 3 runs hold no complete segment yet: 320K-seed1, 340K-seed1"]
    (folder / "state.json").unlink()  # and files of segments are there: nothing may be passed over
    with pytest.raises(OutputError, match="state.json' cannot be read"):
        open_runs(campaign)
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match="no complete segment yet"):
        open_runs(campaign)


def test_a_campaign_and_its_runs_take_the_viscosity_of_their_temperature(campaign, monkeypatch):
    (folder,) = list_runs(campaign)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["spec"] |= {"ensemble": {"kind": "nvt", "temperature": [280, 300]},
                         "analysis": {"viscosity": ["1.2 cP", "0.9 cP"]}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (campaign / "run.toml").write_text(
        "[system]\nfile = 'x.data'\n[ensemble]\ntemperature = [300, 280]\n"
        "[analysis]\nviscosity = ['0.8 cP', '1.1 cP']\n")
    given = []
    monkeypatch.setattr("mdbench.analyze.analyze_run", lambda run, settings: given.append(
        settings.viscosity_mpas) or {"temperature_k": run.temperature_k})
    analyze_folder(folder)
    analyze_folder(campaign)
    assert given == [(0.9,), (0.8,)]


def test_damaged_run_folders(campaign, tmp_path):
    (folder,) = list_runs(campaign)

    def broken(why, change):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        change(copy)
        with pytest.raises(OutputError, match=why):
            open_run(copy)

    def edit(name, **more):
        def change(copy):
            content = json.loads((copy / name).read_text())
            (copy / name).write_text(json.dumps({**content, **more}))
        return change

    broken("is missing", lambda c: (c / "segments/000000020.xtc").unlink())
    broken("was changed", lambda c: (c / "segments/000000020.xtc").write_bytes(b"12"))
    broken("manifest.json' is damaged", lambda c: (c / "manifest.json").write_text("{"))
    broken("state.json' cannot be read", lambda c: (c / "state.json").unlink())
    broken("not of schema 1", edit("manifest.json", schema=2))
    broken("no complete segment", edit("state.json", segments=[]))
    broken("manifest or state is damaged", edit("state.json", segments=[{}]))
    broken("manifest or state is damaged", edit("manifest.json", plan=None))
    broken("type 2 has no element", edit("manifest.json", elements=["Ar"]))
    with pytest.raises(OutputError, match="holds no runs"):
        list_runs(tmp_path / "runs")


@pytest.mark.parametrize(("elements", "masses", "named"), [
    ("OH", (15.999, 1.008), None),
    ("HO", (15.999, 1.008), "type 1 has the mass of O"),
    ("OHC", (11.967, 3.024, 12.011), None),  # hydrogens made heavier at the oxygen's cost
    ("CO", (16.043, 15.999), None),  # CH4 as one
    ("CN", (14.027, 14.007), None),
    ("OH", (1.0, 1.0), None),
    ("OH", (15.999, 2.014), None),
    ("CHO", (1.008, 12.011, 15.999), "type 1 has the mass of H"),
])
def test_elements_in_another_order_than_masses_are_refused(elements, masses, named):
    count = len(elements)
    table = (np.arange(1, count + 1), list(elements), dict(enumerate(masses, 1)), [True] * 3)
    if named is None:
        assert atom_table(*table).masses.tolist() == list(masses)
        return
    with pytest.raises(OutputError, match=named):
        atom_table(*table)
