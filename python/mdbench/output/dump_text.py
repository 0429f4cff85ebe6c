"""Text dumps of LAMMPS (``dump custom``, ``atom``), also gzipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError
from mdbench.output.contents import Contents, Spans, Window, broken, open_bytes
from mdbench.output.text import integers, parse_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_MARK = b"ITEM: TIMESTEP\n"
_TIME = b"ITEM: TIME\n"  # in front of the mark, with ``dump_modify time yes``
_PREAMBLE = 4096  # bytes
_NEWLINE = ord("\n")
_COLUMNS = "it has other columns or another number of atoms than announced"
_LINES = "lines are too short or too long"
_IMAGES = ("ix", "iy", "iz")
_VELOCITIES = ("vx", "vy", "vz")
_WORDS = {"element", "typelabel"}  # columns that hold no numbers


@dataclass(frozen=True)
class Columns:
    """Which columns hold the vectors of the atoms."""

    names: tuple[str, ...]
    vectors: tuple[str, ...]
    is_scaled: bool = False
    has_images: bool = False
    is_wrapped: bool = False


@dataclass(frozen=True)
class Head:
    """What stands in front of a frame's atoms."""

    step: int
    num_atoms: int
    origin: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    columns: tuple[str, ...]


def parse_head(text: bytes) -> Head:
    """Parse everything up to and with the line ``ITEM: ATOMS``.

    The bounds of a tilted box are those of its bounding box: LAMMPS manual, "Triclinic
    simulation boxes".

    Raises:
        ValueError: when it is incomplete or damaged.
    """
    items = {}
    for part in text.split(b"ITEM: ")[1:]:
        first, _, rest = part.partition(b"\n")
        words = first.decode("ascii").split()
        key = " ".join(w for w in words if w.isupper() or w == "OF")
        items[key] = (words, rest)
    try:
        step = int(items["TIMESTEP"][1])
        num_atoms = int(items["NUMBER OF ATOMS"][1])
        words, bounds_text = items["BOX BOUNDS"]
        columns = tuple(items["ATOMS"][0][1:])
    except KeyError as missing:
        raise ValueError(f"no ITEM {missing}") from None
    flags = [w for w in words[2:] if len(w) == 2 and w not in {"xy", "xz", "yz"}]  # noqa: PLR2004
    bounds = np.array([float(w) for w in bounds_text.split()])
    if len(bounds) not in {6, 9} or num_atoms < 1 or abs(step) >= 2**62:
        raise ValueError("the box, the step or the number of atoms is no such")
    low, high, *tilts = bounds.reshape(3, -1).T
    tilt = tilts[0] if tilts else np.zeros(3)
    xy, xz, yz = tilt
    low = low - [min(0, xy, xz, xy + xz), min(0, yz), 0]
    high = high - [max(0, xy, xz, xy + xz), max(0, yz), 0]
    cell = np.diag(high - low)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    if not np.all(np.isfinite(cell)) or np.any(high <= low):
        raise ValueError("the box has no volume")
    x, y, z = (f == "pp" for f in flags) if len(flags) == 3 else (True, True, True)  # noqa: PLR2004
    return Head(step, num_atoms, low, cell, (x, y, z), columns)


def _choose(path: Path, names: tuple[str, ...], *, velocities: bool) -> Columns:
    """The best columns there are: unwrapped before images before wrapped."""
    if "id" not in names or len(set(names)) < len(names):
        raise OutputError(f"'{path}' has no column id, by which atoms are told apart")
    if velocities:
        if set(_VELOCITIES) <= set(names):
            return Columns(names, _VELOCITIES)
        raise OutputError(f"'{path}' has no velocities: columns vx vy vz")
    has_images = set(_IMAGES) <= set(names)
    wrapped = not has_images
    for columns in (
        Columns(names, ("xu", "yu", "zu")),
        Columns(names, ("x", "y", "z"), has_images=True) if has_images else None,
        Columns(names, ("xsu", "ysu", "zsu"), is_scaled=True),
        Columns(
            names, ("xs", "ys", "zs"), is_scaled=True, has_images=has_images, is_wrapped=wrapped
        ),
        Columns(names, ("x", "y", "z"), is_wrapped=True),
    ):
        if columns and set(columns.vectors) <= set(names):
            return columns
    raise OutputError(f"'{path}' has no positions: write xu yu zu")


class DumpText:
    """A text dump; frames sorted by atom id."""

    def __init__(self, path: Path, *, velocities: bool = False) -> None:
        """Find the frames and parse the first."""
        self._spans, steps, first, fixed, notes = _index(path)
        self._columns = _choose(path, first.columns, velocities=velocities)
        self._codes: dict[bytes, bytes] = {}  # words of the text columns -> numbers
        self._order = np.empty(0, np.int64)
        self._ids: NDArray[np.float64] = np.empty(0)
        self.contents = Contents(path, np.empty(0, np.int64), 0, fixed)  # what broken frames name
        ((_, text),) = self._spans.read(path, [0])
        head, table = self._parse(0, text)
        sorted_ids = self._sorted_ids(0, table)
        numbers = {n: table[self._order, i] for i, n in enumerate(head.columns)}
        words = {float(code): word.decode("ascii", "replace") for word, code in self._codes.items()}
        try:
            ids = integers(sorted_ids)
            types = integers(numbers["type"]) if "type" in numbers else None
        except ValueError as problem:
            raise broken(path, 0, problem) from None
        self.contents = Contents(
            path=path,
            steps=np.array(steps, np.int64),
            num_atoms=head.num_atoms,
            has_fixed_cell=fixed,
            is_wrapped=self._columns.is_wrapped,
            pbc=head.pbc,
            ids=ids,
            types=types,
            symbols=tuple(words.get(c, "?") for c in numbers["element"].tolist())
            if "element" in numbers
            else None,
            masses=numbers.get("mass"),
            notes=notes,
        )

    def read(
        self, indices: Sequence[int]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.float64]]]:
        """Positions (or velocities) and cells."""
        columns = self._columns
        at = [columns.names.index(v) for v in columns.vectors]
        for index, text in self._spans.read(self.contents.path, indices):
            head, table = self._parse(index, text)
            if np.any(self._sorted_ids(index, table) != self.contents.ids):
                raise broken(self.contents.path, index, "its atoms are not those of frame 0")
            vectors = table[:, at][self._order]
            if columns.is_scaled:
                vectors = head.origin + vectors @ head.cell
            if columns.has_images:
                images = [columns.names.index(v) for v in _IMAGES]
                vectors += table[:, images][self._order] @ head.cell
            yield vectors, head.cell

    def _sorted_ids(self, index: int, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ids in rising order; the order is kept, as most dumps repeat it."""
        ids = table[:, self._columns.names.index("id")]
        if not np.array_equal(ids, self._ids):
            self._order = np.argsort(ids, kind="stable")
            self._ids = ids
        found = ids[self._order]
        if np.any(found[1:] == found[:-1]):
            raise broken(self.contents.path, index, "an atom occurs twice")
        return found

    def _parse(self, index: int, text: bytes) -> tuple[Head, NDArray[np.float64]]:
        """Head and numbers [atoms, columns] of a frame; words as their codes."""
        try:
            end = text.index(b"\n", text.index(b"ITEM: ATOMS")) + 1
            head, body = parse_head(text[:end]), text[end:].partition(_TIME)[0]
            if head.columns != self._columns.names or body.count(b"\n") != head.num_atoms:
                raise ValueError(_COLUMNS)  # noqa: TRY301 - all damage is told alike
            if _WORDS & set(head.columns):
                body = self._encoded(body, head.columns)
            table = parse_numbers(body)
            if table.size != head.num_atoms * len(head.columns):
                raise ValueError(_LINES)  # noqa: TRY301
        except ValueError as problem:
            raise broken(self.contents.path, index, problem) from None
        return head, table.reshape(head.num_atoms, -1)

    def _encoded(self, body: bytes, names: tuple[str, ...]) -> bytes:
        """Replace the words of text columns by numbers; slow only while new words turn up."""
        for _ in range(2):
            fast = b" " + body.replace(b"\n", b" \n ").replace(b" ", b"  ")
            for word, code in self._codes.items():
                fast = fast.replace(b" %s " % word, b" %s " % code)
            letters = fast.translate(None, b"0123456789+-. \t\r\nenaif")
            if not letters:
                break
            rows = [line.split() for line in body.splitlines()]
            columns = [i for i, n in enumerate(names) if n in _WORDS]
            words = {row[i] for row in rows for i in columns if len(row) == len(names)}
            if len(words) > 1000:  # noqa: PLR2004
                raise ValueError("it has too many elements")
            for word in words - self._codes.keys():
                self._codes[word] = b"%d" % (len(self._codes) + 1)
        return fast


def _index(path: Path) -> tuple[Spans, list[int], Head, bool, tuple[str, ...]]:
    """Where the complete frames lie, their steps, the first head, if the cell stays, notes."""
    spans, fixed, cut = Spans([], []), True, False
    steps: list[int] = []
    first = None
    for offset, length, head_text, lines in _frames(path):
        try:
            head = parse_head(head_text)
        except ValueError as problem:
            if lines is None:
                raise broken(path, len(steps), problem) from None
            cut = True
            break
        if lines is not None:  # the last frame: complete only with all its lines
            ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == _NEWLINE)
            if len(ends) < head.num_atoms:
                cut = True
                break
            end = int(ends[head.num_atoms - 1]) + 1
            rest = lines[end:]
            cut = bool(rest)
            if not _MARK.startswith(rest) and not rest.startswith(_TIME):
                raise broken(path, len(steps), "it has more lines than atoms")
            length = len(head_text) + end  # noqa: PLW2901
        first = first or head
        fixed &= bool(np.array_equal(head.cell, first.cell))
        steps.append(head.step)
        spans.offsets.append(offset)
        spans.lengths.append(length)
    if first is None:
        raise OutputError(f"'{path}' holds no complete frame")
    note = (f"the last frame of '{path.name}' was cut and is dropped",) if cut else ()
    return spans, steps, first, fixed, note


def _frames(path: Path) -> Iterator[tuple[int, int, bytes, bytes | None]]:
    """Offset, length and head of each frame; of the last one also all behind the head."""
    with open_bytes(path) as file:
        window = Window(file)
        while len(window.data) < _PREAMBLE and window.grow():
            pass
        window.drop(max(0, window.data.find(_MARK, 0, _PREAMBLE)))  # UNITS and TIME come before
        searched = 1
        while True:
            found = window.data.find(b"\n" + _MARK, max(0, searched - 1))
            if found < 0:
                searched = max(1, len(window.data) - len(_MARK))
                if window.grow():
                    continue
            length = found + 1 if found >= 0 else len(window.data)
            start = window.data.find(b"ITEM: ATOMS", 0, length)
            end = window.data.find(b"\n", start, length) + 1 if start >= 0 else 0
            head = bytes(window.data[: end or min(length, 4096)])
            yield window.offset, length, head, None if found >= 0 else bytes(window.data[end:])
            if found < 0:
                return
            window.drop(length)
            searched = 1
