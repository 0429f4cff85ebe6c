"""Every script that a specification can give is made of allowed words, and LAMMPS runs it."""

import itertools
import re
from pathlib import Path

import pytest

from mdbench.input_facts import InputFacts
from mdbench.lammps_input import render
from mdbench.spec import MOST_RANDOM, RunSpec
from mdbench.subject import MaceModel, model_of

COMMANDS = {
    "variable", "log", "units", "atom_style", "atom_modify", "newton", "boundary", "if",
    "read_data", "read_restart", "pair_style", "pair_coeff", "bond_style", "bond_coeff",
    "angle_style", "angle_coeff", "special_bonds", "kspace_style", "neighbor", "neigh_modify",
    "pair_modify", "dihedral_style", "dihedral_coeff", "improper_style", "improper_coeff",
    "kspace_modify", "mass",
    "timestep", "timer", "thermo", "thermo_style", "thermo_modify", "jump", "min_style", "minimize", "reset_timestep",
    "velocity", "label", "dump", "dump_modify", "fix", "unfix", "run", "write_dump", "quit",
    "write_restart", "clear", "print", "group", "compute", "compute_modify", "fix_modify",
}
# what may stand in a script: no shell, no python, no include, no getenv, no backslash
WORDS = re.compile(r"[A-Za-z0-9_*./:+-]+|\$\{[a-z]+\}|[\"'&|<>=,()%$ {}]+")
ELEMENTS = ("C", "O", "H")


def spec(**sections):
    return RunSpec.model_validate({"system": {"builder": "graphene-water"}, **sections})


def script(potential=None, **sections):
    made = spec(**sections)
    potential = potential or model_of(made)
    commands = potential.commands(made, ELEMENTS)
    fixed = "type 1" if made.ensemble.fixed else ""
    facts = InputFacts(ELEMENTS, "p p p", 372, commands, atom_style=potential.atom_style, fixed=fixed)
    return render(made, made.variants()[0], facts)


def commands(text):
    """Every command of a script, those inside `if` too."""
    text = text.replace("&\n", " ")
    for line in text.splitlines():
        line = re.sub(r"\s#.*|^#.*", "", line).strip()
        if not line:
            continue
        yield line
        if line.startswith("if "):
            for quoted in re.findall(r'"([^"]*)"', line)[1:]:
                yield quoted


ALL = [
    {"ensemble": {"kind": kind, "thermostat": thermostat, "temperature": "300 K"},
     "output": {"format": form, **({"velocities": "2 fs"} if velocities else {})},
     "run": {"minimize": minimize, "equilibration": equilibration}}
    for kind, thermostat, form, velocities, minimize, equilibration in itertools.product(
        ("nvt", "npt", "nve"), ("nose-hoover", "csvr", "langevin", "berendsen", "rescale"),
        ("xtc", "custom", "dcd", "extxyz"), (False, True), (False, True), ("0 fs", "1 ps"))
    if not (kind == "npt" and thermostat == "langevin")
] + [
    {"ensemble": {"kind": "npt", "barostat": "berendsen", "thermostat": thermostat},
     "run": {"minimize": False, "velocities": "file", "equilibration": equilibration}}
    for thermostat, equilibration in itertools.product(
        ("nose-hoover", "csvr", "berendsen", "rescale"), ("0 fs", "1 ps"))
] + [
    {"ensemble": {"kind": kind, "thermostat": thermostat, "fixed": "C"}}
    for kind, thermostat in itertools.product(
        ("nvt", "nve"), ("nose-hoover", "csvr", "langevin", "berendsen", "rescale"))
]


def test_scripts_use_allowed_commands_only():
    models = [{}, {"model": {"file": "reference"}},
              {"dispersion": {"method": "d3", "functional": "b3lyp", "atm": "9 A"}},
              {"model": {"head": "pbe", "device": "cuda:1", "precision": "double",
                         "deterministic": False}}]
    for sections in ALL:
        for model in models:
            for line in commands(script(**sections, **model)):
                assert line.split()[0] in COMMANDS, line
                assert not WORDS.sub("", line).strip(), line
                assert "shell" not in line and "python" not in line and "include" not in line


def test_segments_and_whole_run_share_the_script():
    text = script(run={"equilibration": "1 ps", "production": "2 ps"})
    assert "variable last  index 6000" in text
    assert text.count("run         ") == 2


def test_dispersion_is_part_of_the_style():
    """With all settings, so that a script means the same in later versions."""
    d3 = {"method": "d3", "functional": "B97-D", "damping": "zero", "cutoff": "1.2 nm"}
    text = script(dispersion=d3, model={"head": "atm"})
    assert ("pair_style  mace precision mixed head atm d3 zero b97d cutoff 12 switch 2 cn 12 skin 2 "
            "atm 0 every 1 delay 0 check yes\npair_coeff  * * model.mace C O H\n") in text
    assert "hybrid" not in text
    assert " d3 " not in script()


def test_order_of_sums_on_a_gpu():
    text = script(model={"device": "cuda:1", "deterministic": False})
    assert "pair_style  mace precision mixed device cuda:1 deterministic no\n" in text
    assert "deterministic" not in script(model={"deterministic": True})


def test_torchscript_gets_single_for_mixed():
    text = script(MaceModel(Path("a.pt")))
    assert "precision single" in text


def test_weak_coupling_and_rescaling():
    """LAMMPS has no integrator of these names: each stands beside one."""
    weak = {"kind": "npt", "barostat": "berendsen", "bulk_modulus": "2.2 GPa", "tdamp": "50 fs"}
    barostat = "fix         barostat all press/berendsen iso 1 1 1 modulus 22000\n"
    for thermostat, bath in (
        ("berendsen", "fix         bath all temp/berendsen 298 298 0.05\n"
                      "fix         integrate all nve\n"),
        ("rescale", "fix         bath all temp/rescale 100 298 298 2.98 1\n"
                    "fix         integrate all nve\n"),
        ("nose-hoover", "fix         integrate all nvt temp 298 298 0.05\n"),
    ):
        text = script(ensemble={**weak, "thermostat": thermostat})
        assert text.count(barostat) == 2  # in the equilibration too
        assert f"linear 1 1 1\n{bath}{barostat}run         ${{last}} upto" in text
        assert "unfix       bath\nunfix       integrate\nunfix       barostat\n" in text


def test_runs_share_no_random_numbers():
    """LAMMPS adds the rank to a seed; noise of segments, whose first step is added, is apart too."""
    steps, ranks = 50_000, 4096
    sections = {"ensemble": {"temperature": list(range(300, 340)), "thermostat": "langevin"},
                "run": {"seed": list(range(1, 41))}}
    made = spec(**sections)
    first = sorted(v.random_seed for v in made.variants())
    assert len(set(first)) == 1600 and first[0] > 0 and first[-1] + ranks <= 900_000_000
    ten = sorted(v.random_seed for v in spec(run={"seed": list(range(1, 11))}).variants())
    assert min(b - a for a, b in itertools.pairwise(ten)) > steps + ranks
    seed = made.variants()[0].random_seed
    text = script(**sections)
    assert f"velocity    all create 300 {seed} mom yes" in text
    assert text.count(f"({seed} + v_first) % {MOST_RANDOM}") == 2
    assert 1 + MOST_RANDOM - 1 + ranks <= 900_000_000


def test_velocities_of_the_file_are_left_alone():
    text = script(run={"velocities": "file", "minimize": False})
    assert "velocity " not in text and "minimize" not in text
    assert "velocity " in script()


@pytest.mark.parametrize("kind", ["iso", "aniso", "z", "tri"])
def test_barostat(kind):
    text = script(ensemble={"kind": "npt", "pressure": "1 GPa", "coupling": kind, "pdamp": "2 ps"})
    assert f"temp 298 298 0.1 {kind} 10000 10000 2" in text
    assert f"nph {kind} 10000 10000 2" in text  # in the equilibration


def test_thermostats_take_the_temperature_of_the_atoms_that_move():
    """By itself a fix counts three degrees of freedom less: nothing holds their centre of mass."""
    for thermostat, fix in (("nose-hoover", "integrate"), ("csvr", "bath"), ("berendsen", "bath"), ("rescale", "bath")):
        text = script(ensemble={"thermostat": thermostat, "fixed": "C"})
        production = text.partition("# Production")[2]
        assert f"fix_modify  {fix} temp warmth\n" in production
        assert " all " not in production.partition("run")[0] and "momentum" not in text
    assert text.count(" zero no\n") == 1  # in the equilibration
    assert "fixed" not in script() and "warmth" not in script() and " zero yes\n" in script()


def test_many_numbers_are_on_several_lines():
    made = spec(ensemble={"fixed": "C"})
    ids = " ".join(map(str, range(1, 400, 2)))
    facts = InputFacts(ELEMENTS, "p p p", 400, "", fixed=f"id {ids}")
    (group,) = [c for c in commands(render(made, made.variants()[0], facts)) if c.startswith("group       fixed")]
    assert group.split() == ["group", "fixed", "id", *ids.split()]
    lines = render(made, made.variants()[0], facts).partition("group       fixed")[2].partition("group")[0]
    assert 1 < lines.count("\n") and max(map(len, lines.splitlines())) < 120
