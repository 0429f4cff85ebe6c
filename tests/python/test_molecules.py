"""Systems with topology: reading, writing, wrapping and repeating, against LAMMPS itself."""

import dataclasses
import random

import numpy as np
import pytest

from mdbench.engine import open_lammps
from mdbench.errors import MdbenchError, StructureError
from mdbench.molecules.data_file import read_molecules
from mdbench.molecules.load import load_molecules
from mdbench.molecules.system import TOPOLOGY, MolecularSystem, Terms
from mdbench.molecules.write import write_molecules
from mdbench.spec_force_field import ForceField
from mdbench.spec_system import FileSystem

STYLES = """units real
atom_style full
atom_modify map array
pair_style lj/cut 6.0
bond_style harmonic
angle_style harmonic
dihedral_style harmonic
improper_style cvff
special_bonds lj/coul 0 0 0.5
"""
ELEMENTS = ("C", "H", "O")


def chain(rng, across):
    """Four atoms in a row with every kind of term, and an atom without molecule."""
    start = rng.uniform(0, 9, 3)
    steps = np.cumsum([[0, 0, 0], [1.5, 0, 0], [0.5, 1.4, 0], [0.9, 0.4, 1.1]], axis=0)
    return start + steps + (np.array([8.0, 8.0, 8.0]) if across else 0)


def make(num_chains=3, seed=1, across=True):
    """Chains in a small box, some of them across its edges."""
    rng = np.random.default_rng(seed)
    rows = [chain(rng, across) for _ in range(num_chains)]
    count = 4 * num_chains + 1
    positions = np.concatenate([*rows, rng.uniform(0, 9, (1, 3))])
    first = 4 * np.arange(num_chains)[:, None]
    terms = {
        "bond": Terms(np.tile([1, 2, 1], num_chains),
                      np.concatenate([f + np.array([[0, 1], [1, 2], [2, 3]]) for f in first]),
                      ((300.5, 1.5), (250.0, 1.4))),
        "angle": Terms(np.ones(2 * num_chains, int),
                       np.concatenate([f + np.array([[0, 1, 2], [1, 2, 3]]) for f in first]),
                       ((50.0, 109.5),)),
        "dihedral": Terms(np.ones(num_chains, int), first + np.arange(4), ((1.25, -1.0, 3.0),)),
        "improper": Terms(np.ones(num_chains, int), first + np.array([1, 0, 2, 3]),
                          ((0.7, 1.0, 2.0),)),
    }
    return MolecularSystem(
        "full", "real", np.array([-1.0, 0.0, 0.25]), np.array([11.0, 12.5, 13.125]),
        np.array([1, 2, 1, 3] * num_chains + [3]), positions, (12.011, 1.008, 15.999),
        ("C", "H", "O"), rng.normal(size=count), np.array([*np.repeat(np.arange(num_chains) + 1, 4), 0]),
        np.zeros((count, 3), int), rng.normal(size=(count, 3)) * 1e-3,
        ((0.1, 3.5), (0.02, 2.5), (0.15, 3.1)), terms)


def same(a, b):
    """Whether two systems are the same to the last bit."""
    assert (a.atom_style, a.units, a.masses, a.labels) == (b.atom_style, b.units, b.masses, b.labels)
    for name in ("low", "high", "types", "positions", "charges", "molecules", "images", "velocities"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.pair_coefficients == b.pair_coefficients
    for name in TOPOLOGY:
        np.testing.assert_array_equal(a.of(name).kinds, b.of(name).kinds)
        np.testing.assert_array_equal(a.of(name).atoms, b.of(name).atoms)
        assert a.of(name).coefficients == b.of(name).coefficients
    return True


def point(path, after=""):
    """Potential energy, forces by id, and number of atoms, of a data file in LAMMPS."""
    lmp = open_lammps()
    lmp.commands_string(STYLES + f"read_data {path}\n{after}\npair_modify mix arithmetic\nrun 0 post no")
    energy, count = lmp.get_thermo("pe"), lmp.get_natoms()
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    lmp.close()
    return energy, forces, count


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    system = make().wrapped()
    write_molecules(tmp_path / "a.data", system, ELEMENTS, coefficients=True)
    assert same(read_molecules(tmp_path / "a.data", "real"), system)


@pytest.mark.parametrize("style", ["atomic", "charge"])
def test_other_styles(tmp_path, style):
    full = make().wrapped()
    none = np.zeros(len(full), int)
    system = dataclasses.replace(full, atom_style=style, molecules=none, terms={}, units="metal",
                                 charges=full.charges if style == "charge" else none * 0.0)
    write_molecules(tmp_path / "a.data", system, ELEMENTS, coefficients=True)
    assert same(read_molecules(tmp_path / "a.data", "metal", style), system)
    with pytest.raises(StructureError, match="columns: mdbench reads"):
        read_molecules(tmp_path / "a.data", "metal", "full")


def test_lammps_reads_what_is_written_and_writes_what_is_read(tmp_path):
    system = make().wrapped()
    write_molecules(tmp_path / "a.data", system, ELEMENTS, coefficients=True)
    lmp = open_lammps()
    lmp.commands_string(STYLES + f"read_data {tmp_path}/a.data\nwrite_data {tmp_path}/b.data")
    lmp.close()
    back = read_molecules(tmp_path / "b.data", "real")  # LAMMPS writes 17 digits, in its own order
    np.testing.assert_allclose(back.unwrapped(), system.unwrapped(), atol=1e-13)
    np.testing.assert_allclose(back.velocities, system.velocities, rtol=1e-14)
    np.testing.assert_array_equal(back.molecules, system.molecules)
    for name in ("bond", "dihedral"):
        rows = [{(k, *a) for k, a in zip(s.of(name).kinds.tolist(), map(tuple, s.of(name).atoms.tolist()),
                                         strict=True)} for s in (back, system)]
        assert rows[0] == rows[1]
    assert point(tmp_path / "a.data")[0] == pytest.approx(point(tmp_path / "b.data")[0], rel=1e-12)


def test_wrapping_changes_nothing_but_the_image(tmp_path):
    system = make()
    wrapped = system.wrapped()
    assert np.all(wrapped.positions >= system.low)
    assert np.all(wrapped.positions < system.high)
    assert np.any(wrapped.images)
    np.testing.assert_allclose(wrapped.unwrapped(), system.positions, atol=1e-14)
    inside = np.all((system.positions >= system.low) & (system.positions < system.high), axis=1)
    np.testing.assert_array_equal(wrapped.positions[inside], system.positions[inside])
    assert same(wrapped.wrapped(), wrapped)


def test_an_atom_a_rounding_error_below_the_edge_comes_into_the_box():
    system = make()
    positions = system.positions.copy()
    positions[0] = np.nextafter(0.0, -1) + np.array([-1.0, 0.0, 0.25])
    positions[1] = np.nextafter(system.low, -np.inf)
    wrapped = dataclasses.replace(system, positions=positions).wrapped()
    assert np.all((wrapped.positions >= system.low) & (wrapped.positions < system.high))
    np.testing.assert_allclose(wrapped.unwrapped(), positions, atol=1e-14)


@pytest.mark.parametrize("copies", [(2, 1, 1), (2, 3, 2), (1, 1, 3)])
@pytest.mark.parametrize("torn", [False, True])
def test_copies_are_those_of_lammps(tmp_path, copies, torn):
    """Energy of a repeated system is that of LAMMPS's ``replicate``, also without image flags."""
    system = make().wrapped()
    write_molecules(tmp_path / "a.data", system, ELEMENTS, coefficients=True)
    if torn:
        system = dataclasses.replace(system, images=np.zeros_like(system.images))
    big = system.repeat(copies)
    write_molecules(tmp_path / "b.data", big, ELEMENTS, coefficients=True)
    energy, forces, count = point(tmp_path / "a.data", f"replicate {' '.join(map(str, copies))}")
    mine = point(tmp_path / "b.data")
    assert mine[2] == count == len(system) * np.prod(copies)
    assert mine[0] == pytest.approx(energy, rel=1e-12)
    assert np.sort(np.linalg.norm(mine[1], axis=1)) == pytest.approx(
        np.sort(np.linalg.norm(forces, axis=1)), rel=1e-9, abs=1e-9)
    assert sorted(set(big.molecules.tolist())) == list(range(3 * int(np.prod(copies)) + 1))


def test_gaps_in_ids_and_any_order(tmp_path):
    (tmp_path / "a.data").write_text(
        "title\n\n3 atoms\n1 bonds\n2 atom types\n1 bond types\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n\n"
        "Masses\n\n2 1.008\n1 15.999\n\nBond Coeffs # harmonic\n\n1 450 1.0\n\nAtoms\n\n"
        "70 1 2 0.4 1 1 1\n7 1 1 -0.8 2 1 1 # O\n9 0 2 0.4 3 1 1\n\nVelocities\n\n9 1 2 3\n7 4 5 6\n70 7 8 9\n\n"
        "Bonds\n\n4 1 70 7\n")
    system = read_molecules(tmp_path / "a.data", "real")
    assert system.types.tolist() == [1, 2, 2]
    assert system.positions[:, 0].tolist() == [2, 3, 1]
    assert system.velocities.tolist() == [[4, 5, 6], [1, 2, 3], [7, 8, 9]]
    assert system.of("bond").atoms.tolist() == [[2, 0]]
    assert system.masses == (15.999, 1.008)


GOOD = ("title\n\n2 atoms\n1 bonds\n1 atom types\n1 bond types\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n\n"
        "Masses\n\n1 15.999\n\nPair Coeffs\n\n1 0.1 3.0\n\nBond Coeffs\n\n1 450 1.0\n\nAtoms # full\n\n"
        "1 1 1 0.4 1 1 1\n2 1 1 -0.4 2 1 1\n\nBonds\n\n1 1 1 2\n")


@pytest.mark.parametrize(("old", "new", "message"), [
    ("2 atoms", "3 atoms", ":23: section 'Atoms' does not hold the 3 lines of 7 numbers"),
    ("2 atoms", "0 atoms", "is no LAMMPS data file with atoms"),
    ("2 atoms", "999999999999999999 atoms", "does not hold the 999999999999999999 lines"),
    ("0 5 zlo zhi", "", "gives no box"),
    ("0 5 zlo zhi", "5 5 zlo zhi", "has a box without volume"),
    ("0 5 zlo zhi", "0 nan zlo zhi", "has a box without volume"),
    ("0 5 zlo zhi", "0 5 zlo zhi\n0.1 0 0 xy xz yz", "has a tilted box"),
    ("Masses\n\n1 15.999\n", "", "has no section Masses"),
    ("1 15.999", "1 -15.999", ":11: section 'Masses' holds what is no mass"),
    ("1 15.999", "2 15.999", "section 'Masses' does not hold each of the 1 types once"),
    ("1 15.999", "1 x", "section 'Masses' is damaged"),
    ("2 1 1 -0.4 2 1 1", "2 1 1 -0.4 2 1 inf", "section 'Atoms' holds a number that is not finite"),
    ("2 1 1 -0.4 2 1 1", "2 1 2 -0.4 2 1 1", "names an atom type 2, and the file has 1 to 1"),
    ("2 1 1 -0.4 2 1 1", "1 1 1 -0.4 2 1 1", "section 'Atoms' names an atom twice"),
    ("2 1 1 -0.4 2 1 1", "2 1 1.5 -0.4 2 1 1", "no whole number"),
    ("Atoms # full", "Atoms # charge", "of style charge has 7 columns"),
    ("Atoms # full", "Atoms # sphere", "of style sphere has 7 columns"),
    ("1 1 1 2\n", "1 1 1 3\n", "section 'Bonds' names atom 3, which does not exist"),
    ("1 1 1 2\n", "1 2 1 2\n", "names a type of bond, 2, and the file has 1 to 1"),
    ("Bonds\n\n1 1 1 2\n", "", "names 1 bonds and has none"),
    ("Bonds\n\n1 1 1 2\n", "Bonds\n\n1 1 1 2\n\nBonds\n\n1 1 1 2\n", "section 'Bonds' comes twice"),
    ("Pair Coeffs\n\n1 0.1 3.0", "PairIJ Coeffs\n\n1 1 0.1 3.0", "'PairIJ Coeffs' is not read by mdbench"),
    ("Bonds\n\n", "Velocities\n\n1 0 0 0\n3 0 0 0\n\nBonds\n\n", "names other atoms than section 'Atoms'"),
])
def test_damaged_files_are_refused_in_one_line(tmp_path, old, new, message):
    assert old in GOOD
    path = tmp_path / "a.data"
    path.write_text(GOOD)
    read_molecules(path, "real")
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(StructureError) as caught:
        read_molecules(path, "real")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "old", "new", "message"), [
    ("cvff", "", "", None),
    ("cvff", "1 450 1.0", "1 450", "section 'Bond Coeffs' gives type 1 1 numbers instead of 2"),
    ("cvff", "Bond Coeffs\n\n1 450 1.0\n", "", "has no section 'Bond Coeffs'"),
    ("lj", "1 0.1 3.0", "1 0.1 3.0 9.0", "section 'Pair Coeffs' gives type 1 3 numbers instead of 2"),
    ("lj", "Pair Coeffs\n\n1 0.1 3.0\n", "", "has no section 'Pair Coeffs'"),
    ("lj-coulomb", "1 1 1 0.4 1 1 1\n2 1 1 -0.4 2 1 1", "1 1 1 1 1\n2 1 2 1 1", "columns|has no charges"),
    ("lj", "1 15.999", "1 15.3", "of atom type 1 is that of no element"),
    ("cvff", "Bond Coeffs", "Bond Coeffs # harmonic", None),
    ("cvff", "Bond Coeffs", "Bond Coeffs #", None),
    ("cvff", "Bond Coeffs", "Bond Coeffs # harmonic/omp", None),
    ("cvff", "Pair Coeffs", "Pair Coeffs # lj/cut/coul/long", None),
    ("cvff", "Pair Coeffs", "Pair Coeffs # lj/cut/opt", None),
    ("cvff", "Bond Coeffs", "Bond Coeffs # morse", "Bond Coeffs' is for style 'morse', and mdbench would "),
    ("cvff", "Pair Coeffs", "Pair Coeffs # buck", "Pair Coeffs' is for style 'buck', and mdbench would "),
    ("lj", "Pair Coeffs", "Pair Coeffs # lj/smooth/linear", "would use lj/cut: give numbers of lj/cut"),
    ("lj", "Bond Coeffs", "Bond Coeffs # morse", None),
])
def test_what_a_force_field_needs(tmp_path, kind, old, new, message):
    path = tmp_path / "a.data"
    path.write_text(GOOD.replace(old, new) if old else GOOD)
    section, field = FileSystem(file=path), ForceField(kind=kind)
    if message is None:
        loaded = load_molecules(section, field)
        assert loaded.elements == ("O",)
        assert loaded.system.atom_style == field.atom_style
        return
    with pytest.raises(StructureError, match=message):
        load_molecules(section, field)


@pytest.mark.parametrize(("name", "style", "passes"), [
    ("angle", "harmonic", True), ("angle", "cosine/squared", False), ("dihedral", "harmonic", True),
    ("dihedral", "helix", False), ("dihedral", "opls", False), ("improper", "cvff", True),
    ("improper", "harmonic", False),
])
def test_styles_behind_headings_are_those_that_are_used(tmp_path, name, style, passes):
    """``cosine/squared`` has two numbers as well, and other forces."""
    path = tmp_path / "a.data"
    write_molecules(path, make().wrapped(), ELEMENTS, coefficients=True)
    heading = f"{name.capitalize()} Coeffs"
    path.write_text(path.read_text().replace(heading, f"{heading} # {style}"))
    section = FileSystem(file=path, supercell=(2, 1, 1))
    field = ForceField(kind="cvff", improper="cvff")
    if passes:
        assert load_molecules(section, field).system.of(name).style == style
        return
    used = field.term_styles[name]
    with pytest.raises(StructureError, match=f"{heading}' is for style '{style}', and mdbench would use {used}"):
        load_molecules(section, field)


def test_what_a_force_field_does_not_use_is_dropped(tmp_path):
    (tmp_path / "a.data").write_text(GOOD)
    section = FileSystem(file=tmp_path / "a.data", elements=("O",), supercell=(2, 1, 1))
    charged = load_molecules(section, ForceField(kind="lj-coulomb")).system
    assert (charged.atom_style, charged.terms, len(charged)) == ("charge", {}, 4)
    assert charged.charges.tolist() == [0.4, -0.4, 0.4, -0.4]
    bare = load_molecules(section, ForceField(kind="lj")).system
    assert bare.atom_style == "atomic"
    assert not bare.charges.any()
    atoms = bare.as_atoms(("O",))
    assert atoms.get_chemical_formula() == "O4"
    assert atoms.cell.lengths().tolist() == [10, 5, 5]


@pytest.mark.parametrize(("said", "units", "titled", "passes"), [
    ("real", "real", None, True), ("metal", "metal", None, True), ("lj", "real", "lj", True),
    ("metal", "real", None, False), ("real", "metal", None, False), ("lj", "real", None, False),
    ("real", "real", "lj", False), ("\x1b[31m", "real", None, True), ("electron", "metal", None, False),
])
def test_units_are_those_of_the_title(tmp_path, said, units, titled, passes):
    """The first line that LAMMPS writes names them; eV read as kcal/mol would go unnoticed."""
    path = tmp_path / "a.data"
    path.write_text(GOOD.replace("title", f"LAMMPS data file via write_data, units = {said}"))
    if passes:
        assert read_molecules(path, units, titled=titled).units == units
        return
    message = f"has units = '{said}' in its title, and would be read as {titled or units}: correct"
    with pytest.raises(StructureError, match=message):
        read_molecules(path, units, titled=titled)


def test_units_of_the_specification_are_held_against_the_title(tmp_path):
    write_molecules(tmp_path / "a.data", make().wrapped(), ELEMENTS, coefficients=True)
    section = FileSystem(file=tmp_path / "a.data")
    load_molecules(section, ForceField(kind="lj", units="real"))
    with pytest.raises(StructureError, match="units = 'real' in its title, and would be read as metal"):
        load_molecules(section, ForceField(kind="lj", units="metal"))


def test_fuzz_ends_in_one_line(memory_path):
    rng, path = random.Random(7), memory_path / "a.data"
    text = GOOD.encode()
    words = [b"nan", b"-1", b"1e999", b"atoms", b"Atoms", b"\n\n", b"#", b"\xff", b"9" * 30, b"xlo xhi", b""]
    for _ in range(3000):
        data = bytearray(text)
        for _ in range(rng.randint(1, 4)):
            i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
            data[i:min(j, i + rng.randint(0, 20))] = rng.choice(words)
        path.write_bytes(bytes(data))
        try:
            load_molecules(FileSystem(file=path, elements=None), ForceField(kind="cvff"))
        except MdbenchError as problem:
            assert "\n" not in str(problem)  # noqa: PT017 - any of them
