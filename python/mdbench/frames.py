"""Frames of a trajectory: what readers give and estimators take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One frame; its arrays may be overwritten by the next: copy what must stay."""

    step: int
    positions: NDArray[np.floating]  # [atoms, 3] Angstrom, unwrapped; velocities in Angstrom/ps
    cell: NDArray[np.float64]  # [3, 3] Angstrom, rows


class FrameSource(Protocol):
    """A trajectory that is read as often as wanted, a frame at a time."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic number of each atom."""

    @property
    def masses(self) -> NDArray[np.float64]:
        """Mass of each atom, u."""

    @property
    def pbc(self) -> NDArray[np.bool_]:
        """Which directions are periodic."""

    @property
    def times_ps(self) -> NDArray[np.float64]:
        """Time of each frame, increasing."""

    def frames(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Frames ``range(len(times_ps))[first:last:stride]``."""


@dataclass(frozen=True)
class ArrayFrames:
    """A trajectory in memory: for notebooks, tests and small data."""

    numbers: NDArray[np.int64]
    masses: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    times_ps: NDArray[np.float64]
    positions: NDArray[np.floating]  # [frames, atoms, 3]
    cells: NDArray[np.float64]  # [frames, 3, 3], or [3, 3] for all

    def frames(self, first: int = 0, last: int | None = None, stride: int = 1) -> Iterator[Frame]:
        """Frames in order."""
        for i in range(len(self.times_ps))[first:last:stride]:
            cell = self.cells if self.cells.ndim == 2 else self.cells[i]  # noqa: PLR2004
            yield Frame(i, self.positions[i], cell)
