"""Bonds between atoms, and which hold for a whole run: molecules and walls."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mdbench.analysis.heights import closed_cell
from mdbench.errors import AnalysisError, StructureError
from mdbench.neighbours import find_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.frames import Frame, FrameSource

    Floats = NDArray[np.float64]

_LONGEST_BOND = 1.2
"""In sums of covalent radii."""

_FARTHEST_HYDROGEN_ANG = 2.0
"""From the atom that it belongs to; farther away it is free."""

_LOOKS = 8  # frames in which a bond must be found
_OPEN_ANG = 1.0  # of an open cell vector: any will do


def molecules(source: FrameSource) -> NDArray[np.int32]:
    """[atoms] the molecule of each atom by the bonds of the first frame."""
    return _joined(len(source.numbers), *_bonds(source, next(iter(source.frames(0, 1)))))


def lasting_molecules(source: FrameSource, first: int) -> NDArray[np.int32]:
    """[atoms] what each atom stays bonded into, from frame ``first`` on.

    In liquids that leaves molecules, also of ions; a sheet or a crystal stays whole.
    """
    stride = max(1, (len(source.times_ps) - 1 - first) // (_LOOKS - 1))
    a = b = np.zeros(0, np.int32)
    for look, frame in enumerate(islice(source.frames(first, None, stride), _LOOKS)):
        if not look:
            a, b = _bonds(source, frame)
        holds = _distance(source, frame, a, b) < _longest(source, a, b)
        a, b = a[holds], b[holds]
    return _joined(len(source.numbers), a, b)


def hydrogens(source: FrameSource, frame: Frame) -> NDArray[np.int64]:
    """[atoms] how many hydrogens each other atom has: those that it is the nearest to.

    Raises:
        AnalysisError: where neighbours cannot be searched.
    """
    a, b, distance = _pairs(source, frame, _FARTHEST_HYDROGEN_ANG)
    taken = (source.numbers[a] == 1) & (source.numbers[b] != 1)
    a, b = a[taken], b[taken]
    order = np.lexsort((distance[taken], a))
    nearest = b[order][np.unique(a[order], return_index=True)[1]]
    return np.bincount(nearest, minlength=len(source.numbers))


def _longest(source: FrameSource, a: NDArray[np.int32], b: NDArray[np.int32]) -> Floats:
    """[pairs] lengths that bonds stay below, Angstrom."""
    radii = covalent_radii[source.numbers]
    return np.asarray(_LONGEST_BOND * (radii[a] + radii[b]))


def _bonds(source: FrameSource, frame: Frame) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Both atoms of each bond in a frame.

    Raises:
        AnalysisError: where neighbours cannot be searched.
    """
    reach = 2.0 * _LONGEST_BOND * float(covalent_radii[source.numbers].max())
    a, b, distance = _pairs(source, frame, reach)
    bonded = distance < _longest(source, a, b)
    return a[bonded], b[bonded]


def _pairs(
    source: FrameSource, frame: Frame, reach_ang: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Both atoms of each pair within reach, each way round, and their distance."""
    positions, cell = np.array(frame.positions, dtype=float), np.array(frame.cell, dtype=float)
    try:
        a, b, image = find_pairs(positions, cell, source.pbc, reach_ang)
    except StructureError as problem:
        raise AnalysisError(str(problem)) from None
    return a, b, np.linalg.norm(positions[b] - positions[a] + image @ cell, axis=1)


def _distance(
    source: FrameSource, frame: Frame, a: NDArray[np.int32], b: NDArray[np.int32]
) -> Floats:
    """[pairs] between nearest images, Angstrom."""
    cell = closed_cell(np.array(frame.cell, dtype=float), source.pbc, _OPEN_ANG)
    apart = np.asarray(frame.positions[b] - frame.positions[a], dtype=float)
    images = np.round(apart @ np.linalg.inv(cell)) * source.pbc
    return np.asarray(np.linalg.norm(apart - images @ cell, axis=1))


def _joined(atoms: int, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.int32]:
    """[atoms] number of the connected part that each belongs to."""
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(atoms, atoms))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int32)
