"""`mdbench check`: every finding once, and silence where nothing is wrong."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms, FixBondLength, FixCartesian, FixCom, FixedPlane
from ase.io import write
from support import BUNDLED, BUNDLED_LAMMPS

from mdbench.check import examine, problems_of_run
from mdbench.check.cost import LARGEST_TIMED, measure
from mdbench.check.findings import readable_bytes, readable_time
from mdbench.check.geometry import examine_geometry, problems_of_structure
from mdbench.check.notes import problems_of_file
from mdbench.check.potential import problems_of_model, problems_of_reference
from mdbench.doctor import BUNDLED_MODEL
from mdbench.errors import ModelError
from mdbench.model import inspect, load_evaluator, metadata
from mdbench.native_file import BLANK
from mdbench.run_once import single_point, timed
from mdbench.spec import Ensemble, RunSpec
from mdbench.structure import graphene, water_box
from mdbench.structure_file import read_structure
from mdbench.subject import MaceModel, Subject, load_subject
from mdbench.systems import build, write_data

WATER = {"builder": "water", "num_water": 20}


def specification(system=None, **sections):
    run = {"threads": 1, **sections.pop("run", {})}
    return RunSpec.model_validate({"system": system or WATER, "run": run, **sections})


def found(problems):
    return [(p.level, p.field) for p in problems]


def with_fixed(spec, fixed):
    return spec.model_copy(update={"ensemble": Ensemble(fixed=fixed)})


def about_run(symbols="H", **sections):
    return problems_of_run(specification(**sections), {symbols})


def about_structure(atoms, spec=None):
    return problems_of_structure(spec or specification(), atoms, examine_geometry(atoms))


# --- the specification alone ---


@pytest.mark.parametrize(
    ("symbols", "sections", "level", "field", "says"),
    [
        ("H", {"run": {"timestep": "1.1 fs"}}, "warning", "run.timestep", "take 0.5 fs"),
        ("C", {"run": {"timestep": "2.6 fs"}}, "warning", "run.timestep", "2.6 fs is long"),
        ("H", {"ensemble": {"tdamp": "0.9 fs"}}, "error", "ensemble.tdamp", "two time steps"),
        ("H", {"ensemble": {"tdamp": "11 ps"}}, "error", "ensemble.tdamp", "would do nothing"),
        ("H", {"ensemble": {"tdamp": "4.9 fs"}}, "warning", "ensemble.tdamp", "9.8 time steps"),
        ("H", {"ensemble": {"tdamp": "501 fs"}}, "warning", "ensemble.tdamp", "1002 time steps"),
        ("H", {"ensemble": {"kind": "npt", "pdamp": "499 fs"}}, "warning", "ensemble.pdamp",
         "1000 fs is usual"),
        ("H", {"ensemble": {"temperature": [300, 5001]}}, "warning", "ensemble.temperature",
         "5001 K"),
        ("H", {"output": {"thermo": "3.4 ps"}}, "warning", "output.thermo", "fewer than 4 rows"),
        ("H", {"analysis": {"rdf": ["H-H", "H-O"]}}, "warning", "analysis.rdf",
         "there is no O: the structure has H"),
        ("H", {"analysis": {"diffusion": "Li"}}, "warning", "analysis.diffusion", "no Li"),
        ("H", {"analysis": {"profile": "O"}}, "warning", "analysis.profile", "no O"),
        ("H", {"analysis": {"sheet": "C"}}, "warning", "analysis.sheet", "no C"),
        ("H", {"run": {"threads": 1024}}, "warning", "run.threads", "cores of this machine"),
        ("H", {"run": {"ranks": 4096}}, "warning", "run.ranks", "cores of this machine"),
    ],
)
def test_numbers_that_do_not_go_together(symbols, sections, level, field, says):
    problems = about_run(symbols, **sections)
    assert found(problems) == [(level, field)]
    assert says in problems[0].text
    assert "\n" not in str(problems[0])


@pytest.mark.parametrize(
    ("symbols", "sections"),
    [
        ("H", {}),
        ("H", {"run": {"timestep": "1 fs"}}),
        ("C", {"run": {"timestep": "2.5 fs"}}),
        ("H", {"ensemble": {"kind": "npt"}}),
        ("H", {"ensemble": {"kind": "npt", "pdamp": "500 fs"}}),
        ("H", {"ensemble": {"kind": "nve", "tdamp": "1 ps"}}),
        ("H", {"ensemble": {"tdamp": "5 fs"}}),
        ("H", {"ensemble": {"tdamp": "500 fs", "temperature": 5000}}),
        ("H", {"ensemble": {"kind": "nvt", "tdamp": "400 fs"}}),
        ("H", {"output": {"thermo": "3.3 ps"}}),
        ("H", {"analysis": {"rdf": "H-H", "diffusion": "H", "profile": "H", "sheet": "H"}}),
    ],
)
def test_numbers_at_their_limits_pass(symbols, sections):
    assert about_run(symbols, **sections) == []


# --- the structure ---


def pair(symbols, distance, **options):
    return Atoms(symbols, [[1, 1, 1], [1 + distance, 1, 1]], cell=[4, 4, 4], pbc=True, **options)


def salted(atoms, masses):
    atoms.set_masses(masses)
    return atoms


def sheared(tilt):
    atoms = bulk("Cu", "sc", a=2.6)
    atoms.cell[1, 0] = tilt * 2.6
    return atoms


def expanded(factor):
    atoms = water_box(64, 12.417)
    atoms.set_cell(atoms.cell * factor, scale_atoms=True)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "level", "says"),
    [
        (pair("OH", 0.58), "error", "atoms 1 (O) and 2 (H) are 0.580 A apart: they overlap"),
        (pair("HHe", 0.001), "error", "atoms 1 (H) and 2 (He) are 0.001 A"),
        (pair("C2", 0.0), "error", "0.000 A apart"),
        (pair("H2", 0.499), "error", "0.499 A apart"),
        (pair("C2", -0.9), "error", "0.900 A apart"),
        (pair("C2", 3.1), "error", "0.900 A apart"),  # through the boundary
        (bulk("Cu", "sc", a=1.5), "error", "atom 1 (Cu) and its periodic image are 1.500 A"),
        (salted(pair("CO", 1.4), [15.999, 15.999]), "error",
         "C weighs 15.999 u in the file, not 12.011; that is the mass of O: is"),
        (salted(pair("CO", 1.4), [12.011, 0]), "error", "O weighs 0 u"),
        (salted(pair("C2", 1.4), [12, 13]), "error", "several masses, 12 to 13 u"),
        (salted(pair("OH", 1), [16, 2.014]), "warning", "taken for deuterium"),
        (expanded(3.0), "error", "the density is 0.037 g/cm3, outside 0.05"),
        (expanded(1.6), "warning", "the density is 0.244 g/cm3"),
        (bulk("Os", "fcc", a=3.65), "error", "the density is 26 g/cm3, outside"),
        (bulk("Os", "fcc", a=3.82), "warning", "the density is 22.7 g/cm3"),
        (sheared(0.6), "warning", "tilted by 0.60 of its length"),
        (sheared(-1.6), "error", "tilted by 1.60 of its length"),
    ],
)
def test_structures_with_something_wrong(atoms, level, says):
    problems = [p for p in about_structure(atoms)
                if "density" in says or "density" not in p.text  # two atoms in a box are thin
                if "one atom" not in p.text]
    assert found(problems) == [(level, "system")]
    assert says in problems[0].text
    assert "\n" not in str(problems[0])


@pytest.mark.parametrize("pbc", [True, False])
def test_one_atom_has_no_temperature(pbc):
    """LAMMPS would say 'Attempting to rescale a 0.0 temperature'."""
    atoms = Atoms("He", cell=[2.5, 2.5, 2.5], pbc=pbc)
    assert [str(p) for p in about_structure(atoms)] == [
        "error: system: one atom has no temperature, as the whole does not move: repeat the cell"]


def test_all_overlaps_are_counted_and_the_closest_is_named():
    atoms = Atoms("C4", [[0, 0, 0], [0.8, 0, 0], [0, 5, 0], [0.5, 5, 0]], cell=[9] * 3, pbc=True)
    text = about_structure(atoms)[0].text
    assert text == "atoms 3 (C) and 4 (C) are 0.500 A apart: they overlap, and 1 more pairs"


@pytest.mark.parametrize(
    "atoms",
    [
        water_box(64, 12.417),
        graphene(3, 2),  # vacuum: no density to judge
        molecule("H2O"),
        molecule("H2"),
        bulk("Cu", "fcc").repeat(2),  # rhombohedral, tilts of one half
        bulk("Mg"),
        bulk("W", cubic=True),
        salted(pair("OH", 0.97), [16, 1]),
        Atoms("He2", [[0, 0, 0], [2.5, 0, 0]], cell=[5, 2.5, 2.5], pbc=True),
        Atoms("He2", [[0, 0, 0], [3, 0, 0]]),
    ],
    ids=str,
)
def test_good_structures_pass(atoms):
    assert about_structure(atoms) == []


@pytest.mark.parametrize("system", [
    {"builder": "graphene-water"}, {"builder": "graphene-water", "cell": "128"},
    {"builder": "graphene-water", "cell": "lattice"}, WATER, {"builder": "water"},
    {"builder": "licl"}, {"builder": "hea"}, {"builder": "lgps"}], ids=str)
def test_every_builder_passes(system):
    spec = specification(system)
    assert about_structure(build(spec.system), spec) == []


def test_files_are_named_as_the_field(tmp_path):
    write(tmp_path / "a.xyz", pair("OH", 0.3))
    spec = specification({"file": tmp_path / "a.xyz"})
    assert ("error", "system.file") in found(about_structure(build(spec.system), spec))


@pytest.mark.parametrize("name", ["fixed.extxyz", "POSCAR"])
def test_atoms_that_a_file_fixes_are_not_moved_without_a_word(name, tmp_path):
    spec = specification({"file": tmp_path / name})
    atoms = bulk("C", "diamond", a=3.567, cubic=True).repeat((2, 1, 1))
    atoms.set_constraint(FixAtoms([0, 3, 5]))
    atoms.write(tmp_path / name, format="vasp" if name == "POSCAR" else "extxyz")
    found = read_structure(tmp_path / name)
    (problem,) = problems_of_file(spec, found)
    assert (problem.level, problem.field) == ("error", "system.file")
    assert problem.text.startswith("the file holds 3 atoms in place that would move")
    assert not found.constraints
    for fixed, number in ((["1-4"], 1), (["1-4", 6], 0), ("file", 0), ("C", None)):
        problems = problems_of_file(with_fixed(spec, fixed), found)
        if number is None:
            assert [p.field for p in problems] == ["ensemble.fixed"]
        else:
            assert [p.text[:24] for p in problems] == [f"the file holds {number} atoms i"] * bool(number)


@pytest.mark.parametrize("constraint", [
    FixCartesian([0, 3], (True, True, False)), FixBondLength(0, 3), FixedPlane([0, 3], (0, 0, 1))],
    ids=lambda c: type(c).__name__)
def test_constraints_that_are_not_kept(constraint, tmp_path):
    atoms = bulk("C", "diamond", a=3.567, cubic=True)
    atoms.set_constraint([FixAtoms([5]), constraint])
    atoms.write(tmp_path / "a.traj")
    spec = with_fixed(specification({"file": tmp_path / "a.traj"}), "file")
    (problem,) = problems_of_file(spec, read_structure(tmp_path / "a.traj"))
    assert (problem.level, problem.field) == ("error", "system.file")
    assert problem.text.startswith("the file constrains 2 atoms in part or to one another")


def test_atoms_fixed_in_each_direction_are_fixed(tmp_path):
    atoms = bulk("C", "diamond", a=3.567, cubic=True)
    atoms.set_constraint(FixCartesian([0, 3]))
    atoms.write(tmp_path / "a.traj")
    assert np.flatnonzero(read_structure(tmp_path / "a.traj").arrays["fixed"]).tolist() == [0, 3]


def test_constraints_that_fix_no_atoms(tmp_path):
    atoms = bulk("C", "diamond", a=3.567, cubic=True)
    atoms.set_constraint(FixCom())
    atoms.write(tmp_path / "a.traj")
    spec = specification({"file": tmp_path / "a.traj"})
    assert problems_of_file(spec, read_structure(tmp_path / "a.traj")) == []


def test_frames_before_the_last_are_named(tmp_path):
    atoms = bulk("C", "diamond", a=3.567, cubic=True)
    atoms.write(tmp_path / "one.extxyz")
    spec = specification({"file": tmp_path / "one.extxyz"})
    assert problems_of_file(spec, read_structure(tmp_path / "one.extxyz")) == []
    larger = atoms.copy()
    larger.set_cell(1.1 * atoms.cell, scale_atoms=True)
    write(tmp_path / "two.extxyz", [atoms, larger])
    found = read_structure(tmp_path / "two.extxyz")
    assert found.cell[0, 0] == pytest.approx(1.1 * 3.567)
    (problem,) = problems_of_file(spec, found)
    assert problem.level == "warning" and "the last is taken" in problem.text


def test_wrong_order_of_elements_shows_in_the_masses(tmp_path):
    atoms = water_box(10, 7)
    write_data(tmp_path / "a.data", atoms, ["O", "H"])
    spec = specification({"file": tmp_path / "a.data", "elements": ["H", "O"]})
    problems = about_structure(build(spec.system), spec)
    assert {p.field for p in problems} == {"system.file"}
    assert "is system.elements in the order of the file's atom types?" in problems[0].text


def test_barostats_need_matter_on_both_sides():
    npt = {"kind": "npt"}
    slab = graphene(3, 2)
    open_slab = graphene(3, 2)
    open_slab.pbc[2] = False

    def about(atoms, coupling):
        spec = specification(ensemble={**npt, "coupling": coupling})
        return found(about_structure(atoms, spec))

    assert about(slab, "iso") == about(slab, "z") == [("warning", "ensemble.coupling")]
    assert about(open_slab, "aniso") == about(open_slab, "z") == [("error", "ensemble.coupling")]
    assert about(slab, "x") == about(open_slab, "y") == about(water_box(20, 8.4), "iso") == []


def test_rdf_range_ends_at_half_the_cell():
    atoms = water_box(20, 8.4)
    for length, expected in (("4.2 A", []), ("4.3 A", [("warning", "analysis.rdf_range")])):
        spec = specification(analysis={"rdf_range": length})
        assert found(about_structure(atoms, spec)) == expected


def test_facts_of_a_structure():
    atoms = build(specification({"builder": "graphene-water"}).system)
    facts = examine_geometry(atoms)
    assert [(s.type, s.element, s.count) for s in facts.species] == [
        (1, "C", 72), (2, "O", 100), (3, "H", 200)]
    assert facts.density_gcm3 == pytest.approx(
        (72 * 12.011 + 100 * 18.015) * 1.66053907 / atoms.get_volume(), rel=1e-6)
    distances = atoms.get_all_distances(mic=True) + np.eye(len(atoms)) * 9
    assert facts.closest.distance_ang == pytest.approx(distances.min())
    pairs = {frozenset(p + 1) for p in np.argwhere(distances == distances.min())}
    assert frozenset((facts.closest.first_id, facts.closest.second_id)) in pairs
    assert facts.cell_heights_ang == pytest.approx(atoms.cell.lengths())
    tilted = examine_geometry(bulk("Cu", "fcc", a=3.6))
    assert tilted.cell_heights_ang == pytest.approx([3.6 / np.sqrt(3)] * 3)
    assert examine_geometry(graphene(3, 2)).vacuum == (False, False, True)
    assert examine_geometry(molecule("H2O")).density_gcm3 is None


# --- the model ---


def about_model(path, atoms=None, **sections):
    return problems_of_model(specification(**sections), path, atoms or water_box(20, 8.4))


def about_reference(atoms=None, **sections):
    return problems_of_reference(specification(**sections), atoms or water_box(20, 8.4))


def report_on(spec, path, atoms=None):
    return examine(spec, Subject(atoms or build(spec.system), MaceModel(path)))


def labelled(folder, labels):
    """The bundled model with another note about dispersion."""
    import hashlib

    content = BUNDLED_MODEL.read_bytes()
    old = metadata(BUNDLED_MODEL)
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + size])
    about = {**old, "labels_include_dispersion": labels, "checksum": BLANK}
    header["__metadata__"]["mdbench"] = json.dumps(about)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    whole = len(text).to_bytes(8, "little") + text + content[8 + size:]
    digest = hashlib.sha256(whole).hexdigest().encode()
    path = folder / f"{labels}.mace"
    path.write_bytes(whole.replace(BLANK.encode(), digest, 1))
    return path


@pytest.mark.parametrize(
    ("labels", "double", "expected"),
    [
        ("d3", False, [("error", "dispersion.method")]),
        ("functional", False, [("error", "dispersion.method")]),
        ("unknown", False, [("error", "dispersion.method")]),
        ("unknown", True, []),
        ("none", False, []),
        ("d3", True, []),
    ],
)
def test_dispersion_is_not_counted_twice(tmp_path, labels, double, expected):
    path = labelled(tmp_path, labels)
    model = {"file": str(path)}
    d3 = {"method": "d3", "allow_double_counting": double}
    assert found(about_model(path, model=model, dispersion=d3)) == expected
    assert about_model(path, model=model) == []


def test_bundled_model_and_reference_hold_dispersion():
    d3 = {"method": "d3"}
    assert found(about_model(BUNDLED_MODEL, dispersion=d3)) == [("error", "dispersion.method")]
    reference = {"file": "reference"}
    for double in (False, True):  # its script has no place for D3
        problems = about_reference(model=reference,
                                   dispersion={**d3, "allow_double_counting": double})
        assert found(problems) == [("error", "dispersion.method")]
    assert about_reference(model=reference) == []


def test_d3_ends_at_plutonium(tmp_path):
    path = labelled(tmp_path, "none")
    for element, expected in (("Pu", []), ("Am", [("error", "dispersion.method")])):
        problems = about_model(path, Atoms(element), model={"file": str(path)},
                               dispersion={"method": "d3"})
        assert found(p for p in problems if p.field != "system") == expected
    assert "D3 has no data for Am: it ends at plutonium" in problems[-1].text


def test_cost_of_d3(tmp_path, monkeypatch):
    """Of an evaluation on the structure itself, or on a part of it."""
    import mdbench.check.cost as module

    path = labelled(tmp_path, "none")
    system = {"builder": "water", "num_water": 4000}
    spec = specification(system, model={"file": str(path)}, dispersion={"method": "d3"})
    atoms = build(spec.system)
    evaluator = load_evaluator(path, threads=1)
    whole = measure(spec, atoms, evaluator, path)
    assert 0 < whole.d3_ms_per_step < whole.ms_per_step
    assert "ms of it D3" in "\n".join(whole.lines())
    monkeypatch.setattr(module, "LARGEST_TIMED", 1000)
    part = measure(spec, atoms, evaluator, path)
    assert 0.3 < part.d3_ms_per_step / whole.d3_ms_per_step < 3
    without = specification(system, model={"file": str(path)})
    assert measure(without, atoms, evaluator, path).d3_ms_per_step == 0


@pytest.mark.parametrize(("steps_s", "fastest_ms", "count"), [
    ([0.11, *[0.069] * 4, 0.002], 2, 8),  # most are disturbed
    ([0.11, *[0.002] * 3, 0.02], 2, 16),
    ([0.003], 3, 167),
    ([2.5, 1.0], 2500, 1),
    ([1.5, 1.0], 1000, 2),
])
def test_the_fastest_of_several_steps_counts(monkeypatch, steps_s, fastest_ms, count):
    import mdbench.check.cost as module

    now, made = [0.0], []

    def evaluate():
        now[0] += steps_s[len(made) % len(steps_s)]
        made.append(1)

    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    assert module._fastest_ms(evaluate) == pytest.approx(fastest_ms)
    assert len(made) == count


def test_code_must_be_pinned():
    for path in (BUNDLED_LAMMPS, BUNDLED):
        sha256 = inspect(path).sha256
        unpinned = {"file": str(path)}
        problems = about_model(path, model=unpinned)
        assert found(problems) == [("error", "model.sha256")]
        assert f'pin it: sha256 = "{sha256}"' in problems[0].text
        assert about_model(path, model={**unpinned, "sha256": sha256}) == []
    wrong = about_model(BUNDLED_MODEL, model={"sha256": "0" * 64})
    assert found(wrong) == [("error", "model.sha256")]


def test_unpinned_code_is_not_opened(monkeypatch):
    import mdbench.check.potential as module

    monkeypatch.setattr(module, "load_evaluator", lambda *a, **k: pytest.fail("opened"))
    spec = specification(model={"file": str(BUNDLED_LAMMPS)})
    assert report_on(spec, BUNDLED_LAMMPS).cost is None


def test_mixed_precision_is_for_native_files():
    pinned = {"file": str(BUNDLED_LAMMPS), "sha256": inspect(BUNDLED_LAMMPS).sha256}
    problems = about_model(BUNDLED_LAMMPS, model={**pinned, "precision": "mixed"})
    assert found(problems) == [("warning", "model.precision")]
    for precision in ("single", "double"):
        assert about_model(BUNDLED_LAMMPS, model={**pinned, "precision": precision}) == []
    assert about_model(BUNDLED_MODEL, model={"precision": "mixed"}) == []


def test_elements_and_heads_that_the_model_lacks(models):
    problems = about_model(BUNDLED_MODEL, Atoms("LiCl", [[0, 0, 0], [2.5, 0, 0]]))
    assert found(problems) == [("error", "system")]
    assert problems[0].text == "the structure holds Li, Cl; the model knows only H, C, O"
    path = models["two_heads.mace"]
    model = {"file": str(path)}
    assert about_model(path, Atoms("H"), model=model) == []
    problems = about_model(path, Atoms("H"), model={**model, "head": "other"})
    assert found(problems) == [("error", "model.head")]


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x10\0\0\0\0\0\0\0{\"a\": 1}        "])
def test_broken_model_files(tmp_path, content):
    path = tmp_path / "m.mace"
    path.write_bytes(content)
    problems = about_model(path, model={"file": str(path)})
    assert found(problems) == [("error", "model.file")]
    assert found(about_model(tmp_path / "none.mace")) == [("error", "model.file")]
    if content.startswith(b"\x10"):  # safetensors, but not of mdbench
        with pytest.raises(ModelError, match="its metadata cannot be read"):
            metadata(path)


def test_metadata_of_both_formats():
    assert metadata(BUNDLED_MODEL)["cutoff_ang"] == metadata(BUNDLED_LAMMPS)["cutoff_ang"] == 4.5
    assert metadata(BUNDLED) == {}


def test_the_reference_field_is_for_carbon_then_water():
    reference = {"file": "reference"}
    for atoms, says in (
        (bulk("Cu"), "it knows no Cu"),
        (Atoms("HOH", pbc=True), "carbon first, then O H H"),
        (Atoms("OHH"), "periodic in every direction"),
    ):
        problems = about_reference(atoms, model=reference)
        assert found(problems) == [("error", "system")]
        assert says in problems[0].text


@pytest.mark.parametrize("supercell", [(1, 1, 1), (2, 1, 1), (1, 2, 2)])
def test_the_reference_field_takes_copies_of_the_bundled_cell(tmp_path, supercell):
    """Atoms, their order in the data file and the checks agree; molecules stay whole."""
    system = {"builder": "graphene-water", "cell": 128, "supercell": supercell}
    spec = specification(system, model={"file": "reference"})
    subject = load_subject(spec)
    atoms = subject.atoms
    assert examine(spec, subject).errors == ()
    once = build(spec.system.model_copy(update={"supercell": (1, 1, 1)}))
    copies = supercell[0] * supercell[1] * supercell[2]
    assert atoms.symbols.formula.count() == {s: copies * n for s, n in once.symbols.formula.count().items()}
    for oxygen in np.flatnonzero(atoms.numbers == 8):
        assert atoms.get_distances(oxygen, [oxygen + 1, oxygen + 2], mic=True).max() < 1.3
    every, wrapped = once.repeat(supercell).get_positions(wrap=True), atoms.get_positions(wrap=True)
    assert sorted(map(tuple, every.round(6))) == sorted(map(tuple, wrapped.round(6)))
    subject.write(spec, tmp_path)
    written = read_structure(tmp_path / "structure.data")
    assert written.get_chemical_symbols() == atoms.get_chemical_symbols()
    assert written.positions == pytest.approx(atoms.positions, abs=1e-9)
    energies = [single_point(spec, s).energies["PotEng"]
                for s in (subject, replace(subject, atoms=once))]
    assert energies[0] == pytest.approx(copies * energies[1], rel=1e-5)


@pytest.mark.parametrize("has_water", [True, False])
def test_the_reference_field_runs_with_and_without_water(tmp_path, has_water):
    """LAMMPS refuses PPPM without charges unless it is told the splitting."""
    atoms = build(specification({"builder": "graphene-water", "cell": 128}).system)
    write(tmp_path / "a.xyz", atoms if has_water else graphene(4, 2))
    spec = specification({"file": str(tmp_path / "a.xyz")}, model={"file": "reference"})
    point = single_point(spec, load_subject(spec))
    assert np.isfinite(point.forces).all()


# --- the whole report ---


def test_report_of_the_default_is_clean_and_sensible():
    spec = specification({"builder": "graphene-water"})
    report = report_on(spec, BUNDLED_MODEL)
    assert report.problems == () == report.errors
    cost = report.cost
    assert cost.edges == round(cost.edges_per_atom * 372) == 14138
    assert 0.5 < cost.ms_per_step < 200
    assert cost.steps == 24_000
    assert cost.wall_s == pytest.approx(cost.steps * cost.ms_per_step / 1000)
    assert 1e8 < cost.memory_bytes < 3e8
    text = "\n".join(report.lines())
    assert "atoms         372" in text
    assert "ms a step" in text
    assert json.loads(json.dumps(report.as_dict()))["geometry"]["num_atoms"] == 372


@pytest.mark.alone
def test_speed_is_that_of_lammps():
    """About 6 ms a step of 372 atoms on one core of the machine that this was written on."""
    import time

    from mdbench.engine import boxed, load_structure, open_lammps

    spec = specification({"builder": "graphene-water"})
    atoms = build(spec.system)
    lmp = open_lammps()
    system = boxed(atoms, ["C", "O", "H"])
    load_structure(lmp, system)
    lmp.commands_string(
        f"pair_style mace precision mixed\npair_coeff * * {BUNDLED_MODEL} C O H\n"
        "timestep 0.0005\nfix n all nve\nrun 20 post no")
    ran, estimated = [], []
    for _ in range(4):  # in turn; the quietest of each: what else runs on the machine only adds
        start = time.perf_counter()
        lmp.command("run 100 post no")
        ran.append((time.perf_counter() - start) * 10)
        estimated.append(report_on(spec, BUNDLED_MODEL, atoms).cost.ms_per_step)
    lmp.close()
    assert 0.5 < min(estimated) / min(ran) < 2


def test_large_structures_are_timed_on_a_part(monkeypatch):
    """The same estimates from a part as from the whole."""
    import mdbench.check.cost as module

    spec = specification({"builder": "water", "num_water": 4000})
    atoms = build(spec.system)
    assert len(atoms) < LARGEST_TIMED
    evaluator = load_evaluator(BUNDLED_MODEL, threads=1)
    whole = measure(spec, atoms, evaluator, BUNDLED_MODEL)
    monkeypatch.setattr(module, "LARGEST_TIMED", 1000)
    part = measure(spec, atoms, evaluator, BUNDLED_MODEL)
    assert part.edges_per_atom == pytest.approx(whole.edges_per_atom, rel=0.02)
    assert part.edges != whole.edges
    assert part.memory_bytes == pytest.approx(whole.memory_bytes, rel=0.02)
    assert 0.3 < part.ms_per_step / whole.ms_per_step < 3


def test_errors_come_first_and_name_a_model_that_fails(tmp_path):
    spec = specification(
        {"builder": "graphene-water"}, model={"device": "cuda:99"}, run={"timestep": "1.5 fs"})
    report = report_on(spec, BUNDLED_MODEL)
    assert found(report.problems) == [("error", "model.file"), ("warning", "run.timestep")]
    assert len(report.errors) == 1
    assert report.cost is None


def test_the_reference_force_field_is_timed_in_lammps(monkeypatch):
    spec = specification({"builder": "water", "num_water": 64}, model={"file": "reference"})
    report = examine(spec, load_subject(spec))
    assert report.problems == ()
    assert report.cost.kernel == "LAMMPS" and 0.01 < report.cost.ms_per_step < 100
    monkeypatch.setenv("MDBENCH_LMP", "/nowhere/lmp")
    report = examine(spec, load_subject(spec))
    assert report.cost is None and found(report.problems) == [("warning", "model.file")]
    assert "it could not be timed: '/nowhere/lmp' cannot be run" in report.problems[0].text


def test_atoms_that_are_to_be_relaxed_are_timed_as_they_are():
    spec = specification({"builder": "water", "num_water": 64}, model={"file": "reference"})
    subject = load_subject(spec)
    first, second = subject.atoms.positions[[0, 3]]
    subject.atoms.positions[3:6] += first - second + 0.3
    assert timed(spec, subject).ms_per_step > 0


def test_costs_count_every_run():
    one = specification({"builder": "graphene-water"})
    many = specification({"builder": "graphene-water"}, ensemble={"temperature": [280, 300, 320]},
                         run={"seed": [1, 2]})
    atoms = build(one.system)
    single, sixfold = (report_on(s, BUNDLED_MODEL, atoms) for s in (one, many))
    assert sixfold.cost.steps == 6 * single.cost.steps
    assert sixfold.disk_bytes == 6 * single.disk_bytes
    # 240 frames of 5 bytes an atom, 22 restart files of 90, 1200 rows of 240 bytes
    assert single.disk_bytes == pytest.approx(372 * (240 * 5 + 22 * 90) + 1200 * 240, rel=0.1)


def test_readable_numbers():
    assert [readable_bytes(n) for n in (1, 1234, 5.6e7, 3e9, 4e15)] == [
        "1 B", "1.23 kB", "56 MB", "3 GB", "4e+03 TB"]
    assert [readable_time(s) for s in (1, 119, 600, 7300, 1e6)] == [
        "1 s", "119 s", "10 min", "2.03 h", "11.6 days"]


def test_cores_are_those_of_this_process():
    from mdbench.check.settings import available_cores

    assert 1 <= available_cores() <= os.cpu_count()


def test_one_viscosity_for_several_temperatures_corrects_nothing():
    ensemble = {"temperature": [280, 300]}
    ((level, field),) = found(about_run(ensemble=ensemble, analysis={"viscosity": "0.9 cP"}))
    assert (level, field) == ("warning", "analysis.viscosity")
    assert not about_run(ensemble=ensemble, analysis={"viscosity": ["0.9 cP", "0.8 cP"]})
