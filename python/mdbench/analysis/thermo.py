"""Averages of the thermodynamic output: temperature, energies, pressure, density, drift."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mdbench.analysis.autocorrelation import (
    cautious_inefficiency,
    detect_equilibration,
    statistical_inefficiency,
)
from mdbench.analysis.statistics import mean_with_error, slope_with_error
from mdbench.errors import AnalysisError
from mdbench.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from mdbench.analysis.estimate import Estimate

    Floats = NDArray[np.float64]

_QUANTITIES = {
    "temperature": ("Temp", "K"),
    "potential_energy_per_atom": ("PotEng", "eV"),
    "total_energy_per_atom": ("TotEng", "eV"),
    "pressure": ("Press", "bar"),
    "density": ("Density", "g/cm3"),
    "volume": ("Volume", "A3"),
}
"""Column of LAMMPS (units metal) and unit of each quantity."""

_DRIFT = "drift_mev_per_atom_per_ns"
_VARIANCE_RATIO = "temperature_variance_ratio"
_SAME_FREEDOM = 0.01
"""Relative range in which a log's degrees of freedom stay, however its digits are rounded."""
_HARDLY_ANY = 0.02
"""Of the rows: left out without a word."""
_LONGEST_SERIES = 2000
FEWEST_ROWS = 4
_SUSPICIOUS = 3.0
"""Standard errors beyond which a difference is named."""

_MEV_PER_NS = 1e6
"""eV/ps in meV/ns."""


@dataclass(frozen=True)
class ThermoResult:
    """Averages over production, and the whole run in few enough points to plot."""

    equilibration_ps: float  # time at which production starts
    quantities: dict[str, Estimate]
    drift_mev_per_atom_per_ns: Estimate | None  # of the total energy; NVE only
    temperature_variance_ratio: Estimate | None  # to the canonical one, 2 T^2 / f; NVT only
    series: dict[str, Floats]  # time_ps and the quantities, means over equal stretches
    notes: tuple[str, ...]
    refused: dict[str, str]  # quantity -> reason


def thermo_averages(  # noqa: PLR0913 - a run is described by six things
    times_ps: Floats,
    columns: Mapping[str, Floats],
    num_atoms: int,
    *,
    ensemble: str | None = None,
    start_ps: float | None = None,
    temperature_k: float | None = None,
) -> ThermoResult:
    """Averages of a run's thermodynamic columns with their errors.

    Args:
        times_ps: [rows] increasing, at even distances.
        columns: Columns by LAMMPS's names (``Temp``, ``PotEng``...), in units metal.
        num_atoms: Number of atoms.
        ensemble: ``"nvt"``, ``"npt"``, ``"nve"``; None where it is unknown.
        start_ps: Start of production; None finds it from the potential energy (or, where the run
            has none, the temperature).
        temperature_k: Temperature of the thermostat.

    Raises:
        AnalysisError: where production has hardly any rows.
    """
    known = _known(columns, num_atoms)
    start, notes = _start(times_ps, known, start_ps)
    if len(times_ps) - start < FEWEST_ROWS:
        raise AnalysisError(
            f"{len(times_ps) - start} rows of thermodynamic output in production; "
            f"{FEWEST_ROWS} are needed at least"
        )
    found: dict[str, Estimate] = {}
    refused: dict[str, str] = {}
    production = {name: values[start:] for name, values in known.items()}
    freedom = degrees_of_freedom({name: c[start:] for name, c in columns.items()}, num_atoms)
    for name, estimate in _questions(times_ps[start:], production, freedom, ensemble):
        try:
            found[name] = estimate()
        except AnalysisError as error:
            refused[name] = str(error)
    drift, ratio = found.pop(_DRIFT, None), found.pop(_VARIANCE_RATIO, None)
    notes += _differs(ratio, 1.0, "the temperature's variance over the canonical one", "one")
    if ensemble in {"nvt", "npt"}:
        mean = found.get("temperature")
        notes += _differs(mean, temperature_k, "the mean temperature", "the thermostat's")
    series = _thinned(times_ps, known)
    return ThermoResult(float(times_ps[start]), found, drift, ratio, series, notes, refused)


def _known(columns: Mapping[str, Floats], num_atoms: int) -> dict[str, Floats]:
    """The quantities that the log has, energies by atom."""
    known = {
        name: columns[column] / (num_atoms if name.endswith("_per_atom") else 1.0)
        for name, (column, _) in _QUANTITIES.items()
        if column in columns
    }
    if not known:
        raise AnalysisError(f"the log has none of {', '.join(c for c, _ in _QUANTITIES.values())}")
    return known


def _questions(
    times_ps: Floats, known: Mapping[str, Floats], freedom: float, ensemble: str | None
) -> Iterator[tuple[str, Callable[[], Estimate]]]:
    """Name of each estimate and what makes it, from production alone."""
    for name, values in known.items():
        yield name, partial(mean_with_error, values, _QUANTITIES[name][1], name)
    if ensemble == "nve" and "total_energy_per_atom" in known:
        energy_mev = known["total_energy_per_atom"] * _MEV_PER_NS
        yield _DRIFT, partial(slope_with_error, times_ps, energy_mev, "meV/atom/ns", _DRIFT)
    if ensemble == "nvt" and "temperature" in known:
        yield _VARIANCE_RATIO, partial(_variance_ratio, known["temperature"], freedom)


def _start(
    times_ps: Floats, known: Mapping[str, Floats], start_ps: float | None
) -> tuple[int, tuple[str, ...]]:
    """First row of production, and whether the run had not settled by then."""
    name = next(iter(n for n in ("potential_energy_per_atom", "temperature") if n in known), None)
    start = 0 if start_ps is None else int(np.searchsorted(times_ps, start_ps - 1e-9))
    if name is None or len(times_ps) - start < FEWEST_ROWS:
        return start, ()
    settled, inefficiency, independent = detect_equilibration(known[name][start:])
    rows = len(times_ps) - start
    if start_ps is None:
        return settled, _left_out(name, times_ps, settled)
    # a few correlation times are within what the search finds in stationary series
    if settled > max(0.1 * rows, 5 * inefficiency) and independent > FEWEST_ROWS:
        note = (
            f"production starts at {start_ps:g} ps, but the {name.replace('_', ' ')} settles only "
            f"at about {times_ps[start + settled]:g} ps"
        )
        return start, (note,)
    return start, ()


def _left_out(name: str, times_ps: Floats, settled: int) -> tuple[str, ...]:
    """What is said where production was looked for, and not all rows are in it."""
    if settled <= _HARDLY_ANY * len(times_ps):
        return ()
    note = (
        f"{times_ps[0]:g} to {times_ps[settled]:g} ps are left out: the {name.replace('_', ' ')} "
        "settles only then"
    )
    late = settled > 0.5 * len(times_ps)
    return (f"{note}, if at all; run longer" if late else note,)


def degrees_of_freedom(columns: Mapping[str, Floats], num_atoms: int) -> float:
    """2 K / (kB T) of a log that has energies and temperature; 3 N - 3 of others.

    Rigid molecules have fewer than 3 N - 3, and the log itself says how many.

    Args:
        columns: By LAMMPS's names, in units metal.
        num_atoms: Number of atoms.
    """
    usual = 3.0 * num_atoms - 3.0
    kinetic_ev, temperature_k = _kinetic_ev(columns), columns.get("Temp")
    if kinetic_ev is None or temperature_k is None or not (temperature_k > 0).any():
        return usual
    moving = temperature_k > 0
    found = 2.0 * kinetic_ev[moving] / (BOLTZMANN_EV_PER_K * temperature_k[moving])
    freedom = float(np.median(found))
    if not np.ptp(found) < _SAME_FREEDOM * freedom <= _SAME_FREEDOM * 3 * num_atoms:
        return usual
    # digits that the log leaves out scatter what is really 3 N - 3
    rounding = _SUSPICIOUS * 1.25 * np.std(found) / np.sqrt(len(found))
    return usual if abs(freedom - usual) <= max(0.5, rounding) else freedom


def _kinetic_ev(columns: Mapping[str, Floats]) -> Floats | None:
    """Kinetic energy, as it is in the log or what the potential energy leaves of the total."""
    if "KinEng" in columns:
        return columns["KinEng"]
    if {"TotEng", "PotEng"} <= columns.keys():
        return columns["TotEng"] - columns["PotEng"]
    return None


def _variance_ratio(temperature_k: Floats, freedom: float) -> Estimate:
    """Variance of the kinetic temperature over the canonical one, 2 T^2 / f.

    The kinetic energy of f quadratic degrees of freedom is chi-squared distributed, so the
    temperature has the variance 2 T^2 / f (Allen and Tildesley, Computer Simulation of Liquids,
    section 2.5); a thermostat that rescales velocities narrows it.
    """
    if not temperature_k.all():
        raise AnalysisError("variance of the temperature: the temperature is zero")
    canonical = 2.0 * temperature_k.mean() ** 2 / freedom
    # correlated samples fall short of the variance by the variance of their mean
    rows = len(temperature_k)
    unbiased = 1.0 - statistical_inefficiency(temperature_k) / rows
    squares = (temperature_k - temperature_k.mean()) ** 2 / canonical / unbiased
    found = mean_with_error(squares, "1", "variance of the temperature")
    # squares of Gaussian numbers; where these correlate, the squares do for at least half as long
    n_eff = min(found.n_eff or rows, max(2.0 * rows / cautious_inefficiency(temperature_k), 2.0))
    return replace(found, error=found.value * math.sqrt(2.0 / (n_eff - 1.0)), n_eff=n_eff)


def _differs(
    found: Estimate | None, expected: float | None, what: str, than: str
) -> tuple[str, ...]:
    if (
        found is None
        or expected is None
        or abs(found.value - expected) <= _SUSPICIOUS * found.error
    ):
        return ()
    note = (
        f"{what} is {found.value:.4g} +- {found.error:.2g}, {than} {expected:g}: more than "
        f"{_SUSPICIOUS:g} standard errors apart"
    )
    return (note,)


def _thinned(times_ps: Floats, known: Mapping[str, Floats]) -> dict[str, Floats]:
    """Means over at most 2000 stretches of equally many rows; the last may be shorter."""
    length = -(-len(times_ps) // _LONGEST_SERIES)
    starts = np.arange(0, len(times_ps), length)
    rows = np.diff(np.append(starts, len(times_ps)))
    return {
        name: np.add.reduceat(values, starts) / rows
        for name, values in {"time_ps": times_ps, **known}.items()
    }
