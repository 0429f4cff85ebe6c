"""What a LAMMPS script needs to know of a run beyond its specification."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InputFacts:
    """Of the prepared atoms and what acts on them."""

    elements: tuple[str, ...]  # of the atom types
    boundary: str  # "p p p"
    num_atoms: int
    potential: str  # commands that define it, after the atoms have been read
    units: str = "metal"  # or real
    atom_style: str = "atomic"
    rigid: str = ""  # the fix that holds bonds, if any are held
    fixed: str = ""  # atoms that do not move, as ``group`` takes them: "type 1", "id 1:72"

    @property
    def mobile(self) -> str:
        """Group of the atoms that move."""
        return "mobile" if self.fixed else "all"
