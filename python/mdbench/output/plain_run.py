"""Output of any LAMMPS input: what it is, is taken from the commands that its log echoes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from mdbench.errors import OutputError
from mdbench.output.data_file import DataFile, read_data_file
from mdbench.output.formats import open_reader
from mdbench.output.log import LogFile, read_log
from mdbench.output.run_parts import Hints, RunData, atom_table, elements_of_types
from mdbench.output.thermo import TIME_FS
from mdbench.output.trajectory import AtomTable, FileTrajectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mdbench.output.contents import Reader
    from mdbench.output.echo import Dump, Setup
    from mdbench.output.stages import Stage

_STYLES = ("xtc", "dcd", "custom", "custom/gz", "atom", "atom/gz", "extxyz")
_DATA_SUFFIXES = {".data", ".lmp", ".lammps-data"}


def open_plain_run(log_file: Path, hints: Hints) -> RunData:
    """Open a log and the trajectories that it names, or the hints do.

    Raises:
        OutputError: when something cannot be found; the text says which hint to give.
    """
    log = read_log(log_file, timestep_fs=hints.timestep_fs)
    kind, temperature_k = log.setup.ensemble()
    notes, within, thermo = list(log.notes), None, log.thermo
    setup, stage = log.setup, log.stage
    if stage is not None:
        kind, temperature_k, setup = stage.kind, stage.temperature_k, stage.setup
        thermo = stage.thermo
        within = _limits(log, stage)
        notes += _stage_notes(log, stage)
    trajectory, is_wrapped = _trajectory_files(log, setup, hints)
    source = velocities = None
    if trajectory:
        readers = [open_reader(p) for p in trajectory]
        atoms = find_atoms(readers[0], log, hints)
        source = FileTrajectory(readers, atoms, log.timestep_fs, is_wrapped=is_wrapped)
        notes += source.notes
        velocities = _velocities(log, setup, hints, atoms)
        if within:
            source, velocities = (_cut(s, *within) for s in (source, velocities))
        if source is None:
            notes.append("no frame of the trajectory is of the stage that is analysed")
    else:
        notes.append(
            "no trajectory: neither does the log name a file that exists, nor is one given"
        )
    return RunData(
        name=_name(log_file),
        folder=log_file.parent,
        thermo=thermo,
        trajectory=source,
        velocities=velocities,
        temperature_k=temperature_k,
        ensemble=kind,
        equilibration_ps=0.0,
        provenance=_provenance(log, source, kind),
        notes=tuple(notes),
        boundary=log.setup.boundary,
    )


def _name(log_file: Path) -> str:
    """``md`` for md.log, ``300K`` for log.300K, and its folder's name for log.lammps."""
    known = log_file.suffix in {".log", ".lammps", ".out", ".txt"}
    name = log_file.stem if known else log_file.name
    return log_file.parent.resolve().name if name == "log" else name.removeprefix("log.")


def _limits(log: LogFile, stage: Stage) -> tuple[int, int] | None:
    """Steps of the stage, where the log has others; a trajectory may count in its own way."""
    whole = (int(log.thermo.steps[0]), int(log.thermo.steps[-1]))
    found = (stage.first, stage.last)
    return None if found == whole and len(log.stages) == 1 else found


def _stage_notes(log: LogFile, stage: Stage) -> list[str]:
    notes = []
    if len(log.stages) > 1:
        first_ps, last_ps = (s * stage.timestep_fs * 1e-3 for s in (stage.first, stage.last))
        text = f"of {len(log.stages)} stages one is analysed: {stage}"
        if len({other.timestep_fs for other in log.stages}) > 1:
            text += f" in steps of {stage.timestep_fs:g} fs"
        notes.append(f"{text}, {first_ps:g} to {last_ps:g} ps")
    if stage.is_ramp:
        notes.append(f"{stage} is no equilibrium: averages are over what changes")
    return notes


def find_log(folder: Path) -> Path:
    """The log in a folder.

    Raises:
        OutputError: when there is none, or more than one.
    """
    if (log := folder / "log.lammps").is_file():
        return log
    found = find_logs(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise OutputError(
            f"'{folder}' holds no LAMMPS log (log.lammps, *.log) and no run of RBMD (*.json with "
            "init_configuration): give the file itself"
        )
    names = ", ".join(p.name for p in found[:5])
    raise OutputError(f"'{folder}' holds {len(found)} logs ({names}): give the file itself")


def find_logs(folder: Path) -> list[Path]:
    """Files in a folder that are logs by their names."""
    return sorted(p for p in {*folder.glob("*.log"), *folder.glob("log.*")} if p.is_file())


def find_atoms(reader: Reader, log: LogFile, hints: Hints) -> AtomTable:
    """Elements and masses of a trajectory's atoms.

    Elements of types: hints, ``pair_coeff`` or the table of ``pair_style mace``, comments in the
    data file, masses. Types of atoms: the trajectory, else the data file. Symbols in a trajectory
    come last, as dumps write C for what nobody named.

    Raises:
        OutputError: when they are not to be found.
    """
    here, setup = reader.contents, log.setup
    pbc = here.pbc or setup.boundary
    data = _data_file(reader, log, hints)
    if hints.structure and data is None:
        return _from_structure(hints.structure, pbc)
    types = here.types
    if types is None and data is not None:
        keep = np.isin(data.ids, here.ids) if here.ids is not None else slice(None)
        types = data.types[keep]
    masses = {**(data.masses if data else {}), **setup.masses}
    elements: Sequence[str] | dict[int, str] = hints.elements or setup.elements
    if not elements:
        elements = elements_of_types(masses, data.labels if data else {})
    if types is not None and elements:
        return atom_table(types, elements, masses, pbc)
    if here.symbols and all(s in atomic_numbers for s in here.symbols):
        numbers = np.array([atomic_numbers[s] for s in here.symbols], np.int64)
        weights = atomic_masses[numbers] if here.masses is None else here.masses
        return AtomTable(numbers, np.asarray(weights, np.float64), np.array(pbc))
    if types is None:
        raise OutputError(
            f"'{here.path}' does not hold the types of its atoms, and no data file is found: give "
            "structure (a LAMMPS data file, or any file that ASE reads)"
        )
    raise OutputError(f"'{log.path}' does not tell the elements of the atom types: give elements")


def _data_file(reader: Reader, log: LogFile, hints: Hints) -> DataFile | None:
    style = log.setup.atom_style
    if hints.structure:
        is_data = hints.structure.suffix in _DATA_SUFFIXES or hints.structure.name.startswith(
            "data"
        )
        return read_data_file(hints.structure, style) if is_data else None
    data = None
    for name in log.setup.data_files:
        if path := _find(log.path.parent, name):
            data = read_data_file(path, style)
            if (
                len(data.ids) >= reader.contents.num_atoms
            ):  # else replicate or create_atoms followed
                return data
    return data


def _from_structure(path: Path, pbc: Sequence[bool]) -> AtomTable:
    from ase.io import read  # noqa: PLC0415 - slow, and seldom needed

    try:
        atoms = read(path)
    except Exception as problem:  # noqa: BLE001 - readers of ASE raise anything
        raise OutputError(f"structure '{path}' cannot be read: {problem}") from None
    return AtomTable(
        np.asarray(atoms.numbers, np.int64), np.asarray(atoms.get_masses()), np.array(pbc)
    )


def _find(folder: Path, name: str) -> Path | None:
    """A file that a log names: LAMMPS may have run in its folder or in this one."""
    places = (folder / name, Path(name), folder / Path(name).name)
    return next((p for p in places if p.is_file()), None)


def _files(log: LogFile, dump: Dump) -> list[Path]:
    """Files of a dump; those of one file a frame in order of their steps."""
    if "*" not in dump.name:
        found = _find(log.path.parent, dump.file)
        return [found] if found else []
    pattern = re.compile(re.escape(dump.name).replace(r"\*", r"(\d+)"))
    for folder in (
        log.path.parent / Path(dump.file).parent,
        Path(dump.file).parent,
        log.path.parent,
    ):
        steps = {int(m[1]): p for p in folder.glob("*") if (m := pattern.fullmatch(p.name))}
        if steps:
            return [steps[k] for k in sorted(steps)]
    return []


def _trajectory_files(log: LogFile, setup: Setup, hints: Hints) -> tuple[list[Path], bool | None]:
    """Files of the best trajectory, and whether their positions are wrapped, if that is known."""
    dumps = [d for d in setup.dumps.values() if d.style in _STYLES]
    if hints.trajectory:
        same = [d for d in dumps if d.name == hints.trajectory.name]
        return [hints.trajectory], not same[-1].is_unwrapped if same else None
    usable = [(d, files) for d in dumps if not _is_of_velocities(d) and (files := _files(log, d))]
    if not usable:
        return [], None
    dump, files = min(
        usable,
        key=lambda u: (
            u[0].is_closed,
            u[0].group != "all",
            not u[0].is_unwrapped,
            _STYLES.index(u[0].style),
        ),
    )
    return files, not dump.is_unwrapped


def _is_of_velocities(dump: Dump) -> bool:
    columns = set(dump.columns)
    return bool(columns) and "vx" in columns and not columns & {"x", "xu", "xs", "xsu"}


def _cut(source: FileTrajectory | None, first: int, last: int) -> FileTrajectory | None:
    """Frames of some steps; None where there are none."""
    kept = source and source.within(first, last)
    return kept if kept and len(kept.steps) else None


def _velocities(
    log: LogFile, setup: Setup, hints: Hints, atoms: AtomTable
) -> FileTrajectory | None:
    """Velocities of all atoms from a text dump with vx vy vz, in Angstrom/ps.

    ``atoms`` are those of the positions, which may be of a group.
    """
    for dump in sorted(setup.dumps.values(), key=lambda d: d.is_closed):
        if {"vx", "vy", "vz"} <= set(dump.columns) and dump.group == "all":
            readers = [open_reader(p, velocities=True) for p in _files(log, dump)]
            if readers:
                if readers[0].contents.num_atoms != len(atoms.numbers):
                    atoms = find_atoms(readers[0], log, hints)
                factor = 1e3 / TIME_FS[log.units]
                return FileTrajectory(readers, atoms, log.timestep_fs, velocity_factor=factor)
    return None


def _provenance(
    log: LogFile, source: FileTrajectory | None, ensemble: str | None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "log": str(log.path),
        "units": log.units,
        "timestep_fs": log.timestep_fs,
        "num_atoms": (log.stage and log.stage.num_atoms) or log.num_atoms,
        "ensemble": ensemble,
        "ns_per_day": log.ns_per_day,
        "errors": list(log.errors),
        "warnings": list(log.warnings),
    }
    parts = [stage.thermo for stage in log.stages] or [log.thermo]
    if len(parts[0]):
        found["simulated_ps"] = float(sum(p.times_ps[-1] - p.times_ps[0] for p in parts))
    if source is not None:
        numbers = np.unique(source.numbers).tolist()
        found["elements"] = [chemical_symbols[z] for z in numbers]
        # a log that was cut short may know of the last file that was read alone
        found["num_atoms"] = max(found["num_atoms"] or 0, len(source.numbers))
        if len(source.numbers) != found["num_atoms"]:  # a dump of a group
            found["num_atoms_in_trajectory"] = len(source.numbers)
    return found
