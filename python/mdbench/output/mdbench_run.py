"""Run folders that mdbench wrote: manifest, state and segments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mdbench.errors import OutputError
from mdbench.output.data_file import read_data_file
from mdbench.output.echo import Setup
from mdbench.output.formats import open_reader
from mdbench.output.log import LogFile, ns_per_day, read_log
from mdbench.output.run_parts import RunData, atom_table
from mdbench.output.thermo import TIME_FS, join_tables
from mdbench.output.trajectory import AtomTable, FileTrajectory

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = 1
_IS_WRAPPED = {"xtc": False, "dcd": False, "custom": False, "extxyz": True}


class EmptyRunError(OutputError):
    """A run that has not begun, or has no complete segment yet."""


def open_mdbench_run(folder: Path) -> RunData:
    """Open a run folder; only segments that ``state.json`` lists count.

    Raises:
        EmptyRunError: when it holds no complete segment.
        OutputError: when a file is missing or damaged.
    """
    manifest = _json(folder / "manifest.json")
    if not (folder / "state.json").exists() and not any(folder.glob("segments/*")):
        raise EmptyRunError(f"'{folder}' has not begun")
    state = _json(folder / "state.json")
    try:
        return _open(folder, manifest, state)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise OutputError(
            f"'{folder}': its manifest or state is damaged: {type(problem).__name__} {problem}"
        ) from None


def _open(folder: Path, manifest: dict[str, Any], state: dict[str, Any]) -> RunData:
    timestep_fs, units = float(manifest["timestep_fs"]), manifest.get("units", "metal")
    segments = sorted(state["segments"], key=lambda s: int(s["first"]))
    if not segments:
        raise EmptyRunError(f"'{folder}' holds no complete segment yet")
    setup = Setup()
    for line in (
        (folder / "run.in").read_text().splitlines() if (folder / "run.in").is_file() else ()
    ):
        setup.command(line)
    data = read_data_file(folder / "structure.data")
    atoms = atom_table(data.types, manifest["elements"], data.masses, setup.boundary)
    logs = [
        read_log(path, units=units, timestep_fs=timestep_fs)
        for path in _files(folder, segments, "log")
    ]
    form = manifest["format"]
    frames = [open_reader(p) for p in _files(folder, segments, form)]
    trajectory = (
        FileTrajectory(frames, atoms, timestep_fs, is_wrapped=_IS_WRAPPED[form]) if frames else None
    )
    plan, variant = manifest["plan"], manifest["variant"]
    ensemble = manifest["spec"]["ensemble"]["kind"]
    thermo = join_tables([log.thermo for log in logs]).every(int(plan.get("thermo", 1)))
    velocities = _velocities(_files(folder, segments, "velocities"), atoms, timestep_fs, units)
    return RunData(
        name=variant["name"],
        folder=folder,
        thermo=thermo,
        trajectory=trajectory,
        velocities=velocities,
        temperature_k=float(variant["temperature_k"]),
        ensemble=ensemble,
        equilibration_ps=float(plan["equilibration"]) * timestep_fs * 1e-3,
        provenance=_provenance(manifest, state, logs, ensemble),
        notes=tuple(n for s in (trajectory, velocities) if s for n in s.notes),
        boundary=setup.boundary,
    )


def _velocities(
    files: list[Path], atoms: AtomTable, timestep_fs: float, units: str
) -> FileTrajectory | None:
    readers = [open_reader(p, velocities=True) for p in files]
    factor = 1e3 / TIME_FS[units]
    return FileTrajectory(readers, atoms, timestep_fs, velocity_factor=factor) if readers else None


def _provenance(
    manifest: dict[str, Any], state: dict[str, Any], logs: list[LogFile], ensemble: str
) -> dict[str, Any]:
    timestep_fs = float(manifest["timestep_fs"])
    copied = ("name", "model", "versions", "hardware", "command", "started", "format", "elements")
    return {
        **{key: manifest[key] for key in copied if key in manifest},
        "num_atoms": manifest["num_atoms"],
        "seed": manifest["variant"]["seed"],
        "timestep_fs": timestep_fs,
        "ensemble": ensemble,
        **_dispersion(manifest["spec"].get("dispersion", {})),
        "status": state["status"],
        "ns_per_day": ns_per_day((loop, timestep_fs) for log in logs for loop in log.loops),
        "simulated_ps": max(int(s["last"]) for s in state["segments"]) * timestep_fs * 1e-3,
    }


def _dispersion(section: dict[str, Any]) -> dict[str, Any]:
    """What was added to the model, as the specification says it."""
    return {} if section.get("method", "none") == "none" else {"dispersion": section}


def _files(folder: Path, segments: list[dict[str, Any]], kind: str) -> list[Path]:
    """Files of a kind that the segments have, each as long as it was when it was complete."""
    paths = []
    for segment in segments:
        if kind not in segment["files"]:
            continue
        path = folder / "segments" / f"{int(segment['first']):09d}.{kind}"
        size = segment["files"][kind].get("bytes")
        if size == 0:  # before its first frame, as earlier versions recorded it
            continue
        if not path.is_file():
            raise OutputError(f"'{path}' is missing, though state.json lists it")
        if size is not None and path.stat().st_size != size:
            raise OutputError(
                f"'{path}' has {path.stat().st_size} bytes, and state.json says {size}: it was "
                "changed after the run"
            )
        paths.append(path)
    return paths


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except OSError as problem:
        raise OutputError(f"'{path}' cannot be read: {problem.strerror}") from None
    except ValueError as problem:
        raise OutputError(f"'{path}' is damaged: {problem}") from None
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA:
        raise OutputError(f"'{path}' is not of schema {_SCHEMA}: another version wrote it")
    return content
