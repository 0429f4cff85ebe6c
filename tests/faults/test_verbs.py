"""The driver's verbs, from a specification to numbers."""

import json
import os
import signal
import subprocess

import numpy as np
import pytest
from faults.driver import NAME, environment, mdbench, state, wait_for, write_spec
from support import BIN, BUNDLED, BUNDLED_LAMMPS, ROOT

from mdbench.campaign import find_spec
from mdbench.errors import RunError
from mdbench.run_folder import sha256_of
from mdbench.spec_file import load_spec
from mdbench.submit import slurm_script


def test_the_specification_is_found(tmp_path):
    with pytest.raises(RunError, match="mdbench init"):
        find_spec(None, tmp_path)
    write_spec(tmp_path / "one")
    assert find_spec(None, tmp_path) == tmp_path / "one/run.toml"
    write_spec(tmp_path / "two")
    with pytest.raises(RunError, match="one/run.toml, two/run.toml"):
        find_spec(None, tmp_path)
    assert find_spec(tmp_path / "two", tmp_path) == tmp_path / "two/run.toml"


def test_dry_run_prints_the_input_that_runs(tmp_path):
    """What --dry-run prints is what the driver runs, and lmp runs it without Python."""
    write_spec(tmp_path, production="40 fs")
    code, script, err = mdbench("check", tmp_path, "--dry-run")
    assert code == 0, err
    assert mdbench("run", tmp_path, "--quiet")[0] == 0
    run = tmp_path / "runs" / NAME
    assert (run / "run.in").read_text() == script
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("run.in", "structure.data", "model.mace"):
        (plain / name).write_bytes((run / name).read_bytes())
    done = subprocess.run([BIN / "lmp", "-in", "run.in"], cwd=plain, env=environment(),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert sorted(p.name for p in plain.glob("run.*")) == [
        "run.in", "run.log", "run.minimize.log", "run.restart", "run.xtc"][:1] + [
        "run.log", "run.restart", "run.xtc"]


def test_check(tmp_path):
    write_spec(tmp_path)
    code, out, err = mdbench("check", tmp_path)
    assert code == 0, err
    for word in ("128", "C ", "O ", "H ", "ms"):
        assert word in out
    code, out, _ = mdbench("check", tmp_path, "--json")
    assert code == 0
    assert json.loads(out)["geometry"]
    write_spec(tmp_path, ensemble='temperature = "9000 K"')
    assert "9000" in mdbench("check", tmp_path)[1]


def test_every_number_of_a_finished_run(tmp_path):
    """run, analyze, and the same through a plain lmp run of the same script."""
    write_spec(tmp_path, production="3 ps", segment="0.5 ps", output='velocities = "2 fs"',
               frames="10 fs")
    assert mdbench("run", tmp_path, "--quiet")[0] == 0
    code, out, err = mdbench("analyze", tmp_path)
    assert code == 0, err
    assert "temperature" in out and "no diffusion" in out
    found = json.loads((tmp_path / "analysis/analysis.json").read_text())["runs"][0]
    assert found["provenance"]["num_atoms"] == 128
    assert {"thermo", "rdf", "density_profile", "vacf"} <= set(found)
    rows = (tmp_path / "analysis/analysis.csv").read_text().splitlines()
    assert rows[0].startswith("run,quantity,value,error")
    run = tmp_path / "runs" / NAME
    subprocess.run([BIN / "lmp", "-in", "run.in", "-log", "none"], cwd=run, env=environment(),
                   stdout=subprocess.DEVNULL, check=True)
    code, _, err = mdbench("analyze", run / "run.log")
    assert code == 0, err
    plain = json.loads((run / "analysis/analysis.json").read_text())["runs"][0]
    a, b = (np.array(r["rdf"]["O-H"]["g"]) for r in (found, plain))
    assert a.shape == b.shape
    assert np.abs(a - b).mean() < 0.3  # other segments, so another trajectory, of the same liquid


def test_models_that_are_code_need_a_hash(tmp_path):
    path = write_spec(tmp_path, production="40 fs")
    text = path.read_text()
    path.write_text(f'{text}\n[model]\nfile = "{BUNDLED_LAMMPS}"\n')
    code, _, err = mdbench("run", tmp_path)
    assert code == 1
    assert sha256_of(BUNDLED_LAMMPS) in err
    path.write_text(f'{text}\n[model]\nfile = "{BUNDLED_LAMMPS}"\nsha256 = "{"0" * 64}"\n')
    code, _, err = mdbench("run", tmp_path, "--trust-unpinned")
    assert code == 1
    assert "pinned" in err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


@pytest.mark.slow
def test_a_pickled_model_is_converted_for_the_run(tmp_path):
    path = write_spec(tmp_path, production="40 fs")
    path.write_text(f'{path.read_text()}\n[model]\nfile = "{BUNDLED}"\n'
                    f'sha256 = "{sha256_of(BUNDLED)}"\n')
    code, _, err = mdbench("run", tmp_path, "--quiet")
    assert code == 0, err
    manifest = json.loads((tmp_path / "runs" / NAME / "manifest.json").read_text())
    assert manifest["model"]["file"] == "model.mace"
    assert manifest["model"]["source_sha256"] == sha256_of(BUNDLED)


def test_reference_force_field(tmp_path):
    path = write_spec(tmp_path, production="100 fs")
    path.write_text(f'{path.read_text()}\n[model]\nfile = "reference"\n')
    code, _, err = mdbench("run", tmp_path, "--quiet")
    assert code == 0, err
    assert state(tmp_path / "runs" / NAME)["status"] == "finished"


def test_slurm_array(tmp_path):
    """A task of the array, run by bash as SLURM would: stops on TERM, goes on, ends."""
    path = write_spec(tmp_path, production="20 ps", segment="10 ps",
                      ensemble='temperature = ["280 K", "320 K"]')
    code, out, err = mdbench("submit", tmp_path, "--time", "01:00:00", "--sbatch=--partition=short")
    assert code == 0, err
    script = (tmp_path / "submit.sh").read_text()
    assert "#SBATCH --array=0-1" in script and "#SBATCH --partition=short" in script
    task = {**environment(), "SLURM_ARRAY_TASK_ID": "1", "SLURM_SUBMIT_DIR": str(tmp_path),
            "PATH": f"{BIN}:{os.environ['PATH']}"}
    process = subprocess.Popen(["bash", "submit.sh"], cwd=tmp_path, env=task,
                               stderr=subprocess.PIPE, text=True)
    run = tmp_path / "runs/320K-seed1"
    wait_for(process, lambda: list(run.glob("segments/*.xtc")))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert state(run)["status"] == "stopped"
    assert not (tmp_path / "runs/280K-seed1").exists()
    for bad in ("24", "1:00:00; rm -rf /"):
        with pytest.raises(RunError, match="--time"):
            slurm_script(load_spec(path), bad)
    with pytest.raises(RunError, match="--sbatch"):
        slurm_script(load_spec(path), "1:00:00", ["--wrap=$(id)"])


def test_manifest_repeats_the_run(tmp_path):
    write_spec(tmp_path, production="20 fs")
    assert mdbench("run", tmp_path, "--quiet")[0] == 0
    run = tmp_path / "runs" / NAME
    manifest = json.loads((run / "manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert sha256_of(run / name) == digest
    assert sha256_of(run / "model.mace") == manifest["model"]["sha256"]
    for key in ("versions", "hardware", "command", "spec", "plan", "threads", "ranks", "variant"):
        assert manifest[key] is not None
    assert manifest["specification"]["sha256"] == sha256_of(tmp_path / "run.toml")
    assert str(ROOT) not in json.dumps(manifest)
