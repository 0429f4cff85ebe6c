"""The driver with D3: right energies, nothing lost, and the papers in the report."""

import pytest
from faults.driver import NAME, fingerprint, mdbench, start, state, write_spec

from mdbench import D3Calculator, MACECalculator
from mdbench.doctor import BUNDLED_MODEL
from mdbench.run_folder import RunFolder
from mdbench.structure_file import read_structure

D3 = """
[dispersion]
method = "d3"
functional = "PBE"
damping = "bj"
cutoff = "12 A"
coordination_cutoff = "10 A"
atm = "5 A"
skin = "0.3 A"
allow_double_counting = true
"""
LENGTH = {"production": "80 fs", "equilibration": "0 fs"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("d3")
    write_spec(folder, run=D3, **LENGTH)
    code, _, err = mdbench("run", folder)
    assert code == 0, err
    return folder


def first_thermo(log):
    lines = log.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[:2] == ["Step", "Time"])
    return dict(zip(lines[at].split(), map(float, lines[at + 1].split()), strict=True))


def test_energy_is_that_of_the_calculators(whole):
    run = whole / "runs" / NAME
    atoms = read_structure(run / "structure.data", ["C", "O", "H"])
    mace = MACECalculator(BUNDLED_MODEL, precision="mixed").get_property("energy", atoms)
    d3 = D3Calculator(cutoff=12, cn=10, atm=5).get_property("energy", atoms)
    log = sorted((run / "segments").glob("*.log"))[0]
    assert first_thermo(log)["PotEng"] == pytest.approx(mace + d3, abs=1e-4 * abs(d3))
    assert d3 < -5


def test_killed_it_goes_on_with_the_same_trajectory(whole, tmp_path):
    """A list of D3 is never older than the segment."""
    write_spec(tmp_path, run=D3, **LENGTH)
    run = tmp_path / "runs" / NAME
    process = start("run", tmp_path, "--quiet")
    while not (RunFolder(run).is_prepared and RunFolder(run).state().step >= 80):
        assert process.poll() is None
    process.kill()
    process.communicate()
    code, _, err = mdbench("resume", run)
    assert code == 0, err
    assert state(run)["status"] == "finished"
    assert fingerprint(run) == fingerprint(whole / "runs" / NAME)


def test_report_names_d3_and_its_papers(whole):
    code, _, err = mdbench("report", whole)
    assert code == 0, err
    page = (whole / "report/report.html").read_text()
    for text in ("10.1063/1.3382344", "10.1002/jcc.21759", "method d3, functional PBE, damping bj"):
        assert text in page


def test_without_the_permission_nothing_starts(tmp_path):
    write_spec(tmp_path, run=D3.replace("true", "false"), **LENGTH)
    code, _, err = mdbench("run", tmp_path)
    assert code == 1
    assert "dispersion.method: the model's labels hold dispersion already ('functional')" in err
    assert err.count("\n") == 1
