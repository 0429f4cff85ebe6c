"""Runs with fixed atoms: these stay, temperature and thermostats are of the others alone."""

import json

import numpy as np
import pytest
from faults.driver import NAME, mdbench, write_spec

from mdbench.output.run_data import open_run
from mdbench.structure_file import read_structure

CARBON, WATER = 32, 96
KB = 0.8314462618  # u A^2/ps^2/K
OFTEN = {"thermo": "2.5 fs", "frames": "2.5 fs", "output": 'velocities = "2.5 fs"\nformat = "custom"'}


def run_with(folder, ensemble, **changes):
    write_spec(folder, ensemble=f'fixed = "C"\n{ensemble}', **{**OFTEN, **changes})
    code, _, err = mdbench("run", folder, "--quiet")
    assert code == 0, err
    return open_run(folder / "runs" / NAME)


def vectors(source):
    return np.array([frame.positions.copy() for frame in source.frames()])


def kinetic_temperature(velocities):
    """[frames] K, three degrees of freedom for each atom that moves."""
    v, masses = vectors(velocities)[:, CARBON:], velocities.masses[CARBON:]
    return np.einsum("tac,tac,a->t", v, v, masses) / (3 * WATER * KB)


@pytest.mark.parametrize("thermostat", ["nose-hoover", "csvr", "langevin", "berendsen", "rescale"])
def test_the_others_have_the_temperature(thermostat, tmp_path):
    run = run_with(tmp_path, f'thermostat = "{thermostat}"', production="80 fs")
    assert run.trajectory.numbers[:CARBON].tolist() == [6] * CARBON
    positions, velocities = vectors(run.trajectory), vectors(run.velocities)
    assert (positions[:, :CARBON] == positions[0, :CARBON]).all()
    assert not velocities[:, :CARBON].any()
    assert (np.abs(np.diff(positions[:, CARBON:], axis=0)).max(axis=(1, 2)) > 1e-4).all()
    logged = run.thermo.columns["Temp"]
    np.testing.assert_allclose(kinetic_temperature(run.velocities), logged, rtol=2e-5)
    assert logged[0] == pytest.approx(298, rel=1e-9)
    if thermostat == "rescale":  # every 20 steps to within 1 % of it
        assert logged[(run.thermo.times_ps > 0.0205) & (np.arange(len(logged)) % 4 == 0)] == pytest.approx(298, abs=3.1)


def test_a_heat_bath_acts_on_them_alone(tmp_path):
    """CSVR with a time constant of a few steps: the mean of a chi-squared distribution."""
    run = run_with(tmp_path, 'thermostat = "csvr"', production="500 fs", equilibration="0 fs")
    logged = run.thermo.columns["Temp"][20:]
    # T of 288 degrees of freedom scatters by 25 K, with some 20 independent values here
    assert logged.mean() == pytest.approx(298, abs=25)
    assert 8 < logged.std() < 50


def test_nothing_is_lost_in_nve(tmp_path):
    run = run_with(tmp_path, 'kind = "nve"', production="100 fs")
    columns = run.thermo.columns
    energy = columns["TotEng"][run.thermo.times_ps > 0.0201]
    exchanged = np.ptp(columns["TotEng"] - columns["PotEng"])
    half = len(energy) // 2
    assert abs(energy[:half].mean() - energy[half:].mean()) < 0.002 * exchanged
    assert np.ptp(energy) < 0.02 * exchanged  # what steps of 0.5 fs make of bonds of hydrogen


def test_they_stay_while_the_others_relax(tmp_path):
    path = write_spec(tmp_path, ensemble='fixed = "C"', production="10 fs", equilibration="0 fs", **OFTEN)
    path.write_text(path.read_text().replace("minimize = false", "minimize = true"))
    code, _, err = mdbench("run", tmp_path, "--quiet")
    assert code == 0, err
    folder = tmp_path / "runs" / NAME
    first = vectors(open_run(folder).trajectory)[0]
    before = read_structure(folder / "structure.data").positions
    np.testing.assert_allclose(first[:CARBON], before[:CARBON], atol=1e-8)
    assert np.abs(first[CARBON:] - before[CARBON:]).max() > 0.01


def test_velocities_of_a_file_are_not_theirs(tmp_path):
    """A run that starts with the velocities of its file, of which fixed atoms have some."""
    from mdbench.spec import RunSpec  # noqa: PLC0415
    from mdbench.systems import build, write_data  # noqa: PLC0415

    atoms = build(RunSpec.model_validate({"system": {"builder": "graphene-water", "cell": "128"}}).system)
    atoms.set_velocities(np.full((len(atoms), 3), 0.05))
    write_data(tmp_path / "a.data", atoms, ["C", "O", "H"])
    path = write_spec(tmp_path, ensemble='fixed = ["1-32"]', run='velocities = "file"', equilibration="0 fs",
                      production="20 fs", **OFTEN)
    text = path.read_text().replace('builder = "graphene-water"\ncell = "128"', 'file = "a.data"')
    path.write_text(text)
    code, _, err = mdbench("run", tmp_path, "--quiet")
    assert code == 0, err
    run = open_run(tmp_path / "runs" / NAME)
    velocities = vectors(run.velocities)
    assert not velocities[:, :CARBON].any()
    first = atoms.get_velocities()[CARBON:] * 98.22694788  # A/ps
    np.testing.assert_allclose(velocities[0, CARBON:], first, rtol=1e-5)


def test_report_says_so(tmp_path):
    run_with(tmp_path, "", production="200 fs")
    assert "\nfixed         32 atoms\n" in mdbench("check", tmp_path)[1]
    code, _, err = mdbench("report", tmp_path)
    assert code == 0, err
    (run,) = json.loads((tmp_path / "analysis/analysis.json").read_text())["runs"]
    assert "32 atoms are held in place" in run["notes"]
    assert not any("log's temperature" in note for note in run["notes"])
    refused = {r["quantity"]: r["reason"] for r in run["refused"]}
    assert refused["mean squared displacement of C"] == "the atoms of C do not move"


@pytest.mark.parametrize(("ensemble", "message"), [
    ('fixed = "Li"', "ensemble.fixed: 'Li' names no atoms"),
    ('fixed = "file"', "ensemble.fixed: 'file' names no atoms"),
    ('fixed = ["C", "33-128"]', "ensemble.fixed: holds all atoms"),
    ('fixed = "C"\nkind = "npt"', "not with kind = 'npt'"),
])
def test_refusals(ensemble, message, tmp_path):
    write_spec(tmp_path, ensemble=ensemble)
    for verb in ("run", "check"):
        code, out, err = mdbench(verb, tmp_path)
        assert code == 1 and message in out + err
        assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()
