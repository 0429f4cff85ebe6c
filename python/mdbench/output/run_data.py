"""Runs on disk, of mdbench, of plain LAMMPS and of RBMD, ready for analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdbench.errors import OutputError
from mdbench.output.mdbench_run import EmptyRunError, open_mdbench_run
from mdbench.output.plain_run import find_log, open_plain_run
from mdbench.output.rbmd_export import EXPORT
from mdbench.output.rbmd_run import is_rbmd_run, open_rbmd_run
from mdbench.output.run_parts import Hints, RunData

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Hints", "RunData", "list_exports", "list_runs", "open_run", "open_runs"]


def open_run(
    folder_or_log: Path,
    *,
    trajectory: Path | None = None,
    timestep_fs: float | None = None,
    elements: Sequence[str] | None = None,
    structure: Path | None = None,
) -> RunData:
    """Open a run folder of mdbench, or what a LAMMPS input or RBMD wrote.

    Args:
        folder_or_log: Run folder, folder with a log or a control file of RBMD, or one of those.
        trajectory: Trajectory file, instead of what the log names or ``rbmd.trj``.
        timestep_fs: Timestep, instead of what the log or the control file says.
        elements: Element symbols of atom types 1, 2, ..., instead of what the files say.
        structure: File with the types of the atoms, instead of what the log or the control file
            names: a LAMMPS data file or, of LAMMPS runs, any that ASE reads.

    Raises:
        OutputError: when something is damaged, or cannot be found; then it says which hint to give.
    """
    if (folder_or_log / "manifest.json").is_file():
        if trajectory or timestep_fs or elements or structure:
            raise OutputError(f"'{folder_or_log}' is a run of mdbench, which needs no hints")
        return open_mdbench_run(folder_or_log)
    if not folder_or_log.exists():
        raise OutputError(
            f"'{folder_or_log}' does not exist: give a run folder, a LAMMPS log or an RBMD "
            "control file"
        )
    if timestep_fs is not None and not 0 < timestep_fs < float("inf"):
        raise OutputError(f"timestep_fs {timestep_fs} is no timestep")
    hints = Hints(trajectory, timestep_fs, elements, structure)
    if is_rbmd_run(folder_or_log):
        return open_rbmd_run(folder_or_log, hints)
    log = find_log(folder_or_log) if folder_or_log.is_dir() else folder_or_log
    return open_plain_run(log, hints)


def open_runs(campaign: Path) -> tuple[list[RunData], list[str]]:
    """Runs of a campaign that hold something, and the names of those that do not yet.

    Raises:
        OutputError: when none does, or one is damaged.
    """
    runs: list[RunData] = []
    waiting: list[str] = []
    for folder in list_runs(campaign):
        try:
            runs.append(open_mdbench_run(folder))
        except EmptyRunError as reason:
            waiting.append(folder.name)
            last = reason
    if not runs:
        raise last
    return runs, waiting


def list_exports(folder: Path) -> list[Path]:
    """Folders of RBMD runs that ``mdbench export`` made, below a folder that is none itself."""
    if not folder.is_dir() or is_rbmd_run(folder):
        return []
    return sorted(p.parent for p in folder.glob(f"*/{EXPORT}"))


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
