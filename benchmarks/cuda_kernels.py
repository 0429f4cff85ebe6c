"""Time the CUDA evaluator by itself: a step, each of its kernels, and its errors.

Usage: python benchmarks/cuda_kernels.py MODEL.mace [--sizes 128 372 1038 2976 24000] [--steps 50]

Graphene-water supercells, positions that move a little from step to step, the skin that LAMMPS is
given. A step is timed as it runs (one graph launch); kernels in a process of their own, in which
they start one by one (MDBENCH_CUDA_PROFILE). Forces are compared with those in double precision.
Writes benchmarks/results/cuda_kernels.json after each size, unless the GPU is an emulated one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from plugin_vs_calculator import ROOT, machine

from mdbench import _core
from mdbench.core import GraphArrays, evaluate_arrays, forces_of, species_of
from mdbench.scaling.cases import base_cell, size_near

if TYPE_CHECKING:
    from ase import Atoms

RESULT = ROOT / "benchmarks/results/cuda_kernels.json"
SYSTEM, SKIN_ANG, JITTER_ANG, WARM_UP = "graphene-water", 0.5, 0.003, 5
PROFILE_S = 60  # at most, of a size


class Images:
    """An orthogonal periodic cell with its images within a reach, as an engine holds ghosts."""

    def __init__(self, atoms: Atoms, reach_ang: float) -> None:
        """Find the images once; they move with their atoms."""
        self.count, lengths = len(atoms), atoms.cell.lengths()
        inside = atoms.get_scaled_positions(wrap=True)
        copies = [range(-int(n), int(n) + 1) for n in np.ceil(reach_ang / lengths)]
        rows, shifts = [np.arange(self.count)], [np.zeros((self.count, 3))]
        for shift in itertools.product(*copies):
            if shift == (0, 0, 0):
                continue
            moved = (inside + shift) * lengths
            near = ((moved > -reach_ang) & (moved < lengths + reach_ang)).all(axis=1)
            rows.append(np.flatnonzero(near))
            shifts.append(np.tile(np.array(shift) * lengths, (near.sum(), 1)))
        self.owner = np.concatenate(rows).astype(np.int32)
        self.shift = np.concatenate(shifts)
        self.inside = inside * lengths

    def positions(self, step: int) -> np.ndarray:
        """[images, 3] Angstrom of a step."""
        noise = np.random.default_rng(step).normal(size=self.inside.shape)
        return (self.inside + JITTER_ANG * np.clip(noise, -3, 3))[self.owner] + self.shift


def measure(options: argparse.Namespace, target: int) -> dict[str, Any]:
    """Times of a size, by step or, in a profile, by kernel."""
    unit = base_cell(SYSTEM)
    atoms = unit.repeat(size_near(SYSTEM, len(unit), target).repeat)
    evaluator = _core.load_evaluator(options.model, device="cuda", precision=options.precision)
    info = evaluator.info
    images = Images(atoms, info["cutoff_ang"] + SKIN_ANG)
    species = species_of(atoms.numbers, info["atomic_numbers"])[images.owner]
    evaluator.set_atoms(images.count, images.positions(0), species, images.owner, SKIN_ANG)
    for step in range(WARM_UP):
        result = evaluator.evaluate_at(images.positions(step))
    before, times = dict(evaluator.stage_seconds()), []
    for step in range(options.steps):
        positions = images.positions(step)
        start = time.perf_counter()
        result = evaluator.evaluate_at(positions)
        times.append(1e3 * (time.perf_counter() - start))
    kernels = {
        name: 1e3 * (seconds - before.get(name, 0.0)) / options.steps
        for name, seconds in evaluator.stage_seconds()
    }
    row = {
        "atoms": len(atoms),
        "edges": int(result["neighbors"].sum()),
        "ms_per_step": {"median": statistics.median(times), "min": min(times), "max": max(times)},
        "ms_by_kernel": kernels,
        "peak_mib": evaluator.peak_device_bytes / 2**20,
        "gpu": info["kernel"],
    }
    if not kernels and len(atoms) <= options.compared:
        exact = forces_in_double(options.model, images, species, options.steps - 1)
        difference = result["force"] - exact
        row["force_error"] = {
            "largest_ev_per_ang": float(np.abs(difference).max()),
            "relative_l2": float(np.linalg.norm(difference) / np.linalg.norm(exact)),
        }
    return row


def forces_in_double(model: str, images: Images, species: np.ndarray, step: int) -> np.ndarray:
    """[atoms, 3] eV/A of a step on the CPU."""
    evaluator = _core.load_evaluator(model, device="cpu", precision="double")
    builder = _core.GraphBuilder(evaluator.info["cutoff_ang"], 1)
    positions = images.positions(step)
    builder.rebuild(images.count, positions, species, images.owner, SKIN_ANG)
    graph = GraphArrays.from_lists(builder.update(positions))
    _, gradient = evaluate_arrays(evaluator, graph)
    return forces_of(graph, gradient)


def profiled(options: argparse.Namespace, target: int) -> dict[str, float]:
    """The kernels' times, ms, in a process that starts them one by one; empty where it fails."""
    command = [sys.executable, __file__, options.model, "--sizes", str(target), "--one"]
    command += ["--steps", str(options.steps), "--precision", options.precision]
    environment = {**os.environ, "MDBENCH_CUDA_PROFILE": "1"}
    command = ["timeout", "--foreground", str(PROFILE_S), *command]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        why = f"kernel by kernel it failed ({done.returncode})"
        print(f"{target} atoms: {why}\n{done.stderr[-3000:]}")
        return {}
    answer: dict[str, float] = json.loads(done.stdout)["ms_by_kernel"]
    return answer


def fit(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The line t = t0 + c E through the steps' times, by their relative differences."""
    times = np.array([row["ms_per_step"]["median"] for row in rows])
    edges = np.array([row["edges"] for row in rows], dtype=float)
    slope, constant = np.polyfit(edges, times, 1, w=1.0 / times)
    return {"t0_ms": float(constant), "ns_per_edge": 1e6 * float(slope)}


def show(rows: list[dict[str, Any]]) -> None:
    """A table for the terminal."""
    for row in rows:
        ms = row["ms_per_step"]["median"]
        error = row.get("force_error", {}).get("relative_l2", float("nan"))
        print(
            f"{row['atoms']:>7} atoms  {ms:9.3f} ms  {1e3 * ms / row['atoms']:8.2f} us/atom  "
            f"{1e6 * ms / row['edges']:7.2f} ns/edge  {row['peak_mib']:8.0f} MiB  error {error:.1e}"
        )
        for name, time_ms in sorted(row["ms_by_kernel"].items(), key=lambda x: -x[1]):
            print(f"{'':14} {time_ms:9.3f} ms  {name}")


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--sizes", nargs="+", type=int, default=[128, 372, 1038, 2976, 24000])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--precision", default="single")
    parser.add_argument("--compared", type=int, default=4000, help="most atoms for the errors")
    parser.add_argument("--one", action="store_true", help="print one size as JSON")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options, options.sizes[0])))
        return
    content: dict[str, Any] = {"machine": machine(), "precision": options.precision, "rows": []}
    for target in options.sizes:
        row = measure(options, target)
        row["ms_by_kernel"] = profiled(options, target)
        content["rows"].append(row)
        show([row])
        if len(content["rows"]) > 1:
            content["fit"] = fit(content["rows"])
        if "emulated" in row["gpu"] and options.output == RESULT:
            print("an emulated GPU: nothing is written")
        else:
            options.output.write_text(json.dumps(content, indent=1) + "\n")
    if "fit" in content:
        print("t = {t0_ms:.3f} ms + {ns_per_edge:.2f} ns an edge".format(**content["fit"]))


if __name__ == "__main__":
    main()
