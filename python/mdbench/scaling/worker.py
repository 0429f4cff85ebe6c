"""One cell of the benchmark in a process of its own, and what is read back from it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mdbench.lammps_input import RANKS_GUARD
from mdbench.programs import lammps_command, start
from mdbench.scaling import script
from mdbench.scaling.results import SECTIONS
from mdbench.scaling.variants import energy_tolerance_ev_atom, force_tolerance_ev_ang

if TYPE_CHECKING:
    from pathlib import Path

    from mdbench.scaling.script import Start, Timing
    from mdbench.scaling.variants import Settings, Variant

_LOOP = re.compile(r"^Loop time of (\S+) on \d+ procs for (\d+) steps", re.MULTILINE)
_SHARE = re.compile(rf"^({'|'.join(SECTIONS)})\s*\|.*\|\s*([\d.]+)\s*$", re.MULTILINE)
_KERNEL = re.compile(
    r"^  ((?:native|torchscript)\b[^,\n]*), (\w+) precision, device (\S+?),", re.MULTILINE
)
_MEMORY = re.compile(r"Peak memory of a rank: (\d+) MiB(?:, of a GPU: (\d+) MiB)?")
_SAID = re.compile(rf"^{script.SAID} (\w+) ?(.*)$", re.MULTILINE)
_TIMED = f"\n{script.SAID} timed\n"


@dataclass(frozen=True)
class Job:
    """What to run."""

    variant: Variant
    settings: Settings
    start: Start
    model: Path
    timing: Timing
    folder: Path
    """Of this process alone."""
    cache: Path
    """Where compilers may keep what they made."""


@dataclass
class Outcome:
    """What came of it; goes to disk as JSON."""

    status: str
    reason: str = ""
    is_clean: bool = False
    """It did not even start, and said why."""
    kernel: str = ""
    steps: int | None = None
    loop_s: list[float] = field(default_factory=list)
    setup_s: float | None = None
    edges: float | None = None
    shares: dict[str, float] = field(default_factory=dict)
    rss_mib: float | None = None
    gpu_mib: float | None = None
    energy_error_ev_atom: float | None = None
    force_error_ev_ang: float | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def step_s(self) -> float:
        """Median of the timed runs."""
        return statistics.median(self.loop_s) / (self.steps or 1)


def pinned(settings: Settings) -> dict[str, str]:
    """Environment that fixes threads, and spares PyTorch its page faults.

    Without the last two, two thirds of mace-torch's time on a CPU went into page faults.
    """
    threads = str(settings.threads)
    return {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "KOKKOS_NUM_THREADS": threads,
        "OMP_PROC_BIND": "false",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    }


def tolerances(job: Job) -> tuple[float, float]:
    """Of forces, eV/A, and of the energy, eV an atom."""
    precision = job.settings.precision
    each = job.start.energy_ev / job.start.num_atoms
    force = force_tolerance_ev_ang(job.variant, precision, job.start.rms_force_ev_ang)
    return force, energy_tolerance_ev_atom(job.variant, precision, each)


def run(job: Job, timeout_s: float, keep: int) -> Outcome:
    """Run a cell; whatever happens to it becomes an outcome.

    Args:
        job: What to run.
        timeout_s: Then it is killed.
        keep: File descriptor that the process inherits.

    Raises:
        EngineError: when LAMMPS is not installed.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    for old in job.folder.iterdir():
        old.unlink()
    command, environment = lammps_command(job.settings.ranks, job.settings.threads)
    environment |= pinned(job.settings)
    screen = job.folder / "screen"
    if job.variant.is_plugin:
        path = job.folder / "in.cell"
        path.write_text("".join(_plugin_script(job)))
        command += ["-log", "none", "-in", str(path)]
    else:
        request = job.folder / "request.json"
        request.write_text(json.dumps(_python_request(job)))
        command = [sys.executable, "-W", "ignore", "-m", "mdbench.scaling.external", str(request)]
    process = start(command, environment, job.folder, screen, keep)
    try:
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Outcome("failed", f"not finished after {timeout_s:.0f} s")
    except BaseException:  # Ctrl-C too: nothing may be left running
        _kill(process)
        raise
    printed = [screen, job.folder / script.LAMMPS_SCREEN]
    text = "\n".join(p.read_text(errors="replace") for p in printed if p.exists())
    return read_outcome(job, code, text)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _agreement(job: Job, edges: str) -> tuple[str, str]:
    force, energy = tolerances(job)
    text = script.agreement_part(job.start, job.timing, job.variant.commands, edges)
    return text, script.gate_part(force, energy)


def _plugin_script(job: Job) -> tuple[str, ...]:
    device = job.settings.device
    style = f"{job.variant.style} device {device} precision {job.settings.precision}"
    return (
        RANKS_GUARD,
        script.structure_part(job.start),
        script.plugin_part(job.start, job.model, style),
        *_agreement(job, "c_graph[1]"),
        script.timing_part(job.folder, job.timing),
    )


def _python_request(job: Job) -> dict[str, Any]:
    agreement, gate = _agreement(job, "")
    return {
        "variant": job.variant.name,
        "model": str(job.model),
        "elements": job.start.elements,
        "device": job.settings.device,
        "precision": job.settings.precision,
        "threads": job.settings.threads,
        "skin_ang": job.timing.skin_ang,
        "cache": str(job.cache),
        "structure": script.structure_part(job.start),
        "agreement": agreement,
        "gate": gate,
        "timing": script.timing_part(job.folder, job.timing),
    }


def read_outcome(job: Job, code: int, text: str) -> Outcome:
    """What a finished process left behind."""
    said = dict(_SAID.findall(text))
    answer = _answer(job)
    found = Outcome("failed", edges=answer.get("edges"), kernel=answer.get("kernel", ""))
    if "agreement" in said:
        errors = (float(word) for word in said["agreement"].split())
        found.force_error_ev_ang, found.energy_error_ev_atom = errors
    if "edges" in said:
        found.edges = float(said["edges"])
    if kernel := _KERNEL.search(text):
        found.kernel = f"{kernel[1]}, {kernel[2]}, {kernel[3]}"
    _read_memory(found, text, answer)
    found.setup_s = answer.get("setup_s") or _number(said.get("ready"))
    if "refused" in said:
        found.status, found.reason = "refused", _refusal(job, found)
        return found
    timed = text.partition(_TIMED)[2]
    loops = _LOOP.findall(timed)
    if code == 0 and len(loops) == job.timing.repeats and "refused" not in said:
        found.steps = int(loops[0][1])
        found.loop_s = [float(seconds) for seconds, _ in loops]
        found.shares = _shares(timed)
        found.status, found.reason = _verdict(job, found)
        return found
    found.reason = answer.get("error") or _last_words(text, code)
    found.is_clean = "agreement" not in said and ("error" in answer or "ERROR" in text)
    return found


def _verdict(job: Job, found: Outcome) -> tuple[str, str]:
    """Timed, unless the program did not run what it was asked to, or let a wrong one through."""
    force, energy = tolerances(job)
    errors = (found.force_error_ev_ang, found.energy_error_ev_atom)
    if not all(e is not None and e <= t for e, t in zip(errors, (force, energy), strict=True)):
        return "refused", _refusal(job, found)
    words = found.kernel.lower()
    if job.variant.is_plugin and (
        job.variant.name.split("-")[0] not in words or job.settings.device not in words
    ):
        return "refused", f"asked for {job.variant.name} on {job.settings.device}, ran {words}"
    return "timed", ""


def _refusal(job: Job, found: Outcome) -> str:
    force, energy = tolerances(job)
    return (
        f"differs from the fp64 reference by {found.force_error_ev_ang:.1e} eV/A in a force "
        f"(allowed {force:.1e}) and {found.energy_error_ev_atom:.1e} eV an atom (allowed "
        f"{energy:.1e}): not timed"
    )


def _answer(job: Job) -> dict[str, Any]:
    try:
        return dict(json.loads((job.folder / "answer.json").read_text()))
    except (OSError, ValueError):
        return {}


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _read_memory(found: Outcome, text: str, answer: dict[str, Any]) -> None:
    memory = _MEMORY.findall(text)
    found.rss_mib = answer.get("rss_mib") or (float(memory[-1][0]) if memory else None)
    gpu = memory[-1][1] if memory else ""
    found.gpu_mib = answer.get("gpu_mib") or _number(gpu)


def _shares(timed: str) -> dict[str, float]:
    """Median over the runs of each section's part of the loop, %."""
    found: dict[str, list[float]] = {}
    for section, percent in _SHARE.findall(timed):
        found.setdefault(section, []).append(float(percent))
    return {section: statistics.median(values) for section, values in found.items()}


def _last_words(text: str, code: int) -> str:
    """One line on how a process ended."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    if errors:
        return re.sub(r"\s*\(src/.*\)$", "", errors[0].removeprefix("ERROR: "))
    if code < 0:
        return f"killed by {signal.Signals(-code).name}: out of memory, or stopped from outside"
    last = f": {lines[-1][:200]}" if lines else ""
    return f"ended with exit code {code}{last}"
