"""Crystals that mdbench builds itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_masses, atomic_numbers
from ase.spacegroup import crystal

from mdbench.structure import cubic_edge_ang

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LGPS_A_ANG, LGPS_C_ANG = 8.69407, 12.5994
_LGPS_SITES = (
    # element, fractional coordinates of one of its positions (origin choice 1)
    ("Li", (0.2563, 0.2718, 0.1832)),  # Li1, 16h, occupied by 0.69
    ("Li", (0.0, 0.5, 0.9446)),  # Li2, 4d
    ("Li", (0.2463, 0.2463, 0.0)),  # Li3, 8f, 0.64
    ("Ge", (0.0, 0.5, 0.6907)),  # 4d, Ge 0.515, P 0.485
    ("P", (0.0, 0.0, 0.5)),  # 2b
    ("S", (0.0, 0.1843, 0.4103)),  # 8g
    ("S", (0.0, 0.7009, 0.0950)),  # 8g
    ("S", (0.0, 0.6990, 0.7914)),  # 8g
)
_LI1, _GE_OR_P = 0, 3  # in _LGPS_SITES
_CLOSEST_LI_ANG = 2.0


def lithium_chloride(cells: int, density_gcm3: float) -> Atoms:
    """LiCl in the rock-salt structure, scaled to a density; ``8 cells**3`` atoms.

    Args:
        cells: Conventional cells (4 LiCl) along each edge.
        density_gcm3: Of the crystal, or of the melt that it is to become.
    """
    mass = sum(atomic_masses[atomic_numbers[s]] for s in ("Li", "Cl"))
    return bulk("LiCl", "rocksalt", a=cubic_edge_ang(4 * mass, density_gcm3), cubic=True).repeat(
        cells
    )


def composition(fractions: Sequence[float], count: int) -> NDArray[np.int64]:
    """Whole numbers of sum ``count`` nearest to the fractions, by the largest remainder."""
    exact = np.asarray(fractions, dtype=float) / np.sum(fractions) * count
    whole: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    largest = np.argsort(whole - exact, kind="stable")
    whole[largest[: count - whole.sum()]] += 1
    return whole


def random_alloy(
    lattice: Atoms, elements: Sequence[str], fractions: Sequence[float], seed: int
) -> Atoms:
    """A random solid solution of exact composition.

    Args:
        lattice: Sites; whatever stands on them is replaced.
        elements: Symbols.
        fractions: Of the elements, in order.
        seed: Of the arrangement.
    """
    symbols = np.repeat(np.array(elements), composition(fractions, len(lattice)))
    shuffled = np.random.default_rng(seed).permutation(symbols)
    return Atoms(list(shuffled), lattice.positions, cell=lattice.cell, pbc=True)


def lgps(seed: int = 1, repeat: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
    """Tetragonal Li10GeP2S12; 50 atoms a cell, Li20 Ge2 P4 S24.

    Space group P4_2/nmc (No. 137), cell and sites of Kamaya et al., Nature Materials 10, 682
    (2011), doi 10.1038/nmat3066. Li1 sites come in pairs 1.7 A apart, of which no two can be
    occupied: one of each pair is, which with full Li2 and Li3 sites makes 20 lithium atoms. Two of
    the four sites shared by Ge and P hold Ge. Each cell draws its own arrangement.

    Args:
        seed: Of the arrangement.
        repeat: Cells along each edge.
    """
    names, sites = zip(*_LGPS_SITES, strict=True)
    cell = [LGPS_A_ANG, LGPS_A_ANG, LGPS_C_ANG, 90, 90, 90]
    every = crystal(names, sites, spacegroup=137, setting=1, cellpar=cell)
    kind = every.arrays["spacegroup_kinds"]
    rng = np.random.default_rng(seed)
    positions, symbols = [], []
    for corner in np.ndindex(*repeat):
        apart: list[int] = []
        for i in rng.permutation(np.flatnonzero(kind == _LI1)):
            if not apart or every.get_distances(i, apart, mic=True).min() > _CLOSEST_LI_ANG:
                apart.append(int(i))
        chosen = np.sort(np.r_[apart, np.flatnonzero(kind != _LI1)]).astype(int)
        species = np.array(every.get_chemical_symbols())
        species[rng.permutation(np.flatnonzero(kind == _GE_OR_P))[:2]] = "P"
        positions.append(every.positions[chosen] + corner @ every.cell.array)
        symbols += list(species[chosen])
    box = every.cell.array * np.array(repeat)[:, None]
    return Atoms(symbols, np.concatenate(positions), cell=box, pbc=True)
