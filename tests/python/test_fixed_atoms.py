"""Atoms that do not move: which they are, and that LAMMPS holds them and heats the others alone."""

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms, FixCartesian
from pydantic import ValidationError

from mdbench.check.notes import problems_of_file
from mdbench.errors import StructureError
from mdbench.fixed_atoms import as_group, fixed_atoms
from mdbench.spec import Ensemble, RunSpec
from mdbench.subject import load_subject
from mdbench.systems import build


def salt():
    return bulk("NaCl", "rocksalt", a=5.64, cubic=True)


def held(words, atoms=None):
    return (np.flatnonzero(fixed_atoms(salt() if atoms is None else atoms, words)) + 1).tolist()


def test_words():
    assert salt().get_chemical_symbols()[:4] == ["Na", "Cl", "Na", "Cl"]
    assert held([]) == []
    assert held(["Na"]) == [1, 3, 5, 7]
    assert held(["2-4", "8"]) == [2, 3, 4, 8]
    assert held(["Na", "2", "1-3"]) == [1, 2, 3, 5, 7]


@pytest.mark.parametrize(("words", "message"), [
    (["Li"], "'Li' names no atoms: the structure has Cl, Na"),
    (["9"], "'9' names no atoms: the structure has atoms 1 to 8"),
    (["3-9"], "'3-9' names no atoms"),
    (["4-3"], "'4-3' names no atoms"),
    (["file"], "'file' names no atoms: the structure has no file that fixes any"),
    (["Na", "Cl"], "holds all atoms"),
])
def test_words_that_cannot_be(words, message):
    with pytest.raises(StructureError, match=message):
        held(words)


def test_copies_of_a_file_keep_what_it_fixes(tmp_path):
    atoms = salt()
    atoms.set_constraint(FixAtoms([1, 6]))
    atoms.write(tmp_path / "POSCAR", format="vasp", sort=False)
    system = {"file": str(tmp_path / "POSCAR"), "supercell": [1, 1, 2]}
    spec = RunSpec.model_validate({"system": system, "ensemble": {"fixed": "file"}})
    assert held(["file"], build(spec.system)) == [2, 7, 10, 15]
    assert load_subject(spec).facts(spec).fixed == "id 2 7 10 15"


def test_masks_of_files_that_list_free_atoms_too(tmp_path):
    """As extended XYZ does: a constraint for each atom, of no direction where it is free."""
    atoms = salt()
    atoms.set_constraint(FixCartesian([1, 6]))
    atoms.write(tmp_path / "a.xyz", format="extxyz")
    spec = RunSpec.model_validate({"system": {"file": str(tmp_path / "a.xyz")}, "ensemble": {"fixed": "file"}})
    assert held(["file"], build(spec.system)) == [2, 7]
    assert problems_of_file(spec, build(spec.system)) == []


def test_groups():
    """By type where that says it, and by ranges of ids."""
    some = np.array([1, 1, 1, 0, 1, 0, 0, 1, 1], bool)
    assert as_group(some, ["1-3", "C", "8-9"], ["C", "O"]) == "id 1:3 5 8:9"
    assert as_group(np.array([0, 1], bool), ["2"], ["C"]) == "id 2"
    assert as_group(some, ["C", "Li"], ["O", "C", "H", "C", "Li"]) == "type 2 4 5"


def test_types_are_those_of_the_elements():
    spec = RunSpec.model_validate({"system": {"builder": "graphene-water"}, "ensemble": {"fixed": ["H", "C"]}})
    assert load_subject(spec).facts(spec).fixed == "type 1 3"


@pytest.mark.parametrize("word", ["c", "C; shell", "1-", "0", "0-4", "-3", "1:4", "files", "", "123456789"])
def test_what_is_no_word(word):
    with pytest.raises(ValidationError, match="is not an element, numbers of atoms"):
        Ensemble(fixed=[word])


def test_a_barostat_would_move_them():
    with pytest.raises(ValidationError, match="not with kind = 'npt'"):
        Ensemble(kind="npt", fixed="C")
    assert Ensemble(fixed=5).fixed == ("5",)
