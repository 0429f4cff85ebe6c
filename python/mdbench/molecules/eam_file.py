"""DYNAMO funcfl files: the tables of an embedded-atom potential of one element."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from mdbench.errors import StructureError
from mdbench.output.text import parse_numbers

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_BYTES = 100_000_000
_LARGEST_TABLE = 10_000_000
_HEAD = re.compile(r"\s*(\d+)\s+(\S+)(?:\s+\S+)*\s*\Z")
_GRID = re.compile(r"\s*(\d+)\s+(\S+)\s+(\d+)\s+(\S+)\s+(\S+)\s*\Z")


@dataclass(frozen=True)
class EamFile:
    """The head of a funcfl file whose numbers have been counted."""

    element: str
    mass_u: float
    num_densities: int
    num_radii: int
    cutoff_ang: float


def read_funcfl(path: Path) -> EamFile:
    """Read and check a funcfl file.

    Raises:
        StructureError: when it cannot be read, or is none; programs would compute with what they
            find.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise StructureError(f"'{path}' is no funcfl file: it is larger than 100 MB")
        text = path.read_text(errors="replace")
    except OSError as problem:
        raise StructureError(f"'{path}' cannot be read: {problem.strerror}") from None
    lines = text.split("\n", 3)
    head = _HEAD.match(lines[1]) if len(lines) > 3 else None  # noqa: PLR2004 - two lines, grid, rest
    grid = _GRID.match(lines[2]) if head else None
    if head is None or grid is None:
        raise StructureError(
            f"'{path}' is no funcfl file: its second line gives atomic number and mass, its third "
            "nrho drho nr dr cutoff; files of several elements (setfl, *.eam.alloy) are not read"
        )
    try:
        nrho, nr = int(grid[1]), int(grid[3])
        mass, drho, dr, cutoff = (float(w) for w in (head[2], grid[2], grid[4], grid[5]))
        numbers = parse_numbers(lines[3].replace("D", "E").encode())
    except ValueError as problem:
        raise StructureError(f"'{path}' is damaged: {problem}") from None
    if not (0 < nrho <= _LARGEST_TABLE and 0 < nr <= _LARGEST_TABLE):
        raise StructureError(f"'{path}' is damaged: it names tables of {nrho} and {nr} numbers")
    if not all(0 < x < float("inf") for x in (mass, drho, dr, cutoff)):
        raise StructureError(f"'{path}' is damaged: mass, drho, dr and cutoff are not positive")
    if not 0 < int(head[1]) < len(chemical_symbols):
        raise StructureError(f"'{path}' is damaged: {head[1]} is the atomic number of no element")
    if len(numbers) != nrho + 2 * nr:
        raise StructureError(
            f"'{path}' is cut off or damaged: it holds {len(numbers)} numbers instead of "
            f"{nrho} + 2 x {nr}"
        )
    if not np.isfinite(numbers).all():
        raise StructureError(f"'{path}' is damaged: it holds a number that is not finite")
    return EamFile(chemical_symbols[int(head[1])], mass, nrho, nr, cutoff)
