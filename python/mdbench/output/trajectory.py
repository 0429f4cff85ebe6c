"""Trajectories in files as sources of unwrapped frames."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError
from mdbench.frames import Frame
from mdbench.output.text import rows_to_keep
from mdbench.output.unwrap import PathPoint, follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from mdbench.output.contents import Reader

_CHECKPOINTS = 16  # places to go on from; few, as each holds all atoms


@dataclass(frozen=True)
class AtomTable:
    """The atoms of a run, in the order of their ids."""

    numbers: NDArray[np.int64]
    masses: NDArray[np.float64]  # u
    pbc: NDArray[np.bool_]


class FileTrajectory:
    """One or more files, one behind the other, as one trajectory (a ``FrameSource``).

    Positions are unwrapped: an image of the atom in the frame's cell. Where the file has them
    wrapped, that is done frame by frame from the first, with some frames kept to go on from.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        atoms: AtomTable,
        timestep_fs: float,
        *,
        is_wrapped: bool | None = None,
        velocity_factor: float | None = None,
    ) -> None:
        """Join files.

        Args:
            readers: In order; where steps repeat or go back, later frames replace earlier ones.
            atoms: What the files' atoms are.
            timestep_fs: Times are steps times this; those in files are not trusted.
            is_wrapped: Whether positions of files that do not say it themselves are wrapped;
                unknown is treated as wrapped, which is right either way while atoms move less than
                0.4 of the cell between frames.
            velocity_factor: The files hold velocities; the factor to Angstrom/ps.

        Raises:
            OutputError: when the files hold other atoms than these.
        """
        self._readers = list(readers)
        self._atoms = atoms
        self._factor = velocity_factor
        for reader in self._readers:
            _check_atoms(reader, self._readers[0], len(atoms.numbers))
        steps = np.concatenate([r.contents.steps for r in self._readers])
        kept = rows_to_keep(steps)
        self.steps: NDArray[np.int64] = steps[kept]
        lengths = [len(r.contents.steps) for r in self._readers]
        self._file = np.repeat(np.arange(len(lengths)), lengths)[kept]
        self._index = np.concatenate([np.arange(n) for n in lengths])[kept]
        self._times_ps: NDArray[np.float64] = self.steps * np.float64(timestep_fs * 1e-3)
        known = [r.contents.is_wrapped for r in self._readers]
        self._is_wrapped = any(is_wrapped is not False if k is None else k for k in known)
        self._can_follow = velocity_factor is None and bool(atoms.pbc.any())
        self._follows = self._can_follow and self._is_wrapped
        self._is_toroidal = False
        self._points: dict[int, PathPoint] = {}
        self._spacing = -(-len(self.steps) // _CHECKPOINTS)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic number of each atom."""
        return self._atoms.numbers

    @property
    def masses(self) -> NDArray[np.float64]:
        """Mass of each atom, u."""
        return self._atoms.masses

    @property
    def pbc(self) -> NDArray[np.bool_]:
        """Which directions are periodic."""
        return self._atoms.pbc

    @property
    def times_ps(self) -> NDArray[np.float64]:
        """Time of each frame, increasing."""
        return self._times_ps

    def toroidal(self) -> FileTrajectory:
        """The same with sums of displacements as positions: for diffusion where the cell changes.

        They are right from frame to frame (``follow``), but no images of the atoms any more, so
        not for distances between atoms. With a fixed cell there is no difference.
        """
        other = copy.copy(self)
        if self._can_follow and not self.has_fixed_cell():
            other._follows = other._is_toroidal = True  # noqa: SLF001 - of this class
        return other

    def within(self, first: int, last: int) -> FileTrajectory:
        """Only the frames of some steps, the last one included; there may be none."""
        kept = (self.steps >= first) & (self.steps <= last)
        other = copy.copy(self)
        other.steps, other._times_ps = self.steps[kept], self._times_ps[kept]  # noqa: SLF001
        other._file, other._index = self._file[kept], self._index[kept]  # noqa: SLF001
        other._points = {}  # noqa: SLF001
        return other

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the files, though they can be read."""
        return tuple(n for r in self._readers for n in r.contents.notes)

    def frames(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Frames ``range(len(times_ps))[first:last:stride]``.

        Raises:
            OutputError: naming file and frame, when a frame is damaged or cannot be unwrapped.
        """
        if stride < 1:
            raise OutputError(f"stride {stride}: frames are read forward, give 1 or more")
        wanted = range(len(self.steps))[first:last:stride]
        if not wanted:
            return
        if self._follows:
            yield from self._followed(wanted)
            return
        for i, (positions, cell) in zip(wanted, self._raw(wanted), strict=True):
            if self._factor is not None:
                positions = positions * self._factor  # noqa: PLW2901
            yield Frame(int(self.steps[i]), positions, cell)

    def has_fixed_cell(self) -> bool:
        """Whether all frames have the same cell."""
        cells = [next(iter(r.read([0])))[1] for r in self._readers]
        same = all(np.allclose(c, cells[0], rtol=1e-6, atol=1e-5) for c in cells)
        return same and all(r.contents.has_fixed_cell for r in self._readers)

    def _raw(self, wanted: range) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64]]]:
        """Positions as they are in the files."""
        for file, run in itertools.groupby(wanted, key=lambda i: int(self._file[i])):
            yield from self._readers[file].read([int(self._index[i]) for i in run])

    def _followed(self, wanted: range) -> Iterator[Frame]:
        start = max((k for k in self._points if k <= wanted[0]), default=0)
        point = self._points.get(start)
        for i, (positions, cell) in enumerate(self._raw(range(start, wanted[-1] + 1)), start):
            if point is None or i > start:
                try:
                    point = follow(
                        point, positions, cell, self._atoms.pbc, is_wrapped=self._is_wrapped
                    )
                except OutputError as problem:
                    path = self._readers[int(self._file[i])].contents.path
                    raise OutputError(f"'{path}', step {self.steps[i]}: {problem}") from None
                if i % self._spacing == 0:
                    self._points[i] = point
            if i in wanted:
                positions = point.toroidal if self._is_toroidal else point.lattice()  # noqa: PLW2901
                yield Frame(int(self.steps[i]), positions, cell)


def _check_atoms(reader: Reader, first: Reader, num_atoms: int) -> None:
    here = reader.contents
    if here.num_atoms != num_atoms:
        raise OutputError(
            f"'{here.path}' holds {here.num_atoms} atoms, the structure {num_atoms}: give the "
            "structure of this trajectory"
        )
    for name in ("ids", "types", "symbols"):
        mine, other = getattr(here, name), getattr(first.contents, name)
        if mine is not None and other is not None and not np.array_equal(mine, other):
            raise OutputError(f"'{here.path}' holds other atoms than '{first.contents.path}'")
