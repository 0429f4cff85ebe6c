"""LAMMPS data files read whole: box, atoms, velocities, topology and coefficients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers

from mdbench.errors import StructureError
from mdbench.molecules.system import TOPOLOGY, AtomStyle, MolecularSystem, Terms, Units
from mdbench.output.text import integers, parse_numbers
from mdbench.structure_file import units_of_title

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_TERMS = {f"{name.capitalize()}s": name for name in TOPOLOGY}
_COEFFICIENTS = {"Pair Coeffs": "atom", **{f"{n.capitalize()} Coeffs": n for n in TOPOLOGY}}
_SECTIONS = ("Masses", "Atom Type Labels", "Atoms", "Velocities", *_TERMS, *_COEFFICIENTS)
_UNREAD = ("PairIJ Coeffs", "Bodies", "Ellipsoids", "Lines", "Triangles")
_HEADING = re.compile(
    rf"^[ \t]*({'|'.join((*_SECTIONS, *_UNREAD))})[ \t]*(?:#[ \t]*(\S*)[^\n]*)?$", re.MULTILINE
)
_COUNT = re.compile(r"(\d+)\s+(atoms|bonds|angles|dihedrals|impropers|\w+ types)")
_EDGE = re.compile(r"(\S+)\s+(\S+)\s+([xyz])lo\s+\3hi")
_COLUMNS: dict[AtomStyle, int] = {"atomic": 5, "charge": 6, "full": 7}
_LARGEST_BYTES = 4 << 30
_ELEMENTS = atomic_numbers.keys() - {"X"}


@dataclass(frozen=True)
class _Section:
    """A section's text, and what it is called in messages."""

    text: str
    style: str | None
    where: str

    def rows(self) -> list[list[str]]:
        """Words of each line, without comments."""
        lines = (line.partition("#")[0].split() for line in self.text.splitlines())
        return [words for words in lines if words]

    def table(self, count: int, widths: Sequence[int]) -> NDArray[np.float64]:
        """``count`` rows of numbers, all of the same width, by rising id.

        Raises:
            StructureError: when that is not what the section holds.
        """
        rows = self.rows() if "#" in self.text else None
        text = "\n".join(" ".join(r) for r in rows) if rows is not None else self.text.strip()
        width = len(text.split("\n", 1)[0].split())
        if count and width not in widths:
            raise StructureError(
                f"{self.where} has {width} columns instead of {' or '.join(map(str, widths))}"
            )
        try:
            numbers = parse_numbers(text.encode())
        except ValueError as problem:
            raise StructureError(f"{self.where} is damaged: {problem}") from None
        if len(numbers) != count * width:
            raise StructureError(
                f"{self.where} does not hold the {count} lines of {width} numbers that the head of "
                "the file names"
            )
        table = numbers.reshape(count, width or widths[0])
        if not np.isfinite(table).all():
            raise StructureError(f"{self.where} holds a number that is not finite")
        return table


def read_molecules(
    path: Path, units: Units, atom_style: AtomStyle | None = None, *, titled: str | None = None
) -> MolecularSystem:
    """Read a data file for ``read_data``; atoms come by rising id, ids may have gaps.

    Args:
        path: The file.
        units: That its numbers are in.
        atom_style: Atomic, charge or full; by default what the number of columns says.
        titled: What its title calls these units, if it names any; by default the same.

    Raises:
        StructureError: when it cannot be read, is damaged, is titled with other units, or holds
            what mdbench does not read.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise StructureError(f"data file '{path}' is larger than {_LARGEST_BYTES >> 30} GiB")
        text = path.read_text(errors="replace") + "\n"
    except OSError as problem:
        raise StructureError(f"data file '{path}' cannot be read: {problem.strerror}") from None
    expected, found = titled or units, units_of_title(text.partition("\n")[0])
    if found and found != expected:
        raise StructureError(
            f"data file '{path}' has units = {found[:20]!a} in its title, and would be read as "
            f"{expected}: correct the units that you give, or the title"
        )
    try:
        return _Reader(path, text).system(units, atom_style)
    except (ValueError, IndexError, OverflowError) as problem:
        raise StructureError(f"data file '{path}' is damaged: {problem}") from None


class _Reader:
    """One data file, taken apart."""

    def __init__(self, path: Path, text: str) -> None:
        """Find head and sections.

        Raises:
            StructureError: for a section that is not read or comes twice.
        """
        self._path = path
        self._sections: dict[str, _Section] = {}
        headings = list(_HEADING.finditer(text))
        ends = [*(m.start() for m in headings[1:]), len(text)]
        for heading, end in zip(headings, ends, strict=True):
            name = heading[1]
            line = text.count("\n", 0, heading.start()) + 1
            if name in _UNREAD or name in self._sections:
                what = "comes twice" if name in self._sections else "is not read by mdbench"
                raise StructureError(f"{path}:{line}: section '{name}' {what}")
            body = text[heading.end() : end]
            self._sections[name] = _Section(body, heading[2], f"{path}:{line}: section '{name}'")
        head = text[: headings[0].start()] if headings else text
        self._head = [line.partition("#")[0].strip() for line in head.splitlines()[1:]]
        self._counts = {m[2]: int(m[1]) for s in self._head if (m := _COUNT.fullmatch(s))}

    def system(self, units: Units, atom_style: AtomStyle | None) -> MolecularSystem:
        """All of it."""
        if "Atoms" not in self._sections or not self._count("atoms"):
            raise StructureError(f"'{self._path}' is no LAMMPS data file with atoms")
        low, high = self._box()
        style, rows = self._atoms(atom_style)
        ids, types = integers(rows[:, 0]), integers(rows[:, 2 if style == "full" else 1])
        kinds = self._count("atom types")
        self._check("Atoms", types, 1, kinds, "an atom type")
        at = _COLUMNS[style] - 3
        images = integers(rows[:, at + 3 :]) if rows.shape[1] > at + 3 else None
        return MolecularSystem(
            style,
            units,
            low,
            high,
            types,
            rows[:, at : at + 3].copy(),
            self._masses(kinds),
            self._labels(kinds),
            rows[:, at - 1].copy() if style != "atomic" else np.zeros(len(ids)),
            integers(rows[:, 1]) if style == "full" else np.zeros(len(ids), np.int64),
            np.zeros((len(ids), 3), np.int64) if images is None else images,
            self._velocities(ids),
            self._coefficients("Pair Coeffs", kinds),
            {name: self._terms(title, name, ids) for title, name in _TERMS.items()},
            self._style("Pair Coeffs"),
        )

    def _count(self, what: str) -> int:
        return self._counts.get(what, 0)

    def _check(
        self, section: str, values: NDArray[np.int64], low: int, high: int, what: str
    ) -> None:
        wrong = np.flatnonzero((values < low) | (values > high))
        if len(wrong):
            raise StructureError(
                f"{self._sections[section].where} names {what} {values.flat[wrong[0]]}, and the "
                f"file has {low} to {high}"
            )

    def _box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        edges = {m[3]: (float(m[1]), float(m[2])) for s in self._head if (m := _EDGE.fullmatch(s))}
        if set(edges) != set("xyz"):
            raise StructureError(f"'{self._path}' gives no box: xlo xhi, ylo yhi and zlo zhi")
        tilts = [s for s in self._head if s.endswith("xy xz yz")]
        if any(float(word) for s in tilts for word in s.split()[:3]):
            raise StructureError(
                f"'{self._path}' has a tilted box (xy xz yz): give one with right angles"
            )
        low, high = np.array([edges[axis] for axis in "xyz"]).T
        if not (np.isfinite(low).all() and np.isfinite(high).all() and np.all(high > low)):
            raise StructureError(f"'{self._path}' has a box without volume")
        return low, high

    def _atoms(self, atom_style: AtomStyle | None) -> tuple[AtomStyle, NDArray[np.float64]]:
        """The style and the rows by rising id."""
        section = self._sections["Atoms"]
        first = next(iter(section.rows()), [])
        widths = {n: s for s, w in _COLUMNS.items() for n in (w, w + 3)}
        named = section.style or atom_style
        style = widths.get(len(first))
        if style is None or (named and named != style) or (atom_style and atom_style != style):
            words = f" of style {ascii(named[:20])[1:-1]}" if named else ""
            raise StructureError(
                f"{section.where}{words} has {len(first)} columns: mdbench reads atomic (5), "
                "charge (6) and full (7), and 3 more for images"
            )
        rows = section.table(self._count("atoms"), (len(first),))
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        if np.any(np.diff(rows[:, 0]) == 0):
            raise StructureError(f"{section.where} names an atom twice")
        return style, rows

    def _masses(self, kinds: int) -> tuple[float, ...]:
        found = self._coefficients("Masses", kinds)
        if not found:
            raise StructureError(f"'{self._path}' has no section Masses")
        masses = tuple(m[0] for m in found if len(m) == 1)
        if len(masses) < kinds or min(masses) <= 0:
            raise StructureError(f"{self._sections['Masses'].where} holds what is no mass")
        return masses

    def _labels(self, kinds: int) -> tuple[str | None, ...]:
        """Elements in type labels, else in comments behind masses."""
        labels: list[str | None] = [None] * kinds
        if masses := self._sections.get("Masses"):
            for line in masses.text.splitlines():
                numbers, _, comment = line.partition("#")
                if numbers.split() and comment.split()[:1]:
                    word = comment.split()[0]
                    labels[int(numbers.split()[0]) - 1] = word if word in _ELEMENTS else None
        if names := self._sections.get("Atom Type Labels"):
            for kind, word, *_ in names.rows():
                labels[int(kind) - 1] = word if word in _ELEMENTS else labels[int(kind) - 1]
        return tuple(labels)

    def _velocities(self, ids: NDArray[np.int64]) -> NDArray[np.float64] | None:
        section = self._sections.get("Velocities")
        if section is None:
            return None
        rows = section.table(len(ids), (4,))
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        if not np.array_equal(rows[:, 0], ids):
            raise StructureError(f"{section.where} names other atoms than section 'Atoms'")
        return rows[:, 1:].copy()

    def _terms(self, title: str, name: str, ids: NDArray[np.int64]) -> Terms:
        count, kinds = self._count(title.lower()), self._count(f"{name} types")
        heading, width = f"{name.capitalize()} Coeffs", TOPOLOGY[name]
        coefficients, style = self._coefficients(heading, kinds), self._style(heading)
        section = self._sections.get(title)
        if section is None:
            if count:
                raise StructureError(f"'{self._path}' names {count} {title.lower()} and has none")
            return Terms(np.empty(0, np.int64), np.empty((0, width), np.int64), coefficients, style)
        rows = integers(section.table(count, (width + 2,)))
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        self._check(title, rows[:, 1], 1, kinds, f"a type of {name},")
        atoms = np.searchsorted(ids, rows[:, 2:])
        known = ids[np.minimum(atoms, len(ids) - 1)] == rows[:, 2:]
        if not known.all():
            missing = rows[:, 2:][~known][0]
            raise StructureError(f"{section.where} names atom {missing}, which does not exist")
        return Terms(rows[:, 1], atoms, coefficients, style)

    def _style(self, title: str) -> str | None:
        """The word behind the heading of a section, by which LAMMPS means a style."""
        section = self._sections.get(title)
        return (section.style or None) if section else None

    def _coefficients(self, title: str, kinds: int) -> tuple[tuple[float, ...], ...]:
        """Numbers of each type; nothing where the file has no such section."""
        section = self._sections.get(title)
        if section is None:
            return ()
        try:
            found = {int(r[0]): tuple(map(float, r[1:])) for r in section.rows()}
        except ValueError as problem:
            raise StructureError(f"{section.where} is damaged: {problem}") from None
        if not len(found) == len(section.rows()) == kinds or set(found) != set(range(1, kinds + 1)):
            raise StructureError(f"{section.where} does not hold each of the {kinds} types once")
        if not all(np.isfinite(numbers).all() for numbers in found.values()):
            raise StructureError(f"{section.where} holds a number that is not finite")
        return tuple(found[kind] for kind in range(1, kinds + 1))
