"""Pairs by distance and atoms by height, summed over the frames of each block of a run."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench import _core
from mdbench.analysis.heights import HeightCounter, closed_cell, perpendicular_heights
from mdbench.analysis.statistics import block_of_frame
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.frames import Frame, FrameSource

    Floats = NDArray[np.float64]

_SHORTEST_ANG = 2.0
_ENDLESS_ANG = 1e6


@dataclass(frozen=True)
class PairQuestion:
    """Which pairs are counted."""

    kind: NDArray[np.int32]  # [atoms] 0, 1, ...
    molecule: NDArray[np.int32]  # [atoms] pairs of one molecule do not count
    r_max_ang: float
    bins: int


@dataclass
class PairTally:
    """Sums over the frames of each block."""

    pairs: NDArray[np.int64]  # [blocks, kinds, kinds, bins] atoms of the second around the first
    heights: NDArray[np.int64]  # [blocks, 3, kinds, height bins] atoms along the normals
    per_volume: Floats  # [blocks] sum of 1 / volume, 1/Angstrom^3
    per_area: Floats  # [blocks, 3] sum of 1 / area of the face normal to each direction
    frames: Floats  # [blocks]
    height_ang: Floats  # [3] of the cell along the normals, mean over frames


def longest_distance(source: FrameSource, r_max_ang: float) -> float:
    """The asked distance, or half of the smallest height of the periodic cell where that is less.

    Beyond it the pairs of an atom are no longer those of a sphere about it.

    Raises:
        AnalysisError: where that leaves less than 2 Angstrom.
    """
    frame = next(iter(source.frames(0, 1)), None)
    if frame is None:
        raise AnalysisError("the trajectory has no frames")
    heights = perpendicular_heights(closed_cell(frame.cell, source.pbc, _ENDLESS_ANG))
    limit = min(r_max_ang, 0.5 * float(heights.min()))
    if limit < _SHORTEST_ANG:
        raise AnalysisError(
            f"distances up to {limit:.2f} A: a distribution needs {_SHORTEST_ANG:g} A, so a cell "
            f"of {2 * _SHORTEST_ANG:g} A in each periodic direction"
        )
    return limit


def count_pairs(source: FrameSource, first: int, question: PairQuestion) -> PairTally:
    """Counts over all frames from `first` on, as many at a time as there are processors."""
    block = block_of_frame(len(source.times_ps) - first)
    counter: _Counter | None = None
    tally: PairTally | None = None
    threads = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    waiting: deque[tuple[int, Future[_Counted]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number, frame in enumerate(source.frames(first)):
            if counter is None:
                counter = _Counter(source, frame, question)
                tally = counter.empty(block)
            x, cell = np.array(frame.positions, dtype=float), np.array(frame.cell, dtype=float)
            waiting.append((int(block[number]), pool.submit(counter.count, x, cell)))
            if tally is not None and len(waiting) > 2 * threads:
                _add(tally, *_first_done(waiting))
        while tally is not None and waiting:
            _add(tally, *_first_done(waiting))
    if tally is None:
        raise AnalysisError("the trajectory gave no frame of production")
    tally.height_ang /= tally.frames.sum()
    return tally


@dataclass(frozen=True)
class _Counted:
    """One frame's share of a tally."""

    pairs: NDArray[np.int64]
    heights: NDArray[np.int64]
    volume: float
    height_ang: Floats


class _Counter:
    """Counts one frame; safe to call from several threads."""

    def __init__(self, source: FrameSource, frame: Frame, question: PairQuestion) -> None:
        self._question = question
        self._pbc = np.asarray(source.pbc, dtype=bool)
        self._heights = HeightCounter(source, frame, question.kind, question.r_max_ang)

    def empty(self, block: NDArray[np.intp]) -> PairTally:
        blocks, kinds = int(block[-1]) + 1, self._heights.kinds
        return PairTally(
            np.zeros((blocks, kinds, kinds, self._question.bins), dtype=np.int64),
            np.zeros((blocks, 3, kinds, self._heights.bins), dtype=np.int64),
            np.zeros(blocks),
            np.zeros((blocks, 3)),
            np.bincount(block).astype(float),
            np.zeros(3),
        )

    def count(self, positions: Floats, cell: Floats) -> _Counted:
        asked, kinds = self._question, self._heights.kinds
        cell = self._heights.closed(cell)
        flat = _core.count_pairs(
            positions,
            asked.kind,
            asked.molecule,
            cell,
            self._pbc.tolist(),
            asked.r_max_ang,
            asked.bins,
        )
        return _Counted(
            flat.reshape(kinds, kinds, asked.bins),
            self._heights.count(positions, cell),
            abs(float(np.linalg.det(cell))),
            perpendicular_heights(cell),
        )


def _first_done(waiting: deque[tuple[int, Future[_Counted]]]) -> tuple[int, _Counted]:
    block, future = waiting.popleft()
    try:
        return block, future.result()
    except _core.CoreError as error:
        raise AnalysisError(f"pairs cannot be counted: {error}") from None


def _add(tally: PairTally, block: int, counted: _Counted) -> None:
    tally.pairs[block] += counted.pairs
    tally.heights[block] += counted.heights
    tally.per_volume[block] += 1.0 / counted.volume
    tally.per_area[block] += counted.height_ang / counted.volume
    tally.height_ang += counted.height_ang
