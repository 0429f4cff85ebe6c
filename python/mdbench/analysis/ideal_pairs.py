"""How many pairs independent atoms would have: in a homogeneous bulk and in a slab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.analysis.heights import has_gap, uneven_axes
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.analysis.pair_counts import PairTally

    Floats = NDArray[np.float64]


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
    uneven = uneven_axes(tally, pbc)
    if not uneven:
        return IdealPairs("bulk", None, tally.per_volume, "")
    if len(uneven) == 1:
        axis = uneven[0]
        note = f"density varies along cell vector {'abc'[axis]}: normalised by its profile"
        return IdealPairs("slab", axis, tally.per_area[:, axis], note)
    if any(has_gap(tally, axis) for axis in uneven):
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
