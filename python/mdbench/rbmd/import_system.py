"""RBMD's data file as the system of our specification."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_masses, chemical_symbols

from mdbench.errors import StructureError
from mdbench.molecules.data_file import read_molecules
from mdbench.rbmd.lj_scale import real_system
from mdbench.rbmd.masses import MASSES_U, matches
from mdbench.structure_file import element_of_mass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mdbench.molecules.system import MolecularSystem, Units
    from mdbench.rbmd.control import Control
    from mdbench.rbmd.dialects import DialectName
    from mdbench.rbmd.import_checks import Problem
    from mdbench.rbmd.import_settings import Notes
    from mdbench.rbmd.lj_scale import LjScale

_DATA = "init_configuration.read_data"
_RBMD_START_K = 298.0
_FS_PER_PS = 1000.0
_LAST_SEED = 899_999_999


def read_system(
    path: Path, control: Control, scale: LjScale | None, engine: DialectName | None, notes: Notes
) -> MolecularSystem:
    """The system in the units that its numbers are in, reduced ones turned into real.

    Args:
        path: The data file.
        control: As the file has it.
        scale: For unit LJ.
        engine: Dialect, where it is known.
        notes: Remarks are added here.

    Raises:
        StructureError: when it cannot be read.
    """
    block = control.init_configuration.read_data
    units: Units = "metal" if block.unit == "METAL" else "real"
    titled = None if scale is None else "lj"
    system = read_molecules(path, units, block.atom_style, titled=titled)
    if scale is None:
        return system
    if any(mass != 1 for mass in system.masses):
        if engine is None:
            raise StructureError(
                f"data file '{path}' has masses other than 1, which rbmd-2.2 takes for 1 in unit "
                "LJ and rbmd-2.0 does not: say which with --engine"
            )
        if engine == "rbmd-2.2":
            notes.append((f"{_DATA}.unit", "rbmd-2.2 takes all masses for 1 in unit LJ, so here"))
            system = replace(system, masses=(1.0,) * len(system.masses))
    with np.errstate(over="ignore"):
        real = real_system(system, scale)
    if not (np.isfinite(real.positions).all() and np.isfinite(real.lengths).all()):
        raise StructureError(f"data file '{path}' has positions too large for --lj-scale")
    return real


def elements_of(path: Path, system: MolecularSystem, notes: Notes) -> tuple[str, ...]:
    """Element of each atom type: that the file names, or the nearest by mass."""
    elements = []
    for kind, (label, mass) in enumerate(zip(system.labels, system.masses, strict=True), 1):
        try:
            element = label or element_of_mass(path, kind, mass)
        except StructureError:
            element = chemical_symbols[int(np.argmin(np.abs(atomic_masses[1:] - mass))) + 1]
            text = f"atom type {kind} of mass {mass:g} is no element: it is called {element}"
            notes.append((f"{_DATA}.file", text))
        elements.append(element)
    return tuple(elements)


def elements_for_model(
    path: Path, system: MolecularSystem, known: Sequence[str]
) -> tuple[str, ...]:
    """Element of each atom type as RBMD's MACE branch finds it.

    Args:
        path: The data file.
        system: What it holds.
        known: Elements of the model; all where that is not known.

    Raises:
        StructureError: for a mass without an element, or with two.
    """
    elements = []
    for kind, mass in enumerate(system.masses, 1):
        found = matches(mass, known or list(MASSES_U))
        if len(found) != 1:
            what = f"those of {' and '.join(found)}" if found else "that of no element of the model"
            raise StructureError(
                f"data file '{path}': the mass {mass:g} of atom type {kind} is {what} to within "
                "0.05 u, by which RBMD finds elements: mend it"
            )
        elements.append(found[0])
    return tuple(elements)


def for_model(system: MolecularSystem) -> MolecularSystem:
    """What a model sees of a system, in metal units."""
    velocities = system.velocities
    return replace(
        system,
        atom_style="atomic",
        units="metal",
        charges=np.zeros(len(system)),
        molecules=np.zeros(len(system), np.int64),
        velocities=None if velocities is None else velocities * _FS_PER_PS,
        pair_coefficients=(),
        terms={},
    )


def start(
    system: MolecularSystem, control: Control, notes: Notes
) -> tuple[MolecularSystem, dict[str, object], list[Problem]]:
    """Velocities to start from.

    Returns:
        The system, with zeros where RBMD starts at rest; keys of ``[run]``; what is wrong.
    """
    block = control.init_configuration.read_data
    if system.velocities is not None:
        return system, {"velocities": "file"}, []
    if block.velocity_type == "ZERO":
        at_rest = replace(system, velocities=np.zeros((len(system), 3)))
        return at_rest, {"velocities": "file"}, []
    if block.velocity_type is None:
        text = "is missing, and the data file has no velocities: write GAUSS or ZERO"
        return system, {}, [(f"{_DATA}.velocity_type", text)]
    kelvin = _RBMD_START_K
    if control.execution.temperature is not None:
        kelvin = control.execution.temperature[0]
    if kelvin != _RBMD_START_K:
        text = f"RBMD draws velocities at {_RBMD_START_K:g} K, mdbench at {kelvin:g} K"
        notes.append((f"{_DATA}.velocity_type", text))
    seed = block.velocity_seed
    if seed is None:
        return system, {}, []
    if not 1 <= seed <= _LAST_SEED:
        notes.append((f"{_DATA}.velocity_seed", f"is not in 1 to {_LAST_SEED}: 1 is taken"))
        return system, {}, []
    return system, {"seed": seed}, []
