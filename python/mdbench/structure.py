"""Structures that mdbench builds itself."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.units import mol
from scipy.spatial import cKDTree

GRAPHENE_LATTICE_ANG = 2.492
"""Lattice constant of graphene in the Tersoff potential that labelled the bundled model's data."""

WATER_BOND_ANG = 1.012
WATER_ANGLE_DEG = 113.24
WATER_VOLUME_ANG3 = 29.9
"""Volume of a molecule at 1 g/cm3."""

_CLOSEST_ANG = 0.8
"""Least distance of atoms of different molecules, here two H: minimisers part them from there."""
_DRAWS = 50

SHEET_THICKNESS_ANG = 3.8
"""Height that a sheet takes from the water: at 298 K and zero normal pressure, reference force
field, 72 C + 100 H2O, 70 ps (cell height 19.2 A)."""


def graphene(nx: int, ny: int) -> Atoms:
    """A sheet of ``4 nx ny`` carbon atoms at z = 0 in a rectangular cell."""
    ax, ay = GRAPHENE_LATTICE_ANG, GRAPHENE_LATTICE_ANG * np.sqrt(3)
    bond = GRAPHENE_LATTICE_ANG / np.sqrt(3)
    base = np.array([[0, 0], [0, bond], [ax / 2, ay / 2], [ax / 2, ay / 2 + bond]])
    xy = np.concatenate([base + [i * ax, j * ay] for i in range(nx) for j in range(ny)])
    positions = np.c_[xy, np.zeros(len(xy))]
    return Atoms(f"C{len(xy)}", positions, cell=[nx * ax, ny * ay, 30.0], pbc=True)


def water_molecule(rng: np.random.Generator) -> np.ndarray:
    """Positions [3, 3] of O, H, H in a random orientation, O at the origin."""
    angle = np.deg2rad(WATER_ANGLE_DEG)
    flat = WATER_BOND_ANG * np.array([[0, 0, 0], [1, 0, 0], [np.cos(angle), np.sin(angle), 0]])
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.asarray(flat @ rotation.T)


def _clashing(molecules: np.ndarray, lengths_ang: np.ndarray) -> np.ndarray:
    """Indices of the molecules [N, 3, 3] too close to one before them, in a periodic box."""
    positions = molecules.reshape(-1, 3) % lengths_ang
    positions[positions >= lengths_ang] = 0.0  # by rounding
    tree = cKDTree(positions, boxsize=lengths_ang)
    pairs = tree.query_pairs(_CLOSEST_ANG, output_type="ndarray") // 3
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]].max(axis=1))


def fill_with_water(
    box: Atoms, num_water: int, low_ang: float, high_ang: float, rng: np.random.Generator
) -> Atoms:
    """Add molecules on a grid between two heights of a rectangular cell; relax before use.

    Orientations are random, and drawn again where atoms of two molecules would overlap.
    """
    lx, ly = box.cell.lengths()[:2]
    height = high_ang - low_ang
    spacing = (lx * ly * height / num_water) ** (1 / 3)
    while True:
        grid = [max(1, int(length / spacing)) for length in (lx, ly, height)]
        if np.prod(grid) >= num_water:
            break
        spacing *= 0.99
    cells = np.stack(np.meshgrid(*[np.arange(g) + 0.5 for g in grid], indexing="ij"), axis=-1)
    sites = cells.reshape(-1, 3) / grid * [lx, ly, height] + [0, 0, low_ang]
    chosen = rng.permutation(sites)[:num_water]
    molecules = np.array([water_molecule(rng) + site for site in chosen])
    again = rng.spawn(1)[0]  # so that the others keep their orientations
    for _ in range(_DRAWS):
        clashing = _clashing(molecules, box.cell.lengths())
        if not len(clashing):
            break
        for i in clashing:
            molecules[i] = water_molecule(again) + chosen[i]
    filled = box + Atoms(["O", "H", "H"] * num_water, molecules.reshape(-1, 3))
    filled.pbc = True
    return filled


def natural_height_ang(nx: int, ny: int, num_water: int) -> float:
    """Cell height of zero normal pressure of ``num_water`` molecules on an ``nx, ny`` sheet."""
    lx, ly = graphene(nx, ny).cell.lengths()[:2]
    return float(num_water * WATER_VOLUME_ANG3 / (lx * ly) + SHEET_THICKNESS_ANG)


def graphene_water(
    nx: int = 6, ny: int = 3, num_water: int = 100, height_ang: float | None = None, seed: int = 1
) -> Atoms:
    """Graphene at z = 0 with water between it and its periodic image.

    The defaults are the paper's 372 atoms. Molecules stand on a grid: equilibrate before use.

    Args:
        nx: Rectangular graphene cells (4 atoms) along x.
        ny: The same along y.
        num_water: Molecules.
        height_ang: Cell height; by default that of zero normal pressure.
        seed: Of the random orientations.
    """
    sheet = graphene(nx, ny)
    height = height_ang or natural_height_ang(nx, ny, num_water)
    sheet.cell[2, 2] = height
    rng = np.random.default_rng(seed)
    return fill_with_water(sheet, num_water, 2.8, height - 2.8, rng)


def cubic_edge_ang(mass_u: float, density_gcm3: float) -> float:
    """Edge of a cube of that mass and density."""
    return float((mass_u / mol / density_gcm3 * 1e24) ** (1 / 3))


def water_box(num_water: int, edge_ang: float, seed: int = 1) -> Atoms:
    """A cubic periodic box of water; molecules on a grid: equilibrate before use."""
    box = Atoms(cell=[edge_ang] * 3, pbc=True)
    return fill_with_water(box, num_water, 0.0, edge_ang, np.random.default_rng(seed))
