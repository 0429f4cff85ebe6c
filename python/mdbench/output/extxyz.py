"""Extended XYZ files, as ``dump extxyz`` and others write them."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError
from mdbench.output.contents import Contents, Spans, broken, open_bytes
from mdbench.output.text import parse_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

_PAIR = re.compile(r'([A-Za-z_][\w-]*)=(?:"([^"]*)"|(\S+))')
_STEPS = ("timestep", "step")
_MOST_SYMBOLS = 1000
_LONGEST_COUNT = 16  # bytes
_LONGEST_COMMENT = 1 << 16
_LINES = "lines are too short or too long"
_PROPERTIES = "its Properties are not those of frame 0"
_TRUE = {"T", "TRUE", "1"}
_POSITION_NAMES = ("pos", "positions")
_VELOCITY_NAMES = ("vel", "velo", "velocities")


@dataclass(frozen=True)
class Comment:
    """The second line of a frame."""

    step: int
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    columns: tuple[tuple[str, str, int], ...]  # name, kind S R I L, width


def parse_comment(text: str) -> Comment:
    """Parse step, ``Lattice``, ``pbc`` and ``Properties``.

    Raises:
        ValueError: when one that is needed is missing or damaged.
    """
    pairs = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PAIR.finditer(text)}
    step = next((pairs[k] for k in _STEPS if k in pairs), None)
    if step is None or "lattice" not in pairs:
        raise ValueError("its comment line gives no Timestep, or no Lattice")
    lattice = parse_numbers(pairs["lattice"].encode())
    if lattice.size != 9 or not np.all(np.isfinite(lattice)):  # noqa: PLR2004
        raise ValueError("its Lattice is no cell")
    cell = lattice.reshape(3, 3)
    if not abs(np.linalg.det(cell)) > 0 or abs(int(step)) >= 2**62:
        raise ValueError("its Lattice has no volume, or its Timestep is too long")
    words = pairs.get("properties", "species:S:1:pos:R:3").split(":")
    columns = tuple(
        (n.lower(), k, int(w)) for n, k, w in zip(words[::3], words[1::3], words[2::3], strict=True)
    )
    if any(k not in "SRIL" or not 0 < w < _MOST_SYMBOLS for _, k, w in columns):
        raise ValueError("its Properties are not understood")
    flags = pairs.get("pbc", "T T T").upper().split()
    if len(flags) != 3:  # noqa: PLR2004
        raise ValueError("its pbc is not three flags")
    x, y, z = (f in _TRUE for f in flags)
    return Comment(int(step), cell, (x, y, z), columns)


class ExtXyz:
    """An extended XYZ file; atoms in the order of the file, which LAMMPS sorts by id."""

    def __init__(self, path: Path, *, velocities: bool = False) -> None:
        """Find the frames and parse the first."""
        self._spans, steps, self._first, fixed, notes = _index(path)
        names = _VELOCITY_NAMES if velocities else _POSITION_NAMES
        at = 0
        self._vector = self._symbol = -1
        for name, kind, width in self._first.columns:
            if name in names and (kind, width) == ("R", 3):
                self._vector = at
            if name == "species" and (kind, width) == ("S", 1):
                self._symbol = at
            at += width
        self._width = at
        self._words = [i for i, k in enumerate(_kinds(self._first)) if k in "SL"]
        if self._vector < 0:
            raise OutputError(f"'{path}' has no property {names[0]}:R:3")
        self._codes: dict[bytes, bytes] = {}
        self.contents = Contents(path, np.empty(0, np.int64), 0, fixed)  # what broken frames name
        ((_, text),) = self._spans.read(path, [0])
        _, table = self._parse(0, text)
        self.contents = Contents(
            path=path,
            steps=np.array(steps, np.int64),
            num_atoms=len(table),
            has_fixed_cell=fixed,
            pbc=self._first.pbc,
            symbols=self._symbols(table) if self._symbol >= 0 else None,
            notes=notes,
        )

    def _symbols(self, table: NDArray[np.float64]) -> tuple[str, ...]:
        words = {float(code): word.decode("ascii", "replace") for word, code in self._codes.items()}
        return tuple(words.get(c, "?") for c in table[:, self._symbol].tolist())

    def read(
        self, indices: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64]]]:
        """Positions (or velocities) and cells."""
        path = self.contents.path
        for index, text in self._spans.read(path, indices):
            comment, table = self._parse(index, text)
            if len(table) != self.contents.num_atoms:
                raise broken(path, index, "it has another number of atoms than frame 0")
            if self._symbol >= 0 and self._symbols(table) != self.contents.symbols:
                raise broken(path, index, "its atoms are not those of frame 0")
            yield table[:, self._vector : self._vector + 3], comment.cell

    def _parse(self, index: int, text: bytes) -> tuple[Comment, NDArray[np.float64]]:
        """Comment and numbers [atoms, columns]; words as their codes."""
        try:
            count, line, body = text.split(b"\n", 2)
            comment = parse_comment(line.decode("utf-8", "replace"))
            if comment.columns != self._first.columns:
                raise ValueError(_PROPERTIES)  # noqa: TRY301 - all damage is told alike
            if self._words:
                body = self._encoded(body)
            table = parse_numbers(body)
            if table.size != int(count) * self._width:
                raise ValueError(_LINES)  # noqa: TRY301
        except ValueError as problem:
            raise broken(self.contents.path, index, problem) from None
        return comment, table.reshape(-1, self._width)

    def _encoded(self, body: bytes) -> bytes:
        """Replace words by numbers; in the usual form, one word in front, fast."""
        if self._words == [0] and self._codes:
            fast = b"\n" + body
            for word, code in self._codes.items():
                fast = fast.replace(b"\n%s " % word, b"\n%s " % code)
            if not fast.translate(None, b"0123456789+-. \t\r\nenaif"):
                return fast
        rows = [line.split() for line in body.splitlines()]
        for row in rows:
            if len(row) != self._width:
                raise ValueError(_LINES)
            for i in self._words:
                code = self._codes.setdefault(row[i], b"%d" % (len(self._codes) + 1))
                row[i] = code
        if len(self._codes) > _MOST_SYMBOLS:
            raise ValueError("it has too many species")
        return b"\n".join(b" ".join(row) for row in rows)


def _kinds(comment: Comment) -> str:
    """The kind of each column."""
    return "".join(k * w for _, k, w in comment.columns)


def _index(path: Path) -> tuple[Spans, list[int], Comment, bool, tuple[str, ...]]:
    """Where the complete frames lie, their steps, the first comment, if the cell stays, notes."""
    spans, fixed, offset = Spans([], []), True, 0
    steps: list[int] = []
    first = None
    with open_bytes(path) as file:
        while frame := _next_frame(path, len(steps), file):
            line, length = frame
            try:
                comment = parse_comment(line.decode("utf-8", "replace"))
            except ValueError as problem:
                raise broken(path, len(steps), problem) from None
            first = first or comment
            fixed &= bool(np.array_equal(comment.cell, first.cell))
            steps.append(comment.step)
            spans.offsets.append(offset)
            spans.lengths.append(length)
            offset += length
        cut = _holds_more(file, offset)
    if first is None:
        raise OutputError(f"'{path}' holds no complete frame")
    note = (f"the last frame of '{path.name}' was cut and is dropped",) if cut else ()
    return spans, steps, first, fixed, note


def _next_frame(path: Path, index: int, file: BinaryIO) -> tuple[bytes, int] | None:
    """Comment line and length of the frame that begins here, if it is complete."""
    try:
        head, line = file.readline(_LONGEST_COUNT), file.readline(_LONGEST_COMMENT)
        if not line.endswith(b"\n"):
            return None
        if not head.strip().isdigit() or int(head) < 1:
            raise broken(path, index, "it does not begin with a number of atoms")
        length = len(head) + len(line) + sum(map(len, islice(file, int(head) - 1)))
        last = file.readline()
    except (EOFError, zlib.error):
        return None
    return (line, length + len(last)) if last.endswith(b"\n") else None


def _holds_more(file: BinaryIO, offset: int) -> bool:
    """Whether anything but blank lines is behind an offset."""
    try:
        file.seek(offset)
        return bool(file.read(_LONGEST_COMMENT).strip())
    except (EOFError, zlib.error):
        return True
