"""Structures that are built, read and written for LAMMPS."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write
from ase.neighborlist import neighbor_list
from ase.units import fs
from pydantic import TypeAdapter
from support import triclinic, water_dimer

from mdbench import structure
from mdbench.core import evaluate_atoms
from mdbench.crystals import composition, lgps
from mdbench.doctor import BUNDLED_MODEL
from mdbench.engine import open_lammps
from mdbench.errors import StructureError
from mdbench.model import load_evaluator
from mdbench.spec_system import AnySystem
from mdbench.structure_file import read_structure
from mdbench.systems import build, species_order, write_data

SYSTEM = TypeAdapter(AnySystem)
GCM3 = 1.66053906660  # of an atomic mass unit in a cubic Angstrom


def made(builder, **options):
    return build(SYSTEM.validate_python({"builder": builder, **options}))


def density(atoms):
    return atoms.get_masses().sum() / atoms.get_volume() * GCM3


def closest(atoms, first, second, cutoff=4.0):
    i, j, d = neighbor_list("ijd", atoms, cutoff)
    symbols = np.array(atoms.get_chemical_symbols())
    return d[(symbols[i] == first) & (symbols[j] == second)].min(initial=np.inf)


def refusal(call, *arguments, **options):
    """The one line with which a call refuses."""
    with pytest.raises(StructureError) as caught:
        call(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    return text


@pytest.mark.parametrize(
    ("builder", "options", "formula", "gcm3"),
    [
        ("graphene-water", {}, {"C": 72, "O": 100, "H": 200}, None),
        ("graphene-water", {"cell": "128"}, {"C": 32, "O": 32, "H": 64}, None),
        ("graphene-water", {"cell": "lattice", "cells": (4, 2), "num_water": 40},
         {"C": 32, "O": 40, "H": 80}, None),
        ("water", {"num_water": 50, "density": "0.9 g/cm3"}, {"O": 50, "H": 100}, 0.9),
        ("licl", {"cells": 3, "density": "1.5 g/cm3"}, {"Li": 108, "Cl": 108}, 1.5),
        ("licl", {"cells": 1, "supercell": (1, 2, 3)}, {"Li": 24, "Cl": 24}, 1.495),
        ("hea", {}, {"Nb": 26, "Al": 26, "Mo": 26, "Ti": 25, "Zr": 25}, None),
        ("hea", {"elements": ("Cu", "Ni"), "fractions": (0.75, 0.25), "lattice": "fcc",
                 "lattice_constant": "3.6 A", "cells": (2, 2, 2)}, {"Cu": 24, "Ni": 8}, None),
        ("lgps", {"supercell": (1, 1, 1)}, {"Li": 20, "Ge": 2, "P": 4, "S": 24}, 2.053),
        ("lgps", {}, {"Li": 80, "Ge": 8, "P": 16, "S": 96}, 2.053),
    ],
)
def test_builders_give_composition_density_and_periodicity(builder, options, formula, gcm3):
    atoms = made(builder, **options)
    assert atoms.symbols.formula.count() == formula
    assert atoms.pbc.all()
    if gcm3:
        assert density(atoms) == pytest.approx(gcm3, rel=1e-3)


def test_lattice_constants_make_the_alloy_and_the_salt():
    alloy = made("hea", cells=(2, 3, 4))
    assert alloy.cell.lengths() == pytest.approx(3.26 * np.array([2, 3, 4]))
    assert closest(alloy, "Nb", "Ti") == pytest.approx(3.26 * np.sqrt(3) / 2)
    salt = made("licl")
    edge = salt.cell.lengths()[0] / 4
    assert closest(salt, "Li", "Cl") == pytest.approx(edge / 2)
    assert closest(salt, "Cl", "Cl", 5) == pytest.approx(edge / np.sqrt(2))


def test_composition_is_exact_by_the_largest_remainder():
    assert composition([0.2] * 5, 128).tolist() == [26, 26, 26, 25, 25]
    assert composition([0.7, 0.2, 0.1], 13).tolist() == [9, 3, 1]  # 9.1, 2.6, 1.3
    assert composition([1 / 3, 2 / 3], 54).tolist() == [18, 36]


def test_the_seed_decides_the_arrangement():
    for builder in ("hea", "lgps"):
        one, again, other = (made(builder, arrangement_seed=s) for s in (1, 1, 2))
        assert one == again
        assert one != other


@pytest.mark.parametrize("seed", range(1, 9))
def test_lgps_has_the_contacts_of_the_crystal(seed):
    atoms = lgps(seed, (1, 1, 2))  # pairs of lithium sites may not meet across cells either
    assert atoms.symbols.formula.count() == {"Li": 40, "Ge": 4, "P": 8, "S": 48}
    assert 1.9 < closest(atoms, "P", "S") < 2.1
    assert 2.1 < closest(atoms, "Ge", "S") < 2.25
    assert 2.3 < closest(atoms, "Li", "S") < 2.6
    assert closest(atoms, "Li", "Li") > 2.3
    assert closest(atoms, "S", "S") > 3.0
    i, d = neighbor_list("id", atoms, 2.3)  # every P and Ge is in a tetrahedron of S, Li is not
    assert (np.bincount(i, minlength=len(atoms))[np.isin(atoms.symbols, ["P", "Ge"])] == 4).all()


def test_lgps_has_the_symmetry_of_its_space_group():
    """Sulphur, which is ordered, maps onto itself under the 4_2 axis and the n glide."""
    atoms = lgps()
    sulphur = atoms[atoms.symbols == "S"].get_scaled_positions()
    x, y, z = sulphur.T
    for image in (np.c_[0.5 - y, 0.5 + x, 0.5 + z], np.c_[0.5 - x, 0.5 - y, 0.5 - z],
                  np.c_[-x, y, z]):
        delta = image[:, None] - sulphur[None]
        assert (np.abs(delta - np.round(delta)).max(axis=2).min(axis=1) < 1e-6).all()


def test_replicas_have_the_energy_of_their_cell():
    evaluator = load_evaluator(BUNDLED_MODEL, precision="double")
    for cell, repeat in (("128", (2, 1, 2)), ("372", (1, 2, 1))):
        one, many = made("graphene-water", cell=cell), made(
            "graphene-water", cell=cell, supercell=repeat)
        assert len(many) == np.prod(repeat) * len(one)
        a, b = evaluate_atoms(evaluator, one), evaluate_atoms(evaluator, many)
        assert abs(a.energy / len(one) - b.energy / len(many)) < 1e-10
        assert np.abs(b.forces.reshape(-1, len(one), 3) - a.forces).max() < 1e-9


def test_species_come_in_order_of_appearance():
    assert species_order(made("graphene-water")) == ["C", "O", "H"]


# --- files ---


def moving():
    """A triclinic structure with velocities and an isotope."""
    atoms = triclinic()
    atoms.set_masses([12.011, 15.999, 2.014, 2.014])
    atoms.set_velocities(np.random.default_rng(5).normal(size=(4, 3)) * 0.01)
    return atoms


def in_lammps(path, atoms):
    """Positions and velocities in the axes of the structure, masses and box, as LAMMPS has them."""
    from mdbench.engine import boxed

    lmp = open_lammps()
    lmp.commands_string(
        f"units metal\natom_modify map yes\nbox tilt large\nread_data {path}\nmass * 1.0")
    x, v = (np.array(lmp.gather_atoms(name, 1, 3)).reshape(-1, 3) for name in "xv")
    types = np.array(lmp.gather_atoms("type", 0, 1))
    lmp.close()
    prism = boxed(atoms).prism
    return prism.vector_to_ase(x), prism.vector_to_ase(v), types


def test_data_files_lose_nothing_on_the_way_through_lammps(tmp_path):
    atoms = moving()
    path = tmp_path / "s.data"
    write_data(path, atoms, ["H", "C", "O"])
    x, v, types = in_lammps(path, atoms)
    assert types.tolist() == [2, 3, 1, 1]
    shift = (x - atoms.positions) @ np.linalg.inv(atoms.cell.array)  # LAMMPS wraps into the box
    error = (shift - np.round(shift)) @ atoms.cell.array
    assert np.abs(error).max() < 1e-12 * np.abs(atoms.positions).max()
    assert v == pytest.approx(atoms.get_velocities() * 1000 * fs, rel=1e-12)
    assert "3 15.999 # O" in path.read_text().splitlines()
    assert "1 2.014 # H" in path.read_text().splitlines()


def test_data_files_come_back_as_they_were(tmp_path):
    atoms = moving()
    path = tmp_path / "s.data"
    write_data(path, atoms, ["O", "H", "C"])
    back = read_structure(path)
    assert back.get_chemical_symbols() == atoms.get_chemical_symbols()
    assert back.get_masses().tolist() == atoms.get_masses().tolist()
    assert back.get_all_distances(mic=True) == pytest.approx(atoms.get_all_distances(mic=True))
    assert back.cell.cellpar() == pytest.approx(atoms.cell.cellpar())
    assert back.get_kinetic_energy() == pytest.approx(atoms.get_kinetic_energy(), rel=1e-6)
    assert set(back.arrays) == {"numbers", "positions", "masses", "momenta"}


@pytest.mark.parametrize(("cells", "num_water"), [
    ((6, 3), 36), ((8, 4), 64), ((12, 6), 144), ((10, 5), 100), ((8, 4), 128)])
def test_molecules_on_a_lattice_do_not_overlap(cells, num_water):
    atoms = made("graphene-water", cell="lattice", cells=cells, num_water=num_water)
    water = atoms[4 * cells[0] * cells[1]:]
    i, j, distances = neighbor_list("ijd", water, 0.9)
    assert distances[i // 3 != j // 3].min(initial=0.9) >= 0.8


@pytest.mark.parametrize(("num_water", "most"), [(100, 0), (36, 4)])
def test_only_molecules_that_overlap_are_turned(monkeypatch, num_water, most):
    """Cells that were fine stay what they were, to the last bit."""
    atoms = made("graphene-water", cell="lattice", num_water=num_water)
    monkeypatch.setattr(structure, "_clashing", lambda *_: ())
    first = made("graphene-water", cell="lattice", num_water=num_water)
    turned = set((np.flatnonzero((atoms.positions != first.positions).any(axis=1)) - 72) // 3)
    assert (len(turned) > 0) == (most > 0)
    assert len(turned) <= most


def test_open_directions_get_room_in_the_data_file(tmp_path):
    write_data(tmp_path / "s.data", water_dimer(), ["O", "H"])
    back = read_structure(tmp_path / "s.data")
    assert (back.cell.lengths() > 40).all()
    with pytest.raises(StructureError, match="holds H, which is none of the atom types"):
        write_data(tmp_path / "s.data", water_dimer(), ["O"])


DATA = """title C O H

3 atoms
{types} atom types
0 8 xlo xhi
0 8 ylo yhi
0 8 zlo zhi

{masses}Atoms # {style}

{rows}
"""
STYLES = {
    "atomic": "1 1 1 1 1\n2 2 1 1 2\n3 2 1 2 1",
    "charge": "1 1 -0.8 1 1 1\n2 2 0.4 1 1 2\n3 2 0.4 1 2 1",
    "full": "1 1 1 -0.8 1 1 1\n2 1 2 0.4 1 1 2\n3 1 2 0.4 1 2 1",
}


def data_file(folder, masses="Masses\n\n1 15.999\n2 1.008\n\n", style="atomic", rows=None, types=2):
    path = folder / "water.data"
    path.write_text(
        DATA.format(masses=masses, style=style, rows=rows or STYLES[style], types=types))
    return path


@pytest.mark.parametrize("style", STYLES)
def test_lammps_data_files_of_every_style(tmp_path, style):
    atoms = made("file", file=data_file(tmp_path, style=style), supercell=(2, 1, 1))
    assert atoms.get_chemical_symbols() == ["O", "H", "H"] * 2
    assert atoms.positions[4].tolist() == [9, 1, 2]


@pytest.mark.parametrize(
    ("masses", "elements", "expected"),
    [
        ("Masses\n\n1 16\n2 1\n\n", None, "OHH"),
        ("Masses\n\n1 15.999\n2 2.014\n\n", None, "OHH"),
        ("Masses\n\n1 58.7 # Ni\n2 58.93 # Co\n\n", None, "NiCoCo"),
        ("Atom Type Labels\n\n1 Si\n2 F\n\n", None, "SiFF"),
        ("", ("C", "O"), "COO"),
        ("Masses\n\n1 15.999\n2 1.008\n\n", ("S", "Li"), "SLiLi"),
    ],
)
def test_elements_of_atom_types(tmp_path, masses, elements, expected):
    atoms = made("file", file=data_file(tmp_path, masses), elements=elements)
    assert "".join(atoms.get_chemical_symbols()) == expected


def test_data_files_are_known_by_their_header(tmp_path):
    path = data_file(tmp_path).rename(tmp_path / "data.water")
    assert read_structure(path).get_chemical_symbols() == ["O", "H", "H"]
    write(tmp_path / "data.cif", bulk("Cu"))
    assert read_structure(tmp_path / "data.cif").get_chemical_symbols() == ["Cu"]


def test_data_files_of_lammps_say_their_units(tmp_path):
    velocities = "\n\nVelocities\n\n1 1 0 0\n2 0 0 0\n3 0 0 0"
    path = data_file(tmp_path, rows=STYLES["atomic"] + velocities)
    speed = {}
    for units in ("metal", "real"):
        text = path.read_text().splitlines()
        text[0] = f"LAMMPS data file via write_data, version 22 Jul 2025, units = {units}"
        path.write_text("\n".join(text) + "\n")
        speed[units] = read_structure(path).get_velocities()[0, 0]
    assert speed["metal"] == pytest.approx(1 / (1000 * fs))  # 1 A/ps
    assert speed["real"] == pytest.approx(1 / fs)  # 1 A/fs
    path.write_text(path.read_text().replace("units = real", "units = lj"))
    assert "is in units lj: convert it" in refusal(read_structure, path)


def test_velocities_of_zero_are_velocities(tmp_path):
    """A run may start at rest."""
    still = data_file(tmp_path, rows=STYLES["atomic"] + "\n\nVelocities\n\n1 0 0 0\n2 0 0 0\n3 0 0 0")
    atoms = read_structure(still)
    write_data(tmp_path / "s.data", atoms, ["O", "H"])
    for found in (atoms, read_structure(tmp_path / "s.data")):
        assert found.has("momenta")
        assert not found.get_velocities().any()
    assert not read_structure(data_file(tmp_path)).has("momenta")


def test_other_formats_keep_periodicity_and_velocities(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.pbc = [True, True, False]
    atoms.set_velocities(np.full((4, 3), 0.02))
    write(tmp_path / "a@1.xyz", [atoms, atoms], format="extxyz", write_info=False,
          columns=["symbols", "positions", "momenta"])
    back = made("file", file=tmp_path / "a@1.xyz", supercell=(2, 1, 1))
    assert back.pbc.tolist() == [True, True, False]
    assert back.get_velocities() == pytest.approx(0.02)
    assert len(back) == 8


@pytest.mark.parametrize("name", ["POSCAR", "a.vasp", "CONTCAR"])
@pytest.mark.parametrize("title", ["20240501", "999999999", "LiCl 20240501", ""])
def test_titles_of_poscars_are_no_counts(tmp_path, name, title):
    (tmp_path / name).write_text(f"{title}\n1.0\n 4 0 0\n 0 4 0\n 0 0 4\nLi Cl\n1 1\nDirect\n"
                                 "0 0 0\n.5 .5 .5\n")
    assert read_structure(tmp_path / name).get_chemical_symbols() == ["Li", "Cl"]


def saved(folder, atoms, name="bad.traj"):
    write(folder / name, atoms)
    return folder / name


def flat(cell, **options):
    return Atoms("C2", [[0, 0, 0], [1.5, 0, 0]], cell=cell, pbc=True, **options)


def with_position(value):
    atoms = flat([5, 5, 5])
    atoms.positions[1, 2] = value
    return atoms


def crystal_file(folder, *sites):
    """A CIF file: label, element, height and occupancy of each site."""
    rows = "".join(f"{label} {element} 0 0 {z} {share}\n" for label, element, z, share in sites)
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    loop = "loop_\n" + "".join(f"_atom_site_{column}\n" for column in columns)
    cell = "".join(f"_cell_length_{a} 4\n" for a in "abc")
    cell += "".join(f"_cell_angle_{a} 90\n" for a in ("alpha", "beta", "gamma"))
    (folder / "x.cif").write_text(f"data_x\n{cell}{loop}{rows}")
    return folder / "x.cif"


def test_sites_of_crystals_that_are_full(tmp_path):
    for share in ("1", "1.0", "1.000(2)", "0.9999", "?", "."):
        path = crystal_file(tmp_path, ("O1", "O", 0, share), ("Li1", "Li", 0.5, share))
        assert read_structure(path).get_chemical_symbols() == ["O", "Li"], share


def test_structures_ordered_from_sites_in_part(tmp_path):
    """ASE keeps the notes of the CIF file in whatever it writes."""
    atoms = read(crystal_file(tmp_path, ("O1", "O", 0, 1), ("Li1", "Li", 0.5, 0.5))).repeat((2, 1, 1))
    for gone in (3, 1):
        del atoms[gone]
        for name in ("a.extxyz", "a.traj"):
            atoms.write(tmp_path / name)
            assert len(read_structure(tmp_path / name)) == len(atoms)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda f: crystal_file(f, ("O1", "O", 0, 1), ("Li1", "Li", 0.5, 0.69)),
         "fills the site of atom 2 only in part or with several elements (Li 0.69): choose"),
        (lambda f: crystal_file(f, ("Ge", "Ge", 0, 0.515), ("P", "P", 0, 0.485)),
         "fills the site of atom 1 only in part or with several elements (Ge 0.515, P 0.485)"),
        (lambda f: crystal_file(f, ("Ge", "Ge", 0, 1), ("P", "P", 0, 1)), "(Ge 1, P 1)"),
        (lambda f: f / "none.cif", "none.cif' does not exist"),
        (lambda f: f, "is a folder, not a file"),
        (lambda f: (f / "x.xyz").write_text("rubbish\n") and f / "x.xyz", "cannot be read"),
        (lambda f: (f / "x.cif").write_bytes(b"\0\xff" * 99) and f / "x.cif", "cannot be read"),
        (lambda f: (f / "x.data").write_text("\n3 atoms\n\n") and f / "x.data", "cannot be read"),
        (lambda f: (f / "x.xyz").touch() or f / "x.xyz", "cannot be read"),
        (lambda f: (f / "x.xyz").write_text("99999999999\n\nC 0 0 0\n") and f / "x.xyz", "cut off"),
        (lambda f: (f / "x.xyz").write_text("99999999999\n1\n1 0 0\n0 1 0\n0 0 1\n") and f / "x.xyz",
         "cut off"),
        (lambda f: (f / "x.data").write_text("\n\n9999999999 atoms\n") and f / "x.data", "cut off"),
        (lambda f: (f / "x.traj").write_bytes(saved(f, bulk("Cu")).read_bytes()[:-40])
         and f / "x.traj", "cannot be read"),
        (lambda f: saved(f, Atoms()), "holds no atoms"),
        (lambda f: saved(f, Atoms("CX")), "gives atom 2 no known element"),
        (lambda f: saved(f, with_position(np.nan)), "has no finite position for atom 2"),
        (lambda f: saved(f, with_position(-np.inf)), "has no finite position for atom 2"),
        (lambda f: saved(f, flat([5, 5, 0])), "periodic along cell vector 3 but gives none"),
        (lambda f: saved(f, flat([[5, 0, 0], [5, 1e-9, 0], [0, 0, 5]])), "without volume"),
        (lambda f: data_file(f, ""), "does not say what atom type 1 is: give system.elements"),
        (lambda f: data_file(f, "Masses\n\n1 2.5\n2 1\n\n"), "2.5 of atom type 1 is that of no"),
        (lambda f: data_file(f, rows="1 1 1 1 1\n2 2 1 1"), "cannot be read"),
        (lambda f: data_file(f, rows="1 1 1 1 1\n2 2 1 nan 2\n3 2 1 2 1"), "position for atom 2"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, make, says):
    path = make(tmp_path)
    text = refusal(made, "file", file=path)
    assert says in text
    assert text.startswith(f"structure file '{path}'")


@pytest.mark.parametrize(
    ("builder", "options", "says"),
    [
        ("water", {"num_water": 1000, "supercell": (100, 100, 1)}, "system has 30,000,000 atoms"),
        ("lgps", {"supercell": (1000, 1000, 1000)}, "system has 50,000,000,000 atoms"),
        ("hea", {"cells": (1000, 1000, 6)}, "system has 12,000,000 atoms"),
        ("hea", {"cells": (1, 1, 1)}, "2 atoms are too few for one of Mo"),
        ("graphene-water", {"cell": "lattice", "num_water": 0}, "system.num_water = 0"),
        ("graphene-water", {"cell": "lattice", "height": "5 A"}, "system.height of 5 A leaves no"),
    ],
)
def test_systems_that_cannot_be_built(builder, options, says):
    assert says in refusal(made, builder, **options)


def test_what_goes_with_files_only(tmp_path):
    write(tmp_path / "m.xyz", molecule("H2O"))
    assert "system.elements" in refusal(
        made, "file", file=tmp_path / "m.xyz", elements=("H", "O"))
    assert "system.supercell repeats cell vector 1" in refusal(
        made, "file", file=tmp_path / "m.xyz", supercell=(2, 1, 1))
    assert "names 1 elements, but" in refusal(
        made, "file", file=data_file(tmp_path), elements=("H",))
    big = tmp_path / "big.xyz"
    write(big, bulk("Cu", cubic=True))
    assert "36,000,000 atoms" in refusal(made, "file", file=big, supercell=(1000, 1000, 9))


# --- from the lattice to dynamics ---


@pytest.mark.parametrize("options", [
    {"builder": "graphene-water", "cell": "lattice"}, {"builder": "water"}], ids=["sheet", "water"])
@pytest.mark.parametrize("style", ["cg", "fire"])
def test_lattices_relax_and_run(tmp_path, options, style):
    atoms = made(**options)
    species = species_order(atoms)
    write_data(tmp_path / "s.data", atoms, species)
    lmp = open_lammps()
    lmp.commands_string(
        f"units metal\natom_style atomic\natom_modify map yes\nread_data {tmp_path}/s.data\n"
        f"pair_style mace\npair_coeff * * {BUNDLED_MODEL} {' '.join(species)}\n"
        "neighbor 1.0 bin\nneigh_modify every 1 delay 0 check yes\ntimestep 0.0005\n"
        "thermo_style custom step temp pe etotal fmax\nrun 0")
    before, rough = lmp.get_thermo("pe"), lmp.get_thermo("fmax")
    lmp.commands_string(f"min_style {style}\nminimize 0 0.05 300 1000")
    assert lmp.get_thermo("pe") < before - 0.1 * len(atoms)
    assert lmp.get_thermo("fmax") < 0.2 < 1.0 < rough
    lmp.commands_string(
        "velocity all create 298 7 mom yes rot no dist gaussian\nfix n all nve\n"
        "fix b all langevin 298 298 0.1 8\nrun 200")
    assert 150 < lmp.get_thermo("temp") < 400
    assert lmp.get_thermo("fmax") < 15
    assert lmp.get_natoms() == len(atoms)
    lmp.close()
