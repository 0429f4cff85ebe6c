"""XTC and DCD files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from mdbench.errors import OutputError
from mdbench.output.contents import Contents, broken, lower_triangular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_NM = 10.0  # Angstrom
XTC_MAGIC = (b"\x00\x00\x07\xcb", b"\x00\x00\x07\xe7")  # 1995; 2023 counts bytes in 64 bits
_XTC_UNPACKED = 9  # frames of so few atoms are not compressed
_XTC_HEAD = struct.Struct(">4siif9f")
_XTC_COUNT_AT = 88  # of the compressed bytes, behind head, atoms, precision, bounds and index


class XtcFile:
    """Gromacs's compressed trajectories, as ``dump xtc`` writes them (nm)."""

    def __init__(self, path: Path) -> None:
        """Find the frames."""
        steps, offsets, self._num_atoms, fixed, note = _xtc_index(path)
        self._offsets = np.array(offsets, np.int64)
        self.contents = Contents(
            path=path,
            steps=np.array(steps, np.int64),
            num_atoms=self._num_atoms,
            has_fixed_cell=fixed,
            notes=note,
        )

    def read(
        self, indices: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64]]]:
        """Positions in single precision and cells."""
        path = self.contents.path
        with XTCFile(str(path)) as file:
            file.set_offsets(self._offsets)
            positions = np.empty((self._num_atoms, 3), np.float32)
            at = 0
            for index in indices:
                try:
                    if index != at:
                        file.seek(index)
                    frame = file.read_direct_x(positions)
                except (OSError, StopIteration, ValueError) as problem:
                    raise broken(path, index, problem) from None
                at = index + 1
                positions *= np.float32(_NM)
                yield positions, np.asarray(frame.box, np.float64) * _NM


def _xtc_index(path: Path) -> tuple[list[int], list[int], int, bool, tuple[str, ...]]:
    """Steps and offsets of the complete frames, atoms, whether the cell stays, notes."""
    steps: list[int] = []
    offsets: list[int] = []
    first_atoms, first_box, fixed, at = 0, None, True, 0
    with path.open("rb", buffering=4096) as file:
        size = file.seek(0, 2)
        while at < size:
            file.seek(at)
            head = file.read(_XTC_COUNT_AT + 8)
            if len(head) < _XTC_HEAD.size + 4:
                break
            magic, atoms, step, _, *box = _XTC_HEAD.unpack_from(head)
            first_atoms, first_box = first_atoms or atoms, first_box or box
            if magic not in XTC_MAGIC or atoms != first_atoms or atoms < 1:
                raise broken(path, len(steps), "no frame of this trajectory begins there")
            if atoms <= _XTC_UNPACKED:
                end = at + _XTC_HEAD.size + 4 + 12 * atoms
            else:
                code = ">q" if magic == XTC_MAGIC[1] else ">i"
                if len(head) < _XTC_COUNT_AT + struct.calcsize(code):
                    break
                (count,) = struct.unpack_from(code, head, _XTC_COUNT_AT)
                if count < 0:
                    raise broken(path, len(steps), "its length is negative")
                end = at + _XTC_COUNT_AT + struct.calcsize(code) + (count + 3) // 4 * 4
            if end > size:
                break
            fixed &= box == first_box
            steps.append(step)
            offsets.append(at)
            at = end
    if not steps:
        raise OutputError(f"'{path}' holds no complete frame")
    note = (f"the last frame of '{path.name}' was cut and is dropped",) if at < size else ()
    return steps, offsets, first_atoms, fixed, note


class DcdFile:
    """DCD files as ``dump dcd`` writes them (Angstrom), of either byte order."""

    def __init__(self, path: Path) -> None:
        """Find the frames."""
        start, frame, (announced, first_step, interval) = _dcd_head(path)
        present, rest = divmod(path.stat().st_size - start, frame.itemsize)
        if present < 1:
            raise OutputError(f"'{path}' holds no complete frame")
        if present > 1 and interval < 1:
            raise OutputError(f"'{path}' has frames at no fixed interval: DCD keeps no steps then")
        self._data = np.memmap(path, frame, "r", start, (present,))
        notes = [f"the last frame of '{path.name}' was cut and is dropped"] if rest else []
        if announced != present:
            notes.append(f"'{path.name}' announces {announced} frames and holds {present}")
        self.contents = Contents(
            path=path,
            steps=first_step + interval * np.arange(present, dtype=np.int64),
            num_atoms=frame["x"].shape[0],
            has_fixed_cell=bool(np.all(self._data["cell"] == self._data["cell"][0])),
            notes=tuple(notes),
        )

    def read(
        self, indices: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64]]]:
        """Positions in single precision and cells."""
        positions = np.empty((self.contents.num_atoms, 3), np.float32)
        for index in indices:
            frame = self._data[index]
            sizes = {k: frame[k].nbytes for k in ("cell", "x", "y", "z")}
            if any(frame[f"{k}{end}"] != n for k, n in sizes.items() for end in ("<", ">")):
                raise broken(self.contents.path, index, "the marks around its records are wrong")
            for axis, name in enumerate("xyz"):
                positions[:, axis] = frame[name]
            yield positions, _dcd_cell(self.contents.path, index, frame["cell"])


def _dcd_head(path: Path) -> tuple[int, np.dtype[np.void], tuple[int, int, int]]:
    """Offset and layout of the frames; their announced number, first step and interval."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    try:
        order = "<" if head[:4] == struct.pack("<i", 84) else ">"
        numbers = struct.unpack_from(f"{order}3i", head, 8)
        fixed_atoms, _, has_cell = struct.unpack_from(f"{order}ifi", head, 40)
        (title,) = struct.unpack_from(f"{order}i", head, 92)
        before, num_atoms, after = struct.unpack_from(f"{order}3i", head, 100 + title)
    except struct.error:
        raise OutputError(f"'{path}' holds no complete DCD header") from None
    if title < 0 or (before, after) != (4, 4) or num_atoms < 1 or fixed_atoms or not has_cell:
        raise OutputError(f"'{path}' is no DCD file of LAMMPS: no cell, fixed atoms, or damage")
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = []
    for name, kind, shape in [("cell", "f8", 6), *((k, "f4", num_atoms) for k in "xyz")]:
        mark = f"{order}i4"
        fields += [(f"{name}<", mark), (name, f"{order}{kind}", (shape,)), (f"{name}>", mark)]
    try:
        return 112 + title, np.dtype(fields), numbers
    except ValueError:  # more atoms than a layout can have
        raise OutputError(f"'{path}' is damaged: it announces {num_atoms} atoms") from None


def _dcd_cell(path: Path, index: int, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cell from a, gamma, b, beta, alpha, c; angles as cosines (LAMMPS) or degrees."""
    a, gamma, b, beta, alpha, c = (float(v) for v in raw)
    angles = np.array([alpha, beta, gamma])
    cosines = angles if np.all(np.abs(angles) <= 1) else np.sin(np.pi / 2 - np.deg2rad(angles))
    with np.errstate(all="ignore"):
        cell = lower_triangular((a, b, c), cosines)
    if not np.all(np.isfinite(cell)) or np.linalg.det(cell) <= 0:
        raise broken(path, index, "its cell has no volume")
    return cell
