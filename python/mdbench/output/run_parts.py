"""What all kinds of runs are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from mdbench.errors import OutputError
from mdbench.output.trajectory import AtomTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mdbench.output.thermo import ThermoTable
    from mdbench.output.trajectory import FileTrajectory

_MASS_TOLERANCE = 0.06  # u; inputs round masses, and Co and Ni are 0.24 apart


@dataclass(frozen=True)
class RunData:
    """What a run wrote, ready for analysis."""

    name: str
    folder: Path
    thermo: ThermoTable
    trajectory: FileTrajectory | None
    velocities: FileTrajectory | None  # its positions are velocities, Angstrom/ps
    temperature_k: float | None  # target
    ensemble: str | None  # nvt, npt, nve
    equilibration_ps: float  # production begins here; 0 if unknown
    provenance: dict[str, Any]
    notes: tuple[str, ...] = ()
    boundary: tuple[bool, bool, bool] = (True, True, True)
    """Periodic sides, as far as known."""


@dataclass(frozen=True)
class Hints:
    """What the user says about a run; ``None`` where its files are to say it."""

    trajectory: Path | None = None
    timestep_fs: float | None = None
    elements: Sequence[str] | None = None
    structure: Path | None = None


def element_of_mass(mass: float) -> str | None:
    """The element whose standard mass (u) is nearest, if it is near enough."""
    nearest = int(np.argmin(np.abs(atomic_masses[1:] - mass))) + 1
    if not abs(float(atomic_masses[nearest]) - mass) <= _MASS_TOLERANCE:
        return None
    return str(chemical_symbols[nearest])


def elements_of_types(masses: Mapping[int, float], labels: Mapping[int, str]) -> dict[int, str]:
    """Symbols by atom type: the labels of a data file, else by mass (u)."""
    guesses = {k: element_of_mass(m) for k, m in masses.items()}
    return {k: s for k, s in guesses.items() if s} | dict(labels)


def _refuse_swapped(symbols: Mapping[int, str], masses: Mapping[int, float]) -> None:
    """Elements that are right but for their order; masses of groups and hydrogens' pass."""
    of_mass = {kind: element_of_mass(masses[kind]) for kind in symbols if kind in masses}
    if Counter(of_mass.values()) != Counter(symbols.values()):
        return
    for kind, symbol in symbols.items():
        if of_mass[kind] != symbol:
            raise OutputError(
                f"atom type {kind} has the mass of {of_mass[kind]} ({masses[kind]:g} u), and "
                f"{symbol} is said of it: give elements in the order of the types"
            )


def atom_table(
    types: NDArray[np.int64],
    elements: Sequence[str] | Mapping[int, str],
    masses: Mapping[int, float],
    pbc: Sequence[bool],
) -> AtomTable:
    """Atoms of given types.

    Args:
        types: Type of each atom, from 1.
        elements: Symbol of each type, in order from type 1 or by type.
        masses: Mass of each type, u; standard ones for those that are missing.
        pbc: Periodic directions.

    Raises:
        OutputError: for a type without an element, and for elements in another order than masses.
    """
    by_type = elements if isinstance(elements, Mapping) else dict(enumerate(elements, 1))
    kinds, inverse = np.unique(types, return_inverse=True)
    numbers, weights = [], []
    for kind in kinds.tolist():
        symbol = by_type.get(kind)
        if symbol is None or symbol not in atomic_numbers:
            raise OutputError(
                f"atom type {kind} has no element ({len(by_type)} known): give elements, one "
                "symbol a type"
            )
        numbers.append(atomic_numbers[symbol])
        weights.append(masses.get(kind, float(atomic_masses[atomic_numbers[symbol]])))
    _refuse_swapped(by_type, masses)
    return AtomTable(
        np.array(numbers, np.int64)[inverse],
        np.array(weights, np.float64)[inverse],
        np.array(pbc, np.bool_),
    )
