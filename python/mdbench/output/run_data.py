"""Runs on disk, of mdbench and of plain LAMMPS, ready for analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.errors import OutputError
from mdbench.output.mdbench_run import open_mdbench_run
from mdbench.output.plain_run import Hints, find_log, open_plain_run
from mdbench.output.run_parts import RunData

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["RunData", "list_runs", "open_run"]


def open_run(
    folder_or_log: Path,
    *,
    trajectory: Path | None = None,
    timestep_fs: float | None = None,
    elements: Sequence[str] | None = None,
    structure: Path | None = None,
) -> RunData:
    """Open a run folder of mdbench, or what a LAMMPS input wrote.

    Args:
        folder_or_log: Run folder, folder with a log, or a log.
        trajectory: Trajectory file, instead of what the log names.
        timestep_fs: Timestep, instead of what the log says.
        elements: Element symbols of atom types 1, 2, ..., instead of what the log says.
        structure: File with the types of the atoms, instead of what the log names: a LAMMPS data
            file or any that ASE reads.

    Raises:
        OutputError: when something is damaged, or cannot be found; then it says which hint to give.
    """
    if (folder_or_log / "manifest.json").is_file():
        if trajectory or timestep_fs or elements or structure:
            raise OutputError(f"'{folder_or_log}' is a run of mdbench, which needs no hints")
        return open_mdbench_run(folder_or_log)
    if not folder_or_log.exists():
        raise OutputError(f"'{folder_or_log}' does not exist: give a run folder or a LAMMPS log")
    if timestep_fs is not None and not 0 < timestep_fs < float("inf"):
        raise OutputError(f"timestep_fs {timestep_fs} is no timestep")
    log = find_log(folder_or_log) if folder_or_log.is_dir() else folder_or_log
    return open_plain_run(log, Hints(trajectory, timestep_fs, elements, structure))


def list_runs(campaign: Path) -> list[Path]:
    """Run folders of a campaign, by name; a run folder itself is its only one.

    Raises:
        OutputError: when there is none.
    """
    if (campaign / "manifest.json").is_file():
        return [campaign]
    runs = sorted(p.parent for p in campaign.glob("runs/*/manifest.json"))
    if not runs:
        raise OutputError(f"'{campaign}' holds no runs of mdbench (runs/*/manifest.json)")
    return runs
