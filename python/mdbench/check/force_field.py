"""The classical force field of a run: can LAMMPS do it with these atoms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mdbench.check.findings import Problem
from mdbench.check.potential import without_dispersion
from mdbench.classical_input import rigid_command
from mdbench.errors import StructureError
from mdbench.molecules.eam_file import read_funcfl

if TYPE_CHECKING:
    from mdbench.molecules.load import LoadedMolecules
    from mdbench.molecules.system import MolecularSystem
    from mdbench.spec import RunSpec
    from mdbench.spec_force_field import ForceField

_NEUTRAL_E = 1e-5
"""What LAMMPS takes for rounding of charges."""
_RESIDUE = 1e-3
"""Of a Coulomb force at the cutoff that a splitting may leave out."""
_LARGEST_PERIODICITY = {"harmonic": 100, "cvff": 6}


def problems_of_force_field(spec: RunSpec, loaded: LoadedMolecules) -> list[Problem]:
    """Charges, torsions, rigid molecules, embedded-atom file.

    Args:
        spec: The specification.
        loaded: Its atoms.
    """
    field, system = spec.force_field, loaded.system
    return [
        *without_dispersion(spec, "the force field"),
        *_charges(field, system),
        *_splitting(field, system),
        *_torsions(field, system),
        *_shake(field, system),
        *_embedded_atoms(field, loaded),
    ]


def _charges(field: ForceField, system: MolecularSystem) -> list[Problem]:
    if not field.has_charges:
        return []
    total = math.fsum(system.charges)
    if abs(total) > _NEUTRAL_E:
        text = (
            f"the charges add up to {total:+.6g} e: a uniform background makes the cell neutral, "
            "which changes energy and pressure"
        )
        return [Problem("warning", "system.file", text)]
    if not system.charges.any():
        text = "all charges are zero: there is no electrostatics"
        return [Problem("warning", "system.file", text)]
    return []


def _splitting(field: ForceField, system: MolecularSystem) -> list[Problem]:
    if field.alpha_per_ang2 is None or not system.charges.any():
        return []
    left = math.exp(-field.alpha_per_ang2 * field.cutoff_ang**2)
    if left <= _RESIDUE:
        return []
    enough = -math.log(_RESIDUE / 100) / field.cutoff_ang**2
    text = (
        f"cuts {left:.1g} of Coulomb forces at the cutoff of {field.cutoff_ang:g} A off: "
        f"{enough:.2g} 1/A2 is usual there"
    )
    return [Problem("warning", "force_field.alpha", text)]


def _torsions(field: ForceField, system: MolecularSystem) -> list[Problem]:
    """Signs and periodicities, which LAMMPS takes as whole numbers."""
    styles = {"dihedral": field.dihedral, "improper": field.improper}
    for name, style in styles.items():
        most = _LARGEST_PERIODICITY.get(style)
        terms = system.of(name)
        if most is None or (name, style) == ("improper", "harmonic") or not len(terms.kinds):
            continue
        for kind, (_, sign, period) in enumerate(terms.coefficients, 1):
            if abs(sign) != 1 or period != int(period) or not 0 <= period <= most:
                text = (
                    f"{name} type {kind} has sign {sign:g} and periodicity {period:g}: they must "
                    f"be 1 or -1, and a whole number up to {most}"
                )
                return [Problem("error", "system.file", text)]
    return []


def _shake(field: ForceField, system: MolecularSystem) -> list[Problem]:
    if not field.shake:
        return []
    try:
        rigid_command(system)
    except StructureError as problem:
        return [Problem("error", "force_field.shake", str(problem))]
    return []


def _embedded_atoms(field: ForceField, loaded: LoadedMolecules) -> list[Problem]:
    if field.potential_file is None:
        return []
    where = "force_field.potential_file"
    try:
        element = read_funcfl(field.potential_file).element
    except StructureError as problem:
        return [Problem("error", where, f"it is no funcfl file that can be used: {problem}")]
    others = sorted(set(loaded.elements) - {element})
    if others:
        text = f"'{field.potential_file}' is for {element} alone, and there is {others[0]}"
        return [Problem("error", where, text)]
    return []
