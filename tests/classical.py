"""Systems of classical force fields for tests, and specifications for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mdbench.molecules.system import MolecularSystem, Terms
from mdbench.molecules.write import write_molecules
from mdbench.structure import water_box

if TYPE_CHECKING:
    from pathlib import Path

KCAL_EV = 0.0433641153087705  # kcal/mol in eV
ANG_FS, ANG_PS = 1.0, 1e-3

SPC = ((0.1554253, 3.165492), (0.0, 1.0))
RIGID_ANGLE_DEG = 109.47122063449069


def plain(positions, edge, masses, elements, types=None, **more):
    """A system of style atomic unless told otherwise."""
    count = len(positions)
    edges = np.broadcast_to(np.asarray(edge, float), 3)
    given = {
        "atom_style": "atomic", "units": "real", "low": np.zeros(3), "high": edges.copy(),
        "types": np.ones(count, np.int64) if types is None else np.asarray(types, np.int64),
        "positions": np.asarray(positions, float), "masses": tuple(masses),
        "labels": tuple(elements), "charges": np.zeros(count),
        "molecules": np.zeros(count, np.int64), "images": np.zeros((count, 3), np.int64),
    }
    return MolecularSystem(**{**given, **more})


def water(num_water=64, edge=12.4171, *, angle_deg=113.24, r0=1.012, seed=1):
    """SPC/Fw water in units real, or another flexible or rigid three-site model; O H H."""
    atoms = water_box(num_water, edge, seed=seed)
    oxygen = np.arange(num_water) * 3
    bonds = np.concatenate([np.stack([oxygen, oxygen + k], 1) for k in (1, 2)])
    angles = np.stack([oxygen + 1, oxygen, oxygen + 2], 1)
    terms = {
        "bond": Terms(np.ones(len(bonds), np.int64), bonds, ((529.581, r0),)),
        "angle": Terms(np.ones(num_water, np.int64), angles, ((37.95, angle_deg),)),
    }
    return plain(atoms.positions, edge, (15.9994, 1.008), ("O", "H"), [1, 2, 2] * num_water,
                 atom_style="full", charges=np.tile([-0.82, 0.41, 0.41], num_water),
                 molecules=np.repeat(np.arange(1, num_water + 1), 3), pair_coefficients=SPC,
                 terms=terms).wrapped()


def crystal(edge, cells, mass, element, *, sigma=0.05, seed=1, **more):
    """An fcc crystal, rattled."""
    base = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    positions = ((grid + base) * edge).reshape(-1, 3)
    positions += np.random.default_rng(seed).normal(scale=sigma, size=positions.shape)
    return plain(positions, edge * cells, (mass,), (element,), **more).wrapped()


def argon(cells=4, *, units="real", density_edge=5.6):
    """Lennard-Jones argon; the same in both units."""
    epsilon = 0.238 if units == "real" else 0.238 * KCAL_EV
    return crystal(density_edge, cells, 39.948, "Ar", units=units,
                   pair_coefficients=((epsilon, 3.405),))


def salt(units="metal"):
    """Two kinds of ions with soft cores, two to one, and different sizes for mixing."""
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)[:63]
    types = rng.permutation([1] * 21 + [2] * 42)
    charges = np.where(types == 1, 1.2, -0.6)
    positions = grid * 3.4 + rng.normal(scale=0.15, size=(63, 3)) + [1.5, -2.0, 0.3]
    return plain(positions, 13.6, (40.078, 18.998), ("Ca", "F"), types, atom_style="charge",
                 units=units, charges=charges, pair_coefficients=((0.01, 2.9), (0.006, 3.3)),
                 low=np.array([1.0, -2.5, 0.0]), high=np.array([14.6, 11.1, 13.6])).wrapped()


def chains(dihedral="harmonic", improper="harmonic"):
    """Bent chains of six with every kind of term, charges, and two types each."""
    rng = np.random.default_rng(7)
    shape = np.array([[0, 0, 0], [1.5, 0.2, 0], [2.1, 1.5, 0.3], [3.6, 1.4, 0.9], [4.2, 2.7, 0.5],
                      [1.9, -0.7, 1.2]])
    positions = np.concatenate([shape + [8 * (m % 2), 6 * (m // 2 % 2), 5 * (m // 4)]
                                for m in range(8)])
    positions += rng.normal(scale=0.1, size=positions.shape)
    first = 6 * np.arange(8)[:, None]

    def terms(rows, kinds, coefficients):
        atoms = (first[:, :, None] + np.array(rows)).reshape(-1, len(rows[0]))
        return Terms(np.tile(kinds, 8), atoms, coefficients)

    harmonic = ((0.9, 1, 3), (1.3, -1, 2))
    opls = ((1.3, -0.05, 0.2, 0.1), (0.6, 0.4, -0.3, 0.7))
    return plain(
        positions, (16.0, 13.0, 12.0), (12.011, 1.008, 15.999), ("C", "H", "O"),
        [1, 1, 3, 1, 1, 2] * 8, atom_style="full",
        charges=np.tile([0.1, 0.2, -0.5, 0.1, 0.05, 0.05], 8),
        molecules=np.repeat(np.arange(1, 9), 6),
        pair_coefficients=((0.1094, 3.39967), (0.0157, 2.47135), (0.17, 3.00001)),
        terms={
            "bond": terms([[0, 1], [1, 2], [2, 3], [3, 4], [1, 5]], [1, 2, 2, 1, 1],
                          ((310.0, 1.526), (320.0, 1.41))),
            "angle": terms([[0, 1, 2], [1, 2, 3], [2, 3, 4], [0, 1, 5]], [1, 2, 1, 1],
                           ((50.0, 109.5), (60.0, 112.25))),
            "dihedral": terms([[0, 1, 2, 3], [1, 2, 3, 4], [5, 1, 2, 3]], [1, 2, 1],
                              harmonic if dihedral == "harmonic" else opls),
            "improper": terms([[1, 0, 2, 5]], [1],
                              ((40.0, 35.3),) if improper == "harmonic" else ((1.1, -1, 2),)),
        },
    ).wrapped()


def copper(cells=4):
    """For Cu_u3.eam; a mass that is not the file's."""
    return crystal(3.615, cells, 63.546, "Cu", units="metal")


def write(folder: Path, system: MolecularSystem, name="system.data") -> Path:
    """A data file as users have it."""
    write_molecules(folder / name, system, system.labels, coefficients=True)
    return folder / name


def with_velocities(system, temperature_k, seed=3):
    """Velocities of a temperature, without drift."""
    masses = np.array([0.0, *system.masses])[system.types][:, None]
    # sqrt(kT/m) in Angstrom/ps: k_B in u Angstrom^2/ps^2/K
    drawn = np.random.default_rng(seed).normal(size=(len(system), 3))
    drawn *= np.sqrt(0.8314462618 * temperature_k / masses)
    drawn -= (drawn * masses).sum(axis=0) / masses.sum()
    return replace(system, velocities=drawn * (ANG_PS if system.units == "real" else 1.0))
