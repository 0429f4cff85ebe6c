"""Atoms through time: equally spaced frames, read as time series a chunk of atoms at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers

from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mdbench.frames import FrameSource

MEMORY_LIMIT_BYTES = 512_000_000
MIN_FRAMES = 10
MAX_PASSES = 12  # readings of the whole trajectory before frames are left out

_FOR_SERIES = 0.75  # of the memory; the rest is for transforms
_BLOCK_BYTES = 8_000_000  # of frames gathered before they are transposed in one go
_SPACING_TOLERANCE = 1e-3
_LOOKS = 8  # frames in which atoms at rest are looked for
_NOW_AND_THEN = 0.01  # of the atoms that move: more of them, and resting is no sign of being fixed


@dataclass(frozen=True)
class Sampling:
    """Equally spaced frames: ``range(first, ..., stride)``, ``count`` of them."""

    first: int
    stride: int
    count: int
    interval_ps: float
    note: str = ""
    """What was left out, and why; empty when nothing was."""


def atoms_of(source: FrameSource, element: str) -> NDArray[np.int64]:
    """Indices of the atoms of an element.

    Raises:
        AnalysisError: when the trajectory has none.
    """
    number = atomic_numbers.get(element)
    found = np.flatnonzero(source.numbers == number)
    if number is None or not len(found):
        raise AnalysisError(f"the trajectory has no atoms of element {element!r}")
    return found


def equal_spacing(source: FrameSource, start_ps: float) -> Sampling:
    """Frames from ``start_ps`` on, which must be equally spaced in time.

    Correlations over all time origins pair frame i with frame i + n: with a frame missing, n
    would stand for two different times.

    Raises:
        AnalysisError: for too few frames, or unequal spacing (with the place).
    """
    times = source.times_ps
    first = int(np.searchsorted(times, start_ps - 1e-9))
    count = len(times) - first
    if count < MIN_FRAMES:
        raise AnalysisError(
            f"{count} frames from {start_ps:g} ps on are too few: at least {MIN_FRAMES} are "
            "needed; run longer or write frames more often"
        )
    steps = np.diff(times[first:])
    interval = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - interval) > _SPACING_TOLERANCE * interval)
    if len(odd):
        where = first + int(odd[0])
        raise AnalysisError(
            f"frames {where} and {where + 1} are {steps[odd[0]]:g} ps apart and others "
            f"{interval:g} ps: correlations in time need equally spaced frames; start after the "
            f"gap (start_ps > {times[where]:g})"
        )
    return Sampling(first, 1, count, float(times[-1] - times[first]) / (count - 1))


def atoms_at_rest(source: FrameSource, start_ps: float = 0.0) -> NDArray[np.bool_]:
    """Atoms that were held in place: the same to the last digit in frames over the whole time.

    Where many atoms rest now and then, as in hops on a lattice, none of them was held.

    Args:
        source: Positions, or velocities.
        start_ps: Frames before are left out.

    Returns:
        [atoms]
    """
    first = int(np.searchsorted(source.times_ps, start_ps - 1e-9))
    stride = max(1, (len(source.times_ps) - 1 - first) // (_LOOKS - 1))
    rests = np.zeros(len(source.numbers), np.int64)
    before, looks = None, 0
    for frame in islice(source.frames(first, None, stride), _LOOKS):
        if before is not None:
            rests += (frame.positions == before).all(axis=1)
            looks += 1
            if not rests.any():
                return np.zeros(len(rests), bool)
        before = np.array(frame.positions)
    always: NDArray[np.bool_] = (rests == looks) & (looks > 1)
    sometimes = np.count_nonzero(rests) - np.count_nonzero(always)
    if sometimes > _NOW_AND_THEN * np.count_nonzero(~always):
        return np.zeros(len(rests), bool)
    return always


@dataclass(frozen=True)
class AtomSeries:
    """Vectors of chosen atoms as time series [atoms, columns, frames], in chunks of atoms.

    Each chunk costs one reading of the trajectory; memory stays below the limit whatever the
    number of atoms.
    """

    source: FrameSource
    atoms: NDArray[np.int64]
    sampling: Sampling
    columns: tuple[int, ...] = (0, 1, 2)
    remove_drift: bool = True
    """Subtract the centre of mass of all atoms, chosen or not, in each frame."""
    memory_limit: int = MEMORY_LIMIT_BYTES
    drifting: NDArray[np.bool_] | None = None
    """[atoms] whose centre of mass it is in place of that of all."""

    def _atoms_at_once(self, frames: int) -> int:
        """Atoms whose series of so many frames fit in memory."""
        return int(_FOR_SERIES * self.memory_limit) // (8 * len(self.columns) * frames)

    @staticmethod
    def frames_within(memory_limit: int, atoms: int) -> int:
        """Frames of so many atoms, in three columns, that ``MAX_PASSES`` readings hold."""
        at_once = -(-atoms // MAX_PASSES)
        return int(_FOR_SERIES * memory_limit) // (24 * at_once)

    def within_limits(self) -> AtomSeries:
        """The same, with frames left out where it would take more than ``MAX_PASSES`` readings."""
        whole, most = self.sampling, len(self.atoms) / MAX_PASSES
        ratios = range(1, whole.count // MIN_FRAMES + 1)
        enough = (k for k in ratios if self._atoms_at_once(-(-whole.count // k)) >= most)
        k = next(enough, 0)
        if not k:
            raise AnalysisError(f"{self.memory_limit / 1e6:g} MB are not enough: raise the limit")
        if k == 1:
            return self
        fewer = Sampling(
            whole.first,
            whole.stride * k,
            -(-whole.count // k),
            whole.interval_ps * k,
            f"1 frame in {k} is used, to stay within {self.memory_limit / 1e6:g} MB",
        )
        return replace(self, sampling=fewer)

    def __iter__(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Which of the atoms, and their series; the array is overwritten by the next chunk."""
        passes = math.ceil(len(self.atoms) / max(1, self._atoms_at_once(self.sampling.count)))
        size = math.ceil(len(self.atoms) / passes)
        series = np.empty((size, len(self.columns), self.sampling.count))
        drift = np.zeros((self.sampling.count, len(self.columns)))
        for start in range(0, len(self.atoms), size):
            chosen = slice(start, min(start + size, len(self.atoms)))
            view = series[: chosen.stop - chosen.start]
            self._read(chosen, view, drift if self.remove_drift else None)
            if not np.isfinite(drift).all():
                raise AnalysisError("the centre of mass is not finite: some positions are not")
            view -= drift.T
            yield chosen, view

    def _read(
        self, chosen: slice, series: NDArray[np.float64], drift: NDArray[np.float64] | None
    ) -> None:
        """One pass: fills the series, and in the first pass the drift."""
        atoms, columns, sampling = self.atoms[chosen], list(self.columns), self.sampling
        weights = self.source.masses * (True if self.drifting is None else self.drifting)
        weights = weights / weights.sum()
        block = np.empty((min(64, 1 + _BLOCK_BYTES // (24 * len(atoms))), len(atoms), 3))
        done = seen = 0
        frames = self.source.frames(sampling.first, None, sampling.stride)
        for seen, frame in enumerate(islice(frames, sampling.count), start=1):
            block[seen - 1 - done] = frame.positions[atoms]
            if drift is not None and chosen.start == 0:
                drift[seen - 1] = (weights @ frame.positions)[columns]
            if seen - done == len(block) or seen == sampling.count:
                full = block[: seen - done]
                if not np.isfinite(full).all():
                    raise AnalysisError(
                        f"a number in the {seen - done} frames before frame "
                        f"{sampling.first + seen * sampling.stride} is not finite"
                    )
                series[:, :, done:seen] = full[:, :, columns].transpose(1, 2, 0)
                done = seen
        if done != sampling.count:
            raise AnalysisError(
                f"the trajectory ended after {seen} of {sampling.count} frames that its times name"
            )
