"""Tables that RBMD writes: energies, temperatures, and what it computes of structure and motion."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError
from mdbench.output.text import parse_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_LARGEST_BYTES = 1 << 30
_LONGEST_SHOWN = 20  # characters of a word in a message
_NO_TEXT = re.compile(rb"[^\x20-\x7e\t\r\n]")
_ENERGY = (
    *("VanderWaalsEnergy", "NearCoulombicEnergy", "FarCoulombicEnergy", "Residual"),
    *("KinticEnergy", "PotentialEnergy", "TotalEnergy", "NonBonEnergy", "SpecialEnergy"),
)
_UNIT_WORDS = {
    "real": {"E": "kcal/mol", "P": "atm", "t": "fs"},
    "metal": {"E": "eV", "P": "bar", "t": "ps"},
}
_CORRELATION = ("step", "delta_time", "value", "shared_atoms", "reference_step")


@dataclass(frozen=True)
class _Kind:
    """What a file holds: columns that it must have, and units, E P t being those of the run."""

    units: dict[str, str]
    needed: tuple[str, ...]
    default: tuple[str, ...] = ()  # columns where the file does not name them
    any_column: str | None = None  # unit of columns of any other name

    def unit(self, column: str, words: dict[str, str]) -> str:
        """Unit of a column, such as kcal/mol/bond."""
        pattern = self.units.get(column, self.any_column or "")
        return "/".join("^".join(words.get(p, p) for p in u.split("^")) for u in pattern.split("/"))


_KINDS = {
    "energy.rbmd": _Kind(
        {"Step": "1", "Time": "s", "CumulativeTime": "s", **dict.fromkeys(_ENERGY, "E/atom")}
        | {f"{b}Energy": f"E/{b.lower()}" for b in ("Bond", "Angle", "Dihedral")},
        ("Step", "KinticEnergy", "PotentialEnergy"),
    ),
    "temperature.rbmd": _Kind(
        {"Step": "1", "Temperature": "K", "Pressure": "P"}, ("Step", "Temperature")
    ),
    "msd.rbmd": _Kind({"Step": "1", "Time": "t", "sqrt(MSD_total)": "A"}, ("Step",), (), "A^2"),
    "vacf.rbmd": _Kind({"Step": "1", "Time": "t"}, ("Step",), (), "A^2/t^2"),
    "rdf.rbmd": _Kind({"Radius": "A"}, ("Radius",), (), "1"),
    "rdf_*.txt": _Kind({"r": "A"}, (), ("r", "g_r", "counts"), "1"),
    "msd.txt": _Kind({"delta_time": "t", "value": "A^2"}, (), _CORRELATION, "1"),
    "vacf.txt": _Kind({"delta_time": "t", "value": "A^2/t^2"}, (), _CORRELATION, "1"),
    "thermo.txt": _Kind({"step": "1", "mace_energy": "kcal/mol"}, (), ("step", "mace_energy")),
}
_STEPS = {"Step", "step"}


@dataclass(frozen=True)
class RbmdTable:
    """A table as it is in its file."""

    path: Path
    columns: dict[str, NDArray[np.float64]]
    units: dict[str, str]  # of each column
    lines: NDArray[np.int64]  # of the file, from 1, of each row
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)


def table_files(folder: Path) -> list[Path]:
    """Files in a folder that are tables of RBMD by their names."""
    found = (p for p in folder.iterdir() if _kind(p.name) and p.is_file())
    return sorted(found, key=lambda p: p.name)


def read_rbmd_table(path: Path, units: str = "real") -> RbmdTable:
    """Read a table; a last line without its end, as killed runs leave it, is dropped with a note.

    Args:
        path: ``energy.rbmd``, ``temperature.rbmd``, ``msd.rbmd``, ``vacf.rbmd``, ``rdf.rbmd`` of
            RBMD 2.2; ``rdf_A_B.txt``, ``msd.txt``, ``vacf.txt``, ``thermo.txt`` of RBMD 2.0.
        units: ``real`` or ``metal``, of the run.

    Returns:
        Numbers as they are in the file; missing ones (blanks in ``rdf.rbmd``) and those that RBMD
        could not compute are NaN.

    Raises:
        OutputError: when it cannot be read or is damaged; it names the line.
    """
    kind = _kind(path.name)
    if kind is None:
        raise OutputError(f"'{path}' is no table of RBMD: they are {', '.join(_KINDS)}")
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as problem:
        raise OutputError(f"'{path}' cannot be read: {problem.strerror}") from None
    if len(raw) > _LARGEST_BYTES:
        raise OutputError(f"'{path}' is larger than {_LARGEST_BYTES} bytes: no table of RBMD is")
    *lines, last = raw.replace(b"\r\n", b"\n").split(b"\n")
    notes: tuple[str, ...] = ()
    if last.strip():
        notes = (f"the last line of '{path.name}' was cut and is dropped",)
    if found := _NO_TEXT.search(raw, 0, len(raw) - len(last)):
        line = raw.count(b"\n", 0, found.start()) + 1
        raise OutputError(
            f"'{path}', line {line}: characters that RBMD does not write: the file is damaged "
            "there; cut it off before this line, or run again"
        )
    names, rows, numbers = _rows(path, kind, lines)
    if kind is _KINDS["rdf.rbmd"]:
        names, table, more = _table_with_blanks(path, names, rows, numbers)
        notes += more
    else:
        table = _table(path, rows, numbers, len(names))
    for i in (i for i, n in enumerate(names) if n in _STEPS):
        _check_steps(path, table[:, i], numbers)
    words = _UNIT_WORDS[units]
    return RbmdTable(
        path,
        {n: table[:, i] for i, n in enumerate(names)},
        {n: kind.unit(n, words) for n in names},
        np.array(numbers, np.int64),
        notes,
    )


def _kind(name: str) -> _Kind | None:
    return next((k for pattern, k in _KINDS.items() if fnmatch.fnmatchcase(name, pattern)), None)


def _rows(
    path: Path, kind: _Kind, lines: Sequence[bytes]
) -> tuple[tuple[str, ...], list[bytes], list[int]]:
    """Names of the columns, lines of numbers, and which lines they are."""
    rows = [(i, line) for i, line in enumerate(lines, 1) if line.strip()]
    names = kind.default
    if kind.default:
        while rows and rows[0][1].lstrip().startswith(b"#"):
            rows = rows[1:]
        if rows and rows[0][1].split()[0] == names[0].encode():
            rows = rows[1:]
    elif rows:
        line, head = rows[0]
        names = tuple(head.decode("ascii", "replace").split())
        if not set(kind.needed) <= set(names) or len(set(names)) < len(names):
            raise OutputError(
                f"'{path}', line {line}: no heads of columns of RBMD ({', '.join(kind.needed)}, "
                "each once): it is damaged, or another program's"
            )
        rows = rows[1:]
    else:
        names = kind.needed
    return names, [row for _, row in rows], [i for i, _ in rows]


def _table(
    path: Path, rows: Sequence[bytes], numbers: Sequence[int], width: int
) -> NDArray[np.float64]:
    for line, row in zip(numbers, rows, strict=True):
        if (found := len(row.split())) != width:
            raise OutputError(
                f"'{path}', line {line}: {width} columns are expected and {found} found: it is "
                "damaged there; cut it off before this line, or run again"
            )
    return _numbers(path, rows, numbers).reshape(-1, width)


def _numbers(path: Path, rows: Sequence[bytes], lines: Sequence[int]) -> NDArray[np.float64]:
    """All numbers of rows."""
    try:
        return parse_numbers(b"\n".join(rows))
    except ValueError:
        for line, row in zip(lines, rows, strict=True):
            for word in row.split():
                try:
                    parse_numbers(word)
                except ValueError:
                    shown = ascii(word[:_LONGEST_SHOWN].decode("ascii", "replace"))
                    raise OutputError(
                        f"'{path}', line {line}: {shown} is no number: the file is damaged there; "
                        "cut it off before this line, or run again"
                    ) from None
        raise OutputError(f"'{path}' is damaged: run again") from None


def _table_with_blanks(
    path: Path, names: tuple[str, ...], rows: Sequence[bytes], numbers: Sequence[int]
) -> tuple[tuple[str, ...], NDArray[np.float64], tuple[str, ...]]:
    """Of ``rdf.rbmd``, where a blank stands for NaN and columns can be other than announced."""
    words = [row.rstrip(b"\r").split(b" ") for row in rows]
    widths = {len(w) for w in words}
    if not words:
        return names, np.empty((0, len(names))), ()
    width = len(words[0])
    if len(widths) > 1:
        line = next(n for n, w in zip(numbers, words, strict=True) if len(w) != width)
        raise OutputError(
            f"'{path}', line {line}: another number of columns than in the lines before: it is "
            "damaged there; cut it off before this line"
        )
    filled = [b" ".join(w or b"nan" for w in row) for row in words]
    table = _table(path, filled, numbers, width)
    if width == len(names):
        return names, table, ()
    note = f"'{path.name}' has {width - 1} columns of values for {len(names) - 1} pairs"
    more = tuple(f"RDF:? {i}" for i in range(len(names), width))
    return (names + more)[:width], table, (note,)


def _check_steps(path: Path, steps: NDArray[np.float64], lines: Sequence[int]) -> None:
    whole = (np.abs(steps) < 2.0**53) & (steps == np.rint(steps))
    if not whole.all():
        bad = int(np.flatnonzero(~whole)[0])
        raise OutputError(
            f"'{path}', line {lines[bad]}: the step {steps[bad]:g} is no whole number: the file is "
            "damaged there; cut it off before this line"
        )
