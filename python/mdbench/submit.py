"""A SLURM array script for the runs of a specification."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

from mdbench.campaign import run_path
from mdbench.errors import RunError
from mdbench.run_folder import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mdbench.spec_file import LoadedSpec

_TIME = re.compile(r"(\d{1,3}-)?\d{1,3}(:\d{2}){1,2}")
_OPTION = re.compile(r"--[a-z][a-z-]*(=[A-Za-z0-9_.,:@/+%-]+)?")
_WARNING_S = 300
"""Seconds before the time limit at which SLURM asks for a checkpoint."""

_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --ntasks={ranks}
#SBATCH --cpus-per-task={threads}
#SBATCH --time={time}
#SBATCH --signal=B:TERM@{warning}
#SBATCH --requeue
#SBATCH --output=slurm-%A_%a.out
{more}# One run of {spec} a task. Submitted again, or requeued, each goes on where it stopped:
# {warning} s before the time limit SLURM sends TERM and mdbench writes a checkpoint.
cd "${{SLURM_SUBMIT_DIR:-.}}" || exit 1
runs=({runs})
{python} -m mdbench run {spec} --resume --only "${{runs[$SLURM_ARRAY_TASK_ID]}}" &
driver=$!
trap 'kill -TERM "$driver"' TERM
wait "$driver"
code=$?
while kill -0 "$driver" 2>/dev/null; do wait "$driver"; code=$?; done
if [ "$code" -eq {stopped} ] && [ -n "$SLURM_ARRAY_JOB_ID" ]; then
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
"""
STOPPED_CODE = 130
"""Exit code of a run that was asked to stop and left a checkpoint."""


def slurm_script(loaded: LoadedSpec, time: str, options: Sequence[str] = ()) -> str:
    """The text of an array job: a task for each temperature and seed.

    Args:
        loaded: The specification.
        time: Limit of a task, ``HH:MM:SS`` or ``D-HH:MM:SS``.
        options: More options of sbatch, such as ``--partition=short``.

    Raises:
        RunError: for a time or an option that is not of that form.
    """
    if not _TIME.fullmatch(time):
        raise RunError(f"--time: '{time}' is not of the form HH:MM:SS or D-HH:MM:SS")
    for option in options:
        if not _OPTION.fullmatch(option):
            raise RunError(f"--sbatch: '{option}' is not of the form --name=value")
    spec = loaded.spec
    names = [run_path(loaded, v).name for v in spec.variants()]
    return _SCRIPT.format(
        name=spec.name,
        last=len(names) - 1,
        ranks=spec.run.ranks,
        threads=spec.run.threads or 1,
        time=time,
        warning=_WARNING_S,
        more="".join(f"#SBATCH {o}\n" for o in options),
        spec=shlex.quote(loaded.path.name),
        python=shlex.quote(sys.executable),
        runs=" ".join(shlex.quote(n) for n in names),
        stopped=STOPPED_CODE,
    )


def write_slurm(loaded: LoadedSpec, time: str, options: Sequence[str] = ()) -> Path:
    """Write ``submit.sh`` beside the specification; returns its path."""
    path = loaded.path.parent / "submit.sh"
    write_atomically(path, slurm_script(loaded, time, options))
    path.chmod(0o755)
    return path
