"""Energy, forces and virial of one moment by any ASE calculator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from mdbench.core import PointResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Atoms of one moment."""

    numbers: NDArray[np.int64]
    positions: Floats  # [atoms, 3] Angstrom
    cell: Floats  # [3, 3] rows
    pbc: NDArray[np.bool_]


class AseEvaluator:
    """Any ASE calculator with energy and forces, and stress where a virial is asked for."""

    num_edges = 0

    def __init__(self, calculator: Any, kernel: str = "") -> None:  # noqa: ANN401
        """Take a calculator."""
        self.calculator = calculator
        self.kernel = kernel or f"ASE calculator {type(calculator).__name__}"
        self._atoms = Atoms()

    def evaluate(self, frame: Frame, *, virial: bool) -> PointResult:
        """Energy, forces and, if asked, the virial (else zeros)."""
        if not np.array_equal(self._atoms.numbers, frame.numbers):
            self._atoms = Atoms(frame.numbers)
        self._atoms.set_cell(frame.cell)
        self._atoms.pbc = frame.pbc
        self._atoms.positions = frame.positions
        wanted = ["energy", "forces", *(["stress"] if virial else [])]
        self.calculator.calculate(self._atoms, wanted)
        found = self.calculator.results
        tensor = np.zeros((3, 3))
        if virial:
            xx, yy, zz, yz, xz, xy = found["stress"]
            stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            tensor = -stress * self._atoms.get_volume()
        return PointResult(float(found["energy"]), np.asarray(found["forces"], float), tensor)
