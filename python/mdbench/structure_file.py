"""Structures from files: whatever ASE reads, and LAMMPS data files with their masses."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols
from ase.io import read
from ase.io.formats import filetype, ioformats
from ase.io.lammpsdata import read_lammps_data

from mdbench.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_LAMMPS_SUFFIXES = {".data", ".lmp", ".lammps", ".lammps-data"}
_LAMMPS_HEADER = re.compile(rb"^\s*\d+\s+atoms\s*$.*\bxlo\s+xhi\b", re.MULTILINE | re.DOTALL)
_CLAIMED_ATOMS = re.compile(rb"\A\s*(\d+)\s*$|^\s*(\d+)\s+atoms\s*$", re.MULTILINE)
_POSCAR = re.compile(  # a title, a scale and a cell: the title may be a number
    rb"\A[^\n]*\n[ \t]*[-+.\deE]+[ \t]*\r?\n"
    rb"(?:[ \t]*[-+.\deE]+(?:[ \t]+[-+.\deE]+){2}[ \t]*\r?\n){3}"
)
_XYZ_SUFFIXES = {".xyz", ".extxyz"}
_LENGTH_IN_ANGSTROM = {"metal", "real"}
_MASS_TOLERANCE = 0.005
_MASS_TOLERANCE_U = 0.02  # so that hydrogen may weigh 1
_DEUTERIUM_U = 2.014
_FLATTEST_CELL = 1e-6
FIXED = "fixed"
"""Array of a structure: atoms that its file holds in place."""
CONSTRAINED, OTHER_FRAMES = "constrained", "other_frames"
"""Notes of a structure on its file: how many atoms it constrains otherwise; more structures."""
_FULL = 0.999
"""Occupancies from here on are rounded ones."""


def read_structure(path: Path, elements: Sequence[str] | None = None) -> Atoms:
    """A checked structure from a file: elements, positions, masses, velocities, cell, periodicity.

    Args:
        path: Any format that ASE reads (the last frame of several), or a LAMMPS data file, known by
            its header or as ``*.data``, ``*.lmp``, ``*.lammps``, of style atomic, charge, molecular
            or full, in metal units unless its first line says ``units = real``, as LAMMPS's own do.
        elements: Of the atom types of a LAMMPS data file, in order; by default those that its type
            labels, the comments of its masses or its masses name.

    Raises:
        StructureError: when it cannot be read or is no structure.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise StructureError(f"structure file '{path}' {what}")
    with path.open("rb") as file:
        head = file.read(4096)
    # ASE's readers make room for them first, or loop
    is_poscar = path.suffix not in _XYZ_SUFFIXES and _POSCAR.match(head)
    claimed = None if is_poscar else _CLAIMED_ATOMS.search(head)
    if claimed and int(claimed[1] or claimed[2]) > path.stat().st_size:
        raise StructureError(f"structure file '{path}' is cut off: it names more atoms than it has")
    is_lammps = path.suffix in _LAMMPS_SUFFIXES or _LAMMPS_HEADER.search(head) is not None
    if elements and not is_lammps:
        raise StructureError(
            f"structure file '{path}' names its elements itself: leave system.elements out, which "
            "is for LAMMPS data files (*.data, *.lmp)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if is_lammps:
                atoms = _bare(_read_lammps(path, elements))
            else:
                *others, found = _last_frames(path)
                if filetype(str(path)) == "cif":  # ASE keeps the notes of one in other files
                    _refuse_shared_sites(found, path)
                atoms = _bare(found)
                atoms.info |= {OTHER_FRAMES: True} if others else {}
    except StructureError:
        raise
    except Exception as problem:  # noqa: BLE001 - ASE's readers raise anything
        reason = " ".join(str(problem).split())[:160] or type(problem).__name__
        raise StructureError(f"structure file '{path}' cannot be read: {reason}") from None
    return _checked(atoms, path)


def _last_frames(path: Path) -> list[Atoms]:
    """The last frame, behind the one before it if there is one."""
    holds_one = ioformats[filetype(str(path))].single
    last = slice(-1 if holds_one else -2, None)
    return list(read(str(path), last, do_not_split_by_at_sign=True))


def _refuse_shared_sites(atoms: Atoms, path: Path) -> None:
    """CIF files may fill sites in part, or with several elements; ASE reads them as full.

    Raises:
        StructureError: naming the first such site.
    """
    occupancy = atoms.info.get("occupancy")
    if not isinstance(occupancy, dict):
        return
    kinds = atoms.arrays.get("spacegroup_kinds", np.arange(len(atoms)))
    for kind, shares in occupancy.items():
        known = [s for s in shares.values() if isinstance(s, (int, float))]  # not "?" and "."
        here = np.flatnonzero(kinds == int(kind))
        if len(here) and (len(shares) > 1 or min(known, default=1) < _FULL):
            atom = int(here[0]) + 1
            filled = ", ".join(f"{element} {share}" for element, share in shares.items())
            raise StructureError(
                f"structure file '{path}' fills the site of atom {atom} only in part or with "
                f"several elements ({filled}): choose whole atoms, as in an ordered supercell, "
                "with occupancies of 1"
            )


def _bare(atoms: Atoms) -> Atoms:
    """Only what a simulation starts from, and notes: charge, spin, atoms that are held.

    Other arrays, as of atom types, mislead ASE's writers; with constraints, ASE changes forces.
    """
    bare = Atoms(
        atoms.numbers,
        atoms.positions,
        cell=atoms.cell,
        pbc=atoms.pbc,
        masses=atoms.get_masses(),
    )
    if atoms.has("momenta"):  # zeros too: a run may start at rest
        bare.set_momenta(atoms.get_momenta())
    bare.info = {name: atoms.info[name] for name in ("charge", "spin") if name in atoms.info}
    held, others = _held(atoms)
    if held.any():
        bare.set_array(FIXED, held)
    bare.info |= {CONSTRAINED: int(others.sum())} if others.any() else {}
    return bare


def _held(atoms: Atoms) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Atoms that constraints keep in place, and those that they bind in part or to others."""
    held, others = np.zeros((2, len(atoms)), bool)
    for constraint in atoms.constraints:
        if not hasattr(constraint, "get_indices"):
            continue
        directions = getattr(constraint, "mask", [isinstance(constraint, FixAtoms), True])
        if np.any(directions):  # files of masks list the atoms that are free too
            found = held if np.all(directions) else others
            found[np.ravel(constraint.get_indices())] = True
    return held, others & ~held


def _checked(atoms: Atoms, path: Path) -> Atoms:
    """The structure, if it is one.

    Raises:
        StructureError: for what is missing in it.
    """

    def refuse(reason: str) -> StructureError:
        return StructureError(f"structure file '{path}' {reason}")

    if not len(atoms):
        raise refuse("holds no atoms")
    unknown = np.flatnonzero(atoms.numbers < 1)
    if len(unknown):
        raise refuse(f"gives atom {unknown[0] + 1} no known element ('X')")
    broken = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(broken):
        raise refuse(f"has no finite position for atom {broken[0] + 1}")
    if not np.isfinite(atoms.cell.array).all():
        raise refuse("has a cell that is not finite")
    lengths = atoms.cell.lengths()
    for axis in np.flatnonzero(atoms.pbc):
        if lengths[axis] <= 0:
            raise refuse(f"is periodic along cell vector {axis + 1} but gives none: set the cell")
    directions = atoms.cell.array[atoms.pbc] / lengths[atoms.pbc, None]
    if np.linalg.svd(directions, compute_uv=False).min(initial=1.0) < _FLATTEST_CELL:
        raise refuse("has a cell without volume: its vectors lie in a plane or on a line")
    if atoms.has("momenta") and not np.isfinite(atoms.get_momenta()).all():
        raise refuse("has velocities that are not finite")
    return atoms


def units_of_title(title: str) -> str | None:
    """Units that the first line of a LAMMPS data file names, as LAMMPS's own do."""
    found = re.search(r"units = (\w+)", title)
    return found[1] if found else None


def _read_lammps(path: Path, elements: Sequence[str] | None) -> Atoms:
    with path.open(errors="replace") as file:
        units = units_of_title(file.readline())
    if units and units not in _LENGTH_IN_ANGSTROM:
        raise StructureError(
            f"structure file '{path}' is in units {units}: convert it to metal or real"
        )
    masses, labels, num_types = _type_sections(path)
    symbols = _symbols_of_types(path, masses, labels, num_types, elements)
    numbers = {t: atomic_numbers[s] for t, s in symbols.items()}
    atoms = read_lammps_data(str(path), Z_of_type=numbers, units=units or "metal")
    if masses:  # ASE's differ in the tenth digit, by its conversion of units
        atoms.set_masses([masses[t] for t in atoms.arrays["type"]])
    return atoms


def _type_sections(path: Path) -> tuple[dict[int, float], dict[int, str], int]:
    """Masses, element symbols that the file gives, and the number of atom types."""
    masses: dict[int, float] = {}
    labels: dict[int, str] = {}
    num_types, section = 0, ""
    with path.open(errors="replace") as file:
        next(file, None)  # a title, whatever it says
        for line in file:
            text, _, comment = (part.strip() for part in line.partition("#"))
            if match := re.fullmatch(r"(\d+)\s+atom types", text):
                num_types = int(match[1])
            elif re.match(r"[A-Z][A-Za-z ]+\Z", text):
                section = text
                if section in {"Atoms", "Velocities"} and masses:
                    break
            elif text and section == "Masses":
                words = text.split()
                masses[int(words[0])] = float(words[1])
                if comment in atomic_numbers:
                    labels.setdefault(int(words[0]), comment)
            elif text and section == "Atom Type Labels":
                labels[int(text.split()[0])] = text.split()[1]
    return masses, labels, num_types


def _symbols_of_types(
    path: Path,
    masses: dict[int, float],
    labels: dict[int, str],
    num_types: int,
    elements: Sequence[str] | None,
) -> dict[int, str]:
    """Element of each atom type.

    Raises:
        StructureError: when the file does not say.
    """
    if elements:
        if num_types and len(elements) != num_types:
            raise StructureError(
                f"system.elements names {len(elements)} elements, but structure file '{path}' has "
                f"{num_types} atom types: name one for each type, in order"
            )
        return dict(enumerate(elements, start=1))
    symbols: dict[int, str] = {}
    for kind in range(1, num_types + 1):
        if labels.get(kind) in atomic_numbers:
            symbols[kind] = labels[kind]
        elif kind in masses:
            symbols[kind] = element_of_mass(path, kind, masses[kind])
        else:
            raise StructureError(
                f"structure file '{path}' does not say what atom type {kind} is: give "
                'system.elements, for example ["C", "O", "H"]'
            )
    return symbols


def element_of_mass(path: Path, kind: int, mass_u: float) -> str:
    """Symbol of the element of an atomic mass.

    Raises:
        StructureError: when there is none.
    """
    if abs(mass_u - _DEUTERIUM_U) < _MASS_TOLERANCE_U:
        return "H"
    nearest = int(np.argmin(np.abs(atomic_masses[1:] - mass_u))) + 1
    difference = abs(float(atomic_masses[nearest]) - mass_u)
    if not difference <= max(_MASS_TOLERANCE * mass_u, _MASS_TOLERANCE_U):
        raise StructureError(
            f"structure file '{path}': the mass {mass_u:g} of atom type {kind} is that of no "
            'element: give system.elements, for example ["C", "O", "H"]'
        )
    return str(chemical_symbols[nearest])
