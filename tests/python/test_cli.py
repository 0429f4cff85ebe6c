"""The commands as a user types them."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import typer
from faults.driver import foreign_mpiexec
from support import BIN, BUNDLED, BUNDLED_LAMMPS, STRUCTURES

from mdbench import cli, doctor, plugin_folder, run
from mdbench.programs import usable_cores


def mdbench(*arguments, **options):
    return subprocess.run([str(BIN / "mdbench"), *map(str, arguments)], capture_output=True,
                          text=True, check=False, **options)


def test_help_of_every_verb_has_an_example():
    listing = mdbench("--help")
    assert listing.returncode == 0
    assert "d3" in listing.stdout
    for verb in ("doctor", "convert", "verify"):
        assert verb in listing.stdout
        shown = mdbench(verb, "--help")
        assert shown.returncode == 0
        assert f"Example: mdbench {verb}" in shown.stdout


def test_version():
    assert mdbench("--version").stdout.startswith("mdbench 0.")


def test_doctor_finds_a_working_installation():
    done = mdbench("doctor", "--json")
    findings = {f["name"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    for name in ("torch", "lammps", "bundled model opens", "plugin runs in lmp",
                 "plugin runs on 2 ranks", "TorchScript runs in lmp"):
        assert findings[name]["ok"], findings[name]
    assert "GPU" in findings["CUDA kernels"]["detail"] or "built without" in \
        findings["CUDA kernels"]["detail"]


@pytest.mark.parametrize(("policy", "ok"), [("ACTIVE", False), ("passive", True)])
def test_doctor_warns_of_threads_that_spin(monkeypatch, policy, ok):
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    found = doctor._threads()
    assert found.ok is ok and not found.required
    assert ("cores of those that compute" in found.detail) is not ok


def test_doctor_fails_with_a_remedy_when_something_is_missing():
    """Without the files of mpich, lmp finds no MPI library."""
    program = ("import sys; from mdbench import cli, programs\n"
               "programs._of_mpich = lambda name: None\n"
               "sys.executable = '/nowhere/python'; sys.prefix = '/nowhere'; sys.argv = ['mdbench', 'doctor', '--json']\n"
               "cli.main()\n")
    done = subprocess.run([str(BIN / "python"), "-c", program], capture_output=True, text=True,
                          check=False, env={"PATH": "/nowhere"})
    rows = {f["name"]: f for f in json.loads(done.stdout)}
    assert done.returncode == 1
    assert not rows["plugin runs in lmp"]["ok"]
    assert "mpiexec is missing" in rows["plugin runs on 2 ranks"]["detail"]
    assert "pip install" in rows["plugin runs on 2 ranks"]["remedy"]


def wrong_rows(**environment):
    """What the doctor finds missing: name and detail; it fails and gives a remedy."""
    done = mdbench("doctor", "--json", env={**os.environ, **environment})
    assert done.returncode == 1
    rows = [f for f in json.loads(done.stdout) if not f["ok"]]
    assert all(f["remedy"] for f in rows)
    return {f["name"]: f["detail"] for f in rows}


def test_doctor_looks_at_the_lammps_that_runs_take():
    names = {"plugin runs in lmp", "plugin runs on 2 ranks", "TorchScript runs in lmp"}
    assert wrong_rows(MDBENCH_LMP="/bin/false") == dict.fromkeys(names, "exit code 1")


def test_doctor_counts_the_ranks(tmp_path):
    wrong = wrong_rows(**foreign_mpiexec(tmp_path))
    assert wrong.keys() == {"plugin runs on 2 ranks"}
    assert "LAMMPS runs on 1 MPI rank(s) instead of 2" in wrong["plugin runs on 2 ranks"]


def test_doctor_opens_torchscript(tmp_path):
    """In a plugin of one's own, of which nothing else is wrong."""
    for library in Path(plugin_folder()).glob("mdbench*.so"):
        (tmp_path / library.name).symlink_to(library)
    (tmp_path / "mdbench_torchscript.so").unlink()
    (tmp_path / "mdbench_torchscript.so").write_text("no library")
    wrong = wrong_rows(MDBENCH_PLUGIN_PATH=str(tmp_path))
    assert wrong.keys() == {"TorchScript runs in lmp"}
    assert str(tmp_path) in wrong["TorchScript runs in lmp"]
    (tmp_path / "mdbenchplugin.so").unlink()
    assert f"no mdbenchplugin.so in '{tmp_path}'" in \
        wrong_rows(MDBENCH_PLUGIN_PATH=str(tmp_path))["plugin runs in lmp"]


def test_tables_print_what_is_in_brackets(monkeypatch, capsys):
    """Remedies name extras of packages; LAMMPS's words may hold anything."""
    finding = doctor.Finding("mace", ok=False, detail="[/x] :smile:",
                             remedy="pip install 'mdbench[mace]'")
    monkeypatch.setattr(doctor, "examine", lambda: [finding])
    with pytest.raises(typer.Exit):
        cli.doctor()  # exits with 1
    shown = capsys.readouterr().out
    assert "MISSING" in shown and "[/x] :smile:" in shown and "pip install 'mdbench[mace]'" in shown


@pytest.mark.parametrize(("allotted", "cores"), [("1", 1), ("0", 1), ("100000", None), ("", None)])
def test_cores_of_an_allocation(monkeypatch, allotted, cores):
    """Clusters that bind no processes let them see the whole node."""
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", allotted)
    assert usable_cores() == (cores or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("given", "prepared", "ranks", "threads"), [
    (None, 32, 1, 2), (None, 32, 2, 1), (None, 32, 4, 1), (None, 1, 1, 1), (8, 8, 1, 8)])
def test_threads_of_a_run_that_goes_on_elsewhere(monkeypatch, given, prepared, ranks, threads):
    """A run prepared on a large machine, and two cores where it goes on."""
    monkeypatch.setattr(run, "usable_cores", lambda: 2)
    manifest = {"threads": prepared, "ranks": ranks, "spec": {"run": {"threads": given}}}
    assert run._threads(manifest) == threads


def test_convert_and_verify(tmp_path):
    model = tmp_path / "mine.model"
    model.write_bytes(BUNDLED.read_bytes())
    done = mdbench("convert", model, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["output"] == str(tmp_path / "mine.mace")
    assert len(answer["sha256"]) == 64
    again = mdbench("convert", model)
    assert again.returncode == 1
    assert f"mine.mace' exists: give '-o {tmp_path}/mine.mace' to replace it" in again.stderr

    structure = tmp_path / "frame.xyz"
    STRUCTURES["bulk"]().write(structure)
    (tmp_path / "two words").mkdir()
    converted = (tmp_path / "mine.mace").rename(tmp_path / "two words/of mine.mace")
    done = mdbench("verify", model, "--structure", structure, "--lammps-file", converted, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    checks = json.loads(done.stdout)
    assert len(checks) == 8
    assert all(c["passed"] for c in checks)


def test_verify_fails_on_a_wrong_conversion(models, tmp_path):
    """A file converted from another model does not pass for this one."""
    structure = tmp_path / "frame.xyz"
    STRUCTURES["bulk"]().write(structure)
    done = mdbench("verify", models["bundled"], "--structure", structure, "--lammps-file",
                   models["analytic.pt"], "--json")
    assert done.returncode == 1
    failed = {c["name"] for c in json.loads(done.stdout) if not c["passed"]}
    assert "LAMMPS against Python: forces" in failed
    assert "forces against differences" not in failed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["convert", "absent.model"], "cannot open model file 'absent.model'"),
        (["verify", "absent.model"], "cannot open model file 'absent.model'"),
        (["verify", BUNDLED, "--structure", "absent.xyz"],
         "structure file 'absent.xyz' does not exist"),
        (["verify", BUNDLED, "--lammps-file", "typo.mace"], "cannot open model file 'typo.mace'"),
        (["verify", BUNDLED_LAMMPS, "--lammps-file", BUNDLED_LAMMPS, "--structure", "iron.xyz"],
         "is converted itself: leave --lammps-file out"),
        (["verify", BUNDLED, "--structure", "iron.xyz"],
         "the structure holds Fe; the model knows only H, C, O"),
    ],
)
def test_errors_are_one_line(arguments, text, tmp_path):
    (tmp_path / "iron.xyz").write_text("2\n\nFe 0 0 0\nFe 0 0 2.5\n")
    done = mdbench(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert [p.name for p in tmp_path.iterdir()] == ["iron.xyz"]
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("mdbench: error: ")
    assert text in done.stderr
