"""Logs: thermo output of every style, damage, echoed commands; fuzzing of all text readers."""

import random

import numpy as np
import pytest
from support import run_lmp

from mdbench.analyze import analyze_run
from mdbench.collect import analysis_of, analyze_folder
from mdbench.errors import OutputError
from mdbench.output.data_file import read_data_file
from mdbench.output.formats import open_reader
from mdbench.output.log import read_log
from mdbench.output.plain_run import open_plain_run
from mdbench.output.run_parts import Hints
from mdbench.output.thermo import ATM_BAR, KCAL_PER_MOL_EV
from mdbench.spec import Analysis

SETUP = """units {units}
region r block 0 12 0 12 0 12
create_box 1 r
create_atoms 1 random 30 1 NULL overlap 2.0 maxtry 1000
mass 1 39.948
pair_style lj/cut 5
pair_coeff * * {epsilon} 2.5
variable T equal 300
velocity all create $T 4
timestep {timestep}
fix motion all nvt temp ${{T}} ${{T}} $(100*dt)  # "units lj"
thermo 5
"""
COLUMNS = "thermo_style custom step time temp pe etotal press vol v_T\n"


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Logs of the same 40 steps in both units and all styles of output."""
    folder = tmp_path_factory.mktemp("logs")
    for name, units, epsilon, dt, style in (
            ("one", "metal", 0.01, 0.002, ""), ("real", "real", 0.01 / KCAL_PER_MOL_EV, 2.0, ""),
            ("yaml", "metal", 0.01, 0.002, "thermo_modify line yaml\n"),
            ("multi", "metal", 0.01, 0.002, "thermo_modify line multi\n"),
            ("norm", "metal", 0.01, 0.002, "thermo_modify norm yes\n")):
        setup = SETUP.format(units=units, epsilon=epsilon, timestep=dt)
        script = f"log {folder}/{name}.log\n{setup}{COLUMNS}{style}run 20\nrun 20 pre no\n"
        code, text = run_lmp(script, folder)
        assert code == 0, text
    return folder


@pytest.mark.parametrize("name", ["real", "yaml", "multi", "norm"])
def test_styles_and_units_agree(logs, name):
    one, other = read_log(logs / "one.log"), read_log(logs / f"{name}.log")
    assert other.thermo.steps.tolist() == list(range(0, 41, 5))
    np.testing.assert_allclose(other.thermo.times_ps, other.thermo.steps * 0.002)
    wanted = ["Time", "Temp", "PotEng", "TotEng", "Press", "Volume", "v_T"]
    assert list(one.thermo.columns) == wanted
    assert (other.units, other.timestep_fs) == ("real" if name == "real" else "metal", 2.0)
    for column in wanted:  # constants of the unit styles agree to some digits only
        np.testing.assert_allclose(other.thermo.columns[column], one.thermo.columns[column],
                                   rtol=2e-4, atol=6e-5 if name == "multi" else 1e-9)


def test_a_plain_log(logs):
    found = read_log(logs / "one.log")
    assert found.setup.ensemble() == ("nvt", 300.0)
    assert found.setup.masses == {1: 39.948}
    assert found.num_atoms == 30 and [loop.num_steps for loop in found.loops] == [20, 20]
    speed = found.loops[0].num_steps * 2e-6 / found.loops[0].seconds * 86400
    assert found.loops[0].ns_per_day == pytest.approx(speed, rel=1e-3)
    assert found.ns_per_day == pytest.approx(
        40 * 2e-6 / sum(loop.seconds for loop in found.loops) * 86400)
    assert ATM_BAR == 1.01325 and pytest.approx(0.0433641) == KCAL_PER_MOL_EV


def test_cut_anywhere(logs, tmp_path):
    content, whole = (logs / "one.log").read_bytes(), read_log(logs / "one.log").thermo
    path = tmp_path / "cut.log"
    start = content.index(b"\n        10 ")
    for cut in random.Random(1).sample(range(start, len(content)), 200):
        path.write_bytes(content[:cut])
        found = read_log(path)
        count = len(found.thermo)
        assert found.thermo.steps.tolist() == whole.steps[:count].tolist()
        np.testing.assert_array_equal(found.thermo.columns["Temp"], whole.columns["Temp"][:count])
        assert found.notes or content[cut - 1 : cut] == b"\n"
    path.write_bytes(content[: start + 5])
    assert read_log(path).thermo.steps.tolist() == [0, 5]


def test_a_killed_run_has_its_number_of_atoms(logs, tmp_path):
    """Averages of energies are an atom's; without any number they are refused, in one line."""
    content = (logs / "one.log").read_text()
    cut, path = content[: content.index("Loop time")], tmp_path / "killed.log"
    path.write_text(cut)
    assert read_log(path).num_atoms == 30
    for line, number in (("Deleted 10 atoms, new total = 20", 20), ("Created 5 atoms", 35),
                         ("  60 atoms", 60), ("  61 atomic lines", 30)):
        path.write_text(cut.replace("Per MPI", f"{line}\nPer MPI"))
        assert read_log(path).num_atoms == number
    path.write_text(log_text(*(f"{10 * i} {300 + i % 7} -5" for i in range(200)),
                             header="Step Temp PotEng"))
    refused = analyze_run(open_plain_run(path, Hints()), Analysis())["refused"]
    assert {"quantity": "thermodynamic averages",
            "reason": "the log does not say how many atoms there are"} in refused


def log_text(*rows, header="Step Temp", before="units metal\ntimestep 0.001\n"):
    return f"{before}   {header}\n" + "".join(f"  {r}\n" for r in rows)


def test_rules_for_rows(tmp_path):
    path = tmp_path / "log"

    def steps(text):
        path.write_text(text)
        table = read_log(path).thermo
        return table.steps.tolist(), table.columns["Temp"].tolist()

    middle = ("0 1", "WARNING: bad (src/x.cpp:1)", "10 2", "12 units real", "7 8 9", "nonsense", "20 3")
    assert steps(log_text(*middle)) == ([0, 10, 20], [1, 2, 3])
    assert read_log(path).units == "metal"
    again = log_text("0 1", "10 2", "20 3") + log_text("10 4", "20 5", "30 6")
    assert steps(again) == ([0, 10, 20, 30], [1, 4, 5, 6])  # on from an older restart file
    reset = log_text("0 1", "57 2") + "reset_timestep 0\n" + log_text("0 4", "20 nan", before="")
    assert steps(reset)[0] == [0, 20] and np.isnan(steps(reset)[1][1])
    other = log_text("0 1") + log_text("1 5 6", header="Step Press Temp")
    assert steps(other) == ([0, 1], [1, 6])  # the columns that both have
    path.write_text(log_text("0 1", "10 2") + "timestep 0.002\n" + log_text("20 3", before=""))
    with pytest.raises(OutputError, match="changes the timestep before step 10"):
        read_log(path)
    assert read_log(path, timestep_fs=1.0).thermo.times_ps.tolist() == [0, 0.01, 0.02]


@pytest.mark.parametrize(("text", "why"), [
    ("", "is no LAMMPS log"), ("hello\n", "is no LAMMPS log"),
    ("units lj\n", "units lj"), ("read_restart a\n", "does not say its units"),
    ("units metal\nread_restart a\n", "give timestep_fs"),
    ("units metal\ntimestep 0\n" + log_text("0 1", before=""), "timestep 0"),
    ("units metal\nfix 1 all dt/reset 10 NULL NULL 0.1\n", "no fixed length"),
])
def test_refused(tmp_path, text, why):
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(OutputError, match=why):
        read_log(path)


def test_the_default_style_has_a_potential_energy(tmp_path):
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    code, printed = run_lmp(f"log log\n{text}run 20\nthermo_style custom step pe\nrun 0\n", tmp_path)
    assert code == 0, printed
    found = read_log(tmp_path / "log")
    first, last = found.stages[0].thermo.columns["PotEng"][-1], found.thermo.columns["PotEng"][-1]
    assert first == pytest.approx(last, rel=1e-6)


def test_a_log_that_begins_in_the_middle(tmp_path):
    """By a command `log`: what came before is in another file."""
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    before, after = text.split("timestep")
    for said, units in ((f"{before}timestep{after}log log\n", None), (f"{before}log log\ntimestep{after}", "metal")):
        code, printed = run_lmp(f"log first\n{said}run 4000\n", tmp_path)
        assert code == 0, printed
        if units is None:
            with pytest.raises(OutputError, match="does not say its units: put the log that came before"):
                read_log(tmp_path / "log")
        else:
            assert read_log(tmp_path / "log").units == units


def test_minimisations_are_no_runs(tmp_path):
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    code, _ = run_lmp(f"log log\n{text}minimize 0 1e-9 30 300\nreset_timestep 0\nrun 20\n", tmp_path)
    found = read_log(tmp_path / "log")
    assert code == 0 and found.thermo.steps.tolist() == [0, 5, 10, 15, 20]
    assert [loop.num_steps for loop in found.loops] == [30, 20]
    assert found.ns_per_day == pytest.approx(20 * 2e-6 / found.loops[1].seconds * 86400)


AGAIN = "unfix motion\nfix motion all "
DUMP_ALL = "dump all all custom 5 {} id type xu yu zu\ndump_modify all first yes\n"
RESET = f"undump all\nreset_timestep 0\n{DUMP_ALL.format('two.dump')}"
STAGES = {  # after 20 steps of nvt at 300 K: commands; kind, target, first and last step, stage of how many
    "nve": ("unfix motion\nfix e all nve\nrun 40\nunfix e\nrun 0\n", "nve", None, 20, 60, "nve", 2),
    "sweep": (AGAIN + "nvt temp 400 400 0.2\nrun 10\n" + AGAIN + "nvt temp 500 500 0.2\nrun 40\n",
              "nvt", 500.0, 30, 70, "nvt (temp 500)", 3),
    "same": ("run 20\n", "nvt", 300.0, 0, 40, None, 1),
    "other damping": (AGAIN + "nvt temp 300.0 300 0.3\nrun 20\n", "nvt", 300.0, 0, 40, None, 1),
    "ramp, hold": (AGAIN + "nvt temp 300 100 0.2\nrun 20\n" + AGAIN + "nvt temp 100 100 0.2\nrun 20\n",
                   "nvt", 100.0, 40, 60, "nvt (temp 100)", 3),
    "ramp": (AGAIN + "nvt temp 300 100 0.2\nrun 20\n", "nvt", None, 20, 40,
             "nvt (temp 300 to 100)", 2),
    "pressures": (AGAIN + "npt temp 300 300 0.2 iso 0 0 2\nrun 20\n" + AGAIN
                  + "npt temp 300 300 0.2 iso 500 500 2\nrun 20\n", "npt", 300.0, 40, 60,
                  "npt (iso 500, temp 300)", 3),
    "deform, hold": ("fix d all deform 1 x scale 1.1\nrun 20\nunfix d\nrun 20\n", "nvt", 300.0, 40,
                     60, "nvt (temp 300)", 3),
    "reset": ("unfix motion\n" + RESET + "fix e all nve\nrun 40\n", "nve", None, 0, 40, "nve", 2),
    "reset within": (AGAIN + "npt temp 300 300 0.2 iso 0 0 2\nrun 60\n" + RESET + "run 30\n",
                     "npt", 300.0, 0, 30, "npt (iso 0, temp 300)", 2),
    "relaxed at the end": ("minimize 0 1e-9 30 300\n", "nvt", 300.0, 0, 20, None, 1),
    "relaxed before": ("minimize 0 1e-9 30 300\n" + AGAIN + "nvt temp 400 400 0.1\nrun 20\n", "nvt",
                       400.0, 50, 70, "nvt (temp 400)", 2),
    "other timestep": ("timestep 0.001\nrun 40\n", "nvt", 300.0, 20, 60,
                       "nvt (temp 300) in steps of 1 fs", 2),
    "pushed apart": ("unfix motion\nfix e all nve\nfix s all dt/reset 10 1e-5 1e-3 0.1\nrun 20\n"
                     "unfix s\ntimestep 0.001\nrun 40\n", "nve", None, 40, 80,
                     "nve in steps of 1 fs", 3),
    "a look at the end": ("run 180\nunfix motion\nfix e all nve\nrun 10\n", "nvt", 300.0, 0, 200,
                          "nvt (temp 300)", 2),
}


@pytest.mark.parametrize("case", STAGES)
def test_stages_of_a_log(tmp_path, case):
    """What is averaged, and the drift that is fitted, belong to one ensemble."""
    then, kind, target, first, last, stage, count = STAGES[case]
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    script = f"log log\n{text}{DUMP_ALL.format('one.dump')}run 20\n{then}"
    code, printed = run_lmp(script, tmp_path)
    assert code == 0, printed
    found = open_plain_run(tmp_path / "log", Hints(elements=["Ar"]))
    assert (found.ensemble, found.temperature_k, found.equilibration_ps) == (kind, target, 0.0)
    assert found.provenance["ensemble"] == kind
    assert (found.thermo.steps[0], found.thermo.steps[-1]) == (first, last)
    steps = found.trajectory.steps
    assert (steps[0], steps[-1]) == (first, last) and len(steps) == len(found.thermo.steps)
    frames = [frame.step for frame in found.trajectory.frames()]
    assert frames == steps.tolist()
    says = [note for note in found.notes if "is analysed" in note]
    step_fs = 1.0 if stage and "of 1 fs" in stage else 2.0
    times_ps = np.array([first, last]) * step_fs * 1e-3
    assert found.provenance["timestep_fs"] == step_fs
    np.testing.assert_allclose(found.thermo.times_ps[[0, -1]], times_ps)
    np.testing.assert_allclose(found.trajectory.times_ps[[0, -1]], times_ps)
    limits = f"{times_ps[0]:g} to {times_ps[1]:g} ps"
    assert says == ([f"of {count} stages one is analysed: {stage}, {limits}"] if stage else [])
    assert any("no equilibrium" in note for note in found.notes) == (case == "ramp")
    assert analyze_run(found, Analysis())["thermo"]["equilibration_ps"] >= times_ps[0]


def test_a_rerun_is_no_run(tmp_path):
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    dump = "dump all all custom 5 run.dump id type x y z\nrun 40\nundump all\n"
    code, printed = run_lmp(f"log log\n{text}{dump}rerun run.dump first 20 dump x y z\n", tmp_path)
    assert code == 0, printed
    found = open_plain_run(tmp_path / "log", Hints(elements=["Ar"]))
    assert found.thermo.steps[-1] == 40 and found.thermo.columns["Temp"].all()
    assert np.ptp(found.thermo.columns["Temp"]) > 0


@pytest.mark.parametrize("reset", ["", "reset_timestep 0\n"])
def test_the_dump_of_the_last_stage_is_taken(tmp_path, reset):
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    dump = "dump {0} all custom 5 {0}.dump id type xu yu zu\ndump v{0} all custom 5 v{0}.dump id vx vy vz\n"
    then = f"undump eq\nundump veq\n{reset}{AGAIN}nvt temp 400 400 0.1\n{dump.format('prod')}run 40\n"
    code, printed = run_lmp(f"log log\n{text}{dump.format('eq')}run 20\n{then}undump prod\nrun 0\n",
                            tmp_path)
    assert code == 0, printed
    found = open_plain_run(tmp_path / "log", Hints(elements=["Ar"]))
    first = 0 if reset else 20
    for source in (found.trajectory, found.velocities):
        assert (source.steps[0], source.steps[-1]) == (first, first + 40)
    expected = open_reader(tmp_path / "prod.dump")
    np.testing.assert_array_equal(next(found.trajectory.frames()).positions,
                                  next(iter(expected.read([0])))[0])


def test_a_dump_of_a_group(tmp_path):
    """Energies are those of an atom of all, and so are the degrees of freedom; all have velocities."""
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    few = "group few id 1:6\ndump d few custom 5 few.dump id type xu yu zu\n"
    speeds = "dump v all custom 5 v.dump id type vx vy vz\ndump_modify v sort id\n"
    code, printed = run_lmp(f"log log\n{text}{COLUMNS}{few}{speeds}run 1000\ndelete_atoms group few\n"
                            "run 0\n", tmp_path)
    assert code == 0, printed
    run = open_plain_run(tmp_path / "log", Hints(elements=["Ar"]))
    assert (len(run.trajectory.numbers), len(run.velocities.numbers)) == (6, 30)
    assert (run.provenance["num_atoms"], run.provenance["num_atoms_in_trajectory"]) == (30, 6)
    assert read_log(tmp_path / "log").num_atoms == 24
    found = analyze_run(run, Analysis())
    mean, start_ps = run.thermo.columns["PotEng"], found["thermo"]["equilibration_ps"]
    mean = mean[run.thermo.times_ps >= start_ps - 1e-9].mean() / 30
    energy = found["thermo"]["quantities"]["potential_energy_per_atom"]["value"]
    assert energy == pytest.approx(mean, rel=1e-6)
    assert not [n for n in found["notes"] if "degrees of freedom" in n or "held in place" in n]
    assert any(n.startswith("the trajectory holds 6 of 30 atoms: ") for n in found["notes"])


def test_logs_of_one_folder_are_told_apart(tmp_path):
    for name, value in (("a", 300), ("b", 400)):
        rows = (f"{10 * i} {value + i % 7} -5" for i in range(200))
        (tmp_path / f"log.{name}").write_text(log_text(*rows, header="Step Temp PotEng").replace(
            "timestep", "region r block 0 1 0 1 0 1\ncreate_box 1 r\n  30 atoms\ntimestep"))
    found = [analysis_of(tmp_path / f"log.{name}")["runs"][0] for name in "aba"]
    assert [r["name"] for r in found] == ["a", "b", "a"]
    means = [r["thermo"]["quantities"]["temperature"]["value"] for r in found]
    assert means == pytest.approx([303, 403, 303], abs=0.1)
    assert analysis_of(tmp_path)["file"] == "log.a"  # as analysed last


def test_an_analysis_of_a_folder_is_that_of_its_log(tmp_path):
    """With the hints that it was made with."""
    rows = (f"{10 * i} {300 + i % 7} -5" for i in range(200))
    (tmp_path / "log.lammps").write_text(log_text(*rows, header="Step Temp PotEng").replace(
        "timestep", "region r block 0 1 0 1 0 1\ncreate_box 1 r\n  30 atoms\ntimestep"))
    analyze_folder(tmp_path, Hints(timestep_fs=0.25))
    for path in (tmp_path, tmp_path / "log.lammps"):
        assert analysis_of(path)["runs"][0]["provenance"]["timestep_fs"] == 0.25


def test_columns_of_an_earlier_stage_do_not_matter(tmp_path):
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002)
    then = f"{AGAIN}nvt temp 400 400 0.1\nthermo_style custom step temp pe etotal press density\nrun 40\n"
    code, printed = run_lmp(f"log log\n{text}run 20\n{then}", tmp_path)
    assert code == 0, printed
    found = open_plain_run(tmp_path / "log", Hints())
    assert {"PotEng", "Density"} <= found.thermo.columns.keys()


@pytest.mark.parametrize(("words", "expected"), [
    ("p p p", (True, True, True)), ("pp pp pp", (True, True, True)), ("p pp f", (True, True, False)),
    ("p fs mm", (True, False, False))])
def test_boundary_of_one_letter_or_two(tmp_path, words, expected):
    path = tmp_path / "log"
    path.write_text(log_text("0 1", "10 2", before=f"units metal\nboundary {words}\n"))
    assert open_plain_run(path, Hints()).boundary == expected


def test_a_log_without_trajectory_knows_its_open_sides(tmp_path):
    text = SETUP.format(units="metal", epsilon=0.01, timestep=0.002).replace(
        "region r", "boundary p p f\nregion r").replace("0 12\ncreate_box", "-90 90\ncreate_box")
    code, printed = run_lmp(f"log log\n{text}{COLUMNS.replace('vol', 'vol density')}run 40\n", tmp_path)
    assert code == 0, printed
    found = analyze_run(open_plain_run(tmp_path / "log", Hints()), Analysis())
    assert {"volume", "density", "pressure"} <= {r["quantity"] for r in found["refused"]}


def test_restart_logs_tell_units_by_their_speed(tmp_path):
    path = tmp_path / "log"
    end = "Loop time of 1.0 on 1 procs for 100 steps with 30 atoms\n\n"
    for units, step in (("metal", "0.0005"), ("real", "0.5")):
        path.write_text(f"read_restart a\ntimestep {step}\n" + log_text("0 1", before="") + end
                        + "Performance: 4.320 ns/day, 5.556 hours/ns, 100.000 timesteps/s, 3 katom\n")
        assert (read_log(path).units, read_log(path).timestep_fs) == (units, 0.5)


@pytest.mark.parametrize(("fixes", "ensemble"), [
    ("fix 1 all nve\n", ("nve", None)),
    ("fix 1 all nve\nfix 2 all langevin 300 310 0.1 7\n", ("nvt", 310.0)),
    ("fix 1 all nve\nfix 2 all temp/csvr 1 350 0.1 7\n", ("nvt", 350.0)),
    ("fix 1 all npt temp 300 320 0.1 iso 1 1 1\n", ("npt", 320.0)),
    ("fix 2 all temp/csvr 1 350 0.1 7\nfix 1 all nph x 0 0 1\n", ("npt", 350.0)),
    ("fix 2 all langevin 1 2 3 4\nfix 1 all nve\nunfix 2\n", ("nve", None)),
    ("fix 1 all nve\nfix 2 all temp/rescale 10 1 305 0.1 1\n", ("nvt", 305.0)),
    ("fix 1 all rigid/small molecule\n", ("nve", None)),
    ("fix 1 all rigid molecule\nfix 2 all langevin 300 310 0.1 7\n", ("nvt", 310.0)),
    ("fix 1 all rigid/small molecule langevin 300 310 0.1 2\n", ("nvt", 310.0)),
    ("fix 1 all rigid/nvt/small molecule temp 300 310 0.1\n", ("nvt", 310.0)),
    ("fix 1 all tgnpt/drude temp 300 310 0.1 1 0.02 iso 1 1 1\n", ("npt", 310.0)),
    ("fix 1 all momentum 100 linear 1 1 1\n", (None, None)),
    ("fix 1 all nvt temp ${T} ${T} 0.1\nfix 1 all nvt temp 300 300 0.1\n", ("nvt", 300.0)),
])
def test_ensembles(tmp_path, fixes, ensemble):
    path = tmp_path / "log"
    path.write_text(f"units metal\n{fixes}" + log_text("0 1", before="") + "unfix 1\n")
    assert read_log(path).setup.ensemble() == ensemble


DATA = """a comment

3 atoms
2 atom types
0 5 xlo xhi

Masses

1 12.011 # C
2 1.008 # H

Atoms # full

3 1 2 0.1 1 2 3 0 0 0
1 1 1 -0.1 1 2 3.5 0 0 0 # C
2 1 2 0 1.5 2 3 0 0 0

Velocities

1 0 0 0
2 0 0 0
3 0 0 0
"""


def test_data_files(tmp_path):
    path = tmp_path / "a.data"
    for text in (DATA, DATA.replace(" # full", "")):
        path.write_text(text)
        found = read_data_file(path)
        assert found.ids.tolist() == [1, 2, 3] and found.types.tolist() == [1, 2, 2]
        assert found.masses == {1: 12.011, 2: 1.008} and found.labels == {1: "C", 2: "H"}
    for text, why in ((DATA.replace("Atoms", "Items"), "no section Atoms"),
                      (DATA.replace("3 1 2 0.1", "1 1 2 0.1"), "occurs twice"),
                      (DATA.replace("3 1 2 0.1", "3 1 x 0.1"), "damaged"),
                      ("\nAtoms\n\n1 1 0.5 1 2 3\n", "is not known")):
        path.write_text(text)
        with pytest.raises(OutputError, match=why):
            read_data_file(path)


DUMP = "".join(
    f"ITEM: TIMESTEP\n{i}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS xy xz yz pp pp pp\n0 12 1\n"
    f"-1 10 .5\n0 9 1e-1\nITEM: ATOMS id type element x y z\n1 1 C {i} 2 3\n2 2 He 4 -5e0 6\n"
    for i in range(3))
XYZ = "".join(f'2\nTimestep={i} pbc="T T F" Lattice="9 0 0 1 9 0 0 0 9" Properties=species:S:1:pos:R:3\n'
              f"C {i} 2 3\nHe 4.5 5 -6\n" for i in range(3))
LOG = (log_text("0 1", "10 2", before="LAMMPS (1 Jan)\nunits metal\nfix 1 all nvt temp 1 2 3\nmass 1 2\n"
                "dump 1 all xtc 5 a.xtc\ndump_modify 1 unwrap yes\npair_coeff * * m C O\n")
       + "Loop time of 1.5 on 1 procs for 10 steps with 2 atoms\n---\nkeywords: ['Step', 'Temp', ]\n"
       "data:\n  - [10, 2, ]\n  - [20, 3, ]\n...\n------------ Step 20 ----- CPU = 0 (sec) ---\n"
       "Step     =  20 Temp = 5\n")
TOKENS = [b"-", b"nan", b"1e999", b"99999999999999999999", b"\n", b" ", b"\0", b"\xff", b"=", b'"',
          b"ITEM: ", b"Step ", b"0", b"1_0", b"[", b":", b"inf", b"-1", b"$", b"Atoms\n\n", b"#"]


def mutated(rng, text):
    data = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        j = min(j, i + 40)
        match rng.randrange(6):
            case 0:
                data[i:i] = rng.choice(TOKENS)
            case 1:
                data[i:j] = b""
            case 2:
                data[i:i] = data[i:j]
            case 3:
                data[i : i + 1] = bytes([rng.randrange(256)])
            case 4:
                data[i:j] = rng.choice(TOKENS)
            case _:
                del data[i + len(data) // 2 :]
    return bytes(data)


def read_frames(path):
    for velocities in (False, True):
        try:
            reader = open_reader(path, velocities=velocities)
            for positions, cell in reader.read(range(len(reader.contents.steps))):
                assert positions.shape == (reader.contents.num_atoms, 3) and cell.shape == (3, 3)
        except OutputError:
            continue


@pytest.mark.parametrize("count", [2000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_mutated_files_give_a_result_or_one_error(memory_path, count):
    rng, path = random.Random(count), memory_path / "file"
    for i in range(count):
        text, read = [(DUMP, read_frames), (XYZ, read_frames), (LOG, read_log),
                      (DATA, read_data_file)][i % 4]
        data = mutated(rng, text.encode())
        path.write_bytes(data)
        try:
            read(path)
        except OutputError as problem:
            assert "\n" not in str(problem).replace(str(path), ""), data
        except Exception as problem:
            raise AssertionError(data) from problem
