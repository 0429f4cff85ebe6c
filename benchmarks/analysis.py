"""Time and memory of the analyses: 10,000 frames of 3,000 atoms, read from an XTC file.

    python benchmarks/analysis.py            writes benchmarks/results/analysis.json, README

Each analysis runs in a process of its own, on a tenth of the frames too: memory must not grow. The
frames are a sheet and a random walk of 800 molecules' atoms; time depends on numbers only, not on
physics.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile
from plugin_vs_calculator import machine, replace_block

from mdbench.analysis.density import density_profile
from mdbench.analysis.msd import MsdOptions, mean_squared_displacement
from mdbench.analysis.rdf import radial_distribution
from mdbench.output.formats import open_reader
from mdbench.output.trajectory import AtomTable, FileTrajectory

RESULT = Path(__file__).parent / "results" / "analysis.json"
TARGET_S = {"read": None, "density": 5.0, "msd": 60.0, "rdf": 180.0}
FRAMES = 10_000
NUM_SHEET, NUM_WATER, EDGE_ANG = 600, 800, 31.0
NUMBERS = np.r_[np.full(NUM_SHEET, 6), np.tile([8, 1, 1], NUM_WATER)].astype(np.int64)
MASSES = np.array([0.0, 1.008, *[0.0] * 4, 12.011, 0.0, 15.999])[NUMBERS]


def write_frames(path: Path, frames: int) -> None:
    """Atoms walking at random beside a sheet that vibrates."""
    rng = np.random.default_rng(1)
    positions = rng.uniform([0, 0, 3], [EDGE_ANG, EDGE_ANG, EDGE_ANG - 3], (len(NUMBERS), 3))
    grid = np.stack(np.meshgrid(np.arange(25) / 25, np.arange(24) / 24), axis=-1).reshape(-1, 2)
    positions[:NUM_SHEET] = np.c_[grid * EDGE_ANG, np.zeros(NUM_SHEET)]
    cell = np.eye(3, dtype=np.float32) * EDGE_ANG / 10
    with XTCFile(str(path), "w") as file:
        for i in range(frames):
            positions[NUM_SHEET:] += rng.standard_normal((3 * NUM_WATER, 3))
            shown = positions.copy()
            shown[:NUM_SHEET] += 0.05 * rng.standard_normal((NUM_SHEET, 3))
            file.write((shown / 10).astype(np.float32), cell, 40 * i, 0.02 * i, 10_000)


def work(name: str, path: Path, frames: int) -> None:
    """Run one analysis; prints its time and the peak memory of the process."""
    atoms = AtomTable(NUMBERS, MASSES, np.ones(3, dtype=bool))
    began = time.perf_counter()
    whole = FileTrajectory([open_reader(path)], atoms, 0.5, is_wrapped=False)
    start_ps = float(whole.times_ps[-frames])
    if name == "read":
        for _ in whole.frames(len(whole.times_ps) - frames):
            pass
    elif name == "density":
        density_profile(whole, "O", "C", start_ps=start_ps)
    elif name == "rdf":
        radial_distribution(whole, r_max_ang=8.0, start_ps=start_ps)
    else:
        for element in ("O", "H", "C"):
            mean_squared_displacement(whole, element, MsdOptions(start_ps=start_ps))
    seconds = time.perf_counter() - began
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": mib}))


def measure(name: str, path: Path, frames: int) -> dict[str, float]:
    """One analysis in a fresh process."""
    command = [sys.executable, __file__, "--work", name]
    command += ["--file", str(path), "--frames", str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(result: dict) -> str:
    """The README's table."""
    lines = [
        "| analysis | time, s | target | peak memory, MiB | of a tenth of the frames |",
        "|---|---|---|---|---|",
    ]
    names = {
        "read": "reading alone",
        "density": "density profile of O",
        "msd": "MSD of C, O and H",
        "rdf": "RDF of all six pairs to 8 A",
    }
    for row in result["rows"]:
        times = sorted(row["seconds"])
        target = TARGET_S[row["name"]]
        lines.append(
            f"| {names[row['name']]} | {times[len(times) // 2]:.1f}"
            f" ({times[0]:.1f}-{times[-1]:.1f})"
            f" | {f'{target:g}' if target else ''} | {row['peak_mib']:.0f} |"
            f" {row['peak_mib_tenth']:.0f} |"
        )
    note = (
        f"{result['frames']:,} frames of {len(NUMBERS):,} atoms, XTC; "
        f"median (range) of {result['repeats']} processes on "
        f"{result['machine']['cores']} cores of {result['machine']['cpu']}."
    )
    return "\n".join([*lines, "", note])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--work")
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.file, options.frames)
        return
    os.environ["OMP_NUM_THREADS"] = str(os.cpu_count())
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.xtc"
        write_frames(path, options.frames)
        for name in TARGET_S:
            runs = [measure(name, path, options.frames) for _ in range(options.repeats)]
            tenth = measure(name, path, options.frames // 10)
            rows.append(
                {
                    "name": name,
                    "seconds": [r["seconds"] for r in runs],
                    "peak_mib": max(r["peak_mib"] for r in runs),
                    "peak_mib_tenth": tenth["peak_mib"],
                }
            )
            print(rows[-1], flush=True)
    result = {
        "machine": machine(),
        "frames": options.frames,
        "repeats": options.repeats,
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    replace_block("analysis", table(result))


if __name__ == "__main__":
    main()
