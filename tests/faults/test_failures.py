"""Blow-ups and other ends of LAMMPS: one line that says what, where and why."""

import json

import pytest
from faults.driver import (
    NAME,
    fingerprint,
    foreign_mpiexec,
    lmp_with,
    mdbench,
    state,
    thermo_rows,
    write_spec,
)

from mdbench.diagnosis import explain
from mdbench.lammps_input import HALT_CODE
from mdbench.run_folder import RunFolder
from mdbench.segments import SegmentFailed


def one_line(err):
    lines = [line for line in err.strip().splitlines() if "error" in line]
    assert len(lines) == 1 and "Traceback" not in err, err
    return lines[0]


def test_explosion(tmp_path):
    """A timestep that the check lets pass with a warning, far too long at this temperature."""
    write_spec(tmp_path, equilibration="0 fs", production="2 ps", segment="200 fs", frames="20 fs",
               ensemble='kind = "nve"')
    path = tmp_path / "run.toml"
    path.write_text(path.read_text().replace('timestep = "0.5 fs"', 'timestep = "5 fs"'))
    code, _, err = mdbench("run", tmp_path, "--quiet")
    line = one_line(err)
    assert code == 1
    run = tmp_path / "runs" / NAME
    assert "blew up at step" in line and "eV/A" in line and "too long for hydrogen" in line
    assert "last good frame" in line
    step = int(line.split("at step ")[1].split()[0])
    assert state(run)["status"] == "failed"
    kept = next((run / "failed").iterdir())
    assert int((next(kept.glob("*.blowup"))).read_text().splitlines()[1]) == step
    for row in next(kept.glob("*.log")).read_text().splitlines():
        assert "nan" not in row.split()


def test_atoms_of_a_blow_up_are_named_by_their_ids(tmp_path):
    """Some may have left through an open side."""
    segments = tmp_path / "segments"
    segments.mkdir()
    box = "ITEM: BOX BOUNDS pp pp ff\n0 20\n0 20\n0 20\n"
    rows = "2 1 1 1 1 0 0 0 0 0 0\n3 1 5 5 5 0 0 0 0 0 0\n5 1 5 5 5.5 0 0 0 0 0 300\n"
    text = f"ITEM: TIMESTEP\n200\nITEM: NUMBER OF ATOMS\n3\n{box}ITEM: ATOMS id type\n{rows}"
    (segments / "000000000.blowup").write_text(text)
    manifest = {"elements": ["O"], "timestep_fs": 0.5, "format": "xtc", "num_atoms": 3, "spec": {}}
    line = explain(RunFolder(tmp_path), SegmentFailed(0, HALT_CODE), manifest)
    assert "largest forces on atoms 5 (O, 300 eV/A), " in line
    assert "atoms 5 (O) and 3 (O) came within 0.50 A" in line


@pytest.mark.parametrize(("steps", "says"), [
    ((180, 190, 200), "last good frame: step 190 in "), ((200,), "no frame was written since step 0")])
def test_the_frame_that_blew_up_is_no_good_one(tmp_path, steps, says):
    """With a frame each step the last one holds the state that was stopped."""
    segments = tmp_path / "segments"
    segments.mkdir()
    head = "ITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n0 20\n0 20\n0 20\nITEM: ATOMS id type "
    blow_up = f"ITEM: TIMESTEP\n200\n{head}xu\n1 1 5 5 5 0 0 0 0 0 300\n"
    (segments / "000000000.blowup").write_text(blow_up)
    frames = "".join(f"ITEM: TIMESTEP\n{step}\n{head}xu yu zu\n1 1 5 5 5\n" for step in steps)
    (segments / "000000000.dump").write_text(frames)
    manifest = {"elements": ["O"], "timestep_fs": 0.5, "format": "dump", "num_atoms": 1, "spec": {}}
    assert says in explain(RunFolder(tmp_path), SegmentFailed(0, HALT_CODE), manifest)


def test_model_refuses(tmp_path):
    """A hard error of the pair style (NaN): LAMMPS's message, and the last good frame."""
    write_spec(tmp_path)
    nan = "sed -i 's/^fix .*blowup.*/set atom 5 x NULL\\nset atom 5 vx 1e308/' run.in"
    fault = lmp_with(tmp_path, f'case "$*" in *"first 40 "*) {nan};; esac')
    code, _, err = mdbench("run", tmp_path, "--quiet", **fault)
    assert code == 1
    line = one_line(err)
    assert "LAMMPS stopped after step 40" in line
    assert "no frame was written since step 40" in line or "last good frame: step" in line
    assert state(tmp_path / "runs" / NAME)["segments"][-1]["last"] == 40


def test_killed_for_memory(tmp_path):
    write_spec(tmp_path)
    code, _, err = mdbench("run", tmp_path, "--quiet", **lmp_with(tmp_path, "kill -9 $$"))
    assert code == 1
    assert "perhaps for memory" in one_line(err)


def test_wrong_state_after_a_restart_is_noticed(tmp_path):
    """A restart file that reads well and is not ours: its energy differs."""
    write_spec(tmp_path)
    other = tmp_path / "other"
    write_spec(other, run="seed = 2", production="20 fs")
    assert mdbench("run", other)[0] == 0
    foreign = other / "runs/298K-seed2/segments/000000000.restart"
    fault = lmp_with(tmp_path, f'case "$*" in *"first 40 "*) '
                               f'cp {foreign} segments/000000000.restart;; esac')
    code, _, err = mdbench("run", tmp_path, "--quiet", **fault)
    assert code == 1
    assert "restart file is wrong" in one_line(err)


def test_a_run_is_not_overwritten(tmp_path):
    write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path)[0] == 0
    before = fingerprint(tmp_path / "runs" / NAME)
    code, _, err = mdbench("run", tmp_path)
    assert code == 1
    assert "mdbench resume" in one_line(err)
    assert fingerprint(tmp_path / "runs" / NAME) == before


def test_a_changed_specification_does_not_go_on(tmp_path):
    path = write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path)[0] == 0
    path.write_text(path.read_text().replace('"0.5 fs"', '"0.4 fs"'))
    code, _, err = mdbench("resume", tmp_path)
    assert code == 1
    assert "run.timestep" in one_line(err)


def test_a_changed_model_does_not_go_on(tmp_path):
    write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path)[0] == 0
    model = tmp_path / "runs" / NAME / "model.mace"
    model.write_bytes(model.read_bytes() + b"x")
    code, _, err = mdbench("resume", tmp_path)
    assert code == 1
    assert "model.mace" in one_line(err)


def test_a_longer_production_goes_on(tmp_path):
    path = write_spec(tmp_path, production="40 fs")
    assert mdbench("run", tmp_path)[0] == 0
    path.write_text(path.read_text().replace('production = "40 fs"', 'production = "80 fs"'))
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0, err
    run = tmp_path / "runs" / NAME
    assert state(run)["segments"][-1]["last"] == 200
    assert json.loads((run / "manifest.json").read_text())["plan"]["total"] == 200


def test_a_longer_production_that_was_cut_short_goes_on(tmp_path):
    """The manifest had the new length, and the script not yet."""
    write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path, "--quiet")[0] == 0
    script = tmp_path / "runs" / NAME / "run.in"
    before = script.read_text()
    write_spec(tmp_path, production="40 fs")
    assert mdbench("resume", tmp_path, "--quiet")[0] == 0
    assert script.read_text() != before
    for production in ("40 fs", "60 fs"):
        script.write_text(before)
        write_spec(tmp_path, production=production)
        code, _, err = mdbench("resume", tmp_path, "--quiet")
        assert code == 0, err
        assert script.read_text() != before
    script.write_text(before + "# by hand")
    code, _, err = mdbench("resume", tmp_path, "--quiet")
    assert code == 1 and "run.in' is not the file that the run was started with" in err


def test_several_temperatures_side_by_side(tmp_path):
    write_spec(tmp_path, production="40 fs", run="seed = [1, 2]",
               ensemble='temperature = ["280 K", "320 K"]')
    code, _, err = mdbench("run", tmp_path, "--jobs", 2, "--quiet")
    assert code == 0, err
    runs = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert runs == ["280K-seed1", "280K-seed2", "320K-seed1", "320K-seed2"]
    prints = [str(fingerprint(tmp_path / "runs" / r)) for r in runs]
    assert len(set(prints)) == 4  # every run has its own velocities


@pytest.mark.slow
def test_on_ranks(tmp_path):
    write_spec(tmp_path, production="40 fs", run="ranks = 2")
    code, _, err = mdbench("run", tmp_path, "--quiet")
    assert code == 0, err
    log = (tmp_path / "runs" / NAME / "segments/000000000.log").read_text()
    assert "on 2 procs" in log
    assert thermo_rows(tmp_path / "runs" / NAME)


def test_mpiexec_of_another_library(tmp_path):
    """Serial copies would write the same files: they end before they open one."""
    write_spec(tmp_path, production="40 fs", run="ranks = 2")
    code, _, err = mdbench("run", tmp_path, "--quiet", **foreign_mpiexec(tmp_path))
    assert code == 1
    assert "LAMMPS runs on 1 MPI rank(s) instead of 2" in one_line(err)
    run = tmp_path / "runs" / NAME
    assert [p.suffix for p in run.glob("failed/*/*")] == [".screen"]
    assert not list((run / "segments").iterdir())
