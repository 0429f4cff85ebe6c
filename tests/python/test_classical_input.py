"""LAMMPS commands of force fields: every number as it is, and refusals before a run."""

import math
from dataclasses import replace
from pathlib import Path

import classical
import numpy as np
import pytest
from test_lammps_input import COMMANDS, WORDS, commands

from mdbench.check import examine, problems_of_force_field, refuse_errors
from mdbench.classical_input import force_field_commands, rigid_command
from mdbench.engine import potentials_folder
from mdbench.errors import MdbenchError, RunError, StructureError
from mdbench.lammps_input import render
from mdbench.molecules.eam_file import read_funcfl
from mdbench.molecules.load import LoadedMolecules
from mdbench.molecules.system import Terms
from mdbench.spec import RunSpec
from mdbench.spec_force_field import ForceField
from mdbench.subject import ClassicalField, Subject, load_subject

COPPER = potentials_folder() / "Cu_u3.eam"


def field(kind, **more):
    if kind == "eam":
        more = {"units": "metal", "potential_file": str(COPPER), **more}
    return ForceField.model_validate({"kind": kind, **more})


def specification(section, system="system.data", **sections):
    return RunSpec.model_validate({"system": {"file": str(system)},
                                   "force_field": section.model_dump(mode="json"), **sections})


def rows(text, command):
    """Numbers of every line of a command."""
    return [[float(w) for w in line.split()[1:]] for line in text.splitlines()
            if line.split()[:1] == [command]]


def subject_of(system, elements=None):
    loaded = LoadedMolecules(system, elements or system.labels)
    return Subject(system.as_atoms(loaded.elements), ClassicalField(loaded))


# --- the commands ---


def test_water():
    """All of it, as LAMMPS wants it."""
    text = force_field_commands(field("cvff", cutoff="9 A", accuracy=1e-6), classical.water(8, 9.0))
    assert text == """\
pair_style  lj/cut/coul/long 9
pair_modify mix arithmetic shift no tail no
pair_coeff  1 1 0.1554253 3.165492
pair_coeff  2 2 0 1
bond_style harmonic
bond_coeff 1 529.581 1.012
angle_style harmonic
angle_coeff 1 37.95 113.24
special_bonds lj/coul 0 0 0
kspace_style pppm 1e-06
"""


def test_numbers_come_through_to_the_last_bit():
    rng = np.random.default_rng(5)
    for _ in range(200):
        scale = 10.0 ** rng.integers(-12, 6, (4, 3))
        eps, sigma, bond, angle = (rng.normal(size=(4, 3)) * scale).tolist()
        system = classical.chains()
        pairs = tuple(zip(eps, sigma, strict=True))
        terms = {**system.terms,
                 "bond": replace(system.of("bond"), coefficients=tuple(zip(bond[:2], bond[1:],
                                                                           strict=True))),
                 "angle": replace(system.of("angle"), coefficients=tuple(zip(angle[:2], angle[1:],
                                                                             strict=True)))}
        text = force_field_commands(field("cvff"), replace(system, pair_coefficients=pairs,
                                                           terms=terms))
        assert [tuple(r[2:]) for r in rows(text, "pair_coeff")] == list(pairs)
        for name in ("bond", "angle"):
            found = tuple(tuple(r[1:]) for r in rows(text, f"{name}_coeff"))
            assert found == terms[name].coefficients


@pytest.mark.parametrize(("dihedral", "improper"), [("harmonic", "harmonic"), ("opls", "cvff")])
def test_torsions_have_their_styles_and_whole_numbers(dihedral, improper):
    system = classical.chains(dihedral, improper)
    text = force_field_commands(field("cvff", dihedral=dihedral, improper=improper), system)
    assert f"dihedral_style {dihedral}\n" in text and f"improper_style {improper}\n" in text
    if dihedral == "harmonic":
        assert "dihedral_coeff 1 0.9 1 3\ndihedral_coeff 2 1.3 -1 2\n" in text
        assert "improper_coeff 1 40 35.3\n" in text
    else:
        assert "dihedral_coeff 1 1.3 -0.05 0.2 0.1\n" in text
        assert "improper_coeff 1 1.1 -1 2\n" in text


def test_electrostatics():
    system = classical.salt()
    text = force_field_commands(
        field("lj-coulomb", units="metal", kspace="ewald", alpha="0.0977 1/A2", kmax=[9, 10, 11],
              mixing="geometric"), system)
    assert "mix geometric" in text and "kspace_style ewald 1e-05\n" in text
    gewald = next(line.split()[2] for line in text.splitlines() if "gewald" in line)
    assert float(gewald) == math.sqrt(0.0977)
    assert "kspace_modify kmax/ewald 9 10 11\n" in text
    assert "special_bonds" not in text
    neutral = replace(system, charges=np.zeros(len(system)))
    text = force_field_commands(field("lj-coulomb"), neutral)
    assert "pair_style  lj/cut 10\n" in text and "kspace" not in text


def test_special_bonds_are_written():
    text = force_field_commands(field("cvff", special_bonds=[0.0, 0.5, 1 / 3]), classical.chains())
    assert "special_bonds lj/coul 0 0.5 0.3333333333333333\n" in text


def test_what_is_not_there_has_no_style():
    text = force_field_commands(field("lj"), classical.argon())
    assert text == ("pair_style  lj/cut 10\npair_modify mix arithmetic shift no tail no\n"
                    "pair_coeff  1 1 0.238 3.405\n")


def test_masses_of_the_file_count_not_those_of_the_potential():
    text = force_field_commands(field("eam"), classical.copper())
    assert text == "pair_style  eam\npair_coeff  * * potential.eam\nmass        1 63.546\n"


def test_a_long_cutoff_gets_room():
    """LAMMPS has room for 2,000 neighbours."""
    system = classical.argon()  # 0.0228 atoms/A3
    assert "neigh_modify" not in force_field_commands(field("lj", cutoff="20 A"), system)
    text = force_field_commands(field("lj", cutoff="30 A"), system)
    one = int(text.split("neigh_modify one ")[1].split()[0])
    around = len(system) / float(np.prod(system.lengths)) * 4 / 3 * math.pi * 31.0**3
    assert around < one < 2 * around


@pytest.mark.parametrize("shake", [False, True])
@pytest.mark.parametrize("ensemble", [
    {"kind": kind, "thermostat": thermostat, **barostat}
    for kind, barostat in (("nve", {}), ("nvt", {}), ("npt", {}), ("npt", {"barostat": "berendsen"}))
    for thermostat in ("nose-hoover", "csvr", "berendsen", "rescale")])
def test_scripts_use_allowed_commands_only(ensemble, shake):
    spec = specification(field("cvff", shake=shake), ensemble=ensemble)
    text = render(spec, spec.variants()[0], subject_of(classical.water(8, 9.0)).facts(spec))
    for line in commands(text):
        assert line.split()[0] in COMMANDS, line
        assert not WORDS.sub("", line).strip(), line
        assert "shell" not in line and "python" not in line and "include" not in line
    assert "units       real\natom_style  full\n" in text


def test_shake_stands_between_forces_and_boxes():
    """LAMMPS's rule: behind fixes that add forces, before those that move the box."""
    spec = specification(field("cvff", shake=True),
                         ensemble={"kind": "npt", "thermostat": "csvr", "barostat": "berendsen"})
    text = render(spec, spec.variants()[0], subject_of(classical.water(8, 9.0)).facts(spec))
    start, rest = text.split("label dynamics")
    equilibration, production = rest.split("label production")
    for part in (equilibration, production):
        order = [part.index(f"fix         {name} ") for name in
                 ("bath", "rigid", "integrate", "barostat")]
        assert order == sorted(order)
    for name in ("bath", "rigid", "integrate", "barostat"):
        assert f"unfix       {name}\n" in equilibration
    assert start.index("minimize ") < start.index("fix         rigid") < start.index("velocity ")
    assert start.index("velocity    all create") < start.index("velocity    all scale 298")


def test_units_of_the_run():
    ensemble = {"kind": "npt", "pressure": "100 bar", "tdamp": "50 fs", "pdamp": "500 fs"}
    texts = {}
    for units in ("real", "metal"):
        spec = specification(field("lj", units=units), ensemble=ensemble,
                             run={"timestep": "2 fs"})
        facts = subject_of(classical.argon(units=units)).facts(spec)
        texts[units] = render(spec, spec.variants()[0], facts)
    assert "npt temp 298 298 0.05 iso 100 100 0.5\n" in texts["metal"]
    assert "npt temp 298 298 50 iso 98.69232667 98.69232667 500\n" in texts["real"]  # atm
    assert "langevin 298 298 0.1 " in texts["metal"] and "langevin 298 298 100 " in texts["real"]
    assert "timestep     0.002 " in texts["metal"] and "timestep     2 " in texts["real"]
    assert "fmax < 100 " in texts["metal"]
    assert "fmax < 2306.05" in texts["real"]  # kcal/mol/A
    assert "minimize    0 0.05 " in texts["metal"] and "minimize    0 1.153" in texts["real"]


# --- rigid molecules ---


def two_types(system):
    """The same water with two types of bonds."""
    bonds = system.of("bond")
    kinds = np.where(np.arange(len(bonds.kinds)) < len(bonds.kinds) // 2, 1, 2)
    terms = {**system.terms, "bond": Terms(kinds, bonds.atoms, bonds.coefficients * 2)}
    return replace(system, terms=terms)


def test_rigid_water():
    water = classical.water(8, 9.0)
    assert rigid_command(water) == "fix         rigid all shake 1e-6 100 0 b 1 a 1\n"
    assert "b 1 2 a 1" in rigid_command(two_types(water))


def test_atoms_beside_the_triples_are_free():
    """A salt in water; and a bond of a type of its own."""
    water = classical.water(8, 9.0)
    bonds = water.of("bond")
    others = bonds.atoms[(bonds.atoms > 2).all(axis=1)]
    more = Terms(np.array([1] * 14 + [2]), np.vstack([others, [[0, 1]]]),
                 (*bonds.coefficients, (100.0, 1.1)))
    angles = water.of("angle")
    fewer = Terms(angles.kinds[1:], angles.atoms[1:], angles.coefficients)
    assert "b 1 a 1" in rigid_command(replace(water, terms={"bond": more, "angle": fewer}))


def changed(name, **more):
    water = classical.water(8, 9.0)
    return replace(water, terms={**water.terms, name: replace(water.of(name), **more)})


def mixed_angles():
    """One type of angle between bonds of unlike types in one molecule and like ones in another."""
    system = two_types(classical.water(8, 9.0))
    bonds = system.of("bond")
    kinds = bonds.kinds.copy()
    kinds[0] = 2
    return replace(system, terms={**system.terms, "bond": replace(bonds, kinds=kinds)})


@pytest.mark.parametrize(("system", "says"), [
    (classical.chains(), r"atom \d+ is in \d angles"),
    (classical.argon(), "there are no angles"),
    (changed("angle", kinds=np.empty(0, np.int64), atoms=np.empty((0, 3), np.int64)),
     "there are no angles"),
    (changed("angle", kinds=np.ones(7, np.int64), atoms=classical.water(8, 9.0).of("angle").atoms[1:]),
     "the bond of atoms 1 and 2 has type 1"),
    (changed("bond", kinds=np.ones(15, np.int64),
             atoms=classical.water(8, 9.0).of("bond").atoms[1:]), "angle of atoms 2, 1, 3 lacks"),
    (changed("bond", kinds=np.empty(0, np.int64), atoms=np.empty((0, 2), np.int64)),
     "angle of atoms 2, 1, 3 lacks"),
    (mixed_angles(), "angles of type 1 have bonds of different types"),
])
def test_what_shake_cannot_hold(system, says):
    with pytest.raises(StructureError, match=says) as caught:
        rigid_command(system)
    assert "\n" not in str(caught.value)


# --- mdbench check ---


def found(system, section, elements=None, **sections):
    loaded = LoadedMolecules(system, elements or system.labels)
    problems = problems_of_force_field(specification(section, **sections), loaded)
    assert all("\n" not in p.text for p in problems)
    return [(p.level, p.field) for p in problems], " ".join(p.text for p in problems)


@pytest.mark.parametrize(("system", "section"), [
    (classical.water(8, 9.0), field("cvff", shake=True)),
    (classical.chains(), field("cvff")),
    (classical.chains("opls", "cvff"), field("cvff", dihedral="opls", improper="cvff")),
    (classical.salt(), field("lj-coulomb", units="metal")),
    (classical.argon(), field("lj")),
    (classical.copper(), field("eam")),
])
def test_nothing_is_wrong(system, section):
    assert found(system, section) == ([], "")
    spec = specification(section)
    report = examine(spec, subject_of(system))
    assert not report.errors
    cost = report.cost
    assert 1e-4 < cost.ms_per_step < 100 and cost.edges is None
    assert cost.wall_s == pytest.approx(cost.steps * cost.ms_per_step / 1000)
    assert 3e7 < cost.memory_bytes < 1e8
    text = "\n".join(report.lines())
    assert "ms a step (LAMMPS, 1 thread)" in text and "edges" not in text
    counts = np.bincount(system.types)[1:]
    assert [(s.type, s.count) for s in report.geometry.species] == list(enumerate(counts, 1))


def test_charges_that_do_not_add_up():
    water = classical.water(8, 9.0)
    charges = water.charges.copy()
    charges[5] += 0.0125
    problems, text = found(replace(water, charges=charges), field("cvff"))
    assert problems == [("warning", "system.file")]
    assert "add up to +0.0125 e" in text
    charges[5] = water.charges[5] + 1e-6  # rounding of a file
    assert found(replace(water, charges=charges), field("cvff")) == ([], "")
    assert "no electrostatics" in found(replace(water, charges=charges * 0), field("cvff"))[1]
    assert found(replace(water, charges=charges + 1), field("lj"))[0] == []


def test_splittings_that_cut_forces_off():
    water = classical.water(8, 9.0)
    for alpha, cutoff, expected in ((0.1, 10, []), (0.1, 8, [("warning", "force_field.alpha")])):
        section = field("cvff", alpha=f"{alpha} 1/A2", cutoff=f"{cutoff} A")
        assert found(water, section)[0] == expected


@pytest.mark.parametrize("row", [(1.0, 2, 3), (1.0, 1, 2.5), (1.0, 0.5, 1), (1.0, -1, -1)])
def test_torsions_that_lammps_does_not_take(row):
    system = classical.chains()
    dihedrals = system.of("dihedral")
    bad = replace(dihedrals, coefficients=(dihedrals.coefficients[0], row))
    problems, text = found(replace(system, terms={**system.terms, "dihedral": bad}), field("cvff"))
    assert problems == [("error", "system.file")]
    assert "dihedral type 2 has sign" in text


def test_shake_and_dispersion_are_refused_by_field():
    assert found(classical.chains(), field("cvff", shake=True))[0] == [
        ("error", "force_field.shake")]
    assert found(classical.argon(), field("lj"), dispersion={"method": "d3"})[0] == [
        ("error", "dispersion.method")]


def test_embedded_atom_files(tmp_path):
    where = [("error", "force_field.potential_file")]
    assert read_funcfl(COPPER).element == "Cu"
    problems, text = found(classical.copper(), field("eam"), ("Ni",))
    assert problems == where and "is for Cu alone, and there is Ni" in text
    problems, text = found(classical.copper(), field("eam", potential_file=str(tmp_path / "no")))
    assert problems == where and "No such file" in text
    content = COPPER.read_text()
    lines = content.splitlines()
    broken = {
        "cut": "\n".join(lines[:200]), "empty": "", "title": lines[0],
        "letters": content.replace(lines[5], "a b c d e", 1),
        "element": content.replace("   29 ", "  290 ", 1),
        "mass": content.replace("63.550", "-1.0", 1),
        "infinite": content.replace(lines[5].split()[0], "1e999", 1),
        "setfl": "\n".join(["a", "b", "c", "1 Cu", *lines[2:]]),
    }
    for name, text in broken.items():
        (tmp_path / name).write_text(text)
        problems, says = found(classical.copper(), field("eam", potential_file=str(tmp_path / name)))
        assert problems == where, name
        assert "it is no funcfl file" in says


def test_seeded_damage_of_embedded_atom_files(tmp_path):
    """Whatever the file holds: an element or one plain refusal."""
    rng = np.random.default_rng(11)
    whole = COPPER.read_bytes()
    path = tmp_path / "damaged.eam"
    for _ in range(300):
        content = bytearray(whole[: rng.integers(0, len(whole)) if rng.random() < 0.3 else None])
        for _ in range(rng.integers(1, 4)):
            if content:
                at = int(rng.integers(0, min(len(content), 400)))
                content[at : at + int(rng.integers(0, 3))] = rng.bytes(int(rng.integers(0, 3)))
        path.write_bytes(bytes(content))
        problems, _ = found(classical.copper(), field("eam", potential_file=str(path)))
        assert problems in ([], [("error", "force_field.potential_file")])


# --- from data files ---


def test_velocities_of_the_file_must_be_there(tmp_path):
    system = classical.argon()
    run = {"velocities": "file", "minimize": False}
    for name, given, refused in (("without", system, True),
                                 ("with", classical.with_velocities(system, 90.0), False)):
        path = classical.write(tmp_path, given, name)
        spec = specification(field("lj"), path, run=run)
        if refused:
            with pytest.raises(RunError, match=r"run.velocities: the structure has none"):
                refuse_errors(spec, load_subject(spec))
        else:
            assert refuse_errors(spec, load_subject(spec)) == []


def test_berendsen_and_rescaling_are_named_for_what_they_are(tmp_path):
    path = classical.write(tmp_path, classical.argon())
    ensemble = {"kind": "npt", "thermostat": "rescale", "barostat": "berendsen"}
    spec = specification(field("lj"), path, ensemble=ensemble)
    fields = [p.field for p in refuse_errors(spec, load_subject(spec))]
    assert fields == ["ensemble.thermostat", "ensemble.barostat"]


def test_groups_of_atoms_may_have_their_masses(tmp_path):
    system = replace(classical.argon(), masses=(15.035,), labels=("C",))
    spec = specification(field("lj"), classical.write(tmp_path, system))
    problems = refuse_errors(spec, load_subject(spec))
    assert [(p.level, p.field) for p in problems] == [("warning", "system.file")]


def test_every_mutated_data_file_is_read_or_refused(tmp_path):
    """From the file to the script: only mdbench's own errors."""
    rng = np.random.default_rng(3)
    whole = classical.write(tmp_path, classical.water(3, 7.0)).read_text()
    path: Path = tmp_path / "mutated.data"
    section = field("cvff", shake=True, cutoff="3 A")
    words = ["0", "-1", "nan", "1e400", "Atoms", "", "7 7", "x", "2.5", "9" * 30]
    scripts = 0
    for _ in range(400):
        parts = whole.split(" ")
        parts[rng.integers(len(parts))] = words[rng.integers(len(words))]
        path.write_text(" ".join(parts))
        spec = specification(section, path)
        try:
            subject = load_subject(spec)
            refuse_errors(spec, subject)
            scripts += bool(render(spec, spec.variants()[0], subject.facts(spec)))
        except MdbenchError as problem:
            assert "\n" not in str(problem)
    assert 0 < scripts < 400
