"""Atoms with all that a classical force field needs to know of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.units import fs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

AtomStyle = Literal["atomic", "charge", "full"]
Units = Literal["real", "metal"]
TOPOLOGY = {"bond": 2, "angle": 3, "dihedral": 4, "improper": 4}
"""Atoms of each kind of term."""

_TIME_FS = {"real": 1.0, "metal": 1000.0}


@dataclass(frozen=True)
class Terms:
    """Bonds, or angles, dihedrals, impropers, of a system."""

    kinds: NDArray[np.int64]
    """[terms] Type of each, from 1."""
    atoms: NDArray[np.int64]
    """[terms, 2, 3 or 4] Indices of its atoms, from 0."""
    coefficients: tuple[tuple[float, ...], ...] = ()
    """Numbers of each type, in the order and units of LAMMPS."""
    style: str | None = None
    """That the file says ``coefficients`` are for, behind the heading."""


def no_terms(name: str) -> Terms:
    """No bonds, angles, ... of that name."""
    return Terms(np.empty(0, np.int64), np.empty((0, TOPOLOGY[name]), np.int64))


@dataclass(frozen=True)
class MolecularSystem:
    """A periodic system of N atoms of T types in a rectangular box, in LAMMPS's units.

    Numbers are those of the file that they come from: nothing is converted.
    """

    atom_style: AtomStyle
    units: Units
    low: NDArray[np.float64]
    """[3] Lower corner of the box, Angstrom."""
    high: NDArray[np.float64]
    """[3] Upper corner."""
    types: NDArray[np.int64]
    """[N] From 1."""
    positions: NDArray[np.float64]
    """[N, 3] Angstrom, as written: in the box or not."""
    masses: tuple[float, ...]
    """Of each type, u."""
    labels: tuple[str | None, ...]
    """Element of each type, where the file names it in a comment or a type label."""
    charges: NDArray[np.float64]
    """[N] e; zeros for style atomic."""
    molecules: NDArray[np.int64]
    """[N] Zeros but for style full."""
    images: NDArray[np.int64]
    """[N, 3] How often each atom has crossed the box."""
    velocities: NDArray[np.float64] | None = None
    """[N, 3] Angstrom/fs (real) or Angstrom/ps (metal)."""
    pair_coefficients: tuple[tuple[float, ...], ...] = ()
    """Epsilon and sigma of each type: kcal/mol (real) or eV (metal), and Angstrom."""
    terms: dict[str, Terms] = field(default_factory=dict)
    """By the names of ``TOPOLOGY``; a name that is missing has none."""
    pair_style: str | None = None
    """That the file says ``pair_coefficients`` are for, behind the heading."""

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.types)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """[3] Edges of the box, Angstrom."""
        return self.high - self.low

    def of(self, name: str) -> Terms:
        """The bonds, angles, dihedrals or impropers; empty if there are none."""
        return self.terms.get(name) or no_terms(name)

    def unwrapped(self) -> NDArray[np.float64]:
        """[N, 3] Positions with the crossings of the box added, Angstrom."""
        return self.positions + self.images * self.lengths

    def wrapped(self) -> MolecularSystem:
        """The same with every position in the box, and images that say so.

        Positions in the box stay as they are, to the last bit.
        """
        shift = np.floor((self.positions - self.low) / self.lengths).astype(np.int64)
        positions = np.where(shift == 0, self.positions, self.positions - shift * self.lengths)
        # rounding can put what is just below the lower edge onto either edge
        on_edge = positions >= self.high
        positions = np.where(on_edge | (positions < self.low), self.low, positions)
        images = self.images + shift + on_edge
        return replace(self, positions=positions, images=images)

    def as_atoms(self, elements: Sequence[str]) -> Atoms:
        """The structure for checks and analysis.

        Args:
            elements: Symbol of each type.
        """
        numbers = np.array([0, *(atomic_numbers[e] for e in elements)])[self.types]
        masses = np.array([0.0, *self.masses])[self.types]
        atoms = Atoms(numbers, self.positions - self.low, cell=self.lengths, pbc=True)
        atoms.set_masses(masses)
        if self.velocities is not None:
            atoms.set_velocities(self.velocities / (_TIME_FS[self.units] * fs))
        return atoms

    def repeat(self, copies: Sequence[int]) -> MolecularSystem:
        """Copies along the edges of the box; bonds go to the nearest image of their partner.

        Args:
            copies: Along x, y and z; 1 leaves a direction as it is.
        """
        count = int(np.prod(copies))
        if count == 1:
            return self
        cells = np.array(list(itertools.product(*(range(n) for n in copies))), np.int64)
        whole = self.unwrapped()  # molecules must not be torn where their box had an edge
        last = int(self.molecules.max(initial=0))
        of_copies = np.concatenate([self.molecules + c * last for c in range(count)])
        velocities = None if self.velocities is None else np.tile(self.velocities, (count, 1))
        big = replace(
            self,
            high=self.low + self.lengths * copies,
            types=np.tile(self.types, count),
            positions=np.concatenate([whole + cell * self.lengths for cell in cells]),
            charges=np.tile(self.charges, count),
            molecules=np.where(np.tile(self.molecules, count) > 0, of_copies, 0),
            images=np.zeros((count * len(self), 3), np.int64),
            velocities=velocities,
            terms={name: self._repeated(name, whole, cells, copies) for name in self.terms},
        )
        return big.wrapped()

    def _repeated(
        self,
        name: str,
        whole: NDArray[np.float64],
        cells: NDArray[np.int64],
        copies: Sequence[int],
    ) -> Terms:
        """Terms of every copy; an atom whose nearest image is in another copy is taken there."""
        terms = self.of(name)
        first = whole[terms.atoms[:, :1]]
        away = -np.round((whole[terms.atoms] - first) / self.lengths).astype(np.int64)
        atoms = []
        for cell in cells:
            x, y, z = np.moveaxis((cell + away) % np.asarray(copies), -1, 0)
            copy = (x * copies[1] + y) * copies[2] + z
            atoms.append(terms.atoms + copy * len(self))
        return replace(terms, kinds=np.tile(terms.kinds, len(cells)), atoms=np.concatenate(atoms))
