"""Kills, signals, full disks, damaged files: nothing is lost but the segment under way."""

import random
import resource
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

from mdbench.errors import RunError
from mdbench.run_folder import RunFolder


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
