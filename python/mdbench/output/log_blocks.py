"""The lines of a LAMMPS log: blocks of thermo output, echoed commands, messages."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mdbench.output.echo import Setup
from mdbench.output.text import parse_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_ROW_STARTS = frozenset(b"%c" % c for c in b"0123456789-")
_AT_ONCE = 20_000  # rows parsed together
_MOST_MESSAGES = 100
_LOOP = re.compile(r"Loop time of (\S+) on (\d+) procs for (\d+) steps with (\d+) atoms")
_ATOMS = re.compile(r"\s*(Created )?(\d+) atoms|Deleted \d+ atoms, new total = (\d+)")
_SPEED = re.compile(r"Performance: (\S+) ns/day, \S+ hours/ns, (\S+) timesteps/s")
_SCREEN = re.compile(r"\s+(Unit style|Time step)\s+: (\S+)\s*\Z")
_ENTRY = re.compile(rb"(\S+)\s+=\s+(\S+)")


@dataclass
class Block:
    """Rows that share their columns, and what was set when they were written."""

    columns: tuple[str, ...]
    setup: Setup
    style: str  # one, yaml, multi
    num_atoms: int | None = None
    rows: list[bytes] = field(default_factory=list)
    parts: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, row: bytes) -> None:
        """Take a row in."""
        self.rows.append(row)
        if len(self.rows) == _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Parse the rows so far; what has other columns or no numbers is some other output."""
        width = len(self.columns)
        try:
            numbers = parse_numbers(b"".join(self.rows))
            if len(numbers) != width * len(self.rows):
                raise ValueError  # noqa: TRY301 - the same remedy
        except ValueError:
            numbers = np.concatenate([np.empty(0), *(_numbers(r, width) for r in self.rows)])
        self.rows.clear()
        self.parts.append(numbers.reshape(-1, width))

    def table(self) -> NDArray[np.float64]:
        """All rows, [rows, columns]."""
        self.flush()
        self.parts = [np.concatenate(self.parts)]
        return self.parts[0]


def _numbers(row: bytes, width: int) -> NDArray[np.float64]:
    try:
        numbers = parse_numbers(row)
    except ValueError:
        return np.empty(0)
    return numbers if len(numbers) == width else np.empty(0)


@dataclass(frozen=True)
class Loop:
    """What LAMMPS says at the end of a run."""

    seconds: float
    num_processes: int
    num_steps: int
    num_atoms: int
    ns_per_day: float | None = None
    steps_per_s: float | None = None
    timestep: float | None = None  # in the units of the log, if it says so


class LogLines:
    """Takes the lines of a log one after the other."""

    def __init__(self) -> None:
        """Start with nothing set."""
        self.setup = Setup()
        self.blocks: list[Block] = []
        self.loops: list[Loop] = []
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.is_truncated = False
        self.has_beginning = False  # else an input's `log` command began it, after others
        self.num_atoms: int | None = None  # as read, created or deleted last, or of the last run
        self._block: Block | None = None  # the one being written
        self._expects_header = False
        self._entry: dict[str, bytes] = {}  # of style multi

    def read(self, lines: Iterable[bytes]) -> None:
        """Take all lines; a last one without its end was cut and does not count."""
        for line in lines:
            if not line.endswith(b"\n"):
                self.is_truncated = True
            elif self._block is None or not self._takes_row(line):
                self._other(line)
        self._end_entry()

    def _takes_row(self, line: bytes) -> bool:
        """Whether a line belongs to the block being written; what does not is looked at further."""
        block = self._block
        if block is None or line.startswith(b"---"):
            return False
        if block.style == "one":
            if is_row := line.lstrip()[:1] in _ROW_STARTS:
                block.add(line)
        elif block.style == "yaml":
            row = line.strip()
            if is_row := row.startswith(b"- [") and row.endswith(b"]"):
                block.add(row[3:-1].replace(b",", b" ") + b"\n")
        else:
            entries = _ENTRY.findall(line)
            is_row = bool(entries)
            self._entry.update((k.decode("ascii", "replace"), v) for k, v in entries)
        return is_row

    def _other(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace").rstrip()
        if line.startswith("------------ Step"):
            self._begin_entry(line)
        elif line.startswith("Per MPI rank memory"):
            self._expects_header = True
        elif line.lstrip().startswith("Step ") or (
            self._expects_header and line and not line.startswith(("WARNING", "---", "keywords"))
        ):
            self._begin(tuple(line.split()), "one")
        elif line.startswith("keywords: ["):
            self._begin(tuple(re.findall(r"'([^']*)'", line)), "yaml")
        elif line.startswith("Loop time"):
            self._end_loop(line)
        else:
            self._message(line)

    def _message(self, line: str) -> None:
        if line.startswith(("ERROR", "WARNING")):
            messages = self.errors if line.startswith("ERROR") else self.warnings
            if len(messages) < _MOST_MESSAGES:
                messages.append(line)
        elif line.startswith("LAMMPS ("):  # another run behind the first, with nothing set
            self._block, self.setup, self.num_atoms = None, Setup(), None
            self.has_beginning = True
        elif line.startswith("clear") and line.split() == ["clear"]:
            self.setup, self.num_atoms = Setup(), None
        elif (speed := _SPEED.match(line)) and self.loops:
            self.loops[-1] = replace(
                self.loops[-1], ns_per_day=_float(speed[1]), steps_per_s=_float(speed[2])
            )
        elif screen := _SCREEN.match(line):
            words = ["units", screen[2]] if screen[1] == "Unit style" else ["timestep", screen[2]]
            self.setup.command(" ".join(words))
        elif atoms := _ATOMS.fullmatch(line):
            before = self.num_atoms or 0 if atoms[1] else 0
            self.num_atoms = before + int((atoms[2] or atoms[3])[:18])
        elif line:
            self.setup.command(line)
            self.setup.model_table(line)

    def _begin(self, columns: tuple[str, ...], style: str) -> None:
        self._end_entry()
        self._expects_header = False
        if columns and len(set(columns)) == len(columns):
            self._block = Block(columns, copy.deepcopy(self.setup), style)
            self.blocks.append(self._block)

    def _begin_entry(self, line: str) -> None:
        """Of style multi: ``------------ Step 20 ----- CPU = 0 (sec) -----``."""
        self._end_entry()
        self._expects_header = False
        step = line.split()[2:3]
        if self._block is None or self._block.style != "multi":
            self._block = Block((), copy.deepcopy(self.setup), "multi")
        self._entry = {"Step": step[0].encode()} if step else {}

    def _end_entry(self) -> None:
        block, entry = self._block, self._entry
        self._entry = {}
        if not entry or block is None or block.style != "multi":
            return
        if not block.columns and len(entry) > 1:
            block.columns = tuple(entry)
            self.blocks.append(block)
        if tuple(entry) == block.columns:
            block.add(b" ".join(entry.values()) + b"\n")

    def _end_loop(self, line: str) -> None:
        self._end_entry()
        loop = _LOOP.match(line)
        seconds = _float(loop[1]) if loop else None
        if loop and seconds is not None:
            atoms = self.num_atoms = int(loop[4][:18])
            counts = int(loop[2][:18]), int(loop[3][:18])
            self.loops.append(Loop(seconds, *counts, atoms, timestep=self.setup.timestep))
            if self._block:
                self._block.num_atoms = atoms
        self._block = None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
