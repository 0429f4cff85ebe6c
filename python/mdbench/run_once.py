"""LAMMPS for a moment, in a folder that vanishes: single points, starts of runs, a few steps."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import EngineError
from mdbench.lammps_input import ATOMS_FILE, POINT_LOG, render_point, render_start, render_timed
from mdbench.output.log_blocks import LogLines
from mdbench.programs import lammps_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mdbench.spec import RunSpec, Variant
    from mdbench.subject import Subject

_SCRIPT = "once.in"
TERMS = "pe evdwl ecoul elong ebond eangle edihed eimp"
"""Energies of a single point: all, Lennard-Jones, Coulomb near and far, and by kind of term."""


@dataclass(frozen=True)
class SinglePoint:
    """Energies and forces in LAMMPS's units of the run."""

    energies: dict[str, float]
    """By LAMMPS's names: ``PotEng``, ``E_vdwl``, ``E_coul``, ``E_long``, ``E_bond``, ..."""
    forces: NDArray[np.float64]
    """[atoms, 3] In the order of the atoms."""


@dataclass(frozen=True)
class Start:
    """The atoms of a run before its first step, in LAMMPS's units of the run."""

    positions: NDArray[np.float64]
    """[atoms, 3] In the box."""
    images: NDArray[np.int64]
    """[atoms, 3] How often each has crossed it."""
    velocities: NDArray[np.float64]
    """[atoms, 3]"""


@dataclass(frozen=True)
class Timing:
    """What steps on one core take."""

    ms_per_step: float
    memory_bytes: float
    """Of LAMMPS's arrays."""


def single_point(spec: RunSpec, subject: Subject) -> SinglePoint:
    """Energy and forces of the structure as it is.

    Raises:
        EngineError: with LAMMPS's message.
    """
    with tempfile.TemporaryDirectory(prefix="mdbench-") as name:
        folder = Path(name)
        terms = TERMS if spec.is_classical else "pe"
        table = _run(folder, render_point(subject.facts(spec), terms), spec, subject)
        lines = LogLines()
        with (folder / POINT_LOG).open("rb") as file:
            lines.read(file)
        block = lines.blocks[-1]
        energies = dict(zip(block.columns, block.table()[-1].tolist(), strict=True))
        del energies["Step"]
        return SinglePoint(energies, table[:, 1:])


def start_of(spec: RunSpec, variant: Variant, subject: Subject) -> Start:
    """What a run begins with: relaxed if asked for, with its velocities.

    Args:
        spec: The specification.
        variant: Temperature and seed.
        subject: Of the specification.

    Raises:
        EngineError: with LAMMPS's message.
    """
    with tempfile.TemporaryDirectory(prefix="mdbench-") as name:
        script = render_start(spec, variant, subject.facts(spec))
        table = _run(Path(name), script, spec, subject)
    return Start(table[:, 1:4], np.rint(table[:, 4:7]).astype(np.int64), table[:, 7:])


def timed(spec: RunSpec, subject: Subject) -> Timing:
    """Time and memory of steps, the fastest of several tries.

    Raises:
        EngineError: with LAMMPS's message, or where no step was timed.
    """
    with tempfile.TemporaryDirectory(prefix="mdbench-") as name:
        script = render_timed(spec, spec.variants()[0], subject.facts(spec))
        printed = _lammps(Path(name), script, spec, subject)
    loops = re.findall(r"^Loop time of (\S+) on 1 procs for (\d+) steps", printed, re.MULTILINE)
    took = [1000 * float(seconds) / int(steps) for seconds, steps in loops if int(steps)]
    memory = re.findall(r"^Per MPI rank memory allocation .* = (\S+) ", printed, re.MULTILINE)
    if not took or not memory:
        raise EngineError("LAMMPS printed no time of its steps")
    return Timing(min(took), 2**20 * max(map(float, memory)))


def _run(folder: Path, script: str, spec: RunSpec, subject: Subject) -> NDArray[np.float64]:
    """Run a script; the table that it dumps, by rising id."""
    _lammps(folder, script, spec, subject)
    lines = (folder / ATOMS_FILE).read_text().splitlines()
    return np.array([line.split() for line in lines[9:]], float)


def _lammps(folder: Path, script: str, spec: RunSpec, subject: Subject) -> str:
    """Run a script; what it prints."""
    subject.write(spec, folder)
    (folder / _SCRIPT).write_text(script)
    command, environment = lammps_command(1, spec.run.threads or 1)
    command += ["-in", _SCRIPT, "-log", "none"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as problem:
        raise EngineError(f"cannot start LAMMPS: {problem.strerror}") from None
    if done.returncode:
        printed = (done.stdout + done.stderr).splitlines()
        errors = [line for line in printed if "ERROR" in line] or [f"code {done.returncode}"]
        raise EngineError(f"LAMMPS failed: {errors[0].removeprefix('ERROR: ')}")
    return done.stdout
