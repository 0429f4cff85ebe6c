"""What all readers of trajectory files have in common."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from mdbench.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

AT_ONCE = 1 << 22  # bytes read together when a file is searched for frames


@dataclass(frozen=True)
class Contents:
    """What a trajectory file holds; unknown is ``None``."""

    path: Path
    steps: NDArray[np.int64]  # of each frame
    num_atoms: int
    has_fixed_cell: bool
    is_wrapped: bool | None = None
    pbc: tuple[bool, bool, bool] | None = None
    ids: NDArray[np.int64] | None = None
    types: NDArray[np.int64] | None = None
    symbols: tuple[str, ...] | None = None
    masses: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """A trajectory file, its frames by index."""

    @property
    def contents(self) -> Contents:
        """What the file holds."""

    def read(
        self, indices: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64]]]:
        """Positions [atoms, 3] and cell [3, 3] (Angstrom) of frames, in rising order."""


def broken(path: Path, frame: int, why: object) -> OutputError:
    """The error for a damaged frame that is not the last."""
    return OutputError(f"'{path}': frame {frame} (counted from 0) is damaged: {why}")


def open_bytes(path: Path) -> BinaryIO:
    """A file, unpacked if it is gzip."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path, "rb") if packed else path.open("rb"))


class Window:
    """A file read forward once, a window at a time: memory is that of the longest frame."""

    def __init__(self, file: BinaryIO) -> None:
        """Start at the file's beginning."""
        self.data = bytearray()
        self.offset = 0  # of the window's first byte
        self._file = file

    def grow(self) -> bool:
        """Append the next bytes; false at the end, also where a packed file was cut."""
        try:
            more = self._file.read1(AT_ONCE)  # type: ignore[attr-defined]
        except (EOFError, zlib.error, gzip.BadGzipFile):
            more = b""
        self.data += more
        return bool(more)

    def drop(self, length: int) -> None:
        """Forget the first bytes."""
        del self.data[:length]
        self.offset += length


@dataclass(frozen=True)
class Spans:
    """Where the frames of a text file lie."""

    offsets: list[int]
    lengths: list[int]

    def read(self, path: Path, indices: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Index and text of each frame."""
        try:
            with open_bytes(path) as file:
                for index in indices:
                    file.seek(self.offsets[index])
                    text = file.read(self.lengths[index])
                    if len(text) < self.lengths[index]:
                        raise broken(path, index, "the file was cut while it was read")
                    yield index, text
        except (OSError, EOFError, zlib.error) as problem:
            raise OutputError(f"'{path}' cannot be read: {problem}") from None


def lower_triangular(lengths: Sequence[float], cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cell with a along x and b in the xy plane, as LAMMPS has it.

    Args:
        lengths: a, b, c.
        cosines: Of the angles alpha (b, c), beta (a, c), gamma (a, b).
    """
    a, b, c = lengths
    alpha, beta, gamma = cosines
    sine = np.sqrt(1 - gamma**2)
    cx, cy = c * beta, c * (alpha - beta * gamma) / sine
    return np.array([[a, 0, 0], [b * gamma, b * sine, 0], [cx, cy, np.sqrt(c**2 - cx**2 - cy**2)]])
