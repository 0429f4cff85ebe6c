"""What a user sees while runs go on: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from mdbench.output.thermo import metal_factor

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

_PLAIN_EVERY_S = 10.0
_TAIL_BYTES = 4096
_MORE_COLUMNS = 5
"""Columns of thermo output beyond the energy, at least: no other line has so many numbers."""
_FS_PER_DAY_TO_NS = 86400 * 1e-6


@dataclass(frozen=True)
class Row:
    """One line of thermo output."""

    step: int
    temperature_k: float
    energy_ev: float


def last_row(log: Path, units: str) -> Row | None:
    """The newest complete line of thermo output of a log that is being written.

    The driver's own column order is assumed: step time temp pe etotal.

    Args:
        log: The file.
        units: Of LAMMPS.
    """
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return None
    for line in reversed(lines[:-1]):
        try:
            step, _, temperature, _, energy, *rest = map(float, line.split())
        except ValueError:
            continue
        if len(rest) >= _MORE_COLUMNS:
            return Row(int(step), temperature, energy * metal_factor("TotEng", units))
    return None


@dataclass
class RunProgress:
    """Steps done over the last minute of one run."""

    name: str
    total: int
    timestep_fs: float
    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=120))

    def line(self, row: Row) -> str:
        """Speed, remaining time, temperature and energy."""
        self.recent.append((time.monotonic(), row.step))
        (t0, s0), (t1, s1) = self.recent[0], self.recent[-1]
        speed = (s1 - s0) / (t1 - t0) if t1 > t0 else 0.0
        text = f"T {row.temperature_k:.0f} K  E {row.energy_ev:.4f} eV"
        if speed > 0:
            days = f"{speed * self.timestep_fs * _FS_PER_DAY_TO_NS:.3g} ns/day"
            text = f"{days}  {clock((self.total - row.step) / speed)} left  {text}"
        return text


def clock(seconds: float) -> str:
    """Hours, minutes, seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Display:
    """Progress of several runs; a context manager. Lines go to standard error."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Choose bars or lines."""
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._runs: dict[str, RunProgress] = {}
        self._tasks: dict[str, TaskID] = {}
        self._printed: dict[str, float] = {}
        self._bars: Progress | None = None
        if self._console.is_terminal and not quiet:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[line]}"),
                console=self._console,
            )

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *unused: object) -> None:
        """Stop drawing."""
        if self._bars:
            self._bars.stop()

    def add(self, name: str, total: int, timestep_fs: float) -> None:
        """Begin with a run."""
        self._runs[name] = RunProgress(name, total, timestep_fs)
        if self._bars:
            self._tasks[name] = self._bars.add_task(name, total=total, line="")

    def update(self, name: str, row: Row | None) -> None:
        """Show the newest line of thermo output."""
        if row is None or self._quiet:
            return
        run = self._runs[name]
        line = run.line(row)
        if self._bars:
            self._bars.update(self._tasks[name], completed=row.step, line=line)
        elif time.monotonic() - self._printed.get(name, 0.0) > _PLAIN_EVERY_S:
            self._printed[name] = time.monotonic()
            self.say(f"{name}: step {row.step} of {run.total}  {line}")

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._bars:
            self._bars.console.print(text, highlight=False, markup=False, soft_wrap=True)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - the terminal is its purpose
