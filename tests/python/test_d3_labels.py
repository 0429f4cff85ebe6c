"""mdbench d3 add and subtract: labels change, nothing else does."""

import bz2
import gzip
import json
import lzma
import subprocess

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import read, write
from d3_oracle import BOHR_ANG, STRUCTURES, licl, molecules, one_atom, oracle, two_atoms
from support import BIN

from mdbench import D3Calculator
from mdbench.d3_labels import CN_ANG, CUTOFF_ANG, Change, Keys, change_labels, label_words
from mdbench.errors import SettingError, StructureError

LENGTHS = {"cutoff": 9.0, "cn": 8.0}
WORDS = label_words("bj", "pbe", [], LENGTHS)
MARK = "bj pbe cutoff 9 switch 0 cn 8 atm 0"


def d3(atoms):
    """What is expected."""
    atoms = atoms.copy()
    atoms.calc = D3Calculator("bj", "pbe", **LENGTHS, switch=0)
    virial = atoms.calc.get_property("virials", atoms).sum(axis=0)
    return atoms.get_potential_energy(), atoms.get_forces(apply_constraint=False), virial


def labelled(atoms, prefix="REF_", seed=1, *, stress=True, voigt=False):
    rng = np.random.default_rng(seed)
    atoms.info[f"{prefix}energy"] = rng.normal() * 1000
    atoms.arrays[f"{prefix}forces"] = rng.normal(size=(len(atoms), 3))
    tensor = rng.normal(size=(3, 3))
    tensor += tensor.T
    if stress and atoms.pbc.any():
        voigt_order = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.info[f"{prefix}stress"] = voigt_order if voigt else tensor
    atoms.info[f"{prefix}virials"] = tensor * 7
    return atoms


def frames():
    return [labelled(licl(), seed=1), labelled(molecules(), seed=2),
            labelled(one_atom(), seed=3, voigt=True)]


def change(verb, source, target, words=WORDS, *, force=False, **keys):
    return change_labels(Change(verb, words, Keys(**keys)), source, target, force=force)


@pytest.fixture
def data(tmp_path):
    """A data set with everything that a frame may hold."""
    atoms = frames()
    atoms[0].info |= {"config_type": "salt at 900 K", "weight": 0.5, "flag": True, "n": [1, 2, 3],
                      "note": 'a "quoted" = text', "table": {"a": [1, 2]}}
    atoms[0].arrays["charge"] = np.arange(64) / 7
    atoms[0].arrays["tag"] = np.array(["a", "b"] * 32)
    atoms[0].set_constraint(FixAtoms([1, 5]))
    path = tmp_path / "in.xyz"
    write(path, atoms, columns=None)
    return path


def test_labels_change_by_d3(data, tmp_path):
    out = tmp_path / "out.xyz"
    summary = change("add", data, out)
    biggest = 0.0
    for old, new in zip(read(data, ":"), read(out, ":"), strict=True):
        energy, forces, virial = d3(old)
        biggest = max(biggest, np.linalg.norm(forces, axis=1).max())
        near = {"atol": 1e-9, "rtol": 0}
        assert new.info["REF_energy"] - old.info["REF_energy"] == pytest.approx(energy, abs=1e-9)
        np.testing.assert_allclose(new.arrays["REF_forces"] - old.arrays["REF_forces"], forces,
                                   **near)
        np.testing.assert_allclose(new.info["REF_virials"] - old.info["REF_virials"], virial, **near)
        if "REF_stress" in old.info:
            stress = -virial / old.get_volume()
            if old.info["REF_stress"].size == 6:
                stress = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            np.testing.assert_allclose(new.info["REF_stress"] - old.info["REF_stress"], stress,
                                       **near)
        assert new.info.pop("d3") == f"added {MARK}"
        assert new.info.keys() == old.info.keys()
        assert new.arrays.keys() == old.arrays.keys()
    assert summary.frames == 3
    assert summary.atoms == sum(map(len, frames()))
    assert summary.labels == {"energy": 3, "forces": 3, "stress": 2, "virials": 3}
    assert summary.largest_force_ev_ang == pytest.approx(biggest)


@pytest.mark.parametrize("verbs", [("add", "subtract"), ("subtract", "add")])
def test_there_and_back(data, tmp_path, verbs):
    """Labels come back to 1e-9, and all else to the byte."""
    there, back = tmp_path / "there.xyz", tmp_path / "back.xyz"
    change(verbs[0], data, there)
    change(verbs[1], there, back)
    for old, new in zip(read(data, ":"), read(back, ":"), strict=True):
        assert new.info.keys() == old.info.keys()
        for name in ("REF_energy", "REF_stress", "REF_virials"):
            np.testing.assert_allclose(new.info.get(name, 0), old.info.get(name, 0), atol=1e-9,
                                       rtol=0)
        np.testing.assert_allclose(new.arrays["REF_forces"], old.arrays["REF_forces"], atol=1e-9,
                                   rtol=0)
        assert str(new.constraints) == str(old.constraints)
        for name in set(old.arrays) - {"REF_forces"}:
            np.testing.assert_array_equal(new.arrays[name], old.arrays[name])
    stripped = [path.read_text().split() for path in (data, back)]
    different = [(a, b) for a, b in zip(*stripped, strict=True) if a != b]
    for a, b in different:  # labels only, in more digits
        x, y = (float(word.split("=")[-1].strip('"[],')) for word in (a, b))
        assert x == pytest.approx(y, abs=1e-9)


TEXT = """\
2
Lattice="6 0 0  0 6 0  0 0 6"\tProperties=species:S:1:pos:R:3:forces:R:3:id:I:1:what:S:1  energy=-1.5  pbc="T  T F" other = {1 2} q="x=1 energy=7" odd=[[1,2],[3,4]] flag\r
 C   0.0\t0.1  0.2    1.0  2.0   3.0   17 zwölf \r
  O 0.0 1.2 0.20   -1.0 -2.0e0 -3.0 18\t*
"""


def test_the_rest_of_the_text_stays(tmp_path):
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    source.write_bytes(TEXT.encode("latin-1"))  # the umlaut is no UTF-8
    change("subtract", source, out)
    old, new = source.read_bytes(), out.read_bytes()
    atoms = Atoms("CO", [[0, 0.1, 0.2], [0, 1.2, 0.2]], cell=[6, 6, 6], pbc=[1, 1, 0])
    energy, forces, _ = d3(atoms)
    expected = old.replace(b"energy=-1.5", b"energy=" + repr(-1.5 - energy).encode(), 1)
    expected = expected.replace(b"flag\r\n", f'flag d3="subtracted {MARK}"\r\n'.encode())
    for row, words in zip([[1, 2, 3], [-1, -2, -3]] - forces,
                          (b"1.0  2.0   3.0", b"-1.0 -2.0e0 -3.0"), strict=True):
        expected = expected.replace(words, " ".join(repr(float(f)) for f in row).encode())
    assert new == expected


def test_free_energy_goes_with_the_energy(tmp_path):
    """As ASE writes results of a calculator."""
    atoms = licl()
    atoms.calc = SinglePointCalculator(atoms, energy=3.0, free_energy=2.5,
                                       forces=np.zeros((64, 3)), stress=np.arange(6.0))
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    write(source, atoms, format="extxyz")
    assert change("add", source, out).labels == {"energy": 1, "forces": 1, "stress": 1}
    energy, forces, virial = d3(read(source))
    found = read(out)
    assert found.get_potential_energy() == pytest.approx(3 + energy, abs=1e-9)
    assert found.get_potential_energy(force_consistent=True) == pytest.approx(2.5 + energy, abs=1e-9)
    np.testing.assert_allclose(found.get_forces(), forces, atol=1e-9)
    np.testing.assert_allclose(
        found.get_stress(), np.arange(6)
        - (virial / found.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]], atol=1e-9)


def test_keys_of_ones_own(tmp_path):
    atoms = labelled(licl(), "vasp_")
    atoms.info["energy"] = 1.0
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    write(source, atoms)
    keys = {"energy": "vasp_energy", "forces": "vasp_forces"}
    assert change("add", source, out, **keys).labels == {"energy": 1, "forces": 1}
    found = read(out)
    assert found.info["vasp_energy"] - atoms.info["vasp_energy"] == pytest.approx(d3(atoms)[0])
    with pytest.raises(StructureError, match="no frame has the stress 'vsp_stress'"):
        change("add", source, tmp_path / "c.xyz", **keys, stress="vsp_stress")
    assert not (tmp_path / "c.xyz").exists()


def test_stresses_without_meaning(tmp_path):
    """Zeros beside a molecule mean nothing; anything else is a mistake."""
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    atoms = molecules()
    atoms.info = {"energy": 1.0, "REF_stress": np.zeros((3, 3)), "virials": np.zeros((3, 3))}
    write(source, atoms)
    change("add", source, out)
    assert not read(out).info["REF_stress"].any()
    assert not read(out).info["virials"].any()
    atoms.info["REF_stress"] = np.eye(3)
    write(source, atoms)
    with pytest.raises(StructureError, match="'REF_stress' has a value, and no volume to refer to"):
        change("add", source, out, force=True)
    flat = labelled(two_atoms())
    flat.cell[1] = [0, 0, 0]
    write(source, flat)
    with pytest.raises(StructureError, match="no volume"):
        change("add", source, out, force=True)


def test_marks_keep_labels_from_being_changed_twice(data, tmp_path):
    added, other = tmp_path / "added.xyz", tmp_path / "other.xyz"
    change("add", data, added)
    with pytest.raises(StructureError, match=rf"frame 1 \(line 1\): D3 is added already: '{MARK}'"):
        change("add", added, other)
    far = label_words("bj", "pbe", [], {})
    with pytest.raises(StructureError, match=f"what was added is '{MARK}', not 'bj pbe cutoff 50"):
        change("subtract", added, other, far)
    taken = tmp_path / "taken.xyz"
    change("subtract", data, taken)
    with pytest.raises(StructureError, match="D3 is subtracted already"):
        change("subtract", taken, other, far)
    change("add", taken, other, far)  # another D3 in place of that of the labels
    assert read(other).info["d3"].startswith(f"subtracted {MARK}; added bj pbe cutoff 50.27 switch")
    back = tmp_path / "back.xyz"
    change("subtract", other, back, far)
    assert read(back).info["d3"] == f"subtracted {MARK}"
    with pytest.raises(StructureError, match="is no mark of mdbench: rename it"):
        source = tmp_path / "mine.xyz"
        source.write_text(data.read_text().replace("REF_energy=", "d3=yes REF_energy=", 1))
        change("add", source, tmp_path / "x.xyz")
    assert not (tmp_path / "x.xyz").exists()


GOOD = '1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=1\nC 0 0 0 0 0 0\n'


@pytest.mark.parametrize(("old", "new", "says"), [
    ("energy=1", "", ""),
    ("energy=1", "energy=abc", "'energy' is no number"),
    ("energy=1", "energy=nan", "'energy' holds 1 values instead of 1, or nan"),
    ("energy=1", 'energy="1 2"', "'energy' holds 2 values"),
    ("energy=1", "energy=1 energy=2", "'energy' stands 2 times"),
    ("energy=1", "energy=1 REF_energy=2", "both 'REF_energy' and 'energy': choose with --energy-key"),
    ("energy=1", 'energy=1 stress="1 2 3"', "'stress' holds 3 values instead of 6 or 9"),
    ("forces:R:3", "forces:R:2", "property 'forces' is not three numbers"),
    ("forces:R:3", "forces:R", "its Properties are not understood"),
    ("pos:R:3", "pot:R:3", "its atoms have no 'pos'"),
    ("C 0 0 0 0 0 0", "Xx 0 0 0 0 0 0", "an atom is no element"),
    ("C 0 0 0 0 0 0", "Cm 0 0 0 0 0 0", "hydrogen to plutonium"),
    ("C 0 0 0 0 0 0", "C 0 0 0 0 0", "property 'forces' of an atom is not three numbers"),
    ("C 0 0 0 0 0 0", "C 0 0 inf 0 0 0", "property 'pos' of an atom is not finite"),
    ("C 0 0 0 0 0 0", "", "ends within it|three numbers|no element"),
    ("1\n", "one\n", "it does not begin with a number of atoms"),
    ("1\n", "0\n", "it does not begin with a number of atoms"),
    ("1\n", "2\n", "the file ends within it"),
    ("5 0 0 0 5 0 0 0 5", "5 0 0 0 5 0", "'Lattice' holds 6 values instead of 9"),
    ("5 0 0 0 5 0 0 0 5", "5 0 0 5 0 0 0 0 5", "no volume"),
    ("energy=1", 'energy=1 pbc="T T"', "its pbc is not three flags"),
])
def test_damaged_frames_are_named(tmp_path, old, new, says):
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    source.write_text(GOOD + GOOD.replace(old, new, 1))
    out.write_text("precious")
    if not says:
        assert change("add", source, out, force=True).labels == {"energy": 1, "forces": 2}
        return
    with pytest.raises(StructureError, match=says) as caught:
        change("add", source, out, force=True)
    assert str(caught.value).startswith(f"'{source}': frame 2 (line 4): ")
    assert "\n" not in str(caught.value)
    assert out.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.xyz", "b.xyz"]


def test_files_are_not_lost(data, tmp_path):
    before = data.read_bytes()
    for target in (data, tmp_path / "out.xyz"):
        (tmp_path / "out.xyz").write_text("precious")
        with pytest.raises(StructureError, match="exists: name another file, or give --force"):
            change("add", data, target)
        assert (tmp_path / "out.xyz").read_text() == "precious"
    assert data.read_bytes() == before
    change("add", data, data, force=True)
    assert read(data).info["d3"] == f"added {MARK}"
    for source, target, says in ((tmp_path / "none.xyz", tmp_path / "o.xyz", "No such file"),
                                 (tmp_path, tmp_path / "o.xyz", "Is a directory"),
                                 (data, tmp_path / "no/o.xyz", "No such file")):
        with pytest.raises(StructureError, match=says):
            change("subtract", source, target)
    (tmp_path / "empty.xyz").write_text("\n")
    with pytest.raises(StructureError, match="holds no frame"):
        change("add", tmp_path / "empty.xyz", tmp_path / "o.xyz")


@pytest.mark.parametrize(("suffix", "module"), [("gz", gzip), ("xz", lzma), ("bz2", bz2)])
def test_compressed_files(data, tmp_path, suffix, module):
    source, out = tmp_path / f"in.xyz.{suffix}", tmp_path / f"out.xyz.{suffix}"
    plain = tmp_path / "plain.xyz"
    source.write_bytes(module.compress(data.read_bytes()))
    change("add", source, out)
    change("add", data, plain)
    assert module.decompress(out.read_bytes()) == plain.read_bytes()
    source.write_bytes(source.read_bytes()[:-20])
    with pytest.raises(StructureError, match="in.xyz"):
        change("add", source, out, force=True)


def test_defaults_are_those_of_codes(tmp_path):
    """Cutoffs of 95 and 40 Bohr, hard, without the three-body term, as in Grimme's program."""
    atoms = labelled(licl())
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    write(source, atoms)
    change("subtract", source, out, label_words("zero", "PBE", [], {}))
    energy, forces, _ = oracle(read(source), "zero", cutoff=95 * BOHR_ANG, cn=40 * BOHR_ANG)
    found = read(out)
    assert atoms.info["REF_energy"] - found.info["REF_energy"] == pytest.approx(energy, abs=1e-5)
    np.testing.assert_allclose(atoms.arrays["REF_forces"] - found.arrays["REF_forces"], forces,
                               atol=1e-6)


def test_cutoffs_of_vasp_differ_by_what_the_readme_says():
    atoms = STRUCTURES["slab372"]()
    grimme, vasp = (D3Calculator(cutoff=cutoff, cn=cn, switch=0).get_property("energy", atoms)
                    for cutoff, cn in ((CUTOFF_ANG, CN_ANG), (50.2, 20.0)))
    assert 1000 * abs(grimme - vasp) / len(atoms) == pytest.approx(0.0024, abs=2e-4)


def test_many_frames_and_empty_lines_at_the_end(tmp_path):
    source, out = tmp_path / "a.xyz", tmp_path / "b.xyz"
    source.write_text(GOOD * 5000 + "\n\n")
    assert change("add", source, out).frames == 5000
    assert out.read_text().count("added") == 5000


def mdbench(*arguments, **options):
    return subprocess.run([str(BIN / "python"), "-m", "mdbench", *map(str, arguments)],
                          capture_output=True, text=True, check=False, **options)


def test_verbs(data, tmp_path):
    for verb in ("add", "subtract"):
        shown = mdbench("d3", verb, "--help")
        assert shown.returncode == 0
        assert f"Example: mdbench d3 {verb}" in " ".join(shown.stdout.split())
    out = tmp_path / "out.xyz"
    options = ["--functional", "PBE", "--cutoff", 9, "--cn", 8, "-o", out]
    done = mdbench("d3", "add", data, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{out}: added {MARK}: 3 frames (energy of 3, forces of 3, stress "
                                  "of 2, virials of 3): mean |dE| ")
    assert done.stdout.count("\n") == 1
    done = mdbench("d3", "add", data, *options)
    assert done.returncode == 1
    assert done.stderr == f"mdbench: error: '{out}' exists: name another file, or give --force\n"
    back = tmp_path / "back.xyz"
    done = mdbench("d3", "subtract", out, "--functional", "custom", "--parameters",
                   "s8 0.7875 a1 0.4289 a2 4.4407", "-o", back, "--json")
    assert done.returncode == 1
    assert "what was added is" in done.stderr
    done = mdbench("d3", "subtract", out, *options[:-1], back, "--json")
    found = json.loads(done.stdout)
    assert found["frames"] == 3
    assert found["settings"] == MARK
    assert found["labels"]["stress"] == 2
    done = mdbench("d3", "add", data, "--functional", "pbee", "-o", tmp_path / "x.xyz")
    assert "did you mean 'PBE'?" in done.stderr
    assert done.stderr.count("\n") == 1


def test_parameters_come_in_pairs():
    with pytest.raises(SettingError, match="give names, each with its value"):
        label_words("bj", "custom", ["s8"], {})
