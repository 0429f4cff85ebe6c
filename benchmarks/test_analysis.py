"""Analyses of frames in memory, timed: python -m pytest benchmarks/test_analysis.py.

`benchmarks/analysis.py` times whole analyses of long trajectories, with reading them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_vs_peers import structure

from mdbench import _core
from mdbench.analysis.autocorrelation import statistical_inefficiency
from mdbench.analysis.density import density_profile
from mdbench.analysis.msd import mean_squared_displacement
from mdbench.analysis.rdf import radial_distribution
from mdbench.analysis.vacf import velocity_autocorrelation
from mdbench.frames import ArrayFrames

FRAMES, INTERVAL_PS = 400, 0.002


def source(*, velocities: bool = False) -> ArrayFrames:
    """The interface of 372 atoms, each atom shaking about its place; or its velocities."""
    atoms = structure()
    shaking = 0.1 * np.random.default_rng(1).standard_normal((FRAMES, len(atoms), 3))
    return ArrayFrames(
        atoms.numbers.astype(np.int64),
        atoms.get_masses(),
        np.array(atoms.pbc),
        INTERVAL_PS * np.arange(FRAMES),
        shaking if velocities else atoms.positions + shaking,
        atoms.cell.array,
    )


def test_density_profile(benchmark: Any) -> None:  # noqa: ANN401
    """Oxygen over the sheet, with its errors."""
    benchmark(density_profile, source(), "O", "C")


def test_radial_distribution(benchmark: Any) -> None:  # noqa: ANN401
    """All six pairs to 6 A, with their errors."""
    benchmark(radial_distribution, source(), r_max_ang=6.0)


def test_mean_squared_displacement(benchmark: Any) -> None:  # noqa: ANN401
    """Of oxygen."""
    benchmark(mean_squared_displacement, source(), "O")


def test_velocity_autocorrelation(benchmark: Any) -> None:  # noqa: ANN401
    """Of all atoms."""
    benchmark(velocity_autocorrelation, source(velocities=True))


@pytest.mark.parametrize("values", [1_000, 100_000])
def test_statistical_inefficiency(benchmark: Any, values: int) -> None:  # noqa: ANN401
    """Of a series."""
    benchmark(statistical_inefficiency, np.random.default_rng(2).standard_normal(values))


def test_pair_counts(benchmark: Any) -> None:  # noqa: ANN401
    """One frame, to 6 A."""
    atoms = structure()
    kind = np.unique(atoms.numbers, return_inverse=True)[1].astype(np.int32)
    molecule = np.arange(len(atoms), dtype=np.int32)
    cell = np.ascontiguousarray(atoms.cell.array)
    benchmark(_core.count_pairs, atoms.positions, kind, molecule, cell, [True] * 3, 6.0, 120)
