"""LAMMPS commands of a classical force field: the numbers of its system, to the last bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import StructureError
from mdbench.molecules.system import TOPOLOGY
from mdbench.molecules.write import number_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.molecules.system import MolecularSystem, Terms
    from mdbench.spec_force_field import ForceField

POTENTIAL_FILE = "potential.eam"
"""Name of the embedded-atom file in a run folder."""
RIGID = "rigid"
"""Name of the fix that holds bonds."""

_ROOM_OF_LISTS = 2000
"""Neighbours of an atom that LAMMPS has room for by default."""
_DENSER, _SKIN_ANG = 1.5, 2.0
_SHAKE = "1e-6 100 0"
"""Tolerance, iterations, no statistics."""


def force_field_commands(force_field: ForceField, system: MolecularSystem) -> str:
    """The commands that define a force field, after the atoms have been read.

    Args:
        force_field: Of the specification.
        system: Atoms, as ``load_molecules`` gives them; of these only numbers of types are used,
            whether there are charges, and the density.
    """
    if force_field.kind == "eam":
        # the style takes the masses of its file, and those of the system count
        masses = [f"mass        {k} {m!r}" for k, m in enumerate(system.masses, 1)]
        return _text(["pair_style  eam", f"pair_coeff  * * {POTENTIAL_FILE}", *masses])
    cutoff = number_words([force_field.cutoff_ang])
    # a long-range solver refuses a system without charges
    coulomb = force_field.has_charges and bool(system.charges.any())
    lines = [
        f"pair_style  lj/cut{'/coul/long' if coulomb else ''} {cutoff}",
        f"pair_modify mix {force_field.mixing} shift no tail no",
    ]
    lines += [
        f"pair_coeff  {kind} {kind} {number_words(row)}"
        for kind, row in enumerate(system.pair_coefficients, 1)
    ]
    for name in TOPOLOGY:
        lines += _term_lines(name, force_field.term_styles[name], system.of(name))
    if force_field.kind == "cvff":
        lines.append(f"special_bonds lj/coul {number_words(force_field.special_bonds)}")
    if coulomb:
        lines += _kspace_lines(force_field)
    return _text(lines + _list_lines(force_field, system))


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _term_lines(name: str, style: str, terms: Terms) -> list[str]:
    """Style and coefficients of bonds, angles, ..., if there are any."""
    if not len(terms.kinds):
        return []
    lines = [f"{name}_style {style}"]
    lines += [f"{name}_coeff {k} {number_words(r)}" for k, r in enumerate(terms.coefficients, 1)]
    return lines


def _kspace_lines(force_field: ForceField) -> list[str]:
    lines = [f"kspace_style {force_field.kspace} {force_field.accuracy!r}"]
    if force_field.alpha_per_ang2 is not None:
        lines.append(f"kspace_modify gewald {math.sqrt(force_field.alpha_per_ang2)!r}")
    if force_field.kmax is not None:
        lines.append(f"kspace_modify kmax/ewald {' '.join(map(str, force_field.kmax))}")
    return lines


def _list_lines(force_field: ForceField, system: MolecularSystem) -> list[str]:
    """Room for the neighbours within a long cutoff."""
    density = len(system) / float(np.prod(system.lengths))
    sphere = 4 / 3 * math.pi * (force_field.cutoff_ang + _SKIN_ANG) ** 3
    most = math.ceil(_DENSER * density * sphere)
    return [f"neigh_modify one {most} page {50 * most}"] if most > _ROOM_OF_LISTS else []


def rigid_command(system: MolecularSystem, fixed: NDArray[np.bool_] | None = None) -> str:
    """The fix that keeps bonds and angles of all angle triples, such as water, at rest.

    It is defined anew behind fixes that add forces, which it must come after.

    Args:
        system: Atoms, as ``load_molecules`` gives them.
        fixed: [atoms] Which do not move; none by default.

    Raises:
        StructureError: for triples that ``fix shake`` cannot hold, or would hold besides others.
    """
    angles, bonds = system.of("angle"), system.of("bond")
    if not len(angles.kinds):
        raise StructureError("there are no angles, and shake holds bonds of angle triples")
    atoms, counts = np.unique(angles.atoms, return_counts=True)
    if counts.max() > 1:
        raise StructureError(
            f"atom {atoms[counts.argmax()] + 1} is in {counts.max()} angles, and LAMMPS's fix "
            "shake holds triples of atoms by themselves, such as water: set shake = false"
        )
    held = _pairs(angles.atoms[:, [[0, 1], [1, 2]]], len(system))  # [angles, 2]
    known, first = np.unique(_pairs(bonds.atoms, len(system)), return_index=True)
    at = np.searchsorted(known, held).clip(max=max(0, len(known) - 1))
    missing = np.flatnonzero((known[at] != held).any(axis=1)) if len(known) else np.arange(1)
    if len(missing):
        names = ", ".join(str(a + 1) for a in angles.atoms[missing[0]])
        raise StructureError(f"the angle of atoms {names} lacks a bond, which shake holds")
    kinds = bonds.kinds[first[at]]  # [angles, 2] types of the bonds of each angle
    of_types = np.isin(bonds.kinds, kinds)
    others = of_types & ~np.isin(_pairs(bonds.atoms, len(system)), held)
    if others.any():
        bond = int(np.flatnonzero(others)[0])
        names = " and ".join(str(a + 1) for a in bonds.atoms[bond])
        raise StructureError(
            f"the bond of atoms {names} has type {bonds.kinds[bond]}, as bonds of angles that "
            "shake holds have, but is in no angle: give it a type of its own"
        )
    for kind in np.unique(angles.kinds):
        if len(np.unique(np.sort(kinds[angles.kinds == kind], axis=1), axis=0)) > 1:
            raise StructureError(
                f"angles of type {kind} have bonds of different types, and shake takes one "
                "length of each: give them types of their own"
            )
    group = "all" if fixed is None else _moving(angles.atoms, fixed)
    words = [*map(str, np.unique(kinds)), "a", *map(str, np.unique(angles.kinds))]
    return f"fix         {RIGID} {group} shake {_SHAKE} b {' '.join(words)}\n"


def _moving(triples: NDArray[np.int64], fixed: NDArray[np.bool_]) -> str:
    """The group of the atoms that move, to which whole triples [angles, 3] must belong."""
    held = fixed[triples]
    torn = np.flatnonzero(held.any(axis=1) & ~held.all(axis=1))
    if len(torn):
        names = ", ".join(str(a + 1) for a in triples[torn[0]])
        raise StructureError(
            f"ensemble.fixed: holds some of atoms {names} and lets others go, and shake holds "
            "their bonds: fix all three or none"
        )
    return "mobile" if fixed.any() else "all"


def _pairs(atoms: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A number for each pair of atoms [..., 2], whatever their order."""
    return np.asarray(atoms.min(axis=-1) * count + atoms.max(axis=-1))
