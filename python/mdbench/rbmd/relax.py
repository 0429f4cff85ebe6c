"""A structure relaxed in LAMMPS, because RBMD has no minimiser: the LAMMPS input up to there."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import numpy as np

from mdbench.errors import EngineError
from mdbench.prepare import Origin, prepare
from mdbench.programs import lammps_command
from mdbench.run_folder import SCRIPT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mdbench.spec import RunSpec
    from mdbench.subject import Subject

_BEGINS_TO_MOVE = re.compile(r"^(velocity|fix)\s", re.MULTILINE)
_HEAD_LINES = 9  # of a dump
_WRITE = (
    "write_dump all custom relaxed.dump id x y z ix iy iz modify sort id "
    "format float %.17g format int %d\n"
)


def relax(
    spec: RunSpec, subject: Subject, scratch: Path
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Positions [N, 3] (A) and crossings of the box [N, 3] after the minimiser of a LAMMPS run.

    Args:
        spec: The specification; its LAMMPS input is run up to where velocities are drawn.
        subject: What it simulates.
        scratch: Folder to work in that does not exist yet.

    Raises:
        MdbenchError: when LAMMPS fails; its message.
    """
    folder = prepare(spec, spec.variants()[0], subject, scratch, Origin("export", "")).path
    script = (folder / SCRIPT).read_text()
    start = _BEGINS_TO_MOVE.search(script)
    if start is None:
        raise EngineError("the LAMMPS input draws no velocities: nothing to relax before them")
    (folder / "relax.in").write_text(script[: start.start()] + _WRITE)
    command, environment = lammps_command(spec.run.ranks, spec.run.threads or 1)
    done = subprocess.run(
        [*command, "-in", "relax.in", "-screen", "none", "-log", "none"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    result = folder / "relaxed.dump"
    if done.returncode or not result.is_file():
        logs = [p.read_text(errors="replace") for p in folder.glob("*.log")]
        lines = "\n".join([done.stdout, done.stderr, *logs]).splitlines()
        told = [line for line in lines if line.startswith("ERROR")]
        reason = (told or lines or [f"exit code {done.returncode}"])[0]
        raise EngineError(f"relaxing the structure in LAMMPS failed: {reason}")
    rows = np.loadtxt(result, skiprows=_HEAD_LINES, ndmin=2)
    if rows.shape != (len(subject.atoms), 7) or not np.isfinite(rows).all():
        raise EngineError("relaxing the structure in LAMMPS lost atoms: relax it by hand")
    return rows[:, 1:4].copy(), rows[:, 4:].astype(np.int64)
