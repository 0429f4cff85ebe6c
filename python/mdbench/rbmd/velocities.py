"""Velocities to start from: of exactly the temperature, at rest as a whole, rigid where asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import StructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.molecules.system import MolecularSystem, Units

_KELVIN: dict[Units, float] = {
    "real": 48.88821291**2 / 0.0019872067,
    "metal": 1.0364269e-4 / 8.617343e-5,
}
"""LAMMPS's: u x velocity^2, in kelvin."""


def free_directions(system: MolecularSystem, *, rigid: bool) -> int:
    """Degrees of freedom that a temperature counts: 3 N - 3, less 3 for each rigid triple."""
    return 3 * len(system) - 3 - (3 * len(system.of("angle").kinds) if rigid else 0)


def draw_velocities(
    system: MolecularSystem, kelvin: float, seed: int, *, rigid: bool
) -> NDArray[np.float64]:
    """[N, 3] Gaussian velocities in the system's units: A/fs (real) or A/ps (metal).

    They are drawn of every atom by itself. Where molecules are rigid, what would stretch one is
    taken out by the smallest change that masses allow, which leaves a Gaussian of the motions that
    remain. Then the momentum of the whole is taken out and the rest is scaled to the temperature.

    Args:
        system: Atoms; each of them in one angle where ``rigid``.
        kelvin: Temperature.
        seed: Of the generator.
        rigid: All distances within the atoms of an angle are kept.

    Raises:
        StructureError: when there is nothing that could move.
    """
    if free_directions(system, rigid=rigid) < 1:
        raise StructureError(f"{len(system)} atom has no temperature: give more atoms")
    masses = np.array([0.0, *system.masses])[system.types][:, None]
    drawn = np.random.default_rng(seed).normal(size=(len(system), 3)) / np.sqrt(masses)
    if rigid:
        drawn = _without_stretching(system, drawn, masses)
    drawn -= (masses * drawn).sum(0) / masses.sum()
    has_k = _twice_kinetic_k(system, drawn) / free_directions(system, rigid=rigid)
    return np.asarray(drawn * np.sqrt(kelvin / has_k))


def _twice_kinetic_k(system: MolecularSystem, velocities: NDArray[np.float64]) -> float:
    masses = np.array([0.0, *system.masses])[system.types]
    return _KELVIN[system.units] * float((masses * (velocities**2).sum(1)).sum())


def _without_stretching(
    system: MolecularSystem, velocities: NDArray[np.float64], masses: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The nearest velocities, weighted by mass, that keep the distances of each triple."""
    atoms, along = system.of("angle").atoms, _directions(system)
    inverse = 1 / masses[atoms][..., 0]  # [angles, 3 atoms]
    # row c of the constraints: the atom that the pair c begins with, and the one that it ends with
    begins, ends = np.array([0, 1, 2]), np.array([1, 2, 0])
    jacobian = np.zeros((len(atoms), 3, 3, 3))  # [angles, constraint, atom, xyz]
    for c in range(3):
        jacobian[:, c, begins[c]] = along[:, c]
        jacobian[:, c, ends[c]] = -along[:, c]
    matrix = np.einsum("tcad,ta,tead->tce", jacobian, inverse, jacobian)
    rate = np.einsum("tcad,tad->tc", jacobian, velocities[atoms])
    impulse = np.linalg.pinv(matrix) @ rate[..., None]
    change = np.einsum("tcad,ta,tc->tad", jacobian, inverse, impulse[..., 0])
    kept = velocities.copy()
    kept[atoms] -= change
    return kept


def _differences(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """[angles, 3 pairs, 3] First less second, second less third, third less first."""
    return vectors - np.roll(vectors, -1, axis=1)


def _directions(system: MolecularSystem) -> NDArray[np.float64]:
    """[angles, 3 pairs, 3] Unit vectors between the atoms of each angle, nearest images."""
    apart = _differences(system.positions[system.of("angle").atoms])
    apart -= np.round(apart / system.lengths) * system.lengths
    return np.asarray(apart / np.linalg.norm(apart, axis=-1, keepdims=True))
