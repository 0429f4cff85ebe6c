"""The driver with classical force fields: nothing lost, nothing changed, plain refusals."""

import json
from dataclasses import replace

import classical
import pytest
from faults.driver import NAME, fingerprint, mdbench, start, state, thermo_rows

from mdbench.engine import potentials_folder
from mdbench.run_folder import RunFolder, sha256_of

COPPER = potentials_folder() / "Cu_u3.eam"
SPEC = """\
name = "classical"

[system]
file = "system.data"

[force_field]
{force_field}

[ensemble]
tdamp = "50 fs"
{ensemble}

[run]
timestep = "{timestep}"
equilibration = "100 fs"
production = "{production}"
segment = "100 fs"
threads = 1

[output]
thermo = "20 fs"
frames = "20 fs"
velocities = "20 fs"
"""
WATER = """kind = "cvff"
shake = true
cutoff = "6 A"
special_bonds = [0.0, 0.0, 0.5]
mixing = "geometric"
"""
RIGID = {"angle_deg": classical.RIGID_ANGLE_DEG, "r0": 1.0}
CASES = {
    "water": (lambda: classical.water(64, 12.6, **RIGID), WATER, 'kind = "nvt"'),
    "water-weak": (lambda: classical.water(64, 12.6, **RIGID), WATER,
                   'kind = "npt"\nthermostat = "berendsen"\nbarostat = "berendsen"'),
    "water-fixed": (lambda: classical.water(64, 12.6, **RIGID), WATER, 'fixed = ["1-30", "100-102"]'),
    "argon-fixed": (classical.argon, 'kind = "lj"\ncutoff = "8 A"',
                    'thermostat = "langevin"\nfixed = "1-8"'),
    "chains": (lambda: classical.chains("opls", "cvff"),
               'kind = "cvff"\ncutoff = "6 A"\ndihedral = "opls"\nimproper = "cvff"\n'
               'kspace = "ewald"\nalpha = "0.16 1/A2"\nkmax = [8, 8, 8]',
               'thermostat = "csvr"'),
    "copper": (classical.copper,
               f'kind = "eam"\nunits = "metal"\npotential_file = "{COPPER}"', 'kind = "npt"'),
    "argon": (classical.argon, 'kind = "lj"\ncutoff = "8 A"', 'thermostat = "rescale"'),
}


def write_run(folder, case, *, production="300 fs", make=None, **changes):
    usual, force_field, ensemble = CASES[case]
    folder.mkdir(exist_ok=True)
    if not (folder / "system.data").exists():
        classical.write(folder, (make or usual)())
    values = {"force_field": force_field, "ensemble": ensemble, "production": production,
              "timestep": "0.5 fs" if case == "chains" else "2 fs", **changes}
    (folder / "run.toml").write_text(SPEC.format(**values))
    return folder / "runs" / NAME


def refused(*arguments):
    """The one line that a verb ends with."""
    code, _, err = mdbench(*arguments)
    assert code == 1
    assert err.count("\n") == 1 and "Traceback" not in err
    return err


@pytest.fixture(scope="module", params=CASES)
def whole(request, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp(request.param)
    run = write_run(folder, request.param)
    code, _, err = mdbench("run", folder, "--quiet")
    assert code == 0, err
    return request.param, run


def test_killed_it_goes_on_with_the_same_trajectory(whole, tmp_path):
    """kill -9 in the equilibration and in the production: the same, bit for bit."""
    case, undisturbed = whole
    run = write_run(tmp_path, case)
    first_step = None
    for steps in (1, 3):
        process = start("resume" if run.exists() else "run", tmp_path, "--quiet")
        while not (RunFolder(run).is_prepared and len(RunFolder(run).state().segments) >= steps):
            assert process.poll() is None
        process.kill()
        process.communicate()
        first_step = first_step or RunFolder(run).state().step
    assert state(run)["status"] == "running"
    code, _, err = mdbench("resume", tmp_path)
    assert code == 0, err
    assert state(run)["status"] == "finished"
    assert len(fingerprint(run)) == 8  # four segments, frames and velocities
    assert fingerprint(run) == fingerprint(undisturbed)
    assert thermo_rows(run) == thermo_rows(undisturbed)


def test_analysis_and_report(whole):
    case, run = whole
    code, out, err = mdbench("report", run.parents[1])
    assert code == 0, err
    page = (run.parents[1] / "report/report.html").read_text()
    kind = CASES[case][1].split('"')[1]
    assert f"classical, {kind}" in page
    analysis = json.loads((run.parents[1] / "analysis/analysis.json").read_text())
    assert analysis["runs"][0]["provenance"]["num_atoms"] == RunFolder(run).manifest()["num_atoms"]
    manifest = RunFolder(run).manifest()
    assert manifest["units"] == ("metal" if case == "copper" else "real")
    if case == "copper":
        assert manifest["model"]["sha256"] == sha256_of(COPPER) == sha256_of(run / "potential.eam")


def test_longer_and_changed(tmp_path):
    """A longer production goes on; another force field, or a changed file, does not."""
    run = write_run(tmp_path, "copper", production="100 fs")
    assert mdbench("run", tmp_path, "--quiet")[0] == 0
    before = fingerprint(run)
    potential = (run / "run.in").read_text().split("pair_style")[1].split("neighbor")[0]
    # as earlier versions took it, of all temperatures; it does not act on the run
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["spec"]["analysis"] = {"viscosity": "0.9 mPa s"}
    manifest["spec"]["ensemble"]["temperature"] = ["280.0 K", "298.0 K"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    write_run(tmp_path, "copper", production="200 fs")
    code, _, err = mdbench("resume", tmp_path, "--quiet")
    assert code == 0, err
    after = fingerprint(run)
    assert {k: after[k] for k in before} == before and len(after) > len(before)
    assert (run / "run.in").read_text().split("pair_style")[1].split("neighbor")[0] == potential
    write_run(tmp_path, "copper", production="300 fs", force_field='kind = "lj"')
    assert "was started with another force_field.kind (eam, now lj)" in refused("resume", tmp_path)
    write_run(tmp_path, "copper", production="300 fs")
    content = (run / "potential.eam").read_text()
    (run / "potential.eam").write_text(content.replace("0", "1", 1))
    assert "potential.eam' is not the file that the run was started with" in refused(
        "resume", tmp_path)


def test_a_campaign_that_has_moved_goes_on(tmp_path):
    """Another machine's folder; the run has its own copies. Another file's name is another run."""
    write_run(tmp_path / "here", "argon", production="100 fs")
    assert mdbench("run", tmp_path / "here", "--quiet")[0] == 0
    (tmp_path / "here").rename(tmp_path / "there")
    run = write_run(tmp_path / "there", "argon", production="200 fs")
    code, _, err = mdbench("resume", tmp_path / "there", "--quiet")
    assert code == 0, err
    assert state(run)["segments"][-1]["last"] == 150
    path = tmp_path / "there/run.toml"
    (tmp_path / "there/system.data").rename(tmp_path / "there/other.data")
    path.write_text(path.read_text().replace("system.data", "other.data"))
    assert "was started with another system.file" in refused("resume", tmp_path / "there")
    # in a folder of the campaign there is another file of the same name
    (tmp_path / "there/v1").mkdir()
    path.write_text(path.read_text().replace("other.data", "v1/system.data"))
    content = (tmp_path / "there/other.data").read_text()
    (tmp_path / "there/v1/system.data").write_text(content.replace("39.9", "39.8"))
    assert "was started with another system.file" in refused("resume", tmp_path / "there")


def test_a_file_of_the_same_name_elsewhere_is_another(tmp_path):
    folder = tmp_path / "campaign"
    write_run(folder, "argon", production="100 fs")
    (folder / "v1").mkdir()
    (folder / "system.data").rename(folder / "v1/system.data")
    path = folder / "run.toml"
    path.write_text(path.read_text().replace("system.data", "v1/system.data"))
    assert mdbench("run", folder, "--quiet")[0] == 0
    content = (folder / "v1/system.data").read_text()
    path.write_text(path.read_text().replace("v1/system.data", "system.data"))
    (folder / "system.data").write_text(content)
    assert mdbench("resume", folder, "--quiet")[0] == 0  # the same content
    (folder / "system.data").write_text(content.replace("39.9", "39.8"))
    assert "was started with another system.file" in refused("resume", folder)
    (folder / "v1/system.data").unlink()
    assert "was started with another system.file" in refused("resume", folder)


def test_a_right_angled_cell_may_tilt(tmp_path):
    run = write_run(tmp_path, "argon", production="100 fs",
                    ensemble='kind = "npt"\ncoupling = "tri"')
    code, _, err = mdbench("run", tmp_path, "--quiet")
    assert code == 0, err
    assert "triclinic box" in (run / "segments/000000000.log").read_text()


def test_runs_of_earlier_versions_go_on(tmp_path):
    """Their manifests know nothing of force fields, thermostats that came later, or units."""
    (tmp_path / "run.toml").write_text(
        '[system]\nbuilder = "graphene-water"\ncell = "128"\n[ensemble]\ntdamp = "10 fs"\n[run]\nequilibration = "0 fs"\n'
        'production = "20 fs"\nthreads = 1\nminimize = false\n[output]\nframes = "5 fs"\n')
    assert mdbench("run", tmp_path, "--quiet")[0] == 0
    run = tmp_path / "runs" / NAME
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    for key in ("potential", "units", "atom_style", "rigid"):
        del manifest[key]
    manifest["model_file"] = "model.mace"
    for section, keys in (("ensemble", ("barostat", "bulk_modulus")), ("run", ("velocities",))):
        for key in keys:
            del manifest["spec"][section][key]
    del manifest["spec"]["force_field"], manifest["spec"]["rbmd"]
    path.write_text(json.dumps(manifest))
    script = (run / "run.in").read_text()
    text = (tmp_path / "run.toml").read_text()
    (tmp_path / "run.toml").write_text(text.replace("20 fs", "40 fs"))
    code, _, err = mdbench("resume", tmp_path, "--quiet")
    assert code == 0, err
    assert state(run)["segments"][-1]["last"] == 80
    assert (run / "run.in").read_text() == script.replace("index 40", "index 80")
    manifest = json.loads(path.read_text())
    manifest["spec"]["run"]["timestep"] = "fast"
    path.write_text(json.dumps(manifest))
    assert "is damaged" in refused("resume", tmp_path)


def test_blow_up_in_units_real_is_told_in_ev(tmp_path):
    """Atoms put into each other; the limit is 100 eV/A whatever the units."""
    system = classical.argon()
    positions = system.positions.copy()
    positions[0] = positions[1] + [1.9, 0.0, 0.0]
    run = write_run(tmp_path, "argon", timestep="0.1 fs")
    classical.write(tmp_path, replace(system, positions=positions).wrapped())
    text = (tmp_path / "run.toml").read_text()
    (tmp_path / "run.toml").write_text(text.replace("threads", "minimize = false\nthreads"))
    err = refused("run", tmp_path, "--quiet")
    assert "the run blew up at step 1 " in err
    force = float(err.split("atoms ")[1].split(", ")[1].split()[0])
    # 4 eps (12 s^12 / r^13 - 6 s^6 / r^7) with r = 1.9 A, in eV/A
    expected = 4 * 0.238 * classical.KCAL_EV * (12 * 3.405**12 / 1.9**13 - 6 * 3.405**6 / 1.9**7)
    assert force == pytest.approx(expected, rel=0.05) and force > 100
    assert "numbers of the force field" in err or "apart" in err
    assert not list(run.glob("segments/*.restart"))


def test_refusals_are_one_line_before_anything_is_made(tmp_path):
    """Where each is found does not matter to the user: the verb ends, no run folder is left."""
    metal = {"make": lambda: classical.argon(units="metal")}
    for case, changes, says in (
        ("chains", {"force_field": 'kind = "cvff"\nshake = true\ndihedral = "opls"\n'
                                   'improper = "cvff"'}, "force_field.shake: atom"),
        ("argon", {"force_field": 'kind = "cvff"'}, "kind 'cvff' needs style full"),
        ("argon", {"force_field": 'kind = "lj-coulomb"'}, "has no charges"),
        ("argon", {"force_field": f'kind = "eam"\nunits = "metal"\npotential_file = "{COPPER}"',
                   **metal}, "is for Cu alone, and there is Ar"),
        ("argon", {"force_field": 'kind = "eam"\nunits = "metal"\npotential_file = "x"', **metal},
         "No such file"),
        ("argon", metal, "has units = 'metal' in its title, and would be read as real"),
        ("copper", {"force_field": 'kind = "lj"\nunits = "metal"'}, "has no section 'Pair Coeffs'"),
        ("chains", {"force_field": 'kind = "cvff"'}, "4 numbers instead of 3"),
        ("argon", {"ensemble": 'barostat = "berendsen"'}, "goes with kind = 'npt'"),
        ("argon", {"ensemble": 'kind = "npt"\ncoupling = "tri"\nbarostat = "berendsen"'},
         "not 'tri'"),
    ):
        folder = tmp_path / f"{case}-{abs(hash(says))}"
        write_run(folder, case, **changes)
        assert says in refused("run", folder, "--quiet")
        assert not list(folder.glob("runs/*"))


def test_check_prints_a_script_that_lammps_runs(tmp_path):
    """And says what it costs."""
    write_run(tmp_path, "water")
    code, out, err = mdbench("check", tmp_path)
    assert code == 0, err
    assert "atoms         192" in out and "ms a step (LAMMPS" in out and "disk" in out
    code, out, _ = mdbench("check", tmp_path, "--dry-run")
    assert code == 0 and "fix         rigid all shake" in out
    code, out, _ = mdbench("check", tmp_path, "--json")
    assert json.loads(out)["cost"]["ms_per_step"] > 0
