"""Atoms by their height above the faces of the cell, and in which directions that is uneven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from ase.geometry import complete_cell

from mdbench.analysis.statistics import block_of_frame
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.frames import Frame, FrameSource

    Floats = NDArray[np.float64]

_FINE_ANG, _COARSE_ANG = 0.05, 0.25
"""Widths of bins: for distances between atoms, and for waves of 8 Angstrom and more."""

_OPEN_MARGIN_ANG = 20.0
"""How far beyond their first extent atoms may move in an open direction before they alias."""

_ENOUGH_FRAMES = 500
"""Of which a profile is well known; more are not read."""

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


class Heights(Protocol):
    """Sums over the frames of each block."""

    heights: NDArray[np.int64]  # [blocks, 3, kinds, height bins] atoms along the normals
    frames: Floats  # [blocks]
    height_ang: Floats  # [3] of the cell along the normals, mean over frames


@dataclass
class HeightTally:
    """``Heights`` and no more."""

    heights: NDArray[np.int64]
    frames: Floats
    height_ang: Floats


class HeightCounter:
    """Counts one frame; safe to call from several threads."""

    def __init__(
        self,
        source: FrameSource,
        frame: Frame,
        kind: NDArray[np.integer],
        reach_ang: float,
        bin_ang: float = _FINE_ANG,
    ) -> None:
        """Choose the bins.

        Args:
            source: The trajectory.
            frame: Its first that counts.
            kind: [atoms] 0, 1, ...
            reach_ang: Room between atoms through the open sides of the cell.
            bin_ang: Width of the bins.
        """
        self._kind = kind
        self.kinds = int(kind.max()) + 1
        self._pbc = np.asarray(source.pbc, dtype=bool)
        self._weights = source.masses / source.masses.sum()
        upright = closed_cell(frame.cell, self._pbc, 1.0)[~self._pbc]
        extent = float(np.ptp(frame.positions @ upright.T, axis=0).max(initial=0.0))
        if not np.isfinite(extent):
            raise AnalysisError("positions in the first frame of production are not finite")
        self._open_ang = 2.0 * (extent + reach_ang + _OPEN_MARGIN_ANG)
        highest = perpendicular_heights(self.closed(frame.cell)).max()
        self.bins = int(np.ceil(highest / bin_ang))

    def closed(self, cell: Floats) -> Floats:
        """The cell, long enough in open directions."""
        return closed_cell(cell, self._pbc, self._open_ang)

    def count(self, positions: Floats, cell: Floats) -> NDArray[np.int64]:
        """[3, kinds, bins] atoms of a frame, in its closed cell."""
        # from the centre of mass, which the unwrapped positions let follow as it drifts
        fraction = positions @ np.linalg.inv(cell)
        fraction -= self._weights @ fraction
        rows = np.floor((fraction - np.floor(fraction)) * self.bins).astype(np.intp) % self.bins
        rows += self._kind[:, None] * self.bins
        found = [np.bincount(rows[:, d], minlength=self.kinds * self.bins) for d in range(3)]
        return np.reshape(found, (3, self.kinds, self.bins))


def count_heights(source: FrameSource, first: int) -> HeightTally:
    """Counts by element over frames from ``first`` on, a few hundred of them.

    Raises:
        AnalysisError: for too few frames, and positions that are not finite.
    """
    stride = max(1, (len(source.times_ps) - first) // _ENOUGH_FRAMES)
    block = block_of_frame(len(range(first, len(source.times_ps), stride)))
    kind = np.unique(source.numbers, return_inverse=True)[1]
    counter: HeightCounter | None = None
    tally: HeightTally | None = None
    for number, frame in enumerate(source.frames(first, None, stride)):
        if counter is None or tally is None:
            counter = HeightCounter(source, frame, kind, 0.0, _COARSE_ANG)
            shape = (int(block[-1]) + 1, 3, counter.kinds, counter.bins)
            of_block = np.bincount(block).astype(float)
            tally = HeightTally(np.zeros(shape, dtype=np.int64), of_block, np.zeros(3))
        cell = counter.closed(np.array(frame.cell, dtype=float))
        positions = np.array(frame.positions, dtype=float)
        if not np.isfinite(positions).all():
            raise AnalysisError(f"step {frame.step}: a position is not finite")
        tally.heights[block[number]] += counter.count(positions, cell)
        tally.height_ang += perpendicular_heights(cell) / len(block)
    if tally is None:
        raise AnalysisError("the trajectory gave no frame of production")
    return tally


def perpendicular_heights(cell: Floats) -> Floats:
    """[3] distances between opposite faces of a cell."""
    return np.asarray(1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0))


def closed_cell(cell: Floats, pbc: NDArray[np.bool_], open_ang: float) -> Floats:
    """The cell with vectors of the given length, normal to the others, in its open directions."""
    if pbc.all():
        return cell
    full = complete_cell(np.where(pbc[:, None], cell, 0.0))
    return np.asarray(np.where(pbc[:, None], full, full * open_ang))


def uneven_axes(tally: Heights, pbc: NDArray[np.bool_]) -> list[int]:
    """Cell vectors along which matter ends or its density varies."""
    return [axis for axis in range(3) if not pbc[axis] or _is_layered(tally, axis)]


def _is_layered(tally: Heights, axis: int) -> bool:
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


def has_gap(
    tally: Heights, axis: int, wide_ang: float = _GAP_ANG, kinds: slice = slice(None)
) -> bool:
    """Whether a layer of the cell is nearly empty, of all or some kinds of atoms."""
    profile = tally.heights[:, axis, kinds].sum(axis=(0, 1))
    width = int(wide_ang / float(tally.height_ang[axis]) * len(profile))
    sums = np.cumsum(np.concatenate([[0], profile, profile[:width]]))
    thinnest = (sums[width:] - sums[: len(sums) - width]).min() / max(width, 1)
    return bool(thinnest < _GAP_DENSITY * profile.mean())
