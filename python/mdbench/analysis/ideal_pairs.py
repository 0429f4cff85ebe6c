"""How many pairs independent atoms would have: in a homogeneous bulk and in a slab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.analysis.pair_counts import PairTally

    Floats = NDArray[np.float64]

_MODES = 4
_SHORTEST_WAVE_ANG = 8.0
"""Layers closer than this are those of a crystal or a liquid, not of a slab."""

_LEAST_AMPLITUDE = 0.1
"""Of a homogeneous element's density waves, as |<exp(i k z)>|: a modulation by a fifth."""

_FALSE_ALARM = 1e-3
"""Chance that frozen atoms, spread at random over their sites, are taken for layers."""

_GAP_ANG = 6.0
_GAP_DENSITY = 0.1
"""A vacuum: this wide, and thinner than this part of the mean density."""


@dataclass(frozen=True)
class IdealPairs:
    """Reference of g(r): what independent atoms with the same density profile would count."""

    name: str  # "bulk" or "slab"
    axis: int | None  # direction along which a slab's density varies
    weight: Floats  # [blocks] sum over frames of 1 / volume, or of 1 / area for a slab
    note: str


def choose_ideal(tally: PairTally, pbc: NDArray[np.bool_]) -> IdealPairs:
    """Bulk where every element's density is even in all directions, slab where it is in two.

    Raises:
        AnalysisError: for matter surrounded by vacuum in more than one direction.
    """
    uneven = [axis for axis in range(3) if not pbc[axis] or _is_layered(tally, axis)]
    if not uneven:
        return IdealPairs("bulk", None, tally.per_volume, "")
    if len(uneven) == 1:
        axis = uneven[0]
        note = f"density varies along cell vector {'abc'[axis]}: normalised by its profile"
        return IdealPairs("slab", axis, tally.per_area[:, axis], note)
    if any(_has_gap(tally, axis) for axis in uneven):
        raise AnalysisError(
            "the density varies along more than one cell vector, with vacuum between: g(r) of a "
            "cluster or a wire has no reference"
        )
    note = "density varies along more than one cell vector: normalised as if it did not"
    return IdealPairs("bulk", None, tally.per_volume, note)


def expected_pairs(
    tally: PairTally, ideal: IdealPairs, kinds: tuple[int, int], edges: Floats, pairs: int
) -> Floats:
    """[bins] pairs that independent atoms would have in each bin, for a weight of one.

    In a slab an atom at height z sees the atoms at z' spread evenly over the area A, so that
    distances between r1 and r2 happen with the probability pi [(r2^2 - h^2)+ - (r1^2 - h^2)+] / A,
    where h = z - z'; this is summed over the profiles of both elements.

    Args:
        tally: Counts of the run.
        ideal: Which reference.
        kinds: The two elements' rows of the tally.
        edges: [bins + 1] Angstrom.
        pairs: Ordered pairs of the two elements that count.
    """
    if ideal.axis is None:
        return np.asarray(pairs * 4.0 / 3.0 * np.pi * np.diff(edges**3))
    profile = tally.heights[:, ideal.axis].sum(axis=0).astype(float)
    first, second = (np.fft.rfft(profile[k]) for k in kinds)
    bins = profile.shape[1]
    apart = np.fft.irfft(np.conj(first) * second, bins)
    if kinds[0] == kinds[1]:
        apart[0] -= profile[kinds[0]].sum()  # an atom in a frame is no pair with itself
    apart = np.maximum(apart, 0.0)
    height = float(tally.height_ang[ideal.axis])
    distance = np.fft.fftfreq(bins) * height
    near = np.abs(distance) < edges[-1]
    room = np.maximum(edges[:, None] ** 2 - distance[near] ** 2, 0.0)
    return np.asarray(np.pi * np.diff(room, axis=0) @ apart[near] * (pairs / apart.sum()))


def _is_layered(tally: PairTally, axis: int) -> bool:
    """Whether the density has a wave as long as the cell, half, a third or a quarter.

    That of all atoms, or of some element. Elements of a frozen alloy are spread at random over its
    sites: with N atoms, exp(-N x^2) is the chance that a wave is above x. All sites together are
    not random.
    """
    waves = int(np.clip(tally.height_ang[axis] // _SHORTEST_WAVE_ANG, 0, _MODES))
    if not waves:
        return False
    profile = tally.heights[:, axis]  # [blocks, kinds, bins]
    tests = 3 * profile.shape[1] * waves
    frames = float(tally.frames.sum())
    return _has_wave(profile, waves, np.log(tests / _FALSE_ALARM), frames) or _has_wave(
        profile.sum(axis=1, keepdims=True), waves, 1.0, frames
    )


def _has_wave(profile: NDArray[np.int64], waves: int, by_chance: float, frames: float) -> bool:
    """Whether a kind's wave is above sqrt(``by_chance`` / N), and the scatter of moving atoms."""
    atoms = profile.sum(axis=-1, keepdims=True)  # of [blocks, kinds, bins]
    wave = (np.fft.rfft(profile, axis=-1) / atoms)[..., 1 : waves + 1]
    frozen = np.sqrt(by_chance * frames / atoms.sum(axis=0))
    scatter = np.sqrt(wave.var(axis=0) / len(wave))
    return bool((np.abs(wave.mean(axis=0)) > _LEAST_AMPLITUDE + frozen + 3.0 * scatter).any())


def _has_gap(tally: PairTally, axis: int) -> bool:
    """Whether a layer of cell is nearly empty."""
    profile = tally.heights[:, axis].sum(axis=(0, 1))
    width = int(_GAP_ANG / float(tally.height_ang[axis]) * len(profile))
    sums = np.cumsum(np.concatenate([[0], profile, profile[:width]]))
    thinnest = (sums[width:] - sums[: len(sums) - width]).min() / max(width, 1)
    return bool(thinnest < _GAP_DENSITY * profile.mean())
