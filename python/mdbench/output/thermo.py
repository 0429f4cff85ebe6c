"""Tables of thermodynamic output, in metal units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.output.text import rows_to_keep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KCAL_PER_MOL_EV = 4184.0 / 96485.33212  # J per kcal over the Faraday constant in C/mol (2018)
ATM_BAR = 1.01325
TIME_FS = {"metal": 1e3, "real": 1.0}
"""Time unit of each unit style that can be read."""
DEFAULT_TIMESTEP = {"metal": 1e-3, "real": 1.0}

ENERGIES = frozenset(
    ["PotEng", "TotEng", "KinEng", "Enthalpy", "Ecouple", "Econserve"]
    + [f"E_{k}" for k in ("pair", "vdwl", "coul", "long", "tail")]
    + [f"E_{k}" for k in ("mol", "bond", "angle", "dihed", "impro")]
)
_PRESSURES = frozenset(["Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"])
_FORCES = frozenset(["Fmax", "Fnorm"])
_TIMES = frozenset(["Time", "Dt"])


@dataclass(frozen=True)
class ThermoTable:
    """Thermodynamic output: columns by LAMMPS's names in eV, Angstrom, ps, K, bar, g/cm3."""

    steps: NDArray[np.int64]
    times_ps: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.steps)

    def every(self, steps: int) -> ThermoTable:
        """Rows of multiples of a number of steps: without those of stops in between."""
        kept = self.steps % steps == 0
        columns = {name: values[kept] for name, values in self.columns.items()}
        return ThermoTable(self.steps[kept], self.times_ps[kept], columns)


def metal_factor(column: str, units: str) -> float:
    """What a column of a log in ``units`` is multiplied by; 1 for names that users gave."""
    if units == "metal":
        return 1.0
    if column in ENERGIES or column in _FORCES:
        return KCAL_PER_MOL_EV
    if column in _PRESSURES:
        return ATM_BAR
    return 1e-3 if column in _TIMES else 1.0


def join_tables(tables: Sequence[ThermoTable]) -> ThermoTable:
    """Tables one behind the other; steps that repeat or go back by ``rows_to_keep``.

    Kept are the columns that all tables with a row left in the result share.
    """
    tables = [t for t in tables if len(t)]
    if not tables:
        return ThermoTable(np.empty(0, np.int64), np.empty(0), {})
    steps = np.concatenate([t.steps for t in tables])
    keep = rows_to_keep(steps)
    first = np.cumsum([0, *(len(t) for t in tables)])
    used = [
        t
        for t, a, b in zip(tables, first, first[1:], strict=False)
        if np.searchsorted(keep, a) < np.searchsorted(keep, b)
    ]
    names = [n for n in used[-1].columns if all(n in t.columns for t in used)]
    columns = {
        n: np.concatenate([t.columns.get(n, np.full(len(t), np.nan)) for t in tables])[keep]
        for n in names
    }
    times_ps = np.concatenate([t.times_ps for t in tables])[keep]
    return ThermoTable(steps[keep], times_ps, columns)
