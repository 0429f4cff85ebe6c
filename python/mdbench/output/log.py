"""LAMMPS logs: thermodynamic output in metal units, and what was run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import OutputError
from mdbench.output.log_blocks import Block, LogLines, Loop
from mdbench.output.stages import Stage, stage_to_analyse, stages_of
from mdbench.output.text import integers
from mdbench.output.thermo import (
    DEFAULT_TIMESTEP,
    ENERGIES,
    TIME_FS,
    ThermoTable,
    join_tables,
    metal_factor,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mdbench.output.echo import Setup


@dataclass(frozen=True)
class LogFile:
    """A log; ``setup`` is what was in force in its last run, in the units of the log."""

    path: Path
    thermo: ThermoTable
    setup: Setup
    units: str  # metal or real
    timestep_fs: float
    """Of the stage to analyse, or of all rows where there is none."""
    loops: tuple[Loop, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    num_atoms: int | None
    """At the end; None where the log does not say it."""
    stages: tuple[Stage, ...]
    stage: Stage | None
    """The one to analyse."""
    ns_per_day: float | None
    """Speed over all runs that reached their end."""


def ns_per_day(loops: Iterable[tuple[Loop, float]]) -> float | None:
    """Speed over several runs; minimisations, of which LAMMPS gives no speed, do not count.

    Args:
        loops: Each with its timestep, fs.
    """
    runs = [(loop, step_fs) for loop, step_fs in loops if loop.ns_per_day is not None]
    seconds = sum(loop.seconds for loop, _ in runs)
    simulated_fs = sum(loop.num_steps * step_fs for loop, step_fs in runs)
    return simulated_fs * 1e-6 / seconds * 86400 if seconds > 0 else None


def read_log(path: Path, *, units: str | None = None, timestep_fs: float | None = None) -> LogFile:
    """Read a log, whatever became of its run: killed ones end in a cut line, which is dropped.

    Where steps repeat or go back, as in runs one behind the other in a file, later rows replace
    earlier ones from their step on (``rows_to_keep``).

    Args:
        path: ``log.lammps``, or what LAMMPS printed.
        units: ``metal`` or ``real`` where the log does not say, as after ``read_restart``.
        timestep_fs: Overrides what the log says.

    Raises:
        OutputError: when the file cannot be read, is no log, or is in other units.
    """
    lines = _read_lines(path)
    setup = lines.blocks[-1].setup if lines.blocks else lines.setup
    # with those written after the last run; a `clear` may have come in between
    setup.data_files = list(dict.fromkeys([*setup.data_files, *lines.setup.data_files]))
    units = units or _units(path, setup, lines)
    notes = ["the last line was cut and is dropped"] if lines.is_truncated else []
    blocks = [block for block in lines.blocks if "Step" in block.columns]
    steps_fs = [timestep_fs or _in_fs(block.setup.timestep, units) for block in blocks]
    tables = [_table(path, *pair, units) for pair in zip(blocks, steps_fs, strict=True)]
    stages = stages_of(blocks, tables, steps_fs)
    stage, table = stage_to_analyse(stages), join_tables(tables)
    step_fs = timestep_fs or _timestep_fs(path, stage.setup if stage else setup, units)
    if stage is None:
        _refuse_changes(path, table, step_fs)
    if skipped := len(lines.blocks) - len(blocks):
        notes.append(f"{skipped} blocks of thermo output without the column Step are left out")
    return LogFile(
        path=path,
        thermo=table,
        setup=setup,
        units=units,
        timestep_fs=step_fs,
        loops=tuple(lines.loops),
        errors=tuple(lines.errors),
        warnings=tuple(lines.warnings),
        notes=tuple(notes),
        num_atoms=lines.num_atoms,
        stages=stages,
        stage=stage,
        ns_per_day=ns_per_day(
            (loop, timestep_fs or _in_fs(loop.timestep, units)) for loop in lines.loops
        ),
    )


def _read_lines(path: Path) -> LogLines:
    lines = LogLines()
    try:
        with path.open("rb") as file:
            lines.read(file)
    except OSError as problem:
        raise OutputError(f"log '{path}' cannot be read: {problem.strerror}") from None
    if not (lines.blocks or lines.setup.units or lines.setup.is_restarted or lines.errors):
        raise OutputError(f"'{path}' is no LAMMPS log: it holds neither commands nor thermo output")
    return lines


def _units(path: Path, setup: Setup, lines: LogLines) -> str:
    """Units as echoed, or, where they were set before, those in which the speed fits the timestep.

    ``read_restart`` sets them, and commands before the ``log`` command that began the file.
    """
    is_untold = setup.units is None and (setup.is_restarted or not lines.has_beginning)
    if is_untold and setup.timestep:
        for loop in lines.loops:
            if loop.ns_per_day and loop.steps_per_s:
                step_fs = loop.ns_per_day * 1e6 / (86400 * loop.steps_per_s)
                for units, unit_fs in TIME_FS.items():
                    if 0.5 < setup.timestep * unit_fs / step_fs < 2:  # noqa: PLR2004
                        return units
    if setup.units in TIME_FS:
        return setup.units
    if is_untold:
        raise OutputError(
            f"log '{path}' does not say its units: put the log that came before in front of it"
        )
    raise OutputError(f"log '{path}' is in units {setup.units or 'lj'}: metal and real can be read")


def _timestep_fs(path: Path, setup: Setup, units: str) -> float:
    if setup.has_variable_timestep:
        raise OutputError(f"log '{path}' has fix dt/reset: its steps have no fixed length")
    if setup.timestep is None and setup.is_restarted:
        raise OutputError(f"log '{path}' does not say the timestep: give timestep_fs")
    timestep_fs = _in_fs(setup.timestep, units)
    if not 0 < timestep_fs < np.inf:
        raise OutputError(f"log '{path}' has timestep {setup.timestep}: give timestep_fs")
    return timestep_fs


def _in_fs(timestep: float | None, units: str) -> float:
    return (DEFAULT_TIMESTEP[units] if timestep is None else timestep) * TIME_FS[units]


def _table(path: Path, block: Block, timestep_fs: float, units: str) -> ThermoTable:
    """A block in metal units."""
    numbers = block.table()
    try:
        steps = integers(numbers[:, block.columns.index("Step")])
    except ValueError:
        raise OutputError(f"log '{path}' is damaged: a step is no whole number") from None
    columns = {
        name: numbers[:, i] * metal_factor(name, units)
        for i, name in enumerate(block.columns)
        if name != "Step"
    }
    if "PotEng" not in columns and {"E_pair", "E_mol"} <= columns.keys():  # the default style's
        columns["PotEng"] = columns["E_pair"] + columns["E_mol"]
    if block.setup.is_normalised:
        if not block.num_atoms:
            raise OutputError(
                f"log '{path}' has energies per atom (thermo_modify norm yes) but no number"
            )
        for name in ENERGIES & columns.keys():
            columns[name] = columns[name] * block.num_atoms
    return ThermoTable(steps, steps * np.float64(timestep_fs * 1e-3), columns)


def _refuse_changes(path: Path, table: ThermoTable, timestep_fs: float) -> None:
    expected = table.steps * (timestep_fs * 1e-3)
    changed = np.flatnonzero(~np.isclose(table.times_ps, expected, rtol=1e-9, atol=1e-12))
    if len(changed):
        raise OutputError(
            f"log '{path}' changes the timestep before step {table.steps[changed[-1]]}: "
            "split it, or give timestep_fs to use one for all"
        )
