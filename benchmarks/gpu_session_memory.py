"""Evaluate a crystal of very many atoms on a GPU: what its memory holds, and the time of a step.

Usage: python benchmarks/gpu_session_memory.py MODEL.mace [--atoms 13140360 10000000 6000000]

A face-centred cubic crystal of H, C and O, displaced by chance, with 100 neighbours within the
model's cutoff; `deterministic no`, single precision, a skin of 0.5 A. The first of the numbers that
fits is the last.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from mdbench import _core

NEIGHBOURS, SKIN_ANG, DISPLACED_ANG = 100, 0.5, 0.03
CELL = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def crystal(atoms: int, cutoff_ang: float) -> tuple[np.ndarray, float]:
    """Positions [atoms, 3] in a cube, Angstrom, and its edge; the last cells may have gaps."""
    volume = 4.0 / 3.0 * np.pi * cutoff_ang**3 / NEIGHBOURS
    edge, repeat = (4.0 * volume) ** (1 / 3), int(np.ceil((atoms / 4) ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    positions = ((grid + CELL).reshape(-1, 3)[:atoms]) * edge
    noise = np.random.default_rng(1)
    positions += DISPLACED_ANG * noise.uniform(-1.0, 1.0, size=positions.shape)
    return positions % (repeat * edge), repeat * edge


def with_images(positions: np.ndarray, edge: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions with those of the images around a periodic cube, and whose images they are."""
    owner = np.arange(len(positions), dtype=np.int32)
    for axis in range(3):
        x = positions[:, axis]
        moved = [(np.flatnonzero(x < reach), edge), (np.flatnonzero(x > edge - reach), -edge)]
        copies = [positions[rows] + shift * np.eye(3)[axis] for rows, shift in moved]
        owner = np.concatenate([owner, *(owner[rows] for rows, _ in moved)])
        positions = np.concatenate([positions, *copies])
    return positions, owner


def evaluate(model: str, atoms: int) -> dict[str, Any]:
    """Seconds of the search and of two steps, and the memory."""
    evaluator = _core.load_evaluator(model, device="cuda", precision="single", deterministic=False)
    cutoff = evaluator.info["cutoff_ang"]
    local, edge = crystal(atoms, cutoff)
    positions, owner = with_images(local, edge, cutoff + SKIN_ANG)
    kinds = len(evaluator.info["atomic_numbers"])
    species = (owner % min(3, kinds)).astype(np.int32)
    began = time.perf_counter()
    evaluator.set_atoms(len(local), positions, species, owner, SKIN_ANG)
    searched = time.perf_counter()
    # known should it end here
    print(f"{atoms} atoms: search {searched - began:.2f} s", flush=True)
    evaluator.evaluate_at(positions)
    first = time.perf_counter()
    peak_gb = evaluator.peak_device_bytes * 1e-9
    print(f"{atoms} atoms: first step {first - searched:.2f} s, {peak_gb:.1f} GB", flush=True)
    result = evaluator.evaluate_at(positions)
    second = time.perf_counter()
    energy, force = result["site_energy"], result["force"]
    return {
        "atoms": len(local),
        "edges": int(result["neighbors"].sum(dtype=np.int64)),
        "search_s": searched - began,
        "step_s": [first - searched, second - first],
        "peak_gb": evaluator.peak_device_bytes * 1e-9,
        "finite": bool(np.isfinite(energy).all() and np.isfinite(force).all()),
        "largest_site_energy_ev": float(np.abs(energy).max()),
        "sum_of_forces_ev_per_ang": float(np.abs(force.sum(axis=0)).max()),
        "gpu": evaluator.info["kernel"],
    }


def main() -> None:
    """Try the numbers in turn; show and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--atoms", type=int, nargs="+", default=[13140360, 10000000, 6000000])
    parser.add_argument("--output", type=Path, default=Path("memory.json"))
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for atoms in options.atoms:
        # in a process of its own: its peak of memory is no other's
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            try:
                row = process.submit(evaluate, options.model, atoms).result()
            except (_core.CoreError, BrokenProcessPool) as problem:
                row = {"atoms": atoms, "problem": str(problem)}
        rows.append(row)
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
        if "problem" in row:
            print(f"{atoms} atoms: {row['problem']}")
            continue
        per_atom_us = 1e6 * row["step_s"][1] / row["atoms"]
        print(
            f"{row['atoms']} atoms, {row['edges']} edges: search {row['search_s']:.2f} s, steps "
            f"{row['step_s'][0]:.2f} and {row['step_s'][1]:.2f} s ({per_atom_us:.2f} us an atom), "
            f"{row['peak_gb']:.1f} GB, finite: {row['finite']}"
        )
        return


if __name__ == "__main__":
    main()
