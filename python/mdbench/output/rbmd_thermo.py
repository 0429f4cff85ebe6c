"""Thermodynamic output of RBMD, in metal units and by LAMMPS's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.output.rbmd_tables import read_rbmd_table
from mdbench.output.text import integers, rows_to_keep
from mdbench.output.thermo import ThermoTable, metal_factor
from mdbench.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mdbench.output.rbmd_tables import RbmdTable
    from mdbench.output.trajectory import FileTrajectory

    Floats = NDArray[np.float64]

MASS_VELOCITY_SQUARED_EV = 1.03642696e-4  # u (Angstrom/ps)^2, CODATA 2018
U_PER_ANG3_GCM3 = 1.66053907
_MACE_KCAL_PER_EV = 23.0605  # by which RBMD multiplies
_BONDED = {"BondEnergy": "bonds", "AngleEnergy": "angles", "DihedralEnergy": "dihedrals"}
_NON_BONDED = ("VanderWaalsEnergy", "NearCoulombicEnergy", "FarCoulombicEnergy")
_FEWEST = 3
_FEWEST_SHARED = 4


@dataclass(frozen=True)
class Amounts:
    """What energies by atom, bond, angle and dihedral are multiplied with."""

    num_atoms: int
    counts: Mapping[str, int]  # bonds, angles, dihedrals
    has_molecules: bool  # the force field is CVFF, whose energy adds those by bond


@dataclass(frozen=True)
class _Part:
    """Columns that one file gives."""

    steps: NDArray[np.int64]
    columns: dict[str, Floats]


def read_thermo_files(
    folder: Path, units: str, timestep_fs: float, amounts: Amounts
) -> tuple[ThermoTable | None, list[str]]:
    """Energies, temperature and pressure of the files that RBMD wrote of them.

    Args:
        folder: Where ``energy.rbmd`` and ``temperature.rbmd`` (2.2) or ``thermo.txt`` (2.0) are.
        units: ``real`` or ``metal``.
        timestep_fs: Times are steps times this.
        amounts: Numbers of atoms and bonds.

    Returns:
        The rows of the steps that the files share, and notes; no table without rows.

    Raises:
        OutputError: for damage, naming file and line.
    """
    parts: list[_Part] = []
    notes: list[str] = []
    for name, convert in (
        ("energy.rbmd", _energies),
        ("temperature.rbmd", _temperatures),
        ("thermo.txt", _mace_energies),
    ):
        if not (folder / name).is_file():
            continue
        table = read_rbmd_table(folder / name, units)
        notes += table.notes
        columns = convert(table, units, amounts, notes)
        part = _finite(table, columns, notes)
        if len(part.steps):
            parts.append(part)
        else:
            notes.append(f"'{name}' holds no rows: RBMD stopped before it wrote one")
    return (_join(parts, timestep_fs, notes) if parts else None), notes


def _energies(
    table: RbmdTable, units: str, amounts: Amounts, notes: list[str]
) -> dict[str, Floats]:
    """Energies of the whole system: RBMD's are by atom, and by bond, angle or dihedral."""
    values = table.columns
    atoms, factor = amounts.num_atoms, metal_factor("PotEng", units)
    columns = {"KinEng": values["KinticEnergy"] * atoms * factor}
    if not amounts.has_molecules:
        columns["PotEng"] = values["PotentialEnergy"] * atoms * factor
    else:
        non_bonded = values.get("NonBonEnergy")
        if non_bonded is None and set(_NON_BONDED) <= values.keys():
            non_bonded = np.sum([values[n] for n in _NON_BONDED], axis=0)
        missing = [n for n, kind in _BONDED.items() if amounts.counts.get(kind) and n not in values]
        if non_bonded is None or missing:
            lacks = ", ".join(missing) or "NonBonEnergy"
            notes.append(f"'{table.path.name}' has no potential energy: no column {lacks}")
            return columns
        potential = non_bonded * atoms
        for name, kind in _BONDED.items():
            if number := amounts.counts.get(kind, 0):
                potential = potential + values[name] * number
        columns["PotEng"] = potential * factor
        notes.append(
            f"the sums in '{table.path.name}' add energies by bond, angle and dihedral to energies "
            "by atom: potential and total energy are computed anew from their parts"
        )
    columns["TotEng"] = columns["PotEng"] + columns["KinEng"]
    return columns


def _temperatures(
    table: RbmdTable, units: str, amounts: Amounts, notes: list[str]
) -> dict[str, Floats]:
    del amounts, notes
    found = {"Temp": table.columns["Temperature"]}
    if "Pressure" in table.columns:
        found["Press"] = table.columns["Pressure"] * metal_factor("Press", units)
    return found


def _mace_energies(
    table: RbmdTable, units: str, amounts: Amounts, notes: list[str]
) -> dict[str, Floats]:
    del units, amounts, notes
    return {"PotEng": table.columns["mace_energy"] / _MACE_KCAL_PER_EV}


def _finite(table: RbmdTable, columns: dict[str, Floats], notes: list[str]) -> _Part:
    """Rows up to the first that holds no finite number."""
    steps = integers(table.columns["Step" if "Step" in table.columns else "step"])
    fine = np.all([np.isfinite(c) for c in columns.values()], axis=0)
    if not fine.all():
        first = int(np.argmin(fine))
        notes.append(
            f"'{table.path.name}', line {table.lines[first]}: energies or temperatures are no "
            f"finite numbers from step {steps[first]} on: the simulation broke down; the rows from "
            "there on are left out"
        )
        steps, columns = steps[:first], {n: c[:first] for n, c in columns.items()}
    keep = rows_to_keep(steps)
    return _Part(steps[keep], {n: c[keep] for n, c in columns.items()})


def _join(parts: Sequence[_Part], timestep_fs: float, notes: list[str]) -> ThermoTable:
    """Rows of the steps that all parts have; parts that share hardly any with the first are not."""
    steps, used = parts[0].steps, [parts[0]]
    for part in parts[1:]:
        shared = np.intersect1d(steps, part.steps)
        if 2 * len(shared) < len(steps):
            names = ", ".join(part.columns)
            notes.append(f"{names} have other steps than the energies and are left out")
            continue
        steps = shared
        used.append(part)
    gaps = np.diff(steps)
    if len(steps) >= _FEWEST and gaps[-1] != gaps[-2]:
        steps = steps[:-1]  # the run's last step, which is written whatever the interval
    columns: dict[str, Floats] = {}
    for part in used:
        at = np.searchsorted(part.steps, steps)
        columns |= {n: c[at] for n, c in part.columns.items()}
    return ThermoTable(steps, steps * np.float64(timestep_fs * 1e-3), columns)


def join_frames(table: ThermoTable | None, frames: ThermoTable, notes: list[str]) -> ThermoTable:
    """What both say of the steps that both have; the first alone where they share too few.

    Only frames tell volume, density and, without ``temperature.rbmd``, the temperature.
    """
    if table is None or not len(table):
        return frames
    shared = np.intersect1d(table.steps, frames.steps)
    names = ", ".join(n for n in frames.columns if n not in table.columns)
    if len(shared) < _FEWEST_SHARED:
        notes.append(
            f"no {names}: only frames tell, and thermo_out and trajectory_out have no steps in "
            "common: make one interval a multiple of the other"
        )
        return table
    if len(shared) < len(table) - 1:
        notes.append(
            f"of {len(table)} rows of thermodynamic output the {len(shared)} at steps of frames "
            f"are kept, as only frames tell {names}"
        )
    at, frame = np.searchsorted(table.steps, shared), np.searchsorted(frames.steps, shared)
    columns = {n: c[frame] for n, c in frames.columns.items()}
    columns |= {n: c[at] for n, c in table.columns.items()}
    return ThermoTable(shared, table.times_ps[at], columns)


def of_frames(source: FileTrajectory, removed: int | None = None) -> ThermoTable:
    """Volume and density in each frame; temperature and kinetic energy too of velocities.

    Args:
        source: Positions, or velocities in Angstrom/ps.
        removed: With velocities: degrees of freedom that are constrained, besides the three of
            the centre of mass, which rests.
    """
    masses = np.asarray(source.masses)
    volumes, kinetic_ev = [], []
    for frame in source.frames():
        volumes.append(abs(np.linalg.det(frame.cell)))
        if removed is not None:
            squares = (np.asarray(frame.positions, np.float64) ** 2).sum(axis=1)
            kinetic_ev.append(0.5 * MASS_VELOCITY_SQUARED_EV * float(masses @ squares))
    volume = np.array(volumes)
    columns = {"Volume": volume, "Density": float(masses.sum()) * U_PER_ANG3_GCM3 / volume}
    freedom = 0 if removed is None else 3 * len(masses) - 3 - removed
    if freedom > 0:
        kinetic = np.array(kinetic_ev)
        columns["KinEng"] = kinetic
        columns["Temp"] = 2.0 * kinetic / (freedom * BOLTZMANN_EV_PER_K)
        rows = np.cumprod(np.isfinite(kinetic)).sum()  # up to where the simulation broke down
        columns = {n: c[:rows] for n, c in columns.items()}
    rows = len(columns["Volume"])
    return ThermoTable(source.steps[:rows], source.times_ps[:rows], columns)


def with_fixed_volume(table: ThermoTable, cell: Floats, masses: Floats) -> ThermoTable:
    """The table with volume (Angstrom^3) and density (g/cm3) of a cell that stays."""
    volume = float(abs(np.linalg.det(cell)))
    density = float(masses.sum()) * U_PER_ANG3_GCM3 / volume
    fixed = {"Volume": volume, "Density": density}
    columns = {n: np.full(len(table), v) for n, v in fixed.items() if n not in table.columns}
    return ThermoTable(table.steps, table.times_ps, {**table.columns, **columns})
