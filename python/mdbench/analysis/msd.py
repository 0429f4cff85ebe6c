"""Mean squared displacement over all time origins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mdbench.analysis.correlation import lag_sums, summed_power
from mdbench.analysis.lag_moments import LagMoments
from mdbench.analysis.trajectories import (
    MEMORY_LIMIT_BYTES,
    AtomSeries,
    atoms_at_rest,
    atoms_of,
    equal_spacing,
)
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.frames import FrameSource

_WRAPPED_KURTOSIS = 5.0  # of steps; 5/3 for Gaussian ones in three dimensions, 3 in one


@dataclass(frozen=True)
class MsdOptions:
    """How a mean squared displacement is taken."""

    start_ps: float = 0.0
    """Frames before are left out: the equilibration."""
    dimensions: str = "xyz"
    """Cartesian directions that count: "xy" for slabs; "auto" takes the periodic ones."""
    remove_drift: bool = True
    """Subtract the centre of mass of all atoms of the system; never where atoms are fixed."""
    relative_to: NDArray[np.bool_] | None = None
    """[atoms] whose centre of mass is subtracted in place of that; also where atoms are fixed."""
    memory_limit: int = MEMORY_LIMIT_BYTES


@dataclass(frozen=True)
class MsdResult:
    """Mean squared displacement of an element, from lag 0 to half the time."""

    element: str
    num_atoms: int
    dimensions: str
    interval_ps: float
    frames: int
    lag_ps: NDArray[np.float64]  # [lags]
    msd_ang2: NDArray[np.float64]  # [lags]
    msd_error_ang2: NDArray[np.float64]  # [lags] one sigma
    note: str
    """What was left out of the trajectory, and why; empty when nothing was."""
    relative_to: str
    """What does not move by definition."""
    moments: LagMoments = field(repr=False)


def mean_squared_displacement(
    source: FrameSource, element: str, options: MsdOptions | None = None
) -> MsdResult:
    """Mean squared displacement of the atoms of an element.

    MSD(n) = <|r(t + n) - r(t)|^2> over atoms and all time origins t, by the S1 - 2 S2 algorithm
    in O(T log T) (Calandrini et al., Collection SFN 12, 201 (2011)), in float64.

    The mass-weighted centre of mass of all atoms is subtracted. A simulation that conserves
    momentum keeps it in place anyway, with a sheet in a liquid too; thermostats and float32
    forces let it wander. Where every particle is kicked on its own (Langevin), this takes the
    share m/M of a particle's own motion away: 1/N of D for N equal particles. Where atoms were
    held in place (``atoms_at_rest``), displacements are relative to them, and they are no part of
    the mean. Along a wall, held or not, a liquid slides as a whole; its molecules share that
    motion, which dies out as 1/N in larger systems and adds to D in small ones: take it out with
    ``relative_to`` the liquid's atoms (``Confinement.partners``). Positions are taken
    as unwrapped by the simulation; in NPT they scale with the box, and so do displacements, by
    the relative fluctuation of its length (1e-3 or less in a liquid).

    Errors are one sigma: the spread between atoms times the number of atoms that move as one,
    which the fluctuation in time of the mean over atoms gives (``LagMoments.collectivity``).

    Args:
        source: Unwrapped positions, equally spaced in time.
        element: Whose atoms are averaged.
        options: Start, directions, drift, memory.

    Raises:
        AnalysisError: when frames are too few, missing, or wrapped into the cell, or no atom moves.
    """
    options = options or MsdOptions()
    dimensions = _directions(options.dimensions, source.pbc)
    series, fixed = _series_of(source, element, dimensions, options)
    frames, atoms = series.sampling.count, len(series.atoms)
    moments = LagMoments.empty(frames, atoms)
    power, squares, longest = np.zeros(1), np.zeros(frames), 0.0
    for chosen, positions in series:
        # About the mean: only displacements count, and small numbers keep the sums precise.
        chunk = np.subtract(positions, positions.mean(axis=2, keepdims=True), out=positions)
        longest = max(longest, moments.add(chosen, chunk))
        power = power + summed_power(chunk)
        squares += np.einsum("act,act->t", chunk, chunk)
    moments = replace(moments, longest_step_ang=longest)
    _check_unwrapped(source, moments, series.sampling.first)
    msd = _assemble(power, squares, frames // 2) / atoms
    return MsdResult(
        element=element,
        num_atoms=atoms,
        dimensions=dimensions,
        interval_ps=series.sampling.interval_ps,
        frames=frames,
        lag_ps=np.arange(len(msd), dtype=np.float64) * series.sampling.interval_ps,
        msd_ang2=msd,
        msd_error_ang2=_errors(moments, msd, len(dimensions)),
        note="; ".join(note for note in (series.sampling.note, fixed) if note),
        relative_to=_reference(series),
        moments=moments,
    )


def _series_of(
    source: FrameSource, element: str, dimensions: str, options: MsdOptions
) -> tuple[AtomSeries, str]:
    """Of the atoms of an element that move, and what is said of those that do not."""
    atoms, sampling = atoms_of(source, element), equal_spacing(source, options.start_ps)
    at_rest = atoms_at_rest(source, options.start_ps)
    moving = atoms[~at_rest[atoms]]
    if not len(moving):
        raise AnalysisError(f"the atoms of {element} do not move")
    held = len(atoms) - len(moving)
    told = options.relative_to
    series = AtomSeries(
        source,
        moving,
        sampling,
        tuple("xyz".index(letter) for letter in dimensions),
        told is not None or (options.remove_drift and not at_rest.any()),
        options.memory_limit,
        told,
    )
    note = f"{held} of {len(atoms)} atoms, which do not move, are left out" if held else ""
    return series.within_limits(), note


def _reference(series: AtomSeries) -> str:
    """What displacements are relative to, in words."""
    if not series.remove_drift:
        return "the cell"
    count = "all" if series.drifting is None else f"{np.count_nonzero(series.drifting)}"
    return f"the centre of mass of {count} atoms"


def _directions(dimensions: str, pbc: NDArray[np.bool_]) -> str:
    """Checked letters out of "xyz"."""
    if dimensions == "auto":
        dimensions = "".join(letter for letter, p in zip("xyz", pbc, strict=True) if p) or "xyz"
    if dimensions not in {"x", "y", "z", "xy", "xz", "yz", "xyz"}:
        raise AnalysisError(f'dimensions {dimensions!r} are none of "xyz", "xy", "auto", "z", ...')
    return dimensions


def _assemble(
    power: NDArray[np.float64], squares: NDArray[np.float64], longest: int
) -> NDArray[np.float64]:
    """S1 - 2 S2 for lags 0 to ``longest``.

    Args:
        power: Summed power spectrum of the coordinates.
        squares: [frames] sum of squared coordinates.
        longest: Lag in frames.
    """
    frames, lags = len(squares), np.arange(longest + 1)
    total = np.concatenate([[0.0], np.cumsum(squares)])
    both_ends = total[frames - lags] + total[frames] - total[lags]
    msd = (both_ends - 2.0 * lag_sums(power, frames)[lags]) / (frames - lags)
    msd[0] = 0.0
    return np.asarray(np.maximum(msd, 0.0), dtype=np.float64)


def _errors(moments: LagMoments, msd: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """One sigma for each lag, interpolated between those of the grid."""
    grid = moments.lags
    collectivity = moments.collectivity()
    # Beyond a tenth of the time its own noise grows; what moves as one at that lag still does.
    last = int(np.searchsorted(grid, max(1, moments.frames // 10), side="right")) - 1
    collectivity[last:] = collectivity[last]
    relative = np.empty(len(grid))
    for k, n in enumerate(grid):
        variance = moments.spread(np.eye(len(grid))[k], collectivity[k])
        if variance == 0.0:  # few particles: Gaussian steps, correlated over one lag
            own = 2.0 / dimensions * msd[n] ** 2 * collectivity[k] / moments.per_particle.shape[1]
            variance = own * min(1.0, (2.0 * n * n + 1.0) / (3.0 * n * (moments.frames - n)))
        relative[k] = np.sqrt(variance) / msd[n] if msd[n] > 0.0 else 0.0
    lags = np.arange(len(msd))
    interpolated = np.interp(np.log(np.maximum(lags, 1)), np.log(grid), relative)
    return np.asarray(msd * interpolated, dtype=np.float64)


def _check_unwrapped(source: FrameSource, moments: LagMoments, first: int) -> None:
    """Refuse positions that jump across the cell: rare steps of its length among small ones.

    Raises:
        AnalysisError: when there are such steps.
    """
    if not source.pbc.any():
        return
    frame = next(iter(source.frames(first, first + 1)))
    edge = float(np.linalg.norm(frame.cell[source.pbc], axis=1).min())
    mean = moments.per_particle[0].mean()
    if moments.longest_step_ang > 0.5 * edge and moments.square[0] > _WRAPPED_KURTOSIS * mean**2:
        raise AnalysisError(
            f"an atom moves {moments.longest_step_ang:.3g} A between two frames in a cell of "
            f"{edge:.3g} A: the positions are wrapped; write unwrapped ones (dump_modify unwrap "
            "yes, or xu yu zu)"
        )
