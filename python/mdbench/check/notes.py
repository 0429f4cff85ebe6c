"""What the file of a structure says besides atoms, and a run would not heed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.check.findings import Problem
from mdbench.structure_file import FIXED_ATOMS, OTHER_FRAMES

if TYPE_CHECKING:
    from ase import Atoms


def problems_of_file(atoms: Atoms) -> list[Problem]:
    """Atoms that are fixed, and frames before the last."""
    problems = []
    if fixed := atoms.info.get(FIXED_ATOMS):
        text = (
            f"the file constrains {fixed} atoms, and mdbench would move them: write it without "
            "constraints if that is what you want"
        )
        problems.append(Problem("error", "system.file", text))
    if OTHER_FRAMES in atoms.info:
        text = "the file holds several structures: the last is taken"
        problems.append(Problem("warning", "system.file", text))
    return problems
