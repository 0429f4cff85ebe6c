"""Every input of the repository runs to its end, as it stands."""

import subprocess

import numpy as np
import pytest
from ase.io.lammpsdata import read_lammps_data
from support import BIN, ROOT


def lmp(name, *variables, ranks=1):
    launch = [str(BIN / "mpiexec"), "-n", str(ranks)] if ranks > 1 else []
    words = [word for pair in variables for word in ("-var", *map(str, pair))]
    return subprocess.run([*launch, str(BIN / "lmp"), "-in", f"inputs/{name}", *words], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_every_input_has_a_test():
    assert sorted(p.name for p in (ROOT / "inputs").glob("*.in")) == [
        "graphene_water.in", "graphene_water_d3.in", "graphene_water_mpi.in",
        "graphene_water_respa.in", "graphene_water_restart.in"]


def test_graphene_water_and_its_restart(tmp_path):
    done = lmp("graphene_water.in", ("steps", 20), ("every", 10), ("out", tmp_path / "gw"))
    assert done.returncode == 0, done.stdout
    assert "372 atoms" in done.stdout
    assert sorted(p.suffix for p in tmp_path.iterdir()) == sorted(
        [".log", ".xtc", ".rdf", ".msd", ".profile", ".restart", ".data"])
    last = [line for line in done.stdout.splitlines() if line.split()[:1] == ["20"]][-1].split()
    again = lmp("graphene_water_restart.in", ("restart", tmp_path / "gw.restart"), ("steps", 10),
                ("every", 10), ("out", tmp_path / "more"))
    assert again.returncode == 0, again.stdout
    first = [line for line in again.stdout.splitlines() if line.split()[:1] == ["20"]][0].split()
    assert float(first[2]) == pytest.approx(float(last[2]), rel=1e-6)  # temperature
    assert float(first[4]) == pytest.approx(float(last[4]), rel=1e-6)  # total energy


def test_mpi_example(tmp_path):
    done = lmp("graphene_water_mpi.in", ("steps", 3), ("out", tmp_path / "gw"), ranks=2)
    assert done.returncode == 0, done.stdout
    assert "512 atoms" in done.stdout


def test_d3_example(tmp_path):
    done = lmp("graphene_water_d3.in", ("steps", 4), ("every", 2), ("out", tmp_path / "gw"))
    assert done.returncode == 0, done.stdout
    assert "D3 dispersion: 5 evaluations" in done.stdout
    last = [line for line in done.stdout.splitlines() if line.split()[:1] == ["4"]][-1].split()
    assert -80e-3 < float(last[4]) / 372 < -30e-3  # eV an atom


def test_respa_example(tmp_path):
    done = lmp("graphene_water_respa.in", ("steps", 3), ("out", tmp_path / "gw"))
    assert done.returncode == 0, done.stdout
    assert "D3 dispersion: 4 evaluations" in done.stdout
    # the model: four times a step, and once at the start
    assert "13 evaluations" in done.stdout


def test_blow_up_halts_with_an_error(tmp_path):
    done = lmp("graphene_water.in", ("steps", 200), ("T", "1e7"), ("out", tmp_path / "gw"))
    assert done.returncode != 0
    assert "ERROR" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.strip()[:1].isdigit()]
    assert not [row for row in rows if "nan" in [word.strip("-") for word in row]]


@pytest.mark.parametrize(("name", "count"), [("graphene_water", 372), ("graphene_water_128", 128)])
def test_data_files_are_sane(name, count):
    atoms = read_lammps_data(str(ROOT / f"inputs/{name}.data"), atom_style="atomic")
    distances = atoms.get_all_distances(mic=True) + 9 * np.eye(count)
    assert len(atoms) == count
    assert distances.min() > 0.8
    carbon, oxygen = atoms.numbers == 6, atoms.numbers == 8
    assert distances[np.ix_(carbon, oxygen)].min() > 2.5
