"""Unwrapping: continuous paths of atoms through periodic boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OF_CELL = 0.4
"""Displacement between frames, in heights of the cell, from which it could be the other way."""
_FLIP = 0.25  # change of the cell between frames, in its smallest edge, that only a flip explains


@dataclass(frozen=True)
class PathPoint:
    """Where the paths of all atoms are at a frame, [atoms, 3] each."""

    toroidal: NDArray[np.float64]  # sum of the displacements
    wrapped: NDArray[np.float64]  # in the cell at the origin
    images: NDArray[np.float64]  # cells crossed, whole numbers
    cell: NDArray[np.float64]

    def lattice(self) -> NDArray[np.float64]:
        """The atom's image that its path has reached, in today's cell."""
        return self.wrapped + self.images @ self.cell


def follow(
    before: PathPoint | None,
    positions: NDArray[np.floating],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    *,
    is_wrapped: bool,
) -> PathPoint:
    """Go on to the next frame, by displacements within the cell of that frame.

    Their sum preserves the toroidal view, von Bulow, Bullerjahn & Hummer, J. Chem. Phys. 153,
    021101 (2020): where the cell fluctuates, positions plus images times cell (what LAMMPS calls
    unwrapped) add a jump for each image, which grows with the run. Where the file has images, the
    one an atom went to is known; where it is wrapped, it is the nearest.

    Raises:
        OutputError: when an atom of a wrapped file moved so far that the nearest image is a guess,
            or the cell has no volume.
    """
    raw = positions.astype(np.float64)
    if not np.all(np.isfinite(cell)) or not abs(np.linalg.det(cell)) > 0:
        raise OutputError("the cell has no volume, so positions cannot be unwrapped")
    inverse = np.linalg.inv(cell)
    images = np.floor(raw @ inverse) * pbc
    wrapped = raw - images @ cell
    if before is None:
        return PathPoint(raw, wrapped, images, cell)
    moved = wrapped - before.wrapped
    is_flip = np.abs(cell - before.cell).max() > _FLIP * np.diag(np.abs(cell)).min()
    if is_wrapped or is_flip:
        fractions = moved @ inverse
        crossed = -np.rint(fractions) * pbc
        largest = np.abs((fractions + crossed) * pbc).max()
        if not largest <= MOST_OF_CELL:
            raise OutputError(
                f"an atom moved {largest:.2f} of the cell and wrapped positions do not tell which "
                "way: write frames more often, or unwrapped (dump_modify ID unwrap yes; xu yu zu)"
            )
        old = np.rint(before.images @ before.cell @ inverse) if is_flip else before.images
        images = old + crossed if is_wrapped else images
    else:
        crossed = images - before.images
    return PathPoint(before.toroidal + moved + crossed @ cell, wrapped, images, cell)
