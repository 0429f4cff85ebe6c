"""Neighbour lists: the edges of a graph from positions, with a skin that makes them last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.geometry import complete_cell

# matscipy rather than vesin 0.6: both agree with a search over all images on random tiny, sheared,
# partly open cells with atoms outside. A list of 33,000 pairs takes matscipy 6 ms and vesin 3 ms,
# paid once in some ten steps; but vesin imports torch wherever torch is installed.
from matscipy.neighbours import neighbour_list

from mdbench.errors import StructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FLATTEST_CELL = 1e-8
"""Smallest singular value of the directions of the cell vectors."""

_THINNEST_BOX_ANG = 1.0
_WIDEST_GAP = 2.0
"""Of the distance that is searched, between atoms that are not neighbours anyway."""


@dataclass(frozen=True)
class Edges:
    """Edges in compressed-row form: those that node i receives are first_edge[i:i+2]."""

    first_edge: NDArray[np.int64]  # [nodes + 1]
    sender: NDArray[np.int32]  # [edges]
    vector: Floats  # [edges, 3] x_sender - x_receiver, Angstrom


@dataclass(frozen=True)
class _Candidates:
    """Pairs that may come within the cutoff, and the structure for which they were found."""

    positions: Floats  # [nodes, 3]
    cell: Floats
    pbc: NDArray[np.bool_]
    first: NDArray[np.int64]  # [nodes + 1]
    receiver: NDArray[np.intp]  # [pairs], increasing
    sender: NDArray[np.intp]  # [pairs]
    shift: Floats  # [3, pairs] whole cell vectors, Angstrom

    def still_hold(
        self, positions: Floats, cell: Floats, pbc: NDArray[np.bool_], skin: float
    ) -> bool:
        """Whether no pair can have come within the cutoff unseen."""
        if positions.shape != self.positions.shape:
            return False
        if not (np.array_equal(cell, self.cell) and np.array_equal(pbc, self.pbc)):
            return False
        moved = positions - self.positions
        return bool(np.einsum("ia,ia->i", moved, moved).max(initial=0.0) <= (0.5 * skin) ** 2)


class NeighbourList:
    """Edges shorter than a cutoff, from a list of pairs that is kept while atoms move little.

    The list holds the pairs within cutoff + skin. It is built again when an atom has moved more
    than skin / 2 since, or when the cell, the periodicity or the number of atoms has changed.
    Not thread-safe.
    """

    def __init__(self, cutoff_ang: float, skin_ang: float = 0.0) -> None:
        """An empty list.

        Args:
            cutoff_ang: Edges are shorter than this.
            skin_ang: Zero builds the list anew for every change.
        """
        self.cutoff_ang = cutoff_ang
        self.skin_ang = skin_ang
        self.num_builds = 0
        self._candidates: _Candidates | None = None
        self._vector = np.empty((3, 0))
        self._other = np.empty((3, 0))
        self._distance2 = np.empty(0)

    def update(self, positions: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> Edges:
        """The edges now; images are told apart by their vectors only.

        Args:
            positions: [nodes, 3] Angstrom, inside the cell or not.
            cell: [3, 3] Angstrom, rows; those of open directions are not used.
            pbc: [3] which directions are periodic.

        Raises:
            StructureError: for coordinates that are not finite and cells without volume.
        """
        if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
            raise StructureError("the structure has positions or cell vectors that are not finite")
        held = self._candidates
        if held is None or not held.still_hold(positions, cell, pbc, self.skin_ang):
            held = self._build(positions, cell, pbc)
        return self._within_cutoff(held, positions)

    def _build(self, positions: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> _Candidates:
        receiver, sender, image = find_pairs(positions, cell, pbc, self.cutoff_ang + self.skin_ang)
        first = np.zeros(len(positions) + 1, dtype=np.int64)
        np.cumsum(np.bincount(receiver, minlength=len(positions)), out=first[1:])
        self._candidates = _Candidates(
            positions.copy(),
            cell.copy(),
            pbc.copy(),
            first,
            receiver.astype(np.intp),
            sender.astype(np.intp),
            np.ascontiguousarray((image.astype(float) @ cell).T),
        )
        self._vector = np.empty((3, len(receiver)))
        self._other = np.empty((3, len(receiver)))
        self._distance2 = np.empty(len(receiver))
        self.num_builds += 1
        return self._candidates

    def _within_cutoff(self, held: _Candidates, positions: Floats) -> Edges:
        """The candidates shorter than the cutoff: every step pays this."""
        vector, other = self._vector, self._other
        # One row a component: gathering whole rows of three takes twice as long. mode="clip" spares
        # the copy that take makes of `out` in case an index is wrong; here none is.
        for axis, x in enumerate(np.ascontiguousarray(positions.T)):
            np.take(x, held.sender, out=vector[axis], mode="clip")
            np.take(x, held.receiver, out=other[axis], mode="clip")
        np.subtract(vector, other, out=vector)
        np.add(vector, held.shift, out=vector)
        np.einsum("ap,ap->p", vector, vector, out=self._distance2)
        kept = np.flatnonzero(self._distance2 < self.cutoff_ang**2)
        edge_vector = np.empty((len(kept), 3))
        for axis in range(3):
            edge_vector[:, axis] = np.take(vector[axis], kept, mode="clip")
        return Edges(
            np.searchsorted(kept, held.first).astype(np.int64),
            held.sender[kept].astype(np.int32),
            edge_vector,
        )


def find_pairs(
    positions: Floats, cell: Floats, pbc: NDArray[np.bool_], cutoff_ang: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """All pairs within a cutoff, both ways, sorted by receiver.

    Returns:
        Receiver and sender [pairs] and image [pairs, 3]: the vector from receiver to sender is
        ``positions[sender] - positions[receiver] + image @ cell``.

    Raises:
        StructureError: for a periodic direction without extent, and where memory does not do.
    """
    near, origin, box = _enclose(positions, cell, pbc, cutoff_ang)
    try:
        receiver, sender, image = neighbour_list(
            "ijS", positions=near, cell=box, cell_origin=origin, pbc=pbc, cutoff=cutoff_ang
        )
    except (RuntimeError, MemoryError) as problem:
        reason = str(problem).rstrip(".") or "out of memory"
        raise StructureError(
            f"neighbours cannot be searched ({reason}): atoms may have flown apart, or the cutoff "
            f"of {cutoff_ang:g} A may reach over too many images of the cell"
        ) from None
    order = np.argsort(receiver, kind="stable")  # linear time: matscipy sorts, but does not say so
    return receiver[order], sender[order], image[order]


def periodic_box(cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """The periodic cell vectors, and unit vectors across them in the open directions.

    Raises:
        StructureError: for a periodic direction without extent.
    """
    for axis in np.flatnonzero(pbc):
        if not cell[axis].any():
            raise StructureError(
                f"the structure is periodic along cell vector {axis + 1} and that vector is zero: "
                "set the cell, or pbc to False"
            )
    directions = cell[pbc] / np.linalg.norm(cell[pbc], axis=1, keepdims=True)
    if np.linalg.svd(directions, compute_uv=False).min(initial=1.0) <= _FLATTEST_CELL:
        raise StructureError("the cell has no volume: its vectors lie in a plane or on a line")
    box: Floats = complete_cell(np.where(pbc[:, None], cell, 0.0))
    return box


def _enclose(
    positions: Floats, cell: Floats, pbc: NDArray[np.bool_], reach_ang: float
) -> tuple[Floats, Floats, Floats]:
    """Positions with the same neighbours, and origin and vectors of a box with all of them.

    The box has the cell's periodic vectors. What a file says about open directions may be zero, or
    vacuum to be searched for nothing; a box without thickness, as of a sheet with rounding noise,
    breaks the search, and so does one that is mostly empty.
    """
    box = periodic_box(cell, pbc)
    origin = np.zeros(3)
    if not len(positions):
        return positions, origin, box
    near = positions
    height = positions @ np.linalg.inv(box)  # in open directions Angstrom, across all others
    for axis in np.flatnonzero(~pbc):
        along = height[:, axis]
        closer = _without_gaps(along, _WIDEST_GAP * reach_ang)
        if closer is not along:
            near = near + np.outer(closer - along, box[axis])
        origin += closer.min() * box[axis]
        box[axis] *= max(np.ptp(closer), _THINNEST_BOX_ANG)
    return near, origin, box


def _without_gaps(height: Floats, widest: float) -> Floats:
    """Heights with gaps of empty space no wider than this; the same array where none is."""
    order = np.argsort(height)
    excess = np.maximum(np.diff(height[order]) - widest, 0.0)
    if not excess.any():
        return height
    closer = height.copy()
    closer[order[1:]] -= np.cumsum(excess)
    return closer
