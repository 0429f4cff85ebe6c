"""LAMMPS data files: the types of the atoms, and what the types are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers

from mdbench.errors import OutputError
from mdbench.output.text import integers, parse_numbers

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_SECTION = re.compile(r"^([A-Z][A-Za-z ]*?)[ \t]*(?:#[ \t]*(\S+)[^\n]*)?\n\s*?\n", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_COUNT = re.compile(r"^[ \t]*(\d{1,15})[ \t]+(bonds|angles|dihedrals|impropers)\b", re.MULTILINE)
_TYPE_AT = {"atomic": 1, "charge": 1, "full": 2, "molecular": 2, "bond": 2, "angle": 2}
_BY_WIDTH = {5: "atomic", 8: "atomic", 7: "full", 10: "full"}


@dataclass(frozen=True)
class DataFile:
    """Atoms by rising id; masses and elements of their types where the file has them."""

    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    masses: dict[int, float]  # u
    labels: dict[int, str]  # element symbols in comments behind the masses
    counts: dict[str, int] = field(default_factory=dict)  # of bonds, angles, dihedrals, impropers


def read_data_file(path: Path, atom_style: str | None = None) -> DataFile:
    """Read ids, types and masses.

    Args:
        path: A file for ``read_data``.
        atom_style: Where the section Atoms does not name it.

    Raises:
        OutputError: when it cannot be read or its style is not known.
    """
    header, found = _sections(path)
    if "Atoms" not in found:
        raise OutputError(f"'{path}' is no LAMMPS data file: it has no section Atoms")
    named, body = found["Atoms"]
    try:
        masses, labels = _masses(found.get("Masses", ("", ""))[1])
        rows = _COMMENT.sub("", body).strip().encode()
        width = len(rows.split(b"\n", 1)[0].split())
        style = next((s for s in (named, atom_style) if s in _TYPE_AT), _BY_WIDTH.get(width))
        if style is None:
            raise OutputError(f"data file '{path}': the style of section Atoms is not known")
        table = parse_numbers(rows).reshape(-1, width)
        ids, types = integers(table[:, 0]), integers(table[:, _TYPE_AT[style]])
    except (ValueError, IndexError) as problem:
        raise OutputError(f"data file '{path}' is damaged: {problem}") from None
    order = np.argsort(ids, kind="stable")
    if np.any(np.diff(ids[order]) == 0):
        raise OutputError(f"data file '{path}' is damaged: an atom occurs twice")
    counts = {m[2]: int(m[1]) for m in _COUNT.finditer(header)}
    return DataFile(ids[order], types[order], masses, labels, counts)


def angle_bonds(path: Path) -> int:
    """Number of bonds that are sides of an angle: what SHAKE holds besides the angles.

    Raises:
        OutputError: when the file cannot be read or its section Angles is damaged.
    """
    _, found = _sections(path)
    rows = _COMMENT.sub("", found.get("Angles", ("", ""))[1]).strip().encode()
    try:
        sides = integers(parse_numbers(rows)).reshape(-1, 5)[:, [2, 3, 4, 3]].reshape(-1, 2)
    except ValueError as problem:
        raise OutputError(f"data file '{path}': section Angles is damaged: {problem}") from None
    return len(np.unique(np.sort(sides, axis=1), axis=0))


def _sections(path: Path) -> tuple[str, dict[str, tuple[str | None, str]]]:
    """The header; the word behind the name and the text of each section."""
    try:
        text = path.read_text(errors="replace") + "\n"
    except OSError as problem:
        raise OutputError(f"data file '{path}' cannot be read: {problem.strerror}") from None
    parts = list(_SECTION.finditer(text))
    ends = [*(m.start() for m in parts[1:]), len(text)]
    found = {m[1]: (m[2], text[m.end() : e]) for m, e in zip(parts, ends, strict=False)}
    return text[: parts[0].start()] if parts else text, found


def _masses(section: str) -> tuple[dict[int, float], dict[int, str]]:
    masses, labels = {}, {}
    for line in section.splitlines():
        numbers, _, comment = line.partition("#")
        if words := numbers.split():
            kind = int(words[0])
            masses[kind] = float(words[1])
            if not 0 < masses[kind] < float("inf"):
                raise ValueError(f"{words[1]} is no mass")
            if comment.split()[:1] and comment.split()[0] in atomic_numbers:
                labels[kind] = comment.split()[0]
    return masses, labels
