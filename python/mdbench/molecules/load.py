"""The system of a specification with a classical force field."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import StructureError
from mdbench.molecules.data_file import read_molecules
from mdbench.structure_file import element_of_mass

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.molecules.system import MolecularSystem
    from mdbench.spec_force_field import ForceField
    from mdbench.spec_system import FileSystem

_WIDTHS = {
    "bond": {"harmonic": 2},
    "angle": {"harmonic": 2},
    "dihedral": {"harmonic": 3, "opls": 4},
    "improper": {"harmonic": 2, "cvff": 3},
}
_ACCELERATED = re.compile(r"/(gpu|intel|kk|kk/device|kk/host|omp|opt)\Z")


@dataclass(frozen=True)
class LoadedMolecules:
    """A system, and the element of each of its types."""

    system: MolecularSystem
    elements: tuple[str, ...]


def load_molecules(section: FileSystem, force_field: ForceField) -> LoadedMolecules:
    """Read, repeat and check the data file of a specification.

    What the force field does not use, charges for ``lj`` or bonds for ``lj-coulomb``, is dropped.

    Raises:
        StructureError: when it cannot be read, or lacks numbers that the force field needs.
    """
    path = section.file
    read = read_molecules(path, force_field.units)
    loaded = LoadedMolecules(used_part(path, read, force_field), _elements(path, read, section))
    return replace(loaded, system=loaded.system.repeat(section.supercell))


def used_part(path: Path, system: MolecularSystem, force_field: ForceField) -> MolecularSystem:
    """The part of a system that a force field acts on."""
    style = force_field.atom_style
    if style == "full" and system.atom_style != "full":
        raise StructureError(
            f"data file '{path}' is of style {system.atom_style}: kind 'cvff' needs style full"
        )
    if style == "charge" and system.atom_style == "atomic":
        raise StructureError(
            f"data file '{path}' has no charges: kind 'lj-coulomb' needs style charge or full"
        )
    none = np.zeros(len(system), np.int64)
    if style != "full":
        system = replace(system, atom_style=style, molecules=none, terms={})
    if style == "atomic":
        system = replace(system, charges=np.zeros(len(system)))
    if force_field.kind == "eam":
        return replace(system, pair_coefficients=())
    _check_widths(path, "Pair", system.pair_coefficients, 2, len(system.masses))
    # the charges' part of a pair style is the specification's business
    _check_style(path, "Pair", (system.pair_style or "").split("/coul/")[0], "lj/cut")
    for name, used in force_field.term_styles.items():
        terms = system.of(name)
        if len(terms.kinds):
            width, count = _WIDTHS[name][used], int(terms.kinds.max())
            _check_style(path, name.capitalize(), terms.style or "", used)
            _check_widths(path, name.capitalize(), terms.coefficients, width, count)
    return system


def _check_style(path: Path, name: str, said: str, used: str) -> None:
    """Of the word behind a heading, if there is one: other styles have numbers as many."""
    if said and _ACCELERATED.sub("", said) != used:
        raise StructureError(
            f"data file '{path}': section '{name} Coeffs' is for style {said[:40]!a}, and mdbench "
            f"would use {used}: give numbers of {used}, and its name or none behind the heading"
        )


def _check_widths(
    path: Path, name: str, rows: tuple[tuple[float, ...], ...], width: int, count: int
) -> None:
    if len(rows) < count:
        raise StructureError(f"data file '{path}' has no section '{name} Coeffs'")
    for kind, row in enumerate(rows, start=1):
        if len(row) != width:
            raise StructureError(
                f"data file '{path}': section '{name} Coeffs' gives type {kind} {len(row)} numbers "
                f"instead of {width}"
            )


def _elements(path: Path, system: MolecularSystem, section: FileSystem) -> tuple[str, ...]:
    """Element of each type: as given, as the file names it, or by its mass."""
    if section.elements:
        if len(section.elements) != len(system.masses):
            raise StructureError(
                f"system.elements names {len(section.elements)} elements, but data file '{path}' "
                f"has {len(system.masses)} atom types: name one for each type, in order"
            )
        return tuple(section.elements)
    return tuple(
        label or element_of_mass(path, kind, mass)
        for kind, (label, mass) in enumerate(zip(system.labels, system.masses, strict=True), 1)
    )
