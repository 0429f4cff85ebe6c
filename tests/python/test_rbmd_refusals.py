"""What RBMD cannot do is refused by name, all of it at once, before anything is written."""

import copy
import random
from dataclasses import replace
from pathlib import Path

import classical
import numpy as np
import pytest
from ase import Atoms
from support import BUNDLED, BUNDLED_LAMMPS

from mdbench.engine import potentials_folder
from mdbench.errors import MdbenchError, SpecError, StructureError
from mdbench.model import inspect
from mdbench.molecules.eam_file import read_funcfl
from mdbench.rbmd.export import export
from mdbench.spec import RunSpec
from mdbench.structure import water_box

COPPER = potentials_folder() / "Cu_u3.eam"
LJ = {"kind": "lj", "cutoff": "8.5 A"}
SALT = {"kind": "lj-coulomb", "cutoff": "6 A", "units": "metal"}
CVFF = {"kind": "cvff", "cutoff": "6 A"}
EAM = {"kind": "eam", "units": "metal", "potential_file": str(COPPER)}
SYSTEMS = {"lj": classical.argon, "lj-coulomb": classical.salt, "cvff": classical.water,
           "eam": classical.copper}


def lines_of(spec, engine, folder):
    """The lines of the refusal; nothing may be left."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(SpecError) as caught:
        export(RunSpec.model_validate(spec), engine, folder / "out")
    assert sorted(folder.rglob("*")) == before
    lines = str(caught.value).split("\n")
    assert all(line.isprintable() for line in lines)
    return lines


def classical_spec(folder, field, molecules=None, **sections):
    path = classical.write(folder, molecules or SYSTEMS[field["kind"]]())
    run = {"minimize": False, **sections.pop("run", {})}
    return {"system": {"file": str(path), **sections.pop("system", {})}, "force_field": field,
            "run": run, **sections}


NPT = {"kind": "npt"}
BERENDSEN = {"thermostat": "berendsen", "barostat": "berendsen"}


# engines, force field, other sections, how the only line begins
@pytest.mark.parametrize(("engine", "field", "sections", "line"), [
    ("2.2", LJ, {"ensemble": {"kind": "nve"}, "run": {"equilibration": "0 fs"}},
     "ensemble.kind: rbmd-2.2 cannot 'nve', its NVE is an empty stub: use 'nvt' or 'npt'"),
    ("2.0", LJ, {"ensemble": {"kind": "nve"}},
     "run.equilibration: RBMD has one ensemble a run"),
    ("2.2", LJ, {"ensemble": {"fixed": "1-8"}}, "ensemble.fixed: rbmd-2.2 moves all atoms: leave it out"),
    ("2.2", LJ, {"ensemble": {"thermostat": "langevin"}},
     "ensemble.thermostat: rbmd-2.2 has no 'langevin', its Langevin thermostat is an empty stub"),
    ("2.0", LJ, {"ensemble": {"thermostat": "langevin"}},
     "ensemble.thermostat: rbmd-2.0 has no 'langevin', its Langevin thermostat computes in LJ"),
    ("2.2", LJ, {"ensemble": {"thermostat": "csvr"}},
     "ensemble.thermostat: rbmd-2.2 has no 'csvr', RBMD has no stochastic velocity rescaling"),
    ("2.0", LJ, {"ensemble": {"thermostat": "csvr"}},
     "ensemble.thermostat: rbmd-2.0 has no 'csvr'"),
    ("2.0", LJ, {"ensemble": {**NPT, "thermostat": "csvr"}},
     "ensemble.thermostat: rbmd-2.0 has no 'csvr'"),
    ("2.2", LJ, {"ensemble": {**NPT, "thermostat": "rescale"}},
     "ensemble.barostat: in NPT rbmd-2.2 knows thermostat 'nose-hoover' with barostat"),
    ("2.2", LJ, {"ensemble": {**NPT, "thermostat": "berendsen"}},
     "ensemble.barostat: in NPT rbmd-2.2 knows"),
    ("2.0", LJ, {"ensemble": {**NPT, "barostat": "berendsen"}},
     "ensemble.barostat: in NPT rbmd-2.0 knows"),
    ("2.2", LJ, {"ensemble": {**NPT, "coupling": "aniso"}},
     "ensemble.coupling: RBMD scales all lengths of the box alike, not 'aniso': use 'iso'"),
    ("2.0", LJ, {"ensemble": {**NPT, "coupling": "tri"}},
     "ensemble.coupling: RBMD scales all lengths of the box alike, not 'tri': use 'iso'"),
    ("2.0", LJ, {"ensemble": {**NPT, "coupling": "z"}}, "ensemble.coupling: "),
    ("2.0", LJ, {"ensemble": {**NPT, **BERENDSEN}},
     "ensemble.barostat: rbmd-2.0's 'berendsen' takes a wrong factor for pressures in unit REAL"),
    ("2.2", EAM, {"ensemble": NPT}, "ensemble.kind: RBMD's pressure does not count the forces of"),
    ("2.0", EAM, {"ensemble": NPT}, "ensemble.kind: RBMD's pressure does not count the forces of"),
    ("2.2", LJ, {"ensemble": {"thermostat": "berendsen", "tdamp": "0.2 fs"}},
     "ensemble.tdamp: 0.2 fs is less than a time step"),
    ("2.2", LJ, {"rbmd": {"skin": "1 A"}},
     "rbmd.skin: rbmd-2.2 makes its lists anew every step: leave it out"),
    ("2.2", LJ, {"rbmd": {"neighbor": "rbl", "core": "8.5 A"}},
     "rbmd.core: 8.5 A is not less than the cutoff of 8.5 A"),
    ("2.0", LJ, {"rbmd": {"neighbor": "rbl"}, "ensemble": {"kind": "nve"},
                 "run": {"equilibration": "0 fs"}},
     "rbmd.neighbor: rbmd-2.0 changes velocities to mend the energy when lists are 'rbl'"),
    ("2.2", SALT, {"rbmd": {"coulomb": "rbsog"}},
     "rbmd.coulomb: rbmd-2.2 has no 'rbsog': use 'rbe' or 'ewald'"),
    ("2.0", {**SALT, "alpha": "0.2 1/A2"}, {"rbmd": {"coulomb": "rbsog"}},
     "force_field.alpha: 'rbsog' chooses it by rbmd.rbsog_level: leave it out"),
    ("2.0", {**SALT, "kspace": "ewald", "kmax": [5, 5, 5]}, {"rbmd": {"coulomb": "rbsog"}},
     "force_field.kmax: 'rbsog' chooses it by rbmd.rbsog_level: leave it out"),
    ("2.2", {**LJ, "mixing": "geometric"}, {},
     "force_field.mixing: RBMD mixes 'arithmetic' only, not 'geometric'"),
    ("2.0", {**LJ, "mixing": "geometric"}, {}, "force_field.mixing: RBMD mixes 'arithmetic' only"),
    ("2.2", {**CVFF, "special_bonds": [0, 0, 0.5]}, {},
     "force_field.special_bonds: rbmd-2.2 reads whole numbers, and 0.5 would become 0: use 0 and"),
    ("2.0", {**CVFF, "shake": True}, {"ensemble": {"kind": "nve"},
                                      "run": {"equilibration": "0 fs"}},
     "force_field.shake: rbmd-2.0 leaves SHAKE out in NVE: use kind = 'nvt'"),
    ("2.2", LJ, {"run": {"velocities": "file"}},
     "run.velocities: the structure has none: use 'new'"),
    ("2.2", {**LJ, "cutoff": "11.3 A"}, {},
     "force_field.cutoff: the cutoff of 11.3 A is more than half of the shortest edge of the box, "
     "22.4 A"),
    ("2.0", {**LJ, "cutoff": "11.3 A"}, {"system": {"supercell": [2, 1, 3]}},
     "force_field.cutoff: the cutoff of 11.3 A is more than half of the shortest edge"),
    ("2.2", SALT, {"system": {"supercell": [9, 9, 10]}},
     "system.supercell: rbmd-2.2 sums charges of 46,340 atoms at most, and these are 51,030"),
])
def test_settings_of_a_classical_run(tmp_path, engine, field, sections, line):
    spec = classical_spec(tmp_path, field, **copy.deepcopy(sections))
    found = lines_of(spec, f"rbmd-{engine}", tmp_path)
    assert len(found) == 1
    assert found[0].startswith(line)


@pytest.mark.parametrize(("engine", "field", "sections"), [
    ("2.0", SALT, {"system": {"supercell": [9, 9, 10]}}),  # no such limit
    ("2.2", {**LJ, "cutoff": "5 A"}, {"system": {"supercell": [6, 6, 6]}}),  # no charges
    ("2.2", {**LJ, "cutoff": "11.2 A"}, {}),
    ("2.2", {**CVFF, "special_bonds": [0, 1, 1]}, {}),
    ("2.0", SALT, {"ensemble": {**NPT, **BERENDSEN}}),
    ("2.2", LJ, {"ensemble": {**NPT, **BERENDSEN}}),
    ("2.0", LJ, {"rbmd": {"skin": "1 A"}}),
    ("2.2", {**CVFF, "shake": True}, {"ensemble": {**NPT, **BERENDSEN}}),
])
def test_what_is_just_possible(tmp_path, engine, field, sections):
    spec = classical_spec(tmp_path, field, **copy.deepcopy(sections))
    (folder,) = export(RunSpec.model_validate(spec), f"rbmd-{engine}", tmp_path / "out")
    assert (folder / "export.json").is_file()


def test_rigid_molecules_without_their_constraints(tmp_path):
    spec = classical_spec(tmp_path, {**CVFF, "shake": True}, ensemble={**NPT, **BERENDSEN})
    found = lines_of(spec, "rbmd-2.0", tmp_path)
    assert any(line.startswith("ensemble.barostat: rbmd-2.0 leaves SHAKE out") for line in found)


def two_waters_and_an_ion():
    water = classical.water(8, 12.42)
    return replace(
        water, types=np.append(water.types, 1), positions=np.vstack([water.positions, [[1, 1, 1]]]),
        charges=np.append(water.charges, 1.0), molecules=np.append(water.molecules, 9),
        images=np.vstack([water.images, [[0, 0, 0]]]))


def without(system, name):
    return replace(system, terms={n: t for n, t in system.terms.items() if n != name})


@pytest.mark.parametrize(("engine", "field", "system", "line"), [
    ("2.2", {**CVFF, "dihedral": "opls"},
     lambda: without(classical.chains(dihedral="opls"), "improper"),
     "force_field.dihedral: rbmd-2.2 has no 'opls': use 'harmonic', or rbmd-2.0"),
    ("2.2", CVFF, classical.chains,
     "force_field.improper: rbmd-2.2 has no impropers and would leave the 8 of the data file out"),
    ("2.2", CVFF, lambda: without(classical.water(), "angle"),
     "force_field.kind: rbmd-2.2 computes 'cvff' with bonds and angles"),
    ("2.2", CVFF, lambda: without(without(classical.water(), "angle"), "bond"),
     "force_field.kind: rbmd-2.2 computes 'cvff' with bonds and angles"),
    ("2.2", {**CVFF, "shake": True}, lambda: without(classical.chains(), "improper"),
     "force_field.shake: RBMD counts a constraint for every atom"),
    ("2.0", {**CVFF, "shake": True}, two_waters_and_an_ion,
     "force_field.shake: RBMD counts a constraint for every atom"),
    ("2.0", {**CVFF, "shake": True}, lambda: without(classical.water(), "bond"),
     "force_field.shake: RBMD counts a constraint for every atom"),
    ("2.2", EAM, lambda: replace(classical.copper(), masses=(63.5, 58.7), labels=("Cu", "Ni")),
     "system.file: names 2 atom types, and RBMD's EAM takes all atoms for one"),
    ("2.0", EAM, lambda: classical.copper(2),
     "force_field.potential_file: the cutoff of 4.95 A is more than half of the shortest edge"),
])
def test_topology_and_types(tmp_path, engine, field, system, line):
    found = lines_of(classical_spec(tmp_path, field, system()), f"rbmd-{engine}", tmp_path)
    assert len(found) == 1
    assert found[0].startswith(line)


def test_an_atom_by_itself(tmp_path):
    one = classical.plain([[1.0, 1.0, 1.0]], 20.0, (39.948,), ("Ar",),
                          pair_coefficients=((0.2, 3.4),))
    found = lines_of(classical_spec(tmp_path, LJ, one), "rbmd-2.2", tmp_path)
    assert found == ["system: 1 atom has no temperature: give more atoms"]


@pytest.mark.parametrize(("change", "line"), [
    (lambda t: t.replace("0.0 22.4 xlo", "0.0 nan xlo"), "system.file: "),
    (lambda t: t.replace("zlo zhi", "zlo zhi\n1.0 0.0 0.0 xy xz yz"), "system.file: "),
    (lambda t: t.replace("1 39.948 # Ar", "1 0 # Ar"), "system.file: "),
    (lambda t: t[:len(t) // 2], "system.file: "),
    (lambda t: t.replace("256 atoms", "257 atoms"), "system.file: "),
    (lambda t: t.replace("\n1 1 ", "\n1 1 nan ", 1), "system.file: "),
    (lambda t: t.replace("Pair Coeffs", "Pear Coeffs"), "system.file: "),
])
def test_files_that_are_damaged(tmp_path, change, line):
    """Positions that are not finite, tilted boxes, cut files."""
    spec = classical_spec(tmp_path, LJ)
    path = tmp_path / "system.data"
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    found = lines_of(spec, "rbmd-2.2", tmp_path)
    assert len(found) == 1
    assert found[0].startswith(line)


def test_all_problems_come_at_once(tmp_path):
    field = {**SALT, "mixing": "geometric", "cutoff": "7 A"}
    spec = classical_spec(
        tmp_path, field, rbmd={"skin": "1 A", "coulomb": "rbsog"},
        ensemble={**NPT, "coupling": "aniso", "thermostat": "rescale"})
    found = lines_of(spec, "rbmd-2.2", tmp_path)
    assert [line.split(":")[0] for line in found] == [
        "ensemble.coupling", "ensemble.barostat", "rbmd.skin", "rbmd.coulomb",
        "force_field.mixing", "force_field.cutoff"]


def test_the_first_ten_problems():
    from mdbench.rbmd.refusals import refuse

    refuse([])
    with pytest.raises(SpecError) as caught:
        refuse([f"field{i}: x\ny" for i in range(13)])
    lines = str(caught.value).split("\n")
    assert lines[0] == "field0: x y"
    assert lines[10:] == ["and 3 more"]


# the file of EAM
def eam_spec(folder, text):
    path = folder / "mine.eam"
    path.write_text(text)
    return classical_spec(folder, {**EAM, "potential_file": str(path)})


def funcfl(nrho, nr, numbers=None):
    count = nrho + 2 * nr if numbers is None else numbers
    return f"title\n29 63.55 3.615 FCC\n{nrho} 0.1 {nr} 0.01 4.95\n" + " 0.5" * count + "\n"


@pytest.mark.parametrize(("text", "line"), [
    (funcfl(30, 40), "has tables of 30 densities and 40 distances"),
    (funcfl(30, 30, 89), "is cut off or damaged: it holds 89 numbers instead of 30 + 2 x 30"),
    (funcfl(30, 30, 91), "is cut off or damaged: it holds 91 numbers"),
    (funcfl(30, 30).replace(" 0.5", " x", 1), "is damaged"),
    (funcfl(30, 30).replace(" 0.5", " 1e999", 1), "is damaged: it holds a number that is not"),
    (funcfl(0, 0), "is damaged: it names tables of 0 and 0 numbers"),
    (funcfl(3, 3).replace("4.95", "-1"), "is damaged: mass, drho, dr and cutoff"),
    (funcfl(3, 3).replace("4.95", "nan"), "is damaged: mass, drho, dr and cutoff"),
    ("", "is no funcfl file"),
    ("a\nb\nc\n1 Cu\n500 1 500 1 5\n", "is no funcfl file"),
])
def test_files_of_eam(tmp_path, text, line):
    found = lines_of(eam_spec(tmp_path, text), "rbmd-2.2", tmp_path)
    assert len(found) == 1
    assert found[0].startswith("force_field.potential_file: ")
    assert line in found[0]


def test_file_of_eam_that_is_missing(tmp_path):
    spec = classical_spec(tmp_path, {**EAM, "potential_file": str(tmp_path / "none.eam")})
    (line,) = lines_of(spec, "rbmd-2.2", tmp_path)
    assert "cannot be read: No such file" in line


def test_eam_files_of_lammps_are_read():
    files = sorted(potentials_folder().glob("*.eam"))
    assert len(files) > 5
    for path in files:
        head = read_funcfl(path)
        assert head.num_densities == head.num_radii == 500
        assert 4.5 < head.cutoff_ang < 6.5
    for path in sorted(potentials_folder().glob("*.eam.*"))[:10]:
        with pytest.raises(StructureError, match="is no funcfl file"):
            read_funcfl(path)


def test_damaged_files_of_eam(tmp_path):
    """Any change of the text is read as the same tables, or refused in one line."""
    rng = random.Random(1)
    text = funcfl(6, 6)
    path = tmp_path / "file"
    for _ in range(10_000):
        damaged = list(text)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(damaged))
            damaged[at] = rng.choice(["", "\n", " ", "9", "-", "e", "x", "\x00", ".", "nan", "E9"])
        path.write_text("".join(damaged))
        try:
            head = read_funcfl(path)
        except StructureError as problem:
            assert "\n" not in str(problem)
        else:
            assert head.num_densities > 0
            assert 0 < head.cutoff_ang < np.inf


# MACE
def mace_spec(**sections):
    model = {"file": str(BUNDLED), "sha256": inspect(BUNDLED).sha256}
    return {"system": {"builder": "graphene-water"}, "model": model, "run": {"minimize": False},
            **sections}


def with_file(folder, atoms, name="structure.xyz"):
    atoms.write(folder / name)
    return {"file": str(folder / name)}


@pytest.mark.parametrize(("engine", "sections", "line"), [
    ("2.2", {}, "model.file: rbmd-2.2 reads no MACE models"),
    ("2.0", {"model": {"file": "reference"}},
     "model.file: RBMD has no potential like the 'reference' force field"),
    ("2.2", {"model": {"file": "reference"}},
     "model.file: RBMD has no potential like the 'reference' force field"),
    ("2.0", {"dispersion": {"method": "d3", "allow_double_counting": True}},
     "dispersion.method: RBMD has no dispersion 'd3' beside a model"),
    ("2.0", {"ensemble": NPT}, "ensemble.kind: RBMD's MACE branch has NVT only"),
    ("2.0", {"ensemble": {"kind": "nve"}, "run": {"equilibration": "0 fs", "minimize": False}},
     "ensemble.kind: RBMD's MACE branch has NVT only"),
    ("2.0", {"rbmd": {"neighbor": "rbl"}},
     "rbmd.neighbor: random batches of neighbours go with pair potentials"),
    ("2.0", {"model": {"file": str(BUNDLED)}}, "model.sha256: "),
    ("2.0", {"model": {"file": str(BUNDLED), "sha256": "0" * 64}}, "model.sha256: "),
    ("2.0", {"model": {"file": str(BUNDLED.with_suffix(".mace"))}},
     f"model.file: '{BUNDLED.with_suffix('.mace')}' is a native file, and RBMD reads TorchScript"),
    ("2.0", {"model": {"file": str(BUNDLED_LAMMPS), "sha256": inspect(BUNDLED_LAMMPS).sha256}},
     f"model.file: '{BUNDLED_LAMMPS}' holds float32 weights, and RBMD passes float64"),
    ("2.0", {"model": {"file": "/no/such.model"}}, "model.file: '/no/such.model' does not exist"),
])
def test_models(tmp_path, engine, sections, line):
    found = lines_of(mace_spec(**sections), f"rbmd-{engine}", tmp_path)
    assert len(found) == 1
    assert found[0].startswith(line)


def structures():
    open_box, tilted = water_box(27, 9.3), water_box(27, 9.3)
    open_box.pbc = [True, True, False]
    tilted.set_cell(tilted.cell.array + [[0, 0, 0], [0.5, 0, 0], [0, 0, 0]])
    turned = water_box(27, 9.3)
    turned.rotate(90, "z", rotate_cell=True)
    heavy = water_box(27, 9.3)
    masses = heavy.get_masses()
    masses[1] = 2.014
    heavy.set_masses(masses)
    deuterium = water_box(27, 9.3)
    deuterium.set_masses([2.014 if s == "H" else 15.999 for s in deuterium.symbols])
    silicon = Atoms("Si8", np.indices((2, 2, 2)).reshape(3, -1).T * 5, cell=[10] * 3, pbc=True)
    return {
        "open": (open_box, "system: the structure is open in some direction"),
        "tilted": (tilted, "system: the cell is tilted or turned"),
        "turned": (turned, "system: the cell is tilted or turned"),
        "isotopes": (heavy, "system: atoms of H weigh 2.014 and 1.008 u"),
        "deuterium": (deuterium, "system: atom type 2 (H, 2.014 u): RBMD knows no element of this"),
    }, silicon


@pytest.mark.parametrize("name", list(structures()[0]))
def test_structures_for_mace(tmp_path, models, name):
    atoms, line = structures()[0][name]
    path = models["bundled.pt"]
    spec = mace_spec(model={"file": str(path), "sha256": inspect(path).sha256})
    data = with_file(tmp_path, atoms, "structure.traj")
    found = lines_of({**spec, "system": data}, "rbmd-2.0", tmp_path)
    assert found[0].startswith(line)


def test_element_that_the_model_lacks(tmp_path, models):
    path = models["bundled.pt"]
    spec = mace_spec(model={"file": str(path), "sha256": inspect(path).sha256})
    data = with_file(tmp_path, structures()[1])
    found = lines_of({**spec, "system": data}, "rbmd-2.0", tmp_path)
    assert found[0].startswith("system: ")
    assert "Si" in found[0]


def test_cutoff_of_a_model_beyond_half_the_box(tmp_path, models):
    path = models["bundled.pt"]
    spec = mace_spec(model={"file": str(path), "sha256": inspect(path).sha256})
    data = with_file(tmp_path, water_box(21, 8.5))
    (line,) = lines_of({**spec, "system": data}, "rbmd-2.0", tmp_path)
    assert line.startswith("model.file: the cutoff of 4.5 A is more than half of the shortest edge")


def test_elements_that_rbmd_cannot_tell_apart(tmp_path):
    """Cobalt and nickel are 0.24 u apart and pass; at 0.1 u two of a model would not."""
    from mdbench.rbmd import masses

    close = dict(masses.MASSES_U, Co=58.693 + 0.06)
    original, masses.MASSES_U = masses.MASSES_U, close
    try:
        found = masses.problems_of_types([58.72], ["Ni"], ["Co", "Ni"])
        assert len(found) == 1
        assert "RBMD cannot tell" in found[0]
    finally:
        masses.MASSES_U = original
    assert not masses.problems_of_types([58.693, 58.933], ["Ni", "Co"], ["Co", "Ni"])


def test_trust_that_is_asked_for(tmp_path):
    """Without a hash a file of code is refused, with --trust-unpinned the next problem shows."""
    spec = RunSpec.model_validate(
        {**mace_spec(model={"file": str(BUNDLED_LAMMPS)})})
    for trust, field in ((False, "model.sha256"), (True, "model.file")):
        with pytest.raises(SpecError) as caught:
            export(spec, "rbmd-2.0", tmp_path / "out", trust_unpinned=trust)
        assert str(caught.value).startswith(field)


def test_problems_of_builders_name_the_system(tmp_path):
    spec = mace_spec(system={"builder": "graphene-water", "cell": "lattice", "num_water": 0})
    found = lines_of(spec, "rbmd-2.0", tmp_path)
    assert found[0].startswith("system")


# where it goes
def test_folder_that_exists_is_not_touched(tmp_path):
    spec = RunSpec.model_validate(classical_spec(tmp_path, LJ))
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine").write_text("mine")
    with pytest.raises(MdbenchError, match="exists already"):
        export(spec, "rbmd-2.2", target)
    assert [p.name for p in target.iterdir()] == ["mine"]
    with pytest.raises(MdbenchError, match="exists already"):
        export(spec, "rbmd-2.2", target / "mine")
    with pytest.raises(MdbenchError, match="Not a directory|is no folder"):
        export(spec, "rbmd-2.2", target / "mine" / "below")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(MdbenchError, match="exists already"):
        export(spec, "rbmd-2.2", link)


def test_engine_that_does_not_exist(tmp_path):
    spec = RunSpec.model_validate(classical_spec(tmp_path, LJ))
    with pytest.raises(MdbenchError, match=r"engine 'rbmd\\n' is not one of rbmd-2.2, rbmd-2.0"):
        export(spec, "rbmd\n", tmp_path / "out")


@pytest.mark.parametrize("at", ["rbmd.json", "rbmd.data", "README.md", "export.json"])
def test_nothing_is_left_when_the_disk_is_full(tmp_path, monkeypatch, at):
    spec = RunSpec.model_validate(classical_spec(tmp_path, LJ, run={"seed": [1, 2]}))
    before = sorted(tmp_path.rglob("*"))
    original = Path.write_text
    original_open = Path.open

    def full(path, text, *rest, **more):
        if path.name == at and "seed2" in str(path):
            raise OSError(28, "No space left on device")
        return original(path, text, *rest, **more)

    def full_open(path, mode="r", *rest, **more):
        if at in path.name and "w" in mode and "seed2" in str(path):
            raise OSError(28, "No space left on device")
        return original_open(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr(Path, "open", full_open)
    with pytest.raises(MdbenchError, match="No space left on device") as caught:
        export(spec, "rbmd-2.2", tmp_path / "out")
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert sorted(tmp_path.rglob("*")) == before
