"""The machine and its software, as a result file names them: no names of machines or people."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil

from mdbench.programs import cpu_name, usable_cores, versions
from mdbench.scaling import models
from mdbench.scaling.results import Machine

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_TIMEOUT_S = 60


def cores() -> int:
    """Physical cores that this process may use."""
    return max(1, min(usable_cores(), psutil.cpu_count(logical=False) or usable_cores()))


def _output(command: list[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, cwd=folder
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _commit() -> str:
    """Of the checkout that this package is in; empty for an installed one."""
    folder = Path(__file__).resolve().parents[1]
    if folder.parent.name != "python" or not (folder.parents[1] / ".git").exists():
        return ""
    return _output(["git", "describe", "--always", "--dirty"], folder)


def _gpus() -> tuple[tuple[str, ...], str, str]:
    """Names with memory, driver, clocks now and at most."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return (), "", ""
    fields = "name,memory.total,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit"
    text = _output([tool, f"--query-gpu={fields}", "--format=csv,noheader"])
    rows = [[word.strip() for word in line.split(",")] for line in text.splitlines()]
    rows = [row for row in rows if len(row) == len(fields.split(","))]
    if not rows:
        return (), "", ""
    _, _, driver, sm, memory, most, power = rows[0]
    clocks = f"SM {sm} at the start (at most {most}), memory {memory}, power limit {power}"
    return tuple(f"{row[0]}, {row[1]}" for row in rows), driver, clocks


def describe() -> Machine:
    """This machine now."""
    gpus, driver, clocks = _gpus()
    try:
        governor = _GOVERNOR.read_text().strip()
    except OSError:
        governor = ""
    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError):  # some containers
        clock = None
    return Machine(
        cpu=cpu_name() or "unknown",
        cores=cores(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=gpus,
        driver=driver,
        gpu_clocks=clocks,
        cpu_mhz=round(clock.current) if clock else None,
        governor=governor,
        load=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        versions={**versions(), **models.versions()},
        commit=_commit(),
    )
