"""The structure of a run: composition, density, contacts, cell; and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols, covalent_radii
from ase.units import mol

from mdbench.check.findings import Problem
from mdbench.engine import boxed
from mdbench.neighbours import find_pairs
from mdbench.systems import species_order

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray

    from mdbench.spec import RunSpec

_OVERLAP = 0.6
"""Of the sum of the covalent radii."""
_CLOSEST_HYDROGENS_ANG = 0.5
_VACUUM_ANG = 6.0
"""Wider gaps between layers of atoms are vacuum."""
_DENSITY_POSSIBLE_GCM3 = (0.05, 25.0)
_DENSITY_USUAL_GCM3 = (0.3, 22.0)
_MASS_TOLERANCE = 0.05
_DEUTERIUM_U = 2.014
_TILT_EFFICIENT, _TILT_SENSIBLE = 0.505, 1.5
"""Of a box length; 0.5 is the hexagonal cell's. LAMMPS calls more than 0.6 large."""
_SEARCH_RADII_ANG = (3.0, 6.0, 12.0, 24.0)


@dataclass(frozen=True)
class Species:
    """An atom type."""

    type: int
    element: str
    mass_u: float
    count: int


@dataclass(frozen=True)
class Contact:
    """Two atoms near each other, or an atom and its own image; ids count from 1."""

    first_id: int
    second_id: int
    first: str
    second: str
    distance_ang: float

    def __str__(self) -> str:
        """As in 'atoms 3 (O) and 7 (H)'."""
        if self.first_id == self.second_id:
            return f"atom {self.first_id} ({self.first}) and its periodic image"
        return f"atoms {self.first_id} ({self.first}) and {self.second_id} ({self.second})"


@dataclass(frozen=True)
class Geometry:
    """Facts of a structure."""

    num_atoms: int
    species: tuple[Species, ...]
    density_gcm3: float | None
    """Of the cell, vacuum included; ``None`` without a cell."""
    vacuum: tuple[bool, bool, bool]
    """Along which cell vectors there is a gap, or no periodicity."""
    cell_heights_ang: tuple[float, float, float]
    """Distances between opposite faces; 0 where there is no cell."""
    closest: Contact | None
    overlaps: tuple[Contact, ...]
    """Pairs too close to be atoms, closest first."""

    def lines(self) -> list[str]:
        """The facts as text."""
        density = "none" if self.density_gcm3 is None else f"{self.density_gcm3:.4g} g/cm3"
        gaps = [axis for axis, empty in zip("abc", self.vacuum, strict=True) if empty]
        rows = [
            f"  type {s.type}      {s.element:<2} {s.mass_u:8.3f} u {s.count:9,}"
            for s in self.species
        ]
        heights = " ".join(f"{h:.3f}" for h in self.cell_heights_ang)
        contact = "none within 24 A"
        if self.closest:
            contact = f"{self.closest.distance_ang:.3f} A, {self.closest}"
        return [
            f"atoms         {self.num_atoms:,}",
            *rows,
            f"density       {density}" + (f", vacuum along {', '.join(gaps)}" if gaps else ""),
            f"cell heights  {heights} A",
            f"closest       {contact}",
        ]


def examine_geometry(atoms: Atoms, types: NDArray[np.int64] | None = None) -> Geometry:
    """The facts of a structure.

    Args:
        atoms: The structure.
        types: [atoms] In LAMMPS, from 1; by element unless given.
    """
    symbols = atoms.get_chemical_symbols()
    masses = atoms.get_masses()
    if types is None:
        order = species_order(atoms)
        types = np.array([order.index(s) + 1 for s in symbols])
    species = [
        Species(int(kind), symbols[first], float(masses[first]), int(count))
        for kind, first, count in zip(
            *np.unique(types, return_index=True, return_counts=True), strict=True
        )
    ]
    volume = abs(float(np.linalg.det(atoms.cell.array)))
    density = float(masses.sum()) / mol / volume * 1e24 if volume > 0 else None
    heights = _heights(atoms)
    overlaps, closest = _contacts(atoms)
    a, b, c = (float(h) for h in heights)
    x, y, z = _vacuum(atoms, heights)
    return Geometry(
        len(atoms), tuple(species), density, (x, y, z), (a, b, c), closest, tuple(overlaps)
    )


def _heights(atoms: Atoms) -> NDArray[np.float64]:
    """Distance [3] between opposite faces of the cell, 0 where it is flat."""
    if abs(np.linalg.det(atoms.cell.array)) <= 0:
        return np.asarray(atoms.cell.lengths(), dtype=np.float64)
    return np.asarray(1 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1))


def _vacuum(atoms: Atoms, heights: NDArray[np.float64]) -> list[bool]:
    """Along which cell vectors there is an empty layer."""
    if abs(np.linalg.det(atoms.cell.array)) <= 0:
        return [True] * 3
    empty = []
    for axis in range(3):
        height = np.sort(atoms.cell.scaled_positions(atoms.positions)[:, axis] % 1.0)
        gap = np.diff(height, append=height[0] + 1).max() * heights[axis]
        empty.append(bool(gap > _VACUUM_ANG or not atoms.pbc[axis]))
    return empty


def _contacts(atoms: Atoms) -> tuple[list[Contact], Contact | None]:
    """Pairs that overlap, closest first, and the closest pair of all."""
    numbers, cell = atoms.numbers, atoms.cell.array
    symbols = atoms.get_chemical_symbols()
    for cutoff in _SEARCH_RADII_ANG:
        i, j, image = find_pairs(atoms.positions, cell, atoms.pbc, cutoff)
        one_way = i <= j
        i, j, image = i[one_way], j[one_way], image[one_way]
        if len(i):
            break
    else:
        return [], None
    distance = np.linalg.norm(atoms.positions[j] - atoms.positions[i] + image @ cell, axis=1)
    limit = _OVERLAP * (covalent_radii[numbers[i]] + covalent_radii[numbers[j]])
    limit[(numbers[i] == 1) & (numbers[j] == 1)] = _CLOSEST_HYDROGENS_ANG

    def contact(p: np.intp) -> Contact:
        a, b = int(i[p]), int(j[p])
        return Contact(a + 1, b + 1, symbols[a], symbols[b], float(distance[p]))

    too_close = np.flatnonzero(distance < limit)
    too_close = too_close[np.argsort(distance[too_close], kind="stable")]
    return [contact(p) for p in too_close], contact(np.argmin(distance))


def problems_of_structure(spec: RunSpec, atoms: Atoms, geometry: Geometry) -> list[Problem]:
    """Overlaps, masses, density, cell; what ensemble and analysis ask of atoms and cell."""
    return [
        *_overlaps(spec, geometry),
        *_masses(spec, atoms),
        *_density(spec, geometry),
        *_tilt(spec, atoms),
        *_barostat(spec, atoms, geometry),
        *_velocities(spec, atoms),
        *_rdf_range(spec, atoms, geometry),
        *_alone(spec, atoms),
    ]


def _field(spec: RunSpec) -> str:
    return "system.file" if spec.system.builder == "file" else "system"


def _alone(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    if len(atoms) > 1:
        return []
    text = "one atom has no temperature, as the whole does not move: repeat the cell"
    return [Problem("error", _field(spec), text)]


def _overlaps(spec: RunSpec, geometry: Geometry) -> list[Problem]:
    if not geometry.overlaps:
        return []
    worst, more = geometry.overlaps[0], len(geometry.overlaps) - 1
    text = f"{worst} are {worst.distance_ang:.3f} A apart: they overlap"
    return [Problem("error", _field(spec), text + (f", and {more} more pairs" if more else ""))]


def _masses(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    problems = []
    symbols, masses = np.array(atoms.get_chemical_symbols()), atoms.get_masses()
    for symbol in species_order(atoms):
        own, usual = masses[symbols == symbol], float(atomic_masses[atomic_numbers[symbol]])
        mass = float(own[0])
        if np.ptp(own) > 1e-3 * usual:
            if spec.is_classical:  # atom types of one element may differ
                continue
            text = f"atoms of {symbol} have several masses, {own.min():g} to {own.max():g} u"
            problems.append(Problem("error", _field(spec), f"{text}: LAMMPS takes one a type"))
        elif symbol == "H" and abs(mass / _DEUTERIUM_U - 1) < _MASS_TOLERANCE:
            text = f"H weighs {mass:g} u: taken for deuterium"
            problems.append(Problem("warning", _field(spec), text))
        elif not abs(mass / usual - 1) <= _MASS_TOLERANCE:
            nearest = chemical_symbols[int(np.argmin(np.abs(atomic_masses[1:] - mass))) + 1]
            text = (
                f"{symbol} weighs {mass:g} u in the file, not {usual:g}; that is the mass of "
                f"{nearest}: is system.elements in the order of the file's atom types?"
            )
            # an atom of a force field may stand for a group
            problems.append(
                Problem("warning" if spec.is_classical else "error", _field(spec), text)
            )
    return problems


def _density(spec: RunSpec, geometry: Geometry) -> list[Problem]:
    density = geometry.density_gcm3
    if density is None or any(geometry.vacuum):
        return []
    (low, high), (rare_low, rare_high) = _DENSITY_POSSIBLE_GCM3, _DENSITY_USUAL_GCM3
    text = f"the density is {density:.3g} g/cm3"
    if not low <= density <= high:
        text += f", outside {low:g} to {high:g}: is the cell that of these atoms, in Angstrom?"
        return [Problem("error", _field(spec), text)]
    if not rare_low <= density <= rare_high:
        return [Problem("warning", _field(spec), text + ": is that intended?")]
    return []


def _tilt(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    if not atoms.pbc.any():
        return []
    lx, ly, _, xy, xz, yz = boxed(atoms).prism.get_lammps_prism()
    tilt = max(abs(xy) / lx, abs(xz) / lx, abs(yz) / ly)
    if tilt <= _TILT_EFFICIENT:
        return []
    text = (
        f"the cell is tilted by {tilt:.2f} of its length, which makes LAMMPS slow: choose shorter "
        "cell vectors of the same lattice (ase.build.niggli_reduce)"
    )
    return [Problem("error" if tilt > _TILT_SENSIBLE else "warning", _field(spec), text)]


def _barostat(spec: RunSpec, atoms: Atoms, geometry: Geometry) -> list[Problem]:
    if spec.ensemble.kind != "npt":
        return []
    coupling = spec.ensemble.coupling
    if spec.ensemble.barostat == "berendsen" and boxed(atoms).prism.is_skewed():
        text = "berendsen moves no tilted cell: take 'nose-hoover'"
        return [Problem("error", "ensemble.barostat", text)]
    moved = ["xyz".index(coupling)] if coupling in "xyz" else [0, 1, 2]
    field = "ensemble.coupling"
    if not atoms.pbc[moved].all():
        text = f"'{coupling}' moves a direction in which the structure is not periodic"
        return [Problem("error", field, text)]
    if any(geometry.vacuum[axis] for axis in moved):
        text = f"'{coupling}' moves a direction with vacuum, which a barostat closes"
        return [Problem("warning", field, text)]
    return []


def _velocities(spec: RunSpec, atoms: Atoms) -> list[Problem]:
    if spec.run.velocities == "new" or atoms.has("momenta"):
        return []
    return [Problem("error", "run.velocities", "the structure has none: take 'new'")]


def _rdf_range(spec: RunSpec, atoms: Atoms, geometry: Geometry) -> list[Problem]:
    """A range that the user chose; the default shrinks to what the cell allows."""
    periodic = np.array(geometry.cell_heights_ang)[atoms.pbc]
    if "rdf_range_ang" not in spec.analysis.model_fields_set or not len(periodic):
        return []
    half = float(periodic.min()) / 2
    if spec.analysis.rdf_range_ang <= half:
        return []
    text = (
        f"{spec.analysis.rdf_range_ang:g} A exceeds half the smallest cell height, {half:.2f} A, "
        "where pairs are counted wrongly: g(r) ends there"
    )
    return [Problem("warning", "analysis.rdf_range", text)]
