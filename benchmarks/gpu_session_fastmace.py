"""Time FastMACE's molecular dynamics on the cells of `mdbench scaling`, where it is installed.

Usage: python benchmarks/gpu_session_fastmace.py MEDIUM.model [--sizes 1038 2976] [--steps 100]

NVE at 0.5 fs in single precision through its own loop, `fastmace.ase.VelocityVerlet`; each size in
a process of its own, which may compile for minutes before it is timed. FastMACE 1.0 is made for
torch 2.14.1; with another it lacks OpenEquivariance, part of its fastest backend.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SYSTEM, WARM_UP, REPEATS, TIMESTEP_FS, TEMPERATURE_K = "graphene-water", 50, 5, 0.5, 298.0


def measure(options: argparse.Namespace, target: int) -> dict[str, Any]:
    """Milliseconds a step of a size."""
    import fastmace  # before torch: it says so
    import numpy as np
    from ase import units
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from fastmace.ase import VelocityVerlet

    from mdbench.scaling.cases import base_cell, size_near

    unit = base_cell(SYSTEM)
    atoms = unit.repeat(size_near(SYSTEM, len(unit), target).repeat)
    atoms.pbc = True
    rng = np.random.default_rng(1)
    MaxwellBoltzmannDistribution(atoms, temperature_K=TEMPERATURE_K, rng=rng)
    model = fastmace.load(options.model, trusted=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        loop = VelocityVerlet(atoms, TIMESTEP_FS * units.fs, model=model, output=folder)
        loop.run(WARM_UP)
        ready, times = time.perf_counter(), []
        for _ in range(REPEATS):
            start = time.perf_counter()
            loop.run(options.steps)
            times.append(1e3 * (time.perf_counter() - start) / options.steps)
    return {
        "atoms": len(atoms),
        "setup_s": ready - began,
        "ms_per_step": {"median": statistics.median(times), "min": min(times), "max": max(times)},
        "version": fastmace.__version__,
    }


def in_process(options: argparse.Namespace, target: int) -> dict[str, Any]:
    """A size in a process of its own; why not, where it fails."""
    command = [sys.executable, "-W", "ignore", __file__, options.model, "--one"]
    command += ["--sizes", str(target), "--steps", str(options.steps)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=options.limit_s
        )
    except subprocess.TimeoutExpired:
        return {"atoms": target, "problem": f"not finished after {options.limit_s} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        print(done.stdout[-2000:], done.stderr[-3000:])
        return {"atoms": target, "problem": lines[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main() -> None:
    """Measure the sizes; show, and write after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2976, 1038])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--limit-s", type=int, default=220, help="of a size")
    parser.add_argument("--one", action="store_true", help="print one size as JSON")
    parser.add_argument("--output", type=Path, default=Path("fastmace.json"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options, options.sizes[0])))
        return
    rows = []
    for target in options.sizes:
        rows.append(in_process(options, target))
        print(rows[-1])
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
