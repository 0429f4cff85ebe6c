"""Edges of a graph on the device of a torch model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mdbench.neighbours import find_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.ase_evaluator import Frame

    Floats = NDArray[np.float64]


class Pairs:
    """Candidate edges on the model's device, kept until an atom has moved half the skin."""

    def __init__(self, cutoff_ang: float, skin_ang: float, device: str) -> None:
        """An empty list."""
        self.cutoff_ang, self.skin_ang, self.device = cutoff_ang, skin_ang, device
        self._positions: Floats | None = None
        self._cell, self._pbc = np.empty((3, 3)), np.empty(3, bool)
        self._edges: Any = None  # [2, pairs] sender, receiver
        self._images: Any = None  # [pairs, 3] of MACE's sign

    def update(self, frame: Frame) -> tuple[Any, Any, Any]:
        """Edges [2, edges], images [edges, 3] and shifts [edges, 3] (double) within the cutoff."""
        if not self._holds(frame):
            reach = self.cutoff_ang + self.skin_ang
            receiver, sender, image = find_pairs(frame.positions, frame.cell, frame.pbc, reach)
            edges = np.stack([sender, receiver]).astype(np.int64)
            self._edges = torch.as_tensor(edges, device=self.device)
            self._images = torch.as_tensor(-image.astype(float), device=self.device)
            self._positions, self._cell = frame.positions.copy(), frame.cell.copy()
            self._pbc = frame.pbc.copy()
        positions = torch.as_tensor(frame.positions, device=self.device)
        shifts = self._images @ torch.as_tensor(frame.cell, device=self.device)
        vectors = positions[self._edges[1]] - positions[self._edges[0]] + shifts
        kept = (vectors.square().sum(dim=1) < self.cutoff_ang**2).nonzero()[:, 0]
        return self._edges[:, kept], self._images[kept], shifts[kept]

    def _holds(self, frame: Frame) -> bool:
        """Whether no pair can have come within the cutoff unseen."""
        before = self._positions
        if before is None or before.shape != frame.positions.shape:
            return False
        if not (np.array_equal(self._cell, frame.cell) and np.array_equal(self._pbc, frame.pbc)):
            return False
        moved = np.square(frame.positions - before).sum(axis=1).max(initial=0.0)
        return bool(moved <= (0.5 * self.skin_ang) ** 2)
