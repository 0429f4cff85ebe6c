"""Systems and sizes: every size is a true supercell of one cell."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import SettingError
from mdbench.spec_system import Alloy, GrapheneWater
from mdbench.systems import MAX_ATOMS, build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ase import Atoms

SYSTEMS = {
    "graphene-water": "equilibrated interface of 128 atoms",
    "hea": "random bcc NbAlMoTiZr of 54 atoms, displaced by 0.05 A",
}
DEFAULT_SIZES = {
    "graphene-water": (128, 256, 512, 1152, 2048, 3200),
    "hea": (54, 108, 216, 432, 972, 1458),
}
_DISPLACEMENT_ANG = 0.05
_LARGEST_ASPECT = 3
_COMPACTNESS = 0.05  # a cube may be 5 % farther off than a box twice as long as wide


@dataclass(frozen=True)
class Size:
    """A supercell."""

    atoms: int
    repeat: tuple[int, int, int]

    @property
    def name(self) -> str:
        """``2x1x1``."""
        return "x".join(str(n) for n in self.repeat)


def base_cell(system: str) -> Atoms:
    """The cell that all sizes of a system are supercells of.

    Raises:
        SettingError: when there is no such system.
    """
    if system not in SYSTEMS:
        raise SettingError(f"--system '{system}' is none of {', '.join(SYSTEMS)}")
    if system == "graphene-water":
        return build(GrapheneWater(builder="graphene-water", cell="128"))
    atoms = build(Alloy(builder="hea", cells=(3, 3, 3)))
    shake = np.random.default_rng(1).normal(scale=_DISPLACEMENT_ANG, size=(len(atoms), 3))
    atoms.positions += shake  # no forces would be a special case
    return atoms


def size_near(system: str, unit: int, atoms: int) -> Size:
    """The supercell nearest to a number of atoms, in the two or three directions of the system.

    Args:
        system: A key of ``SYSTEMS``.
        unit: Atoms of its cell.
        atoms: Wanted.

    Raises:
        SettingError: for more atoms than mdbench builds.
    """
    if not 1 <= atoms <= MAX_ATOMS:
        raise SettingError(f"--sizes {atoms}: give 1 to {MAX_ATOMS:,} atoms")
    directions = 2 if system == "graphene-water" else 3
    copies = atoms / unit
    largest = max(1, math.ceil(_LARGEST_ASPECT * copies ** (1 / directions)))
    first = max(1, math.floor(copies ** (1 / directions) / _LARGEST_ASPECT))
    shapes = itertools.combinations_with_replacement(range(largest, first - 1, -1), directions)
    best = min(
        (s for s in shapes if s[0] <= _LARGEST_ASPECT * s[-1]),
        key=lambda s: abs(math.log(math.prod(s) / copies)) + _COMPACTNESS * s[0] / s[-1],
    )
    repeat = (best[0], best[1], best[2] if directions > 2 else 1)  # noqa: PLR2004
    return Size(unit * math.prod(repeat), repeat)


def sizes_near(system: str, unit: int, wanted: Iterable[int]) -> tuple[Size, ...]:
    """Supercells nearest to numbers of atoms, ascending, each once."""
    found = {(s := size_near(system, unit, n)).atoms: s for n in wanted}
    return tuple(found[n] for n in sorted(found))
