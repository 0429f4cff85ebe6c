"""In which directions matter goes on, and what is wall and what is liquid where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.analysis.bonds import lasting_molecules
from mdbench.analysis.heights import HeightTally, count_heights, has_gap, uneven_axes
from mdbench.analysis.trajectories import atoms_at_rest
from mdbench.errors import AnalysisError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.analysis.msd import MsdResult
    from mdbench.frames import Frame, FrameSource

    Floats = NDArray[np.float64]

_MESH_ANG = 5.0
_LEAST_COVERED = 0.75
"""Part of the squares, 5 Angstrom wide or less, that hold an atom of a sheet."""

_LARGEST_SHARE_ANG2 = 16.0
"""Of a wall's face that an atom has: graphene 2.6, the metal of layered salts 16."""

_BARRIER_ANG = 3.0
"""That an element never enters: planes of a crystal, which ions cross, are closer."""
_FAR_ANG = 1.5
"""Displacement of atoms that do not only vibrate."""

_STRAIGHT = 1e-3
_FEWEST_ATOMS = 50
"""Of a liquid with a frame of its own: its centre of mass takes 1/N of the diffusion away."""

_FAR_ABOVE = 10.0
"""Of the atoms that a molecule has: molecules of a liquid drag their neighbours along."""


@dataclass(frozen=True)
class Confinement:
    """Where the atoms of a run may go, and together with which."""

    dimensions: str
    """Cartesian directions in which matter goes on; none for a cluster."""
    molecule: NDArray[np.int32]  # [atoms] what each stays bonded into
    wall: NDArray[np.bool_]  # [atoms] sheets, crystals and atoms held in place beside a liquid
    held: bool
    """Whether atoms are held in place."""
    note: str

    def partners(self, atoms: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """[atoms] the part of the system that atoms belong to, whose own motion is no diffusion.

        None where all is one part, and where atoms held in place say what stands still.
        """
        liquid = ~self.wall
        if not self.wall.any() or np.count_nonzero(liquid) < _FEWEST_ATOMS:
            return None
        if (atoms & liquid).any():
            return liquid
        return None if self.held else self.wall

    def remarks(self, element: str, atoms: NDArray[np.bool_], collectivity: float) -> list[str]:
        """Whether more of an element's atoms move as one than a molecule has, by far."""
        bonded = int(np.bincount(self.molecule[atoms & ~self.wall]).max(initial=1))
        if collectivity < _FAR_ABOVE * bonded:
            return []
        text = f"{collectivity:.0f} atoms move as one where a molecule has {bonded}"
        return [
            f"diffusion of {element}: {text}, so that of large parts of the system is part of it"
        ]

    def endless(self, msd: MsdResult) -> MsdResult:
        """The same, of matter that goes on in some direction.

        Raises:
            AnalysisError: for a cluster.
        """
        if not self.dimensions:
            raise AnalysisError(
                "vacuum ends matter in all directions: nothing diffuses far in a cluster"
            )
        return msd


def find_confinement(
    source: FrameSource, start_ps: float, sheet: NDArray[np.bool_] | None = None
) -> Confinement:
    """Directions without walls or vacuum, and the walls.

    A direction is left out where the cell is open, where a vacuum lies across it, and where it is
    the only one along which the density varies and an element that goes far does not cross the
    cell: ions do in a crystal. Across one direction, walls are what is held in place, or stays
    bonded into a whole that covers the face of the cell.

    Args:
        source: The trajectory.
        start_ps: Start of production.
        sheet: [atoms] a flat sheet normal to cell vector c that is known to be there.

    Raises:
        AnalysisError: for too few frames, and walls askew to x, y and z.
    """
    first = int(np.searchsorted(source.times_ps, start_ps - 1e-9))
    pbc = np.asarray(source.pbc, dtype=bool)
    tally = count_heights(source, first)
    uneven = set(uneven_axes(tally, pbc))
    ends = {axis for axis in uneven if not pbc[axis] or has_gap(tally, axis)}
    frame = next(iter(source.frames(first, first + 1)))
    molecule = lasting_molecules(source, first)
    rests = atoms_at_rest(source, start_ps)
    wall = rests.copy()
    if sheet is not None:
        ends |= {2}
    if len(ends | uneven) == 1:
        wall |= _walls(frame, molecule, *(ends | uneven))
        wall |= False if sheet is None else sheet
    if not ends and len(uneven) == 1 and _is_barred(source, first, tally, *uneven):
        ends = uneven
    if not ends:
        wall[:] = False
    note = _why(ends, uneven, has_sheet=sheet is not None)
    free = [axis for axis in range(3) if axis not in ends]
    dimensions = _cartesian(np.asarray(frame.cell, dtype=float)[free])
    return Confinement(dimensions, molecule, wall, bool(rests.any()), note)


def _why(ends: set[int], uneven: set[int], *, has_sheet: bool) -> str:
    """What is said of directions, unless a sheet shows it."""
    names = " and ".join("abc"[axis] for axis in sorted(uneven - ends or ends))
    if not uneven <= ends:
        return f"taken also along cell vector {names}, though the density varies there"
    if has_sheet or not ends:
        return ""
    return f"not taken along cell vector {names}, where matter ends or does not go on"


def _is_barred(source: FrameSource, first: int, tally: HeightTally, axis: int) -> bool:
    """Whether an element that goes far leaves room along a cell vector that it never enters."""
    last = len(source.times_ps) - 1 - first
    ends = [np.array(f.positions, float) for f in source.frames(first, None, max(last, 1))]
    path = ends[-1] - ends[0]
    path -= source.masses @ path / source.masses.sum()
    for k, number in enumerate(np.unique(source.numbers)):
        far = np.mean(np.sum(path[source.numbers == number] ** 2, axis=1)) > _FAR_ANG**2
        if far and has_gap(tally, axis, _BARRIER_ANG, slice(k, k + 1)):
            return True
    return False


def covers(frame: Frame, atoms: NDArray[np.integer], axis: int) -> bool:
    """Whether atoms lie all over the face of the cell that cell vector ``axis`` leaves."""
    cell = np.delete(np.asarray(frame.cell, dtype=float), axis, axis=0)
    count = np.ceil(np.linalg.norm(cell, axis=1) / _MESH_ANG).astype(np.intp)
    across = np.asarray(frame.positions, dtype=float)[atoms] @ np.linalg.pinv(cell)
    square = np.floor((across % 1.0) * count).astype(np.intp) % count
    filled = len(np.unique(square[:, 0] + count[0] * square[:, 1]))
    return bool(filled >= _LEAST_COVERED * count.prod())


def _walls(frame: Frame, molecule: NDArray[np.int32], axis: int) -> NDArray[np.bool_]:
    """[atoms] those of molecules that cover the face that cell vector ``axis`` leaves."""
    sides = np.delete(np.asarray(frame.cell, dtype=float), axis, axis=0)
    area = float(np.linalg.norm(np.cross(*sides)))
    wall = np.zeros(len(molecule), bool)
    for number in np.flatnonzero(np.bincount(molecule) * _LARGEST_SHARE_ANG2 > area):
        atoms = np.flatnonzero(molecule == number)
        wall[atoms] = covers(frame, atoms, axis)
    return wall


def _cartesian(vectors: Floats) -> str:
    """Letters of the directions that some cell vectors span.

    Raises:
        AnalysisError: where these are not those of axes.
    """
    along = np.diag(np.linalg.pinv(vectors) @ vectors) if len(vectors) else np.zeros(3)
    if np.abs(along - np.round(along)).max() > _STRAIGHT:
        raise AnalysisError("walls or surfaces are askew to x, y and z: turn the cell")
    return "".join(letter for letter, part in zip("xyz", along, strict=True) if part > 0.5)  # noqa: PLR2004
