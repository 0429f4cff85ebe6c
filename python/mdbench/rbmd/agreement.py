"""Whether LAMMPS computes the same from an exported file as from the specification."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import RunError
from mdbench.molecules.data_file import read_molecules
from mdbench.molecules.load import LoadedMolecules
from mdbench.run_once import single_point
from mdbench.subject import ClassicalField, Subject

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.molecules.system import MolecularSystem
    from mdbench.spec import RunSpec

ENERGY_LIMIT = 1e-12
"""Relative."""
FORCE_LIMIT = 1e-10
"""In LAMMPS's units of the run; above 1, relative to the largest force."""


@dataclass(frozen=True)
class Agreement:
    """Single points of the exported file and of the specification's own system."""

    energy: float
    """Of the specification's system, in LAMMPS's units of the run."""
    energy_error: float
    """Relative."""
    force_error: float
    """Largest of a component."""

    def as_dict(self) -> dict[str, float]:
        """For ``export.json``."""
        return asdict(self)


def agreement(
    spec: RunSpec, system: MolecularSystem, elements: tuple[str, ...], data_file: Path
) -> Agreement:
    """Compare a file for RBMD, read back, with what it was written from.

    Args:
        spec: With a classical force field.
        system: Atoms as the specification has them, or as LAMMPS relaxed them.
        elements: Of the atom types.
        data_file: For RBMD.

    Raises:
        RunError: when they differ.
        EngineError: when LAMMPS fails.
    """
    exported = read_molecules(data_file, system.units, system.atom_style)
    before, after = (
        single_point(
            spec, Subject(s.as_atoms(elements), ClassicalField(LoadedMolecules(s, elements)))
        )
        for s in (system, exported)
    )
    energy = before.energies["PotEng"]
    energy_error = abs(after.energies["PotEng"] - energy) / max(1.0, abs(energy))
    force_error = float(np.abs(after.forces - before.forces).max())
    largest = max(1.0, float(np.abs(before.forces).max()))
    if not (energy_error <= ENERGY_LIMIT and force_error <= FORCE_LIMIT * largest):
        raise RunError(
            f"the exported file gives other energies (relative {energy_error:.1e}) or forces "
            f"({force_error:.1e}) than the specification: nothing is written; please report this"
        )
    return Agreement(energy, energy_error, force_error)
