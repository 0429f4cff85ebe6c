"""What a LAMMPS log says of its run: the commands it echoes, variables replaced."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from ase.data import atomic_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

_THERMOSTATS = ("langevin", "temp/csvr", "temp/csld", "temp/berendsen", "temp/rescale", "gle")
_TARGET_AT = {"temp/rescale": 2, "gle": 2}  # index of Tstop behind the style; 1 for the others
_INTEGRATORS = {
    "nvt": "nvt",
    "npt": "npt",
    "nph": "npt",
    "nve": "nve",
    "tgnvt": "nvt",
    "tgnpt": "npt",
    "bocs": "npt",
    "rigid": "nve",
}
"""Ensembles of fixes that move atoms, by a part of their names; ``rigid/nvt`` is the former."""
_HELD = ("temp", "iso", "aniso", "tri", "x", "y", "z", "xy", "xz", "yz")
"""Keywords of fixes, with where each begins and ends."""
_WARM = ("temp", "langevin")
_TABLE_ROW = re.compile(r"\s+(\d+) ([A-Z][a-z]?)\s+(\d+\.\d+)\s*\Z")


Condition = tuple[str, str, str]
"""What is held, and its values at the beginning and at the end of a run."""


@dataclass
class Dump:
    """A dump command with its modifications."""

    style: str
    group: str
    every: int
    file: str
    columns: tuple[str, ...] = ()
    is_unwrapped: bool = False
    is_closed: bool = False  # undump

    @property
    def name(self) -> str:
        """Name of the file without folders."""
        return PurePath(self.file).name


@dataclass
class Setup:
    """What the commands of a log set."""

    units: str | None = None
    timestep: float | None = None  # in the time unit of ``units``
    boundary: tuple[bool, bool, bool] = (True, True, True)
    atom_style: str | None = None
    is_restarted: bool = False
    is_normalised: bool = False  # thermo_modify norm yes
    has_variable_timestep: bool = False
    elements: list[str] = field(default_factory=list)  # of atom types 1..n
    data_files: list[str] = field(default_factory=list)  # read, then written
    masses: dict[int, float] = field(default_factory=dict)
    verb: str | None = None  # run, minimize or rerun, which came last
    fixes: dict[str, list[str]] = field(default_factory=dict)  # id -> style and its arguments
    dumps: dict[str, Dump] = field(default_factory=dict)

    def command(self, line: str) -> None:
        """Take in an echoed line; anything that is none of the known commands is passed over.

        LAMMPS echoes a line as written and once more for each variable replaced: those with
        variables left in them do not count. What is malformed was not carried out by LAMMPS.
        """
        words = line.split("#", 1)[0].split()
        action = _ACTIONS.get(words[0]) if words and "$" not in line else None
        if action:
            try:
                action(self, words[1:])
            except (ValueError, IndexError, KeyError):
                return

    def model_table(self, line: str) -> None:
        """Take in a row of the table of types that ``pair_style mace`` prints."""
        row = _TABLE_ROW.match(line)
        if row and row[2] in atomic_numbers:
            if int(row[1]) == 1:
                self.elements = []
            if int(row[1]) == len(self.elements) + 1:
                self.elements.append(row[2])
                self.masses.setdefault(int(row[1]), float(row[3]))

    def ensemble(self) -> tuple[str | None, float | None]:
        """``nvt``, ``npt`` or ``nve`` by the fixes in force, and the target temperature, K."""
        kind, target = None, None
        for style, *arguments in self.fixes.values():
            parts = style.split("/")
            own = next((e for part, e in _INTEGRATORS.items() if part in parts), None)
            if own == "npt" or kind is None:
                kind = own
            for held in _held(style, arguments):
                target = _number(arguments, arguments.index(held) + 2) if held in _WARM else target
            if style.startswith(_THERMOSTATS):
                plain = next(t for t in _THERMOSTATS if style.startswith(t))
                target = _number(arguments, _TARGET_AT.get(plain, 1))
                kind = "npt" if kind == "npt" else "nvt"
            if style.startswith("press/"):
                kind = "npt"
        return "nvt" if kind == "nve" and target is not None else kind, target

    def conditions(self) -> tuple[Condition, ...]:
        """What the fixes in force hold or change, sorted: temperature, pressures, deformation."""
        found = set()
        for style, *words in self.fixes.values():
            if style == "deform":
                found.add((style, " ".join(words), ""))
            elif style.startswith(_THERMOSTATS):
                plain = next(t for t in _THERMOSTATS if style.startswith(t))
                found.add(_condition("temp", words, _TARGET_AT.get(plain, 1) - 1))
            for name in _held(style, words):
                kind = "temp" if name in _WARM else name
                found.add(_condition(kind, words, words.index(name) + 1))
        return tuple(sorted(found))


def _held(style: str, words: list[str]) -> list[str]:
    """Keywords of a fix that it holds, or takes from one value to another."""
    parts = style.split("/")
    if "rigid" in parts and "langevin" in words:
        return ["langevin"]
    moves = any(part == "press" or part in _INTEGRATORS for part in parts)
    return [name for name in _HELD if name in words] if moves else []


def _condition(name: str, words: list[str], at: int) -> Condition:
    """Numbers in one notation; variables by their names."""
    values = [_number(words, i) for i in (at, at + 1)]
    begin, end = (
        " ".join(words[i : i + 1]) if value is None else f"{value:g}"
        for i, value in enumerate(values, at)
    )
    return name, begin, end


def _number(words: list[str], index: int) -> float | None:
    try:
        return float(words[index])
    except (ValueError, IndexError):
        return None


def _units(setup: Setup, words: list[str]) -> None:
    setup.units = words[0]


def _timestep(setup: Setup, words: list[str]) -> None:
    setup.timestep = float(words[0])
    setup.has_variable_timestep = any(fix[0] == "dt/reset" for fix in setup.fixes.values())


def _boundary(setup: Setup, words: list[str]) -> None:
    x, y, z = (set(w) == {"p"} for w in words[:3])  # of one letter, or two: both ends
    setup.boundary = (x, y, z)


def _atom_style(setup: Setup, words: list[str]) -> None:
    setup.atom_style = words[0]


def _read_data(setup: Setup, words: list[str]) -> None:
    if "add" not in words:
        setup.data_files.append(words[0])


def _write_data(setup: Setup, words: list[str]) -> None:
    setup.data_files.append(words[0])


def _read_restart(setup: Setup, _: list[str]) -> None:
    setup.is_restarted = True


def _pair_coeff(setup: Setup, words: list[str]) -> None:
    elements: list[str] = []
    for word in reversed(words[2:]):
        if word not in atomic_numbers:
            break
        elements.insert(0, word)
    if words[:2] == ["*", "*"] and elements:
        setup.elements = elements


def _mass(setup: Setup, words: list[str]) -> None:
    setup.masses[int(words[0])] = float(words[1])


def _fix(setup: Setup, words: list[str]) -> None:
    setup.has_variable_timestep |= words[2] == "dt/reset"  # first: a line may be cut
    setup.fixes[words[0]] = words[2:]


def _unfix(setup: Setup, words: list[str]) -> None:
    setup.fixes.pop(words[0], None)


def _dump(setup: Setup, words: list[str]) -> None:
    name, group, style, every, file = words[:5]
    setup.dumps[name] = Dump(style, group, int(every), file, tuple(words[5:]))


def _undump(setup: Setup, words: list[str]) -> None:
    setup.dumps[words[0]].is_closed = True


def _verb(name: str) -> Callable[[Setup, list[str]], None]:
    def begin(setup: Setup, _: list[str]) -> None:
        setup.verb = name

    return begin


def _dump_modify(setup: Setup, words: list[str]) -> None:
    if words[0] in setup.dumps and "unwrap" in words:
        setup.dumps[words[0]].is_unwrapped = words[words.index("unwrap") + 1] in {"yes", "on"}


def _thermo_modify(setup: Setup, words: list[str]) -> None:
    if "norm" in words:
        setup.is_normalised = words[words.index("norm") + 1] in {"yes", "on"}


_ACTIONS = {
    "units": _units,
    "timestep": _timestep,
    "boundary": _boundary,
    "atom_style": _atom_style,
    "read_data": _read_data,
    "write_data": _write_data,
    "read_restart": _read_restart,
    "pair_coeff": _pair_coeff,
    "mass": _mass,
    "fix": _fix,
    "unfix": _unfix,
    "dump": _dump,
    "dump_modify": _dump_modify,
    "undump": _undump,
    "thermo_modify": _thermo_modify,
    **{name: _verb(name) for name in ("run", "minimize", "rerun")},
}
