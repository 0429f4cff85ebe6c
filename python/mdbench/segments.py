"""One segment of a run: start LAMMPS, wait, and take what it wrote only if it is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mdbench.errors import MdbenchError, OutputError, RunError
from mdbench.lammps_input import CHECKPOINT_LINE, HALT_CODE, STOP_FILE
from mdbench.output.formats import open_reader
from mdbench.output.log import read_log
from mdbench.programs import lammps_command, start
from mdbench.run_folder import (
    SCRIPT,
    SEGMENTS,
    RunFolder,
    Segment,
    State,
    StoredFile,
    sha256_of,
    sync_folder,
)
from mdbench.spec_force_field import WITH_CHARGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from mdbench.output.thermo import ThermoTable

_POLL_S = 0.05
_REPORT_S = 0.5
_TEMPORARY = ("screen", "minimize.log")
_JUMP_EV_PER_ATOM = 1e-5
"""Between the last step of a segment and the same step after its restart. Rounding of single
precision is below 1e-6; a wrong or damaged state is off by far more."""
_JUMP_OF_MESH_EV_PER_ATOM = 10.0
"""The same, times the accuracy: the mesh of charges is chosen anew for a cell that has changed."""
_JUMP_OF_CELL_EV_PER_ATOM = 1e-3
"""The same for the Berendsen barostat, which changes the cell after the energy of a step."""


class SegmentFailed(Exception):  # noqa: N818 - caught by run.py, which makes the message
    """LAMMPS ended in another way than at the segment's end."""

    def __init__(self, first: int, code: int, reason: str = "") -> None:
        """Keep what the diagnosis needs."""
        super().__init__(reason or f"LAMMPS ended with code {code}")
        self.first = first
        self.code = code
        self.is_blow_up = code == HALT_CODE


@dataclass(frozen=True)
class Launch:
    """How a run's segments are started."""

    folder: RunFolder
    ranks: int
    threads: int
    lock: int
    stop: Event  # set: end with a checkpoint; the second time at once
    kill: Event
    report: Callable[[int], None]  # called twice a second with the segment's first step


def keep_whole(folder: RunFolder, state: State) -> list[str]:
    """Drop the last segments where files of all of them were removed; returns what is missing.

    Restart files count only where a run goes on: ``newest_restart``.

    Raises:
        RunError: when a file is damaged, or is missing before segments that are whole.
    """
    lacking = [_first_lacking(folder, segment) for segment in state.segments]
    whole = [number for number, path in enumerate(lacking) if path is None]
    kept = whole[-1] + 1 if whole else 0
    for number, path in enumerate(lacking):
        segment = state.segments[number]
        if path is None or not (path.is_file() or number < kept):
            continue
        what = "has another size than was recorded" if path.is_file() else "is missing"
        later = f"{path.parent}/{segment.first:09d}.* and all later files"
        raise RunError(
            f"'{path}' {what}: put it back from a copy; to run again from step {segment.first} "
            f"instead, move {later} away"
        )
    del state.segments[kept:]
    return [str(path) for path in lacking[kept:]]


def _first_lacking(folder: RunFolder, segment: Segment) -> Path | None:
    """A file of a segment that is not as it was recorded; None where the segment is whole."""
    for kind, stored in segment.files.items():
        path = folder.segment_file(segment.first, kind)
        if kind != "restart" and not (path.is_file() and path.stat().st_size == stored.bytes):
            return path
    return None


def newest_restart(folder: RunFolder, state: State) -> list[str]:
    """Drop segments whose restart file is not as it was recorded; returns what was dropped.

    Raises:
        RunError: when no restart file is left.
    """
    dropped = []
    while state.segments:
        segment = state.segments[-1]
        path = folder.segment_file(segment.first, "restart")
        stored = segment.files.get("restart")
        if stored and path.is_file() and sha256_of(path) == stored.sha256:
            break
        dropped.append(str(path))
        state.segments.pop()
    if dropped and not state.segments:
        raise RunError(
            f"no restart file is whole: {', '.join(dropped)}: put one back from a copy, or start a "
            "new run"
        )
    return dropped


def run_segment(launch: Launch, state: State, last: int, manifest: dict[str, Any]) -> Segment:
    """Run from the state's step to ``last``, check what was written, and record it.

    The segment ends earlier when ``launch.stop`` is set, or the file ``stop`` appears.

    Raises:
        SegmentFailed: when LAMMPS failed or its files are not whole.
    """
    folder, first = launch.folder, state.step
    command, environment = lammps_command(launch.ranks, launch.threads)
    out = f"{SEGMENTS}/{first:09d}"
    variables = {"first": first, "last": last, "out": out}
    if state.segments:
        variables["from"] = f"{SEGMENTS}/{state.segments[-1].first:09d}.restart"
    command += ["-in", SCRIPT, "-log", "none"]
    for name, value in variables.items():
        command += ["-var", name, str(value)]
    began = time.monotonic()
    screen = folder.segment_file(first, "screen")
    try:
        process = start(command, environment, folder.path, screen, launch.lock)
    except OSError as problem:
        raise RunError(f"cannot start LAMMPS: {problem.strerror}: {problem.filename}") from None
    try:
        code = _wait(process, launch, first)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        raise SegmentFailed(first, code)
    try:
        stopped = launch.stop.is_set() or (folder.path / STOP_FILE).exists()
        reached = _check(folder, state, last, manifest, stopped=stopped)
        return _record(folder, state, reached, time.monotonic() - began)
    except MdbenchError as problem:
        raise SegmentFailed(first, code, str(problem)) from None


def _wait(process: subprocess.Popen[bytes], launch: Launch, first: int) -> int:
    """Wait for the end, reporting progress and passing on the wish to stop."""
    reported, asked = 0.0, False
    while True:
        try:
            return process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            pass
        if launch.kill.is_set():
            os.killpg(process.pid, signal.SIGKILL)
        elif launch.stop.is_set() and not asked:
            (launch.folder.path / STOP_FILE).touch()
            asked = True
        if time.monotonic() - reported > _REPORT_S:
            launch.report(first)
            reported = time.monotonic()


def _check(
    folder: RunFolder, state: State, last: int, manifest: dict[str, Any], *, stopped: bool
) -> int:
    """Whether log and trajectories reach the segment's end; returns the step of the end."""
    first = state.step
    log = folder.segment_file(first, "log")
    thermo = read_log(log).thermo
    reached = int(thermo.steps[-1])
    printed = folder.segment_file(first, "screen").read_text(errors="replace").splitlines()
    is_whole = CHECKPOINT_LINE.format(reached) in printed
    if not is_whole or (reached != last and not stopped):
        raise OutputError(f"'{log}' ends at step {reached} of {last}: is the disk full?")
    plan = manifest["plan"]
    kinds = {manifest["format"]: plan["frames"]}
    if plan["velocities"]:
        kinds["velocities"] = plan["velocities"]
    for kind, every in kinds.items():
        path = folder.segment_file(first, kind)
        expected = [
            s for s in range(first, reached + 1) if s % every == 0 and (s > first or s == 0)
        ]
        if not expected:
            path.unlink(missing_ok=True)  # LAMMPS has opened it, and nothing can read it
            continue
        steps = open_reader(path, velocities=kind == "velocities").contents.steps
        if steps.tolist() != expected:
            raise OutputError(f"'{path}' lacks frames: is the disk full?")
    if state.segments:
        before = read_log(folder.segment_file(state.segments[-1].first, "log")).thermo
        _check_continuity(before, thermo, manifest)
    return reached


def _largest_jump(spec: dict[str, Any]) -> float:
    """Of the energy (eV/atom) from one segment to the next."""
    largest = _JUMP_EV_PER_ATOM
    field = spec.get("force_field", {})
    if field.get("kind") in WITH_CHARGES:
        largest = max(largest, _JUMP_OF_MESH_EV_PER_ATOM * field["accuracy"])
    if spec["ensemble"].get("barostat") == "berendsen":
        largest = max(largest, _JUMP_OF_CELL_EV_PER_ATOM)
    return largest


def _check_continuity(before: ThermoTable, now: ThermoTable, manifest: dict[str, Any]) -> None:
    """Whether the run went on where the segment before had ended."""
    jump = abs(now.columns["PotEng"][0] - before.columns["PotEng"][-1]) / manifest["num_atoms"]
    if now.steps[0] != before.steps[-1] or not jump < _largest_jump(manifest["spec"]):
        raise OutputError(
            f"step {now.steps[0]} after the restart differs from step {before.steps[-1]} before it "
            f"by {jump:.1e} eV an atom: the restart file is wrong"
        )


def _record(folder: RunFolder, state: State, reached: int, wall_s: float) -> Segment:
    """Bring the files to the disk and enter them into the state."""
    first = state.step
    for kind in _TEMPORARY:
        folder.segment_file(first, kind).unlink(missing_ok=True)
    files = {kind: _stored(path) for kind, path in folder.files_of(first).items()}
    sync_folder(folder.path / SEGMENTS)
    segment = Segment(first, reached, round(wall_s, 3), files)
    folder.save(State(state.status, [*state.segments, segment]))
    state.segments.append(segment)  # only now: a record that was not written is none
    return segment


def _stored(path: Path) -> StoredFile:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return StoredFile(path.stat().st_size, sha256_of(path))
