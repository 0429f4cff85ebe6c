"""Frames of an extended XYZ file as text, so that labels change and all else stays as it was."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers

from mdbench.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_PAIR = re.compile(
    r"""(?P<key>"[^"]*"|[^\s="']+)
    (?:\s*=\s*(?P<value>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \{[^{}]*\}
    | \[(?:[^\[\]]|\[[^\[\]]*\])*\] | [^\s"'\[{]\S*))?""",
    re.VERBOSE,
)
_ITEM = re.compile(r"""[^\s,\[\]{}"']+""")
_WORD = re.compile(r"\S+")
_FLAGS = {"T": True, "F": False, "TRUE": True, "FALSE": False, "1": True, "0": False}
_SYMBOL_COLUMNS, _NUMBER_COLUMNS = ("species",), ("Z", "numbers")
_OPENERS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def open_frames(path: Path, mode: str) -> IO[str]:
    """A text file, compressed as its name says; what is no UTF-8 passes through unchanged."""
    opener: Any = _OPENERS.get(path.suffix.lower(), open)
    file: IO[str] = opener(path, mode + "t", encoding="utf-8", errors="surrogateescape", newline="")
    return file


def _numbers_in(text: str) -> list[re.Match[str]]:
    """Words of a list, in quotes or brackets; ASE marks some lists with a word of its own."""
    return [m for m in _ITEM.finditer(text) if m[0] != "_JSON"]


@dataclass(frozen=True)
class Column:
    """A property of the atoms."""

    kind: str  # S R I L
    first: int  # word of the line
    width: int


class LabelledFrame:
    """One frame: numbers in it are read and replaced, everything else is kept as it was written."""

    def __init__(self, count: str, comment: str, rows: list[str]) -> None:
        """Take the lines with their ends.

        Raises:
            StructureError: when the comment line is not understood.
        """
        self._count, self._comment, self._rows = count, comment, rows
        self._columns = self._find_columns()

    def text(self) -> str:
        """The frame as it is written."""
        return "".join([self._count, self._comment, *self._rows])

    def __len__(self) -> int:
        """Atoms."""
        return len(self._rows)

    def _find(self, key: str) -> re.Match[str] | None:
        """The pair of a key of the comment line."""
        found = [m for m in _PAIR.finditer(self._comment) if m["key"].strip('"') == key]
        if len(found) > 1:
            raise StructureError(f"'{key}' stands {len(found)} times in the comment line")
        return found[0] if found else None

    def has(self, key: str) -> bool:
        """Whether the comment line has a key."""
        return self._find(key) is not None

    def value(self, key: str) -> str | None:
        """Of a key of the comment line, without quotes."""
        pair = self._find(key)
        if pair is None or pair["value"] is None:
            return None
        text: str = pair["value"]
        return text[1:-1] if text[0] in "\"'{" else text

    def numbers(self, key: str, sizes: tuple[int, ...]) -> Floats | None:
        """Numbers of a key of the comment line; ``None`` where it has no such key.

        Raises:
            StructureError: when they are no numbers or not as many as one of `sizes`.
        """
        pair = self._find(key)
        if pair is None or pair["value"] is None:
            return None
        try:
            found = np.array([float(m[0]) for m in _numbers_in(pair["value"])])
        except ValueError:
            raise StructureError(f"'{key}' is no number") from None
        if found.size not in sizes or not np.isfinite(found).all():
            wanted = " or ".join(map(str, sizes))
            raise StructureError(f"'{key}' holds {found.size} values instead of {wanted}, or nan")
        return found

    def set(self, key: str, text: str | None) -> None:
        """Replace, append or, with ``None``, remove a key of the comment line."""
        pair = self._find(key)
        body = self._comment.rstrip()
        end = self._comment[len(body) :]
        if pair is None:
            self._comment = body if text is None else f"{body} {key}={text}"
        elif text is None:
            before, after = body[: pair.start()].rstrip(), body[pair.end() :].lstrip()
            self._comment = f"{before} {after}" if before and after else before + after
        else:
            self._comment = f"{body[: pair.start()]}{key}={text}{body[pair.end() :]}"
        self._comment += end

    def set_numbers(self, key: str, numbers: Floats) -> None:
        """Replace the numbers of a key, which has as many, and leave brackets as they are."""
        pair = self._find(key)
        assert pair is not None  # noqa: S101 - for mypy: they have been read
        text = pair["value"]
        for match, number in reversed(list(zip(_numbers_in(text), numbers.ravel(), strict=True))):
            text = text[: match.start()] + repr(float(number)) + text[match.end() :]
        self.set(key, text)

    def has_column(self, name: str) -> bool:
        """Whether the atoms have a property."""
        return name in self._columns

    def column(self, name: str) -> Floats:
        """[atoms, 3] of a property of three numbers.

        Raises:
            StructureError: when it is none.
        """
        found = self._columns[name]
        if (found.kind, found.width) != ("R", 3):
            raise StructureError(f"property '{name}' is not three numbers (R:3)")
        try:
            values = [
                [float(w) for w in row.split()[found.first : found.first + 3]] for row in self._rows
            ]
            array = np.array(values).reshape(len(self), 3)
        except ValueError:
            raise StructureError(f"property '{name}' of an atom is not three numbers") from None
        if not np.isfinite(array).all():
            raise StructureError(f"property '{name}' of an atom is not finite")
        return array

    def set_column(self, name: str, values: Floats) -> None:
        """Replace a property of three numbers; other words of the lines stay as they are."""
        first = self._columns[name].first
        for i, row in enumerate(self._rows):
            words = list(islice(_WORD.finditer(row), first, first + 3))
            new = " ".join(repr(float(v)) for v in values[i])
            self._rows[i] = row[: words[0].start()] + new + row[words[2].end() :]

    def _find_columns(self) -> dict[str, Column]:
        words = (self.value("Properties") or "species:S:1:pos:R:3").split(":")
        columns: dict[str, Column] = {}
        first = 0
        try:
            for name, kind, width in zip(words[::3], words[1::3], words[2::3], strict=True):
                columns[name] = Column(kind, first, int(width))
                first += int(width)
        except ValueError:
            raise StructureError("its Properties are not understood") from None
        if len(columns) != len(words) // 3 or any(c.width < 1 for c in columns.values()):
            raise StructureError("its Properties are not understood")
        return columns

    def atomic_numbers(self) -> NDArray[np.int32]:
        """[atoms].

        Raises:
            StructureError: naming the word that is no element.
        """
        names = [n for n in (*_SYMBOL_COLUMNS, *_NUMBER_COLUMNS) if n in self._columns]
        if not names:
            raise StructureError("its atoms have neither 'species' nor 'Z'")
        first = self._columns[names[0]].first
        try:
            words = [row.split()[first] for row in self._rows]
            if names[0] in _NUMBER_COLUMNS:
                return np.array([int(w) for w in words], dtype=np.int32)
            return np.array([atomic_numbers[w.capitalize()] for w in words], dtype=np.int32)
        except (KeyError, ValueError, IndexError) as problem:
            raise StructureError(f"an atom is no element: {problem}") from None

    def positions(self) -> Floats:
        """[atoms, 3] Angstrom."""
        if "pos" not in self._columns:
            raise StructureError("its atoms have no 'pos'")
        return self.column("pos")

    def cell(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Cell [3, 3] and which directions are periodic, as ASE reads them."""
        lattice = self.numbers("Lattice", (9,))
        text = self.value("pbc")
        flags = [_FLAGS.get(w.upper()) for w in re.sub(r"[\[\],]", " ", text or "").split()]
        if text is None:
            flags = [lattice is not None] * 3
        if len(flags) != 3 or None in flags:  # noqa: PLR2004 - directions
            raise StructureError("its pbc is not three flags T or F")
        cell = np.zeros((3, 3)) if lattice is None else lattice.reshape(3, 3)
        return cell, np.array(flags, dtype=bool)


def read_frames(file: IO[str]) -> Iterator[tuple[int, LabelledFrame]]:
    """Frames one after another, and the lines at which they begin.

    Raises:
        StructureError: naming frame and line where the file is damaged.
    """
    line = 1
    for index, head in enumerate(iter(file.readline, "")):
        where = f"frame {index + 1} (line {line})"
        if not head.strip():
            if file.read().strip():
                raise StructureError(f"{where}: an empty line instead of a number of atoms")
            return
        if not head.strip().isdecimal() or int(head) < 1:
            raise StructureError(f"{where}: it does not begin with a number of atoms")
        comment = file.readline()
        rows = list(islice(file, int(head)))
        if len(rows) < int(head):
            raise StructureError(f"{where}: the file ends within it")
        try:
            yield line, LabelledFrame(head, comment, rows)
        except StructureError as problem:
            raise StructureError(f"{where}: {problem}") from None
        line += 2 + len(rows)
