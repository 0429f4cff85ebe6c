"""Density of a liquid against the distance from a flat sheet, and where its first layer lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers

from mdbench.analysis.confinement import covers
from mdbench.analysis.estimate import Estimate
from mdbench.analysis.peaks import PeakFinder
from mdbench.analysis.statistics import (
    block_bootstrap,
    block_of_frame,
    caveat,
    error_of_minimum,
    merge_correlated,
    too_few,
)
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.frames import Frame, FrameSource

    Floats = NDArray[np.float64]

_LEAST_FLAT_ANG = 1.0
"""Greatest root-mean-square height of a sheet: ripples reach 0.5, two layers of graphene 1.7."""

_MOST_GROWTH = 1.5
"""How much taller than at first a cell may become."""

_SMOOTHING_ANG = 0.15
_LEAST_PROMINENCE = 0.1
"""Of a layer, in mean densities."""

_LAYER_HALF_WIDTH_ANG = 0.5
"""Atoms this near to the peak are watched for how long a layer remembers."""

_PER_NM3 = 1e3
_GCM3_PER_U_NM3 = 1.66053906660e-3


@dataclass(frozen=True)
class DistanceProfile:
    """Both sides of the sheet together."""

    distance_ang: Floats  # [bins / 2] centres
    number_per_nm3: Floats
    number_error: Floats


@dataclass(frozen=True)
class DensityProfile:
    """Profile along the sheet's normal, z = 0 at its mean, and folded over both sides."""

    element: str
    sheet: str
    z_ang: Floats  # [bins] centres, below and above the sheet
    number_per_nm3: Floats
    number_error: Floats
    mass_gcm3: Floats
    mass_error: Floats
    mass_of: str  # "H2O": a molecule for each atom of the element; otherwise the element
    folded: DistanceProfile
    peak_ang: Estimate | None  # first layer's distance; None where no layer stands out of noise
    closest_ang: Estimate
    bin_ang: float
    frames: int
    note: str  # why there are no errors; empty where there are


@dataclass
class _Tally:
    """Sums over the frames of each block."""

    counts: Floats  # [blocks, bins]
    volume: Floats  # [blocks, bins] Angstrom^3
    closest: Floats  # [blocks] Angstrom
    frames: Floats  # [blocks]


def density_profile(
    source: FrameSource,
    element: str,
    sheet: str,
    *,
    start_ps: float = 0.0,
    bin_ang: float = 0.1,
) -> DensityProfile:
    """Profile of an element's density against the distance from a sheet normal to cell vector c.

    Each frame's distances are from the mean of its own sheet, and its own area and height count,
    so drift and changing cells do no harm. Errors are from a bootstrap over blocks longer than the
    correlation of the first layer's filling; NaN where the run is too short to tell them.

    Args:
        source: The trajectory, periodic in all directions.
        element: Symbol; of oxygen with two hydrogens each the mass density is that of water.
        sheet: Symbol of the element that makes up the sheet.
        start_ps: Start of production.
        bin_ang: Width of the bins.

    Raises:
        AnalysisError: where there is no flat sheet, no such element, or no production.
    """
    groups = _atoms(source, element, sheet)
    first = int(np.searchsorted(source.times_ps, start_ps - 1e-9))
    tally = _count(source, first, groups, bin_ang)
    bins = tally.counts.shape[1]
    z_ang = (np.arange(bins) - bins / 2 + 0.5) * bin_ang
    samples = np.stack([tally.counts, tally.volume], axis=1)
    total = samples.sum(axis=0)
    merged, independent = merge_correlated(samples, _filling(tally, total, z_ang))
    number, error = _density(total), block_bootstrap(merged, _density)
    both = _fold(merged)
    folded_error = block_bootstrap(both, _density)
    folded = DistanceProfile(z_ang[bins // 2 :], _density(_fold(total)), folded_error)
    mass_u, mass_of = _mass(source, element)
    return DensityProfile(
        element=element,
        sheet=sheet,
        z_ang=z_ang,
        number_per_nm3=number,
        number_error=error,
        mass_gcm3=number * mass_u * _GCM3_PER_U_NM3,
        mass_error=error * mass_u * _GCM3_PER_U_NM3,
        mass_of=mass_of,
        folded=folded,
        peak_ang=_first_layer(folded, both, independent),
        closest_ang=_closest(tally),
        bin_ang=bin_ang,
        frames=int(tally.frames.sum()),
        note=too_few(independent),
    )


def _atoms(
    source: FrameSource, element: str, sheet: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    if element == sheet:
        raise AnalysisError(f"density of {element}: the sheet is made of {sheet} itself")
    found = []
    for symbol in (element, sheet):
        atoms = np.flatnonzero(source.numbers == atomic_numbers.get(symbol, -1))
        if not len(atoms):
            hint = "; analysis.sheet names the element of the sheet" if symbol == sheet else ""
            raise AnalysisError(f"density of {element} over {sheet}: there is no {symbol}{hint}")
        found.append(atoms)
    if not source.pbc.all():
        raise AnalysisError(
            f"density of {element} over {sheet}: the cell must be periodic in all directions"
        )
    return found[0], found[1]


def _count(
    source: FrameSource,
    first: int,
    groups: tuple[NDArray[np.intp], NDArray[np.intp]],
    bin_ang: float,
) -> _Tally:
    """Counts of the first group by their distance from the second."""
    block = block_of_frame(len(source.times_ps) - first)
    tally = None
    half = 0
    for number, frame in enumerate(source.frames(first)):
        height, area, distance = _distances(frame, *groups)
        if tally is None:
            if not covers(frame, groups[1], 2):
                raise AnalysisError(
                    f"step {frame.step}: the {len(groups[1])} atoms of the sheet leave much of the "
                    "plane of a and b empty: no sheet"
                )
            half = int(np.ceil(0.5 * _MOST_GROWTH * height / bin_ang))
            shape = (int(block[-1]) + 1, 2 * half)
            lower = np.arange(half) * bin_ang
            tally = _Tally(
                np.zeros(shape),
                np.zeros(shape),
                np.full(shape[0], np.inf),
                np.bincount(block).astype(float),
            )
        bins = np.floor(distance / bin_ang).astype(np.intp) + half
        if not 0 <= bins.min(initial=0) <= bins.max(initial=0) < 2 * half:
            raise AnalysisError(f"the cell grew by more than {_MOST_GROWTH:g} times in production")
        held = area * np.clip(0.5 * height - lower, 0.0, bin_ang)
        b = block[number]
        tally.counts[b] += np.bincount(bins, minlength=2 * half)
        tally.volume[b, half:] += held
        tally.volume[b, :half] += held[::-1]
        tally.closest[b] = min(tally.closest[b], np.abs(distance).min())
    if tally is None:
        raise AnalysisError("the trajectory gave no frame of production")
    # bins that the cell reaches in the fewer half of the frames would be all noise
    reached = tally.volume.sum(axis=0)
    kept = half - int(np.count_nonzero(reached[half:] > 0.5 * reached.max()))
    counts, volume = (x[:, kept : 2 * half - kept] for x in (tally.counts, tally.volume))
    return _Tally(counts, volume, tally.closest, tally.frames)


def _distances(
    frame: Frame, atoms: NDArray[np.intp], sheet: NDArray[np.intp]
) -> tuple[float, float, Floats]:
    """Height of the cell, area of the sheet, and distances from its mean to the nearest image."""
    along_c = np.linalg.inv(frame.cell)[:, 2]
    height = 1.0 / float(np.linalg.norm(along_c))
    area = abs(float(np.linalg.det(frame.cell))) / height
    z = frame.positions @ along_c  # in heights
    # the circular mean is near the mean wherever the sheet is wrapped; from there it is exact
    sheet_z = z[sheet]
    angle = 2.0 * np.pi * sheet_z
    near = math.atan2(np.sin(angle).sum(), np.cos(angle).sum()) / (2.0 * np.pi)
    deviation = sheet_z - near
    deviation -= np.round(deviation)
    mean = float(deviation.sum()) / len(sheet)
    spread = height * float(np.linalg.norm(deviation - mean)) / math.sqrt(len(sheet))
    if spread > _LEAST_FLAT_ANG:
        raise AnalysisError(
            f"step {frame.step}: the sheet's atoms spread by {spread:.1f} A "
            f"(root mean square) along the normal of a and b: not one flat sheet"
        )
    distance = z[atoms] - (near + mean)
    return height, area, height * (distance - np.round(distance))


def _fold(samples: Floats) -> Floats:
    """Both sides of the sheet together: [..., bins] to [..., bins / 2]."""
    half = samples.shape[-1] // 2
    return samples[..., half:] + samples[..., half - 1 :: -1]


def _density(total: Floats) -> Floats:
    """Atoms per nm^3 from [2, bins] counts and volumes."""
    return np.asarray(total[0] / total[1] * _PER_NM3)


def _finder(profile: DistanceProfile) -> PeakFinder:
    least = _LEAST_PROMINENCE * float(profile.number_per_nm3.mean())
    return PeakFinder.over_noise(profile.distance_ang, _SMOOTHING_ANG, profile.number_error, least)


def _filling(tally: _Tally, total: Floats, z_ang: Floats) -> Floats:
    """[blocks] atoms in the first layer; without one, in the half of the cell by the sheet."""
    distance, both = np.abs(z_ang), _fold(total)
    counts, volume = both
    error = np.sqrt(counts) / volume * _PER_NM3  # as if atoms came independently
    folded = DistanceProfile(z_ang[len(z_ang) // 2 :], _density(both), error)
    peak = _finder(folded).first_peak(folded.number_per_nm3)
    layer = np.abs(distance - peak) < _LAYER_HALF_WIDTH_ANG
    if not np.isfinite(peak):
        layer = distance < distance.max() / 2.0
    return np.asarray(tally.counts[:, layer].sum(axis=1) / tally.frames)


def _first_layer(folded: DistanceProfile, blocks: Floats, independent: float) -> Estimate | None:
    """Distance of the first maximum of the folded profile, from [blocks, 2, bins] of it.

    None where only noise has one, or where samples are too few for its error.
    """
    finder = _finder(folded)

    def peak(total: Floats) -> float:
        return finder.first_peak(_density(total))

    value = finder.first_peak(folded.number_per_nm3)
    error = float(block_bootstrap(blocks, peak))
    if not (np.isfinite(value) and np.isfinite(error)):
        return None
    method = (
        "parabola through the logarithm of the first maximum; bootstrap of "
        f"{len(blocks)} blocks of the production run{caveat(independent)}"
    )
    return Estimate(float(value), error, "A", method, independent)


def _closest(tally: _Tally) -> Estimate:
    error = error_of_minimum(tally.closest)
    method = "smallest distance seen, which falls as the run gets longer; bootstrap of blocks"
    return Estimate(float(tally.closest.min()), error, "A", method)


def _mass(source: FrameSource, element: str) -> tuple[float, str]:
    """Mass, u, that comes with each atom of the element, and of what."""
    of = {s: source.numbers == atomic_numbers[s] for s in (element, "H")}
    mass_u = float(source.masses[of[element]].mean())
    if element == "O" and of["H"].sum() == 2 * of["O"].sum():
        return mass_u + 2.0 * float(source.masses[of["H"]].mean()), "H2O"
    return mass_u, element
