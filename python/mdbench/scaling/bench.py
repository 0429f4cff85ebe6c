"""Runs cells one after the other and keeps what is finished: nothing is measured twice."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

from mdbench.run_folder import read_json, write_atomically
from mdbench.scaling import script, worker
from mdbench.scaling.worker import Job, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from mdbench.core import PointResult
    from mdbench.scaling.cases import Size
    from mdbench.scaling.models import Forms
    from mdbench.scaling.plan import Cell, Request
    from mdbench.scaling.script import Start

BUSY_PERCENT = 20.0
"""Of all processors, used by others just before a process starts: worth a warning."""

_LOOK_S = 0.3
_MIB = 2**20
_MEMORY_SHARE = 0.8
_LONGEST_CELL_S = 3600.0
_HISTORY = 2  # sizes that an extrapolation takes


@dataclass(frozen=True)
class Past:
    """What a finished cell of a series took."""

    atoms: int
    wall_s: float
    step_s: float
    rss_mib: float | None


class Bench:
    """Everything that the cells of a request share."""

    def __init__(
        self, request: Request, base: Atoms, exact: PointResult, forms: Forms, lock: int
    ) -> None:
        """Start the clock of the time limit."""
        self.request, self.base, self.exact, self.forms = request, base, exact, forms
        self._lock = lock
        self._began = time.monotonic()
        self._start: Start | None = None
        self._history: dict[str, list[Past]] = {}

    @property
    def left_s(self) -> float:
        """Of the time limit."""
        if self.request.time_limit_s is None:
            return float("inf")
        return self.request.time_limit_s - (time.monotonic() - self._began)

    def measured(self, cell: Cell, round_: int) -> Outcome | None:
        """What a finished process of a cell found, if there was one."""
        path = self._path(cell, round_)
        if not path.exists():
            return None
        data = read_json(path)
        wall_s = float(data.pop("wall_s"))
        found = Outcome(**data)
        self._note(cell, found, wall_s)
        return found

    def run(self, cell: Cell, round_: int, steps: int | None) -> Outcome:
        """Run a process of a cell, unless time or memory will not do; keep what is final.

        Args:
            cell: Which.
            round_: Number of its fresh process, from 0.
            steps: Of a timed run, once an earlier round has found it.
        """
        if reason := self.reason_to_skip(cell):
            return Outcome("skipped", reason)
        busy = psutil.cpu_percent(_LOOK_S)
        timing = self.request.timing
        if timing.steps is None and steps is not None:
            timing = timing.with_steps(steps)
        job = Job(
            cell.variant,
            cell.settings,
            self._start_of(cell.size),
            self.forms.files[cell.variant.file],
            timing,
            self.request.work / "run",
            self.request.work / "cache",
        )
        began = time.monotonic()
        found = worker.run(job, max(1.0, min(self.left_s, _LONGEST_CELL_S)), self._lock)
        wall_s = time.monotonic() - began
        if found.status == "failed" and self.left_s <= 0:
            return Outcome("skipped", f"the time limit was reached after {wall_s:.0f} s of it")
        if busy > BUSY_PERCENT:
            found.warnings.append(f"other programs used {busy:.0f} % of the processor before it")
        self._note(cell, found, wall_s)
        if found.status in {"timed", "refused"}:  # what failed is tried again by the next call
            text = json.dumps({**asdict(found), "wall_s": wall_s}, indent=1)
            write_atomically(self._path(cell, round_), text + "\n")
        return found

    def reason_to_skip(self, cell: Cell) -> str:
        """Why a cell would not fit into the time or the memory that is left."""
        if self.left_s <= 0:
            return "the time limit was reached before it"
        past = self._history.get(cell.series, [])
        if not past:
            return ""
        guess_s = self._seconds_need(cell, past[-1])
        if guess_s > self.left_s:
            return f"it would take some {guess_s:.0f} s of the {self.left_s:.0f} s left"
        need, have = self._memory_need(cell, past), self._memory_limit()
        if need is not None and need > have:
            return f"it would take some {need:,.0f} MiB of memory, and {have:,.0f} are there"
        return ""

    def forget_files(self) -> None:
        """Remove what only running processes need."""
        for name in ("run", "start"):
            shutil.rmtree(self.request.work / name, ignore_errors=True)

    def _seconds_need(self, cell: Cell, last: Past) -> float:
        """Steps take longer with more atoms; starts and compilers do not."""
        timing, growth = self.request.timing, max(1.0, cell.size.atoms / last.atoms)
        more_s = timing.seconds(growth * last.step_s) - timing.seconds(last.step_s)
        return last.wall_s + more_s

    def _memory_limit(self) -> float:
        if self.request.memory_limit_mib is not None:
            return self.request.memory_limit_mib
        return _MEMORY_SHARE * float(psutil.virtual_memory().available) / _MIB

    @staticmethod
    def _memory_need(cell: Cell, past: list[Past]) -> float | None:
        """All ranks, by a line through the last two sizes."""
        known = [(p.atoms, p.rss_mib) for p in past if p.rss_mib is not None]
        if len(known) < _HISTORY:
            return None
        (n0, m0), (n1, m1) = known[-2:]
        slope = max(0.0, (m1 - m0) / (n1 - n0))
        return cell.settings.ranks * (m1 + slope * (cell.size.atoms - n1))

    def _note(self, cell: Cell, found: Outcome, wall_s: float) -> None:
        past = self._history.setdefault(cell.series, [])
        if found.status == "timed" and (not past or past[-1].atoms < cell.size.atoms):
            past.append(Past(cell.size.atoms, wall_s, found.step_s, found.rss_mib))

    def _path(self, cell: Cell, round_: int) -> Path:
        return self.request.work / "cells" / f"{cell.key}.{round_}.json"

    def _start_of(self, size: Size) -> Start:
        """The starting state of a size; only that of the size at hand is kept."""
        if self._start is None or self._start.num_atoms != size.atoms:
            self._start = script.write_start(
                self.request.work / "start", self.base, size.repeat, self.exact
            )
        return self._start
