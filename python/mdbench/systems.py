"""The atoms of a specification: built or read, repeated, and written for LAMMPS."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.build import bulk
from ase.data import atomic_masses, atomic_numbers
from ase.units import fs

from mdbench import plugin_folder, structure
from mdbench.crystals import composition, lgps, lithium_chloride, random_alloy
from mdbench.engine import boxed
from mdbench.errors import StructureError
from mdbench.spec_system import (
    Alloy,
    FileSystem,
    GrapheneWater,
    Lgps,
    LithiumChloride,
    Water,
)
from mdbench.structure_file import read_structure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from mdbench.spec_system import AnySystem

MAX_ATOMS = 10_000_000
_CELLS = {"372": "graphene_water.data", "128": "graphene_water_128.data"}
_ROOM_AT_SHEET_ANG = 5.6
"""Height that the builder keeps free of water at a sheet, both sides together."""

_A_PER_PS = 1000 * fs  # of ASE's velocities


def build(system: AnySystem) -> Atoms:
    """The structure that the ``system`` section of a specification describes.

    Built structures are periodic in every direction; those on a lattice need relaxing. Files keep
    their periodicity and velocities.

    Raises:
        StructureError: when it cannot be built or read, or has more than ``MAX_ATOMS`` atoms.
    """
    repeat = getattr(system, "supercell", (1, 1, 1))
    _refuse_if_huge(_least_count(system) * math.prod(repeat))
    atoms = _unit(system)
    if isinstance(system, Lgps):
        return atoms
    _refuse_if_huge(len(atoms) * math.prod(repeat))
    for axis in np.flatnonzero(np.array(repeat) > 1):
        if not atoms.pbc[axis]:
            raise StructureError(
                f"system.supercell repeats cell vector {axis + 1}, along which the structure is "
                "not periodic: write 1 there"
            )
    repeated = atoms.repeat(repeat)
    if len(repeated) > len(atoms):
        for of_one in ("charge", "spin"):
            repeated.info.pop(of_one, None)
    return repeated


def _refuse_if_huge(count: int) -> None:
    if count > MAX_ATOMS:
        raise StructureError(
            f"system has {count:,} atoms; mdbench builds {MAX_ATOMS:,} at most: make supercell "
            "or the numbers of cells and molecules smaller"
        )


def _least_count(system: AnySystem) -> int:
    """Atoms of a unit, as far as the section tells before anything is built."""
    if isinstance(system, GrapheneWater) and system.cell == "lattice":
        return 4 * math.prod(system.cells) + 3 * system.num_water
    if isinstance(system, Water):
        return 3 * system.num_water
    if isinstance(system, LithiumChloride):
        return 8 * int(system.cells) ** 3
    if isinstance(system, Alloy):
        return math.prod(system.cells) * (2 if system.lattice == "bcc" else 4)
    return 50 if isinstance(system, Lgps) else 1


def _unit(system: AnySystem) -> Atoms:
    """One unit of a system, before it is repeated."""
    match system:
        case FileSystem():
            return read_structure(system.file, system.elements)
        case GrapheneWater():
            return _graphene_water(system)
        case Water():
            mass = atomic_masses[atomic_numbers["O"]] + 2 * atomic_masses[atomic_numbers["H"]]
            edge = structure.cubic_edge_ang(system.num_water * float(mass), system.density_gcm3)
            return structure.water_box(system.num_water, edge)
        case LithiumChloride():
            return lithium_chloride(system.cells, system.density_gcm3)
        case Alloy():
            return _alloy(system)
        case Lgps():
            return lgps(system.arrangement_seed, system.supercell)


def _graphene_water(system: GrapheneWater) -> Atoms:
    if system.cell != "lattice":
        return read_structure(Path(plugin_folder()) / "cells" / _CELLS[system.cell])
    if not system.num_water:
        raise StructureError("system.num_water = 0: give 1 or more molecules")
    height = system.height_ang or structure.natural_height_ang(*system.cells, system.num_water)
    if height <= _ROOM_AT_SHEET_ANG:
        raise StructureError(
            f"system.height of {height:.3g} A leaves no room for water between sheets: give more "
            f"than {_ROOM_AT_SHEET_ANG} A, or more molecules"
        )
    return structure.graphene_water(*system.cells, system.num_water, height)


def _alloy(system: Alloy) -> Atoms:
    elements = system.elements
    fractions = system.fractions or (1 / len(elements),) * len(elements)
    count = _least_count(system)
    for element, atoms in zip(elements, composition(fractions, count), strict=True):
        if not atoms:
            raise StructureError(
                f"system.cells: {count} atoms are too few for one of {element}: give more cells"
            )
    lattice = bulk("X", system.lattice, a=system.lattice_constant_ang, cubic=True)
    return random_alloy(lattice.repeat(system.cells), elements, fractions, system.arrangement_seed)


def species_order(atoms: Atoms) -> list[str]:
    """Element of each LAMMPS atom type: those of a structure in order of first appearance."""
    return list(dict.fromkeys(atoms.get_chemical_symbols()))


def write_data(path: Path, atoms: Atoms, species: Sequence[str]) -> None:
    """Write a LAMMPS data file: atom style atomic, metal units, 17 digits, velocities if any.

    A tilted cell is turned to LAMMPS's axes; open directions get a box with room. Atom ids are
    the order of the atoms, types that of ``species``, and a type's mass that of its first atom.

    Args:
        path: File to write.
        atoms: Structure.
        species: Element of each atom type; may name more than the structure has.

    Raises:
        StructureError: for an element that ``species`` lacks.
    """
    symbols = atoms.get_chemical_symbols()
    missing = sorted(set(symbols) - set(species))
    if missing:
        raise StructureError(f"the structure holds {missing[0]}, which is none of the atom types")
    system = boxed(atoms, list(species))
    lx, ly, lz, xy, xz, yz = system.prism.get_lammps_prism()
    lines = ["LAMMPS data file, metal units, written by mdbench", ""]
    lines += [f"{len(atoms)} atoms", f"{len(species)} atom types", ""]
    lines += [
        f"0 {length:.17g} {axis}lo {axis}hi"
        for length, axis in zip((lx, ly, lz), "xyz", strict=True)
    ]
    if system.prism.is_skewed():
        lines.append(f"{xy:.17g} {xz:.17g} {yz:.17g} xy xz yz")
    masses = atoms.get_masses()
    lines += ["", "Masses", ""]
    for kind, symbol in enumerate(species, start=1):
        mass = masses[symbols.index(symbol)] if symbol in symbols else None
        mass = float(atomic_masses[atomic_numbers[symbol]] if mass is None else mass)
        lines.append(f"{kind} {mass!r} # {symbol}")
    kinds = [species.index(symbol) + 1 for symbol in symbols]
    positions = system.prism.vector_to_lammps(system.atoms.positions)
    lines += ["", "Atoms # atomic", "", *_rows(positions, kinds)]
    if atoms.has("momenta"):
        velocities = system.prism.vector_to_lammps(atoms.get_velocities()) * _A_PER_PS
        lines += ["", "Velocities", "", *_rows(velocities)]
    path.write_text("\n".join(lines) + "\n")


def _rows(vectors: NDArray[np.float64], kinds: Sequence[int] | None = None) -> list[str]:
    """Lines ``id [type] x y z``."""
    marks = [f"{i} {kinds[i - 1]}" if kinds else f"{i}" for i in range(1, len(vectors) + 1)]
    return [
        f"{mark} {x:.17g} {y:.17g} {z:.17g}"
        for mark, (x, y, z) in zip(marks, vectors.tolist(), strict=True)
    ]
