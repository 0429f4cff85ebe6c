"""Atoms that are held, and what the file of a structure says besides atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.check.findings import Problem
from mdbench.errors import StructureError
from mdbench.fixed_atoms import OF_FILE, fixed_atoms
from mdbench.structure_file import CONSTRAINED, FIXED, OTHER_FRAMES

if TYPE_CHECKING:
    from ase import Atoms

    from mdbench.spec import RunSpec


def num_fixed(spec: RunSpec, atoms: Atoms) -> int:
    """How many atoms are held; none where what names them is refused."""
    try:
        return int(fixed_atoms(atoms, spec.ensemble.fixed or ()).sum())
    except StructureError:
        return 0


def problems_of_file(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    """Constraints that a run would not heed, and frames before the last."""
    problems = _fixed(spec, atoms)
    if bound := atoms.info.get(CONSTRAINED):
        text = (
            f"the file constrains {bound} atoms in part or to one another, and mdbench holds atoms "
            "or lets them go: write it without such constraints if that is what you want"
        )
        problems.append(Problem("error", "system.file", text))
    if OTHER_FRAMES in atoms.info:
        text = "the file holds several structures: the last is taken"
        problems.append(Problem("warning", "system.file", text))
    return problems


def _fixed(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    """Whether what ``ensemble.fixed`` names is there, and heeds the file."""
    words = spec.ensemble.fixed or ()
    try:
        held = fixed_atoms(atoms, words)
    except StructureError as problem:
        field, _, text = str(problem).partition(": ")
        return [Problem("error", field, text)]
    forgotten = atoms.arrays.get(FIXED, held) & ~held
    if not forgotten.any():
        return []
    text = (
        f"the file holds {forgotten.sum()} atoms in place that would move: set ensemble.fixed = "
        f"'{OF_FILE}', or write it without constraints if they are to move"
    )
    return [Problem("error", "system.file", text)]
