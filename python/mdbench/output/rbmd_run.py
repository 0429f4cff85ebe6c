"""Runs of RBMD: what its control file, data file and outputs say together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from mdbench.errors import OutputError
from mdbench.output.contents import open_bytes
from mdbench.output.data_file import DataFile, angle_bonds, read_data_file
from mdbench.output.formats import open_reader
from mdbench.output.plain_run import find_logs
from mdbench.output.rbmd_control import RunControl, find_control, has_control, read_control
from mdbench.output.rbmd_export import Export, read_export
from mdbench.output.rbmd_tables import table_files
from mdbench.output.rbmd_thermo import (
    Amounts,
    join_frames,
    of_frames,
    read_thermo_files,
    with_fixed_volume,
)
from mdbench.output.run_parts import Hints, RunData, atom_table, elements_of_types
from mdbench.output.thermo import TIME_FS, ThermoTable
from mdbench.output.trajectory import AtomTable, FileTrajectory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mdbench.output.contents import Reader

TRAJECTORY = "rbmd.trj"
_HAS_VELOCITIES = re.compile(rb"^ITEM: ATOMS [^\n]*\bvx vy vz\b", re.MULTILINE)
_NOT_USED = {
    "rdf.rbmd": "its bins reach from r to 1.01 r whatever outputs.rdf_out.dr says",
    "msd.rbmd": "it has one time origin, and all elements together",
    "vacf.rbmd": "it has one time origin, and all elements together; RBMD 2.2 writes no velocities "
    "to compute one from",
    "rdf_*": "it has no error, and no range common to all pairs",
    "msd.txt": "it has one time origin, and all elements together",
    "vacf.txt": "it has one time origin, and all elements together",
}


@dataclass
class _Parts:
    """What becomes a run."""

    control: RunControl
    export: Export | None
    timestep_fs: float
    data: DataFile
    data_path: Path
    notes: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where all files are."""
        return self.control.path.parent


def is_rbmd_run(path: Path) -> bool:
    """Whether this is a control file of RBMD, or a folder with one and no log of LAMMPS alone."""
    if not path.is_dir():
        return path.suffix == ".json"
    if (path / TRAJECTORY).is_file():
        return True
    return has_control(path) and bool(table_files(path) or not find_logs(path))


def open_rbmd_run(folder_or_json: Path, hints: Hints | None = None) -> RunData:
    """Open what RBMD 2.2 or 2.0 wrote.

    Args:
        folder_or_json: Control file, or the folder that holds it as its only one.
        hints: Instead of what the files say.

    Raises:
        OutputError: when something is missing or damaged, in one line.
    """
    hints = hints or Hints()
    path = find_control(folder_or_json) if folder_or_json.is_dir() else folder_or_json
    if path is None:
        raise OutputError(
            f"'{folder_or_json}' holds no control file of RBMD (*.json with init_configuration): "
            "give the one of this run"
        )
    control = read_control(path)
    timestep_fs = hints.timestep_fs or control.timestep_fs
    if timestep_fs is None:
        raise OutputError(f"{path}:1: execution.timestep: is missing: write it, or give timestep")
    export = read_export(path.parent)
    data_path = hints.structure or control.data_file
    if not data_path.is_file():
        raise OutputError(
            f"'{data_path}', the data file of '{path}', does not exist: give structure (the data "
            "file of this run)"
        )
    data = read_data_file(data_path, control.atom_style)
    return _assemble(_Parts(control, export, timestep_fs, data, data_path), hints)


def _assemble(parts: _Parts, hints: Hints) -> RunData:
    control, notes = parts.control, parts.notes
    elements: Sequence[str] | dict[int, str] = hints.elements or ()
    if not elements and parts.export:
        elements = parts.export.elements
    elements = elements or elements_of_types(parts.data.masses, parts.data.labels)
    reader = _reader(hints.trajectory or parts.folder / TRAJECTORY, parts)
    trajectory = velocities = None
    num_atoms = len(parts.data.ids) * control.copies
    if reader is not None:
        path = reader.contents.path
        atoms = _atoms(reader, parts, elements)
        trajectory = FileTrajectory([reader], atoms, parts.timestep_fs)
        notes += trajectory.notes
        if _has_velocities(path):
            readers = [open_reader(path, velocities=True)]
            factor = 1e3 / TIME_FS[control.units]
            velocities = FileTrajectory(readers, atoms, parts.timestep_fs, velocity_factor=factor)
    amounts = Amounts(
        num_atoms,
        {k: n * control.copies for k, n in parts.data.counts.items()},
        control.force_field == "CVFF",
    )
    thermo, more = read_thermo_files(parts.folder, control.units, parts.timestep_fs, amounts)
    notes += more
    if thermo is None and trajectory is None:
        raise OutputError(
            f"'{parts.folder}' holds no outputs of RBMD ({TRAJECTORY}, energy.rbmd ...): it was "
            "not run, or stopped before the first; its terminal says why"
        )
    if trajectory is not None:
        thermo = _with_frames(parts, thermo, trajectory, velocities)
    _tell_unused(parts)
    _tell_end(parts, trajectory, thermo)
    return _run(
        parts, thermo or ThermoTable(np.empty(0, np.int64), np.empty(0), {}), trajectory, velocities
    )


def _reader(path: Path, parts: _Parts) -> Reader | None:
    """The trajectory, unless there is none, with a note why."""
    if path.name == TRAJECTORY and not (path.is_file() and path.stat().st_size):
        what = (
            "is empty: RBMD stopped before its first frame"
            if path.exists()
            else ("is missing: was outputs.trajectory_out left out or off?")
        )
        parts.notes.append(f"no trajectory: '{path}' {what}")
        return None
    return open_reader(path)


def _atoms(reader: Reader, parts: _Parts, elements: Sequence[str] | dict[int, str]) -> AtomTable:
    """Elements and masses of the trajectory's atoms."""
    here, data = reader.contents, parts.data
    expected = len(data.ids) * parts.control.copies
    if here.num_atoms != expected:
        raise OutputError(
            f"'{here.path}' holds {here.num_atoms} atoms and the data file {expected}: give "
            "structure (the data file of this run)"
        )
    types = here.types
    if types is None:
        types = np.tile(data.types, parts.control.copies)
    return atom_table(types, elements, data.masses, (True, True, True))


def _has_velocities(path: Path) -> bool:
    with open_bytes(path) as file:
        return _HAS_VELOCITIES.search(file.read(4096)) is not None


def _with_frames(
    parts: _Parts,
    thermo: ThermoTable | None,
    trajectory: FileTrajectory,
    velocities: FileTrajectory | None,
) -> ThermoTable:
    """Thermodynamic output with what only frames tell: volume, density, temperature."""
    fixed = trajectory.has_fixed_cell()
    lacks_temperature = thermo is None or "Temp" not in thermo.columns
    if lacks_temperature and velocities is not None:
        removed = 0
        if parts.control.is_rigid:
            sides = angle_bonds(parts.data_path)
            removed = (sides + parts.data.counts.get("angles", 0)) * parts.control.copies
        thermo = join_frames(thermo, of_frames(velocities, removed), parts.notes)
    elif thermo is None or not fixed:
        thermo = join_frames(thermo, of_frames(trajectory), parts.notes)
    if fixed:
        thermo = with_fixed_volume(thermo, next(iter(trajectory.frames())).cell, trajectory.masses)
    return thermo


def _tell_unused(parts: _Parts) -> None:
    for path in table_files(parts.folder):
        name = "rdf_*" if path.name.startswith("rdf_") else path.name
        if name in _NOT_USED:
            anew = "" if name == "vacf.rbmd" else "; computed anew from the trajectory"
            parts.notes.append(f"'{path.name}' is not used: {_NOT_USED[name]}{anew}")


def _tell_end(parts: _Parts, trajectory: FileTrajectory | None, thermo: ThermoTable | None) -> None:
    """Note a run that is shorter or longer than its control file says; RBMD itself does not."""
    control = parts.control
    ends = [int(t.steps[-1]) for t in (trajectory, thermo) if t is not None and len(t.steps)]
    if control.num_steps is None or not ends:
        return
    last, planned = max(ends), control.num_steps
    if trajectory is not None and control.frame_interval:
        planned -= planned % control.frame_interval
        last = int(trajectory.steps[-1])
    if last < planned:
        parts.notes.insert(
            0,
            f"the run ends at step {last} of {control.num_steps} (execution.num_steps): RBMD "
            "stopped early; its terminal says why, its exit code does not",
        )
    elif last > control.num_steps:
        parts.notes.append(
            f"the run goes on to step {last}, beyond execution.num_steps {control.num_steps}: "
            f"'{control.path.name}' was changed after it, or is that of another run"
        )


def _run(
    parts: _Parts,
    thermo: ThermoTable,
    trajectory: FileTrajectory | None,
    velocities: FileTrajectory | None,
) -> RunData:
    control, export = parts.control, parts.export
    start = export.equilibration if export else 0
    stem = control.path.stem
    own = parts.folder.resolve().name if stem.lower() == "rbmd" else stem
    return RunData(
        name=export.variant if export else own,
        folder=parts.folder,
        thermo=thermo,
        trajectory=trajectory,
        velocities=velocities,
        temperature_k=control.temperature_k,
        ensemble=control.ensemble,
        equilibration_ps=start * parts.timestep_fs * 1e-3,
        provenance=_provenance(parts, trajectory, thermo),
        notes=tuple(dict.fromkeys(parts.notes)),
    )


def _provenance(
    parts: _Parts, trajectory: FileTrajectory | None, thermo: ThermoTable
) -> dict[str, Any]:
    control, export = parts.control, parts.export
    model = {"description": f"force field {control.force_field}".strip()}
    if control.model_file:
        model = {"file": control.model_file}
    steps = thermo.steps if trajectory is None else trajectory.steps
    times_ps = thermo.times_ps if trajectory is None else trajectory.times_ps
    found: dict[str, Any] = {
        "engine": "RBMD",
        "versions": {"RBMD": _version(parts, trajectory)},
        "control": str(control.path),
        "units": control.units,
        "timestep_fs": parts.timestep_fs,
        "num_atoms": len(parts.data.ids) * control.copies,
        "ensemble": control.ensemble,
        "model": model,
    }
    if len(steps):
        found["simulated_ps"] = float(times_ps[-1])
    if trajectory is not None:
        numbers = np.unique(trajectory.numbers).tolist()
        found["elements"] = [chemical_symbols[z] for z in numbers]
    if export is not None:
        found |= {"name": export.name, "seed": export.seed}
    return found


def _version(parts: _Parts, trajectory: FileTrajectory | None) -> str:
    """Of RBMD: as exported for, else by the files that it wrote."""
    if parts.export:
        return parts.export.dialect.removeprefix("rbmd-")
    if any(p.suffix == ".rbmd" for p in table_files(parts.folder)):
        return "2.2"
    return "2.0" if trajectory is not None and trajectory.steps[0] == 0 else "unknown"
