"""Kills, signals, full disks, damaged files: nothing is lost but the segment under way."""

import fcntl
import os
import random
import resource
import shutil
import signal
import time

import pytest
from faults.driver import (
    NAME,
    fingerprint,
    lmp_with,
    mdbench,
    start,
    state,
    thermo_rows,
    wait_for,
    write_spec,
)

from mdbench.campaign import Options, run_campaign
from mdbench.errors import RunError
from mdbench.output.mdbench_run import open_mdbench_run
from mdbench.run_folder import RunFolder
from mdbench.spec_file import load_spec


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A campaign that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    write_spec(folder)
    code, _, err = mdbench("run", folder)
    assert code == 0, err
    return folder / "runs" / NAME


def test_uninterrupted(whole):
    record = state(whole)
    assert record["status"] == "finished"
    assert [s["last"] for s in record["segments"]] == list(range(40, 401, 40))
    assert not list(whole.glob("segments/*.screen"))


def random_kills(folder, count, rng):
    """Kill the driver `count` times at random moments of a run; returns steps recorded."""
    for _ in range(count):
        process = start("run", folder, "--resume", "--quiet")
        time.sleep(rng.uniform(0.3, 4.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        yield


@pytest.mark.slow
def test_killed_twenty_times(whole, tmp_path):
    """kill -9 at random times, resume: the same trajectories, bit for bit."""
    write_spec(tmp_path)
    run = tmp_path / "runs" / NAME
    rng, before = random.Random(5), 0
    for _ in random_kills(tmp_path, 20, rng):
        if RunFolder(run).is_prepared:
            reached = RunFolder(run).state().step
            assert reached >= before  # nothing recorded is ever lost
            before = reached
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0, err
    assert fingerprint(run) == fingerprint(whole)
    assert thermo_rows(run) == thermo_rows(whole)


def test_killed_once_loses_less_than_a_segment(whole, tmp_path):
    write_spec(tmp_path)
    run = tmp_path / "runs" / NAME
    process = start("run", tmp_path, "--quiet")
    wait_for(process, lambda: RunFolder(run).is_prepared and RunFolder(run).state().step >= 80)
    process.kill()
    process.communicate()
    recorded = RunFolder(run).state().step
    assert recorded >= 80
    code, _, err = mdbench("resume", run)
    assert code == 0, err
    assert fingerprint(run) == fingerprint(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_a_checkpoint(tmp_path, number):
    write_spec(tmp_path, production="20 ps", segment="10 ps", thermo="5 fs")
    run = tmp_path / "runs" / NAME
    process = start("run", tmp_path)
    wait_for(process, lambda: len(thermo_rows(run)) >= 15)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "mdbench resume" in err
    record = state(run)
    assert record["status"] == "stopped"
    assert 0 < record["segments"][-1]["last"] < 20_000
    (tmp_path / "run.toml").write_text(
        (tmp_path / "run.toml").read_text().replace('"20 ps"', '"5 fs"'))
    code, _, err = mdbench("resume", tmp_path)
    assert code == 1
    assert "already longer" in err


def test_newest_restart_damaged(whole, tmp_path):
    write_spec(tmp_path, production="60 fs")
    assert mdbench("run", tmp_path)[0] == 0
    run = tmp_path / "runs" / NAME
    before = fingerprint(run)
    restart = run / "segments/000000120.restart"
    damaged = bytearray(restart.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    restart.write_bytes(damaged)
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0, err
    assert "000000120.restart" in err and "000000080.restart" in err
    assert fingerprint(run) == before


def test_no_restart_left(tmp_path):
    write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path)[0] == 0
    for path in (tmp_path / "runs" / NAME / "segments").glob("*.restart"):
        path.write_bytes(b"")
    code, _, err = mdbench("resume", tmp_path)
    assert code == 1
    assert "no restart file is whole" in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(("what", "kib", "changes"), [
    ("log", 16, {"thermo": "0.5 fs", "frames": "20 fs", "segment": "100 fs"}),
    ("xtc", 40, {"thermo": "20 fs", "frames": "0.5 fs", "segment": "100 fs"}),
    ("restart", 8, {"thermo": "20 fs", "frames": "20 fs"}),
])
def test_disk_full(tmp_path, what, kib, changes):
    """Files cannot grow beyond a limit: fails in one line, resumes when there is room."""
    write_spec(tmp_path, **changes)
    fault = lmp_with(tmp_path, f"ulimit -f {kib}; trap '' XFSZ")
    code, _, err = mdbench("run", tmp_path, "--quiet", **fault)
    assert code == 1, what
    assert len(err.strip().splitlines()) == 1 and "Traceback" not in err
    assert "disk" in err or "restart" in err
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0, err
    write_spec(tmp_path / "again", **changes)
    assert mdbench("run", tmp_path / "again")[0] == 0
    assert fingerprint(tmp_path / "runs" / NAME) == fingerprint(tmp_path / "again/runs" / NAME)


def test_disk_full_for_the_record(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(folder.state())
    before = (tmp_path / "state.json").read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(RunError, match="cannot write"):
            folder.save(folder.state())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "state.json").read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_two_drivers_at_once(tmp_path):
    write_spec(tmp_path, production="20 ps", segment="10 ps")
    run = tmp_path / "runs" / NAME
    first = start("run", tmp_path, "--quiet")
    wait_for(first, (run / "state.json").exists)
    code, _, err = mdbench("resume", tmp_path)
    first.send_signal(signal.SIGTERM)
    first.communicate()
    assert code == 1
    assert "another process is running" in err


def test_orphans_die_with_the_driver(tmp_path):
    write_spec(tmp_path, production="20 ps", segment="10 ps")
    run = tmp_path / "runs" / NAME
    process = start("run", tmp_path, "--quiet")
    wait_for(process, lambda: list(run.glob("segments/*.log")))
    process.kill()
    process.communicate()
    with RunFolder(run).lock():  # held by lmp as long as it lives
        pass


def test_stops_between_rows_and_frames(tmp_path):
    """Signals at steps that are none of thermo's rows, before a segment's first frame."""
    changes = {"equilibration": "35 fs", "segment": "2 ps", "thermo": "35 fs", "frames": "1 ps"}
    write_spec(tmp_path, production="4 ps", output='velocities = "1 ps"', **changes)
    run = tmp_path / "runs" / NAME
    for _ in range(3):
        began = RunFolder(run).state().step if run.exists() else 0
        process = start("run", tmp_path, "--resume", "--quiet")
        log = run / f"segments/{began:09d}.log"
        wait_for(process, lambda log=log: log.is_file() and "\nLoop time" not in log.read_text()
                 and len(log.read_text().split("Step", 1)[-1].splitlines()) > 3)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
    record = state(run)
    assert len(record["segments"]) >= 3
    assert any(s["last"] % 70 for s in record["segments"])
    assert any("xtc" not in s["files"] for s in record["segments"])
    write_spec(tmp_path, production="3 ps", output='velocities = "1 ps"', **changes)
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0, err
    assert not (run / "failed").exists()
    code, _, err = mdbench("analyze", tmp_path)
    assert code == 0, err
    opened = open_mdbench_run(run)
    assert opened.trajectory.steps.tolist() == list(range(0, 8001, 2000))
    assert opened.velocities.steps.tolist() == list(range(0, 8001, 2000))
    every = RunFolder(run).manifest()["plan"]["thermo"]
    assert any(s["last"] % every for s in record["segments"])
    assert opened.thermo.steps.tolist() == list(range(0, 8001, every))


def test_a_blow_up_is_no_checkpoint_though_a_stop_was_asked_for(tmp_path):
    write_spec(tmp_path, equilibration="0 fs", production="2 ps", segment="200 fs", frames="20 fs",
               ensemble='kind = "nve"')
    path = tmp_path / "run.toml"
    path.write_text(path.read_text().replace('timestep = "0.5 fs"', 'timestep = "5 fs"'))
    folder = tmp_path / "fault"
    folder.mkdir()
    # the stop is asked for when LAMMPS has looked for it and the atoms fly apart
    fault = lmp_with(folder, "(until grep -qs 'halt condition for fix-id blowup' segments/*.screen; "
                             "do :; done; touch stop) & for s in 1; do :; done")
    code, _, err = mdbench("run", tmp_path, "--quiet", **fault)
    assert code == 1 and "blew up at step" in err
    run = tmp_path / "runs" / NAME
    assert state(run)["status"] == "failed"
    script = (run / "run.in").read_text()
    assert "${sane} == 0 || ($(step) < ${last} && $(is_file(stop)) == 0)" in script


def test_a_blow_up_in_the_last_step_of_a_segment_is_no_checkpoint(tmp_path):
    write_spec(tmp_path, equilibration="0 fs", production="0.5 fs", segment="0.5 fs", frames="0.5 fs",
               ensemble='kind = "nve"')
    fault = lmp_with(tmp_path, "sed -i 's/temp < [0-9]*/temp < 0/' run.in")
    code, _, err = mdbench("run", tmp_path, "--quiet", **fault)
    assert code == 1 and "blew up at step 1 " in err
    assert state(tmp_path / "runs" / NAME)["segments"] == []


def test_a_stop_asked_for_as_a_segment_ends_is_not_forgotten(tmp_path):
    write_spec(tmp_path, production="200 fs")
    run = tmp_path / "runs" / NAME
    fault = lmp_with(tmp_path, '"$REAL_LMP" "$@"; code=$?; touch stop; exit $code')
    code, _, err = mdbench("run", tmp_path, "--quiet", **fault)
    assert code == 130 and "stopped with a checkpoint" in err
    assert state(run)["status"] == "stopped" and len(state(run)["segments"]) == 1
    assert mdbench("resume", tmp_path, "--quiet")[0] == 0
    assert state(run)["status"] == "finished"


def test_the_file_stop_leaves_a_checkpoint(tmp_path):
    """As the script says; other runs of the campaign go on."""
    write_spec(tmp_path, production="100 ps", segment="100 ps", run="seed = [1, 2]")
    process = start("run", tmp_path, "--jobs", "2")
    runs = [tmp_path / "runs" / NAME, tmp_path / "runs" / NAME.replace("seed1", "seed2")]
    for run in runs:
        wait_for(process, (run / "segments/000000000.log").is_file)
        (run / "stop").touch()
        wait_for(process, lambda run=run: state(run)["status"] == "stopped" or process.poll())
    _, err = process.communicate(timeout=60)
    assert "blew up" not in err and "disk" not in err
    for run in runs:
        assert state(run)["status"] == "stopped" and not (run / "failed").exists()
        assert state(run)["segments"][-1]["last"] < 200_000


@pytest.mark.parametrize("segment", [1, 2])
def test_a_record_that_fails_once_costs_its_segment_alone(tmp_path, segment, monkeypatch):
    path = write_spec(tmp_path, production="60 fs")
    run, save, failed = RunFolder(tmp_path / "runs" / NAME), RunFolder.save, []

    def failing(self, now):
        if len(now.segments) == segment and not failed:
            failed.append(segment)
            raise RunError(f"cannot write '{self.path / 'state.json'}': No space left on device")
        save(self, now)

    monkeypatch.setattr(RunFolder, "save", failing)
    with pytest.raises(RunError, match="No space left"):
        run_campaign(load_spec(path), Options(quiet=True))
    assert len(run.state().segments) == segment - 1
    (run.path / "failed" / f"000-step-{0:09d}").mkdir()  # numbers go on from the highest
    assert run_campaign(load_spec(path), Options(quiet=True, resume=True)) == "finished"
    assert [s.last for s in run.state().segments] == [40, 80, 120, 160]


def test_one_process_prepares_and_others_wait(tmp_path):
    """Or one would clear away what the other is making."""
    write_spec(tmp_path, production="20 fs")
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    process = start("run", tmp_path, "--quiet")
    time.sleep(4)
    assert process.poll() is None and not (tmp_path / "runs").exists()
    os.close(handle)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_segments_without_their_record_are_kept(tmp_path):
    """state.json or the manifest may be lost on the way from another machine."""
    write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path)[0] == 0
    run = tmp_path / "runs" / NAME
    before = fingerprint(run)
    (tmp_path / "lost").mkdir()
    for name in ("state.json", "manifest.json"):
        (run / name).rename(tmp_path / "lost" / name)
        code, _, err = mdbench("resume", tmp_path)
        assert code == 1 and f"holds segments and no {name}: put it back from a copy" in err
        assert err.count("\n") == 1 and fingerprint(run) == before
        (tmp_path / "lost" / name).rename(run / name)
    assert mdbench("resume", tmp_path)[0] == 0


def test_a_damaged_segment_is_named_and_repeated_when_removed(whole, tmp_path):
    write_spec(tmp_path)
    shutil.copytree(whole, tmp_path / "runs" / NAME)
    run = tmp_path / "runs" / NAME
    path = run / "segments/000000080.xtc"
    path.write_bytes(path.read_bytes()[:-5])
    code, _, err = mdbench("resume", tmp_path)
    assert code == 1 and "000000080.xtc' has another size" in err and "put it back" in err
    path.unlink()
    code, _, err = mdbench("resume", tmp_path)
    assert code == 1 and "000000080.xtc' is missing: put it back" in err
    assert "to run again from step 80 instead, move" in err and err.count("\n") == 1
    others = {p.name for p in (whole / "segments").iterdir()} - {path.name}
    assert {p.name for p in (run / "segments").iterdir()} == others  # nothing is lost
    for later in others:
        if int(later.partition(".")[0]) >= 80:
            (run / "segments" / later).unlink()
    (run / "segments/notes").mkdir()
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0 and err.count("is missing") == 1
    assert "000000080" in err and "is missing: going back to step 80" in err
    assert fingerprint(run) == fingerprint(whole)
